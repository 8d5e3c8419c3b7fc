/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "formats/b3dm.h"
#include "formats/draco.h"
#include "formats/image.h"
#include "formats/meshopt.h"
#include "tiler/check_internal.h"

enum { HEADER_BYTES = 12, CHUNK_BYTES = 8, NODE_DEPTH_MAX = 64, BUFFERS_MAX = 64 };
enum { CHUNK_JSON = 0x4E4F534A, CHUNK_BIN = 0x004E4942 };
enum { TYPE_INT8 = 5120, TYPE_UINT8, TYPE_INT16, TYPE_UINT16, TYPE_UINT32 = 5125, TYPE_FLOAT };
/* The length of a normal may be off by its quantization (8 bits: 1/127). */
static const double normal_error_max = 0.02;
/* So much of the surface must agree on which side is outside. */
static const double winding_share_max = 0.9;

/* One glTF while it is checked. */
struct gltf {
    struct check_run *check;
    struct text file;
    const struct json_tree *root;
    struct span buffers[BUFFERS_MAX]; /* data NULL: not known */
    size_t buffer_count;
    struct span *views;             /* what meshopt views expand to; data NULL for others */
    size_t glb_at;                  /* of the glb in the file */
    double batch_length;            /* of the b3dm around it; negative: none */
    const struct json_tree *tables; /* EXT_structural_metadata's */
    struct mat4 to_tile;            /* y up to z up, and RTC_CENTER */
    struct check_content *out;
    bool is_broken; /* counts and ranges cannot be trusted: look no deeper */
};

/* Numbers in a buffer. `at` is NULL when they are compressed or elsewhere. */
struct accessor {
    const struct json_tree *node;
    const uint8_t *at;
    size_t stride, count, width; /* width: components */
    int type;
    bool is_normalized;
};

/* The primitive's vertices as floats, however they were stored. */
struct shape {
    size_t vertex_count, index_count;
    const float *positions, *normals; /* NULL: not known */
    const uint32_t *indices;
    const float *rows; /* of a Draco stream: its feature ids */
    struct text rows_name;
};

static const struct json_tree *member_at(const struct gltf *gltf, const char *list, double index)
{
    return check_element(json_tree_find(gltf->root, list), index);
}

/* ---- extensions --------------------------------------------------------- */

/* What common viewers know; anything else that is required shows nothing. */
static const char *const known_extensions[] = {
    "CESIUM_RTC",
    "CESIUM_primitive_outline",
    "EXT_feature_metadata",
    "EXT_instance_features",
    "EXT_mesh_features",
    "EXT_mesh_gpu_instancing",
    "EXT_meshopt_compression",
    "EXT_structural_metadata",
    "EXT_texture_webp",
    "KHR_draco_mesh_compression",
    "KHR_lights_punctual",
    "KHR_mesh_quantization",
    "KHR_techniques_webgl",
    "KHR_texture_basisu",
    "KHR_texture_transform",
};

static bool is_known_extension(struct text name)
{
    static const char materials[] = "KHR_materials_";
    for (size_t i = 0; i < sizeof known_extensions / sizeof known_extensions[0]; i++) {
        if (text_is(name, known_extensions[i])) {
            return true;
        }
    }
    return name.size > sizeof materials - 1 &&
           memcmp(name.data, materials, sizeof materials - 1) == 0;
}

static bool list_has(const struct json_tree *list, struct text name)
{
    if (!json_tree_is(list, JSON_ARRAY)) {
        return false;
    }
    for (size_t i = 0; i < list->child_count; i++) {
        if (text_equals(check_text(&list->children[i]), name)) {
            return true;
        }
    }
    return false;
}

/* Recursion is as deep as JSON is read. One finding is enough. */
static bool are_declared(struct check_run *check, struct text file, const struct json_tree *node,
                         const struct json_tree *used)
{
    for (const struct json_tree *member = check_first(node); member != check_end(node); member++) {
        const bool is_named = node->kind == JSON_OBJECT;
        if (is_named && text_is(member->key, "extensions") && member->kind == JSON_OBJECT) {
            for (const struct json_tree *name = check_first(member); name != check_end(member);
                 name++) {
                if (!list_has(used, name->key)) {
                    check_note_at(check, "extension-undeclared", file, name,
                                  "extension '%.*s' is not in extensionsUsed",
                                  TEXT_ARGS(name->key));
                    return false;
                }
            }
        }
        if (!(is_named && text_is(member->key, "extras")) &&
            !are_declared(check, file, member, used)) {
            return false;
        }
    }
    return true;
}

void check_declared(struct check_run *check, struct text file, const struct json_tree *root)
{
    /* The finding is the answer. */
    (void)are_declared(check, file, root, json_tree_find(root, "extensionsUsed"));
}

static void check_extensions(struct gltf *gltf)
{
    const struct json_tree *used = json_tree_find(gltf->root, "extensionsUsed");
    const struct json_tree *required = json_tree_find(gltf->root, "extensionsRequired");
    check_declared(gltf->check, gltf->file, gltf->root);
    for (size_t i = 0; json_tree_is(required, JSON_ARRAY) && i < required->child_count; i++) {
        const struct text name = check_text(&required->children[i]);
        if (!list_has(used, name)) {
            check_note_at(gltf->check, "extension-undeclared", gltf->file, &required->children[i],
                          "required extension '%.*s' is not in extensionsUsed", TEXT_ARGS(name));
        }
        if (!is_known_extension(name)) {
            check_note_at(gltf->check, "extension-unknown", gltf->file, &required->children[i],
                          "no common viewer knows the required extension '%.*s'", TEXT_ARGS(name));
        }
    }
}

static const struct json_tree *extension_of(const struct json_tree *node, const char *name)
{
    return json_tree_find(json_tree_find(node, "extensions"), name);
}

/* ---- buffers and views -------------------------------------------------- */

static void check_buffer(struct gltf *gltf, size_t i, const struct json_tree *buffer,
                         struct span bin)
{
    const struct json_tree *length = json_tree_find(buffer, "byteLength");
    const struct text uri = check_text(json_tree_find(buffer, "uri"));
    struct span bytes = bin;
    if (!check_is_count(length)) {
        check_note_at(gltf->check, "gltf-buffer", gltf->file, buffer, "buffer %zu has no length",
                      i);
        gltf->is_broken = true;
        return;
    }
    if (uri.size > 0) {
        struct text name;
        if ((uri.size >= 5 && memcmp(uri.data, "data:", 5) == 0) ||
            !check_resolve(gltf->check, gltf->file, uri, &gltf->check->content, &name) ||
            !check_load(gltf->check, gltf->file, name, &gltf->check->content, &bytes)) {
            return;
        }
    } else if (i > 0 || bin.data == NULL) {
        if (extension_of(buffer, "EXT_meshopt_compression") == NULL) {
            check_note_at(gltf->check, "gltf-buffer", gltf->file, buffer,
                          "buffer %zu has neither bytes nor a meshopt fallback marker", i);
        }
        return;
    }
    if (length->number > (double)bytes.size) {
        check_note_at(gltf->check, "gltf-buffer", gltf->file, length,
                      "buffer %zu has %.0f bytes, but %zu are here", i, length->number, bytes.size);
        gltf->is_broken = true;
        return;
    }
    if (uri.size == 0 && (double)bytes.size > length->number + 3) {
        check_note_at(gltf->check, "gltf-buffer", gltf->file, length,
                      "buffer %zu has %.0f bytes, but the binary chunk %zu", i, length->number,
                      bytes.size);
    }
    gltf->buffers[i] = (struct span){bytes.data, (size_t)length->number};
}

