/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/partition.h"

#include "formats/base/earth.h"
#include "tests/check.h"

enum { LEAF_BYTES = 10000 }; /* half a tile */

static const struct options options = {.tile_bytes = 2 * LEAF_BYTES};

static void start(struct run *run)
{
    *run = (struct run){.options = &options};
    arena_init(&run->arena, 1 << 26);
    buf_init(&run->entries, 1 << 26);
    buf_init(&run->nodes, 1 << 26);
    buf_init(&run->parts, 1 << 20);
}

static void stop(struct run *run)
{
    buf_release(&run->entries);
    buf_release(&run->nodes);
    buf_release(&run->parts);
    arena_release(&run->arena);
}

static void add_entry(struct run *run, uint64_t id, double longitude, double latitude,
                      uint32_t bytes, double extent_m)
{
    const struct run_entry entry = {
        .key = lattice_key(earth_to_ecef(earth_point_deg(longitude, latitude, 0))),
        .id_hash = id,
        .offset = id,
        .bytes = bytes,
        .level_max = lattice_level_for(extent_m),
    };
    buf_add(&run->entries, &entry, sizeof entry);
}

static void add_city(struct run *run, double middle_longitude, double middle_latitude, int count)
{
    uint32_t seed = 7;
    for (int i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        const double x = (double)(seed >> 8) / (1 << 24) - 0.5;
        seed = seed * 1664525u + 1013904223u;
        const double y = (double)(seed >> 8) / (1 << 24) - 0.5;
        double longitude = middle_longitude + 0.05 * x;
        longitude = longitude > 180 ? longitude - 360 : longitude;
        add_entry(run, (uint64_t)i, longitude, middle_latitude + 0.05 * y, 700, 25);
    }
}

static void divide(struct run *run)
{
    struct err err;
    CHECK_OK(partition_run(run, &err), &err);
}

/* Each entry is in one leaf, parents follow children, sums agree. */
static void check_tree(const struct run *run)
{
    const struct run_node *nodes = run_nodes(run);
    const size_t count = run_node_count(run);
    size_t leaf_entries = 0;
    for (size_t i = 0; i < count; i++) {
        if (nodes[i].is_leaf) {
            leaf_entries += nodes[i].entry_count;
        }
        if (i == count - 1) {
            CHECK_EQ(nodes[i].parent, RUN_NO_NODE);
            continue;
        }
        CHECK(nodes[i].parent > i && nodes[i].parent < count);
        CHECK(!nodes[nodes[i].parent].is_leaf);
    }
    CHECK_EQ(leaf_entries, run_entry_count(run));
    CHECK_EQ(nodes[count - 1].feature_count, run_entry_count(run));
}

static void partition_run__puts_each_feature_into_one_leaf(void)
{
    struct run run;
    start(&run);
    add_city(&run, 114.05, 22.54, 3000);
    divide(&run);
    check_tree(&run);
    for (size_t i = 0; i < run_node_count(&run); i++) {
        const struct run_node *node = &run_nodes(&run)[i];
        CHECK(!node->is_leaf || node->entry_count <= LEAF_BYTES / 700);
    }
    stop(&run);
}

static void partition_run__knows_the_antimeridian(void)
{
    struct run here;
    struct run there;
    start(&here);
    start(&there);
    add_city(&here, 180, -16.5, 2000);
    add_city(&there, 90, -16.5, 2000);
    divide(&here);
    divide(&there);
    check_tree(&here);
    /* As many tiles, within a tenth, as the same city elsewhere has. */
    const double ratio = (double)run_node_count(&here) / (double)run_node_count(&there);
    CHECK_NEAR(ratio, 1, 0.1, "");
    CHECK(run_nodes(&here)[run_node_count(&here) - 1].cell.level >= 0);
    stop(&here);
    stop(&there);
}

static void partition_run__does_not_move_what_did_not_change(void)
{
    struct run before;
    struct run after;
    start(&before);
    start(&after);
    add_city(&before, 114.05, 22.54, 5000);
    add_city(&after, 114.05, 22.54, 5000);
    add_entry(&after, 999999, 114.0513, 22.5417, 700, 25);
    divide(&before);
    divide(&after);
    size_t changed = 0;
    for (size_t i = 0; i < run_node_count(&before); i++) {
        const struct run_node *old = &run_nodes(&before)[i];
        bool found = false;
        for (size_t k = 0; k < run_node_count(&after) && !found; k++) {
            const struct run_node *new = &run_nodes(&after)[k];
            found = old->cell.key == new->cell.key && old->cell.level == new->cell.level &&
                    old->is_own == new->is_own && old->feature_count == new->feature_count;
        }
        changed += !found;
    }
    /* The path from one leaf to the root, and the leaf itself. */
    CHECK(changed >= 1 && changed <= 12);
    stop(&before);
    stop(&after);
}

