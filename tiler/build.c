/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/build.h"

#include <assert.h>

#include "formats/base/earth.h"
#include "tiler/candidate.h"
#include "tiler/jobs.h"
#include "tiler/merge.h"
#include "tiler/rejoin.h"
#include "tiler/rows.h"
#include "tiler/tile_write.h"
#include "tiler/visible.h"

/* Leaves are quantized to at most this; above them the step follows the error,
 * of which it adds less than a fiftieth. */
static const double LEAF_STEP_M = 1.0 / 128;
static const double STEP_PER_ERROR = 1.0 / 64;
/* ... and never more than this: a street that moves by metres sinks into the
 * ground that a viewer draws. */
static const double STEP_MAX_M = 0.25;

/* A tile is first tried a little heavier than it should come out, as what is
 * merged stays merged; then so much lighter than by the last try's measure. */
static const double BUDGET_FIRST = 1.1;
static const double BUDGET_AGAIN = 0.98;
enum { BUDGET_TRIES = 5 };

/* Where no tile was written that would tell. */
static const double BYTES_PER_TRIANGLE = 6;

/* A level whose error is less than this times that of the level below would be
 * loaded for next to nothing. */
static const double ERROR_GROWTH = 1.4;

/* ... and so would one that weighs more than this share of those below it. */
static const double BYTES_SHARE = 0.5;

/* What a tile is made of, whether leaf or parent. */
struct content {
    struct tile_item *items;
    size_t item_count;
    double error_m;
};

static double step_for(double error_m)
{
    return fmin(STEP_MAX_M, fmax(LEAF_STEP_M, error_m * STEP_PER_ERROR));
}

static void name_content(const struct run *run, struct run_node *node, struct span bytes)
{
    char cell[LATTICE_NAME_BYTES];
    lattice_name(node->cell, cell);
    snprintf(node->content, sizeof node->content, "tiles/%s%s-%016llx.%s", cell,
             node->is_own ? "o" : "", (unsigned long long)digest_short(bytes),
             run->options->is_version_1_0 ? "b3dm" : "glb");
}

/* Content and box of the node; its error is that of what it shows, with the
 * quantization. */
static bool write_tile(struct run *run, struct run_node *node, const struct content *content,
                       struct jobs_worker *worker, struct buf *bytes, struct err *err)
{
    const struct tile_request request = {
        .items = content->items,
        .item_count = content->item_count,
        .origin_ecef_m = lattice_center_ecef(node->cell),
        .position_step_m = step_for(content->error_m),
        .is_far = !node->is_leaf,
        .compression = run->options->compression,
        .is_version_1_0 = run->options->is_version_1_0,
        .schema = &run->schema,
        .property_of_key = run->property_of_key,
        .images = run->images,
        .texel_m = piece_texel_m(content->error_m * run->options->error_factor),
        .texture_format = run->options->texture_format,
    };
    struct tile_result result;
    buf_reset(bytes);
    if (!tile_write(&request, &worker->tile, &worker->scratch, bytes, &result, err)) {
        return false;
    }
    node->box_tile_m = result.box_tile_m;
    node->error_m = content->error_m + result.position_error_m;
    node->triangle_count = result.triangle_count;
    node->shown_count = (uint32_t)content->item_count;
    node->content_bytes = bytes->size;
    return true;
}

static bool publish_tile(struct run *run, struct run_node *node, struct span bytes, struct err *err)
{
    name_content(run, node, bytes);
    return publish_add_file(run->publish, node->content, bytes, err);
}

/* ---- leaves ---- */

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

