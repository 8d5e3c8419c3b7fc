/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/store.h"

#include "tests/server/served.h"

enum {
    TAKES_IDENTITY = 1 << MESSAGE_IDENTITY,
    TAKES_GZIP = 1 << MESSAGE_GZIP,
    TAKES_ALL = TAKES_IDENTITY | TAKES_GZIP | 1 << MESSAGE_ZSTD
};

static struct served served;
static struct store *store;
static struct store_cache *cache;

static void open_store(const char *path)
{
    struct err err;
    CHECK_OK(store_open(path, &store, &err), &err);
    const struct store_cache_options options = {.slot_count = 16, .expanded_bytes = 1 << 20};
    CHECK_OK(store_cache_open(options, &cache, &err), &err);
}

static void close_store(void)
{
    store_cache_close(cache);
    store_drop(store);
}

static struct store_view *find(const char *name, unsigned codings)
{
    struct err err;
    struct store_view *view = NULL;
    bool is_refused;
    CHECK_OK(store_cache_find(cache, store, text_of(name), codings, &view, &is_refused, &err),
             &err);
    CHECK(!is_refused);
    return view;
}

/* The body as a client gets it. */
static void gather(const struct store_view *view, struct buf *out)
{
    buf_init(out, 1 << 20);
    for (size_t i = 0; i < view->part_count; i++) {
        buf_add(out, view->parts[i].data, view->parts[i].size);
    }
    CHECK_EQ(out->size, view->bytes);
}

static void check_body(const struct store_view *view, const char *bytes, size_t size)
{
    struct buf body;
    gather(view, &body);
    CHECK_EQ(body.size, size);
    CHECK(size == 0 || memcmp(body.data, bytes, size) == 0);
    buf_release(&body);
}

static void store_open__reads_the_facts(void)
{
    served_open(&served);
    open_store(served.ours);
    const struct facts *facts = store_facts(store);
    CHECK(facts->is_ours);
    CHECK_TEXT_IS(facts->title, "Futian \xE7\xA6\x8F\xE7\x94\xB0");
    CHECK(facts->has_ground_height);
    CHECK_NEAR(facts->ground_height_m, -3.5, 0, "m");
    CHECK(facts->has_extent);
    CHECK_NEAR(facts->extent_deg_m[0], 114.018601, 1e-6, "degrees");
    CHECK_NEAR(facts->extent_deg_m[2], -5, 0, "m");
    CHECK_NEAR(facts->extent_deg_m[4], 22.402650, 1e-6, "degrees");
    close_store();
    served_close(&served);
}

/* The list of a million files is not what opening waits for. */
static void store_open__believes_a_large_manifest(void)
{
    static char large[300 << 10];
    served_open(&served);
    memset(large, ' ', sizeof large);
    served_write(served.plain, "manifest.json", large, sizeof large);
    open_store(served.plain);
    CHECK(store_facts(store)->is_ours); /* its tileset.json has our extras */
    close_store();
    served_write(served.plain, "manifest.json", large, 1000);
    open_store(served.plain);
    CHECK(!store_facts(store)->is_ours);
    close_store();
    served_close(&served);
}

static void store_open__says_what_is_missing(void)
{
    served_open(&served);
    struct err err;
    char line[512];
    CHECK_FAILS(store_open("/nonexistent/package", &store, &err), &err, ERR_IO);
    err_format(&err, line, sizeof line);
    CHECK(strstr(line, "/nonexistent/package") != NULL);
    served_write(served.plain, "tileset.json", "{\"asset\":", 9);
    CHECK_FAILS(store_open(served.plain, &store, &err), &err, ERR_SYNTAX);
    CHECK_EQ(err.line, 1);
    served_close(&served);
}

static void views__are_the_bytes_that_were_packed(void)
{
    served_open(&served);
    const char *const paths[] = {served.plain, served.ours};
    for (size_t p = 0; p < 2; p++) {
        open_store(paths[p]);
        for (size_t i = 2; i < SERVED_FILE_COUNT; i++) {
            struct store_view *view = find(served_files[i].name, TAKES_IDENTITY);
            CHECK(view != NULL);
            CHECK_EQ(view->coding, MESSAGE_IDENTITY);
            /* A foreign root has its revision in its URIs. */
            if (p == 1 || strcmp(served_files[i].name, "tileset.json") != 0) {
                check_body(view, served_files[i].bytes, served_files[i].size);
            }
            store_view_give_back(view);
        }
        CHECK(find("tiles/none.glb", TAKES_ALL) == NULL);
        CHECK(find("../secret.json", TAKES_ALL) == NULL);
        close_store();
    }
    served_close(&served);
}