static void check_view(struct gltf *gltf, size_t i, const struct json_tree *view)
{
    const struct json_tree *buffer =
        member_at(gltf, "buffers", check_number(json_tree_find(view, "buffer"), -1));
    const struct json_tree *offset = json_tree_find(view, "byteOffset");
    const struct json_tree *length = json_tree_find(view, "byteLength");
    const double whole = check_number(json_tree_find(buffer, "byteLength"), 0);
    if (buffer == NULL || !check_is_count(length) || length->number < 1 ||
        (offset != NULL && !check_is_count(offset)) ||
        check_number(offset, 0) + length->number > whole) {
        check_note_at(gltf->check, "gltf-buffer-view", gltf->file, view,
                      "buffer view %zu lies outside its buffer", i);
        gltf->is_broken = true;
    }
}

static void check_buffers(struct gltf *gltf, struct span bin)
{
    const struct json_tree *buffers = json_tree_find(gltf->root, "buffers");
    const struct json_tree *views = json_tree_find(gltf->root, "bufferViews");
    for (size_t i = 0; json_tree_is(buffers, JSON_ARRAY) && i < buffers->child_count; i++) {
        if (i < BUFFERS_MAX) {
            check_buffer(gltf, i, &buffers->children[i], bin);
            gltf->buffer_count = i + 1;
        }
    }
    for (size_t i = 0; json_tree_is(views, JSON_ARRAY) && i < views->child_count; i++) {
        check_view(gltf, i, &views->children[i]);
    }
}

static size_t word_index(struct text word, const char *const *words, size_t count)
{
    size_t i = 0;
    while (i < count && !text_is(word, words[i])) {
        i++;
    }
    return i;
}

/* Expands the views that EXT_meshopt_compression holds. */
static bool read_meshopt(struct gltf *gltf, const struct json_tree *extension,
                         struct meshopt_view *out, struct span *out_packed)
{
    static const char *const modes[] = {"ATTRIBUTES", "TRIANGLES", "INDICES"};
    static const char *const filters[] = {"NONE", "OCTAHEDRAL", "QUATERNION", "EXPONENTIAL"};
    const struct json_tree *filter = json_tree_find(extension, "filter");
    const struct json_tree *count = json_tree_find(extension, "count");
    const struct json_tree *stride = json_tree_find(extension, "byteStride");
    const double buffer = check_number(json_tree_find(extension, "buffer"), -1);
    const double offset = check_number(json_tree_find(extension, "byteOffset"), 0);
    const double length = check_number(json_tree_find(extension, "byteLength"), -1);
    const size_t mode = word_index(check_text(json_tree_find(extension, "mode")), modes, 3);
    const size_t kind = filter == NULL ? 0 : word_index(check_text(filter), filters, 4);
    if (mode == 3 || kind == 4 || !check_is_count(count) || !check_is_count(stride) ||
        count->number * stride->number > (double)CHECK_FILE_BYTES_MAX ||
        check_element(json_tree_find(gltf->root, "buffers"), buffer) == NULL) {
        return false;
    }
    const struct span bytes = buffer < (double)gltf->buffer_count ? gltf->buffers[(size_t)buffer]
                                                                  : (struct span){NULL, 0};
    if (bytes.data == NULL || !(offset >= 0 && length >= 0) ||
        offset + length > (double)bytes.size) {
        return false;
    }
    *out_packed = (struct span){bytes.data + (size_t)offset, (size_t)length};
    *out = (struct meshopt_view){(enum meshopt_mode)mode, (enum meshopt_filter)kind,
                                 (size_t)count->number, (size_t)stride->number};
    return true;
}

static void check_meshopt_view(struct gltf *gltf, size_t i, const struct json_tree *view)
{
    const struct json_tree *extension = extension_of(view, "EXT_meshopt_compression");
    struct meshopt_view found;
    struct span packed;
    struct err err;
    if (extension == NULL) {
        return;
    }
    if (!read_meshopt(gltf, extension, &found, &packed)) {
        check_note_at(gltf->check, "gltf-meshopt", gltf->file, extension,
                      "buffer view %zu: its compressed form is incomplete or out of range", i);
        return;
    }
    const size_t size = found.count * found.stride;
    uint8_t *out = arena_array(&gltf->check->content, uint8_t, size == 0 ? 1 : size);
    if (out == NULL) {
        check_full(gltf->check, gltf->file, &gltf->check->content);
    } else if (!meshopt_read(&found, packed, out, &err)) {
        check_note_at(gltf->check, "gltf-meshopt", gltf->file, extension, "buffer view %zu: %s", i,
                      err.message);
    } else {
        gltf->views[i] = (struct span){out, size};
    }
}

static void check_meshopt(struct gltf *gltf)
{
    const struct json_tree *views = json_tree_find(gltf->root, "bufferViews");
    const size_t count = json_tree_is(views, JSON_ARRAY) ? views->child_count : 0;
    gltf->views = arena_array(&gltf->check->content, struct span, count + 1);
    if (gltf->views == NULL) {
        check_full(gltf->check, gltf->file, &gltf->check->content);
        gltf->is_broken = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        check_meshopt_view(gltf, i, &views->children[i]);
    }
}

/* Ranges were checked; data NULL when the bytes are not known. */
static struct span view_bytes(const struct gltf *gltf, double index)
{
    const struct json_tree *view = member_at(gltf, "bufferViews", index);
    const double buffer = check_number(json_tree_find(view, "buffer"), -1);
    if (view != NULL && gltf->views != NULL &&
        extension_of(view, "EXT_meshopt_compression") != NULL) {
        return gltf->views[(size_t)index];
    }
    if (view == NULL || !(buffer >= 0 && buffer < (double)gltf->buffer_count) ||
        gltf->buffers[(size_t)buffer].data == NULL) {
        return (struct span){NULL, 0};
    }
    const double offset = check_number(json_tree_find(view, "byteOffset"), 0);
    return (struct span){gltf->buffers[(size_t)buffer].data + (size_t)offset,
                         (size_t)check_number(json_tree_find(view, "byteLength"), 0)};
}

/* ---- accessors ---------------------------------------------------------- */

static size_t type_bytes(int type)
{
    switch (type) {
    case TYPE_INT8:
    case TYPE_UINT8:
        return 1;
    case TYPE_INT16:
    case TYPE_UINT16:
        return 2;
    case TYPE_UINT32:
    case TYPE_FLOAT:
        return 4;
    default:
        return 0;
    }
}

static size_t type_width(struct text type)
{
    static const struct {
        const char *name;
        size_t width;
    } types[] = {{"SCALAR", 1}, {"VEC2", 2}, {"VEC3", 3}, {"VEC4", 4},
                 {"MAT2", 4},   {"MAT3", 9}, {"MAT4", 16}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (text_is(type, types[i].name)) {
            return types[i].width;
        }
    }
    return 0;
}

