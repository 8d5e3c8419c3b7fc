/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CITYJSON_INTERNAL_H
#define FORMATS_CITYJSON_INTERNAL_H

/*
 * cityjson_internal.h - what the files of the CityJSON reader share.
 *
 *     cityjson.c            documents and sequences, the reader's table
 *     cityjson_scan.c       the first pass over a document
 *     cityjson_links.c      whose part is whose, once all ids are known
 *     cityjson_feature.c    one city object becomes a feature
 *     cityjson_geometry.c   its geometries: boundaries, templates
 *     cityjson_values.c     values beside the boundaries; semantics
 *     cityjson_appearance.c materials, textures, themes
 *     cityjson_shape.c      what is being read, cleaned into a feature
 */

#include "formats/base/buf.h"
#include "formats/json.h"
#include "formats/reader.h"
#include "formats/spill.h"

#define CITYJSON_NONE UINT32_MAX

/* Where a value begins; cityjson_go() leads there. A spilled record. */
struct cityjson_place {
    uint64_t offset;
    uint64_t line_start;
    uint32_t line;
};

/* What the first pass knows of a city object. A spilled record. */
struct cityjson_object {
    struct cityjson_place place;
    uint64_t id_offset; /* of the raw string between its quotes */
    uint32_t id_bytes;
    uint32_t parent; /* index of an object, or CITYJSON_NONE */
    uint64_t id_hash;
    uint64_t parent_hashes[2]; /* the first two that it names; 0 none */
    double level;              /* its finest; -1 without geometry that is drawn */
    double parts_level;        /* as in struct feature */
    uint32_t template_index;   /* of the last GeometryInstance, or CITYJSON_NONE */
    bool id_has_escapes;
    bool is_part;     /* its type ends in "Part" */
    bool is_group;    /* a CityObjectGroup: nobody's parent here */
    bool is_orphaned; /* it names parents that are not there */
    bool is_cut;      /* its parents go in a circle */
};

/* A child that an object names. A spilled record. */
struct cityjson_child {
    uint64_t id_hash;
    uint32_t parent;
};

/* A slot of the table from ids to objects. */
struct cityjson_slot {
    uint32_t object_plus_1; /* 0: free */
    uint32_t tag;
};

/* A document, or a line of a sequence. */
struct cityjson_document {
    struct json start; /* before its first byte */
    bool is_feature;   /* a CityJSONFeature */
    bool has_objects;
    struct json_string version; /* raw.data NULL: none */
    struct json_string crs;
    struct json_string title;
    struct json_number epsg; /* of the old metadata.crs; raw.data NULL: none */

    bool has_transform;
    double scale[3];
    double translate[3];

    bool is_packed;        /* vertices are 3 x int32_t; else 3 x double */
    struct spill vertices; /* as written, before `transform` */
    struct spill objects;  /* struct cityjson_object */
    struct spill children; /* struct cityjson_child */
    uint64_t linked_count; /* objects that name parents */

    bool has_templates;
    struct spill templates;         /* struct cityjson_place */
    struct spill template_vertices; /* 3 x double */

    bool has_appearance;
    struct spill materials;            /* struct cityjson_place */
    struct spill textures;             /* struct cityjson_place */
    struct spill texture_vertices;     /* 2 x float */
    struct json_string material_theme; /* the default; raw.data NULL: none */
    struct json_string texture_theme;

    struct arena *source;
    struct cityjson_slot *slots; /* from hashes of ids; NULL: none yet */
    size_t slot_room;            /* allocated */
    size_t slot_count;           /* in use, a power of two */
};

/* A map from 32-bit keys to indices, emptied at no cost. */
struct cityjson_map {
    struct buf slots;
    uint32_t generation;
    size_t count;
};

/* The geometry of the feature being read. Buffers keep their memory from one
 * feature to the next. */
