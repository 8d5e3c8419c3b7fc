/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/glb.h"

#include <dirent.h>

#include "formats/base/io.h"
#include "formats/json_tree.h"
#include "tests/check.h"

/* ---- a tile with everything in it ---- */

enum { BOXES = 5, VERTICES = 24 * BOXES, INDICES = 36 * BOXES };

/* Boxes in a row, one feature each, with flat normals. */
struct boxes {
    float positions[3 * VERTICES];
    float normals[3 * VERTICES];
    uint16_t colors[4 * VERTICES];
    float uvs[2 * VERTICES];
    uint32_t rows[VERTICES];
    uint32_t indices[INDICES];
};

static void fill_boxes(struct boxes *boxes, float east_m)
{
    for (uint32_t v = 0; v < VERTICES; v++) {
        const uint32_t box = v / 24;
        const uint32_t face = v % 24 / 4;
        const uint32_t axis = face / 2;
        const float side = face % 2 == 0 ? -1 : 1;
        float *p = boxes->positions + (size_t)3 * v;
        float *n = boxes->normals + (size_t)3 * v;
        n[axis] = side;
        p[axis] = side;
        p[(axis + 1) % 3] = v % 4 == 1 || v % 4 == 2 ? 1 : -1;
        p[(axis + 2) % 3] = (v % 4 >= 2) == (side > 0) ? 1 : -1;
        p[0] = p[0] * 3.3F + 10.7F * (float)box + east_m;
        p[1] = p[1] * 4.1F - 2;
        p[2] = (p[2] + 1) * 5.05F + (float)box;
        for (uint32_t c = 0; c < 4; c++) {
            boxes->colors[(size_t)4 * v + c] = (uint16_t)(c == 3 ? 65535 : 9000 * box + 100 * c);
        }
        boxes->uvs[(size_t)2 * v] = (float)(v % 4 == 1 || v % 4 == 2);
        boxes->uvs[(size_t)2 * v + 1] = (float)(v % 4 >= 2) * 3.25F;
        boxes->rows[v] = box;
    }
    for (uint32_t f = 0; f < 6 * BOXES; f++) {
        const uint32_t corners[] = {4 * f, 4 * f + 1, 4 * f + 2, 4 * f, 4 * f + 2, 4 * f + 3};
        memcpy(boxes->indices + (size_t)6 * f, corners, sizeof corners);
    }
}

static const struct text uses[] = {{"住宅", 6}, {"office", 6}};
static const struct property properties[] = {
    {.id = {"id", 2}, .type = PROPERTY_STRING, .is_required = true, .semantic = "ID"},
    {.id = {"u540du79f0", 10}, .name = {"名称", 6}, .type = PROPERTY_STRING},
    {.id = {"old", 3}, .type = PROPERTY_BOOL, .is_required = true},
    {.id = {"lit", 3}, .type = PROPERTY_TRISTATE},
    {.id = {"storeys", 7}, .type = PROPERTY_INT32},
    {.id = {"absent", 6}, .type = PROPERTY_INT32},
    {.id = {"cadastre", 8}, .type = PROPERTY_INT64},
    {.id = {"height", 6}, .type = PROPERTY_FLOAT64, .semantic = "HEIGHT"},
    {.id = {"use", 3}, .type = PROPERTY_ENUM, .enum_names = uses, .enum_count = 2},
};
static const struct property_schema schema = {
    .properties = properties, .property_count = sizeof properties / sizeof properties[0]};
static const struct text ids[BOXES] = {{"a", 1}, {"b", 1}, {"楼-3", 5}, {"d", 1}, {"e\"", 2}};
static const struct text names[BOXES] = {{"市民中心", 12}, {"", 0}, {"𠀀", 4}, {"", 0}, {"x", 1}};
static const uint8_t olds[BOXES] = {1, 0, 1, 1, 0};
static const uint8_t lits[BOXES] = {0, 1, 2, 0, 1};
static const int32_t storeys[BOXES] = {7, -2, INT32_MAX, PROPERTY_NO_INT32, 0};
static const int64_t cadastres[BOXES] = {INT64_MAX, PROPERTY_NO_INT64, -1, (1LL << 53) + 1, 0};
static const double heights[BOXES] = {0.1, -0.5, PROPERTY_NO_FLOAT64, 1e300, 599.1};
static const uint8_t use_values[BOXES] = {0, 1, PROPERTY_NO_ENUM, 1, 0};
static const struct property_column columns[] = {
    {.property = 0, .values.string = ids},      {.property = 1, .values.string = names},
    {.property = 2, .values.small = olds},      {.property = 3, .values.small = lits},
    {.property = 4, .values.int32 = storeys},   {.property = 6, .values.int64 = cadastres},
    {.property = 7, .values.float64 = heights}, {.property = 8, .values.small = use_values},
};
static const struct property_table table = {.schema = &schema,
                                            .row_count = BOXES,
                                            .columns = columns,
                                            .column_count = sizeof columns / sizeof columns[0]};

static const struct mesh_material materials[] = {
    {.base_color = {1, 1, 1, 1}, .metallic = 0, .roughness = 0.9F, .image = -1},
    {.base_color = {0.5F, 0.25F, 1, 0.5F},
     .emissive = {0.1F, 0, 0},
     .metallic = 1,
     .roughness = 1,
     .alpha = MESH_BLEND,
     .is_double_sided = true,
     .image = 0,
     .wrap = MESH_REPEAT},
};
/* One grey pixel. */
static const uint8_t png[] = {0x89, 'P', 'N',  'G',  13,   10,   26,   10,   0,    0, 0, 13,
                              'I',  'H', 'D',  'R',  0,    0,    0,    1,    0,    0, 0, 1,
                              8,    0,   0,    0,    0,    0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0,
                              10,   'I', 'D',  'A',  'T',  0x78, 0x9c, 0x63, 0x68, 0, 0, 0,
                              0x82, 0,   0x81, 0x77, 0xcd, 0x72, 0xb6, 0,    0,    0, 0, 'I',
                              'E',  'N', 'D',  0xae, 0x42, 0x60, 0x82};
static const struct mesh_image images[] = {{"image/png", {png, sizeof png}}};

struct sample {
    struct boxes boxes[2];
    struct mesh meshes[2];
    struct mesh_tile tile;
};

static void fill_sample(struct sample *sample)
{
    memset(sample, 0, sizeof *sample);
    for (uint32_t i = 0; i < 2; i++) {
        struct boxes *boxes = &sample->boxes[i];
        fill_boxes(boxes, i == 0 ? -20.0F : 40.123F);
        sample->meshes[i] = (struct mesh){.vertex_count = VERTICES,
                                          .index_count = INDICES,
                                          .positions = boxes->positions,
                                          .normals = boxes->normals,
                                          .colors = i == 0 ? boxes->colors : NULL,
                                          .uvs = i == 0 ? NULL : boxes->uvs,
                                          .rows = boxes->rows,
                                          .indices = boxes->indices,
                                          .material = i};
    }
    sample->tile = (struct mesh_tile){.meshes = sample->meshes,
                                      .mesh_count = 2,
                                      .materials = materials,
                                      .material_count = 2,
                                      .images = images,
                                      .image_count = 1,
                                      .table = &table};
}

/* Arena, buffers and a written sample, for one test. */
struct bench {
    struct sample sample;
    struct glb_options options;
    struct arena arena;
    struct buf out;
    struct glb_summary summary;
    struct err err;
};

