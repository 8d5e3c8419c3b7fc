/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/shade.h"

#include <assert.h>

#include "formats/mesh.h"
#include "tiler/frame.h"
#include "tiler/light.h"

/* A triangle is looked at in at most so many points a side, two to a texel. */
enum { SAMPLES_MAX = 48 };

/* Below these a picture is a colour: encoded bytes from the mean, at the worst
 * and as a standard deviation. Lettering passes either. */
enum { PLAIN_WORST = 10, PLAIN_DEVIATION = 3 };

/* A face of so many texels may as well have one colour; a picture whose bytes
 * deviate so much, as a standard deviation, loses all that it shows. */
static const double COLOR_TEXELS = 16;
static const double FULL_CONTRAST = 32;

/* Texture coordinates beyond these are mistakes. */
static const double UV_MAX = 16384;
static const double UV_SPAN_MAX = 4096;

/* Alpha: shares of a face's texels. */
static const double CLEAR_SHARE_MIN = 0.005; /* fewer that are clear: an edge of the picture */
static const double HALF_SHARE_MAX = 0.25;   /* of the clear ones: a cut-out with soft edges */

/* Ways to look: up, down, and around the compass. */
enum { WAY_UP, WAY_DOWN, WAY_AROUND, WAY_COUNT = WAY_AROUND + 16 };

/* What pictures say about a face. */
struct tone {
    double light[3]; /* linear, sums weighted by area and alpha until finished */
    double alpha;
    double area_m2;
    double deviation; /* encoded, 0 to 255 */
    double worst;
    double texels; /* of the picture, on the face */
    enum mesh_alpha kind;
    bool is_known;
};

struct sums {
    double weight, weighted_alpha;
    double light[3];
    double encoded[3], squared[3];
    double low[3], high[3];
    double clear, half; /* weights */
    float uv_low[2], uv_high[2];
};

struct shade {
    struct images *images;
    const struct feature *feature;
    const struct shape *full;
    int32_t *image_of;  /* per texture of the feature */
    struct tone *tones; /* per face of full */
    uint32_t *face_of;  /* per polygon: face of full + 1, or 0 */
    struct tone ways[WAY_COUNT];
    struct tone all;
    double texel_per_error;
    const struct light_table *light;
};

static enum mesh_wrap wrap_of(enum feature_wrap wrap)
{
    switch (wrap) {
    case WRAP_MIRROR:
        return MESH_MIRROR;
    case WRAP_CLAMP:
    case WRAP_BORDER: /* the image has a frame: frame.h */
        return MESH_CLAMP;
    case WRAP_NONE: /* said by default, and meant so only where it does not matter */
    case WRAP_REPEAT:
        break;
    }
    return MESH_REPEAT;
}

/* ---- one face ---- */

static uint32_t wrapped(double at, uint32_t size, enum mesh_wrap wrap)
{
    if (wrap == MESH_CLAMP) {
        at = fmin(fmax(at, 0), 1);
    } else if (wrap == MESH_MIRROR) {
        at = fabs(at - 2 * floor(at / 2 + 0.5));
    } else {
        at -= floor(at);
    }
    const double texel = at * size;
    return texel >= size ? size - 1 : (uint32_t)texel;
}

static void add_sample(const struct light_table *light, const uint8_t *pixel, double weight,
                       struct sums *sums)
{
    const double alpha = pixel[3] / 255.0;
    sums->weight += weight;
    sums->weighted_alpha += weight * alpha;
    sums->clear += pixel[3] < 250 ? weight : 0;
    sums->half += pixel[3] > 16 && pixel[3] < 240 ? weight : 0;
    for (int i = 0; i < 3; i++) {
        const double encoded = pixel[i];
        sums->light[i] += weight * alpha * (double)light->linear[pixel[i]];
        sums->encoded[i] += weight * encoded;
        sums->squared[i] += weight * encoded * encoded;
        sums->low[i] = fmin(sums->low[i], encoded);
        sums->high[i] = fmax(sums->high[i], encoded);
    }
}

/* An even grid of points on the triangle, two to a texel where that is not too
 * many. */
