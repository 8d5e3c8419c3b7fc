/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_RECORD_H
#define TILER_RECORD_H

/*
 * record.h - one feature as bytes in the spool, and back.
 *
 * A record is what struct feature is, without pointers: attribute keys are
 * numbers of the run's dictionary, own and inherited attributes are one list
 * (own first). It is written twice in a run: by ingest in source coordinates,
 * by place in the feature's own frame.
 *
 * Layout   private to one run of one build: native numbers, arrays at multiples
 *          of 8, in the order of struct feature. Reading checks nothing that
 *          the spool's checksum has not checked.
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/vec.h"
#include "formats/feature.h"

struct record_attribute {
    uint32_t key; /* of the run's dictionary */
    struct feature_value value;
};

struct record {
    /* feature.attributes and feature.inherited are empty: see below. After
     * place, vertices are metres in the feature's own frame (x east, y north,
     * z up at origin_ecef_m). */
    struct feature feature;
    const struct record_attribute *attributes;
    size_t attribute_count;
    size_t own_count;          /* the first ones; the rest is inherited */
    uint32_t source;           /* index into the run's inputs */
    uint32_t crs;              /* index into the run's coordinate systems */
    struct vec3 origin_ecef_m; /* zero until placed */
    /* Lowest and highest point in the source's vertical datum; zero until placed. */
    double base_local_m, top_local_m;
};

/* Adds the record's bytes to `out`, which is at a multiple of 8. */
void record_write(const struct record *record, struct buf *out);

/* Says where the only record in `bytes` came from, after it was written: its
 * digest is taken before, so that it does not depend on that. */
void record_stamp(struct buf *bytes, uint32_t source, uint32_t line);

/*
 * Memory   *out points into `bytes` (aligned to 8) and into `arena`
 */
ERR_CHECKED bool record_read(struct span bytes, struct arena *arena, struct record *out,
                             struct err *err);

#endif
