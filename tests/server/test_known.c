/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/known.h"

#include <unistd.h>

#include "tests/server/served.h"

static struct served served;
static struct store *store;
static struct store_cache *cache;
static struct known *known;

static void begin(void)
{
    struct err err;
    served_open(&served);
    CHECK_OK(store_open(served.ours, &store, &err), &err);
    const struct store_cache_options options = {.slot_count = 16, .expanded_bytes = 1 << 20};
    CHECK_OK(store_cache_open(options, &cache, &err), &err);
    CHECK_OK(known_open(16, &known, &err), &err);
}

static void end(void)
{
    known_close(known);
    store_cache_close(cache);
    store_drop(store);
    served_close(&served);
}

/* What routes would answer to a plain request for the root. */
static struct response answer_root(void)
{
    struct response response = {.status = 200, .kind = RESPONSE_TILES, .package = "futian"};
    struct err err;
    bool is_refused;
    CHECK_OK(store_cache_find(cache, store, text_of("tileset.json"),
                              1U << MESSAGE_IDENTITY | 1U << MESSAGE_GZIP, &response.view,
                              &is_refused, &err),
             &err);
    CHECK(response.view != NULL);
    response.is_whole_view = true;
    response.bytes.size = (size_t)response.view->bytes;
    return response;
}

static struct request plain(void)
{
    return (struct request){.method = MESSAGE_GET,
                            .path = text_of("/collections/futian/3dtiles/tileset.json"),
                            .accept_encoding = text_of("gzip, br")};
}

static void note_root(void)
{
    const struct request request = plain();
    const struct response response = answer_root();
    known_note(known, &request, &response);
    store_view_give_back(response.view);
}

static bool is_known(const struct request *request, unsigned status)
{
    struct response response = {.status = 0};
    const bool found = known_answer(known, request, &response);
    if (found) {
        CHECK_EQ(response.status, status);
        CHECK(response.is_whole_view);
        CHECK_EQ(response.bytes.size, status == 304 ? 0 : response.view->bytes);
        CHECK_EQ(strcmp(response.package, "futian"), 0);
        CHECK_EQ(response.kind, RESPONSE_TILES);
        store_view_give_back(response.view);
    } else {
        CHECK_EQ(response.status, 0);
    }
    return found;
}

static void known_answer__answers_as_before(void)
{
    begin();
    struct request request = plain();
    CHECK(!is_known(&request, 200));
    note_root();
    CHECK(is_known(&request, 200));
    request.method = MESSAGE_HEAD;
    CHECK(is_known(&request, 200));
    request.if_none_match = text_of("\"another\"");
    CHECK(is_known(&request, 200));
    struct response response = answer_root();
    request.if_none_match = text_of(response.view->etag);
    store_view_give_back(response.view);
    CHECK(is_known(&request, 304));
    end();
}

static void known_answer__leaves_the_rest_to_the_long_way(void)
{
    begin();
    note_root();
    struct request other[10];
    for (size_t i = 0; i < 10; i++) {
        other[i] = plain();
    }
    other[0].path = text_of("/collections/futian/3dtiles/tileset.jsoN");
    other[1].accept_encoding = text_of("gzip, bz");
    other[2].accept_encoding = (struct text){NULL, 0};
    other[3].method = MESSAGE_POST;
    other[4].query = text_of("");
    other[5].authorization = text_of("Bearer x");
    other[6].api_key = text_of("x");
    other[7].range = text_of("bytes=0-1");
    other[8].if_match = text_of("*");
    other[9].request_id = text_of("7");
    for (size_t i = 0; i < 10; i++) {
        CHECK(!is_known(&other[i], 200));
    }
    other[2].accept_encoding = text_of(""); /* sent, and empty */
    CHECK(!is_known(&other[2], 200));
    end();
}

static void known_note__keeps_what_is_for_everybody(void)
{
    begin();
    const struct request request = plain();
    struct response response = answer_root();
    response.is_private = true;
    known_note(known, &request, &response);
    CHECK(!is_known(&request, 200));
    response.is_private = false;
    response.key = "flood office";
    known_note(known, &request, &response);
    CHECK(!is_known(&request, 200));
    response.key = NULL;
    response.is_whole_view = false;
    known_note(known, &request, &response);
    CHECK(!is_known(&request, 200));
    store_view_give_back(response.view);
    end();
}

static void known_answer__lets_go_with_the_cache_and_the_catalogue(void)
{
    begin();
    const struct request request = plain();
    note_root();
    known_forget(known);
    CHECK(!is_known(&request, 200));
    note_root();
    CHECK(is_known(&request, 200));
    store_cache_retain(cache, UINT64_MAX); /* its place may be another view's now */
    struct err err;
    bool is_refused;
    struct store_view *view;
    CHECK_OK(store_cache_find(cache, store, text_of("tileset.json"), 1U << MESSAGE_IDENTITY, &view,
                              &is_refused, &err),
             &err);
    CHECK(!is_known(&request, 200));
    store_view_give_back(view);
    end();
}

static void known_answer__looks_again_when_a_file_was_cut(void)
{
    begin();
    const struct request request = plain();
    note_root();
    store_cache_turn(cache);
    CHECK(is_known(&request, 200));
    char path[4096];
    snprintf(path, sizeof path, "%s/tileset.json", served.ours);
    CHECK_EQ(truncate(access(path, F_OK) == 0 ? path : served.ours, 20), 0);
    CHECK(is_known(&request, 200)); /* asked for its size this turn already */
    store_cache_turn(cache);
    CHECK(!is_known(&request, 200));
    end();
}

CHECK_MAIN(CHECK_TEST(known_answer__answers_as_before),
           CHECK_TEST(known_answer__leaves_the_rest_to_the_long_way),
           CHECK_TEST(known_note__keeps_what_is_for_everybody),
           CHECK_TEST(known_answer__lets_go_with_the_cache_and_the_catalogue),
           CHECK_TEST(known_answer__looks_again_when_a_file_was_cut))
