/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/collapse.h"

#include "tests/tiler/feature_case.h"
#include "tiler/deviation.h"

/* A sheet of side x side squares, two triangles each, each a face of its own. */
struct sheet {
    struct shape shape;
    struct arena arena;
    struct arena scratch;
};

typedef struct vec3 (*place_point)(double x, double y);

static struct vec3 on_plane(double x, double y)
{
    return (struct vec3){x, y, 0.3 * x};
}

static struct vec3 on_waves(double x, double y)
{
    return (struct vec3){x, y, 2 * sin(x / 3) * cos(y / 4) + 0.05 * sin(37 * x + 91 * y)};
}

/* Around in x: a tube without ends, of 40 units of x a turn. */
static struct vec3 on_tube(double x, double y)
{
    const double turn = x / 40 * 6.283185307179586;
    return (struct vec3){5 * cos(turn), 5 * sin(turn), y};
}

static struct sheet *sheet_open(uint32_t side, bool is_tube, place_point place)
{
    struct sheet *made = calloc(1, sizeof *made);
    struct shape *shape = &made->shape;
    const uint32_t across = is_tube ? side : side + 1;
    arena_init(&made->arena, 1 << 28);
    arena_init(&made->scratch, 1 << 28);
    shape->points = arena_array(&made->arena, struct vec3, across * (side + 1));
    shape->corners = arena_array(&made->arena, uint32_t, 6 * side * side);
    shape->triangle_faces = arena_array(&made->arena, uint32_t, 2 * side * side);
    shape->faces = arena_array(&made->arena, struct shape_face, 2 * side * side);
    shape->uvs = arena_array(&made->arena, float, 12 * side * side);
    for (uint32_t j = 0; j <= side; j++) {
        for (uint32_t i = 0; i < across; i++) {
            shape->points[shape->point_count++] = place(i, j);
        }
    }
    for (uint32_t j = 0; j < side; j++) {
        for (uint32_t i = 0; i < side; i++) {
            const uint32_t x[4] = {i, i + 1, i + 1, i};
            const uint32_t y[4] = {j, j, j + 1, j + 1};
            static const int which[6] = {0, 1, 2, 0, 2, 3};
            for (int k = 0; k < 6; k++) {
                const size_t corner = 3 * (size_t)shape->triangle_count + (size_t)k;
                shape->corners[corner] = y[which[k]] * across + x[which[k]] % across;
                shape->uvs[2 * corner] = (float)x[which[k]];
                shape->uvs[2 * corner + 1] = (float)y[which[k]];
            }
            for (int k = 0; k < 2; k++) {
                const uint32_t t = shape->triangle_count++;
                const uint32_t *c = shape->corners + 3 * (size_t)t;
                const struct vec3 a = shape->points[c[0]];
                shape->triangle_faces[t] = t;
                shape->faces[t] = (struct shape_face){
                    .kind = SURFACE_WALL,
                    .material = FEATURE_NONE,
                    .texture = 0,
                    .normal = vec3_unit(vec3_cross(vec3_sub(shape->points[c[1]], a),
                                                   vec3_sub(shape->points[c[2]], a))),
                    .polygon = t};
            }
        }
    }
    shape->face_count = shape->triangle_count;
    return made;
}

static void sheet_close(struct sheet *sheet)
{
    arena_release(&sheet->arena);
    arena_release(&sheet->scratch);
    free(sheet);
}

static struct shape collapse_to(struct sheet *sheet, const uint8_t *is_locked, bool keeps_uvs,
                                double error_m, uint32_t count, uint32_t **out_sources)
{
    struct collapse *collapse;
    struct shape out = {0};
    struct err err;
    CHECK_OK(collapse_open(&sheet->shape, is_locked, keeps_uvs, &sheet->arena, &collapse, &err),
             &err);
    collapse_run(collapse, error_m, count);
    CHECK_OK(collapse_shape(collapse, &sheet->arena, &sheet->scratch, &out, out_sources, &err),
             &err);
    CHECK_EQ(sheet->scratch.used_bytes, 0);
    CHECK_EQ(out.triangle_count, collapse_triangle_count(collapse));
    check_shape(&out);
    return out;
}

