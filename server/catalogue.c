/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/catalogue.h"

#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "formats/base/io.h"

enum { CATALOGUE_MEMORY_MAX = 256 << 20, NAMES_MEMORY_MAX = 64 << 20 };

/* Everything one catalogue_open() needs while it runs. */
struct opening {
    const struct catalogue_options *options;
    const struct catalogue *previous;
    catalogue_note note;
    void *argument;
    struct catalogue *catalogue;
    size_t room; /* entries that fit */
    bool is_full;
};

/* ---- paths ---- */

static bool ends_with(const char *text, const char *ending)
{
    const size_t size = strlen(text);
    const size_t ending_size = strlen(ending);
    return size > ending_size && strcasecmp(text + size - ending_size, ending) == 0;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A folder with a tileset.json, or any file that is named as a package. */
static bool looks_like_package(const char *path)
{
    char inside[PATH_MAX];
    if (!is_folder(path)) {
        return ends_with(path, ".3tz") || ends_with(path, ".json") || ends_with(path, ".zip");
    }
    struct stat info;
    const int size = snprintf(inside, sizeof inside, "%s/tileset.json", path);
    return size < (int)sizeof inside && stat(inside, &info) == 0;
}

/* The id: the last part of the path without its suffix. For a tileset.json, and
 * for a path that ends in a dot, the folder's name. */
static bool name_entry(const char *path, struct arena *memory, const char **out, struct err *err)
{
    char *full = realpath(path, NULL);
    if (full == NULL) {
        return io_error(err, "find", path);
    }
    if (ends_with(full, "/tileset.json")) {
        *strrchr(full, '/') = '\0';
    }
    const char *slash = strrchr(full, '/');
    const char *name = slash == NULL || slash[1] == '\0' ? "root" : slash + 1;
    size_t size = strlen(name);
    static const char *const suffixes[] = {".3tz", ".json", ".zip"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (ends_with(name, suffixes[i])) {
            size -= strlen(suffixes[i]);
            break;
        }
    }
    char *kept = arena_array(memory, char, size + 1);
    if (kept != NULL) {
        memcpy(kept, name, size);
    }
    free(full);
    if (kept == NULL) {
        return arena_full(memory, err);
    }
    if (!text_is_utf8(text_of(kept))) {
        return err_set(err, ERR_SCHEMA, "the name is not UTF-8");
    }
    *out = kept;
    return true;
}

/* ---- side-cars ---- */

/* "city.json" for "city.3tz", "city/" and "city/tileset.json". */
static bool name_sidecar(const char *path, struct arena *memory, const char **out, struct err *err)
{
    size_t size = strlen(path);
    *out = NULL;
    if (ends_with(path, "/tileset.json")) {
        size -= strlen("/tileset.json");
    } else if (ends_with(path, ".3tz") || ends_with(path, ".zip")) {
        size -= 4;
    } else if (ends_with(path, ".json")) {
        return true; /* it would be its own */
    }
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    *out = arena_print(memory, "%.*s.json", (int)size, path);
    return *out != NULL || arena_full(memory, err);
}

static void look_at(const char *path, struct stat *out)
{
    if (path == NULL || stat(path, out) != 0) {
        *out = (struct stat){.st_size = -1};
    }
}

static bool is_as_read(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_ino == b->st_ino &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool load_sidecar(struct catalogue_entry *entry, struct arena *memory, struct err *err)
{
    struct io_map map;
    look_at(entry->sidecar_path, &entry->sidecar_as_read);
    if (entry->sidecar_as_read.st_size < 0) {
        return true;
    }
    if (entry->sidecar_as_read.st_size > SIDECAR_BYTES_MAX) {
        return true; /* some other file */
    }
    if (!io_map(entry->sidecar_path, &map, err)) {
        return false;
    }
    const bool ok = sidecar_read(map.bytes, memory, &entry->sidecar, err);
    io_unmap(&map);
    if (!ok) {
        err_in_source(err, entry->sidecar_path);
    }
    return ok;
}

/* ---- entries ---- */

static void note_error(const struct opening *opening, const char *path, struct err *what)
{
    err_in_source(what, path);
    if (opening->note != NULL) {
        opening->note(opening->argument, what);
    }
}

static bool grow(struct opening *opening, struct err *err)
{
    struct catalogue *catalogue = opening->catalogue;
    if (catalogue->entry_count < opening->room) {
        return true;
    }
    const size_t room = opening->room == 0 ? 16 : 2 * opening->room;
    if (room > 2 * (size_t)CATALOGUE_ENTRIES_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d packages", CATALOGUE_ENTRIES_MAX);
    }
    struct catalogue_entry *entries = arena_array(&catalogue->memory, struct catalogue_entry, room);
    if (entries == NULL) {
        return arena_full(&catalogue->memory, err);
    }
    if (catalogue->entry_count > 0) {
        memcpy(entries, catalogue->entries, catalogue->entry_count * sizeof entries[0]);
    }
    catalogue->entries = entries;
    opening->room = room;
    return true;
}

/* The revisions before `newest` that still answer. */
static void add_older(const struct opening *opening, struct catalogue_entry *entry,
                      const struct catalogue_entry *before)
{
    const struct catalogue_options *options = opening->options;
    for (size_t i = 0; before != NULL && i < before->store_count; i++) {
        const int64_t retired =
            before->retired_s[i] == 0 && i == 0 ? options->now_s : before->retired_s[i];
        if (before->stores[i] == entry->stores[0] ||
            entry->store_count == CATALOGUE_REVISIONS_MAX ||
            options->now_s - retired > options->grace_s) {
            continue;
        }
        store_hold(before->stores[i]);
        entry->stores[entry->store_count] = before->stores[i];
        entry->retired_s[entry->store_count++] = retired;
    }
}

/* The store for a path: the one from before when nothing changed, or when what
 * is there now cannot be opened. */
static struct store *choose_store(const struct opening *opening,
                                  const struct catalogue_entry *before, const char *path,
                                  struct err *err)
{
    struct store *old = before == NULL ? NULL : before->stores[0];
    const bool is_same = old != NULL && strcmp(store_path(old), path) == 0;
    if (is_same && !store_is_stale(old)) {
        store_hold(old);
        return old;
    }
    struct store *store = NULL;
    if (store_open(path, &store, err)) {
        return store;
    }
    note_error(opening, path, err);
    if (is_same) {
        store_hold(old);
        return old;
    }
    return NULL;
}

/* What the package is called: by its side-car, itself, or its file's name. */
static bool describe(struct opening *opening, const char *path, struct catalogue_entry *entry,
                     struct err *err)
{
    struct arena *memory = &opening->catalogue->memory;
    const char *name;
    struct err local;
    if (!name_entry(path, memory, &name, err) ||
        !name_sidecar(path, memory, &entry->sidecar_path, err)) {
        return false;
    }
    /* A city model may well have this name: what is no side-car is looked over. */
    if (!load_sidecar(entry, memory, &local)) {
        note_error(opening, path, &local);
        entry->sidecar = (struct sidecar){.id = NULL};
    }
    entry->id = entry->sidecar.id != NULL ? entry->sidecar.id : name;
    return true;
}

static bool name_title(struct arena *memory, struct catalogue_entry *entry, struct err *err)
{
    const struct text title = store_facts(entry->stores[0])->title;
    const char *said = sidecar_title(&entry->sidecar, (struct text){NULL, 0});
    if (said != NULL || title.size == 0) {
        entry->title = said != NULL ? said : entry->id;
        return true;
    }
    entry->title = arena_print(memory, "%.*s", TEXT_ARGS(title));
    return entry->title != NULL || arena_full(memory, err);
}

/* One package too many for the open files that there may be; said once. */
static bool is_beyond_limit(struct opening *opening, const char *path)
{
    const size_t limit = opening->options->package_limit;
    if (limit == 0 || opening->catalogue->entry_count < limit) {
        return false;
    }
    if (!opening->is_full) {
        struct err local;
        err_set(&local, ERR_LIMIT,
                "%zu packages are all that the limit of open files allows, this one and what "
                "follows is left out: raise it (ulimit -n, LimitNOFILE=)",
                limit);
        note_error(opening, path, &local);
        opening->is_full = true;
    }
    return true;
}

static bool add_package(struct opening *opening, const char *path, struct err *err)
{
    struct catalogue *catalogue = opening->catalogue;
    if (is_beyond_limit(opening, path)) {
        return true;
    }
    struct catalogue_entry entry = {.order = catalogue->entry_count};
    struct err local;
    if (!describe(opening, path, &entry, &local)) {
        note_error(opening, path, &local);
        return true; /* and it is tried again */
    }
    const struct catalogue_entry *before =
        opening->previous == NULL ? NULL : catalogue_find(opening->previous, text_of(entry.id));
    struct store *store = choose_store(opening, before, path, &local);
    if (store == NULL) {
        return true;
    }
    entry.stores[entry.store_count++] = store;
    if (!name_title(&catalogue->memory, &entry, err) || !grow(opening, err)) {
        store_drop(store);
        return false;
    }
    add_older(opening, &entry, before);
    catalogue->entries[catalogue->entry_count++] = entry;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

/* Names in a folder that look like packages, sorted; in `scratch`. */
static bool list_folder(const char *path, struct arena *scratch, const char ***out, size_t *count,
                        struct err *err)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return io_error(err, "open", path);
    }
    const char **names = NULL;
    size_t room = 0;
    bool ok = true;
    *count = 0;
    for (const struct dirent *item = readdir(folder); ok && item != NULL; item = readdir(folder)) {
        char inside[PATH_MAX];
        const int size = snprintf(inside, sizeof inside, "%s/%s", path, item->d_name);
        if (item->d_name[0] == '.' || size >= (int)sizeof inside || !looks_like_package(inside) ||
            ends_with(inside, ".json") || ends_with(inside, ".zip")) {
            continue;
        }
        if (*count == room) {
            room = room == 0 ? 64 : 2 * room;
            const char **more = arena_array(scratch, const char *, room);
            if (more != NULL && *count > 0) {
                memcpy(more, names, *count * sizeof names[0]);
            }
            names = more;
        }
        char *kept = arena_array(scratch, char, (size_t)size + 1);
        ok = names != NULL && kept != NULL;
        if (ok) {
            memcpy(kept, inside, (size_t)size);
            names[(*count)++] = kept;
        }
    }
    closedir(folder);
    if (!ok) {
        return arena_full(scratch, err);
    }
    if (*count > 0) {
        qsort(names, *count, sizeof names[0], compare_names);
    }
    *out = names;
    return true;
}

static bool add_folder(struct opening *opening, const char *path, struct err *err)
{
    struct arena scratch;
    arena_init(&scratch, NAMES_MEMORY_MAX);
    struct err local;
    const char **names = NULL;
    size_t count = 0;
    bool ok = true;
    if (!list_folder(path, &scratch, &names, &count, &local)) {
        note_error(opening, path, &local);
    } else if (count == 0) {
        err_set(&local, ERR_IO, "no package in this folder: neither a tileset.json nor a .3tz");
        note_error(opening, path, &local);
    }
    for (size_t i = 0; ok && i < count; i++) {
        ok = add_package(opening, names[i], err);
    }
    arena_release(&scratch);
    return ok;
}

static bool add_path(struct opening *opening, const char *path, struct err *err)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        struct err local;
        io_error(&local, "open", path);
        if (opening->note != NULL) {
            opening->note(opening->argument, &local);
        }
        return true;
    }
    return S_ISDIR(info.st_mode) && !looks_like_package(path) ? add_folder(opening, path, err)
                                                              : add_package(opening, path, err);
}

