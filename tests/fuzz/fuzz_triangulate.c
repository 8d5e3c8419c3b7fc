/* SPDX-License-Identifier: Apache-2.0 */
/* Random rings: nothing hangs, triangles lie inside the box of the points,
 * indices are in range, complete results have the rings' area. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "tiler/tessellate.h"
#include "tiler/triangulate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { POINTS_MAX = 2048, RINGS_MAX = 64 };

/* Byte 0 chooses the grid; then two bytes a point; x = 255 ends a ring. */
static void read_rings(const uint8_t *data, size_t size, struct vec2 *points, uint32_t *ends,
                       struct ring_set *out)
{
    const double step = data[0] % 3 == 0 ? 1 : data[0] % 3 == 1 ? 0.1 : 1234.56789;
    uint32_t count = 0;
    uint32_t ring_count = 0;
    for (size_t i = 1; i + 1 < size && count < POINTS_MAX && ring_count + 1 < RINGS_MAX; i += 2) {
        if (data[i] == 255) {
            ends[ring_count++] = count;
            continue;
        }
        points[count++] = (struct vec2){step * data[i], step * data[i + 1]};
    }
    ends[ring_count++] = count;
    *out = (struct ring_set){points, ends, ring_count};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    static struct vec2 points[POINTS_MAX];
    static uint32_t ends[RINGS_MAX];
    struct ring_set rings;
    read_rings(data, size, points, ends, &rings);

    struct arena out;
    struct arena scratch;
    arena_init(&out, (size_t)64 << 20);
    arena_init(&scratch, (size_t)256 << 20);
    struct triangulate_result found;
    struct err err;
    if (triangulate_polygon(&rings, &out, &scratch, &found, &err)) {
        for (uint32_t i = 0; i < 3 * found.triangle_count; i++) {
            assert(found.corners[i] < ring_point_count(&rings) + found.blend_count);
        }
        assert(found.area > 0);
        if (found.method == TRIANGULATE_EARS) {
            /* A ring that winds twice around a place covers it twice. */
            const double area = ring_set_area(&rings);
            const double outer = fabs(ring_area(rings.points, rings.ends[0]));
            assert(fabs(found.area - area) <= TRIANGULATE_AREA_TOLERANCE * area + 1e-12 * outer);
        } else {
            assert(found.area <= 1.01 * 255 * 255 * 1234.56789 * 1234.56789);
        }
    } else {
        assert(err.code == ERR_GEOMETRY || err.code == ERR_LIMIT);
    }
    arena_release(&out);
    arena_release(&scratch);
    return 0;
}
