/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/citygml_codelist.h"

#include <stdlib.h>

#include "formats/citygml_internal.h"

struct entry {
    struct text code;
    struct text meaning;
    uint32_t order;
};

struct codelist {
    struct text path; /* as the file writes it */
    struct entry *entries;
    size_t count;
};

struct citygml_codelists {
    struct codelist lists[CODELIST_FILES_MAX];
    size_t count;
    bool has_told_limit;
};

/* ---- one dictionary ---- */

enum place { PLACE_OUTSIDE, PLACE_DEFINITION, PLACE_NAME, PLACE_MEANING };

struct dictionary {
    struct arena *source;
    struct buf words;   /* struct citygml_word */
    struct buf entries; /* struct entry */
    struct buf text;
    enum place place;
    uint32_t depth;
    uint32_t definition_depth;
    struct entry entry;
    bool has_failed;
};

static bool on_name(void *context, const char *local, const char *space)
{
    struct dictionary *dictionary = context;
    const struct citygml_word word = citygml_word_of(local, space);
    buf_add(&dictionary->words, &word, sizeof word);
    return dictionary->words.refusal == ERR_NONE;
}

static void on_start(void *context, uint32_t name, const struct xml_attribute *attributes,
                     size_t count)
{
    (void)attributes;
    (void)count;
    struct dictionary *dictionary = context;
    const struct citygml_word *word = CITYGML_AT(dictionary->words, struct citygml_word, name);
    dictionary->depth++;
    if (dictionary->place == PLACE_OUTSIDE) {
        if (word->space == SPACE_GML &&
            (text_is(word->local, "Definition") || text_is(word->local, "DefinitionProxy"))) {
            dictionary->place = PLACE_DEFINITION;
            dictionary->definition_depth = dictionary->depth;
            dictionary->entry =
                (struct entry){.order = citygml_count(&dictionary->entries, sizeof(struct entry))};
        }
    } else if (dictionary->place == PLACE_DEFINITION) {
        dictionary->place = word->meaning == WORD_NAME          ? PLACE_NAME
                            : word->meaning == WORD_DESCRIPTION ? PLACE_MEANING
                                                                : PLACE_DEFINITION;
        dictionary->text.size = 0;
    }
}

static void on_text(void *context, const char *text, size_t size)
{
    struct dictionary *dictionary = context;
    if (dictionary->place == PLACE_NAME || dictionary->place == PLACE_MEANING) {
        buf_add(&dictionary->text, text, size);
    }
}

static void on_end(void *context)
{
    struct dictionary *dictionary = context;
    const struct text text =
        citygml_trim((struct text){(const char *)dictionary->text.data, dictionary->text.size});
    const bool is_part = dictionary->depth == dictionary->definition_depth + 1;
    if (is_part && (dictionary->place == PLACE_NAME || dictionary->place == PLACE_MEANING)) {
        struct text *part =
            dictionary->place == PLACE_NAME ? &dictionary->entry.code : &dictionary->entry.meaning;
        struct err err;
        if (part->size == 0 && text.size > 0 &&
            !citygml_copy(text, dictionary->source, part, &err)) {
            dictionary->has_failed = true;
        }
        dictionary->place = PLACE_DEFINITION;
    } else if (dictionary->place != PLACE_OUTSIDE &&
               dictionary->depth == dictionary->definition_depth) {
        if (dictionary->entry.code.size > 0 && dictionary->entry.meaning.size > 0) {
            buf_add(&dictionary->entries, &dictionary->entry, sizeof dictionary->entry);
        }
        dictionary->place = PLACE_OUTSIDE;
    }
    dictionary->depth--;
}

/* By code; of one code that stands there twice, the first. */
static int compare(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;
    const int order = text_compare(left->code, right->code);
    return order != 0 ? order : left->order < right->order ? -1 : left->order > right->order;
}

static bool keep_entries(struct dictionary *dictionary, struct codelist *list, struct err *err)
{
    const size_t count = dictionary->entries.size / sizeof(struct entry);
    struct entry *entries = arena_array(dictionary->source, struct entry, count);
    if (entries == NULL) {
        return arena_full(dictionary->source, err);
    }
    if (count > 0) {
        memcpy(entries, dictionary->entries.data, dictionary->entries.size);
        qsort(entries, count, sizeof *entries, compare);
    }
    list->entries = entries;
    list->count = count;
    return true;
}

static bool read_dictionary(struct citygml *reader, struct span bytes, struct codelist *list,
                            struct err *err)
{
    static const struct xml_handler handler = {on_name, on_start, on_text, on_end};
    struct dictionary dictionary = {.source = reader->input.source};
    struct xml *xml = NULL;
    struct buf *bufs[] = {&dictionary.words, &dictionary.entries, &dictionary.text};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_init(bufs[i], CODELIST_BYTES_MAX);
        bufs[i]->fail_after = reader->input.options->fail_after;
    }
    bool ok = xml_open(&handler, &dictionary, reader->input.source, &xml, err) &&
              xml_push(xml, bytes, true, err);
    xml_close(xml);
    if (ok && dictionary.has_failed) {
        ok = arena_full(reader->input.source, err);
    }
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        ok = ok && buf_finish(bufs[i], err);
    }
    ok = ok && keep_entries(&dictionary, list, err);
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_release(bufs[i]);
    }
    return ok;
}

/* ---- all of them ---- */

static void load(struct citygml *reader, struct codelist *list)
{
    struct buf bytes;
    struct err err;
    bool is_there = false;
    buf_init(&bytes, CODELIST_BYTES_MAX);
    const bool is_path = memchr(list->path.data, ':', list->path.size) == NULL;
    if (is_path && source_load_beside(&reader->input, list->path.data, &bytes, &is_there, &err) &&
        is_there && read_dictionary(reader, buf_span(&bytes), list, &err)) {
        buf_release(&bytes);
        return;
    }
    if (is_path) {
        citygml_report(reader, (struct text){0}, 0, REPORT_NOTICE, "dictionary",
                       "codes of '%.*s' have no text: %s",
                       list->path.size > 80 ? 80 : (int)list->path.size, list->path.data,
                       is_there ? err.message : "it is not there");
    }
    buf_release(&bytes);
}

static struct codelist *find_list(struct citygml *reader, struct text path)
{
    if (reader->codelists == NULL) {
        reader->codelists = arena_array(reader->input.source, struct citygml_codelists, 1);
        if (reader->codelists == NULL) {
            return NULL;
        }
    }
    struct citygml_codelists *lists = reader->codelists;
    for (size_t i = 0; i < lists->count; i++) {
        if (text_equals(lists->lists[i].path, path)) {
            return &lists->lists[i];
        }
    }
    struct codelist list = {.count = 0};
    struct err err;
    if (lists->count == CODELIST_FILES_MAX ||
        !citygml_copy(path, reader->input.source, &list.path, &err)) {
        return NULL;
    }
    load(reader, &list);
    lists->lists[lists->count] = list;
    return &lists->lists[lists->count++];
}

struct text citygml_codelist_find(struct citygml *reader, struct text code_space, struct text code)
{
    const struct codelist *list = find_list(reader, code_space);
    size_t low = 0;
    size_t high = list == NULL ? 0 : list->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = text_compare(list->entries[middle].code, code);
        if (order == 0 && (middle == low || !text_equals(list->entries[middle - 1].code, code))) {
            return list->entries[middle].meaning;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (struct text){"", 0};
}
