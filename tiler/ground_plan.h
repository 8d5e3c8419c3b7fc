/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_GROUND_PLAN_H
#define TILER_GROUND_PLAN_H

/*
 * ground_plan.h - the footprint of a feature as the source has it, for the
 * index: not triangulated, not simplified.
 *
 *     GroundSurfaces, else level 0, else all that faces up or down
 *       ──> seen from above ──> united where there is more than one ──> rings
 *
 * What is made of too many surfaces (a terrain), or cannot be united, becomes
 * its convex hull.
 *
 * Threads  no state
 */

#include "tiler/record.h"
#include "tiler/ring.h"

enum { GROUND_PLAN_SURFACES_MAX = 2000 };

struct ground_plan {
    struct ring_set rings; /* outer rings anticlockwise, each followed by its holes */
    const bool *is_hole;   /* per ring */
    double area_m2;
};

/*
 * The plan of a placed record, in its own frame (metres east and north). No
 * rings when nothing of it has area in plan.
 *
 * Memory   *out lives in `tile`; scratch is marked and reset
 */
ERR_CHECKED bool ground_plan_make(const struct record *record, struct arena *tile,
                                  struct arena *scratch, struct ground_plan *out, struct err *err);

#endif
