/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/routes.h"

#include "formats/json.h"
#include "formats/json_tree.h"
#include "tests/server/served.h"

static struct served served;
static struct catalogue *catalogue;
static struct store_cache *cache;
static struct arena memory;
static struct response response;
static unsigned note_count;
static char last_note[512];
static const char *keys_path; /* NULL: everybody may read */
static bool allows_download;
static struct access *callers;

static void take_note(void *argument, const struct err *what)
{
    (void)argument;
    note_count++;
    err_format(what, last_note, sizeof last_note);
}

static struct catalogue *open_catalogue(const char *const *paths, size_t count,
                                        const struct catalogue *before, int64_t now_s)
{
    struct err err;
    struct store *viewer = NULL;
    struct catalogue *opened;
    if (callers == NULL) {
        CHECK_OK(access_open(keys_path, allows_download, &callers, &err), &err);
    }
    CHECK_OK(store_open_folder(served.root, &viewer, &err), &err);
    const struct catalogue_options options = {.paths = paths,
                                              .path_count = count,
                                              .viewer = viewer,
                                              .access = callers,
                                              .grace_s = 100,
                                              .now_s = now_s};
    note_count = 0;
    CHECK_OK(catalogue_open(&options, before, take_note, NULL, &opened, &err), &err);
    store_drop(viewer);
    return opened;
}

static void drop_callers(void)
{
    access_drop(callers);
    callers = NULL;
}

static void set_up(void)
{
    struct err err;
    served_open(&served);
    served_write(served.root, "index.html", "<html>", 6);
    const char *const paths[] = {served.packages};
    catalogue = open_catalogue(paths, 1, NULL, 0);
    const struct store_cache_options options = {.slot_count = 64, .expanded_bytes = 1 << 20};
    CHECK_OK(store_cache_open(options, &cache, &err), &err);
    arena_init(&memory, 1 << 20);
}

static void tear_down(void)
{
    store_view_give_back(response.view);
    response.view = NULL;
    arena_release(&memory);
    store_cache_close(cache);
    catalogue_drop(catalogue);
    drop_callers();
    served_close(&served);
}

static struct request request_of(const char *target)
{
    const char *mark = strchr(target, '?');
    const size_t size = mark == NULL ? strlen(target) : (size_t)(mark - target);
    return (struct request){.method = MESSAGE_GET,
                            .path = {target, size},
                            .query = text_of(mark == NULL ? NULL : mark + 1),
                            .host = text_of("city.test:8080")};
}

static void answer(const struct request *request)
{
    const struct routes_context context = {.catalogue = catalogue, .cache = cache};
    store_view_give_back(response.view);
    routes_answer(&context, request, &memory, &response);
}

static void get(const char *target)
{
    const struct request request = request_of(target);
    answer(&request);
}

static bool body_has(const char *words)
{
    return response.bytes.data != NULL &&
           memmem(response.bytes.data, response.bytes.size, words, strlen(words)) != NULL;
}

/* The answer is JSON, and a problem document says its own status. */
static void check_json(void)
{
    struct json json;
    struct err err;
    CHECK(response.bytes.size > 0);
    json_init(&json, response.bytes, NULL);
    CHECK_OK(json_skip(&json, &err), &err);
    CHECK_OK(json_end(&json, &err), &err);
    if (response.status >= 400) {
        char words[32];
        snprintf(words, sizeof words, "\"status\":%u", response.status);
        CHECK_TEXT(response_find(&response, "Content-Type"), "application/problem+json");
        CHECK(body_has(words));
        CHECK(!body_has(served.root));
    }
}

static void expect(const char *target, unsigned status)
{
    get(target);
    if (response.status != status) {
        fail_msg("%s: %u instead of %u", target, response.status, status);
    }
    CHECK_TEXT(response_find(&response, "Access-Control-Allow-Origin"), "*");
    CHECK_TEXT(response_find(&response, "X-Content-Type-Options"), "nosniff");
    if (status >= 400) {
        check_json();
    }
}

