/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/citygml_dress.h"

#define DRESS_BYTES_MAX ((size_t)1 << 28)

/* ---- the dresser ---- */

static void list_bufs(struct citygml_dresser *dresser, struct buf *out[7])
{
    struct buf *bufs[7] = {&dresser->materials,    &dresser->textures, &dresser->material_keys,
                           &dresser->texture_keys, &dresser->found,    &dresser->uvs,
                           &dresser->offsets};
    memcpy(out, bufs, sizeof bufs);
}

void citygml_dresser_init(struct citygml_dresser *dresser, size_t fail_after)
{
    struct buf *bufs[7];
    *dresser = (struct citygml_dresser){0};
    list_bufs(dresser, bufs);
    for (int i = 0; i < 7; i++) {
        buf_init(bufs[i], DRESS_BYTES_MAX);
        bufs[i]->fail_after = fail_after;
    }
}

void citygml_dresser_release(struct citygml_dresser *dresser)
{
    struct buf *bufs[7];
    list_bufs(dresser, bufs);
    for (int i = 0; i < 7; i++) {
        buf_release(bufs[i]);
    }
}

void citygml_dresser_reset(struct citygml_dresser *dresser)
{
    struct buf *bufs[7];
    list_bufs(dresser, bufs);
    for (int i = 0; i < 7; i++) {
        buf_reset(bufs[i]);
    }
}

/* ---- the feature's own lists ---- */

static uint64_t key_of(const struct citygml_found *found)
{
    return (uint64_t)found->target.dress << 1 | found->is_local;
}

/* The index of a key, or the count. */
static uint32_t find_key(const struct buf *keys, uint64_t key)
{
    const uint32_t count = citygml_count(keys, sizeof key);
    const uint64_t *all = (const uint64_t *)(const void *)keys->data;
    for (uint32_t i = count; i > 0; i--) {
        if (all[i - 1] == key) {
            return i - 1;
        }
    }
    return count;
}

static bool use_material(struct citygml_dresser *dresser, const struct citygml_found *found,
                         const struct citygml_dress *dress, int32_t *out, struct err *err)
{
    const uint64_t key = key_of(found);
    const uint32_t count = citygml_count(&dresser->material_keys, sizeof key);
    const uint32_t index = find_key(&dresser->material_keys, key);
    if (index == count) {
        struct feature_material material = {.alpha = dress->alpha, .shininess = dress->shininess};
        memcpy(material.diffuse, dress->diffuse, sizeof material.diffuse);
        memcpy(material.emissive, dress->emissive, sizeof material.emissive);
        memcpy(material.specular, dress->specular, sizeof material.specular);
        buf_add(&dresser->materials, &material, sizeof material);
        buf_add(&dresser->material_keys, &key, sizeof key);
        if (!buf_finish(&dresser->materials, err) || !buf_finish(&dresser->material_keys, err)) {
            return false;
        }
    }
    *out = (int32_t)index;
    return true;
}

/* How far from 0 to 1 is no more than the rounding of who wrote it. */
static const float EDGE_SLACK = 0.01F;

/* Whether the coordinates of the current polygon lie beyond the image. */
static bool leaves_image(const struct citygml_dresser *dresser)
{
    const uint32_t count = citygml_count(&dresser->uvs, sizeof(float));
    for (uint32_t i = 0; i < count; i++) {
        const float uv = *CITYGML_AT(dresser->uvs, const float, i);
        if (uv < -EDGE_SLACK || uv > 1 + EDGE_SLACK) {
            return true;
        }
    }
    return false;
}

/* What is seen beyond an image that is there once. */
static void read_border(const struct citygml_dresser *dresser, int32_t material, float out[4])
{
    static const float plain[4] = {0.8F, 0.8F, 0.8F, 1};
    memcpy(out, plain, sizeof plain);
    if (material != FEATURE_NONE) {
        const struct feature_material *worn =
            CITYGML_AT(dresser->materials, const struct feature_material, material);
        memcpy(out, worn->diffuse, sizeof worn->diffuse);
        out[3] = worn->alpha;
    }
}

