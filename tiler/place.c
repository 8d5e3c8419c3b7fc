/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/place.h"

#include <stdlib.h>

#include "formats/base/earth.h"
#include "tiler/frame.h"
#include "tiler/id_table.h"
#include "tiler/jobs.h"
#include "tiler/piece.h"
#include "tiler/shade.h"
#include "tiler/record.h"

/* A lowest feature that is no lower than this below the hundredth is believed. */
static const float GROUND_NEAR_M = 10;

enum { BATCH = 64, ATTRIBUTE_BYTES = 8 };

/* A worker's own coordinate operations, opened when first needed. */
struct placer {
    struct crs crs[RUN_CRS_MAX];
    bool is_open[RUN_CRS_MAX];
};

/* What a job hands on: entries, whose offsets count from the first record, each
 * followed by its record's size; then the records. */
struct batch_head {
    uint64_t count;
};

struct batch_entry {
    struct run_entry entry;
    uint64_t record_size;
};

static bool open_placer(void *shared, void **out, struct err *err)
{
    (void)shared;
    struct buf self;
    buf_init(&self, sizeof(struct placer));
    *out = buf_extend(&self, sizeof(struct placer));
    return buf_finish(&self, err);
}

static void close_placer(void *state)
{
    struct placer *placer = state;
    if (placer == NULL) {
        return;
    }
    for (size_t i = 0; i < RUN_CRS_MAX; i++) {
        if (placer->is_open[i]) {
            crs_close(&placer->crs[i]);
        }
    }
    struct buf self = {.data = state};
    buf_release(&self);
}

static bool find_operation(struct placer *placer, const struct run *run, uint32_t index,
                           struct crs **out, struct err *err)
{
    if (!placer->is_open[index]) {
        if (!crs_open(&placer->crs[index], &run->crs[index].plan, err)) {
            return false;
        }
        placer->is_open[index] = true;
    }
    *out = &placer->crs[index];
    return true;
}

static struct box3 box_of(const double *xyz, size_t count)
{
    struct box3 box = box3_empty();
    for (size_t i = 0; i < count; i++) {
        box3_add(&box, (struct vec3){xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]});
    }
    return box;
}

/* Earth-centred vertices into the frame at the middle of their box. */
static struct box3 move_to_own_frame(double *xyz, size_t count, struct vec3 *out_origin)
{
    const struct vec3 origin = box3_center(box_of(xyz, count));
    const struct mat4 inverse = earth_enu_frame_inverse(origin);
    struct box3 box = box3_empty();
    for (size_t i = 0; i < count; i++) {
        const struct vec3 ecef = {xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]};
        /* Subtract first: the rotation then works on small numbers. */
        const struct vec3 local = mat4_direction(inverse, vec3_sub(ecef, origin));
        xyz[3 * i] = local.x;
        xyz[3 * i + 1] = local.y;
        xyz[3 * i + 2] = local.z;
        box3_add(&box, local);
    }
    *out_origin = origin;
    return box;
}

/* What the finest level will cost in a tile, with its attributes. */
static bool estimate_bytes(const struct run *run, const struct record *record, struct arena *tile,
                           uint32_t *out, struct err *err)
{
    const struct feature *feature = &record->feature;
    const struct feature_lod *lod = &feature->lods[feature->lod_count - 1];
    uint64_t triangles = 0;
    for (uint32_t i = 0; i < lod->polygon_count; i++) {
        const struct feature_polygon *polygon = &feature->polygons[lod->first_polygon + i];
        /* n corners in r rings: n + 2 r - 4 triangles. */
        uint64_t corners = 0;
        for (uint32_t r = 0; r < polygon->ring_count; r++) {
            corners += (uint64_t)feature->rings[polygon->first_ring + r].corner_count + 2;
        }
        triangles += corners > 4 ? corners - 4 : 0;
    }
    uint64_t bytes = feature->id.size + feature->parent_id.size + feature->name.size;
    for (size_t i = 0; i < record->attribute_count; i++) {
        const struct feature_value *value = &record->attributes[i].value;
        const bool is_text = value->type == FEATURE_TEXT || value->type == FEATURE_JSON;
        bytes += is_text ? value->text.size + 4 : ATTRIBUTE_BYTES;
    }
    const uint32_t most = 1u << 28;
    bytes +=
        piece_estimate_bytes((uint32_t)(triangles < most ? triangles : most), lod->polygon_count);
    double texels;
    if (!shade_count_texels(record, run->images, run->sources[record->source].path, tile, &texels,
                            err)) {
        return false;
    }
    bytes += piece_image_bytes(texels);
    *out = (uint32_t)(bytes < UINT32_MAX ? bytes : UINT32_MAX);
    return true;
}

/* Features of different content with one id: each is called by its source, too,
 * by its line where two are in one, and on one line by what is in it. */