static void every_status__comes_with_a_problem_document(void)
{
    static const struct {
        const char *target;
        unsigned status;
    } cases[] = {
        {"/nope", 404},
        {"/collections/none", 404},
        {"/collections/none/3dtiles/tileset.json", 404},
        {"/collections/ours/3dtiles/none.glb", 404},
        {"/collections/ours/3dtiles/features.old", 404},
        {"/collections/ours/3dtiles/manifest.json", 404},
        {"/collections/ours/3dtiles/%40"
         "3dtilesIndex1%40",
         404},
        {"/collections/plain/3dtiles/tiles", 404},
        {"/collections/plain/3dtiles/../../../secret.json", 400},
        {"/collections/plain/3dtiles/%2e%2e/%2e%2e/secret.json", 400},
        {"/collections/plain/3dtiles/..%2f..%2fsecret.json", 400},
        {"/collections/plain/3dtiles/tileset.json%00.glb", 400},
        {"/collections?unknown=1", 400},
        {"/collections?bbox=1,2,3", 400},
        {"/collections?bbox=", 400},
        {"/collections?bbox=0,0,x,1", 400},
        {"/collections?bbox=0,0,1,91", 400},
        {"/collections?bbox=0,1,1,0", 400},
        {"/collections?bbox=nan,0,1,1", 400},
        {"/collections?limit=0", 400},
        {"/collections?limit=-1", 400},
        {"/collections?limit=99999999999999999999", 400},
        {"/collections?f=xml", 400},
        {"/collections?f=json&f=json", 400},
        {"/?f=xml", 400},
        {"/?f=%ff", 400},
        {"/viewer/cesium/Cesium.js", 404},
    };
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect(cases[i].target, cases[i].status);
    }
    tear_down();
}

static void root__is_the_viewer_for_browsers_and_json_for_scripts(void)
{
    set_up();
    expect("/", 200);
    check_json();
    CHECK(body_has("\"rel\":\"data\""));
    CHECK(body_has("http://city.test:8080/collections"));
    struct request request = request_of("/");
    request.accept = text_of("text/html,application/xhtml+xml,*/*;q=0.8");
    answer(&request);
    CHECK_EQ(response.status, 200);
    CHECK_TEXT(response_find(&response, "Content-Type"), "text/html; charset=utf-8");
    CHECK(!response.is_whole_view);
    request = request_of("/?f=json");
    request.accept = text_of("text/html");
    answer(&request);
    CHECK_TEXT(response_find(&response, "Content-Type"), "application/json");
    tear_down();
}

static void collections__tell_what_is_served(void)
{
    set_up();
    expect("/collections", 200);
    check_json();
    CHECK(body_has("\"numberMatched\":2"));
    CHECK(body_has("\"id\":\"ours\""));
    CHECK(body_has("\"title\":\"Futian \xE7\xA6\x8F\xE7\x94\xB0\""));
    CHECK(body_has("\"ground_height_m\":-3.5"));
    expect("/collections?limit=1", 200);
    CHECK(body_has("\"numberReturned\":1"));
    CHECK(body_has("?limit=1&offset=1"));
    expect("/collections?limit=1&offset=1", 200);
    CHECK(body_has("\"id\":\"plain\""));
    CHECK(!body_has("\"next\""));
    expect("/collections?bbox=114,22,115,23", 200);
    CHECK(body_has("\"numberMatched\":2"));
    expect("/collections?bbox=114,22,300,115,23,400", 200);
    CHECK(body_has("\"numberMatched\":0"));
    expect("/collections?bbox=170,-10,120,30", 200); /* over the antimeridian */
    CHECK(body_has("\"numberMatched\":2"));
    expect("/collections/ours", 200);
    check_json();
    CHECK(body_has("http://city.test:8080/collections/ours/3dtiles/tileset.json"));
    CHECK_TEXT(response.package, "ours");
    tear_down();
}

