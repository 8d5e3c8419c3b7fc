/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_FOOTPRINT_H
#define TILER_FOOTPRINT_H

/*
 * footprint.h - the plan of a shape: its outline seen from above, simplified
 * so that right angles stay right angles.
 *
 *     shape ──> project chosen triangles ──> cancel inner edges ──> (union by
 *     winding number where something overlaps) ──> rings ──> simplify
 *
 * Source   Staufenbiel's rules (notch filled, step straightened, corner cut)
 *          as described by Sester 2000; reference: shared lod notes 2.1
 * Threads  no state
 */

#include "tiler/ring.h"
#include "tiler/shape.h"

/* Points of a plan are joined when they are nearer than this. */
#define FOOTPRINT_WELD_M 1e-3

/*
 * The outline of some triangles of a shape, seen from above: outer rings
 * anticlockwise, holes clockwise, not crossing. Vertical triangles do not
 * count. Overlaps are united. Empty when nothing has area in plan.
 *
 * Shapes   is_wanted  per triangle; NULL: all
 */
ERR_CHECKED bool footprint_from_shape(const struct shape *shape, const bool *is_wanted,
                                      struct arena *out_arena, struct arena *scratch,
                                      struct ring_set *out, struct err *err);

/*
 * The same plan with fewer corners: no edge is moved by more than tolerance_m
 * in one step, rings (and holes) smaller than tolerance_m across are left out.
 * A ring whose result crosses itself or whose area drifts by more than 3 %
 * becomes its rectangle or hull where that has less than 10 % more area, or
 * stays as it is.
 *
 * Memory   *out lives in out_arena; scratch is marked and reset
 */
ERR_CHECKED bool footprint_simplify(const struct ring_set *plan, double tolerance_m,
                                    struct arena *out_arena, struct arena *scratch,
                                    struct ring_set *out, struct err *err);

/*
 * How wide the plan is where it is widest: the diameter of the largest circle
 * that lies in it. An upper bound, within a tenth or so.
 */
ERR_CHECKED bool footprint_width_m(const struct ring_set *plan, struct arena *scratch,
                                   double *out_m, struct err *err);

/* Sum of signed ring areas: outer rings less holes. */
double footprint_area_m2(const struct ring_set *plan);

#endif
