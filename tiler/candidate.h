/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_CANDIDATE_H
#define TILER_CANDIDATE_H

/*
 * candidate.h - the versions of one feature, from full detail to a block, each
 * with its measured deviation.
 *
 *     full detail     the source's finest level, error 0
 *     seen            the same without what nobody sees from outside (visible.h);
 *                     all that follow are measured against this
 *     flat faces      the same with coplanar neighbours merged
 *     thinned         small parts left out, edges collapsed, at five errors
 *                     from a 256th of the feature to a 16th
 *     source levels   the coarser ones that the source itself carries
 *     blocks          over the footprint, with layers where roofs lie at
 *                     different heights; three tolerances
 *
 *     crown, box      for what is small and no building: trees, lamps
 *
 * Beside the chain a figure has masses (mass.h), which merge.h joins with its
 * neighbours': of buildings the convex pieces of the finest block's layers, of
 * ground those of its plan, of small things the box. Ground that is left out
 * counts with its width.
 *
 * A version that costs as much as a finer one, or is wrong by as much as
 * leaving the feature out, is not kept: what remains falls in bytes and rises
 * in error.
 */

#include "tiler/images.h"
#include "tiler/piece.h"
#include "tiler/record.h"
#include "tiler/shape.h"
#include "tiler/spent.h"

/* What the chain is made with. */
struct candidate_means {
    struct report *report;   /* what the making of shapes repaired or left out; may be NULL */
    struct images *images;   /* NULL: no pictures */
    const char *source_path; /* of the record's file, for the names of its pictures */
    double texel_per_error;  /* of the run's tiles: see shade_open() */
    struct spent *spent;     /* gets the time of versions and proofs; NULL: not measured */
};

/*
 * Makes the chain of a placed record.
 *
 * Memory   out->pieces live in `tile`; scratch is marked and reset
 * Errors   ERR_GEOMETRY  nothing of the feature can be drawn
 */
ERR_CHECKED bool candidate_chain(const struct record *record, const struct candidate_means *means,
                                 struct arena *tile, struct arena *scratch, struct figure *out,
                                 struct err *err);

/*
 * The finest version alone, in a chain of one.
 */
ERR_CHECKED bool candidate_full(const struct record *record, const struct candidate_means *means,
                                struct arena *tile, struct arena *scratch, struct figure *out,
                                struct err *err);

#endif
