/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_PLACE_H
#define TILER_PLACE_H

/*
 * place.h - stage two: every vertex to where it is on Earth.
 *
 * Each feature gets a frame of its own (east, north, up at its middle, so that
 * up is up for each building of a large city) and its vertices in it, as
 * doubles, through the source's coordinate operation: all of them, not only an
 * origin.
 */

#include "tiler/run.h"

/*
 * Reads run->features by run->offsets; fills placed, entries, ground_m and the
 * extent. A feature that has no place on Earth is reported and left out.
 *
 * Errors   ERR_CRS  none of the features could be placed
 */
ERR_CHECKED bool place_run(struct run *run, struct err *err);

#endif
