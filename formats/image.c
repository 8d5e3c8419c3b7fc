/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/image.h"

#include <assert.h>

#include "formats/image_jpeg.h"
#include "formats/image_png.h"
#include "formats/image_tiff.h"
#include "formats/image_webp.h"

struct magic {
    const char *bytes;
    size_t size;
    enum image_format format; /* IMAGE_UNKNOWN: known, but not read */
    const char *name;
};

static const struct magic magics[] = {
    {"\xFF\xD8\xFF", 3, IMAGE_JPEG, "JPEG"},
    {"\x89PNG\r\n\x1a\n", 8, IMAGE_PNG, "PNG"},
    {"II*\0", 4, IMAGE_TIFF, "TIFF"},
    {"MM\0*", 4, IMAGE_TIFF, "TIFF"},
    {"II+\0", 4, IMAGE_TIFF, "TIFF"},
    {"MM\0+", 4, IMAGE_TIFF, "TIFF"},
    {"GIF8", 4, IMAGE_UNKNOWN, "GIF"},
    {"BM", 2, IMAGE_UNKNOWN, "BMP"},
    {"DDS ", 4, IMAGE_UNKNOWN, "DDS"},
    {"\xABKTX", 4, IMAGE_UNKNOWN, "KTX"},
    {"\x01\xDA", 2, IMAGE_UNKNOWN, "SGI"},
    {"\0\0\0\x0CjP  ", 8, IMAGE_UNKNOWN, "JPEG 2000"},
    {"8BPS", 4, IMAGE_UNKNOWN, "Photoshop"},
    {"version https://git-lfs", 23, IMAGE_UNKNOWN,
     "Git LFS pointer (the image itself is elsewhere)"},
};

static const struct magic *find_magic(struct span bytes)
{
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        if (bytes.size >= magics[i].size &&
            memcmp(bytes.data, magics[i].bytes, magics[i].size) == 0) {
            return &magics[i];
        }
    }
    return NULL;
}

static bool is_webp(struct span bytes)
{
    return bytes.size >= 12 && memcmp(bytes.data, "RIFF", 4) == 0 &&
           memcmp(bytes.data + 8, "WEBP", 4) == 0;
}

enum image_format image_format_of(struct span bytes)
{
    if (is_webp(bytes)) {
        return IMAGE_WEBP;
    }
    const struct magic *magic = find_magic(bytes);
    return magic == NULL ? IMAGE_UNKNOWN : magic->format;
}

const char *image_format_name(enum image_format format)
{
    static const char *const names[] = {[IMAGE_UNKNOWN] = "",
                                        [IMAGE_JPEG] = "JPEG",
                                        [IMAGE_PNG] = "PNG",
                                        [IMAGE_WEBP] = "WebP",
                                        [IMAGE_TIFF] = "TIFF"};
    return names[format];
}

static bool refuse(struct span bytes, struct err *err)
{
    const struct magic *magic = find_magic(bytes);
    if (bytes.size == 0) {
        return err_set(err, ERR_UNSUPPORTED, "an empty file, and not an image");
    }
    if (magic == NULL) {
        return err_set(err, ERR_UNSUPPORTED, "not an image that is read (JPEG, PNG, WebP, TIFF)");
    }
    return err_set(err, ERR_UNSUPPORTED, "a %s; JPEG, PNG, WebP and TIFF are read", magic->name);
}

bool image_probe(struct span bytes, struct image_facts *out, struct err *err)
{
    struct image_facts facts = {.format = image_format_of(bytes)};
    bool ok = false;
    switch (facts.format) {
    case IMAGE_JPEG:
        ok = image_jpeg_probe(bytes, &facts, err);
        break;
    case IMAGE_PNG:
        ok = image_png_probe(bytes, &facts, err);
        break;
    case IMAGE_WEBP:
        ok = image_webp_probe(bytes, &facts, err);
        break;
    case IMAGE_TIFF:
        ok = image_tiff_probe(bytes, &facts, err);
        break;
    case IMAGE_UNKNOWN:
        return refuse(bytes, err);
    }
    if (!ok) {
        return false;
    }
    if (facts.width == 0 || facts.height == 0) {
        return err_set(err, ERR_SYNTAX, "an image of %u x %u pixels", facts.width, facts.height);
    }
    if (facts.width > IMAGE_SIDE_MAX || facts.height > IMAGE_SIDE_MAX) {
        return err_set(err, ERR_LIMIT, "an image of %u x %u pixels; a side may have %d",
                       facts.width, facts.height, IMAGE_SIDE_MAX);
    }
    *out = facts;
    return true;
}

bool image_make(uint32_t width, uint32_t height, struct arena *arena, struct image *out,
                struct err *err)
{
    if (width == 0 || height == 0) {
        return err_set(err, ERR_SYNTAX, "an image of %u x %u pixels", width, height);
    }
    const uint64_t count = (uint64_t)width * height;
    if (width > IMAGE_SIDE_MAX || height > IMAGE_SIDE_MAX || count > IMAGE_PIXELS_MAX) {
        return err_set(err, ERR_LIMIT, "an image of %u x %u pixels; %d M are the most", width,
                       height, IMAGE_PIXELS_MAX >> 20);
    }
    /* On multiples of 4: libtiff writes them as words. */
    uint8_t *pixels = arena_alloc(arena, (size_t)count, 4, _Alignof(uint32_t));
    if (pixels == NULL) {
        return arena_full(arena, err);
    }
    *out = (struct image){width, height, pixels};
    return true;
}

bool image_read(struct span bytes, uint32_t shrink, struct arena *arena, struct image *out,
                struct err *err)
{
    assert(shrink == 1 || shrink == 2 || shrink == 4 || shrink == 8);
    switch (image_format_of(bytes)) {
    case IMAGE_JPEG:
        return image_jpeg_read(bytes, shrink, arena, out, err);
    case IMAGE_PNG:
        return image_png_read(bytes, arena, out, err);
    case IMAGE_WEBP:
        return image_webp_read(bytes, arena, out, err);
    case IMAGE_TIFF:
        return image_tiff_read(bytes, arena, out, err);
    case IMAGE_UNKNOWN:
        break;
    }
    return refuse(bytes, err);
}

bool image_is_opaque(const struct image *image)
{
    const size_t count = (size_t)image->width * image->height;
    for (size_t i = 0; i < count; i++) {
        if (image->pixels[4 * i + 3] != 255) {
            return false;
        }
    }
    return true;
}
