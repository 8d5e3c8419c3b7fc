/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/candidate.h"

#include <assert.h>

#include "tiler/block.h"
#include "tiler/deviation.h"
#include "tiler/shade.h"
#include "tiler/simplify.h"
#include "tiler/thin.h"

enum { CHAIN_MAX = 12 };

/* Subdivisions that proving one error may take, beside one for every four triangles: a
 * loose proof is a proof too. */
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
    double dropped_error_m;
    const struct mass *masses; /* of the finest block */
    uint32_t mass_count;
};

/* A building of more convex pieces stays by itself. */
enum { MASSES_MAX = 24 };

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

static bool measure_version(struct chain *chain, const struct shape *full,
                            const struct shape *shape, enum origin origin, struct arena *tile,
                            struct arena *scratch, double *out_error_m, struct err *err)
{
    if (origin == OF_FLAT) {
        *out_error_m = FLAT_TOLERANCE_M;
        return true;
    }
    const double tolerance_m =
        fmax(DEVIATION_TOLERANCE_M, DEVIATION_PER_DIAMETER * chain->dropped_error_m);
    struct deviation deviation;
    if ((chain->reference == NULL && !deviation_open(full, tile, &chain->reference, err)) ||
        !deviation_from(chain->reference, shape, tolerance_m, DEVIATION_RELATIVE,
                        DEVIATION_STEPS + full->triangle_count / 4, scratch, &deviation, err)) {
        return false;
    }
    *out_error_m = deviation.upper_m;
    return true;
}

/* A version that costs more than this share of the cheapest so far is none. */
static bool is_worth(const struct chain *chain, const struct shape *shape, double share)
{
    const uint32_t bytes = piece_estimate_bytes(shape->triangle_count, shape->face_count);
    return chain->count < CHAIN_MAX && bytes <= share * chain->pieces[chain->count - 1].bytes;
}

static void add_piece(struct chain *chain, const struct piece *piece)
{
    if (piece->error_m >= chain->dropped_error_m) {
        return;
    }
    /* A later version that is no worse takes the place of those before it. */
    while (chain->count > 1 && chain->pieces[chain->count - 1].error_m >= piece->error_m) {
        chain->count--;
    }
    chain->pieces[chain->count++] = *piece;
}

static bool add_version(struct chain *chain, const struct record *record, const struct shape *full,
                        const struct shape *shape, enum origin origin, struct arena *tile,
                        struct arena *scratch, struct err *err)
{
    double error_m;
    struct piece piece;
    if (!is_worth(chain, shape, origin == OF_FLAT ? 0.7 : 0.9)) {
        return true;
    }
    if (!measure_version(chain, full, shape, origin, tile, scratch, &error_m, err) ||
        !paint_shape(chain, record, shape, origin, error_m, tile, scratch, &piece, err)) {
        return false;
    }
    add_piece(chain, &piece);
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
                     struct arena *tile, struct arena *scratch, struct err *err)
{
    struct shape shape;
    struct err made;
    if (!simplify_planes(full, FLAT_TOLERANCE_M, tile, scratch, &shape, &made)) {
        return skip_unless_fatal(false, &made, err);
    }
    return add_version(chain, record, full, &shape, OF_FLAT, tile, scratch, err);
}

/* What the edges of a thinned version may cost, as shares of the feature. */
static const double thin_steps[] = {1.0 / 256, 1.0 / 128, 1.0 / 64, 1.0 / 32, 1.0 / 16};

/* Proving an error takes as long as a hundred collapses. */
static const double THIN_WORTH = 0.7;

static bool add_thinned(struct chain *chain, const struct record *record, const struct shape *full,
                        struct arena *tile, struct arena *scratch, struct err *err)
{
    const size_t step_count = sizeof thin_steps / sizeof thin_steps[0];
    for (size_t i = 0; full->triangle_count >= THIN_TRIANGLES_MIN && i < step_count; i++) {
        struct shape shape;
        struct err made;
        if (!thin_make(full, thin_steps[i] * chain->dropped_error_m, tile, scratch, &shape,
                       &made)) {
            if (!skip_unless_fatal(false, &made, err)) {
                return false;
            }
            continue;
        }
        if (is_worth(chain, &shape, THIN_WORTH) &&
            !add_version(chain, record, full, &shape, OF_SOURCE, tile, scratch, err)) {
            return false;
        }
    }
    return true;
}

/* The source's levels from `least` up to below `most`, fine to coarse; unknown
 * ones count as 1. */
