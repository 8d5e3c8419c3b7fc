/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/citygml_internal.h"

#include <assert.h>

enum { TEXT_BYTES_MAX = 1 << 30 };

/* ---- for all handlers ---- */

void citygml_scan_fail(struct citygml_scan *scan, const struct err *err)
{
    if (!scan->has_failed) {
        scan->has_failed = true;
        scan->failure = *err;
        err_at_line(&scan->failure, xml_line(scan->xml), 0);
    }
    xml_stop(scan->xml);
}

static void set_wants_text(struct citygml_scan *scan)
{
    scan->wants_text = scan->frames[scan->depth].wants_text;
}

struct citygml_frame *citygml_scan_enter(struct citygml_scan *scan, enum citygml_frame_kind kind,
                                         uint32_t word)
{
    assert(scan->depth <= XML_DEPTH_MAX);
    struct citygml_frame *frame = &scan->frames[scan->depth + 1];
    *frame = scan->frames[scan->depth];
    scan->depth++;
    frame->kind = (uint8_t)kind;
    frame->word = word;
    frame->wants_text = false;
    frame->has_content = false;
    frame->is_node = false;
    frame->is_ring = false;
    frame->is_place = false;
    frame->text = (uint32_t)scan->text.size;
    return frame;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct text citygml_trim(struct text text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

struct text citygml_scan_text(const struct citygml_scan *scan)
{
    const uint32_t first = scan->frames[scan->depth].text;
    if (scan->text.size == first) {
        return (struct text){"", 0};
    }
    return citygml_trim(
        (struct text){(const char *)scan->text.data + first, scan->text.size - first});
}

struct text citygml_scan_keep(struct citygml_scan *scan, struct text text)
{
    struct text kept = {"", 0};
    struct err err;
    if (text.size > 0 && !citygml_copy(text, &scan->member->texts, &kept, &err)) {
        citygml_scan_fail(scan, &err);
    }
    return kept;
}

struct text citygml_scan_join(struct citygml_scan *scan, struct text a, const char *between,
                              struct text b)
{
    struct arena *texts = &scan->member->texts;
    const size_t between_size = strlen(between);
    const size_t size = a.size + between_size + b.size;
    char *joined = arena_array(texts, char, size + 1);
    if (joined == NULL) {
        struct err err;
        (void)arena_full(texts, &err);
        citygml_scan_fail(scan, &err);
        return a;
    }
    if (a.size > 0) {
        memcpy(joined, a.data, a.size);
    }
    memcpy(joined + a.size, between, between_size);
    if (b.size > 0) {
        memcpy(joined + a.size + between_size, b.data, b.size);
    }
    return (struct text){joined, size};
}

bool citygml_scan_add(struct citygml_scan *scan, struct buf *buf, const void *record, size_t size)
{
    buf_add(buf, record, size);
    struct err err;
    if (buf->refusal != ERR_NONE && !buf_finish(buf, &err)) {
        citygml_scan_fail(scan, &err);
        return false;
    }
    return true;
}

struct text citygml_attribute(const struct xml_attribute *attributes, size_t count,
                              const char *local)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(attributes[i].local, local) == 0) {
            return (struct text){attributes[i].value,
                                 (size_t)(attributes[i].end - attributes[i].value)};
        }
    }
    return (struct text){NULL, 0};
}

/* ---- objects ---- */

/* Classes of extensions have a plus before their name, as in CityJSON. */
static struct text class_of(struct citygml_scan *scan, const struct citygml_word *word)
{
    if (word->space != SPACE_OTHER) {
        return word->local;
    }
    return citygml_scan_join(scan, (struct text){"+", 1}, "", word->local);
}

/* An xs:ID begins with a letter or an underscore and has no colon or blank. */
static bool is_name(struct text id)
{
    const unsigned char first = (unsigned char)id.data[0];
    if (!(first >= 0x80 || first == '_' || (first >= 'A' && first <= 'Z') ||
          (first >= 'a' && first <= 'z'))) {
        return false;
    }
    for (size_t i = 0; i < id.size; i++) {
        if (id.data[i] == ':' || is_blank(id.data[i])) {
            return false;
        }
    }
    return true;
}