static void add_triangle(const struct light_table *light, const struct image *image,
                         enum mesh_wrap wrap, const float *uv, double area_m2, double texels,
                         struct sums *sums)
{
    const double wish = ceil(2 * sqrt(texels));
    const int n = wish >= SAMPLES_MAX ? SAMPLES_MAX : wish < 2 ? 2 : (int)wish;
    const double weight = area_m2 / (0.5 * n * (n + 1));
    for (int i = 0; i < n; i++) {
        for (int j = 0; i + j < n; j++) {
            const double b = (i + 1.0 / 3) / n;
            const double c = (j + 1.0 / 3) / n;
            const double a = 1 - b - c;
            const double u = a * (double)uv[0] + b * (double)uv[2] + c * (double)uv[4];
            const double v = a * (double)uv[1] + b * (double)uv[3] + c * (double)uv[5];
            const uint32_t x = wrapped(u, image->width, wrap);
            const uint32_t y = image->height - 1 - wrapped(v, image->height, wrap);
            add_sample(light, image->pixels + 4 * ((size_t)y * image->width + x), weight, sums);
        }
    }
}

static void finish_tone(const struct sums *sums, struct tone *tone)
{
    const double span = fmax((double)(sums->uv_high[0] - sums->uv_low[0]),
                             (double)(sums->uv_high[1] - sums->uv_low[1]));
    if (!(sums->weight > 0) || !(span <= UV_SPAN_MAX)) {
        return;
    }
    tone->is_known = true;
    tone->area_m2 = sums->weight;
    tone->alpha = sums->weighted_alpha / sums->weight;
    for (int i = 0; i < 3; i++) {
        const double mean = sums->encoded[i] / sums->weight;
        const double variance = fmax(0, sums->squared[i] / sums->weight - mean * mean);
        tone->deviation = fmax(tone->deviation, sqrt(variance));
        tone->worst = fmax(tone->worst, fmax(sums->high[i] - mean, mean - sums->low[i]));
        tone->light[i] = sums->weighted_alpha > 0 ? sums->light[i] / sums->weighted_alpha : 0;
    }
    tone->kind = sums->clear < CLEAR_SHARE_MIN * sums->weight ? MESH_OPAQUE
                 : sums->half <= HALF_SHARE_MAX * sums->clear ? MESH_MASK
                                                              : MESH_BLEND;
}

static double triangle_area_m2(const struct shape *shape, uint32_t triangle)
{
    const uint32_t *corners = shape->corners + 3 * (size_t)triangle;
    const struct vec3 a = shape->points[corners[0]];
    return 0.5 * vec3_length(vec3_cross(vec3_sub(shape->points[corners[1]], a),
                                        vec3_sub(shape->points[corners[2]], a)));
}

static bool are_sane(const float *uv)
{
    for (int i = 0; i < 6; i++) {
        if (!(fabs((double)uv[i]) <= UV_MAX)) {
            return false;
        }
    }
    return true;
}

static void note_span(const float *uv, struct sums *sums)
{
    for (int i = 0; i < 6; i++) {
        sums->uv_low[i % 2] = fminf(sums->uv_low[i % 2], uv[i]);
        sums->uv_high[i % 2] = fmaxf(sums->uv_high[i % 2], uv[i]);
    }
}

/* ---- all faces of a shape ---- */

/* Adds what one texture says to the faces that show it. */
static bool measure_texture(const struct shade *shade, const struct shape *shape, int32_t texture,
                            struct sums *sums, struct tone *tones, struct err *err)
{
    const int32_t id = shade->image_of[texture];
    const enum mesh_wrap wrap = wrap_of(shade->feature->textures[texture].wrap);
    struct images_hold hold;
    if (!images_hold(shade->images, id, 1, &hold, err)) {
        return false;
    }
    const struct image *image = &hold.image;
    for (uint32_t t = 0; image->pixels != NULL && t < shape->triangle_count; t++) {
        const uint32_t face = shape->triangle_faces[t];
        const float *uv = shape->uvs + 6 * (size_t)t;
        if (shape->faces[face].texture != texture || !are_sane(uv)) {
            continue;
        }
        const double across = fabs((double)(uv[2] - uv[0]) * (double)(uv[5] - uv[1]) -
                                   (double)(uv[4] - uv[0]) * (double)(uv[3] - uv[1]));
        const double texels = 0.5 * across * image->width * image->height;
        tones[face].texels += texels;
        note_span(uv, &sums[face]);
        add_triangle(shade->light, image, wrap, uv, triangle_area_m2(shape, t), texels,
                     &sums[face]);
    }
    images_drop(shade->images, &hold);
    return true;
}