static void documents__are_answered_304_when_known(void)
{
    set_up();
    static const char *const targets[] = {"/?f=json",
                                          "/collections",
                                          "/collections/ours",
                                          "/conformance",
                                          "/collections/ours/3dtiles/tileset.json",
                                          "/collections/ours/3dtiles/" SERVED_TILE};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        expect(targets[i], 200);
        struct request request = request_of(targets[i]);
        request.if_none_match = text_of(response_find(&response, "ETag"));
        answer(&request);
        CHECK_EQ(response.status, 304);
        CHECK_EQ(response.bytes.size, 0);
        CHECK(response_find(&response, "ETag") != NULL);
        CHECK(response_find(&response, "Cache-Control") != NULL);
        CHECK(response_find(&response, "Vary") != NULL);
    }
    tear_down();
}

static void tiles__are_cached_by_what_they_are(void)
{
    set_up();
    expect("/collections/ours/3dtiles/tileset.json", 200);
    CHECK_TEXT(response_find(&response, "Cache-Control"), "no-cache");
    CHECK_TEXT(response_find(&response, "Content-Type"), "application/json");
    expect("/collections/ours/3dtiles", 200);
    CHECK_TEXT(response_find(&response, "Cache-Control"), "no-cache");
    CHECK(response_find(&response, "Content-Location") != NULL);
    expect("/collections/ours/3dtiles/" SERVED_TILE "?v=1.2.3", 200);
    CHECK_TEXT(response_find(&response, "Cache-Control"), "public, max-age=31536000, immutable");
    CHECK_TEXT(response_find(&response, "Content-Type"), "model/gltf-binary");
    CHECK_TEXT(response_find(&response, "Vary"), "Accept-Encoding");
    CHECK_EQ(response.bytes.size, 20);
    expect("/collections/plain/3dtiles/" SERVED_TILE, 200);
    CHECK_TEXT(response_find(&response, "Cache-Control"), "public, max-age=60, must-revalidate");
    tear_down();
}

/* Where the first tile of a foreign root is, with its revision. */
static void read_tile_url(char *out, size_t out_bytes)
{
    expect("/collections/plain/3dtiles/tileset.json", 200);
    const char *at =
        memmem(response.view->parts[0].data, response.view->parts[0].size, "\"uri\":\"r/", 9);
    CHECK(at != NULL);
    snprintf(out, out_bytes, "/collections/plain/3dtiles/%.*s", (int)strcspn(at + 7, "\""), at + 7);
}

static void foreign_urls__carry_their_revision(void)
{
    char first[256];
    char second[256];
    set_up();
    read_tile_url(first, sizeof first);
    CHECK(strstr(first, "/" SERVED_TILE) != NULL);
    expect(first, 200);
    CHECK_TEXT(response_find(&response, "Cache-Control"), "public, max-age=31536000, immutable");
    CHECK(response.is_versioned);
    expect("/collections/plain/3dtiles/r/0123456789abcdef/" SERVED_TILE, 410);
    CHECK_TEXT(response_find(&response, "Cache-Control"), "no-store");
    expect("/collections/ours/3dtiles/r/0123456789abcdef/" SERVED_TILE, 410);
    expect("/collections/plain/3dtiles/r/x/" SERVED_TILE, 404);

    /* Another tileset.json is another revision; the old one's addresses stay. */
    served_write(served.plain, "tileset.json", served_tileset, sizeof served_tileset - 2);
    const char *const paths[] = {served.packages};
    struct catalogue *next = open_catalogue(paths, 1, catalogue, 1);
    store_view_give_back(response.view);
    response.view = NULL;
    catalogue_drop(catalogue);
    catalogue = next;
    read_tile_url(second, sizeof second);
    CHECK(strcmp(first, second) != 0);
    expect(first, 200);
    expect(second, 200);
    tear_down();
}

