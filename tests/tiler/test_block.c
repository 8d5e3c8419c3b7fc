/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/block.h"

#include "tests/check.h"
#include "tests/tiler/feature_case.h"
#include "tiler/deviation.h"
#include "tiler/footprint.h"

struct run {
    struct feature_case *made;
    struct arena out;
    struct arena scratch;
};

static void run_open(struct run *run)
{
    run->made = feature_case_open();
    arena_init(&run->out, (size_t)1 << 28);
    arena_init(&run->scratch, (size_t)1 << 28);
}

static void run_close(struct run *run)
{
    arena_release(&run->out);
    arena_release(&run->scratch);
    free(run->made);
}

static struct shape make(struct run *run)
{
    struct shape shape;
    struct err err;
    CHECK_OK(shape_from_feature(&run->made->feature, 0, run->made->placed, &run->out, &run->scratch,
                                NULL, &shape, &err),
             &err);
    return shape;
}

/* Indices in range, normals those of the triangles: walls and roofs only. */
static void check_block(const struct shape *block)
{
    for (uint32_t t = 0; t < block->triangle_count; t++) {
        const struct vec3 a = block->points[block->corners[3 * t]];
        const struct vec3 b = block->points[block->corners[3 * t + 1]];
        const struct vec3 c = block->points[block->corners[3 * t + 2]];
        const struct vec3 across = vec3_cross(vec3_sub(b, a), vec3_sub(c, a));
        const struct shape_face *face = &block->faces[block->triangle_faces[t]];
        CHECK_NEAR(vec3_dot(vec3_unit(across), face->normal), 1, 1e-6, "");
        CHECK_NEAR(face->normal.z, face->kind == SURFACE_ROOF ? 1 : 0, 1e-9, "");
        CHECK_EQ(face->texture, FEATURE_NONE);
    }
}

static struct shape block_of(struct run *run, const struct shape *full, double tolerance_m,
                             double step_m)
{
    const struct block_options options = {.tolerance_m = tolerance_m, .step_m = step_m};
    struct shape block;
    struct err err;
    CHECK_OK(block_make(full, &options, &run->out, &run->scratch, &block, &err), &err);
    CHECK_EQ(run->scratch.used_bytes, 0);
    check_block(&block);
    return block;
}

static struct deviation measure(struct run *run, const struct shape *a, const struct shape *b)
{
    struct deviation found;
    struct err err;
    CHECK_OK(deviation_measure(a, b, 1e-3, 0.01, &run->scratch, &found, &err), &err);
    return found;
}

/* The closed form of block.h, over slopes from 10 to 60 degrees. */
static void block_make__of_a_gable_has_the_least_error(void)
{
    for (int i = 0; i < 12; i++) {
        struct run run;
        run_open(&run);
        const double slope = (10 + 50.0 * i / 11) * 3.141592653589793 / 180;
        const double half = 5;
        const double rise = half * tan(slope);
        const double eave = 20; /* high walls: the error is the roof's */
        const double top = eave + rise;
        const double length = 40;
        const struct vec3 roofs[2][4] = {
            {{0, -half, eave}, {length, -half, eave}, {length, 0, top}, {0, 0, top}},
            {{length, half, eave}, {0, half, eave}, {0, 0, top}, {length, 0, top}}};
        const struct vec3 walls[2][4] = {
            {{0, -half, 0}, {length, -half, 0}, {length, -half, eave}, {0, -half, eave}},
            {{length, half, 0}, {0, half, 0}, {0, half, eave}, {length, half, eave}}};
        const struct vec3 ends[2][5] = {
            {{0, half, 0}, {0, -half, 0}, {0, -half, eave}, {0, 0, top}, {0, half, eave}},
            {{length, -half, 0},
             {length, half, 0},
             {length, half, eave},
             {length, 0, top},
             {length, -half, eave}}};
        const struct vec3 floor[4] = {
            {0, half, 0}, {length, half, 0}, {length, -half, 0}, {0, -half, 0}};
        for (int side = 0; side < 2; side++) {
            feature_case_polygon(run.made, SURFACE_ROOF, 0, roofs[side], 4, false);
            feature_case_polygon(run.made, SURFACE_WALL, 0, walls[side], 4, false);
            feature_case_polygon(run.made, SURFACE_WALL, 0, ends[side], 5, false);
        }
        feature_case_polygon(run.made, SURFACE_GROUND, 0, floor, 4, false);
        const struct shape full = make(&run);
        CHECK(full.is_closed);
        const struct shape block = block_of(&run, &full, 0.5, 2);
        CHECK_EQ(block.triangle_count, 10);
        CHECK_NEAR(shape_box(&block).max.z, eave + rise / (1 + cos(slope)), 1e-6, "m");
        const double expected = rise * cos(slope) / (1 + cos(slope));
        const struct deviation found = measure(&run, &full, &block);
        CHECK_NEAR(found.upper_m, expected, 0.011 * expected + 2e-3, "m");
        run_close(&run);
    }
}

