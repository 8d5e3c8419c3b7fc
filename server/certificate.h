/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CERTIFICATE_H
#define SERVER_CERTIFICATE_H

/*
 * certificate.h - the certificate of TLS and its key, read from files, and
 * replaced while connections go on.
 *
 * libmicrohttpd takes a certificate once, when it starts. Each new connection is
 * therefore given the one in force (certificate_use()) and holds it until it
 * closes: a renewed one takes effect at once and cuts nobody off.
 *
 * Threads  holding, dropping, replacing: any, behind a lock
 */

#include "formats/base/bytes.h"
#include "formats/base/err.h"

struct certificate;  /* never changes */
struct certificates; /* which one is in force */

/*
 * Reads a chain and its key, both PEM.
 *
 * Errors   ERR_IO       a file cannot be read
 *          ERR_SYNTAX   it holds no certificate, or no key, or one with a password
 *          ERR_SCHEMA   the key is another certificate's
 */
ERR_CHECKED bool certificates_open(const char *chain_path, const char *key_path,
                                   struct certificates **out, struct err *err);
void certificates_close(struct certificates *certificates); /* NULL is fine */

/*
 * Reads the files again; *out_is_other when they hold other bytes than before. The
 * old certificate stays in force on every error.
 *
 * Errors   as of certificates_open(); ERR_SCHEMA also when the new one is out of its
 *          time (at `now_s`) and the old one is not
 */
ERR_CHECKED bool certificates_reload(struct certificates *certificates, int64_t now_s,
                                     bool *out_is_other, struct err *err);

/* The one in force, which stays until it is dropped. */
struct certificate *certificates_hold(struct certificates *certificates);
void certificate_drop(struct certificate *certificate); /* NULL is fine */

/* Gives it to a gnutls_session_t that has not begun to shake hands. */
void certificate_use(const struct certificate *certificate, void *session);

/* The files, terminated; they live as long as it. */
const char *certificate_chain_pem(const struct certificate *certificate);
const char *certificate_key_pem(const struct certificate *certificate);

/* When it becomes good, and when it ends; seconds since 1970. */
int64_t certificate_begins_s(const struct certificate *certificate);
int64_t certificate_ends_s(const struct certificate *certificate);

/* "2026-04-01" of such a time. */
enum { CERTIFICATE_DAY_BYTES = 16 };
void certificate_print_day(int64_t when_s, char out[CERTIFICATE_DAY_BYTES]);

#endif
