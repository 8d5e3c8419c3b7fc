/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/query.h"

#include "formats/json_tree.h"
#include "formats/query_print.h"
#include "tests/formats/query_city.h"

static struct query_city city;

/* "name=value" pairs, NULL at the end. */
static bool set_all(struct query *query, enum query_kind kind, const char *const *pairs,
                    struct err *err)
{
    query_init(query, kind);
    for (; *pairs != NULL; pairs++) {
        const char *equals = strchr(*pairs, '=');
        const struct text name = {*pairs, (size_t)(equals - *pairs)};
        if (!query_set(query, &city.target, name, text_of(equals + 1), &city.request, err)) {
            return false;
        }
    }
    return true;
}

/* Ids of the answer, with commas; "b3,b17" */
static const char *ask(enum query_kind kind, struct query_result *result, const char *const *pairs)
{
    static char ids[4096];
    struct query query;
    struct err err;
    CHECK_OK(set_all(&query, kind, pairs, &err), &err);
    CHECK_OK(query_run(&query, &city.target, &city.request, result, &err), &err);
    size_t at = 0;
    ids[0] = '\0';
    for (size_t i = 0; i < result->hit_count && at < sizeof ids; i++) {
        const struct text id = feature_index_id(&city.index, result->hits[i].row);
        at +=
            (size_t)snprintf(ids + at, sizeof ids - at, "%s%.*s", i > 0 ? "," : "", TEXT_ARGS(id));
    }
    return ids;
}

#define ASK(kind, result, ...) ask(kind, result, (const char *const[]){__VA_ARGS__, NULL})

static void refuse(enum query_kind kind, enum err_code code, const char *begin,
                   const char *const *pairs)
{
    struct query query;
    struct query_result result;
    struct err err;
    const bool ok = set_all(&query, kind, pairs, &err) &&
                    query_run(&query, &city.target, &city.request, &result, &err);
    if (ok) {
        fail_msg("'%s' was taken", pairs[0]);
    }
    if (err.code != code || strncmp(err.message, begin, strlen(begin)) != 0) {
        fail_msg("'%s': expected %s '%s', got %s '%s'", pairs[0], err_code_name(code), begin,
                 err_code_name(err.code), err.message);
    }
}

#define REFUSE(kind, code, begin, ...)                                                             \
    refuse(kind, code, begin, (const char *const[]){__VA_ARGS__, NULL})

/* Degrees of a place in the city's own metres. */
static const char *degrees(double x, double y, char out[64])
{
    const struct feature_frame frame = query_city_frame();
    double lon;
    double lat;
    feature_frame_to_deg(&frame, x, y, &lon, &lat);
    snprintf(out, 64, "%.9f %.9f", lon, lat);
    return out;
}

static const char *box_deg(double west, double south, double east, double north, bool is_yx,
                           char out[160])
{
    const struct feature_frame frame = query_city_frame();
    double lon[2];
    double lat[2];
    feature_frame_to_deg(&frame, west, south, &lon[0], &lat[0]);
    feature_frame_to_deg(&frame, east, north, &lon[1], &lat[1]);
    snprintf(out, 160, "bbox=%.9f,%.9f,%.9f,%.9f", is_yx ? lat[0] : lon[0], is_yx ? lon[0] : lat[0],
             is_yx ? lat[1] : lon[1], is_yx ? lon[1] : lat[1]);
    return out;
}

/* The same ids in any order. */
static void same_ids(const char *found, const char *expected)
{
    size_t commas[2] = {0, 0};
    char wrapped[2048];
    snprintf(wrapped, sizeof wrapped, ",%s,", found);
    for (const char *at = expected; *at != '\0';) {
        const size_t size = strcspn(at, ",");
        char one[64];
        snprintf(one, sizeof one, ",%.*s,", (int)size, at);
        if (strstr(wrapped, one) == NULL) {
            fail_msg("'%s' has not '%s'", found, one);
        }
        at += size + (at[size] == ',');
    }
    for (const char *at = found; *at != '\0'; at++) {
        commas[0] += *at == ',';
    }
    for (const char *at = expected; *at != '\0'; at++) {
        commas[1] += *at == ',';
    }
    if (commas[0] != commas[1]) {
        fail_msg("'%s' is not '%s'", found, expected);
    }
}

static void items__are_found_by_box_in_every_crs(void)
{
    struct query_result result;
    char box[160];
    same_ids(ASK(QUERY_ITEMS, &result, box_deg(-101, -101, -85, -75, false, box)), "b0,b10");
    CHECK_EQ(result.matched_count, 2);
    same_ids(ASK(QUERY_ITEMS, &result, box_deg(-101, -101, -85, -75, true, box),
                 "bbox-crs=http://www.opengis.net/def/crs/EPSG/0/4326"),
             "b0,b10");
    same_ids(
        ASK(QUERY_ITEMS, &result, box_deg(-101, -101, -85, -75, true, box), "bbox-crs=EPSG:4490"),
        "b0,b10");
    same_ids(
        ASK(QUERY_ITEMS, &result, "bbox=114,22,8.5,115,23,1000", "class=Bridge", "storeysAbove=1"),
        "b70");
    CHECK_EQ(atoi(ASK(QUERY_ITEMS, &result, "bbox=100,-90,50,90")), 0);
    CHECK_EQ(result.matched_count, 100); /* around the world */
    ASK(QUERY_ITEMS, &result, "bbox=115,-90,50,90");
    CHECK_EQ(result.matched_count, 0);
    ASK(QUERY_ITEMS, &result, "bbox=-180,-90,180,90");
    CHECK_EQ(result.matched_count, 100);
}

