/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/sight.h"

#include "tests/check.h"

static const uint32_t corners[3] = {0, 1, 2};

static struct piece triangle(const struct vec3 points[3])
{
    return (struct piece){
        .point_count = 3, .triangle_count = 1, .points = points, .corners = corners};
}

static void sight_area__counts_roofs_more_than_walls(void)
{
    const struct vec3 flat[3] = {{0, 0, 0}, {10, 0, 0}, {0, 20, 0}};
    const struct vec3 under[3] = {{0, 0, 0}, {0, 20, 0}, {10, 0, 0}};
    const struct vec3 wall[3] = {{0, 0, 0}, {10, 0, 0}, {0, 0, 20}};
    const struct piece roof = triangle(flat);
    const struct piece floor = triangle(under);
    const struct piece side = triangle(wall);
    CHECK_NEAR(sight_area_m2(&roof), 57, 1e-9, "m2");
    CHECK_NEAR(sight_area_m2(&floor), 0, 1e-9, "m2");
    CHECK_NEAR(sight_area_m2(&side), 26, 1e-9, "m2");
}

static void sight_slopes__are_neither_flat_nor_steep(void)
{
    const struct vec3 flat[3] = {{0, 0, 0}, {10, 0, 0}, {0, 20, 1}};
    const struct vec3 slope[3] = {{0, 0, 0}, {10, 0, 0}, {0, 20, 15}};
    const struct vec3 wall[3] = {{0, 0, 0}, {10, 0, 0}, {0, 1, 20}};
    const struct piece pieces[3] = {triangle(flat), triangle(slope), triangle(wall)};
    CHECK_NEAR(sight_slopes_m2(&pieces[0]), 0, 1e-9, "m2");
    CHECK_NEAR(sight_slopes_m2(&pieces[1]), 57, 1e-9, "m2"); /* as it is seen from above */
    CHECK_NEAR(sight_slopes_m2(&pieces[2]), 0, 1e-9, "m2");
}

/* All of it is wrong by 2 m: a mean of a tenth of 20. */
static void sight_error__is_ten_times_the_mean(void)
{
    double areas[3] = {100, 200, 300};
    double errors[3] = {2, 2, 2};
    const struct sight sight = {areas, errors, 3, {0, 0}};
    CHECK_NEAR(sight_error_m(&sight), 20, 1e-6, "m");
}

/* Less than a tenth of the picture may be wrong by as much as it likes. */
static void sight_error__lets_little_be_quite_wrong(void)
{
    double areas[2] = {910, 90};
    double errors[2] = {0, 1000};
    const struct sight little = {areas, errors, 2, {0, 0}};
    CHECK(sight_error_m(&little) < 0.01);
    double more[2] = {800, 200};
    const struct sight much = {more, errors, 2, {0, 0}};
    CHECK_NEAR(sight_error_m(&much), 2000, 1e-3, "m");
}

static void sight_error__remembers_what_was_lost(void)
{
    double areas[1] = {500};
    double errors[1] = {0};
    const struct sight sight = {areas, errors, 1, {500, 500 * 4}};
    CHECK_NEAR(sight_error_m(&sight), 20, 1e-6, "m");
    const struct sight nothing = {areas, errors, 0, {0, 0}};
    CHECK(sight_error_m(&nothing) < 0.01);
}

CHECK_MAIN(CHECK_TEST(sight_area__counts_roofs_more_than_walls),
           CHECK_TEST(sight_slopes__are_neither_flat_nor_steep),
           CHECK_TEST(sight_error__is_ten_times_the_mean),
           CHECK_TEST(sight_error__lets_little_be_quite_wrong),
           CHECK_TEST(sight_error__remembers_what_was_lost))
