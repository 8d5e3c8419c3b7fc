/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CATALOGUE_H
#define SERVER_CATALOGUE_H

/*
 * catalogue.h - the packages that are served, by id, and the one pointer that
 * says which catalogue is in force.
 *
 * A catalogue never changes. Reloading opens a new one, which takes over every
 * store whose package is the same as before, and puts it in the old one's place;
 * workers see that at their next turn. A package that was replaced keeps its old
 * store for a while, behind the new one: a viewer that holds the old tileset.json
 * still gets its tiles. Ids and aliases are unique: of two packages that claim one,
 * the first keeps it and the other is named in a note.
 *
 * Threads  A catalogue is shared and read only. struct catalogue_current is the
 *          one place that changes; its functions lock.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "formats/base/err.h"
#include "server/access.h"
#include "server/sidecar.h"
#include "server/store.h"

/* Revisions of one package that answer: the newest first. */
enum { CATALOGUE_REVISIONS_MAX = 8, CATALOGUE_ENTRIES_MAX = 100000 };

struct catalogue_entry {
    const char *id;    /* the side-car's, else the name of the file or folder without ".3tz" */
    const char *title; /* never empty: the id when nobody gave one */
    struct sidecar sidecar;
    const char *sidecar_path; /* where it is, or would be; NULL: the package has no place for one */
    struct stat sidecar_as_read; /* st_size is -1 when there was none */
    size_t order;                /* in which it was found */
    struct store *stores[CATALOGUE_REVISIONS_MAX];
    int64_t retired_s[CATALOGUE_REVISIONS_MAX]; /* when it stopped being the newest */
    size_t store_count;                         /* 1 or more */
};

struct catalogue_alias {
    const char *name;
    const struct catalogue_entry *entry;
};

struct catalogue {
    atomic_uint holder_count;
    struct arena memory;
    uint64_t number;                 /* one more than the catalogue's before */
    struct catalogue_entry *entries; /* sorted by id */
    size_t entry_count;
    const char **paths;              /* of the entries' newest stores, sorted */
    struct catalogue_alias *aliases; /* sorted by name */
    size_t alias_count;
    struct store *viewer;  /* the viewer's page, or NULL */
    struct store *cesium;  /* CesiumJS, or NULL */
    struct access *access; /* who may do what */
};

struct catalogue_options {
    const char *const *paths; /* packages, and folders of packages */
    size_t path_count;
    struct store *viewer; /* held by the catalogue; may be NULL */
    struct store *cesium;
    struct access *access; /* held by the catalogue */
    int64_t grace_s;       /* how long a replaced revision still answers */
    int64_t now_s;         /* monotonic */
    size_t package_limit;  /* each keeps files open; 0: CATALOGUE_ENTRIES_MAX */
};

/* Told about every path that cannot be served, and about empty folders. */
typedef void (*catalogue_note)(void *argument, const struct err *what);

/*
 * Opens every package that can be opened. A PATH is a package when it is a file
 * or a folder with a tileset.json; another folder's entries are looked at, not
 * deeper.
 *
 * previous   NULL at first. A package whose path led to the same bytes then is
 *            taken over; one that cannot be opened now keeps its old store.
 * Errors     ERR_NOMEM, ERR_LIMIT; everything else is a note. A catalogue
 *            without entries is a success.
 */
ERR_CHECKED bool catalogue_open(const struct catalogue_options *options,
                                const struct catalogue *previous, catalogue_note note,
                                void *argument, struct catalogue **out, struct err *err);

void catalogue_drop(struct catalogue *catalogue); /* NULL is fine */

/* True when both serve the same stores under the same ids to the same callers. */
bool catalogue_equals(const struct catalogue *a, const struct catalogue *b);

/* The entry of that id or alias, or NULL. */
const struct catalogue_entry *catalogue_find(const struct catalogue *catalogue, struct text id);

/* True when reloading would change something. Looks at every path and at every
 * entry's file; two system calls an entry. */
bool catalogue_is_stale(const struct catalogue *catalogue, const struct catalogue_options *options);

/* ---- the one in force ---- */

enum catalogue_drain { CATALOGUE_SERVING, CATALOGUE_DRAINING, CATALOGUE_OVER };

struct catalogue_current {
    pthread_mutex_t lock;
    struct catalogue *catalogue;
    atomic_uint generation; /* counts replacements */
    atomic_int drain;       /* enum catalogue_drain */
};

void catalogue_current_init(struct catalogue_current *current, struct catalogue *first);
void catalogue_current_release(struct catalogue_current *current);

/* Puts a catalogue in force; takes over the caller's hold. */
void catalogue_current_replace(struct catalogue_current *current, struct catalogue *next);

/* A hold on the one in force, for catalogue_drop(). */
struct catalogue *catalogue_current_hold(struct catalogue_current *current);

/* Says once and for all that the server is shutting down, and then that the last
 * answer has left. */
static inline void catalogue_current_drain(struct catalogue_current *current,
                                           enum catalogue_drain state)
{
    atomic_store(&current->drain, (int)state);
}

static inline enum catalogue_drain catalogue_current_drains(struct catalogue_current *current)
{
    return (enum catalogue_drain)atomic_load(&current->drain);
}

static inline unsigned catalogue_current_generation(struct catalogue_current *current)
{
    return atomic_load(&current->generation);
}

#endif
