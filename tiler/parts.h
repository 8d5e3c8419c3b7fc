/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_PARTS_H
#define TILER_PARTS_H

/*
 * parts.h - small parts of a detailed shape left out or flattened, and never a
 * hole.
 *
 * Two things are small parts:
 *
 *   a patch    windows, doors and installations that share points with what is
 *              around them: the patch becomes a part of the wall that it shares
 *              most of its border with, in colour; its relief is left to
 *              collapse.h
 *   a piece    triangles that share no point with others: railings, lamps,
 *              screws, pipes. Pieces that touch count as one, else a facade made
 *              of panels would vanish with the last panel. A piece beside an open
 *              edge stays: it may be what fills a hole.
 *
 * How wrong that is must be measured (deviation.h): about the size of what went.
 *
 * Threads  no state
 */

#include "tiler/shape.h"

/* Pieces closer than this touch: nobody sees through such a gap. */
#define PARTS_TOUCH_M 0.05

/*
 * Leaves out and flattens what is no larger than size_m across. Pieces with a
 * point that `is_locked` (point_count, or NULL) marks stay.
 *
 * Shapes   out_sources  out->point_count: each point's number in `full`; may be
 *                       NULL
 *          *out_count   patches and pieces that went; 0: *out is *full itself,
 *                       and *out_sources NULL
 * Memory   *out and *out_sources live in out_arena; scratch is marked and reset
 * Errors   ERR_GEOMETRY  nothing else is there: all of the shape is small
 */
ERR_CHECKED bool parts_drop(const struct shape *full, double size_m, const uint8_t *is_locked,
                            struct arena *out_arena, struct arena *scratch, struct shape *out,
                            uint32_t **out_sources, uint32_t *out_count, struct err *err);

#endif
