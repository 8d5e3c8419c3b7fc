/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/query_asking.h"

bool query_run_meets(const struct query_asking *a, uint32_t row, bool is_inside_grid)
{
    return query_rows_meet(a, row) && query_place_meets(a, row, is_inside_grid);
}

bool query_run_keep(struct query_asking *a, const struct query_hit *hit)
{
    if (a->hit_count == a->hit_room) {
        /* What is outgrown stays in the arena: by four, a third of the last is wasted. */
        const size_t room = a->hit_room == 0 ? 128 : 4 * a->hit_room;
        struct query_hit *hits = arena_array(a->request, struct query_hit, room);
        if (hits == NULL) {
            arena_full(a->request, a->err);
            return query_asking_stop(a);
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

bool query_run_take(struct query_asking *a, struct query_hit hit)
{
    if (a->query->kind == QUERY_FLOOD && !query_flood_add(a, &hit)) {
        return false;
    }
    return !query_run_count(a) || query_run_keep(a, &hit);
}

/* A row that the index led to: it is taken, or kept for SQL to look at. */
static bool consider(struct query_asking *a, uint32_t row, bool is_inside_grid)
{
    if (a->query->kind == QUERY_FLOOD && !query_flood_is_wet(a, row)) {
        return true;
    }
    if (!query_run_meets(a, row, is_inside_grid)) {
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
        query_rows_set(a->candidates, row);
        a->candidate_count++;
        return true;
    }
    return query_run_take(a, (struct query_hit){.row = row, .distance_m = distance_m});
}

static bool visit_box(void *visitor, uint32_t row)
{
    return consider(visitor, row, false);
}

static bool visit_shape(void *visitor, uint32_t row, bool is_inside)
{
    return consider(visitor, row, is_inside);
}

static void visit_set(struct query_asking *a, const uint8_t *bits)
{
    for (uint32_t row = 0; row < a->index->count; row++) {
        if (row % 8 == 0 && bits[row / 8] == 0) {
            row += 7;
            continue;
        }
        if (query_rows_has(bits, row) && !consider(a, row, false)) {
            return;
        }
    }
}

static void search_boxes(struct query_asking *a, struct box3 *boxes, size_t count)
{
    /* Rows in both are in the first: the second leaves them out. */
    for (size_t i = 0; i < count; i++) {
        if (!feature_index_search(a->index, boxes[i], visit_box, a)) {
            return;
        }
    }
}

void query_run_walk(struct query_asking *a)
{
    if (a->set_count > 0) {
        visit_set(a, a->sets[0]);
    } else if (a->grid != NULL) {
        const bool is_flood = a->query->kind == QUERY_FLOOD && !a->is_gathering;
        const struct feature_index_shape shape = {query_place_side,
                                                  is_flood ? query_flood_visit : visit_shape, a};
        feature_index_search_shape(a->index, &shape);
    } else if (a->query->kind == QUERY_RADIUS) {
        struct box3 box = query_place_radius_box(a);
        search_boxes(a, &box, 1);
    } else if (a->box_count == 1) {
        search_boxes(a, a->boxes, 1);
    } else {
        for (uint32_t row = 0; row < a->index->count && consider(a, row, false); row++) {
        }
    }
}

/* Nothing but attributes is asked: SQL answers alone. */
static bool is_free(const struct query_asking *a)
{
    return a->set_count == 0 && a->grid == NULL && a->box_count == 0 && a->wanted_classes == NULL &&
           a->query->kind == QUERY_ITEMS;
}

static bool prepare(struct query_asking *a)
{
    const struct query *query = a->query;
    if (query->kind == QUERY_FLOOD && !query->has_level) {
        return err_set(a->err, ERR_SCHEMA, "level: it is missing; level=3.5");
    }
    return query_place_prepare(a) && (query->kind != QUERY_RAY || query_ray_prepare(a)) &&
           query_rows_prepare(a) && (query->kind != QUERY_FLOOD || query_flood_prepare(a)) &&
           query_sql_prepare(a);
}

/* Nothing is asked: the page alone is looked at. */
static bool take_page(struct query_asking *a)
{
    const uint64_t count = a->index->count;
    const uint64_t offset = a->query->offset < count ? a->query->offset : count;
    const uint64_t limit = a->limit == 0 ? count : a->limit;
    for (uint64_t row = offset; row < count && row - offset < limit; row++) {
        if (!query_run_keep(a, &(struct query_hit){.row = (uint32_t)row})) {
            return false;
        }
    }
    a->result.matched_count = count;
    return true;
}

static bool run(struct query_asking *a)
{
    if (a->query->kind == QUERY_NEAREST) {
        return query_nearest_run(a);
    }
    if (a->query->kind == QUERY_RAY) {
        return query_ray_run(a);
    }
    if (a->has_sql) {
        return query_sql_run(a, is_free(a));
    }
    if (is_free(a)) {
        return take_page(a);
    }
    query_run_walk(a);
    return !a->is_stopped;
}

bool query_run(const struct query *query, const struct query_target *target, struct arena *request,
               struct query_result *out, struct err *err)
{
    struct query_asking a = {
        .query = query,
        .index = target->index,
        .attributes = target->attributes,
        .request = request,
        .err = err,
        .limit = query->limit,
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
