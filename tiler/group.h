/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_GROUP_H
#define TILER_GROUP_H

/*
 * group.h - who is in a group: features that far tiles draw as one.
 *
 * A group is made by one tile of the tree and may be shown by tiles above it.
 * There it can become a member of a larger one: groups of groups. Tiles say a
 * group's id and how many features it stands for, never which; that is handed
 * to the index here, once per group, by the tile that made it:
 *
 *     for each node of the run with groups_bytes > 0:
 *         spool_read(run->groups, node->groups_offset, ...)
 *         group_read() until the bytes are used up
 *
 * A feature is in at most one group, and a group in at most one larger group.
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/bytes.h"

struct group_member {
    struct text id;
    bool is_group; /* else a feature */
};

struct group {
    struct text id;
    struct text class_name;
    uint64_t feature_count; /* of all features below, through groups of groups */
    const struct group_member *members;
    size_t member_count; /* at least 2 */
};

enum { GROUP_ID_BYTES = 16 };

/*
 * The id of a group of these members: "group-" and ten letters and digits made
 * from the digest of their sorted ids. So it depends on nothing but who is in
 * it.
 *
 * Memory   scratch is marked and reset; out is not terminated
 */
ERR_CHECKED bool group_name(const struct group_member *members, size_t member_count,
                            struct arena *scratch, char out[GROUP_ID_BYTES], struct err *err);

/* Appends a group; begins and ends at a multiple of 8 of `out`. */
void group_write(const struct group *group, struct buf *out);

/*
 * Reads the next group at *at, which moves behind it.
 *
 * Memory   *out points into `bytes` and into `arena`
 * Errors   ERR_IO  damaged
 */
ERR_CHECKED bool group_read(struct span bytes, size_t *at, struct arena *arena, struct group *out,
                            struct err *err);

#endif
