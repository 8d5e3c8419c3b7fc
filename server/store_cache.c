/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "formats/digest.h"
#include "formats/manifest.h"
#include "formats/packing.h"
#include "server/store_internal.h"

/* A member larger than this is not expanded for a client that takes no coding. */
enum { EXPANDED_MEMBER_MAX = 256 << 20 };
/* The oldest of a set's slots gives way. */
enum { SET_SLOTS = 4 };
enum { GZIP_HEAD_BYTES = 10, GZIP_TAIL_BYTES = 8 };

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

/* ---- views: what is cut short ---- */

static bool file_is(int fd, uint64_t bytes, int64_t mtime)
{
    struct stat now;
    return fstat(fd, &now) == 0 && (uint64_t)now.st_size == bytes && store_mtime_ns(&now) == mtime;
}

static bool archive_is_whole(struct store_cache *cache, const struct store *store)
{
    if (cache->checked_turn == cache->turn && cache->checked_serial == store->serial) {
        return true;
    }
    if (!file_is(store->fd, (uint64_t)store->opened.st_size, store_mtime_ns(&store->opened))) {
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
    char digits[STORE_NAME_DIGITS + 1];
    const struct text stem = store_name_stem(name);
    if (!store->facts.is_ours || !store_name_has_digest(stem)) {
        return true;
    }
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)digest_short(bytes));
    return memcmp(stem.data + stem.size - STORE_NAME_DIGITS, digits, STORE_NAME_DIGITS) == 0 ||
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
    place->file_mtime_ns = store_mtime_ns(&info);
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
        buf_add_u64le(&named, (uint64_t)store_mtime_ns(&store->opened));
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
    view->is_immutable =
        place->store->facts.is_ours && store_name_has_digest(store_name_stem(name));
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

/* Views lie in the cache's arena: one that is gone is on the free list, or another
 * view by now. */
bool store_view_take_again(struct store_view *view, uint64_t born)
{
    struct store_view_place *place = &view->place;
    if (!place->is_kept || place->born != born || !view_is_whole(view)) {
        return false;
    }
    place->last_used = ++place->cache->clock;
    place->holder_count++;
    return true;
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
        .born = cache->clock, /* which steps before each look-up */
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
