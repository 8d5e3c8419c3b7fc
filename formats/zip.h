/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_ZIP_H
#define FORMATS_ZIP_H

/*
 * zip.h - the ZIP container, read from a map and written front to back.
 *
 * Source   PKWARE APPNOTE.TXT 6.3.10: "Local file header", "Central directory
 *          structure", "Zip64 extended information extra field", method 93
 * Layout   little endian, offset and size in bytes
 *
 *          local header            0 4 "PK\3\4"   8 2 method   14 4 CRC-32
 *                                 18 4 packed    22 4 size     26 2 name  28 2 extra
 *                                 30 - name, extra field, packed bytes
 *          directory entry         0 4 "PK\1\2"   8 2 flags    10 2 method
 *                                 16 4 CRC-32    20 4 packed   24 4 size
 *                                 28 2 name      30 2 extra    32 2 comment
 *                                 42 4 offset of the local header
 *                                 46 - name, extra field, comment
 *          end of directory        0 4 "PK\5\6"  10 2 entries  12 4 size  16 4 offset
 *                                 20 2 comment
 *          zip64 end               0 4 "PK\6\6"  32 8 entries  40 8 size  48 8 offset
 *          zip64 locator           0 4 "PK\6\7"   8 8 offset of the zip64 end
 *
 * Limits   One volume; not encrypted; stored, deflate and zstd can be expanded,
 *          other methods are listed.
 * Threads  A struct zip is only read after zip_open(); a writer belongs to one
 *          thread at a time.
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"
#include "formats/packing.h"

struct zip_member {
    struct text name; /* as stored, maybe not UTF-8; borrowed from the file's bytes */
    unsigned method;  /* a packing_method, or something unknown */
    uint32_t crc32;
    uint64_t bytes;         /* expanded */
    struct span packed;     /* the raw bytes in the file */
    uint64_t header_offset; /* of the local header */
    bool is_folder;         /* the name ends in a slash */
};

struct zip {
    struct span file;
    struct zip_member *members; /* in the order of the central directory */
    size_t member_count;
};

enum { ZIP_MEMBERS_MAX = 1 << 26 };

/*
 * Reads the central directory and checks every member against its local header.
 *
 * Memory   `file` is borrowed, members lie in `source`
 * Errors   ERR_SYNTAX       not a ZIP, or a part that does not fit the file;
 *                           directory and local header disagree
 *          ERR_SCHEMA       a name that leaves its folder, the same name twice,
 *                           members that overlap
 *          ERR_UNSUPPORTED  several volumes, encrypted
 *          ERR_LIMIT        more than ZIP_MEMBERS_MAX members
 *          each with the offset of the header at fault
 */
ERR_CHECKED bool zip_open(struct span file, struct arena *source, struct zip *out, struct err *err);

/* The member of that name or NULL; looks at every member. */
const struct zip_member *zip_find(const struct zip *zip, struct text name);

/*
 * The member whose local header stands at `offset`, from that header alone.
 * Sizes must be in it (no data descriptor), as 3TZ demands.
 */
ERR_CHECKED bool zip_member_at(struct span file, uint64_t offset, struct zip_member *out,
                               struct err *err);

/* Appends the expanded member to `out` and compares its CRC-32. The limit of
 * `out` is the guard against bombs. */
ERR_CHECKED bool zip_load(const struct zip_member *member, struct buf *out, struct err *err);

/*
 * True when a file of this name may be made below a folder on any system: what
 * zip_open() demands of every name (not empty, relative, no NUL, no empty, "."
 * or ".." part; one trailing slash marks a folder) and also UTF-8 without
 * backslash, colon or control characters.
 */
bool zip_name_is_safe(struct text name);

/* True when `bytes` begin or end as a ZIP does; for telling formats apart. */
bool zip_is_zip(struct span bytes);

struct zip_writer;

/* Creates or overwrites the file. It is no ZIP before zip_writer_finish(). */
ERR_CHECKED bool zip_writer_open(const char *path, struct zip_writer **out, struct err *err);

/*
 * Adds a member whose bytes are packed already. The date is 1980-01-01, so that
 * the same members give the same file.
 *
 * align    1, or a power of two up to 4096: the packed bytes begin at a multiple
 *          of it (Android's alignment field, 0xD935, fills the gap)
 * Errors   ERR_SCHEMA  unsafe name   ERR_LIMIT  4 GiB or more   ERR_IO
 *          The same name twice is the caller's to avoid.
 */
ERR_CHECKED bool zip_writer_add(struct zip_writer *writer, struct text name,
                                enum packing_method method, struct span packed, uint32_t crc32,
                                uint64_t bytes, size_t align, struct err *err);

/* Adds the file at `path` stored, copied in pieces: memory does not grow. */
ERR_CHECKED bool zip_writer_add_file(struct zip_writer *writer, struct text name, const char *path,
                                     size_t align, struct err *err);

/* Where the next local header will stand. */
uint64_t zip_writer_offset(const struct zip_writer *writer);

/* Writes the directory (zip64 where needed); fsync when asked. */
ERR_CHECKED bool zip_writer_finish(struct zip_writer *writer, bool is_durable, struct err *err);

/* Frees and closes; the file stays as it is. NULL is fine. */
void zip_writer_close(struct zip_writer *writer);

#endif
