/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/crown.h"

#include "tests/check.h"
#include "tiler/crate.h"
#include "tiler/deviation.h"

enum { SIDES = 8, POINTS = 3 * SIDES + 2, TRIANGLES = 4 * SIDES + 2 * SIDES };

/* A turned thing: three rings between two points. */
struct turned {
    struct vec3 points[POINTS];
    uint32_t corners[3 * TRIANGLES];
    uint32_t triangle_faces[TRIANGLES];
    struct shape_face faces[TRIANGLES];
    struct shape shape;
    struct arena arena;
    struct arena scratch;
};

static void add(struct turned *t, uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t at = t->shape.triangle_count++;
    t->corners[3 * at] = a;
    t->corners[3 * at + 1] = b;
    t->corners[3 * at + 2] = c;
    t->triangle_faces[at] = at;
    t->faces[at] = (struct shape_face){
        .material = FEATURE_NONE,
        .texture = FEATURE_NONE,
        .normal = vec3_unit(
            vec3_cross(vec3_sub(t->points[b], t->points[a]), vec3_sub(t->points[c], t->points[a]))),
    };
}

/* Radii and heights of the rings; below and above them a point. */
static void turn(struct turned *t, const double radii[3], const double heights[3], double base_m,
                 double top_m)
{
    *t = (struct turned){.shape = {.points = t->points,
                                   .point_count = POINTS,
                                   .corners = t->corners,
                                   .triangle_faces = t->triangle_faces,
                                   .faces = t->faces,
                                   .is_closed = true}};
    for (uint32_t r = 0; r < 3; r++) {
        for (uint32_t i = 0; i < SIDES; i++) {
            const double angle = 2 * acos(-1) * i / SIDES;
            t->points[r * SIDES + i] =
                (struct vec3){100 + radii[r] * cos(angle), 50 + radii[r] * sin(angle), heights[r]};
        }
    }
    t->points[POINTS - 2] = (struct vec3){100, 50, base_m};
    t->points[POINTS - 1] = (struct vec3){100, 50, top_m};
    for (uint32_t i = 0; i < SIDES; i++) {
        const uint32_t next = (i + 1) % SIDES;
        add(t, next, i, POINTS - 2);
        add(t, 2 * SIDES + i, 2 * SIDES + next, POINTS - 1);
        for (uint32_t r = 0; r < 2 * SIDES; r += SIDES) {
            add(t, r + i, r + next, r + SIDES + next);
            add(t, r + i, r + SIDES + next, r + SIDES + i);
        }
    }
    t->shape.face_count = t->shape.triangle_count;
    arena_init(&t->arena, 1 << 20);
    arena_init(&t->scratch, 1 << 20);
}

static void release(struct turned *t)
{
    CHECK_EQ(t->scratch.used_bytes, 0);
    arena_release(&t->arena);
    arena_release(&t->scratch);
}

static const double tree_radii[3] = {0.2, 2.5, 1.8};
static const double tree_heights[3] = {2.5, 4.5, 6};

static double plan_m2(const struct shape *shape)
{
    double sum = 0;
    for (uint32_t t = 0; t < 4; t++) {
        const struct vec3 a = shape->points[shape->corners[3 * t]];
        const struct vec3 b = shape->points[shape->corners[3 * t + 1]];
        sum += ((a.x - 100) * (b.y - 50) - (b.x - 100) * (a.y - 50)) / 2;
    }
    return sum;
}

static void crown_make__stands_for_a_tree(void)
{
    struct turned t;
    struct shape crown;
    struct err err;
    struct deviation found;
    turn(&t, tree_radii, tree_heights, 0, 7);
    CHECK_OK(crown_make(&t.shape, &t.arena, &t.scratch, &crown, &err), &err);
    CHECK_EQ(crown.triangle_count, 8);
    CHECK(crown.is_closed);
    CHECK(shape_volume_m3(&crown) > 0);
    const struct box3 box = shape_box(&crown);
    CHECK_NEAR(box.min.z, 0, 1e-12, "m");
    CHECK_NEAR(box.max.z, 7, 1e-12, "m");
    CHECK_NEAR(crown.points[0].z, 4.5, 1e-12, "m");
    /* As large from above as the octagon. */
    CHECK_NEAR(plan_m2(&crown), SIDES / 2.0 * 2.5 * 2.5 * sin(acos(-1) / 4), 1e-9, "m2");
    CHECK_OK(deviation_measure(&t.shape, &crown, 0.01, 0.05, &t.scratch, &found, &err), &err);
    CHECK(found.upper_m < 1.2);
    release(&t);
}

static void crown_make__is_widest_where_the_thing_is(void)
{
    struct turned t;
    struct shape crown;
    struct err err;
    const double radii[3] = {0.1, 0.1, 1};
    const double heights[3] = {0.1, 8, 9};
    turn(&t, radii, heights, 0, 9.2);
    CHECK_OK(crown_make(&t.shape, &t.arena, &t.scratch, &crown, &err), &err);
    /* Kept a twentieth off the tip. */
    CHECK_NEAR(crown.points[0].z, 9.2 * 0.95, 1e-9, "m");
    release(&t);
}

