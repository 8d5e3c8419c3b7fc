/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_SIGHT_H
#define TILER_SIGHT_H

/*
 * sight.h - how much of a tile is wrong to the eye.
 *
 * The certified error of a tile is that of its worst feature. Two tiles of one
 * certified error can look quite different: in one a single tower lacks its
 * crown, in the other every roof is flat and every kerb gone. A viewer that goes
 * by the worst alone shows the second one too near, or the first one too far. So
 * a tile states at least the length of which its mean error is a tenth, over all
 * that is seen of what it stands for, no error counted for more than that length:
 *
 *     sum of area x min(error, length) = SIGHT_MEAN_SHARE x length x sum of area
 *
 * Where a viewer puts the children in the place of the tile, that length is 16
 * pixels wide with a factor of 1, and the mean error 1.6.
 *
 * Threads  a struct sight belongs to one
 */

#include "tiler/piece.h"

#define SIGHT_MEAN_SHARE 0.1

/* Sums of what was left out for good, which goes up the tree. */
struct sight_lost {
    double area_m2;
    double error_m3; /* area x error */
};

struct sight {
    double *areas_m2;
    double *errors_m;
    size_t count;
    struct sight_lost lost;
};

/* Seen from 35 degrees above the horizon, over all directions. */
double sight_area_m2(const struct piece *piece);

/* That of its slopes: roofs that are neither flat nor steep. Where one becomes flat,
 * its shade is wrong all over, however little it has moved. */
double sight_slopes_m2(const struct piece *piece);

/* That length; before the factor. */
double sight_error_m(const struct sight *sight);

#endif
