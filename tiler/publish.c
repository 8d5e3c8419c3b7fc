/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tiler/publish.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/base/arena.h"
#include "formats/base/io.h"
#include "formats/package.h"
#include "formats/zip.h"
#include "tiler/pack.h"

/* Names and digests of the files: about 200 bytes each. */
#define RECORDS_BYTES_MAX ((size_t)1 << 34)
#define MANIFEST_BYTES_MAX ((size_t)1 << 30)
#define ARCHIVE_PART "@package.part"

enum { STAGING_TRIES = 100, FIRST_SLOTS = 1024 };

struct publish {
    pthread_mutex_t lock; /* around everything below it */
    struct arena memory;  /* holds this struct and names */
    struct buf files;     /* of struct manifest_file, in order of arrival */
    struct buf slots;     /* of uint32_t: hash table of 1 + index into files; 0 free */
    uint64_t bytes;

    char output[PATH_MAX];
    char parent[PATH_MAX];
    char staging[PATH_MAX];
    int staging_fd; /* flock'ed as long as we live */
    bool is_archive;
    bool replaces; /* a package of ours stands at the output */
};

/* ---- the output and its folder ------------------------------------------ */

static bool fits(int size, size_t room, struct err *err)
{
    return (size > 0 && (size_t)size < room) ||
           err_set(err, ERR_LIMIT, "path longer than %zu bytes", room);
}

/* Follows links, so that what a link leads to is replaced and not the link. */
static bool settle_paths(struct publish *publish, const char *output, struct err *err)
{
    char path[PATH_MAX];
    size_t size = strlen(output);
    while (size > 1 && output[size - 1] == '/') {
        size--;
    }
    if (size == 0 || size >= sizeof path) {
        return err_set(err, ERR_IO, "'%s' is no name for an output", output);
    }
    memcpy(path, output, size);
    path[size] = '\0';
    if (realpath(path, publish->output) == NULL) {
        if (errno != ENOENT) {
            return io_error(err, "reach", path);
        }
        memcpy(publish->output, path, size + 1);
    }
    const char *slash = strrchr(publish->output, '/');
    const char *name = slash == NULL ? publish->output : slash + 1;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return err_set(err, ERR_IO, "'%s' is no name for an output", output);
    }
    const int parent_size = slash == NULL              ? 1
                            : slash == publish->output ? 1
                                                       : (int)(slash - publish->output);
    snprintf(publish->parent, sizeof publish->parent, "%.*s", parent_size,
             slash == NULL ? "." : publish->output);
    size = strlen(publish->output);
    publish->is_archive = size > 4 && strcmp(publish->output + size - 4, ".3tz") == 0;
    return true;
}

static bool is_empty_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return false;
    }
    size_t count = 0;
    while (count <= 2 && readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count <= 2;
}

static bool is_ours(const char *path)
{
    struct package *package;
    struct err ignored;
    if (!package_open(path, &package, &ignored)) {
        return false;
    }
    const bool found = package_is_ours(package);
    package_close(package);
    return found;
}

static bool check_output(struct publish *publish, struct err *err)
{
    struct stat info;
    if (lstat(publish->output, &info) != 0) {
        return errno == ENOENT || io_error(err, "reach", publish->output);
    }
    const bool is_kind = publish->is_archive ? S_ISREG(info.st_mode) : S_ISDIR(info.st_mode);
    if (!is_kind) {
        return err_set(err, ERR_SCHEMA, "'%s' exists and is no %s; it is left alone",
                       publish->output, publish->is_archive ? "archive file" : "folder");
    }
    if (!publish->is_archive && is_empty_folder(publish->output)) {
        return true;
    }
    if (!is_ours(publish->output)) {
        return err_set(err, ERR_SCHEMA, "'%s' exists and is no package of storey; it is left alone",
                       publish->output);
    }
    publish->replaces = true;
    return true;
}

/* ---- staging ------------------------------------------------------------ */

/* Nobody holds its lock, and its process is gone. (A new container often has the
 * very number that an old one had.) */
static bool is_stale(const char *path, const char *digits)
{
    char *end;
    const long pid = strtol(digits, &end, 10);
    if (pid <= 0 || (*end != '\0' && *end != '-')) {
        return false;
    }
    if (pid != (long)getpid() && (kill((pid_t)pid, 0) == 0 || errno != ESRCH)) {
        return false;
    }
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return false;
    }
    const bool is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;
    close(fd);
    return is_free;
}

