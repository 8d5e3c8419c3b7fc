/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/flip.h"

#include <assert.h>
#include <math.h>

#include "tiler/convolve.h"

static const double PI = 3.14159265358979323846;
static const double PIXELS_PER_DEGREE = 67;

/* "Spatial Filtering": the contrast sensitivity of a channel is a sum of
 * Gaussians, a * sqrt(pi / b) * exp(-pi^2 x^2 / b), x in degrees. */
struct sensitivity {
    double a1, b1, a2, b2;
};
static const struct sensitivity ACHROMATIC = {1, 0.0047, 0, 1e-5};
static const struct sensitivity RED_GREEN = {1, 0.0053, 0, 1e-5};
static const struct sensitivity BLUE_YELLOW = {34.1, 0.04, 13.5, 0.025};
static const double WIDEST_B = 0.04;

/* "Color Metric", "Error Redistribution", "Feature Pipeline" */
static const float COLOR_EXPONENT = 0.7f;
static const float COLOR_SHARE = 0.4f;
static const float COLOR_TARGET = 0.95f;
static const double FEATURE_WIDTH_DEG = 0.082;

/* D65 of the matrix below */
static const float WHITE[3] = {0.950428545f, 1.0f, 1.088900371f};

static const float XYZ_OF_RGB[3][3] = {
    {(float)(10135552 / 24577794.0), (float)(8788810 / 24577794.0), (float)(4435075 / 24577794.0)},
    {(float)(2613072 / 12288897.0), (float)(8788810 / 12288897.0), (float)(887015 / 12288897.0)},
    {(float)(1425312 / 73733382.0), (float)(8788810 / 73733382.0), (float)(70074185 / 73733382.0)},
};
static const float RGB_OF_XYZ[3][3] = {
    {3.241003275f, -1.537398934f, -0.498615861f},
    {-0.969224334f, 1.875930071f, 0.041554224f},
    {0.055639423f, -0.204011202f, 1.057148933f},
};

struct flip_picture {
    uint32_t width, height;
    float *colors; /* three each: L*, and a* and b* after Hunt */
    float *edges, *points;
};

static void multiply(const float m[3][3], const float in[3], float out[3])
{
    for (int i = 0; i < 3; i++) {
        out[i] = m[i][0] * in[0] + m[i][1] * in[1] + m[i][2] * in[2];
    }
}

static float linear_of(uint8_t value)
{
    const float v = value / 255.0f;
    return v <= 0.04045f ? v / 12.92f : powf((v + 0.055f) / 1.055f, 2.4f);
}

/* Y'CxCz: L*a*b* without its cube roots, so that filtering is linear. */
static void opponent_of(const float rgb[3], float out[3])
{
    float xyz[3];
    multiply(XYZ_OF_RGB, rgb, xyz);
    for (int i = 0; i < 3; i++) {
        xyz[i] /= WHITE[i];
    }
    out[0] = 116 * xyz[1] - 16;
    out[1] = 500 * (xyz[0] - xyz[1]);
    out[2] = 200 * (xyz[1] - xyz[2]);
}

static void rgb_of_opponent(const float opponent[3], float out[3])
{
    const float y = (opponent[0] + 16) / 116;
    const float xyz[3] = {(opponent[1] / 500 + y) * WHITE[0], y * WHITE[1],
                          (y - opponent[2] / 200) * WHITE[2]};
    multiply(RGB_OF_XYZ, xyz, out);
    for (int i = 0; i < 3; i++) {
        out[i] = fminf(1, fmaxf(0, out[i]));
    }
}

static float lab_curve(float t)
{
    const float delta = 6 / 29.0f;
    return t > delta * delta * delta ? cbrtf(t) : t / (3 * delta * delta) + 4 / 29.0f;
}

/* "Perceptually Uniform Color Space": L*a*b*, chroma weaker where it is dark. */
static void hunt_lab_of(const float rgb[3], float out[3])
{
    float xyz[3];
    multiply(XYZ_OF_RGB, rgb, xyz);
    for (int i = 0; i < 3; i++) {
        xyz[i] = lab_curve(xyz[i] / WHITE[i]);
    }
    out[0] = 116 * xyz[1] - 16;
    out[1] = 0.01f * out[0] * 500 * (xyz[0] - xyz[1]);
    out[2] = 0.01f * out[0] * 200 * (xyz[1] - xyz[2]);
}

