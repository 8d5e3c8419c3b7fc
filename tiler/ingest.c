/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/ingest.h"

#include <stdlib.h>
#include <strings.h>

#include "formats/base/io.h"
#include "formats/source.h"
#include "tiler/id_table.h"
#include "tiler/record.h"

enum { TELL_EVERY = 256 };

/* What is being read now. */
struct reading {
    struct run *run;
    uint32_t source;
    struct source *from;
    struct arena feature;
    struct buf record;
};

static bool is_listed(const char *const *classes, size_t count, struct text kind)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(classes[i]) == kind.size && strncasecmp(classes[i], kind.data, kind.size) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const struct options *options, struct text kind)
{
    const bool is_chosen =
        options->class_count == 0 || is_listed(options->classes, options->class_count, kind);
    return is_chosen && !is_listed(options->excluded_classes, options->excluded_class_count, kind);
}

/* The text of --crs-file, terminated, in the run's arena. */
static bool load_crs_file(struct run *run, const char **out, struct err *err)
{
    struct io_map map;
    if (!io_map(run->options->crs_file, &map, err)) {
        return false;
    }
    char *copy = arena_array(&run->arena, char, map.bytes.size + 1);
    if (copy != NULL && map.bytes.size > 0) {
        memcpy(copy, map.bytes.data, map.bytes.size);
    }
    io_unmap(&map);
    if (copy == NULL) {
        return arena_full(&run->arena, err);
    }
    *out = copy;
    return true;
}

static bool make_crs(struct run *run, struct text text, uint32_t source, bool is_authority_order,
                     struct err *err)
{
    if (run->crs_count == RUN_CRS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d coordinate systems", RUN_CRS_MAX);
    }
    const struct options *options = run->options;
    char *definition = arena_array(&run->arena, char, text.size + 1);
    if (definition == NULL) {
        return arena_full(&run->arena, err);
    }
    memcpy(definition, text.data, text.size);
    struct crs_request request = {
        .definition = definition,
        .vertical = options->vertical,
        .geoid = options->geoid,
        .height_offset_m = options->height_offset_m,
        .axis = options->axis,
        .order = is_authority_order ? CRS_ORDER_AUTHORITY : CRS_ORDER_XY,
        .allow_ballpark = options->allow_ballpark,
        .is_private = options->crs_file != NULL,
    };
    if (options->crs_file != NULL && !load_crs_file(run, &request.definition, err)) {
        return false;
    }
    struct run_crs *crs = &run->crs[run->crs_count];
    *crs = (struct run_crs){.text = {definition, text.size}, .source = source};
    if (!crs_plan_make(&request, &run->arena, &crs->plan, err)) {
        return false;
    }
    buf_init(&crs->sample, 1 << 20);
    run->crs_count++;
    return true;
}

/* Which of the run's coordinate systems a feature is in. */
static bool find_crs(struct reading *reading, const struct feature *feature, uint32_t *out,
                     struct err *err)
{
    struct run *run = reading->run;
    const struct source_info *info = source_info(reading->from);
    struct text text = feature->crs.size > 0 ? feature->crs : info->crs;
    if (run->options->crs != NULL) {
        text = text_of(run->options->crs);
    } else if (run->options->crs_file != NULL) {
        text = text_of(run->options->crs_file);
    }
    if (text.size == 0) {
        return err_set(err, ERR_CRS,
                       "it does not say which coordinate system it is in; name it with --crs, "
                       "for example --crs EPSG:4547");
    }
    for (uint32_t i = 0; i < run->crs_count; i++) {
        if (text_equals(run->crs[i].text, text)) {
            *out = i;
            return true;
        }
    }
    const bool is_gml = strstr(info->format, "GML") != NULL;
    if (!make_crs(run, text, reading->source, is_gml, err)) {
        return false;
    }
    *out = (uint32_t)run->crs_count - 1;
    return true;
}

static bool add_attributes(struct reading *reading, const struct feature_attribute *from,
                           size_t count, struct record_attribute *to, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        to[i].value = from[i].value;
        if (!dictionary_add(reading->run->dictionary, from[i].key, &from[i].value, &to[i].key,
                            err)) {
            return false;
        }
    }
    return true;
}

/* Points for the checks before the run: one of each of the first features. */
static void add_sample(struct run_crs *crs, const struct feature *feature)
{
    const size_t point_bytes = 3 * sizeof(double);
    crs->feature_count++;
    if (crs->sample.size < RUN_SAMPLE_POINTS * point_bytes) {
        buf_add(&crs->sample, feature->vertices, point_bytes);
    }
}

