/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tiler/pack.h"

#include <sys/stat.h>
#include <unistd.h>

#include "formats/archive_3tz.h"
#include "formats/base/io.h"
#include "formats/package.h"
#include "tests/check.h"

enum { LIMIT_BYTES = 1 << 20 };

static const char manifest[] = "{\"generator\":\"storey 0.1.0\",\"manifest\":1}";

/* A package in ROOT/city, with something to compress and something not. */
static void make_folder(char root[64], char folder[96])
{
    struct err err;
    char path[256];
    struct buf large;
    strcpy(root, "/tmp/storey-pack-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    snprintf(folder, 96, "%s/city", root);
    snprintf(path, sizeof path, "%s/tiles", folder);
    CHECK_OK(io_make_directory(folder, &err), &err);
    CHECK_OK(io_make_directory(path, &err), &err);
    buf_init(&large, LIMIT_BYTES);
    for (unsigned i = 0, state = 1; i < 50000; i++) {
        state = state * 1103515245 + 12345;
        buf_add_byte(&large, (uint8_t)(state >> 16));
    }
    static const char *const names[] = {"features.gpkg", "tiles/noise.glb"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        CHECK_OK(io_write_file(path, buf_span(&large), false, &err), &err);
    }
    memset(large.data, 'x', large.size);
    snprintf(path, sizeof path, "%s/tiles/\xE6\xA5\xBC.glb", folder);
    CHECK_OK(io_write_file(path, buf_span(&large), false, &err), &err);
    snprintf(path, sizeof path, "%s/tileset.json", folder);
    CHECK_OK(io_write_file(path, (struct span){(const uint8_t *)"{}", 2}, false, &err), &err);
    snprintf(path, sizeof path, "%s/manifest.json", folder);
    CHECK_OK(io_write_file(path, (struct span){(const uint8_t *)manifest, sizeof manifest - 1},
                           false, &err),
             &err);
    buf_release(&large);
}

static void pack_run__compresses_what_is_worth_it(void)
{
    static const struct {
        const char *name;
        unsigned method;
        size_t align;
    } expected[] = {{"features.gpkg", PACKING_STORED, 4096},
                    {"tiles/noise.glb", PACKING_STORED, 8},
                    {"tiles/\xE6\xA5\xBC.glb", PACKING_DEFLATE, 1},
                    {"tileset.json", PACKING_STORED, 1}};
    char root[64], folder[96], output[96];
    struct package *package;
    struct io_map map;
    struct err err;
    make_folder(root, folder);
    snprintf(output, sizeof output, "%s/city.3tz", root);
    const struct pack_options options = {
        .input = folder, .output = output, .method = PACKING_DEFLATE};
    CHECK_OK(pack_run(&options, &err), &err);
    CHECK_OK(package_open(output, &package, &err), &err);
    CHECK_OK(io_map(output, &map, &err), &err);
    for (size_t i = 0; i < 4; i++) {
        struct package_member member;
        CHECK_OK(package_find(package, text_of(expected[i].name), &member, &err), &err);
        CHECK(member.is_found);
        CHECK_EQ(member.method, expected[i].method);
        const uint8_t *at =
            memmem(map.bytes.data, map.bytes.size, member.packed.data, member.packed.size);
        CHECK(at != NULL);
        CHECK_EQ((size_t)(at - map.bytes.data) % expected[i].align, 0);
    }
    io_unmap(&map);
    package_close(package);
    CHECK_OK(io_remove_tree(root, &err), &err);
}

static void pack_unpack__gives_back_the_same_files(void)
{
    static const enum packing_method methods[] = {PACKING_STORED, PACKING_DEFLATE, PACKING_ZSTD};
    char root[64], folder[96], archive[96], again[96], back[96], command[512];
    struct io_map a, b;
    struct err err;
    make_folder(root, folder);
    snprintf(back, sizeof back, "%s/back", root);
    for (size_t i = 0; i < 3; i++) {
        snprintf(archive, sizeof archive, "%s/city%zu.3tz", root, i);
        snprintf(again, sizeof again, "%s/again%zu.3tz", root, i);
        const struct pack_options pack = {folder, archive, methods[i]};
        const struct pack_options unpack = {archive, back, methods[i]};
        const struct pack_options repack = {back, again, methods[i]};
        CHECK_OK(pack_run(&pack, &err), &err);
        CHECK_OK(pack_unpack(&unpack, &err), &err);
        snprintf(command, sizeof command, "diff -r %s %s", folder, back);
        CHECK_EQ(system(command), 0);
        CHECK_OK(pack_run(&repack, &err), &err);
        CHECK_OK(io_map(archive, &a, &err), &err);
        CHECK_OK(io_map(again, &b, &err), &err);
        CHECK_EQ(a.bytes.size, b.bytes.size);
        CHECK(memcmp(a.bytes.data, b.bytes.data, a.bytes.size) == 0);
        io_unmap(&a);
        io_unmap(&b);
    }
    CHECK_OK(io_remove_tree(root, &err), &err);
}

/* The archive of somebody who means harm: the name is changed after writing,
 * the index with it. */
static void pack_unpack__stays_in_its_folder(void)
{
    char root[64], folder[96], archive[96], output[96];
    struct archive_3tz_writer *writer;
    struct err err;
    make_folder(root, folder);
    snprintf(archive, sizeof archive, "%s/evil.3tz", root);
    snprintf(output, sizeof output, "%s/out", root);
    CHECK_OK(archive_3tz_writer_open(archive, &writer, &err), &err);
    static const char *const names[] = {"tileset.json", "aa/escaped"};
    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(archive_3tz_writer_add(writer, text_of(names[i]), PACKING_STORED,
                                        (struct span){NULL, 0}, 0, 0, 1, &err),
                 &err);
    }
    CHECK_OK(archive_3tz_writer_finish(writer, false, &err), &err);
    archive_3tz_writer_close(writer);
    struct io_map map;
    struct buf evil;
    buf_init(&evil, LIMIT_BYTES);
    CHECK_OK(io_map(archive, &map, &err), &err);
    buf_add(&evil, map.bytes.data, map.bytes.size);
    io_unmap(&map);
    for (size_t i = 0; i + 10 <= evil.size; i++) {
        if (memcmp(evil.data + i, "aa/escaped", 10) == 0) {
            memcpy(evil.data + i, "../escaped", 10);
        }
    }
    CHECK_OK(io_write_file(archive, buf_span(&evil), false, &err), &err);
    buf_release(&evil);
    const struct pack_options unpack = {.input = archive, .output = output};
    CHECK_FAILS(pack_unpack(&unpack, &err), &err, ERR_SCHEMA);
    CHECK(access(output, F_OK) != 0);
    snprintf(output, sizeof output, "%s/escaped", root);
    CHECK(access(output, F_OK) != 0);
    CHECK_OK(io_remove_tree(root, &err), &err);
}

