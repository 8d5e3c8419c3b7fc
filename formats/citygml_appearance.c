/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/citygml_dress.h"
#include "formats/citygml_internal.h"
#include "formats/number.h"

enum { MATRIX_NUMBERS = 12 };

/* ---- themes ---- */

bool citygml_theme(struct citygml *reader, struct text name, uint16_t *out, struct err *err)
{
    const uint32_t count = citygml_count(&reader->themes, sizeof(struct citygml_theme));
    for (uint32_t i = 0; i < count; i++) {
        if (text_equals(CITYGML_AT(reader->themes, struct citygml_theme, i)->name, name)) {
            *out = (uint16_t)i;
            return true;
        }
    }
    struct citygml_theme theme = {.has_texture = false};
    if (count >= UINT16_MAX - 1) {
        return err_set(err, ERR_LIMIT, "more than %d themes", UINT16_MAX - 1);
    }
    if (!citygml_copy(name, reader->input.source, &theme.name, err)) {
        return false;
    }
    buf_add(&reader->themes, &theme, sizeof theme);
    const char *wanted = reader->input.options->theme;
    if (wanted != NULL && text_is(name, wanted)) {
        reader->theme = (uint16_t)count;
    }
    *out = (uint16_t)count;
    return buf_finish(&reader->themes, err);
}

/* Without --theme, the first one that has a texture is read. */
static void note_texture(struct citygml *reader, uint16_t index)
{
    struct citygml_theme *theme = CITYGML_AT(reader->themes, struct citygml_theme, index);
    theme->has_texture = true;
    if (!reader->has_theme && theme->name.size > 0) {
        reader->has_theme = true;
        reader->theme = index;
    }
}

void citygml_tell_themes(struct citygml *reader)
{
    const uint32_t count = citygml_count(&reader->themes, sizeof(struct citygml_theme));
    char list[120] = "";
    uint32_t told = 0;
    if (reader->has_told_themes || count < 2) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct citygml_theme *theme = CITYGML_AT(reader->themes, struct citygml_theme, i);
        if (theme->name.size > 0 && theme->has_texture) {
            const size_t at = strlen(list);
            snprintf(list + at, sizeof list - at, "%s'%.*s'", told == 0 ? "" : ", ",
                     TEXT_ARGS(theme->name));
            told++;
        }
    }
    if (told < 2) {
        return;
    }
    reader->has_told_themes = true;
    const char *shown =
        reader->theme < count
            ? CITYGML_AT(reader->themes, struct citygml_theme, reader->theme)->name.data
            : "(none)";
    citygml_report(reader, (struct text){0}, 0, REPORT_NOTICE, "theme",
                   "textures in several themes (%s); '%s' is read, --theme names another", list,
                   shown);
}

/* ---- starts ---- */

static void open_dress(struct citygml_scan *scan, enum citygml_dress_kind kind)
{
    struct citygml_dressing *dressing = &scan->dressing;
    struct err err;
    if (citygml_count(&scan->reader->themes, sizeof(struct citygml_theme)) == 0 &&
        !citygml_theme(scan->reader, (struct text){"", 0}, &dressing->theme, &err)) {
        citygml_scan_fail(scan, &err);
        return;
    }
    dressing->is_open = true;
    dressing->target = 0;
    /* X3D's defaults; CityGML's white specular would make everything glossy
     * that says nothing. */
    dressing->dress = (struct citygml_dress){
        .kind = (uint8_t)kind,
        .theme = dressing->theme,
        .diffuse = {0.8F, 0.8F, 0.8F},
        .alpha = 1,
        .shininess = 0.2F,
        .ambient = 0.2F,
        .border = {0, 0, 0, 1},
    };
    if (kind != DRESS_MATERIAL) {
        note_texture(scan->reader, dressing->theme);
    }
}

static void start_list(struct citygml_scan *scan, const struct xml_attribute *attributes,
                       size_t count)
{
    const struct text ring = citygml_trim(citygml_attribute(attributes, count, "ring"));
    struct citygml_wardrobe *wardrobe = &scan->member->wardrobe;
    const struct citygml_target target = {
        .id_hash = ring.size == 0 ? 0 : citygml_hash(ring),
        .first_uv = citygml_count(&wardrobe->uvs, 2 * sizeof(float)),
        .dress = citygml_count(&wardrobe->dresses, sizeof(struct citygml_dress)),
    };
    (void)citygml_scan_add(scan, &wardrobe->targets, &target, sizeof target);
}

