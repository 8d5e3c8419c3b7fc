/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are an image or an error; the first byte says which kind they claim
 * to be. What is read has the size that was announced, shrunk or not, and its
 * pixels survive PNG. */
#include <assert.h>
#include <string.h>

#include "formats/image.h"
#include "formats/image_png.h"

enum { ARENA_BYTES = 1 << 26, PNG_BYTES = 1 << 26, INPUT_BYTES = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_png(const struct image *image, struct arena *arena)
{
    struct buf bytes;
    struct image again;
    struct err err;
    buf_init(&bytes, PNG_BYTES);
    if (image_png_write(image, &bytes, &err) &&
        image_read(buf_span(&bytes), 1, arena, &again, &err)) {
        assert(again.width == image->width && again.height == image->height);
        assert(memcmp(again.pixels, image->pixels, 4 * (size_t)image->width * image->height) == 0);
    } else {
        assert(err.code == ERR_LIMIT || err.code == ERR_NOMEM);
    }
    buf_release(&bytes);
}

static void check_read(struct span bytes, uint32_t shrink)
{
    struct arena arena;
    struct image image;
    struct image_facts facts;
    struct err err;
    arena_init(&arena, ARENA_BYTES);
    if (image_read(bytes, shrink, &arena, &image, &err)) {
        assert(image_probe(bytes, &facts, &err));
        assert(image.width == facts.width || facts.format == IMAGE_JPEG);
        assert(image.height == facts.height || facts.format == IMAGE_JPEG);
        assert(image.width >= (facts.width + shrink - 1) / shrink || shrink > 1);
        if ((size_t)image.width * image.height <= 1 << 16) {
            check_png(&image, &arena);
        }
    } else {
        assert(err.code != ERR_NONE && err.message[0] != 0);
    }
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const heads[] = {
        "",      "\xFF\xD8\xFF", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "RIFF\x20\0\0\0WEBPVP8",
        "II*\0", "MM\0*"};
    static const size_t sizes[] = {0, 3, 16, 15, 4, 4};
    static uint8_t input[INPUT_BYTES];
    if (size < 1 || size > INPUT_BYTES / 2) {
        return 0;
    }
    const size_t head = data[0] % 6;
    memcpy(input, heads[head], sizes[head]);
    memcpy(input + sizes[head], data + 1, size - 1);
    const struct span bytes = {input, sizes[head] + size - 1};
    check_read(bytes, 1);
    check_read(bytes, 4);
    return 0;
}
