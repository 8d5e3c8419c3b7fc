/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "formats/citygml.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "formats/citygml_dress.h"
#include "formats/citygml_internal.h"
#include "formats/encoding.h"

enum { THEMES_BYTES_MAX = 1 << 20, SKIPS_BYTES_MAX = 1 << 26, SYSTEM_BYTES_MAX = 512 };

/* ---- telling CityGML from others ---- */

/* The head as plain bytes, whatever its encoding: NULs and marks are left out. */
static size_t squeeze(struct span head, char *out, size_t room)
{
    size_t size = 0;
    for (size_t i = 0; i < head.size && size < room; i++) {
        if (head.data[i] != 0) {
            out[size++] = (char)head.data[i];
        }
    }
    return size;
}

static bool name_ends_in(const char *name, const char *end)
{
    const size_t size = strlen(name);
    const size_t end_size = strlen(end);
    return size >= end_size && strcmp(name + size - end_size, end) == 0;
}

static enum reader_claim claim(struct span head, const char *name)
{
    char plain[8192];
    const size_t size = squeeze(head, plain, sizeof plain);
    size_t at = 0;
    while (at < size && ((uint8_t)plain[at] >= 0x80 || strchr(" \t\r\n", plain[at]) != NULL)) {
        at++;
    }
    if (at == size || plain[at] != '<') {
        return READER_NO;
    }
    static const char space[] = "opengis.net/citygml";
    static const char model[] = "CityModel";
    if (memmem(plain, size, space, strlen(space)) != NULL ||
        memmem(plain, size, model, strlen(model)) != NULL) {
        return READER_SURE;
    }
    return name_ends_in(name, ".gml") || name_ends_in(name, ".citygml") ? READER_MAYBE : READER_NO;
}

/* ---- as UTF-8 ---- */

static int make_temporary(const struct citygml *reader, struct err *err)
{
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/storey-utf8-XXXXXX",
                                reader->input.options->temporary_folder);
    if (length < 0 || (size_t)length >= sizeof path) {
        err_set(err, ERR_LIMIT, "path longer than %d bytes", PATH_MAX);
        return -1;
    }
    const int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        io_error(err, "create", path);
    } else {
        unlink(path); /* nothing is left behind, however the program ends */
    }
    return fd;
}

static void tell_encoding(const struct citygml *reader, const struct encoding *encoding,
                          uint64_t broken)
{
    const struct text nobody = {0};
    if (encoding->reason == ENCODING_DISPROVED) {
        citygml_report(reader, nobody, 1, REPORT_NOTICE, "encoding",
                       "it says that it is %s, but it is UTF-8, and read as that",
                       encoding->declared);
    } else if (encoding->reason == ENCODING_GUESSED) {
        citygml_report(reader, nobody, 1, REPORT_NOTICE, "encoding",
                       "it says %s%s, but it is not; read as %s (--encoding names another)",
                       encoding->declared[0] == '\0' ? "no encoding, which means UTF-8"
                                                     : "that it is ",
                       encoding->declared, encoding->name);
    }
    if (broken > 0) {
        citygml_report(reader, nobody, 1, REPORT_REPAIRED, "encoding",
                       "%llu bytes that are no character of %s have been replaced",
                       (unsigned long long)broken, encoding->name);
    }
}

/* Bytes that are not UTF-8 are converted, to the temporary folder. */
static bool read_as_utf8(struct citygml *reader, struct err *err)
{
    const struct encoding encoding =
        encoding_find(reader->bytes, reader->map, reader->input.options->encoding);
    uint64_t broken = 0;
    if (!encoding.is_utf8) {
        const int fd = make_temporary(reader, err);
        if (fd < 0) {
            return false;
        }
        const bool ok =
            encoding_convert(reader->bytes, reader->map, encoding.name, fd, &broken, err) &&
            io_map_open_file(fd, reader->input.name, &reader->utf8_map, err);
        close(fd);
        if (!ok) {
            return false;
        }
        reader->bytes = reader->utf8_map.bytes;
        reader->map = &reader->utf8_map;
    }
    tell_encoding(reader, &encoding, broken);
    return true;
}

/* ---- opening ---- */

static void close_reader(void *state)
{
    struct citygml *reader = state;
    citygml_scan_close(reader->scan);
    citygml_target_close(reader);
    citygml_links_close(reader);
    citygml_shape_close(reader->shape);
    citygml_member_release(&reader->member);
    buf_release(&reader->themes);
    buf_release(&reader->skips);
    io_unmap(&reader->utf8_map);
}

