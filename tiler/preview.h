/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_PREVIEW_H
#define TILER_PREVIEW_H

/*
 * preview.h - `storey preview`: a picture of a package.
 */

#include "tiler/scene.h"

struct preview_options {
    const char *path;   /* package, folder, archive or tileset.json */
    const char *output; /* .png */
    const char *look;   /* "lon,lat,height,heading,pitch" in degrees and metres, or NULL: the whole
                           city from the south, 35 degrees down */
    double sse_px;      /* 0: full detail */
    int width_px, height_px;
    int samples; /* a side of a pixel; 0: 2 */
};

/*
 * Draws and writes the picture, whole or not at all.
 *
 * Errors   ERR_SYNTAX  a camera that cannot be read
 *          those of scene_open(), scene_show(), io_write_file()
 */
ERR_CHECKED bool preview_run(const struct preview_options *options, struct arena *run,
                             struct scene_drawn *out, struct err *err);

#endif
