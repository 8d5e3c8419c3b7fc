/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/rejoin.h"

#include "tests/tiler/feature_case.h"
#include "tiler/nearest.h"
#include "tiler/split.h"

enum { SIDE = 24, PART_BYTES = 500, LEAVES_MAX = 64 };

/* A field of hills, two triangles a square, cut into parts. */
struct field {
    struct arena arena;
    struct arena scratch;
    struct piece whole;
    struct figure leaves[LEAVES_MAX];
    uint32_t paths[LEAVES_MAX];
    uint32_t depths[LEAVES_MAX];
    uint32_t count;
};

static struct field *field_open(void)
{
    struct field *f = calloc(1, sizeof *f);
    struct err err;
    arena_init(&f->arena, 1 << 28);
    arena_init(&f->scratch, 1 << 28);
    const uint32_t across = SIDE + 1;
    const uint32_t triangle_count = 2 * SIDE * SIDE;
    struct vec3 *points = arena_array(&f->arena, struct vec3, across * across);
    uint32_t *corners = arena_array(&f->arena, uint32_t, 3 * triangle_count);
    uint32_t *faces_of = arena_array(&f->arena, uint32_t, triangle_count);
    struct piece_face *faces = arena_array(&f->arena, struct piece_face, triangle_count);
    for (uint32_t i = 0; i < across * across; i++) {
        /* As they come out of the spool: floats. */
        const double x = i % across;
        const double y = i / across;
        points[i] = (struct vec3){x, y, (double)(float)(3 * sin(x / 5) * cos(y / 6))};
    }
    for (uint32_t t = 0; t < triangle_count; t++) {
        const uint32_t a = t / 2 % SIDE + t / 2 / SIDE * across;
        const uint32_t b[2][3] = {{a, a + 1, a + across + 1}, {a, a + across + 1, a + across}};
        memcpy(corners + 3 * (size_t)t, b[t % 2], sizeof b[0]);
        faces_of[t] = t;
        const struct vec3 normal = vec3_unit(vec3_cross(vec3_sub(points[b[t % 2][1]], points[a]),
                                                        vec3_sub(points[b[t % 2][2]], points[a])));
        faces[t] =
            (struct piece_face){.normal = {(float)normal.x, (float)normal.y, (float)normal.z},
                                .paint = {{1000, 2000, 3000, UINT16_MAX}},
                                .image = PIECE_NO_IMAGE};
    }
    f->whole = (struct piece){.bytes = piece_estimate_bytes(triangle_count, triangle_count),
                              .is_one_sided = true,
                              .point_count = across * across,
                              .triangle_count = triangle_count,
                              .face_count = triangle_count,
                              .points = points,
                              .corners = corners,
                              .triangle_faces = faces_of,
                              .faces = faces};
    struct split *split;
    CHECK_OK(split_open(&f->whole, PART_BYTES, &f->arena, &split, &err), &err);
    f->count = split_part_count(split);
    CHECK(f->count > 8 && f->count <= LEAVES_MAX);
    for (uint32_t i = 0; i < f->count; i++) {
        struct piece *piece = arena_array(&f->arena, struct piece, 1);
        CHECK_OK(split_part(split, i, &f->arena, piece, &err), &err);
        f->paths[i] = split_leaf_at(split, i)->path;
        f->depths[i] = split_leaf_at(split, i)->depth;
        f->leaves[i] = (struct figure){
            .id = text_of("field"), .dropped_error_m = 35, .pieces = piece, .piece_count = 1};
    }
    return f;
}

static void field_close(struct field *f)
{
    arena_release(&f->arena);
    arena_release(&f->scratch);
    free(f);
}

/* The leaves below a part, as one part. */
static struct figure join(struct field *f, uint32_t path, uint32_t depth, uint64_t budget)
{
    struct figure parts[LEAVES_MAX];
    struct figure out = {0};
    struct err err;
    uint32_t count = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        if (depth == 0 || f->paths[i] >> (32 - depth) == path >> (32 - depth)) {
            parts[count++] = f->leaves[i];
        }
    }
    const struct rejoin_request request = {.parts = parts,
                                           .part_count = count,
                                           .depth = depth,
                                           .budget_bytes = budget,
                                           .bytes_per_triangle = 6};
    CHECK_OK(rejoin_parts(&request, &f->arena, &f->scratch, &out, &err), &err);
    CHECK_EQ(f->scratch.used_bytes, 0);
    return out;
}

struct edge {
    struct vec3 from, to;
};

static int compare_edges(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct edge));
}