static struct bench *open_bench(enum glb_compression compression)
{
    struct bench *b = calloc(1, sizeof *b);
    if (b == NULL) {
        abort();
    }
    fill_sample(&b->sample);
    b->options = (struct glb_options){.compression = compression, .generator = "test"};
    arena_init(&b->arena, 1 << 26);
    buf_init(&b->out, 1 << 24);
    return b;
}

static void write_sample(struct bench *b)
{
    CHECK_OK(glb_write(&b->sample.tile, &b->options, &b->arena, &b->out, &b->summary, &b->err),
             &b->err);
}

static void close_bench(struct bench *b)
{
    arena_release(&b->arena);
    buf_release(&b->out);
    free(b);
}

/* ---- round trips ---- */

static double area_of(const struct mesh *mesh)
{
    double area = 0;
    for (uint32_t i = 0; i < mesh->index_count; i += 3) {
        const float *p[3];
        for (uint32_t k = 0; k < 3; k++) {
            p[k] = mesh->positions + (size_t)3 * mesh->indices[i + k];
        }
        const struct vec3 a = {(double)p[0][0], (double)p[0][1], (double)p[0][2]};
        const struct vec3 b = {(double)p[1][0], (double)p[1][1], (double)p[1][2]};
        const struct vec3 c = {(double)p[2][0], (double)p[2][1], (double)p[2][2]};
        const struct vec3 normal = vec3_cross(vec3_sub(b, a), vec3_sub(c, a));
        const float *n = mesh->normals + (size_t)3 * mesh->indices[i];
        const struct vec3 given = {(double)n[0], (double)n[1], (double)n[2]};
        CHECK(vec3_dot(normal, given) > 0); /* triangles still face outward */
        area += vec3_length(normal) / 2;
    }
    return area;
}

/* Every vertex read is one that was written, with all that belongs to it. */
static void check_vertices(const struct mesh *got, const struct mesh *want, double tolerance_m)
{
    for (uint32_t i = 0; i < got->vertex_count; i++) {
        bool is_found = false;
        for (uint32_t v = 0; v < want->vertex_count && !is_found; v++) {
            bool same = got->rows[i] == want->rows[v];
            for (size_t c = 0; c < 3; c++) {
                const size_t a = (size_t)3 * i + c;
                const size_t b = (size_t)3 * v + c;
                same = same &&
                       fabs((double)(got->positions[a] - want->positions[b])) <= tolerance_m &&
                       fabsf(got->normals[a] - want->normals[b]) < 0.02F;
            }
            for (size_t c = 0; want->colors != NULL && c < 4; c++) {
                same = same && got->colors[(size_t)4 * i + c] == want->colors[(size_t)4 * v + c];
            }
            for (size_t c = 0; want->uvs != NULL && c < 2; c++) {
                same = same && got->uvs[(size_t)2 * i + c] == want->uvs[(size_t)2 * v + c];
            }
            is_found = same;
        }
        CHECK(is_found);
    }
    CHECK((got->colors != NULL) == (want->colors != NULL));
    CHECK((got->uvs != NULL) == (want->uvs != NULL));
}

static void check_row(const struct property_column *a, const struct property_column *b, uint32_t i)
{
    switch (properties[b->property].type) {
    case PROPERTY_STRING:
        CHECK(text_equals(a->values.string[i], b->values.string[i]));
        break;
    case PROPERTY_INT32:
        CHECK_EQ(a->values.int32[i], b->values.int32[i]);
        break;
    case PROPERTY_INT64:
        CHECK_EQ(a->values.int64[i], b->values.int64[i]);
        break;
    case PROPERTY_FLOAT64:
        CHECK_NEAR(a->values.float64[i], b->values.float64[i], 0, "");
        break;
    default:
        CHECK_EQ(a->values.small[i], b->values.small[i]);
    }
}

/* All properties of the schema, with no value where the tile had no column. */
static void check_table(const struct property_table *got)
{
    CHECK_EQ(got->row_count, BOXES);
    CHECK_EQ(got->column_count, schema.property_count);
    size_t next = 0;
    for (size_t c = 0; c < got->column_count; c++) {
        const struct property_column *column = &got->columns[c];
        CHECK_EQ(column->property, c);
        const bool was_there = next < table.column_count && columns[next].property == c;
        for (uint32_t i = 0; i < BOXES; i++) {
            if (was_there) {
                check_row(column, &columns[next], i);
            } else {
                CHECK(property_is_missing(&schema, column, i));
            }
        }
        next += was_there ? 1 : 0;
    }
    CHECK_EQ(next, table.column_count);
}

static void check_materials(const struct mesh_tile *got)
{
    CHECK_EQ(got->material_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct mesh_material *a = &got->materials[i];
        const struct mesh_material *b = &materials[i];
        CHECK(memcmp(a->base_color, b->base_color, sizeof a->base_color) == 0);
        CHECK(memcmp(a->emissive, b->emissive, sizeof a->emissive) == 0);
        CHECK(a->metallic == b->metallic && a->roughness == b->roughness);
        CHECK_EQ(a->alpha, b->alpha);
        CHECK_EQ(a->is_double_sided, b->is_double_sided);
        CHECK_EQ(a->image, b->image);
    }
    CHECK_EQ(got->materials[1].wrap, MESH_REPEAT);
    CHECK_EQ(got->image_count, 1);
    CHECK_TEXT(got->images[0].media_type, "image/png");
    CHECK_EQ(got->images[0].bytes.size, sizeof png);
    CHECK(memcmp(got->images[0].bytes.data, png, sizeof png) == 0);
}

static void check_box(struct box3 box, const struct mesh_tile *got)
{
    struct box3 found = box3_empty();
    for (size_t m = 0; m < got->mesh_count; m++) {
        for (size_t i = 0; i < got->meshes[m].vertex_count; i++) {
            const float *p = got->meshes[m].positions + 3 * i;
            box3_add(&found, (struct vec3){(double)p[0], (double)p[1], (double)p[2]});
        }
    }
    CHECK(memcmp(&found, &box, sizeof box) == 0);
}

/* A box is 6.6 x 8.2 x 10.1 m. */
#define BOX_AREA_M2 (2 * (6.6 * 8.2 + 8.2 * 10.1 + 10.1 * 6.6))

static void check_round_trip(struct bench *b, double tolerance_m, double tolerance_m2)
{
    write_sample(b);
    struct mesh_tile got;
    CHECK_OK(glb_read(buf_span(&b->out), &b->arena, &got, &b->err), &b->err);
    CHECK_EQ(got.mesh_count, 2);
    uint32_t vertices = 0;
    uint32_t triangles = 0;
    for (size_t m = 0; m < 2; m++) {
        CHECK_EQ(got.meshes[m].material, m);
        check_vertices(&got.meshes[m], &b->sample.meshes[m], tolerance_m);
        CHECK_NEAR(area_of(&got.meshes[m]), BOXES * BOX_AREA_M2, tolerance_m2, "m2");
        vertices += got.meshes[m].vertex_count;
        triangles += got.meshes[m].index_count / 3;
    }
    CHECK_EQ(vertices, b->summary.vertex_count);
    CHECK_EQ(triangles, b->summary.triangle_count);
    CHECK_EQ(triangles, 2 * INDICES / 3);
    check_box(b->summary.box_tile_m, &got);
    check_table(got.table);
    check_materials(&got);
}

