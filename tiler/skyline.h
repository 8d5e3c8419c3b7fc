/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_SKYLINE_H
#define TILER_SKYLINE_H

/*
 * skyline.h - packing rectangles into a page, one after the other.
 *
 * The upper outline of what is placed is kept as a list of steps; each rectangle
 * goes where its top comes out lowest, and of those farthest left.
 *
 *        ____
 *       |    |______
 *     __|    |      |        (rows count from the page's edge)
 *    |__|____|______|____
 *
 * Source   J. Jylaenki, "A Thousand Ways to Pack the Bin" (2010), Skyline
 *          Bottom-Left
 * Limits   sides of pages and rectangles below 2^16
 * Threads  no state
 */

#include "formats/base/arena.h"

struct skyline_step {
    uint32_t x, y, width;
};

struct skyline {
    uint32_t width, height; /* of the page */
    uint32_t used_height;
    struct skyline_step *steps;
    size_t step_count;
    size_t step_room;
};

/* An empty page; at most `count` rectangles will be placed. Memory in `scratch`. */
ERR_CHECKED bool skyline_init(struct skyline *page, uint32_t width, uint32_t height, size_t count,
                              struct arena *scratch, struct err *err);

/* False when there is no room; the page is then as before. */
bool skyline_place(struct skyline *page, uint32_t width, uint32_t height, uint32_t *out_x,
                   uint32_t *out_y);

#endif
