/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>

#include "formats/citygml_dress.h"
#include "formats/citygml_internal.h"

/* One array of a feature may take this much; its indices then fit in 32 bits. */
#define SHAPE_BYTES_MAX ((size_t)1 << 30)

enum { MAP_SLOTS_MIN = 128, LEVEL_COUNT = 6, DEPTH_MAX = 512 };

struct citygml_shape {
    struct buf vertices, corners, uvs, rings, polygons, shells, lods;
    struct buf map;     /* uint32_t: vertex + 1, by position */
    struct buf doubles; /* uint32_t: polygon + 1, by what its outer ring holds */
    struct citygml_dresser dresser;
    uint32_t hidden_backs; /* in solids: they are not drawn */
};

/* What a subtree inherits on the way down. */
struct walk {
    struct citygml *reader;
    struct feature *out;
    struct text id;
    const struct citygml_placement *placement; /* NULL: none */
    int32_t shell;
    bool is_turned;
    bool is_loose; /* what the solids have shown already is left out */
    bool is_back;  /* all points are moved by `step` */
    double step[3];
    uint32_t links;
    uint32_t depth;
    struct citygml_worn worn;
};

/* ---- opening ---- */

static void list_bufs(struct citygml_shape *shape, struct buf *out[9])
{
    struct buf *bufs[9] = {&shape->vertices, &shape->corners,  &shape->uvs,
                           &shape->rings,    &shape->polygons, &shape->shells,
                           &shape->lods,     &shape->map,      &shape->doubles};
    memcpy(out, bufs, sizeof bufs);
}

bool citygml_shape_open(struct arena *source, size_t fail_after, struct citygml_shape **out,
                        struct err *err)
{
    struct citygml_shape *shape = arena_array(source, struct citygml_shape, 1);
    struct buf *bufs[9];
    if (shape == NULL) {
        return arena_full(source, err);
    }
    list_bufs(shape, bufs);
    for (int i = 0; i < 9; i++) {
        buf_init(bufs[i], SHAPE_BYTES_MAX);
        bufs[i]->fail_after = fail_after;
    }
    citygml_dresser_init(&shape->dresser, fail_after);
    *out = shape;
    return true;
}

void citygml_shape_close(struct citygml_shape *shape)
{
    struct buf *bufs[9];
    if (shape == NULL) {
        return;
    }
    list_bufs(shape, bufs);
    for (int i = 0; i < 9; i++) {
        buf_release(bufs[i]);
    }
    citygml_dresser_release(&shape->dresser);
}

static void reset(struct citygml_shape *shape)
{
    struct buf *bufs[9];
    list_bufs(shape, bufs);
    for (int i = 0; i < 9; i++) {
        buf_reset(bufs[i]);
    }
    citygml_dresser_reset(&shape->dresser);
    shape->hidden_backs = 0;
}

static bool add(struct buf *buf, const void *record, size_t size, struct err *err)
{
    buf_add(buf, record, size);
    return buf->refusal == ERR_NONE || buf_finish(buf, err);
}

/* ---- vertices ---- */

static const double *vertex_at(const struct citygml_shape *shape, uint32_t index)
{
    return (const double *)(const void *)shape->vertices.data + (size_t)3 * index;
}

static uint64_t hash_point(const double point[3])
{
    uint64_t bits[3];
    memcpy(bits, point, sizeof bits);
    uint64_t hash = bits[0] * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ hash >> 32 ^ bits[1]) * UINT64_C(0xC2B2AE3D27D4EB4F);
    hash = (hash ^ hash >> 29 ^ bits[2]) * UINT64_C(0x165667B19E3779F9);
    return hash ^ hash >> 32;
}

/* Bit by bit: three numbers are too few for a call of memcmp(). */
static bool same_point(const double *a, const double *b)
{
    uint64_t left[3];
    uint64_t right[3];
    memcpy(left, a, sizeof left);
    memcpy(right, b, sizeof right);
    return ((left[0] ^ right[0]) | (left[1] ^ right[1]) | (left[2] ^ right[2])) == 0;
}

