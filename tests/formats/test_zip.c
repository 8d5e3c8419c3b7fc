/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/zip.h"

#include <unistd.h>

#include "formats/base/io.h"
#include "tests/check.h"

enum { LIMIT_BYTES = 1 << 20 };

/* The smallest archive with a member, "a" holding "x", written by hand: local
 * header at 0, its byte at 31, directory entry at 32, end at 79. */
/* clang-format off */
static const uint8_t sample[101] =
    "PK\3\4\x14\0\0\0\0\0\0\0\x21\0\x83\x16\xdc\x8c\1\0\0\0\1\0\0\0\1\0\0\0" "ax"
    "PK\1\2\x14\0\x14\0\0\0\0\0\0\0\x21\0\x83\x16\xdc\x8c\1\0\0\0\1\0\0\0\1\0\0\0"
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "a"
    "PK\5\6\0\0\0\0\1\0\1\0\x2f\0\0\0\x20\0\0\0\0\0";
/* clang-format on */
enum { SAMPLE_BYTES = 101, ENTRY_AT = 32, END_AT = 79 };

static bool open_bytes(struct span file, struct err *err)
{
    struct arena source;
    struct zip zip;
    arena_init(&source, LIMIT_BYTES);
    const bool ok = zip_open(file, &source, &zip, err);
    arena_release(&source);
    return ok;
}

/* Writes the members {name, bytes, method, align} to a temporary file and maps
 * it; the file has no name any more when this returns. */
struct input {
    const char *name;
    size_t size;
    enum packing_method method;
    size_t align;
};

static void fill(struct buf *out, size_t size)
{
    buf_reset(out);
    for (size_t i = 0; i < size; i++) {
        buf_add_byte(out, (uint8_t)(i / 7 * i >> 5));
    }
}

static void write_archive(const char *path, const struct input *inputs, size_t count)
{
    struct zip_writer *writer;
    struct err err;
    struct buf plain, packed;
    buf_init(&plain, LIMIT_BYTES);
    buf_init(&packed, LIMIT_BYTES);
    CHECK_OK(zip_writer_open(path, &writer, &err), &err);
    for (size_t i = 0; i < count; i++) {
        fill(&plain, inputs[i].size);
        buf_reset(&packed);
        CHECK_OK(packing_pack(inputs[i].method, buf_span(&plain), &packed, &err), &err);
        CHECK_OK(zip_writer_add(writer, text_of(inputs[i].name), inputs[i].method,
                                buf_span(&packed), packing_crc32(0, buf_span(&plain)), plain.size,
                                inputs[i].align, &err),
                 &err);
    }
    CHECK_OK(zip_writer_finish(writer, false, &err), &err);
    zip_writer_close(writer);
    buf_release(&plain);
    buf_release(&packed);
}

static void make_path(char path[64])
{
    strcpy(path, "/tmp/storey-zip-XXXXXX");
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
}

static const struct input inputs[] = {
    {"empty", 0, PACKING_STORED, 1},
    {"tileset.json", 5000, PACKING_DEFLATE, 1},
    {"tiles/\xE6\xA5\xBC.glb", 70000, PACKING_STORED, 64},
    {"tiles/b.glb", 70000, PACKING_DEFLATE, 1},
    {"features.idx", 100, PACKING_STORED, 4096},
};
enum { INPUT_COUNT = 5 };

static void zip_open__reads_the_smallest_archive(void)
{
    struct arena source;
    struct zip zip;
    struct err err;
    arena_init(&source, LIMIT_BYTES);
    CHECK_OK(zip_open((struct span){sample, SAMPLE_BYTES}, &source, &zip, &err), &err);
    CHECK_EQ(zip.member_count, 1);
    CHECK_TEXT_IS(zip.members[0].name, "a");
    CHECK(zip.members[0].packed.data == sample + 31);
    struct buf out;
    buf_init(&out, 10);
    CHECK_OK(zip_load(&zip.members[0], &out, &err), &err);
    CHECK_EQ(out.size, 1);
    CHECK_EQ(out.data[0], 'x');
    buf_release(&out);
    arena_release(&source);
}

