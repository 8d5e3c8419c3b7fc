/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_FEATURE_INDEX_H
#define FORMATS_FEATURE_INDEX_H

/*
 * feature_index.h - features.idx: where every feature of a package is, in which
 * tile, what belongs to it; mapped and never parsed.
 *
 * Frame    Boxes and footprints are in local metres: longitude and latitude
 *          times a fixed number of metres a degree, less the middle of the
 *          city; z is the ellipsoidal height less that of the middle. So a box
 *          of longitudes and latitudes is a box here, exactly, at any distance,
 *          and floats step by a millimetre in a city. Distances measured in it
 *          are a little wrong far from the middle: feature_index_distance()
 *          measures them on the ellipsoid.
 *
 *              x = wrap(longitude - lon0) * kx     wrap: into -180 .. 180
 *              y = (latitude - lat0) * ky
 *              z = ellipsoidal height - h0
 *
 * Rows     Features are numbered 0 .. count - 1 along a Hilbert curve through
 *          their middles. features.gpkg has the row r as fid r + 1.
 *
 * Layout   little endian; every section begins at a multiple of 64
 *
 *             0   8  "storeyIX"
 *             8   4  version, 1
 *            12   4  rows (features)
 *            16   8  bytes of the whole file
 *            24   8  XXH3-64 of these 512 bytes with this field zero
 *            32   8  XXH3-64 of the XXH3-64 of each MiB behind them
 *            40   4  groups      44  4  tiles
 *            48   8  lon0 deg    56  8  lat0 deg    64  8  h0 m
 *            72   8  kx m/deg    80  8  ky m/deg    88  8  step m: footprints'
 *            96  48  west, south, low, east, north, high: deg and ellipsoidal m;
 *                    west > east across the antimeridian
 *           144   4  levels of the tree            148   4  flags, 0
 *           152   8  ground m: ellipsoidal height of the city's ground
 *           160 128  name of the source's vertical datum, UTF-8, zero filled
 *           288 176  eleven sections: offset (8), bytes (8)
 *           464  48  zero
 *
 *           0 boxes       blocks of 16 boxes, 384 bytes each:
 *                         min x[16] y[16] z[16], max x[16] y[16] z[16], floats
 *                         rounded outward; what is not there is empty (min > max)
 *
 *                 level 2          [        .        ]           one block
 *                             ____/ | \____
 *                 level 1    [  ][  ]...[ .]        ceil(rows / 256) blocks
 *                           / |  ...
 *                 level 0  [r 0..15][r 16..31]...    ceil(rows / 16) blocks
 *
 *                         Level 0 first, the root last. Child i of block b is
 *                         block 16 b + i of the level below, or row 16 b + i:
 *                         the tree needs no pointers.
 *           1 rows        80 bytes each
 *
 *                     0  4  x, 4  4  y of a point of it, in steps
 *                     8  4  id: offset in strings      12  2  its bytes
 *                    14  1  storeys: 0 unknown, 1 as the source says, 2 derived
 *                    15  1  zero
 *                    16  4  tile          20  4  parent group    24  4  merged group
 *                    28  4  footprint: offset / 4 in footprints
 *                    32  4  base, 36  4  top: ellipsoidal m
 *                    40  4  base, 44  4  top: m in the source's vertical datum
 *                    48  2  storeys above ground   50  2  storeys below
 *                    52  4  floors: index of the first in floors
 *                    56 16  digest of its content
 *                    72  4  footprint's area m2   (float)
 *                    76  2  class         78  2  zero
 *
 *                     0xffffffff stands for "none".
 *           2 ids         8 bytes a row: hash (high half of digest_short(id)), row;
 *                         sorted
 *           3 classes     8 bytes each: offset in strings, bytes
 *           4 tiles       24 bytes each, sorted by name: offset in strings, bytes,
 *                         first of tile rows, count of them, the tile above, zero
 *           5 tile rows   4 bytes a row: in the order of the tiles of the tree, so
 *                         that all below a tile, near or far, lie together
 *           6 groups      24 bytes each, sorted by digest_short(id), id, kind: offset
 *                         in strings, bytes, kind, first of members, count, row of the
 *                         feature of that id or none
 *           7 members     4 bytes: a row, or 0x80000000 + group: groups of groups
 *           8 floors      floats: heights of floors above the base, ascending, the
 *                         first below ground first; storeys above + below of them
 *           9 footprints  words of 4 bytes; each: count of rings; a word for each
 *                         ring: its points, + 0x80000000 when it is a hole of
 *                         the outer ring before it; then x, y in steps. Outer
 *                         rings anticlockwise, holes clockwise, not closed
 *          10 strings     UTF-8, not terminated
 *
 * Limits   2^31 - 2 rows; strings and footprints under 4 and 16 GiB; ids under
 *          64 KiB. Whoever passes them gets ERR_LIMIT.
 * Trust    Opening checks the head and that every section lies in the file and
 *          has the size that the counts say, and touches nothing else: a million
 *          features open in microseconds. Every later access is bounded: of a
 *          file that is damaged inside, answers are wrong, "none" or empty, and
 *          never outside it. feature_index_check() looks at every byte. The
 *          bytes must not be cut short while they are in use.
 * Threads  An opened index is only read.
 */

