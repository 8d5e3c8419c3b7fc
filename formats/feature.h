/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_FEATURE_H
#define FORMATS_FEATURE_H

/*
 * feature.h - the hub for input: one city object, as every reader yields it.
 *
 * A reader fills one struct feature at a time, in the arena it is lent, and
 * forgets it. Geometry is polygons, not triangles: rings of corners into one
 * vertex array that all levels of detail of the feature share.
 *
 *     vertices  x y z | x y z | x y z | ...            source CRS, as published
 *                 ^       ^
 *     corners   [ 0       1      5   4 ]  [ 7 8 9 ]     indices of vertices
 *               '---- ring 0 ----------'  '-ring 1-'
 *     surface     first_ring = 0, ring_count = 2        outer ring, then holes
 *     lod         first_surface .. + surface_count
 *
 * Rings do not repeat their first corner at the end. Outer rings are
 * anticlockwise seen from outside where the source is right; nothing here
 * promises that it is.
 *
 * Memory   everything lives in the arena the reader was lent, until that is
 *          reset; empty arrays may be NULL
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/base/bytes.h"

enum feature_value_type {
    FEATURE_NULL,
    FEATURE_BOOL,
    FEATURE_INT,
    FEATURE_REAL, /* always finite */
    FEATURE_TEXT, /* UTF-8 */
    FEATURE_JSON  /* an object or array of the source, as compact JSON text */
};

struct feature_value {
    enum feature_value_type type;
    bool boolean;
    int64_t integer;
    double real;
    struct text text;
};

struct feature_attribute {
    struct text key; /* as the source spells it; unique within the feature */
    struct feature_value value;
};

/* What a surface is to its building. One word each for every format. */
enum feature_surface {
    SURFACE_UNKNOWN,
    SURFACE_ROOF,
    SURFACE_WALL,
    SURFACE_GROUND,
    SURFACE_CLOSURE,
    SURFACE_OUTER_CEILING,
    SURFACE_OUTER_FLOOR,
    SURFACE_WINDOW,
    SURFACE_DOOR,
    SURFACE_INTERIOR_WALL,
    SURFACE_CEILING,
    SURFACE_FLOOR,
    SURFACE_WATER,
    SURFACE_WATER_GROUND,
    SURFACE_TRAFFIC,
    SURFACE_AUXILIARY_TRAFFIC,
    SURFACE_INSTALLATION,
    SURFACE_KIND_COUNT
};

/* Colours are sRGB, 0 to 1, as sources give them. */
struct feature_material {
    struct text name; /* may be empty */
    float diffuse[3];
    float emissive[3];
    float specular[3];
    float alpha;     /* 1 opaque, 0 invisible */
    float shininess; /* 0 to 1 */
};

enum feature_wrap { WRAP_NONE, WRAP_REPEAT, WRAP_MIRROR, WRAP_CLAMP, WRAP_BORDER };

struct feature_texture {
    struct text image; /* as the source writes it, relative to the source file */
    enum feature_wrap wrap;
    float border[4]; /* sRGB and alpha, for WRAP_BORDER */
};

struct feature_ring {
    uint32_t first_corner;
    uint32_t corner_count;
};

enum { FEATURE_NONE = -1 };

struct feature_polygon {
    uint32_t first_ring;
    uint32_t ring_count; /* the outer ring, then its holes */
    int32_t material;    /* index into materials, or FEATURE_NONE */
    int32_t texture;     /* index into textures, or FEATURE_NONE */
    int32_t shell;       /* index into shells, or FEATURE_NONE: a bare surface */
    enum feature_surface kind;
};

/* A closed surface of a solid. Polygons of one shell share its index, and lie
 * next to each other. */
struct feature_shell {
    bool is_inner; /* bounds a void inside its solid, and faces into the void */
};

/* The polygons of one level of detail. */
struct feature_lod {
    double level; /* 0 to 4, with fractions such as 2.2; -1 when not stated */
    uint32_t first_polygon;
    uint32_t polygon_count;
};

struct feature {
    struct text id;        /* as published; never empty */
    struct text parent_id; /* empty for a top-level object */
    struct text root_id;   /* the top-level object above it; its own id when it is one */
    struct text kind;      /* the CityGML class name: "Building", "+Noise", ... */
    struct text name;      /* empty when the source has none */
    struct text crs;       /* empty: that of its source */

    const struct feature_attribute *attributes;
    size_t attribute_count;
    /* Those of its ancestors, nearest first, without keys that it has itself:
     * a part answers for its building. */
    const struct feature_attribute *inherited;
    size_t inherited_count;
    /* The finest level that any part below it carries; -1 without parts or
     * when they have no geometry. A building's own outline of level 0 is not
     * drawn where its parts stand in level 2. */
    double parts_level;

    const double *vertices; /* vertex_count x 3, source CRS, all finite */
    size_t vertex_count;
    const uint32_t *corners; /* corner_count, each < vertex_count */
    const float *uvs;        /* corner_count x 2, or NULL; v grows upward */
    size_t corner_count;
    const struct feature_ring *rings;
    size_t ring_count;
    const struct feature_polygon *polygons;
    size_t polygon_count;
    const struct feature_shell *shells;
    size_t shell_count;
    const struct feature_lod *lods; /* coarsest first, by level */
    size_t lod_count;
    const struct feature_material *materials; /* those that this feature uses */
    size_t material_count;
    const struct feature_texture *textures; /* those that this feature uses */
    size_t texture_count;

    uint32_t line; /* where the feature begins in its source; 0 unknown */
};

/* "RoofSurface" and its sisters of CityGML and CityJSON; SURFACE_UNKNOWN for
 * any other word. */
enum feature_surface feature_surface_of(struct text word);

/* The CityGML word; "" for SURFACE_UNKNOWN. */
const char *feature_surface_name(enum feature_surface kind);

/*
 * The declared classes: every one of CityGML 1.0 to 3.0 and of CityJSON, whether
 * a file has it or not. Extensions have others.
 */
extern const char *const feature_classes[];
extern const size_t feature_class_count;

#endif
