/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/items.h"

#include "formats/json_tree.h"
#include "server/attributes.h"
#include "server/routes.h"
#include "tests/server/city_case.h"

static struct served served;
static struct catalogue *catalogue;
static struct store_cache *cache;
static struct attributes *attributes;
static struct access *everyone;
static struct arena memory;
static struct arena kept; /* of the last answer's tree */
static struct response response;
static const struct json_tree *body;

static void set_up_of(uint32_t houses)
{
    struct err err;
    served_open(&served);
    city_open_of(&served, houses);
    const char *const paths[] = {served.packages};
    CHECK_OK(access_open(NULL, false, &everyone, &err), &err);
    const struct catalogue_options options = {.paths = paths, .path_count = 1, .access = everyone};
    CHECK_OK(catalogue_open(&options, NULL, NULL, NULL, &catalogue, &err), &err);
    const struct store_cache_options small = {.slot_count = 64, .expanded_bytes = 1 << 20};
    CHECK_OK(store_cache_open(small, &cache, &err), &err);
    CHECK_OK(attributes_open(&attributes, &err), &err);
    arena_init(&memory, 64 << 20);
    arena_init(&kept, 64 << 20);
}

static void set_up(void)
{
    set_up_of(CITY_HOUSES);
}

static void tear_down(void)
{
    store_view_give_back(response.view);
    response.view = NULL;
    arena_release(&kept);
    arena_release(&memory);
    attributes_close(attributes);
    store_cache_close(cache);
    catalogue_drop(catalogue);
    access_drop(everyone);
    served_close(&served);
}

static void answer(const struct request *request)
{
    const struct routes_context context = {
        .catalogue = catalogue, .cache = cache, .attributes = attributes};
    routes_answer(&context, request, &memory, &response);
}

static void read_body(void)
{
    struct err err;
    CHECK_OK(json_tree_read(response.bytes, &kept, &body, &err), &err);
}

static void get(const char *target, unsigned status)
{
    char path[1024];
    snprintf(path, sizeof path, "/collections/city/%s", target);
    char *mark = strchr(path, '?');
    const struct request request = {
        .method = MESSAGE_GET,
        .path = {path, mark == NULL ? strlen(path) : (size_t)(mark - path)},
        .query = text_of(mark == NULL ? NULL : mark + 1),
        .host = text_of("city.test")};
    answer(&request);
    if (response.status != status) {
        fail_msg("%s: %u instead of %u: %.*s", target, response.status, status,
                 (int)response.bytes.size, (const char *)response.bytes.data);
    }
    read_body();
}

/* The ids of a collection, between spaces. */
static const char *ids(void)
{
    static char text[512];
    const struct json_tree *features = json_tree_find(body, "features");
    size_t size = 0;
    text[0] = '\0';
    for (size_t i = 0; features != NULL && i < features->child_count; i++) {
        const struct json_tree *id = json_tree_find(&features->children[i], "id");
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%.*s", i == 0 ? "" : " ",
                                 TEXT_ARGS(id->text));
    }
    return text;
}

static const struct json_tree *property(size_t feature, const char *name)
{
    const struct json_tree *features = json_tree_find(body, "features");
    return json_tree_find(json_tree_find(json_tree_element(features, feature), "properties"), name);
}

static bool says(const char *words)
{
    return memmem(response.bytes.data, response.bytes.size, words, strlen(words)) != NULL;
}