static bool add_source_levels(struct chain *chain, const struct record *record,
                              const struct shape *full, double least, double most,
                              struct arena *tile, struct arena *scratch, struct err *err)
{
    const struct feature *feature = &record->feature;
    for (size_t i = feature->lod_count - 1; i-- > 0;) {
        const double level = feature->lods[i].level < 0 ? 1 : (double)feature->lods[i].level;
        if (level < least || level >= most) {
            continue;
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
        if (!add_version(chain, record, full, &shape, OF_SOURCE, tile, scratch, err)) {
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

/* The mean colour of the faces that look up, or of the others. */
static struct paint mean_paint(const struct piece *piece, bool is_roof)
{
    struct paint mean = {{UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX}};
    double area_m2 = 0;
    for (uint32_t t = 0; t < piece->triangle_count; t++) {
        const struct piece_face *face = &piece->faces[piece->triangle_faces[t]];
        if ((face->normal.z > 0.5f) != is_roof) {
            continue;
        }
        const uint32_t *c = piece->corners + 3 * (size_t)t;
        const struct vec3 a = piece->points[c[0]];
        const double own_m2 = vec3_length(vec3_cross(vec3_sub(piece->points[c[1]], a),
                                                     vec3_sub(piece->points[c[2]], a))) /
                              2;
        if (own_m2 > 0) {
            mean = mass_mix(mean, area_m2, face->paint, own_m2);
            area_m2 += own_m2;
        }
    }
    return mean;
}

static void paint_mass(struct mass *mass, const struct piece *piece)
{
    mass->roof = mean_paint(piece, true);
    mass->wall = mean_paint(piece, false);
    mass->roof_m2 = mass_area_m2(&mass->shape);
    mass->wall_m2 = ring_length(mass->shape.points, mass->shape.count) *
                    (mass->shape.top_m - mass->shape.base_m);
}

/* What the building is made of where it is merged with others. */
static bool add_masses(struct chain *chain, const struct block *block, const struct piece *piece,
                       struct arena *tile, struct arena *scratch, struct err *err)
{
    struct mass *all = arena_array(tile, struct mass, MASSES_MAX);
    if (all == NULL) {
        return arena_full(tile, err);
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < block->layer_count; i++) {
        const struct block_layer *layer = &block->layers[i];
        struct mass *masses;
        uint32_t made;
        if (!mass_from_plan(&layer->plan, block->base_m, layer->top_m, piece->error_m,
                            MASSES_MAX - count, tile, scratch, &masses, &made, err)) {
            return false;
        }
        if (made == 0) {
            return true; /* too many of them, or none: it is not merged */
        }
        for (uint32_t k = 0; k < made; k++) {
            paint_mass(&masses[k], piece);
            all[count++] = masses[k];
        }
        if (count == MASSES_MAX && i + 1 < block->layer_count) {
            return true;
        }
    }
    chain->masses = all;
    chain->mass_count = count;
    return true;
}

/* The finest block is always measured: it is also what groups are made of. */
static bool add_first_block(struct chain *chain, const struct record *record,
                            const struct shape *full, struct arena *tile, struct arena *scratch,
                            struct err *err)
{
    struct block block;
    struct err made;
    double error_m;
    struct piece piece;
    if (!block_make_layers(full, &block_steps[0], tile, scratch, &block, &made)) {
        return skip_unless_fatal(false, &made, err);
    }
    if (!measure_version(chain, full, &block.shape, OF_BLOCK, tile, scratch, &error_m, err) ||
        !paint_shape(chain, record, &block.shape, OF_BLOCK, error_m, tile, scratch, &piece, err)) {
        return false;
    }
    if (is_worth(chain, &block.shape, 0.9)) {
        add_piece(chain, &piece);
    }
    return error_m >= chain->dropped_error_m ||
           add_masses(chain, &block, &piece, tile, scratch, err);
}

static bool add_coarse_blocks(struct chain *chain, const struct record *record,
                              const struct shape *full, struct arena *tile, struct arena *scratch,
                              struct err *err)
{
    for (size_t i = 1; i < sizeof block_steps / sizeof block_steps[0]; i++) {
        struct shape shape;
        struct err made;
        if (!block_make(full, &block_steps[i], tile, scratch, &shape, &made)) {
            if (!skip_unless_fatal(false, &made, err)) {
                return false;
            }
            continue;
        }
        if (!add_version(chain, record, full, &shape, OF_BLOCK, tile, scratch, err)) {
            return false;
        }
    }
    return true;
}

static bool fill_chain(struct chain *chain, const struct record *record, const struct shape *full,
                       struct arena *tile, struct arena *scratch, struct err *err)
{
    const bool is_building = may_be_block(record->feature.kind);
    /* A footprint (level 0) lies on the ground: it is not a building. */
    return paint_shape(chain, record, full, OF_SOURCE, 0, tile, scratch, &chain->pieces[0], err) &&
           add_flat(chain, record, full, tile, scratch, err) &&
           add_thinned(chain, record, full, tile, scratch, err) &&
           add_source_levels(chain, record, full, 2, INFINITY, tile, scratch, err) &&
           (!is_building || add_first_block(chain, record, full, tile, scratch, err)) &&
           add_source_levels(chain, record, full, 1, 2, tile, scratch, err) &&
           (!is_building || add_coarse_blocks(chain, record, full, tile, scratch, err));
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
    const struct box3 box = shape_box(&full);
    struct chain chain = {.count = 1, .dropped_error_m = shape_diameter_m(&full)};
    if (!shade_open(record, &full, means->images, means->source_path, means->texel_per_error, tile,
                    &chain.shade, err) ||
        !fill_chain(&chain, record, &full, tile, scratch, err)) {
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
        .dropped_error_m = chain.dropped_error_m,
        .origin_ecef_m = record->origin_ecef_m,
        .pieces = pieces,
        .piece_count = chain.count,
        .masses = chain.masses,
        .mass_count = chain.mass_count,
        .member_count = 1,
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