static void zip_writer__round_trip_keeps_bytes_and_alignment(void)
{
    char path[64];
    make_path(path);
    write_archive(path, inputs, INPUT_COUNT);
    struct io_map map;
    struct arena source;
    struct zip zip;
    struct err err;
    CHECK_OK(io_map(path, &map, &err), &err);
    arena_init(&source, LIMIT_BYTES);
    CHECK_OK(zip_open(map.bytes, &source, &zip, &err), &err);
    CHECK_EQ(zip.member_count, INPUT_COUNT);
    struct buf plain, loaded;
    buf_init(&plain, LIMIT_BYTES);
    buf_init(&loaded, LIMIT_BYTES);
    for (size_t i = 0; i < INPUT_COUNT; i++) {
        const struct zip_member *member = zip_find(&zip, text_of(inputs[i].name));
        CHECK(member != NULL);
        CHECK_EQ((size_t)(member->packed.data - map.bytes.data) % inputs[i].align, 0);
        fill(&plain, inputs[i].size);
        buf_reset(&loaded);
        CHECK_OK(zip_load(member, &loaded, &err), &err);
        CHECK_EQ(loaded.size, plain.size);
        CHECK(plain.size == 0 || memcmp(loaded.data, plain.data, plain.size) == 0);
        struct zip_member local;
        CHECK_OK(zip_member_at(map.bytes, member->header_offset, &local, &err), &err);
        CHECK(local.packed.data == member->packed.data && local.bytes == member->bytes);
    }
    buf_release(&plain);
    buf_release(&loaded);
    arena_release(&source);
    io_unmap(&map);
    unlink(path);
}

/* Info-ZIP and Python know no zstd: the other methods only. */
static void zip_writer__writes_what_unzip_and_python_accept(void)
{
    char path[64], command[400];
    make_path(path);
    write_archive(path, inputs, INPUT_COUNT);
    snprintf(command, sizeof command, "unzip -tqq %s", path);
    if (system("command -v unzip >/dev/null") == 0) {
        CHECK_EQ(system(command), 0);
    }
    snprintf(command, sizeof command,
             "python3 -c 'import zipfile; z = zipfile.ZipFile(\"%s\"); assert z.testzip() is None; "
             "assert z.namelist()[2] == \"tiles/\\u697c.glb\", z.namelist(); "
             "assert len(z.namelist()) == 5'",
             path);
    if (system("command -v python3 >/dev/null") == 0) {
        CHECK_EQ(system(command), 0);
    }
    unlink(path);
}

static void zip_writer_add_file__copies_the_file_stored(void)
{
    char path[64], file[64];
    struct err err;
    make_path(path);
    make_path(file);
    struct buf plain;
    buf_init(&plain, LIMIT_BYTES);
    fill(&plain, 200000);
    CHECK_OK(io_write_file(file, buf_span(&plain), false, &err), &err);
    struct zip_writer *writer;
    CHECK_OK(zip_writer_open(path, &writer, &err), &err);
    CHECK_OK(zip_writer_add_file(writer, text_of("features.gpkg"), file, 4096, &err), &err);
    CHECK_FAILS(zip_writer_add_file(writer, text_of("../up"), file, 1, &err), &err, ERR_SCHEMA);
    CHECK_FAILS(zip_writer_add_file(writer, text_of("missing"), "/tmp/storey-none", 1, &err), &err,
                ERR_IO);
    CHECK_OK(zip_writer_finish(writer, true, &err), &err);
    zip_writer_close(writer);

    struct io_map map;
    struct arena source;
    struct zip zip;
    struct buf loaded;
    CHECK_OK(io_map(path, &map, &err), &err);
    arena_init(&source, LIMIT_BYTES);
    buf_init(&loaded, LIMIT_BYTES);
    CHECK_OK(zip_open(map.bytes, &source, &zip, &err), &err);
    CHECK_EQ(zip.member_count, 1);
    CHECK_EQ((size_t)(zip.members[0].packed.data - map.bytes.data) % 4096, 0);
    CHECK_OK(zip_load(&zip.members[0], &loaded, &err), &err);
    CHECK_EQ(loaded.size, plain.size);
    CHECK(memcmp(loaded.data, plain.data, plain.size) == 0);
    buf_release(&loaded);
    buf_release(&plain);
    arena_release(&source);
    io_unmap(&map);
    unlink(path);
    unlink(file);
}

