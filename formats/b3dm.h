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

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"
#include "formats/glb.h"
#include "formats/mesh.h"

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

/*
 * Appends one tile: a glb with _BATCHID, BATCH_LENGTH rows, and a batch table.
 * Numbers that every feature has are typed columns in the batch table's binary
 * part; strings, booleans, enums (by name) and numbers with gaps are JSON
 * arrays, a missing value being null. 64-bit integers become doubles where all
 * of the column are exact as such, else decimal strings. A property goes by
 * its name, or by its id where the name is empty, taken or reserved.
 *
 * options->features is ignored. Offsets are counted from the end of *out.
 *
 * Memory   *out grows and is as before on failure; `scratch` is given back
 * Errors   as glb_write()
 */
ERR_CHECKED bool b3dm_write(const struct mesh_tile *tile, const struct glb_options *options,
                            struct arena *scratch, struct buf *out, struct glb_summary *out_summary,
                            struct err *err);

/*
 * Reads a whole tile into the hub. The batch table becomes a property table
 * with a schema of its own; columns are typed by what is in them (integers,
 * doubles, booleans, strings). Columns of mixed kinds, objects, arrays or
 * vectors, and batch table hierarchies are left out.
 *
 * Memory   *out lives in `arena`; pictures point into `bytes`
 * Errors   as b3dm_read() and glb_read(), and
 *          ERR_SCHEMA       a column that is too short, a batch id that is not
 *                           below BATCH_LENGTH
 *          ERR_UNSUPPORTED  an RTC_CENTER
 */
ERR_CHECKED bool b3dm_read_tile(struct span bytes, struct arena *arena, struct mesh_tile *out,
                                struct err *err);

#endif
