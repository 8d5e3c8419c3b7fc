/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/atlas.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "formats/image_jpeg.h"
#include "formats/image_png.h"
#include "formats/image_webp.h"
#include "tiler/chart.h"
#include "tiler/resample.h"
#include "tiler/skyline.h"

/* Texels around a chart that repeat its edge. Charts stand on multiples of as
 * many, so that blocks of 4 x 4 (texture compression in a viewer) never mix two.
 * JPEG has one colour difference for two texels, in blocks of 16: larger charts
 * stand on those, or their edges take on their neighbours' colours. */
enum { GUTTER = 4, BLOCK = 16, BLOCK_SIDE_MIN = 64 };

/* Lettering on facades stays sharp; below, it frays visibly. */
enum { JPEG_QUALITY = 85, WEBP_QUALITY = 80 };

enum { PAGE_BYTES_MAX = 1 << 28 };

/* A page is tried with this much more than its charts cover. */
static const double PAGE_SLACK = 1.04;

enum { WHITE_SIDE = 4 };

struct face_index;

/* Charts in the order in which they are packed, and pages as they are made. */
struct making {
    struct face_index *faces;     /* per piece that has images; else empty */
    struct chart_spot **by_chart; /* spots, chart after chart */
    size_t *first_spot;           /* per chart, and the end */
    const struct atlas_request *request;
    struct arena *tile;
    struct arena *scratch;
    struct chart_list list;
    struct chart white; /* page -1: none */
    struct chart **order;
    size_t order_count;
    struct atlas_page *pages;
    uint32_t *widths, *heights; /* of pages */
    size_t page_count;
};

/* ---- packing ---- */

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Opaque before the others, shared pages before those that repeat, tall before
 * flat; then by what does not depend on threads. */
static int compare_charts(const void *a, const void *b)
{
    const struct chart *const *pa = a;
    const struct chart *const *pb = b;
    const struct chart *x = *pa;
    const struct chart *y = *pb;
    const int64_t left[] = {x->alpha,
                            x->is_repeat,
                            -(int64_t)x->height,
                            -(int64_t)x->width,
                            x->order,
                            x->wrap,
                            x->x0,
                            x->y0,
                            x->x1,
                            x->y1};
    const int64_t right[] = {y->alpha,
                             y->is_repeat,
                             -(int64_t)y->height,
                             -(int64_t)y->width,
                             y->order,
                             y->wrap,
                             y->x0,
                             y->y0,
                             y->x1,
                             y->y1};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        const int found = compare_numbers(left[i], right[i]);
        if (found != 0) {
            return found;
        }
    }
    return 0;
}

static bool is_one_class(const struct chart *a, const struct chart *b)
{
    return a->alpha == b->alpha && !a->is_repeat && !b->is_repeat;
}

/* A side with its gutters, on the grid. */
static uint32_t padded(const struct chart *chart, uint32_t side)
{
    const bool is_large = chart->width >= BLOCK_SIDE_MIN && chart->height >= BLOCK_SIDE_MIN;
    const uint32_t step = is_large ? BLOCK : GUTTER;
    return (side + 2 * GUTTER + step - 1) / step * step;
}

static uint32_t padded_width(const struct chart *chart)
{
    return padded(chart, chart->width);
}

static uint32_t padded_height(const struct chart *chart)
{
    return padded(chart, chart->height);
}

static uint32_t page_width(struct chart *const *charts, size_t count)
{
    double area = 0;
    uint32_t widest = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t width = padded_width(charts[i]);
        area += (double)width * padded_height(charts[i]);
        widest = width > widest ? width : widest;
    }
    const double side = fmin(sqrt(area * PAGE_SLACK), ATLAS_SIDE_MAX);
    uint32_t beside = (uint32_t)(side / widest + 0.5); /* charts in a row, were all so wide */
    if (beside >= 8) {
        return ((uint32_t)side + 3) / 4 * 4;
    }
    beside = beside == 0 ? 1 : beside;
    while (beside * widest > ATLAS_SIDE_MAX) {
        beside--;
    }
    return beside * widest;
}

static uint32_t begin_page(struct making *m, const struct chart *chart)
{
    m->pages[m->page_count] = (struct atlas_page){
        .wrap = chart->is_repeat ? chart->wrap : MESH_CLAMP, .alpha = chart->alpha};
    return (uint32_t)m->page_count++;
}

