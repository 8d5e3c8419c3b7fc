/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/draco.h"
#include "tests/check.h"

enum { SIDE = 12, VERTICES = SIDE * SIDE, INDICES = 6 * (SIDE - 1) * (SIDE - 1) };

/* A wavy sheet on a grid of 1/8 m: what the encoder must give back exactly. */
struct sheet {
    float positions[3 * VERTICES];
    float normals[3 * VERTICES];
    uint16_t colors[4 * VERTICES];
    float uvs[2 * VERTICES];
    uint32_t rows[VERTICES];
    uint32_t indices[INDICES];
};

static void fill(struct sheet *sheet)
{
    uint32_t n = 0;
    for (uint32_t y = 0; y < SIDE; y++) {
        for (uint32_t x = 0; x < SIDE; x++) {
            const uint32_t v = y * SIDE + x;
            sheet->positions[3 * v] = (float)x;
            sheet->positions[3 * v + 1] = (float)((x * y) % 5) / 8;
            sheet->positions[3 * v + 2] = (float)(SIDE - 1 - y) - 4;
            sheet->normals[3 * v + 1] = 1;
            for (uint32_t c = 0; c < 4; c++) {
                sheet->colors[4 * v + c] = (uint16_t)(5000 * x + 17 * c);
            }
            sheet->uvs[2 * v] = (float)x / 16;
            sheet->uvs[2 * v + 1] = (float)y / 16;
            sheet->rows[v] = 60000 + v;
            if (x + 1 < SIDE && y + 1 < SIDE) {
                const uint32_t corners[] = {v, v + SIDE, v + 1, v + 1, v + SIDE, v + SIDE + 1};
                memcpy(sheet->indices + n, corners, sizeof corners);
                n += 6;
            }
        }
    }
}

static struct draco_mesh mesh_of(const struct sheet *sheet)
{
    return (struct draco_mesh){
        .vertex_count = VERTICES,
        .index_count = INDICES,
        .positions = sheet->positions,
        .normals = sheet->normals,
        .colors = sheet->colors,
        .uvs = sheet->uvs,
        .rows = sheet->rows,
        .indices = sheet->indices,
        .position_step = 0.125F,
        .uv_step = 1.0F / 4096,
        .normal_bits = 10,
        .are_rows_float = false,
    };
}

static struct draco_request request_of(const struct draco_summary *summary)
{
    struct draco_request request;
    memcpy(request.unique_id, summary->unique_id, sizeof request.unique_id);
    return request;
}

/* The vertex of the sheet that a decoded row names. */
static void check_vertex(const struct draco_decoded *got, const struct sheet *sheet, uint32_t i)
{
    const uint32_t v = (uint32_t)got->rows[i] - 60000;
    CHECK(v < VERTICES);
    CHECK(memcmp(got->positions + 3 * i, sheet->positions + 3 * v, 12) == 0);
    CHECK(memcmp(got->colors + 4 * i, sheet->colors + 4 * v, 8) == 0);
    CHECK(memcmp(got->uvs + 2 * i, sheet->uvs + 2 * v, 8) == 0);
    CHECK_NEAR((double)got->normals[3 * i + 1], 1, 1e-5, "of a unit");
}

static void check_round_trip(bool is_small)
{
    static struct sheet sheet;
    fill(&sheet);
    struct draco_mesh mesh = mesh_of(&sheet);
    mesh.is_small = is_small;
    struct arena arena;
    arena_init(&arena, 1 << 24);
    struct buf out;
    buf_init(&out, 1 << 20);
    struct draco_summary summary;
    struct err err;
    CHECK_OK(draco_write(&mesh, &arena, &out, &summary, &err), &err);
    CHECK_EQ(summary.triangle_count, INDICES / 3);
    CHECK_EQ(summary.vertex_count, VERTICES);
    CHECK_EQ(summary.row_count, VERTICES);

    const struct draco_request request = request_of(&summary);
    struct draco_decoded got;
    CHECK_OK(draco_read(buf_span(&out), &request, &arena, &got, &err), &err);
    CHECK_EQ(got.vertex_count, summary.vertex_count);
    CHECK_EQ(got.index_count, 3 * summary.triangle_count);
    for (uint32_t i = 0; i < got.vertex_count; i++) {
        check_vertex(&got, &sheet, i);
    }
    double area = 0; /* seen from above: the sheet is whole and faces up */
    for (uint32_t i = 0; i < got.index_count; i += 3) {
        const float *a = got.positions + 3 * got.indices[i];
        const float *b = got.positions + 3 * got.indices[i + 1];
        const float *c = got.positions + 3 * got.indices[i + 2];
        area += (double)((b[2] - a[2]) * (c[0] - a[0]) - (b[0] - a[0]) * (c[2] - a[2])) / 2;
    }
    CHECK_NEAR(fabs(area), (SIDE - 1) * (SIDE - 1), 1e-9, "m2");
    buf_release(&out);
    arena_release(&arena);
}

