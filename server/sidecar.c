/* SPDX-License-Identifier: Apache-2.0 */
#include "server/sidecar.h"

#include <strings.h>

#include "formats/json.h"

static bool read_text(struct json *json, struct arena *arena, const char **out, struct err *err)
{
    struct json_string string;
    struct text text;
    if (!json_string(json, &string, err) || !json_string_text(string, arena, &text, err)) {
        return false;
    }
    char *copy = arena_array(arena, char, text.size + 1);
    if (copy == NULL) {
        return arena_full(arena, err);
    }
    memcpy(copy, text.data, text.size);
    if (strlen(copy) != text.size) {
        return json_fail(json, err, ERR_SCHEMA, "a text with a NUL");
    }
    *out = copy;
    return true;
}

/* Names a part of a path. */
static bool read_name(struct json *json, struct arena *arena, const char **out, struct err *err)
{
    if (!read_text(json, arena, out, err)) {
        return false;
    }
    bool ok = (*out)[0] != '\0' && (*out)[0] != '.' && strlen(*out) <= 255;
    for (const char *at = *out; *at != '\0'; at++) {
        ok = ok && (unsigned char)*at >= 0x20 && *at != 0x7F && *at != '/' && *at != '\\';
    }
    return ok || json_fail(json, err, ERR_SCHEMA,
                           "an id is 1 to 255 bytes without slashes, and begins with no dot");
}

static bool read_aliases(struct json *json, struct arena *arena, struct sidecar *out,
                         struct err *err)
{
    bool is_end;
    bool ok = json_enter(json, JSON_ARRAY, err);
    while (ok && (ok = json_next_element(json, &is_end, err)) && !is_end) {
        if (out->alias_count == SIDECAR_ALIASES_MAX) {
            return json_fail(json, err, ERR_LIMIT, "more than %d aliases", SIDECAR_ALIASES_MAX);
        }
        ok = read_name(json, arena, &out->aliases[out->alias_count++], err);
    }
    return ok;
}

static bool read_titles(struct json *json, struct arena *arena, struct sidecar *out,
                        struct err *err)
{
    struct json_string key;
    bool is_end;
    if (json_peek(json) == JSON_STRING) {
        out->titles[out->title_count++].language = "";
        return read_text(json, arena, &out->titles[0].text, err);
    }
    bool ok = json_enter(json, JSON_OBJECT, err);
    while (ok && (ok = json_next_member(json, &key, &is_end, err)) && !is_end) {
        struct text language;
        if (out->title_count == SIDECAR_TITLES_MAX) {
            return json_fail(json, err, ERR_LIMIT, "titles in more than %d languages",
                             SIDECAR_TITLES_MAX);
        }
        struct sidecar_title *title = &out->titles[out->title_count];
        ok = json_string_text(key, arena, &language, err);
        char *copy = ok ? arena_array(arena, char, language.size + 1) : NULL;
        if (ok && copy == NULL) {
            return arena_full(arena, err);
        }
        if (ok) {
            memcpy(copy, language.data, language.size);
            title->language = copy;
            ok = read_text(json, arena, &title->text, err);
            out->title_count++;
        }
    }
    return ok;
}

bool sidecar_read(struct span json_bytes, struct arena *arena, struct sidecar *out, struct err *err)
{
    struct sidecar found = {.id = NULL};
    struct json json;
    struct json_string key;
    bool is_end;
    json_init(&json, json_bytes, NULL);
    bool ok = json_enter(&json, JSON_OBJECT, err);
    while (ok && (ok = json_next_member(&json, &key, &is_end, err)) && !is_end) {
        if (json_string_is(key, "id") && found.id == NULL) {
            ok = read_name(&json, arena, &found.id, err);
        } else if (json_string_is(key, "aliases") && found.alias_count == 0) {
            ok = read_aliases(&json, arena, &found, err);
        } else if (json_string_is(key, "title") && found.title_count == 0) {
            ok = read_titles(&json, arena, &found, err);
        } else if (json_string_is(key, "description")) {
            ok = read_text(&json, arena, &found.description, err);
        } else if (json_string_is(key, "department")) {
            ok = read_text(&json, arena, &found.department, err);
        } else if (json_string_is(key, "contact")) {
            ok = read_text(&json, arena, &found.contact, err);
        } else {
            return json_fail(&json, err, ERR_SCHEMA,
                             "a side-car has id, aliases, title, description, department, "
                             "contact, once each");
        }
    }
    if (ok && json_end(&json, err)) {
        *out = found;
        return true;
    }
    return false;
}

/* Where a language stands in Accept-Language, by its first subtag; or its end. */
static size_t place_of(struct text accept_language, const char *language)
{
    const size_t size = strcspn(language, "-");
    for (size_t at = 0; at < accept_language.size; at++) {
        const bool is_start = at == 0 || strchr(", ", accept_language.data[at - 1]) != NULL;
        if (is_start && size > 0 && accept_language.size - at >= size &&
            strncasecmp(accept_language.data + at, language, size) == 0 &&
            (accept_language.size - at == size ||
             strchr("-;, ", accept_language.data[at + size]) != NULL)) {
            return at;
        }
    }
    return accept_language.size;
}

const char *sidecar_title(const struct sidecar *sidecar, struct text accept_language)
{
    size_t best = 0;
    for (size_t i = 1; i < sidecar->title_count; i++) {
        if (place_of(accept_language, sidecar->titles[i].language) <
            place_of(accept_language, sidecar->titles[best].language)) {
            best = i;
        }
    }
    return sidecar->title_count == 0 ? NULL : sidecar->titles[best].text;
}
