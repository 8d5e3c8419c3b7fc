/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/keep.h"

#include "tests/check.h"

/* Squares on the ground, each in two versions: as it is, and larger by its error. */
enum { FIGURES = 3 };

struct square {
    struct vec3 points[4];
    struct piece pieces[2];
    struct figure figure;
};

static const uint32_t corners[6] = {0, 1, 2, 0, 2, 3};

static struct square squares[FIGURES];
static struct figure figures[FIGURES];
static struct arena scratch;

static void make_square(size_t index, double width_m, uint32_t fine_bytes, uint32_t coarse_bytes)
{
    struct square *s = &squares[index];
    *s = (struct square){
        .points = {{0, 0, 0}, {width_m, 0, 0}, {width_m, width_m, 0}, {0, width_m, 0}}};
    for (int i = 0; i < 2; i++) {
        s->pieces[i] = (struct piece){.error_m = i * width_m / 4,
                                      .bytes = i == 0 ? fine_bytes : coarse_bytes,
                                      .point_count = 4,
                                      .triangle_count = 2,
                                      .points = s->points,
                                      .corners = corners};
    }
    figures[index] = (struct figure){.id = text_of("a"),
                                     .class_name = text_of("LandUse"),
                                     .dropped_error_m = width_m,
                                     .pieces = s->pieces,
                                     .piece_count = 2};
}

/* A park, a pond and a bush. */
static void open_squares(void)
{
    arena_init(&scratch, (size_t)1 << 20);
    make_square(0, 100, 400, 100);
    make_square(1, 30, 400, 100);
    make_square(2, 2, 400, 100);
}

static void choose(uint64_t spend_bytes, uint32_t pieces[FIGURES])
{
    struct err err;
    CHECK_OK(keep_choose(figures, FIGURES, 100, spend_bytes, 0, &scratch, pieces, &err), &err);
}

static void keep_choose__takes_first_what_is_seen_most(void)
{
    open_squares();
    const uint64_t row = figure_row_bytes(&figures[0]);
    uint32_t pieces[FIGURES] = {KEEP_NONE, KEEP_NONE, KEEP_NONE};
    choose(100 + row, pieces);
    CHECK_EQ(pieces[0], 1);
    CHECK_EQ(pieces[1], KEEP_NONE);
    CHECK_EQ(pieces[2], KEEP_NONE);
    arena_release(&scratch);
}

static void keep_choose__goes_on_to_finer_pieces(void)
{
    open_squares();
    const uint64_t row = figure_row_bytes(&figures[0]);
    uint32_t pieces[FIGURES] = {KEEP_NONE, KEEP_NONE, KEEP_NONE};
    choose(400 + row, pieces);
    CHECK_EQ(pieces[0], 0);
    CHECK_EQ(pieces[1], KEEP_NONE);
    uint32_t all[FIGURES] = {KEEP_NONE, KEEP_NONE, KEEP_NONE};
    choose(3 * (400 + row), all);
    CHECK_EQ(all[0], 0);
    CHECK_EQ(all[1], 0);
    CHECK_EQ(all[2], 0);
    arena_release(&scratch);
}

/* What is shown already costs only what is new of it. */
static void keep_choose__begins_with_what_is_shown(void)
{
    open_squares();
    uint32_t pieces[FIGURES] = {1, 1, 1};
    choose(300, pieces);
    CHECK_EQ(pieces[0], 0);
    CHECK_EQ(pieces[1], KEEP_NONE);
    CHECK_EQ(pieces[2], KEEP_NONE);
    arena_release(&scratch);
}

static void keep_choose__keeps_nothing_for_nothing(void)
{
    open_squares();
    uint32_t pieces[FIGURES] = {1, KEEP_NONE, 0};
    choose(0, pieces);
    for (int i = 0; i < FIGURES; i++) {
        CHECK_EQ(pieces[i], KEEP_NONE);
    }
    figures[0].piece_count = 0;
    uint32_t none[FIGURES] = {KEEP_NONE, KEEP_NONE, KEEP_NONE};
    choose(10000, none);
    CHECK_EQ(none[0], KEEP_NONE);
    arena_release(&scratch);
}

static void keep_choose__survives_every_allocation_failure(void)
{
    open_squares();
    bool is_done = false;
    for (size_t i = 1; !is_done; i++) {
        uint32_t pieces[FIGURES] = {KEEP_NONE, KEEP_NONE, KEEP_NONE};
        struct err err;
        scratch.fail_after = scratch.alloc_count + i;
        is_done = keep_choose(figures, FIGURES, 100, 100, 0, &scratch, pieces, &err);
        CHECK(is_done || err.code == ERR_NOMEM);
        CHECK(i < 100);
    }
    arena_release(&scratch);
}

CHECK_MAIN(CHECK_TEST(keep_choose__takes_first_what_is_seen_most),
           CHECK_TEST(keep_choose__goes_on_to_finer_pieces),
           CHECK_TEST(keep_choose__begins_with_what_is_shown),
           CHECK_TEST(keep_choose__keeps_nothing_for_nothing),
           CHECK_TEST(keep_choose__survives_every_allocation_failure))
