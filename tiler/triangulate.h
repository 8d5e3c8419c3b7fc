/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_TRIANGULATE_H
#define TILER_TRIANGULATE_H

/*
 * triangulate.h - one polygon with holes into triangles, its area proven.
 *
 * Ear clipping first: fast, and makes no points. Ear clipping never says that
 * it failed, so the triangles' summed area is compared with the rings' area;
 * when they differ, the tessellator of tessellate.h gives the even-odd answer.
 *
 * Every corner of the rings is a corner of some triangle, also those on a
 * straight edge: leaving one out would open a crack to the neighbour that uses
 * it. Exceptions are points that repeat their predecessor, and the tips of
 * spikes without area.
 *
 * Source   the algorithm of mapbox/earcut (ISC licence): hole bridging after
 *          Eberly, "Triangulation by Ear Clipping", z-order lookup of the
 *          points near an ear; rewritten here, with re-insertion of straight
 *          points, a budget, and the area check
 * Limits   TRIANGULATE_POINTS_MAX points. The work is bounded: no input loops
 * Threads  no state
 */

#include "tiler/ring.h"

enum { TRIANGULATE_POINTS_MAX = 1 << 20 };

/* Largest relative difference between the triangles' area and the rings' that
 * counts as complete. Clean input gives 1e-15; touching holes whose corners
 * were rounded to a millimetre overlap by up to 1e-4 and go to the tessellator. */
#define TRIANGULATE_AREA_TOLERANCE 1e-6

enum triangulate_method {
    TRIANGULATE_EARS,        /* complete, no points added */
    TRIANGULATE_TESSELLATED, /* complete by the second method */
    TRIANGULATE_CROSSING     /* the rings cross or overlap: the even-odd inside */
};

struct triangulate_result {
    uint32_t *corners; /* triangle_count x 3 into the input's points, then `blends` */
    uint32_t triangle_count;
    const struct tessellate_blend *blends; /* added points; see tessellate.h */
    uint32_t blend_count;
    double area; /* of the triangles */
    enum triangulate_method method;
};

/*
 * Triangulates ring 0 less the rings after it. Rings may run either way, may
 * repeat points, touch themselves and each other.
 *
 * Shapes   out->corners  triangles anticlockwise in the plane of the points
 * Memory   *out lives in out_arena; scratch is marked and reset, unless it is
 *          out_arena as well: then everything stays until the caller's reset
 * Errors   ERR_GEOMETRY  fewer than 3 distinct points, or no area, or points
 *                        that are not finite
 *          ERR_LIMIT     more than TRIANGULATE_POINTS_MAX points, or rings that
 *                        cross too often (tessellate.h)
 */
ERR_CHECKED bool triangulate_polygon(const struct ring_set *rings, struct arena *out_arena,
                                     struct arena *scratch, struct triangulate_result *out,
                                     struct err *err);

#endif