static void begin_object(struct citygml_scan *scan, uint32_t number,
                         const struct xml_attribute *attributes, size_t count)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    const struct citygml_frame *above = &scan->frames[scan->depth];
    struct citygml_object object = {
        .id = citygml_scan_keep(scan, citygml_attribute(attributes, count, "id")),
        .kind = class_of(scan, word),
        .parent = above->object,
        .line = xml_line(scan->xml),
        .failure = CITYGML_NONE,
        .relief_level = -1,
    };
    if (object.id.size > 0 && !is_name(object.id)) {
        citygml_report(scan->reader, object.id, object.line, REPORT_NOTICE, "id-invalid",
                       "a gml:id that XML does not allow: it begins with no letter, or has a "
                       "colon or a blank");
    }
    const uint32_t index = citygml_count(&scan->member->objects, sizeof object);
    if (!citygml_scan_add(scan, &scan->member->objects, &object, sizeof object)) {
        return;
    }
    if (object.parent != CITYGML_NONE) {
        CITYGML_AT(scan->member->objects, struct citygml_object, object.parent)->has_children =
            true;
    }
    struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_OBJECT, number);
    frame->object = index;
    frame->surface = SURFACE_UNKNOWN;
    frame->is_surface = false;
    frame->is_foreign = word->space == SPACE_OTHER;
    frame->level = -1;
}

static void begin_surface(struct citygml_scan *scan, uint32_t number)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_OBJECT, number);
    frame->surface = word->surface;
    frame->surface_word = number;
    frame->is_surface = true;
    frame->level = -1;
}

/* ---- starts, by where they stand ---- */

static void start_document(struct citygml_scan *scan, uint32_t number)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_MODEL, number);
    scan->has_model = true;
    scan->is_city_model = word->meaning == WORD_MODEL ||
                          (word->space == SPACE_GML && text_is(word->local, "FeatureCollection"));
    frame->object = CITYGML_NONE;
    frame->node = CITYGML_NONE;
    frame->srs = CITYGML_NONE;
    frame->dimension = 3;
    frame->level = -1;
    frame->is_foreign = false;
    frame->is_surface = false;
    frame->surface = SURFACE_UNKNOWN;
}

static bool is_geometry(const struct citygml_word *word)
{
    return word->meaning >= WORD_SURFACES && word->meaning <= WORD_SOLIDS;
}

static void start_model(struct citygml_scan *scan, uint32_t number,
                        const struct xml_attribute *attributes, size_t count)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    switch (word->meaning) {
    case WORD_MEMBER:
        (void)citygml_scan_enter(scan, FRAME_MEMBER, number);
        return;
    case WORD_BOUNDED_BY:
        (void)citygml_scan_enter(scan, FRAME_ENVELOPE, number);
        return;
    case WORD_APPEARANCE_MEMBER:
        if (scan->mode == MODE_APPEARANCE) {
            citygml_appearance_start(scan, number, attributes, count);
            return;
        }
        break;
    default:
        break;
    }
    if (scan->mode == MODE_FRAGMENT && is_geometry(word)) {
        citygml_geometry_root(scan, number, attributes, count);
    } else if (scan->mode == MODE_FRAGMENT && word->meaning == WORD_OBJECT) {
        begin_object(scan, number, attributes, count);
    } else {
        (void)citygml_scan_enter(scan, FRAME_SKIP, number);
    }
}

static void start_member(struct citygml_scan *scan, uint32_t number,
                         const struct xml_attribute *attributes, size_t count)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    if (word->space == SPACE_APPEARANCE || word->space == SPACE_GML ||
        word->meaning == WORD_KEEP_OUT) {
        (void)citygml_scan_enter(scan, FRAME_SKIP, number);
    } else {
        begin_object(scan, number, attributes, count);
    }
}

/* Of what surfaces say, beside generic attributes, that which tells one from
 * another: names and dates of each wall would be most of the table. */
static bool is_worth_keeping(struct text property)
{
    return text_is(property, "class") || text_is(property, "function") ||
           text_is(property, "usage") || text_is(property, "surfaceMaterial");
}

static void start_property(struct citygml_scan *scan, uint32_t number,
                           const struct xml_attribute *attributes, size_t count)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_PROPERTY, number);
    struct citygml_naming *naming = &scan->namings[scan->depth];
    *naming = (struct citygml_naming){
        .key = word->local,
        .first_value = citygml_count(&scan->member->values, sizeof(struct citygml_value)),
    };
    frame->level = word->level;
    frame->is_foreign = word->space == SPACE_OTHER;
    frame->is_kept = !frame->is_surface || is_worth_keeping(word->local);
    frame->wants_text = frame->is_kept && word->level < 0;
    set_wants_text(scan);
    if (count == 0 || !frame->is_kept) {
        return;
    }
    const struct text href = citygml_attribute(attributes, count, "href");
    if (word->meaning == WORD_GROUP_MEMBER && href.size > 1 && href.data[0] == '#') {
        const struct text id = {href.data + 1, href.size - 1};
        citygml_value_add(
            scan, frame->object, 0, word->local,
            (struct feature_value){.type = FEATURE_TEXT, .text = citygml_scan_keep(scan, id)});
    }
    naming->unit = citygml_scan_keep(scan, citygml_attribute(attributes, count, "uom"));
    naming->code_space = citygml_scan_keep(scan, citygml_attribute(attributes, count, "codeSpace"));
}

