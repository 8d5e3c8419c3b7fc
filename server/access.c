/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/access.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "formats/base/io.h"
#include "formats/digest.h"
#include "formats/json_tree.h"
#include "formats/json_write.h"
#include "server/message.h"
#include "server/secret.h"

enum { FILE_BYTES_MAX = 16 << 20, MEMORY_MAX = 64 << 20 };
enum { TOKEN_SECRET_MIN = 32, TOKEN_SECRET_MAX = 128, TOKEN_BYTES_MAX = 4096, KEY_BYTES = 32 };

struct access_key {
    uint8_t hash[SECRET_HASH_BYTES];
    const char *name;
    uint64_t name_hash;
    unsigned scopes;
    struct access_list packages;
    int64_t expires_s; /* the first second in which it is none; 0 never */
    double rate;
};

struct access {
    atomic_uint holder_count;
    struct arena memory;
    bool has_file;
    uint8_t secret[TOKEN_SECRET_MAX];
    size_t secret_bytes;
    struct access_key anonymous;
    struct access_key *keys;
    size_t key_count;
};

static const struct {
    const char *name;
    enum access_scope scope;
} scope_names[] = {{"tiles", ACCESS_TILES},
                   {"attributes", ACCESS_ATTRIBUTES},
                   {"queries", ACCESS_QUERIES},
                   {"download", ACCESS_DOWNLOAD}};
enum { SCOPE_COUNT = sizeof scope_names / sizeof scope_names[0] };

/* ---- the file ---- */

/* An error at a value of the file. */
static bool refuse(struct span file, const struct json_tree *value, struct err *err,
                   const char *what)
{
    err_set_at(err, ERR_SCHEMA, value->offset, "%s", what);
    uint32_t line = 1;
    uint32_t column = 1;
    for (uint64_t i = 0; i < value->offset && i < file.size; i++) {
        column = file.data[i] == '\n' ? 1 : column + 1;
        line += file.data[i] == '\n';
    }
    err_at_line(err, line, column);
    return false;
}

static bool read_scopes(struct span file, const struct json_tree *list, unsigned *out,
                        struct err *err)
{
    unsigned scopes = 0;
    for (size_t i = 0; i < list->child_count; i++) {
        size_t k = 0;
        while (k < SCOPE_COUNT && !json_tree_is_text(&list->children[i], scope_names[k].name)) {
            k++;
        }
        if (k == SCOPE_COUNT) {
            return refuse(file, &list->children[i], err,
                          "a scope is one of tiles, attributes, queries, download");
        }
        scopes |= scope_names[k].scope;
    }
    *out = scopes;
    return true;
}