static void questions__are_answered_with_the_right_features(void)
{
    static const struct {
        const char *target;
        const char *ids;
    } cases[] = {
        {"items", "H-0 H-1 H-2 H-3 H-4"},
        {"items?limit=2", "H-0 H-1"},
        {"items?limit=2&offset=4", "H-4"},
        {"items?bbox=114.0499,22.5399,114.0506,22.5401", "H-0 H-1"},
        {"items?bbox=114.0499,22.5399,2,114.0540,22.5401,30", "H-0 H-1 H-2 H-3 H-4"},
        {"items?bbox=114.0499,22.5399,7,114.0540,22.5401,30", "H-2 H-3 H-4"},
        {"items?bbox=22.5399,114.0499,22.5401,114.0506&bbox-crs=EPSG:4326", "H-0 H-1"},
        {"items?ids=H-3,H-1,none", "H-1 H-3"},
        {"items?use=home", "H-3 H-4"},
        {"items?people=20", "H-1"},
        {"items?filter=people%3E25%20AND%20use='home'", "H-3 H-4"},
        {"items?filter=name%20LIKE%20'Tower%25'&filter-lang=cql2-text", "H-1 H-4"},
        {"items?sortby=-people&limit=2", "H-4 H-3"},
        {"items?datetime=2026-01-01T00:00:00Z/..&limit=1", "H-0"},
        {"items?tile=" SERVED_TILE "&limit=1", "H-0"},
        {"items?group=BLOCK&limit=1", "H-0"},
        {"search?q=tower", "H-1 H-4"},
        {"search?q=%E7%A6%8F%E7%94%B0", "H-0"},
        {"position?coords=POINT(114.05%2022.54)", "H-0"},
        {"position?coords=POINT(114.0502%2022.54)", ""},
        {"radius?coords=POINT(114.05%2022.54)&within=60", "H-0 H-1"},
        {"radius?coords=POINT(114.05%2022.54)&within=0.06&within-units=km", "H-0 H-1"},
        {"area?coords=POLYGON((114.049%2022.539,114.0511%2022.539,114.0511%2022.541,114.049%2022."
         "541,"
         "114.049%2022.539))",
         "H-0 H-1 H-2"},
        {"nearest?coords=POINT(114.0504%2022.54)&k=2", "H-1 H-0"},
        {"flood?level=1.5", "H-0 H-1"},
        {"flood?level=1.5&datum=ellipsoid", "H-0 H-1 H-2 H-3 H-4"},
    };
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        get(cases[i].target, 200);
        if (strcmp(ids(), cases[i].ids) != 0) {
            fail_msg("%s: '%s' instead of '%s'", cases[i].target, ids(), cases[i].ids);
        }
        CHECK_TEXT(response_find(&response, "Content-Type"), "application/geo+json");
        CHECK(json_tree_is(json_tree_find(body, "numberMatched"), JSON_NUMBER));
    }
    tear_down();
}

static void pages__follow_their_links_to_the_end(void)
{
    char seen[64] = "";
    char target[512] = "items?limit=2&use=home&use2=";
    set_up();
    strcpy(target, "items?limit=2");
    for (int page = 0; page < 3; page++) {
        get(target, 200);
        strcat(seen, ids());
        strcat(seen, "|");
        const struct json_tree *links = json_tree_find(body, "links");
        target[0] = '\0';
        for (size_t i = 0; i < links->child_count; i++) {
            if (json_tree_is_text(json_tree_find(&links->children[i], "rel"), "next")) {
                const struct text href = json_tree_find(&links->children[i], "href")->text;
                const size_t base = strlen("http://city.test/collections/city/");
                snprintf(target, sizeof target, "%.*s", (int)(href.size - base), href.data + base);
            }
        }
        CHECK((target[0] == '\0') == (page == 2));
    }
    CHECK_TEXT(seen, "H-0 H-1|H-2 H-3|H-4|");
    tear_down();
}

static void one_item__has_its_attributes_and_its_tile(void)
{
    set_up();
    get("items/H-1", 200);
    CHECK(says("\"use\":\"office\""));
    CHECK(says("http://city.test/collections/city/3dtiles/" SERVED_TILE));
    get("items/H-1?f=attributes", 200);
    CHECK(json_tree_is_text(json_tree_find(body, "name"), "Tower A"));
    CHECK(json_tree_find(body, "people")->number == 20);
    CHECK(json_tree_find(body, "geometry") == NULL);
    get("items/BLOCK", 200);
    CHECK(says("\"H-4\""));
    get("items/none", 404);
    tear_down();
}

static void flood__says_depth_and_storeys(void)
{
    set_up();
    get("flood?level=4&sum=people", 200);
    CHECK_TEXT(ids(), "H-0 H-1 H-2 H-3");
    CHECK(property(0, "depth")->number == 4);
    CHECK_EQ(property(0, "wetStoreys")->child_count + property(0, "wetStoreys")->number, 2);
    CHECK(says("\"summary\""));
    CHECK(says("100")); /* 10 + 20 + 30 + 40 people */
    get("flood?level=4&f=ids&limit=0", 200);
    CHECK_EQ(json_tree_find(body, "ids")->child_count, 4);
    get("flood?level=4&f=style", 200);
    CHECK(json_tree_find(body, "color") != NULL || json_tree_find(body, "show") != NULL);
    get("flood", 400);
    tear_down();
}

