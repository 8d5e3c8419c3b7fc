/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/glb.h"

#include <assert.h>
#include <stdio.h>

#include "formats/draco.h"
#include "formats/glb_document.h"

enum { MODE_TRIANGLES = 4, MODE_STRIP = 5, MODE_FAN = 6 };

struct reader {
    struct glb_document *doc;
    struct mesh *meshes;
    size_t mesh_count, mesh_room;
    struct mesh_material *materials;
    size_t material_count;
    bool needs_default_material;
    struct mesh_image *images;
    size_t image_count;
    const struct json_tree *table; /* propertyTables[0], or NULL */
    uint32_t row_count;
};

/* ---- materials and pictures ---- */

static float real_in(const struct json_tree *from, const char *key, float missing)
{
    const struct json_tree *found = json_tree_find(from, key);
    return json_tree_is(found, JSON_NUMBER) ? (float)found->number : missing;
}

static void reals_in(const struct json_tree *from, const char *key, float *out, size_t count)
{
    const struct json_tree *found = json_tree_find(from, key);
    for (size_t i = 0; i < count; i++) {
        const struct json_tree *element = json_tree_element(found, i);
        if (json_tree_is(element, JSON_NUMBER)) {
            out[i] = (float)element->number;
        }
    }
}

static const char *media_type_of(const struct json_tree *image, struct span bytes)
{
    static const char *const types[] = {"image/jpeg", "image/png", "image/webp"};
    const struct json_tree *named = json_tree_find(image, "mimeType");
    for (size_t i = 0; i < 3; i++) {
        if (json_tree_is_text(named, types[i])) {
            return types[i];
        }
    }
    if (bytes.size >= 12 && memcmp(bytes.data, "RIFF", 4) == 0 &&
        memcmp(bytes.data + 8, "WEBP", 4) == 0) {
        return types[2];
    }
    return bytes.size >= 4 && memcmp(bytes.data, "\x89PNG", 4) == 0 ? types[1] : types[0];
}

static bool read_images(struct reader *r)
{
    r->image_count = r->doc->lists.images == NULL ? 0 : r->doc->lists.images->child_count;
    r->images = arena_array(r->doc->arena, struct mesh_image, r->image_count);
    if (r->images == NULL) {
        return glb_document_full(r->doc);
    }
    for (size_t i = 0; i < r->image_count; i++) {
        const struct json_tree *image = &r->doc->lists.images->children[i];
        const struct json_tree *view;
        uint32_t stride;
        struct span bytes = {NULL, 0};
        if (!glb_document_follow(r->doc, image, "bufferView", r->doc->lists.views, &view) ||
            (view != NULL && !glb_document_view(r->doc, view, &bytes, &stride))) {
            return false;
        }
        r->images[i] = (struct mesh_image){media_type_of(image, bytes), bytes};
    }
    return true;
}

static enum mesh_wrap wrap_of(const struct json_tree *sampler)
{
    uint32_t wrap;
    if (!json_tree_index(json_tree_find(sampler, "wrapS"), &wrap)) {
        return MESH_REPEAT;
    }
    return wrap == 33071 ? MESH_CLAMP : wrap == 33648 ? MESH_MIRROR : MESH_REPEAT;
}

/* Pictures outside the file leave the material without one. */
static bool read_texture(struct reader *r, const struct json_tree *info, struct mesh_material *into)
{
    const struct json_tree *texture;
    const struct json_tree *image;
    const struct json_tree *sampler;
    if (!glb_document_follow(r->doc, info, "index", r->doc->lists.textures, &texture)) {
        return false;
    }
    if (texture == NULL) {
        return true;
    }
    const struct json_tree *webp =
        json_tree_find(json_tree_find(texture, "extensions"), "EXT_texture_webp");
    if (!glb_document_follow(r->doc, webp == NULL ? texture : webp, "source", r->doc->lists.images,
                             &image) ||
        !glb_document_follow(r->doc, texture, "sampler", r->doc->lists.samplers, &sampler)) {
        return false;
    }
    into->wrap = wrap_of(sampler);
    if (image != NULL) {
        const size_t index = (size_t)(image - r->doc->lists.images->children);
        into->image = r->images[index].bytes.size > 0 ? (int32_t)index : -1;
    }
    return true;
}

static struct mesh_material default_material(void)
{
    return (struct mesh_material){
        .base_color = {1, 1, 1, 1}, .metallic = 1, .roughness = 1, .image = -1};
}

