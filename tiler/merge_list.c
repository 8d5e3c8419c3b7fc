/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "formats/base/earth.h"
#include "tiler/merge.h"
#include "tiler/merge_internal.h"

/* Roofs of different groups that overlap in one height would flicker: the later
 * one is raised by this share of the tile's error, within limits; never by more
 * than the tile errs anyway. */
static const double LIFT_PER_ERROR = 1.0 / 16;
static const double LIFT_LEAST_M = 0.05;
static const double LIFT_MOST_M = 1;
enum { LIFTS_MAX = 4 };

/* Clusters of more masses keep walls that others hide: the search is quadratic. */
enum { HIDDEN_MAX = 1024 };

struct listing {
    struct merge *m;
    struct arena *tile;
    struct arena *scratch;
    double *lifts_m;        /* per mass */
    uint32_t *figure_next;  /* per figure: the next of its cluster, or MERGE_NONE */
    uint32_t *figure_first; /* per root */
    uint32_t *mass_next;    /* per mass: the next of its cluster */
    uint32_t *mass_first;   /* per root */
    struct merge_result result;
};

/* ---- clusters ---- */

static bool list_clusters(struct listing *l, struct err *err)
{
    struct merge *m = l->m;
    l->figure_next = arena_array(l->scratch, uint32_t, m->figure_count);
    l->figure_first = arena_array(l->scratch, uint32_t, m->figure_count);
    l->mass_first = arena_array(l->scratch, uint32_t, m->figure_count);
    l->mass_next = arena_array(l->scratch, uint32_t, m->mass_count);
    l->lifts_m = arena_array(l->scratch, double, m->mass_count);
    if (l->figure_next == NULL || l->figure_first == NULL || l->mass_first == NULL ||
        l->mass_next == NULL || l->lifts_m == NULL) {
        return arena_full(l->scratch, err);
    }
    for (uint32_t i = 0; i < m->figure_count; i++) {
        l->figure_first[i] = l->mass_first[i] = MERGE_NONE;
    }
    for (uint32_t i = m->figure_count; i-- > 0;) {
        const uint32_t root = merge_root(m, i);
        l->figure_next[i] = l->figure_first[root];
        l->figure_first[root] = i;
    }
    for (uint32_t i = m->mass_count; i-- > 0;) {
        if (m->masses[i].is_alive) {
            const uint32_t root = merge_root(m, m->masses[i].figure);
            l->mass_next[i] = l->mass_first[root];
            l->mass_first[root] = i;
        }
    }
    return true;
}

static bool is_drawn(const struct listing *l, uint32_t mass)
{
    return l->m->members[l->m->masses[mass].figure].is_massed;
}

struct lifting {
    struct listing *l;
    double lift_m;
    bool is_level; /* with some other */
};

static bool find_level(struct merge *m, uint32_t mass, uint32_t other, void *self, struct err *err)
{
    struct lifting *lifting = self;
    (void)err;
    const double one_m = m->masses[mass].mass.shape.top_m + lifting->l->lifts_m[mass];
    const double two_m = m->masses[other].mass.shape.top_m + lifting->l->lifts_m[other];
    lifting->is_level =
        lifting->is_level || (fabs(one_m - two_m) < lifting->lift_m &&
                              mass_plans_overlap(&m->masses[mass].mass.shape,
                                                 &m->masses[other].mass.shape, LIFT_LEAST_M));
    return true;
}

static bool lift_roofs(struct listing *l, struct err *err)
{
    struct merge *m = l->m;
    struct lifting lifting = {.l = l};
    lifting.lift_m = fmin(LIFT_MOST_M, fmax(LIFT_LEAST_M, LIFT_PER_ERROR * m->error_m));
    for (uint32_t i = 0; i < m->mass_count; i++) {
        if (!m->masses[i].is_alive || !m->masses[i].is_joined) {
            continue;
        }
        const double most_m = m->error_m - m->masses[i].mass.shape.error_m;
        for (int k = 0; k < LIFTS_MAX && l->lifts_m[i] + lifting.lift_m <= most_m; k++) {
            lifting.is_level = false;
            if (!merge_neighbours(m, i, 0, find_level, &lifting, err)) {
                return false;
            }
            if (!lifting.is_level) {
                break;
            }
            l->lifts_m[i] += lifting.lift_m;
        }
    }
    return true;
}

/* ---- frames ---- */

