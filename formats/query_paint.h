/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_QUERY_PAINT_H
#define FORMATS_QUERY_PAINT_H

/*
 * query_paint.h - the features of an answer as viewers paint them: a style, or a
 * bit a feature.
 *
 * Layout   of the bits: feature n of the package, in the order of its index (that of
 *          /items without sortby), is bit n % 8 of byte n / 8; set when it is a hit.
 *          As many bytes as all features of the package need, those at the end zero.
 *          A hundred thousand are 12.5 KB, where their ids are a megabyte.
 *
 * Source   3D Tiles 1.1, "Declarative styling specification"
 */

#include "formats/base/buf.h"
#include "formats/query.h"

/* Flooded features by depth: deeper water is a darker blue. Everything else white. */
ERR_CHECKED bool query_paint_style(const struct query_target *target,
                                   const struct query_result *result, struct arena *request,
                                   struct buf *out, struct err *err);

void query_paint_bitset(const struct query_target *target, const struct query_result *result,
                        struct buf *out);

#endif
