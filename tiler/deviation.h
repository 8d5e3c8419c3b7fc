/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_DEVIATION_H
#define TILER_DEVIATION_H

/*
 * deviation.h - how far two shapes are from each other, with a proof.
 *
 * The two-sided Hausdorff distance: the largest distance from any point of
 * either surface to the other surface. What is returned is an upper bound that
 * is certified by branch and bound over triangles, not a sample: the distance
 * to a convex triangle is largest at a corner, and changes by no more than one
 * moves (Sacht and Jacobson 2024, "Cascading upper bounds for triangle soup
 * Pompeiu-Hausdorff distance").
 *
 * Floors (shape.h) do not count on either side: nobody sees them, and blocks
 * have none.
 *
 * Threads  no state
 */

#include "tiler/shape.h"

struct deviation {
    double upper_m; /* no point is farther than this: publish it */
    double lower_m; /* some point is at least this far */
};

/*
 * Measures `candidate` against `full` until upper <= lower * (1 + relative) +
 * tolerance_m. When that would take more than DEVIATION_STEPS_MAX subdivisions
 * it stops earlier: upper_m is then looser, but as true.
 *
 * Limits   tolerance_m > 0
 * Memory   scratch is marked and reset
 * Errors   ERR_GEOMETRY  either shape has no triangles
 */
ERR_CHECKED bool deviation_measure(const struct shape *full, const struct shape *candidate,
                                   double tolerance_m, double relative, struct arena *scratch,
                                   struct deviation *out, struct err *err);

enum { DEVIATION_STEPS_MAX = 1 << 13 };

/*
 * The same in two steps, for a feature whose versions are all measured against
 * the same full detail, with a limit of its own: what a run can afford for each
 * of a million features.
 *
 * Memory   *out lives in `arena`, and borrows `full`
 */
struct deviation_surface;
ERR_CHECKED bool deviation_open(const struct shape *full, struct arena *arena,
                                const struct deviation_surface **out, struct err *err);
ERR_CHECKED bool deviation_from(const struct deviation_surface *full, const struct shape *candidate,
                                double tolerance_m, double relative, size_t steps_max,
                                struct arena *scratch, struct deviation *out, struct err *err);

#endif
