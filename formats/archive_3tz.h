/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_ARCHIVE_3TZ_H
#define FORMATS_ARCHIVE_3TZ_H

/*
 * archive_3tz.h - a 3D Tiles archive: a ZIP whose last member is an index.
 *
 * Source   3TZ 1.3 (Maxar-Public/3d-tiles-archive-specification)
 * Layout   the ZIP of zip.h without an archive comment; its last member, stored,
 *          is "@3dtilesIndex1@": 24 bytes for each other member, sorted by the
 *          digest as a pair of little-endian u64 (low first)
 *
 *             0  8  first half of MD5(name), little endian
 *             8  8  second half
 *            16  8  offset of the member's local header
 *
 *          Names are paths relative to the root, with slashes, as UTF-8.
 * Limits   A member is under 4 GiB. Archives inside archives are not followed.
 * Threads  An opened archive is only read
 */

#include "formats/zip.h"

#define ARCHIVE_3TZ_INDEX_NAME "@3dtilesIndex1@"

struct archive_3tz {
    struct span file;
    bool has_index;    /* else `zip` is searched */
    struct span index; /* rows of 24 bytes */
    struct zip zip;    /* members only when there is no index */
    uint32_t *by_name; /* members of `zip` sorted by name; NULL with an index */
};

/*
 * Opens an archive that lies in `file`.
 *
 * With an index, only the end of the archive and the order of the index are
 * read: a million members open in milliseconds, and a member is checked when it
 * is asked for. Without one (any ZIP), the whole directory is.
 *
 * Memory   `file` is borrowed; tables lie in `source`
 * Errors   those of zip_open(); ERR_SCHEMA for an index that is not sorted or
 *          whose rows lie outside the file
 */
ERR_CHECKED bool archive_3tz_open(struct span file, struct arena *source, struct archive_3tz *out,
                                  struct err *err);

/*
 * Finds a member. True with *out_found false when there is none; false when the
 * archive is damaged there.
 */
ERR_CHECKED bool archive_3tz_find(const struct archive_3tz *archive, struct text name,
                                  struct zip_member *out, bool *out_found, struct err *err);

/* The writer: add members in any order, then finish. */
struct archive_3tz_writer;

ERR_CHECKED bool archive_3tz_writer_open(const char *path, struct archive_3tz_writer **out,
                                         struct err *err);
ERR_CHECKED bool archive_3tz_writer_add(struct archive_3tz_writer *writer, struct text name,
                                        enum packing_method method, struct span packed,
                                        uint32_t crc32, uint64_t bytes, size_t align,
                                        struct err *err);
ERR_CHECKED bool archive_3tz_writer_add_file(struct archive_3tz_writer *writer, struct text name,
                                             const char *path, size_t align, struct err *err);
ERR_CHECKED bool archive_3tz_writer_finish(struct archive_3tz_writer *writer, bool is_durable,
                                           struct err *err);
void archive_3tz_writer_close(struct archive_3tz_writer *writer); /* NULL is fine */

/* MD5 (RFC 1321) of a name, as the index has it. */
void archive_3tz_md5(struct span bytes, uint8_t out[16]);

#endif