static void start_object(struct citygml_scan *scan, uint32_t number,
                         const struct xml_attribute *attributes, size_t count)
{
    switch (citygml_scan_word(scan, number)->meaning) {
    case WORD_BOUNDED_BY:
        (void)citygml_scan_enter(scan, FRAME_ENVELOPE, number);
        break;
    case WORD_APPEARANCE_PROPERTY:
        citygml_appearance_start(scan, number, attributes, count);
        break;
    case WORD_GENERIC_TEXT:
    case WORD_GENERIC_INT:
    case WORD_GENERIC_REAL:
    case WORD_GENERIC_SET:
        citygml_generic_start(scan, number, attributes, count);
        break;
    case WORD_KEEP_OUT:
        (void)citygml_scan_enter(scan, FRAME_SKIP, number);
        break;
    default:
        start_property(scan, number, attributes, count);
        break;
    }
}

static void start_value(struct citygml_scan *scan, uint32_t number,
                        const struct xml_attribute *attributes, size_t count)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_VALUE, number);
    frame->wants_text = !frame->is_surface;
    frame->is_foreign |= word->space == SPACE_OTHER;
    set_wants_text(scan);
    scan->namings[scan->depth] = (struct citygml_naming){
        .key = word->local,
        .unit = citygml_scan_keep(scan, citygml_attribute(attributes, count, "uom")),
        .code_space = citygml_scan_keep(scan, citygml_attribute(attributes, count, "codeSpace")),
    };
}

static struct citygml_object *object_of(struct citygml_scan *scan,
                                        const struct citygml_frame *frame)
{
    return frame->object == CITYGML_NONE
               ? NULL
               : CITYGML_AT(scan->member->objects, struct citygml_object, frame->object);
}

/* Geometry as the content of a property or, of extensions, of a value. */
static void start_shape(struct citygml_scan *scan, uint32_t number,
                        const struct xml_attribute *attributes, size_t count)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    const struct citygml_frame *above = &scan->frames[scan->depth];
    const struct citygml_word *property = citygml_scan_word(scan, above->word);
    struct citygml_object *object = object_of(scan, above);
    const bool is_drawn = is_geometry(word) || word->meaning == WORD_IMPLICIT;
    if (above->kind == FRAME_PROPERTY && is_drawn && !property->is_curve &&
        (property->level >= 0 || (property->meaning == WORD_TIN && !above->is_foreign))) {
        citygml_geometry_root(scan, number, attributes, count);
        return;
    }
    if (object != NULL) {
        const bool is_unknown = is_drawn && !property->is_curve;
        object->not_known += is_unknown;
        object->not_drawn += !is_unknown;
    }
    (void)citygml_scan_enter(scan, FRAME_SKIP, number);
}

static void start_content(struct citygml_scan *scan, uint32_t number,
                          const struct xml_attribute *attributes, size_t count)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    struct citygml_frame *above = &scan->frames[scan->depth];
    const struct citygml_word *property = citygml_scan_word(scan, above->word);
    above->has_content = true;
    if (word->meaning >= WORD_SURFACES && word->meaning <= WORD_IMPLICIT) {
        start_shape(scan, number, attributes, count);
        return;
    }
    switch (word->meaning) {
    case WORD_OBJECT:
        begin_object(scan, number, attributes, count);
        return;
    case WORD_SURFACE:
        begin_surface(scan, number);
        return;
    case WORD_APPEARANCE:
        citygml_appearance_start(scan, number, attributes, count);
        return;
    case WORD_GENERIC_TEXT:
    case WORD_GENERIC_INT:
    case WORD_GENERIC_REAL:
    case WORD_GENERIC_SET:
        citygml_generic_start(scan, number, attributes, count);
        return;
    case WORD_ADDRESS:
        citygml_address_start(scan, number, attributes, count);
        return;
    case WORD_KEEP_OUT:
        (void)citygml_scan_enter(scan, FRAME_SKIP, number);
        return;
    default:
        break;
    }
    if (property->meaning == WORD_BOUNDARY && above->kind == FRAME_PROPERTY) {
        begin_surface(scan, number);
    } else {
        start_value(scan, number, attributes, count);
    }
}

