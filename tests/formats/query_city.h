/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FORMATS_QUERY_CITY_H
#define TESTS_FORMATS_QUERY_CITY_H

/*
 * query_city.h - a small city with an index and attributes, for tests of
 * questions. Ten by ten buildings of 10 x 10 m, 20 m apart, around 114.06 E,
 * 22.54 N; building i stands at column i % 10, row i / 10.
 *
 *   id       "b0" ... "b99"; parent "block-<i / 10>"; class Building, every
 *            seventh Bridge
 *   base     5 + i / 10 metres ellipsoidal, that less 10 in the local datum
 *   height   3 m a storey; storeys 1 + i % 10, every third with one below ground
 *   names    "深圳大厦 <i>" for even i, "Tower <i>" for odd ones
 *   use      office or school, in turn; population 10 i
 *   group    "merged-1" of b0 to b4, in "merged-2"
 */

#include <sys/stat.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "formats/feature_index_write.h"
#include "formats/geopackage_write.h"
#include "formats/query.h"
#include "tests/check.h"

enum { CITY_COUNT = 100 };

struct query_city {
    struct io_map map;
    struct feature_index index;
    struct query_target target;
    struct arena request;
    uint32_t row_of[CITY_COUNT]; /* building to row */
};

static inline struct feature_frame query_city_frame(void)
{
    return feature_index_frame(114.059, 22.539, 114.061, 22.541, 0);
}

static inline struct vec2 query_city_corner(int i)
{
    return (struct vec2){(i % 10) * 20.0 - 100, (i / 10) * 20.0 - 100};
}

static inline void query_city_write_one(int i, struct feature_index_writer *index,
                                        struct geopackage_writer *attributes)
{
    char id[32];
    char parent[32];
    char name[64];
    struct err err;
    const struct vec2 at = query_city_corner(i);
    const struct vec2 points[4] = {
        at, {at.x + 10, at.y}, {at.x + 10, at.y + 10}, {at.x, at.y + 10}};
    const uint32_t ends[1] = {4};
    const double base_m = 5 + i / 10;
    const uint32_t above = 1 + (uint32_t)i % 10;
    const uint32_t below = i % 3 == 0;
    snprintf(id, sizeof id, "b%d", i);
    snprintf(parent, sizeof parent, "block-%d", i / 10);
    snprintf(name, sizeof name, i % 2 == 0 ? "深圳大厦 %d" : "Tower %d", i);
    const struct text class_name = text_of(i % 7 == 0 ? "Bridge" : "Building");
    const struct feature_index_entry entry = {
        .id = text_of(id),
        .class_name = class_name,
        .parent = text_of(parent),
        .box = {{at.x, at.y, base_m}, {at.x + 10, at.y + 10, base_m + 3 * above}},
        .point = {at.x + 5, at.y + 5},
        .tile = 1 + (uint32_t)(i % 10) / 5,
        .base_m = base_m,
        .top_m = base_m + 3 * above,
        .base_local_m = base_m - 10,
        .top_local_m = base_m - 10 + 3 * above,
        .storeys = STOREYS_OF_SOURCE,
        .storeys_above = above,
        .storeys_below = below,
        .points = points,
        .ring_ends = ends,
        .ring_count = 1,
        .footprint_m2 = 100,
    };
    const struct geopackage_value values[2] = {
        {.kind = GEOPACKAGE_IS_TEXT, .text = text_of(i % 2 == 0 ? "office" : "school")},
        {.kind = i == 50 ? GEOPACKAGE_NULL : GEOPACKAGE_IS_INT, .integer = 10 * i}};
    const struct geopackage_feature feature = {
        .id = entry.id,
        .class_name = class_name,
        .name = text_of(name),
        .parent = entry.parent,
        .base_m = base_m,
        .top_m = entry.top_m,
        .base_local_m = entry.base_local_m,
        .top_local_m = entry.top_local_m,
        .height_m = 3 * above,
        .storeys = entry.storeys,
        .storeys_above = above,
        .storeys_below = below,
        .points = points,
        .ring_ends = ends,
        .ring_count = 1,
        .footprint_m2 = 100,
        .values = values,
    };
    CHECK_OK(feature_index_writer_add(index, &entry, &err), &err);
    CHECK_OK(geopackage_writer_add(attributes, &feature, &err), &err);
    if (i < 5) {
        CHECK_OK(feature_index_writer_member(index, text_of("merged-1"), entry.id, false, &err),
                 &err);
    }
}

