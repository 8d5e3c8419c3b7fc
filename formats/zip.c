/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/zip.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/base/io.h"

enum { LOCAL_BYTES = 30, ENTRY_BYTES = 46, END_BYTES = 22, END64_BYTES = 56, LOCATOR_BYTES = 20 };
enum { LOCAL_MAGIC = 0x04034b50, ENTRY_MAGIC = 0x02014b50, END_MAGIC = 0x06054b50 };
enum { END64_MAGIC = 0x06064b50, LOCATOR_MAGIC = 0x07064b50 };
enum { COMMENT_MAX = 0xFFFF };
enum { FLAG_ENCRYPTED = 1, FLAG_DESCRIPTOR = 8, FLAG_UTF8 = 0x800 };
enum { EXTRA_ZIP64 = 0x0001, EXTRA_ALIGNMENT = 0xD935 };
#define U32_FULL 0xFFFFFFFFu

/* Where the central directory lies, whichever of the two ends says so. */
struct directory {
    uint64_t offset, bytes, entry_count;
};

/* The sizes and the offset of an entry, while zip64 fields are still open. */
struct sizes {
    uint64_t bytes, packed, offset;
};

static bool stays_below(struct text name)
{
    size_t start = 0;
    if (name.size == 0 || memchr(name.data, '\0', name.size) != NULL) {
        return false;
    }
    for (size_t i = 0; i <= name.size; i++) {
        if (i < name.size && name.data[i] != '/') {
            continue;
        }
        const struct text part = {name.data + start, i - start};
        const bool is_after_last_slash = i == name.size && start == i && i > 0;
        if (!is_after_last_slash && (part.size == 0 || text_is(part, ".") || text_is(part, ".."))) {
            return false;
        }
        start = i + 1;
    }
    return true;
}

bool zip_name_is_safe(struct text name)
{
    if (!stays_below(name) || !text_is_utf8(name)) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        const unsigned char byte = (unsigned char)name.data[i];
        if (byte < 0x20 || byte == 0x7F || byte == '\\' || byte == ':') {
            return false;
        }
    }
    return true;
}

bool zip_is_zip(struct span bytes)
{
    return bytes.size >= END_BYTES && (bytes_load_u32le(bytes.data) == LOCAL_MAGIC ||
                                       bytes_load_u32le(bytes.data) == END_MAGIC);
}

static bool find_end(struct span file, uint64_t *out_at, struct err *err)
{
    if (file.size < END_BYTES) {
        return err_set_at(err, ERR_SYNTAX, 0, "no ZIP directory in %zu bytes", file.size);
    }
    const size_t last = file.size - END_BYTES;
    const size_t first = last > COMMENT_MAX ? last - COMMENT_MAX : 0;
    for (size_t at = last + 1; at-- > first;) {
        if (bytes_load_u32le(file.data + at) == END_MAGIC &&
            bytes_load_u16le(file.data + at + 20) == last - at) {
            *out_at = at;
            return true;
        }
    }
    return err_set_at(err, ERR_SYNTAX, file.size, "no ZIP directory at the end");
}

static bool read_end64(struct span file, uint64_t end, struct directory *out, struct err *err)
{
    const uint8_t *locator = file.data + end - LOCATOR_BYTES;
    const uint64_t at = bytes_load_u64le(locator + 8);
    if (at > end - LOCATOR_BYTES || end - LOCATOR_BYTES - at < END64_BYTES ||
        bytes_load_u32le(file.data + at) != END64_MAGIC) {
        return err_set_at(err, ERR_SYNTAX, end - LOCATOR_BYTES, "no zip64 directory end at %llu",
                          (unsigned long long)at);
    }
    if (bytes_load_u32le(locator + 16) > 1 || bytes_load_u32le(file.data + at + 16) != 0) {
        return err_set_at(err, ERR_UNSUPPORTED, at, "a ZIP of several volumes");
    }
    *out = (struct directory){.entry_count = bytes_load_u64le(file.data + at + 32),
                              .bytes = bytes_load_u64le(file.data + at + 40),
                              .offset = bytes_load_u64le(file.data + at + 48)};
    return true;
}

