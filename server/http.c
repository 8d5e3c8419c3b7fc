/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/http.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "server/http_internal.h"

enum { WORKERS_MAX = 256 };
/* Once a second every connection is looked at, which is a system call for each that
 * waits: a few at a time, so that no answer waits behind ten thousand of them. */
enum { SWEEP_MS = 1000, SLICE_MS = 5, SLICE_LEAST = 64, SWEEP_SLICES = 100 };
/* Log lines wait so long, or until there are so many: a write a turn would be a
 * third of a small request's system calls. */
enum { FLUSH_MS = 200, FLUSH_BYTES = 32 * 1024 };
enum { ADMIN_CONNECTIONS = 64, ADMIN_CACHE_SLOTS = 16 };
enum { EXPANDED_KEPT_BYTES = 32 << 20 };

/* ---- clocks ---- */

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- a worker ---- */

/* Paths are decoded by message_path_read(): the library would cut them at %00. */
static size_t leave_escaped(void *cls, struct MHD_Connection *handle, char *text)
{
    (void)cls;
    (void)handle;
    return strlen(text);
}

static void drop_message(void *cls, const char *format, va_list args)
{
    (void)cls;
    (void)format;
    (void)args;
}

/* Whoever missed a deadline is cut: the library sees the end of the stream at
 * its next turn and cleans up. */
static void sweep_slice(struct worker *worker, size_t most)
{
    const struct http_options *options = &worker->http->options;
    const struct deadline_limits limits = {options->head_s, options->idle_s, options->request_s,
                                           options->send_rate, worker->drain_end_ms != 0};
    for (size_t i = 0; i < most && worker->to_sweep != NULL; i++) {
        struct connection *each = worker->to_sweep;
        worker->to_sweep = each->after;
        if (deadline_is_missed(&each->deadline, &limits, worker->now_ms)) {
            shutdown(each->deadline.fd, SHUT_RDWR);
            metrics_note(&worker->metrics, METRICS_CUT);
        }
    }
    worker->sliced_ms = worker->now_ms;
}

static void begin_sweep(struct worker *worker)
{
    worker->to_sweep = worker->open_connections;
    worker->swept_ms = worker->now_ms;
    atomic_store(&worker->metrics.views, store_cache_count(worker->cache));
    usage_add(worker->http->usage, worker->tally);
}

static void sweep_when_due(struct worker *worker)
{
    if (worker->to_sweep == NULL && worker->now_ms - worker->swept_ms >= SWEEP_MS) {
        begin_sweep(worker);
    }
    if (worker->to_sweep != NULL && worker->now_ms - worker->sliced_ms >= SLICE_MS) {
        const size_t even = worker->open_count / SWEEP_SLICES;
        sweep_slice(worker, even < SLICE_LEAST ? SLICE_LEAST : even);
    }
}

static void read_clocks(struct worker *worker)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    worker->now_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    worker->now_ms = (int64_t)(worker->now_ns / 1000000U);
    worker->wall_ms = clock_ms(CLOCK_REALTIME);
}

/* Takes the catalogue in force when it has changed, and lets go of the views of
 * packages that are gone. */
static void follow_catalogue(struct worker *worker)
{
    struct catalogue_current *current = worker->http->current;
    const unsigned generation = catalogue_current_generation(current);
    if (generation == worker->generation) {
        return;
    }
    struct catalogue *old = worker->catalogue;
    worker->catalogue = catalogue_current_hold(current);
    worker->generation = generation;
    if (worker->known != NULL) {
        known_forget(worker->known);
    }
    if (old != NULL) {
        store_cache_retain(worker->cache, worker->catalogue->number);
        attributes_retain(worker->attributes, worker->catalogue->number);
        catalogue_drop(old);
    }
}

