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

#include <microhttpd.h>

#include "formats/base/io.h"
#include "server/admin.h"
#include "server/attributes.h"
#include "server/crowd.h"
#include "server/deadline.h"
#include "server/guard.h"
#include "server/listener.h"
#include "server/routes.h"

enum { WORKERS_MAX = 256 };
/* The library clears its pool for every request: 8 KiB costs half of 32 KiB. */
enum { POOL_BYTES = 8 * 1024 };
/* Once a second every connection is looked at, which is a system call for each that
 * waits: a few at a time, so that no answer waits behind ten thousand of them. */
enum { SWEEP_MS = 1000, SLICE_MS = 5, SLICE_LEAST = 64, SWEEP_SLICES = 100 };
/* Log lines wait so long, or until there are so many: a write a turn would be a
 * third of a small request's system calls. */
enum { FLUSH_MS = 200, FLUSH_BYTES = 32 * 1024 };
enum { ADMIN_CONNECTIONS = 64, ADMIN_CACHE_SLOTS = 16 };
enum { REQUEST_MEMORY_MAX = 512 << 20, EXPANDED_KEPT_BYTES = 32 << 20 };

struct connection {
    struct connection *before, *after; /* of those that are open */
    struct worker *worker;
    struct deadline deadline;
    struct peer peer;             /* at the other end of the socket */
    char client[PEER_TEXT_BYTES]; /* the one behind it, when that is a proxy of ours */
    uint64_t peer_hash;
    bool is_proxy;
    bool is_counted; /* in the crowd */
    bool is_seen;    /* the handler was called for this request */
    bool is_answered;
    uint64_t begin_ns;
    struct arena memory; /* of the request */
    struct text path, query;
    struct request request;
    struct buf body;
    struct response response;
    uint64_t sent_bytes;
    char method[12];
};

struct worker {
    struct http *http;
    pthread_t thread;
    bool is_started;
    int listen_fd;
    int wake_fd;
    struct MHD_Daemon *daemon;
    struct arena memory; /* connections */
    struct connection *open_connections;
    size_t open_count;
    struct connection *to_sweep; /* the next to be looked at; NULL between sweeps */
    struct connection *free_connections;
    struct catalogue *catalogue;
    unsigned generation;
    struct store_cache *cache;
    struct attributes *attributes;
    struct access_log_lines lines;
    struct usage_tally *tally;
    struct metrics metrics;
    bool is_admin;   /* the admin listener's */
    int64_t now_ms;  /* monotonic, of this turn */
    int64_t wall_ms; /* since 1970, of this turn */
    int64_t swept_ms, sliced_ms;
    int64_t flushed_ms;
    int64_t drain_end_ms; /* 0: not draining */
};

struct http {
    struct arena memory;
    struct http_options options;
    struct catalogue_current *current;
    struct access_log *log;
    struct worker *workers;         /* the admin listener's is the last, when there is one */
    unsigned all_count;             /* workers and that one */
    const struct metrics **metrics; /* of the workers */
    struct limiter *limiter;
    struct crowd *crowd; /* NULL: no cap */
    struct usage *usage;
    const char *certificate, *private_key; /* PEM; NULL: plain */
    struct listener_name address, admin_address;
    unsigned drain_wait_s;
};

/* ---- clocks ---- */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int64_t clock_ms(clockid_t clock)
{
    return (int64_t)(clock_ns(clock) / 1000000U);
}
/* ---- answers ---- */

static void give_back_view(void *cls)
{
    store_view_give_back(cls);
}

static void forget_prepared(void *prepared)
{
    MHD_destroy_response(prepared);
}

/* The library does not write to a response's bytes; its interface is older than
 * const. */
static void *unconst(const void *bytes)
{
    return (void *)(uintptr_t)bytes;
}