static bool read_directory(struct span file, struct directory *out, struct err *err)
{
    uint64_t end = 0;
    if (!find_end(file, &end, err)) {
        return false;
    }
    const uint8_t *at = file.data + end;
    struct directory found = {.entry_count = bytes_load_u16le(at + 10),
                              .bytes = bytes_load_u32le(at + 12),
                              .offset = bytes_load_u32le(at + 16)};
    const bool is_full =
        found.entry_count == 0xFFFF || found.bytes == U32_FULL || found.offset == U32_FULL;
    if (is_full && end >= LOCATOR_BYTES && bytes_load_u32le(at - LOCATOR_BYTES) == LOCATOR_MAGIC) {
        if (!read_end64(file, end, &found, err)) {
            return false;
        }
    } else if (bytes_load_u16le(at + 4) != 0 || bytes_load_u16le(at + 6) != 0) {
        return err_set_at(err, ERR_UNSUPPORTED, end, "a ZIP of several volumes");
    }
    if (found.offset > end || found.bytes > end - found.offset ||
        found.entry_count > found.bytes / ENTRY_BYTES) {
        return err_set_at(err, ERR_SYNTAX, end,
                          "directory of %llu entries and %llu bytes at %llu does not fit",
                          (unsigned long long)found.entry_count, (unsigned long long)found.bytes,
                          (unsigned long long)found.offset);
    }
    if (found.entry_count > ZIP_MEMBERS_MAX) {
        return err_set_at(err, ERR_LIMIT, end, "%llu members, at most %d",
                          (unsigned long long)found.entry_count, ZIP_MEMBERS_MAX);
    }
    *out = found;
    return true;
}

static bool take_u64(struct span field, size_t *at, uint64_t *value)
{
    if (*value != U32_FULL) {
        return true;
    }
    if (field.size - *at < 8) {
        return false;
    }
    *value = bytes_load_u64le(field.data + *at);
    *at += 8;
    return true;
}

/* Fills in the sizes that say "see the zip64 field". */
static bool read_extra(struct span extra, struct sizes *sizes)
{
    for (size_t at = 0; extra.size - at >= 4;) {
        const unsigned id = bytes_load_u16le(extra.data + at);
        const size_t size = bytes_load_u16le(extra.data + at + 2);
        at += 4;
        if (size > extra.size - at) {
            return false;
        }
        if (id == EXTRA_ZIP64) {
            const struct span field = {extra.data + at, size};
            size_t used = 0;
            return take_u64(field, &used, &sizes->bytes) &&
                   take_u64(field, &used, &sizes->packed) && take_u64(field, &used, &sizes->offset);
        }
        at += size;
    }
    return true;
}

/* The local header alone; packed.size is what the header says, unchecked. */
static bool read_local(struct span file, uint64_t offset, struct zip_member *out,
                       unsigned *out_flags, struct err *err)
{
    if (offset > file.size || file.size - offset < LOCAL_BYTES ||
        bytes_load_u32le(file.data + offset) != LOCAL_MAGIC) {
        return err_set_at(err, ERR_SYNTAX, offset, "no ZIP member here");
    }
    const uint8_t *at = file.data + offset;
    const size_t name_size = bytes_load_u16le(at + 26);
    const size_t extra_size = bytes_load_u16le(at + 28);
    if (name_size + extra_size > file.size - offset - LOCAL_BYTES) {
        return err_set_at(err, ERR_SYNTAX, offset, "a name or extra field past the end");
    }
    struct sizes sizes = {.bytes = bytes_load_u32le(at + 22), .packed = bytes_load_u32le(at + 18)};
    const struct span extra = {at + LOCAL_BYTES + name_size, extra_size};
    if (!read_extra(extra, &sizes)) {
        return err_set_at(err, ERR_SYNTAX, offset, "a broken extra field");
    }
    const struct text name = {(const char *)at + LOCAL_BYTES, name_size};
    *out = (struct zip_member){
        .name = name,
        .method = bytes_load_u16le(at + 8),
        .crc32 = bytes_load_u32le(at + 14),
        .bytes = sizes.bytes,
        .packed = {extra.data + extra_size, (size_t)sizes.packed},
        .header_offset = offset,
        .is_folder = name_size > 0 && name.data[name_size - 1] == '/',
    };
    *out_flags = bytes_load_u16le(at + 6);
    return true;
}