static void partition_run__makes_one_tile_of_what_fits_into_one(void)
{
    struct run run;
    start(&run);
    add_city(&run, 114.05, 22.54, 2 * LEAF_BYTES / 700);
    divide(&run);
    CHECK_EQ(run_node_count(&run), 1);
    stop(&run);
    start(&run);
    add_city(&run, 114.05, 22.54, 2 * LEAF_BYTES / 700 + 1);
    divide(&run);
    CHECK(run_node_count(&run) > 2);
    stop(&run);
}

/* No two quarters that follow each other would fit into one leaf. */
static void partition_run__joins_light_quarters(void)
{
    struct run run;
    start(&run);
    add_city(&run, 114.05, 22.54, 3000);
    divide(&run);
    const struct run_node *nodes = run_nodes(&run);
    size_t pairs = 0;
    for (size_t i = 0; i < run_node_count(&run); i++) {
        for (uint32_t c = nodes[i].first_child; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
            const uint32_t next = nodes[c].next_sibling;
            if (next != RUN_NO_NODE && nodes[c].is_leaf && nodes[next].is_leaf) {
                pairs++;
                CHECK(700 * (nodes[c].entry_count + nodes[next].entry_count) > LEAF_BYTES);
            }
        }
    }
    CHECK(pairs > 50);
    stop(&run);
}

static void partition_run__gives_wide_features_a_leaf_of_their_own(void)
{
    struct run run;
    start(&run);
    add_city(&run, 114.05, 22.54, 500);
    add_entry(&run, 10001, 114.05, 22.54, 5000, 4000);
    divide(&run);
    check_tree(&run);
    size_t own = 0;
    for (size_t i = 0; i < run_node_count(&run); i++) {
        own += run_nodes(&run)[i].is_own;
    }
    CHECK_EQ(own, 1);
    stop(&run);
}

static void partition_run__ends_with_everything_at_one_place(void)
{
    struct run run;
    start(&run);
    for (uint64_t i = 0; i < 300; i++) {
        add_entry(&run, i, 114.05, 22.54, 700, 0);
    }
    divide(&run);
    check_tree(&run);
    CHECK_EQ(run_node_count(&run), 1);
    stop(&run);
}

/* A feature in parts is a tree of its own; it moves no other tile. */
static void partition_run__gives_a_split_feature_a_tree_of_its_own(void)
{
    struct run plain;
    struct run run;
    start(&plain);
    start(&run);
    add_city(&plain, 114.05, 22.54, 1000);
    add_city(&run, 114.05, 22.54, 1000);
    struct run_entry heavy = run_entries(&run)[500];
    heavy.id_hash = 5000;
    heavy.offset = 5000;
    heavy.bytes = 0;
    heavy.part_count = 9;
    for (uint32_t i = 0; i < 9; i++) { /* eight at depth 3, the last of them halved */
        const struct run_part part = {.figure_offset = i,
                                      .path = i < 8 ? i << 29 : 7u << 29 | 1u << 28,
                                      .depth = i < 7 ? 3 : 4};
        buf_add(&run.parts, &part, sizeof part);
    }
    buf_add(&run.entries, &heavy, sizeof heavy);
    divide(&plain);
    divide(&run);
    size_t leaves = 0;
    size_t nodes[5] = {0};
    for (size_t i = 0; i < run_node_count(&run); i++) {
        const struct run_node *node = &run_nodes(&run)[i];
        if (!node->is_part) {
            leaves += node->is_leaf;
            continue;
        }
        CHECK_EQ(run_entries(&run)[node->first_entry].part_count, 9);
        CHECK_EQ(node->is_leaf, node->entry_count == 1);
        CHECK_EQ(node->feature_count, node->part_depth == 0);
        CHECK(node->part_depth == 0 || run_nodes(&run)[node->parent].part_depth < node->part_depth);
        CHECK(!node->is_leaf || node->figures_offset == node->part);
        nodes[node->part_depth]++;
    }
    /* The whole; quarters; leaves at 3; the halved one's at 4. */
    CHECK_EQ(nodes[0], 1);
    CHECK_EQ(nodes[1], 0);
    CHECK_EQ(nodes[2], 4);
    CHECK_EQ(nodes[3], 7);
    CHECK_EQ(nodes[4], 2);
    for (size_t i = 0; i < run_node_count(&plain); i++) {
        leaves -= run_nodes(&plain)[i].is_leaf;
    }
    CHECK_EQ(leaves, 0);
    CHECK_EQ(run_nodes(&run)[run_node_count(&run) - 1].feature_count, 1001);
    stop(&plain);
    stop(&run);
}

CHECK_MAIN(CHECK_TEST(partition_run__puts_each_feature_into_one_leaf),
           CHECK_TEST(partition_run__knows_the_antimeridian),
           CHECK_TEST(partition_run__does_not_move_what_did_not_change),
           CHECK_TEST(partition_run__makes_one_tile_of_what_fits_into_one),
           CHECK_TEST(partition_run__joins_light_quarters),
           CHECK_TEST(partition_run__joins_light_quarters),
           CHECK_TEST(partition_run__gives_wide_features_a_leaf_of_their_own),
           CHECK_TEST(partition_run__gives_a_split_feature_a_tree_of_its_own),
           CHECK_TEST(partition_run__ends_with_everything_at_one_place))
