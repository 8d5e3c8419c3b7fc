/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/image_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1 << 30 };

#define TABLE_BYTES_MAX ((size_t)1 << 36)

/* A zip that sources are in, with its members sorted by name. */
struct image_archive {
    struct io_map map;
    struct arena arena;
    const struct zip_member **members;
    size_t member_count;
};

/* A source: not looked at, a plain file, or number + 1 of an archive. */
enum { SOURCE_UNKNOWN, SOURCE_PLAIN };
struct source_place {
    uint32_t kind;
    struct image_archive *archive;
};

void image_places_init(struct image_places *places)
{
    buf_init(&places->sources, TABLE_BYTES_MAX);
}

static void close_archive(struct image_archive *archive)
{
    struct arena arena = archive->arena; /* it lives in its own */
    io_unmap(&archive->map);
    arena_release(&arena);
}

static struct source_place *source_at(struct image_places *places, size_t i)
{
    return (struct source_place *)(void *)places->sources.data + i;
}

void image_places_release(struct image_places *places)
{
    for (size_t i = 0; i < places->sources.size / sizeof(struct source_place); i++) {
        if (source_at(places, i)->archive != NULL) {
            close_archive(source_at(places, i)->archive);
        }
    }
    buf_release(&places->sources);
}

/* ---- archives ---- */

static int compare_members(const void *a, const void *b)
{
    const struct zip_member *const *left = a;
    const struct zip_member *const *right = b;
    return text_compare((*left)->name, (*right)->name);
}

static bool list_members(struct image_archive *archive, const struct zip *zip, struct err *err)
{
    archive->members = arena_alloc(&archive->arena, zip->member_count, sizeof archive->members[0],
                                   _Alignof(void *));
    if (archive->members == NULL) {
        return arena_full(&archive->arena, err);
    }
    for (size_t i = 0; i < zip->member_count; i++) {
        archive->members[i] = &zip->members[i];
    }
    archive->member_count = zip->member_count;
    qsort(archive->members, archive->member_count, sizeof archive->members[0], compare_members);
    return true;
}

/* NULL when the file is no zip (any more), which is no error here. */
static struct image_archive *open_archive(const char *path)
{
    struct io_map map;
    struct err err;
    struct zip zip;
    struct arena arena;
    if (!io_map(path, &map, &err)) {
        return NULL;
    }
    arena_init(&arena, TABLE_BYTES_MAX);
    struct image_archive *archive = arena_array(&arena, struct image_archive, 1);
    if (archive == NULL || map.bytes.size < 4 || memcmp(map.bytes.data, "PK", 2) != 0 ||
        !zip_is_zip(map.bytes) || !zip_open(map.bytes, &arena, &zip, &err)) {
        arena_release(&arena);
        io_unmap(&map);
        return NULL;
    }
    archive->map = map;
    archive->arena = arena;
    if (!list_members(archive, &zip, &err)) {
        close_archive(archive);
        return NULL;
    }
    return archive;
}

bool image_places_archive(struct image_places *places, uint32_t source, const char *path,
                          struct image_archive **out, struct err *err)
{
    const size_t need = ((size_t)source + 1) * sizeof(struct source_place);
    if (places->sources.size < need) {
        buf_extend(&places->sources, need - places->sources.size);
        if (!buf_finish(&places->sources, err)) {
            return false;
        }
    }
    struct source_place *place = source_at(places, source);
    if (place->kind == SOURCE_UNKNOWN) {
        place->kind = SOURCE_PLAIN;
        place->archive = open_archive(path);
    }
    *out = place->archive;
    return true;
}

/* ---- names ---- */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const int low = c | 32;
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* The name with slashes that lean forward, and with %20 undone or as it is;
 * false: too long. */
static bool clean_name(struct text name, bool is_undone, char out[IMAGE_PATH_BYTES])
{
    size_t size = 0;
    if (name.size >= IMAGE_PATH_BYTES) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];
        const bool is_coded = is_undone && c == '%' && i + 2 < name.size &&
                              hex_of(name.data[i + 1]) >= 0 && hex_of(name.data[i + 2]) >= 0;
        if (is_coded) {
            out[size++] = (char)(hex_of(name.data[i + 1]) << 4 | hex_of(name.data[i + 2]));
            i += 2;
        } else {
            out[size++] = (char)(c == '\\' ? '/' : c);
        }
    }
    out[size] = '\0';
    return strlen(out) == size; /* no NUL in it */
}

static bool is_on_network(const char *name)
{
    return strncmp(name, "http:", 5) == 0 || strncmp(name, "https:", 6) == 0 ||
           strncmp(name, "ftp:", 4) == 0;
}

static const char *without_scheme(const char *name)
{
    if (strncmp(name, "file:", 5) != 0) {
        return name;
    }
    name += 5;
    return strncmp(name, "//", 2) == 0 ? name + 2 : name;
}

/* "a/./b/../c" is "a/c"; what would climb out of an archive stays "..", and is
 * not found there. */
