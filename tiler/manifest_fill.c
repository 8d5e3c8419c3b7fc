/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/manifest_fill.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPTIONS_MAX = 24, LEVELS_MAX = 64 };

static bool printed(struct arena *arena, struct text *out, struct err *err, const char *format, ...)
    ERR_PRINTF(4, 5);

static bool printed(struct arena *arena, struct text *out, struct err *err, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const size_t kept = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    char *copy = arena_array(arena, char, kept + 1);
    if (copy == NULL) {
        return arena_full(arena, err);
    }
    memcpy(copy, text, kept);
    *out = (struct text){copy, kept};
    return true;
}

static bool joined(struct arena *arena, const char *const *words, size_t count, struct text *out,
                   struct err *err)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += strlen(words[i]) + 1;
    }
    char *copy = arena_array(arena, char, size);
    if (copy == NULL) {
        return arena_full(arena, err);
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(copy + at, words[i], strlen(words[i]));
        at += strlen(words[i]);
        copy[at++] = ',';
    }
    *out = (struct text){copy, at - (count > 0 ? 1 : 0)};
    return true;
}

/* Only what decides the bytes of the package: not threads, folders or logs. */
static bool fill_options(struct run *run, struct manifest *out, struct err *err)
{
    const struct options *options = run->options;
    struct manifest_pair *pairs = arena_array(&run->arena, struct manifest_pair, OPTIONS_MAX);
    if (pairs == NULL) {
        return arena_full(&run->arena, err);
    }
    static const char *const compressions[] = {"none", "draco", "meshopt"};
    size_t count = 0;
    struct arena *arena = &run->arena;
    pairs[count++] =
        (struct manifest_pair){text_of("compress"), text_of(compressions[options->compression])};
    pairs[count].name = text_of("error-factor");
    if (!printed(arena, &pairs[count++].value, err, "%g", options->error_factor)) {
        return false;
    }
    pairs[count].name = text_of("tile-bytes");
    if (!printed(arena, &pairs[count++].value, err, "%llu",
                 (unsigned long long)options->tile_bytes)) {
        return false;
    }
    static const char *const formats[] = {
        [ATLAS_AUTO] = "auto", [ATLAS_JPEG] = "jpeg", [ATLAS_PNG] = "png", [ATLAS_WEBP] = "webp"};
    pairs[count++] = (struct manifest_pair){
        text_of("textures"),
        text_of(options->has_no_textures ? "none" : formats[options->texture_format])};
    pairs[count++] = (struct manifest_pair){text_of("tiles-version"),
                                            text_of(options->is_version_1_0 ? "1.0" : "1.1")};
    if (options->properties != NULL) {
        pairs[count].name = text_of("properties");
        if (!joined(arena, options->properties, options->property_count, &pairs[count++].value,
                    err)) {
            return false;
        }
    }
    if (options->levels == LEVELS_DROP) {
        pairs[count++] = (struct manifest_pair){text_of("levels"), text_of("drop")};
    }
    if (options->crs != NULL) {
        pairs[count++] = (struct manifest_pair){text_of("crs"), text_of(options->crs)};
    }
    if (options->lod >= 0) {
        pairs[count].name = text_of("lod");
        if (!printed(arena, &pairs[count++].value, err, "%d", options->lod)) {
            return false;
        }
    }
    if (options->theme != NULL) {
        pairs[count++] = (struct manifest_pair){text_of("theme"), text_of(options->theme)};
    }
    if (options->encoding != NULL) {
        pairs[count++] = (struct manifest_pair){text_of("encoding"), text_of(options->encoding)};
    }
    if (options->vertical != NULL) {
        pairs[count++] = (struct manifest_pair){text_of("vertical"), text_of(options->vertical)};
    }
    if (options->height_offset_m != 0) {
        pairs[count].name = text_of("height-offset");
        if (!printed(arena, &pairs[count++].value, err, "%g", options->height_offset_m)) {
            return false;
        }
    }
    out->options = pairs;
    out->option_count = count;
    return true;
}

static bool fill_inputs(struct run *run, struct manifest *out, struct err *err)
{
    struct manifest_input *inputs =
        arena_array(&run->arena, struct manifest_input, run->source_count);
    if (inputs == NULL) {
        return arena_full(&run->arena, err);
    }
    for (size_t i = 0; i < run->source_count; i++) {
        const struct run_source *source = &run->sources[i];
        inputs[i] = (struct manifest_input){.name = source->name,
                                            .bytes = source->bytes,
                                            .digest = source->digest,
                                            .feature_count = source->feature_count,
                                            .accuracy_m = -1};
        if (source->feature_count == 0) {
            continue;
        }
        const struct crs_plan *plan = &run->crs[source->crs].plan;
        const bool has_code = plan->authority != NULL && plan->code != NULL;
        if (!printed(&run->arena, &inputs[i].crs, err, "%s%s%s%s%s%s",
                     has_code ? plan->authority : "", has_code ? ":" : "",
                     has_code ? plan->code : "", has_code ? " " : "", plan->name,
                     plan->is_height_ellipsoidal ? ", ellipsoidal heights" : "") ||
            !printed(&run->arena, &inputs[i].notes, err, "%s%s%s", plan->vertical_name,
                     plan->remark == NULL ? "" : "; ", plan->remark == NULL ? "" : plan->remark)) {
            return false;
        }
        inputs[i].operation = text_of(plan->operation);
        inputs[i].accuracy_m = plan->accuracy_m < 0 || plan->height_accuracy_m < 0
                                   ? plan->accuracy_m
                                   : fmax(plan->accuracy_m, plan->height_accuracy_m);
    }
    out->inputs = inputs;
    out->input_count = run->source_count;
    return true;
}

