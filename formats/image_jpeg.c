/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/image_jpeg.h"

#include <setjmp.h>
#include <stdio.h>

#include <jerror.h>
#include <jpeglib.h>

/* What libjpeg may hold beside the image: the coefficients of a progressive
 * file, two bytes for each of three components. */
enum { LIBRARY_BYTES_MAX = 1 << 30 };

enum { WRITE_BYTES = 65536 };

/* libjpeg calls error functions that must not return: they jump. */
struct catcher {
    struct jpeg_error_mgr manager; /* first: libjpeg has a pointer to it only */
    jmp_buf jump;
    struct err *err;
    bool is_damaged; /* a warning said so; its words are in err */
};

static void keep_words(j_common_ptr any, enum err_code code)
{
    struct catcher *catcher = (struct catcher *)any->err;
    char words[JMSG_LENGTH_MAX];
    any->err->format_message(any, words);
    err_set(catcher->err, code, "libjpeg: %s", words);
}

static void fail(j_common_ptr any)
{
    struct catcher *catcher = (struct catcher *)any->err;
    enum err_code code = ERR_SYNTAX;
    switch (any->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
        code = ERR_NOMEM;
        break;
    case JERR_NO_BACKING_STORE: /* it would need more than LIBRARY_BYTES_MAX */
    case JERR_WIDTH_OVERFLOW:
    case JERR_IMAGE_TOO_BIG:
        code = ERR_LIMIT;
        break;
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_ARITH_NOTIMPL:
        code = ERR_UNSUPPORTED;
        break;
    default:
        break;
    }
    keep_words(any, code);
    longjmp(catcher->jump, 1);
}

/* libjpeg goes on after these, with grey or noise where pixels were. */
static bool is_damage(int code)
{
    return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
           code == JWRN_MUST_RESYNC || code == JWRN_BOGUS_PROGRESSION;
}

static void note_message(j_common_ptr any, int level)
{
    struct catcher *catcher = (struct catcher *)any->err;
    if (level < 0 && is_damage(any->err->msg_code) && !catcher->is_damaged) {
        catcher->is_damaged = true;
        keep_words(any, ERR_SYNTAX);
    }
}

static void print_nothing(j_common_ptr any)
{
    (void)any;
}

static struct jpeg_error_mgr *catch_errors(struct catcher *catcher, struct err *err)
{
    catcher->err = err;
    catcher->is_damaged = false;
    jpeg_std_error(&catcher->manager);
    catcher->manager.error_exit = fail;
    catcher->manager.emit_message = note_message;
    catcher->manager.output_message = print_nothing;
    return &catcher->manager;
}

/* ---- reading ---- */

struct reading {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_progress_mgr progress;
    struct catcher catcher;
};

static void count_scans(j_common_ptr any)
{
    const struct jpeg_decompress_struct *jpeg = (j_decompress_ptr)any;
    if (jpeg->input_scan_number > IMAGE_JPEG_SCANS_MAX) {
        struct catcher *catcher = (struct catcher *)any->err;
        err_set(catcher->err, ERR_LIMIT, "a JPEG of more than %d scans", IMAGE_JPEG_SCANS_MAX);
        longjmp(catcher->jump, 1);
    }
}

/* Under the caller's setjmp. */
static void begin_reading(struct reading *r, struct span bytes)
{
    jpeg_create_decompress(&r->jpeg);
    r->jpeg.mem->max_memory_to_use = LIBRARY_BYTES_MAX;
    r->progress.progress_monitor = count_scans;
    r->jpeg.progress = &r->progress;
    jpeg_mem_src(&r->jpeg, bytes.data, (unsigned long)bytes.size);
    jpeg_read_header(&r->jpeg, TRUE);
}

bool image_jpeg_probe(struct span bytes, struct image_facts *out, struct err *err)
{
    struct reading r = {.jpeg = {.err = NULL}};
    r.jpeg.err = catch_errors(&r.catcher, err);
    if (setjmp(r.catcher.jump) != 0) {
        jpeg_destroy_decompress(&r.jpeg);
        return false;
    }
    begin_reading(&r, bytes);
    *out = (struct image_facts){
        .format = IMAGE_JPEG, .width = r.jpeg.image_width, .height = r.jpeg.image_height};
    jpeg_destroy_decompress(&r.jpeg);
    return true;
}

/* The caller's wish, or more where the whole would pass the limit. */
static unsigned shrink_for(const struct jpeg_decompress_struct *jpeg, uint32_t wish)
{
    unsigned shrink = wish;
    while (shrink < 8 && (uint64_t)jpeg->image_width / shrink * (jpeg->image_height / shrink) >
                             (uint64_t)IMAGE_PIXELS_MAX) {
        shrink *= 2;
    }
    return shrink;
}