static uint32_t *find_slot(uint32_t *slots, size_t count, const struct citygml_shape *shape,
                           const double point[3])
{
    size_t at = (size_t)hash_point(point) & (count - 1);
    while (slots[at] != 0 && !same_point(vertex_at(shape, slots[at] - 1), point)) {
        at = (at + 1) & (count - 1);
    }
    return &slots[at];
}

/* A table that is twice as large as it must be, and empty. */
static bool grow_map(struct citygml_shape *shape, uint32_t need, struct err *err)
{
    size_t count = MAP_SLOTS_MIN;
    while (count < 4 * (size_t)need) {
        count *= 2;
    }
    buf_reset(&shape->map);
    (void)buf_extend(&shape->map, count * sizeof(uint32_t));
    if (!buf_finish(&shape->map, err)) {
        return false;
    }
    uint32_t *slots = (uint32_t *)(void *)shape->map.data;
    const uint32_t vertex_count = citygml_count(&shape->vertices, 3 * sizeof(double));
    for (uint32_t i = 0; i < vertex_count; i++) {
        *find_slot(slots, count, shape, vertex_at(shape, i)) = i + 1;
    }
    return true;
}

/* The feature's own number of a place. */
static bool use_point(struct citygml_shape *shape, const double raw[3], uint32_t *out,
                      struct err *err)
{
    /* -0 and 0 are one place. */
    const double point[3] = {raw[0] + 0.0, raw[1] + 0.0, raw[2] + 0.0};
    const uint32_t count = citygml_count(&shape->vertices, sizeof point);
    const size_t slot_count = shape->map.size / sizeof(uint32_t);
    if (2 * ((size_t)count + 1) > slot_count && !grow_map(shape, count + 1, err)) {
        return false;
    }
    uint32_t *slot = find_slot((uint32_t *)(void *)shape->map.data,
                               shape->map.size / sizeof(uint32_t), shape, point);
    if (*slot == 0) {
        if (!add(&shape->vertices, point, sizeof point, err)) {
            return false;
        }
        *slot = count + 1;
    }
    *out = *slot - 1;
    return true;
}

/* ---- rings ---- */

static void report_ring(const struct walk *walk, const struct citygml_ring *ring, uint32_t points,
                        bool is_outer)
{
    const char *what = is_outer ? "ring" : "hole";
    if (points >= 3) {
        citygml_report(walk->reader, walk->id, ring->line, REPORT_REPAIRED, "ring-collapsed",
                       "a %s of %u points, of which fewer than 3 differ", what, points);
    } else if (is_outer) {
        citygml_report(walk->reader, walk->id, ring->line, REPORT_SKIPPED, "ring-too-short",
                       "a ring of %u points", points);
    } else {
        citygml_report(walk->reader, walk->id, ring->line, REPORT_REPAIRED, "hole-too-short",
                       "a hole of %u points", points);
    }
}

/* The corner `at` of a ring, from its end where the surface is turned. */
static uint32_t corner_of(const struct citygml_ring *ring, uint32_t at, bool is_turned)
{
    return is_turned ? ring->point_count - 1 - at : at;
}

/* Drops corners from the end until `count` are left. */
static void cut_corners(struct citygml_shape *shape, size_t count)
{
    shape->corners.size = count * sizeof(uint32_t);
    if (shape->uvs.size > 2 * count * sizeof(float)) {
        shape->uvs.size = 2 * count * sizeof(float);
    }
}

static struct text crs_of(const struct walk *walk)
{
    return walk->out->crs.size > 0 ? walk->out->crs : walk->reader->crs;
}

/* Adds a ring without points that repeat the one before; *out_is_there is false
 * when fewer than 3 are left. */