static void glb_write__plain_comes_back_as_it_was(void)
{
    struct bench *b = open_bench(GLB_NONE);
    check_round_trip(b, 0, 0.01);
    CHECK_NEAR(b->summary.position_error_m, 0, 0, "m");
    CHECK_EQ(b->summary.vertex_count, 2 * VERTICES);
    close_bench(b);
}

static void glb_write__draco_comes_back_within_the_step(void)
{
    struct bench *b = open_bench(GLB_DRACO);
    b->options.position_step_m = 0.01;
    /* a box has 99.6 m of edges, each of which may move by half a step */
    check_round_trip(b, 0.5 / 128 + 1e-6, BOXES * 99.6 / 128);
    CHECK_NEAR(b->summary.position_step_m, 1.0 / 128, 0, "m");
    CHECK(b->summary.position_error_m > 0);
    CHECK(b->summary.position_error_m <= sqrt(3) / 2 / 128 + 1e-9);
    close_bench(b);
}

/* One grid for all meshes: what touched before still does. */
static void glb_write__keeps_meshes_of_a_tile_together(void)
{
    struct bench *b = open_bench(GLB_DRACO);
    for (size_t i = 0; i < (size_t)3 * VERTICES; i += 3) {
        b->sample.meshes[1].positions[i] = b->sample.meshes[0].positions[i] + 6.6F;
    }
    b->options.position_step_m = 0.3;
    write_sample(b);
    struct mesh_tile got;
    CHECK_OK(glb_read(buf_span(&b->out), &b->arena, &got, &b->err), &b->err);
    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < (size_t)3 * got.meshes[m].vertex_count; i++) {
            const double steps = (double)got.meshes[m].positions[i] * 4;
            CHECK_NEAR(steps, round(steps), 0, "steps");
        }
    }
    close_bench(b);
}

static void glb_write__coarsens_the_step_where_floats_would_not_hold_it(void)
{
    struct bench *b = open_bench(GLB_DRACO);
    b->sample.meshes[0].positions[0] = 100000;
    b->options.position_step_m = 1e-4;
    write_sample(b);
    CHECK(b->summary.position_step_m > 1e-2 && b->summary.position_step_m < 0.05);
    CHECK(b->summary.position_error_m <= b->summary.position_step_m * 0.87);
    close_bench(b);
}

static void glb_write__gives_the_same_bytes_again(void)
{
    struct bench *b = open_bench(GLB_DRACO);
    write_sample(b);
    struct bench *again = open_bench(GLB_DRACO);
    write_sample(again);
    CHECK_EQ(b->out.size, again->out.size);
    CHECK(memcmp(b->out.data, again->out.data, b->out.size) == 0);
    close_bench(b);
    close_bench(again);
}

static void glb_write__refers_to_a_schema_file(void)
{
    struct bench *b = open_bench(GLB_DRACO);
    struct property_schema named = schema;
    named.uri = text_of("../schema-1f.json");
    struct property_table with_uri = table;
    with_uri.schema = &named;
    b->sample.tile.table = &with_uri;
    write_sample(b);
    struct mesh_tile got;
    CHECK_OK(glb_read(buf_span(&b->out), &b->arena, &got, &b->err), &b->err);
    CHECK_TEXT_IS(got.table->schema->uri, "../schema-1f.json");
    CHECK_EQ(got.table->row_count, BOXES);
    CHECK_EQ(got.table->column_count, 0);
    struct property_table found;
    CHECK_OK(glb_read_table(buf_span(&b->out), &named, &b->arena, &found, &b->err), &b->err);
    check_table(&found);
    close_bench(b);
}

static void glb_write__empty_tile_is_an_empty_scene(void)
{
    struct bench *b = open_bench(GLB_DRACO);
    b->sample.tile.mesh_count = 0;
    write_sample(b);
    CHECK_EQ(b->out.size % 8, 0);
    CHECK(box3_is_empty(b->summary.box_tile_m));
    struct mesh_tile got;
    CHECK_OK(glb_read(buf_span(&b->out), &b->arena, &got, &b->err), &b->err);
    CHECK_EQ(got.mesh_count, 0);
    CHECK(got.table == NULL);
    close_bench(b);
}

static void glb_write__leaves_out_what_quantization_flattened(void)
{
    struct bench *b = open_bench(GLB_DRACO);
    b->options.position_step_m = 1024;
    write_sample(b);
    CHECK_EQ(b->summary.triangle_count, 0);
    struct mesh_tile got;
    CHECK_OK(glb_read(buf_span(&b->out), &b->arena, &got, &b->err), &b->err);
    CHECK_EQ(got.mesh_count, 0);
    close_bench(b);
}

static void glb_write__writes_tiles_without_features(void)
{
    for (int c = GLB_NONE; c <= GLB_MESHOPT; c++) {
        struct bench *b = open_bench((enum glb_compression)c);
        b->sample.tile.table = NULL;
        b->sample.meshes[0].rows = NULL;
        b->sample.meshes[1].rows = NULL;
        write_sample(b);
        struct mesh_tile got;
        CHECK_OK(glb_read(buf_span(&b->out), &b->arena, &got, &b->err), &b->err);
        CHECK(got.table == NULL);
        CHECK_EQ(got.meshes[0].rows[0], MESH_NO_ROW);
        close_bench(b);
    }
}

/* 66000 rows: beyond 16 bits, ids are floats, and every one survives. */
static void glb_write__keeps_rows_beyond_16_bits(void)
{
    enum { N = 66000 };
    for (int c = GLB_NONE; c <= GLB_MESHOPT; c++) {
        struct bench *b = open_bench((enum glb_compression)c);
        float *positions = calloc((size_t)9 * N, sizeof *positions);
        float *normals = calloc((size_t)9 * N, sizeof *normals);
        uint32_t *rows = calloc((size_t)3 * N, sizeof *rows);
        uint32_t *indices = calloc((size_t)3 * N, sizeof *indices);
        struct text *names_of = calloc(N, sizeof *names_of);
        if (!positions || !normals || !rows || !indices || !names_of) {
            abort();
        }
        for (uint32_t i = 0; i < 3 * N; i++) {
            positions[3 * (size_t)i] = (float)(i / 3 % 256) + (i % 3 == 1 ? 0.5F : 0);
            positions[3 * (size_t)i + 1] = (float)(i / 3 / 256) + (i % 3 == 2 ? 0.5F : 0);
            normals[3 * (size_t)i + 2] = 1;
            rows[i] = i / 3;
            indices[i] = i;
        }
        const struct mesh mesh = {.vertex_count = 3 * N,
                                  .index_count = 3 * N,
                                  .positions = positions,
                                  .normals = normals,
                                  .rows = rows,
                                  .indices = indices};
        const struct property_column column = {.values.string = names_of};
        const struct property_table many = {
            .schema = &schema, .row_count = N, .columns = &column, .column_count = 1};
        b->sample.tile.meshes = &mesh;
        b->sample.tile.mesh_count = 1;
        b->sample.tile.table = &many;
        write_sample(b);
        struct mesh_tile got;
        CHECK_OK(glb_read(buf_span(&b->out), &b->arena, &got, &b->err), &b->err);
        CHECK_EQ(got.meshes[0].vertex_count, 3 * N);
        for (uint32_t i = 0; i < 3 * N; i++) {
            const float *p = got.meshes[0].positions + 3 * (size_t)i;
            CHECK_EQ(got.meshes[0].rows[i], (uint32_t)p[1] * 256 + (uint32_t)p[0]);
        }
        free(positions);
        free(normals);
        free(rows);
        free(indices);
        free(names_of);
        close_bench(b);
    }
}