static void deflate_members__go_out_as_gzip(void)
{
    served_open(&served);
    open_store(served.ours);
    struct store_view *view = find(SERVED_DEFLATE, TAKES_ALL);
    CHECK_EQ(view->coding, MESSAGE_GZIP);
    CHECK_EQ(view->part_count, 3);
    struct buf body;
    gather(view, &body);
    CHECK(body.size < sizeof served_text);
    CHECK_EQ(body.data[0], 0x1F);
    CHECK_EQ(body.data[1], 0x8B);
    struct buf expanded;
    struct err err;
    buf_init(&expanded, 1 << 20);
    const struct span middle = {body.data + 10, body.size - 18};
    CHECK_OK(packing_expand(PACKING_DEFLATE, middle, sizeof served_text - 1, &expanded, &err),
             &err);
    CHECK_EQ(bytes_load_u32le(body.data + body.size - 8), packing_crc32(0, buf_span(&expanded)));
    CHECK_EQ(bytes_load_u32le(body.data + body.size - 4), sizeof served_text - 1);
    buf_release(&expanded);
    buf_release(&body);
    store_view_give_back(view);
    close_store();
    served_close(&served);
}

static void zstd_members__go_out_as_they_are(void)
{
    served_open(&served);
    open_store(served.ours);
    struct store_view *view = find(SERVED_ZSTD, TAKES_ALL);
    CHECK_EQ(view->coding, MESSAGE_ZSTD);
    struct buf expanded;
    struct err err;
    buf_init(&expanded, 1 << 20);
    CHECK_OK(packing_expand(PACKING_ZSTD, view->parts[0], sizeof served_text - 1, &expanded, &err),
             &err);
    CHECK(memcmp(expanded.data, served_text, sizeof served_text - 1) == 0);
    buf_release(&expanded);
    store_view_give_back(view);
    close_store();
    served_close(&served);
}

/* Each coding is another representation and has another tag. */
static void etags__tell_codings_apart_and_stay(void)
{
    served_open(&served);
    open_store(served.ours);
    struct store_view *gzip = find(SERVED_DEFLATE, TAKES_ALL);
    struct store_view *plain = find(SERVED_DEFLATE, TAKES_IDENTITY);
    struct store_view *again = find(SERVED_DEFLATE, TAKES_ALL);
    CHECK(gzip == again);
    CHECK(strcmp(gzip->etag, plain->etag) != 0);
    CHECK(strstr(gzip->etag, "-gzip\"") != NULL);
    char kept[STORE_ETAG_BYTES];
    strcpy(kept, gzip->etag);
    store_view_give_back(gzip);
    store_view_give_back(plain);
    store_view_give_back(again);
    close_store();
    open_store(served.ours);
    gzip = find(SERVED_DEFLATE, TAKES_ALL);
    CHECK_TEXT(gzip->etag, kept);
    store_view_give_back(gzip);
    close_store();
    served_close(&served);
}

static void codings__that_are_refused_are_told(void)
{
    served_open(&served);
    open_store(served.ours);
    struct err err;
    struct store_view *view;
    bool is_refused;
    CHECK_OK(
        store_cache_find(cache, store, text_of(SERVED_TILE), TAKES_GZIP, &view, &is_refused, &err),
        &err);
    CHECK(view == NULL);
    CHECK(is_refused);
    close_store();
    served_close(&served);
}

static void immutable__are_content_named_tiles_of_ours(void)
{
    served_open(&served);
    open_store(served.ours);
    struct store_view *tile = find(SERVED_TILE, TAKES_ALL);
    struct store_view *other = find("tileset.json", TAKES_ALL);
    CHECK(tile->is_immutable);
    CHECK(!other->is_immutable);
    store_view_give_back(tile);
    store_view_give_back(other);
    close_store();
    open_store(served.plain);
    tile = find(SERVED_TILE, TAKES_ALL);
    CHECK(!tile->is_immutable);
    store_view_give_back(tile);
    close_store();
    served_close(&served);
}

static void store_may_serve__keeps_the_attributes_back(void)
{
    served_open(&served);
    open_store(served.ours);
    CHECK(store_may_serve(store, text_of("tileset.json")));
    CHECK(store_may_serve(store, text_of(SERVED_TILE)));
    CHECK(!store_may_serve(store, text_of("features.old")));
    CHECK(!store_may_serve(store, text_of("features.gpkg")));
    CHECK(!store_may_serve(store, text_of("manifest.json")));
    CHECK(!store_may_serve(store, text_of("@3dtilesIndex1@")));
    CHECK(!store_may_serve(store, text_of(".hidden")));
    CHECK(!store_may_serve(store, text_of("tiles/.hidden")));
    close_store();
    served_close(&served);
}

/* Sixteen slots, many names: what falls out of the cache while it is in use
 * stays valid for who uses it. */
static void cache__forgets_but_not_what_is_in_use(void)
{
    served_open(&served);
    for (int i = 0; i < 64; i++) {
        char name[32];
        snprintf(name, sizeof name, "tiles/%d.bin", i);
        served_write(served.plain, name, name, strlen(name));
    }
    open_store(served.plain);
    struct store_view *first = find("tiles/0.bin", TAKES_IDENTITY);
    for (int i = 1; i < 64; i++) {
        char name[32];
        snprintf(name, sizeof name, "tiles/%d.bin", i);
        struct store_view *view = find(name, TAKES_IDENTITY);
        check_body(view, name, strlen(name));
        store_view_give_back(view);
    }
    CHECK(store_cache_count(cache) <= 16);
    check_body(first, "tiles/0.bin", 11);
    store_view_give_back(first);
    close_store();
    served_close(&served);
}

