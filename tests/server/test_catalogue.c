/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/catalogue.h"

#include <sys/resource.h>

#include "tests/server/served.h"

static struct served served;
static struct access *everyone;
static unsigned note_count;
static char last_note[512];

static void take_note(void *argument, const struct err *what)
{
    (void)argument;
    note_count++;
    err_format(what, last_note, sizeof last_note);
}

static struct catalogue *open_all(const struct catalogue *before)
{
    struct err err;
    struct catalogue *opened;
    const char *const paths[] = {served.packages};
    const struct catalogue_options options = {
        .paths = paths, .path_count = 1, .access = everyone, .grace_s = 100};
    note_count = 0;
    CHECK_OK(catalogue_open(&options, before, take_note, NULL, &opened, &err), &err);
    return opened;
}

static bool is_stale(const struct catalogue *catalogue)
{
    const char *const paths[] = {served.packages};
    const struct catalogue_options options = {.paths = paths, .path_count = 1};
    return catalogue_is_stale(catalogue, &options);
}

static void set_up(void)
{
    struct err err;
    served_open(&served);
    CHECK_OK(access_open(NULL, false, &everyone, &err), &err);
}

static void tear_down(void)
{
    access_drop(everyone);
    served_close(&served);
}

static void write_sidecar(const char *name, const char *json)
{
    served_write(served.packages, name, json, strlen(json));
}

static const char *id_of(const struct catalogue *catalogue, const char *name)
{
    const struct catalogue_entry *entry = catalogue_find(catalogue, text_of(name));
    return entry == NULL ? "" : entry->id;
}

static void sidecars__name_packages(void)
{
    set_up();
    write_sidecar("ours.json",
                  "{\"id\":\"futian\",\"aliases\":[\"ft\",\"ours-2025\"],\"title\":{\"en\":"
                  "\"Futian\",\"zh\":\"\xE7\xA6\x8F\xE7\x94\xB0\"},"
                  "\"department\":\"Planning\",\"contact\":\"gis@example.org\"}");
    write_sidecar("plain.json", "{\"title\":\"Plain\"}");
    struct catalogue *catalogue = open_all(NULL);
    CHECK_EQ(note_count, 0);
    CHECK_EQ(catalogue->entry_count, 2);
    CHECK_TEXT(id_of(catalogue, "futian"), "futian");
    CHECK_TEXT(id_of(catalogue, "ft"), "futian");
    CHECK_TEXT(id_of(catalogue, "ours-2025"), "futian");
    CHECK_TEXT(id_of(catalogue, "ours"), "");
    const struct catalogue_entry *entry = catalogue_find(catalogue, text_of("ft"));
    CHECK_TEXT(entry->title, "Futian");
    CHECK_TEXT(entry->sidecar.contact, "gis@example.org");
    CHECK_TEXT(catalogue_find(catalogue, text_of("plain"))->title, "Plain");
    catalogue_drop(catalogue);
    tear_down();
}

static void sidecars__are_followed_when_they_change(void)
{
    set_up();
    struct catalogue *first = open_all(NULL);
    CHECK(!is_stale(first));
    write_sidecar("ours.json", "{\"id\":\"futian\"}");
    CHECK(is_stale(first));
    struct catalogue *second = open_all(first);
    CHECK(!catalogue_equals(first, second));
    CHECK(!is_stale(second));
    CHECK_TEXT(id_of(second, "futian"), "futian");
    catalogue_drop(second);
    catalogue_drop(first);
    tear_down();
}

static void ids__are_given_once(void)
{
    set_up();
    write_sidecar("ours.json", "{\"id\":\"plain\"}");
    struct catalogue *catalogue = open_all(NULL);
    CHECK_EQ(catalogue->entry_count, 1);
    CHECK_EQ(note_count, 1);
    CHECK(strstr(last_note, "another package has the id 'plain'") != NULL);
    CHECK(strstr(last_note, "packages/plain") != NULL); /* the first in the folder stays */
    catalogue_drop(catalogue);
    write_sidecar("ours.json", "{\"aliases\":[\"plain\",\"x\"]}");
    write_sidecar("plain.json", "{\"aliases\":[\"x\",\"y\"]}");
    catalogue = open_all(NULL);
    CHECK_EQ(catalogue->entry_count, 2);
    CHECK_EQ(note_count, 2);
    CHECK_TEXT(id_of(catalogue, "plain"), "plain");
    CHECK_TEXT(id_of(catalogue, "x"), "ours");
    CHECK_TEXT(id_of(catalogue, "y"), "plain");
    catalogue_drop(catalogue);
    tear_down();
}