static void codings__are_negotiated(void)
{
    static const struct {
        const char *accept;
        const char *coding;
        unsigned status;
    } cases[] = {
        {NULL, NULL, 200},   {"gzip", "gzip", 200},
        {"br", NULL, 200},   {"gzip;q=0", NULL, 200},
        {"zstd", NULL, 200}, {"identity;q=0", NULL, 406},
        {"*", "gzip", 200},  {"identity;q=0, gzip", "gzip", 200},
    };
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request request = request_of("/collections/ours/3dtiles/" SERVED_DEFLATE);
        request.accept_encoding = text_of(cases[i].accept);
        answer(&request);
        CHECK_EQ(response.status, cases[i].status);
        const char *coding = response_find(&response, "Content-Encoding");
        CHECK((coding == NULL) == (cases[i].coding == NULL));
        CHECK(coding == NULL || strcmp(coding, cases[i].coding) == 0);
    }
    tear_down();
}

static void ranges__count_in_the_file_without_coding(void)
{
    static const struct {
        const char *range;
        unsigned status;
        uint64_t first;
        size_t size;
        const char *content_range;
    } cases[] = {
        {"bytes=0-3", 206, 0, 4, "bytes 0-3"},
        {"bytes=-1", 206, sizeof served_text - 2, 1, NULL},
        {"bytes=1000-", 416, 0, 0, "bytes *"},
        {"bytes=0-1,5-6", 200, 0, sizeof served_text - 1, NULL},
    };
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request request = request_of("/collections/ours/3dtiles/" SERVED_DEFLATE);
        request.accept_encoding = text_of("gzip");
        request.range = text_of(cases[i].range);
        answer(&request);
        CHECK_EQ(response.status, cases[i].status);
        if (response.status != 416) {
            CHECK_EQ(response.first, cases[i].first);
            CHECK_EQ(response.bytes.size, cases[i].size);
            CHECK(response_find(&response, "Content-Encoding") == NULL);
        }
        if (cases[i].content_range != NULL) {
            char expected[64];
            snprintf(expected, sizeof expected, "%s/%zu", cases[i].content_range,
                     sizeof served_text - 1);
            CHECK_TEXT(response_find(&response, "Content-Range"), expected);
        }
    }
    tear_down();
}

static void conditions__guard_ranges_and_reads(void)
{
    set_up();
    struct request request = request_of("/collections/ours/3dtiles/" SERVED_TILE);
    request.range = text_of("bytes=0-3");
    request.if_range = text_of("\"other\"");
    answer(&request);
    CHECK_EQ(response.status, 200);
    request.if_range = text_of(response_find(&response, "ETag"));
    answer(&request);
    CHECK_EQ(response.status, 206);
    request = request_of("/collections/ours/3dtiles/" SERVED_TILE);
    request.if_match = text_of("\"other\"");
    answer(&request);
    CHECK_EQ(response.status, 412);
    tear_down();
}

static void methods__are_limited_to_reading(void)
{
    set_up();
    struct request request = request_of("/collections/ours/3dtiles/tileset.json");
    request.method = MESSAGE_HEAD;
    answer(&request);
    CHECK_EQ(response.status, 200);
    CHECK_EQ(response.bytes.size, sizeof served_tileset - 1);
    request.method = MESSAGE_OPTIONS;
    answer(&request);
    CHECK_EQ(response.status, 204);
    CHECK(strstr(response_find(&response, "Access-Control-Allow-Headers"), "If-None-Match") !=
          NULL);
    CHECK_TEXT(response_find(&response, "Access-Control-Max-Age"), "86400");
    request.method = MESSAGE_OTHER;
    answer(&request);
    CHECK_EQ(response.status, 405);
    CHECK_TEXT(response_find(&response, "Allow"), "GET, HEAD, OPTIONS");
    request.method = MESSAGE_POST;
    answer(&request);
    CHECK_EQ(response.status, 405);
    tear_down();
}

/* What the description says is what the table does: every path of it answers, and
 * a parameter that it does not list is refused. */
