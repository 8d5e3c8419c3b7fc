/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/image_png.h"

#include <setjmp.h>

#include <png.h>

struct writing {
    struct buf *out;
    struct err *err;
};

static void add_bytes(png_structp png, png_bytep bytes, size_t size)
{
    struct writing *writing = png_get_io_ptr(png);
    buf_add(writing->out, bytes, size);
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

static void keep_message(png_structp png, const char *message)
{
    struct writing *writing = png_get_error_ptr(png);
    err_set(writing->err, ERR_LIBRARY, "libpng: %s", message);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, const char *message)
{
    (void)png;
    (void)message;
}

static bool is_opaque(const struct image *image)
{
    const size_t count = (size_t)image->width * image->height;
    for (size_t i = 0; i < count; i++) {
        if (image->pixels[4 * i + 3] != 255) {
            return false;
        }
    }
    return true;
}

/* Everything between setjmp and the end; no local is changed after it. */
static bool write_rows(png_structp png, png_infop info, const struct image *image,
                       struct writing *writing)
{
    if (setjmp(png_jmpbuf(png)) != 0) {
        return false;
    }
    png_set_write_fn(png, writing, add_bytes, flush_nothing);
    png_set_IHDR(png, info, image->width, image->height, 8,
                 is_opaque(image) ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGBA, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
    png_set_compression_level(png, 6);
    png_write_info(png, info);
    if (is_opaque(image)) {
        png_set_filler(png, 0, PNG_FILLER_AFTER);
    }
    for (uint32_t y = 0; y < image->height; y++) {
        png_write_row(png, image->pixels + 4 * (size_t)image->width * y);
    }
    png_write_end(png, NULL);
    return true;
}

bool image_png_write(const struct image *image, struct buf *out, struct err *err)
{
    struct writing writing = {out, err};
    const size_t before = out->size;
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, &writing, keep_message, ignore_warning);
    if (png == NULL) {
        return err_set(err, ERR_NOMEM, "libpng");
    }
    png_infop info = png_create_info_struct(png);
    if (info == NULL) {
        png_destroy_write_struct(&png, NULL);
        return err_set(err, ERR_NOMEM, "libpng");
    }
    const bool ok = write_rows(png, info, image, &writing) && buf_finish(out, err);
    png_destroy_write_struct(&png, &info);
    if (!ok) {
        out->size = before;
    }
    return ok;
}
