/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/glb_document.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "formats/meshopt.h"

enum { HEADER_BYTES = 12, CHUNK_HEADER_BYTES = 8 };
static_assert(GLB_DOCUMENT_JSON_AT == HEADER_BYTES + CHUNK_HEADER_BYTES, "the first chunk");
enum {
    GL_BYTE = 5120,
    GL_UNSIGNED_BYTE = 5121,
    GL_SHORT = 5122,
    GL_UNSIGNED_SHORT = 5123,
    GL_UNSIGNED_INT = 5125,
    GL_FLOAT = 5126
};

bool glb_document_fail(const struct glb_document *doc, enum err_code code,
                       const struct json_tree *at, const char *format, ...)
{
    char message[sizeof doc->err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return err_set_at(doc->err, code, GLB_DOCUMENT_JSON_AT + (at == NULL ? 0 : at->offset), "%s",
                      message);
}

bool glb_document_full(const struct glb_document *doc)
{
    return arena_full(doc->arena, doc->err);
}

uint64_t glb_document_offset(const struct glb_document *doc, struct span part)
{
    const uintptr_t begin = (uintptr_t)doc->bytes.data;
    const uintptr_t at = (uintptr_t)part.data;
    return at >= begin && at - begin < doc->bytes.size ? at - begin : 0;
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

static const struct json_tree *list(const struct glb_document *doc, const char *name)
{
    const struct json_tree *found = json_tree_find(doc->root, name);
    return json_tree_is(found, JSON_ARRAY) ? found : NULL;
}

static bool check_version(struct glb_document *doc)
{
    const struct json_tree *asset = json_tree_find(doc->root, "asset");
    const struct json_tree *version = json_tree_find(asset, "version");
    if (!json_tree_is(version, JSON_STRING)) {
        return glb_document_fail(doc, ERR_SCHEMA, doc->root, "no asset.version");
    }
    if (version->text.size < 2 || memcmp(version->text.data, "2.", 2) != 0) {
        return glb_document_fail(doc, ERR_UNSUPPORTED, version, "glTF version '%.*s'",
                                 (int)(version->text.size < 20 ? version->text.size : 20),
                                 version->text.data);
    }
    const struct json_tree *least = json_tree_find(asset, "minVersion");
    if (least != NULL && !json_tree_is_text(least, "2.0")) {
        return glb_document_fail(doc, ERR_UNSUPPORTED, least, "a minVersion other than 2.0");
    }
    return true;
}

static bool check_extensions(struct glb_document *doc)
{
    static const char *const known[] = {"EXT_mesh_features",      "EXT_structural_metadata",
                                        "EXT_texture_webp",       "KHR_materials_unlit",
                                        "KHR_mesh_quantization",  "KHR_draco_mesh_compression",
                                        "KHR_materials_specular", "EXT_meshopt_compression"};
    const struct json_tree *required = list(doc, "extensionsRequired");
    for (size_t i = 0; required != NULL && i < required->child_count; i++) {
        const struct json_tree *name = &required->children[i];
        bool is_known = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            is_known = is_known || json_tree_is_text(name, known[k]);
        }
        if (!is_known) {
            return glb_document_fail(doc, ERR_UNSUPPORTED, name, "required extension '%.*s'",
                                     (int)(name->text.size < 60 ? name->text.size : 60),
                                     name->text.data == NULL ? "" : name->text.data);
        }
    }
    return true;
}

bool glb_document_open(struct span bytes, struct arena *arena, struct glb_document *out,
                       struct err *err)
{
    struct span json;
    struct glb_document r = {.bytes = bytes, .arena = arena, .err = err};
    if (!find_chunks(bytes, &json, &r.bin, err)) {
        return false;
    }
    if (!json_tree_read(json, arena, &r.root, err)) {
        if (err->offset != ERR_NO_OFFSET) {
            err->offset += GLB_DOCUMENT_JSON_AT;
        }
        err->line = 0; /* of one line, in a binary file */
        err->column = 0;
        return false;
    }
    if (r.root->kind != JSON_OBJECT) {
        return glb_document_fail(&r, ERR_SCHEMA, r.root, "the JSON is not an object");
    }
    if (!check_version(&r) || !check_extensions(&r)) {
        return false;
    }
    r.lists = (struct glb_lists){
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
    const size_t view_count = r.lists.views == NULL ? 0 : r.lists.views->child_count;
    r.expanded = arena_array(arena, struct span, view_count);
    if (r.expanded == NULL) {
        return arena_full(arena, err);
    }
    *out = r;
    return true;
}

/* The element that member `key` of `from` points to; NULL when there is no
 * such member; false when it points nowhere. */
bool glb_document_follow(const struct glb_document *doc, const struct json_tree *from,
                         const char *key, const struct json_tree *into,
                         const struct json_tree **out)
{
    *out = NULL;
    const struct json_tree *member = json_tree_find(from, key);
    if (member == NULL) {
        return true;
    }
    uint32_t index;
    if (!json_tree_index(member, &index) || json_tree_element(into, index) == NULL) {
        return glb_document_fail(doc, ERR_SCHEMA, member, "%s %.*s of %u", key,
                                 (int)(member->text.size < 20 ? member->text.size : 20),
                                 member->text.data == NULL ? "" : member->text.data,
                                 into == NULL ? 0 : into->child_count);
    }
    *out = json_tree_element(into, index);
    return true;
}

/* A whole number, `missing` when it is not there. */
bool glb_document_number(const struct glb_document *doc, const struct json_tree *from,
                         const char *key, uint32_t missing, uint32_t *out)
{
    const struct json_tree *member = json_tree_find(from, key);
    *out = missing;
    if (member != NULL && !json_tree_index(member, out)) {
        return glb_document_fail(doc, ERR_SCHEMA, member, "%s is not a whole number", key);
    }
    return true;
}

/* ---- views and accessors ---- */

/* Bytes as they lie in the buffer. */
static bool find_bytes(const struct glb_document *doc, const struct json_tree *view,
                       struct span *out, uint32_t *out_stride)
{
    uint32_t buffer;
    uint32_t offset;
    uint32_t size;
    if (!glb_document_number(doc, view, "buffer", UINT32_MAX, &buffer) ||
        !glb_document_number(doc, view, "byteOffset", 0, &offset) ||
        !glb_document_number(doc, view, "byteLength", 0, &size) ||
        !glb_document_number(doc, view, "byteStride", 0, out_stride)) {
        return false;
    }
    const struct json_tree *source = json_tree_element(doc->lists.buffers, buffer);
    uint32_t have;
    if (source == NULL) {
        return glb_document_fail(doc, ERR_SCHEMA, view, "buffer %u of %u", buffer,
                                 doc->lists.buffers == NULL ? 0 : doc->lists.buffers->child_count);
    }
    if (buffer != 0 || json_tree_find(source, "uri") != NULL) {
        return glb_document_fail(doc, ERR_UNSUPPORTED, source, "buffer %u is not in this file",
                                 buffer);
    }
    if (!glb_document_number(doc, source, "byteLength", 0, &have)) {
        return false;
    }
    if (have > doc->bin.size) {
        return glb_document_fail(doc, ERR_SCHEMA, source,
                                 "buffer of %u bytes, but the chunk has %zu", have, doc->bin.size);
    }
    if (offset > have || size > have - offset) {
        return glb_document_fail(doc, ERR_SCHEMA, view,
                                 "buffer view of %u bytes at %u passes the end at %u", size, offset,
                                 have);
    }
    *out = (struct span){doc->bin.data + offset, size};
    return true;
}

static int word_in(const struct json_tree *from, const char *key, const char *const *words,
                   int count)
{
    const struct json_tree *found = json_tree_find(from, key);
    for (int i = 0; i < count; i++) {
        if (json_tree_is_text(found, words[i])) {
            return i;
        }
    }
    return found == NULL ? 0 : -1;
}

/* A view of EXT_meshopt_compression, decoded once however many accessors look
 * at it. The extension's object says where the packed bytes are, as a view. */
static bool expand_view(const struct glb_document *doc, const struct json_tree *view,
                        const struct json_tree *packed_view, struct span *out, uint32_t *out_stride)
{
    static const char *const modes[] = {"ATTRIBUTES", "TRIANGLES", "INDICES"};
    static const char *const filters[] = {"NONE", "OCTAHEDRAL", "QUATERNION", "EXPONENTIAL"};
    struct span packed;
    uint32_t stride;
    uint32_t count;
    if (!find_bytes(doc, packed_view, &packed, &stride) ||
        !glb_document_number(doc, packed_view, "count", 0, &count) ||
        !glb_document_number(doc, view, "byteStride", 0, out_stride)) {
        return false;
    }
    const int mode = word_in(packed_view, "mode", modes, 3);
    const int filter = word_in(packed_view, "filter", filters, 4);
    if (mode < 0 || filter < 0) {
        return glb_document_fail(doc, ERR_SCHEMA, packed_view, "an unknown mode or filter");
    }
    struct span *expanded = &doc->expanded[view - doc->lists.views->children];
    if (expanded->data == NULL) {
        const struct meshopt_view form = {.mode = (enum meshopt_mode)mode,
                                          .filter = (enum meshopt_filter)filter,
                                          .count = count,
                                          .stride = stride};
        const size_t size = (size_t)count * stride;
        /* Aligned for the library's filters, which look at whole words. */
        uint8_t *bytes = arena_alloc(doc->arena, size, 1, _Alignof(max_align_t));
        if (bytes == NULL) {
            return glb_document_full(doc);
        }
        if (!meshopt_read(&form, packed, bytes, doc->err)) {
            doc->err->offset = glb_document_offset(doc, packed);
            return false;
        }
        *expanded = (struct span){bytes, size};
    }
    *out = *expanded;
    return true;
}

bool glb_document_view(const struct glb_document *doc, const struct json_tree *view,
                       struct span *out, uint32_t *out_stride)
{
    const struct json_tree *packed =
        json_tree_find(json_tree_find(view, "extensions"), "EXT_meshopt_compression");
    return packed == NULL ? find_bytes(doc, view, out, out_stride)
                          : expand_view(doc, view, packed, out, out_stride);
}

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

bool glb_document_field(const struct glb_document *doc, const struct json_tree *accessor,
                        struct glb_field *out)
{
    struct glb_field field = {0};
    uint32_t offset;
    if (!glb_document_number(doc, accessor, "count", 0, &field.count) ||
        !glb_document_number(doc, accessor, "componentType", 0, &field.component) ||
        !glb_document_number(doc, accessor, "byteOffset", 0, &offset)) {
        return false;
    }
    if (!component_size(field.component, &field.component_bytes) ||
        !component_count(json_tree_find(accessor, "type"), &field.components)) {
        return glb_document_fail(doc, ERR_SCHEMA, accessor, "accessor of component type %u",
                                 field.component);
    }
    if (json_tree_find(accessor, "sparse") != NULL) {
        return glb_document_fail(doc, ERR_UNSUPPORTED, accessor, "a sparse accessor");
    }
    field.is_normalized = json_tree_is(json_tree_find(accessor, "normalized"), JSON_TRUE);
    const struct json_tree *view;
    if (!glb_document_follow(doc, accessor, "bufferView", doc->lists.views, &view)) {
        return false;
    }
    if (view != NULL) {
        struct span span;
        uint32_t stride;
        if (!glb_document_view(doc, view, &span, &stride)) {
            return false;
        }
        const size_t element = field.component_bytes * field.components;
        field.stride = stride == 0 ? element : stride;
        if (field.stride < element) {
            return glb_document_fail(doc, ERR_SCHEMA, view, "byteStride %u below %zu", stride,
                                     element);
        }
        const size_t need =
            field.count == 0 ? 0 : field.stride * ((size_t)field.count - 1) + element;
        if (offset > span.size || need > span.size - offset) {
            return glb_document_fail(doc, ERR_SCHEMA, accessor,
                                     "accessor needs %zu bytes at %u, its buffer view has %zu",
                                     need, offset, span.size);
        }
        field.data = span.data + offset;
    }
    *out = field;
    return true;
}

static double raw_component(const struct glb_field *field, const uint8_t *at)
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

static double full_scale(const struct glb_field *field)
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
double glb_document_component(const struct glb_field *field, uint32_t i, uint32_t c, double missing)
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