/* Packs the charts of one class, page after page. */
static bool pack_class(struct making *m, struct chart *const *all, size_t count, struct err *err)
{
    struct chart **charts = arena_array(m->scratch, struct chart *, count); /* not yet placed */
    if (charts == NULL) {
        return arena_full(m->scratch, err);
    }
    memcpy(charts, all, count * sizeof charts[0]);
    size_t left = count;
    while (left > 0) {
        const struct arena_mark mark = arena_mark(m->scratch);
        struct skyline page;
        const uint32_t width = page_width(charts, left);
        if (!skyline_init(&page, width, ATLAS_SIDE_MAX, left, m->scratch, err)) {
            return false;
        }
        const uint32_t number = begin_page(m, charts[0]);
        size_t kept = 0;
        for (size_t i = 0; i < left; i++) {
            uint32_t x;
            uint32_t y;
            struct chart *chart = charts[i];
            if (skyline_place(&page, padded_width(chart), padded_height(chart), &x, &y)) {
                chart->page = (int32_t)number;
                chart->x = x + GUTTER;
                chart->y = y + GUTTER;
            } else {
                charts[kept++] = chart;
            }
        }
        assert(kept < left);
        m->widths[number] = width;
        m->heights[number] = page.used_height;
        left = kept;
        arena_reset(m->scratch, mark);
    }
    return true;
}

static bool pack(struct making *m, struct err *err)
{
    for (size_t i = 0; i < m->order_count;) {
        struct chart *chart = m->order[i];
        if (chart->is_repeat) {
            chart->page = (int32_t)begin_page(m, chart);
            m->widths[chart->page] = chart->width;
            m->heights[chart->page] = chart->height;
            i++;
            continue;
        }
        size_t end = i + 1;
        while (end < m->order_count && is_one_class(chart, m->order[end])) {
            end++;
        }
        if (!pack_class(m, m->order + i, end - i, err)) {
            return false;
        }
        i = end;
    }
    return true;
}

/* A white spot is worth it when some faces have only a colour, and there is an
 * opaque page to put it on. */
static bool wants_white(const struct making *m)
{
    bool has_page = false;
    bool has_color = false;
    for (size_t i = 0; i < m->list.chart_count; i++) {
        const struct chart *chart = &m->list.charts[i];
        has_color = has_color || chart->width == 0;
        has_page =
            has_page || (chart->width > 0 && chart->alpha == MESH_OPAQUE && !chart->is_repeat);
    }
    for (size_t p = 0; has_page && !has_color && p < m->request->piece_count; p++) {
        const struct piece *piece = m->request->pieces[p];
        for (uint32_t f = 0; f < piece->face_count && !has_color; f++) {
            has_color = piece->faces[f].is_unlit && piece->faces[f].image == PIECE_NO_IMAGE;
        }
    }
    return has_page && has_color;
}

static bool list_order(struct making *m, struct err *err)
{
    m->order = arena_array(m->scratch, struct chart *, m->list.chart_count + 1);
    m->widths = arena_array(m->scratch, uint32_t, m->list.chart_count + 1);
    m->heights = arena_array(m->scratch, uint32_t, m->list.chart_count + 1);
    m->pages = arena_array(m->tile, struct atlas_page, m->list.chart_count + 1);
    if (m->order == NULL || m->widths == NULL || m->heights == NULL) {
        return arena_full(m->scratch, err);
    }
    if (m->pages == NULL) {
        return arena_full(m->tile, err);
    }
    for (size_t i = 0; i < m->list.chart_count; i++) {
        if (m->list.charts[i].width > 0) {
            m->order[m->order_count++] = &m->list.charts[i];
        }
    }
    m->white = (struct chart){
        .image = -1, .alpha = MESH_OPAQUE, .width = WHITE_SIDE, .height = WHITE_SIDE, .page = -1};
    if (wants_white(m)) {
        m->order[m->order_count++] = &m->white;
    }
    qsort(m->order, m->order_count, sizeof m->order[0], compare_charts);
    return true;
}

/* ---- pixels ---- */

