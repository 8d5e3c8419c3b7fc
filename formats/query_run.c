/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "formats/base/buf.h"
#include "formats/base/earth.h"
#include "formats/feature_index_internal.h"
#include "formats/number.h"
#include "formats/query_internal.h"

/* Rows are asked of SQLite one by one up to this many, all at once beyond. */
enum { TESTS_MOST = 2048, TAKEN_DEPTH_MAX = 32, SQL_BYTES_MAX = 1 << 22 };

/* A question being answered. */
struct asking {
    const struct query *query;
    const struct feature_index *index;
    struct geopackage *attributes;
    struct arena *request;
    struct err *err;
    bool is_stopped; /* by an error in a callback; *err is set */

    struct box3 boxes[2]; /* of bbox; two across the frame's antimeridian */
    size_t box_count;
    struct plan_grid *grid;            /* coords of position, area, flood */
    struct vec3 ray[2];                /* local metres */
    struct feature_index_nearest from; /* radius, nearest */

    const uint8_t *wanted_classes; /* by class number; NULL any */
    uint8_t *buildings;            /* of a flood: by class number, whether it is a building */
    uint8_t *counted;              /* bits a group: parents whose parts were counted as one */
    uint64_t limit;                /* 0: all */
    uint8_t *sets[4];              /* bits a row: ids, parent, tile, group; NULL any */
    size_t set_count;

    bool has_sql;
    struct geopackage_condition condition;
    struct plan_grid **filter_grids;
    struct geopackage_test *test;
    uint8_t *candidates; /* bits a row, when SQL is to choose among them; NULL all */
    uint64_t candidate_count;
    bool is_gathering;

    struct query_hit *hits;
    size_t hit_count;
    size_t hit_room;
    struct query_result result;
};

static bool stop(struct asking *a)
{
    a->is_stopped = true;
    return false;
}

/* ---- bits ---- */

static size_t bit_bytes(const struct asking *a)
{
    return (size_t)a->index->count / 8 + 1;
}

static bool has_bit(const uint8_t *bits, uint32_t row)
{
    return (bits[row / 8] >> (row % 8) & 1) != 0;
}

static void set_bit(uint8_t *bits, uint32_t row)
{
    bits[row / 8] = (uint8_t)(bits[row / 8] | 1u << (row % 8));
}

static uint8_t *new_bits(struct asking *a)
{
    uint8_t *bits = arena_array(a->request, uint8_t, bit_bytes(a));
    if (bits == NULL) {
        arena_full(a->request, a->err);
    }
    return bits;
}

/* ---- what is asked, made ready ---- */

static bool fail_named(struct err *err, const char *name)
{
    char said[sizeof err->message];
    memcpy(said, err->message, sizeof said);
    snprintf(err->message, sizeof err->message, "%s: %.150s", name, said);
    return false;
}

static bool prepare_bbox(struct asking *a)
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

static bool prepare_coords(struct asking *a)
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
        return fail_named(a->err, "coords");
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

/* "LINESTRING(lon lat height, lon lat height)" */
static bool prepare_ray(struct asking *a)
{
    struct text rest = a->query->coords;
    const bool is_yx = query_crs_is_yx(a->query->bbox_crs);
    double value[6];
    size_t count = 0;
    static const char word[] = "LINESTRING";
    size_t at = 0;
    const bool has_word = rest.size > sizeof word && memcmp(rest.data, word, sizeof word - 1) == 0;
    for (at = sizeof word - 1; has_word && at < rest.size && count <= 6;) {
        const struct text here = {rest.data + at, rest.size - at};
        double number;
        const size_t size = number_read(here, &number);
        if (size > 0) {
            if (count < 6) {
                value[count] = number;
            }
            count++;
        } else if (strchr("(), Z", here.data[0]) == NULL) {
            count = 7;
        }
        at += size == 0 ? 1 : size;
    }
    if (count != 6) {
        return err_set(a->err, ERR_SCHEMA,
                       "coords: LINESTRING(longitude latitude height, longitude latitude height) "
                       "should stand here");
    }
    for (size_t i = 0; i < 2; i++) {
        const double lon = value[3 * i + (is_yx ? 1 : 0)];
        const double lat = value[3 * i + (is_yx ? 0 : 1)];
        if (!(fabs(lon) <= 180) || !(fabs(lat) <= 90) || !isfinite(value[3 * i + 2])) {
            return err_set(a->err, ERR_GEOMETRY, "coords: no longitude and latitude in degrees");
        }
        a->ray[i] = feature_frame_from_deg(&a->index->frame, lon, lat, value[3 * i + 2]);
    }
    return true;
}