static double roof_area(const struct shape *block)
{
    return shape_kind_area_m2(block, SURFACE_ROOF);
}

/* A tower on a podium is two prisms with nothing inside: no error at all. */
static void block_make__of_a_tower_on_a_podium_is_exact(void)
{
    for (int corner = 0; corner < 2; corner++) {
        struct run run;
        run_open(&run);
        const double at = corner == 0 ? 20 : 0; /* inside, or in the podium's corner */
        const struct vec3 hole[4] = {
            {at, at, 10}, {at + 20, at, 10}, {at + 20, at + 20, 10}, {at, at + 20, 10}};
        const struct vec3 podium[4] = {{0, 0, 10}, {60, 0, 10}, {60, 60, 10}, {0, 60, 10}};
        const struct vec3 angle[6] = {{20, 0, 10}, {60, 0, 10}, {60, 60, 10},
                                      {0, 60, 10}, {0, 20, 10}, {20, 20, 10}};
        const struct vec3 roof[4] = {
            {at, at, 90}, {at + 20, at, 90}, {at + 20, at + 20, 90}, {at, at + 20, 90}};
        const struct vec2 outer[4] = {{0, 0}, {60, 0}, {60, 60}, {0, 60}};
        if (corner == 0) {
            feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, podium, 4, false);
            feature_case_hole(run.made, hole, 4, true);
        } else {
            feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, angle, 6, false);
        }
        feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, roof, 4, false);
        for (int i = 0; i < 4; i++) {
            const struct vec2 a = outer[i];
            const struct vec2 b = outer[(i + 1) % 4];
            const struct vec3 wall[4] = {
                {a.x, a.y, 0}, {b.x, b.y, 0}, {b.x, b.y, 10}, {a.x, a.y, 10}};
            feature_case_polygon(run.made, SURFACE_WALL, FEATURE_NONE, wall, 4, false);
            const struct vec3 c = hole[i];
            const struct vec3 d = hole[(i + 1) % 4];
            const struct vec3 high[4] = {c, d, {d.x, d.y, 90}, {c.x, c.y, 90}};
            feature_case_polygon(run.made, SURFACE_WALL, FEATURE_NONE, high, 4, false);
        }
        const struct shape full = make(&run);
        const struct shape block = block_of(&run, &full, 0.5, 3);
        CHECK_NEAR(shape_box(&block).max.z, 90, 1e-9, "m");
        CHECK_NEAR(roof_area(&block), 3600, 1e-6, "m2");
        CHECK_NEAR(measure(&run, &full, &block).upper_m, 0, 0.01, "m");
        /* Without layers it is the fat block that layers are there to avoid. */
        const struct shape fat = block_of(&run, &full, 0.5, 0);
        CHECK(measure(&run, &full, &fat).lower_m > 10);
        run_close(&run);
    }
}

static void block_make__keeps_a_courtyard(void)
{
    struct run run;
    run_open(&run);
    const struct vec3 roof[4] = {{0, 0, 15}, {40, 0, 15}, {40, 40, 15}, {0, 40, 15}};
    const struct vec3 court[4] = {{10, 10, 15}, {30, 10, 15}, {30, 30, 15}, {10, 30, 15}};
    feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, roof, 4, false);
    feature_case_hole(run.made, court, 4, true);
    for (int i = 0; i < 4; i++) {
        const struct vec3 a = roof[i];
        const struct vec3 b = roof[(i + 1) % 4];
        const struct vec3 c = court[i];
        const struct vec3 d = court[(i + 1) % 4];
        const struct vec3 wall[4] = {{a.x, a.y, 0}, {b.x, b.y, 0}, b, a};
        const struct vec3 inner[4] = {{d.x, d.y, 0}, {c.x, c.y, 0}, c, d};
        feature_case_polygon(run.made, SURFACE_WALL, FEATURE_NONE, wall, 4, false);
        feature_case_polygon(run.made, SURFACE_WALL, FEATURE_NONE, inner, 4, false);
    }
    const struct shape full = make(&run);
    const struct shape block = block_of(&run, &full, 1, 3);
    CHECK_NEAR(roof_area(&block), 1200, 1e-6, "m2");
    CHECK_NEAR(shape_kind_area_m2(&block, SURFACE_WALL), 15 * (160 + 80), 1e-6, "m2");
    CHECK_NEAR(measure(&run, &full, &block).upper_m, 0, 0.01, "m");
    run_close(&run);
}

