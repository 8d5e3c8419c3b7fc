/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_GEOPACKAGE_INTERNAL_H
#define FORMATS_GEOPACKAGE_INTERNAL_H

/*
 * geopackage_internal.h - the read-only file system that SQLite sees, for
 * geopackage.c.
 *
 * One for each opened file: it knows a descriptor, an offset and a size, reads
 * by pread, and refuses everything else. It is registered under a name of its
 * own while the database is opened, and no longer: nothing is global.
 */

#include <stdint.h>

#include "formats/base/err.h"

struct sqlite3;
struct geopackage_vfs;
struct arena;

/* Where the database lies. The descriptor is the caller's until closing. */
struct geopackage_place {
    int fd;
    uint64_t offset;
    uint64_t bytes;
};

/*
 * Opens a connection to the database that lies at `place`.
 *
 * Memory   what the connection needs lives in `memory` until after it is closed
 */
ERR_CHECKED bool geopackage_vfs_open(const struct geopackage_place *place, struct arena *memory,
                                     struct sqlite3 **out, struct err *err);

#endif
