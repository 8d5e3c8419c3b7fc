/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/tile_write.h"

#include "formats/b3dm.h"
#include "formats/base/earth.h"
#include "tiler/rows.h"

/* What is drawn in one call: three kinds lit, the same unlit, then a one-sided
 * and a two-sided one for each page of pictures. */
enum side { SIDE_ONE, SIDE_TWO, SIDE_BLENDED, SIDE_COUNT };
enum { PART_LIT, PART_UNLIT = SIDE_COUNT, PART_PAGES = 2 * SIDE_COUNT, PAGE_PARTS = 2 };

/* Normals are two fifths of the geometry of blocks. With seven bits they turn
 * by at most 0.7 degrees (flat roofs not at all), which no picture shows: FLIP
 * of a town whose root stands for it rises by 0.002; with six by 0.006. */
enum { FAR_NORMAL_BITS = 7 };

/* A mesh that is being filled; arrays have room for every corner. */
struct part_mesh {
    struct mesh mesh;
    struct vec3 *points; /* positions before they became floats, for the box */
    bool has_colors;     /* some vertex is not white */
};

/* The meshes of a tile, and where its pictures are. */
struct parts {
    struct part_mesh *meshes;
    size_t count;
    struct atlas atlas;
};

/* Where a face's picture is, or NULL. */
static const struct atlas_place *place_of(const struct parts *parts, size_t item, uint32_t face)
{
    if (parts->atlas.places == NULL) {
        return NULL;
    }
    const struct atlas_place *place = &parts->atlas.places[parts->atlas.first_place[item] + face];
    return place->page == ATLAS_COLOR ? NULL : place;
}

static size_t part_of(const struct parts *parts, const struct piece *piece, size_t item,
                      uint32_t face)
{
    const struct atlas_place *place = place_of(parts, item, face);
    const bool is_unlit = piece->faces[face].is_unlit;
    if (place != NULL) {
        const bool is_two =
            !piece->is_one_sided || parts->atlas.pages[place->page].alpha != MESH_OPAQUE;
        return PART_PAGES + PAGE_PARTS * (size_t)place->page + (is_two ? 1 : 0);
    }
    if (paint_is_blended(piece->faces[face].paint)) {
        return (is_unlit ? PART_UNLIT : PART_LIT) + SIDE_BLENDED;
    }
    if (is_unlit && parts->atlas.white.page != ATLAS_COLOR) {
        return PART_PAGES + PAGE_PARTS * (size_t)parts->atlas.white.page +
               (piece->is_one_sided ? 0 : 1);
    }
    const size_t kind = is_unlit ? PART_UNLIT : PART_LIT;
    return kind + (piece->is_one_sided ? SIDE_ONE : SIDE_TWO);
}

static struct mesh_material material_of(const struct atlas *atlas, size_t part)
{
    struct mesh_material material = {
        .base_color = {1, 1, 1, 1}, .roughness = 0.9f, .image = -1, .is_unlit = part >= PART_UNLIT};
    if (part >= PART_PAGES) {
        const size_t page = (part - PART_PAGES) / PAGE_PARTS;
        material.image = (int32_t)page;
        material.wrap = atlas->pages[page].wrap;
        material.alpha = atlas->pages[page].alpha;
        material.is_double_sided = (part - PART_PAGES) % PAGE_PARTS != 0;
    } else {
        material.alpha = part % SIDE_COUNT == SIDE_BLENDED ? MESH_BLEND : MESH_OPAQUE;
        material.is_double_sided = part % SIDE_COUNT != SIDE_ONE;
    }
    return material;
}

