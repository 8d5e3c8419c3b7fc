/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/level.h"

#include "tests/check.h"

enum { COUNT = 60, PIECES = 3 };

static struct piece pieces[COUNT][PIECES];
static struct figure figures[COUNT];

/* Features of growing size: full, simpler, block; repeatable numbers. */
static void make_figures(void)
{
    uint32_t seed = 1;
    for (int i = 0; i < COUNT; i++) {
        seed = seed * 1664525u + 1013904223u;
        const double size = 2 + (seed >> 16) % 97;
        for (int k = 0; k < PIECES; k++) {
            pieces[i][k] =
                (struct piece){.error_m = k * size / 8, .bytes = (uint32_t)(900 >> (2 * k))};
        }
        figures[i] = (struct figure){.id = {"feature-0", 9},
                                     .class_name = {"Building", 8},
                                     .dropped_error_m = size,
                                     .pieces = pieces[i],
                                     .piece_count = PIECES};
    }
}

static uint64_t cost_of(const uint32_t *choice)
{
    uint64_t bytes = 0;
    for (int i = 0; i < COUNT; i++) {
        if (choice[i] != LEVEL_DROPPED) {
            bytes += figures[i].pieces[choice[i]].bytes + level_row_bytes(&figures[i]);
        }
    }
    return bytes;
}

static uint64_t choose(uint64_t budget, uint32_t *choice, double *error_m)
{
    struct arena scratch;
    struct err err;
    arena_init(&scratch, 1 << 20);
    CHECK_OK(level_choose(figures, COUNT, budget, 0, &scratch, choice, error_m, &err), &err);
    CHECK_EQ(scratch.used_bytes, 0);
    arena_release(&scratch);
    return cost_of(choice);
}

static void level_choose__keeps_everything_when_it_fits(void)
{
    uint32_t choice[COUNT];
    double error_m;
    make_figures();
    choose(1 << 30, choice, &error_m);
    CHECK(error_m == 0);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(choice[i], 0);
    }
}

static void level_choose__pays_with_the_least_error(void)
{
    uint32_t choice[COUNT];
    make_figures();
    double last_error = INFINITY;
    for (uint64_t budget = 0; budget < 70000; budget += 500) {
        double error_m;
        CHECK(choose(budget, choice, &error_m) <= budget);
        CHECK(error_m <= last_error);
        last_error = error_m;
        /* No smaller error would do: take away what made this one the worst. */
        uint64_t dearer = 0;
        for (int i = 0; i < COUNT; i++) {
            uint32_t best = LEVEL_DROPPED;
            for (uint32_t k = 0; k < PIECES && figures[i].pieces[k].error_m < error_m; k++) {
                best = k;
            }
            if (figures[i].dropped_error_m < error_m) {
                continue;
            }
            if (best != LEVEL_DROPPED) {
                dearer += figures[i].pieces[best].bytes + level_row_bytes(&figures[i]);
            }
        }
        CHECK(error_m == 0 || dearer > budget);
    }
    CHECK(last_error == 0);
}

static void level_choose__may_drop_everything(void)
{
    uint32_t choice[COUNT];
    double error_m;
    make_figures();
    CHECK_EQ(choose(0, choice, &error_m), 0);
    double largest = 0;
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(choice[i], LEVEL_DROPPED);
        largest = fmax(largest, figures[i].dropped_error_m);
    }
    CHECK(error_m == largest);
}

/* Walls of 100 m2 with a texel every 2 cm, 62 KB each: they all fit once they are
 * coarse enough, long before a block without pictures would be as right. */
static void level_choose__makes_images_coarser_before_it_drops_them(void)
{
    enum { FEW = 8 };
    static struct piece chain[FEW][2];
    static struct figure city[FEW];
    const double texel_per_error = 0.5;
    for (int i = 0; i < FEW; i++) {
        chain[i][0] = (struct piece){.bytes = 100, .image_area_m2 = 100, .image_texels = 250000};
        chain[i][1] = (struct piece){.error_m = 5, .bytes = 40};
        city[i] = (struct figure){.dropped_error_m = 20, .pieces = chain[i], .piece_count = 2};
    }
    uint32_t choice[FEW];
    double error_m;
    double last_error_m = HUGE_VAL;
    for (uint64_t budget = 10000; budget < 1000000; budget *= 2) {
        struct arena scratch;
        struct err err;
        arena_init(&scratch, 1 << 20);
        CHECK_OK(level_choose(city, FEW, budget, texel_per_error, &scratch, choice, &error_m, &err),
                 &err);
        uint64_t cost = 0;
        for (int i = 0; i < FEW; i++) {
            CHECK_EQ(choice[i], 0);
            cost +=
                piece_bytes(&chain[i][0], error_m * texel_per_error) + level_row_bytes(&city[i]);
        }
        CHECK(cost <= budget);
        CHECK(cost > budget / 2 || error_m == 0);
        CHECK(error_m < last_error_m || error_m == 0);
        last_error_m = error_m;
        arena_release(&scratch);
    }
    CHECK(last_error_m == 0);
}

CHECK_MAIN(CHECK_TEST(level_choose__keeps_everything_when_it_fits),
           CHECK_TEST(level_choose__pays_with_the_least_error),
           CHECK_TEST(level_choose__makes_images_coarser_before_it_drops_them),
           CHECK_TEST(level_choose__may_drop_everything))
