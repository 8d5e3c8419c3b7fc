/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/chart.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* Faces are joined by a grid of this many cells a side over the image. */
enum { GRID = 64 };

/* Charts of one image that are compared pair by pair; beyond, only the grid. */
enum { PAIRS_MAX = 96 };

/* Unrolled parts may take so many times their image; the least is given to all. */
static const double UNROLL_MAX = 4;
static const double UNROLL_FREE_TEXELS = 65536;

/* Pages that repeat: each is a draw call more. */
enum { REPEATS_MAX = 16 };

enum { TEXELS_MIN = 16 }; /* 4 x 4 */

/* What a chart pays on each side on its page. */
enum { GUTTER_COST = 4 };

/* A face that has an image, as it was measured. */
struct face_part {
    struct chart_spot *spot;
    int32_t image;
    uint32_t order;
    uint32_t sequence;
    uint32_t image_width, image_height;
    enum mesh_wrap wrap;
    enum mesh_alpha alpha;
    double low[2], high[2]; /* u and v */
    double area_m2;
    double texels;
    double scale; /* 1 or more */
    int64_t x0, y0, x1, y1;
    bool is_inside; /* of the image, once moved */
    uint32_t root;  /* another part of its group, or itself */
};

/* ---- measuring ---- */

struct known_image {
    int32_t id;
    uint32_t order;
    struct images_facts facts;
};