static bool read_materials(struct reader *r)
{
    const size_t count = r->doc->lists.materials == NULL ? 0 : r->doc->lists.materials->child_count;
    r->materials = arena_array(r->doc->arena, struct mesh_material, count + 1);
    if (r->materials == NULL) {
        return glb_document_full(r->doc);
    }
    for (size_t i = 0; i < count; i++) {
        const struct json_tree *from = &r->doc->lists.materials->children[i];
        const struct json_tree *pbr = json_tree_find(from, "pbrMetallicRoughness");
        const struct json_tree *alpha = json_tree_find(from, "alphaMode");
        struct mesh_material *into = &r->materials[i];
        *into = default_material();
        reals_in(pbr, "baseColorFactor", into->base_color, 4);
        reals_in(from, "emissiveFactor", into->emissive, 3);
        into->metallic = real_in(pbr, "metallicFactor", 1);
        into->roughness = real_in(pbr, "roughnessFactor", 1);
        into->alpha = json_tree_is_text(alpha, "MASK")    ? MESH_MASK
                      : json_tree_is_text(alpha, "BLEND") ? MESH_BLEND
                                                          : MESH_OPAQUE;
        into->is_double_sided = json_tree_is(json_tree_find(from, "doubleSided"), JSON_TRUE);
        into->is_unlit =
            json_tree_find(json_tree_find(from, "extensions"), "KHR_materials_unlit") != NULL;
        if (!read_texture(r, json_tree_find(pbr, "baseColorTexture"), into)) {
            return false;
        }
    }
    r->materials[count] = default_material(); /* of primitives that name none */
    r->material_count = count;
    return true;
}

/* ---- primitives ---- */

/* A primitive in glTF's own frame and its own arrays. */
struct drawn {
    uint32_t vertex_count, index_count;
    float *positions, *normals, *uvs;
    uint16_t *colors;
    double *rows; /* as written; NULL: none */
    uint32_t *indices;
};

static bool take_reals(const struct reader *r, const struct glb_field *field, uint32_t components,
                       float **out)
{
    float *reals = arena_array(r->doc->arena, float, (size_t)field->count *components);
    if (reals == NULL) {
        return glb_document_full(r->doc);
    }
    for (uint32_t i = 0; i < field->count; i++) {
        for (uint32_t c = 0; c < components; c++) {
            reals[(size_t)components * i + c] = (float)glb_document_component(field, i, c, 0);
        }
    }
    *out = reals;
    return true;
}

static bool take_colors(const struct reader *r, const struct glb_field *field, uint16_t **out)
{
    uint16_t *colors = arena_array(r->doc->arena, uint16_t, (size_t)field->count * 4);
    if (colors == NULL) {
        return glb_document_full(r->doc);
    }
    for (uint32_t i = 0; i < field->count; i++) {
        for (uint32_t c = 0; c < 4; c++) {
            const double unit = fmin(fmax(glb_document_component(field, i, c, 1), 0), 1);
            colors[(size_t)4 * i + c] = (uint16_t)lround(unit * 65535);
        }
    }
    *out = colors;
    return true;
}

static bool take_rows(const struct reader *r, const struct glb_field *field, double **out)
{
    double *rows = arena_array(r->doc->arena, double, field->count);
    if (rows == NULL) {
        return glb_document_full(r->doc);
    }
    for (uint32_t i = 0; i < field->count; i++) {
        rows[i] = glb_document_component(field, i, 0, 0);
    }
    *out = rows;
    return true;
}

/* Finds the accessor of an attribute; false when it is broken, *out_has false
 * when there is none, or none with data of its own (as Draco leaves them). */
static bool find_attribute(const struct reader *r, const struct json_tree *attributes,
                           const char *name, uint32_t vertex_count, bool needs_view,
                           struct glb_field *out, bool *out_has)
{
    const struct json_tree *accessor;
    *out_has = false;
    if (name == NULL ||
        !glb_document_follow(r->doc, attributes, name, r->doc->lists.accessors, &accessor)) {
        return name == NULL;
    }
    if (accessor == NULL || (needs_view && json_tree_find(accessor, "bufferView") == NULL)) {
        return true;
    }
    if (!glb_document_field(r->doc, accessor, out)) {
        return false;
    }
    if (out->count != vertex_count) {
        return glb_document_fail(r->doc, ERR_SCHEMA, accessor,
                                 "%s of %u vertices, of which there are %u", name, out->count,
                                 vertex_count);
    }
    *out_has = true;
    return true;
}

/* Which attribute says what feature a vertex is of. */
struct feature_ids {
    const char *attribute; /* NULL: none */
    bool is_vertex_index;  /* every vertex its own feature */
    bool has_null;
    uint32_t null_id;
    bool is_of_table; /* ids are rows of propertyTables[0] */
};

