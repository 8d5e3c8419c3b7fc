/* SPDX-License-Identifier: Apache-2.0 */
#include "server/answer.h"

#include <stdarg.h>
#include <stdio.h>

#include "formats/digest.h"
#include "formats/json_write.h"
#include "server/page.h"
#include "server/routes.h"

#define TYPE_PROBLEM "application/problem+json"
#define SHORT_OF_MEMORY "the server is short of memory, try again"

/* ---- problems ---- */

static void add_common(struct response *out)
{
    response_add(out, "Access-Control-Allow-Origin", "*");
    response_add(out, "Access-Control-Expose-Headers",
                 "ETag, Content-Range, Accept-Ranges, Content-Encoding, Link, Retry-After, "
                 "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset");
    response_add(out, "Cross-Origin-Resource-Policy", "cross-origin");
    response_add(out, "Timing-Allow-Origin", "*");
    response_add(out, "X-Content-Type-Options", "nosniff");
}

void answer_begin(struct response *out, unsigned status)
{
    const char *package = out->package;
    const char *key = out->key;
    *out = (struct response){.status = status, .package = package, .key = key};
    add_common(out);
}

void answer_refusal(unsigned status, const char *detail, struct arena *memory, struct response *out)
{
    static const char fallback[] = "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
                                   "\"status\":503,\"detail\":\"out of memory, try again\"}\n";
    answer_begin(out, status);
    response_add(out, "Content-Type", TYPE_PROBLEM);
    response_add(out, "Cache-Control", "no-store");
    struct buf json;
    buf_init(&json, ANSWER_BYTES_MAX);
    buf_add_text(&json, "{\"type\":\"about:blank\",\"title\":");
    json_write_text(&json, text_of(message_status_title(status)));
    buf_print(&json, ",\"status\":%u,\"detail\":", status);
    json_write_text(&json, text_of(detail));
    buf_add_text(&json, "}\n");
    const char *kept = json.refusal != ERR_NONE
                           ? NULL
                           : message_keep(memory, (struct text){(char *)json.data, json.size});
    out->bytes = (struct span){(const uint8_t *)kept, json.size};
    buf_release(&json);
    if (kept == NULL) {
        out->status = 503;
        out->bytes = (struct span){(const uint8_t *)fallback, sizeof fallback - 1};
    }
    if (out->status == 503) {
        response_add(out, "Retry-After", "2");
    } else if (out->status == 401) {
        response_add(out, "WWW-Authenticate", "Bearer realm=\"storey\"");
    }
}

void answer_problem(struct visit *visit, unsigned status, const char *format, ...)
{
    char detail[512];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    answer_refusal(status, detail, visit->memory, visit->out);
}

void answer_failure(struct visit *visit, const struct err *err)
{
    char line[512];
    err_format(err, line, sizeof line);
    if (err->code == ERR_NOMEM || err->code == ERR_LIMIT) {
        answer_problem(visit, 503, SHORT_OF_MEMORY);
    } else {
        answer_problem(visit, 500, "this part of the package is damaged or was changed on disk");
    }
    visit->out->failure = message_keep(visit->memory, text_of(line));
}

const char *answer_keep(struct visit *visit, const char *text)
{
    const char *kept = message_keep(visit->memory, text_of(text));
    return kept == NULL ? "" : kept;
}

/* ---- documents ---- */

/* JSON becomes a page about itself. */
static bool make_page(struct buf *json, struct err *err)
{
    struct buf page;
    buf_init(&page, ANSWER_BYTES_MAX);
    if (!page_print(buf_span(json), &page, err)) {
        buf_release(&page);
        return false;
    }
    buf_release(json);
    *json = page;
    return true;
}

static void add_document_headers(struct visit *visit, unsigned status)
{
    struct response *out = visit->out;
    const bool is_private = access_is_kept(visit->context->catalogue->access);
    answer_begin(out, status);
    out->is_private = is_private;
    response_add(out, "Cache-Control", is_private ? "private, no-cache" : "no-cache");
    response_add(out, "Vary",
                 is_private ? "Accept, Accept-Language, Authorization, X-API-Key"
                            : "Accept, Accept-Language");
}

void answer_begin_document(struct visit *visit, const char *type)
{
    add_document_headers(visit, 200);
    response_add(visit->out, "Content-Type", type);
}