static void items__come_in_pages_that_do_not_overlap(void)
{
    struct query_result result;
    uint8_t seen[CITY_COUNT] = {0};
    char offset[32];
    uint64_t next = 0;
    do {
        snprintf(offset, sizeof offset, "offset=%llu", (unsigned long long)next);
        ASK(QUERY_ITEMS, &result, "limit=30", offset, "bbox=114,22,115,23");
        CHECK_EQ(result.matched_count, 100);
        for (size_t i = 0; i < result.hit_count; i++) {
            CHECK_EQ(seen[result.hits[i].row]++, 0);
        }
        next = result.next_offset;
    } while (result.has_next);
    CHECK_EQ(next, 100);
    ASK(QUERY_ITEMS, &result, "limit=1000000");
    CHECK_EQ(result.hit_count, 100);
}

static void items__are_found_by_attributes_and_names(void)
{
    struct query_result result;
    CHECK_TEXT(ASK(QUERY_ITEMS, &result, "ids=b7,b3,nothing", "sortby=-population"), "b7,b3");
    CHECK_TEXT(ASK(QUERY_ITEMS, &result, "use=school", "sortby=-population", "limit=3"),
               "b99,b97,b95");
    CHECK_EQ(result.matched_count, 50);
    CHECK_TEXT(ASK(QUERY_ITEMS, &result, "q=深圳 98"), "b98");
    ASK(QUERY_ITEMS, &result, "q=厦");
    CHECK_EQ(result.matched_count, 50);
    CHECK_TEXT(ASK(QUERY_ITEMS, &result, "q=\x14"), ""); /* no word at all */
    ASK(QUERY_ITEMS, &result, "q=tow", "filter=population > 500", "parent=block-6");
    CHECK_EQ(result.matched_count, 5);
    same_ids(ASK(QUERY_ITEMS, &result, "group=merged-2"), "b0,b1,b2,b3,b4");
    same_ids(ASK(QUERY_ITEMS, &result, "group=block-3", "filter=storeysAbove>=9"), "b38,b39");
    ASK(QUERY_ITEMS, &result, "tile=tiles/a.glb");
    CHECK_EQ(result.matched_count, 50);
    ASK(QUERY_ITEMS, &result, "tile=tiles/w.glb");
    CHECK_EQ(result.matched_count, 100);
    ASK(QUERY_ITEMS, &result, "tile=tiles/none.glb");
    CHECK_EQ(result.matched_count, 0);
    CHECK_TEXT(ASK(QUERY_ITEMS, &result, "id=b42"), "b42");
}

static void filter__means_what_cql2_says(void)
{
    static const struct {
        const char *filter;
        uint64_t count;
    } cases[] = {
        {"filter=population = 420", 1},
        {"filter=population <> 420", 98}, /* null is neither */
        {"filter=population IS NULL", 1},
        {"filter=population IS NOT NULL AND use='office'", 49},
        {"filter=NOT use = 'office'", 50},
        {"filter=population BETWEEN 10 AND 20", 2},
        {"filter=population NOT BETWEEN 10 AND 980", 2},
        {"filter=id IN ('b1', 'b2','b3', 'b1')", 3},
        {"filter=id NOT IN ('b1')", 99},
        {"filter=name LIKE '深圳%9_'", 5},
        {"filter=name LIKE 'tower%'", 0},
        {"filter=CASEI(name) LIKE CASEI('TOWER%')", 50},
        {"filter=CASEI(use) = CASEI('OFFICE')", 50},
        {"filter=\"population\" >= 9.9e2", 1},
        {"filter=use='office' AND population<100 OR id='b99'", 6},
        {"filter=use='office' AND (population<100 OR id='b99')", 5},
        {"filter=TRUE", 100},
        {"filter=FALSE or id='b1'", 1},
        {"filter=storeysDerived = false", 100},
        {"filter=420 = population", 1},
        {"filter=use <> 'it''s'", 100},
        /* cql2-json */
        {"filter={\"op\":\"=\",\"args\":[{\"property\":\"population\"},420]}", 1},
        {"filter={\"op\":\"and\",\"args\":[{\"op\":\"isNull\",\"args\":[{\"property\":"
         "\"population\"}]},"
         "{\"op\":\"=\",\"args\":[{\"property\":\"use\"},\"office\"]}]}",
         1},
        {"filter={\"op\":\"or\",\"args\":[{\"op\":\"=\",\"args\":[{\"property\":\"id\"},\"b1\"]},"
         "false]}",
         1},
        {"filter={\"op\":\"not\",\"args\":[{\"op\":\"between\",\"args\":[{\"property\":"
         "\"population\"},10,980]}]}",
         2},
        {"filter={\"op\":\"in\",\"args\":[{\"property\":\"id\"},[\"b1\",\"b2\"]]}", 2},
        {"filter={\"op\":\"like\",\"args\":[{\"op\":\"casei\",\"args\":[{\"property\":\"name\"}]},"
         "{\"op\":\"casei\",\"args\":[\"TOWER%\"]}]}",
         50},
        {"filter={\"op\":\"<>\",\"args\":[{\"property\":\"use\"},\"it's\"]}", 100},
        {"filter={\"op\":\"s_intersects\",\"args\":[{\"property\":\"geometry\"},{\"bbox\":[114,22,"
         "115,23]}]}",
         100},
        {"filter={\"op\":\"s_intersects\",\"args\":[{\"property\":\"geometry\"},{\"type\":"
         "\"Polygon\","
         "\"coordinates\":[[[114,22],[115,22],[115,23],[114,23],[114,22]]]}]}",
         100},
        {"filter={\"op\":\"s_intersects\",\"args\":[{\"type\":\"Point\",\"coordinates\":[0,0]},"
         "{\"property\":\"geometry\"}]}",
         0},
        /* property-property: properties and literals on any side */
        {"filter=population = population", 99},
        {"filter=id = name", 0},
        {"filter=500 <= population", 49},
        {"filter=5 BETWEEN 1 AND population", 98},
        {"filter='office' IN (id, use)", 50},
        {"filter=population BETWEEN population AND 500", 50},
        {"filter=S_INTERSECTS(geometry, BBOX(114,22,115,23))", 100},
        {"filter=NOT S_INTERSECTS(POLYGON((0 0, 1 0, 1 1, 0 0)), geometry)", 100},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct query_result result;
        ASK(QUERY_ITEMS, &result, cases[i].filter);
        if (result.matched_count != cases[i].count) {
            fail_msg("%s: %llu, not %llu", cases[i].filter,
                     (unsigned long long)result.matched_count, (unsigned long long)cases[i].count);
        }
    }
}