static void draco_write__keeps_every_value_on_the_grid(void)
{
    check_round_trip(false);
    check_round_trip(true);
}

static void draco_write__keeps_rows_beyond_16_bits(void)
{
    static struct sheet sheet;
    fill(&sheet);
    struct draco_mesh mesh = mesh_of(&sheet);
    for (uint32_t v = 0; v < VERTICES; v++) {
        sheet.rows[v] = (1 << 24) - 1 - v;
    }
    mesh.are_rows_float = true;
    mesh.colors = NULL;
    mesh.uvs = NULL;
    struct arena arena;
    arena_init(&arena, 1 << 24);
    struct buf out;
    buf_init(&out, 1 << 20);
    struct draco_summary summary;
    struct err err;
    CHECK_OK(draco_write(&mesh, &arena, &out, &summary, &err), &err);
    CHECK_EQ(summary.unique_id[DRACO_COLOR], -1);
    const struct draco_request request = request_of(&summary);
    struct draco_decoded got;
    CHECK_OK(draco_read(buf_span(&out), &request, &arena, &got, &err), &err);
    CHECK(got.colors == NULL && got.uvs == NULL);
    for (uint32_t i = 0; i < got.vertex_count; i++) {
        const uint32_t v = (1 << 24) - 1 - (uint32_t)got.rows[i];
        CHECK(v < VERTICES);
        CHECK(memcmp(got.positions + 3 * i, sheet.positions + 3 * v, 12) == 0);
    }
    buf_release(&out);
    arena_release(&arena);
}

static void draco_write__drops_degenerate_triangles_and_unused_vertices(void)
{
    const float positions[] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 9, 9, 9};
    const uint32_t indices[] = {0, 1, 2, 0, 1, 1, 0, 3, 1};
    const struct draco_mesh mesh = {.vertex_count = 5,
                                    .index_count = 9,
                                    .positions = positions,
                                    .indices = indices,
                                    .position_step = 1};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct buf out;
    buf_init(&out, 1 << 20);
    struct draco_summary summary;
    struct err err;
    CHECK_OK(draco_write(&mesh, &arena, &out, &summary, &err), &err);
    CHECK_EQ(summary.triangle_count, 1);
    CHECK_EQ(summary.vertex_count, 3);

    struct draco_mesh nothing = mesh;
    nothing.indices = indices + 3;
    nothing.index_count = 6;
    const size_t before = out.size;
    CHECK_OK(draco_write(&nothing, &arena, &out, &summary, &err), &err);
    CHECK_EQ(summary.triangle_count, 0);
    CHECK_EQ(out.size, before);
    buf_release(&out);
    arena_release(&arena);
}

/* Three walls on one edge: Draco splits it, and its own counts say so. */
static void draco_write__counts_as_the_decoder_does(void)
{
    const float positions[] = {0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 0, 1, 3, 0, 2};
    const uint32_t indices[] = {0, 1, 2, 0, 1, 3, 0, 1, 4};
    const struct draco_mesh mesh = {.vertex_count = 5,
                                    .index_count = 9,
                                    .positions = positions,
                                    .indices = indices,
                                    .position_step = 1};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct buf out;
    buf_init(&out, 1 << 20);
    struct draco_summary summary;
    struct err err;
    CHECK_OK(draco_write(&mesh, &arena, &out, &summary, &err), &err);
    const struct draco_request request = request_of(&summary);
    struct draco_decoded got;
    CHECK_OK(draco_read(buf_span(&out), &request, &arena, &got, &err), &err);
    CHECK_EQ(got.vertex_count, summary.vertex_count);
    CHECK_EQ(got.index_count, 3 * summary.triangle_count);
    CHECK_EQ(got.index_count, 9);
    buf_release(&out);
    arena_release(&arena);
}

/* One whole stream in `out`, made with plenty of memory. */
static struct draco_request write_sheet(struct buf *out, struct draco_summary *summary)
{
    static struct sheet sheet;
    fill(&sheet);
    const struct draco_mesh mesh = mesh_of(&sheet);
    struct arena arena;
    arena_init(&arena, 1 << 24);
    struct err err;
    CHECK_OK(draco_write(&mesh, &arena, out, summary, &err), &err);
    arena_release(&arena);
    return request_of(summary);
}

static void draco_read__fails_on_every_truncation(void)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    struct draco_summary summary;
    const struct draco_request request = write_sheet(&out, &summary);
    for (size_t keep = 0; keep < out.size; keep++) {
        struct span cut = check_heap_copy(out.data, keep);
        struct arena arena;
        arena_init(&arena, 1 << 24);
        struct draco_decoded got = {0};
        struct err err;
        CHECK_FAILS(draco_read(cut, &request, &arena, &got, &err), &err, ERR_SYNTAX);
        CHECK(got.indices == NULL);
        arena_release(&arena);
        check_heap_free(cut);
    }
    buf_release(&out);
}

