/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CITYGML_INTERNAL_H
#define FORMATS_CITYGML_INTERNAL_H

/*
 * citygml_internal.h - what the files of the CityGML reader share.
 *
 *     citygml.c             the reader's table: claim, open, next, close
 *     citygml_input.c       bytes pushed member by member; going on after a fault
 *     citygml_word.c        what an element's name means
 *     citygml_scan.c        elements become objects, properties, values
 *     citygml_member.c      what has been read of a member
 *     citygml_geometry.c    elements become surfaces, solids, rings
 *     citygml_value.c       values become attributes
 *     citygml_codelist.c    codes become text
 *     citygml_appearance.c  elements become materials, textures and their targets
 *     citygml_image.c       where georeferenced images lie
 *     citygml_dress.c       what each polygon wears, with texture coordinates
 *     citygml_target.c      who wears what: a sorted table that may be large
 *     citygml_link.c        xlinks, within the member or across the file
 *     citygml_feature.c     an object becomes a feature
 *     citygml_shape.c       its polygons, cleaned
 *     citygml_place.c       metres in systems of degrees: prototypes, backs
 *
 * A member of the model (a building with its parts, rooms, furniture) is read
 * whole into struct citygml_member, then yielded object by object.
 */

#include "formats/base/buf.h"
#include "formats/base/vec.h"
#include "formats/citygml.h"
#include "formats/citygml_word.h"
#include "formats/digest.h"
#include "formats/spill.h"
#include "formats/xml.h"

#define CITYGML_NONE UINT32_MAX

enum { CITYGML_MATRIX_NUMBERS = 16, CITYGML_GENERATION_NUMBERS = 8 };

/* ---- what a member is made of; indices into the arrays of citygml_member ---- */

/* A city object: it becomes a feature. */
struct citygml_object {
    struct text id;
    struct text kind;
    struct text name;
    uint32_t parent; /* index, or CITYGML_NONE */
    uint32_t line;
    uint32_t failure;    /* into failures, or CITYGML_NONE: it cannot be used */
    int8_t relief_level; /* of a relief component, which says it in an element; -1 */
    uint32_t first_root; /* its own roots are among first_root .. end_root - 1 */
    uint32_t end_root;
    bool has_children;
    uint32_t not_drawn; /* points and curves */
    uint32_t not_known; /* geometry in elements of unknown meaning */
};

/* Attributes of all objects together, in the order of the source. */
struct citygml_value {
    uint32_t object;
    uint32_t group;  /* those of one property element share it; 0: a property by itself */
    bool is_surface; /* of one of its surfaces: kept once, however many have it */
    struct feature_attribute attribute;
};

/* A geometry property of an object or of one of its surfaces. */
struct citygml_root {
    uint32_t object;
    uint32_t node; /* the first of its subtree */
    int8_t level;  /* -1 not stated */
    bool is_roof_edge;
    bool is_solid;
    bool is_relief; /* the object says its level in an element */
};

enum citygml_node_kind {
    NODE_SURFACES, /* anything that only holds others */
    NODE_POLYGON,
    NODE_SHELL,
    NODE_SOLID,
    NODE_LINK,
    NODE_IMPLICIT
};

/* Geometry, parents before children: a subtree is node .. end. */
struct citygml_node {
    uint8_t kind;    /* enum citygml_node_kind */
    uint8_t surface; /* enum feature_surface */
    bool is_turned;  /* orientation "-"; of a shell: it bounds a void */
    uint32_t end;
    uint64_t id_hash; /* of its gml:id, 0 none; of a link: of what it names */
    union {
        struct {
            uint32_t first_ring, ring_count; /* of a polygon */
        };
        uint32_t target;    /* of a link: a node, or CITYGML_NONE */
        uint32_t placement; /* of an implicit geometry */
    };
    uint32_t srs; /* into names, or CITYGML_NONE: that of the model */
    uint32_t stamp;
    uint32_t line;
};

struct citygml_ring {
    uint32_t first_point;
    uint32_t point_count;
    uint64_t id_hash;
    uint32_t line;
};

/* Where an implicit geometry stands. */
struct citygml_placement {
    double matrix[CITYGML_MATRIX_NUMBERS]; /* row by row */
    double origin[3];
    bool has_origin;
};

/* ---- appearance ---- */

enum citygml_dress_kind { DRESS_MATERIAL, DRESS_TEXTURE, DRESS_GEOREFERENCED };

enum { CITYGML_IMAGE_BYTES = 400 };

