/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "formats/citygml_codelist.h"
#include "formats/citygml_internal.h"
#include "formats/json_write.h"
#include "formats/number.h"

enum { INTEGER_DIGITS_MAX = 18 };

/* ---- adding ---- */

void citygml_value_add(struct citygml_scan *scan, uint32_t object, uint32_t group, struct text key,
                       struct feature_value value)
{
    const struct citygml_value added = {object, group, false, {key, value}};
    (void)citygml_scan_add(scan, &scan->member->values, &added, sizeof added);
}

/* An integer as a person writes it: "0815" and "+7" are codes. */
static bool is_integer(struct text text, int64_t *out)
{
    const bool is_negative = text.size > 1 && text.data[0] == '-';
    const char *at = text.data + is_negative;
    const size_t size = text.size - is_negative;
    if (size == 0 || size > INTEGER_DIGITS_MAX || (at[0] == '0' && (size > 1 || is_negative))) {
        return false;
    }
    int64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return false;
        }
        value = 10 * value + (at[i] - '0');
    }
    *out = is_negative ? -value : value;
    return true;
}

/* A number with a point in it: "1e5" and "12" may be codes, "1.5" is not. */
static bool is_real(struct text text, double *out)
{
    return memchr(text.data, '.', text.size) != NULL && text.data[0] != '+' && number_is(text, out);
}

static struct feature_value value_of(struct citygml_scan *scan, struct text text, bool is_number)
{
    struct feature_value value = {.type = FEATURE_TEXT};
    if (is_integer(text, &value.integer)) {
        value.type = FEATURE_INT;
    } else if (is_number ? number_is(text, &value.real) : is_real(text, &value.real)) {
        value.type = FEATURE_REAL;
    } else if (text_is(text, "true") || text_is(text, "false")) {
        value.type = FEATURE_BOOL;
        value.boolean = text.size == 4;
    } else {
        value.text = citygml_scan_keep(scan, text);
    }
    return value;
}

void citygml_value_leaf(struct citygml_scan *scan, uint32_t object, uint32_t group,
                        const struct citygml_naming *naming, struct text key, struct text text)
{
    if (naming->code_space.size > 0) {
        /* A code is a name, whatever it looks like. */
        const struct text code = citygml_scan_keep(scan, text);
        citygml_value_add(scan, object, group, key,
                          (struct feature_value){.type = FEATURE_TEXT, .text = code});
        const struct text found = citygml_codelist_find(scan->reader, naming->code_space, code);
        if (found.size > 0) {
            citygml_value_add(scan, object, group,
                              citygml_scan_join(scan, key, "_text", (struct text){0}),
                              (struct feature_value){.type = FEATURE_TEXT, .text = found});
        }
        return;
    }
    citygml_value_add(scan, object, group, key, value_of(scan, text, naming->unit.size > 0));
    if (naming->unit.size > 0) {
        citygml_value_add(scan, object, group,
                          citygml_scan_join(scan, key, "_unit", (struct text){0}),
                          (struct feature_value){.type = FEATURE_TEXT, .text = naming->unit});
    }
}

static void add_surface_value(struct citygml_scan *scan, uint32_t object, struct text key,
                              struct text text)
{
    const struct citygml_value added = {
        object, 0, true, {key, {.type = FEATURE_TEXT, .text = text}}};
    (void)citygml_scan_add(scan, &scan->member->values, &added, sizeof added);
}

void citygml_value_surface(struct citygml_scan *scan, const struct citygml_frame *frame,
                           struct text code_space, struct text key, struct text text)
{
    const struct text kind = citygml_scan_word(scan, frame->surface_word)->local;
    const struct text whole = citygml_scan_join(scan, kind, ".", key);
    const struct text kept = citygml_scan_keep(scan, text);
    add_surface_value(scan, frame->object, whole, kept);
    if (code_space.size > 0) {
        const struct text found = citygml_codelist_find(scan->reader, code_space, kept);
        if (found.size > 0) {
            add_surface_value(scan, frame->object,
                              citygml_scan_join(scan, whole, "_text", (struct text){0}), found);
        }
    }
}

static bool ends_in(struct text text, const char *end)
{
    const size_t size = strlen(end);
    return text.size >= size && memcmp(text.data + text.size - size, end, size) == 0;
}

