/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_NEAREST_H
#define TILER_NEAREST_H

/*
 * nearest.h - the distance from a point to the nearest of many triangles.
 *
 * A few triangles are simply tried one after the other; more stand in a tree of
 * boxes, split at the median of the longest side, four to a leaf.
 *
 * Source   C. Ericson, "Real-Time Collision Detection" (2005), "Closest Point on
 *          Triangle to Point"
 * Threads  a built tree may be asked from any thread
 */

#include <stdint.h>

#include "formats/base/arena.h"
#include "formats/base/vec.h"

struct nearest_triangle {
    struct vec3 corners[3];
};

struct nearest;

/* `triangles` are copied and reordered; count >= 1. Memory: `arena`. */
ERR_CHECKED bool nearest_build(const struct nearest_triangle *triangles, uint32_t count,
                               struct arena *arena, struct nearest **out, struct err *err);

/*
 * The distance from `point` to the nearest triangle, and in *io_triangle which
 * one (a number of this tree's own order). On entry *io_triangle may name one
 * that is likely near, which saves work; UINT32_MAX does not.
 */
double nearest_find(const struct nearest *nearest, struct vec3 point, uint32_t *io_triangle);

/* The distance to one triangle, by that number. */
double nearest_distance(const struct nearest *nearest, struct vec3 point, uint32_t triangle);

/* The triangle of that number; valid as long as the tree. */
const struct nearest_triangle *nearest_triangle_at(const struct nearest *nearest,
                                                   uint32_t triangle);

#endif
