/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_TILE_WRITE_H
#define TILER_TILE_WRITE_H

/*
 * tile_write.h - chosen pieces of features to the bytes of one tile.
 *
 * All pieces go into a few meshes, one draw call each: one-sided, two-sided, and
 * blended, with a colour for each vertex; the same for each page of pictures.
 * Colours that come from photographs are drawn unlit, on a page where there is
 * one. Each face has vertices of its own, so that it is flat.
 */

#include "formats/glb.h"
#include "tiler/atlas.h"
#include "tiler/piece.h"
#include "tiler/record.h"

struct tile_item {
    const struct figure *figure;
    const struct piece *piece;
    const struct record *record; /* at the leaves: its attributes; else NULL */
};

struct tile_request {
    const struct tile_item *items;
    size_t item_count;
    struct vec3 origin_ecef_m; /* the tile's frame stands here, z up */
    double position_step_m;
    bool is_far; /* above the leaves: normals in fewer bits */
    enum glb_compression compression;
    bool is_version_1_0;
    const struct property_schema *schema;
    const uint32_t *property_of_key; /* dictionary.h */
    struct images *images;           /* NULL: faces have their colours */
    double texel_m;                  /* of its pictures; 0: as fine as the images are */
    enum atlas_format texture_format;
};

struct tile_result {
    struct obb box_tile_m; /* tight, turned about z; holds the decoded positions */
    bool is_empty;         /* nothing to draw: the box is a point */
    double position_error_m;
    uint32_t triangle_count;
};

/*
 * Appends the tile's bytes (glb, or b3dm for 1.0).
 *
 * Memory   tile holds intermediate arrays; scratch is marked and reset
 * Errors   those of glb_write() and b3dm_write()
 */
ERR_CHECKED bool tile_write(const struct tile_request *request, struct arena *tile,
                            struct arena *scratch, struct buf *out, struct tile_result *out_result,
                            struct err *err);

#endif
