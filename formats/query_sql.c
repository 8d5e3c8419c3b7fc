/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/query_asking.h"

#include <assert.h>

#include "formats/base/buf.h"
#include "formats/number.h"

/* Rows are asked of SQLite one by one up to this many, all at once beyond. */
enum { TESTS_MOST = 2048, SQL_BYTES_MAX = 1 << 22 };

static bool meets_filter(void *meeter, uint32_t row, uint32_t number)
{
    const struct query_asking *a = meeter;
    return row < a->index->count && plan_grid_meets(a->filter_grids[number], a->index, row);
}

static bool prepare_filter(struct query_asking *a, struct cql2 *out)
{
    const bool is_yx = query_crs_is_yx(a->query->filter_crs);
    const struct text filter = a->query->filter;
    /* No text begins with a brace, and all JSON does. */
    const bool ok = filter.data[0] == '{'
                        ? cql2_read_json(filter, a->attributes, is_yx, a->request, out, a->err)
                        : cql2_read_text(filter, a->attributes, is_yx, a->request, out, a->err);
    if (!ok) {
        return query_name_error((struct text){"filter", 6}, a->err);
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
bool query_sql_prepare(struct query_asking *a)
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

static bool take_selected(void *taker, uint32_t row)
{
    struct query_asking *a = taker;
    if (row >= a->index->count || (a->candidates != NULL && !query_rows_has(a->candidates, row))) {
        return true;
    }
    struct query_hit hit = {.row = row};
    if (a->query->kind == QUERY_RADIUS) {
        hit.distance_m = feature_index_distance(a->index, row, &a->from);
    }
    return query_run_take(a, hit);
}

static bool test_candidates(struct query_asking *a)
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
        if (!query_rows_has(a->candidates, row)) {
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

bool query_sql_run(struct query_asking *a, bool is_free)
{
    const struct query *query = a->query;
    if (!is_free) {
        a->candidates = query_rows_new(a);
        if (a->candidates == NULL) {
            return false;
        }
        a->is_gathering = true;
        query_run_walk(a);
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

static bool select_bit(void *taker, uint32_t row)
{
    struct query_asking *a = taker;
    if (row < a->index->count) {
        query_rows_set(a->candidates, row);
    }
    return true;
}

/* Words of names are asked for once; what else there is, of each row. */
bool query_sql_prepare_accept(struct query_asking *a)
{
    if (a->query->search.size > 0) {
        const struct geopackage_select select = {.condition = a->condition,
                                                 .search = a->query->search,
                                                 .steps_limit = a->query->steps_limit};
        a->candidates = query_rows_new(a);
        return a->candidates != NULL &&
               geopackage_select(a->attributes, &select, select_bit, a, a->err);
    }
    return !a->has_sql || geopackage_test_open(a->attributes, &a->condition, &a->test, a->err);
}

bool query_sql_accept(void *acceptor, uint32_t row)
{
    struct query_asking *a = acceptor;
    bool matches = !a->is_stopped && query_run_meets(a, row, false) &&
                   (a->candidates == NULL || query_rows_has(a->candidates, row));
    if (matches && a->test != NULL && !geopackage_test_row(a->test, row, &matches, a->err)) {
        query_asking_stop(a);
        matches = false;
    }
    return matches;
}
