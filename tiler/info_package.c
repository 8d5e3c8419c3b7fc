/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/info_internal.h"

#include "formats/base/earth.h"
#include "formats/json_write.h"
#include "formats/manifest.h"
#include "tiler/scene.h"

/* What tiles at each depth of the tree show, and how far that is from full
 * detail. */
static void print_levels(const struct manifest *manifest, struct buf *out)
{
    if (manifest->level_count > 0) {
        buf_add_text(out, "level  tiles   features  triangles         bytes   error: median"
                          "      most, metres\n");
    }
    for (size_t i = 0; i < manifest->level_count; i++) {
        const struct manifest_level *level = &manifest->levels[i];
        buf_print(out, "%5u %6llu %10llu %10llu %13llu %15.2f %9.2f\n", level->level,
                  (unsigned long long)level->tile_count, (unsigned long long)level->feature_count,
                  (unsigned long long)level->triangle_count, (unsigned long long)level->bytes,
                  level->error_median_m, level->error_max_m);
    }
}

static void print_text(const struct manifest *manifest, const struct earth_point *middle,
                       double radius_m, double ground_m, const char *path, struct buf *out)
{
    buf_print(out, "%s: made by %.*s\n", path, TEXT_ARGS(manifest->generator));
    buf_print(out,
              "lies near   %.5f E, %.5f N, within %.0f m; ground at %.2f m above the ellipsoid\n",
              middle->longitude_rad / EARTH_RAD_PER_DEG, middle->latitude_rad / EARTH_RAD_PER_DEG,
              radius_m, ground_m);
    for (size_t i = 0; i < manifest->option_count; i++) {
        buf_print(out, "%s%.*s %.*s", i == 0 ? "options     " : ", ",
                  TEXT_ARGS(manifest->options[i].name), TEXT_ARGS(manifest->options[i].value));
    }
    buf_add_text(out, manifest->option_count > 0 ? "\n" : "");
    for (size_t i = 0; i < manifest->input_count && i < 20; i++) {
        const struct manifest_input *input = &manifest->inputs[i];
        buf_print(out, "input       %.*s: %llu features, %.*s\n", TEXT_ARGS(input->name),
                  (unsigned long long)input->feature_count, TEXT_ARGS(input->crs));
    }
    for (size_t i = 0; i < manifest->count_count; i++) {
        buf_print(out, "  %-20.*s %10llu\n", TEXT_ARGS(manifest->counts[i].name),
                  (unsigned long long)manifest->counts[i].value);
    }
    print_levels(manifest, out);
    for (size_t i = 0; i < manifest->warning_count; i++) {
        const struct manifest_warning *warning = &manifest->warnings[i];
        buf_print(out, "%.*s: %.*s x %llu\n", TEXT_ARGS(warning->level), TEXT_ARGS(warning->kind),
                  (unsigned long long)warning->count);
    }
}

static void print_json(const struct manifest *manifest, const struct earth_point *middle,
                       double radius_m, double ground_m, struct buf *out)
{
    buf_add_text(out, "{\"kind\":\"package\",\"longitude_deg\":");
    json_write_double(out, middle->longitude_rad / EARTH_RAD_PER_DEG);
    buf_add_text(out, ",\"latitude_deg\":");
    json_write_double(out, middle->latitude_rad / EARTH_RAD_PER_DEG);
    buf_add_text(out, ",\"radius_m\":");
    json_write_double(out, radius_m);
    buf_add_text(out, ",\"ground_height_m\":");
    json_write_double(out, ground_m);
    buf_add_text(out, ",\"manifest\":");
    manifest_print(manifest, out);
    while (out->size > 0 && out->data[out->size - 1] == '\n') {
        out->size--;
    }
    buf_add_text(out, "}\n");
}

static bool load_manifest(const char *path, struct arena *run, struct manifest *out,
                          struct err *err)
{
    struct package *package;
    struct buf json;
    if (!package_open(path, &package, err)) {
        return false;
    }
    buf_init(&json, (size_t)1 << 30);
    bool ok = true;
    *out = (struct manifest){.generator = text_of("another program")};
    if (package_is_ours(package)) {
        ok = package_load(package, text_of(MANIFEST_NAME), &json, err);
        uint8_t *copy = ok ? arena_array(run, uint8_t, json.size) : NULL;
        if (ok && copy == NULL) {
            ok = arena_full(run, err);
        }
        if (ok) {
            memcpy(copy, json.data, json.size);
            ok = manifest_read((struct span){copy, json.size}, run, out, err);
        }
    }
    buf_release(&json);
    package_close(package);
    return ok;
}

bool info_package(const struct options *options, struct arena *run, struct buf *out,
                  struct err *err)
{
    struct manifest manifest;
    struct scene *scene;
    struct vec3 center;
    double radius_m;
    const char *path = options->inputs[0];
    if (!load_manifest(path, run, &manifest, err) || !scene_open(path, run, &scene, err)) {
        return false;
    }
    const bool ok = scene_bounds(scene, &center, &radius_m, err);
    if (ok) {
        const struct earth_point middle = earth_from_ecef(center);
        const double ground_m = scene_ground_m(scene);
        if (options->is_json) {
            print_json(&manifest, &middle, radius_m, ground_m, out);
        } else {
            print_text(&manifest, &middle, radius_m, ground_m, path, out);
        }
    }
    scene_close(scene);
    return ok;
}
