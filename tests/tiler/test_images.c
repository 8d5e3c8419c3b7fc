/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/images.h"

#include <pthread.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "formats/image_png.h"
#include "formats/zip.h"
#include "tests/check.h"
#include "tiler/frame.h"

/* A folder with pictures, removed at the end. */
struct folder {
    char path[64];
    struct report report;
    struct images *images;
};

static void write_bytes(const struct folder *folder, const char *name, struct span bytes)
{
    char path[256];
    struct err err;
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    CHECK_OK(io_write_file(path, bytes, false, &err), &err);
}

/* A square of one colour as PNG. */
static void draw(uint32_t side, uint8_t grey, struct buf *out)
{
    struct arena arena;
    struct image image;
    struct err err;
    arena_init(&arena, 1 << 24);
    CHECK_OK(image_make(side, side, &arena, &image, &err), &err);
    memset(image.pixels, grey, 4 * (size_t)side * side);
    for (size_t i = 0; i < (size_t)side * side; i++) {
        image.pixels[4 * i + 3] = 255;
    }
    CHECK_OK(image_png_write(&image, out, &err), &err);
    arena_release(&arena);
}

static void write_picture(const struct folder *folder, const char *name, uint32_t side,
                          uint8_t grey)
{
    struct buf bytes;
    buf_init(&bytes, 1 << 24);
    draw(side, grey, &bytes);
    write_bytes(folder, name, buf_span(&bytes));
    buf_release(&bytes);
}

static void folder_open(struct folder *folder, size_t cache_bytes)
{
    struct err err;
    char path[128];
    strcpy(folder->path, "/tmp/storey-images-XXXXXX");
    CHECK(mkdtemp(folder->path) != NULL);
    snprintf(path, sizeof path, "%s/sub", folder->path);
    CHECK_OK(io_make_directory(path, &err), &err);
    CHECK_OK(report_open(&folder->report, NULL, &err), &err);
    CHECK_OK(images_open(cache_bytes, &folder->report, &folder->images, &err), &err);
}

static void folder_close(struct folder *folder)
{
    struct err err;
    images_close(folder->images);
    CHECK_OK(report_close(&folder->report, &err), &err);
    CHECK_OK(io_remove_tree(folder->path, &err), &err);
}

static int32_t find(struct folder *folder, uint32_t source, const char *file, const char *name)
{
    char path[256];
    int32_t id;
    struct err err;
    snprintf(path, sizeof path, "%s/%s", folder->path, file);
    CHECK_OK(images_find(folder->images, source, path, text_of(name), &id, &err), &err);
    return id;
}

static uint64_t count_kind(const struct folder *folder, const char *kind)
{
    for (size_t i = 0; i < folder->report.kind_count; i++) {
        if (strcmp(folder->report.kinds[i].name, kind) == 0) {
            return folder->report.kinds[i].count;
        }
    }
    return 0;
}

static void images_find__knows_a_picture_by_its_content(void)
{
    struct folder folder;
    folder_open(&folder, 1 << 24);
    write_picture(&folder, "a.png", 8, 10);
    write_picture(&folder, "sub/copy of a.png", 8, 10);
    write_picture(&folder, "b.png", 16, 10);
    const int32_t a = find(&folder, 0, "city.gml", "a.png");
    CHECK(a != IMAGES_NONE);
    CHECK_EQ(find(&folder, 0, "city.gml", "a.png"), a);
    CHECK_EQ(find(&folder, 0, "city.gml", "sub/copy%20of%20a.png"), a);
    CHECK_EQ(find(&folder, 1, "sub/other.gml", "..\\a.png"), a);
    CHECK_EQ(find(&folder, 1, "sub/other.gml", "file:copy of a.png"), a);
    CHECK(find(&folder, 0, "city.gml", "b.png") != a);
    CHECK_EQ(images_count(folder.images), 2);
    CHECK_EQ(images_facts(folder.images, a).width, 8);
    CHECK_EQ(folder.report.level_count[REPORT_REPAIRED], 0);
    folder_close(&folder);
}

