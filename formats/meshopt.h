/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_MESHOPT_H
#define FORMATS_MESHOPT_H

/*
 * meshopt.h - buffer views compressed with EXT_meshopt_compression.
 *
 * Source   EXT_meshopt_compression (glTF extension), "Bitstream", "Filters"
 * Limits   elements of 256 bytes
 * Threads  No state; safe from any thread.
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

enum meshopt_mode { MESHOPT_ATTRIBUTES, MESHOPT_TRIANGLES, MESHOPT_INDICES };
enum meshopt_filter {
    MESHOPT_FILTER_NONE,
    MESHOPT_FILTER_OCTAHEDRAL,
    MESHOPT_FILTER_QUATERNION,
    MESHOPT_FILTER_EXPONENTIAL
};

struct meshopt_view {
    enum meshopt_mode mode;
    enum meshopt_filter filter;
    size_t count;  /* elements; of MESHOPT_TRIANGLES a multiple of 3 */
    size_t stride; /* bytes of one; indices 2 or 4, attributes a multiple of 4 */
};

/*
 * Decodes a view to count * stride bytes at `out`.
 *
 * Errors   ERR_SCHEMA  numbers that the extension does not allow
 *          ERR_SYNTAX  damaged data
 */
ERR_CHECKED bool meshopt_read(const struct meshopt_view *view, struct span packed, uint8_t *out,
                              struct err *err);

/*
 * Packs count * stride bytes at `plain` and appends them. A filter must have
 * been applied (meshopt_filter_*() below). Triangles come back in the same order
 * and the same sense, but may begin at another of their corners; pack them after
 * meshopt_order().
 *
 * Limits   triangles: stride 4, that is 32-bit numbers, whatever view->stride is
 * Errors   ERR_SCHEMA  numbers that the extension does not allow
 */
ERR_CHECKED bool meshopt_write(const struct meshopt_view *view, const void *plain, struct buf *out,
                               struct err *err);

/* One element of so many bytes a vertex. */
struct meshopt_stream {
    const void *data;
    size_t bytes; /* at most 256 */
};

enum { MESHOPT_STREAMS_MAX = 16 };

/*
 * Makes vertices whose bytes are equal in all streams one: indices are changed
 * to the first of them.
 *
 * Memory   scratch is marked and reset
 */
ERR_CHECKED bool meshopt_weld(uint32_t *indices, size_t index_count, size_t vertex_count,
                              const struct meshopt_stream *streams, size_t stream_count,
                              struct arena *scratch, struct err *err);

/*
 * Reorders triangles for a graphics card's caches, and numbers vertices as they
 * are then used first: both pack best so.
 *
 * Shapes   indices    index_count, reordered and renumbered
 *          out_remap  vertex_count: the new number of each vertex, or UINT32_MAX
 *                     for those that no triangle uses
 * Memory   scratch is marked and reset
 */
ERR_CHECKED bool meshopt_order(uint32_t *indices, size_t index_count, size_t vertex_count,
                               struct arena *scratch, uint32_t *out_remap, size_t *out_vertex_count,
                               struct err *err);

/* Unit vectors (count x 3) to four bytes each, the last zero: octahedral, of so
 * many bits (2 to 8). */
ERR_CHECKED bool meshopt_filter_normals(const float *normals, size_t count, int bits,
                                        struct arena *scratch, uint8_t *out, struct err *err);

/* Multiples of a power of two, exactly: value = whole * step with |whole| below
 * 2^23. `count` numbers to four bytes each. */
void meshopt_filter_grid(const float *values, size_t count, float step, uint8_t *out);

#endif
