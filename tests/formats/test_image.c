/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/image.h"

#include <dirent.h>

#include "formats/base/io.h"
#include "formats/image_jpeg.h"
#include "formats/image_png.h"
#include "formats/image_webp.h"
#include "tests/check.h"

/* The smallest of each, written by other programs: two pixels beside each
 * other. JPEG grey 77; WebP and PNG red and half-clear green; TIFF red and
 * (0, 128, 255). The last is a JPEG in CMYK, 8 x 8, full magenta and yellow. */
/* clang-format off */
static const uint8_t jpeg[] = {
    0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10, 0x4a, 0x46, 0x49, 0x46, 0x00, 0x01, 0x01, 0x00, 0x00, 0x01,
    0x00, 0x01, 0x00, 0x00, 0xff, 0xdb, 0x00, 0x43, 0x00, 0x02, 0x01, 0x01, 0x01, 0x01, 0x01, 0x02,
    0x01, 0x01, 0x01, 0x02, 0x02, 0x02, 0x02, 0x02, 0x04, 0x03, 0x02, 0x02, 0x02, 0x02, 0x05, 0x04,
    0x04, 0x03, 0x04, 0x06, 0x05, 0x06, 0x06, 0x06, 0x05, 0x06, 0x06, 0x06, 0x07, 0x09, 0x08, 0x06,
    0x07, 0x09, 0x07, 0x06, 0x06, 0x08, 0x0b, 0x08, 0x09, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x06, 0x08,
    0x0b, 0x0c, 0x0b, 0x0a, 0x0c, 0x09, 0x0a, 0x0a, 0x0a, 0xff, 0xc0, 0x00, 0x0b, 0x08, 0x00, 0x01,
    0x00, 0x02, 0x01, 0x01, 0x11, 0x00, 0xff, 0xc4, 0x00, 0x14, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0xff, 0xc4, 0x00, 0x14,
    0x10, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0xff, 0xda, 0x00, 0x08, 0x01, 0x01, 0x00, 0x00, 0x3f, 0x00, 0x19, 0xbf, 0xff, 0xd9,
};
static const uint8_t webp[] = {
    0x52, 0x49, 0x46, 0x46, 0x20, 0x00, 0x00, 0x00, 0x57, 0x45, 0x42, 0x50, 0x56, 0x50, 0x38, 0x4c,
    0x13, 0x00, 0x00, 0x00, 0x2f, 0x01, 0x00, 0x00, 0x10, 0x0f, 0x30, 0xff, 0xfb, 0x1f, 0x0f, 0xfc,
    0x0f, 0x07, 0x15, 0x88, 0xe8, 0x7f, 0x00, 0x00,
};
static const uint8_t png[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0xf4, 0x22, 0x7f,
    0x8a, 0x00, 0x00, 0x00, 0x11, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0xf8, 0xcf, 0xc0, 0xf0,
    0x9f, 0xe1, 0x3f, 0x43, 0x03, 0x00, 0x10, 0x79, 0x03, 0x7e, 0x5c, 0x2f, 0x62, 0x93, 0x00, 0x00,
    0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
};
static const uint8_t tiff[] = {
    0x49, 0x49, 0x2a, 0x00, 0x08, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x01, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x01, 0x03, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00,
    0x00, 0x00, 0x02, 0x01, 0x03, 0x00, 0x03, 0x00, 0x00, 0x00, 0x7a, 0x00, 0x00, 0x00, 0x03, 0x01,
    0x03, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x06, 0x01, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x11, 0x01, 0x04, 0x00, 0x01, 0x00, 0x00, 0x00, 0x80, 0x00,
    0x00, 0x00, 0x15, 0x01, 0x03, 0x00, 0x01, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x16, 0x01,
    0x03, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x17, 0x01, 0x04, 0x00, 0x01, 0x00,
    0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x08, 0x00, 0x08, 0x00,
    0xff, 0x00, 0x00, 0x00, 0x80, 0xff,
};
static const uint8_t cmyk[] = {
    0xff, 0xd8, 0xff, 0xee, 0x00, 0x0e, 0x41, 0x64, 0x6f, 0x62, 0x65, 0x00, 0x64, 0x00, 0x00, 0x00,
    0x00, 0x00, 0xff, 0xdb, 0x00, 0x43, 0x00, 0x02, 0x01, 0x01, 0x01, 0x01, 0x01, 0x02, 0x01, 0x01,
    0x01, 0x02, 0x02, 0x02, 0x02, 0x02, 0x04, 0x03, 0x02, 0x02, 0x02, 0x02, 0x05, 0x04, 0x04, 0x03,
    0x04, 0x06, 0x05, 0x06, 0x06, 0x06, 0x05, 0x06, 0x06, 0x06, 0x07, 0x09, 0x08, 0x06, 0x07, 0x09,
    0x07, 0x06, 0x06, 0x08, 0x0b, 0x08, 0x09, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x06, 0x08, 0x0b, 0x0c,
    0x0b, 0x0a, 0x0c, 0x09, 0x0a, 0x0a, 0x0a, 0xff, 0xc0, 0x00, 0x14, 0x08, 0x00, 0x08, 0x00, 0x08,
    0x04, 0x43, 0x11, 0x00, 0x4d, 0x11, 0x00, 0x59, 0x11, 0x00, 0x4b, 0x11, 0x00, 0xff, 0xc4, 0x00,
    0x15, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x09, 0x0a, 0xff, 0xc4, 0x00, 0x14, 0x10, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xda, 0x00, 0x0e, 0x04, 0x43,
    0x00, 0x4d, 0x00, 0x59, 0x00, 0x4b, 0x00, 0x00, 0x3f, 0x00, 0x7f, 0x13, 0xfe, 0x9f, 0xf3, 0xf8,
    0xff, 0xd9,
};
/* clang-format on */

