/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/simplify.h"

#include "tests/check.h"
#include "tests/tiler/feature_case.h"
#include "tiler/deviation.h"

static const double TURN = 6.283185307179586;

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

static struct shape merge(struct run *run, const struct shape *full, double tolerance_m)
{
    struct shape shape;
    struct err err;
    CHECK_OK(simplify_planes(full, tolerance_m, &run->out, &run->scratch, &shape, &err), &err);
    CHECK_EQ(run->scratch.used_bytes, 0);
    check_shape(&shape);
    CHECK(shape.triangle_count <= full->triangle_count);
    return shape;
}

static double deviation(struct run *run, const struct shape *a, const struct shape *b)
{
    struct deviation found;
    struct err err;
    CHECK_OK(deviation_measure(a, b, 1e-4, 0.05, &run->scratch, &found, &err), &err);
    return found.upper_m;
}

/* One side of a box as steps x steps squares, anticlockwise from outside. */
static void add_side(struct feature_case *c, struct vec3 origin, struct vec3 u, struct vec3 v,
                     int steps, enum feature_surface kind)
{
    for (int i = 0; i < steps; i++) {
        for (int k = 0; k < steps; k++) {
            struct vec3 ring[4];
            for (int corner = 0; corner < 4; corner++) {
                const double a = i + (corner == 1 || corner == 2);
                const double b = k + (corner >= 2);
                ring[corner] =
                    vec3_add(origin, vec3_add(vec3_scale(u, a / steps), vec3_scale(v, b / steps)));
            }
            feature_case_polygon(c, kind, 0, ring, 4, false);
        }
    }
}

static void add_tiled_box(struct feature_case *c, double size, int steps)
{
    const struct vec3 x = {size, 0, 0};
    const struct vec3 y = {0, size, 0};
    const struct vec3 z = {0, 0, size};
    const struct vec3 o = {0, 0, 0};
    add_side(c, z, x, y, steps, SURFACE_ROOF);
    add_side(c, o, y, x, steps, SURFACE_GROUND);
    add_side(c, o, x, z, steps, SURFACE_WALL);
    add_side(c, x, y, z, steps, SURFACE_WALL);
    add_side(c, vec3_add(x, y), vec3_scale(x, -1), z, steps, SURFACE_WALL);
    add_side(c, y, vec3_scale(y, -1), z, steps, SURFACE_WALL);
}

static void simplify_planes__makes_a_tiled_box_a_box(void)
{
    for (int turned = 0; turned < 5; turned++) {
        struct run run;
        run_open(&run);
        add_tiled_box(run.made, 8, 8); /* eighths: both sides compute the same corners */
        feature_case_turn(run.made, turned);
        const struct shape full = make(&run);
        CHECK_EQ(full.triangle_count, 12 * 64);
        const struct shape shape = merge(&run, &full, 0.01);
        CHECK_EQ(shape.triangle_count, 12);
        CHECK_EQ(shape.point_count, 8);
        CHECK_EQ(shape.face_count, 6);
        CHECK(shape.is_closed);
        CHECK(is_watertight(&shape));
        CHECK_NEAR(shape_volume_m3(&shape), 512, 1e-9, "m3");
        CHECK_NEAR(shape_kind_area_m2(&shape, SURFACE_WALL), 256, 1e-9, "m2");
        CHECK(deviation(&run, &full, &shape) <= 0.001 + 2e-6);
        run_close(&run);
    }
}

static void simplify_planes__keeps_a_plain_house(void)
{
    struct run run;
    run_open(&run);
    const struct vec2 plan[6] = {{0, 0}, {9, 0}, {9, 4}, {4, 4}, {4, 9}, {0, 9}};
    feature_case_prism(run.made, 0, plan, 6, 0, 7, NULL);
    const struct shape full = make(&run);
    const struct shape shape = merge(&run, &full, 0.01);
    CHECK_EQ(shape.triangle_count, full.triangle_count);
    CHECK_EQ(shape.face_count, full.face_count);
    CHECK(is_watertight(&shape));
    CHECK_NEAR(shape_volume_m3(&shape), 7 * ring_area(plan, 6), 1e-9, "m3");
    run_close(&run);
}

