/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_SUBTREE_H
#define FORMATS_SUBTREE_H

/*
 * subtree.h - availability of the tiles of an implicit tileset, one subtree.
 *
 * Source   3D Tiles 1.1 (OGC 22-025r4), "Implicit Tiling", "Subtree Binary
 *          Format", "Availability"
 * Layout   little endian, offset and size in bytes
 *
 *              0  4  magic "subt"
 *              4  4  version, 1
 *              8  8  size of the JSON, a multiple of 8 (padded with spaces)
 *             16  8  size of the binary part, a multiple of 8 (padded with zeros)
 *             24  -  JSON, binary part
 *
 *          A bit of a bitstream: byte i / 8, bit i % 8. Tiles are numbered level
 *          by level, in Morton order inside a level: a quadtree's level k begins
 *          at (4^k - 1) / 3. childSubtrees are the level below the last.
 *
 * Limits   SUBTREE_LEVELS_MAX levels; buffers in other files are not read
 *          (ERR_UNSUPPORTED)
 */

#include "formats/base/arena.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

enum { SUBTREE_LEVELS_MAX = 12, SUBTREE_CONTENTS_MAX = 8 };

/* Either every bit is `constant`, or they are in `bits`. */
struct subtree_availability {
    bool is_constant;
    bool constant;
    const uint8_t *bits;     /* (count + 7) / 8 bytes */
    uint64_t count;          /* of bits */
    int64_t available_count; /* as written; -1 when it is not */
};

struct subtree {
    struct subtree_availability tiles;
    struct subtree_availability contents[SUBTREE_CONTENTS_MAX];
    size_t content_count;
    struct subtree_availability children;
};

/* Tiles in a subtree of that many levels, and in the level below it. */
uint64_t subtree_tile_count(bool is_octree, uint32_t levels);
uint64_t subtree_child_count(bool is_octree, uint32_t levels);

/*
 * Reads a subtree, binary or as JSON with constant availability only.
 *
 * Does not judge what the bits say: see tiler/check.h.
 *
 * Memory   bits point into `bytes`; `scratch` is given back
 * Errors   ERR_SYNTAX       no subtree, sizes that do not fit, broken JSON
 *          ERR_SCHEMA       a rule of the JSON; a bitstream that is too short
 *          ERR_UNSUPPORTED  version other than 1, a buffer elsewhere
 *          ERR_LIMIT        more levels or contents than the limits
 */
ERR_CHECKED bool subtree_read(struct span bytes, bool is_octree, uint32_t levels,
                              struct arena *scratch, struct subtree *out, struct err *err);

/* Bit i, which must be below the count. */
bool subtree_is_available(const struct subtree_availability *availability, uint64_t i);

/* Number of bits that are set. */
uint64_t subtree_count_available(const struct subtree_availability *availability);

#endif
