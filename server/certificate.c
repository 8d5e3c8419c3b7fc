/* SPDX-License-Identifier: Apache-2.0 */
#include "server/certificate.h"

#include <pthread.h>
#include <time.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "formats/base/arena.h"
#include "formats/base/io.h"

enum { PEM_BYTES_MAX = 1 << 20, CHAIN_MAX = 16 };

struct certificate {
    struct arena memory; /* itself and the files */
    struct certificates *owner;
    size_t holder_count; /* behind the owner's lock */
    gnutls_certificate_credentials_t credentials;
    struct text chain, key; /* terminated */
    int64_t begins_s, ends_s;
};

struct certificates {
    struct arena memory; /* itself */
    pthread_mutex_t lock;
    struct certificate *current;
    const char *chain_path, *key_path;
};

/* ---- one ---- */

static void free_certificate(struct certificate *certificate)
{
    if (certificate->credentials != NULL) {
        gnutls_certificate_free_credentials(certificate->credentials);
    }
    if (certificate->key.data != NULL) { /* not for whoever gets the memory next */
        gnutls_memset((char *)(uintptr_t)certificate->key.data, 0, certificate->key.size);
    }
    struct arena memory = certificate->memory; /* it lies in there */
    arena_release(&memory);
}

static bool read_pem(const char *path, struct arena *memory, struct text *out, struct err *err)
{
    struct io_map map;
    if (!io_map(path, &map, err)) {
        return false;
    }
    bool ok = true;
    if (map.bytes.size > PEM_BYTES_MAX) {
        ok = err_set(err, ERR_SYNTAX, "too large for a PEM file");
    } else {
        char *copy = arena_array(memory, char, map.bytes.size + 1);
        if (copy == NULL) {
            ok = arena_full(memory, err);
        } else if (map.bytes.size > 0) {
            memcpy(copy, map.bytes.data, map.bytes.size);
        }
        *out = (struct text){copy, map.bytes.size};
    }
    io_unmap(&map);
    if (!ok) {
        err_in_source(err, path);
    }
    return ok;
}

static gnutls_datum_t datum_of(struct text text)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text.data, (unsigned)text.size};
}

/* The chain is as good as the shortest-lived of its members. */
static bool read_times(struct certificate *certificate, struct err *err)
{
    gnutls_x509_crt_t chain[CHAIN_MAX];
    unsigned count = CHAIN_MAX;
    const gnutls_datum_t pem = datum_of(certificate->chain);
    const int code = gnutls_x509_crt_list_import(chain, &count, &pem, GNUTLS_X509_FMT_PEM, 0);
    if (code < 0) {
        return err_set(err, ERR_SYNTAX, "no certificate in PEM: %s", gnutls_strerror(code));
    }
    certificate->begins_s = INT64_MIN;
    certificate->ends_s = INT64_MAX;
    for (int i = 0; i < code; i++) {
        const int64_t begins_s = gnutls_x509_crt_get_activation_time(chain[i]);
        const int64_t ends_s = gnutls_x509_crt_get_expiration_time(chain[i]);
        certificate->begins_s = begins_s > certificate->begins_s ? begins_s : certificate->begins_s;
        certificate->ends_s = ends_s < certificate->ends_s ? ends_s : certificate->ends_s;
        gnutls_x509_crt_deinit(chain[i]);
    }
    return true;
}

/* The key alone, so that its own faults are told from those of the pair. */
static bool check_key(const struct certificate *certificate, struct err *err)
{
    gnutls_x509_privkey_t key;
    const gnutls_datum_t pem = datum_of(certificate->key);
    int code = gnutls_x509_privkey_init(&key);
    if (code < 0) {
        return err_set(err, ERR_NOMEM, "GnuTLS");
    }
    code = gnutls_x509_privkey_import2(key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_x509_privkey_deinit(key);
    if (code == GNUTLS_E_DECRYPTION_FAILED) {
        return err_set(err, ERR_SYNTAX,
                       "the key has a password; take it off with 'openssl pkey -in FILE'");
    }
    return code >= 0 || err_set(err, ERR_SYNTAX, "no key in PEM: %s", gnutls_strerror(code));
}

static bool join_pair(struct certificate *certificate, struct err *err)
{
    const gnutls_datum_t chain = datum_of(certificate->chain);
    const gnutls_datum_t key = datum_of(certificate->key);
    int code = gnutls_certificate_allocate_credentials(&certificate->credentials);
    if (code < 0) {
        certificate->credentials = NULL;
        return err_set(err, ERR_NOMEM, "GnuTLS");
    }
    code = gnutls_certificate_set_x509_key_mem(certificate->credentials, &chain, &key,
                                               GNUTLS_X509_FMT_PEM);
    if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH) {
        return err_set(err, ERR_SCHEMA, "the key is not that of the certificate");
    }
    return code >= 0 || err_set(err, ERR_SYNTAX, "certificate and key: %s", gnutls_strerror(code));
}