static int compare_entries(const void *a, const void *b)
{
    const struct catalogue_entry *left = a;
    const struct catalogue_entry *right = b;
    const int order = strcmp(left->id, right->id);
    return order != 0 ? order : left->order < right->order ? -1 : left->order > right->order;
}

static void drop_entry(const struct catalogue_entry *entry)
{
    for (size_t k = 0; k < entry->store_count; k++) {
        store_drop(entry->stores[k]);
    }
}

/* Of entries with one id the first that was found stays. They are sorted. */
static void refuse_twins(const struct opening *opening)
{
    struct catalogue *catalogue = opening->catalogue;
    size_t kept = 0;
    for (size_t i = 0; i < catalogue->entry_count; i++) {
        const struct catalogue_entry *entry = &catalogue->entries[i];
        if (kept > 0 && strcmp(catalogue->entries[kept - 1].id, entry->id) == 0) {
            struct err local;
            err_set(&local, ERR_SCHEMA, "another package has the id '%s': rename one", entry->id);
            note_error(opening, store_path(entry->stores[0]), &local);
            drop_entry(entry);
            continue;
        }
        if (kept != i) {
            catalogue->entries[kept] = *entry;
        }
        kept++;
    }
    catalogue->entry_count = kept;
}

static int compare_aliases(const void *a, const void *b)
{
    const struct catalogue_alias *left = a;
    const struct catalogue_alias *right = b;
    const int order = strcmp(left->name, right->name);
    return order != 0 ? order
                      : (left->entry->order > right->entry->order) -
                            (left->entry->order < right->entry->order);
}