/* Writes the feature to the spool unless the very same was read before. */
static bool spool_feature(struct reading *reading, const struct feature *feature, uint32_t crs,
                          struct err *err)
{
    struct run *run = reading->run;
    const size_t count = feature->attribute_count + feature->inherited_count;
    struct record_attribute *attributes =
        arena_array(&reading->feature, struct record_attribute, count);
    if (attributes == NULL) {
        return arena_full(&reading->feature, err);
    }
    struct record record = {.feature = *feature, .crs = crs};
    record.feature.line = 0; /* identical means identical wherever it stands */
    if (!dictionary_add_class(run->dictionary, feature->kind, err) ||
        !add_attributes(reading, feature->attributes, feature->attribute_count, attributes, err) ||
        !add_attributes(reading, feature->inherited, feature->inherited_count,
                        attributes + feature->attribute_count, err)) {
        return false;
    }
    record.attributes = attributes;
    record.attribute_count = count;
    record.own_count = feature->attribute_count;
    buf_reset(&reading->record);
    record_write(&record, &reading->record);
    if (!buf_finish(&reading->record, err)) {
        return false;
    }
    enum id_table_answer answer;
    const uint64_t content = digest_short(buf_span(&reading->record));
    if (!id_table_add(run->ids, feature->id, content, reading->source, feature->line, &answer,
                      err)) {
        return false;
    }
    if (answer == ID_IDENTICAL) {
        run->counts.identical++;
        struct err said;
        err_set(&said, ERR_SCHEMA, "the same feature again, with the same content");
        err_at_line(&said, feature->line, 1);
        report_add(&run->report, REPORT_NOTICE, "identical-feature", &said);
        return true;
    }
    run->counts.conflicting += answer == ID_CONFLICT;
    for (size_t i = 0; run->images != NULL && i < feature->texture_count; i++) {
        if (!images_note(run->images, reading->source, run->sources[reading->source].path,
                         feature->textures[i].image, err)) {
            return false;
        }
    }
    record_stamp(&reading->record, reading->source, feature->line);
    uint64_t offset;
    if (!spool_append(run->features, buf_span(&reading->record), &offset, err)) {
        return false;
    }
    buf_add(&run->offsets, &offset, sizeof offset);
    add_sample(&run->crs[crs], feature);
    struct run_source *source = &run->sources[reading->source];
    if (source->feature_count++ == 0) {
        source->crs = crs;
    }
    run->counts.spooled++;
    return buf_finish(&run->offsets, err);
}

/* Leaves out what is finer than --lod; the coarsest level stays in any case. */
static void choose_level(const struct options *options, struct feature *feature)
{
    if (options->lod < 0) {
        return;
    }
    while (feature->lod_count > 1 &&
           feature->lods[feature->lod_count - 1].level >= options->lod + 1) {
        feature->lod_count--;
    }
    if (feature->lod_count > 0) {
        const struct feature_lod *finest = &feature->lods[feature->lod_count - 1];
        feature->polygon_count = (size_t)finest->first_polygon + finest->polygon_count;
    }
    if (feature->parts_level >= options->lod + 1) {
        feature->parts_level = options->lod;
    }
}

static bool take_feature(struct reading *reading, struct feature *feature, struct err *err)
{
    struct run *run = reading->run;
    choose_level(run->options, feature);
    run->counts.read++;
    if (!is_wanted(run->options, feature->kind)) {
        run->counts.excluded++;
        return true;
    }
    if (feature->lod_count == 0) {
        run->counts.without_shape++;
        return true;
    }
    if (feature->lods[feature->lod_count - 1].level < feature->parts_level) {
        run->counts.by_parts++;
        return true;
    }
    uint32_t crs;
    return find_crs(reading, feature, &crs, err) && spool_feature(reading, feature, crs, err);
}

/* A feature that could not be read: listed, or with --strict the end. */
static bool lose_feature(struct reading *reading, const struct err *lost, struct err *err)
{
    struct run *run = reading->run;
    run->counts.read++;
    if (run->options->is_strict) {
        *err = *lost;
        return false;
    }
    report_add_lost_feature(&run->report, "feature-unreadable", lost);
    return true;
}

static bool is_stopped(const struct run *run, struct err *err)
{
    return run->is_stopped != NULL && *run->is_stopped && !err_set(err, ERR_IO, "interrupted");
}

static bool read_features(struct reading *reading, uint64_t bytes_before, uint64_t bytes_total,
                          struct err *err)
{
    struct run *run = reading->run;
    const struct run_source *source = &run->sources[reading->source];
    const struct arena_mark empty = {0};
    for (uint64_t i = 0;; i++) {
        if (is_stopped(run, err)) {
            return false;
        }
        if (i % TELL_EVERY == 0 && run->tell != NULL) {
            const uint64_t total = source_info(reading->from)->bytes_total;
            const double share =
                total == 0 ? 1.0 : (double)source_bytes_done(reading->from) / (double)total;
            run->tell(run->teller, "ingest",
                      bytes_before + (uint64_t)(share * (double)source->bytes), bytes_total);
        }
        struct feature feature;
        bool is_end = false;
        struct err one;
        arena_reset(&reading->feature, empty);
        if (!source_next(reading->from, &reading->feature, &feature, &is_end, &one)) {
            err_in_source(&one, source->path);
            if (!source_can_continue(reading->from)) {
                *err = one;
                return false;
            }
            if (!lose_feature(reading, &one, err)) {
                return false;
            }
            continue;
        }
        if (is_end) {
            return true;
        }
        if (!take_feature(reading, &feature, err)) {
            char id[64];
            snprintf(id, sizeof id, "%.*s", TEXT_ARGS(feature.id));
            if (err->code != ERR_CRS) {
                err_in_feature(err, id);
            }
            err_in_source(err, source->path);
            return false;
        }
    }
}

