/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_LEVEL_H
#define TILER_LEVEL_H

/*
 * level.h - what a tile above the leaves shows: one piece of each feature, or
 * nothing, with the least error that its byte budget can buy.
 *
 * The error of a tile is that of its worst feature. So this is no knapsack: for
 * an error e, the best choice is the cheapest piece of each feature with an
 * error of at most e; and the least e whose choice fits the budget is found by
 * halving over all errors that occur. Exact, O(n log n).
 *
 * Leaving a feature out is a choice like the others, with an error of its size.
 *
 * What pieces with images cost depends on the error, too: a tile that is wrong
 * by e has no use for texels finer than what e looks like on the screen; and one
 * whose texels are coarser than its images is as wrong as that.
 */

#include "tiler/piece.h"

/* A choice of "not there". */
#define LEVEL_DROPPED UINT32_MAX

/* What a row of the property table of such a tile costs. */
uint32_t level_row_bytes(const struct figure *figure);

/*
 * texel_per_error  width of the tile's texels, in metres per metre of error; 0:
 *                  images are kept as they are
 *
 * Shapes   out_choice  figure_count: index into the figure's pieces, or
 *                      LEVEL_DROPPED
 * Memory   scratch is marked and reset
 * Errors   ERR_NOMEM, ERR_LIMIT  from scratch
 */
ERR_CHECKED bool level_choose(const struct figure *figures, size_t figure_count,
                              uint64_t budget_bytes, double texel_per_error, struct arena *scratch,
                              uint32_t *out_choice, double *out_error_m, struct err *err);

#endif