/* ---- sets of rows ---- */

static bool prepare_ids(struct asking *a)
{
    if (a->query->ids == NULL) {
        return true;
    }
    uint8_t *bits = new_bits(a);
    if (bits == NULL) {
        return false;
    }
    for (size_t i = 0; i < a->query->id_count; i++) {
        const uint32_t row = feature_index_find(a->index, a->query->ids[i]);
        if (row != FEATURE_INDEX_NONE) {
            set_bit(bits, row);
        }
    }
    a->sets[a->set_count++] = bits;
    return true;
}

/* Members of a group, and of the groups and features that are members. `deep`:
 * parts of parts, too. */
static void set_members(struct asking *a, uint8_t *bits, uint32_t group_number, bool deep,
                        int depth)
{
    struct feature_index_group group;
    if (depth > TAKEN_DEPTH_MAX || group_number == FEATURE_INDEX_NONE) {
        return;
    }
    feature_index_group(a->index, group_number, &group);
    for (uint32_t i = 0; i < group.count; i++) {
        bool is_group;
        const uint32_t member = feature_index_member(a->index, group.first + i, &is_group);
        if (member == FEATURE_INDEX_NONE) {
            continue;
        }
        if (is_group) {
            set_members(a, bits, member, deep, depth + 1);
            continue;
        }
        if (has_bit(bits, member)) {
            continue; /* and its parts; also what ends a circle */
        }
        set_bit(bits, member);
        if (deep && group.kind == FEATURE_GROUP_PARENT) {
            set_members(a, bits,
                        feature_index_find_group(a->index, feature_index_id(a->index, member),
                                                 FEATURE_GROUP_PARENT),
                        deep, depth + 1);
        }
    }
}

static bool prepare_groups(struct asking *a)
{
    if (a->query->parent_count > 0) {
        uint8_t *bits = new_bits(a);
        if (bits == NULL) {
            return false;
        }
        for (size_t i = 0; i < a->query->parent_count; i++) {
            set_members(
                a, bits,
                feature_index_find_group(a->index, a->query->parents[i], FEATURE_GROUP_PARENT),
                false, 0);
        }
        a->sets[a->set_count++] = bits;
    }
    if (a->query->group.size > 0) {
        uint8_t *bits = new_bits(a);
        if (bits == NULL) {
            return false;
        }
        for (int kind = FEATURE_GROUP_PARENT; kind <= FEATURE_GROUP_MERGED; kind++) {
            set_members(
                a, bits,
                feature_index_find_group(a->index, a->query->group, (enum feature_group_kind)kind),
                true, 0);
        }
        a->sets[a->set_count++] = bits;
    }
    return true;
}

static bool prepare_tile(struct asking *a)
{
    if (a->query->tile.size == 0) {
        return true;
    }
    uint8_t *bits = new_bits(a);
    if (bits == NULL) {
        return false;
    }
    const uint32_t number = feature_index_find_tile(a->index, a->query->tile);
    if (number != FEATURE_INDEX_NONE) {
        struct feature_index_tile tile;
        feature_index_tile(a->index, number, &tile);
        for (uint32_t i = 0; i < tile.count; i++) {
            const uint32_t row = feature_index_tile_row(a->index, tile.first + i);
            if (row != FEATURE_INDEX_NONE) {
                set_bit(bits, row);
            }
        }
    }
    a->sets[a->set_count++] = bits;
    return true;
}

static bool prepare_classes(struct asking *a)
{
    if (a->query->class_count == 0) {
        return true;
    }
    uint8_t *wanted = arena_array(a->request, uint8_t, (size_t)a->index->class_count + 1);
    if (wanted == NULL) {
        return arena_full(a->request, a->err);
    }
    for (uint32_t i = 0; i < a->index->class_count; i++) {
        for (size_t c = 0; c < a->query->class_count; c++) {
            wanted[i] |= text_equals(feature_index_class(a->index, i), a->query->classes[c]);
        }
    }
    a->wanted_classes = wanted;
    return true;
}

