/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_COLLAPSE_H
#define TILER_COLLAPSE_H

/*
 * collapse.h - fewer triangles for a dense shape, edge by edge.
 *
 * The cheapest edge goes first: one of its points moves onto the other, the two
 * triangles beside it vanish. No point is ever put where none was.
 *
 *          a                a
 *        / | \            /   \
 *       x--v--u    ->    x-----u       v moved onto u
 *        \ | /            \   /
 *          b                b
 *
 * What an edge costs is how far u lies from the planes that v stood on, now
 * (the worst of them) and in the full shape (their mean, by quadrics). Flat
 * faces lose their inner points first, for nothing. That cost only ranks: the
 * deviation of what comes out is measured with deviation.h.
 *
 * What stays together  The borders between two kinds, materials or textures
 *     move no further than what an edge may cost; so do open borders, and points
 *     on them, or where several sheets meet, move along those only. Where
 *     pictures are cut, both sides go together or not at all. What was closed
 *     stays closed, no triangle turns over, and locked points stay.
 *
 * Source   M. Garland, P. Heckbert, "Surface Simplification Using Quadric Error
 *          Metrics" (1997); T. Dey and others, "Topology Preserving Edge
 *          Contraction" (1999), for the link condition
 * Limits   a point of more than COLLAPSE_VALENCE_MAX triangles stays, and
 *          nothing moves onto it
 * Threads  no state
 */

#include "tiler/shape.h"

enum { COLLAPSE_VALENCE_MAX = 128 };

struct collapse;

/*
 * Begins with all triangles of `full`, which is borrowed while the collapse is
 * used. Every point that `is_locked` (point_count, or NULL) marks stays.
 *
 * keeps_uvs  false: texture coordinates are forgotten, and the shapes that come
 *            out have none
 * Memory     `arena`, until that is reset: about 250 bytes a triangle
 */
ERR_CHECKED bool collapse_open(const struct shape *full, const uint8_t *is_locked, bool keeps_uvs,
                               struct arena *arena, struct collapse **out, struct err *err);

/*
 * Goes on until the next edge costs more than error_m or no more than
 * triangle_count are left; can be called again for a coarser shape. The same
 * steps in one call or in several give the same triangles.
 */
void collapse_run(struct collapse *collapse, double error_m, uint32_t triangle_count);

uint32_t collapse_triangle_count(const struct collapse *collapse);

/*
 * The shape as it is now. Triangles that still lie in the plane of their face
 * stay a part of it; others become faces of their own.
 *
 * Shapes   out_sources  out->point_count: each point's number in `full`; may be
 *                       NULL
 * Memory   *out and *out_sources live in out_arena; scratch is marked and reset
 * Errors   ERR_GEOMETRY  no triangle has an area
 */
ERR_CHECKED bool collapse_shape(const struct collapse *collapse, struct arena *out_arena,
                                struct arena *scratch, struct shape *out, uint32_t **out_sources,
                                struct err *err);

#endif
