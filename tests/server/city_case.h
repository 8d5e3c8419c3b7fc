/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SERVER_CITY_CASE_H
#define TESTS_SERVER_CITY_CASE_H

/*
 * city_case.h - a folder package of five houses (or more) in a row, with index and
 * attributes, for tests of what the server answers about features.
 *
 *     house i   id "H-i", name and use below; ten metres square, fifty apart to
 *               the east of 114.05, 22.54; base i m above local zero, which is 4 m
 *               below the ellipsoid; three storeys of 3 m; children of "BLOCK"
 */

#include "formats/feature_index_write.h"
#include "formats/geopackage_write.h"
#include "tests/server/served.h"

enum { CITY_HOUSES = 5 };

static const char *const city_names[CITY_HOUSES] = {
    "\xE7\xA6\x8F\xE7\x94\xB0\xE5\x8C\xBA\xE6\x94\xBF\xE5\xBA\x9C", "Tower A", "School", "",
    "Tower B"};
static const char *const city_uses[CITY_HOUSES] = {"office", "office", "school", "home", "home"};

static inline struct feature_frame city_frame(void)
{
    return feature_index_frame(114.0495, 22.5395, 114.0535, 22.5405, 0);
}

static inline void city_square(struct vec2 center, struct vec2 out[4])
{
    static const double side[4][2] = {{-5, -5}, {5, -5}, {5, 5}, {-5, 5}};
    for (int i = 0; i < 4; i++) {
        out[i] = (struct vec2){center.x + side[i][0], center.y + side[i][1]};
    }
}

static inline void city_write_index(const char *path, const char *folder, uint32_t count)
{
    struct err err;
    struct feature_index_writer *writer;
    const struct feature_frame frame = city_frame();
    const struct feature_index_head head = {
        .frame = frame, .count = count, .datum = text_of("test height"), .ground_m = -4};
    CHECK_OK(feature_index_writer_open(path, folder, &head, &writer, &err), &err);
    CHECK_OK(feature_index_writer_tile(writer, text_of(SERVED_TILE), FEATURE_INDEX_NONE, &err),
             &err);
    for (uint32_t i = 0; i < count; i++) {
        const struct vec3 at = feature_frame_from_deg(&frame, 114.05, 22.54, 0);
        const struct vec2 center = {at.x + 50.0 * i, at.y};
        struct vec2 points[4];
        const uint32_t ends[1] = {4};
        const double floors[3] = {0, 3, 6};
        char id[16];
        snprintf(id, sizeof id, "H-%u", i);
        city_square(center, points);
        const double base = (double)i - 4;
        const struct feature_index_entry entry = {
            .id = text_of(id),
            .class_name = text_of("Building"),
            .parent = text_of("BLOCK"),
            .box = {{points[0].x, points[0].y, base}, {points[2].x, points[2].y, base + 9}},
            .point = center,
            .tile = 0,
            .base_m = base,
            .top_m = base + 9,
            .base_local_m = i,
            .top_local_m = i + 9.0,
            .storeys = STOREYS_OF_SOURCE,
            .storeys_above = 3,
            .floors = floors,
            .points = points,
            .ring_ends = ends,
            .ring_count = 1,
            .footprint_m2 = 100,
        };
        CHECK_OK(feature_index_writer_add(writer, &entry, &err), &err);
    }
    CHECK_OK(feature_index_writer_finish(writer, &err), &err);
    feature_index_writer_close(writer);
}

static inline void city_write_attributes(const char *path, uint32_t count)
{
    static const struct geopackage_new_column columns[] = {{{"use", 3}, GEOPACKAGE_TEXT},
                                                           {{"people", 6}, GEOPACKAGE_INT}};
    const struct geopackage_layer layer = {.crs_organization = "EPSG",
                                           .crs_code = 4326,
                                           .crs_name = "WGS 84",
                                           .crs_wkt = "GEOGCS[\"WGS 84\"]",
                                           .columns = columns,
                                           .column_count = 2};
    struct geopackage_writer *writer;
    struct err err;
    CHECK_OK(geopackage_writer_open(path, &layer, &writer, &err), &err);
    for (uint32_t i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "H-%u", i);
        const struct geopackage_value values[] = {
            {.kind = GEOPACKAGE_IS_TEXT, .text = text_of(city_uses[i % CITY_HOUSES])},
            {.kind = GEOPACKAGE_IS_INT, .integer = 10 * ((int64_t)i + 1)}};
        const struct geopackage_feature feature = {.id = text_of(id),
                                                   .class_name = text_of("Building"),
                                                   .name = text_of(city_names[i % CITY_HOUSES]),
                                                   .parent = text_of("BLOCK"),
                                                   .base_m = (double)i - 4.0,
                                                   .top_m = i + 5.0,
                                                   .base_local_m = i,
                                                   .top_local_m = i + 9.0,
                                                   .height_m = 9,
                                                   .storeys = STOREYS_OF_SOURCE,
                                                   .storeys_above = 3,
                                                   .footprint_m2 = 100,
                                                   .values = values};
        CHECK_OK(geopackage_writer_add(writer, &feature, &err), &err);
    }
    CHECK_OK(geopackage_writer_finish(writer, &err), &err);
    geopackage_writer_close(writer);
}

/* Adds packages/city/ with so many houses to what is served. */
static inline void city_open_of(const struct served *served, uint32_t count)
{
    struct err err;
    char folder[128];
    char path[192];
    snprintf(folder, sizeof folder, "%s/city", served->packages);
    CHECK_OK(io_make_directory(folder, &err), &err);
    snprintf(path, sizeof path, "%s/tiles", folder);
    CHECK_OK(io_make_directory(path, &err), &err);
    served_write(folder, "manifest.json", served_files[1].bytes, served_files[1].size);
    served_write(folder, "tileset.json", served_tileset, sizeof served_tileset - 1);
    served_write(folder, SERVED_TILE, served_glb, 20);
    snprintf(path, sizeof path, "%s/features.idx", folder);
    city_write_index(path, folder, count);
    snprintf(path, sizeof path, "%s/features.gpkg", folder);
    city_write_attributes(path, count);
}

static inline void city_open(const struct served *served)
{
    city_open_of(served, CITY_HOUSES);
}

#endif
