/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths, queries and headers as a client may send them. The input is lines:
 * path, query, Accept, Accept-Encoding, If-None-Match, Range; the rules hold
 * whatever they say.
 */
#define _GNU_SOURCE
#include "server/routes.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "server/peer.h"
#include "server/reach.h"

enum { LINES = 6, SIZE = 1000 };

static void check_path(struct text text, struct arena *memory)
{
    struct message_path path;
    struct err err;
    if (!message_path_read(text, memory, &path, &err)) {
        return;
    }
    for (size_t i = 0; i < path.part_count; i++) {
        const struct text part = path.parts[i];
        assert(part.size > 0 && !text_is(part, ".") && !text_is(part, ".."));
        assert(memchr(part.data, '/', part.size) == NULL);
        assert(memchr(part.data, '\0', part.size) == NULL);
        assert(text_is_utf8(part));
    }
}

/* Whatever a tileset says, it leads nowhere but into its package. */
static void check_uri(struct text base, struct text uri, struct arena *memory)
{
    struct text name;
    if (!reach_resolve(base, uri, memory, &name)) {
        return;
    }
    assert(name.size > 0 && name.data[0] != '/');
    for (size_t at = 0; at < name.size;) {
        size_t end = at;
        while (end < name.size && name.data[end] != '/') {
            end++;
        }
        assert(!text_is((struct text){name.data + at, end - at}, ".."));
        at = end + 1;
    }
}

static void check_peer(struct text addresses, struct text standard)
{
    static struct peer_ranges trusted;
    struct err err;
    if (trusted.count == 0) {
        const bool ok = peer_ranges_add(&trusted, "10.0.0.0/8", &err);
        assert(ok);
        (void)ok;
    }
    const struct peer_forwarded forwarded = {
        .addresses = addresses, .by_standard = standard, .prefix = addresses};
    const struct peer near = {{[10] = 0xFF, [11] = 0xFF, [12] = 10}};
    const struct peer client = peer_client(&near, &forwarded, &trusted);
    char text[PEER_TEXT_BYTES];
    peer_print(&client, text);
    const struct text prefix = peer_prefix(&forwarded);
    assert(prefix.size == 0 || prefix.data[0] == '/');
}

/* Nothing that was not signed is a token. */
static void check_token(const struct access *access, struct text presented, struct arena *memory)
{
    struct access_grant grant;
    assert(presented.size == 0 || !access_identify(access, presented, 0, memory, &grant));
}

static void check_route(const struct text *lines, struct arena *memory)
{
    static struct catalogue empty;
    if (empty.access == NULL) {
        struct err err;
        const bool ok = access_open(NULL, false, &empty.access, &err);
        assert(ok);
        (void)ok;
    }
    const struct routes_context context = {.catalogue = &empty};
    const struct request request = {.method = MESSAGE_GET,
                                    .path = lines[0],
                                    .query = lines[1],
                                    .accept = lines[2],
                                    .accept_encoding = lines[3],
                                    .if_none_match = lines[4],
                                    .range = lines[5]};
    struct response response;
    routes_answer(&context, &request, memory, &response);
    assert(response.status >= 200 && response.status < 600);
    assert(response.view == NULL);
    assert(response_find(&response, "Access-Control-Allow-Origin") != NULL);
}

static const struct access *keys(void)
{
    static struct access *access;
    static const char text[] =
        "{\"token_secret\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}";
    if (access == NULL) {
        struct err err;
        char path[] = "/tmp/storey-fuzz-XXXXXX";
        const int fd = mkstemp(path);
        const bool ok = fd >= 0 && io_write(fd, text, sizeof text - 1, &err) &&
                        access_open(path, false, &access, &err);
        assert(ok);
        (void)ok;
        close(fd);
        unlink(path);
    }
    return access;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text lines[LINES] = {{NULL, 0}};
    struct text rest = {(const char *)data, size};
    for (size_t i = 0; i < LINES && rest.size > 0; i++) {
        const char *end = memchr(rest.data, '\n', rest.size);
        const size_t length = end == NULL ? rest.size : (size_t)(end - rest.data);
        lines[i] = (struct text){rest.data, length};
        const size_t step = end == NULL ? length : length + 1;
        rest = (struct text){rest.data + step, rest.size - step};
    }
    struct arena memory;
    arena_init(&memory, 1 << 22);
    check_path(lines[0], &memory);
    check_route(lines, &memory);
    check_uri(lines[0], lines[1], &memory);
    check_peer(lines[2], lines[3]);
    check_token(keys(), lines[4], &memory);
    uint64_t first = 0;
    uint64_t last = 0;
    if (message_range_read(lines[5], SIZE, &first, &last) == MESSAGE_RANGE_PART) {
        assert(first <= last && last < SIZE);
    }
    assert(message_codings(lines[3]) < 1U << MESSAGE_CODING_COUNT);
    arena_release(&memory);
    return 0;
}