/* Reads what an accessor says; false when it is not usable. */
static bool find_accessor(const struct gltf *gltf, double index, struct accessor *out)
{
    const struct json_tree *node = member_at(gltf, "accessors", index);
    const struct json_tree *count = json_tree_find(node, "count");
    struct accessor found = {.node = node};
    if (node == NULL || !check_is_count(count) || count->number < 1 ||
        count->number > (double)UINT32_MAX) {
        return false;
    }
    found.count = (size_t)count->number;
    found.type = (int)check_number(json_tree_find(node, "componentType"), 0);
    found.width = type_width(check_text(json_tree_find(node, "type")));
    found.is_normalized = json_tree_is(json_tree_find(node, "normalized"), JSON_TRUE);
    const size_t element = found.width * type_bytes(found.type);
    if (element == 0) {
        return false;
    }
    const double view = check_number(json_tree_find(node, "bufferView"), -1);
    const double stride = check_number(
        json_tree_find(member_at(gltf, "bufferViews", view), "byteStride"), (double)element);
    const double offset = check_number(json_tree_find(node, "byteOffset"), 0);
    const struct span bytes = view_bytes(gltf, view);
    found.stride = stride >= 1 && stride <= 252 ? (size_t)stride : element;
    if (bytes.data != NULL && offset >= 0 &&
        offset + (double)found.stride * (double)(found.count - 1) + (double)element <=
            (double)bytes.size) {
        found.at = bytes.data + (size_t)offset;
    }
    *out = found;
    return true;
}

static double load_component(const struct accessor *accessor, size_t i, size_t c)
{
    const uint8_t *at = accessor->at + i * accessor->stride + c * type_bytes(accessor->type);
    float real;
    uint32_t bits;
    switch (accessor->type) {
    case TYPE_INT8:
        return (int8_t)at[0];
    case TYPE_UINT8:
        return at[0];
    case TYPE_INT16:
        return (int16_t)bytes_load_u16le(at);
    case TYPE_UINT16:
        return bytes_load_u16le(at);
    case TYPE_UINT32:
        return bytes_load_u32le(at);
    default:
        bits = bytes_load_u32le(at);
        memcpy(&real, &bits, sizeof real);
        return (double)real;
    }
}

/* As a shader sees it: normalized integers become -1 .. 1. */
static double load_value(const struct accessor *accessor, size_t i, size_t c)
{
    const double value = load_component(accessor, i, c);
    if (!accessor->is_normalized) {
        return value;
    }
    switch (accessor->type) {
    case TYPE_INT8:
        return fmax(value / 127, -1);
    case TYPE_UINT8:
        return value / 255;
    case TYPE_INT16:
        return fmax(value / 32767, -1);
    case TYPE_UINT16:
        return value / 65535;
    default:
        return value;
    }
}

static void check_bounds(struct gltf *gltf, size_t index, const struct accessor *accessor,
                         const char *key, bool is_max)
{
    const struct json_tree *bounds = json_tree_find(accessor->node, key);
    if (bounds == NULL) {
        return;
    }
    if (bounds->kind != JSON_ARRAY || bounds->child_count != accessor->width) {
        check_note_at(gltf->check, "gltf-bounds", gltf->file, bounds,
                      "accessor %zu: %s must have %zu numbers", index, key, accessor->width);
        return;
    }
    for (size_t c = 0; accessor->at != NULL && c < accessor->width; c++) {
        double found = is_max ? -INFINITY : INFINITY;
        for (size_t i = 0; i < accessor->count; i++) {
            const double value = load_component(accessor, i, c);
            found = is_max ? fmax(found, value) : fmin(found, value);
        }
        /* Written as decimals of floats: compared as floats. */
        const float written = (float)check_number(&bounds->children[c], NAN);
        if (!(written <= (float)found && written >= (float)found)) {
            check_note_at(gltf->check, "gltf-bounds", gltf->file, &bounds->children[c],
                          "accessor %zu: %s[%zu] is %.9g, but the data's is %.9g", index, key, c,
                          (double)written, found);
            return;
        }
    }
}

static void check_finite(struct gltf *gltf, size_t index, const struct accessor *accessor)
{
    if (accessor->type != TYPE_FLOAT || accessor->at == NULL) {
        return;
    }
    for (size_t i = 0; i < accessor->count; i++) {
        for (size_t c = 0; c < accessor->width; c++) {
            if (!isfinite(load_component(accessor, i, c))) {
                check_note_at(gltf->check, "gltf-not-finite", gltf->file, accessor->node,
                              "accessor %zu: element %zu is not a finite number", index, i);
                return;
            }
        }
    }
}

static void check_accessor(struct gltf *gltf, size_t index, const struct json_tree *node)
{
    struct accessor accessor;
    if (!find_accessor(gltf, (double)index, &accessor)) {
        check_note_at(gltf->check, "gltf-accessor", gltf->file, node,
                      "accessor %zu needs a type, a componentType and a count", index);
        gltf->is_broken = true;
        return;
    }
    const struct json_tree *view_index = json_tree_find(node, "bufferView");
    if (view_index != NULL) {
        const struct json_tree *view = member_at(gltf, "bufferViews", view_index->number);
        const double offset = check_number(json_tree_find(node, "byteOffset"), 0);
        const double whole = check_number(json_tree_find(view, "byteLength"), 0);
        const size_t element = accessor.width * type_bytes(accessor.type);
        const double end =
            offset + (double)accessor.stride * (double)(accessor.count - 1) + (double)element;
        if (view == NULL || end > whole) {
            check_note_at(gltf->check, "gltf-accessor", gltf->file, node,
                          "accessor %zu ends at byte %.0f of a view of %.0f", index, end, whole);
            gltf->is_broken = true;
            return;
        }
        const double start = check_number(json_tree_find(view, "byteOffset"), 0) + offset;
        if (fmod(start, (double)type_bytes(accessor.type)) != 0 ||
            (json_tree_find(view, "byteStride") != NULL && accessor.stride % 4 != 0)) {
            check_note_at(gltf->check, "gltf-alignment", gltf->file, node,
                          "accessor %zu begins at byte %.0f with a stride of %zu", index, start,
                          accessor.stride);
        }
    }
    check_finite(gltf, index, &accessor);
    check_bounds(gltf, index, &accessor, "min", false);
    check_bounds(gltf, index, &accessor, "max", true);
}

/* ---- primitives --------------------------------------------------------- */

static const float *load_floats(struct gltf *gltf, const struct accessor *accessor)
{
    if (accessor->at == NULL) {
        return NULL;
    }
    float *values = arena_array(&gltf->check->content, float, accessor->count * accessor->width);
    if (values == NULL) {
        check_full(gltf->check, gltf->file, &gltf->check->content);
        return NULL;
    }
    for (size_t i = 0; i < accessor->count; i++) {
        for (size_t c = 0; c < accessor->width; c++) {
            values[i * accessor->width + c] = (float)load_value(accessor, i, c);
        }
    }
    return values;
}

