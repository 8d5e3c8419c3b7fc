/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/server/city_case.h"

#define TILE_PATH "/collections/ours/3dtiles/" SERVED_TILE
#define HOST "Host: localhost\r\n"

static struct served served;
static struct catalogue_current current;
static struct access_log access_log;
static struct http *http;
static struct access *everyone;
static struct usage *usage;
static char log_path[128];

static struct http_shared shared_of_test(void)
{
    return (struct http_shared){.current = &current, .log = &access_log, .usage = usage};
}

static uint32_t house_count; /* of packages/city/; 0: there is none */

static void set_up(unsigned worker_count)
{
    struct err err;
    signal(SIGPIPE, SIG_IGN);
    served_open(&served);
    if (house_count > 0) {
        city_open_of(&served, house_count);
    }
    snprintf(log_path, sizeof log_path, "%s/access.log", served.root);
    const char *const paths[] = {served.packages};
    CHECK_OK(access_open(NULL, false, &everyone, &err), &err);
    CHECK_OK(usage_open(NULL, 0, &usage, &err), &err);
    const struct catalogue_options catalogue = {
        .paths = paths, .path_count = 1, .access = everyone};
    struct catalogue *first;
    CHECK_OK(catalogue_open(&catalogue, NULL, NULL, NULL, &first, &err), &err);
    catalogue_current_init(&current, first);
    CHECK_OK(access_log_open(&access_log, log_path, &err), &err);
    const struct http_options options = {.listen = "127.0.0.1:0",
                                         .admin = "127.0.0.1:0",
                                         .worker_count = worker_count,
                                         .connection_limit = 600,
                                         .address_limit = 300,
                                         .is_local_limited = true,
                                         .cache_slots = 64,
                                         .head_s = 1,
                                         .idle_s = 3,
                                         .request_s = 1,
                                         .send_rate = 1024,
                                         .body_bytes = 1000};
    const struct http_shared shared = shared_of_test();
    CHECK_OK(http_open(&options, &shared, &http, &err), &err);
}

static void release_shared(void)
{
    access_log_close(&access_log);
    catalogue_current_release(&current);
    access_drop(everyone);
    usage_close(usage);
    served_close(&served);
}

static void tear_down(void)
{
    http_close(http, 2);
    release_shared();
}

static int dial(void)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(strrchr(http_address(http), ':') + 1)),
        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_EQ(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        CHECK(sent > 0);
        bytes += sent;
        size -= (size_t)sent;
    }
}

/* What the server says until it closes or is silent for `wait_ms`; terminated. */
static size_t hear(int fd, char *out, size_t out_bytes, int wait_ms, bool *out_is_closed)
{
    size_t size = 0;
    *out_is_closed = false;
    while (size + 1 < out_bytes) {
        struct pollfd watched = {.fd = fd, .events = POLLIN};
        if (poll(&watched, 1, wait_ms) <= 0) {
            break;
        }
        const ssize_t got = recv(fd, out + size, out_bytes - 1 - size, 0);
        if (got <= 0) {
            *out_is_closed = true;
            break;
        }
        size += (size_t)got;
    }
    out[size] = '\0';
    return size;
}

static size_t count_of(const char *text, const char *word)
{
    const size_t size = strlen(word);
    size_t count = 0;
    /* strstr() of the address sanitizer looks for the end of the text each time. */
    for (const char *at = strchr(text, word[0]); at != NULL; at = strchr(at + 1, word[0])) {
        count += strncmp(at, word, size) == 0 ? 1 : 0;
    }
    return count;
}

/* One connection, one text, the whole answer. */
static bool converse(const char *text, size_t size, char *reply, size_t reply_bytes)
{
    bool is_closed;
    const int fd = dial();
    say(fd, text, size);
    hear(fd, reply, reply_bytes, 400, &is_closed);
    close(fd);
    return is_closed;
}

/* The same on the admin listener. */
static void ask_admin(const char *text, char *reply, size_t reply_bytes)
{
    bool is_closed;
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(strrchr(http_admin_address(http), ':') + 1)),
        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    say(fd, text, strlen(text));
    hear(fd, reply, reply_bytes, 400, &is_closed);
    close(fd);
}

