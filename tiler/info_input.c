/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/info_internal.h"

#include <stdio.h>

#include "formats/json_write.h"
#include "formats/source.h"
#include "tiler/inputs.h"
#include "tiler/run.h"

enum { CLASSES_MAX = 128, LEVELS_MAX = 16 };

/* Counts of one class of objects. */
struct class_count {
    struct text name;
    uint64_t objects;
    uint64_t without_shape;
    double levels[LEVELS_MAX]; /* that occur */
    uint64_t level_objects[LEVELS_MAX];
    size_t level_count;
};

/* What all inputs together hold. */
struct survey {
    struct run run; /* for inputs_list() and the dictionary */
    struct class_count classes[CLASSES_MAX];
    size_t class_count;
    uint64_t objects, polygons, corners, textured, lost;
    struct buf sample;
    struct crs_plan plan;
    struct crs_check check;
    bool has_plan;
    struct text crs;
    struct err plan_err;
    struct box3 box_source;
};

static struct class_count *find_class(struct survey *survey, struct text name)
{
    for (size_t i = 0; i < survey->class_count; i++) {
        if (text_equals(survey->classes[i].name, name)) {
            return &survey->classes[i];
        }
    }
    if (survey->class_count == CLASSES_MAX) {
        return &survey->classes[CLASSES_MAX - 1];
    }
    char *copy = arena_array(&survey->run.arena, char, name.size);
    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, name.data, name.size);
    struct class_count *found = &survey->classes[survey->class_count++];
    *found = (struct class_count){.name = {copy, name.size}};
    return found;
}

static void count_level(struct class_count *count, double level)
{
    for (size_t i = 0; i < count->level_count; i++) {
        if (count->levels[i] == level) {
            count->level_objects[i]++;
            return;
        }
    }
    if (count->level_count < LEVELS_MAX) {
        count->levels[count->level_count] = level;
        count->level_objects[count->level_count++] = 1;
    }
}

static bool count_feature(struct survey *survey, const struct feature *feature, struct err *err)
{
    struct class_count *count = find_class(survey, feature->kind);
    if (count == NULL) {
        return arena_full(&survey->run.arena, err);
    }
    survey->objects++;
    count->objects++;
    count->without_shape += feature->lod_count == 0;
    for (size_t i = 0; i < feature->lod_count; i++) {
        count_level(count, feature->lods[i].level);
    }
    survey->polygons += feature->polygon_count;
    survey->corners += feature->corner_count;
    survey->textured += feature->texture_count > 0;
    for (size_t i = 0; i < feature->vertex_count; i++) {
        const double *v = feature->vertices + 3 * i;
        box3_add(&survey->box_source, (struct vec3){v[0], v[1], v[2]});
    }
    if (feature->vertex_count > 0 && survey->sample.size < RUN_SAMPLE_POINTS * 3 * sizeof(double)) {
        buf_add(&survey->sample, feature->vertices, 3 * sizeof(double));
    }
    for (size_t i = 0; i < feature->attribute_count; i++) {
        uint32_t number;
        if (!dictionary_add(survey->run.dictionary, feature->attributes[i].key,
                            &feature->attributes[i].value, &number, err)) {
            return false;
        }
    }
    return true;
}

static bool read_source(struct survey *survey, const struct run_source *input,
                        const char *temporary, const char **out_format, struct err *err)
{
    const struct options *given = survey->run.options;
    const struct source_options options = {
        .temporary_folder = temporary,
        .encoding = given->encoding,
        .theme = given->theme,
    };
    struct source *source;
    struct arena feature_arena;
    struct arena_mark empty = {0};
    if (!source_open(input->path, &options, &survey->run.report, &source, err)) {
        err_in_source(err, input->path);
        return false;
    }
    /* The source's own memory ends with it. */
    const char *format = arena_print(&survey->run.arena, "%s", source_info(source)->format);
    *out_format = format == NULL ? "" : format;
    if (survey->crs.size == 0 && source_info(source)->crs.size > 0) {
        const struct text crs = source_info(source)->crs;
        char *copy = arena_array(&survey->run.arena, char, crs.size + 1);
        if (copy != NULL) {
            memcpy(copy, crs.data, crs.size);
            survey->crs = (struct text){copy, crs.size};
        }
    }
    arena_init(&feature_arena, OPTIONS_WORKER_BYTES);
    bool ok = true;
    for (bool is_end = false; ok && !is_end;) {
        struct feature feature;
        arena_reset(&feature_arena, empty);
        if (!source_next(source, &feature_arena, &feature, &is_end, err)) {
            err_in_source(err, input->path);
            ok = source_can_continue(source);
            if (ok) {
                survey->lost++;
                report_add_lost_feature(&survey->run.report, "feature-unreadable", err);
            }
        } else if (!is_end) {
            ok = count_feature(survey, &feature, err);
        }
    }
    arena_release(&feature_arena);
    source_close(source);
    return ok;
}