static int compare_images(const void *a, const void *b)
{
    const struct chart *const *x = a;
    const struct chart *const *y = b;
    if ((*x)->page != (*y)->page) {
        return (*x)->page < (*y)->page ? -1 : 1;
    }
    if ((*x)->image != (*y)->image) {
        return (*x)->image < (*y)->image ? -1 : 1;
    }
    return 0;
}

static void paint_white(struct image *page, const struct chart *chart)
{
    for (uint32_t y = chart->y - GUTTER; y < chart->y + WHITE_SIDE + GUTTER; y++) {
        memset(page->pixels + 4 * ((size_t)y * page->width + chart->x - GUTTER), 255,
               4 * (WHITE_SIDE + 2 * GUTTER));
    }
}

/* How much smaller the image may come: two of its pixels to a texel are left, to
 * be averaged in linear light. */
static uint32_t shrink_for(struct chart *const *charts, size_t count)
{
    double least = HUGE_VAL;
    for (size_t i = 0; i < count; i++) {
        const struct chart *c = charts[i];
        least = fmin(least,
                     fmin((double)(c->x1 - c->x0) / c->width, (double)(c->y1 - c->y0) / c->height));
    }
    uint32_t shrink = 1;
    while (shrink < 8 && 4 * shrink <= least) {
        shrink *= 2;
    }
    return shrink;
}

/* ---- what faces show of a chart ---- */

/* Triangles of each face of a piece. */
struct face_index {
    uint32_t *first; /* per face, and the end: into triangles */
    uint32_t *triangles;
};

static bool index_faces(const struct piece *piece, struct arena *scratch, struct face_index *out,
                        struct err *err)
{
    out->first = arena_array(scratch, uint32_t, (size_t)piece->face_count + 2);
    out->triangles = arena_array(scratch, uint32_t, piece->triangle_count);
    if (out->first == NULL || out->triangles == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t t = 0; t < piece->triangle_count; t++) {
        out->first[piece->triangle_faces[t] + 2]++;
    }
    for (uint32_t f = 2; f <= piece->face_count + 1; f++) {
        out->first[f] += out->first[f - 1];
    }
    for (uint32_t t = 0; t < piece->triangle_count; t++) {
        out->triangles[out->first[piece->triangle_faces[t] + 1]++] = t;
    }
    return true;
}

/* The spots of each chart, and the triangles of each face. */
static bool index_spots(struct making *m, struct err *err)
{
    const struct chart_list *list = &m->list;
    m->faces = arena_array(m->scratch, struct face_index, m->request->piece_count);
    m->by_chart = arena_array(m->scratch, struct chart_spot *, list->spot_count);
    m->first_spot = arena_array(m->scratch, size_t, list->chart_count + 2);
    if (m->faces == NULL || m->by_chart == NULL || m->first_spot == NULL) {
        return arena_full(m->scratch, err);
    }
    for (size_t i = 0; i < list->spot_count; i++) {
        m->first_spot[list->spots[i].chart + 2]++;
        const uint32_t piece = list->spots[i].piece;
        if (m->faces[piece].first == NULL &&
            !index_faces(m->request->pieces[piece], m->scratch, &m->faces[piece], err)) {
            return false;
        }
    }
    for (size_t c = 2; c <= list->chart_count + 1; c++) {
        m->first_spot[c] += m->first_spot[c - 1];
    }
    for (size_t i = 0; i < list->spot_count; i++) {
        m->by_chart[m->first_spot[list->spots[i].chart + 1]++] = &list->spots[i];
    }
    return true;
}

static void cover_spot(const struct making *m, const struct chart_spot *spot,
                       const struct image *image, struct cover *cover)
{
    const struct piece *piece = m->request->pieces[spot->piece];
    const struct face_index *index = &m->faces[spot->piece];
    for (uint32_t i = index->first[spot->face]; i < index->first[spot->face + 1]; i++) {
        const float *uv = piece->uvs + 6 * (size_t)index->triangles[i];
        double xy[6];
        for (int k = 0; k < 3; k++) {
            xy[2 * k] = ((double)uv[2 * k] + spot->shift[0]) * image->width;
            xy[2 * k + 1] = (1 - ((double)uv[2 * k + 1] + spot->shift[1])) * image->height;
        }
        cover_triangle(cover, xy);
    }
}

