/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_ROWS_H
#define TILER_ROWS_H

/*
 * rows.h - attributes of a tile's features as columns of its property table.
 *
 * Leaves carry every attribute; above them id, class, name and height.
 */

#include "formats/property_table.h"
#include "tiler/tile_write.h"

/* A row per item of the request, in its order. Columns without any value are
 * left out. Memory: *out lives in `tile`. */
ERR_CHECKED bool rows_make(const struct tile_request *request, struct arena *tile,
                           struct property_table *out, struct err *err);

#endif
