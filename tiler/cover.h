/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_COVER_H
#define TILER_COVER_H

/*
 * cover.h - which texels of a part of an image some face shows.
 *
 * Atlases of the source have black, or another house, beside what a face shows.
 * What no face touches is left out of means and coloured from its neighbours,
 * so that it does not darken edges from afar.
 *
 * Frame    pixels of an image, rows from the top
 */

#include "formats/base/arena.h"

struct cover {
    int64_t x0, y0; /* of the first texel */
    uint32_t width, height;
    uint8_t *texels; /* width x height: 1 when it is shown */
};

/* Nothing is shown yet. Memory in `scratch`. */
ERR_CHECKED bool cover_open(struct cover *cover, int64_t x0, int64_t y0, uint32_t width,
                            uint32_t height, struct arena *scratch, struct err *err);

/* Marks every texel that the triangle touches. Shapes: xy 3 x 2. */
void cover_triangle(struct cover *cover, const double *xy);

/* Whether everything is shown. */
bool cover_is_whole(const struct cover *cover);

static inline bool cover_has(const struct cover *cover, int64_t x, int64_t y)
{
    const int64_t column = x - cover->x0;
    const int64_t row = y - cover->y0;
    return column >= 0 && row >= 0 && column < cover->width && row < cover->height &&
           cover->texels[(size_t)row * cover->width + (size_t)column] != 0;
}

#endif
