/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program as it is run: signals, files that change under it, the account of
 * several servers, two hundred packages, and every way to start it wrongly.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/server/served.h"

enum { WAIT_MS = 20000, STEP_MS = 20, ARGUMENTS_MAX = 24 };

static struct served served;

/* ---- a program ---- */

struct program {
    pid_t pid;
    char said[96]; /* the file that has its standard error */
    unsigned port;
    unsigned admin_port;
};

static void pause_ms(long ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* A file's bytes as text; "" when it is not there. */
static void read_text(const char *path, char *out, size_t out_bytes)
{
    FILE *file = fopen(path, "r");
    const size_t size = file == NULL ? 0 : fread(out, 1, out_bytes - 1, file);
    out[size] = '\0';
    if (file != NULL) {
        fclose(file);
    }
}

static size_t count_in(const char *path, const char *words)
{
    static char text[1 << 20];
    size_t count = 0;
    read_text(path, text, sizeof text);
    for (const char *at = strstr(text, words); at != NULL; at = strstr(at + 1, words)) {
        count++;
    }
    return count;
}

static rlim_t open_files; /* that the next program may have; 0: as many as we */

static void run(struct program *program, const char *const *arguments)
{
    const char *all[ARGUMENTS_MAX + 2] = {CHECK_STOREYD};
    static int number;
    for (size_t i = 0; arguments[i] != NULL; i++) {
        CHECK(i < ARGUMENTS_MAX);
        all[i + 1] = arguments[i];
    }
    *program = (struct program){.pid = -1};
    snprintf(program->said, sizeof program->said, "%s/said-%d", served.root, number++);
    program->pid = fork();
    CHECK(program->pid >= 0);
    if (program->pid == 0) {
        const int said = open(program->said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(said, 2);
        dup2(said, 1);
        const struct rlimit few = {open_files, open_files};
        if (open_files != 0 && setrlimit(RLIMIT_NOFILE, &few) != 0) {
            _exit(126);
        }
        execv(CHECK_STOREYD, (char *const *)(uintptr_t)all);
        _exit(127);
    }
}

/* Its status; 128 and the signal when one ended it, 255 when it does not end. */
static int end_of(const struct program *program)
{
    int status;
    for (int waited = 0; waited < WAIT_MS; waited += STEP_MS) {
        if (waitpid(program->pid, &status, WNOHANG) == program->pid) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        pause_ms(STEP_MS);
    }
    kill(program->pid, SIGKILL);
    waitpid(program->pid, &status, 0);
    return 255;
}

static bool wait_for(const char *path, const char *words, size_t times)
{
    for (int waited = 0; waited < WAIT_MS; waited += STEP_MS) {
        if (count_in(path, words) >= times) {
            return true;
        }
        pause_ms(STEP_MS);
    }
    return false;
}

#define CHECK_SAYS(program, words) check_says(program, words, 1)
static void check_says(const struct program *program, const char *words, size_t times)
{
    if (!wait_for(program->said, words, times)) {
        char text[4096];
        read_text(program->said, text, sizeof text);
        fail_msg("'%s' is not said, but\n%s", words, text);
    }
}

static unsigned port_after(const struct program *program, const char *words)
{
    char text[65536];
    read_text(program->said, text, sizeof text);
    const char *at = strstr(text, words);
    CHECK(at != NULL);
    return (unsigned)strtoul(at + strlen(words), NULL, 10);
}

/* With free ports, until it listens. */
static void start(struct program *program, const char *const *arguments)
{
    const char *all[ARGUMENTS_MAX] = {"--listen",    "127.0.0.1:0", "--admin",
                                      "127.0.0.1:0", "--threads",   "1"};
    for (size_t i = 0; arguments[i] != NULL; i++) {
        all[6 + i] = arguments[i];
    }
    run(program, all);
    CHECK_SAYS(program, "metrics on http://127.0.0.1:");
    program->port = port_after(program, "listening on http://127.0.0.1:");
    program->admin_port = port_after(program, "metrics on http://127.0.0.1:");
}

static void stop(const struct program *program, int number)
{
    CHECK_EQ(kill(program->pid, number), 0);
    CHECK_EQ(end_of(program), 0);
}

/* One request; the answer, and its status. */
static unsigned ask(unsigned port, const char *method, const char *target, char *reply,
                    size_t reply_bytes)
{
    char text[512];
    size_t size = 0;
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
             method, target);
    CHECK_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    while (size + 1 < reply_bytes) {
        struct pollfd watched = {.fd = fd, .events = POLLIN};
        const ssize_t got =
            poll(&watched, 1, WAIT_MS) > 0 ? recv(fd, reply + size, reply_bytes - 1 - size, 0) : 0;
        if (got <= 0) {
            break;
        }
        size += (size_t)got;
    }
    reply[size] = '\0';
    close(fd);
    return size < 12 ? 0 : (unsigned)strtoul(reply + 9, NULL, 10);
}

static unsigned get(unsigned port, const char *target)
{
    static char reply[1 << 20];
    return ask(port, "GET", target, reply, sizeof reply);
}

/* True once an answer has that status. */
static bool becomes(unsigned port, const char *target, unsigned status)
{
    for (int waited = 0; waited < WAIT_MS; waited += STEP_MS) {
        if (get(port, target) == status) {
            return true;
        }
        pause_ms(STEP_MS);
    }
    return false;
}

/* The value of a metric that is named with its labels; not a number without it. */
static double metric(const struct program *program, const char *name)
{
    static char reply[1 << 20];
    char line[160];
    CHECK_EQ(ask(program->admin_port, "GET", "/metrics", reply, sizeof reply), 200);
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(reply, line);
    return at == NULL ? (double)NAN : strtod(at + strlen(line), NULL);
}

static bool metric_becomes(const struct program *program, const char *name, double value)
{
    for (int waited = 0; waited < WAIT_MS; waited += 5 * STEP_MS) {
        if (metric(program, name) == value) {
            return true;
        }
        pause_ms(5 * STEP_MS);
    }
    return false;
}

#define TILE "/collections/ours/3dtiles/" SERVED_TILE

/* ---- signals ---- */

static void log__is_opened_again_at_sigusr1_and_sighup(void)
{
    struct program program;
    char log[96];
    char moved[112];
    served_open(&served);
    snprintf(log, sizeof log, "%s/access.log", served.root);
    start(&program, (const char *const[]){served.packages, "--access-log", log, NULL});
    static const int numbers[] = {SIGUSR1, SIGHUP};
    for (size_t i = 0; i < 2; i++) {
        CHECK_EQ(get(program.port, TILE), 200);
        CHECK(wait_for(log, SERVED_TILE, 1));
        snprintf(moved, sizeof moved, "%s.%zu", log, i);
        CHECK_EQ(rename(log, moved), 0);
        CHECK_EQ(kill(program.pid, numbers[i]), 0);
        for (int waited = 0; waited < WAIT_MS && access(log, F_OK) != 0; waited += STEP_MS) {
            pause_ms(STEP_MS);
        }
        CHECK_EQ(access(log, F_OK), 0);
        CHECK_EQ(count_in(moved, SERVED_TILE), 1);
        CHECK_EQ(count_in(log, SERVED_TILE), 0);
    }
    CHECK(metric_becomes(&program, "storeyd_reloads_total{what=\"log\",result=\"ok\"}", 2));
    CHECK_EQ(metric(&program, "storeyd_reloads_total{what=\"log\",result=\"failed\"}"), 0);
    stop(&program, SIGTERM);
    served_close(&served);
}

static void sighup__takes_new_packages_and_keys(void)
{
    struct program program;
    struct err err;
    char keys[96];
    char added[160];
    char reply[4096];
    static const char nobody[] = "{\"anonymous\": {\"scopes\": [\"tiles\"]}, \"keys\": []}";
    served_open(&served);
    snprintf(keys, sizeof keys, "%s/keys.json", served.root);
    served_write(served.root, "keys.json", nobody, sizeof nobody - 1);
    start(&program, (const char *const[]){served.packages, "--quiet", "--keys", keys, NULL});
    CHECK_EQ(get(program.port, TILE), 200);
    CHECK_EQ(get(program.port, "/collections/added/3dtiles/tileset.json"), 404);
    snprintf(added, sizeof added, "%s/added.3tz", served.packages);
    served_write_archive(added);
    CHECK_EQ(ask(program.admin_port, "POST", "/admin/reload", reply, sizeof reply), 202);
    CHECK(becomes(program.port, "/collections/added/3dtiles/tileset.json", 200));
    served_write(served.root, "keys.json", "{\"keys\": 7}", 11);
    CHECK_EQ(kill(program.pid, SIGHUP), 0);
    CHECK_SAYS(&program, "keys.json:1:");
    CHECK_SAYS(&program, "the keys stay as they were");
    CHECK(metric_becomes(&program, "storeyd_reloads_total{what=\"keys\",result=\"failed\"}", 1));
    CHECK_EQ(get(program.port, TILE), 200);
    CHECK_OK(io_remove_tree(added, &err), &err);
    CHECK_EQ(kill(program.pid, SIGHUP), 0);
    CHECK(becomes(program.port, "/collections/added/3dtiles/tileset.json", 404));
    stop(&program, SIGINT);
    served_close(&served);
}

/* ---- a folder that changes ---- */

static void copy_part(const char *from, const char *to, size_t part)
{
    struct io_map map;
    struct err err;
    CHECK_OK(io_map(from, &map, &err), &err);
    const struct span bytes = {map.bytes.data, part == 0 ? map.bytes.size : part};
    CHECK_OK(io_write_file(to, bytes, false, &err), &err);
    io_unmap(&map);
}

static void folder__is_watched(void)
{
    struct program program;
    char copy[160];
    char late[160];
    char twin[160];
    static char reply[65536];
    served_open(&served);
    snprintf(copy, sizeof copy, "%s/copy.3tz", served.packages);
    snprintf(late, sizeof late, "%s/late.3tz", served.packages);
    snprintf(twin, sizeof twin, "%s/ours", served.packages);
    copy_part(served.ours, copy, 600); /* still being copied */
    start(&program, (const char *const[]){served.packages, "--quiet", NULL});
    CHECK_SAYS(&program, "copy.3tz");
    CHECK_EQ(metric(&program, "storeyd_packages"), 2);
    CHECK_EQ(metric(&program, "storeyd_refused_packages"), 1);
    CHECK_EQ(get(program.port, "/collections/copy/3dtiles/tileset.json"), 404);

    /* The copy ends; a package comes with another's id, and a side-car. */
    static const char taken[] = "{\"id\": \"plain\"}";
    static const char title[] = "{\"title\": \"Nanshan\", \"aliases\": [\"ns\"]}";
    served_write(served.packages, "late.json", taken, sizeof taken - 1);
    copy_part(served.ours, late, 0);
    copy_part(served.ours, copy, 0);
    served_write(served.packages, "ours.json", title, sizeof title - 1);
    CHECK(becomes(program.port, "/collections/copy/3dtiles/tileset.json", 200));
    CHECK_SAYS(&program, "another package has the id 'plain'");
    CHECK(becomes(program.port, "/collections/ns?f=json", 200));
    CHECK_EQ(ask(program.port, "GET", "/collections/ours?f=json", reply, sizeof reply), 200);
    CHECK(strstr(reply, "\"title\":\"Nanshan\"") != NULL);
    CHECK_EQ(metric(&program, "storeyd_packages"), 3);

    /* The side-car says something else: that is noticed without a signal. */
    static const char other[] = "{\"title\": \"Futian\", \"aliases\": [\"ft\"]}";
    served_write(served.packages, "ours.json", other, sizeof other - 1);
    served_write(served.packages, "late.json", "{\"id\": \"late\"}", 14);
    CHECK(becomes(program.port, "/collections/ft?f=json", 200));
    CHECK(becomes(program.port, "/collections/late/3dtiles/tileset.json", 200));
    CHECK_EQ(get(program.port, "/collections/ns?f=json"), 404);
    CHECK(metric_becomes(&program, "storeyd_refused_packages", 0));
    stop(&program, SIGTERM);
    served_close(&served);
}

/* ---- many ---- */

enum { MANY = 200, TOUCHED = 60, FILES_MAX = 64 };

static void two_hundred_packages__keep_one_file_each_open(void)
{
    struct program program;
    char path[160];
    char target[128];
    static char reply[1 << 20];
    served_open(&served);
    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "%s/district-%03d.3tz", served.packages, i);
        copy_part(served.ours, path, 0);
    }
    struct timespec from;
    struct timespec to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    start(&program, (const char *const[]){served.packages, "--quiet", "--cache", "16", NULL});
    clock_gettime(CLOCK_MONOTONIC, &to);
    CHECK(to.tv_sec - from.tv_sec < 10);
    CHECK_EQ(metric(&program, "storeyd_packages"), MANY + 2);
    for (int i = 0; i < TOUCHED; i++) {
        snprintf(target, sizeof target, "/collections/district-%03d/3dtiles/" SERVED_TILE, i);
        CHECK_EQ(get(program.port, target), 200);
    }
    CHECK(metric(&program, "process_open_fds") < MANY + FILES_MAX);
    CHECK(metric(&program, "storeyd_cached_views") <= 16);
    CHECK_EQ(ask(program.port, "GET", "/collections?limit=10000&f=json", reply, sizeof reply), 200);
    CHECK(strstr(reply, "\"numberMatched\":202") != NULL);
    CHECK(strstr(reply, "\"id\":\"district-199\"") != NULL);
    stop(&program, SIGTERM);
    served_close(&served);
}

