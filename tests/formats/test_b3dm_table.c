/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/b3dm.h"
#include "formats/base/io.h"
#include "tests/check.h"

enum { ROWS = 3 };

static const struct text uses[] = {{"住宅", 6}, {"office", 6}};
static const struct property properties[] = {
    {.id = {"id", 2}, .type = PROPERTY_STRING, .is_required = true},
    {.id = {"u540d", 5}, .name = {"名", 3}, .type = PROPERTY_STRING},
    {.id = {"old", 3}, .name = {"old", 3}, .type = PROPERTY_BOOL, .is_required = true},
    {.id = {"lit", 3}, .name = {"HIERARCHY", 9}, .type = PROPERTY_TRISTATE},
    {.id = {"storeys", 7}, .type = PROPERTY_INT32},
    {.id = {"gaps", 4}, .type = PROPERTY_INT32},
    {.id = {"small64", 7}, .type = PROPERTY_INT64},
    {.id = {"large64", 7}, .type = PROPERTY_INT64},
    {.id = {"height", 6}, .name = {"old", 3}, .type = PROPERTY_FLOAT64},
    {.id = {"depth", 5}, .type = PROPERTY_FLOAT64},
    {.id = {"use", 3}, .type = PROPERTY_ENUM, .enum_names = uses, .enum_count = 2},
};
enum { COLUMNS = sizeof properties / sizeof properties[0] };
static const struct property_schema schema = {.properties = properties, .property_count = COLUMNS};
static const struct text ids[ROWS] = {{"a", 1}, {"\"b\\", 3}, {"楼", 3}};
static const struct text names[ROWS] = {{"市民中心", 12}, {"", 0}, {"𠀀", 4}};
static const uint8_t olds[ROWS] = {1, 0, 1};
static const uint8_t lits[ROWS] = {0, 2, 1};
static const int32_t storeys[ROWS] = {7, -2, INT32_MAX};
static const int32_t gaps[ROWS] = {1, PROPERTY_NO_INT32, -3};
static const int64_t smalls[ROWS] = {1LL << 53, -(1LL << 53), 5};
static const int64_t larges[ROWS] = {INT64_MAX, PROPERTY_NO_INT64, -1};
static const double heights[ROWS] = {0.1, -1e300, 5e-324};
static const double depths[ROWS] = {0.1, PROPERTY_NO_FLOAT64, 3};
static const uint8_t use_values[ROWS] = {1, PROPERTY_NO_ENUM, 0};
static const struct property_column columns[] = {
    {.property = 0, .values.string = ids},        {.property = 1, .values.string = names},
    {.property = 2, .values.small = olds},        {.property = 3, .values.small = lits},
    {.property = 4, .values.int32 = storeys},     {.property = 5, .values.int32 = gaps},
    {.property = 6, .values.int64 = smalls},      {.property = 7, .values.int64 = larges},
    {.property = 8, .values.float64 = heights},   {.property = 9, .values.float64 = depths},
    {.property = 10, .values.small = use_values},
};
static const struct property_table table = {
    .schema = &schema, .row_count = ROWS, .columns = columns, .column_count = COLUMNS};

/* Three triangles, a feature each. */
static float positions[27] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 2, 0, 0, 3, 0,
                              0, 2, 1, 0, 4, 0, 0, 5, 0, 0, 4, 1, 0};
static float normals[27] = {0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0,
                            1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1};
