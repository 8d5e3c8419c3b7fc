/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/candidate.h"

#include <assert.h>

#include "tiler/block.h"
#include "tiler/deviation.h"
#include "tiler/shade.h"
#include "tiler/simplify.h"

enum { CHAIN_MAX = 12 };

/* Subdivisions that proving one error may take: a loose proof is a proof too. */
enum { DEVIATION_STEPS = 1 << 7 };

/* How far plan edges of the blocks may move, and how far roofs must differ to
 * stand on layers of their own. */
static const struct block_options block_steps[] = {
    {.tolerance_m = 0.5, .step_m = 2},
    {.tolerance_m = 1.5, .step_m = 6},
    {.tolerance_m = 4, .step_m = 0},
};

/* The bound is worth finding to a tenth: the error is multiplied by a rough
 * factor and the level chosen in steps of two anyway. */
static const double DEVIATION_RELATIVE = 0.1;
static const double DEVIATION_TOLERANCE_M = 0.05;
/* ... and not finer than this share of the feature: proving that two equal walls
 * are equal to a centimetre takes as long as a thousand houses. */
static const double DEVIATION_PER_DIAMETER = 0.01;

/* Coplanar faces are merged when no corner leaves the plane by more. */
static const double FLAT_TOLERANCE_M = 0.01;

struct chain {
    struct piece pieces[CHAIN_MAX];
    size_t count;
    /* What all versions are measured against; opened for the first. */
    const struct deviation_surface *reference;
    struct shade *shade; /* NULL: no pictures */
};

/* Where a version comes from decides whether its back may be seen. */
enum origin {
    OF_SOURCE,
    OF_FLAT, /* its error is known from its making: no corner moved, no plane by more */
    OF_BLOCK
};

static bool paint_shape(const struct chain *chain, const struct record *record,
                        const struct shape *shape, enum origin origin, double error_m,
                        struct arena *tile, struct arena *scratch, struct piece *out,
                        struct err *err)
{
    const struct feature *feature = &record->feature;
    struct piece_face *faces = arena_array(tile, struct piece_face, shape->face_count);
    if (faces == NULL) {
        return arena_full(tile, err);
    }
    for (uint32_t i = 0; i < shape->face_count; i++) {
        const struct shape_face *face = &shape->faces[i];
        const struct feature_material *material =
            face->material == FEATURE_NONE ? NULL : &feature->materials[face->material];
        faces[i].normal =
            (struct vec3f){(float)face->normal.x, (float)face->normal.y, (float)face->normal.z};
        faces[i].paint = paint_face(feature->kind, face->kind, material);
        faces[i].image = PIECE_NO_IMAGE;
    }
    *out = (struct piece){
        .error_m = error_m,
        .bytes = piece_estimate_bytes(shape->triangle_count, shape->face_count),
        .is_one_sided = shape->is_closed || origin == OF_BLOCK,
        .point_count = shape->point_count,
        .triangle_count = shape->triangle_count,
        .face_count = shape->face_count,
        .points = shape->points,
        .corners = shape->corners,
        .triangle_faces = shape->triangle_faces,
        .faces = faces,
    };
    return chain->shade == NULL || shade_piece(chain->shade, shape, scratch, faces, out, err);
}

/* Adds a version that is cheaper than all before it: `worth` is what it may
 * cost at most as a share of the cheapest so far. */
static bool add_version(struct chain *chain, const struct record *record, const struct shape *full,
                        const struct shape *shape, enum origin origin, double worth,
                        double dropped_error_m, struct arena *tile, struct arena *scratch,
                        struct err *err)
{
    const uint32_t bytes = piece_estimate_bytes(shape->triangle_count, shape->face_count);
    const struct piece *last = &chain->pieces[chain->count - 1];
    if (chain->count == CHAIN_MAX || bytes > worth * last->bytes) {
        return true;
    }
    const double tolerance_m =
        fmax(DEVIATION_TOLERANCE_M, DEVIATION_PER_DIAMETER * dropped_error_m);
    struct deviation deviation = {.upper_m = FLAT_TOLERANCE_M};
    if (origin != OF_FLAT &&
        ((chain->reference == NULL && !deviation_open(full, tile, &chain->reference, err)) ||
         !deviation_from(chain->reference, shape, tolerance_m, DEVIATION_RELATIVE, DEVIATION_STEPS,
                         scratch, &deviation, err))) {
        return false;
    }
    if (deviation.upper_m >= dropped_error_m) {
        return true;
    }
    struct piece piece;
    if (!paint_shape(chain, record, shape, origin, deviation.upper_m, tile, scratch, &piece, err)) {
        return false;
    }
    /* A later version that is no worse takes the place of those before it. */
    while (chain->count > 1 && chain->pieces[chain->count - 1].error_m >= piece.error_m) {
        chain->count--;
    }
    chain->pieces[chain->count++] = piece;
    return true;
}

static bool is_fatal(const struct err *err)
{
    return err->code == ERR_NOMEM;
}

/* A version that cannot be made is one version less, not an error. */
static bool skip_unless_fatal(bool made, const struct err *made_err, struct err *err)
{
    if (!made && is_fatal(made_err)) {
        *err = *made_err;
        return false;
    }
    return true;
}

static bool add_flat(struct chain *chain, const struct record *record, const struct shape *full,
                     double dropped_error_m, struct arena *tile, struct arena *scratch,
                     struct err *err)
{
    struct shape shape;
    struct err made;
    if (!simplify_planes(full, FLAT_TOLERANCE_M, tile, scratch, &shape, &made)) {
        return skip_unless_fatal(false, &made, err);
    }
    return add_version(chain, record, full, &shape, OF_FLAT, 0.7, dropped_error_m, tile, scratch,
                       err);
}

