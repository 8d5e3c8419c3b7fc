/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/shape.h"

#include "tests/check.h"
#include "tests/tiler/feature_case.h"

static const double TURN = 6.283185307179586;

struct run {
    struct feature_case *made;
    struct arena out;
    struct arena scratch;
    struct report report;
};

static void run_open(struct run *run)
{
    struct err err;
    run->made = feature_case_open();
    arena_init(&run->out, (size_t)1 << 28);
    arena_init(&run->scratch, (size_t)1 << 28);
    CHECK_OK(report_open(&run->report, NULL, &err), &err);
}

static void run_close(struct run *run)
{
    struct err err;
    CHECK_OK(report_close(&run->report, &err), &err);
    arena_release(&run->out);
    arena_release(&run->scratch);
    free(run->made);
}

static struct shape make(struct run *run)
{
    struct shape shape;
    struct err err;
    CHECK_OK(shape_from_feature(&run->made->feature, 0, run->made->placed, &run->out, &run->scratch,
                                &run->report, &shape, &err),
             &err);
    CHECK_EQ(run->scratch.used_bytes, 0);
    check_shape(&shape);
    return shape;
}

static uint64_t told(const struct run *run, const char *kind)
{
    for (size_t i = 0; i < run->report.kind_count; i++) {
        if (strcmp(run->report.kinds[i].name, kind) == 0) {
            return run->report.kinds[i].count;
        }
    }
    return 0;
}

static void shape__of_a_cube_is_whole(void)
{
    struct run run;
    run_open(&run);
    feature_case_box(run.made, 0, 0, 10, NULL);
    const struct shape shape = make(&run);
    CHECK_EQ(shape.point_count, 8);
    CHECK_EQ(shape.triangle_count, 12);
    CHECK_EQ(shape.face_count, 6);
    CHECK(shape.is_closed);
    CHECK(is_watertight(&shape));
    CHECK(shape.uvs == NULL);
    CHECK_NEAR(shape_area_m2(&shape), 600, 1e-9, "m2");
    CHECK_NEAR(shape_kind_area_m2(&shape, SURFACE_WALL), 400, 1e-9, "m2");
    CHECK_NEAR(shape_volume_m3(&shape), 1000, 1e-9, "m3");
    CHECK_NEAR(shape_diameter_m(&shape), 10 * sqrt(3), 1e-9, "m");
    CHECK_EQ(run.report.kind_count, 0);
    run_close(&run);
}

/* Whatever way round the source has them. */
static void shape__of_a_solid_faces_outward(void)
{
    uint64_t state = 99;
    for (int round = 0; round < 200; round++) {
        struct run run;
        run_open(&run);
        struct vec2 plan[40];
        const uint32_t count = 3 + (uint32_t)(polygon_random(&state) % 30);
        polygon_star(plan, count, (struct vec2){500, -300}, 5, 20, &state);
        feature_case_prism(run.made, round % 2 == 0 ? 0 : FEATURE_NONE, plan, count, 3, 15, &state);
        feature_case_turn(run.made, 0.1 * round);
        const struct shape shape = make(&run);
        const double area = ring_area(plan, count);
        CHECK(shape.is_closed);
        CHECK(is_watertight(&shape));
        CHECK_NEAR(shape_volume_m3(&shape), 12 * area, 1e-7 * area, "m3");
        CHECK_NEAR(shape_area_m2(&shape), 2 * area + 12 * ring_length(plan, count), 1e-7 * area,
                   "m2");
        CHECK_EQ(told(&run, "orientation") <= 1, true);
        run_close(&run);
    }
}

static void shape__inside_out_is_turned_and_told(void)
{
    struct run run;
    run_open(&run);
    feature_case_box(run.made, 0, -4, 6, NULL);
    /* Each ring the other way. */
    struct feature_case *back = feature_case_open();
    for (size_t p = 0; p < run.made->feature.polygon_count; p++) {
        const struct feature_ring ring = run.made->rings[p];
        feature_case_polygon(back, run.made->polygons[p].kind, 0,
                             run.made->placed + ring.first_corner, ring.corner_count, true);
    }
    free(run.made);
    run.made = back;
    const struct shape shape = make(&run);
    CHECK_NEAR(shape_volume_m3(&shape), 1000, 1e-9, "m3");
    CHECK_EQ(told(&run, "orientation"), 1);
    for (uint32_t f = 0; f < shape.face_count; f++) {
        if (shape.faces[f].kind == SURFACE_ROOF) {
            CHECK_NEAR(shape.faces[f].normal.z, 1, 1e-12, "");
        }
    }
    run_close(&run);
}

