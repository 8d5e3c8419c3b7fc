/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/ask.h"

#include <stdio.h>
#include <string.h>

#include "formats/query_package.h"
#include "formats/query_print.h"

enum { COLUMNS_MAX = 12, CELL_COLUMNS_MAX = 60 };

/* ---- a table for people ---- */

/* Columns on a terminal: Chinese characters take two. */
static size_t width_of(struct text text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        if ((c & 0xc0) == 0x80) {
            continue;
        }
        const bool is_wide = c >= 0xe3 && c <= 0xed;
        width += is_wide ? 2 : 1;
    }
    return width;
}

struct table {
    struct arena *run;
    struct text *cells; /* row after row; the first one is the head */
    size_t column_count;
    size_t row_count;
    bool is_number[COLUMNS_MAX];
};

static bool make_table(struct table *table, size_t rows, const char *const *names,
                       const bool *is_number, size_t column_count, struct err *err)
{
    table->cells = arena_array(table->run, struct text, (rows + 1) * column_count);
    if (table->cells == NULL) {
        return arena_full(table->run, err);
    }
    table->column_count = column_count;
    table->row_count = rows + 1;
    for (size_t c = 0; c < column_count; c++) {
        table->cells[c] = text_of(names[c]);
        table->is_number[c] = is_number[c];
    }
    return true;
}

/* Control characters of a name shall not move a terminal's cursor. */
static bool set_cell(struct table *table, size_t row, size_t column, struct text text,
                     struct err *err)
{
    char *copy = arena_array(table->run, char, text.size + 1);
    if (copy == NULL) {
        return arena_full(table->run, err);
    }
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        copy[i] = c < 0x20 || c == 0x7f ? ' ' : text.data[i];
    }
    table->cells[row * table->column_count + column] = (struct text){copy, text.size};
    return true;
}

static void pad(struct buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_add_byte(out, ' ');
    }
}

static void print_table(const struct table *table, struct buf *out)
{
    size_t widths[COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->row_count * table->column_count; i++) {
        const size_t width = width_of(table->cells[i]);
        const size_t c = i % table->column_count;
        widths[c] = width > widths[c] ? width : widths[c];
    }
    for (size_t i = 0; i < table->row_count * table->column_count; i++) {
        const size_t c = i % table->column_count;
        const struct text cell = table->cells[i];
        const size_t gap = widths[c] - width_of(cell);
        pad(out, table->is_number[c] ? gap : 0);
        buf_add(out, cell.data, cell.size);
        if (c + 1 < table->column_count) {
            pad(out, (table->is_number[c] ? 0 : gap) + 2);
        } else {
            buf_add_byte(out, '\n');
        }
    }
}

/* ---- rows of the table ---- */

struct naming {
    struct table *table;
    const struct query_target *target;
    size_t row;
    struct err *err;
    bool ok;
};

static void take_name(void *taker, size_t column, const struct geopackage_value *value)
{
    struct naming *naming = taker;
    size_t count;
    const struct geopackage_column *columns =
        geopackage_columns(naming->target->attributes, &count);
    if (naming->ok && columns[column].is_builtin && text_is(columns[column].name, "name") &&
        value->kind == GEOPACKAGE_IS_TEXT) {
        naming->ok = set_cell(naming->table, naming->row, 2, value->text, naming->err);
    }
}

static bool set_number(struct table *table, size_t row, size_t column, double value,
                       struct err *err)
{
    char text[32];
    snprintf(text, sizeof text, "%.2f", value);
    return set_cell(table, row, column, text_of(text), err);
}

static bool fill_row(struct table *table, const struct query *query,
                     const struct query_target *target, const struct query_hit *hit, size_t row,
                     struct err *err)
{
    struct feature_index_row about;
    struct naming naming = {table, target, row, err, true};
    char storeys[48] = "";
    bool found;
    feature_index_row(target->index, hit->row, &about);
    if (about.storeys != STOREYS_UNKNOWN) {
        snprintf(storeys, sizeof storeys, "%s%u%s%.0d", about.storeys == STOREYS_DERIVED ? "~" : "",
                 about.storeys_above, about.storeys_below > 0 ? "-" : "", (int)about.storeys_below);
    }
    if (!set_cell(table, row, 0, about.id, err) ||
        !set_cell(table, row, 1, about.class_name, err) ||
        (target->attributes != NULL &&
         !geopackage_row(target->attributes, hit->row, take_name, &naming, &found, err)) ||
        !naming.ok || !set_number(table, row, 3, about.base_local_m, err) ||
        !set_number(table, row, 4, about.top_m - about.base_m, err) ||
        !set_cell(table, row, 5, text_of(storeys), err)) {
        return false;
    }
    if (query->kind == QUERY_FLOOD) {
        char wet[32];
        snprintf(wet, sizeof wet, "%u", hit->water.wet_count);
        return set_number(table, row, 6, hit->water.depth_m, err) &&
               set_cell(table, row, 7, text_of(wet), err);
    }
    return table->column_count < 7 || set_number(table, row, 6, hit->distance_m, err);
}

