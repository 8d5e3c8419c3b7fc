/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_QUERY_H
#define FORMATS_QUERY_H

/*
 * query.h - questions to a package: the parameters of the server's routes and
 * of `storey query`, which are the same ones, and the rows that answer them.
 *
 *     struct query query;
 *     query_init(&query, QUERY_ITEMS);
 *     query_set(&query, &target, "bbox", "4.35,52.0,4.36,52.01", request, &err)
 *     query_set(&query, &target, "filter", "storeys > 5", request, &err)
 *     query_run(&query, &target, request, &result, &err)
 *     query_print(&query, &target, &result, &links, request, &out, &err)   query_print.h
 *
 * All conditions hold together (AND). Rows come in the order of the index, which
 * is the same for the same package, unless sortby, nearest or ray says otherwise;
 * so `offset` is a place to go on from.
 *
 * Parameters       kinds     value
 *   bbox           all       4 or 6 numbers: west,south[,low],east,north[,high] in
 *                            bbox-crs; west > east across the antimeridian. Meets
 *                            boxes
 *   bbox-crs, crs  all       query_crs_read(); of bbox and coords, of answers
 *   ids, id        all       comma-separated; one
 *   parent, class  all       comma-separated. A flood without class takes buildings
 *                            only, and of those no parts whose building it has
 *   {attribute}    all       equals that value
 *   filter         all       CQL2, text or JSON (which begins with a brace); filter-lang=
 *                            cql2-text|cql2-json, filter-crs as crs
 *   q              all       words in ids, names and addresses (search)
 *   tile           all       features below that tile
 *   group          all       members of that parent or merged group, and theirs
 *   coords         position, nearest  POINT(x y); radius POINT; area, flood POLYGON, MULTIPOLYGON,
 *                            BBOX; ray LINESTRING(x y z, x y z). Meets footprints
 *   z              position, nearest  metres, ellipsoidal; or low/high
 *   within, within-units  radius, nearest   m, km, ft, mi
 *   min-z, max-z   area      ellipsoidal metres
 *   k              nearest   how many; default 1
 *   level          flood     height of the water, metres
 *   datum          flood     local (default: the source's vertical datum), ellipsoid
 *   depth-field    flood     name of the depth in answers; default depth
 *   sum            flood     comma-separated numeric attributes to add up
 *   sortby         all       [+|-]name,...
 *   limit, offset  all       1 .. 10,000 (more is clamped), default 100; of a flood
 *                            0 is all, which is the default with f=ids, style, bitset
 *   properties     all       comma-separated: only these
 *   skipGeometry   all       true, false
 *   f              all       json (GeoJSON), attributes (flat JSON), ids; of a flood
 *                            style, bitset (query_paint.h)
 *
 * Limits   QUERY_*_MAX below; more is ERR_LIMIT
 * Threads  no state; a target's attributes belong to one thread at a time
 */

#include "formats/base/arena.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"
#include "formats/cql2.h"
#include "formats/feature_index.h"
#include "formats/geopackage.h"
#include "formats/plan_area.h"

enum {
    QUERY_LIMIT_DEFAULT = 100,
    QUERY_LIMIT_MAX = 10000,
    QUERY_IDS_MAX = 10000,
    QUERY_EQUALS_MAX = 32,
    QUERY_NAMES_MAX = 256,
    QUERY_SUMS_MAX = 16
};

/* What is asked: a package's index, and its attributes for this thread. */
struct query_target {
    const struct feature_index *index;
    struct geopackage *attributes; /* NULL: filter, q, sortby and {attribute} are ERR_UNSUPPORTED */
};

enum query_kind {
    QUERY_ITEMS,
    QUERY_POSITION,
    QUERY_RADIUS,
    QUERY_AREA,
    QUERY_NEAREST,
    QUERY_RAY,
    QUERY_FLOOD,
    QUERY_KIND_COUNT
};

/* "items", "position", ...: the last part of the route, the word of storey query. */
const char *query_kind_name(enum query_kind kind);
bool query_kind_read(struct text word, enum query_kind *out);

enum query_crs {
    QUERY_CRS84,    /* longitude, latitude */
    QUERY_CRS84H,   /* longitude, latitude, ellipsoidal height */
    QUERY_EPSG4326, /* latitude, longitude */
    QUERY_EPSG4979, /* latitude, longitude, ellipsoidal height */
    QUERY_EPSG4490  /* CGCS2000: latitude, longitude; taken as WGS 84 */
};

/* "http://www.opengis.net/def/crs/OGC/1.3/CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4979",
 * "CRS84h", ...; with or without <> or []. */
