/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_STORE_INTERNAL_H
#define SERVER_STORE_INTERNAL_H

/*
 * store_internal.h - what store.c (packages) and store_cache.c (views of their
 * files) share.
 */

#include <stdatomic.h>
#include <sys/stat.h>

#include "formats/package.h"
#include "server/reach.h"
#include "server/store.h"

/* Of a digest in a file's name, or of a revision. */
enum { STORE_NAME_DIGITS = 16 };

struct store {
    atomic_uint holder_count;
    struct arena memory; /* itself, path, facts */
    struct package *package;
    struct facts facts;
    struct reach reach; /* of a foreign package */
    char revision[STORE_NAME_DIGITS + 1];
    struct buf root; /* its tileset.json with the revision in every URI */
    const char *path;
    int fd;             /* the archive, or the folder */
    struct stat opened; /* the archive, or the folder's tileset.json */
    bool is_archive;
    bool is_package; /* false: a plain folder */
    bool has_index;
    struct feature_index index;
    struct package_member index_member; /* keeps a folder's map */
    int index_fd;                       /* of a folder's file; -1: the store's */
    struct stat index_opened;
    uint64_t serial;              /* never used twice in a process */
    atomic_uint_least64_t number; /* of the last catalogue that serves it */
};

int64_t store_mtime_ns(const struct stat *info);

/* The part of "tiles/3/1-00ff00ff00ff00ff.glb" before its ending, and whether it ends
 * in the digest of the file's bytes. */
struct text store_name_stem(struct text name);
bool store_name_has_digest(struct text stem);

#endif