static bool fill(const struct certificates *owner, struct certificate *certificate, struct err *err)
{
    if (!read_pem(owner->chain_path, &certificate->memory, &certificate->chain, err) ||
        !read_pem(owner->key_path, &certificate->memory, &certificate->key, err)) {
        return false;
    }
    if (!read_times(certificate, err)) {
        err_in_source(err, owner->chain_path);
        return false;
    }
    if (!check_key(certificate, err) || !join_pair(certificate, err)) {
        err_in_source(err, owner->key_path);
        return false;
    }
    return true;
}

static bool open_one(struct certificates *owner, struct certificate **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, 4 * (size_t)PEM_BYTES_MAX);
    struct certificate *certificate = arena_array(&memory, struct certificate, 1);
    if (certificate == NULL) {
        return arena_full(&memory, err);
    }
    certificate->memory = memory;
    certificate->owner = owner;
    certificate->holder_count = 1;
    if (!fill(owner, certificate, err)) {
        free_certificate(certificate);
        return false;
    }
    *out = certificate;
    return true;
}

void certificate_drop(struct certificate *certificate)
{
    if (certificate == NULL) {
        return;
    }
    struct certificates *owner = certificate->owner;
    pthread_mutex_lock(&owner->lock);
    const bool is_last = --certificate->holder_count == 0;
    pthread_mutex_unlock(&owner->lock);
    if (is_last) {
        free_certificate(certificate);
    }
}

void certificate_use(const struct certificate *certificate, void *session)
{
    /* Fails for want of memory alone; then the library's own, the first one, stays. */
    (void)gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, certificate->credentials);
}

const char *certificate_chain_pem(const struct certificate *certificate)
{
    return certificate->chain.data;
}

const char *certificate_key_pem(const struct certificate *certificate)
{
    return certificate->key.data;
}

int64_t certificate_begins_s(const struct certificate *certificate)
{
    return certificate->begins_s;
}

int64_t certificate_ends_s(const struct certificate *certificate)
{
    return certificate->ends_s;
}

void certificate_print_day(int64_t when_s, char out[CERTIFICATE_DAY_BYTES])
{
    const time_t when = (time_t)when_s;
    struct tm parts;
    if (gmtime_r(&when, &parts) == NULL ||
        strftime(out, CERTIFICATE_DAY_BYTES, "%Y-%m-%d", &parts) == 0) {
        memcpy(out, "?", 2);
    }
}

/* ---- the one in force ---- */

bool certificates_open(const char *chain_path, const char *key_path, struct certificates **out,
                       struct err *err)
{
    struct arena memory;
    arena_init(&memory, 1 << 16);
    struct certificates *certificates = arena_array(&memory, struct certificates, 1);
    if (certificates == NULL) {
        return arena_full(&memory, err);
    }
    *certificates =
        (struct certificates){.memory = memory, .chain_path = chain_path, .key_path = key_path};
    pthread_mutex_init(&certificates->lock, NULL);
    if (!open_one(certificates, &certificates->current, err)) {
        certificates_close(certificates);
        return false;
    }
    *out = certificates;
    return true;
}

void certificates_close(struct certificates *certificates)
{
    if (certificates == NULL) {
        return;
    }
    certificate_drop(certificates->current);
    pthread_mutex_destroy(&certificates->lock);
    struct arena memory = certificates->memory; /* it lies in there */
    arena_release(&memory);
}

struct certificate *certificates_hold(struct certificates *certificates)
{
    pthread_mutex_lock(&certificates->lock);
    struct certificate *current = certificates->current;
    current->holder_count++;
    pthread_mutex_unlock(&certificates->lock);
    return current;
}

static bool is_in_time(const struct certificate *certificate, int64_t now_s)
{
    return certificate->begins_s <= now_s && now_s < certificate->ends_s;
}

static bool may_replace(const struct certificate *old, const struct certificate *next,
                        int64_t now_s, struct err *err)
{
    char day[CERTIFICATE_DAY_BYTES];
    if (is_in_time(next, now_s) || !is_in_time(old, now_s)) {
        return true;
    }
    const bool is_over = next->ends_s <= now_s;
    certificate_print_day(is_over ? next->ends_s : next->begins_s, day);
    err_set(err, ERR_SCHEMA,
            is_over ? "the certificate ended on %s" : "the certificate begins on %s", day);
    err_in_source(err, next->owner->chain_path);
    return false;
}

bool certificates_reload(struct certificates *certificates, int64_t now_s, bool *out_is_other,
                         struct err *err)
{
    struct certificate *next;
    if (!open_one(certificates, &next, err)) {
        return false;
    }
    struct certificate *old = certificates_hold(certificates);
    const bool is_other =
        !text_equals(old->chain, next->chain) || !text_equals(old->key, next->key);
    const bool is_taken = is_other && may_replace(old, next, now_s, err);
    if (is_taken) {
        pthread_mutex_lock(&certificates->lock);
        certificates->current = next;
        pthread_mutex_unlock(&certificates->lock);
        certificate_drop(old); /* it was in force */
    } else {
        certificate_drop(next);
    }
    certificate_drop(old);
    if (is_other && !is_taken) {
        return false;
    }
    *out_is_other = is_other;
    return true;
}
