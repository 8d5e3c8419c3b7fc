/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/mass.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tiler/triangulate.h"

/* Bounds are good enough within this share and this distance. */
static const double ENOUGH_SHARE = 0.1;
static const double ENOUGH_M = 0.02;

/* How often a triangle of the plan may be cut to prove an error. */
enum { STEPS_MAX = 192, STACK_MAX = 64 };

/* A rectangle has fewer corners than a hull: it may err by so much more. */
static const double RECTANGLE_SHARE = 1.25;
static const double RECTANGLE_M = 0.05;

/* A plan is made smaller by this share of its error, where that makes it less by
 * as much as is worth it, and never to less than the third; not where heights are
 * what errs. */
static const double INSET_SHARE = 0.35;
static const double INSET_GAIN = 0.9;
static const double INSET_LEAST = 0.6;
static const double INSET_FROM = 1.5;
static const double INSET_FROM_M = 0.5;

/* Hulls are cut down to this many corners where that adds little. */
enum { HULL_CORNERS = 6 };

/* Corners within this of a straight line are none. */
static const double STRAIGHT_M = 0.01;

static inline double smaller(double a, double b)
{
    return a < b ? a : b;
}

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

/* Lower than this there are no walls. */
static const double FLAT_M = 0.1;

/* ---- distances ---- */

static double square_to_segment(struct vec2 p, struct vec2 a, struct vec2 b)
{
    const double dx = b.x - a.x;
    const double dy = b.y - a.y;
    const double length2 = dx * dx + dy * dy;
    const double t = length2 > 0 ? ((p.x - a.x) * dx + (p.y - a.y) * dy) / length2 : 0;
    const double s = t < 0 ? 0 : t > 1 ? 1 : t;
    const double x = p.x - a.x - s * dx;
    const double y = p.y - a.y - s * dy;
    return x * x + y * y;
}

/* From a point to a convex plan; 0 inside. The nearest point lies on a side that
 * the point is beyond. */
static double square_to_plan(struct vec2 p, const struct mass_prism *prism)
{
    double best = INFINITY;
    struct vec2 a = prism->points[prism->count - 1];
    for (uint32_t i = 0; i < prism->count; i++) {
        const struct vec2 b = prism->points[i];
        if (ring_turn(a, b, p) < 0) {
            best = smaller(best, square_to_segment(p, a, b));
        }
        a = b;
    }
    return best < (double)INFINITY ? best : 0;
}

static double distance(struct vec2 a, struct vec2 b)
{
    return sqrt((a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y));
}

struct box2 {
    struct vec2 min, max;
};

static struct box2 box_of(const struct mass_prism *prism)
{
    struct box2 box = {prism->points[0], prism->points[0]};
    for (uint32_t i = 1; i < prism->count; i++) {
        const struct vec2 p = prism->points[i];
        box.min.x = smaller(box.min.x, p.x);
        box.min.y = smaller(box.min.y, p.y);
        box.max.x = larger(box.max.x, p.x);
        box.max.y = larger(box.max.y, p.y);
    }
    return box;
}

double mass_gap_m(const struct mass *a, const struct mass *b)
{
    const struct box2 one = box_of(&a->shape);
    const struct box2 two = box_of(&b->shape);
    const double x = larger(0, larger(two.min.x - one.max.x, one.min.x - two.max.x));
    const double y = larger(0, larger(two.min.y - one.max.y, one.min.y - two.max.y));
    return sqrt(x * x + y * y);
}

double mass_diameter_m(const struct mass_prism *shape)
{
    double most = 0;
    for (uint32_t i = 0; i < shape->count; i++) {
        for (uint32_t k = i + 1; k < shape->count; k++) {
            most = larger(most, distance(shape->points[i], shape->points[k]));
        }
    }
    const double height = shape->top_m - shape->base_m;
    return sqrt(most * most + height * height);
}

double mass_width_m(const struct mass_prism *shape)
{
    struct vec2 around[4];
    ring_rectangle(shape->points, shape->count, around);
    return smaller(distance(around[0], around[1]), distance(around[1], around[2]));
}

bool mass_is_flat(const struct mass_prism *shape)
{
    return shape->top_m - shape->base_m < FLAT_M;
}

double mass_area_m2(const struct mass_prism *shape)
{
    return ring_area(shape->points, shape->count);
}

/* ---- the proof ---- */

