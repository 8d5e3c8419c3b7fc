/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "formats/digest.h"
#include "formats/manifest.h"
#include "formats/package.h"
#include "formats/packing.h"
#include "server/reach.h"

enum { STORE_MEMORY_MAX = 256 << 20, SCRATCH_MEMORY_MAX = 1 << 30 };
/* A member larger than this is not expanded for a client that takes no coding. */
enum { EXPANDED_MEMBER_MAX = 256 << 20 };
/* Of a root tileset with a revision in its URIs. */
enum { ROOT_BYTES_MAX = 512 << 20 };
/* The oldest of a set's slots gives way. */
enum { SET_SLOTS = 4 };
/* Of a digest in a file's name. */
enum { NAME_DIGITS = 16 };
enum { GZIP_HEAD_BYTES = 10, GZIP_TAIL_BYTES = 8 };

struct store {
    atomic_uint holder_count;
    struct arena memory; /* itself, path, facts */
    struct package *package;
    struct facts facts;
    struct reach reach; /* of a foreign package */
    char revision[NAME_DIGITS + 1];
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

struct store_cache {
    struct arena memory; /* itself, slots, views */
    struct store_view **slots;
    size_t slot_count;
    size_t kept_count;
    uint64_t clock;
    uint64_t turn;
    uint64_t checked_serial; /* the archive last asked for its size, and when */
    uint64_t checked_turn;
    size_t expanded_bytes;
    size_t expanded_limit;
    struct store_view *free_views;
};

/* ---- opening ---- */

static int64_t mtime_ns(const struct stat *info)
{
    return (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           mtime_ns(a) == mtime_ns(b);
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
    char prefix[NAME_DIGITS + 8];
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
    if (fstat(fd, &now) != 0 || now.st_size != then->st_size || mtime_ns(&now) != mtime_ns(then)) {
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
static bool ends_with_hex(struct text stem)
{
    size_t digits = 0;
    while (digits < stem.size) {
        const char c = stem.data[stem.size - 1 - digits];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            break;
        }
        digits++;
    }
    return digits == NAME_DIGITS && stem.size > digits && stem.data[stem.size - digits - 1] == '-';
}

/* The part of "tiles/3/1-00ff00ff00ff00ff.glb" before its ending. */
static struct text stem_of(struct text name)
{
    const char *slash = memrchr(name.data, '/', name.size);
    const size_t from = slash == NULL ? 0 : (size_t)(slash - name.data) + 1;
    const struct text file = {name.data + from, name.size - from};
    const char *dot = memchr(file.data, '.', file.size);
    return (struct text){file.data, dot == NULL ? file.size : (size_t)(dot - file.data)};
}

/* The stem ends in a digest. */
static bool is_content_named(struct text name)
{
    return ends_with_hex(stem_of(name));
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
    return store->facts.is_ours
               ? text_equals(name, package_tileset_name(store->package)) || is_content_named(name)
               : reach_has(&store->reach, name);
}

/* ---- views: what is cut short ---- */

static bool file_is(int fd, uint64_t bytes, int64_t mtime)
{
    struct stat now;
    return fstat(fd, &now) == 0 && (uint64_t)now.st_size == bytes && mtime_ns(&now) == mtime;
}

static bool archive_is_whole(struct store_cache *cache, const struct store *store)
{
    if (cache->checked_turn == cache->turn && cache->checked_serial == store->serial) {
        return true;
    }
    if (!file_is(store->fd, (uint64_t)store->opened.st_size, mtime_ns(&store->opened))) {
        return false;
    }
    cache->checked_turn = cache->turn;
    cache->checked_serial = store->serial;
    return true;
}

static bool view_is_whole(struct store_view *view)
{
    struct store_view_place *place = &view->place;
    if (place->fd < 0) {
        return archive_is_whole(place->cache, place->store);
    }
    if (place->checked_turn == place->cache->turn) {
        return true;
    }
    if (!file_is(place->fd, place->file_bytes, place->file_mtime_ns)) {
        return false;
    }
    place->checked_turn = place->cache->turn;
    return true;
}

/* glTF and the 1.0 formats say their own size at offset 8. */
static bool is_cut_short(struct span bytes)
{
    static const char *const magics[] = {"glTF", "b3dm", "i3dm", "pnts", "cmpt"};
    for (size_t i = 0; i < sizeof magics / sizeof magics[0] && bytes.size >= 4; i++) {
        if (memcmp(bytes.data, magics[i], 4) == 0) {
            return bytes.size < 12 || bytes_load_u32le(bytes.data + 8) > bytes.size;
        }
    }
    return false;
}

/* A fault beyond the end of a mapped file: a page of zeros takes its place. A
 * fault that is none of a map comes again at once, with the default action. */
static void put_zeros(int number, siginfo_t *info, void *context)
{
    (void)context;
    const int saved = errno;
    const uintptr_t page_bytes = 4096;
    const uintptr_t page = (uintptr_t)info->si_addr & ~(page_bytes - 1);
    if (info->si_code != BUS_ADRERR ||
        mmap((void *)page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
            MAP_FAILED) {
        signal(number, SIG_DFL);
    }
    errno = saved;
}

bool store_guard_maps(struct err *err)
{
    struct sigaction action = {.sa_sigaction = put_zeros, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (sysconf(_SC_PAGESIZE) != 4096) {
        return true; /* only the size checks remain */
    }
    return sigaction(SIGBUS, &action, NULL) == 0 || io_error(err, "guard", "SIGBUS");
}

/* ---- views: making one ---- */

static void name_etag(struct store_view *view, struct digest digest)
{
    static const char *const endings[MESSAGE_CODING_COUNT] = {"", "-gzip", "-zstd"};
    char digits[DIGEST_TEXT_BYTES];
    digest_print(digest, digits);
    snprintf(view->etag, sizeof view->etag, "\"%s%s\"", digits, endings[view->coding]);
}

static void add_part(struct store_view *view, const uint8_t *data, size_t size)
{
    view->parts[view->part_count++] = (struct span){data, size};
    view->bytes += size;
}

/* RFC 1952: no name, no time, unknown system; then CRC-32 and size. */
static void frame_gzip(struct store_view *view, const struct package_member *member)
{
    static const uint8_t head[GZIP_HEAD_BYTES] = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255};
    uint8_t *frame = view->place.frame;
    memcpy(frame, head, sizeof head);
    bytes_store_u32le(frame + GZIP_HEAD_BYTES, member->crc32);
    bytes_store_u32le(frame + GZIP_HEAD_BYTES + 4, (uint32_t)member->bytes);
    add_part(view, frame, GZIP_HEAD_BYTES);
    add_part(view, member->packed.data, member->packed.size);
    add_part(view, frame + GZIP_HEAD_BYTES, GZIP_TAIL_BYTES);
}

/* Expands a member and compares what the archive says about it. */
static bool expand(const struct package_member *member, struct buf *out, struct err *err)
{
    if (!packing_is_known(member->method)) {
        return err_set(err, ERR_UNSUPPORTED, "compression method %u", member->method);
    }
    if (!packing_expand((enum packing_method)member->method, member->packed, member->bytes, out,
                        err)) {
        return false;
    }
    if (packing_crc32(0, buf_span(out)) != member->crc32) {
        return err_set(err, ERR_SYNTAX, "checksum differs");
    }
    return true;
}

/* A content-named file is what its name says; a stray one of that form is none. */
static bool check_name(const struct store *store, struct text name, struct span bytes,
                       struct err *err)
{
    char digits[NAME_DIGITS + 1];
    const struct text stem = stem_of(name);
    if (!store->facts.is_ours || !ends_with_hex(stem)) {
        return true;
    }
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)digest_short(bytes));
    return memcmp(stem.data + stem.size - NAME_DIGITS, digits, NAME_DIGITS) == 0 ||
           err_set(err, ERR_SYNTAX, "its bytes are not those that it is named after");
}

/* The first look at a member: its checksum, its name, its own idea of its size. */
static bool check_member(const struct store *store, struct text name,
                         const struct package_member *member, struct err *err)
{
    if (member->method == PACKING_STORED) {
        if (store->is_archive && packing_crc32(0, member->packed) != member->crc32) {
            return err_set(err, ERR_SYNTAX, "checksum differs");
        }
        if (is_cut_short(member->packed)) {
            return err_set(err, ERR_SYNTAX, "shorter than it says itself");
        }
        return check_name(store, name, member->packed, err);
    }
    struct buf expanded;
    buf_init(&expanded, EXPANDED_MEMBER_MAX);
    const bool ok =
        expand(member, &expanded, err) && check_name(store, name, buf_span(&expanded), err);
    buf_release(&expanded);
    return ok;
}

/* A file descriptor on a folder's file, to ask for its size before answers. */
static bool watch_file(struct store_view *view, struct text name, struct err *err)
{
    struct store_view_place *place = &view->place;
    char path[MESSAGE_PATH_BYTES_MAX + 1];
    if (place->store->is_archive) {
        return true;
    }
    if (name.size >= sizeof path) {
        return err_set(err, ERR_LIMIT, "name of %zu bytes", name.size);
    }
    memcpy(path, name.data, name.size);
    path[name.size] = '\0';
    place->fd = openat(place->store->fd, path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (place->fd < 0 || fstat(place->fd, &info) != 0) {
        return io_error(err, "open", path);
    }
    place->file_bytes = (uint64_t)info.st_size;
    place->file_mtime_ns = mtime_ns(&info);
    return true;
}

/* The archive itself. Its tag is of what names its content: the root, the list of
 * digests of a package of ours; of a foreign one also size and time. */
static bool fill_archive(struct store_view *view, struct err *err)
{
    const struct store *store = view->place.store;
    const struct span file = package_archive(store->package)->file;
    struct buf named;
    buf_init(&named, EXPANDED_MEMBER_MAX);
    buf_add_text(&named, store->facts.revision);
    buf_add_u64le(&named, file.size);
    bool ok = true;
    if (store->facts.is_ours) {
        ok = package_load(store->package, text_of(MANIFEST_NAME), &named, err);
    } else {
        buf_add_u64le(&named, (uint64_t)mtime_ns(&store->opened));
    }
    ok = ok && buf_finish(&named, err);
    if (ok) {
        add_part(view, file.data, file.size);
        name_etag(view, digest_of(buf_span(&named)));
        view->type = "application/vnd.maxar.archive.3tz+zip";
    }
    buf_release(&named);
    return ok;
}

static bool fill_view(struct store_view *view, struct text name,
                      const struct package_member *member, struct err *err)
{
    struct store_view_place *place = &view->place;
    if (name.size == 0) {
        return fill_archive(view, err);
    }
    view->type = message_media_type(name);
    view->is_immutable = place->store->facts.is_ours && is_content_named(name);
    place->mapped = member->map.bytes;
    if (!watch_file(view, name, err)) {
        return false;
    }
    if (!place->store->is_archive && place->file_bytes != member->packed.size) {
        return err_set(err, ERR_IO, "changed while it was opened");
    }
    if (place->store->root.size > 0 &&
        text_equals(name, package_tileset_name(place->store->package))) {
        add_part(view, place->store->root.data, place->store->root.size);
        name_etag(view, digest_of(buf_span(&place->store->root)));
    } else if (place->is_expanded) {
        if (!expand(member, &place->expanded, err) ||
            !check_name(place->store, name, buf_span(&place->expanded), err)) {
            return false;
        }
        add_part(view, place->expanded.data, place->expanded.size);
        name_etag(view, digest_of(view->parts[0]));
    } else {
        if (!check_member(place->store, name, member, err)) {
            return false;
        }
        if (member->method == PACKING_DEFLATE) {
            view->coding = MESSAGE_GZIP;
            frame_gzip(view, member);
        } else {
            view->coding = member->method == PACKING_ZSTD ? MESSAGE_ZSTD : MESSAGE_IDENTITY;
            add_part(view, member->packed.data, member->packed.size);
        }
        name_etag(view, digest_of(member->packed));
    }
    if (!view_is_whole(view)) {
        return err_set(err, ERR_IO, "the file was cut or written to");
    }
    return true;
}

/* ---- the cache ---- */

bool store_cache_open(struct store_cache_options options, struct store_cache **out, struct err *err)
{
    assert(options.slot_count >= 4 * SET_SLOTS);
    assert((options.slot_count & (options.slot_count - 1)) == 0);
    struct arena memory;
    /* Views in flight are beyond those kept: one a connection at most. */
    arena_init(&memory, options.slot_count * (sizeof(void *) + 2 * sizeof(struct store_view)) +
                            ((size_t)16 << 20));
    struct store_cache *cache = arena_array(&memory, struct store_cache, 1);
    struct store_view **slots = arena_array(&memory, struct store_view *, options.slot_count);
    if (cache == NULL || slots == NULL) {
        const bool ok = arena_full(&memory, err);
        arena_release(&memory);
        return ok;
    }
    cache->slots = slots;
    cache->slot_count = options.slot_count;
    cache->turn = 1;
    cache->expanded_limit = options.expanded_bytes;
    cache->memory = memory;
    *out = cache;
    return true;
}

/* Frees what a view holds and puts it on the free list. */
static void discard(struct store_view *view)
{
    struct store_view_place *place = &view->place;
    struct store_cache *cache = place->cache;
    if (place->fd >= 0) {
        close(place->fd);
    }
    struct io_map map = {place->mapped};
    io_unmap(&map);
    buf_release(&place->expanded);
    store_drop(place->store);
    *view = (struct store_view){.place.next_free = cache->free_views};
    cache->free_views = view;
}

void store_view_keep(struct store_view *view)
{
    view->place.holder_count++;
}

void store_view_give_back(struct store_view *view)
{
    if (view == NULL) {
        return;
    }
    assert(view->place.holder_count > 0);
    if (--view->place.holder_count == 0) {
        discard(view);
    }
}

/* Takes a view out of the cache; what is prepared of it goes with that, and
 * gives its own hold back when the last connection is done. */
static void forget(struct store_cache *cache, struct store_view **slot)
{
    struct store_view *view = *slot;
    *slot = NULL;
    cache->kept_count--;
    if (view->place.is_expanded) {
        cache->expanded_bytes -= view->bytes;
    }
    view->place.is_kept = false;
    for (size_t i = 0; i < STORE_PREPARED_COUNT; i++) {
        void *prepared = view->prepared[i];
        view->prepared[i] = NULL;
        if (prepared != NULL) {
            view->forget(prepared);
        }
    }
    store_view_give_back(view);
}

void store_cache_close(struct store_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (size_t i = 0; i < cache->slot_count; i++) {
        if (cache->slots[i] != NULL) {
            forget(cache, &cache->slots[i]);
        }
    }
    struct arena memory = cache->memory;
    arena_release(&memory);
}

void store_cache_turn(struct store_cache *cache)
{
    cache->turn++;
}

size_t store_cache_count(const struct store_cache *cache)
{
    return cache->kept_count;
}

void store_cache_retain(struct store_cache *cache, uint64_t number)
{
    for (size_t i = 0; i < cache->slot_count; i++) {
        const struct store_view *view = cache->slots[i];
        if (view != NULL && atomic_load(&view->place.store->number) < number) {
            forget(cache, &cache->slots[i]);
        }
    }
}

static struct store_view **set_of(struct store_cache *cache, struct digest name, uint64_t serial)
{
    const uint64_t hash = (bytes_load_u64le(name.bytes) ^ serial) * 0x9E3779B97F4A7C15U;
    return cache->slots + ((hash >> 20) & (cache->slot_count - 1) & ~(uint64_t)(SET_SLOTS - 1));
}

static struct store_view **find_slot(struct store_cache *cache, const struct store *store,
                                     struct digest name, bool is_expanded)
{
    struct store_view **set = set_of(cache, name, store->serial);
    for (size_t i = 0; i < SET_SLOTS; i++) {
        if (set[i] != NULL && set[i]->place.serial == store->serial &&
            set[i]->place.is_expanded == is_expanded && digest_equals(set[i]->place.name, name)) {
            return &set[i];
        }
    }
    return NULL;
}

static void keep_in_cache(struct store_cache *cache, struct store_view *view)
{
    struct store_view_place *place = &view->place;
    if (place->is_expanded) {
        if (view->bytes > cache->expanded_limit - cache->expanded_bytes) {
            return; /* this one is expanded again next time */
        }
        cache->expanded_bytes += view->bytes;
    }
    struct store_view **set = set_of(cache, place->name, place->serial);
    struct store_view **oldest = set;
    for (size_t i = 0; i < SET_SLOTS && *oldest != NULL; i++) {
        if (set[i] == NULL || set[i]->place.last_used < (*oldest)->place.last_used) {
            oldest = &set[i];
        }
    }
    if (*oldest != NULL) {
        forget(cache, oldest);
    }
    *oldest = view;
    place->is_kept = true;
    place->holder_count++;
    cache->kept_count++;
}

static struct store_view *take_view(struct store_cache *cache)
{
    struct store_view *view = cache->free_views;
    if (view != NULL) {
        cache->free_views = view->place.next_free;
        view->place.next_free = NULL;
        return view;
    }
    return arena_array(&cache->memory, struct store_view, 1);
}

/* The coding in which a member lies, or identity. */
static enum message_coding coding_of(unsigned method)
{
    return method == PACKING_DEFLATE ? MESSAGE_GZIP
           : method == PACKING_ZSTD  ? MESSAGE_ZSTD
                                     : MESSAGE_IDENTITY;
}

/* Makes a view of a member that was found; the view takes over member->map. */
static bool make_view(struct store_cache *cache, struct store *store, struct text name,
                      struct digest digest, bool is_expanded, struct package_member *member,
                      struct store_view **out, struct err *err)
{
    struct store_view *view = take_view(cache);
    if (view == NULL) {
        package_member_release(member);
        return arena_full(&cache->memory, err);
    }
    store_hold(store);
    view->place = (struct store_view_place){
        .store = store,
        .cache = cache,
        .holder_count = 1,
        .serial = store->serial,
        .last_used = cache->clock,
        .name = digest,
        .is_expanded = is_expanded,
        .packed_coding = coding_of(member->method),
        .fd = -1,
    };
    buf_init(&view->place.expanded, EXPANDED_MEMBER_MAX);
    if (!fill_view(view, name, member, err)) {
        store_view_give_back(view);
        return false;
    }
    keep_in_cache(cache, view);
    *out = view;
    return true;
}

static bool open_member(struct store_cache *cache, struct store *store, struct text name,
                        struct digest digest, unsigned codings, struct store_view **out,
                        bool *out_is_refused, struct err *err)
{
    /* The map must not be read beyond a cut, and a hit was checked by then. */
    if (store->is_archive && !archive_is_whole(cache, store)) {
        return err_set(err, ERR_IO, "the archive was cut or written to");
    }
    struct package_member member = {.is_found = true};
    if (name.size > 0 && !package_find(store->package, name, &member, err)) {
        return false;
    }
    if (!member.is_found) {
        *out = NULL;
        return true;
    }
    const bool is_taken = (codings >> coding_of(member.method) & 1) != 0;
    if (!is_taken && (codings & 1U << MESSAGE_IDENTITY) == 0) {
        package_member_release(&member);
        *out_is_refused = true;
        *out = NULL;
        return true;
    }
    return make_view(cache, store, name, digest, !is_taken, &member, out, err);
}

/* The archive's view is kept under no name. */
bool store_cache_find_archive(struct store_cache *cache, struct store *store,
                              struct store_view **out, struct err *err)
{
    bool is_refused;
    if (!store->is_archive) {
        *out = NULL;
        return true;
    }
    return store_cache_find(cache, store, (struct text){"", 0}, 1U << MESSAGE_IDENTITY, out,
                            &is_refused, err);
}

bool store_cache_find(struct store_cache *cache, struct store *store, struct text name,
                      unsigned codings, struct store_view **out, bool *out_is_refused,
                      struct err *err)
{
    const struct digest digest = digest_of((struct span){(const uint8_t *)name.data, name.size});
    cache->clock++;
    for (int is_expanded = 0; is_expanded < 2; is_expanded++) {
        struct store_view **slot = find_slot(cache, store, digest, is_expanded != 0);
        if (slot == NULL || (codings >> (*slot)->coding & 1) == 0) {
            continue;
        }
        if (is_expanded != 0 && (codings >> (*slot)->place.packed_coding & 1) != 0) {
            break; /* this client takes it as it lies */
        }
        if (!view_is_whole(*slot)) {
            forget(cache, slot);
            continue;
        }
        (*slot)->place.last_used = cache->clock;
        (*slot)->place.holder_count++;
        *out_is_refused = false;
        *out = *slot;
        return true;
    }
    *out_is_refused = false;
    if (!open_member(cache, store, name, digest, codings, out, out_is_refused, err)) {
        char terminated[128];
        snprintf(terminated, sizeof terminated, "%.*s", TEXT_ARGS(name));
        err_in_source(err, terminated);
        return false;
    }
    return true;
}
