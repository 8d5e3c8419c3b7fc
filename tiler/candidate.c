/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/candidate.h"

#include <assert.h>

#include "tiler/block.h"
#include "tiler/crate.h"
#include "tiler/crown.h"
#include "tiler/deviation.h"
#include "tiler/footprint.h"
#include "tiler/shade.h"
#include "tiler/simplify.h"
#include "tiler/thin.h"
#include "tiler/visible.h"

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
    struct spent *spent;
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
    const double start_s = spent_clock(chain->spent);
    if ((chain->reference == NULL && !deviation_open(full, tile, &chain->reference, err)) ||
        !deviation_from(chain->reference, shape, tolerance_m, DEVIATION_RELATIVE,
                        DEVIATION_STEPS + full->triangle_count / 4, scratch, &deviation, err)) {
        return false;
    }
    if (chain->spent != NULL) {
        chain->spent->proofs_s += spent_clock(chain->spent) - start_s;
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
    const struct arena_mark mark = arena_mark(scratch);
    struct thin thin;
    bool ok = true;
    thin_init(&thin, full, scratch);
    for (size_t i = 0; ok && full->triangle_count >= THIN_TRIANGLES_MIN && i < step_count; i++) {
        struct shape shape;
        struct err made;
        if (!thin_next(&thin, thin_steps[i] * chain->dropped_error_m, tile, scratch, &shape,
                       &made)) {
            ok = skip_unless_fatal(false, &made, err);
        } else if (is_worth(chain, &shape, THIN_WORTH)) {
            ok = add_version(chain, record, full, &shape, OF_SOURCE, tile, scratch, err);
        }
    }
    arena_reset(scratch, mark);
    return ok;
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

/* Classes that a block can stand for. */
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

/* Adds the colour of the faces that look up, or of the others, to a mean. */
static void mix_faces(const struct piece *piece, bool is_roof, struct paint *io_mean,
                      double *io_area_m2)
{
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
            *io_mean = mass_mix(*io_mean, *io_area_m2, face->paint, own_m2);
            *io_area_m2 += own_m2;
        }
    }
}

/* The mean colour of the faces that look up, or of the others; of all where
 * there are none such: a palm is steep all over. */