#define LITERAL(text) (text), sizeof(text) - 1

/* The guard's table: what comes in, what must be said, and whether the
 * connection must be closed. status 0: closed without an answer is right too,
 * and anything but success is. */
static void guard__refuses_what_proxies_may_read_in_another_way(void)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t size;
        unsigned status;
        bool is_closed;
    } cases[] = {
        {"fine", LITERAL("GET /livez HTTP/1.1\r\n" HOST "\r\n"), 200, false},
        {"two lengths",
         LITERAL("POST /livez HTTP/1.1\r\n" HOST
                 "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
         400, true},
        {"the same length twice",
         LITERAL("POST /livez HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"),
         400, true},
        {"length and coding",
         LITERAL("POST /livez HTTP/1.1\r\n" HOST
                 "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
         400, true},
        {"unknown coding",
         LITERAL("POST /livez HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n"), 0, true},
        {"length that is a list",
         LITERAL("POST /livez HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\na"), 0, true},
        {"length with a sign",
         LITERAL("POST /livez HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\na"), 0, true},
        {"negative length", LITERAL("POST /livez HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n"),
         0, true},
        {"two hosts", LITERAL("GET /livez HTTP/1.1\r\n" HOST "Host: other\r\n\r\n"), 400, true},
        {"no host", LITERAL("GET /livez HTTP/1.1\r\n\r\n"), 400, true},
        {"a host that is none", LITERAL("GET /livez HTTP/1.1\r\nHost: a\"><script>\r\n\r\n"), 400,
         true},
        {"empty host", LITERAL("GET /livez HTTP/1.1\r\nHost:\r\n\r\n"), 400, true},
        {"space before the colon", LITERAL("GET /livez HTTP/1.1\r\nHost : a\r\n\r\n"), 400, true},
        {"space before the colon of a length",
         LITERAL("POST /livez HTTP/1.1\r\n" HOST "Content-Length : 1\r\n\r\na"), 400, true},
        {"length on a folded line",
         LITERAL("POST /livez HTTP/1.1\r\n" HOST "Content-Length:\r\n 1\r\n\r\na"), 400, true},
        {"coding on a folded line",
         LITERAL("POST /livez HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
         400, true},
        {"header on a folded line",
         LITERAL("GET /livez HTTP/1.1\r\n" HOST "X-A: 1\r\n Content-Length: 9\r\n\r\n"), 400, true},
        {"quotes in a name", LITERAL("GET /livez HTTP/1.1\r\n" HOST "X\"A: 1\r\n\r\n"), 400, true},
        {"control character in a value",
         LITERAL("GET /livez HTTP/1.1\r\n" HOST "X-A: a\x01"
                 "b\r\n\r\n"),
         400, true},
        {"body on GET", LITERAL("GET /livez HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"), 413,
         true},
        {"chunked body on GET",
         LITERAL("GET /livez HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 413,
         true},
        {"body beyond the limit",
         LITERAL("POST /livez HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n"), 413, true},
        {"NUL in the path", LITERAL("GET /livez%00.html HTTP/1.1\r\n" HOST "\r\n"), 400, false},
        {"slash in a part", LITERAL("GET /a%2fb HTTP/1.1\r\n" HOST "\r\n"), 400, false},
        {"backslash", LITERAL("GET /a%5cb HTTP/1.1\r\n" HOST "\r\n"), 400, false},
        {"dots", LITERAL("GET /viewer/../../etc/passwd HTTP/1.1\r\n" HOST "\r\n"), 400, false},
        {"encoded dots",
         LITERAL("GET /collections/plain/3dtiles/%2e%2e/%2e%2e/secret.json HTTP/1.1\r\n" HOST
                 "\r\n"),
         400, false},
        {"overlong dots", LITERAL("GET /%c0%ae%c0%ae/a HTTP/1.1\r\n" HOST "\r\n"), 400, false},
        {"absolute URI of another", LITERAL("GET http://other/livez HTTP/1.1\r\n" HOST "\r\n"), 400,
         false},
        {"unknown method", LITERAL("BREW /livez HTTP/1.1\r\n" HOST "\r\n"), 405, false},
        {"HTTP/2.0", LITERAL("GET /livez HTTP/2.0\r\n" HOST "\r\n"), 505, true},
        {"no HTTP", LITERAL("\x16\x03\x01\x02\r\n\r\n"), 0, false},
    };
    set_up(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static char reply[8192];
        const bool is_closed = converse(cases[i].bytes, cases[i].size, reply, sizeof reply);
        const unsigned status = strncmp(reply, "HTTP/1.1 ", 9) == 0 ? (unsigned)atoi(reply + 9) : 0;
        const bool is_right =
            cases[i].status == 0 ? status == 0 || status >= 400 : status == cases[i].status;
        if (!is_right) {
            fail_msg("%s: %u instead of %u", cases[i].what, status, cases[i].status);
        }
        if (cases[i].is_closed && !is_closed) {
            fail_msg("%s: the connection stays open", cases[i].what);
        }
        /* Of a length that it cannot read the library says its own 400 twice. */
        if (count_of(reply, "HTTP/1.1 2") > 1) {
            fail_msg("%s: answered as two requests", cases[i].what);
        }
    }
    tear_down();
}

static void heads__that_are_too_large_are_refused(void)
{
    static char reply[8192];
    static char text[40000];
    set_up(1);
    int size = snprintf(text, sizeof text, "GET /livez?");
    memset(text + size, 'a', 20000);
    strcpy(text + size + 20000, " HTTP/1.1\r\n" HOST "\r\n");
    converse(text, strlen(text), reply, sizeof reply);
    CHECK(strncmp(reply, "HTTP/1.1 200", 12) != 0);
    size = snprintf(text, sizeof text, "GET /livez HTTP/1.1\r\n" HOST "X-Large: ");
    memset(text + size, 'a', 33000);
    strcpy(text + size + 33000, "\r\n\r\n");
    converse(text, strlen(text), reply, sizeof reply);
    CHECK(strncmp(reply, "HTTP/1.1 200", 12) != 0);
    converse(LITERAL("GET /livez HTTP/1.1\r\n" HOST "\r\n"), reply, sizeof reply);
    CHECK(strncmp(reply, "HTTP/1.1 200", 12) == 0);
    tear_down();
}

/* There is an answer: 200, or a status that says what is too long. */
static void heads__of_every_length_are_answered(void)
{
    static char reply[16384];
    static char text[20000];
    set_up(1);
    for (size_t length = 6000; length < 9000; length += 101) {
        for (int is_header = 0; is_header < 2; is_header++) {
            char filler[9001];
            memset(filler, 'a', length);
            filler[length] = '\0';
            snprintf(text, sizeof text,
                     is_header ? "GET /collections HTTP/1.1\r\n" HOST "X-Filler: %s\r\n\r\n"
                               : "GET /collections?f=json&key=%s HTTP/1.1\r\n" HOST "\r\n",
                     filler);
            bool is_closed;
            const int fd = dial();
            say(fd, text, strlen(text));
            size_t size = 0;
            for (int tries = 0; size == 0 && tries < 200; tries++) {
                size = hear(fd, reply, sizeof reply, 20, &is_closed);
                tries += is_closed ? 200 : 0;
            }
            close(fd);
            const unsigned status =
                strncmp(reply, "HTTP/1.1 ", 9) == 0 ? (unsigned)atoi(reply + 9) : 0;
            /* Close to 8 KiB the library hangs up by itself. */
            const bool is_hung_up = status == 0 && length > 7800;
            if (status != 200 && status != 414 && status != 431 && !is_hung_up) {
                fail_msg("%zu bytes in the %s: %u", length, is_header ? "headers" : "URI", status);
            }
            CHECK(length > 6500 || status == 200);
        }
    }
    tear_down();
}

static void keep_alive__serves_one_request_after_another(void)
{
    static char reply[8192];
    bool is_closed;
    set_up(2);
    const int fd = dial();
    for (int i = 0; i < 50; i++) {
        say(fd, LITERAL("GET " TILE_PATH " HTTP/1.1\r\n" HOST "\r\n"));
        size_t size = 0;
        while (memmem(reply, size, "JSON", 4) == NULL) {
            size += hear(fd, reply + size, sizeof reply - size, 1, &is_closed);
            CHECK(!is_closed);
        }
        CHECK(strstr(reply, "HTTP/1.1 200 OK") == reply);
        CHECK(strstr(reply, "Connection: close") == NULL);
        CHECK(strstr(reply, "Content-Length: 20\r\n") != NULL);
    }
    close(fd);
    tear_down();
}

static void pipelining__answers_in_order(void)
{
    static char reply[65536];
    static char text[8192];
    bool is_closed;
    size_t size = 0;
    set_up(2);
    for (int i = 0; i < 50; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size,
                                 i % 2 == 0 ? "GET /livez HTTP/1.1\r\n" HOST "\r\n"
                                            : "GET /readyz HTTP/1.1\r\n" HOST "\r\n");
    }
    const int fd = dial();
    say(fd, text, size);
    hear(fd, reply, sizeof reply, 500, &is_closed);
    CHECK_EQ(count_of(reply, "HTTP/1.1 200 OK"), 50);
    const char *at = reply;
    for (int i = 0; i < 50; i++) {
        at = strstr(at, i % 2 == 0 ? "\r\n\r\nalive" : "\r\n\r\nready");
        CHECK(at != NULL);
    }
    close(fd);
    tear_down();
}

/* Two answers' dates may differ by a second. */
static void blank_date(char *head)
{
    char *date = strstr(head, "\r\nDate: ");
    CHECK(date != NULL);
    CHECK_EQ(strcspn(date + 2, "\r"), strlen("Date: Sun, 06 Nov 1994 08:49:37 GMT"));
    memset(date + 8, '-', strlen("Sun, 06 Nov 1994 08:49:37 GMT"));
}

static void head__says_all_but_the_body(void)
{
    static char full[8192];
    static char head[8192];
    set_up(1);
    converse(LITERAL("GET " TILE_PATH " HTTP/1.1\r\n" HOST "\r\n"), full, sizeof full);
    converse(LITERAL("HEAD " TILE_PATH " HTTP/1.1\r\n" HOST "\r\n"), head, sizeof head);
    char *body = strstr(head, "\r\n\r\n");
    CHECK(body != NULL);
    CHECK_EQ(strlen(body), 4);
    *strstr(full, "\r\n\r\n") = '\0';
    *body = '\0';
    blank_date(full);
    blank_date(head);
    CHECK_TEXT(strstr(full, "\r\nAccess-Control"), strstr(head, "\r\nAccess-Control"));
    tear_down();
}

static void conditional_and_partial_requests__are_answered(void)
{
    static char reply[8192];
    char text[512];
    set_up(1);
    converse(LITERAL("GET " TILE_PATH " HTTP/1.1\r\n" HOST "\r\n"), reply, sizeof reply);
    const char *etag = strstr(reply, "ETag: ");
    CHECK(etag != NULL);
    for (int i = 0; i < 2; i++) { /* the second from what was prepared */
        snprintf(text, sizeof text,
                 "GET " TILE_PATH " HTTP/1.1\r\n" HOST "If-None-Match: %.34s\r\n\r\n", etag + 6);
        static char second[8192];
        converse(text, strlen(text), second, sizeof second);
        CHECK(strncmp(second, "HTTP/1.1 304 Not Modified", 25) == 0);
        CHECK(strstr(second, "JSON") == NULL);
    }
    converse(LITERAL("GET " TILE_PATH " HTTP/1.1\r\n" HOST "Range: bytes=16-19\r\n\r\n"), reply,
             sizeof reply);
    CHECK(strncmp(reply, "HTTP/1.1 206 Partial Content", 28) == 0);
    CHECK(strstr(reply, "Content-Range: bytes 16-19/20\r\n") != NULL);
    CHECK(strstr(reply, "\r\n\r\nJSON") != NULL);
    converse(LITERAL("GET " TILE_PATH " HTTP/1.1\r\n" HOST "Range: bytes=20-\r\n\r\n"), reply,
             sizeof reply);
    CHECK(strncmp(reply, "HTTP/1.1 416", 12) == 0);
    CHECK(strstr(reply, "Content-Range: bytes */20\r\n") != NULL);
    tear_down();
}

static void gzip_members__come_framed(void)
{
    static char reply[8192];
    set_up(1);
    converse(LITERAL("GET /collections/ours/3dtiles/" SERVED_DEFLATE " HTTP/1.1\r\n" HOST
                     "Accept-Encoding: gzip\r\n\r\n"),
             reply, sizeof reply);
    CHECK(strstr(reply, "Content-Encoding: gzip\r\n") != NULL);
    const char *body = strstr(reply, "\r\n\r\n") + 4;
    CHECK(memcmp(body, "\x1f\x8b\x08", 3) == 0);
    tear_down();
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Drips `text` byte by byte; the milliseconds until the server hangs up. */
static int64_t drip(int fd, const char *text, int limit_ms)
{
    const int64_t begin = now_ms();
    for (size_t i = 0; now_ms() - begin < limit_ms; i++) {
        const char byte = i < strlen(text) ? text[i] : 'a';
        struct pollfd watched = {.fd = fd, .events = POLLIN};
        if (send(fd, &byte, 1, MSG_NOSIGNAL) < 0 || poll(&watched, 1, 200) > 0) {
            return now_ms() - begin;
        }
    }
    return limit_ms;
}

static void slow_clients__are_dropped_at_the_deadline(void)
{
    bool is_closed;
    char reply[1024];
    set_up(1);
    int fd = dial();
    CHECK(drip(fd, "GET /livez HTTP/1.1\r\nX-", 8000) < 4000);
    close(fd);
    fd = dial(); /* after one good request, and before the end of the request line */
    say(fd, LITERAL("GET /livez HTTP/1.1\r\n" HOST "\r\n"));
    hear(fd, reply, sizeof reply, 300, &is_closed);
    CHECK(!is_closed);
    CHECK(drip(fd, "GET /li", 12000) < 7000);
    close(fd);
    fd = dial(); /* a body that does not come */
    say(fd, LITERAL("POST /livez HTTP/1.1\r\n" HOST "Content-Length: 900\r\n\r\na"));
    CHECK(drip(fd, "aaaa", 8000) < 4000);
    close(fd);
    tear_down();
}

static void idle_clients__are_dropped_after_the_idle_time(void)
{
    bool is_closed;
    char reply[1024];
    set_up(1);
    const int fd = dial();
    say(fd, LITERAL("GET /livez HTTP/1.1\r\n" HOST "\r\n"));
    hear(fd, reply, sizeof reply, 1500, &is_closed);
    CHECK(!is_closed);
    hear(fd, reply, sizeof reply, 4500, &is_closed);
    CHECK(is_closed);
    close(fd);
    tear_down();
}

/* A hundred and twenty-eight ready connections stall the library's own loop. */
static void many_connections__are_all_answered(void)
{
    enum { COUNT = 260 };
    static int fds[COUNT];
    static char reply[4096];
    bool is_closed;
    set_up(1);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = dial();
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            say(fds[i], LITERAL("GET /livez HTTP/1.1\r\n" HOST "\r\n"));
        }
        for (int i = 0; i < COUNT; i++) {
            struct pollfd watched = {.fd = fds[i], .events = POLLIN};
            CHECK_EQ(poll(&watched, 1, 5000), 1);
            hear(fds[i], reply, sizeof reply, 0, &is_closed);
            CHECK(strstr(reply, "alive") != NULL);
        }
    }
    for (int i = 0; i < COUNT; i++) {
        close(fds[i]);
    }
    tear_down();
}

static void closing__lets_answers_finish_and_hangs_up_on_idle_ones(void)
{
    static char reply[4096];
    bool is_closed;
    set_up(2);
    const int idle = dial();
    say(idle, LITERAL("GET /livez HTTP/1.1\r\n" HOST "\r\n"));
    hear(idle, reply, sizeof reply, 300, &is_closed);
    CHECK(!is_closed);
    const int64_t begin = now_ms();
    http_close(http, 5);
    CHECK(now_ms() - begin < 3000);
    hear(idle, reply, sizeof reply, 100, &is_closed);
    CHECK(is_closed);
    close(idle);
    release_shared();
}

static void a_taken_port__is_a_clear_error(void)
{
    set_up(1);
    struct err err;
    struct http *second;
    const struct http_shared shared = shared_of_test();
    const struct http_options options = {.listen = http_address(http),
                                         .worker_count = 1,
                                         .connection_limit = 10,
                                         .cache_slots = 16,
                                         .head_s = 1,
                                         .idle_s = 1,
                                         .request_s = 1};
    CHECK_FAILS(http_open(&options, &shared, &second, &err), &err, ERR_IO);
    CHECK(strstr(err.message, "another program listens on 127.0.0.1:") != NULL);
    static const char *const wrong[] = {"8080", "127.0.0.1:", "127.0.0.1:http", "x.invalid:1",
                                        "1.2.3.4.5:80"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct http_options other = options;
        other.listen = wrong[i];
        CHECK_FAILS(http_open(&other, &shared, &second, &err), &err, ERR_SCHEMA);
    }
    tear_down();
}

static void access_log__has_a_line_of_json_for_each_request(void)
{
    static char reply[4096];
    set_up(1);
    converse(LITERAL("GET " TILE_PATH "?access_token=secret HTTP/1.1\r\n" HOST "\r\n"), reply,
             sizeof reply);
    converse(LITERAL("GET /a\"b HTTP/1.1\r\n" HOST "\r\n"), reply, sizeof reply);
    struct err err;
    struct io_map map;
    http_close(http, 1);
    CHECK_OK(io_map(log_path, &map, &err), &err);
    char text[2048];
    snprintf(text, sizeof text, "%.*s", (int)map.bytes.size, (const char *)map.bytes.data);
    io_unmap(&map);
    CHECK_EQ(count_of(text, "\n"), 2);
    CHECK(strstr(text, "\"client\":\"127.0.0.1\",\"method\":\"GET\",\"path\":\"" TILE_PATH
                       "\",\"status\":200,\"bytes\":20,\"us\":") != NULL);
    CHECK(strstr(text, "\"package\":\"ours\"") != NULL);
    CHECK(strstr(text, "secret") == NULL);
    CHECK(strstr(text, "/a\\\"b") != NULL);
    release_shared();
}

static void admin__tells_what_was_served_and_nothing_else(void)
{
    static char reply[65536];
    set_up(2);
    for (int i = 0; i < 3; i++) {
        converse(LITERAL("GET " TILE_PATH " HTTP/1.1\r\n" HOST "\r\n"), reply, sizeof reply);
    }
    usleep(1300 * 1000); /* workers hand over what they counted once a second */
    ask_admin("GET /metrics HTTP/1.1\r\n" HOST "\r\n", reply, sizeof reply);
    CHECK(strstr(reply, "\nstoreyd_requests_total{route=\"tiles\",status=\"2xx\"} 3\n") != NULL);
    CHECK(strstr(reply,
                 "storeyd_package_requests_today{package=\"ours\",key=\"\",status=\"2xx\"} 3\n") !=
          NULL);
    ask_admin("GET /usage HTTP/1.1\r\n" HOST "\r\n", reply, sizeof reply);
    CHECK(strstr(reply, "\"package\":\"ours\",\"key\":\"\",\"calls\":3,\"bytes\":60,\"2xx\":3,") !=
          NULL);
    ask_admin("GET /readyz HTTP/1.1\r\n" HOST "\r\n", reply, sizeof reply);
    CHECK(strncmp(reply, "HTTP/1.1 200", 12) == 0);
    ask_admin("GET /collections HTTP/1.1\r\n" HOST "\r\n", reply, sizeof reply);
    CHECK(strncmp(reply, "HTTP/1.1 404", 12) == 0);
    ask_admin("GET /admin/reload HTTP/1.1\r\n" HOST "\r\n", reply, sizeof reply);
    CHECK(strncmp(reply, "HTTP/1.1 405", 12) == 0);
    converse(LITERAL("GET /metrics HTTP/1.1\r\n" HOST "\r\n"), reply, sizeof reply);
    CHECK(strncmp(reply, "HTTP/1.1 404", 12) == 0);
    tear_down();
}

static void one_address__has_only_so_many_connections(void)
{
    enum { COUNT = 300 };
    static int fds[COUNT];
    static char reply[4096];
    bool is_closed;
    set_up(2);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = dial();
        say(fds[i], LITERAL("GET /livez HTTP/1.1\r\n" HOST "\r\n"));
        hear(fds[i], reply, 400, 1, &is_closed);
    }
    int fd = dial();
    hear(fd, reply, sizeof reply, 2000, &is_closed);
    CHECK(is_closed && reply[0] == '\0');
    close(fd);
    close(fds[0]);
    usleep(100 * 1000);
    fd = dial();
    say(fd, LITERAL("GET /livez HTTP/1.1\r\n" HOST "\r\n"));
    hear(fd, reply, sizeof reply, 400, &is_closed);
    CHECK(strncmp(reply, "HTTP/1.1 200", 12) == 0);
    close(fd);
    for (int i = 1; i < COUNT; i++) {
        close(fds[i]);
    }
    tear_down();
}

