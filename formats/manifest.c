/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/manifest.h"

#include "formats/json.h"
#include "formats/json_write.h"

#define GENERATOR_BEGIN "storey "

/* ---- printing ----------------------------------------------------------- */

static void print_text(struct buf *out, const char *key, struct text text)
{
    json_write_key(out, key);
    json_write_text(out, text);
}

static void print_number(struct buf *out, const char *key, double value)
{
    json_write_key(out, key);
    json_write_double(out, value);
}

/* Not through a double, which has no more than 53 bits. */
static void print_count(struct buf *out, const char *key, uint64_t value)
{
    json_write_key(out, key);
    buf_print(out, "%llu", (unsigned long long)value);
}

static void print_digest(struct buf *out, struct digest digest)
{
    char printed[DIGEST_TEXT_BYTES];
    digest_print(digest, printed);
    print_text(out, "digest", text_of(printed));
}

/* Opens a list with one element a line. */
static void open_list(struct buf *out, const char *key)
{
    json_write_comma(out);
    buf_print(out, "\n\"%s\":[", key);
}

static void open_item(struct buf *out)
{
    json_write_comma(out);
    buf_add_text(out, "\n{");
}

static void print_inputs(const struct manifest *manifest, struct buf *out)
{
    open_list(out, "inputs");
    for (size_t i = 0; i < manifest->input_count; i++) {
        const struct manifest_input *input = &manifest->inputs[i];
        open_item(out);
        print_text(out, "name", input->name);
        print_count(out, "bytes", input->bytes);
        print_digest(out, input->digest);
        print_count(out, "features", input->feature_count);
        print_text(out, "crs", input->crs);
        print_text(out, "operation", input->operation);
        if (input->accuracy_m >= 0) {
            print_number(out, "accuracy_m", input->accuracy_m);
        }
        if (input->notes.size > 0) {
            print_text(out, "notes", input->notes);
        }
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void print_levels(const struct manifest *manifest, struct buf *out)
{
    open_list(out, "levels");
    for (size_t i = 0; i < manifest->level_count; i++) {
        const struct manifest_level *level = &manifest->levels[i];
        open_item(out);
        print_count(out, "level", level->level);
        print_count(out, "tiles", level->tile_count);
        print_count(out, "features", level->feature_count);
        print_count(out, "triangles", level->triangle_count);
        print_count(out, "bytes", level->bytes);
        print_number(out, "error_min_m", level->error_min_m);
        print_number(out, "error_median_m", level->error_median_m);
        print_number(out, "error_max_m", level->error_max_m);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void print_tiles(const struct manifest *manifest, struct buf *out)
{
    open_list(out, "tiles");
    for (size_t i = 0; i < manifest->tile_count; i++) {
        const struct manifest_tile *tile = &manifest->tiles[i];
        open_item(out);
        print_text(out, "name", tile->name);
        print_count(out, "level", tile->level);
        print_count(out, "features", tile->feature_count);
        print_count(out, "triangles", tile->triangle_count);
        print_number(out, "error_m", tile->error_m);
        print_number(out, "stated_m", tile->stated_m);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void print_warnings(const struct manifest *manifest, struct buf *out)
{
    open_list(out, "warnings");
    for (size_t i = 0; i < manifest->warning_count; i++) {
        open_item(out);
        print_text(out, "level", manifest->warnings[i].level);
        print_text(out, "kind", manifest->warnings[i].kind);
        print_count(out, "count", manifest->warnings[i].count);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void print_files(const struct manifest *manifest, struct buf *out)
{
    open_list(out, "files");
    for (size_t i = 0; i < manifest->file_count; i++) {
        open_item(out);
        print_text(out, "name", manifest->files[i].name);
        print_count(out, "bytes", manifest->files[i].bytes);
        print_digest(out, manifest->files[i].digest);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

void manifest_print(const struct manifest *manifest, struct buf *out)
{
    buf_add_byte(out, '{');
    print_text(out, "generator", manifest->generator);
    print_count(out, "manifest", MANIFEST_VERSION);
    json_write_comma(out);
    buf_add_text(out, "\n\"options\":{");
    for (size_t i = 0; i < manifest->option_count; i++) {
        json_write_comma(out);
        json_write_text(out, manifest->options[i].name);
        buf_add_byte(out, ':');
        json_write_text(out, manifest->options[i].value);
    }
    buf_add_byte(out, '}');
    print_inputs(manifest, out);
    json_write_comma(out);
    buf_add_text(out, "\n\"counts\":{");
    for (size_t i = 0; i < manifest->count_count; i++) {
        json_write_comma(out);
        json_write_text(out, manifest->counts[i].name);
        buf_print(out, ":%llu", (unsigned long long)manifest->counts[i].value);
    }
    buf_add_byte(out, '}');
    print_levels(manifest, out);
    print_tiles(manifest, out);
    print_warnings(manifest, out);
    if (manifest->beside_count > 0) {
        open_list(out, "beside");
        for (size_t i = 0; i < manifest->beside_count; i++) {
            json_write_comma(out);
            json_write_text(out, manifest->beside[i]);
        }
        buf_add_byte(out, ']');
    }
    print_files(manifest, out);
    buf_add_text(out, "}\n");
}

/* ---- reading ------------------------------------------------------------ */

struct reading {
    struct json json;
    struct arena *source;
    struct err *err;
};

/* Reads one element or member value and appends it to `items`. */
typedef bool (*read_item)(struct reading *reading, struct json_string key, struct buf *items);

static bool read_text(struct reading *reading, struct text *out)
{
    struct json_string string;
    return json_string(&reading->json, &string, reading->err) &&
           json_string_text(string, reading->source, out, reading->err);
}

static bool read_count(struct reading *reading, uint64_t *out)
{
    struct json_number number;
    int64_t value = 0;
    json_peek(&reading->json);
    const struct json place = reading->json;
    if (!json_number(&reading->json, &number, reading->err)) {
        return false;
    }
    if (!json_number_integer(number, &value) || value < 0) {
        return json_fail(&place, reading->err, ERR_SCHEMA, "%.*s is no count",
                         TEXT_ARGS(number.raw));
    }
    *out = (uint64_t)value;
    return true;
}

static bool read_digest(struct reading *reading, struct digest *out)
{
    struct text text;
    json_peek(&reading->json);
    const struct json place = reading->json;
    if (!read_text(reading, &text)) {
        return false;
    }
    return digest_parse(text, out) ||
           json_fail(&place, reading->err, ERR_SCHEMA, "'%.*s' is no digest", TEXT_ARGS(text));
}

/* An object's members or an array's elements, as an array of `size` bytes each. */
static bool read_items(struct reading *reading, enum json_kind kind, read_item read, size_t size,
                       void **out, size_t *out_count)
{
    struct buf items;
    struct json_string key = {.has_escapes = false};
    bool is_end = false;
    buf_init(&items, reading->source->limit_bytes);
    bool ok = json_enter(&reading->json, kind, reading->err);
    while (ok) {
        ok = kind == JSON_OBJECT ? json_next_member(&reading->json, &key, &is_end, reading->err)
                                 : json_next_element(&reading->json, &is_end, reading->err);
        if (!ok || is_end) {
            break;
        }
        ok = read(reading, key, &items) && buf_finish(&items, reading->err);
    }
    if (ok) {
        const size_t count = items.size / size;
        void *copy =
            arena_alloc(reading->source, count == 0 ? 1 : count, size, _Alignof(max_align_t));
        if (copy == NULL) {
            ok = arena_full(reading->source, reading->err);
        } else {
            if (items.size > 0) {
                memcpy(copy, items.data, items.size);
            }
            *out = copy;
            *out_count = count;
        }
    }
    buf_release(&items);
    return ok;
}

static bool read_option(struct reading *reading, struct json_string key, struct buf *items)
{
    struct manifest_pair pair;
    if (!json_string_text(key, reading->source, &pair.name, reading->err) ||
        !read_text(reading, &pair.value)) {
        return false;
    }
    buf_add(items, &pair, sizeof pair);
    return true;
}

static bool read_named_count(struct reading *reading, struct json_string key, struct buf *items)
{
    struct manifest_count count;
    if (!json_string_text(key, reading->source, &count.name, reading->err) ||
        !read_count(reading, &count.value)) {
        return false;
    }
    buf_add(items, &count, sizeof count);
    return true;
}

static bool read_input_member(struct reading *reading, struct json_string key,
                              struct manifest_input *input)
{
    if (json_string_is(key, "name")) {
        return read_text(reading, &input->name);
    }
    if (json_string_is(key, "bytes")) {
        return read_count(reading, &input->bytes);
    }
    if (json_string_is(key, "digest")) {
        return read_digest(reading, &input->digest);
    }
    if (json_string_is(key, "features")) {
        return read_count(reading, &input->feature_count);
    }
    if (json_string_is(key, "crs")) {
        return read_text(reading, &input->crs);
    }
    if (json_string_is(key, "operation")) {
        return read_text(reading, &input->operation);
    }
    if (json_string_is(key, "accuracy_m")) {
        return json_real(&reading->json, &input->accuracy_m, reading->err);
    }
    if (json_string_is(key, "notes")) {
        return read_text(reading, &input->notes);
    }
    return json_skip(&reading->json, reading->err);
}

static bool read_input(struct reading *reading, struct json_string unused, struct buf *items)
{
    struct manifest_input input = {.accuracy_m = -1};
    struct json_string key;
    bool is_end = false;
    (void)unused;
    if (!json_enter(&reading->json, JSON_OBJECT, reading->err)) {
        return false;
    }
    while (json_next_member(&reading->json, &key, &is_end, reading->err) && !is_end) {
        if (!read_input_member(reading, key, &input)) {
            return false;
        }
    }
    buf_add(items, &input, sizeof input);
    return is_end;
}

static bool read_small_count(struct reading *reading, uint32_t *out)
{
    uint64_t count = 0;
    const bool ok = read_count(reading, &count);
    *out = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
    return ok;
}

static bool read_level_member(struct reading *reading, struct json_string key,
                              struct manifest_level *level)
{
    if (json_string_is(key, "level")) {
        return read_small_count(reading, &level->level);
    }
    if (json_string_is(key, "tiles")) {
        return read_count(reading, &level->tile_count);
    }
    if (json_string_is(key, "features")) {
        return read_count(reading, &level->feature_count);
    }
    if (json_string_is(key, "triangles")) {
        return read_count(reading, &level->triangle_count);
    }
    if (json_string_is(key, "bytes")) {
        return read_count(reading, &level->bytes);
    }
    if (json_string_is(key, "error_min_m")) {
        return json_real(&reading->json, &level->error_min_m, reading->err);
    }
    if (json_string_is(key, "error_median_m")) {
        return json_real(&reading->json, &level->error_median_m, reading->err);
    }
    if (json_string_is(key, "error_max_m")) {
        return json_real(&reading->json, &level->error_max_m, reading->err);
    }
    return json_skip(&reading->json, reading->err);
}

static bool read_level(struct reading *reading, struct json_string unused, struct buf *items)
{
    struct manifest_level level = {.level = 0};
    struct json_string key;
    bool is_end = false;
    (void)unused;
    if (!json_enter(&reading->json, JSON_OBJECT, reading->err)) {
        return false;
    }
    while (json_next_member(&reading->json, &key, &is_end, reading->err) && !is_end) {
        if (!read_level_member(reading, key, &level)) {
            return false;
        }
    }
    buf_add(items, &level, sizeof level);
    return is_end;
}

static bool read_tile_member(struct reading *reading, struct json_string key,
                             struct manifest_tile *tile)
{
    if (json_string_is(key, "name")) {
        return read_text(reading, &tile->name);
    }
    if (json_string_is(key, "level")) {
        return read_small_count(reading, &tile->level);
    }
    if (json_string_is(key, "features")) {
        return read_count(reading, &tile->feature_count);
    }
    if (json_string_is(key, "triangles")) {
        return read_count(reading, &tile->triangle_count);
    }
    if (json_string_is(key, "error_m")) {
        return json_real(&reading->json, &tile->error_m, reading->err);
    }
    if (json_string_is(key, "stated_m")) {
        return json_real(&reading->json, &tile->stated_m, reading->err);
    }
    return json_skip(&reading->json, reading->err);
}

static bool read_tile(struct reading *reading, struct json_string unused, struct buf *items)
{
    struct manifest_tile tile = {.level = 0};
    struct json_string key;
    bool is_end = false;
    (void)unused;
    if (!json_enter(&reading->json, JSON_OBJECT, reading->err)) {
        return false;
    }
    while (json_next_member(&reading->json, &key, &is_end, reading->err) && !is_end) {
        if (!read_tile_member(reading, key, &tile)) {
            return false;
        }
    }
    buf_add(items, &tile, sizeof tile);
    return is_end;
}

static bool read_warning(struct reading *reading, struct json_string unused, struct buf *items)
{
    struct manifest_warning warning = {.count = 0};
    struct json_string key;
    bool is_end = false;
    (void)unused;
    if (!json_enter(&reading->json, JSON_OBJECT, reading->err)) {
        return false;
    }
    while (json_next_member(&reading->json, &key, &is_end, reading->err) && !is_end) {
        bool ok;
        if (json_string_is(key, "level")) {
            ok = read_text(reading, &warning.level);
        } else if (json_string_is(key, "kind")) {
            ok = read_text(reading, &warning.kind);
        } else if (json_string_is(key, "count")) {
            ok = read_count(reading, &warning.count);
        } else {
            ok = json_skip(&reading->json, reading->err);
        }
        if (!ok) {
            return false;
        }
    }
    buf_add(items, &warning, sizeof warning);
    return is_end;
}

static bool read_beside(struct reading *reading, struct json_string unused, struct buf *items)
{
    struct text name;
    (void)unused;
    if (!read_text(reading, &name)) {
        return false;
    }
    buf_add(items, &name, sizeof name);
    return true;
}

static bool read_file(struct reading *reading, struct json_string unused, struct buf *items)
{
    enum { HAS_NAME = 1, HAS_BYTES = 2, HAS_DIGEST = 4, HAS_ALL = 7 };
    struct manifest_file file = {.bytes = 0};
    struct json_string key;
    bool is_end = false;
    unsigned has = 0;
    (void)unused;
    json_peek(&reading->json);
    const struct json place = reading->json;
    if (!json_enter(&reading->json, JSON_OBJECT, reading->err)) {
        return false;
    }
    while (json_next_member(&reading->json, &key, &is_end, reading->err) && !is_end) {
        bool ok;
        if (json_string_is(key, "name")) {
            has |= HAS_NAME;
            ok = read_text(reading, &file.name);
        } else if (json_string_is(key, "bytes")) {
            has |= HAS_BYTES;
            ok = read_count(reading, &file.bytes);
        } else if (json_string_is(key, "digest")) {
            has |= HAS_DIGEST;
            ok = read_digest(reading, &file.digest);
        } else {
            ok = json_skip(&reading->json, reading->err);
        }
        if (!ok) {
            return false;
        }
    }
    if (is_end && has != HAS_ALL) {
        return json_fail(&place, reading->err, ERR_SCHEMA, "a file needs name, bytes, digest");
    }
    buf_add(items, &file, sizeof file);
    return is_end;
}

/* Keeps the type of the array through the void pointer of read_items(). */
#define READ_ITEMS(reading, kind, read, array, count)                                              \
    (read_items((reading), (kind), (read), sizeof *(array), &found, (count)) &&                    \
     ((array) = found, true))

static bool read_member(struct reading *reading, struct json_string key, struct manifest *manifest,
                        uint64_t *version)
{
    void *found = NULL;
    if (json_string_is(key, "generator")) {
        return read_text(reading, &manifest->generator);
    }
    if (json_string_is(key, "manifest")) {
        return read_count(reading, version);
    }
    if (json_string_is(key, "options")) {
        return READ_ITEMS(reading, JSON_OBJECT, read_option, manifest->options,
                          &manifest->option_count);
    }
    if (json_string_is(key, "inputs")) {
        return READ_ITEMS(reading, JSON_ARRAY, read_input, manifest->inputs,
                          &manifest->input_count);
    }
    if (json_string_is(key, "counts")) {
        return READ_ITEMS(reading, JSON_OBJECT, read_named_count, manifest->counts,
                          &manifest->count_count);
    }
    if (json_string_is(key, "levels")) {
        return READ_ITEMS(reading, JSON_ARRAY, read_level, manifest->levels,
                          &manifest->level_count);
    }
    if (json_string_is(key, "tiles")) {
        return READ_ITEMS(reading, JSON_ARRAY, read_tile, manifest->tiles, &manifest->tile_count);
    }
    if (json_string_is(key, "warnings")) {
        return READ_ITEMS(reading, JSON_ARRAY, read_warning, manifest->warnings,
                          &manifest->warning_count);
    }
    if (json_string_is(key, "beside")) {
        return READ_ITEMS(reading, JSON_ARRAY, read_beside, manifest->beside,
                          &manifest->beside_count);
    }
    if (json_string_is(key, "files")) {
        return READ_ITEMS(reading, JSON_ARRAY, read_file, manifest->files, &manifest->file_count);
    }
    return json_skip(&reading->json, reading->err);
}

static bool check_top(const struct json *place, const struct manifest *manifest, uint64_t version,
                      struct err *err)
{
    const size_t begin = strlen(GENERATOR_BEGIN);
    if (manifest->generator.size < begin ||
        memcmp(manifest->generator.data, GENERATOR_BEGIN, begin) != 0 || version == 0) {
        return json_fail(place, err, ERR_SCHEMA, "not a manifest that storey wrote");
    }
    if (version > MANIFEST_VERSION) {
        return json_fail(place, err, ERR_UNSUPPORTED, "manifest version %llu",
                         (unsigned long long)version);
    }
    for (size_t i = 1; i < manifest->file_count; i++) {
        if (text_compare(manifest->files[i - 1].name, manifest->files[i].name) >= 0) {
            return json_fail(place, err, ERR_SCHEMA, "files are not sorted at '%.*s'",
                             TEXT_ARGS(manifest->files[i].name));
        }
    }
    return true;
}

bool manifest_read(struct span json, struct arena *source, struct manifest *out, struct err *err)
{
    struct reading reading = {.source = source, .err = err};
    struct manifest manifest = {.option_count = 0};
    struct json_string key;
    bool is_end = false;
    uint64_t version = 0;
    json_init(&reading.json, json, NULL);
    json_peek(&reading.json);
    const struct json place = reading.json;
    if (!json_enter(&reading.json, JSON_OBJECT, err)) {
        return false;
    }
    while (json_next_member(&reading.json, &key, &is_end, err) && !is_end) {
        if (!read_member(&reading, key, &manifest, &version)) {
            return false;
        }
    }
    if (!is_end || !json_end(&reading.json, err) || !check_top(&place, &manifest, version, err)) {
        return false;
    }
    *out = manifest;
    return true;
}

const struct manifest_file *manifest_find(const struct manifest *manifest, struct text name)
{
    size_t low = 0;
    size_t high = manifest->file_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = text_compare(manifest->files[middle].name, name);
        if (order == 0) {
            return &manifest->files[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}
