/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/image_tiff.h"

#include <stdarg.h>
#include <stdio.h>

#include <tiffio.h>

/* One strip or tile, decoded; libtiff would believe any size that a tag says. */
enum { LIBRARY_BYTES_MAX = 1 << 29 };

/* The file in memory, and the first complaint about it. */
struct reading {
    struct span bytes;
    uint64_t at;
    bool is_damaged;
    char words[160];
};

static int keep_words(TIFF *tiff, void *user, const char *module, const char *format, va_list args)
{
    struct reading *r = user;
    (void)tiff;
    (void)module;
    if (!r->is_damaged) {
        r->is_damaged = true;
        vsnprintf(r->words, sizeof r->words, format, args);
    }
    return 1;
}

static int ignore_words(TIFF *tiff, void *user, const char *module, const char *format,
                        va_list args)
{
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)args;
    return 1;
}

static tmsize_t take(thandle_t handle, void *out, tmsize_t size)
{
    struct reading *r = handle;
    const uint64_t left = r->at < r->bytes.size ? r->bytes.size - r->at : 0;
    const size_t taken = (uint64_t)size < left ? (size_t)size : (size_t)left;
    if (taken > 0) {
        memcpy(out, r->bytes.data + r->at, taken);
    }
    r->at += taken;
    return (tmsize_t)taken;
}

static tmsize_t write_nothing(thandle_t handle, void *bytes, tmsize_t size)
{
    (void)handle;
    (void)bytes;
    (void)size;
    return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence)
{
    struct reading *r = handle;
    switch (whence) {
    case SEEK_CUR:
        r->at += offset;
        break;
    case SEEK_END:
        r->at = r->bytes.size + offset;
        break;
    default:
        r->at = offset;
        break;
    }
    return r->at;
}

static int close_nothing(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t size_of(thandle_t handle)
{
    const struct reading *r = handle;
    return r->bytes.size;
}

static int map_nothing(thandle_t handle, void **out, toff_t *out_size)
{
    (void)handle;
    (void)out;
    (void)out_size;
    return 0;
}

static void unmap_nothing(thandle_t handle, void *bytes, toff_t size)
{
    (void)handle;
    (void)bytes;
    (void)size;
}

static bool refuse(const struct reading *r, enum err_code code, struct err *err)
{
    return err_set(err, code, "libtiff: %s", r->is_damaged ? r->words : "cannot read the image");
}

static bool open_tiff(struct reading *r, TIFF **out, struct err *err)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (options == NULL) {
        return err_set(err, ERR_NOMEM, "libtiff");
    }
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, LIBRARY_BYTES_MAX);
    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_words, r);
    TIFFOpenOptionsSetWarningHandlerExtR(options, ignore_words, r);
    TIFF *tiff = TIFFClientOpenExt("TIFF", "rm", r, take, write_nothing, seek, close_nothing,
                                   size_of, map_nothing, unmap_nothing, options);
    TIFFOpenOptionsFree(options);
    if (tiff == NULL) {
        return refuse(r, ERR_SYNTAX, err);
    }
    *out = tiff;
    return true;
}

static bool read_facts(TIFF *tiff, const struct reading *r, struct image_facts *out,
                       struct err *err)
{
    uint32_t width = 0;
    uint32_t height = 0;
    uint16_t samples = 1;
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width) ||
        !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height)) {
        return refuse(r, ERR_SYNTAX, err);
    }
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
    char words[1024] = "";
    if (!TIFFRGBAImageOK(tiff, words)) {
        return err_set(err, ERR_UNSUPPORTED, "libtiff: %.160s", words);
    }
    *out = (struct image_facts){.format = IMAGE_TIFF,
                                .width = width,
                                .height = height,
                                .may_have_alpha = samples == 2 || samples == 4};
    return true;
}

bool image_tiff_probe(struct span bytes, struct image_facts *out, struct err *err)
{
    struct reading r = {.bytes = bytes};
    TIFF *tiff;
    if (!open_tiff(&r, &tiff, err)) {
        return false;
    }
    const bool ok = read_facts(tiff, &r, out, err);
    TIFFClose(tiff);
    return ok;
}

/* libtiff gives words of ABGR, premultiplied where alpha is; the hub has bytes
 * of RGBA that are not. */
static void unpack(struct image *image)
{
    const size_t count = (size_t)image->width * image->height;
    for (size_t i = 0; i < count; i++) {
        uint32_t word;
        memcpy(&word, image->pixels + 4 * i, sizeof word);
        const unsigned alpha = TIFFGetA(word);
        const unsigned rgb[3] = {TIFFGetR(word), TIFFGetG(word), TIFFGetB(word)};
        for (int k = 0; k < 3; k++) {
            const unsigned plain = alpha == 0 ? 0 : (rgb[k] * 255 + alpha / 2) / alpha;
            image->pixels[4 * i + (size_t)k] = (uint8_t)(plain > 255 ? 255 : plain);
        }
        image->pixels[4 * i + 3] = (uint8_t)alpha;
    }
}

static bool decode(TIFF *tiff, struct reading *r, struct arena *arena, struct image *out,
                   struct err *err)
{
    struct image_facts facts;
    struct image image;
    if (!read_facts(tiff, r, &facts, err) ||
        !image_make(facts.width, facts.height, arena, &image, err)) {
        return false;
    }
    /* The raster's orientation is that of the file: rows stay as they lie. */
    uint16_t orientation = ORIENTATION_TOPLEFT;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
    if (!TIFFReadRGBAImageOriented(tiff, image.width, image.height,
                                   (uint32_t *)(void *)image.pixels, orientation, 1) ||
        r->is_damaged) {
        return refuse(r, ERR_SYNTAX, err);
    }
    unpack(&image);
    *out = image;
    return true;
}

bool image_tiff_read(struct span bytes, struct arena *arena, struct image *out, struct err *err)
{
    struct reading r = {.bytes = bytes};
    TIFF *tiff;
    if (!open_tiff(&r, &tiff, err)) {
        return false;
    }
    const bool ok = decode(tiff, &r, arena, out, err);
    TIFFClose(tiff);
    return ok;
}
