/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_SPENT_H
#define TILER_SPENT_H

/*
 * spent.h - processor time of a node of the tree, and what of it was for what.
 *
 * One thread fills one of these. The clock is a system call: it is asked around
 * whole proofs and versions only, and not at all where nobody wants to know.
 */

#include <stddef.h>
#include <time.h>

struct spent {
    double all_s;
    double versions_s; /* of that: making features coarser, proofs too */
    double proofs_s;   /* of that: certifying errors */
};

/* The thread's own time; 0 when `spent` is NULL: then nothing is measured. */
static inline double spent_clock(const struct spent *spent)
{
    struct timespec time = {0};
    if (spent != NULL) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    }
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static inline void spent_add(struct spent *to, const struct spent *more)
{
    to->all_s += more->all_s;
    to->versions_s += more->versions_s;
    to->proofs_s += more->proofs_s;
}

#endif