#include "formats/base/arena.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"
#include "formats/base/vec.h"
#include "formats/digest.h"

#define FEATURE_INDEX_NAME "features.idx"
#define FEATURE_INDEX_NONE UINT32_MAX

enum { FEATURE_INDEX_VERSION = 1, FEATURE_INDEX_DATUM_BYTES = 128, FEATURE_INDEX_NODE = 16 };

/* The local frame. Zeroed but for the first three by feature_index_frame(). */
struct feature_frame {
    double lon0_deg, lat0_deg, h0_m;
    double x_m_per_deg, y_m_per_deg;
    double step_m; /* of footprints and points */
};

/* The frame around the middle of an extent; step 1 mm, coarser when the extent
 * passes a thousand kilometres. west > east across the antimeridian. */
struct feature_frame feature_index_frame(double west_deg, double south_deg, double east_deg,
                                         double north_deg, double h0_m);

struct vec3 feature_frame_from_deg(const struct feature_frame *frame, double lon_deg,
                                   double lat_deg, double height_m);

/* Longitudes come out in -180 .. 180. */
void feature_frame_to_deg(const struct feature_frame *frame, double x, double y,
                          double *out_lon_deg, double *out_lat_deg);

enum feature_storeys { STOREYS_UNKNOWN, STOREYS_OF_SOURCE, STOREYS_DERIVED };

enum feature_group_kind {
    FEATURE_GROUP_PARENT, /* members name it as their parent */
    FEATURE_GROUP_MERGED  /* drawn as one far away */
};

struct feature_index_section {
    const uint8_t *data;
    uint64_t bytes;
};

enum { FEATURE_INDEX_SECTIONS = 11, FEATURE_INDEX_LEVELS_MAX = 8 };

struct feature_index {
    struct span file; /* borrowed */
    struct feature_frame frame;
    uint32_t count; /* rows */
    uint32_t group_count;
    uint32_t tile_count;
    uint32_t class_count;
    double west_deg, south_deg, low_m, east_deg, north_deg, high_m;
    double ground_m;   /* ellipsoidal */
    struct text datum; /* "NAP height"; "ellipsoidal height" when the source has those */
    uint32_t level_count;
    uint64_t level_blocks[FEATURE_INDEX_LEVELS_MAX]; /* first block of each level */
    struct feature_index_section section[FEATURE_INDEX_SECTIONS];
};

/*
 * Looks at the head of an index that lies in `file`, which stays borrowed; it
 * may begin at any address.
 *
 * Errors   ERR_SYNTAX       no index, cut short, or its sections do not fit
 *          ERR_UNSUPPORTED  of another version
 *          each with the offset
 */
ERR_CHECKED bool feature_index_open(struct span file, struct feature_index *out, struct err *err);

/*
 * Looks at every byte: checksum, every reference, order of tables, boxes in
 * their parents' boxes, ids found again, text valid.
 *
 * Errors   ERR_SYNTAX, with the offset and what is wrong there
 */
ERR_CHECKED bool feature_index_check(const struct feature_index *index, struct err *err);

/* ---- a feature ---- */

/* What a row says. Texts point into the file. */
struct feature_index_row {
    struct text id;
    struct text class_name;
    double lon_deg, lat_deg;          /* a point of it */
    uint32_t tile;                    /* FEATURE_INDEX_NONE none */
    uint32_t parent;                  /* a group, or none */
    uint32_t merged;                  /* a group, or none */
    uint32_t footprint;               /* for feature_index_footprint(); or none */
    double base_m, top_m;             /* ellipsoidal */
    double base_local_m, top_local_m; /* in the source's vertical datum */
    double footprint_m2;
    enum feature_storeys storeys;
    uint32_t storeys_above, storeys_below;
    uint32_t floors; /* for feature_index_floor(); or none */
    struct digest digest;
};

/* row < index->count. */
void feature_index_row(const struct feature_index *index, uint32_t row,
                       struct feature_index_row *out);
struct text feature_index_id(const struct feature_index *index, uint32_t row);

/* The feature's box: x, y, z local metres, as it is in the tree. */
struct box3 feature_index_box(const struct feature_index *index, uint32_t row);

/* The row of an id, or FEATURE_INDEX_NONE. */
uint32_t feature_index_find(const struct feature_index *index, struct text id);

