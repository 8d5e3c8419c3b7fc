/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/resample.h"

#include "tests/check.h"

struct bench {
    struct arena arena;
    struct arena scratch;
    struct light_table light;
    struct image page; /* 40 x 40, clear */
};

static void bench_open(struct bench *bench)
{
    struct err err;
    arena_init(&bench->arena, 1 << 22);
    arena_init(&bench->scratch, 1 << 22);
    light_init(&bench->light);
    CHECK_OK(image_make(40, 40, &bench->arena, &bench->page, &err), &err);
}

static void bench_close(struct bench *bench)
{
    CHECK_EQ(bench->scratch.used_bytes, 0);
    arena_release(&bench->arena);
    arena_release(&bench->scratch);
}

static struct image make(struct bench *bench, uint32_t width, uint32_t height)
{
    struct image image;
    struct err err;
    CHECK_OK(image_make(width, height, &bench->arena, &image, &err), &err);
    return image;
}

static uint8_t *at(const struct image *image, uint32_t x, uint32_t y)
{
    return image->pixels + 4 * ((size_t)y * image->width + x);
}

static void set(const struct image *image, uint32_t x, uint32_t y, int grey, int alpha)
{
    const uint8_t pixel[4] = {(uint8_t)grey, (uint8_t)grey, (uint8_t)grey, (uint8_t)alpha};
    memcpy(at(image, x, y), pixel, 4);
}

static void run(struct bench *bench, const struct image *from, struct resample_part part,
                enum mesh_alpha alpha, uint32_t width, uint32_t height)
{
    const struct resample_place place = {&bench->page, 8, 8, width, height, 4, 0, 0};
    struct err err;
    CHECK_OK(resample_part(from, &part, alpha, &bench->light, &place, &bench->scratch, &err), &err);
}

/* Half black, half white is 188 in sRGB, not 128. */
static void resample_part__takes_means_of_light(void)
{
    struct bench bench;
    bench_open(&bench);
    const struct image board = make(&bench, 16, 16);
    for (uint32_t i = 0; i < 256; i++) {
        set(&board, i % 16, i / 16, (i % 16 + i / 16) % 2 == 0 ? 255 : 0, 255);
    }
    run(&bench, &board, (struct resample_part){0, 0, 16, 16, MESH_CLAMP, NULL}, MESH_OPAQUE, 4, 4);
    CHECK_NEAR(at(&bench.page, 9, 9)[0], 188, 1, "");
    /* Parts of pixels count as such: 5.5 columns, of which one is white. */
    const struct image line = make(&bench, 6, 1);
    for (uint32_t x = 0; x < 6; x++) {
        set(&line, x, 0, x == 5 ? 255 : 0, 255);
    }
    run(&bench, &line, (struct resample_part){0.25, 0, 5.75, 1, MESH_CLAMP, NULL}, MESH_OPAQUE, 1,
        1);
    CHECK_NEAR((double)bench.light.linear[at(&bench.page, 8, 8)[0]], 0.75 / 5.5, 0.005, "");
    bench_close(&bench);
}

static void resample_part__copies_what_keeps_its_size_and_wraps(void)
{
    static const enum mesh_wrap wraps[] = {MESH_CLAMP, MESH_REPEAT, MESH_MIRROR};
    static const int expected[3][10] = {{10, 10, 10, 10, 20, 30, 30, 30, 30, 30},
                                        {10, 20, 30, 10, 20, 30, 10, 20, 30, 10},
                                        {30, 20, 10, 10, 20, 30, 30, 20, 10, 10}};
    struct bench bench;
    bench_open(&bench);
    const struct image three = make(&bench, 3, 1);
    for (uint32_t x = 0; x < 3; x++) {
        set(&three, x, 0, (int)(10 * (x + 1)), 255);
    }
    for (int w = 0; w < 3; w++) {
        run(&bench, &three, (struct resample_part){-3, 0, 7, 1, wraps[w], NULL}, MESH_OPAQUE, 10,
            1);
        for (uint32_t x = 0; x < 10; x++) {
            CHECK_EQ(at(&bench.page, 8 + x, 8)[1], expected[w][x]);
        }
    }
    bench_close(&bench);
}

static void resample_part__repeats_its_edge_around(void)
{
    struct bench bench;
    bench_open(&bench);
    const struct image four = make(&bench, 2, 2);
    for (uint32_t i = 0; i < 4; i++) {
        set(&four, i % 2, i / 2, (int)(50 + 50 * i), 255);
    }
    run(&bench, &four, (struct resample_part){0, 0, 2, 2, MESH_CLAMP, NULL}, MESH_OPAQUE, 2, 2);
    CHECK_EQ(at(&bench.page, 4, 4)[0], 50);
    CHECK_EQ(at(&bench.page, 13, 5)[0], 100);
    CHECK_EQ(at(&bench.page, 6, 13)[0], 150);
    CHECK_EQ(at(&bench.page, 12, 12)[0], 200);
    CHECK_EQ(at(&bench.page, 14, 8)[3], 0);
    CHECK_EQ(at(&bench.page, 8, 3)[3], 0);
    bench_close(&bench);
}

