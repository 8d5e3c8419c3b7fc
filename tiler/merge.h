/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_MERGE_H
#define TILER_MERGE_H

/*
 * merge.h - what a tile above the leaves shows: of each feature one version, or
 * one prism for several neighbours, with the least error that its byte budget
 * can buy.
 *
 * The error of a tile is that of its worst feature. So this is no knapsack: all
 * steps that make the tile cheaper wait in a queue, each with the error that the
 * tile has once it is taken, and are taken from the least on until the tile fits:
 *
 *     a feature's next coarser version   that version's error
 *     two masses to one (mass.h)         the joined mass's proven error
 *     two features to one group          their extent / MERGE_EXTENT_PER_ERROR
 *     a feature or a mass left out       its size
 *     pictures coarser                   by which texels are that wide (piece.h)
 *
 * Masses are offered to each other when the gap between them is at most twice the
 * error that has been reached, so that a street stays open until half its width
 * is an error that the tile has anyway; towers do not join low houses before half
 * their difference in height is.
 *
 * A group is a figure of its own: an id from its members' ids (group.h), a class,
 * a member count, no name. It goes up the tree like a feature, and may join
 * others there.
 *
 * Frame    plan in the tile's frame, heights above the ellipsoid
 * Threads  a struct merge belongs to one
 */

#include "tiler/group.h"
#include "tiler/keep.h"
#include "tiler/piece.h"
#include "tiler/spent.h"

/* A group is at most so many times as wide as the tile's error: with the default
 * factor of 2, 192 pixels where a viewer goes on to the tile's children. */
#define MERGE_EXTENT_PER_ERROR 24

struct merge;

struct merge_item {
    const struct figure *figure; /* of those given, or made */
    uint32_t piece;
};

struct merge_result {
    struct merge_item *items;
    size_t item_count;
    struct group *groups; /* those that were made here */
    size_t group_count;
    double error_m;
    uint64_t cost_bytes; /* as the estimate has it */
};

/*
 * Begins with the finest version of every figure.
 *
 * Units    texel_per_error  images: texels are this times the error wide
 * Memory   lives in `tile`, with everything that is made later
 */
ERR_CHECKED bool merge_open(const struct figure *figures, size_t figure_count,
                            struct vec3 origin_ecef_m, double texel_per_error, struct arena *tile,
                            struct merge **out, struct err *err);

/* The same, but kept[i] is the piece that figure i is shown as, or KEEP_NONE
 * (keep.h): it takes no steps, and nothing is joined with it, before the tile errs
 * by until_m. So what is kept never makes the others err by much more. */
ERR_CHECKED bool merge_open_kept(const struct figure *figures, size_t figure_count,
                                 const uint32_t *kept, double until_m, struct vec3 origin_ecef_m,
                                 double texel_per_error, struct arena *tile, struct merge **out,
                                 struct err *err);

/* From now on the time of proofs goes to `spent`. NULL: it is not measured. */
void merge_measure_time(struct merge *merge, struct spent *spent);

/* Takes steps until the tile is estimated to cost at most this, and all that err
 * by less than least_error_m. */
ERR_CHECKED bool merge_until(struct merge *merge, uint64_t budget_bytes, double least_error_m,
                             struct err *err);

/* The error that has been reached, and what the tile is estimated to cost. */
double merge_error_m(const struct merge *merge);
uint64_t merge_cost_bytes(const struct merge *merge);

/* Of every figure the piece that is shown, or KEEP_NONE: left out, or drawn as
 * its masses. */
void merge_pieces(const struct merge *merge, uint32_t *out_pieces);

/* Of every figure how wrong it is as it is shown; ground that is joined has the
 * mean colour of several and counts as left out. `out_is_lost`: nothing of it is
 * left. */
void merge_errors(const struct merge *merge, double *out_errors_m, bool *out_is_lost);

/* What the tile shows now. Memory: *out lives in `tile`; scratch is marked and
 * reset. */
ERR_CHECKED bool merge_list(struct merge *merge, struct arena *tile, struct arena *scratch,
                            struct merge_result *out, struct err *err);

#endif
