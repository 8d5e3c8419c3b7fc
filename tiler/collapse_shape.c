/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tiler/collapse_internal.h"

/* A triangle in the plane of its face, within a degree, is a part of that face. */
static const double ONE_PLANE_COSINE = 0.99985;

/* A triangle that is left. */
struct remnant {
    uint32_t triangle; /* of the full shape */
    uint32_t face;     /* of the new one */
};

static struct vec3 normal_of(const struct collapse *c, uint32_t triangle)
{
    const uint32_t *points = c->corners + 3 * (size_t)triangle;
    const struct vec3 a = collapse_point(c, points[0]);
    return vec3_unit(vec3_cross(vec3_sub(collapse_point(c, points[1]), a),
                                vec3_sub(collapse_point(c, points[2]), a)));
}

static bool has_left_face(const struct collapse *c, uint32_t triangle)
{
    const struct vec3 normal = normal_of(c, triangle);
    const struct vec3 was = c->full->faces[c->full->triangle_faces[triangle]].normal;
    return vec3_length(normal) > 0 && vec3_dot(normal, was) < ONE_PLANE_COSINE;
}

/* Faces in the order of the full shape; those that a triangle left get their
 * own behind them. */
static uint32_t list_remnants(const struct collapse *c, struct shape_face *faces,
                              struct remnant *out, uint32_t *out_face_count)
{
    const struct shape *full = c->full;
    uint32_t count = 0;
    uint32_t face_count = 0;
    for (uint32_t t = 0; t < full->triangle_count;) {
        const uint32_t source = full->triangle_faces[t];
        const uint32_t first = count;
        uint32_t end = t;
        for (; end < full->triangle_count && full->triangle_faces[end] == source; end++) {
            if (!collapse_is_gone(c, end) && !has_left_face(c, end)) {
                out[count++] = (struct remnant){end, face_count};
            }
        }
        if (count > first) {
            faces[face_count++] = full->faces[source];
        }
        for (; t < end; t++) {
            if (!collapse_is_gone(c, t) && has_left_face(c, t)) {
                out[count++] = (struct remnant){t, face_count};
                faces[face_count] = full->faces[source];
                faces[face_count++].normal = normal_of(c, t);
            }
        }
    }
    *out_face_count = face_count;
    return count;
}

/* Rising numbers for the points in use. */
static void number_points(const struct collapse *c, uint32_t *numbers, struct vec3 *points,
                          uint32_t *sources, struct shape *out)
{
    for (uint32_t p = 0; p < c->full->point_count; p++) {
        if (numbers[p] != 0) {
            points[out->point_count] = collapse_point(c, p);
            sources[out->point_count++] = p;
            numbers[p] = out->point_count;
        }
    }
}

static bool make_shape(const struct collapse *c, struct arena *out_arena, struct arena *scratch,
                       struct shape *out, uint32_t **out_sources, struct err *err)
{
    uint32_t *numbers = arena_array(scratch, uint32_t, c->full->point_count); /* + 1 */
    struct remnant *remnants = arena_array(scratch, struct remnant, c->triangle_count);
    if (numbers == NULL || remnants == NULL) {
        return arena_full(scratch, err);
    }
    struct shape made = {.faces = arena_array(out_arena, struct shape_face, c->triangle_count)};
    if (made.faces == NULL) {
        return arena_full(out_arena, err);
    }
    made.triangle_count = list_remnants(c, made.faces, remnants, &made.face_count);
    if (made.triangle_count == 0) {
        return err_set(err, ERR_GEOMETRY, "no triangle is left");
    }
    uint32_t used_count = 0;
    for (uint32_t i = 0; i < 3 * made.triangle_count; i++) {
        uint32_t *number = &numbers[c->corners[3 * (size_t)remnants[i / 3].triangle + i % 3]];
        used_count += *number == 0;
        *number = 1;
    }
    made.corners = arena_array(out_arena, uint32_t, 3 * (size_t)made.triangle_count);
    made.triangle_faces = arena_array(out_arena, uint32_t, made.triangle_count);
    made.points = arena_array(out_arena, struct vec3, used_count);
    made.uvs =
        c->uvs == NULL ? NULL : arena_array(out_arena, float, 6 * (size_t)made.triangle_count);
    uint32_t *sources = arena_array(out_arena, uint32_t, used_count);
    if (made.corners == NULL || made.triangle_faces == NULL || made.points == NULL ||
        (c->uvs != NULL && made.uvs == NULL) || sources == NULL) {
        return arena_full(out_arena, err);
    }
    number_points(c, numbers, made.points, sources, &made);
    for (uint32_t i = 0; i < made.triangle_count; i++) {
        const size_t from = 3 * (size_t)remnants[i].triangle;
        for (size_t k = 0; k < 3; k++) {
            made.corners[3 * (size_t)i + k] = numbers[c->corners[from + k]] - 1;
        }
        made.triangle_faces[i] = remnants[i].face;
        if (made.uvs != NULL) {
            memcpy(made.uvs + 6 * (size_t)i, c->uvs + 2 * from, 6 * sizeof made.uvs[0]);
        }
    }
    for (uint32_t f = 0; c->uvs == NULL && c->full->uvs != NULL && f < made.face_count; f++) {
        made.faces[f].texture = FEATURE_NONE;
    }
    made.is_closed = c->full->is_closed;
    *out = made;
    if (out_sources != NULL) {
        *out_sources = sources;
    }
    return true;
}

bool collapse_shape(const struct collapse *collapse, struct arena *out_arena, struct arena *scratch,
                    struct shape *out, uint32_t **out_sources, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    const bool ok = make_shape(collapse, out_arena, scratch, out, out_sources, err);
    arena_reset(scratch, mark);
    return ok;
}