/* All in `arena`, which the caller resets. */
static bool measure(const struct shade *shade, const struct shape *shape, struct arena *arena,
                    struct tone **out, struct err *err)
{
    struct tone *tones = arena_array(arena, struct tone, shape->face_count);
    struct sums *sums = arena_array(arena, struct sums, shape->face_count);
    bool *is_used = arena_array(arena, bool, shade->feature->texture_count);
    if (tones == NULL || sums == NULL || is_used == NULL) {
        return arena_full(arena, err);
    }
    for (uint32_t f = 0; f < shape->face_count; f++) {
        const int32_t texture = shape->faces[f].texture;
        sums[f] = (struct sums){.low = {255, 255, 255},
                                .uv_low = {HUGE_VALF, HUGE_VALF},
                                .uv_high = {-HUGE_VALF, -HUGE_VALF}};
        if (texture != FEATURE_NONE && shade->image_of[texture] != IMAGES_NONE) {
            is_used[texture] = true;
        }
    }
    bool ok = true;
    for (size_t i = 0; ok && shape->uvs != NULL && i < shade->feature->texture_count; i++) {
        ok = !is_used[i] || measure_texture(shade, shape, (int32_t)i, sums, tones, err);
    }
    for (uint32_t f = 0; ok && f < shape->face_count; f++) {
        finish_tone(&sums[f], &tones[f]);
    }
    *out = tones;
    return ok;
}

/* ---- colours for faces without a picture ---- */

static int way_of(struct vec3 normal)
{
    if (fabs(normal.z) > 0.5) {
        return normal.z > 0 ? WAY_UP : WAY_DOWN;
    }
    const double turn = atan2(normal.y, normal.x) / 6.283185307179586; /* -0.5 to 0.5 */
    return WAY_AROUND + ((int)floor(turn * 16 + 16.5)) % 16;
}

static void add_tone(struct tone *to, const struct tone *from, double weight)
{
    for (int i = 0; i < 3; i++) {
        to->light[i] += weight * from->light[i];
    }
    to->alpha += weight * from->alpha;
    to->deviation += weight * from->deviation;
    to->area_m2 += weight;
    to->is_known = true;
}

static struct tone divided(const struct tone *sum)
{
    struct tone tone = *sum;
    for (int i = 0; i < 3; i++) {
        tone.light[i] /= sum->area_m2;
    }
    tone.alpha /= sum->area_m2;
    tone.deviation /= sum->area_m2;
    return tone;
}

static void sort_by_way(struct shade *shade)
{
    for (uint32_t f = 0; f < shade->full->face_count; f++) {
        const struct tone *tone = &shade->tones[f];
        if (tone->is_known && tone->area_m2 > 0) {
            add_tone(&shade->ways[way_of(shade->full->faces[f].normal)], tone, tone->area_m2);
            add_tone(&shade->all, tone, tone->area_m2);
        }
    }
}

/* Of what looks the same way, the nearer in direction the more. */
static struct tone tone_for(const struct shade *shade, struct vec3 normal)
{
    const int way = way_of(normal);
    if (shade->ways[way].is_known && way < WAY_AROUND) {
        return divided(&shade->ways[way]);
    }
    struct tone sum = {.is_known = false};
    for (int other = 0; way >= WAY_AROUND && other < 16; other++) {
        const struct tone *there = &shade->ways[WAY_AROUND + other];
        const double same = cos((other - (way - WAY_AROUND)) * 6.283185307179586 / 16);
        if (there->is_known && same > 0.1) {
            const struct tone mean = divided(there);
            add_tone(&sum, &mean, there->area_m2 * same * same * same * same);
        }
    }
    return divided(sum.is_known ? &sum : &shade->all);
}

/* ---- texels of a record ---- */

/* Features that share an image are taken to share a tile, up to so many. */
enum { SHARED_MAX = 32 };

