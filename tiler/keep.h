/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_KEEP_H
#define TILER_KEEP_H

/*
 * keep.h - which features a tile shows better than its error asks for: those of
 * which most is seen for their bytes.
 *
 * The error of a tile is that of its worst feature, and merge.h makes that as
 * small as the bytes allow. It does not ask how much of the picture is wrong: a
 * kerb of four metres along every street is given up before a tree of five,
 * though it is hundreds of times as large and costs less. So a tile goes a
 * little farther than its bytes demand, and what that saves is spent here, on
 * what is gained with each byte: of every feature the area that is seen from
 * above and aslant, times how much more of it a finer version gets right.
 *
 * Threads  no state
 */

#include "tiler/piece.h"

#define KEEP_NONE UINT32_MAX

/*
 * Raises shown pieces to finer ones.
 *
 * Shapes   io_pieces  figure_count; the piece that a figure would be shown as,
 *                     or KEEP_NONE: left out, or drawn with others. Afterwards
 *                     the piece that it is to be kept as, or KEEP_NONE
 * Units    error_m    that the tile has as it would be
 * Memory   scratch is marked and reset
 */
ERR_CHECKED bool keep_choose(const struct figure *figures, size_t figure_count, double error_m,
                             uint64_t spend_bytes, double texel_m, struct arena *scratch,
                             uint32_t *io_pieces, struct err *err);

#endif
