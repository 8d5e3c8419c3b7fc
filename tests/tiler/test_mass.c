/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/mass.h"

#include "tests/check.h"

enum { STEPS = 40 };

static struct mass_prism box_prism(double x, double y, double width, double depth, double height)
{
    return (struct mass_prism){
        .points = {{x, y}, {x + width, y}, {x + width, y + depth}, {x, y + depth}},
        .count = 4,
        .base_m = 0,
        .top_m = height,
    };
}

static struct mass mass_of(const struct mass_prism *prism)
{
    return (struct mass){.shape = *prism,
                         .parts = prism,
                         .part_count = 1,
                         .low_top_m = prism->top_m,
                         .high_top_m = prism->top_m,
                         .roof_m2 = mass_area_m2(prism),
                         .wall_m2 = 1};
}

static struct mass join(const struct mass *a, const struct mass *b, struct arena *arena)
{
    struct mass out;
    struct err err;
    double least_m;
    CHECK_OK(mass_join(a, b, INFINITY, arena, &out, &least_m, &err), &err);
    return out;
}

/* By hand, another way than the module's: clamped to each side's half plane. */
static double plan_distance(const struct mass_prism *prism, double x, double y)
{
    bool is_inside = true;
    double best = INFINITY;
    for (uint32_t i = 0; i < prism->count; i++) {
        const struct vec2 a = prism->points[i];
        const struct vec2 b = prism->points[(i + 1) % prism->count];
        const double length = hypot(b.x - a.x, b.y - a.y);
        const double ux = (b.x - a.x) / length;
        const double uy = (b.y - a.y) / length;
        const double along = fmin(length, fmax(0, (x - a.x) * ux + (y - a.y) * uy));
        is_inside = is_inside && ux * (y - a.y) - uy * (x - a.x) >= -1e-9;
        best = fmin(best, hypot(x - a.x - along * ux, y - a.y - along * uy));
    }
    return is_inside ? 0 : best;
}

static double solid_distance(const struct mass_prism *prism, double x, double y, double z)
{
    const double away = fmax(0, fmax(z - prism->top_m, prism->base_m - z));
    return hypot(plan_distance(prism, x, y), away);
}

/* The largest distance found between the solids by sampling both. */
static double sampled_m(const struct mass_prism *shape, const struct mass_prism *parts,
                        uint32_t count)
{
    double most = 0;
    double low[2] = {INFINITY, INFINITY};
    double high[2] = {-INFINITY, -INFINITY};
    for (uint32_t i = 0; i < shape->count; i++) {
        low[0] = fmin(low[0], shape->points[i].x);
        low[1] = fmin(low[1], shape->points[i].y);
        high[0] = fmax(high[0], shape->points[i].x);
        high[1] = fmax(high[1], shape->points[i].y);
    }
    for (int i = 0; i <= STEPS; i++) {
        for (int k = 0; k <= STEPS; k++) {
            const double x = low[0] + (high[0] - low[0]) * i / STEPS;
            const double y = low[1] + (high[1] - low[1]) * k / STEPS;
            if (plan_distance(shape, x, y) > 0) {
                continue;
            }
            const double heights[2] = {shape->base_m, shape->top_m};
            for (int h = 0; h < 2; h++) {
                double nearest = INFINITY;
                for (uint32_t p = 0; p < count; p++) {
                    nearest = fmin(nearest, solid_distance(&parts[p], x, y, heights[h]));
                }
                most = fmax(most, nearest);
            }
        }
    }
    for (uint32_t p = 0; p < count; p++) {
        for (uint32_t i = 0; i < parts[p].count; i++) {
            const struct vec2 at = parts[p].points[i];
            most = fmax(most, solid_distance(shape, at.x, at.y, parts[p].top_m));
            most = fmax(most, solid_distance(shape, at.x, at.y, parts[p].base_m));
        }
    }
    return most;
}

static void mass_join__counts_a_gap_with_half_its_width(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct mass_prism west = box_prism(0, 0, 10, 12, 9);
    const struct mass_prism east = box_prism(14, 0, 10, 12, 9);
    const struct mass a = mass_of(&west);
    const struct mass b = mass_of(&east);
    CHECK_NEAR(mass_gap_m(&a, &b), 4, 1e-9, "m");
    CHECK_NEAR(mass_join_least_m(&a, &b), 2, 1e-9, "m");
    const struct mass joined = join(&a, &b, &arena);
    CHECK_EQ(joined.shape.count, 4);
    CHECK_NEAR(mass_area_m2(&joined.shape), 24 * 12, 1e-6, "m2");
    CHECK(joined.shape.error_m >= 2);
    CHECK(joined.shape.error_m <= 2 * 1.1 + 0.05);
    arena_release(&arena);
}

