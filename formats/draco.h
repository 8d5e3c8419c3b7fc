/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_DRACO_H
#define FORMATS_DRACO_H

/*
 * draco.h - one triangle mesh to a Draco stream and back.
 *
 * Positions and texture coordinates are given on a grid, the multiples of a
 * power of two, and come back exactly: no second grid is fitted to each mesh.
 * Meshes of one tile on one grid keep their shared edges, and what a reader
 * will decode is known without decoding. Colours and rows are lossless.
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

/* Values on a grid are multiples of its step, a power of two, and at most this
 * many steps from 0: then every number on the way is exact in float. */
#define DRACO_STEPS_MAX (1 << 23)

struct draco_mesh {
    uint32_t vertex_count;
    uint32_t index_count;
    const float *positions;  /* x 3, multiples of position_step */
    const float *normals;    /* x 3, or NULL */
    const uint16_t *colors;  /* x 4, or NULL */
    const float *uvs;        /* x 2, multiples of uv_step; or NULL */
    const uint32_t *rows;    /* x 1, or NULL */
    const uint32_t *indices; /* each < vertex_count */
    float position_step;     /* a power of two */
    float uv_step;           /* a power of two */
    int normal_bits;         /* 2 to 16 */
    bool is_small;           /* normals are guessed from positions: see draco.cpp */
    bool are_rows_float;     /* false: 16 bits, each < 65536; true: each < 2^24 */
};

struct draco_summary {
    uint32_t vertex_count;   /* as a decoder will count them */
    uint32_t triangle_count; /* 0: nothing was left, nothing was appended */
    uint32_t row_count;      /* distinct rows among them */
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
 *          Integers are scaled to 1 for normals, colours and coordinates.
 * Errors   ERR_SYNTAX  not a Draco stream, or Draco cannot decode it
 *          ERR_SCHEMA  an attribute that was asked for is not in it
 *          ERR_UNSUPPORTED  a bitstream other than 2.2, a point cloud, metadata
 *          ERR_LIMIT   larger than `arena` allows
 */
ERR_CHECKED bool draco_read(struct span bytes, const struct draco_request *request,
                            struct arena *arena, struct draco_decoded *out, struct err *err);

#ifdef __cplusplus
}
#endif

#endif
