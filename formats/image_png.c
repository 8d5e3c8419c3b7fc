/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/image_png.h"

#include <setjmp.h>
#include <stdlib.h>

#include <png.h>

#include "formats/packing.h"

enum { SIGNATURE_BYTES = 8, HEADER_BYTES = 33 };

/* ---- reading ---- */

static uint32_t load_u32be(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

bool image_png_probe(struct span bytes, struct image_facts *out, struct err *err)
{
    enum { GREY_ALPHA = 4, RGB_ALPHA = 6 };
    if (bytes.size < HEADER_BYTES || memcmp(bytes.data + SIGNATURE_BYTES + 4, "IHDR", 4) != 0) {
        return err_set(err, ERR_SYNTAX, "a PNG without its header");
    }
    const uint8_t color = bytes.data[25];
    bool is_keyed = false;
    /* A clear colour, or alpha of a palette, comes before the pixels. */
    for (size_t at = HEADER_BYTES; bytes.size - at >= 12;) {
        const uint32_t size = load_u32be(bytes.data + at);
        if (memcmp(bytes.data + at + 4, "IDAT", 4) == 0 || size > bytes.size - at - 12) {
            break;
        }
        is_keyed = is_keyed || memcmp(bytes.data + at + 4, "tRNS", 4) == 0;
        at += 12 + (size_t)size;
    }
    *out = (struct image_facts){.format = IMAGE_PNG,
                                .width = load_u32be(bytes.data + 16),
                                .height = load_u32be(bytes.data + 20),
                                .may_have_alpha =
                                    color == GREY_ALPHA || color == RGB_ALPHA || is_keyed};
    return true;
}

struct reading {
    struct span bytes;
    size_t at;
    png_bytep *rows; /* of an interlaced image; NULL until made */
    struct err *err;
};

static void take_bytes(png_structp png, png_bytep out, size_t size)
{
    struct reading *r = png_get_io_ptr(png);
    if (size > r->bytes.size - r->at) {
        png_error(png, "the file is cut short");
    }
    memcpy(out, r->bytes.data + r->at, size);
    r->at += size;
}

static void keep_message(png_structp png, const char *message)
{
    struct reading *r = png_get_error_ptr(png);
    err_set(r->err, ERR_SYNTAX, "libpng: %s", message);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, const char *message)
{
    (void)png;
    (void)message;
}

static void ask_for_rgba(png_structp png)
{
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_filler(png, 255, PNG_FILLER_AFTER);
}

/* Under the caller's setjmp, as what follows. */
static bool begin_rows(png_structp png, png_infop info, struct reading *r, struct arena *arena,
                       struct image *image)
{
    png_set_read_fn(png, r, take_bytes);
    png_set_user_limits(png, IMAGE_SIDE_MAX, IMAGE_SIDE_MAX);
    png_read_info(png, info);
    ask_for_rgba(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (!image_make(png_get_image_width(png, info), png_get_image_height(png, info), arena, image,
                    r->err)) {
        return false;
    }
    if (png_get_rowbytes(png, info) != 4 * (size_t)image->width) {
        return err_set(r->err, ERR_LIBRARY, "libpng: rows of an unexpected size");
    }
    r->rows = arena_array(arena, png_bytep, image->height);
    if (r->rows == NULL) {
        return arena_full(arena, r->err);
    }
    for (uint32_t y = 0; y < image->height; y++) {
        r->rows[y] = image->pixels + 4 * (size_t)image->width * y;
    }
    return true;
}

static bool read_rows(png_structp png, png_infop info, struct reading *r, struct arena *arena,
                      struct image *image)
{
    if (setjmp(png_jmpbuf(png)) != 0) {
        return false;
    }
    if (!begin_rows(png, info, r, arena, image)) {
        return false;
    }
    png_read_image(png, r->rows);
    png_read_end(png, NULL);
    return true;
}

bool image_png_read(struct span bytes, struct arena *arena, struct image *out, struct err *err)
{
    struct reading r = {.bytes = bytes, .err = err};
    struct image image;
    png_structp png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, keep_message, ignore_warning);
    png_infop info = png == NULL ? NULL : png_create_info_struct(png);
    if (info == NULL) {
        png_destroy_read_struct(&png, NULL, NULL);
        return err_set(err, ERR_NOMEM, "libpng");
    }
    const bool ok = read_rows(png, info, &r, arena, &image);
    png_destroy_read_struct(&png, &info, NULL);
    if (!ok) {
        return false;
    }
    *out = image;
    return true;
}

/* ---- writing ---- */

/* Beyond this, drawn pictures shrink little and photographs not at all. */
enum { ZLIB_LEVEL = 6 };

enum { FILTER_NONE, FILTER_SUB, FILTER_UP, FILTER_AVERAGE, FILTER_PAETH, FILTER_COUNT };

static void store_u32be(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

static void add_chunk(struct buf *out, const char type[4], struct span content)
{
    uint8_t number[4];
    store_u32be(number, (uint32_t)content.size);
    buf_add(out, number, 4);
    buf_add(out, type, 4);
    buf_add(out, content.data, content.size);
    uint32_t crc = packing_crc32(0, (struct span){(const uint8_t *)type, 4});
    crc = packing_crc32(crc, content);
    store_u32be(number, crc);
    buf_add(out, number, 4);
}

/* Without branches, for loops that do several at once. */
static uint8_t paeth(int left, int up, int corner)
{
    const int by_left = abs(up - corner);
    const int by_up = abs(left - corner);
    const int by_corner = abs(left + up - 2 * corner);
    const int of_up = by_up <= by_corner ? up : corner;
    return (uint8_t)((by_left <= by_up) & (by_left <= by_corner) ? left : of_up);
}

static inline uint8_t predict(int filter, int left, int up, int corner)
{
    switch (filter) {
    case FILTER_SUB:
        return (uint8_t)left;
    case FILTER_UP:
        return (uint8_t)up;
    case FILTER_AVERAGE:
        return (uint8_t)((left + up) / 2);
    case FILTER_PAETH:
        return paeth(left, up, corner);
    default:
        return 0;
    }
}

/* What is left of [from, size) after the filter's guess. Inlined for each filter:
 * a loop that knows its filter is some bytes at once. */
static inline __attribute__((always_inline)) void subtract(int filter, const uint8_t *row,
                                                           const uint8_t *above, size_t from,
                                                           size_t size, size_t step, uint8_t *out)
{
    for (size_t i = from; i < size; i++) {
        const int left = from == 0 ? 0 : row[i - step];
        const int corner = from == 0 ? 0 : above[i - step];
        out[i] = (uint8_t)(row[i] - predict(filter, left, above[i], corner));
    }
}

static inline __attribute__((always_inline)) void subtract_row(int filter, const uint8_t *row,
                                                               const uint8_t *above, size_t size,
                                                               size_t step, uint8_t *out)
{
    subtract(filter, row, above, 0, step, step, out);
    subtract(filter, row, above, step, size, step, out);
}

/* The usual measure: the sum of the differences as signed bytes. */
static uint64_t sum_of(const uint8_t *rest, size_t size)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        const uint8_t other = (uint8_t)-rest[i];
        sum += rest[i] < other ? rest[i] : other;
    }
    return sum;
}

