/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FEATURES_H
#define TESTS_FUZZ_FEATURES_H

/*
 * features.h - whatever the bytes are, reading ends; every feature that comes
 * out is what feature.h promises: indices inside their arrays, finite vertices,
 * rings of three, levels in order, keys once, texts that are UTF-8.
 */
#include <assert.h>
#include <math.h>

#include "formats/source.h"

enum { FEATURE_BYTES_MAX = 1 << 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_attributes(const struct feature_attribute *attributes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert(text_is_utf8(attributes[i].key) && text_is_utf8(attributes[i].value.text));
        assert(attributes[i].value.type != FEATURE_REAL || isfinite(attributes[i].value.real));
        for (size_t k = 0; k < i; k++) {
            assert(!text_equals(attributes[i].key, attributes[k].key));
        }
    }
}

static void check_rings(const struct feature *feature)
{
    size_t corners = 0;
    for (size_t i = 0; i < feature->ring_count; i++) {
        assert(feature->rings[i].first_corner == corners);
        assert(feature->rings[i].corner_count >= 3);
        corners += feature->rings[i].corner_count;
    }
    assert(corners == feature->corner_count);
    for (size_t i = 0; i < feature->corner_count; i++) {
        assert(feature->corners[i] < feature->vertex_count);
        assert(feature->uvs == NULL ||
               (isfinite(feature->uvs[2 * i]) && isfinite(feature->uvs[2 * i + 1])));
    }
    for (size_t i = 0; i < 3 * feature->vertex_count; i++) {
        assert(isfinite(feature->vertices[i]));
    }
}

static void check_polygons(const struct feature *feature)
{
    size_t rings = 0;
    for (size_t i = 0; i < feature->polygon_count; i++) {
        const struct feature_polygon *polygon = &feature->polygons[i];
        assert(polygon->first_ring >= rings && polygon->ring_count > 0);
        rings = polygon->first_ring + polygon->ring_count;
        assert(polygon->material < (int32_t)feature->material_count);
        assert(polygon->texture < (int32_t)feature->texture_count);
        assert(polygon->shell < (int32_t)feature->shell_count);
        assert(polygon->texture < 0 || feature->uvs != NULL);
        assert((unsigned)polygon->kind < SURFACE_KIND_COUNT);
    }
    assert(rings <= feature->ring_count);
    size_t polygons = 0;
    for (size_t i = 0; i < feature->lod_count; i++) {
        assert(feature->lods[i].first_polygon == polygons);
        assert(i == 0 || feature->lods[i - 1].level < feature->lods[i].level);
        polygons += feature->lods[i].polygon_count;
    }
    assert(polygons == feature->polygon_count);
}

static void check_feature(const struct feature *feature)
{
    assert(feature->id.size > 0 && text_is_utf8(feature->id));
    assert(text_is_utf8(feature->root_id) && text_is_utf8(feature->kind));
    check_attributes(feature->attributes, feature->attribute_count);
    check_attributes(feature->inherited, feature->inherited_count);
    check_rings(feature);
    check_polygons(feature);
}

static void read_all(struct source *source, size_t size)
{
    struct arena arena;
    arena_init(&arena, FEATURE_BYTES_MAX);
    /* An object takes a byte at least: more rounds would be a loop. */
    for (size_t round = 0;; round++) {
        struct feature feature;
        struct err err;
        bool is_end = false;
        assert(round <= 200 * size + 2);
        arena_reset(&arena, (struct arena_mark){0});
        if (!source_next(source, &arena, &feature, &is_end, &err)) {
            assert(err.code != ERR_NONE && err.message[0] != '\0');
            if (!source_can_continue(source)) {
                break;
            }
        } else if (is_end) {
            assert(source_bytes_done(source) <= source_info(source)->bytes_total);
            break;
        } else {
            check_feature(&feature);
        }
    }
    arena_release(&arena);
}

/* Reads all features of `data` as a file of that name. */
static int read_features(const uint8_t *data, size_t size, const char *name)
{
    const struct source_options options = {.temporary_folder = "/tmp"};
    struct report report;
    struct source *source = NULL;
    struct err err;
    if (!report_open(&report, NULL, &err)) {
        return 0;
    }
    if (source_open_bytes((struct span){data, size}, name, &options, &report, &source, &err)) {
        read_all(source, size);
        source_close(source);
    } else {
        assert(err.message[0] != '\0');
    }
    (void)report_close(&report, &err);
    return 0;
}

#endif