static void pack__says_what_is_wrong(void)
{
    char root[64], folder[96], archive[96], empty[96];
    struct err err;
    make_folder(root, folder);
    snprintf(archive, sizeof archive, "%s/city.3tz", root);
    snprintf(empty, sizeof empty, "%s/empty", root);
    CHECK_EQ(mkdir(empty, 0777), 0);
    const struct pack_options wrong_name = {folder, empty, PACKING_DEFLATE};
    CHECK_FAILS(pack_run(&wrong_name, &err), &err, ERR_UNSUPPORTED);
    const struct pack_options no_tileset = {empty, archive, PACKING_DEFLATE};
    CHECK_FAILS(pack_run(&no_tileset, &err), &err, ERR_SCHEMA);
    const struct pack_options missing = {"/tmp/storey-none", archive, PACKING_DEFLATE};
    CHECK_FAILS(pack_run(&missing, &err), &err, ERR_IO);
    const struct pack_options not_an_archive = {folder, empty, PACKING_DEFLATE};
    CHECK_FAILS(pack_unpack(&not_an_archive, &err), &err, ERR_UNSUPPORTED);
    const struct pack_options pack = {folder, archive, PACKING_DEFLATE};
    CHECK_OK(pack_run(&pack, &err), &err);
    CHECK_OK(pack_run(&pack, &err), &err);
    const struct pack_options onto_archive = {archive, archive, PACKING_DEFLATE};
    CHECK_FAILS(pack_unpack(&onto_archive, &err), &err, ERR_UNSUPPORTED);
    CHECK_OK(io_remove_tree(root, &err), &err);
}

CHECK_MAIN(CHECK_TEST(pack_run__compresses_what_is_worth_it),
           CHECK_TEST(pack_unpack__gives_back_the_same_files),
           CHECK_TEST(pack_unpack__stays_in_its_folder), CHECK_TEST(pack__says_what_is_wrong))
