/* SPDX-License-Identifier: Apache-2.0 */
#include "server/options.h"

#include <stdlib.h>
#include <unistd.h>

const char options_usage[] =
    "usage: storeyd PATH... [option]...\n"
    "       storeyd --make-key NAME\n"
    "       storeyd --sum-usage PATH...\n"
    "Serves 3D Tiles packages (folders with a tileset.json, .3tz archives, or folders\n"
    "of these) and a viewer page over HTTP.\n"
    "\n"
    "  --listen ADDRESS:PORT  where to listen (127.0.0.1:8080); port 0 takes a free\n"
    "                         one; ':8080' is every address of this machine\n"
    "  --public-url URL       how clients reach this server, for links in answers\n"
    "  --trust-proxy RANGE    addresses of proxies that are believed about their\n"
    "                         clients, such as 10.0.0.0/8; may be given again\n"
    "  --certificate FILE     TLS: the certificate chain, PEM\n"
    "  --private-key FILE     TLS: its key, PEM\n"
    "  --viewer DIR           the viewer's files; found beside the program\n"
    "  --cesium DIR           CesiumJS (cesium/Build/Cesium); found beside the viewer\n"
    "\n"
    "  --keys FILE            who may do what (server/README.md); without it everybody\n"
    "                         may read\n"
    "  --make-key NAME        makes a key, prints it and its line for that file\n"
    "  --allow-download       without --keys: everybody may download whole packages\n"
    "\n"
    "  --access-log FILE      one line of JSON a request; standard output without it\n"
    "  --quiet                no access log\n"
    "  --usage DIR            calls and bytes by package, key and day; a file a day\n"
    "  --sum-usage PATH...    adds up such files and folders, of any number of servers\n"
    "  --admin ADDRESS:PORT   metrics, usage, reload: for you, not for clients\n"
    "\n"
    "  --threads N            workers (one per core)\n"
    "  --connections N        at once (8192)\n"
    "  --address-connections N  of one address (64; of this machine any number)\n"
    "  --address-rate N       requests a second of one address (0: any)\n"
    "  --question-ms N        for questions that come to a worker at once; more are\n"
    "                         answered 503 (250; 0: any)\n"
    "  --cache N              tiles that each worker keeps ready (4096)\n"
    "  --head-seconds N       for the head of a request (10)\n"
    "  --idle-seconds N       between requests (75)\n"
    "  --drain-seconds N      for answers under way at shutdown (10)\n"
    "  --grace-hours N        replaced packages still answer for old viewers (48)\n"
    "  --help, --version\n"
    "\n"
    "SIGHUP reloads packages, keys and certificate and reopens the log, SIGUSR1 reopens\n"
    "the log, SIGTERM and SIGINT shut down.\n";

/* Options whose value is a number: where it goes, and its range. */
struct number_option {
    const char *name;
    unsigned *value;
    unsigned least, most;
};

struct text_option {
    const char *name;
    const char **value;
};

static bool read_number(const struct number_option *option, const char *text, struct err *err)
{
    char *end = NULL;
    const unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value < option->least ||
        value > option->most) {
        return err_set(err, ERR_SCHEMA, "%s takes a number from %u to %u, not '%s'", option->name,
                       option->least, option->most, text);
    }
    *option->value = (unsigned)value;
    return true;
}

/* "--name=value" or "--name" "value"; NULL when `argument` is another option. */
static const char *value_of(const char *name, int argc, char **argv, int *at)
{
    const char *argument = argv[*at];
    const size_t size = strlen(name);
    if (strncmp(argument, name, size) != 0) {
        return NULL;
    }
    if (argument[size] == '=') {
        return argument + size + 1;
    }
    if (argument[size] != '\0') {
        return NULL;
    }
    return *at + 1 < argc ? argv[++*at] : "";
}

