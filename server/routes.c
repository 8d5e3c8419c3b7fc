/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "formats/digest.h"
#include "formats/json_write.h"

enum { ANSWER_BYTES_MAX = 64 << 20 };
enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 10000 };

#define TYPE_JSON "application/json"
#define TYPE_PROBLEM "application/problem+json"
#define REL_GEOVOLUMES "http://www.opengis.net/def/rel/ogc/1.0/3d-geovolumes"
#define CRS84H "http://www.opengis.net/def/crs/OGC/0/CRS84h"

/* One request on its way through a route. */
struct visit {
    const struct routes_context *context;
    const struct request *request;
    struct arena *memory;
    const struct message_path *path;
    struct text tail; /* what {path} stands for */
    struct response *out;
};

typedef void (*route_function)(struct visit *visit);

/* ---- answers ---- */

static void add_common(struct response *out)
{
    response_add(out, "Access-Control-Allow-Origin", "*");
    response_add(out, "Access-Control-Expose-Headers",
                 "ETag, Content-Range, Accept-Ranges, Content-Encoding, Link, Retry-After");
    response_add(out, "Cross-Origin-Resource-Policy", "cross-origin");
    response_add(out, "Timing-Allow-Origin", "*");
    response_add(out, "X-Content-Type-Options", "nosniff");
}

static void begin(struct response *out, unsigned status)
{
    const char *package = out->package;
    *out = (struct response){.status = status, .package = package};
    add_common(out);
}

void routes_problem(unsigned status, const char *detail, struct arena *memory, struct response *out)
{
    static const char fallback[] = "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
                                   "\"status\":503,\"detail\":\"out of memory, try again\"}\n";
    begin(out, status);
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
    }
}

static void respond_problem(struct visit *visit, unsigned status, const char *detail)
{
    routes_problem(status, detail, visit->memory, visit->out);
}

/* The one place where our failures become HTTP's. What failed is told to the
 * log; the client learns no path. */
static void respond_failure(struct visit *visit, const struct err *err)
{
    char line[512];
    err_format(err, line, sizeof line);
    if (err->code == ERR_NOMEM || err->code == ERR_LIMIT) {
        respond_problem(visit, 503, "the server is short of memory, try again");
    } else {
        respond_problem(visit, 500, "this part of the package is damaged or was changed on disk");
    }
    visit->out->failure = message_keep(visit->memory, text_of(line));
}

/* Memory for text in an answer, or "" and the answer becomes 503 elsewhere. */
static const char *keep(struct visit *visit, const char *text)
{
    const char *kept = message_keep(visit->memory, text_of(text));
    return kept == NULL ? "" : kept;
}

/* A document made for this request: an entity tag of its bytes, revalidated by
 * clients. Takes over `json`. */
static void respond_document(struct visit *visit, const char *type, struct buf *json)
{
    struct response *out = visit->out;
    struct err err;
    if (!buf_finish(json, &err)) {
        buf_release(json);
        respond_failure(visit, &err);
        return;
    }
    char *body = message_keep(visit->memory, (struct text){(char *)json->data, json->size});
    const size_t size = json->size;
    buf_release(json);
    if (body == NULL) {
        respond_problem(visit, 503, "the server is short of memory, try again");
        return;
    }
    const struct span bytes = {(const uint8_t *)body, size};
    char digits[DIGEST_TEXT_BYTES];
    digest_print(digest_of(bytes), digits);
    char etag[STORE_ETAG_BYTES];
    snprintf(etag, sizeof etag, "\"%s\"", digits);
    const bool is_known = message_etag_is_listed(visit->request->if_none_match, etag);
    begin(out, is_known ? 304 : 200);
    response_add(out, "ETag", keep(visit, etag));
    response_add(out, "Cache-Control", "no-cache");
    response_add(out, "Vary", "Accept");
    if (!is_known) {
        response_add(out, "Content-Type", type);
        out->bytes = bytes;
    }
}

/* ---- files ---- */