static int compare_ids(const void *a, const void *b)
{
    const struct known_image *left = a;
    const struct known_image *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

static int compare_digests(const void *a, const void *b)
{
    const struct known_image *left = a;
    const struct known_image *right = b;
    return memcmp(left->facts.digest.bytes, right->facts.digest.bytes, DIGEST_BYTES);
}

static double triangle_area_m2(const struct piece *piece, uint32_t t)
{
    const uint32_t *corners = piece->corners + 3 * (size_t)t;
    const struct vec3 a = piece->points[corners[0]];
    return 0.5 * vec3_length(vec3_cross(vec3_sub(piece->points[corners[1]], a),
                                        vec3_sub(piece->points[corners[2]], a)));
}

static void add_triangle(const struct piece *piece, uint32_t t, struct face_part *part)
{
    const float *uv = piece->uvs + 6 * (size_t)t;
    for (int i = 0; i < 6; i++) {
        part->low[i % 2] = fmin(part->low[i % 2], (double)uv[i]);
        part->high[i % 2] = fmax(part->high[i % 2], (double)uv[i]);
    }
    part->area_m2 += triangle_area_m2(piece, t);
    part->texels += 0.5 * fabs((double)(uv[2] - uv[0]) * (double)(uv[5] - uv[1]) -
                               (double)(uv[4] - uv[0]) * (double)(uv[3] - uv[1]));
}

/* One part for each face of the piece that has an image; part_of has its number
 * + 1 for each face. */
static void measure_piece(const struct piece *piece, uint32_t index, uint32_t *part_of,
                          struct face_part *parts, size_t *count)
{
    for (uint32_t f = 0; f < piece->face_count; f++) {
        const struct piece_face *face = &piece->faces[f];
        part_of[f] = 0;
        if (face->image == PIECE_NO_IMAGE) {
            continue;
        }
        struct face_part *part = &parts[(*count)++];
        part_of[f] = (uint32_t)*count;
        part->sequence = (uint32_t)*count;
        part->spot->piece = index;
        part->spot->face = f;
        part->spot->chart = CHART_NONE;
        part->image = face->image;
        part->wrap = (enum mesh_wrap)face->wrap;
        part->alpha = (enum mesh_alpha)face->alpha;
        for (int k = 0; k < 2; k++) {
            part->low[k] = HUGE_VAL;
            part->high[k] = -HUGE_VAL;
        }
    }
    for (uint32_t t = 0; t < piece->triangle_count; t++) {
        const uint32_t part = part_of[piece->triangle_faces[t]];
        if (part != 0) {
            add_triangle(piece, t, &parts[part - 1]);
        }
    }
}

static bool look_up_images(struct images *images, struct face_part *parts, size_t count,
                           struct arena *scratch, struct err *err)
{
    struct known_image *known = arena_array(scratch, struct known_image, count);
    if (known == NULL) {
        return arena_full(scratch, err);
    }
    for (size_t i = 0; i < count; i++) {
        known[i].id = parts[i].image;
    }
    qsort(known, count, sizeof known[0], compare_ids);
    size_t distinct = 0;
    for (size_t i = 0; i < count; i++) {
        if (distinct == 0 || known[distinct - 1].id != known[i].id) {
            known[distinct].id = known[i].id;
            known[distinct++].facts = images_facts(images, known[i].id);
        }
    }
    qsort(known, distinct, sizeof known[0], compare_digests);
    for (size_t i = 0; i < distinct; i++) {
        known[i].order = (uint32_t)i;
    }
    qsort(known, distinct, sizeof known[0], compare_ids);
    for (size_t i = 0; i < count; i++) {
        const struct known_image key = {.id = parts[i].image};
        const struct known_image *found =
            bsearch(&key, known, distinct, sizeof known[0], compare_ids);
        assert(found != NULL);
        parts[i].order = found->order;
        parts[i].image_width = found->facts.width;
        parts[i].image_height = found->facts.height;
    }
    return true;
}

/* ---- where a part lies on its image ---- */

/* How many whole images to the left and down it is moved. */
static double shift_for(double low, enum mesh_wrap wrap, double slack)
{
    switch (wrap) {
    case MESH_REPEAT:
        return -floor(low + slack);
    case MESH_MIRROR:
        return -2 * floor((low + slack) / 2);
    case MESH_CLAMP:
        break;
    }
    return 0;
}

/* Whole texels around a stretch; at least one. */
static void round_out(double low, double high, double slack, int64_t *out_low, int64_t *out_high)
{
    *out_low = (int64_t)floor(low + slack);
    *out_high = (int64_t)ceil(high - slack);
    *out_high = *out_high > *out_low ? *out_high : *out_low + 1;
}

static void lay_part(struct face_part *part, double texel_m)
{
    const double width = part->image_width;
    const double height = part->image_height;
    /* A hundredth of a texel is noise of the coordinates. */
    const double slack = 0.01;
    part->spot->shift[0] = shift_for(part->low[0], part->wrap, slack / width);
    part->spot->shift[1] = shift_for(part->low[1], part->wrap, slack / height);
    const double u0 = part->low[0] + part->spot->shift[0];
    const double u1 = part->high[0] + part->spot->shift[0];
    const double v0 = part->low[1] + part->spot->shift[1];
    const double v1 = part->high[1] + part->spot->shift[1];
    round_out(u0 * width, u1 * width, slack, &part->x0, &part->x1);
    round_out((1 - v1) * height, (1 - v0) * height, slack, &part->y0, &part->y1);
    part->is_inside = part->x0 >= 0 && part->y0 >= 0 && part->x1 <= (int64_t)part->image_width &&
                      part->y1 <= (int64_t)part->image_height;
    part->texels *= width * height;
    const double source_texel_m = part->texels > 0 ? sqrt(part->area_m2 / part->texels) : 0;
    part->scale = source_texel_m > 0 ? fmax(1, texel_m / source_texel_m) : 1;
}

static int compare_parts(const void *a, const void *b)
{
    const struct face_part *left = a;
    const struct face_part *right = b;
    if (left->order != right->order) {
        return left->order < right->order ? -1 : 1;
    }
    if (left->wrap != right->wrap) {
        return left->wrap < right->wrap ? -1 : 1;
    }
    if (left->alpha != right->alpha) {
        return left->alpha < right->alpha ? -1 : 1;
    }
    return left->sequence < right->sequence ? -1 : left->sequence > right->sequence;
}

static bool is_one_group(const struct face_part *a, const struct face_part *b)
{
    return a->order == b->order && a->wrap == b->wrap && a->alpha == b->alpha;
}

/* ---- charts ---- */

static struct chart chart_of_part(const struct face_part *part)
{
    const double area = (double)(part->x1 - part->x0) * (double)(part->y1 - part->y0);
    return (struct chart){
        .image = part->image,
        .order = part->order,
        .image_width = part->image_width,
        .image_height = part->image_height,
        .wrap = part->wrap,
        .alpha = part->alpha,
        .x0 = part->x0,
        .y0 = part->y0,
        .x1 = part->x1,
        .y1 = part->y1,
        .wanted = area,
        .granted = area / (part->scale * part->scale),
        .page = -1,
    };
}

static struct chart joined(const struct chart *a, const struct chart *b)
{
    struct chart chart = *a;
    chart.x0 = b->x0 < a->x0 ? b->x0 : a->x0;
    chart.y0 = b->y0 < a->y0 ? b->y0 : a->y0;
    chart.x1 = b->x1 > a->x1 ? b->x1 : a->x1;
    chart.y1 = b->y1 > a->y1 ? b->y1 : a->y1;
    chart.wanted += b->wanted;
    chart.granted += b->granted;
    return chart;
}

double chart_scale(const struct chart *chart)
{
    return fmax(1, sqrt(chart->wanted / chart->granted));
}

static double cost_of(const struct chart *chart)
{
    const double scale = chart_scale(chart);
    return ((double)(chart->x1 - chart->x0) / scale + 2 * GUTTER_COST) *
           ((double)(chart->y1 - chart->y0) / scale + 2 * GUTTER_COST);
}

/* What is being made: charts of all groups, one after the other. */
struct making {
    struct chart *charts;
    uint32_t count;
    struct face_part *parts; /* of one group */
    size_t part_count;
    uint32_t first; /* chart of the group */
    struct chart_options options;
};

static uint32_t root_of(struct face_part *parts, uint32_t i)
{
    while (parts[i].root != i) {
        parts[i].root = parts[parts[i].root].root;
        i = parts[i].root;
    }
    return i;
}

/* Joins the parts inside the image that share a cell. */
static void join_by_grid(struct making *m, int32_t cells[GRID * GRID])
{
    for (int i = 0; i < GRID * GRID; i++) {
        cells[i] = -1;
    }
    for (uint32_t i = 0; i < m->part_count; i++) {
        struct face_part *part = &m->parts[i];
        part->root = i;
        if (!part->is_inside) {
            continue;
        }
        const int64_t cx0 = part->x0 * GRID / part->image_width;
        const int64_t cy0 = part->y0 * GRID / part->image_height;
        const int64_t cx1 = (part->x1 - 1) * GRID / part->image_width;
        const int64_t cy1 = (part->y1 - 1) * GRID / part->image_height;
        for (int64_t y = cy0; y <= cy1; y++) {
            for (int64_t x = cx0; x <= cx1; x++) {
                int32_t *cell = &cells[y * GRID + x];
                if (*cell < 0) {
                    *cell = (int32_t)i;
                } else {
                    const uint32_t a = root_of(m->parts, (uint32_t)*cell);
                    const uint32_t b = root_of(m->parts, i);
                    m->parts[a > b ? a : b].root = a > b ? b : a;
                }
            }
        }
    }
}

static void chart_inside(struct making *m)
{
    for (uint32_t i = 0; i < m->part_count; i++) {
        struct face_part *part = &m->parts[i];
        if (!part->is_inside) {
            continue;
        }
        const uint32_t root = root_of(m->parts, i); /* not above i */
        const struct chart own = chart_of_part(part);
        if (root == i) {
            part->spot->chart = m->count;
            m->charts[m->count++] = own;
        } else {
            part->spot->chart = m->parts[root].spot->chart;
            struct chart *chart = &m->charts[part->spot->chart];
            *chart = joined(chart, &own);
        }
    }
}

/* Removes chart b of the group after it was joined to a. */
static void close_gap(struct making *m, uint32_t a, uint32_t b)
{
    const uint32_t last = m->count - 1;
    for (size_t i = 0; i < m->part_count; i++) {
        uint32_t *chart = &m->parts[i].spot->chart;
        if (*chart == b) {
            *chart = a;
        } else if (*chart == last) {
            *chart = b;
        }
    }
    m->charts[b] = m->charts[last];
    m->count--;
}

/* Joins charts where one costs no more than two. */
static void join_by_cost(struct making *m)
{
    bool has_changed = m->count - m->first <= PAIRS_MAX;
    while (has_changed) {
        has_changed = false;
        for (uint32_t a = m->first; a < m->count; a++) {
            for (uint32_t b = a + 1; b < m->count; b++) {
                const struct chart both = joined(&m->charts[a], &m->charts[b]);
                if (cost_of(&both) <= cost_of(&m->charts[a]) + cost_of(&m->charts[b])) {
                    m->charts[a] = both;
                    close_gap(m, a, b);
                    b--;
                    has_changed = true;
                }
            }
        }
    }
}

/* Unrolled charts of the parts that cross the image's border; false when they
 * would be too many or too large. */
static bool unroll(struct making *m)
{
    const uint32_t first = m->count;
    double texels = 0;
    double scale = HUGE_VAL;
    for (size_t i = 0; i < m->part_count; i++) {
        struct face_part *part = &m->parts[i];
        if (part->is_inside) {
            continue;
        }
        const struct chart own = chart_of_part(part);
        uint32_t found = m->count;
        for (uint32_t c = first; c < m->count && found == m->count; c++) {
            const struct chart both = joined(&m->charts[c], &own);
            if (cost_of(&both) <= cost_of(&m->charts[c]) + cost_of(&own)) {
                found = c;
                m->charts[c] = both;
            }
        }
        if (found == m->count) {
            if (m->count - first == PAIRS_MAX) {
                m->count = first;
                return false;
            }
            m->charts[m->count++] = own;
        }
        part->spot->chart = found;
        scale = fmin(scale, part->scale);
    }
    for (uint32_t c = first; c < m->count; c++) {
        texels += cost_of(&m->charts[c]);
    }
    const struct face_part *part = &m->parts[0];
    const double whole = (double)part->image_width * part->image_height / (scale * scale);
    if (texels <= fmax(UNROLL_MAX * whole, UNROLL_FREE_TEXELS)) {
        return true;
    }
    m->count = first;
    return false;
}

/* One chart of the whole image that repeats, for what crosses its border. */
static void chart_repeat(struct making *m)
{
    struct chart whole = {.page = -1};
    for (size_t i = 0; i < m->part_count; i++) {
        struct face_part *part = &m->parts[i];
        if (part->is_inside) {
            continue;
        }
        const struct chart own = chart_of_part(part);
        whole = whole.granted > 0 ? joined(&whole, &own) : own;
        part->spot->chart = m->count;
    }
    whole.is_repeat = true;
    whole.x0 = 0;
    whole.y0 = 0;
    whole.x1 = whole.image_width;
    whole.y1 = whole.image_height;
    m->charts[m->count++] = whole;
}

static void chart_group(struct making *m, int32_t cells[GRID * GRID])
{
    bool has_crossing = false;
    for (size_t i = 0; i < m->part_count; i++) {
        has_crossing = has_crossing || !m->parts[i].is_inside;
    }
    m->first = m->count;
    join_by_grid(m, cells);
    chart_inside(m);
    join_by_cost(m);
    if (has_crossing && !unroll(m)) {
        chart_repeat(m);
    }
}

/* ---- sizes ---- */

static uint32_t side_of(int64_t texels, double scale)
{
    return scale <= 1 ? (uint32_t)texels : (uint32_t)fmax(1, ceil((double)texels / scale));
}

static void size_chart(struct chart *chart, uint32_t side_max)
{
    const double longer =
        (double)(chart->x1 - chart->x0 > chart->y1 - chart->y0 ? chart->x1 - chart->x0
                                                               : chart->y1 - chart->y0);
    const double scale = fmax(chart_scale(chart), longer / side_max);
    chart->width = side_of(chart->x1 - chart->x0, scale);
    chart->height = side_of(chart->y1 - chart->y0, scale);
    const bool is_small = (uint64_t)chart->width * chart->height < TEXELS_MIN;
    /* A pattern that repeats within a few texels is its colour. */
    const bool is_plain = chart->is_repeat && (chart->width < 4 || chart->height < 4);
    if (is_small || is_plain) {
        chart->width = 0;
        chart->height = 0;
    }
}

static int compare_sizes(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left < right) - (left > right);
}