/* i-UR's KeyValuePair: what its key means is the name of its value. */
void citygml_value_pair(struct citygml_scan *scan, uint32_t first_value, uint32_t group,
                        struct text container)
{
    struct buf *values = &scan->member->values;
    const uint32_t count = citygml_count(values, sizeof(struct citygml_value));
    if (count < first_value + 2 || count > first_value + 4) {
        return;
    }
    struct citygml_value *key = CITYGML_AT(*values, struct citygml_value, first_value);
    if (!ends_in(key->attribute.key, ".key") || key->attribute.value.type != FEATURE_TEXT ||
        key->group != group) {
        return;
    }
    const bool has_text = ends_in(key[1].attribute.key, ".key_text");
    const uint32_t at = 1 + has_text;
    if (first_value + at >= count || !ends_in(key[at].attribute.key, ".codeValue")) {
        return;
    }
    const struct text meaning = key[has_text].attribute.value.text;
    const struct text named = citygml_scan_join(scan, container, ".", meaning);
    struct citygml_value code = key[at];
    const bool has_code_text = first_value + at + 1 < count;
    struct citygml_value code_text = has_code_text ? key[at + 1] : code;
    values->size = first_value * sizeof code;
    citygml_value_add(scan, code.object, 0, named, code.attribute.value);
    if (has_code_text) {
        citygml_value_add(scan, code.object, 0,
                          citygml_scan_join(scan, named, "_text", (struct text){0}),
                          code_text.attribute.value);
    }
}

/* ---- generic attributes ---- */

void citygml_generic_start(struct citygml_scan *scan, uint32_t number,
                           const struct xml_attribute *attributes, size_t count)
{
    struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_GENERIC, number);
    struct citygml_naming *naming = &scan->namings[scan->depth];
    const bool is_set = citygml_scan_word(scan, number)->meaning == WORD_GENERIC_SET;
    *naming = (struct citygml_naming){
        .key = citygml_scan_keep(scan, citygml_attribute(attributes, count, "name")),
        .value = scan->set, /* of a set: what it is within */
    };
    frame->has_content = false;
    if (is_set && naming->key.size > 0) {
        scan->set = citygml_scan_join(scan, citygml_scan_join(scan, scan->set, "", naming->key),
                                      ".", (struct text){0});
    }
}

void citygml_generic_part_start(struct citygml_scan *scan, uint32_t number,
                                const struct xml_attribute *attributes, size_t count)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    switch (word->meaning) {
    case WORD_GENERIC_TEXT:
    case WORD_GENERIC_INT:
    case WORD_GENERIC_REAL:
    case WORD_GENERIC_SET:
        citygml_generic_start(scan, number, attributes, count);
        break;
    case WORD_GENERIC_VALUE:
    case WORD_GENERIC_NAME:
        citygml_scan_enter(scan, FRAME_GENERIC_PART, number)->wants_text = true;
        scan->namings[scan->depth] = (struct citygml_naming){
            .unit = citygml_scan_keep(scan, citygml_attribute(attributes, count, "uom")),
            .code_space =
                citygml_scan_keep(scan, citygml_attribute(attributes, count, "codeSpace")),
        };
        break;
    default:
        /* 3.0's property around a member of a set. */
        (void)citygml_scan_enter(scan, FRAME_GENERIC, number);
        scan->namings[scan->depth] = (struct citygml_naming){.value = scan->set};
        break;
    }
}

void citygml_generic_part_end(struct citygml_scan *scan, struct citygml_frame *frame)
{
    struct citygml_naming *whole = &scan->namings[scan->depth - 1];
    const struct citygml_naming *part = &scan->namings[scan->depth];
    const struct text text = citygml_scan_keep(scan, citygml_scan_text(scan));
    const bool is_set =
        citygml_scan_word(scan, scan->frames[scan->depth - 1].word)->meaning == WORD_GENERIC_SET;
    if (citygml_scan_word(scan, frame->word)->meaning == WORD_GENERIC_NAME) {
        whole->key = text;
        if (is_set) {
            scan->set = citygml_scan_join(scan, citygml_scan_join(scan, whole->value, "", text),
                                          ".", (struct text){0});
        }
    } else if (!is_set) {
        whole->value = text;
        whole->unit = part->unit;
        whole->code_space = part->code_space;
        scan->frames[scan->depth - 1].has_content = true;
    }
}