struct sample {
    const char *name;
    struct span bytes;
    enum image_format format;
    uint8_t first[4], second[4];
    bool may_have_alpha;
};

static const struct sample samples[] = {
    {"JPEG", {jpeg, sizeof jpeg}, IMAGE_JPEG, {77, 77, 77, 255}, {77, 77, 77, 255}, false},
    {"WebP", {webp, sizeof webp}, IMAGE_WEBP, {255, 0, 0, 255}, {0, 255, 0, 128}, true},
    {"PNG", {png, sizeof png}, IMAGE_PNG, {255, 0, 0, 255}, {0, 255, 0, 128}, true},
    {"TIFF", {tiff, sizeof tiff}, IMAGE_TIFF, {255, 0, 0, 255}, {0, 128, 255, 255}, false},
};

enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0] };

static void image_read__reads_the_smallest_of_each(void)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const struct sample *sample = &samples[i];
        struct arena arena;
        struct image image;
        struct image_facts facts;
        struct err err;
        arena_init(&arena, 1 << 20);
        CHECK_EQ(image_format_of(sample->bytes), sample->format);
        CHECK_TEXT(image_format_name(sample->format), sample->name);
        CHECK_OK(image_probe(sample->bytes, &facts, &err), &err);
        CHECK_EQ(facts.width, 2);
        CHECK_EQ(facts.height, 1);
        CHECK_EQ(facts.may_have_alpha, sample->may_have_alpha);
        CHECK_OK(image_read(sample->bytes, 1, &arena, &image, &err), &err);
        CHECK_EQ(image.width, 2);
        CHECK_EQ(image.height, 1);
        for (int k = 0; k < 4; k++) {
            CHECK_NEAR(image.pixels[k], sample->first[k], sample->format == IMAGE_JPEG ? 2 : 0, "");
            CHECK_NEAR(image.pixels[4 + k], sample->second[k], sample->format == IMAGE_JPEG ? 2 : 0,
                       "");
        }
        CHECK_EQ(image_is_opaque(&image), !sample->may_have_alpha);
        arena_release(&arena);
    }
}

