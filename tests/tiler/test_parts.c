/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/parts.h"

#include "tests/tiler/feature_case.h"
#include "tiler/thin.h"

struct facade {
    struct feature_case *c;
    struct arena arena;
    struct arena scratch;
    struct shape shape;
};

static struct facade facade_open(void)
{
    struct facade f = {.c = feature_case_open()};
    arena_init(&f.arena, 1 << 26);
    arena_init(&f.scratch, 1 << 26);
    return f;
}

static void facade_shape(struct facade *f)
{
    struct err err;
    CHECK_OK(shape_from_feature(&f->c->feature, 0, f->c->placed, &f->arena, &f->scratch, NULL,
                                &f->shape, &err),
             &err);
}

static void facade_close(struct facade *f)
{
    arena_release(&f->arena);
    arena_release(&f->scratch);
    free(f->c);
}

static struct shape drop(struct facade *f, double size_m, uint32_t expected_count)
{
    struct shape out = {0};
    uint32_t count = 0;
    struct err err;
    CHECK_OK(parts_drop(&f->shape, size_m, NULL, &f->arena, &f->scratch, &out, NULL, &count, &err),
             &err);
    CHECK_EQ(f->scratch.used_bytes, 0);
    CHECK_EQ(count, expected_count);
    check_shape(&out);
    return out;
}

/* A rectangle in the plane y = y: from left to right, low to high, seen from
 * the south. */
static void rectangle(double left, double low, double right, double high, double y,
                      struct vec3 out[4])
{
    out[0] = (struct vec3){left, y, low};
    out[1] = (struct vec3){right, y, low};
    out[2] = (struct vec3){right, y, high};
    out[3] = (struct vec3){left, y, high};
}

/* A wall with an opening of 1.2 x 1.5 m. */
static void add_wall(struct facade *f)
{
    struct vec3 ring[4];
    rectangle(0, 0, 10, 3, 0, ring);
    feature_case_polygon(f->c, SURFACE_WALL, FEATURE_NONE, ring, 4, false);
    rectangle(4, 1, 5.2, 2.5, 0, ring);
    feature_case_hole(f->c, ring, 4, true);
}

static void add_box(struct facade *f, struct vec3 at, double size)
{
    const struct vec2 plan[4] = {
        {at.x, at.y}, {at.x + size, at.y}, {at.x + size, at.y + size}, {at.x, at.y + size}};
    feature_case_prism(f->c, FEATURE_NONE, plan, 4, at.z, at.z + size, NULL);
}

static void parts_drop__makes_a_window_a_part_of_its_wall(void)
{
    struct facade f = facade_open();
    struct vec3 ring[4];
    add_wall(&f);
    rectangle(4, 1, 5.2, 2.5, 0, ring);
    feature_case_polygon(f.c, SURFACE_WINDOW, FEATURE_NONE, ring, 4, false);
    facade_shape(&f);
    CHECK_NEAR(shape_kind_area_m2(&f.shape, SURFACE_WINDOW), 1.8, 1e-9, "m2");
    drop(&f, 1.9, 0); /* it is 1.92 m across */
    const struct shape out = drop(&f, 2, 1);
    CHECK_NEAR(shape_kind_area_m2(&out, SURFACE_WALL), 30, 1e-9, "m2");
    CHECK_EQ(out.triangle_count, f.shape.triangle_count);
    facade_close(&f);
}