static bool find_feature_ids(const struct reader *r, const struct json_tree *primitive,
                             struct feature_ids *out)
{
    *out = (struct feature_ids){0};
    const struct json_tree *extension =
        json_tree_find(json_tree_find(primitive, "extensions"), "EXT_mesh_features");
    const struct json_tree *first = json_tree_element(json_tree_find(extension, "featureIds"), 0);
    if (first == NULL) {
        const struct json_tree *attributes = json_tree_find(primitive, "attributes");
        if (json_tree_find(attributes, "_BATCHID") != NULL) {
            out->attribute = "_BATCHID";
        }
        return true;
    }
    uint32_t attribute;
    uint32_t table;
    if (!glb_document_number(r->doc, first, "attribute", UINT32_MAX, &attribute) ||
        !glb_document_number(r->doc, first, "propertyTable", UINT32_MAX, &table) ||
        !glb_document_number(r->doc, first, "nullFeatureId", UINT32_MAX, &out->null_id)) {
        return false;
    }
    out->has_null = json_tree_find(first, "nullFeatureId") != NULL;
    out->is_of_table = table == 0;
    if (json_tree_find(first, "texture") != NULL) {
        return true;
    }
    if (json_tree_find(first, "attribute") == NULL) {
        out->is_vertex_index = true;
        return true;
    }
    char *name = arena_array(r->doc->arena, char, 32);
    if (name == NULL) {
        return glb_document_full(r->doc);
    }
    snprintf(name, 32, "_FEATURE_ID_%u", attribute);
    if (json_tree_find(json_tree_find(primitive, "attributes"), name) == NULL) {
        return glb_document_fail(r->doc, ERR_SCHEMA, first, "no attribute '%s'", name);
    }
    out->attribute = name;
    return true;
}

static bool read_draco(const struct reader *r, const struct json_tree *extension,
                       const char *row_name, uint32_t vertex_count, uint32_t index_count,
                       struct drawn *out)
{
    const struct json_tree *view;
    struct span bytes = {NULL, 0};
    uint32_t stride;
    if (!glb_document_follow(r->doc, extension, "bufferView", r->doc->lists.views, &view) ||
        (view != NULL && !glb_document_view(r->doc, view, &bytes, &stride))) {
        return false;
    }
    const struct json_tree *ids = json_tree_find(extension, "attributes");
    const char *const names[DRACO_STREAMS] = {"POSITION", "NORMAL", "COLOR_0", "TEXCOORD_0",
                                              row_name};
    struct draco_request request;
    for (int s = 0; s < DRACO_STREAMS; s++) {
        uint32_t id;
        const struct json_tree *member = names[s] == NULL ? NULL : json_tree_find(ids, names[s]);
        request.unique_id[s] = json_tree_index(member, &id) && id <= INT32_MAX ? (int)id : -1;
    }
    if (request.unique_id[DRACO_POSITION] < 0) {
        return glb_document_fail(r->doc, ERR_SCHEMA, extension, "no POSITION in the draco mesh");
    }
    struct draco_decoded decoded;
    if (!draco_read(bytes, &request, r->doc->arena, &decoded, r->doc->err)) {
        if (r->doc->err->offset != ERR_NO_OFFSET) {
            r->doc->err->offset += glb_document_offset(r->doc, bytes);
        }
        return false;
    }
    if (decoded.vertex_count != vertex_count || decoded.index_count != index_count) {
        return glb_document_fail(
            r->doc, ERR_SCHEMA, extension,
            "draco mesh of %u vertices and %u indices, but accessors say %u and %u",
            decoded.vertex_count, decoded.index_count, vertex_count, index_count);
    }
    *out = (struct drawn){.vertex_count = vertex_count,
                          .index_count = index_count,
                          .positions = decoded.positions,
                          .normals = decoded.normals,
                          .uvs = decoded.uvs,
                          .colors = decoded.colors,
                          .indices = decoded.indices};
    if (decoded.rows != NULL) {
        out->rows = arena_array(r->doc->arena, double, vertex_count);
        if (out->rows == NULL) {
            return glb_document_full(r->doc);
        }
        for (uint32_t i = 0; i < vertex_count; i++) {
            out->rows[i] = (double)decoded.rows[i];
        }
    }
    return true;
}

/* Strips and fans as triangles; what does not make up a whole one is dropped. */
static bool to_triangles(const struct reader *r, uint32_t mode, struct drawn *drawn)
{
    if (mode == MODE_TRIANGLES) {
        drawn->index_count -= drawn->index_count % 3;
        return true;
    }
    const uint32_t count = drawn->index_count < 3 ? 0 : drawn->index_count - 2;
    uint32_t *indices = arena_array(r->doc->arena, uint32_t, (size_t)3 * count);
    if (indices == NULL) {
        return glb_document_full(r->doc);
    }
    const uint32_t *from = drawn->indices;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *corner = indices + (size_t)3 * i;
        corner[0] = mode == MODE_FAN ? from[0] : from[i];
        corner[1] = mode == MODE_FAN ? from[i + 1] : from[i + 1 + i % 2];
        corner[2] = mode == MODE_FAN ? from[i + 2] : from[i + 2 - i % 2];
    }
    drawn->indices = indices;
    drawn->index_count = 3 * count;
    return true;
}

static bool read_indices(const struct reader *r, const struct json_tree *primitive,
                         const struct json_tree *accessor, struct drawn *drawn)
{
    struct glb_field field = {.count = drawn->vertex_count};
    if (accessor != NULL && !glb_document_field(r->doc, accessor, &field)) {
        return false;
    }
    drawn->index_count = field.count;
    drawn->indices = arena_array(r->doc->arena, uint32_t, field.count);
    if (drawn->indices == NULL) {
        return glb_document_full(r->doc);
    }
    for (uint32_t i = 0; i < field.count; i++) {
        const double index = accessor == NULL ? i : glb_document_component(&field, i, 0, 0);
        if (!(index >= 0) || index >= drawn->vertex_count) {
            return glb_document_fail(r->doc, ERR_SCHEMA, accessor == NULL ? primitive : accessor,
                                     "index %.0f of %u vertices", index, drawn->vertex_count);
        }
        drawn->indices[i] = (uint32_t)index;
    }
    return true;
}

