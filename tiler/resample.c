/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/resample.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Passes that carry colour into clear pixels: as many as the gutter is wide.
 * What is left then takes the mean of all. */
enum { FILL_PASSES = 4 };

/* The source pixels of one output column or row, with what each counts. */
struct reach {
    uint32_t first; /* into the axis's cells */
    uint32_t count;
};

struct axis {
    struct reach *reaches; /* per output pixel */
    uint32_t *cells;       /* source pixels, wrapped */
    int64_t *places;       /* the same before that */
    float *weights;        /* of each cell; those of a reach sum to 1 */
};

static uint32_t wrapped(int64_t at, uint32_t size, enum mesh_wrap wrap)
{
    const int64_t n = size;
    if (wrap == MESH_CLAMP) {
        return (uint32_t)(at < 0 ? 0 : at >= n ? n - 1 : at);
    }
    if (wrap == MESH_MIRROR) {
        const int64_t within = (at % (2 * n) + 2 * n) % (2 * n);
        return (uint32_t)(within < n ? within : 2 * n - 1 - within);
    }
    return (uint32_t)((at % n + n) % n);
}

static bool make_axis(double low, double high, uint32_t count, uint32_t size, enum mesh_wrap wrap,
                      struct arena *scratch, struct axis *out, struct err *err)
{
    const double step = (high - low) / count;
    const size_t most = (size_t)(high - low) + 3 * (size_t)count + 4;
    out->reaches = arena_array(scratch, struct reach, count);
    out->cells = arena_array(scratch, uint32_t, most);
    out->places = arena_array(scratch, int64_t, most);
    out->weights = arena_array(scratch, float, most);
    if (out->reaches == NULL || out->cells == NULL || out->places == NULL || out->weights == NULL) {
        return arena_full(scratch, err);
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        const double from = low + i * step;
        const double to = low + (i + 1) * step;
        struct reach *reach = &out->reaches[i];
        reach->first = used;
        for (int64_t cell = (int64_t)floor(from); (double)cell < to - 1e-9; cell++) {
            const double share = fmin(to, (double)cell + 1) - fmax(from, (double)cell);
            if (share > 1e-9) {
                assert(used < most);
                out->places[used] = cell;
                out->cells[used] = wrapped(cell, size, wrap);
                out->weights[used++] = (float)(share / step);
            }
        }
        if (used == reach->first) { /* narrower than rounding */
            out->places[used] = (int64_t)floor((from + to) / 2);
            out->cells[used] = wrapped(out->places[used], size, wrap);
            out->weights[used++] = 1;
        }
        reach->count = used - reach->first;
    }
    return true;
}

/* A source row on its way to the sums. */
struct source_row {
    const uint8_t *pixels;
    int64_t place;
    float weight;
    const struct cover *cover; /* NULL: all */
};

/* Adds a source row, reduced along x, to sums of light x alpha and alpha. */
static void add_row(const struct source_row *from, const struct axis *across, uint32_t width,
                    const struct light_table *light, float *sums)
{
    const uint8_t *row = from->pixels;
    const float weight = from->weight;
    for (uint32_t x = 0; x < width; x++) {
        const struct reach reach = across->reaches[x];
        float *sum = sums + 4 * (size_t)x;
        for (uint32_t i = reach.first; i < reach.first + reach.count; i++) {
            if (from->cover != NULL && !cover_has(from->cover, across->places[i], from->place)) {
                continue;
            }
            const uint8_t *pixel = row + 4 * (size_t)across->cells[i];
            const float alpha = weight * across->weights[i] * (float)pixel[3];
            sum[0] += alpha * light->linear[pixel[0]];
            sum[1] += alpha * light->linear[pixel[1]];
            sum[2] += alpha * light->linear[pixel[2]];
            sum[3] += alpha;
        }
    }
}

static uint8_t *pixel_at(const struct resample_place *place, uint32_t x, uint32_t y)
{
    return place->image->pixels + 4 * ((size_t)(place->y + y) * place->image->width + place->x + x);
}

static void write_row(const float *sums, uint32_t y, const struct light_table *light,
                      const struct resample_place *place)
{
    for (uint32_t x = 0; x < place->width; x++) {
        const float *sum = sums + 4 * (size_t)x;
        uint8_t *out = pixel_at(place, x, y);
        for (int i = 0; i < 3; i++) {
            out[i] = sum[3] > 0.25f ? light_encode(light, sum[i] / sum[3]) : 0;
        }
        out[3] = (uint8_t)(sum[3] + 0.5f > 255 ? 255 : sum[3] + 0.5f);
    }
}

