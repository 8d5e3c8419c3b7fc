/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_ATLAS_H
#define TILER_ATLAS_H

/*
 * atlas.h - the pictures of a tile on as few pages as they need, so that the
 * tile is drawn in a few calls.
 *
 * Charts (chart.h) are cut out of the source images, brought to the tile's
 * texels in linear light, and packed. Around each, its edge texels are repeated
 * 4 times, so that filtering and small mip maps see nothing of a neighbour.
 * Opaque charts and those with cut-out or blended alpha go to different pages.
 *
 * The same pieces and images give the same bytes, whatever the threads.
 */

#include "formats/mesh.h"
#include "tiler/images.h"
#include "tiler/piece.h"

enum atlas_format {
    ATLAS_AUTO, /* JPEG, and PNG for pages with alpha */
    ATLAS_JPEG, /* alpha is left out */
    ATLAS_PNG,
    ATLAS_WEBP
};

enum { ATLAS_SIDE_MAX = 4096 }; /* of a page: what every WebGL 2 device takes */

struct atlas_request {
    const struct piece *const *pieces;
    size_t piece_count;
    struct images *images;
    double texel_m; /* of the tile; 0: as fine as the images are */
    enum atlas_format format;
};

#define ATLAS_COLOR (-1)

/* Where a face's picture is: page coordinates (v grows downward, glTF) are
 * scale x the piece's + shift. */
struct atlas_place {
    int32_t page; /* ATLAS_COLOR: the face is its colour */
    double scale[2];
    double shift[2];
};

struct atlas_page {
    struct mesh_image image;
    enum mesh_wrap wrap;
    enum mesh_alpha alpha;
};

struct atlas {
    const size_t *first_place;        /* per piece: into places, for its first face */
    const struct atlas_place *places; /* per face of each piece */
    const struct atlas_page *pages;
    size_t page_count;
    /* A white spot on an opaque page, so that faces of one colour are drawn with
     * it; page ATLAS_COLOR: there is none. */
    struct atlas_place white;
};

/*
 * Memory   *out in `tile`; scratch is marked and reset, and holds one page
 * Errors   ERR_LIMIT, ERR_NOMEM
 */
ERR_CHECKED bool atlas_make(const struct atlas_request *request, struct arena *tile,
                            struct arena *scratch, struct atlas *out, struct err *err);

#endif