/* One X3DMaterial, ParameterizedTexture or GeoreferencedTexture: a spilled
 * record, so its texts are in it. */
struct citygml_dress {
    uint8_t kind; /* enum citygml_dress_kind */
    uint8_t wrap; /* enum feature_wrap */
    bool is_back;
    bool is_once; /* wrapMode "none", said: nothing of the image beyond its edges */
    bool has_place;
    uint16_t theme; /* into reader->themes */
    uint16_t image_bytes;
    float diffuse[3], emissive[3], specular[3];
    float alpha, shininess, ambient;
    float border[4];
    double place[6]; /* of a georeferenced one: x, y of the upper left pixel's middle, 2x2 matrix */
    char image[CITYGML_IMAGE_BYTES];
};

#define CITYGML_TARGET_GENERATED UINT32_C(0x80000000)

/* A surface or a ring that wears something. A spilled record. */
struct citygml_target {
    uint64_t id_hash;
    uint64_t first_uv; /* pairs of float; of a generated one, pairs of its matrix */
    uint32_t uv_count; /* 0: whole; CITYGML_TARGET_GENERATED: a matrix of 3 x 4 */
    uint32_t dress;
};

/* What has been read of appearance and not been put away yet. */
struct citygml_wardrobe {
    struct buf dresses; /* struct citygml_dress */
    struct buf targets; /* struct citygml_target */
    struct buf uvs;     /* 2 x float */
    bool is_sorted;     /* targets, by id_hash */
};

/* ---- a member ---- */

struct citygml_member {
    struct arena texts;
    struct buf objects, values, roots, nodes, rings, placements, failures;
    struct buf points; /* 3 x double */
    struct buf names;  /* struct text: srsNames */
    struct buf ids;    /* nodes by their ids, while links are followed */
    struct buf starts; /* uint32_t: where each object's values begin in `order`, and the end */
    struct buf order;  /* uint32_t: values, object by object */
    struct citygml_wardrobe wardrobe;
    uint32_t link_count;
    uint32_t next_object; /* to be yielded */
    uint32_t sequence;    /* of stamps */
    bool is_named;        /* objects without an id have got one */
};

/* ---- the stream of elements ---- */

enum citygml_frame_kind {
    FRAME_DOCUMENT,
    FRAME_MODEL,
    FRAME_MEMBER,   /* holds objects */
    FRAME_OBJECT,   /* a city object, or a surface of one */
    FRAME_PROPERTY, /* of an object: what it is shows when its content comes */
    FRAME_VALUE,    /* an element within a property that holds values */
    FRAME_ADDRESS,  /* an address and what is in it */
    FRAME_GENERIC,  /* a generic attribute or set */
    FRAME_GENERIC_PART,
    FRAME_GEOMETRY, /* a node, or something transparent within geometry */
    FRAME_COORDS,   /* text that is coordinates */
    FRAME_ENVELOPE,
    FRAME_IMPLICIT, /* an ImplicitGeometry */
    FRAME_IMPLICIT_PART,
    FRAME_APPEARANCE, /* everything about appearance */
    FRAME_SKIP
};

/* An open element. What is below it inherits all that it does not set. */
struct citygml_frame {
    uint8_t kind;      /* enum citygml_frame_kind */
    uint8_t surface;   /* enum feature_surface: of what is below */
    int8_t level;      /* of the geometry property; -1 */
    uint8_t dimension; /* srsDimension in force */
    bool wants_text;
    bool has_content; /* of a property or value: something that is no text came */
    bool is_node;     /* it began a node */
    bool is_ring;     /* it began a ring */
    bool is_place;    /* a reference point */
    bool is_surface;  /* an object that is only a surface of one */
    bool is_kept;     /* a property of such that is worth a column */
    bool is_foreign;  /* below an element whose namespace is not CityGML's */
    uint32_t word;
    uint32_t surface_word; /* of the innermost surface */
    uint32_t object;       /* CITYGML_NONE: in none */
    uint32_t node;         /* innermost geometry node, or CITYGML_NONE */
    uint32_t srs;          /* into member.names, or CITYGML_NONE: the model's */
    uint32_t text;         /* where its text begins in scan.text */
};

/* What a property, value or generic attribute is called. */
struct citygml_naming {
    struct text key;
    struct text unit;       /* its uom */
    struct text code_space; /* a dictionary beside the file */
    struct text value;      /* of a generic attribute */
    uint32_t first_value;   /* values that there were when it began */
};

