/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/query_asking.h"

#include <math.h>

bool query_flood_prepare(struct query_asking *a)
{
    static const char *const names[] = {"Building", "BuildingPart", "BuildingUnit"};
    if (!a->query->has_limit && a->query->format >= QUERY_IDS) {
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

static float load_f32(const uint8_t *at)
{
    float value;
    memcpy(&value, at, sizeof value);
    return value;
}

static const uint8_t *row_of(const struct query_asking *a, uint32_t row)
{
    return a->index->section[SECTION_ROWS].data + (size_t)row * ROW_BYTES;
}

/* Depth over the base, in the level's datum; not above 0 when it stands dry. */
static double depth_at(const struct query_asking *a, uint32_t row)
{
    const uint8_t *at = row_of(a, row);
    return a->query->level_m -
           (double)load_f32(at + (a->query->is_ellipsoidal ? ROW_BASE : ROW_BASE_LOCAL));
}

/* Floors that the source gave, one by one. */
static uint32_t count_wet_floors(const struct query_asking *a, uint32_t row, double depth_m)
{
    const uint8_t *at = row_of(a, row);
    const struct feature_index_row about = {.storeys_above = bytes_load_u16le(at + ROW_ABOVE),
                                            .storeys_below = bytes_load_u16le(at + ROW_BELOW),
                                            .floors = bytes_load_u32le(at + ROW_FLOORS),
                                            .base_m = (double)load_f32(at + ROW_BASE),
                                            .top_m = (double)load_f32(at + ROW_TOP)};
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

/* A building, or another thing of which the source says that it has storeys. A
 * part is left out where the building that it is part of stands in the index: it
 * would be counted twice. */
static bool is_building(const struct query_asking *a, uint32_t row)
{
    const uint8_t *at = row_of(a, row);
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

/* A whole city may stand in the water: no more of a row is read than is needed. */
bool query_flood_is_wet(const struct query_asking *a, uint32_t row)
{
    return depth_at(a, row) > 0 && (a->wanted_classes != NULL || is_building(a, row));
}

/* Parts of a building that is drawn by them alone are one building. */
static bool is_new_building(struct query_asking *a, uint32_t row)
{
    const uint8_t *at = row_of(a, row);
    const uint32_t parent = bytes_load_u32le(at + ROW_PARENT);
    if (parent >= a->index->group_count) {
        return true;
    }
    const bool is_new = !query_rows_has(a->counted, parent);
    query_rows_set(a->counted, parent);
    return is_new;
}

static void wet_storeys(const struct query_asking *a, uint32_t row, double depth_m,
                        struct query_depth *out, double *out_m2)
{
    const uint8_t *at = row_of(a, row);
    const uint32_t above = bytes_load_u16le(at + ROW_ABOVE);
    const uint32_t below = bytes_load_u16le(at + ROW_BELOW);
    const double area_m2 = (double)load_f32(at + ROW_AREA);
    uint32_t wet;
    if (bytes_load_u32le(at + ROW_FLOORS) != FEATURE_INDEX_NONE) {
        wet = count_wet_floors(a, row, depth_m);
    } else { /* all alike; rounded up, without a branch that nobody can foresee */
        const double height_m = (double)load_f32(at + ROW_TOP) - (double)load_f32(at + ROW_BASE);
        const double floors = height_m > 0 ? depth_m * above / height_m : above;
        const double most = floors < above ? floors : above;
        wet = (uint32_t)(int32_t)most;
        wet += (uint32_t)(wet < most);
    }
    out->depth_m = depth_m;
    out->wet_count = wet + below;
    out->dry_count = above - wet;
    *out_m2 = isfinite(area_m2) ? area_m2 : 0;
}

static void add_sum(void *taker, size_t column, const struct geopackage_value *value)
{
    struct query_asking *a = taker;
    size_t count;
    const struct geopackage_column *columns = geopackage_columns(a->attributes, &count);
    for (size_t i = 0; i < a->query->sum_count; i++) {
        if (a->query->sums[i] == &columns[column]) {
            a->result.sums.attribute[i] +=
                value->kind == GEOPACKAGE_IS_INT ? (double)value->integer : value->real;
        }
    }
}

bool query_flood_add(struct query_asking *a, struct query_hit *hit)
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
           geopackage_row(a->attributes, hit->row, add_sum, a, &found, a->err) ||
           query_asking_stop(a);
}

bool query_flood_visit(void *asking, uint32_t row, bool is_inside)
{
    struct query_asking *a = asking;
    const bool is_plain =
        is_inside && a->wanted_classes == NULL && a->box_count == 0 && a->set_count == 0;
    if (!query_flood_is_wet(a, row) || (!is_plain && !query_run_meets(a, row, is_inside))) {
        return true;
    }
    struct query_hit hit = {.row = row};
    return query_flood_add(a, &hit) && (!query_run_count(a) || query_run_keep(a, &hit));
}
