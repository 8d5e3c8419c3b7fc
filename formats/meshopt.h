/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_MESHOPT_H
#define FORMATS_MESHOPT_H

/*
 * meshopt.h - buffer views compressed with EXT_meshopt_compression, read.
 *
 * Source   EXT_meshopt_compression (glTF extension), "Bitstream", "Filters"
 * Limits   elements of 256 bytes
 * Threads  No state; safe from any thread.
 */

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

#endif
