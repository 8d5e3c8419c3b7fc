/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes.h"

#include <stdio.h>
#include <time.h>

#include "server/items.h"
#include "server/ogc.h"
#include "server/tiles.h"

enum { READS = MESSAGE_GET | MESSAGE_HEAD };

#define BIT(id) PARAMETER_BIT(id)

/* What every question to the features may say. */
#define PAGE (BIT(LIMIT) | BIT(OFFSET))
#define CHOICE                                                                                     \
    (BIT(BBOX) | BIT(BBOX_CRS) | BIT(CLASS) | BIT(FILTER) | BIT(FILTER_CRS) | BIT(FILTER_LANG) |   \
     BIT(GROUP) | BIT(ID) | BIT(IDS) | BIT(PARENT) | BIT(Q) | BIT(TILE))
#define FORM (BIT(CRS) | BIT(PROPERTIES) | BIT(SKIP_GEOMETRY) | BIT(SORTBY))
#define QUESTION (CHOICE | FORM | PAGE | BIT(F_FEATURES))

/* ---- health ---- */

static void answer_livez(struct visit *visit)
{
    answer_word(visit, "alive\n");
}

static void answer_readyz(struct visit *visit)
{
    if (visit->context->is_draining) {
        answer_problem(visit, 503, "shutting down");
    } else {
        answer_word(visit, "ready\n");
    }
}

/* ---- the table ---- */