static bool read_streams(const struct reader *r, const struct json_tree *primitive,
                         const struct feature_ids *ids, bool is_draco, struct drawn *drawn)
{
    const struct json_tree *attributes = json_tree_find(primitive, "attributes");
    const uint32_t n = drawn->vertex_count;
    struct glb_field field;
    bool has;
    if (drawn->positions == NULL) {
        if (!find_attribute(r, attributes, "POSITION", n, false, &field, &has) ||
            !take_reals(r, &field, 3, &drawn->positions)) {
            return false;
        }
    }
    if (drawn->normals == NULL) {
        if (!find_attribute(r, attributes, "NORMAL", n, is_draco, &field, &has) ||
            (has && !take_reals(r, &field, 3, &drawn->normals))) {
            return false;
        }
    }
    if (drawn->uvs == NULL) {
        if (!find_attribute(r, attributes, "TEXCOORD_0", n, is_draco, &field, &has) ||
            (has && !take_reals(r, &field, 2, &drawn->uvs))) {
            return false;
        }
    }
    if (drawn->colors == NULL) {
        if (!find_attribute(r, attributes, "COLOR_0", n, is_draco, &field, &has) ||
            (has && !take_colors(r, &field, &drawn->colors))) {
            return false;
        }
    }
    if (drawn->rows == NULL) {
        if (!find_attribute(r, attributes, ids->attribute, n, is_draco, &field, &has) ||
            (has && !take_rows(r, &field, &drawn->rows))) {
            return false;
        }
    }
    for (size_t i = 0; i < (size_t)3 * n; i++) {
        if (!isfinite(drawn->positions[i])) {
            return glb_document_fail(r->doc, ERR_SCHEMA, primitive,
                                     "position of vertex %zu is not a number", i / 3);
        }
    }
    return true;
}

static bool read_drawn(const struct reader *r, const struct json_tree *primitive,
                       const struct feature_ids *ids, struct drawn *out)
{
    uint32_t mode;
    const struct json_tree *positions;
    const struct json_tree *indices;
    *out = (struct drawn){0};
    if (!glb_document_number(r->doc, primitive, "mode", MODE_TRIANGLES, &mode) ||
        !glb_document_follow(r->doc, json_tree_find(primitive, "attributes"), "POSITION",
                             r->doc->lists.accessors, &positions) ||
        !glb_document_follow(r->doc, primitive, "indices", r->doc->lists.accessors, &indices)) {
        return false;
    }
    if (positions == NULL || mode < MODE_TRIANGLES || mode > MODE_FAN) {
        return true;
    }
    uint32_t vertex_count;
    uint32_t index_count;
    if (!glb_document_number(r->doc, positions, "count", 0, &vertex_count) ||
        !glb_document_number(r->doc, indices, "count", 0, &index_count)) {
        return false;
    }
    const struct json_tree *draco =
        json_tree_find(json_tree_find(primitive, "extensions"), "KHR_draco_mesh_compression");
    out->vertex_count = vertex_count;
    if (draco != NULL) {
        return read_draco(r, draco, ids->attribute, vertex_count, index_count, out) &&
               read_streams(r, primitive, ids, true, out);
    }
    return read_streams(r, primitive, ids, false, out) &&
           read_indices(r, primitive, indices, out) && to_triangles(r, mode, out);
}

/* ---- into the hub ---- */

static struct vec3f cross(const float *a, const float *b, const float *c)
{
    const double u[3] = {(double)b[0] - (double)a[0], (double)b[1] - (double)a[1],
                         (double)b[2] - (double)a[2]};
    const double v[3] = {(double)c[0] - (double)a[0], (double)c[1] - (double)a[1],
                         (double)c[2] - (double)a[2]};
    const struct vec3 unit =
        vec3_unit(vec3_cross((struct vec3){u[0], u[1], u[2]}, (struct vec3){v[0], v[1], v[2]}));
    return (struct vec3f){(float)unit.x, (float)unit.y, (float)unit.z};
}

static void copy_corner(const struct drawn *from, uint32_t vertex, struct drawn *to, size_t corner)
{
    memcpy(to->positions + 3 * corner, from->positions + (size_t)3 * vertex, 12);
    if (from->uvs != NULL) {
        memcpy(to->uvs + 2 * corner, from->uvs + (size_t)2 * vertex, 8);
    }
    if (from->colors != NULL) {
        memcpy(to->colors + 4 * corner, from->colors + (size_t)4 * vertex, 8);
    }
    if (from->rows != NULL) {
        to->rows[corner] = from->rows[vertex];
    }
}

/* Gives every triangle its own three vertices and its own normal, as glTF asks
 * for when there are none. */
