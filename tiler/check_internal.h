/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_CHECK_INTERNAL_H
#define TILER_CHECK_INTERNAL_H

/*
 * check_internal.h - what the files of the checker share.
 *
 *   check.c           the package: manifest, archive, files, what is printed
 *   check_tileset.c   the tree: tiles, external tilesets, subtrees
 *   check_volume.c    bounding volumes inside one another, points inside them
 *   check_gltf.c      one glb or b3dm: structure, accessors, geometry, features
 *   check_metadata.c  schemas and property tables
 *   check_index.c     features.idx and features.gpkg against each other and the tiles
 */

#include "formats/base/arena.h"
#include "formats/base/vec.h"
#include "formats/json_tree.h"
#include "formats/manifest.h"
#include "formats/package.h"
#include "formats/tileset.h"
#include "tiler/check.h"

/* Of one file; a package's own tilesets are far smaller. */
#define CHECK_FILE_BYTES_MAX ((size_t)1 << 32)
#define CHECK_TREE_BYTES_MAX ((size_t)1 << 33)

struct check_run {
    const struct package *package;
    const struct check_options *options;
    struct arena *run;    /* findings */
    struct arena listing; /* names, manifest */
    struct arena tileset; /* marked and reset for each external tileset */
    struct arena content; /* reset for each content */
    struct check_result result;
    struct package_entry *entries; /* sorted */
    uint8_t *is_used;              /* beside entries: something refers to it */
    size_t entry_count;
    bool is_ours; /* it has a manifest: our own promises hold, too */
    struct manifest manifest;
    uint64_t json_at;      /* where the JSON begins in the file that is being read */
    bool is_out_of_memory; /* stop: what follows would be wrong */
};

/* ---- what json_tree.h leaves out --------------------------------------- */

/* All of these take NULL, as json_tree_find() does. */

/* The member of that name, or NULL. */
const struct json_tree *check_member(const struct json_tree *object, struct text key);

/* The element, or NULL when `index` is not one: negative, broken, too large. */
const struct json_tree *check_element(const struct json_tree *array, double index);

static inline double check_number(const struct json_tree *node, double otherwise)
{
    return json_tree_is(node, JSON_NUMBER) ? node->number : otherwise;
}

static inline struct text check_text(const struct json_tree *node)
{
    return json_tree_is(node, JSON_STRING) ? node->text : (struct text){"", 0};
}

/* An integer from 0 to 2^53. */
bool check_is_count(const struct json_tree *node);

/* The first child, and the place behind the last. */
static inline const struct json_tree *check_first(const struct json_tree *node)
{
    return node == NULL || node->child_count == 0 ? NULL : node->children;
}

static inline const struct json_tree *check_end(const struct json_tree *node)
{
    return node == NULL || node->child_count == 0 ? NULL : node->children + node->child_count;
}

/* ---- findings (check.c) ------------------------------------------------- */

/* `file` is the name in the package; "" for the package itself. */
void check_note(struct check_run *check, enum check_severity severity, const char *rule,
                struct text file, const char *format, ...) ERR_PRINTF(5, 6);

/* As check_note(), with a line of the file; 0 none. */
void check_note_line(struct check_run *check, enum check_severity severity, const char *rule,
                     struct text file, uint32_t line, const char *format, ...) ERR_PRINTF(6, 7);

/* As check_note(CHECK_ERROR), with a place in the file. `node` may be NULL. */
void check_note_at(struct check_run *check, const char *rule, struct text file,
                   const struct json_tree *node, const char *format, ...) ERR_PRINTF(5, 6);

/* What a reader said. ERR_NOMEM ends the check. */
void check_note_err(struct check_run *check, const char *rule, struct text file,
                    const struct err *err);

/* An arena refused: a file too large to check is noted, lack of memory ends it. */
void check_full(struct check_run *check, struct text file, const struct arena *arena);

/* The name in the package that `uri` means when it stands in `base`, in
 * `memory`; false when it leads elsewhere (a finding was noted). */
bool check_resolve(struct check_run *check, struct text base, struct text uri, struct arena *memory,
                   struct text *out);

/* Loads a file into `memory`; false when it is not there or damaged (noted). */
bool check_load(struct check_run *check, struct text base, struct text name, struct arena *memory,
                struct span *out);

/* Whether the package has a file of that name; marks it as used. */
bool check_has(struct check_run *check, struct text name);

/* ---- volumes (check_volume.c) ------------------------------------------- */

/* A volume in earth-centred coordinates: `world` takes the tile's frame there. */
struct check_volume {
    const struct tileset_volume *volume;
    struct mat4 world;
};

/* Numbers that make no sense; notes each. */
void check_volume_itself(struct check_run *check, struct text file, uint32_t line,
                         const struct tileset_volume *volume);

/* How far, in metres, `inner` reaches out of `outer`; 0 when it is inside, NAN
 * when this pair cannot be compared. */
double check_volume_excess(const struct check_volume *outer, const struct check_volume *inner);

/* How far a point (in the frame that `world` takes to the earth) is outside. */
double check_volume_distance(const struct check_volume *volume, struct mat4 frame,
                             struct vec3 point);

/* Half the diagonal, or so: what a tolerance relates to. */
double check_volume_radius(const struct tileset_volume *volume);

/* ---- contents (check_gltf.c) -------------------------------------------- */

/* What came out of a content. */
struct check_content {
    struct vec3 *points; /* in the tile's frame (z up), in check->content */
    size_t point_count;
    uint64_t feature_count, triangle_count;
};

/* Every key of every "extensions" in a glTF or tileset must be declared. */
void check_declared(struct check_run *check, struct text file, const struct json_tree *root);

/* A whole binary glTF; `length` bytes are what its container leaves it. */
void check_glb(struct check_run *check, struct text file, struct span bytes,
               struct check_content *out);

/* A glTF in JSON, whose buffers are other files of the package. */
void check_gltf_json(struct check_run *check, struct text file, struct span bytes,
                     struct check_content *out);

void check_b3dm(struct check_run *check, struct text file, struct span bytes,
                struct check_content *out);

/* ---- metadata (check_metadata.c) ---------------------------------------- */

/* Where a property table's bytes lie. */
struct check_views {
    const struct json_tree *views; /* "bufferViews" of the glTF */
    const struct span *buffers;    /* data NULL: not known */
    size_t buffer_count;
};

/* A schema object: classes, properties, enums. */
void check_schema(struct check_run *check, struct text file, const struct json_tree *schema);

/* Property tables against their schema (NULL: it was noted as missing). */
void check_property_tables(struct check_run *check, struct text file,
                           const struct json_tree *tables, const struct json_tree *schema,
                           const struct check_views *views);

/* ---- index and attributes (check_index.c) -------------------------------- */

/* Of a package of ours, when it has them. */
void check_index(struct check_run *check);

/* ---- the tree (check_tileset.c) ----------------------------------------- */

void check_root_tileset(struct check_run *check, struct text name);

/* The same for one that is in memory. */
void check_tileset_file(struct check_run *check, struct text name, struct span json);

#endif
