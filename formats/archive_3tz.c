/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/archive_3tz.h"

#include <stdlib.h>

enum { ROW_BYTES = 24, END_BYTES = 22, ENTRY_BYTES = 46 };
enum { ENTRY_MAGIC = 0x02014b50, END_MAGIC = 0x06054b50 };

/* One row of the index; the digest halves order it. */
struct row {
    uint64_t low, high, offset;
};

/* ---- MD5 ---------------------------------------------------------------- */

static const uint32_t md5_sine[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static const uint8_t md5_turn[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t rotate(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

static void md5_block(uint32_t state[4], const uint8_t block[64])
{
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (unsigned i = 0; i < 64; i++) {
        uint32_t mixed;
        unsigned word;
        if (i < 16) {
            mixed = (b & c) | (~b & d);
            word = i;
        } else if (i < 32) {
            mixed = (d & b) | (~d & c);
            word = (5 * i + 1) % 16;
        } else if (i < 48) {
            mixed = b ^ c ^ d;
            word = (3 * i + 5) % 16;
        } else {
            mixed = c ^ (b | ~d);
            word = 7 * i % 16;
        }
        const uint32_t sum = a + mixed + md5_sine[i] + bytes_load_u32le(block + 4 * word);
        a = d;
        d = c;
        c = b;
        b += rotate(sum, md5_turn[i / 16][i % 4]);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

void archive_3tz_md5(struct span bytes, uint8_t out[16])
{
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    size_t at = 0;
    for (; bytes.size - at >= 64; at += 64) {
        md5_block(state, bytes.data + at);
    }
    uint8_t tail[128] = {0};
    const size_t left = bytes.size - at;
    if (left > 0) {
        memcpy(tail, bytes.data + at, left);
    }
    tail[left] = 0x80;
    const size_t tail_bytes = left < 56 ? 64 : 128;
    bytes_store_u64le(tail + tail_bytes - 8, (uint64_t)bytes.size * 8);
    for (size_t i = 0; i < tail_bytes; i += 64) {
        md5_block(state, tail + i);
    }
    for (size_t i = 0; i < 4; i++) {
        bytes_store_u32le(out + 4 * i, state[i]);
    }
}

static struct row row_of(struct text name, uint64_t offset)
{
    uint8_t digest[16];
    archive_3tz_md5((struct span){(const uint8_t *)name.data, name.size}, digest);
    return (struct row){bytes_load_u64le(digest), bytes_load_u64le(digest + 8), offset};
}

static int row_compare(const struct row *a, const struct row *b)
{
    if (a->low != b->low) {
        return a->low < b->low ? -1 : 1;
    }
    return a->high < b->high ? -1 : a->high > b->high ? 1 : 0;
}

static struct row load_row(struct span index, size_t i)
{
    const uint8_t *at = index.data + ROW_BYTES * i;
    return (struct row){bytes_load_u64le(at), bytes_load_u64le(at + 8), bytes_load_u64le(at + 16)};
}

/* ---- reading ------------------------------------------------------------ */

/*
 * The index is the last member and there is no comment, so the directory's last
 * entry ends at the directory's end; its name is known, so its start is, too.
 * Looks only there; false when the file is not arranged like that.
 */
static bool find_index(struct span file, struct zip_member *out)
{
    const size_t name_bytes = strlen(ARCHIVE_3TZ_INDEX_NAME);
    if (file.size < END_BYTES || bytes_load_u32le(file.data + file.size - END_BYTES) != END_MAGIC) {
        return false;
    }
    size_t end = file.size - END_BYTES;
    if (end >= 20 && memcmp(file.data + end - 20, "PK\6\7", 4) == 0) {
        const uint64_t end64 = bytes_load_u64le(file.data + end - 20 + 8);
        if (end64 > end) {
            return false;
        }
        end = (size_t)end64;
    }
    /* A far offset adds a zip64 field of 12 bytes, or up to 28 with sizes. */
    static const size_t extras[] = {0, 12, 20, 28};
    for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
        const size_t entry_bytes = ENTRY_BYTES + name_bytes + extras[i];
        if (end < entry_bytes) {
            continue;
        }
        const uint8_t *at = file.data + end - entry_bytes;
        if (bytes_load_u32le(at) != ENTRY_MAGIC || bytes_load_u16le(at + 28) != name_bytes ||
            memcmp(at + ENTRY_BYTES, ARCHIVE_3TZ_INDEX_NAME, name_bytes) != 0) {
            continue;
        }
        uint64_t offset = bytes_load_u32le(at + 42);
        if (offset == 0xFFFFFFFFu && extras[i] >= 12) {
            offset = bytes_load_u64le(file.data + end - 8);
        }
        struct err ignored;
        return zip_member_at(file, offset, out, &ignored) &&
               text_is(out->name, ARCHIVE_3TZ_INDEX_NAME);
    }
    return false;
}

static bool check_index(struct span file, struct span index, struct err *err)
{
    const uint64_t start = (uint64_t)(index.data - file.data);
    if (index.size % ROW_BYTES != 0) {
        return err_set_at(err, ERR_SCHEMA, start, "index of %zu bytes, not a multiple of %d",
                          index.size, ROW_BYTES);
    }
    struct row before = {0};
    for (size_t i = 0; i < index.size / ROW_BYTES; i++) {
        const struct row row = load_row(index, i);
        if (i > 0 && row_compare(&before, &row) > 0) {
            return err_set_at(err, ERR_SCHEMA, start + i * ROW_BYTES, "index row %zu out of order",
                              i);
        }
        if (row.offset >= start) {
            return err_set_at(err, ERR_SCHEMA, start + i * ROW_BYTES,
                              "index row %zu points past the members", i);
        }
        before = row;
    }
    return true;
}

/* Sorts by_name with a heap: qsort has no context argument in C17. */
static void sift_down(uint32_t *order, size_t at, size_t count, const struct zip_member *members)
{
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count &&
            text_compare(members[order[child]].name, members[order[child + 1]].name) < 0) {
            child++;
        }
        if (text_compare(members[order[at]].name, members[order[child]].name) >= 0) {
            return;
        }
        const uint32_t swap = order[at];
        order[at] = order[child];
        order[child] = swap;
        at = child;
    }
}

static bool sort_names(struct archive_3tz *archive, struct arena *source, struct err *err)
{
    const size_t count = archive->zip.member_count;
    uint32_t *order = arena_array(source, uint32_t, count == 0 ? 1 : count);
    if (order == NULL) {
        return arena_full(source, err);
    }
    for (size_t i = 0; i < count; i++) {
        order[i] = (uint32_t)i;
    }
    for (size_t i = count / 2; i-- > 0;) {
        sift_down(order, i, count, archive->zip.members);
    }
    for (size_t last = count; last-- > 1;) {
        const uint32_t swap = order[0];
        order[0] = order[last];
        order[last] = swap;
        sift_down(order, 0, last, archive->zip.members);
    }
    archive->by_name = order;
    return true;
}

bool archive_3tz_open(struct span file, struct arena *source, struct archive_3tz *out,
                      struct err *err)
{
    struct archive_3tz archive = {.file = file};
    struct zip_member index;
    if (find_index(file, &index)) {
        if (index.method != PACKING_STORED || index.bytes != index.packed.size) {
            return err_set_at(err, ERR_SCHEMA, index.header_offset, "the index is compressed");
        }
        if (!check_index(file, index.packed, err)) {
            return false;
        }
        archive.index = index.packed;
        archive.has_index = true;
    } else if (!zip_open(file, source, &archive.zip, err) || !sort_names(&archive, source, err)) {
        return false;
    }
    *out = archive;
    return true;
}

static bool find_by_index(const struct archive_3tz *archive, struct text name,
                          struct zip_member *out, bool *out_found, struct err *err)
{
    const struct row wanted = row_of(name, 0);
    size_t low = 0;
    size_t high = archive->index.size / ROW_BYTES;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct row row = load_row(archive->index, middle);
        if (row_compare(&row, &wanted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    /* Names of equal digest stand side by side; the header tells them apart. */
    for (; low < archive->index.size / ROW_BYTES; low++) {
        const struct row row = load_row(archive->index, low);
        struct zip_member member;
        if (row_compare(&row, &wanted) != 0) {
            break;
        }
        if (!zip_member_at(archive->file, row.offset, &member, err)) {
            return false;
        }
        if (text_equals(member.name, name)) {
            *out = member;
            *out_found = true;
            return true;
        }
    }
    *out_found = false;
    return true;
}

bool archive_3tz_find(const struct archive_3tz *archive, struct text name, struct zip_member *out,
                      bool *out_found, struct err *err)
{
    if (archive->has_index) {
        return find_by_index(archive, name, out, out_found, err);
    }
    size_t low = 0;
    size_t high = archive->zip.member_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct zip_member *member = &archive->zip.members[archive->by_name[middle]];
        const int order = text_compare(member->name, name);
        if (order == 0) {
            *out = *member;
            *out_found = true;
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *out_found = false;
    return true;
}

/* ---- writing ------------------------------------------------------------ */

struct archive_3tz_writer {
    struct arena memory; /* holds this struct */
    struct zip_writer *zip;
    struct buf rows; /* of struct row */
};

bool archive_3tz_writer_open(const char *path, struct archive_3tz_writer **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, 1 << 20);
    struct archive_3tz_writer *writer = arena_array(&memory, struct archive_3tz_writer, 1);
    if (writer == NULL) {
        arena_full(&memory, err);
        arena_release(&memory);
        return false;
    }
    if (!zip_writer_open(path, &writer->zip, err)) {
        arena_release(&memory);
        return false;
    }
    buf_init(&writer->rows, SIZE_MAX / 2);
    writer->memory = memory;
    *out = writer;
    return true;
}

void archive_3tz_writer_close(struct archive_3tz_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    zip_writer_close(writer->zip);
    buf_release(&writer->rows);
    struct arena memory = writer->memory;
    arena_release(&memory);
}

static bool note_row(struct archive_3tz_writer *writer, struct text name, uint64_t offset,
                     struct err *err)
{
    const struct row row = row_of(name, offset);
    buf_add(&writer->rows, &row, sizeof row);
    return buf_finish(&writer->rows, err);
}

bool archive_3tz_writer_add(struct archive_3tz_writer *writer, struct text name,
                            enum packing_method method, struct span packed, uint32_t crc32,
                            uint64_t bytes, size_t align, struct err *err)
{
    const uint64_t offset = zip_writer_offset(writer->zip);
    return zip_writer_add(writer->zip, name, method, packed, crc32, bytes, align, err) &&
           note_row(writer, name, offset, err);
}

bool archive_3tz_writer_add_file(struct archive_3tz_writer *writer, struct text name,
                                 const char *path, size_t align, struct err *err)
{
    const uint64_t offset = zip_writer_offset(writer->zip);
    return zip_writer_add_file(writer->zip, name, path, align, err) &&
           note_row(writer, name, offset, err);
}

static int by_digest(const void *a, const void *b)
{
    const struct row *first = a;
    const struct row *second = b;
    const int order = row_compare(first, second);
    if (order != 0) {
        return order;
    }
    return first->offset < second->offset ? -1 : first->offset > second->offset ? 1 : 0;
}

bool archive_3tz_writer_finish(struct archive_3tz_writer *writer, bool is_durable, struct err *err)
{
    const size_t count = writer->rows.size / sizeof(struct row);
    if (count > UINT32_MAX / ROW_BYTES) {
        return err_set(err, ERR_LIMIT, "%zu members", count);
    }
    if (count > 0) {
        qsort(writer->rows.data, count, sizeof(struct row), by_digest);
    }
    struct buf index;
    buf_init(&index, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++) {
        struct row row;
        memcpy(&row, writer->rows.data + i * sizeof row, sizeof row);
        buf_add_u64le(&index, row.low);
        buf_add_u64le(&index, row.high);
        buf_add_u64le(&index, row.offset);
    }
    const bool ok =
        buf_finish(&index, err) &&
        zip_writer_add(writer->zip, text_of(ARCHIVE_3TZ_INDEX_NAME), PACKING_STORED,
                       buf_span(&index), packing_crc32(0, buf_span(&index)), index.size, 1, err) &&
        zip_writer_finish(writer->zip, is_durable, err);
    buf_release(&index);
    return ok;
}
