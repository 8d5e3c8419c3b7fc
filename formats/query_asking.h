/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_QUERY_ASKING_H
#define FORMATS_QUERY_ASKING_H

/*
 * query_asking.h - a question on its way to its answer, a file for each thing
 * that it can ask about.
 *
 *     query_run      what is asked is prepared; the way through the index; hits are kept
 *       query_place    bbox, coords, heights
 *       query_rows     sets of rows: ids, parent, group, tile; classes
 *       query_sql      filter, {attribute}, q, sortby
 *       query_flood    water: what is a building, how deep it stands, sums
 *       query_nearest  the k nearest
 *       query_ray      what a ray meets
 *
 * Functions that return bool say false when the question is at its end: an error
 * stands in *a->err.
 */

#include "formats/feature_index_internal.h"
#include "formats/query_internal.h"

struct query_asking {
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

/* For callbacks: nothing more is visited. Returns false. */
static inline bool query_asking_stop(struct query_asking *a)
{
    a->is_stopped = true;
    return false;
}

/* ---- query_run ---- */

/* Visits every row that meets what the index knows, in order: each is taken, or
 * put among the candidates while is_gathering. */
void query_run_walk(struct query_asking *a);

/* All that the index knows but what the way to the row has settled already. */
bool query_run_meets(const struct query_asking *a, uint32_t row, bool is_inside_grid);

/* A row that meets every condition, in its turn: it is counted, and kept if it is of this page. */
bool query_run_take(struct query_asking *a, struct query_hit hit);

/* Counts one that matches; true when it is of this page. */
static inline bool query_run_count(struct query_asking *a)
{
    const uint64_t at = a->result.matched_count++;
    return at >= a->query->offset && (a->limit == 0 || at - a->query->offset < a->limit);
}

bool query_run_keep(struct query_asking *a, const struct query_hit *hit);

/* ---- query_place ---- */

bool query_place_prepare(struct query_asking *a);
bool query_place_meets(const struct query_asking *a, uint32_t row, bool is_inside_grid);

/* Of a node or row of the index, for feature_index_search_shape(). */
enum feature_index_side query_place_side(void *asking, const float min[3], const float max[3]);

/* A box that holds everything within the radius. */
struct box3 query_place_radius_box(const struct query_asking *a);

/* ---- query_rows ---- */

bool query_rows_prepare(struct query_asking *a);
bool query_rows_meet(const struct query_asking *a, uint32_t row);

/* Bits a row, all clear; NULL with *a->err set. */
uint8_t *query_rows_new(struct query_asking *a);

static inline bool query_rows_has(const uint8_t *bits, uint32_t row)
{
    return (bits[row / 8] >> (row % 8) & 1) != 0;
}

static inline void query_rows_set(uint8_t *bits, uint32_t row)
{
    bits[row / 8] = (uint8_t)(bits[row / 8] | 1u << (row % 8));
}

/* ---- query_sql ---- */

bool query_sql_prepare(struct query_asking *a);

/* Rows in the order of sortby, or of the index. `is_free`: all rows are candidates. */
bool query_sql_run(struct query_asking *a, bool is_free);

/* For questions with an order of their own: whether a row is to be taken, by the
 * index and by attributes. `asking` is the struct query_asking. */
bool query_sql_prepare_accept(struct query_asking *a);
bool query_sql_accept(void *asking, uint32_t row);

/* ---- query_flood ---- */

bool query_flood_prepare(struct query_asking *a);

/* A building, by class or by having storeys, whose base is under water. */
bool query_flood_is_wet(const struct query_asking *a, uint32_t row);

/* Fills hit->water, and adds to the sums. */
bool query_flood_add(struct query_asking *a, struct query_hit *hit);

/* The whole way of a row in an area, for feature_index_search_shape(): as
 * query_run_walk() has it for every question, in one function. */
bool query_flood_visit(void *asking, uint32_t row, bool is_inside);

/* ---- query_nearest, query_ray ---- */

bool query_nearest_run(struct query_asking *a);

bool query_ray_prepare(struct query_asking *a);
bool query_ray_run(struct query_asking *a);

#endif