static bool check_member(struct span file, const struct zip_member *member, unsigned flags,
                         struct err *err)
{
    if (!stays_below(member->name)) {
        return err_set_at(err, ERR_SCHEMA, member->header_offset, "unsafe name '%.*s'",
                          TEXT_ARGS(member->name));
    }
    if ((flags & FLAG_ENCRYPTED) != 0) {
        return err_set_at(err, ERR_UNSUPPORTED, member->header_offset, "'%.*s' is encrypted",
                          TEXT_ARGS(member->name));
    }
    const size_t start = (size_t)(member->packed.data - file.data);
    if (member->packed.size > file.size - start) {
        return err_set_at(err, ERR_SYNTAX, member->header_offset,
                          "'%.*s' has %zu bytes, but %zu are here", TEXT_ARGS(member->name),
                          member->packed.size, file.size - start);
    }
    return true;
}

bool zip_member_at(struct span file, uint64_t offset, struct zip_member *out, struct err *err)
{
    struct zip_member found;
    unsigned flags = 0;
    if (!read_local(file, offset, &found, &flags, err) || !check_member(file, &found, flags, err)) {
        return false;
    }
    if ((flags & FLAG_DESCRIPTOR) != 0) {
        return err_set_at(err, ERR_UNSUPPORTED, offset, "'%.*s' has its size behind it",
                          TEXT_ARGS(found.name));
    }
    *out = found;
    return true;
}

/* What directory and local header say must be the same file. */
static bool join_local(struct span file, struct zip_member *entry, struct err *err)
{
    struct zip_member local;
    unsigned flags = 0;
    if (!read_local(file, entry->header_offset, &local, &flags, err)) {
        return false;
    }
    const bool has_sizes = (flags & FLAG_DESCRIPTOR) == 0;
    if (!text_equals(local.name, entry->name) || local.method != entry->method ||
        (has_sizes && (local.bytes != entry->bytes || local.packed.size != entry->packed.size ||
                       local.crc32 != entry->crc32))) {
        return err_set_at(err, ERR_SYNTAX, entry->header_offset,
                          "'%.*s' is not what the directory says", TEXT_ARGS(entry->name));
    }
    entry->packed.data = local.packed.data;
    return check_member(file, entry, flags, err);
}

static bool read_entry(struct span file, uint64_t *cursor, uint64_t end, struct zip_member *out,
                       struct err *err)
{
    const uint64_t offset = *cursor;
    if (end - offset < ENTRY_BYTES || bytes_load_u32le(file.data + offset) != ENTRY_MAGIC) {
        return err_set_at(err, ERR_SYNTAX, offset, "no directory entry here");
    }
    const uint8_t *at = file.data + offset;
    const size_t name_size = bytes_load_u16le(at + 28);
    const size_t extra_size = bytes_load_u16le(at + 30);
    const uint64_t whole = ENTRY_BYTES + name_size + extra_size + bytes_load_u16le(at + 32);
    if (whole > end - offset) {
        return err_set_at(err, ERR_SYNTAX, offset, "a directory entry past the end");
    }
    struct sizes sizes = {.bytes = bytes_load_u32le(at + 24),
                          .packed = bytes_load_u32le(at + 20),
                          .offset = bytes_load_u32le(at + 42)};
    if (!read_extra((struct span){at + ENTRY_BYTES + name_size, extra_size}, &sizes)) {
        return err_set_at(err, ERR_SYNTAX, offset, "a broken extra field");
    }
    const struct text name = {(const char *)at + ENTRY_BYTES, name_size};
    *out = (struct zip_member){
        .name = name,
        .method = bytes_load_u16le(at + 10),
        .crc32 = bytes_load_u32le(at + 16),
        .bytes = sizes.bytes,
        .packed = {NULL, (size_t)sizes.packed},
        .header_offset = sizes.offset,
        .is_folder = name_size > 0 && name.data[name_size - 1] == '/',
    };
    *cursor = offset + whole;
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct zip_member *const *first = a;
    const struct zip_member *const *second = b;
    return text_compare((*first)->name, (*second)->name);
}

