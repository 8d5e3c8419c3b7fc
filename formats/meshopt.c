/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/meshopt.h"

#include <assert.h>
#include <math.h>
#include <meshoptimizer.h>

enum { STRIDE_MAX = 256 };

static bool is_allowed(const struct meshopt_view *view)
{
    if (view->mode != MESHOPT_ATTRIBUTES) {
        return (view->stride == 2 || view->stride == 4) && view->filter == MESHOPT_FILTER_NONE &&
               (view->mode == MESHOPT_INDICES || view->count % 3 == 0);
    }
    const size_t stride = view->stride;
    switch (view->filter) {
    case MESHOPT_FILTER_NONE:
    case MESHOPT_FILTER_EXPONENTIAL:
        return stride > 0 && stride <= STRIDE_MAX && stride % 4 == 0;
    case MESHOPT_FILTER_OCTAHEDRAL:
        return stride == 4 || stride == 8;
    case MESHOPT_FILTER_QUATERNION:
        return stride == 8;
    }
    return false;
}

static int decode(const struct meshopt_view *view, struct span packed, uint8_t *out)
{
    switch (view->mode) {
    case MESHOPT_ATTRIBUTES:
        return meshopt_decodeVertexBuffer(out, view->count, view->stride, packed.data, packed.size);
    case MESHOPT_TRIANGLES:
        return meshopt_decodeIndexBuffer(out, view->count, view->stride, packed.data, packed.size);
    case MESHOPT_INDICES:
        return meshopt_decodeIndexSequence(out, view->count, view->stride, packed.data,
                                           packed.size);
    }
    return -1;
}

/* The library's filters work on whole groups of four or eight and leave what is
 * behind the end alone. */
static void apply_filter(const struct meshopt_view *view, uint8_t *out)
{
    switch (view->filter) {
    case MESHOPT_FILTER_NONE:
        break;
    case MESHOPT_FILTER_OCTAHEDRAL:
        meshopt_decodeFilterOct(out, view->count, view->stride);
        break;
    case MESHOPT_FILTER_QUATERNION:
        meshopt_decodeFilterQuat(out, view->count, view->stride);
        break;
    case MESHOPT_FILTER_EXPONENTIAL:
        meshopt_decodeFilterExp(out, view->count, view->stride);
        break;
    }
}

bool meshopt_read(const struct meshopt_view *view, struct span packed, uint8_t *out,
                  struct err *err)
{
    if (!is_allowed(view)) {
        return err_set(err, ERR_SCHEMA,
                       "meshopt view of %zu elements of %zu bytes, mode %d, filter %d", view->count,
                       view->stride, (int)view->mode, (int)view->filter);
    }
    if (view->count == 0) {
        return true;
    }
    if (packed.size == 0 || decode(view, packed, out) != 0) {
        return err_set(err, ERR_SYNTAX, "damaged meshopt data");
    }
    apply_filter(view, out);
    return true;
}

static size_t bound_of(const struct meshopt_view *view)
{
    /* No index is larger than its buffer is long: a vertex that no triangle uses
     * is not there after meshopt_order(). */
    return view->mode == MESHOPT_ATTRIBUTES
               ? meshopt_encodeVertexBufferBound(view->count, view->stride)
           : view->mode == MESHOPT_TRIANGLES
               ? meshopt_encodeIndexBufferBound(view->count, UINT32_MAX)
               : meshopt_encodeIndexSequenceBound(view->count, UINT32_MAX);
}

