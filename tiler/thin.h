/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_THIN_H
#define TILER_THIN_H

/*
 * thin.h - a coarser version of a detailed shape, for about an error: what is
 * smaller is left out or flattened (parts.h), the rest collapsed (collapse.h).
 *
 * Threads  no state
 */

#include "tiler/shape.h"

/* Shapes of fewer triangles are left to block.h. */
enum { THIN_TRIANGLES_MIN = 64 };

/*
 * error_m only aims: what comes out is to be measured.
 *
 * Memory   *out lives in out_arena; scratch is marked and reset
 * Errors   ERR_GEOMETRY  nothing is left
 */
ERR_CHECKED bool thin_make(const struct shape *full, double error_m, struct arena *out_arena,
                           struct arena *scratch, struct shape *out, struct err *err);

#endif
