/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <assert.h>

#include "formats/citygml_internal.h"

enum { WINDOW_BYTES = 256 * 1024, GIVE_BACK_BYTES = 4 * 1024 * 1024 };
/* So much without an end of a member, and members are not what they seem. */
enum { UNCUT_BYTES_MAX = 4 * 1024 * 1024 };

/* ---- looking for words ---- */

enum { LANE_COUNT = 16 };

typedef uint8_t lanes __attribute__((vector_size(LANE_COUNT)));

static lanes load_lanes(const uint8_t *at)
{
    lanes loaded;
    memcpy(&loaded, at, sizeof loaded);
    return loaded;
}

/* The rarest letter of a word in this text is a capital one. */
static size_t rare_letter(struct text word)
{
    for (size_t i = 1; i < word.size; i++) {
        if (word.data[i] >= 'A' && word.data[i] <= 'Z') {
            return i;
        }
    }
    return word.size - 1;
}

/* memmem(), sixteen places at once: where three letters of the word fit, all of
 * it is compared. Several times as fast on tags and numbers, which look alike. */
static const uint8_t *find_word(const uint8_t *at, const uint8_t *end, struct text word)
{
    const size_t rare = rare_letter(word);
    if (word.size < 3) {
        return memmem(at, (size_t)(end - at), word.data, word.size);
    }
    const lanes first = (lanes){0} + (uint8_t)word.data[0];
    const lanes before = (lanes){0} + (uint8_t)word.data[rare - 1];
    const lanes capital = (lanes){0} + (uint8_t)word.data[rare];
    for (; (size_t)(end - at) >= word.size + LANE_COUNT; at += LANE_COUNT) {
        const lanes fits =
            (lanes)((load_lanes(at + rare) == capital) & (load_lanes(at + rare - 1) == before) &
                    (load_lanes(at) == first));
        uint64_t halves[2];
        memcpy(halves, &fits, sizeof halves);
        if ((halves[0] | halves[1]) == 0) {
            continue;
        }
        for (int i = 0; i < LANE_COUNT; i++) {
            if (memcmp(at + i, word.data, word.size) == 0) {
                return at + i;
            }
        }
    }
    return memmem(at, (size_t)(end - at), word.data, word.size);
}

uint64_t citygml_search(const struct citygml *reader, uint64_t from, uint64_t to, struct text word)
{
    if (from >= to || word.size == 0) {
        return to;
    }
    const uint8_t *bytes = reader->bytes.data;
    const uint8_t *found = find_word(bytes + from, bytes + to, word);
    return found == NULL ? to : (uint64_t)(found - bytes);
}

/* Pages that were only looked through. */
enum { LOOK_BYTES = 4 * 1024 * 1024 };

uint64_t citygml_search_far(const struct citygml *reader, uint64_t from, struct text word)
{
    const uint64_t size = reader->bytes.size;
    while (from < size) {
        /* A word that lies across two looks is found by the second. */
        const uint64_t end = size - from > LOOK_BYTES ? from + LOOK_BYTES : size;
        const uint64_t found = citygml_search(reader, from, end, word);
        if (found < end) {
            return found;
        }
        if (end == size) {
            break;
        }
        if (reader->map != NULL) {
            io_map_give_back(reader->map, (size_t)from, (size_t)end);
        }
        from = end - word.size;
    }
    return size;
}

uint32_t citygml_line(struct citygml *reader, uint64_t offset)
{
    if (offset < reader->line_offset) {
        reader->line_offset = 0;
        reader->line = 1;
    }
    for (uint64_t from = reader->line_offset; from < offset;) {
        const uint64_t end = offset - from > LOOK_BYTES ? from + LOOK_BYTES : offset;
        const uint8_t *at = reader->bytes.data + from;
        const uint8_t *stop = reader->bytes.data + end;
        for (; at < stop; at++) {
            at = memchr(at, '\n', (size_t)(stop - at));
            if (at == NULL) {
                break;
            }
            reader->line++;
        }
        if (reader->map != NULL && end < offset) {
            io_map_give_back(reader->map, (size_t)from, (size_t)end);
        }
        from = end;
    }
    reader->line_offset = offset;
    return reader->line;
}

