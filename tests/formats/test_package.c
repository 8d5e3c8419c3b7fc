/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "formats/package.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"

enum { LIMIT_BYTES = 1 << 20 };

static const char manifest[] = "{\"generator\":\"storey 0.1.0\",\"manifest\":1}";
static const struct {
    const char *name, *text;
} files[] = {
    {"features.idx", "index"},
    {"manifest.json", manifest},
    {"tiles/empty.glb", ""},
    {"tiles/\xE6\xA5\xBC.glb", "a tile, a tile, a tile, a tile, a tile, a tile, a tile"},
    {"tileset.json", "{}"},
};
enum { FILE_COUNT = 5 };

/* /tmp/storey-package-XXXXXX with folder/ and archive.3tz in it. */
static void make_packages(char root[64], char folder[96], char archive[96])
{
    struct err err;
    char path[256];
    strcpy(root, "/tmp/storey-package-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    snprintf(folder, 96, "%s/folder", root);
    snprintf(archive, 96, "%s/archive.3tz", root);
    snprintf(path, sizeof path, "%s/tiles", folder);
    CHECK_OK(io_make_directory(folder, &err), &err);
    CHECK_OK(io_make_directory(path, &err), &err);
    struct archive_3tz_writer *writer;
    struct buf packed;
    buf_init(&packed, LIMIT_BYTES);
    CHECK_OK(archive_3tz_writer_open(archive, &writer, &err), &err);
    for (size_t i = 0; i < FILE_COUNT; i++) {
        const struct span bytes = {(const uint8_t *)files[i].text, strlen(files[i].text)};
        const enum packing_method method = i == 3 ? PACKING_DEFLATE : PACKING_STORED;
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        CHECK_OK(io_write_file(path, bytes, false, &err), &err);
        buf_reset(&packed);
        CHECK_OK(packing_pack(method, bytes, &packed, &err), &err);
        CHECK_OK(archive_3tz_writer_add(writer, text_of(files[i].name), method, buf_span(&packed),
                                        packing_crc32(0, bytes), bytes.size, 64, &err),
                 &err);
    }
    CHECK_OK(archive_3tz_writer_finish(writer, false, &err), &err);
    archive_3tz_writer_close(writer);
    buf_release(&packed);
}

static void remove_packages(const char *root)
{
    struct err err;
    CHECK_OK(io_remove_tree(root, &err), &err);
}

static void check_files(const struct package *package)
{
    struct err err;
    struct buf loaded;
    buf_init(&loaded, LIMIT_BYTES);
    for (size_t i = 0; i < FILE_COUNT; i++) {
        const size_t size = strlen(files[i].text);
        struct package_member member;
        CHECK_OK(package_find(package, text_of(files[i].name), &member, &err), &err);
        CHECK(member.is_found);
        CHECK_EQ(member.bytes, size);
        if (member.method == PACKING_STORED) {
            CHECK_EQ(member.packed.size, size);
            CHECK(size == 0 || memcmp(member.packed.data, files[i].text, size) == 0);
        }
        package_member_release(&member);
        buf_reset(&loaded);
        CHECK_OK(package_load(package, text_of(files[i].name), &loaded, &err), &err);
        CHECK_EQ(loaded.size, size);
        CHECK(size == 0 || memcmp(loaded.data, files[i].text, size) == 0);
    }
    buf_release(&loaded);
}

static void check_listing(const struct package *package)
{
    struct arena source;
    struct err err;
    struct package_entry *entries;
    size_t count = 0;
    arena_init(&source, LIMIT_BYTES);
    CHECK_OK(package_list(package, &source, &entries, &count, &err), &err);
    CHECK_EQ(count, FILE_COUNT);
    for (size_t i = 0; i < FILE_COUNT; i++) {
        CHECK_TEXT_IS(entries[i].name, files[i].name);
        CHECK_EQ(entries[i].bytes, strlen(files[i].text));
    }
    arena_release(&source);
}

static void package__is_the_same_as_folder_and_as_archive(void)
{
    char root[64], folder[96], archive[96], json[128];
    make_packages(root, folder, archive);
    snprintf(json, sizeof json, "%s/tileset.json", folder);
    const char *const paths[] = {folder, archive, json};
    for (size_t i = 0; i < 3; i++) {
        struct package *package;
        struct err err;
        CHECK_OK(package_open(paths[i], &package, &err), &err);
        CHECK_EQ(package_is_archive(package), i == 1);
        CHECK_TEXT_IS(package_tileset_name(package), "tileset.json");
        CHECK(package_is_ours(package));
        check_files(package);
        check_listing(package);
        package_close(package);
    }
    remove_packages(root);
}

static void package_find__finds_nothing_outside(void)
{
    static const char *const names[] = {
        "../archive.3tz", "/etc/passwd",          "tiles", "tiles/", "none", "", "link",
        "./tileset.json", "tiles/../tileset.json"};
    char root[64], folder[96], archive[96], path[256];
    make_packages(root, folder, archive);
    snprintf(path, sizeof path, "%s/link", folder);
    CHECK_EQ(symlink("/etc/passwd", path), 0);
    const char *const paths[] = {folder, archive};
    for (size_t p = 0; p < 2; p++) {
        struct package *package;
        struct err err;
        CHECK_OK(package_open(paths[p], &package, &err), &err);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            struct package_member member;
            struct buf out;
            buf_init(&out, LIMIT_BYTES);
            CHECK_OK(package_find(package, text_of(names[i]), &member, &err), &err);
            CHECK(!member.is_found);
            CHECK_FAILS(package_load(package, text_of(names[i]), &out, &err), &err, ERR_IO);
            CHECK(strstr(err.message, "in the package") != NULL);
            buf_release(&out);
        }
        package_close(package);
    }
    remove_packages(root);
}