/* A small oriel and a chamfered corner go; the plan stays right-angled. */
static void footprint_simplify__keeps_right_angles(void)
{
    struct arena out;
    struct arena scratch;
    arena_init(&out, 1 << 20);
    arena_init(&scratch, 1 << 20);
    const struct vec2 points[11] = {{0, 0},  {10, 0},   {10, -0.4}, {11, -0.4},
                                    {11, 0}, {20, 0},   {20, 9.7},  {19.7, 10},
                                    {8, 10}, {8, 10.3}, {0, 10.3}};
    const uint32_t end = 11;
    const struct ring_set plan = {points, &end, 1};
    struct ring_set simple;
    struct err err;
    CHECK_OK(footprint_simplify(&plan, 0.5, &out, &scratch, &simple, &err), &err);
    CHECK_EQ(simple.ring_count, 1);
    CHECK_EQ(simple.ends[0], 4);
    CHECK_NEAR(footprint_area_m2(&simple), 202, 6, "m2");
    for (uint32_t i = 0; i < 4; i++) {
        const struct vec2 a = simple.points[i];
        const struct vec2 b = simple.points[(i + 1) % 4];
        const struct vec2 c = simple.points[(i + 2) % 4];
        const double across = (b.x - a.x) * (c.x - b.x) + (b.y - a.y) * (c.y - b.y);
        CHECK_NEAR(across, 0, 1e-9, "m2");
    }
    arena_release(&out);
    arena_release(&scratch);
}

/* Two roofs that overlap in plan, one above the other. */
static void footprint_from_shape__unites_what_overlaps(void)
{
    struct run run;
    run_open(&run);
    const struct vec3 low[4] = {{0, 0, 3}, {10, 0, 3}, {10, 10, 3}, {0, 10, 3}};
    const struct vec3 high[4] = {{5, 5, 9}, {15, 5, 9}, {15, 15, 9}, {5, 15, 9}};
    const struct vec3 same[3] = {{10, 10, 12}, {0, 10, 12}, {10, 0, 12}};
    feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, low, 4, false);
    feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, high, 4, false);
    feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, same, 3, false);
    const struct shape full = make(&run);
    struct ring_set plan;
    struct err err;
    CHECK_OK(footprint_from_shape(&full, NULL, &run.out, &run.scratch, &plan, &err), &err);
    CHECK_EQ(plan.ring_count, 1);
    CHECK_NEAR(footprint_area_m2(&plan), 175, 1e-9, "m2");
    CHECK_EQ(ring_set_crossings(&plan, 9, &run.scratch), 0);
    run_close(&run);
}

/* Random roofs, plans and layers: blocks are sound, and the error that is
 * measured is not more than the building is large. */
static void block_make__is_sound_on_random_solids(void)
{
    uint64_t state = 41;
    for (int round = 0; round < 60; round++) {
        struct run run;
        run_open(&run);
        struct vec2 plan[60];
        const int part_count = 1 + (int)(polygon_random(&state) % 3);
        for (int part = 0; part < part_count; part++) {
            const uint32_t count = 3 + (uint32_t)(polygon_random(&state) % 50);
            const struct vec2 center = {20 * polygon_random_unit(&state), 0};
            polygon_star(plan, count, center, 4, 20, &state);
            feature_case_prism(run.made, part, plan, count, 0, 4 + 60 * polygon_random_unit(&state),
                               &state);
        }
        const struct shape full = make(&run);
        const double tolerance_m = 0.2 + 4 * polygon_random_unit(&state);
        const double step_m = 8 * polygon_random_unit(&state);
        const struct block_options options = {.tolerance_m = tolerance_m, .step_m = step_m};
        struct shape block;
        struct err err;
        if (block_make(&full, &options, &run.out, &run.scratch, &block, &err)) {
            check_block(&block);
            const struct deviation found = measure(&run, &full, &block);
            CHECK(found.lower_m <= found.upper_m);
            CHECK(found.upper_m <= shape_diameter_m(&full));
            const struct box3 box = shape_box(&block);
            CHECK(box.max.z <= shape_box(&full).max.z + 1e-9);
            CHECK_NEAR(box.min.z, 0, 1e-9, "m");
        } else {
            CHECK_EQ(err.code, ERR_GEOMETRY);
        }
        run_close(&run);
    }
}