enum citygml_mode {
    MODE_MODEL,      /* the document from its beginning */
    MODE_APPEARANCE, /* appearance members alone */
    MODE_FRAGMENT    /* one element of the document, or one member, on its own */
};

/* The appearance that is being read. */
struct citygml_dressing {
    struct citygml_dress dress;
    bool is_open; /* a material or texture is */
    uint16_t theme;
    uint64_t target;     /* hash of the surface that is named; 0 none */
    uint32_t first_list; /* targets that wait for their ring's name, from here on */
    uint32_t ring_count; /* names of rings that have come */
};

struct citygml_scan {
    struct citygml *reader;
    struct xml *xml;
    enum citygml_mode mode;
    struct citygml_member *member;
    struct buf words; /* struct citygml_word, by the numbers of xml.h */
    struct citygml_frame frames[XML_DEPTH_MAX + 2];
    struct citygml_naming namings[XML_DEPTH_MAX + 2];
    uint32_t depth;
    struct buf text; /* of the open elements that want theirs */
    bool wants_text;
    uint32_t ring;      /* that is open, or CITYGML_NONE */
    uint32_t placement; /* whose reference point is being read, or CITYGML_NONE */
    char separators[3]; /* of coordinates: decimal, cs, ts */
    struct text set;    /* name of the generic set that is open, with its dot */
    struct buf address; /* JSON members */
    uint32_t group;     /* number of the last property that held values */
    bool is_element;    /* of a fragment: what follows the element is not looked at */
    bool has_model;     /* the root element has begun */
    bool is_city_model;
    bool is_closed; /* the root element has ended */
    bool has_failed;
    struct err failure;
    struct citygml_dressing dressing;
};

/* ---- the reader ---- */

struct citygml_theme {
    struct text name;
    bool has_texture;
};

/* A part of the file that can be read by itself, after the head. */
struct citygml_range {
    uint64_t begin, end;
    uint32_t line;
    bool is_element; /* only the element that begins there */
};

/* The georeferenced image that was used last. */
struct citygml_placed {
    bool is_set, is_good;
    uint16_t image_bytes;
    char image[CITYGML_IMAGE_BYTES];
    double matrix[12];
};

struct citygml {
    struct reader_input input;
    struct span bytes;        /* UTF-8 */
    struct io_map utf8_map;   /* of `bytes` where they had to be converted */
    const struct io_map *map; /* what holds `bytes`; NULL: plain memory */
    struct text crs;          /* the model's; empty: it does not say */
    struct span head;         /* the root's start tag, in `bytes` */
    struct text member_open;  /* "<core:cityObjectMember", or empty: not known */
    struct text member_close; /* "</core:cityObjectMember>" */
    struct citygml_scan *scan;
    struct citygml_member member;
    uint64_t at;          /* bytes pushed */
    uint64_t member_at;   /* where the current member began */
    uint64_t kept;        /* pages before it have been given back */
    uint64_t line_offset; /* a place whose line is known */
    uint32_t line;
    struct buf skips; /* struct citygml_range: appearance that has been read, in order */
    uint32_t next_skip;
    bool is_done; /* all has been pushed */
    bool is_broken;
    uint64_t unnamed_count;

    struct buf themes; /* struct citygml_theme, in order of appearance */
    bool has_theme;    /* false: materials of any */
    uint16_t theme;    /* the one that is read; UINT16_MAX: none of them */
    bool has_told_themes;
    bool has_told_prefixes;
    bool has_model_dress;
    bool has_back;                 /* something is worn on backs */
    struct spill dresses;          /* struct citygml_dress */
    struct spill uvs;              /* 2 x float */
    struct citygml_table *targets; /* NULL: none */

    struct citygml_links *links;
    struct citygml_codelists *codelists;
    struct citygml_shape *shape;
    struct arena *feature; /* of the feature that is being made */
    struct citygml_placed placed;
};

/* ---- citygml_scan.c ---- */

ERR_CHECKED bool citygml_scan_open(struct citygml *reader, struct citygml_scan **out,
                                   struct err *err);
void citygml_scan_close(struct citygml_scan *scan); /* NULL is fine */

/* Begins anew; the head, then what `mode` says, is to be pushed. */
ERR_CHECKED bool citygml_scan_restart(struct citygml_scan *scan, enum citygml_mode mode,
                                      uint32_t line, struct err *err);
ERR_CHECKED bool citygml_scan_push(struct citygml_scan *scan, struct span bytes, bool is_last,
                                   struct err *err);

/* No object is open. */
bool citygml_scan_is_between(const struct citygml_scan *scan);