static bool flatten(const struct reader *r, struct drawn *drawn)
{
    const size_t n = drawn->index_count;
    struct drawn flat = {.vertex_count = drawn->index_count, .index_count = drawn->index_count};
    flat.positions = arena_array(r->doc->arena, float, 3 * n);
    flat.normals = arena_array(r->doc->arena, float, 3 * n);
    flat.indices = arena_array(r->doc->arena, uint32_t, n);
    flat.uvs = drawn->uvs == NULL ? NULL : arena_array(r->doc->arena, float, 2 * n);
    flat.colors = drawn->colors == NULL ? NULL : arena_array(r->doc->arena, uint16_t, 4 * n);
    flat.rows = drawn->rows == NULL ? NULL : arena_array(r->doc->arena, double, n);
    if (flat.positions == NULL || flat.normals == NULL || flat.indices == NULL ||
        (drawn->uvs != NULL && flat.uvs == NULL) ||
        (drawn->colors != NULL && flat.colors == NULL) ||
        (drawn->rows != NULL && flat.rows == NULL)) {
        return glb_document_full(r->doc);
    }
    for (size_t i = 0; i < n; i++) {
        copy_corner(drawn, drawn->indices[i], &flat, i);
        flat.indices[i] = (uint32_t)i;
    }
    for (size_t i = 0; i < n; i += 3) {
        const float *p = flat.positions + 3 * i;
        const struct vec3f normal = cross(p, p + 3, p + 6);
        for (size_t k = 0; k < 3; k++) {
            memcpy(flat.normals + 3 * (i + k), &normal, 12);
        }
    }
    *drawn = flat;
    return true;
}

static bool is_identity(const struct mat4 *m)
{
    const struct mat4 identity = mat4_identity();
    return memcmp(m->m, identity.m, sizeof identity.m) == 0;
}

/* Normals go by the cofactors of the matrix: right for any scale, and for
 * mirrors once the sign of the determinant is taken off. */
static struct vec3 move_normal(const struct mat4 *m, struct vec3 n, double sign)
{
    const struct vec3 x = {m->m[0], m->m[1], m->m[2]};
    const struct vec3 y = {m->m[4], m->m[5], m->m[6]};
    const struct vec3 z = {m->m[8], m->m[9], m->m[10]};
    const struct vec3 moved =
        vec3_add(vec3_add(vec3_scale(vec3_cross(y, z), n.x), vec3_scale(vec3_cross(z, x), n.y)),
                 vec3_scale(vec3_cross(x, y), n.z));
    return vec3_scale(moved, sign);
}

static double determinant(const struct mat4 *m)
{
    const struct vec3 x = {m->m[0], m->m[1], m->m[2]};
    const struct vec3 y = {m->m[4], m->m[5], m->m[6]};
    const struct vec3 z = {m->m[8], m->m[9], m->m[10]};
    return vec3_dot(x, vec3_cross(y, z));
}

/* glTF's y up becomes the hub's z up: x, -z, y. */
static void put_z_up(float *out, struct vec3 p)
{
    out[0] = (float)p.x;
    out[1] = (float)(0 - p.z);
    out[2] = (float)p.y;
}

static struct vec3 load_vec3(const float *p)
{
    return (struct vec3){(double)p[0], (double)p[1], (double)p[2]};
}

static bool place(const struct reader *r, const struct json_tree *at, const struct mat4 *matrix,
                  struct drawn *drawn)
{
    const bool stays = is_identity(matrix);
    const double det = determinant(matrix);
    for (size_t i = 0; i < drawn->vertex_count; i++) {
        struct vec3 position = load_vec3(drawn->positions + 3 * i);
        struct vec3 normal = load_vec3(drawn->normals + 3 * i);
        if (!stays) {
            position = mat4_point(*matrix, position);
            normal = move_normal(matrix, normal, det < 0 ? -1 : 1);
        }
        const double length = vec3_length(normal);
        if (!(fabs(length - 1) < 1e-6)) { /* what is unit stays as it is */
            normal = length > 0 && isfinite(length) ? vec3_scale(normal, 1 / length)
                                                    : (struct vec3){0, 1, 0};
        }
        put_z_up(drawn->positions + 3 * i, position);
        put_z_up(drawn->normals + 3 * i, normal);
        for (size_t c = 0; c < 3; c++) {
            if (!isfinite(drawn->positions[3 * i + c])) {
                return glb_document_fail(r->doc, ERR_SCHEMA, at,
                                         "a node moves vertex %zu beyond all numbers", i);
            }
        }
    }
    for (size_t i = 0; det < 0 && i < drawn->index_count; i += 3) {
        const uint32_t kept = drawn->indices[i + 1];
        drawn->indices[i + 1] = drawn->indices[i + 2];
        drawn->indices[i + 2] = kept;
    }
    return true;
}

static bool is_null_row(const struct feature_ids *ids, double id)
{
    return ids->has_null && id == (double)ids->null_id;
}

