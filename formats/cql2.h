/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CQL2_H
#define FORMATS_CQL2_H

/*
 * cql2.h - filters in the Common Query Language: text or JSON to a condition in
 * SQL with bound parameters.
 *
 *     storeys >= 10 AND (class = 'Building' OR name LIKE '福田%')
 *     measuredHeight BETWEEN 20 AND 40 AND use IN ('office','school')
 *     address IS NOT NULL AND S_INTERSECTS(geometry, BBOX(114.0,22.5,114.1,22.6))
 *
 * No byte of the filter reaches the SQL text: names become quoted columns that
 * exist, values become parameters, geometries numbers.
 *
 * Source   OGC CQL2 (21-065r2), conformance classes cql2-text, cql2-json, basic-cql2,
 *          advanced-comparison-operators (LIKE, BETWEEN, IN), CASEI for ASCII,
 *          basic-spatial-functions (S_INTERSECTS with points, boxes, polygons),
 *          property-property
 * Limits   64 KiB of text, 64 levels, 500 terms, 10,000 points a geometry:
 *          ERR_LIMIT
 * Threads  no state
 */

#include "formats/base/arena.h"
#include "formats/geopackage.h"
#include "formats/plan_area.h"

struct cql2 {
    struct geopackage_condition condition; /* `meets` is for the caller to set */
    const struct plan_area *areas;         /* geometry number i, lon lat degrees */
    size_t area_count;
};

/*
 * is_yx    coordinates are latitude, longitude
 * Memory   *out lives in `request`
 * Errors   ERR_SYNTAX  not CQL2      ERR_SCHEMA  no such property
 *          ERR_UNSUPPORTED  a function or operator that is not among the classes above
 *          each with line 1 and the column
 */
ERR_CHECKED bool cql2_read_text(struct text filter, const struct geopackage *columns, bool is_yx,
                                struct arena *request, struct cql2 *out, struct err *err);

/*
 * The same as JSON: {"op": "and", "args": [{"op": ">", "args": [{"property":
 * "storeys"}, 10]}, ...]}, class cql2-json. It is said again as text and then read.
 *
 * Errors   of cql2_read_text(), without its column; of JSON, with theirs
 */
ERR_CHECKED bool cql2_read_json(struct text filter, const struct geopackage *columns, bool is_yx,
                                struct arena *request, struct cql2 *out, struct err *err);

#endif
