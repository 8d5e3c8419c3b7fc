/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/difference.h"

#include <assert.h>

#include "tiler/ssim.h"

enum { FLIP_STEPS = 1000 };

struct maps {
    float *ssim, *flip;
    uint32_t *touched; /* 1 where a building is; then sums from the upper left */
};

/* Areas, and the pixels that touch a building in either picture. */
static void count_samples(const struct difference_reference *reference, const struct picture *b,
                          uint32_t *touched, struct difference *out)
{
    const struct picture *a = reference->picture;
    uint32_t last[2] = {0, 0}; /* neighbours mostly ask the same */
    bool is_other = false;
    const uint32_t n = a->samples;
    const size_t row = (size_t)a->image.width * n;
    uint64_t building = 0;
    uint64_t silhouette = 0;
    uint64_t feature = 0;
    for (size_t y = 0; y < (size_t)a->image.height * n; y++) {
        uint32_t *touched_row = touched + y / n * a->image.width;
        for (size_t x = 0; x < row; x++) {
            const uint32_t left = a->ids[y * row + x];
            const uint32_t right = b->ids[y * row + x];
            if (((left | right) & SCENE_BUILDING) != 0) {
                touched_row[x / n] = 1;
                building++;
                silhouette += ((left ^ right) & SCENE_BUILDING) != 0;
                if (left != last[0] || right != last[1]) {
                    is_other = left != right && !scene_is_in_group(reference->groups, left, right);
                    last[0] = left;
                    last[1] = right;
                }
                feature += is_other;
            }
        }
    }
    const double samples = (double)n * n;
    out->building_px = (double)building / samples;
    out->silhouette_px = (double)silhouette / samples;
    out->feature_px = (double)feature / samples;
}

static void sum_up(uint32_t *sums, uint32_t width, uint32_t height)
{
    for (uint32_t y = 0; y < height; y++) {
        uint32_t along = 0;
        for (uint32_t x = 0; x < width; x++) {
            along += sums[(size_t)y * width + x];
            sums[(size_t)y * width + x] = along + (y == 0 ? 0 : sums[(size_t)(y - 1) * width + x]);
        }
    }
}

/* Of the window around a pixel that has one. */
static bool is_touched(const uint32_t *sums, uint32_t width, uint32_t x, uint32_t y)
{
    const size_t right = x + SSIM_REACH;
    const size_t low = y + SSIM_REACH;
    uint32_t sum = sums[low * width + right];
    const bool has_left = x > SSIM_REACH;
    const bool has_above = y > SSIM_REACH;
    const size_t left = has_left ? right - SSIM_WINDOW : 0;
    const size_t above = has_above ? low - SSIM_WINDOW : 0;
    sum -= has_left ? sums[low * width + left] : 0;
    sum -= has_above ? sums[above * width + right] : 0;
    sum += has_left && has_above ? sums[above * width + left] : 0;
    return sum > 0;
}

static double percentile(const uint64_t histogram[FLIP_STEPS + 1], uint64_t count, double share)
{
    uint64_t below = 0;
    for (int i = 0; i <= FLIP_STEPS; i++) {
        below += histogram[i];
        if ((double)below >= share * (double)count) {
            return (double)i / FLIP_STEPS;
        }
    }
    return 1;
}

static void average(const struct maps *maps, uint32_t width, uint32_t height,
                    struct difference *out)
{
    uint64_t histogram[FLIP_STEPS + 1] = {0};
    uint64_t count = 0;
    double ssim = 0;
    double flip = 0;
    double least = 1;
    for (uint32_t y = SSIM_REACH; y + SSIM_REACH < height; y++) {
        for (uint32_t x = SSIM_REACH; x + SSIM_REACH < width; x++) {
            const size_t at = (size_t)y * width + x;
            if (!is_touched(maps->touched, width, x, y)) {
                continue;
            }
            count++;
            ssim += (double)maps->ssim[at];
            least = fmin(least, (double)maps->ssim[at]);
            flip += (double)maps->flip[at];
            histogram[(int)(maps->flip[at] * FLIP_STEPS + 0.5f)]++;
        }
    }
    out->window_count = count;
    out->ssim_mean = count == 0 ? 1 : ssim / (double)count;
    out->ssim_least = least;
    out->flip_mean = count == 0 ? 0 : flip / (double)count;
    out->flip_p95 = percentile(histogram, count, 0.95);
}

static bool measure(const struct difference_reference *reference, const struct picture *picture,
                    struct arena *scratch, float *out_map, struct difference *out, struct err *err)
{
    const struct image *image = &picture->image;
    const size_t count = (size_t)image->width * image->height;
    struct maps maps = {.ssim = arena_array(scratch, float, count),
                        .flip = out_map == NULL ? arena_array(scratch, float, count) : out_map,
                        .touched = arena_array(scratch, uint32_t, count)};
    struct flip_picture *flip;
    if (maps.ssim == NULL || maps.flip == NULL || maps.touched == NULL) {
        return arena_full(scratch, err);
    }
    if (!ssim_map(&reference->picture->image, image, scratch, maps.ssim, err) ||
        !flip_prepare(image, scratch, scratch, &flip, err)) {
        return false;
    }
    *out = (struct difference){0};
    flip_map(reference->flip, flip, maps.flip);
    count_samples(reference, picture, maps.touched, out);
    sum_up(maps.touched, image->width, image->height);
    average(&maps, image->width, image->height, out);
    return true;
}

bool difference_measure(const struct difference_reference *reference, const struct picture *picture,
                        struct arena *scratch, float *out_map, struct difference *out,
                        struct err *err)
{
    assert(reference->picture->image.width == picture->image.width &&
           reference->picture->image.height == picture->image.height &&
           reference->picture->samples == picture->samples);
    const struct arena_mark mark = arena_mark(scratch);
    const bool ok = measure(reference, picture, scratch, out_map, out, err);
    arena_reset(scratch, mark);
    return ok;
}