static bool read_leaf(struct run *run, const struct run_node *node, struct jobs_worker *worker,
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
        const struct candidate_means means = {&run->report, run->images,
                                              run->sources[record->source].path,
                                              piece_texel_m(run->options->error_factor)};
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

static bool build_leaf(struct run *run, struct run_node *node, struct jobs_worker *worker,
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
    const struct content content = {items, count, 0};
    if (!write_tile(run, node, &content, worker, bytes, err) ||
        !publish_tile(run, node, buf_span(bytes), err)) {
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

/* ---- parents ---- */

struct gathered {
    struct figure *figures;
    size_t count;
    double error_m; /* the largest of the children */
};

static bool gather_child(struct run *run, const struct run_node *child, struct jobs_worker *worker,
                         struct gathered *g, struct err *err)
{
    g->error_m = fmax(g->error_m, child->error_m);
    if (!child->has_figures) {
        return true;
    }
    struct span bytes;
    if (!spool_read(run->figures, child->figures_offset, &worker->tile, &bytes, err)) {
        return false;
    }
    for (size_t at = 0; at < bytes.size;) {
        if (!figure_read(bytes, &at, &worker->tile, &g->figures[g->count++], err)) {
            return false;
        }
    }
    return true;
}

static bool gather_children(struct run *run, const struct run_node *node,
                            struct jobs_worker *worker, struct gathered *out, struct err *err)
{
    size_t most = 0;
    const struct run_node *nodes = run_nodes(run);
    for (uint32_t c = node->first_child; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        most += nodes[c].shown_count;
    }
    struct gathered g = {.figures = arena_array(&worker->tile, struct figure, most)};
    if (g.figures == NULL) {
        return arena_full(&worker->tile, err);
    }
    for (uint32_t c = node->first_child; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        if (!gather_child(run, &nodes[c], worker, &g, err)) {
            return false;
        }
    }
    assert(g.count <= most);
    *out = g;
    return true;
}

/* The parts of a split feature become one. */
static bool rejoin_children(const struct run *run, const struct run_node *node,
                            struct jobs_worker *worker, struct gathered *g, struct err *err)
{
    uint64_t bytes = 0;
    uint64_t triangle_count = 0;
    const struct run_node *nodes = run_nodes(run);
    for (uint32_t c = node->first_child; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        bytes += nodes[c].content_bytes;
        triangle_count += nodes[c].triangle_count;
    }
    const struct rejoin_request request = {
        .parts = g->figures,
        .part_count = g->count,
        .depth = node->part_depth,
        .budget_bytes = run->options->tile_bytes,
        /* Children that are no tiles weigh nothing. */
        .bytes_per_triangle =
            bytes == 0 ? BYTES_PER_TRIANGLE : (double)bytes / (double)triangle_count,
    };
    struct figure joined;
    if (!rejoin_parts(&request, &worker->tile, &worker->scratch, &joined, err)) {
        return false;
    }
    g->figures[0] = joined;
    g->count = 1;
    return true;
}

/* A box that grows along the axes of a frame. */
struct hull {
    struct vec3 axes[3];
    struct mat4 from_ecef;
    struct box3 box;
};

static void hull_add(struct hull *hull, const struct obb *obb, const struct mat4 *to_node)
{
    for (int corner = 0; corner < 8; corner++) {
        struct vec3 at = obb->center;
        for (int k = 0; k < 3; k++) {
            at = vec3_add(at, vec3_scale(obb->half[k], corner >> k & 1 ? 1 : -1));
        }
        at = to_node == NULL ? at : mat4_point(*to_node, at);
        box3_add(&hull->box, (struct vec3){vec3_dot(at, hull->axes[0]), vec3_dot(at, hull->axes[1]),
                                           vec3_dot(at, hull->axes[2])});
    }
}

/* In place of a child that is no tile stand its own. Depth is that of the
 * lattice. */
static void hull_add_children(struct hull *hull, const struct run_node *nodes, uint32_t first)
{
    for (uint32_t c = first; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        if (nodes[c].is_passed) {
            hull_add_children(hull, nodes, nodes[c].first_child);
            continue;
        }
        const struct mat4 frame = earth_enu_frame(lattice_center_ecef(nodes[c].cell));
        const struct mat4 to_node = mat4_multiply(hull->from_ecef, frame);
        hull_add(hull, &nodes[c].box_tile_m, &to_node);
    }
}

/* Makes the node's box hold those of the tiles below it. */
static void hold_children(const struct run *run, struct run_node *node)
{
    const struct obb own = node->box_tile_m;
    const bool has_axes = vec3_length(own.half[0]) > 0;
    struct hull hull = {
        .axes = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
        .from_ecef = earth_enu_frame_inverse(lattice_center_ecef(node->cell)),
        .box = box3_empty(),
    };
    for (int k = 0; has_axes && k < 3; k++) {
        hull.axes[k] = vec3_unit(own.half[k]);
    }
    if (has_axes) {
        hull_add(&hull, &own, NULL);
    }
    hull_add_children(&hull, run_nodes(run), node->first_child);
    const struct vec3 *axis = hull.axes;
    const struct vec3 middle = box3_center(hull.box);
    const struct vec3 half = vec3_scale(vec3_sub(hull.box.max, hull.box.min), 0.5);
    const double margin_m = 1e-3; /* a child's box is printed to tenths of that */
    node->box_tile_m = (struct obb){
        .center = vec3_add(vec3_add(vec3_scale(axis[0], middle.x), vec3_scale(axis[1], middle.y)),
                           vec3_scale(axis[2], middle.z)),
        .half = {vec3_scale(axis[0], half.x + margin_m), vec3_scale(axis[1], half.y + margin_m),
                 vec3_scale(axis[2], half.z + margin_m)},
    };
}

/* What tiles below came to for each byte that was estimated for them. */
static double learned_ratio(const struct run *run, const struct run_node *node)
{
    const struct run_node *nodes = run_nodes(run);
    double bytes = 0;
    double estimate = 0;
    for (uint32_t c = node->first_child; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        if (nodes[c].estimated_bytes > 0) {
            bytes += (double)nodes[c].content_bytes;
            estimate += (double)nodes[c].estimated_bytes;
        }
    }
    return estimate > 0 ? bytes / estimate : 1;
}

static bool list_content(struct merge *merge, struct jobs_worker *worker,
                         struct merge_result *result, struct content *content, struct err *err)
{
    if (!merge_list(merge, &worker->tile, &worker->scratch, result, err)) {
        return false;
    }
    content->items = arena_array(&worker->tile, struct tile_item, result->item_count);
    if (content->items == NULL) {
        return arena_full(&worker->tile, err);
    }
    content->item_count = result->item_count;
    for (size_t i = 0; i < result->item_count; i++) {
        const struct merge_item *item = &result->items[i];
        content->items[i] =
            (struct tile_item){item->figure, &item->figure->pieces[item->piece], NULL};
    }
    return true;
}

/* Of the tiles that hang from a node. Depth is that of the lattice. */
static uint64_t bytes_below(const struct run *run, uint32_t first)
{
    const struct run_node *nodes = run_nodes(run);
    uint64_t bytes = 0;
    for (uint32_t c = first; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        bytes +=
            nodes[c].is_passed ? bytes_below(run, nodes[c].first_child) : nodes[c].content_bytes;
    }
    return bytes;
}

/* Merges and writes, unless that buys nothing; a tile that came out heavier
 * than its budget is merged further. */
static bool write_within_budget(struct run *run, struct run_node *node, const struct gathered *g,
                                struct jobs_worker *worker, struct merge_result *result,
                                struct buf *bytes, struct err *err)
{
    struct merge *merge;
    if (!merge_open(g->figures, g->count, lattice_center_ecef(node->cell),
                    piece_texel_m(run->options->error_factor), &worker->tile, &merge, err)) {
        return false;
    }
    const double tile_bytes = (double)run->options->tile_bytes;
    double budget = BUDGET_FIRST * tile_bytes / learned_ratio(run, node);
    /* The root is always a tile: it is made coarse enough to be worth one. */
    const double least_m = node->parent == RUN_NO_NODE ? ERROR_GROWTH * g->error_m : 0;
    for (int attempt = 0; attempt < BUDGET_TRIES; attempt++) {
        struct content content = {0};
        if (!merge_until(merge, (uint64_t)budget, least_m, err) ||
            !list_content(merge, worker, result, &content, err)) {
            return false;
        }
        content.error_m = fmax(result->error_m, g->error_m);
        if (attempt == 0 && node->parent != RUN_NO_NODE &&
            content.error_m < ERROR_GROWTH * g->error_m) {
            node->is_passed = true;
            node->error_m = g->error_m;
            node->shown_count = (uint32_t)content.item_count;
            return true;
        }
        const struct arena_mark mark = arena_mark(&worker->tile);
        if (!write_tile(run, node, &content, worker, bytes, err)) {
            return false;
        }
        arena_reset(&worker->tile, mark);
        node->estimated_bytes = result->cost_bytes;
        const double ratio = (double)bytes->size / tile_bytes;
        if (ratio <= 1) {
            node->is_passed =
                node->parent != RUN_NO_NODE &&
                (double)bytes->size > BYTES_SHARE * (double)bytes_below(run, node->first_child);
            node->error_m = node->is_passed ? g->error_m : node->error_m;
            break;
        }
        budget = BUDGET_AGAIN * (double)result->cost_bytes / ratio;
    }
    return true;
}

/* The groups of children that are no tiles are this tile's to tell of. */
static bool tell_groups(struct run *run, const struct run_node *node,
                        const struct merge_result *result, struct jobs_worker *worker,
                        struct err *err)
{
    const struct run_node *nodes = run_nodes(run);
    for (size_t i = 0; i < result->group_count; i++) {
        group_write(&result->groups[i], &worker->output);
    }
    for (uint32_t c = node->first_child; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        struct span bytes;
        if (!nodes[c].is_passed || nodes[c].groups_bytes == 0) {
            continue;
        }
        if (!spool_read(run->groups, nodes[c].groups_offset, &worker->tile, &bytes, err)) {
            return false;
        }
        buf_add(&worker->output, bytes.data, bytes.size);
    }
    return true;
}

static bool build_parent(struct run *run, struct run_node *node, struct jobs_worker *worker,
                         struct buf *bytes, struct err *err)
{
    struct gathered g;
    struct merge_result result;
    if (!gather_children(run, node, worker, &g, err) ||
        (node->is_part && g.count > 0 && !rejoin_children(run, node, worker, &g, err)) ||
        !write_within_budget(run, node, &g, worker, &result, bytes, err)) {
        return false;
    }
    if (!node->is_passed) {
        hold_children(run, node);
        if (!publish_tile(run, node, buf_span(bytes), err)) {
            return false;
        }
    }
    for (size_t i = 0; i < result.item_count; i++) {
        figure_write(result.items[i].figure, result.items[i].piece, &worker->output);
    }
    node->figures_bytes = worker->output.size;
    return tell_groups(run, node, &result, worker, err);
}

/* ---- the run ---- */

static bool build_node(struct jobs_worker *worker, void *shared, size_t job, struct err *err)
{
    struct run *run = shared;
    struct run_node *node = &run_nodes(run)[job];
    struct buf bytes;
    buf_init(&bytes, OPTIONS_WORKER_BYTES);
    const bool ok = node->is_leaf ? build_leaf(run, node, worker, &bytes, err)
                                  : build_parent(run, node, worker, &bytes, err);
    buf_release(&bytes);
    return ok;
}

/* Figures first, then groups. */
static bool take_figures(struct span output, void *shared, size_t job, struct err *err)
{
    struct run *run = shared;
    struct run_node *node = &run_nodes(run)[job];
    if (node->is_leaf && !node->is_part) {
        run->counts.shown += node->shown_count;
    } else if (node->is_part && node->part_depth == 0) {
        run->counts.shown++;
    }
    const struct span figures = {output.data, (size_t)node->figures_bytes};
    const struct span groups = {output.data + figures.size, output.size - figures.size};
    const bool is_new = figures.size > 0 && node->parent != RUN_NO_NODE;
    /* The figure of a split feature's part was there before. */
    node->has_figures = is_new || (node->is_part && node->is_leaf);
    if (is_new && (!spool_append(run->figures, figures, &node->figures_offset, err) ||
                   !spool_flush(run->figures, err))) {
        return false;
    }
    node->groups_bytes = groups.size;
    if (groups.size > 0 && (!spool_append(run->groups, groups, &node->groups_offset, err) ||
                            !spool_flush(run->groups, err))) {
        return false;
    }
    run->stages[3].items++;
    if (run->tell != NULL) {
        run->tell(run->teller, "build", run->stages[3].items, run_node_count(run));
    }
    return true;
}

static bool write_schema(struct run *run, struct err *err)
{
    if (run->options->is_version_1_0) {
        return true;
    }
    struct buf json;
    buf_init(&json, OPTIONS_WORKER_BYTES);
    property_schema_print(&run->schema, &json);
    bool ok = buf_finish(&json, err);
    if (ok) {
        snprintf(run->schema_name, sizeof run->schema_name, "tiles/schema-%016llx.json",
                 (unsigned long long)digest_short(buf_span(&json)));
        run->schema.uri = text_of(run->schema_name + strlen("tiles/"));
        ok = publish_add_file(run->publish, run->schema_name, buf_span(&json), err);
    }
    buf_release(&json);
    return ok;
}

/* Children of nodes that are no tiles hang from the first one above that is. */
static void hang_anew(struct run_node *nodes, uint32_t above)
{
    uint32_t *link = &nodes[above].first_child;
    while (*link != RUN_NO_NODE) {
        struct run_node *child = &nodes[*link];
        if (!child->is_passed) {
            child->parent = above;
            link = &child->next_sibling;
            continue;
        }
        /* What hangs from it was hung anew before: those are tiles. */
        const uint32_t after = child->next_sibling;
        *link = child->first_child;
        while (*link != RUN_NO_NODE) {
            nodes[*link].parent = above;
            link = &nodes[*link].next_sibling;
        }
        *link = after;
    }
}

static uint32_t renumbered(const uint32_t *numbers, uint32_t node)
{
    return node == RUN_NO_NODE ? RUN_NO_NODE : numbers[node];
}

/* Takes nodes that are no tiles out of the tree. */
static bool leave_out_passed(struct run *run, struct err *err)
{
    struct run_node *nodes = run_nodes(run);
    const size_t count = run_node_count(run);
    uint32_t *numbers = arena_array(&run->arena, uint32_t, count);
    if (numbers == NULL) {
        return arena_full(&run->arena, err);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        hang_anew(nodes, i);
        numbers[i] = kept;
        kept += nodes[i].is_passed ? 0 : 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i].is_passed) {
            continue;
        }
        struct run_node node = nodes[i];
        node.parent = renumbered(numbers, node.parent);
        node.first_child = renumbered(numbers, node.first_child);
        node.next_sibling = renumbered(numbers, node.next_sibling);
        nodes[numbers[i]] = node;
    }
    run->nodes.size = kept * sizeof nodes[0];
    return true;
}

bool build_run(struct run *run, struct err *err)
{
    const size_t count = run_node_count(run);
    uint32_t *parents = arena_array(&run->arena, uint32_t, count);
    if (parents == NULL) {
        return arena_full(&run->arena, err);
    }
    static_assert(RUN_NO_NODE == JOBS_NO_PARENT, "a node's parent is a job's");
    for (size_t i = 0; i < count; i++) {
        parents[i] = run_nodes(run)[i].parent;
    }
    if (!write_schema(run, err)) {
        return false;
    }
    const struct jobs jobs = {
        .thread_count = run->options->thread_count,
        .job_count = count,
        .parents = parents,
        .worker_limit_bytes = OPTIONS_WORKER_BYTES,
        .is_stopped = run->is_stopped,
        .run = run,
        .work = build_node,
        .emit = take_figures,
    };
    return jobs_run(&jobs, err) && leave_out_passed(run, err);
}
