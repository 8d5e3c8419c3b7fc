/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

/*
 * access.h - who may do what: keys, and tokens signed for a while.
 *
 * Without a keys file everybody may read (tiles, attributes, queries) and nobody
 * may download whole packages, unless --allow-download. With one, everybody may
 * do what "anonymous" says, nothing without it.
 *
 * Layout   the keys file is JSON:
 *
 *     {"token_secret": "64 or more hexadecimal digits",
 *      "anonymous": {"scopes": ["tiles"], "packages": ["futian"]},
 *      "keys": [{"name": "flood office", "sha256": "...", "expires": "2027-12-31",
 *                "scopes": ["tiles", "attributes", "queries", "download"],
 *                "packages": ["futian", "nanshan"], "requests_per_second": 50}]}
 *
 *          A key is 32 random bytes in base64url; the file has the SHA-256 of its
 *          text. That many random bits need no slow hash: nobody can try them
 *          all. "packages" left out is every package; "expires" is the last day.
 *
 *          A token is base64url(JSON) "." base64url(HMAC-SHA-256 of what stands
 *          before the point), with {"key": name, "packages": [...], "scopes":
 *          [...], "exp": seconds since 1970}. It may do what both it and its key
 *          may: a key that is taken out of the file takes its tokens along.
 *
 * Source   RFC 6750 (Bearer), RFC 4648 "base64url", RFC 2104
 * Limits   ACCESS_KEYS_MAX keys. Comparing looks at every key in the same time.
 * Threads  An opened struct access is only read
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

enum access_scope {
    ACCESS_OPEN = 0, /* needs nothing */
    ACCESS_TILES = 1 << 0,
    ACCESS_ATTRIBUTES = 1 << 1,
    ACCESS_QUERIES = 1 << 2,
    ACCESS_DOWNLOAD = 1 << 3
};

enum { ACCESS_READING = ACCESS_TILES | ACCESS_ATTRIBUTES | ACCESS_QUERIES };
enum { ACCESS_KEYS_MAX = 10000, ACCESS_TOKEN_SECONDS = 3600 };

struct access;

/* Packages by id; every one when `is_all`. */
struct access_list {
    bool is_all;
    const struct text *ids;
    size_t count;
};

/* What one request may do. */
struct access_grant {
    unsigned scopes;
    struct access_list of_key, of_token; /* both must have the package */
    const char *key;                     /* its name; NULL: anonymous */
    uint64_t key_hash;                   /* tells keys apart; 0 anonymous */
    double rate;                         /* requests a second; 0 no limit of its own */
};

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_UNKNOWN, /* 401: the key or token is none, or has expired */
    ACCESS_NEEDED,  /* 401: nobody may without a key */
    ACCESS_REFUSED  /* 403: this key may not */
};

/*
 * Reads a keys file.
 *
 * path     NULL: no file, everybody may read
 * Errors   ERR_IO, ERR_SYNTAX, ERR_SCHEMA with line and column; ERR_LIMIT
 */
ERR_CHECKED bool access_open(const char *path, bool allows_download, struct access **out,
                             struct err *err);
void access_hold(struct access *access);
void access_drop(struct access *access); /* NULL is fine */

/* True when there is a keys file, so that answers differ from caller to caller. */
bool access_is_kept(const struct access *access);

/*
 * Who is asking. `presented` is a key or a token, or empty.
 *
 * Memory   *out lies in `request` and in `access`
 */
ERR_CHECKED bool access_identify(const struct access *access, struct text presented, int64_t now_s,
                                 struct arena *request, struct access_grant *out);

/* Whether a grant has a scope for a package; id empty: for any package at all. */
enum access_verdict access_judge(const struct access_grant *grant, enum access_scope scope,
                                 struct text id);

/* A token for one package with what the grant may do there, in `request`; NULL
 * without memory, or without a secret to sign with. */
const char *access_sign(const struct access *access, const struct access_grant *grant,
                        struct text id, int64_t expires_s, struct arena *request);

/* What --make-key prints: a new key, and its line for the file. */
ERR_CHECKED bool access_make_key(const char *name, struct buf *out, struct err *err);

#endif