/* Far tiles have columns of brief properties alone, and a class without others;
 * absent columns of one type stand on the same bytes. */
static void glb_write__writes_brief_tables_for_far_tiles(void)
{
    struct property some[sizeof properties / sizeof properties[0]];
    memcpy(some, properties, sizeof some);
    some[0].is_brief = true;
    some[1].is_brief = true;
    some[7].is_brief = true;
    const struct property_schema brief_schema = {
        .properties = some, .property_count = schema.property_count, .uri = text_of("s.json")};
    struct bench *b = open_bench(GLB_DRACO);
    const struct property_table brief = {
        .schema = &brief_schema, .row_count = BOXES, .columns = columns, .column_count = 1};
    b->sample.tile.table = &brief;
    write_sample(b);
    struct buf json;
    buf_init(&json, 1 << 16);
    property_schema_print(&brief_schema, &json);
    struct property_schema read;
    CHECK_OK(property_schema_read(buf_span(&json), text_of("brief"), &b->arena, &read, &b->err),
             &b->err);
    CHECK_EQ(read.property_count, 3);
    CHECK_OK(property_schema_read(buf_span(&json), text_of("feature"), &b->arena, &read, &b->err),
             &b->err);
    CHECK_EQ(read.property_count, schema.property_count);
    CHECK(read.properties[7].is_brief && !read.properties[6].is_brief);
    struct property_table got;
    CHECK_OK(glb_read_table(buf_span(&b->out), &read, &b->arena, &got, &b->err), &b->err);
    CHECK_EQ(got.column_count, 3);
    CHECK_EQ(got.columns[2].property, 7);
    CHECK(text_equals(got.columns[0].values.string[2], ids[2]));
    CHECK(property_is_missing(&read, &got.columns[1], 0));
    CHECK(property_is_missing(&read, &got.columns[2], 0));
    CHECK(strstr((char *)b->out.data + 20, "\"class\":\"brief\"") != NULL);
    buf_release(&json);
    close_bench(b);
}

/* ---- layout ---- */

static const struct json_tree *json_of(struct bench *b)
{
    const struct json_tree *root;
    const struct span json = {b->out.data + 20, bytes_load_u32le(b->out.data + 12)};
    CHECK_OK(json_tree_read(json, &b->arena, &root, &b->err), &b->err);
    return root;
}

static uint32_t index_in(const struct json_tree *object, const char *key)
{
    uint32_t found = 0;
    CHECK(json_tree_index(json_tree_find(object, key), &found));
    return found;
}

static void glb_write__aligns_what_the_formats_want_aligned(void)
{
    for (int c = GLB_NONE; c <= GLB_MESHOPT; c++) {
        struct bench *b = open_bench((enum glb_compression)c);
        for (size_t generator = 0; generator < 9; generator++) {
            b->options.generator = "12345678" + generator;
            buf_reset(&b->out);
            write_sample(b);
            CHECK_EQ(b->out.size % 8, 0);
            CHECK_EQ(bytes_load_u32le(b->out.data + 8), b->out.size);
            const uint32_t json_size = bytes_load_u32le(b->out.data + 12);
            CHECK_EQ((28 + json_size) % 8, 0); /* where the binary data begin */
            const struct json_tree *root = json_of(b);
            const struct json_tree *views = json_tree_find(root, "bufferViews");
            const struct json_tree *tables = json_tree_find(
                json_tree_find(json_tree_find(root, "extensions"), "EXT_structural_metadata"),
                "propertyTables");
            const struct json_tree *packed =
                json_tree_find(json_tree_element(tables, 0), "properties");
            CHECK_EQ(packed->child_count, schema.property_count);
            for (size_t i = 0; i < packed->child_count; i++) {
                const uint32_t values = index_in(&packed->children[i], "values");
                CHECK_EQ(index_in(json_tree_element(views, values), "byteOffset") % 8, 0);
            }
            for (size_t i = 0; i < views->child_count; i++) {
                CHECK_EQ(index_in(&views->children[i], "byteOffset") % 4, 0);
                CHECK(index_in(&views->children[i], "byteLength") > 0);
            }
            const uint32_t bin =
                index_in(json_tree_element(json_tree_find(root, "buffers"), 0), "byteLength");
            CHECK_EQ(bin, bytes_load_u32le(b->out.data + 20 + json_size));
        }
        close_bench(b);
    }
}

static void glb_write__counts_the_features_of_each_primitive(void)
{
    struct bench *b = open_bench(GLB_DRACO);
    b->sample.meshes[1].index_count = 36; /* the first box alone */
    write_sample(b);
    const struct json_tree *root = json_of(b);
    const struct json_tree *primitives =
        json_tree_find(json_tree_element(json_tree_find(root, "meshes"), 0), "primitives");
    static const uint32_t expected[] = {BOXES, 1};
    for (size_t i = 0; i < 2; i++) {
        const struct json_tree *extensions = json_tree_find(&primitives->children[i], "extensions");
        const struct json_tree *first = json_tree_element(
            json_tree_find(json_tree_find(extensions, "EXT_mesh_features"), "featureIds"), 0);
        CHECK_EQ(index_in(first, "featureCount"), expected[i]);
    }
    close_bench(b);
}

static void glb_write__appends(void)
{
    struct bench *b = open_bench(GLB_NONE);
    buf_add_text(&b->out, "before");
    write_sample(b);
    CHECK(memcmp(b->out.data, "beforeglTF", 10) == 0);
    close_bench(b);
}

/* ---- refusals of the writer ---- */

static void glb_write__refuses_numbers_that_are_none(void)
{
    for (int c = GLB_NONE; c <= GLB_MESHOPT; c++) {
        for (int which = 0; which < 5; which++) {
            struct bench *b = open_bench((enum glb_compression)c);
            struct mesh *mesh = &b->sample.meshes[1];
            float *const where[] = {mesh->positions + 7, mesh->positions + 8, mesh->normals + 3,
                                    mesh->normals + 4, mesh->uvs + 5};
            const float what[] = {NAN, INFINITY, NAN, 2, NAN};
            *where[which] = what[which];
            CHECK_FAILS(
                glb_write(&b->sample.tile, &b->options, &b->arena, &b->out, &b->summary, &b->err),
                &b->err, ERR_GEOMETRY);
            CHECK_EQ(b->out.size, 0);
            close_bench(b);
        }
    }
}

static void glb_write__refuses_pictures_that_glTF_has_not(void)
{
    struct bench *b = open_bench(GLB_NONE);
    const struct mesh_image tiff = {"image/tiff", {png, sizeof png}};
    b->sample.tile.images = &tiff;
    CHECK_FAILS(glb_write(&b->sample.tile, &b->options, &b->arena, &b->out, &b->summary, &b->err),
                &b->err, ERR_UNSUPPORTED);
    close_bench(b);
}

static void glb_write__keeps_to_the_limit_of_its_buffer(void)
{
    struct bench *whole = open_bench(GLB_NONE);
    write_sample(whole);
    for (size_t limit = 0; limit < whole->out.size; limit += 97) {
        struct bench *b = open_bench(GLB_NONE);
        b->out.limit_bytes = limit;
        CHECK_FAILS(
            glb_write(&b->sample.tile, &b->options, &b->arena, &b->out, &b->summary, &b->err),
            &b->err, ERR_LIMIT);
        CHECK_EQ(b->out.size, 0);
        close_bench(b);
    }
    close_bench(whole);
}

