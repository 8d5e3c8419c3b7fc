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

/* Times of a certificate: since 1970. */
enum { BEGINS_S = 1700000000 };
static const int64_t ends_s = 4000000000;

/* A certificate that signs itself, known by its serial number, and its key. */
static void make_certificate_of(unsigned char serial, int64_t begin_s, int64_t end_s, bool has_key)
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
    gnutls_x509_crt_set_serial(certificate, &serial, 1);
    gnutls_x509_crt_set_activation_time(certificate, (time_t)begin_s);
    gnutls_x509_crt_set_expiration_time(certificate, (time_t)end_s);
    gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, "localhost", 9);
    gnutls_x509_crt_set_key(certificate, key);
    CHECK_EQ(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
    CHECK_EQ(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
    write_pem(certificate_path, &pem);
    gnutls_free(pem.data);
    CHECK_EQ(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
    if (has_key) {
        write_pem(key_path, &pem);
    }
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
}

static void make_certificate(unsigned char serial, int64_t end_s, bool has_key)
{
    make_certificate_of(serial, BEGINS_S, end_s, has_key);
}

/* ---- a client ---- */

struct client {
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    int fd;
};

static void client_open(struct client *client, const char *address)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1)),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(client->fd, (const struct sockaddr *)&to, sizeof to), 0);
    gnutls_certificate_allocate_credentials(&client->credentials);
    gnutls_init(&client->session, GNUTLS_CLIENT);
    gnutls_set_default_priority(client->session);
    gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE, client->credentials);
    gnutls_transport_set_int(client->session, client->fd);
    gnutls_handshake_set_timeout(client->session, 5000);
    int code;
    do {
        code = gnutls_handshake(client->session);
    } while (code < 0 && gnutls_error_is_fatal(code) == 0);
    CHECK_EQ(code, 0);
}

static void client_close(struct client *client)
{
    gnutls_deinit(client->session);
    gnutls_certificate_free_credentials(client->credentials);
    close(client->fd);
}

/* The serial number of the certificate that the server showed. */
static unsigned char client_serial(const struct client *client)
{
    unsigned count;
    unsigned char serial[32];
    size_t size = sizeof serial;
    gnutls_x509_crt_t certificate;
    const gnutls_datum_t *shown = gnutls_certificate_get_peers(client->session, &count);
    CHECK(shown != NULL && count == 1);
    gnutls_x509_crt_init(&certificate);
    CHECK_EQ(gnutls_x509_crt_import(certificate, shown, GNUTLS_X509_FMT_DER), 0);
    CHECK_EQ(gnutls_x509_crt_get_serial(certificate, serial, &size), 0);
    gnutls_x509_crt_deinit(certificate);
    CHECK(size >= 1);
    return serial[size - 1];
}

static void client_send(struct client *client, const char *text)
{
    CHECK_EQ(gnutls_record_send(client->session, text, strlen(text)), (ssize_t)strlen(text));
}

static size_t client_receive(struct client *client, char *reply, size_t reply_bytes)
{
    for (;;) {
        const ssize_t got = gnutls_record_recv(client->session, reply, reply_bytes);
        if (got != GNUTLS_E_AGAIN && got != GNUTLS_E_INTERRUPTED) {
            return got > 0 ? (size_t)got : 0;
        }
    }
}

/* One request over TLS; the whole answer. */
static size_t converse(const char *address, const char *text, char *reply, size_t reply_bytes)
{
    struct client client;
    size_t size = 0;
    size_t got;
    client_open(&client, address);
    client_send(&client, text);
    do {
        got = client_receive(&client, reply + size, reply_bytes - 1 - size);
        size += got;
    } while (got > 0);
    reply[size] = '\0';
    client_close(&client);
    return size;
}

static unsigned char serial_at(const char *address)
{
    struct client client;
    client_open(&client, address);
    const unsigned char serial = client_serial(&client);
    client_close(&client);
    return serial;
}

#define REQUEST(path, more)                                                                        \
    "GET " path " HTTP/1.1\r\nHost: localhost\r\n" more "Connection: close\r\n\r\n"

/* ---- a server ---- */

static struct catalogue_current current;
static struct access_log access_log;
static struct access *everyone;
static struct usage *usage;
static struct http_options options;
static const struct http_shared shared = {.current = &current, .log = &access_log};

static bool start(struct http **out, struct err *err)
{
    struct http_shared mine = shared;
    mine.usage = usage;
    options = (struct http_options){.listen = "127.0.0.1:0",
                                    .worker_count = 2,
                                    .connection_limit = 100,
                                    .cache_slots = 64,
                                    .head_s = 5,
                                    .idle_s = 5,
                                    .request_s = 5,
                                    .send_rate = 1,
                                    .certificate = certificate_path,
                                    .private_key = key_path};
    return http_open(&options, &mine, out, err);
}

static void set_up(void)
{
    struct catalogue *first;
    struct err err;
    signal(SIGPIPE, SIG_IGN);
    served_open(&served);
    make_certificate(1, ends_s, true);
    const char *const paths[] = {served.packages};
    CHECK_OK(access_open(NULL, false, &everyone, &err), &err);
    CHECK_OK(usage_open(NULL, 0, &usage, &err), &err);
    const struct catalogue_options catalogue = {
        .paths = paths, .path_count = 1, .access = everyone};
    CHECK_OK(catalogue_open(&catalogue, NULL, NULL, NULL, &first, &err), &err);
    catalogue_current_init(&current, first);
    CHECK_OK(access_log_open(&access_log, "/dev/null", &err), &err);
}

