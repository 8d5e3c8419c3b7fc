/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "formats/package.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "formats/manifest.h"

enum { MANIFEST_BYTES_MAX = 1 << 30, FOLDER_DEPTH_MAX = 64 };
#define PACKAGE_BYTES_MAX ((size_t)1 << 36) /* of tables, not of tiles */

struct package {
    struct arena memory; /* holds this struct, too */
    char *path;          /* of the folder or archive */
    struct text tileset_name;
    int folder;        /* open directory, or -1 */
    struct io_map map; /* the archive */
    struct archive_3tz archive;
};

static bool keep_path(struct package *package, const char *path, size_t size, struct err *err)
{
    char *copy = arena_array(&package->memory, char, size + 1);
    if (copy == NULL) {
        return arena_full(&package->memory, err);
    }
    memcpy(copy, path, size);
    package->path = copy;
    return true;
}

static bool open_folder(struct package *package, struct err *err)
{
    package->folder = open(package->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return package->folder >= 0 || io_error(err, "open", package->path);
}

/* "dir/part.json" is the folder "dir" whose tileset is "part.json". */
static bool open_json(struct package *package, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const size_t size = strlen(name);
    char *copy = arena_array(&package->memory, char, size + 1);
    if (copy == NULL) {
        return arena_full(&package->memory, err);
    }
    memcpy(copy, name, size);
    package->tileset_name = text_of(copy);
    if (slash == NULL) {
        return keep_path(package, ".", 1, err) && open_folder(package, err);
    }
    const size_t folder_size = slash == path ? 1 : (size_t)(slash - path);
    return keep_path(package, path, folder_size, err) && open_folder(package, err);
}

static bool open_archive(struct package *package, const char *path, struct err *err)
{
    if (!keep_path(package, path, strlen(path), err) || !io_map(path, &package->map, err)) {
        return false;
    }
    if (!archive_3tz_open(package->map.bytes, &package->memory, &package->archive, err)) {
        err_in_source(err, path);
        return false;
    }
    return true;
}

static bool has_suffix(const char *path, const char *suffix)
{
    const size_t size = strlen(path);
    const size_t suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(path + size - suffix_size, suffix) == 0;
}

static bool open_kind(struct package *package, const char *path, struct err *err)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return io_error(err, "open", path);
    }
    if (S_ISDIR(info.st_mode)) {
        return keep_path(package, path, strlen(path), err) && open_folder(package, err);
    }
    if (has_suffix(path, ".json")) {
        return open_json(package, path, err);
    }
    return open_archive(package, path, err);
}

bool package_open(const char *path, struct package **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, PACKAGE_BYTES_MAX);
    struct package *package = arena_array(&memory, struct package, 1);
    if (package == NULL) {
        arena_full(&memory, err);
        arena_release(&memory);
        return false;
    }
    *package =
        (struct package){.memory = memory, .folder = -1, .tileset_name = text_of("tileset.json")};
    if (!open_kind(package, path, err)) {
        package_close(package);
        return false;
    }
    *out = package;
    return true;
}

void package_close(struct package *package)
{
    if (package == NULL) {
        return;
    }
    if (package->folder >= 0) {
        close(package->folder);
    }
    io_unmap(&package->map);
    struct arena memory = package->memory;
    arena_release(&memory);
}

struct text package_tileset_name(const struct package *package)
{
    return package->tileset_name;
}

bool package_is_archive(const struct package *package)
{
    return package->folder < 0;
}

const struct archive_3tz *package_archive(const struct package *package)
{
    return package->folder < 0 ? &package->archive : NULL;
}

/* ---- a directory's files ------------------------------------------------ */

/* A descriptor, or -1 with *out_absent when there is no such regular file. The
 * kernel keeps a link from leading out of the package where it can. */
static int open_file(const struct package *package, struct text name, bool *out_absent,
                     struct err *err)
{
    char path[PATH_MAX];
    *out_absent = true;
    if (name.size >= sizeof path || !zip_name_is_safe(name) || name.data[name.size - 1] == '/') {
        return -1;
    }
    memcpy(path, name.data, name.size);
    path[name.size] = '\0';
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, package->folder, path, &how, sizeof how);
    if (fd < 0 && errno == ENOSYS) {
        fd = openat(package->folder, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    }
    if (fd < 0) {
        *out_absent = errno == ENOENT || errno == ENOTDIR || errno == EXDEV || errno == ELOOP ||
                      errno == ENAMETOOLONG;
        if (!*out_absent) {
            io_error(err, "open", path);
        }
        return -1;
    }
    return (int)fd;
}

static bool map_file(int fd, struct text name, struct package_member *out, struct err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return io_error(err, "read", "file");
    }
    if (!S_ISREG(info.st_mode)) {
        return true;
    }
    struct package_member member = {.is_found = true,
                                    .method = PACKING_STORED,
                                    .bytes = (uint64_t)info.st_size,
                                    .packed = {NULL, (size_t)info.st_size}};
    if (member.bytes > 0) {
        void *data = mmap(NULL, member.packed.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            return err_set(err, errno == ENOMEM ? ERR_NOMEM : ERR_IO, "cannot map '%.*s': %s",
                           TEXT_ARGS(name), strerror(errno));
        }
        member.packed.data = data;
        member.map.bytes = member.packed;
    }
    *out = member;
    return true;
}

