/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/pipeline.h"

#include <time.h>
#include <unistd.h>

#include "tiler/build.h"
#include "tiler/id_table.h"
#include "tiler/index_fill.h"
#include "tiler/ingest.h"
#include "tiler/inputs.h"
#include "tiler/manifest_fill.h"
#include "tiler/partition.h"
#include "tiler/place.h"
#include "tiler/split.h"
#include "tiler/tree_write.h"

static double now_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* The folder that the output is in: it has room for the package, so it is the
 * one most likely to have room for the spools. */
static bool choose_temporary_folder(struct run *run, struct err *err)
{
    const char *output = run->options->output;
    run->temporary_folder = run->options->temporary_folder;
    if (run->temporary_folder != NULL) {
        return true;
    }
    size_t size = strlen(output);
    while (size > 1 && output[size - 1] == '/') {
        size--;
    }
    while (size > 0 && output[size - 1] != '/') {
        size--;
    }
    char *folder = arena_array(&run->arena, char, size + 3);
    if (folder == NULL) {
        return arena_full(&run->arena, err);
    }
    snprintf(folder, size + 3, "%.*s.", (int)size, output);
    run->temporary_folder = folder;
    return true;
}

static bool open_run(struct run *run, struct err *err)
{
    if (!choose_temporary_folder(run, err)) {
        return false;
    }
    const char *folder = run->temporary_folder;
    run->crs = arena_array(&run->arena, struct run_crs, RUN_CRS_MAX);
    if (run->crs == NULL) {
        return arena_full(&run->arena, err);
    }
    if (!run->options->has_no_textures &&
        !images_open(OPTIONS_IMAGE_BYTES, &run->report, &run->images, err)) {
        return false;
    }
    return dictionary_open(&run->arena, &run->dictionary, err) && id_table_open(&run->ids, err) &&
           spool_open(folder, "spool of features", &run->arena, &run->features, err) &&
           spool_open(folder, "spool of placed features", &run->arena, &run->placed, err) &&
           spool_open(folder, "spool of coarser versions", &run->arena, &run->figures, err) &&
           spool_open(folder, "spool of groups", &run->arena, &run->groups, err) &&
           inputs_list(run, err);
}

/* A package that stands is not replaced by one that lost too much. */
static bool keeps_enough(struct run *run, struct err *err)
{
    const uint64_t lost = run->report.feature_skipped_count;
    const uint64_t all = run->counts.spooled + lost;
    const double share = all == 0 ? 0 : (double)lost / (double)all;
    if (run->counts.shown == 0) {
        *err = run->report.kept[0];
        return false;
    }
    if (!publish_replaces(run->publish) || share <= run->options->max_loss) {
        return true;
    }
    return err_set(err, ERR_SCHEMA,
                   "%llu of %llu features failed, more than --max-loss %g: the old package stays",
                   (unsigned long long)lost, (unsigned long long)all, run->options->max_loss);
}

static bool publish_run(struct run *run, struct err *err)
{
    if (!keeps_enough(run, err) || !tree_write(run, err)) {
        return false;
    }
    struct manifest manifest;
    if (!manifest_fill(run, &manifest, err)) {
        return false;
    }
    struct publish *publish = run->publish;
    run->publish = NULL; /* commit frees it, whatever comes of it */
    return publish_commit(publish, &manifest, err);
}

static bool place_and_split(struct run *run, struct err *err)
{
    return place_run(run, err) && split_run(run, err);
}

struct stage {
    const char *name;
    bool (*work)(struct run *run, struct err *err);
};

static const struct stage stages[RUN_STAGE_COUNT] = {
    {"ingest", ingest_run}, {"place", place_and_split}, {"partition", partition_run},
    {"build", build_run},   {"index", index_fill_run},  {"publish", publish_run},
};

static void count_stage(struct run *run, int stage)
{
    struct run_stage *count = &run->stages[stage];
    switch (stage) {
    case 0:
        count->items = run->counts.read;
        for (size_t i = 0; i < run->source_count; i++) {
            count->bytes += run->sources[i].bytes;
        }
        break;
    case 1:
        count->items = run->counts.placed;
        count->bytes = spool_size(run->placed);
        break;
    case 2:
        count->items = run_node_count(run);
        break;
    case 3:
        publish_count(run->publish, &count->items, &count->bytes);
        break;
    case 4:
        publish_count(run->publish, &count->items, &count->bytes);
        count->items = run->counts.shown;
        count->bytes -= run->stages[3].bytes;
        break;
    default:
        break;
    }
}

bool pipeline_run(struct run *run, struct err *err)
{
    arena_init(&run->arena, SIZE_MAX / 2);
    buf_init(&run->offsets, SIZE_MAX / 2);
    buf_init(&run->entries, SIZE_MAX / 2);
    buf_init(&run->nodes, SIZE_MAX / 2);
    buf_init(&run->parts, SIZE_MAX / 2);
    /* The output is looked at first: a mistake there costs no work. */
    if (!publish_begin(run->options->output, &run->publish, err) || !open_run(run, err)) {
        return false;
    }
    for (int i = 0; i < RUN_STAGE_COUNT; i++) {
        const double start = now_seconds();
        run->stages[i].name = stages[i].name;
        if (run->tell != NULL) {
            run->tell(run->teller, stages[i].name, 0, 0);
        }
        if (!stages[i].work(run, err)) {
            return false;
        }
        run->stages[i].seconds = now_seconds() - start;
        count_stage(run, i);
    }
    return true;
}

void pipeline_release(struct run *run)
{
    publish_abort(run->publish);
    run->publish = NULL;
    spool_close(run->features);
    spool_close(run->placed);
    spool_close(run->figures);
    spool_close(run->groups);
    id_table_close(run->ids);
    images_close(run->images);
    for (size_t i = 0; i < run->crs_count; i++) {
        buf_release(&run->crs[i].sample);
    }
    buf_release(&run->offsets);
    buf_release(&run->entries);
    buf_release(&run->nodes);
    buf_release(&run->parts);
    arena_release(&run->arena);
}
