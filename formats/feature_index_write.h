/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_FEATURE_INDEX_WRITE_H
#define FORMATS_FEATURE_INDEX_WRITE_H

/*
 * feature_index_write.h - writes features.idx as a stream.
 *
 *     feature_index_writer_open()
 *     feature_index_writer_tile() ...     every tile, parents' numbers as they come
 *     feature_index_writer_add() ...      every feature, along the curve
 *     feature_index_writer_member() ...   who is in merged groups, before or after
 *     feature_index_writer_finish()
 *     feature_index_writer_close()        in any case
 *
 * The caller sorts the features first: feature_index_curve() gives each a key,
 * feature_index_sort() sorts keys. Memory: 24 bytes a feature (60 while finishing) and 56 a group;
 * text, floors and footprints go through temporary files.
 *
 * The same calls give the same bytes.
 */

#include "formats/feature_index.h"

struct feature_index_head {
    struct feature_frame frame;
    uint32_t count;    /* features that will be added */
    struct text datum; /* of local heights; cut to FEATURE_INDEX_DATUM_BYTES */
    double ground_m;
};

/* A feature to be written. Boxes and footprints in local metres. */
struct feature_index_entry {
    struct text id;
    struct text class_name;
    struct text parent; /* id; "" none */
    struct text root;   /* id of the topmost object above it; "" or its own: none */
    struct box3 box;    /* double; rounded outward when it is written */
    struct vec2 point;
    uint32_t tile;
    double base_m, top_m;
    double base_local_m, top_local_m;
    enum feature_storeys storeys;
    uint32_t storeys_above, storeys_below;
    const double *floors; /* storeys_below + storeys_above, as in the layout; or NULL */
    struct digest digest;
    const struct vec2 *points; /* of the footprint */
    const uint32_t *ring_ends; /* one past the last point of each ring */
    const bool *is_hole;       /* per ring; NULL: none is */
    uint32_t ring_count;
    double footprint_m2;
};

struct feature_index_writer;

/*
 * Begins a new file at `path`; temporary files go to `folder` and have no names.
 *
 * Errors   ERR_IO, ERR_NOMEM; ERR_LIMIT for too many features
 */
ERR_CHECKED bool feature_index_writer_open(const char *path, const char *folder,
                                           const struct feature_index_head *head,
                                           struct feature_index_writer **out, struct err *err);

/* A tile; its number is the count of those before it. `above` may be a number
 * still to come; FEATURE_INDEX_NONE for the root. */
ERR_CHECKED bool feature_index_writer_tile(struct feature_index_writer *writer, struct text name,
                                           uint32_t above, struct err *err);

/* The next row. Errors   ERR_LIMIT  strings or footprints past their limit; more
 * features than were announced */
ERR_CHECKED bool feature_index_writer_add(struct feature_index_writer *writer,
                                          const struct feature_index_entry *entry, struct err *err);

/*
 * A feature, or a merged group, is in merged group `group`: farther away they
 * are drawn as one. A feature is in at most one; what is in no row is left out.
 */
ERR_CHECKED bool feature_index_writer_member(struct feature_index_writer *writer, struct text group,
                                             struct text member, bool is_group, struct err *err);

/* Writes the tables and the head. */
ERR_CHECKED bool feature_index_writer_finish(struct feature_index_writer *writer, struct err *err);
void feature_index_writer_close(struct feature_index_writer *writer); /* NULL is fine */

/* ---- the order of rows ---- */

struct feature_index_key {
    uint64_t key;
    uint32_t item;
};

/* Where a point lies on a Hilbert curve through a square of 2^bits cells a side;
 * bits <= 32. */
uint64_t feature_index_curve(uint32_t x, uint32_t y, int bits);

/* Sorts by key, equal ones as they stood. Shapes   scratch  as many as keys */
void feature_index_sort(struct feature_index_key *keys, struct feature_index_key *scratch,
                        size_t count);

/*
 * The boxes section for `count` boxes in the order of rows (`order`; NULL: as
 * they stand); `out` has feature_index_tree_bytes(count) bytes. What the writer
 * does as features come.
 */
uint64_t feature_index_tree_bytes(uint32_t count);
void feature_index_tree(const struct box3 *boxes, const struct feature_index_key *order,
                        uint32_t count, uint8_t *out);

#endif
