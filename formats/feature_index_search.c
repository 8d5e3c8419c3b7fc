/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>

#include "formats/feature_index_internal.h"

/* ---- a block of sixteen boxes ---- */

/* Bit i is the low bit of byte i. */
static uint32_t gather_bits(const uint8_t flags[FEATURE_INDEX_NODE])
{
    uint64_t low;
    uint64_t high;
    memcpy(&low, flags, 8);
    memcpy(&high, flags + 8, 8);
    const uint64_t magic = 0x0102040810204080U;
    return (uint32_t)((low * magic >> 56) | (high * magic >> 56) << 8);
}

/* Sides of a box as floats that compare with the file's floats just as the
 * doubles would. */
struct window {
    float min[3], max[3];
};

static float at_least(double value)
{
    const float near = (float)value;
    return (double)near < value ? nextafterf(near, INFINITY) : near;
}

static float at_most(double value)
{
    const float near = (float)value;
    return (double)near > value ? nextafterf(near, -INFINITY) : near;
}

static uint32_t block_hits(const uint8_t *block, const struct window *window)
{
    float side[6][FEATURE_INDEX_NODE];
    static_assert(sizeof side == BLOCK_BYTES, "a block is six rows of floats");
    memcpy(side, block, sizeof side);
    uint8_t flags[FEATURE_INDEX_NODE];
    for (size_t i = 0; i < FEATURE_INDEX_NODE; i++) {
        flags[i] = (uint8_t)((side[0][i] <= window->max[0]) & (side[3][i] >= window->min[0]) &
                             (side[1][i] <= window->max[1]) & (side[4][i] >= window->min[1]) &
                             (side[2][i] <= window->max[2]) & (side[5][i] >= window->min[2]));
    }
    return gather_bits(flags);
}

/* ---- walking down ---- */

static const uint8_t *block_at(const struct feature_index *index, uint64_t number)
{
    return index->section[SECTION_BOXES].data + number * BLOCK_BYTES;
}

static uint64_t level_size(const struct feature_index *index, uint32_t level)
{
    const uint64_t end = level + 1 < index->level_count
                             ? index->level_blocks[level + 1]
                             : index->section[SECTION_BOXES].bytes / BLOCK_BYTES;
    return end - index->level_blocks[level];
}

bool feature_index_search(const struct feature_index *index, struct box3 box,
                          feature_index_visit visit, void *visitor)
{
    const struct window window = {
        {at_least(box.min.x), at_least(box.min.y), at_least(box.min.z)},
        {at_most(box.max.x), at_most(box.max.y), at_most(box.max.z)},
    };
    if (index->count == 0) {
        return true;
    }
    uint64_t first[FEATURE_INDEX_LEVELS_MAX] = {0};
    uint32_t left[FEATURE_INDEX_LEVELS_MAX];
    uint32_t level = index->level_count - 1;
    left[level] = block_hits(block_at(index, index->level_blocks[level]), &window);
    for (;;) {
        if (left[level] == 0) {
            if (++level == index->level_count) {
                return true;
            }
            continue;
        }
        const uint32_t bit = (uint32_t)__builtin_ctz(left[level]);
        left[level] &= left[level] - 1;
        const uint64_t child = first[level] + bit;
        if (level == 0) {
            if (child < index->count && !visit(visitor, (uint32_t)child)) {
                return false;
            }
            continue;
        }
        if (child >= level_size(index, level - 1)) {
            continue; /* a damaged file: what is not there is empty */
        }
        level--;
        first[level] = child * FEATURE_INDEX_NODE;
        left[level] = block_hits(block_at(index, index->level_blocks[level] + child), &window);
    }
}

struct row_list {
    uint32_t *rows;
    uint64_t room;
    uint64_t count;
};

static bool list_row(void *visitor, uint32_t row)
{
    struct row_list *list = visitor;
    if (list->count < list->room) {
        list->rows[list->count] = row;
    }
    list->count++;
    return true;
}

