/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_CROWN_H
#define TILER_CROWN_H

/*
 * crown.h - a small thing as eight triangles: two pyramids, foot to foot.
 *
 *          /\        tip: the highest point
 *         /  \
 *        <----> 4    a belt of four corners where the thing is widest, as large
 *         \  /       in plan as its hull
 *          \/        foot: the lowest point
 *
 * Trees are widest halfway up; lamps and signs near their tips. A box shows the
 * walls of neither.
 *
 * Threads  no state
 */

#include "tiler/shape.h"

/*
 * Shapes   *out  8 triangles, a face each; closed, outward
 * Memory   *out lives in out_arena; scratch is marked and reset
 * Errors   ERR_GEOMETRY  the thing has no height or no width
 */
ERR_CHECKED bool crown_make(const struct shape *full, struct arena *out_arena,
                            struct arena *scratch, struct shape *out, struct err *err);

#endif