static bool make_room(struct part_mesh *part, size_t corner_count, bool has_uvs, struct arena *tile,
                      struct err *err)
{
    struct mesh *mesh = &part->mesh;
    mesh->uvs = has_uvs ? arena_array(tile, float, 2 * corner_count) : NULL;
    mesh->positions = arena_array(tile, float, 3 * corner_count);
    mesh->normals = arena_array(tile, float, 3 * corner_count);
    mesh->colors = arena_array(tile, uint16_t, 4 * corner_count);
    mesh->rows = arena_array(tile, uint32_t, corner_count);
    mesh->indices = arena_array(tile, uint32_t, corner_count);
    part->points = arena_array(tile, struct vec3, corner_count);
    const bool ok = mesh->positions != NULL && mesh->normals != NULL && mesh->colors != NULL &&
                    mesh->rows != NULL && mesh->indices != NULL && part->points != NULL &&
                    (!has_uvs || mesh->uvs != NULL);
    return ok || arena_full(tile, err);
}

static bool make_atlas(const struct tile_request *request, struct arena *tile,
                       struct arena *scratch, struct atlas *out, struct err *err)
{
    *out = (struct atlas){.white = {.page = ATLAS_COLOR}};
    if (request->images == NULL) {
        return true;
    }
    const struct piece **pieces =
        arena_alloc(tile, request->item_count, sizeof *pieces, _Alignof(void *));
    if (pieces == NULL) {
        return arena_full(tile, err);
    }
    for (size_t i = 0; i < request->item_count; i++) {
        pieces[i] = request->items[i].piece;
    }
    const struct atlas_request atlas = {
        .pieces = pieces,
        .piece_count = request->item_count,
        .images = request->images,
        .texel_m = request->texel_m,
        .format = request->texture_format,
    };
    return atlas_make(&atlas, tile, scratch, out, err);
}

static bool make_parts(const struct tile_request *request, struct arena *tile,
                       struct arena *scratch, struct parts *parts, struct err *err)
{
    if (!make_atlas(request, tile, scratch, &parts->atlas, err)) {
        return false;
    }
    parts->count = PART_PAGES + PAGE_PARTS * parts->atlas.page_count;
    parts->meshes = arena_array(tile, struct part_mesh, parts->count);
    size_t *corners = arena_array(tile, size_t, parts->count);
    if (parts->meshes == NULL || corners == NULL) {
        return arena_full(tile, err);
    }
    for (size_t i = 0; i < request->item_count; i++) {
        const struct piece *piece = request->items[i].piece;
        for (uint32_t t = 0; t < piece->triangle_count; t++) {
            corners[part_of(parts, piece, i, piece->triangle_faces[t])] += 3;
        }
    }
    for (size_t p = 0; p < parts->count; p++) {
        if (corners[p] > UINT32_MAX) {
            return err_set(err, ERR_LIMIT, "a tile of %zu triangles", corners[p] / 3);
        }
        if (!make_room(&parts->meshes[p], corners[p], p >= PART_PAGES, tile, err)) {
            return false;
        }
    }
    return true;
}

static const struct paint white_paint = {{UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX}};

static uint32_t add_vertex(struct part_mesh *part, struct vec3 at, struct vec3 normal,
                           const struct paint *paint, uint32_t row)
{
    struct mesh *mesh = &part->mesh;
    const uint32_t index = mesh->vertex_count++;
    part->points[index] = at;
    float *position = mesh->positions + 3 * (size_t)index;
    position[0] = (float)at.x;
    position[1] = (float)at.y;
    position[2] = (float)at.z;
    float *up = mesh->normals + 3 * (size_t)index;
    up[0] = (float)normal.x;
    up[1] = (float)normal.y;
    up[2] = (float)normal.z;
    memcpy(mesh->colors + 4 * (size_t)index, paint->color, sizeof paint->color);
    part->has_colors = part->has_colors || memcmp(paint, &white_paint, sizeof white_paint) != 0;
    mesh->rows[index] = row;
    return index;
}

/* A corner's texture coordinates on its page. */
static void find_uv(const struct atlas_place *place, const float *uv, float out[2])
{
    for (int i = 0; i < 2; i++) {
        const double own = uv == NULL ? 0 : (double)uv[i];
        out[i] = (float)(place->scale[i] * own + place->shift[i]);
    }
}