uint64_t feature_index_search_rows(const struct feature_index *index, struct box3 box,
                                   uint32_t *out, uint64_t room)
{
    struct row_list list = {out, room, 0};
    feature_index_search(index, box, list_row, &list);
    return list.count;
}

/* ---- any shape ---- */

static bool visit_rows(const struct feature_index *index, const struct feature_index_shape *shape,
                       uint64_t first, uint64_t end)
{
    if (end > index->count) {
        end = index->count;
    }
    for (uint64_t row = first; row < end; row++) {
        if (!shape->visit(shape->shape, (uint32_t)row, true)) {
            return false;
        }
    }
    return true;
}

/* All rows below child `child` of a block at `level`. */
static bool visit_below(const struct feature_index *index, const struct feature_index_shape *shape,
                        uint32_t level, uint64_t child)
{
    const uint32_t shift = 4 * level;
    static_assert(FEATURE_INDEX_NODE == 16, "four bits a level");
    return visit_rows(index, shape, child << shift, (child + 1) << shift);
}

static bool search_shape(const struct feature_index *index, const struct feature_index_shape *shape,
                         uint32_t level, uint64_t block)
{
    float side[6][FEATURE_INDEX_NODE];
    memcpy(side, block_at(index, index->level_blocks[level] + block), sizeof side);
    for (uint32_t i = 0; i < FEATURE_INDEX_NODE; i++) {
        const uint64_t child = block * FEATURE_INDEX_NODE + i;
        const float min[3] = {side[0][i], side[1][i], side[2][i]};
        const float max[3] = {side[3][i], side[4][i], side[5][i]};
        if (!(min[0] <= max[0])) {
            continue; /* nothing there */
        }
        const enum feature_index_side where = shape->side(shape->shape, min, max);
        bool goes_on = true;
        if (where == FEATURE_INSIDE) {
            goes_on = visit_below(index, shape, level, child);
        } else if (where == FEATURE_BORDER && level == 0) {
            goes_on = child >= index->count || shape->visit(shape->shape, (uint32_t)child, false);
        } else if (where == FEATURE_BORDER && child < level_size(index, level - 1)) {
            goes_on = search_shape(index, shape, level - 1, child);
        }
        if (!goes_on) {
            return false;
        }
    }
    return true;
}

bool feature_index_search_shape(const struct feature_index *index,
                                const struct feature_index_shape *shape)
{
    return index->count == 0 || search_shape(index, shape, index->level_count - 1, 0);
}

/* ---- distances ---- */

/*
 * Metres on the ellipsoid from differences in local metres: degrees are as wide
 * as they are halfway. Right to a millionth of the distance within a city.
 */
struct ruler {
    const struct feature_index *index;
    struct vec3 from; /* local metres */
    double lat_deg;
    bool has_height;
};

static struct ruler ruler_at(const struct feature_index *index,
                             const struct feature_index_nearest *from)
{
    return (struct ruler){
        .index = index,
        .from = feature_frame_from_deg(&index->frame, from->lon_deg, from->lat_deg,
                                       from->has_height ? from->height_m : index->frame.h0_m),
        .lat_deg = from->lat_deg,
        .has_height = from->has_height,
    };
}

/* What a local metre is halfway to y. */
static void scale_toward(const struct ruler *ruler, double y, double *out_x, double *out_y)
{
    const struct feature_frame *frame = &ruler->index->frame;
    const double there_deg = frame->lat0_deg + y / frame->y_m_per_deg;
    double lon_m;
    double lat_m;
    feature_index_degree_m((ruler->lat_deg + there_deg) / 2, &lon_m, &lat_m);
    *out_x = lon_m / frame->x_m_per_deg;
    *out_y = lat_m / frame->y_m_per_deg;
}

static double outside(double value, double min, double max)
{
    return value < min ? min - value : value > max ? value - max : 0;
}

/* To the nearest point of a box; no more than to anything in it: degrees of
 * longitude are narrowest at one of its ends. */