static uint32_t rows[9] = {0, 0, 0, 1, 1, 1, 2, 2, 2};
static uint32_t indices[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
static const struct mesh mesh = {.vertex_count = 9,
                                 .index_count = 9,
                                 .positions = positions,
                                 .normals = normals,
                                 .rows = rows,
                                 .indices = indices};
static const struct mesh_material material = {
    .base_color = {1, 1, 1, 1}, .roughness = 1, .image = -1};
static const struct mesh_tile sample = {
    .meshes = &mesh, .mesh_count = 1, .materials = &material, .material_count = 1, .table = &table};

static void write_tile(const struct mesh_tile *tile, enum glb_compression compression,
                       struct buf *out)
{
    const struct glb_options options = {.compression = compression};
    struct arena arena;
    arena_init(&arena, 1 << 22);
    struct glb_summary summary;
    struct err err;
    CHECK_OK(b3dm_write(tile, &options, &arena, out, &summary, &err), &err);
    CHECK_EQ(summary.triangle_count, tile->mesh_count * 3);
    arena_release(&arena);
}

static const struct property_column *find_column(const struct property_table *got, const char *name,
                                                 const struct property **out)
{
    for (size_t i = 0; i < got->column_count; i++) {
        *out = &got->schema->properties[got->columns[i].property];
        if (text_is((*out)->name, name)) {
            return &got->columns[i];
        }
    }
    fail_msg("no column '%s'", name);
    return NULL;
}

static void check_columns(const struct property_table *got)
{
    CHECK_EQ(got->row_count, ROWS);
    CHECK_EQ(got->column_count, COLUMNS);
    const struct property *p;
    const struct property_column *c = find_column(got, "id", &p);
    for (uint32_t i = 0; i < ROWS; i++) {
        CHECK(text_equals(c->values.string[i], ids[i]));
    }
    c = find_column(got, "名", &p);
    CHECK_TEXT_IS(c->values.string[0], "市民中心");
    CHECK_TEXT_IS(c->values.string[2], "𠀀");
    CHECK(property_is_missing(got->schema, c, 1));
    c = find_column(got, "old", &p);
    CHECK_EQ(p->type, PROPERTY_BOOL);
    CHECK(memcmp(c->values.small, olds, ROWS) == 0);
    c = find_column(got, "lit", &p); /* HIERARCHY is taken */
    CHECK_EQ(p->type, PROPERTY_TRISTATE);
    CHECK(memcmp(c->values.small, lits, ROWS) == 0);
    c = find_column(got, "storeys", &p);
    CHECK(memcmp(c->values.int32, storeys, sizeof storeys) == 0);
    c = find_column(got, "gaps", &p);
    CHECK_EQ(p->type, PROPERTY_INT32);
    CHECK(memcmp(c->values.int32, gaps, sizeof gaps) == 0);
    CHECK(property_is_missing(got->schema, c, 1));
    c = find_column(got, "small64", &p);
    CHECK_EQ(p->type, PROPERTY_FLOAT64);
    CHECK_NEAR(c->values.float64[0], 9007199254740992.0, 0, "");
    c = find_column(got, "large64", &p);
    CHECK_TEXT_IS(c->values.string[0], "9223372036854775807");
    CHECK(property_is_missing(got->schema, c, 1));
    c = find_column(got, "height", &p); /* "old" is another's name */
    CHECK(memcmp(c->values.float64, heights, sizeof heights) == 0);
    c = find_column(got, "depth", &p);
    CHECK(memcmp(c->values.float64, depths, sizeof depths) == 0);
    c = find_column(got, "use", &p);
    CHECK_TEXT_IS(c->values.string[0], "office");
    CHECK_TEXT_IS(c->values.string[2], "住宅");
    CHECK(property_is_missing(got->schema, c, 1));
}

static void b3dm_write__comes_back_with_its_columns(void)
{
    for (int compression = GLB_NONE; compression <= GLB_DRACO; compression++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        write_tile(&sample, (enum glb_compression)compression, &out);
        struct arena arena;
        arena_init(&arena, 1 << 22);
        struct mesh_tile got;
        struct err err;
        CHECK_OK(b3dm_read_tile(buf_span(&out), &arena, &got, &err), &err);
        CHECK_EQ(got.mesh_count, 1);
        CHECK_EQ(got.meshes[0].index_count, 9);
        for (uint32_t i = 0; i < 9; i++) { /* the row says where the triangle is */
            CHECK_EQ(got.meshes[0].rows[i], (uint32_t)got.meshes[0].positions[3 * (size_t)i] / 2);
        }
        check_columns(got.table);
        arena_release(&arena);
        buf_release(&out);
    }
}

static void b3dm_write__aligns_every_part(void)
{
    static char generator[] = "1234567890";
    for (size_t cut = 0; cut < 9; cut++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        buf_add(&out, "xyz", 3); /* offsets count from the tile, not the buffer */
        const struct glb_options options = {.generator = generator + cut};
        struct arena arena;
        arena_init(&arena, 1 << 22);
        struct glb_summary summary;
        struct err err;
        CHECK_OK(b3dm_write(&sample, &options, &arena, &out, &summary, &err), &err);
        struct b3dm parts;
        const struct span tile = {out.data + 3, out.size - 3};
        CHECK_OK(b3dm_read(tile, &parts, &err), &err);
        CHECK_EQ(bytes_load_u32le(tile.data + 8), tile.size);
        CHECK_EQ(tile.size % 8, 0);
        CHECK_EQ(bytes_load_u32le(parts.part[B3DM_GLB].data + 8), parts.part[B3DM_GLB].size);
        for (int i = 1; i < B3DM_PART_COUNT; i++) {
            CHECK_EQ((parts.part[i].data - tile.data) % 8, 0);
        }
        CHECK(parts.part[B3DM_BATCH_BINARY].size > 0);
        arena_release(&arena);
        buf_release(&out);
    }
}

static void b3dm_write__writes_a_tile_without_anything(void)
{
    const struct mesh_tile empty = {0};
    struct buf out;
    buf_init(&out, 1 << 20);
    write_tile(&empty, GLB_DRACO, &out);
    struct arena arena;
    arena_init(&arena, 1 << 22);
    struct mesh_tile got;
    struct err err;
    CHECK_OK(b3dm_read_tile(buf_span(&out), &arena, &got, &err), &err);
    CHECK_EQ(got.mesh_count, 0);
    CHECK(got.table == NULL);
    arena_release(&arena);
    buf_release(&out);
}

static void b3dm_read_tile__fails_on_every_truncation(void)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    write_tile(&sample, GLB_NONE, &out);
    for (size_t keep = 0; keep < out.size; keep++) {
        struct span cut = check_heap_copy(out.data, keep);
        struct arena arena;
        arena_init(&arena, 1 << 22);
        struct mesh_tile got;
        struct err err;
        CHECK_FAILS(b3dm_read_tile(cut, &arena, &got, &err), &err, ERR_SYNTAX);
        arena_release(&arena);
        check_heap_free(cut);
    }
    buf_release(&out);
}