/* Marks which vertex a point has become for the face that is being added. */
struct stamp {
    uint32_t face; /* + 1; 0 none */
    uint32_t vertex;
    float uv[2];
};

static bool add_piece(struct parts *parts, const struct piece *piece, size_t item,
                      struct mat4 to_tile, struct arena *scratch, struct err *err)
{
    const uint32_t row = (uint32_t)item;
    const struct arena_mark mark = arena_mark(scratch);
    struct stamp *stamps = arena_array(scratch, struct stamp, piece->point_count);
    struct vec3 *points = arena_array(scratch, struct vec3, piece->point_count);
    if (stamps == NULL || points == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t i = 0; i < piece->point_count; i++) {
        points[i] = mat4_point(to_tile, piece->points[i]);
    }
    for (uint32_t t = 0; t < piece->triangle_count; t++) {
        const uint32_t face_index = piece->triangle_faces[t];
        const struct piece_face *face = &piece->faces[face_index];
        struct part_mesh *part = &parts->meshes[part_of(parts, piece, item, face_index)];
        const struct atlas_place *place = place_of(parts, item, face_index);
        const struct paint *paint = place == NULL ? &face->paint : &white_paint;
        const struct atlas_place *spot = place == NULL ? &parts->atlas.white : place;
        const struct vec3 normal = vec3_unit(
            mat4_direction(to_tile, (struct vec3){(double)face->normal.x, (double)face->normal.y,
                                                  (double)face->normal.z}));
        for (size_t k = 0; k < 3; k++) {
            const size_t corner = 3 * (size_t)t + k;
            const uint32_t point = piece->corners[corner];
            struct stamp *stamp = &stamps[point];
            float uv[2] = {0, 0};
            if (part->mesh.uvs != NULL) {
                find_uv(spot, place == NULL ? NULL : piece->uvs + 2 * corner, uv);
            }
            if (stamp->face != face_index + 1 || memcmp(stamp->uv, uv, sizeof uv) != 0) {
                const uint32_t vertex = add_vertex(part, points[point], normal, paint, row);
                *stamp = (struct stamp){face_index + 1, vertex, {uv[0], uv[1]}};
                if (part->mesh.uvs != NULL) {
                    memcpy(part->mesh.uvs + 2 * (size_t)vertex, uv, sizeof uv);
                }
            }
            part->mesh.indices[part->mesh.index_count++] = stamp->vertex;
        }
    }
    arena_reset(scratch, mark);
    return true;
}

/* The extent in plan of all points along axes turned by `angle_rad` about z;
 * plain comparisons, because fmin and fmax are calls. */
static struct box3 turned_box(const struct parts *parts, double angle_rad)
{
    const double c = cos(angle_rad);
    const double s = sin(angle_rad);
    struct box3 box = box3_empty();
    for (size_t p = 0; p < parts->count; p++) {
        for (uint32_t i = 0; i < parts->meshes[p].mesh.vertex_count; i++) {
            const struct vec3 at = parts->meshes[p].points[i];
            const double x = c * at.x + s * at.y;
            const double y = c * at.y - s * at.x;
            box.min.x = x < box.min.x ? x : box.min.x;
            box.max.x = x > box.max.x ? x : box.max.x;
            box.min.y = y < box.min.y ? y : box.min.y;
            box.max.y = y > box.max.y ? y : box.max.y;
            box.min.z = at.z < box.min.z ? at.z : box.min.z;
            box.max.z = at.z > box.max.z ? at.z : box.max.z;
        }
    }
    return box;
}

