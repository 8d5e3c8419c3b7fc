/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "formats/digest.h"
#include "server/access_log.h"
#include "server/catalogue.h"
#include "server/http.h"
#include "server/listener.h"
#include "server/options.h"
#include "server/store.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { WATCH_SECONDS = 2, NOTES_BYTES_MAX = 1 << 20 };

struct server {
    struct options options;
    struct catalogue_options catalogue_options;
    struct catalogue_current current;
    struct access_log log;
    struct http *http;
    struct buf notes;          /* of the last look at the packages */
    struct digest notes_shown; /* so that one trouble is told once */
};

static void print_error(const struct err *err)
{
    char line[512];
    err_format(err, line, sizeof line);
    fprintf(stderr, "storeyd: %s\n", line);
}

static int64_t monotonic_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* ---- what is served ---- */

static void add_note(void *argument, const struct err *what)
{
    struct server *server = argument;
    char line[512];
    err_format(what, line, sizeof line);
    buf_print(&server->notes, "storeyd: %s\n", line);
}

/* A half-copied package is looked at again every two seconds; the same words
 * are said once. */
static void show_notes(struct server *server)
{
    const struct digest digest = digest_of(buf_span(&server->notes));
    if (server->notes.size > 0 && !digest_equals(digest, server->notes_shown)) {
        fwrite(server->notes.data, 1, server->notes.size, stderr);
    }
    server->notes_shown = digest;
    buf_reset(&server->notes);
}

static void print_packages(const struct catalogue *catalogue)
{
    for (size_t i = 0; i < catalogue->entry_count; i++) {
        const struct catalogue_entry *entry = &catalogue->entries[i];
        fprintf(stderr, "storeyd: serving '%s' from %s\n", entry->id, store_path(entry->stores[0]));
    }
}

static void reload(struct server *server)
{
    struct err err;
    struct catalogue *next = NULL;
    server->catalogue_options.now_s = monotonic_s();
    struct catalogue *before = catalogue_current_hold(&server->current);
    if (!catalogue_open(&server->catalogue_options, before, add_note, server, &next, &err)) {
        print_error(&err);
    } else if (catalogue_equals(before, next)) {
        catalogue_drop(next);
    } else {
        print_packages(next);
        catalogue_current_replace(&server->current, next);
        http_wake(server->http);
    }
    catalogue_drop(before);
    show_notes(server);
}

static void watch_packages(struct server *server)
{
    struct catalogue *now = catalogue_current_hold(&server->current);
    const bool is_stale = catalogue_is_stale(now, &server->catalogue_options);
    catalogue_drop(now);
    if (is_stale) {
        reload(server);
    }
}

/* ---- the viewer's files ---- */

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The first of the places that has the folder. `base` is where they count from. */
static bool find_folder(const char *base, const char *const *places, size_t count, char *out,
                        size_t out_bytes)
{
    for (size_t i = 0; i < count; i++) {
        const int size = snprintf(out, out_bytes, "%s/%s", base, places[i]);
        if (size < (int)out_bytes && is_folder(out)) {
            return true;
        }
    }
    return false;
}

static bool program_folder(char *out, size_t out_bytes)
{
    const ssize_t size = readlink("/proc/self/exe", out, out_bytes - 1);
    if (size <= 0) {
        return false;
    }
    out[size] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    return true;
}

/* Opens a folder that was named, or else found; without one there is no page. */
static bool open_pages(const char *named, const char *base, const char *const *places, size_t count,
                       struct store **out, struct err *err)
{
    char found[PATH_MAX];
    if (named == NULL && !find_folder(base, places, count, found, sizeof found)) {
        return true;
    }
    return store_open_folder(named == NULL ? found : named, out, err);
}