/* The rest is for the handlers of the other files. */
struct citygml_frame *citygml_scan_enter(struct citygml_scan *scan, enum citygml_frame_kind kind,
                                         uint32_t word);
void citygml_scan_fail(struct citygml_scan *scan, const struct err *err);
struct text citygml_scan_text(const struct citygml_scan *scan); /* of the top frame, trimmed */
struct text citygml_scan_keep(struct citygml_scan *scan, struct text text);
/* "a" + `between` + "b" in the member's memory. */
struct text citygml_scan_join(struct citygml_scan *scan, struct text a, const char *between,
                              struct text b);
bool citygml_scan_add(struct citygml_scan *scan, struct buf *buf, const void *record, size_t size);

static inline const struct citygml_word *citygml_scan_word(const struct citygml_scan *scan,
                                                           uint32_t number)
{
    return (const struct citygml_word *)(const void *)scan->words.data + number;
}

/* The attribute of that local name; empty text when it is not there. */
struct text citygml_attribute(const struct xml_attribute *attributes, size_t count,
                              const char *local);
struct text citygml_trim(struct text text);

/* ---- citygml_member.c ---- */

void citygml_member_init(struct citygml_member *member, size_t fail_after);
void citygml_member_release(struct citygml_member *member);

/* How much there is of everything. */
struct citygml_mark {
    size_t sizes[15];
    struct arena_mark texts;
};
struct citygml_mark citygml_member_mark(struct citygml_member *member);
void citygml_member_cut(struct citygml_member *member, const struct citygml_mark *mark);

/* The object cannot be used, for this reason; the first one stays. */
void citygml_member_fail(struct citygml_scan *scan, uint32_t object, const struct err *why);

/* ---- citygml_geometry.c ---- */

/* A geometry element, or an ImplicitGeometry, as the content of a property. */
void citygml_geometry_root(struct citygml_scan *scan, uint32_t word,
                           const struct xml_attribute *attributes, size_t count);
void citygml_geometry_start(struct citygml_scan *scan, uint32_t word,
                            const struct xml_attribute *attributes, size_t count);
void citygml_geometry_end(struct citygml_scan *scan, struct citygml_frame *frame);
void citygml_coords_end(struct citygml_scan *scan, struct citygml_frame *frame);
void citygml_implicit_start(struct citygml_scan *scan, uint32_t word,
                            const struct xml_attribute *attributes, size_t count);
void citygml_implicit_part_end(struct citygml_scan *scan, struct citygml_frame *frame);

/* The number of a srsName among the member's; CITYGML_NONE for the model's. */
uint32_t citygml_srs(struct citygml_scan *scan, struct text name);

/* ---- citygml_value.c ---- */

void citygml_value_add(struct citygml_scan *scan, uint32_t object, uint32_t group, struct text key,
                       struct feature_value value);
/* A leaf's text as a value of what it looks like, with its unit and code. */
void citygml_value_leaf(struct citygml_scan *scan, uint32_t object, uint32_t group,
                        const struct citygml_naming *naming, struct text key, struct text text);
/* What a surface of the frame's object says: text, under "WallSurface.function". */
void citygml_value_surface(struct citygml_scan *scan, const struct citygml_frame *frame,
                           struct text code_space, struct text key, struct text text);
void citygml_generic_start(struct citygml_scan *scan, uint32_t word,
                           const struct xml_attribute *attributes, size_t count);
void citygml_generic_part_start(struct citygml_scan *scan, uint32_t word,
                                const struct xml_attribute *attributes, size_t count);
void citygml_generic_part_end(struct citygml_scan *scan, struct citygml_frame *frame);
void citygml_generic_end(struct citygml_scan *scan, struct citygml_frame *frame);
void citygml_address_start(struct citygml_scan *scan, uint32_t word,
                           const struct xml_attribute *attributes, size_t count);
void citygml_address_end(struct citygml_scan *scan, struct citygml_frame *frame);
/* A property that held values has ended: pairs of key and value become one. */
void citygml_value_pair(struct citygml_scan *scan, uint32_t first_value, uint32_t group,
                        struct text container);

/* The attributes of one object, each key once; with what its surfaces say, or
 * without, for the objects below it. */
ERR_CHECKED bool citygml_value_finish(struct citygml *reader, uint32_t object, bool has_surfaces,
                                      struct arena *feature, struct feature_attribute **out,
                                      size_t *out_count, struct err *err);

/* ---- citygml_appearance.c ---- */

void citygml_appearance_start(struct citygml_scan *scan, uint32_t word,
                              const struct xml_attribute *attributes, size_t count);