/* A triangle of the plan that is being looked at, with its bound. */
struct patch {
    struct vec2 corners[3];
    double upper_m;
};

struct proving {
    const struct mass_prism *parts;
    uint32_t part_count;
    /* Per part: how far the shape's top is above it, or its base below; its
     * box in plan. */
    double away_m[2 * MASS_PARTS_MAX];
    struct box2 boxes[2 * MASS_PARTS_MAX];
    double limit_m; /* beyond it the exact figure is of no interest */
    double lower_m;
    double settled_m;
    uint32_t steps;
};

static double to_part(const struct proving *p, struct vec2 at, uint32_t part)
{
    const double away = p->away_m[part];
    const double plan2 = square_to_plan(at, &p->parts[part]);
    const double solid = plan2 > 0 ? sqrt(plan2 + away * away) : away;
    return solid + p->parts[part].error_m;
}

static double to_nearest(const struct proving *p, struct vec2 at, uint32_t *io_part)
{
    const uint32_t first = *io_part;
    double best = to_part(p, at, first);
    for (uint32_t i = 0; i < p->part_count; i++) {
        const struct box2 *box = &p->boxes[i];
        const double x = larger(0, larger(box->min.x - at.x, at.x - box->max.x));
        const double y = larger(0, larger(box->min.y - at.y, at.y - box->max.y));
        const double least = best - p->parts[i].error_m;
        if (i == first || least <= p->away_m[i] || x * x + y * y >= least * least) {
            continue;
        }
        const double found = to_part(p, at, i);
        if (found < best) {
            best = found;
            *io_part = i;
        }
    }
    return best;
}

static double enough(const struct proving *p)
{
    return p->lower_m * (1 + ENOUGH_SHARE) + ENOUGH_M;
}

/* The smallest of: from the middle, by how far the corners are; to the part
 * nearest to the middle or to a corner, which is convex, so corners decide. */
static double bound(struct proving *p, const struct vec2 c[3])
{
    const struct vec2 middle = {(c[0].x + c[1].x + c[2].x) / 3, (c[0].y + c[1].y + c[2].y) / 3};
    uint32_t tried[4] = {0};
    const double at_middle = to_nearest(p, middle, &tried[0]);
    p->lower_m = larger(p->lower_m, at_middle);
    double reach = 0;
    for (int i = 0; i < 3; i++) {
        reach = larger(reach, distance(middle, c[i]));
        tried[i + 1] = tried[0];
        p->lower_m = larger(p->lower_m, to_nearest(p, c[i], &tried[i + 1]));
    }
    double upper = at_middle + reach;
    for (int k = 0; k < 4 && upper > enough(p); k++) {
        double most = 0;
        for (int i = 0; i < 3; i++) {
            most = larger(most, to_part(p, c[i], tried[k]));
        }
        upper = smaller(upper, most);
    }
    return upper;
}

/* Across the longest side. */
static void halve(const struct vec2 c[3], struct vec2 out[2][3])
{
    int longest = 0;
    for (int i = 1; i < 3; i++) {
        if (distance(c[i], c[(i + 1) % 3]) > distance(c[longest], c[(longest + 1) % 3])) {
            longest = i;
        }
    }
    const struct vec2 a = c[longest];
    const struct vec2 b = c[(longest + 1) % 3];
    const struct vec2 tip = c[(longest + 2) % 3];
    const struct vec2 middle = {(a.x + b.x) / 2, (a.y + b.y) / 2};
    const struct vec2 halves[2][3] = {{tip, a, middle}, {tip, middle, b}};
    memcpy(out, halves, sizeof halves);
}

/* The patch with the largest bound is cut first: all are kept in a small list,
 * which is looked through, as most proofs are done after a few. */
static void prove_plan(struct proving *p, const struct mass_prism *shape)
{
    struct patch open[STACK_MAX + MASS_CORNERS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 2; i < shape->count; i++) {
        open[count] =
            (struct patch){.corners = {shape->points[0], shape->points[i - 1], shape->points[i]}};
        open[count].upper_m = bound(p, open[count].corners);
        count++;
    }
    while (count > 0) {
        uint32_t worst = 0;
        for (uint32_t i = 1; i < count; i++) {
            worst = open[i].upper_m > open[worst].upper_m ? i : worst;
        }
        const struct patch patch = open[worst];
        if (patch.upper_m <= enough(p) || p->steps >= STEPS_MAX || count + 1 > STACK_MAX ||
            p->lower_m > p->limit_m) {
            p->settled_m = larger(p->settled_m, patch.upper_m);
            return;
        }
        open[worst] = open[--count];
        p->steps++;
        struct vec2 halves[2][3];
        halve(patch.corners, halves);
        for (int i = 0; i < 2; i++) {
            const double upper = smaller(patch.upper_m, bound(p, halves[i]));
            if (upper <= enough(p)) {
                p->settled_m = larger(p->settled_m, upper);
                continue;
            }
            memcpy(open[count].corners, halves[i], sizeof halves[i]);
            open[count++].upper_m = upper;
        }
    }
}