static void api__describes_the_routes_that_there_are(void)
{
    struct err err;
    const struct json_tree *root;
    set_up();
    expect("/api", 200);
    CHECK_TEXT(response_find(&response, "Content-Type"),
               "application/vnd.oai.openapi+json;version=3.0");
    struct arena kept;
    arena_init(&kept, 16 << 20);
    CHECK_OK(json_tree_read(response.bytes, &kept, &root, &err), &err);
    const struct json_tree *paths = json_tree_find(root, "paths");
    CHECK(paths->child_count >= 8);
    for (size_t i = 0; i < paths->child_count; i++) {
        char target[256];
        size_t size = 0;
        const struct text pattern = paths->children[i].key;
        for (size_t at = 0; at < pattern.size; at++) {
            if (pattern.data[at] == '{') {
                const bool is_path = pattern.data[at + 1] == 'p';
                size += (size_t)snprintf(target + size, sizeof target - size, "%s",
                                         is_path ? "tileset.json" : "ours");
                at += strcspn(pattern.data + at, "}");
            } else {
                target[size++] = pattern.data[at];
            }
        }
        snprintf(target + size, sizeof target - size, "?nonsense=1");
        get(target);
        const bool is_file = strstr(target, "3dtiles") != NULL || strstr(target, "/v1/") != NULL ||
                             strstr(target, "package") != NULL;
        /* 401: a download; 404: this package has no features */
        if (response.status != (is_file ? 200U : 400U) && response.status != 401 &&
            response.status != 404) {
            fail_msg("%s: %u", target, response.status);
        }
    }
    arena_release(&kept);
    tear_down();
}

static void documents__come_as_pages_too(void)
{
    static const char *const targets[] = {"/conformance", "/api", "/collections",
                                          "/collections/ours"};
    set_up();
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct request request = request_of(targets[i]);
        request.accept = text_of("text/html,*/*;q=0.5");
        answer(&request);
        CHECK_EQ(response.status, 200);
        CHECK_TEXT(response_find(&response, "Content-Type"), "text/html; charset=utf-8");
        CHECK(body_has("<!doctype html>"));
        CHECK(response_find(&response, "Content-Security-Policy") != NULL);
        request.accept = text_of("image/png");
        answer(&request);
        CHECK_EQ(response.status, 406);
        check_json();
    }
    expect("/collections?f=html&limit=1", 200);
    CHECK(body_has("offset=1"));
    tear_down();
}

static void downloads__are_closed_until_they_are_allowed(void)
{
    set_up();
    expect("/collections/ours/package.3tz", 401);
    CHECK(response_find(&response, "WWW-Authenticate") != NULL);
    tear_down();
    allows_download = true;
    set_up();
    expect("/collections/ours/package.3tz", 200);
    CHECK_TEXT(response_find(&response, "Content-Type"), "application/vnd.maxar.archive.3tz+zip");
    struct err err;
    struct io_map map;
    CHECK_OK(io_map(served.ours, &map, &err), &err);
    CHECK_EQ(response.view->bytes, map.bytes.size);
    CHECK(memcmp(response.view->parts[0].data, map.bytes.data, map.bytes.size) == 0);
    io_unmap(&map);
    struct request request = request_of("/collections/ours/package.3tz");
    request.range = text_of("bytes=2-5");
    request.if_range = text_of(response_find(&response, "ETag"));
    answer(&request);
    CHECK_EQ(response.status, 206);
    CHECK_EQ(response.first, 2);
    expect("/collections/plain/package.3tz", 404);
    tear_down();
    allows_download = false;
}

#define KEYS                                                                                       \
    "{\"token_secret\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","      \
    "\"keys\":[{\"name\":\"one\",\"sha256\":"                                                      \
    "\"7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed\","                        \
    "\"scopes\":[\"tiles\"],\"packages\":[\"ours\"],\"requests_per_second\":10}]}"

static void set_up_with_keys(void)
{
    static char path[64];
    struct err err;
    strcpy(path, "/tmp/storey-keys-XXXXXX");
    const int fd = mkstemp(path);
    CHECK_OK(io_write(fd, KEYS, strlen(KEYS), &err), &err);
    close(fd);
    keys_path = path;
    set_up();
    unlink(path);
    keys_path = NULL;
}

