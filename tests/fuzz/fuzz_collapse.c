/* SPDX-License-Identifier: Apache-2.0 */
/* Random triangles on a small grid of points, any edge shared by any number of
 * them: what comes out is a shape with fewer, its points are the old ones, its
 * locked points are all there, and a surface without crossings stays one. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tiler/collapse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { POINTS = 64, TRIANGLES_MAX = 300 };

struct input {
    struct vec3 points[POINTS];
    uint32_t corners[3 * TRIANGLES_MAX];
    uint32_t triangle_faces[TRIANGLES_MAX];
    struct shape_face faces[TRIANGLES_MAX];
    float uvs[6 * TRIANGLES_MAX];
    uint8_t is_locked[POINTS];
};

static void read_input(const uint8_t *data, size_t size, struct input *in, struct shape *out)
{
    for (uint32_t i = 0; i < POINTS; i++) {
        in->points[i] = (struct vec3){i % 4, i / 4 % 4 + 0.1 * (i % 3), 0.3 * (i / 16)};
        in->is_locked[i] = data[0] != 0 && i % 7 == data[0] % 7;
    }
    uint32_t count = 0;
    for (size_t i = 1; i + 3 < size && count < TRIANGLES_MAX; i += 4) {
        uint32_t *c = in->corners + 3 * count;
        for (int k = 0; k < 3; k++) {
            c[k] = data[i + (size_t)k] % POINTS;
            in->uvs[6 * count + 2 * (uint32_t)k] = (float)(c[k] % 4 + data[i + 3] / 64);
            in->uvs[6 * count + 2 * (uint32_t)k + 1] = (float)(c[k] / 4);
        }
        const struct vec3 a = in->points[c[0]];
        const struct vec3 normal =
            vec3_unit(vec3_cross(vec3_sub(in->points[c[1]], a), vec3_sub(in->points[c[2]], a)));
        const bool has_area = vec3_length(normal) > 0;
        in->triangle_faces[count] = count;
        in->faces[count++] = (struct shape_face){
            .material = data[i + 3] % 3,
            .texture = data[i + 3] / 64 - 1,
            .normal = has_area ? normal : (struct vec3){0, 0, 1},
        };
    }
    *out = (struct shape){.points = in->points,
                          .point_count = POINTS,
                          .corners = in->corners,
                          .triangle_faces = in->triangle_faces,
                          .triangle_count = count,
                          .faces = in->faces,
                          .face_count = count,
                          .uvs = in->uvs};
}

/* How often edges are run along, the way that is run most. */
static uint32_t most_ways(const uint32_t *corners, uint32_t triangle_count, const uint32_t *sources)
{
    uint8_t ways[POINTS][POINTS] = {{0}};
    uint32_t most = 0;
    for (uint32_t i = 0; i < 3 * triangle_count; i++) {
        const uint32_t from = corners[i];
        const uint32_t to = corners[i % 3 == 2 ? i - 2 : i + 1];
        uint8_t *count = sources == NULL ? &ways[from][to] : &ways[sources[from]][sources[to]];
        *count = (uint8_t)(*count + (*count < 255));
        most = *count > most ? *count : most;
    }
    return most;
}

static void check(const struct input *in, const struct shape *full, const struct shape *out,
                  const uint32_t *sources)
{
    bool is_there[POINTS] = {false};
    for (uint32_t p = 0; p < out->point_count; p++) {
        assert(sources[p] < POINTS && !is_there[sources[p]]);
        is_there[sources[p]] = true;
    }
    for (uint32_t t = 0; t < out->triangle_count; t++) {
        assert(out->triangle_faces[t] < out->face_count);
        for (uint32_t k = 0; k < 3; k++) {
            assert(out->corners[3 * t + k] < out->point_count);
        }
    }
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        const uint32_t *c = full->corners + 3 * t;
        const bool is_whole = c[0] != c[1] && c[1] != c[2] && c[2] != c[0];
        for (int k = 0; is_whole && k < 3; k++) {
            assert(!in->is_locked[c[k]] || is_there[c[k]]);
        }
    }
    assert(most_ways(full->corners, full->triangle_count, NULL) > 1 ||
           most_ways(out->corners, out->triangle_count, sources) <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct input in;
    struct shape full;
    if (size < 5) {
        return 0;
    }
    read_input(data, size, &in, &full);
    struct arena arena;
    struct arena scratch;
    arena_init(&arena, 1 << 24);
    arena_init(&scratch, 1 << 24);
    struct collapse *collapse;
    struct err err;
    bool ok = collapse_open(&full, in.is_locked, size % 2 == 0, &arena, &collapse, &err);
    assert(ok);
    uint32_t last = collapse_triangle_count(collapse);
    for (double error_m = 0.01; error_m < 100; error_m *= 10) {
        struct shape out;
        uint32_t *sources;
        collapse_run(collapse, error_m, 4);
        assert(collapse_triangle_count(collapse) <= last);
        last = collapse_triangle_count(collapse);
        ok = collapse_shape(collapse, &arena, &scratch, &out, &sources, &err);
        assert(ok || err.code == ERR_GEOMETRY);
        if (ok) {
            assert(out.triangle_count == last);
            check(&in, &full, &out, sources);
        }
    }
    arena_release(&arena);
    arena_release(&scratch);
    return 0;
}
