/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_PIECE_H
#define TILER_PIECE_H

/*
 * piece.h - what one feature can look like in a tile: a version of its shape,
 * painted, with what it costs and how wrong it is.
 *
 * A feature's pieces are a chain from fine to coarse: bytes fall, error rises.
 * After the last comes "not there", which costs nothing and is wrong by the
 * feature's own size. A node of the tree picks one piece of each feature that
 * its children showed, and hands on those that are coarser.
 *
 * Frame    the feature's own: metres, z up at origin_ecef_m
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/vec.h"
#include "formats/feature.h"
#include "tiler/mass.h"
#include "tiler/paint.h"

#define PIECE_NO_IMAGE (-1)

struct piece_face {
    struct vec3f normal;
    struct paint paint; /* of a face with an image: the mean colour of its part */
    int32_t image;      /* of the run's images, or PIECE_NO_IMAGE */
    uint8_t wrap;       /* enum mesh_wrap, for the image */
    uint8_t alpha;      /* enum mesh_alpha, of the part that is seen */
    uint8_t is_unlit;   /* 1: a photograph's colours, which carry their light */
    uint8_t reserved;
};

struct piece {
    double error_m;    /* certified two-sided distance to full detail; more where
                          pictures are lost: shade.h */
    uint32_t bytes;    /* what it is expected to cost in a tile */
    bool is_one_sided; /* its triangles are known to face outward */
    uint32_t point_count;
    uint32_t triangle_count;
    uint32_t face_count;
    const struct vec3 *points;
    const uint32_t *corners;        /* triangle_count x 3 */
    const uint32_t *triangle_faces; /* per triangle */
    const struct piece_face *faces;
    const uint8_t *borders; /* per point, of a part of a feature: split.h; NULL: whole */
    const float *uvs;       /* triangle_count x 3 x 2, v grows upward; NULL: no face has an image */
    double image_area_m2;   /* of the faces that have an image */
    double image_texels;    /* of the images' texels, those that lie on these faces */
};

/* An attribute that far tiles have too; not null. */
struct figure_value {
    uint32_t property; /* of the run's schema */
    struct feature_value value;
};

/* A feature on its way up the tree. */
struct figure {
    struct text id;
    struct text class_name;
    struct text name;
    struct text parent_id;
    const struct figure_value *values;
    uint32_t value_count;
    double height_m;
    double dropped_error_m; /* of leaving it out: its diameter */
    struct vec3 origin_ecef_m;
    const struct piece *pieces; /* fine to coarse */
    size_t piece_count;         /* may be 0: can only be left out */
    const struct mass *masses;  /* what it is made of from far away; in plan x, y, heights are z */
    uint32_t mass_count;        /* 0: cannot be merged with others */
    uint64_t member_count;      /* features it stands for; 1 unless is_group */
    bool is_group;              /* group.h */
};

/* What a piece of so many triangles, faces and distinct points costs in a
 * compressed tile, in bytes: for choosing, not for accounting. */
uint32_t piece_estimate_bytes(uint32_t triangle_count, uint32_t face_count);

/* What so many texels of its images cost. */
uint64_t piece_image_bytes(double texels);

/* The same with its share of the tile's images, when a texel of those is at
 * least `texel_m` wide; 0: as fine as they come. */
uint64_t piece_bytes(const struct piece *piece, double texel_m);

/*
 * The finest texel worth storing in a tile of this geometric error: at the
 * distance where a viewer (16 pixels) puts its children in its place, a pixel
 * is as wide.
 */
double piece_texel_m(double geometric_error_m);

/* What its row of a property table above the leaves costs. */
uint32_t figure_row_bytes(const struct figure *figure);

/* Adds the figure with pieces from `first_piece` on; coordinates are kept as
 * floats (a feature 1 km across: 0.06 mm). */
void figure_write(const struct figure *figure, size_t first_piece, struct buf *out);

/*
 * Reads the next figure at *at, which moves behind it.
 *
 * Memory   *out points into `bytes` (aligned to 8) and into `arena`
 */
ERR_CHECKED bool figure_read(struct span bytes, size_t *at, struct arena *arena, struct figure *out,
                             struct err *err);

#endif
