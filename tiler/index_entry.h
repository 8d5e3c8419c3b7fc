/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_INDEX_ENTRY_H
#define TILER_INDEX_ENTRY_H

/*
 * index_entry.h - what a placed record says to features.idx and features.gpkg,
 * as bytes on the way from a worker to the writers.
 *
 * Layout   private to one run: native numbers, arrays at multiples of 8
 */

#include "formats/feature_index_write.h"
#include "formats/geopackage_write.h"
#include "tiler/crs.h"
#include "tiler/record.h"

/* The same for every feature of a run; only read. */
struct index_entry_means {
    struct feature_frame frame;
    const uint8_t *names_roles;       /* per key: names.h */
    const uint8_t *storeys_roles;     /* per key: storeys.h */
    const uint32_t *column_of_key;    /* into columns; UINT32_MAX none */
    const struct text *names_of_keys; /* for digests */
    uint32_t name_key, height_key;    /* attributes that say what a built-in would */
    const struct geopackage_new_column *columns;
    size_t column_count;
};

/* What is written. Points into the bytes that it was read from. */
struct index_entry {
    struct feature_index_entry index; /* tile and root's rows apart */
    struct geopackage_feature attributes;
};

/*
 * Adds the entry's bytes to `out`, which is at a multiple of 8.
 *
 * layer_crs   what the footprint is given in, opened by this thread; NULL:
 *             longitude and latitude
 * Memory      tile and scratch are for intermediate arrays
 */
ERR_CHECKED bool index_entry_write(const struct record *record,
                                   const struct index_entry_means *means, struct crs *layer_crs,
                                   struct arena *tile, struct arena *scratch, struct buf *out,
                                   struct err *err);

/* Reads the entry at the beginning of `bytes`. Memory: *out lives in `arena`. */
ERR_CHECKED bool index_entry_read(struct span bytes, const struct index_entry_means *means,
                                  struct arena *arena, struct index_entry *out, struct err *err);

#endif