static void keys__open_what_they_are_for(void)
{
    set_up_with_keys();
    expect("/collections", 200);
    CHECK(body_has("\"numberMatched\":0"));
    expect("/collections/ours", 401);
    expect("/collections/ours/3dtiles/tileset.json", 401);
    expect("/collections/none/3dtiles/tileset.json", 401); /* tells nobody what there is */
    expect("/collections/ours/3dtiles/tileset.json?key=two", 401);
    expect("/collections/ours/3dtiles/tileset.json?key=one&v=1", 200);
    CHECK_TEXT(response_find(&response, "Cache-Control"), "private, no-cache");
    CHECK_TEXT(response.key, "one");
    CHECK(response.is_private);
    expect("/collections/plain/3dtiles/tileset.json?key=one", 403);
    expect("/collections/ours/package.3tz?key=one", 403);
    expect("/collections?key=one", 200);
    CHECK(body_has("\"numberMatched\":1"));
    CHECK(!body_has("key=one")); /* no link carries a key */
    struct request request = request_of("/collections/ours/3dtiles/" SERVED_TILE);
    request.api_key = text_of("one");
    answer(&request);
    CHECK_EQ(response.status, 200);
    CHECK_TEXT(response_find(&response, "Cache-Control"), "private, max-age=31536000, immutable");
    request.api_key = text_of(NULL);
    request.authorization = text_of("Bearer one");
    answer(&request);
    CHECK_EQ(response.status, 200);
    request.authorization = text_of("Basic b25lOm9uZQ==");
    answer(&request);
    CHECK_EQ(response.status, 401);
    tear_down();
}

static void endpoint__hands_out_a_token_for_one_package(void)
{
    set_up_with_keys();
    expect("/v1/assets/ours/endpoint?access_token=one", 200);
    CHECK_TEXT(response_find(&response, "Cache-Control"), "private, no-store");
    struct err err;
    const struct json_tree *root;
    struct arena kept;
    arena_init(&kept, 1 << 20);
    CHECK_OK(json_tree_read(response.bytes, &kept, &root, &err), &err);
    CHECK(json_tree_is_text(json_tree_find(root, "type"), "3DTILES"));
    CHECK(json_tree_is_text(json_tree_find(root, "url"),
                            "http://city.test:8080/collections/ours/3dtiles/tileset.json"));
    const struct text token = json_tree_find(root, "accessToken")->text;
    char target[1024];
    snprintf(target, sizeof target, "/collections/ours/3dtiles/tileset.json?access_token=%.*s",
             TEXT_ARGS(token));
    expect(target, 200);
    CHECK_TEXT(response.key, "one");
    target[strlen(target) - 1] ^= 1;
    expect(target, 401);
    arena_release(&kept);
    tear_down();
}

/* Tiles too, of which an answer for everybody is prepared: that one has no caller. */
static void rates__are_told_with_every_tile(void)
{
    struct limiter *limiter;
    struct err err;
    CHECK_OK(limiter_open(&limiter, &err), &err);
    set_up();
    struct routes_context context = {
        .catalogue = catalogue, .cache = cache, .limiter = limiter, .now_ms = 1000};
    struct request request = request_of("/collections/ours/3dtiles/" SERVED_TILE);
    request.client_hash = 5;
    routes_answer(&context, &request, &memory, &response);
    CHECK(response.is_whole_view);
    CHECK(response_find(&response, "RateLimit-Limit") == NULL);
    store_view_give_back(response.view);
    response.view = NULL;
    context.address_rate = 3;
    for (unsigned i = 0; i < 7; i++) {
        char left[16];
        snprintf(left, sizeof left, "%u", i < 6 ? 5 - i : 0);
        routes_answer(&context, &request, &memory, &response);
        CHECK_EQ(response.status, i < 6 ? 200 : 429);
        CHECK_EQ(response.kind, RESPONSE_TILES);
        CHECK(!response.is_whole_view);
        CHECK_TEXT(response.package, "ours"); /* a refused call counts, too */
        CHECK_TEXT(response_find(&response, "RateLimit-Limit"), "3");
        CHECK_TEXT(response_find(&response, "RateLimit-Remaining"), left);
        store_view_give_back(response.view);
        response.view = NULL;
    }
    context.address_rate = 0;
    request.request_id = text_of("abc");
    routes_answer(&context, &request, &memory, &response);
    CHECK_TEXT(response_find(&response, "X-Request-Id"), "abc");
    tear_down();
    limiter_close(limiter);
}