static void tear_down(void)
{
    access_log_close(&access_log);
    catalogue_current_release(&current);
    access_drop(everyone);
    usage_close(usage);
    served_close(&served);
}

static void tls__serves_what_plain_http_does(void)
{
    struct http *http;
    struct err err;
    static char reply[65536];
    set_up();
    CHECK_OK(start(&http, &err), &err);
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
    tear_down();
}

static void reload__is_for_new_connections(void)
{
    struct http *http;
    struct client old;
    struct err err;
    bool is_other;
    int64_t begins;
    int64_t ends;
    char reply[4096];
    set_up();
    CHECK_OK(start(&http, &err), &err);
    client_open(&old, http_address(http));
    CHECK_EQ(client_serial(&old), 1);
    CHECK_OK(http_reload_certificate(http, BEGINS_S + 1, &is_other, &err), &err);
    CHECK(!is_other);
    for (unsigned char serial = 2; serial < 5; serial++) {
        make_certificate(serial, ends_s + serial, true);
        CHECK_OK(http_reload_certificate(http, BEGINS_S + 1, &is_other, &err), &err);
        CHECK(is_other);
        CHECK_EQ(serial_at(http_address(http)), serial);
        http_certificate_times(http, &begins, &ends);
        CHECK_EQ(begins, BEGINS_S);
        CHECK_EQ(ends, ends_s + serial);
    }
    client_send(&old, REQUEST("/livez", ""));
    CHECK(client_receive(&old, reply, sizeof reply) > 0);
    CHECK(strncmp(reply, "HTTP/1.1 200", 12) == 0);
    client_close(&old);
    http_close(http, 1);
    tear_down();
}

static void reload__keeps_the_old_one_when_the_new_one_is_broken(void)
{
    struct http *http;
    struct err err;
    bool is_other;
    set_up();
    CHECK_OK(start(&http, &err), &err);
    make_certificate(2, ends_s, false); /* and the key of the first */
    CHECK_FAILS(http_reload_certificate(http, BEGINS_S + 1, &is_other, &err), &err, ERR_SCHEMA);
    CHECK(strstr(err.message, "not that of the certificate") != NULL);
    CHECK(strstr(err.source, "key.pem") != NULL);
    CHECK_EQ(serial_at(http_address(http)), 1);
    make_certificate(3, BEGINS_S + 86400, true);
    CHECK_FAILS(http_reload_certificate(http, BEGINS_S + 86400, &is_other, &err), &err, ERR_SCHEMA);
    CHECK(strstr(err.message, "ended on 2023-11-15") != NULL);
    CHECK(strstr(err.source, "certificate.pem") != NULL);
    make_certificate_of(3, BEGINS_S + 86400, ends_s, true);
    CHECK_FAILS(http_reload_certificate(http, BEGINS_S + 1, &is_other, &err), &err, ERR_SCHEMA);
    CHECK(strstr(err.message, "begins on 2023-11-15") != NULL);
    served_cut(certificate_path, 100);
    CHECK_FAILS(http_reload_certificate(http, BEGINS_S + 1, &is_other, &err), &err, ERR_SYNTAX);
    CHECK_EQ(unlink(certificate_path), 0);
    CHECK_FAILS(http_reload_certificate(http, BEGINS_S + 1, &is_other, &err), &err, ERR_IO);
    CHECK_EQ(serial_at(http_address(http)), 1);
    make_certificate(4, ends_s, true);
    CHECK_OK(http_reload_certificate(http, BEGINS_S + 1, &is_other, &err), &err);
    CHECK_EQ(serial_at(http_address(http)), 4);
    http_close(http, 1);
    tear_down();
}

static void start__refuses_what_is_no_certificate_and_key(void)
{
    static const char locked[] =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhv9wE7YyqWyAICCAAw\n"
        "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEG3LDvGvYlwXd8Zf5FgDq6QEgZC8\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n";
    struct http *http;
    struct err err;
    set_up();
    served_write(served.root, "key.pem", locked, sizeof locked - 1);
    CHECK_FAILS(start(&http, &err), &err, ERR_SYNTAX);
    CHECK(strstr(err.source, "key.pem") != NULL);
    served_write(served.root, "key.pem", "", 0);
    CHECK_FAILS(start(&http, &err), &err, ERR_SYNTAX);
    strcpy(key_path, certificate_path);
    CHECK_FAILS(start(&http, &err), &err, ERR_SYNTAX);
    strcpy(key_path, "/nonexistent/key.pem");
    CHECK_FAILS(start(&http, &err), &err, ERR_IO);
    make_certificate(1, BEGINS_S + 1, true); /* over, but whole: clients will say so */
    CHECK_OK(start(&http, &err), &err);
    CHECK_EQ(serial_at(http_address(http)), 1);
    http_close(http, 1);
    tear_down();
}

CHECK_MAIN(CHECK_TEST(tls__serves_what_plain_http_does), CHECK_TEST(reload__is_for_new_connections),
           CHECK_TEST(reload__keeps_the_old_one_when_the_new_one_is_broken),
           CHECK_TEST(start__refuses_what_is_no_certificate_and_key))
