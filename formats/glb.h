/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_GLB_H
#define FORMATS_GLB_H

/*
 * glb.h - binary glTF, the content of a tile: writer and reader.
 *
 * One tile is one glTF mesh; each struct mesh of it is one primitive, that is
 * one draw call. The hub's frame (z up) is turned to glTF's (y up): x, z, -y.
 * Vertices are in the tile's own frame and no node moves them: earth-centred
 * numbers live in tileset.json alone.
 *
 * Source   glTF 2.0 (Khronos), "GLB File Format Specification", "Geometry",
 *          "Materials"; KHR_draco_mesh_compression; EXT_meshopt_compression;
 *          KHR_mesh_quantization; EXT_texture_webp;
 *          EXT_mesh_features; EXT_structural_metadata ("Property Tables",
 *          "Binary Table Format")
 *
 * Layout   little endian, offset and size in bytes
 *
 *              0  4  magic "glTF"
 *              4  4  version, 2
 *              8  4  size of the whole file, here always a multiple of 8
 *             12  4  size of the JSON chunk, here always 4 more than a multiple
 *                    of 8, so that the binary chunk's data begin on one
 *             16  4  "JSON", then the chunk, ends in spaces
 *              .  4  size of the binary chunk, its buffer's byteLength
 *              .  4  "BIN\0", then the chunk: property table columns (each on a
 *                    multiple of 8), geometry (4), pictures
 *
 * Limits   the file is at most 4 GiB - 1; a JSON chunk to be read is nested at
 *          most as deep as json.h allows
 * Threads  No state; safe from any thread.
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"
#include "formats/base/vec.h"
#include "formats/mesh.h"
#include "formats/property_table.h"

enum glb_compression {
    GLB_NONE,   /* floats as they are */
    GLB_DRACO,  /* KHR_draco_mesh_compression, edgebreaker */
    GLB_MESHOPT /* EXT_meshopt_compression + KHR_mesh_quantization (normals) */
};

/* How a vertex says which feature it belongs to. */
enum glb_features {
    GLB_MESH_FEATURES, /* _FEATURE_ID_0 and the two EXT_ extensions */
    GLB_BATCH_ID       /* _BATCHID and nothing else, for b3dm */
};

struct glb_options {
    enum glb_compression compression;
    enum glb_features features;
    /* The largest quantization step allowed; the one used is a power of two
     * metres not above it, the same for all meshes of the tile, so that shared
     * edges stay shared. 0: 1/1024 m. Not used by GLB_NONE. */
    double position_step_m;
    int normal_bits;       /* 2 to 16; 0: 8. Not used by GLB_NONE. */
    bool is_small;         /* Draco takes a little longer for fewer bytes: draco.h */
    const char *generator; /* NULL: none is named */
};

struct glb_summary {
    struct box3 box_tile_m;  /* of the DECODED positions, z up; empty when nothing is drawn */
    double position_error_m; /* farthest that a vertex moved, measured */
    double position_step_m;  /* the quantization step used; 0 for GLB_NONE */
    uint32_t vertex_count;   /* as a reader finds them */
    uint32_t triangle_count; /* without those that quantization made a line or a point */
};

/*
 * Appends one tile. A tile without triangles becomes an empty scene. The same
 * tile and options give the same bytes.
 *
 * Draco and meshopt drop vertices that no triangle uses, and triangles with two
 * equal corners (after quantization); a feature whose triangles all are such is then
 * in the table only.
 *
 * The property table is of the class that property_table_class() names and has
 * a column for each property of it, "no value" throughout where `table` has none.
 *
 * Demands  indices and rows are in range; columns are as property_table.h says
 * Memory   *out grows and is as before on failure; `scratch` is given back
 * Errors   ERR_GEOMETRY     a number that is not finite, a normal that is not unit
 *          ERR_UNSUPPORTED  a picture format that glTF has not
 *          ERR_LIMIT        larger than the limit of out or 4 GiB
 */
ERR_CHECKED bool glb_write(const struct mesh_tile *tile, const struct glb_options *options,
                           struct arena *scratch, struct buf *out, struct glb_summary *out_summary,
                           struct err *err);

/*
 * Reads the default scene of a binary glTF: what glb_write() writes, and what
 * others write. Nodes' transforms are applied, strips and fans become
 * triangles, missing normals become flat ones, points and lines are left out.
 *
 * out->table is NULL when there is no property table. When its schema stands
 * at a URI, schema->uri says which, row_count is right, and columns are none:
 * read that file with property_schema_read(), then call glb_read_table().
 * Vertices with a null feature id have the row MESH_NO_ROW.
 *
 * Not read: animation, skins, morph targets, cameras, lights, other texture
 * sets, pictures outside the file (their materials have image -1).
 *
 * Memory   *out lives in `arena`; pictures point into `bytes`
 * Errors   ERR_SYNTAX       not a glb, sizes that do not fit, broken JSON
 *          ERR_SCHEMA       an index past the end, an accessor that overruns,
 *                           a feature id that is not a row, a loop of nodes
 *          ERR_UNSUPPORTED  version 1, a required extension, data in other
 *                           files, sparse accessors
 *          with the offset of the chunk or number at fault where there is one.
 */
ERR_CHECKED bool glb_read(struct span bytes, struct arena *arena, struct mesh_tile *out,
                          struct err *err);

/*
 * Reads the property table of a tile whose schema is a file of its own. Columns
 * that the hub has no type for (arrays, vectors, matrices) are left out.
 *
 * Demands  `schema` outlives *out
 * Memory   *out lives in `arena`; strings point into `bytes`
 * Errors   ERR_SCHEMA   a column that is too short, misaligned, or not in the
 *                       schema; string offsets that do not ascend
 *          else as glb_read(), and ERR_SCHEMA when there is no table
 */
ERR_CHECKED bool glb_read_table(struct span bytes, const struct property_schema *schema,
                                struct arena *arena, struct property_table *out, struct err *err);

#endif