/* How far a part is outside of the shape: as that is convex, corners decide. */
static double part_outside_m(const struct mass_prism *part, const struct mass_prism *shape)
{
    const double above = larger(0, part->top_m - shape->top_m);
    const double below = larger(0, shape->base_m - part->base_m);
    const double away = larger(above, below);
    double most2 = 0;
    for (uint32_t i = 0; i < part->count; i++) {
        most2 = larger(most2, square_to_plan(part->points[i], shape));
    }
    return most2 > 0 ? sqrt(most2 + away * away) : away;
}

static double measure(const struct mass_prism *shape, const struct mass_prism *parts,
                      uint32_t part_count, double limit_m, double *out_lower_m)
{
    assert(part_count > 0 && part_count <= 2 * MASS_PARTS_MAX);
    struct proving p;
    p.parts = parts;
    p.part_count = part_count;
    p.limit_m = limit_m;
    p.settled_m = 0;
    p.steps = 0;
    p.lower_m = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        p.boxes[i] = box_of(&parts[i]);
        p.away_m[i] =
            larger(0, larger(shape->top_m - parts[i].top_m, parts[i].base_m - shape->base_m));
        p.lower_m = larger(p.lower_m, part_outside_m(&parts[i], shape) + parts[i].error_m);
    }
    prove_plan(&p, shape);
    *out_lower_m = p.lower_m;
    return larger(p.settled_m, p.lower_m);
}

double mass_measure_m(const struct mass_prism *shape, const struct mass_prism *parts,
                      uint32_t part_count)
{
    double lower_m;
    return measure(shape, parts, part_count, INFINITY, &lower_m);
}

/* ---- plans ---- */

/* Takes away the side whose neighbours meet with least area outside of it. */
static bool drop_side(struct mass_prism *prism, double area_most_m2)
{
    uint32_t found = prism->count;
    struct vec2 tip = {0, 0};
    double least = area_most_m2;
    for (uint32_t i = 0; i < prism->count; i++) {
        const struct vec2 before = prism->points[(i + prism->count - 1) % prism->count];
        const struct vec2 a = prism->points[i];
        const struct vec2 b = prism->points[(i + 1) % prism->count];
        const struct vec2 after = prism->points[(i + 2) % prism->count];
        const struct vec2 u = {a.x - before.x, a.y - before.y};
        const struct vec2 v = {b.x - after.x, b.y - after.y};
        const double cross = u.x * v.y - u.y * v.x;
        if (!(cross > 1e-9)) {
            continue; /* the neighbours never meet on this side */
        }
        const double t = ((b.x - a.x) * v.y - (b.y - a.y) * v.x) / cross;
        const struct vec2 at = {a.x + t * u.x, a.y + t * u.y};
        const double area = -ring_turn(a, b, at) / 2;
        if (t >= 0 && area < least) {
            least = area;
            found = i;
            tip = at;
        }
    }
    if (found == prism->count) {
        return false;
    }
    const uint32_t next = (found + 1) % prism->count;
    prism->points[found] = tip;
    for (uint32_t i = next; i + 1 < prism->count; i++) {
        prism->points[i] = prism->points[i + 1];
    }
    prism->count--;
    return true;
}

/* Corners that lie on a straight line. */
static uint32_t drop_straight(struct vec2 *points, uint32_t count)
{
    for (uint32_t i = 0; i < count && count > 3;) {
        const struct vec2 a = points[(i + count - 1) % count];
        const struct vec2 b = points[(i + 1) % count];
        const double off = fabs(ring_turn(a, b, points[i])) / larger(1e-12, distance(a, b));
        /* Only what loses nothing that matters: the hull must hold all. */
        if (off < 1e-6) {
            memmove(points + i, points + i + 1, (count - i - 1) * sizeof points[0]);
            count--;
        } else {
            i++;
        }
    }
    return count;
}

