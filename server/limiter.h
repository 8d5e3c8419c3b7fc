/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_LIMITER_H
#define SERVER_LIMITER_H

/*
 * limiter.h - how many requests a second a caller may make: a bucket for each key
 * and each address, shared by all workers.
 *
 * A bucket holds two seconds' worth and fills evenly (GCRA: one number a bucket,
 * the time at which it would be full again). The table has a fixed size; when a
 * place is needed, the bucket that is full, or fullest, gives way: whoever is
 * forgotten gains a burst and no more.
 *
 * Source   RFC 6585 "429 Too Many Requests"; draft-ietf-httpapi-ratelimit-headers-06
 *          for RateLimit-Limit, -Remaining, -Reset
 * Threads  Any number at once; a lock for each of 64 parts of the table
 */

#include "formats/base/err.h"

struct limiter;

enum { LIMITER_BURST_S = 2 };

struct limiter_state {
    bool is_allowed;
    unsigned limit;     /* requests a second, rounded up */
    unsigned remaining; /* that would be allowed right now */
    unsigned reset_s;   /* until one more is; 0 when one is */
};

ERR_CHECKED bool limiter_open(struct limiter **out, struct err *err);
void limiter_close(struct limiter *limiter); /* NULL is fine */

/* Takes one request of the caller `who` (any hash, not 0) at `rate` a second. */
void limiter_take(struct limiter *limiter, uint64_t who, double rate, int64_t now_ms,
                  struct limiter_state *out);

#endif