static float hyab(const float a[3], const float b[3])
{
    return fabsf(a[0] - b[0]) + hypotf(a[1] - b[1], a[2] - b[2]);
}

/* ---- filters ---- */

static double deviation_of(double b)
{
    return sqrt(b / (2 * PI * PI)) * PIXELS_PER_DEGREE;
}

/* What a Gaussian of the channel weighs as a whole, before the sum of both is
 * made one. */
static double weight_of(double a, double b, int reach)
{
    const double deviation = deviation_of(b);
    double sum = 0;
    for (int k = -reach; k <= reach; k++) {
        sum += exp(-k * k / (2 * deviation * deviation));
    }
    return a * sqrt(PI / b) * sum * sum;
}

static bool filter_channel(float *plane, uint32_t width, uint32_t height,
                           const struct sensitivity *s, struct arena *scratch, struct err *err)
{
    const int reach = (int)ceil(3 * deviation_of(WIDEST_B));
    const struct arena_mark mark = arena_mark(scratch);
    const struct convolve_kernel first = convolve_gaussian(deviation_of(s->b1), reach);
    const size_t count = (size_t)width * height;
    float *second_plane = NULL;
    if (s->a2 > 0) {
        const struct convolve_kernel second = convolve_gaussian(deviation_of(s->b2), reach);
        second_plane = arena_array(scratch, float, count);
        if (second_plane == NULL) {
            return arena_full(scratch, err);
        }
        if (!convolve(plane, width, height, &second, &second, scratch, second_plane, err)) {
            return false;
        }
    }
    if (!convolve(plane, width, height, &first, &first, scratch, plane, err)) {
        return false;
    }
    if (second_plane != NULL) {
        const double one = weight_of(s->a1, s->b1, reach);
        const double two = weight_of(s->a2, s->b2, reach);
        const float share = (float)(one / (one + two));
        for (size_t i = 0; i < count; i++) {
            plane[i] = share * plane[i] + (1 - share) * second_plane[i];
        }
    }
    arena_reset(scratch, mark);
    return true;
}

/* The first (edges) or second (points) derivative of a Gaussian; its negative
 * weights sum to -1, its positive ones to 1. */
static struct convolve_kernel derivative(double deviation, int reach, int order)
{
    struct convolve_kernel kernel = {.reach = reach};
    double sums[2] = {0, 0};
    double weights[2 * CONVOLVE_REACH_MAX + 1];
    for (int k = -reach; k <= reach; k++) {
        const double bell = exp(-k * k / (2 * deviation * deviation));
        const double weight = order == 1 ? -k * bell : (k * k / (deviation * deviation) - 1) * bell;
        weights[reach + k] = weight;
        sums[weight > 0] += fabs(weight);
    }
    for (int k = 0; k <= 2 * reach; k++) {
        kernel.weights[k] = (float)(weights[k] / sums[weights[k] > 0]);
    }
    return kernel;
}

/* "Feature Pipeline": how strong edges (order 1) or points (order 2) are. */
static bool find_features(const float *brightness, uint32_t width, uint32_t height, int order,
                          struct arena *scratch, float *out, struct err *err)
{
    const double deviation = 0.5 * FEATURE_WIDTH_DEG * PIXELS_PER_DEGREE;
    const int reach = (int)ceil(3 * deviation);
    const struct convolve_kernel bell = convolve_gaussian(deviation, reach);
    const struct convolve_kernel across = derivative(deviation, reach, order);
    const struct arena_mark mark = arena_mark(scratch);
    const size_t count = (size_t)width * height;
    float *other = arena_array(scratch, float, count);
    if (other == NULL) {
        return arena_full(scratch, err);
    }
    const bool ok = convolve(brightness, width, height, &across, &bell, scratch, out, err) &&
                    convolve(brightness, width, height, &bell, &across, scratch, other, err);
    for (size_t i = 0; ok && i < count; i++) {
        out[i] = sqrtf(out[i] * out[i] + other[i] * other[i]);
    }
    arena_reset(scratch, mark);
    return ok;
}

/* ---- */