/* Edges that one triangle has alone; none may have three. */
static uint32_t open_edges(const struct shape *shape, double *out_length_m)
{
    const size_t count = 3 * (size_t)shape->triangle_count;
    struct way_of_triangle *ways = calloc(count, sizeof *ways);
    uint32_t open = 0;
    double length_m = 0;
    for (size_t c = 0; c < count; c++) {
        ways[c] =
            (struct way_of_triangle){shape->corners[c], shape->corners[c % 3 == 2 ? c - 2 : c + 1]};
    }
    qsort(ways, count, sizeof *ways, compare_ways_of_triangles);
    for (size_t c = 0; c < count; c++) {
        CHECK_EQ(count_ways(ways, count, ways[c].from, ways[c].to), 1);
        if (count_ways(ways, count, ways[c].to, ways[c].from) == 0) {
            open++;
            length_m += vec3_distance(shape->points[ways[c].from], shape->points[ways[c].to]);
        }
    }
    free(ways);
    if (out_length_m != NULL) {
        *out_length_m = length_m;
    }
    return open;
}

static void collapse_run__leaves_two_triangles_of_a_plane(void)
{
    struct sheet *sheet = sheet_open(16, false, on_plane);
    const struct shape out = collapse_to(sheet, NULL, true, 1e-3, 0, NULL);
    CHECK_EQ(out.triangle_count, 2);
    CHECK_EQ(out.point_count, 4);
    CHECK_NEAR(shape_area_m2(&out), shape_area_m2(&sheet->shape), 1e-9, "m2");
    for (uint32_t c = 0; c < 6; c++) {
        /* The picture lies where it lay: one unit a metre. */
        CHECK_NEAR((double)out.uvs[2 * c], out.points[out.corners[c]].x, 1e-6, "");
        CHECK_NEAR((double)out.uvs[2 * c + 1], out.points[out.corners[c]].y, 1e-6, "");
    }
    sheet_close(sheet);
}

static void collapse_run__keeps_the_corners_of_a_closed_box(void)
{
    struct feature_case *c = feature_case_open();
    c->shells[0].is_inner = false;
    c->feature.shell_count = 1;
    /* Each side of the box is 6 x 6 squares. */
    enum { N = 6 };
    for (int axis = 0; axis < 3; axis++) {
        for (int far = 0; far < 2; far++) {
            for (int i = 0; i < N * N; i++) {
                struct vec3 ring[4];
                static const int x[4] = {0, 1, 1, 0};
                static const int y[4] = {0, 0, 1, 1};
                for (int k = 0; k < 4; k++) {
                    double at[3];
                    at[axis] = far * N;
                    at[(axis + 1) % 3] = i % N + x[k];
                    at[(axis + 2) % 3] = i / N + y[k];
                    ring[k] = (struct vec3){at[0], at[1], at[2]};
                }
                feature_case_polygon(c, SURFACE_WALL, 0, ring, 4, far == 0);
            }
        }
    }
    struct sheet box = {0};
    struct err err;
    arena_init(&box.arena, 1 << 26);
    arena_init(&box.scratch, 1 << 26);
    CHECK_OK(shape_from_feature(&c->feature, 0, c->placed, &box.arena, &box.scratch, NULL,
                                &box.shape, &err),
             &err);
    CHECK(is_watertight(&box.shape));
    const struct shape out = collapse_to(&box, NULL, true, 1e-3, 0, NULL);
    CHECK_EQ(out.triangle_count, 12);
    CHECK_EQ(out.point_count, 8);
    CHECK(is_watertight(&out));
    CHECK_NEAR(shape_volume_m3(&out), N * N * N, 1e-9, "m3");
    arena_release(&box.arena);
    arena_release(&box.scratch);
    free(c);
}

/* Stripes of two materials: the border between them is still a straight line
 * from end to end, and each has its area. */