static void glb__survives_every_allocation_failing(void)
{
    for (int c = GLB_NONE; c <= GLB_MESHOPT; c++) {
        bool ok = false;
        for (size_t n = 1; !ok; n++) {
            struct bench *b = open_bench((enum glb_compression)c);
            b->arena.fail_after = n;
            ok = glb_write(&b->sample.tile, &b->options, &b->arena, &b->out, &b->summary, &b->err);
            CHECK(ok || (b->err.code == ERR_NOMEM && b->out.size == 0));
            close_bench(b);
        }
        ok = false;
        for (size_t n = 1; !ok; n++) {
            struct bench *b = open_bench((enum glb_compression)c);
            b->out.fail_after = n;
            ok = glb_write(&b->sample.tile, &b->options, &b->arena, &b->out, &b->summary, &b->err);
            CHECK(ok || (b->err.code == ERR_NOMEM && b->out.size == 0));
            close_bench(b);
        }
        struct bench *whole = open_bench((enum glb_compression)c);
        write_sample(whole);
        ok = false;
        for (size_t n = 1; !ok; n++) {
            struct arena arena;
            arena_init(&arena, 1 << 26);
            arena.fail_after = n;
            struct mesh_tile got;
            ok = glb_read(buf_span(&whole->out), &arena, &got, &whole->err);
            CHECK(ok || whole->err.code == ERR_NOMEM);
            arena_release(&arena);
        }
        close_bench(whole);
    }
}

/* ---- the reader on files written by hand ---- */

/* A glb around `json` and `bin`. */
static struct span make_glb(const char *json, const void *bin, size_t bin_size)
{
    const size_t json_size = (strlen(json) + 3) / 4 * 4;
    const size_t bin_padded = (bin_size + 3) / 4 * 4;
    const size_t size = 20 + json_size + (bin_size > 0 ? 8 + bin_padded : 0);
    uint8_t *at = calloc(1, size);
    if (at == NULL) {
        abort();
    }
    memcpy(at, "glTF\2\0\0\0", 8);
    bytes_store_u32le(at + 8, (uint32_t)size);
    bytes_store_u32le(at + 12, (uint32_t)json_size);
    memcpy(at + 16, "JSON", 4);
    memset(at + 20, ' ', json_size);
    memcpy(at + 20, json, strlen(json));
    if (bin_size > 0) {
        bytes_store_u32le(at + 20 + json_size, (uint32_t)bin_padded);
        memcpy(at + 24 + json_size, "BIN\0", 4);
        memcpy(at + 28 + json_size, bin, bin_size);
    }
    return (struct span){at, size};
}

static void glb_read__accepts_the_smallest_file(void)
{
    static const uint8_t smallest[] = "glTF\2\0\0\0\x30\0\0\0\x1c\0\0\0JSON"
                                      "{\"asset\":{\"version\":\"2.0\"}} ";
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct mesh_tile got;
    struct err err;
    CHECK_OK(glb_read((struct span){smallest, 48}, &arena, &got, &err), &err);
    CHECK_EQ(got.mesh_count, 0);
    arena_release(&arena);
}

#define ASSET "{\"asset\":{\"version\":\"2.0\"},"
#define ONE_MESH                                                                                   \
    ASSET "\"scene\":0,\"scenes\":[{\"nodes\":[0]}],"                                              \
          "\"accessors\":[{\"bufferView\":0,\"componentType\":5126,\"count\":4,"                   \
          "\"type\":\"VEC3\"},{\"bufferView\":1,\"componentType\":5121,\"count\":4,"               \
          "\"type\":\"SCALAR\"}],\"buffers\":[{\"byteLength\":52}],\"bufferViews\":["              \
          "{\"buffer\":0,\"byteLength\":48},"                                                      \
          "{\"buffer\":0,\"byteOffset\":48,\"byteLength\":4}],"

/* A square in glTF's y-up: x right, y up. */
static const float square[13] = {0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0};

static void square_bin(uint8_t *out)
{
    memcpy(out, square, 48);
    memcpy(out + 48, "\0\1\3\2", 4);
}

/* Strip of four, no normals, a node that mirrors, moves and scales. */
static void glb_read__applies_nodes_strips_and_flat_normals(void)
{
    uint8_t bin[52];
    square_bin(bin);
    const struct span glb = make_glb(
        ONE_MESH "\"nodes\":[{\"children\":[1],\"translation\":[10,20,30]},"
                 "{\"mesh\":0,\"scale\":[-2,2,2]}],"
                 "\"meshes\":[{\"primitives\":[{\"attributes\":{\"POSITION\":0},\"indices\":1,"
                 "\"mode\":5}]}]}",
        bin, sizeof bin);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct mesh_tile got;
    struct err err;
    CHECK_OK(glb_read(glb, &arena, &got, &err), &err);
    CHECK_EQ(got.mesh_count, 1);
    const struct mesh *mesh = &got.meshes[0];
    CHECK_EQ(mesh->index_count, 6);
    CHECK_EQ(mesh->vertex_count, 6);
    CHECK_NEAR(area_of(mesh), 4, 1e-9, "m2"); /* and it faces where its normals do */
    for (uint32_t i = 0; i < 6; i++) {
        const float *p = mesh->positions + (size_t)3 * i;
        CHECK((p[0] == 8 || p[0] == 10) && p[1] == -30 && (p[2] == 20 || p[2] == 22));
        CHECK(mesh->normals[3 * i + 1] == -1);
        CHECK_EQ(mesh->rows[i], MESH_NO_ROW);
    }
    CHECK_EQ(got.material_count, 1); /* the default one */
    CHECK_EQ(mesh->material, 0);
    arena_release(&arena);
    check_heap_free(glb);
}

static void glb_read__turns_by_quaternions_and_matrices_alike(void)
{
    /* A quarter turn about y: x goes to -z. */
    static const char *const nodes[] = {
        "\"nodes\":[{\"mesh\":0,\"rotation\":[0,0.7071067811865476,0,0.7071067811865476]}],",
        "\"nodes\":[{\"mesh\":0,\"matrix\":[0,0,-1,0, 0,1,0,0, 1,0,0,0, 0,0,0,1]}],"};
    uint8_t bin[52];
    square_bin(bin);
    for (size_t i = 0; i < 2; i++) {
        char json[2000];
        snprintf(json, sizeof json, "%s%s%s", ONE_MESH, nodes[i],
                 "\"meshes\":[{\"primitives\":[{\"attributes\":{\"POSITION\":0},\"indices\":1,"
                 "\"mode\":6}]}]}");
        const struct span glb = make_glb(json, bin, sizeof bin);
        struct arena arena;
        arena_init(&arena, 1 << 20);
        struct mesh_tile got;
        struct err err;
        CHECK_OK(glb_read(glb, &arena, &got, &err), &err);
        /* the fan's second corner, (1, 0, 0), is (0, 0, -1), and north 1 in the tile */
        const float *p = got.meshes[0].positions + 3;
        CHECK_NEAR((double)p[0], 0, 1e-7, "m");
        CHECK_NEAR((double)p[1], 1, 1e-7, "m");
        CHECK_NEAR((double)p[2], 0, 1e-7, "m");
        arena_release(&arena);
        check_heap_free(glb);
    }
}

#define DRAW_MESH                                                                                  \
    "\"nodes\":[{\"mesh\":0}],\"meshes\":[{\"primitives\":[{\"attributes\":{\"POSITION\":0},"      \
    "\"indices\":1}]}]}"