/* The material is the one that the polygon wears, too, or FEATURE_NONE. */
static bool use_texture(struct citygml_dresser *dresser, struct citygml *reader,
                        const struct citygml_found *found, const struct citygml_dress *dress,
                        int32_t material, int32_t *out, struct err *err)
{
    const bool is_edged = dress->is_once || dress->wrap == WRAP_BORDER;
    const bool leaves = is_edged && leaves_image(dresser);
    /* One image with two borders is two textures. */
    const uint64_t edge = leaves ? 2 + (dress->is_once ? (uint64_t)(material + 1) : 0) : is_edged;
    const uint64_t key = key_of(found) | edge << 34;
    const uint32_t count = citygml_count(&dresser->texture_keys, sizeof key);
    const uint32_t index = find_key(&dresser->texture_keys, key);
    if (index == count) {
        struct feature_texture texture = {.wrap = leaves     ? WRAP_BORDER
                                                  : is_edged ? WRAP_CLAMP
                                                             : (enum feature_wrap)dress->wrap};
        memcpy(texture.border, dress->border, sizeof texture.border);
        if (leaves && dress->is_once) {
            read_border(dresser, material, texture.border);
        }
        if (!citygml_copy((struct text){dress->image, dress->image_bytes}, reader->feature,
                          &texture.image, err)) {
            return false;
        }
        buf_add(&dresser->textures, &texture, sizeof texture);
        buf_add(&dresser->texture_keys, &key, sizeof key);
        if (!buf_finish(&dresser->textures, err) || !buf_finish(&dresser->texture_keys, err)) {
            return false;
        }
    }
    *out = (int32_t)index;
    return true;
}

/* ---- choosing ---- */

static bool is_theme(const struct citygml *reader, const struct citygml_dress *dress)
{
    return !reader->has_theme || dress->theme == reader->theme ||
           CITYGML_AT(reader->themes, const struct citygml_theme, dress->theme)->name.size == 0;
}

/* The first of `kind` (a material, or not) that `id` wears on the side that is
 * looked for, in the theme that is read. */
static bool find_dress(struct citygml_dresser *dresser, struct citygml *reader, uint64_t id,
                       bool is_material, bool is_ring, struct citygml_found *out,
                       struct citygml_dress *out_dress, bool *out_is_there, struct err *err)
{
    *out_is_there = false;
    dresser->found.size = 0;
    if (!citygml_target_find(reader, id, &dresser->found, err)) {
        return false;
    }
    const uint32_t count = citygml_count(&dresser->found, sizeof *out);
    for (uint32_t i = 0; i < count; i++) {
        const struct citygml_found found = *CITYGML_AT(dresser->found, struct citygml_found, i);
        const bool has_list =
            found.target.uv_count != 0 && (found.target.uv_count & CITYGML_TARGET_GENERATED) == 0;
        struct citygml_dress dress;
        if (has_list != is_ring) {
            continue;
        }
        if (!citygml_target_dress(reader, &found, &dress, err)) {
            return false;
        }
        if ((dress.kind == DRESS_MATERIAL) != is_material || !is_theme(reader, &dress)) {
            continue;
        }
        if (dress.is_back != dresser->is_back) {
            continue;
        }
        *out = found;
        *out_dress = dress;
        *out_is_there = true;
        return true;
    }
    return true;
}

/* The innermost surface around the polygon, or itself, that wears such. */
static bool find_around(struct citygml_dresser *dresser, struct citygml *reader,
                        const struct citygml_node *node, const struct citygml_worn *worn,
                        bool is_material, struct citygml_found *out,
                        struct citygml_dress *out_dress, bool *out_is_there, struct err *err)
{
    *out_is_there = false;
    if (node->id_hash != 0 && !find_dress(dresser, reader, node->id_hash, is_material, false, out,
                                          out_dress, out_is_there, err)) {
        return false;
    }
    for (uint32_t i = worn->count; i > 0 && !*out_is_there; i--) {
        if (!find_dress(dresser, reader, worn->ids[i - 1], is_material, false, out, out_dress,
                        out_is_there, err)) {
            return false;
        }
    }
    return true;
}

