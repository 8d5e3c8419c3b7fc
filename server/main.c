/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
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
#include "server/certificate.h"
#include "server/http.h"
#include "server/listener.h"
#include "server/options.h"
#include "server/store.h"
#include "server/supervisor.h"
#include "server/usage.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { WATCH_SECONDS = 2, NOTES_BYTES_MAX = 1 << 20, NAMED_PACKAGES = 20 };

struct server {
    struct options options;
    struct catalogue_options catalogue_options;
    struct catalogue_current current;
    struct access_log log;
    struct stat keys_seen; /* the keys file as it was when it was last read */
    struct usage *usage;
    int64_t saved_s; /* when the account was last written */
    struct http *http;
    struct metrics metrics;    /* of the run */
    size_t note_count;         /* of the last look at the packages */
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
    server->note_count++;
    buf_print(&server->notes, "storeyd: %s\n", line);
}

/* A half-copied package is looked at again every two seconds; the same words
 * are said once. */
static void show_notes(struct server *server)
{
    const struct digest digest = digest_of(buf_span(&server->notes));
    if (server->notes.size > 0 && !digest_equals(digest, server->notes_shown)) {
        fwrite(server->notes.data, 1, server->notes.size, stderr);
        metrics_reloaded(&server->metrics, METRICS_PACKAGES, false);
    }
    server->notes_shown = digest;
    buf_reset(&server->notes);
    atomic_store(&server->metrics.refused_packages, server->note_count);
    server->note_count = 0;
}

static void print_package(const char *word, const struct catalogue_entry *entry)
{
    fprintf(stderr, "storeyd: %s '%s' from %s%s\n", word, entry->id, store_path(entry->stores[0]),
            store_index(entry->stores[0]) == NULL ? " (tiles only)" : "");
}

/* What is other than before (NULL: everything), and how much it is; some of it by name. */
static void print_packages(const struct catalogue *before, const struct catalogue *now)
{
    size_t count = 0;
    for (size_t i = 0; i < now->entry_count; i++) {
        const struct catalogue_entry *entry = &now->entries[i];
        const struct catalogue_entry *old =
            before == NULL ? NULL : catalogue_find(before, text_of(entry->id));
        const bool is_same = old != NULL && old->stores[0] == entry->stores[0];
        if (!is_same && count++ < NAMED_PACKAGES) {
            print_package(old == NULL ? "serving" : "serving a new revision of", entry);
        }
    }
    for (size_t i = 0; before != NULL && i < before->entry_count; i++) {
        const struct catalogue_entry *old = &before->entries[i];
        if (catalogue_find(now, text_of(old->id)) == NULL && count++ < NAMED_PACKAGES) {
            print_package("no longer serving", old);
        }
    }
    if (count > NAMED_PACKAGES) {
        fprintf(stderr, "storeyd: ... and %zu more; %zu packages in all\n", count - NAMED_PACKAGES,
                now->entry_count);
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
        metrics_reloaded(&server->metrics, METRICS_PACKAGES, false);
    } else if (catalogue_equals(before, next)) {
        catalogue_drop(next);
    } else {
        metrics_reloaded(&server->metrics, METRICS_PACKAGES, true);
        print_packages(before, next);
        catalogue_current_replace(&server->current, next);
        http_wake(server->http);
    }
    catalogue_drop(before);
    show_notes(server);
}

/* True when the keys file is another than at the last look, or was written since. */
static bool keys_have_changed(struct server *server)
{
    struct stat now;
    const struct stat *seen = &server->keys_seen;
    if (server->options.keys == NULL || stat(server->options.keys, &now) != 0) {
        return false;
    }
    const bool is_other =
        now.st_dev != seen->st_dev || now.st_ino != seen->st_ino || now.st_size != seen->st_size ||
        now.st_mtim.tv_sec != seen->st_mtim.tv_sec || now.st_mtim.tv_nsec != seen->st_mtim.tv_nsec;
    server->keys_seen = now;
    return is_other;
}