/* Pages that repeat are given to the charts that have the most on them. */
static bool limit_repeats(struct making *m, struct arena *scratch, struct err *err)
{
    double *sizes = arena_array(scratch, double, m->count);
    if (sizes == NULL) {
        return arena_full(scratch, err);
    }
    size_t count = 0;
    for (uint32_t c = 0; c < m->count; c++) {
        if (m->charts[c].is_repeat && m->charts[c].width > 0) {
            sizes[count++] = m->charts[c].granted;
        }
    }
    if (count <= REPEATS_MAX) {
        return true;
    }
    qsort(sizes, count, sizeof sizes[0], compare_sizes);
    for (uint32_t c = 0; c < m->count; c++) {
        if (m->charts[c].is_repeat && m->charts[c].granted <= sizes[REPEATS_MAX]) {
            m->charts[c].width = 0;
            m->charts[c].height = 0;
        }
    }
    return true;
}

/* ---- all ---- */

static bool make_parts(const struct piece *const *pieces, size_t piece_count,
                       struct chart_spot *spots, size_t spot_count, struct face_part *parts,
                       struct arena *scratch, struct err *err)
{
    uint32_t most = 0;
    for (size_t p = 0; p < piece_count; p++) {
        most = pieces[p]->face_count > most ? pieces[p]->face_count : most;
    }
    uint32_t *part_of = arena_array(scratch, uint32_t, most);
    if (part_of == NULL) {
        return arena_full(scratch, err);
    }
    for (size_t i = 0; i < spot_count; i++) {
        parts[i].spot = &spots[i];
    }
    size_t count = 0;
    for (size_t p = 0; p < piece_count; p++) {
        if (pieces[p]->uvs != NULL) {
            measure_piece(pieces[p], (uint32_t)p, part_of, parts, &count);
        }
    }
    assert(count == spot_count);
    return true;
}

