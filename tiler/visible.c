/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/visible.h"

#include <stdlib.h>
#include <string.h>

#include "formats/base/earth.h"

/* What is closer to the box around everything is outside. */
static const double SKIN_M = 0.2;
/* ... and on all sides but the floor a share of the box lies around it. */
static const double SKIN_SHARE = 0.002;

/* Behind the front by fewer pixels: in doubt it is seen. */
static const double BIAS_PIXELS = 2;

/* ---- views ---- */

struct view {
    struct vec3 right, up, toward; /* toward the eye */
    struct vec3 origin;
    double pixel_m;
    uint32_t side; /* pixels */
    float *depths; /* distance toward the eye, the largest wins */
};

/* From the horizon up: the ground hides the rest, and an inner wall touches the
 * floor. First seventeen sides of a cube with its edges and corners, then points
 * of a spiral around half a ball. */
static struct vec3 view_direction(int view)
{
    if (view < VISIBLE_FINE_VIEWS) {
        const int cell = view < 4 ? view : view + 1; /* the fifth of nine is the middle */
        return vec3_unit((struct vec3){cell % 3 - 1, cell / 3 % 3 - 1, cell / 9});
    }
    const double z = (view - VISIBLE_FINE_VIEWS + 0.5) / (VISIBLE_VIEWS - VISIBLE_FINE_VIEWS);
    const double angle = 2.399963229728653 * view; /* the golden angle */
    const double radius = sqrt(1 - z * z);
    return (struct vec3){radius * cos(angle), radius * sin(angle), z};
}

static void aim(struct view *view, int number, struct box3 box, uint32_t side)
{
    const bool is_fine = number < VISIBLE_FINE_VIEWS;
    view->toward = view_direction(number);
    shape_plane_axes(view->toward, &view->right, &view->up);
    view->side = is_fine ? side : side / 2;
    view->origin = box3_center(box);
    view->pixel_m = fmax(1e-6, vec3_distance(box.min, box.max) * 1.001 / view->side);
    for (size_t i = 0; i < (size_t)view->side * view->side; i++) {
        view->depths[i] = -INFINITY;
    }
}

/* x and y in pixels, z in metres toward the eye. */
static struct vec3 project(const struct view *view, struct vec3 point)
{
    const struct vec3 at = vec3_sub(point, view->origin);
    const double half = view->side / 2.0;
    return (struct vec3){half + vec3_dot(at, view->right) / view->pixel_m,
                         half + vec3_dot(at, view->up) / view->pixel_m, vec3_dot(at, view->toward)};
}

static int clamp_pixel(const struct view *view, double at)
{
    return at < 0 ? 0 : at >= view->side ? (int)view->side - 1 : (int)at;
}

/* One fragment: drawn, or tested. True: seen. */
static bool touch(struct view *view, int x, int y, double z, bool is_test)
{
    float *depth = &view->depths[(size_t)y * view->side + (size_t)x];
    if (is_test) {
        return z >= (double)*depth - BIAS_PIXELS * view->pixel_m;
    }
    *depth = (float)z > *depth ? (float)z : *depth;
    return false;
}

/* Square pixels: a triangle seen edge-on, whose depths are noise. */
static const double EDGE_ON = 1e-4;

enum cover { COVER_NONE, COVER_SOME, COVER_SEEN };

/* Where the row of pixel middles at `y` enters and leaves the triangle. */
static bool find_span(const struct vec3 c[3], double y, double *out_low, double *out_high)
{
    *out_low = INFINITY;
    *out_high = -INFINITY;
    for (int k = 0; k < 3; k++) {
        const struct vec3 a = c[k];
        const struct vec3 b = c[(k + 1) % 3];
        if ((a.y <= y) != (b.y <= y)) {
            const double x = a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x);
            *out_low = x < *out_low ? x : *out_low;
            *out_high = x > *out_high ? x : *out_high;
        }
    }
    return *out_low <= *out_high;
}

