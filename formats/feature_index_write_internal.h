/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_FEATURE_INDEX_WRITE_INTERNAL_H
#define FORMATS_FEATURE_INDEX_WRITE_INTERNAL_H

/*
 * feature_index_write_internal.h - what features gather in, for
 * feature_index_write.c, and how it becomes the file, in
 * feature_index_finish.c.
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/feature_index_internal.h"
#include "formats/feature_index_write.h"

/* A section that grows: what does not fit its buffer goes to a file without a
 * name. */
struct feature_index_part {
    int fd; /* -1: everything is still in the buffer */
    uint64_t written;
    struct buf buffer;
};

/* Numbers by 64-bit hash; two different texts with one hash (one pair in four
 * billion texts) would be one. */
struct feature_index_numbers {
    struct buf slots; /* struct feature_index_number_slot, a power of two of them */
    size_t count;
};

struct feature_index_number_slot {
    uint64_t hash;
    uint32_t number; /* + 1; 0 free */
};

struct feature_index_new_group {
    uint64_t hash;
    uint32_t text, bytes; /* of its id, in strings */
    uint32_t kind;
    uint32_t above; /* a group that this one is a member of, or none */
    uint32_t row;
    uint32_t first, count;
    uint32_t sorted; /* its number in the file */
};

struct feature_index_new_tile {
    uint32_t name; /* offset in tile_names */
    uint32_t text, bytes;
    uint32_t above;
    uint32_t own_count; /* rows whose tile it is */
    uint32_t sorted;
    uint32_t first, count; /* with all below */
    uint32_t first_child, next_sibling;
};

/* What a row is remembered by until the end. */
struct feature_index_kept_row {
    uint64_t hash; /* of its id */
    uint32_t parent, merged, tile;
};

struct feature_index_writer {
    struct arena memory; /* itself, path, folder */
    const char *path;
    const char *folder;
    struct feature_index_head head;
    char datum[FEATURE_INDEX_DATUM_BYTES];
    uint32_t count;
    uint64_t level_blocks[FEATURE_INDEX_LEVELS_MAX];
    uint32_t level_count;
    struct feature_index_part levels[FEATURE_INDEX_LEVELS_MAX];
    float block[FEATURE_INDEX_LEVELS_MAX][6][FEATURE_INDEX_NODE];
    uint32_t block_fill[FEATURE_INDEX_LEVELS_MAX];
    double extent[6]; /* min x y z, max x y z: what the boxes span */
    struct feature_index_part rows, strings, floors, footprints;
    struct buf kept; /* struct feature_index_kept_row */
    struct buf groups;
    struct feature_index_numbers group_numbers;
    struct buf classes; /* pairs of offset and bytes */
    struct feature_index_numbers class_numbers;
    struct buf tiles;
    struct buf tile_names;
    struct buf memberships; /* struct feature_index_key: hash of an id, number of its group */
};

/* Writes what is left in blocks that are not full. */
ERR_CHECKED bool feature_index_writer_boxes(struct feature_index_writer *writer, struct err *err);

#endif