static bool add_source_levels(struct chain *chain, const struct record *record,
                              const struct shape *full, double dropped_error_m, struct arena *tile,
                              struct arena *scratch, struct err *err)
{
    const struct feature *feature = &record->feature;
    for (size_t i = feature->lod_count - 1; i-- > 0;) {
        if (feature->lods[i].level >= 0 && feature->lods[i].level < 1) {
            continue; /* a footprint lies on the ground: it is not a building */
        }
        struct shape shape;
        struct err made;
        /* vec3 is three doubles, as the hub's vertices are. */
        const struct vec3 *placed = (const struct vec3 *)(const void *)feature->vertices;
        if (!shape_from_feature(feature, i, placed, tile, scratch, NULL, &shape, &made)) {
            if (!skip_unless_fatal(false, &made, err)) {
                return false;
            }
            continue;
        }
        if (!add_version(chain, record, full, &shape, OF_SOURCE, 0.9, dropped_error_m, tile,
                         scratch, err)) {
            return false;
        }
    }
    return true;
}

/* Classes that a block can stand for. A tree or a lamp as a box is worse than
 * none. */
static bool may_be_block(struct text class_name)
{
    static const char *const classes[] = {"Building",          "BuildingPart",
                                          "BuildingUnit",      "BuildingStorey",
                                          "OtherConstruction", "GenericCityObject"};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (text_is(class_name, classes[i])) {
            return true;
        }
    }
    return false;
}

static bool add_blocks(struct chain *chain, const struct record *record, const struct shape *full,
                       double dropped_error_m, struct arena *tile, struct arena *scratch,
                       struct err *err)
{
    const bool is_building = may_be_block(record->feature.kind);
    for (size_t i = 0; is_building && i < sizeof block_steps / sizeof block_steps[0]; i++) {
        struct shape shape;
        struct err made;
        if (!block_make(full, &block_steps[i], tile, scratch, &shape, &made)) {
            if (!skip_unless_fatal(false, &made, err)) {
                return false;
            }
            continue;
        }
        if (!add_version(chain, record, full, &shape, OF_BLOCK, 0.9, dropped_error_m, tile, scratch,
                         err)) {
            return false;
        }
    }
    return true;
}

bool candidate_chain(const struct record *record, const struct candidate_means *means,
                     struct arena *tile, struct arena *scratch, struct figure *out, struct err *err)
{
    const struct feature *feature = &record->feature;
    assert(feature->lod_count > 0);
    const struct vec3 *placed = (const struct vec3 *)(const void *)feature->vertices;
    static_assert(sizeof(struct vec3) == 3 * sizeof(double), "the hub's vertices are vec3");
    struct shape full;
    if (!shape_from_feature(feature, feature->lod_count - 1, placed, tile, scratch, means->report,
                            &full, err)) {
        return false;
    }
    const double dropped_error_m = shape_diameter_m(&full);
    const struct box3 box = shape_box(&full);
    struct chain chain = {.count = 1};
    if (!shade_open(record, &full, means->images, means->source_path, means->texel_per_error, tile,
                    &chain.shade, err) ||
        !paint_shape(&chain, record, &full, OF_SOURCE, 0, tile, scratch, &chain.pieces[0], err) ||
        !add_flat(&chain, record, &full, dropped_error_m, tile, scratch, err) ||
        !add_source_levels(&chain, record, &full, dropped_error_m, tile, scratch, err) ||
        !add_blocks(&chain, record, &full, dropped_error_m, tile, scratch, err)) {
        return false;
    }
    struct piece *pieces = arena_array(tile, struct piece, chain.count);
    if (pieces == NULL) {
        return arena_full(tile, err);
    }
    memcpy(pieces, chain.pieces, chain.count * sizeof pieces[0]);
    *out = (struct figure){
        .id = feature->id,
        .class_name = feature->kind,
        .name = feature->name,
        .parent_id = feature->parent_id,
        .height_m = box.max.z - box.min.z,
        .dropped_error_m = dropped_error_m,
        .origin_ecef_m = record->origin_ecef_m,
        .pieces = pieces,
        .piece_count = chain.count,
    };
    return true;
}

bool candidate_full(const struct record *record, const struct candidate_means *means,
                    struct arena *tile, struct arena *scratch, struct figure *out, struct err *err)
{
    const struct feature *feature = &record->feature;
    assert(feature->lod_count > 0);
    const struct vec3 *placed = (const struct vec3 *)(const void *)feature->vertices;
    struct shape full;
    struct piece *piece = arena_array(tile, struct piece, 1);
    if (piece == NULL) {
        return arena_full(tile, err);
    }
    struct chain chain = {.count = 1};
    if (!shape_from_feature(feature, feature->lod_count - 1, placed, tile, scratch, means->report,
                            &full, err) ||
        !shade_open(record, &full, means->images, means->source_path, means->texel_per_error, tile,
                    &chain.shade, err) ||
        !paint_shape(&chain, record, &full, OF_SOURCE, 0, tile, scratch, piece, err)) {
        return false;
    }
    const struct box3 box = shape_box(&full);
    *out = (struct figure){
        .id = feature->id,
        .class_name = feature->kind,
        .name = feature->name,
        .parent_id = feature->parent_id,
        .height_m = box.max.z - box.min.z,
        .dropped_error_m = shape_diameter_m(&full),
        .origin_ecef_m = record->origin_ecef_m,
        .pieces = piece,
        .piece_count = 1,
    };
    return true;
}
