/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_ORIENT_H
#define TILER_ORIENT_H

/*
 * orient.h - which polygons of a surface must be turned over to face outward.
 *
 * Polygons that share an edge must run along it in opposite ways. Following
 * edges, all polygons of a piece are made to agree; then the piece as a whole is
 * right or inside out:
 *
 *   a closed piece    has a positive volume (of a void's shell: a negative one)
 *   an open piece of  is taken as closed by a fan from its middle: what is
 *   a shell           missing from a solid is mostly its floor
 *   other open ones   keep the source's word, but roofs do not look down and
 *                     grounds do not look up
 *
 * An edge that more than two polygons of a shell meet at joins nothing: which of
 * them go together cannot be seen there. Shells never join each other.
 */

#include "formats/base/arena.h"
#include "formats/base/vec.h"
#include "formats/feature.h"

struct orient_polygon {
    uint32_t first_ring, ring_count;         /* into ring_ends */
    uint32_t first_triangle, triangle_count; /* into corners */
    int32_t shell;                           /* FEATURE_NONE: a bare surface */
    enum feature_surface kind;
};

struct orient_surface {
    const struct vec3 *points;
    const uint32_t *corners; /* triangles, three points each */
    const struct orient_polygon *polygons;
    uint32_t polygon_count;
    const uint32_t *ring_points; /* ring i is [ring_ends[i - 1], ring_ends[i]) */
    const uint32_t *ring_ends;
    const struct feature_shell *shells;
};

/*
 * Shapes   out_is_flipped  polygon_count
 *          *out_is_closed  true when, after flipping, every edge is run along as
 *                          often one way as the other
 * Memory   scratch is marked and reset
 */
ERR_CHECKED bool orient_decide(const struct orient_surface *surface, struct arena *scratch,
                               bool *out_is_flipped, bool *out_is_closed, struct err *err);

#endif