static void add_view_headers(struct response *out, const struct store_view *view,
                             const char *caching)
{
    response_add(out, "ETag", view->etag);
    response_add(out, "Cache-Control", caching);
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
    respond_problem(visit, 416, "the range begins beyond the end");
    response_add(visit->out, "Content-Range", keep(visit, range));
}

/* Takes over `view`. */
static void respond_part(struct visit *visit, struct store_view *view, uint64_t first,
                         uint64_t last, const char *caching)
{
    char range[80];
    snprintf(range, sizeof range, "bytes %llu-%llu/%llu", (unsigned long long)first,
             (unsigned long long)last, (unsigned long long)view->bytes);
    struct response *out = visit->out;
    begin(out, 206);
    add_view_headers(out, view, caching);
    response_add(out, "Content-Range", keep(visit, range));
    out->view = view;
    out->first = first;
    out->bytes.size = (size_t)(last - first + 1);
}

/* A file as it lies in its package. Takes over `view`. */
static void respond_view(struct visit *visit, struct store_view *view, const char *caching)
{
    const struct request *request = visit->request;
    struct response *out = visit->out;
    if (request->if_match.data != NULL && !message_etag_is_listed(request->if_match, view->etag)) {
        store_view_give_back(view);
        respond_problem(visit, 412, "the entity tag is another one now");
        return;
    }
    const bool is_known = request->if_none_match.data != NULL &&
                          message_etag_is_listed(request->if_none_match, view->etag);
    const bool is_ranged =
        request->range.data != NULL && !is_known && request->method == MESSAGE_GET &&
        (request->if_range.data == NULL || text_is(request->if_range, view->etag));
    if (is_ranged) {
        uint64_t first = 0;
        uint64_t last = 0;
        const enum message_range_kind kind =
            message_range_read(request->range, view->bytes, &first, &last);
        if (kind == MESSAGE_RANGE_PART) {
            respond_part(visit, view, first, last, caching);
            return;
        }
        if (kind == MESSAGE_RANGE_BEYOND) {
            const uint64_t size = view->bytes;
            store_view_give_back(view);
            respond_beyond(visit, size);
            return;
        }
    }
    begin(out, is_known ? 304 : 200);
    add_view_headers(out, view, caching);
    out->view = view;
    out->is_whole_view = true;
    out->bytes.size = is_known ? 0 : (size_t)view->bytes;
}

/* Ranges count in the bytes of the file, so they need it without a coding. */
static unsigned codings_taken(const struct request *request)
{
    return request->range.data != NULL && request->method == MESSAGE_GET
               ? 1U << MESSAGE_IDENTITY
               : message_codings(request->accept_encoding);
}

/* Looks a file up; answers and returns NULL when it cannot be had. */
static struct store_view *find_view(struct visit *visit, struct store *store, struct text name,
                                    bool *out_is_missing)
{
    struct store_view *view = NULL;
    bool is_refused = false;
    struct err err;
    *out_is_missing = false;
    if (!store_cache_find(visit->context->cache, store, name, codings_taken(visit->request), &view,
                          &is_refused, &err)) {
        respond_failure(visit, &err);
    } else if (is_refused) {
        respond_problem(visit, 406, "this file is not stored in any coding that was asked for");
    } else if (view == NULL) {
        *out_is_missing = true;
    }
    return view;
}

static void respond_file(struct visit *visit, struct store *store, struct text name,
                         const char *caching)
{
    bool is_missing = true;
    struct store_view *view = NULL;
    if (store != NULL && store_may_serve(store, name)) {
        view = find_view(visit, store, name, &is_missing);
    }
    if (view != NULL) {
        respond_view(visit, view, caching);
    } else if (is_missing) {
        respond_problem(visit, 404, "no such file");
    }
}

/* ---- JSON ---- */

/* "http://host" or the public URL, for links. */
static void print_base(struct buf *json, const struct visit *visit)
{
    if (visit->context->public_url != NULL) {
        buf_add_text(json, visit->context->public_url);
    } else if (visit->request->host.size > 0) {
        buf_print(json, "http://%.*s", TEXT_ARGS(visit->request->host));
    }
}