static void load_indices(struct gltf *gltf, const struct json_tree *primitive, struct shape *shape)
{
    const struct json_tree *index = json_tree_find(primitive, "indices");
    struct accessor accessor = {.count = shape->vertex_count};
    if (index != NULL &&
        (!find_accessor(gltf, check_number(index, -1), &accessor) || accessor.width != 1 ||
         (accessor.type != TYPE_UINT8 && accessor.type != TYPE_UINT16 &&
          accessor.type != TYPE_UINT32))) {
        check_note_at(gltf->check, "gltf-indices", gltf->file, index,
                      "indices are no accessor of unsigned integers");
        return;
    }
    if (index != NULL && accessor.at == NULL) {
        return;
    }
    uint32_t *indices =
        arena_array(&gltf->check->content, uint32_t, accessor.count == 0 ? 1 : accessor.count);
    if (indices == NULL) {
        check_full(gltf->check, gltf->file, &gltf->check->content);
        return;
    }
    for (size_t i = 0; i < accessor.count; i++) {
        indices[i] = index == NULL ? (uint32_t)i : (uint32_t)load_component(&accessor, i, 0);
        if (indices[i] >= shape->vertex_count) {
            check_note_at(gltf->check, "gltf-indices", gltf->file, index,
                          "index %zu is %u, but there are %zu vertices", i, indices[i],
                          shape->vertex_count);
            return;
        }
    }
    shape->indices = indices;
    shape->index_count = accessor.count;
}

static void check_normals(struct gltf *gltf, const struct json_tree *attributes,
                          const struct shape *shape)
{
    for (size_t i = 0; shape->normals != NULL && i < shape->vertex_count; i++) {
        const float *n = shape->normals + 3 * i;
        const double length = sqrt((double)(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]));
        if (!(fabs(length - 1) <= normal_error_max)) {
            check_note_at(gltf->check, "gltf-normal", gltf->file,
                          json_tree_find(attributes, "NORMAL"), "normal %zu has the length %.3g", i,
                          length);
            return;
        }
    }
}

static struct vec3 corner_of(const float *values, uint32_t i)
{
    return (struct vec3){(double)values[3 * i], (double)values[3 * i + 1],
                         (double)values[3 * i + 2]};
}

/* A surface that nearly all of its normals say is inside out. */
static void check_winding(struct gltf *gltf, const struct json_tree *primitive,
                          const struct shape *shape)
{
    double agree = 0, disagree = 0;
    if (shape->normals == NULL || shape->positions == NULL || shape->indices == NULL) {
        return;
    }
    for (size_t i = 0; i + 3 <= shape->index_count; i += 3) {
        const uint32_t *corner = shape->indices + i;
        const struct vec3 a = corner_of(shape->positions, corner[0]);
        const struct vec3 ab = vec3_sub(corner_of(shape->positions, corner[1]), a);
        const struct vec3 ac = vec3_sub(corner_of(shape->positions, corner[2]), a);
        const double side = vec3_dot(vec3_cross(ab, ac), corner_of(shape->normals, corner[0]));
        agree += side > 0 ? side : 0;
        disagree += side < 0 ? -side : 0;
    }
    if (disagree > winding_share_max * (agree + disagree) && disagree > 0) {
        check_note_at(gltf->check, "gltf-winding", gltf->file, primitive,
                      "triangles are wound clockwise seen from where their normals point");
    }
}

/* ---- features ----------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const double *first = a;
    const double *second = b;
    return *first < *second ? -1 : *first > *second ? 1 : 0;
}

/* Feature ids of one set, in `ids`, which is sorted here. */
static void check_ids(struct gltf *gltf, const struct json_tree *set, double *ids, size_t count)
{
    const double null_id = check_number(json_tree_find(set, "nullFeatureId"), -1);
    const double claimed = check_number(json_tree_find(set, "featureCount"), 0);
    const struct json_tree *table_index = json_tree_find(set, "propertyTable");
    const struct json_tree *table = check_element(gltf->tables, check_number(table_index, -1));
    const double row_count = check_number(json_tree_find(table, "count"), INFINITY);
    if (table_index != NULL && table == NULL) {
        check_note_at(gltf->check, "feature-table", gltf->file, table_index,
                      "there is no property table %.0f", check_number(table_index, -1));
    }
    qsort(ids, count, sizeof ids[0], by_value);
    double before = -1;
    uint64_t distinct = 0;
    for (size_t i = 0; i < count; i++) {
        const double id = ids[i];
        if (id >= null_id && id <= null_id) {
            continue;
        }
        if (!(id >= 0) || id != floor(id)) {
            check_note_at(gltf->check, "feature-id", gltf->file, set,
                          "feature id %g is no whole number", id);
            return;
        }
        if (id >= row_count) {
            check_note_at(gltf->check, "feature-id", gltf->file, set,
                          "feature id %.0f, but the property table has %.0f rows", id, row_count);
            return;
        }
        distinct += id > before ? 1 : 0;
        before = id;
    }
    if ((double)distinct > claimed) {
        check_note_at(gltf->check, "feature-count", gltf->file, set,
                      "featureCount is %.0f, but there are %llu ids", claimed,
                      (unsigned long long)distinct);
    }
    gltf->out->feature_count += distinct;
}

/* The ids of an attribute, from its accessor or the Draco data; NULL when they
 * are not known. */
static double *load_ids(struct gltf *gltf, const struct accessor *accessor, struct text name,
                        const struct shape *shape, size_t *out_count)
{
    const bool is_draco = shape->rows != NULL && text_equals(shape->rows_name, name);
    if (!is_draco && accessor->at == NULL) {
        return NULL;
    }
    *out_count = is_draco ? shape->vertex_count : accessor->count;
    double *ids = arena_array(&gltf->check->content, double, *out_count + 1);
    if (ids == NULL) {
        check_full(gltf->check, gltf->file, &gltf->check->content);
        return NULL;
    }
    for (size_t i = 0; i < *out_count; i++) {
        ids[i] = is_draco ? (double)shape->rows[i] : load_component(accessor, i, 0);
    }
    return ids;
}

static void check_feature_set(struct gltf *gltf, const struct json_tree *primitive,
                              const struct shape *shape, const struct json_tree *set)
{
    const struct json_tree *attribute = json_tree_find(set, "attribute");
    const struct json_tree *count = json_tree_find(set, "featureCount");
    char name[40];
    struct accessor accessor;
    if (!check_is_count(count) || count->number < 1) {
        check_note_at(gltf->check, "feature-count", gltf->file, set,
                      "a feature id set needs a featureCount");
        return;
    }
    if (attribute == NULL) {
        return; /* by texture, or by vertex: what could be wrong there is counted */
    }
    snprintf(name, sizeof name, "_FEATURE_ID_%.0f", check_number(attribute, -1));
    const struct json_tree *index = json_tree_find(json_tree_find(primitive, "attributes"), name);
    if (index == NULL || !find_accessor(gltf, check_number(index, -1), &accessor) ||
        accessor.width != 1) {
        check_note_at(gltf->check, "feature-attribute", gltf->file, set,
                      "the primitive has no attribute %s of scalars", name);
        return;
    }
    size_t id_count = 0;
    double *ids = load_ids(gltf, &accessor, index->key, shape, &id_count);
    if (ids != NULL) {
        check_ids(gltf, set, ids, id_count);
    }
}

