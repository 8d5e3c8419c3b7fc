/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_MASS_H
#define TILER_MASS_H

/*
 * mass.h - a building, or several, as one convex prism: what a city is made of
 * from far away.
 *
 *     parts    the prisms of the buildings' blocks, each with its own error
 *     shape    one prism for all of them: their rectangle or hull in plan, drawn
 *              in a little where that errs less, from the lowest base to a top
 *              that errs least; or that of one alone, the other left out beside
 *              it: a shed beside a house, a podium around a tower
 *
 *         ___     parts: two houses and the gap between them
 *     ___|   |    ________
 *    |   |   |   |        |
 *    |___| |_|   |________|
 *
 * The error of a mass is measured between solids, in both directions and with
 * each part's own error added: how far a point of a part is outside the mass,
 * and how far a point of the mass is from the nearest part. So a gap that is
 * closed counts with half its width, and what is closed in by it does not count
 * at all: nobody sees it.
 *
 * The second direction is proven by branch and bound over the plan: the
 * distance to a convex part is largest at a corner of what is looked at, and
 * changes by no more than one moves. When it takes more than a number of steps
 * the bound is looser, but as true.
 *
 * The first takes the corners of the parts, as the shape is convex. Of one left
 * out beside another that is all there is to prove: the other's shape is as near
 * to its own parts as it was.
 *
 * Parts that become too many are replaced, two by one, by masses of their own,
 * whose error they then have: distances between solids add up.
 *
 * Frame    plan in metres, heights in metres; the same for all
 * Threads  no state
 */

#include "formats/base/arena.h"
#include "formats/base/vec.h"
#include "tiler/paint.h"
#include "tiler/ring.h"

enum { MASS_CORNERS_MAX = 8, MASS_PARTS_MAX = 64 };

struct mass_prism {
    struct vec2 points[MASS_CORNERS_MAX]; /* convex, anticlockwise */
    uint32_t count;
    uint32_t is_beside; /* of a part: 1 when the shape leaves it out */
    double base_m;
    double top_m;
    double error_m; /* to full detail */
};

struct mass {
    struct mass_prism shape;
    const struct mass_prism *parts;
    uint32_t part_count; /* 1 to MASS_PARTS_MAX */
    double low_top_m;    /* of the parts */
    double high_top_m;
    double largest_m; /* the size of the largest feature in it; 0: not yet known */
    struct paint roof, wall;
    double roof_m2, wall_m2; /* what the colours are the means of */
};

/*
 * The masses of a prism over a plan: convex pieces that make it up, within a
 * centimetre, which their errors have more. None when it takes more than `most`;
 * their colours are the caller's.
 *
 * Shapes   plan  outer rings anticlockwise, holes clockwise, not crossing
 * Memory   *out lives in out_arena; scratch is marked and reset
 */
ERR_CHECKED bool mass_from_plan(const struct ring_set *plan, double base_m, double top_m,
                                double error_m, uint32_t most, struct arena *out_arena,
                                struct arena *scratch, struct mass **out, uint32_t *out_count,
                                struct err *err);

/* No join of the two has an error below this: by their gap, their heights and
 * their own errors. Cheap. */
double mass_join_least_m(const struct mass *a, const struct mass *b);

/* The distance of two masses' boxes in plan. */
double mass_gap_m(const struct mass *a, const struct mass *b);

/*
 * One mass for two; out->shape.error_m is proven. When it is found that it errs
 * by more than limit_m the proof is given up: ERR_GEOMETRY, and *out_least_m is
 * what is known (0: the two have no area).
 *
 * Memory   out->parts live in out_arena
 */
ERR_CHECKED bool mass_join(const struct mass *a, const struct mass *b, double limit_m,
                           struct arena *out_arena, struct mass *out, double *out_least_m,
                           struct err *err);

/* An upper bound, within about a tenth, of how far `shape` and `parts` are from
 * each other, the parts' errors added. */
double mass_measure_m(const struct mass_prism *shape, const struct mass_prism *parts,
                      uint32_t part_count);

/* Of all corners. */
double mass_diameter_m(const struct mass_prism *shape);

/* Of the narrowest rectangle around its plan. */
double mass_width_m(const struct mass_prism *shape);

/* A piece of ground: only its top is drawn. */
bool mass_is_flat(const struct mass_prism *shape);

double mass_area_m2(const struct mass_prism *shape);

/* Whether the wall from corner `edge` to the next stands inside another prism. */
bool mass_hides_wall(const struct mass_prism *other, const struct mass_prism *shape, uint32_t edge);

/* Whether two plans share more than their borders, by more than slack_m. */
bool mass_plans_overlap(const struct mass_prism *a, const struct mass_prism *b, double slack_m);

/* The mean of two colours by area, in linear light. */
struct paint mass_mix(struct paint a, double a_m2, struct paint b, double b_m2);

#endif