void citygml_generic_end(struct citygml_scan *scan, struct citygml_frame *frame)
{
    const struct citygml_naming *naming = &scan->namings[scan->depth];
    const uint8_t meaning = citygml_scan_word(scan, frame->word)->meaning;
    if (meaning == WORD_GENERIC_SET) {
        scan->set = naming->value;
        return;
    }
    if (!frame->has_content || frame->object == CITYGML_NONE || naming->key.size == 0 ||
        naming->value.size == 0) {
        return;
    }
    const struct text key =
        scan->set.size == 0 ? naming->key : citygml_scan_join(scan, scan->set, "", naming->key);
    if (frame->is_surface) {
        citygml_value_surface(scan, frame, naming->code_space, key, naming->value);
        return;
    }
    if (meaning == WORD_GENERIC_TEXT) {
        /* Text stays text: its author had numbers to choose. */
        struct citygml_naming text = *naming;
        text.unit = (struct text){0};
        if (text.code_space.size == 0) {
            citygml_value_add(scan, frame->object, 0, key,
                              (struct feature_value){.type = FEATURE_TEXT, .text = naming->value});
        } else {
            citygml_value_leaf(scan, frame->object, 0, &text, key, naming->value);
        }
        return;
    }
    struct feature_value value = value_of(scan, naming->value, true);
    if (meaning == WORD_GENERIC_REAL && value.type == FEATURE_INT) {
        value = (struct feature_value){.type = FEATURE_REAL, .real = (double)value.integer};
    }
    citygml_value_add(scan, frame->object, 0, key, value);
    if (naming->unit.size > 0) {
        citygml_value_add(scan, frame->object, 0,
                          citygml_scan_join(scan, key, "_unit", (struct text){0}),
                          (struct feature_value){.type = FEATURE_TEXT, .text = naming->unit});
    }
}

/* ---- addresses ---- */

/* xAL 3's leaves say little by themselves: "Identifier" of a "Number" of a
 * "Thoroughfare" is a ThoroughfareNumber. */
static void print_address_key(const struct citygml_scan *scan, char *out, size_t room)
{
    const char *names[3] = {"", "", ""}; /* the leaf, what holds it, what holds that */
    for (int i = 0; i < 3 && scan->depth >= (uint32_t)i; i++) {
        const struct citygml_frame *frame = &scan->frames[scan->depth - (uint32_t)i];
        if (frame->kind != FRAME_ADDRESS) {
            break;
        }
        names[i] = citygml_scan_word(scan, frame->word)->local.data;
    }
    if (strcmp(names[0], "NameElement") == 0) {
        snprintf(out, room, "%s", names[1]);
    } else if (strcmp(names[0], "Identifier") == 0 && strcmp(names[1], "Number") == 0) {
        snprintf(out, room, "%sNumber", names[2]);
    } else if (strcmp(names[0], "Identifier") == 0) {
        snprintf(out, room, "%s", names[1]);
    } else {
        snprintf(out, room, "%s", names[0]);
    }
}

void citygml_address_start(struct citygml_scan *scan, uint32_t number,
                           const struct xml_attribute *attributes, size_t count)
{
    (void)attributes;
    (void)count;
    const struct citygml_word *word = citygml_scan_word(scan, number);
    struct citygml_frame *above = &scan->frames[scan->depth];
    if (word->space == SPACE_GML || above->is_surface) {
        (void)citygml_scan_enter(scan, FRAME_SKIP, number);
        return;
    }
    if (above->kind != FRAME_ADDRESS) {
        scan->address.size = 0;
    }
    above->has_content = true;
    citygml_scan_enter(scan, FRAME_ADDRESS, number)->wants_text = true;
}

void citygml_address_end(struct citygml_scan *scan, struct citygml_frame *frame)
{
    struct buf *address = &scan->address;
    const struct text text = citygml_scan_text(scan);
    if (!frame->has_content && text.size > 0) {
        char key[80];
        print_address_key(scan, key, sizeof key);
        buf_add_byte(address, address->size == 0 ? '{' : ',');
        json_write_text(address, text_of(key));
        buf_add_byte(address, ':');
        json_write_text(address, text);
    }
    if (scan->frames[scan->depth - 1].kind == FRAME_ADDRESS || address->size == 0) {
        return;
    }
    buf_add_byte(address, '}');
    struct err err;
    if (!buf_finish(address, &err)) {
        citygml_scan_fail(scan, &err);
        return;
    }
    const struct text whole =
        citygml_scan_keep(scan, (struct text){(const char *)address->data, address->size});
    citygml_value_add(scan, frame->object, 0, text_of("address"),
                      (struct feature_value){.type = FEATURE_JSON, .text = whole});
    address->size = 0;
}

