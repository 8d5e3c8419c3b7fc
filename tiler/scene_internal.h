/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_SCENE_INTERNAL_H
#define TILER_SCENE_INTERNAL_H

/*
 * scene_internal.h - what the files of scene.h share: opened tilesets and the
 * volumes of tiles.
 */

#include "formats/property_table.h"
#include "tiler/scene.h"

enum { SCENE_EXTERNAL_DEPTH_MAX = 32 };

/* A tileset file: its tree, and the folder that its URIs start from. */
struct scene_file {
    struct tileset tileset;
    struct text folder; /* "" or ends in a slash */
    struct text name;
    struct scene_file *next;
    uint64_t bytes;
    bool is_counted; /* in the present choice */
};

/* A schema that tiles refer to. */
struct scene_schema {
    struct text name;
    struct property_schema schema;
    struct scene_schema *next;
    uint64_t bytes;
    bool is_counted; /* in the present choice */
};

struct scene {
    struct package *package;
    struct arena *run;
    struct scene_file *files;
    struct scene_file *root;
    struct scene_schema *schemas;
    struct arena content;
    struct buf bytes;
};

/* Reads the file into scene->bytes. */
ERR_CHECKED bool scene_load(struct scene *scene, struct text name, struct err *err);

/* A URI against the folder it stands in; "./" and "../" resolved, the query cut
 * off. */
ERR_CHECKED bool scene_resolve(struct text folder, struct text uri, struct arena *run,
                               struct text *out, struct err *err);

ERR_CHECKED bool scene_open_file(struct scene *scene, struct text name, struct scene_file **out,
                                 struct err *err);
ERR_CHECKED bool scene_open_schema(struct scene *scene, struct text name, struct scene_schema **out,
                                   struct err *err);

/* The 31 bits that stand for an id; never 0. */
uint32_t scene_number(struct text id);

/* ---- volumes ---- */

/* A volume in earth-centred metres: a box, or a sphere (half axes all zero). */
struct scene_bound {
    struct obb box;
    double radius_m; /* infinite: not known */
};

double scene_largest_scale(struct mat4 m);
struct scene_bound scene_bound_of(const struct tileset_volume *volume, struct mat4 to_ecef);
double scene_distance(const struct scene_bound *bound, struct vec3 point);

enum { SCENE_PLANES = 5, SCENE_OUTSIDE = -1 };

/*
 * Against the four sides of the picture and the near plane, as CesiumJS does:
 * of `planes`, a bit each, only those are looked at that the parent crosses.
 * Returns the bits that this volume crosses, or SCENE_OUTSIDE.
 */
int scene_crossed_planes(const struct scene_bound *bound, const struct scene_camera *camera,
                         int planes);

/* Whether CesiumJS takes the parent to be out of sight when its children are:
 * its test of their boxes, to the letter. */
bool scene_has_child_within(const struct scene_bound *parent, const struct scene_bound *child);

#endif