static bool read_packages(struct span file, const struct json_tree *list, struct arena *memory,
                          struct access_list *out, struct err *err)
{
    struct text *ids = arena_array(memory, struct text, list->child_count + 1);
    if (ids == NULL) {
        return arena_full(memory, err);
    }
    for (size_t i = 0; i < list->child_count; i++) {
        if (list->children[i].kind != JSON_STRING) {
            return refuse(file, &list->children[i], err, "a package is named by its id");
        }
        ids[i] = list->children[i].text;
    }
    *out = (struct access_list){false, ids, list->child_count};
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The bytes that hexadecimal digits name; 0 when they are none. */
static size_t read_hex(struct text text, uint8_t *out, size_t room)
{
    if (text.size % 2 != 0 || text.size / 2 > room) {
        return 0;
    }
    for (size_t i = 0; i < text.size; i += 2) {
        const int high = hex_digit(text.data[i]);
        const int low = hex_digit(text.data[i + 1]);
        if (high < 0 || low < 0) {
            return 0;
        }
        out[i / 2] = (uint8_t)(high * 16 + low);
    }
    return text.size / 2;
}

/* "2027-12-31": the second after that day. */
static bool read_day(struct text text, int64_t *out)
{
    struct tm day = {0};
    char terminated[16];
    if (text.size != 10) {
        return false;
    }
    memcpy(terminated, text.data, text.size);
    terminated[text.size] = '\0';
    const char *end = strptime(terminated, "%Y-%m-%d", &day);
    if (end == NULL || *end != '\0') {
        return false;
    }
    *out = (int64_t)timegm(&day) + 86400;
    return true;
}

static uint64_t hash_of(struct text name)
{
    return bytes_load_u64le(digest_of((struct span){(const uint8_t *)name.data, name.size}).bytes) |
           1;
}

/* One member of a key's object. */
static bool read_member(struct span file, const struct json_tree *member, struct arena *memory,
                        struct access_key *key, struct err *err)
{
    if (text_is(member->key, "scopes") && member->kind == JSON_ARRAY) {
        return read_scopes(file, member, &key->scopes, err);
    }
    if (text_is(member->key, "packages") && member->kind == JSON_ARRAY) {
        return read_packages(file, member, memory, &key->packages, err);
    }
    if (text_is(member->key, "name") && member->kind == JSON_STRING) {
        key->name = message_keep(memory, member->text);
        key->name_hash = hash_of(member->text);
        return key->name != NULL || arena_full(memory, err);
    }
    if (text_is(member->key, "sha256") && member->kind == JSON_STRING) {
        return read_hex(member->text, key->hash, sizeof key->hash) == sizeof key->hash ||
               refuse(file, member, err, "sha256 is 64 hexadecimal digits");
    }
    if (text_is(member->key, "expires") && member->kind == JSON_STRING) {
        return read_day(member->text, &key->expires_s) ||
               refuse(file, member, err, "expires is a day such as 2027-12-31");
    }
    if (text_is(member->key, "requests_per_second") && member->kind == JSON_NUMBER) {
        key->rate = member->number;
        return (member->number > 0 && member->number <= 1e6) ||
               refuse(file, member, err, "requests_per_second is a number above 0");
    }
    return refuse(file, member, err,
                  "a key has name, sha256, scopes, packages, expires, requests_per_second");
}

static bool read_key(struct span file, const struct json_tree *object, struct arena *memory,
                     struct access_key *out, struct err *err)
{
    struct access_key key = {.packages = {.is_all = true}};
    if (object->kind != JSON_OBJECT) {
        return refuse(file, object, err, "an object is wanted here");
    }
    for (size_t i = 0; i < object->child_count; i++) {
        if (!read_member(file, &object->children[i], memory, &key, err)) {
            return false;
        }
    }
    *out = key;
    return true;
}

static bool read_keys(struct access *access, struct span file, const struct json_tree *list,
                      struct err *err)
{
    if (list->kind != JSON_ARRAY || list->child_count > ACCESS_KEYS_MAX) {
        return refuse(file, list, err, "keys is an array of at most 10000 objects");
    }
    access->keys = arena_array(&access->memory, struct access_key, list->child_count + 1);
    if (access->keys == NULL) {
        return arena_full(&access->memory, err);
    }
    for (size_t i = 0; i < list->child_count; i++) {
        struct access_key *key = &access->keys[i];
        if (!read_key(file, &list->children[i], &access->memory, key, err)) {
            return false;
        }
        if (key->name == NULL || json_tree_find(&list->children[i], "sha256") == NULL) {
            return refuse(file, &list->children[i], err, "a key needs a name and its sha256");
        }
        for (size_t k = 0; k < i; k++) {
            if (access->keys[k].name_hash == key->name_hash) {
                return refuse(file, &list->children[i], err, "another key has this name");
            }
        }
    }
    access->key_count = list->child_count;
    return true;
}

static bool read_file(struct access *access, struct span file, struct err *err)
{
    const struct json_tree *root;
    if (!json_tree_read(file, &access->memory, &root, err)) {
        return false;
    }
    for (size_t i = 0; i < root->child_count; i++) {
        const struct json_tree *member = &root->children[i];
        bool ok = false;
        if (text_is(member->key, "keys")) {
            ok = read_keys(access, file, member, err);
        } else if (text_is(member->key, "anonymous")) {
            ok = read_key(file, member, &access->memory, &access->anonymous, err);
        } else if (text_is(member->key, "token_secret") && member->kind == JSON_STRING) {
            access->secret_bytes = read_hex(member->text, access->secret, sizeof access->secret);
            ok = access->secret_bytes >= TOKEN_SECRET_MIN ||
                 refuse(file, member, err, "token_secret is 64 to 256 hexadecimal digits");
        } else {
            ok = refuse(file, member, err, "a keys file has token_secret, anonymous, keys");
        }
        if (!ok) {
            return false;
        }
    }
    return root->kind == JSON_OBJECT || refuse(file, root, err, "an object is wanted here");
}

static bool load(struct access *access, const char *path, struct err *err)
{
    struct io_map map;
    if (!io_map(path, &map, err)) {
        return false;
    }
    /* Names and lists point into the text. */
    char *text = map.bytes.size > FILE_BYTES_MAX
                     ? NULL
                     : message_keep(&access->memory,
                                    (struct text){(const char *)map.bytes.data, map.bytes.size});
    const struct span file = {(const uint8_t *)text, map.bytes.size};
    io_unmap(&map);
    if (text == NULL) {
        return err_set(err, ERR_LIMIT, "keys file of %zu bytes", file.size);
    }
    return read_file(access, file, err);
}

bool access_open(const char *path, bool allows_download, struct access **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, MEMORY_MAX);
    struct access *access = arena_array(&memory, struct access, 1);
    if (access == NULL) {
        return arena_full(&memory, err);
    }
    access->memory = memory;
    atomic_init(&access->holder_count, 1);
    if (path == NULL) {
        access->anonymous.scopes = ACCESS_READING | (allows_download ? ACCESS_DOWNLOAD : 0U);
        access->anonymous.packages.is_all = true;
    } else {
        access->has_file = true;
        if (!load(access, path, err)) {
            err_in_source(err, path);
            access_drop(access);
            return false;
        }
    }
    *out = access;
    return true;
}