static void package_load__reports_damage_and_respects_the_limit(void)
{
    char root[64], folder[96], archive[96];
    struct package *package;
    struct err err;
    struct buf out;
    make_packages(root, folder, archive);
    struct io_map map;
    CHECK_OK(io_map(archive, &map, &err), &err);
    struct buf broken;
    buf_init(&broken, LIMIT_BYTES);
    buf_add(&broken, map.bytes.data, map.bytes.size);
    io_unmap(&map);
    uint8_t *at = memmem(broken.data, broken.size, "index", 5);
    CHECK(at != NULL);
    at[0] = 'I';
    CHECK_OK(io_write_file(archive, buf_span(&broken), false, &err), &err);
    buf_release(&broken);
    CHECK_OK(package_open(archive, &package, &err), &err);
    buf_init(&out, LIMIT_BYTES);
    CHECK_FAILS(package_load(package, text_of("features.idx"), &out, &err), &err, ERR_SYNTAX);
    CHECK_TEXT(err.source, "features.idx");
    buf_release(&out);
    buf_init(&out, 10);
    CHECK_FAILS(package_load(package, text_of("manifest.json"), &out, &err), &err, ERR_LIMIT);
    buf_release(&out);
    package_close(package);
    remove_packages(root);
}

static void package_locate__says_where_the_bytes_lie(void)
{
    char root[64], folder[96], archive[96];
    make_packages(root, folder, archive);
    const char *const paths[] = {folder, archive};
    for (size_t p = 0; p < 2; p++) {
        struct package *package;
        struct package_place place;
        struct err err;
        char found[5];
        CHECK_OK(package_open(paths[p], &package, &err), &err);
        CHECK_OK(package_locate(package, text_of("features.idx"), &place, &err), &err);
        CHECK_EQ(place.bytes, 5);
        FILE *file = fopen(place.path, "rbe");
        CHECK(file != NULL);
        CHECK_EQ(fseek(file, (long)place.offset, SEEK_SET), 0);
        CHECK_EQ(fread(found, 1, 5, file), 5);
        CHECK(memcmp(found, "index", 5) == 0);
        fclose(file);
        CHECK_FAILS(package_locate(package, text_of("none"), &place, &err), &err, ERR_IO);
        package_close(package);
    }
    remove_packages(root);
}

static void package_open__says_what_is_wrong(void)
{
    char root[64], folder[96], archive[96], path[256];
    struct package *package;
    struct err err;
    make_packages(root, folder, archive);
    CHECK_FAILS(package_open("/tmp/storey-none", &package, &err), &err, ERR_IO);
    snprintf(path, sizeof path, "%s/features.idx", folder);
    CHECK_FAILS(package_open(path, &package, &err), &err, ERR_SYNTAX);
    CHECK_TEXT(err.source, path);
    /* A foreign manifest does not make a package ours. */
    snprintf(path, sizeof path, "%s/manifest.json", folder);
    CHECK_OK(io_write_file(path, (struct span){(const uint8_t *)"{}", 2}, false, &err), &err);
    CHECK_OK(package_open(folder, &package, &err), &err);
    CHECK(!package_is_ours(package));
    package_close(package);
    remove_packages(root);
}

CHECK_MAIN(CHECK_TEST(package__is_the_same_as_folder_and_as_archive),
           CHECK_TEST(package_find__finds_nothing_outside),
           CHECK_TEST(package_load__reports_damage_and_respects_the_limit),
           CHECK_TEST(package_locate__says_where_the_bytes_lie),
           CHECK_TEST(package_open__says_what_is_wrong))
