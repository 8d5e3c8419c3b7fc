/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

/*
 * options.h - the command line of storeyd, and every limit that a user can meet.
 *
 * | option                  | default        | what is beyond it                     |
 * |-------------------------|----------------|---------------------------------------|
 * | --listen                | 127.0.0.1:8080 |                                       |
 * | --threads               | one per core   |                                       |
 * | --connections           | 8192           | waits in the backlog                  |
 * | --address-connections   | 64             | hung up on; this machine has no limit |
 * |                         |                | unless the option is given            |
 * | --address-rate          | 0: any         | 429                                   |
 * | --question-ms           | 250            | 503, Retry-After: of a worker's turn  |
 * | --cache                 | 4096           | tiles of a worker kept ready          |
 * | --head-seconds          | 10             | disconnected                          |
 * | --idle-seconds          | 75             | disconnected                          |
 * | --drain-seconds         | 10             | cut at shutdown                       |
 * | --grace-hours           | 48             | old revisions stop answering          |
 * | head of a request       | 6.6 KiB        | 431, 414                              |
 * | body of a POST          | 1 MiB          | 413                                   |
 * | time for a body         | 30 s           | disconnected                          |
 * | taking an answer        | 1 KiB/s        | disconnected                          |
 */

#include "server/http.h"

enum options_action {
    OPTIONS_SERVE,
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_MAKE_KEY, /* the name is `key_name` */
    OPTIONS_SUM_USAGE /* of files and folders in `paths` */
};

struct options {
    enum options_action action;
    const char *const *paths; /* in argv */
    size_t path_count;
    const char *access_log; /* NULL: standard output */
    const char *viewer;     /* NULL: look beside the program */
    const char *cesium;     /* NULL: look beside the viewer */
    const char *keys;       /* NULL: everybody may read */
    const char *usage;      /* NULL: the account is not written */
    const char *key_name;
    bool allows_download; /* of whole packages, without keys */
    bool is_quiet;        /* no access log */
    unsigned drain_s;
    unsigned grace_h;
    struct http_options http;
};

/*
 * Reads the command line.
 *
 * Memory   text points into argv
 * Errors   ERR_SCHEMA  an unknown option, a missing or a bad value, no PATH
 */
ERR_CHECKED bool options_read(int argc, char **argv, struct options *out, struct err *err);

extern const char options_usage[];

#endif
