/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/build_internal.h"

/* Leaves are quantized to at most this; above them the step follows the error,
 * of which it adds less than a fiftieth. */
static const double LEAF_STEP_M = 1.0 / 128;
static const double STEP_PER_ERROR = 1.0 / 64;
/* ... and never more than this: a street that moves by metres sinks into the
 * ground that a viewer draws. */
static const double STEP_MAX_M = 0.25;

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

bool build_tile_write(struct run *run, struct run_node *node, const struct build_content *content,
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
    node->proven_m = content->proven_m + result.position_error_m;
    node->triangle_count = result.triangle_count;
    node->shown_count = (uint32_t)content->item_count;
    node->content_bytes = bytes->size;
    return true;
}

bool build_tile_publish(struct run *run, struct run_node *node, struct span bytes, struct err *err)
{
    name_content(run, node, bytes);
    return publish_add_file(run->publish, node->content, bytes, err);
}
