/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/usage.h"

#include <stdlib.h>

#include "formats/base/io.h"
#include "server/metrics.h"
#include "tests/check.h"

enum { DAY_S = 86400 };
static const int64_t now_s = (int64_t)20544 * DAY_S + 100; /* 2026-04-01 */

static char folder[64];

static void make_folder(void)
{
    strcpy(folder, "/tmp/storey-usage-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
}

static void remove_folder(void)
{
    struct err err;
    CHECK_OK(io_remove_tree(folder, &err), &err);
}

static void expect(struct usage *usage, const char *lines)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    usage_print(usage, &text);
    CHECK_TEXT_IS(((struct text){(char *)text.data, text.size}), lines);
    buf_release(&text);
}

static void expect_file(const char *name, const char *lines)
{
    char path[128];
    struct io_map map;
    struct err err;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_OK(io_map(path, &map, &err), &err);
    CHECK_TEXT_IS(((struct text){(const char *)map.bytes.data, map.bytes.size}), lines);
    io_unmap(&map);
}

#define FIRST                                                                                      \
    "{\"day\":\"2026-04-01\",\"package\":\"a\",\"key\":\"\",\"calls\":2,\"bytes\":30,"             \
    "\"2xx\":1,\"3xx\":1,\"4xx\":0,\"5xx\":0}\n"
#define SECOND                                                                                     \
    "{\"day\":\"2026-04-01\",\"package\":\"a\",\"key\":\"\xE9\x98\xB2\xE6\xB1\x9B "                \
    "\\\"x\\\"\",\"calls\":1,\"bytes\":5,"                                                         \
    "\"2xx\":0,\"3xx\":0,\"4xx\":0,\"5xx\":1}\n"
#define THIRD                                                                                      \
    "{\"day\":\"2026-04-01\",\"package\":\"b\",\"key\":\"\",\"calls\":1,\"bytes\":1,"              \
    "\"2xx\":0,\"3xx\":0,\"4xx\":1,\"5xx\":0}\n"
#define NEXT_DAY                                                                                   \
    "{\"day\":\"2026-04-02\",\"package\":\"a\",\"key\":\"\",\"calls\":1,\"bytes\":7,"              \
    "\"2xx\":1,\"3xx\":0,\"4xx\":0,\"5xx\":0}\n"
/* As it was written before there were statuses. */
#define OLD "{\"day\":\"2026-04-01\",\"package\":\"a\",\"key\":\"\",\"calls\":2,\"bytes\":30}\n"

static void count_one(struct usage_tally *tally, int64_t when_s, const char *package,
                      const char *key, unsigned status, uint64_t bytes)
{
    const struct usage_call call = {package, key, status, bytes};
    usage_tally_add(tally, when_s, &call);
}

static void count_some(struct usage *usage)
{
    struct usage_tally *tally;
    struct err err;
    CHECK_OK(usage_tally_open(&tally, &err), &err);
    count_one(tally, now_s, "b", NULL, 404, 1);
    count_one(tally, now_s, "a", NULL, 200, 10);
    count_one(tally, now_s, "a", "\xE9\x98\xB2\xE6\xB1\x9B \"x\"", 503, 5);
    usage_add(usage, tally);
    count_one(tally, now_s, "a", NULL, 304, 20);
    usage_add(usage, tally);
    usage_add(usage, tally); /* empty now */
    usage_tally_close(tally);
}

static void account__outlives_the_server(void)
{
    struct usage *usage;
    struct err err;
    make_folder();
    CHECK_OK(usage_open(folder, now_s, &usage, &err), &err);
    count_some(usage);
    expect(usage, FIRST SECOND THIRD);
    CHECK_OK(usage_save(usage, now_s, &err), &err);
    expect_file("2026-04-01.jsonl", FIRST SECOND THIRD);
    usage_close(usage); /* or killed */
    CHECK_OK(usage_open(folder, now_s + 10, &usage, &err), &err);
    expect(usage, FIRST SECOND THIRD);
    usage_close(usage);
    CHECK_OK(usage_open(folder, now_s + DAY_S, &usage, &err), &err);
    expect(usage, "");
    usage_close(usage);
    remove_folder();
}

static void days__have_files_of_their_own(void)
{
    struct usage *usage;
    struct usage_tally *tally;
    struct err err;
    make_folder();
    CHECK_OK(usage_open(folder, now_s, &usage, &err), &err);
    count_some(usage);
    CHECK_OK(usage_tally_open(&tally, &err), &err);
    count_one(tally, now_s + DAY_S, "a", NULL, 206, 7);
    usage_add(usage, tally);
    CHECK_OK(usage_save(usage, now_s + DAY_S, &err), &err);
    expect_file("2026-04-01.jsonl", FIRST SECOND THIRD);
    expect_file("2026-04-02.jsonl", NEXT_DAY);
    expect(usage, NEXT_DAY); /* the day before is over */
    usage_tally_close(tally);
    usage_close(usage);
    remove_folder();
}

