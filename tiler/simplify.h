/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_SIMPLIFY_H
#define TILER_SIMPLIFY_H

/*
 * simplify.h - fewer triangles for one feature: flat neighbours merged, then
 * edges collapsed.
 *
 * For detailed models (windows, mouldings, meshes). Plain houses come out as
 * they went in; for those there is block.h.
 *
 * Threads  no state
 */

#include "tiler/shape.h"

/*
 * Merges neighbouring faces of one kind, material and texture that lie in one
 * plane (no corner farther than tolerance_m from the first face's plane),
 * drops border corners that are straight for all regions that meet there, and
 * triangulates anew. Textured faces are merged where one picture runs on: where
 * the texture coordinates of both follow from one map of the plane, to
 * tolerance_m on the face; they keep theirs.
 *
 * Memory   *out lives in out_arena; scratch is marked and reset
 * Errors   ERR_GEOMETRY  no triangle is left
 */
ERR_CHECKED bool simplify_planes(const struct shape *full, double tolerance_m,
                                 struct arena *out_arena, struct arena *scratch, struct shape *out,
                                 struct err *err);

/*
 * Collapses edges while the quadric error stays below tolerance_m. That error
 * only ranks: the true deviation is often several times as large and must be
 * measured (deviation.h). Texture coordinates are lost.
 *
 * Errors   ERR_GEOMETRY  nothing is left: the feature is as good as dropped
 */
ERR_CHECKED bool simplify_collapse(const struct shape *full, double tolerance_m,
                                   struct arena *out_arena, struct arena *scratch,
                                   struct shape *out, struct err *err);

#endif
