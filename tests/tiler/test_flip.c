/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/flip.h"

#include "tests/tiler/picture_case.h"

static const double tolerance = 5e-4;

static bool measure(const struct picture_case *c, struct arena *arena, float *map, struct err *err)
{
    struct flip_picture *pictures[2];
    for (int i = 0; i < 2; i++) {
        if (!flip_prepare(&c->images[i], arena, arena, &pictures[i], err)) {
            return false;
        }
    }
    flip_map(pictures[0], pictures[1], map);
    return true;
}

static void check_pair(const struct picture_case *c)
{
    static float map[PICTURE_SIZE * PICTURE_SIZE];
    struct arena arena;
    struct err err;
    arena_init(&arena, (size_t)1 << 24);
    CHECK_OK(measure(c, &arena, map, &err), &err);
    double sum = 0;
    for (int i = 0; i < PICTURE_SIZE * PICTURE_SIZE; i++) {
        sum += (double)map[i];
    }
    CHECK_NEAR(sum / (PICTURE_SIZE * PICTURE_SIZE), c->flip_mean, tolerance, "");
    CHECK_NEAR((double)map[PICTURE_SIZE * 32 + 32], c->flip_middle, tolerance, "");
    arena_release(&arena);
}

static void flip_map__agrees_with_another_program(void)
{
    picture_each(check_pair);
}

static void flip_prepare__fails_on_every_refusal(void)
{
    static struct picture_case c = {.name = "color-shift-1"};
    static float map[PICTURE_SIZE * PICTURE_SIZE];
    picture_make_pair(&c);
    struct arena arena;
    struct err err;
    size_t count = 0;
    for (;;) {
        arena_init(&arena, (size_t)1 << 24);
        arena.fail_after = ++count;
        const bool ok = measure(&c, &arena, map, &err);
        arena_release(&arena);
        if (ok) {
            break;
        }
        CHECK_EQ(err.code, ERR_NOMEM);
    }
    CHECK(count > 10);
}

CHECK_MAIN(CHECK_TEST(flip_map__agrees_with_another_program),
           CHECK_TEST(flip_prepare__fails_on_every_refusal))
