/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_GEOPACKAGE_WRITE_H
#define FORMATS_GEOPACKAGE_WRITE_H

/*
 * geopackage_write.h - writes features.gpkg, a row after the other.
 *
 * Source   OGC GeoPackage 1.3 (12-128r18): "Spatial Reference Systems",
 *          "Contents", "Geometry Columns", "Geometry Encoding", Annex F.3 "RTree
 *          Spatial Indexes"; SQLite, "FTS5 Extension", "The SQLite R*Tree Module"
 * Layout   tables, beside those that GeoPackage demands
 *
 *     features          fid (row of features.idx + 1), footprint, what storey says,
 *                       an attribute a column
 *     storey_columns    in their order: column, name as the source spells it, type,
 *                       whether storey says it. Columns that differ from another in
 *                       case only, or not at all, have _2, _3 ... after them
 *     feature_names     FTS5 over the words of ids and names (geopackage_words()),
 *                       without these themselves
 *     rtree_features_footprint
 *
 *          Attributes beyond GEOPACKAGE_COLUMNS_MAX are JSON in moreAttributes.
 * Bytes    the same calls give the same bytes with one version of SQLite: there
 *          is no clock in them, last_change is 1970-01-01
 * Memory   some MiB, whatever is written
 * Threads  one at a time
 */

#include "formats/feature_index.h"
#include "formats/geopackage.h"

enum { GEOPACKAGE_COLUMNS_MAX = 1900 };

struct geopackage_new_column {
    struct text name;
    enum geopackage_type type;
};

/* What the table is. */
struct geopackage_layer {
    const char *crs_organization; /* "EPSG"; "NONE" for a system without a number */
    int32_t crs_code;
    const char *crs_name;
    const char *crs_wkt;                         /* WKT 1, axes east and north */
    const struct geopackage_new_column *columns; /* the source's attributes */
    size_t column_count;
};

/* A feature to be written; its text is copied. Heights in metres. */
struct geopackage_feature {
    struct text id, class_name, name, parent;
    struct text other_names; /* what else it is found by: names in other languages, addresses */
    double base_m, top_m, base_local_m, top_local_m, height_m;
    enum feature_storeys storeys;
    uint32_t storeys_above, storeys_below;
    double footprint_m2;
    const struct vec2 *points; /* of the footprint: east, north in the layer's system */
    const uint32_t *ring_ends; /* as feature_index_entry has them */
    const bool *is_hole;
    uint32_t ring_count;
    const struct geopackage_value *values; /* one a column; booleans are integers */
};

struct geopackage_writer;

/* A new file. Errors   ERR_IO  it exists, or cannot be made; ERR_LIBRARY of SQLite */
ERR_CHECKED bool geopackage_writer_open(const char *path, const struct geopackage_layer *layer,
                                        struct geopackage_writer **out, struct err *err);
ERR_CHECKED bool geopackage_writer_add(struct geopackage_writer *writer,
                                       const struct geopackage_feature *feature, struct err *err);
ERR_CHECKED bool geopackage_writer_finish(struct geopackage_writer *writer, struct err *err);
void geopackage_writer_close(struct geopackage_writer *writer); /* NULL is fine */

#endif