static void begin_drain(struct worker *worker)
{
    worker->drain_end_ms = worker->now_ms + (int64_t)worker->http->drain_wait_s * 1000;
    const MHD_socket listening =
        worker->is_admin ? MHD_INVALID_SOCKET : MHD_quiesce_daemon(worker->daemon);
    if (listening != MHD_INVALID_SOCKET) {
        close(listening);
        worker->listen_fd = -1;
    }
}

/* False when a drain has ended. */
static bool follow_drain(struct worker *worker)
{
    const enum catalogue_drain state = catalogue_current_drains(worker->http->current);
    if (state == CATALOGUE_SERVING) {
        return true;
    }
    if (worker->drain_end_ms == 0) {
        begin_drain(worker);
    }
    if (worker->is_admin) {
        return state != CATALOGUE_OVER;
    }
    begin_sweep(worker);
    sweep_slice(worker, SIZE_MAX);
    return worker->open_connections != NULL && worker->now_ms < worker->drain_end_ms;
}

static void flush_lines(struct worker *worker)
{
    if (worker->lines.text.size >= FLUSH_BYTES || worker->now_ms - worker->flushed_ms >= FLUSH_MS) {
        access_log_flush(worker->http->log, &worker->lines);
        worker->flushed_ms = worker->now_ms;
    }
}

static int wait_ms(struct worker *worker)
{
    MHD_UNSIGNED_LONG_LONG limit = worker->lines.text.size > 0 ? FLUSH_MS : SWEEP_MS;
    MHD_UNSIGNED_LONG_LONG wanted;
    if (MHD_get_timeout(worker->daemon, &wanted) == MHD_YES && wanted < limit) {
        limit = wanted;
    }
    if (worker->to_sweep != NULL && limit > SLICE_MS) {
        limit = SLICE_MS;
    }
    return worker->drain_end_ms != 0 && limit > 20 ? 20 : (int)limit;
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(worker->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct pollfd watched[2] = {{.fd = info->epoll_fd, .events = POLLIN},
                                {.fd = worker->wake_fd, .events = POLLIN}};
    read_clocks(worker);
    do {
        poll(watched, 2, wait_ms(worker));
        if ((watched[1].revents & POLLIN) != 0) {
            eventfd_t count;
            eventfd_read(worker->wake_fd, &count);
        }
        read_clocks(worker);
        follow_catalogue(worker);
        store_cache_turn(worker->cache);
        worker->question_ns = 0;
        MHD_run(worker->daemon);
        flush_lines(worker);
        sweep_when_due(worker);
    } while (follow_drain(worker));
    return NULL;
}

static void close_worker(struct worker *worker)
{
    if (worker->daemon != NULL) {
        MHD_stop_daemon(worker->daemon);
        access_log_flush(worker->http->log, &worker->lines);
        usage_add(worker->http->usage, worker->tally);
    } else if (worker->listen_fd >= 0) {
        close(worker->listen_fd);
    }
    if (worker->wake_fd >= 0) {
        close(worker->wake_fd);
    }
    usage_tally_close(worker->tally);
    attributes_close(worker->attributes);
    known_close(worker->known);
    store_cache_close(worker->cache);
    catalogue_drop(worker->catalogue);
    access_log_lines_release(&worker->lines);
    arena_release(&worker->memory);
}

static bool start_daemon(struct worker *worker, unsigned connections)
{
    const struct http *http = worker->http;
    const struct http_options *options = &http->options;
    const bool is_tls = http->first != NULL && !worker->is_admin;
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0,
         http_unconst(is_tls ? certificate_chain_pem(http->first) : NULL)},
        {MHD_OPTION_HTTPS_MEM_KEY, 0,
         http_unconst(is_tls ? certificate_key_pem(http->first) : NULL)},
        {MHD_OPTION_HTTPS_PRIORITIES, 0,
         http_unconst("SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")},
        {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    worker->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG | (is_tls ? MHD_USE_TLS : 0U), 0, NULL, NULL,
        http_on_request, worker, MHD_OPTION_EXTERNAL_LOGGER, drop_message, NULL, /* first */
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket)worker->listen_fd,                 /* */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL_BYTES,             /* */
        MHD_OPTION_CONNECTION_LIMIT, connections,                                /* */
        MHD_OPTION_CONNECTION_TIMEOUT, options->idle_s + options->request_s,     /* */
        MHD_OPTION_STRICT_FOR_CLIENT, 1,                                         /* */
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,                                    /* */
        MHD_OPTION_URI_LOG_CALLBACK, http_on_uri, worker,                        /* */
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,                       /* */
        MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, worker,                  /* */
        MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, worker,                /* */
        MHD_OPTION_ARRAY, is_tls ? tls : plain, MHD_OPTION_END);
    return worker->daemon != NULL;
}