/* ---- each key once ---- */

/* The attributes that have been kept, found by their keys. */
struct keys {
    struct feature_attribute *kept;
    size_t count;
    uint32_t *slots; /* index + 1 */
    size_t slot_count;
};

static uint32_t *find_slot(const struct keys *keys, struct text key)
{
    size_t at = (size_t)citygml_hash(key) & (keys->slot_count - 1);
    while (keys->slots[at] != 0 && !text_equals(keys->kept[keys->slots[at] - 1].key, key)) {
        at = (at + 1) & (keys->slot_count - 1);
    }
    return &keys->slots[at];
}

static void print_value(const struct feature_value *value, struct buf *out)
{
    switch (value->type) {
    case FEATURE_BOOL:
        buf_add_text(out, value->boolean ? "true" : "false");
        break;
    case FEATURE_INT:
        buf_print(out, "%lld", (long long)value->integer);
        break;
    case FEATURE_REAL:
        json_write_double(out, value->real);
        break;
    case FEATURE_TEXT:
    case FEATURE_JSON:
        buf_add(out, value->text.data, value->text.size);
        break;
    case FEATURE_NULL:
        break;
    }
}

/* A second value of one key: "a; b", and of JSON an array. */
static bool join_values(struct citygml *reader, struct feature_value *first,
                        const struct feature_value *second, struct arena *feature, struct err *err)
{
    struct buf *room = &reader->scan->address;
    const bool is_json = first->type == FEATURE_JSON && second->type == FEATURE_JSON;
    room->size = 0;
    if (is_json) {
        const bool is_array = first->text.size > 0 && first->text.data[0] == '[';
        buf_add_text(room, is_array ? "" : "[");
        buf_add(room, first->text.data, first->text.size - is_array);
        buf_add_byte(room, ',');
        print_value(second, room);
        buf_add_byte(room, ']');
    } else {
        print_value(first, room);
        buf_add_text(room, "; ");
        print_value(second, room);
    }
    struct feature_value joined = {.type = is_json ? FEATURE_JSON : FEATURE_TEXT};
    if (!buf_finish(room, err) || !citygml_copy((struct text){(const char *)room->data, room->size},
                                                feature, &joined.text, err)) {
        return false;
    }
    room->size = 0;
    *first = joined;
    return true;
}

/* "risk.depth" of the third property "risk" is "risk_3.depth". */
static bool rename_key(struct text key, unsigned round, struct arena *feature, struct text *out,
                       struct err *err)
{
    const char *dot = memchr(key.data, '.', key.size);
    const size_t size = dot == NULL ? key.size : (size_t)(dot - key.data);
    char *name = arena_print(feature, "%.*s_%u%.*s", (int)size, key.data, round,
                             (int)(key.size - size), key.data + size);
    if (name == NULL) {
        return arena_full(feature, err);
    }
    *out = text_of(name);
    return true;
}

enum { GROUP_ROUNDS_MAX = 64 };

/* "a; b; c" has the value; or it has so many that no more are listed. */
static bool has_value(struct text list, struct text value)
{
    uint32_t count = 0;
    for (size_t at = 0; at <= list.size; count++) {
        const char *end = memmem(list.data + at, list.size - at, "; ", 2);
        const size_t size = end == NULL ? list.size - at : (size_t)(end - list.data) - at;
        if (text_equals((struct text){list.data + at, size}, value)) {
            return true;
        }
        at += size + 2;
    }
    return count >= CITYGML_SURFACE_VALUES_MAX;
}

static bool keep_value(struct citygml *reader, struct keys *keys, struct feature_attribute value,
                       bool is_surface, struct arena *feature, struct err *err)
{
    uint32_t *slot = find_slot(keys, value.key);
    if (*slot != 0 && is_surface) {
        const struct feature_value *kept = &keys->kept[*slot - 1].value;
        if (kept->type == FEATURE_TEXT && has_value(kept->text, value.value.text)) {
            return true;
        }
    }
    if (*slot != 0) {
        return join_values(reader, &keys->kept[*slot - 1].value, &value.value, feature, err);
    }
    struct feature_attribute *kept = &keys->kept[keys->count];
    kept->value = value.value;
    if (!citygml_copy(value.key, feature, &kept->key, err)) {
        return false;
    }
    if ((value.value.type == FEATURE_TEXT || value.value.type == FEATURE_JSON) &&
        !citygml_copy(value.value.text, feature, &kept->value.text, err)) {
        return false;
    }
    keys->count++;
    *slot = (uint32_t)keys->count;
    return true;
}

