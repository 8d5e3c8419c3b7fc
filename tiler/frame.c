/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/frame.h"

#include <math.h>
#include <string.h>

static bool has_frame(const struct feature *feature)
{
    for (size_t i = 0; i < feature->texture_count; i++) {
        if (feature->textures[i].wrap == WRAP_BORDER) {
            return true;
        }
    }
    return false;
}

static void move_inward(const struct feature *feature, const struct feature_polygon *polygon,
                        const struct images_facts *facts, float *uvs)
{
    const double size[2] = {facts->width, facts->height};
    for (uint32_t r = 0; r < polygon->ring_count; r++) {
        const struct feature_ring *ring = &feature->rings[polygon->first_ring + r];
        for (uint32_t i = 0; i < 2 * ring->corner_count; i++) {
            float *uv = &uvs[2 * (size_t)ring->first_corner + i];
            *uv = (float)(((double)*uv * size[i % 2] + 1) / (size[i % 2] + 2));
        }
    }
}

bool frame_record(struct record *record, struct images *images, const char *source_path,
                  struct arena *tile, struct err *err)
{
    struct feature *feature = &record->feature;
    if (images == NULL || feature->uvs == NULL || !has_frame(feature)) {
        return true;
    }
    const size_t count = 2 * feature->corner_count;
    float *uvs = arena_array(tile, float, count);
    if (uvs == NULL) {
        return arena_full(tile, err);
    }
    memcpy(uvs, feature->uvs, count * sizeof uvs[0]);
    for (size_t i = 0; i < feature->polygon_count; i++) {
        const struct feature_polygon *polygon = &feature->polygons[i];
        if (polygon->texture == FEATURE_NONE ||
            feature->textures[polygon->texture].wrap != WRAP_BORDER) {
            continue;
        }
        int32_t id;
        if (!images_find(images, record->source, source_path,
                         feature->textures[polygon->texture].image, &id, err)) {
            return false;
        }
        if (id != IMAGES_NONE) {
            const struct images_facts facts = images_facts(images, id);
            move_inward(feature, polygon, &facts, uvs);
        }
    }
    feature->uvs = uvs;
    return true;
}

bool frame_find(struct images *images, uint32_t source, const char *source_path,
                const struct feature_texture *texture, int32_t *out, struct err *err)
{
    int32_t id;
    if (!images_find(images, source, source_path, texture->image, &id, err)) {
        return false;
    }
    if (id != IMAGES_NONE && texture->wrap == WRAP_BORDER) {
        uint8_t color[4];
        for (int i = 0; i < 4; i++) {
            color[i] = (uint8_t)lroundf(255 * fminf(1, fmaxf(0, texture->border[i])));
        }
        return images_frame(images, id, color, out, err);
    }
    *out = id;
    return true;
}