/* White on clear black: no grey at the edge, and clear texels are white too. */
static void resample_part__lets_nothing_dark_into_edges(void)
{
    struct bench bench;
    bench_open(&bench);
    const struct image leaf = make(&bench, 32, 32);
    for (uint32_t i = 0; i < 32 * 32; i++) {
        const bool is_leaf = i % 32 < 15;
        set(&leaf, i % 32, i / 32, is_leaf ? 255 : 0, is_leaf ? 255 : 0);
    }
    run(&bench, &leaf, (struct resample_part){0, 0, 32, 32, MESH_CLAMP, NULL}, MESH_BLEND, 16, 16);
    CHECK_NEAR(at(&bench.page, 8 + 7, 12)[3], 128, 1, "");
    for (uint32_t x = 0; x < 12; x++) {
        CHECK_EQ(at(&bench.page, 8 + x, 12)[0], 255);
    }
    CHECK_EQ(at(&bench.page, 8 + 10, 12)[3], 0);
    bench_close(&bench);
}

/* A fence whose bars are an eighth of its width still covers an eighth. */
static void resample_part__keeps_the_cover_of_cut_outs(void)
{
    struct bench bench;
    bench_open(&bench);
    const struct image fence = make(&bench, 96, 96);
    for (uint32_t i = 0; i < 96 * 96; i++) {
        set(&fence, i % 96, i / 96, 90, i % 96 % 24 < 3 ? 255 : 0);
    }
    run(&bench, &fence, (struct resample_part){0, 0, 96, 96, MESH_CLAMP, NULL}, MESH_MASK, 24, 24);
    int passing = 0;
    for (uint32_t i = 0; i < 24 * 24; i++) {
        passing += at(&bench.page, 8 + i % 24, 8 + i / 24)[3] >= 128;
    }
    CHECK_NEAR(passing / 576.0, 0.125, 0.05, "");
    bench_close(&bench);
}

/* A bright triangle in the dark: nothing of the dark is in the page. */
static void resample_part__leaves_out_what_no_face_shows(void)
{
    for (int side = 32; side >= 8; side /= 2) {
        struct bench bench;
        struct cover cover;
        struct err err;
        bench_open(&bench);
        const struct image picture = make(&bench, 32, 32);
        for (uint32_t i = 0; i < 32 * 32; i++) {
            set(&picture, i % 32, i / 32, i % 32 <= i / 32 ? 200 : 0, 255);
        }
        CHECK_OK(cover_open(&cover, 0, 0, 32, 32, &bench.arena, &err), &err);
        const double xy[6] = {0, 0, 31, 32, 0, 32};
        cover_triangle(&cover, xy);
        CHECK(!cover_is_whole(&cover));
        const struct resample_part part = {0, 0, 32, 32, MESH_CLAMP, &cover};
        const uint32_t n = (uint32_t)side;
        if (side == 32) {
            bench.page = make(&bench, 64, 64);
        }
        run(&bench, &picture, part, MESH_OPAQUE, n, n);
        for (uint32_t i = 0; i < n * n; i++) {
            CHECK_NEAR(at(&bench.page, 8 + i % n, 8 + i / n)[0], 200, 1, "");
            CHECK_EQ(at(&bench.page, 8 + i % n, 8 + i / n)[3], 255);
        }
        bench_close(&bench);
    }
}

static void resample_part__reports_every_failing_allocation(void)
{
    struct bench bench;
    bench_open(&bench);
    const struct image from = make(&bench, 16, 16);
    const struct resample_part part = {0, 0, 16, 16, MESH_CLAMP, NULL};
    const struct resample_place place = {&bench.page, 8, 8, 5, 5, 4, 2, 1};
    bool has_succeeded = false;
    int failures = 0;
    for (size_t fail = 1; !has_succeeded; fail++) {
        struct arena scratch;
        struct err err;
        arena_init(&scratch, 1 << 20);
        scratch.fail_after = fail;
        has_succeeded =
            resample_part(&from, &part, MESH_MASK, &bench.light, &place, &scratch, &err);
        if (!has_succeeded) {
            CHECK_EQ(err.code, ERR_NOMEM);
            failures++;
        }
        arena_release(&scratch);
    }
    CHECK(failures >= 3);
    bench_close(&bench);
}

CHECK_MAIN(CHECK_TEST(resample_part__takes_means_of_light),
           CHECK_TEST(resample_part__copies_what_keeps_its_size_and_wraps),
           CHECK_TEST(resample_part__repeats_its_edge_around),
           CHECK_TEST(resample_part__lets_nothing_dark_into_edges),
           CHECK_TEST(resample_part__keeps_the_cover_of_cut_outs),
           CHECK_TEST(resample_part__leaves_out_what_no_face_shows),
           CHECK_TEST(resample_part__reports_every_failing_allocation))