static bool qualify_id(const struct run *run, struct span bytes, struct record *record,
                       struct arena *tile, struct err *err)
{
    struct feature *feature = &record->feature;
    const enum id_table_sharing sharing = id_table_sharing(run->ids, feature->id);
    if (sharing == ID_SINGLE) {
        return true;
    }
    const struct text source = run->sources[record->source].name;
    const size_t room = source.size + feature->id.size + 32;
    char *id = arena_array(tile, char, room);
    if (id == NULL) {
        return arena_full(tile, err);
    }
    int size = snprintf(id, room, "%.*s", TEXT_ARGS(source));
    if (sharing >= ID_IN_SOURCE) {
        size += snprintf(id + size, room - (size_t)size, ":%u", feature->line);
    }
    if (sharing == ID_ON_LINE) {
        size += snprintf(id + size, room - (size_t)size, ".%08x", (uint32_t)digest_short(bytes));
    }
    size += snprintf(id + size, room - (size_t)size, "/%.*s", TEXT_ARGS(feature->id));
    feature->id = (struct text){id, (size_t)size};
    return true;
}

/* Heights as the source has them, in metres: what a water level in its datum is
 * held against. Earth-centred and ellipsoidal sources have none of their own. */
static void note_local_heights(const struct crs_plan *plan, const struct run *run,
                               const double *source, size_t count, double base_m, double top_m,
                               struct record *record)
{
    record->base_local_m = base_m;
    record->top_local_m = top_m;
    if (plan->is_geocentric || plan->is_height_ellipsoidal || count == 0) {
        return;
    }
    double low = (double)INFINITY;
    double high = -(double)INFINITY;
    for (size_t i = 0; i < count; i++) {
        const double height_m = source[3 * i + 2] * plan->height_unit_m;
        low = fmin(low, height_m);
        high = fmax(high, height_m);
    }
    record->base_local_m = low + run->options->height_offset_m;
    record->top_local_m = high + run->options->height_offset_m;
}

static bool place_record(struct placer *placer, const struct run *run, struct record *record,
                         struct arena *tile, struct run_entry *out, struct err *err)
{
    struct feature *feature = &record->feature;
    struct crs *operation;
    if (!find_operation(placer, run, record->crs, &operation, err)) {
        return false;
    }
    double *xyz = arena_array(tile, double, 3 * feature->vertex_count);
    if (xyz == NULL) {
        return arena_full(tile, err);
    }
    memcpy(xyz, feature->vertices, 3 * feature->vertex_count * sizeof xyz[0]);
    if (!crs_to_ecef(operation, xyz, feature->vertex_count, err)) {
        return false;
    }
    const struct box3 box = move_to_own_frame(xyz, feature->vertex_count, &record->origin_ecef_m);
    if (vec3_length(record->origin_ecef_m) < 1e6) {
        return err_set(err, ERR_CRS, "it lies deep inside the Earth");
    }
    const struct earth_point origin = earth_from_ecef(record->origin_ecef_m);
    note_local_heights(operation->plan, run, feature->vertices, feature->vertex_count,
                       origin.height_m + box.min.z, origin.height_m + box.max.z, record);
    feature->vertices = xyz;
    const double extent = fmax(box.max.x - box.min.x, box.max.y - box.min.y);
    const struct span id = {(const uint8_t *)feature->id.data, feature->id.size};
    uint32_t bytes;
    if (!estimate_bytes(run, record, tile, &bytes, err)) {
        return false;
    }
    *out = (struct run_entry){
        .key = lattice_key(record->origin_ecef_m),
        .id_hash = digest_short(id),
        .bytes = bytes,
        .base_m = (float)(origin.height_m + box.min.z),
        .height_m = (float)(box.max.z - box.min.z),
        .level_max = lattice_level_for(extent),
    };
    return true;
}

static void report_conflict(struct run *run, const struct record *record)
{
    if (id_table_sharing(run->ids, record->feature.id) != ID_SINGLE) {
        struct err said;
        err_set(&said, ERR_SCHEMA,
                "this id stands for features of different content; each is "
                "now called by its source too");
        char id[64];
        snprintf(id, sizeof id, "%.*s", TEXT_ARGS(record->feature.id));
        err_in_feature(&said, id);
        err_in_source(&said, run->sources[record->source].path);
        err_at_line(&said, record->feature.line, 1);
        report_add(&run->report, REPORT_REPAIRED, "id-not-unique", &said);
    }
}

/* A feature without a place is listed; with --strict it is the end. */
static bool lose_feature(struct run *run, const struct record *record, struct err *lost,
                         struct err *err)
{
    char id[64];
    snprintf(id, sizeof id, "%.*s", TEXT_ARGS(record->feature.id));
    err_in_feature(lost, id);
    err_in_source(lost, run->sources[record->source].path);
    err_at_line(lost, record->feature.line, 1);
    if (run->options->is_strict || lost->code == ERR_NOMEM) {
        *err = *lost;
        return false;
    }
    report_add_lost_feature(&run->report, "feature-not-placed", lost);
    return true;
}