/* URLs of compound systems have an ampersand in them. */
static bool copy_unescaped(struct text text, struct arena *arena, struct text *out, struct err *err)
{
    static const char escaped[] = "&amp;";
    char *copy = arena_array(arena, char, text.size + 1);
    size_t size = 0;
    if (copy == NULL) {
        return arena_full(arena, err);
    }
    for (size_t i = 0; i < text.size; i++) {
        copy[size++] = text.data[i];
        if (text.size - i >= strlen(escaped) &&
            memcmp(text.data + i, escaped, strlen(escaped)) == 0) {
            i += strlen(escaped) - 1;
        }
    }
    *out = (struct text){copy, size};
    return true;
}

/* The first srsName of the file: that of the model's envelope, or where that
 * says nothing of its first object. */
static bool find_crs(struct citygml *reader, struct err *err)
{
    const uint64_t end = reader->bytes.size;
    for (uint64_t at = 0;;) {
        at = citygml_search_far(reader, at, text_of("srsName"));
        if (at == end) {
            return true;
        }
        at += strlen("srsName");
        const char *text = (const char *)reader->bytes.data + at;
        const size_t room =
            (size_t)(end - at) < SYSTEM_BYTES_MAX ? (size_t)(end - at) : (size_t)SYSTEM_BYTES_MAX;
        size_t i = 0;
        while (i < room && (text[i] == ' ' || text[i] == '=')) {
            i++;
        }
        const char quote = i < room ? text[i] : '\0';
        const char *close =
            quote == '"' || quote == '\'' ? memchr(text + i + 1, quote, room - i - 1) : NULL;
        if (close != NULL) {
            const struct text name =
                citygml_trim((struct text){text + i + 1, (size_t)(close - text) - i - 1});
            if (name.size > 0) {
                return copy_unescaped(name, reader->input.source, &reader->crs, err);
            }
        }
    }
}

/* What the model says about appearance, which may stand at its very end. */
static bool read_appearance(struct citygml *reader, struct err *err)
{
    static const char word[] = "appearanceMember";
    const uint64_t end = reader->bytes.size;
    struct citygml_range range = {.begin = 0};
    for (uint64_t at = 0;;) {
        at = citygml_search_far(reader, at, text_of(word));
        if (at == end) {
            break;
        }
        const uint64_t name = at;
        at += strlen(word);
        uint64_t begin = name;
        while (begin > 0 && reader->bytes.data[begin] != '<' && reader->bytes.data[begin] > ' ') {
            begin--;
        }
        if (reader->bytes.data[begin] != '<' || reader->bytes.data[begin + 1] == '/') {
            continue;
        }
        /* Its end has the same name. */
        char close[128];
        const int size = snprintf(close, sizeof close, "</%.*s>", (int)(at - begin - 1),
                                  (const char *)reader->bytes.data + begin + 1);
        if (size < 0 || (size_t)size >= sizeof close) {
            continue;
        }
        range.begin = begin;
        range.line = citygml_line(reader, begin);
        range.end = citygml_search_far(reader, at, text_of(close));
        at = range.end;
        range.end += range.end < end ? (uint64_t)size : 0;
        struct err ignored = {.code = ERR_NONE};
        if (citygml_input_range(reader, &range, MODE_APPEARANCE, &ignored) &&
            citygml_scan_is_between(reader->scan)) {
            buf_add(&reader->skips, &range, sizeof range);
        } else {
            if (ignored.code == ERR_NOMEM || ignored.code == ERR_IO) {
                *err = ignored;
                return false;
            }
            /* The main pass will come here, too, and say what is wrong. */
        }
        static const struct citygml_mark empty;
        citygml_member_cut(&reader->member, &empty);
    }
    return buf_finish(&reader->skips, err) && citygml_target_sort(reader, err);
}

static const char *find_version(const struct citygml *reader)
{
    static const char space[] = "/citygml/";
    const uint8_t *head = reader->head.data;
    const uint8_t *end = head + reader->head.size;
    const char *version = NULL;
    while (head < end) {
        const uint8_t *found = memmem(head, (size_t)(end - head), space, strlen(space));
        if (found == NULL || end - found < 13) {
            break;
        }
        head = found + strlen(space);
        if (memcmp(head, "1.0", 3) == 0) {
            return "CityGML 1.0";
        }
        if (memcmp(head, "2.0", 3) == 0) {
            return "CityGML 2.0";
        }
        if (memcmp(head, "3.0", 3) == 0) {
            return "CityGML 3.0";
        }
        version = "CityGML";
    }
    return version == NULL ? "CityGML" : version;
}

