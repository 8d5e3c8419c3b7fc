/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_PREVIEW_INTERNAL_H
#define TILER_PREVIEW_INTERNAL_H

/*
 * preview_internal.h - what came of one camera, and its printing.
 */

#include "tiler/preview.h"

/* A camera at one screen-space error. */
struct preview_view {
    double sse_px;
    struct scene_choice choice;
    struct scene_drawn drawn; /* features and triangles are 0 when nothing was drawn */
    struct difference difference;
    bool has_difference;
};

/* Requests, bytes and tiles from the choice alone. */
void preview_sum(struct preview_view *view);

void preview_print_head(const struct preview_options *options, struct buf *out);
void preview_print_shot(const struct preview_options *options, const struct viewpoint *viewpoint,
                        const struct preview_view *views, struct buf *out);
void preview_print_tail(const struct preview_options *options, struct buf *out);

#endif