bool meshopt_write(const struct meshopt_view *view, const void *plain, struct buf *out,
                   struct err *err)
{
    if (!is_allowed(view)) {
        return err_set(err, ERR_SCHEMA, "no meshopt view has %zu elements of %zu bytes",
                       view->count, view->stride);
    }
    const size_t start = out->size;
    const size_t room = bound_of(view);
    uint8_t *at = buf_extend(out, room);
    if (at == NULL) {
        return buf_finish(out, err);
    }
    size_t size = 0;
    switch (view->mode) {
    case MESHOPT_ATTRIBUTES:
        size = meshopt_encodeVertexBuffer(at, room, plain, view->count, view->stride);
        break;
    case MESHOPT_TRIANGLES:
        size = meshopt_encodeIndexBuffer(at, room, plain, view->count);
        break;
    case MESHOPT_INDICES:
        size = meshopt_encodeIndexSequence(at, room, plain, view->count);
        break;
    }
    assert(size > 0); /* its only error is too little room */
    out->size = start + size;
    return true;
}

bool meshopt_weld(uint32_t *indices, size_t index_count, size_t vertex_count,
                  const struct meshopt_stream *streams, size_t stream_count, struct arena *scratch,
                  struct err *err)
{
    assert(stream_count > 0 && stream_count <= MESHOPT_STREAMS_MAX);
    struct meshopt_Stream theirs[MESHOPT_STREAMS_MAX];
    for (size_t i = 0; i < stream_count; i++) {
        theirs[i] = (struct meshopt_Stream){streams[i].data, streams[i].bytes, streams[i].bytes};
    }
    const struct arena_mark mark = arena_mark(scratch);
    uint32_t *remap = arena_array(scratch, uint32_t, vertex_count);
    uint32_t *first = arena_array(scratch, uint32_t, vertex_count);
    if (remap == NULL || first == NULL) {
        return arena_full(scratch, err);
    }
    meshopt_generateVertexRemapMulti(remap, indices, index_count, vertex_count, theirs,
                                     stream_count);
    for (size_t i = vertex_count; i-- > 0;) {
        if (remap[i] != UINT32_MAX) {
            first[remap[i]] = (uint32_t)i;
        }
    }
    for (size_t i = 0; i < index_count; i++) {
        indices[i] = first[remap[indices[i]]];
    }
    arena_reset(scratch, mark);
    return true;
}

bool meshopt_order(uint32_t *indices, size_t index_count, size_t vertex_count,
                   struct arena *scratch, uint32_t *out_remap, size_t *out_vertex_count,
                   struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    uint32_t *ordered = arena_array(scratch, uint32_t, index_count);
    if (ordered == NULL) {
        return arena_full(scratch, err);
    }
    meshopt_optimizeVertexCache(ordered, indices, index_count, vertex_count);
    *out_vertex_count =
        meshopt_optimizeVertexFetchRemap(out_remap, ordered, index_count, vertex_count);
    meshopt_remapIndexBuffer(indices, ordered, index_count, out_remap);
    arena_reset(scratch, mark);
    return true;
}

bool meshopt_filter_normals(const float *normals, size_t count, int bits, struct arena *scratch,
                            uint8_t *out, struct err *err)
{
    assert(bits >= 2 && bits <= 8);
    const struct arena_mark mark = arena_mark(scratch);
    float *quads = arena_array(scratch, float, 4 * count);
    if (quads == NULL) {
        return arena_full(scratch, err);
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(quads + 4 * i, normals + 3 * i, 3 * sizeof(float));
        quads[4 * i + 3] = 0;
    }
    meshopt_encodeFilterOct(out, count, 4, bits, quads);
    arena_reset(scratch, mark);
    return true;
}

/* EXT_meshopt_compression, "Filter: EXPONENTIAL": the exponent above a mantissa
 * of 24 bits, both signed. The library's own packer chooses exponents by itself
 * and rounds. */
void meshopt_filter_grid(const float *values, size_t count, float step, uint8_t *out)
{
    int exponent;
    const float fraction = frexpf(step, &exponent);
    assert(fraction == 0.5F); /* a power of two */
    (void)fraction;
    exponent--;
    for (size_t i = 0; i < count; i++) {
        const int32_t whole = (int32_t)(values[i] / step);
        assert(whole > -(1 << 23) && whole < 1 << 23);
        bytes_store_u32le(out + 4 * i, (uint32_t)exponent << 24 | ((uint32_t)whole & 0xffffffU));
    }
}