void access_hold(struct access *access)
{
    atomic_fetch_add(&access->holder_count, 1);
}

void access_drop(struct access *access)
{
    if (access != NULL && atomic_fetch_sub(&access->holder_count, 1) == 1) {
        struct arena memory = access->memory; /* it lies in there */
        arena_release(&memory);
    }
}

bool access_is_kept(const struct access *access)
{
    return access->has_file;
}

/* ---- who is asking ---- */

static void grant_key(const struct access_key *key, struct access_grant *out)
{
    *out = (struct access_grant){.scopes = key->scopes,
                                 .of_key = key->packages,
                                 .of_token = {.is_all = true},
                                 .key = key->name,
                                 .key_hash = key->name_hash,
                                 .rate = key->rate};
}

static bool is_over(const struct access_key *key, int64_t now_s)
{
    return key->expires_s != 0 && now_s >= key->expires_s;
}

static bool identify_key(const struct access *access, struct text presented, int64_t now_s,
                         struct access_grant *out)
{
    uint8_t hash[SECRET_HASH_BYTES];
    struct err ignored;
    const struct access_key *found = NULL;
    if (!secret_hash((struct span){(const uint8_t *)presented.data, presented.size}, hash,
                     &ignored)) {
        return false;
    }
    for (size_t i = 0; i < access->key_count; i++) { /* every one, always */
        if (secret_equals(access->keys[i].hash, hash)) {
            found = &access->keys[i];
        }
    }
    if (found == NULL || is_over(found, now_s)) {
        return false;
    }
    grant_key(found, out);
    return true;
}

/* The payload of a token whose signature is ours, or NULL. */
static const struct json_tree *open_token(const struct access *access, struct text token,
                                          struct arena *request)
{
    struct err ignored;
    uint8_t signature[SECRET_HASH_BYTES];
    uint8_t expected[SECRET_HASH_BYTES];
    const char *point = memchr(token.data, '.', token.size);
    if (point == NULL || access->secret_bytes == 0 || token.size > TOKEN_BYTES_MAX) {
        return NULL;
    }
    const struct text payload = {token.data, (size_t)(point - token.data)};
    const struct text tail = {point + 1, token.size - payload.size - 1};
    const struct span signed_bytes = {(const uint8_t *)payload.data, payload.size};
    if (secret_read64(tail, signature, sizeof signature) != sizeof signature ||
        !secret_sign((struct span){access->secret, access->secret_bytes}, signed_bytes, expected,
                     &ignored) ||
        !secret_equals(signature, expected)) {
        return NULL;
    }
    uint8_t *json = arena_array(request, uint8_t, payload.size + 1);
    const size_t size = json == NULL ? 0 : secret_read64(payload, json, payload.size);
    const struct json_tree *root = NULL;
    if (size == 0 || !json_tree_read((struct span){json, size}, request, &root, &ignored)) {
        return NULL;
    }
    return root;
}

static bool identify_token(const struct access *access, struct text presented, int64_t now_s,
                           struct arena *request, struct access_grant *out)
{
    const struct json_tree *root = open_token(access, presented, request);
    const struct json_tree *name = json_tree_find(root, "key");
    const struct json_tree *expires = json_tree_find(root, "exp");
    const struct json_tree *scopes = json_tree_find(root, "scopes");
    const struct json_tree *packages = json_tree_find(root, "packages");
    if (!json_tree_is(name, JSON_STRING) || !json_tree_is(expires, JSON_NUMBER) ||
        !json_tree_is(scopes, JSON_ARRAY) || !json_tree_is(packages, JSON_ARRAY) ||
        expires->number <= (double)now_s) {
        return false;
    }
    const struct access_key *key = name->text.size == 0 ? &access->anonymous : NULL;
    for (size_t i = 0; i < access->key_count && key == NULL; i++) {
        key = text_is(name->text, access->keys[i].name) ? &access->keys[i] : NULL;
    }
    unsigned allowed = 0;
    struct err ignored;
    if (key == NULL || is_over(key, now_s) ||
        !read_scopes((struct span){NULL, 0}, scopes, &allowed, &ignored)) {
        return false;
    }
    grant_key(key, out);
    out->scopes &= allowed;
    return read_packages((struct span){NULL, 0}, packages, request, &out->of_token, &ignored);
}