/* Where it lies; a system that cannot be used is told, not fatal here. */
static void find_place(struct survey *survey, const struct options *options)
{
    const double *points = (const double *)(const void *)survey->sample.data;
    const size_t count = survey->sample.size / (3 * sizeof(double));
    struct crs_request request = {
        .definition = options->crs != NULL ? options->crs : survey->crs.data,
        .vertical = options->vertical,
        .geoid = options->geoid,
        .height_offset_m = options->height_offset_m,
        .axis = options->axis,
        .allow_ballpark = options->allow_ballpark,
    };
    if (request.definition == NULL) {
        err_set(&survey->plan_err, ERR_CRS,
                "the file does not say which; name it with --crs when tiling");
        return;
    }
    survey->has_plan =
        crs_plan_make(&request, &survey->run.arena, &survey->plan, &survey->plan_err) &&
        crs_check_sample(&survey->plan, points, count, &survey->run.arena, &survey->check,
                         &survey->plan_err);
}

static void print_value(const struct feature_value *value, struct buf *out)
{
    switch (value->type) {
    case FEATURE_NULL:
        buf_add_text(out, "null");
        break;
    case FEATURE_BOOL:
        buf_add_text(out, value->boolean ? "true" : "false");
        break;
    case FEATURE_INT:
        buf_print(out, "%lld", (long long)value->integer);
        break;
    case FEATURE_REAL:
        json_write_double(out, value->real);
        break;
    case FEATURE_TEXT:
    case FEATURE_JSON:
        json_write_text(out, value->text);
        break;
    }
}

static const char *kind_of(const struct dictionary_key *key)
{
    if (key->has_text) {
        return key->has_int || key->has_real || key->has_bool ? "mixed" : "text";
    }
    if (key->has_bool) {
        return key->has_int || key->has_real ? "mixed" : "boolean";
    }
    return key->has_real ? "real" : key->has_int ? "integer" : "null";
}

static void print_text(const struct survey *survey, const char *format, struct buf *out)
{
    const struct run *run = &survey->run;
    for (size_t i = 0; i < run->source_count && i < 20; i++) {
        buf_print(out, "%s: %llu bytes\n", run->sources[i].path,
                  (unsigned long long)run->sources[i].bytes);
    }
    if (run->source_count > 20) {
        buf_print(out, "and %zu further files\n", run->source_count - 20);
    }
    buf_print(out, "format      %s\n", format);
    if (survey->has_plan) {
        buf_print(out, "crs         %s; %s\n", survey->plan.name, survey->plan.vertical_name);
        buf_print(out, "lies near   %.5f E, %.5f N; heights %+.2f m to the ellipsoid\n",
                  survey->check.longitude_deg, survey->check.latitude_deg,
                  survey->check.height_shift_m);
    } else {
        buf_print(out, "crs         %.*s: %s\n", TEXT_ARGS(survey->crs), survey->plan_err.message);
    }
    if (!box3_is_empty(survey->box_source)) {
        const struct box3 *b = &survey->box_source;
        buf_print(out, "extent      %.3f %.3f %.3f to %.3f %.3f %.3f, in its own coordinates\n",
                  b->min.x, b->min.y, b->min.z, b->max.x, b->max.y, b->max.z);
    }
    buf_print(out, "objects     %llu, %llu polygons, %llu corners, %llu with textures\n",
              (unsigned long long)survey->objects, (unsigned long long)survey->polygons,
              (unsigned long long)survey->corners, (unsigned long long)survey->textured);
    for (size_t i = 0; i < survey->class_count; i++) {
        const struct class_count *c = &survey->classes[i];
        buf_print(out, "  %-24.*s %8llu", TEXT_ARGS(c->name), (unsigned long long)c->objects);
        for (size_t k = 0; k < c->level_count; k++) {
            buf_print(out, "  lod %g: %llu", c->levels[k], (unsigned long long)c->level_objects[k]);
        }
        if (c->without_shape > 0) {
            buf_print(out, "  without geometry: %llu", (unsigned long long)c->without_shape);
        }
        buf_add_text(out, "\n");
    }
    buf_print(out, "attributes  %zu\n", dictionary_count(run->dictionary));
    for (uint32_t i = 0; i < dictionary_count(run->dictionary); i++) {
        const struct dictionary_key *key = dictionary_key(run->dictionary, i);
        buf_print(out, "  %-24.*s %8llu  %-8s such as ", TEXT_ARGS(key->name),
                  (unsigned long long)key->value_count, kind_of(key));
        print_value(&key->example, out);
        buf_add_text(out, "\n");
    }
    for (size_t i = 0; i < run->report.kind_count; i++) {
        const struct report_kind *kind = &run->report.kinds[i];
        char line[512];
        err_format(&kind->first, line, sizeof line);
        buf_print(out, "%s: %s x %llu, such as %s\n", report_level_name(kind->level), kind->name,
                  (unsigned long long)kind->count, line);
    }
}