/* Of a flood without class=, what is asked for is buildings. */
static bool prepare_flood(struct asking *a)
{
    static const char *const names[] = {"Building", "BuildingPart", "BuildingUnit"};
    a->limit = a->query->limit;
    if (a->query->kind != QUERY_FLOOD) {
        return true;
    }
    if (!a->query->has_limit &&
        (a->query->format == QUERY_IDS || a->query->format == QUERY_STYLE)) {
        a->limit = 0;
    }
    a->buildings = arena_array(a->request, uint8_t, (size_t)a->index->class_count + 1);
    a->counted = arena_array(a->request, uint8_t, (size_t)a->index->group_count / 8 + 1);
    if (a->buildings == NULL || a->counted == NULL) {
        return arena_full(a->request, a->err);
    }
    for (uint32_t i = 0; i < a->index->class_count; i++) {
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
            a->buildings[i] |= text_is(feature_index_class(a->index, i), names[n]);
        }
    }
    return true;
}

/* ---- SQL ---- */

static bool meets_filter(void *meeter, uint32_t row, uint32_t number)
{
    const struct asking *a = meeter;
    return row < a->index->count && plan_grid_meets(a->filter_grids[number], a->index, row);
}

static bool prepare_filter(struct asking *a, struct cql2 *out)
{
    const bool is_yx = query_crs_is_yx(a->query->filter_crs);
    if (!cql2_read_text(a->query->filter, a->attributes, is_yx, a->request, out, a->err)) {
        return fail_named(a->err, "filter");
    }
    a->filter_grids = arena_array(a->request, struct plan_grid *, out->area_count + 1);
    if (a->filter_grids == NULL) {
        return arena_full(a->request, a->err);
    }
    for (size_t i = 0; i < out->area_count; i++) {
        if (!plan_area_prepare(&out->areas[i], a->index, a->request, &a->filter_grids[i], a->err)) {
            return false;
        }
    }
    return true;
}

static struct geopackage_value value_of(const struct query_equals *equals)
{
    struct geopackage_value value = {.kind = GEOPACKAGE_IS_TEXT, .text = equals->value};
    if (equals->column->type == GEOPACKAGE_BOOL) {
        value.kind = GEOPACKAGE_IS_INT;
        value.integer = text_is(equals->value, "true");
    } else if (equals->column->type != GEOPACKAGE_TEXT) {
        value.kind = GEOPACKAGE_IS_REAL;
        (void)number_is(equals->value, &value.real);
    }
    return value;
}

/* The filter and every {attribute}=value, as one condition. */
static bool prepare_sql(struct asking *a)
{
    const struct query *query = a->query;
    struct cql2 filter = {.condition = {.sql = NULL}};
    a->has_sql = query->filter.size > 0 || query->equal_count > 0 || query->search.size > 0 ||
                 query->order_count > 0;
    if (!a->has_sql) {
        return true;
    }
    assert(a->attributes != NULL);
    if (query->filter.size > 0 && !prepare_filter(a, &filter)) {
        return false;
    }
    const size_t filter_count = filter.condition.parameter_count;
    struct geopackage_value *values =
        arena_array(a->request, struct geopackage_value, filter_count + query->equal_count + 1);
    if (values == NULL) {
        return arena_full(a->request, a->err);
    }
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    if (filter.condition.sql != NULL) {
        buf_print(&sql, "(%s)", filter.condition.sql);
        if (filter_count > 0) {
            memcpy(values, filter.condition.parameters, filter_count * sizeof values[0]);
        }
    }
    for (size_t i = 0; i < query->equal_count; i++) {
        const struct query_equals *equals = &query->equals[i];
        buf_print(&sql, "%s%.*s=?", sql.size > 0 ? " AND " : "", TEXT_ARGS(equals->column->quoted));
        values[filter_count + i] = value_of(equals);
    }
    bool ok = true;
    if (sql.size > 0) {
        buf_add_byte(&sql, 0);
        char *text = NULL;
        ok = buf_finish(&sql, a->err);
        if (ok) {
            text = arena_array(a->request, char, sql.size);
            ok = text != NULL || arena_full(a->request, a->err);
        }
        if (ok) {
            memcpy(text, sql.data, sql.size);
            a->condition = (struct geopackage_condition){
                text, values, filter_count + query->equal_count, meets_filter, a};
        }
    }
    buf_release(&sql);
    return ok;
}

/* ---- conditions that the index alone decides ---- */

static bool meets_box(const struct asking *a, uint32_t row)
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