static bool shrink(const struct image *from, const struct resample_part *part,
                   const struct light_table *light, const struct resample_place *place,
                   struct arena *scratch, struct err *err)
{
    struct axis across;
    struct axis down;
    float *sums = arena_array(scratch, float, 4 * (size_t)place->width);
    if (sums == NULL) {
        return arena_full(scratch, err);
    }
    if (!make_axis(part->x0, part->x1, place->width, from->width, part->wrap, scratch, &across,
                   err) ||
        !make_axis(part->y0, part->y1, place->height, from->height, part->wrap, scratch, &down,
                   err)) {
        return false;
    }
    for (uint32_t y = 0; y < place->height; y++) {
        const struct reach reach = down.reaches[y];
        memset(sums, 0, 4 * (size_t)place->width * sizeof sums[0]);
        for (uint32_t i = reach.first; i < reach.first + reach.count; i++) {
            const struct source_row row = {from->pixels + 4 * (size_t)from->width * down.cells[i],
                                           down.places[i], down.weights[i], part->cover};
            add_row(&row, &across, place->width, light, sums);
        }
        write_row(sums, y, light, place);
    }
    return true;
}

static bool is_whole(const struct resample_part *part, const struct resample_place *place)
{
    return part->x0 == floor(part->x0) && part->y0 == floor(part->y0) &&
           part->x1 - part->x0 == place->width && part->y1 - part->y0 == place->height;
}

static void copy(const struct image *from, const struct resample_part *part,
                 const struct resample_place *place)
{
    for (uint32_t y = 0; y < place->height; y++) {
        const uint32_t source_y = wrapped((int64_t)part->y0 + (int64_t)y, from->height, part->wrap);
        const uint8_t *row = from->pixels + 4 * (size_t)from->width * source_y;
        for (uint32_t x = 0; x < place->width; x++) {
            const uint32_t source_x =
                wrapped((int64_t)part->x0 + (int64_t)x, from->width, part->wrap);
            uint8_t *out = pixel_at(place, x, y);
            memcpy(out, row + 4 * (size_t)source_x, 4);
            if (part->cover != NULL &&
                !cover_has(part->cover, (int64_t)part->x0 + x, (int64_t)part->y0 + y)) {
                out[3] = 0;
            }
        }
    }
}

/* ---- alpha ---- */

/* The share of pixels that pass one half is brought to the mean alpha. */
static void keep_coverage(const struct resample_place *place)
{
    uint64_t counts[256] = {0};
    uint64_t sum = 0;
    for (uint32_t y = 0; y < place->height; y++) {
        for (uint32_t x = 0; x < place->width; x++) {
            const uint8_t alpha = pixel_at(place, x, y)[3];
            counts[alpha]++;
            sum += alpha;
        }
    }
    const uint64_t wanted = (sum + 127) / 255;
    uint64_t passing = 0;
    int least = 255;
    while (least > 1 && passing + counts[least] < wanted) {
        passing += counts[least--];
    }
    for (uint32_t y = 0; y < place->height; y++) {
        for (uint32_t x = 0; x < place->width; x++) {
            uint8_t *alpha = pixel_at(place, x, y) + 3;
            const unsigned raised = *alpha * 128u / (unsigned)least;
            *alpha = (uint8_t)(raised > 255 ? 255 : raised);
        }
    }
}

/* The mean of the neighbours that have a colour; false: none has. */
static bool blend_neighbours(const struct resample_place *place, const uint8_t *ages, uint8_t age,
                             uint32_t x, uint32_t y, uint8_t out[3])
{
    static const int steps[4][2] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
    unsigned sum[3] = {0};
    unsigned count = 0;
    for (int i = 0; i < 4; i++) {
        const int64_t nx = (int64_t)x + steps[i][0];
        const int64_t ny = (int64_t)y + steps[i][1];
        if (nx < 0 || ny < 0 || nx >= place->width || ny >= place->height ||
            ages[(size_t)ny * place->width + (size_t)nx] >= age) {
            continue;
        }
        const uint8_t *pixel = pixel_at(place, (uint32_t)nx, (uint32_t)ny);
        for (int k = 0; k < 3; k++) {
            sum[k] += pixel[k];
        }
        count++;
    }
    for (int k = 0; count > 0 && k < 3; k++) {
        out[k] = (uint8_t)((sum[k] + count / 2) / count);
    }
    return count > 0;
}

/* The mean of the pixels that are not clear. */
static void mean_color(const struct resample_place *place, uint8_t out[3])
{
    uint64_t sum[3] = {0};
    uint64_t count = 0;
    for (uint32_t y = 0; y < place->height; y++) {
        for (uint32_t x = 0; x < place->width; x++) {
            const uint8_t *pixel = pixel_at(place, x, y);
            count += pixel[3] > 0;
            for (int k = 0; k < 3; k++) {
                sum[k] += pixel[3] > 0 ? pixel[k] : 0;
            }
        }
    }
    for (int k = 0; k < 3; k++) {
        out[k] = (uint8_t)(count == 0 ? 0 : sum[k] / count);
    }
}