static void check_batch_ids(struct gltf *gltf, const struct json_tree *primitive,
                            const struct shape *shape)
{
    const struct json_tree *attributes = json_tree_find(primitive, "attributes");
    const struct json_tree *index = json_tree_find(attributes, "_BATCHID");
    struct accessor accessor;
    if (index == NULL) {
        index = json_tree_find(attributes, "BATCHID");
    }
    if (gltf->batch_length < 0 || index == NULL ||
        !find_accessor(gltf, check_number(index, -1), &accessor)) {
        return;
    }
    size_t id_count = 0;
    const double *ids = load_ids(gltf, &accessor, index->key, shape, &id_count);
    for (size_t i = 0; ids != NULL && i < id_count; i++) {
        const double id = ids[i];
        if (!(id >= 0 && id < gltf->batch_length) || id != floor(id)) {
            check_note_at(gltf->check, "feature-id", gltf->file, index,
                          "_BATCHID %g, but BATCH_LENGTH is %.0f", id, gltf->batch_length);
            return;
        }
    }
}

static void check_features(struct gltf *gltf, const struct json_tree *primitive,
                           const struct shape *shape)
{
    const struct json_tree *extension = extension_of(primitive, "EXT_mesh_features");
    const struct json_tree *sets = json_tree_find(extension, "featureIds");
    if (extension != NULL && (!json_tree_is(sets, JSON_ARRAY) || sets->child_count == 0)) {
        check_note_at(gltf->check, "feature-set", gltf->file, extension,
                      "EXT_mesh_features without featureIds");
        return;
    }
    for (size_t i = 0; sets != NULL && i < sets->child_count; i++) {
        check_feature_set(gltf, primitive, shape, &sets->children[i]);
    }
    check_batch_ids(gltf, primitive, shape);
}

static void check_counts(struct gltf *gltf, const struct json_tree *attributes, size_t count)
{
    for (const struct json_tree *node = check_first(attributes); node != check_end(attributes);
         node++) {
        struct accessor accessor;
        if (!find_accessor(gltf, check_number(node, -1), &accessor)) {
            check_note_at(gltf->check, "gltf-attribute", gltf->file, node,
                          "attribute '%.*s' is no accessor", TEXT_ARGS(node->key));
        } else if (accessor.count != count) {
            check_note_at(gltf->check, "gltf-attribute", gltf->file, node,
                          "attribute '%.*s' has %zu elements, POSITION %zu", TEXT_ARGS(node->key),
                          accessor.count, count);
            gltf->is_broken = true;
        }
    }
}

static int draco_id(const struct json_tree *node)
{
    const double id = check_number(node, -1);
    return id >= 0 && id <= INT32_MAX ? (int)id : -1;
}

/* The attribute that holds feature ids, or NULL. */
static const struct json_tree *rows_attribute(const struct json_tree *attributes)
{
    const struct json_tree *found = json_tree_find(attributes, "_FEATURE_ID_0");
    return found == NULL ? json_tree_find(attributes, "_BATCHID") : found;
}

/* How far decoded positions may be from the bounds: half a quantization step,
 * and those are often of the positions before. 10 bits are the coarsest used. */
static void check_draco_bounds(struct gltf *gltf, const struct accessor *accessor,
                               const struct draco_decoded *decoded)
{
    const struct json_tree *low = json_tree_find(accessor->node, "min");
    const struct json_tree *high = json_tree_find(accessor->node, "max");
    for (size_t c = 0; c < 3; c++) {
        const double min = check_number(check_element(low, (double)c), NAN);
        const double max = check_number(check_element(high, (double)c), NAN);
        double slack = 0;
        for (size_t k = 0; k < 3; k++) {
            slack = fmax(slack, check_number(check_element(high, (double)k), 0) -
                                    check_number(check_element(low, (double)k), 0));
        }
        for (size_t i = 0; i < decoded->vertex_count; i++) {
            const double value = (double)decoded->positions[3 * i + c];
            if (value < min - slack / 1024 || value > max + slack / 1024) {
                check_note_at(gltf->check, "gltf-bounds", gltf->file, accessor->node,
                              "a decoded position has %.9g on axis %zu, outside %.9g to %.9g",
                              value, c, min, max);
                return;
            }
        }
    }
}

static bool load_draco(struct gltf *gltf, const struct json_tree *primitive,
                       const struct json_tree *extension, struct shape *shape)
{
    const struct json_tree *names = json_tree_find(extension, "attributes");
    const struct json_tree *rows = rows_attribute(names);
    const struct span bytes =
        view_bytes(gltf, check_number(json_tree_find(extension, "bufferView"), -1));
    struct draco_request request;
    struct draco_decoded decoded;
    struct accessor positions, indices;
    struct err err;
    if (bytes.data == NULL) {
        check_note_at(gltf->check, "gltf-draco", gltf->file, extension, "no Draco data");
        return false;
    }
    for (size_t i = 0; i < DRACO_STREAMS; i++) {
        request.unique_id[i] = -1;
    }
    request.unique_id[DRACO_POSITION] = draco_id(json_tree_find(names, "POSITION"));
    request.unique_id[DRACO_NORMAL] = draco_id(json_tree_find(names, "NORMAL"));
    if (rows != NULL) {
        request.unique_id[DRACO_ROW] = draco_id(rows);
        shape->rows_name = rows->key;
    }
    if (!draco_read(bytes, &request, &gltf->check->content, &decoded, &err)) {
        check_note_at(gltf->check, "gltf-draco", gltf->file, extension, "%s", err.message);
        return false;
    }
    const struct json_tree *attributes = json_tree_find(primitive, "attributes");
    if (!find_accessor(gltf, check_number(json_tree_find(attributes, "POSITION"), -1),
                       &positions) ||
        positions.count != decoded.vertex_count ||
        (find_accessor(gltf, check_number(json_tree_find(primitive, "indices"), -1), &indices) &&
         indices.count != decoded.index_count)) {
        check_note_at(gltf->check, "gltf-draco", gltf->file, extension,
                      "accessors do not fit the %u vertices and %u indices of the Draco data",
                      decoded.vertex_count, decoded.index_count);
    } else if (decoded.positions != NULL) {
        check_draco_bounds(gltf, &positions, &decoded);
    }
    shape->vertex_count = decoded.vertex_count;
    shape->index_count = decoded.index_count;
    shape->positions = decoded.positions;
    shape->normals = decoded.normals;
    shape->indices = decoded.indices;
    shape->rows = decoded.rows;
    return true;
}

static bool load_shape(struct gltf *gltf, const struct json_tree *primitive, struct shape *shape)
{
    const struct json_tree *attributes = json_tree_find(primitive, "attributes");
    const struct json_tree *position = json_tree_find(attributes, "POSITION");
    const struct json_tree *normal = json_tree_find(attributes, "NORMAL");
    struct accessor accessor;
    if (!find_accessor(gltf, check_number(position, -1), &accessor) || accessor.width != 3) {
        check_note_at(gltf->check, "gltf-attribute", gltf->file, primitive,
                      "a primitive without POSITION");
        return false;
    }
    if (json_tree_find(accessor.node, "min") == NULL ||
        json_tree_find(accessor.node, "max") == NULL) {
        check_note_at(gltf->check, "gltf-bounds", gltf->file, accessor.node,
                      "positions need min and max");
    }
    check_counts(gltf, attributes, accessor.count);
    if (gltf->is_broken) {
        return false;
    }
    const struct json_tree *draco = extension_of(primitive, "KHR_draco_mesh_compression");
    if (draco != NULL) {
        return load_draco(gltf, primitive, draco, shape);
    }
    shape->vertex_count = accessor.count;
    shape->positions = load_floats(gltf, &accessor);
    if (normal != NULL && find_accessor(gltf, check_number(normal, -1), &accessor) &&
        accessor.width == 3) {
        shape->normals = load_floats(gltf, &accessor);
    }
    load_indices(gltf, primitive, shape);
    return true;
}