/* Keeps aliases that are nobody's id and nobody else's alias. They are sorted. */
static void refuse_twin_aliases(const struct opening *opening)
{
    struct catalogue *catalogue = opening->catalogue;
    const size_t count = catalogue->alias_count;
    size_t kept = 0;
    catalogue->alias_count = 0; /* so that only ids are found */
    for (size_t i = 0; i < count; i++) {
        const struct catalogue_alias *alias = &catalogue->aliases[i];
        const bool is_taken =
            catalogue_find(catalogue, text_of(alias->name)) != NULL ||
            (kept > 0 && strcmp(catalogue->aliases[kept - 1].name, alias->name) == 0);
        if (is_taken) {
            struct err local;
            err_set(&local, ERR_SCHEMA, "alias '%s' is another package's id or alias", alias->name);
            note_error(opening, alias->entry->sidecar_path, &local);
        } else {
            catalogue->aliases[kept++] = *alias;
        }
    }
    catalogue->alias_count = kept;
}

static bool collect_aliases(const struct opening *opening, struct err *err)
{
    struct catalogue *catalogue = opening->catalogue;
    size_t count = 0;
    for (size_t i = 0; i < catalogue->entry_count; i++) {
        count += catalogue->entries[i].sidecar.alias_count;
    }
    if (count == 0) {
        return true;
    }
    catalogue->aliases = arena_array(&catalogue->memory, struct catalogue_alias, count);
    if (catalogue->aliases == NULL) {
        return arena_full(&catalogue->memory, err);
    }
    for (size_t i = 0; i < catalogue->entry_count; i++) {
        const struct catalogue_entry *entry = &catalogue->entries[i];
        for (size_t k = 0; k < entry->sidecar.alias_count; k++) {
            catalogue->aliases[catalogue->alias_count++] =
                (struct catalogue_alias){entry->sidecar.aliases[k], entry};
        }
    }
    qsort(catalogue->aliases, count, sizeof catalogue->aliases[0], compare_aliases);
    refuse_twin_aliases(opening);
    return true;
}