void citygml_appearance_start(struct citygml_scan *scan, uint32_t number,
                              const struct xml_attribute *attributes, size_t count)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    struct citygml_dressing *dressing = &scan->dressing;
    struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_APPEARANCE, number);
    struct citygml_frame *above = &scan->frames[scan->depth - 1];
    above->has_content = true;
    struct err err;
    switch (word->meaning) {
    case WORD_APPEARANCE:
        if (!citygml_theme(scan->reader, (struct text){"", 0}, &dressing->theme, &err)) {
            citygml_scan_fail(scan, &err);
        }
        break;
    case WORD_MATERIAL:
        open_dress(scan, DRESS_MATERIAL);
        break;
    case WORD_TEXTURE:
        open_dress(scan, DRESS_TEXTURE);
        break;
    case WORD_GEOREFERENCED:
        open_dress(scan, DRESS_GEOREFERENCED);
        break;
    case WORD_TARGET: {
        const struct text uri = citygml_trim(citygml_attribute(attributes, count, "uri"));
        dressing->target = uri.size == 0 ? 0 : citygml_hash(uri);
        frame->wants_text = true;
        break;
    }
    case WORD_UV_LISTS:
        dressing->first_list =
            citygml_count(&scan->member->wardrobe.targets, sizeof(struct citygml_target));
        dressing->ring_count = 0;
        break;
    case WORD_UV_LIST:
        if (dressing->is_open) {
            start_list(scan, attributes, count);
            frame->wants_text = true;
        }
        break;
    case WORD_OTHER:
    case WORD_APPEARANCE_PROPERTY:
    case WORD_APPEARANCE_MEMBER:
    case WORD_REFERENCE_POINT:
        break;
    default:
        frame->wants_text = true;
        break;
    }
}

/* ---- ends ---- */

/* Up to `most` numbers; how many there were, or 0 when one of them is none. */
static size_t read_numbers(struct text text, double *out, size_t most)
{
    size_t count = 0;
    while (text.size > 0) {
        const size_t size = number_read(text, &out[count]);
        if (size == 0 || count == most - 1) {
            return size == 0 ? 0 : count + 1;
        }
        count++;
        text = citygml_trim((struct text){text.data + size, text.size - size});
    }
    return count;
}

static float clamp(double value)
{
    return value < 0 ? 0 : value > 1 ? 1 : (float)value;
}

static void read_color(struct text text, float *out, size_t most)
{
    double numbers[4];
    const size_t count = read_numbers(text, numbers, most);
    if (count >= 3) {
        for (size_t i = 0; i < count; i++) {
            out[i] = clamp(numbers[i]);
        }
    }
}

static void read_fraction(struct text text, float *out)
{
    double number;
    if (read_numbers(text, &number, 1) == 1) {
        *out = clamp(number);
    }
}

static enum feature_wrap wrap_of(struct text word)
{
    return text_is(word, "wrap")     ? WRAP_REPEAT
           : text_is(word, "mirror") ? WRAP_MIRROR
           : text_is(word, "clamp")  ? WRAP_CLAMP
           : text_is(word, "border") ? WRAP_BORDER
                                     : WRAP_NONE;
}

static void add_whole(struct citygml_scan *scan, uint64_t id_hash)
{
    struct citygml_wardrobe *wardrobe = &scan->member->wardrobe;
    const struct citygml_target target = {
        .id_hash = id_hash,
        .dress = citygml_count(&wardrobe->dresses, sizeof(struct citygml_dress)),
    };
    (void)citygml_scan_add(scan, &wardrobe->targets, &target, sizeof target);
}

/* A target is an attribute, or the text of the element; with 3.0's association
 * it is the text of an element within it. */
static void end_target(struct citygml_scan *scan, const struct citygml_frame *frame)
{
    struct citygml_dressing *dressing = &scan->dressing;
    const struct text text = citygml_scan_text(scan);
    if (!dressing->is_open || frame->has_content) {
        return;
    }
    if (text.size > 0) {
        dressing->target = citygml_hash(text);
    }
    if (dressing->target != 0 && dressing->dress.kind != DRESS_TEXTURE) {
        add_whole(scan, dressing->target);
    }
}

/* Texture coordinates: pairs of numbers. A list that is broken is one that does
 * not fit its ring, and is reported there. */
static void end_list(struct citygml_scan *scan)
{
    struct buf *uvs = &scan->member->wardrobe.uvs;
    struct buf *targets = &scan->member->wardrobe.targets;
    struct text text = citygml_scan_text(scan);
    const size_t before = uvs->size;
    const char *at = text.data;
    const char *end = text.data + text.size;
    size_t count = 0;
    while (at < end) {
        double number;
        const size_t size = number_read((struct text){at, (size_t)(end - at)}, &number);
        if (size == 0) {
            break;
        }
        const float uv = (float)number;
        if (!isfinite(uv) || !citygml_scan_add(scan, uvs, &uv, sizeof uv)) {
            break;
        }
        count++;
        at += size;
        while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) {
            at++;
        }
    }
    if (count % 2 != 0) {
        uvs->size -= sizeof(float);
    }
    struct citygml_target *target = CITYGML_AT(
        *targets, struct citygml_target, citygml_count(targets, sizeof(struct citygml_target)) - 1);
    target->uv_count = (uint32_t)((uvs->size - before) / (2 * sizeof(float)));
    if (target->uv_count == 0) {
        targets->size -= sizeof *target;
    }
}