static bool put_ring(struct walk *walk, const struct citygml_ring *ring, const float *uvs,
                     bool is_outer, bool *out_is_there, struct err *err)
{
    struct citygml_shape *shape = walk->reader->shape;
    const double *points = (const double *)(const void *)walk->reader->member.points.data +
                           (size_t)3 * ring->first_point;
    const size_t first = shape->corners.size / sizeof(uint32_t);
    size_t count = first;
    for (uint32_t i = 0; i < ring->point_count; i++) {
        const uint32_t from = corner_of(ring, i, walk->is_turned);
        double placed[3];
        const double *point = points + (size_t)3 * from;
        if (walk->placement != NULL) {
            citygml_place_point(walk->placement, crs_of(walk), point, placed);
            point = placed;
        }
        const double moved[3] = {point[0] + walk->step[0], point[1] + walk->step[1],
                                 point[2] + walk->step[2]};
        point = walk->is_back ? moved : point;
        uint32_t vertex = 0;
        if (!use_point(shape, point, &vertex, err)) {
            return false;
        }
        const uint32_t *corners = (const uint32_t *)(const void *)shape->corners.data;
        if (count > first && corners[count - 1] == vertex) {
            continue;
        }
        if (!add(&shape->corners, &vertex, sizeof vertex, err) ||
            (uvs != NULL && !citygml_dresser_uv(&shape->uvs, count, uvs + 2 * from, err))) {
            return false;
        }
        count++;
    }
    const uint32_t *corners = (const uint32_t *)(const void *)shape->corners.data;
    while (count - first > 1 && corners[first] == corners[count - 1]) {
        count--;
    }
    *out_is_there = count - first >= 3;
    cut_corners(shape, *out_is_there ? count : first);
    if (!*out_is_there && walk->is_back) {
        return true; /* said of the front */
    }
    if (!*out_is_there) {
        const bool is_closed =
            ring->point_count > 1 &&
            memcmp(points, points + (size_t)3 * (ring->point_count - 1), 3 * sizeof(double)) == 0;
        report_ring(walk, ring, ring->point_count - is_closed, is_outer);
        return true;
    }
    const struct feature_ring made = {(uint32_t)first, (uint32_t)(count - first)};
    return add(&shape->rings, &made, sizeof made, err);
}

/* ---- polygons ---- */

static const struct citygml_node *node_at(const struct walk *walk, uint32_t index)
{
    return CITYGML_AT(walk->reader->member.nodes, const struct citygml_node, index);
}

/* The same for all polygons whose outer rings have the same points, wherever
 * they begin and whichever way they go. */
static uint64_t hash_outline(const struct walk *walk, const struct feature_ring *ring)
{
    const struct citygml_shape *shape = walk->reader->shape;
    const uint32_t *corners = (const uint32_t *)(const void *)shape->corners.data;
    uint64_t sum = ring->corner_count;
    for (uint32_t i = 0; i < ring->corner_count; i++) {
        uint64_t mixed = (corners[ring->first_corner + i] + 1) * UINT64_C(0x9E3779B97F4A7C15);
        mixed ^= mixed >> 29;
        sum += mixed * mixed;
    }
    return sum;
}

static struct feature_polygon *polygon_at(const struct citygml_shape *shape, uint32_t index)
{
    return CITYGML_AT(shape->polygons, struct feature_polygon, index);
}

static bool same_outline(const struct walk *walk, const struct feature_ring *a,
                         const struct feature_ring *b)
{
    const struct citygml_shape *shape = walk->reader->shape;
    const uint32_t *corners = (const uint32_t *)(const void *)shape->corners.data;
    if (a->corner_count != b->corner_count) {
        return false;
    }
    for (uint32_t i = 0; i < b->corner_count; i++) {
        if (corners[b->first_corner + i] != corners[a->first_corner]) {
            continue;
        }
        bool same = true;
        bool turned = true;
        for (uint32_t k = 0; k < a->corner_count && (same || turned); k++) {
            const uint32_t corner = corners[a->first_corner + k];
            same &= corner == corners[b->first_corner + (i + k) % b->corner_count];
            turned &=
                corner == corners[b->first_corner + (i + b->corner_count - k) % b->corner_count];
        }
        if (same || turned) {
            return true;
        }
    }
    return false;
}