/* Beside a package may lie what it was made from. */
static void files__that_are_no_sidecar_are_looked_over(void)
{
    static const char *const wrong[] = {
        "{\"type\":\"CityJSON\",\"version\":\"2.0\"}",
        "[]",
        "{\"id\":\"a/b\"}",
        "{\"id\":\"\"}",
        "{\"id\":\"..\"}",
        "{\"id\":1}",
        "{\"id\":\"a\",\"id\":\"b\"}",
        "{\"title\":7}",
        "{\"aliases\":\"a\"}",
        "{\"id\":\"a\\u0000b\"}",
        "{\"id\":\"a",
        "",
    };
    set_up();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        write_sidecar("ours.json", wrong[i]);
        struct catalogue *catalogue = open_all(NULL);
        if (note_count != 1 || strstr(last_note, "ours.json") == NULL) {
            fail_msg("%s: %u notes, '%s'", wrong[i], note_count, last_note);
        }
        CHECK_TEXT(id_of(catalogue, "ours"), "ours");
        catalogue_drop(catalogue);
    }
    tear_down();
}

static void titles__follow_the_language(void)
{
    static const char *const cases[][2] = {{"zh-CN,zh;q=0.9,en;q=0.8", "zh"},
                                           {"en-GB", "en"},
                                           {"fr, zh", "zh"},
                                           {"fr", "en"},
                                           {"", "en"},
                                           {"zhx, en", "en"}};
    const struct sidecar sidecar = {.titles = {{"en", "en"}, {"zh", "zh"}}, .title_count = 2};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_TEXT(sidecar_title(&sidecar, text_of(cases[i][0])), cases[i][1]);
    }
}

/* A city's worth of packages. */
static void thousands_of_packages__are_opened_and_watched(void)
{
    enum { COUNT = 5000 };
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < COUNT + 100) {
        print_message("skipped: only %ld open files are allowed\n", (long)limit.rlim_cur);
        return;
    }
    set_up();
    for (int i = 0; i < COUNT; i++) {
        char path[192];
        snprintf(path, sizeof path, "%s/p%d.3tz", served.packages, i);
        CHECK_EQ(link(served.ours, path), 0);
    }
    struct catalogue *catalogue = open_all(NULL);
    CHECK_EQ(catalogue->entry_count, COUNT + 2);
    CHECK(!is_stale(catalogue));
    CHECK_TEXT(id_of(catalogue, "p4999"), "p4999");
    catalogue_drop(catalogue);
    tear_down();
}

/* Each allocation of opening fails in turn: an error, and nothing is lost. */
static void opening__without_memory_fails_cleanly(void)
{
    struct sidecar sidecar;
    struct arena arena;
    struct err err;
    static const char json[] = "{\"id\":\"a\",\"aliases\":[\"b\"],\"title\":{\"en\":\"c\"}}";
    const struct span bytes = {(const uint8_t *)json, sizeof json - 1};
    bool ok = false;
    for (size_t k = 1; !ok; k++) {
        arena_init(&arena, 1 << 20);
        arena.fail_after = k;
        ok = sidecar_read(bytes, &arena, &sidecar, &err);
        CHECK(ok || err.code == ERR_NOMEM);
        arena_release(&arena);
    }
    for (size_t size = 0; size < bytes.size; size++) {
        arena_init(&arena, 1 << 20);
        CHECK_FAILS(sidecar_read((struct span){bytes.data, size}, &arena, &sidecar, &err), &err,
                    ERR_SYNTAX);
        arena_release(&arena);
    }
}

CHECK_MAIN(CHECK_TEST(sidecars__name_packages), CHECK_TEST(sidecars__are_followed_when_they_change),
           CHECK_TEST(ids__are_given_once), CHECK_TEST(files__that_are_no_sidecar_are_looked_over),
           CHECK_TEST(titles__follow_the_language),
           CHECK_TEST(thousands_of_packages__are_opened_and_watched),
           CHECK_TEST(opening__without_memory_fails_cleanly))
