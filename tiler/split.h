/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_SPLIT_H
#define TILER_SPLIT_H

/*
 * split.h - features that are heavier than a tile are cut into parts.
 *
 * The triangles of the finest level are halved by their middles along the
 * longest axis until a part fits a tile: a tree of parts, whose shape depends
 * on the feature alone.
 *
 *     depth 0            the feature              a part: the bits that lead
 *                       /           \             to it, left (0) or right (1)
 *     depth 1          0             1
 *                    /   \         /   \
 *     depth 2      00     01     10     11        leaves: tiles of their own
 *
 * No triangle is cut, so the parts fit together point by point. Each point
 * knows the depth of the smallest part that has all of its triangles: in parts
 * deeper than that it lies on a cut, and stays where it is in every version.
 * Higher up it is inside, and may go (rejoin.h). So neighbours at any levels
 * meet without a crack.
 *
 * Each part has the feature's id and attributes. Parents are made of parts of
 * their own feature alone until it is whole; from there on it is a feature like
 * others, with versions of its own.
 */

#include "tiler/piece.h"
#include "tiler/run.h"

/* No part lies deeper: 32 bits lead to it. */
enum { SPLIT_DEPTH_MAX = 30 };

/* The mark of a point that no other part has. */
#define SPLIT_INSIDE UINT8_MAX

/* A triangle's middle, to be divided by. */
struct split_triangle {
    float middle[3];
    uint32_t triangle;
};

struct split_leaf {
    uint32_t first, end; /* into the triangles */
    uint32_t path;       /* the topmost bit is the first step from the root */
    uint32_t depth;
};

/*
 * Divides until no leaf has more than triangles_max (>= 1), reordering
 * `triangles` so that leaves follow each other.
 *
 * Memory   *out lives in `arena`
 */
ERR_CHECKED bool split_divide(struct split_triangle *triangles, uint32_t count,
                              uint32_t triangles_max, struct arena *arena, struct split_leaf **out,
                              uint32_t *out_count, struct err *err);

struct split;

/*
 * Divides a piece into parts that are expected to cost part_bytes at most.
 *
 * Memory   `arena`; the piece is borrowed
 */
ERR_CHECKED bool split_open(const struct piece *piece, uint64_t part_bytes, struct arena *arena,
                            struct split **out, struct err *err);
uint32_t split_part_count(const struct split *split);
const struct split_leaf *split_leaf_at(const struct split *split, uint32_t index);

/* The triangles of a leaf as a piece of their own, with `borders`. Once a
 * leaf. */
ERR_CHECKED bool split_part(struct split *split, uint32_t index, struct arena *arena,
                            struct piece *out, struct err *err);

/* The depth of the smallest part that holds both leaves. */
uint32_t split_common_depth(uint32_t path, uint32_t other_path);

/*
 * Cuts every placed feature whose full detail is expected to cost more than
 * SPLIT_TILES tiles (of few triangles without its pictures: no cut makes those
 * lighter): parts into run->figures, their list into
 * run->parts, a record without its finest level in place of the feature's. One feature at a time,
 * so that memory is bounded by the largest.
 *
 * Limits   a feature that needs more than OPTIONS_DENSE_BYTES stays whole, and
 *          fails where others would
 */
ERR_CHECKED bool split_run(struct run *run, struct err *err);

enum { SPLIT_TILES = 2 };

#endif