static int by_offset(const void *a, const void *b)
{
    const struct zip_member *const *first = a;
    const struct zip_member *const *second = b;
    const uint64_t x = (*first)->header_offset;
    const uint64_t y = (*second)->header_offset;
    return x < y ? -1 : x > y ? 1 : 0;
}

static bool check_all(const struct zip *zip, uint64_t directory, struct arena *source,
                      struct err *err)
{
    const size_t count = zip->member_count;
    const struct zip_member **sorted =
        arena_array(source, const struct zip_member *, count == 0 ? 1 : count);
    if (sorted == NULL) {
        return arena_full(source, err);
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &zip->members[i];
    }
    qsort(sorted, count, sizeof sorted[0], by_name);
    for (size_t i = 1; i < count; i++) {
        if (text_equals(sorted[i - 1]->name, sorted[i]->name)) {
            return err_set_at(err, ERR_SCHEMA, sorted[i]->header_offset, "'%.*s' twice",
                              TEXT_ARGS(sorted[i]->name));
        }
    }
    qsort(sorted, count, sizeof sorted[0], by_offset);
    for (size_t i = 0; i < count; i++) {
        const struct span packed = sorted[i]->packed;
        const uint64_t end = (uint64_t)(packed.data - zip->file.data) + packed.size;
        if (end > (i + 1 < count ? sorted[i + 1]->header_offset : directory)) {
            return err_set_at(err, ERR_SCHEMA, sorted[i]->header_offset,
                              "'%.*s' overlaps what follows", TEXT_ARGS(sorted[i]->name));
        }
    }
    return true;
}

bool zip_open(struct span file, struct arena *source, struct zip *out, struct err *err)
{
    struct directory directory;
    if (!read_directory(file, &directory, err)) {
        return false;
    }
    struct zip zip = {.file = file, .member_count = (size_t)directory.entry_count};
    zip.members =
        arena_array(source, struct zip_member, zip.member_count == 0 ? 1 : zip.member_count);
    if (zip.members == NULL) {
        return arena_full(source, err);
    }
    uint64_t cursor = directory.offset;
    for (size_t i = 0; i < zip.member_count; i++) {
        if (!read_entry(file, &cursor, directory.offset + directory.bytes, &zip.members[i], err) ||
            !join_local(file, &zip.members[i], err)) {
            return false;
        }
    }
    const struct arena_mark mark = arena_mark(source);
    if (!check_all(&zip, directory.offset, source, err)) {
        return false;
    }
    arena_reset(source, mark);
    *out = zip;
    return true;
}

const struct zip_member *zip_find(const struct zip *zip, struct text name)
{
    for (size_t i = 0; i < zip->member_count; i++) {
        if (text_equals(zip->members[i].name, name)) {
            return &zip->members[i];
        }
    }
    return NULL;
}

static bool expand_member(const struct zip_member *member, struct buf *out, struct err *err)
{
    if (!packing_is_known(member->method)) {
        return err_set(err, ERR_UNSUPPORTED, "compression method %u", member->method);
    }
    const size_t start = out->size;
    if (!packing_expand((enum packing_method)member->method, member->packed, member->bytes, out,
                        err)) {
        return false;
    }
    const struct span expanded = {out->data + start, out->size - start};
    const uint32_t crc32 = packing_crc32(0, expanded);
    if (crc32 != member->crc32) {
        out->size = start;
        return err_set(err, ERR_SYNTAX, "CRC-32 is %08x, not %08x", crc32, member->crc32);
    }
    return true;
}

