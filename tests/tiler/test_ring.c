/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/ring.h"

#include "tests/check.h"
#include "tests/tiler/polygon_case.h"

static const struct vec2 square[4] = {{0, 0}, {2, 0}, {2, 2}, {0, 2}};

static void ring_area__is_signed(void)
{
    const struct vec2 back[4] = {{0, 2}, {2, 2}, {2, 0}, {0, 0}};
    CHECK_NEAR(ring_area(square, 4), 4, 0, "m2");
    CHECK_NEAR(ring_area(back, 4), -4, 0, "m2");
    CHECK_NEAR(ring_area(square, 2), 0, 0, "m2");
    CHECK_NEAR(ring_length(square, 4), 8, 0, "m");
}

static void ring_newell__points_up_for_anticlockwise(void)
{
    const struct vec3 points[4] = {{9, 9, 1}, {11, 9, 1}, {11, 11, 1}, {9, 11, 1}};
    const uint32_t corners[4] = {0, 1, 2, 3};
    const struct vec3 found = ring_newell(points, corners, 4);
    CHECK_NEAR(found.z, 4, 1e-15, "m2");
    CHECK_NEAR(found.x, 0, 1e-15, "m2");
}

static void ring_set_crossings__counts_proper_crossings_only(void)
{
    struct arena scratch;
    arena_init(&scratch, 1 << 20);
    const struct vec2 bow[4] = {{0, 0}, {2, 2}, {2, 0}, {0, 2}};
    const uint32_t end = 4;
    const struct ring_set crossed = {bow, &end, 1};
    const struct ring_set clean = {square, &end, 1};
    CHECK_EQ(ring_set_crossings(&crossed, 9, &scratch), 1);
    CHECK_EQ(ring_set_crossings(&clean, 9, &scratch), 0);
    arena_release(&scratch);
}

static void ring_hull__holds_every_point(void)
{
    uint64_t state = 7;
    for (int round = 0; round < 300; round++) {
        struct vec2 points[60];
        struct vec2 hull[60];
        const uint32_t count = 1 + (uint32_t)(polygon_random(&state) % 60);
        /* A coarse grid: many equal and collinear points. */
        const double grid = round % 2 == 0 ? 4 : 1000;
        for (uint32_t i = 0; i < count; i++) {
            points[i] = (struct vec2){floor(grid * polygon_random_unit(&state)),
                                      floor(grid * polygon_random_unit(&state))};
        }
        const uint32_t size = ring_hull(points, count, hull);
        CHECK(size >= 1 && size <= count);
        for (uint32_t k = 0; k < size && size >= 3; k++) {
            const struct vec2 a = hull[k];
            const struct vec2 b = hull[(k + 1) % size];
            CHECK(ring_turn(a, b, hull[(k + 2) % size]) > 0);
            for (uint32_t i = 0; i < count; i++) {
                CHECK(ring_turn(a, b, points[i]) >= 0);
            }
        }
        if (size < 3) {
            for (uint32_t i = 2; i < count; i++) {
                CHECK_NEAR(ring_turn(points[0], points[count - 1], points[i]), 0, 0, "m2");
            }
        }
    }
}

static void ring_rectangle__finds_a_turned_rectangle(void)
{
    const double c = cos(0.4);
    const double s = sin(0.4);
    struct vec2 turned[4];
    for (int i = 0; i < 4; i++) {
        turned[i] = (struct vec2){3 * square[i].x * c - square[i].y * s,
                                  3 * square[i].x * s + square[i].y * c};
    }
    struct vec2 found[4];
    CHECK_NEAR(ring_rectangle(turned, 4, found), 12, 1e-12, "m2");
    CHECK_NEAR(ring_area(found, 4), 12, 1e-12, "m2");
}

CHECK_MAIN(CHECK_TEST(ring_area__is_signed), CHECK_TEST(ring_newell__points_up_for_anticlockwise),
           CHECK_TEST(ring_set_crossings__counts_proper_crossings_only),
           CHECK_TEST(ring_hull__holds_every_point),
           CHECK_TEST(ring_rectangle__finds_a_turned_rectangle))
