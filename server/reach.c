/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reach.h"

#include <stdlib.h>
#include <strings.h>

#include "formats/json.h"

enum { TILESET_BYTES_MAX = 256 << 20, URI_BYTES_MAX = 4096 };

/* Everything one reach_read() needs while it runs. */
struct walk {
    const struct package *package;
    struct arena *run;
    struct arena *scratch;
    struct reach *reach;
    size_t room;
    struct text *waiting; /* tilesets found and not yet read */
    uint32_t *seen;       /* 1 + place among them, by digest of name; a power of two */
    size_t waiting_count, waiting_room, read_count;
    size_t place_room;
    bool is_root; /* it is the root that is being read */
};

/* ---- names ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool has_scheme(struct text uri)
{
    for (size_t i = 0; i < uri.size; i++) {
        const char c = uri.data[i];
        if (c == ':') {
            return i > 0;
        }
        if (c == '/' || c == '?' || c == '#') {
            return false;
        }
    }
    return false;
}

/* Adds one part of a path to `out`, or takes one off; false beyond the root. */
static bool walk_part(char *out, size_t *size, struct text part)
{
    if (part.size == 0 || text_is(part, ".")) {
        return true;
    }
    if (text_is(part, "..")) {
        if (*size == 0) {
            return false;
        }
        while (*size > 0 && out[*size - 1] != '/') {
            --*size;
        }
        *size -= *size > 0;
        return true;
    }
    if (*size > 0) {
        out[(*size)++] = '/';
    }
    memcpy(out + *size, part.data, part.size);
    *size += part.size;
    return true;
}

static bool walk_path(char *out, size_t *size, struct text path)
{
    while (path.size > 0) {
        const char *slash = memchr(path.data, '/', path.size);
        const size_t part = slash == NULL ? path.size : (size_t)(slash - path.data);
        if (!walk_part(out, size, (struct text){path.data, part})) {
            return false;
        }
        const size_t step = slash == NULL ? part : part + 1;
        path = (struct text){path.data + step, path.size - step};
    }
    return true;
}

bool reach_resolve(struct text base, struct text uri, struct arena *arena, struct text *out)
{
    if (uri.size == 0 || uri.size > URI_BYTES_MAX || has_scheme(uri) || uri.data[0] == '/') {
        return false;
    }
    char *decoded = arena_array(arena, char, uri.size + 1);
    char *joined = arena_array(arena, char, base.size + uri.size + 2);
    if (decoded == NULL || joined == NULL) {
        return false;
    }
    size_t size = 0;
    for (size_t i = 0; i < uri.size && uri.data[i] != '?' && uri.data[i] != '#'; i++) {
        const bool is_escape = uri.data[i] == '%' && i + 2 < uri.size &&
                               hex_value(uri.data[i + 1]) >= 0 && hex_value(uri.data[i + 2]) >= 0;
        decoded[size++] = is_escape
                              ? (char)(hex_value(uri.data[i + 1]) * 16 + hex_value(uri.data[i + 2]))
                              : uri.data[i];
        i += is_escape ? 2 : 0;
    }
    size_t folder = base.size;
    while (folder > 0 && base.data[folder - 1] != '/') {
        folder--;
    }
    size_t joined_size = 0;
    if (!walk_path(joined, &joined_size, (struct text){base.data, folder}) ||
        !walk_path(joined, &joined_size, (struct text){decoded, size}) || joined_size == 0) {
        return false;
    }
    *out = (struct text){joined, joined_size};
    return true;
}

static bool ends_with(struct text name, const char *ending)
{
    const size_t size = strlen(ending);
    return name.size >= size && strncasecmp(name.data + name.size - size, ending, size) == 0;
}

static struct digest name_digest(struct text name)
{
    return digest_of((struct span){(const uint8_t *)name.data, name.size});
}

/* ---- collecting ---- */

static bool add_name(struct walk *walk, struct text name, struct err *err)
{
    struct reach *reach = walk->reach;
    if (reach->name_count == REACH_NAMES_MAX) {
        return err_set(err, ERR_LIMIT, "a tileset of more than %d files", REACH_NAMES_MAX);
    }
    if (reach->name_count == walk->room) {
        const size_t room = walk->room == 0 ? 256 : 2 * walk->room;
        struct digest *names = arena_array(walk->scratch, struct digest, room);
        if (names == NULL) {
            return arena_full(walk->scratch, err);
        }
        if (walk->room > 0) {
            memcpy(names, reach->names, walk->room * sizeof names[0]);
        }
        reach->names = names;
        walk->room = room;
    }
    reach->names[reach->name_count++] = name_digest(name);
    reach->has_gltf = reach->has_gltf || ends_with(name, ".gltf");
    return true;
}

static bool copy_text(struct arena *arena, struct text text, struct text *out, struct err *err)
{
    char *copy = arena_array(arena, char, text.size + 1);
    if (copy == NULL) {
        return arena_full(arena, err);
    }
    memcpy(copy, text.data, text.size);
    *out = (struct text){copy, text.size};
    return true;
}

