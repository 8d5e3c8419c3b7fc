/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/index_fill.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "formats/base/earth.h"
#include "tiler/group.h"
#include "tiler/index_entry.h"
#include "tiler/jobs.h"
#include "tiler/lattice.h"
#include "tiler/names.h"
#include "tiler/storeys.h"

enum { BATCH = 32 };

/* A system that no registry knows needs a number of its own in the layer. */
enum { PRIVATE_CRS_CODE = 100001, WGS84_CODE = 4326 };

static const char wgs84_wkt[] =
    "GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",SPHEROID[\"WGS 84\",6378137,298.257223563]],"
    "PRIMEM[\"Greenwich\",0],UNIT[\"degree\",0.0174532925199433]]";

struct filling {
    struct run *run;
    struct index_entry_means means;
    const struct crs_plan *layer_plan; /* NULL: longitude, latitude */
    struct buf order;                  /* struct feature_index_key: entries along the curve */
    uint32_t count;
    uint32_t *tile_of_entry;
    struct feature_index_writer *index;
    struct geopackage_writer *attributes;
    struct arena reading; /* for one batch on its way to the writers */
};

/* ---- the order ---- */

/* The lattice numbers cells along a Z; the same coordinates along a Hilbert
 * curve keep neighbours closer. */
static uint64_t curve_key(uint64_t key)
{
    uint32_t x = 0;
    uint32_t y = 0;
    for (int bit = LATTICE_LEVEL_MAX - 1; bit >= 0; bit--) {
        x = x << 1 | (uint32_t)(key >> (2 * bit) & 1);
        y = y << 1 | (uint32_t)(key >> (2 * bit + 1) & 1);
    }
    const uint64_t face = key >> (2 * LATTICE_LEVEL_MAX);
    return face << (2 * LATTICE_LEVEL_MAX) | feature_index_curve(x, y, LATTICE_LEVEL_MAX);
}

static bool sort_entries(struct filling *f, struct err *err)
{
    const struct run *run = f->run;
    const size_t count = run_entry_count(run);
    struct buf scratch;
    buf_init(&scratch, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++) {
        const struct run_entry *entry = &run_entries(run)[i];
        if (entry->offset != RUN_LOST) {
            const struct feature_index_key key = {curve_key(entry->key), (uint32_t)i};
            buf_add(&f->order, &key, sizeof key);
        }
    }
    buf_extend(&scratch, f->order.size);
    const bool ok = buf_finish(&f->order, err) && buf_finish(&scratch, err);
    if (ok) {
        f->count = (uint32_t)(f->order.size / sizeof(struct feature_index_key));
        feature_index_sort((struct feature_index_key *)(void *)f->order.data,
                           (struct feature_index_key *)(void *)scratch.data, f->count);
    }
    buf_release(&scratch);
    return ok;
}

static struct earth_point middle_of(const struct run_entry *entry)
{
    const struct lattice_cell cell = {entry->key, LATTICE_LEVEL_MAX};
    return earth_from_ecef(lattice_center_ecef(cell));
}

/* Around the features' middles, on whichever side of the antimeridian. */
static void choose_frame(struct filling *f)
{
    const struct run *run = f->run;
    const size_t count = run_entry_count(run);
    double east = 0;
    double north = 0;
    for (size_t i = 0; i < count; i++) {
        const struct earth_point at = middle_of(&run_entries(run)[i]);
        east += cos(at.longitude_rad);
        north += sin(at.longitude_rad);
    }
    const double middle = atan2(north, east);
    double low_lon = 0;
    double high_lon = 0;
    double low_lat = EARTH_PI;
    double high_lat = -EARTH_PI;
    for (size_t i = 0; i < count; i++) {
        const struct earth_point at = middle_of(&run_entries(run)[i]);
        const double away = remainder(at.longitude_rad - middle, 2 * EARTH_PI);
        low_lon = fmin(low_lon, away);
        high_lon = fmax(high_lon, away);
        low_lat = fmin(low_lat, at.latitude_rad);
        high_lat = fmax(high_lat, at.latitude_rad);
    }
    const double west = (middle + low_lon) / EARTH_RAD_PER_DEG;
    f->means.frame = feature_index_frame(west, low_lat / EARTH_RAD_PER_DEG,
                                         west + (high_lon - low_lon) / EARTH_RAD_PER_DEG,
                                         high_lat / EARTH_RAD_PER_DEG, round(run->ground_m));
}

/* ---- attributes ---- */

static enum geopackage_type type_of(const struct property *property,
                                    const struct dictionary_key *key)
{
    switch (property->type) {
    case PROPERTY_BOOL:
    case PROPERTY_TRISTATE:
        return GEOPACKAGE_BOOL;
    case PROPERTY_INT32:
    case PROPERTY_INT64:
        return GEOPACKAGE_INT;
    case PROPERTY_FLOAT64:
        /* In tiles, whole numbers too large for JavaScript's are doubles. */
        return key->has_real ? GEOPACKAGE_REAL : GEOPACKAGE_INT;
    case PROPERTY_STRING:
    case PROPERTY_ENUM:
        break;
    }
    return GEOPACKAGE_TEXT;
}

static bool list_columns(struct filling *f, struct err *err)
{
    struct run *run = f->run;
    struct arena *memory = &run->arena;
    const size_t key_count = dictionary_count(run->dictionary);
    const size_t property_count = run->schema.property_count;
    struct geopackage_new_column *columns =
        arena_array(memory, struct geopackage_new_column, property_count);
    uint32_t *column_of_key = arena_array(memory, uint32_t, key_count);
    struct text *names = arena_array(memory, struct text, key_count);
    uint8_t *roles = arena_array(memory, uint8_t, key_count);
    uint8_t *names_roles = arena_array(memory, uint8_t, key_count);
    if (columns == NULL || column_of_key == NULL || names == NULL || roles == NULL ||
        names_roles == NULL) {
        return arena_full(memory, err);
    }
    f->means.name_key = f->means.height_key = UINT32_MAX;
    for (uint32_t k = 0; k < key_count; k++) {
        const struct dictionary_key *key = dictionary_key(run->dictionary, k);
        const uint32_t property = run->property_of_key[k];
        names[k] = key->name;
        roles[k] = (uint8_t)storeys_role_of(key->name);
        names_roles[k] = (uint8_t)names_role_of(key->name);
        column_of_key[k] = UINT32_MAX;
        if (property == BUILTIN_NAME) {
            f->means.name_key = k;
        } else if (property == BUILTIN_HEIGHT) {
            f->means.height_key = k;
        } else if (property != UINT32_MAX && property >= BUILTIN_COUNT) {
            const uint32_t column = property - BUILTIN_COUNT;
            columns[column] = (struct geopackage_new_column){
                key->name, type_of(&run->schema.properties[property], key)};
            column_of_key[k] = column;
        }
    }
    f->means.columns = columns;
    f->means.column_count = property_count - BUILTIN_COUNT;
    f->means.column_of_key = column_of_key;
    f->means.names_of_keys = names;
    f->means.storeys_roles = roles;
    f->means.names_roles = names_roles;
    return true;
}

/* The system that most features have, if a layer can be in it. */
static const struct run_crs *main_crs(const struct run *run, bool needs_wkt)
{
    const struct run_crs *most = NULL;
    for (size_t i = 0; i < run->crs_count; i++) {
        const struct run_crs *crs = &run->crs[i];
        if ((!needs_wkt || crs->plan.wkt != NULL) &&
            (most == NULL || crs->feature_count > most->feature_count)) {
            most = crs;
        }
    }
    return most;
}

static struct geopackage_layer layer_of(struct filling *f)
{
    const struct run_crs *crs = main_crs(f->run, true);
    struct geopackage_layer layer = {
        .crs_organization = "EPSG",
        .crs_code = WGS84_CODE,
        .crs_name = "WGS 84",
        .crs_wkt = wgs84_wkt,
        .columns = f->means.columns,
        .column_count = f->means.column_count,
    };
    if (crs == NULL) {
        return layer;
    }
    const struct crs_plan *plan = &crs->plan;
    const char *code = plan->horizontal_code != NULL ? plan->horizontal_code : plan->code;
    const bool is_registered =
        plan->authority != NULL && code != NULL && !plan->is_private && strtol(code, NULL, 10) > 0;
    f->layer_plan = plan;
    layer.crs_organization = is_registered ? plan->authority : "NONE";
    layer.crs_code = is_registered ? (int32_t)strtol(code, NULL, 10) : PRIVATE_CRS_CODE;
    layer.crs_name = plan->name;
    layer.crs_wkt = plan->wkt;
    return layer;
}

/* ---- opening ---- */

static bool open_index(struct filling *f, struct err *err)
{
    const struct run *run = f->run;
    const struct run_crs *crs = main_crs(run, false);
    char path[PATH_MAX];
    const bool is_ellipsoidal =
        crs == NULL || crs->plan.is_geocentric || crs->plan.is_height_ellipsoidal;
    const struct feature_index_head head = {
        .frame = f->means.frame,
        .count = f->count,
        .datum = text_of(is_ellipsoidal ? "ellipsoidal height" : crs->plan.vertical_name),
        .ground_m = run->ground_m,
    };
    if (!publish_path(run->publish, FEATURE_INDEX_NAME, path, sizeof path, err) ||
        !feature_index_writer_open(path, run->temporary_folder, &head, &f->index, err)) {
        return false;
    }
    for (size_t i = 0; i < run_node_count(run); i++) {
        const struct run_node *node = &run_nodes(run)[i];
        const uint32_t above = node->parent == RUN_NO_NODE ? FEATURE_INDEX_NONE : node->parent;
        if (!feature_index_writer_tile(f->index, text_of(node->content), above, err)) {
            return false;
        }
    }
    return true;
}

static bool open_attributes(struct filling *f, struct err *err)
{
    const struct geopackage_layer layer = layer_of(f);
    char path[PATH_MAX];
    return publish_path(f->run->publish, GEOPACKAGE_NAME, path, sizeof path, err) &&
           geopackage_writer_open(path, &layer, &f->attributes, err);
}

static bool find_tiles(struct filling *f, struct err *err)
{
    struct run *run = f->run;
    f->tile_of_entry = arena_array(&run->arena, uint32_t, run_entry_count(run));
    if (f->tile_of_entry == NULL) {
        return arena_full(&run->arena, err);
    }
    /* Parents come after their children: of the tiles that share one feature
     * between them, the one that stands for all of it is the last. */
    for (uint32_t i = 0; i < run_node_count(run); i++) {
        const struct run_node *node = &run_nodes(run)[i];
        const uint32_t count = node->is_part ? 1 : node->is_leaf ? node->entry_count : 0;
        for (uint32_t e = 0; e < count; e++) {
            f->tile_of_entry[node->first_entry + e] = i;
        }
    }
    return true;
}

/* ---- features ---- */

struct filler {
    struct crs crs;
    bool is_open;
};

static bool open_filler(void *shared, void **out, struct err *err)
{
    const struct filling *f = shared;
    struct buf self;
    buf_init(&self, sizeof(struct filler));
    struct filler *filler = (struct filler *)(void *)buf_extend(&self, sizeof(struct filler));
    if (!buf_finish(&self, err)) {
        return false;
    }
    *out = filler;
    if (f->layer_plan != NULL) {
        if (!crs_open(&filler->crs, f->layer_plan, err)) {
            return false;
        }
        filler->is_open = true;
    }
    return true;
}

static void close_filler(void *state)
{
    struct filler *filler = state;
    if (filler != NULL) {
        if (filler->is_open) {
            crs_close(&filler->crs);
        }
        struct buf self = {.data = state};
        buf_release(&self);
    }
}

static const struct feature_index_key *key_at(const struct filling *f, size_t row)
{
    return (const struct feature_index_key *)(const void *)f->order.data + row;
}

/* Sizes of the entries of a batch, then the entries. */
static bool fill_batch(struct jobs_worker *worker, void *shared, size_t job, struct err *err)
{
    const struct filling *f = shared;
    struct filler *filler = worker->state;
    const size_t first = job * BATCH;
    const size_t last = first + BATCH < f->count ? first + BATCH : f->count;
    uint64_t sizes[BATCH] = {0};
    buf_extend(&worker->output, sizeof sizes);
    for (size_t row = first; row < last; row++) {
        const struct arena_mark mark = arena_mark(&worker->tile);
        const struct run_entry *entry = &run_entries(f->run)[key_at(f, row)->item];
        const size_t before = worker->output.size;
        struct span bytes;
        struct record record;
        if (!spool_read(f->run->placed, entry->offset, &worker->tile, &bytes, err) ||
            !record_read(bytes, &worker->tile, &record, err)) {
            return false;
        }
        if (!index_entry_write(&record, &f->means, filler->is_open ? &filler->crs : NULL,
                               &worker->tile, &worker->scratch, &worker->output, err)) {
            char id[64];
            snprintf(id, sizeof id, "%.*s", TEXT_ARGS(record.feature.id));
            err_in_feature(err, id);
            err_in_source(err, f->run->sources[record.source].path);
            return false;
        }
        sizes[row - first] = worker->output.size - before;
        arena_reset(&worker->tile, mark);
    }
    memcpy(worker->output.data, sizes, sizeof sizes);
    return true;
}

static bool take_batch(struct span output, void *shared, size_t job, struct err *err)
{
    struct filling *f = shared;
    const struct arena_mark mark = arena_mark(&f->reading);
    uint64_t sizes[BATCH];
    size_t at = sizeof sizes;
    memcpy(sizes, output.data, sizeof sizes);
    for (size_t i = 0; i < BATCH && sizes[i] > 0; i++) {
        struct index_entry entry;
        const struct span bytes = {output.data + at, (size_t)sizes[i]};
        if (!index_entry_read(bytes, &f->means, &f->reading, &entry, err)) {
            return false;
        }
        entry.index.tile = f->tile_of_entry[key_at(f, job * BATCH + i)->item];
        if (!feature_index_writer_add(f->index, &entry.index, err) ||
            !geopackage_writer_add(f->attributes, &entry.attributes, err)) {
            return false;
        }
        at += sizes[i];
        arena_reset(&f->reading, mark);
    }
    if (f->run->tell != NULL) {
        f->run->tell(f->run->teller, "index", job * BATCH, f->count);
    }
    return true;
}

static bool fill(struct filling *f, struct err *err)
{
    const struct jobs jobs = {
        .thread_count = f->run->options->thread_count,
        .job_count = (f->count + BATCH - 1) / BATCH,
        .worker_limit_bytes = OPTIONS_WORKER_BYTES,
        .is_stopped = f->run->is_stopped,
        .run = f,
        .open_worker = open_filler,
        .close_worker = close_filler,
        .work = fill_batch,
        .emit = take_batch,
    };
    return jobs_run(&jobs, err);
}

/* ---- groups ---- */

static bool add_groups_of(struct filling *f, const struct run_node *node, struct err *err)
{
    struct span bytes;
    if (!spool_read(f->run->groups, node->groups_offset, &f->reading, &bytes, err)) {
        return false;
    }
    for (size_t at = 0; at < bytes.size;) {
        struct group group;
        if (!group_read(bytes, &at, &f->reading, &group, err)) {
            return false;
        }
        for (size_t i = 0; i < group.member_count; i++) {
            if (!feature_index_writer_member(f->index, group.id, group.members[i].id,
                                             group.members[i].is_group, err)) {
                return false;
            }
        }
    }
    return true;
}

static bool add_groups(struct filling *f, struct err *err)
{
    for (size_t i = 0; i < run_node_count(f->run); i++) {
        const struct run_node *node = &run_nodes(f->run)[i];
        const struct arena_mark mark = arena_mark(&f->reading);
        if (node->groups_bytes > 0 && !add_groups_of(f, node, err)) {
            return false;
        }
        arena_reset(&f->reading, mark);
    }
    return true;
}

/* ---- the stage ---- */

static bool run_filling(struct filling *f, struct err *err)
{
    if (!sort_entries(f, err)) {
        return false;
    }
    if (f->count == 0) {
        return true; /* publish says so */
    }
    choose_frame(f);
    return list_columns(f, err) && find_tiles(f, err) && open_index(f, err) &&
           open_attributes(f, err) && fill(f, err) && add_groups(f, err) &&
           feature_index_writer_finish(f->index, err) &&
           geopackage_writer_finish(f->attributes, err);
}

bool index_fill_run(struct run *run, struct err *err)
{
    struct filling f = {.run = run};
    buf_init(&f.order, SIZE_MAX / 2);
    arena_init(&f.reading, OPTIONS_WORKER_BYTES);
    const bool ok = run_filling(&f, err);
    feature_index_writer_close(f.index);
    geopackage_writer_close(f.attributes);
    buf_release(&f.order);
    arena_release(&f.reading);
    return ok && (f.count == 0 || (publish_adopt_file(run->publish, FEATURE_INDEX_NAME, err) &&
                                   publish_adopt_file(run->publish, GEOPACKAGE_NAME, err)));
}