bool query_crs_read(struct text text, enum query_crs *out);
const char *query_crs_uri(enum query_crs crs);
bool query_crs_is_yx(enum query_crs crs);

enum query_format { QUERY_GEOJSON, QUERY_ATTRIBUTES, QUERY_IDS, QUERY_STYLE, QUERY_BITSET };

struct query_equals {
    const struct geopackage_column *column;
    struct text value;
};

/* A question. Texts and arrays live in the arena given to query_set(). */
struct query {
    enum query_kind kind;
    uint64_t given; /* a bit for each parameter that was taken; query.c's */

    bool has_bbox;
    bool bbox_has_z;
    double bbox[6]; /* west, south, low, east, north, high as they were read: see bbox_crs */
    enum query_crs bbox_crs;
    enum query_crs crs; /* of the answer */
    enum query_crs filter_crs;

    const struct text *ids; /* NULL: any */
    size_t id_count;
    const struct text *parents;
    size_t parent_count;
    const struct text *classes;
    size_t class_count;
    struct text tile;  /* "" any */
    struct text group; /* "" any */
    struct query_equals equals[QUERY_EQUALS_MAX];
    size_t equal_count;
    struct text filter;
    struct text search;

    struct text coords;   /* as given */
    double low_m, high_m; /* z, min-z and max-z; infinite when not given */
    bool has_z;
    double within; /* radius, nearest; infinite when not given */
    double within_unit_m;
    uint32_t k;

    double level_m;
    bool has_level;
    bool is_ellipsoidal; /* level's datum */
    struct text depth_field;
    const struct geopackage_column *sums[QUERY_SUMS_MAX];
    size_t sum_count;

    struct geopackage_order order[GEOPACKAGE_ORDERS_MAX];
    size_t order_count;
    uint64_t limit; /* 0: all */
    uint64_t offset;
    bool has_limit;

    bool has_properties;
    const struct text *properties;
    size_t property_count;
    bool skips_geometry;
    enum query_format format;
    uint64_t steps_limit; /* the caller's: SQLite machine steps; 0 none */
};

void query_init(struct query *query, enum query_kind kind);

/* True when that kind of question knows the parameter, an attribute's name included. */
bool query_takes(enum query_kind kind, const struct query_target *target, struct text name);

/*
 * Takes one parameter, decoded. Given twice, it is ERR_SCHEMA.
 *
 * Memory   copies what it keeps into `request`
 * Errors   ERR_SCHEMA       this kind has no such parameter; a value it may not have;
 *          ERR_SYNTAX       a value that is not of its form
 *          ERR_UNSUPPORTED  a crs, filter-lang or f that is not known
 *          ERR_LIMIT        too many ids, points, ...
 *          the message begins with the parameter's name
 */
ERR_CHECKED bool query_set(struct query *query, const struct query_target *target, struct text name,
                           struct text value, struct arena *request, struct err *err);

/* The same from a JSON object: {"bbox": [..], "ids": [..], "coords": {GeoJSON}, "limit": 10, ...}.
 */
ERR_CHECKED bool query_set_json(struct query *query, const struct query_target *target,
                                struct span json, struct arena *request, struct err *err);

/* ---- answers ---- */

/* How deep a building stands in the water. */
struct query_depth {
    double depth_m;                /* of water above its base; greater than 0 */
    uint32_t wet_count, dry_count; /* storeys; those below ground are wet once it is flooded */
};

struct query_hit {
    uint32_t row;
    double distance_m;        /* radius, nearest, ray; else 0 */
    struct query_depth water; /* flood */
};

/* Of all that match, not only of this page. Parts of one building are one. */
struct query_sums {
    uint64_t buildings;
    uint64_t wet_storeys, dry_storeys;
    double wet_footprint_m2;
    double wet_floor_m2; /* wet storeys times the footprint */
    double depth_max_m;
    double attribute[QUERY_SUMS_MAX];
};

struct query_result {
    const struct query_hit *hits;
    size_t hit_count;
    uint64_t matched_count;
    bool has_next; /* there is more from next_offset on */
    uint64_t next_offset;
    struct query_sums sums;
};

/*
 * Memory   *out lives in `request`; scratch of 4 bytes a candidate there too
 * Errors   ERR_SCHEMA  a parameter is missing (level, coords, within)
 *          ERR_UNSUPPORTED, ERR_SYNTAX  of the filter and of coords
 *          ERR_LIMIT   steps_limit; the arena
 *          ERR_IO, ERR_SYNTAX without column  a damaged package
 */
ERR_CHECKED bool query_run(const struct query *query, const struct query_target *target,
                           struct arena *request, struct query_result *out, struct err *err);

#endif