/* A tile of two tables around the smallest glb, laid out by hand. */
static struct span make_tile(const char *feature, const char *batch, size_t binary_size)
{
    static const uint8_t glb[] = "glTF\2\0\0\0\x30\0\0\0\x1c\0\0\0JSON"
                                 "{\"asset\":{\"version\":\"2.0\"}} ";
    const size_t size = 28 + strlen(feature) + strlen(batch) + binary_size + 48;
    uint8_t *at = calloc(1, size);
    if (at == NULL) {
        abort();
    }
    memcpy(at, "b3dm\1\0\0\0", 8);
    bytes_store_u32le(at + 8, (uint32_t)size);
    bytes_store_u32le(at + 12, (uint32_t)strlen(feature));
    bytes_store_u32le(at + 20, (uint32_t)strlen(batch));
    bytes_store_u32le(at + 24, (uint32_t)binary_size);
    memcpy(at + 28, feature, strlen(feature));
    memcpy(at + 28 + strlen(feature), batch, strlen(batch));
    memcpy(at + size - 48, glb, 48);
    return (struct span){at, size};
}

#define TWO "{\"BATCH_LENGTH\":2}" /* 18 bytes: batch JSON is at 46 */

static void b3dm_read_tile__says_what_is_wrong_and_where(void)
{
    static const struct {
        const char *feature, *batch;
        enum err_code code;
        uint64_t offset;
    } cases[] = {
        {"", "", ERR_SCHEMA, 28},
        {"[]", "", ERR_SCHEMA, 28},
        {"{", "", ERR_SYNTAX, 29},
        {"{\"BATCH_LENGTH\":-1}", "", ERR_SCHEMA, 28},
        {"{\"BATCH_LENGTH\":0,\"RTC_CENTER\":[0,0,0]}", "", ERR_UNSUPPORTED, 59},
        {TWO, "{\"a\":}", ERR_SYNTAX, 51},
        {TWO, "{\"a\":[1]}", ERR_SCHEMA, 51},
        {TWO, "{\"a\":{\"byteOffset\":9,\"componentType\":\"INT\",\"type\":\"SCALAR\"}}",
         ERR_SCHEMA, 51},
        {TWO, "{\"a\":{\"byteOffset\":4,\"componentType\":\"DOUBLE\",\"type\":\"SCALAR\"}}",
         ERR_SCHEMA, 51},
        {TWO, "{\"a\":{\"byteOffset\":2,\"componentType\":\"INT\",\"type\":\"SCALAR\"}}",
         ERR_SCHEMA, 51},
        {TWO, "{\"a\":{\"byteOffset\":0,\"componentType\":\"LONG\",\"type\":\"SCALAR\"}}",
         ERR_SCHEMA, 51},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span tile = make_tile(cases[i].feature, cases[i].batch, 16);
        struct arena arena;
        arena_init(&arena, 1 << 22);
        struct mesh_tile got;
        struct err err;
        CHECK_FAILS(b3dm_read_tile(tile, &arena, &got, &err), &err, cases[i].code);
        CHECK_EQ(err.offset, cases[i].offset);
        CHECK_EQ(err.line, 0);
        arena_release(&arena);
        check_heap_free(tile);
    }
}

