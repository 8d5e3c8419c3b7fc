/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "formats/source.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/citygml.h"
#include "formats/cityjson.h"
#include "formats/inflate.h"
#include "formats/reader.h"
#include "formats/zip.h"

/* Every reader, in the order in which equal claims are settled. */
static const struct reader *const readers[] = {
    &cityjson_reader,
    &citygml_reader,
};

enum { READER_COUNT = sizeof readers / sizeof readers[0] };
enum { NAME_BYTES_MAX = 1024 };

/* One input: the file itself, or a member of an archive. */
struct input {
    char name[NAME_BYTES_MAX]; /* for messages: "city.zip/a.city.json" */
    struct span packed;        /* in the outer file */
    unsigned method;           /* METHOD_PLAIN, or how it is compressed */
    uint32_t crc32;            /* of a zip member */
    struct text folder;        /* of a zip member, with its slash; for its images */
    uint64_t bytes;            /* as the archive states it */
};

enum { METHOD_PLAIN, METHOD_GZIP, METHOD_DEFLATE };

struct source {
    struct arena memory; /* this struct lies in it */
    struct source_options options;
    struct report *report;
    struct io_map outer;  /* the file as it is; empty for source_open_bytes() */
    struct span bytes;    /* what is in it */
    struct zip zip;       /* no members: it is no archive */
    const char *path;     /* NULL: from memory */
    struct input *inputs; /* those that a reader knows */
    size_t input_count;
    size_t next_input;
    struct io_map map;           /* of the input that is open, when it was inflated */
    const struct reader *reader; /* NULL: none is open */
    void *state;
    struct source_info info; /* of the first input; bytes_total of all */
    struct text crs;         /* of the one that is open */
    struct arena_mark mark;  /* of `memory`, once the first input was open */
    uint64_t bytes_before;   /* of inputs that are done */
    uint64_t bytes_open;     /* of the one that is open */
    bool is_broken;
};

/* ---- what an input is ---- */

static const struct reader *find_reader(struct span head, const char *name)
{
    const struct reader *found = NULL;
    enum reader_claim best = READER_NO;
    for (size_t i = 0; i < READER_COUNT; i++) {
        const enum reader_claim claim = readers[i]->claim(head, name);
        if (claim > best) {
            best = claim;
            found = readers[i];
        }
    }
    return found;
}

static bool fail_unknown(struct err *err)
{
    char formats[96] = "";
    size_t at = 0;
    for (size_t i = 0; i < READER_COUNT && at < sizeof formats; i++) {
        const int size = snprintf(formats + at, sizeof formats - at, "%s%s", i == 0 ? "" : ", ",
                                  readers[i]->format);
        at += size < 0 ? 0 : (size_t)size;
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "not a format that is known here (%s; gzip and zip of them)", formats);
}

static struct span head_of(struct span bytes)
{
    return (struct span){bytes.data,
                         bytes.size < READER_HEAD_BYTES ? bytes.size : READER_HEAD_BYTES};
}

/* ---- inflating to the temporary folder ---- */

static int make_temporary(const char *folder, struct err *err)
{
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/storey-input-XXXXXX", folder);
    if (length < 0 || (size_t)length >= sizeof path) {
        err_set(err, ERR_LIMIT, "path longer than %d bytes", PATH_MAX);
        return -1;
    }
    const int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        io_error(err, "create", path);
        return -1;
    }
    unlink(path); /* nothing is left behind, however the program ends */
    return fd;
}

static bool inflate_input(const struct source *source, const struct input *input, int fd,
                          struct err *err)
{
    const struct inflate_limits limits = {SOURCE_INFLATED_BYTES_MAX, SOURCE_INFLATED_RATIO_MAX};
    const bool is_gzip = input->method == METHOD_GZIP;
    uint64_t size = 0;
    uint32_t crc = 0;
    if (!inflate_to_file(input->packed, is_gzip ? INFLATE_GZIP : INFLATE_RAW, limits, fd, &size,
                         &crc, err)) {
        if (err->code == ERR_IO) {
            char reason[sizeof err->message];
            memcpy(reason, err->message, sizeof reason);
            err_set(err, ERR_IO, "inflating it to '%s': %s", source->options.temporary_folder,
                    reason);
        }
        return false;
    }
    if (!is_gzip && (size != input->bytes || crc != input->crc32)) {
        return err_set(err, ERR_SYNTAX,
                       "broken compressed data: size or checksum is not as stated");
    }
    return true;
}

