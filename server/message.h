/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_MESSAGE_H
#define SERVER_MESSAGE_H

/*
 * message.h - an HTTP request and its response as values, and the rules of HTTP
 * that need no socket: paths, queries, negotiation, ranges, entity tags.
 *
 * Source   RFC 9110 "Accept-Encoding", "If-None-Match", "Range Requests",
 *          "Content Negotiation"; RFC 3986 "Percent-Encoding"; RFC 9457
 * Threads  No state
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

enum message_method {
    MESSAGE_GET = 1 << 0,
    MESSAGE_HEAD = 1 << 1,
    MESSAGE_OPTIONS = 1 << 2,
    MESSAGE_POST = 1 << 3,
    MESSAGE_OTHER = 1 << 4
};

enum { MESSAGE_PATH_BYTES_MAX = 2048, MESSAGE_PARTS_MAX = 16 };

/* One request. Text is borrowed from the connection until the reply has left;
 * a header that was not sent is empty with data NULL. */
struct request {
    enum message_method method;
    struct text path;  /* as sent, percent-encoded, begins with '/' */
    struct text query; /* as sent, without the '?' */
    struct text host;
    struct text accept;
    struct text accept_encoding;
    struct text accept_language;
    struct text if_none_match;
    struct text if_match;
    struct text range;
    struct text if_range;
    struct text content_type;
    struct text authorization;
    struct text api_key;
    struct text request_id;
    struct text scheme;   /* "https" when that is how the client came; or empty */
    struct text prefix;   /* what a proxy took off the front of the path; or empty */
    uint64_t client_hash; /* tells addresses apart; 0 unknown */
    struct span body;
};

enum { MESSAGE_HEADERS_MAX = 20 };

struct response_header {
    const char *name; /* a string constant */
    const char *value;
};

struct store_view;

/* What kind of address answered: what operators watch apart. */
enum response_kind {
    RESPONSE_NOWHERE,   /* no route: refused by the guard, or no such address */
    RESPONSE_TILES,     /* tilesets, tiles, and what points to them */
    RESPONSE_DOWNLOADS, /* whole packages */
    RESPONSE_ITEMS,     /* features */
    RESPONSE_QUESTIONS, /* to features: place, area, flood, ... */
    RESPONSE_DOCUMENTS, /* of the service: landing page, collections, ... */
    RESPONSE_PAGES,     /* files of the viewer, health */
    RESPONSE_KIND_COUNT
};

/* The rest of a body, made while it is sent, so that a long one neither waits for
 * its end nor keeps a worker from others. */
struct response_rest {
    /* Appends what comes next; *out_is_over with the last of it. False: the rest
     * cannot be made, and the client must not take what it has for the whole. */
    bool (*more)(struct response_rest *rest, struct buf *out, bool *out_is_over, struct err *err);
    void (*close)(struct response_rest *rest); /* called once, whatever happened */
};

/*
 * One response. The body is `bytes`, and what `rest` makes after them; or when
 * `view` is set the part of it from `first` of `bytes.size` bytes (bytes.data is
 * NULL then).
 */
struct response {
    unsigned status;
    enum response_kind kind;
    struct response_header headers[MESSAGE_HEADERS_MAX];
    size_t header_count;
    struct span bytes;          /* constant, or in the request's arena */
    struct response_rest *rest; /* for the receiver to close, or NULL; in the request's arena */
    struct store_view *view;    /* a reference that the receiver gives back, or NULL */
    uint64_t first;
    bool is_whole_view;  /* status, headers and body follow from the view alone:
                            what is made of it may be kept with the view */
    bool is_private;     /* for this caller alone */
    bool is_versioned;   /* its URL has the revision in it */
    bool is_shed;        /* refused for want of time */
    bool must_close;     /* the connection must not be used again */
    const char *package; /* id of the collection for the log; NULL none */
    const char *key;     /* name of the caller's key; NULL none */
    const char *failure; /* what went wrong, for the log alone; NULL nothing */
};