static double distance_to_box(const struct ruler *ruler, struct box3 box)
{
    double x_low;
    double y_low;
    double x_high;
    double y_high;
    scale_toward(ruler, box.min.y, &x_low, &y_low);
    scale_toward(ruler, box.max.y, &x_high, &y_high);
    const double dx = outside(ruler->from.x, box.min.x, box.max.x) * fmin(x_low, x_high);
    const double dy = outside(ruler->from.y, box.min.y, box.max.y) * fmin(y_low, y_high);
    const double dz = ruler->has_height ? outside(ruler->from.z, box.min.z, box.max.z) : 0;
    return sqrt(dx * dx + dy * dy + dz * dz);
}

static double distance_to_segment(struct vec2 a, struct vec2 b)
{
    const struct vec2 along = {b.x - a.x, b.y - a.y};
    const double length2 = along.x * along.x + along.y * along.y;
    double t = length2 > 0 ? -(a.x * along.x + a.y * along.y) / length2 : 0;
    t = fmin(1, fmax(0, t));
    return hypot(a.x + t * along.x, a.y + t * along.y);
}

/* In plan from the origin to a footprint whose points are moved and scaled. */
static double distance_to_footprint(const struct ruler *ruler,
                                    const struct feature_footprint *footprint, double scale_x,
                                    double scale_y)
{
    double nearest = (double)INFINITY;
    bool is_inside = false;
    struct feature_footprint_ring ring = {0};
    for (uint32_t r = 0; r < footprint->ring_count; r++) {
        feature_footprint_next(footprint, r, &ring);
        struct vec2 last = {0, 0};
        for (uint32_t i = 0; i <= ring.point_count && ring.point_count > 0; i++) {
            const struct vec2 p = feature_footprint_point(
                ruler->index, footprint, ring.first_point + (i < ring.point_count ? i : 0));
            const struct vec2 at = {(p.x - ruler->from.x) * scale_x,
                                    (p.y - ruler->from.y) * scale_y};
            if (i > 0) {
                nearest = fmin(nearest, distance_to_segment(last, at));
                if ((last.y > 0) != (at.y > 0) &&
                    0 < (at.x - last.x) * (0 - last.y) / (at.y - last.y) + last.x) {
                    is_inside = !is_inside;
                }
            }
            last = at;
        }
    }
    return is_inside ? 0 : nearest;
}

static double distance_to_row(const struct ruler *ruler, uint32_t row)
{
    const struct box3 box = feature_index_box(ruler->index, row);
    if (ruler->has_height) {
        return distance_to_box(ruler, box);
    }
    struct feature_index_row about;
    feature_index_row(ruler->index, row, &about);
    const struct feature_footprint footprint =
        feature_index_footprint(ruler->index, about.footprint);
    if (footprint.point_count == 0) {
        return distance_to_box(ruler, box);
    }
    double scale_x;
    double scale_y;
    scale_toward(ruler, (box.min.y + box.max.y) / 2, &scale_x, &scale_y);
    /* Never nearer than the box that led here. */
    return fmax(distance_to_footprint(ruler, &footprint, scale_x, scale_y),
                distance_to_box(ruler, box));
}

double feature_index_distance(const struct feature_index *index, uint32_t row,
                              const struct feature_index_nearest *from)
{
    const struct ruler ruler = ruler_at(index, from);
    return distance_to_row(&ruler, row);
}

/* ---- the nearest ---- */

/* A block or a row that may hold something near. */
struct lead {
    double distance_m;
    uint64_t number;
    uint32_t level; /* of the block; ROW for a row */
};

#define LEVEL_ROW UINT32_MAX

/* A heap in an arena: it is left behind for a larger one when it is full. */
struct leads {
    struct lead *items;
    size_t count;
    size_t room;
    struct arena *scratch;
};

/* Nearer first; rows after blocks of the same distance, then by number, so that
 * equals come in order. */