/* Area of the polygon's outer ring in the unit square of its image. */
static double ring_share(const struct feature *feature, const struct feature_polygon *polygon)
{
    const struct feature_ring *ring = &feature->rings[polygon->first_ring];
    const float *uvs = feature->uvs + 2 * (size_t)ring->first_corner;
    double twice = 0;
    for (uint32_t i = 0; i < ring->corner_count; i++) {
        const float *a = uvs + 2 * (size_t)i;
        const float *b = uvs + 2 * (size_t)(i + 1 == ring->corner_count ? 0 : i + 1);
        twice += (double)a[0] * (double)b[1] - (double)b[0] * (double)a[1];
    }
    return fabs(twice) / 2;
}

bool shade_count_texels(const struct record *record, struct images *images, const char *source_path,
                        struct arena *scratch, double *out, struct err *err)
{
    const struct feature *feature = &record->feature;
    const struct feature_lod *lod = &feature->lods[feature->lod_count - 1];
    const struct arena_mark mark = arena_mark(scratch);
    *out = 0;
    if (images == NULL || feature->uvs == NULL || feature->texture_count == 0) {
        return true;
    }
    double *shares = arena_array(scratch, double, feature->texture_count);
    if (shares == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t i = 0; i < lod->polygon_count; i++) {
        const struct feature_polygon *polygon = &feature->polygons[lod->first_polygon + i];
        if (polygon->texture != FEATURE_NONE && polygon->ring_count > 0) {
            shares[polygon->texture] += ring_share(feature, polygon);
        }
    }
    bool ok = true;
    for (size_t i = 0; ok && i < feature->texture_count; i++) {
        const struct text name = feature->textures[i].image;
        int32_t id = IMAGES_NONE;
        ok = !(shares[i] > 0) || images_find(images, record->source, source_path, name, &id, err);
        if (ok && id != IMAGES_NONE) {
            const struct images_facts facts = images_facts(images, id);
            const uint32_t uses = images_uses(images, record->source, source_path, name);
            *out += fmin(shares[i], 1) * facts.width * facts.height /
                    (uses < SHARED_MAX ? uses : SHARED_MAX);
        }
    }
    arena_reset(scratch, mark);
    return ok;
}

/* ---- the header's functions ---- */

static bool find_images(struct shade *shade, const struct record *record, const char *source_path,
                        bool *out_has_any, struct err *err)
{
    *out_has_any = false;
    for (size_t i = 0; i < shade->feature->texture_count; i++) {
        if (!frame_find(shade->images, record->source, source_path, &shade->feature->textures[i],
                        &shade->image_of[i], err)) {
            return false;
        }
        *out_has_any = *out_has_any || shade->image_of[i] != IMAGES_NONE;
    }
    return true;
}

bool shade_open(const struct record *record, const struct shape *full, struct images *images,
                const char *source_path, double texel_per_error, struct arena *tile,
                struct shade **out, struct err *err)
{
    const struct feature *feature = &record->feature;
    *out = NULL;
    if (images == NULL || full->uvs == NULL || feature->texture_count == 0) {
        return true;
    }
    struct shade *shade = arena_array(tile, struct shade, 1);
    int32_t *image_of = arena_array(tile, int32_t, feature->texture_count);
    uint32_t *face_of = arena_array(tile, uint32_t, feature->polygon_count);
    if (shade == NULL || image_of == NULL || face_of == NULL) {
        return arena_full(tile, err);
    }
    shade->images = images;
    shade->feature = feature;
    shade->full = full;
    shade->image_of = image_of;
    shade->face_of = face_of;
    shade->light = images_light(images);
    shade->texel_per_error = texel_per_error;
    bool has_any;
    if (!find_images(shade, record, source_path, &has_any, err)) {
        return false;
    }
    if (!has_any) {
        return true;
    }
    if (!measure(shade, full, tile, &shade->tones, err)) {
        return false;
    }
    for (uint32_t f = 0; f < full->face_count; f++) {
        if (full->faces[f].polygon < feature->polygon_count) {
            face_of[full->faces[f].polygon] = f + 1;
        }
    }
    sort_by_way(shade);
    *out = shade->all.is_known ? shade : NULL;
    return true;
}