/* Adds a header; `value` lives as long as the request's arena, or longer. */
void response_add(struct response *response, const char *name, const char *value);

/* The value of a header or NULL; for tests and logs. */
const char *response_find(const struct response *response, const char *name);

/* ---- paths and queries ---- */

/*
 * Splits and decodes a path.
 *
 * Refused are: no leading slash, an empty or "." or ".." part (one trailing slash
 * is fine), a percent sign without two digits, and after decoding a slash, a
 * backslash, a control character (NUL among them) or bytes that are not UTF-8.
 *
 * Memory   parts lie in `request` or in `path`
 * Errors   ERR_SYNTAX  a rule above    ERR_LIMIT  longer than MESSAGE_PATH_BYTES_MAX,
 *                      or more than MESSAGE_PARTS_MAX parts    ERR_NOMEM
 */
struct message_path {
    struct text parts[MESSAGE_PARTS_MAX];
    size_t part_count;
    struct text rests[MESSAGE_PARTS_MAX]; /* from part i to the end, with slashes, decoded */
};
ERR_CHECKED bool message_path_read(struct text path, struct arena *request,
                                   struct message_path *out, struct err *err);

/* Takes the next "name=value" off the front of *rest, as sent; false at the end. */
bool message_query_next(struct text *rest, struct text *out_name, struct text *out_value);

/*
 * A name or value of a query without its escapes; '+' is a space.
 *
 * Memory   *out lies in `request`, terminated
 * Errors   ERR_SYNTAX  a bad escape, a control character, not UTF-8   ERR_NOMEM
 */
ERR_CHECKED bool message_query_decode(struct text sent, struct arena *request, struct text *out,
                                      struct err *err);

/* ---- negotiation ---- */

enum message_coding { MESSAGE_IDENTITY, MESSAGE_GZIP, MESSAGE_ZSTD, MESSAGE_CODING_COUNT };

/*
 * What the client takes, as bits 1 << message_coding, from Accept-Encoding.
 * None sent: identity only, as scripts that send none cannot decode. An absent
 * q is 1, q=0 refuses; identity is taken unless refused by name or by "*;q=0".
 */
unsigned message_codings(struct text accept_encoding);

/*
 * True when the client prefers `type` (such as "text/html") over `other`: by q,
 * at equal q the one that is named more precisely, then the one named first.
 * False when it takes neither, or sent nothing.
 */
bool message_prefers(struct text accept, const char *type, const char *other);

/* True when the client takes `type` at all; what sent nothing takes everything. */
bool message_accepts(struct text accept, const char *type);

/* ---- conditions and ranges ---- */

/* True when `etag` (strong, with quotes) stands in an If-None-Match or If-Match
 * list, or the list is "*"; a W/ prefix is looked over. */
bool message_etag_is_listed(struct text list, const char *etag);

enum message_range_kind {
    MESSAGE_RANGE_NONE, /* whole: none sent, several, not bytes, malformed */
    MESSAGE_RANGE_PART,
    MESSAGE_RANGE_BEYOND /* 416 */
};

/* A single byte range over `size` bytes; *out_last is inclusive. */
enum message_range_kind message_range_read(struct text range, uint64_t size, uint64_t *out_first,
                                           uint64_t *out_last);

/* ---- text for answers ---- */

/* Appends a path part, percent-encoded (unreserved characters stay). */
void message_print_part(struct buf *out, struct text part);

/* The bytes of `buf` as terminated text in `request`; NULL without memory. */
char *message_keep(struct arena *request, struct text text);

/* Media type by the ending of a file's name; "application/octet-stream". */
const char *message_media_type(struct text name);

/* True for "application/json", "application/geo+json; charset=utf-8" and the like. */
bool message_is_json(struct text content_type);

/* "Not Found", for problem documents. */
const char *message_status_title(unsigned status);

#endif