/* A response over a view's bytes; it holds the view until it is destroyed. */
static struct MHD_Response *make_view_response(struct store_view *view, uint64_t first, size_t size)
{
    struct MHD_Response *made;
    store_view_keep(view);
    if (view->part_count == 1) {
        made = MHD_create_response_from_buffer_with_free_callback_cls(
            size, unconst(view->parts[0].data + first), give_back_view, view);
    } else {
        struct MHD_IoVec parts[3];
        assert(first == 0 && size == view->bytes);
        for (size_t i = 0; i < view->part_count; i++) {
            parts[i] = (struct MHD_IoVec){view->parts[i].data, view->parts[i].size};
        }
        made =
            MHD_create_response_from_iovec(parts, (unsigned)view->part_count, give_back_view, view);
    }
    if (made == NULL) {
        store_view_give_back(view);
    }
    return made;
}

static struct MHD_Response *make_response(const struct response *response)
{
    struct MHD_Response *made;
    if (response->view != NULL && response->bytes.size > 0) {
        made = make_view_response(response->view, response->first, response->bytes.size);
    } else {
        const size_t size = response->view != NULL ? 0 : response->bytes.size;
        made = MHD_create_response_from_buffer(
            size, size == 0 ? NULL : unconst(response->bytes.data), MHD_RESPMEM_PERSISTENT);
    }
    for (size_t i = 0; made != NULL && i < response->header_count; i++) {
        if (MHD_add_response_header(made, response->headers[i].name, response->headers[i].value) !=
            MHD_YES) {
            MHD_destroy_response(made);
            made = NULL;
        }
    }
    return made;
}

/* What is prepared of a whole view is used again for every client. */
static struct MHD_Response *prepared_response(const struct response *response)
{
    struct store_view *view = response->view;
    void **slot =
        &view->prepared[(response->status == 304 ? 1 : 0) + (response->is_private ? 2 : 0) +
                        (response->is_versioned ? 4 : 0)];
    if (*slot == NULL) {
        *slot = make_response(response);
        view->forget = forget_prepared;
    }
    return *slot;
}

static enum MHD_Result send_response(struct MHD_Connection *handle, struct connection *connection)
{
    struct response *response = &connection->response;
    struct store_view *view = response->view;
    const bool must_close = response->must_close || connection->worker->drain_end_ms != 0;
    enum MHD_Result queued = MHD_NO;
    struct MHD_Response *made;
    if (response->is_whole_view && !must_close && store_view_is_kept(view)) {
        made = prepared_response(response);
        if (made != NULL) {
            queued = MHD_queue_response(handle, response->status, made);
        }
    } else {
        made = make_response(response);
        if (made != NULL && must_close &&
            MHD_add_response_header(made, "Connection", "close") != MHD_YES) {
            MHD_destroy_response(made);
            made = NULL;
        }
        if (made != NULL) {
            queued = MHD_queue_response(handle, response->status, made);
            MHD_destroy_response(made);
        }
    }
    store_view_give_back(view);
    response->view = NULL;
    connection->sent_bytes = connection->request.method == MESSAGE_HEAD ? 0 : response->bytes.size;
    connection->is_answered = true;
    deadline_begin(&connection->deadline, DEADLINE_SENDING, connection->worker->now_ms);
    return queued;
}

static enum MHD_Result answer(struct MHD_Connection *handle, struct connection *connection)
{
    const struct worker *worker = connection->worker;
    connection->request.body = buf_span(&connection->body);
    if (worker->is_admin) {
        const struct http *http = worker->http;
        const struct admin admin = {.catalogue = worker->catalogue,
                                    .workers = http->metrics,
                                    .worker_count = http->options.worker_count,
                                    .usage = http->usage,
                                    .is_draining = worker->drain_end_ms != 0};
        admin_answer(&admin, &connection->request, &connection->memory, &connection->response);
        return send_response(handle, connection);
    }
    const struct http_options *options = &worker->http->options;
    const struct routes_context context = {.catalogue = worker->catalogue,
                                           .cache = worker->cache,
                                           .attributes = worker->attributes,
                                           .limiter = worker->http->limiter,
                                           .address_rate = options->address_rate,
                                           .public_url = options->public_url,
                                           .now_s = worker->wall_ms / 1000,
                                           .now_ms = worker->now_ms,
                                           .is_draining = worker->drain_end_ms != 0};
    routes_answer(&context, &connection->request, &connection->memory, &connection->response);
    return send_response(handle, connection);
}

