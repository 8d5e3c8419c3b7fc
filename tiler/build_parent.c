/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "formats/base/earth.h"
#include "tiler/build_internal.h"
#include "tiler/merge.h"
#include "tiler/rejoin.h"

/* A tile is first tried a little heavier than it should come out, as what is
 * merged stays merged; then so much lighter than by the last try's measure. */
static const double BUDGET_FIRST = 1.1;
static const double BUDGET_AGAIN = 0.98;
/* A part of a feature is never held to less. */
static const double PART_SHARE = 0.75;
enum { BUDGET_TRIES = 5 };

/* Where no tile was written that would tell. */
static const double BYTES_PER_TRIANGLE = 6;

/* A level whose error is less than this times that of the level below would be
 * loaded for next to nothing. */
static const double ERROR_GROWTH = 1.4;

/* What a tile may weigh of the tiles that it stands for: a viewer that goes on to
 * these has loaded it for nothing. */
static const double BYTES_SHARE = 0.25;

/* A tile that may weigh less than this share of --tile-bytes is not worth its
 * request, nor the level that it makes for whoever comes nearer. */
static const double LEAST_SHARE = 0.25;

/* How much farther than its budget demands a tile goes in error, so that there
 * are bytes to spend on what is seen most: keep.h. */
static const double SPEND_GROWTH = 2;

struct gathered {
    struct figure *figures;
    size_t count;
    double error_m;  /* the largest that children state */
    double proven_m; /* ... and have proven */
    struct sight_lost lost;
};