static bool read_source(struct run *run, uint32_t index, uint64_t bytes_before,
                        uint64_t bytes_total, const char *temporary_folder, struct err *err)
{
    const struct source_options options = {
        .temporary_folder = temporary_folder,
        .encoding = run->options->encoding,
        .theme = run->options->theme,
    };
    struct reading reading = {.run = run, .source = index};
    if (!source_open(run->sources[index].path, &options, &run->report, &reading.from, err)) {
        err_in_source(err, run->sources[index].path);
        return false;
    }
    arena_init(&reading.feature, OPTIONS_WORKER_BYTES);
    buf_init(&reading.record, OPTIONS_WORKER_BYTES);
    const bool ok = read_features(&reading, bytes_before, bytes_total, err);
    arena_release(&reading.feature);
    buf_release(&reading.record);
    source_close(reading.from);
    return ok;
}

/* One file of a folder that no reader knows is not the end of the run. */
static bool forgive_source(struct run *run, uint32_t index, const struct err *what, struct err *err)
{
    const struct run_source *source = &run->sources[index];
    const bool is_stray = what->code == ERR_UNSUPPORTED && source->is_from_folder;
    if (is_stray && source->feature_count == 0 && !run->options->is_strict) {
        report_add(&run->report, REPORT_NOTICE, "file-not-a-city-model", what);
        return true;
    }
    *err = *what;
    return false;
}

static bool check_samples(struct run *run, struct err *err)
{
    for (size_t i = 0; i < run->crs_count; i++) {
        struct run_crs *crs = &run->crs[i];
        const double *points = (const double *)(const void *)crs->sample.data;
        const size_t count = crs->sample.size / (3 * sizeof(double));
        if (!crs_check_sample(&crs->plan, points, count, &run->arena, &crs->check, err)) {
            err_in_source(err, run->sources[crs->source].path);
            return false;
        }
        for (size_t n = 0; n < crs->plan.notice_count; n++) {
            struct err said;
            err_set(&said, ERR_CRS, "%s", crs->plan.notices[n]);
            report_add(&run->report, REPORT_NOTICE, "coordinates", &said);
        }
        if (crs->check.notice != NULL) {
            struct err said;
            err_set(&said, ERR_CRS, "%s", crs->check.notice);
            report_add(&run->report, REPORT_NOTICE, "coordinates-doubtful", &said);
        }
        buf_release(&crs->sample);
    }
    return true;
}

/* A name that nothing has is a mistake worth a word, not worth stopping. */
static void check_far_names(struct run *run)
{
    for (size_t i = 0; i < run->options->property_count; i++) {
        const char *name = run->options->properties[i];
        bool is_known = false;
        for (size_t p = 0; p < run->schema.property_count && !is_known; p++) {
            is_known = text_is(run->schema.properties[p].name, name) ||
                       text_is(run->schema.properties[p].id, name);
        }
        if (!is_known) {
            struct err said;
            err_set(&said, ERR_SCHEMA, "--properties: no feature has an attribute '%.80s'", name);
            report_add(&run->report, REPORT_NOTICE, "no-such-attribute", &said);
        }
    }
}

/* What the attributes that were read make of the schema. */
static bool learn_schema(struct run *run, struct err *err)
{
    const struct options *options = run->options;
    if (options->properties != NULL) {
        dictionary_keep_far(run->dictionary, options->properties, options->property_count);
    }
    if (!dictionary_schema(run->dictionary, run->counts.spooled, &run->arena, &run->schema,
                           &run->property_of_key, err)) {
        return false;
    }
    check_far_names(run);
    return true;
}

bool ingest_run(struct run *run, struct err *err)
{
    uint64_t bytes_total = 0;
    for (size_t i = 0; i < run->source_count; i++) {
        bytes_total += run->sources[i].bytes;
    }
    uint64_t bytes_before = 0;
    for (uint32_t i = 0; i < run->source_count; i++) {
        struct err what;
        if (!read_source(run, i, bytes_before, bytes_total, run->temporary_folder, &what) &&
            !forgive_source(run, i, &what, err)) {
            return false;
        }
        bytes_before += run->sources[i].bytes;
    }
    if (run->counts.spooled == 0) {
        if (run->report.feature_skipped_count > 0) {
            *err = run->report.kept[0];
            return false;
        }
        return err_set(err, ERR_SCHEMA,
                       "nothing to show: %llu objects read, %llu of other classes, %llu without "
                       "geometry",
                       (unsigned long long)run->counts.read,
                       (unsigned long long)run->counts.excluded,
                       (unsigned long long)run->counts.without_shape);
    }
    return spool_flush(run->features, err) && check_samples(run, err) && learn_schema(run, err);
}