static void images_find__forgives_capitals_and_percents(void)
{
    struct folder folder;
    folder_open(&folder, 1 << 24);
    write_picture(&folder, "sub/Front.JPG", 8, 10);
    write_picture(&folder, "sub/50%20off.png", 16, 10);
    write_picture(&folder, "sub/exact.png", 4, 10);
    write_picture(&folder, "sub/EXACT.png", 4, 99);
    const int32_t front = find(&folder, 0, "city.gml", "sub/Front.JPG");
    CHECK(front != IMAGES_NONE);
    CHECK_EQ(find(&folder, 0, "city.gml", "SUB\\front.jpg"), front);
    CHECK_EQ(images_facts(folder.images, find(&folder, 0, "city.gml", "sub/50%20off.png")).width,
             16);
    /* what is there as it is written comes before what is like it */
    CHECK(find(&folder, 0, "city.gml", "sub/exact.png") !=
          find(&folder, 0, "city.gml", "sub/EXACT.png"));
    CHECK_EQ(find(&folder, 0, "city.gml", "sub/front.jpeg"), IMAGES_NONE);
    CHECK_EQ(count_kind(&folder, "image-missing"), 1);
    folder_close(&folder);
}

static void images_find__says_once_what_is_missing_or_broken(void)
{
    struct folder folder;
    folder_open(&folder, 1 << 24);
    write_bytes(&folder, "page.png", (struct span){(const uint8_t *)"<html>not found", 15});
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(find(&folder, 0, "city.gml", "none.png"), IMAGES_NONE);
        CHECK_EQ(find(&folder, 0, "city.gml", "https://example.org/a.png"), IMAGES_NONE);
        CHECK_EQ(find(&folder, 0, "city.gml", "page.png"), IMAGES_NONE);
        CHECK_EQ(find(&folder, 0, "city.gml", "sub"), IMAGES_NONE);
        CHECK_EQ(find(&folder, 0, "city.gml", ""), IMAGES_NONE);
    }
    CHECK_EQ(count_kind(&folder, "image-missing"), 3);
    CHECK_EQ(count_kind(&folder, "image-broken"), 1);
    folder_close(&folder);
}

/* The header is fine, the pixels are not: found out when they are wanted. */
static void images_hold__has_no_pixels_of_a_damaged_picture(void)
{
    struct folder folder;
    struct buf bytes;
    struct images_hold hold;
    struct err err;
    folder_open(&folder, 1 << 24);
    buf_init(&bytes, 1 << 20);
    draw(32, 99, &bytes);
    write_bytes(&folder, "cut.png", (struct span){bytes.data, bytes.size - 20});
    const int32_t id = find(&folder, 0, "city.gml", "cut.png");
    CHECK(id != IMAGES_NONE);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(images_hold(folder.images, id, 1, &hold, &err), &err);
        CHECK(hold.image.pixels == NULL);
        images_drop(folder.images, &hold);
    }
    CHECK_EQ(count_kind(&folder, "image-broken"), 1);
    buf_release(&bytes);
    folder_close(&folder);
}