/* Clear pixels, as numbers of row x width + column, and what they had at first. */
struct clear_list {
    uint32_t *pixels;
    size_t count;
    uint8_t *ages; /* of all: the pass that gave it a colour; 255 none */
};

static bool list_clear(const struct resample_place *place, struct arena *scratch,
                       struct clear_list *out, struct err *err)
{
    const size_t count = (size_t)place->width * place->height;
    out->ages = arena_array(scratch, uint8_t, count);
    out->pixels = arena_array(scratch, uint32_t, count);
    if (out->ages == NULL || out->pixels == NULL) {
        return arena_full(scratch, err);
    }
    out->count = 0;
    for (uint32_t y = 0; y < place->height; y++) {
        for (uint32_t x = 0; x < place->width; x++) {
            const uint32_t number = y * place->width + x;
            if (pixel_at(place, x, y)[3] == 0) {
                out->ages[number] = 255;
                out->pixels[out->count++] = number;
            }
        }
    }
    return true;
}

/* Clear pixels are coloured from their neighbours, a ring a pass. */
static bool fill_clear(const struct resample_place *place, struct arena *scratch, struct err *err)
{
    struct clear_list clear;
    uint8_t mean[3];
    if (!list_clear(place, scratch, &clear, err)) {
        return false;
    }
    mean_color(place, mean);
    for (uint8_t pass = 1; clear.count > 0 && pass <= FILL_PASSES; pass++) {
        size_t left = 0;
        for (size_t i = 0; i < clear.count; i++) {
            const uint32_t number = clear.pixels[i];
            const uint32_t x = number % place->width;
            const uint32_t y = number / place->width;
            if (blend_neighbours(place, clear.ages, pass, x, y, pixel_at(place, x, y))) {
                clear.ages[number] = pass;
            } else {
                clear.pixels[left++] = number;
            }
        }
        clear.count = left;
    }
    for (size_t i = 0; i < clear.count; i++) {
        const uint32_t number = clear.pixels[i];
        memcpy(pixel_at(place, number % place->width, number / place->width), mean, sizeof mean);
    }
    return true;
}

static void make_opaque(const struct resample_place *place)
{
    for (uint32_t y = 0; y < place->height; y++) {
        for (uint32_t x = 0; x < place->width; x++) {
            pixel_at(place, x, y)[3] = 255;
        }
    }
}

static bool has_alpha(const struct resample_place *place)
{
    for (uint32_t y = 0; y < place->height; y++) {
        for (uint32_t x = 0; x < place->width; x++) {
            if (pixel_at(place, x, y)[3] != 255) {
                return true;
            }
        }
    }
    return false;
}

/* ---- the gutter ---- */

static void add_gutter(const struct resample_place *place)
{
    const size_t stride = 4 * (size_t)place->image->width;
    const uint32_t g = place->gutter;
    for (uint32_t y = 0; y < place->height; y++) {
        uint8_t *row = pixel_at(place, 0, y);
        for (uint32_t x = 1; x <= g; x++) {
            memcpy(row - 4 * (size_t)x, row, 4);
        }
        for (uint32_t x = 1; x <= g + place->extra_x; x++) {
            memcpy(row + 4 * ((size_t)place->width - 1 + x), row + 4 * ((size_t)place->width - 1),
                   4);
        }
    }
    const size_t bytes = 4 * ((size_t)place->width + 2 * (size_t)g + place->extra_x);
    uint8_t *top = pixel_at(place, 0, 0) - 4 * (size_t)g;
    uint8_t *bottom = pixel_at(place, 0, place->height - 1) - 4 * (size_t)g;
    for (uint32_t y = 1; y <= g; y++) {
        memcpy(top - stride * y, top, bytes);
    }
    for (uint32_t y = 1; y <= g + place->extra_y; y++) {
        memcpy(bottom + stride * y, bottom, bytes);
    }
}

bool resample_part(const struct image *from, const struct resample_part *part,
                   enum mesh_alpha alpha, const struct light_table *light,
                   const struct resample_place *place, struct arena *scratch, struct err *err)
{
    assert(place->width > 0 && place->height > 0);
    assert(place->x >= place->gutter && place->y >= place->gutter);
    assert(place->x + place->width + place->gutter + place->extra_x <= place->image->width);
    assert(place->y + place->height + place->gutter + place->extra_y <= place->image->height);
    const struct arena_mark mark = arena_mark(scratch);
    bool ok = true;
    if (is_whole(part, place)) {
        copy(from, part, place);
    } else {
        ok = shrink(from, part, light, place, scratch, err);
        if (ok && alpha == MESH_MASK) {
            keep_coverage(place);
        }
    }
    ok = ok && (!has_alpha(place) || fill_clear(place, scratch, err));
    if (ok && alpha == MESH_OPAQUE) {
        make_opaque(place);
    }
    if (ok) {
        add_gutter(place);
    }
    arena_reset(scratch, mark);
    return ok;
}
