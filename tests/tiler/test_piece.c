/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/piece.h"

#include "tests/check.h"

static const struct vec3 points[3] = {{0, 0, 0}, {8, 0, 0}, {8, 0, 4}};
static const uint32_t corners[3] = {0, 1, 2};
static const uint32_t faces_of[1] = {0};
static const struct piece_face faces[1] = {
    {.normal = {0, -1, 0}, .paint = {{1, 2, 3, UINT16_MAX}}, .image = 7, .wrap = 1, .is_unlit = 1}};
static const float uvs[6] = {0, 0, 2, 0, 2, 1};

static struct piece pictured(void)
{
    return (struct piece){.error_m = 0.5,
                          .bytes = 30,
                          .is_one_sided = true,
                          .point_count = 3,
                          .triangle_count = 1,
                          .face_count = 1,
                          .points = points,
                          .corners = corners,
                          .triangle_faces = faces_of,
                          .faces = faces,
                          .uvs = uvs,
                          .image_area_m2 = 16,
                          .image_texels = 40000};
}

static void figure_read__gives_back_what_was_written(void)
{
    struct piece pieces[3] = {pictured(), pictured(), pictured()};
    pieces[2].uvs = NULL;
    const struct figure_value values[2] = {{7, {.type = FEATURE_TEXT, .text = {"住宅", 6}}},
                                           {9, {.type = FEATURE_REAL, .real = 2.5}}};
    const struct figure figure = {.id = {"b-1", 3},
                                  .values = values,
                                  .value_count = 2,
                                  .class_name = {"Building", 8},
                                  .dropped_error_m = 9,
                                  .origin_ecef_m = {1, 2, 3},
                                  .pieces = pieces,
                                  .piece_count = 3};
    struct buf bytes;
    struct arena arena;
    struct figure read;
    struct err err;
    size_t at = 0;
    buf_init(&bytes, 1 << 20);
    arena_init(&arena, 1 << 20);
    figure_write(&figure, 1, &bytes);
    CHECK_OK(figure_read(buf_span(&bytes), &at, &arena, &read, &err), &err);
    CHECK_EQ(at, bytes.size);
    CHECK_TEXT_IS(read.id, "b-1");
    CHECK_EQ(read.value_count, 2);
    CHECK_EQ(read.values[0].property, 7);
    CHECK_TEXT_IS(read.values[0].value.text, "住宅");
    CHECK_EQ(read.values[1].value.type, FEATURE_REAL);
    CHECK(read.values[1].value.real == 2.5);
    CHECK_EQ(read.piece_count, 2);
    CHECK(memcmp(read.pieces[0].uvs, uvs, sizeof uvs) == 0);
    CHECK(memcmp(read.pieces[0].faces, faces, sizeof faces) == 0);
    CHECK(read.pieces[0].image_area_m2 == 16);
    CHECK(read.pieces[0].image_texels == 40000);
    CHECK(read.pieces[1].uvs == NULL);
    CHECK_EQ(read.pieces[1].corners[2], 2);
    arena_release(&arena);
    buf_release(&bytes);
}

static void figure_read__refuses_every_truncation(void)
{
    const struct piece piece = pictured();
    const struct figure figure = {.id = {"b-1", 3}, .pieces = &piece, .piece_count = 1};
    struct buf bytes;
    struct arena arena;
    struct figure read;
    struct err err;
    buf_init(&bytes, 1 << 20);
    arena_init(&arena, 1 << 20);
    figure_write(&figure, 0, &bytes);
    for (size_t keep = 0; keep < bytes.size; keep += 8) {
        const struct span cut = check_heap_copy(bytes.data, keep);
        size_t at = 0;
        CHECK_FAILS(figure_read(cut, &at, &arena, &read, &err), &err, ERR_IO);
        check_heap_free(cut);
    }
    arena_release(&arena);
    buf_release(&bytes);
}

/* Texels are paid for until they are finer than the tile can show. */
static void piece_bytes__falls_with_the_texels(void)
{
    const struct piece piece = pictured();
    CHECK_EQ(piece_bytes(&piece, 0), 30 + 10000);
    CHECK_EQ(piece_bytes(&piece, 0.01), 30 + 10000);
    CHECK_EQ(piece_bytes(&piece, 0.04), 30 + 2500);
    CHECK_EQ(piece_bytes(&piece, 100), 30);
    CHECK_NEAR(piece_texel_m(16), 1, 1e-12, "m");
}

CHECK_MAIN(CHECK_TEST(figure_read__gives_back_what_was_written),
           CHECK_TEST(figure_read__refuses_every_truncation),
           CHECK_TEST(piece_bytes__falls_with_the_texels))
