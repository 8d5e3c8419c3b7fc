/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_USAGE_H
#define SERVER_USAGE_H

/*
 * usage.h - what was fetched of which package, with which key, on which day: the
 * account of a city's services.
 *
 * A worker counts in a small table of its own and hands it over every second; the
 * account is written every ten seconds and at the end, each day to a file of its
 * own: a server that is killed loses ten seconds at most, and no old day.
 *
 * Layout   DIR/2026-04-01.jsonl, a line of JSON for each package and key:
 *
 *     {"day":"2026-04-01","package":"futian","key":"flood office","calls":12,"bytes":3456,
 *      "2xx":9,"3xx":2,"4xx":1,"5xx":0}
 *
 *          on one line. Calls are all that named a package that there is, refused ones too; the
 *          numbers after it say how they were answered. Days are UTC. The key is "" for everybody.
 * Every server has a folder of its own; lines of many servers add up (storeyd --sum-usage).
 *
 * Limits   USAGE_ROWS_MAX rows; what comes beyond is counted under package "*"
 * Threads  a tally belongs to one worker; the account has a lock
 */

#include "formats/base/buf.h"

enum { USAGE_ROWS_MAX = 1 << 20, USAGE_SAVE_SECONDS = 10 };

struct usage;
struct usage_tally;

/*
 * Opens an account, and takes over what the folder knows of today.
 *
 * folder   NULL: nothing is written, /usage still tells
 * Errors   ERR_IO; a file that is none of ours is ERR_SYNTAX with its line
 */
ERR_CHECKED bool usage_open(const char *folder, int64_t now_s, struct usage **out, struct err *err);
void usage_close(struct usage *usage); /* does not save; NULL is fine */

/* Writes what has changed. Days that are over are then forgotten. */
ERR_CHECKED bool usage_save(struct usage *usage, int64_t now_s, struct err *err);

/* Appends every line, sorted. */
void usage_print(struct usage *usage, struct buf *out);

/* Appends calls and bytes of each package for Prometheus. */
void usage_print_metrics(struct usage *usage, struct buf *out);

/* Adds a file of lines, of any server and day. */
ERR_CHECKED bool usage_add_file(struct usage *usage, const char *path, struct err *err);

ERR_CHECKED bool usage_tally_open(struct usage_tally **out, struct err *err);
void usage_tally_close(struct usage_tally *tally); /* NULL is fine */

/* One call; text is terminated. */
struct usage_call {
    const char *package;
    const char *key; /* or NULL */
    unsigned status;
    uint64_t bytes;
};
void usage_tally_add(struct usage_tally *tally, int64_t now_s, const struct usage_call *call);

/* Adds the tally to the account and empties it. */
void usage_add(struct usage *usage, struct usage_tally *tally);

#endif
