/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_THIN_H
#define TILER_THIN_H

/*
 * thin.h - coarser and coarser versions of a detailed shape, each for about an
 * error: what is smaller is left out or flattened (parts.h), the rest collapsed
 * (collapse.h).
 *
 * The collapse goes on from one version to the next, and begins again only when
 * parts were left out in between: a ladder of versions takes hardly longer than
 * the coarsest of them.
 *
 * Threads  no state
 */

#include "tiler/shape.h"

/* Shapes of fewer triangles are left to block.h. */
enum { THIN_TRIANGLES_MIN = 64 };

struct collapse;

/* A ladder that has been begun. Fields are thin.c's. */
struct thin {
    struct shape base;      /* what small parts have been left out of so far */
    struct arena *arena;    /* for what lives as long as the ladder */
    struct collapse *cut;   /* of the base with its pictures' cuts kept; NULL: not begun */
    struct collapse *plain; /* ... and without; NULL: not begun */
    double error_m;         /* of the last version */
};

/* Begins at `full`, which is borrowed. Memory: `arena`, until that is reset. */
void thin_init(struct thin *thin, const struct shape *full, struct arena *arena);

/*
 * The next version. error_m only aims: what comes out is to be measured; it is
 * larger than that of the version before.
 *
 * Memory   *out lives in out_arena, and what the ladder goes on from: another
 *          than its own, kept until its end; scratch is marked and reset
 * Errors   ERR_GEOMETRY  nothing is left
 */
ERR_CHECKED bool thin_next(struct thin *thin, double error_m, struct arena *out_arena,
                           struct arena *scratch, struct shape *out, struct err *err);

#endif