/* Each with what it says, and where: the text at the offset of the error. */
static void glb_read__says_what_is_wrong_and_where(void)
{
    static const struct {
        const char *json;
        enum err_code code;
        const char *at; /* the JSON from the offset on begins so */
    } cases[] = {
        {"{\"asset\":{\"version\":2.0}}", ERR_SCHEMA, "{\"asset\""},
        {"[]", ERR_SCHEMA, "[]"},
        {"{\"asset\":{\"version\":\"1.0\"}}", ERR_UNSUPPORTED, "\"1.0\""},
        {"{\"asset\":{\"version\":\"2.0\",\"minVersion\":\"2.1\"}}", ERR_UNSUPPORTED, "\"2.1\""},
        {ASSET "\"extensionsRequired\":[\"KHR_x\"]}", ERR_UNSUPPORTED, "\"KHR_x\""},
        {ASSET "\"scene\":1,\"scenes\":[{}]}", ERR_SCHEMA, "1,\"scenes\""},
        {ASSET "\"scenes\":[{\"nodes\":[0]}]}", ERR_SCHEMA, "0]}]"},
        {ASSET "\"scenes\":[{\"nodes\":[0]}],\"nodes\":[{\"children\":[0]}]}", ERR_SCHEMA, "0]}]}"},
        {ASSET "\"scenes\":[{\"nodes\":[0]}],\"nodes\":[{\"mesh\":7}]}", ERR_SCHEMA, "7}]"},
        {ASSET "\"images\":[{\"bufferView\":-1}]}", ERR_SCHEMA, "-1}]"},
        {ASSET "\"bufferViews\":[{\"buffer\":0,\"byteLength\":1}],"
               "\"images\":[{\"bufferView\":0}]}",
         ERR_SCHEMA, "{\"buffer\":0"},
        {ASSET "\"buffers\":[{\"uri\":\"a.bin\"}],\"bufferViews\":[{\"buffer\":0,"
               "\"byteLength\":1}],\"images\":[{\"bufferView\":0}]}",
         ERR_UNSUPPORTED, "{\"uri\""},
        {ASSET "\"buffers\":[{\"byteLength\":53}],\"bufferViews\":[{\"buffer\":0,"
               "\"byteLength\":1}],\"images\":[{\"bufferView\":0}]}",
         ERR_SCHEMA, "{\"byteLength\":53"},
        {ASSET "\"buffers\":[{\"byteLength\":52}],\"bufferViews\":[{\"buffer\":0,"
               "\"byteOffset\":50,\"byteLength\":3}],\"images\":[{\"bufferView\":0}]}",
         ERR_SCHEMA, "{\"buffer\":0"},
        {ASSET "\"materials\":[{\"pbrMetallicRoughness\":{\"baseColorTexture\":{\"index\":0}}}]}",
         ERR_SCHEMA, "0}}}]"},
        {ASSET "\"scenes\":[{\"nodes\":[0]}],\"accessors\":[{\"componentType\":5126,"
               "\"count\":1,\"type\":\"VEC3\",\"sparse\":{}}]," DRAW_MESH,
         ERR_SCHEMA, "1}]}]}"}, /* indices point past the end */
        {ASSET "\"scenes\":[{\"nodes\":[0]}],\"accessors\":[{\"componentType\":5126,"
               "\"count\":3,\"type\":\"VEC3\",\"sparse\":{}},{\"componentType\":5125,"
               "\"count\":3,\"type\":\"SCALAR\"}]," DRAW_MESH,
         ERR_UNSUPPORTED, "{\"componentType\":5126"},
        {ASSET "\"scenes\":[{\"nodes\":[0]}],\"accessors\":[{\"componentType\":5130,"
               "\"count\":3,\"type\":\"VEC3\"},{\"componentType\":5125,\"count\":3,"
               "\"type\":\"SCALAR\"}]," DRAW_MESH,
         ERR_SCHEMA, "{\"componentType\":5130"},
        {ASSET "\"scenes\":[{\"nodes\":[0]}],\"buffers\":[{\"byteLength\":52}],"
               "\"bufferViews\":[{\"buffer\":0,\"byteLength\":52}],\"accessors\":["
               "{\"bufferView\":0,\"componentType\":5126,\"count\":5,\"type\":\"VEC3\"},"
               "{\"componentType\":5125,\"count\":3,\"type\":\"SCALAR\"}]," DRAW_MESH,
         ERR_SCHEMA, "{\"bufferView\":0"},
        {ASSET "\"scenes\":[{\"nodes\":[0]}],\"buffers\":[{\"byteLength\":52}],"
               "\"bufferViews\":[{\"buffer\":0,\"byteLength\":52,\"byteStride\":8}],"
               "\"accessors\":[{\"bufferView\":0,\"componentType\":5126,\"count\":4,"
               "\"type\":\"VEC3\"},{\"componentType\":5125,\"count\":3,"
               "\"type\":\"SCALAR\"}]," DRAW_MESH,
         ERR_SCHEMA, "{\"buffer\":0"},
        {ASSET "\"scenes\":[{\"nodes\":[0]}],\"buffers\":[{\"byteLength\":52}],"
               "\"bufferViews\":[{\"buffer\":0,\"byteLength\":52}],\"accessors\":["
               "{\"bufferView\":0,\"componentType\":5126,\"count\":2,\"type\":\"VEC3\"},"
               "{\"bufferView\":0,\"byteOffset\":48,\"componentType\":5121,\"count\":3,"
               "\"type\":\"SCALAR\"}]," DRAW_MESH,
         ERR_SCHEMA, "{\"bufferView\":0,\"byteOffset\":48"}, /* index 3 of 2 */
        {ASSET "\"extensions\":{\"EXT_structural_metadata\":{\"propertyTables\":["
               "{\"class\":\"a\",\"count\":1}]}}}",
         ERR_SCHEMA, "{\"propertyTables\""},
        {ASSET "\"buffers\":[{\"byteLength\":52}],\"bufferViews\":[{\"buffer\":0,"
               "\"byteOffset\":4,\"byteLength\":8}],\"extensions\":{"
               "\"EXT_structural_metadata\":{\"schema\":{\"id\":\"s\",\"classes\":{\"a\":{"
               "\"properties\":{\"p\":{\"type\":\"BOOLEAN\"}}}}},\"propertyTables\":["
               "{\"class\":\"a\",\"count\":1,\"properties\":{\"p\":{\"values\":0}}}]}}}",
         ERR_SCHEMA, "{\"buffer\":0"},
        {ASSET "\"scenes\":[{\"nodes\":[0]}],\"accessors\":[{\"componentType\":5126,"
               "\"count\":3,\"type\":\"VEC3\"},{\"componentType\":5125,\"count\":3,"
               "\"type\":\"SCALAR\"}],\"nodes\":[{\"mesh\":0}],\"meshes\":[{\"primitives\":["
               "{\"attributes\":{\"POSITION\":0},\"indices\":1,\"extensions\":{"
               "\"EXT_mesh_features\":{\"featureIds\":[{\"featureCount\":1,"
               "\"attribute\":0}]}}}]}]}",
         ERR_SCHEMA, "{\"featureCount\""},
        {ASSET "\"scenes\":[{\"nodes\":[0]}],\"buffers\":[{\"byteLength\":52}],"
               "\"bufferViews\":[{\"buffer\":0,\"byteOffset\":48,\"byteLength\":4}],"
               "\"accessors\":[{\"componentType\":5126,\"count\":4,\"type\":\"VEC3\"},"
               "{\"componentType\":5125,\"count\":3,\"type\":\"SCALAR\"},{\"bufferView\":0,"
               "\"componentType\":5121,\"count\":4,\"type\":\"SCALAR\"}],\"nodes\":[{\"mesh\":0}],"
               "\"meshes\":[{\"primitives\":[{\"attributes\":{\"POSITION\":0,"
               "\"_FEATURE_ID_0\":2},\"indices\":1,\"extensions\":{\"EXT_mesh_features\":{"
               "\"featureIds\":[{\"featureCount\":1,\"attribute\":0,\"propertyTable\":0}]}}}]}],"
               "\"extensions\":{\"EXT_structural_metadata\":{\"schemaUri\":\"s\","
               "\"propertyTables\":[{\"class\":\"a\",\"count\":3}]}}}",
         ERR_SCHEMA, "{\"attributes\""}, /* id 3, but 3 rows */
        {"{\"asset\":", ERR_SYNTAX, NULL},
    };
    uint8_t bin[52];
    square_bin(bin);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct span glb = make_glb(cases[i].json, bin, sizeof bin);
        struct arena arena;
        arena_init(&arena, 1 << 20);
        struct mesh_tile got;
        struct err err;
        CHECK_FAILS(glb_read(glb, &arena, &got, &err), &err, cases[i].code);
        CHECK(err.offset < glb.size);
        CHECK_EQ(err.line, 0);
        if (cases[i].at != NULL &&
            memcmp(glb.data + err.offset, cases[i].at, strlen(cases[i].at)) != 0) {
            fail_msg("case %zu: '%s' is at '%.30s', not at '%s'", i, err.message,
                     (const char *)glb.data + err.offset, cases[i].at);
        }
        arena_release(&arena);
        check_heap_free(glb);
    }
}

