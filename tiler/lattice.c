/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/lattice.h"

#include <assert.h>
#include <stdio.h>

#include "formats/base/earth.h"

static const double QUARTER_TURN = 0.78539816339744830962; /* pi / 4 */

/* Where a direction meets the cube: its face, and angles in [-1, 1]. */
static int face_angles(struct vec3 p, double *out_u, double *out_v)
{
    const double x = fabs(p.x);
    const double y = fabs(p.y);
    const double z = fabs(p.z);
    int face;
    double u;
    double v;
    if (x >= y && x >= z) {
        face = p.x > 0 ? 0 : 3;
        u = p.y / p.x;
        v = p.z / x;
    } else if (y >= z) {
        face = p.y > 0 ? 1 : 4;
        u = -p.x / p.y;
        v = p.z / y;
    } else {
        face = p.z > 0 ? 2 : 5;
        u = p.x / z;
        v = p.y / z;
    }
    *out_u = atan(u) / QUARTER_TURN;
    *out_v = atan(v) / QUARTER_TURN;
    return face;
}

static struct vec3 face_direction(int face, double u, double v)
{
    const double a = tan(u * QUARTER_TURN);
    const double b = tan(v * QUARTER_TURN);
    switch (face) {
    case 0:
        return (struct vec3){1, a, b};
    case 3:
        return (struct vec3){-1, -a, b};
    case 1:
        return (struct vec3){-a, 1, b};
    case 4:
        return (struct vec3){a, -1, b};
    case 2:
        return (struct vec3){a, b, 1};
    default:
        return (struct vec3){a, b, -1};
    }
}

static uint64_t cell_number(double angle)
{
    const double scaled = (angle + 1) / 2 * (double)(1u << LATTICE_LEVEL_MAX);
    if (scaled < 0) {
        return 0;
    }
    const double last = (double)((1u << LATTICE_LEVEL_MAX) - 1);
    return (uint64_t)(scaled > last ? last : scaled);
}

uint64_t lattice_key(struct vec3 ecef_m)
{
    double u;
    double v;
    const int face = face_angles(ecef_m, &u, &v);
    const uint64_t x = cell_number(u);
    const uint64_t y = cell_number(v);
    uint64_t key = (uint64_t)face;
    for (int bit = LATTICE_LEVEL_MAX - 1; bit >= 0; bit--) {
        key = key << 2 | (y >> bit & 1) << 1 | (x >> bit & 1);
    }
    return key;
}

static int level_shift(int level)
{
    return 2 * (LATTICE_LEVEL_MAX - level);
}

uint64_t lattice_end(struct lattice_cell cell)
{
    if (cell.level < 0) {
        return (uint64_t)6 << level_shift(0);
    }
    return cell.key + ((uint64_t)1 << level_shift(cell.level));
}

struct lattice_cell lattice_child(struct lattice_cell cell, int quarter)
{
    assert(cell.level < LATTICE_LEVEL_MAX);
    if (cell.level < 0) {
        assert(quarter >= 0 && quarter < 6);
        return (struct lattice_cell){(uint64_t)quarter << level_shift(0), 0};
    }
    assert(quarter >= 0 && quarter < 4);
    const int level = cell.level + 1;
    return (struct lattice_cell){cell.key | (uint64_t)quarter << level_shift(level), level};
}

struct lattice_cell lattice_at(uint64_t key, int level)
{
    const int shift = level_shift(level);
    return (struct lattice_cell){key >> shift << shift, level};
}

struct lattice_cell lattice_common(uint64_t first, uint64_t last)
{
    for (int level = LATTICE_LEVEL_MAX; level >= 0; level--) {
        const int shift = level_shift(level);
        if (first >> shift == last >> shift) {
            return (struct lattice_cell){first >> shift << shift, level};
        }
    }
    return (struct lattice_cell){0, -1};
}

int lattice_level_for(double extent_m)
{
    /* A face spans a quarter of the Earth, 10 000 km along its middle and
     * less, by up to 0.7, toward its corners. */
    double width_m = 6.9e6;
    int level = 0;
    while (level < LATTICE_LEVEL_MAX && width_m / 2 >= extent_m) {
        width_m /= 2;
        level++;
    }
    return level;
}

struct vec3 lattice_center_ecef(struct lattice_cell cell)
{
    if (cell.level < 0) {
        return earth_to_ecef((struct earth_point){0, 0, 0});
    }
    uint64_t x = 0;
    uint64_t y = 0;
    for (int level = 1; level <= cell.level; level++) {
        const uint64_t pair = cell.key >> level_shift(level) & 3;
        x = x << 1 | (pair & 1);
        y = y << 1 | pair >> 1;
    }
    const double cells = (double)((uint64_t)1 << cell.level);
    const int face = (int)(cell.key >> level_shift(0));
    const double u = ((double)x + 0.5) / cells * 2 - 1;
    const double v = ((double)y + 0.5) / cells * 2 - 1;
    /* Where the direction from the Earth's centre meets the ellipsoid. */
    const struct vec3 d = face_direction(face, u, v);
    const double a = EARTH_SEMI_MAJOR_M;
    const double b = a * (1 - EARTH_FLATTENING);
    return vec3_scale(d, 1 / sqrt((d.x * d.x + d.y * d.y) / (a * a) + d.z * d.z / (b * b)));
}

void lattice_name(struct lattice_cell cell, char out[LATTICE_NAME_BYTES])
{
    if (cell.level < 0) {
        snprintf(out, LATTICE_NAME_BYTES, "w");
        return;
    }
    int size = snprintf(out, LATTICE_NAME_BYTES, "%d", (int)(cell.key >> level_shift(0)) % 10);
    if (cell.level > 0) {
        out[size++] = '-';
    }
    for (int level = 1; level <= cell.level; level++) {
        out[size++] = (char)('0' + (int)(cell.key >> level_shift(level) & 3));
    }
    out[size] = '\0';
}
