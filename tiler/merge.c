/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/merge.h"

#include <assert.h>

#include "formats/base/earth.h"
#include "tiler/merge_internal.h"

/* How much farther masses see each time the queue has used up what is near. */
static const double REACH_STEP = 1.5;
static const double REACH_FIRST_M = 1;

/* Two masses are proven to the end only if they may be joined before the error
 * has grown beyond this. */
static const double PROVE_SHARE = 1.2;
static const double PROVE_M = 0.1;

/* Images become cheaper with every error: steps of it so far apart are enough. */
static const double IMAGES_STEP = 1.2;
static const double IMAGES_FIRST_M = 1e-3;

/* Cells of the grid in which neighbours are found are at least so wide. */
static const double CELL_LEAST_M = 16;

/* A row of a group: no name, one number more. */
enum { GROUP_ROW_BYTES = 20 + GROUP_ID_BYTES };

static inline double smaller(double a, double b)
{
    return a < b ? a : b;
}

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

/* ---- the queue ---- */

static bool comes_before(const struct step *a, const struct step *b)
{
    if (a->key_m != b->key_m) {
        return a->key_m < b->key_m;
    }
    if (a->kind != b->kind) {
        return a->kind < b->kind;
    }
    return a->one != b->one ? a->one < b->one : a->two < b->two;
}