/* One link of a list; `part` (may be empty) is encoded into the middle. */
struct link {
    const char *rel;
    const char *type;
    const char *before;
    struct text part;
    const char *after;
    const char *title; /* or NULL */
};

static void print_link(struct buf *json, const struct visit *visit, bool is_first,
                       const struct link *link)
{
    if (!is_first) {
        buf_add_byte(json, ',');
    }
    buf_print(json, "{\"rel\":\"%s\",\"type\":\"%s\",\"href\":\"", link->rel, link->type);
    print_base(json, visit);
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

static void print_links(struct buf *json, const struct visit *visit, const struct link *links,
                        size_t count)
{
    buf_add_text(json, "\"links\":[");
    for (size_t i = 0; i < count; i++) {
        print_link(json, visit, i == 0, &links[i]);
    }
    buf_add_byte(json, ']');
}

static void print_extent(struct buf *json, const struct facts *facts)
{
    if (!facts->has_extent) {
        return;
    }
    buf_add_text(json, ",\"extent\":{\"spatial\":{\"crs\":\"" CRS84H "\",\"bbox\":[[");
    for (int i = 0; i < 6; i++) {
        if (i > 0) {
            buf_add_byte(json, ',');
        }
        /* A hundred-millionth of a degree is a millimetre. */
        const double unit = i % 3 == 2 ? 1e3 : 1e8;
        json_write_double(json, round(facts->extent_deg_m[i] * unit) / unit);
    }
    buf_add_text(json, "]]}}");
}

static void print_collection(struct buf *json, const struct visit *visit,
                             const struct catalogue_entry *entry)
{
    const struct facts *facts = store_facts(entry->stores[0]);
    const struct text id = text_of(entry->id);
    buf_add_text(json, "{\"id\":");
    json_write_text(json, id);
    buf_add_text(json, ",\"title\":");
    json_write_text(json, text_of(entry->title));
    print_extent(json, facts);
    buf_print(json, ",\"storey\":{\"revision\":\"%s\",\"made_by_storey\":%s", facts->revision,
              facts->is_ours ? "true" : "false");
    if (facts->tiles_version.size > 0) {
        buf_add_text(json, ",\"tiles_version\":");
        json_write_text(json, facts->tiles_version);
    }
    if (facts->has_ground_height) {
        buf_add_text(json, ",\"ground_height_m\":");
        json_write_double(json, facts->ground_height_m);
    }
    if (facts->has_feature_count) {
        buf_print(json, ",\"feature_count\":%llu", (unsigned long long)facts->feature_count);
    }
    if (facts->crs.size > 0) {
        buf_add_text(json, ",\"source_crs\":");
        json_write_text(json, facts->crs);
    }
    buf_add_text(json, "},");
    const struct link links[] = {
        {"self", TYPE_JSON, "/collections/", id, "", NULL},
        {REL_GEOVOLUMES, "application/3dtiles+json", "/collections/", id, "/3dtiles/tileset.json",
         "3D Tiles"},
        {REL_GEOVOLUMES, TYPE_JSON, "/collections/", id, "/3dtiles/tileset.json", "3D Tiles"},
    };
    print_links(json, visit, links, sizeof links / sizeof links[0]);
    buf_add_byte(json, '}');
}

/* ---- parameters ---- */

/* Answers 400 and returns false when a parameter has no meaning here. */
static bool check_parameters(struct visit *visit, const char *const *names)
{
    struct text unknown;
    if (!message_query_has_unknown(visit->request->query, names, &unknown)) {
        return true;
    }
    char detail[160];
    const size_t size = unknown.size < 60 ? unknown.size : 60;
    snprintf(detail, sizeof detail, "unknown parameter '%.*s'", (int)size, unknown.data);
    for (char *at = detail; *at != '\0'; at++) {
        *at = (unsigned char)*at < 0x20 || (unsigned char)*at > 0x7E ? '?' : *at;
    }
    respond_problem(visit, 400, keep(visit, detail));
    return false;
}

/* A parameter's text; false after answering 400. */
static bool read_parameter(struct visit *visit, const char *name, struct text *out, bool *is_there)
{
    struct err err;
    if (message_query_find(visit->request->query, name, visit->memory, out, is_there, &err)) {
        return true;
    }
    if (err.code == ERR_SYNTAX) {
        respond_problem(visit, 400, keep(visit, err.message));
    } else {
        respond_failure(visit, &err);
    }
    return false;
}

/* "1,2,3": numbers with commas; 0 when it is anything else. */
static size_t read_numbers(struct text text, double *out, size_t max)
{
    size_t count = 0;
    const char *at = text.data; /* terminated by message_query_find() */
    for (;;) {
        char *end = NULL;
        const double value = strtod(at, &end);
        if (end == at || count == max || !isfinite(value)) {
            return 0;
        }
        out[count++] = value;
        if (*end == '\0') {
            return (size_t)(end - text.data) == text.size ? count : 0;
        }
        if (*end != ',') {
            return 0;
        }
        at = end + 1;
    }
}

/* A whole number of at least `least`; above `most` it is taken as that. */
static bool read_count(struct visit *visit, const char *name, size_t least, size_t most,
                       size_t *out)
{
    struct text value;
    bool is_there;
    if (!read_parameter(visit, name, &value, &is_there)) {
        return false;
    }
    if (!is_there) {
        return true;
    }
    size_t count = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || value.size > 12) {
            count = 0;
            value.size = 0;
            break;
        }
        count = count * 10 + (size_t)(value.data[i] - '0');
    }
    if (value.size == 0 || count < least) {
        char detail[80];
        snprintf(detail, sizeof detail, "parameter '%s' must be a whole number from %zu on", name,
                 least);
        respond_problem(visit, 400, keep(visit, detail));
        return false;
    }
    *out = count > most ? most : count;
    return true;
}