/* Where a tileset stands in `seen`, or would stand. */
static size_t find_seen(const struct walk *walk, struct text name)
{
    const size_t mask = 2 * walk->waiting_room - 1;
    size_t at = (size_t)bytes_load_u64le(name_digest(name).bytes) & mask;
    while (walk->seen[at] != 0 && !text_equals(walk->waiting[walk->seen[at] - 1], name)) {
        at = (at + 1) & mask;
    }
    return at;
}

static bool make_room(struct walk *walk, struct err *err)
{
    const size_t room = walk->waiting_room == 0 ? 64 : 2 * walk->waiting_room;
    struct text *waiting = arena_array(walk->scratch, struct text, room);
    uint32_t *seen = arena_array(walk->scratch, uint32_t, 2 * room);
    if (waiting == NULL || seen == NULL) {
        return arena_full(walk->scratch, err);
    }
    if (walk->waiting_room > 0) {
        memcpy(waiting, walk->waiting, walk->waiting_room * sizeof waiting[0]);
    }
    walk->waiting = waiting;
    walk->seen = seen;
    walk->waiting_room = room;
    for (size_t i = 0; i < walk->waiting_count; i++) {
        seen[find_seen(walk, waiting[i])] = (uint32_t)(i + 1);
    }
    return true;
}

/* A tileset to be read; one that is named twice, or names itself, is read once. */
static bool add_waiting(struct walk *walk, struct text name, struct err *err)
{
    if (walk->waiting_count == walk->waiting_room && !make_room(walk, err)) {
        return false;
    }
    const size_t at = find_seen(walk, name);
    if (walk->seen[at] != 0) {
        return true;
    }
    if (walk->waiting_count == REACH_TILESETS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d tilesets in one package", REACH_TILESETS_MAX);
    }
    walk->seen[at] = (uint32_t)(walk->waiting_count + 1);
    return copy_text(walk->scratch, name, &walk->waiting[walk->waiting_count++], err);
}

static bool add_place(struct walk *walk, uint64_t offset, struct err *err)
{
    struct reach *reach = walk->reach;
    if (reach->place_count == walk->place_room) {
        const size_t room = walk->place_room == 0 ? 64 : 2 * walk->place_room;
        struct reach_place *places = arena_array(walk->scratch, struct reach_place, room);
        if (places == NULL) {
            return arena_full(walk->scratch, err);
        }
        if (walk->place_room > 0) {
            memcpy(places, reach->places, walk->place_room * sizeof places[0]);
        }
        reach->places = places;
        walk->place_room = room;
    }
    reach->places[reach->place_count++].offset = offset;
    return true;
}

/* `offset` is where it stands in its document. */
static bool add_uri(struct walk *walk, struct text base, struct text uri, uint64_t offset,
                    struct err *err)
{
    struct reach *reach = walk->reach;
    struct text name;
    if (!reach_resolve(base, uri, walk->scratch, &name)) {
        return walk->scratch->refusal == ERR_NONE || arena_full(walk->scratch, err);
    }
    if (walk->is_root && !add_place(walk, offset, err)) {
        return false;
    }
    if (memchr(name.data, '{', name.size) != NULL) {
        if (reach->template_count == REACH_TEMPLATES_MAX) {
            return err_set(err, ERR_LIMIT, "more than %d templates", REACH_TEMPLATES_MAX);
        }
        reach->has_gltf = reach->has_gltf || ends_with(name, ".gltf");
        return copy_text(walk->run, name, &reach->templates[reach->template_count++], err);
    }
    if (ends_with(name, ".json") && !add_waiting(walk, name, err)) {
        return false;
    }
    return add_name(walk, name, err);
}

/* Every "uri" of a document, at any depth. */
static bool scan(struct walk *walk, struct text base, struct json *json, struct err *err)
{
    struct json_string key;
    struct json_string value;
    uint32_t depth = 0;
    bool is_array[JSON_DEPTH_MAX];
    bool is_end = false;
    bool ok = true;
    do {
        const enum json_kind kind = json_peek(json);
        if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
            if (depth == JSON_DEPTH_MAX) {
                return json_fail(json, err, ERR_LIMIT, "deeper than %d levels", JSON_DEPTH_MAX);
            }
            is_array[depth++] = kind == JSON_ARRAY;
            ok = json_enter(json, kind, err);
        } else {
            ok = json_skip(json, err);
        }
        is_end = true;
        while (ok && depth > 0 && is_end) {
            if (is_array[depth - 1]) {
                ok = json_next_element(json, &is_end, err);
            } else {
                ok = json_next_member(json, &key, &is_end, err);
                while (ok && !is_end && json_peek(json) == JSON_STRING) {
                    const bool leads = json_string_is(key, "uri") || json_string_is(key, "url") ||
                                       json_string_is(key, "schemaUri");
                    struct text uri = {NULL, 0};
                    ok = json_string(json, &value, err) &&
                         (!leads ||
                          (json_string_text(value, walk->scratch, &uri, err) &&
                           add_uri(walk, base, uri,
                                   (uint64_t)((const uint8_t *)value.raw.data - json->begin),
                                   err))) &&
                         json_next_member(json, &key, &is_end, err);
                }
            }
            depth -= is_end;
        }
    } while (ok && depth > 0);
    return ok && json_end(json, err);
}

