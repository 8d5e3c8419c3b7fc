/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines are what proxies' headers say: Forwarded, X-Forwarded-For, -Proto, -Host,
 * -Prefix; then a range. Who is no proxy of ours is believed nothing; addresses
 * survive printing; schemes and prefixes are clean or nothing.
 */
#include "server/peer.h"

#include <assert.h>
#include <stdlib.h>

enum { LINES = 6 };

static struct peer peer_of(const char *text)
{
    struct peer peer;
    if (!peer_read(text_of(text), &peer)) {
        abort();
    }
    return peer;
}

static bool is_same(const struct peer *a, const struct peer *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static void check_peer(const struct peer *peer)
{
    char text[PEER_TEXT_BYTES];
    struct peer again;
    peer_print(peer, text);
    const bool is_read = peer_read(text_of(text), &again);
    assert(is_read && is_same(peer, &again));
}

static void check_forwarded(const struct peer_forwarded *forwarded)
{
    struct peer_ranges trusted = {.count = 0};
    struct err err;
    if (!peer_ranges_add(&trusted, "10.0.0.0/8", &err) || !peer_ranges_add(&trusted, "::1", &err)) {
        abort();
    }
    const struct peer stranger = peer_of("192.0.2.1");
    const struct peer proxy = peer_of("10.1.2.3");
    const struct peer told = peer_client(&stranger, forwarded, &trusted);
    assert(is_same(&told, &stranger));
    const struct peer client = peer_client(&proxy, forwarded, &trusted);
    check_peer(&client);

    const struct text scheme = peer_scheme(forwarded);
    assert(scheme.size == 0 || text_is(scheme, "http") || text_is(scheme, "https"));
    const struct text prefix = peer_prefix(forwarded);
    assert(prefix.size == 0 || (prefix.data[0] == '/' && prefix.data[prefix.size - 1] != '/'));
    for (size_t i = 0; i < prefix.size; i++) {
        assert(prefix.data[i] > ' ' && strchr("\"<>\\?#&", prefix.data[i]) == NULL);
    }
}

static void check_range(struct text line)
{
    char text[128];
    struct peer_ranges ranges = {.count = 0};
    struct err err;
    const size_t size = line.size < sizeof text ? line.size : sizeof text - 1;
    memcpy(text, line.data, size);
    text[size] = '\0';
    if (peer_ranges_add(&ranges, text, &err)) {
        assert(ranges.count == 1 && ranges.ranges[0].bits <= 128);
        assert(peer_is_within(&ranges.ranges[0].first, &ranges));
        check_peer(&ranges.ranges[0].first);
    } else {
        assert(ranges.count == 0 && err.message[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text lines[LINES] = {{NULL, 0}};
    const char *at = (const char *)data;
    size_t left = size;
    for (size_t i = 0; i < LINES && left > 0; i++) {
        const char *end = memchr(at, '\n', left);
        const size_t line_bytes = end == NULL ? left : (size_t)(end - at);
        lines[i] = (struct text){at, line_bytes};
        const size_t step = line_bytes + (end == NULL ? 0 : 1);
        at += step;
        left -= step;
    }
    const struct peer_forwarded forwarded = {lines[0], lines[1], lines[2], lines[3], lines[4]};
    check_forwarded(&forwarded);
    if (lines[5].size > 0) {
        check_range(lines[5]);
    }
    return 0;
}
