/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/build.h"

#include <assert.h>

#include "tiler/build_internal.h"

static bool build_node(struct jobs_worker *worker, void *shared, size_t job, struct err *err)
{
    struct run *run = shared;
    struct run_node *node = &run_nodes(run)[job];
    struct buf bytes;
    buf_init(&bytes, OPTIONS_WORKER_BYTES);
    const double start_s = spent_clock(build_spent(run, node));
    const bool ok = node->is_leaf ? build_leaf(run, node, worker, &bytes, err)
                                  : build_parent(run, node, worker, &bytes, err);
    node->spent.all_s = spent_clock(build_spent(run, node)) - start_s;
    buf_release(&bytes);
    return ok;
}

/* Figures first, then groups. */
static bool take_figures(struct span output, void *shared, size_t job, struct err *err)
{
    struct run *run = shared;
    struct run_node *node = &run_nodes(run)[job];
    spent_add(node->is_leaf ? &run->leaves : &run->above, &node->spent);
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
