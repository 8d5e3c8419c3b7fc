/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/glb.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "formats/draco.h"
#include "formats/json_tree.h"

enum { HEADER_BYTES = 12, CHUNK_HEADER_BYTES = 8 };
enum { JSON_AT = HEADER_BYTES + CHUNK_HEADER_BYTES };
enum {
    GL_BYTE = 5120,
    GL_UNSIGNED_BYTE = 5121,
    GL_SHORT = 5122,
    GL_UNSIGNED_SHORT = 5123,
    GL_UNSIGNED_INT = 5125,
    GL_FLOAT = 5126
};
enum { MODE_TRIANGLES = 4, MODE_STRIP = 5, MODE_FAN = 6 };

/* Everything that glTF counts in lists, as the lists are called. */
struct lists {
    const struct json_tree *accessors, *views, *buffers, *images, *materials, *meshes, *nodes,
        *scenes, *textures, *samplers;
};

struct reader {
    struct span bytes;
    struct span bin;
    uint64_t bin_at; /* offset of bin in the file */
    const struct json_tree *root;
    struct lists lists;
    struct arena *arena;
    struct err *err;
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

static bool fail(const struct reader *r, enum err_code code, const struct json_tree *at,
                 const char *format, ...) ERR_PRINTF(4, 5);

static bool fail(const struct reader *r, enum err_code code, const struct json_tree *at,
                 const char *format, ...)
{
    char message[sizeof r->err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return err_set_at(r->err, code, JSON_AT + (at == NULL ? 0 : at->offset), "%s", message);
}

static bool full(const struct reader *r)
{
    return arena_full(r->arena, r->err);
}

/* ---- container ---- */

static bool find_chunks(struct span bytes, struct span *out_json, struct span *out_bin,
                        struct err *err)
{
    if (bytes.size < HEADER_BYTES || memcmp(bytes.data, "glTF", 4) != 0) {
        return err_set_at(err, ERR_SYNTAX, 0, "no glb header in %zu bytes", bytes.size);
    }
    const uint32_t version = bytes_load_u32le(bytes.data + 4);
    if (version != 2) {
        return err_set_at(err, ERR_UNSUPPORTED, 4, "glb version %u", version);
    }
    const size_t end = bytes_load_u32le(bytes.data + 8);
    if (end < HEADER_BYTES || end > bytes.size) {
        return err_set_at(err, ERR_SYNTAX, 8, "glb of %zu bytes, but %zu are here", end,
                          bytes.size);
    }
    *out_json = (struct span){NULL, 0};
    *out_bin = (struct span){NULL, 0};
    size_t at = HEADER_BYTES;
    for (int chunk = 0; at < end; chunk++) {
        if (end - at < CHUNK_HEADER_BYTES) {
            return err_set_at(err, ERR_SYNTAX, at, "chunk header cut short");
        }
        const size_t size = bytes_load_u32le(bytes.data + at);
        if (size > end - at - CHUNK_HEADER_BYTES || size % 4 != 0) {
            return err_set_at(err, ERR_SYNTAX, at, "chunk of %zu bytes, but %zu remain", size,
                              end - at - CHUNK_HEADER_BYTES);
        }
        const uint8_t *type = bytes.data + at + 4;
        const struct span body = {bytes.data + at + CHUNK_HEADER_BYTES, size};
        if (chunk == 0) {
            if (memcmp(type, "JSON", 4) != 0) {
                return err_set_at(err, ERR_SYNTAX, at + 4, "the first chunk is not JSON");
            }
            *out_json = body;
        } else if (chunk == 1 && memcmp(type, "BIN\0", 4) == 0) {
            *out_bin = body;
        } else if (memcmp(type, "JSON", 4) == 0 || memcmp(type, "BIN\0", 4) == 0) {
            return err_set_at(err, ERR_SYNTAX, at + 4, "chunk %d is a second '%.4s'", chunk,
                              (const char *)type);
        }
        at += CHUNK_HEADER_BYTES + size;
    }
    if (out_json->data == NULL) {
        return err_set_at(err, ERR_SYNTAX, HEADER_BYTES, "no JSON chunk");
    }
    return true;
}

static const struct json_tree *list(const struct reader *r, const char *name)
{
    const struct json_tree *found = json_tree_find(r->root, name);
    return json_tree_is(found, JSON_ARRAY) ? found : NULL;
}

static bool check_version(struct reader *r)
{
    const struct json_tree *asset = json_tree_find(r->root, "asset");
    const struct json_tree *version = json_tree_find(asset, "version");
    if (!json_tree_is(version, JSON_STRING)) {
        return fail(r, ERR_SCHEMA, r->root, "no asset.version");
    }
    if (version->text.size < 2 || memcmp(version->text.data, "2.", 2) != 0) {
        return fail(r, ERR_UNSUPPORTED, version, "glTF version '%.*s'",
                    (int)(version->text.size < 20 ? version->text.size : 20), version->text.data);
    }
    const struct json_tree *least = json_tree_find(asset, "minVersion");
    if (least != NULL && !json_tree_is_text(least, "2.0")) {
        return fail(r, ERR_UNSUPPORTED, least, "a minVersion other than 2.0");
    }
    return true;
}

static bool check_extensions(struct reader *r)
{
    static const char *const known[] = {"EXT_mesh_features",     "EXT_structural_metadata",
                                        "EXT_texture_webp",      "KHR_materials_unlit",
                                        "KHR_mesh_quantization", "KHR_draco_mesh_compression",
                                        "KHR_materials_specular"};
    const struct json_tree *required = list(r, "extensionsRequired");
    for (size_t i = 0; required != NULL && i < required->child_count; i++) {
        const struct json_tree *name = &required->children[i];
        bool is_known = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            is_known = is_known || json_tree_is_text(name, known[k]);
        }
        if (!is_known) {
            return fail(r, ERR_UNSUPPORTED, name, "required extension '%.*s'",
                        (int)(name->text.size < 60 ? name->text.size : 60),
                        name->text.data == NULL ? "" : name->text.data);
        }
    }
    return true;
}

static bool open_document(struct span bytes, struct arena *arena, struct reader *out,
                          struct err *err)
{
    struct span json;
    struct reader r = {.bytes = bytes, .arena = arena, .err = err};
    if (!find_chunks(bytes, &json, &r.bin, err)) {
        return false;
    }
    r.bin_at = r.bin.data == NULL ? 0 : (uint64_t)(r.bin.data - bytes.data);
    if (!json_tree_read(json, arena, &r.root, err)) {
        if (err->offset != ERR_NO_OFFSET) {
            err->offset += JSON_AT;
        }
        err->line = 0; /* of one line, in a binary file */
        err->column = 0;
        return false;
    }
    if (r.root->kind != JSON_OBJECT) {
        return fail(&r, ERR_SCHEMA, r.root, "the JSON is not an object");
    }
    if (!check_version(&r) || !check_extensions(&r)) {
        return false;
    }
    r.lists = (struct lists){
        .accessors = list(&r, "accessors"),
        .views = list(&r, "bufferViews"),
        .buffers = list(&r, "buffers"),
        .images = list(&r, "images"),
        .materials = list(&r, "materials"),
        .meshes = list(&r, "meshes"),
        .nodes = list(&r, "nodes"),
        .scenes = list(&r, "scenes"),
        .textures = list(&r, "textures"),
        .samplers = list(&r, "samplers"),
    };
    *out = r;
    return true;
}

/* The element that member `key` of `from` points to; NULL when there is no
 * such member; false when it points nowhere. */
static bool follow(const struct reader *r, const struct json_tree *from, const char *key,
                   const struct json_tree *into, const struct json_tree **out)
{
    *out = NULL;
    const struct json_tree *member = json_tree_find(from, key);
    if (member == NULL) {
        return true;
    }
    uint32_t index;
    if (!json_tree_index(member, &index) || json_tree_element(into, index) == NULL) {
        return fail(r, ERR_SCHEMA, member, "%s %.*s of %u", key,
                    (int)(member->text.size < 20 ? member->text.size : 20),
                    member->text.data == NULL ? "" : member->text.data,
                    into == NULL ? 0 : into->child_count);
    }
    *out = json_tree_element(into, index);
    return true;
}

/* A whole number, `missing` when it is not there. */
static bool number_in(const struct reader *r, const struct json_tree *from, const char *key,
                      uint32_t missing, uint32_t *out)
{
    const struct json_tree *member = json_tree_find(from, key);
    *out = missing;
    if (member != NULL && !json_tree_index(member, out)) {
        return fail(r, ERR_SCHEMA, member, "%s is not a whole number", key);
    }
    return true;
}

/* ---- views and accessors ---- */

static bool find_view(const struct reader *r, const struct json_tree *view, struct span *out,
                      uint32_t *out_stride)
{
    uint32_t buffer;
    uint32_t offset;
    uint32_t size;
    if (!number_in(r, view, "buffer", UINT32_MAX, &buffer) ||
        !number_in(r, view, "byteOffset", 0, &offset) ||
        !number_in(r, view, "byteLength", 0, &size) ||
        !number_in(r, view, "byteStride", 0, out_stride)) {
        return false;
    }
    const struct json_tree *source = json_tree_element(r->lists.buffers, buffer);
    uint32_t have;
    if (source == NULL) {
        return fail(r, ERR_SCHEMA, view, "buffer %u of %u", buffer,
                    r->lists.buffers == NULL ? 0 : r->lists.buffers->child_count);
    }
    if (buffer != 0 || json_tree_find(source, "uri") != NULL) {
        return fail(r, ERR_UNSUPPORTED, source, "buffer %u is not in this file", buffer);
    }
    if (!number_in(r, source, "byteLength", 0, &have)) {
        return false;
    }
    if (have > r->bin.size) {
        return fail(r, ERR_SCHEMA, source, "buffer of %u bytes, but the chunk has %zu", have,
                    r->bin.size);
    }
    if (offset > have || size > have - offset) {
        return fail(r, ERR_SCHEMA, view, "buffer view of %u bytes at %u passes the end at %u", size,
                    offset, have);
    }
    *out = (struct span){r->bin.data + offset, size};
    return true;
}

/* Rows of numbers somewhere in the file; data NULL: all zero. */
struct field {
    const uint8_t *data;
    size_t stride;
    uint32_t count;
    uint32_t component; /* GL_... */
    size_t component_bytes;
    uint32_t components;
    bool is_normalized;
};

static bool component_size(uint32_t component, size_t *out)
{
    switch (component) {
    case GL_BYTE:
    case GL_UNSIGNED_BYTE:
        *out = 1;
        return true;
    case GL_SHORT:
    case GL_UNSIGNED_SHORT:
        *out = 2;
        return true;
    case GL_UNSIGNED_INT:
    case GL_FLOAT:
        *out = 4;
        return true;
    default:
        return false;
    }
}

static bool component_count(const struct json_tree *type, uint32_t *out)
{
    static const char *const types[] = {"SCALAR", "VEC2", "VEC3", "VEC4"};
    for (uint32_t i = 0; i < 4; i++) {
        if (json_tree_is_text(type, types[i])) {
            *out = i + 1;
            return true;
        }
    }
    return false;
}

static bool find_field(const struct reader *r, const struct json_tree *accessor, struct field *out)
{
    struct field field = {0};
    uint32_t offset;
    if (!number_in(r, accessor, "count", 0, &field.count) ||
        !number_in(r, accessor, "componentType", 0, &field.component) ||
        !number_in(r, accessor, "byteOffset", 0, &offset)) {
        return false;
    }
    if (!component_size(field.component, &field.component_bytes) ||
        !component_count(json_tree_find(accessor, "type"), &field.components)) {
        return fail(r, ERR_SCHEMA, accessor, "accessor of component type %u", field.component);
    }
    if (json_tree_find(accessor, "sparse") != NULL) {
        return fail(r, ERR_UNSUPPORTED, accessor, "a sparse accessor");
    }
    field.is_normalized = json_tree_is(json_tree_find(accessor, "normalized"), JSON_TRUE);
    const struct json_tree *view;
    if (!follow(r, accessor, "bufferView", r->lists.views, &view)) {
        return false;
    }
    if (view != NULL) {
        struct span span;
        uint32_t stride;
        if (!find_view(r, view, &span, &stride)) {
            return false;
        }
        const size_t element = field.component_bytes * field.components;
        field.stride = stride == 0 ? element : stride;
        if (field.stride < element) {
            return fail(r, ERR_SCHEMA, view, "byteStride %u below %zu", stride, element);
        }
        const size_t need =
            field.count == 0 ? 0 : field.stride * ((size_t)field.count - 1) + element;
        if (offset > span.size || need > span.size - offset) {
            return fail(r, ERR_SCHEMA, accessor,
                        "accessor needs %zu bytes at %u, its buffer view has %zu", need, offset,
                        span.size);
        }
        field.data = span.data + offset;
    }
    *out = field;
    return true;
}

static double raw_component(const struct field *field, const uint8_t *at)
{
    switch (field->component) {
    case GL_BYTE:
        return (int8_t)at[0];
    case GL_UNSIGNED_BYTE:
        return at[0];
    case GL_SHORT:
        return (int16_t)bytes_load_u16le(at);
    case GL_UNSIGNED_SHORT:
        return bytes_load_u16le(at);
    case GL_UNSIGNED_INT:
        return bytes_load_u32le(at);
    default: {
        const uint32_t bits = bytes_load_u32le(at);
        float real;
        memcpy(&real, &bits, sizeof real);
        return (double)real;
    }
    }
}

static double full_scale(const struct field *field)
{
    switch (field->component) {
    case GL_BYTE:
        return INT8_MAX;
    case GL_UNSIGNED_BYTE:
        return UINT8_MAX;
    case GL_SHORT:
        return INT16_MAX;
    case GL_UNSIGNED_SHORT:
        return UINT16_MAX;
    default:
        return 1;
    }
}

/* Component `c` of element `i`; `missing` when elements have not so many. */
static double component(const struct field *field, uint32_t i, uint32_t c, double missing)
{
    if (c >= field->components) {
        return missing;
    }
    if (field->data == NULL) {
        return 0;
    }
    const uint8_t *at = field->data + field->stride * i + field->component_bytes * c;
    const double raw = raw_component(field, at);
    return field->is_normalized ? fmax(raw / full_scale(field), -1) : raw;
}

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
    r->image_count = r->lists.images == NULL ? 0 : r->lists.images->child_count;
    r->images = arena_array(r->arena, struct mesh_image, r->image_count);
    if (r->images == NULL) {
        return full(r);
    }
    for (size_t i = 0; i < r->image_count; i++) {
        const struct json_tree *image = &r->lists.images->children[i];
        const struct json_tree *view;
        uint32_t stride;
        struct span bytes = {NULL, 0};
        if (!follow(r, image, "bufferView", r->lists.views, &view) ||
            (view != NULL && !find_view(r, view, &bytes, &stride))) {
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
    if (!follow(r, info, "index", r->lists.textures, &texture)) {
        return false;
    }
    if (texture == NULL) {
        return true;
    }
    const struct json_tree *webp =
        json_tree_find(json_tree_find(texture, "extensions"), "EXT_texture_webp");
    if (!follow(r, webp == NULL ? texture : webp, "source", r->lists.images, &image) ||
        !follow(r, texture, "sampler", r->lists.samplers, &sampler)) {
        return false;
    }
    into->wrap = wrap_of(sampler);
    if (image != NULL) {
        const size_t index = (size_t)(image - r->lists.images->children);
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
    const size_t count = r->lists.materials == NULL ? 0 : r->lists.materials->child_count;
    r->materials = arena_array(r->arena, struct mesh_material, count + 1);
    if (r->materials == NULL) {
        return full(r);
    }
    for (size_t i = 0; i < count; i++) {
        const struct json_tree *from = &r->lists.materials->children[i];
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

static bool take_reals(const struct reader *r, const struct field *field, uint32_t components,
                       float **out)
{
    float *reals = arena_array(r->arena, float, (size_t)field->count *components);
    if (reals == NULL) {
        return full(r);
    }
    for (uint32_t i = 0; i < field->count; i++) {
        for (uint32_t c = 0; c < components; c++) {
            reals[(size_t)components * i + c] = (float)component(field, i, c, 0);
        }
    }
    *out = reals;
    return true;
}

static bool take_colors(const struct reader *r, const struct field *field, uint16_t **out)
{
    uint16_t *colors = arena_array(r->arena, uint16_t, (size_t)field->count * 4);
    if (colors == NULL) {
        return full(r);
    }
    for (uint32_t i = 0; i < field->count; i++) {
        for (uint32_t c = 0; c < 4; c++) {
            const double unit = fmin(fmax(component(field, i, c, 1), 0), 1);
            colors[(size_t)4 * i + c] = (uint16_t)lround(unit * 65535);
        }
    }
    *out = colors;
    return true;
}

static bool take_rows(const struct reader *r, const struct field *field, double **out)
{
    double *rows = arena_array(r->arena, double, field->count);
    if (rows == NULL) {
        return full(r);
    }
    for (uint32_t i = 0; i < field->count; i++) {
        rows[i] = component(field, i, 0, 0);
    }
    *out = rows;
    return true;
}

/* Finds the accessor of an attribute; false when it is broken, *out_has false
 * when there is none, or none with data of its own (as Draco leaves them). */
static bool find_attribute(const struct reader *r, const struct json_tree *attributes,
                           const char *name, uint32_t vertex_count, bool needs_view,
                           struct field *out, bool *out_has)
{
    const struct json_tree *accessor;
    *out_has = false;
    if (name == NULL || !follow(r, attributes, name, r->lists.accessors, &accessor)) {
        return name == NULL;
    }
    if (accessor == NULL || (needs_view && json_tree_find(accessor, "bufferView") == NULL)) {
        return true;
    }
    if (!find_field(r, accessor, out)) {
        return false;
    }
    if (out->count != vertex_count) {
        return fail(r, ERR_SCHEMA, accessor, "%s of %u vertices, of which there are %u", name,
                    out->count, vertex_count);
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
    if (!number_in(r, first, "attribute", UINT32_MAX, &attribute) ||
        !number_in(r, first, "propertyTable", UINT32_MAX, &table) ||
        !number_in(r, first, "nullFeatureId", UINT32_MAX, &out->null_id)) {
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
    char *name = arena_array(r->arena, char, 32);
    if (name == NULL) {
        return full(r);
    }
    snprintf(name, 32, "_FEATURE_ID_%u", attribute);
    if (json_tree_find(json_tree_find(primitive, "attributes"), name) == NULL) {
        return fail(r, ERR_SCHEMA, first, "no attribute '%s'", name);
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
    if (!follow(r, extension, "bufferView", r->lists.views, &view) ||
        (view != NULL && !find_view(r, view, &bytes, &stride))) {
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
        return fail(r, ERR_SCHEMA, extension, "no POSITION in the draco mesh");
    }
    struct draco_decoded decoded;
    if (!draco_read(bytes, &request, r->arena, &decoded, r->err)) {
        if (r->err->offset != ERR_NO_OFFSET && bytes.data != NULL) {
            r->err->offset += (uint64_t)(bytes.data - r->bytes.data);
        }
        return false;
    }
    if (decoded.vertex_count != vertex_count || decoded.index_count != index_count) {
        return fail(r, ERR_SCHEMA, extension,
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
        out->rows = arena_array(r->arena, double, vertex_count);
        if (out->rows == NULL) {
            return full(r);
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
    uint32_t *indices = arena_array(r->arena, uint32_t, (size_t)3 * count);
    if (indices == NULL) {
        return full(r);
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
    struct field field = {.count = drawn->vertex_count};
    if (accessor != NULL && !find_field(r, accessor, &field)) {
        return false;
    }
    drawn->index_count = field.count;
    drawn->indices = arena_array(r->arena, uint32_t, field.count);
    if (drawn->indices == NULL) {
        return full(r);
    }
    for (uint32_t i = 0; i < field.count; i++) {
        const double index = accessor == NULL ? i : component(&field, i, 0, 0);
        if (!(index >= 0) || index >= drawn->vertex_count) {
            return fail(r, ERR_SCHEMA, accessor == NULL ? primitive : accessor,
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
    struct field field;
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
            return fail(r, ERR_SCHEMA, primitive, "position of vertex %zu is not a number", i / 3);
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
    if (!number_in(r, primitive, "mode", MODE_TRIANGLES, &mode) ||
        !follow(r, json_tree_find(primitive, "attributes"), "POSITION", r->lists.accessors,
                &positions) ||
        !follow(r, primitive, "indices", r->lists.accessors, &indices)) {
        return false;
    }
    if (positions == NULL || mode < MODE_TRIANGLES || mode > MODE_FAN) {
        return true;
    }
    uint32_t vertex_count;
    uint32_t index_count;
    if (!number_in(r, positions, "count", 0, &vertex_count) ||
        !number_in(r, indices, "count", 0, &index_count)) {
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
    flat.positions = arena_array(r->arena, float, 3 * n);
    flat.normals = arena_array(r->arena, float, 3 * n);
    flat.indices = arena_array(r->arena, uint32_t, n);
    flat.uvs = drawn->uvs == NULL ? NULL : arena_array(r->arena, float, 2 * n);
    flat.colors = drawn->colors == NULL ? NULL : arena_array(r->arena, uint16_t, 4 * n);
    flat.rows = drawn->rows == NULL ? NULL : arena_array(r->arena, double, n);
    if (flat.positions == NULL || flat.normals == NULL || flat.indices == NULL ||
        (drawn->uvs != NULL && flat.uvs == NULL) ||
        (drawn->colors != NULL && flat.colors == NULL) ||
        (drawn->rows != NULL && flat.rows == NULL)) {
        return full(r);
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
                return fail(r, ERR_SCHEMA, at, "a node moves vertex %zu beyond all numbers", i);
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
            return fail(r, ERR_SCHEMA, primitive, "feature id %g of vertex %u", id, i);
        }
        if (ids->is_of_table && r->table != NULL && id >= r->row_count && !is_null_row(ids, id)) {
            return fail(r, ERR_SCHEMA, primitive, "feature id %.0f of vertex %u, but %u rows", id,
                        i, r->row_count);
        }
    }
    return true;
}

static bool take_checked_rows(const struct reader *r, const struct feature_ids *ids,
                              const struct drawn *drawn, uint32_t **out)
{
    uint32_t *rows = arena_array(r->arena, uint32_t, drawn->vertex_count);
    if (rows == NULL) {
        return full(r);
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
        struct mesh *meshes = arena_array(r->arena, struct mesh, room);
        if (meshes == NULL) {
            return full(r);
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
        !follow(r, primitive, "material", r->lists.materials, &material)) {
        return false;
    }
    if (drawn.index_count == 0) {
        return true;
    }
    if (ids.is_vertex_index) {
        drawn.rows = arena_array(r->arena, double, drawn.vertex_count);
        for (uint32_t i = 0; drawn.rows != NULL && i < drawn.vertex_count; i++) {
            drawn.rows[i] = i;
        }
        if (drawn.rows == NULL) {
            return full(r);
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
        mesh.material = (uint32_t)(material - r->lists.materials->children);
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
    if (!json_tree_index(index, &node) || json_tree_element(r->lists.nodes, node) == NULL) {
        return fail(r, ERR_SCHEMA, index, "a node that is not there");
    }
    /* A node has one parent, so that none is drawn twice and none in a loop. */
    if (walk->is_seen[node]) {
        return fail(r, ERR_SCHEMA, index, "node %u has two parents", node);
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
    const struct json_tree *node = json_tree_element(r->lists.nodes, visit->node);
    const struct mat4 own = node_matrix(node);
    const struct mat4 matrix =
        is_identity(&own) ? visit->matrix : mat4_multiply(visit->matrix, own);
    const struct json_tree *mesh;
    if (!follow(r, node, "mesh", r->lists.meshes, &mesh)) {
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
    if (!follow(r, r->root, "scene", r->lists.scenes, &scene)) {
        return false;
    }
    if (scene == NULL) {
        scene = json_tree_element(r->lists.scenes, 0);
    }
    const size_t node_count = r->lists.nodes == NULL ? 0 : r->lists.nodes->child_count;
    struct walk walk = {.stack = arena_array(r->arena, struct visit, node_count),
                        .is_seen = arena_array(r->arena, bool, node_count)};
    if (walk.stack == NULL || walk.is_seen == NULL) {
        return full(r);
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
    return json_tree_find(json_tree_find(r->root, "extensions"), "EXT_structural_metadata");
}

static bool find_table(struct reader *r)
{
    r->table = json_tree_element(json_tree_find(metadata(r), "propertyTables"), 0);
    return number_in(r, r->table, "count", 0, &r->row_count);
}

static bool table_view(const struct reader *r, const struct json_tree *column, const char *key,
                       struct span *out)
{
    const struct json_tree *view;
    uint32_t stride;
    *out = (struct span){NULL, 0};
    if (!follow(r, column, key, r->lists.views, &view)) {
        return false;
    }
    if (view == NULL) {
        return true;
    }
    if (!find_view(r, view, out, &stride)) {
        return false;
    }
    const size_t at = (size_t)(out->data - r->bin.data);
    if (at % 8 != 0) {
        return fail(r, ERR_SCHEMA, view, "%s of a column begin at %zu, not on a multiple of 8", key,
                    at);
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
    return fail(r, ERR_SCHEMA, type, "an unknown stringOffsetType");
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
    if (!property_unpack(property, &packed, r->row_count, r->arena, out, r->err)) {
        if (r->err->offset == ERR_NO_OFFSET && packed.values.data != NULL) {
            r->err->offset = (uint64_t)(packed.values.data - r->bytes.data);
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
        arena_array(r->arena, struct property_column, schema->property_count);
    if (columns == NULL) {
        return full(r);
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
    struct property_schema *schema = arena_array(r->arena, struct property_schema, 1);
    struct property_table *table = arena_array(r->arena, struct property_table, 1);
    if (schema == NULL || table == NULL) {
        return full(r);
    }
    const struct json_tree *embedded = json_tree_find(metadata(r), "schema");
    const struct json_tree *uri = json_tree_find(metadata(r), "schemaUri");
    if (embedded != NULL) {
        const struct json_tree *class = json_tree_find(r->table, "class");
        const struct text name =
            json_tree_is(class, JSON_STRING) ? class->text : (struct text){NULL, 0};
        if (!property_schema_from_tree(embedded, name, r->arena, schema, r->err)) {
            if (r->err->offset != ERR_NO_OFFSET) {
                r->err->offset += JSON_AT;
            }
            return false;
        }
        if (!read_columns(r, schema, table)) {
            return false;
        }
    } else {
        if (!json_tree_is(uri, JSON_STRING)) {
            return fail(r, ERR_SCHEMA, metadata(r), "a property table without a schema");
        }
        schema->uri = uri->text;
        *table = (struct property_table){.schema = schema, .row_count = r->row_count};
    }
    *out = table;
    return true;
}

bool glb_read(struct span bytes, struct arena *arena, struct mesh_tile *out, struct err *err)
{
    struct reader r;
    const struct property_table *table;
    if (!open_document(bytes, arena, &r, err) || !read_images(&r) || !read_materials(&r) ||
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
    struct reader r;
    if (!open_document(bytes, arena, &r, err) || !find_table(&r)) {
        return false;
    }
    if (r.table == NULL) {
        return fail(&r, ERR_SCHEMA, r.root, "no property table");
    }
    return read_columns(&r, schema, out);
}