struct box_filter {
    bool is_set;
    double low[3], high[3]; /* longitude may run over the antimeridian: low > high */
};

static bool read_bbox(struct visit *visit, struct box_filter *out)
{
    struct text value;
    bool is_there;
    if (!read_parameter(visit, "bbox", &value, &is_there)) {
        return false;
    }
    *out = (struct box_filter){.is_set = is_there};
    if (!is_there) {
        return true;
    }
    double n[6];
    const size_t count = read_numbers(value, n, 6);
    const size_t axes = count / 2;
    if (count != 4 && count != 6) {
        respond_problem(visit, 400,
                        "parameter 'bbox' must be 4 or 6 numbers: west,south[,low],east,north"
                        "[,high]");
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        out->low[i] = i < axes ? n[i] : -HUGE_VAL;
        out->high[i] = i < axes ? n[axes + i] : HUGE_VAL;
    }
    if (out->low[1] > out->high[1] || out->low[2] > out->high[2] || fabs(n[0]) > 180 ||
        fabs(n[axes]) > 180 || fabs(n[1]) > 90 || fabs(n[axes + 1]) > 90) {
        respond_problem(visit, 400,
                        "parameter 'bbox' is outside of the earth or has its ends swapped");
        return false;
    }
    return true;
}

static bool box_touches(const struct box_filter *box, const struct facts *facts)
{
    if (!box->is_set) {
        return true;
    }
    if (!facts->has_extent) {
        return false;
    }
    const double *low = facts->extent_deg_m;
    const double *high = facts->extent_deg_m + 3;
    const bool in_longitude = box->low[0] <= box->high[0]
                                  ? box->low[0] <= high[0] && box->high[0] >= low[0]
                                  : box->low[0] <= high[0] || box->high[0] >= low[0];
    return in_longitude && box->low[1] <= high[1] && box->high[1] >= low[1] &&
           box->low[2] <= high[2] && box->high[2] >= low[2];
}