static void filter__as_json_says_what_is_wrong(void)
{
    static const struct {
        const char *filter;
        enum err_code code;
        uint32_t column;
    } cases[] = {
        {"{\"op\":\"=\"}", ERR_SYNTAX, 1},
        {"{\"op\":\"=\",\"args\":[1]}", ERR_SYNTAX, 18},
        {"{\"op\":\"=\",\"args\":[1,null]}", ERR_SYNTAX, 21},
        {"{\"op\":\"s_within\",\"args\":[1,2]}", ERR_UNSUPPORTED, 1},
        {"{\"op\":\"in\",\"args\":[1,2]}", ERR_UNSUPPORTED, 1},
        {"{\"op\":\"in\",\"args\":[1,[]]}", ERR_SYNTAX, 1},
        {"{\"op\":\"=\",\"args\":[{\"property\":\"nothing\"},1]}", ERR_SCHEMA, 1},
        {"{\"op\":\"=\",\"args\":[{\"what\":1},1]}", ERR_SYNTAX, 19},
        {"{\"op\":\"s_intersects\",\"args\":[{\"property\":\"geometry\"},{\"type\":\"Polygon\","
         "\"coordinates\":[[[\"a\",1]]]}]}",
         ERR_SYNTAX, 89},
        {"{\"op\":\"s_intersects\",\"args\":[{\"property\":\"geometry\"},{\"type\":\"Circle\"}]}",
         ERR_UNSUPPORTED, 54},
        {"{\"op\":\"=\",\"args\":[1,1]", ERR_SYNTAX, 0},
        {"{\"property\":\"use\\\" OR 1=1 --\"}", ERR_SCHEMA, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cql2 ignored;
        struct err err;
        CHECK_FAILS(cql2_read_json(text_of(cases[i].filter), city.target.attributes, false,
                                   &city.request, &ignored, &err),
                    &err, cases[i].code);
        CHECK(err.column > 0); /* one without is the package's fault */
        if (cases[i].column != 0 && err.column != cases[i].column) {
            fail_msg("%s: column %u, not %u", cases[i].filter, err.column, cases[i].column);
        }
    }
}

static void filter__says_where_it_is_wrong(void)
{
    static const struct {
        const char *filter;
        enum err_code code;
        uint32_t column;
    } cases[] = {
        {"filter=nothing = 1", ERR_SCHEMA, 1},
        {"filter=use == 'a'", ERR_SYNTAX, 6},
        {"filter=use = 'a", ERR_SYNTAX, 7},
        {"filter=use = 'a' AND", ERR_SYNTAX, 14},
        {"filter=(use = 'a'", ERR_SYNTAX, 11},
        {"filter=use = 'a')", ERR_SYNTAX, 10},
        {"filter=use IN ()", ERR_SYNTAX, 9},
        {"filter=use LIKE 5", ERR_SYNTAX, 10},
        {"filter=population > 1x", ERR_SYNTAX, 15},
        {"filter=population BETWEEN 1 OR 2", ERR_SYNTAX, 22},
        {"filter=S_WITHIN(geometry, POINT(1 1))", ERR_UNSUPPORTED, 1},
        {"filter=S_INTERSECTS(geometry, CIRCLE(1))", ERR_SYNTAX, 24},
        {"filter=S_INTERSECTS(geometry, POINT(1 91))", ERR_GEOMETRY, 34},
        {"filter=population IS 5", ERR_SYNTAX, 15},
        {"filter=1; DROP TABLE features", ERR_SYNTAX, 2},
        {"filter=use = 'x' -- comment", ERR_SYNTAX, 11},
        {"filter=", ERR_SYNTAX, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cql2 ignored;
        struct err err;
        const struct text filter = text_of(cases[i].filter + strlen("filter="));
        CHECK_FAILS(
            cql2_read_text(filter, city.target.attributes, false, &city.request, &ignored, &err),
            &err, cases[i].code);
        if (err.column != cases[i].column || err.line != 1) {
            fail_msg("%s: column %u, not %u", cases[i].filter, err.column, cases[i].column);
        }
    }
    char deep[2 * 70 + 16] = "";
    for (int i = 0; i < 70; i++) {
        strcat(deep, "(");
    }
    strcat(deep, "1=1");
    struct cql2 ignored;
    struct err err;
    CHECK_FAILS(
        cql2_read_text(text_of(deep), city.target.attributes, false, &city.request, &ignored, &err),
        &err, ERR_LIMIT);
}

static void position__finds_what_stands_there(void)
{
    struct query_result result;
    char at[64];
    char coords[96];
    snprintf(coords, sizeof coords, "coords=POINT(%s)", degrees(-95, -95, at));
    CHECK_TEXT(ASK(QUERY_POSITION, &result, coords), "b0");
    CHECK_TEXT(ASK(QUERY_POSITION, &result, coords, "z=7"), "b0");
    CHECK_TEXT(ASK(QUERY_POSITION, &result, coords, "z=9"), "");
    CHECK_TEXT(ASK(QUERY_POSITION, &result, coords, "z=8.5/3"), "");
    snprintf(coords, sizeof coords, "coords=POINT(%s)", degrees(-85, -95, at));
    CHECK_TEXT(ASK(QUERY_POSITION, &result, coords), "");
}

static void radius__measures_to_the_outline(void)
{
    struct query_result result;
    char at[64];
    char coords[96];
    snprintf(coords, sizeof coords, "coords=POINT(%s)", degrees(-85, -95, at)); /* between b0, b1 */
    same_ids(ASK(QUERY_RADIUS, &result, coords, "within=5.1"), "b0,b1");
    CHECK_NEAR(result.hits[0].distance_m, 5, 0.01, "m");
    same_ids(ASK(QUERY_RADIUS, &result, coords, "within=0.0051", "within-units=km",
                 "filter=use='school'"),
             "b1");
    CHECK_NEAR(result.hits[0].distance_m, 5, 0.01, "m");
    CHECK_TEXT(ASK(QUERY_RADIUS, &result, coords, "within=4.9"), "");
}

static void nearest__takes_conditions_into_account(void)
{
    struct query_result result;
    char at[64];
    char coords[96];
    snprintf(coords, sizeof coords, "coords=POINT(%s)", degrees(-95, -95, at));
    CHECK_TEXT(ASK(QUERY_NEAREST, &result, coords), "b0");
    CHECK_NEAR(result.hits[0].distance_m, 0, 0, "m");
    CHECK_TEXT(ASK(QUERY_NEAREST, &result, coords, "class=Building", "filter=population>=110"),
               "b11");
    CHECK_TEXT(ASK(QUERY_NEAREST, &result, coords, "k=2", "q=tower 9"), "b9,b91");
    ASK(QUERY_NEAREST, &result, coords, "k=4", "within=16");
    CHECK_EQ(result.hit_count, 3);
    CHECK_TEXT(ASK(QUERY_NEAREST, &result, coords, "z=1000", "class=Bridge"), "b28");
}

static void area__cuts_through_footprints(void)
{
    struct query_result result;
    char a[64];
    char b[64];
    char c[64];
    char coords[300];
    snprintf(coords, sizeof coords, "coords=POLYGON((%s, %s, %s))", degrees(-99, -99, a),
             degrees(-62, -99, b), degrees(-99, -62, c));
    same_ids(ASK(QUERY_AREA, &result, coords), "b0,b1,b10");
    same_ids(ASK(QUERY_AREA, &result, coords, "min-z=9.5"), "b1");
    /* Wholly inside one building, and around everything. */
    snprintf(coords, sizeof coords, "coords=POLYGON((%s, %s, %s))", degrees(-99, -99, a),
             degrees(-98, -99, b), degrees(-99, -98, c));
    CHECK_TEXT(ASK(QUERY_AREA, &result, coords), "b0");
    ASK(QUERY_AREA, &result, "coords=POLYGON((-180 -90, 180 -90, 180 90, -180 90, -180 -90))");
    CHECK_EQ(result.matched_count, 100);
    ASK(QUERY_AREA, &result,
        "coords={\"type\":\"Polygon\",\"coordinates\":[[[114,22],[115,22],[115,23],[114,23],[114,"
        "22]]"
        ",[[114.01,22.01],[114.99,22.01],[114.99,22.99],[114.01,22.99],[114.01,22.01]]]}");
    CHECK_EQ(result.matched_count, 0); /* they stand in its hole */
}

static void ray__meets_the_first_building_first(void)
{
    struct query_result result;
    char a[64];
    char b[64];
    char coords[200];
    snprintf(coords, sizeof coords, "coords=LINESTRING(%s 6, %s 6)", degrees(-120, -95, a),
             degrees(-40, -95, b));
    CHECK_TEXT(ASK(QUERY_RAY, &result, coords), "b0,b1,b2");
    CHECK_NEAR(result.hits[0].distance_m, 20, 0.01, "m");
    CHECK_NEAR(result.hits[2].distance_m, 60, 0.01, "m");
    snprintf(coords, sizeof coords, "coords=LINESTRING(%s 11, %s 11)", degrees(-120, -95, a),
             degrees(-40, -95, b));
    CHECK_TEXT(ASK(QUERY_RAY, &result, coords), "b1,b2"); /* over b0 */
}

static void flood__counts_storeys_and_sums(void)
{
    struct query_result result;
    struct query query;
    struct err err;
    /* Local bases are -5 .. 4, ten of each: at -4.5, the first ten have half a metre. */
    ASK(QUERY_FLOOD, &result, "level=-4.5", "sum=population", "f=ids");
    CHECK_EQ(result.matched_count, 10);
    CHECK_EQ(result.sums.buildings, 1);
    CHECK_EQ(result.sums.wet_storeys, 10 + 4); /* ground floors; b0, b3, b6, b9 below */
    CHECK_EQ(result.sums.dry_storeys, 45);
    CHECK_NEAR(result.sums.wet_footprint_m2, 1000, 1e-3, "m2");
    CHECK_NEAR(result.sums.depth_max_m, 0.5, 1e-6, "m");
    CHECK_NEAR(result.sums.attribute[0], 450, 0, "people");
    /* 6.5 m over the base of b9 with ten storeys of 3 m: three are wet, and one below. */
    ASK(QUERY_FLOOD, &result, "level=11.5", "datum=ellipsoid", "ids=b9");
    CHECK_EQ(result.hits[0].water.wet_count, 4);
    CHECK_EQ(result.hits[0].water.dry_count, 7);
    ASK(QUERY_FLOOD, &result, "level=5", "datum=ellipsoid");
    CHECK_EQ(result.matched_count, 0); /* up to the doorstep */
    ASK(QUERY_FLOOD, &result, "level=-4", "filter=use='school'", "class=Building");
    CHECK_EQ(result.matched_count, 4); /* of b1, 3, 5, 7, 9, b7 is a bridge */
    ASK(QUERY_FLOOD, &result, "level=100", "f=ids");
    CHECK_EQ(result.hit_count, 100);     /* all, unless a limit is given */
    CHECK_EQ(result.sums.buildings, 10); /* each row of them is parts of one block */
    CHECK_OK(
        set_all(&query, QUERY_FLOOD, (const char *const[]){"level=100", "limit=0", NULL}, &err),
        &err);
    CHECK_OK(query_run(&query, &city.target, &city.request, &result, &err), &err);
    CHECK_EQ(result.hit_count, 100);
}

static void parameters__that_are_wrong_are_named(void)
{
    REFUSE(QUERY_ITEMS, ERR_SCHEMA, "nothing: no such parameter", "nothing=1");
    REFUSE(QUERY_ITEMS, ERR_SCHEMA, "level: no such parameter", "level=1");
    REFUSE(QUERY_ITEMS, ERR_SYNTAX, "bbox: four or six numbers", "bbox=1,2,3");
    REFUSE(QUERY_ITEMS, ERR_SYNTAX, "bbox: 'x' is no number", "bbox=1,2,x,4");
    REFUSE(QUERY_ITEMS, ERR_SYNTAX, "bbox: 'nan' is no number", "bbox=1,2,nan,4");
    REFUSE(QUERY_ITEMS, ERR_SCHEMA, "bbox: west", "bbox=1,5,2,4");
    REFUSE(QUERY_ITEMS, ERR_SCHEMA, "bbox: west", "bbox=1,5,200,6");
    REFUSE(QUERY_ITEMS, ERR_SCHEMA, "limit: given twice", "limit=1", "limit=2");
    REFUSE(QUERY_ITEMS, ERR_SCHEMA, "limit: at least", "limit=0");
    REFUSE(QUERY_ITEMS, ERR_SYNTAX, "limit: '-1' is no count", "limit=-1");
    REFUSE(QUERY_ITEMS, ERR_UNSUPPORTED, "crs: 'EPSG:28992'", "crs=EPSG:28992");
    REFUSE(QUERY_ITEMS, ERR_UNSUPPORTED, "filter-lang:", "filter-lang=ecql");
    REFUSE(QUERY_ITEMS, ERR_UNSUPPORTED, "f: json, attributes, ids should", "f=style");
    REFUSE(QUERY_ITEMS, ERR_SCHEMA, "sortby: no property", "sortby=nothing");
    REFUSE(QUERY_ITEMS, ERR_SCHEMA, "properties: no property", "properties=id,nothing");
    REFUSE(QUERY_ITEMS, ERR_SYNTAX, "population: 'many' is no number", "population=many");
    REFUSE(QUERY_RADIUS, ERR_SCHEMA, "within: it is missing", "coords=POINT(1 1)");
    REFUSE(QUERY_RADIUS, ERR_SCHEMA, "coords: it is missing", "within=1");
    REFUSE(QUERY_AREA, ERR_SCHEMA, "coords: a POLYGON", "coords=POINT(1 1)");
    REFUSE(QUERY_AREA, ERR_GEOMETRY, "coords: a ring needs", "coords=POLYGON((1 1, 2 2, 1 1))");
    REFUSE(QUERY_FLOOD, ERR_SCHEMA, "level: it is missing", "datum=local");
    REFUSE(QUERY_FLOOD, ERR_SCHEMA, "sum: 'use' has no numbers", "level=1", "sum=use");
    REFUSE(QUERY_NEAREST, ERR_SCHEMA, "k: at least 1", "k=0");
    REFUSE(QUERY_RAY, ERR_SCHEMA, "coords: LINESTRING", "coords=LINESTRING(1 1, 2 2)");
}

static void json__says_the_same_as_parameters(void)
{
    static const char body[] =
        "{\"level\": -4.5, \"limit\": 3, \"f\": \"ids\", \"ids\": [\"b1\", \"b2\", \"a,b\"],"
        "\"coords\": {\"type\": \"Polygon\", \"coordinates\":"
        "[[[114, 22], [115, 22], [115, 23], [114, 23]]]}, \"skipGeometry\": true,"
        "\"bbox\": [114, 22, 115, 23]}";
    struct query query;
    struct query_result result;
    struct err err;
    query_init(&query, QUERY_FLOOD);
    CHECK_OK(query_set_json(&query, &city.target,
                            (struct span){(const uint8_t *)body, strlen(body)}, &city.request,
                            &err),
             &err);
    CHECK_EQ(query.id_count, 3);
    CHECK_TEXT_IS(query.ids[2], "a,b");
    CHECK(query.skips_geometry);
    CHECK_OK(query_run(&query, &city.target, &city.request, &result, &err), &err);
    CHECK_EQ(result.matched_count, 2);
    static const char broken[] = "{\"level\": 1, \"bbox\": [1,2,3,]}";
    query_init(&query, QUERY_FLOOD);
    CHECK_FAILS(query_set_json(&query, &city.target,
                               (struct span){(const uint8_t *)broken, strlen(broken)},
                               &city.request, &err),
                &err, ERR_SYNTAX);
}

static const struct json_tree *print(enum query_kind kind, const char *const *pairs)
{
    struct query query;
    struct query_result result;
    struct err err;
    struct buf out;
    const struct json_tree *root;
    const struct query_links links = {.self = text_of("http://h/items?a=1"),
                                      .next = text_of("http://h/items?a=2"),
                                      .item = text_of("http://h/items/"),
                                      .tile = text_of("http://h/3dtiles/")};
    CHECK_OK(set_all(&query, kind, pairs, &err), &err);
    CHECK_OK(query_run(&query, &city.target, &city.request, &result, &err), &err);
    buf_init(&out, 1 << 24);
    CHECK_OK(query_print(&query, &city.target, &result, &links, &city.request, &out, &err), &err);
    uint8_t *copy = arena_array(&city.request, uint8_t, out.size);
    memcpy(copy, out.data, out.size);
    CHECK_OK(json_tree_read((struct span){copy, out.size}, &city.request, &root, &err), &err);
    buf_release(&out);
    return root;
}

#define PRINT(kind, ...) print(kind, (const char *const[]){__VA_ARGS__, NULL})

static const struct json_tree *member(const struct json_tree *root, const char *path)
{
    char copy[128];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *word = strtok(copy, "/"); word != NULL; word = strtok(NULL, "/")) {
        root = word[0] >= '0' && word[0] <= '9' ? json_tree_element(root, (size_t)atoi(word))
                                                : json_tree_find(root, word);
    }
    if (root == NULL) {
        fail_msg("nothing at %s", path);
    }
    return root;
}

static void print__writes_geojson_with_heights(void)
{
    const struct json_tree *root = PRINT(QUERY_ITEMS, "ids=b42,b43", "limit=1", "sortby=id");
    CHECK_TEXT_IS(member(root, "type")->text, "FeatureCollection");
    CHECK_NEAR(member(root, "numberMatched")->number, 2, 0, "");
    CHECK_TEXT_IS(member(root, "links/1/rel")->text, "next");
    CHECK_TEXT_IS(member(root, "features/0/id")->text, "b42");
    CHECK_TEXT_IS(member(root, "features/0/geometry/type")->text, "MultiPolygon");
    CHECK_NEAR(member(root, "features/0/geometry/coordinates/0/0/0/2")->number, 9, 1e-6, "m");
    CHECK_EQ(member(root, "features/0/geometry/coordinates/0/0")->child_count, 5);
    CHECK_NEAR(member(root, "features/0/bbox/5")->number, 18, 1e-3, "m");
    CHECK_TEXT_IS(member(root, "features/0/properties/name")->text, "深圳大厦 42");
    CHECK_NEAR(member(root, "features/0/properties/population")->number, 420, 0, "");
    CHECK_TEXT_IS(member(root, "features/0/properties/tile")->text, "tiles/a.glb");
    CHECK_TEXT_IS(member(root, "features/0/links/1/href")->text, "http://h/3dtiles/tiles/a.glb");
    CHECK_TEXT_IS(member(root, "features/0/links/2/href")->text, "http://h/items/block-4");
}

static void print__minds_axes_and_chosen_properties(void)
{
    const struct json_tree *lonlat = PRINT(QUERY_ITEMS, "id=b0", "crs=CRS84", "properties=use");
    const struct json_tree *latlon = PRINT(QUERY_ITEMS, "id=b0", "crs=EPSG:4326", "properties=");
    const char *first = "features/0/geometry/coordinates/0/0/0";
    CHECK_EQ(member(lonlat, first)->child_count, 2);
    CHECK_NEAR(member(lonlat, first)->children[0].number, member(latlon, first)->children[1].number,
               0, "deg");
    CHECK_NEAR(member(latlon, first)->children[0].number, 22.5391, 1e-4, "deg");
    CHECK_EQ(member(lonlat, "features/0/properties")->child_count, 1);
    CHECK_EQ(member(latlon, "features/0/properties")->child_count, 0);
    const struct json_tree *bare = PRINT(QUERY_ITEMS, "id=b0", "skipGeometry=true");
    CHECK_EQ(member(bare, "features/0/geometry")->kind, JSON_NULL);
}

/* The bits of a flood are the features that its ids name. */
static void print__writes_a_bit_a_feature(void)
{
    struct query query;
    struct query_result result;
    struct err err;
    struct buf out;
    const struct query_links links = {.collection = NULL};
    const char *const pairs[] = {"level=-4.5", "f=bitset", NULL};
    CHECK_OK(set_all(&query, QUERY_FLOOD, pairs, &err), &err);
    CHECK_OK(query_run(&query, &city.target, &city.request, &result, &err), &err);
    CHECK(result.hit_count > 0 && result.hit_count == result.matched_count);
    buf_init(&out, 1 << 20);
    CHECK_OK(query_print(&query, &city.target, &result, &links, &city.request, &out, &err), &err);
    const uint32_t count = city.target.index->count;
    CHECK_EQ(out.size, (count + 7) / 8);
    size_t set = 0;
    for (size_t i = 0; i < 8 * out.size; i++) {
        set += out.data[i / 8] >> i % 8 & 1;
    }
    CHECK_EQ(set, result.hit_count);
    const struct json_tree *all = PRINT(QUERY_ITEMS, "f=ids", "limit=10000");
    const struct json_tree *wet = PRINT(QUERY_FLOOD, "level=-4.5", "f=ids", "limit=0");
    CHECK_EQ(member(all, "ids")->child_count, count);
    for (size_t i = 0; i < count; i++) {
        bool is_wet = false;
        for (size_t k = 0; k < member(wet, "ids")->child_count; k++) {
            is_wet = is_wet || text_equals(member(wet, "ids")->children[k].text,
                                           member(all, "ids")->children[i].text);
        }
        CHECK_EQ(out.data[i / 8] >> i % 8 & 1, is_wet);
    }
    buf_release(&out);
}

/* In parts of any size an answer has the same bytes as at once. */
static void print__may_be_done_in_parts(void)
{
    static const char *const formats[] = {"f=json", "f=attributes"};
    const struct query_links links = {.self = text_of("http://h/items")};
    for (size_t f = 0; f < 2; f++) {
        for (size_t most = 1; most < 60; most += 7) {
            struct query query;
            struct query_result result;
            struct err err;
            struct buf whole;
            struct buf parts;
            struct query_page page = {.next = 0};
            const char *const pairs[] = {formats[f], most == 1 ? "id=none" : "limit=50", NULL};
            CHECK_OK(set_all(&query, QUERY_ITEMS, pairs, &err), &err);
            CHECK_OK(query_run(&query, &city.target, &city.request, &result, &err), &err);
            buf_init(&whole, 1 << 24);
            buf_init(&parts, 1 << 24);
            CHECK_OK(
                query_print(&query, &city.target, &result, &links, &city.request, &whole, &err),
                &err);
            while (!page.is_over) {
                CHECK_OK(query_print_page(&query, &city.target, &result, &links, &page, most,
                                          &parts, &err),
                         &err);
            }
            CHECK_EQ(parts.size, whole.size);
            CHECK(memcmp(parts.data, whole.data, whole.size) == 0);
            buf_release(&whole);
            buf_release(&parts);
        }
    }
}

static void print__writes_flat_ids_and_styles(void)
{
    const struct json_tree *flat = PRINT(QUERY_ITEMS, "id=b3", "f=attributes");
    CHECK_TEXT_IS(member(flat, "0/use")->text, "school");
    CHECK_NEAR(member(flat, "0/storeysBelow")->number, 1, 0, "");
    const struct json_tree *ids = PRINT(QUERY_ITEMS, "ids=b3,b4", "f=ids", "sortby=-id");
    CHECK_TEXT_IS(member(ids, "ids/0")->text, "b4");
    const struct json_tree *flood = PRINT(QUERY_FLOOD, "level=-4.5", "ids=b3", "depth-field=tiefe");
    CHECK_NEAR(member(flood, "features/0/properties/tiefe")->number, 0.5, 0, "m");
    CHECK_NEAR(member(flood, "features/0/properties/wetStoreys/0")->number, -1, 0, "");
    CHECK_NEAR(member(flood, "features/0/properties/wetStoreys/1")->number, 1, 0, "");
    CHECK_NEAR(member(flood, "features/0/properties/dryStoreys")->number, 3, 0, "");
    CHECK_TEXT_IS(member(flood, "summary/datum")->text, "1985 datum");
    const struct json_tree *style = PRINT(QUERY_FLOOD, "level=-4.5", "ids=b3,b5", "f=style");
    CHECK_EQ(member(style, "color/conditions")->child_count, 2);
    CHECK_TEXT_IS(member(style, "color/conditions/0/0")->text, "regExp('^b(?:3|5)$').test(${id})");
    const struct json_tree *deep = PRINT(QUERY_FLOOD, "level=-3.5", "f=style", "ids=b0,b1,b10,b12");
    CHECK_TEXT_IS(member(deep, "color/conditions/0/0")->text,
                  "regExp('^b(?:0|1)$').test(${id})"); /* a metre and a half deep */
    CHECK_TEXT_IS(member(deep, "color/conditions/1/0")->text, "regExp('^b1(?:0|2)$').test(${id})");
}

static void item__is_a_feature_or_a_group(void)
{
    static const char *const ids[] = {"b5", "merged-2", "block-3"};
    static const char *const begins[] = {"{\"type\":\"Feature\",\"id\":\"b5\"",
                                         "{\"type\":\"Feature\",\"id\":\"merged-2\"",
                                         "{\"type\":\"Feature\",\"id\":\"block-3\""};
    struct query query;
    const struct query_links links = {.collection = NULL};
    struct err err;
    struct buf out;
    bool found;
    query_init(&query, QUERY_ITEMS);
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < 3; i++) {
        buf_reset(&out);
        CHECK_OK(query_print_item(&query, &city.target, text_of(ids[i]), &links, &city.request,
                                  &out, &found, &err),
                 &err);
        CHECK(found);
        buf_add_byte(&out, 0);
        if (strncmp((const char *)out.data, begins[i], strlen(begins[i])) != 0) {
            fail_msg("%s", (const char *)out.data);
        }
    }
    CHECK_OK(query_print_item(&query, &city.target, text_of("nobody"), &links, &city.request, &out,
                              &found, &err),
             &err);
    CHECK(!found);
    buf_release(&out);
}