static void shape__of_a_void_faces_into_it(void)
{
    uint64_t state = 5;
    for (int round = 0; round < 20; round++) {
        struct run run;
        run_open(&run);
        run.made->shells[1].is_inner = true;
        feature_case_box(run.made, 0, 0, 10, &state);
        feature_case_box(run.made, 1, 4, 6, &state);
        const struct shape shape = make(&run);
        CHECK(shape.is_closed);
        CHECK_NEAR(shape_volume_m3(&shape), 1000 - 8, 1e-9, "m3");
        run_close(&run);
    }
}

static void shape__of_a_shell_without_floor_faces_outward(void)
{
    uint64_t state = 8;
    for (int round = 0; round < 50; round++) {
        struct run run;
        run_open(&run);
        feature_case_box(run.made, 0, 0, 10, &state);
        /* The second polygon is the floor: off the level it goes. */
        run.made->polygons[1] = run.made->polygons[0];
        run.made->lods[0].first_polygon = 1;
        run.made->lods[0].polygon_count--;
        const struct shape shape = make(&run);
        CHECK(!shape.is_closed);
        for (uint32_t t = 0; t < shape.triangle_count; t++) {
            const struct vec3 a = shape.points[shape.corners[3 * t]];
            const struct vec3 b = shape.points[shape.corners[3 * t + 1]];
            const struct vec3 c = shape.points[shape.corners[3 * t + 2]];
            const struct vec3 across = vec3_cross(vec3_sub(b, a), vec3_sub(c, a));
            const struct vec3 out = vec3_sub(a, (struct vec3){5, 5, 5});
            CHECK(vec3_dot(across, out) > 0);
            CHECK(vec3_dot(across, shape.faces[shape.triangle_faces[t]].normal) > 0);
        }
        run_close(&run);
    }
}

/* Roofs do not look down, grounds do not look up; a wall alone may face either
 * way, and stays. */
static void shape__of_bare_surfaces_keeps_the_sources_word(void)
{
    struct run run;
    run_open(&run);
    const struct vec3 flat[4] = {{0, 0, 9}, {4, 0, 9}, {4, 4, 9}, {0, 4, 9}};
    const struct vec3 low[4] = {{0, 0, 0}, {4, 0, 0}, {4, 4, 0}, {0, 4, 0}};
    const struct vec3 wall[4] = {{20, 0, 0}, {24, 0, 0}, {24, 0, 5}, {20, 0, 5}};
    feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, flat, 4, true);
    feature_case_polygon(run.made, SURFACE_GROUND, FEATURE_NONE, low, 4, false);
    feature_case_polygon(run.made, SURFACE_WALL, FEATURE_NONE, wall, 4, true);
    const struct shape shape = make(&run);
    CHECK_NEAR(shape.faces[0].normal.z, 1, 1e-12, "");
    CHECK_NEAR(shape.faces[1].normal.z, -1, 1e-12, "");
    CHECK_NEAR(shape.faces[2].normal.y, 1, 1e-12, "");
    CHECK_EQ(told(&run, "orientation"), 1);
    CHECK(!shape.is_closed);
    run_close(&run);
}

/*
 * Two roofs over one wall's top edge: the wall has the point between them
 * though it is straight there. With one roof it is not needed.
 */
static void shape__keeps_a_straight_point_that_a_neighbor_needs(void)
{
    for (int roofs = 1; roofs <= 2; roofs++) {
        struct run run;
        run_open(&run);
        const struct vec3 wall[5] = {{0, 0, 0}, {8, 0, 0}, {8, 0, 6}, {4, 0, 6}, {0, 0, 6}};
        const struct vec3 whole[5] = {{0, 0, 6}, {4, 0, 6}, {8, 0, 6}, {8, 5, 6}, {0, 5, 6}};
        const struct vec3 left[4] = {{0, 0, 6}, {4, 0, 6}, {4, 5, 6}, {0, 5, 6}};
        const struct vec3 right[4] = {{4, 0, 6}, {8, 0, 6}, {8, 5, 7}, {4, 5, 7}};
        feature_case_polygon(run.made, SURFACE_WALL, FEATURE_NONE, wall, 5, false);
        if (roofs == 1) {
            feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, whole, 5, false);
        } else {
            feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, left, 4, false);
            feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, right, 4, false);
        }
        const struct shape shape = make(&run);
        uint32_t wall_triangles = 0;
        for (uint32_t t = 0; t < shape.triangle_count; t++) {
            wall_triangles += shape.faces[shape.triangle_faces[t]].kind == SURFACE_WALL;
        }
        CHECK_EQ(wall_triangles, roofs == 1 ? 2 : 3);
        CHECK_NEAR(shape_kind_area_m2(&shape, SURFACE_WALL), 48, 1e-9, "m2");
        run_close(&run);
    }
}