/* Maps the bytes of an input, inflated where they must be. */
static bool load_input(struct source *source, const struct input *input, struct span *out,
                       const struct io_map **out_map, struct err *err)
{
    if (input->method == METHOD_PLAIN) {
        *out = input->packed;
        const bool is_outer = input->packed.data == source->outer.bytes.data;
        *out_map = is_outer && source->outer.bytes.data != NULL ? &source->outer : NULL;
        return true;
    }
    const int fd = make_temporary(source->options.temporary_folder, err);
    if (fd < 0) {
        return false;
    }
    struct io_map map = {0};
    const bool ok =
        inflate_input(source, input, fd, err) && io_map_open_file(fd, input->name, &map, err);
    close(fd);
    if (ok) {
        source->map = map;
        *out = map.bytes;
        *out_map = &source->map;
    }
    return ok;
}

/* The beginning of an input as its reader will see it. */
static struct span look_into(const struct input *input, uint8_t *room)
{
    if (input->method == METHOD_PLAIN) {
        return head_of(input->packed);
    }
    const size_t size =
        inflate_head(input->packed, input->method == METHOD_GZIP ? INFLATE_GZIP : INFLATE_RAW, room,
                     READER_HEAD_BYTES);
    return (struct span){room, size};
}

/* ---- finding the inputs in a file ---- */

static void set_name(struct input *input, const char *file, struct text member)
{
    if (member.size == 0) {
        snprintf(input->name, sizeof input->name, "%s", file);
    } else {
        snprintf(input->name, sizeof input->name, "%s/%.*s", file,
                 member.size > NAME_BYTES_MAX ? NAME_BYTES_MAX : (int)member.size, member.data);
    }
}

/* "udx/bldg/" of "udx/bldg/a.gml". */
static struct text folder_of(struct text name)
{
    while (name.size > 0 && name.data[name.size - 1] != '/') {
        name.size--;
    }
    return name;
}

/* Members that a reader knows, by their beginning; others (pictures, a read-me)
 * are left alone. */
static bool find_members(struct source *source, const char *name, struct err *err)
{
    if (!zip_open(source->bytes, &source->memory, &source->zip, err)) {
        return false;
    }
    const struct zip zip = source->zip;
    source->inputs = arena_array(&source->memory, struct input, zip.member_count);
    uint8_t *room = arena_array(&source->memory, uint8_t, READER_HEAD_BYTES);
    if (source->inputs == NULL || room == NULL) {
        return arena_full(&source->memory, err);
    }
    for (size_t i = 0; i < zip.member_count; i++) {
        const struct zip_member *member = &zip.members[i];
        struct input *input = &source->inputs[source->input_count];
        const bool is_stored = member->method == PACKING_STORED;
        if (member->is_folder || (!is_stored && member->method != PACKING_DEFLATE)) {
            continue;
        }
        *input = (struct input){
            .packed = member->packed,
            .method = is_stored ? METHOD_PLAIN : METHOD_DEFLATE,
            .crc32 = member->crc32,
            .bytes = member->bytes,
        };
        set_name(input, name, member->name);
        input->folder = folder_of(member->name);
        source->input_count += find_reader(look_into(input, room), input->name) != NULL;
    }
    return source->input_count > 0 || fail_unknown(err);
}

/* "a.city.json.gz" is an a.city.json to its reader. */
static void drop_suffix(char *name, const char *suffix)
{
    const size_t size = strlen(name);
    const size_t suffix_size = strlen(suffix);
    if (size > suffix_size && strcmp(name + size - suffix_size, suffix) == 0) {
        name[size - suffix_size] = '\0';
    }
}

static bool find_inputs(struct source *source, const char *name, struct err *err)
{
    if (source->bytes.size == 0) {
        return err_set(err, ERR_SYNTAX, "the file is empty");
    }
    if (zip_is_zip(source->bytes) && source->bytes.data[0] == 'P') {
        return find_members(source, name, err);
    }
    source->inputs = arena_array(&source->memory, struct input, 1);
    uint8_t *room = arena_array(&source->memory, uint8_t, READER_HEAD_BYTES);
    if (source->inputs == NULL || room == NULL) {
        return arena_full(&source->memory, err);
    }
    struct input *input = source->inputs;
    input->packed = source->bytes;
    input->method = inflate_is_gzip(source->bytes) ? METHOD_GZIP : METHOD_PLAIN;
    input->bytes = source->bytes.size;
    set_name(input, name, (struct text){0});
    char inner[NAME_BYTES_MAX];
    memcpy(inner, input->name, sizeof inner);
    drop_suffix(inner, ".gz");
    source->input_count = 1;
    return find_reader(look_into(input, room), inner) != NULL || fail_unknown(err);
}

/* ---- opening and closing one input ---- */

