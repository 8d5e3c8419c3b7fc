/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "formats/json_write.h"
#include "tiler/check_internal.h"

#define COUNT_MAX 9007199254740992.0

const struct json_tree *check_member(const struct json_tree *object, struct text key)
{
    if (!json_tree_is(object, JSON_OBJECT)) {
        return NULL;
    }
    for (size_t i = 0; i < object->child_count; i++) {
        if (text_equals(object->children[i].key, key)) {
            return &object->children[i];
        }
    }
    return NULL;
}

const struct json_tree *check_element(const struct json_tree *array, double index)
{
    if (!json_tree_is(array, JSON_ARRAY) || !(index >= 0 && index < array->child_count) ||
        index != floor(index)) {
        return NULL;
    }
    return &array->children[(size_t)index];
}

bool check_is_count(const struct json_tree *node)
{
    return json_tree_is(node, JSON_NUMBER) && node->number >= 0 && node->number <= COUNT_MAX &&
           node->number == floor(node->number);
}

/* ---- findings ----------------------------------------------------------- */

static void keep(struct check_run *check, enum check_severity severity, const char *rule,
                 struct text file, const struct err *what)
{
    struct check_result *result = &check->result;
    char name[sizeof what->source];
    snprintf(name, sizeof name, "%.*s", TEXT_ARGS(file));
    if (severity == CHECK_ERROR) {
        result->error_count++;
    } else {
        result->warning_count++;
    }
    if (result->finding_count < CHECK_FINDINGS_MAX) {
        struct check_finding *finding = &result->findings[result->finding_count++];
        *finding = (struct check_finding){severity, rule, *what};
        err_in_source(&finding->what, name);
    }
}