static bool open_viewer(struct server *server, struct err *err)
{
    static const char *const viewers[] = {"../share/storey/viewer", "viewer", "../../server/viewer",
                                          "../server/viewer"};
    static const char *const cesiums[] = {"cesium", "../../node_modules/cesium/Build/Cesium",
                                          "../node_modules/cesium/Build/Cesium",
                                          "../../../node_modules/cesium/Build/Cesium"};
    char base[PATH_MAX];
    struct catalogue_options *catalogue = &server->catalogue_options;
    if (!program_folder(base, sizeof base)) {
        memcpy(base, ".", 2);
    }
    if (!open_pages(server->options.viewer, base, viewers, sizeof viewers / sizeof viewers[0],
                    &catalogue->viewer, err)) {
        return false;
    }
    const char *beside = catalogue->viewer == NULL ? base : store_path(catalogue->viewer);
    if (!open_pages(server->options.cesium, beside, cesiums, sizeof cesiums / sizeof cesiums[0],
                    &catalogue->cesium, err)) {
        return false;
    }
    if (catalogue->viewer != NULL && catalogue->cesium == NULL) {
        fprintf(stderr, "storeyd: no CesiumJS found: the page at / stays empty; run 'npm ci', or "
                        "name its folder with --cesium\n");
    }
    return true;
}

/* ---- the run ---- */

/* Connections and mapped files need descriptors; the hard limit is what the
 * system lets us have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            fprintf(stderr, "storeyd: cannot raise the limit of open files: %s\n", strerror(errno));
        }
    }
}

static bool open_catalogue(struct server *server, struct err *err)
{
    struct catalogue_options *options = &server->catalogue_options;
    options->paths = server->options.paths;
    options->path_count = server->options.path_count;
    options->grace_s = (int64_t)server->options.grace_h * 3600;
    options->now_s = monotonic_s();
    struct catalogue *first = NULL;
    const bool ok = catalogue_open(options, NULL, add_note, server, &first, err);
    show_notes(server);
    if (!ok) {
        return false;
    }
    bool has_folder = false;
    for (size_t i = 0; i < options->path_count; i++) {
        has_folder = has_folder || is_folder(options->paths[i]);
    }
    if (first->entry_count == 0 && !has_folder) {
        catalogue_drop(first);
        return err_set(err, ERR_IO, "nothing to serve");
    }
    print_packages(first);
    catalogue_current_init(&server->current, first);
    return true;
}

static void wait_for_signals(struct server *server, const sigset_t *signals)
{
    const struct timespec pause = {.tv_sec = WATCH_SECONDS};
    for (;;) {
        const int number = sigtimedwait(signals, NULL, &pause);
        struct err err;
        if (number == SIGTERM || number == SIGINT) {
            return;
        }
        if (number == SIGHUP) {
            if (!access_log_reopen(&server->log, &err)) {
                print_error(&err);
            }
            reload(server);
        } else if (number < 0 && errno == EAGAIN) {
            watch_packages(server);
        }
    }
}

static bool serve(struct server *server, const sigset_t *signals, struct err *err)
{
    const char *log = server->options.is_quiet ? "/dev/null" : server->options.access_log;
    if (!open_viewer(server, err) || !open_catalogue(server, err)) {
        return false;
    }
    if (!access_log_open(&server->log, log, err)) {
        catalogue_current_release(&server->current);
        return false;
    }
    if (listener_is_inherited()) {
        server->options.http.listen = NULL;
    }
    const bool ok =
        http_open(&server->options.http, &server->current, &server->log, &server->http, err);
    if (ok) {
        fprintf(stderr, "storeyd: listening on http://%s/\n", http_address(server->http));
        wait_for_signals(server, signals);
        fprintf(stderr, "storeyd: shutting down\n");
        http_close(server->http, server->options.drain_s);
    }
    access_log_close(&server->log);
    catalogue_current_release(&server->current);
    return ok;
}

static int run(struct server *server)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* workers inherit it */
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    struct err err;
    buf_init(&server->notes, NOTES_BYTES_MAX);
    const bool ok = store_guard_maps(&err) && serve(server, &signals, &err);
    if (!ok) {
        print_error(&err);
    }
    store_drop(server->catalogue_options.viewer);
    store_drop(server->catalogue_options.cesium);
    buf_release(&server->notes);
    return ok ? 0 : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct server server = {.http = NULL};
    struct err err;
    if (!options_read(argc, argv, &server.options, &err)) {
        print_error(&err);
        return EXIT_USAGE;
    }
    if (server.options.action == OPTIONS_HELP) {
        fputs(options_usage, stdout);
        return 0;
    }
    if (server.options.action == OPTIONS_VERSION) {
        printf("storeyd %s (libmicrohttpd %s)\n", STOREY_VERSION, http_library_version());
        return 0;
    }
    return run(&server);
}