static void close_input(struct source *source)
{
    if (source->reader != NULL) {
        source->reader->close(source->state);
        source->reader = NULL;
    }
    io_unmap(&source->map);
}

static bool open_input(struct source *source, const struct input *input, struct source_info *info,
                       struct err *err)
{
    struct span bytes;
    const struct io_map *map = NULL;
    if (!load_input(source, input, &bytes, &map, err)) {
        return false;
    }
    char inner[NAME_BYTES_MAX];
    memcpy(inner, input->name, sizeof inner);
    drop_suffix(inner, ".gz");
    const struct reader *reader = find_reader(head_of(bytes), inner);
    if (reader == NULL) {
        return fail_unknown(err);
    }
    const struct reader_input reader_input = {
        .bytes = bytes,
        .map = map,
        .name = input->name,
        .options = &source->options,
        .report = source->report,
        .source = &source->memory,
        .folder = input->folder,
        .whole = source,
    };
    if (!reader->open(&reader_input, info, &source->state, err)) {
        return false;
    }
    source->reader = reader;
    source->crs = info->crs;
    source->bytes_open = bytes.size;
    info->bytes_total = bytes.size;
    return true;
}

/* The next input, whose name goes into the error. */
static bool open_next(struct source *source, struct err *err)
{
    const struct input *input = &source->inputs[source->next_input++];
    struct source_info info = {0};
    source->bytes_before += source->bytes_open;
    source->bytes_open = 0;
    close_input(source);
    source->crs = source->info.crs;
    if (source->info.format != NULL) {
        arena_reset(&source->memory, source->mark);
    }
    if (!open_input(source, input, &info, err)) {
        close_input(source);
        source->bytes_open = input->bytes; /* it counts as done */
        err_in_source(err, input->name);
        return false;
    }
    if (source->info.format == NULL) {
        source->info = info;
        source->mark = arena_mark(&source->memory);
        for (size_t i = source->next_input; i < source->input_count; i++) {
            source->info.bytes_total += source->inputs[i].bytes;
        }
    }
    return true;
}

/* ---- what stands beside an input ---- */

/* `path` seen from `folder`, without "." and ".."; false when it leaves the
 * top, or is too long. A folder that begins with a slash stays absolute. */
static bool resolve(struct text folder, const char *path, char *out, size_t room)
{
    const int length = snprintf(out, room, "%.*s%s", TEXT_ARGS(folder), path);
    if (length < 0 || (size_t)length >= room) {
        return false;
    }
    char *to = out;
    const char *at = out;
    char *const bottom = out + (*out == '/');
    to = bottom;
    at += *at == '/';
    while (*at != '\0') {
        const size_t size = strcspn(at, "/");
        if (size == 2 && memcmp(at, "..", 2) == 0) {
            if (to == bottom) {
                return false;
            }
            to--;
            while (to > bottom && to[-1] != '/') {
                to--;
            }
        } else if (size > 0 && !(size == 1 && *at == '.')) {
            memmove(to, at, size);
            to += size;
            *to++ = '/';
        }
        at += size + (at[size] == '/');
    }
    to -= to > bottom;
    *to = '\0';
    return to > bottom;
}

static bool load_member(const struct source *source, struct text folder, const char *path,
                        struct buf *out, bool *out_is_there, struct err *err)
{
    char name[NAME_BYTES_MAX];
    if (!resolve(folder, path, name, sizeof name)) {
        return true;
    }
    const struct zip_member *member = zip_find(&source->zip, text_of(name));
    *out_is_there = member != NULL && !member->is_folder;
    return !*out_is_there || zip_load(member, out, err);
}

/* Beside a plain file; relative paths of the file itself may begin with "..",
 * which only the operating system can resolve. */
static bool load_file(const struct source *source, const char *path, struct buf *out,
                      bool *out_is_there, struct err *err)
{
    char whole[PATH_MAX];
    struct io_map map;
    struct stat info;
    const struct text folder = folder_of(text_of(source->path));
    const int length = snprintf(whole, sizeof whole, "%.*s%s", TEXT_ARGS(folder), path);
    if (length < 0 || (size_t)length >= sizeof whole) {
        return true;
    }
    char other[PATH_MAX];
    if (access(whole, F_OK) != 0 && io_find_any_case(whole, other, sizeof other)) {
        memcpy(whole, other, sizeof whole);
    }
    if (stat(whole, &info) != 0 || !S_ISREG(info.st_mode)) {
        return true;
    }
    if (!io_map(whole, &map, err)) {
        return false;
    }
    *out_is_there = true;
    buf_add(out, map.bytes.data, map.bytes.size);
    io_unmap(&map);
    return buf_finish(out, err);
}