/* f=json and f=html; anything else is 400. Without f the Accept header decides. */
static bool read_wants_html(struct visit *visit, bool *out)
{
    struct text value;
    bool is_there;
    if (!read_parameter(visit, "f", &value, &is_there)) {
        return false;
    }
    if (is_there && !text_is(value, "json") && !text_is(value, "html")) {
        respond_problem(visit, 400, "parameter 'f' must be 'json' or 'html'");
        return false;
    }
    *out = is_there ? text_is(value, "html")
                    : message_prefers(visit->request->accept, "text/html", TYPE_JSON);
    return true;
}

/* ---- routes ---- */

static void answer_root(struct visit *visit)
{
    static const char *const names[] = {"f", "package", NULL};
    bool wants_html = false;
    if (!read_wants_html(visit, &wants_html)) {
        return;
    }
    if (wants_html && visit->context->catalogue->viewer != NULL) {
        respond_file(visit, visit->context->catalogue->viewer, text_of("index.html"), "no-cache");
        if (visit->out->is_whole_view) {
            visit->out->is_whole_view = false; /* this Vary is not the file's */
            response_add(visit->out, "Vary", "Accept");
        }
        return;
    }
    if (!check_parameters(visit, names)) {
        return;
    }
    struct buf json;
    buf_init(&json, ANSWER_BYTES_MAX);
    buf_add_text(&json, "{\"title\":\"storey\",\"description\":\"3D city models as 3D Tiles\",");
    const struct text none = {NULL, 0};
    const struct link links[] = {
        {"self", TYPE_JSON, "/?f=json", none, "", NULL},
        {"alternate", "text/html", "/?f=html", none, "", "viewer"},
        {"conformance", TYPE_JSON, "/conformance", none, "", NULL},
        {"http://www.opengis.net/def/rel/ogc/1.0/conformance", TYPE_JSON, "/conformance", none, "",
         NULL},
        {"data", TYPE_JSON, "/collections", none, "", NULL},
        {"http://www.opengis.net/def/rel/ogc/1.0/data", TYPE_JSON, "/collections", none, "", NULL},
    };
    print_links(&json, visit, links, sizeof links / sizeof links[0]);
    buf_add_text(&json, "}\n");
    respond_document(visit, TYPE_JSON, &json);
}

static void answer_conformance(struct visit *visit)
{
    static const char *const names[] = {"f", NULL};
    static const char *const classes[] = {
        "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
        "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/landing-page",
        "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/json",
        "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
        "https://www.opengis.net/spec/ogcapi-geovolumes-1/1.0/conf/core",
        "https://www.opengis.net/spec/ogcapi-geovolumes-1/1.0/conf/3d-tiles",
    };
    if (!check_parameters(visit, names)) {
        return;
    }
    struct buf json;
    buf_init(&json, ANSWER_BYTES_MAX);
    buf_add_text(&json, "{\"conformsTo\":[");
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        buf_print(&json, "%s\"%s\"", i == 0 ? "" : ",", classes[i]);
    }
    buf_add_text(&json, "]}\n");
    respond_document(visit, TYPE_JSON, &json);
}