static bool fill_counts(struct run *run, struct manifest *out, struct err *err)
{
    const struct run_counts *c = &run->counts;
    const struct manifest_count all[] = {
        {text_of("objects-read"), c->read},
        {text_of("excluded-by-class"), c->excluded},
        {text_of("without-geometry"), c->without_shape},
        {text_of("drawn-by-parts"), c->by_parts},
        {text_of("identical-again"), c->identical},
        {text_of("ids-not-unique"), c->conflicting},
        {text_of("features-lost"), run->report.feature_skipped_count},
        {text_of("features-shown"), c->shown},
        {text_of("tiles"), run_node_count(run)},
    };
    const size_t count = sizeof all / sizeof all[0];
    struct manifest_count *counts = arena_array(&run->arena, struct manifest_count, count);
    if (counts == NULL) {
        return arena_full(&run->arena, err);
    }
    memcpy(counts, all, sizeof all);
    out->counts = counts;
    out->count_count = count;
    return true;
}

static int compare_errors(const void *a, const void *b)
{
    const struct manifest_tile *left = a;
    const struct manifest_tile *right = b;
    return (left->error_m > right->error_m) - (left->error_m < right->error_m);
}

/* The median of two tiles is the upper one. */
static void find_medians(const struct manifest *manifest, struct manifest_tile *sorted,
                         struct manifest_level *levels)
{
    memcpy(sorted, manifest->tiles, manifest->tile_count * sizeof sorted[0]);
    qsort(sorted, manifest->tile_count, sizeof sorted[0], compare_errors);
    uint64_t seen[LEVELS_MAX] = {0};
    for (size_t i = 0; i < manifest->tile_count; i++) {
        const uint32_t level = sorted[i].level;
        assert(level < LEVELS_MAX);
        if (seen[level]++ == levels[level].tile_count / 2) {
            levels[level].error_median_m = sorted[i].error_m;
        }
    }
}

static void add_to_level(const struct run_node *node, uint32_t depth, struct manifest_level *level)
{
    if (level->tile_count == 0) {
        *level = (struct manifest_level){
            .level = depth, .error_min_m = node->proven_m, .error_max_m = node->proven_m};
    }
    level->tile_count++;
    level->feature_count += node->shown_count;
    level->triangle_count += node->triangle_count;
    level->bytes += node->content_bytes;
    level->error_min_m = fmin(level->error_min_m, node->proven_m);
    level->error_max_m = fmax(level->error_max_m, node->proven_m);
}

/* Parents stand after their children: depths are found from the root down. */
static bool fill_levels(struct run *run, struct manifest *out, struct err *err)
{
    const size_t node_count = run_node_count(run);
    const struct run_node *nodes = run_nodes(run);
    struct manifest_level *levels = arena_array(&run->arena, struct manifest_level, LEVELS_MAX);
    struct manifest_tile *tiles = arena_array(&run->arena, struct manifest_tile, node_count);
    struct manifest_tile *sorted = arena_array(&run->arena, struct manifest_tile, node_count);
    uint32_t *depths = arena_array(&run->arena, uint32_t, node_count);
    if (levels == NULL || tiles == NULL || sorted == NULL || depths == NULL) {
        return arena_full(&run->arena, err);
    }
    size_t level_count = 0;
    for (size_t i = node_count; i-- > 0;) {
        const struct run_node *node = &nodes[i];
        depths[i] = node->parent == RUN_NO_NODE ? 0 : depths[node->parent] + 1;
        assert(depths[i] < LEVELS_MAX);
        add_to_level(node, depths[i], &levels[depths[i]]);
        level_count = depths[i] + (size_t)1 > level_count ? depths[i] + (size_t)1 : level_count;
        tiles[out->tile_count++] = (struct manifest_tile){.name = text_of(node->content),
                                                          .level = depths[i],
                                                          .feature_count = node->shown_count,
                                                          .triangle_count = node->triangle_count,
                                                          .error_m = node->proven_m,
                                                          .stated_m = node->error_m};
    }
    out->tiles = tiles;
    out->levels = levels;
    out->level_count = level_count;
    find_medians(out, sorted, levels);
    return true;
}

static bool fill_warnings(struct run *run, struct manifest *out, struct err *err)
{
    report_sort(&run->report);
    const struct report *report = &run->report;
    struct manifest_warning *warnings =
        arena_array(&run->arena, struct manifest_warning, report->kind_count);
    if (warnings == NULL) {
        return arena_full(&run->arena, err);
    }
    for (size_t i = 0; i < report->kind_count; i++) {
        warnings[i] = (struct manifest_warning){
            .level = text_of(report_level_name(report->kinds[i].level)),
            .kind = text_of(report->kinds[i].name),
            .count = report->kinds[i].count,
        };
    }
    out->warnings = warnings;
    out->warning_count = report->kind_count;
    return true;
}

bool manifest_fill(struct run *run, struct manifest *out, struct err *err)
{
    struct manifest manifest = {.generator = text_of("storey " STOREY_VERSION)};
    if (!fill_options(run, &manifest, err) || !fill_inputs(run, &manifest, err) ||
        !fill_counts(run, &manifest, err) || !fill_levels(run, &manifest, err) ||
        !fill_warnings(run, &manifest, err)) {
        return false;
    }
    *out = manifest;
    return true;
}