bool zip_load(const struct zip_member *member, struct buf *out, struct err *err)
{
    if (expand_member(member, out, err)) {
        return true;
    }
    if (err->offset == ERR_NO_OFFSET) {
        err->offset = member->header_offset;
    }
    char name[sizeof err->source];
    snprintf(name, sizeof name, "%.*s", TEXT_ARGS(member->name));
    err_in_source(err, name);
    return false;
}

/* ---- writer ------------------------------------------------------------- */

/* Small members gather here: a million of them are not two million writes. */
enum { PENDING_BYTES = 256 * 1024 };
enum { PIECE_BYTES = 64 * 1024, MADE_BY_UNIX_63 = 3 << 8 | 63, DATE_1980_01_01 = 0x21 };

struct zip_writer {
    struct arena memory; /* holds this struct and the path */
    const char *path;
    int fd;
    uint64_t offset;
    uint64_t member_count;
    struct buf header;    /* of one member */
    struct buf pending;   /* not written yet */
    struct buf directory; /* grows until the end */
};

bool zip_writer_open(const char *path, struct zip_writer **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, 1 << 20);
    struct zip_writer *writer = arena_array(&memory, struct zip_writer, 1);
    const size_t path_bytes = strlen(path) + 1;
    char *copy = writer == NULL ? NULL : arena_array(&memory, char, path_bytes);
    if (copy == NULL) {
        arena_full(&memory, err);
        arena_release(&memory);
        return false;
    }
    memcpy(copy, path, path_bytes);
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        io_error(err, "create", path);
        arena_release(&memory);
        return false;
    }
    *writer = (struct zip_writer){.memory = memory, .path = copy, .fd = fd};
    buf_init(&writer->header, 1 << 20);
    buf_init(&writer->pending, PENDING_BYTES);
    buf_init(&writer->directory, SIZE_MAX / 2);
    *out = writer;
    return true;
}

void zip_writer_close(struct zip_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->fd >= 0) {
        close(writer->fd);
    }
    buf_release(&writer->header);
    buf_release(&writer->pending);
    buf_release(&writer->directory);
    struct arena memory = writer->memory;
    arena_release(&memory);
}

uint64_t zip_writer_offset(const struct zip_writer *writer)
{
    return writer->offset;
}

static void add_u16(struct buf *out, unsigned value)
{
    uint8_t bytes[2];
    bytes_store_u16le(bytes, (uint16_t)value);
    buf_add(out, bytes, sizeof bytes);
}

/* From "version needed" to the sizes: the same in both headers. */
static void add_common(struct buf *out, enum packing_method method, uint32_t crc32, uint64_t packed,
                       uint64_t bytes)
{
    add_u16(out, method == PACKING_ZSTD ? 63 : 20);
    add_u16(out, FLAG_UTF8);
    add_u16(out, (unsigned)method);
    add_u16(out, 0);
    add_u16(out, DATE_1980_01_01);
    buf_add_u32le(out, crc32);
    buf_add_u32le(out, (uint32_t)packed);
    buf_add_u32le(out, (uint32_t)bytes);
}

/* Bytes of the extra field that puts the member's bytes on a multiple. */
static size_t alignment_gap(uint64_t offset, size_t name_size, size_t align)
{
    size_t gap = (size_t)(-(offset + LOCAL_BYTES + name_size) & (align - 1));
    while (gap > 0 && gap < 6) {
        gap += align;
    }
    return gap;
}

static void make_header(struct zip_writer *writer, const struct zip_member *member, size_t align)
{
    struct buf *header = &writer->header;
    const size_t gap = alignment_gap(writer->offset, member->name.size, align);
    buf_reset(header);
    buf_add_u32le(header, LOCAL_MAGIC);
    add_common(header, (enum packing_method)member->method, member->crc32, member->packed.size,
               member->bytes);
    add_u16(header, (unsigned)member->name.size);
    add_u16(header, (unsigned)gap);
    buf_add(header, member->name.data, member->name.size);
    if (gap > 0) {
        add_u16(header, EXTRA_ALIGNMENT);
        add_u16(header, (unsigned)gap - 4);
        add_u16(header, (unsigned)align);
        buf_extend(header, gap - 6);
    }
}

