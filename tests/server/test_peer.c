/* SPDX-License-Identifier: Apache-2.0 */
#include "server/peer.h"

#include "server/crowd.h"
#include "server/limiter.h"
#include "tests/check.h"

static struct peer peer_of(const char *text)
{
    struct peer peer;
    CHECK(peer_read(text_of(text), &peer));
    return peer;
}

static void addresses__are_read_in_every_form(void)
{
    static const char *const forms[][2] = {
        {"192.0.2.7", "192.0.2.7"},        {"192.0.2.7:80", "192.0.2.7"},
        {"2001:db8::1", "2001:db8::1"},    {"\"[2001:db8::1]:80\"", "2001:db8::1"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
    };
    static const char *const wrong[] = {"",          "unknown", "_hidden", "1.2.3",
                                        "1.2.3.4.5", "[::1",    ":80"};
    struct peer peer;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char text[PEER_TEXT_BYTES];
        peer = peer_of(forms[i][0]);
        peer_print(&peer, text);
        CHECK_TEXT(text, forms[i][1]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK(!peer_read(text_of(wrong[i]), &peer));
    }
}

static void ranges__hold_what_lies_in_them(void)
{
    static const struct {
        const char *range;
        const char *address;
        bool is_in;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"192.168.1.128/25", "192.168.1.200", true},
        {"192.168.1.128/25", "192.168.1.100", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.8", false},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
    };
    struct err err;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct peer_ranges ranges = {.count = 0};
        CHECK_OK(peer_ranges_add(&ranges, cases[i].range, &err), &err);
        const struct peer peer = peer_of(cases[i].address);
        if (peer_is_within(&peer, &ranges) != cases[i].is_in) {
            fail_msg("%s in %s", cases[i].address, cases[i].range);
        }
    }
    static const char *const wrong[] = {"proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x",
                                        "::/129"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct peer_ranges ranges = {.count = 0};
        CHECK_FAILS(peer_ranges_add(&ranges, wrong[i], &err), &err, ERR_SCHEMA);
    }
}

/* Only what our own proxies wrote counts: the client may have begun the list. */
static void client__is_the_last_address_that_is_no_proxy(void)
{
    static const struct {
        const char *addresses;
        const char *standard;
        const char *client;
    } cases[] = {
        {NULL, NULL, "10.0.0.1"},
        {"192.0.2.7", NULL, "192.0.2.7"},
        {"6.6.6.6, 192.0.2.7", NULL, "192.0.2.7"},
        {"192.0.2.7, 10.0.0.2", NULL, "192.0.2.7"},
        {"6.6.6.6, 192.0.2.7, 10.0.0.3 , 10.0.0.2", NULL, "192.0.2.7"},
        {"192.0.2.7, unknown", NULL, "10.0.0.1"},
        {NULL, "for=192.0.2.7;proto=https", "192.0.2.7"},
        {NULL, "for=6.6.6.6, proto=http;For=\"[2001:db8::9]:1\"", "2001:db8::9"},
    };
    struct peer_ranges proxies = {.count = 0};
    struct err err;
    CHECK_OK(peer_ranges_add(&proxies, "10.0.0.0/8", &err), &err);
    const struct peer near = peer_of("10.0.0.1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct peer_forwarded forwarded = {.addresses = text_of(cases[i].addresses),
                                                 .by_standard = text_of(cases[i].standard)};
        const struct peer client = peer_client(&near, &forwarded, &proxies);
        char text[PEER_TEXT_BYTES];
        peer_print(&client, text);
        CHECK_TEXT(text, cases[i].client);
    }
}