/* Each point of a finely divided circle is straight between its neighbours;
 * all of them together are not. */
static void shape__keeps_a_fine_curve(void)
{
    struct run run;
    run_open(&run);
    static struct vec3 circle[4000];
    const size_t count = 4000;
    for (size_t i = 0; i < count; i++) {
        const double angle = TURN * (double)i / (double)count;
        circle[i] = (struct vec3){cos(angle), sin(angle), 2};
    }
    feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, circle, count, false);
    const struct shape shape = make(&run);
    CHECK_NEAR(shape_area_m2(&shape), TURN / 2, TURN * SHAPE_STRAIGHT_M, "m2");
    for (uint32_t p = 0; p < shape.point_count; p++) {
        CHECK_NEAR(hypot(shape.points[p].x, shape.points[p].y), 1, 1e-12, "m");
    }
    run_close(&run);
}

static void shape__cuts_holes_whatever_way_they_run(void)
{
    for (int way = 0; way < 4; way++) {
        struct run run;
        run_open(&run);
        const struct vec3 wall[4] = {{0, 0, 0}, {8, 0, 0}, {8, 0, 6}, {0, 0, 6}};
        const struct vec3 window[4] = {{2, 0, 2}, {4, 0, 2}, {4, 0, 4}, {2, 0, 4}};
        feature_case_polygon(run.made, SURFACE_WALL, FEATURE_NONE, wall, 4, (way & 1) != 0);
        feature_case_hole(run.made, window, 4, (way & 2) != 0);
        const struct shape shape = make(&run);
        CHECK_NEAR(shape_area_m2(&shape), 44, 1e-9, "m2");
        CHECK_EQ(shape.triangle_count, 8);
        CHECK_NEAR(shape.faces[0].normal.y, (way & 1) != 0 ? 1 : -1, 1e-12, "");
        run_close(&run);
    }
}

/* A wall with a window set into it: the window's edges and the hole's meet. */
static void shape__closes_over_a_hole_and_its_filling(void)
{
    uint64_t state = 31;
    for (int round = 0; round < 20; round++) {
        struct run run;
        run_open(&run);
        const struct vec3 window[4] = {{2, 2, 10}, {4, 2, 10}, {4, 4, 10}, {2, 4, 10}};
        feature_case_box(run.made, 0, 0, 10, &state);
        /* The hole goes into the roof, which was the first polygon. */
        struct feature_case *holed = feature_case_open();
        for (size_t p = 0; p < run.made->feature.polygon_count; p++) {
            const struct feature_ring ring = run.made->rings[p];
            feature_case_polygon(holed, run.made->polygons[p].kind, 0,
                                 run.made->placed + ring.first_corner, ring.corner_count, false);
            if (p == 0) {
                feature_case_hole(holed, window, 4, feature_case_coin(&state));
            }
        }
        free(run.made);
        run.made = holed;
        feature_case_polygon(run.made, SURFACE_WINDOW, 0, window, 4, feature_case_coin(&state));
        const struct shape shape = make(&run);
        CHECK(shape.is_closed);
        CHECK(is_watertight(&shape));
        CHECK_NEAR(shape_volume_m3(&shape), 1000, 1e-9, "m3");
        CHECK_NEAR(shape_kind_area_m2(&shape, SURFACE_WINDOW), 4, 1e-9, "m2");
        run_close(&run);
    }
}

