/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/deviation.h"

#include "tests/check.h"
#include "tiler/nearest.h"

/* A box with walls and roof, no floor; corners rising with z. */
struct box_shape {
    struct vec3 points[8];
    uint32_t corners[30];
    uint32_t triangle_faces[10];
    struct shape_face faces[5];
    struct shape shape;
};

static void make_box(struct box_shape *out, struct vec3 min, struct vec3 max)
{
    static const uint32_t corners[30] = {0, 1, 5, 0, 5, 4, 1, 2, 6, 1, 6, 5, 2, 3, 7,
                                         2, 7, 6, 3, 0, 4, 3, 4, 7, 4, 5, 6, 4, 6, 7};
    for (int i = 0; i < 8; i++) {
        const int side = i & 3;
        out->points[i] = (struct vec3){side == 0 || side == 3 ? min.x : max.x,
                                       side < 2 ? min.y : max.y, i < 4 ? min.z : max.z};
    }
    memcpy(out->corners, corners, sizeof corners);
    for (uint32_t t = 0; t < 10; t++) {
        out->triangle_faces[t] = t / 2;
    }
    for (int f = 0; f < 5; f++) {
        out->faces[f] = (struct shape_face){.kind = f == 4 ? SURFACE_ROOF : SURFACE_WALL,
                                            .material = FEATURE_NONE,
                                            .texture = FEATURE_NONE};
    }
    out->shape = (struct shape){.points = out->points,
                                .point_count = 8,
                                .corners = out->corners,
                                .triangle_faces = out->triangle_faces,
                                .triangle_count = 10,
                                .faces = out->faces,
                                .face_count = 5};
}

static struct deviation measure(const struct shape *a, const struct shape *b)
{
    struct arena scratch;
    struct deviation found;
    struct err err;
    arena_init(&scratch, 1 << 26);
    CHECK_OK(deviation_measure(a, b, 1e-3, 0.001, &scratch, &found, &err), &err);
    CHECK_EQ(scratch.used_bytes, 0);
    arena_release(&scratch);
    CHECK(found.lower_m <= found.upper_m);
    return found;
}

static void deviation_measure__is_nothing_between_equals(void)
{
    struct box_shape a;
    make_box(&a, (struct vec3){0, 0, 0}, (struct vec3){10, 12, 8});
    CHECK_NEAR(measure(&a.shape, &a.shape).upper_m, 0, 2e-3, "m");
}

/* Known distances: what one box has and the other has not. */
static void deviation_measure__finds_known_distances(void)
{
    struct box_shape base;
    struct box_shape other;
    make_box(&base, (struct vec3){0, 0, 0}, (struct vec3){10, 10, 10});
    make_box(&other, (struct vec3){0, 0, 0}, (struct vec3){10, 10, 13});
    CHECK_NEAR(measure(&base.shape, &other.shape).upper_m, 3, 0.01, "m");
    CHECK_NEAR(measure(&other.shape, &base.shape).upper_m, 3, 0.01, "m");
    make_box(&other, (struct vec3){2, 0, 0}, (struct vec3){10, 10, 10});
    CHECK_NEAR(measure(&base.shape, &other.shape).upper_m, 2, 0.01, "m");
    make_box(&other, (struct vec3){0, 0, 100}, (struct vec3){10, 10, 110});
    CHECK_NEAR(measure(&base.shape, &other.shape).lower_m, 100, 0.2, "m");
    /* A tower of the same plan, 40 m: its middle is as far from the roof below
     * as from nothing else. */
    make_box(&other, (struct vec3){4, 4, 0}, (struct vec3){6, 6, 40});
    CHECK_NEAR(measure(&base.shape, &other.shape).upper_m, 30, 0.1, "m");
}

/* The largest of the distances from a grid of points on `from` to `to`. */
static double sample(const struct shape *from, const struct shape *to)
{
    enum { STEPS = 24 };
    struct nearest_triangle triangles[16];
    struct arena scratch;
    struct nearest *nearest;
    struct err err;
    for (uint32_t t = 0; t < to->triangle_count; t++) {
        for (int k = 0; k < 3; k++) {
            triangles[t].corners[k] = to->points[to->corners[3 * t + (uint32_t)k]];
        }
    }
    arena_init(&scratch, 1 << 20);
    CHECK_OK(nearest_build(triangles, to->triangle_count, &scratch, &nearest, &err), &err);
    double largest = 0;
    for (uint32_t t = 0; t < from->triangle_count; t++) {
        const struct vec3 *p = from->points;
        const uint32_t *c = from->corners + 3 * t;
        for (int i = 0; i <= STEPS; i++) {
            for (int j = 0; i + j <= STEPS; j++) {
                const double u = (double)i / STEPS;
                const double v = (double)j / STEPS;
                const struct vec3 at =
                    vec3_add(vec3_scale(p[c[0]], 1 - u - v),
                             vec3_add(vec3_scale(p[c[1]], u), vec3_scale(p[c[2]], v)));
                uint32_t hint = UINT32_MAX;
                largest = fmax(largest, nearest_find(nearest, at, &hint));
            }
        }
    }
    arena_release(&scratch);
    return largest;
}