/* With room for few open files some packages are served, and clients too. */
static void few_open_files__leave_packages_out(void)
{
    struct program program;
    char path[160];
    served_open(&served);
    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "%s/district-%03d.3tz", served.packages, i);
        copy_part(served.ours, path, 0);
    }
    open_files = 256;
    start(&program, (const char *const[]){served.packages, "--quiet", NULL});
    open_files = 0;
    CHECK_SAYS(&program, "are all that the limit of open files allows");
    CHECK_SAYS(&program, "... and ");
    CHECK_EQ(get(program.port, "/collections/district-000/3dtiles/tileset.json"), 200);
    CHECK_EQ(get(program.port, "/collections/district-199/3dtiles/tileset.json"), 404);
    CHECK_EQ(metric(&program, "storeyd_refused_packages"), 1);
    stop(&program, SIGTERM);
    served_close(&served);
}

/* ---- the account ---- */

static void sum_usage__adds_servers_by_status(void)
{
    struct program program;
    char folders[2][96];
    static char sum[65536];
    served_open(&served);
    for (int i = 0; i < 3; i++) { /* the first folder has two lives */
        const char *folder = folders[i % 2];
        snprintf(folders[i % 2], sizeof folders[0], "%s/usage-%d", served.root, i % 2);
        start(&program, (const char *const[]){served.packages, "--quiet", "--usage", folder, NULL});
        for (int k = 0; k <= i; k++) {
            CHECK_EQ(get(program.port, TILE), 200);
        }
        CHECK_EQ(get(program.port, "/collections/ours/3dtiles/none.glb"), 404);
        CHECK_EQ(get(program.port, "/collections/nowhere/3dtiles/none.glb"), 404);
        if (i == 1) {
            CHECK(metric_becomes(
                &program,
                "storeyd_package_requests_today{package=\"ours\",key=\"\",status=\"2xx\"}", 2));
            CHECK_EQ(metric(&program, "storeyd_requests_total{route=\"tiles\",status=\"2xx\"}"), 2);
            CHECK_EQ(metric(&program, "storeyd_requests_total{route=\"tiles\",status=\"4xx\"}"), 2);
            CHECK_EQ(get(program.port, "/nowhere"), 404);
            CHECK_EQ(metric(&program, "storeyd_requests_total{route=\"none\",status=\"4xx\"}"), 1);
            CHECK_EQ(get(program.port, "/metrics"), 404); /* the admin listener's alone */
        }
        stop(&program, SIGTERM);
    }
    run(&program, (const char *const[]){"--sum-usage", folders[0], folders[1], NULL});
    CHECK_EQ(end_of(&program), 0);
    read_text(program.said, sum, sizeof sum);
    const char *row = strstr(sum, "\"package\":\"ours\"");
    CHECK(row != NULL);
    CHECK(strstr(row, "\"calls\":9,") != NULL);
    CHECK(strstr(row, "\"2xx\":6,\"3xx\":0,\"4xx\":3,\"5xx\":0}") != NULL);
    CHECK(strstr(sum, "nowhere") == NULL);
    run(&program, (const char *const[]){"--sum-usage", "/nonexistent/usage", NULL});
    CHECK_EQ(end_of(&program), 1);
    CHECK_SAYS(&program, "/nonexistent/usage");
    served_close(&served);
}

