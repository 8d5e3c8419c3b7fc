/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_BASE_REPORT_H
#define FORMATS_BASE_REPORT_H

/*
 * report.h - what a run dropped, repaired or wants to say, counted by kind,
 * the first few of each kept, all of them in a CSV file when asked for.
 *
 * A kind is a short constant word such as "ring-too-short"; it is the key under
 * which the manifest counts. The text beside it comes from struct err.
 *
 * Threads  report_add() may be called from any thread; the rest from one.
 */

#include <pthread.h>
#include <stdio.h>

#include "formats/base/err.h"

enum report_level {
    REPORT_SKIPPED,  /* a feature, or a part of one, is not in the output */
    REPORT_REPAIRED, /* it is there, but not as the source had it */
    REPORT_NOTICE,   /* worth knowing; nothing was changed */
    REPORT_LEVEL_COUNT
};

enum { REPORT_KINDS_MAX = 96, REPORT_KEPT_MAX = 20 };

struct report_kind {
    const char *name; /* a string constant */
    enum report_level level;
    uint64_t count;
    struct err first; /* the first one seen; which one depends on threads */
};

struct report {
    pthread_mutex_t lock;
    FILE *csv;                                  /* NULL when not asked for */
    bool csv_failed;                            /* a write to it failed */
    struct report_kind kinds[REPORT_KINDS_MAX]; /* sorted by report_sort() */
    size_t kind_count;
    uint64_t feature_skipped_count; /* whole features that are not in the output */
    uint64_t level_count[REPORT_LEVEL_COUNT];
    struct err kept[REPORT_KEPT_MAX]; /* the first skipped ones, for the terminal */
    size_t kept_count;
};

/* csv_path NULL: no file. The CSV has a header line and the columns level,
 * kind, source, line, offset, feature, reason (RFC 4180). */
ERR_CHECKED bool report_open(struct report *report, const char *csv_path, struct err *err);

/* False when the CSV could not be written whole. */
ERR_CHECKED bool report_close(struct report *report, struct err *err);

/* `kind` must be a string constant; beyond REPORT_KINDS_MAX kinds, "other". */
void report_add(struct report *report, enum report_level level, const char *kind,
                const struct err *what);

/* As report_add(REPORT_SKIPPED), and counts one whole feature as lost. */
void report_add_lost_feature(struct report *report, const char *kind, const struct err *what);

/* Sorts kinds by name, so that what is printed does not depend on threads. */
void report_sort(struct report *report);

const char *report_level_name(enum report_level level);

#endif