static void add_entry(struct zip_writer *writer, const struct zip_member *member)
{
    struct buf *directory = &writer->directory;
    const bool is_far = writer->offset >= U32_FULL;
    buf_add_u32le(directory, ENTRY_MAGIC);
    add_u16(directory, MADE_BY_UNIX_63);
    add_common(directory, (enum packing_method)member->method, member->crc32, member->packed.size,
               member->bytes);
    add_u16(directory, (unsigned)member->name.size);
    add_u16(directory, is_far ? 12 : 0);
    add_u16(directory, 0); /* comment */
    add_u16(directory, 0); /* volume */
    add_u16(directory, 0); /* internal attributes */
    buf_add_u32le(directory, 0100644u << 16);
    buf_add_u32le(directory, is_far ? U32_FULL : (uint32_t)writer->offset);
    buf_add(directory, member->name.data, member->name.size);
    if (is_far) {
        add_u16(directory, EXTRA_ZIP64);
        add_u16(directory, 8);
        buf_add_u64le(directory, writer->offset);
    }
}

static bool check_addition(struct text name, uint64_t packed, uint64_t bytes, struct err *err)
{
    if (!zip_name_is_safe(name) || name.size > 0xFFFF || name.data[name.size - 1] == '/') {
        return err_set(err, ERR_SCHEMA, "'%.*s' is no name for an archive member", TEXT_ARGS(name));
    }
    if (packed >= U32_FULL || bytes >= U32_FULL) {
        return err_set(err, ERR_LIMIT, "'%.*s' has 4 GiB or more", TEXT_ARGS(name));
    }
    return true;
}

static bool flush(struct zip_writer *writer, struct err *err)
{
    if (!io_write(writer->fd, writer->pending.data, writer->pending.size, err)) {
        err_in_source(err, writer->path);
        return false;
    }
    buf_reset(&writer->pending);
    return true;
}

static bool put(struct zip_writer *writer, const void *bytes, size_t size, struct err *err)
{
    if (size > PENDING_BYTES - writer->pending.size && !flush(writer, err)) {
        return false;
    }
    if (size <= PENDING_BYTES / 2) {
        buf_add(&writer->pending, bytes, size);
        return buf_finish(&writer->pending, err);
    }
    if (!flush(writer, err)) {
        return false;
    }
    if (!io_write(writer->fd, bytes, size, err)) {
        err_in_source(err, writer->path);
        return false;
    }
    return true;
}

bool zip_writer_add(struct zip_writer *writer, struct text name, enum packing_method method,
                    struct span packed, uint32_t crc32, uint64_t bytes, size_t align,
                    struct err *err)
{
    assert(align > 0 && align <= 4096 && (align & (align - 1)) == 0);
    if (!check_addition(name, packed.size, bytes, err)) {
        return false;
    }
    const struct zip_member member = {
        .name = name, .method = method, .crc32 = crc32, .bytes = bytes, .packed = packed};
    make_header(writer, &member, align);
    if (!buf_finish(&writer->header, err) ||
        !put(writer, writer->header.data, writer->header.size, err) ||
        !put(writer, packed.data, packed.size, err)) {
        return false;
    }
    add_entry(writer, &member);
    writer->offset += writer->header.size + packed.size;
    writer->member_count++;
    return buf_finish(&writer->directory, err);
}

