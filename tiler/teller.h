/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_TELLER_H
#define TILER_TELLER_H

/*
 * teller.h - what a run tells while it works and when it is done: a progress
 * bar with rate and time left on a terminal, plain lines elsewhere, a JSON
 * object a line for machines. Everything goes to standard error.
 *
 * Threads  teller_tell() may be called from any thread, never two at once
 */

#include "tiler/run.h"

struct teller {
    enum options_log log; /* never LOG_AUTO */
    bool is_terminal;
    const char *stage;
    double stage_start_s;
    double last_s; /* when something was printed */
    bool has_bar;  /* a bar stands in the terminal's last line */
};

void teller_open(struct teller *teller, enum options_log log);

/* run.tell: `stage` is a constant; total 0 when not known yet. */
void teller_tell(void *teller, const char *stage, uint64_t done, uint64_t total);

/* The error that ended a run, or a usage mistake. */
void teller_failed(struct teller *teller, const struct err *err);

/* What came of a run: where it lies, counts, what was lost, the stage table. */
void teller_summary(struct teller *teller, const struct run *run);

#endif
