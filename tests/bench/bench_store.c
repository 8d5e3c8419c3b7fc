/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a package of many tiles, and looking tiles up in it.
 *
 *     bench_store [TILES]      1000000; writes /tmp/storey-bench-*.3tz, removes it
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "formats/archive_3tz.h"
#include "formats/digest.h"
#include "server/store.h"

static const char root[] =
    "{\"asset\":{\"version\":\"1.1\",\"extras\":{\"storey\":{\"ground_height_m\":0}}},"
    "\"geometricError\":1,\"root\":{\"boundingVolume\":{\"region\":[1.99,0.39,1.991,0.391,0,9]},"
    "\"geometricError\":0}}";

static int fail(const struct err *err)
{
    char line[512];
    err_format(err, line, sizeof line);
    fprintf(stderr, "bench_store: %s\n", line);
    return 1;
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static bool add(struct archive_3tz_writer *writer, const char *name, struct span bytes,
                struct err *err)
{
    return archive_3tz_writer_add(writer, text_of(name), PACKING_STORED, bytes,
                                  packing_crc32(0, bytes), bytes.size, 1, err);
}

static void name_tile(unsigned long i, const uint8_t *tile, char out[64])
{
    snprintf(out, 64, "tiles/1-%lu-%016llx.glb", i,
             (unsigned long long)digest_short((struct span){tile, 20}));
}

static void make_tile(unsigned long i, uint8_t out[20])
{
    memcpy(out, "glTF\2\0\0\0\x14\0\0\0\0\0\0\0", 16);
    bytes_store_u32le(out + 16, (uint32_t)i);
}

static bool write_package(const char *path, unsigned long tiles, struct err *err)
{
    struct archive_3tz_writer *writer;
    struct buf manifest;
    if (!archive_3tz_writer_open(path, &writer, err)) {
        return false;
    }
    buf_init(&manifest, 1 << 30);
    buf_add_text(&manifest, "{\"generator\":\"storey 0.1.0\",\"manifest\":1,\"files\":[");
    bool ok = true;
    for (unsigned long i = 0; ok && i < tiles; i++) {
        uint8_t tile[20];
        char name[64];
        make_tile(i, tile);
        name_tile(i, tile, name);
        buf_print(&manifest, "%s{\"name\":\"%s\",\"bytes\":20,\"digest\":\"%032lx\"}",
                  i == 0 ? "" : ",\n", name, i);
        ok = add(writer, name, (struct span){tile, sizeof tile}, err);
    }
    buf_add_text(&manifest, "]}\n");
    ok = ok && buf_finish(&manifest, err) &&
         add(writer, "manifest.json", buf_span(&manifest), err) &&
         add(writer, "tileset.json", (struct span){(const uint8_t *)root, sizeof root - 1}, err) &&
         archive_3tz_writer_finish(writer, false, err);
    archive_3tz_writer_close(writer);
    buf_release(&manifest);
    return ok;
}

int main(int argc, char **argv)
{
    const unsigned long tiles = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    char path[] = "/tmp/storey-bench-XXXXXX";
    struct store *store = NULL;
    struct store_cache *cache = NULL;
    struct err err;
    const int fd = mkstemp(path);
    if (fd < 0) {
        return 1;
    }
    close(fd);
    unlink(path);
    bool ok = write_package(path, tiles, &err);
    const double before = now_ms();
    ok = ok && store_open(path, &store, &err);
    const double opened = now_ms();
    const struct store_cache_options options = {.slot_count = 4096, .expanded_bytes = 1 << 20};
    ok = ok && store_cache_open(options, &cache, &err);
    const unsigned long lookups = 200000;
    const double begin = now_ms();
    for (unsigned long i = 0; ok && i < lookups; i++) {
        uint8_t tile[20];
        char name[64];
        struct store_view *view;
        bool is_refused;
        const unsigned long number = i * 7919 % tiles;
        make_tile(number, tile);
        name_tile(number, tile, name);
        ok = store_cache_find(cache, store, text_of(name), 1U << MESSAGE_IDENTITY, &view,
                              &is_refused, &err);
        if (ok) {
            store_view_give_back(view);
        }
    }
    const double end = now_ms();
    if (ok) {
        printf("open, %lu tiles: %.1f ms; first look at a tile: %.2f us (CPU time)\n", tiles,
               opened - before, (end - begin) * 1e3 / (double)lookups);
    }
    store_cache_close(cache);
    store_drop(store);
    unlink(path);
    return ok ? 0 : fail(&err);
}
