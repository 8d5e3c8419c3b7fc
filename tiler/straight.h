/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_STRAIGHT_H
#define TILER_STRAIGHT_H

/*
 * straight.h - points that no outline needs: every line through them runs
 * straight on between the same two neighbours.
 *
 * Where lines branch, a point stays: somebody needs it, and taking it from one
 * of them opens a crack. What is lost is summed along each line: every point of
 * a finely divided curve is straight between its neighbours, the curve is not.
 *
 * Threads  no state
 */

#include <stdbool.h>
#include <stdint.h>

#include "formats/base/arena.h"
#include "formats/base/vec.h"

struct straight {
    const struct vec3 *points;
    uint32_t point_count;
    uint32_t *neighbors; /* two a point, or UINT32_MAX */
    double *slack_m;     /* beside each: how far off lies what was taken out before */
    uint8_t *stays;
};

/* Memory: `scratch`, until the caller resets it. */
ERR_CHECKED bool straight_init(struct straight *straight, const struct vec3 *points,
                               uint32_t point_count, struct arena *scratch, struct err *err);

/* A line runs between two points, either way; a second time changes nothing. */
void straight_join(struct straight *straight, uint32_t a, uint32_t b);

void straight_keep(struct straight *straight, uint32_t point);

/* True where any line touches the point. */
bool straight_has_line(const struct straight *straight, uint32_t point);

/*
 * Finds points that may go all together: no line moves by more than
 * tolerance_m. In the order of the points, so that the answer is repeatable.
 *
 * Shapes   out_is_straight  point_count
 */
void straight_find(struct straight *straight, double tolerance_m, uint8_t *out_is_straight);

#endif
