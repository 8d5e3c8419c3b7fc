/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HTTP_INTERNAL_H
#define SERVER_HTTP_INTERNAL_H

/*
 * http_internal.h - what http.c (the server and its workers) and http_connection.c
 * (requests and answers on their connections) share.
 */

#include <pthread.h>
#include <stdarg.h>

#include <microhttpd.h>

#include "server/admin.h"
#include "server/attributes.h"
#include "server/certificate.h"
#include "server/crowd.h"
#include "server/deadline.h"
#include "server/http.h"
#include "server/known.h"
#include "server/listener.h"
#include "server/routes.h"

/* The library clears its pool for every request: 8 KiB costs half of 32 KiB. It
 * holds the head of a request, and the head of the answer beside it. */
enum { HTTP_POOL_BYTES = 8 * 1024, HTTP_HEAD_BYTES = HTTP_POOL_BYTES - 1400 };

struct connection {
    struct connection *before, *after; /* of those that are open */
    struct worker *worker;
    struct deadline deadline;
    struct peer peer;             /* at the other end of the socket */
    char client[PEER_TEXT_BYTES]; /* the one behind it, when that is a proxy of ours */
    uint64_t peer_hash;
    struct certificate *certificate; /* held until the end; NULL: plain */
    bool is_proxy;
    bool is_counted; /* in the crowd */
    bool is_seen;    /* the handler was called for this request */
    bool is_answered;
    bool is_incomplete; /* there was no memory for its query */
    size_t uri_bytes;
    uint64_t begin_ns;
    struct arena memory; /* of the request */
    struct text path, query;
    struct request request;
    struct buf body;
    struct response response;
    uint64_t sent_bytes;
    struct buf part; /* of an answer that is made while it is sent */
    size_t part_at;  /* what of it has gone */
    bool is_last_part;
    char method[12];
    char package[80]; /* what response.package points to once it is sent */
    char key[48];
};

struct worker {
    struct http *http;
    pthread_t thread;
    bool is_started;
    int listen_fd;
    int wake_fd;
    struct MHD_Daemon *daemon;
    struct arena memory; /* connections */
    struct connection *open_connections;
    size_t open_count;
    struct connection *to_sweep; /* the next to be looked at; NULL between sweeps */
    struct connection *free_connections;
    struct catalogue *catalogue;
    unsigned generation;
    struct store_cache *cache;
    struct known *known; /* NULL: every request is to be counted */
    struct attributes *attributes;
    struct access_log_lines lines;
    struct usage_tally *tally;
    struct metrics metrics;
    bool is_admin;   /* the admin listener's */
    int64_t now_ms;  /* monotonic, of this turn */
    uint64_t now_ns; /* the same, last looked at when a request ended */
    int64_t wall_ms; /* since 1970, of this turn */
    int64_t dated_s; /* the second that is written in `date` */
    char date[32];   /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    int64_t swept_ms, sliced_ms;
    int64_t flushed_ms;
    int64_t drain_end_ms; /* 0: not draining */
    uint64_t question_ns; /* what questions have taken of this turn */
};

struct http {
    struct arena memory;
    struct http_options options;
    struct catalogue_current *current;
    struct access_log *log;
    struct worker *workers;         /* the admin listener's is the last, when there is one */
    unsigned all_count;             /* workers and that one */
    const struct metrics **metrics; /* of the workers and of the run */
    size_t metrics_count;
    int64_t started_s; /* since 1970 */
    struct limiter *limiter;
    struct crowd *crowd; /* NULL: no cap */
    struct usage *usage;
    struct certificates *certificates; /* NULL: plain */
    struct certificate *first;         /* what the library was started with */
    struct listener_name address, admin_address;
    unsigned drain_wait_s;
};

/* The library does not write to what it is given; its interface is older than
 * const. */
static inline void *http_unconst(const void *bytes)
{
    return (void *)(uintptr_t)bytes;
}

/* The library's callbacks. */
void *http_on_uri(void *cls, const char *uri, struct MHD_Connection *handle);
enum MHD_Result http_on_request(void *cls, struct MHD_Connection *handle, const char *url,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **con_cls);
void http_on_completed(void *cls, struct MHD_Connection *handle, void **con_cls,
                       enum MHD_RequestTerminationCode code);
void http_on_connection(void *cls, struct MHD_Connection *handle, void **socket_cls,
                        enum MHD_ConnectionNotificationCode code);

#endif
