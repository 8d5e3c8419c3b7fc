/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_BUILD_H
#define TILER_BUILD_H

/*
 * build.h - stage four: the tiles, leaves first, then parents from what their
 * children showed.
 *
 * A leaf makes the versions of its features once and hands on those that a
 * coarser tile may want. A parent reads what its children handed on, picks a
 * version of each feature under the byte budget, and hands on what is coarser
 * than its pick: each level costs less than the one below it, and the city is
 * never read again.
 */

#include "tiler/run.h"

/*
 * Writes every tile to run->publish; fills in the nodes' results.
 *
 * Report   features that cannot be drawn; what their repair did
 * Errors   ERR_GEOMETRY with --strict; ERR_IO, ERR_NOMEM, ERR_LIMIT
 */
ERR_CHECKED bool build_run(struct run *run, struct err *err);

#endif
