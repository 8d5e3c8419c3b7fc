/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_TESSELLATE_H
#define TILER_TESSELLATE_H

/*
 * tessellate.h - rings that cross, overlap and touch, made into triangles or
 * into clean outlines, by winding number.
 *
 * A sweep (the GLU tessellator of the OpenGL Utility Library) that survives
 * any input, at five times the cost of ear clipping. It makes points where
 * edges cross. As boundary extraction it is also our union, intersection and
 * difference of plans: a point wound more than 0 times, more than once, ...
 *
 * Source   SGI, "OpenGL Utility Library" 1.3, chapter 5 "Polygon Tessellation"
 * Limits   TESSELLATE_CROSSINGS_MAX crossings per input point, counted before
 *          the sweep starts; TESSELLATE_POINTS_MAX points
 * Threads  no state
 */

#include "tiler/ring.h"

enum tessellate_rule {
    TESSELLATE_ODD,      /* inside where the winding number is odd */
    TESSELLATE_POSITIVE, /* union of anticlockwise rings; clockwise ones cut holes */
    TESSELLATE_TWICE     /* intersection of two sets of anticlockwise rings */
};

enum { TESSELLATE_POINTS_MAX = 1 << 18, TESSELLATE_CROSSINGS_MAX = 4 };

/* A point that was made where edges cross: the weighted mean of input points. */
struct tessellate_blend {
    uint32_t sources[4]; /* indices of input points or of earlier added points */
    float weights[4];    /* sum to 1; unused ones are 0 */
};

struct tessellation {
    struct vec2 *points; /* the input's points, then the added ones */
    uint32_t input_count;
    uint32_t added_count;
    struct tessellate_blend *blends; /* added_count */
    uint32_t *corners;               /* triangle_count x 3, anticlockwise */
    uint32_t triangle_count;
};

/*
 * Cuts the inside of the rings into triangles.
 *
 * Memory   *out lives in out_arena; scratch is marked and reset, unless it is
 *          out_arena as well: then everything stays until the caller's reset
 * Errors   ERR_LIMIT     too many points or crossings
 *          ERR_GEOMETRY  no triangles
 *          ERR_NOMEM     also when the library runs out of memory
 */
ERR_CHECKED bool tessellate_triangles(const struct ring_set *rings, enum tessellate_rule rule,
                                      struct arena *out_arena, struct arena *scratch,
                                      struct tessellation *out, struct err *err);

/*
 * The outline of the inside: outer rings run anticlockwise, holes clockwise,
 * none crosses another. An empty outline is a success.
 */
ERR_CHECKED bool tessellate_outline(const struct ring_set *rings, enum tessellate_rule rule,
                                    struct arena *out_arena, struct arena *scratch,
                                    struct ring_set *out, struct err *err);

#endif
