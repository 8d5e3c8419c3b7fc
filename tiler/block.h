/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_BLOCK_H
#define TILER_BLOCK_H

/*
 * block.h - a building as prisms with flat tops: what is drawn from afar.
 *
 * One prism over the simplified footprint, or, where roofs lie at clearly
 * different heights, a cake of layers: the plan of everything up to the lowest
 * roof, on it the plan of what is higher, and so on.
 *
 *                 ┌──┐                layer 2: the plan of the tower
 *            ┌────┘  └─┐              layer 1: the plan of podium and tower
 *        ────┴─────────┴────
 *
 * So a tower on a podium does not become one fat block, and no wall stands
 * inside. Walls and roofs, no floor.
 *
 * The top of a layer makes the largest distance between block and roof least:
 * for a gable of rise r and slope t above its eave, eave + r / (1 + cos t),
 * where the error is r cos t / (1 + cos t). The edge collapse that meshes are
 * simplified with cannot make blocks: it only reuses old vertices.
 *
 * Threads  no state
 */

#include "tiler/ring.h"
#include "tiler/shape.h"

struct block_options {
    double tolerance_m; /* how far an edge of the plan may move */
    double step_m;      /* roofs that differ by more stand on layers of their own; 0: one prism */
};

enum { BLOCK_LAYERS_MAX = 16 };

/*
 * Makes a block of a shape. Faces are SURFACE_ROOF (one a layer) and
 * SURFACE_WALL (one an edge); their material is the one that has most area
 * among the faces of that kind in `full`; no textures. The error is not known
 * from making it: measure it with deviation.h.
 *
 * Memory   *out lives in out_arena; scratch is marked and reset
 * Errors   ERR_GEOMETRY  no plan with an area, or no height: a block would be
 *                        nothing (a wall, a wire, a plaza)
 */
ERR_CHECKED bool block_make(const struct shape *full, const struct block_options *options,
                            struct arena *out_arena, struct arena *scratch, struct shape *out,
                            struct err *err);

/* A layer as it was stacked: everything below its top, over all of its plan. */
struct block_layer {
    struct ring_set plan;
    double top_m;
};

struct block {
    struct shape shape;
    const struct block_layer *layers; /* the lowest first */
    uint32_t layer_count;
    double base_m;
};

/* The same, with what it was stacked from. */
ERR_CHECKED bool block_make_layers(const struct shape *full, const struct block_options *options,
                                   struct arena *out_arena, struct arena *scratch,
                                   struct block *out, struct err *err);

#endif