static void print_json(const struct survey *survey, const char *format, struct buf *out)
{
    const struct run *run = &survey->run;
    buf_add_text(out, "{\"kind\":\"input\",\"format\":");
    json_write_text(out, text_of(format));
    buf_add_text(out, ",\"crs\":");
    json_write_text(out, survey->crs);
    if (survey->has_plan) {
        buf_add_text(out, ",\"crs_name\":");
        json_write_text(out, text_of(survey->plan.name));
        buf_add_text(out, ",\"longitude_deg\":");
        json_write_double(out, survey->check.longitude_deg);
        buf_add_text(out, ",\"latitude_deg\":");
        json_write_double(out, survey->check.latitude_deg);
    }
    if (!box3_is_empty(survey->box_source)) {
        const struct box3 *b = &survey->box_source;
        const double extent[6] = {b->min.x, b->min.y, b->min.z, b->max.x, b->max.y, b->max.z};
        for (int i = 0; i < 6; i++) {
            buf_add_text(out, i == 0 ? ",\"extent\":[" : ",");
            json_write_double(out, extent[i]);
        }
        buf_add_text(out, "]");
    }
    buf_print(out, ",\"objects\":%llu,\"polygons\":%llu,\"corners\":%llu,\"textured\":%llu",
              (unsigned long long)survey->objects, (unsigned long long)survey->polygons,
              (unsigned long long)survey->corners, (unsigned long long)survey->textured);
    buf_print(out, ",\"lost\":%llu,\"classes\":[", (unsigned long long)survey->lost);
    for (size_t i = 0; i < survey->class_count; i++) {
        const struct class_count *c = &survey->classes[i];
        buf_add_text(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_write_text(out, c->name);
        buf_print(out, ",\"objects\":%llu,\"without_geometry\":%llu,\"lods\":[",
                  (unsigned long long)c->objects, (unsigned long long)c->without_shape);
        for (size_t k = 0; k < c->level_count; k++) {
            buf_print(out, "%s{\"lod\":%g,\"objects\":%llu}", k == 0 ? "" : ",", c->levels[k],
                      (unsigned long long)c->level_objects[k]);
        }
        buf_add_text(out, "]}");
    }
    buf_add_text(out, "],\"attributes\":[");
    for (uint32_t i = 0; i < dictionary_count(run->dictionary); i++) {
        const struct dictionary_key *key = dictionary_key(run->dictionary, i);
        buf_add_text(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_write_text(out, key->name);
        buf_print(out, ",\"type\":\"%s\",\"values\":%llu,\"example\":", kind_of(key),
                  (unsigned long long)key->value_count);
        print_value(&key->example, out);
        buf_add_text(out, "}");
    }
    buf_add_text(out, "],\"warnings\":[");
    for (size_t i = 0; i < run->report.kind_count; i++) {
        const struct report_kind *kind = &run->report.kinds[i];
        buf_print(out, "%s{\"level\":\"%s\",\"kind\":\"%s\",\"count\":%llu}", i == 0 ? "" : ",",
                  report_level_name(kind->level), kind->name, (unsigned long long)kind->count);
    }
    buf_add_text(out, "]}\n");
}

bool info_input(const struct options *options, struct arena *run_arena, struct buf *out,
                struct err *err)
{
    struct survey *survey = arena_array(run_arena, struct survey, 1);
    if (survey == NULL) {
        return arena_full(run_arena, err);
    }
    survey->run.options = options;
    survey->box_source = box3_empty();
    arena_init(&survey->run.arena, SIZE_MAX / 2);
    buf_init(&survey->sample, 1 << 20);
    if (!report_open(&survey->run.report, NULL, err)) {
        return false;
    }
    const char *temporary = options->temporary_folder;
    const char *format = "";
    bool ok = dictionary_open(&survey->run.arena, &survey->run.dictionary, err) &&
              inputs_list(&survey->run, err);
    for (size_t i = 0; ok && i < survey->run.source_count; i++) {
        ok = read_source(survey, &survey->run.sources[i], temporary, &format, err);
    }
    if (ok) {
        find_place(survey, options);
        report_sort(&survey->run.report);
        if (options->is_json) {
            print_json(survey, format, out);
        } else {
            print_text(survey, format, out);
        }
    }
    struct err closing;
    if (!report_close(&survey->run.report, &closing) && ok) {
        *err = closing;
        ok = false;
    }
    buf_release(&survey->sample);
    arena_release(&survey->run.arena);
    return ok;
}
