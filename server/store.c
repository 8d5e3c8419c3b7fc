/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/store.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "formats/packing.h"
#include "server/store_internal.h"

enum { STORE_MEMORY_MAX = 256 << 20, SCRATCH_MEMORY_MAX = 1 << 30 };
/* Of a root tileset with a revision in its URIs. */
enum { ROOT_BYTES_MAX = 512 << 20 };

/* ---- opening ---- */

int64_t store_mtime_ns(const struct stat *info)
{
    return (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           store_mtime_ns(a) == store_mtime_ns(b);
}

static void close_store(struct store *store)
{
    package_member_release(&store->index_member);
    buf_release(&store->root);
    package_close(store->package);
    if (store->index_fd >= 0) {
        close(store->index_fd);
    }
    if (store->fd >= 0) {
        close(store->fd);
    }
    struct arena memory = store->memory; /* the store lies in it */
    arena_release(&memory);
}

/* Tells stores apart in caches that outlive them; an address may come again. */
static uint64_t next_serial(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* The folder of a path that names a JSON file in it. */
static bool open_parent(const char *path, int *out, struct err *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    if (size >= sizeof folder) {
        return err_set(err, ERR_LIMIT, "path of %zu bytes", size);
    }
    memcpy(folder, path, size);
    folder[size] = '\0';
    if (size == 0) {
        memcpy(folder, slash == NULL ? "." : "/", 2);
    }
    *out = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *out >= 0 || io_error(err, "open", folder);
}

static bool open_disk(struct store *store, struct err *err)
{
    store->fd = open(store->path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (store->fd < 0 || fstat(store->fd, &info) != 0) {
        return io_error(err, "open", store->path);
    }
    if (!package_open(store->path, &store->package, err)) {
        return false;
    }
    struct stat now;
    if (stat(store->path, &now) != 0 || now.st_ino != info.st_ino || now.st_dev != info.st_dev) {
        return err_set(err, ERR_IO, "replaced while it was opened");
    }
    store->is_archive = package_is_archive(store->package);
    store->opened = info;
    if (!store->is_archive && S_ISREG(info.st_mode)) {
        close(store->fd);
        store->fd = -1;
        return open_parent(store->path, &store->fd, err);
    }
    return true;
}

static bool make_store(const char *path, struct store **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, STORE_MEMORY_MAX);
    struct store *store = arena_array(&memory, struct store, 1);
    char *kept = arena_array(&memory, char, strlen(path) + 1);
    if (store == NULL || kept == NULL) {
        const bool ok = arena_full(&memory, err);
        arena_release(&memory);
        return ok;
    }
    memcpy(kept, path, strlen(path));
    atomic_init(&store->holder_count, 1);
    atomic_init(&store->number, 0);
    store->path = kept;
    store->fd = -1;
    store->index_fd = -1;
    buf_init(&store->root, ROOT_BYTES_MAX);
    store->serial = next_serial();
    store->memory = memory;
    if (!open_disk(store, err)) {
        close_store(store);
        return false;
    }
    *out = store;
    return true;
}

static struct text tileset_name_terminated(const struct store *store, char *out, size_t out_bytes)
{
    const struct text name = package_tileset_name(store->package);
    snprintf(out, out_bytes, "%.*s", TEXT_ARGS(name));
    return name;
}

/* What store_is_stale() compares with: a folder itself changes whenever a file
 * is added, its tileset.json only with a new revision. */
static bool note_revision(struct store *store, struct err *err)
{
    if (store->is_archive) {
        return true;
    }
    char name[NAME_MAX + 1];
    tileset_name_terminated(store, name, sizeof name);
    if (fstatat(store->fd, name, &store->opened, 0) != 0) {
        return io_error(err, "find", name);
    }
    return true;
}

/* Opens features.idx where there is one. It is used in place, so it must be stored. */
static bool open_index(struct store *store, struct err *err)
{
    struct package_member *member = &store->index_member;
    if (!package_find(store->package, text_of(FEATURE_INDEX_NAME), member, err)) {
        return false;
    }
    if (!member->is_found || !store->facts.is_ours) {
        return true;
    }
    if (member->method != PACKING_STORED) {
        return err_set(err, ERR_UNSUPPORTED, "%s is compressed: it must be stored",
                       FEATURE_INDEX_NAME);
    }
    if (!store->is_archive) {
        store->index_fd = openat(store->fd, FEATURE_INDEX_NAME, O_RDONLY | O_CLOEXEC);
        if (store->index_fd < 0 || fstat(store->index_fd, &store->index_opened) != 0) {
            return io_error(err, "open", FEATURE_INDEX_NAME);
        }
    }
    if (!feature_index_open(member->packed, &store->index, err)) {
        err_in_source(err, FEATURE_INDEX_NAME);
        return false;
    }
    store->has_index = true;
    return true;
}

/* What the revision is told by: the root, and of an archive the index, where every
 * file begins. */
static void name_revision(struct store *store, struct span root)
{
    uint8_t told[40];
    const struct digest of_root = digest_of(root);
    struct digest of_index = {{0}};
    uint64_t bytes = 0;
    if (store->is_archive) {
        const struct archive_3tz *archive = package_archive(store->package);
        of_index = digest_of(archive->index);
        bytes = archive->file.size;
    }
    memcpy(told, of_root.bytes, 16);
    memcpy(told + 16, of_index.bytes, 16);
    bytes_store_u64le(told + 32, bytes);
    snprintf(store->revision, sizeof store->revision, "%016llx",
             (unsigned long long)digest_short((struct span){told, sizeof told}));
}

static bool read_foreign(struct store *store, struct arena *scratch, struct err *err)
{
    struct buf root;
    char prefix[STORE_NAME_DIGITS + 8];
    buf_init(&root, ROOT_BYTES_MAX);
    bool ok = reach_read(store->package, &store->memory, scratch, &store->reach, err) &&
              package_load(store->package, package_tileset_name(store->package), &root, err);
    if (ok) {
        name_revision(store, buf_span(&root));
        snprintf(prefix, sizeof prefix, "r/%s/", store->revision);
        reach_print_root(&store->reach, buf_span(&root), prefix, &store->root);
        ok = buf_finish(&store->root, err);
    }
    buf_release(&root);
    return ok;
}

const char *store_revision(const struct store *store)
{
    return store->is_package && !store->facts.is_ours ? store->revision : NULL;
}

/* What opening has read: the pages stay with the system, and are no longer this
 * process's. Thousands of packages would seem to fill its memory. */
static void give_back_pages(const struct store *store)
{
    const struct io_map whole = {.bytes = store->is_archive ? package_archive(store->package)->file
                                                            : store->index_member.map.bytes};
    io_map_give_back(&whole, 0, whole.bytes.size);
}

bool store_open(const char *path, struct store **out, struct err *err)
{
    struct store *store = NULL;
    bool ok = make_store(path, &store, err);
    if (ok) {
        struct arena scratch;
        arena_init(&scratch, SCRATCH_MEMORY_MAX);
        ok = note_revision(store, err) &&
             facts_read(store->package, &store->memory, &scratch, &store->facts, err) &&
             open_index(store, err) && (store->facts.is_ours || read_foreign(store, &scratch, err));
        arena_release(&scratch);
        store->is_package = true;
        give_back_pages(store);
    }
    if (!ok) {
        err_in_source(err, path);
        if (store != NULL) {
            close_store(store);
        }
        return false;
    }
    *out = store;
    return true;
}

bool store_open_folder(const char *path, struct store **out, struct err *err)
{
    return make_store(path, out, err);
}

void store_hold(struct store *store)
{
    atomic_fetch_add(&store->holder_count, 1);
}

void store_drop(struct store *store)
{
    if (store != NULL && atomic_fetch_sub(&store->holder_count, 1) == 1) {
        close_store(store);
    }
}

void store_mark(struct store *store, uint64_t number)
{
    atomic_store(&store->number, number);
}

uint64_t store_number(const struct store *store)
{
    return atomic_load(&store->number);
}

const struct feature_index *store_index(const struct store *store)
{
    return store->has_index ? &store->index : NULL;
}

bool store_index_is_whole(const struct store *store, struct err *err)
{
    const struct stat *then = store->is_archive ? &store->opened : &store->index_opened;
    const int fd = store->is_archive ? store->fd : store->index_fd;
    struct stat now;
    if (fstat(fd, &now) != 0 || now.st_size != then->st_size ||
        store_mtime_ns(&now) != store_mtime_ns(then)) {
        return err_set(err, ERR_IO, "%s was cut or written to", FEATURE_INDEX_NAME);
    }
    return true;
}

bool store_locate(const struct store *store, struct text name, struct store_place *out,
                  bool *out_found, struct err *err)
{
    struct package_member member;
    if (!package_find(store->package, name, &member, err)) {
        return false;
    }
    *out_found = member.is_found;
    if (!member.is_found) {
        return true;
    }
    bool ok =
        member.method == PACKING_STORED ||
        err_set(err, ERR_UNSUPPORTED, "%.*s is compressed: it must be stored", TEXT_ARGS(name));
    if (ok && store->is_archive) {
        const struct span file = package_archive(store->package)->file;
        *out = (struct store_place){fcntl(store->fd, F_DUPFD_CLOEXEC, 0),
                                    (uint64_t)(member.packed.data - file.data), member.packed.size};
        ok = out->fd >= 0 || io_error(err, "use", "the archive");
    } else if (ok) {
        char path[NAME_MAX + 1];
        snprintf(path, sizeof path, "%.*s", TEXT_ARGS(name));
        *out = (struct store_place){openat(store->fd, path, O_RDONLY | O_CLOEXEC), 0,
                                    member.packed.size};
        ok = out->fd >= 0 || io_error(err, "open", path);
    }
    package_member_release(&member);
    return ok;
}

const struct facts *store_facts(const struct store *store)
{
    return &store->facts;
}

const char *store_path(const struct store *store)
{
    return store->path;
}

struct text store_tileset_name(const struct store *store)
{
    return package_tileset_name(store->package);
}

bool store_is_stale(const struct store *store)
{
    struct stat now;
    if (store->is_archive) {
        return stat(store->path, &now) != 0 || !same_file(&now, &store->opened);
    }
    char path[PATH_MAX];
    char name[NAME_MAX + 1];
    tileset_name_terminated(store, name, sizeof name);
    struct stat folder;
    const bool is_file = strlen(store->path) >= strlen(name) && fstat(store->fd, &folder) == 0 &&
                         stat(store->path, &now) == 0 && S_ISREG(now.st_mode);
    snprintf(path, sizeof path, is_file ? "%s" : "%s/%s", store->path, name);
    return stat(path, &now) != 0 || !same_file(&now, &store->opened);
}

/* "1-3300-00ff00ff00ff00ff" */
bool store_name_has_digest(struct text stem)
{
    size_t digits = 0;
    while (digits < stem.size) {
        const char c = stem.data[stem.size - 1 - digits];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            break;
        }
        digits++;
    }
    return digits == STORE_NAME_DIGITS && stem.size > digits &&
           stem.data[stem.size - digits - 1] == '-';
}

/* The part of "tiles/3/1-00ff00ff00ff00ff.glb" before its ending. */
struct text store_name_stem(struct text name)
{
    const char *slash = memrchr(name.data, '/', name.size);
    const size_t from = slash == NULL ? 0 : (size_t)(slash - name.data) + 1;
    const struct text file = {name.data + from, name.size - from};
    const char *dot = memchr(file.data, '.', file.size);
    return (struct text){file.data, dot == NULL ? file.size : (size_t)(dot - file.data)};
}

bool store_may_serve(const struct store *store, struct text name)
{
    if (name.size == 0 || name.data[0] == '.' || name.data[0] == '@' ||
        memmem(name.data, name.size, "/.", 2) != NULL) {
        return false;
    }
    if (!store->is_package) {
        return true;
    }
    return store->facts.is_ours ? text_equals(name, package_tileset_name(store->package)) ||
                                      store_name_has_digest(store_name_stem(name))
                                : reach_has(&store->reach, name);
}