/* ... even where it lies in a niche: the niche stays, as wall. */
static void parts_drop__opens_no_hole_behind_a_window(void)
{
    struct facade f = facade_open();
    struct vec3 outer[4];
    struct vec3 inner[4];
    add_wall(&f);
    rectangle(4, 1, 5.2, 2.5, 0, outer);
    rectangle(4, 1, 5.2, 2.5, 0.2, inner);
    feature_case_polygon(f.c, SURFACE_WINDOW, FEATURE_NONE, inner, 4, false);
    for (int i = 0; i < 4; i++) {
        const int next = (i + 1) % 4;
        const struct vec3 reveal[4] = {outer[i], outer[next], inner[next], inner[i]};
        feature_case_polygon(f.c, SURFACE_WALL, FEATURE_NONE, reveal, 4, false);
    }
    facade_shape(&f);
    const struct shape out = drop(&f, 2, 1);
    CHECK_NEAR(shape_kind_area_m2(&out, SURFACE_WINDOW), 0, 1e-9, "m2");
    CHECK_NEAR(shape_area_m2(&out), shape_area_m2(&f.shape), 1e-9, "m2");
    facade_close(&f);
}

/* A pane that shares no corner with its opening may be all that fills it. */
static void parts_drop__keeps_what_may_fill_a_hole(void)
{
    struct facade f = facade_open();
    struct vec3 ring[4];
    add_wall(&f);
    rectangle(4.01, 1.01, 5.19, 2.49, 0.05, ring);
    feature_case_polygon(f.c, SURFACE_WINDOW, FEATURE_NONE, ring, 4, false);
    facade_shape(&f);
    drop(&f, 3, 0);
    facade_close(&f);
}

static void parts_drop__leaves_out_a_lamp_but_not_a_row_of_panels(void)
{
    struct facade f = facade_open();
    add_box(&f, (struct vec3){0, 0, 0}, 20);
    add_box(&f, (struct vec3){-2, -2, 4}, 0.3);
    for (int i = 0; i < 10; i++) { /* a centimetre between them */
        add_box(&f, (struct vec3){1.01 * i, -1.5, 8}, 1);
    }
    facade_shape(&f);
    drop(&f, 0.5, 0);
    const struct shape out = drop(&f, 2, 1);
    CHECK_EQ(out.triangle_count, f.shape.triangle_count - 12);
    CHECK(is_watertight(&out));
    CHECK_NEAR(shape_box(&out).min.x, 0, 1e-9, "m");
    drop(&f, 12, 11);
    facade_close(&f);
}

static void parts_drop__keeps_pieces_with_locked_points(void)
{
    struct facade f = facade_open();
    add_box(&f, (struct vec3){0, 0, 0}, 20);
    add_box(&f, (struct vec3){-2, -2, 4}, 0.3);
    facade_shape(&f);
    uint8_t is_locked[64] = {0};
    for (uint32_t p = 0; p < f.shape.point_count; p++) {
        is_locked[p] = f.shape.points[p].x == -2;
    }
    struct shape out;
    uint32_t count = 9;
    uint32_t *sources;
    struct err err;
    CHECK_OK(parts_drop(&f.shape, 2, is_locked, &f.arena, &f.scratch, &out, &sources, &count, &err),
             &err);
    CHECK_EQ(count, 0);
    CHECK(sources == NULL);
    CHECK(out.corners == f.shape.corners);
    facade_close(&f);
}

static void parts_drop__refuses_when_all_is_small(void)
{
    struct facade f = facade_open();
    add_box(&f, (struct vec3){0, 0, 0}, 1);
    facade_shape(&f);
    struct shape out;
    uint32_t count;
    struct err err;
    CHECK_FAILS(parts_drop(&f.shape, 5, NULL, &f.arena, &f.scratch, &out, NULL, &count, &err), &err,
                ERR_GEOMETRY);
    CHECK_EQ(f.scratch.used_bytes, 0);
    facade_close(&f);
}

