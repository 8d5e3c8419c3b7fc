/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_BUILD_INTERNAL_H
#define TILER_BUILD_INTERNAL_H

/*
 * build_internal.h - what build.c (the run and its tree), build_leaf.c and
 * build_parent.c (one tile each), and build_tile.c (writing it) share.
 */

#include "tiler/build.h"
#include "tiler/jobs.h"
#include "tiler/tile_write.h"

/* What a tile is made of, whether leaf or parent. */
struct build_content {
    struct tile_item *items;
    size_t item_count;
    double error_m;  /* stated, at least that of the children */
    double proven_m; /* ... and proven */
};

/* Where the node's time is kept; NULL without --stats. */
static inline struct spent *build_spent(const struct run *run, struct run_node *node)
{
    return run->options->has_stats ? &node->spent : NULL;
}

/* The content's bytes; box and error of the node: that of what it shows, with
 * the quantization. */
ERR_CHECKED bool build_tile_write(struct run *run, struct run_node *node,
                                  const struct build_content *content, struct jobs_worker *worker,
                                  struct buf *bytes, struct err *err);

/* Names the content, and adds it to the package. */
ERR_CHECKED bool build_tile_publish(struct run *run, struct run_node *node, struct span bytes,
                                    struct err *err);

/* Make a node's tile, publish it, and leave in worker->output what its parent
 * may show: figures_bytes of figures, then groups. `bytes` is a buffer to write in. */
ERR_CHECKED bool build_leaf(struct run *run, struct run_node *node, struct jobs_worker *worker,
                            struct buf *bytes, struct err *err);
ERR_CHECKED bool build_parent(struct run *run, struct run_node *node, struct jobs_worker *worker,
                              struct buf *bytes, struct err *err);

#endif
