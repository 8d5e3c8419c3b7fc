/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/access.h"

#include <stdlib.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "server/secret.h"
#include "tests/check.h"

#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
/* printf '%s' one | sha256sum */
#define HASH_ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
#define HASH_TWO "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"

static const char keys[] =
    "{\"token_secret\":\"" SECRET
    "\",\"anonymous\":{\"scopes\":[\"tiles\"],\"packages\":[\"open\"]},"
    "\"keys\":[{\"name\":\"one\",\"sha256\":\"" HASH_ONE
    "\",\"scopes\":[\"tiles\",\"queries\",\"download\"],\"packages\":[\"a\",\"b\"],"
    "\"requests_per_second\":50},\n"
    "{\"name\":\"two\",\"sha256\":\"" HASH_TWO
    "\",\"scopes\":[\"attributes\"],\"expires\":\"2026-01-31\"}]}";

static char path[64];
static struct arena memory;

static void write_keys(const char *text)
{
    struct err err;
    strcpy(path, "/tmp/storey-keys-XXXXXX");
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_OK(io_write(fd, text, strlen(text), &err), &err);
    close(fd);
    arena_init(&memory, 1 << 20);
}

static struct access *open_keys(const char *text)
{
    struct access *access;
    struct err err;
    write_keys(text);
    CHECK_OK(access_open(path, false, &access, &err), &err);
    return access;
}

static void close_keys(struct access *access)
{
    access_drop(access);
    arena_release(&memory);
    unlink(path);
}

static enum access_verdict judge(const struct access *access, const char *key, int64_t now_s,
                                 enum access_scope scope, const char *id)
{
    struct access_grant grant;
    if (!access_identify(access, text_of(key), now_s, &memory, &grant)) {
        return ACCESS_UNKNOWN;
    }
    return access_judge(&grant, scope, text_of(id));
}

static void access__without_a_file_lets_everybody_read(void)
{
    struct access *access;
    struct err err;
    arena_init(&memory, 1 << 20);
    CHECK_OK(access_open(NULL, false, &access, &err), &err);
    CHECK(!access_is_kept(access));
    CHECK_EQ(judge(access, "anything", 0, ACCESS_TILES, "a"), ACCESS_GRANTED);
    CHECK_EQ(judge(access, "", 0, ACCESS_QUERIES, "a"), ACCESS_GRANTED);
    CHECK_EQ(judge(access, "", 0, ACCESS_DOWNLOAD, "a"), ACCESS_NEEDED);
    access_drop(access);
    CHECK_OK(access_open(NULL, true, &access, &err), &err);
    CHECK_EQ(judge(access, "", 0, ACCESS_DOWNLOAD, "a"), ACCESS_GRANTED);
    access_drop(access);
    arena_release(&memory);
}

static void access__judges_by_scope_and_package(void)
{
    static const struct {
        const char *key;
        enum access_scope scope;
        const char *id;
        enum access_verdict verdict;
    } cases[] = {
        {"", ACCESS_TILES, "open", ACCESS_GRANTED},
        {"", ACCESS_TILES, "a", ACCESS_NEEDED},
        {"", ACCESS_QUERIES, "open", ACCESS_NEEDED},
        {"", ACCESS_OPEN, "", ACCESS_GRANTED},
        {"one", ACCESS_TILES, "a", ACCESS_GRANTED},
        {"one", ACCESS_DOWNLOAD, "b", ACCESS_GRANTED},
        {"one", ACCESS_TILES, "open", ACCESS_REFUSED},
        {"one", ACCESS_ATTRIBUTES, "a", ACCESS_REFUSED},
        {"two", ACCESS_ATTRIBUTES, "anything", ACCESS_GRANTED},
        {"three", ACCESS_TILES, "open", ACCESS_UNKNOWN},
        {"on", ACCESS_TILES, "a", ACCESS_UNKNOWN},
    };
    struct access *access = open_keys(keys);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const enum access_verdict verdict =
            judge(access, cases[i].key, 1000, cases[i].scope, cases[i].id);
        if (verdict != cases[i].verdict) {
            fail_msg("%s, %d, %s: %d", cases[i].key, (int)cases[i].scope, cases[i].id,
                     (int)verdict);
        }
    }
    struct access_grant grant;
    CHECK(access_identify(access, text_of("one"), 0, &memory, &grant));
    CHECK_TEXT(grant.key, "one");
    CHECK(grant.rate == 50);
    close_keys(access);
}

static void keys__expire_at_the_end_of_their_day(void)
{
    const int64_t end_s = 1769904000; /* date -ud 2026-02-01 +%s */
    struct access *access = open_keys(keys);
    CHECK_EQ(judge(access, "two", end_s - 1, ACCESS_ATTRIBUTES, "a"), ACCESS_GRANTED);
    CHECK_EQ(judge(access, "two", end_s, ACCESS_ATTRIBUTES, "a"), ACCESS_UNKNOWN);
    close_keys(access);
}

