/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/record.h"

#include "tests/check.h"

/* A triangle with everything that a feature can have. */
static struct record sample(void)
{
    static const double vertices[9] = {0, 0, 0, 10, 0, 0, 0, 10, 2.5};
    static const uint32_t corners[3] = {0, 1, 2};
    static const float uvs[6] = {0, 0, 1, 0, 0, 1};
    static const struct feature_ring rings[1] = {{0, 3}};
    static const struct feature_polygon polygons[1] = {{0, 1, 0, 0, 0, SURFACE_ROOF}};
    static const struct feature_shell shells[1] = {{true}};
    static const struct feature_lod lods[1] = {{2.2, 0, 1}};
    static const struct feature_material materials[1] = {{.diffuse = {1, 0.5f, 0}, .alpha = 1}};
    static const struct feature_texture textures[1] = {{{"wall.jpg", 8}, WRAP_REPEAT, {0}}};
    static const struct record_attribute attributes[5] = {
        {3, {.type = FEATURE_TEXT, .text = {"\xe6\xa5\xbc", 3}}},
        {0, {.type = FEATURE_INT, .integer = -7}},
        {1, {.type = FEATURE_REAL, .real = 0.1}},
        {2, {.type = FEATURE_BOOL, .boolean = true}},
        {4, {.type = FEATURE_NULL}},
    };
    return (struct record){
        .feature = {.id = {"b-1", 3},
                    .parent_id = {"a", 1},
                    .root_id = {"a", 1},
                    .kind = {"BuildingPart", 12},
                    .vertices = vertices,
                    .vertex_count = 3,
                    .corners = corners,
                    .uvs = uvs,
                    .corner_count = 3,
                    .rings = rings,
                    .ring_count = 1,
                    .polygons = polygons,
                    .polygon_count = 1,
                    .shells = shells,
                    .shell_count = 1,
                    .lods = lods,
                    .lod_count = 1,
                    .materials = materials,
                    .material_count = 1,
                    .textures = textures,
                    .texture_count = 1,
                    .parts_level = -1,
                    .line = 12},
        .attributes = attributes,
        .attribute_count = 5,
        .own_count = 3,
        .source = 2,
        .crs = 1,
        .origin_ecef_m = {1, 2, 3},
    };
}

static void record_read__gives_back_what_was_written(void)
{
    const struct record written = sample();
    struct buf bytes;
    struct arena arena;
    struct record read;
    struct err err;
    buf_init(&bytes, 1 << 20);
    arena_init(&arena, 1 << 20);
    record_write(&written, &bytes);
    CHECK_OK(record_read(buf_span(&bytes), &arena, &read, &err), &err);
    CHECK_TEXT_IS(read.feature.id, "b-1");
    CHECK_TEXT_IS(read.feature.kind, "BuildingPart");
    CHECK_TEXT_IS(read.feature.name, "");
    CHECK_EQ(read.source, 2);
    CHECK_EQ(read.own_count, 3);
    CHECK_EQ(read.feature.line, 12);
    CHECK(read.origin_ecef_m.z == 3);
    CHECK_TEXT_IS(read.attributes[0].value.text, "\xe6\xa5\xbc");
    CHECK_EQ(read.attributes[1].value.integer, -7);
    CHECK(read.attributes[2].value.real == 0.1);
    CHECK(read.attributes[3].value.boolean);
    CHECK_EQ(read.attributes[4].key, 4);
    CHECK(memcmp(read.feature.vertices, written.feature.vertices, 9 * sizeof(double)) == 0);
    CHECK(read.feature.uvs[2] == 1);
    CHECK_EQ(read.feature.polygons[0].kind, SURFACE_ROOF);
    CHECK(read.feature.shells[0].is_inner);
    CHECK(read.feature.lods[0].level == 2.2);
    CHECK(read.feature.materials[0].diffuse[1] == 0.5f);
    CHECK_TEXT_IS(read.feature.textures[0].image, "wall.jpg");
    CHECK_EQ(read.feature.textures[0].wrap, WRAP_REPEAT);
    arena_release(&arena);
    buf_release(&bytes);
}

static void record_stamp__changes_nothing_but_where_it_came_from(void)
{
    struct record written = sample();
    struct buf first;
    struct buf second;
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    record_write(&written, &first);
    record_stamp(&first, 9, 99);
    written.source = 9;
    written.feature.line = 99;
    record_write(&written, &second);
    CHECK_EQ(first.size, second.size);
    CHECK(memcmp(first.data, second.data, first.size) == 0);
    buf_release(&first);
    buf_release(&second);
}

static void record_read__fails_with_every_allocation(void)
{
    const struct record written = sample();
    struct buf bytes;
    struct record read;
    struct err err;
    buf_init(&bytes, 1 << 20);
    record_write(&written, &bytes);
    bool has_succeeded = false;
    for (size_t fail = 1; !has_succeeded; fail++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        arena.fail_after = fail;
        has_succeeded = record_read(buf_span(&bytes), &arena, &read, &err);
        CHECK(has_succeeded || err.code == ERR_NOMEM);
        arena_release(&arena);
        CHECK(fail < 100);
    }
    buf_release(&bytes);
}

CHECK_MAIN(CHECK_TEST(record_read__gives_back_what_was_written),
           CHECK_TEST(record_stamp__changes_nothing_but_where_it_came_from),
           CHECK_TEST(record_read__fails_with_every_allocation))
