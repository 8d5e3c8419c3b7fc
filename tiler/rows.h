/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_ROWS_H
#define TILER_ROWS_H

/*
 * rows.h - attributes of a tile's features as columns of its property table.
 *
 * Leaves carry every attribute; above them those that the schema calls brief: id, and
 * class, name and height unless --properties says others. Groups have an id, a
 * class, a height, and how many features they stand for.
 */

#include "formats/property_table.h"
#include "tiler/tile_write.h"

/* A row per item of the request, in its order. Columns without any value are
 * left out. Memory: *out lives in `tile`. */
ERR_CHECKED bool rows_make(const struct tile_request *request, struct arena *tile,
                           struct property_table *out, struct err *err);

/*
 * Gives the figure the attributes that far tiles have of it.
 *
 * Memory   in `tile`; texts are the record's
 */
ERR_CHECKED bool rows_keep_far(const struct record *record, const struct property_schema *schema,
                               const uint32_t *property_of_key, struct arena *tile,
                               struct figure *figure, struct err *err);

#endif