/* clang-format off */
const struct route routes_table[] = {
    {READS, "/", ogc_root, ROUTE_DOCUMENT, ACCESS_OPEN, BIT(F) | BIT(PACKAGE), ANSWER_JSON,
        "landingPage", "Where to begin; for browsers the viewer."},
    {READS, "/conformance", ogc_conformance, ROUTE_DOCUMENT, ACCESS_OPEN, BIT(F), ANSWER_JSON,
        "conformance", "What this server conforms to."},
    {READS, "/api", ogc_api, ROUTE_DOCUMENT, ACCESS_OPEN, BIT(F), ANSWER_API,
        "api", "This description."},
    {READS, "/collections", ogc_collections, ROUTE_DOCUMENT, ACCESS_OPEN,
        BIT(F) | BIT(BBOX) | BIT(LIMIT) | BIT(OFFSET) | BIT(PARENT), ANSWER_JSON,
        "collections", "The packages, as OGC collections and 3D containers."},
    {READS, "/collections/{collectionId}", ogc_collection, ROUTE_DOCUMENT, ACCESS_OPEN, BIT(F),
        ANSWER_JSON, "collection", "One package."},
    {READS, "/collections/{collectionId}/3dtiles", tiles_root, ROUTE_FILE, ACCESS_TILES, 0,
        ANSWER_JSON, "tilesetRoot", "The package's tileset.json."},
    {READS, "/collections/{collectionId}/3dtiles/{path}", tiles_file, ROUTE_FILE, ACCESS_TILES, 0,
        "application/octet-stream", "tile", "tileset.json and everything that it refers to."},
    {READS, "/collections/{collectionId}/package.3tz", tiles_package, ROUTE_FILE, ACCESS_DOWNLOAD,
        0, "application/vnd.maxar.archive.3tz+zip", "package", "The whole package as one file."},
    {READS, "/v1/assets/{collectionId}/endpoint", tiles_endpoint, ROUTE_FILE, ACCESS_TILES, 0,
        ANSWER_JSON, "assetEndpoint", "Where a package is, and a token for it, as Cesium ion says."},
    {READS, "/collections/{collectionId}/items", items_list, ROUTE_FEATURES, ACCESS_ATTRIBUTES,
        QUESTION | BIT(DATETIME), ANSWER_GEOJSON, "items", "Features: by box, id, attribute, filter."},
    {READS, "/collections/{collectionId}/items/{featureId}", items_one, ROUTE_DOCUMENT,
        ACCESS_ATTRIBUTES, BIT(F_FEATURE) | BIT(CRS) | BIT(PROPERTIES) | BIT(SKIP_GEOMETRY),
        ANSWER_GEOJSON, "item", "One feature, or a group of them, with links to its tile."},
    {READS, "/collections/{collectionId}/queryables", items_queryables, ROUTE_DOCUMENT,
        ACCESS_ATTRIBUTES, BIT(F), ANSWER_SCHEMA, "queryables", "What can be filtered by."},
    {READS, "/collections/{collectionId}/schema", items_schema, ROUTE_DOCUMENT, ACCESS_ATTRIBUTES,
        BIT(F), ANSWER_SCHEMA, "schema", "The properties of features."},
    {READS, "/collections/{collectionId}/schema/feature", items_feature_schema, ROUTE_DOCUMENT,
        ACCESS_ATTRIBUTES, BIT(F), ANSWER_SCHEMA, "featureSchema", "A whole feature in GeoJSON."},
    {READS | MESSAGE_POST, "/collections/{collectionId}/search", items_list, ROUTE_FEATURES,
        ACCESS_QUERIES, QUESTION, ANSWER_GEOJSON, "search",
        "Words in names; as POST any question to the items that is too long for an address."},
    {READS | MESSAGE_POST, "/collections/{collectionId}/position", items_position, ROUTE_FEATURES,
        ACCESS_QUERIES, QUESTION | BIT(COORDS_POINT) | BIT(Z), ANSWER_GEOJSON, "position",
        "What stands at a place."},
    {READS | MESSAGE_POST, "/collections/{collectionId}/radius", items_radius, ROUTE_FEATURES,
        ACCESS_QUERIES, QUESTION | BIT(COORDS_POINT) | BIT(WITHIN) | BIT(WITHIN_UNITS),
        ANSWER_GEOJSON, "radius", "What stands around a place."},
    {READS | MESSAGE_POST, "/collections/{collectionId}/area", items_area, ROUTE_FEATURES,
        ACCESS_QUERIES, QUESTION | BIT(COORDS_AREA) | BIT(MIN_Z) | BIT(MAX_Z), ANSWER_GEOJSON,
        "area", "What stands in an area, or in a prism over it."},
    {READS | MESSAGE_POST, "/collections/{collectionId}/nearest", items_nearest, ROUTE_FEATURES,
        ACCESS_QUERIES,
        QUESTION | BIT(COORDS_POINT) | BIT(Z) | BIT(WITHIN) | BIT(WITHIN_UNITS) | BIT(K),
        ANSWER_GEOJSON, "nearest", "What stands nearest to a place."},
    {READS | MESSAGE_POST, "/collections/{collectionId}/ray", items_ray, ROUTE_FEATURES,
        ACCESS_QUERIES, QUESTION | BIT(COORDS_RAY), ANSWER_GEOJSON, "ray",
        "What stands in a line of sight."},
    {READS | MESSAGE_POST, "/collections/{collectionId}/flood", items_flood, ROUTE_FEATURES,
        ACCESS_QUERIES,
        CHOICE | FORM | BIT(LIMIT_ALL) | BIT(OFFSET) | BIT(F_FLOOD) | BIT(COORDS_AREA) |
            BIT(LEVEL) | BIT(DATUM) | BIT(DEPTH_FIELD) | BIT(SUM),
        ANSWER_GEOJSON, "flood", "Which buildings and storeys stand below a level of water."},
    {READS, "/livez", answer_livez, ROUTE_SERVICE, ACCESS_OPEN, 0, "text/plain", "livez", ""},
    {READS, "/readyz", answer_readyz, ROUTE_SERVICE, ACCESS_OPEN, 0, "text/plain", "readyz", ""},
    {READS, "/viewer/cesium/{path}", tiles_cesium, ROUTE_SERVICE, ACCESS_OPEN, 0, "", "cesium", ""},
    {READS, "/viewer/{path}", tiles_viewer, ROUTE_SERVICE, ACCESS_OPEN, 0, "", "viewer", ""},
};
/* clang-format on */
const size_t routes_count = sizeof routes_table / sizeof routes_table[0];

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
        *out_tail = path->parts[i];
        at = want.data + want.size + (end == NULL ? 0 : 1);
    }
    return *at == '\0';
}

/* ---- what a request may ask ---- */

/* The page at / has parameters of its own (lang, sse, hour, ...), which are no
 * matter of the API: a browser that asks for it without f gets the page. */
static bool is_for_page(const struct visit *visit)
{
    const struct text query = visit->request->query;
    for (size_t i = 0; i + 1 < query.size; i++) {
        if (memcmp(query.data + i, "f=", 2) == 0 && (i == 0 || query.data[i - 1] == '&')) {
            return false;
        }
    }
    return visit->route->function == ogc_root && visit->context->catalogue->viewer != NULL &&
           message_prefers(visit->request->accept, "text/html", ANSWER_JSON);
}

static bool read_parameters(struct visit *visit, struct parameters *room)
{
    static const struct parameters nothing;
    const struct route *route = visit->route;
    const struct text query = visit->request->query;
    const bool is_strict =
        (route->kind == ROUTE_DOCUMENT || route->kind == ROUTE_FEATURES) && !is_for_page(visit);
    struct err err;
    visit->parameters = room;
    if (!is_strict && query.size == 0) {
        visit->parameters = &nothing;
    } else if (!is_strict) {
        parameter_read_credentials(query, visit->memory, room);
    } else if (!parameter_read(query, route->parameters, route->kind == ROUTE_FEATURES,
                               visit->memory, room, &err)) {
        if (err.code == ERR_SYNTAX) {
            answer_problem(visit, 400, "%s", err.message);
        } else {
            answer_failure(visit, &err);
        }
        return false;
    }
    return true;
}