/* A keys file that is broken now leaves the old keys in force. */
static void reload_keys(struct server *server)
{
    struct err err;
    struct access *access = NULL;
    if (server->options.keys == NULL) {
        return;
    }
    (void)keys_have_changed(server); /* looked at before it is read */
    if (!access_open(server->options.keys, false, &access, &err)) {
        print_error(&err);
        fprintf(stderr, "storeyd: the keys stay as they were\n");
        metrics_reloaded(&server->metrics, METRICS_KEYS, false);
        return;
    }
    metrics_reloaded(&server->metrics, METRICS_KEYS, true);
    access_drop(server->catalogue_options.access);
    server->catalogue_options.access = access;
}

/* A certificate out of its time is served all the same: clients say what they think. */
static void judge_certificate(const struct server *server)
{
    int64_t begins_s;
    int64_t ends_s;
    char day[CERTIFICATE_DAY_BYTES];
    const int64_t now_s = (int64_t)time(NULL);
    http_certificate_times(server->http, &begins_s, &ends_s);
    const bool is_early = begins_s > now_s;
    if (ends_s != 0 && (is_early || ends_s <= now_s)) {
        certificate_print_day(is_early ? begins_s : ends_s, day);
        fprintf(stderr, "storeyd: the certificate %s on %s: clients will refuse it\n",
                is_early ? "begins" : "ended", day);
    }
}

static void reload_certificate(struct server *server)
{
    struct err err;
    bool is_other;
    char day[CERTIFICATE_DAY_BYTES];
    if (!http_reload_certificate(server->http, (int64_t)time(NULL), &is_other, &err)) {
        print_error(&err);
        fprintf(stderr, "storeyd: the certificate stays as it was\n");
        metrics_reloaded(&server->metrics, METRICS_CERTIFICATE, false);
    } else if (is_other) {
        metrics_reloaded(&server->metrics, METRICS_CERTIFICATE, true);
        int64_t begins_s;
        int64_t ends_s;
        http_certificate_times(server->http, &begins_s, &ends_s);
        certificate_print_day(ends_s, day);
        fprintf(stderr, "storeyd: a new certificate, good until %s\n", day);
        judge_certificate(server);
    }
}

