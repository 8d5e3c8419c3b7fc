/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_CONVOLVE_H
#define TILER_CONVOLVE_H

/*
 * convolve.h - filters that are a product of one along rows and one along
 * columns. Beyond the picture its border goes on.
 */

#include "formats/base/arena.h"

enum { CONVOLVE_REACH_MAX = 127 };

struct convolve_kernel {
    int reach; /* weights[reach + k] for k from -reach to reach */
    float weights[2 * CONVOLVE_REACH_MAX + 1];
};

/* A Gaussian whose weights sum to one. */
struct convolve_kernel convolve_gaussian(double deviation_px, int reach);

/*
 * Demands  reach < width and height
 * Shapes   plane, out  width x height; may be the same
 * Memory   scratch is marked and reset
 */
ERR_CHECKED bool convolve(const float *plane, uint32_t width, uint32_t height,
                          const struct convolve_kernel *along_rows,
                          const struct convolve_kernel *along_columns, struct arena *scratch,
                          float *out, struct err *err);

#endif