/* A key or token: Authorization: Bearer, X-API-Key, access_token, key. */
static struct text presented(const struct visit *visit)
{
    const struct request *request = visit->request;
    const struct text authorization = request->authorization;
    if (authorization.size > 7 && memcmp(authorization.data, "Bearer ", 7) == 0) {
        return (struct text){authorization.data + 7, authorization.size - 7};
    }
    if (request->api_key.size > 0) {
        return request->api_key;
    }
    const struct parameter_value *token = visit_value(visit, PARAMETER_ACCESS_TOKEN);
    const struct parameter_value *key = visit_value(visit, PARAMETER_KEY);
    return token->is_there ? token->text : key->is_there ? key->text : (struct text){NULL, 0};
}

/* The package that a route's {collectionId} names. */
static struct text package_of(const struct visit *visit)
{
    const struct message_path *path = visit->path;
    const char *mark = strstr(visit->route->pattern, "{collectionId}");
    size_t place = 0;
    for (const char *at = visit->route->pattern + 1; mark != NULL && at < mark; at++) {
        place += *at == '/';
    }
    return mark == NULL ? (struct text){NULL, 0} : path->parts[place];
}

/* A refused call is counted for its package, too, when there is one. */
static void note_package(struct visit *visit)
{
    const struct text id = package_of(visit);
    const struct catalogue_entry *entry =
        id.size == 0 ? NULL : catalogue_find(visit->context->catalogue, id);
    visit->out->package = entry == NULL ? NULL : entry->id;
}

static bool check_access(struct visit *visit)
{
    const struct routes_context *context = visit->context;
    if (!access_identify(context->catalogue->access, presented(visit), context->now_s,
                         visit->memory, &visit->grant)) {
        note_package(visit);
        answer_problem(visit, 401, "this key or token is none, or has expired");
        return false;
    }
    visit->out->key = visit->grant.key;
    switch (access_judge(&visit->grant, visit->route->scope, package_of(visit))) {
    case ACCESS_NEEDED:
        note_package(visit);
        answer_problem(visit, 401,
                       "this needs a key: Authorization: Bearer, X-API-Key, or access_token");
        return false;
    case ACCESS_REFUSED:
        note_package(visit);
        answer_problem(visit, 403, "this key may not do that with this package");
        return false;
    default:
        return true;
    }
}

/* Prints a number into the request's memory. */
static void add_number(struct visit *visit, const char *name, unsigned value)
{
    char text[16];
    snprintf(text, sizeof text, "%u", value);
    response_add(visit->out, name, answer_keep(visit, text));
}

static void add_limits(struct visit *visit, const struct limiter_state *state)
{
    add_number(visit, "RateLimit-Limit", state->limit);
    add_number(visit, "RateLimit-Remaining", state->remaining);
    add_number(visit, "RateLimit-Reset", state->reset_s);
}

/* A key has its own rate, everyone else the one of their address. */
static bool check_rate(struct visit *visit, struct limiter_state *out)
{
    const struct routes_context *context = visit->context;
    const struct access_grant *grant = &visit->grant;
    const double rate = grant->rate > 0 ? grant->rate : context->address_rate;
    const uint64_t who = grant->rate > 0 ? grant->key_hash : visit->request->client_hash;
    *out = (struct limiter_state){.is_allowed = true};
    if (context->limiter == NULL || rate <= 0 || who == 0) {
        return true;
    }
    limiter_take(context->limiter, who, rate, context->now_ms, out);
    if (!out->is_allowed) {
        note_package(visit);
        answer_problem(visit, 429, "more than %u requests a second: wait", out->limit);
        add_number(visit, "Retry-After", out->reset_s);
        add_limits(visit, out);
    }
    return out->is_allowed;
}

/* f=json and f=html; without f the Accept header decides. */
static bool choose_form(struct visit *visit)
{
    const enum parameter_id forms[] = {PARAMETER_F, PARAMETER_F_FEATURE, PARAMETER_F_FEATURES,
                                       PARAMETER_F_FLOOD};
    const struct text accept = visit->request->accept;
    if (visit->route->kind != ROUTE_DOCUMENT && visit->route->kind != ROUTE_FEATURES) {
        return true;
    }
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const struct parameter_value *f = visit_value(visit, forms[i]);
        if (f->is_there) {
            visit->wants_html = text_is(f->text, "html");
            return true;
        }
    }
    visit->wants_html = message_prefers(accept, "text/html", ANSWER_JSON) &&
                        message_prefers(accept, "text/html", visit->route->type);
    if (!visit->wants_html && !message_accepts(accept, ANSWER_JSON) &&
        !message_accepts(accept, visit->route->type) && !message_accepts(accept, "text/html")) {
        answer_problem(visit, 406, "this is answered as %s or text/html", visit->route->type);
        return false;
    }
    return true;
}