static void image_read__fails_on_every_truncation(void)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        for (size_t keep = 0; keep < samples[i].bytes.size; keep++) {
            const struct span cut = check_heap_copy(samples[i].bytes.data, keep);
            struct arena arena;
            struct image image;
            struct image_facts facts;
            struct err err = {.code = ERR_NONE};
            arena_init(&arena, 1 << 20);
            if (image_read(cut, 1, &arena, &image, &err)) {
                fail_msg("%s was read from %zu of %zu bytes", samples[i].name, keep,
                         samples[i].bytes.size);
            }
            if (err.code != ERR_SYNTAX && err.code != ERR_UNSUPPORTED) {
                fail_msg("%s at %zu bytes: %s", samples[i].name, keep, err.message);
            }
            if (!image_probe(cut, &facts, &err)) {
                CHECK(err.code == ERR_SYNTAX || err.code == ERR_UNSUPPORTED);
            }
            arena_release(&arena);
            check_heap_free(cut);
        }
    }
}

static void image_read__reports_every_failing_allocation(void)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        bool has_succeeded = false;
        size_t failures = 0;
        for (size_t fail = 1; !has_succeeded; fail++) {
            struct arena arena;
            struct image image;
            struct err err;
            arena_init(&arena, 1 << 20);
            arena.fail_after = fail;
            has_succeeded = image_read(samples[i].bytes, 1, &arena, &image, &err);
            if (!has_succeeded) {
                CHECK_EQ(err.code, ERR_NOMEM);
                failures++;
            }
            arena_release(&arena);
        }
        CHECK(failures >= 1);
    }
}

static void image_read__says_what_is_wrong(void)
{
    struct arena arena;
    struct image image;
    struct image_facts facts;
    struct err err;
    arena_init(&arena, 1 << 20);
    const struct span gif = {(const uint8_t *)"GIF89a......", 12};
    CHECK_FAILS(image_read(gif, 1, &arena, &image, &err), &err, ERR_UNSUPPORTED);
    CHECK(strstr(err.message, "GIF") != NULL);
    const struct span none = {NULL, 0};
    CHECK_FAILS(image_probe(none, &facts, &err), &err, ERR_UNSUPPORTED);
    const struct span text = {(const uint8_t *)"<html>404", 9};
    CHECK_FAILS(image_probe(text, &facts, &err), &err, ERR_UNSUPPORTED);

    uint8_t broken[sizeof png];
    memcpy(broken, png, sizeof png);
    broken[43] ^= 0x55; /* a pixel byte: its checksum does not match */
    CHECK_FAILS(image_read((struct span){broken, sizeof broken}, 1, &arena, &image, &err), &err,
                ERR_SYNTAX);
    /* 100 000 x 100 000 pixels of nothing, a bomb. */
    memcpy(broken, png, sizeof png);
    memcpy(broken + 16, "\0\1\x86\xA0\0\1\x86\xA0", 8);
    CHECK_FAILS(image_probe((struct span){broken, sizeof broken}, &facts, &err), &err, ERR_LIMIT);
    CHECK(!image_read((struct span){broken, sizeof broken}, 1, &arena, &image, &err));
    CHECK(arena.used_bytes < 1 << 16);
    arena_release(&arena);
}

static void image_jpeg_read__turns_cmyk(void)
{
    struct arena arena;
    struct image image;
    struct err err;
    arena_init(&arena, 1 << 20);
    CHECK_OK(image_read((struct span){cmyk, sizeof cmyk}, 1, &arena, &image, &err), &err);
    CHECK_NEAR(image.pixels[0], 255, 3, "");
    CHECK_NEAR(image.pixels[1], 0, 3, "");
    CHECK_NEAR(image.pixels[2], 0, 3, "");
    CHECK_EQ(image.pixels[3], 255);
    arena_release(&arena);
}

