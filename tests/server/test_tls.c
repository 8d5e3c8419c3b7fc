/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "tests/server/served.h"

static struct served served;
static char certificate_path[96];
static char key_path[96];

static void write_pem(const char *path, const gnutls_datum_t *pem)
{
    struct err err;
    CHECK_OK(io_write_file(path, (struct span){pem->data, pem->size}, false, &err), &err);
}

/* A certificate that signs itself. */
static void make_certificate(void)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    gnutls_datum_t pem;
    snprintf(certificate_path, sizeof certificate_path, "%s/certificate.pem", served.root);
    snprintf(key_path, sizeof key_path, "%s/key.pem", served.root);
    gnutls_x509_privkey_init(&key);
    gnutls_x509_crt_init(&certificate);
    CHECK_EQ(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                          GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
             0);
    gnutls_x509_crt_set_version(certificate, 3);
    gnutls_x509_crt_set_serial(certificate, "\1", 1);
    gnutls_x509_crt_set_activation_time(certificate, 1700000000);
    gnutls_x509_crt_set_expiration_time(certificate, 4000000000);
    gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, "localhost", 9);
    gnutls_x509_crt_set_key(certificate, key);
    CHECK_EQ(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
    CHECK_EQ(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
    write_pem(certificate_path, &pem);
    gnutls_free(pem.data);
    CHECK_EQ(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
    write_pem(key_path, &pem);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
}

/* One request over TLS; the whole answer. */
static size_t converse(const char *address, const char *text, char *reply, size_t reply_bytes)
{
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1)),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    gnutls_certificate_allocate_credentials(&credentials);
    gnutls_init(&session, GNUTLS_CLIENT);
    gnutls_set_default_priority(session);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_int(session, fd);
    gnutls_handshake_set_timeout(session, 5000);
    int code;
    do {
        code = gnutls_handshake(session);
    } while (code < 0 && gnutls_error_is_fatal(code) == 0);
    CHECK_EQ(code, 0);
    CHECK_EQ(gnutls_record_send(session, text, strlen(text)), (ssize_t)strlen(text));
    size_t size = 0;
    for (;;) {
        const ssize_t got = gnutls_record_recv(session, reply + size, reply_bytes - 1 - size);
        if (got <= 0 && got != GNUTLS_E_AGAIN && got != GNUTLS_E_INTERRUPTED) {
            break;
        }
        size += got > 0 ? (size_t)got : 0;
    }
    reply[size] = '\0';
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
    close(fd);
    return size;
}

#define REQUEST(path, more)                                                                        \
    "GET " path " HTTP/1.1\r\nHost: localhost\r\n" more "Connection: close\r\n\r\n"

static void tls__serves_what_plain_http_does(void)
{
    struct catalogue_current current;
    struct access_log access_log;
    struct access *everyone;
    struct usage *usage;
    struct catalogue *first;
    struct http *http;
    struct err err;
    static char reply[65536];
    signal(SIGPIPE, SIG_IGN);
    served_open(&served);
    make_certificate();
    const char *const paths[] = {served.packages};
    CHECK_OK(access_open(NULL, false, &everyone, &err), &err);
    CHECK_OK(usage_open(NULL, 0, &usage, &err), &err);
    const struct catalogue_options catalogue = {
        .paths = paths, .path_count = 1, .access = everyone};
    CHECK_OK(catalogue_open(&catalogue, NULL, NULL, NULL, &first, &err), &err);
    catalogue_current_init(&current, first);
    CHECK_OK(access_log_open(&access_log, "/dev/null", &err), &err);
    struct http_options options = {.listen = "127.0.0.1:0",
                                   .worker_count = 2,
                                   .connection_limit = 100,
                                   .cache_slots = 64,
                                   .head_s = 5,
                                   .idle_s = 5,
                                   .request_s = 5,
                                   .send_rate = 1,
                                   .certificate = certificate_path,
                                   .private_key = key_path};
    const struct http_shared shared = {&current, &access_log, usage};
    CHECK_OK(http_open(&options, &shared, &http, &err), &err);
    for (int i = 0; i < 4; i++) { /* made, then prepared */
        converse(http_address(http), REQUEST("/collections/ours/3dtiles/" SERVED_TILE, ""), reply,
                 sizeof reply);
        CHECK(strncmp(reply, "HTTP/1.1 200", 12) == 0);
        CHECK(memmem(reply, 4000, "JSON", 4) != NULL);
    }
    const size_t size =
        converse(http_address(http),
                 REQUEST("/collections/ours/3dtiles/" SERVED_DEFLATE, "Accept-Encoding: gzip\r\n"),
                 reply, sizeof reply);
    const char *body = strstr(reply, "\r\n\r\n") + 4;
    CHECK(memcmp(body, "\x1f\x8b\x08", 3) == 0); /* framed: several parts */
    CHECK(strstr(reply, "Content-Length: ") != NULL);
    CHECK_EQ(size - (size_t)(body - reply), (size_t)atoi(strstr(reply, "Content-Length: ") + 16));
    converse(http_address(http), REQUEST("/collections/ours", ""), reply, sizeof reply);
    CHECK(strstr(reply, "https://localhost/collections/ours/3dtiles/tileset.json") != NULL);
    http_close(http, 1);

    options.private_key = certificate_path;
    CHECK_FAILS(http_open(&options, &shared, &http, &err), &err, ERR_LIBRARY);
    options.private_key = "/nonexistent/key.pem";
    CHECK_FAILS(http_open(&options, &shared, &http, &err), &err, ERR_IO);
    access_log_close(&access_log);
    catalogue_current_release(&current);
    access_drop(everyone);
    usage_close(usage);
    served_close(&served);
}

CHECK_MAIN(CHECK_TEST(tls__serves_what_plain_http_does))