/* All together: a box with a lamp and a grid of windows comes down to a box. */
static void thin_next__leaves_the_building(void)
{
    struct facade f = facade_open();
    struct vec3 ring[4];
    const struct vec2 plan[4] = {{0, 0}, {20, 0}, {20, 12}, {0, 12}};
    feature_case_prism(f.c, FEATURE_NONE, plan, 4, 0, 15, NULL);
    /* The south wall again, with openings and what is in them. */
    struct feature *feature = &f.c->feature;
    f.c->polygons[2] = f.c->polygons[feature->polygon_count - 1];
    feature->polygon_count--;
    f.c->lods[0].polygon_count--;
    rectangle(0, 0, 20, 15, 0, ring);
    feature_case_polygon(f.c, SURFACE_WALL, FEATURE_NONE, ring, 4, false);
    for (int i = 0; i < 30; i++) {
        rectangle(1 + 3 * (i % 6), 1 + 2.5 * (i / 6), 2 + 3 * (i % 6), 2.2 + 2.5 * (i / 6), 0,
                  ring);
        feature_case_hole(f.c, ring, 4, true);
    }
    for (int i = 0; i < 30; i++) {
        rectangle(1 + 3 * (i % 6), 1 + 2.5 * (i / 6), 2 + 3 * (i % 6), 2.2 + 2.5 * (i / 6), 0,
                  ring);
        feature_case_polygon(f.c, SURFACE_WINDOW, FEATURE_NONE, ring, 4, false);
    }
    add_box(&f, (struct vec3){5, 5, 15.5}, 0.4);
    facade_shape(&f);
    CHECK(is_watertight(&f.shape));
    struct shape out;
    struct err err;
    struct thin thin;
    struct arena ladder;
    arena_init(&ladder, (size_t)1 << 24);
    thin_init(&thin, &f.shape, &ladder);
    /* Too little for the windows, enough for the lamp, then for all: a ladder ends
     * where a single step does. */
    CHECK_OK(thin_next(&thin, 0.1, &f.arena, &f.scratch, &out, &err), &err);
    CHECK_EQ(out.triangle_count, f.shape.triangle_count);
    CHECK_OK(thin_next(&thin, 1, &f.arena, &f.scratch, &out, &err), &err);
    CHECK(is_watertight(&out));
    CHECK_OK(thin_next(&thin, 2, &f.arena, &f.scratch, &out, &err), &err);
    arena_release(&ladder);
    check_shape(&out);
    CHECK(is_watertight(&out));
    CHECK_EQ(out.triangle_count, 12);
    CHECK_NEAR(shape_volume_m3(&out), 20 * 12 * 15, 1e-6, "m3");
    facade_close(&f);
}

static void parts_drop__fails_cleanly_on_every_allocation(void)
{
    struct facade f = facade_open();
    add_box(&f, (struct vec3){0, 0, 0}, 20);
    add_box(&f, (struct vec3){-2, -2, 4}, 0.3);
    add_wall(&f);
    facade_shape(&f);
    for (int which = 0; which < 2; which++) {
        bool ok = false;
        size_t after = 1;
        for (; !ok && after < 100; after++) {
            struct arena arenas[2];
            struct shape out;
            uint32_t count;
            struct err err = {0};
            arena_init(&arenas[0], 1 << 20);
            arena_init(&arenas[1], 1 << 20);
            arenas[which].fail_after = after;
            ok = parts_drop(&f.shape, 1, NULL, &arenas[0], &arenas[1], &out, NULL, &count, &err);
            CHECK(ok || err.code == ERR_NOMEM);
            CHECK_EQ(arenas[1].used_bytes, 0);
            arena_release(&arenas[0]);
            arena_release(&arenas[1]);
        }
        CHECK(ok && after > 5);
    }
    facade_close(&f);
}

CHECK_MAIN(CHECK_TEST(parts_drop__makes_a_window_a_part_of_its_wall),
           CHECK_TEST(parts_drop__opens_no_hole_behind_a_window),
           CHECK_TEST(parts_drop__keeps_what_may_fill_a_hole),
           CHECK_TEST(parts_drop__leaves_out_a_lamp_but_not_a_row_of_panels),
           CHECK_TEST(parts_drop__keeps_pieces_with_locked_points),
           CHECK_TEST(parts_drop__refuses_when_all_is_small),
           CHECK_TEST(thin_next__leaves_the_building),
           CHECK_TEST(parts_drop__fails_cleanly_on_every_allocation))