/*
 * Height of the floor of a storey above the row's base. 1 is the ground floor,
 * 2 the one above it, -1 the first below ground; there is no 0. False when the
 * row has no such storey.
 */
bool feature_index_floor(const struct feature_index *index, const struct feature_index_row *row,
                         int storey, double *out_m);

/* A footprint as it lies in the file. */
struct feature_footprint {
    uint32_t ring_count;
    uint32_t point_count;
    const uint8_t *rings;  /* 4 bytes each */
    const uint8_t *points; /* 8 bytes each */
};

struct feature_footprint_ring {
    uint32_t first_point;
    uint32_t point_count;
    bool is_hole; /* of the last ring before it that is none */
};

/* An empty one (ring_count 0) when there is none. */
struct feature_footprint feature_index_footprint(const struct feature_index *index,
                                                 uint32_t footprint);

/* Rings in order: first_point continues where the last one ended; start with a
 * zeroed *ring and ring_index 0. */
void feature_footprint_next(const struct feature_footprint *footprint, uint32_t ring_index,
                            struct feature_footprint_ring *ring);

/* Local metres. point < footprint->point_count */
struct vec2 feature_footprint_point(const struct feature_index *index,
                                    const struct feature_footprint *footprint, uint32_t point);

/* ---- tiles, groups, classes ---- */

struct feature_index_tile {
    struct text name;      /* "tiles/2-0312-0123456789abcdef.glb" */
    uint32_t first, count; /* of tile rows */
    uint32_t above;        /* the tile above it, or none */
};

/* tile < index->tile_count. All features below the tile, in full or coarser. */
void feature_index_tile(const struct feature_index *index, uint32_t tile,
                        struct feature_index_tile *out);
uint32_t feature_index_find_tile(const struct feature_index *index, struct text name);
uint32_t feature_index_tile_row(const struct feature_index *index, uint32_t at);

struct feature_index_group {
    struct text id;
    enum feature_group_kind kind;
    uint32_t first, count; /* of members */
    uint32_t row;          /* the feature of that id, or none */
};

void feature_index_group(const struct feature_index *index, uint32_t group,
                         struct feature_index_group *out);
uint32_t feature_index_find_group(const struct feature_index *index, struct text id,
                                  enum feature_group_kind kind);

/* A member: a row, or *out_is_group and a group. */
uint32_t feature_index_member(const struct feature_index *index, uint32_t at, bool *out_is_group);

struct text feature_index_class(const struct feature_index *index, uint32_t class_index);

/* ---- search ---- */

/* Told about a row whose box meets the box asked for; false stops the search. */
typedef bool (*feature_index_visit)(void *visitor, uint32_t row);

/*
 * Every row whose box meets `box` (local metres, edges count), in ascending
 * order. A box that wraps around the antimeridian is two calls. Does not
 * allocate. False when `visit` stopped it.
 */
bool feature_index_search(const struct feature_index *index, struct box3 box,
                          feature_index_visit visit, void *visitor);

/* The same into an array of `room` rows; returns how many there are in all. */
uint64_t feature_index_search_rows(const struct feature_index *index, struct box3 box,
                                   uint32_t *out, uint64_t room);

enum feature_index_side { FEATURE_OUTSIDE, FEATURE_BORDER, FEATURE_INSIDE };

/*
 * As feature_index_search(), for any shape: `side` says where a box is. Of a
 * box inside, all rows are visited (is_inside) without asking again.
 */
struct feature_index_shape {
    enum feature_index_side (*side)(void *shape, const float min[3], const float max[3]);
    bool (*visit)(void *shape, uint32_t row, bool is_inside);
    void *shape;
};
bool feature_index_search_shape(const struct feature_index *index,
                                const struct feature_index_shape *shape);

/* A row and how far it is. */
struct feature_index_near {
    uint32_t row;
    double distance_m;
};

/*
 * The `room` nearest boxes to a place, nearest first (equal distances by row),
 * no farther than `within_m`. Distances are in plan, to the footprint where
 * there is one (0 inside), or from box to point in space when `has_height`.
 *
 * accept   may be NULL; false leaves a row out
 * Memory   scratch is marked and reset
 */
struct feature_index_nearest {
    double lon_deg, lat_deg, height_m;
    bool has_height;
    double within_m; /* INFINITY: any */
    bool (*accept)(void *acceptor, uint32_t row);
    void *acceptor;
};
ERR_CHECKED bool feature_index_find_nearest(const struct feature_index *index,
                                            const struct feature_index_nearest *request,
                                            struct feature_index_near *out, size_t room,
                                            size_t *out_count, struct arena *scratch,
                                            struct err *err);

/* Metres from a place to a row, as above. */
double feature_index_distance(const struct feature_index *index, uint32_t row,
                              const struct feature_index_nearest *from);

#endif