static bool meets_heights(const struct asking *a, uint32_t row)
{
    if (!a->query->has_z || a->query->kind == QUERY_NEAREST) {
        return true;
    }
    const struct box3 box = feature_index_box(a->index, row);
    return box.min.z + a->index->frame.h0_m <= a->query->high_m &&
           box.max.z + a->index->frame.h0_m >= a->query->low_m;
}

/* All but what the way to the row has settled already. */
static bool meets_index(const struct asking *a, uint32_t row, bool is_inside_grid)
{
    for (size_t i = 0; i < a->set_count; i++) {
        if (!has_bit(a->sets[i], row)) {
            return false;
        }
    }
    if (a->wanted_classes != NULL) {
        const uint8_t *at = a->index->section[SECTION_ROWS].data + (size_t)row * ROW_BYTES;
        const uint16_t number = bytes_load_u16le(at + ROW_CLASS);
        if (number >= a->index->class_count || a->wanted_classes[number] == 0) {
            return false;
        }
    }
    return meets_box(a, row) && meets_heights(a, row) &&
           (a->grid == NULL || is_inside_grid || plan_grid_meets(a->grid, a->index, row));
}

/* ---- flood ---- */

static float load_f32(const uint8_t *at)
{
    float value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Depth over the base, in the level's datum; not above 0 when it stands dry. */
static double depth_at(const struct asking *a, uint32_t row)
{
    const uint8_t *at = a->index->section[SECTION_ROWS].data + (size_t)row * ROW_BYTES;
    return a->query->level_m -
           (double)load_f32(at + (a->query->is_ellipsoidal ? ROW_BASE : ROW_BASE_LOCAL));
}

/* Floors that the source gave, one by one. */
static uint32_t count_wet_floors(const struct asking *a, uint32_t row, double depth_m)
{
    struct feature_index_row about;
    feature_index_row(a->index, row, &about);
    uint32_t wet = 0;
    double floor_m;
    for (int storey = 1;
         storey <= (int)about.storeys_above &&
         feature_index_floor(a->index, &about, storey, &floor_m) && floor_m < depth_m;
         storey++) {
        wet++;
    }
    return wet;
}

/* A whole city may stand in the water: no more of a row is read than is needed. */
/* A building, or another thing of which the source says that it has storeys. A
 * part is left out where the building that it is part of stands in the index: it
 * would be counted twice. */
static bool is_building(const struct asking *a, uint32_t row)
{
    const uint8_t *at = a->index->section[SECTION_ROWS].data + (size_t)row * ROW_BYTES;
    const uint32_t class_number = bytes_load_u16le(at + ROW_CLASS);
    const uint32_t parent = bytes_load_u32le(at + ROW_PARENT);
    if (at[ROW_STOREYS] == STOREYS_UNKNOWN &&
        (class_number >= a->index->class_count || a->buildings[class_number] == 0)) {
        return false;
    }
    if (parent >= a->index->group_count) {
        return true;
    }
    struct feature_index_group group;
    feature_index_group(a->index, parent, &group);
    return group.row == FEATURE_INDEX_NONE || group.row == row;
}

/* Parts of a building that is drawn by them alone are one building. */
static bool is_new_building(struct asking *a, uint32_t row)
{
    const uint8_t *at = a->index->section[SECTION_ROWS].data + (size_t)row * ROW_BYTES;
    const uint32_t parent = bytes_load_u32le(at + ROW_PARENT);
    if (parent >= a->index->group_count) {
        return true;
    }
    const bool is_new = !has_bit(a->counted, parent);
    set_bit(a->counted, parent);
    return is_new;
}

static void wet_storeys(const struct asking *a, uint32_t row, double depth_m,
                        struct query_depth *out, double *out_m2)
{
    const uint8_t *at = a->index->section[SECTION_ROWS].data + (size_t)row * ROW_BYTES;
    const uint32_t above = bytes_load_u16le(at + ROW_ABOVE);
    const uint32_t below = bytes_load_u16le(at + ROW_BELOW);
    const double area_m2 = (double)load_f32(at + ROW_AREA);
    uint32_t wet;
    if (bytes_load_u32le(at + ROW_FLOORS) != FEATURE_INDEX_NONE) {
        wet = count_wet_floors(a, row, depth_m);
    } else { /* all alike */
        const double height_m = (double)load_f32(at + ROW_TOP) - (double)load_f32(at + ROW_BASE);
        const double floors = height_m > 0 ? depth_m * above / height_m : above;
        wet = floors < above ? (uint32_t)floors : above;
        wet += wet < above && wet < floors;
    }
    out->depth_m = depth_m;
    out->wet_count = wet + below;
    out->dry_count = above - wet;
    *out_m2 = isfinite(area_m2) ? area_m2 : 0;
}

static void add_sum(void *taker, size_t column, const struct geopackage_value *value)
{
    struct asking *a = taker;
    size_t count;
    const struct geopackage_column *columns = geopackage_columns(a->attributes, &count);
    for (size_t i = 0; i < a->query->sum_count; i++) {
        if (a->query->sums[i] == &columns[column]) {
            a->result.sums.attribute[i] +=
                value->kind == GEOPACKAGE_IS_INT ? (double)value->integer : value->real;
        }
    }
}

static bool flood_hit(struct asking *a, struct query_hit *hit)
{
    struct query_sums *sums = &a->result.sums;
    double area_m2;
    wet_storeys(a, hit->row, depth_at(a, hit->row), &hit->water, &area_m2);
    sums->buildings += is_new_building(a, hit->row);
    sums->wet_storeys += hit->water.wet_count;
    sums->dry_storeys += hit->water.dry_count;
    sums->wet_footprint_m2 += area_m2;
    sums->wet_floor_m2 += area_m2 * hit->water.wet_count;
    if (hit->water.depth_m > sums->depth_max_m) {
        sums->depth_max_m = hit->water.depth_m;
    }
    bool found;
    return a->query->sum_count == 0 ||
           geopackage_row(a->attributes, hit->row, add_sum, a, &found, a->err) || stop(a);
}

/* ---- taking rows ---- */

static bool keep_hit(struct asking *a, const struct query_hit *hit)
{
    if (a->hit_count == a->hit_room) {
        const size_t room = a->hit_room == 0 ? 128 : 2 * a->hit_room;
        struct query_hit *hits = arena_array(a->request, struct query_hit, room);
        if (hits == NULL) {
            arena_full(a->request, a->err);
            return stop(a);
        }
        if (a->hit_count > 0) {
            memcpy(hits, a->hits, a->hit_count * sizeof hits[0]);
        }
        a->hits = hits;
        a->hit_room = room;
    }
    a->hits[a->hit_count++] = *hit;
    return true;
}

/* A row that meets every condition, in its turn. */
static bool take_hit(struct asking *a, struct query_hit hit)
{
    if (a->query->kind == QUERY_FLOOD && !flood_hit(a, &hit)) {
        return false;
    }
    const uint64_t at = a->result.matched_count++;
    const uint64_t limit = a->limit;
    if (at < a->query->offset || (limit > 0 && at - a->query->offset >= limit)) {
        return true;
    }
    return keep_hit(a, &hit);
}

/* A row that the index led to: it is taken, or kept for SQL to look at. */
static bool consider(struct asking *a, uint32_t row, bool is_inside_grid)
{
    if (a->query->kind == QUERY_FLOOD &&
        (!(depth_at(a, row) > 0) || (a->wanted_classes == NULL && !is_building(a, row)))) {
        return true;
    }
    if (!meets_index(a, row, is_inside_grid)) {
        return true;
    }
    double distance_m = 0;
    if (a->query->kind == QUERY_RADIUS) {
        distance_m = feature_index_distance(a->index, row, &a->from);
        if (!(distance_m <= a->from.within_m)) {
            return true;
        }
    }
    if (a->is_gathering) {
        set_bit(a->candidates, row);
        a->candidate_count++;
        return true;
    }
    return take_hit(a, (struct query_hit){.row = row, .distance_m = distance_m});
}

static bool visit_box(void *visitor, uint32_t row)
{
    return consider(visitor, row, false);
}

static bool visit_shape(void *visitor, uint32_t row, bool is_inside)
{
    return consider(visitor, row, is_inside);
}

static enum feature_index_side side_of_grid(void *shape, const float min[3], const float max[3])
{
    const struct asking *a = shape;
    const double h0_m = a->index->frame.h0_m;
    if (a->query->kind == QUERY_FLOOD && a->query->is_ellipsoidal &&
        (double)min[2] + h0_m > a->query->level_m) {
        return FEATURE_OUTSIDE;
    }
    return plan_grid_side(a->grid, (double)min[0], (double)min[1], (double)max[0], (double)max[1]);
}

/* A box that holds everything within the radius. */
static struct box3 radius_box(const struct asking *a)
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

static void visit_set(struct asking *a, const uint8_t *bits)
{
    for (uint32_t row = 0; row < a->index->count; row++) {
        if (row % 8 == 0 && bits[row / 8] == 0) {
            row += 7;
            continue;
        }
        if (has_bit(bits, row) && !consider(a, row, false)) {
            return;
        }
    }
}

static void search_boxes(struct asking *a, struct box3 *boxes, size_t count)
{
    /* Rows in both are in the first: the second leaves them out. */
    for (size_t i = 0; i < count; i++) {
        if (!feature_index_search(a->index, boxes[i], visit_box, a)) {
            return;
        }
    }
}

/* Every row that meets what the index knows, in order. */
static void walk_index(struct asking *a)
{
    if (a->set_count > 0) {
        visit_set(a, a->sets[0]);
    } else if (a->grid != NULL) {
        const struct feature_index_shape shape = {side_of_grid, visit_shape, a};
        feature_index_search_shape(a->index, &shape);
    } else if (a->query->kind == QUERY_RADIUS) {
        struct box3 box = radius_box(a);
        search_boxes(a, &box, 1);
    } else if (a->box_count == 1) {
        search_boxes(a, a->boxes, 1);
    } else {
        for (uint32_t row = 0; row < a->index->count && consider(a, row, false); row++) {
        }
    }
}

/* ---- with attributes ---- */

static bool take_selected(void *taker, uint32_t row)
{
    struct asking *a = taker;
    if (row >= a->index->count || (a->candidates != NULL && !has_bit(a->candidates, row))) {
        return true;
    }
    struct query_hit hit = {.row = row};
    if (a->query->kind == QUERY_RADIUS) {
        hit.distance_m = feature_index_distance(a->index, row, &a->from);
    }
    return take_hit(a, hit);
}

static bool test_candidates(struct asking *a)
{
    bool matches = false;
    if (!geopackage_test_open(a->attributes, &a->condition, &a->test, a->err)) {
        return false;
    }
    for (uint32_t row = 0; row < a->index->count; row++) {
        if (row % 8 == 0 && a->candidates[row / 8] == 0) {
            row += 7;
            continue;
        }
        if (!has_bit(a->candidates, row)) {
            continue;
        }
        if (!geopackage_test_row(a->test, row, &matches, a->err)) {
            return false;
        }
        if (matches && !take_selected(a, row)) {
            return false;
        }
    }
    return true;
}

/* Nothing but attributes is asked: SQL answers alone. */
static bool is_free(const struct asking *a)
{
    return a->set_count == 0 && a->grid == NULL && a->box_count == 0 && a->wanted_classes == NULL &&
           a->query->kind == QUERY_ITEMS;
}

static bool run_sql(struct asking *a)
{
    const struct query *query = a->query;
    if (!is_free(a)) {
        a->candidates = new_bits(a);
        if (a->candidates == NULL) {
            return false;
        }
        a->is_gathering = true;
        walk_index(a);
        a->is_gathering = false;
        if (a->is_stopped) {
            return false;
        }
        const bool is_plain = query->order_count == 0 && query->search.size == 0;
        if (a->candidate_count == 0) {
            return true;
        }
        if (is_plain && a->candidate_count <= TESTS_MOST) {
            return test_candidates(a);
        }
    }
    struct geopackage_select select = {
        .condition = a->condition,
        .search = query->search,
        .order_count = query->order_count,
        .steps_limit = query->steps_limit,
    };
    memcpy(select.order, query->order, sizeof select.order);
    return geopackage_select(a->attributes, &select, take_selected, a, a->err) && !a->is_stopped;
}

/* ---- nearest ---- */

static bool select_bit(void *taker, uint32_t row)
{
    struct asking *a = taker;
    if (row < a->index->count) {
        set_bit(a->candidates, row);
    }
    return true;
}

/* Words of names are asked for once; what else there is, of each row. */
static bool prepare_accept(struct asking *a)
{
    if (a->query->search.size > 0) {
        const struct geopackage_select select = {.condition = a->condition,
                                                 .search = a->query->search,
                                                 .steps_limit = a->query->steps_limit};
        a->candidates = new_bits(a);
        return a->candidates != NULL &&
               geopackage_select(a->attributes, &select, select_bit, a, a->err);
    }
    return !a->has_sql || geopackage_test_open(a->attributes, &a->condition, &a->test, a->err);
}

static bool accept_row(void *acceptor, uint32_t row)
{
    struct asking *a = acceptor;
    bool matches = !a->is_stopped && meets_index(a, row, false) &&
                   (a->candidates == NULL || has_bit(a->candidates, row));
    if (matches && a->test != NULL && !geopackage_test_row(a->test, row, &matches, a->err)) {
        stop(a);
        matches = false;
    }
    return matches;
}

static bool run_nearest(struct asking *a)
{
    struct feature_index_near *near =
        arena_array(a->request, struct feature_index_near, a->query->k);
    size_t count = 0;
    if (near == NULL) {
        return arena_full(a->request, a->err);
    }
    if (!prepare_accept(a)) {
        return false;
    }
    a->from.accept = accept_row;
    a->from.acceptor = a;
    if (!feature_index_find_nearest(a->index, &a->from, near, a->query->k, &count, a->request,
                                    a->err) ||
        a->is_stopped) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!take_hit(a,
                      (struct query_hit){.row = near[i].row, .distance_m = near[i].distance_m})) {
            return false;
        }
    }
    return true;
}

