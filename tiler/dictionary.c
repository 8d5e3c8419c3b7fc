/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/dictionary.h"

#include <assert.h>
#include <stdlib.h>

#include "formats/digest.h"

enum { TABLE_SIZE = 4 * DICTIONARY_KEYS_MAX, EXAMPLE_BYTES = 80 };

struct dictionary {
    struct arena *run;
    struct dictionary_key keys[DICTIONARY_KEYS_MAX];
    uint32_t count;
    uint32_t table[TABLE_SIZE];             /* key number + 1; 0 empty */
    struct text classes[PROPERTY_ENUM_MAX]; /* that are not declared */
    size_t class_count;
    bool has_many_classes; /* more than there is room for */
    const char *const *far_names;
    size_t far_count;
};

/* Far tiles have these unless they are told others. */
static const char *const usual_far[] = {"class", "name", "height"};

static const char *const builtin_names[BUILTIN_COUNT] = {"id",     "class",  "name",
                                                         "parent", "height", "member_count"};

bool dictionary_open(struct arena *run, struct dictionary **out, struct err *err)
{
    struct dictionary *dictionary = arena_array(run, struct dictionary, 1);
    if (dictionary == NULL) {
        return arena_full(run, err);
    }
    dictionary->run = run;
    dictionary_keep_far(dictionary, usual_far, sizeof usual_far / sizeof usual_far[0]);
    *out = dictionary;
    return true;
}

static bool copy_text(struct arena *run, struct text text, struct text *out, struct err *err)
{
    char *copy = arena_array(run, char, text.size);
    if (copy == NULL) {
        return arena_full(run, err);
    }
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    *out = (struct text){copy, text.size};
    return true;
}

static bool find_or_add(struct dictionary *dictionary, struct text name, uint32_t *out,
                        struct err *err)
{
    const struct span bytes = {(const uint8_t *)name.data, name.size};
    size_t slot = (size_t)(digest_short(bytes) % TABLE_SIZE);
    while (dictionary->table[slot] != 0) {
        const uint32_t number = dictionary->table[slot] - 1;
        if (text_equals(dictionary->keys[number].name, name)) {
            *out = number;
            return true;
        }
        slot = (slot + 1) % TABLE_SIZE;
    }
    if (dictionary->count == DICTIONARY_KEYS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d different attributes", DICTIONARY_KEYS_MAX);
    }
    struct dictionary_key *key = &dictionary->keys[dictionary->count];
    if (!copy_text(dictionary->run, name, &key->name, err)) {
        return false;
    }
    key->min_int = INT64_MAX;
    key->max_int = INT64_MIN;
    dictionary->table[slot] = ++dictionary->count;
    *out = dictionary->count - 1;
    return true;
}

static bool keep_example(struct dictionary *dictionary, struct dictionary_key *key,
                         const struct feature_value *value, struct err *err)
{
    key->example = *value;
    if (value->type != FEATURE_TEXT && value->type != FEATURE_JSON) {
        return true;
    }
    struct text cut = value->text;
    if (cut.size > EXAMPLE_BYTES) {
        cut.size = EXAMPLE_BYTES;
        while (cut.size > 0 && ((unsigned char)cut.data[cut.size] & 0xC0) == 0x80) {
            cut.size--;
        }
    }
    return copy_text(dictionary->run, cut, &key->example.text, err);
}

static void note_value(struct dictionary_key *key, const struct feature_value *value)
{
    key->value_count += value->type != FEATURE_NULL;
    switch (value->type) {
    case FEATURE_NULL:
        break;
    case FEATURE_BOOL:
        key->has_bool = true;
        break;
    case FEATURE_INT:
        key->has_int = true;
        key->min_int = value->integer < key->min_int ? value->integer : key->min_int;
        key->max_int = value->integer > key->max_int ? value->integer : key->max_int;
        key->has_sentinel |= value->integer == PROPERTY_NO_INT64;
        break;
    case FEATURE_REAL:
        key->has_real = true;
        key->has_sentinel |= value->real <= PROPERTY_NO_FLOAT64;
        break;
    case FEATURE_TEXT:
    case FEATURE_JSON:
        key->has_text = true;
        break;
    }
}

bool dictionary_add(struct dictionary *dictionary, struct text key,
                    const struct feature_value *value, uint32_t *out_number, struct err *err)
{
    uint32_t number;
    if (!find_or_add(dictionary, key, &number, err)) {
        return false;
    }
    struct dictionary_key *known = &dictionary->keys[number];
    if (known->value_count == 0 && value->type != FEATURE_NULL &&
        !keep_example(dictionary, known, value, err)) {
        return false;
    }
    known->count++;
    note_value(known, value);
    *out_number = number;
    return true;
}

