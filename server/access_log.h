/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ACCESS_LOG_H
#define SERVER_ACCESS_LOG_H

/*
 * access_log.h - one line of JSON for each request.
 *
 * Layout   {"time":"2026-04-01T09:30:00.123Z","client":"192.0.2.7","method":"GET",
 *           "path":"/...","status":200,"bytes":8192,"us":41,"package":"futian"}
 *
 *          "package" when the request named one, "key" with which it came, "cut":true when the
 * client left before the end, "error" when the server failed. The query is not logged: it may carry
 * keys.
 *
 * Threads  A worker adds to its own struct access_log_lines and hands it over
 *          with access_log_flush(), which locks. Lines are never torn.
 */

#include <pthread.h>

#include "formats/base/buf.h"
#include "formats/base/err.h"

struct access_log {
    pthread_mutex_t lock;
    const char *path; /* NULL: standard output */
    int fd;
};

struct access_log_lines {
    struct buf text;
    int64_t second; /* whose name is in `stamp` */
    char stamp[24];
    size_t stamp_bytes;
};

struct access_log_entry {
    int64_t time_ms;    /* since 1970 */
    const char *client; /* address */
    const char *method;
    struct text path; /* as sent */
    unsigned status;
    uint64_t bytes; /* of the body */
    uint64_t microseconds;
    const char *package; /* NULL none */
    const char *key;     /* NULL none */
    const char *failure; /* NULL none */
    bool is_cut;
};

/* path NULL: standard output. The text must outlive the log. */
ERR_CHECKED bool access_log_open(struct access_log *log, const char *path, struct err *err);
void access_log_close(struct access_log *log);

/* Opens the path again, for log rotation; keeps the old file when that fails. */
ERR_CHECKED bool access_log_reopen(struct access_log *log, struct err *err);

void access_log_lines_init(struct access_log_lines *lines);
void access_log_lines_release(struct access_log_lines *lines);

/* Without memory the line is dropped: serving goes on. */
void access_log_add(struct access_log_lines *lines, const struct access_log_entry *entry);

/* Writes what was added and empties it. A disk that is full loses lines. */
void access_log_flush(struct access_log *log, struct access_log_lines *lines);

#endif