static void straighten(char *path)
{
    size_t starts[256];
    size_t depth = 0;
    size_t size = path[0] == '/';
    for (size_t at = size; path[at] != '\0';) {
        const size_t part = strcspn(path + at, "/");
        const bool is_last = path[at + part] == '\0'; /* the slash below may overwrite that */
        const bool is_up = part == 2 && path[at] == '.' && path[at + 1] == '.';
        if (part == 0 || (part == 1 && path[at] == '.')) {
            /* nothing */
        } else if (is_up && depth > 0 && strncmp(path + starts[depth - 1], "..", 2) != 0) {
            size = starts[--depth];
        } else if (depth < 256) {
            starts[depth++] = size;
            memmove(path + size, path + at, part);
            size += part;
            path[size++] = '/';
        }
        at += part + 1;
        if (is_last) {
            break;
        }
    }
    path[size > 1 && path[size - 1] == '/' ? size - 1 : size] = '\0';
}

/* Where the image is: a path, or a member's name. */
static bool locate(const char *source_path, bool is_archive, const char *name,
                   char out[IMAGE_PATH_BYTES])
{
    const char *end = strrchr(source_path, '/');
    const int folder =
        is_archive || name[0] == '/' || end == NULL ? 0 : (int)(end + 1 - source_path);
    const int size = snprintf(out, IMAGE_PATH_BYTES, "%.*s%s", folder, source_path, name);
    if (size < 0 || size >= IMAGE_PATH_BYTES) {
        return false;
    }
    if (is_archive) {
        straighten(out); /* on disk, ".." behind a link is the system's to follow */
    }
    return true;
}

static const struct zip_member *find_exactly(const struct image_archive *archive, const char *name)
{
    const struct zip_member key = {.name = text_of(name)};
    const struct zip_member *wanted = &key;
    const struct zip_member **found = bsearch(&wanted, archive->members, archive->member_count,
                                              sizeof archive->members[0], compare_members);
    return found == NULL ? NULL : *found;
}

static const struct zip_member *find_any_case(const struct image_archive *archive, const char *name)
{
    const size_t size = strlen(name);
    for (size_t i = 0; i < archive->member_count; i++) {
        const struct text member = archive->members[i]->name;
        if (member.size == size && strncasecmp(member.data, name, size) == 0) {
            return archive->members[i];
        }
    }
    return NULL;
}

bool image_place_name(const struct image_archive *archive, const char *source_path,
                      struct text name, struct image_place *out)
{
    out->archive = archive;
    if (name.size == 0 || !clean_name(name, false, out->name) ||
        !locate(source_path, archive != NULL, without_scheme(out->name), out->written) ||
        !clean_name(name, true, out->name) ||
        !locate(source_path, archive != NULL, without_scheme(out->name), out->path)) {
        return false;
    }
    if (strcmp(out->written, out->path) == 0) {
        out->written[0] = '\0';
    }
    return true;
}

static const char *find_in_archive(struct image_place *place, const struct zip_member **out_member)
{
    const struct image_archive *archive = place->archive;
    const struct zip_member *member = find_exactly(archive, place->path);
    member = member == NULL && place->written[0] != '\0' ? find_exactly(archive, place->written)
                                                         : member;
    member = member == NULL ? find_any_case(archive, place->path) : member;
    if (member == NULL) {
        return "is not in the archive";
    }
    snprintf(place->path, sizeof place->path, "%.*s", TEXT_ARGS(member->name));
    *out_member = member;
    return NULL;
}

const char *image_place_find(struct image_place *place, const struct zip_member **out_member)
{
    *out_member = NULL;
    if (is_on_network(place->name)) {
        return "is on the network and is not fetched";
    }
    if (place->archive != NULL) {
        return find_in_archive(place, out_member);
    }
    if (access(place->path, F_OK) == 0) {
        return NULL;
    }
    if (place->written[0] != '\0' && access(place->written, F_OK) == 0) {
        memcpy(place->path, place->written, sizeof place->path);
        return NULL;
    }
    char found[IMAGE_PATH_BYTES];
    if (io_find_any_case(place->path, found, sizeof found)) {
        memcpy(place->path, found, sizeof place->path);
    }
    return NULL; /* opening it will say what is wrong */
}

/* ---- reading a file ---- */

bool image_content_open(const char *path, const struct zip_member *member,
                        struct image_content *out, struct err *err)
{
    *out = (struct image_content){.map = {{NULL, 0}}};
    buf_init(&out->expanded, FILE_BYTES_MAX);
    if (member == NULL) {
        if (!io_map(path, &out->map, err)) {
            return false;
        }
        out->bytes = out->map.bytes;
        return true;
    }
    if (member->method == PACKING_STORED && member->packed.size == member->bytes) {
        out->bytes = member->packed;
        return true;
    }
    if (!zip_load(member, &out->expanded, err)) {
        buf_release(&out->expanded);
        return false;
    }
    out->bytes = buf_span(&out->expanded);
    return true;
}

void image_content_close(struct image_content *content)
{
    io_unmap(&content->map);
    buf_release(&content->expanded);
}