static bool is_declared(struct text class_name)
{
    for (size_t i = 0; i < feature_class_count; i++) {
        if (text_is(class_name, feature_classes[i])) {
            return true;
        }
    }
    return false;
}

bool dictionary_add_class(struct dictionary *dictionary, struct text class_name, struct err *err)
{
    if (is_declared(class_name)) {
        return true;
    }
    for (size_t i = 0; i < dictionary->class_count; i++) {
        if (text_equals(dictionary->classes[i], class_name)) {
            return true;
        }
    }
    if (dictionary->class_count + feature_class_count == PROPERTY_ENUM_MAX) {
        dictionary->has_many_classes = true;
        return true;
    }
    if (!copy_text(dictionary->run, class_name, &dictionary->classes[dictionary->class_count],
                   err)) {
        return false;
    }
    dictionary->class_count++;
    return true;
}

void dictionary_keep_far(struct dictionary *dictionary, const char *const *names, size_t count)
{
    dictionary->far_names = names;
    dictionary->far_count = count;
}

size_t dictionary_count(const struct dictionary *dictionary)
{
    return dictionary->count;
}

const struct dictionary_key *dictionary_key(const struct dictionary *dictionary, uint32_t number)
{
    assert(number < dictionary->count);
    return &dictionary->keys[number];
}

static enum property_type type_of(const struct dictionary_key *key, bool is_everywhere)
{
    const int kinds = key->has_bool + (key->has_int || key->has_real) + key->has_text;
    if (kinds != 1 || key->has_text) {
        return PROPERTY_STRING;
    }
    if (key->has_bool) {
        return is_everywhere ? PROPERTY_BOOL : PROPERTY_TRISTATE;
    }
    if (key->has_sentinel) {
        return PROPERTY_STRING;
    }
    if (key->has_real) {
        return PROPERTY_FLOAT64;
    }
    const bool fits = key->min_int > PROPERTY_NO_INT32 && key->max_int <= INT32_MAX;
    /* A 64-bit integer reaches JavaScript as a BigInt, which equals no noData of
     * the schema: a double, where it holds all values exactly, serves better. */
    const int64_t exact = (int64_t)1 << 53;
    const bool fits_double = key->min_int >= -exact && key->max_int <= exact;
    return fits ? PROPERTY_INT32 : fits_double ? PROPERTY_FLOAT64 : PROPERTY_INT64;
}

/* Sorting needs the dictionary, which qsort cannot carry. */
struct named {
    struct text name;
    uint32_t number;
};

static int compare_names(const void *a, const void *b)
{
    const struct named *left = a;
    const struct named *right = b;
    return text_compare(left->name, right->name);
}

static bool is_taken(const struct property *properties, size_t count, struct text id)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equals(properties[i].id, id)) {
            return true;
        }
    }
    return false;
}

/* An id for a name that no earlier property has: "height", "height_2", ... */
static bool choose_id(const struct property *properties, size_t count, struct text name,
                      struct arena *run, struct text *out, struct err *err)
{
    struct text id;
    if (!property_id_from_name(name, run, &id, err)) {
        return false;
    }
    struct text tried = id;
    for (int suffix = 2; is_taken(properties, count, tried); suffix++) {
        const size_t room = id.size + 12;
        char *longer = arena_array(run, char, room);
        if (longer == NULL) {
            return arena_full(run, err);
        }
        memcpy(longer, id.data, id.size);
        size_t size = id.size;
        longer[size++] = '_';
        char digits[10];
        int digit_count = 0;
        for (int left = suffix; left > 0; left /= 10) {
            digits[digit_count++] = (char)('0' + left % 10);
        }
        while (digit_count > 0) {
            longer[size++] = digits[--digit_count];
        }
        tried = (struct text){longer, size};
    }
    *out = tried;
    return true;
}

static bool stays_far(const struct dictionary *dictionary, struct text name)
{
    for (size_t i = 0; i < dictionary->far_count; i++) {
        if (text_is(name, dictionary->far_names[i])) {
            return true;
        }
    }
    return false;
}

static bool is_builtin(struct text name)
{
    for (int i = 0; i < BUILTIN_COUNT; i++) {
        if (text_is(name, builtin_names[i])) {
            return true;
        }
    }
    return false;
}