/* Sorts entries by id, and their paths apart from them. */
static bool sort_entries(const struct opening *opening, struct err *err)
{
    struct catalogue *catalogue = opening->catalogue;
    if (catalogue->entry_count == 0) {
        return true;
    }
    qsort(catalogue->entries, catalogue->entry_count, sizeof catalogue->entries[0],
          compare_entries);
    refuse_twins(opening);
    const size_t count = catalogue->entry_count;
    catalogue->paths = arena_array(&catalogue->memory, const char *, count);
    if (catalogue->paths == NULL) {
        return arena_full(&catalogue->memory, err);
    }
    for (size_t i = 0; i < count; i++) {
        catalogue->paths[i] = store_path(catalogue->entries[i].stores[0]);
    }
    qsort(catalogue->paths, count, sizeof catalogue->paths[0], compare_names);
    return collect_aliases(opening, err);
}

static void mark_stores(const struct catalogue *catalogue)
{
    for (size_t i = 0; i < catalogue->entry_count; i++) {
        for (size_t k = 0; k < catalogue->entries[i].store_count; k++) {
            store_mark(catalogue->entries[i].stores[k], catalogue->number);
        }
    }
    if (catalogue->viewer != NULL) {
        store_mark(catalogue->viewer, catalogue->number);
    }
    if (catalogue->cesium != NULL) {
        store_mark(catalogue->cesium, catalogue->number);
    }
}

bool catalogue_open(const struct catalogue_options *options, const struct catalogue *previous,
                    catalogue_note note, void *argument, struct catalogue **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, CATALOGUE_MEMORY_MAX);
    struct catalogue *catalogue = arena_array(&memory, struct catalogue, 1);
    if (catalogue == NULL) {
        return arena_full(&memory, err);
    }
    catalogue->memory = memory;
    atomic_init(&catalogue->holder_count, 1);
    catalogue->viewer = options->viewer;
    catalogue->cesium = options->cesium;
    if (catalogue->viewer != NULL) {
        store_hold(catalogue->viewer);
    }
    if (catalogue->cesium != NULL) {
        store_hold(catalogue->cesium);
    }
    catalogue->access = options->access;
    access_hold(catalogue->access);
    struct opening opening = {options, previous, note, argument, catalogue, 0, false};
    for (size_t i = 0; i < options->path_count; i++) {
        if (!add_path(&opening, options->paths[i], err)) {
            catalogue_drop(catalogue);
            return false;
        }
    }
    if (!sort_entries(&opening, err)) {
        catalogue_drop(catalogue);
        return false;
    }
    catalogue->number = previous == NULL ? 1 : previous->number + 1;
    mark_stores(catalogue);
    *out = catalogue;
    return true;
}

