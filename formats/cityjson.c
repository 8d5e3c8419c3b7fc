/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/cityjson.h"

#include <assert.h>

#include "formats/cityjson_internal.h"

enum { ANCESTRY_BYTES_MAX = 64 * 1024 * 1024, ATTRIBUTES_BYTES_MAX = 256 * 1024 * 1024 };
enum { GIVE_BACK_BYTES = 4 * 1024 * 1024 };

/* ---- telling CityJSON from others ---- */

static bool head_has(struct span head, const char *word)
{
    const size_t size = strlen(word);
    const uint8_t *at = head.data;
    const uint8_t *end = head.data + head.size;
    while ((size_t)(end - at) >= size) {
        at = memchr(at, word[0], (size_t)(end - at) - size + 1);
        if (at == NULL) {
            return false;
        }
        if (memcmp(at, word, size) == 0) {
            return true;
        }
        at++;
    }
    return false;
}

static bool name_ends_in(const char *name, const char *end)
{
    const size_t size = strlen(name);
    const size_t end_size = strlen(end);
    return size >= end_size && strcmp(name + size - end_size, end) == 0;
}

/* Past the byte order mark that some editors leave and JSON does not have. */
static size_t mark_bytes(struct span bytes)
{
    return bytes.size >= 3 && memcmp(bytes.data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

static enum reader_claim claim(struct span head, const char *name)
{
    size_t at = mark_bytes(head);
    while (at < head.size && strchr(" \t\r\n", head.data[at]) != NULL && head.data[at] != '\0') {
        at++;
    }
    const bool is_object = at < head.size && head.data[at] == '{';
    if (is_object && (head_has(head, "\"CityJSON\"") || head_has(head, "\"CityJSONFeature\"") ||
                      head_has(head, "\"CityObjects\""))) {
        return READER_SURE;
    }
    const bool is_named = name_ends_in(name, ".city.json") || name_ends_in(name, ".city.jsonl") ||
                          name_ends_in(name, ".cityjson") || name_ends_in(name, ".cityjsonl");
    return is_object || is_named ? READER_MAYBE : READER_NO;
}

/* ---- opening ---- */

static bool check_version(const struct cityjson_document *document, const char **out,
                          struct err *err)
{
    static const char *const known[] = {"1.0", "1.1", "2.0"};
    const struct text version = document->version.raw;
    if (version.data == NULL) {
        return json_fail(&document->start, err, ERR_SCHEMA, "no 'version'");
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (version.size >= 3 && memcmp(version.data, known[i], 3) == 0 &&
            (version.size == 3 || version.data[3] == '.')) {
            *out = known[i];
            return true;
        }
    }
    return json_fail(&document->start, err, ERR_UNSUPPORTED,
                     "CityJSON %.*s; 1.0, 1.1 and 2.0 are read (cjio upgrades older files)",
                     version.size > 20 ? 20 : (int)version.size, version.data);
}

/* Whether more lines follow the first value, which then is the header of a
 * sequence; if not, the input must end here. */
static bool find_sequence(struct cityjson *reader, struct json *json, struct err *err)
{
    const uint32_t first_line = reader->header.start.line;
    const uint32_t last_line = json->line;
    const uint8_t *behind = json->at;
    if (json_peek(json) == JSON_NOTHING && json->at == json->end) {
        return true;
    }
    if (last_line != first_line || json->line == last_line) {
        return json_end(json, err);
    }
    reader->is_sequence = true;
    reader->next_line = behind;
    reader->next_line_number = last_line;
    return true;
}

static bool check_header(struct cityjson *reader, struct err *err)
{
    const struct cityjson_document *header = &reader->header;
    if (header->is_feature) {
        return json_fail(&header->start, err, ERR_SCHEMA,
                         "begins with a CityJSONFeature; the first line of a CityJSONSeq must be "
                         "a CityJSON object with 'version' and 'transform'");
    }
    if (!header->has_objects && !reader->is_sequence) {
        return json_fail(&header->start, err, ERR_SCHEMA, "no 'CityObjects'");
    }
    return true;
}

static bool make_crs(const struct cityjson_document *header, struct arena *source, struct text *out,
                     struct err *err)
{
    if (header->crs.raw.data != NULL) {
        return json_string_text(header->crs, source, out, err);
    }
    *out = (struct text){0};
    if (header->epsg.raw.data == NULL || !header->epsg.is_small || header->epsg.small <= 0) {
        return true;
    }
    enum { ROOM = 32 };
    char *text = arena_array(source, char, ROOM);
    if (text == NULL) {
        return arena_full(source, err);
    }
    const int size = snprintf(text, ROOM, "EPSG:%lld", (long long)header->epsg.small);
    *out = (struct text){text, (size_t)size};
    return true;
}

static bool make_info(struct cityjson *reader, struct source_info *info, struct err *err)
{
    struct arena *source = reader->input.source;
    struct source_info made = {0};
    const char *version = NULL;
    if (!check_version(&reader->header, &version, err)) {
        return false;
    }
    enum { ROOM = 32 };
    char *format = arena_array(source, char, ROOM);
    if (format == NULL) {
        return arena_full(source, err);
    }
    snprintf(format, ROOM, "CityJSON%s %s", reader->is_sequence ? "Seq" : "", version);
    made.format = format;
    if (!make_crs(&reader->header, source, &made.crs, err)) {
        return false;
    }
    if (reader->header.title.raw.data != NULL &&
        !json_string_text(reader->header.title, source, &made.title, err)) {
        return false;
    }
    *info = made;
    return true;
}

static void close_reader(void *state)
{
    struct cityjson *reader = state;
    cityjson_document_release(&reader->header);
    cityjson_document_release(&reader->line);
    cityjson_shape_release(&reader->shape);
    buf_release(&reader->attributes);
    arena_release(&reader->ancestry.memory);
}

static bool read_header(struct cityjson *reader, struct source_info *info, struct err *err)
{
    struct json json;
    json_init(&json, reader->input.bytes, reader->input.map);
    json.at += mark_bytes(reader->input.bytes);
    return cityjson_scan(&reader->header, &json, err) && find_sequence(reader, &json, err) &&
           check_header(reader, err) && make_info(reader, info, err);
}

static bool open_reader(const struct reader_input *input, struct source_info *info,
                        void **out_state, struct err *err)
{
    struct cityjson *reader = arena_array(input->source, struct cityjson, 1);
    if (reader == NULL) {
        return arena_full(input->source, err);
    }
    const char *folder = input->options->temporary_folder;
    const size_t fail_after = input->options->fail_after;
    reader->input = *input;
    cityjson_document_init(&reader->header, input->source, folder);
    cityjson_document_init(&reader->line, input->source, folder);
    cityjson_shape_init(&reader->shape, fail_after);
    buf_init(&reader->attributes, ATTRIBUTES_BYTES_MAX);
    reader->attributes.fail_after = fail_after;
    arena_init(&reader->ancestry.memory, ANCESTRY_BYTES_MAX);
    reader->ancestry.memory.fail_after = fail_after;
    reader->ancestry.parent = CITYJSON_NONE;
    reader->current = &reader->header;
    if (!read_header(reader, info, err)) {
        close_reader(reader);
        return false;
    }
    reader->kept = reader->header.start.begin;
    *out_state = reader;
    return true;
}

/* ---- reading ---- */

/* Tells the kernel that what lies behind is not needed for now. From the very
 * beginning: parents may have been looked up there. */
static void give_back(struct cityjson *reader, const uint8_t *at)
{
    if (reader->input.map != NULL && at - reader->kept > GIVE_BACK_BYTES) {
        const uint8_t *begin = reader->header.start.begin;
        io_map_give_back(reader->input.map, 0, (size_t)(at - begin));
        reader->kept = at;
    }
}

/* The next line that is not blank: a scanner that stands before it and ends
 * with it. False at the end of the input. */
static bool next_line(struct cityjson *reader, struct json *out)
{
    const uint8_t *end = reader->header.start.end;
    while (reader->next_line < end) {
        struct json line = reader->header.start;
        line.at = reader->next_line;
        line.line_start = reader->next_line;
        line.line = reader->next_line_number;
        line.kept = line.at;
        line.is_fresh = false;
        const uint8_t *newline = memchr(line.at, '\n', (size_t)(end - line.at));
        line.end = newline == NULL ? end : newline;
        reader->next_line = newline == NULL ? end : newline + 1;
        reader->next_line_number++;
        (void)json_peek(&line);
        if (line.at < line.end) {
            *out = line;
            return true;
        }
    }
    return false;
}

/* Reads the line that `json` stands before as the current document; when that
 * fails, there is a current document without objects. */
static bool open_line(struct cityjson *reader, struct json *json, struct err *err)
{
    struct cityjson_document *line = &reader->line;
    reader->current = line;
    reader->next_object = 0;
    reader->ancestry.parent = CITYJSON_NONE;
    if (!cityjson_scan(line, json, err) || !json_end(json, err)) {
        line->objects.count = 0;
        return false;
    }
    if (!line->has_objects) {
        return json_fail(&line->start, err, ERR_SCHEMA, "no 'CityObjects'");
    }
    return true;
}

static bool next(void *state, struct arena *feature, struct feature *out, bool *out_is_end,
                 struct err *err)
{
    struct cityjson *reader = state;
    while (reader->next_object == reader->current->objects.count) {
        struct json json;
        if (!reader->is_sequence || !next_line(reader, &json)) {
            reader->next_line = reader->header.start.end;
            *out_is_end = true;
            return true;
        }
        give_back(reader, json.at);
        if (!open_line(reader, &json, err)) {
            reader->is_broken = err->code == ERR_IO;
            return false;
        }
    }
    const uint64_t index = reader->next_object++;
    const bool ok = cityjson_read_feature(reader, index, feature, out, err);
    const void *found = NULL;
    struct err ignored;
    if (spill_read(&reader->current->objects, index, &found, &ignored)) {
        const struct cityjson_object *object = found;
        reader->place = reader->header.start.begin + object->place.offset;
        give_back(reader, reader->place);
    }
    if (ok) {
        *out_is_end = false;
    } else {
        reader->is_broken = err->code == ERR_IO;
    }
    return ok;
}

static bool can_continue(const void *state)
{
    const struct cityjson *reader = state;
    return !reader->is_broken;
}

static uint64_t bytes_done(const void *state)
{
    const struct cityjson *reader = state;
    const struct json *start = &reader->header.start;
    if (reader->next_line == start->end) {
        return reader->input.bytes.size;
    }
    return reader->place == NULL ? 0 : (uint64_t)(reader->place - start->begin);
}

const struct reader cityjson_reader = {
    .format = "CityJSON",
    .claim = claim,
    .open = open_reader,
    .next = next,
    .can_continue = can_continue,
    .bytes_done = bytes_done,
    .close = close_reader,
};