/* The polygons that the solids of a level have shown, by their outlines. */
static bool index_outlines(struct walk *walk, uint32_t first, struct err *err)
{
    struct citygml_shape *shape = walk->reader->shape;
    const uint32_t end = citygml_count(&shape->polygons, sizeof(struct feature_polygon));
    size_t count = 16;
    while (count < 2 * (size_t)(end - first)) {
        count *= 2;
    }
    buf_reset(&shape->doubles);
    uint32_t *slots = (uint32_t *)(void *)buf_extend(&shape->doubles, count * sizeof(uint32_t));
    if (slots == NULL) {
        return buf_finish(&shape->doubles, err);
    }
    for (uint32_t i = first; i < end; i++) {
        const struct feature_ring *ring =
            CITYGML_AT(shape->rings, struct feature_ring, polygon_at(shape, i)->first_ring);
        size_t at = (size_t)hash_outline(walk, ring) & (count - 1);
        while (slots[at] != 0) {
            at = (at + 1) & (count - 1);
        }
        slots[at] = i + 1;
    }
    return true;
}

static struct feature_polygon *find_outline(const struct walk *walk,
                                            const struct feature_ring *ring)
{
    struct citygml_shape *shape = walk->reader->shape;
    const uint32_t *slots = (const uint32_t *)(const void *)shape->doubles.data;
    const size_t count = shape->doubles.size / sizeof *slots;
    if (count == 0) {
        return NULL;
    }
    for (size_t at = (size_t)hash_outline(walk, ring) & (count - 1); slots[at] != 0;
         at = (at + 1) & (count - 1)) {
        struct feature_polygon *polygon = polygon_at(shape, slots[at] - 1);
        if (same_outline(walk, ring,
                         CITYGML_AT(shape->rings, struct feature_ring, polygon->first_ring))) {
            return polygon;
        }
    }
    return NULL;
}

/* The texture coordinates of a ring, for the same ring in another order. */
static void take_uvs(struct citygml_shape *shape, const struct feature_ring *from,
                     const struct feature_ring *to)
{
    const uint32_t *corners = (const uint32_t *)(const void *)shape->corners.data;
    float *uvs = (float *)(void *)shape->uvs.data;
    for (uint32_t i = 0; i < to->corner_count; i++) {
        for (uint32_t k = 0; k < from->corner_count; k++) {
            if (corners[to->first_corner + i] == corners[from->first_corner + k]) {
                memcpy(uvs + 2 * (size_t)(to->first_corner + i),
                       uvs + 2 * (size_t)(from->first_corner + k), 2 * sizeof(float));
                break;
            }
        }
    }
}

/* A surface that a solid has repeated gives it its meaning and what it wears. */
static bool merge_double(const struct walk *walk, const struct feature_polygon *made)
{
    struct citygml_shape *shape = walk->reader->shape;
    const struct feature_ring *rings = (const struct feature_ring *)(const void *)shape->rings.data;
    struct feature_polygon *shown = find_outline(walk, &rings[made->first_ring]);
    if (shown == NULL) {
        return false;
    }
    if (shown->kind == SURFACE_UNKNOWN) {
        shown->kind = made->kind;
    }
    if (shown->material == FEATURE_NONE) {
        shown->material = made->material;
    }
    if (shown->texture == FEATURE_NONE && made->texture != FEATURE_NONE &&
        shown->ring_count == made->ring_count) {
        shown->texture = made->texture;
        for (uint32_t i = 0; i < made->ring_count; i++) {
            take_uvs(shape, &rings[made->first_ring + i], &rings[shown->first_ring + i]);
        }
    }
    return true;
}

/* ---- backs ---- */

/* What a surface wears on its back is a surface of its own, a step behind it and
 * the other way round. A solid's is in its inside, where nobody sees it. */