/* 3.0 names the rings of all lists after them, in the same order. */
static void end_ring_name(struct citygml_scan *scan)
{
    struct citygml_dressing *dressing = &scan->dressing;
    struct buf *targets = &scan->member->wardrobe.targets;
    const struct text text = citygml_scan_text(scan);
    const uint32_t index = dressing->first_list + dressing->ring_count;
    if (dressing->is_open && text.size > 0 &&
        index < citygml_count(targets, sizeof(struct citygml_target))) {
        CITYGML_AT(*targets, struct citygml_target, index)->id_hash = citygml_hash(text);
        dressing->ring_count++;
    }
}

static void end_matrix(struct citygml_scan *scan)
{
    struct citygml_wardrobe *wardrobe = &scan->member->wardrobe;
    double numbers[MATRIX_NUMBERS + 1];
    const size_t count = read_numbers(citygml_scan_text(scan), numbers, MATRIX_NUMBERS + 1);
    if (!scan->dressing.is_open || scan->dressing.target == 0 || count != MATRIX_NUMBERS) {
        return;
    }
    const struct citygml_target target = {
        .id_hash = scan->dressing.target,
        .first_uv = citygml_count(&wardrobe->uvs, 2 * sizeof(float)),
        .uv_count = MATRIX_NUMBERS | CITYGML_TARGET_GENERATED, /* a double is two floats */
        .dress = citygml_count(&wardrobe->dresses, sizeof(struct citygml_dress)),
    };
    if (citygml_scan_add(scan, &wardrobe->uvs, numbers, MATRIX_NUMBERS * sizeof(double))) {
        (void)citygml_scan_add(scan, &wardrobe->targets, &target, sizeof target);
    }
}

static void end_dress(struct citygml_scan *scan)
{
    struct citygml_dressing *dressing = &scan->dressing;
    if (dressing->is_open) {
        dressing->is_open = false;
        (void)citygml_scan_add(scan, &scan->member->wardrobe.dresses, &dressing->dress,
                               sizeof dressing->dress);
    }
    struct err err;
    if (scan->mode == MODE_APPEARANCE && !citygml_target_store(scan->reader, &err)) {
        citygml_scan_fail(scan, &err);
    }
}

static void end_theme(struct citygml_scan *scan)
{
    struct err err;
    if (!citygml_theme(scan->reader, citygml_scan_text(scan), &scan->dressing.theme, &err)) {
        citygml_scan_fail(scan, &err);
    }
}

/* The georeferenced texture's own matrix and point. */
static void end_place(struct citygml_scan *scan, bool is_matrix)
{
    struct citygml_dress *dress = &scan->dressing.dress;
    double numbers[5];
    const size_t count = read_numbers(citygml_scan_text(scan), numbers, 5);
    if (is_matrix && count == 4) {
        memcpy(dress->place + 2, numbers, 4 * sizeof numbers[0]);
    } else if (!is_matrix && count >= 2) {
        memcpy(dress->place, numbers, 2 * sizeof numbers[0]);
        dress->has_place = true;
    }
}

void citygml_appearance_end(struct citygml_scan *scan, struct citygml_frame *frame)
{
    struct citygml_dress *dress = &scan->dressing.dress;
    const struct text text = citygml_scan_text(scan);
    switch (citygml_scan_word(scan, frame->word)->meaning) {
    case WORD_THEME:
        end_theme(scan);
        break;
    case WORD_MATERIAL:
    case WORD_TEXTURE:
    case WORD_GEOREFERENCED:
        end_dress(scan);
        break;
    case WORD_IS_FRONT:
        dress->is_back = text_is(text, "false") || text_is(text, "0");
        scan->reader->has_back |= dress->is_back;
        break;
    case WORD_DIFFUSE:
        read_color(text, dress->diffuse, 3);
        break;
    case WORD_EMISSIVE:
        read_color(text, dress->emissive, 3);
        break;
    case WORD_SPECULAR:
        read_color(text, dress->specular, 3);
        break;
    case WORD_TRANSPARENCY: {
        float transparency = 0;
        read_fraction(text, &transparency);
        dress->alpha = 1 - transparency;
        break;
    }
    case WORD_SHININESS:
        read_fraction(text, &dress->shininess);
        break;
    case WORD_AMBIENT:
        read_fraction(text, &dress->ambient);
        break;
    case WORD_IMAGE:
        dress->image_bytes = (uint16_t)(text.size <= sizeof dress->image ? text.size : 0);
        memcpy(dress->image, text.data, dress->image_bytes);
        break;
    case WORD_WRAP:
        dress->wrap = (uint8_t)wrap_of(text);
        dress->is_once = text_is(text, "none");
        break;
    case WORD_BORDER:
        read_color(text, dress->border, 4);
        break;
    case WORD_TARGET:
        end_target(scan, frame);
        break;
    case WORD_UV_LIST:
        if (frame->wants_text) {
            end_list(scan);
        }
        break;
    case WORD_UV_RING:
        end_ring_name(scan);
        break;
    case WORD_UV_MATRIX:
        end_matrix(scan);
        break;
    case WORD_ORIENTATION:
        end_place(scan, true);
        break;
    case WORD_POS:
        end_place(scan, false);
        break;
    default:
        break;
    }
}