/* Readers go on while the package under them is replaced ten times. */
static void *read_tiles(void *argument)
{
    size_t *failures = argument;
    static const char text[] = "GET " TILE_PATH " HTTP/1.1\r\n" HOST "\r\n";
    const int fd = dial();
    for (int i = 0; i < 300; i++) {
        char reply[4096];
        size_t size = 0;
        if (send(fd, text, sizeof text - 1, MSG_NOSIGNAL) != sizeof text - 1) {
            ++*failures;
            break;
        }
        do {
            const ssize_t got = recv(fd, reply + size, sizeof reply - 1 - size, 0);
            if (got <= 0) {
                ++*failures;
                close(fd);
                return NULL;
            }
            size += (size_t)got;
            reply[size] = '\0';
        } while (memmem(reply, size, "JSON", 4) == NULL && size < sizeof reply - 1);
        *failures += strncmp(reply, "HTTP/1.1 200", 12) != 0;
    }
    close(fd);
    return NULL;
}

static void replacing__disturbs_no_reader(void)
{
    enum { READERS = 4 };
    pthread_t threads[READERS];
    size_t failures[READERS] = {0};
    struct err err;
    set_up(2);
    for (int i = 0; i < READERS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, read_tiles, &failures[i]), 0);
    }
    const char *const paths[] = {served.packages};
    for (int i = 0; i < 10; i++) {
        char fresh[160];
        snprintf(fresh, sizeof fresh, "%s/fresh", served.root);
        served_write_archive(fresh);
        CHECK_EQ(rename(fresh, served.ours), 0);
        const struct catalogue_options options = {
            .paths = paths, .path_count = 1, .access = everyone, .grace_s = 1000, .now_s = i};
        struct catalogue *before = catalogue_current_hold(&current);
        struct catalogue *next;
        CHECK_OK(catalogue_open(&options, before, NULL, NULL, &next, &err), &err);
        catalogue_drop(before);
        catalogue_current_replace(&current, next);
        http_wake(http);
    }
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(failures[i], 0);
    }
    tear_down();
}