static enum MHD_Result refuse(struct MHD_Connection *handle, struct connection *connection,
                              unsigned status, const char *why)
{
    answer_refusal(status, why, &connection->memory, &connection->response);
    metrics_note(&connection->worker->metrics, METRICS_REFUSED);
    connection->response.must_close = true;
    return send_response(handle, connection);
}

/* ---- the library's callbacks ---- */

static struct connection *connection_of(struct MHD_Connection *handle)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

/* Called with the whole URI once the request line is here, before the library
 * takes the query apart in place. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *handle)
{
    (void)cls;
    struct connection *connection = connection_of(handle);
    if (connection == NULL) {
        return NULL;
    }
    connection->begin_ns = clock_ns(CLOCK_MONOTONIC);
    deadline_begin(&connection->deadline, DEADLINE_HEAD, connection->worker->now_ms);
    connection->is_seen = false;
    connection->is_answered = false;
    connection->response = (struct response){.status = 0};
    connection->request = (struct request){.method = MESSAGE_OTHER};
    const char *mark = strchr(uri, '?');
    connection->path = (struct text){uri, mark == NULL ? strlen(uri) : (size_t)(mark - uri)};
    connection->query = (struct text){NULL, 0};
    if (mark != NULL) {
        const struct text query = text_of(mark + 1);
        connection->query.data = message_keep(&connection->memory, query);
        connection->query.size = connection->query.data == NULL ? 0 : query.size;
    }
    return connection;
}

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size)
{
    (void)kind;
    guard_header(cls, (struct text){name, name_size},
                 (struct text){value == NULL ? "" : value, value_size});
    return MHD_YES;
}

/* What a proxy of ours says of its client counts; what others say does not. */
static void look_behind_proxy(struct connection *connection, const struct peer_forwarded *forwarded)
{
    const struct http_options *options = &connection->worker->http->options;
    struct request *request = &connection->request;
    request->client_hash = connection->peer_hash;
    request->scheme = options->certificate != NULL ? text_of("https") : (struct text){NULL, 0};
    if (!connection->is_proxy) {
        return;
    }
    const struct peer client = peer_client(&connection->peer, forwarded, &options->proxies);
    peer_print(&client, connection->client);
    request->client_hash = peer_hash(&client);
    const struct text scheme = peer_scheme(forwarded);
    if (scheme.size > 0) {
        request->scheme = scheme;
    }
    if (guard_is_host(forwarded->host)) {
        request->host = forwarded->host;
    }
    request->prefix = peer_prefix(forwarded);
}