/* Edges of all these pieces together that no other runs back along. */
static size_t open_edges(const struct piece *const *pieces, size_t piece_count, struct edge *out)
{
    size_t count = 0;
    struct edge *edges = calloc(3 * 4 * SIDE * SIDE, sizeof *edges);
    for (size_t i = 0; i < piece_count; i++) {
        for (uint32_t c = 0; c < 3 * pieces[i]->triangle_count; c++) {
            const uint32_t next = c % 3 == 2 ? c - 2 : c + 1;
            edges[count++] = (struct edge){pieces[i]->points[pieces[i]->corners[c]],
                                           pieces[i]->points[pieces[i]->corners[next]]};
        }
    }
    qsort(edges, count, sizeof *edges, compare_edges);
    size_t open = 0;
    for (size_t i = 0; i < count; i++) {
        const struct edge back = {edges[i].to, edges[i].from};
        if (bsearch(&back, edges, count, sizeof *edges, compare_edges) == NULL) {
            out[open++] = edges[i];
        }
    }
    free(edges);
    return open;
}

/* ... all of them on the outline of the field. */
static void check_no_cracks(const struct piece *const *pieces, size_t piece_count)
{
    struct edge *open = calloc(3 * 4 * SIDE * SIDE, sizeof *open);
    const size_t count = open_edges(pieces, piece_count, open);
    CHECK(count >= 4);
    for (size_t i = 0; i < count; i++) {
        const struct vec3 a = open[i].from;
        const struct vec3 b = open[i].to;
        CHECK((a.x == b.x && (a.x == 0 || a.x == SIDE)) ||
              (a.y == b.y && (a.y == 0 || a.y == SIDE)));
    }
    free(open);
}

/* The largest distance of many points of one surface to the other. */
static double sampled_distance(struct field *f, const struct piece *from, const struct piece *to)
{
    struct nearest_triangle *triangles =
        arena_array(&f->arena, struct nearest_triangle, to->triangle_count);
    struct nearest *nearest;
    struct err err;
    for (size_t c = 0; c < 3 * (size_t)to->triangle_count; c++) {
        triangles[c / 3].corners[c % 3] = to->points[to->corners[c]];
    }
    CHECK_OK(nearest_build(triangles, to->triangle_count, &f->arena, &nearest, &err), &err);
    uint64_t state = 1;
    uint32_t hint = UINT32_MAX;
    double most = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        const uint32_t *c = from->corners + 3 * (size_t)(i % from->triangle_count);
        double u = (double)(polygon_random(&state) % 1001) / 1000;
        double v = (double)(polygon_random(&state) % 1001) / 1000;
        if (u + v > 1) {
            u = 1 - u;
            v = 1 - v;
        }
        const struct vec3 at = vec3_add(
            vec3_scale(from->points[c[0]], 1 - u - v),
            vec3_add(vec3_scale(from->points[c[1]], u), vec3_scale(from->points[c[2]], v)));
        most = fmax(most, nearest_find(nearest, at, &hint));
    }
    return most;
}

static void split_part__cuts_no_triangle_and_loses_none(void)
{
    struct field *f = field_open();
    const struct piece *pieces[LEAVES_MAX];
    uint32_t triangles = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        pieces[i] = &f->leaves[i].pieces[0];
        triangles += pieces[i]->triangle_count;
        CHECK(pieces[i]->bytes <= PART_BYTES);
        CHECK(f->paths[i] << f->depths[i] == 0 && (i == 0 || f->paths[i] > f->paths[i - 1]));
    }
    CHECK_EQ(triangles, f->whole.triangle_count);
    check_no_cracks(pieces, f->count);
    field_close(f);
}

/* One half coarse, the other as fine as it comes or coarse in quarters. */
static void rejoin_parts__leaves_no_crack_to_any_neighbour(void)
{
    struct field *f = field_open();
    const struct figure left = join(f, 0, 1, 750);
    const struct figure right = join(f, 1u << 31, 1, 750);
    const struct figure quarters[2] = {join(f, 1u << 31, 2, 250), join(f, 3u << 30, 2, 620)};
    CHECK(left.pieces[0].triangle_count < f->whole.triangle_count / 4);
    const struct piece *both[2] = {&left.pieces[0], &right.pieces[0]};
    check_no_cracks(both, 2);
    const struct piece *three[3] = {&left.pieces[left.piece_count - 1], &quarters[0].pieces[0],
                                    &quarters[1].pieces[0]};
    check_no_cracks(three, 3);
    const struct piece *mixed[LEAVES_MAX] = {&left.pieces[0]};
    uint32_t count = 1;
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->paths[i] >> 31 == 1) {
            mixed[count++] = &f->leaves[i].pieces[0];
        }
    }
    check_no_cracks(mixed, count);
    field_close(f);
}