static void flood__can_be_a_bit_a_house(void)
{
    char path[] = "/collections/city/flood";
    const struct request request = {.method = MESSAGE_GET,
                                    .path = text_of(path),
                                    .query = text_of("level=1.5&f=bitset"),
                                    .host = text_of("city.test")};
    set_up();
    answer(&request);
    CHECK_EQ(response.status, 200);
    CHECK_TEXT(response_find(&response, "Content-Type"), "application/octet-stream");
    CHECK_EQ(response.bytes.size, 1);
    CHECK_EQ(response.bytes.data[0], 3); /* H-0 and H-1 */
    get("items?f=bitset", 400);
    tear_down();
}

/* ---- long answers ---- */

enum { MANY = 300 };

/* All of an answer, the rest of it included; false when that could not be made. */
static bool collect(struct buf *whole, size_t *part_count)
{
    struct buf part;
    struct err err;
    bool is_over = false;
    bool ok = true;
    buf_init(whole, 64 << 20);
    buf_init(&part, 64 << 20);
    buf_add(whole, response.bytes.data, response.bytes.size);
    *part_count = 1;
    while (ok && !is_over) {
        buf_reset(&part);
        ok = response.rest->more(response.rest, &part, &is_over, &err);
        buf_add(whole, part.data, part.size);
        *part_count += 1;
    }
    response.rest->close(response.rest);
    buf_release(&part);
    return ok;
}

static void ask_many(const char *query)
{
    const struct request request = {.method = MESSAGE_GET,
                                    .path = text_of("/collections/city/items"),
                                    .query = text_of(query),
                                    .host = text_of("city.test")};
    answer(&request);
    CHECK_EQ(response.status, 200);
}

static void long_answers__are_made_in_parts(void)
{
    static const char *const queries[] = {"limit=10000", "limit=10000&f=attributes",
                                          "limit=10000&sortby=-people"};
    set_up_of(MANY);
    ask_many("limit=128");
    CHECK(response.rest == NULL);
    CHECK(response_find(&response, "ETag") != NULL);
    for (size_t i = 0; i < 3; i++) {
        struct buf whole;
        size_t part_count;
        struct err err;
        ask_many(queries[i]);
        CHECK(response.rest != NULL);
        CHECK(response_find(&response, "ETag") == NULL);
        CHECK(response.bytes.size < 100000);
        CHECK(collect(&whole, &part_count));
        CHECK_EQ(part_count, (MANY + 63) / 64);
        CHECK_OK(json_tree_read(buf_span(&whole), &kept, &body, &err), &err);
        const struct json_tree *list = i == 1 ? body : json_tree_find(body, "features");
        CHECK_EQ(list->child_count, MANY);
        if (i != 1) {
            CHECK_TEXT_IS(json_tree_find(json_tree_element(list, 299), "id")->text,
                          i == 0 ? "H-299" : "H-0");
            CHECK_TEXT(response_find(&response, "Content-Crs"),
                       "<http://www.opengis.net/def/crs/OGC/0/CRS84h>");
        }
        buf_release(&whole);
    }
    ask_many("limit=10000&f=html"); /* a page for people is made at once */
    CHECK(response.rest == NULL);
    tear_down();
}

/* The package goes while an answer is under way: it ends, and not as if it were whole. */
static void long_answers__fail_with_their_package(void)
{
    struct buf whole;
    size_t part_count;
    char path[192];
    set_up_of(MANY);
    ask_many("limit=10000");
    CHECK(response.rest != NULL);
    snprintf(path, sizeof path, "%s/city/features.idx", served.packages);
    served_cut(path, 4096);
    CHECK(!collect(&whole, &part_count));
    CHECK_EQ(part_count, 2);
    buf_release(&whole);
    tear_down();
}

