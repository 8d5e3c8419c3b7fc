/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/raster.h"

#include <assert.h>

/* Linear light. The sky lights what looks up, the ground what looks down. */
static const float SUN[3] = {0.80f, 0.77f, 0.70f};
static const float SKY[3] = {0.34f, 0.38f, 0.45f};
static const float BOUNCE[3] = {0.16f, 0.15f, 0.13f};
static const float GROUND[3] = {0.30f, 0.31f, 0.27f};
static const float ZENITH[3] = {0.22f, 0.42f, 0.74f};
static const float HORIZON[3] = {0.70f, 0.78f, 0.86f};

/* Half of the light is lost to haze at this distance, in heights of the camera
 * above the ground and at least this many metres. */
static const double HAZE_HEIGHTS = 40;
static const double HAZE_MIN_M = 20000;

struct sample {
    float color[3];
    float inverse_depth; /* 1 / distance along the view; 0 nothing */
};

struct raster {
    struct raster_view view;
    uint32_t width, height; /* in samples */
    double scale;           /* samples per unit of slope */
    double haze_m;
    struct sample *samples;
};

static void add_haze(const struct raster *raster, double distance_m, float color[3])
{
    const float share = (float)(1 - exp2(-distance_m / raster->haze_m));
    for (int i = 0; i < 3; i++) {
        color[i] += (HORIZON[i] - color[i]) * share;
    }
}

static void light(const struct raster *raster, struct vec3 normal, const float albedo[4],
                  float out[3])
{
    const float sun = (float)fmax(0, vec3_dot(normal, raster->view.sun_camera));
    const float up = 0.5f + 0.5f * (float)vec3_dot(normal, raster->view.up_camera);
    for (int i = 0; i < 3; i++) {
        out[i] = albedo[i] * (SUN[i] * sun + SKY[i] * up + BOUNCE[i] * (1 - up));
    }
}

/* What is behind everything at a sample: ground, or sky. */
static void background(const struct raster *raster, uint32_t x, uint32_t y, float out[3])
{
    const struct vec3 ray = {(x + 0.5 - raster->width / 2.0) / raster->scale,
                             -(y + 0.5 - raster->height / 2.0) / raster->scale, -1};
    const double slope = vec3_dot(ray, raster->view.up_camera) / vec3_length(ray);
    const double along = raster->view.ground_camera_m / vec3_dot(ray, raster->view.up_camera);
    if (raster->view.has_ground && slope < 0 && along > 0) {
        const float albedo[4] = {GROUND[0], GROUND[1], GROUND[2], 1};
        light(raster, raster->view.up_camera, albedo, out);
        add_haze(raster, along * vec3_length(ray), out);
        return;
    }
    const float height = (float)fmin(1, fmax(0, slope) * 2);
    for (int i = 0; i < 3; i++) {
        out[i] = HORIZON[i] + (ZENITH[i] - HORIZON[i]) * sqrtf(height);
    }
}

static void fill_background(struct raster *raster)
{
    for (uint32_t y = 0; y < raster->height; y++) {
        for (uint32_t x = 0; x < raster->width; x++) {
            struct sample *sample = &raster->samples[(size_t)y * raster->width + x];
            background(raster, x, y, sample->color);
        }
    }
}

bool raster_open(const struct raster_view *view, struct arena *run, struct raster **out,
                 struct err *err)
{
    assert(view->samples >= 1 && view->samples <= 8 && view->near_m > 0);
    struct raster *raster = arena_array(run, struct raster, 1);
    if (raster == NULL) {
        return arena_full(run, err);
    }
    raster->view = *view;
    raster->width = view->width_px * view->samples;
    raster->height = view->height_px * view->samples;
    raster->scale = raster->height / (2 * tan(view->fov_y_rad / 2));
    raster->haze_m = fmax(HAZE_MIN_M, HAZE_HEIGHTS * fabs(view->ground_camera_m));
    raster->samples = arena_array(run, struct sample, (size_t)raster->width * raster->height);
    if (raster->samples == NULL) {
        return arena_full(run, err);
    }
    fill_background(raster);
    *out = raster;
    return true;
}

/* A corner in samples: position on the screen, and what varies linearly there
 * after division by depth. */
struct projected {
    double x, y;
    double inverse_depth;
    double color[4]; /* lit, over depth */
};

static struct projected project(const struct raster *raster, const struct raster_corner *corner,
                                const float lit[3])
{
    const double inverse = -1 / corner->at_camera.z;
    struct projected out = {
        .x = raster->width / 2.0 + corner->at_camera.x * inverse * raster->scale,
        .y = raster->height / 2.0 - corner->at_camera.y * inverse * raster->scale,
        .inverse_depth = inverse,
    };
    for (int i = 0; i < 3; i++) {
        out.color[i] = (double)lit[i] * inverse;
    }
    out.color[3] = (double)corner->color[3] * inverse;
    return out;
}

static double edge(const struct projected *a, const struct projected *b, double x, double y)
{
    return (b->x - a->x) * (y - a->y) - (b->y - a->y) * (x - a->x);
}

static uint32_t clamp_sample(double value, uint32_t end)
{
    return value <= 0 ? 0 : value >= end ? end : (uint32_t)value;
}

static void put_sample(const struct raster *raster, struct sample *sample, double inverse_depth,
                       const double color_over_depth[4])
{
    if (inverse_depth <= (double)sample->inverse_depth) {
        return;
    }
    float color[3];
    for (int i = 0; i < 3; i++) {
        color[i] = (float)(color_over_depth[i] / inverse_depth);
    }
    const float alpha = (float)(color_over_depth[3] / inverse_depth);
    add_haze(raster, 1 / inverse_depth, color);
    for (int i = 0; i < 3; i++) {
        sample->color[i] += (color[i] - sample->color[i]) * alpha;
    }
    /* Glass hides nothing that is drawn later behind it; what is drawn before
     * shows through. */
    if (alpha > 0.99f) {
        sample->inverse_depth = (float)inverse_depth;
    }
}