/* Adobe writes inverted CMYK, and everyone reads it so: 255 is no ink. */
static void turn_cmyk(uint8_t *row, uint32_t width, bool is_inverted)
{
    for (uint32_t x = 0; x < width; x++) {
        uint8_t *pixel = row + 4 * (size_t)x;
        const unsigned flip = is_inverted ? 0 : 255;
        const unsigned black = pixel[3] ^ flip;
        for (int i = 0; i < 3; i++) {
            pixel[i] = (uint8_t)(((pixel[i] ^ flip) * black + 127) / 255);
        }
        pixel[3] = 255;
    }
}

/* Under the caller's setjmp; false with the error set. */
static bool read_rows(struct reading *r, uint32_t shrink, struct arena *arena, struct image *image)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    const bool is_cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = is_cmyk ? JCS_CMYK : JCS_EXT_RGBA;
    jpeg->scale_num = 1;
    jpeg->scale_denom = shrink_for(jpeg, shrink);
    jpeg_calc_output_dimensions(jpeg);
    if (!image_make(jpeg->output_width, jpeg->output_height, arena, image, r->catcher.err)) {
        return false;
    }
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *row = image->pixels + 4 * (size_t)image->width * jpeg->output_scanline;
        JSAMPROW rows[1] = {row};
        jpeg_read_scanlines(jpeg, rows, 1);
        if (is_cmyk) {
            turn_cmyk(row, image->width, jpeg->saw_Adobe_marker);
        }
    }
    jpeg_finish_decompress(jpeg);
    return !r->catcher.is_damaged;
}

bool image_jpeg_read(struct span bytes, uint32_t shrink, struct arena *arena, struct image *out,
                     struct err *err)
{
    struct reading r = {.jpeg = {.err = NULL}};
    struct image image;
    r.jpeg.err = catch_errors(&r.catcher, err);
    if (setjmp(r.catcher.jump) != 0) {
        jpeg_destroy_decompress(&r.jpeg);
        return false;
    }
    begin_reading(&r, bytes);
    const bool ok = read_rows(&r, shrink, arena, &image);
    jpeg_destroy_decompress(&r.jpeg);
    if (!ok) {
        return false;
    }
    *out = image;
    return true;
}

/* ---- writing ---- */

struct writing {
    struct jpeg_compress_struct jpeg;
    struct jpeg_destination_mgr to;
    struct catcher catcher;
    struct buf *out;
    uint8_t room[WRITE_BYTES];
};

static void begin_room(j_compress_ptr jpeg)
{
    struct writing *w = jpeg->client_data;
    w->to.next_output_byte = w->room;
    w->to.free_in_buffer = WRITE_BYTES;
}

static boolean empty_room(j_compress_ptr jpeg)
{
    struct writing *w = jpeg->client_data;
    buf_add(w->out, w->room, WRITE_BYTES);
    begin_room(jpeg);
    return TRUE;
}

static void end_room(j_compress_ptr jpeg)
{
    struct writing *w = jpeg->client_data;
    buf_add(w->out, w->room, WRITE_BYTES - w->to.free_in_buffer);
}

/* Under the caller's setjmp. */
static void write_rows(struct writing *w, const struct image *image, int quality)
{
    jpeg_create_compress(&w->jpeg);
    w->jpeg.client_data = w;
    w->to.init_destination = begin_room;
    w->to.empty_output_buffer = empty_room;
    w->to.term_destination = end_room;
    w->jpeg.dest = &w->to;
    w->jpeg.image_width = image->width;
    w->jpeg.image_height = image->height;
    w->jpeg.input_components = 4;
    w->jpeg.in_color_space = JCS_EXT_RGBX;
    jpeg_set_defaults(&w->jpeg);
    jpeg_set_quality(&w->jpeg, quality, TRUE);
    w->jpeg.optimize_coding = TRUE;
    jpeg_start_compress(&w->jpeg, TRUE);
    while (w->jpeg.next_scanline < w->jpeg.image_height) {
        JSAMPROW rows[1] = {image->pixels + 4 * (size_t)image->width * w->jpeg.next_scanline};
        jpeg_write_scanlines(&w->jpeg, rows, 1);
    }
    jpeg_finish_compress(&w->jpeg);
}

bool image_jpeg_write(const struct image *image, int quality, struct buf *out, struct err *err)
{
    struct writing w = {.out = out};
    const size_t before = out->size;
    w.jpeg.err = catch_errors(&w.catcher, err);
    if (setjmp(w.catcher.jump) != 0) {
        jpeg_destroy_compress(&w.jpeg);
        out->size = before;
        return err->code == ERR_NOMEM ? false : err_set(err, ERR_LIBRARY, "cannot write a JPEG");
    }
    write_rows(&w, image, quality);
    jpeg_destroy_compress(&w.jpeg);
    if (!buf_finish(out, err)) {
        out->size = before;
        return false;
    }
    return true;
}