static enum MHD_Result begin_request(struct MHD_Connection *handle, struct connection *connection,
                                     const char *url, const char *method, const char *version)
{
    struct request *request = &connection->request;
    connection->is_seen = true;
    connection->deadline.phase = DEADLINE_BODY;
    snprintf(connection->method, sizeof connection->method, "%.10s", method);
    connection->path = text_of(url);
    request->method = guard_method(method);
    request->path = connection->path;
    request->query = connection->query;
    struct guard guard = {.request = request};
    MHD_get_connection_values_n(handle, MHD_HEADER_KIND, take_header, &guard);
    look_behind_proxy(connection, &guard.forwarded);
    const char *why = NULL;
    const unsigned status = guard_refusal(&guard, strcmp(version, "HTTP/1.1") != 0,
                                          connection->worker->http->options.body_bytes, &why);
    return status == 0 ? MHD_YES : refuse(handle, connection, status, why);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *handle, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **con_cls)
{
    (void)cls;
    struct connection *connection = *con_cls;
    if (connection == NULL) {
        return MHD_NO;
    }
    if (!connection->is_seen) {
        /* An answer now would close the connection: see http.h. */
        return begin_request(handle, connection, url, method, version);
    }
    if (*upload_size > 0) {
        buf_add(&connection->body, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    if (connection->is_answered) {
        return MHD_YES;
    }
    if (connection->body.refusal != ERR_NONE) {
        return refuse(handle, connection, 413, "the body is too large");
    }
    return answer(handle, connection);
}

static void log_request(struct connection *connection, enum MHD_RequestTerminationCode code)
{
    struct worker *worker = connection->worker;
    const struct response *response = &connection->response;
    const uint64_t microseconds = (clock_ns(CLOCK_MONOTONIC) - connection->begin_ns) / 1000;
    const bool is_cut = code != MHD_REQUEST_TERMINATED_COMPLETED_OK;
    const struct access_log_entry entry = {
        .time_ms = worker->wall_ms,
        .client = connection->client,
        .method = connection->method,
        .path = connection->path,
        .status = response->status,
        .bytes = connection->sent_bytes,
        .microseconds = microseconds,
        .package = response->package,
        .key = response->key,
        .failure = response->failure,
        .is_cut = is_cut,
    };
    access_log_add(&worker->lines, &entry);
    if (worker->is_admin) {
        return;
    }
    metrics_answered(&worker->metrics, response->status, connection->sent_bytes, microseconds);
    if (response->status == 429) {
        metrics_note(&worker->metrics, METRICS_LIMITED);
    }
    if (response->failure != NULL) {
        metrics_note(&worker->metrics, METRICS_FAILED);
    }
    if (is_cut) {
        metrics_note(&worker->metrics, METRICS_LEFT);
    }
    if (response->package != NULL && response->status < 400) {
        usage_tally_add(worker->tally, worker->wall_ms / 1000, response->package, response->key,
                        connection->sent_bytes);
    }
}

static void on_completed(void *cls, struct MHD_Connection *handle, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    (void)cls;
    (void)handle;
    struct connection *connection = *con_cls;
    if (connection == NULL) {
        return;
    }
    if (connection->is_seen) {
        log_request(connection, code);
    }
    buf_release(&connection->body);
    arena_release(&connection->memory);
    deadline_begin(&connection->deadline, DEADLINE_IDLE, connection->worker->now_ms);
    connection->is_seen = false;
    *con_cls = NULL;
}

/* Learns who is at the other end; one too many of an address goes at once. */
static void meet(struct connection *connection, struct MHD_Connection *handle)
{
    struct worker *worker = connection->worker;
    const struct http *http = worker->http;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info == NULL || info->client_addr == NULL ||
        !peer_of_socket(info->client_addr, &connection->peer)) {
        return; /* a UNIX socket: the one who passed it knows who may come */
    }
    peer_print(&connection->peer, connection->client);
    connection->peer_hash = peer_hash(&connection->peer);
    connection->is_proxy = peer_is_within(&connection->peer, &http->options.proxies);
    if (http->crowd == NULL || connection->is_proxy ||
        (peer_is_local(&connection->peer) && !http->options.is_local_limited)) {
        return;
    }
    connection->is_counted = crowd_enter(http->crowd, &connection->peer);
    if (!connection->is_counted) {
        metrics_note(&worker->metrics, METRICS_CROWDED);
        shutdown(connection->deadline.fd, SHUT_RDWR);
    }
}

static void open_connection(struct worker *worker, struct MHD_Connection *handle, void **socket_cls)
{
    struct connection *connection = worker->free_connections;
    if (connection != NULL) {
        worker->free_connections = connection->after;
    } else {
        connection = arena_array(&worker->memory, struct connection, 1);
    }
    *socket_cls = connection;
    if (connection == NULL) {
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
    *connection = (struct connection){.worker = worker,
                                      .deadline = {.fd = info == NULL ? -1 : info->connect_fd,
                                                   .phase = DEADLINE_FRESH,
                                                   .since_ms = worker->now_ms},
                                      .after = worker->open_connections};
    arena_init(&connection->memory, REQUEST_MEMORY_MAX);
    buf_init(&connection->body, (size_t)worker->http->options.body_bytes);
    if (connection->after != NULL) {
        connection->after->before = connection;
    }
    worker->open_connections = connection;
    worker->open_count++;
    metrics_note(&worker->metrics, METRICS_CONNECTED);
    meet(connection, handle);
}

static void close_connection(struct worker *worker, struct connection *connection)
{
    worker->open_count--;
    if (worker->to_sweep == connection) {
        worker->to_sweep = connection->after;
    }
    if (connection->before != NULL) {
        connection->before->after = connection->after;
    } else {
        worker->open_connections = connection->after;
    }
    if (connection->after != NULL) {
        connection->after->before = connection->before;
    }
    if (connection->is_counted) {
        crowd_leave(worker->http->crowd, &connection->peer);
    }
    metrics_note(&worker->metrics, METRICS_DISCONNECTED);
    buf_release(&connection->body);
    arena_release(&connection->memory);
    connection->after = worker->free_connections;
    worker->free_connections = connection;
}

static void on_connection(void *cls, struct MHD_Connection *handle, void **socket_cls,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        open_connection(cls, handle, socket_cls);
    } else if (*socket_cls != NULL) {
        close_connection(cls, *socket_cls);
        *socket_cls = NULL;
    }
}

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

/* ---- a worker ---- */

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
    worker->now_ms = clock_ms(CLOCK_MONOTONIC);
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
    store_cache_close(worker->cache);
    catalogue_drop(worker->catalogue);
    access_log_lines_release(&worker->lines);
    arena_release(&worker->memory);
}

