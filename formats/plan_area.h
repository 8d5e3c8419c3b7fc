/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_PLAN_AREA_H
#define FORMATS_PLAN_AREA_H

/*
 * plan_area.h - a point, a box or polygons with holes on the map, prepared so
 * that many boxes and footprints can be held against it quickly.
 *
 * A grid of cells over it knows which cells are inside, which outside, and
 * which edges cross the others; a box is mostly answered by cells alone. By the
 * even-odd rule: a ring that crosses itself has holes, and nothing breaks.
 *
 * Limits   PLAN_AREA_POINTS_MAX points
 * Threads  A prepared area is only read
 */

#include "formats/base/arena.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"
#include "formats/base/vec.h"
#include "formats/feature_index.h"

enum { PLAN_AREA_POINTS_MAX = 10000 };

/* As it was asked for: rings of longitude, latitude in degrees (so it fits any
 * package), not closed. One point alone is a point. */
struct plan_area {
    const struct vec2 *points_deg;
    const uint32_t *ring_ends; /* one past the last point of each ring */
    uint32_t ring_count;
};

/*
 * WKT: POINT, POLYGON, MULTIPOLYGON (Z and M left out), BBOX(w,s,e,n) and
 * ENVELOPE(w,e,s,n) as CQL2 has them; or GeoJSON of type Point, Polygon,
 * MultiPolygon. Coordinates are longitude, latitude unless is_yx.
 *
 * out_bytes  how much of `text` it took; NULL: all must be
 * Memory     *out lives in `request`
 * Errors     ERR_SYNTAX    with column         ERR_LIMIT  too many points
 *            ERR_GEOMETRY  a ring of fewer than 3 points, a longitude or latitude
 *                          that is none
 */
ERR_CHECKED bool plan_area_read(struct text text, bool is_yx, struct arena *request,
                                struct plan_area *out, size_t *out_bytes, struct err *err);

/* A point alone, not an area. */
bool plan_area_is_point(const struct plan_area *area);

struct plan_grid;

/*
 * Prepares an area in the frame of an index; what it has on the other side of
 * the antimeridian is brought to where the city is.
 *
 * Memory   *out lives in `request`
 */
ERR_CHECKED bool plan_area_prepare(const struct plan_area *area, const struct feature_index *index,
                                   struct arena *request, struct plan_grid **out, struct err *err);

enum feature_index_side plan_grid_side(const struct plan_grid *grid, double min_x, double min_y,
                                       double max_x, double max_y);
bool plan_grid_holds(const struct plan_grid *grid, struct vec2 point);

/* Whether the row's footprint (its box, when it has none) meets the area. */
bool plan_grid_meets(const struct plan_grid *grid, const struct feature_index *index, uint32_t row);

#endif
