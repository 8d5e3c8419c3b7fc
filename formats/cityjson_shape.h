/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CITYJSON_SHAPE_H
#define FORMATS_CITYJSON_SHAPE_H

/*
 * cityjson_shape.h - a feature's geometry while it is being read.
 *
 * Rings, polygons, shells and solids stand in buffers as the source has them,
 * so that semantics, materials and textures find their places by counting;
 * what is too short or repeats itself goes when the feature is finished.
 * For cityjson_*.c alone.
 */

#include "formats/cityjson_internal.h"

enum { CITYJSON_MATRIX_NUMBERS = 16 };

/* Ring, polygon, shell, solid and geometry as they are read; cleaned and
 * counted when the feature is finished. */
struct raw_ring {
    uint32_t first_corner;
    uint32_t corner_count;
    uint32_t line;
    uint32_t column;
};

struct raw_polygon {
    uint32_t first_ring;
    uint32_t ring_count;
    int32_t material;
    int32_t texture;
    int32_t shell;
    enum feature_surface kind;
};

struct raw_shell {
    uint32_t first_polygon;
    uint32_t polygon_count;
    bool is_inner;
};

struct raw_solid {
    uint32_t first_shell;
    uint32_t shell_count;
};

struct raw_geometry {
    double level;
    uint32_t order; /* as in the source: the sort keeps it among equals */
    uint32_t first_polygon;
    uint32_t polygon_count;
};

/* How deep the boundaries of a geometry type go. */
enum nesting { NESTING_NONE, NESTING_SURFACES, NESTING_SHELLS, NESTING_SOLIDS };

/* The geometry object that is being read. */
struct geometry {
    struct cityjson *reader;
    struct cityjson_document *document; /* whose vertices and appearance it uses */
    struct text id;
    bool is_template;
    double matrix[CITYJSON_MATRIX_NUMBERS]; /* of a template: row by row */
    double origin[3];

    enum nesting nesting;
    uint32_t first_polygon;
    uint32_t first_shell;
    uint32_t first_solid;
};

static inline uint32_t count_of(const struct buf *buf, size_t size)
{
    return (uint32_t)(buf->size / size);
}

static inline struct raw_ring *ring_at(struct cityjson_shape *shape, uint32_t index)
{
    return (struct raw_ring *)(void *)shape->rings.data + index;
}

static inline struct raw_polygon *polygon_at(struct cityjson_shape *shape, uint32_t index)
{
    return (struct raw_polygon *)(void *)shape->polygons.data + index;
}

static inline struct raw_shell *shell_at(struct cityjson_shape *shape, uint32_t index)
{
    return (struct raw_shell *)(void *)shape->shells.data + index;
}

static inline struct raw_solid *solid_at(struct cityjson_shape *shape, uint32_t index)
{
    return (struct raw_solid *)(void *)shape->solids.data + index;
}

static inline uint32_t *corner_at(struct cityjson_shape *shape, uint32_t index)
{
    return (uint32_t *)(void *)shape->corners.data + index;
}

static inline const double *vertex_at(const struct cityjson_shape *shape, uint32_t index)
{
    return (const double *)(const void *)shape->vertices.data + (size_t)3 * index;
}

static inline float *uv_at(struct cityjson_shape *shape, uint32_t corner)
{
    return (float *)(void *)shape->uvs.data + (size_t)2 * corner;
}

static inline bool shape_add(struct buf *buf, const void *record, size_t size, struct err *err)
{
    buf_add(buf, record, size);
    return buf->refusal == ERR_NONE || buf_finish(buf, err);
}

/* ---- cityjson_shape.c ---- */

struct map_slot {
    uint32_t key;
    uint32_t value;
    uint32_t generation;
};

void cityjson_map_reset(struct cityjson_map *map);

/* The slot of a key; *out_is_new when it was free, and the caller must set its
 * value. Valid until the next call. */
ERR_CHECKED bool cityjson_map_add(struct cityjson_map *map, uint32_t key, struct map_slot **out,
                                  bool *out_is_new, struct err *err);

void cityjson_shape_reset(struct cityjson_shape *shape);

/* Fills the arrays of *out, whose id is set, from the shape. */
ERR_CHECKED bool cityjson_shape_finish(struct cityjson *reader, struct arena *feature,
                                       struct feature *out, struct err *err);

/* ---- cityjson_values.c ---- */

/* What a walk over nested values does with the value of one polygon; it takes
 * the value. `context` is its own. */
typedef bool (*visit_fn)(const struct geometry *geometry, struct raw_polygon *polygon,
                         struct json *json, void *context, struct err *err);

struct walk {
    const struct geometry *geometry;
    visit_fn visit;
    void *context;
    const char *kind; /* for the report: "semantics", ... */
};

/* Visits all polygons of the geometry with their values. What does not fit the
 * boundaries is reported and left. */
ERR_CHECKED bool cityjson_walk(const struct walk *walk, struct json *json, struct err *err);

/* Reports something that the surfaces go without. */
void cityjson_repair(const struct geometry *geometry, const struct json *json, const char *kind,
                     const char *what);

/* An index, or FEATURE_NONE for null; false in *out_is_index when it is
 * something else, which has been passed over. */
ERR_CHECKED bool cityjson_read_index(struct json *json, int64_t *out, bool *out_is_index,
                                     struct err *err);

ERR_CHECKED bool cityjson_read_semantics(const struct geometry *geometry, struct json *json,
                                         struct err *err);

/* ---- cityjson_appearance.c ---- */

/* "material" or "texture" of a geometry: {theme: {"values": ...} or {"value": n}}. */
ERR_CHECKED bool cityjson_read_themes(const struct geometry *geometry, struct json *json,
                                      bool is_material, struct arena *feature, struct err *err);

#endif
