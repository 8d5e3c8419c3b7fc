/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_SCENE_H
#define TILER_SCENE_H

/*
 * scene.h - a tileset as a viewer has it: the tree with every transform
 * composed, external tilesets opened when they are reached, tiles chosen by
 * screen-space error.
 *
 * Source   3D Tiles 1.1, "Tiles", "Geometric Error", "Refinement", "Transforms";
 *          the formula of CesiumJS: error x height / (distance x 2 tan(fovy / 2))
 *
 * Not read: implicit tiling (storey check reads it), viewer request volumes.
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

struct scene_drawn {
    uint64_t tile_count, feature_count, triangle_count;
    uint64_t request_count; /* tilesets, schemas and contents that were loaded */
    uint64_t bytes;         /* of all that was loaded, as it lies in the package */
};

/*
 * Called with each tile to be drawn; frame takes its content's coordinates (z
 * up) to earth-centred metres. The content is gone when it returns.
 */
typedef bool scene_draw(void *drawer, const struct mesh_tile *content, struct mat4 frame,
                        struct err *err);

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

/* The ellipsoidal height at which the ground should be drawn: as the package
 * says, else the lowest of the root's volume. */
double scene_ground_m(const struct scene *scene);

/*
 * Draws what a viewer shows from `camera` once everything it wants is there:
 * tiles whose error is at most sse_px pixels, and the finest ones elsewhere;
 * sse_px 0 draws full detail. Tiles out of sight are left out.
 *
 * Errors   those of reading the package, with the file's name; the drawer's
 */
ERR_CHECKED bool scene_show(struct scene *scene, const struct scene_camera *camera, double sse_px,
                            scene_draw *draw, void *drawer, struct scene_drawn *out,
                            struct err *err);

#endif