static void check_primitive(struct gltf *gltf, const struct json_tree *primitive,
                            struct shape *shape)
{
    const double mode = check_number(json_tree_find(primitive, "mode"), 4);
    const struct json_tree *material = json_tree_find(primitive, "material");
    *shape = (struct shape){.vertex_count = 0};
    if (material != NULL && member_at(gltf, "materials", material->number) == NULL) {
        check_note_at(gltf->check, "gltf-material", gltf->file, material,
                      "there is no material %.0f", check_number(material, -1));
    }
    if (!load_shape(gltf, primitive, shape)) {
        return;
    }
    if (mode >= 4 && mode <= 4) {
        check_normals(gltf, json_tree_find(primitive, "attributes"), shape);
        check_winding(gltf, primitive, shape);
        gltf->out->triangle_count += shape->index_count / 3;
    }
    check_features(gltf, primitive, shape);
}

/* ---- scene -------------------------------------------------------------- */

static bool read_numbers(const struct json_tree *node, double *out, size_t count)
{
    if (!json_tree_is(node, JSON_ARRAY) || node->child_count != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = check_number(&node->children[i], NAN);
    }
    return true;
}

static struct mat4 matrix_of(const struct json_tree *node)
{
    struct mat4 m = mat4_identity();
    double t[3] = {0, 0, 0}, q[4] = {0, 0, 0, 1}, s[3] = {1, 1, 1};
    if (read_numbers(json_tree_find(node, "matrix"), m.m, 16)) {
        return m;
    }
    read_numbers(json_tree_find(node, "translation"), t, 3);
    read_numbers(json_tree_find(node, "rotation"), q, 4);
    read_numbers(json_tree_find(node, "scale"), s, 3);
    const double x = q[0], y = q[1], z = q[2], w = q[3];
    return (struct mat4){{s[0] * (1 - 2 * (y * y + z * z)), s[0] * 2 * (x * y + w * z),
                          s[0] * 2 * (x * z - w * y), 0, s[1] * 2 * (x * y - w * z),
                          s[1] * (1 - 2 * (x * x + z * z)), s[1] * 2 * (y * z + w * x), 0,
                          s[2] * 2 * (x * z + w * y), s[2] * 2 * (y * z - w * x),
                          s[2] * (1 - 2 * (x * x + y * y)), 0, t[0], t[1], t[2], 1}};
}

/* Where the scene's points end up, and what a walk over it counts. */
struct walk {
    struct gltf *gltf;
    struct shape **shapes; /* by mesh, then primitive */
    bool is_counting;      /* first round: only how many points there are */
    size_t visit_count;
};

static void add_points(struct walk *walk, const struct shape *shape, struct mat4 world)
{
    struct check_content *out = walk->gltf->out;
    if (shape->positions == NULL) {
        return;
    }
    if (walk->is_counting) {
        out->point_count += shape->vertex_count;
        return;
    }
    for (size_t i = 0; i < shape->vertex_count; i++) {
        out->points[out->point_count++] =
            mat4_point(world, corner_of(shape->positions, (uint32_t)i));
    }
}

static void walk_node(struct walk *walk, double index, struct mat4 parent, unsigned depth)
{
    struct gltf *gltf = walk->gltf;
    const struct json_tree *node = member_at(gltf, "nodes", index);
    if (node == NULL || depth > NODE_DEPTH_MAX || ++walk->visit_count > (1u << 20)) {
        if (walk->is_counting) {
            check_note(gltf->check, CHECK_ERROR, "gltf-node", gltf->file,
                       node == NULL ? "there is no node %.0f" : "nodes in a circle at %.0f", index);
        }
        return;
    }
    const struct mat4 world = mat4_multiply(parent, matrix_of(node));
    const struct json_tree *mesh_index = json_tree_find(node, "mesh");
    const struct json_tree *mesh = member_at(gltf, "meshes", check_number(mesh_index, -1));
    if (mesh_index != NULL && mesh == NULL && walk->is_counting) {
        check_note_at(gltf->check, "gltf-node", gltf->file, mesh_index, "there is no mesh %.0f",
                      check_number(mesh_index, -1));
    }
    const struct json_tree *primitives = json_tree_find(mesh, "primitives");
    /* Instances stand where their own accessors say. */
    if (json_tree_is(primitives, JSON_ARRAY) &&
        extension_of(node, "EXT_mesh_gpu_instancing") == NULL) {
        for (size_t i = 0; i < primitives->child_count; i++) {
            add_points(walk, &walk->shapes[(size_t)mesh_index->number][i], world);
        }
    }
    const struct json_tree *children = json_tree_find(node, "children");
    for (size_t i = 0; json_tree_is(children, JSON_ARRAY) && i < children->child_count; i++) {
        walk_node(walk, check_number(&children->children[i], -1), world, depth + 1);
    }
}

static void walk_scene(struct walk *walk)
{
    struct gltf *gltf = walk->gltf;
    const struct json_tree *scene =
        member_at(gltf, "scenes", check_number(json_tree_find(gltf->root, "scene"), 0));
    const struct json_tree *nodes = json_tree_find(scene, "nodes");
    walk->visit_count = 0;
    for (size_t i = 0; json_tree_is(nodes, JSON_ARRAY) && i < nodes->child_count; i++) {
        walk_node(walk, check_number(&nodes->children[i], -1), gltf->to_tile, 0);
    }
}

static bool check_meshes(struct gltf *gltf, struct shape ***out)
{
    const struct json_tree *meshes = json_tree_find(gltf->root, "meshes");
    const size_t mesh_count = json_tree_is(meshes, JSON_ARRAY) ? meshes->child_count : 0;
    struct arena *content = &gltf->check->content;
    struct shape **shapes = arena_array(content, struct shape *, mesh_count + 1);
    if (shapes == NULL) {
        return false;
    }
    for (size_t i = 0; i < mesh_count; i++) {
        const struct json_tree *primitives = json_tree_find(&meshes->children[i], "primitives");
        if (!json_tree_is(primitives, JSON_ARRAY) || primitives->child_count == 0) {
            check_note_at(gltf->check, "gltf-mesh", gltf->file, &meshes->children[i],
                          "mesh %zu without primitives", i);
            continue;
        }
        shapes[i] = arena_array(content, struct shape, primitives->child_count);
        if (shapes[i] == NULL) {
            return false;
        }
        for (size_t k = 0; k < primitives->child_count; k++) {
            check_primitive(gltf, &primitives->children[k], &shapes[i][k]);
        }
    }
    *out = shapes;
    return true;
}