static size_t count_spots(const struct piece *const *pieces, size_t piece_count)
{
    size_t count = 0;
    for (size_t p = 0; p < piece_count; p++) {
        for (uint32_t f = 0; pieces[p]->uvs != NULL && f < pieces[p]->face_count; f++) {
            count += pieces[p]->faces[f].image != PIECE_NO_IMAGE;
        }
    }
    return count;
}

static bool make_charts(struct making *m, struct face_part *parts, size_t count,
                        struct arena *scratch, struct err *err)
{
    int32_t *cells = arena_array(scratch, int32_t, GRID * GRID);
    if (cells == NULL) {
        return arena_full(scratch, err);
    }
    for (size_t i = 0; i < count; i++) {
        parts[i].alpha = m->options.is_opaque ? MESH_OPAQUE : parts[i].alpha;
        lay_part(&parts[i], m->options.texel_m);
    }
    qsort(parts, count, sizeof parts[0], compare_parts);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && is_one_group(&parts[i], &parts[end])) {
            end++;
        }
        m->parts = parts + i;
        m->part_count = end - i;
        chart_group(m, cells);
        i = end;
    }
    for (uint32_t c = 0; c < m->count; c++) {
        size_chart(&m->charts[c], m->options.side_max);
    }
    return limit_repeats(m, scratch, err);
}

bool chart_list_make(const struct piece *const *pieces, size_t piece_count, struct images *images,
                     const struct chart_options *options, struct arena *tile, struct arena *scratch,
                     struct chart_list *out, struct err *err)
{
    const size_t count = count_spots(pieces, piece_count);
    *out = (struct chart_list){.spot_count = count};
    if (count == 0) {
        return true;
    }
    const struct arena_mark mark = arena_mark(scratch);
    out->spots = arena_array(tile, struct chart_spot, count);
    struct making m = {.charts = arena_array(tile, struct chart, count), .options = *options};
    struct face_part *parts = arena_array(scratch, struct face_part, count);
    if (out->spots == NULL || m.charts == NULL) {
        return arena_full(tile, err);
    }
    if (parts == NULL) {
        return arena_full(scratch, err);
    }
    const bool ok = make_parts(pieces, piece_count, out->spots, count, parts, scratch, err) &&
                    look_up_images(images, parts, count, scratch, err) &&
                    make_charts(&m, parts, count, scratch, err);
    arena_reset(scratch, mark);
    out->charts = m.charts;
    out->chart_count = m.count;
    return ok;
}
