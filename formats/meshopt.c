/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/meshopt.h"

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