/* Of all vertices, drawn or not: a checker wants to know. */
static bool check_rows(const struct reader *r, const struct json_tree *primitive,
                       const struct feature_ids *ids, const struct drawn *drawn)
{
    for (uint32_t i = 0; drawn->rows != NULL && i < drawn->vertex_count; i++) {
        const double id = drawn->rows[i];
        if (!(id >= 0) || id >= UINT32_MAX || id != (double)(uint32_t)id) {
            return glb_document_fail(r->doc, ERR_SCHEMA, primitive, "feature id %g of vertex %u",
                                     id, i);
        }
        if (ids->is_of_table && r->table != NULL && id >= r->row_count && !is_null_row(ids, id)) {
            return glb_document_fail(r->doc, ERR_SCHEMA, primitive,
                                     "feature id %.0f of vertex %u, but %u rows", id, i,
                                     r->row_count);
        }
    }
    return true;
}

static bool take_checked_rows(const struct reader *r, const struct feature_ids *ids,
                              const struct drawn *drawn, uint32_t **out)
{
    uint32_t *rows = arena_array(r->doc->arena, uint32_t, drawn->vertex_count);
    if (rows == NULL) {
        return glb_document_full(r->doc);
    }
    for (uint32_t i = 0; i < drawn->vertex_count; i++) {
        const bool has_row = drawn->rows != NULL && !is_null_row(ids, drawn->rows[i]);
        rows[i] = has_row ? (uint32_t)drawn->rows[i] : MESH_NO_ROW;
    }
    *out = rows;
    return true;
}

static bool add_mesh(struct reader *r, const struct mesh *mesh)
{
    if (r->mesh_count == r->mesh_room) {
        const size_t room = r->mesh_room == 0 ? 8 : 2 * r->mesh_room;
        struct mesh *meshes = arena_array(r->doc->arena, struct mesh, room);
        if (meshes == NULL) {
            return glb_document_full(r->doc);
        }
        if (r->mesh_count > 0) {
            memcpy(meshes, r->meshes, r->mesh_count * sizeof *meshes);
        }
        r->meshes = meshes;
        r->mesh_room = room;
    }
    r->meshes[r->mesh_count++] = *mesh;
    return true;
}

static bool read_primitive(struct reader *r, const struct json_tree *primitive,
                           const struct mat4 *matrix)
{
    struct feature_ids ids;
    struct drawn drawn;
    const struct json_tree *material;
    if (!find_feature_ids(r, primitive, &ids) || !read_drawn(r, primitive, &ids, &drawn) ||
        !glb_document_follow(r->doc, primitive, "material", r->doc->lists.materials, &material)) {
        return false;
    }
    if (drawn.index_count == 0) {
        return true;
    }
    if (ids.is_vertex_index) {
        drawn.rows = arena_array(r->doc->arena, double, drawn.vertex_count);
        for (uint32_t i = 0; drawn.rows != NULL && i < drawn.vertex_count; i++) {
            drawn.rows[i] = i;
        }
        if (drawn.rows == NULL) {
            return glb_document_full(r->doc);
        }
    }
    if (!check_rows(r, primitive, &ids, &drawn) || (drawn.normals == NULL && !flatten(r, &drawn)) ||
        !place(r, primitive, matrix, &drawn)) {
        return false;
    }
    struct mesh mesh = {.vertex_count = drawn.vertex_count,
                        .index_count = drawn.index_count,
                        .positions = drawn.positions,
                        .normals = drawn.normals,
                        .colors = drawn.colors,
                        .uvs = drawn.uvs,
                        .indices = drawn.indices};
    mesh.material = (uint32_t)r->material_count;
    if (material != NULL) {
        mesh.material = (uint32_t)(material - r->doc->lists.materials->children);
    } else {
        r->needs_default_material = true;
    }
    return take_checked_rows(r, &ids, &drawn, &mesh.rows) && add_mesh(r, &mesh);
}

/* ---- nodes ---- */

static double element_or(const struct json_tree *array, size_t i, double missing)
{
    const struct json_tree *element = json_tree_element(array, i);
    return json_tree_is(element, JSON_NUMBER) ? element->number : missing;
}

static struct mat4 node_matrix(const struct json_tree *node)
{
    struct mat4 m = mat4_identity();
    const struct json_tree *given = json_tree_find(node, "matrix");
    if (given != NULL) {
        for (size_t i = 0; i < 16; i++) {
            m.m[i] = element_or(given, i, m.m[i]);
        }
        return m;
    }
    const struct json_tree *t = json_tree_find(node, "translation");
    const struct json_tree *q = json_tree_find(node, "rotation");
    const struct json_tree *s = json_tree_find(node, "scale");
    if (t == NULL && q == NULL && s == NULL) {
        return m;
    }
    const double x = element_or(q, 0, 0);
    const double y = element_or(q, 1, 0);
    const double z = element_or(q, 2, 0);
    const double w = element_or(q, 3, 1);
    const double turn[9] = {
        1 - 2 * (y * y + z * z), 2 * (x * y + z * w),     2 * (x * z - y * w),
        2 * (x * y - z * w),     1 - 2 * (x * x + z * z), 2 * (y * z + x * w),
        2 * (x * z + y * w),     2 * (y * z - x * w),     1 - 2 * (x * x + y * y)};
    for (size_t c = 0; c < 3; c++) {
        for (size_t k = 0; k < 3; k++) {
            m.m[4 * c + k] = turn[3 * c + k] * element_or(s, c, 1);
        }
        m.m[12 + c] = element_or(t, c, 0);
    }
    return m;
}