/* Pixels whose middle the triangle covers: drawn, or tested until one is seen. */
static enum cover cover(struct view *view, const struct vec3 c[3], bool is_test)
{
    const struct vec3 one = vec3_sub(c[1], c[0]);
    const struct vec3 two = vec3_sub(c[2], c[0]);
    const double area = one.x * two.y - one.y * two.x;
    if (!(fabs(area) > EDGE_ON)) {
        return COVER_NONE;
    }
    const double z_per_x = (one.z * two.y - two.z * one.y) / area;
    const double z_per_y = (two.z * one.x - one.z * two.x) / area;
    const int y0 = clamp_pixel(view, fmin(c[0].y, fmin(c[1].y, c[2].y)));
    const int y1 = clamp_pixel(view, fmax(c[0].y, fmax(c[1].y, c[2].y)));
    enum cover covered = COVER_NONE;
    for (int y = y0; y <= y1; y++) {
        double low;
        double high;
        if (!find_span(c, y + 0.5, &low, &high)) {
            continue;
        }
        const int x0 = clamp_pixel(view, ceil(low - 0.5));
        const int x1 = clamp_pixel(view, floor(high - 0.5));
        for (int x = x0; x <= x1; x++) {
            const double z = c[0].z + z_per_x * (x + 0.5 - c[0].x) + z_per_y * (y + 0.5 - c[0].y);
            covered = COVER_SOME;
            if (touch(view, x, y, z, is_test)) {
                return COVER_SEEN;
            }
        }
    }
    return covered;
}

/* Triangles that cover no pixel's middle are tested at their own. */
static bool is_seen_in(struct view *view, const struct vec3 c[3])
{
    const enum cover covered = cover(view, c, true);
    if (covered != COVER_NONE) {
        return covered == COVER_SEEN;
    }
    const struct vec3 middle = vec3_scale(vec3_add(c[0], vec3_add(c[1], c[2])), 1.0 / 3);
    return touch(view, clamp_pixel(view, middle.x), clamp_pixel(view, middle.y), middle.z, true);
}

static void project_triangle(const struct visible_scene *scene, const struct view *view,
                             uint32_t triangle, struct vec3 out[3])
{
    for (size_t k = 0; k < 3; k++) {
        out[k] = project(view, scene->points[scene->corners[3 * (size_t)triangle + k]]);
    }
}

/* ---- objects ---- */

static struct box3 *list_boxes(const struct visible_scene *scene, struct arena *scratch,
                               struct box3 *out_all)
{
    struct box3 *boxes = arena_array(scratch, struct box3, scene->object_count);
    *out_all = box3_empty();
    for (uint32_t i = 0; boxes != NULL && i < scene->object_count; i++) {
        boxes[i] = box3_empty();
    }
    for (size_t c = 0; boxes != NULL && c < 3 * (size_t)scene->triangle_count; c++) {
        box3_add(&boxes[scene->objects[c / 3]], scene->points[scene->corners[c]]);
    }
    for (uint32_t i = 0; boxes != NULL && i < scene->object_count; i++) {
        box3_join(out_all, boxes[i]);
    }
    return boxes;
}

static bool is_inside(struct box3 box, struct box3 all)
{
    const double skin_m = fmax(SKIN_M, SKIN_SHARE * vec3_distance(all.min, all.max));
    return box.min.x > all.min.x + skin_m && box.max.x < all.max.x - skin_m &&
           box.min.y > all.min.y + skin_m && box.max.y < all.max.y - skin_m &&
           box.max.z < all.max.z - skin_m;
}

static bool look(const struct visible_scene *scene, struct arena *scratch, uint8_t *out_is_seen,
                 struct err *err)
{
    struct box3 all;
    const struct box3 *boxes = list_boxes(scene, scratch, &all);
    struct view view = {.depths =
                            arena_array(scratch, float, (size_t)VISIBLE_PIXELS *VISIBLE_PIXELS)};
    if (boxes == NULL || view.depths == NULL) {
        return arena_full(scratch, err);
    }
    const double root = sqrt((double)scene->triangle_count);
    const uint32_t side = (uint32_t)fmin(VISIBLE_PIXELS, VISIBLE_PIXELS_PER_ROOT * fmax(16, root));
    uint32_t undecided = 0;
    for (uint32_t i = 0; i < scene->object_count; i++) {
        out_is_seen[i] = !is_inside(boxes[i], all);
        undecided += !out_is_seen[i];
    }
    for (int number = 0; number < VISIBLE_VIEWS && undecided > 0; number++) {
        struct vec3 c[3];
        aim(&view, number, all, side);
        for (uint32_t t = 0; t < scene->triangle_count; t++) {
            if (scene->is_clear == NULL || !scene->is_clear[t]) {
                project_triangle(scene, &view, t, c);
                cover(&view, c, false);
            }
        }
        for (uint32_t t = 0; t < scene->triangle_count; t++) {
            uint8_t *is_seen = &out_is_seen[scene->objects[t]];
            if (!*is_seen) {
                project_triangle(scene, &view, t, c);
                *is_seen = is_seen_in(&view, c);
                undecided -= *is_seen;
            }
        }
    }
    return true;
}

