/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/query_asking.h"

#include <math.h>

#include "formats/base/earth.h"

static bool prepare_bbox(struct query_asking *a)
{
    const struct query *query = a->query;
    const struct feature_frame *frame = &a->index->frame;
    if (!query->has_bbox) {
        return true;
    }
    const int x = query_crs_is_yx(query->bbox_crs) ? 1 : 0;
    const double west = query->bbox[x];
    const double south = query->bbox[1 - x];
    const double east = query->bbox[3 + x];
    const double north = query->bbox[3 + 1 - x];
    if (!(fabs(west) <= 180) || !(fabs(east) <= 180) || !(fabs(south) <= 90) ||
        !(fabs(north) <= 90) || !(south <= north) || !(query->bbox[2] <= query->bbox[5])) {
        return err_set(a->err, ERR_SCHEMA,
                       "bbox: west,south[,low],east,north[,high] in degrees, low before high");
    }
    const double width = east < west ? east + 360 - west : east - west;
    double left = feature_frame_from_deg(frame, west, south, 0).x / frame->x_m_per_deg;
    const double low_y = (south - frame->lat0_deg) * frame->y_m_per_deg;
    const double high_y = (north - frame->lat0_deg) * frame->y_m_per_deg;
    const double low_z = query->bbox[2] - frame->h0_m;
    const double high_z = query->bbox[5] - frame->h0_m;
    /* The frame ends half way around from the city: what goes on there begins
     * again at its other end. */
    if (width >= 360) {
        left = -180;
    }
    for (double right = left + width; a->box_count < 2; left -= 360, right -= 360) {
        a->boxes[a->box_count++] = (struct box3){{left * frame->x_m_per_deg, low_y, low_z},
                                                 {right * frame->x_m_per_deg, high_y, high_z}};
        if (right <= 180) {
            break;
        }
    }
    return true;
}

static bool prepare_coords(struct query_asking *a)
{
    const struct query *query = a->query;
    struct plan_area area;
    const bool wants_point = query->kind == QUERY_POSITION || query->kind == QUERY_RADIUS ||
                             query->kind == QUERY_NEAREST;
    if (query->coords.size == 0) {
        return query->kind == QUERY_FLOOD || query->kind == QUERY_ITEMS ||
               err_set(a->err, ERR_SCHEMA, "coords: it is missing; %s",
                       wants_point ? "coords=POINT(longitude latitude)"
                                   : "coords=POLYGON((longitude latitude, ...))");
    }
    if (!plan_area_read(query->coords, query_crs_is_yx(query->bbox_crs), a->request, &area, NULL,
                        a->err)) {
        return query_name_error((struct text){"coords", 6}, a->err);
    }
    if (plan_area_is_point(&area) != wants_point) {
        return err_set(a->err, ERR_SCHEMA, "coords: a %s should stand here",
                       wants_point ? "POINT" : "POLYGON");
    }
    a->from = (struct feature_index_nearest){
        .lon_deg = area.points_deg[0].x,
        .lat_deg = area.points_deg[0].y,
        .within_m = query->within * query->within_unit_m,
        .has_height = query->has_z && query->kind == QUERY_NEAREST,
        .height_m = query->has_z ? query->low_m : 0,
    };
    if (query->kind == QUERY_RADIUS || query->kind == QUERY_NEAREST) {
        return query->kind == QUERY_NEAREST || isfinite(query->within) ||
               err_set(a->err, ERR_SCHEMA, "within: it is missing; within=500");
    }
    return plan_area_prepare(&area, a->index, a->request, &a->grid, a->err);
}

bool query_place_prepare(struct query_asking *a)
{
    return prepare_bbox(a) && (a->query->kind == QUERY_RAY || prepare_coords(a));
}

/* "LINESTRING(lon lat height, lon lat height)" */

static bool meets_bbox(const struct query_asking *a, uint32_t row)
{
    if (a->box_count == 0) {
        return true;
    }
    const struct box3 box = feature_index_box(a->index, row);
    for (size_t i = 0; i < a->box_count; i++) {
        const struct box3 *b = &a->boxes[i];
        if (box.min.x <= b->max.x && box.max.x >= b->min.x && box.min.y <= b->max.y &&
            box.max.y >= b->min.y && box.min.z <= b->max.z && box.max.z >= b->min.z) {
            return true;
        }
    }
    return false;
}

static bool meets_heights(const struct query_asking *a, uint32_t row)
{
    if (!a->query->has_z || a->query->kind == QUERY_NEAREST) {
        return true;
    }
    const struct box3 box = feature_index_box(a->index, row);
    return box.min.z + a->index->frame.h0_m <= a->query->high_m &&
           box.max.z + a->index->frame.h0_m >= a->query->low_m;
}

/* All but what the way to the row has settled already. */

bool query_place_meets(const struct query_asking *a, uint32_t row, bool is_inside_grid)
{
    return meets_bbox(a, row) && meets_heights(a, row) &&
           (a->grid == NULL || is_inside_grid || plan_grid_meets(a->grid, a->index, row));
}

enum feature_index_side query_place_side(void *shape, const float min[3], const float max[3])
{
    const struct query_asking *a = shape;
    const double h0_m = a->index->frame.h0_m;
    if (a->query->kind == QUERY_FLOOD && a->query->is_ellipsoidal &&
        (double)min[2] + h0_m > a->query->level_m) {
        return FEATURE_OUTSIDE;
    }
    return plan_grid_side(a->grid, (double)min[0], (double)min[1], (double)max[0], (double)max[1]);
}

struct box3 query_place_radius_box(const struct query_asking *a)
{
    const struct feature_frame *frame = &a->index->frame;
    const double within_m = a->from.within_m * 1.001;
    const double reach_deg = within_m / 110574.0; /* a degree of latitude is longer than this */
    const double far_deg = fmin(89.9, fabs(a->from.lat_deg) + reach_deg);
    const double lon_m = 111319.0 * cos(far_deg * EARTH_RAD_PER_DEG);
    const double reach_lon_deg = fmin(360, within_m / lon_m);
    const struct vec3 at =
        feature_frame_from_deg(frame, a->from.lon_deg, a->from.lat_deg, frame->h0_m);
    const double dx = reach_lon_deg * frame->x_m_per_deg;
    const double dy = reach_deg * frame->y_m_per_deg;
    const double any = (double)INFINITY;
    return (struct box3){{at.x - dx, at.y - dy, -any}, {at.x + dx, at.y + dy, any}};
}