struct visit {
    uint32_t node;
    struct mat4 matrix; /* of its parent */
};

struct walk {
    struct visit *stack;
    size_t depth;
    bool *is_seen;
};

static bool push(const struct reader *r, struct walk *walk, const struct json_tree *index,
                 const struct mat4 *matrix)
{
    uint32_t node;
    if (!json_tree_index(index, &node) || json_tree_element(r->doc->lists.nodes, node) == NULL) {
        return glb_document_fail(r->doc, ERR_SCHEMA, index, "a node that is not there");
    }
    /* A node has one parent, so that none is drawn twice and none in a loop. */
    if (walk->is_seen[node]) {
        return glb_document_fail(r->doc, ERR_SCHEMA, index, "node %u has two parents", node);
    }
    walk->is_seen[node] = true;
    walk->stack[walk->depth++] = (struct visit){node, *matrix};
    return true;
}

static bool push_all(const struct reader *r, struct walk *walk, const struct json_tree *indices,
                     const struct mat4 *matrix)
{
    /* Backwards: the first is on top and is drawn first. */
    for (size_t i = json_tree_is(indices, JSON_ARRAY) ? indices->child_count : 0; i > 0; i--) {
        if (!push(r, walk, &indices->children[i - 1], matrix)) {
            return false;
        }
    }
    return true;
}

static bool visit_node(struct reader *r, struct walk *walk, const struct visit *visit)
{
    const struct json_tree *node = json_tree_element(r->doc->lists.nodes, visit->node);
    const struct mat4 own = node_matrix(node);
    const struct mat4 matrix =
        is_identity(&own) ? visit->matrix : mat4_multiply(visit->matrix, own);
    const struct json_tree *mesh;
    if (!glb_document_follow(r->doc, node, "mesh", r->doc->lists.meshes, &mesh)) {
        return false;
    }
    const struct json_tree *primitives = json_tree_find(mesh, "primitives");
    for (size_t i = 0; json_tree_is(primitives, JSON_ARRAY) && i < primitives->child_count; i++) {
        if (!read_primitive(r, &primitives->children[i], &matrix)) {
            return false;
        }
    }
    return push_all(r, walk, json_tree_find(node, "children"), &matrix);
}

static bool read_scene(struct reader *r)
{
    const struct json_tree *scene;
    if (!glb_document_follow(r->doc, r->doc->root, "scene", r->doc->lists.scenes, &scene)) {
        return false;
    }
    if (scene == NULL) {
        scene = json_tree_element(r->doc->lists.scenes, 0);
    }
    const size_t node_count = r->doc->lists.nodes == NULL ? 0 : r->doc->lists.nodes->child_count;
    struct walk walk = {.stack = arena_array(r->doc->arena, struct visit, node_count),
                        .is_seen = arena_array(r->doc->arena, bool, node_count)};
    if (walk.stack == NULL || walk.is_seen == NULL) {
        return glb_document_full(r->doc);
    }
    const struct mat4 identity = mat4_identity();
    if (!push_all(r, &walk, json_tree_find(scene, "nodes"), &identity)) {
        return false;
    }
    while (walk.depth > 0) {
        const struct visit visit = walk.stack[--walk.depth];
        if (!visit_node(r, &walk, &visit)) {
            return false;
        }
    }
    return true;
}

/* ---- property table ---- */

static const struct json_tree *metadata(const struct reader *r)
{
    return json_tree_find(json_tree_find(r->doc->root, "extensions"), "EXT_structural_metadata");
}

static bool find_table(struct reader *r)
{
    r->table = json_tree_element(json_tree_find(metadata(r), "propertyTables"), 0);
    return glb_document_number(r->doc, r->table, "count", 0, &r->row_count);
}

static bool table_view(const struct reader *r, const struct json_tree *column, const char *key,
                       struct span *out)
{
    const struct json_tree *view;
    uint32_t stride;
    *out = (struct span){NULL, 0};
    if (!glb_document_follow(r->doc, column, key, r->doc->lists.views, &view)) {
        return false;
    }
    if (view == NULL) {
        return true;
    }
    if (!glb_document_view(r->doc, view, out, &stride)) {
        return false;
    }
    uint32_t at; /* where the view says it begins, packed or not */
    if (!glb_document_number(r->doc, view, "byteOffset", 0, &at)) {
        return false;
    }
    if (at % 8 != 0) {
        return glb_document_fail(r->doc, ERR_SCHEMA, view,
                                 "%s of a column begin at %u, not on a multiple of 8", key, at);
    }
    return true;
}