/* Soft colours with a hard edge; alpha on the right half. */
static struct image paint(uint32_t width, uint32_t height, bool has_alpha, struct arena *arena)
{
    struct image image;
    struct err err;
    CHECK_OK(image_make(width, height, arena, &image, &err), &err);
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            uint8_t *pixel = image.pixels + 4 * ((size_t)y * width + x);
            pixel[0] = (uint8_t)(255 * x / width);
            pixel[1] = (uint8_t)(255 * y / height);
            pixel[2] = y < height / 2 ? 40 : 200;
            pixel[3] = has_alpha && x >= width / 2 ? (uint8_t)(x * 3) : 255;
        }
    }
    return image;
}

static double mean_difference(const struct image *a, const struct image *b, int channels)
{
    CHECK_EQ(a->width, b->width);
    CHECK_EQ(a->height, b->height);
    const size_t count = (size_t)a->width * a->height;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        for (int k = 0; k < channels; k++) {
            sum += abs(a->pixels[4 * i + (size_t)k] - b->pixels[4 * i + (size_t)k]);
        }
    }
    return sum / (double)count / channels;
}

static void image_png_write__loses_nothing(void)
{
    static const uint32_t sizes[][2] = {{1, 1}, {3, 7}, {64, 48}, {257, 2}};
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        const bool has_alpha = i % 2 == 1;
        struct arena arena;
        struct image read;
        struct image_facts facts;
        struct buf bytes;
        struct err err;
        arena_init(&arena, 1 << 24);
        buf_init(&bytes, 1 << 24);
        const struct image drawn = paint(sizes[i / 2][0], sizes[i / 2][1], has_alpha, &arena);
        CHECK_OK(image_png_write(&drawn, &bytes, &err), &err);
        CHECK_OK(image_probe(buf_span(&bytes), &facts, &err), &err);
        CHECK_EQ(facts.format, IMAGE_PNG);
        CHECK_EQ(facts.may_have_alpha, !image_is_opaque(&drawn));
        CHECK_OK(image_read(buf_span(&bytes), 1, &arena, &read, &err), &err);
        CHECK(mean_difference(&drawn, &read, 4) == 0);
        buf_release(&bytes);
        arena_release(&arena);
    }
}

static void image_jpeg_write__stays_close(void)
{
    struct arena arena;
    struct image read;
    struct buf bytes;
    struct err err;
    arena_init(&arena, 1 << 24);
    buf_init(&bytes, 1 << 24);
    const struct image drawn = paint(203, 150, false, &arena);
    CHECK_OK(image_jpeg_write(&drawn, 85, &bytes, &err), &err);
    CHECK(bytes.size < 203 * 150);
    CHECK_OK(image_read(buf_span(&bytes), 1, &arena, &read, &err), &err);
    CHECK(mean_difference(&drawn, &read, 3) < 3);
    /* A quarter: 51 x 38, each pixel the mean of sixteen. */
    CHECK_OK(image_read(buf_span(&bytes), 4, &arena, &read, &err), &err);
    CHECK_EQ(read.width, 51);
    CHECK_EQ(read.height, 38);
    CHECK_NEAR(read.pixels[4 * 25], 255 * 102 / 203, 6, "");
    buf_release(&bytes);
    arena_release(&arena);
}

static void image_webp_write__stays_close_and_keeps_alpha(void)
{
    struct arena arena;
    struct image read;
    struct buf bytes;
    struct err err;
    arena_init(&arena, 1 << 24);
    buf_init(&bytes, 1 << 24);
    const struct image drawn = paint(64, 48, true, &arena);
    CHECK_OK(image_webp_write(&drawn, 85, &bytes, &err), &err);
    CHECK_OK(image_read(buf_span(&bytes), 1, &arena, &read, &err), &err);
    CHECK(mean_difference(&drawn, &read, 4) < 6);
    for (size_t i = 0; i < 64 * 48; i++) {
        CHECK_EQ(drawn.pixels[4 * i + 3], read.pixels[4 * i + 3]);
    }
    buf_release(&bytes);
    arena_release(&arena);
}

