/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "formats/glb_internal.h"
#include "formats/json_write.h"

/* glTF's numbers for samplers. */
enum { GL_REPEAT = 10497, GL_CLAMP_TO_EDGE = 33071, GL_MIRRORED_REPEAT = 33648 };
enum { GL_LINEAR = 9729, GL_LINEAR_MIPMAP_LINEAR = 9987 };

/* ---- pictures and materials ---- */

static bool is_webp(const struct mesh_image *image)
{
    return strcmp(image->media_type, "image/webp") == 0;
}

bool glb_add_images(struct glb_writer *w)
{
    for (size_t i = 0; w->primitive_count > 0 && i < w->tile->image_count; i++) {
        const struct mesh_image *image = &w->tile->images[i];
        if (strcmp(image->media_type, "image/jpeg") != 0 &&
            strcmp(image->media_type, "image/png") != 0 && !is_webp(image)) {
            return err_set(w->err, ERR_UNSUPPORTED, "glTF has no pictures of type '%s'",
                           image->media_type);
        }
        w->image_views[i] = glb_add_bytes(w, 4, image->bytes.data, image->bytes.size, 0, 0);
    }
    return true;
}

static void print_images(struct glb_writer *w)
{
    json_write_key(&w->json, "images");
    buf_add_text(&w->json, "[");
    for (size_t i = 0; i < w->tile->image_count; i++) {
        json_write_comma(&w->json);
        buf_print(&w->json, "{\"bufferView\":%d,\"mimeType\":\"%s\"}", w->image_views[i],
                  w->tile->images[i].media_type);
    }
    /* One sampler a way of wrapping, in the order of enum mesh_wrap. */
    static const int wraps[] = {GL_CLAMP_TO_EDGE, GL_REPEAT, GL_MIRRORED_REPEAT};
    bool is_used[3] = {false};
    for (size_t i = 0; i < w->tile->material_count; i++) {
        const struct mesh_material *material = &w->tile->materials[i];
        is_used[material->wrap] = is_used[material->wrap] || material->image >= 0;
    }
    int sampler_of[3];
    int count = 0;
    buf_add_text(&w->json, "],\"samplers\":[");
    for (int i = 0; i < 3; i++) {
        sampler_of[i] = count;
        if (is_used[i]) {
            json_write_comma(&w->json);
            buf_print(&w->json, "{\"magFilter\":%d,\"minFilter\":%d,\"wrapS\":%d,\"wrapT\":%d}",
                      GL_LINEAR, GL_LINEAR_MIPMAP_LINEAR, wraps[i], wraps[i]);
            count++;
        }
    }
    /* One texture a textured material, in their order: see print_material(). */
    buf_add_text(&w->json, "],\"textures\":[");
    for (size_t i = 0; i < w->tile->material_count; i++) {
        const struct mesh_material *material = &w->tile->materials[i];
        if (material->image < 0) {
            continue;
        }
        json_write_comma(&w->json);
        buf_print(&w->json, "{\"sampler\":%d,", sampler_of[material->wrap]);
        buf_print(&w->json,
                  is_webp(&w->tile->images[material->image])
                      ? "\"extensions\":{\"EXT_texture_webp\":{\"source\":%d}}}"
                      : "\"source\":%d}",
                  material->image);
    }
    buf_add_text(&w->json, "]");
}

static void print_factors(struct buf *json, const char *key, const float *factors, int count)
{
    json_write_key(json, key);
    buf_add_text(json, "[");
    for (int i = 0; i < count; i++) {
        json_write_comma(json);
        json_write_float(json, fminf(fmaxf(factors[i], 0), 1));
    }
    buf_add_text(json, "]");
}

static void print_material(struct buf *json, const struct mesh_material *material, int texture)
{
    const float *color = material->base_color;
    const float *emissive = material->emissive;
    json_write_comma(json);
    buf_add_text(json, "{\"pbrMetallicRoughness\":{");
    if (color[0] != 1 || color[1] != 1 || color[2] != 1 || color[3] != 1) {
        print_factors(json, "baseColorFactor", color, 4);
    }
    if (material->image >= 0) {
        json_write_key(json, "baseColorTexture");
        buf_print(json, "{\"index\":%d}", texture);
    }
    if (material->metallic != 1) {
        json_write_key(json, "metallicFactor");
        json_write_float(json, fminf(fmaxf(material->metallic, 0), 1));
    }
    if (material->roughness != 1) {
        json_write_key(json, "roughnessFactor");
        json_write_float(json, fminf(fmaxf(material->roughness, 0), 1));
    }
    buf_add_text(json, "}");
    if (emissive[0] > 0 || emissive[1] > 0 || emissive[2] > 0) {
        print_factors(json, "emissiveFactor", emissive, 3);
    }
    if (material->alpha != MESH_OPAQUE) {
        json_write_key(json, "alphaMode");
        buf_add_text(json, material->alpha == MESH_MASK ? "\"MASK\"" : "\"BLEND\"");
    }
    if (material->is_double_sided) {
        json_write_key(json, "doubleSided");
        buf_add_text(json, "true");
    }
    if (material->is_unlit) {
        json_write_key(json, "extensions");
        buf_add_text(json, "{\"KHR_materials_unlit\":{}}");
    }
    buf_add_text(json, "}");
}