static void collapse_run__keeps_borders_of_materials(void)
{
    struct sheet *sheet = sheet_open(16, false, on_plane);
    for (uint32_t t = 0; t < sheet->shape.triangle_count; t++) {
        sheet->shape.faces[t].material = t / 2 % 16 < 5 ? 0 : 1;
        sheet->shape.faces[t].texture = FEATURE_NONE;
    }
    const struct shape out = collapse_to(sheet, NULL, true, 1e-3, 0, NULL);
    CHECK_EQ(out.triangle_count, 4);
    double area[2] = {0, 0};
    for (uint32_t t = 0; t < out.triangle_count; t++) {
        const struct vec3 a = out.points[out.corners[3 * t]];
        const struct vec3 b = out.points[out.corners[3 * t + 1]];
        const struct vec3 c = out.points[out.corners[3 * t + 2]];
        area[out.faces[out.triangle_faces[t]].material] +=
            vec3_length(vec3_cross(vec3_sub(b, a), vec3_sub(c, a))) / 2;
    }
    CHECK_NEAR(area[0] / (area[0] + area[1]), 5.0 / 16, 1e-9, "");
    sheet_close(sheet);
}

static void collapse_run__never_moves_locked_points(void)
{
    struct sheet *sheet = sheet_open(24, false, on_waves);
    const uint32_t count = sheet->shape.point_count;
    uint8_t *is_locked = calloc(count, 1);
    uint32_t locked_count = 0;
    for (uint32_t p = 0; p < count; p++) {
        is_locked[p] = p % 25 == 24; /* the far border in x */
        locked_count += is_locked[p];
    }
    uint32_t *sources;
    const struct shape out = collapse_to(sheet, is_locked, true, 100, 0, &sources);
    CHECK(out.triangle_count < sheet->shape.triangle_count / 8);
    for (uint32_t p = 0; p < out.point_count; p++) {
        locked_count -= is_locked[sources[p]];
        CHECK_EQ(memcmp(&out.points[p], &sheet->shape.points[sources[p]], sizeof out.points[p]), 0);
    }
    CHECK_EQ(locked_count, 0);
    free(is_locked);
    sheet_close(sheet);
}

/* Whatever is asked for: nothing opens, the border of a sheet stays about where
 * it is, no triangle of a field of heights turns over. */
static void collapse_run__opens_nothing_and_turns_nothing(void)
{
    struct sheet *sheet = sheet_open(32, false, on_waves);
    double before_m;
    CHECK_EQ(open_edges(&sheet->shape, &before_m), 4 * 32);
    struct collapse *collapse;
    struct err err;
    CHECK_OK(collapse_open(&sheet->shape, NULL, true, &sheet->arena, &collapse, &err), &err);
    for (double error_m = 0.02; error_m < 5; error_m *= 2) {
        struct shape out;
        double after_m;
        collapse_run(collapse, error_m, 0);
        CHECK_OK(collapse_shape(collapse, &sheet->arena, &sheet->scratch, &out, NULL, &err), &err);
        check_shape(&out);
        CHECK(open_edges(&out, &after_m) <= 4 * 32);
        CHECK_NEAR(after_m, before_m, 10 * error_m, "m");
        for (uint32_t f = 0; f < out.face_count; f++) {
            CHECK(out.faces[f].normal.z > 0);
        }
        const struct box3 box = shape_box(&out);
        CHECK_NEAR(box.max.x - box.min.x, 32, 2 * error_m, "m");
        CHECK_NEAR(box.max.y - box.min.y, 32, 2 * error_m, "m");
    }
    sheet_close(sheet);
}

/* A tube's picture is cut along a line: the cut stays, and to the left and the
 * right of it the picture still fits. */
static void collapse_run__keeps_cuts_of_pictures(void)
{
    struct sheet *sheet = sheet_open(40, true, on_tube);
    CHECK_EQ(open_edges(&sheet->shape, NULL), 80);
    const struct shape out = collapse_to(sheet, NULL, true, 0.3, 0, NULL);
    CHECK(out.triangle_count < 100);
    for (uint32_t c = 0; c < 3 * out.triangle_count; c++) {
        const struct vec3 found = out.points[out.corners[c]];
        const struct vec3 expected = on_tube((double)out.uvs[2 * c], (double)out.uvs[2 * c + 1]);
        CHECK_NEAR(vec3_distance(found, expected), 0, 1e-5, "m");
        /* ... on one side of the cut or the other, not across the picture. */
        const float next = out.uvs[2 * (c % 3 == 2 ? c - 2 : c + 1)];
        CHECK(fabs((double)next - (double)out.uvs[2 * c]) < 20);
    }
    const struct shape plain = collapse_to(sheet, NULL, false, 0.3, 0, NULL);
    CHECK(plain.uvs == NULL);
    CHECK_EQ(plain.faces[0].texture, FEATURE_NONE);
    CHECK(plain.triangle_count <= out.triangle_count);
    sheet_close(sheet);
}

