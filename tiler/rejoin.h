/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_REJOIN_H
#define TILER_REJOIN_H

/*
 * rejoin.h - parts of one feature become one part again, with fewer triangles.
 *
 * What the children of a node show is put together point by point (split.h
 * says why it fits) and thinned to what the node's tile can hold. Points on
 * cuts towards other nodes stay; those on cuts between the children may go now.
 *
 *     +---+---+          +-------+
 *     |   |   |          |       |
 *     +---+---+    ->    |       |     the outline stays, the cross goes
 *     |   |   |          |       |
 *     +---+---+          +-------+
 *
 * Its error is the measured distance to what the children show, and the largest
 * of their errors: a bound for the distance to full detail. Where texture
 * coordinates stand in the way of a tile that fits, pictures become colours.
 *
 * Threads  no state
 */

#include "tiler/piece.h"
#include "tiler/spent.h"

struct rejoin_request {
    const struct figure *parts; /* of one feature; the finest piece of each is used */
    size_t part_count;
    uint32_t depth; /* of the new part: split.h; 0: it is whole */
    uint64_t budget_bytes;
    double bytes_per_triangle; /* measured on the children's tiles */
    struct spent *spent;       /* gets the time of proofs; NULL: not measured */
};

/*
 * Makes the figure of the joined parts. Its first piece fits the budget, the
 * second has three fifths of it, in case the first came out heavier than
 * expected; the last is said to cost no more than half of it, so that the part
 * is never left out. A whole feature has coarser ones, too, down to a block.
 *
 * Where no triangle has an area there is no piece: it can only be left out.
 *
 * Memory   *out lives in `tile`; scratch is marked and reset
 */
ERR_CHECKED bool rejoin_parts(const struct rejoin_request *request, struct arena *tile,
                              struct arena *scratch, struct figure *out, struct err *err);

#endif