/* ---- ray ---- */

/* Where along it (0 to 1) the ray enters a box; false when it does not. */
static bool enters(const struct vec3 ray[2], const double min[3], const double max[3], double *out)
{
    const double from[3] = {ray[0].x, ray[0].y, ray[0].z};
    const double to[3] = {ray[1].x, ray[1].y, ray[1].z};
    double first = 0;
    double last = 1;
    for (int k = 0; k < 3; k++) {
        const double step = to[k] - from[k];
        if (step > 0 || step < 0) {
            const double t0 = (min[k] - from[k]) / step;
            const double t1 = (max[k] - from[k]) / step;
            first = fmax(first, fmin(t0, t1));
            last = fmin(last, fmax(t0, t1));
        } else if (from[k] < min[k] || from[k] > max[k]) {
            return false;
        }
    }
    *out = first;
    return first <= last;
}

static enum feature_index_side side_of_ray(void *shape, const float min[3], const float max[3])
{
    const struct asking *a = shape;
    const double low[3] = {(double)min[0], (double)min[1], (double)min[2]};
    const double high[3] = {(double)max[0], (double)max[1], (double)max[2]};
    double at;
    return enters(a->ray, low, high, &at) ? FEATURE_BORDER : FEATURE_OUTSIDE;
}

static bool is_left_of_crossing(struct vec2 a, struct vec2 b, struct vec2 p)
{
    return (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x;
}

/* Where the ray, within [first, 1], first stands in the prism over a footprint. */
static bool enters_prism(const struct asking *a, uint32_t row, double *inout)
{
    struct feature_index_row about;
    feature_index_row(a->index, row, &about);
    const struct feature_footprint footprint = feature_index_footprint(a->index, about.footprint);
    if (footprint.point_count == 0) {
        return true;
    }
    const struct box3 box = feature_index_box(a->index, row);
    const double low[3] = {box.min.x, box.min.y, box.min.z};
    const double high[3] = {box.max.x, box.max.y, box.max.z};
    const struct vec3 back[2] = {a->ray[1], a->ray[0]};
    double exit;
    if (!enters(back, low, high, &exit)) {
        return false;
    }
    exit = 1 - exit;
    const struct vec2 from = {a->ray[0].x, a->ray[0].y};
    const struct vec2 along = {a->ray[1].x - from.x, a->ray[1].y - from.y};
    const struct vec2 start = {from.x + *inout * along.x, from.y + *inout * along.y};
    bool is_inside = false;
    double nearest = (double)INFINITY;
    struct feature_footprint_ring ring = {0};
    for (uint32_t r = 0; r < footprint.ring_count; r++) {
        feature_footprint_next(&footprint, r, &ring);
        for (uint32_t i = 0; i < ring.point_count; i++) {
            const struct vec2 p =
                feature_footprint_point(a->index, &footprint, ring.first_point + i);
            const struct vec2 q = feature_footprint_point(
                a->index, &footprint, ring.first_point + (i + 1) % ring.point_count);
            is_inside ^= is_left_of_crossing(p, q, start);
            const struct vec2 side = {q.x - p.x, q.y - p.y};
            const double cross = along.x * side.y - along.y * side.x;
            if (cross > 0 || cross < 0) {
                const double t = ((p.x - from.x) * side.y - (p.y - from.y) * side.x) / cross;
                const double u = ((p.x - from.x) * along.y - (p.y - from.y) * along.x) / cross;
                if (u >= 0 && u <= 1 && t >= *inout && t <= exit) {
                    nearest = fmin(nearest, t);
                }
            }
        }
    }
    if (!is_inside) {
        *inout = nearest;
    }
    return is_inside || isfinite(nearest);
}

static bool visit_ray(void *visitor, uint32_t row, bool is_inside)
{
    struct asking *a = visitor;
    (void)is_inside;
    const struct box3 box = feature_index_box(a->index, row);
    const double low[3] = {box.min.x, box.min.y, box.min.z};
    const double high[3] = {box.max.x, box.max.y, box.max.z};
    double at;
    if (!enters(a->ray, low, high, &at) || !accept_row(a, row) || !enters_prism(a, row, &at)) {
        return !a->is_stopped;
    }
    const struct query_hit hit = {.row = row,
                                  .distance_m = at * vec3_distance(a->ray[0], a->ray[1])};
    return keep_hit(a, &hit);
}

static int compare_hits(const void *a, const void *b)
{
    const struct query_hit *left = a;
    const struct query_hit *right = b;
    if (left->distance_m < right->distance_m || left->distance_m > right->distance_m) {
        return left->distance_m < right->distance_m ? -1 : 1;
    }
    return (left->row > right->row) - (left->row < right->row);
}

static bool run_ray(struct asking *a)
{
    const struct feature_index_shape shape = {side_of_ray, visit_ray, a};
    if (!prepare_accept(a)) {
        return false;
    }
    feature_index_search_shape(a->index, &shape);
    if (a->is_stopped) {
        return false;
    }
    const size_t count = a->hit_count;
    struct query_hit *hits = a->hits;
    if (count > 1) {
        qsort(hits, count, sizeof hits[0], compare_hits);
    }
    a->hits = NULL;
    a->hit_count = a->hit_room = 0;
    for (size_t i = 0; i < count; i++) {
        if (!take_hit(a, hits[i])) {
            return false;
        }
    }
    return true;
}

/* ---- all of it ---- */

static bool prepare(struct asking *a)
{
    const struct query *query = a->query;
    if (query->kind == QUERY_FLOOD && !query->has_level) {
        return err_set(a->err, ERR_SCHEMA, "level: it is missing; level=3.5");
    }
    return prepare_bbox(a) && (query->kind == QUERY_RAY ? prepare_ray(a) : prepare_coords(a)) &&
           prepare_ids(a) && prepare_groups(a) && prepare_tile(a) && prepare_classes(a) &&
           prepare_flood(a) && prepare_sql(a);
}

/* Nothing is asked: the page alone is looked at. */
static bool take_page(struct asking *a)
{
    const uint64_t count = a->index->count;
    const uint64_t offset = a->query->offset < count ? a->query->offset : count;
    const uint64_t limit = a->limit == 0 ? count : a->limit;
    for (uint64_t row = offset; row < count && row - offset < limit; row++) {
        if (!keep_hit(a, &(struct query_hit){.row = (uint32_t)row})) {
            return false;
        }
    }
    a->result.matched_count = count;
    return true;
}

static bool run(struct asking *a)
{
    if (a->query->kind == QUERY_NEAREST) {
        return run_nearest(a);
    }
    if (a->query->kind == QUERY_RAY) {
        return run_ray(a);
    }
    if (a->has_sql) {
        return run_sql(a);
    }
    if (is_free(a)) {
        return take_page(a);
    }
    walk_index(a);
    return !a->is_stopped;
}

bool query_run(const struct query *query, const struct query_target *target, struct arena *request,
               struct query_result *out, struct err *err)
{
    struct asking a = {
        .query = query,
        .index = target->index,
        .attributes = target->attributes,
        .request = request,
        .err = err,
    };
    const bool ok = prepare(&a) && run(&a);
    geopackage_test_close(a.test);
    if (!ok) {
        return false;
    }
    a.result.hits = a.hits;
    a.result.hit_count = a.hit_count;
    a.result.next_offset = query->offset + a.hit_count;
    a.result.has_next = a.hit_count > 0 && a.result.next_offset < a.result.matched_count;
    *out = a.result;
    return true;
}