bool visible_find(const struct visible_scene *scene, struct arena *scratch, uint8_t *out_is_seen,
                  struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    const bool ok = look(scene, scratch, out_is_seen, err);
    arena_reset(scratch, mark);
    return ok;
}

/* ---- shapes ---- */

static uint32_t find_root(uint32_t *links, uint32_t at)
{
    while (links[at] != at) {
        links[at] = links[links[at]];
        at = links[at];
    }
    return at;
}

static void join(uint32_t *links, uint32_t a, uint32_t b)
{
    a = find_root(links, a);
    b = find_root(links, b);
    links[a < b ? b : a] = a < b ? a : b;
}

static bool is_inner(enum feature_surface kind)
{
    return kind == SURFACE_INTERIOR_WALL || kind == SURFACE_CEILING || kind == SURFACE_FLOOR;
}

/* Objects: what shares points; two for each point, the second of inner faces. */
static bool find_objects(const struct shape *full, struct arena *scratch, uint32_t *objects,
                         uint32_t *out_count, struct err *err)
{
    const size_t link_count = 2 * (size_t)full->point_count;
    uint32_t *links = arena_array(scratch, uint32_t, link_count);
    uint32_t *numbers = arena_array(scratch, uint32_t, link_count); /* + 1 */
    if (links == NULL || numbers == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t i = 0; i < link_count; i++) {
        links[i] = i;
    }
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        const uint32_t inner = is_inner(full->faces[full->triangle_faces[t]].kind);
        const uint32_t *c = full->corners + 3 * (size_t)t;
        join(links, 2 * c[0] + inner, 2 * c[1] + inner);
        join(links, 2 * c[0] + inner, 2 * c[2] + inner);
    }
    *out_count = 0;
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        const uint32_t inner = is_inner(full->faces[full->triangle_faces[t]].kind);
        const uint32_t root = find_root(links, 2 * full->corners[3 * (size_t)t] + inner);
        if (numbers[root] == 0) {
            numbers[root] = ++*out_count;
        }
        objects[t] = numbers[root] - 1;
    }
    return true;
}

/* The triangles of seen objects as a shape of their own. */
static bool keep_seen(const struct shape *full, const uint32_t *objects, const uint8_t *is_seen,
                      struct arena *out_arena, struct arena *scratch, struct shape *out,
                      struct err *err)
{
    const size_t count = full->triangle_count;
    const bool has_uvs = full->uvs != NULL;
    uint32_t *numbers = arena_array(scratch, uint32_t, full->point_count); /* + 1 */
    uint32_t *face_numbers = arena_array(scratch, uint32_t, full->face_count);
    struct shape made = {
        .points = arena_array(out_arena, struct vec3, full->point_count),
        .corners = arena_array(out_arena, uint32_t, 3 * count),
        .triangle_faces = arena_array(out_arena, uint32_t, count),
        .faces = arena_array(out_arena, struct shape_face, full->face_count),
        .uvs = has_uvs ? arena_array(out_arena, float, 6 * count) : NULL,
        .is_closed = full->is_closed,
    };
    if (numbers == NULL || face_numbers == NULL) {
        return arena_full(scratch, err);
    }
    if (made.points == NULL || made.corners == NULL || made.triangle_faces == NULL ||
        made.faces == NULL || (has_uvs && made.uvs == NULL)) {
        return arena_full(out_arena, err);
    }
    for (uint32_t t = 0; t < count; t++) {
        if (!is_seen[objects[t]]) {
            continue;
        }
        const uint32_t at = made.triangle_count++;
        for (size_t k = 0; k < 3; k++) {
            const uint32_t point = full->corners[3 * (size_t)t + k];
            if (numbers[point] == 0) {
                made.points[made.point_count] = full->points[point];
                numbers[point] = ++made.point_count;
            }
            made.corners[3 * (size_t)at + k] = numbers[point] - 1;
        }
        const uint32_t face = full->triangle_faces[t];
        if (face_numbers[face] == 0) {
            made.faces[made.face_count] = full->faces[face];
            face_numbers[face] = ++made.face_count;
        }
        made.triangle_faces[at] = face_numbers[face] - 1;
        if (has_uvs) {
            memcpy(made.uvs + 6 * (size_t)at, full->uvs + 6 * (size_t)t, 6 * sizeof made.uvs[0]);
        }
    }
    *out = made;
    return true;
}