void answer_document(struct visit *visit, const char *type, struct buf *json)
{
    struct response *out = visit->out;
    struct err err;
    if (!buf_finish(json, &err) || (visit->wants_html && !make_page(json, &err))) {
        buf_release(json);
        answer_failure(visit, &err);
        return;
    }
    char *body = message_keep(visit->memory, (struct text){(char *)json->data, json->size});
    const size_t size = json->size;
    buf_release(json);
    if (body == NULL) {
        answer_problem(visit, 503, SHORT_OF_MEMORY);
        return;
    }
    const struct span bytes = {(const uint8_t *)body, size};
    char digits[DIGEST_TEXT_BYTES];
    digest_print(digest_of(bytes), digits);
    char etag[STORE_ETAG_BYTES];
    snprintf(etag, sizeof etag, "\"%s\"", digits);
    const bool is_known = visit->request->method != MESSAGE_POST &&
                          message_etag_is_listed(visit->request->if_none_match, etag);
    add_document_headers(visit, is_known ? 304 : 200);
    response_add(out, "ETag", answer_keep(visit, etag));
    if (!is_known) {
        response_add(out, "Content-Type", visit->wants_html ? "text/html; charset=utf-8" : type);
        out->bytes = bytes;
    }
    if (visit->wants_html) {
        response_add(out, "Content-Security-Policy",
                     "default-src 'none'; style-src 'unsafe-inline'");
    }
}

void answer_word(struct visit *visit, const char *word)
{
    answer_begin(visit->out, 200);
    response_add(visit->out, "Content-Type", "text/plain; charset=utf-8");
    response_add(visit->out, "Cache-Control", "no-store");
    visit->out->bytes = (struct span){(const uint8_t *)word, strlen(word)};
}

/* ---- files ---- */

static void add_view_headers(struct response *out, const struct store_view *view,
                             const char *caching_words)
{
    response_add(out, "ETag", view->etag);
    response_add(out, "Cache-Control", caching_words);
    response_add(out, "Vary", "Accept-Encoding");
    if (out->status == 304) {
        return;
    }
    response_add(out, "Content-Type", view->type);
    response_add(out, "Accept-Ranges", "bytes");
    if (view->coding == MESSAGE_GZIP) {
        response_add(out, "Content-Encoding", "gzip");
    } else if (view->coding == MESSAGE_ZSTD) {
        response_add(out, "Content-Encoding", "zstd");
    }
}

static void respond_beyond(struct visit *visit, uint64_t size)
{
    char range[48];
    snprintf(range, sizeof range, "bytes */%llu", (unsigned long long)size);
    answer_problem(visit, 416, "the range begins beyond the end");
    response_add(visit->out, "Content-Range", answer_keep(visit, range));
}

/* Takes over `view`. */
static void respond_part(struct visit *visit, struct store_view *view, uint64_t first,
                         uint64_t last, const char *caching_words)
{
    char range[80];
    snprintf(range, sizeof range, "bytes %llu-%llu/%llu", (unsigned long long)first,
             (unsigned long long)last, (unsigned long long)view->bytes);
    struct response *out = visit->out;
    answer_begin(out, 206);
    add_view_headers(out, view, caching_words);
    response_add(out, "Content-Range", answer_keep(visit, range));
    out->view = view;
    out->first = first;
    out->bytes.size = (size_t)(last - first + 1);
}

/* False when the whole file is to be sent. Takes over `view` when true. */
static bool respond_range(struct visit *visit, struct store_view *view, const char *caching_words)
{
    uint64_t first = 0;
    uint64_t last = 0;
    const enum message_range_kind kind =
        message_range_read(visit->request->range, view->bytes, &first, &last);
    if (kind == MESSAGE_RANGE_PART) {
        respond_part(visit, view, first, last, caching_words);
    } else if (kind == MESSAGE_RANGE_BEYOND) {
        const uint64_t size = view->bytes;
        store_view_give_back(view);
        respond_beyond(visit, size);
    }
    return kind != MESSAGE_RANGE_NONE;
}

/* Kept by everyone on the way, or with a key by the caller's own cache alone. */
static const char *caching_words_of(enum answer_caching caching, bool is_private)
{
    static const char *const words[][2] = {
        [ANSWER_REVALIDATED] = {"no-cache", "private, no-cache"},
        [ANSWER_A_MINUTE] = {"public, max-age=60, must-revalidate",
                             "private, max-age=60, must-revalidate"},
        [ANSWER_A_DAY] = {"public, max-age=86400", "private, max-age=86400"},
        [ANSWER_FOR_EVER] = {"public, max-age=31536000, immutable",
                             "private, max-age=31536000, immutable"},
    };
    return words[caching][is_private];
}

void answer_view(struct visit *visit, struct store_view *view, enum answer_caching caching)
{
    const struct request *request = visit->request;
    struct response *out = visit->out;
    if (request->if_match.data != NULL && !message_etag_is_listed(request->if_match, view->etag)) {
        store_view_give_back(view);
        answer_problem(visit, 412, "the entity tag is another one now");
        return;
    }
    const bool is_private = visit->grant.key != NULL;
    const char *caching_words = caching_words_of(caching, is_private);
    const bool is_known = request->if_none_match.data != NULL &&
                          message_etag_is_listed(request->if_none_match, view->etag);
    const bool is_ranged =
        request->range.data != NULL && !is_known && request->method == MESSAGE_GET &&
        (request->if_range.data == NULL || text_is(request->if_range, view->etag));
    if (is_ranged && respond_range(visit, view, caching_words)) {
        return;
    }
    answer_begin(out, is_known ? 304 : 200);
    add_view_headers(out, view, caching_words);
    out->view = view;
    out->is_whole_view = true;
    out->is_private = is_private;
    out->is_versioned = caching == ANSWER_FOR_EVER && !view->is_immutable;
    out->bytes.size = is_known ? 0 : (size_t)view->bytes;
}

