/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_QUERY_PRINT_H
#define FORMATS_QUERY_PRINT_H

/*
 * query_print.h - answers to questions: GeoJSON, flat JSON, ids, a style.
 *
 *   f=json        FeatureCollection: type, id, geometry (MultiPolygon of the
 *                 footprint at its base's height, or Point), bbox of 6, properties;
 *                 numberMatched, numberReturned, links; of a flood, "summary"
 *   f=attributes  an array of flat objects: every property, no geometry
 *   f=ids         {"numberMatched": n, "ids": ["..."]}
 *   f=style       a 3D Tiles style that colours the flooded features by depth
 *   f=bitset      a bit a feature of the package, set where there is water
 *
 * A property that storey adds (base, top, baseLocal, topLocal, height, storeysAbove,
 * storeysBelow, storeysDerived, class, parent, group, tile, area, distance, depth,
 * wetStoreys, dryStoreys) stands before those of the source; a source's own of the
 * same name is called name_2, as in tiles.
 *
 * Nothing here reads the clock: timeStamp is the caller's.
 */

#include "formats/base/buf.h"
#include "formats/query.h"

/* What only the caller knows; every text may be empty. URLs are ready to be put
 * between quotes. */
struct query_links {
    struct text self; /* of this answer; gives the "self" link */
    struct text next; /* gives the "next" link, printed only when there is more */
    struct text item; /* ".../items/": gives each feature a link to itself */
    struct text tile; /* ".../3dtiles/": gives each feature a link to its tile */
    struct text time_stamp;
    const char *collection; /* name, or NULL */
};

/*
 * Appends the answer in query->format. Ask buf_finish() afterwards.
 *
 * Errors   of reading attributes
 */
ERR_CHECKED bool query_print(const struct query *query, const struct query_target *target,
                             const struct query_result *result, const struct query_links *links,
                             struct arena *request, struct buf *out, struct err *err);

/* GeoJSON and flat JSON can be printed some hits at a time. */
static inline bool query_format_has_pages(enum query_format format)
{
    return format == QUERY_GEOJSON || format == QUERY_ATTRIBUTES;
}

/* How far an answer has been printed; zero at first. */
struct query_page {
    size_t next; /* hit */
    bool has_begun, is_over;
};

/*
 * Appends what comes next of an answer that query_print() would print at once: at
 * most `most` hits, before the first its head, after the last its tail.
 */
ERR_CHECKED bool query_print_page(const struct query *query, const struct query_target *target,
                                  const struct query_result *result,
                                  const struct query_links *links, struct query_page *page,
                                  size_t most, struct buf *out, struct err *err);

/*
 * One feature, as /items/{id}: GeoJSON Feature with links to tile and parent, or
 * with QUERY_ATTRIBUTES one flat object. A group's id (a parent drawn by its
 * parts, or merged blocks) answers too, with its members' ids and their extent.
 * *out_found false: no such id.
 */
ERR_CHECKED bool query_print_item(const struct query *query, const struct query_target *target,
                                  struct text id, const struct query_links *links,
                                  struct arena *request, struct buf *out, bool *out_found,
                                  struct err *err);

/* JSON Schema of what can be filtered by (/queryables); `id` is its own URL. */
void query_print_queryables(const struct query_target *target, struct text id, struct text title,
                            struct buf *out);

/* The media type of a format: "application/geo+json", ... */
const char *query_media_type(enum query_format format);

/* A whole GeoJSON feature of this package as a JSON Schema: what GDAL asks for to
 * know every attribute, where a page of features has some of them only. */
void query_print_feature_schema(const struct query_target *target, struct text id, struct buf *out);

#endif