static void run__survives_every_lack_of_memory(void)
{
    struct query query;
    struct err err;
    char box[160];
    const char *pairs[] = {"level=1", "filter=use='school'", box_deg(-101, -101, 0, 0, false, box),
                           "coords=POLYGON((114 22, 115 22, 115 23))", NULL};
    for (size_t fail = 1; fail < 200; fail++) {
        struct query_result result;
        struct arena request;
        arena_init(&request, 64 << 20);
        request.fail_after = fail;
        struct arena kept = city.request;
        city.request = request;
        const bool ok = set_all(&query, QUERY_FLOOD, pairs, &err) &&
                        query_run(&query, &city.target, &city.request, &result, &err);
        arena_release(&city.request);
        city.request = kept;
        if (ok) {
            CHECK(fail > 5);
            return;
        }
        CHECK_EQ(err.code, ERR_NOMEM);
    }
    fail_msg("it never succeeds");
}

static int open_all(void **state)
{
    (void)state;
    query_city_open(&city);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    query_city_close(&city);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(items__are_found_by_box_in_every_crs),
        CHECK_TEST(items__come_in_pages_that_do_not_overlap),
        CHECK_TEST(items__are_found_by_attributes_and_names),
        CHECK_TEST(filter__means_what_cql2_says),
        CHECK_TEST(filter__says_where_it_is_wrong),
        CHECK_TEST(filter__as_json_says_what_is_wrong),
        CHECK_TEST(position__finds_what_stands_there),
        CHECK_TEST(radius__measures_to_the_outline),
        CHECK_TEST(nearest__takes_conditions_into_account),
        CHECK_TEST(area__cuts_through_footprints),
        CHECK_TEST(ray__meets_the_first_building_first),
        CHECK_TEST(flood__counts_storeys_and_sums),
        CHECK_TEST(parameters__that_are_wrong_are_named),
        CHECK_TEST(json__says_the_same_as_parameters),
        CHECK_TEST(print__writes_geojson_with_heights),
        CHECK_TEST(print__minds_axes_and_chosen_properties),
        CHECK_TEST(print__writes_a_bit_a_feature),
        CHECK_TEST(print__may_be_done_in_parts),
        CHECK_TEST(print__writes_flat_ids_and_styles),
        CHECK_TEST(item__is_a_feature_or_a_group),
        CHECK_TEST(run__survives_every_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