static void shape__leaves_out_and_tells_what_has_no_area(void)
{
    struct run run;
    run_open(&run);
    const struct vec3 line[3] = {{0, 0, 0}, {1, 1, 1}, {2, 2, 2}};
    const struct vec3 same[4] = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}};
    const struct vec3 two[2] = {{0, 0, 0}, {1, 0, 0}};
    feature_case_polygon(run.made, SURFACE_WALL, FEATURE_NONE, line, 3, false);
    feature_case_polygon(run.made, SURFACE_WALL, FEATURE_NONE, same, 4, false);
    feature_case_polygon(run.made, SURFACE_WALL, FEATURE_NONE, two, 2, false);
    struct shape shape;
    struct err err;
    CHECK_FAILS(shape_from_feature(&run.made->feature, 0, run.made->placed, &run.out, &run.scratch,
                                   &run.report, &shape, &err),
                &err, ERR_GEOMETRY);
    const struct vec3 whole[3] = {{0, 0, 0}, {1, 0, 0}, {0, 1, 0}};
    feature_case_polygon(run.made, SURFACE_WALL, FEATURE_NONE, whole, 3, false);
    shape = make(&run);
    CHECK_EQ(shape.triangle_count, 1);
    CHECK_EQ(shape.faces[0].polygon, 3);
    CHECK_EQ(told(&run, "polygon-without-area"), 1);
    CHECK_EQ(run.report.kinds[0].first.line, 7);
    CHECK_TEXT(run.report.kinds[0].first.feature, "case");
    run_close(&run);
}

static void shape__draws_a_crossing_polygon_and_tells(void)
{
    struct run run;
    run_open(&run);
    const struct vec3 bow[4] = {{0, 0, 1}, {4, 0, 1}, {1, 3, 1}, {4, 3, 1}};
    feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, bow, 4, false);
    const struct shape shape = make(&run);
    CHECK_EQ(shape.point_count, 5);
    CHECK_EQ(shape.triangle_count, 2);
    CHECK_EQ(told(&run, "polygon-crosses-itself"), 1);
    /* The edges 4,0-1,3 and 4,3-0,0 cross at 16/7, 12/7. */
    bool has_crossing = false;
    for (uint32_t p = 0; p < 5; p++) {
        has_crossing |= hypot(shape.points[p].x - 16.0 / 7, shape.points[p].y - 12.0 / 7) < 1e-5;
    }
    CHECK(has_crossing);
    run_close(&run);
}

/* u and v are a slanted function of the position, so that a corner that gets
 * another's is noticed; also after polygons were turned over. */
static void shape__keeps_texture_coordinates_with_their_corners(void)
{
    uint64_t state = 17;
    struct run run;
    run_open(&run);
    feature_case_box(run.made, 0, 0, 10, &state);
    for (size_t i = 0; i < run.made->feature.corner_count; i++) {
        const struct vec3 p = run.made->placed[i];
        run.made->uvs[2 * i] = (float)(p.x + 100 * p.y);
        run.made->uvs[2 * i + 1] = (float)(p.z - 100 * p.y);
    }
    run.made->feature.uvs = run.made->uvs;
    const struct shape shape = make(&run);
    CHECK(shape.uvs != NULL);
    CHECK_NEAR(shape_volume_m3(&shape), 1000, 1e-9, "m3");
    for (uint32_t c = 0; c < 3 * shape.triangle_count; c++) {
        const struct vec3 p = shape.points[shape.corners[c]];
        CHECK_NEAR((double)shape.uvs[2 * c], p.x + 100 * p.y, 1e-3, "");
        CHECK_NEAR((double)shape.uvs[2 * c + 1], p.z - 100 * p.y, 1e-3, "");
    }
    run_close(&run);
}

static void shape__uses_one_level_only(void)
{
    struct run run;
    run_open(&run);
    feature_case_box(run.made, 0, 0, 10, NULL);
    struct feature *f = &run.made->feature;
    run.made->lods[f->lod_count++] = (struct feature_lod){
        .level = 3, .first_polygon = (uint32_t)f->polygon_count, .polygon_count = 0};
    feature_case_box(run.made, 1, 100, 101, NULL);
    /* What the other level uses need not even be placed. */
    for (size_t i = 0; i < run.made->rings[6].first_corner; i++) {
        run.made->placed[i].x = NAN;
    }
    struct shape shape;
    struct err err;
    CHECK_OK(shape_from_feature(f, 1, run.made->placed, &run.out, &run.scratch, NULL, &shape, &err),
             &err);
    CHECK_EQ(shape.point_count, 8);
    CHECK_NEAR(shape_volume_m3(&shape), 1, 1e-9, "m3");
    CHECK_EQ(shape.faces[0].polygon, 6);
    run_close(&run);
}

/* Two boxes that meet along one edge: four walls there, yet each box closes. */
static void shape__of_boxes_that_share_an_edge_faces_outward(void)
{
    uint64_t state = 77;
    for (int round = 0; round < 50; round++) {
        struct run run;
        run_open(&run);
        feature_case_box(run.made, 0, 0, 10, &state);
        const struct vec2 plan[4] = {{10, 10}, {14, 10}, {14, 14}, {10, 14}};
        feature_case_prism(run.made, 0, plan, 4, 0, 10, &state);
        const struct shape shape = make(&run);
        CHECK_NEAR(shape_volume_m3(&shape), 1160, 1e-9, "m3");
        CHECK(shape.is_closed);
        run_close(&run);
    }
}

