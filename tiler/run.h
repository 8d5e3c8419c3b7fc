/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_RUN_H
#define TILER_RUN_H

/*
 * run.h - one run of `storey tile`: what its stages hand to each other.
 *
 *     ingest ──> features, dictionary      spool in source coordinates
 *     place ───> placed, entries           spool in each feature's own frame
 *                parts                     of what is heavier than a tile
 *     partition > nodes                    leaves first, parents after children
 *     build ───> tiles in the staging folder, node results
 *     index ───> features.idx and features.gpkg beside them
 *     publish ─> the package
 *
 * In memory: 8 bytes a feature after ingest, 56 more after place, a node per
 * some hundred features after partition. All else is in the spools.
 */

#include <signal.h>

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/report.h"
#include "formats/digest.h"
#include "tiler/crs.h"
#include "tiler/dictionary.h"
#include "tiler/images.h"
#include "tiler/lattice.h"
#include "tiler/options.h"
#include "tiler/publish.h"
#include "tiler/sight.h"
#include "tiler/spent.h"
#include "tiler/spool.h"

struct run_source {
    const char *path;
    struct text name; /* as the user named it, or relative to the folder that was named */
    bool is_from_folder;
    struct digest digest;
    uint64_t bytes;
    uint64_t feature_count; /* spooled */
    uint32_t crs;           /* of its first feature */
};

/* A coordinate system that some source uses, and some of its points. */
struct run_crs {
    struct text text; /* as the source names it, or --crs */
    uint32_t source;  /* the first that uses it, for messages */
    struct crs_plan plan;
    struct crs_check check;
    struct buf sample; /* doubles, three a point */
    uint64_t feature_count;
};

enum { RUN_CRS_MAX = 256, RUN_SAMPLE_POINTS = 2048 };

/* A placed feature, for dividing the city into tiles. */
struct run_entry {
    uint64_t key;          /* of its middle on the lattice */
    uint64_t id_hash;      /* so that order does not depend on the order of inputs */
    uint64_t offset;       /* in the placed spool */
    uint64_t brief_offset; /* of a feature in parts: its record without geometry */
    uint32_t bytes;        /* what its full detail will cost, roughly */
    float base_m;          /* its lowest point, ellipsoidal */
    float height_m;
    int32_t level_max;   /* the deepest cells that are as wide as it is */
    uint32_t first_part; /* into run->parts */
    uint32_t part_count; /* 0: whole; see split.h */
};

/* A part of a feature that is heavier than a tile. */
struct run_part {
    uint64_t figure_offset; /* in run->figures */
    uint32_t path;          /* split.h */
    uint32_t depth;
};

/* The offset of an entry that build could not draw: it is in no tile. */
#define RUN_LOST UINT64_MAX

#define RUN_NO_NODE UINT32_MAX

/* A tile of the tree. Children stand before their parents. */
struct run_node {
    struct lattice_cell cell;
    bool is_leaf;
    bool is_own;          /* the leaf of features too wide for the cell's quarters */
    uint32_t first_entry; /* of a leaf */
    uint32_t entry_count;
    uint32_t parent;
    uint32_t first_child;
    uint32_t next_sibling;
    uint32_t feature_count; /* of all leaves below; a feature in parts counts where it is whole */
    bool is_part;           /* it shows a part of one feature, the only entry; or all of it */
    uint32_t part_depth;    /* 0: all of it; split.h */
    uint32_t part;          /* of a leaf: in run->parts */

    /* Filled in by build. */
    char content[96]; /* "tiles/2-0312-0123456789abcdef.glb"; "" none */
    /* It would show little less than its children: no tile. They hang from its
     * parent instead, and it is gone after build. */
    bool is_passed;
    uint64_t content_bytes;
    struct obb box_tile_m;  /* of its own and its children's contents */
    double proven_m;        /* what it shows against full detail: an upper bound */
    double error_m;         /* what it states, before the factor: that, or more where the picture
                               asks for it: sight.h */
    struct sight_lost lost; /* of all that it stands for */
    uint32_t shown_count;
    uint32_t triangle_count;
    uint64_t figures_offset; /* in the figures spool; what its parent may show */
    uint64_t figures_bytes;
    bool has_figures;
    uint64_t estimated_bytes; /* what its content was taken to cost, before it was written */
    uint64_t groups_offset;   /* in the groups spool; the groups that this tile made: group.h */
    uint64_t groups_bytes;    /* 0: none */
    struct spent spent;       /* with --stats */
};

struct run_stage {
    const char *name;
    double seconds;
    uint64_t items;
    uint64_t bytes;
};

enum { RUN_STAGE_COUNT = 6 };

struct run_counts {
    uint64_t read;          /* features that sources yielded */
    uint64_t excluded;      /* by --class and --exclude-class */
    uint64_t without_shape; /* no geometry of their own */
    uint64_t by_parts;      /* drawn by their parts, which are finer */
    uint64_t identical;     /* the same id with the same content again */
    uint64_t conflicting;   /* the same id with other content */
    uint64_t spooled;
    uint64_t placed;
    uint64_t split; /* into parts, each a tile */
    uint64_t shown; /* in a leaf */
};

struct run {
    const struct options *options;
    struct arena arena;
    struct report report;
    const volatile sig_atomic_t *is_stopped;
    void (*tell)(void *teller, const char *stage, uint64_t done, uint64_t total);
    void *teller;

    const char *temporary_folder; /* for spools: --temporary, or beside the output */
    struct run_source *sources;
    size_t source_count;
    struct run_crs *crs;
    size_t crs_count;
    struct dictionary *dictionary;
    struct id_table *ids;

    struct images *images; /* NULL with --no-textures */

    struct spool *features;
    struct buf offsets; /* uint64_t each, in input order */

    struct spool *placed;
    struct buf entries; /* struct run_entry each; by partition sorted by key */
    struct buf parts;   /* struct run_part each; by split */
    double ground_m;    /* ellipsoidal height of the ground: see place.c */
    double west_deg, south_deg, east_deg, north_deg;

    struct property_schema schema;
    uint32_t *property_of_key;
    char schema_name[64]; /* "tiles/schema-0123456789abcdef.json" */

    struct buf nodes; /* struct run_node each; the last is the root */
    struct spool *figures;
    struct spool *groups; /* who is in which group, for the index: group.h */
    struct publish *publish;

    struct run_counts counts;
    struct run_stage stages[RUN_STAGE_COUNT];
    struct spent leaves, above; /* of building them, with --stats */
};

static inline size_t run_entry_count(const struct run *run)
{
    return run->entries.size / sizeof(struct run_entry);
}

static inline struct run_entry *run_entries(const struct run *run)
{
    return (struct run_entry *)(void *)run->entries.data;
}

static inline size_t run_part_count(const struct run *run)
{
    return run->parts.size / sizeof(struct run_part);
}

static inline struct run_part *run_parts(const struct run *run)
{
    return (struct run_part *)(void *)run->parts.data;
}

static inline size_t run_node_count(const struct run *run)
{
    return run->nodes.size / sizeof(struct run_node);
}

static inline struct run_node *run_nodes(const struct run *run)
{
    return (struct run_node *)(void *)run->nodes.data;
}

#endif
