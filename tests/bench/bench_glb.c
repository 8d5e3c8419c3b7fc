/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast tiles are written, in million triangles a second of CPU time: whole
 * glb_write() and draco_write(), beside Draco's bare encoding of the same mesh,
 * already merged, in the same run.
 *
 *     bench_glb [BUILDINGS [ROUNDS]]     default 1600 (about 25,600 triangles), 9
 *
 * Buildings are gabled boxes of 16 triangles with flat normals, 48 separate
 * corners and a row each; the fastest round counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "formats/glb.h"
#include "tests/bench/bench_draco.h"

enum { BUILDINGS = 1600, ROUNDS = 9, CORNERS = 48 };

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

struct city {
    float *positions, *normals;
    uint32_t *rows, *indices;
    struct text *ids;
    struct mesh mesh;
};

/* Ten corners of a gabled house: floor, eaves, ridge. */
static void house_corners(uint32_t i, float out[10][3])
{
    const float side = 9 + (float)(i * 7 % 11);
    const float depth = 7 + (float)(i * 13 % 9);
    const float eaves = 6 + (float)(i * 31 % 17) * 1.37F;
    const float x = (float)(i % 40) * 24.3F - 480 + (float)(i % 7) * 0.31F;
    const float y = (float)(i / 40 % 40) * 24.7F - 480;
    for (int k = 0; k < 4; k++) {
        const float dx = k == 1 || k == 2 ? side : 0;
        const float dy = k >= 2 ? depth : 0;
        const float low[3] = {x + dx, y + dy, 0};
        const float high[3] = {x + dx, y + dy, eaves};
        memcpy(out[k], low, sizeof low);
        memcpy(out[4 + k], high, sizeof high);
    }
    for (int k = 0; k < 2; k++) {
        const float ridge[3] = {x + (k == 0 ? 0 : side), y + depth / 2, eaves + 3.1F};
        memcpy(out[8 + k], ridge, sizeof ridge);
    }
}

static void add_triangle(struct city *city, size_t *n, float corners[10][3], const int *which,
                         uint32_t row)
{
    double edge[2][3];
    for (int c = 0; c < 3; c++) {
        edge[0][c] = (double)(corners[which[1]][c] - corners[which[0]][c]);
        edge[1][c] = (double)(corners[which[2]][c] - corners[which[0]][c]);
    }
    const struct vec3 normal =
        vec3_unit(vec3_cross((struct vec3){edge[0][0], edge[0][1], edge[0][2]},
                             (struct vec3){edge[1][0], edge[1][1], edge[1][2]}));
    for (int k = 0; k < 3; k++) {
        float *p = city->positions + 3 * *n;
        float *q = city->normals + 3 * *n;
        memcpy(p, corners[which[k]], 12);
        q[0] = (float)normal.x;
        q[1] = (float)normal.y;
        q[2] = (float)normal.z;
        city->rows[*n] = row;
        city->indices[*n] = (uint32_t)*n;
        (*n)++;
    }
}

static void build(struct city *city, uint32_t count)
{
    static const int faces[16][3] = {
        {0, 2, 1}, {0, 3, 2}, {0, 1, 5}, {0, 5, 4}, {2, 3, 7}, {2, 7, 6}, {4, 5, 9}, {4, 9, 8},
        {6, 7, 8}, {6, 8, 9}, {1, 2, 6}, {1, 6, 5}, {3, 0, 4}, {3, 4, 7}, {5, 6, 9}, {7, 4, 8}};
    enum { FACES = 16 };
    const size_t most = (size_t)CORNERS * count;
    city->positions = calloc(3 * most, sizeof(float));
    city->normals = calloc(3 * most, sizeof(float));
    city->rows = calloc(most, sizeof(uint32_t));
    city->indices = calloc(most, sizeof(uint32_t));
    city->ids = calloc(count, sizeof(struct text));
    if (!city->positions || !city->normals || !city->rows || !city->indices || !city->ids) {
        abort();
    }
    size_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        float corners[10][3];
        house_corners(i, corners);
        for (int f = 0; f < FACES; f++) {
            add_triangle(city, &n, corners, faces[f], i);
        }
        city->ids[i] = text_of("NL.IMBAG.Pand.0503100000012345");
    }
    city->mesh = (struct mesh){.vertex_count = (uint32_t)n,
                               .index_count = (uint32_t)n,
                               .positions = city->positions,
                               .normals = city->normals,
                               .rows = city->rows,
                               .indices = city->indices};
}

struct result {
    double best_s;
    size_t bytes;
};

static struct result time_glb(const struct mesh_tile *tile, enum glb_compression compression,
                              int rounds)
{
    const struct glb_options options = {.compression = compression, .position_step_m = 0.01};
    struct result result = {1e9, 0};
    struct arena arena;
    struct buf out;
    arena_init(&arena, (size_t)1 << 30);
    buf_init(&out, (size_t)1 << 30);
    for (int i = 0; i < rounds; i++) {
        struct glb_summary summary;
        struct err err;
        buf_reset(&out);
        const double start = cpu_s();
        if (!glb_write(tile, &options, &arena, &out, &summary, &err)) {
            printf("%s\n", err.message);
            exit(1);
        }
        result.best_s = fmin(result.best_s, cpu_s() - start);
        result.bytes = out.size;
    }
    buf_release(&out);
    arena_release(&arena);
    return result;
}

static void print_row(const char *what, struct result result, double triangles, double bare_s)
{
    printf("%-24s %8.2f Mtri/s %8.2f B/tri %8.2f of bare\n", what, triangles / result.best_s * 1e-6,
           (double)result.bytes / triangles, bare_s / result.best_s);
}

int main(int argc, char **argv)
{
    const uint32_t count = argc > 1 ? (uint32_t)atoi(argv[1]) : BUILDINGS;
    const int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS;
    static const struct property id = {
        .id = {"id", 2}, .type = PROPERTY_STRING, .is_required = true, .semantic = "ID"};
    static const struct mesh_material material = {
        .base_color = {1, 1, 1, 1}, .roughness = 1, .image = -1};
    struct city city;
    build(&city, count);
    const struct property_schema schema = {.properties = &id, .property_count = 1};
    const struct property_column column = {.values.string = city.ids};
    const struct property_table table = {
        .schema = &schema, .row_count = count, .columns = &column, .column_count = 1};
    const struct mesh_tile tile = {.meshes = &city.mesh,
                                   .mesh_count = 1,
                                   .materials = &material,
                                   .material_count = 1,
                                   .table = &table};
    const double triangles = city.mesh.index_count / 3.0;
    struct result bare = {1e9, 0};
    for (int i = 0; i < rounds; i++) {
        size_t bytes;
        bare.best_s =
            fmin(bare.best_s, bench_draco_bare(city.positions, city.normals, city.rows,
                                               city.indices, city.mesh.index_count, &bytes));
        bare.bytes = bytes;
    }
    printf("%.0f triangles in %u buildings, best of %d rounds, CPU time\n", triangles, count,
           rounds);
    print_row("bare draco encode", bare, triangles, bare.best_s);
    print_row("glb_write, draco", time_glb(&tile, GLB_DRACO, rounds), triangles, bare.best_s);
    print_row("glb_write, meshopt", time_glb(&tile, GLB_MESHOPT, rounds), triangles, bare.best_s);
    print_row("glb_write, plain", time_glb(&tile, GLB_NONE, rounds), triangles, bare.best_s);
    free(city.positions);
    free(city.normals);
    free(city.rows);
    free(city.indices);
    free(city.ids);
    return 0;
}