static bool find_seen_shape(const struct shape *full, const uint8_t *is_clear,
                            struct arena *out_arena, struct arena *scratch, struct shape *out,
                            uint32_t *out_hidden, struct err *err)
{
    uint32_t *objects = arena_array(scratch, uint32_t, full->triangle_count);
    uint32_t object_count = 0;
    if (objects == NULL) {
        return arena_full(scratch, err);
    }
    if (!find_objects(full, scratch, objects, &object_count, err)) {
        return false;
    }
    *out = *full;
    *out_hidden = 0;
    if (object_count == 1) {
        return true;
    }
    uint8_t *is_seen = arena_array(scratch, uint8_t, object_count);
    uint8_t *is_clear_here = arena_array(scratch, uint8_t, full->triangle_count);
    if (is_seen == NULL || is_clear_here == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t t = 0; is_clear != NULL && t < full->triangle_count; t++) {
        is_clear_here[t] = is_clear[full->triangle_faces[t]];
    }
    const struct visible_scene scene = {.points = full->points,
                                        .corners = full->corners,
                                        .objects = objects,
                                        .is_clear = is_clear_here,
                                        .triangle_count = full->triangle_count,
                                        .object_count = object_count};
    if (!visible_find(&scene, scratch, is_seen, err)) {
        return false;
    }
    uint32_t hidden = 0;
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        hidden += !is_seen[objects[t]];
    }
    if (hidden == 0) {
        return true;
    }
    *out_hidden = hidden;
    return keep_seen(full, objects, is_seen, out_arena, scratch, out, err);
}

bool visible_shape(const struct shape *full, const uint8_t *is_clear, struct arena *out_arena,
                   struct arena *scratch, struct shape *out, uint32_t *out_hidden, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct shape made;
    uint32_t hidden = 0;
    const bool ok = find_seen_shape(full, is_clear, out_arena, scratch, &made, &hidden, err);
    arena_reset(scratch, mark);
    if (ok) {
        *out = made;
        *out_hidden = hidden;
    }
    return ok;
}

/* ---- features ---- */