static void b3dm_read_tile__leaves_out_what_the_hub_has_not(void)
{
    struct span tile = make_tile(
        TWO,
        "{\"a b\":[1,2],\"a-b\":[0.5,null],\"mixed\":[1,\"x\"],\"deep\":[{},{}],"
        "\"HIERARCHY\":{},\"v\":{\"byteOffset\":0,\"componentType\":\"FLOAT\",\"type\":\"VEC2\"},"
        "\"u\":{\"byteOffset\":0,\"componentType\":\"UNSIGNED_BYTE\",\"type\":\"SCALAR\"}}",
        16);
    struct arena arena;
    arena_init(&arena, 1 << 22);
    struct mesh_tile got;
    struct err err;
    CHECK_OK(b3dm_read_tile(tile, &arena, &got, &err), &err);
    CHECK_EQ(got.table->column_count, 3);
    CHECK_TEXT_IS(got.table->schema->properties[0].id, "a_b");
    CHECK_TEXT_IS(got.table->schema->properties[1].id, "a_b_");
    CHECK_EQ(got.table->schema->properties[1].type, PROPERTY_FLOAT64);
    CHECK(property_is_missing(got.table->schema, &got.table->columns[1], 1));
    CHECK_EQ(got.table->columns[2].values.int32[1], 0);
    arena_release(&arena);
    check_heap_free(tile);
}

static void b3dm_read_tile__refuses_ids_beyond_the_batch_length(void)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    write_tile(&sample, GLB_NONE, &out);
    char *length = (char *)out.data + 28 + strlen("{\"BATCH_LENGTH\":");
    CHECK_EQ(*length, '3');
    *length = '2';
    struct arena arena;
    arena_init(&arena, 1 << 22);
    struct mesh_tile got;
    struct err err;
    CHECK_FAILS(b3dm_read_tile(buf_span(&out), &arena, &got, &err), &err, ERR_SCHEMA);
    arena_release(&arena);
    buf_release(&out);
}

static void b3dm__survives_every_allocation_failing(void)
{
    const struct glb_options options = {.compression = GLB_DRACO};
    struct buf whole;
    buf_init(&whole, 1 << 20);
    write_tile(&sample, GLB_DRACO, &whole);
    for (int which = 0; which < 3; which++) { /* arena, buffer, reader's arena */
        bool ok = false;
        for (size_t n = 1; !ok; n++) {
            struct arena arena;
            struct buf out;
            arena_init(&arena, 1 << 22);
            buf_init(&out, 1 << 20);
            arena.fail_after = which == 1 ? 0 : n;
            out.fail_after = which == 1 ? n : 0;
            struct glb_summary summary;
            struct mesh_tile got;
            struct err err;
            ok = which == 2 ? b3dm_read_tile(buf_span(&whole), &arena, &got, &err)
                            : b3dm_write(&sample, &options, &arena, &out, &summary, &err);
            CHECK(ok || (err.code == ERR_NOMEM && out.size == 0));
            buf_release(&out);
            arena_release(&arena);
        }
    }
    buf_release(&whole);
}

CHECK_MAIN(CHECK_TEST(b3dm_write__comes_back_with_its_columns),
           CHECK_TEST(b3dm_write__aligns_every_part),
           CHECK_TEST(b3dm_write__writes_a_tile_without_anything),
           CHECK_TEST(b3dm_read_tile__fails_on_every_truncation),
           CHECK_TEST(b3dm_read_tile__says_what_is_wrong_and_where),
           CHECK_TEST(b3dm_read_tile__leaves_out_what_the_hub_has_not),
           CHECK_TEST(b3dm_read_tile__refuses_ids_beyond_the_batch_length),
           CHECK_TEST(b3dm__survives_every_allocation_failing))