/* Two materials on one wall: the border between them stays. */
static void simplify_planes__keeps_materials_apart(void)
{
    struct run run;
    run_open(&run);
    add_side(run.made, (struct vec3){0, 0, 0}, (struct vec3){8, 0, 0}, (struct vec3){0, 0, 8}, 4,
             SURFACE_WALL);
    for (size_t p = 0; p < run.made->feature.polygon_count; p++) {
        run.made->polygons[p].material = p < 4 ? 1 : 0; /* the first column */
    }
    const struct shape full = make(&run);
    const struct shape shape = merge(&run, &full, 0.01);
    CHECK_EQ(shape.face_count, 2);
    CHECK_EQ(shape.triangle_count, 4);
    double area[2] = {0, 0};
    for (uint32_t t = 0; t < shape.triangle_count; t++) {
        const struct vec3 a = shape.points[shape.corners[3 * t]];
        const struct vec3 b = shape.points[shape.corners[3 * t + 1]];
        const struct vec3 c = shape.points[shape.corners[3 * t + 2]];
        area[shape.faces[shape.triangle_faces[t]].material] +=
            vec3_length(vec3_cross(vec3_sub(b, a), vec3_sub(c, a))) / 2;
    }
    CHECK_NEAR(area[0], 48, 1e-9, "m2");
    CHECK_NEAR(area[1], 16, 1e-9, "m2");
    run_close(&run);
}

/* Where the picture of a wall has a place: a little askew, a tenth a metre. */
static void picture_at(struct vec3 at, float out[2])
{
    out[0] = (float)(0.1 * at.x + 0.02 * at.z);
    out[1] = (float)(0.1 * at.z - 0.01 * at.x);
}

/* A wall of 16 squares with one picture; `shift` moves that of the last column. */
static struct shape make_pictured_wall(struct run *run, float shift)
{
    struct feature_case *c = run->made;
    add_side(c, (struct vec3){0, 0, 0}, (struct vec3){8, 0, 0}, (struct vec3){0, 0, 8}, 4,
             SURFACE_WALL);
    for (size_t i = 0; i < c->feature.corner_count; i++) {
        picture_at(c->placed[c->corners[i]], c->uvs + 2 * i);
        c->uvs[2 * i] += i >= 48 ? shift : 0;
    }
    for (size_t i = 0; i < c->feature.polygon_count; i++) {
        c->polygons[i].texture = 0;
    }
    c->feature.uvs = c->uvs;
    return make(run);
}

static void simplify_planes__merges_where_a_picture_runs_on(void)
{
    struct run run;
    run_open(&run);
    const struct shape full = make_pictured_wall(&run, 0);
    const struct shape shape = merge(&run, &full, 0.01);
    CHECK_EQ(shape.triangle_count, 2);
    CHECK_EQ(shape.face_count, 1);
    CHECK(shape.uvs != NULL);
    for (size_t i = 0; i < 6; i++) {
        float uv[2];
        picture_at(shape.points[shape.corners[i]], uv);
        CHECK_NEAR((double)shape.uvs[2 * i], (double)uv[0], 1e-6, "");
        CHECK_NEAR((double)shape.uvs[2 * i + 1], (double)uv[1], 1e-6, "");
    }
    run_close(&run);
}

static void simplify_planes__parts_where_a_picture_jumps(void)
{
    struct run run;
    run_open(&run);
    /* 5 cm on the wall, then half a centimetre. */
    const struct shape full = make_pictured_wall(&run, 0.005f);
    CHECK_EQ(merge(&run, &full, 0.01).face_count, 2);
    run_close(&run);
    run_open(&run);
    const struct shape near = make_pictured_wall(&run, 0.0005f);
    CHECK_EQ(merge(&run, &near, 0.01).face_count, 1);
    run_close(&run);
}

/* A ring of squares around a courtyard: one face with a hole. */
static void simplify_planes__keeps_holes(void)
{
    struct run run;
    run_open(&run);
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 5; k++) {
            const struct vec3 ring[4] = {
                {i, k, 3}, {i + 1, k, 3}, {i + 1, k + 1, 3}, {i, k + 1, 3}};
            if (i == 0 || k == 0 || i == 4 || k == 4) {
                feature_case_polygon(run.made, SURFACE_ROOF, FEATURE_NONE, ring, 4, false);
            }
        }
    }
    const struct shape full = make(&run);
    const struct shape shape = merge(&run, &full, 0.01);
    CHECK_EQ(shape.triangle_count, 8);
    CHECK_EQ(shape.face_count, 1);
    CHECK_NEAR(shape_area_m2(&shape), 16, 1e-9, "m2");
    run_close(&run);
}