static void zip_open__fails_on_every_truncation(void)
{
    for (size_t keep = 0; keep < SAMPLE_BYTES; keep++) {
        struct span cut = check_heap_copy(sample, keep);
        struct err err;
        CHECK_FAILS(open_bytes(cut, &err), &err, ERR_SYNTAX);
        check_heap_free(cut);
    }
}

static void zip_open__survives_every_failing_allocation(void)
{
    for (size_t fail_after = 1;; fail_after++) {
        struct arena source;
        struct zip zip;
        struct err err;
        arena_init(&source, LIMIT_BYTES);
        source.fail_after = fail_after;
        const bool ok = zip_open((struct span){sample, SAMPLE_BYTES}, &source, &zip, &err);
        arena_release(&source);
        if (ok) {
            CHECK_EQ(fail_after, 3);
            return;
        }
        CHECK_EQ(err.code, ERR_NOMEM);
    }
}

/* One byte or field of the sample changed, and where the error points. */
static void zip_open__points_at_what_is_wrong(void)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum err_code code;
        uint64_t offset;
    } cases[] = {
        {END_AT, 'Q', ERR_SYNTAX, SAMPLE_BYTES},  /* no end record */
        {END_AT + 4, 1, ERR_UNSUPPORTED, END_AT}, /* second volume */
        {END_AT + 10, 2, ERR_SYNTAX, END_AT},     /* two entries in 47 bytes */
        {END_AT + 12, 200, ERR_SYNTAX, END_AT},   /* directory too long */
        {END_AT + 16, 33, ERR_SYNTAX, END_AT},    /* directory past the end */
        {ENTRY_AT, 'Q', ERR_SYNTAX, ENTRY_AT},    /* no entry */
        {ENTRY_AT + 28, 2, ERR_SYNTAX, ENTRY_AT}, /* name too long */
        {ENTRY_AT + 42, 200, ERR_SYNTAX, 200},    /* local header past the end */
        {ENTRY_AT + 16, 0, ERR_SYNTAX, 0},        /* CRC-32 differs */
        {ENTRY_AT + 24, 9, ERR_SYNTAX, 0},        /* size differs */
        {ENTRY_AT + 46, 'b', ERR_SYNTAX, 0},      /* name differs */
        {0, 'Q', ERR_SYNTAX, 0},                  /* no local header */
        {6, 1, ERR_UNSUPPORTED, 0},               /* encrypted */
        {28, 1, ERR_SCHEMA, 0},                   /* extra field takes the byte: overlap */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t broken[SAMPLE_BYTES];
        memcpy(broken, sample, SAMPLE_BYTES);
        broken[cases[i].at] = cases[i].value;
        struct err err;
        CHECK_FAILS(open_bytes((struct span){broken, SAMPLE_BYTES}, &err), &err, cases[i].code);
        CHECK_EQ(err.offset, cases[i].offset);
    }
}