static void start_envelope(struct citygml_scan *scan, uint32_t number,
                           const struct xml_attribute *attributes, size_t count)
{
    if (citygml_scan_word(scan, number)->meaning == WORD_ENVELOPE) {
        const struct text name = citygml_trim(citygml_attribute(attributes, count, "srsName"));
        struct citygml_frame *above = &scan->frames[scan->depth - 1];
        if (name.size > 0 && above->kind == FRAME_OBJECT) {
            above->srs = citygml_srs(scan, name);
        }
    }
    (void)citygml_scan_enter(scan, FRAME_SKIP, number);
}

static void on_start(void *context, uint32_t number, const struct xml_attribute *attributes,
                     size_t count)
{
    struct citygml_scan *scan = context;
    switch ((enum citygml_frame_kind)scan->frames[scan->depth].kind) {
    case FRAME_GEOMETRY:
        citygml_geometry_start(scan, number, attributes, count);
        break;
    case FRAME_DOCUMENT:
        start_document(scan, number);
        break;
    case FRAME_MODEL:
        start_model(scan, number, attributes, count);
        break;
    case FRAME_MEMBER:
        start_member(scan, number, attributes, count);
        break;
    case FRAME_OBJECT:
        start_object(scan, number, attributes, count);
        break;
    case FRAME_PROPERTY:
    case FRAME_VALUE:
        start_content(scan, number, attributes, count);
        break;
    case FRAME_ADDRESS:
        citygml_address_start(scan, number, attributes, count);
        break;
    case FRAME_GENERIC:
        citygml_generic_part_start(scan, number, attributes, count);
        break;
    case FRAME_ENVELOPE:
        start_envelope(scan, number, attributes, count);
        break;
    case FRAME_IMPLICIT:
        citygml_implicit_start(scan, number, attributes, count);
        break;
    case FRAME_APPEARANCE:
        citygml_appearance_start(scan, number, attributes, count);
        break;
    case FRAME_COORDS:
    case FRAME_GENERIC_PART:
    case FRAME_IMPLICIT_PART:
    case FRAME_SKIP:
        (void)citygml_scan_enter(scan, FRAME_SKIP, number);
        break;
    }
    set_wants_text(scan);
}

/* ---- ends ---- */

static void end_property(struct citygml_scan *scan, struct citygml_frame *frame)
{
    const struct citygml_word *word = citygml_scan_word(scan, frame->word);
    struct citygml_naming *naming = &scan->namings[scan->depth];
    struct citygml_object *object = object_of(scan, frame);
    if (object == NULL || !frame->is_kept) {
        return;
    }
    if (frame->is_surface) {
        const struct text said = citygml_scan_text(scan);
        if (!frame->has_content && said.size > 0) {
            citygml_value_surface(scan, frame, naming->code_space, naming->key, said);
        }
        return;
    }
    if (frame->has_content) {
        citygml_value_pair(scan, naming->first_value, scan->group, naming->key);
        return;
    }
    const struct text text = citygml_scan_text(scan);
    if (text.size == 0) {
        return;
    }
    if (word->meaning == WORD_NAME && object->name.size == 0) {
        object->name = citygml_scan_keep(scan, text);
    }
    if (word->meaning == WORD_RELIEF_LEVEL && text.size == 1) {
        object->relief_level = (int8_t)(text.data[0] - '0');
    }
    citygml_value_leaf(scan, frame->object, 0, naming, naming->key, text);
}

/* The property that a value is in. */
static uint32_t property_of(const struct citygml_scan *scan)
{
    uint32_t depth = scan->depth;
    while (depth > 0 && scan->frames[depth].kind == FRAME_VALUE) {
        depth--;
    }
    return depth;
}

static void end_value(struct citygml_scan *scan, struct citygml_frame *frame)
{
    const struct text text = citygml_scan_text(scan);
    if (frame->has_content || frame->object == CITYGML_NONE || frame->is_surface ||
        text.size == 0) {
        return;
    }
    const struct citygml_naming *property = &scan->namings[property_of(scan)];
    const struct citygml_naming *naming = &scan->namings[scan->depth];
    const struct text key = citygml_scan_join(scan, property->key, ".", naming->key);
    if (property->first_value ==
        citygml_count(&scan->member->values, sizeof(struct citygml_value))) {
        scan->group++; /* the first one of this property */
    }
    citygml_value_leaf(scan, frame->object, scan->group, naming, key, text);
}