static void rates__are_kept_for_keys_and_addresses(void)
{
    struct limiter *limiter;
    struct err err;
    CHECK_OK(limiter_open(&limiter, &err), &err);
    set_up_with_keys();
    const struct routes_context context = {.catalogue = catalogue,
                                           .cache = cache,
                                           .limiter = limiter,
                                           .address_rate = 3,
                                           .now_ms = 1000};
    struct request request = request_of("/collections?key=one");
    request.client_hash = 5;
    for (unsigned i = 0; i < 21; i++) {
        routes_answer(&context, &request, &memory, &response);
        CHECK_EQ(response.status, i < 20 ? 200 : 429);
        CHECK_TEXT(response_find(&response, "RateLimit-Limit"), "10");
    }
    check_json();
    CHECK_TEXT(response_find(&response, "Retry-After"), "1");
    request.query = text_of(""); /* without the key it is the address that counts */
    for (unsigned i = 0; i < 7; i++) {
        routes_answer(&context, &request, &memory, &response);
        CHECK_EQ(response.status, i < 6 ? 200 : 429);
    }
    tear_down();
    limiter_close(limiter);
}

static void proxies__decide_what_links_begin_with(void)
{
    set_up();
    struct request request = request_of("/collections/ours");
    request.scheme = text_of("https");
    request.prefix = text_of("/3d");
    answer(&request);
    CHECK(body_has("https://city.test:8080/3d/collections/ours/3dtiles/tileset.json"));
    request.request_id = text_of("abc-1");
    answer(&request);
    CHECK_TEXT(response_find(&response, "X-Request-Id"), "abc-1");
    tear_down();
}

static void readyz__says_when_the_server_drains(void)
{
    set_up();
    expect("/livez", 200);
    expect("/readyz", 200);
    const struct routes_context context = {
        .catalogue = catalogue, .cache = cache, .is_draining = true};
    const struct request request = request_of("/readyz");
    routes_answer(&context, &request, &memory, &response);
    CHECK_EQ(response.status, 503);
    CHECK(response_find(&response, "Retry-After") != NULL);
    tear_down();
}

static void public_url__stands_in_links(void)
{
    set_up();
    const struct routes_context context = {
        .catalogue = catalogue, .cache = cache, .public_url = "https://city.example/3d"};
    const struct request request = request_of("/collections/ours");
    routes_answer(&context, &request, &memory, &response);
    CHECK(body_has("https://city.example/3d/collections/ours/3dtiles/tileset.json"));
    CHECK(!body_has("city.test"));
    tear_down();
}

static void damage__is_500_and_names_no_path(void)
{
    set_up();
    served_cut(served.ours, 100);
    store_cache_turn(cache);
    expect("/collections/ours/3dtiles/" SERVED_TILE, 500);
    CHECK(response.failure != NULL);
    expect("/collections/plain/3dtiles/" SERVED_TILE, 200);
    tear_down();
}

/* Each allocation of a request fails in turn: always an answer, never a leak. */
static void memory__that_runs_out_is_503(void)
{
    static const char *const targets[] = {"/collections?limit=1&bbox=0,0,1,1", "/%61",
                                          "/collections/ours", "/nope"};
    set_up();
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        for (size_t k = 1; k < 20; k++) {
            memory.fail_after = memory.alloc_count + k;
            get(targets[i]);
            CHECK(response.status == 503 || response.status == 200 || response.status == 404);
            memory.fail_after = 0;
        }
    }
    tear_down();
}