/* ---- wrong starts ---- */

static void check_start(const char *const *arguments, int status, const char *words)
{
    struct program program;
    run(&program, arguments);
    CHECK_EQ(end_of(&program), status);
    CHECK_SAYS(&program, words);
}

static void wrong_starts__say_why_and_end(void)
{
    struct program program;
    char address[64];
    char unreadable[96];
    char broken[96];
    char empty[96];
    struct err err;
    served_open(&served);
    start(&program, (const char *const[]){served.packages, "--quiet", NULL});
    snprintf(address, sizeof address, "127.0.0.1:%u", program.port);
    check_start((const char *const[]){served.packages, "--listen", address, NULL}, 1,
                "another program listens on 127.0.0.1:");
    stop(&program, SIGINT);

    check_start((const char *const[]){NULL}, 2, "no PATH to serve");
    check_start((const char *const[]){served.packages, "--lisen", ":80", NULL}, 2,
                "unknown option '--lisen'");
    check_start((const char *const[]){served.packages, "--listen", NULL}, 2,
                "--listen takes a value");
    check_start((const char *const[]){served.packages, "--threads", "many", NULL}, 2,
                "--threads takes a number");
    check_start((const char *const[]){served.packages, "--certificate", "c.pem", NULL}, 2,
                "--certificate and --private-key go together");
    check_start((const char *const[]){"--help", NULL}, 0, "usage: storeyd PATH...");
    check_start((const char *const[]){"--version", NULL}, 0, "storeyd " STOREY_VERSION);

    check_start((const char *const[]){"/nonexistent/packages", NULL}, 1, "/nonexistent/packages");
    snprintf(empty, sizeof empty, "%s/empty", served.root);
    CHECK_OK(io_make_directory(empty, &err), &err);
    check_start((const char *const[]){served.packages, "--keys", empty, NULL}, 1, "empty");
    snprintf(unreadable, sizeof unreadable, "%s/keys.json", served.root);
    served_write(served.root, "keys.json", "{}", 2);
    CHECK_EQ(chmod(unreadable, 0), 0);
    if (access(unreadable, R_OK) != 0) { /* for root everything is readable */
        check_start((const char *const[]){served.packages, "--keys", unreadable, NULL}, 1,
                    "Permission denied");
    }
    snprintf(broken, sizeof broken, "%s/broken.3tz", served.root);
    copy_part(served.ours, broken, 600);
    check_start((const char *const[]){broken, NULL}, 1, "broken.3tz");
    served_close(&served);
}

CHECK_MAIN(CHECK_TEST(log__is_opened_again_at_sigusr1_and_sighup),
           CHECK_TEST(sighup__takes_new_packages_and_keys), CHECK_TEST(folder__is_watched),
           CHECK_TEST(two_hundred_packages__keep_one_file_each_open),
           CHECK_TEST(few_open_files__leave_packages_out),
           CHECK_TEST(sum_usage__adds_servers_by_status), CHECK_TEST(wrong_starts__say_why_and_end))
