/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/raster.h"

#include <assert.h>
#include <string.h>

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

/* Samples row by row from the top, in arrays of their own: the depth test
 * decides most of them. */
struct raster {
    struct raster_view view;
    uint32_t width, height; /* in samples */
    double scale;           /* samples per unit of slope */
    double haze_m;
    float *depths; /* 1 / distance along the view; 0 nothing opaque */
    float *colors; /* three each, linear, lit, without haze */
    uint32_t *ids; /* of what is seen; 0 nothing */
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

/* What is behind everything in a pixel: ground, or sky. Haze lies on it already. */
static void background(const struct raster *raster, uint32_t px, uint32_t py, float out[3])
{
    const double n = raster->view.samples;
    const struct vec3 ray = {((px + 0.5) * n - raster->width / 2.0) / raster->scale,
                             -((py + 0.5) * n - raster->height / 2.0) / raster->scale, -1};
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

/* One colour a pixel: it hardly changes within one, and four by four samples of
 * it took longer than a small city. */
static void fill_background(struct raster *raster)
{
    const uint32_t n = raster->view.samples;
    const size_t row = 3 * (size_t)raster->width;
    for (uint32_t py = 0; py < raster->view.height_px; py++) {
        float *first = raster->colors + (size_t)py * n * row;
        for (uint32_t px = 0; px < raster->view.width_px; px++) {
            float color[3];
            background(raster, px, py, color);
            for (uint32_t i = 0; i < n; i++) {
                memcpy(first + 3 * ((size_t)px * n + i), color, sizeof color);
            }
        }
        for (uint32_t j = 1; j < n; j++) {
            memcpy(first + j * row, first, row * sizeof(float));
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
    const size_t count = (size_t)raster->width * raster->height;
    raster->depths = arena_array(run, float, count);
    raster->colors = arena_array(run, float, 3 * count);
    raster->ids = arena_array(run, uint32_t, count);
    if (raster->depths == NULL || raster->colors == NULL || raster->ids == NULL) {
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
    double uv[2];    /* over depth */
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
    out.uv[0] = (double)corner->uv[0] * inverse;
    out.uv[1] = (double)corner->uv[1] * inverse;
    return out;
}

static uint32_t clamp_sample(double value, uint32_t end)
{
    return value <= 0 ? 0 : value >= end ? end : (uint32_t)value;
}

/* The samples of a row or column whose middles lie from `from` on, not at `to`:
 * what two triangles share at an edge is drawn once, and no gap is between. */
static uint32_t first_sample(double from, uint32_t end)
{
    return clamp_sample(ceil(from - 0.5), end);
}

/* What is drawn over a triangle: a quantity at a sample is at + x * along_x +
 * y * along_y from the first corner. */
struct slope {
    double at, along_x, along_y;
};

static struct slope slope_of(const struct projected *a, const struct projected *b,
                             const struct projected *c, double at_a, double at_b, double at_c)
{
    const double ux = b->x - a->x;
    const double uy = b->y - a->y;
    const double vx = c->x - a->x;
    const double vy = c->y - a->y;
    const double area = ux * vy - vx * uy;
    const double u = at_b - at_a;
    const double v = at_c - at_a;
    return (struct slope){at_a, (u * vy - v * uy) / area, (v * ux - u * vx) / area};
}

struct filling {
    struct raster *raster;
    const struct projected *origin;
    struct slope depth;
    double depth_min, depth_max; /* slivers: a slope may lead far astray */
    struct slope color[4];
    bool is_plain; /* one colour, opaque, as nearly all are */
    float plain[3];
    struct slope uv[2];
    const struct raster_face *face;
};

/* How many texels a sample covers: along the lesser way, or a quarter of the
 * larger, as filtering in eight steps would have it. */
static double footprint(const struct filling *f, const double uv[2], double inverse)
{
    const struct image *image = &f->face->texture->levels[0];
    const double sides[2] = {image->width, image->height};
    double ways[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        const double dx = (f->uv[i].along_x - uv[i] * f->depth.along_x) / inverse * sides[i];
        const double dy = (f->uv[i].along_y - uv[i] * f->depth.along_y) / inverse * sides[i];
        ways[0] += dx * dx;
        ways[1] += dy * dy;
    }
    const double larger = sqrt(fmax(ways[0], ways[1]));
    return fmax(larger / 4, sqrt(fmin(ways[0], ways[1])));
}

/* The texture's colour at a sample. */
static void look_up(const struct filling *f, double x, double y, double inverse, float out[4])
{
    double uv[2];
    for (int i = 0; i < 2; i++) {
        uv[i] = (f->uv[i].at + x * f->uv[i].along_x + y * f->uv[i].along_y) / inverse;
    }
    texture_sample(f->face->texture, uv[0], uv[1], footprint(f, uv, inverse), out);
}

static void put_sample(const struct filling *f, size_t at, double x, double y, float inverse_depth)
{
    struct raster *raster = f->raster;
    float *color = raster->colors + 3 * at;
    const struct raster_face *face = f->face;
    if (f->is_plain && face->texture == NULL) {
        memcpy(color, f->plain, sizeof f->plain);
        raster->depths[at] = inverse_depth;
        raster->ids[at] = face->id;
        return;
    }
    float own[4] = {f->plain[0], f->plain[1], f->plain[2], 1};
    for (int i = 0; i < 4 && !f->is_plain; i++) {
        const struct slope *s = &f->color[i];
        own[i] = (float)(s->at + x * s->along_x + y * s->along_y) / inverse_depth;
    }
    if (face->texture != NULL) {
        float texel[4];
        look_up(f, x, y, (double)inverse_depth, texel);
        if (face->alpha == MESH_MASK && own[3] * texel[3] < 0.5f) {
            return;
        }
        for (int i = 0; i < 3; i++) {
            own[i] *= texel[i];
        }
        own[3] = face->alpha == MESH_BLEND ? own[3] * texel[3] : 1;
    }
    const float alpha = fminf(1, fmaxf(0, own[3]));
    for (int i = 0; i < 3; i++) {
        color[i] += (fmaxf(0, own[i]) - color[i]) * alpha;
    }
    if (alpha > 0) {
        raster->ids[at] = face->id;
    }
    /* Glass hides nothing that is drawn later behind it; what is drawn before
     * shows through. */
    if (alpha > 0.99f) {
        raster->depths[at] = inverse_depth;
    }
}

static void fill_row(const struct filling *f, uint32_t row, double left, double right)
{
    const struct raster *raster = f->raster;
    const uint32_t x0 = first_sample(left, raster->width);
    const uint32_t x1 = first_sample(right, raster->width);
    const size_t first = (size_t)row * raster->width;
    const double y = row + 0.5 - f->origin->y;
    const double depth = f->depth.at + y * f->depth.along_y;
    for (uint32_t column = x0; column < x1; column++) {
        const double x = column + 0.5 - f->origin->x;
        double inverse = depth + x * f->depth.along_x;
        inverse = inverse < f->depth_min ? f->depth_min : inverse;
        inverse = inverse > f->depth_max ? f->depth_max : inverse;
        if ((float)inverse > raster->depths[first + column]) {
            put_sample(f, first + column, x, y, (float)inverse);
        }
    }
}

/* Where the edge crosses a row's middle; the same for both triangles at it. */
static double cross_row(const struct projected *top, const struct projected *bottom, double y)
{
    return top->x + (y - top->y) * ((bottom->x - top->x) / (bottom->y - top->y));
}

static void sort_by_y(const struct projected *corners[3])
{
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 2 - i; k++) {
            const struct projected *a = corners[k];
            const struct projected *b = corners[k + 1];
            if (a->y > b->y || (a->y == b->y && a->x > b->x)) {
                corners[k] = b;
                corners[k + 1] = a;
            }
        }
    }
}

static void fill_rows(const struct filling *f, const struct projected *a, const struct projected *b,
                      const struct projected *c)
{
    const struct projected *by_y[3] = {a, b, c};
    sort_by_y(by_y);
    const struct raster *raster = f->raster;
    const uint32_t end = first_sample(by_y[2]->y, raster->height);
    for (uint32_t row = first_sample(by_y[0]->y, raster->height); row < end; row++) {
        const double y = row + 0.5;
        const double through = cross_row(by_y[0], by_y[2], y);
        const double beside =
            y < by_y[1]->y ? cross_row(by_y[0], by_y[1], y) : cross_row(by_y[1], by_y[2], y);
        fill_row(f, row, fmin(through, beside), fmax(through, beside));
    }
}

static bool is_plain(const struct raster_corner corners[3], float lit[3][3])
{
    const bool is_opaque =
        corners[0].color[3] > 0.99f && corners[1].color[3] > 0.99f && corners[2].color[3] > 0.99f;
    return is_opaque && memcmp(lit[0], lit[1], sizeof lit[0]) == 0 &&
           memcmp(lit[0], lit[2], sizeof lit[0]) == 0;
}

static void fill(struct filling *f, const struct projected *a, const struct projected *b,
                 const struct projected *c)
{
    const double area = (b->x - a->x) * (c->y - a->y) - (c->x - a->x) * (b->y - a->y);
    if (!(fabs(area) > 1e-12)) {
        return;
    }
    f->origin = a;
    f->depth = slope_of(a, b, c, a->inverse_depth, b->inverse_depth, c->inverse_depth);
    f->depth_min = fmin(a->inverse_depth, fmin(b->inverse_depth, c->inverse_depth));
    f->depth_max = fmax(a->inverse_depth, fmax(b->inverse_depth, c->inverse_depth));
    for (int i = 0; i < 4 && !f->is_plain; i++) {
        f->color[i] = slope_of(a, b, c, a->color[i], b->color[i], c->color[i]);
    }
    for (int i = 0; i < 2 && f->face->texture != NULL; i++) {
        f->uv[i] = slope_of(a, b, c, a->uv[i], b->uv[i], c->uv[i]);
    }
    fill_rows(f, a, b, c);
}

static struct raster_corner between(const struct raster_corner *a, const struct raster_corner *b,
                                    double share)
{
    struct raster_corner out = *a;
    out.at_camera = vec3_add(a->at_camera, vec3_scale(vec3_sub(b->at_camera, a->at_camera), share));
    for (int i = 0; i < 4; i++) {
        out.color[i] += (b->color[i] - a->color[i]) * (float)share;
    }
    for (int i = 0; i < 2; i++) {
        out.uv[i] += (b->uv[i] - a->uv[i]) * (float)share;
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

/* Whether it lies wholly beside the picture: most of a city often does. */
static bool is_beside(const struct raster *raster, const struct raster_corner corners[3])
{
    const double across = raster->width / (2 * raster->scale);
    const double upward = raster->height / (2 * raster->scale);
    int out = 15;
    for (int i = 0; i < 3; i++) {
        const struct vec3 at = corners[i].at_camera;
        out &= (at.x < at.z * across) | (-at.x < at.z * across) << 1 | (at.y < at.z * upward) << 2 |
               (-at.y < at.z * upward) << 3;
    }
    return out != 0;
}

void raster_triangle(struct raster *raster, const struct raster_corner corners[3],
                     const struct raster_face *face)
{
    if (is_beside(raster, corners)) {
        return;
    }
    const struct vec3 across = vec3_cross(vec3_sub(corners[1].at_camera, corners[0].at_camera),
                                          vec3_sub(corners[2].at_camera, corners[0].at_camera));
    const bool is_back = vec3_dot(across, corners[0].at_camera) > 0;
    if (is_back && !face->is_two_sided) {
        return;
    }
    struct raster_corner clipped[4];
    const int count = clip_near(raster, corners, clipped);
    struct projected projected[4];
    float lit[4][3];
    for (int i = 0; i < count; i++) {
        const struct vec3 normal =
            is_back ? vec3_scale(clipped[i].normal_camera, -1) : clipped[i].normal_camera;
        if (face->is_unlit) {
            memcpy(lit[i], clipped[i].color, sizeof lit[i]);
        } else {
            light(raster, normal, clipped[i].color, lit[i]);
        }
        projected[i] = project(raster, &clipped[i], lit[i]);
    }
    for (int i = 2; i < count; i++) {
        const struct raster_corner three[3] = {clipped[0], clipped[i - 1], clipped[i]};
        float three_lit[3][3];
        memcpy(three_lit[0], lit[0], sizeof lit[0]);
        memcpy(three_lit[1], lit[i - 1], 2 * sizeof lit[0]);
        struct filling f = {.raster = raster, .is_plain = is_plain(three, three_lit), .face = face};
        memcpy(f.plain, lit[0], sizeof f.plain);
        fill(&f, &projected[0], &projected[i - 1], &projected[i]);
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
            const size_t at = (size_t)(py * n + j) * raster->width + px * n + i;
            float color[3];
            memcpy(color, raster->colors + 3 * at, sizeof color);
            if (raster->depths[at] > 0) {
                add_haze(raster, 1 / (double)raster->depths[at], color);
            }
            for (int k = 0; k < 3; k++) {
                sum[k] += fminf(1, color[k]);
            }
        }
    }
    for (int k = 0; k < 3; k++) {
        out[k] = encode(sum[k] / (float)(n * n));
    }
    out[3] = 255;
}

struct raster_samples raster_samples(const struct raster *raster)
{
    return (struct raster_samples){raster->width, raster->height, raster->ids, raster->depths};
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