static void zip_open__refuses_names_that_leave_the_folder(void)
{
    static const char *const names[] = {"/", "."};
    for (size_t i = 0; i < 2; i++) {
        uint8_t broken[SAMPLE_BYTES];
        memcpy(broken, sample, SAMPLE_BYTES);
        broken[30] = broken[ENTRY_AT + 46] = (uint8_t)names[i][0];
        struct err err;
        CHECK_FAILS(open_bytes((struct span){broken, SAMPLE_BYTES}, &err), &err, ERR_SCHEMA);
        CHECK_EQ(err.offset, 0);
    }
    static const struct {
        const char *name;
        bool is_safe;
    } cases[] = {
        {"a/b.glb", true}, {"\xE6\xA5\xBC/\xE5\xB1\x82", true},
        {"a/", true},      {"...", true},
        {"", false},       {"/etc/passwd", false},
        {"../a", false},   {"a/../../b", false},
        {"a//b", false},   {"a/.", false},
        {"C:/a", false},   {"a\\b", false},
        {"a\nb", false},   {"\xff", false},
        {"a/..", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_EQ(zip_name_is_safe(text_of(cases[i].name)), cases[i].is_safe);
    }
}

static void zip_open__refuses_the_same_name_twice(void)
{
    static const struct input twice[] = {{"a", 10, PACKING_STORED, 1},
                                         {"a", 10, PACKING_STORED, 1}};
    char path[64];
    make_path(path);
    write_archive(path, twice, 2);
    struct io_map map;
    struct err err;
    CHECK_OK(io_map(path, &map, &err), &err);
    CHECK_FAILS(open_bytes(map.bytes, &err), &err, ERR_SCHEMA);
    CHECK(strstr(err.message, "twice") != NULL);
    io_unmap(&map);
    unlink(path);
}

/* Two directory entries for the same bytes: how the best bombs are built. */
static void zip_open__refuses_members_that_overlap(void)
{
    uint8_t bomb[SAMPLE_BYTES + 47 + 31];
    /* a second local header inside the first member's bytes */
    memcpy(bomb, sample, 31);
    memcpy(bomb + 31, sample, 32);
    bomb[18] = bomb[22] = 32;
    bomb[31 + 30] = 'b';
    memcpy(bomb + 63, sample + ENTRY_AT, 47);
    bomb[63 + 20] = bomb[63 + 24] = 32;
    memcpy(bomb + 110, sample + ENTRY_AT, 47);
    bomb[110 + 46] = 'b';
    bomb[110 + 42] = 31;
    memcpy(bomb + 157, sample + END_AT, 22);
    bomb[157 + 8] = bomb[157 + 10] = 2;
    bomb[157 + 12] = 94;
    bomb[157 + 16] = 63;
    struct err err;
    CHECK_FAILS(open_bytes((struct span){bomb, sizeof bomb}, &err), &err, ERR_SCHEMA);
    CHECK_EQ(err.offset, 0);
    CHECK(strstr(err.message, "overlaps") != NULL);
}

static void zip_load__compares_the_checksum(void)
{
    uint8_t broken[SAMPLE_BYTES];
    memcpy(broken, sample, SAMPLE_BYTES);
    broken[31] = 'y';
    struct zip_member member;
    struct err err;
    CHECK_OK(zip_member_at((struct span){broken, SAMPLE_BYTES}, 0, &member, &err), &err);
    struct buf out;
    buf_init(&out, 10);
    CHECK_FAILS(zip_load(&member, &out, &err), &err, ERR_SYNTAX);
    CHECK_EQ(out.size, 0);
    CHECK_TEXT(err.source, "a");
    member.method = 14;
    CHECK_FAILS(zip_load(&member, &out, &err), &err, ERR_UNSUPPORTED);
    buf_release(&out);
}

static void zip_member_at__refuses_a_size_that_stands_behind(void)
{
    uint8_t broken[SAMPLE_BYTES];
    memcpy(broken, sample, SAMPLE_BYTES);
    broken[6] = 8;
    struct zip_member member;
    struct err err;
    CHECK_FAILS(zip_member_at((struct span){broken, SAMPLE_BYTES}, 0, &member, &err), &err,
                ERR_UNSUPPORTED);
    CHECK_FAILS(zip_member_at((struct span){broken, SAMPLE_BYTES}, 5, &member, &err), &err,
                ERR_SYNTAX);
    CHECK_FAILS(zip_member_at((struct span){broken, SAMPLE_BYTES}, UINT64_MAX, &member, &err), &err,
                ERR_SYNTAX);
}

CHECK_MAIN(CHECK_TEST(zip_open__reads_the_smallest_archive),
           CHECK_TEST(zip_writer__round_trip_keeps_bytes_and_alignment),
           CHECK_TEST(zip_writer__writes_what_unzip_and_python_accept),
           CHECK_TEST(zip_writer_add_file__copies_the_file_stored),
           CHECK_TEST(zip_open__fails_on_every_truncation),
           CHECK_TEST(zip_open__survives_every_failing_allocation),
           CHECK_TEST(zip_open__points_at_what_is_wrong),
           CHECK_TEST(zip_open__refuses_names_that_leave_the_folder),
           CHECK_TEST(zip_open__refuses_the_same_name_twice),
           CHECK_TEST(zip_open__refuses_members_that_overlap),
           CHECK_TEST(zip_load__compares_the_checksum),
           CHECK_TEST(zip_member_at__refuses_a_size_that_stands_behind))
