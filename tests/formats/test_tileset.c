/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/tileset.h"

#include "tests/check.h"

enum { LIMIT_BYTES = 1 << 20 };

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static const char smallest[] =
    "{\"asset\":{\"version\":\"1.1\"},\"geometricError\":10,\"root\":{\"boundingVolume\":"
    "{\"sphere\":[0,0,0,5]},\"geometricError\":0,\"refine\":\"ADD\"}}";

/* Everything that is kept, as tileset_print() writes it. */
static const char full[] =
    "{\"asset\":{\"version\":\"1.1\",\"tilesetVersion\":\"r7\",\"extras\":{\"a\":1}},"
    "\"extensionsUsed\":[\"X_a\",\"X_b\"],\"extensionsRequired\":[\"X_a\"],"
    "\"schemaUri\":\"tiles/schema.json\",\"properties\":{\"height\":{\"minimum\":1,"
    "\"maximum\":2}},\"statistics\":{},\"groups\":[{}],\"metadata\":{\"class\":\"c\"},"
    "\"extensions\":{\"X_b\":{}},\"extras\":[1,2],\"geometricError\":500,\n"
    "\"root\":{\"boundingVolume\":{\"region\":[-0.1,0.2,0.1,0.30000000000000004,-5,200]},"
    "\"viewerRequestVolume\":{\"sphere\":[1,2,3,4.5]},\"geometricError\":120.25,"
    "\"refine\":\"REPLACE\",\"transform\":[1,0,0,0,0,1,0,0,0,0,1,0,-2605887.8519870355,"
    "5379831.25,2421000.5,1],\"content\":{\"uri\":\"tiles/\xE6\xA5\xBC.glb\","
    "\"boundingVolume\":{\"box\":[0,0,1,2,0,0,0,2,0,0,0,1]},\"metadata\":{\"class\":\"d\"},"
    "\"extensions\":{\"X_a\":1},\"extras\":null},\"metadata\":{\"class\":\"e\"},"
    "\"extensions\":{\"X_a\":{\"b\":[]}},\"extras\":\"x\",\"children\":[\n"
    "{\"boundingVolume\":{\"box\":[1,2,3,4,0,0,0,5,0,0,0,6]},\"geometricError\":0.125,"
    "\"contents\":[{\"uri\":\"a\"},{\"uri\":\"b\"}]},\n"
    "{\"boundingVolume\":{\"extensions\":{\"3DTILES_bounding_volume_S2\":{}}},"
    "\"geometricError\":64,\"content\":{\"uri\":\"c/{level}/{x}_{y}.glb\"},"
    "\"implicitTiling\":{\"subdivisionScheme\":\"QUADTREE\",\"subtreeLevels\":2,"
    "\"availableLevels\":4,\"subtrees\":{\"uri\":\"s/{level}/{x}_{y}.subtree\"}}}]}}\n";

static bool read_text(const char *json, struct err *err)
{
    struct arena source;
    struct tileset tileset;
    arena_init(&source, LIMIT_BYTES);
    const bool ok = tileset_read(span_of(json), &source, &tileset, err);
    arena_release(&source);
    return ok;
}

static void tileset_read__reads_the_smallest_tileset(void)
{
    struct arena source;
    struct tileset tileset;
    struct err err;
    arena_init(&source, LIMIT_BYTES);
    CHECK_OK(tileset_read(span_of(smallest), &source, &tileset, &err), &err);
    CHECK_TEXT_IS(tileset.version, "1.1");
    CHECK(tileset.geometric_error == 10);
    CHECK_EQ(tileset.root->volume.kind, TILESET_VOLUME_SPHERE);
    CHECK(tileset.root->volume.radius_m == 5);
    CHECK_EQ(tileset.root->refine, TILESET_REFINE_ADD);
    CHECK(tileset.root->transform.m[0] == 1 && !tileset.root->has_transform);
    CHECK(tileset.root->content == NULL && tileset.root->first_child == NULL);
    arena_release(&source);
}

static void tileset_print__gives_back_what_was_read(void)
{
    struct arena source;
    struct tileset tileset;
    struct err err;
    struct buf out;
    arena_init(&source, LIMIT_BYTES);
    buf_init(&out, LIMIT_BYTES);
    CHECK_OK(tileset_read(span_of(full), &source, &tileset, &err), &err);
    CHECK_EQ(tileset.root->first_child->line, 3);
    CHECK_EQ(tileset.root->first_child->next->implicit->available_levels, 4);
    tileset_print(&tileset, &out);
    buf_add_byte(&out, '\0');
    CHECK_OK(buf_finish(&out, &err), &err);
    CHECK_TEXT((const char *)out.data, full);
    buf_release(&out);
    arena_release(&source);
}