/* ".city.storey-" in front of the number of a process. */
static bool staging_prefix(const struct publish *publish, char *out, size_t room, struct err *err)
{
    const char *slash = strrchr(publish->output, '/');
    return fits(snprintf(out, room, ".%s.storey-", slash == NULL ? publish->output : slash + 1),
                room, err);
}

static bool clean_stale(const struct publish *publish, const char *prefix, struct err *err)
{
    DIR *parent = opendir(publish->parent);
    if (parent == NULL) {
        return io_error(err, "open the folder", publish->parent);
    }
    const struct dirent *entry;
    while ((entry = readdir(parent)) != NULL) {
        char path[PATH_MAX];
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) {
            continue;
        }
        const int size = snprintf(path, sizeof path, "%s/%s", publish->parent, entry->d_name);
        if (size > 0 && (size_t)size < sizeof path &&
            is_stale(path, entry->d_name + strlen(prefix))) {
            /* What cannot be removed does no harm but to the disk. */
            struct err ignored;
            if (!io_remove_tree(path, &ignored)) {
                continue;
            }
        }
    }
    closedir(parent);
    return true;
}

static bool make_staging(struct publish *publish, const char *prefix, struct err *err)
{
    for (int try = 0; try < STAGING_TRIES; try++) {
        char more[16] = "";
        if (try > 0) {
            snprintf(more, sizeof more, "-%d", try);
        }
        if (!fits(snprintf(publish->staging, sizeof publish->staging, "%s/%s%ld%s", publish->parent,
                           prefix, (long)getpid(), more),
                  sizeof publish->staging, err)) {
            return false;
        }
        if (mkdir(publish->staging, 0777) == 0) {
            publish->staging_fd = open(publish->staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (publish->staging_fd < 0) {
                return io_error(err, "open", publish->staging);
            }
            flock(publish->staging_fd, LOCK_EX | LOCK_NB);
            return true;
        }
        if (errno != EEXIST) {
            publish->staging[0] = '\0';
            return io_error(err, "write in the folder", publish->parent);
        }
    }
    publish->staging[0] = '\0';
    return err_set(err, ERR_LIMIT, "%d runs write '%s' at once", STAGING_TRIES, publish->output);
}

static bool begin(struct publish *publish, const char *output, struct err *err)
{
    char prefix[PATH_MAX];
    return settle_paths(publish, output, err) && check_output(publish, err) &&
           staging_prefix(publish, prefix, sizeof prefix, err) &&
           clean_stale(publish, prefix, err) && make_staging(publish, prefix, err);
}

bool publish_begin(const char *output, struct publish **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, RECORDS_BYTES_MAX);
    struct publish *publish = arena_array(&memory, struct publish, 1);
    if (publish == NULL) {
        arena_full(&memory, err);
        arena_release(&memory);
        return false;
    }
    publish->memory = memory;
    publish->staging_fd = -1;
    pthread_mutex_init(&publish->lock, NULL);
    buf_init(&publish->files, RECORDS_BYTES_MAX);
    buf_init(&publish->slots, RECORDS_BYTES_MAX);
    if (!begin(publish, output, err)) {
        publish_abort(publish);
        return false;
    }
    *out = publish;
    return true;
}

bool publish_replaces(const struct publish *publish)
{
    return publish->replaces;
}

/* Frees everything; the staging folder stays. */
static void forget(struct publish *publish)
{
    if (publish->staging_fd >= 0) {
        close(publish->staging_fd);
    }
    buf_release(&publish->files);
    buf_release(&publish->slots);
    pthread_mutex_destroy(&publish->lock);
    struct arena memory = publish->memory;
    arena_release(&memory);
}

void publish_abort(struct publish *publish)
{
    if (publish == NULL) {
        return;
    }
    struct err ignored;
    if (publish->staging[0] != '\0' && !io_remove_tree(publish->staging, &ignored)) {
        /* The next run tries again. */
        ignored.code = ERR_NONE;
    }
    forget(publish);
}

/* ---- files -------------------------------------------------------------- */

static struct manifest_file *file_at(const struct publish *publish, size_t i)
{
    return (struct manifest_file *)(void *)publish->files.data + i;
}

static size_t first_slot(struct text name, size_t slot_count)
{
    const struct digest digest = digest_of((struct span){(const uint8_t *)name.data, name.size});
    return (size_t)bytes_load_u64le(digest.bytes) & (slot_count - 1);
}