/* ---- the head ---- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool begins(struct span bytes, uint64_t at, const char *word)
{
    const size_t size = strlen(word);
    return bytes.size - at >= size && memcmp(bytes.data + at, word, size) == 0;
}

/* Past a comment, a processing instruction or a document type; `at` when there
 * is none, the end when it does not end. */
static uint64_t skip_prolog(const struct citygml *reader, uint64_t at)
{
    const struct span bytes = reader->bytes;
    const char *close = begins(bytes, at, "<!--") ? "-->" : begins(bytes, at, "<?") ? "?>" : NULL;
    if (close != NULL) {
        const uint64_t end = citygml_search(reader, at, bytes.size, text_of(close));
        return end == bytes.size ? end : end + strlen(close);
    }
    if (!begins(bytes, at, "<!")) {
        return at;
    }
    int brackets = 0;
    for (; at < bytes.size; at++) {
        const uint8_t c = bytes.data[at];
        brackets += (c == '[') - (c == ']');
        if (c == '>' && brackets <= 0) {
            return at + 1;
        }
    }
    return at;
}

/* The end of a start tag: past the '>' that is in no quotes. */
static uint64_t tag_end(struct span bytes, uint64_t at)
{
    uint8_t quote = 0;
    for (; at < bytes.size; at++) {
        const uint8_t c = bytes.data[at];
        if (quote != 0) {
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '>') {
            return at + 1;
        }
    }
    return bytes.size;
}

static void find_head(struct citygml *reader)
{
    if (reader->bytes.data == NULL) { /* no byte is left behind a mark of UTF-16 */
        reader->bytes.data = (const uint8_t *)"";
    }
    const struct span bytes = reader->bytes;
    uint64_t at = begins(bytes, 0, "\xEF\xBB\xBF") ? 3 : 0;
    /* Blank lines before the declaration are common, and harmless. */
    while (at < bytes.size && is_blank(bytes.data[at])) {
        at++;
    }
    reader->at = at;
    for (;;) {
        while (at < bytes.size && is_blank(bytes.data[at])) {
            at++;
        }
        const uint64_t next = at < bytes.size ? skip_prolog(reader, at) : at;
        if (next == at) {
            break;
        }
        at = next;
    }
    const uint64_t end = tag_end(bytes, at);
    reader->head = (struct span){bytes.data + at, (size_t)(end - at)};
}

/* How the first member is called, with its prefix. */
static bool find_member(struct citygml *reader, struct err *err)
{
    const struct span bytes = reader->bytes;
    uint64_t at = (uint64_t)(reader->head.data - bytes.data) + reader->head.size;
    const uint64_t end = bytes.size - at > WINDOW_BYTES ? at + WINDOW_BYTES : bytes.size;
    static const char *const names[] = {"cityObjectMember", "featureMember"};
    for (int i = 0; i < 2; i++) {
        const size_t size = strlen(names[i]);
        const uint64_t found = citygml_search(reader, at, end, text_of(names[i]));
        if (found == end) {
            continue;
        }
        uint64_t begin = found;
        while (begin > at && bytes.data[begin] != '<' && bytes.data[begin] > ' ') {
            begin--;
        }
        /* "featureMembers" holds all of them: it ends with the file. */
        if (bytes.data[begin] != '<' || bytes.data[begin + 1] == '/' ||
            found + size >= bytes.size || bytes.data[found + size] == 's') {
            continue;
        }
        const int name_size = (int)(found + size - begin - 1);
        const char *name = (const char *)bytes.data + begin + 1;
        const char *open = arena_print(reader->input.source, "<%.*s", name_size, name);
        const char *close = arena_print(reader->input.source, "</%.*s>", name_size, name);
        if (open == NULL || close == NULL) {
            return arena_full(reader->input.source, err);
        }
        reader->member_open = text_of(open);
        reader->member_close = text_of(close);
        return true;
    }
    return true;
}