static bool put_back(const struct walk *walk, const struct citygml_node *node,
                     const struct feature_polygon *front, struct err *err)
{
    struct citygml_shape *shape = walk->reader->shape;
    struct citygml_outfit outfit = {.material = FEATURE_NONE, .texture = FEATURE_NONE};
    if (!citygml_dresser_choose(&shape->dresser, walk->reader, node, &walk->worn, walk->id, true,
                                &outfit, err)) {
        return false;
    }
    if (outfit.material == FEATURE_NONE && outfit.texture == FEATURE_NONE) {
        return true;
    }
    if (walk->shell != FEATURE_NONE) {
        shape->hidden_backs++;
        return true;
    }
    struct walk turned = *walk;
    turned.is_turned = !walk->is_turned;
    turned.is_back = true;
    const struct feature_ring *outer =
        CITYGML_AT(shape->rings, struct feature_ring, front->first_ring);
    citygml_step_back(crs_of(walk), (const double *)(const void *)shape->vertices.data,
                      CITYGML_AT(shape->corners, const uint32_t, outer->first_corner),
                      outer->corner_count, turned.step);
    struct feature_polygon back = {
        .first_ring = citygml_count(&shape->rings, sizeof(struct feature_ring)),
        .material = outfit.material,
        .texture = outfit.texture,
        .shell = FEATURE_NONE,
        .kind = SURFACE_UNKNOWN, /* as a roof it would be turned up again */
    };
    for (uint32_t i = 0; i < node->ring_count; i++) {
        const struct citygml_ring *ring =
            CITYGML_AT(walk->reader->member.rings, const struct citygml_ring, node->first_ring + i);
        const float *uvs = citygml_outfit_uvs(&shape->dresser, &outfit, i);
        bool is_there = false;
        if (!put_ring(&turned, ring, uvs, i == 0, &is_there, err)) {
            return false;
        }
        back.ring_count += is_there;
    }
    return add(&shape->polygons, &back, sizeof back, err);
}

/* ---- one polygon ---- */

static bool put_polygon(struct walk *walk, const struct citygml_node *node, struct err *err)
{
    struct citygml_shape *shape = walk->reader->shape;
    struct feature_polygon polygon = {
        .first_ring = citygml_count(&shape->rings, sizeof(struct feature_ring)),
        .material = FEATURE_NONE,
        .texture = FEATURE_NONE,
        .shell = walk->shell,
        .kind = (enum feature_surface)node->surface,
    };
    const size_t corners_before = shape->corners.size / sizeof(uint32_t);
    struct citygml_outfit outfit = {.material = FEATURE_NONE, .texture = FEATURE_NONE};
    if (citygml_is_dressed(walk->reader) &&
        !citygml_dresser_choose(&shape->dresser, walk->reader, node, &walk->worn, walk->id, false,
                                &outfit, err)) {
        return false;
    }
    polygon.material = outfit.material;
    polygon.texture = outfit.texture;
    for (uint32_t i = 0; i < node->ring_count; i++) {
        const struct citygml_ring *ring =
            CITYGML_AT(walk->reader->member.rings, const struct citygml_ring, node->first_ring + i);
        bool is_there = false;
        const float *uvs = citygml_outfit_uvs(&shape->dresser, &outfit, i);
        if (!put_ring(walk, ring, uvs, i == 0, &is_there, err)) {
            return false;
        }
        polygon.ring_count += is_there;
        if (i == 0 && !is_there) {
            return true;
        }
    }
    if (polygon.ring_count == 0) {
        return true;
    }
    if (walk->is_loose && merge_double(walk, &polygon)) {
        shape->rings.size = polygon.first_ring * sizeof(struct feature_ring);
        cut_corners(shape, corners_before);
        return true;
    }
    return add(&shape->polygons, &polygon, sizeof polygon, err) &&
           (!walk->reader->has_back || put_back(walk, node, &polygon, err));
}

/* ---- the tree ---- */

static bool walk_node(const struct walk *above, uint32_t index, struct err *err);

static bool walk_children(const struct walk *walk, uint32_t index, struct err *err)
{
    const uint32_t end = node_at(walk, index)->end;
    for (uint32_t child = index + 1; child < end; child = node_at(walk, child)->end) {
        if (!walk_node(walk, child, err)) {
            return false;
        }
    }
    return true;
}

