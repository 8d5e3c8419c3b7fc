/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_B3DM_H
#define FORMATS_B3DM_H

/*
 * b3dm.h - Batched 3D Model: the 3D Tiles 1.0 wrapper around one binary glTF.
 *
 * Source   3D Tiles 1.1 (OGC 22-025r4), "Batched 3D Model" and "Batch Table".
 *          Deprecated there; we keep it for clients older than 1.1.
 *
 * Layout   little endian, offset and size in bytes
 *
 *             0  4  magic "b3dm"
 *             4  4  version, 1
 *             8  4  size of the whole tile, a multiple of 8
 *            12 16  sizes of the four table parts, in the order of b3dm_part
 *            28  -  the four table parts, then the glb
 *
 *          Each part ends on a multiple of 8 counted from the start of the
 *          TILE. The header is 28 long, so the first part is never itself a
 *          multiple of 8: padding it as if it began at 0 is the classic bug.
 *
 * Threads  No state; safe from any thread.
 */

#include "formats/base/bytes.h"
#include "formats/base/err.h"

enum b3dm_part {
    B3DM_FEATURE_JSON, /* UTF-8, at least {"BATCH_LENGTH":n} */
    B3DM_FEATURE_BINARY,
    B3DM_BATCH_JSON, /* UTF-8; empty when there is no batch table */
    B3DM_BATCH_BINARY,
    B3DM_GLB,
    B3DM_PART_COUNT
};

struct b3dm {
    struct span part[B3DM_PART_COUNT];
};

/*
 * Finds the parts of a tile.
 *
 * Memory   Nothing is copied: *out points into `tile` and is valid as long as
 *          it is. JSON parts keep their padding (spaces); the glb loses its.
 * Errors   ERR_SYNTAX       not a b3dm, or sizes that do not fit the tile
 *          ERR_UNSUPPORTED  a version other than 1
 *          each with the offset of the field at fault.
 */
ERR_CHECKED bool b3dm_read(struct span tile, struct b3dm *out, struct err *err);

#endif
