/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>

#include "formats/feature_index_internal.h"
#include "formats/plan_area.h"

enum { CELLS_LEAST = 8, CELLS_MOST = 128 };

enum { CELL_OUTSIDE, CELL_INSIDE, CELL_BORDER };

struct edge {
    struct vec2 a, b;
};

/* Cells over what area and city share:
 *
 *      +----+----+----+----+
 *      |out | ___border    |      row lists: edges that a level line in the row
 *      +----+/---+----+----+      may cross, to count crossings to the right
 *      |bor-/ in | in |bor\|      cell lists: edges that enter a border cell
 *      +---/+----+----+----+
 */
struct plan_grid {
    bool is_point;
    bool is_nothing; /* the area is nowhere near the city */
    struct vec2 point;
    const struct edge *edges;
    uint32_t edge_count;
    const struct vec2 *starts; /* a point of each ring */
    uint32_t start_count;
    double min_x, min_y, max_x, max_y;
    uint32_t size; /* cells a side */
    double cells_per_x, cells_per_y;
    uint8_t *cells;
    uint32_t *cell_first; /* size * size + 1 */
    uint32_t *cell_edges;
    uint32_t *row_first; /* size + 1 */
    uint32_t *row_edges;
};

/* ---- preparing ---- */

/* The city's extent in its own frame: what the root of the tree spans. */
static struct box3 extent_of(const struct feature_index *index)
{
    struct box3 box = box3_empty();
    if (index->level_count == 0) {
        return box;
    }
    const uint8_t *root = index->section[SECTION_BOXES].data +
                          index->level_blocks[index->level_count - 1] * BLOCK_BYTES;
    float side[6][FEATURE_INDEX_NODE];
    memcpy(side, root, sizeof side);
    for (size_t i = 0; i < FEATURE_INDEX_NODE; i++) {
        if (side[0][i] <= side[3][i]) {
            box3_add(&box,
                     (struct vec3){(double)side[0][i], (double)side[1][i], (double)side[2][i]});
            box3_add(&box,
                     (struct vec3){(double)side[3][i], (double)side[4][i], (double)side[5][i]});
        }
    }
    return box;
}

static uint32_t ring_start(const struct plan_area *area, uint32_t ring)
{
    return ring == 0 ? 0 : area->ring_ends[ring - 1];
}

/* A ring in local metres, a whole turn away or not, where it meets the city's
 * latitudes and longitudes. */
static void add_ring(struct plan_grid *grid, struct edge *edges, struct vec2 *starts,
                     const struct plan_area *area, uint32_t ring, double turn_deg,
                     const struct feature_frame *frame, const struct box3 *city)
{
    const uint32_t first = ring_start(area, ring);
    const uint32_t count = area->ring_ends[ring] - first;
    struct box3 box = box3_empty();
    const uint32_t before = grid->edge_count;
    struct vec2 last = {0, 0};
    for (uint32_t i = 0; i <= count; i++) {
        const struct vec2 deg = area->points_deg[first + (i == count ? 0 : i)];
        const struct vec2 at = {(deg.x + turn_deg - frame->lon0_deg) * frame->x_m_per_deg,
                                (deg.y - frame->lat0_deg) * frame->y_m_per_deg};
        box3_add(&box, (struct vec3){at.x, at.y, 0});
        if (i > 0) {
            edges[grid->edge_count++] = (struct edge){last, at};
        } else {
            starts[grid->start_count++] = at;
        }
        last = at;
    }
    if (box.max.x < city->min.x || box.min.x > city->max.x || box.max.y < city->min.y ||
        box.min.y > city->max.y) {
        grid->edge_count = before;
        grid->start_count--;
        return;
    }
    grid->min_x = fmin(grid->min_x, box.min.x);
    grid->min_y = fmin(grid->min_y, box.min.y);
    grid->max_x = fmax(grid->max_x, box.max.x);
    grid->max_y = fmax(grid->max_y, box.max.y);
}

static uint32_t cell_of(double at, double min, double per, uint32_t size)
{
    const double cell = (at - min) * per;
    return !(cell > 0) ? 0 : cell >= size ? size - 1 : (uint32_t)cell;
}

static uint32_t column_of(const struct plan_grid *grid, double x)
{
    return cell_of(x, grid->min_x, grid->cells_per_x, grid->size);
}

