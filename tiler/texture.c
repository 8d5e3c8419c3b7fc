/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/texture.h"

#include <math.h>

/* Four pixels to one; the last row or column of an odd side counts twice. */
static void halve(const struct image *from, const struct light_table *light, struct image *to)
{
    for (uint32_t y = 0; y < to->height; y++) {
        for (uint32_t x = 0; x < to->width; x++) {
            float sum[4] = {0};
            for (uint32_t i = 0; i < 4; i++) {
                const uint32_t sx = 2 * x + i % 2 < from->width ? 2 * x + i % 2 : from->width - 1;
                const uint32_t sy = 2 * y + i / 2 < from->height ? 2 * y + i / 2 : from->height - 1;
                const uint8_t *pixel = from->pixels + 4 * ((size_t)sy * from->width + sx);
                for (int k = 0; k < 3; k++) {
                    sum[k] += (float)pixel[3] * light->linear[pixel[k]];
                }
                sum[3] += (float)pixel[3];
            }
            uint8_t *out = to->pixels + 4 * ((size_t)y * to->width + x);
            for (int k = 0; k < 3; k++) {
                out[k] = sum[3] > 0 ? light_encode(light, sum[k] / sum[3]) : 0;
            }
            out[3] = (uint8_t)(sum[3] / 4 + 0.5f);
        }
    }
}

bool texture_open(const struct mesh_image *picture, enum mesh_wrap wrap, struct arena *arena,
                  struct texture *out, struct err *err)
{
    light_init(&out->light);
    out->wrap = wrap;
    out->level_count = 1;
    if (!image_read(picture->bytes, 1, arena, &out->levels[0], err)) {
        return false;
    }
    while (out->level_count < TEXTURE_LEVELS_MAX) {
        const struct image *from = &out->levels[out->level_count - 1];
        if (from->width == 1 && from->height == 1) {
            break;
        }
        struct image *to = &out->levels[out->level_count];
        if (!image_make((from->width + 1) / 2, (from->height + 1) / 2, arena, to, err)) {
            return false;
        }
        halve(from, &out->light, to);
        out->level_count++;
    }
    return true;
}

static uint32_t wrapped(int64_t at, uint32_t size, enum mesh_wrap wrap)
{
    const int64_t n = size;
    if (wrap == MESH_CLAMP) {
        return (uint32_t)(at < 0 ? 0 : at >= n ? n - 1 : at);
    }
    if (wrap == MESH_MIRROR) {
        const int64_t within = (at % (2 * n) + 2 * n) % (2 * n);
        return (uint32_t)(within < n ? within : 2 * n - 1 - within);
    }
    return (uint32_t)((at % n + n) % n);
}

void texture_sample(const struct texture *texture, double u, double v, double texels, float out[4])
{
    const double wish = texels > 1 ? floor(log2(texels) + 0.5) : 0;
    const int level = wish < texture->level_count ? (int)wish : texture->level_count - 1;
    const struct image *image = &texture->levels[level];
    /* Coordinates that a broken file may hold must still be numbers here. */
    const double far = 1e6;
    const double x = fmin(far, fmax(-far, u)) * image->width - 0.5;
    const double y = fmin(far, fmax(-far, v)) * image->height - 0.5;
    const double x0 = floor(x);
    const double y0 = floor(y);
    float sum[4] = {0};
    for (int i = 0; i < 4; i++) {
        const double wx = i % 2 == 0 ? 1 - (x - x0) : x - x0;
        const double wy = i / 2 == 0 ? 1 - (y - y0) : y - y0;
        const uint32_t sx = wrapped((int64_t)x0 + i % 2, image->width, texture->wrap);
        const uint32_t sy = wrapped((int64_t)y0 + i / 2, image->height, texture->wrap);
        const uint8_t *pixel = image->pixels + 4 * ((size_t)sy * image->width + sx);
        const float weight = (float)(wx * wy);
        for (int k = 0; k < 3; k++) {
            sum[k] += weight * texture->light.linear[pixel[k]];
        }
        sum[3] += weight * (float)pixel[3];
    }
    for (int k = 0; k < 3; k++) {
        out[k] = sum[k];
    }
    out[3] = sum[3] / 255;
}