/* The hull of all but the parts beside, with few corners, and the rectangle.
 * False when they have no area. */
static bool plan_around(const struct mass_prism *parts, uint32_t part_count,
                        struct mass_prism *hull, struct mass_prism *rectangle)
{
    struct vec2 points[2 * MASS_PARTS_MAX * MASS_CORNERS_MAX];
    struct vec2 around[2 * MASS_PARTS_MAX * MASS_CORNERS_MAX + 1];
    uint32_t count = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        if (!parts[i].is_beside) {
            memcpy(points + count, parts[i].points, parts[i].count * sizeof points[0]);
            count += parts[i].count;
        }
    }
    const uint32_t hull_count = drop_straight(around, ring_hull(points, count, around));
    if (hull_count < 3) {
        return false;
    }
    ring_rectangle(around, hull_count, rectangle->points);
    rectangle->count = 4;
    if (hull_count <= MASS_CORNERS_MAX) {
        memcpy(hull->points, around, hull_count * sizeof around[0]);
        hull->count = hull_count;
        const double area = mass_area_m2(hull);
        while (hull->count > HULL_CORNERS && drop_side(hull, 0.05 * area)) {
        }
        return true;
    }
    *hull = *rectangle;
    return true;
}

/* ---- joining ---- */

/* What `low` errs by at least when only `high` is drawn. */
static double beside_least_m(const struct mass *high, const struct mass *low)
{
    struct mass_prism part = low->shape;
    part.is_beside = true;
    return larger(high->shape.error_m, part_outside_m(&part, &high->shape) - part.error_m);
}

double mass_join_least_m(const struct mass *a, const struct mass *b)
{
    const double tops = larger(a->high_top_m, b->high_top_m) - smaller(a->low_top_m, b->low_top_m);
    const double errors = larger(a->shape.error_m, b->shape.error_m);
    const double over = larger(errors, larger(tops, mass_gap_m(a, b)) / 2);
    return smaller(over, smaller(beside_least_m(a, b), beside_least_m(b, a)));
}

static void set_heights(struct mass_prism *shape, const struct mass_prism *parts,
                        uint32_t part_count, double *low_top_m, double *high_top_m)
{
    double base = INFINITY;
    double low = INFINITY;
    double high = -INFINITY;
    for (uint32_t i = 0; i < part_count; i++) {
        if (!parts[i].is_beside) {
            base = smaller(base, parts[i].base_m);
            low = smaller(low, parts[i].top_m);
            high = larger(high, parts[i].top_m);
        }
    }
    shape->base_m = base;
    shape->top_m = (low + high) / 2;
    *low_top_m = low;
    *high_top_m = high;
}

/* Moves all sides of a convex plan inward. False when one of them would be gone. */
static bool inset(const struct mass_prism *from, double by_m, struct mass_prism *out)
{
    *out = *from;
    for (uint32_t i = 0; i < from->count; i++) {
        const struct vec2 p = from->points[(i + from->count - 1) % from->count];
        const struct vec2 q = from->points[i];
        const struct vec2 r = from->points[(i + 1) % from->count];
        const double before = distance(p, q);
        const double after = distance(q, r);
        const struct vec2 u = {(q.x - p.x) / before, (q.y - p.y) / before};
        const struct vec2 v = {(r.x - q.x) / after, (r.y - q.y) / after};
        const double cross = u.x * v.y - u.y * v.x;
        if (!(cross > 1e-3)) {
            return false;
        }
        /* Along both sides, so that each moves by as much. */
        const double along = by_m / cross;
        out->points[i] = (struct vec2){q.x + along * (v.x - u.x), q.y + along * (v.y - u.y)};
    }
    for (uint32_t i = 0; i < from->count; i++) {
        const uint32_t k = (i + 1) % from->count;
        const struct vec2 was = {from->points[k].x - from->points[i].x,
                                 from->points[k].y - from->points[i].y};
        const struct vec2 is = {out->points[k].x - out->points[i].x,
                                out->points[k].y - out->points[i].y};
        if (!(was.x * is.x + was.y * is.y > 0)) {
            return false;
        }
    }
    return true;
}

/* A plan that holds all errs to one side only: one that is a little smaller to
 * both, by less. */