/* Two squares that meet in a corner are not one ring; they stay, and so do the
 * corners of what lies beside them. */
static void simplify_planes__stays_tight_where_a_border_meets_itself(void)
{
    struct run run;
    run_open(&run);
    uint64_t state = 21;
    for (int round = 0; round < 40; round++) {
        struct run each;
        run_open(&each);
        for (int i = 0; i < 6; i++) {
            for (int k = 0; k < 6; k++) {
                const struct vec3 ring[4] = {
                    {i, k, 3}, {i + 1, k, 3}, {i + 1, k + 1, 3}, {i, k + 1, 3}};
                feature_case_polygon(each.made,
                                     polygon_random(&state) % 2 == 0 ? SURFACE_ROOF : SURFACE_WALL,
                                     FEATURE_NONE, ring, 4, false);
            }
        }
        const struct shape full = make(&each);
        const struct shape shape = merge(&each, &full, 0.01);
        CHECK_NEAR(shape_area_m2(&shape), 36, 1e-9, "m2");
        CHECK_NEAR(shape_kind_area_m2(&shape, SURFACE_ROOF),
                   shape_kind_area_m2(&full, SURFACE_ROOF), 1e-9, "m2");
        /* Inside the square every edge is met from both sides: a corner that
         * only one neighbour has would show. */
        size_t open = 0;
        for (uint32_t c = 0; c < 3 * shape.triangle_count; c++) {
            const uint32_t a = shape.corners[c];
            const uint32_t b = shape.corners[c % 3 == 2 ? c - 2 : c + 1];
            size_t back = 0;
            for (uint32_t d = 0; d < 3 * shape.triangle_count; d++) {
                back += shape.corners[d] == b && shape.corners[d % 3 == 2 ? d - 2 : d + 1] == a;
            }
            const struct vec3 p = shape.points[a];
            const struct vec3 q = shape.points[b];
            const bool is_rim =
                (p.x == q.x && (p.x == 0 || p.x == 6)) || (p.y == q.y && (p.y == 0 || p.y == 6));
            open += back != 1 && !is_rim;
        }
        CHECK_EQ(open, 0);
        run_close(&each);
    }
    run_close(&run);
}

/* Each wall of a fine cylinder is in one plane with the next; all are not. */
static void simplify_planes__does_not_flatten_a_cylinder(void)
{
    struct run run;
    run_open(&run);
    static struct vec2 plan[500];
    for (int i = 0; i < 500; i++) {
        plan[i] = (struct vec2){10 * cos(TURN * i / 500), 10 * sin(TURN * i / 500)};
    }
    feature_case_prism(run.made, 0, plan, 500, 0, 5, NULL);
    const struct shape full = make(&run);
    for (int step = 0; step < 3; step++) {
        const double tolerance_m = step == 0 ? 0.001 : step == 1 ? 0.02 : 0.3;
        const struct shape shape = merge(&run, &full, tolerance_m);
        CHECK(is_watertight(&shape));
        CHECK(deviation(&run, &full, &shape) <= 2 * tolerance_m + SHAPE_STRAIGHT_M + 2e-4);
        CHECK_NEAR(shape_volume_m3(&shape), shape_volume_m3(&full), 0.02 * 1570, "m3");
    }
    run_close(&run);
}

/* Tiled prisms over random plans: same volume, still tight, nothing bent. */
static void simplify_planes__keeps_random_solids(void)
{
    uint64_t state = 12;
    for (int round = 0; round < 60; round++) {
        struct run run;
        run_open(&run);
        struct vec2 plan[24];
        const uint32_t count = 3 + (uint32_t)(polygon_random(&state) % 20);
        polygon_star(plan, count, (struct vec2){0, 0}, 5, 20, &state);
        const double low = 2;
        struct vec3 ring[24];
        for (int end = 0; end < 2; end++) {
            for (uint32_t i = 0; i < count; i++) {
                ring[i] = (struct vec3){plan[i].x, plan[i].y, end == 0 ? low : low + 12};
            }
            feature_case_polygon(run.made, end == 0 ? SURFACE_GROUND : SURFACE_ROOF, 0, ring, count,
                                 end == 0);
        }
        for (int storey = 0; storey < 4; storey++) {
            const double z = low + 3 * storey;
            for (uint32_t i = 0; i < count; i++) {
                const struct vec2 a = plan[i];
                const struct vec2 b = plan[(i + 1) % count];
                const struct vec3 wall[4] = {
                    {a.x, a.y, z}, {b.x, b.y, z}, {b.x, b.y, z + 3}, {a.x, a.y, z + 3}};
                feature_case_polygon(run.made, SURFACE_WALL, 0, wall, 4, false);
            }
        }
        feature_case_turn(run.made, 0.3 * round);
        const struct shape full = make(&run);
        const struct shape shape = merge(&run, &full, 0.001);
        CHECK(full.is_closed && shape.is_closed);
        CHECK(is_watertight(&shape));
        CHECK_NEAR(shape_volume_m3(&shape), 12 * ring_area(plan, count), 1, "m3");
        CHECK(shape.triangle_count <= 2 * count + 2 * (count - 2));
        run_close(&run);
    }
}

