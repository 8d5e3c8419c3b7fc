/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

/*
 * answer.h - what routes answer with: documents, files, problems, and the links
 * in them.
 *
 * Every exit of a route is one of these functions. Failures are problem documents
 * (RFC 9457) without any path of this machine; a struct err becomes a status in
 * one place.
 *
 * Source   RFC 9457; RFC 8288 for relations; RFC 9110 for conditions
 */

#include "server/access.h"
#include "server/catalogue.h"
#include "server/message.h"
#include "server/parameter.h"

#define ANSWER_JSON "application/json"
#define ANSWER_GEOJSON "application/geo+json"
#define ANSWER_SCHEMA "application/schema+json"
#define ANSWER_API "application/vnd.oai.openapi+json;version=3.0"

enum { ANSWER_BYTES_MAX = 64 << 20 };

struct routes_context;
struct route;

/* One request on its way through a route. */
struct visit {
    const struct routes_context *context;
    const struct request *request;
    struct arena *memory;
    const struct route *route;
    const struct message_path *path;
    const struct parameters *parameters;
    struct access_grant grant; /* what the caller may do */
    struct text tail;          /* what {path} stands for */
    bool wants_html;
    struct response *out;
};

static inline const struct parameter_value *visit_value(const struct visit *visit,
                                                        enum parameter_id id)
{
    return &visit->parameters->values[id];
}

/* Empties the response but for the package's name, and sets what every one has. */
void answer_begin(struct response *out, unsigned status);

/*
 * A problem document. `detail` says what is wrong and what to do; it is copied.
 * answer_refusal() is for those who refuse a request before it has a route.
 */
void answer_problem(struct visit *visit, unsigned status, const char *format, ...) ERR_PRINTF(3, 4);
void answer_refusal(unsigned status, const char *detail, struct arena *memory,
                    struct response *out);

/* Our failure as HTTP's: 400 for bad input, 503 without memory, else 500; the log
 * learns more than the client. */
void answer_failure(struct visit *visit, const struct err *err);

/* Terminated text in the request's arena, or "" without memory. */
const char *answer_keep(struct visit *visit, const char *text);

/*
 * A document made for this request: an entity tag of its bytes, revalidated by
 * clients; as a page when that is what the client wants. Takes over `json`.
 */
void answer_document(struct visit *visit, const char *type, struct buf *json);

/* The head of a document without an entity tag, for one whose bytes nobody has yet. */
void answer_begin_document(struct visit *visit, const char *type);

/* Plain words, never kept. */
void answer_word(struct visit *visit, const char *word);

/* How long a file may be kept. */
enum answer_caching {
    ANSWER_REVALIDATED, /* asked for again each time */
    ANSWER_A_MINUTE,
    ANSWER_A_DAY,
    ANSWER_FOR_EVER /* the URL changes with the bytes */
};

/* A file of a store; 404 when it has none of that name. store may be NULL. */
void answer_file(struct visit *visit, struct store *store, struct text name,
                 enum answer_caching caching);

/* Looks a file up; answers and returns NULL when it cannot be had, or returns
 * NULL with *out_is_missing. */
struct store_view *answer_find(struct visit *visit, struct store *store, struct text name,
                               bool *out_is_missing);

/* A file as it lies in its package: conditions, ranges. Takes over `view`. */
void answer_view(struct visit *visit, struct store_view *view, enum answer_caching caching);

/* The entry that {c} names. Answers 404, and returns NULL, without one. */
const struct catalogue_entry *answer_entry(struct visit *visit);

/* ---- links ---- */

struct answer_link {
    const char *rel;
    const char *type;
    const char *before; /* begins with a slash */
    struct text part;   /* encoded into the middle; may be empty */
    const char *after;
    const char *title; /* or NULL */
};

/* "https://city.example/3d": how clients reach this server, without a slash. */
void answer_print_base(struct buf *json, const struct visit *visit);

/* One link of a list; a comma first when one is due. */
void answer_print_link(struct buf *json, const struct visit *visit, const struct answer_link *link);

/* "links":[...] */
void answer_print_links(struct buf *json, const struct visit *visit,
                        const struct answer_link *links, size_t count);

/* This same address: the request's path and query without keys, with `name` set to
 * `value` (NULL: as it is). */
void answer_print_url(struct buf *out, const struct visit *visit, const char *name,
                      const char *value);

/* A link to it, in another form or on another page. A comma first when one is due. */
void answer_print_here(struct buf *json, const struct visit *visit, const char *rel,
                       const char *type, const char *name, const char *value);

#endif