static uint32_t row_of(const struct plan_grid *grid, double y)
{
    return cell_of(y, grid->min_y, grid->cells_per_y, grid->size);
}

/* The rows that an edge's heights touch; false when none of the grid. */
static bool rows_of(const struct plan_grid *grid, const struct edge *edge, uint32_t *out_first,
                    uint32_t *out_last)
{
    const double low = fmin(edge->a.y, edge->b.y);
    const double high = fmax(edge->a.y, edge->b.y);
    if (high < grid->min_y || low > grid->max_y) {
        return false;
    }
    *out_first = row_of(grid, low);
    *out_last = row_of(grid, high);
    return true;
}

/* The columns that an edge touches within a row; a little more. */
static bool columns_of(const struct plan_grid *grid, const struct edge *edge, uint32_t row,
                       uint32_t *out_first, uint32_t *out_last)
{
    const double slack_m = 1e-6;
    double low_y = grid->min_y + row / grid->cells_per_y - slack_m;
    double high_y = grid->min_y + (row + 1) / grid->cells_per_y + slack_m;
    double left = fmin(edge->a.x, edge->b.x);
    double right = fmax(edge->a.x, edge->b.x);
    const double dy = edge->b.y - edge->a.y;
    if (fabs(dy) > slack_m) {
        low_y = fmax(low_y, fmin(edge->a.y, edge->b.y));
        high_y = fmin(high_y, fmax(edge->a.y, edge->b.y));
        const double slope = (edge->b.x - edge->a.x) / dy;
        const double at_low = edge->a.x + (low_y - edge->a.y) * slope;
        const double at_high = edge->a.x + (high_y - edge->a.y) * slope;
        left = fmax(left, fmin(at_low, at_high) - slack_m);
        right = fmin(right, fmax(at_low, at_high) + slack_m);
    }
    if (right < grid->min_x || left > grid->max_x) {
        return false;
    }
    *out_first = column_of(grid, left);
    *out_last = column_of(grid, right);
    return true;
}

/* Once to count (lists NULL), once to fill in. */
static void spread_edges(struct plan_grid *grid, bool is_filling)
{
    for (uint32_t e = 0; e < grid->edge_count; e++) {
        const struct edge *edge = &grid->edges[e];
        uint32_t first_row;
        uint32_t last_row;
        if (!rows_of(grid, edge, &first_row, &last_row)) {
            continue;
        }
        for (uint32_t row = first_row; row <= last_row; row++) {
            uint32_t first;
            uint32_t last;
            if (fmax(edge->a.x, edge->b.x) >= grid->min_x) {
                if (is_filling) {
                    grid->row_edges[grid->row_first[row]] = e;
                }
                grid->row_first[row]++;
            }
            if (!columns_of(grid, edge, row, &first, &last)) {
                continue;
            }
            for (uint32_t column = first; column <= last; column++) {
                const uint32_t cell = row * grid->size + column;
                if (is_filling) {
                    grid->cell_edges[grid->cell_first[cell]] = e;
                }
                grid->cell_first[cell]++;
                grid->cells[cell] = CELL_BORDER;
            }
        }
    }
}

/* Counts to first positions; returns the sum. */
static uint32_t sum_up(uint32_t *first, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i <= count; i++) {
        const uint32_t here = i < count ? first[i] : 0;
        first[i] = sum;
        sum += here;
    }
    return sum;
}

/* After filling, each list begins where the one before it ended. */
static void step_back(uint32_t *first, uint32_t count)
{
    for (uint32_t i = count; i > 0; i--) {
        first[i] = first[i - 1];
    }
    first[0] = 0;
}

static bool is_right_of(const struct edge *edge, struct vec2 p)
{
    if ((edge->a.y > p.y) == (edge->b.y > p.y)) {
        return false;
    }
    return p.x < (edge->b.x - edge->a.x) * (p.y - edge->a.y) / (edge->b.y - edge->a.y) + edge->a.x;
}

static bool is_inside(const struct plan_grid *grid, struct vec2 p)
{
    const uint32_t row = row_of(grid, p.y);
    bool inside = false;
    for (uint32_t i = grid->row_first[row]; i < grid->row_first[row + 1]; i++) {
        inside ^= is_right_of(&grid->edges[grid->row_edges[i]], p);
    }
    return inside;
}