static int compare_texts(struct text a, struct text b)
{
    const size_t least = a.size < b.size ? a.size : b.size;
    const int order = least == 0 ? 0 : memcmp(a.data, b.data, least);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* A feature by the name of its building. */
struct relative {
    struct text family;
    uint32_t figure;
};

static int compare_relatives(const void *a, const void *b)
{
    const struct relative *left = a;
    const struct relative *right = b;
    const int order = compare_texts(left->family, right->family);
    return order != 0 ? order : (left->figure > right->figure) - (left->figure < right->figure);
}

static int compare_ids(const void *a, const void *b)
{
    const struct relative *left = a;
    const struct relative *right = b;
    return compare_texts(left->family, right->family);
}

enum { GENERATIONS_MAX = 16 };

/* Up the parents as far as they are here: the topmost's id, or that of the
 * first that is not. */
static struct text find_family(const struct figure *figures, const struct relative *by_id,
                               size_t count, size_t index)
{
    struct text family = figures[index].id;
    const struct figure *at = &figures[index];
    for (int i = 0; i < GENERATIONS_MAX && at != NULL && at->parent_id.size > 0; i++) {
        family = at->parent_id;
        const struct relative key = {.family = family};
        const struct relative *found = bsearch(&key, by_id, count, sizeof key, compare_ids);
        at = found == NULL ? NULL : &figures[found->figure];
    }
    return family;
}

static bool list_relatives(const struct figure *figures, size_t count, struct arena *scratch,
                           struct relative **out, struct err *err)
{
    struct relative *by_id = arena_array(scratch, struct relative, count);
    struct relative *relatives = arena_array(scratch, struct relative, count);
    if (by_id == NULL || relatives == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        by_id[i] = (struct relative){figures[i].id, i};
    }
    qsort(by_id, count, sizeof by_id[0], compare_relatives);
    for (uint32_t i = 0; i < count; i++) {
        relatives[i] = (struct relative){find_family(figures, by_id, count, i), i};
    }
    qsort(relatives, count, sizeof relatives[0], compare_relatives);
    *out = relatives;
    return true;
}

/* The finest pieces of a family in the frame of its first. */
static bool look_at_family(const struct figure *figures, const struct relative *family,
                           uint32_t count, struct arena *scratch, uint8_t *out_is_hidden,
                           struct err *err)
{
    size_t points = 0;
    size_t triangles = 0;
    for (uint32_t i = 0; i < count; i++) {
        points += figures[family[i].figure].pieces[0].point_count;
        triangles += figures[family[i].figure].pieces[0].triangle_count;
    }
    struct vec3 *at = arena_array(scratch, struct vec3, points);
    uint32_t *corners = arena_array(scratch, uint32_t, 3 * triangles);
    uint32_t *objects = arena_array(scratch, uint32_t, triangles);
    uint8_t *is_clear = arena_array(scratch, uint8_t, triangles);
    uint8_t *is_seen = arena_array(scratch, uint8_t, count);
    if (at == NULL || corners == NULL || objects == NULL || is_clear == NULL || is_seen == NULL) {
        return arena_full(scratch, err);
    }
    struct visible_scene scene = {.points = at,
                                  .corners = corners,
                                  .objects = objects,
                                  .is_clear = is_clear,
                                  .object_count = count};
    const struct mat4 from_ecef = earth_enu_frame_inverse(figures[family[0].figure].origin_ecef_m);
    uint32_t point_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct figure *figure = &figures[family[i].figure];
        const struct piece *piece = &figure->pieces[0];
        const struct mat4 move = mat4_multiply(from_ecef, earth_enu_frame(figure->origin_ecef_m));
        for (uint32_t t = 0; t < piece->triangle_count; t++) {
            for (size_t k = 0; k < 3; k++) {
                corners[3 * (size_t)scene.triangle_count + k] =
                    point_count + piece->corners[3 * (size_t)t + k];
            }
            objects[scene.triangle_count] = i;
            is_clear[scene.triangle_count++] =
                paint_is_blended(piece->faces[piece->triangle_faces[t]].paint);
        }
        for (uint32_t p = 0; p < piece->point_count; p++) {
            at[point_count++] = mat4_point(move, piece->points[p]);
        }
    }
    if (!visible_find(&scene, scratch, is_seen, err)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        out_is_hidden[family[i].figure] = !is_seen[i];
    }
    return true;
}

bool visible_figures(const struct figure *figures, size_t count, struct arena *scratch,
                     uint8_t *out_is_hidden, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct relative *relatives = NULL;
    memset(out_is_hidden, 0, count);
    bool ok = list_relatives(figures, count, scratch, &relatives, err);
    for (size_t first = 0; ok && first < count;) {
        size_t end = first + 1;
        while (end < count && compare_ids(&relatives[first], &relatives[end]) == 0) {
            end++;
        }
        if (end - first > 1) {
            const struct arena_mark inner = arena_mark(scratch);
            ok = look_at_family(figures, relatives + first, (uint32_t)(end - first), scratch,
                                out_is_hidden, err);
            arena_reset(scratch, inner);
        }
        first = end;
    }
    arena_reset(scratch, mark);
    return ok;
}
