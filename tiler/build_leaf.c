/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/build_internal.h"
#include "tiler/candidate.h"
#include "tiler/rows.h"
#include "tiler/visible.h"

static bool lose_feature(struct run *run, struct run_entry *entry, const struct record *record,
                         struct err *lost, struct err *err)
{
    char id[64];
    snprintf(id, sizeof id, "%.*s", TEXT_ARGS(record->feature.id));
    err_in_feature(lost, id);
    err_in_source(lost, run->sources[record->source].path);
    err_at_line(lost, record->feature.line, 1);
    if (run->options->is_strict || lost->code == ERR_NOMEM || lost->code == ERR_IO) {
        *err = *lost;
        return false;
    }
    report_add_lost_feature(&run->report, "feature-without-shape", lost);
    entry->offset = RUN_LOST; /* this leaf's alone: no other worker looks at it */
    return true;
}

/* A part of a feature was made when that was split. */
static bool read_part(struct run *run, const struct run_node *node, struct jobs_worker *worker,
                      struct figure *figure, struct record *record, struct err *err)
{
    struct span bytes;
    size_t at = 0;
    const struct run_entry *entry = &run_entries(run)[node->first_entry];
    return spool_read(run->placed, entry->brief_offset, &worker->tile, &bytes, err) &&
           record_read(bytes, &worker->tile, record, err) &&
           spool_read(run->figures, node->figures_offset, &worker->tile, &bytes, err) &&
           figure_read(bytes, &at, &worker->tile, figure, err);
}

static bool read_leaf(struct run *run, struct run_node *node, struct jobs_worker *worker,
                      struct figure *figures, struct record *records, size_t *out_count,
                      struct err *err)
{
    size_t count = 0;
    for (uint32_t i = 0; i < node->entry_count; i++) {
        struct run_entry *entry = &run_entries(run)[node->first_entry + i];
        struct span bytes;
        struct err lost;
        struct record *record = &records[count];
        if (!spool_read(run->placed, entry->offset, &worker->tile, &bytes, err) ||
            !record_read(bytes, &worker->tile, record, err)) {
            return false;
        }
        const struct candidate_means means = {
            &run->report, run->images, run->sources[record->source].path,
            piece_texel_m(run->options->error_factor), build_spent(run, node)};
        if (candidate_chain(record, &means, &worker->tile, &worker->scratch, &figures[count],
                            &lost)) {
            if (!rows_keep_far(record, &run->schema, run->property_of_key, &worker->tile,
                               &figures[count], err)) {
                return false;
            }
            if (run->options->levels == LEVELS_DROP) {
                figures[count].piece_count = 1; /* as it is, or not at all */
                figures[count].mass_count = 0;
            }
            count++;
        } else if (!lose_feature(run, entry, record, &lost, err)) {
            return false;
        }
    }
    *out_count = count;
    return true;
}

/* Features that nobody sees from outside are in the leaves only. */
static void tell_hidden(struct run *run, const struct figure *figures, const uint8_t *is_hidden,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct err said;
        char id[64];
        if (is_hidden[i]) {
            snprintf(id, sizeof id, "%.*s", TEXT_ARGS(figures[i].id));
            err_set(&said, ERR_GEOMETRY, "cannot be seen from outside: near tiles only");
            err_in_feature(&said, id);
            report_add(&run->report, REPORT_NOTICE, "hidden-inside", &said);
        }
    }
}

/* What a parent may want of a leaf's figures. */
static void hand_on_leaf(const struct figure *figures, const uint8_t *is_hidden, size_t count,
                         uint64_t tile_bytes, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (is_hidden[i]) {
            continue;
        }
        const bool is_heavy = figures[i].pieces[0].bytes > tile_bytes;
        const size_t first = is_heavy && figures[i].piece_count > 1 ? 1 : 0;
        figure_write(&figures[i], first, out);
    }
}

bool build_leaf(struct run *run, struct run_node *node, struct jobs_worker *worker,
                struct buf *bytes, struct err *err)
{
    const size_t most = node->entry_count;
    struct figure *figures = arena_array(&worker->tile, struct figure, most);
    struct record *records = arena_array(&worker->tile, struct record, most);
    struct tile_item *items = arena_array(&worker->tile, struct tile_item, most);
    if (figures == NULL || records == NULL || items == NULL) {
        return arena_full(&worker->tile, err);
    }
    size_t count = 1;
    if (node->is_part ? !read_part(run, node, worker, figures, records, err)
                      : !read_leaf(run, node, worker, figures, records, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct tile_item){&figures[i], &figures[i].pieces[0], &records[i]};
    }
    const struct build_content content = {.items = items, .item_count = count};
    if (!build_tile_write(run, node, &content, worker, bytes, err) ||
        !build_tile_publish(run, node, buf_span(bytes), err)) {
        return false;
    }
    if (!node->is_part) { /* else its figure is where it was read from */
        uint8_t *is_hidden = arena_array(&worker->tile, uint8_t, count);
        if (is_hidden == NULL) {
            return arena_full(&worker->tile, err);
        }
        if (!visible_figures(figures, count, &worker->scratch, is_hidden, err)) {
            return false;
        }
        tell_hidden(run, figures, is_hidden, count);
        hand_on_leaf(figures, is_hidden, count, run->options->tile_bytes, &worker->output);
    }
    node->figures_bytes = worker->output.size;
    return true;
}