static void fit_plan(const struct mass_prism *parts, uint32_t part_count, double heights_m,
                     struct mass_prism *io_shape, double *io_least_m)
{
    struct mass_prism smaller_one;
    if (io_shape->error_m < INSET_FROM * heights_m + INSET_FROM_M ||
        !inset(io_shape, INSET_SHARE * io_shape->error_m, &smaller_one)) {
        return;
    }
    double least_m;
    smaller_one.error_m =
        measure(&smaller_one, parts, part_count, INSET_GAIN * io_shape->error_m, &least_m);
    if (smaller_one.error_m < INSET_GAIN * io_shape->error_m) {
        *io_shape = smaller_one;
        *io_least_m = smaller(*io_least_m, least_m);
    }
}

/*
 * The better of hull and rectangle over the parts, with its error. False when
 * they have no area, or when neither can err by less than limit_m: then
 * *out_least_m says by how much at least.
 */
static bool shape_over(const struct mass_prism *parts, uint32_t part_count, double limit_m,
                       struct mass *out, double *out_least_m)
{
    struct mass_prism hull = {0};
    struct mass_prism rectangle = {0};
    *out_least_m = 0;
    if (!plan_around(parts, part_count, &hull, &rectangle)) {
        return false;
    }
    double least_m;
    const bool may_shrink = part_count > 2;
    const double plan_limit_m = may_shrink ? limit_m / INSET_LEAST : limit_m;
    set_heights(&rectangle, parts, part_count, &out->low_top_m, &out->high_top_m);
    rectangle.error_m = measure(&rectangle, parts, part_count,
                                RECTANGLE_SHARE * plan_limit_m + RECTANGLE_M, &least_m);
    out->shape = rectangle;
    const bool is_hull = hull.count == 4 && mass_area_m2(&hull) > 0.999 * mass_area_m2(&rectangle);
    /* As good as anything can be over these heights. */
    const double heights_m = (out->high_top_m - out->low_top_m) / 2;
    if (!is_hull && rectangle.error_m > RECTANGLE_SHARE * heights_m + RECTANGLE_M) {
        double hull_least_m;
        set_heights(&hull, parts, part_count, &out->low_top_m, &out->high_top_m);
        hull.error_m = measure(&hull, parts, part_count, plan_limit_m, &hull_least_m);
        if (rectangle.error_m > RECTANGLE_SHARE * hull.error_m + RECTANGLE_M) {
            out->shape = hull;
            least_m = hull_least_m;
        }
    }
    if (may_shrink && least_m > plan_limit_m) {
        least_m = larger(heights_m, INSET_LEAST * least_m);
    } else if (may_shrink) {
        fit_plan(parts, part_count, heights_m, &out->shape, &least_m);
    }
    *out_least_m = least_m;
    return least_m <= limit_m;
}

/* What one part for two would err by, roughly. Parts beside stay beside. */
static double closeness(const struct mass_prism *a, const struct box2 *one,
                        const struct mass_prism *b, const struct box2 *two)
{
    if (a->is_beside != b->is_beside) {
        return INFINITY;
    }
    const double x = larger(one->max.x, two->max.x) - smaller(one->min.x, two->min.x);
    const double y = larger(one->max.y, two->max.y) - smaller(one->min.y, two->min.y);
    return x + y + 2 * fabs(a->top_m - b->top_m) + 2 * larger(a->error_m, b->error_m);
}

/* A part, and the part before it that is nearest to it. */
struct near_pair {
    double away;
    uint32_t one, two;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct near_pair *one = a;
    const struct near_pair *two = b;
    if (one->away != two->away) {
        return one->away < two->away ? -1 : 1;
    }
    return one->one < two->one ? -1 : one->one > two->one;
}

static uint32_t pair_parts(const struct mass_prism *parts, uint32_t count, struct near_pair *out)
{
    struct box2 boxes[2 * MASS_PARTS_MAX];
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        boxes[i] = box_of(&parts[i]);
        struct near_pair pair = {.away = INFINITY, .one = i};
        for (uint32_t k = 0; k < i; k++) {
            const double away = closeness(&parts[i], &boxes[i], &parts[k], &boxes[k]);
            if (away < pair.away) {
                pair.away = away;
                pair.two = k;
            }
        }
        if (pair.away < (double)INFINITY) {
            out[found++] = pair;
        }
    }
    qsort(out, found, sizeof out[0], compare_pairs);
    return found;
}

/* Puts one part in the place of two that are near each other, until no more
 * than MASS_PARTS_MAX are left. */
