/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_PREVIEW_H
#define TILER_PREVIEW_H

/*
 * preview.h - `storey preview`: pictures of a package, what a viewer loads for
 * them, and how far they are from full detail.
 */

#include "formats/base/buf.h"
#include "tiler/difference.h"
#include "tiler/viewpoint.h"

enum { PREVIEW_SSE_MAX = 16 };

struct preview_options {
    const char *path;           /* package, folder, archive or tileset.json */
    const char *output;         /* .png; NULL: no picture is kept */
    const char *against;        /* "full", or another package whose full detail is compared with and
                                   whose grid is used; NULL: nothing is compared */
    const char *look;           /* "lon,lat,height,heading,pitch" in degrees and metres, or NULL */
    const char *const *cameras; /* names of the grid: "far", "far-1", "all", ... */
    size_t
        camera_count; /* 0 without look: all when comparing, else the whole city from the south */
    double sse_px[PREVIEW_SSE_MAX]; /* 0: full detail */
    size_t sse_count;               /* >= 1 */
    int width_px, height_px;
    int samples;         /* a side of a pixel */
    size_t switch_count; /* tiles that are compared with their children, spread over the tree */
    bool is_json;
};

/*
 * Chooses, draws, compares; appends what came of it to `out` as text or one JSON
 * object. Pictures are written whole or not at all: to `output` itself when there
 * is one camera and one error and nothing is compared; else NAME.png becomes
 * NAME-far-1-16.png and so on, with NAME-far-1-full.png and, the brighter the
 * more different, NAME-far-1-16-flip.png.
 *
 * Without an output and a comparison nothing is drawn: `out` tells what a viewer
 * would load. Each file is listed in the JSON.
 *
 * Errors   ERR_SYNTAX  a camera that cannot be read, or that the grid has not
 *          those of scene_open(), scene_choose(), picture_draw(), io_write_file()
 */
ERR_CHECKED bool preview_run(const struct preview_options *options, struct arena *run,
                             struct buf *out, struct err *err);

#endif
