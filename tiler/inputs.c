/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tiler/inputs.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "formats/base/io.h"

enum { FOLDER_DEPTH_MAX = 32 };

struct list {
    struct arena *arena;
    struct buf items; /* struct run_source each */
    struct report *report;
};

static bool copy_path(struct arena *arena, const char *path, const char **out, struct err *err)
{
    const size_t size = strlen(path) + 1;
    char *copy = arena_array(arena, char, size);
    if (copy == NULL) {
        return arena_full(arena, err);
    }
    memcpy(copy, path, size);
    *out = copy;
    return true;
}

static bool add_file(struct list *list, const char *path, const char *name, bool is_from_folder,
                     struct err *err)
{
    struct run_source source = {.is_from_folder = is_from_folder};
    const char *kept_name;
    if (!copy_path(list->arena, path, &source.path, err) ||
        !copy_path(list->arena, name, &kept_name, err)) {
        return false;
    }
    source.name = text_of(kept_name);
    buf_add(&list->items, &source, sizeof source);
    return buf_finish(&list->items, err);
}

/* Names of city models, compressed or not. What is inside decides later; in a
 * folder this keeps pictures and documents out. */
static bool looks_like_model(const char *name)
{
    static const char *const endings[] = {".json",    ".jsonl", ".gml", ".xml",
                                          ".citygml", ".gz",    ".zip"};
    const size_t size = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const size_t length = strlen(endings[i]);
        if (size > length && strcasecmp(name + size - length, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int skip_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool add_folder(struct list *list, const char *path, size_t name_start, int depth,
                       struct err *err);

static bool add_entry(struct list *list, const char *folder, const char *entry, size_t name_start,
                      int depth, struct err *err)
{
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/%s", folder, entry);
    if (length < 0 || (size_t)length >= sizeof path) {
        return err_set(err, ERR_LIMIT, "path longer than %d bytes in '%s'", PATH_MAX, folder);
    }
    struct stat info;
    if (stat(path, &info) != 0) {
        return io_error(err, "read", path);
    }
    if (S_ISDIR(info.st_mode)) {
        return add_folder(list, path, name_start, depth + 1, err);
    }
    if (!S_ISREG(info.st_mode) || !looks_like_model(entry)) {
        return true;
    }
    return add_file(list, path, path + name_start, true, err);
}

static bool add_folder(struct list *list, const char *path, size_t name_start, int depth,
                       struct err *err)
{
    if (depth > FOLDER_DEPTH_MAX) {
        return err_set(err, ERR_LIMIT, "folders nested more than %d deep at '%s'", FOLDER_DEPTH_MAX,
                       path);
    }
    struct dirent **entries;
    const int count = scandir(path, &entries, skip_hidden, by_bytes);
    if (count < 0) {
        return io_error(err, "read", path);
    }
    bool ok = true;
    for (int i = 0; i < count; i++) {
        ok = ok && add_entry(list, path, entries[i]->d_name, name_start, depth, err);
        free(entries[i]);
    }
    free(entries);
    return ok;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static bool add_input(struct list *list, const char *given, struct err *err)
{
    struct stat info;
    if (stat(given, &info) != 0) {
        return io_error(err, "open", given);
    }
    if (!S_ISDIR(info.st_mode)) {
        return add_file(list, given, last_part(given), false, err);
    }
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s", given);
    if (length < 0 || (size_t)length >= sizeof path) {
        return err_set(err, ERR_LIMIT, "path longer than %d bytes", PATH_MAX);
    }
    size_t size = (size_t)length;
    while (size > 1 && path[size - 1] == '/') {
        path[--size] = '\0';
    }
    const size_t before = list->items.size;
    if (!add_folder(list, path, size + 1, 0, err)) {
        return false;
    }
    if (list->items.size == before) {
        return err_set(err, ERR_SCHEMA,
                       "no city model in folder '%s': no .json, .jsonl, .gml, .xml, .gz or .zip",
                       given);
    }
    return true;
}

static bool add_listed(struct list *list, const char *files_from, struct err *err)
{
    FILE *file = strcmp(files_from, "-") == 0 ? stdin : fopen(files_from, "re");
    if (file == NULL) {
        return io_error(err, "open", files_from);
    }
    bool ok = true;
    char line[PATH_MAX];
    uint32_t number = 0;
    while (ok && fgets(line, sizeof line, file) != NULL) {
        number++;
        size_t size = strlen(line);
        while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r')) {
            line[--size] = '\0';
        }
        if (size > 0 && !add_input(list, line, err)) {
            err_in_source(err, files_from);
            err_at_line(err, number, 1);
            ok = false;
        }
    }
    if (file != stdin) {
        fclose(file);
    }
    return ok;
}

bool inputs_list(struct run *run, struct err *err)
{
    const struct options *options = run->options;
    struct list list = {.arena = &run->arena, .report = &run->report};
    buf_init(&list.items, SIZE_MAX / 2);
    bool ok = true;
    for (size_t i = 0; ok && i < options->input_count; i++) {
        ok = add_input(&list, options->inputs[i], err);
    }
    if (ok && options->files_from != NULL) {
        ok = add_listed(&list, options->files_from, err);
    }
    const size_t count = list.items.size / sizeof(struct run_source);
    if (ok && count == 0) {
        ok = err_set(err, ERR_SCHEMA, "the list of files is empty");
    }
    struct run_source *sources = ok ? arena_array(&run->arena, struct run_source, count) : NULL;
    if (ok && sources == NULL) {
        ok = arena_full(&run->arena, err);
    }
    if (ok) {
        memcpy(sources, list.items.data, list.items.size);
        run->sources = sources;
        run->source_count = count;
    }
    buf_release(&list.items);
    for (size_t i = 0; ok && i < count; i++) {
        struct run_source *source = &run->sources[i];
        ok = digest_of_file(source->path, &source->digest, &source->bytes, err);
    }
    return ok;
}
