/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/paint.h"

#include <math.h>
#include <stddef.h>

/* sRGB, 0 to 255. Walls are a little darker than roofs are light: from above,
 * that is what separates them when the sun does not. */
struct swatch {
    uint8_t red, green, blue, alpha;
};

static const struct swatch surface_swatches[SURFACE_KIND_COUNT] = {
    [SURFACE_UNKNOWN] = {226, 223, 216, 255},
    [SURFACE_ROOF] = {206, 196, 184, 255},
    [SURFACE_WALL] = {236, 233, 226, 255},
    [SURFACE_GROUND] = {176, 172, 164, 255},
    [SURFACE_CLOSURE] = {226, 223, 216, 255},
    [SURFACE_OUTER_CEILING] = {214, 210, 202, 255},
    [SURFACE_OUTER_FLOOR] = {196, 192, 184, 255},
    [SURFACE_WINDOW] = {120, 150, 176, 255},
    [SURFACE_DOOR] = {140, 112, 88, 255},
    [SURFACE_INTERIOR_WALL] = {240, 238, 232, 255},
    [SURFACE_CEILING] = {240, 238, 232, 255},
    [SURFACE_FLOOR] = {200, 186, 166, 255},
    [SURFACE_WATER] = {104, 156, 190, 255},
    [SURFACE_WATER_GROUND] = {142, 134, 112, 255},
    [SURFACE_TRAFFIC] = {118, 120, 124, 255},
    [SURFACE_AUXILIARY_TRAFFIC] = {158, 168, 140, 255},
    [SURFACE_INSTALLATION] = {200, 198, 192, 255},
};

struct class_swatch {
    const char *name;
    struct swatch swatch;
};

/* Classes whose own colour says more than the kind of surface. */
static const struct class_swatch class_swatches[] = {
    {"Bridge", {190, 188, 184, 255}},        {"BridgePart", {190, 188, 184, 255}},
    {"CityFurniture", {128, 132, 138, 255}}, {"GenericCityObject", {206, 204, 198, 255}},
    {"LandUse", {190, 200, 164, 255}},       {"OtherConstruction", {206, 202, 196, 255}},
    {"PlantCover", {116, 154, 92, 255}},     {"Railway", {126, 116, 108, 255}},
    {"Road", {122, 124, 128, 255}},          {"SolitaryVegetationObject", {92, 136, 76, 255}},
    {"Square", {196, 190, 178, 255}},        {"TINRelief", {172, 180, 148, 255}},
    {"Track", {158, 146, 126, 255}},         {"TransportSquare", {196, 190, 178, 255}},
    {"Tunnel", {150, 148, 146, 255}},        {"WaterBody", {104, 156, 190, 255}},
    {"Waterway", {104, 156, 190, 255}},
};

double paint_linear(double srgb)
{
    return srgb <= 0.04045 ? srgb / 12.92 : pow((srgb + 0.055) / 1.055, 2.4);
}

static uint16_t to_u16(double value)
{
    if (!(value > 0)) {
        return 0;
    }
    return value >= 1 ? UINT16_MAX : (uint16_t)lround(value * UINT16_MAX);
}

static struct paint of_srgb(double red, double green, double blue, double alpha)
{
    return (struct paint){{to_u16(paint_linear(red)), to_u16(paint_linear(green)),
                           to_u16(paint_linear(blue)), to_u16(alpha)}};
}

static struct paint of_swatch(struct swatch s)
{
    return of_srgb(s.red / 255.0, s.green / 255.0, s.blue / 255.0, s.alpha / 255.0);
}

struct paint paint_face(struct text class_name, enum feature_surface kind,
                        const struct feature_material *material)
{
    if (material != NULL) {
        return of_srgb((double)material->diffuse[0], (double)material->diffuse[1],
                       (double)material->diffuse[2], (double)material->alpha);
    }
    if (kind == SURFACE_UNKNOWN || kind == SURFACE_GROUND) {
        for (size_t i = 0; i < sizeof class_swatches / sizeof class_swatches[0]; i++) {
            if (text_is(class_name, class_swatches[i].name)) {
                return of_swatch(class_swatches[i].swatch);
            }
        }
    }
    return of_swatch(surface_swatches[kind]);
}