static void put_slot(uint32_t *slots, size_t slot_count, struct text name, uint32_t value)
{
    size_t at = first_slot(name, slot_count);
    while (slots[at] != 0) {
        at = (at + 1) & (slot_count - 1);
    }
    slots[at] = value;
}

/* Keeps the table at most half full. */
static bool grow_slots(struct publish *publish, struct err *err)
{
    const size_t file_count = publish->files.size / sizeof(struct manifest_file);
    const size_t old_count = publish->slots.size / sizeof(uint32_t);
    if (2 * (file_count + 1) <= old_count) {
        return true;
    }
    const size_t slot_count = old_count == 0 ? FIRST_SLOTS : 2 * old_count;
    buf_reset(&publish->slots);
    uint8_t *bytes = buf_extend(&publish->slots, slot_count * sizeof(uint32_t));
    if (bytes == NULL) {
        return buf_finish(&publish->slots, err);
    }
    uint32_t *slots = (uint32_t *)(void *)bytes;
    for (size_t i = 0; i < file_count; i++) {
        put_slot(slots, slot_count, file_at(publish, i)->name, (uint32_t)i + 1);
    }
    return true;
}

static struct manifest_file *find_file(const struct publish *publish, struct text name)
{
    const size_t slot_count = publish->slots.size / sizeof(uint32_t);
    const uint32_t *slots = (const uint32_t *)(const void *)publish->slots.data;
    for (size_t at = first_slot(name, slot_count); slots[at] != 0;
         at = (at + 1) & (slot_count - 1)) {
        if (text_equals(file_at(publish, slots[at] - 1)->name, name)) {
            return file_at(publish, slots[at] - 1);
        }
    }
    return NULL;
}

static bool note_locked(struct publish *publish, const struct manifest_file *file, bool *out_known,
                        struct err *err)
{
    if (!grow_slots(publish, err)) {
        return false;
    }
    const struct manifest_file *known = find_file(publish, file->name);
    *out_known = known != NULL;
    if (known != NULL) {
        return (known->bytes == file->bytes && digest_equals(known->digest, file->digest)) ||
               err_set(err, ERR_SCHEMA, "'%.*s' twice, with different bytes",
                       TEXT_ARGS(file->name));
    }
    char *copy = arena_array(&publish->memory, char, file->name.size + 1);
    if (copy == NULL) {
        return arena_full(&publish->memory, err);
    }
    memcpy(copy, file->name.data, file->name.size);
    const struct manifest_file kept = {{copy, file->name.size}, file->bytes, file->digest};
    const size_t index = publish->files.size / sizeof kept;
    buf_add(&publish->files, &kept, sizeof kept);
    if (!buf_finish(&publish->files, err)) {
        return false;
    }
    put_slot((uint32_t *)(void *)publish->slots.data, publish->slots.size / sizeof(uint32_t),
             kept.name, (uint32_t)index + 1);
    publish->bytes += kept.bytes;
    return true;
}

/* Adds the record; *out_known when the same file was added before. */
static bool note_file(struct publish *publish, const struct manifest_file *file, bool *out_known,
                      struct err *err)
{
    pthread_mutex_lock(&publish->lock);
    const bool ok = note_locked(publish, file, out_known, err);
    pthread_mutex_unlock(&publish->lock);
    return ok;
}

/* Makes the folders of `path` below staging. */
static bool make_parents(struct publish *publish, char *path, struct err *err)
{
    for (char *at = path + strlen(publish->staging) + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            const bool ok = io_make_directory(path, err);
            *at = '/';
            if (!ok) {
                return false;
            }
        }
    }
    return true;
}

static bool write_new_file(int fd, const char *path, struct span bytes, struct err *err)
{
    bool ok = io_write(fd, bytes.data, bytes.size, err);
    if (!ok) {
        err_in_source(err, path);
    }
    if (close(fd) != 0 && ok) {
        ok = io_error(err, "close", path);
    }
    return ok;
}

static bool staged_path(const struct publish *publish, const char *name, char *out,
                        size_t out_bytes, struct err *err)
{
    return fits(snprintf(out, out_bytes, "%s/%s", publish->staging, name), out_bytes, err);
}