static void glb_read__points_at_the_header_field_at_fault(void)
{
    static const uint8_t sound[] = "glTF\2\0\0\0\x40\0\0\0\x1c\0\0\0JSON"
                                   "{\"asset\":{\"version\":\"2.0\"}} "
                                   "\x08\0\0\0BIN\0\0\0\0\0\0\0\0";
    static const struct {
        size_t at;
        uint8_t value;
        enum err_code code;
        uint64_t offset;
    } cases[] = {
        {0, 'b', ERR_SYNTAX, 0},    {4, 1, ERR_UNSUPPORTED, 4}, {8, 0x41, ERR_SYNTAX, 8},
        {8, 11, ERR_SYNTAX, 8},     {8, 12, ERR_SYNTAX, 12},    {8, 19, ERR_SYNTAX, 12},
        {12, 0x1d, ERR_SYNTAX, 12}, {13, 1, ERR_SYNTAX, 12},    {16, 'B', ERR_SYNTAX, 16},
        {48, 12, ERR_SYNTAX, 48},   {52, 'J', ERR_NONE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span copy = check_heap_copy(sound, 64);
        ((uint8_t *)(uintptr_t)copy.data)[cases[i].at] = cases[i].value;
        struct arena arena;
        arena_init(&arena, 1 << 20);
        struct mesh_tile got;
        struct err err = {0};
        if (cases[i].code == ERR_NONE) { /* a chunk of an unknown type is passed over */
            CHECK_OK(glb_read(copy, &arena, &got, &err), &err);
        } else {
            CHECK_FAILS(glb_read(copy, &arena, &got, &err), &err, cases[i].code);
            CHECK_EQ(err.offset, cases[i].offset);
        }
        arena_release(&arena);
        check_heap_free(copy);
    }
}

static void glb_read__fails_on_every_truncation(void)
{
    for (int c = GLB_NONE; c <= GLB_MESHOPT; c++) {
        struct bench *b = open_bench((enum glb_compression)c);
        write_sample(b);
        const size_t step = b->out.size > 4000 ? 7 : 1; /* time under the sanitizers */
        for (size_t keep = 0; keep < b->out.size; keep += keep < 64 ? 1 : step) {
            struct span cut = check_heap_copy(b->out.data, keep);
            struct arena arena;
            arena_init(&arena, 1 << 24);
            struct mesh_tile got;
            CHECK_FAILS(glb_read(cut, &arena, &got, &b->err), &b->err, ERR_SYNTAX);
            if (keep > 12) { /* and when the header agrees with the new size */
                bytes_store_u32le((uint8_t *)(uintptr_t)cut.data + 8, (uint32_t)keep);
                CHECK(!glb_read(cut, &arena, &got, &b->err));
            }
            arena_release(&arena);
            check_heap_free(cut);
        }
        close_bench(b);
    }
}

static void glb_read__refuses_draco_counts_that_disagree(void)
{
    struct bench *b = open_bench(GLB_DRACO);
    write_sample(b);
    char *found = strstr((char *)b->out.data + 20, "\"count\":120");
    CHECK(found != NULL);
    found[10] = '1';
    struct mesh_tile got;
    CHECK_FAILS(glb_read(buf_span(&b->out), &b->arena, &got, &b->err), &b->err, ERR_SCHEMA);
    close_bench(b);
}

/* ---- files of others ---- */

struct verdict {
    const char *name;
    enum err_code code; /* ERR_NONE: is read */
};

static void check_file(const char *folder, const struct verdict *verdict)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s/%s", check_shared_data(), folder, verdict->name);
    struct io_map map;
    struct err err;
    CHECK_OK(io_map(path, &map, &err), &err);
    struct arena arena;
    arena_init(&arena, 1 << 26);
    struct mesh_tile got;
    const enum err_code code = glb_read(map.bytes, &arena, &got, &err) ? ERR_NONE : err.code;
    if (code != verdict->code) {
        fail_msg("%s: %s, expected %s: %s", verdict->name, err_code_name(code),
                 err_code_name(verdict->code), code == ERR_NONE ? "" : err.message);
    }
    arena_release(&arena);
    io_unmap(&map);
}

static void glb_read__judges_the_validators_containers(void)
{
    static const struct verdict verdicts[] = {
        {"bom.glb", ERR_SYNTAX},
        {"chunk_too_big.glb", ERR_SYNTAX},
        {"empty_file.glb", ERR_SYNTAX},
        {"empty_json_chunk.glb", ERR_SYNTAX},
        {"empty_json_object.glb", ERR_SCHEMA},
        {"extra_data.glb", ERR_NONE},
        {"invalid_json_chunk.glb", ERR_SYNTAX},
        {"invalid_magic.glb", ERR_SYNTAX},
        {"invalid_version.glb", ERR_UNSUPPORTED},
        {"json_and_two_buffers.glb", ERR_SYNTAX},
        {"length_mismatch.glb", ERR_SYNTAX},
        {"misplaced_bin_chunk.glb", ERR_SYNTAX},
        {"no_header.glb", ERR_SYNTAX},
        {"only_bin_chunk.glb", ERR_SYNTAX},
        {"only_header.glb", ERR_SYNTAX},
        {"truncated_chunk_data.glb", ERR_SYNTAX},
        {"truncated_chunk_header.glb", ERR_SYNTAX},
        {"two_bin_chunks.glb", ERR_SYNTAX},
        {"two_empty_bin_chunks.glb", ERR_SYNTAX},
        {"two_empty_json_chunks.glb", ERR_SYNTAX},
        {"two_images.glb", ERR_NONE},
        {"two_valid_json_chunks.glb", ERR_SYNTAX},
        {"unaligned_chunk.glb", ERR_SYNTAX},
        {"unknown_chunk.glb", ERR_SYNTAX},
        {"valid.glb", ERR_NONE},
        {"valid_buffer.glb", ERR_NONE},
        {"zero_chunk_header.glb", ERR_SYNTAX},
        {"zero_length.glb", ERR_SYNTAX},
    };
    if (check_shared_data() == NULL) {
        CHECK_SKIP("no shared data");
    }
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        check_file("robustness/gltf-validator/glb", &verdicts[i]);
    }
}