static void images_find__looks_into_a_zip(void)
{
    struct folder folder;
    struct buf bytes;
    struct zip_writer *writer;
    struct images_hold hold;
    struct err err;
    char path[256];
    folder_open(&folder, 1 << 24);
    snprintf(path, sizeof path, "%s/city.zip", folder.path);
    buf_init(&bytes, 1 << 20);
    draw(8, 77, &bytes);
    CHECK_OK(zip_writer_open(path, &writer, &err), &err);
    CHECK_OK(zip_writer_add(writer, text_of("udx/appearance/a.png"), PACKING_STORED,
                            buf_span(&bytes), packing_crc32(0, buf_span(&bytes)), bytes.size, 1,
                            &err),
             &err);
    CHECK_OK(zip_writer_finish(writer, false, &err), &err);
    zip_writer_close(writer);
    write_bytes(&folder, "beside.png", buf_span(&bytes));
    const int32_t id = find(&folder, 0, "city.zip", "udx/bldg/../appearance/a.png");
    CHECK(id != IMAGES_NONE);
    CHECK_OK(images_hold(folder.images, id, 1, &hold, &err), &err);
    CHECK_EQ(hold.image.pixels[0], 77);
    images_drop(folder.images, &hold);
    CHECK_EQ(find(&folder, 0, "city.zip", "UDX/Appearance/A.PNG"), id);
    /* What lies beside the archive is not in it. */
    CHECK_EQ(find(&folder, 0, "city.zip", "beside.png"), IMAGES_NONE);
    CHECK_EQ(find(&folder, 0, "city.zip", "../beside.png"), IMAGES_NONE);
    buf_release(&bytes);
    folder_close(&folder);
}

static void images_uses__counts_features(void)
{
    struct folder folder;
    struct err err;
    char path[256];
    folder_open(&folder, 1 << 24);
    snprintf(path, sizeof path, "%s/city.gml", folder.path);
    CHECK_EQ(images_uses(folder.images, 0, path, text_of("a.png")), 1);
    for (int i = 0; i < 5; i++) {
        CHECK_OK(images_note(folder.images, 0, path, text_of("a.png"), &err), &err);
    }
    CHECK_EQ(images_uses(folder.images, 0, path, text_of("a.png")), 5);
    write_picture(&folder, "a.png", 8, 10); /* nobody has looked for it yet */
    CHECK(find(&folder, 0, "city.gml", "a.png") != IMAGES_NONE);
    CHECK_EQ(images_uses(folder.images, 0, path, text_of("a.png")), 5);
    folder_close(&folder);
}

enum { PICTURES = 24, ROUNDS = 200, THREADS = 4 };

struct reader {
    struct images *images;
    const int32_t *ids;
    unsigned seed;
    bool is_right;
};

static void *read_often(void *self)
{
    struct reader *reader = self;
    unsigned state = reader->seed;
    reader->is_right = true;
    for (int i = 0; i < ROUNDS; i++) {
        struct images_hold hold;
        struct err err;
        state = state * 1664525u + 1013904223u;
        const unsigned which = (state >> 16) % PICTURES;
        if (!images_hold(reader->images, reader->ids[which], 1, &hold, &err)) {
            reader->is_right = false;
            return NULL;
        }
        reader->is_right = reader->is_right && hold.image.pixels[0] == which + 1;
        images_drop(reader->images, &hold);
    }
    return NULL;
}

