/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_STORE_H
#define SERVER_STORE_H

/*
 * store.h - an opened package (or the viewer's folder): names to bytes that can
 * go out as they lie on disk.
 *
 * A store never changes after opening: a new revision is a new store. What was
 * looked up lately is kept as views, in a cache that one worker owns, so that
 * nothing is locked on the way to a tile.
 *
 *   name --> cache --> view: spans of the map, coding, entity tag, type
 *              \-miss-> package_find(), checked once, then kept
 *
 * A member that is deflate in the archive goes out as gzip: ten bytes of header,
 * the deflate bytes from the map, CRC-32 and size. zstd goes out as it is. Only a
 * client that takes neither makes the server expand it.
 *
 * Cut files: a view's bytes are handed to the kernel, which says EFAULT where
 * this program would get SIGBUS. The file's size is asked for before answers (once
 * a turn of the worker), so that a short file is an error and not a short 200.
 * Our own reads of a map (the first look at a member) are covered by
 * store_guard_maps().
 *
 * Threads  A store is shared: store_hold() and store_drop() from any thread. A
 *          cache and its views belong to one thread.
 */

#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"
#include "formats/feature_index.h"
#include "server/facts.h"
#include "server/message.h"

struct store;

/*
 * Opens a package and reads its facts.
 *
 * Errors   those of package_open() and facts_read()
 */
ERR_CHECKED bool store_open(const char *path, struct store **out, struct err *err);

/* Opens any folder for serving its files: no tileset, no facts. */
ERR_CHECKED bool store_open_folder(const char *path, struct store **out, struct err *err);

/* A store begins with one holder; the last one to drop it closes it. */
void store_hold(struct store *store);
void store_drop(struct store *store); /* NULL is fine */

const struct facts *store_facts(const struct store *store);
const char *store_path(const struct store *store);

/* "tileset.json", or the name of the JSON file that was given. */
struct text store_tileset_name(const struct store *store);

/*
 * Sixteen digits that tell a foreign package's revisions apart, the same on every
 * machine: URLs of its files have them ("r/0123.../tiles/a.glb"), because its names
 * do not change with their bytes. NULL for a package of ours, whose names do.
 */
const char *store_revision(const struct store *store);

/* Notes the catalogue that serves the store; numbers grow. */
void store_mark(struct store *store, uint64_t number);
uint64_t store_number(const struct store *store);

/* The index of the package's features, in its map; NULL when it has none. */
const struct feature_index *store_index(const struct store *store);

/* ERR_IO when the index was cut or written to since it was opened. To be asked
 * before every use: a map that is cut reads as zeros. */
ERR_CHECKED bool store_index_is_whole(const struct store *store, struct err *err);

/* Where a stored file's bytes lie, for readers that want a file and an offset. */
struct store_place {
    int fd; /* the caller's to close */
    uint64_t offset, bytes;
};
ERR_CHECKED bool store_locate(const struct store *store, struct text name, struct store_place *out,
                              bool *out_found, struct err *err);

/* True when the path now leads to other bytes than were opened, or to none. */
bool store_is_stale(const struct store *store);

/*
 * True when clients may ask for that name: of a foreign package what its tilesets
 * lead to; of ours the root and what is named by its content, whose bytes are
 * compared with that name when they are first asked for. So neither the index nor
 * what else lies in a folder goes out. Of a plain folder everything that is not
 * hidden.
 */
bool store_may_serve(const struct store *store, struct text name);

/* ---- views ---- */

enum { STORE_ETAG_BYTES = 48, STORE_PREPARED_COUNT = 8 };

/* What only store.c looks at. */
struct store_view_place {
    struct store *store;
    struct store_cache *cache;
    uint32_t holder_count;
    bool is_kept; /* the cache finds it */
    uint64_t serial;
    uint64_t last_used;
    uint64_t born; /* never the same twice in a cache */
    struct digest name;
    bool is_expanded;
    enum message_coding packed_coding; /* in which it lies in the package */
    int fd;                            /* of a directory's file; -1: the store's */
    uint64_t file_bytes;
    int64_t file_mtime_ns;
    uint64_t checked_turn; /* when its size was last asked for */
    struct span mapped;    /* a directory's file */
    struct buf expanded;
    uint8_t frame[18]; /* of gzip: head, tail */
    struct store_view *next_free;
};

struct store_view {
    struct span parts[3]; /* together the body, in this coding */
    size_t part_count;
    uint64_t bytes; /* of all parts */
    enum message_coding coding;
    bool is_immutable;           /* content-named: the name changes with the bytes */
    const char *type;            /* Content-Type */
    char etag[STORE_ETAG_BYTES]; /* strong, with quotes, of this coding */

    /* What the HTTP side made of the view, to be kept with it, and how that is
     * thrown away. NULL at first. */
    void *prepared[STORE_PREPARED_COUNT];
    int64_t dated_s[STORE_PREPARED_COUNT]; /* the second that its Date header tells */
    void (*forget)(void *prepared);

    struct store_view_place place;
};

struct store_cache;

struct store_cache_options {
    size_t slot_count;     /* views kept; a power of two, 16 or more */
    size_t expanded_bytes; /* kept memory of members expanded for simple clients */
};

ERR_CHECKED bool store_cache_open(struct store_cache_options options, struct store_cache **out,
                                  struct err *err);

/* All views must have been given back. NULL is fine. */
void store_cache_close(struct store_cache *cache);

size_t store_cache_count(const struct store_cache *cache); /* views kept */

/* Begins a turn. The size of a file is asked for once a turn, before the first
 * answer from it. */
void store_cache_turn(struct store_cache *cache);

/* Forgets the views of stores that are not marked with `number` or a later one. */
void store_cache_retain(struct store_cache *cache, uint64_t number);

/*
 * Finds a name in a coding that the client takes (bits as in
 * message_codings()): as it lies in the package when it may, else expanded.
 *
 * True with *out NULL: there is no such name, or, with *out_is_refused, none of
 * its codings is taken. The view is the caller's to give back.
 *
 * Errors   ERR_SYNTAX, ERR_IO  the member is damaged or the file was cut
 *          ERR_LIMIT, ERR_NOMEM
 */
ERR_CHECKED bool store_cache_find(struct store_cache *cache, struct store *store, struct text name,
                                  unsigned codings, struct store_view **out, bool *out_is_refused,
                                  struct err *err);

/* The whole archive as one file; *out NULL when the store is a folder. */
ERR_CHECKED bool store_cache_find_archive(struct store_cache *cache, struct store *store,
                                          struct store_view **out, struct err *err);

void store_view_keep(struct store_view *view);

/*
 * For who found a view before: holds it again, as store_cache_find() would. False
 * when the cache has let go of the one that was `born` then, or its file was cut.
 * `view` may be any that was ever given out by a cache that is still open.
 */
bool store_view_take_again(struct store_view *view, uint64_t born);
void store_view_give_back(struct store_view *view); /* NULL is fine */

/* True while the cache finds it, so that what is prepared of it has a keeper. */
static inline bool store_view_is_kept(const struct store_view *view)
{
    return view->place.is_kept;
}

/*
 * From now on a read beyond the end of a mapped file that was cut gives zeros
 * instead of SIGBUS; every reader of a map compares a checksum or a size after.
 */
ERR_CHECKED bool store_guard_maps(struct err *err);

#endif