static bool walk_link(struct walk *walk, uint32_t index, struct err *err)
{
    const struct citygml_node *node = node_at(walk, index);
    if (node->target == CITYGML_NONE) {
        citygml_report(walk->reader, walk->id, node->line, REPORT_SKIPPED, "link-missing",
                       "an xlink names something that is not in the file");
        return true;
    }
    if (++walk->links > CITYGML_LINKS_MAX) {
        citygml_report(walk->reader, walk->id, node->line, REPORT_REPAIRED, "link-in-circle",
                       "xlinks that lead from one to the next more than %d times",
                       CITYGML_LINKS_MAX);
        return true;
    }
    return walk_node(walk, node->target, err);
}

static bool walk_shell(struct walk *walk, uint32_t index, struct err *err)
{
    struct citygml_shape *shape = walk->reader->shape;
    const struct feature_shell shell = {node_at(walk, index)->is_turned};
    walk->shell = (int32_t)citygml_count(&shape->shells, sizeof shell);
    return add(&shape->shells, &shell, sizeof shell, err) && walk_children(walk, index, err);
}

static bool walk_node(const struct walk *above, uint32_t index, struct err *err)
{
    struct walk walk = *above;
    struct citygml_node *node = CITYGML_AT(walk.reader->member.nodes, struct citygml_node, index);
    if (++walk.depth > DEPTH_MAX) {
        citygml_report(walk.reader, walk.id, node->line, REPORT_REPAIRED, "link-in-circle",
                       "geometry nested more than %d deep", DEPTH_MAX);
        return true;
    }
    if (walk.placement == NULL && node->srs != CITYGML_NONE && walk.out->crs.size == 0 &&
        !citygml_copy(*CITYGML_AT(walk.reader->member.names, struct text, node->srs),
                      walk.reader->feature, &walk.out->crs, err)) {
        return false;
    }
    if (node->kind != NODE_LINK && node->kind != NODE_POLYGON && node->id_hash != 0 &&
        citygml_is_dressed(walk.reader)) {
        citygml_worn_add(&walk.worn, node->id_hash);
    }
    switch ((enum citygml_node_kind)node->kind) {
    case NODE_LINK:
        return walk_link(&walk, index, err);
    case NODE_POLYGON:
        if (walk.is_loose && node->stamp == walk.reader->member.sequence) {
            return true;
        }
        node->stamp = walk.reader->member.sequence;
        walk.is_turned ^= node->is_turned;
        return put_polygon(&walk, node, err);
    case NODE_SHELL:
        return walk_shell(&walk, index, err);
    case NODE_IMPLICIT:
        if (walk.placement != NULL) {
            return true; /* a prototype within a prototype is none */
        }
        walk.placement =
            CITYGML_AT(walk.reader->member.placements, struct citygml_placement, node->placement);
        walk.is_loose = false;
        return walk_children(&walk, index, err);
    case NODE_SURFACES:
        walk.is_turned ^= node->is_turned;
        return walk_children(&walk, index, err);
    case NODE_SOLID:
        return walk_children(&walk, index, err);
    }
    return true;
}

/* ---- levels ---- */

static int level_of(const struct citygml *reader, const struct citygml_root *root)
{
    const struct citygml_object *object =
        CITYGML_AT(reader->member.objects, const struct citygml_object, root->object);
    const int level = root->is_relief ? object->relief_level : root->level;
    return level >= 0 && level < LEVEL_COUNT - 1 ? level : -1;
}