static bool fill_cells(struct plan_grid *grid, struct arena *request, struct err *err)
{
    const uint32_t cell_count = grid->size * grid->size;
    grid->cells = arena_array(request, uint8_t, cell_count);
    grid->cell_first = arena_array(request, uint32_t, (size_t)cell_count + 1);
    grid->row_first = arena_array(request, uint32_t, (size_t)grid->size + 1);
    if (grid->cells == NULL || grid->cell_first == NULL || grid->row_first == NULL) {
        return arena_full(request, err);
    }
    spread_edges(grid, false);
    const uint32_t in_cells = sum_up(grid->cell_first, cell_count);
    const uint32_t in_rows = sum_up(grid->row_first, grid->size);
    grid->cell_edges = arena_array(request, uint32_t, (size_t)in_cells + 1);
    grid->row_edges = arena_array(request, uint32_t, (size_t)in_rows + 1);
    if (grid->cell_edges == NULL || grid->row_edges == NULL) {
        return arena_full(request, err);
    }
    spread_edges(grid, true);
    step_back(grid->cell_first, cell_count);
    step_back(grid->row_first, grid->size);
    /* Cells side by side without an edge between them are alike. */
    for (uint32_t cell = 0; cell < cell_count; cell++) {
        const bool goes_on = cell % grid->size > 0 && grid->cells[cell - 1] != CELL_BORDER;
        if (grid->cells[cell] == CELL_BORDER) {
            continue;
        }
        if (goes_on) {
            grid->cells[cell] = grid->cells[cell - 1];
            continue;
        }
        const struct vec2 middle = {grid->min_x + (cell % grid->size + 0.5) / grid->cells_per_x,
                                    grid->min_y + (cell / grid->size + 0.5) / grid->cells_per_y};
        grid->cells[cell] = is_inside(grid, middle) ? CELL_INSIDE : CELL_OUTSIDE;
    }
    return true;
}

bool plan_area_prepare(const struct plan_area *area, const struct feature_index *index,
                       struct arena *request, struct plan_grid **out, struct err *err)
{
    const uint32_t point_count = area->ring_ends[area->ring_count - 1];
    struct plan_grid *grid = arena_array(request, struct plan_grid, 1);
    struct edge *edges = arena_array(request, struct edge, 3 * (size_t)point_count);
    struct vec2 *starts = arena_array(request, struct vec2, 3 * (size_t)area->ring_count);
    if (grid == NULL || edges == NULL || starts == NULL) {
        return arena_full(request, err);
    }
    *out = grid;
    if (plan_area_is_point(area)) {
        const struct vec3 at =
            feature_frame_from_deg(&index->frame, area->points_deg[0].x, area->points_deg[0].y, 0);
        grid->is_point = true;
        grid->point = (struct vec2){at.x, at.y};
        return true;
    }
    const struct box3 city = extent_of(index);
    grid->edges = edges;
    grid->starts = starts;
    grid->min_x = grid->min_y = (double)INFINITY;
    grid->max_x = grid->max_y = -(double)INFINITY;
    for (int turn = -1; turn <= 1; turn++) {
        for (uint32_t r = 0; r < area->ring_count; r++) {
            add_ring(grid, edges, starts, area, r, 360.0 * turn, &index->frame, &city);
        }
    }
    grid->min_x = fmax(grid->min_x, city.min.x);
    grid->min_y = fmax(grid->min_y, city.min.y);
    grid->max_x = fmin(grid->max_x, city.max.x);
    grid->max_y = fmin(grid->max_y, city.max.y);
    if (!(grid->max_x >= grid->min_x) || !(grid->max_y >= grid->min_y)) {
        grid->is_nothing = true;
        return true;
    }
    const double wanted = 4 * sqrt(grid->edge_count);
    grid->size = wanted < CELLS_LEAST  ? CELLS_LEAST
                 : wanted > CELLS_MOST ? CELLS_MOST
                                       : (uint32_t)wanted;
    grid->cells_per_x = grid->size / fmax(grid->max_x - grid->min_x, 1e-3);
    grid->cells_per_y = grid->size / fmax(grid->max_y - grid->min_y, 1e-3);
    return fill_cells(grid, request, err);
}