static void cache__drops_what_no_catalogue_serves(void)
{
    served_open(&served);
    open_store(served.ours);
    store_mark(store, 3);
    store_view_give_back(find(SERVED_TILE, TAKES_ALL));
    store_cache_retain(cache, 3);
    CHECK_EQ(store_cache_count(cache), 1);
    store_cache_retain(cache, 4);
    CHECK_EQ(store_cache_count(cache), 0);
    close_store();
    served_close(&served);
}

static void expect_failure(const char *name)
{
    struct err err;
    struct store_view *view = NULL;
    bool is_refused;
    if (store_cache_find(cache, store, text_of(name), TAKES_ALL, &view, &is_refused, &err)) {
        fail_msg("'%s' was found", name);
    }
    CHECK(err.code == ERR_IO || err.code == ERR_SYNTAX);
}

/* The map of a file that was cut raises SIGBUS where it is read. */
static void cut_archives__fail_and_the_process_lives(void)
{
    struct err err;
    CHECK_OK(store_guard_maps(&err), &err);
    served_open(&served);
    open_store(served.ours);
    store_view_give_back(find(SERVED_TILE, TAKES_ALL));
    served_cut(served.ours, 10);
    store_cache_turn(cache);
    expect_failure(SERVED_TILE);
    expect_failure(SERVED_ZSTD);
    expect_failure("tiles/none");
    CHECK(store_is_stale(store));
    close_store();
    served_close(&served);
}

/* Reading a map beyond the cut gives zeros, also where no size was asked for. */
static void store_guard_maps__puts_zeros_beyond_a_cut(void)
{
    struct err err;
    CHECK_OK(store_guard_maps(&err), &err);
    served_open(&served);
    char large[3 * 4096];
    memset(large, 'x', sizeof large);
    served_write(served.root, "large", large, sizeof large);
    char path[128];
    snprintf(path, sizeof path, "%s/large", served.root);
    struct io_map map;
    CHECK_OK(io_map(path, &map, &err), &err);
    CHECK_EQ(map.bytes.data[8192], 'x');
    served_cut(path, 4096);
    CHECK_EQ(((const volatile uint8_t *)map.bytes.data)[8192], 0);
    CHECK_EQ(map.bytes.data[4095], 'x');
    io_unmap(&map);
    served_close(&served);
}

static void cut_files__fail_and_whole_ones_come_back(void)
{
    served_open(&served);
    open_store(served.plain);
    char path[256];
    snprintf(path, sizeof path, "%s/%s", served.plain, SERVED_TILE);
    store_view_give_back(find(SERVED_TILE, TAKES_ALL));
    served_cut(path, 14);
    store_cache_turn(cache);
    expect_failure(SERVED_TILE);
    served_write(served.plain, SERVED_TILE, served_glb, 20);
    store_cache_turn(cache);
    struct store_view *view = find(SERVED_TILE, TAKES_ALL);
    check_body(view, served_glb, 20);
    store_view_give_back(view);
    close_store();
    served_close(&served);
}

/* One byte of the packed deflate data changed, in an archive of the same size. */
static void damaged_members__fail_their_checksum(void)
{
    served_open(&served);
    struct err err;
    struct io_map map;
    CHECK_OK(io_map(served.ours, &map, &err), &err);
    const uint8_t *tile = memmem(map.bytes.data, map.bytes.size, "glTF", 4);
    CHECK(tile != NULL);
    const off_t at = tile - map.bytes.data + 13;
    io_unmap(&map);
    const int fd = open(served.ours, O_WRONLY);
    CHECK_EQ(pwrite(fd, "!", 1, at), 1);
    close(fd);
    open_store(served.ours);
    expect_failure(SERVED_TILE);
    close_store();
    served_close(&served);
}

CHECK_MAIN(
    CHECK_TEST(store_open__reads_the_facts), CHECK_TEST(store_open__believes_a_large_manifest),
    CHECK_TEST(store_open__says_what_is_missing), CHECK_TEST(views__are_the_bytes_that_were_packed),
    CHECK_TEST(deflate_members__go_out_as_gzip), CHECK_TEST(zstd_members__go_out_as_they_are),
    CHECK_TEST(etags__tell_codings_apart_and_stay), CHECK_TEST(codings__that_are_refused_are_told),
    CHECK_TEST(immutable__are_content_named_tiles_of_ours),
    CHECK_TEST(store_may_serve__keeps_the_attributes_back),
    CHECK_TEST(cache__forgets_but_not_what_is_in_use),
    CHECK_TEST(cache__drops_what_no_catalogue_serves),
    CHECK_TEST(cut_archives__fail_and_the_process_lives),
    CHECK_TEST(store_guard_maps__puts_zeros_beyond_a_cut),
    CHECK_TEST(cut_files__fail_and_whole_ones_come_back),
    CHECK_TEST(damaged_members__fail_their_checksum))
