/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/convolve.h"

#include <assert.h>
#include <math.h>
#include <string.h>

struct convolve_kernel convolve_gaussian(double deviation_px, int reach)
{
    assert(reach <= CONVOLVE_REACH_MAX);
    struct convolve_kernel kernel = {.reach = reach};
    double sum = 0;
    for (int k = -reach; k <= reach; k++) {
        sum += exp(-k * k / (2 * deviation_px * deviation_px));
    }
    for (int k = -reach; k <= reach; k++) {
        kernel.weights[reach + k] = (float)(exp(-k * k / (2 * deviation_px * deviation_px)) / sum);
    }
    return kernel;
}

/* One row with its ends drawn out, so that the loop below has no conditions. */
static void draw_out(const float *row, uint32_t width, int reach, float *out)
{
    for (int k = 0; k < reach; k++) {
        out[k] = row[0];
        out[(size_t)reach + width + (size_t)k] = row[width - 1];
    }
    memcpy(out + reach, row, width * sizeof row[0]);
}

static void filter_row(const float *restrict drawn_out, uint32_t width,
                       const struct convolve_kernel *kernel, float *restrict out)
{
    memset(out, 0, width * sizeof out[0]);
    for (int k = 0; k <= 2 * kernel->reach; k++) {
        const float weight = kernel->weights[k];
        for (uint32_t x = 0; x < width; x++) {
            out[x] += weight * drawn_out[x + (uint32_t)k];
        }
    }
}

static void add_row(const float *restrict row, uint32_t width, float weight, float *restrict out)
{
    for (uint32_t x = 0; x < width; x++) {
        out[x] += weight * row[x];
    }
}

static void filter_columns(const float *plane, uint32_t width, uint32_t height,
                           const struct convolve_kernel *kernel, float *out)
{
    for (uint32_t y = 0; y < height; y++) {
        float *target = out + (size_t)y * width;
        memset(target, 0, width * sizeof out[0]);
        for (int k = -kernel->reach; k <= kernel->reach; k++) {
            const int64_t from = (int64_t)y + k;
            const int64_t row = from < 0 ? 0 : from >= height ? height - 1 : from;
            add_row(plane + (size_t)row * width, width, kernel->weights[kernel->reach + k], target);
        }
    }
}

bool convolve(const float *plane, uint32_t width, uint32_t height,
              const struct convolve_kernel *along_rows, const struct convolve_kernel *along_columns,
              struct arena *scratch, float *out, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    float *between = arena_array(scratch, float, (size_t)width *height);
    float *row = arena_array(scratch, float, width + 2 * (size_t)along_rows->reach);
    if (between == NULL || row == NULL) {
        arena_reset(scratch, mark);
        return arena_full(scratch, err);
    }
    for (uint32_t y = 0; y < height; y++) {
        draw_out(plane + (size_t)y * width, width, along_rows->reach, row);
        filter_row(row, width, along_rows, between + (size_t)y * width);
    }
    filter_columns(between, width, height, along_columns, out);
    arena_reset(scratch, mark);
    return true;
}