/* ---- long answers ---- */

/* Houses of an answer that is beyond what sockets hold. */
enum { MANY = 20000, LONG_BYTES_MAX = 32 << 20 };

/* Takes chunks apart in place; false when the last one is missing. */
static bool join_chunks(char *text, size_t *out_size)
{
    char *from = strstr(text, "\r\n\r\n") + 4;
    char *to = text;
    for (;;) {
        char *line = from;
        const size_t size = strtoul(line, &from, 16);
        if (from == line || strncmp(from, "\r\n", 2) != 0) {
            return false;
        }
        from += 2;
        if (size == 0) {
            *out_size = (size_t)(to - text);
            return strcmp(from, "\r\n") == 0;
        }
        memmove(to, from, size);
        to += size;
        from += size + 2;
    }
}

/* A client that takes nothing of a long answer: others are served meanwhile, the
 * package may be replaced and the catalogue with it, and the answer is whole. */
static void long_answers__wait_for_their_client_alone(void)
{
    static const char page[] =
        "GET /collections/city/items?limit=10000 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    static const char tile[] = "GET " TILE_PATH " HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    char *reply = malloc(LONG_BYTES_MAX);
    char small[8192];
    bool is_closed;
    struct err err;
    house_count = MANY;
    set_up(1);
    house_count = 0;
    const int fd = dial();
    say(fd, page, sizeof page - 1);
    struct timespec pause = {.tv_nsec = 300000000};
    nanosleep(&pause, NULL);
    converse(tile, sizeof tile - 1, small, sizeof small);
    CHECK(strncmp(small, "HTTP/1.1 200", 12) == 0);

    const char *const others[] = {served.plain};
    const struct catalogue_options options = {.paths = others, .path_count = 1, .access = everyone};
    struct catalogue *next;
    CHECK_OK(catalogue_open(&options, NULL, NULL, NULL, &next, &err), &err);
    catalogue_current_replace(&current, next);
    http_wake(http);
    nanosleep(&pause, NULL);
    converse(tile, sizeof tile - 1, small, sizeof small);
    CHECK(strncmp(small, "HTTP/1.1 404", 12) == 0);

    size_t size = hear(fd, reply, LONG_BYTES_MAX, 2000, &is_closed);
    close(fd);
    CHECK(is_closed);
    CHECK(strncmp(reply, "HTTP/1.1 200", 12) == 0);
    CHECK(strstr(reply, "Transfer-Encoding: chunked") != NULL);
    CHECK(size > 4 << 20);
    CHECK(join_chunks(reply, &size));
    reply[size] = '\0';
    CHECK_EQ(count_of(reply, "\"type\":\"Feature\""), 10000);
    CHECK(strstr(reply, "\"id\":\"H-9999\"") != NULL);
    CHECK_TEXT(reply + size - 5, "}\n]}\n");
    free(reply);
    tear_down();
    /* The log names the package, whose catalogue has gone. */
}

