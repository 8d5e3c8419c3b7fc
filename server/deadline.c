/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/deadline.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { LOOK_MS = 1000, RATE_WINDOW_MS = 10 * 1000 };

static bool read_tcp(int fd, struct tcp_info *out)
{
    socklen_t size = sizeof *out;
    *out = (struct tcp_info){0};
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, out, &size) == 0;
}

/* A client that is idle may stay; one that has begun a request must go on. The
 * library does not tell of the first bytes, the kernel does. */
static void notice_request(struct deadline *deadline, int64_t now_ms)
{
    struct tcp_info info;
    if (now_ms - deadline->since_ms < LOOK_MS || !read_tcp(deadline->fd, &info)) {
        return;
    }
    if (!deadline->has_mark) {
        deadline->byte_mark = info.tcpi_bytes_received;
        deadline->has_mark = true;
    } else if (info.tcpi_bytes_received != deadline->byte_mark) {
        deadline_begin(deadline, DEADLINE_HEAD, now_ms);
    }
}

/* Acknowledged bytes in each window of ten seconds must reach the floor. */
static bool is_taken_too_slowly(struct deadline *deadline, unsigned rate, int64_t now_ms)
{
    struct tcp_info info;
    if (!read_tcp(deadline->fd, &info)) {
        return false;
    }
    if (!deadline->has_mark) {
        deadline->byte_mark = info.tcpi_bytes_acked;
        deadline->has_mark = true;
        deadline->since_ms = now_ms;
        return false;
    }
    if (now_ms - deadline->since_ms < RATE_WINDOW_MS) {
        return false;
    }
    const uint64_t taken = info.tcpi_bytes_acked - deadline->byte_mark;
    deadline->byte_mark = info.tcpi_bytes_acked;
    deadline->since_ms = now_ms;
    return taken < (uint64_t)rate * (RATE_WINDOW_MS / 1000);
}

bool deadline_is_missed(struct deadline *deadline, const struct deadline_limits *limits,
                        int64_t now_ms)
{
    const int64_t waited_ms = now_ms - deadline->since_ms;
    switch (deadline->phase) {
    case DEADLINE_FRESH:
        return limits->is_draining || waited_ms > (int64_t)limits->head_s * 1000;
    case DEADLINE_IDLE:
        if (limits->is_draining || waited_ms > (int64_t)limits->idle_s * 1000) {
            return true;
        }
        notice_request(deadline, now_ms);
        return false;
    case DEADLINE_HEAD:
        return waited_ms > (int64_t)limits->head_s * 1000;
    case DEADLINE_BODY:
        return waited_ms > (int64_t)limits->body_s * 1000;
    case DEADLINE_SENDING:
        return is_taken_too_slowly(deadline, limits->send_rate, now_ms);
    }
    return false;
}
