/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/crown.h"

#include <assert.h>
#include <string.h>

#include "tiler/ring.h"

enum { BELT = 4, TIP = 4, FOOT = 5, POINTS = 6, TRIANGLES = 8 };

/* Points farther from the middle than this share of the farthest are where the
 * thing is widest. */
static const double WIDE_SHARE = 0.8;

/* Things flatter or narrower than this have no two pyramids. */
static const double LEAST_M = 0.01;

/* The belt's corners stand over the middles of the rectangle's sides, moved out
 * until they hold the hull's area. */
static bool find_belt(const struct shape *full, struct arena *scratch, struct vec2 out[BELT],
                      struct vec2 *out_middle, struct err *err)
{
    struct vec2 *points = arena_array(scratch, struct vec2, full->point_count);
    struct vec2 *hull = arena_array(scratch, struct vec2, (size_t)full->point_count + 1);
    if (points == NULL || hull == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t i = 0; i < full->point_count; i++) {
        points[i] = (struct vec2){full->points[i].x, full->points[i].y};
    }
    struct vec2 corners[BELT];
    const uint32_t count = ring_hull(points, full->point_count, hull);
    const double around_m2 = count < 3 ? 0 : ring_rectangle(hull, count, corners);
    if (!(around_m2 > LEAST_M * LEAST_M)) {
        return err_set(err, ERR_GEOMETRY, "no width");
    }
    struct vec2 middle = {0, 0};
    for (int i = 0; i < BELT; i++) {
        middle.x += corners[i].x / BELT;
        middle.y += corners[i].y / BELT;
    }
    const double grow = sqrt(2 * ring_area(hull, count) / around_m2);
    for (int i = 0; i < BELT; i++) {
        const struct vec2 a = corners[i];
        const struct vec2 b = corners[(i + 1) % BELT];
        out[i] = (struct vec2){middle.x + grow * ((a.x + b.x) / 2 - middle.x),
                               middle.y + grow * ((a.y + b.y) / 2 - middle.y)};
    }
    *out_middle = middle;
    return true;
}

static double square_of(struct vec3 p, struct vec2 middle)
{
    return (p.x - middle.x) * (p.x - middle.x) + (p.y - middle.y) * (p.y - middle.y);
}

/* The mean height of where it is widest, kept off the ends. */
static double belt_height_m(const struct shape *full, struct vec2 middle, struct box3 box)
{
    double most2 = 0;
    for (uint32_t i = 0; i < full->point_count; i++) {
        most2 = fmax(most2, square_of(full->points[i], middle));
    }
    double sum = 0;
    double count = 0;
    for (uint32_t i = 0; i < full->point_count; i++) {
        if (square_of(full->points[i], middle) >= WIDE_SHARE * WIDE_SHARE * most2) {
            sum += full->points[i].z;
            count++;
        }
    }
    const double end_m = 0.05 * (box.max.z - box.min.z);
    return fmin(fmax(sum / count, box.min.z + end_m), box.max.z - end_m);
}

/* Over the middle of all points that are highest, or lowest. */
static struct vec3 end_of(const struct shape *full, double height_m)
{
    struct vec3 sum = {0, 0, 0};
    double count = 0;
    for (uint32_t i = 0; i < full->point_count; i++) {
        if (fabs(full->points[i].z - height_m) <= LEAST_M) {
            sum = vec3_add(sum, full->points[i]);
            count++;
        }
    }
    return (struct vec3){sum.x / count, sum.y / count, height_m};
}

static bool fill_shape(const struct vec3 points[POINTS], struct arena *out_arena, struct shape *out,
                       struct err *err)
{
    struct shape made = {.points = arena_array(out_arena, struct vec3, POINTS),
                         .point_count = POINTS,
                         .corners = arena_array(out_arena, uint32_t, 3 * TRIANGLES),
                         .triangle_faces = arena_array(out_arena, uint32_t, TRIANGLES),
                         .triangle_count = TRIANGLES,
                         .faces = arena_array(out_arena, struct shape_face, TRIANGLES),
                         .face_count = TRIANGLES,
                         .is_closed = true};
    if (made.points == NULL || made.corners == NULL || made.triangle_faces == NULL ||
        made.faces == NULL) {
        return arena_full(out_arena, err);
    }
    memcpy(made.points, points, POINTS * sizeof points[0]);
    for (uint32_t t = 0; t < TRIANGLES; t++) {
        const uint32_t a = t % BELT;
        const uint32_t b = (t + 1) % BELT;
        uint32_t *c = made.corners + 3 * (size_t)t;
        c[0] = t < BELT ? a : b;
        c[1] = t < BELT ? b : a;
        c[2] = t < BELT ? TIP : FOOT;
        const struct vec3 across =
            vec3_cross(vec3_sub(points[c[1]], points[c[0]]), vec3_sub(points[c[2]], points[c[0]]));
        made.triangle_faces[t] = t;
        made.faces[t] = (struct shape_face){.kind = SURFACE_UNKNOWN,
                                            .material = FEATURE_NONE,
                                            .texture = FEATURE_NONE,
                                            .polygon = UINT32_MAX,
                                            .normal = vec3_unit(across)};
    }
    *out = made;
    return true;
}

bool crown_make(const struct shape *full, struct arena *out_arena, struct arena *scratch,
                struct shape *out, struct err *err)
{
    assert(full->point_count > 0);
    const struct arena_mark mark = arena_mark(scratch);
    const struct box3 box = shape_box(full);
    struct vec2 belt[BELT];
    struct vec2 middle;
    const bool has_belt = find_belt(full, scratch, belt, &middle, err);
    arena_reset(scratch, mark);
    if (!has_belt) {
        return false;
    }
    if (!(box.max.z - box.min.z > LEAST_M)) {
        return err_set(err, ERR_GEOMETRY, "no height");
    }
    const double height_m = belt_height_m(full, middle, box);
    struct vec3 points[POINTS];
    for (int i = 0; i < BELT; i++) {
        points[i] = (struct vec3){belt[i].x, belt[i].y, height_m};
    }
    points[TIP] = end_of(full, box.max.z);
    points[FOOT] = end_of(full, box.min.z);
    return fill_shape(points, out_arena, out, err);
}
