/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

/*
 * routes.h - URL to function. No sockets: a request goes in, a response comes
 * out, so that tests call every route directly.
 *
 * The table in routes.c is the contract: what routes there are, with which
 * parameters, for which scope. It decides what a request may say before its
 * function is called, and /api prints it.
 *
 * Every route answers GET and HEAD alike (the sender leaves the body out) and
 * OPTIONS for other origins. Service documents refuse parameters that they do not
 * know; tile routes look over them, because viewers add their own.
 *
 * Source   OGC API Common 1 and 2, Features 1; 3D GeoVolumes (22-029, draft)
 * Threads  A context belongs to one worker
 */

#include "server/answer.h"
#include "server/limiter.h"

typedef void (*route_function)(struct visit *visit);

enum route_kind {
    ROUTE_DOCUMENT, /* knows its parameters; as a page on request */
    ROUTE_FEATURES, /* as that, and names of properties are parameters */
    ROUTE_FILE,     /* takes whatever clients add */
    ROUTE_SERVICE   /* no part of the API: pages, health, the admin listener's */
};

struct route {
    unsigned methods;
    const char *pattern; /* {name} is one part, {path} one or more up to the end */
    route_function function;
    enum route_kind kind;
    enum access_scope scope;
    uint64_t parameters; /* bits */
    const char *type;    /* what it answers with, beside pages */
    const char *name;    /* operation, for the API description */
    const char *text;    /* a sentence for it */
};

/* The first that fits answers. */
extern const struct route routes_table[];
extern const size_t routes_count;

struct routes_context {
    const struct catalogue *catalogue;
    struct store_cache *cache;
    struct attributes *attributes; /* tables that this worker has open */
    struct limiter *limiter;       /* NULL: no rate limits */
    double address_rate;           /* requests a second of one address; 0 any */
    const char *public_url;        /* without a slash at the end; NULL: from the request */
    int64_t now_s;                 /* since 1970 */
    int64_t now_ms;                /* monotonic */
    uint64_t question_ns;          /* for questions of one turn; 0 any */
    uint64_t *turn_ns;             /* what they have taken of this turn; NULL: not counted */
    bool is_draining;
};

/*
 * Answers a request. There is always an answer; when memory runs out it is 503.
 *
 * Memory   what *out refers to lies in `request`, in the catalogue, or in a view
 *          that out->view holds
 */
void routes_answer(const struct routes_context *context, const struct request *request,
                   struct arena *memory, struct response *out);

#endif