static void catalogue__names_what_it_cannot_serve(void)
{
    served_open(&served);
    char empty[128];
    char broken[128];
    struct err err;
    snprintf(empty, sizeof empty, "%s/empty", served.root);
    snprintf(broken, sizeof broken, "%s/broken.3tz", served.packages);
    CHECK_OK(io_make_directory(empty, &err), &err);
    served_write(served.packages, "broken.3tz", "PK", 2);
    const char *const paths[] = {"/nonexistent", empty, served.packages};
    struct catalogue *opened = open_catalogue(paths, 3, NULL, 0);
    CHECK_EQ(note_count, 3);
    CHECK(strstr(last_note, "broken.3tz") != NULL);
    CHECK_EQ(opened->entry_count, 2);
    catalogue_drop(opened);
    const char *const twice[] = {served.packages, served.ours};
    opened = open_catalogue(twice, 2, NULL, 0);
    CHECK_EQ(opened->entry_count, 2);
    CHECK(strstr(last_note, "another package has the id 'ours'") != NULL);
    catalogue_drop(opened);
    drop_callers();
    served_close(&served);
}

/* A replaced package: the new one answers, the old one's tiles stay for a while. */
static void reloading__keeps_the_old_revision_for_the_grace_time(void)
{
    served_open(&served);
    served_write(served.root, "index.html", "<html>", 6);
    const char *const paths[] = {served.packages};
    struct catalogue *first = open_catalogue(paths, 1, NULL, 0);
    struct catalogue *same = open_catalogue(paths, 1, first, 10);
    CHECK(catalogue_equals(first, same));
    catalogue_drop(same);

    char fresh[160];
    snprintf(fresh, sizeof fresh, "%s/fresh", served.root);
    served_write_archive(fresh);
    CHECK_EQ(rename(fresh, served.ours), 0);
    struct catalogue *second = open_catalogue(paths, 1, first, 20);
    const struct catalogue_entry *entry = catalogue_find(second, text_of("ours"));
    CHECK_EQ(entry->store_count, 2);
    CHECK(!catalogue_equals(first, second));
    struct catalogue *third = open_catalogue(paths, 1, second, 200);
    CHECK_EQ(catalogue_find(third, text_of("ours"))->store_count, 1);

    /* One that is broken now is refused; the old one goes on. */
    served_write(served.packages, "ours.3tz", "half", 4);
    struct catalogue *fourth = open_catalogue(paths, 1, third, 210);
    CHECK_EQ(note_count, 1);
    CHECK(catalogue_equals(third, fourth));
    catalogue_drop(fourth);
    catalogue_drop(third);
    catalogue_drop(second);
    catalogue_drop(first);
    drop_callers();
    served_close(&served);
}

CHECK_MAIN(
    CHECK_TEST(every_status__comes_with_a_problem_document),
    CHECK_TEST(root__is_the_viewer_for_browsers_and_json_for_scripts),
    CHECK_TEST(collections__tell_what_is_served),
    CHECK_TEST(documents__are_answered_304_when_known),
    CHECK_TEST(foreign_urls__carry_their_revision), CHECK_TEST(tiles__are_cached_by_what_they_are),
    CHECK_TEST(codings__are_negotiated), CHECK_TEST(ranges__count_in_the_file_without_coding),
    CHECK_TEST(conditions__guard_ranges_and_reads), CHECK_TEST(methods__are_limited_to_reading),
    CHECK_TEST(api__describes_the_routes_that_there_are), CHECK_TEST(documents__come_as_pages_too),
    CHECK_TEST(downloads__are_closed_until_they_are_allowed),
    CHECK_TEST(keys__open_what_they_are_for),
    CHECK_TEST(endpoint__hands_out_a_token_for_one_package),
    CHECK_TEST(rates__are_told_with_every_tile), CHECK_TEST(rates__are_kept_for_keys_and_addresses),
    CHECK_TEST(proxies__decide_what_links_begin_with),
    CHECK_TEST(readyz__says_when_the_server_drains), CHECK_TEST(public_url__stands_in_links),
    CHECK_TEST(damage__is_500_and_names_no_path), CHECK_TEST(memory__that_runs_out_is_503),
    CHECK_TEST(catalogue__names_what_it_cannot_serve),
    CHECK_TEST(reloading__keeps_the_old_revision_for_the_grace_time))