/* All roots of one level: first the solids, then what is not in them. */
static bool put_level(struct walk *walk, uint32_t object, int level, struct err *err)
{
    struct citygml *reader = walk->reader;
    struct citygml_shape *shape = reader->shape;
    const struct buf *roots = &reader->member.roots;
    const struct citygml_object *own =
        CITYGML_AT(reader->member.objects, const struct citygml_object, object);
    const uint32_t first = citygml_count(&shape->polygons, sizeof(struct feature_polygon));
    bool has_footprint = false;
    reader->member.sequence++;
    buf_reset(&shape->doubles);
    for (int pass = 0; pass < 2; pass++) {
        walk->is_loose = pass == 1;
        for (uint32_t i = own->first_root; i < own->end_root; i++) {
            const struct citygml_root *root = CITYGML_AT(*roots, const struct citygml_root, i);
            if (root->object != object || level_of(reader, root) != level) {
                continue;
            }
            has_footprint |= !root->is_roof_edge;
            if (root->is_solid != (pass == 0)) {
                continue;
            }
            if (root->is_roof_edge && has_footprint) {
                citygml_report(reader, walk->id, node_at(walk, root->node)->line, REPORT_NOTICE,
                               "roof-edge", "a roof edge beside a footprint is not drawn");
                continue;
            }
            if (!walk_node(walk, root->node, err)) {
                return false;
            }
        }
        if (pass == 0 && citygml_count(&shape->polygons, sizeof(struct feature_polygon)) > first &&
            !index_outlines(walk, first, err)) {
            return false;
        }
    }
    const struct feature_lod lod = {
        .level = level,
        .first_polygon = first,
        .polygon_count = citygml_count(&shape->polygons, sizeof(struct feature_polygon)) - first,
    };
    return lod.polygon_count == 0 || add(&shape->lods, &lod, sizeof lod, err);
}

/* ---- the finished feature ---- */

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

static bool finish(struct citygml_shape *shape, struct arena *feature, struct feature *out,
                   struct err *err)
{
    const void *vertices, *corners, *rings, *polygons, *shells, *lods;
    const size_t corner_count = shape->corners.size / sizeof(uint32_t);
    if (!copy(feature, &shape->vertices, 3 * sizeof(double), &vertices, &out->vertex_count, err) ||
        !copy(feature, &shape->corners, sizeof(uint32_t), &corners, &out->corner_count, err) ||
        !copy(feature, &shape->rings, sizeof *out->rings, &rings, &out->ring_count, err) ||
        !copy(feature, &shape->polygons, sizeof *out->polygons, &polygons, &out->polygon_count,
              err) ||
        !copy(feature, &shape->shells, sizeof *out->shells, &shells, &out->shell_count, err) ||
        !copy(feature, &shape->lods, sizeof *out->lods, &lods, &out->lod_count, err)) {
        return false;
    }
    out->vertices = vertices;
    out->corners = corners;
    out->rings = rings;
    out->polygons = polygons;
    out->shells = shells;
    out->lods = lods;
    if (shape->uvs.size > 0) {
        float *uvs = arena_array(feature, float, 2 * corner_count);
        if (uvs == NULL) {
            return arena_full(feature, err);
        }
        memcpy(uvs, shape->uvs.data, shape->uvs.size);
        out->uvs = uvs;
    }
    return citygml_dresser_finish(&shape->dresser, feature, out, err);
}

bool citygml_shape_read(struct citygml *reader, uint32_t object, struct arena *feature,
                        struct feature *out, struct err *err)
{
    const struct buf *roots = &reader->member.roots;
    const struct citygml_object *own =
        CITYGML_AT(reader->member.objects, const struct citygml_object, object);
    bool has_level[LEVEL_COUNT] = {false};
    bool has_any = false;
    for (uint32_t i = own->first_root; i < own->end_root; i++) {
        const struct citygml_root *root = CITYGML_AT(*roots, const struct citygml_root, i);
        if (root->object == object) {
            has_level[level_of(reader, root) + 1] = true;
            has_any = true;
        }
    }
    if (!has_any) {
        return true;
    }
    struct walk walk = {
        .reader = reader,
        .out = out,
        .id = out->id,
        .shell = FEATURE_NONE,
    };
    reset(reader->shape);
    reader->feature = feature;
    for (int level = -1; level < LEVEL_COUNT - 1; level++) {
        if (has_level[level + 1] && !put_level(&walk, object, level, err)) {
            return false;
        }
    }
    if (reader->shape->hidden_backs > 0) {
        citygml_report(reader, out->id, 0, REPORT_NOTICE, "back-not-drawn",
                       "what %u surfaces of solids wear on their insides",
                       reader->shape->hidden_backs);
    }
    return finish(reader->shape, feature, out, err);
}