bool publish_add_file(struct publish *publish, const char *name, struct span bytes, struct err *err)
{
    assert(zip_name_is_safe(text_of(name)) && strcmp(name, MANIFEST_NAME) != 0);
    const struct manifest_file file = {text_of(name), bytes.size, digest_of(bytes)};
    char path[PATH_MAX];
    bool is_known = false;
    if (!staged_path(publish, name, path, sizeof path, err) ||
        !note_file(publish, &file, &is_known, err)) {
        return false;
    }
    if (is_known) {
        return true;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 && errno == ENOENT) {
        if (!make_parents(publish, path, err)) {
            return false;
        }
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    if (fd < 0) {
        return io_error(err, "create", path);
    }
    return write_new_file(fd, path, bytes, err);
}

bool publish_path(struct publish *publish, const char *name, char *out, size_t out_bytes,
                  struct err *err)
{
    assert(zip_name_is_safe(text_of(name)));
    return staged_path(publish, name, out, out_bytes, err) && make_parents(publish, out, err);
}

bool publish_adopt_file(struct publish *publish, const char *name, struct err *err)
{
    struct manifest_file file = {.name = text_of(name)};
    char path[PATH_MAX];
    bool is_known = false;
    return staged_path(publish, name, path, sizeof path, err) &&
           digest_of_file(path, &file.digest, &file.bytes, err) &&
           note_file(publish, &file, &is_known, err);
}

void publish_count(const struct publish *publish, uint64_t *out_files, uint64_t *out_bytes)
{
    *out_files = publish->files.size / sizeof(struct manifest_file);
    *out_bytes = publish->bytes;
}

/* ---- commit ------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct manifest_file *first = a;
    const struct manifest_file *second = b;
    return text_compare(first->name, second->name);
}

static bool write_manifest(struct publish *publish, struct manifest *manifest, struct err *err)
{
    char path[PATH_MAX];
    struct buf json;
    const size_t count = publish->files.size / sizeof(struct manifest_file);
    manifest->file_count = count;
    manifest->files = count == 0 ? NULL : file_at(publish, 0);
    if (count > 0) {
        /* The hash table is of no use from here on. */
        qsort(manifest->files, count, sizeof manifest->files[0], by_name);
    }
    buf_init(&json, MANIFEST_BYTES_MAX);
    manifest_print(manifest, &json);
    const bool ok = buf_finish(&json, err) &&
                    staged_path(publish, MANIFEST_NAME, path, sizeof path, err) &&
                    io_write_file(path, buf_span(&json), false, err);
    buf_release(&json);
    manifest->files = NULL;
    manifest->file_count = 0;
    return ok;
}

/* One flush for all files and folders. An fsync() of each costs a journal commit
 * apiece. */
static bool flush_staging(const struct publish *publish, struct err *err)
{
    return syncfs(publish->staging_fd) == 0 || io_error(err, "flush", publish->staging);
}

static bool swap_in_folder(struct publish *publish, struct err *err)
{
    if (!publish->replaces) {
        return rename(publish->staging, publish->output) == 0 ||
               io_error(err, "make", publish->output);
    }
    if (renameat2(AT_FDCWD, publish->staging, AT_FDCWD, publish->output, RENAME_EXCHANGE) == 0) {
        return true;
    }
    if (errno == EINVAL || errno == ENOSYS) {
        return err_set(err, ERR_IO,
                       "the file system of '%s' cannot exchange folders; remove it first",
                       publish->output);
    }
    return io_error(err, "replace", publish->output);
}

static bool commit_folder(struct publish *publish, struct err *err)
{
    if (!flush_staging(publish, err) || !swap_in_folder(publish, err)) {
        return false;
    }
    if (!publish->replaces) {
        publish->staging[0] = '\0'; /* it is the package now */
    }                               /* else the old package has its name, and goes with it */
    return io_sync_directory(publish->parent, err);
}

static bool commit_archive(struct publish *publish, const char *folder, enum packing_method method,
                           struct err *err)
{
    char part[PATH_MAX];
    return staged_path(publish, ARCHIVE_PART, part, sizeof part, err) &&
           pack_folder(folder, part, method, err) &&
           (rename(part, publish->output) == 0 || io_error(err, "replace", publish->output)) &&
           io_sync_directory(publish->parent, err);
}

bool publish_commit(struct publish *publish, struct manifest *manifest, struct err *err)
{
    const bool ok =
        (manifest == NULL || write_manifest(publish, manifest, err)) &&
        (publish->is_archive ? commit_archive(publish, publish->staging, PACKING_DEFLATE, err)
                             : commit_folder(publish, err));
    publish_abort(publish);
    return ok;
}

bool publish_commit_archive(struct publish *publish, const char *folder, enum packing_method method,
                            struct err *err)
{
    assert(publish->is_archive);
    const bool ok = commit_archive(publish, folder, method, err);
    publish_abort(publish);
    return ok;
}