/* Sets part->cover, unless all of the part is shown. */
static bool cover_chart(struct making *m, const struct chart *chart, const struct image *image,
                        struct resample_part *part, struct cover *cover, struct err *err)
{
    const int64_t x0 = (int64_t)floor(part->x0);
    const int64_t y0 = (int64_t)floor(part->y0);
    const int64_t width = (int64_t)ceil(part->x1) - x0;
    const int64_t height = (int64_t)ceil(part->y1) - y0;
    if (width * height > IMAGE_PIXELS_MAX) {
        return true; /* unrolled so far that it will be a blur anyway */
    }
    if (!cover_open(cover, x0, y0, (uint32_t)width, (uint32_t)height, m->scratch, err)) {
        return false;
    }
    const size_t number = (size_t)(chart - m->list.charts);
    for (size_t i = m->first_spot[number]; i < m->first_spot[number + 1]; i++) {
        cover_spot(m, m->by_chart[i], image, cover);
    }
    part->cover = cover_is_whole(cover) ? NULL : cover;
    return true;
}

/* Draws the charts of one image. */
static bool paint_image(struct making *m, struct image *page, struct chart *const *charts,
                        size_t count, struct err *err)
{
    if (charts[0]->image < 0) {
        paint_white(page, charts[0]);
        return true;
    }
    struct images_hold hold;
    if (!images_hold(m->request->images, charts[0]->image, shrink_for(charts, count), &hold, err)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; ok && hold.image.pixels != NULL && i < count; i++) {
        const struct chart *chart = charts[i];
        const double across = (double)hold.image.width / chart->image_width;
        const double down = (double)hold.image.height / chart->image_height;
        struct resample_part part = {(double)chart->x0 * across,
                                     (double)chart->y0 * down,
                                     (double)chart->x1 * across,
                                     (double)chart->y1 * down,
                                     chart->wrap,
                                     NULL};
        struct resample_place place = {page,          chart->x, chart->y, chart->width,
                                       chart->height, 0,        0,        0};
        if (!chart->is_repeat) {
            place.gutter = GUTTER;
            place.extra_x = padded_width(chart) - chart->width - 2 * GUTTER;
            place.extra_y = padded_height(chart) - chart->height - 2 * GUTTER;
        }
        const struct arena_mark mark = arena_mark(m->scratch);
        struct cover cover;
        ok = chart->is_repeat || cover_chart(m, chart, &hold.image, &part, &cover, err);
        ok = ok && resample_part(&hold.image, &part, chart->alpha, images_light(m->request->images),
                                 &place, m->scratch, err);
        arena_reset(m->scratch, mark);
    }
    images_drop(m->request->images, &hold);
    return ok;
}

static bool encode(const struct atlas_request *request, const struct image *image,
                   struct atlas_page *page, struct buf *out, struct err *err)
{
    switch (request->format) {
    case ATLAS_WEBP:
        page->image.media_type = "image/webp";
        return image_webp_write(image, WEBP_QUALITY, out, err);
    case ATLAS_PNG:
        break;
    case ATLAS_JPEG:
    case ATLAS_AUTO:
        if (page->alpha == MESH_OPAQUE) {
            page->image.media_type = "image/jpeg";
            return image_jpeg_write(image, JPEG_QUALITY, out, err);
        }
        break;
    }
    page->image.media_type = "image/png";
    return image_png_write(image, out, err);
}

static bool keep_bytes(struct making *m, struct atlas_page *page, const struct buf *bytes,
                       struct err *err)
{
    uint8_t *kept = arena_array(m->tile, uint8_t, bytes->size);
    if (kept == NULL) {
        return arena_full(m->tile, err);
    }
    memcpy(kept, bytes->data, bytes->size);
    page->image.bytes = (struct span){kept, bytes->size};
    return true;
}

static bool encode_page(struct making *m, uint32_t number, const struct image *image,
                        struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, PAGE_BYTES_MAX);
    const bool ok = encode(m->request, image, &m->pages[number], &bytes, err) &&
                    keep_bytes(m, &m->pages[number], &bytes, err);
    buf_release(&bytes);
    return ok;
}

