/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_GLB_INTERNAL_H
#define FORMATS_GLB_INTERNAL_H

/*
 * glb_internal.h - what the files of the glb writer share: glb.c lays geometry
 * and the file out, glb_meshopt.c packs geometry, glb_table.c is the property
 * table, glb_print.c the JSON.
 */

#include "formats/draco.h"
#include "formats/glb.h"
#include "formats/meshopt.h"

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

/* glTF's numbers for what is in a buffer. */
enum { GL_BYTE = 5120, GL_UNSIGNED_SHORT = 5123, GL_UNSIGNED_INT = 5125, GL_FLOAT = 5126 };
enum { GL_ARRAY_BUFFER = 34962, GL_ELEMENT_ARRAY_BUFFER = 34963 };

struct glb_view {
    size_t offset, size; /* in the binary chunk */
    int stride;          /* 0: not written */
    int target;          /* 0: not written */
    /* Packed: `size` bytes in the chunk, plain.count elements when unpacked, at
     * unpacked_offset of a second buffer that is nowhere. */
    bool is_packed;
    struct meshopt_view plain;
    size_t unpacked_offset;
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
    size_t unpacked_bytes; /* of all packed views */
    struct glb_summary summary;
};

/* A mesh as it is written: y up, on the grid, checked. */
struct glb_turned {
    uint32_t vertex_count, index_count;
    float *positions, *normals, *uvs;
    float uv_step;
};

/* From `start` to the end of what is in the buffer; its number. */
int glb_add_view(struct glb_writer *w, size_t start, int stride, int target);

/* The same of bytes that are added, at a multiple of `align`. */
int glb_add_bytes(struct glb_writer *w, size_t align, const void *bytes, size_t size, int stride,
                  int target);

int glb_add_accessor(struct glb_writer *w, struct glb_accessor accessor);

/* An accessor of positions whose bounds hold nothing yet; a point into them; and
 * they into the tile's box. */
struct glb_accessor glb_position_accessor(void);
void glb_add_bounds(const float *position, struct glb_accessor *bounds);
void glb_add_box(struct glb_writer *w, const struct glb_accessor *bounds);

/* Accessors of the streams other than positions; views are filled in by those
 * who have them. */
void glb_add_streams(struct glb_writer *w, const struct mesh *mesh, uint32_t count,
                     struct glb_primitive *into);

/* True when quantization left the triangle of these corners no area to draw:
 * two of them are one. */
bool glb_is_collapsed(const struct glb_turned *turned, const uint32_t corners[3]);

/* A primitive packed by meshopt. */
ERR_CHECKED bool glb_add_meshopt(struct glb_writer *w, const struct mesh *mesh,
                                 const struct glb_turned *turned, struct glb_primitive *into);

bool glb_has_table(const struct glb_writer *w);
ERR_CHECKED bool glb_add_columns(struct glb_writer *w);
void glb_print_table(struct glb_writer *w);

/* Pictures, into the buffer. */
ERR_CHECKED bool glb_add_images(struct glb_writer *w);
void glb_print_json(struct glb_writer *w);

#endif