static void fill(struct raster *raster, const struct projected *a, const struct projected *b,
                 const struct projected *c)
{
    const double area = edge(a, b, c->x, c->y);
    if (!(fabs(area) > 1e-12)) {
        return;
    }
    const uint32_t x0 = clamp_sample(floor(fmin(a->x, fmin(b->x, c->x))), raster->width);
    const uint32_t x1 = clamp_sample(ceil(fmax(a->x, fmax(b->x, c->x))), raster->width);
    const uint32_t y0 = clamp_sample(floor(fmin(a->y, fmin(b->y, c->y))), raster->height);
    const uint32_t y1 = clamp_sample(ceil(fmax(a->y, fmax(b->y, c->y))), raster->height);
    for (uint32_t y = y0; y < y1; y++) {
        for (uint32_t x = x0; x < x1; x++) {
            const double u = edge(b, c, x + 0.5, y + 0.5) / area;
            const double v = edge(c, a, x + 0.5, y + 0.5) / area;
            const double w = 1 - u - v;
            if (u < 0 || v < 0 || w < 0) {
                continue;
            }
            double color[4];
            for (int i = 0; i < 4; i++) {
                color[i] = u * a->color[i] + v * b->color[i] + w * c->color[i];
            }
            put_sample(raster, &raster->samples[(size_t)y * raster->width + x],
                       u * a->inverse_depth + v * b->inverse_depth + w * c->inverse_depth, color);
        }
    }
}

static struct raster_corner between(const struct raster_corner *a, const struct raster_corner *b,
                                    double share)
{
    struct raster_corner out = *a;
    out.at_camera = vec3_add(a->at_camera, vec3_scale(vec3_sub(b->at_camera, a->at_camera), share));
    for (int i = 0; i < 4; i++) {
        out.color[i] += (b->color[i] - a->color[i]) * (float)share;
    }
    return out;
}

/* Cuts away what is nearer than the near plane; returns 0, 3 or 4 corners. */
static int clip_near(const struct raster *raster, const struct raster_corner corners[3],
                     struct raster_corner out[4])
{
    const double limit = -raster->view.near_m;
    int count = 0;
    for (int i = 0; i < 3; i++) {
        const struct raster_corner *here = &corners[i];
        const struct raster_corner *next = &corners[(i + 1) % 3];
        const bool is_here = here->at_camera.z <= limit;
        const bool is_next = next->at_camera.z <= limit;
        if (is_here) {
            out[count++] = *here;
        }
        if (is_here != is_next) {
            const double span = next->at_camera.z - here->at_camera.z;
            out[count++] = between(here, next, (limit - here->at_camera.z) / span);
        }
    }
    return count;
}

void raster_triangle(struct raster *raster, const struct raster_corner corners[3],
                     bool is_two_sided)
{
    const struct vec3 across = vec3_cross(vec3_sub(corners[1].at_camera, corners[0].at_camera),
                                          vec3_sub(corners[2].at_camera, corners[0].at_camera));
    const bool is_back = vec3_dot(across, corners[0].at_camera) > 0;
    if (is_back && !is_two_sided) {
        return;
    }
    struct raster_corner clipped[4];
    const int count = clip_near(raster, corners, clipped);
    struct projected projected[4];
    for (int i = 0; i < count; i++) {
        float lit[3];
        const struct vec3 normal =
            is_back ? vec3_scale(clipped[i].normal_camera, -1) : clipped[i].normal_camera;
        light(raster, normal, clipped[i].color, lit);
        projected[i] = project(raster, &clipped[i], lit);
    }
    for (int i = 2; i < count; i++) {
        fill(raster, &projected[0], &projected[i - 1], &projected[i]);
    }
}

static uint8_t encode(float linear)
{
    const float v = linear <= 0 ? 0 : linear >= 1 ? 1 : linear;
    const float srgb = v <= 0.0031308f ? 12.92f * v : 1.055f * powf(v, 1 / 2.4f) - 0.055f;
    return (uint8_t)(srgb * 255 + 0.5f);
}

static void average_pixel(const struct raster *raster, uint32_t px, uint32_t py, uint8_t out[4])
{
    const uint32_t n = raster->view.samples;
    float sum[3] = {0};
    for (uint32_t j = 0; j < n; j++) {
        for (uint32_t i = 0; i < n; i++) {
            const struct sample *sample =
                &raster->samples[(size_t)(py * n + j) * raster->width + px * n + i];
            for (int k = 0; k < 3; k++) {
                sum[k] += fminf(1, sample->color[k]);
            }
        }
    }
    for (int k = 0; k < 3; k++) {
        out[k] = encode(sum[k] / (float)(n * n));
    }
    out[3] = 255;
}

bool raster_finish(const struct raster *raster, struct arena *run, struct image *out,
                   struct err *err)
{
    const uint32_t width = raster->view.width_px;
    const uint32_t height = raster->view.height_px;
    uint8_t *pixels = arena_array(run, uint8_t, 4 * (size_t)width * height);
    if (pixels == NULL) {
        return arena_full(run, err);
    }
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            average_pixel(raster, x, y, pixels + 4 * ((size_t)y * width + x));
        }
    }
    *out = (struct image){width, height, pixels};
    return true;
}