static void print_materials(struct glb_writer *w)
{
    bool has_texture = false;
    int texture = 0;
    json_write_key(&w->json, "materials");
    buf_add_text(&w->json, "[");
    for (size_t i = 0; i < w->tile->material_count; i++) {
        const struct mesh_material *material = &w->tile->materials[i];
        assert(material->image < 0 || (size_t)material->image < w->tile->image_count);
        print_material(&w->json, material, texture);
        texture += material->image >= 0 ? 1 : 0;
        has_texture = has_texture || material->image >= 0;
    }
    buf_add_text(&w->json, "]");
    if (has_texture) {
        print_images(w);
    }
}

/* ---- the rest of the JSON ---- */

static const char *stream_name(const struct glb_writer *w, int stream)
{
    static const char *const names[] = {"POSITION", "NORMAL", "COLOR_0", "TEXCOORD_0"};
    return stream != ROW                               ? names[stream]
           : w->options->features == GLB_MESH_FEATURES ? "_FEATURE_ID_0"
                                                       : "_BATCHID";
}

static void print_attributes(struct glb_writer *w, const int *values)
{
    json_write_key(&w->json, "attributes");
    buf_add_text(&w->json, "{");
    for (int s = 0; s < STREAMS; s++) {
        if (values[s] != NONE) {
            json_write_key(&w->json, stream_name(w, s));
            buf_print(&w->json, "%d", values[s]);
        }
    }
    buf_add_text(&w->json, "}");
}

static void print_primitive(struct glb_writer *w, const struct glb_primitive *primitive)
{
    struct buf *json = &w->json;
    json_write_comma(json);
    buf_add_text(json, "{");
    print_attributes(w, primitive->accessor);
    buf_print(json, ",\"indices\":%d,\"material\":%u", primitive->indices, primitive->material);
    const bool has_ids = w->has_features && w->options->features == GLB_MESH_FEATURES;
    if (primitive->draco_view != NONE || has_ids) {
        buf_add_text(json, ",\"extensions\":{");
        if (primitive->draco_view != NONE) {
            buf_print(json, "\"KHR_draco_mesh_compression\":{\"bufferView\":%d",
                      primitive->draco_view);
            print_attributes(w, primitive->draco_id);
            buf_add_text(json, "}");
        }
        if (has_ids) {
            json_write_key(json, "EXT_mesh_features");
            buf_print(json,
                      "{\"featureIds\":[{\"featureCount\":%u,\"attribute\":0,"
                      "\"propertyTable\":0}]}",
                      primitive->feature_count);
        }
        buf_add_text(json, "}");
    }
    buf_add_text(json, "}");
}

static void print_bounds(struct buf *json, const char *key, const float *bounds)
{
    json_write_key(json, key);
    buf_add_text(json, "[");
    for (int i = 0; i < 3; i++) {
        json_write_comma(json);
        /* As doubles: a client that compares in doubles finds them equal. */
        json_write_double(json, (double)bounds[i]);
    }
    buf_add_text(json, "]");
}

static void print_accessors(struct glb_writer *w)
{
    json_write_key(&w->json, "accessors");
    buf_add_text(&w->json, "[");
    for (int i = 0; i < w->accessor_count; i++) {
        const struct glb_accessor *a = &w->accessors[i];
        json_write_comma(&w->json);
        buf_add_text(&w->json, "{");
        if (a->view != NONE) {
            buf_print(&w->json, "\"bufferView\":%d,", a->view);
        }
        buf_print(&w->json, "\"componentType\":%d,", a->component);
        buf_add_text(&w->json, a->is_normalized ? "\"normalized\":true," : "");
        buf_print(&w->json, "\"count\":%u,\"type\":\"%s\"", a->count, a->type);
        if (a->has_bounds) {
            print_bounds(&w->json, "min", a->min);
            print_bounds(&w->json, "max", a->max);
        }
        buf_add_text(&w->json, "}");
    }
    buf_add_text(&w->json, "]");
}

/* Where a view that the second buffer only pretends to hold really is. */
static void print_packing(struct buf *json, const struct glb_view *view)
{
    static const char *const modes[] = {"ATTRIBUTES", "TRIANGLES", "INDICES"};
    static const char *const filters[] = {NULL, "OCTAHEDRAL", "QUATERNION", "EXPONENTIAL"};
    buf_print(json,
              ",\"extensions\":{\"EXT_meshopt_compression\":{\"buffer\":0,\"byteOffset\":%zu,"
              "\"byteLength\":%zu,\"byteStride\":%zu,\"count\":%zu,\"mode\":\"%s\"",
              view->offset, view->size, view->plain.stride, view->plain.count,
              modes[view->plain.mode]);
    if (view->plain.filter != MESHOPT_FILTER_NONE) {
        buf_print(json, ",\"filter\":\"%s\"", filters[view->plain.filter]);
    }
    buf_add_text(json, "}}");
}

