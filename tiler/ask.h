/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_ASK_H
#define TILER_ASK_H

/*
 * ask.h - `storey query`: the server's questions to a package, offline.
 *
 *     storey query PACKAGE [KIND] [--PARAMETER VALUE]...
 *
 * KIND is a route of the server (items, position, radius, area, nearest, ray,
 * flood), or `item ID`, or `queryables`. Parameters are query.h's.
 */

#include "formats/base/buf.h"
#include "tiler/options.h"

/*
 * Appends the answer to `out`.
 *
 * Errors   those of opening a package and of query.h
 */
ERR_CHECKED bool ask_run(const struct options *options, struct arena *run, struct buf *out,
                         struct err *err);

#endif