static void crown_make__refuses_what_is_flat(void)
{
    struct turned t;
    struct shape crown = {.triangle_count = 7};
    struct err err;
    const double flat[3] = {0, 0, 0};
    turn(&t, tree_radii, flat, 0, 0);
    CHECK_FAILS(crown_make(&t.shape, &t.arena, &t.scratch, &crown, &err), &err, ERR_GEOMETRY);
    release(&t);
    turn(&t, flat, tree_heights, 0, 7);
    CHECK_FAILS(crown_make(&t.shape, &t.arena, &t.scratch, &crown, &err), &err, ERR_GEOMETRY);
    CHECK_EQ(crown.triangle_count, 7);
    release(&t);
}

static void crate_around__is_no_nearer_than_it_says(void)
{
    struct turned t;
    struct mass_prism box;
    struct shape shape;
    struct err err;
    struct deviation found;
    turn(&t, tree_radii, tree_heights, 0, 7);
    CHECK_OK(crate_around(&t.shape, &t.scratch, &box, &err), &err);
    CHECK_EQ(box.count, 4);
    CHECK_OK(crate_shape(&box, &t.arena, &shape, &err), &err);
    CHECK_OK(deviation_measure(&t.shape, &shape, 0.01, 0.05, &t.scratch, &found, &err), &err);
    CHECK(found.lower_m <= box.error_m);
    CHECK(box.error_m < shape_diameter_m(&t.shape));
    for (uint32_t f = 0; f < 5; f++) {
        const struct vec3 out =
            vec3_sub(shape.points[shape.corners[6 * f]], (struct vec3){100, 50, 3.5});
        CHECK(vec3_dot(out, shape.faces[f].normal) > 0);
    }
    release(&t);
    const double none[3] = {0, 0, 0};
    turn(&t, none, tree_heights, 0, 7);
    CHECK_OK(crate_around(&t.shape, &t.scratch, &box, &err), &err);
    CHECK(isinf(box.error_m));
    release(&t);
}

/* A floor does not count: what is in the middle of the box here is a floor. */
static void crate_around__does_not_lean_on_floors(void)
{
    struct vec3 points[8] = {{4.487, 3.333, 6.231}, {3, 7.2, 0}, {7, 5.2, 9}, {2, 1.1, 0},
                             {0, 7.1, 6},           {6, 7.2, 0}, {0, 0, 0},   {5, 2, 9}};
    uint32_t corners[9] = {0, 1, 2, 6, 0, 7, 3, 4, 5};
    uint32_t triangle_faces[3] = {0, 1, 2};
    struct shape_face faces[3] = {{.kind = SURFACE_GROUND, .normal = {0, 0, -1}},
                                  {.kind = SURFACE_GROUND, .normal = {0, 0, -1}},
                                  {.kind = SURFACE_UNKNOWN, .normal = {0, 0.7, 0.7}}};
    const struct shape thing = {.points = points,
                                .point_count = 8,
                                .corners = corners,
                                .triangle_faces = triangle_faces,
                                .triangle_count = 3,
                                .faces = faces,
                                .face_count = 3};
    struct arena arena;
    struct arena scratch;
    struct mass_prism box;
    struct shape shape;
    struct err err;
    struct deviation found;
    arena_init(&arena, 1 << 20);
    arena_init(&scratch, 1 << 20);
    CHECK_OK(crate_around(&thing, &scratch, &box, &err), &err);
    CHECK_OK(crate_shape(&box, &arena, &shape, &err), &err);
    CHECK_OK(deviation_measure(&thing, &shape, 0.01, 0.05, &scratch, &found, &err), &err);
    CHECK(found.lower_m <= box.error_m);
    arena_release(&arena);
    arena_release(&scratch);
}

static void crown__fails_cleanly_on_every_allocation(void)
{
    struct turned t;
    bool ok = false;
    turn(&t, tree_radii, tree_heights, 0, 7);
    for (size_t after = 1; !ok && after < 20; after++) {
        struct arena arena;
        struct arena scratch;
        struct shape crown;
        struct mass_prism box;
        struct err err = {0};
        arena_init(&arena, 1 << 20);
        arena_init(&scratch, 1 << 20);
        arena.fail_after = after;
        scratch.fail_after = after;
        ok = crown_make(&t.shape, &arena, &scratch, &crown, &err) &&
             crate_around(&t.shape, &scratch, &box, &err) &&
             crate_shape(&box, &arena, &crown, &err);
        CHECK(ok || err.code == ERR_NOMEM);
        CHECK_EQ(scratch.used_bytes, 0);
        arena_release(&arena);
        arena_release(&scratch);
    }
    CHECK(ok);
    release(&t);
}

CHECK_MAIN(CHECK_TEST(crown_make__stands_for_a_tree),
           CHECK_TEST(crown_make__is_widest_where_the_thing_is),
           CHECK_TEST(crown_make__refuses_what_is_flat),
           CHECK_TEST(crate_around__is_no_nearer_than_it_says),
           CHECK_TEST(crate_around__does_not_lean_on_floors),
           CHECK_TEST(crown__fails_cleanly_on_every_allocation))
