/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_GLB_INTERNAL_H
#define FORMATS_GLB_INTERNAL_H

/*
 * glb_internal.h - what the files of the glb writer share: glb.c lays geometry
 * and the file out, glb_table.c the property table, glb_print.c the JSON.
 */

#include "formats/draco.h"
#include "formats/glb.h"

/* Draco's names for the streams serve for all. */
enum {
    POSITION = DRACO_POSITION,
    NORMAL = DRACO_NORMAL,
    COLOR = DRACO_COLOR,
    UV = DRACO_UV,
    ROW = DRACO_ROW,
    STREAMS = DRACO_STREAMS
};
enum { NONE = -1 };

struct glb_view {
    size_t offset, size;
    int stride; /* 0: not written */
    int target; /* 0: not written */
};

struct glb_accessor {
    int view; /* NONE: Draco has the data */
    int component;
    bool is_normalized;
    uint32_t count;
    const char *type;
    bool has_bounds;
    float min[3], max[3];
};

struct glb_primitive {
    int accessor[STREAMS]; /* or NONE */
    int indices;
    int draco_view; /* or NONE */
    int draco_id[STREAMS];
    uint32_t feature_count; /* distinct rows */
    uint32_t material;
};

/* Views of one property of the schema; values NONE: not of the table's class. */
struct glb_column {
    int values, offsets;
    int offset_bytes; /* 0: no offsets */
};

struct glb_writer {
    const struct mesh_tile *tile;
    const struct glb_options *options;
    struct arena *scratch;
    struct err *err;
    struct buf bin, json;
    struct glb_view *views;
    int view_count;
    struct glb_accessor *accessors;
    int accessor_count;
    struct glb_primitive *primitives;
    size_t primitive_count;
    struct glb_column *columns;
    int *image_views;
    bool has_features; /* rows are written */
    bool are_rows_float;
    double step_m;
    struct glb_summary summary;
};

/* From `start` to the end of what is in the buffer; its number. */
int glb_add_view(struct glb_writer *w, size_t start, int stride, int target);

/* The same of bytes that are added, at a multiple of `align`. */
int glb_add_bytes(struct glb_writer *w, size_t align, const void *bytes, size_t size, int stride,
                  int target);

bool glb_has_table(const struct glb_writer *w);
ERR_CHECKED bool glb_add_columns(struct glb_writer *w);
void glb_print_table(struct glb_writer *w);

/* Pictures, into the buffer. */
ERR_CHECKED bool glb_add_images(struct glb_writer *w);
void glb_print_json(struct glb_writer *w);

#endif