static void block_make__refuses_what_would_be_nothing(void)
{
    struct run run;
    run_open(&run);
    const struct vec3 wall[4] = {{0, 0, 0}, {8, 0, 0}, {8, 0, 6}, {0, 0, 6}};
    feature_case_polygon(run.made, SURFACE_WALL, FEATURE_NONE, wall, 4, false);
    const struct shape full = make(&run);
    const struct block_options options = {.tolerance_m = 1};
    struct shape block;
    struct err err;
    CHECK_FAILS(block_make(&full, &options, &run.out, &run.scratch, &block, &err), &err,
                ERR_GEOMETRY);
    run_close(&run);
}

static void block_make__reports_every_failing_allocation(void)
{
    struct run run;
    run_open(&run);
    feature_case_box(run.made, 0, 0, 10, NULL);
    const struct vec2 plan[4] = {{2, 2}, {6, 2}, {6, 6}, {2, 6}};
    feature_case_prism(run.made, 1, plan, 4, 10, 40, NULL);
    const struct shape full = make(&run);
    const struct block_options options = {.tolerance_m = 0.5, .step_m = 2};
    for (int which = 0; which < 2; which++) {
        bool done = false;
        int failures = 0;
        for (size_t after = 1; !done; after++) {
            struct arena out;
            struct arena scratch;
            struct shape block;
            struct err err;
            arena_init(&out, (size_t)1 << 24);
            arena_init(&scratch, (size_t)1 << 24);
            (which == 0 ? &out : &scratch)->fail_after = after;
            done = block_make(&full, &options, &out, &scratch, &block, &err);
            if (!done) {
                CHECK(err.code == ERR_NOMEM || err.code == ERR_LIMIT);
                failures++;
            }
            arena_release(&out);
            arena_release(&scratch);
        }
        CHECK(failures >= 5);
    }
    run_close(&run);
}

/* The widest circle: of a street as wide as it is, of a crossing a little wider. */
static void footprint_width_m__is_that_of_the_widest_circle(void)
{
    const struct vec2 street[] = {{0, 0}, {300, 0}, {300, 8}, {0, 8}};
    const struct vec2 cross[] = {{-50, -4}, {-4, -4}, {-4, -50}, {4, -50}, {4, -4}, {50, -4},
                                 {50, 4},   {4, 4},   {4, 50},   {-4, 50}, {-4, 4}, {-50, 4}};
    const uint32_t street_ends[] = {4};
    const uint32_t cross_ends[] = {12};
    const double corner_m = 8 * sqrt(2); /* across the crossing, corner to corner */
    struct arena scratch;
    struct err err;
    double width_m;
    arena_init(&scratch, 1 << 20);
    CHECK_OK(
        footprint_width_m(&(struct ring_set){street, street_ends, 1}, &scratch, &width_m, &err),
        &err);
    CHECK(width_m >= 8 && width_m <= 8.9);
    CHECK_OK(footprint_width_m(&(struct ring_set){cross, cross_ends, 1}, &scratch, &width_m, &err),
             &err);
    CHECK(width_m >= corner_m - 1e-9 && width_m <= 1.12 * corner_m);
    CHECK_EQ(scratch.used_bytes, 0);
    arena_release(&scratch);
}

CHECK_MAIN(CHECK_TEST(footprint_width_m__is_that_of_the_widest_circle),
           CHECK_TEST(block_make__of_a_gable_has_the_least_error),
           CHECK_TEST(block_make__of_a_tower_on_a_podium_is_exact),
           CHECK_TEST(block_make__keeps_a_courtyard),
           CHECK_TEST(footprint_simplify__keeps_right_angles),
           CHECK_TEST(footprint_from_shape__unites_what_overlaps),
           CHECK_TEST(block_make__is_sound_on_random_solids),
           CHECK_TEST(block_make__refuses_what_would_be_nothing),
           CHECK_TEST(block_make__reports_every_failing_allocation))