/* Copies until the end of `fd`; the CRC-32 comes out of the same pass. */
static bool copy_file(struct zip_writer *writer, int fd, uint64_t expected, uint32_t *out_crc32,
                      struct err *err)
{
    uint8_t piece[PIECE_BYTES];
    uint32_t crc32 = 0;
    uint64_t total = 0;
    ssize_t got;
    while ((got = read(fd, piece, sizeof piece)) > 0) {
        crc32 = packing_crc32(crc32, (struct span){piece, (size_t)got});
        total += (uint64_t)got;
        if (total > expected || !put(writer, piece, (size_t)got, err)) {
            break;
        }
    }
    if (got < 0) {
        return io_error(err, "read", "file");
    }
    if (total != expected) {
        return err_set(err, ERR_IO, "the file changed while it was packed");
    }
    *out_crc32 = crc32;
    return true;
}

static bool add_open_file(struct zip_writer *writer, struct text name, int fd, size_t align,
                          struct err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return io_error(err, "read", "file");
    }
    const uint64_t bytes = (uint64_t)info.st_size;
    if (!check_addition(name, bytes, bytes, err)) {
        return false;
    }
    struct zip_member member = {
        .name = name, .method = PACKING_STORED, .bytes = bytes, .packed = {NULL, bytes}};
    make_header(writer, &member, align);
    if (!buf_finish(&writer->header, err) ||
        !put(writer, writer->header.data, writer->header.size, err) ||
        !copy_file(writer, fd, bytes, &member.crc32, err) || !flush(writer, err)) {
        return false;
    }
    uint8_t crc32[4];
    bytes_store_u32le(crc32, member.crc32);
    if (!io_write_at(writer->fd, writer->offset + 14, crc32, sizeof crc32, err)) {
        err_in_source(err, writer->path);
        return false;
    }
    add_entry(writer, &member);
    writer->offset += writer->header.size + bytes;
    writer->member_count++;
    return buf_finish(&writer->directory, err);
}

bool zip_writer_add_file(struct zip_writer *writer, struct text name, const char *path,
                         size_t align, struct err *err)
{
    assert(align > 0 && align <= 4096 && (align & (align - 1)) == 0);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return io_error(err, "open", path);
    }
    const bool ok = add_open_file(writer, name, fd, align, err);
    if (!ok) {
        err_in_source(err, path);
    }
    close(fd);
    return ok;
}

bool zip_writer_finish(struct zip_writer *writer, bool is_durable, struct err *err)
{
    struct buf *directory = &writer->directory;
    const uint64_t start = writer->offset;
    const uint64_t bytes = directory->size;
    const uint64_t count = writer->member_count;
    if (start >= U32_FULL || bytes >= U32_FULL || count >= 0xFFFF) {
        buf_add_u32le(directory, END64_MAGIC);
        buf_add_u64le(directory, END64_BYTES - 12);
        add_u16(directory, MADE_BY_UNIX_63);
        add_u16(directory, 45);
        buf_add_u32le(directory, 0);
        buf_add_u32le(directory, 0);
        buf_add_u64le(directory, count);
        buf_add_u64le(directory, count);
        buf_add_u64le(directory, bytes);
        buf_add_u64le(directory, start);
        buf_add_u32le(directory, LOCATOR_MAGIC);
        buf_add_u32le(directory, 0);
        buf_add_u64le(directory, start + bytes);
        buf_add_u32le(directory, 1);
    }
    buf_add_u32le(directory, END_MAGIC);
    add_u16(directory, 0);
    add_u16(directory, 0);
    add_u16(directory, count < 0xFFFF ? (unsigned)count : 0xFFFF);
    add_u16(directory, count < 0xFFFF ? (unsigned)count : 0xFFFF);
    buf_add_u32le(directory, bytes < U32_FULL ? (uint32_t)bytes : U32_FULL);
    buf_add_u32le(directory, start < U32_FULL ? (uint32_t)start : U32_FULL);
    add_u16(directory, 0);
    if (!buf_finish(directory, err) || !put(writer, directory->data, directory->size, err) ||
        !flush(writer, err)) {
        return false;
    }
    if (is_durable && fsync(writer->fd) != 0) {
        return io_error(err, "flush", writer->path);
    }
    const int fd = writer->fd;
    writer->fd = -1;
    return close(fd) == 0 || io_error(err, "close", writer->path);
}