/* A turn has so much time for questions, and tiles are none. */
static void questions__that_are_too_many_are_sent_away(void)
{
    uint64_t turn_ns = 0;
    set_up();
    const struct routes_context context = {.catalogue = catalogue,
                                           .cache = cache,
                                           .attributes = attributes,
                                           .question_ns = 1000,
                                           .turn_ns = &turn_ns};
    const char *const paths[] = {"/collections/city/items", "/collections/city/flood",
                                 "/collections/city/items/H-1", "/collections/city/queryables"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const struct request request = {.method = MESSAGE_GET,
                                        .path = text_of(paths[i]),
                                        .query = text_of(i == 1 ? "level=1" : NULL),
                                        .host = text_of("city.test")};
        turn_ns = 0;
        routes_answer(&context, &request, &memory, &response);
        CHECK_EQ(response.status, 200);
        CHECK(turn_ns > 1000);
        routes_answer(&context, &request, &memory, &response);
        CHECK_EQ(response.status, 503);
        CHECK(response.is_shed);
        CHECK(response_find(&response, "Retry-After") != NULL);
        CHECK_TEXT(response.package, "city");
    }
    const struct request tile = {.method = MESSAGE_GET,
                                 .path = text_of("/collections/city/3dtiles/" SERVED_TILE),
                                 .host = text_of("city.test")};
    routes_answer(&context, &tile, &memory, &response);
    CHECK_EQ(response.status, 200);
    tear_down();
}

static void posts__ask_what_is_too_long_for_an_address(void)
{
    static const char json[] = "{\"level\":1.5,\"coords\":{\"type\":\"Polygon\",\"coordinates\":[[["
                               "114.0504,22.539],[114.06,"
                               "22.539],[114.06,22.541],[114.0504,22.541],[114.0504,22.539]]]}}";
    set_up();
    struct request request = {.method = MESSAGE_POST,
                              .path = text_of("/collections/city/flood"),
                              .host = text_of("city.test"),
                              .content_type = text_of("application/json; charset=utf-8"),
                              .body = {(const uint8_t *)json, sizeof json - 1}};
    answer(&request);
    CHECK_EQ(response.status, 200);
    read_body();
    CHECK_TEXT(ids(), "H-1");
    request.content_type = text_of("text/plain");
    answer(&request);
    CHECK_EQ(response.status, 415);
    request.content_type = text_of("application/json");
    for (size_t size = 0; size < sizeof json - 1; size++) {
        request.body.size = size;
        answer(&request);
        CHECK_EQ(response.status, 400);
    }
    request.path = text_of("/collections/city/items");
    answer(&request);
    CHECK_EQ(response.status, 405);
    tear_down();
}

static void bad_questions__are_told_what_is_wrong(void)
{
    static const struct {
        const char *target;
        unsigned status;
        const char *words;
    } cases[] = {
        {"items?bbox=1,2,3", 400, "bbox"},
        {"items?bbox=0,1,1,0", 400, "bbox"},
        {"items?bbox-crs=EPSG:28992&bbox=0,0,1,1", 400, "crs"},
        {"items?crs=EPSG:3857", 400, "crs"},
        {"items?limit=0", 400, "limit"},
        {"items?offset=-1", 400, "offset"},
        {"items?colour=red", 400, "colour"},
        {"items?filter=people%3E", 400, "character"},
        {"items?filter=nothing%3D1", 400, "nothing"},
        {"items?filter=people%3E1&filter-lang=cql-json", 400, "filter-lang"},
        {"items?sortby=nothing", 400, "nothing"},
        {"items?properties=nothing", 400, "nothing"},
        {"items?datetime=yesterday", 400, "datetime"},
        {"items?level=3", 400, "level"},
        {"items?ids=", 400, "ids"},
        {"items?use=%ff", 400, "UTF-8"},
        {"radius?coords=POINT(1%202)", 400, "within"},
        {"radius?coords=POINT(1%202)&within=-5", 400, "within"},
        {"radius?within=5", 400, "coords"},
        {"position?coords=POINT(1)", 400, "coords"},
        {"position?coords=NOWHERE", 400, "coords"},
        {"area?coords=POLYGON((1%201,2%202))", 422, "coords"},
        {"nearest?coords=POINT(114%2022)&k=0", 400, "k"},
        {"flood?level=high", 400, "level"},
        {"flood?level=1&datum=sea", 400, "datum"},
        {"state", 404, "address"},
        {"state/stream", 404, "address"},
    };
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        get(cases[i].target, cases[i].status);
        CHECK_TEXT(response_find(&response, "Content-Type"), "application/problem+json");
        if (!says(cases[i].words)) {
            fail_msg("%s: no '%s' in %.*s", cases[i].target, cases[i].words,
                     (int)response.bytes.size, (const char *)response.bytes.data);
        }
        CHECK(!says(served.root));
    }
    tear_down();
}