/* Level upon level: what is stated holds against the full field. */
static void rejoin_parts__states_errors_that_hold(void)
{
    struct field *f = field_open();
    const struct figure halves[2] = {join(f, 0, 1, 1000), join(f, 1u << 31, 1, 1000)};
    const struct rejoin_request request = {
        .parts = halves, .part_count = 2, .budget_bytes = 750, .bytes_per_triangle = 6};
    struct figure whole;
    struct err err;
    CHECK_OK(rejoin_parts(&request, &f->arena, &f->scratch, &whole, &err), &err);
    CHECK(whole.piece_count > 2);
    CHECK(whole.pieces[0].bytes <= 750);
    CHECK(whole.pieces[0].error_m > halves[0].pieces[0].error_m);
    for (size_t i = 0; i < whole.piece_count; i++) {
        const struct piece *piece = &whole.pieces[i];
        CHECK(piece->borders == NULL);
        CHECK(sampled_distance(f, &f->whole, piece) <= piece->error_m);
        CHECK(sampled_distance(f, piece, &f->whole) <= piece->error_m);
        CHECK(i == 0 || (piece->error_m > whole.pieces[i - 1].error_m &&
                         piece->triangle_count < whole.pieces[i - 1].triangle_count));
        CHECK_EQ(memcmp(&piece->faces[0].paint, &f->whole.faces[0].paint, sizeof(struct paint)), 0);
    }
    CHECK_TEXT_IS(whole.id, "field");
    field_close(f);
}

/* However little it may weigh, a part is never left out. */
static void rejoin_parts__always_has_something_to_show(void)
{
    struct field *f = field_open();
    const struct figure out = join(f, 0, 2, 10);
    CHECK(out.piece_count >= 1);
    CHECK(out.pieces[out.piece_count - 1].bytes <= 5);
    CHECK(out.pieces[out.piece_count - 1].triangle_count > 0);
    field_close(f);
}

static void split_divide__ends_where_all_middles_are_one(void)
{
    struct split_triangle same[1000];
    struct split_leaf *leaves;
    uint32_t count;
    struct arena arena;
    struct err err;
    arena_init(&arena, 1 << 20);
    for (uint32_t i = 0; i < 1000; i++) {
        same[i] = (struct split_triangle){{1, 2, 3}, i};
    }
    CHECK_OK(split_divide(same, 1000, 7, &arena, &leaves, &count, &err), &err);
    uint32_t next = 0;
    for (uint32_t i = 0; i < count; i++) {
        CHECK_EQ(leaves[i].first, next);
        CHECK(leaves[i].end > next && leaves[i].end - next <= 7);
        next = leaves[i].end;
    }
    CHECK_EQ(next, 1000);
    CHECK_EQ(split_common_depth(leaves[0].path, leaves[count - 1].path), 0);
    CHECK_EQ(split_common_depth(leaves[0].path, leaves[1].path), leaves[0].depth - 1);
    arena_release(&arena);
}

static void rejoin_parts__fails_cleanly_on_every_allocation(void)
{
    struct field *f = field_open();
    const struct rejoin_request request = {
        .parts = f->leaves, .part_count = 3, .budget_bytes = 250, .bytes_per_triangle = 6};
    bool ok = false;
    size_t after = 1;
    for (; !ok && after < 3000; after++) {
        struct arena tile;
        struct figure out;
        struct err err = {0};
        arena_init(&tile, 1 << 26);
        f->scratch.fail_after = f->scratch.alloc_count + after;
        tile.fail_after = after;
        ok = rejoin_parts(&request, &tile, &f->scratch, &out, &err);
        CHECK(ok || err.code == ERR_NOMEM);
        CHECK_EQ(f->scratch.used_bytes, 0);
        arena_release(&tile);
    }
    CHECK(ok && after > 20);
    field_close(f);
}

CHECK_MAIN(CHECK_TEST(split_part__cuts_no_triangle_and_loses_none),
           CHECK_TEST(split_divide__ends_where_all_middles_are_one),
           CHECK_TEST(rejoin_parts__leaves_no_crack_to_any_neighbour),
           CHECK_TEST(rejoin_parts__states_errors_that_hold),
           CHECK_TEST(rejoin_parts__always_has_something_to_show),
           CHECK_TEST(rejoin_parts__fails_cleanly_on_every_allocation))
