/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_GUARD_H
#define SERVER_GUARD_H

/*
 * guard.h - the headers of a request looked at one by one: what the routes want
 * to know is kept, and what a proxy in front might read in another way than
 * libmicrohttpd 0.9.75 does is refused.
 *
 * Refused  400  no Host, two of them, one that is none; a length given twice,
 *               beside a transfer coding, or that is no number; two transfer
 *               codings; a name that is no token or that begins with one of
 *               those (a space before the colon, a folded line: the library
 *               appends it to the name); a control character in a value
 *          413  a body on another method than POST; a body beyond the limit
 *          501  another transfer coding than chunked
 *          Bare line feeds, most folded headers, and what follows a NUL are gone
 *          before anyone sees a header: server/nginx.conf is the proxy that stops
 *          them.
 *
 * Source   RFC 9112 "Message Body Length", RFC 9110 "Host and :authority"
 */

#include "server/message.h"
#include "server/peer.h"

struct guard {
    struct request *request;         /* filled in; values are borrowed */
    struct peer_forwarded forwarded; /* as anyone may have sent it: see peer.h */
    unsigned host_count;
    unsigned length_count;
    unsigned coding_count;
    size_t head_bytes; /* what the headers take of the library's pool, about */
    bool is_chunked;
    bool is_bad;
    uint64_t length;
};

/* A name or an address, and a port: what a Host header may be. */
bool guard_is_host(struct text value);

enum message_method guard_method(const char *method);

/* Takes one header. */
void guard_header(struct guard *guard, struct text name, struct text value);

/* The status a request is refused with, and why; 0 when it may go on. `is_old`:
 * it says HTTP/1.0, which has no Host. */
unsigned guard_refusal(const struct guard *guard, bool is_old, uint64_t body_bytes_max,
                       const char **out_why);

#endif