static bool read_option(struct options *options, int argc, char **argv, int *at, struct err *err)
{
    const struct number_option numbers[] = {
        {"--threads", &options->http.worker_count, 1, 255},
        {"--connections", &options->http.connection_limit, 1, 1000000},
        {"--address-connections", &options->http.address_limit, 0, 1000000},
        {"--address-rate", &options->http.address_rate, 0, 1000000},
        {"--question-ms", &options->http.question_ms, 0, 60000},
        {"--cache", &options->http.cache_slots, 16, 1 << 20},
        {"--head-seconds", &options->http.head_s, 1, 3600},
        {"--idle-seconds", &options->http.idle_s, 1, 86400},
        {"--drain-seconds", &options->drain_s, 0, 3600},
        {"--grace-hours", &options->grace_h, 0, 24 * 365},
    };
    const struct text_option texts[] = {
        {"--listen", &options->http.listen},
        {"--public-url", &options->http.public_url},
        {"--viewer", &options->viewer},
        {"--cesium", &options->cesium},
        {"--access-log", &options->access_log},
        {"--admin", &options->http.admin},
        {"--certificate", &options->http.certificate},
        {"--keys", &options->keys},
        {"--make-key", &options->key_name},
        {"--private-key", &options->http.private_key},
        {"--usage", &options->usage},
    };
    const char *argument = argv[*at];
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const char *value = value_of(numbers[i].name, argc, argv, at);
        if (value != NULL) {
            options->http.is_local_limited =
                options->http.is_local_limited || numbers[i].value == &options->http.address_limit;
            return read_number(&numbers[i], value, err);
        }
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *value = value_of(texts[i].name, argc, argv, at);
        if (value != NULL) {
            *texts[i].value = value;
            return value[0] != '\0' || err_set(err, ERR_SCHEMA, "%s takes a value", argument);
        }
    }
    const char *range = value_of("--trust-proxy", argc, argv, at);
    if (range != NULL) {
        return peer_ranges_add(&options->http.proxies, range, err);
    }
    const struct {
        const char *name;
        bool *value;
    } switches[] = {{"--quiet", &options->is_quiet},
                    {"--allow-download", &options->allows_download}};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (strcmp(argument, switches[i].name) == 0) {
            *switches[i].value = true;
            return true;
        }
    }
    if (strcmp(argument, "--sum-usage") == 0) {
        options->action = OPTIONS_SUM_USAGE;
        return true;
    }
    return err_set(err, ERR_SCHEMA, "unknown option '%s'; --help lists them", argument);
}

/* The cache is a table whose size is a power of two. */
static unsigned round_up(unsigned count)
{
    unsigned power = 16;
    while (power < count) {
        power *= 2;
    }
    return power;
}

bool options_read(int argc, char **argv, struct options *out, struct err *err)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct options options = {
        .drain_s = 10,
        .grace_h = 48,
        .http = {.listen = "127.0.0.1:8080",
                 .worker_count = cores < 1     ? 1
                                 : cores > 255 ? 255
                                               : (unsigned)cores,
                 .connection_limit = 8192,
                 .address_limit = 64,
                 .cache_slots = 4096,
                 .question_ms = 250,
                 .head_s = 10,
                 .idle_s = 75,
                 .request_s = 30,
                 .send_rate = 1024,
                 .body_bytes = 1 << 20},
    };
    int path_count = 0;
    bool is_over = false; /* after "--" everything is a path */
    for (int i = 1; i < argc; i++) {
        if (!is_over && strcmp(argv[i], "--") == 0) {
            is_over = true;
        } else if (!is_over && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            options.action = OPTIONS_HELP;
            *out = options;
            return true;
        } else if (!is_over && strcmp(argv[i], "--version") == 0) {
            options.action = OPTIONS_VERSION;
            *out = options;
            return true;
        } else if (!is_over && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (!read_option(&options, argc, argv, &i, err)) {
                return false;
            }
        } else {
            argv[1 + path_count++] = argv[i]; /* never ahead of i */
        }
    }
    if (options.key_name != NULL) {
        options.action = OPTIONS_MAKE_KEY;
        *out = options;
        return true;
    }
    if ((options.http.certificate == NULL) != (options.http.private_key == NULL)) {
        return err_set(err, ERR_SCHEMA, "--certificate and --private-key go together");
    }
    if (path_count == 0) {
        return err_set(err, ERR_SCHEMA, "no PATH to serve; --help shows how");
    }
    options.paths = (const char *const *)(argv + 1);
    options.path_count = (size_t)path_count;
    options.http.cache_slots = round_up(options.http.cache_slots);
    *out = options;
    return true;
}