static bool read_tileset(struct walk *walk, struct text name, struct err *err)
{
    struct buf text;
    buf_init(&text, TILESET_BYTES_MAX);
    bool ok = package_load(walk->package, name, &text, err);
    if (ok) {
        struct json json;
        json_init(&json, buf_span(&text), NULL);
        ok = scan(walk, name, &json, err);
    }
    buf_release(&text);
    return ok;
}

static int compare_digests(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct digest));
}

/* Sorted, each once, in memory that stays. */
static bool finish(struct walk *walk, struct err *err)
{
    struct reach *reach = walk->reach;
    size_t kept = 0;
    qsort(reach->names, reach->name_count, sizeof reach->names[0], compare_digests);
    for (size_t i = 0; i < reach->name_count; i++) {
        if (kept == 0 || !digest_equals(reach->names[kept - 1], reach->names[i])) {
            reach->names[kept++] = reach->names[i];
        }
    }
    struct digest *names = arena_array(walk->run, struct digest, kept);
    if (names == NULL) {
        return arena_full(walk->run, err);
    }
    memcpy(names, reach->names, kept * sizeof names[0]);
    reach->names = names;
    reach->name_count = kept;
    struct reach_place *places = arena_array(walk->run, struct reach_place, reach->place_count + 1);
    if (places == NULL) {
        return arena_full(walk->run, err);
    }
    if (reach->place_count > 0) {
        memcpy(places, reach->places, reach->place_count * sizeof places[0]);
    }
    reach->places = places;
    return true;
}

bool reach_read(const struct package *package, struct arena *run, struct arena *scratch,
                struct reach *out, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct reach reach = {.name_count = 0};
    struct walk walk = {.package = package, .run = run, .scratch = scratch, .reach = &reach};
    const struct text root = package_tileset_name(package);
    walk.is_root = true;
    bool ok = add_name(&walk, root, err) && add_waiting(&walk, root, err) &&
              read_tileset(&walk, root, err);
    walk.is_root = false;
    for (walk.read_count = 1; ok && walk.read_count < walk.waiting_count; walk.read_count++) {
        struct err local;
        /* One that is missing or no JSON leads nowhere: viewers will say so. */
        ok = read_tileset(&walk, walk.waiting[walk.read_count], &local) ||
             (local.code != ERR_NOMEM && local.code != ERR_LIMIT);
        if (!ok) {
            *err = local;
        }
    }
    ok = ok && finish(&walk, err);
    arena_reset(scratch, mark);
    if (ok) {
        *out = reach;
    }
    return ok;
}

/* ---- asking ---- */

void reach_print_root(const struct reach *reach, struct span root, const char *prefix,
                      struct buf *out)
{
    size_t at = 0;
    for (size_t i = 0; i < reach->place_count && reach->places[i].offset <= root.size; i++) {
        const size_t offset = (size_t)reach->places[i].offset;
        buf_add(out, root.data + at, offset - at);
        buf_add_text(out, prefix);
        at = offset;
    }
    buf_add(out, root.data + at, root.size - at);
}

/* "a/{level}/{x}.glb" and "a/3/12.glb". */
static bool fits(struct text pattern, struct text name)
{
    size_t at = 0;
    for (size_t i = 0; i < pattern.size; i++) {
        if (pattern.data[i] == '{') {
            const char *end = memchr(pattern.data + i, '}', pattern.size - i);
            const size_t from = at;
            while (at < name.size && name.data[at] >= '0' && name.data[at] <= '9') {
                at++;
            }
            if (end == NULL || at == from) {
                return false;
            }
            i = (size_t)(end - pattern.data);
        } else if (at == name.size || name.data[at++] != pattern.data[i]) {
            return false;
        }
    }
    return at == name.size;
}

bool reach_has(const struct reach *reach, struct text name)
{
    static const char *const resources[] = {".bin", ".png", ".jpg", ".jpeg", ".webp", ".ktx2"};
    const struct digest digest = name_digest(name);
    if (bsearch(&digest, reach->names, reach->name_count, sizeof digest, compare_digests) != NULL) {
        return true;
    }
    for (size_t i = 0; i < reach->template_count; i++) {
        if (fits(reach->templates[i], name)) {
            return true;
        }
    }
    for (size_t i = 0; reach->has_gltf && i < sizeof resources / sizeof resources[0]; i++) {
        if (ends_with(name, resources[i])) {
            return true;
        }
    }
    return false;
}
