/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/tile_write.h"

#include "formats/b3dm.h"
#include "formats/base/earth.h"
#include "tiler/rows.h"

enum part { PART_ONE_SIDED, PART_TWO_SIDED, PART_BLENDED, PART_COUNT };

static const struct mesh_material part_materials[PART_COUNT] = {
    [PART_ONE_SIDED] = {.base_color = {1, 1, 1, 1}, .roughness = 0.9f, .image = -1},
    [PART_TWO_SIDED] = {.base_color = {1, 1, 1, 1},
                        .roughness = 0.9f,
                        .is_double_sided = true,
                        .image = -1},
    [PART_BLENDED] = {.base_color = {1, 1, 1, 1},
                      .roughness = 0.9f,
                      .alpha = MESH_BLEND,
                      .is_double_sided = true,
                      .image = -1},
};

/* A mesh that is being filled; arrays have room for every corner. */
struct part_mesh {
    struct mesh mesh;
    struct vec3 *points; /* positions before they became floats, for the box */
};

static enum part part_of(const struct piece *piece, uint32_t triangle)
{
    if (paint_is_blended(piece->faces[piece->triangle_faces[triangle]].paint)) {
        return PART_BLENDED;
    }
    return piece->is_one_sided ? PART_ONE_SIDED : PART_TWO_SIDED;
}

static bool make_room(struct part_mesh *part, size_t corner_count, struct arena *tile,
                      struct err *err)
{
    struct mesh *mesh = &part->mesh;
    mesh->positions = arena_array(tile, float, 3 * corner_count);
    mesh->normals = arena_array(tile, float, 3 * corner_count);
    mesh->colors = arena_array(tile, uint16_t, 4 * corner_count);
    mesh->rows = arena_array(tile, uint32_t, corner_count);
    mesh->indices = arena_array(tile, uint32_t, corner_count);
    part->points = arena_array(tile, struct vec3, corner_count);
    const bool ok = mesh->positions != NULL && mesh->normals != NULL && mesh->colors != NULL &&
                    mesh->rows != NULL && mesh->indices != NULL && part->points != NULL;
    return ok || arena_full(tile, err);
}

static bool make_parts(const struct tile_request *request, struct arena *tile,
                       struct part_mesh parts[PART_COUNT], struct err *err)
{
    size_t corners[PART_COUNT] = {0};
    for (size_t i = 0; i < request->item_count; i++) {
        const struct piece *piece = request->items[i].piece;
        for (uint32_t t = 0; t < piece->triangle_count; t++) {
            corners[part_of(piece, t)] += 3;
        }
    }
    for (int p = 0; p < PART_COUNT; p++) {
        if (corners[p] > UINT32_MAX) {
            return err_set(err, ERR_LIMIT, "a tile of %zu triangles", corners[p] / 3);
        }
        if (!make_room(&parts[p], corners[p], tile, err)) {
            return false;
        }
    }
    return true;
}

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
    mesh->rows[index] = row;
    return index;
}

/* Marks which vertex a point has become for the face that is being added. */
struct stamp {
    uint32_t face; /* + 1; 0 none */
    uint32_t vertex;
};

static bool add_piece(struct part_mesh parts[PART_COUNT], const struct piece *piece,
                      struct mat4 to_tile, uint32_t row, struct arena *scratch, struct err *err)
{
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
        struct part_mesh *part = &parts[part_of(piece, t)];
        const struct vec3 normal = vec3_unit(
            mat4_direction(to_tile, (struct vec3){(double)face->normal.x, (double)face->normal.y,
                                                  (double)face->normal.z}));
        for (int k = 0; k < 3; k++) {
            const uint32_t point = piece->corners[3 * (size_t)t + (size_t)k];
            struct stamp *stamp = &stamps[point];
            if (stamp->face != face_index + 1) {
                *stamp = (struct stamp){face_index + 1,
                                        add_vertex(part, points[point], normal, &face->paint, row)};
            }
            part->mesh.indices[part->mesh.index_count++] = stamp->vertex;
        }
    }
    arena_reset(scratch, mark);
    return true;
}

/* The extent in plan of all points along axes turned by `angle_rad` about z;
 * plain comparisons, because fmin and fmax are calls. */
static struct box3 turned_box(const struct part_mesh parts[PART_COUNT], double angle_rad)
{
    const double c = cos(angle_rad);
    const double s = sin(angle_rad);
    struct box3 box = box3_empty();
    for (int p = 0; p < PART_COUNT; p++) {
        for (uint32_t i = 0; i < parts[p].mesh.vertex_count; i++) {
            const struct vec3 at = parts[p].points[i];
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
static struct obb tight_box(const struct part_mesh parts[PART_COUNT], double margin_m)
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
    struct part_mesh parts[PART_COUNT] = {0};
    if (!make_parts(request, tile, parts, err)) {
        return false;
    }
    const struct mat4 from_ecef = earth_enu_frame_inverse(request->origin_ecef_m);
    for (size_t i = 0; i < request->item_count; i++) {
        const struct mat4 frame = earth_enu_frame(request->items[i].figure->origin_ecef_m);
        const struct mat4 to_tile = mat4_multiply(from_ecef, frame);
        if (!add_piece(parts, request->items[i].piece, to_tile, (uint32_t)i, scratch, err)) {
            return false;
        }
    }
    struct property_table table;
    if (!rows_make(request, tile, &table, err)) {
        return false;
    }
    struct mesh meshes[PART_COUNT];
    struct mesh_material materials[PART_COUNT];
    uint32_t count = 0;
    for (int p = 0; p < PART_COUNT; p++) {
        if (parts[p].mesh.index_count > 0) {
            materials[count] = part_materials[p];
            meshes[count] = parts[p].mesh;
            meshes[count].material = count;
            count++;
        }
    }
    const struct mesh_tile content = {
        .meshes = meshes,
        .mesh_count = count,
        .materials = materials,
        .material_count = count,
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
        result.box_tile_m = tight_box(parts, summary.position_error_m + 1e-3);
    }
    *out_result = result;
    return true;
}
