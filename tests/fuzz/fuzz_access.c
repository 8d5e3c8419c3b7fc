/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says what the others are: a keys file, something that a client
 * presents, or what a token of ours says. Nobody gets in without a key, and no
 * token says more than its key may.
 */
#define _GNU_SOURCE
#include "server/access.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/secret.h"

enum { MEMORY_MAX = 1 << 22, NOW_S = 1700000000 };

static const char known[] =
    "{\"token_secret\":\"0000000000000000000000000000000000000000000000000000000000000000\","
    "\"keys\":[{\"name\":\"one\",\"scopes\":[\"tiles\"],\"packages\":[\"a\"],\"sha256\":"
    "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}]}";

static bool open_bytes(struct span bytes, struct access **out, struct err *err)
{
    char path[64];
    const int fd = memfd_create("keys", MFD_CLOEXEC);
    assert(fd >= 0);
    const ssize_t written = write(fd, bytes.data, bytes.size);
    assert(written == (ssize_t)bytes.size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const bool ok = access_open(path, false, out, err);
    close(fd);
    return ok;
}

static void try_file(struct span bytes)
{
    struct access *access;
    struct access_grant grant;
    struct arena memory;
    struct err err;
    arena_init(&memory, MEMORY_MAX);
    if (open_bytes(bytes, &access, &err)) {
        assert(access_is_kept(access));
        const bool is_known = access_identify(access, text_of("guess"), NOW_S, &memory, &grant);
        assert(!is_known || grant.key != NULL);
        if (access_identify(access, (struct text){NULL, 0}, NOW_S, &memory, &grant)) {
            (void)access_judge(&grant, ACCESS_TILES, text_of("a"));
            (void)access_sign(access, &grant, text_of("a"), NOW_S + 10, &memory);
        }
        access_drop(access);
    } else {
        assert(err.message[0] != '\0' && err.source[0] != '\0');
    }
    arena_release(&memory);
}

/* What is presented is neither the key nor signed: nobody gets in. */
static void try_presented(const struct access *access, struct text presented)
{
    struct access_grant grant;
    struct arena memory;
    arena_init(&memory, MEMORY_MAX);
    if (access_identify(access, presented, NOW_S, &memory, &grant)) {
        assert(presented.size == 0 || text_is(presented, "abc"));
        assert(grant.key == NULL || text_is(presented, "abc"));
    }
    arena_release(&memory);
}

/* Signed as ours are, whatever it says. */
static void try_signed(const struct access *access, struct span said)
{
    static const uint8_t secret[32];
    uint8_t signature[SECRET_HASH_BYTES];
    struct access_grant grant;
    struct arena memory;
    struct buf token;
    struct err err;
    arena_init(&memory, MEMORY_MAX);
    buf_init(&token, 1 << 16);
    secret_print64(&token, said);
    if (!secret_sign((struct span){secret, sizeof secret}, buf_span(&token), signature, &err)) {
        abort();
    }
    buf_add_byte(&token, '.');
    secret_print64(&token, (struct span){signature, sizeof signature});
    if (token.refusal == ERR_NONE &&
        access_identify(access, (struct text){(const char *)token.data, token.size}, NOW_S, &memory,
                        &grant)) {
        assert((grant.scopes & ~(unsigned)ACCESS_TILES) == 0);
        assert(access_judge(&grant, ACCESS_TILES, text_of("b")) != ACCESS_GRANTED);
        assert(access_judge(&grant, ACCESS_DOWNLOAD, text_of("a")) != ACCESS_GRANTED);
    }
    buf_release(&token);
    arena_release(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const struct span rest = {data + 1, size - 1};
    if (data[0] % 3 == 0) {
        try_file(rest);
        return 0;
    }
    struct access *access;
    struct err err;
    if (!open_bytes((struct span){(const uint8_t *)known, sizeof known - 1}, &access, &err)) {
        abort();
    }
    if (data[0] % 3 == 1) {
        try_presented(access, (struct text){(const char *)rest.data, rest.size});
    } else {
        try_signed(access, rest);
    }
    access_drop(access);
    return 0;
}