/* Along the curve, as a writer demands. */
static inline void query_city_order(struct query_city *city, struct feature_index_key *keys)
{
    struct feature_index_key scratch[CITY_COUNT];
    for (uint32_t i = 0; i < CITY_COUNT; i++) {
        keys[i] = (struct feature_index_key){feature_index_curve(i % 10, i / 10, 4), i};
    }
    feature_index_sort(keys, scratch, CITY_COUNT);
    for (uint32_t row = 0; row < CITY_COUNT; row++) {
        city->row_of[keys[row].item] = row;
    }
}

static inline void query_city_open(struct query_city *city)
{
    static const struct geopackage_new_column columns[] = {{{"use", 3}, GEOPACKAGE_TEXT},
                                                           {{"population", 10}, GEOPACKAGE_INT}};
    const struct geopackage_layer layer = {.crs_organization = "EPSG",
                                           .crs_code = 4326,
                                           .crs_name = "WGS 84",
                                           .crs_wkt = "GEOGCS[\"WGS 84\"]",
                                           .columns = columns,
                                           .column_count = 2};
    const struct feature_index_head head = {
        .frame = query_city_frame(), .count = CITY_COUNT, .datum = text_of("1985 datum")};
    struct feature_index_key keys[CITY_COUNT];
    struct feature_index_writer *index;
    struct geopackage_writer *attributes;
    struct err err;
    struct stat info;
    char path[64];
    char gpkg[80];
    snprintf(path, sizeof path, "/tmp/storey-test-query-%ld", (long)getpid());
    snprintf(gpkg, sizeof gpkg, "%s.gpkg", path);
    unlink(gpkg);
    query_city_order(city, keys);
    CHECK_OK(feature_index_writer_open(path, "/tmp", &head, &index, &err), &err);
    CHECK_OK(geopackage_writer_open(gpkg, &layer, &attributes, &err), &err);
    CHECK_OK(feature_index_writer_tile(index, text_of("tiles/w.glb"), FEATURE_INDEX_NONE, &err),
             &err);
    CHECK_OK(feature_index_writer_tile(index, text_of("tiles/a.glb"), 0, &err), &err);
    CHECK_OK(feature_index_writer_tile(index, text_of("tiles/b.glb"), 0, &err), &err);
    for (size_t row = 0; row < CITY_COUNT; row++) {
        query_city_write_one((int)keys[row].item, index, attributes);
    }
    CHECK_OK(
        feature_index_writer_member(index, text_of("merged-2"), text_of("merged-1"), true, &err),
        &err);
    CHECK_OK(feature_index_writer_finish(index, &err), &err);
    CHECK_OK(geopackage_writer_finish(attributes, &err), &err);
    feature_index_writer_close(index);
    geopackage_writer_close(attributes);
    CHECK_OK(io_map(path, &city->map, &err), &err);
    CHECK_OK(feature_index_open(city->map.bytes, &city->index, &err), &err);
    CHECK(stat(gpkg, &info) == 0);
    city->target.index = &city->index;
    CHECK_OK(geopackage_open(gpkg, 0, (uint64_t)info.st_size, &city->target.attributes, &err),
             &err);
    unlink(path);
    unlink(gpkg);
    arena_init(&city->request, 64 << 20);
}

static inline void query_city_close(struct query_city *city)
{
    geopackage_close(city->target.attributes);
    io_unmap(&city->map);
    arena_release(&city->request);
}

#endif