struct cityjson_shape {
    struct buf vertices; /* 3 x double */
    struct buf corners;  /* uint32_t into vertices */
    struct buf uvs;      /* 2 x float a corner; may be shorter: the rest has none */
    struct buf rings;
    struct buf polygons;
    struct buf shells;
    struct buf solids;
    struct buf geometries;
    struct buf kinds;     /* enum feature_surface of the semantic surfaces */
    struct buf indices;   /* scratch */
    struct buf materials; /* struct feature_material */
    struct buf textures;  /* struct feature_texture */
    struct cityjson_map vertex_map;
    struct cityjson_map material_map;
    struct cityjson_map texture_map;
};

/* What one parent gives to all its children; kept for the next child. */
struct cityjson_ancestry {
    struct arena memory;
    uint32_t parent; /* CITYJSON_NONE: empty */
    struct text parent_id;
    struct text root_id;
    struct feature_attribute *attributes; /* nearest ancestor first, unique keys */
    size_t attribute_count;
};

struct cityjson {
    struct reader_input input;
    struct cityjson_document header; /* the document, or the first line */
    struct cityjson_document line;   /* the current further line of a sequence */
    struct cityjson_document *current;
    bool is_sequence;
    bool is_broken;
    bool is_quiet; /* an ancestor is read again: it has been reported on */
    const uint8_t *next_line;
    uint32_t next_line_number;
    uint64_t next_object;
    const uint8_t *place; /* of the last object that was read; NULL: none yet */
    const uint8_t *kept;  /* pages before it have been given back */
    struct cityjson_shape shape;
    struct buf attributes; /* struct feature_attribute; scratch */
    struct cityjson_ancestry ancestry;
};

/* A scanner that stands at a place of the document. */
struct json cityjson_go(const struct cityjson_document *document, struct cityjson_place place);
struct cityjson_place cityjson_place_of(const struct json *json);

/* ---- cityjson_scan.c ---- */

void cityjson_document_init(struct cityjson_document *document, struct arena *source,
                            const char *folder);
void cityjson_document_release(struct cityjson_document *document);

/*
 * The first pass: takes the document that `json` stands before and fills
 * *document anew.
 *
 * Errors   ERR_SYNTAX, ERR_SCHEMA, ERR_LIMIT  the document cannot be read at all
 *          ERR_IO  the temporary folder is full
 */
ERR_CHECKED bool cityjson_scan(struct cityjson_document *document, struct json *json,
                               struct err *err);

/* The level that a "lod" states, a string or a number; -1 when it is neither.
 * Takes the value. */
ERR_CHECKED bool cityjson_read_level(struct json *json, double *out, struct err *err);

/* Takes type, level and template of one geometry. */
ERR_CHECKED bool cityjson_scan_geometry(struct json *json, struct cityjson_object *object,
                                        struct err *err);

/* 64-bit hash of an id; never 0. */
uint64_t cityjson_hash(struct json_string id);

/* ---- cityjson_links.c ---- */

/* Finds the parents of all objects, cuts circles, and tells parents what level
 * their parts have. */
ERR_CHECKED bool cityjson_link_objects(struct cityjson_document *document, struct err *err);

/* ---- cityjson_feature.c ---- */

/* Reads object `index` of the current document. */
ERR_CHECKED bool cityjson_read_feature(struct cityjson *reader, uint64_t index,
                                       struct arena *feature, struct feature *out, struct err *err);

/* Reports something about the feature `id`, at the place where `json` stands. */
void cityjson_report(const struct cityjson *reader, const struct json *json, struct text id,
                     enum report_level level, const char *kind, const char *format, ...)
    ERR_PRINTF(6, 7);

/* The same of an error that knows its place already. */
void cityjson_report_err(const struct cityjson *reader, struct text id, enum report_level level,
                         const char *kind, struct err *what);

/* ---- cityjson_shape.c ---- */

void cityjson_shape_init(struct cityjson_shape *shape, size_t fail_after);
void cityjson_shape_release(struct cityjson_shape *shape);

/* ---- cityjson_geometry.c ---- */

/*
 * Reads the array of geometries that `json` stands before and fills the arrays
 * of *out, whose id is set.
 */
ERR_CHECKED bool cityjson_read_geometry(struct cityjson *reader, struct json *json,
                                        struct arena *feature, struct feature *out,
                                        struct err *err);

#endif