static bool offset_width(const struct reader *r, const struct json_tree *column, int *out)
{
    static const char *const types[] = {"UINT8", "UINT16", "UINT32", "UINT64"};
    const struct json_tree *type = json_tree_find(column, "stringOffsetType");
    *out = 4;
    if (type == NULL) {
        return true;
    }
    for (int i = 0; i < 4; i++) {
        if (json_tree_is_text(type, types[i])) {
            *out = 1 << i;
            return true;
        }
    }
    return glb_document_fail(r->doc, ERR_SCHEMA, type, "an unknown stringOffsetType");
}

static bool read_column(const struct reader *r, const struct json_tree *column,
                        const struct property *property, struct property_column *out)
{
    struct property_packed packed = {0};
    if (!table_view(r, column, "values", &packed.values) ||
        !table_view(r, column, "stringOffsets", &packed.offsets) ||
        !offset_width(r, column, &packed.offset_bytes)) {
        return false;
    }
    if (!property_unpack(property, &packed, r->row_count, r->doc->arena, out, r->doc->err)) {
        if (r->doc->err->offset == ERR_NO_OFFSET) {
            r->doc->err->offset = glb_document_offset(r->doc, packed.values);
        }
        return false;
    }
    return true;
}

/* In the schema's order, which the hub asks for. */
static bool read_columns(const struct reader *r, const struct property_schema *schema,
                         struct property_table *out)
{
    const struct json_tree *from = json_tree_find(r->table, "properties");
    struct property_column *columns =
        arena_array(r->doc->arena, struct property_column, schema->property_count);
    if (columns == NULL) {
        return glb_document_full(r->doc);
    }
    size_t count = 0;
    for (size_t i = 0; json_tree_is(from, JSON_OBJECT) && i < schema->property_count; i++) {
        const struct json_tree *column = NULL;
        for (size_t k = 0; k < from->child_count; k++) {
            if (text_equals(from->children[k].key, schema->properties[i].id)) {
                column = &from->children[k];
            }
        }
        if (column == NULL) {
            continue;
        }
        columns[count].property = (uint32_t)i;
        if (!read_column(r, column, &schema->properties[i], &columns[count])) {
            return false;
        }
        count++;
    }
    *out = (struct property_table){
        .schema = schema, .row_count = r->row_count, .columns = columns, .column_count = count};
    return true;
}

static bool read_table(struct reader *r, const struct property_table **out)
{
    *out = NULL;
    if (r->table == NULL) {
        return true;
    }
    struct property_schema *schema = arena_array(r->doc->arena, struct property_schema, 1);
    struct property_table *table = arena_array(r->doc->arena, struct property_table, 1);
    if (schema == NULL || table == NULL) {
        return glb_document_full(r->doc);
    }
    const struct json_tree *embedded = json_tree_find(metadata(r), "schema");
    const struct json_tree *uri = json_tree_find(metadata(r), "schemaUri");
    if (embedded != NULL) {
        const struct json_tree *class = json_tree_find(r->table, "class");
        const struct text name =
            json_tree_is(class, JSON_STRING) ? class->text : (struct text){NULL, 0};
        if (!property_schema_from_tree(embedded, name, r->doc->arena, schema, r->doc->err)) {
            if (r->doc->err->offset != ERR_NO_OFFSET) {
                r->doc->err->offset += GLB_DOCUMENT_JSON_AT;
            }
            return false;
        }
        if (!read_columns(r, schema, table)) {
            return false;
        }
    } else {
        if (!json_tree_is(uri, JSON_STRING)) {
            return glb_document_fail(r->doc, ERR_SCHEMA, metadata(r),
                                     "a property table without a schema");
        }
        schema->uri = uri->text;
        *table = (struct property_table){.schema = schema, .row_count = r->row_count};
    }
    *out = table;
    return true;
}

bool glb_read(struct span bytes, struct arena *arena, struct mesh_tile *out, struct err *err)
{
    struct glb_document doc;
    struct reader r = {.doc = &doc};
    const struct property_table *table;
    if (!glb_document_open(bytes, arena, &doc, err) || !read_images(&r) || !read_materials(&r) ||
        !find_table(&r) || !read_scene(&r) || !read_table(&r, &table)) {
        return false;
    }
    *out = (struct mesh_tile){
        .meshes = r.meshes,
        .mesh_count = r.mesh_count,
        .materials = r.materials,
        .material_count = r.material_count + (r.needs_default_material ? 1 : 0),
        .images = r.images,
        .image_count = r.image_count,
        .table = table,
    };
    return true;
}

bool glb_read_table(struct span bytes, const struct property_schema *schema, struct arena *arena,
                    struct property_table *out, struct err *err)
{
    struct glb_document doc;
    struct reader r = {.doc = &doc};
    if (!glb_document_open(bytes, arena, &doc, err) || !find_table(&r)) {
        return false;
    }
    if (r.table == NULL) {
        return glb_document_fail(&doc, ERR_SCHEMA, doc.root, "no property table");
    }
    return read_columns(&r, schema, out);
}
