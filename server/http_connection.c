/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "server/guard.h"
#include "server/http_internal.h"

/* What the library asks for at a time of an answer that is made while it is sent. */
enum { REQUEST_MEMORY_MAX = 512 << 20, PART_BYTES = 16 * 1024 };

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
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

/* A response over a view's bytes; it holds the view until it is destroyed. */
static struct MHD_Response *make_view_response(struct store_view *view, uint64_t first, size_t size)
{
    struct MHD_Response *made;
    store_view_keep(view);
    if (view->part_count == 1) {
        made = MHD_create_response_from_buffer_with_free_callback_cls(
            size, http_unconst(view->parts[0].data + first), give_back_view, view);
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

/* What comes next of an answer that is made while it is sent. */
static bool make_part(struct connection *connection)
{
    struct response_rest *rest = connection->response.rest;
    struct err err;
    const uint64_t from_ns = clock_ns();
    bool ok = true;
    connection->part_at = 0;
    do {
        buf_reset(&connection->part);
        ok = rest->more(rest, &connection->part, &connection->is_last_part, &err) &&
             buf_finish(&connection->part, &err);
    } while (ok && connection->part.size == 0 && !connection->is_last_part);
    connection->worker->question_ns += clock_ns() - from_ns;
    if (!ok) {
        char line[512];
        err_format(&err, line, sizeof line);
        connection->response.failure = message_keep(&connection->memory, text_of(line));
    }
    return ok;
}

static ssize_t read_part(void *cls, uint64_t position, char *out, size_t most)
{
    struct connection *connection = cls;
    (void)position;
    if (connection->part_at == connection->part.size) {
        if (connection->is_last_part) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        if (!make_part(connection)) {
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
    }
    const size_t left = connection->part.size - connection->part_at;
    const size_t size = left < most ? left : most;
    if (size == 0) { /* the last part was empty */
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    memcpy(out, connection->part.data + connection->part_at, size);
    connection->part_at += size;
    connection->sent_bytes += size;
    return (ssize_t)size;
}

/* The first part is made already, and goes out with the head. */
static struct MHD_Response *make_long_response(struct connection *connection)
{
    const struct span first = connection->response.bytes;
    buf_reset(&connection->part);
    buf_add(&connection->part, first.data, first.size);
    connection->part_at = 0;
    connection->is_last_part = false;
    if (connection->part.refusal != ERR_NONE) {
        return NULL;
    }
    struct MHD_Response *made = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PART_BYTES,
                                                                  read_part, connection, NULL);
    /* The library ends even a HEAD with a last chunk, which would be the beginning of
     * the next answer: in HTTP/1.0 there are none, and the connection closes. */
    if (made != NULL && connection->request.method == MESSAGE_HEAD) {
        MHD_set_response_options(made, MHD_RF_HTTP_VERSION_1_0_ONLY, MHD_RO_END);
    }
    return made;
}

static struct MHD_Response *make_response(struct connection *connection)
{
    const struct response *response = &connection->response;
    struct MHD_Response *made;
    if (response->rest != NULL) {
        made = make_long_response(connection);
    } else if (response->view != NULL && response->bytes.size > 0) {
        made = make_view_response(response->view, response->first, response->bytes.size);
    } else {
        const size_t size = response->view != NULL ? 0 : response->bytes.size;
        made = MHD_create_response_from_buffer(
            size, size == 0 ? NULL : http_unconst(response->bytes.data), MHD_RESPMEM_PERSISTENT);
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

/* In any locale. */
static void write_date(struct worker *worker, int64_t now_s)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const time_t when = (time_t)now_s;
    struct tm parts;
    if (gmtime_r(&when, &parts) != NULL) {
        snprintf(worker->date, sizeof worker->date, "%s, %02u %s %04u %02u:%02u:%02u GMT",
                 days[parts.tm_wday], (unsigned)parts.tm_mday % 100U, months[parts.tm_mon],
                 (unsigned)(1900 + parts.tm_year) % 10000U, (unsigned)parts.tm_hour % 100U,
                 (unsigned)parts.tm_min % 100U, (unsigned)parts.tm_sec % 100U);
    }
    worker->dated_s = now_s;
}

/* The library would print the date into every answer. What is prepared keeps one for
 * a second; adding another takes its place. Heads are copied out of a response before
 * the turn goes on, so no answer under way has it changed. */
static void date_response(struct worker *worker, struct MHD_Response *prepared, int64_t *dated_s)
{
    const int64_t now_s = worker->wall_ms / 1000;
    if (*dated_s == now_s) {
        return;
    }
    if (worker->dated_s != now_s) {
        write_date(worker, now_s);
    }
    if (MHD_add_response_header(prepared, "Date", worker->date) == MHD_YES) {
        *dated_s = now_s;
    }
}

/* What is prepared of a whole view is used again for every client. */
static size_t prepared_index(const struct response *response)
{
    return (response->status == 304 ? 1U : 0U) + (response->is_private ? 2U : 0U) +
           (response->is_versioned ? 4U : 0U);
}

static struct MHD_Response *prepared_response(struct connection *connection)
{
    const struct response *response = &connection->response;
    struct store_view *view = response->view;
    const size_t index = prepared_index(response);
    if (view->prepared[index] == NULL) {
        view->prepared[index] = make_response(connection);
        view->dated_s[index] = 0;
        view->forget = forget_prepared;
    }
    if (view->prepared[index] != NULL) {
        date_response(connection->worker, view->prepared[index], &view->dated_s[index]);
    }
    return view->prepared[index];
}

static enum MHD_Result send_response(struct MHD_Connection *handle, struct connection *connection)
{
    struct response *response = &connection->response;
    struct store_view *view = response->view;
    const bool must_close = response->must_close || connection->worker->drain_end_ms != 0;
    enum MHD_Result queued = MHD_NO;
    struct MHD_Response *made;
    if (response->is_whole_view && !must_close && store_view_is_kept(view)) {
        made = prepared_response(connection);
        if (made != NULL) {
            queued = MHD_queue_response(handle, response->status, made);
        }
    } else {
        made = make_response(connection);
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
    connection->sent_bytes = connection->request.method == MESSAGE_HEAD || response->rest != NULL
                                 ? 0
                                 : response->bytes.size;
    connection->is_answered = true;
    deadline_begin(&connection->deadline, DEADLINE_SENDING, connection->worker->now_ms);
    return queued;
}

/* A name of the catalogue, for when that is another one before the answer has left. */
static const char *keep_name(struct arena *memory, const char *name, char *room, size_t room_bytes)
{
    if (name == NULL) {
        return NULL;
    }
    const size_t size = strlen(name);
    if (size >= room_bytes) {
        return message_keep(memory, (struct text){name, size});
    }
    memcpy(room, name, size + 1);
    return room;
}

static void keep_names(struct connection *connection)
{
    struct response *response = &connection->response;
    response->package = keep_name(&connection->memory, response->package, connection->package,
                                  sizeof connection->package);
    response->key =
        keep_name(&connection->memory, response->key, connection->key, sizeof connection->key);
}

/* True when the connection has an answer that was given before, and prepared. */
static bool answer_again(struct connection *connection)
{
    const struct worker *worker = connection->worker;
    struct response *response = &connection->response;
    if (worker->known == NULL || worker->drain_end_ms != 0 ||
        !known_answer(worker->known, &connection->request, response)) {
        return false;
    }
    if (response->view->prepared[prepared_index(response)] == NULL) {
        store_view_give_back(response->view);
        *response = (struct response){.status = 0};
        return false;
    }
    return true;
}

static enum MHD_Result answer(struct MHD_Connection *handle, struct connection *connection)
{
    struct worker *worker = connection->worker;
    connection->request.body = buf_span(&connection->body);
    if (worker->is_admin) {
        const struct http *http = worker->http;
        struct admin admin = {.catalogue = worker->catalogue,
                              .metrics = http->metrics,
                              .metrics_count = http->metrics_count,
                              .usage = http->usage,
                              .started_s = http->started_s,
                              .is_draining = worker->drain_end_ms != 0};
        int64_t begins_s;
        http_certificate_times(http, &begins_s, &admin.certificate_ends_s);
        admin_answer(&admin, &connection->request, &connection->memory, &connection->response);
        return send_response(handle, connection);
    }
    if (answer_again(connection)) {
        keep_names(connection);
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
                                           .question_ns = (uint64_t)options->question_ms * 1000000,
                                           .turn_ns = &worker->question_ns,
                                           .is_draining = worker->drain_end_ms != 0};
    routes_answer(&context, &connection->request, &connection->memory, &connection->response);
    if (worker->known != NULL) {
        known_note(worker->known, &connection->request, &connection->response);
    }
    keep_names(connection);
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

/* A head that leaves the library too little of its pool for the head of an answer
 * would be hung up on without a word: a bare status still fits. */
static enum MHD_Result refuse_barely(struct MHD_Connection *handle, struct connection *connection,
                                     unsigned status)
{
    connection->response = (struct response){.status = status, .must_close = true};
    metrics_note(&connection->worker->metrics, METRICS_REFUSED);
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
void *http_on_uri(void *cls, const char *uri, struct MHD_Connection *handle)
{
    (void)cls;
    struct connection *connection = connection_of(handle);
    if (connection == NULL) {
        return NULL;
    }
    connection->begin_ns = connection->worker->now_ns;
    deadline_begin(&connection->deadline, DEADLINE_HEAD, connection->worker->now_ms);
    connection->is_seen = false;
    connection->is_answered = false;
    connection->is_incomplete = false;
    connection->uri_bytes = strlen(uri);
    connection->response = (struct response){.status = 0};
    connection->request = (struct request){.method = MESSAGE_OTHER};
    const char *mark = strchr(uri, '?');
    connection->path = (struct text){uri, mark == NULL ? strlen(uri) : (size_t)(mark - uri)};
    connection->query = (struct text){NULL, 0};
    if (mark != NULL) {
        const struct text query = text_of(mark + 1);
        connection->query.data = message_keep(&connection->memory, query);
        connection->query.size = connection->query.data == NULL ? 0 : query.size;
        connection->is_incomplete = connection->query.data == NULL;
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
    if (connection->uri_bytes + guard.head_bytes > HTTP_HEAD_BYTES) {
        return refuse_barely(handle, connection,
                             connection->uri_bytes > HTTP_HEAD_BYTES / 2 ? 414 : 431);
    }
    if (connection->is_incomplete) {
        return refuse(handle, connection, 503, "the server is short of memory, try again");
    }
    const char *why = NULL;
    const unsigned status = guard_refusal(&guard, strcmp(version, "HTTP/1.1") != 0,
                                          connection->worker->http->options.body_bytes, &why);
    return status == 0 ? MHD_YES : refuse(handle, connection, status, why);
}

enum MHD_Result http_on_request(void *cls, struct MHD_Connection *handle, const char *url,
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

/* The library lets go of the response without reading on. */
static void close_rest(struct connection *connection)
{
    struct response_rest *rest = connection->response.rest;
    connection->response.rest = NULL;
    if (rest != NULL) {
        rest->close(rest);
    }
    buf_release(&connection->part);
}

static void log_request(struct connection *connection, enum MHD_RequestTerminationCode code)
{
    struct worker *worker = connection->worker;
    const struct response *response = &connection->response;
    worker->now_ns = clock_ns();
    const uint64_t microseconds = (worker->now_ns - connection->begin_ns) / 1000;
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
    const struct metrics_answer told = {response->kind, response->status, connection->sent_bytes,
                                        microseconds};
    metrics_answered(&worker->metrics, &told);
    if (response->status == 429) {
        metrics_note(&worker->metrics, METRICS_LIMITED);
    }
    if (response->is_shed) {
        metrics_note(&worker->metrics, METRICS_SHED);
    }
    if (response->failure != NULL) {
        metrics_note(&worker->metrics, METRICS_FAILED);
    }
    if (is_cut) {
        metrics_note(&worker->metrics, METRICS_LEFT);
    }
    if (response->package != NULL) {
        const struct usage_call call = {response->package, response->key, response->status,
                                        connection->sent_bytes};
        usage_tally_add(worker->tally, worker->wall_ms / 1000, &call);
    }
}

void http_on_completed(void *cls, struct MHD_Connection *handle, void **con_cls,
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
    close_rest(connection);
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

/* The certificate in force now, in place of the one that the library began with. */
static void certify(struct connection *connection, struct MHD_Connection *handle)
{
    struct certificates *certificates = connection->worker->http->certificates;
    if (certificates == NULL || connection->worker->is_admin) {
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info != NULL && info->tls_session != NULL) {
        connection->certificate = certificates_hold(certificates);
        certificate_use(connection->certificate, info->tls_session);
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
    buf_init(&connection->part, ANSWER_BYTES_MAX);
    buf_init(&connection->body, (size_t)worker->http->options.body_bytes);
    if (connection->after != NULL) {
        connection->after->before = connection;
    }
    worker->open_connections = connection;
    worker->open_count++;
    metrics_note(&worker->metrics, METRICS_CONNECTED);
    certify(connection, handle);
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
    close_rest(connection);
    buf_release(&connection->body);
    arena_release(&connection->memory);
    certificate_drop(connection->certificate);
    connection->after = worker->free_connections;
    worker->free_connections = connection;
}

void http_on_connection(void *cls, struct MHD_Connection *handle, void **socket_cls,
                        enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        open_connection(cls, handle, socket_cls);
    } else if (*socket_cls != NULL) {
        close_connection(cls, *socket_cls);
        *socket_cls = NULL;
    }
}