static void check_geometry(struct gltf *gltf)
{
    struct walk walk = {.gltf = gltf, .is_counting = true};
    if (!check_meshes(gltf, &walk.shapes)) {
        check_full(gltf->check, gltf->file, &gltf->check->content);
        return;
    }
    walk_scene(&walk);
    struct check_content *out = gltf->out;
    out->points = arena_array(&gltf->check->content, struct vec3,
                              out->point_count == 0 ? 1 : out->point_count);
    if (out->points == NULL) {
        check_full(gltf->check, gltf->file, &gltf->check->content);
        out->point_count = 0;
        return;
    }
    walk.is_counting = false;
    out->point_count = 0;
    walk_scene(&walk);
}

/* ---- metadata ----------------------------------------------------------- */

/* The schema object, in the file or beside it; NULL when there is none. */
static const struct json_tree *find_schema(struct gltf *gltf, const struct json_tree *extension)
{
    const struct json_tree *schema = json_tree_find(extension, "schema");
    const struct json_tree *uri = json_tree_find(extension, "schemaUri");
    if (schema != NULL) {
        check_schema(gltf->check, gltf->file, schema);
        return schema;
    }
    if (uri == NULL) {
        check_note_at(gltf->check, "schema", gltf->file, extension,
                      "EXT_structural_metadata without schema");
        return NULL;
    }
    struct check_run *check = gltf->check;
    struct text name;
    struct span bytes;
    const struct json_tree *root = NULL;
    struct err err;
    if (!check_resolve(check, gltf->file, check_text(uri), &check->content, &name) ||
        !check_load(check, gltf->file, name, &check->content, &bytes)) {
        return NULL;
    }
    if (!json_tree_read(bytes, &check->content, &root, &err)) {
        check_note_err(check, "schema", name, &err);
        return NULL;
    }
    const uint64_t json_at = check->json_at;
    check->json_at = 0;
    check_schema(check, name, root);
    check->json_at = json_at;
    return root;
}

static void check_metadata(struct gltf *gltf)
{
    const struct json_tree *extension = extension_of(gltf->root, "EXT_structural_metadata");
    if (extension == NULL) {
        return;
    }
    const struct check_views views = {json_tree_find(gltf->root, "bufferViews"), gltf->buffers,
                                      gltf->buffer_count};
    gltf->tables = json_tree_find(extension, "propertyTables");
    const struct json_tree *schema = find_schema(gltf, extension);
    if (!gltf->is_broken) {
        check_property_tables(gltf->check, gltf->file, gltf->tables, schema, &views);
    }
}

/* ---- the file ----------------------------------------------------------- */

static void check_images(struct gltf *gltf)
{
    static const struct {
        const char *type, *magic;
        size_t size;
    } kinds[] = {{"image/jpeg", "\xFF\xD8", 2},
                 {"image/png", "\x89PNG", 4},
                 {"image/webp", "RIFF", 4},
                 {"image/ktx2", "\xABKTX", 4}};
    const struct json_tree *images = json_tree_find(gltf->root, "images");
    for (size_t i = 0; json_tree_is(images, JSON_ARRAY) && i < images->child_count; i++) {
        const struct json_tree *image = &images->children[i];
        const struct json_tree *view = json_tree_find(image, "bufferView");
        const struct text type = check_text(json_tree_find(image, "mimeType"));
        const struct span bytes = view_bytes(gltf, check_number(view, -1));
        if (view == NULL || bytes.data == NULL) {
            continue;
        }
        bool is_kind = false;
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            is_kind = is_kind || (text_is(type, kinds[k].type) && bytes.size > kinds[k].size &&
                                  memcmp(bytes.data, kinds[k].magic, kinds[k].size) == 0);
        }
        struct image_facts facts;
        struct err err;
        if (!is_kind) {
            check_note_at(gltf->check, "gltf-image", gltf->file, image, "image %zu is no '%.*s'", i,
                          TEXT_ARGS(type));
        } else if (!text_is(type, "image/ktx2") && !image_probe(bytes, &facts, &err)) {
            check_note_at(gltf->check, "gltf-image", gltf->file, image, "image %zu: %s", i,
                          err.message);
        }
    }
}

static void check_root(struct gltf *gltf, struct span bin)
{
    const struct json_tree *asset = json_tree_find(gltf->root, "asset");
    const struct text version = check_text(json_tree_find(asset, "version"));
    const struct json_tree *accessors = json_tree_find(gltf->root, "accessors");
    if (!text_is(version, "2.0")) {
        check_note_at(gltf->check, "gltf-version", gltf->file, asset, "glTF version '%.*s'",
                      TEXT_ARGS(version));
        return;
    }
    double center[3];
    if (read_numbers(json_tree_find(extension_of(gltf->root, "CESIUM_RTC"), "center"), center, 3)) {
        gltf->to_tile.m[12] += center[0];
        gltf->to_tile.m[13] += center[1];
        gltf->to_tile.m[14] += center[2];
    }
    check_extensions(gltf);
    check_buffers(gltf, bin);
    if (!gltf->is_broken) {
        check_meshopt(gltf);
    }
    if (!gltf->is_broken) {
        for (size_t i = 0; json_tree_is(accessors, JSON_ARRAY) && i < accessors->child_count; i++) {
            check_accessor(gltf, i, &accessors->children[i]);
        }
    }
    check_metadata(gltf);
    if (!gltf->is_broken) {
        check_images(gltf);
        check_geometry(gltf);
    }
}

static void check_json(struct gltf *gltf, struct span json, struct span bin)
{
    const struct json_tree *root = NULL;
    struct err err;
    if (!json_tree_read(json, &gltf->check->content, &root, &err)) {
        check_note_err(gltf->check, "gltf-json", gltf->file, &err);
        return;
    }
    gltf->root = root;
    check_root(gltf, bin);
}

/* glTF's y is up, 3D Tiles' z. */
static struct mat4 y_up_to_z_up(void)
{
    return (struct mat4){{1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1}};
}

/* A finding about the container, with the byte at fault. */
static void note_byte(struct check_run *check, struct text file, uint64_t offset, const char *what)
{
    struct err err;
    err_set_at(&err, ERR_SYNTAX, offset, "%s", what);
    check_note_err(check, "glb", file, &err);
}

/* One chunk at *at; false when it does not fit (noted). */
static bool take_chunk(struct gltf *gltf, struct span bytes, size_t *at, uint32_t wanted,
                       struct span *out)
{
    if (bytes.size - *at < CHUNK_BYTES) {
        note_byte(gltf->check, gltf->file, *at, "no chunk here");
        return false;
    }
    const uint32_t size = bytes_load_u32le(bytes.data + *at);
    if (size > bytes.size - *at - CHUNK_BYTES || size % 4 != 0) {
        note_byte(gltf->check, gltf->file, *at,
                  size % 4 != 0 ? "a chunk whose size is no multiple of 4"
                                : "a chunk that ends past the file");
        return false;
    }
    if (bytes_load_u32le(bytes.data + *at + 4) != wanted) {
        note_byte(gltf->check, gltf->file, *at + 4,
                  wanted == CHUNK_JSON ? "the first chunk is not JSON"
                                       : "the second chunk is not BIN");
        return false;
    }
    *out = (struct span){bytes.data + *at + CHUNK_BYTES, size};
    *at += CHUNK_BYTES + size;
    return true;
}