static int compare_texts(const void *a, const void *b)
{
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

/* The declared classes, then the extensions' by name. */
static bool list_classes(const struct dictionary *dictionary, struct arena *run,
                         struct property *into, struct err *err)
{
    if (dictionary->has_many_classes) {
        return true; /* as text */
    }
    const size_t count = feature_class_count + dictionary->class_count;
    struct text *names = arena_array(run, struct text, count);
    if (names == NULL) {
        return arena_full(run, err);
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = i < feature_class_count ? text_of(feature_classes[i])
                                           : dictionary->classes[i - feature_class_count];
    }
    if (dictionary->class_count > 0) {
        qsort(names + feature_class_count, dictionary->class_count, sizeof names[0], compare_texts);
    }
    into->type = PROPERTY_ENUM;
    into->enum_names = names;
    into->enum_count = count;
    return true;
}

static void fill_builtins(const struct dictionary *dictionary, struct property *properties)
{
    for (int i = 0; i < BUILTIN_COUNT; i++) {
        properties[i] = (struct property){
            .id = text_of(builtin_names[i]),
            .name = text_of(builtin_names[i]),
            .type = i == BUILTIN_HEIGHT         ? PROPERTY_FLOAT64
                    : i == BUILTIN_MEMBER_COUNT ? PROPERTY_INT32
                                                : PROPERTY_STRING,
            .is_required = i == BUILTIN_ID || i == BUILTIN_CLASS,
            .is_brief = i == BUILTIN_ID || i == BUILTIN_MEMBER_COUNT ||
                        stays_far(dictionary, text_of(builtin_names[i])),
            .semantic = i == BUILTIN_ID     ? "ID"
                        : i == BUILTIN_NAME ? "NAME"
                                            : NULL,
        };
    }
}

/* A source's own "height" and "name" are what the built-ins would say. */
static bool stands_for_builtin(struct text name, enum property_type type, uint32_t *out)
{
    const bool is_number =
        type == PROPERTY_FLOAT64 || type == PROPERTY_INT32 || type == PROPERTY_INT64;
    if (text_is(name, "height") && is_number) {
        *out = BUILTIN_HEIGHT;
        return true;
    }
    if (text_is(name, "name") && type == PROPERTY_STRING) {
        *out = BUILTIN_NAME;
        return true;
    }
    return false;
}

bool dictionary_schema(const struct dictionary *dictionary, uint64_t feature_count,
                       struct arena *run, struct property_schema *out,
                       uint32_t **out_property_of_key, struct err *err)
{
    const size_t most = BUILTIN_COUNT + (size_t)dictionary->count;
    struct property *properties = arena_array(run, struct property, most);
    struct named *order = arena_array(run, struct named, dictionary->count);
    uint32_t *property_of_key = arena_array(run, uint32_t, dictionary->count);
    if (properties == NULL || order == NULL || property_of_key == NULL) {
        return arena_full(run, err);
    }
    for (uint32_t i = 0; i < dictionary->count; i++) {
        order[i] = (struct named){dictionary->keys[i].name, i};
    }
    qsort(order, dictionary->count, sizeof order[0], compare_names);
    fill_builtins(dictionary, properties);
    if (!list_classes(dictionary, run, &properties[BUILTIN_CLASS], err)) {
        return false;
    }
    size_t count = BUILTIN_COUNT;
    for (uint32_t i = 0; i < dictionary->count; i++) {
        const struct dictionary_key *key = &dictionary->keys[order[i].number];
        property_of_key[order[i].number] = UINT32_MAX;
        if (key->value_count == 0) {
            continue; /* null everywhere: there is no type to give it */
        }
        const enum property_type type = type_of(key, key->value_count == feature_count);
        if (stands_for_builtin(key->name, type, &property_of_key[order[i].number])) {
            continue;
        }
        struct property *property = &properties[count];
        if (!choose_id(properties, count, key->name, run, &property->id, err)) {
            return false;
        }
        property->name = key->name;
        property->type = type;
        property->is_required = property->type == PROPERTY_BOOL;
        /* "class" is storey's own; the source's attribute of that name is meant
         * by the id it got, "class_2". */
        property->is_brief = stays_far(dictionary, property->id) ||
                             (stays_far(dictionary, key->name) && !is_builtin(key->name));
        property_of_key[order[i].number] = (uint32_t)count++;
    }
    *out = (struct property_schema){.properties = properties, .property_count = count};
    *out_property_of_key = property_of_key;
    return true;
}