static void files__of_many_servers_add_up(void)
{
    struct usage *usage;
    struct err err;
    char path[128];
    make_folder();
    snprintf(path, sizeof path, "%s/x.jsonl", folder);
    const char lines[] = FIRST THIRD OLD;
    CHECK_OK(
        io_write_file(path, (struct span){(const uint8_t *)lines, sizeof lines - 1}, false, &err),
        &err);
    CHECK_OK(usage_open(NULL, now_s, &usage, &err), &err);
    CHECK_OK(usage_add_file(usage, path, &err), &err);
    CHECK_OK(usage_add_file(usage, path, &err), &err);
    expect(usage,
           "{\"day\":\"2026-04-01\",\"package\":\"a\",\"key\":\"\",\"calls\":8,\"bytes\":120,"
           "\"2xx\":2,\"3xx\":2,\"4xx\":0,\"5xx\":0}\n"
           "{\"day\":\"2026-04-01\",\"package\":\"b\",\"key\":\"\",\"calls\":2,\"bytes\":2,"
           "\"2xx\":0,\"3xx\":0,\"4xx\":2,\"5xx\":0}\n");
    usage_close(usage);
    const char broken[] = FIRST "{\"day\":\"yesterday\"}";
    CHECK_OK(
        io_write_file(path, (struct span){(const uint8_t *)broken, sizeof broken - 1}, false, &err),
        &err);
    CHECK_OK(usage_open(NULL, now_s, &usage, &err), &err);
    CHECK_FAILS(usage_add_file(usage, path, &err), &err, ERR_SCHEMA);
    CHECK_EQ(err.line, 2);
    usage_close(usage);
    remove_folder();
}

static void metrics__add_workers_up(void)
{
    static struct metrics one;
    static struct metrics two;
    static struct metrics run;
    const struct metrics *const all[] = {&one, &two, &run};
    const struct metrics_state state = {
        .package_count = 7, .revision_count = 9, .started_s = 1775000000, .is_draining = false};
    const struct metrics_answer tile = {RESPONSE_TILES, 200, 1000, 40};
    const struct metrics_answer question = {RESPONSE_QUESTIONS, 404, 10, 700};
    struct buf text;
    metrics_answered(&one, &tile);
    metrics_answered(&two, &tile);
    metrics_answered(&two, &question);
    metrics_note(&one, METRICS_CONNECTED);
    metrics_note(&two, METRICS_CONNECTED);
    metrics_note(&two, METRICS_DISCONNECTED);
    metrics_reloaded(&run, METRICS_KEYS, true);
    metrics_reloaded(&run, METRICS_CERTIFICATE, false);
    atomic_store(&run.refused_packages, 3);
    buf_init(&text, 1 << 20);
    metrics_print(all, 3, &state, &text);
    buf_add_byte(&text, 0);
    CHECK(text.refusal == ERR_NONE);
    static const char *const lines[] = {
        "\nstoreyd_requests_total{route=\"tiles\",status=\"2xx\"} 2\n",
        "\nstoreyd_requests_total{route=\"questions\",status=\"4xx\"} 1\n",
        "\nstoreyd_requests_total{route=\"none\",status=\"4xx\"} 0\n",
        "\nstoreyd_response_bytes_total{route=\"tiles\"} 2000\n",
        "_bucket{route=\"tiles\",le=\"5e-05\"} 2\n",
        "_bucket{route=\"questions\",le=\"0.0005\"} 0\n",
        "_bucket{route=\"questions\",le=\"0.001\"} 1\n",
        "_bucket{route=\"questions\",le=\"+Inf\"} 1\n",
        "_sum{route=\"tiles\"} 0.000080\n",
        "_count{route=\"tiles\"} 2\n",
        "\nstoreyd_connections 1\n",
        "\nstoreyd_reloads_total{what=\"keys\",result=\"ok\"} 1\n",
        "\nstoreyd_reloads_total{what=\"keys\",result=\"failed\"} 0\n",
        "\nstoreyd_reloads_total{what=\"certificate\",result=\"failed\"} 1\n",
        "\nstoreyd_refused_packages 3\n",
        "\nstoreyd_packages 7\n",
        "\nstoreyd_revisions 9\n",
        "\nprocess_start_time_seconds 1775000000\n",
        "\nprocess_max_fds ",
    };
    CHECK(strstr((char *)text.data, "certificate_expiry") == NULL); /* no TLS */
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strstr((char *)text.data, lines[i]) == NULL) {
            fail_msg("no line '%s'", lines[i]);
        }
    }
    buf_release(&text);
}

CHECK_MAIN(CHECK_TEST(account__outlives_the_server), CHECK_TEST(days__have_files_of_their_own),
           CHECK_TEST(files__of_many_servers_add_up), CHECK_TEST(metrics__add_workers_up))