static bool start_daemon(struct worker *worker, unsigned connections)
{
    const struct http *http = worker->http;
    const struct http_options *options = &http->options;
    const bool is_tls = http->certificate != NULL && !worker->is_admin;
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, unconst(http->certificate)},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, unconst(http->private_key)},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, unconst("SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")},
        {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    worker->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG | (is_tls ? MHD_USE_TLS : 0U), 0, NULL, NULL, on_request,
        worker, MHD_OPTION_EXTERNAL_LOGGER, drop_message, NULL,              /* first */
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket)worker->listen_fd,             /* */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,              /* */
        MHD_OPTION_CONNECTION_LIMIT, connections,                            /* */
        MHD_OPTION_CONNECTION_TIMEOUT, options->idle_s + options->request_s, /* */
        MHD_OPTION_STRICT_FOR_CLIENT, 1,                                     /* */
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,                                /* */
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, worker,                         /* */
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,                   /* */
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, worker,                   /* */
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, worker,                 /* */
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
        return err_set(err, ERR_LIBRARY,
                       worker->http->certificate == NULL
                           ? "libmicrohttpd does not start"
                           : "libmicrohttpd does not start: do certificate and key fit together?");
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

/* A PEM file as terminated text. */
static bool read_pem(const char *path, struct arena *memory, const char **out, struct err *err)
{
    struct io_map map;
    if (!io_map(path, &map, err)) {
        return false;
    }
    *out = message_keep(memory, (struct text){(const char *)map.bytes.data, map.bytes.size});
    io_unmap(&map);
    return *out != NULL || arena_full(memory, err);
}

/* What all workers share. */
static bool open_shared(struct http *http, struct err *err)
{
    const struct http_options *options = &http->options;
    if (options->certificate != NULL &&
        (!read_pem(options->certificate, &http->memory, &http->certificate, err) ||
         !read_pem(options->private_key, &http->memory, &http->private_key, err))) {
        return false;
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
    const struct metrics **metrics = arena_array(&memory, const struct metrics *, count);
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
        metrics[i] = &workers[i].metrics;
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