static bool find_in_folder(const struct package *package, struct text name,
                           struct package_member *out, struct err *err)
{
    bool is_absent = false;
    const int fd = open_file(package, name, &is_absent, err);
    *out = (struct package_member){.is_found = false};
    if (fd < 0) {
        return is_absent;
    }
    const bool ok = map_file(fd, name, out, err);
    close(fd);
    return ok;
}

static bool find_in_archive(const struct package *package, struct text name,
                            struct package_member *out, struct err *err)
{
    struct zip_member member;
    bool is_found = false;
    if (!archive_3tz_find(&package->archive, name, &member, &is_found, err)) {
        err_in_source(err, package->path);
        return false;
    }
    *out = (struct package_member){.is_found = false};
    if (is_found && !member.is_folder) {
        *out = (struct package_member){.is_found = true,
                                       .method = member.method,
                                       .crc32 = member.crc32,
                                       .bytes = member.bytes,
                                       .packed = member.packed};
    }
    return true;
}

bool package_find(const struct package *package, struct text name, struct package_member *out,
                  struct err *err)
{
    return package->folder >= 0 ? find_in_folder(package, name, out, err)
                                : find_in_archive(package, name, out, err);
}

void package_member_release(struct package_member *member)
{
    if (member != NULL) {
        io_unmap(&member->map);
        *member = (struct package_member){.is_found = false};
    }
}

/* ---- loading ------------------------------------------------------------ */

static bool load_file(const struct package *package, struct text name, struct buf *out,
                      bool *out_absent, struct err *err)
{
    const int fd = open_file(package, name, out_absent, err);
    struct stat info;
    if (fd < 0) {
        return false;
    }
    bool ok = fstat(fd, &info) == 0 || io_error(err, "read", "file");
    if (ok && !S_ISREG(info.st_mode)) {
        *out_absent = true;
        ok = false;
    } else if (ok) {
        *out_absent = false;
        const size_t start = out->size;
        uint8_t *at = buf_extend(out, (size_t)info.st_size);
        ok = buf_finish(out, err) && io_read_at(fd, 0, at, (size_t)info.st_size, err);
        if (!ok) {
            out->size = start;
        }
    }
    close(fd);
    return ok;
}

static bool load_member(const struct package *package, struct text name, struct buf *out,
                        bool *out_absent, struct err *err)
{
    struct zip_member member;
    bool is_found = false;
    *out_absent = false;
    if (!archive_3tz_find(&package->archive, name, &member, &is_found, err)) {
        return false;
    }
    if (!is_found || member.is_folder) {
        *out_absent = true;
        return false;
    }
    return zip_load(&member, out, err);
}

bool package_load(const struct package *package, struct text name, struct buf *out, struct err *err)
{
    bool is_absent = false;
    const bool ok = package->folder >= 0 ? load_file(package, name, out, &is_absent, err)
                                         : load_member(package, name, out, &is_absent, err);
    if (ok) {
        return true;
    }
    if (is_absent) {
        err_set(err, ERR_IO, "no '%.*s' in the package", TEXT_ARGS(name));
    }
    char source[sizeof err->source];
    snprintf(source, sizeof source, "%.*s", TEXT_ARGS(name));
    err_in_source(err, source);
    return false;
}

/* ---- listing ------------------------------------------------------------ */

struct listing {
    struct arena *source;
    struct buf entries; /* of struct package_entry */
    struct err *err;
};

static bool add_entry(struct listing *listing, struct text name, uint64_t bytes)
{
    const struct package_entry entry = {name, bytes};
    buf_add(&listing->entries, &entry, sizeof entry);
    return buf_finish(&listing->entries, listing->err);
}

static bool join_name(struct listing *listing, struct text folder, const char *name,
                      struct text *out)
{
    const size_t size = strlen(name);
    const size_t slash = folder.size > 0 ? 1 : 0;
    char *joined = arena_array(listing->source, char, folder.size + slash + size + 1);
    if (joined == NULL) {
        return arena_full(listing->source, listing->err);
    }
    if (slash == 1) {
        memcpy(joined, folder.data, folder.size);
        joined[folder.size] = '/';
    }
    memcpy(joined + folder.size + slash, name, size + 1);
    *out = (struct text){joined, folder.size + slash + size};
    return true;
}

static bool list_folder(struct listing *listing, int fd, struct text folder, unsigned depth);

