/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CITYGML_DRESS_H
#define FORMATS_CITYGML_DRESS_H

/*
 * citygml_dress.h - what each polygon of a feature wears.
 *
 * Targets name surfaces (a polygon, or a MultiSurface, CompositeSurface or
 * Solid around it) or, with texture coordinates, rings. The innermost surface
 * that is named decides. Of several themes one is read. What is meant for the
 * back of a surface is asked for by itself.
 *
 * Beyond the edges of an image that is said to be there once ("none") the
 * surface has its material's colour, or a light grey: as a border, which the
 * image only has where the surface leaves it.
 *
 * For citygml*.c alone.
 */

#include "formats/citygml_internal.h"

enum { CITYGML_WORN_MAX = 16 };

/* Ids of the surfaces around a polygon, outermost first. */
struct citygml_worn {
    uint64_t ids[CITYGML_WORN_MAX];
    uint32_t count;
};

/* Indices into the feature's materials and textures. */
struct citygml_outfit {
    int32_t material;
    int32_t texture;
};

/* The materials and textures of the feature being made. */
struct citygml_dresser {
    struct buf materials, textures;         /* of the hub; texts in the feature's memory */
    struct buf material_keys, texture_keys; /* uint64_t: which dress each was */
    struct buf found;                       /* struct citygml_found: scratch */
    struct buf uvs;                         /* of the current polygon's rings */
    struct buf offsets; /* uint32_t a ring: into uvs, in floats; or CITYGML_NONE */
    bool is_back;       /* what is looked for: fronts or backs */
};

void citygml_dresser_init(struct citygml_dresser *dresser, size_t fail_after);
void citygml_dresser_release(struct citygml_dresser *dresser);
void citygml_dresser_reset(struct citygml_dresser *dresser);

static inline bool citygml_is_dressed(const struct citygml *reader)
{
    return reader->has_model_dress || reader->member.wardrobe.targets.size > 0;
}

static inline void citygml_worn_add(struct citygml_worn *worn, uint64_t id)
{
    if (worn->count < CITYGML_WORN_MAX) {
        worn->ids[worn->count++] = id;
    }
}

/* What a polygon wears; its texture coordinates stay until the next one. */
ERR_CHECKED bool citygml_dresser_choose(struct citygml_dresser *dresser, struct citygml *reader,
                                        const struct citygml_node *node,
                                        const struct citygml_worn *worn, struct text id,
                                        bool is_back, struct citygml_outfit *out, struct err *err);

/* Those of the polygon's ring `index`, two for each of its points; or NULL. */
const float *citygml_outfit_uvs(const struct citygml_dresser *dresser,
                                const struct citygml_outfit *outfit, uint32_t index);

/* Sets the coordinates of a corner; corners before it that have none get 0, 0. */
ERR_CHECKED bool citygml_dresser_uv(struct buf *uvs, size_t corner, const float uv[2],
                                    struct err *err);

/* Hands materials and textures to the feature. */
ERR_CHECKED bool citygml_dresser_finish(struct citygml_dresser *dresser, struct arena *feature,
                                        struct feature *out, struct err *err);

/* ---- citygml_target.c ---- */

struct citygml_found {
    struct citygml_target target;
    bool is_local; /* of the member itself, not of the model */
};

/* Adds to `out` all that this id wears, the member's own first. */
ERR_CHECKED bool citygml_target_find(struct citygml *reader, uint64_t id_hash, struct buf *out,
                                     struct err *err);

/* Puts the wardrobe of the member that has been read into the model's table. */
ERR_CHECKED bool citygml_target_store(struct citygml *reader, struct err *err);
/* No more will be stored. */
ERR_CHECKED bool citygml_target_sort(struct citygml *reader, struct err *err);
void citygml_target_close(struct citygml *reader);

/* What a target wears, and its coordinates or matrix. */
ERR_CHECKED bool citygml_target_dress(struct citygml *reader, const struct citygml_found *found,
                                      struct citygml_dress *out, struct err *err);
ERR_CHECKED bool citygml_target_uvs(struct citygml *reader, const struct citygml_found *found,
                                    struct buf *out, struct err *err);

#endif