static void answers__come_in_every_form_and_system(void)
{
    set_up();
    get("items?ids=H-0&crs=EPSG:4326", 200);
    CHECK(strstr(response_find(&response, "Content-Crs"), "4326") != NULL);
    get("items?ids=H-0&f=ids", 200);
    CHECK(says("[\"H-0\"]"));
    get("items?ids=H-0&f=attributes", 200);
    CHECK(says("\"use\":\"office\""));
    get("items?ids=H-0&properties=use", 200);
    CHECK(!says("people"));
    get("items?ids=H-0&skipGeometry=true", 200);
    CHECK(!says("MultiPolygon"));
    get("queryables", 200);
    CHECK(json_tree_find(json_tree_find(body, "properties"), "people") != NULL);
    get("schema", 200);
    get("schema/feature", 200);
    const struct json_tree *properties = json_tree_find(
        json_tree_find(json_tree_find(body, "properties"), "properties"), "properties");
    CHECK(
        json_tree_is_text(json_tree_find(json_tree_find(properties, "people"), "type"),
                          "integer") ||
        json_tree_is_text(json_tree_find(json_tree_find(properties, "people"), "type"), "number"));
    CHECK(json_tree_find(properties, "id") == NULL);
    const struct request page = {.method = MESSAGE_GET,
                                 .path = text_of("/collections/city/items"),
                                 .query = text_of("f=html&limit=1")};
    answer(&page);
    CHECK_EQ(response.status, 200);
    CHECK(says("<!doctype html>"));
    tear_down();
}

static void packages_of_tiles__say_so(void)
{
    set_up();
    const struct request request = {.method = MESSAGE_GET,
                                    .path = text_of("/collections/plain/items")};
    answer(&request);
    CHECK_EQ(response.status, 404);
    CHECK(says("tiles only"));
    const struct request about = {.method = MESSAGE_GET, .path = text_of("/collections/plain")};
    answer(&about);
    CHECK(says("\"tiles_only\":true"));
    CHECK(!says("/items"));
    tear_down();
}

/* The index is mapped, the attributes are read in place: cut, each is a 500 and
 * nothing more. */
static void cut_files__are_500(void)
{
    static const char *const files[] = {"features.idx", "features.gpkg"};
    for (size_t i = 0; i < 2; i++) {
        char path[192];
        struct err err;
        set_up();
        CHECK_OK(store_guard_maps(&err), &err);
        if (i == 0) {
            get("items", 200);
        }
        snprintf(path, sizeof path, "%s/city/%s", served.packages, files[i]);
        served_cut(path, 600);
        get("items?filter=people%3E1", 500);
        CHECK(response.failure != NULL);
        tear_down();
    }
}

/* Each allocation of a question fails in turn. */
static void memory__that_runs_out_is_503(void)
{
    static const char *const targets[] = {"items?limit=2", "items?filter=people%3E25",
                                          "flood?level=4", "items/H-1"};
    set_up();
    get("items", 200); /* the table is open */
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        bool is_done = false;
        for (size_t k = 1; k < 400 && !is_done; k++) {
            char path[128];
            snprintf(path, sizeof path, "/collections/city/%s", targets[i]);
            char *mark = strchr(path, '?');
            const struct request request = {
                .method = MESSAGE_GET,
                .path = {path, mark == NULL ? strlen(path) : (size_t)(mark - path)},
                .query = text_of(mark == NULL ? NULL : mark + 1)};
            memory.fail_after = memory.alloc_count + k;
            answer(&request);
            is_done = response.status == 200 && memory.alloc_count < memory.fail_after;
            memory.fail_after = 0;
            CHECK(response.status == 503 || response.status == 200);
        }
        CHECK(is_done);
    }
    tear_down();
}

CHECK_MAIN(CHECK_TEST(questions__are_answered_with_the_right_features),
           CHECK_TEST(pages__follow_their_links_to_the_end),
           CHECK_TEST(one_item__has_its_attributes_and_its_tile),
           CHECK_TEST(flood__says_depth_and_storeys), CHECK_TEST(flood__can_be_a_bit_a_house),
           CHECK_TEST(long_answers__are_made_in_parts),
           CHECK_TEST(long_answers__fail_with_their_package),
           CHECK_TEST(questions__that_are_too_many_are_sent_away),
           CHECK_TEST(posts__ask_what_is_too_long_for_an_address),
           CHECK_TEST(bad_questions__are_told_what_is_wrong),
           CHECK_TEST(answers__come_in_every_form_and_system),
           CHECK_TEST(packages_of_tiles__say_so), CHECK_TEST(cut_files__are_500),
           CHECK_TEST(memory__that_runs_out_is_503))