/* ---- asking ---- */

enum feature_index_side plan_grid_side(const struct plan_grid *grid, double min_x, double min_y,
                                       double max_x, double max_y)
{
    if (grid->is_point) {
        const bool holds = min_x <= grid->point.x && max_x >= grid->point.x &&
                           min_y <= grid->point.y && max_y >= grid->point.y;
        return holds ? FEATURE_BORDER : FEATURE_OUTSIDE;
    }
    if (grid->is_nothing || max_x < grid->min_x || min_x > grid->max_x || max_y < grid->min_y ||
        min_y > grid->max_y) {
        return FEATURE_OUTSIDE;
    }
    const bool reaches_out =
        min_x < grid->min_x || min_y < grid->min_y || max_x > grid->max_x || max_y > grid->max_y;
    const uint32_t last_row = row_of(grid, max_y);
    const uint32_t last_column = column_of(grid, max_x);
    const uint32_t first_column = column_of(grid, min_x);
    const uint8_t first = grid->cells[row_of(grid, min_y) * grid->size + first_column];
    for (uint32_t row = row_of(grid, min_y); row <= last_row; row++) {
        for (uint32_t column = first_column; column <= last_column; column++) {
            const uint8_t cell = grid->cells[row * grid->size + column];
            if (cell == CELL_BORDER || cell != first) {
                return FEATURE_BORDER;
            }
        }
    }
    if (first == CELL_OUTSIDE) {
        return FEATURE_OUTSIDE;
    }
    return reaches_out ? FEATURE_BORDER : FEATURE_INSIDE;
}

bool plan_grid_holds(const struct plan_grid *grid, struct vec2 p)
{
    if (grid->is_point) {
        return p.x == grid->point.x && p.y == grid->point.y;
    }
    if (grid->is_nothing || p.x < grid->min_x || p.x > grid->max_x || p.y < grid->min_y ||
        p.y > grid->max_y) {
        return false;
    }
    const uint8_t cell = grid->cells[row_of(grid, p.y) * grid->size + column_of(grid, p.x)];
    return cell == CELL_BORDER ? is_inside(grid, p) : cell == CELL_INSIDE;
}