static bool reduce(struct mass_prism *parts, uint32_t *io_count)
{
    while (*io_count > MASS_PARTS_MAX) {
        struct near_pair pairs[2 * MASS_PARTS_MAX];
        bool is_used[2 * MASS_PARTS_MAX] = {false};
        bool is_gone[2 * MASS_PARTS_MAX] = {false};
        const uint32_t pair_count = pair_parts(parts, *io_count, pairs);
        uint32_t excess = *io_count - MASS_PARTS_MAX;
        for (uint32_t i = 0; i < pair_count && excess > 0; i++) {
            const uint32_t one = pairs[i].two;
            const uint32_t two = pairs[i].one;
            if (is_used[one] || is_used[two]) {
                continue;
            }
            struct mass_prism pair[2] = {parts[one], parts[two]};
            const uint32_t is_beside = pair[0].is_beside;
            struct mass joined;
            double least_m;
            pair[0].is_beside = pair[1].is_beside = false;
            if (!shape_over(pair, 2, INFINITY, &joined, &least_m)) {
                return false;
            }
            parts[one] = joined.shape;
            parts[one].is_beside = is_beside;
            is_used[one] = is_used[two] = is_gone[two] = true;
            excess--;
        }
        uint32_t kept = 0;
        for (uint32_t i = 0; i < *io_count; i++) {
            if (!is_gone[i]) {
                parts[kept++] = parts[i];
            }
        }
        *io_count = kept;
    }
    return true;
}

struct paint mass_mix(struct paint a, double a_m2, struct paint b, double b_m2)
{
    const double whole = a_m2 + b_m2;
    const double share = whole > 0 ? b_m2 / whole : 0.5;
    struct paint out;
    for (int i = 0; i < 4; i++) {
        out.color[i] = (uint16_t)lround(a.color[i] + share * (b.color[i] - a.color[i]));
    }
    return out;
}

/* The shape of `high` alone, the parts from `first` on beside it. Nearer parts
 * only make its own error less. */
static double error_beside_m(const struct mass *high, const struct mass *low)
{
    double most = high->shape.error_m;
    for (uint32_t i = 0; i < low->part_count; i++) {
        struct mass_prism part = low->parts[i];
        part.is_beside = true;
        most = larger(most, part_outside_m(&part, &high->shape) + part.error_m);
    }
    return most;
}

/* `parts` are those of both, `low`'s from `first` on. */
static void put_beside(const struct mass *high, double error_m, struct mass_prism *parts,
                       uint32_t first, uint32_t count, struct mass *out)
{
    for (uint32_t i = first; i < first + count; i++) {
        parts[i].is_beside = true;
    }
    out->shape = high->shape;
    out->shape.error_m = error_m;
    out->low_top_m = high->low_top_m;
    out->high_top_m = high->high_top_m;
}

bool mass_join(const struct mass *a, const struct mass *b, double limit_m, struct arena *out_arena,
               struct mass *out, double *out_least_m, struct err *err)
{
    struct mass_prism parts[2 * MASS_PARTS_MAX];
    uint32_t count = a->part_count + b->part_count;
    assert(count <= 2 * MASS_PARTS_MAX);
    memcpy(parts, a->parts, a->part_count * sizeof parts[0]);
    memcpy(parts + a->part_count, b->parts, b->part_count * sizeof parts[0]);
    struct mass joined = {
        .roof = mass_mix(a->roof, a->roof_m2, b->roof, b->roof_m2),
        .wall = mass_mix(a->wall, a->wall_m2, b->wall, b->wall_m2),
        .roof_m2 = a->roof_m2 + b->roof_m2,
        .wall_m2 = a->wall_m2 + b->wall_m2,
        .largest_m = larger(a->largest_m, b->largest_m),
    };
    const double beside_a_m = error_beside_m(a, b);
    const double beside_b_m = error_beside_m(b, a);
    const double beside_m = smaller(beside_a_m, beside_b_m);
    const bool is_over = shape_over(parts, count, smaller(limit_m, beside_m), &joined, out_least_m);
    if (!is_over && *out_least_m == 0 && beside_m > limit_m) {
        return err_set(err, ERR_GEOMETRY, "masses without area");
    }
    if (!is_over || joined.shape.error_m > beside_m) {
        *out_least_m = smaller(*out_least_m, beside_m);
        if (beside_m > limit_m) {
            return err_set(err, ERR_GEOMETRY, "masses too different");
        }
        if (beside_a_m <= beside_b_m) {
            put_beside(a, beside_a_m, parts, a->part_count, b->part_count, &joined);
        } else {
            put_beside(b, beside_b_m, parts, 0, a->part_count, &joined);
        }
    }
    if (!reduce(parts, &count)) {
        *out_least_m = 0;
        return err_set(err, ERR_GEOMETRY, "masses without area");
    }
    struct mass_prism *kept = arena_array(out_arena, struct mass_prism, count);
    if (kept == NULL) {
        return arena_full(out_arena, err);
    }
    memcpy(kept, parts, count * sizeof kept[0]);
    joined.parts = kept;
    joined.part_count = count;
    *out = joined;
    return true;
}