static bool prepare(struct citygml *reader, struct source_info *info, struct err *err)
{
    struct arena *source = reader->input.source;
    if (!read_as_utf8(reader, err) || !citygml_input_open(reader, err) || !find_crs(reader, err) ||
        !citygml_shape_open(source, reader->input.options->fail_after, &reader->shape, err) ||
        !citygml_scan_open(reader, &reader->scan, err) || !read_appearance(reader, err) ||
        !citygml_scan_restart(reader->scan, MODE_MODEL, citygml_line(reader, reader->at), err)) {
        return false;
    }
    *info = (struct source_info){.format = find_version(reader), .crs = reader->crs};
    return true;
}

static bool open_reader(const struct reader_input *input, struct source_info *info,
                        void **out_state, struct err *err)
{
    struct citygml *reader = arena_array(input->source, struct citygml, 1);
    if (reader == NULL) {
        return arena_full(input->source, err);
    }
    reader->input = *input;
    reader->bytes = input->bytes;
    reader->map = input->map;
    buf_init(&reader->themes, THEMES_BYTES_MAX);
    reader->themes.fail_after = input->options->fail_after;
    buf_init(&reader->skips, SKIPS_BYTES_MAX);
    reader->skips.fail_after = input->options->fail_after;
    citygml_member_init(&reader->member, input->options->fail_after);
    if (input->options->theme != NULL) {
        reader->has_theme = true;
        reader->theme = UINT16_MAX;
    }
    if (!prepare(reader, info, err)) {
        close_reader(reader);
        return false;
    }
    *out_state = reader;
    return true;
}

/* ---- reading ---- */

/* The next member whose links lead nowhere else, or when there are no more one
 * of those that have waited. */
static bool next_member(struct citygml *reader, bool *out_is_end, struct err *err)
{
    for (;;) {
        uint32_t missing = 0;
        if (!citygml_input_next(reader, out_is_end, err)) {
            return false;
        }
        if (*out_is_end) {
            return citygml_links_next(reader, out_is_end, err);
        }
        if (!citygml_link_member(reader, &missing, err)) {
            return false;
        }
        if (missing == 0) {
            return true;
        }
        if (!citygml_links_defer(reader, err)) {
            return false;
        }
    }
}

/* Elements whose prefix stands for nothing are read as an extension's. */
static void tell_prefixes(struct citygml *reader)
{
    const uint32_t count = xml_undeclared_count(reader->scan->xml);
    if (count > 0 && !reader->has_told_prefixes) {
        reader->has_told_prefixes = true;
        citygml_report(reader, (struct text){0}, 0, REPORT_NOTICE, "prefix-undeclared",
                       "%u names have a prefix that no namespace is declared for", count);
    }
}

static bool next(void *state, struct arena *feature, struct feature *out, bool *out_is_end,
                 struct err *err)
{
    struct citygml *reader = state;
    struct citygml_member *member = &reader->member;
    static const struct citygml_mark empty;
    while (member->next_object == citygml_count(&member->objects, sizeof(struct citygml_object))) {
        bool is_end = false;
        if (!next_member(reader, &is_end, err)) {
            reader->is_broken |= err->code == ERR_IO || err->code == ERR_NOMEM;
            citygml_member_cut(member, &empty);
            return false;
        }
        if (is_end) {
            tell_prefixes(reader);
            *out_is_end = true;
            return true;
        }
        citygml_tell_themes(reader);
    }
    if (!citygml_read_feature(reader, member->next_object++, feature, out, err)) {
        reader->is_broken |= err->code == ERR_IO || err->code == ERR_NOMEM;
        return false;
    }
    *out_is_end = false;
    return true;
}

static bool can_continue(const void *state)
{
    const struct citygml *reader = state;
    return !reader->is_broken;
}

static uint64_t bytes_done(const void *state)
{
    const struct citygml *reader = state;
    const uint64_t size = reader->input.bytes.size;
    if (reader->bytes.size == size || reader->bytes.size == 0) {
        return reader->at;
    }
    return (uint64_t)((double)reader->at / (double)reader->bytes.size * (double)size);
}

const struct reader citygml_reader = {
    .format = "CityGML",
    .claim = claim,
    .open = open_reader,
    .next = next,
    .can_continue = can_continue,
    .bytes_done = bytes_done,
    .close = close_reader,
};