static void shape_floors__are_what_nobody_sees(void)
{
    struct run run;
    run_open(&run);
    feature_case_box(run.made, 0, 0, 10, NULL);
    struct shape shape = make(&run);
    bool *is_floor;
    struct err err;
    CHECK_OK(shape_floors(&shape, &run.out, &is_floor, &err), &err);
    for (uint32_t f = 0; f < shape.face_count; f++) {
        CHECK_EQ(is_floor[f], shape.faces[f].kind == SURFACE_GROUND);
    }
    /* Without words: what looks down at the lowest height. */
    for (uint32_t f = 0; f < shape.face_count; f++) {
        shape.faces[f].kind = SURFACE_UNKNOWN;
    }
    CHECK_OK(shape_floors(&shape, &run.out, &is_floor, &err), &err);
    for (uint32_t f = 0; f < shape.face_count; f++) {
        CHECK_EQ(is_floor[f], shape.faces[f].normal.z < -0.5);
    }
    /* A plaza is all ground, and is seen. */
    shape.face_count = 1;
    shape.triangle_count = 2;
    shape.faces[0].kind = SURFACE_GROUND;
    CHECK_OK(shape_floors(&shape, &run.out, &is_floor, &err), &err);
    CHECK(!is_floor[0]);
    run_close(&run);
}

/* Holes, a crossing polygon and straight points, so that every path is taken. */
static void shape__reports_every_failing_allocation(void)
{
    struct run run;
    run_open(&run);
    uint64_t state = 4;
    feature_case_box(run.made, 0, 0, 10, &state);
    const struct vec3 window[4] = {{2, 2, 10}, {4, 2, 10}, {4, 4, 10}, {2, 4, 10}};
    const struct vec3 bow[5] = {{0, 0, 20}, {4, 0, 20}, {1, 3, 20}, {4, 3, 20}, {2, 5, 20}};
    feature_case_polygon(run.made, SURFACE_ROOF, 0, bow, 5, false);
    feature_case_polygon(run.made, SURFACE_ROOF, 0, window, 4, false);
    for (int which = 0; which < 2; which++) {
        bool done = false;
        int failures = 0;
        for (size_t after = 1; !done; after++) {
            struct arena out;
            struct arena scratch;
            arena_init(&out, (size_t)1 << 24);
            arena_init(&scratch, (size_t)1 << 24);
            (which == 0 ? &out : &scratch)->fail_after = after;
            struct shape shape;
            struct err err;
            done = shape_from_feature(&run.made->feature, 0, run.made->placed, &out, &scratch, NULL,
                                      &shape, &err);
            if (!done) {
                CHECK_EQ(err.code, ERR_NOMEM);
                failures++;
            }
            arena_release(&out);
            arena_release(&scratch);
        }
        CHECK(failures >= 3);
    }
    run_close(&run);
}

CHECK_MAIN(CHECK_TEST(shape__of_a_cube_is_whole), CHECK_TEST(shape__of_a_solid_faces_outward),
           CHECK_TEST(shape__inside_out_is_turned_and_told),
           CHECK_TEST(shape__of_a_void_faces_into_it),
           CHECK_TEST(shape__of_a_shell_without_floor_faces_outward),
           CHECK_TEST(shape__of_bare_surfaces_keeps_the_sources_word),
           CHECK_TEST(shape__keeps_a_straight_point_that_a_neighbor_needs),
           CHECK_TEST(shape__keeps_a_fine_curve),
           CHECK_TEST(shape__cuts_holes_whatever_way_they_run),
           CHECK_TEST(shape__closes_over_a_hole_and_its_filling),
           CHECK_TEST(shape__leaves_out_and_tells_what_has_no_area),
           CHECK_TEST(shape__draws_a_crossing_polygon_and_tells),
           CHECK_TEST(shape__keeps_texture_coordinates_with_their_corners),
           CHECK_TEST(shape__uses_one_level_only),
           CHECK_TEST(shape__of_boxes_that_share_an_edge_faces_outward),
           CHECK_TEST(shape_floors__are_what_nobody_sees),
           CHECK_TEST(shape__reports_every_failing_allocation))
