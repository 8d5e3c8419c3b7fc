/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_CHART_H
#define TILER_CHART_H

/*
 * chart.h - which parts of which images a tile shows, and how fine.
 *
 * Each face with an image covers a rectangle of it. Rectangles that overlap or
 * lie close become one chart, so that a facade cut into many faces, a window
 * used a hundred times or a photogrammetric atlas is stored once, and without
 * what nobody sees of it.
 *
 * Faces whose coordinates leave the image are moved back into it where they
 * span no more than its width; a part that crosses the border is unrolled (the
 * chart then repeats what the image would). Where that would take several times
 * the image, it is kept whole on a page that repeats.
 *
 * A chart has a texel for each of the source's, or fewer where the tile's are
 * coarser. One of less than 4 x 4 is not stored: its faces have their colours.
 *
 * Frame    texels of the source, rows from the top; 0, 0 is the image's corner
 */

#include "formats/base/arena.h"
#include "formats/mesh.h"
#include "tiler/images.h"
#include "tiler/piece.h"

struct chart {
    int32_t image;
    uint32_t order; /* of the image, by its digest: does not depend on threads */
    uint32_t image_width, image_height;
    enum mesh_wrap wrap;
    enum mesh_alpha alpha;
    bool is_repeat;         /* a page of its own */
    int64_t x0, y0, x1, y1; /* of the source */
    double wanted, granted; /* source texels, and what of them the tile has use for */
    uint32_t width, height; /* on the page; 0: not stored */
    int32_t page;           /* where it went: atlas.h */
    uint32_t x, y;
};

#define CHART_NONE UINT32_MAX

/* A face that has an image. */
struct chart_spot {
    uint32_t piece, face;
    uint32_t chart;  /* or CHART_NONE */
    double shift[2]; /* to be added to its u and v */
};

struct chart_list {
    struct chart_spot *spots;
    size_t spot_count;
    struct chart *charts;
    size_t chart_count;
};

struct chart_options {
    double texel_m;    /* of the tile; 0: as the source */
    uint32_t side_max; /* of a chart */
    bool is_opaque;    /* alpha is not wanted */
};

/* Source texels that a texel of the chart stands for, 1 or more. */
double chart_scale(const struct chart *chart);

/* Memory: *out in `tile`; scratch is marked and reset. ERR_LIMIT from either. */
ERR_CHECKED bool chart_list_make(const struct piece *const *pieces, size_t piece_count,
                                 struct images *images, const struct chart_options *options,
                                 struct arena *tile, struct arena *scratch, struct chart_list *out,
                                 struct err *err);

#endif