static void print_views(struct glb_writer *w)
{
    json_write_key(&w->json, "bufferViews");
    buf_add_text(&w->json, "[");
    for (int i = 0; i < w->view_count; i++) {
        const struct glb_view *view = &w->views[i];
        json_write_comma(&w->json);
        const size_t plain_bytes = view->plain.count * view->plain.stride;
        buf_print(&w->json, "{\"buffer\":%d,\"byteOffset\":%zu,\"byteLength\":%zu",
                  view->is_packed ? 1 : 0, view->is_packed ? view->unpacked_offset : view->offset,
                  view->is_packed ? plain_bytes : view->size);
        if (view->stride != 0) {
            buf_print(&w->json, ",\"byteStride\":%d", view->stride);
        }
        if (view->target != 0) {
            buf_print(&w->json, ",\"target\":%d", view->target);
        }
        if (view->is_packed) {
            print_packing(&w->json, view);
        }
        buf_add_text(&w->json, "}");
    }
    buf_print(&w->json, "],\"buffers\":[{\"byteLength\":%zu}", w->bin.size);
    if (w->unpacked_bytes > 0) {
        buf_print(&w->json,
                  ",{\"byteLength\":%zu,\"extensions\":{\"EXT_meshopt_compression\":"
                  "{\"fallback\":true}}}",
                  w->unpacked_bytes);
    }
    buf_add_text(&w->json, "]");
}

static void print_extension(struct buf *json, bool is_used, const char *name)
{
    if (is_used) {
        json_write_comma(json);
        buf_print(json, "\"%s\"", name);
    }
}

static bool uses_unlit(const struct glb_writer *w)
{
    bool is_used = false;
    for (size_t i = 0; i < w->tile->material_count; i++) {
        is_used = is_used || w->tile->materials[i].is_unlit;
    }
    return is_used && w->primitive_count > 0;
}

static bool uses_webp(const struct glb_writer *w)
{
    for (size_t i = 0; i < w->tile->material_count; i++) {
        const int32_t image = w->tile->materials[i].image;
        if (image >= 0 && is_webp(&w->tile->images[image])) {
            return true;
        }
    }
    return false;
}

static void print_extensions(struct glb_writer *w)
{
    const bool has_draco = w->options->compression == GLB_DRACO;
    const bool has_meshopt = w->unpacked_bytes > 0;
    const bool has_webp = uses_webp(w);
    const bool has_unlit = uses_unlit(w);
    if (has_draco || has_meshopt || has_webp || has_unlit || glb_has_table(w)) {
        buf_add_text(&w->json, ",\"extensionsUsed\":[");
        print_extension(&w->json, glb_has_table(w), "EXT_mesh_features");
        print_extension(&w->json, has_meshopt, "EXT_meshopt_compression");
        print_extension(&w->json, glb_has_table(w), "EXT_structural_metadata");
        print_extension(&w->json, has_webp, "EXT_texture_webp");
        print_extension(&w->json, has_draco, "KHR_draco_mesh_compression");
        print_extension(&w->json, has_unlit, "KHR_materials_unlit");
        print_extension(&w->json, has_meshopt, "KHR_mesh_quantization");
        buf_add_text(&w->json, "]");
    }
    if (has_draco || has_meshopt || has_webp) {
        buf_add_text(&w->json, ",\"extensionsRequired\":[");
        print_extension(&w->json, has_meshopt, "EXT_meshopt_compression");
        print_extension(&w->json, has_webp, "EXT_texture_webp");
        print_extension(&w->json, has_draco, "KHR_draco_mesh_compression");
        print_extension(&w->json, has_meshopt, "KHR_mesh_quantization");
        buf_add_text(&w->json, "]");
    }
}

void glb_print_json(struct glb_writer *w)
{
    struct buf *json = &w->json;
    buf_add_text(json, "{\"asset\":{");
    if (w->options->generator != NULL) {
        json_write_key(json, "generator");
        json_write_text(json, text_of(w->options->generator));
    }
    json_write_key(json, "version");
    buf_add_text(json, "\"2.0\"}");
    if (w->primitive_count == 0) {
        buf_add_text(json, ",\"scene\":0,\"scenes\":[{}]}");
        return;
    }
    print_extensions(w);
    buf_add_text(json, ",\"scene\":0,\"scenes\":[{\"nodes\":[0]}],\"nodes\":[{\"mesh\":0}]");
    buf_add_text(json, ",\"meshes\":[{\"primitives\":[");
    for (size_t i = 0; i < w->primitive_count; i++) {
        print_primitive(w, &w->primitives[i]);
    }
    buf_add_text(json, "]}]");
    print_materials(w);
    print_accessors(w);
    print_views(w);
    if (glb_has_table(w)) {
        glb_print_table(w);
    }
    buf_add_text(json, "}");
}