static void report_texture(struct citygml *reader, struct text id, uint32_t line, uint32_t uvs,
                           uint32_t points)
{
    citygml_report(reader, id, line, REPORT_REPAIRED, "texture",
                   "%u texture coordinates for a ring of %u points", uvs, points);
}

/* Coordinates of one ring from a list; *out_fits false: they do not. */
static bool read_list(struct citygml_dresser *dresser, struct citygml *reader,
                      const struct citygml_ring *ring, const struct citygml_found *found,
                      struct text id, bool *out_fits, struct err *err)
{
    const uint32_t count = found->target.uv_count;
    const uint32_t offset = citygml_count(&dresser->uvs, sizeof(float));
    *out_fits = count == ring->point_count || count + 1 == ring->point_count;
    if (!*out_fits) {
        report_texture(reader, id, ring->line, count, ring->point_count);
        return true;
    }
    if (!citygml_target_uvs(reader, found, &dresser->uvs, err)) {
        return false;
    }
    if (count + 1 == ring->point_count) {
        /* The last point is the first again, and was not written for it. */
        float first[2];
        memcpy(first, dresser->uvs.data + offset * sizeof(float), sizeof first);
        buf_add(&dresser->uvs, first, sizeof first);
    }
    buf_add(&dresser->offsets, &offset, sizeof offset);
    return buf_finish(&dresser->uvs, err) && buf_finish(&dresser->offsets, err);
}

static bool choose_list(struct citygml_dresser *dresser, struct citygml *reader,
                        const struct citygml_node *node, struct text id, struct citygml_outfit *out,
                        struct err *err)
{
    struct citygml_found first = {0};
    struct citygml_dress first_dress;
    for (uint32_t i = 0; i < node->ring_count; i++) {
        const struct citygml_ring *ring =
            CITYGML_AT(reader->member.rings, const struct citygml_ring, node->first_ring + i);
        struct citygml_found found;
        struct citygml_dress dress;
        bool is_there = false;
        bool fits = true;
        if (ring->id_hash != 0 && !find_dress(dresser, reader, ring->id_hash, false, true, &found,
                                              &dress, &is_there, err)) {
            return false;
        }
        if (!is_there && i == 0) {
            return true;
        }
        if (i == 0) {
            first = found;
            first_dress = dress;
        }
        fits = is_there && key_of(&found) == key_of(&first);
        if (!is_there) {
            report_texture(reader, id, ring->line, 0, ring->point_count);
        }
        if (fits && !read_list(dresser, reader, ring, &found, id, &fits, err)) {
            return false;
        }
        if (!fits) {
            return true;
        }
    }
    return node->ring_count == 0 ||
           use_texture(dresser, reader, &first, &first_dress, out->material, &out->texture, err);
}

/* Coordinates by a matrix, s t q from x y z 1, or from where the image lies. */
static bool choose_generated(struct citygml_dresser *dresser, struct citygml *reader,
                             const struct citygml_node *node, const struct citygml_found *found,
                             const struct citygml_dress *dress, struct citygml_outfit *out,
                             struct err *err)
{
    double m[12];
    if (dress->kind == DRESS_GEOREFERENCED) {
        if (!citygml_georeference(reader, dress, m)) {
            return true; /* said there */
        }
    } else {
        const size_t before = dresser->uvs.size;
        if (!citygml_target_uvs(reader, found, &dresser->uvs, err)) {
            return false;
        }
        memcpy(m, dresser->uvs.data + before, sizeof m);
        dresser->uvs.size = before;
    }
    for (uint32_t i = 0; i < node->ring_count; i++) {
        const struct citygml_ring *ring =
            CITYGML_AT(reader->member.rings, const struct citygml_ring, node->first_ring + i);
        const double *p = (const double *)(const void *)reader->member.points.data +
                          (size_t)3 * ring->first_point;
        const uint32_t offset = citygml_count(&dresser->uvs, sizeof(float));
        for (uint32_t k = 0; k < ring->point_count; k++, p += 3) {
            const double s = m[0] * p[0] + m[1] * p[1] + m[2] * p[2] + m[3];
            const double t = m[4] * p[0] + m[5] * p[1] + m[6] * p[2] + m[7];
            const double q = m[8] * p[0] + m[9] * p[1] + m[10] * p[2] + m[11];
            float uv[2] = {(float)(s / q), (float)(t / q)};
            if (!isfinite(uv[0]) || !isfinite(uv[1])) {
                uv[0] = uv[1] = 0; /* a point that the projection does not see */
            }
            buf_add(&dresser->uvs, uv, sizeof uv);
        }
        buf_add(&dresser->offsets, &offset, sizeof offset);
    }
    return buf_finish(&dresser->uvs, err) && buf_finish(&dresser->offsets, err) &&
           use_texture(dresser, reader, found, dress, out->material, &out->texture, err);
}