static bool open_worker(struct worker *worker, struct err *err)
{
    const struct http_options *options = &worker->http->options;
    const unsigned connections = worker->is_admin
                                     ? ADMIN_CONNECTIONS
                                     : options->connection_limit / options->worker_count + 1;
    arena_init(&worker->memory, (size_t)connections * 2 * sizeof(struct connection) + (1 << 20));
    access_log_lines_init(&worker->lines);
    const struct store_cache_options cache = {
        worker->is_admin ? ADMIN_CACHE_SLOTS : options->cache_slots, EXPANDED_KEPT_BYTES};
    const bool counts_all = worker->is_admin || options->address_rate > 0;
    if (!counts_all && !known_open(options->cache_slots, &worker->known, err)) {
        return false;
    }
    if (!store_cache_open(cache, &worker->cache, err) || !usage_tally_open(&worker->tally, err) ||
        !attributes_open(&worker->attributes, err)) {
        return false;
    }
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake_fd < 0) {
        return io_error(err, "make", "eventfd");
    }
    read_clocks(worker);
    follow_catalogue(worker);
    if (!start_daemon(worker, connections)) {
        return err_set(err, ERR_LIBRARY, "libmicrohttpd does not start");
    }
    return true;
}

/* ---- the server ---- */

static void free_http(struct http *http)
{
    for (unsigned i = 0; i < http->all_count; i++) {
        close_worker(&http->workers[i]);
    }
    limiter_close(http->limiter);
    crowd_close(http->crowd);
    certificate_drop(http->first);
    certificates_close(http->certificates);
    struct arena memory = http->memory; /* it lies in there */
    arena_release(&memory);
}

static bool start_threads(struct http *http, struct err *err)
{
    for (unsigned i = 0; i < http->all_count; i++) {
        struct worker *worker = &http->workers[i];
        const int code = pthread_create(&worker->thread, NULL, run_worker, worker);
        if (code != 0) {
            errno = code;
            return io_error(err, "start", "thread");
        }
        worker->is_started = true;
    }
    return true;
}

static bool open_sockets(struct http *http, struct err *err)
{
    int fds[WORKERS_MAX];
    const unsigned count = http->options.worker_count;
    for (unsigned i = 0; i < count; i++) {
        fds[i] = -1;
    }
    const bool ok = http->options.listen == NULL
                        ? listener_inherit(fds, count, &http->address, err)
                        : listener_open(http->options.listen, fds, count, &http->address, err);
    for (unsigned i = 0; i < count; i++) {
        http->workers[i].listen_fd = fds[i];
    }
    if (ok && http->options.admin != NULL) {
        http->workers[count].is_admin = true;
        return listener_open(http->options.admin, &http->workers[count].listen_fd, 1,
                             &http->admin_address, err);
    }
    return ok;
}

/* What all workers share. */
static bool open_shared(struct http *http, struct err *err)
{
    const struct http_options *options = &http->options;
    if (options->certificate != NULL) {
        if (!certificates_open(options->certificate, options->private_key, &http->certificates,
                               err)) {
            return false;
        }
        http->first = certificates_hold(http->certificates);
    }
    return limiter_open(&http->limiter, err) &&
           (options->address_limit == 0 || crowd_open(options->address_limit, &http->crowd, err));
}