static void draco_read__says_what_is_wrong_with_the_head(void)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    struct draco_summary summary;
    struct draco_request request = write_sheet(&out, &summary);
    const struct {
        size_t at;
        uint8_t value;
        enum err_code code;
    } cases[] = {
        {0, 'd', ERR_SYNTAX}, {5, 1, ERR_UNSUPPORTED},     {7, 0, ERR_UNSUPPORTED},
        {8, 2, ERR_SYNTAX},   {10, 0x80, ERR_UNSUPPORTED},
    };
    struct arena arena;
    arena_init(&arena, 1 << 24);
    struct draco_decoded got;
    struct err err;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span copy = check_heap_copy(out.data, out.size);
        ((uint8_t *)(uintptr_t)copy.data)[cases[i].at] = cases[i].value;
        CHECK_FAILS(draco_read(copy, &request, &arena, &got, &err), &err, cases[i].code);
        CHECK(err.offset <= cases[i].at);
        check_heap_free(copy);
    }
    request.unique_id[DRACO_UV] = 77;
    CHECK_FAILS(draco_read(buf_span(&out), &request, &arena, &got, &err), &err, ERR_SCHEMA);
    arena_release(&arena);
    buf_release(&out);
}

/* 22 bytes that claim 2^28 faces: refused before memory is asked for. */
static void draco_read__refuses_counts_that_the_arena_has_no_room_for(void)
{
    const uint8_t claim[] = {'D', 'R', 'A',  'C',  'O',  2,    2,    1, 1, 0, 0,
                             0,   3,   0x80, 0x80, 0x80, 0x80, 0x01, 1, 0, 0, 0};
    const struct draco_request request = {{0, -1, -1, -1, -1}};
    struct arena arena;
    arena_init(&arena, 1 << 24);
    struct draco_decoded got;
    struct err err;
    CHECK_FAILS(draco_read((struct span){claim, sizeof claim}, &request, &arena, &got, &err), &err,
                ERR_LIMIT);
    CHECK_EQ(err.offset, 11);
    arena_release(&arena);
}

static void draco__survives_every_allocation_failing(void)
{
    static struct sheet sheet;
    fill(&sheet);
    const struct draco_mesh mesh = mesh_of(&sheet);
    struct draco_summary summary;
    struct err err;
    bool ok = false;
    for (size_t n = 1; !ok; n++) {
        struct arena arena;
        arena_init(&arena, 1 << 24);
        arena.fail_after = n;
        struct buf out;
        buf_init(&out, 1 << 20);
        ok = draco_write(&mesh, &arena, &out, &summary, &err);
        CHECK(ok || err.code == ERR_NOMEM);
        CHECK(ok || out.size == 0);
        buf_release(&out);
        arena_release(&arena);
    }
    struct buf out;
    buf_init(&out, 1 << 20);
    const struct draco_request request = write_sheet(&out, &summary);
    ok = false;
    for (size_t n = 1; !ok; n++) {
        struct arena arena;
        arena_init(&arena, 1 << 24);
        arena.fail_after = n;
        struct draco_decoded got;
        ok = draco_read(buf_span(&out), &request, &arena, &got, &err);
        CHECK(ok || err.code == ERR_NOMEM);
        arena_release(&arena);
    }
    buf_release(&out);
}

static void draco_write__keeps_to_the_limit_of_its_buffer(void)
{
    static struct sheet sheet;
    fill(&sheet);
    const struct draco_mesh mesh = mesh_of(&sheet);
    struct arena arena;
    arena_init(&arena, 1 << 24);
    struct buf out;
    buf_init(&out, 100);
    struct draco_summary summary;
    struct err err;
    CHECK_FAILS(draco_write(&mesh, &arena, &out, &summary, &err), &err, ERR_LIMIT);
    CHECK_EQ(out.size, 0);
    buf_release(&out);
    arena_release(&arena);
}

CHECK_MAIN(CHECK_TEST(draco_write__keeps_every_value_on_the_grid),
           CHECK_TEST(draco_write__keeps_rows_beyond_16_bits),
           CHECK_TEST(draco_write__drops_degenerate_triangles_and_unused_vertices),
           CHECK_TEST(draco_write__counts_as_the_decoder_does),
           CHECK_TEST(draco_read__fails_on_every_truncation),
           CHECK_TEST(draco_read__says_what_is_wrong_with_the_head),
           CHECK_TEST(draco_read__refuses_counts_that_the_arena_has_no_room_for),
           CHECK_TEST(draco__survives_every_allocation_failing),
           CHECK_TEST(draco_write__keeps_to_the_limit_of_its_buffer))
