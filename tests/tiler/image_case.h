/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TILER_IMAGE_CASE_H
#define TESTS_TILER_IMAGE_CASE_H

/*
 * image_case.h - pictures for tests: drawn by a function, written as PNG to a
 * folder of their own, found in a table of images.
 */

#include <unistd.h>

#include "formats/base/io.h"
#include "formats/image_jpeg.h"
#include "formats/image_png.h"
#include "tests/check.h"
#include "tiler/images.h"

struct image_case {
    char folder[64];
    char source_path[96]; /* of a file that would name the pictures */
    struct images *images;
    struct arena arena;
};

static inline void image_case_open(struct image_case *c)
{
    struct err err;
    strcpy(c->folder, "/tmp/storey-picture-XXXXXX");
    CHECK(mkdtemp(c->folder) != NULL);
    snprintf(c->source_path, sizeof c->source_path, "%s/city.gml", c->folder);
    arena_init(&c->arena, (size_t)1 << 30);
    CHECK_OK(images_open((size_t)1 << 26, NULL, &c->images, &err), &err);
}

static inline void image_case_close(struct image_case *c)
{
    struct err err;
    images_close(c->images);
    arena_release(&c->arena);
    CHECK_OK(io_remove_tree(c->folder, &err), &err);
}

typedef void image_case_paint(uint32_t x, uint32_t y, int seed, uint8_t rgba[4]);

/* Writes a picture, PNG unless its name says .jpg; its number in the table. */
static inline int32_t image_case_add(struct image_case *c, const char *name, uint32_t width,
                                     uint32_t height, image_case_paint *paint, int seed)
{
    struct image image;
    struct buf bytes;
    struct err err;
    char path[256];
    int32_t id;
    const struct arena_mark mark = arena_mark(&c->arena);
    CHECK_OK(image_make(width, height, &c->arena, &image, &err), &err);
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            paint(x, y, seed, image.pixels + 4 * ((size_t)y * width + x));
        }
    }
    buf_init(&bytes, 1 << 26);
    if (strstr(name, ".jpg") != NULL) {
        CHECK_OK(image_jpeg_write(&image, 97, &bytes, &err), &err);
    } else {
        CHECK_OK(image_png_write(&image, &bytes, &err), &err);
    }
    snprintf(path, sizeof path, "%s/%s", c->folder, name);
    CHECK_OK(io_write_file(path, buf_span(&bytes), false, &err), &err);
    buf_release(&bytes);
    arena_reset(&c->arena, mark);
    CHECK_OK(images_find(c->images, 0, c->source_path, text_of(name), &id, &err), &err);
    CHECK(id != IMAGES_NONE);
    return id;
}

#endif