static bool comes_before(const struct lead *a, const struct lead *b)
{
    if (a->distance_m < b->distance_m || a->distance_m > b->distance_m) {
        return a->distance_m < b->distance_m;
    }
    if ((a->level == LEVEL_ROW) != (b->level == LEVEL_ROW)) {
        return b->level == LEVEL_ROW;
    }
    return a->number < b->number;
}

static bool push_lead(struct leads *leads, struct lead lead, struct err *err)
{
    if (leads->count == leads->room) {
        const size_t room = leads->room == 0 ? 256 : 2 * leads->room;
        struct lead *items = arena_array(leads->scratch, struct lead, room);
        if (items == NULL) {
            return arena_full(leads->scratch, err);
        }
        if (leads->count > 0) {
            memcpy(items, leads->items, leads->count * sizeof items[0]);
        }
        leads->items = items;
        leads->room = room;
    }
    size_t at = leads->count++;
    while (at > 0 && comes_before(&lead, &leads->items[(at - 1) / 2])) {
        leads->items[at] = leads->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    leads->items[at] = lead;
    return true;
}

static struct lead pop_lead(struct leads *leads)
{
    const struct lead first = leads->items[0];
    const struct lead last = leads->items[--leads->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= leads->count) {
            break;
        }
        if (child + 1 < leads->count &&
            comes_before(&leads->items[child + 1], &leads->items[child])) {
            child++;
        }
        if (!comes_before(&leads->items[child], &last)) {
            break;
        }
        leads->items[at] = leads->items[child];
        at = child;
    }
    leads->items[at] = last;
    return first;
}

static bool push_block(struct leads *leads, const struct ruler *ruler,
                       const struct feature_index_nearest *request, uint32_t level, uint64_t block,
                       struct err *err)
{
    const struct feature_index *index = ruler->index;
    float side[6][FEATURE_INDEX_NODE];
    memcpy(side, block_at(index, index->level_blocks[level] + block), sizeof side);
    for (uint32_t i = 0; i < FEATURE_INDEX_NODE; i++) {
        const uint64_t child = block * FEATURE_INDEX_NODE + i;
        const struct box3 box = {{(double)side[0][i], (double)side[1][i], (double)side[2][i]},
                                 {(double)side[3][i], (double)side[4][i], (double)side[5][i]}};
        const bool is_there =
            level == 0 ? child < index->count : child < level_size(index, level - 1);
        if (!is_there || !(box.min.x <= box.max.x)) {
            continue;
        }
        struct lead lead = {distance_to_box(ruler, box), child, level - 1};
        if (level == 0) {
            if (!(lead.distance_m <= request->within_m) ||
                (request->accept != NULL && !request->accept(request->acceptor, (uint32_t)child))) {
                continue;
            }
            lead.level = LEVEL_ROW;
            lead.distance_m = distance_to_row(ruler, (uint32_t)child);
        }
        if (lead.distance_m <= request->within_m && !push_lead(leads, lead, err)) {
            return false;
        }
    }
    return true;
}

bool feature_index_find_nearest(const struct feature_index *index,
                                const struct feature_index_nearest *request,
                                struct feature_index_near *out, size_t room, size_t *out_count,
                                struct arena *scratch, struct err *err)
{
    const struct ruler ruler = ruler_at(index, request);
    const struct arena_mark mark = arena_mark(scratch);
    struct leads leads = {.scratch = scratch};
    size_t count = 0;
    bool ok = index->count == 0 || room == 0 ||
              push_block(&leads, &ruler, request, index->level_count - 1, 0, err);
    while (ok && leads.count > 0 && count < room) {
        const struct lead lead = pop_lead(&leads);
        if (lead.level == LEVEL_ROW) {
            out[count++] = (struct feature_index_near){(uint32_t)lead.number, lead.distance_m};
        } else {
            ok = push_block(&leads, &ruler, request, lead.level, lead.number, err);
        }
    }
    arena_reset(scratch, mark);
    if (ok) {
        *out_count = count;
    }
    return ok;
}
