/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_MERGE_INTERNAL_H
#define TILER_MERGE_INTERNAL_H

/*
 * merge_internal.h - what merge.c (the steps) and merge_list.c (what the tile
 * shows after them) share.
 */

#include "tiler/merge.h"

#define MERGE_NONE UINT32_MAX

enum { MERGE_KINDS_MAX = 64 };

/* In the order in which steps of one error are taken. */
enum step_kind {
    STEP_IMAGES, /* texels grow */
    STEP_SWITCH, /* one: a figure; to its next piece */
    STEP_OFFER,  /* one: a figure; its masses may join others from now on */
    STEP_LOOK,   /* masses see farther from now on */
    STEP_PAIR,   /* one, two: masses; to one group, then measured */
    STEP_JOIN,   /* one, two: masses; joined: what they become */
    STEP_DROP,   /* one: a figure */
    STEP_VANISH  /* one: a mass */
};

struct step {
    double key_m; /* the tile's error once it is taken */
    enum step_kind kind;
    uint32_t one, two;
    const struct mass *joined;
};

/* A mass in the tile's frame. */
struct member_mass {
    struct mass mass;
    uint32_t figure; /* the one it was of; of a joined one: one of them */
    bool is_alive;
    bool is_joined;
    double box[4]; /* in plan: west, south, east, north */
};

/* A figure, and as the root of a cluster also that. */
struct member {
    uint32_t piece;
    bool is_offered;
    bool is_massed; /* drawn as its masses */
    bool is_dropped;
    bool is_building;
    uint32_t kind;                   /* only figures of one kind are joined */
    uint32_t root;                   /* union-find: itself for a root */
    uint32_t first_mass, mass_count; /* its own, before any were joined */
    double height_at_origin_m;       /* ellipsoidal, of z = 0 in its frame */
    struct mat4 to_tile;             /* from its frame */

    /* Of a root. */
    uint32_t figure_count;
    uint32_t drawn_count; /* masses and pieces */
    double box[4];
    double error_m; /* of what was joined or left out */
    uint64_t row_bytes;
};

/* A place in a cell of the grid. */
struct seat {
    uint32_t mass;
    uint32_t next;
};

struct merge {
    const struct figure *figures;
    uint32_t figure_count;
    struct arena *tile;
    struct vec3 origin_ecef_m;
    struct mat4 from_ecef;
    double texel_per_error;
    struct spent *spent;
    struct member *members; /* one a figure */
    struct member_mass *masses;
    uint32_t mass_count;
    uint32_t mass_room;
    struct step *steps; /* a heap */
    size_t step_count;
    size_t step_room;
    bool has_images;
    uint32_t kinds[MERGE_KINDS_MAX]; /* the first figure of each */
    uint32_t kind_count;

    /* The grid. */
    double west_m, south_m, cell_m;
    uint32_t columns, rows;
    uint32_t *cells; /* first seat, or MERGE_NONE */
    struct seat *seats;
    uint32_t seat_count, seat_room;
    uint32_t *stamps; /* per mass: the last that asked for its neighbours */
    uint32_t stamp;

    double error_m;        /* of the steps taken */
    double images_error_m; /* that the images were counted for */
    double reach_m;        /* how wide a gap masses see across */
    uint64_t cost_bytes;
};

/* The root of a figure's cluster. */
uint32_t merge_root(const struct merge *m, uint32_t figure);

/*
 * What leaving a mass out counts as. Of buildings: its diameter, a quarter must
 * not go because its houses are small. Ground: its width, as candidate.c has it:
 * what is missing then is a strip as wide. Trees and lamps that stand together:
 * as much as leaving them out one by one.
 */
double merge_vanish_m(const struct merge *m, const struct member_mass *mass);

/* Calls `visit` for every living mass, other than `mass`, whose box in plan is at
 * most reach_m away. */
ERR_CHECKED bool merge_neighbours(struct merge *m, uint32_t mass, double reach_m,
                                  bool (*visit)(struct merge *m, uint32_t mass, uint32_t other,
                                                void *self, struct err *err),
                                  void *self, struct err *err);

#endif
