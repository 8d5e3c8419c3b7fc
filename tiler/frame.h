/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_FRAME_H
#define TILER_FRAME_H

/*
 * frame.h - textures that end: a border of one texel around their image.
 *
 * Beyond the edges of such a texture there is one colour (WRAP_BORDER). glTF
 * has no word for that, so the image gets a frame of that colour, is held at its
 * edges like any other that does not repeat, and coordinates are moved inward by
 * the width of the frame:
 *
 *     .-----------.     u' = (u * width + 1) / (width + 2)
 *     | .-------. |
 *     | | image | |     what lies beyond the frame has its colour
 *     | '-------' |
 *     '-----------'
 *
 * The record keeps the word WRAP_BORDER; its coordinates are those of the framed
 * image once frame_record() has seen it.
 */

#include "tiler/images.h"
#include "tiler/record.h"

/*
 * Moves the coordinates of the surfaces whose texture ends and can be used.
 *
 * Memory   new coordinates in `tile`
 * Errors   ERR_NOMEM, ERR_LIMIT
 */
ERR_CHECKED bool frame_record(struct record *record, struct images *images, const char *source_path,
                              struct arena *tile, struct err *err);

/* The image of a texture, with its frame where the texture ends; IMAGES_NONE
 * when it cannot be used. */
ERR_CHECKED bool frame_find(struct images *images, uint32_t source, const char *source_path,
                            const struct feature_texture *texture, int32_t *out, struct err *err);

#endif