/* ---- a plan to convex pieces ---- */

/*
 * Whether all of a piece lies to the left of a side that it is to have. To look
 * at the neighbouring corners alone is not enough: the tip of a sliver that lies
 * along its side's own line passes there, far outside, and the ring turns twice.
 */
static bool is_left_of(const struct mass_prism *piece, struct vec2 from, struct vec2 to)
{
    const double slack = STRAIGHT_M * distance(from, to);
    for (uint32_t i = 0; i < piece->count; i++) {
        if (ring_turn(from, to, piece->points[i]) < -slack) {
            return false;
        }
    }
    return true;
}

/* Adds the tip of a triangle that shares the side (i, i + 1), if what comes of
 * it is convex. */
static bool grow(struct mass_prism *piece, const struct vec2 triangle[3])
{
    for (uint32_t i = 0; i < piece->count && piece->count < MASS_CORNERS_MAX; i++) {
        const uint32_t next = (i + 1) % piece->count;
        const struct vec2 a = piece->points[i];
        const struct vec2 b = piece->points[next];
        for (int k = 0; k < 3; k++) {
            const struct vec2 from = triangle[k];
            const struct vec2 to = triangle[(k + 1) % 3];
            if (from.x != b.x || from.y != b.y || to.x != a.x || to.y != a.y) {
                continue;
            }
            const struct vec2 tip = triangle[(k + 2) % 3];
            if (!is_left_of(piece, a, tip) || !is_left_of(piece, tip, b)) {
                return false;
            }
            memmove(piece->points + i + 2, piece->points + i + 1,
                    (piece->count - i - 1) * sizeof tip);
            piece->points[i + 1] = tip;
            piece->count++;
            return true;
        }
    }
    return false;
}

/* Makes what grew to within STRAIGHT_M of convex exactly that: its hull. */
static bool close_piece(struct mass_prism *piece)
{
    struct vec2 points[MASS_CORNERS_MAX];
    struct vec2 around[MASS_CORNERS_MAX + 1];
    memcpy(points, piece->points, piece->count * sizeof points[0]);
    const uint32_t count = drop_straight(around, ring_hull(points, piece->count, around));
    if (count < 3) {
        return false;
    }
    memcpy(piece->points, around, count * sizeof around[0]);
    piece->count = count;
    return true;
}

static uint32_t join_triangles(const struct triangulate_result *cut, const struct ring_set *rings,
                               bool *is_used, struct mass_prism *out, uint32_t most)
{
    uint32_t count = 0;
    for (uint32_t first = 0; first < cut->triangle_count; first++) {
        if (is_used[first]) {
            continue;
        }
        if (count == most) {
            return most + 1;
        }
        struct mass_prism *piece = &out[count];
        *piece = (struct mass_prism){.count = 3};
        for (int k = 0; k < 3; k++) {
            piece->points[k] = rings->points[cut->corners[3 * (size_t)first + (size_t)k]];
        }
        is_used[first] = true;
        for (bool has_grown = true; has_grown;) {
            has_grown = false;
            for (uint32_t t = first + 1; t < cut->triangle_count; t++) {
                struct vec2 triangle[3];
                for (int k = 0; k < 3; k++) {
                    triangle[k] = rings->points[cut->corners[3 * (size_t)t + (size_t)k]];
                }
                if (!is_used[t] && grow(piece, triangle)) {
                    is_used[t] = true;
                    has_grown = true;
                }
            }
        }
        count += close_piece(piece);
    }
    return count;
}

