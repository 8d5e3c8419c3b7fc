/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_PACKAGE_H
#define FORMATS_PACKAGE_H

/*
 * package.h - a tileset package opened for reading: a directory or one .3tz
 * archive, with the same names in both.
 *
 * Names are relative, with slashes; one that would leave the package is simply
 * not found. An opened package stays what it was when it is replaced on disk:
 * the archive's map and the directory's handle hold on to the old one.
 *
 * Threads  After package_open(), package_find() and package_load() may be called
 *          from any thread at once.
 */

#include "formats/archive_3tz.h"
#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/io.h"

struct package;

/* A file as it lies in the package. */
struct package_member {
    bool is_found;
    unsigned method;    /* packing_method; a directory's files are PACKING_STORED */
    uint32_t crc32;     /* of the expanded bytes; 0 for a directory's files */
    uint64_t bytes;     /* expanded */
    struct span packed; /* raw; in the archive's map, or in `map` */
    struct io_map map;  /* a directory's file: package_member_release() unmaps it */
};

/* What package_list() tells about a file. */
struct package_entry {
    struct text name;
    uint64_t bytes; /* expanded */
};

/*
 * Opens a directory, a .3tz (any ZIP), or a tileset.json, which stands for the
 * directory that it is in (see package_tileset_name()).
 *
 * Errors   ERR_IO, those of archive_3tz_open(). An empty directory opens.
 */
ERR_CHECKED bool package_open(const char *path, struct package **out, struct err *err);
void package_close(struct package *package); /* NULL is fine */

/* "tileset.json", or the name of the JSON file that was given. */
struct text package_tileset_name(const struct package *package);

bool package_is_archive(const struct package *package);

/* The archive that it is, or NULL for a directory. */
const struct archive_3tz *package_archive(const struct package *package);

/*
 * Finds a file. True with out->is_found false when there is none; false when the
 * archive is damaged or the system refuses.
 *
 * Memory   out->packed is valid until package_member_release(), and for an
 *          archive until package_close()
 */
ERR_CHECKED bool package_find(const struct package *package, struct text name,
                              struct package_member *out, struct err *err);
void package_member_release(struct package_member *member);

/*
 * Appends the expanded file to `out`, CRC-32 compared where there is one.
 * ERR_IO "no 'name' in the package" when there is none; the limit of `out` holds.
 */
ERR_CHECKED bool package_load(const struct package *package, struct text name, struct buf *out,
                              struct err *err);

/* Every file, sorted by name (bytes), without the archive's index. Folders and
 * anything that is not a regular file are left out. */
ERR_CHECKED bool package_list(const struct package *package, struct arena *source,
                              struct package_entry **out_entries, size_t *out_count,
                              struct err *err);

/* True when it carries a manifest that manifest_read() accepts. */
bool package_is_ours(const struct package *package);

/*
 * Where a stored file's bytes lie on disk, for readers that want a file and an
 * offset (SQLite): path of the file or archive, first byte, size. False, with
 * ERR_UNSUPPORTED, when the member is compressed.
 */
struct package_place {
    char path[4096];
    uint64_t offset, bytes;
};
ERR_CHECKED bool package_locate(const struct package *package, struct text name,
                                struct package_place *out, struct err *err);

#endif
