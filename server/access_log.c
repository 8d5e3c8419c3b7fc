/* SPDX-License-Identifier: Apache-2.0 */
#include "server/access_log.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "formats/json_write.h"
#include "server/peer.h"

enum { LINES_BYTES_MAX = 4 << 20 };

static bool open_path(const char *path, int *out, struct err *err)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0) {
        return io_error(err, "open", path);
    }
    *out = fd;
    return true;
}

bool access_log_open(struct access_log *log, const char *path, struct err *err)
{
    int fd = STDOUT_FILENO;
    if (path != NULL && !open_path(path, &fd, err)) {
        return false;
    }
    pthread_mutex_init(&log->lock, NULL);
    log->path = path;
    log->fd = fd;
    return true;
}

void access_log_close(struct access_log *log)
{
    if (log->path != NULL) {
        close(log->fd);
    }
    pthread_mutex_destroy(&log->lock);
}

bool access_log_reopen(struct access_log *log, struct err *err)
{
    int fd;
    if (log->path == NULL) {
        return true;
    }
    if (!open_path(log->path, &fd, err)) {
        return false;
    }
    pthread_mutex_lock(&log->lock);
    close(log->fd);
    log->fd = fd;
    pthread_mutex_unlock(&log->lock);
    return true;
}

void access_log_lines_init(struct access_log_lines *lines)
{
    buf_init(&lines->text, LINES_BYTES_MAX);
    lines->second = -1;
    lines->stamp_bytes = 0;
}

void access_log_lines_release(struct access_log_lines *lines)
{
    buf_release(&lines->text);
}

/* printf costs more than the rest of a line. */
static char *print_number(char *at, uint64_t value)
{
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0) {
        *at++ = digits[--count];
    }
    return at;
}

static char *print_text(char *at, const char *text, size_t size)
{
    memcpy(at, text, size);
    return at + size;
}

#define PRINT(at, constant) print_text((at), (constant), sizeof(constant) - 1)

static void name_second(struct access_log_lines *lines, int64_t second)
{
    const time_t when = (time_t)second;
    struct tm parts;
    if (gmtime_r(&when, &parts) != NULL) {
        lines->stamp_bytes =
            strftime(lines->stamp, sizeof lines->stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    }
    lines->second = second;
}

/* What stands before the method: the longest is far shorter than its room. */
enum { HEAD_BYTES = 64 + PEER_TEXT_BYTES, TAIL_BYTES = 112 };

static char *print_head(char *at, const struct access_log_lines *lines,
                        const struct access_log_entry *entry)
{
    const unsigned ms = (unsigned)(entry->time_ms % 1000);
    at = PRINT(at, "{\"time\":\"");
    at = print_text(at, lines->stamp, lines->stamp_bytes);
    *at++ = '.';
    *at++ = (char)('0' + ms / 100);
    *at++ = (char)('0' + ms / 10 % 10);
    *at++ = (char)('0' + ms % 10);
    at = PRINT(at, "Z\",\"client\":\"");
    at = print_text(at, entry->client, strlen(entry->client)); /* PEER_TEXT_BYTES at most */
    return PRINT(at, "\",\"method\":");
}

static char *print_counts(char *at, const struct access_log_entry *entry)
{
    at = PRINT(at, ",\"status\":");
    at = print_number(at, entry->status);
    at = PRINT(at, ",\"bytes\":");
    at = print_number(at, entry->bytes);
    at = PRINT(at, ",\"us\":");
    return print_number(at, entry->microseconds);
}

/* A line of plain texts, which most are, in one piece. */
static char *print_plain(char *at, const struct access_log_lines *lines,
                         const struct access_log_entry *entry, struct text method,
                         struct text package)
{
    at = print_head(at, lines, entry);
    *at++ = '"';
    at = print_text(at, method.data, method.size);
    at = PRINT(at, "\",\"path\":\"");
    at = print_text(at, entry->path.data, entry->path.size);
    *at++ = '"';
    at = print_counts(at, entry);
    at = PRINT(at, ",\"package\":\"");
    at = print_text(at, package.data, package.size);
    return PRINT(at, "\"}\n");
}

enum { PLAIN_BYTES = 1024 };

/* The usual line; false when this one is another. */
static bool add_plain(struct access_log_lines *lines, const struct access_log_entry *entry)
{
    if (entry->package == NULL || entry->key != NULL || entry->is_cut || entry->failure != NULL) {
        return false;
    }
    const struct text method = text_of(entry->method);
    const struct text package = text_of(entry->package);
    const size_t texts = method.size + package.size + entry->path.size;
    if (texts > PLAIN_BYTES - HEAD_BYTES - TAIL_BYTES || !json_text_is_plain(entry->path) ||
        !json_text_is_plain(method) || !json_text_is_plain(package)) {
        return false;
    }
    char line[PLAIN_BYTES];
    buf_add(&lines->text, line, (size_t)(print_plain(line, lines, entry, method, package) - line));
    return true;
}

/* Any line. */
static void add_any(struct access_log_lines *lines, const struct access_log_entry *entry)
{
    struct buf *out = &lines->text;
    char fixed[HEAD_BYTES + TAIL_BYTES];
    buf_add(out, fixed, (size_t)(print_head(fixed, lines, entry) - fixed));
    json_write_text(out, text_of(entry->method));
    buf_add(out, ",\"path\":", 8);
    json_write_text(out, entry->path);
    buf_add(out, fixed, (size_t)(print_counts(fixed, entry) - fixed));
    if (entry->package != NULL) {
        buf_add_text(out, ",\"package\":");
        json_write_text(out, text_of(entry->package));
    }
    if (entry->key != NULL) {
        buf_add_text(out, ",\"key\":");
        json_write_text(out, text_of(entry->key));
    }
    if (entry->is_cut) {
        buf_add_text(out, ",\"cut\":true");
    }
    if (entry->failure != NULL) {
        buf_add_text(out, ",\"error\":");
        json_write_text(out, text_of(entry->failure));
    }
    buf_add(out, "}\n", 2);
}

void access_log_add(struct access_log_lines *lines, const struct access_log_entry *entry)
{
    struct buf *out = &lines->text;
    const size_t before = out->size;
    if (entry->time_ms / 1000 != lines->second) {
        name_second(lines, entry->time_ms / 1000);
    }
    if (!add_plain(lines, entry)) {
        add_any(lines, entry);
    }
    if (out->refusal != ERR_NONE) {
        out->size = before;
        out->refusal = ERR_NONE;
    }
}

void access_log_flush(struct access_log *log, struct access_log_lines *lines)
{
    struct err ignored;
    if (lines->text.size == 0) {
        return;
    }
    pthread_mutex_lock(&log->lock);
    const bool is_written = io_write(log->fd, lines->text.data, lines->text.size, &ignored);
    pthread_mutex_unlock(&log->lock);
    (void)is_written;
    buf_reset(&lines->text);
}