/* Gone in the middle, and gone before the first byte: nothing stays behind. */
static void long_answers__may_be_left(void)
{
    static const char page[] = "GET /collections/city/items?limit=10000 HTTP/1.1\r\n" HOST "\r\n";
    static const char head[] =
        "HEAD /collections/city/items?limit=10000 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    char some[4096];
    bool is_closed;
    house_count = MANY;
    set_up(1);
    house_count = 0;
    for (int i = 0; i < 10; i++) {
        const int fd = dial();
        say(fd, page, sizeof page - 1);
        if (i % 2 == 0) {
            CHECK(recv(fd, some, sizeof some, 0) > 0);
        }
        close(fd);
    }
    const int fd = dial();
    say(fd, head, sizeof head - 1);
    hear(fd, some, sizeof some, 2000, &is_closed);
    CHECK(is_closed);
    CHECK(strncmp(some, "HTTP/1.1 200", 12) == 0);
    CHECK_TEXT(strstr(some, "\r\n\r\n"), "\r\n\r\n");
    close(fd);
    tear_down();
}

CHECK_MAIN(CHECK_TEST(long_answers__wait_for_their_client_alone),
           CHECK_TEST(long_answers__may_be_left),
           CHECK_TEST(guard__refuses_what_proxies_may_read_in_another_way),
           CHECK_TEST(heads__that_are_too_large_are_refused),
           CHECK_TEST(heads__of_every_length_are_answered),
           CHECK_TEST(keep_alive__serves_one_request_after_another),
           CHECK_TEST(pipelining__answers_in_order), CHECK_TEST(head__says_all_but_the_body),
           CHECK_TEST(conditional_and_partial_requests__are_answered),
           CHECK_TEST(gzip_members__come_framed),
           CHECK_TEST(slow_clients__are_dropped_at_the_deadline),
           CHECK_TEST(idle_clients__are_dropped_after_the_idle_time),
           CHECK_TEST(many_connections__are_all_answered),
           CHECK_TEST(closing__lets_answers_finish_and_hangs_up_on_idle_ones),
           CHECK_TEST(a_taken_port__is_a_clear_error),
           CHECK_TEST(access_log__has_a_line_of_json_for_each_request),
           CHECK_TEST(admin__tells_what_was_served_and_nothing_else),
           CHECK_TEST(one_address__has_only_so_many_connections),
           CHECK_TEST(replacing__disturbs_no_reader))
