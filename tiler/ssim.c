/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/ssim.h"

#include <assert.h>
#include <math.h>

#include "tiler/convolve.h"

static const float C1 = (0.01f * 255) * (0.01f * 255);
static const float C2 = (0.03f * 255) * (0.03f * 255);
static const double DEVIATION_PX = 1.5;

enum field { MEAN_A, MEAN_B, SQUARE_A, SQUARE_B, PRODUCT, FIELD_COUNT };

static float luminance(const uint8_t *pixel)
{
    return 0.299f * pixel[0] + 0.587f * pixel[1] + 0.114f * pixel[2];
}

static void fill_fields(const struct image *a, const struct image *b, float *fields[FIELD_COUNT])
{
    for (size_t i = 0; i < (size_t)a->width * a->height; i++) {
        const float x = luminance(a->pixels + 4 * i);
        const float y = luminance(b->pixels + 4 * i);
        fields[MEAN_A][i] = x;
        fields[MEAN_B][i] = y;
        fields[SQUARE_A][i] = x * x;
        fields[SQUARE_B][i] = y * y;
        fields[PRODUCT][i] = x * y;
    }
}

static float index_at(float *const fields[FIELD_COUNT], size_t i)
{
    const float a = fields[MEAN_A][i];
    const float b = fields[MEAN_B][i];
    const float variance_a = fields[SQUARE_A][i] - a * a;
    const float variance_b = fields[SQUARE_B][i] - b * b;
    const float covariance = fields[PRODUCT][i] - a * b;
    return (2 * a * b + C1) * (2 * covariance + C2) /
           ((a * a + b * b + C1) * (variance_a + variance_b + C2));
}

static bool make_map(const struct image *a, const struct image *b, struct arena *scratch,
                     float *out_map, struct err *err)
{
    const size_t count = (size_t)a->width * a->height;
    float *fields[FIELD_COUNT];
    for (int f = 0; f < FIELD_COUNT; f++) {
        fields[f] = arena_array(scratch, float, count);
        if (fields[f] == NULL) {
            return arena_full(scratch, err);
        }
    }
    fill_fields(a, b, fields);
    struct convolve_kernel kernel = convolve_gaussian(DEVIATION_PX, SSIM_REACH);
    for (int f = 0; f < FIELD_COUNT; f++) {
        if (!convolve(fields[f], a->width, a->height, &kernel, &kernel, scratch, fields[f], err)) {
            return false;
        }
    }
    for (uint32_t y = 0; y < a->height; y++) {
        for (uint32_t x = 0; x < a->width; x++) {
            const bool is_whole = x >= SSIM_REACH && y >= SSIM_REACH && x + SSIM_REACH < a->width &&
                                  y + SSIM_REACH < a->height;
            const size_t at = (size_t)y * a->width + x;
            out_map[at] = is_whole ? index_at(fields, at) : 1;
        }
    }
    return true;
}

bool ssim_map(const struct image *a, const struct image *b, struct arena *scratch, float *out_map,
              struct err *err)
{
    assert(a->width == b->width && a->height == b->height);
    const struct arena_mark mark = arena_mark(scratch);
    const bool ok = make_map(a, b, scratch, out_map, err);
    arena_reset(scratch, mark);
    return ok;
}
