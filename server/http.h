/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

/*
 * http.h - sockets and HTTP/1.1 around routes.h. The only file that knows
 * libmicrohttpd.
 *
 *   worker 0   own listening socket (SO_REUSEPORT), own libmicrohttpd daemon,
 *   worker 1   own cache of views and prepared responses, own log lines
 *   ...        no lock between them on the way to a tile
 *
 * A worker drives its daemon with poll() and MHD_run(): the library's own epoll
 * loop sleeps with unread requests in hand when exactly 128 events arrive. A
 * response is queued in the second call of the handler, because one in the first
 * closes the connection; that is what refused requests get.
 *
 * Limits   A request's head fits 8 KiB (431, or a closed connection beyond).
 *          guard.h
 *          says what is refused, deadline.h who is disconnected.
 */

#include "server/access_log.h"
#include "server/catalogue.h"

struct http;

struct http_options {
    const char *listen; /* see listener.h; NULL: the socket that a supervisor passed */
    const char *public_url;
    unsigned worker_count;
    unsigned connection_limit; /* of all workers together */
    unsigned cache_slots;      /* of one worker; a power of two */
    unsigned head_s;           /* from the first byte of a request to the end of its head */
    unsigned idle_s;           /* between requests */
    unsigned request_s;        /* for the body of a request */
    unsigned send_rate;        /* bytes a second that a client must take, over ten seconds */
    uint64_t body_bytes;       /* of a POST */
};

/*
 * Binds, then starts the workers.
 *
 * current  must outlive the server, as must `log`
 * Errors   ERR_IO  the address is taken, not of this machine, not an address
 */
ERR_CHECKED bool http_open(const struct http_options *options, struct catalogue_current *current,
                           struct access_log *log, struct http **out, struct err *err);

/* "127.0.0.1:8080": where it listens, with the port that was given. */
const char *http_address(const struct http *http);

/* Takes no new connections, closes idle ones, lets answers under way finish for
 * at most `wait_s` seconds, then closes. NULL is fine. */
void http_close(struct http *http, unsigned wait_s);

/* Tells every worker that the catalogue in force has changed. */
void http_wake(struct http *http);

/* The library's version as it runs, such as "0.9.75". */
const char *http_library_version(void);

#endif