static void mass_join__stands_between_two_heights(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct mass_prism low = box_prism(0, 0, 10, 12, 9);
    const struct mass_prism high = box_prism(10, 0, 10, 12, 13);
    const struct mass a = mass_of(&low);
    const struct mass b = mass_of(&high);
    const struct mass joined = join(&a, &b, &arena);
    CHECK_NEAR(joined.shape.top_m, 11, 1e-9, "m");
    CHECK(joined.shape.error_m >= 2 && joined.shape.error_m <= 2.25);
    arena_release(&arena);
}

static void mass_join__mixes_colours_by_area(void)
{
    const struct paint white = {{60000, 60000, 60000, 65535}};
    const struct paint black = {{0, 0, 0, 65535}};
    const struct paint mean = mass_mix(white, 10, black, 30);
    CHECK_EQ(mean.color[0], 15000);
    CHECK_EQ(mean.color[3], 65535);
}

static uint32_t seed = 7;

static double random_between(double low, double high)
{
    seed = seed * 1664525u + 1013904223u;
    return low + (high - low) * (seed >> 8) / (1 << 24);
}

/* Never below what sampling finds, and not far above it. */
static void mass_measure_m__bounds_what_sampling_finds(void)
{
    for (int round = 0; round < 60; round++) {
        struct mass_prism parts[8];
        const uint32_t count = 2 + (uint32_t)(round % 7);
        const double spread = random_between(10, 60);
        struct mass_prism shape = box_prism(0, 0, spread + 20, spread + 20, 0);
        shape.top_m = random_between(6, 20);
        for (uint32_t i = 0; i < count; i++) {
            parts[i] =
                box_prism(random_between(0, spread), random_between(0, spread),
                          random_between(4, 20), random_between(4, 20), random_between(4, 25));
            parts[i].base_m = random_between(0, 2);
        }
        const double sampled = sampled_m(&shape, parts, count);
        const double bound = mass_measure_m(&shape, parts, count);
        CHECK(bound >= sampled - 1e-9);
        /* The steps of the grid miss some of it. */
        CHECK(bound <= 1.25 * sampled + 1.5 * (spread + 20) / STEPS + 0.1);
    }
}

/* Parts are replaced by coarser ones; what is told holds against all of them. */
static void mass_join__keeps_its_word_over_many_parts(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 24);
    enum { COUNT = 96 };
    struct mass_prism parts[COUNT];
    struct mass masses[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        parts[i] = box_prism(14 * (i % 12) + random_between(0, 4), 16 * (i / 12), 9, 12,
                             random_between(8, 11));
        masses[i] = mass_of(&parts[i]);
    }
    struct mass all = masses[0];
    for (uint32_t i = 1; i < COUNT; i++) {
        all = join(&all, &masses[i], &arena);
        CHECK(all.part_count <= MASS_PARTS_MAX);
        if (i % 48 == 47) {
            CHECK(all.shape.error_m >= sampled_m(&all.shape, parts, i + 1) - 1e-9);
        }
    }
    /* In a bad order, with parts that stand for two or three of them. */
    CHECK(all.shape.error_m < 2 * sampled_m(&all.shape, parts, COUNT));
    arena_release(&arena);
}

/* A shed beside a tower is left out: that errs by how far it stands out. */
static void mass_join__leaves_low_things_beside_high_ones(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct mass_prism low = box_prism(30, 5, 6, 10, 5);
    const struct mass_prism high = box_prism(0, 0, 30, 30, 90);
    const struct mass a = mass_of(&low);
    const struct mass b = mass_of(&high);
    CHECK(mass_join_least_m(&a, &b) <= 6 + 1e-9);
    const struct mass joined = join(&a, &b, &arena);
    CHECK_NEAR(joined.shape.top_m, 90, 1e-9, "m");
    CHECK_NEAR(mass_area_m2(&joined.shape), 900, 1e-6, "m2");
    CHECK_NEAR(joined.shape.error_m, 6, 1e-9, "m");
    CHECK_EQ(joined.part_count, 2);
    CHECK(joined.parts[0].is_beside && !joined.parts[1].is_beside);

    /* What is joined to it later does not have to hold the shed. */
    const struct mass_prism next = box_prism(0, -32, 30, 30, 92);
    const struct mass c = mass_of(&next);
    const struct mass both = join(&joined, &c, &arena);
    const struct mass_prism all[3] = {low, high, next};
    CHECK_NEAR(mass_area_m2(&both.shape), 30 * 62, 1e-6, "m2");
    CHECK_NEAR(both.shape.top_m, 91, 1e-9, "m");
    CHECK(both.shape.error_m >= sampled_m(&both.shape, all, 3) - 1e-9);
    CHECK(both.shape.error_m <= 6 * 1.1 + 0.05);
    arena_release(&arena);
}