static struct err make_err(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static struct err make_err(const char *format, va_list args)
{
    struct err err;
    char message[sizeof err.message];
    vsnprintf(message, sizeof message, format, args);
    err_set(&err, ERR_SCHEMA, "%s", message);
    return err;
}

void check_note(struct check_run *check, enum check_severity severity, const char *rule,
                struct text file, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const struct err err = make_err(format, args);
    va_end(args);
    keep(check, severity, rule, file, &err);
}

void check_note_line(struct check_run *check, enum check_severity severity, const char *rule,
                     struct text file, uint32_t line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct err err = make_err(format, args);
    va_end(args);
    err.line = line;
    keep(check, severity, rule, file, &err);
}

void check_note_at(struct check_run *check, const char *rule, struct text file,
                   const struct json_tree *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct err err = make_err(format, args);
    va_end(args);
    if (node != NULL) {
        err.offset = check->json_at + node->offset;
    }
    keep(check, CHECK_ERROR, rule, file, &err);
}

void check_note_err(struct check_run *check, const char *rule, struct text file,
                    const struct err *err)
{
    if (err->code == ERR_NOMEM) {
        check->is_out_of_memory = true;
        return;
    }
    keep(check, CHECK_ERROR, rule, file, err);
}

void check_full(struct check_run *check, struct text file, const struct arena *arena)
{
    struct err err;
    if (!arena_full(arena, &err)) {
        check_note_err(check, "too-large", file, &err);
    }
}

/* ---- names and files ---------------------------------------------------- */

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    const char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* "%20" and the like; anything else stays. */
static size_t decode(struct text uri, char *out)
{
    size_t size = 0;
    for (size_t i = 0; i < uri.size; i++) {
        if (uri.data[i] == '%' && i + 2 < uri.size && hex_digit(uri.data[i + 1]) >= 0 &&
            hex_digit(uri.data[i + 2]) >= 0) {
            out[size++] = (char)(hex_digit(uri.data[i + 1]) * 16 + hex_digit(uri.data[i + 2]));
            i += 2;
        } else {
            out[size++] = uri.data[i];
        }
    }
    return size;
}

/* Takes "." and ".." out of the path, in place; false when it climbs out. */
static bool flatten(char *path, size_t *size)
{
    size_t used = 0;
    for (size_t at = 0; at < *size;) {
        size_t end = at;
        while (end < *size && path[end] != '/') {
            end++;
        }
        const struct text part = {path + at, end - at};
        if (text_is(part, "..")) {
            if (used == 0) {
                return false;
            }
            used -= used > 0 ? 1 : 0; /* the slash */
            while (used > 0 && path[used - 1] != '/') {
                used--;
            }
        } else if (!text_is(part, ".") && part.size > 0) {
            memmove(path + used, part.data, part.size);
            used += part.size;
            if (end < *size) {
                path[used++] = '/';
            }
        }
        at = end + 1;
    }
    *size = used;
    return true;
}

static struct text without_query(struct text uri)
{
    for (size_t i = 0; i < uri.size; i++) {
        if (uri.data[i] == '?' || uri.data[i] == '#') {
            return (struct text){uri.data, i};
        }
    }
    return uri;
}

static bool has_scheme(struct text uri)
{
    for (size_t i = 0; i < uri.size; i++) {
        const char c = uri.data[i];
        if (c == ':') {
            return i > 0;
        }
        if (c == '/' || c == '?' || c == '#') {
            return false;
        }
    }
    return false;
}

bool check_resolve(struct check_run *check, struct text base, struct text uri, struct arena *memory,
                   struct text *out)
{
    if (has_scheme(uri) || (uri.size > 0 && uri.data[0] == '/')) {
        check_note(check, CHECK_WARNING, "uri-elsewhere", base,
                   "'%.*s' lies outside the package and was not checked", TEXT_ARGS(uri));
        return false;
    }
    size_t folder = base.size;
    while (folder > 0 && base.data[folder - 1] != '/') {
        folder--;
    }
    const struct text path = without_query(uri);
    char *joined = arena_array(memory, char, folder + path.size + 1);
    if (joined == NULL) {
        check_full(check, base, memory);
        return false;
    }
    if (folder > 0) {
        memcpy(joined, base.data, folder);
    }
    size_t size = folder + decode(path, joined + folder);
    if (!flatten(joined, &size) || size == 0) {
        /* A foreign folder may be part of a larger site. */
        const bool is_whole = check->is_ours || package_is_archive(check->package);
        check_note(check, is_whole ? CHECK_ERROR : CHECK_WARNING, "uri-outside", base,
                   "'%.*s' leads out of the package", TEXT_ARGS(uri));
        return false;
    }
    *out = (struct text){joined, size};
    return true;
}

bool check_has(struct check_run *check, struct text name)
{
    size_t low = 0;
    size_t high = check->entry_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = text_compare(check->entries[middle].name, name);
        if (order == 0) {
            check->is_used[middle] = 1;
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

enum { GZIP_HEADER_BYTES = 10, GZIP_TRAILER_BYTES = 8 };

/* Files of tilesets are sometimes gzipped under their plain names, and viewers
 * take that from a server. Headers without optional fields only. */
static bool unzip(struct span packed, struct buf *out, struct err *err)
{
    const uint8_t *end = packed.data + packed.size;
    const struct span deflated = {packed.data + GZIP_HEADER_BYTES,
                                  packed.size - GZIP_HEADER_BYTES - GZIP_TRAILER_BYTES};
    if (!packing_expand(PACKING_DEFLATE, deflated, bytes_load_u32le(end - 4), out, err)) {
        return false;
    }
    return packing_crc32(0, buf_span(out)) == bytes_load_u32le(end - 8) ||
           err_set(err, ERR_SYNTAX, "gzip CRC-32 does not fit");
}

static bool is_gzip(struct span bytes)
{
    return bytes.size >= GZIP_HEADER_BYTES + GZIP_TRAILER_BYTES &&
           memcmp(bytes.data, "\x1F\x8B\x08\0", 4) == 0;
}

bool check_load(struct check_run *check, struct text base, struct text name, struct arena *memory,
                struct span *out)
{
    struct buf loaded, expanded;
    struct err err;
    bool ok = false;
    if (!check_has(check, name)) {
        check_note(check, CHECK_ERROR, "missing-file", base.size == 0 ? name : base,
                   "'%.*s' is not in the package", TEXT_ARGS(name));
        return false;
    }
    buf_init(&loaded, CHECK_FILE_BYTES_MAX);
    buf_init(&expanded, CHECK_FILE_BYTES_MAX);
    if (!package_load(check->package, name, &loaded, &err) ||
        (is_gzip(buf_span(&loaded)) && !unzip(buf_span(&loaded), &expanded, &err))) {
        check_note_err(check, "damaged-file", name, &err);
    } else {
        const struct span bytes = buf_span(expanded.size > 0 ? &expanded : &loaded);
        uint8_t *copy = arena_array(memory, uint8_t, bytes.size == 0 ? 1 : bytes.size);
        if (copy == NULL) {
            check_full(check, name, memory);
        } else {
            memcpy(copy, bytes.data == NULL ? (const uint8_t *)"" : bytes.data, bytes.size);
            *out = (struct span){copy, bytes.size};
            ok = true;
        }
    }
    buf_release(&expanded);
    buf_release(&loaded);
    return ok;
}

/* ---- the manifest ------------------------------------------------------- */

static bool text_has(struct span bytes, const char *part)
{
    const size_t size = strlen(part);
    for (size_t i = 0; i + size <= bytes.size; i++) {
        if (memcmp(bytes.data + i, part, size) == 0) {
            return true;
        }
    }
    return false;
}

/* Other programs may have a manifest.json of their own, which is none of our
 * business. */
static void read_manifest(struct check_run *check)
{
    const struct text name = text_of(MANIFEST_NAME);
    struct span bytes;
    struct err err;
    if (!check_has(check, name) || !check_load(check, name, name, &check->listing, &bytes)) {
        return;
    }
    if (manifest_read(bytes, &check->listing, &check->manifest, &err)) {
        check->is_ours = true;
        check->result.has_manifest = true;
    } else if (text_has(bytes, "\"generator\":\"storey ")) {
        check_note_err(check, "manifest", name, &err);
    }
}

static void check_digest(struct check_run *check, const struct manifest_file *file)
{
    struct package_member member;
    struct err err;
    struct buf expanded;
    buf_init(&expanded, CHECK_FILE_BYTES_MAX);
    if (!check_has(check, file->name)) {
        check_note(check, CHECK_ERROR, "missing-file", text_of(MANIFEST_NAME),
                   "'%.*s' is not in the package", TEXT_ARGS(file->name));
        return;
    }
    if (!package_find(check->package, file->name, &member, &err)) {
        check_note_err(check, "damaged-file", file->name, &err);
        return;
    }
    struct span bytes = member.packed;
    if (member.method != PACKING_STORED) {
        if (!package_load(check->package, file->name, &expanded, &err)) {
            check_note_err(check, "damaged-file", file->name, &err);
            package_member_release(&member);
            buf_release(&expanded);
            return;
        }
        bytes = buf_span(&expanded);
    }
    if (bytes.size != file->bytes) {
        check_note(check, CHECK_ERROR, "digest", file->name,
                   "%zu bytes, but the manifest says %llu", bytes.size,
                   (unsigned long long)file->bytes);
    } else if (!digest_equals(digest_of(bytes), file->digest)) {
        check_note(check, CHECK_ERROR, "digest", file->name,
                   "its bytes are not those that the manifest lists");
    }
    package_member_release(&member);
    buf_release(&expanded);
}

static void check_manifest(struct check_run *check)
{
    for (size_t i = 0; i < check->manifest.file_count; i++) {
        check_digest(check, &check->manifest.files[i]);
    }
    for (size_t i = 0; i < check->entry_count; i++) {
        const struct text name = check->entries[i].name;
        if (!text_is(name, MANIFEST_NAME) && manifest_find(&check->manifest, name) == NULL) {
            check_note(check, CHECK_WARNING, "stray-file", name, "the manifest does not list it");
        }
    }
    /* Digests look at every file; what refers to them is still to come. */
    memset(check->is_used, 0, check->entry_count);
}

static bool begins_with(struct text name, const char *begin)
{
    const size_t size = strlen(begin);
    return name.size >= size && memcmp(name.data, begin, size) == 0;
}

static void check_unused(struct check_run *check)
{
    for (size_t i = 0; i < check->entry_count; i++) {
        if (check->is_used[i] == 0 && begins_with(check->entries[i].name, "tiles/")) {
            check_note(check, CHECK_WARNING, "unused-file", check->entries[i].name,
                       "no tile refers to it");
        }
    }
}

/* ---- the archive -------------------------------------------------------- */

/* Whoever reads by the index must see what whoever reads by the directory sees. */
static void check_archive(struct check_run *check)
{
    const struct archive_3tz *archive = package_archive(check->package);
    const size_t size = strlen(check->options->path);
    if (archive == NULL) {
        return;
    }
    if (!archive->has_index) {
        if (size > 4 && strcmp(check->options->path + size - 4, ".3tz") == 0) {
            check_note(check, CHECK_ERROR, "archive-index", (struct text){"", 0},
                       "the archive has no index (" ARCHIVE_3TZ_INDEX_NAME ") as its last member");
        }
        return;
    }
    if (archive->index.size / 24 != check->entry_count) {
        check_note(check, CHECK_ERROR, "archive-index", (struct text){"", 0},
                   "%zu rows in the index, but %zu files in the directory",
                   archive->index.size / 24, check->entry_count);
    }
    for (size_t i = 0; i < check->entry_count; i++) {
        struct zip_member member;
        bool is_found = false;
        struct err err;
        if (!archive_3tz_find(archive, check->entries[i].name, &member, &is_found, &err)) {
            check_note_err(check, "archive-index", check->entries[i].name, &err);
        } else if (!is_found) {
            check_note(check, CHECK_ERROR, "archive-index", check->entries[i].name,
                       "the index does not have it");
        }
    }
}

/* ---- the run ------------------------------------------------------------ */

static bool list_files(struct check_run *check, struct err *err)
{
    if (!package_list(check->package, &check->listing, &check->entries, &check->entry_count, err)) {
        return false;
    }
    check->is_used =
        arena_array(&check->listing, uint8_t, check->entry_count == 0 ? 1 : check->entry_count);
    check->result.file_count = check->entry_count;
    return check->is_used != NULL || arena_full(&check->listing, err);
}

static bool check_all(struct check_run *check, struct err *err)
{
    if (!list_files(check, err)) {
        return false;
    }
    check_archive(check);
    read_manifest(check);
    if (check->is_ours) {
        check_manifest(check);
    }
    check_root_tileset(check, package_tileset_name(check->package));
    if (check->is_ours) {
        check_unused(check);
        check_index(check);
    }
    if (check->is_out_of_memory) {
        return err_set(err, ERR_NOMEM, "no memory to check '%s'", check->options->path);
    }
    return true;
}

bool check_package(const struct check_options *options, struct arena *run, struct check_result *out,
                   struct err *err)
{
    struct check_run check = {.options = options, .run = run};
    struct package *package;
    check.result.findings = arena_array(run, struct check_finding, CHECK_FINDINGS_MAX);
    if (check.result.findings == NULL) {
        return arena_full(run, err);
    }
    if (!package_open(options->path, &package, err)) {
        return false;
    }
    check.package = package;
    arena_init(&check.listing, CHECK_TREE_BYTES_MAX);
    arena_init(&check.tileset, CHECK_TREE_BYTES_MAX);
    arena_init(&check.content, CHECK_TREE_BYTES_MAX);
    const bool ok = check_all(&check, err);
    arena_release(&check.listing);
    arena_release(&check.tileset);
    arena_release(&check.content);
    package_close(package);
    if (ok) {
        *out = check.result;
    }
    return ok;
}

/* ---- printing ----------------------------------------------------------- */

static void print_count(struct buf *out, const char *key, uint64_t value)
{
    json_write_key(out, key);
    buf_print(out, "%llu", (unsigned long long)value);
}

static void print_json_finding(const struct check_finding *finding, struct buf *out)
{
    json_write_comma(out);
    buf_add_text(out, "\n{");
    json_write_key(out, "severity");
    json_write_text(out, text_of(finding->severity == CHECK_ERROR ? "error" : "warning"));
    json_write_key(out, "rule");
    json_write_text(out, text_of(finding->rule));
    json_write_key(out, "file");
    json_write_text(out, text_of(finding->what.source));
    if (finding->what.line > 0) {
        print_count(out, "line", finding->what.line);
        if (finding->what.column > 0) {
            print_count(out, "column", finding->what.column);
        }
    } else if (finding->what.offset != ERR_NO_OFFSET) {
        print_count(out, "offset", finding->what.offset);
    }
    json_write_key(out, "message");
    json_write_text(out, text_of(finding->what.message));
    buf_add_byte(out, '}');
}

static void print_json(const struct check_result *result, struct buf *out)
{
    buf_add_byte(out, '{');
    print_count(out, "errors", result->error_count);
    print_count(out, "warnings", result->warning_count);
    print_count(out, "files", result->file_count);
    print_count(out, "tilesets", result->tileset_count);
    print_count(out, "subtrees", result->subtree_count);
    print_count(out, "tiles", result->tile_count);
    print_count(out, "contents", result->content_count);
    print_count(out, "features", result->feature_count);
    print_count(out, "triangles", result->triangle_count);
    json_write_key(out, "manifest");
    buf_add_text(out, result->has_manifest ? "true" : "false");
    json_write_key(out, "findings");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < result->finding_count; i++) {
        print_json_finding(&result->findings[i], out);
    }
    buf_add_text(out, "]}\n");
}

static void print_finding(const struct check_finding *finding, struct buf *out)
{
    const struct err *what = &finding->what;
    buf_print(out, "%s: %s", finding->severity == CHECK_ERROR ? "error" : "warning", what->source);
    if (what->line > 0) {
        buf_print(out, ":%u", what->line);
        if (what->column > 0) {
            buf_print(out, ":%u", what->column);
        }
    } else if (what->offset != ERR_NO_OFFSET) {
        buf_print(out, ": byte %llu", (unsigned long long)what->offset);
    }
    buf_print(out, "%s%s [%s]\n", what->source[0] == '\0' ? "" : ": ", what->message,
              finding->rule);
}

void check_print(const struct check_result *result, bool is_json, struct buf *out)
{
    if (is_json) {
        print_json(result, out);
        return;
    }
    for (size_t i = 0; i < result->finding_count; i++) {
        print_finding(&result->findings[i], out);
    }
    const uint64_t all = result->error_count + result->warning_count;
    if (all > result->finding_count) {
        buf_print(out, "... and %llu more\n", (unsigned long long)(all - result->finding_count));
    }
    buf_print(out,
              "%llu errors, %llu warnings in %llu files: %llu tilesets, %llu tiles, "
              "%llu contents, %llu features, %llu triangles%s\n",
              (unsigned long long)result->error_count, (unsigned long long)result->warning_count,
              (unsigned long long)result->file_count, (unsigned long long)result->tileset_count,
              (unsigned long long)result->tile_count, (unsigned long long)result->content_count,
              (unsigned long long)result->feature_count, (unsigned long long)result->triangle_count,
              result->has_manifest ? "; digests verified" : "; no manifest");
}
