/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/crate.h"

#include <string.h>

static bool stand_around(const struct shape *full, struct arena *scratch, struct mass_prism *out,
                         struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct vec2 *points = arena_array(scratch, struct vec2, full->point_count);
    struct vec2 *hull = arena_array(scratch, struct vec2, (size_t)full->point_count + 1);
    if (points == NULL || hull == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t i = 0; i < full->point_count; i++) {
        points[i] = (struct vec2){full->points[i].x, full->points[i].y};
    }
    const struct box3 box = shape_box(full);
    const uint32_t count = ring_hull(points, full->point_count, hull);
    *out = (struct mass_prism){.base_m = box.min.z, .top_m = box.max.z};
    if (count >= 3 && ring_rectangle(hull, count, out->points) > 0) {
        out->count = 4;
    }
    arena_reset(scratch, mark);
    return true;
}

/* All of the thing is in the box; and no point of the box is farther from the
 * thing than its corners are from the thing's point nearest to its middle. Floors
 * are none of it, as in deviation.h. */
static double error_of(const struct shape *full, const bool *is_floor, const struct mass_prism *box)
{
    struct vec3 corners[8];
    struct vec3 middle = {0, 0, 0};
    for (int i = 0; i < 8; i++) {
        const struct vec2 p = box->points[i & 3];
        corners[i] = (struct vec3){p.x, p.y, i < 4 ? box->base_m : box->top_m};
        middle = vec3_add(middle, vec3_scale(corners[i], 0.125));
    }
    struct vec3 nearest = middle;
    double nearest_m = (double)INFINITY;
    for (uint32_t c = 0; c < 3 * full->triangle_count; c++) {
        const struct vec3 p = full->points[full->corners[c]];
        if (!is_floor[full->triangle_faces[c / 3]] && vec3_distance(p, middle) < nearest_m) {
            nearest = p;
            nearest_m = vec3_distance(p, middle);
        }
    }
    double most = 0;
    for (int i = 0; i < 8; i++) {
        most = fmax(most, vec3_distance(corners[i], nearest));
    }
    return most;
}

bool crate_around(const struct shape *full, struct arena *scratch, struct mass_prism *out,
                  struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct mass_prism box = {0};
    bool *is_floor;
    const bool ok =
        stand_around(full, scratch, &box, err) && shape_floors(full, scratch, &is_floor, err);
    if (ok) {
        box.error_m = box.count == 4 ? error_of(full, is_floor, &box) : (double)INFINITY;
        *out = box;
    }
    arena_reset(scratch, mark);
    return ok;
}

bool crate_shape(const struct mass_prism *box, struct arena *out_arena, struct shape *out,
                 struct err *err)
{
    static const uint32_t corners[30] = {0, 1, 5, 0, 5, 4, 1, 2, 6, 1, 6, 5, 2, 3, 7,
                                         2, 7, 6, 3, 0, 4, 3, 4, 7, 4, 5, 6, 4, 6, 7};
    *out = (struct shape){.points = arena_array(out_arena, struct vec3, 8),
                          .point_count = 8,
                          .corners = arena_array(out_arena, uint32_t, 30),
                          .triangle_faces = arena_array(out_arena, uint32_t, 10),
                          .triangle_count = 10,
                          .faces = arena_array(out_arena, struct shape_face, 5),
                          .face_count = 5};
    if (out->points == NULL || out->corners == NULL || out->triangle_faces == NULL ||
        out->faces == NULL) {
        return arena_full(out_arena, err);
    }
    memcpy(out->corners, corners, sizeof corners);
    for (uint32_t i = 0; i < 8; i++) {
        const struct vec2 p = box->points[i & 3];
        out->points[i] = (struct vec3){p.x, p.y, i < 4 ? box->base_m : box->top_m};
    }
    for (uint32_t i = 0; i < 10; i++) {
        out->triangle_faces[i] = i / 2;
    }
    for (uint32_t i = 0; i < 5; i++) {
        const struct vec2 a = box->points[i & 3];
        const struct vec2 b = box->points[(i + 1) & 3];
        out->faces[i] =
            (struct shape_face){.kind = SURFACE_UNKNOWN,
                                .material = FEATURE_NONE,
                                .texture = FEATURE_NONE,
                                .polygon = UINT32_MAX,
                                .normal = i < 4 ? vec3_unit((struct vec3){b.y - a.y, a.x - b.x, 0})
                                                : (struct vec3){0, 0, 1}};
    }
    return true;
}