bool access_identify(const struct access *access, struct text presented, int64_t now_s,
                     struct arena *request, struct access_grant *out)
{
    if (!access->has_file || presented.size == 0) {
        grant_key(&access->anonymous, out);
        return true;
    }
    return memchr(presented.data, '.', presented.size) != NULL
               ? identify_token(access, presented, now_s, request, out)
               : identify_key(access, presented, now_s, out);
}

static bool list_has(const struct access_list *list, struct text id)
{
    if (list->is_all || id.size == 0) {
        return list->is_all || list->count > 0;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (text_equals(list->ids[i], id)) {
            return true;
        }
    }
    return false;
}

enum access_verdict access_judge(const struct access_grant *grant, enum access_scope scope,
                                 struct text id)
{
    if (scope == ACCESS_OPEN || ((grant->scopes & scope) != 0 && list_has(&grant->of_key, id) &&
                                 list_has(&grant->of_token, id))) {
        return ACCESS_GRANTED;
    }
    return grant->key == NULL ? ACCESS_NEEDED : ACCESS_REFUSED;
}

/* ---- tokens and keys to hand out ---- */

static void print_scopes(struct buf *out, unsigned scopes)
{
    buf_add_byte(out, '[');
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if ((scopes & scope_names[i].scope) != 0) {
            json_write_comma(out);
            json_write_text(out, text_of(scope_names[i].name));
        }
    }
    buf_add_byte(out, ']');
}

const char *access_sign(const struct access *access, const struct access_grant *grant,
                        struct text id, int64_t expires_s, struct arena *request)
{
    struct err ignored;
    struct buf json;
    struct buf token;
    uint8_t signature[SECRET_HASH_BYTES];
    const char *kept = NULL;
    if (access->secret_bytes == 0) {
        return NULL;
    }
    buf_init(&json, TOKEN_BYTES_MAX);
    buf_init(&token, TOKEN_BYTES_MAX);
    buf_add_text(&json, "{\"key\":");
    json_write_text(&json, text_of(grant->key == NULL ? "" : grant->key));
    buf_add_text(&json, ",\"packages\":[");
    json_write_text(&json, id);
    buf_add_text(&json, "],\"scopes\":");
    print_scopes(&json, grant->scopes & ~(unsigned)ACCESS_DOWNLOAD);
    buf_print(&json, ",\"exp\":%lld}", (long long)expires_s);
    secret_print64(&token, buf_span(&json));
    if (secret_sign((struct span){access->secret, access->secret_bytes}, buf_span(&token),
                    signature, &ignored)) {
        buf_add_byte(&token, '.');
        secret_print64(&token, (struct span){signature, sizeof signature});
        if (json.refusal == ERR_NONE && token.refusal == ERR_NONE) {
            kept = message_keep(request, (struct text){(const char *)token.data, token.size});
        }
    }
    buf_release(&json);
    buf_release(&token);
    return kept;
}

bool access_make_key(const char *name, struct buf *out, struct err *err)
{
    uint8_t random[KEY_BYTES];
    uint8_t hash[SECRET_HASH_BYTES];
    struct buf key;
    if (!text_is_utf8(text_of(name)) || name[0] == '\0') {
        return err_set(err, ERR_SCHEMA, "a key's name is UTF-8 and not empty");
    }
    buf_init(&key, 256);
    bool ok = secret_random(random, sizeof random, err);
    if (ok) {
        secret_print64(&key, (struct span){random, sizeof random});
        ok = secret_hash(buf_span(&key), hash, err);
    }
    if (ok) {
        buf_print(out, "the key, to hand over; it is kept nowhere:\n    %.*s\n", (int)key.size,
                  (const char *)key.data);
        buf_add_text(out, "its line among \"keys\" of the keys file:\n    {\"name\": ");
        json_write_text(out, text_of(name));
        buf_add_text(out, ", \"sha256\": \"");
        for (size_t i = 0; i < sizeof hash; i++) {
            buf_print(out, "%02x", hash[i]);
        }
        buf_add_text(out, "\", \"scopes\": [\"tiles\", \"attributes\", \"queries\"]}\n");
        ok = secret_random(random, sizeof random, err);
        buf_add_text(out, "a secret to sign tokens with, if the file has none:\n"
                          "    \"token_secret\": \"");
        for (size_t i = 0; i < sizeof random; i++) {
            buf_print(out, "%02x", random[i]);
        }
        buf_add_text(out, "\"\n");
    }
    buf_release(&key);
    return ok && buf_finish(out, err);
}