static void answer_collections(struct visit *visit)
{
    static const char *const names[] = {"f", "bbox", "limit", "offset", NULL};
    const struct catalogue *catalogue = visit->context->catalogue;
    size_t limit = LIMIT_DEFAULT;
    size_t offset = 0;
    struct box_filter box;
    if (!check_parameters(visit, names) || !read_count(visit, "limit", 1, LIMIT_MAX, &limit) ||
        !read_count(visit, "offset", 0, CATALOGUE_ENTRIES_MAX, &offset) ||
        !read_bbox(visit, &box)) {
        return;
    }
    struct buf json;
    buf_init(&json, ANSWER_BYTES_MAX);
    buf_add_text(&json, "{\"collections\":[");
    size_t matched = 0;
    size_t returned = 0;
    for (size_t i = 0; i < catalogue->entry_count; i++) {
        const struct catalogue_entry *entry = &catalogue->entries[i];
        if (!box_touches(&box, store_facts(entry->stores[0]))) {
            continue;
        }
        if (matched++ >= offset && returned < limit) {
            buf_add_text(&json, returned++ == 0 ? "\n" : ",\n");
            print_collection(&json, visit, entry);
        }
    }
    buf_print(&json, "],\"numberMatched\":%zu,\"numberReturned\":%zu,", matched, returned);
    char next[64];
    snprintf(next, sizeof next, "?limit=%zu&offset=%zu", limit, offset + returned);
    const struct text none = {NULL, 0};
    const struct link links[] = {
        {"self", TYPE_JSON, "/collections", none, "", NULL},
        {"next", TYPE_JSON, "/collections", none, next, NULL},
    };
    /* A next page of a box would have to carry the box; it is small anyway. */
    print_links(&json, visit, links, offset + returned < matched && !box.is_set ? 2 : 1);
    buf_add_text(&json, "}\n");
    respond_document(visit, TYPE_JSON, &json);
}

/* The entry that the path names; answers 404 and returns NULL without one. */
static const struct catalogue_entry *find_entry(struct visit *visit)
{
    const struct catalogue_entry *entry =
        catalogue_find(visit->context->catalogue, visit->path->parts[1]);
    if (entry == NULL) {
        respond_problem(visit, 404, "no such collection; /collections lists them");
        return NULL;
    }
    visit->out->package = entry->id;
    return entry;
}

static void answer_collection(struct visit *visit)
{
    static const char *const names[] = {"f", NULL};
    const struct catalogue_entry *entry = find_entry(visit);
    if (entry == NULL || !check_parameters(visit, names)) {
        return;
    }
    struct buf json;
    buf_init(&json, ANSWER_BYTES_MAX);
    print_collection(&json, visit, entry);
    buf_add_byte(&json, '\n');
    respond_document(visit, TYPE_JSON, &json);
}

/* A name in the newest revision that has it. Parameters are not looked at:
 * viewers add their own. */
static void respond_tile(struct visit *visit, const struct catalogue_entry *entry, struct text name)
{
    const bool is_root = text_equals(name, store_tileset_name(entry->stores[0]));
    for (size_t i = 0; i < entry->store_count; i++) {
        struct store *store = entry->stores[i];
        bool is_missing = true;
        struct store_view *view =
            store_may_serve(store, name) ? find_view(visit, store, name, &is_missing) : NULL;
        if (view != NULL) {
            const char *caching = is_root              ? "no-cache"
                                  : view->is_immutable ? "public, max-age=31536000, immutable"
                                                       : "public, max-age=60, must-revalidate";
            respond_view(visit, view, caching);
            return;
        }
        if (!is_missing) {
            return; /* answered */
        }
        if (is_root) {
            break;
        }
    }
    respond_problem(visit, 404, "no such file in this package");
}

static void answer_tileset(struct visit *visit)
{
    const struct catalogue_entry *entry = find_entry(visit);
    if (entry == NULL) {
        return;
    }
    respond_tile(visit, entry, store_tileset_name(entry->stores[0]));
    if (visit->out->is_whole_view) {
        visit->out->is_whole_view = false;
        response_add(visit->out, "Content-Location", "3dtiles/tileset.json");
    }
}

static void answer_tile(struct visit *visit)
{
    const struct catalogue_entry *entry = find_entry(visit);
    if (entry != NULL) {
        respond_tile(visit, entry, visit->tail);
    }
}

static void respond_word(struct visit *visit, unsigned status, const char *word)
{
    begin(visit->out, status);
    response_add(visit->out, "Content-Type", "text/plain; charset=utf-8");
    response_add(visit->out, "Cache-Control", "no-store");
    visit->out->bytes = (struct span){(const uint8_t *)word, strlen(word)};
}

static void answer_livez(struct visit *visit)
{
    respond_word(visit, 200, "alive\n");
}

