/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_SHADE_H
#define TILER_SHADE_H

/*
 * shade.h - what the pictures on a feature make of its faces: which image, and
 * which one colour where there is no room for it.
 *
 * The colour of a face is the mean, in linear light, of the part of the picture
 * that lies on it. Versions that have no pictures (blocks, coarser levels of the
 * source) take theirs from the faces of full detail that look the same way: a
 * block's south wall has the colour of the south walls.
 *
 * Photographs carry the light they were taken in. Faces coloured by them are
 * drawn as they are, unlit, near and far, so that a building does not change
 * its brightness with its level of detail.
 *
 * A face that has lost its picture is wrong, though it stands where it should.
 * Where a tile's texels are so coarse that the face has 4 x 4 of them, its
 * colour does; the error at which they are is taken for that of the loss, less
 * where the picture had little contrast.
 */

#include "tiler/images.h"
#include "tiler/piece.h"
#include "tiler/record.h"
#include "tiler/shape.h"

struct shade;

/*
 * How many texels the pictures on a record's finest level bring to a tile: those
 * that lie on its faces, of each image no more than it has. One that many
 * features show is stored once for all that share a tile, so each has a part of
 * it.
 */
ERR_CHECKED bool shade_count_texels(const struct record *record, struct images *images,
                                    const char *source_path, struct arena *scratch, double *out,
                                    struct err *err);

/*
 * Looks at the pictures on a feature's full detail. *out is NULL when it has
 * none that can be used.
 *
 * texel_per_error  width of a tile's texels, in metres per metre of its error
 *
 * Demands  record and full outlive *out
 * Memory   *out in `tile`
 * Errors   ERR_NOMEM, ERR_LIMIT
 */
ERR_CHECKED bool shade_open(const struct record *record, const struct shape *full,
                            struct images *images, const char *source_path, double texel_per_error,
                            struct arena *tile, struct shade **out, struct err *err);

/*
 * Gives the faces of a version their images and colours, and the piece its
 * texture coordinates, what it costs in texels, and the error of lost pictures
 * where that is larger than its own. Faces that pictures say
 * nothing of stay as they are. Images of one colour become that colour.
 *
 * Demands  piece->faces == faces, made of `shape` one by one; `shade` not NULL
 */
ERR_CHECKED bool shade_piece(const struct shade *shade, const struct shape *shape,
                             struct arena *scratch, struct piece_face *faces, struct piece *piece,
                             struct err *err);

#endif
