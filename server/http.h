/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

/*
 * http.h - sockets and HTTP/1.1 around routes.h. http.c and http_connection.c
 * are the only files that know libmicrohttpd.
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
 * Limits   A request's head fits in some 6.6 KiB: 414 for the URI, 431 for headers
 *          beyond; from 7800 bytes on the library may hang up without a
 *          word.
 *          guard.h says what is refused, deadline.h who is disconnected.
 */

#include "server/access_log.h"
#include "server/catalogue.h"
#include "server/metrics.h"
#include "server/peer.h"
#include "server/usage.h"

struct http;

struct http_options {
    const char *listen; /* see listener.h; NULL: the socket that a supervisor passed */
    const char *admin;  /* address of the admin listener; NULL: none */
    const char *public_url;
    unsigned worker_count;
    unsigned connection_limit;  /* of all workers together */
    unsigned cache_slots;       /* of one worker; a power of two */
    unsigned head_s;            /* from the first byte of a request to the end of its head */
    unsigned idle_s;            /* between requests */
    unsigned request_s;         /* for the body of a request */
    unsigned send_rate;         /* bytes a second that a client must take, over ten seconds */
    uint64_t body_bytes;        /* of a POST */
    unsigned question_ms;       /* for questions of one turn of a worker; 0 any */
    unsigned address_rate;      /* requests a second of one address; 0 any */
    unsigned address_limit;     /* connections of one address; 0 any */
    bool is_local_limited;      /* of this machine's own addresses, too */
    struct peer_ranges proxies; /* believed about their clients, and not capped */
    const char *certificate;    /* of TLS: a PEM file; NULL: plain */
    const char *private_key;    /* a PEM file */
};

/* What belongs to someone else and outlives the server. */
struct http_shared {
    struct catalogue_current *current;
    struct access_log *log;
    struct usage *usage;
    const struct metrics *metrics; /* of the run; or NULL */
};

/*
 * Binds, then starts the workers.
 *
 * Errors   ERR_IO       the address is taken, not of this machine, not an address
 *          ERR_LIBRARY  libmicrohttpd
 *          and those of certificates_open()
 */
ERR_CHECKED bool http_open(const struct http_options *options, const struct http_shared *shared,
                           struct http **out, struct err *err);

/* "127.0.0.1:8080": where it listens, with the port that was given. */
const char *http_address(const struct http *http);
const char *http_admin_address(const struct http *http); /* "" without an admin listener */

/* Takes no new connections, closes idle ones, lets answers under way finish for
 * at most `wait_s` seconds, then closes. NULL is fine. */
void http_close(struct http *http, unsigned wait_s);

/*
 * Reads certificate and key again: new connections get the new ones, old ones go on.
 * Without TLS there is nothing to read.
 *
 * Errors   those of certificates_reload(); the old ones stay
 */
ERR_CHECKED bool http_reload_certificate(struct http *http, int64_t now_s, bool *out_is_other,
                                         struct err *err);

/* When the certificate in force begins and ends, since 1970; 0 without TLS. */
void http_certificate_times(const struct http *http, int64_t *out_begins_s, int64_t *out_ends_s);

/* Tells every worker that the catalogue in force has changed. */
void http_wake(struct http *http);

/* The library's version as it runs, such as "0.9.75". */
const char *http_library_version(void);

#endif