static void answer_readyz(struct visit *visit)
{
    if (visit->context->is_draining) {
        respond_problem(visit, 503, "shutting down");
    } else {
        respond_word(visit, 200, "ready\n");
    }
}

static void answer_cesium(struct visit *visit)
{
    respond_file(visit, visit->context->catalogue->cesium, visit->tail, "public, max-age=86400");
}

static void answer_viewer(struct visit *visit)
{
    respond_file(visit, visit->context->catalogue->viewer, visit->tail, "no-cache");
}

/* ---- the table ---- */

enum { READS = MESSAGE_GET | MESSAGE_HEAD };

/* {c} stands for one part, {path} for one or more up to the end. The first that
 * fits answers. */
static const struct {
    unsigned methods;
    const char *pattern;
    route_function function;
} routes[] = {
    {READS, "/", answer_root},
    {READS, "/conformance", answer_conformance},
    {READS, "/collections", answer_collections},
    {READS, "/collections/{c}", answer_collection},
    {READS, "/collections/{c}/3dtiles", answer_tileset},
    {READS, "/collections/{c}/3dtiles/{path}", answer_tile},
    {READS, "/livez", answer_livez},
    {READS, "/readyz", answer_readyz},
    {READS, "/viewer/cesium/{path}", answer_cesium},
    {READS, "/viewer/{path}", answer_viewer},
};

static bool pattern_fits(const char *pattern, const struct message_path *path,
                         struct text *out_tail)
{
    const char *at = pattern + 1;
    for (size_t i = 0; i < path->part_count; i++) {
        const char *end = strchr(at, '/');
        const struct text want = {at, end == NULL ? strlen(at) : (size_t)(end - at)};
        if (want.size == 0) {
            return false;
        }
        if (text_is(want, "{path}")) {
            *out_tail = path->rests[i];
            return true;
        }
        if (want.data[0] != '{' && !text_equals(want, path->parts[i])) {
            return false;
        }
        at = want.data + want.size + (end == NULL ? 0 : 1);
    }
    return *at == '\0';
}

/* "GET, HEAD, OPTIONS" */
static const char *allowed(unsigned methods)
{
    return (methods & MESSAGE_POST) != 0 ? "GET, HEAD, OPTIONS, POST" : "GET, HEAD, OPTIONS";
}

static void respond_preflight(struct visit *visit, unsigned methods)
{
    struct response *out = visit->out;
    begin(out, 204);
    response_add(out, "Allow", allowed(methods));
    response_add(out, "Access-Control-Allow-Methods", allowed(methods));
    response_add(out, "Access-Control-Allow-Headers",
                 "Authorization, Range, If-None-Match, If-Range, Content-Type, X-API-Key");
    response_add(out, "Access-Control-Max-Age", "86400");
}

static void dispatch(struct visit *visit)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!pattern_fits(routes[i].pattern, visit->path, &visit->tail)) {
            continue;
        }
        if ((routes[i].methods & visit->request->method) != 0) {
            routes[i].function(visit);
        } else if (visit->request->method == MESSAGE_OPTIONS) {
            respond_preflight(visit, routes[i].methods);
        } else {
            respond_problem(visit, 405, "this address answers GET and HEAD");
            response_add(visit->out, "Allow", allowed(routes[i].methods));
        }
        return;
    }
    respond_problem(visit, 404, "no such address; begin at /?f=json");
}

void routes_answer(const struct routes_context *context, const struct request *request,
                   struct arena *memory, struct response *out)
{
    struct message_path path;
    struct visit visit = {context, request, memory, &path, {NULL, 0}, out};
    struct err err;
    *out = (struct response){.status = 500};
    if (!message_path_read(request->path, memory, &path, &err)) {
        if (err.code == ERR_NOMEM) {
            respond_failure(&visit, &err);
        } else {
            respond_problem(&visit, err.code == ERR_LIMIT ? 414 : 400, keep(&visit, err.message));
        }
        return;
    }
    dispatch(&visit);
}