/* Writes what is left of the row after the filter's guess; returns how much
 * that is. */
static uint64_t filter_row(int filter, const uint8_t *restrict row, const uint8_t *restrict above,
                           size_t size, size_t step, uint8_t *restrict out)
{
    switch (filter) {
    case FILTER_SUB:
        subtract_row(FILTER_SUB, row, above, size, step, out);
        break;
    case FILTER_UP:
        subtract_row(FILTER_UP, row, above, size, step, out);
        break;
    case FILTER_AVERAGE:
        subtract_row(FILTER_AVERAGE, row, above, size, step, out);
        break;
    case FILTER_PAETH:
        subtract_row(FILTER_PAETH, row, above, size, step, out);
        break;
    default:
        memcpy(out, row, size);
        break;
    }
    return sum_of(out, size);
}

static void pick_row(uint8_t *out, const struct image *image, uint32_t y, size_t step)
{
    const uint8_t *pixels = image->pixels + 4 * (size_t)image->width * y;
    for (uint32_t x = 0; x < image->width; x++) {
        memcpy(out + step * x, pixels + 4 * (size_t)x, step);
    }
}

/* Two rows of pixels, and one of each filter to choose from. */
static bool filter_rows(const struct image *image, size_t step, struct buf *work, struct buf *out,
                        struct err *err)
{
    const size_t size = step * image->width;
    uint8_t *room = buf_extend(work, (2 + FILTER_COUNT) * size);
    if (room == NULL) {
        return buf_finish(work, err);
    }
    uint8_t *row = room;
    uint8_t *above = room + size;
    for (uint32_t y = 0; y < image->height; y++) {
        uint64_t least = UINT64_MAX;
        int best = 0;
        pick_row(row, image, y, step);
        for (int filter = 0; filter < FILTER_COUNT; filter++) {
            uint8_t *rest = room + (2 + (size_t)filter) * size;
            const uint64_t sum = filter_row(filter, row, above, size, step, rest);
            if (sum < least) {
                least = sum;
                best = filter;
            }
        }
        buf_add_byte(out, (uint8_t)best);
        buf_add(out, room + (2 + (size_t)best) * size, size);
        uint8_t *swap = row;
        row = above;
        above = swap;
    }
    return buf_finish(out, err);
}

static bool write_chunks(const struct image *image, struct span packed, bool is_opaque,
                         struct buf *out, struct err *err)
{
    uint8_t header[13] = {[8] = 8, [9] = is_opaque ? 2 : 6};
    store_u32be(header, image->width);
    store_u32be(header + 4, image->height);
    buf_add(out, "\x89PNG\r\n\x1a\n", SIGNATURE_BYTES);
    add_chunk(out, "IHDR", (struct span){header, sizeof header});
    add_chunk(out, "sRGB", (struct span){(const uint8_t *)"", 1}); /* perceptual */
    add_chunk(out, "IDAT", packed);
    add_chunk(out, "IEND", (struct span){NULL, 0});
    return buf_finish(out, err);
}

bool image_png_write(const struct image *image, struct buf *out, struct err *err)
{
    const bool is_opaque = image_is_opaque(image);
    const size_t step = is_opaque ? 3 : 4;
    const size_t row_bytes = 1 + step * image->width;
    const size_t before = out->size;
    struct buf work;
    struct buf rows;
    struct buf packed;
    buf_init(&work, (2 + FILTER_COUNT) * row_bytes);
    buf_init(&rows, row_bytes * image->height);
    buf_init(&packed, INT32_MAX); /* a chunk's length */
    const bool ok = filter_rows(image, step, &work, &rows, err) &&
                    packing_zlib(buf_span(&rows), ZLIB_LEVEL, &packed, err) &&
                    write_chunks(image, buf_span(&packed), is_opaque, out, err);
    buf_release(&work);
    buf_release(&rows);
    buf_release(&packed);
    if (!ok) {
        out->size = before;
    }
    return ok;
}