/* Sorts the member's values by object, once: a city in one member would
 * otherwise be gone through for each of its objects. */
static bool order_values(struct citygml_member *member, struct err *err)
{
    const uint32_t object_count = citygml_count(&member->objects, sizeof(struct citygml_object));
    const uint32_t value_count = citygml_count(&member->values, sizeof(struct citygml_value));
    const struct citygml_value *values =
        (const struct citygml_value *)(const void *)member->values.data;
    if (member->starts.size > 0) {
        return true;
    }
    uint32_t *starts = (uint32_t *)(void *)buf_extend(&member->starts,
                                                      ((size_t)object_count + 2) * sizeof *starts);
    uint32_t *order =
        (uint32_t *)(void *)buf_extend(&member->order, ((size_t)value_count + 1) * sizeof *order);
    if (starts == NULL || order == NULL) {
        const bool ok = buf_finish(starts == NULL ? &member->starts : &member->order, err);
        member->starts.size = 0;
        return ok;
    }
    for (uint32_t i = 0; i < value_count; i++) {
        starts[values[i].object + 2]++;
    }
    for (uint32_t i = 2; i < object_count + 2; i++) {
        starts[i] += starts[i - 1];
    }
    for (uint32_t i = 0; i < value_count; i++) {
        order[starts[values[i].object + 1]++] = i;
    }
    return true;
}

/* The values of one object, in the order of the source. */
struct own {
    const struct citygml_value *values;
    const uint32_t *order;
    uint32_t count;
};

static const struct citygml_value *own_at(const struct own *own, uint32_t index)
{
    return &own->values[own->order[index]];
}

/* The group that begins at `index` gets a number that none of its keys has. */
static bool number_group(const struct keys *keys, const struct own *own, uint32_t index,
                         struct arena *feature, unsigned *out, struct err *err)
{
    uint32_t end = index + 1;
    while (end < own->count && own_at(own, end)->group == own_at(own, index)->group) {
        end++;
    }
    unsigned round = 1;
    for (uint32_t i = index; i < end && round < GROUP_ROUNDS_MAX;) {
        struct text key = own_at(own, i)->attribute.key;
        const struct arena_mark mark = arena_mark(feature);
        if (round > 1 && !rename_key(key, round, feature, &key, err)) {
            return false;
        }
        const bool is_used = *find_slot(keys, key) != 0;
        arena_reset(feature, mark);
        round += is_used;
        i = is_used ? index : i + 1;
    }
    *out = round;
    return true;
}

bool citygml_value_finish(struct citygml *reader, uint32_t object, bool has_surfaces,
                          struct arena *feature, struct feature_attribute **out, size_t *out_count,
                          struct err *err)
{
    struct citygml_member *member = &reader->member;
    if (!order_values(member, err)) {
        return false;
    }
    const uint32_t *starts = (const uint32_t *)(const void *)member->starts.data;
    const struct own own = {
        .values = (const struct citygml_value *)(const void *)member->values.data,
        .order = (const uint32_t *)(const void *)member->order.data + starts[object],
        .count = starts[object + 1] - starts[object],
    };
    struct keys keys = {.kept = arena_array(feature, struct feature_attribute, own.count),
                        .slot_count = 16};
    while (keys.slot_count < 2 * (size_t)own.count) {
        keys.slot_count *= 2;
    }
    keys.slots = arena_array(feature, uint32_t, keys.slot_count);
    if (keys.kept == NULL || keys.slots == NULL) {
        return arena_full(feature, err);
    }
    uint32_t group = 0;
    unsigned round = 1;
    for (uint32_t i = 0; i < own.count; i++) {
        const struct citygml_value *value = own_at(&own, i);
        struct feature_attribute attribute = value->attribute;
        if (value->is_surface && !has_surfaces) {
            continue;
        }
        if (value->group != 0 && value->group != group &&
            !number_group(&keys, &own, i, feature, &round, err)) {
            return false;
        }
        group = value->group != 0 ? value->group : group;
        if (value->group != 0 && round > 1 &&
            !rename_key(attribute.key, round, feature, &attribute.key, err)) {
            return false;
        }
        if (!keep_value(reader, &keys, attribute, value->is_surface, feature, err)) {
            return false;
        }
    }
    *out = keys.kept;
    *out_count = keys.count;
    return true;
}