/* The measured error rises with what is asked for, and is of its size. */
static void collapse_run__is_wrong_by_about_what_it_may(void)
{
    struct sheet *sheet = sheet_open(32, false, on_waves);
    uint32_t last = UINT32_MAX;
    for (double error_m = 0.1; error_m < 1; error_m *= 2) {
        const struct shape out = collapse_to(sheet, NULL, false, error_m, 0, NULL);
        struct deviation found;
        struct err err;
        CHECK_OK(deviation_measure(&sheet->shape, &out, 0.01, 0.1, &sheet->scratch, &found, &err),
                 &err);
        CHECK(out.triangle_count < last);
        CHECK(found.lower_m < 3 * error_m);
        last = out.triangle_count;
    }
    CHECK(last < 100);
    sheet_close(sheet);
}

static void collapse_run__does_the_same_in_one_call_or_several(void)
{
    struct sheet *sheet = sheet_open(24, false, on_waves);
    struct collapse *collapse;
    struct shape out;
    struct err err;
    CHECK_OK(collapse_open(&sheet->shape, NULL, true, &sheet->arena, &collapse, &err), &err);
    for (uint32_t count = 1000; count > 100; count -= 50) {
        collapse_run(collapse, 1, count);
    }
    collapse_run(collapse, 1, 100);
    CHECK_OK(collapse_shape(collapse, &sheet->arena, &sheet->scratch, &out, NULL, &err), &err);
    const struct shape once = collapse_to(sheet, NULL, true, 1, 100, NULL);
    CHECK_EQ(once.triangle_count, out.triangle_count);
    CHECK_EQ(memcmp(once.corners, out.corners, 12 * (size_t)out.triangle_count), 0);
    CHECK_EQ(memcmp(once.points, out.points, out.point_count * sizeof out.points[0]), 0);
    sheet_close(sheet);
}

static void collapse__fails_cleanly_on_every_allocation(void)
{
    struct sheet *sheet = sheet_open(4, false, on_waves);
    bool ok = false;
    for (size_t after = 1; !ok && after < 100; after++) {
        struct arena arena;
        struct arena scratch;
        struct collapse *collapse;
        struct shape out;
        struct err err = {0};
        arena_init(&arena, 1 << 20);
        arena_init(&scratch, 1 << 20);
        arena.fail_after = after;
        scratch.fail_after = after > 14 ? after - 14 : 0;
        ok = collapse_open(&sheet->shape, NULL, true, &arena, &collapse, &err);
        if (ok) {
            collapse_run(collapse, 0.1, 0);
            ok = collapse_shape(collapse, &arena, &scratch, &out, NULL, &err);
            CHECK_EQ(scratch.used_bytes, 0);
        }
        CHECK(ok || err.code == ERR_NOMEM);
        arena_release(&arena);
        arena_release(&scratch);
    }
    CHECK(ok);
    sheet_close(sheet);
}

CHECK_MAIN(CHECK_TEST(collapse_run__leaves_two_triangles_of_a_plane),
           CHECK_TEST(collapse_run__keeps_the_corners_of_a_closed_box),
           CHECK_TEST(collapse_run__keeps_borders_of_materials),
           CHECK_TEST(collapse_run__never_moves_locked_points),
           CHECK_TEST(collapse_run__opens_nothing_and_turns_nothing),
           CHECK_TEST(collapse_run__keeps_cuts_of_pictures),
           CHECK_TEST(collapse_run__is_wrong_by_about_what_it_may),
           CHECK_TEST(collapse_run__does_the_same_in_one_call_or_several),
           CHECK_TEST(collapse__fails_cleanly_on_every_allocation))