void catalogue_drop(struct catalogue *catalogue)
{
    if (catalogue == NULL || atomic_fetch_sub(&catalogue->holder_count, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < catalogue->entry_count; i++) {
        drop_entry(&catalogue->entries[i]);
    }
    store_drop(catalogue->viewer);
    store_drop(catalogue->cesium);
    access_drop(catalogue->access);
    struct arena memory = catalogue->memory; /* the catalogue lies in it */
    arena_release(&memory);
}

static const struct catalogue_entry *find_alias(const struct catalogue *catalogue, struct text id)
{
    size_t low = 0;
    size_t high = catalogue->alias_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = text_compare(text_of(catalogue->aliases[middle].name), id);
        if (order == 0) {
            return catalogue->aliases[middle].entry;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct catalogue_entry *catalogue_find(const struct catalogue *catalogue, struct text id)
{
    size_t low = 0;
    size_t high = catalogue->entry_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = text_compare(text_of(catalogue->entries[middle].id), id);
        if (order == 0) {
            return &catalogue->entries[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return find_alias(catalogue, id);
}

bool catalogue_equals(const struct catalogue *a, const struct catalogue *b)
{
    if (a->entry_count != b->entry_count || a->access != b->access) {
        return false;
    }
    for (size_t i = 0; i < a->entry_count; i++) {
        const struct catalogue_entry *left = &a->entries[i];
        const struct catalogue_entry *right = &b->entries[i];
        if (strcmp(left->id, right->id) != 0 || left->store_count != right->store_count ||
            !is_as_read(&left->sidecar_as_read, &right->sidecar_as_read)) {
            return false;
        }
        for (size_t k = 0; k < left->store_count; k++) {
            if (left->stores[k] != right->stores[k]) {
                return false;
            }
        }
    }
    return true;
}

static bool serves_path(const struct catalogue *catalogue, const char *path)
{
    return catalogue->entry_count > 0 && bsearch(&path, catalogue->paths, catalogue->entry_count,
                                                 sizeof catalogue->paths[0], compare_names) != NULL;
}

/* True when a folder has a package that is not served. */
static bool has_news(const struct catalogue *catalogue, const char *path)
{
    struct arena scratch;
    arena_init(&scratch, NAMES_MEMORY_MAX);
    struct err ignored;
    const char **names = NULL;
    size_t count = 0;
    bool is_new = false;
    if (list_folder(path, &scratch, &names, &count, &ignored)) {
        for (size_t i = 0; i < count && !is_new; i++) {
            is_new = !serves_path(catalogue, names[i]);
        }
    }
    arena_release(&scratch);
    return is_new;
}

bool catalogue_is_stale(const struct catalogue *catalogue, const struct catalogue_options *options)
{
    for (size_t i = 0; i < catalogue->entry_count; i++) {
        const struct catalogue_entry *entry = &catalogue->entries[i];
        struct stat now;
        look_at(entry->sidecar_path, &now);
        if (store_is_stale(entry->stores[0]) || !is_as_read(&now, &entry->sidecar_as_read)) {
            return true;
        }
    }
    for (size_t i = 0; i < options->path_count; i++) {
        const char *path = options->paths[i];
        const bool is_news = is_folder(path) && !looks_like_package(path)
                                 ? has_news(catalogue, path)
                                 : !serves_path(catalogue, path) && looks_like_package(path);
        if (is_news) {
            return true;
        }
    }
    return false;
}

/* ---- the one in force ---- */

void catalogue_current_init(struct catalogue_current *current, struct catalogue *first)
{
    pthread_mutex_init(&current->lock, NULL);
    current->catalogue = first;
    atomic_init(&current->generation, 1);
    atomic_init(&current->drain, CATALOGUE_SERVING);
}

void catalogue_current_release(struct catalogue_current *current)
{
    catalogue_drop(current->catalogue);
    current->catalogue = NULL;
    pthread_mutex_destroy(&current->lock);
}

void catalogue_current_replace(struct catalogue_current *current, struct catalogue *next)
{
    pthread_mutex_lock(&current->lock);
    struct catalogue *old = current->catalogue;
    current->catalogue = next;
    atomic_fetch_add(&current->generation, 1);
    pthread_mutex_unlock(&current->lock);
    catalogue_drop(old);
}

struct catalogue *catalogue_current_hold(struct catalogue_current *current)
{
    pthread_mutex_lock(&current->lock);
    struct catalogue *catalogue = current->catalogue;
    atomic_fetch_add(&catalogue->holder_count, 1);
    pthread_mutex_unlock(&current->lock);
    return catalogue;
}