void citygml_appearance_end(struct citygml_scan *scan, struct citygml_frame *frame);

/* A theme's number, new or known. */
ERR_CHECKED bool citygml_theme(struct citygml *reader, struct text name, uint16_t *out,
                               struct err *err);
/* Says which theme is read, once there is more than one with textures. */
void citygml_tell_themes(struct citygml *reader);

/* ---- citygml_image.c ---- */

/* The matrix from x, y, z, 1 to s, t, q of a georeferenced texture; false when
 * its place or its image's size cannot be found, which has been reported. */
bool citygml_georeference(struct citygml *reader, const struct citygml_dress *dress,
                          double out[12]);

/* ---- citygml_feature.c ---- */

/* The member's object `index` as a feature. */
ERR_CHECKED bool citygml_read_feature(struct citygml *reader, uint32_t index, struct arena *feature,
                                      struct feature *out, struct err *err);

/* ---- citygml_link.c ---- */

/* Finds what the member's links name, within it. *out_missing: how many name
 * something that is not there. */
ERR_CHECKED bool citygml_link_member(struct citygml *reader, uint32_t *out_missing,
                                     struct err *err);

/* The member that has just been read waits until all has been read. */
ERR_CHECKED bool citygml_links_defer(struct citygml *reader, struct err *err);
/* Reads the next one that waits, with what its links name. */
ERR_CHECKED bool citygml_links_next(struct citygml *reader, bool *out_is_end, struct err *err);
void citygml_links_close(struct citygml *reader);

/* ---- citygml_place.c ---- */

/* Where a prototype's point stands in the city. Prototypes are in metres: east
 * and north become degrees where the city is in these. */
void citygml_place_point(const struct citygml_placement *placement, struct text crs,
                         const double raw[3], double out[3]);

/*
 * How a back is moved from its surface: 5 mm against the normal of a ring, in
 * the units of the system; zero where the ring has no area. Nearer than anything
 * that is built, farther than a viewer's depth is rough.
 *
 * Shapes   places   3 doubles each; corners: `count` indices of them
 */
void citygml_step_back(struct text crs, const double *places, const uint32_t *corners,
                       uint32_t count, double out[3]);

/* ---- citygml_shape.c ---- */

ERR_CHECKED bool citygml_shape_open(struct arena *source, size_t fail_after,
                                    struct citygml_shape **out, struct err *err);
void citygml_shape_close(struct citygml_shape *shape); /* NULL is fine */
ERR_CHECKED bool citygml_shape_read(struct citygml *reader, uint32_t object, struct arena *feature,
                                    struct feature *out, struct err *err);

/* ---- citygml_input.c ---- */

/* Finds the head and how members are called; false when there is no model. */
ERR_CHECKED bool citygml_input_open(struct citygml *reader, struct err *err);

/* Reads the next member into reader->member. False: it was lost, and the input
 * stands before the next one, or reader->is_broken. */
ERR_CHECKED bool citygml_input_next(struct citygml *reader, bool *out_is_end, struct err *err);

/* Reads one part of the file by itself; what is read is added to the member. */
ERR_CHECKED bool citygml_input_range(struct citygml *reader, const struct citygml_range *range,
                                     enum citygml_mode mode, struct err *err);

/* The line of a place. */
uint32_t citygml_line(struct citygml *reader, uint64_t offset);

/* The first `word` in [from, to); `to` when it is not there. */
uint64_t citygml_search(const struct citygml *reader, uint64_t from, uint64_t to, struct text word);

/* As citygml_search() to the end of the file, without keeping it in memory. */
uint64_t citygml_search_far(const struct citygml *reader, uint64_t from, struct text word);

/* ---- the reader's text ---- */

/* 64 bits of an id; never 0. A leading '#' does not belong to it. */
uint64_t citygml_hash(struct text id);

static inline uint32_t citygml_count(const struct buf *buf, size_t size)
{
    return (uint32_t)(buf->size / size);
}

#define CITYGML_AT(buf, type, index) (&((type *)(void *)(buf).data)[index])

/* Copies a text into an arena, terminated. */
ERR_CHECKED bool citygml_copy(struct text text, struct arena *arena, struct text *out,
                              struct err *err);

/* Reports something about an object, or with `id` empty about the file. */
void citygml_report(const struct citygml *reader, struct text id, uint32_t line,
                    enum report_level level, const char *kind, const char *format, ...)
    ERR_PRINTF(6, 7);
void citygml_name_feature(struct err *err, struct text id);

#endif
