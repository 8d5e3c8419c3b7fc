/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PEER_H
#define SERVER_PEER_H

/*
 * peer.h - who is at the other end: addresses, the ranges that are trusted to be
 * proxies, and what such a proxy says about its client.
 *
 * Nothing that a client says about itself counts. From a trusted address the
 * chain of X-Forwarded-For (or the "for" of Forwarded) is followed from its end:
 * the first address that is no proxy of ours is the client.
 *
 * Source   RFC 7239 "Forwarded"; X-Forwarded-For, -Proto, -Host, -Prefix as nginx
 *          and Caddy send them
 */

#include "formats/base/bytes.h"
#include "formats/base/err.h"

struct sockaddr;

/* IPv6, or IPv4 as ::ffff:a.b.c.d. */
struct peer {
    uint8_t bytes[16];
};

struct peer_range {
    struct peer first;
    unsigned bits;
};

enum { PEER_RANGES_MAX = 32, PEER_TEXT_BYTES = 48 };

struct peer_ranges {
    struct peer_range ranges[PEER_RANGES_MAX];
    size_t count;
};

/* What a proxy's headers say; empty what they do not. */
struct peer_forwarded {
    struct text by_standard; /* Forwarded */
    struct text addresses;   /* X-Forwarded-For */
    struct text scheme;      /* X-Forwarded-Proto */
    struct text host;        /* X-Forwarded-Host */
    struct text prefix;      /* X-Forwarded-Prefix */
};

/* "10.0.0.0/8", "::1", "192.168.1.7". Adds to *out. */
ERR_CHECKED bool peer_ranges_add(struct peer_ranges *out, const char *text, struct err *err);

bool peer_of_socket(const struct sockaddr *address, struct peer *out);
bool peer_read(struct text text, struct peer *out);
void peer_print(const struct peer *peer, char out[PEER_TEXT_BYTES]);
bool peer_is_local(const struct peer *peer); /* 127.0.0.0/8, ::1 */
bool peer_is_within(const struct peer *peer, const struct peer_ranges *ranges);
uint64_t peer_hash(const struct peer *peer); /* never 0 */

/* The client behind `near`, which is trusted: the last address of the chain that
 * is not; `near` itself when there is none. */
struct peer peer_client(const struct peer *near, const struct peer_forwarded *forwarded,
                        const struct peer_ranges *trusted);

/* "https" or "http" when the proxy says one of these; else empty. */
struct text peer_scheme(const struct peer_forwarded *forwarded);

/* "/3d" without a slash at its end; empty when it is none. */
struct text peer_prefix(const struct peer_forwarded *forwarded);

#endif