static bool list_one(struct listing *listing, DIR *open_folder, struct text folder,
                     const char *name, unsigned depth)
{
    struct stat info;
    struct text joined;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return true;
    }
    if (fstatat(dirfd(open_folder), name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return io_error(listing->err, "read", name);
    }
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) {
        return true;
    }
    if (!join_name(listing, folder, name, &joined)) {
        return false;
    }
    if (S_ISREG(info.st_mode)) {
        return add_entry(listing, joined, (uint64_t)info.st_size);
    }
    const int fd =
        openat(dirfd(open_folder), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return io_error(listing->err, "open", name);
    }
    return list_folder(listing, fd, joined, depth + 1);
}

/* Closes `fd`. */
static bool list_folder(struct listing *listing, int fd, struct text folder, unsigned depth)
{
    if (depth > FOLDER_DEPTH_MAX) {
        close(fd);
        return err_set(listing->err, ERR_LIMIT, "folders more than %d deep", FOLDER_DEPTH_MAX);
    }
    DIR *open_folder = fdopendir(fd);
    if (open_folder == NULL) {
        close(fd);
        return io_error(listing->err, "read", "folder");
    }
    bool ok = true;
    while (ok) {
        errno = 0;
        const struct dirent *entry = readdir(open_folder);
        if (entry == NULL) {
            ok = errno == 0 || io_error(listing->err, "read", "folder");
            break;
        }
        ok = list_one(listing, open_folder, folder, entry->d_name, depth);
    }
    closedir(open_folder);
    return ok;
}

/* The central directory in full: sizes stand there, and what the index hides
 * comes to light. */
static bool list_archive(struct listing *listing, const struct package *package)
{
    struct zip zip = package->archive.zip;
    if (package->archive.has_index &&
        !zip_open(package->map.bytes, listing->source, &zip, listing->err)) {
        err_in_source(listing->err, package->path);
        return false;
    }
    for (size_t i = 0; i < zip.member_count; i++) {
        const struct zip_member *member = &zip.members[i];
        if (!member->is_folder && !text_is(member->name, ARCHIVE_3TZ_INDEX_NAME) &&
            !add_entry(listing, member->name, member->bytes)) {
            return false;
        }
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct package_entry *first = a;
    const struct package_entry *second = b;
    return text_compare(first->name, second->name);
}

static bool list_all(struct listing *listing, const struct package *package)
{
    if (package->folder < 0) {
        return list_archive(listing, package);
    }
    const int fd = openat(package->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return io_error(listing->err, "open", package->path);
    }
    return list_folder(listing, fd, (struct text){"", 0}, 0);
}

bool package_list(const struct package *package, struct arena *source,
                  struct package_entry **out_entries, size_t *out_count, struct err *err)
{
    struct listing listing = {.source = source, .err = err};
    buf_init(&listing.entries, source->limit_bytes);
    bool ok = list_all(&listing, package);
    if (ok) {
        const size_t count = listing.entries.size / sizeof(struct package_entry);
        struct package_entry *entries =
            arena_array(source, struct package_entry, count == 0 ? 1 : count);
        if (entries == NULL) {
            ok = arena_full(source, err);
        } else if (count > 0) {
            memcpy(entries, listing.entries.data, listing.entries.size);
            qsort(entries, count, sizeof entries[0], by_name);
        }
        if (ok) {
            *out_entries = entries;
            *out_count = count;
        }
    }
    buf_release(&listing.entries);
    return ok;
}

/* ---- the manifest, and places ------------------------------------------- */

bool package_is_ours(const struct package *package)
{
    struct buf json;
    struct arena source;
    struct manifest manifest;
    struct err ignored;
    buf_init(&json, MANIFEST_BYTES_MAX);
    arena_init(&source, MANIFEST_BYTES_MAX);
    const bool ok = package_load(package, text_of(MANIFEST_NAME), &json, &ignored) &&
                    manifest_read(buf_span(&json), &source, &manifest, &ignored);
    arena_release(&source);
    buf_release(&json);
    return ok;
}

bool package_locate(const struct package *package, struct text name, struct package_place *out,
                    struct err *err)
{
    struct package_member member;
    if (!package_find(package, name, &member, err)) {
        return false;
    }
    if (!member.is_found) {
        return err_set(err, ERR_IO, "no '%.*s' in the package", TEXT_ARGS(name));
    }
    if (member.method != PACKING_STORED) {
        package_member_release(&member);
        return err_set(err, ERR_UNSUPPORTED, "'%.*s' is compressed in the archive",
                       TEXT_ARGS(name));
    }
    struct package_place place = {.bytes = member.bytes};
    int size;
    if (package->folder >= 0) {
        size = snprintf(place.path, sizeof place.path, "%s/%.*s", package->path, TEXT_ARGS(name));
    } else {
        place.offset = (uint64_t)(member.packed.data - package->map.bytes.data);
        size = snprintf(place.path, sizeof place.path, "%s", package->path);
    }
    package_member_release(&member);
    if (size < 0 || (size_t)size >= sizeof place.path) {
        return err_set(err, ERR_LIMIT, "path longer than %zu bytes", sizeof place.path);
    }
    *out = place;
    return true;
}
