/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SERVER_SERVED_H
#define TESTS_SERVER_SERVED_H

/*
 * served.h - a folder of small packages in /tmp, for the tests of the server:
 *
 *     packages/plain/      a folder, foreign
 *     packages/ours.3tz    an archive with a manifest; stored, deflate, zstd
 */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "formats/archive_3tz.h"
#include "formats/base/io.h"
#include "formats/packing.h"
#include "tests/check.h"

/* Named by what is in them, as storey names its files. */
#define SERVED_TILE "tiles/0-770300338c53c812.glb"
#define SERVED_DEFLATE "tiles/deflate-7933314f02d0b406.json"
#define SERVED_ZSTD "tiles/zstd-7933314f02d0b406.json"
#define SERVED_EMPTY "tiles/empty-d8984701d306aa99.bin"

#define SERVED_CHILD(name)                                                                         \
    "{\"boundingVolume\":{\"region\":[1.99,0.39,1.991,0.391,-5,200]},\"geometricError\":0,"        \
    "\"content\":{\"uri\":\"" name "\"}}"

struct served {
    char root[64];     /* to be removed */
    char packages[96]; /* the folder with both */
    char plain[128];
    char ours[128];
};

static const char served_tileset[] =
    "{\"asset\":{\"version\":\"1.1\",\"extras\":{\"storey\":{\"title\":\"Futian "
    "\xE7\xA6\x8F\xE7\x94\xB0\",\"ground_height_m\":-3.5}}},\"geometricError\":100,"
    "\"root\":{\"boundingVolume\":{\"region\":[1.99,0.39,1.991,0.391,-5,200]},"
    "\"geometricError\":10,\"refine\":\"REPLACE\",\"content\":{\"uri\":\"" SERVED_TILE
    "\"},\"children\":[" SERVED_CHILD(SERVED_DEFLATE) "," SERVED_CHILD(
        SERVED_ZSTD) "," SERVED_CHILD(SERVED_EMPTY) "]}}\n";

/* A glTF of its header only, which says its size. */
static const char served_glb[] = "glTF\2\0\0\0\x14\0\0\0\0\0\0\0JSON";

static const char served_text[] =
    "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]";

static const struct {
    const char *name;
    const char *bytes;
    size_t size;
    enum packing_method method;
} served_files[] = {
    {"features.old", "index", 5, PACKING_STORED},
    {"manifest.json", "{\"generator\":\"storey 0.1.0\",\"manifest\":1}", 41, PACKING_STORED},
    {SERVED_DEFLATE, served_text, sizeof served_text - 1, PACKING_DEFLATE},
    {SERVED_ZSTD, served_text, sizeof served_text - 1, PACKING_ZSTD},
    {SERVED_EMPTY, "", 0, PACKING_STORED},
    {SERVED_TILE, served_glb, 20, PACKING_STORED},
    {"tileset.json", served_tileset, sizeof served_tileset - 1, PACKING_STORED},
};
enum { SERVED_FILE_COUNT = sizeof served_files / sizeof served_files[0] };

static inline void served_write_archive(const char *path)
{
    struct err err;
    struct archive_3tz_writer *writer;
    struct buf packed;
    buf_init(&packed, 1 << 20);
    CHECK_OK(archive_3tz_writer_open(path, &writer, &err), &err);
    for (size_t i = 0; i < SERVED_FILE_COUNT; i++) {
        const struct span bytes = {(const uint8_t *)served_files[i].bytes, served_files[i].size};
        buf_reset(&packed);
        CHECK_OK(packing_pack(served_files[i].method, bytes, &packed, &err), &err);
        CHECK_OK(archive_3tz_writer_add(writer, text_of(served_files[i].name),
                                        served_files[i].method, buf_span(&packed),
                                        packing_crc32(0, bytes), bytes.size, 1, &err),
                 &err);
    }
    CHECK_OK(archive_3tz_writer_finish(writer, false, &err), &err);
    archive_3tz_writer_close(writer);
    buf_release(&packed);
}

static inline void served_write(const char *folder, const char *name, const void *bytes,
                                size_t size)
{
    struct err err;
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_OK(io_write_file(path, (struct span){bytes, size}, false, &err), &err);
}

static inline void served_open(struct served *served)
{
    struct err err;
    char path[160];
    strcpy(served->root, "/tmp/storey-served-XXXXXX");
    CHECK(mkdtemp(served->root) != NULL);
    snprintf(served->packages, sizeof served->packages, "%s/packages", served->root);
    snprintf(served->plain, sizeof served->plain, "%s/plain", served->packages);
    snprintf(served->ours, sizeof served->ours, "%s/ours.3tz", served->packages);
    snprintf(path, sizeof path, "%s/tiles", served->plain);
    CHECK_OK(io_make_directory(served->packages, &err), &err);
    CHECK_OK(io_make_directory(served->plain, &err), &err);
    CHECK_OK(io_make_directory(path, &err), &err);
    for (size_t i = 2; i < SERVED_FILE_COUNT; i++) {
        served_write(served->plain, served_files[i].name, served_files[i].bytes,
                     served_files[i].size);
    }
    served_write(served->root, "secret.json", "{}", 2);
    served_write_archive(served->ours);
}

static inline void served_close(struct served *served)
{
    struct err err;
    CHECK_OK(io_remove_tree(served->root, &err), &err);
}

/* Cuts a file in place, as a copy that fails half way does. */
static inline void served_cut(const char *path, off_t size)
{
    CHECK_EQ(truncate(path, size), 0);
}

#endif