bool source_load_beside(const struct reader_input *input, const char *path, struct buf *out,
                        bool *out_is_there, struct err *err)
{
    const struct source *source = input->whole;
    *out_is_there = false;
    if (source == NULL || *path == '\0' || *path == '/') {
        return true; /* an absolute path is nobody's neighbour */
    }
    if (source->zip.member_count > 0) {
        return load_member(source, input->folder, path, out, out_is_there, err);
    }
    return source->path == NULL || load_file(source, path, out, out_is_there, err);
}

/* ---- the source ---- */

static bool make_source(const struct source_options *options, struct report *report,
                        struct source **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, SOURCE_MEMORY_BYTES);
    memory.fail_after = options->fail_after;
    struct source *source = arena_array(&memory, struct source, 1);
    if (source == NULL) {
        const bool ok = arena_full(&memory, err);
        arena_release(&memory);
        return ok;
    }
    source->memory = memory;
    source->options = *options;
    if (source->options.temporary_folder == NULL) {
        source->options.temporary_folder = "/tmp";
    }
    source->report = report;
    *out = source;
    return true;
}

static bool open_first(struct source *source, const char *name, struct source **out,
                       struct err *err)
{
    if (!find_inputs(source, name, err) || !open_next(source, err)) {
        err_in_source(err, name);
        source_close(source);
        return false;
    }
    *out = source;
    return true;
}

bool source_open_bytes(struct span bytes, const char *name, const struct source_options *options,
                       struct report *report, struct source **out, struct err *err)
{
    struct source *source = NULL;
    if (!make_source(options, report, &source, err)) {
        err_in_source(err, name);
        return false;
    }
    source->bytes = bytes;
    return open_first(source, name, out, err);
}

bool source_open(const char *path, const struct source_options *options, struct report *report,
                 struct source **out, struct err *err)
{
    struct source *source = NULL;
    if (!make_source(options, report, &source, err)) {
        err_in_source(err, path);
        return false;
    }
    if (!io_map(path, &source->outer, err)) {
        /* The message names the path already. */
        source_close(source);
        return false;
    }
    source->bytes = source->outer.bytes;
    source->path = path;
    return open_first(source, path, out, err);
}

void source_close(struct source *source)
{
    if (source != NULL) {
        close_input(source);
        io_unmap(&source->outer);
        struct arena memory = source->memory;
        arena_release(&memory);
    }
}

const struct source_info *source_info(const struct source *source)
{
    return &source->info;
}

uint64_t source_bytes_done(const struct source *source)
{
    const uint64_t open =
        source->reader == NULL ? source->bytes_open : source->reader->bytes_done(source->state);
    return source->bytes_before + open;
}

/* A member names images relative to itself; the hub wants them relative to the
 * source file, which is the zip. */
static bool place_images(const struct input *input, struct arena *arena, struct feature *found,
                         struct err *err)
{
    if (input->folder.size == 0 || found->texture_count == 0) {
        return true;
    }
    struct feature_texture *textures =
        arena_array(arena, struct feature_texture, found->texture_count);
    if (textures == NULL) {
        return arena_full(arena, err);
    }
    for (size_t i = 0; i < found->texture_count; i++) {
        textures[i] = found->textures[i];
        const char *path =
            arena_print(arena, "%.*s%.*s", TEXT_ARGS(input->folder), TEXT_ARGS(textures[i].image));
        if (path == NULL) {
            return arena_full(arena, err);
        }
        textures[i].image = text_of(path);
    }
    found->textures = textures;
    return true;
}

bool source_next(struct source *source, struct arena *feature, struct feature *out,
                 bool *out_is_end, struct err *err)
{
    for (;;) {
        bool is_end = true;
        struct feature found;
        if (source->reader != NULL) {
            if (!source->reader->next(source->state, feature, &found, &is_end, err)) {
                err_in_source(err, source->inputs[source->next_input - 1].name);
                source->is_broken = !source->reader->can_continue(source->state);
                return false;
            }
        }
        if (!is_end) {
            if (found.crs.size == 0 && !text_equals(source->crs, source->info.crs)) {
                found.crs = source->crs;
            }
            if (!place_images(&source->inputs[source->next_input - 1], feature, &found, err)) {
                return false;
            }
            *out = found;
            *out_is_end = false;
            return true;
        }
        if (source->next_input == source->input_count) {
            *out_is_end = true;
            return true;
        }
        /* A broken member loses its own features: the others still come. */
        if (!open_next(source, err)) {
            return false;
        }
    }
}

bool source_can_continue(const struct source *source)
{
    return !source->is_broken;
}