static void watch_packages(struct server *server)
{
    struct catalogue *now = catalogue_current_hold(&server->current);
    const bool is_stale = catalogue_is_stale(now, &server->catalogue_options);
    catalogue_drop(now);
    const bool has_other_keys = keys_have_changed(server);
    if (has_other_keys) {
        reload_keys(server);
    }
    if (is_stale || has_other_keys) {
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

/* How many packages may keep their files open, two each at most: a quarter of what
 * there may be is left for connections, and some for ourselves. */
static size_t package_limit(void)
{
    enum { OWN_FILES = 64 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return 0;
    }
    const size_t packages = (size_t)limit.rlim_cur / 4 * 3 / 2;
    return packages > 2 * OWN_FILES ? packages - OWN_FILES : OWN_FILES;
}

static bool open_catalogue(struct server *server, struct err *err)
{
    struct catalogue_options *options = &server->catalogue_options;
    options->paths = server->options.paths;
    options->path_count = server->options.path_count;
    options->grace_s = (int64_t)server->options.grace_h * 3600;
    options->now_s = monotonic_s();
    options->package_limit = package_limit();
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
    print_packages(NULL, first);
    catalogue_current_init(&server->current, first);
    return true;
}

static void reopen_log(struct server *server)
{
    struct err err;
    const bool is_done = access_log_reopen(&server->log, &err);
    if (!is_done) {
        print_error(&err);
    }
    metrics_reloaded(&server->metrics, METRICS_LOG, is_done);
}

static void save_usage(struct server *server, bool is_last)
{
    struct err err;
    const int64_t now_s = (int64_t)time(NULL);
    if (!is_last && now_s - server->saved_s < USAGE_SAVE_SECONDS) {
        return;
    }
    server->saved_s = now_s;
    if (!usage_save(server->usage, now_s, &err)) {
        print_error(&err);
    }
}

static void wait_for_signals(struct server *server, const sigset_t *signals)
{
    const struct timespec pause = {.tv_sec = WATCH_SECONDS};
    for (;;) {
        const int number = sigtimedwait(signals, NULL, &pause);
        if (number == SIGTERM || number == SIGINT) {
            return;
        }
        if (number == SIGUSR1) {
            reopen_log(server);
        } else if (number == SIGHUP) {
            reopen_log(server);
            reload_certificate(server);
            reload_keys(server);
            reload(server);
        } else if (number < 0 && errno == EAGAIN) {
            watch_packages(server);
        }
        save_usage(server, false);
    }
}

/* Serves until a signal. */
static bool serve_until_told(struct server *server, const sigset_t *signals, struct err *err)
{
    const struct http_shared shared = {&server->current, &server->log, server->usage,
                                       &server->metrics};
    if (listener_is_inherited()) {
        server->options.http.listen = NULL;
    }
    if (!http_open(&server->options.http, &shared, &server->http, err)) {
        return false;
    }
    fprintf(stderr, "storeyd: listening on %s://%s/\n",
            server->options.http.certificate == NULL ? "http" : "https",
            http_address(server->http));
    judge_certificate(server);
    if (server->options.http.admin != NULL) {
        fprintf(stderr, "storeyd: metrics on http://%s/metrics\n",
                http_admin_address(server->http));
    }
    supervisor_tell("READY=1");
    wait_for_signals(server, signals);
    supervisor_tell("STOPPING=1");
    fprintf(stderr, "storeyd: shutting down\n");
    http_close(server->http, server->options.drain_s);
    save_usage(server, true);
    return true;
}

static bool serve(struct server *server, const sigset_t *signals, struct err *err)
{
    const char *log = server->options.is_quiet ? "/dev/null" : server->options.access_log;
    (void)keys_have_changed(server);
    if (!access_open(server->options.keys, server->options.allows_download,
                     &server->catalogue_options.access, err) ||
        !usage_open(server->options.usage, (int64_t)time(NULL), &server->usage, err) ||
        !open_viewer(server, err) || !open_catalogue(server, err)) {
        return false;
    }
    if (!access_log_open(&server->log, log, err)) {
        catalogue_current_release(&server->current);
        return false;
    }
    const bool ok = serve_until_told(server, signals, err);
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
    sigaddset(&signals, SIGUSR1);
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
    access_drop(server->catalogue_options.access);
    usage_close(server->usage);
    buf_release(&server->notes);
    return ok ? 0 : EXIT_FAILED;
}

/* ---- the other things that storeyd does ---- */

static bool make_key(const char *name, struct err *err)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    const bool ok = access_make_key(name, &text, err);
    if (ok) {
        fwrite(text.data, 1, text.size, stdout);
    }
    buf_release(&text);
    return ok;
}

/* Adds a file of an account, or every one in a folder. */
static bool add_account(struct usage *usage, const char *path, struct err *err)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return usage_add_file(usage, path, err);
    }
    bool ok = true;
    for (const struct dirent *item = readdir(folder); ok && item != NULL; item = readdir(folder)) {
        char inside[PATH_MAX];
        const int size = snprintf(inside, sizeof inside, "%s/%s", path, item->d_name);
        const char *ending = strrchr(item->d_name, '.');
        if (size < (int)sizeof inside && ending != NULL && strcmp(ending, ".jsonl") == 0) {
            ok = usage_add_file(usage, inside, err);
        }
    }
    closedir(folder);
    return ok;
}

static bool sum_usage(const struct options *options, struct err *err)
{
    struct usage *usage;
    struct buf text;
    if (!usage_open(NULL, (int64_t)time(NULL), &usage, err)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < options->path_count; i++) {
        ok = add_account(usage, options->paths[i], err);
    }
    buf_init(&text, 1 << 30);
    if (ok) {
        usage_print(usage, &text);
        ok = buf_finish(&text, err);
    }
    if (ok && text.size > 0) {
        fwrite(text.data, 1, text.size, stdout);
    }
    buf_release(&text);
    usage_close(usage);
    return ok;
}

static int finish(bool ok, const struct err *err)
{
    if (!ok) {
        print_error(err);
    }
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
    if (server.options.action == OPTIONS_MAKE_KEY) {
        return finish(make_key(server.options.key_name, &err), &err);
    }
    if (server.options.action == OPTIONS_SUM_USAGE) {
        return finish(sum_usage(&server.options, &err), &err);
    }
    return run(&server);
}
