/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/base/report.h"

#include <stdlib.h>
#include <string.h>

#include "formats/base/io.h"

static const char *const level_names[REPORT_LEVEL_COUNT] = {"skipped", "repaired", "notice"};

const char *report_level_name(enum report_level level)
{
    return level_names[level];
}

bool report_open(struct report *report, const char *csv_path, struct err *err)
{
    FILE *csv = NULL;
    if (csv_path != NULL) {
        csv = fopen(csv_path, "we");
        if (csv == NULL) {
            return io_error(err, "create", csv_path);
        }
        fputs("level,kind,source,line,offset,feature,reason\r\n", csv);
    }
    memset(report, 0, sizeof *report);
    report->csv = csv;
    pthread_mutex_init(&report->lock, NULL);
    return true;
}

bool report_close(struct report *report, struct err *err)
{
    bool ok = true;
    if (report->csv != NULL) {
        const bool is_whole = !report->csv_failed && ferror(report->csv) == 0;
        if (fclose(report->csv) != 0 || !is_whole) {
            ok = err_set(err, ERR_IO, "the report file could not be written whole");
        }
        report->csv = NULL;
    }
    pthread_mutex_destroy(&report->lock);
    return ok;
}

static void print_quoted(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            putc('"', out);
        }
        putc(*text, out);
    }
    putc('"', out);
}

static void print_row(FILE *out, enum report_level level, const char *kind, const struct err *what)
{
    fprintf(out, "%s,%s,", level_names[level], kind);
    print_quoted(out, what->source);
    fputc(',', out);
    if (what->line != 0) {
        fprintf(out, "%u", what->line);
    }
    fputc(',', out);
    if (what->offset != ERR_NO_OFFSET) {
        fprintf(out, "%llu", (unsigned long long)what->offset);
    }
    fputc(',', out);
    print_quoted(out, what->feature);
    fputc(',', out);
    print_quoted(out, what->message);
    fputs("\r\n", out);
}

static struct report_kind *find_kind(struct report *report, enum report_level level,
                                     const char *name)
{
    for (size_t i = 0; i < report->kind_count; i++) {
        struct report_kind *kind = &report->kinds[i];
        if (kind->level == level && strcmp(kind->name, name) == 0) {
            return kind;
        }
    }
    if (report->kind_count == REPORT_KINDS_MAX) {
        report->kinds[REPORT_KINDS_MAX - 1].name = "other";
        return &report->kinds[REPORT_KINDS_MAX - 1];
    }
    struct report_kind *kind = &report->kinds[report->kind_count++];
    *kind = (struct report_kind){.name = name, .level = level};
    return kind;
}

static void add(struct report *report, enum report_level level, const char *name,
                const struct err *what, bool is_whole_feature)
{
    pthread_mutex_lock(&report->lock);
    struct report_kind *kind = find_kind(report, level, name);
    if (kind->count++ == 0) {
        kind->first = *what;
    }
    report->level_count[level]++;
    report->feature_skipped_count += is_whole_feature;
    if (level == REPORT_SKIPPED && report->kept_count < REPORT_KEPT_MAX) {
        report->kept[report->kept_count++] = *what;
    }
    if (report->csv != NULL) {
        print_row(report->csv, level, name, what);
        report->csv_failed |= ferror(report->csv) != 0;
    }
    pthread_mutex_unlock(&report->lock);
}

void report_add(struct report *report, enum report_level level, const char *kind,
                const struct err *what)
{
    add(report, level, kind, what, false);
}

void report_add_lost_feature(struct report *report, const char *kind, const struct err *what)
{
    add(report, REPORT_SKIPPED, kind, what, true);
}

static int compare_kinds(const void *a, const void *b)
{
    const struct report_kind *left = a;
    const struct report_kind *right = b;
    const int order = strcmp(left->name, right->name);
    return order != 0 ? order : (int)left->level - (int)right->level;
}

void report_sort(struct report *report)
{
    qsort(report->kinds, report->kind_count, sizeof report->kinds[0], compare_kinds);
}