/* Whatever joins whatever, the error is never less than what sampling finds. */
static void mass_join__keeps_its_word_in_any_order(void)
{
    enum { COUNT = 12 };
    for (int round = 0; round < 10; round++) {
        struct arena arena;
        arena_init(&arena, 1 << 22);
        struct mass_prism parts[COUNT];
        struct mass all = {0};
        for (uint32_t i = 0; i < COUNT; i++) {
            const bool is_tower = random_between(0, 1) < 0.3;
            parts[i] = box_prism(random_between(0, 80), random_between(0, 80),
                                 random_between(3, 25), random_between(3, 25),
                                 is_tower ? random_between(40, 90) : random_between(3, 20));
            const struct mass one = mass_of(&parts[i]);
            all = i == 0 ? one : join(&one, &all, &arena);
            CHECK(all.shape.error_m >= sampled_m(&all.shape, parts, i + 1) - 1e-9);
        }
        arena_release(&arena);
    }
}

static double cut_area_m2(const struct ring_set *plan, uint32_t *out_count)
{
    struct arena arena;
    struct arena scratch;
    struct err err;
    struct mass *masses;
    arena_init(&arena, 1 << 20);
    arena_init(&scratch, 1 << 20);
    CHECK_OK(mass_from_plan(plan, 0, 5, 0.1, 24, &arena, &scratch, &masses, out_count, &err), &err);
    CHECK_EQ(scratch.used_bytes, 0);
    double area = 0;
    for (uint32_t i = 0; i < *out_count; i++) {
        area += mass_area_m2(&masses[i].shape);
        CHECK(masses[i].shape.error_m >= 0.1);
    }
    arena_release(&arena);
    arena_release(&scratch);
    return area;
}

static void mass_from_plan__makes_convex_pieces_of_the_same_area(void)
{
    const struct vec2 bent[] = {{0, 0}, {20, 0}, {20, 8}, {8, 8}, {8, 24}, {0, 24}};
    const struct vec2 court[] = {{0, 0}, {30, 0}, {30, 30}, {0, 30},
                                 {8, 8}, {8, 22}, {22, 22}, {22, 8}};
    const uint32_t bent_ends[] = {6};
    const uint32_t court_ends[] = {4, 8};
    uint32_t count;
    CHECK_NEAR(cut_area_m2(&(struct ring_set){bent, bent_ends, 1}, &count), 288, 0.1, "m2");
    CHECK_EQ(count, 2);
    CHECK_NEAR(cut_area_m2(&(struct ring_set){court, court_ends, 2}, &count), 704, 0.1, "m2");
    CHECK(count >= 4 && count <= 6);
}

static void mass_hides_wall__knows_party_walls(void)
{
    const struct mass_prism low = box_prism(0, 0, 10, 10, 8);
    const struct mass_prism high = box_prism(10, -2, 10, 14, 12);
    CHECK(mass_hides_wall(&high, &low, 1));  /* the east wall of the low one */
    CHECK(!mass_hides_wall(&high, &low, 0)); /* its south wall */
    CHECK(!mass_hides_wall(&low, &high, 3)); /* the high one's west wall looks over it */
    CHECK(!mass_plans_overlap(&low, &high, 0.01));
    const struct mass_prism across = box_prism(5, 5, 10, 10, 8);
    CHECK(mass_plans_overlap(&low, &across, 0.01));
}

CHECK_MAIN(CHECK_TEST(mass_join__counts_a_gap_with_half_its_width),
           CHECK_TEST(mass_join__stands_between_two_heights),
           CHECK_TEST(mass_join__mixes_colours_by_area),
           CHECK_TEST(mass_measure_m__bounds_what_sampling_finds),
           CHECK_TEST(mass_join__keeps_its_word_over_many_parts),
           CHECK_TEST(mass_join__leaves_low_things_beside_high_ones),
           CHECK_TEST(mass_join__keeps_its_word_in_any_order),
           CHECK_TEST(mass_from_plan__makes_convex_pieces_of_the_same_area),
           CHECK_TEST(mass_hides_wall__knows_party_walls))
