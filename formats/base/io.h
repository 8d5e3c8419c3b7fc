/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_BASE_IO_H
#define FORMATS_BASE_IO_H

/*
 * io.h - map a file; read a window of one; write a file so that readers never
 * see half of it.
 *
 * Paths are bytes as the operating system has them: Chinese names work under
 * LANG=C, because nothing here converts them. Messages carry the path.
 */

#include <stdio.h>

#include "formats/base/bytes.h"
#include "formats/base/err.h"

/* A whole file mapped for reading. A file that another process cuts short
 * raises SIGBUS on access: use io_read_at() for files that may change. */
struct io_map {
    struct span bytes; /* valid until io_unmap(); data is NULL for an empty file */
};

ERR_CHECKED bool io_map(const char *path, struct io_map *out, struct err *err);

/* As io_map(), of an open file, which may be closed afterwards; `name` is for
 * messages. */
ERR_CHECKED bool io_map_open_file(int fd, const char *name, struct io_map *out, struct err *err);
void io_unmap(struct io_map *map); /* NULL and an empty map are fine */

/* Tells the kernel that pages wholly inside [start, end) are not needed for
 * now: they leave the resident set. The map stays valid. */
void io_map_give_back(const struct io_map *map, size_t start, size_t end);

/* Reads exactly `size` bytes at `offset`; ERR_IO also when the file is shorter. */
ERR_CHECKED bool io_read_at(int fd, uint64_t offset, void *out, size_t size, struct err *err);

/* Writes all of `size` bytes at `offset`; survives EINTR and short writes. */
ERR_CHECKED bool io_write_at(int fd, uint64_t offset, const void *bytes, size_t size,
                             struct err *err);

/* Writes all bytes at the file position. */
ERR_CHECKED bool io_write(int fd, const void *bytes, size_t size, struct err *err);

/*
 * Writes a new file whole: to a temporary name beside it, fsync when asked,
 * then rename. Readers see the old file, or none, or the whole new one. What is
 * there and is no file (a pipe, /dev/null) is written to as it is.
 */
ERR_CHECKED bool io_write_file(const char *path, struct span bytes, bool is_durable,
                               struct err *err);

/* fsyncs a directory, so that names made or removed in it survive a crash. */
ERR_CHECKED bool io_sync_directory(const char *path, struct err *err);

/* Makes one directory; an existing one is fine. */
ERR_CHECKED bool io_make_directory(const char *path, struct err *err);

/* Removes a file, or a folder with everything in it; links are not followed.
 * What is not there is fine. */
ERR_CHECKED bool io_remove_tree(const char *path, struct err *err);

/*
 * The path of a file whose name is spelled in other capitals: what was written
 * where "A.JPG" and "a.jpg" are one file. Part by part, each as it is where that
 * is there; of several that fit, the first by its bytes. False: there is none, or
 * it would not fit into `room` bytes. ASCII letters only.
 */
bool io_find_any_case(const char *path, char *out, size_t room);

/* ERR_IO: "cannot <verb> 'path': No space left on device", from errno. */
bool io_error(struct err *err, const char *verb, const char *path);

#endif