static void schemes_and_prefixes__are_clean_or_nothing(void)
{
    struct peer_forwarded forwarded = {.scheme = text_of("https"), .prefix = text_of("/3d/")};
    CHECK_TEXT_IS(peer_scheme(&forwarded), "https");
    CHECK_TEXT_IS(peer_prefix(&forwarded), "/3d");
    forwarded =
        (struct peer_forwarded){.scheme = text_of("javascript"), .prefix = text_of("/\"><script>")};
    CHECK_EQ(peer_scheme(&forwarded).size, 0);
    CHECK_EQ(peer_prefix(&forwarded).size, 0);
    forwarded = (struct peer_forwarded){.by_standard = text_of("for=1.1.1.1;proto=https"),
                                        .scheme = text_of("http"),
                                        .prefix = text_of("3d")};
    CHECK_TEXT_IS(peer_scheme(&forwarded), "https");
    CHECK_EQ(peer_prefix(&forwarded).size, 0);
}

static void crowd__counts_each_address(void)
{
    struct crowd *crowd;
    struct err err;
    CHECK_OK(crowd_open(3, &crowd, &err), &err);
    const struct peer one = peer_of("192.0.2.1");
    const struct peer two = peer_of("192.0.2.2");
    for (int i = 0; i < 3; i++) {
        CHECK(crowd_enter(crowd, &one));
    }
    CHECK(!crowd_enter(crowd, &one));
    CHECK(crowd_enter(crowd, &two));
    crowd_leave(crowd, &one);
    CHECK(crowd_enter(crowd, &one));
    /* Many come and go, and nobody is lost in the table. */
    for (uint32_t i = 1; i < 20000; i++) {
        struct peer peer = one;
        bytes_store_u32le(peer.bytes + 4, i);
        CHECK(crowd_enter(crowd, &peer));
    }
    for (uint32_t i = 1; i < 20000; i++) {
        struct peer peer = one;
        bytes_store_u32le(peer.bytes + 4, i);
        CHECK(crowd_enter(crowd, &peer));
        CHECK(crowd_enter(crowd, &peer));
        CHECK(!crowd_enter(crowd, &peer));
        for (int k = 0; k < 3; k++) {
            crowd_leave(crowd, &peer);
        }
    }
    CHECK(!crowd_enter(crowd, &one));
    crowd_close(crowd);
}

static void limiter__lets_a_burst_pass_and_then_the_rate(void)
{
    struct limiter *limiter;
    struct limiter_state state;
    struct err err;
    CHECK_OK(limiter_open(&limiter, &err), &err);
    unsigned passed = 0;
    for (int i = 0; i < 100; i++) {
        limiter_take(limiter, 7, 10, 1000, &state);
        passed += state.is_allowed;
    }
    CHECK_EQ(passed, 20); /* two seconds' worth */
    CHECK_EQ(state.limit, 10);
    CHECK_EQ(state.remaining, 0);
    CHECK_EQ(state.reset_s, 1);
    limiter_take(limiter, 8, 10, 1000, &state); /* another one is not touched */
    CHECK(state.is_allowed);
    CHECK_EQ(state.remaining, 19);
    passed = 0;
    for (int64_t ms = 1000; ms < 11000; ms += 10) {
        limiter_take(limiter, 7, 10, ms, &state);
        passed += state.is_allowed;
    }
    CHECK(passed >= 99 && passed <= 101);
    limiter_take(limiter, 9, 0.1, 1000, &state); /* one in ten seconds */
    CHECK(state.is_allowed);
    limiter_take(limiter, 9, 0.1, 1000, &state);
    CHECK(!state.is_allowed);
    CHECK_EQ(state.reset_s, 10);
    limiter_close(limiter);
}

CHECK_MAIN(CHECK_TEST(addresses__are_read_in_every_form),
           CHECK_TEST(ranges__hold_what_lies_in_them),
           CHECK_TEST(client__is_the_last_address_that_is_no_proxy),
           CHECK_TEST(schemes_and_prefixes__are_clean_or_nothing),
           CHECK_TEST(crowd__counts_each_address),
           CHECK_TEST(limiter__lets_a_burst_pass_and_then_the_rate))
