/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "formats/base/io.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool io_error(struct err *err, const char *verb, const char *path)
{
    const int code = errno;
    char reason[96];
    const char *text = strerror_r(code, reason, sizeof reason);
    return err_set(err, code == ENOMEM ? ERR_NOMEM : ERR_IO, "cannot %s '%s': %s", verb, path,
                   text);
}

bool io_map_open_file(int fd, const char *name, struct io_map *out, struct err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return io_error(err, "read", name);
    }
    if (!S_ISREG(info.st_mode)) {
        errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
        return io_error(err, "read", name);
    }
    struct io_map map = {.bytes = {NULL, (size_t)info.st_size}};
    if (map.bytes.size > 0) {
        void *data = mmap(NULL, map.bytes.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            return io_error(err, "map", name);
        }
        map.bytes.data = data;
    }
    *out = map;
    return true;
}

bool io_map(const char *path, struct io_map *out, struct err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return io_error(err, "open", path);
    }
    const bool ok = io_map_open_file(fd, path, out, err);
    close(fd);
    return ok;
}

void io_unmap(struct io_map *map)
{
    if (map != NULL && map->bytes.data != NULL) {
        munmap((void *)(uintptr_t)map->bytes.data, map->bytes.size);
        *map = (struct io_map){0};
    }
}

void io_map_give_back(const struct io_map *map, size_t start, size_t end)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t first = (start + page - 1) / page * page;
    const size_t last = end >= map->bytes.size ? map->bytes.size : end / page * page;
    if (map->bytes.data != NULL && first < last) {
        madvise((void *)(uintptr_t)(map->bytes.data + first), last - first, MADV_DONTNEED);
    }
}

bool io_read_at(int fd, uint64_t offset, void *out, size_t size, struct err *err)
{
    uint8_t *at = out;
    while (size > 0) {
        const ssize_t got = pread(fd, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_set_at(err, ERR_IO, offset, "cannot read: %s", strerror(errno));
        }
        if (got == 0) {
            return err_set_at(err, ERR_IO, offset, "file ends %zu bytes early", size);
        }
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

bool io_write_at(int fd, uint64_t offset, const void *bytes, size_t size, struct err *err)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        const ssize_t put = pwrite(fd, at, size, (off_t)offset);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return err_set(err, ERR_IO, "cannot write: %s", strerror(errno));
        }
        at += put;
        offset += (uint64_t)put;
        size -= (size_t)put;
    }
    return true;
}

bool io_write(int fd, const void *bytes, size_t size, struct err *err)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        const ssize_t put = write(fd, at, size);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return err_set(err, ERR_IO, "cannot write: %s", strerror(errno));
        }
        at += put;
        size -= (size_t)put;
    }
    return true;
}

static bool fill_file(int fd, const char *path, struct span bytes, bool is_durable, struct err *err)
{
    if (!io_write(fd, bytes.data, bytes.size, err)) {
        err_in_source(err, path);
        return false;
    }
    if (is_durable && fsync(fd) != 0) {
        return io_error(err, "flush", path);
    }
    return true;
}

/* A pipe or a device is written to, never renamed over. */
static bool write_special(const char *path, struct span bytes, struct err *err)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return io_error(err, "open", path);
    }
    bool ok = fill_file(fd, path, bytes, false, err);
    if (close(fd) != 0 && ok) {
        ok = io_error(err, "close", path);
    }
    return ok;
}

bool io_write_file(const char *path, struct span bytes, bool is_durable, struct err *err)
{
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        return write_special(path, bytes, err);
    }
    char temporary[PATH_MAX];
    const int length = snprintf(temporary, sizeof temporary, "%s.part", path);
    if (length < 0 || (size_t)length >= sizeof temporary) {
        return err_set(err, ERR_LIMIT, "path longer than %d bytes", PATH_MAX);
    }
    const int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return io_error(err, "create", temporary);
    }
    bool ok = fill_file(fd, path, bytes, is_durable, err);
    if (close(fd) != 0 && ok) {
        ok = io_error(err, "close", temporary);
    }
    if (ok && rename(temporary, path) != 0) {
        ok = io_error(err, "rename", temporary);
    }
    if (!ok) {
        unlink(temporary);
    }
    return ok;
}

bool io_sync_directory(const char *path, struct err *err)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return io_error(err, "open", path);
    }
    const bool ok = fsync(fd) == 0 || io_error(err, "flush", path);
    close(fd);
    return ok;
}

bool io_make_directory(const char *path, struct err *err)
{
    if (mkdir(path, 0777) == 0) {
        return true;
    }
    struct stat info;
    if (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return true;
    }
    return io_error(err, "create", path);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

bool io_remove_tree(const char *path, struct err *err)
{
    struct stat info;
    if (lstat(path, &info) != 0) {
        return errno == ENOENT || io_error(err, "remove", path);
    }
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        return io_error(err, "remove", path);
    }
    return true;
}

/* The entry of `folder` that is `name` but for its capitals. */
static bool find_entry(const char *folder, const char *name, char out[NAME_MAX + 1])
{
    DIR *entries = opendir(folder);
    bool is_found = false;
    if (entries == NULL) {
        return false;
    }
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        if (strcasecmp(entry->d_name, name) == 0 && (!is_found || strcmp(entry->d_name, out) < 0)) {
            snprintf(out, NAME_MAX + 1, "%s", entry->d_name);
            is_found = true;
        }
    }
    closedir(entries);
    return is_found;
}

bool io_find_any_case(const char *path, char *out, size_t room)
{
    size_t size = strlen(path);
    if (size >= room) {
        return false;
    }
    memcpy(out, path, size + 1);
    /* The names have the lengths that they are asked for: only letters change. */
    for (char *part = out + (out[0] == '/'); *part != '\0';) {
        const size_t length = strcspn(part, "/");
        char name[NAME_MAX + 1];
        char found[NAME_MAX + 1];
        const char rest = part[length];
        part[length] = '\0';
        const bool is_there = length == 0 || access(out, F_OK) == 0;
        if (!is_there && length <= NAME_MAX) {
            snprintf(name, sizeof name, "%s", part);
            part[0] = '\0';
            const bool is_found = find_entry(part == out ? "." : out, name, found);
            memcpy(part, is_found ? found : name, length);
            if (!is_found) {
                return false;
            }
        } else if (!is_there) {
            return false;
        }
        part[length] = rest;
        part += length + (rest == '/');
    }
    return true;
}
