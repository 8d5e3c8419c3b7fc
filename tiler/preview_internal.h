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

/* A tile against its children at the distance where they take its place. */
struct preview_switch {
    struct text name;
    double error_m, distance_m;
    size_t child_count;
    struct difference difference; /* the children are the reference */
};

/* Measures a sample of the switches and prints them. */
ERR_CHECKED bool preview_switches(const struct preview_options *options, struct scene *scene,
                                  struct arena *arena, struct arena *scratch, struct buf *out,
                                  struct err *err);
void preview_print_switches(const struct preview_options *options,
                            const struct preview_switch *switches, size_t count, size_t all_count,
                            struct buf *out);

/* What preview_sum() does, for a tree with nothing above its leaves, which the choice at error 0
 * is taken for: its leaves, and every tileset and schema. No sibling is loaded
 * there, because no parent waits for one. */
void preview_sum_leaves(struct preview_view *view);

void preview_print_head(const struct preview_options *options, struct buf *out);

/* `leaves` is what a viewer would load of full detail, see preview_sum_leaves(). */
void preview_print_shot(const struct preview_options *options, const struct viewpoint *viewpoint,
                        const struct preview_view *views, const struct preview_view *leaves,
                        struct buf *out);
void preview_print_tail(const struct preview_options *options, struct buf *out);

#endif