bool citygml_input_open(struct citygml *reader, struct err *err)
{
    reader->line = 1;
    find_head(reader);
    if (reader->head.size < 2) {
        return err_set(err, ERR_SYNTAX, "no root element");
    }
    return find_member(reader, err);
}

/* ---- pushing ---- */

static void give_back(struct citygml *reader)
{
    if (reader->map != NULL && reader->at - reader->kept > GIVE_BACK_BYTES) {
        io_map_give_back(reader->map, 0, (size_t)reader->at);
        reader->kept = reader->at;
    }
}

/* Where the next piece ends: with a member, or where nothing may be cut with
 * the next end tag. */
static uint64_t next_cut(const struct citygml *reader)
{
    const uint64_t left = reader->bytes.size - reader->at;
    uint64_t end = left > WINDOW_BYTES ? reader->at + WINDOW_BYTES : reader->bytes.size;
    if (reader->next_skip < citygml_count(&reader->skips, sizeof(struct citygml_range))) {
        const uint64_t skip =
            CITYGML_AT(reader->skips, const struct citygml_range, reader->next_skip)->begin;
        if (skip <= end) {
            end = skip; /* nothing that is looked for lies across it */
            const uint64_t found = citygml_search(reader, reader->at, end, reader->member_close);
            return found < end ? found + reader->member_close.size : end;
        }
    }
    if (reader->member_close.size > 0) {
        const uint64_t found = citygml_search(reader, reader->at, end, reader->member_close);
        if (found < end) {
            return found + reader->member_close.size;
        }
        /* Not into the middle of what is looked for. */
        return end == reader->bytes.size ? end : end - reader->member_close.size;
    }
    const uint64_t tag = citygml_search(reader, reader->at, end, text_of("</"));
    const uint64_t close = citygml_search(reader, tag, end, text_of(">"));
    return close < end ? close + 1 : end;
}

static struct span piece(const struct citygml *reader, uint64_t begin, uint64_t end)
{
    return (struct span){reader->bytes.data + begin, (size_t)(end - begin)};
}

/* The name of what was being read when it failed. */
static void name_failure(struct citygml *reader, struct err *err)
{
    const uint32_t count = citygml_count(&reader->member.objects, sizeof(struct citygml_object));
    if (count > 0) {
        citygml_name_feature(
            err, CITYGML_AT(reader->member.objects, struct citygml_object, count - 1)->id);
    }
}

/* After a fault: the next member, with a parser that has seen nothing. */
static void recover(struct citygml *reader, enum err_code code)
{
    const uint64_t end = reader->bytes.size;
    const bool is_ours = code == ERR_NOMEM || code == ERR_IO;
    uint64_t next = end;
    if (reader->member_open.size > 0 && !is_ours) {
        /* The one that failed, then the one after it. */
        next = citygml_search_far(reader, reader->member_at, reader->member_open);
        next = next == end ? end : citygml_search_far(reader, next + 1, reader->member_open);
    }
    struct err ignored;
    const uint32_t head_line =
        citygml_line(reader, (uint64_t)(reader->head.data - reader->bytes.data));
    if (next == end || !citygml_scan_restart(reader->scan, MODE_MODEL, head_line, &ignored) ||
        !citygml_scan_push(reader->scan, reader->head, false, &ignored)) {
        reader->is_broken = true;
        return;
    }
    reader->at = next;
    reader->member_at = next;
    xml_set_line(reader->scan->xml, citygml_line(reader, next));
}