static void glb_read__reads_tiles_and_models_of_others(void)
{
    static const struct verdict verdicts[] = {
        {"cesium-native/CesiumBalloon/CesiumBalloonKTX2.glb", ERR_UNSUPPORTED},
        {"cesium-native/DucksMeshopt/Duck-vp-12-vt-12-vn-12.glb", ERR_NONE},
        {"cesium-native/DucksMeshopt/Duck.glb", ERR_NONE},
        {"cesium-native/TriangleWithPaddingInGlbBin/TriangleWithPaddingInGlbBin.glb", ERR_NONE},
        {"gltf-pipeline/box-textured-binary-separate/box-textured-binary-separate.glb", ERR_NONE},
        {"gltf-pipeline/box-textured-binary/box-textured-binary.glb", ERR_NONE},
        {"loaders.gl/BoxTextured_meshopt.glb", ERR_NONE},
        {"loaders.gl/draco_tile.glb", ERR_NONE},
        {"shp-extruded/building.glb", ERR_NONE},
    };
    if (check_shared_data() == NULL) {
        CHECK_SKIP("no shared data");
    }
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        check_file("gltf", &verdicts[i]);
    }
}

static void read_bounds(const char *name, struct box3 *out_box, uint32_t *out_triangles)
{
    char path[600];
    snprintf(path, sizeof path, "%s/gltf/%s", check_shared_data(), name);
    struct io_map map;
    struct arena arena;
    struct mesh_tile got;
    struct err err;
    arena_init(&arena, 1 << 26);
    CHECK_OK(io_map(path, &map, &err), &err);
    CHECK_OK(glb_read(map.bytes, &arena, &got, &err), &err);
    *out_box = box3_empty();
    *out_triangles = 0;
    for (size_t m = 0; m < got.mesh_count; m++) {
        *out_triangles += got.meshes[m].index_count / 3;
        for (size_t i = 0; i < got.meshes[m].vertex_count; i++) {
            const float *p = got.meshes[m].positions + 3 * i;
            box3_add(out_box, (struct vec3){(double)p[0], (double)p[1], (double)p[2]});
        }
    }
    arena_release(&arena);
    io_unmap(&map);
}

/* The same duck with meshopt's codec, positions in 12 bits, and without. */
static void glb_read__expands_meshopt_to_the_same_duck(void)
{
    if (check_shared_data() == NULL) {
        CHECK_SKIP("no shared data");
    }
    struct box3 plain;
    struct box3 packed;
    uint32_t plain_count;
    uint32_t packed_count;
    read_bounds("cesium-native/DucksMeshopt/Duck.glb", &plain, &plain_count);
    read_bounds("cesium-native/DucksMeshopt/Duck-vp-12-vt-12-vn-12.glb", &packed, &packed_count);
    CHECK_EQ(packed_count, plain_count);
    CHECK(plain_count > 4000);
    const double tolerance_m = vec3_distance(plain.max, plain.min) / 4096;
    CHECK(vec3_distance(plain.min, packed.min) < tolerance_m);
    CHECK(vec3_distance(plain.max, packed.max) < tolerance_m);
}

/* Every .gltf of the validator's own tests, as the JSON of a glb without a
 * binary chunk: none may crash, and none may be an error without a reason. */
static size_t feed_folder(const char *path, int depth)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return 0;
    }
    size_t count = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char name[1024];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        const size_t length = strlen(name);
        if (entry->d_name[0] != '.' && depth > 0 && strchr(entry->d_name, '.') == NULL) {
            count += feed_folder(name, depth - 1);
        } else if (length > 5 && strcmp(name + length - 5, ".gltf") == 0) {
            struct io_map map;
            struct err err;
            CHECK_OK(io_map(name, &map, &err), &err);
            char *json = calloc(1, map.bytes.size + 1);
            if (json == NULL) {
                abort();
            }
            if (map.bytes.size > 0) {
                memcpy(json, map.bytes.data, map.bytes.size);
            }
            const struct span glb = make_glb(json, "", 0);
            struct arena arena;
            arena_init(&arena, 1 << 24);
            struct mesh_tile got;
            if (!glb_read(glb, &arena, &got, &err)) {
                CHECK(err.code == ERR_SYNTAX || err.code == ERR_SCHEMA ||
                      err.code == ERR_UNSUPPORTED || err.code == ERR_LIMIT);
                CHECK(err.message[0] != '\0');
            }
            count++;
            arena_release(&arena);
            check_heap_free(glb);
            free(json);
            io_unmap(&map);
        }
    }
    closedir(folder);
    return count;
}

static void glb_read__survives_the_validators_documents(void)
{
    if (check_shared_data() == NULL) {
        CHECK_SKIP("no shared data");
    }
    char path[600];
    snprintf(path, sizeof path, "%s/robustness/gltf-validator", check_shared_data());
    CHECK(feed_folder(path, 3) > 150);
}

CHECK_MAIN(CHECK_TEST(glb_write__plain_comes_back_as_it_was),
           CHECK_TEST(glb_write__draco_comes_back_within_the_step),
           CHECK_TEST(glb_write__keeps_meshes_of_a_tile_together),
           CHECK_TEST(glb_write__coarsens_the_step_where_floats_would_not_hold_it),
           CHECK_TEST(glb_write__gives_the_same_bytes_again),
           CHECK_TEST(glb_write__refers_to_a_schema_file),
           CHECK_TEST(glb_write__empty_tile_is_an_empty_scene),
           CHECK_TEST(glb_write__leaves_out_what_quantization_flattened),
           CHECK_TEST(glb_write__writes_tiles_without_features),
           CHECK_TEST(glb_write__keeps_rows_beyond_16_bits),
           CHECK_TEST(glb_write__writes_brief_tables_for_far_tiles),
           CHECK_TEST(glb_write__aligns_what_the_formats_want_aligned),
           CHECK_TEST(glb_write__counts_the_features_of_each_primitive),
           CHECK_TEST(glb_write__appends), CHECK_TEST(glb_write__refuses_numbers_that_are_none),
           CHECK_TEST(glb_write__refuses_pictures_that_glTF_has_not),
           CHECK_TEST(glb_write__keeps_to_the_limit_of_its_buffer),
           CHECK_TEST(glb__survives_every_allocation_failing),
           CHECK_TEST(glb_read__accepts_the_smallest_file),
           CHECK_TEST(glb_read__applies_nodes_strips_and_flat_normals),
           CHECK_TEST(glb_read__turns_by_quaternions_and_matrices_alike),
           CHECK_TEST(glb_read__says_what_is_wrong_and_where),
           CHECK_TEST(glb_read__points_at_the_header_field_at_fault),
           CHECK_TEST(glb_read__fails_on_every_truncation),
           CHECK_TEST(glb_read__refuses_draco_counts_that_disagree),
           CHECK_TEST(glb_read__judges_the_validators_containers),
           CHECK_TEST(glb_read__reads_tiles_and_models_of_others),
           CHECK_TEST(glb_read__expands_meshopt_to_the_same_duck),
           CHECK_TEST(glb_read__survives_the_validators_documents))
