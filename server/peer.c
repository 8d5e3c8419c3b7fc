/* SPDX-License-Identifier: Apache-2.0 */
#include "server/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "formats/digest.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

static bool is_mapped(const struct peer *peer)
{
    return memcmp(peer->bytes, mapped, sizeof mapped) == 0;
}

static struct peer map_ipv4(const void *address)
{
    struct peer peer;
    memcpy(peer.bytes, mapped, sizeof mapped);
    memcpy(peer.bytes + sizeof mapped, address, 4);
    return peer;
}

bool peer_of_socket(const struct sockaddr *address, struct peer *out)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        *out = map_ipv4(&in.sin_addr);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        memcpy(out->bytes, &in.sin6_addr, sizeof out->bytes);
        return true;
    }
    return false;
}

/* "1.2.3.4", "1.2.3.4:80", "[::1]:80", "::1", any of them in quotes. */
bool peer_read(struct text text, struct peer *out)
{
    char host[PEER_TEXT_BYTES];
    if (text.size >= 2 && text.data[0] == '"' && text.data[text.size - 1] == '"') {
        text = (struct text){text.data + 1, text.size - 2};
    }
    const char *colon = text.size == 0 ? NULL : memchr(text.data, ':', text.size);
    if (text.size > 0 && text.data[0] == '[') {
        const char *end = memchr(text.data, ']', text.size);
        text = (struct text){text.data + 1, end == NULL ? 0 : (size_t)(end - text.data) - 1};
    } else if (colon != NULL && memchr(text.data, '.', text.size) != NULL &&
               memchr(colon + 1, ':', text.size - (size_t)(colon - text.data) - 1) == NULL) {
        text.size = (size_t)(colon - text.data);
    }
    if (text.size == 0 || text.size >= sizeof host) {
        return false;
    }
    memcpy(host, text.data, text.size);
    host[text.size] = '\0';
    struct in_addr in;
    if (inet_pton(AF_INET, host, &in) == 1) {
        *out = map_ipv4(&in);
        return true;
    }
    return inet_pton(AF_INET6, host, out->bytes) == 1;
}

void peer_print(const struct peer *peer, char out[PEER_TEXT_BYTES])
{
    if (is_mapped(peer)) {
        inet_ntop(AF_INET, peer->bytes + sizeof mapped, out, PEER_TEXT_BYTES);
    } else {
        inet_ntop(AF_INET6, peer->bytes, out, PEER_TEXT_BYTES);
    }
}

bool peer_is_local(const struct peer *peer)
{
    static const uint8_t one[16] = {[15] = 1};
    return (is_mapped(peer) && peer->bytes[12] == 127) || memcmp(peer->bytes, one, sizeof one) == 0;
}

bool peer_ranges_add(struct peer_ranges *out, const char *text, struct err *err)
{
    struct peer_range range;
    const char *slash = strchr(text, '/');
    const struct text host = {text, slash == NULL ? strlen(text) : (size_t)(slash - text)};
    if (out->count == PEER_RANGES_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d address ranges", PEER_RANGES_MAX);
    }
    if (!peer_read(host, &range.first)) {
        return err_set(err, ERR_SCHEMA, "'%s' is not an address range such as 10.0.0.0/8", text);
    }
    const unsigned most = is_mapped(&range.first) ? 32 : 128;
    range.bits = most;
    if (slash != NULL) {
        char *end = NULL;
        const unsigned long bits = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || bits > most) {
            return err_set(err, ERR_SCHEMA, "'%s': a range has 0 to %u bits", text, most);
        }
        range.bits = (unsigned)bits;
    }
    range.bits += 128 - most;
    out->ranges[out->count++] = range;
    return true;
}

static bool is_in(const struct peer *peer, const struct peer_range *range)
{
    const unsigned whole = range->bits / 8;
    const unsigned rest = range->bits % 8;
    if (memcmp(peer->bytes, range->first.bytes, whole) != 0) {
        return false;
    }
    const uint8_t mask = (uint8_t)(0xFF00U >> rest);
    return rest == 0 || ((peer->bytes[whole] ^ range->first.bytes[whole]) & mask) == 0;
}

bool peer_is_within(const struct peer *peer, const struct peer_ranges *ranges)
{
    for (size_t i = 0; i < ranges->count; i++) {
        if (is_in(peer, &ranges->ranges[i])) {
            return true;
        }
    }
    return false;
}

uint64_t peer_hash(const struct peer *peer)
{
    return bytes_load_u64le(digest_of((struct span){peer->bytes, sizeof peer->bytes}).bytes) | 1;
}

/* ---- what a proxy says ---- */

static struct text trim(struct text text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = (struct text){text.data + 1, text.size - 1};
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

/* Takes the last member off a list. */
static bool take_last(struct text *rest, char mark, struct text *out)
{
    if (rest->size == 0) {
        return false;
    }
    size_t from = rest->size;
    while (from > 0 && rest->data[from - 1] != mark) {
        from--;
    }
    *out = trim((struct text){rest->data + from, rest->size - from});
    rest->size = from == 0 ? 0 : from - 1;
    return true;
}

/* The value of "name=value" in one element of Forwarded; empty without it. */
static struct text pair_of(struct text element, const char *name)
{
    struct text pair;
    const size_t size = strlen(name);
    while (take_last(&element, ';', &pair)) {
        if (pair.size > size && pair.data[size] == '=' && strncasecmp(pair.data, name, size) == 0) {
            return (struct text){pair.data + size + 1, pair.size - size - 1};
        }
    }
    return (struct text){NULL, 0};
}

struct peer peer_client(const struct peer *near, const struct peer_forwarded *forwarded,
                        const struct peer_ranges *trusted)
{
    struct peer found = *near;
    const bool is_standard = forwarded->by_standard.size > 0;
    struct text rest = is_standard ? forwarded->by_standard : forwarded->addresses;
    struct text member;
    while (peer_is_within(&found, trusted) && take_last(&rest, ',', &member)) {
        struct peer next;
        if (!peer_read(is_standard ? pair_of(member, "for") : member, &next)) {
            break; /* "unknown", or a hidden name */
        }
        found = next;
    }
    return found;
}

struct text peer_scheme(const struct peer_forwarded *forwarded)
{
    struct text rest = forwarded->by_standard;
    struct text member;
    struct text scheme = forwarded->scheme;
    if (take_last(&rest, ',', &member) && pair_of(member, "proto").size > 0) {
        scheme = pair_of(member, "proto");
    }
    return text_is(scheme, "https") || text_is(scheme, "http") ? scheme : (struct text){NULL, 0};
}

struct text peer_prefix(const struct peer_forwarded *forwarded)
{
    struct text prefix = forwarded->prefix;
    while (prefix.size > 0 && prefix.data[prefix.size - 1] == '/') {
        prefix.size--;
    }
    for (size_t i = 0; i < prefix.size; i++) {
        const char c = prefix.data[i];
        const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || strchr("/-._~%", c) != NULL;
        if (!ok || c == '\0' || prefix.data[0] != '/') {
            return (struct text){NULL, 0};
        }
    }
    return prefix;
}