static void image_write__repeats_its_bytes(void)
{
    struct arena arena;
    struct buf bytes[2];
    struct err err;
    arena_init(&arena, 1 << 24);
    const struct image drawn = paint(64, 48, true, &arena);
    for (int i = 0; i < 2; i++) {
        buf_init(&bytes[i], 1 << 24);
        CHECK_OK(image_png_write(&drawn, &bytes[i], &err), &err);
        CHECK_OK(image_jpeg_write(&drawn, 80, &bytes[i], &err), &err);
        CHECK_OK(image_webp_write(&drawn, 80, &bytes[i], &err), &err);
    }
    CHECK_EQ(bytes[0].size, bytes[1].size);
    CHECK(memcmp(bytes[0].data, bytes[1].data, bytes[0].size) == 0);
    buf_release(&bytes[0]);
    buf_release(&bytes[1]);
    arena_release(&arena);
}

static void image_write__leaves_a_full_buffer_as_it_was(void)
{
    struct arena arena;
    struct buf bytes;
    struct err err;
    arena_init(&arena, 1 << 24);
    buf_init(&bytes, 100);
    buf_add(&bytes, "kept", 4);
    const struct image drawn = paint(64, 48, true, &arena);
    CHECK_FAILS(image_png_write(&drawn, &bytes, &err), &err, ERR_LIMIT);
    CHECK_EQ(bytes.size, 4);
    CHECK_FAILS(image_jpeg_write(&drawn, 80, &bytes, &err), &err, ERR_LIMIT);
    CHECK_EQ(bytes.size, 4);
    CHECK_FAILS(image_webp_write(&drawn, 80, &bytes, &err), &err, ERR_LIMIT);
    CHECK_EQ(bytes.size, 4);
    buf_release(&bytes);
    arena_release(&arena);
}

/* PngSuite: every type, depth, filter and interlace; x... are broken. */
static void image_png_read__passes_pngsuite(void)
{
    char path[512];
    DIR *folder = NULL;
    if (check_shared_data() != NULL) {
        snprintf(path, sizeof path, "%s/robustness/pngsuite", check_shared_data());
        folder = opendir(path);
    }
    if (folder == NULL) {
        CHECK_SKIP("no PngSuite here");
    }
    size_t count = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const size_t size = strlen(entry->d_name);
        if (size < 5 || strcmp(entry->d_name + size - 4, ".png") != 0) {
            continue;
        }
        struct io_map map;
        struct arena arena;
        struct image image;
        struct err err;
        snprintf(path, sizeof path, "%s/robustness/pngsuite/%s", check_shared_data(),
                 entry->d_name);
        CHECK_OK(io_map(path, &map, &err), &err);
        arena_init(&arena, 1 << 24);
        const bool is_read = image_read(map.bytes, 1, &arena, &image, &err);
        if (is_read != (entry->d_name[0] != 'x')) {
            fail_msg("%s: %s", entry->d_name, is_read ? "was read" : err.message);
        }
        arena_release(&arena);
        io_unmap(&map);
        count++;
    }
    closedir(folder);
    CHECK(count > 100);
}

CHECK_MAIN(CHECK_TEST(image_read__reads_the_smallest_of_each),
           CHECK_TEST(image_read__fails_on_every_truncation),
           CHECK_TEST(image_read__reports_every_failing_allocation),
           CHECK_TEST(image_read__says_what_is_wrong), CHECK_TEST(image_jpeg_read__turns_cmyk),
           CHECK_TEST(image_png_write__loses_nothing), CHECK_TEST(image_jpeg_write__stays_close),
           CHECK_TEST(image_webp_write__stays_close_and_keeps_alpha),
           CHECK_TEST(image_write__repeats_its_bytes),
           CHECK_TEST(image_write__leaves_a_full_buffer_as_it_was),
           CHECK_TEST(image_png_read__passes_pngsuite))