/* One outer ring and the holes in it. */
static bool cut_ring(const struct ring_set *plan, uint32_t outer, uint32_t most,
                     struct arena *scratch, struct mass_prism *out, uint32_t *out_count,
                     struct err *err)
{
    const uint32_t total = ring_point_count(plan);
    struct vec2 *points = arena_array(scratch, struct vec2, total);
    uint32_t *ends = arena_array(scratch, uint32_t, plan->ring_count);
    if (points == NULL || ends == NULL) {
        return arena_full(scratch, err);
    }
    struct ring_set rings = {points, ends, 0};
    uint32_t at = 0;
    for (uint32_t i = 0; i <= plan->ring_count; i++) {
        const uint32_t ring = i == 0 ? outer : i - 1;
        const uint32_t start = ring_start(plan, ring);
        const uint32_t count = plan->ends[ring] - start;
        const uint32_t from = ring_start(plan, outer);
        if (i > 0 &&
            (ring_area(plan->points + start, count) >= 0 ||
             !ring_holds(plan->points + from, plan->ends[outer] - from, plan->points[start]))) {
            continue;
        }
        memcpy(points + at, plan->points + start, count * sizeof points[0]);
        at += count;
        ends[rings.ring_count++] = at;
    }
    struct triangulate_result cut;
    struct err made;
    if (!triangulate_polygon(&rings, scratch, scratch, &cut, &made)) {
        *err = made;
        return made.code != ERR_NOMEM;
    }
    bool *is_used = arena_array(scratch, bool, cut.triangle_count);
    if (is_used == NULL) {
        return arena_full(scratch, err);
    }
    if (cut.blend_count == 0) {
        *out_count += join_triangles(&cut, &rings, is_used, out + *out_count, most - *out_count);
    } else {
        *out_count = most + 1; /* it crosses itself: no masses */
    }
    return true;
}

bool mass_from_plan(const struct ring_set *plan, double base_m, double top_m, double error_m,
                    uint32_t most, struct arena *out_arena, struct arena *scratch,
                    struct mass **out, uint32_t *out_count, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct mass_prism *pieces = arena_array(out_arena, struct mass_prism, (size_t)most + 1);
    struct mass *masses = arena_array(out_arena, struct mass, most);
    if (pieces == NULL || masses == NULL) {
        return arena_full(out_arena, err);
    }
    uint32_t count = 0;
    for (uint32_t r = 0; r < plan->ring_count && count <= most; r++) {
        const uint32_t start = ring_start(plan, r);
        if (ring_area(plan->points + start, plan->ends[r] - start) > 0 &&
            !cut_ring(plan, r, most, scratch, pieces, &count, err)) {
            arena_reset(scratch, mark);
            return false;
        }
    }
    arena_reset(scratch, mark);
    *out = masses;
    *out_count = count > most ? 0 : count;
    for (uint32_t i = 0; i < *out_count; i++) {
        pieces[i].base_m = base_m;
        pieces[i].top_m = top_m;
        pieces[i].error_m = error_m + STRAIGHT_M;
        masses[i] = (struct mass){.shape = pieces[i],
                                  .parts = &pieces[i],
                                  .part_count = 1,
                                  .low_top_m = top_m,
                                  .high_top_m = top_m};
    }
    return true;
}

/* ---- what hides what ---- */

bool mass_hides_wall(const struct mass_prism *other, const struct mass_prism *shape, uint32_t edge)
{
    if (other->top_m < shape->top_m - STRAIGHT_M || other->base_m > shape->base_m + STRAIGHT_M) {
        return false;
    }
    const double near2 = STRAIGHT_M * STRAIGHT_M;
    return square_to_plan(shape->points[edge], other) <= near2 &&
           square_to_plan(shape->points[(edge + 1) % shape->count], other) <= near2;
}

/* A side of `a` that all of `b` lies beyond. */
static bool is_parted_by(const struct mass_prism *a, const struct mass_prism *b, double slack_m)
{
    for (uint32_t i = 0; i < a->count; i++) {
        const struct vec2 from = a->points[i];
        const struct vec2 to = a->points[(i + 1) % a->count];
        const double slack = slack_m * distance(from, to);
        bool all_beyond = true;
        for (uint32_t k = 0; k < b->count && all_beyond; k++) {
            all_beyond = ring_turn(from, to, b->points[k]) <= slack;
        }
        if (all_beyond) {
            return true;
        }
    }
    return false;
}

bool mass_plans_overlap(const struct mass_prism *a, const struct mass_prism *b, double slack_m)
{
    return !is_parted_by(a, b, slack_m) && !is_parted_by(b, a, slack_m);
}
