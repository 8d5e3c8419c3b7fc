/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_SCENE_H
#define TILER_SCENE_H

/*
 * scene.h - a tileset as a viewer has it: the tree with every transform
 * composed, external tilesets opened when they are reached, tiles chosen by
 * screen-space error.
 *
 * What is requested and what is shown is chosen as CesiumJS 1.140 does once its
 * view is complete, with dynamicScreenSpaceError and skipLevelOfDetail off
 * (the latter is the default): every tile on the way down is loaded, and so are
 * the siblings out of sight, because a parent waits for all of them.
 *
 * Source   3D Tiles 1.1, "Tiles", "Geometric Error", "Refinement", "Transforms";
 *          CesiumJS, Scene/Cesium3DTilesetBaseTraversal.js,
 *          Cesium3DTilesetTraversal.js, Cesium3DTile.js ("getScreenSpaceError",
 *          "updateVisibility"), Cesium3DTileOptimizations.js
 *
 * Not read: implicit tiling (storey check reads it), viewer request volumes.
 * Regions are taken as spheres around them.
 */

#include "formats/base/arena.h"
#include "formats/mesh.h"
#include "formats/package.h"
#include "formats/tileset.h"

struct scene;

/* What a camera sees, in earth-centred metres. */
struct scene_camera {
    struct vec3 at_ecef_m;
    struct vec3 right, up, back; /* unit, orthogonal; it looks along -back */
    double fov_y_rad;
    double width_px, height_px;
};

enum scene_request_kind { SCENE_TILESET, SCENE_SCHEMA, SCENE_CONTENT };

/* A file that a viewer asks for. */
struct scene_request {
    enum scene_request_kind kind;
    struct text name;  /* in the package */
    uint64_t bytes;    /* expanded */
    bool is_shown;     /* a content that is drawn; others are loaded all the same */
    struct mat4 frame; /* a content's coordinates (z up) to earth-centred metres */
};

/* In the order of the tree, each file once. */
struct scene_choice {
    const struct scene_request *requests;
    size_t count;
};

struct scene_drawn {
    uint64_t tile_count, feature_count, triangle_count;
    uint64_t request_count; /* tilesets, schemas and contents that were loaded */
    uint64_t bytes;         /* of all that was loaded, expanded */
};

/* In the number of a feature: its class is Building or one that begins so, or
 * the tile does not say what its classes are. */
#define SCENE_BUILDING ((uint32_t)1 << 31)

/*
 * Called with each tile to be drawn; frame takes its content's coordinates (z
 * up) to earth-centred metres. features has a number for every row of the
 * tile's table, the same for the same id in every tile (a hash of 31 bits), never 0; NULL without a
 * table. All is gone when it returns.
 */
typedef bool scene_draw(void *drawer, const struct mesh_tile *content, const uint32_t *features,
                        struct mat4 frame, struct err *err);

/*
 * Opens a package, folder, archive or tileset.json and reads its first tileset.
 *
 * Memory   *out in `run`; scene_close() lets go of the package
 */
ERR_CHECKED bool scene_open(const char *path, struct arena *run, struct scene **out,
                            struct err *err);
void scene_close(struct scene *scene); /* NULL is fine */

/* The middle of the root's volume, and a radius around it. */
ERR_CHECKED bool scene_bounds(const struct scene *scene, struct vec3 *out_center_ecef_m,
                              double *out_radius_m, struct err *err);

/* The corners of the root's box (of one around its sphere or region), earth-centred. Demands
 * what scene_bounds() does. */
void scene_corners(const struct scene *scene, struct vec3 out_ecef_m[8]);

/* The ellipsoidal height at which the ground should be drawn: as the package
 * says, else the lowest of the root's volume. */
double scene_ground_m(const struct scene *scene);

/*
 * Finds what a viewer loads and shows from `camera` once everything it wants is
 * there: tiles whose error is at most sse_px pixels, and the finest ones
 * elsewhere; sse_px 0 shows full detail. Tiles out of sight are left out, but for
 * those that have to be loaded.
 *
 * Memory   *out in `arena`
 * Errors   those of reading the package, with the file's name
 */
ERR_CHECKED bool scene_choose(struct scene *scene, const struct scene_camera *camera, double sse_px,
                              struct arena *arena, struct scene_choice *out, struct err *err);

/* Draws what is shown. Errors: those of reading the package, the drawer's. */
ERR_CHECKED bool scene_draw_choice(struct scene *scene, const struct scene_choice *choice,
                                   scene_draw *draw, void *drawer, struct scene_drawn *out,
                                   struct err *err);

/*
 * What the package's index says of groups that far tiles draw as one; *out is NULL
 * where there is no index.
 *
 * Memory   in the arena of scene_open()
 * Errors   those of reading features.idx
 */
struct scene_groups;
ERR_CHECKED bool scene_open_groups(struct scene *scene, const struct scene_groups **out,
                                   struct err *err);

/* Whether the feature is in the group, or in one that is in it; numbers are those of
 * scene_draw. `groups` may be NULL: it is not. */
bool scene_is_in_group(const struct scene_groups *groups, uint32_t feature, uint32_t group);

/* A tile that gives way to its children when a viewer comes near. */
struct scene_switch {
    struct obb box; /* of the tile, earth-centred; half axes 0: a sphere */
    double radius_m;
    double error_m;                       /* geometricError as the viewer takes it */
    struct scene_choice parent, children; /* contents; their bytes are not set */
};

/*
 * Every tile of the tree with content and children that replace it, in the order
 * of the tree.
 *
 * Memory   *out in `arena`
 * Errors   those of reading tilesets
 */
ERR_CHECKED bool scene_switches(struct scene *scene, struct arena *arena, struct scene_switch **out,
                                size_t *out_count, struct err *err);

/* From the point to the tile's volume, as the viewer takes it. */
double scene_switch_distance(const struct scene_switch *at, struct vec3 point);

#endif