static void tileset_read__fails_on_every_truncation(void)
{
    /* but for the line end */
    for (size_t keep = 0; keep + 2 < sizeof full; keep++) {
        const struct span cut = check_heap_copy(full, keep);
        struct arena source;
        struct tileset tileset;
        struct err err;
        arena_init(&source, LIMIT_BYTES);
        if (tileset_read(cut, &source, &tileset, &err)) {
            fail_msg("read %zu of %zu bytes", keep, sizeof full - 1);
        }
        CHECK(err.code == ERR_SYNTAX || err.code == ERR_SCHEMA);
        arena_release(&source);
        check_heap_free(cut);
    }
}

static void tileset_read__survives_every_failing_allocation(void)
{
    size_t fail_after = 1;
    for (bool ok = false; !ok; fail_after++) {
        struct arena source;
        struct tileset tileset;
        struct err err;
        arena_init(&source, LIMIT_BYTES);
        source.fail_after = fail_after;
        ok = tileset_read(span_of(full), &source, &tileset, &err);
        CHECK(ok || err.code == ERR_NOMEM);
        arena_release(&source);
    }
    CHECK(fail_after > 20);
}

/* One thing wrong in `smallest`, and the column where the error points. */
static void tileset_read__points_at_what_is_wrong(void)
{
    static const struct {
        const char *json;
        enum err_code code;
        unsigned column;
    } cases[] = {
        {"[]", ERR_SCHEMA, 1},
        {"{\"asset\":{\"version\":\"1.1\"},\"geometricError\":1}", ERR_SCHEMA, 1},
        {"{\"asset\":{}}", ERR_SCHEMA, 10},
        {"{\"asset\":{\"version\":1}}", ERR_SCHEMA, 21},
        {"{\"geometricError\":\"1\"}", ERR_SCHEMA, 19},
        {"{\"geometricError\":NaN}", ERR_SYNTAX, 19},
        {"{\"geometricError\":1e999}", ERR_SCHEMA, 19},
        {"{\"root\":{}}", ERR_SCHEMA, 9},
        {"{\"root\":{\"geometricError\":1}}", ERR_SCHEMA, 9},
        {"{\"root\":{\"boundingVolume\":{}}}", ERR_SCHEMA, 27},
        {"{\"root\":{\"boundingVolume\":{\"box\":[1,2,3]}}}", ERR_SCHEMA, 34},
        {"{\"root\":{\"boundingVolume\":{\"sphere\":[1,2,3,\"4\"]}}}", ERR_SCHEMA, 44},
        {"{\"root\":{\"refine\":\"Both\"}}", ERR_SCHEMA, 19},
        {"{\"root\":{\"content\":{}}}", ERR_SCHEMA, 20},
        {"{\"root\":{\"content\":{\"url\":\"a\"}}}", ERR_SCHEMA, 27},
        {"{\"root\":{\"contents\":[]}}", ERR_SCHEMA, 21},
        {"{\"root\":{\"implicitTiling\":{}}}", ERR_SCHEMA, 27},
        {"{\"root\":{\"implicitTiling\":{\"subtreeLevels\":0}}}", ERR_SCHEMA, 44},
        {"{\"root\":{\"implicitTiling\":{\"subdivisionScheme\":\"K\"}}}", ERR_SCHEMA, 48},
        {"{\"root\":{\"transform\":[1]}}", ERR_SCHEMA, 22},
        {"{\"root\":{\"metadata\":3}}", ERR_SCHEMA, 21},
        {"{\"extensionsUsed\":[1]}", ERR_SCHEMA, 20},
        {"{\"asset\":{\"version\":\"1.1\"},}", ERR_SYNTAX, 28},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err;
        CHECK_FAILS(read_text(cases[i].json, &err), &err, cases[i].code);
        CHECK_EQ(err.line, 1);
        if (err.column != cases[i].column) {
            fail_msg("%s: column %u, expected %u", cases[i].json, err.column, cases[i].column);
        }
    }
}

static void tileset_read__refuses_what_follows_and_what_is_too_deep(void)
{
    struct err err;
    struct buf json;
    buf_init(&json, LIMIT_BYTES);
    buf_add_text(&json, smallest);
    buf_add_text(&json, "x");
    buf_add_byte(&json, '\0');
    CHECK_FAILS(read_text((const char *)json.data, &err), &err, ERR_SYNTAX);
    CHECK_EQ(err.column, sizeof smallest);
    buf_reset(&json);
    buf_add_text(&json, "{\"root\":");
    for (int i = 0; i < 1000; i++) {
        buf_add_text(&json, "{\"children\":[");
    }
    buf_add_byte(&json, '\0');
    CHECK_FAILS(read_text((const char *)json.data, &err), &err, ERR_LIMIT);
    buf_release(&json);
}

CHECK_MAIN(CHECK_TEST(tileset_read__reads_the_smallest_tileset),
           CHECK_TEST(tileset_print__gives_back_what_was_read),
           CHECK_TEST(tileset_read__fails_on_every_truncation),
           CHECK_TEST(tileset_read__survives_every_failing_allocation),
           CHECK_TEST(tileset_read__points_at_what_is_wrong),
           CHECK_TEST(tileset_read__refuses_what_follows_and_what_is_too_deep))