/* The bound holds against a dense sample of both surfaces, and is not loose. */
static void deviation_measure__holds_against_a_dense_sample(void)
{
    uint32_t seed = 5;
    for (int round = 0; round < 40; round++) {
        double n[12];
        for (int i = 0; i < 12; i++) {
            seed = seed * 1664525u + 1013904223u;
            n[i] = (double)(seed >> 8) / (1 << 24);
        }
        struct box_shape a;
        struct box_shape b;
        make_box(&a, (struct vec3){n[0], n[1], n[2]},
                 (struct vec3){5 + 9 * n[3], 5 + 9 * n[4], 3 + 20 * n[5]});
        make_box(&b, (struct vec3){3 * n[6], 3 * n[7], n[8]},
                 (struct vec3){5 + 9 * n[9], 5 + 9 * n[10], 3 + 20 * n[11]});
        const struct deviation found = measure(&a.shape, &b.shape);
        CHECK(found.upper_m <= found.lower_m * 1.001 + 2e-3);
        const double sampled = fmax(sample(&a.shape, &b.shape), sample(&b.shape, &a.shape));
        CHECK(sampled <= found.upper_m + 1e-9);
        CHECK(sampled >= found.lower_m * 0.9 - 0.2);
    }
}

/* The same faces cut up another way: nothing lies between them, and finding
 * that out must not mean quartering along every diagonal. */
static void deviation_measure__sees_one_plane_through_other_cuts(void)
{
    struct box_shape a;
    struct box_shape b;
    make_box(&a, (struct vec3){0, 0, 0}, (struct vec3){1000, 700, 300});
    make_box(&b, (struct vec3){0, 0, 0}, (struct vec3){1000, 700, 300});
    for (int face = 0; face < 5; face++) {
        uint32_t *c = b.corners + 6 * face; /* 0 1 2 0 2 3 becomes 1 2 3 1 3 0 */
        const uint32_t quad[4] = {c[0], c[1], c[2], c[5]};
        const uint32_t other[6] = {quad[1], quad[2], quad[3], quad[1], quad[3], quad[0]};
        memcpy(c, other, sizeof other);
    }
    CHECK_NEAR(measure(&a.shape, &b.shape).upper_m, 0, 2e-3, "m");
}

static void deviation_measure__does_not_count_floors(void)
{
    struct box_shape a;
    struct box_shape b;
    make_box(&a, (struct vec3){0, 0, 0}, (struct vec3){10, 10, 4});
    make_box(&b, (struct vec3){0, 0, 0}, (struct vec3){10, 10, 4});
    /* The same with a floor, which lies 4 m from the roof and 5 m from walls. */
    uint32_t corners[36];
    uint32_t triangle_faces[12];
    struct shape_face faces[6];
    memcpy(corners, a.corners, sizeof a.corners);
    memcpy(corners + 30, (const uint32_t[]){0, 2, 1, 0, 3, 2}, 6 * sizeof(uint32_t));
    memcpy(triangle_faces, a.triangle_faces, sizeof a.triangle_faces);
    triangle_faces[10] = triangle_faces[11] = 5;
    memcpy(faces, a.faces, sizeof a.faces);
    faces[5] = (struct shape_face){.kind = SURFACE_GROUND, .normal = {0, 0, -1}};
    a.shape.corners = corners;
    a.shape.triangle_faces = triangle_faces;
    a.shape.triangle_count = 12;
    a.shape.faces = faces;
    a.shape.face_count = 6;
    CHECK_NEAR(measure(&a.shape, &b.shape).upper_m, 0, 2e-3, "m");
}

static void deviation_measure__fails_with_every_allocation(void)
{
    struct box_shape a;
    struct box_shape b;
    make_box(&a, (struct vec3){0, 0, 0}, (struct vec3){10, 10, 4});
    make_box(&b, (struct vec3){1, 1, 0}, (struct vec3){9, 14, 7});
    bool has_succeeded = false;
    for (size_t fail = 1; !has_succeeded; fail++) {
        struct arena scratch;
        struct deviation found;
        struct err err;
        arena_init(&scratch, 1 << 24);
        scratch.fail_after = fail;
        has_succeeded = deviation_measure(&a.shape, &b.shape, 1e-3, 0.01, &scratch, &found, &err);
        CHECK(has_succeeded || err.code == ERR_NOMEM);
        CHECK_EQ(scratch.used_bytes, 0);
        arena_release(&scratch);
        CHECK(fail < 100);
    }
}

CHECK_MAIN(CHECK_TEST(deviation_measure__is_nothing_between_equals),
           CHECK_TEST(deviation_measure__finds_known_distances),
           CHECK_TEST(deviation_measure__holds_against_a_dense_sample),
           CHECK_TEST(deviation_measure__sees_one_plane_through_other_cuts),
           CHECK_TEST(deviation_measure__does_not_count_floors),
           CHECK_TEST(deviation_measure__fails_with_every_allocation))
