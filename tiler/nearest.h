/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_NEAREST_H
#define TILER_NEAREST_H

/*
 * nearest.h - the distance from a point to the nearest of many triangles.
 *
 * Neighbouring triangles that lie in one plane are joined to convex faces of up
 * to NEAREST_CORNERS_MAX corners: a wall is one face, however it was cut up. A
 * few faces are simply tried one after the other; more stand in a tree of
 * boxes, split at the median of the longest side, four to a leaf.
 *
 * Source   C. Ericson, "Real-Time Collision Detection" (2005), "Closest Point on
 *          Triangle to Point"; S. Hertel, K. Mehlhorn 1983 for the joining
 * Threads  a built tree may be asked from any thread
 */

#include <stdint.h>

#include "formats/base/arena.h"
#include "formats/base/vec.h"

struct nearest_triangle {
    struct vec3 corners[3];
};

enum { NEAREST_CORNERS_MAX = 12 };

struct nearest;

/* `triangles` are copied; count >= 1; those of one face should follow each
 * other. Memory: `arena`. */
ERR_CHECKED bool nearest_build(const struct nearest_triangle *triangles, uint32_t count,
                               struct arena *arena, struct nearest **out, struct err *err);

/*
 * The distance from `point` to the nearest face, and in *io_face which one (a
 * number of this tree's own order). On entry *io_face may name one that is
 * likely near, which saves work; UINT32_MAX does not.
 */
double nearest_find(const struct nearest *nearest, struct vec3 point, uint32_t *io_face);

/* Whether a face has a corner exactly there, and which: distance 0, without a
 * search. */
bool nearest_has_corner(const struct nearest *nearest, struct vec3 point, uint32_t *out_face);

/* The distance to one face, by that number. */
double nearest_distance(const struct nearest *nearest, struct vec3 point, uint32_t face);

/* The corners of a face in order, and how many; valid as long as the tree. */
const struct vec3 *nearest_corners(const struct nearest *nearest, uint32_t face,
                                   uint32_t *out_count);

/* How far faces leave the triangles that they were joined from, at most: what
 * distances are right to. Up to 2 mm, as corners in files are rounded. */
double nearest_slack_m(const struct nearest *nearest);

/* Unit normal of a face; zero when it has no area. */
struct vec3 nearest_normal(const struct nearest *nearest, uint32_t face);

#endif