static bool gather_child(struct run *run, const struct run_node *child, struct jobs_worker *worker,
                         struct gathered *g, struct err *err)
{
    g->error_m = fmax(g->error_m, child->error_m);
    g->proven_m = fmax(g->proven_m, child->proven_m);
    g->lost.area_m2 += child->lost.area_m2;
    g->lost.error_m3 += child->lost.error_m3;
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

static double budget_bytes(const struct run *run, const struct run_node *node)
{
    const double below = (double)bytes_below(run, node->first_child);
    return fmin((double)run->options->tile_bytes, BYTES_SHARE * below);
}

/* The parts of a split feature become one. */
static bool rejoin_children(const struct run *run, struct run_node *node,
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
        .budget_bytes = (uint64_t)budget_bytes(run, node), /* what the merge will hold it to */
        /* Children that are no tiles weigh nothing. */
        .bytes_per_triangle =
            bytes == 0 ? BYTES_PER_TRIANGLE : (double)bytes / (double)triangle_count,
        .spent = build_spent(run, node),
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
                         struct merge_result *result, struct build_content *content,
                         struct err *err)
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

/* What the tile shows within the budget: with the least error first; then a
 * little beyond that, for what is seen more. */
static bool open_merge(const struct run *run, struct run_node *node, const struct gathered *g,
                       double budget, struct jobs_worker *worker, struct merge **out,
                       struct err *err)
{
    const double texel_per_error = piece_texel_m(run->options->error_factor);
    const struct vec3 origin = lattice_center_ecef(node->cell);
    struct merge *merge;
    if (!merge_open(g->figures, g->count, origin, texel_per_error, &worker->tile, &merge, err)) {
        return false;
    }
    merge_measure_time(merge, build_spent(run, node));
    *out = merge;
    if (run->options->levels != LEVELS_MEASURED || node->is_part) {
        return true;
    }
    if (!merge_until(merge, (uint64_t)budget, 0, err)) {
        return false;
    }
    const double error_m = SPEND_GROWTH * merge_error_m(merge);
    uint32_t *pieces = arena_array(&worker->tile, uint32_t, g->count);
    if (pieces == NULL) {
        return arena_full(&worker->tile, err);
    }
    if (!merge_until(merge, UINT64_MAX, error_m, err)) {
        return false;
    }
    merge_pieces(merge, pieces);
    const double spend = fmax(0, budget - (double)merge_cost_bytes(merge));
    if (!keep_choose(g->figures, g->count, error_m, (uint64_t)spend, texel_per_error * error_m,
                     &worker->scratch, pieces, err)) {
        return false;
    }
    if (!merge_open_kept(g->figures, g->count, pieces, error_m, origin, texel_per_error,
                         &worker->tile, out, err)) {
        return false;
    }
    merge_measure_time(*out, build_spent(run, node));
    return true;
}

/* The node is no tile, and its parent begins with what it gathered. */
static bool pass_on(struct run_node *node, const struct gathered *g, struct jobs_worker *worker,
                    struct merge_result *out, struct err *err)
{
    *out = (struct merge_result){.items = arena_array(&worker->tile, struct merge_item, g->count),
                                 .item_count = g->count};
    if (out->items == NULL) {
        return arena_full(&worker->tile, err);
    }
    for (size_t i = 0; i < g->count; i++) {
        out->items[i] = (struct merge_item){&g->figures[i], 0};
    }
    node->is_passed = true;
    node->error_m = g->error_m;
    node->proven_m = g->proven_m;
    node->lost = g->lost;
    node->shown_count = (uint32_t)g->count;
    return true;
}

/* A figure as the tile shows it, and its slopes that have become flat. */
static void look_at_figure(const struct figure *figure, uint32_t piece, double error_m,
                           bool is_lost, struct sight *sight, struct sight_lost *lost)
{
    if (figure->piece_count == 0) {
        return;
    }
    const double area_m2 = sight_area_m2(&figure->pieces[0]);
    double flat_m2 = 0;
    if (is_lost) {
        lost->area_m2 += area_m2;
        lost->error_m3 += area_m2 * error_m;
    } else {
        const double now_m2 = piece == KEEP_NONE ? 0 : sight_slopes_m2(&figure->pieces[piece]);
        flat_m2 = fmax(0, sight_slopes_m2(&figure->pieces[0]) - now_m2);
        lost->area_m2 += flat_m2;
        lost->error_m3 += flat_m2 * sqrt(flat_m2);
    }
    sight->areas_m2[sight->count] = area_m2 - flat_m2;
    sight->errors_m[sight->count++] = error_m;
    sight->areas_m2[sight->count] = flat_m2;
    sight->errors_m[sight->count++] = fmax(error_m, sqrt(flat_m2));
}

/* What the picture asks the tile to state, and what it has lost. */
static bool look_at(struct run_node *node, const struct gathered *g, const struct merge *merge,
                    struct arena *scratch, double *out_error_m, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct sight sight = {.areas_m2 = arena_array(scratch, double, 2 * g->count),
                          .errors_m = arena_array(scratch, double, 2 * g->count),
                          .lost = g->lost};
    uint32_t *pieces = arena_array(scratch, uint32_t, g->count);
    double *errors_m = arena_array(scratch, double, g->count);
    bool *is_lost = arena_array(scratch, bool, g->count);
    if (sight.areas_m2 == NULL || sight.errors_m == NULL || pieces == NULL || errors_m == NULL ||
        is_lost == NULL) {
        return arena_full(scratch, err);
    }
    merge_pieces(merge, pieces);
    merge_errors(merge, errors_m, is_lost);
    node->lost = g->lost;
    for (size_t i = 0; i < g->count; i++) {
        look_at_figure(&g->figures[i], pieces[i], errors_m[i], is_lost[i], &sight, &node->lost);
    }
    *out_error_m = sight_error_m(&sight);
    arena_reset(scratch, mark);
    return true;
}

/* Merges and writes, unless that buys nothing; a tile that came out heavier
 * than its budget is merged further. */
static bool write_within_budget(struct run *run, struct run_node *node, const struct gathered *g,
                                struct jobs_worker *worker, struct merge_result *result,
                                struct buf *bytes, struct err *err)
{
    const double tile_bytes = budget_bytes(run, node);
    double budget = BUDGET_FIRST * tile_bytes / learned_ratio(run, node);
    const bool may_pass = node->parent != RUN_NO_NODE && !node->is_part;
    if (may_pass && tile_bytes < LEAST_SHARE * (double)run->options->tile_bytes) {
        return pass_on(node, g, worker, result, err);
    }
    /* A part is never left out: rejoin.h says that its last version costs half. */
    const double least = node->is_part ? PART_SHARE * tile_bytes : 0;
    budget = fmax(budget, least);
    for (int attempt = 0; attempt < BUDGET_TRIES; attempt++) {
        struct build_content content = {0};
        struct merge *merge;
        if (!open_merge(run, node, g, budget, worker, &merge, err) ||
            !merge_until(merge, (uint64_t)budget, 0, err) ||
            !list_content(merge, worker, result, &content, err)) {
            return false;
        }
        double picture_m = 0;
        if (run->options->levels == LEVELS_MEASURED &&
            !look_at(node, g, merge, &worker->scratch, &picture_m, err)) {
            return false;
        }
        content.error_m = fmax(result->error_m, g->error_m);
        content.proven_m = fmax(result->error_m, g->proven_m);
        if (attempt == 0 && node->parent != RUN_NO_NODE &&
            fmax(content.error_m, picture_m) < ERROR_GROWTH * g->error_m) {
            node->is_passed = true;
            node->error_m = g->error_m;
            node->proven_m = g->proven_m;
            node->shown_count = (uint32_t)content.item_count;
            return true;
        }
        const struct arena_mark mark = arena_mark(&worker->tile);
        if (!build_tile_write(run, node, &content, worker, bytes, err)) {
            return false;
        }
        arena_reset(&worker->tile, mark);
        node->error_m = fmax(node->error_m, picture_m);
        node->estimated_bytes = result->cost_bytes;
        const double ratio = (double)bytes->size / tile_bytes;
        if (ratio <= 1) {
            break;
        }
        budget = fmax(least, BUDGET_AGAIN * (double)result->cost_bytes / ratio);
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

bool build_parent(struct run *run, struct run_node *node, struct jobs_worker *worker,
                  struct buf *bytes, struct err *err)
{
    struct gathered g = {0};
    struct merge_result result;
    if (!gather_children(run, node, worker, &g, err) ||
        (node->is_part && g.count > 0 && !rejoin_children(run, node, worker, &g, err)) ||
        !write_within_budget(run, node, &g, worker, &result, bytes, err)) {
        return false;
    }
    if (!node->is_passed) {
        hold_children(run, node);
        if (!build_tile_publish(run, node, buf_span(bytes), err)) {
            return false;
        }
    }
    for (size_t i = 0; i < result.item_count; i++) {
        figure_write(result.items[i].figure, result.items[i].piece, &worker->output);
    }
    node->figures_bytes = worker->output.size;
    return tell_groups(run, node, &result, worker, err);
}