static bool push(struct merge *m, struct step step, struct err *err)
{
    if (m->step_count == m->step_room) {
        const size_t room = m->step_room == 0 ? 1024 : 2 * m->step_room;
        struct step *steps = arena_array(m->tile, struct step, room);
        if (steps == NULL) {
            return arena_full(m->tile, err);
        }
        if (m->step_count > 0) {
            memcpy(steps, m->steps, m->step_count * sizeof steps[0]);
        }
        m->steps = steps;
        m->step_room = room;
    }
    size_t at = m->step_count++;
    while (at > 0 && comes_before(&step, &m->steps[(at - 1) / 2])) {
        m->steps[at] = m->steps[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    m->steps[at] = step;
    return true;
}

static struct step pop(struct merge *m)
{
    const struct step first = m->steps[0];
    const struct step last = m->steps[--m->step_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= m->step_count) {
            break;
        }
        child += child + 1 < m->step_count && comes_before(&m->steps[child + 1], &m->steps[child]);
        if (!comes_before(&m->steps[child], &last)) {
            break;
        }
        m->steps[at] = m->steps[child];
        at = child;
    }
    m->steps[at] = last;
    return first;
}

/* ---- costs ---- */

static uint64_t mass_bytes(const struct mass *mass)
{
    const uint32_t sides = mass->shape.count;
    if (mass_is_flat(&mass->shape)) {
        return piece_estimate_bytes(sides - 2, 1);
    }
    return piece_estimate_bytes(3 * sides - 2, sides + 1);
}

static uint64_t shown_bytes(const struct merge *m, uint32_t figure)
{
    const struct member *member = &m->members[figure];
    if (member->is_dropped || member->is_massed || m->figures[figure].piece_count == 0) {
        return 0;
    }
    return piece_bytes(&m->figures[figure].pieces[member->piece],
                       m->images_error_m * m->texel_per_error);
}

/* ---- clusters ---- */

uint32_t merge_root(const struct merge *m, uint32_t figure)
{
    while (m->members[figure].root != figure) {
        figure = m->members[figure].root;
    }
    return figure;
}

static void join_boxes(double box[4], const double other[4])
{
    box[0] = smaller(box[0], other[0]);
    box[1] = smaller(box[1], other[1]);
    box[2] = larger(box[2], other[2]);
    box[3] = larger(box[3], other[3]);
}

static double extent_of(const double box[4])
{
    const double x = box[2] - box[0];
    const double y = box[3] - box[1];
    return sqrt(x * x + y * y);
}

/* What two clusters' becoming one counts as. */
static double extent_error_m(const struct merge *m, uint32_t one, uint32_t two)
{
    double box[4];
    memcpy(box, m->members[one].box, sizeof box);
    join_boxes(box, m->members[two].box);
    return extent_of(box) / MERGE_EXTENT_PER_ERROR;
}

/* The lower figure becomes the root: nothing depends on the order of steps. */
static void join_clusters(struct merge *m, uint32_t one, uint32_t two)
{
    const uint32_t root = one < two ? one : two;
    const uint32_t other = one < two ? two : one;
    struct member *to = &m->members[root];
    struct member *from = &m->members[other];
    const uint64_t row = GROUP_ROW_BYTES;
    m->cost_bytes += row - to->row_bytes - from->row_bytes;
    from->root = root;
    to->row_bytes = row;
    to->figure_count += from->figure_count;
    to->drawn_count += from->drawn_count;
    to->error_m = larger(to->error_m, from->error_m);
    join_boxes(to->box, from->box);
}

/* One thing less is drawn of a cluster. */
static void draw_less(struct merge *m, uint32_t figure)
{
    struct member *root = &m->members[merge_root(m, figure)];
    assert(root->drawn_count > 0);
    root->drawn_count--;
    if (root->drawn_count == 0) {
        m->cost_bytes -= root->row_bytes;
        root->row_bytes = 0;
    }
}

static void kill_mass(struct merge *m, uint32_t mass)
{
    m->masses[mass].is_alive = false;
    m->cost_bytes -= mass_bytes(&m->masses[mass].mass);
    draw_less(m, m->masses[mass].figure);
}

double merge_vanish_m(const struct merge *m, const struct member_mass *mass)
{
    const struct mass_prism *shape = &mass->mass.shape;
    if (mass_is_flat(shape)) {
        return mass_width_m(shape) + shape->error_m;
    }
    const double size_m = mass_diameter_m(shape) + shape->error_m;
    return m->members[mass->figure].is_building ? size_m : smaller(size_m, mass->mass.largest_m);
}

/* From now on the figure is drawn as its masses. */
static bool draw_masses(struct merge *m, uint32_t figure, struct err *err)
{
    struct member *member = &m->members[figure];
    if (member->is_massed) {
        return true;
    }
    m->cost_bytes -= shown_bytes(m, figure);
    member->is_massed = true;
    struct member *root = &m->members[merge_root(m, figure)];
    root->drawn_count += member->mass_count - 1;
    for (uint32_t i = 0; i < member->mass_count; i++) {
        const uint32_t mass = member->first_mass + i;
        m->cost_bytes += mass_bytes(&m->masses[mass].mass);
        if (!push(m,
                  (struct step){.key_m = merge_vanish_m(m, &m->masses[mass]),
                                .kind = STEP_VANISH,
                                .one = mass},
                  err)) {
            return false;
        }
    }
    return true;
}

/* ---- the grid ---- */

static uint32_t clamp_cell(double at, uint32_t count)
{
    return at <= 0 ? 0 : at >= count - 1 ? count - 1 : (uint32_t)at;
}

struct cell_range {
    uint32_t first_column, last_column, first_row, last_row;
};

static struct cell_range cells_of(const struct merge *m, const double box[4], double reach_m)
{
    return (struct cell_range){
        clamp_cell((box[0] - reach_m - m->west_m) / m->cell_m, m->columns),
        clamp_cell((box[2] + reach_m - m->west_m) / m->cell_m, m->columns),
        clamp_cell((box[1] - reach_m - m->south_m) / m->cell_m, m->rows),
        clamp_cell((box[3] + reach_m - m->south_m) / m->cell_m, m->rows),
    };
}

static bool seat_mass(struct merge *m, uint32_t mass, struct err *err)
{
    const struct cell_range range = cells_of(m, m->masses[mass].box, 0);
    for (uint32_t row = range.first_row; row <= range.last_row; row++) {
        for (uint32_t column = range.first_column; column <= range.last_column; column++) {
            if (m->seat_count == m->seat_room) {
                struct seat *seats = arena_array(m->tile, struct seat, 2 * (size_t)m->seat_room);
                if (seats == NULL) {
                    return arena_full(m->tile, err);
                }
                memcpy(seats, m->seats, m->seat_count * sizeof seats[0]);
                m->seats = seats;
                m->seat_room *= 2;
            }
            uint32_t *cell = &m->cells[(size_t)row * m->columns + column];
            m->seats[m->seat_count] = (struct seat){mass, *cell};
            *cell = m->seat_count++;
        }
    }
    return true;
}

/* Living masses of the cell; the dead leave their seats. */
static bool visit_cell(struct merge *m, uint32_t mass, double reach_m, uint32_t *link,
                       bool (*visit)(struct merge *m, uint32_t mass, uint32_t other, void *self,
                                     struct err *err),
                       void *self, struct err *err)
{
    const double *box = m->masses[mass].box;
    while (*link != MERGE_NONE) {
        struct seat *seat = &m->seats[*link];
        const struct member_mass *other = &m->masses[seat->mass];
        if (!other->is_alive) {
            *link = seat->next;
            continue;
        }
        const double x = larger(other->box[0] - box[2], box[0] - other->box[2]);
        const double y = larger(other->box[1] - box[3], box[1] - other->box[3]);
        if (seat->mass != mass && m->stamps[seat->mass] != m->stamp && x <= reach_m &&
            y <= reach_m) {
            m->stamps[seat->mass] = m->stamp;
            if (!visit(m, mass, seat->mass, self, err)) {
                return false;
            }
        }
        link = &seat->next;
    }
    return true;
}

bool merge_neighbours(struct merge *m, uint32_t mass, double reach_m,
                      bool (*visit)(struct merge *m, uint32_t mass, uint32_t other, void *self,
                                    struct err *err),
                      void *self, struct err *err)
{
    m->stamp++;
    const struct cell_range range = cells_of(m, m->masses[mass].box, reach_m);
    for (uint32_t row = range.first_row; row <= range.last_row; row++) {
        for (uint32_t column = range.first_column; column <= range.last_column; column++) {
            if (!visit_cell(m, mass, reach_m, &m->cells[(size_t)row * m->columns + column], visit,
                            self, err)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- pairs ---- */

/* What it takes at least to make one of two masses, and of their clusters. */
static double pair_error_m(const struct merge *m, uint32_t one, uint32_t two)
{
    const double least_m = mass_join_least_m(&m->masses[one].mass, &m->masses[two].mass);
    const uint32_t roots[2] = {merge_root(m, m->masses[one].figure),
                               merge_root(m, m->masses[two].figure)};
    return roots[0] == roots[1] ? least_m : larger(least_m, extent_error_m(m, roots[0], roots[1]));
}

static bool push_pair(struct merge *m, uint32_t mass, uint32_t other, struct err *err)
{
    const struct step step = {.key_m = pair_error_m(m, mass, other),
                              .kind = STEP_PAIR,
                              .one = mass < other ? mass : other,
                              .two = mass < other ? other : mass};
    return push(m, step, err);
}

/* Houses with houses, trees with trees. */
static bool may_join(const struct merge *m, uint32_t one, uint32_t two)
{
    return m->members[m->masses[one].figure].kind == m->members[m->masses[two].figure].kind;
}

/* A mass that is new sees all that are near. */
static bool offer_near(struct merge *m, uint32_t mass, uint32_t other, void *self, struct err *err)
{
    (void)self;
    if (!may_join(m, mass, other) ||
        mass_gap_m(&m->masses[mass].mass, &m->masses[other].mass) > m->reach_m) {
        return true;
    }
    return push_pair(m, mass, other, err);
}

/* Two that both knew what was near see farther; each pair once. */
static bool offer_far(struct merge *m, uint32_t mass, uint32_t other, void *self, struct err *err)
{
    const double before_m = *(const double *)self;
    const double gap_m = mass_gap_m(&m->masses[mass].mass, &m->masses[other].mass);
    if (!may_join(m, mass, other) || other < mass || gap_m <= before_m || gap_m > m->reach_m) {
        return true;
    }
    return push_pair(m, mass, other, err);
}

/* ---- the steps ---- */

static bool take_switch(struct merge *m, uint32_t figure, struct err *err)
{
    struct member *member = &m->members[figure];
    const struct figure *f = &m->figures[figure];
    if (member->is_dropped || member->is_massed) {
        return true;
    }
    m->cost_bytes -= shown_bytes(m, figure);
    member->piece++;
    m->cost_bytes += shown_bytes(m, figure);
    if (member->piece + 1 == f->piece_count) {
        return true;
    }
    return push(m,
                (struct step){.key_m = f->pieces[member->piece + 1].error_m,
                              .kind = STEP_SWITCH,
                              .one = figure},
                err);
}

static bool take_offer(struct merge *m, uint32_t figure, struct err *err)
{
    struct member *member = &m->members[figure];
    if (member->is_dropped) {
        return true;
    }
    member->is_offered = true;
    for (uint32_t i = 0; i < member->mass_count; i++) {
        const uint32_t mass = member->first_mass + i;
        m->masses[mass].is_alive = true;
        if (!merge_neighbours(m, mass, m->reach_m, offer_near, NULL, err) ||
            !seat_mass(m, mass, err)) {
            return false;
        }
    }
    return true;
}

static bool take_look(struct merge *m, struct err *err)
{
    double before_m = m->reach_m;
    const double width_m = m->cell_m * (m->columns + m->rows);
    m->reach_m *= REACH_STEP;
    const uint32_t count = m->mass_count;
    for (uint32_t i = 0; i < count; i++) {
        if (m->masses[i].is_alive &&
            !merge_neighbours(m, i, m->reach_m, offer_far, &before_m, err)) {
            return false;
        }
    }
    if (m->reach_m > width_m) {
        return true; /* they have all seen each other */
    }
    return push(m, (struct step){.key_m = m->reach_m / 2, .kind = STEP_LOOK}, err);
}

/* Both in one group, then measured: what comes of it waits for its turn. */
static bool take_pair(struct merge *m, const struct step *step, struct err *err)
{
    const struct member_mass *one = &m->masses[step->one];
    const struct member_mass *two = &m->masses[step->two];
    if (!one->is_alive || !two->is_alive) {
        return true;
    }
    const double now_m = pair_error_m(m, step->one, step->two);
    if (now_m > step->key_m) {
        struct step again = *step; /* the clusters have grown */
        again.key_m = now_m;
        return push(m, again, err);
    }
    const uint32_t roots[2] = {merge_root(m, one->figure), merge_root(m, two->figure)};
    if (roots[0] != roots[1]) {
        join_clusters(m, roots[0], roots[1]);
    }
    struct mass *joined = arena_array(m->tile, struct mass, 1);
    if (joined == NULL) {
        return arena_full(m->tile, err);
    }
    struct err made;
    double least_m;
    const double start_s = spent_clock(m->spent);
    const bool is_proven = mass_join(&one->mass, &two->mass, PROVE_SHARE * step->key_m + PROVE_M,
                                     m->tile, joined, &least_m, &made);
    if (m->spent != NULL) {
        m->spent->proofs_s += spent_clock(m->spent) - start_s;
    }
    if (!is_proven) {
        if (made.code != ERR_GEOMETRY) {
            *err = made;
            return false;
        }
        struct step again = *step; /* its time may come */
        again.key_m = least_m;
        return least_m <= step->key_m || push(m, again, err);
    }
    return push(m,
                (struct step){.key_m = larger(step->key_m, joined->shape.error_m),
                              .kind = STEP_JOIN,
                              .one = step->one,
                              .two = step->two,
                              .joined = joined},
                err);
}

static void set_box(struct member_mass *mass)
{
    const struct mass_prism *shape = &mass->mass.shape;
    mass->box[0] = mass->box[2] = shape->points[0].x;
    mass->box[1] = mass->box[3] = shape->points[0].y;
    for (uint32_t i = 1; i < shape->count; i++) {
        const double at[4] = {shape->points[i].x, shape->points[i].y, shape->points[i].x,
                              shape->points[i].y};
        join_boxes(mass->box, at);
    }
}

static bool take_join(struct merge *m, const struct step *step, struct err *err)
{
    if (!m->masses[step->one].is_alive || !m->masses[step->two].is_alive) {
        return true;
    }
    assert(m->mass_count < m->mass_room);
    const uint32_t figure = m->masses[step->one].figure;
    if (!draw_masses(m, figure, err) || !draw_masses(m, m->masses[step->two].figure, err)) {
        return false;
    }
    const uint32_t mass = m->mass_count++;
    m->masses[mass] = (struct member_mass){
        .mass = *step->joined, .figure = figure, .is_alive = true, .is_joined = true};
    set_box(&m->masses[mass]);
    struct member *root = &m->members[merge_root(m, figure)];
    root->drawn_count++;
    root->error_m = larger(root->error_m, step->key_m);
    join_boxes(root->box, m->masses[mass].box);
    m->cost_bytes += mass_bytes(step->joined);
    kill_mass(m, step->one);
    kill_mass(m, step->two);
    const struct step vanish = {
        .key_m = merge_vanish_m(m, &m->masses[mass]), .kind = STEP_VANISH, .one = mass};
    return merge_neighbours(m, mass, m->reach_m, offer_near, NULL, err) &&
           seat_mass(m, mass, err) && push(m, vanish, err);
}

static bool take_drop(struct merge *m, uint32_t figure)
{
    struct member *member = &m->members[figure];
    if (member->is_dropped || member->is_massed) {
        return true;
    }
    m->cost_bytes -= shown_bytes(m, figure);
    member->is_dropped = true;
    for (uint32_t i = 0; i < member->mass_count; i++) {
        m->masses[member->first_mass + i].is_alive = false;
    }
    struct member *root = &m->members[merge_root(m, figure)];
    root->error_m = larger(root->error_m, m->figures[figure].dropped_error_m);
    draw_less(m, figure);
    return true;
}

static bool take_vanish(struct merge *m, const struct step *step)
{
    if (m->masses[step->one].is_alive) {
        struct member *root = &m->members[merge_root(m, m->masses[step->one].figure)];
        root->error_m = larger(root->error_m, step->key_m);
        kill_mass(m, step->one);
    }
    return true;
}

/* Images become coarser with the error: their costs are summed anew. */
static bool take_images(struct merge *m, const struct step *step, struct err *err)
{
    uint64_t before = 0;
    uint64_t after = 0;
    double largest_m = 0;
    for (uint32_t i = 0; i < m->figure_count; i++) {
        before += shown_bytes(m, i);
        largest_m = larger(largest_m, m->figures[i].dropped_error_m);
    }
    m->images_error_m = step->key_m;
    for (uint32_t i = 0; i < m->figure_count; i++) {
        after += shown_bytes(m, i);
    }
    m->cost_bytes = m->cost_bytes - before + after;
    const struct step next = {.key_m = IMAGES_STEP * step->key_m, .kind = STEP_IMAGES};
    return next.key_m > largest_m || push(m, next, err);
}

static bool take(struct merge *m, const struct step *step, struct err *err)
{
    switch (step->kind) {
    case STEP_IMAGES:
        return take_images(m, step, err);
    case STEP_SWITCH:
        return take_switch(m, step->one, err);
    case STEP_OFFER:
        return take_offer(m, step->one, err);
    case STEP_LOOK:
        return take_look(m, err);
    case STEP_PAIR:
        return take_pair(m, step, err);
    case STEP_JOIN:
        return take_join(m, step, err);
    case STEP_DROP:
        return take_drop(m, step->one);
    case STEP_VANISH:
        return take_vanish(m, step);
    }
    return true;
}

void merge_measure_time(struct merge *merge, struct spent *spent)
{
    merge->spent = spent;
}

bool merge_until(struct merge *m, uint64_t budget_bytes, double least_error_m, struct err *err)
{
    while (m->step_count > 0 &&
           (m->cost_bytes > budget_bytes || m->steps[0].key_m < least_error_m)) {
        const struct step step = pop(m);
        const uint64_t before = m->cost_bytes;
        if (!take(m, &step, err)) {
            return false;
        }
        if (m->cost_bytes != before) { /* else nothing that is seen has changed */
            m->error_m = larger(m->error_m, step.key_m);
        }
    }
    return true;
}

double merge_error_m(const struct merge *m)
{
    return m->error_m;
}

uint64_t merge_cost_bytes(const struct merge *m)
{
    return m->cost_bytes;
}

void merge_pieces(const struct merge *m, uint32_t *out_pieces)
{
    for (uint32_t i = 0; i < m->figure_count; i++) {
        const struct member *member = &m->members[i];
        out_pieces[i] = member->is_dropped || member->is_massed ? KEEP_NONE : member->piece;
    }
}

void merge_errors(const struct merge *m, double *out_errors_m, bool *out_is_lost)
{
    for (uint32_t i = 0; i < m->figure_count; i++) {
        const struct member *member = &m->members[i];
        const struct member *root = &m->members[merge_root(m, i)];
        const struct figure *f = &m->figures[i];
        const bool is_flat =
            member->mass_count > 0 && mass_is_flat(&m->masses[member->first_mass].mass.shape);
        out_is_lost[i] = member->is_dropped || root->drawn_count == 0;
        if (out_is_lost[i] || (member->is_massed && is_flat)) {
            out_errors_m[i] = f->dropped_error_m;
        } else {
            out_errors_m[i] = member->is_massed ? root->error_m : f->pieces[member->piece].error_m;
        }
    }
}

/* ---- opening ---- */

static struct vec2 to_plan(const struct member *member, struct vec2 point)
{
    const double *e = member->to_tile.m;
    return (struct vec2){e[0] * point.x + e[4] * point.y + e[12],
                         e[1] * point.x + e[5] * point.y + e[13]};
}

static struct mass_prism prism_in_tile(const struct member *member, const struct mass_prism *prism)
{
    struct mass_prism out = *prism;
    for (uint32_t i = 0; i < prism->count; i++) {
        out.points[i] = to_plan(member, prism->points[i]);
    }
    out.base_m += member->height_at_origin_m;
    out.top_m += member->height_at_origin_m;
    return out;
}

static bool open_mass(struct merge *m, uint32_t figure, const struct mass *mass, struct err *err)
{
    const struct member *member = &m->members[figure];
    struct mass_prism *parts = arena_array(m->tile, struct mass_prism, mass->part_count);
    if (parts == NULL) {
        return arena_full(m->tile, err);
    }
    for (uint32_t i = 0; i < mass->part_count; i++) {
        parts[i] = prism_in_tile(member, &mass->parts[i]);
    }
    struct member_mass *out = &m->masses[m->mass_count++];
    *out = (struct member_mass){.mass = *mass, .figure = figure};
    out->mass.shape = prism_in_tile(member, &mass->shape);
    out->mass.parts = parts;
    out->mass.low_top_m += member->height_at_origin_m;
    out->mass.high_top_m += member->height_at_origin_m;
    if (!m->figures[figure].is_group) {
        out->mass.largest_m = m->figures[figure].dropped_error_m;
    }
    set_box(out);
    return true;
}

static bool is_building(struct text class_name)
{
    static const char prefix[] = "Building"; /* BuildingPart, BuildingUnit, ... */
    return class_name.size >= sizeof prefix - 1 &&
           memcmp(class_name.data, prefix, sizeof prefix - 1) == 0;
}

/* Parts of buildings are buildings; else a kind is a class. Beyond KINDS_MAX a
 * figure is a kind of its own. */
static uint32_t kind_of(struct merge *m, uint32_t figure)
{
    const struct text class_name = m->figures[figure].class_name;
    for (uint32_t i = 0; i < m->kind_count; i++) {
        const struct text other = m->figures[m->kinds[i]].class_name;
        if (text_equals(other, class_name) || (is_building(other) && is_building(class_name))) {
            return m->kinds[i];
        }
    }
    if (m->kind_count < MERGE_KINDS_MAX) {
        m->kinds[m->kind_count++] = figure;
    }
    return figure;
}

/* Shown as that piece, until the tile errs by at least that much. */
static bool open_member(struct merge *m, uint32_t figure, uint32_t piece, double until_m,
                        struct err *err)
{
    struct member *member = &m->members[figure];
    const struct figure *f = &m->figures[figure];
    *member = (struct member){
        .piece = piece,
        .kind = kind_of(m, figure),
        .is_building = is_building(f->class_name),
        .root = figure,
        .first_mass = m->mass_count,
        .mass_count = f->mass_count,
        .height_at_origin_m = earth_from_ecef(f->origin_ecef_m).height_m,
        .to_tile = mat4_multiply(m->from_ecef, earth_enu_frame(f->origin_ecef_m)),
        .figure_count = 1,
        .drawn_count = 1,
        .row_bytes = figure_row_bytes(f),
    };
    double offered_m = 0;
    for (uint32_t i = 0; i < f->mass_count; i++) {
        if (!open_mass(m, figure, &f->masses[i], err)) {
            return false;
        }
        const struct member_mass *mass = &m->masses[m->mass_count - 1];
        if (i == 0) {
            memcpy(member->box, mass->box, sizeof member->box);
        }
        join_boxes(member->box, mass->box);
        offered_m = larger(offered_m, mass->mass.shape.error_m);
    }
    if (f->piece_count == 0) {
        member->is_dropped = true;
        member->drawn_count = 0;
        member->row_bytes = 0;
        member->mass_count = 0;
        member->error_m = f->dropped_error_m;
        m->error_m = larger(m->error_m, f->dropped_error_m);
        return true;
    }
    m->has_images = m->has_images || f->pieces[0].image_texels > 0;
    assert(piece < f->piece_count);
    m->error_m = larger(m->error_m, f->pieces[piece].error_m);
    const bool is_last = piece + 1 == f->piece_count;
    const struct step drop = {
        .key_m = larger(until_m, f->dropped_error_m), .kind = STEP_DROP, .one = figure};
    const struct step offer = {
        .key_m = larger(until_m, offered_m), .kind = STEP_OFFER, .one = figure};
    const struct step next = {
        .key_m = is_last ? 0 : larger(until_m, f->pieces[piece + 1].error_m),
        .kind = STEP_SWITCH,
        .one = figure,
    };
    return push(m, drop, err) && (f->mass_count == 0 || push(m, offer, err)) &&
           (is_last || push(m, next, err));
}

static bool open_grid(struct merge *m, struct err *err)
{
    double box[4] = {0, 0, 0, 0};
    for (uint32_t i = 0; i < m->mass_count; i++) {
        if (i == 0) {
            memcpy(box, m->masses[0].box, sizeof box);
        }
        join_boxes(box, m->masses[i].box);
    }
    const double width = box[2] - box[0];
    const double depth = box[3] - box[1];
    m->west_m = box[0];
    m->south_m = box[1];
    m->cell_m = larger(CELL_LEAST_M, 2 * sqrt(width * depth / (m->mass_count + 1)));
    m->cell_m = larger(m->cell_m, (width + depth) / (4.0 * (m->mass_count + 16)));
    m->columns = 1 + (uint32_t)(width / m->cell_m);
    m->rows = 1 + (uint32_t)(depth / m->cell_m);
    m->seat_room = 4 * m->mass_count + 64;
    m->cells = arena_array(m->tile, uint32_t, (size_t)m->columns * m->rows);
    m->seats = arena_array(m->tile, struct seat, m->seat_room);
    m->stamps = arena_array(m->tile, uint32_t, m->mass_room);
    if (m->cells == NULL || m->seats == NULL || m->stamps == NULL) {
        return arena_full(m->tile, err);
    }
    for (size_t i = 0; i < (size_t)m->columns * m->rows; i++) {
        m->cells[i] = MERGE_NONE;
    }
    return true;
}

bool merge_open_kept(const struct figure *figures, size_t figure_count, const uint32_t *kept,
                     double until_m, struct vec3 origin_ecef_m, double texel_per_error,
                     struct arena *tile, struct merge **out, struct err *err)
{
    struct merge *m = arena_array(tile, struct merge, 1);
    if (m == NULL) {
        return arena_full(tile, err);
    }
    size_t mass_count = 0;
    for (size_t i = 0; i < figure_count; i++) {
        mass_count += figures[i].mass_count;
    }
    if (figure_count > UINT32_MAX / 4 || mass_count > UINT32_MAX / 4) {
        return err_set(err, ERR_LIMIT, "a tile over %zu features", figure_count);
    }
    *m = (struct merge){.figures = figures,
                        .figure_count = (uint32_t)figure_count,
                        .tile = tile,
                        .origin_ecef_m = origin_ecef_m,
                        .from_ecef = earth_enu_frame_inverse(origin_ecef_m),
                        .texel_per_error = texel_per_error,
                        .reach_m = REACH_FIRST_M,
                        /* Every join makes one of two. */
                        .mass_room = 2 * (uint32_t)mass_count + 1};
    m->members = arena_array(tile, struct member, figure_count);
    m->masses = arena_array(tile, struct member_mass, m->mass_room);
    if (m->members == NULL || m->masses == NULL) {
        return arena_full(tile, err);
    }
    for (uint32_t i = 0; i < m->figure_count; i++) {
        const bool is_kept = kept != NULL && kept[i] != KEEP_NONE;
        if (!open_member(m, i, is_kept ? kept[i] : 0, is_kept ? until_m : 0, err)) {
            return false;
        }
    }
    m->images_error_m = m->error_m;
    for (uint32_t i = 0; i < m->figure_count; i++) {
        m->cost_bytes += shown_bytes(m, i) + m->members[i].row_bytes;
    }
    const struct step look = {.key_m = m->reach_m / 2, .kind = STEP_LOOK};
    const struct step images = {.key_m = larger(IMAGES_FIRST_M, IMAGES_STEP * m->error_m),
                                .kind = STEP_IMAGES};
    if (!open_grid(m, err) || !push(m, look, err) ||
        (m->has_images && texel_per_error > 0 && !push(m, images, err))) {
        return false;
    }
    *out = m;
    return true;
}

bool merge_open(const struct figure *figures, size_t figure_count, struct vec3 origin_ecef_m,
                double texel_per_error, struct arena *tile, struct merge **out, struct err *err)
{
    return merge_open_kept(figures, figure_count, NULL, 0, origin_ecef_m, texel_per_error, tile,
                           out, err);
}