static bool make_http(const struct http_options *options, struct http **out, struct err *err)
{
    const unsigned count = options->worker_count + (options->admin != NULL);
    struct arena memory;
    arena_init(&memory, 4 << 20);
    struct http *http = arena_array(&memory, struct http, 1);
    struct worker *workers = arena_array(&memory, struct worker, count);
    const struct metrics **metrics = arena_array(&memory, const struct metrics *, count + 1);
    if (http == NULL || workers == NULL || metrics == NULL) {
        const bool ok = arena_full(&memory, err);
        arena_release(&memory);
        return ok;
    }
    *http = (struct http){.memory = memory,
                          .options = *options,
                          .workers = workers,
                          .all_count = count,
                          .metrics = metrics};
    for (unsigned i = 0; i < count; i++) {
        workers[i].http = http;
        workers[i].listen_fd = -1;
        workers[i].wake_fd = -1;
        if (i < options->worker_count) {
            metrics[http->metrics_count++] = &workers[i].metrics;
        }
    }
    *out = http;
    return true;
}

bool http_open(const struct http_options *options, const struct http_shared *shared,
               struct http **out, struct err *err)
{
    assert(options->worker_count >= 1 && options->worker_count < WORKERS_MAX);
    struct http *http;
    if (!make_http(options, &http, err)) {
        return false;
    }
    http->current = shared->current;
    http->log = shared->log;
    http->usage = shared->usage;
    http->started_s = clock_ms(CLOCK_REALTIME) / 1000;
    if (shared->metrics != NULL) {
        http->metrics[http->metrics_count++] = shared->metrics;
    }
    bool ok = open_shared(http, err) && open_sockets(http, err);
    for (unsigned i = 0; ok && i < http->all_count; i++) {
        ok = open_worker(&http->workers[i], err);
    }
    if (!ok) {
        free_http(http);
        return false;
    }
    if (!start_threads(http, err)) {
        http_close(http, 0);
        return false;
    }
    *out = http;
    return true;
}

const char *http_address(const struct http *http)
{
    return http->address.text;
}

const char *http_admin_address(const struct http *http)
{
    return http->admin_address.text;
}

bool http_reload_certificate(struct http *http, int64_t now_s, bool *out_is_other, struct err *err)
{
    *out_is_other = false;
    return http->certificates == NULL ||
           certificates_reload(http->certificates, now_s, out_is_other, err);
}

void http_certificate_times(const struct http *http, int64_t *out_begins_s, int64_t *out_ends_s)
{
    *out_begins_s = 0;
    *out_ends_s = 0;
    if (http->certificates != NULL) {
        struct certificate *current = certificates_hold(http->certificates);
        *out_begins_s = certificate_begins_s(current);
        *out_ends_s = certificate_ends_s(current);
        certificate_drop(current);
    }
}

void http_wake(struct http *http)
{
    for (unsigned i = 0; i < http->all_count; i++) {
        eventfd_write(http->workers[i].wake_fd, 1);
    }
}

/* The admin listener answers until the last: whoever watches sees the drain. */
void http_close(struct http *http, unsigned wait_s)
{
    if (http == NULL) {
        return;
    }
    http->drain_wait_s = wait_s;
    catalogue_current_drain(http->current, CATALOGUE_DRAINING);
    http_wake(http);
    for (unsigned i = 0; i < http->all_count; i++) {
        if (i == http->options.worker_count) {
            catalogue_current_drain(http->current, CATALOGUE_OVER);
            http_wake(http);
        }
        if (http->workers[i].is_started) {
            pthread_join(http->workers[i].thread, NULL);
        }
    }
    free_http(http);
}

const char *http_library_version(void)
{
    return MHD_get_version();
}