/* Many objects and no end of a member: they are cut at every end tag instead. */
static void check_cut(struct citygml *reader)
{
    if (reader->member_close.size > 0 && reader->at - reader->member_at > UNCUT_BYTES_MAX) {
        const uint32_t count = citygml_count(&reader->member.roots, sizeof(struct citygml_root));
        uint32_t tops = 0;
        const uint32_t objects =
            citygml_count(&reader->member.objects, sizeof(struct citygml_object));
        for (uint32_t i = 0; i < objects && tops < 2; i++) {
            tops += CITYGML_AT(reader->member.objects, struct citygml_object, i)->parent ==
                    CITYGML_NONE;
        }
        if (count > 0 && tops >= 2) {
            reader->member_close = (struct text){0};
        }
    }
}

static uint64_t head_offset(const struct citygml *reader)
{
    return (uint64_t)(reader->head.data - reader->bytes.data);
}

/* Past what has been read about appearance before. */
static void skip_appearance(struct citygml *reader)
{
    while (reader->next_skip < citygml_count(&reader->skips, sizeof(struct citygml_range))) {
        const struct citygml_range *skip =
            CITYGML_AT(reader->skips, const struct citygml_range, reader->next_skip);
        if (skip->begin > reader->at) {
            return;
        }
        if (skip->begin == reader->at) {
            reader->at = skip->end;
            xml_set_line(reader->scan->xml, citygml_line(reader, skip->end));
        }
        reader->next_skip++;
    }
}

bool citygml_input_next(struct citygml *reader, bool *out_is_end, struct err *err)
{
    static const struct citygml_mark empty;
    citygml_member_cut(&reader->member, &empty);
    reader->member.next_object = 0;
    const uint64_t head_end = head_offset(reader) + reader->head.size;
    reader->member_at = reader->at > head_end ? reader->at : head_end;
    while (!reader->is_done) {
        skip_appearance(reader);
        const uint64_t end = next_cut(reader);
        const bool is_last = end == reader->bytes.size;
        const uint64_t begin = reader->at;
        reader->at = end;
        if (!citygml_scan_push(reader->scan, piece(reader, begin, end), is_last, err)) {
            name_failure(reader, err);
            recover(reader, err->code);
            citygml_member_cut(&reader->member, &empty);
            return false;
        }
        reader->is_done = is_last;
        if (begin <= head_offset(reader) && reader->scan->has_model &&
            !reader->scan->is_city_model) {
            reader->is_broken = true;
            return err_set(err, ERR_UNSUPPORTED, "the root element is no CityModel");
        }
        give_back(reader);
        if (citygml_scan_is_between(reader->scan) && reader->member.objects.size > 0) {
            *out_is_end = false;
            return true;
        }
        check_cut(reader);
    }
    *out_is_end = true;
    return true;
}

bool citygml_input_range(struct citygml *reader, const struct citygml_range *range,
                         enum citygml_mode mode, struct err *err)
{
    if (!citygml_scan_restart(reader->scan, mode, range->line, err) ||
        !citygml_scan_push(reader->scan, reader->head, false, err)) {
        return false;
    }
    xml_set_line(reader->scan->xml, range->line);
    reader->scan->is_element = range->is_element;
    uint64_t kept = range->begin;
    /* An element ends somewhere on the way: then nothing more is taken. */
    for (uint64_t at = range->begin; at < range->end;) {
        const uint64_t left = range->end - at;
        const uint64_t end = at + (left < WINDOW_BYTES / 16 ? left : WINDOW_BYTES / 16);
        if (!citygml_scan_push(reader->scan, piece(reader, at, end), false, err)) {
            return false;
        }
        if (range->is_element && xml_is_stopped(reader->scan->xml)) {
            break;
        }
        at = end;
        if (reader->map != NULL && at - kept > GIVE_BACK_BYTES) {
            io_map_give_back(reader->map, (size_t)kept, (size_t)at);
            kept = at;
        }
    }
    return true;
}