static void on_end(void *context)
{
    struct citygml_scan *scan = context;
    struct citygml_frame *frame = &scan->frames[scan->depth];
    switch ((enum citygml_frame_kind)frame->kind) {
    case FRAME_GEOMETRY:
        citygml_geometry_end(scan, frame);
        break;
    case FRAME_COORDS:
        citygml_coords_end(scan, frame);
        break;
    case FRAME_PROPERTY:
        end_property(scan, frame);
        break;
    case FRAME_VALUE:
        end_value(scan, frame);
        break;
    case FRAME_ADDRESS:
        citygml_address_end(scan, frame);
        break;
    case FRAME_GENERIC:
        citygml_generic_end(scan, frame);
        break;
    case FRAME_GENERIC_PART:
        citygml_generic_part_end(scan, frame);
        break;
    case FRAME_IMPLICIT:
        citygml_geometry_end(scan, frame);
        break;
    case FRAME_IMPLICIT_PART:
        citygml_implicit_part_end(scan, frame);
        break;
    case FRAME_APPEARANCE:
        citygml_appearance_end(scan, frame);
        break;
    case FRAME_MODEL:
        scan->is_closed = true;
        break;
    case FRAME_DOCUMENT:
    case FRAME_MEMBER:
    case FRAME_OBJECT:
    case FRAME_ENVELOPE:
    case FRAME_SKIP:
        break;
    }
    scan->text.size = frame->text;
    scan->depth--;
    if (scan->is_element && scan->depth == 1) {
        xml_stop(scan->xml);
    }
    set_wants_text(scan);
}

static void on_text(void *context, const char *text, size_t size)
{
    struct citygml_scan *scan = context;
    if (scan->wants_text) {
        (void)citygml_scan_add(scan, &scan->text, text, size);
    }
}

static bool on_name(void *context, const char *local, const char *space)
{
    struct citygml_scan *scan = context;
    const struct citygml_word word = citygml_word_of(local, space);
    buf_add(&scan->words, &word, sizeof word);
    return scan->words.refusal == ERR_NONE;
}

/* ---- opening ---- */

static const struct xml_handler handler = {
    .name = on_name,
    .start = on_start,
    .text = on_text,
    .end = on_end,
};

bool citygml_scan_open(struct citygml *reader, struct citygml_scan **out, struct err *err)
{
    struct citygml_scan *scan = arena_array(reader->input.source, struct citygml_scan, 1);
    if (scan == NULL) {
        return arena_full(reader->input.source, err);
    }
    const size_t fail_after = reader->input.options->fail_after;
    scan->reader = reader;
    scan->member = &reader->member;
    scan->ring = CITYGML_NONE;
    scan->placement = CITYGML_NONE;
    struct buf *bufs[] = {&scan->words, &scan->text, &scan->address};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_init(bufs[i], TEXT_BYTES_MAX);
        bufs[i]->fail_after = fail_after;
    }
    *out = scan; /* closed by whoever has it, complete or not */
    return xml_open(&handler, scan, reader->input.source, &scan->xml, err);
}

void citygml_scan_close(struct citygml_scan *scan)
{
    if (scan != NULL) {
        xml_close(scan->xml);
        buf_release(&scan->words);
        buf_release(&scan->text);
        buf_release(&scan->address);
    }
}

bool citygml_scan_restart(struct citygml_scan *scan, enum citygml_mode mode, uint32_t line,
                          struct err *err)
{
    if (!xml_restart(scan->xml, line, err)) {
        return false;
    }
    scan->mode = mode;
    scan->depth = 0;
    scan->wants_text = false;
    scan->text.size = 0;
    scan->ring = CITYGML_NONE;
    scan->placement = CITYGML_NONE;
    scan->is_element = false;
    scan->set = (struct text){0};
    scan->has_model = false;
    scan->is_closed = false;
    scan->has_failed = false;
    return true;
}

bool citygml_scan_push(struct citygml_scan *scan, struct span bytes, bool is_last, struct err *err)
{
    const bool ok = xml_push(scan->xml, bytes, is_last, err);
    if (scan->has_failed) {
        *err = scan->failure;
        return false;
    }
    return ok;
}

bool citygml_scan_is_between(const struct citygml_scan *scan)
{
    return scan->frames[scan->depth].kind <= FRAME_MEMBER;
}