/* Room for five of 24 pictures, and four threads that want all of them. */
static void images_hold__shares_a_small_cache(void)
{
    struct folder folder;
    int32_t ids[PICTURES];
    pthread_t threads[THREADS];
    struct reader readers[THREADS];
    folder_open(&folder, 5 * 4 * 65 * 65);
    for (int i = 0; i < PICTURES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.png", i);
        write_picture(&folder, name, 64, (uint8_t)(i + 1));
        ids[i] = find(&folder, 0, "city.gml", name);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        readers[i] = (struct reader){folder.images, ids, i, false};
        CHECK_EQ(pthread_create(&threads[i], NULL, read_often, &readers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(readers[i].is_right);
    }
    CHECK(images_cached_bytes(folder.images) <= 5 * 4 * 65 * 65);
    folder_close(&folder);
}

static void images_frame__puts_a_border_around(void)
{
    static const uint8_t color[4] = {1, 2, 3, 255};
    static const uint8_t other[4] = {1, 2, 3, 0};
    struct folder folder;
    struct images_hold hold;
    struct err err;
    int32_t framed, again, clear;
    folder_open(&folder, 1 << 24);
    write_picture(&folder, "a.png", 8, 10);
    const int32_t id = find(&folder, 0, "city.gml", "a.png");
    CHECK_OK(images_frame(folder.images, id, color, &framed, &err), &err);
    CHECK_OK(images_frame(folder.images, id, color, &again, &err), &err);
    CHECK_OK(images_frame(folder.images, id, other, &clear, &err), &err);
    CHECK(framed != id && framed == again && clear != framed);
    CHECK_EQ(images_facts(folder.images, framed).width, 10);
    CHECK_EQ(images_facts(folder.images, id).width, 8);
    CHECK(images_facts(folder.images, clear).may_have_alpha);
    CHECK_OK(images_hold(folder.images, framed, 1, &hold, &err), &err);
    const uint8_t *pixels = hold.image.pixels;
    CHECK_EQ(hold.image.width, 10);
    for (size_t i = 0; i < 10; i++) {
        CHECK(memcmp(pixels + 4 * i, color, 4) == 0 && memcmp(pixels + 40 * i, color, 4) == 0);
        CHECK(memcmp(pixels + 4 * (90 + i), color, 4) == 0);
    }
    CHECK_EQ(pixels[4 * 11], 10);
    CHECK_EQ(pixels[4 * 88], 10);
    images_drop(folder.images, &hold);
    folder_close(&folder);
}

static void frame_record__moves_coordinates_inward(void)
{
    struct folder folder;
    struct arena tile;
    struct err err;
    char path[256];
    folder_open(&folder, 1 << 24);
    write_picture(&folder, "a.png", 8, 10);
    snprintf(path, sizeof path, "%s/city.gml", folder.path);
    const float uvs[] = {0, 0, 1, 0, 2, 2, 0, 0, 1, 0, 2, 2};
    const struct feature_ring rings[] = {{0, 3}, {3, 3}};
    const struct feature_polygon polygons[] = {
        {.first_ring = 0, .ring_count = 1, .texture = 0},
        {.first_ring = 1, .ring_count = 1, .texture = 1},
    };
    const struct feature_texture textures[] = {
        {.image = text_of("a.png"), .wrap = WRAP_REPEAT},
        {.image = text_of("a.png"), .wrap = WRAP_BORDER, .border = {1, 0, 0, 1}},
    };
    struct record record = {.feature = {.uvs = uvs,
                                        .corner_count = 6,
                                        .rings = rings,
                                        .ring_count = 2,
                                        .polygons = polygons,
                                        .polygon_count = 2,
                                        .textures = textures,
                                        .texture_count = 2}};
    arena_init(&tile, 1 << 20);
    CHECK_OK(frame_record(&record, folder.images, path, &tile, &err), &err);
    CHECK(memcmp(record.feature.uvs, uvs, 6 * sizeof uvs[0]) == 0);
    CHECK_NEAR(record.feature.uvs[6], 0.1, 1e-6, "the image begins behind the frame");
    CHECK_NEAR(record.feature.uvs[8], 0.9, 1e-6, "and ends before it");
    CHECK_NEAR(record.feature.uvs[10], 1.7, 1e-6, "beyond");
    int32_t plain, framed;
    CHECK_OK(frame_find(folder.images, 0, path, &textures[0], &plain, &err), &err);
    CHECK_OK(frame_find(folder.images, 0, path, &textures[1], &framed, &err), &err);
    CHECK_EQ(images_facts(folder.images, plain).width, 8);
    CHECK_EQ(images_facts(folder.images, framed).width, 10);
    arena_release(&tile);
    folder_close(&folder);
}

CHECK_MAIN(CHECK_TEST(images_frame__puts_a_border_around),
           CHECK_TEST(frame_record__moves_coordinates_inward),
           CHECK_TEST(images_find__knows_a_picture_by_its_content),
           CHECK_TEST(images_find__forgives_capitals_and_percents),
           CHECK_TEST(images_find__says_once_what_is_missing_or_broken),
           CHECK_TEST(images_hold__has_no_pixels_of_a_damaged_picture),
           CHECK_TEST(images_find__looks_into_a_zip), CHECK_TEST(images_uses__counts_features),
           CHECK_TEST(images_hold__shares_a_small_cache))
