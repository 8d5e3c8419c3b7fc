/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tiler/publish.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "formats/package.h"
#include "tests/check.h"

enum { LIMIT_BYTES = 1 << 20 };

static void make_root(char root[64])
{
    strcpy(root, "/tmp/storey-publish-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
}

static size_t count_names(const char *folder)
{
    DIR *open_folder = opendir(folder);
    CHECK(open_folder != NULL);
    size_t count = 0;
    while (readdir(open_folder) != NULL) {
        count++;
    }
    closedir(open_folder);
    return count - 2;
}

static struct manifest plain_manifest(void)
{
    return (struct manifest){.generator = text_of("storey 0.1.0")};
}

static bool add(struct publish *publish, const char *name, const char *text, struct err *err)
{
    return publish_add_file(publish, name, (struct span){(const uint8_t *)text, strlen(text)}, err);
}

/* A package whose files all say `text`. */
static bool publish_text(const char *output, const char *text, struct err *err)
{
    struct publish *publish;
    struct manifest manifest = plain_manifest();
    if (!publish_begin(output, &publish, err)) {
        return false;
    }
    if (!add(publish, "tileset.json", text, err) || !add(publish, "tiles/a/b.glb", text, err)) {
        publish_abort(publish);
        return false;
    }
    return publish_commit(publish, &manifest, err);
}

/* The text of a whole package, whose digests fit; or "" when there is none. */
static void read_package(const char *output, char out[64])
{
    struct package *package;
    struct manifest manifest;
    struct arena source;
    struct buf json, file;
    struct err err;
    out[0] = '\0';
    if (access(output, F_OK) != 0) {
        return;
    }
    arena_init(&source, LIMIT_BYTES);
    buf_init(&json, LIMIT_BYTES);
    buf_init(&file, LIMIT_BYTES);
    CHECK_OK(package_open(output, &package, &err), &err);
    CHECK_OK(package_load(package, text_of(MANIFEST_NAME), &json, &err), &err);
    CHECK_OK(manifest_read(buf_span(&json), &source, &manifest, &err), &err);
    CHECK_EQ(manifest.file_count, 2);
    for (size_t i = 0; i < 2; i++) {
        buf_reset(&file);
        CHECK_OK(package_load(package, manifest.files[i].name, &file, &err), &err);
        CHECK_EQ(file.size, manifest.files[i].bytes);
        CHECK(digest_equals(digest_of(buf_span(&file)), manifest.files[i].digest));
    }
    snprintf(out, 64, "%.*s", (int)file.size, (const char *)file.data);
    package_close(package);
    buf_release(&json);
    buf_release(&file);
    arena_release(&source);
}

static void publish__makes_and_replaces(void)
{
    static const char *const names[] = {"city", "city.3tz", "\xE5\x9F\x8E"};
    char root[64], output[128], text[64];
    struct err err;
    make_root(root);
    for (size_t i = 0; i < 3; i++) {
        snprintf(output, sizeof output, "%s/%s", root, names[i]);
        CHECK_OK(publish_text(output, "first", &err), &err);
        read_package(output, text);
        CHECK_TEXT(text, "first");
        CHECK_OK(publish_text(output, "second", &err), &err);
        read_package(output, text);
        CHECK_TEXT(text, "second");
    }
    CHECK_EQ(count_names(root), 3);
    CHECK_OK(io_remove_tree(root, &err), &err);
}

static void publish__gives_the_same_archive_every_time(void)
{
    char root[64], first[128], second[128];
    struct io_map a, b;
    struct err err;
    make_root(root);
    snprintf(first, sizeof first, "%s/a.3tz", root);
    snprintf(second, sizeof second, "%s/b.3tz", root);
    CHECK_OK(publish_text(first, "same", &err), &err);
    CHECK_OK(publish_text(second, "same", &err), &err);
    CHECK_OK(io_map(first, &a, &err), &err);
    CHECK_OK(io_map(second, &b, &err), &err);
    CHECK_EQ(a.bytes.size, b.bytes.size);
    CHECK(memcmp(a.bytes.data, b.bytes.data, a.bytes.size) == 0);
    io_unmap(&a);
    io_unmap(&b);
    CHECK_OK(io_remove_tree(root, &err), &err);
}

static void publish_begin__leaves_alone_what_is_not_ours(void)
{
    char root[64], output[128], file[160];
    struct publish *publish;
    struct err err;
    make_root(root);
    snprintf(output, sizeof output, "%s/city", root);
    CHECK_EQ(mkdir(output, 0777), 0);
    /* An empty folder may be taken. */
    CHECK_OK(publish_begin(output, &publish, &err), &err);
    CHECK(!publish_replaces(publish));
    publish_abort(publish);
    snprintf(file, sizeof file, "%s/diary.txt", output);
    CHECK_OK(io_write_file(file, (struct span){(const uint8_t *)"mine", 4}, false, &err), &err);
    CHECK_FAILS(publish_begin(output, &publish, &err), &err, ERR_SCHEMA);
    CHECK_FAILS(publish_begin(file, &publish, &err), &err, ERR_SCHEMA);
    snprintf(file, sizeof file, "%s/city.3tz", root);
    CHECK_OK(io_write_file(file, (struct span){(const uint8_t *)"mine", 4}, false, &err), &err);
    CHECK_FAILS(publish_begin(file, &publish, &err), &err, ERR_SCHEMA);
    snprintf(file, sizeof file, "%s/none/city", root);
    CHECK_FAILS(publish_begin(file, &publish, &err), &err, ERR_IO);
    CHECK_FAILS(publish_begin("..", &publish, &err), &err, ERR_SCHEMA);
    CHECK_FAILS(publish_begin("", &publish, &err), &err, ERR_IO);
    CHECK_EQ(count_names(root), 2);
    CHECK_EQ(count_names(output), 1);
    CHECK_OK(io_remove_tree(root, &err), &err);
}

static void publish_add_file__takes_the_same_twice_but_not_another(void)
{
    char root[64], output[128];
    struct publish *publish;
    struct err err;
    uint64_t files, bytes;
    make_root(root);
    snprintf(output, sizeof output, "%s/city", root);
    CHECK_OK(publish_begin(output, &publish, &err), &err);
    CHECK_OK(add(publish, "tiles/a", "one", &err), &err);
    CHECK_OK(add(publish, "tiles/a", "one", &err), &err);
    CHECK_FAILS(add(publish, "tiles/a", "two", &err), &err, ERR_SCHEMA);
    publish_count(publish, &files, &bytes);
    CHECK_EQ(files, 1);
    CHECK_EQ(bytes, 3);
    publish_abort(publish);
    CHECK_EQ(count_names(root), 0);
    CHECK_OK(io_remove_tree(root, &err), &err);
}

static void publish_adopt_file__lists_what_others_wrote(void)
{
    char root[64], output[128], path[512], text[64];
    struct publish *publish;
    struct manifest manifest = plain_manifest();
    struct err err;
    make_root(root);
    snprintf(output, sizeof output, "%s/city", root);
    CHECK_OK(publish_begin(output, &publish, &err), &err);
    CHECK_OK(publish_path(publish, "more/features.gpkg", path, sizeof path, &err), &err);
    CHECK_OK(io_write_file(path, (struct span){(const uint8_t *)"rows", 4}, false, &err), &err);
    CHECK_OK(publish_adopt_file(publish, "more/features.gpkg", &err), &err);
    CHECK_OK(add(publish, "tileset.json", "rows", &err), &err);
    CHECK_FAILS(publish_adopt_file(publish, "none", &err), &err, ERR_IO);
    CHECK_OK(publish_commit(publish, &manifest, &err), &err);
    read_package(output, text);
    CHECK_TEXT(text, "rows");
    CHECK_OK(io_remove_tree(root, &err), &err);
}

struct load {
    struct publish *publish;
    int number;
};

static void *add_many(void *argument)
{
    const struct load *load = argument;
    for (int i = 0; i < 500; i++) {
        char name[64], text[64];
        struct err err;
        /* Half of the names are shared with the other threads. */
        snprintf(name, sizeof name, "tiles/%d/%d", i % 2 == 0 ? load->number : 9, i);
        snprintf(text, sizeof text, "tile %d", i);
        if (!add(load->publish, name, text, &err)) {
            return argument;
        }
    }
    return NULL;
}

static void publish_add_file__may_be_called_from_many_threads(void)
{
    char root[64], output[128];
    struct publish *publish;
    struct manifest manifest = plain_manifest();
    struct err err;
    pthread_t threads[4];
    struct load loads[4];
    make_root(root);
    snprintf(output, sizeof output, "%s/city", root);
    CHECK_OK(publish_begin(output, &publish, &err), &err);
    for (int i = 0; i < 4; i++) {
        loads[i] = (struct load){publish, i};
        CHECK_EQ(pthread_create(&threads[i], NULL, add_many, &loads[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        CHECK(failed == NULL);
    }
    uint64_t files, bytes;
    publish_count(publish, &files, &bytes);
    CHECK_EQ(files, 4 * 250 + 250);
    CHECK_OK(publish_commit(publish, &manifest, &err), &err);
    CHECK_OK(io_remove_tree(root, &err), &err);
}

static void publish_begin__removes_what_dead_runs_left(void)
{
    char root[64], output[128], path[256];
    struct publish *publish;
    struct err err;
    make_root(root);
    snprintf(output, sizeof output, "%s/city", root);
    const pid_t child = fork();
    if (child == 0) {
        _exit(publish_begin(output, &publish, &err) && add(publish, "tiles/a", "a", &err) ? 0 : 1);
    }
    int status = 1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(count_names(root), 1);
    /* Not ours to touch: another output's, and one whose process lives. */
    snprintf(path, sizeof path, "%s/.city2.storey-%d", root, (int)child);
    CHECK_EQ(mkdir(path, 0777), 0);
    snprintf(path, sizeof path, "%s/.city.storey-%d", root, (int)getppid());
    CHECK_EQ(mkdir(path, 0777), 0);
    CHECK_OK(publish_begin(output, &publish, &err), &err);
    CHECK_EQ(count_names(root), 3);
    /* A second run of this very process at once gets a folder of its own. */
    struct publish *second;
    CHECK_OK(publish_begin(output, &second, &err), &err);
    CHECK_EQ(count_names(root), 4);
    publish_abort(second);
    publish_abort(publish);
    CHECK_EQ(count_names(root), 2);
    CHECK_OK(io_remove_tree(root, &err), &err);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void publish_until_killed(const char *output, double after_s)
{
    const pid_t child = fork();
    if (child == 0) {
        struct err err;
        for (int i = 0; publish_text(output, i % 2 == 0 ? "even" : "odd", &err); i++) {
        }
        _exit(1);
    }
    const struct timespec delay = {(time_t)after_s, (long)(fmod(after_s, 1) * 1e9)};
    nanosleep(&delay, NULL);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
}

/*
 * Kills a child that publishes over and over, after a delay that sweeps across
 * the time of two rounds, so that the blow falls into every part of one.
 */
static void kill_while_publishing(const char *output)
{
    struct err err;
    char text[64];
    enum { ROUNDS = 12 };
    const double start_s = now_s();
    CHECK_OK(publish_text(output, "odd", &err), &err);
    const double round_s = now_s() - start_s;
    for (int round = 0; round < ROUNDS; round++) {
        if (round % 4 == 0) {
            CHECK_OK(io_remove_tree(output, &err), &err);
        }
        publish_until_killed(output, round_s * 2 * round / ROUNDS);
        read_package(output, text);
        CHECK(text[0] == '\0' || strcmp(text, "even") == 0 || strcmp(text, "odd") == 0);
        if (text[0] == '\0') {
            CHECK_OK(publish_text(output, "odd", &err), &err);
        }
        publish_until_killed(output, round_s * 2 * round / ROUNDS);
        read_package(output, text);
        CHECK(strcmp(text, "even") == 0 || strcmp(text, "odd") == 0);
    }
    CHECK_OK(publish_text(output, "last", &err), &err);
}

static void publish__leaves_old_or_new_when_killed(void)
{
    char root[64], output[128];
    struct err err;
    make_root(root);
    snprintf(output, sizeof output, "%s/city", root);
    kill_while_publishing(output);
    CHECK_EQ(count_names(root), 1);
    snprintf(output, sizeof output, "%s/city.3tz", root);
    kill_while_publishing(output);
    CHECK_EQ(count_names(root), 2);
    CHECK_OK(io_remove_tree(root, &err), &err);
}

/* A limit on the size of files is met in the same places as a full disk. */
static void publish__leaves_nothing_when_the_disk_is_full(void)
{
    char root[64], output[128], text[64];
    struct err err;
    make_root(root);
    snprintf(output, sizeof output, "%s/city", root);
    CHECK_OK(publish_text(output, "old", &err), &err);
    static char large[100000];
    memset(large, 'x', sizeof large - 1);
    struct rlimit before;
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit low = before;
    low.rlim_cur = 50000;
    signal(SIGXFSZ, SIG_IGN);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &low), 0);
    const bool ok = publish_text(output, large, &err);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK(!ok);
    CHECK_EQ(err.code, ERR_IO);
    CHECK_EQ(count_names(root), 1);
    read_package(output, text);
    CHECK_TEXT(text, "old");
    CHECK_OK(io_remove_tree(root, &err), &err);
}

CHECK_MAIN(CHECK_TEST(publish__makes_and_replaces),
           CHECK_TEST(publish__gives_the_same_archive_every_time),
           CHECK_TEST(publish_begin__leaves_alone_what_is_not_ours),
           CHECK_TEST(publish_add_file__takes_the_same_twice_but_not_another),
           CHECK_TEST(publish_adopt_file__lists_what_others_wrote),
           CHECK_TEST(publish_add_file__may_be_called_from_many_threads),
           CHECK_TEST(publish_begin__removes_what_dead_runs_left),
           CHECK_TEST(publish__leaves_old_or_new_when_killed),
           CHECK_TEST(publish__leaves_nothing_when_the_disk_is_full))