static void tokens__are_good_for_one_package_and_a_while(void)
{
    struct access *access = open_keys(keys);
    struct access_grant grant;
    CHECK(access_identify(access, text_of("one"), 0, &memory, &grant));
    const char *made = access_sign(access, &grant, text_of("a"), 2000, &memory);
    CHECK(made != NULL);
    char token[512]; /* it outlives the memory of a request */
    CHECK(strlen(made) < sizeof token);
    strcpy(token, made);
    CHECK_EQ(judge(access, token, 1999, ACCESS_TILES, "a"), ACCESS_GRANTED);
    CHECK_EQ(judge(access, token, 1999, ACCESS_QUERIES, "a"), ACCESS_GRANTED);
    CHECK_EQ(judge(access, token, 1999, ACCESS_TILES, "b"), ACCESS_REFUSED);
    CHECK_EQ(judge(access, token, 1999, ACCESS_DOWNLOAD, "a"), ACCESS_REFUSED);
    CHECK_EQ(judge(access, token, 2000, ACCESS_TILES, "a"), ACCESS_UNKNOWN);
    /* Any byte changed, and any length. */
    char *copy = arena_array(&memory, char, strlen(token) + 1);
    for (size_t i = 0; i < strlen(token); i++) {
        strcpy(copy, token);
        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        CHECK_EQ(judge(access, copy, 0, ACCESS_TILES, "a"), ACCESS_UNKNOWN);
        strcpy(copy, token);
        copy[i] = '\0';
        CHECK(judge(access, copy, 0, ACCESS_TILES, "a") != ACCESS_GRANTED);
    }
    close_keys(access);
    /* The key is taken out: its tokens are none. */
    access = open_keys("{\"token_secret\":\"" SECRET "\",\"keys\":[]}");
    CHECK_EQ(judge(access, token, 0, ACCESS_TILES, "a"), ACCESS_UNKNOWN);
    close_keys(access);
}

static void keys_file__is_refused_with_its_line(void)
{
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"{\"keys\":[{\"name\":\"a\"}]}", "needs a name and its sha256"},
        {"{\"keys\":[{\"name\":\"a\",\"sha256\":\"12\"}]}", "64 hexadecimal digits"},
        {"{\"keys\":[{\"nam\":\"a\"}]}", "a key has name"},
        {"{\"keys\":[{\"name\":\"a\",\"sha256\":\"" HASH_ONE
         "\"},{\"name\":\"a\",\"sha256\":\"" HASH_TWO "\"}]}",
         "another key has this name"},
        {"{\"keys\":[{\"scopes\":[\"all\"]}]}", "a scope is one of"},
        {"{\"keys\":[{\"packages\":[1]}]}", "named by its id"},
        {"{\"keys\":[{\"expires\":\"tomorrow\"}]}", "a day such as"},
        {"{\"keys\":[{\"requests_per_second\":0}]}", "above 0"},
        {"{\"keys\":{}}", "an array"},
        {"{\"token_secret\":\"00\"}", "64 to 256"},
        {"{\"secret\":1}", "a keys file has"},
        {"[]", "an object"},
        {"{\"keys\":[", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct access *access;
        struct err err;
        write_keys(cases[i].text);
        CHECK(!access_open(path, false, &access, &err));
        if (strstr(err.message, cases[i].words) == NULL) {
            fail_msg("%s: '%s'", cases[i].text, err.message);
        }
        CHECK(err.line > 0 || err.code == ERR_SYNTAX);
        arena_release(&memory);
        unlink(path);
    }
}

static void made_keys__are_let_in(void)
{
    struct buf text;
    struct err err;
    buf_init(&text, 1 << 16);
    CHECK_OK(access_make_key("flood \"office\"", &text, &err), &err);
    buf_add_byte(&text, 0);
    char *said = (char *)text.data;
    char *key = strstr(said, "\n    ") + 5;
    char *line = strstr(key, "\n    ") + 5;
    *strchr(key, '\n') = '\0';
    *strchr(line, '\n') = '\0';
    char file[1024];
    snprintf(file, sizeof file, "{\"keys\":[%s]}", line);
    struct access *access = open_keys(file);
    CHECK_EQ(judge(access, key, 0, ACCESS_TILES, "a"), ACCESS_GRANTED);
    CHECK_EQ(judge(access, key, 0, ACCESS_DOWNLOAD, "a"), ACCESS_REFUSED);
    close_keys(access);
    buf_release(&text);
}

/* RFC 4648, "Test Vectors", in the alphabet for URLs and without padding; RFC 4231,
 * test case 2. */
static void secrets__agree_with_the_standards(void)
{
    static const char *const vectors[][2] = {{"f", "Zg"},          {"fo", "Zm8"},
                                             {"foo", "Zm9v"},      {"foob", "Zm9vYg"},
                                             {"fooba", "Zm9vYmE"}, {"\xFF\xEF", "_-8"}};
    struct err err;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct buf out;
        uint8_t back[16];
        buf_init(&out, 100);
        const struct text plain = text_of(vectors[i][0]);
        secret_print64(&out, (struct span){(const uint8_t *)plain.data, plain.size});
        CHECK_TEXT_IS(((struct text){(char *)out.data, out.size}), vectors[i][1]);
        CHECK_EQ(secret_read64(text_of(vectors[i][1]), back, sizeof back), plain.size);
        CHECK(memcmp(back, plain.data, plain.size) == 0);
        buf_release(&out);
    }
    uint8_t hash[SECRET_HASH_BYTES];
    const char *said = "what do ya want for nothing?";
    CHECK_OK(secret_sign((struct span){(const uint8_t *)"Jefe", 4},
                         (struct span){(const uint8_t *)said, strlen(said)}, hash, &err),
             &err);
    CHECK(memcmp(hash, "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e", 8) == 0);
}

CHECK_MAIN(CHECK_TEST(access__without_a_file_lets_everybody_read),
           CHECK_TEST(access__judges_by_scope_and_package),
           CHECK_TEST(keys__expire_at_the_end_of_their_day),
           CHECK_TEST(tokens__are_good_for_one_package_and_a_while),
           CHECK_TEST(keys_file__is_refused_with_its_line), CHECK_TEST(made_keys__are_let_in),
           CHECK_TEST(secrets__agree_with_the_standards))