static double turn(struct vec2 a, struct vec2 b, struct vec2 c)
{
    return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

/* Closed segments: touching counts. */
static bool segments_meet(const struct edge *one, const struct edge *other)
{
    if (fmax(one->a.x, one->b.x) < fmin(other->a.x, other->b.x) ||
        fmax(other->a.x, other->b.x) < fmin(one->a.x, one->b.x) ||
        fmax(one->a.y, one->b.y) < fmin(other->a.y, other->b.y) ||
        fmax(other->a.y, other->b.y) < fmin(one->a.y, one->b.y)) {
        return false;
    }
    const double a = turn(one->a, one->b, other->a);
    const double b = turn(one->a, one->b, other->b);
    const double c = turn(other->a, other->b, one->a);
    const double d = turn(other->a, other->b, one->b);
    return !((a > 0 && b > 0) || (a < 0 && b < 0)) && !((c > 0 && d > 0) || (c < 0 && d < 0));
}

static bool edge_meets(const struct plan_grid *grid, const struct edge *edge)
{
    uint32_t first_row;
    uint32_t last_row;
    if (!rows_of(grid, edge, &first_row, &last_row)) {
        return false;
    }
    for (uint32_t row = first_row; row <= last_row; row++) {
        uint32_t first;
        uint32_t last;
        if (!columns_of(grid, edge, row, &first, &last)) {
            continue;
        }
        for (uint32_t column = first; column <= last; column++) {
            const uint32_t cell = row * grid->size + column;
            for (uint32_t i = grid->cell_first[cell]; i < grid->cell_first[cell + 1]; i++) {
                if (segments_meet(edge, &grid->edges[grid->cell_edges[i]])) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* Rings of a footprint, or of a box, as the tests below want them. */
struct outline {
    const struct feature_index *index;
    struct feature_footprint footprint;
    struct box3 box;
    bool has_footprint;
};

static uint32_t outline_rings(const struct outline *outline)
{
    return outline->has_footprint ? outline->footprint.ring_count : 1;
}

static struct vec2 outline_point(const struct outline *outline, uint32_t point)
{
    if (outline->has_footprint) {
        return feature_footprint_point(outline->index, &outline->footprint, point);
    }
    return (struct vec2){point == 0 || point == 3 ? outline->box.min.x : outline->box.max.x,
                         point < 2 ? outline->box.min.y : outline->box.max.y};
}

static void outline_next(const struct outline *outline, uint32_t ring_index,
                         struct feature_footprint_ring *ring)
{
    if (outline->has_footprint) {
        feature_footprint_next(&outline->footprint, ring_index, ring);
    } else {
        *ring = (struct feature_footprint_ring){0, 4, false};
    }
}

static bool outline_holds(const struct outline *outline, struct vec2 p)
{
    bool inside = false;
    struct feature_footprint_ring ring = {0};
    for (uint32_t r = 0; r < outline_rings(outline); r++) {
        outline_next(outline, r, &ring);
        for (uint32_t i = 0; i < ring.point_count; i++) {
            const struct edge edge = {
                outline_point(outline, ring.first_point + i),
                outline_point(outline, ring.first_point + (i + 1) % ring.point_count)};
            inside ^= is_right_of(&edge, p);
        }
    }
    return inside;
}

static bool outline_meets(const struct plan_grid *grid, const struct outline *outline)
{
    struct feature_footprint_ring ring = {0};
    for (uint32_t r = 0; r < outline_rings(outline); r++) {
        outline_next(outline, r, &ring);
        for (uint32_t i = 0; i < ring.point_count; i++) {
            const struct edge edge = {
                outline_point(outline, ring.first_point + i),
                outline_point(outline, ring.first_point + (i + 1) % ring.point_count)};
            if (plan_grid_holds(grid, edge.a) || edge_meets(grid, &edge)) {
                return true;
            }
        }
    }
    for (uint32_t i = 0; i < grid->start_count; i++) {
        if (outline_holds(outline, grid->starts[i])) {
            return true;
        }
    }
    return false;
}

/* Whether an edge comes near a box. Where none does, the whole box is inside the area
 * or the whole of it outside: most things along a border. */
static bool edges_come_near(const struct plan_grid *grid, const struct box3 *box)
{
    const double near_m = 0.01; /* corners are rounded */
    const double left = box->min.x - near_m;
    const double right = box->max.x + near_m;
    const double low = box->min.y - near_m;
    const double high = box->max.y + near_m;
    const uint32_t last_row = row_of(grid, high);
    const uint32_t last_column = column_of(grid, right);
    for (uint32_t row = row_of(grid, low); row <= last_row; row++) {
        const uint32_t *first = &grid->cell_first[row * grid->size];
        for (uint32_t i = first[column_of(grid, left)]; i < first[last_column + 1]; i++) {
            const struct edge *edge = &grid->edges[grid->cell_edges[i]];
            const bool is_beside = (edge->a.x < left && edge->b.x < left) ||
                                   (edge->a.x > right && edge->b.x > right) ||
                                   (edge->a.y < low && edge->b.y < low) ||
                                   (edge->a.y > high && edge->b.y > high);
            if (!is_beside) {
                return true;
            }
        }
    }
    return false;
}

bool plan_grid_meets(const struct plan_grid *grid, const struct feature_index *index, uint32_t row)
{
    struct outline outline = {.index = index, .box = feature_index_box(index, row)};
    const enum feature_index_side side = plan_grid_side(grid, outline.box.min.x, outline.box.min.y,
                                                        outline.box.max.x, outline.box.max.y);
    if (side != FEATURE_BORDER) {
        return side == FEATURE_INSIDE;
    }
    if (!grid->is_point && !edges_come_near(grid, &outline.box)) {
        const struct vec2 middle = {(outline.box.min.x + outline.box.max.x) / 2,
                                    (outline.box.min.y + outline.box.max.y) / 2};
        return plan_grid_holds(grid, middle);
    }
    const uint32_t at = bytes_load_u32le(index->section[SECTION_ROWS].data +
                                         (size_t)row * ROW_BYTES + ROW_FOOTPRINT);
    outline.footprint = feature_index_footprint(index, at);
    outline.has_footprint = outline.footprint.point_count > 0;
    return grid->is_point ? outline_holds(&outline, grid->point) : outline_meets(grid, &outline);
}