static bool print_people(const struct query *query, const struct query_target *target,
                         const struct query_result *result, struct arena *run, struct buf *out,
                         struct err *err)
{
    static const char *const flood_names[] = {"id",     "class",   "name",  "base",
                                              "height", "storeys", "depth", "wet"};
    static const char *const other_names[] = {"id",     "class",   "name",    "base",
                                              "height", "storeys", "distance"};
    static const bool is_number[] = {false, false, false, true, true, true, true, true};
    const bool is_flood = query->kind == QUERY_FLOOD;
    const bool has_distance =
        query->kind == QUERY_RADIUS || query->kind == QUERY_NEAREST || query->kind == QUERY_RAY;
    struct table table = {.run = run};
    if (!make_table(&table, result->hit_count, is_flood ? flood_names : other_names, is_number,
                    is_flood       ? 8
                    : has_distance ? 7
                                   : 6,
                    err)) {
        return false;
    }
    for (size_t i = 0; i < result->hit_count; i++) {
        if (!fill_row(&table, query, target, &result->hits[i], i + 1, err)) {
            return false;
        }
    }
    print_table(&table, out);
    buf_print(out, "%llu matched", (unsigned long long)result->matched_count);
    if (result->hit_count < result->matched_count) {
        buf_print(out, ", %zu shown", result->hit_count);
        if (result->has_next) {
            buf_print(out, "; --offset %llu goes on", (unsigned long long)result->next_offset);
        }
    }
    buf_print(out, "; bases in metres of %.*s\n", TEXT_ARGS(target->index->datum));
    if (is_flood) {
        const struct query_sums *sums = &result->sums;
        buf_print(out,
                  "%llu buildings stand in it, %llu storeys wet, %llu dry; %.0f m2 of ground, %.0f "
                  "m2 of floors; at most %.2f m deep\n",
                  (unsigned long long)sums->buildings, (unsigned long long)sums->wet_storeys,
                  (unsigned long long)sums->dry_storeys, sums->wet_footprint_m2, sums->wet_floor_m2,
                  sums->depth_max_m);
        for (size_t i = 0; i < query->sum_count; i++) {
            buf_print(out, "%.*s: %.10g\n", TEXT_ARGS(query->sums[i]->name), sums->attribute[i]);
        }
    }
    return true;
}

/* ---- asking ---- */

static bool set_parameters(const struct options *options, struct query *query,
                           const struct query_target *target, struct arena *run, struct err *err)
{
    for (size_t i = 0; i < options->parameter_count; i++) {
        const struct options_pair *pair = &options->parameters[i];
        if (!query_set(query, target, text_of(pair->name), text_of(pair->value), run, err)) {
            return false;
        }
    }
    return true;
}

static bool ask_kind(const struct options *options, enum query_kind kind,
                     const struct query_target *target, struct arena *run, struct buf *out,
                     struct err *err)
{
    struct query query;
    struct query_result result;
    const struct query_links links = {.collection = NULL};
    query_init(&query, kind);
    if (!set_parameters(options, &query, target, run, err) ||
        !query_run(&query, target, run, &result, err)) {
        return false;
    }
    return options->is_table ? print_people(&query, target, &result, run, out, err)
                             : query_print(&query, target, &result, &links, run, out, err);
}

static bool ask_item(const struct options *options, const struct query_target *target,
                     struct arena *run, struct buf *out, struct err *err)
{
    struct query query;
    const struct query_links links = {.collection = NULL};
    bool found = false;
    query_init(&query, QUERY_ITEMS);
    if (options->input_count < 3) {
        return err_set(err, ERR_SYNTAX, "item: which one? storey query PACKAGE item ID");
    }
    const char *id = options->inputs[2];
    return set_parameters(options, &query, target, run, err) &&
           query_print_item(&query, target, text_of(id), &links, run, out, &found, err) &&
           (found || err_set(err, ERR_SCHEMA, "no feature and no group '%s'", id));
}

static bool ask(const struct options *options, const struct query_target *target, struct arena *run,
                struct buf *out, struct err *err)
{
    const char *word = options->input_count > 1 ? options->inputs[1] : "items";
    enum query_kind kind;
    if (strcmp(word, "item") == 0) {
        return ask_item(options, target, run, out, err);
    }
    if (strcmp(word, "queryables") == 0) {
        query_print_queryables(target, (struct text){"", 0}, text_of("features"), out);
        return true;
    }
    if (!query_kind_read(text_of(word), &kind)) {
        return err_set(err, ERR_SYNTAX,
                       "no question '%s': items, item, position, radius, area, nearest, ray, flood "
                       "and queryables are",
                       word);
    }
    return ask_kind(options, kind, target, run, out, err);
}

bool ask_run(const struct options *options, struct arena *run, struct buf *out, struct err *err)
{
    struct package *package;
    struct query_package opened;
    if (!package_open(options->inputs[0], &package, err)) {
        return false;
    }
    bool ok = query_package_open(package, &opened, err);
    if (!ok) {
        err_in_source(err, options->inputs[0]);
    } else {
        ok = ask(options, &opened.target, run, out, err);
        query_package_close(&opened);
    }
    package_close(package);
    return ok;
}
