/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/partition.h"

#include <assert.h>
#include <stdlib.h>

/* The share of --tile-bytes that a leaf may weigh: a viewer loads a tile's children
 * all together, so that near by small ones cost less; only the first tiles of a
 * large city weigh as much as they may. */
static const double LEAF_SHARE = 0.5;

/* A feature may be so many levels wider than its cell, which is 4 times: a wide
 * one beside small tiles makes one of them large, a leaf of wide ones beside all
 * of them is always loaded. */
enum { WIDER_LEVELS = 2 };

struct range {
    uint32_t first;
    uint32_t end;
};

static uint64_t leaf_bytes(const struct run *run)
{
    return (uint64_t)(LEAF_SHARE * (double)run->options->tile_bytes);
}

/* By place, then by what does not depend on the order of inputs. */
static int compare_entries(const void *a, const void *b)
{
    const struct run_entry *left = a;
    const struct run_entry *right = b;
    if (left->key != right->key) {
        return left->key < right->key ? -1 : 1;
    }
    if (left->id_hash != right->id_hash) {
        return left->id_hash < right->id_hash ? -1 : 1;
    }
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static uint64_t range_bytes(const struct run *run, struct range range)
{
    uint64_t bytes = 0;
    for (uint32_t i = range.first; i < range.end; i++) {
        bytes += run_entries(run)[i].bytes;
    }
    return bytes;
}

static bool add_node(struct run *run, const struct run_node *node, uint32_t *out, struct err *err)
{
    *out = (uint32_t)run_node_count(run);
    buf_add(&run->nodes, node, sizeof *node);
    return buf_finish(&run->nodes, err);
}

static bool add_leaf(struct run *run, struct lattice_cell cell, struct range range, bool is_own,
                     uint32_t *out, struct err *err)
{
    const struct run_node leaf = {
        .cell = cell,
        .is_leaf = true,
        .is_own = is_own,
        .first_entry = range.first,
        .entry_count = range.end - range.first,
        .feature_count = range.end - range.first,
        .parent = RUN_NO_NODE,
        .first_child = RUN_NO_NODE,
        .next_sibling = RUN_NO_NODE,
    };
    return add_node(run, &leaf, out, err);
}

static void adopt(struct run *run, struct run_node *parent, uint32_t child)
{
    struct run_node *nodes = run_nodes(run);
    nodes[child].next_sibling = parent->first_child;
    parent->first_child = child;
    parent->feature_count += nodes[child].feature_count;
}

/* Adds a node whose children stand before it, and tells them. */
static bool add_parent(struct run *run, const struct run_node *parent, uint32_t *out,
                       struct err *err)
{
    if (!add_node(run, parent, out, err)) {
        return false;
    }
    struct run_node *nodes = run_nodes(run);
    for (uint32_t child = parent->first_child; child != RUN_NO_NODE;
         child = nodes[child].next_sibling) {
        nodes[child].parent = *out;
    }
    return true;
}

static struct run_node make_parent(struct lattice_cell cell)
{
    return (struct run_node){.cell = cell,
                             .parent = RUN_NO_NODE,
                             .first_child = RUN_NO_NODE,
                             .next_sibling = RUN_NO_NODE};
}

/* ---- features in parts ---- */

/* Where the parts go right at this depth. */
static uint32_t part_middle(const struct run *run, struct range parts, uint32_t depth)
{
    uint32_t at = parts.first;
    while (at < parts.end && (run_parts(run)[at].path >> (31 - depth) & 1) == 0) {
        at++;
    }
    return at;
}

static bool add_parts(struct run *run, uint32_t entry_index, struct range parts, uint32_t depth,
                      uint32_t *out, struct err *err);

/* The halves of some parts, and their halves: up to four children. */
static bool add_halves(struct run *run, uint32_t entry_index, struct range parts, uint32_t depth,
                       int steps, struct run_node *parent, struct err *err)
{
    if (steps == 0 || parts.end - parts.first == 1) {
        uint32_t child;
        if (!add_parts(run, entry_index, parts, depth, &child, err)) {
            return false;
        }
        adopt(run, parent, child);
        return true;
    }
    const uint32_t middle = part_middle(run, parts, depth);
    return add_halves(run, entry_index, (struct range){parts.first, middle}, depth + 1, steps - 1,
                      parent, err) &&
           add_halves(run, entry_index, (struct range){middle, parts.end}, depth + 1, steps - 1,
                      parent, err);
}

/* The node of all these parts, over the nodes below it. The whole feature
 * counts as one. */
static bool add_parts(struct run *run, uint32_t entry_index, struct range parts, uint32_t depth,
                      uint32_t *out, struct err *err)
{
    const struct run_entry *entry = &run_entries(run)[entry_index];
    struct run_node node = make_parent(lattice_at(entry->key, entry->level_max));
    node.is_part = true;
    node.part_depth = depth;
    node.part = parts.first;
    node.first_entry = entry_index;
    if (parts.end - parts.first == 1) {
        const struct run_part *part = &run_parts(run)[parts.first];
        node.is_leaf = true;
        node.part_depth = part->depth;
        node.entry_count = 1;
        node.has_figures = true;
        node.figures_offset = part->figure_offset;
        return add_node(run, &node, out, err);
    }
    if (!add_halves(run, entry_index, parts, depth, 2, &node, err)) {
        return false;
    }
    node.feature_count = depth == 0;
    return add_parent(run, &node, out, err);
}

static bool add_split_feature(struct run *run, uint32_t entry_index, uint32_t *out, struct err *err)
{
    const struct run_entry *entry = &run_entries(run)[entry_index];
    const struct range parts = {entry->first_part, entry->first_part + entry->part_count};
    return add_parts(run, entry_index, parts, 0, out, err);
}

/* Whole entries first, each kind in its old order. */
static bool gather_whole(struct run *run, struct range range, uint32_t *out_split, struct err *err)
{
    struct run_entry *entries = run_entries(run);
    const struct arena_mark mark = arena_mark(&run->arena);
    struct run_entry *in_parts =
        arena_array(&run->arena, struct run_entry, range.end - range.first);
    if (in_parts == NULL) {
        return arena_full(&run->arena, err);
    }
    uint32_t count = 0;
    uint32_t at = range.first;
    for (uint32_t i = range.first; i < range.end; i++) {
        if (entries[i].part_count == 0) {
            entries[at++] = entries[i];
        } else {
            in_parts[count++] = entries[i];
        }
    }
    memcpy(entries + at, in_parts, count * sizeof in_parts[0]);
    arena_reset(&run->arena, mark);
    *out_split = at;
    return true;
}

/* A leaf of the whole features, beside it the trees of those in parts; or the
 * only one of these. */
static bool add_leaves(struct run *run, struct lattice_cell cell, struct range range, bool is_own,
                       uint32_t *out, struct err *err)
{
    uint32_t split;
    if (!gather_whole(run, range, &split, err)) {
        return false;
    }
    if (split == range.end) {
        return add_leaf(run, cell, range, is_own, out, err);
    }
    struct run_node parent = make_parent(cell);
    parent.is_own = is_own;
    uint32_t child;
    if (split > range.first) {
        if (!add_leaf(run, cell, (struct range){range.first, split}, is_own, &child, err)) {
            return false;
        }
        adopt(run, &parent, child);
    }
    for (uint32_t i = split; i < range.end; i++) {
        if (!add_split_feature(run, i, &child, err)) {
            return false;
        }
        adopt(run, &parent, child);
    }
    if (run_nodes(run)[parent.first_child].next_sibling == RUN_NO_NODE) {
        *out = parent.first_child;
        return true;
    }
    return add_parent(run, &parent, out, err);
}

/* ---- cells ---- */

/* Moves entries too wide for the cell's quarters to the front, each part in its
 * old order; returns where the others begin. */
static bool gather_wide(struct run *run, struct range range, int level, uint32_t *out_split,
                        struct err *err)
{
    struct run_entry *entries = run_entries(run);
    const struct arena_mark mark = arena_mark(&run->arena);
    struct run_entry *narrow = arena_array(&run->arena, struct run_entry, range.end - range.first);
    if (narrow == NULL) {
        return arena_full(&run->arena, err);
    }
    uint32_t narrow_count = 0;
    uint32_t at = range.first;
    for (uint32_t i = range.first; i < range.end; i++) {
        if (entries[i].level_max + WIDER_LEVELS <= level) {
            entries[at++] = entries[i];
        } else {
            narrow[narrow_count++] = entries[i];
        }
    }
    memcpy(entries + at, narrow, narrow_count * sizeof narrow[0]);
    arena_reset(&run->arena, mark);
    *out_split = at;
    return true;
}

/* The first entry of the sorted range whose key is at least `key`. */
static uint32_t lower_bound(const struct run *run, struct range range, uint64_t key)
{
    uint32_t low = range.first;
    uint32_t high = range.end;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (run_entries(run)[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool divide(struct run *run, struct lattice_cell cell, struct range range, uint32_t *out,
                   struct err *err);

/* Neighbouring quarters that are one tile together. */
struct share {
    struct lattice_cell cell; /* of its own quarter, or of the whole */
    struct range range;
    uint64_t bytes;
    bool is_joined;
};

enum { QUARTERS_MAX = 6 };

static int list_quarters(const struct run *run, struct lattice_cell whole, struct range range,
                         struct share out[QUARTERS_MAX])
{
    const int quarter_count = whole.level < 0 ? QUARTERS_MAX : 4;
    int count = 0;
    for (int quarter = 0; quarter < quarter_count; quarter++) {
        const struct lattice_cell cell = lattice_child(whole, quarter);
        const struct range part = {range.first, lower_bound(run, range, lattice_end(cell))};
        range.first = part.end;
        if (part.first < part.end) {
            out[count++] = (struct share){.cell = cell, .range = part};
            out[count - 1].bytes = range_bytes(run, part);
        }
    }
    return count;
}

/* The lightest two that follow each other, again and again while they are light
 * enough for one leaf. */
static int join_shares(struct lattice_cell whole, uint64_t most_bytes, struct share *shares,
                       int count)
{
    for (;;) {
        int lightest = -1;
        uint64_t least = most_bytes;
        for (int i = 0; i + 1 < count; i++) {
            if (shares[i].bytes + shares[i + 1].bytes <= least) {
                least = shares[i].bytes + shares[i + 1].bytes;
                lightest = i;
            }
        }
        if (lightest < 0) {
            return count;
        }
        shares[lightest].cell = whole;
        shares[lightest].range.end = shares[lightest + 1].range.end;
        shares[lightest].bytes = least;
        shares[lightest].is_joined = true;
        count--;
        for (int i = lightest + 1; i < count; i++) {
            shares[i] = shares[i + 1];
        }
    }
}

/* The quarters of a cell (or the six faces), each with its share. */
static bool divide_quarters(struct run *run, struct range range, struct run_node *parent,
                            struct err *err)
{
    struct share shares[QUARTERS_MAX];
    const int count = join_shares(parent->cell, leaf_bytes(run), shares,
                                  list_quarters(run, parent->cell, range, shares));
    for (int i = 0; i < count; i++) {
        uint32_t child;
        if (shares[i].is_joined
                ? !add_leaves(run, shares[i].cell, shares[i].range, false, &child, err)
                : !divide(run, shares[i].cell, shares[i].range, &child, err)) {
            return false;
        }
        adopt(run, parent, child);
    }
    return true;
}

static bool divide(struct run *run, struct lattice_cell cell, struct range range, uint32_t *out,
                   struct err *err)
{
    assert(range.first < range.end);
    const bool is_light = range_bytes(run, range) <= leaf_bytes(run);
    if (is_light || range.end - range.first == 1 || cell.level == LATTICE_LEVEL_MAX) {
        return add_leaves(run, cell, range, false, out, err);
    }
    uint32_t split;
    if (!gather_wide(run, range, cell.level, &split, err)) {
        return false;
    }
    if (split == range.end) {
        return add_leaves(run, cell, range, false, out, err);
    }
    struct run_node parent = make_parent(cell);
    if (split > range.first) {
        uint32_t own;
        if (!add_leaves(run, cell, (struct range){range.first, split}, true, &own, err)) {
            return false;
        }
        adopt(run, &parent, own);
    }
    if (!divide_quarters(run, (struct range){split, range.end}, &parent, err)) {
        return false;
    }
    const uint32_t only = parent.first_child;
    if (run_nodes(run)[only].next_sibling == RUN_NO_NODE) {
        *out = only; /* a cell with one child says nothing that the child does not */
        return true;
    }
    return add_parent(run, &parent, out, err);
}

bool partition_run(struct run *run, struct err *err)
{
    const size_t count = run_entry_count(run);
    assert(count > 0);
    if (count >= UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "%zu features, at most %u fit in one run", count,
                       UINT32_MAX - 1);
    }
    struct run_entry *entries = run_entries(run);
    qsort(entries, count, sizeof entries[0], compare_entries);
    const struct lattice_cell root = lattice_common(entries[0].key, entries[count - 1].key);
    uint32_t root_node;
    const struct range all = {0, (uint32_t)count};
    /* A city that fits into one tile is one: nothing coarser would be worth it. */
    const bool is_one = range_bytes(run, all) <= run->options->tile_bytes;
    if (is_one ? !add_leaves(run, root, all, false, &root_node, err)
               : !divide(run, root, all, &root_node, err)) {
        return false;
    }
    assert(root_node == run_node_count(run) - 1);
    return true;
}