static bool place_one(struct jobs_worker *worker, struct run *run, uint64_t offset,
                      struct batch_entry *out, bool *out_is_placed, struct err *err)
{
    struct span bytes;
    struct record record;
    struct err lost;
    if (!spool_read(run->features, offset, &worker->tile, &bytes, err) ||
        !record_read(bytes, &worker->tile, &record, err)) {
        return false;
    }
    report_conflict(run, &record);
    if (!qualify_id(run, bytes, &record, &worker->tile, err)) {
        return false;
    }
    if (!frame_record(&record, run->images, run->sources[record.source].path, &worker->tile, err)) {
        return false;
    }
    *out_is_placed = place_record(worker->state, run, &record, &worker->tile, &out->entry, &lost);
    if (!*out_is_placed) {
        return lose_feature(run, &record, &lost, err);
    }
    const size_t before = worker->output.size;
    record_write(&record, &worker->output);
    out->record_size = worker->output.size - before;
    return true;
}

static bool place_batch(struct jobs_worker *worker, void *shared, size_t job, struct err *err)
{
    struct run *run = shared;
    const uint64_t *offsets = (const uint64_t *)(const void *)run->offsets.data;
    const size_t count = run->offsets.size / sizeof offsets[0];
    const size_t first = job * BATCH;
    const size_t last = first + BATCH < count ? first + BATCH : count;
    struct batch_entry entries[BATCH];
    uint64_t placed_count = 0;
    const size_t table_bytes = sizeof(struct batch_head) + sizeof entries;
    buf_extend(&worker->output, table_bytes);
    for (size_t i = first; i < last; i++) {
        const struct arena_mark mark = arena_mark(&worker->tile);
        bool is_placed = false;
        if (!place_one(worker, run, offsets[i], &entries[placed_count], &is_placed, err)) {
            return false;
        }
        placed_count += is_placed;
        arena_reset(&worker->tile, mark);
    }
    if (!buf_finish(&worker->output, err)) {
        return false;
    }
    const struct batch_head head = {placed_count};
    memcpy(worker->output.data, &head, sizeof head);
    memcpy(worker->output.data + sizeof head, entries, placed_count * sizeof entries[0]);
    return true;
}

static bool take_batch(struct span output, void *shared, size_t job, struct err *err)
{
    struct run *run = shared;
    struct batch_head head;
    struct batch_entry entry;
    memcpy(&head, output.data, sizeof head);
    size_t at = sizeof head + BATCH * sizeof entry;
    for (uint64_t i = 0; i < head.count; i++) {
        memcpy(&entry, output.data + sizeof head + i * sizeof entry, sizeof entry);
        const struct span record = {output.data + at, (size_t)entry.record_size};
        if (!spool_append(run->placed, record, &entry.entry.offset, err)) {
            return false;
        }
        buf_add(&run->entries, &entry.entry, sizeof entry.entry);
        at += record.size;
    }
    if (run->tell != NULL) {
        run->tell(run->teller, "place", job * BATCH, run->offsets.size / sizeof(uint64_t));
    }
    return buf_finish(&run->entries, err);
}

static int compare_floats(const void *a, const void *b)
{
    const float left = *(const float *)a;
    const float right = *(const float *)b;
    return (left > right) - (left < right);
}

/*
 * The height at which a viewer should draw its ground: one feature in a hundred
 * stands lower. Not the lowest, which may be a basement or an error; not the
 * middle, which would hide a city's lower half.
 */
static bool measure_ground(struct run *run, struct err *err)
{
    const size_t count = run_entry_count(run);
    const struct arena_mark mark = arena_mark(&run->arena);
    float *bases = arena_array(&run->arena, float, count);
    if (bases == NULL) {
        return arena_full(&run->arena, err);
    }
    for (size_t i = 0; i < count; i++) {
        bases[i] = run_entries(run)[i].base_m;
    }
    qsort(bases, count, sizeof bases[0], compare_floats);
    /* Unless the very lowest is near: a town on a slope or by the sea. */
    const bool is_near = bases[count / 100] - bases[0] < GROUND_NEAR_M;
    run->ground_m = (double)(is_near ? bases[0] : bases[count / 100]);
    arena_reset(&run->arena, mark);
    return true;
}

bool place_run(struct run *run, struct err *err)
{
    const size_t count = run->offsets.size / sizeof(uint64_t);
    const struct jobs jobs = {
        .thread_count = run->options->thread_count,
        .job_count = (count + BATCH - 1) / BATCH,
        .worker_limit_bytes = OPTIONS_WORKER_BYTES,
        .is_stopped = run->is_stopped,
        .run = run,
        .open_worker = open_placer,
        .close_worker = close_placer,
        .work = place_batch,
        .emit = take_batch,
    };
    if (!jobs_run(&jobs, err)) {
        return false;
    }
    run->counts.placed = run_entry_count(run);
    if (run->counts.placed == 0) {
        *err = run->report.kept[0];
        return false;
    }
    return spool_flush(run->placed, err) && measure_ground(run, err);
}
