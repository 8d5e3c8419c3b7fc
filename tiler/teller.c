/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tiler/teller.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "formats/json_write.h"

static const double BAR_EVERY_S = 0.1;
static const double LINE_EVERY_S = 5;

static double now_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void teller_open(struct teller *teller, enum options_log log)
{
    const bool is_terminal = isatty(STDERR_FILENO) == 1;
    *teller = (struct teller){
        .log = log == LOG_AUTO ? LOG_PLAIN : log,
        .is_terminal = is_terminal && log == LOG_AUTO,
        .stage_start_s = now_seconds(),
    };
}

static void clear_bar(struct teller *teller)
{
    if (teller->has_bar) {
        fputs("\r\033[K", stderr);
        teller->has_bar = false;
    }
}

static void draw_bar(struct teller *teller, uint64_t done, uint64_t total, double elapsed_s)
{
    enum { WIDTH = 28 };
    char bar[WIDTH + 1];
    const double share = total == 0 ? 0 : (double)done / (double)total;
    const int filled = (int)(share * WIDTH + 0.5);
    for (int i = 0; i < WIDTH; i++) {
        bar[i] = i < filled ? '#' : '.';
    }
    bar[WIDTH] = '\0';
    const double rate = elapsed_s > 0 ? (double)done / elapsed_s : 0;
    fprintf(stderr, "\r\033[K%-9s [%s] %3.0f %%  %.3g/s", teller->stage, bar, share * 100, rate);
    if (rate > 0 && total > done) {
        fprintf(stderr, "  %.0f s left", (double)(total - done) / rate);
    }
    fflush(stderr);
    teller->has_bar = true;
}

static void print_progress(struct teller *teller, uint64_t done, uint64_t total)
{
    if (teller->log == LOG_JSON) {
        fprintf(stderr, "{\"event\":\"progress\",\"stage\":\"%s\",\"done\":%llu,\"total\":%llu}\n",
                teller->stage, (unsigned long long)done, (unsigned long long)total);
    } else if (total > 0) {
        fprintf(stderr, "storey: %s %.0f %%\n", teller->stage, 100 * (double)done / (double)total);
    }
}

void teller_tell(void *self, const char *stage, uint64_t done, uint64_t total)
{
    struct teller *teller = self;
    if (teller->log == LOG_QUIET) {
        return;
    }
    const double now = now_seconds();
    if (teller->stage != stage && total == 0) {
        teller->stage = stage;
        teller->stage_start_s = now;
        teller->last_s = now;
        return;
    }
    if (teller->is_terminal) {
        if (now - teller->last_s >= BAR_EVERY_S) {
            teller->last_s = now;
            draw_bar(teller, done, total, now - teller->stage_start_s);
        }
    } else if (now - teller->last_s >= LINE_EVERY_S) {
        teller->last_s = now;
        print_progress(teller, done, total);
    }
}

void teller_failed(struct teller *teller, const struct err *err)
{
    char line[512];
    err_format(err, line, sizeof line);
    clear_bar(teller);
    if (teller->log != LOG_JSON) {
        fprintf(stderr, "storey: %s\n", line);
        return;
    }
    struct buf json;
    buf_init(&json, 8192);
    json_write_text(&json, text_of(line));
    fprintf(stderr, "{\"event\":\"failed\",\"message\":%.*s}\n", (int)json.size,
            (const char *)json.data);
    buf_release(&json);
}

/* Of the build, in seconds of all processors: what full detail costs, what the
 * levels above it do, and what it takes to prove their errors. */
static void print_spent(const struct run *run)
{
    const struct spent *leaves = &run->leaves;
    const struct spent *above = &run->above;
    fprintf(stderr,
            "  leaves   %9.3f CPU s: %.3f full detail, %.3f coarser versions, %.3f proofs\n",
            leaves->all_s, leaves->all_s - leaves->versions_s,
            leaves->versions_s - leaves->proofs_s, leaves->proofs_s);
    fprintf(stderr, "  above    %9.3f CPU s: %.3f choosing and writing, %.3f proofs\n",
            above->all_s, above->all_s - above->proofs_s, above->proofs_s);
}

