/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/base/vec.h"

struct mat4 mat4_multiply(struct mat4 a, struct mat4 b)
{
    struct mat4 out;
    for (int column = 0; column < 4; column++) {
        for (int row = 0; row < 4; row++) {
            double sum = 0;
            for (int k = 0; k < 4; k++) {
                sum += a.m[4 * k + row] * b.m[4 * column + k];
            }
            out.m[4 * column + row] = sum;
        }
    }
    return out;
}

struct vec3 mat4_direction(struct mat4 m, struct vec3 d)
{
    return (struct vec3){m.m[0] * d.x + m.m[4] * d.y + m.m[8] * d.z,
                         m.m[1] * d.x + m.m[5] * d.y + m.m[9] * d.z,
                         m.m[2] * d.x + m.m[6] * d.y + m.m[10] * d.z};
}

struct vec3 mat4_point(struct mat4 m, struct vec3 p)
{
    return vec3_add(mat4_direction(m, p), (struct vec3){m.m[12], m.m[13], m.m[14]});
}

bool mat4_invert_affine(struct mat4 m, struct mat4 *out)
{
    const struct vec3 a = {m.m[0], m.m[1], m.m[2]};
    const struct vec3 b = {m.m[4], m.m[5], m.m[6]};
    const struct vec3 c = {m.m[8], m.m[9], m.m[10]};
    const double determinant = vec3_dot(a, vec3_cross(b, c));
    if (!isfinite(determinant) || determinant == 0) {
        return false;
    }
    const struct vec3 rows[3] = {vec3_scale(vec3_cross(b, c), 1 / determinant),
                                 vec3_scale(vec3_cross(c, a), 1 / determinant),
                                 vec3_scale(vec3_cross(a, b), 1 / determinant)};
    const struct vec3 t = {m.m[12], m.m[13], m.m[14]};
    struct mat4 inverse = mat4_identity();
    for (int row = 0; row < 3; row++) {
        inverse.m[row] = rows[row].x;
        inverse.m[4 + row] = rows[row].y;
        inverse.m[8 + row] = rows[row].z;
        inverse.m[12 + row] = -vec3_dot(rows[row], t);
    }
    *out = inverse;
    return true;
}