/* Draws and encodes one page from the charts on it, which are sorted by image. */
static bool make_page(struct making *m, uint32_t number, struct chart *const *charts, size_t count,
                      struct err *err)
{
    const struct arena_mark mark = arena_mark(m->scratch);
    struct image page;
    bool ok = image_make(m->widths[number], m->heights[number], m->scratch, &page, err);
    for (size_t i = 0;
         ok && m->pages[number].alpha == MESH_OPAQUE && i < (size_t)page.width * page.height; i++) {
        page.pixels[4 * i + 3] = 255;
    }
    for (size_t i = 0; ok && i < count;) {
        size_t end = i + 1;
        while (end < count && charts[end]->image == charts[i]->image) {
            end++;
        }
        ok = paint_image(m, &page, charts + i, end - i, err);
        i = end;
    }
    ok = ok && encode_page(m, number, &page, err);
    arena_reset(m->scratch, mark);
    return ok;
}

static bool make_pages(struct making *m, struct err *err)
{
    qsort(m->order, m->order_count, sizeof m->order[0], compare_images);
    for (size_t i = 0; i < m->order_count;) {
        size_t end = i + 1;
        while (end < m->order_count && m->order[end]->page == m->order[i]->page) {
            end++;
        }
        if (!make_page(m, (uint32_t)m->order[i]->page, m->order + i, end - i, err)) {
            return false;
        }
        i = end;
    }
    return true;
}

/* ---- places ---- */

static struct atlas_place place_on(const struct making *m, const struct chart *chart,
                                   const double shift[2])
{
    const double page_width_px = m->widths[chart->page];
    const double page_height_px = m->heights[chart->page];
    if (chart->is_repeat) {
        return (struct atlas_place){chart->page, {1, -1}, {shift[0], 1 - shift[1]}};
    }
    const double across = chart->width / (double)(chart->x1 - chart->x0);
    const double down = chart->height / (double)(chart->y1 - chart->y0);
    const double width = chart->image_width;
    const double height = chart->image_height;
    return (struct atlas_place){
        chart->page,
        {width * across / page_width_px, -height * down / page_height_px},
        {(chart->x + (shift[0] * width - (double)chart->x0) * across) / page_width_px,
         (chart->y + ((1 - shift[1]) * height - (double)chart->y0) * down) / page_height_px}};
}

static bool list_places(struct making *m, struct atlas *out, struct err *err)
{
    size_t *first = arena_array(m->tile, size_t, m->request->piece_count);
    size_t count = 0;
    for (size_t p = 0; first != NULL && p < m->request->piece_count; p++) {
        first[p] = count;
        count += m->request->pieces[p]->face_count;
    }
    struct atlas_place *places = arena_array(m->tile, struct atlas_place, count);
    if (first == NULL || places == NULL) {
        return arena_full(m->tile, err);
    }
    for (size_t i = 0; i < count; i++) {
        places[i].page = ATLAS_COLOR;
    }
    for (size_t i = 0; i < m->list.spot_count; i++) {
        const struct chart_spot *spot = &m->list.spots[i];
        const struct chart *chart = &m->list.charts[spot->chart];
        if (chart->page >= 0) {
            places[first[spot->piece] + spot->face] = place_on(m, chart, spot->shift);
        }
    }
    *out = (struct atlas){.first_place = first,
                          .places = places,
                          .pages = m->pages,
                          .page_count = m->page_count,
                          .white = {.page = m->white.page}};
    if (m->white.page >= 0) {
        out->white.shift[0] = (m->white.x + WHITE_SIDE / 2.0) / m->widths[m->white.page];
        out->white.shift[1] = (m->white.y + WHITE_SIDE / 2.0) / m->heights[m->white.page];
    }
    return true;
}

bool atlas_make(const struct atlas_request *request, struct arena *tile, struct arena *scratch,
                struct atlas *out, struct err *err)
{
    const struct chart_options options = {.texel_m = request->texel_m,
                                          .side_max = ATLAS_SIDE_MAX - 2 * GUTTER - BLOCK,
                                          .is_opaque = request->format == ATLAS_JPEG};
    const struct arena_mark mark = arena_mark(scratch);
    struct making m = {.request = request, .tile = tile, .scratch = scratch};
    const bool ok = chart_list_make(request->pieces, request->piece_count, request->images,
                                    &options, tile, scratch, &m.list, err) &&
                    list_order(&m, err) && index_spots(&m, err) && pack(&m, err) &&
                    make_pages(&m, err) && list_places(&m, out, err);
    arena_reset(scratch, mark);
    return ok;
}