static bool find_colors(float *const channels[3], struct flip_picture *picture,
                        struct arena *scratch, struct err *err)
{
    const uint32_t width = picture->width;
    const uint32_t height = picture->height;
    if (!filter_channel(channels[0], width, height, &ACHROMATIC, scratch, err) ||
        !filter_channel(channels[1], width, height, &RED_GREEN, scratch, err) ||
        !filter_channel(channels[2], width, height, &BLUE_YELLOW, scratch, err)) {
        return false;
    }
    for (size_t i = 0; i < (size_t)width * height; i++) {
        const float opponent[3] = {channels[0][i], channels[1][i], channels[2][i]};
        float rgb[3];
        rgb_of_opponent(opponent, rgb);
        hunt_lab_of(rgb, picture->colors + 3 * i);
    }
    return true;
}

static bool prepare(const struct image *image, struct flip_picture *picture, struct arena *scratch,
                    struct err *err)
{
    const size_t count = (size_t)image->width * image->height;
    float *channels[3];
    for (int c = 0; c < 3; c++) {
        channels[c] = arena_array(scratch, float, count);
        if (channels[c] == NULL) {
            return arena_full(scratch, err);
        }
    }
    float *brightness = arena_array(scratch, float, count);
    if (brightness == NULL) {
        return arena_full(scratch, err);
    }
    float linear[256];
    for (int v = 0; v < 256; v++) {
        linear[v] = linear_of((uint8_t)v);
    }
    for (size_t i = 0; i < count; i++) {
        const uint8_t *pixel = image->pixels + 4 * i;
        const float rgb[3] = {linear[pixel[0]], linear[pixel[1]], linear[pixel[2]]};
        float opponent[3];
        opponent_of(rgb, opponent);
        for (int c = 0; c < 3; c++) {
            channels[c][i] = opponent[c];
        }
        brightness[i] = (opponent[0] + 16) / 116;
    }
    return find_features(brightness, image->width, image->height, 1, scratch, picture->edges,
                         err) &&
           find_features(brightness, image->width, image->height, 2, scratch, picture->points,
                         err) &&
           find_colors(channels, picture, scratch, err);
}

bool flip_prepare(const struct image *image, struct arena *arena, struct arena *scratch,
                  struct flip_picture **out, struct err *err)
{
    assert(image->width >= 32 && image->height >= 32);
    const size_t count = (size_t)image->width * image->height;
    struct flip_picture *picture = arena_array(arena, struct flip_picture, 1);
    float *colors = arena_array(arena, float, 3 * count);
    float *edges = arena_array(arena, float, count);
    float *points = arena_array(arena, float, count);
    if (picture == NULL || colors == NULL || edges == NULL || points == NULL) {
        return arena_full(arena, err);
    }
    *picture = (struct flip_picture){image->width, image->height, colors, edges, points};
    const struct arena_mark mark = arena_mark(scratch);
    const bool ok = prepare(image, picture, scratch, err);
    arena_reset(scratch, mark);
    if (ok) {
        *out = picture;
    }
    return ok;
}

/* The largest colour difference there is: green against blue. */
static float largest_color_difference(void)
{
    const float green[3] = {0, 1, 0};
    const float blue[3] = {0, 0, 1};
    float green_lab[3];
    float blue_lab[3];
    hunt_lab_of(green, green_lab);
    hunt_lab_of(blue, blue_lab);
    return powf(hyab(green_lab, blue_lab), COLOR_EXPONENT);
}

static float redistribute(float difference, float largest)
{
    const float knee = COLOR_SHARE * largest;
    if (difference < knee) {
        return COLOR_TARGET / knee * difference;
    }
    return COLOR_TARGET + (difference - knee) / (largest - knee) * (1 - COLOR_TARGET);
}

void flip_map(const struct flip_picture *reference, const struct flip_picture *test, float *out_map)
{
    assert(reference->width == test->width && reference->height == test->height);
    const float largest = largest_color_difference();
    for (size_t i = 0; i < (size_t)reference->width * reference->height; i++) {
        const float distance = hyab(reference->colors + 3 * i, test->colors + 3 * i);
        const float edge = fabsf(reference->edges[i] - test->edges[i]);
        const float point = fabsf(reference->points[i] - test->points[i]);
        if (distance <= 0) {
            out_map[i] = 0;
            continue;
        }
        const float color = redistribute(powf(distance, COLOR_EXPONENT), largest);
        const float feature = sqrtf(fmaxf(edge, point) / sqrtf(2));
        out_map[i] = fminf(1, powf(color, 1 - feature));
    }
}