/* From the tile's plan and heights to a figure's own frame. */
struct own_frame {
    struct vec3 origin_ecef_m;
    struct mat4 from_ecef;
    double plan[4]; /* inverse of the plan's part of its frame in the tile */
    double shift[2];
    double height_m;
};

static struct own_frame frame_at(const struct merge *m, struct vec3 origin_ecef_m)
{
    const struct mat4 to_tile = mat4_multiply(m->from_ecef, earth_enu_frame(origin_ecef_m));
    const double *e = to_tile.m;
    const double area = e[0] * e[5] - e[4] * e[1];
    return (struct own_frame){
        .origin_ecef_m = origin_ecef_m,
        .from_ecef = earth_enu_frame_inverse(origin_ecef_m),
        .plan = {e[5] / area, -e[4] / area, -e[1] / area, e[0] / area},
        .shift = {e[12], e[13]},
        .height_m = earth_from_ecef(origin_ecef_m).height_m,
    };
}

/* A group stands at the middle of its plan, at its lowest base. */
static struct own_frame group_frame(const struct listing *l, uint32_t root)
{
    const struct merge *m = l->m;
    const double *box = m->members[root].box;
    double base_m = INFINITY;
    for (uint32_t i = l->mass_first[root]; i != MERGE_NONE; i = l->mass_next[i]) {
        base_m = fmin(base_m, m->masses[i].mass.shape.base_m);
    }
    const struct vec3 middle = {(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 0};
    struct earth_point place =
        earth_from_ecef(mat4_point(earth_enu_frame(m->origin_ecef_m), middle));
    place.height_m = base_m;
    return frame_at(m, earth_to_ecef(place));
}

static struct vec2 own_plan(const struct own_frame *frame, struct vec2 p)
{
    const double x = p.x - frame->shift[0];
    const double y = p.y - frame->shift[1];
    return (struct vec2){frame->plan[0] * x + frame->plan[1] * y,
                         frame->plan[2] * x + frame->plan[3] * y};
}

static struct mass_prism own_prism(const struct own_frame *frame, const struct mass_prism *prism)
{
    struct mass_prism out = *prism;
    for (uint32_t i = 0; i < prism->count; i++) {
        out.points[i] = own_plan(frame, prism->points[i]);
    }
    out.base_m -= frame->height_m;
    out.top_m -= frame->height_m;
    return out;
}

/* ---- geometry ---- */

struct drawing {
    struct vec3 *points;
    uint32_t *corners;
    uint32_t *triangle_faces;
    struct piece_face *faces;
    float *uvs;
    struct piece piece;
};

static bool open_drawing(const struct listing *l, uint32_t root, struct drawing *out,
                         struct err *err)
{
    const struct merge *m = l->m;
    size_t points = 0;
    size_t triangles = 0;
    size_t faces = 0;
    bool has_uvs = false;
    for (uint32_t i = l->figure_first[root]; i != MERGE_NONE; i = l->figure_next[i]) {
        if (m->members[i].is_massed || m->members[i].is_dropped) {
            continue;
        }
        const struct piece *piece = &m->figures[i].pieces[m->members[i].piece];
        points += piece->point_count;
        triangles += piece->triangle_count;
        faces += piece->face_count;
        has_uvs = has_uvs || piece->uvs != NULL;
    }
    for (uint32_t i = l->mass_first[root]; i != MERGE_NONE; i = l->mass_next[i]) {
        const uint32_t sides = m->masses[i].mass.shape.count;
        points += 2 * sides;
        triangles += 3 * sides - 2;
        faces += sides + 1;
    }
    if (triangles > UINT32_MAX / 6) {
        return err_set(err, ERR_LIMIT, "a group of %zu triangles", triangles);
    }
    *out = (struct drawing){
        .points = arena_array(l->tile, struct vec3, points),
        .corners = arena_array(l->tile, uint32_t, 3 * triangles),
        .triangle_faces = arena_array(l->tile, uint32_t, triangles),
        .faces = arena_array(l->tile, struct piece_face, faces),
        .uvs = has_uvs ? arena_array(l->tile, float, 6 * triangles) : NULL,
    };
    const bool ok = out->points != NULL && out->corners != NULL && out->triangle_faces != NULL &&
                    out->faces != NULL && (!has_uvs || out->uvs != NULL);
    out->piece.is_one_sided = true;
    return ok || arena_full(l->tile, err);
}

static void draw_piece(struct drawing *d, const struct piece *from, struct mat4 to_own)
{
    struct piece *to = &d->piece;
    for (uint32_t i = 0; i < from->point_count; i++) {
        d->points[to->point_count + i] = mat4_point(to_own, from->points[i]);
    }
    for (uint32_t i = 0; i < 3 * from->triangle_count; i++) {
        d->corners[3 * (size_t)to->triangle_count + i] = to->point_count + from->corners[i];
    }
    for (uint32_t i = 0; i < from->triangle_count; i++) {
        d->triangle_faces[to->triangle_count + i] = to->face_count + from->triangle_faces[i];
    }
    if (from->uvs != NULL) {
        memcpy(d->uvs + 6 * (size_t)to->triangle_count, from->uvs,
               6 * (size_t)from->triangle_count * sizeof d->uvs[0]);
    }
    for (uint32_t i = 0; i < from->face_count; i++) {
        struct piece_face face = from->faces[i];
        const struct vec3 normal =
            mat4_direction(to_own, (struct vec3){(double)face.normal.x, (double)face.normal.y,
                                                 (double)face.normal.z});
        face.normal = (struct vec3f){(float)normal.x, (float)normal.y, (float)normal.z};
        d->faces[to->face_count + i] = face;
    }
    to->point_count += from->point_count;
    to->triangle_count += from->triangle_count;
    to->face_count += from->face_count;
    to->bytes += from->bytes;
    to->error_m = fmax(to->error_m, from->error_m);
    to->is_one_sided = to->is_one_sided && from->is_one_sided;
    to->image_area_m2 += from->image_area_m2;
    to->image_texels += from->image_texels;
}

static void draw_triangle(struct drawing *d, uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t corners[3] = {a, b, c};
    memcpy(d->corners + 3 * (size_t)d->piece.triangle_count, corners, sizeof corners);
    d->triangle_faces[d->piece.triangle_count++] = d->piece.face_count;
}

static void draw_face(struct drawing *d, struct vec3 normal, struct paint paint)
{
    d->faces[d->piece.face_count++] = (struct piece_face){
        .normal = {(float)normal.x, (float)normal.y, (float)normal.z},
        .paint = paint,
        .image = PIECE_NO_IMAGE,
    };
}

static bool is_hidden(const struct listing *l, uint32_t root, uint32_t mass, uint32_t edge)
{
    for (uint32_t i = l->mass_first[root]; i != MERGE_NONE; i = l->mass_next[i]) {
        if (i != mass && is_drawn(l, i) &&
            mass_hides_wall(&l->m->masses[i].mass.shape, &l->m->masses[mass].mass.shape, edge)) {
            return true;
        }
    }
    return false;
}

/* Roof and walls; no floor, and no wall that stands inside another mass of the
 * same cluster. */
static void draw_mass(struct drawing *d, const struct listing *l, uint32_t root, uint32_t mass,
                      const struct own_frame *frame, bool looks_for_hidden)
{
    const struct mass *from = &l->m->masses[mass].mass;
    const struct mass_prism prism = own_prism(frame, &from->shape);
    const double top_m = prism.top_m + l->lifts_m[mass];
    const uint32_t first = d->piece.point_count;
    const uint32_t triangles_before = d->piece.triangle_count;
    const uint32_t faces_before = d->piece.face_count;
    for (uint32_t i = 0; i < prism.count; i++) {
        const struct vec2 p = prism.points[i];
        d->points[first + i] = (struct vec3){p.x, p.y, prism.base_m};
        d->points[first + prism.count + i] = (struct vec3){p.x, p.y, top_m};
    }
    d->piece.point_count += 2 * prism.count;
    const bool has_walls = !mass_is_flat(&prism);
    for (uint32_t i = 0; i < prism.count && has_walls; i++) {
        const uint32_t next = i + 1 == prism.count ? 0 : i + 1;
        if (looks_for_hidden && is_hidden(l, root, mass, i)) {
            continue;
        }
        const struct vec2 along = {prism.points[next].x - prism.points[i].x,
                                   prism.points[next].y - prism.points[i].y};
        draw_triangle(d, first + i, first + next, first + prism.count + next);
        draw_triangle(d, first + i, first + prism.count + next, first + prism.count + i);
        draw_face(d, vec3_unit((struct vec3){along.y, -along.x, 0}), from->wall);
    }
    for (uint32_t i = 2; i < prism.count; i++) {
        draw_triangle(d, first + prism.count, first + prism.count + i - 1, first + prism.count + i);
    }
    draw_face(d, (struct vec3){0, 0, 1}, from->roof);
    d->piece.bytes += piece_estimate_bytes(d->piece.triangle_count - triangles_before,
                                           d->piece.face_count - faces_before);
    d->piece.error_m = fmax(d->piece.error_m, prism.error_m + l->lifts_m[mass]);
}

static bool draw_cluster(struct listing *l, uint32_t root, const struct own_frame *frame,
                         struct piece *out, struct err *err)
{
    const struct merge *m = l->m;
    struct drawing d;
    if (!open_drawing(l, root, &d, err)) {
        return false;
    }
    for (uint32_t i = l->figure_first[root]; i != MERGE_NONE; i = l->figure_next[i]) {
        if (!m->members[i].is_massed && !m->members[i].is_dropped) {
            const struct mat4 to_own =
                mat4_multiply(frame->from_ecef, earth_enu_frame(m->figures[i].origin_ecef_m));
            draw_piece(&d, &m->figures[i].pieces[m->members[i].piece], to_own);
        }
    }
    uint32_t mass_count = 0;
    for (uint32_t i = l->mass_first[root]; i != MERGE_NONE; i = l->mass_next[i]) {
        mass_count++;
    }
    for (uint32_t i = l->mass_first[root]; i != MERGE_NONE; i = l->mass_next[i]) {
        if (is_drawn(l, i)) {
            draw_mass(&d, l, root, i, frame, mass_count <= HIDDEN_MAX);
        }
    }
    d.piece.error_m = fmax(d.piece.error_m, m->members[root].error_m);
    d.piece.points = d.points;
    d.piece.corners = d.corners;
    d.piece.triangle_faces = d.triangle_faces;
    d.piece.faces = d.faces;
    d.piece.uvs = d.uvs;
    *out = d.piece;
    return true;
}

/* ---- figures ---- */

static bool own_masses(const struct listing *l, uint32_t root, const struct own_frame *frame,
                       struct figure *out, struct err *err)
{
    uint32_t count = 0;
    for (uint32_t i = l->mass_first[root]; i != MERGE_NONE; i = l->mass_next[i]) {
        count++;
    }
    struct mass *masses = arena_array(l->tile, struct mass, count);
    if (masses == NULL) {
        return arena_full(l->tile, err);
    }
    out->masses = masses;
    for (uint32_t i = l->mass_first[root]; i != MERGE_NONE; i = l->mass_next[i]) {
        const struct mass *from = &l->m->masses[i].mass;
        struct mass_prism *parts = arena_array(l->tile, struct mass_prism, from->part_count);
        if (parts == NULL) {
            return arena_full(l->tile, err);
        }
        for (uint32_t k = 0; k < from->part_count; k++) {
            parts[k] = own_prism(frame, &from->parts[k]);
        }
        struct mass *to = &masses[out->mass_count++];
        *to = *from;
        to->shape = own_prism(frame, &from->shape);
        to->parts = parts;
        to->low_top_m -= frame->height_m;
        to->high_top_m -= frame->height_m;
    }
    return true;
}

/* Their common class; of several, the first's. */
static struct text class_of(const struct listing *l, uint32_t root)
{
    return l->m->figures[l->figure_first[root]].class_name;
}

static bool name_group(struct listing *l, uint32_t root, struct figure *out, struct err *err)
{
    const struct merge *m = l->m;
    struct group_member *members =
        arena_array(l->tile, struct group_member, m->members[root].figure_count);
    char *id = arena_array(l->tile, char, GROUP_ID_BYTES);
    if (members == NULL || id == NULL) {
        return arena_full(l->tile, err);
    }
    struct group *group = &l->result.groups[l->result.group_count];
    *group = (struct group){.members = members, .class_name = class_of(l, root)};
    for (uint32_t i = l->figure_first[root]; i != MERGE_NONE; i = l->figure_next[i]) {
        members[group->member_count++] =
            (struct group_member){m->figures[i].id, m->figures[i].is_group};
        group->feature_count += m->figures[i].member_count;
    }
    if (!group_name(members, group->member_count, l->scratch, id, err)) {
        return false;
    }
    group->id = (struct text){id, GROUP_ID_BYTES};
    l->result.group_count++;
    out->id = group->id;
    out->class_name = group->class_name;
    out->member_count = group->feature_count;
    out->is_group = true;
    return true;
}

/* The highest of what is drawn above the lowest. Leaving the group out counts
 * as leaving out what it is drawn as, one by one. */
static void measure_group(const struct listing *l, uint32_t root, struct figure *out)
{
    const struct merge *m = l->m;
    const struct member *member = &m->members[root];
    double base_m = INFINITY;
    double top_m = -INFINITY;
    for (uint32_t i = l->mass_first[root]; i != MERGE_NONE; i = l->mass_next[i]) {
        base_m = fmin(base_m, m->masses[i].mass.shape.base_m);
        top_m = fmax(top_m, m->masses[i].mass.high_top_m);
        out->dropped_error_m = fmax(out->dropped_error_m, merge_vanish_m(m, &m->masses[i]));
    }
    for (uint32_t i = l->figure_first[root]; i != MERGE_NONE; i = l->figure_next[i]) {
        if (!m->members[i].is_massed && !m->members[i].is_dropped) {
            out->dropped_error_m = fmax(out->dropped_error_m, m->figures[i].dropped_error_m);
        }
    }
    out->height_m = top_m - base_m;
    out->dropped_error_m = fmax(out->dropped_error_m, member->error_m);
}

static bool make_figure(struct listing *l, uint32_t root, struct figure **out, struct err *err)
{
    const struct merge *m = l->m;
    struct figure *figure = arena_array(l->tile, struct figure, 1);
    struct piece *piece = arena_array(l->tile, struct piece, 1);
    if (figure == NULL || piece == NULL) {
        return arena_full(l->tile, err);
    }
    const bool is_group = m->members[root].figure_count > 1;
    const struct own_frame frame =
        is_group ? group_frame(l, root) : frame_at(m, m->figures[root].origin_ecef_m);
    if (is_group) {
        *figure = (struct figure){.origin_ecef_m = frame.origin_ecef_m};
        measure_group(l, root, figure);
        if (!name_group(l, root, figure, err)) {
            return false;
        }
    } else {
        *figure = m->figures[root];
        figure->mass_count = 0;
    }
    if (!draw_cluster(l, root, &frame, piece, err) || !own_masses(l, root, &frame, figure, err)) {
        return false;
    }
    figure->pieces = piece;
    figure->piece_count = 1;
    *out = figure;
    return true;
}

static bool list_cluster(struct listing *l, uint32_t root, struct err *err)
{
    const struct member *member = &l->m->members[root];
    if (member->drawn_count == 0) {
        return true;
    }
    struct merge_item *item = &l->result.items[l->result.item_count];
    if (member->figure_count == 1 && !member->is_massed) {
        *item = (struct merge_item){&l->m->figures[root], member->piece};
        l->result.item_count++;
        return true;
    }
    struct figure *figure;
    if (!make_figure(l, root, &figure, err)) {
        return false;
    }
    *item = (struct merge_item){figure, 0};
    l->result.item_count++;
    return true;
}

static bool list_all(struct listing *l, struct err *err)
{
    struct merge *m = l->m;
    l->result = (struct merge_result){
        .items = arena_array(l->tile, struct merge_item, m->figure_count),
        .groups = arena_array(l->tile, struct group, m->figure_count / 2 + 1),
        .error_m = m->error_m,
        .cost_bytes = m->cost_bytes,
    };
    if (l->result.items == NULL || l->result.groups == NULL) {
        return arena_full(l->tile, err);
    }
    if (!list_clusters(l, err) || !lift_roofs(l, err)) {
        return false;
    }
    for (uint32_t i = 0; i < m->figure_count; i++) {
        if (merge_root(m, i) == i && !list_cluster(l, i, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < l->result.item_count; i++) {
        const struct merge_item *item = &l->result.items[i];
        l->result.error_m = fmax(l->result.error_m, item->figure->pieces[item->piece].error_m);
    }
    return true;
}

bool merge_list(struct merge *m, struct arena *tile, struct arena *scratch,
                struct merge_result *out, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct listing l = {.m = m, .tile = tile, .scratch = scratch};
    const bool ok = list_all(&l, err);
    arena_reset(scratch, mark);
    if (ok) {
        *out = l.result;
    }
    return ok;
}