static void print_stages(const struct run *run)
{
    double total = 0;
    fprintf(stderr, "%-10s %9s %12s %14s\n", "stage", "seconds", "items", "bytes");
    for (int i = 0; i < RUN_STAGE_COUNT; i++) {
        const struct run_stage *stage = &run->stages[i];
        total += stage->seconds;
        fprintf(stderr, "%-10s %9.3f %12llu %14llu\n", stage->name, stage->seconds,
                (unsigned long long)stage->items, (unsigned long long)stage->bytes);
    }
    print_spent(run);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    fprintf(stderr, "%-10s %9.3f %12s %11.1f MB peak memory\n", "total", total, "",
            (double)usage.ru_maxrss / 1024);
}

static void print_places(const struct run *run)
{
    for (size_t i = 0; i < run->crs_count; i++) {
        const struct crs_plan *plan = &run->crs[i].plan;
        const struct crs_check *check = &run->crs[i].check;
        fprintf(stderr, "  %s; %s: near %.5f E, %.5f N; heights %+.2f m\n", plan->name,
                plan->vertical_name, check->longitude_deg, check->latitude_deg,
                check->height_shift_m);
    }
}

static void print_report(const struct run *run)
{
    const struct report *report = &run->report;
    for (size_t i = 0; i < report->kind_count; i++) {
        const struct report_kind *kind = &report->kinds[i];
        char line[512];
        err_format(&kind->first, line, sizeof line);
        fprintf(stderr, "  %s: %s x %llu, such as %s\n", report_level_name(kind->level), kind->name,
                (unsigned long long)kind->count, line);
    }
}

static void print_plain(const struct run *run)
{
    const struct run_counts *c = &run->counts;
    const struct run_node *root = &run_nodes(run)[run_node_count(run) - 1];
    fprintf(stderr, "storey: %s: %llu features in %zu tiles; %llu objects read",
            run->options->output, (unsigned long long)c->shown, run_node_count(run),
            (unsigned long long)c->read);
    if (c->excluded > 0) {
        fprintf(stderr, ", %llu of other classes", (unsigned long long)c->excluded);
    }
    if (c->without_shape > 0) {
        fprintf(stderr, ", %llu without geometry", (unsigned long long)c->without_shape);
    }
    if (c->by_parts > 0) {
        fprintf(stderr, ", %llu drawn by their parts", (unsigned long long)c->by_parts);
    }
    if (c->identical > 0) {
        fprintf(stderr, ", %llu identical again", (unsigned long long)c->identical);
    }
    fprintf(stderr, ", %llu lost\n", (unsigned long long)run->report.feature_skipped_count);
    print_places(run);
    fprintf(stderr, "  the first tile: %u features, %llu bytes, wrong by at most %.2f m\n",
            root->shown_count, (unsigned long long)root->content_bytes, root->proven_m);
    print_report(run);
}

static void print_json(const struct run *run)
{
    const struct run_counts *c = &run->counts;
    fprintf(stderr,
            "{\"event\":\"done\",\"read\":%llu,\"excluded\":%llu,\"without_geometry\":%llu,"
            "\"drawn_by_parts\":%llu,\"identical\":%llu,\"lost\":%llu,\"shown\":%llu,"
            "\"tiles\":%zu,\"stages\":[",
            (unsigned long long)c->read, (unsigned long long)c->excluded,
            (unsigned long long)c->without_shape, (unsigned long long)c->by_parts,
            (unsigned long long)c->identical, (unsigned long long)run->report.feature_skipped_count,
            (unsigned long long)c->shown, run_node_count(run));
    for (int i = 0; i < RUN_STAGE_COUNT; i++) {
        const struct run_stage *stage = &run->stages[i];
        fprintf(stderr, "%s{\"name\":\"%s\",\"seconds\":%.6f,\"items\":%llu,\"bytes\":%llu}",
                i == 0 ? "" : ",", stage->name, stage->seconds, (unsigned long long)stage->items,
                (unsigned long long)stage->bytes);
    }
    fputs("]", stderr);
    if (run->options->has_stats) {
        fprintf(stderr,
                ",\"build_cpu_seconds\":{\"leaves\":%.6f,\"versions\":%.6f,"
                "\"version_proofs\":%.6f,\"above\":%.6f,\"above_proofs\":%.6f}",
                run->leaves.all_s, run->leaves.versions_s, run->leaves.proofs_s, run->above.all_s,
                run->above.proofs_s);
    }
    fputs("}\n", stderr);
}

void teller_summary(struct teller *teller, const struct run *run)
{
    clear_bar(teller);
    if (teller->log == LOG_JSON) {
        print_json(run);
    } else if (teller->log != LOG_QUIET) {
        print_plain(run);
    }
    if (run->options->has_stats && teller->log != LOG_JSON) {
        print_stages(run);
    }
}
