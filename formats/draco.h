/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_DRACO_H
#define FORMATS_DRACO_H

/*
 * draco.h - one triangle mesh to a Draco stream and back.
 *
 * Positions and texture coordinates are quantized on a grid that the caller
 * gives (origin and step), not on one that Draco fits to each mesh: meshes of
 * one tile on one grid keep their shared edges, and what a reader will decode
 * is known without decoding. Colours and rows are lossless.
 *
 * Vertices and attribute values that are equal are merged before the encoder
 * sees them, by our own hash: Draco's own merging costs more than its encoding.
 *
 * Source   Draco bitstream 2.2, "Edgebreaker"; KHR_draco_mesh_compression
 * Limits   2^31 - 1 vertices or indices
 * Threads  No state; safe from any thread.
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

enum draco_stream { DRACO_POSITION, DRACO_NORMAL, DRACO_COLOR, DRACO_UV, DRACO_ROW, DRACO_STREAMS };

/* Values x are kept as origin + step * (0 .. 2^bits - 1). */
struct draco_grid {
    float origin[3];
    float step;
    int bits; /* 1 to 24 */
};

struct draco_mesh {
    uint32_t vertex_count;
    uint32_t index_count;
    const float *positions;  /* x 3, already on position_grid */
    const float *normals;    /* x 3, or NULL */
    const uint16_t *colors;  /* x 4, or NULL */
    const float *uvs;        /* x 2, already on uv_grid; or NULL */
    const uint32_t *rows;    /* x 1, or NULL */
    const uint32_t *indices; /* each < vertex_count */
    struct draco_grid position_grid;
    struct draco_grid uv_grid;
    int normal_bits;     /* 2 to 16 */
    bool are_rows_float; /* false: 16 bits, each < 65536; true: each < 2^24 */
};

struct draco_summary {
    uint32_t vertex_count;   /* as a decoder will count them */
    uint32_t triangle_count; /* 0: nothing was left, nothing was appended */
    /* Draco's name of each stream, as KHR_draco_mesh_compression wants it; -1 none */
    int unique_id[DRACO_STREAMS];
};

/*
 * Appends the stream of one mesh.
 *
 * Demands  every number is finite (Draco crashes on NaN): asserted
 * Memory   `scratch` is given back
 * Errors   ERR_LIBRARY  Draco refused
 */
ERR_CHECKED bool draco_write(const struct draco_mesh *mesh, struct arena *scratch, struct buf *out,
                             struct draco_summary *out_summary, struct err *err);

/* What a reader wants of a stream: the unique id of each attribute, -1 not. */
struct draco_request {
    int unique_id[DRACO_STREAMS];
};

/* Arrays are NULL for what was not asked for. */
struct draco_decoded {
    uint32_t vertex_count;
    uint32_t index_count;
    float *positions;
    float *normals;
    uint16_t *colors; /* 65535 is 1; alpha 65535 where the stream has none */
    float *uvs;
    float *rows; /* as numbers: ids may be stored as floats */
    uint32_t *indices;
};

/*
 * Decodes a triangle mesh.
 *
 * Memory   *out lives in `arena`. A stream that claims more faces or points
 *          than `arena` has room for is refused before Draco allocates them.
 * Errors   ERR_SYNTAX  not a Draco mesh, or Draco cannot decode it
 *          ERR_SCHEMA  an attribute that was asked for is not in it
 *          ERR_LIMIT   larger than `arena` allows
 */
ERR_CHECKED bool draco_read(struct span bytes, const struct draco_request *request,
                            struct arena *arena, struct draco_decoded *out, struct err *err);

#ifdef __cplusplus
}
#endif

#endif
