/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of opening packages and of answering fails in turn: the linker
 * leads malloc, calloc and realloc of our own code through here.
 */
#define _GNU_SOURCE
#include "server/attributes.h"
#include "server/routes.h"
#include "tests/server/city_case.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static size_t until; /* 0: none fails; else the number of this one */
static size_t count;

static bool fails(void)
{
    count++;
    return until != 0 && count == until;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t number, size_t size)
{
    return fails() ? NULL : __real_calloc(number, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

/* Houses: more than an answer has in one piece. */
enum { MANY = 140 };

static struct served served;

/* What a run went through; -1 where it did not come to that. */
struct outcome {
    int status;
    bool is_opened;
    bool is_cut; /* a long answer could not be finished */
};

/* The parts of a long answer, as a connection takes them. */
static void take_rest(const struct response *response, struct outcome *out)
{
    struct buf part;
    struct err err;
    bool is_over = false;
    buf_init(&part, 64 << 20);
    while (!is_over && !out->is_cut) {
        buf_reset(&part);
        out->is_cut = !response->rest->more(response->rest, &part, &is_over, &err) ||
                      !buf_finish(&part, &err);
    }
    response->rest->close(response->rest);
    buf_release(&part);
}

static void ask(const struct catalogue *catalogue, struct store_cache *cache,
                struct attributes *attributes, const char *target, struct outcome *out)
{
    struct arena memory;
    struct response response;
    const char *mark = strchr(target, '?');
    const struct routes_context context = {
        .catalogue = catalogue, .cache = cache, .attributes = attributes};
    const struct request request = {
        .method = MESSAGE_GET,
        .path = {target, mark == NULL ? strlen(target) : (size_t)(mark - target)},
        .query = text_of(mark == NULL ? NULL : mark + 1),
        .host = text_of("city.test")};
    arena_init(&memory, 64 << 20);
    routes_answer(&context, &request, &memory, &response);
    out->status = (int)response.status;
    if (response.rest != NULL) {
        take_rest(&response, out);
    }
    store_view_give_back(response.view);
    arena_release(&memory);
}

/* Opens everything, asks once, closes everything. */
static struct outcome run(const char *target)
{
    struct err err;
    struct access *access = NULL;
    struct catalogue *catalogue = NULL;
    struct store_cache *cache = NULL;
    struct attributes *attributes = NULL;
    const char *const paths[] = {served.packages};
    const struct store_cache_options small = {.slot_count = 16, .expanded_bytes = 1 << 20};
    struct outcome outcome = {.status = -1};
    if (access_open(NULL, false, &access, &err)) {
        const struct catalogue_options options = {
            .paths = paths, .path_count = 1, .access = access};
        if (catalogue_open(&options, NULL, NULL, NULL, &catalogue, &err) &&
            store_cache_open(small, &cache, &err) && attributes_open(&attributes, &err)) {
            outcome.is_opened = true;
            ask(catalogue, cache, attributes, target, &outcome);
        } else {
            CHECK_EQ(err.code, ERR_NOMEM);
        }
    }
    attributes_close(attributes);
    store_cache_close(cache);
    catalogue_drop(catalogue);
    access_drop(access);
    return outcome;
}

/* Fails the k-th allocation for every k that there is. A package that could not
 * be opened is missing (404); everything else is the answer or 503. */
static void torture(const char *target, int good)
{
    until = 0;
    count = 0;
    CHECK_EQ(run(target).status, good);
    const size_t all = count;
    CHECK(all > 10);
    size_t refused = 0;
    for (size_t k = 1; k <= all; k++) {
        count = 0;
        until = k;
        const struct outcome outcome = run(target);
        until = 0;
        if (outcome.status != -1 && outcome.status != good && outcome.status != 503 &&
            outcome.status != 404) {
            fail_msg("%s: %d when allocation %zu of %zu fails", target, outcome.status, k, all);
        }
        refused += outcome.status != good || outcome.is_cut;
    }
    CHECK(refused > 0);
    CHECK_EQ(run(target).status, good); /* nothing was left behind */
}

static void allocations__may_fail_one_after_the_other(void)
{
    static const char *const targets[] = {
        "/collections?limit=2",
        "/collections/ours/3dtiles/tileset.json",
        "/collections/ours/3dtiles/" SERVED_DEFLATE, /* expanded: no coding is taken */
        "/collections/plain/3dtiles/" SERVED_TILE,
        "/collections/city/items?limit=3&filter=people%3E15",
        "/collections/city/items/H-1?f=html",
        "/collections/city/flood?level=3&sum=people",
        "/collections/city/flood?level=3&f=bitset",
        "/collections/city/items?limit=10000", /* in parts */
        "/api?f=html",
    };
    served_open(&served);
    city_open_of(&served, MANY);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        torture(targets[i], 200);
    }
    served_close(&served);
}

CHECK_MAIN(CHECK_TEST(allocations__may_fail_one_after_the_other))