static void check_container(struct gltf *gltf, struct span bytes, size_t padding_max)
{
    struct span json, bin = {NULL, 0};
    size_t at = HEADER_BYTES;
    if (bytes.size < HEADER_BYTES || memcmp(bytes.data, "glTF", 4) != 0) {
        note_byte(gltf->check, gltf->file, 0, "no binary glTF");
        return;
    }
    if (bytes_load_u32le(bytes.data + 4) != 2) {
        note_byte(gltf->check, gltf->file, 4, "binary glTF of a version other than 2");
        return;
    }
    const uint32_t length = bytes_load_u32le(bytes.data + 8);
    if (length > bytes.size || length < HEADER_BYTES || bytes.size - length > padding_max) {
        struct err err;
        err_set_at(&err, ERR_SYNTAX, 8, "the header says %u bytes, but %zu are here", length,
                   bytes.size);
        check_note_err(gltf->check, "glb", gltf->file, &err);
        if (length > bytes.size || length < HEADER_BYTES) {
            return;
        }
    }
    bytes.size = length;
    if (!take_chunk(gltf, bytes, &at, CHUNK_JSON, &json)) {
        return;
    }
    size_t used = json.size;
    while (used > 0 && json.data[used - 1] == 0) {
        used--;
    }
    if (used != json.size) {
        note_byte(gltf->check, gltf->file, HEADER_BYTES + CHUNK_BYTES + used,
                  "the JSON chunk is padded with NUL instead of spaces");
        json.size = used;
    }
    if (at < bytes.size && !take_chunk(gltf, bytes, &at, CHUNK_BIN, &bin)) {
        return;
    }
    gltf->check->json_at = gltf->glb_at + HEADER_BYTES + CHUNK_BYTES;
    check_json(gltf, json, bin);
    gltf->check->json_at = 0;
}

void check_glb(struct check_run *check, struct text file, struct span bytes,
               struct check_content *out)
{
    struct gltf gltf = {
        .check = check, .file = file, .batch_length = -1, .to_tile = y_up_to_z_up(), .out = out};
    check_container(&gltf, bytes, 0);
}

void check_gltf_json(struct check_run *check, struct text file, struct span bytes,
                     struct check_content *out)
{
    struct gltf gltf = {
        .check = check, .file = file, .batch_length = -1, .to_tile = y_up_to_z_up(), .out = out};
    check_json(&gltf, bytes, (struct span){NULL, 0});
}

/* ---- b3dm --------------------------------------------------------------- */

static const struct json_tree *read_table(struct gltf *gltf, struct span part)
{
    const struct json_tree *root = NULL;
    struct err err;
    if (part.size == 0) {
        return NULL;
    }
    if (!json_tree_read(part, &gltf->check->content, &root, &err)) {
        check_note_err(gltf->check, "b3dm-table", gltf->file, &err);
        return NULL;
    }
    return root;
}

static void check_batch_table(struct gltf *gltf, const struct json_tree *table, struct span binary)
{
    for (const struct json_tree *node = check_first(table == NULL ? NULL : table);
         node != check_end(table == NULL ? NULL : table); node++) {
        if (text_is(node->key, "extensions") || text_is(node->key, "extras") ||
            text_is(node->key, "HIERARCHY")) {
            continue;
        }
        if (node->kind == JSON_ARRAY && (double)node->child_count != gltf->batch_length) {
            check_note_at(gltf->check, "b3dm-batch-table", gltf->file, node,
                          "'%.*s' has %u values, but BATCH_LENGTH is %.0f", TEXT_ARGS(node->key),
                          node->child_count, gltf->batch_length);
        } else if (node->kind == JSON_OBJECT) {
            static const struct {
                const char *name;
                double bytes;
            } sizes[] = {{"BYTE", 1}, {"UNSIGNED_BYTE", 1}, {"SHORT", 2}, {"UNSIGNED_SHORT", 2},
                         {"INT", 4},  {"UNSIGNED_INT", 4},  {"FLOAT", 4}, {"DOUBLE", 8}};
            const struct text type = check_text(json_tree_find(node, "componentType"));
            const double width = (double)type_width(check_text(json_tree_find(node, "type")));
            const double offset = check_number(json_tree_find(node, "byteOffset"), -1);
            double size = 0;
            for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                size = text_is(type, sizes[i].name) ? sizes[i].bytes : size;
            }
            if (size <= 0 || width <= 0 || offset < 0 || fmod(offset, size) != 0 ||
                offset + size * width * gltf->batch_length > (double)binary.size) {
                check_note_at(gltf->check, "b3dm-batch-table", gltf->file, node,
                              "'%.*s' lies outside the table's binary part or off its multiple",
                              TEXT_ARGS(node->key));
            }
        }
    }
}

static void check_b3dm_alignment(struct gltf *gltf, struct span bytes, const struct b3dm *tile)
{
    const size_t batch_at = (size_t)(tile->part[B3DM_BATCH_JSON].data - bytes.data);
    const size_t glb_at = (size_t)(tile->part[B3DM_GLB].data - bytes.data);
    if (batch_at % 8 != 0 || glb_at % 8 != 0 || bytes.size % 8 != 0) {
        check_note(gltf->check, CHECK_ERROR, "b3dm-alignment", gltf->file,
                   "batch table at %zu, glb at %zu, end at %zu: not all multiples of 8", batch_at,
                   glb_at, bytes.size);
    }
}

void check_b3dm(struct check_run *check, struct text file, struct span bytes,
                struct check_content *out)
{
    struct gltf gltf = {.check = check, .file = file, .to_tile = y_up_to_z_up(), .out = out};
    struct b3dm tile;
    struct err err;
    if (bytes.size >= 12 && bytes_load_u32le(bytes.data + 8) != bytes.size) {
        err_set_at(&err, ERR_SYNTAX, 8, "the header says %u bytes, but %zu are here",
                   bytes_load_u32le(bytes.data + 8), bytes.size);
        check_note_err(check, "b3dm", file, &err);
        return;
    }
    if (!b3dm_read(bytes, &tile, &err)) {
        check_note_err(check, "b3dm", file, &err);
        return;
    }
    check_b3dm_alignment(&gltf, bytes, &tile);
    const struct json_tree *features = read_table(&gltf, tile.part[B3DM_FEATURE_JSON]);
    const struct json_tree *batch = read_table(&gltf, tile.part[B3DM_BATCH_JSON]);
    const struct json_tree *length = json_tree_find(features, "BATCH_LENGTH");
    if (!check_is_count(length)) {
        check_note(check, CHECK_ERROR, "b3dm-batch-length", file, "no BATCH_LENGTH");
        return;
    }
    gltf.batch_length = length->number;
    out->feature_count = (uint64_t)length->number;
    check_batch_table(&gltf, batch, tile.part[B3DM_BATCH_BINARY]);
    double center[3];
    if (read_numbers(json_tree_find(features, "RTC_CENTER"), center, 3)) {
        gltf.to_tile.m[12] = center[0];
        gltf.to_tile.m[13] = center[1];
        gltf.to_tile.m[14] = center[2];
    }
    gltf.glb_at = (size_t)(tile.part[B3DM_GLB].data - bytes.data);
    check_container(&gltf, tile.part[B3DM_GLB], 7);
}