bool citygml_dresser_choose(struct citygml_dresser *dresser, struct citygml *reader,
                            const struct citygml_node *node, const struct citygml_worn *worn,
                            struct text id, bool is_back, struct citygml_outfit *out,
                            struct err *err)
{
    struct citygml_outfit outfit = {.material = FEATURE_NONE, .texture = FEATURE_NONE};
    struct citygml_found found;
    struct citygml_dress dress;
    bool is_there = false;
    dresser->is_back = is_back;
    dresser->uvs.size = 0;
    dresser->offsets.size = 0;
    if (!find_around(dresser, reader, node, worn, true, &found, &dress, &is_there, err) ||
        (is_there && !use_material(dresser, &found, &dress, &outfit.material, err)) ||
        !choose_list(dresser, reader, node, id, &outfit, err)) {
        return false;
    }
    if (outfit.texture == FEATURE_NONE) {
        dresser->uvs.size = 0;
        dresser->offsets.size = 0;
        if (!find_around(dresser, reader, node, worn, false, &found, &dress, &is_there, err) ||
            (is_there && !choose_generated(dresser, reader, node, &found, &dress, &outfit, err))) {
            return false;
        }
    }
    *out = outfit;
    return true;
}

const float *citygml_outfit_uvs(const struct citygml_dresser *dresser,
                                const struct citygml_outfit *outfit, uint32_t index)
{
    if (outfit->texture == FEATURE_NONE ||
        index >= citygml_count(&dresser->offsets, sizeof(uint32_t))) {
        return NULL;
    }
    const uint32_t offset = *CITYGML_AT(dresser->offsets, const uint32_t, index);
    return (const float *)(const void *)dresser->uvs.data + offset;
}

bool citygml_dresser_uv(struct buf *uvs, size_t corner, const float uv[2], struct err *err)
{
    const size_t before = 2 * corner * sizeof(float);
    if (uvs->size < before) {
        (void)buf_extend(uvs, before - uvs->size);
    }
    buf_add(uvs, uv, 2 * sizeof(float));
    return buf_finish(uvs, err);
}

static bool copy(struct arena *feature, const struct buf *buf, size_t size, const void **out,
                 size_t *out_count, struct err *err)
{
    void *copied = arena_alloc(feature, buf->size / size, size, _Alignof(double));
    if (copied == NULL) {
        return arena_full(feature, err);
    }
    if (buf->size > 0) {
        memcpy(copied, buf->data, buf->size);
    }
    *out = copied;
    *out_count = buf->size / size;
    return true;
}

bool citygml_dresser_finish(struct citygml_dresser *dresser, struct arena *feature,
                            struct feature *out, struct err *err)
{
    const void *materials, *textures;
    if (!copy(feature, &dresser->materials, sizeof *out->materials, &materials,
              &out->material_count, err) ||
        !copy(feature, &dresser->textures, sizeof *out->textures, &textures, &out->texture_count,
              err)) {
        return false;
    }
    out->materials = materials;
    out->textures = textures;
    return true;
}