static struct paint mean_paint(const struct piece *piece, bool is_roof)
{
    struct paint mean = {{UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX}};
    double area_m2 = 0;
    mix_faces(piece, is_roof, &mean, &area_m2);
    if (area_m2 == 0) {
        mix_faces(piece, !is_roof, &mean, &area_m2);
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

/* ---- what lies flat: streets, lots, water ---- */

/* Cosine of 25 degrees: the steepest street. */
static const double FLAT_COSINE = 0.9;

/* Ground that is cut into more convex pieces stays as it is. */
enum { GROUND_MASSES_MAX = 256 };

static bool is_ground(const struct shape *full)
{
    for (uint32_t i = 0; i < full->face_count; i++) {
        if (fabs(full->faces[i].normal.z) < FLAT_COSINE) {
            return false;
        }
    }
    return true;
}

/* Ground of more colours has the mean of all. */
enum { GROUND_PAINTS_MAX = 6 };

static bool same_paint(struct paint a, struct paint b)
{
    return memcmp(a.color, b.color, sizeof a.color) == 0;
}

/* The colours of a version's faces; 0 when there are more than GROUND_PAINTS_MAX. */
static uint32_t list_paints(const struct piece *piece, struct paint *out)
{
    uint32_t count = 0;
    for (uint32_t f = 0; f < piece->face_count; f++) {
        uint32_t at = 0;
        while (at < count && !same_paint(out[at], piece->faces[f].paint)) {
            at++;
        }
        if (at == GROUND_PAINTS_MAX) {
            return 0;
        }
        out[at] = piece->faces[f].paint;
        count = at == count ? count + 1 : count;
    }
    return count;
}

/* The masses of what has one colour; the faces of `piece` are those of `full`. */
static bool add_ground_of(struct chain *chain, const struct shape *full, const struct piece *piece,
                          const struct paint *paint, struct mass *masses, struct arena *tile,
                          struct arena *scratch, struct err *err)
{
    const struct box3 box = shape_box(full);
    const double middle_m = (box.max.z + box.min.z) / 2;
    bool *is_wanted = arena_array(scratch, bool, full->triangle_count);
    if (is_wanted == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        is_wanted[t] =
            paint == NULL || same_paint(piece->faces[full->triangle_faces[t]].paint, *paint);
    }
    struct ring_set plan;
    struct mass *made;
    uint32_t count;
    if (!footprint_from_shape(full, is_wanted, tile, scratch, &plan, err) ||
        !mass_from_plan(&plan, middle_m, middle_m, (box.max.z - box.min.z) / 2,
                        GROUND_MASSES_MAX - chain->mass_count, tile, scratch, &made, &count, err)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        paint_mass(&made[i], piece);
        made[i].roof = paint == NULL ? made[i].roof : *paint;
        masses[chain->mass_count++] = made[i];
    }
    /* Too many of them: it is not merged, rather than in part. */
    chain->mass_count = count == 0 && ring_point_count(&plan) > 0 ? 0 : chain->mass_count;
    return true;
}

/*
 * Ground is thin prisms, for each of its colours one per convex piece of the
 * plan, at its middle height. Leaving it out counts with its width: what is
 * missing then is a strip as wide, however long.
 */
static bool add_ground(struct chain *chain, const struct record *record, const struct shape *full,
                       struct arena *tile, struct arena *scratch, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    const struct box3 box = shape_box(full);
    struct ring_set plan;
    double width_m;
    struct piece piece;
    struct paint paints[GROUND_PAINTS_MAX];
    struct mass *masses = arena_array(tile, struct mass, GROUND_MASSES_MAX);
    if (masses == NULL) {
        return arena_full(tile, err);
    }
    if (!footprint_from_shape(full, NULL, tile, scratch, &plan, err) ||
        !footprint_width_m(&plan, scratch, &width_m, err) ||
        !paint_shape(chain, record, full, OF_SOURCE, 0, tile, scratch, &piece, err)) {
        return false;
    }
    chain->dropped_error_m = fmin(chain->dropped_error_m, hypot(width_m, box.max.z - box.min.z));
    const uint32_t count = list_paints(&piece, paints);
    bool ok = true;
    for (uint32_t i = 0; ok && i < (count == 0 ? 1 : count); i++) {
        ok = (i > 0 && chain->mass_count == 0) ||
             add_ground_of(chain, full, &piece, count == 0 ? NULL : &paints[i], masses, tile,
                           scratch, err);
    }
    chain->masses = masses;
    arena_reset(scratch, mark);
    return ok;
}

/* ---- small things: trees, lamps ---- */

/* Things larger than this are not to be seen as such, but may be merged as boxes. */
static const double SMALL_DIAMETER_MAX_M = 40;

/* Two pyramids are not as good as a thing that costs little more. */
static const double CROWN_WORTH = 0.7;

/* A copy of a version's faces in two colours: those that look up, and others. */
static bool paint_alike(struct piece *piece, struct paint roof, struct paint wall,
                        struct arena *tile, struct err *err)
{
    struct piece_face *faces = arena_array(tile, struct piece_face, piece->face_count);
    if (faces == NULL) {
        return arena_full(tile, err);
    }
    memcpy(faces, piece->faces, piece->face_count * sizeof faces[0]);
    for (uint32_t i = 0; i < piece->face_count; i++) {
        faces[i].paint = faces[i].normal.z > 0 ? roof : wall;
    }
    piece->faces = faces;
    return true;
}

/* A tree or a lamp as two pyramids. */
static bool add_crown(struct chain *chain, const struct record *record, const struct shape *full,
                      struct arena *tile, struct arena *scratch, struct err *err)
{
    struct shape shape;
    struct piece piece;
    struct err made;
    double error_m;
    if (chain->dropped_error_m > SMALL_DIAMETER_MAX_M) {
        return true;
    }
    if (!crown_make(full, tile, scratch, &shape, &made)) {
        return skip_unless_fatal(false, &made, err);
    }
    if (!is_worth(chain, &shape, CROWN_WORTH)) {
        return true;
    }
    if (!measure_version(chain, full, &shape, OF_BLOCK, tile, scratch, &error_m, err) ||
        !paint_shape(chain, record, &shape, OF_BLOCK, error_m, tile, scratch, &piece, err) ||
        !paint_alike(&piece, mean_paint(&chain->pieces[0], true),
                     mean_paint(&chain->pieces[0], false), tile, err)) {
        return false;
    }
    add_piece(chain, &piece);
    return true;
}

/* A tree or a lamp as a box: worse than itself, better than none. */
static bool add_box(struct chain *chain, const struct record *record, const struct shape *full,
                    struct arena *tile, struct arena *scratch, struct err *err)
{
    struct mass_prism box;
    if (!crate_around(full, scratch, &box, err)) {
        return false;
    }
    if (box.error_m >= chain->dropped_error_m) {
        return true;
    }
    struct mass *mass = arena_array(tile, struct mass, 1);
    struct mass_prism *part = arena_array(tile, struct mass_prism, 1);
    struct shape shape;
    struct piece piece;
    if (mass == NULL || part == NULL) {
        return arena_full(tile, err);
    }
    *part = box;
    *mass = (struct mass){.shape = box,
                          .parts = part,
                          .part_count = 1,
                          .low_top_m = box.top_m,
                          .high_top_m = box.top_m};
    paint_mass(mass, &chain->pieces[0]);
    chain->masses = mass;
    chain->mass_count = 1;
    if (!crate_shape(&box, tile, &shape, err)) {
        return false;
    }
    if (chain->dropped_error_m > SMALL_DIAMETER_MAX_M || !is_worth(chain, &shape, 0.9)) {
        return true;
    }
    if (!paint_shape(chain, record, &shape, OF_BLOCK, box.error_m, tile, scratch, &piece, err) ||
        !paint_alike(&piece, mass->roof, mass->wall, tile, err)) {
        return false;
    }
    add_piece(chain, &piece);
    return true;
}

/* A coarser block is what a building is made of whose finest one is too much. */
static bool add_coarse_block(struct chain *chain, const struct record *record,
                             const struct shape *full, const struct block *block,
                             struct arena *tile, struct arena *scratch, struct err *err)
{
    const bool is_wanted = chain->mass_count == 0;
    if (!is_wanted && !is_worth(chain, &block->shape, 0.9)) {
        return true;
    }
    double error_m;
    struct piece piece;
    if (!measure_version(chain, full, &block->shape, OF_BLOCK, tile, scratch, &error_m, err) ||
        !paint_shape(chain, record, &block->shape, OF_BLOCK, error_m, tile, scratch, &piece, err)) {
        return false;
    }
    if (is_worth(chain, &block->shape, 0.9)) {
        add_piece(chain, &piece);
    }
    return !is_wanted || error_m >= chain->dropped_error_m ||
           add_masses(chain, block, &piece, tile, scratch, err);
}

static bool add_coarse_blocks(struct chain *chain, const struct record *record,
                              const struct shape *full, struct arena *tile, struct arena *scratch,
                              struct err *err)
{
    for (size_t i = 1; i < sizeof block_steps / sizeof block_steps[0]; i++) {
        struct block block;
        struct err made;
        if (!block_make_layers(full, &block_steps[i], tile, scratch, &block, &made)) {
            if (!skip_unless_fatal(false, &made, err)) {
                return false;
            }
            continue;
        }
        if (!add_coarse_block(chain, record, full, &block, tile, scratch, err)) {
            return false;
        }
    }
    return true;
}

/* What nobody sees from outside is in full detail only; that is measured
 * against as it is seen from outside. */
static bool leave_out_hidden(struct chain *chain, const struct record *record,
                             const struct shape *full, struct report *report, struct arena *tile,
                             struct arena *scratch, struct shape *out_seen, struct err *err)
{
    *out_seen = *full;
    if (full->triangle_count < THIN_TRIANGLES_MIN) {
        return true;
    }
    uint8_t *is_clear = arena_array(tile, uint8_t, full->face_count);
    uint32_t hidden = 0;
    struct piece piece;
    if (is_clear == NULL) {
        return arena_full(tile, err);
    }
    for (uint32_t f = 0; f < full->face_count; f++) {
        is_clear[f] = paint_is_blended(chain->pieces[0].faces[f].paint);
    }
    if (!visible_shape(full, is_clear, tile, scratch, out_seen, &hidden, err) ||
        (hidden > 0 &&
         !paint_shape(chain, record, out_seen, OF_SOURCE, 0, tile, scratch, &piece, err))) {
        return false;
    }
    if (hidden > 0) {
        struct err said;
        char id[64];
        add_piece(chain, &piece);
        snprintf(id, sizeof id, "%.*s", TEXT_ARGS(record->feature.id));
        err_set(&said, ERR_GEOMETRY, "%u triangles cannot be seen from outside: near tiles only",
                hidden);
        err_in_feature(&said, id);
        if (report != NULL) {
            report_add(report, REPORT_NOTICE, "hidden-inside", &said);
        }
    }
    return true;
}

static bool fill_chain(struct chain *chain, const struct record *record, const struct shape *full,
                       struct arena *tile, struct arena *scratch, struct err *err)
{
    const bool is_building = may_be_block(record->feature.kind);
    /* A footprint (level 0) lies on the ground: it is not a building. */
    return add_flat(chain, record, full, tile, scratch, err) &&
           add_thinned(chain, record, full, tile, scratch, err) &&
           add_source_levels(chain, record, full, 2, INFINITY, tile, scratch, err) &&
           (!is_building || add_first_block(chain, record, full, tile, scratch, err)) &&
           add_source_levels(chain, record, full, 1, 2, tile, scratch, err) &&
           (!is_building || add_coarse_blocks(chain, record, full, tile, scratch, err)) &&
           (is_building ||
            (is_ground(full) ? add_ground(chain, record, full, tile, scratch, err)
                             : add_crown(chain, record, full, tile, scratch, err))) &&
           (chain->mass_count > 0 || add_box(chain, record, full, tile, scratch, err));
}

bool candidate_chain(const struct record *record, const struct candidate_means *means,
                     struct arena *tile, struct arena *scratch, struct figure *out, struct err *err)
{
    const struct feature *feature = &record->feature;
    assert(feature->lod_count > 0);
    const struct vec3 *placed = (const struct vec3 *)(const void *)feature->vertices;
    static_assert(sizeof(struct vec3) == 3 * sizeof(double), "the hub's vertices are vec3");
    struct shape full;
    struct shape seen;
    if (!shape_from_feature(feature, feature->lod_count - 1, placed, tile, scratch, means->report,
                            &full, err)) {
        return false;
    }
    const struct box3 box = shape_box(&full);
    struct chain chain = {
        .count = 1, .dropped_error_m = shape_diameter_m(&full), .spent = means->spent};
    if (!shade_open(record, &full, means->images, means->source_path, means->texel_per_error, tile,
                    &chain.shade, err) ||
        !paint_shape(&chain, record, &full, OF_SOURCE, 0, tile, scratch, &chain.pieces[0], err)) {
        return false;
    }
    const double start_s = spent_clock(chain.spent);
    if (!leave_out_hidden(&chain, record, &full, means->report, tile, scratch, &seen, err) ||
        !fill_chain(&chain, record, &seen, tile, scratch, err)) {
        return false;
    }
    if (chain.spent != NULL) {
        chain.spent->versions_s += spent_clock(chain.spent) - start_s;
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
        .member_count = 1,
    };
    return true;
}