/* ---- dispatch ---- */

static enum response_kind kind_of(const struct route *route)
{
    switch (route->kind) {
    case ROUTE_FILE:
        return route->scope == ACCESS_DOWNLOAD ? RESPONSE_DOWNLOADS : RESPONSE_TILES;
    case ROUTE_FEATURES:
        return route->scope == ACCESS_QUERIES ? RESPONSE_QUESTIONS : RESPONSE_ITEMS;
    case ROUTE_SERVICE:
        return RESPONSE_PAGES;
    default:
        return route->scope == ACCESS_ATTRIBUTES ? RESPONSE_ITEMS : RESPONSE_DOCUMENTS;
    }
}

/* "GET, HEAD, OPTIONS" */
static const char *allowed(unsigned methods)
{
    return (methods & MESSAGE_POST) == 0  ? "GET, HEAD, OPTIONS"
           : (methods & MESSAGE_GET) == 0 ? "OPTIONS, POST"
                                          : "GET, HEAD, OPTIONS, POST";
}

static void respond_preflight(struct visit *visit, unsigned methods)
{
    struct response *out = visit->out;
    answer_begin(out, 204);
    response_add(out, "Allow", allowed(methods));
    response_add(out, "Access-Control-Allow-Methods", allowed(methods));
    response_add(out, "Access-Control-Allow-Headers",
                 "Authorization, Range, If-None-Match, If-Range, Content-Type, X-API-Key, "
                 "X-Request-Id, X-Cesium-Client, X-Cesium-Client-Version");
    response_add(out, "Access-Control-Max-Age", "86400");
}

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Tiles wait while a worker answers questions: of those that come at once, what
 * is beyond the turn's time is sent away for a second. */
static void run_function(struct visit *visit)
{
    const struct routes_context *context = visit->context;
    const enum response_kind kind = kind_of(visit->route);
    if (context->turn_ns == NULL || (kind != RESPONSE_QUESTIONS && kind != RESPONSE_ITEMS)) {
        visit->route->function(visit);
        return;
    }
    if (context->question_ns != 0 && *context->turn_ns > context->question_ns) {
        note_package(visit);
        answer_problem(visit, 503, "too many questions at once: ask again in a moment");
        visit->out->is_shed = true;
        return;
    }
    const uint64_t from_ns = clock_ns();
    visit->route->function(visit);
    *context->turn_ns += clock_ns() - from_ns;
}

static void run_route(struct visit *visit)
{
    struct parameters parameters;
    struct limiter_state state;
    if (!read_parameters(visit, &parameters) || !check_access(visit) ||
        !check_rate(visit, &state) || !choose_form(visit)) {
        return;
    }
    run_function(visit);
    if (state.limit > 0) {
        /* What is prepared of a file says nothing about one caller. */
        visit->out->is_whole_view = false;
        add_limits(visit, &state);
    }
}

static void dispatch(struct visit *visit)
{
    for (size_t i = 0; i < routes_count; i++) {
        const struct route *route = &routes_table[i];
        if (!pattern_fits(route->pattern, visit->path, &visit->tail)) {
            continue;
        }
        visit->route = route;
        if ((route->methods & visit->request->method) != 0) {
            run_route(visit);
        } else if (visit->request->method == MESSAGE_OPTIONS) {
            respond_preflight(visit, route->methods);
        } else {
            answer_problem(visit, 405, "this address answers %s", allowed(route->methods));
            response_add(visit->out, "Allow", allowed(route->methods));
        }
        return;
    }
    answer_problem(visit, 404, "no such address; begin at /?f=json");
}

void routes_answer(const struct routes_context *context, const struct request *request,
                   struct arena *memory, struct response *out)
{
    struct message_path path;
    struct visit visit = {
        .context = context, .request = request, .memory = memory, .path = &path, .out = out};
    struct err err;
    *out = (struct response){.status = 500};
    if (!message_path_read(request->path, memory, &path, &err)) {
        if (err.code == ERR_NOMEM) {
            answer_failure(&visit, &err);
        } else {
            answer_problem(&visit, err.code == ERR_LIMIT ? 414 : 400, "%s", err.message);
        }
    } else {
        dispatch(&visit);
    }
    if (visit.route != NULL) {
        out->kind = kind_of(visit.route);
    }
    if (request->request_id.size > 0 && request->request_id.size <= 64) {
        const char *id = message_keep(memory, request->request_id);
        if (id != NULL) {
            out->is_whole_view = false;
            response_add(out, "X-Request-Id", id);
        }
    }
}