/* Ranges count in the bytes of the file, so they need it without a coding. */
static unsigned codings_taken(const struct request *request)
{
    return request->range.data != NULL && request->method == MESSAGE_GET
               ? 1U << MESSAGE_IDENTITY
               : message_codings(request->accept_encoding);
}

struct store_view *answer_find(struct visit *visit, struct store *store, struct text name,
                               bool *out_is_missing)
{
    struct store_view *view = NULL;
    bool is_refused = false;
    struct err err;
    *out_is_missing = false;
    if (!store_cache_find(visit->context->cache, store, name, codings_taken(visit->request), &view,
                          &is_refused, &err)) {
        answer_failure(visit, &err);
    } else if (is_refused) {
        answer_problem(visit, 406, "this file is not stored in any coding that was asked for");
    } else if (view == NULL) {
        *out_is_missing = true;
    }
    return view;
}

void answer_file(struct visit *visit, struct store *store, struct text name,
                 enum answer_caching caching)
{
    bool is_missing = true;
    struct store_view *view = NULL;
    if (store != NULL && store_may_serve(store, name)) {
        view = answer_find(visit, store, name, &is_missing);
    }
    if (view != NULL) {
        answer_view(visit, view, caching);
    } else if (is_missing) {
        answer_problem(visit, 404, "no such file");
    }
}

const struct catalogue_entry *answer_entry(struct visit *visit)
{
    const struct catalogue_entry *entry =
        catalogue_find(visit->context->catalogue, visit->path->parts[1]);
    if (entry == NULL) {
        answer_problem(visit, 404, "no such collection; /collections lists them");
        return NULL;
    }
    visit->out->package = entry->id;
    return entry;
}

/* ---- links ---- */

void answer_print_base(struct buf *json, const struct visit *visit)
{
    const struct request *request = visit->request;
    if (visit->context->public_url != NULL) {
        buf_add_text(json, visit->context->public_url);
    } else if (request->host.size > 0) {
        const struct text scheme = request->scheme.size > 0 ? request->scheme : text_of("http");
        buf_print(json, "%.*s://%.*s%.*s", TEXT_ARGS(scheme), TEXT_ARGS(request->host),
                  TEXT_ARGS(request->prefix));
    }
}

void answer_print_link(struct buf *json, const struct visit *visit, const struct answer_link *link)
{
    json_write_comma(json);
    buf_print(json, "{\"rel\":\"%s\",\"type\":\"%s\",\"href\":\"", link->rel, link->type);
    answer_print_base(json, visit);
    buf_add_text(json, link->before);
    message_print_part(json, link->part);
    buf_add_text(json, link->after);
    buf_add_byte(json, '"');
    if (link->title != NULL) {
        buf_add_text(json, ",\"title\":");
        json_write_text(json, text_of(link->title));
    }
    buf_add_byte(json, '}');
}

void answer_print_links(struct buf *json, const struct visit *visit,
                        const struct answer_link *links, size_t count)
{
    buf_add_text(json, "\"links\":[");
    for (size_t i = 0; i < count; i++) {
        answer_print_link(json, visit, &links[i]);
    }
    buf_add_byte(json, ']');
}

/* A query goes into a link as it was sent, but for quotes and the like. */
static void print_sent(struct buf *json, struct text sent)
{
    for (size_t i = 0; i < sent.size; i++) {
        const unsigned char c = (unsigned char)sent.data[i];
        if (c <= 0x20 || c >= 0x7F || strchr("\"<>\\^`{|}", c) != NULL) {
            buf_print(json, "%%%02X", c);
        } else {
            buf_add_byte(json, c);
        }
    }
}

void answer_print_url(struct buf *out, const struct visit *visit, const char *name,
                      const char *value)
{
    struct text rest = visit->request->query;
    struct text key;
    struct text sent;
    char mark = '?';
    answer_print_base(out, visit);
    print_sent(out, visit->request->path);
    while (message_query_next(&rest, &key, &sent)) {
        if ((name != NULL && text_is(key, name)) || text_is(key, "access_token") ||
            text_is(key, "key")) {
            continue; /* no link carries a key */
        }
        buf_add_byte(out, (uint8_t)mark);
        print_sent(out, key);
        buf_add_byte(out, '=');
        print_sent(out, sent);
        mark = '&';
    }
    if (name != NULL) {
        buf_print(out, "%c%s=%s", mark, name, value);
    }
}

void answer_print_here(struct buf *json, const struct visit *visit, const char *rel,
                       const char *type, const char *name, const char *value)
{
    json_write_comma(json);
    buf_print(json, "{\"rel\":\"%s\",\"type\":\"%s\",\"href\":\"", rel, type);
    answer_print_url(json, visit, name, value);
    buf_add_text(json, "\"}");
}
