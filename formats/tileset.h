/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_TILESET_H
#define FORMATS_TILESET_H

/*
 * tileset.h - tileset.json in memory, and back.
 *
 * Source   3D Tiles 1.1 (OGC 22-025r4), "Tileset JSON" and "Tile JSON"; 1.0
 *          (OGC 18-053r2), where `content.uri` and refine are the same
 *
 * What this program has no use for (groups, statistics, extensions of others)
 * is kept as raw JSON, so that a tileset that was read can be written again.
 *
 * Threads  No state
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/base/vec.h"

enum tileset_volume_kind {
    TILESET_VOLUME_NONE, /* for a content: it has no volume of its own */
    TILESET_VOLUME_BOX,
    TILESET_VOLUME_REGION,
    TILESET_VOLUME_SPHERE,
    TILESET_VOLUME_OTHER /* an extension's, such as 3DTILES_bounding_volume_S2 */
};

struct tileset_volume {
    enum tileset_volume_kind kind;
    struct obb box;     /* in the tile's frame, metres */
    double region[6];   /* west, south, east, north (radians), min, max height (m);
                           never moved by a transform */
    struct vec3 center; /* of the sphere */
    double radius_m;
    struct text extensions; /* raw JSON, or empty */
};

enum tileset_refine { TILESET_REFINE_INHERIT, TILESET_REFINE_ADD, TILESET_REFINE_REPLACE };

enum tileset_subdivision { TILESET_QUADTREE, TILESET_OCTREE };

struct tileset_implicit {
    enum tileset_subdivision subdivision;
    uint32_t subtree_levels;   /* 1 or more */
    uint32_t available_levels; /* 1 or more */
    struct text subtrees_uri;  /* a template with {level} {x} {y} ({z}) */
};

struct tileset_content {
    struct text uri;
    struct tileset_volume volume; /* kind NONE: the tile's */
    struct text metadata;         /* raw JSON, or empty */
    struct text extras;           /* raw JSON, or empty */
    struct text extensions;       /* raw JSON, or empty */
    struct tileset_content *next; /* further contents (1.1 "contents") */
};

struct tileset_tile {
    struct tileset_volume volume;
    struct tileset_volume viewer_request; /* kind NONE: none */
    double geometric_error;
    enum tileset_refine refine;
    bool has_transform;
    struct mat4 transform;             /* tile frame to the parent's; identity without one */
    struct tileset_content *content;   /* NULL: none */
    struct tileset_implicit *implicit; /* NULL: the tile is explicit */
    struct text metadata;              /* raw JSON, or empty */
    struct text extras;                /* raw JSON, or empty */
    struct text extensions;            /* raw JSON, or empty */
    struct tileset_tile *first_child;
    struct tileset_tile *next; /* sibling */
    uint32_t line;             /* where it was read, 1-based; 0 unknown */
};

struct tileset {
    struct text version;         /* "1.1" or "1.0"; of asset */
    struct text tileset_version; /* or empty */
    double geometric_error;
    struct tileset_tile *root;
    struct text schema_uri;                               /* or empty */
    struct text schema;                                   /* raw JSON, or empty */
    struct text metadata, groups, statistics, properties; /* raw JSON, or empty */
    struct text *extensions_used;                         /* names */
    size_t extension_used_count;
    struct text *extensions_required;
    size_t extension_required_count;
    struct text extensions;   /* raw JSON, or empty */
    struct text extras;       /* raw JSON, or empty */
    struct text asset_extras; /* raw JSON, or empty */
};

/*
 * Appends the tileset as one line of JSON per tile, keys always in the same
 * order, numbers in the shortest form that reads back the same. Nothing is
 * rounded. Several contents print as "contents". Ask buf_finish() afterwards.
 */
void tileset_print(const struct tileset *tileset, struct buf *out);

/* Each level of tiles is two of JSON, which is read to 512. */
enum { TILESET_DEPTH_MAX = 200 };

/*
 * Reads a tileset.json.
 *
 * It insists on what is needed to walk the tree: required members, types, how
 * many numbers. Values that make no sense (a negative error, a root without
 * refine, a mirrored transform) are the business of tiler/check.h.
 * `content.url`, of the time before 1.0, is refused.
 *
 * Memory   everything lies in `source`; strings may point into `json`, which is
 *          borrowed
 * Errors   ERR_SYNTAX  not JSON      ERR_SCHEMA  a rule of 3D Tiles
 *          ERR_LIMIT   deeper than TILESET_DEPTH_MAX
 *          each with line and column
 */
ERR_CHECKED bool tileset_read(struct span json, struct arena *source, struct tileset *out,
                              struct err *err);

#endif