/* The smallest of some boxes turned about z. */
static struct obb tight_box(const struct parts *parts, double margin_m)
{
    enum { ANGLES = 9 };
    double best_area = INFINITY;
    double best_angle = 0;
    struct box3 best = box3_empty();
    for (int i = 0; i < ANGLES; i++) {
        const double angle = EARTH_PI / 2 * i / ANGLES;
        const struct box3 box = turned_box(parts, angle);
        const double area = (box.max.x - box.min.x) * (box.max.y - box.min.y);
        /* A turned box must be clearly better: boxes along the axes print
         * shorter and test faster. */
        if (area < (best_angle == 0 ? 0.97 : 1) * best_area) {
            best_area = area;
            best_angle = angle;
            best = box;
        }
    }
    const double c = cos(best_angle);
    const double s = sin(best_angle);
    const struct vec3 middle = box3_center(best);
    const struct vec3 half = vec3_scale(vec3_sub(best.max, best.min), 0.5);
    const double x = half.x + margin_m;
    const double y = half.y + margin_m;
    return (struct obb){
        .center = {c * middle.x - s * middle.y, s * middle.x + c * middle.y, middle.z},
        .half = {{c * x, s * x, 0}, {-s * y, c * y, 0}, {0, 0, half.z + margin_m}},
    };
}

static bool write_content(const struct tile_request *request, const struct mesh_tile *content,
                          struct arena *scratch, struct buf *out, struct glb_summary *summary,
                          struct err *err)
{
    const struct glb_options options = {
        .compression = request->compression,
        .features = request->is_version_1_0 ? GLB_BATCH_ID : GLB_MESH_FEATURES,
        .position_step_m = request->position_step_m,
        .normal_bits = request->is_far ? FAR_NORMAL_BITS : 0,
        .is_small = request->is_far,
        .generator = "storey " STOREY_VERSION,
    };
    if (request->is_version_1_0) {
        return b3dm_write(content, &options, scratch, out, summary, err);
    }
    return glb_write(content, &options, scratch, out, summary, err);
}

bool tile_write(const struct tile_request *request, struct arena *tile, struct arena *scratch,
                struct buf *out, struct tile_result *out_result, struct err *err)
{
    struct parts parts = {0};
    if (!make_parts(request, tile, scratch, &parts, err)) {
        return false;
    }
    const struct mat4 from_ecef = earth_enu_frame_inverse(request->origin_ecef_m);
    for (size_t i = 0; i < request->item_count; i++) {
        const struct mat4 frame = earth_enu_frame(request->items[i].figure->origin_ecef_m);
        const struct mat4 to_tile = mat4_multiply(from_ecef, frame);
        if (!add_piece(&parts, request->items[i].piece, i, to_tile, scratch, err)) {
            return false;
        }
    }
    struct property_table table;
    if (!rows_make(request, tile, &table, err)) {
        return false;
    }
    struct mesh *meshes = arena_array(tile, struct mesh, parts.count);
    struct mesh_material *materials = arena_array(tile, struct mesh_material, parts.count);
    struct mesh_image *images = arena_array(tile, struct mesh_image, parts.atlas.page_count);
    if (meshes == NULL || materials == NULL || images == NULL) {
        return arena_full(tile, err);
    }
    uint32_t count = 0;
    for (size_t p = 0; p < parts.count; p++) {
        if (parts.meshes[p].mesh.index_count > 0) {
            materials[count] = material_of(&parts.atlas, p);
            meshes[count] = parts.meshes[p].mesh;
            meshes[count].material = count;
            meshes[count].colors = parts.meshes[p].has_colors ? meshes[count].colors : NULL;
            count++;
        }
    }
    for (size_t i = 0; i < parts.atlas.page_count; i++) {
        images[i] = parts.atlas.pages[i].image;
    }
    const struct mesh_tile content = {
        .meshes = meshes,
        .mesh_count = count,
        .materials = materials,
        .material_count = count,
        .images = images,
        .image_count = parts.atlas.page_count,
        .table = &table,
    };
    struct glb_summary summary;
    if (!write_content(request, &content, scratch, out, &summary, err)) {
        return false;
    }
    struct tile_result result = {
        .is_empty = count == 0,
        .position_error_m = summary.position_error_m,
        .triangle_count = summary.triangle_count,
    };
    if (!result.is_empty) {
        /* A millimetre covers the rounding of box and positions to floats. */
        result.box_tile_m = tight_box(&parts, summary.position_error_m + 1e-3);
    }
    *out_result = result;
    return true;
}
