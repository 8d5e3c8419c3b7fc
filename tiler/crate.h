/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_CRATE_H
#define TILER_CRATE_H

/*
 * crate.h - the upright box of least area around a small thing: what many trees
 * are merged as from afar.
 *
 * Threads  no state
 */

#include "tiler/mass.h"
#include "tiler/shape.h"

/*
 * out->error_m is how far thing and box are from each other at most, in closed
 * form; infinite when the thing has no area in plan.
 *
 * Memory   scratch is marked and reset
 */
ERR_CHECKED bool crate_around(const struct shape *full, struct arena *scratch,
                              struct mass_prism *out, struct err *err);

/* Its walls and top, without a bottom: 10 triangles, 5 faces, the top last.
 * box->count is 4. Memory: out_arena. */
ERR_CHECKED bool crate_shape(const struct mass_prism *box, struct arena *out_arena,
                             struct shape *out, struct err *err);

#endif