static uint16_t to_u16(double value)
{
    return (uint16_t)lround(fmin(1, fmax(0, value)) * UINT16_MAX);
}

static void color_face(const struct tone *tone, struct piece_face *face)
{
    for (int i = 0; i < 3; i++) {
        face->paint.color[i] = to_u16(tone->light[i]);
    }
    face->paint.color[3] = tone->kind == MESH_OPAQUE ? UINT16_MAX : to_u16(tone->alpha);
    face->is_unlit = 1;
}

static bool is_plain(const struct tone *tone)
{
    return tone->kind == MESH_OPAQUE &&
           (tone->texels < 1 || (tone->worst <= PLAIN_WORST && tone->deviation <= PLAIN_DEVIATION));
}

/* A face that pictures say nothing of has the colour of full detail's face
 * that it is a part of, if that has one; if it is of no such face, of those that
 * look the same way. */
static bool borrow_tone(const struct shade *shade, const struct shape_face *face, struct tone *out)
{
    const uint32_t known =
        face->polygon < shade->feature->polygon_count ? shade->face_of[face->polygon] : 0;
    *out = known == 0 ? tone_for(shade, face->normal) : shade->tones[known - 1];
    return out->is_known;
}

/* The error of showing the colour where there was a picture, by the area of the
 * face. */
static double loss_m(const struct shade *shade, const struct tone *tone, double area_m2)
{
    if (!(shade->texel_per_error > 0)) {
        return 0;
    }
    const double contrast = fmin(1, tone->deviation / FULL_CONTRAST);
    return contrast * sqrt(area_m2 / COLOR_TEXELS) / shade->texel_per_error;
}

static bool add_losses(const struct shade *shade, const struct shape *shape, struct arena *scratch,
                       struct piece_face *faces, const struct tone *tones, struct piece *piece,
                       struct err *err)
{
    double *areas = arena_array(scratch, double, shape->face_count);
    if (areas == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t t = 0; t < shape->triangle_count; t++) {
        areas[shape->triangle_faces[t]] += triangle_area_m2(shape, t);
    }
    for (uint32_t f = 0; f < shape->face_count; f++) {
        struct tone tone;
        if (!tones[f].is_known && borrow_tone(shade, &shape->faces[f], &tone)) {
            color_face(&tone, &faces[f]);
            piece->error_m = fmax(piece->error_m, loss_m(shade, &tone, areas[f]));
        }
    }
    return true;
}

/* Pictures that repeat on a piece are paid for once. */
static double sum_texels(const struct shade *shade, const double *texels)
{
    double sum = 0;
    for (size_t i = 0; i < shade->feature->texture_count; i++) {
        if (texels[i] > 0) {
            const struct images_facts facts = images_facts(shade->images, shade->image_of[i]);
            sum += fmin(texels[i], (double)facts.width * facts.height);
        }
    }
    return sum;
}

bool shade_piece(const struct shade *shade, const struct shape *shape, struct arena *scratch,
                 struct piece_face *faces, struct piece *piece, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct tone *tones = shade->tones;
    double *texels = arena_array(scratch, double, shade->feature->texture_count);
    if (texels == NULL) {
        return arena_full(scratch, err);
    }
    if (shape != shade->full && !measure(shade, shape, scratch, &tones, err)) {
        return false;
    }
    for (uint32_t f = 0; f < shape->face_count; f++) {
        const struct shape_face *face = &shape->faces[f];
        const struct tone *tone = &tones[f];
        if (!tone->is_known) {
            continue;
        }
        color_face(tone, &faces[f]);
        if (!is_plain(tone)) {
            faces[f].image = shade->image_of[face->texture];
            faces[f].wrap = (uint8_t)wrap_of(shade->feature->textures[face->texture].wrap);
            faces[f].alpha = (uint8_t)tone->kind;
            piece->uvs = shape->uvs;
            piece->image_area_m2 += tone->area_m2;
            texels[face->texture] += tone->texels;
        }
    }
    piece->image_texels = sum_texels(shade, texels);
    const bool ok =
        shape == shade->full || add_losses(shade, shape, scratch, faces, tones, piece, err);
    arena_reset(scratch, mark);
    return ok;
}