static void simplify_collapse__thins_a_mesh(void)
{
    struct run run;
    run_open(&run);
    add_tiled_box(run.made, 8, 16);
    /* A little noise, so that nothing is in one plane. Shared corners move
     * together: the noise is a function of the place. */
    for (size_t i = 0; i < run.made->feature.vertex_count; i++) {
        struct vec3 *p = &run.made->placed[i];
        const double wave = 0.01 * sin(7 * p->x + 11 * p->y + 13 * p->z);
        *p = vec3_add(*p, (struct vec3){wave, wave, wave});
    }
    const struct shape full = make(&run);
    struct shape shape;
    struct err err;
    CHECK_OK(simplify_collapse(&full, 0.1, &run.out, &run.scratch, &shape, &err), &err);
    CHECK_EQ(run.scratch.used_bytes, 0);
    check_shape(&shape);
    CHECK(shape.triangle_count < full.triangle_count / 10);
    CHECK(is_watertight(&shape));
    CHECK_NEAR(shape_volume_m3(&shape), 512, 5, "m3");
    CHECK(deviation(&run, &full, &shape) < 1);
    for (uint32_t f = 0; f < shape.face_count; f++) {
        CHECK(shape.faces[f].kind != SURFACE_UNKNOWN);
    }
    run_close(&run);
}

static void simplify_collapse__refuses_to_leave_nothing(void)
{
    struct run run;
    run_open(&run);
    feature_case_box(run.made, 0, 0, 1, NULL);
    const struct shape full = make(&run);
    struct shape shape;
    struct err err;
    CHECK_FAILS(simplify_collapse(&full, 1000, &run.out, &run.scratch, &shape, &err), &err,
                ERR_GEOMETRY);
    run_close(&run);
}

static void simplify__reports_every_failing_allocation(void)
{
    struct run run;
    run_open(&run);
    add_tiled_box(run.made, 8, 4);
    const struct shape full = make(&run);
    for (int which = 0; which < 4; which++) {
        bool done = false;
        int failures = 0;
        for (size_t after = 1; !done; after++) {
            struct arena out;
            struct arena scratch;
            struct shape shape;
            struct err err;
            arena_init(&out, (size_t)1 << 24);
            arena_init(&scratch, (size_t)1 << 24);
            (which % 2 == 0 ? &out : &scratch)->fail_after = after;
            done = which < 2 ? simplify_planes(&full, 0.01, &out, &scratch, &shape, &err)
                             : simplify_collapse(&full, 0.01, &out, &scratch, &shape, &err);
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

CHECK_MAIN(CHECK_TEST(simplify_planes__makes_a_tiled_box_a_box),
           CHECK_TEST(simplify_planes__keeps_a_plain_house),
           CHECK_TEST(simplify_planes__keeps_materials_apart),
           CHECK_TEST(simplify_planes__merges_where_a_picture_runs_on),
           CHECK_TEST(simplify_planes__parts_where_a_picture_jumps),
           CHECK_TEST(simplify_planes__keeps_holes),
           CHECK_TEST(simplify_planes__stays_tight_where_a_border_meets_itself),
           CHECK_TEST(simplify_planes__does_not_flatten_a_cylinder),
           CHECK_TEST(simplify_planes__keeps_random_solids),
           CHECK_TEST(simplify_collapse__thins_a_mesh),
           CHECK_TEST(simplify_collapse__refuses_to_leave_nothing),
           CHECK_TEST(simplify__reports_every_failing_allocation))
