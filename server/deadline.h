/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_DEADLINE_H
#define SERVER_DEADLINE_H

/*
 * deadline.h - how long a connection may take over each part of a request.
 *
 * libmicrohttpd counts inactivity, and a byte every two seconds is activity: here
 * the time runs from the beginning of each phase, whatever trickles in. That a
 * request has begun on an idle connection, and what a client has taken of its
 * answer, is asked of the kernel, about once a second and only of connections
 * that wait.
 *
 *   FRESH --first byte of a request--> HEAD -> BODY -> SENDING -> IDLE -> HEAD ...
 *
 * Source   tcp(7) TCP_INFO: tcpi_bytes_received, tcpi_bytes_acked
 */

#include <stdbool.h>
#include <stdint.h>

enum deadline_phase {
    DEADLINE_FRESH,  /* connected, no request yet */
    DEADLINE_IDLE,   /* between requests */
    DEADLINE_HEAD,   /* a request has begun */
    DEADLINE_BODY,   /* its head is here */
    DEADLINE_SENDING /* the answer is on its way */
};

struct deadline {
    int fd;
    enum deadline_phase phase;
    int64_t since_ms;   /* of the phase, or of the rate window; monotonic */
    uint64_t byte_mark; /* received when idle, acknowledged when sending */
    bool has_mark;
};

struct deadline_limits {
    unsigned head_s; /* for the head of a request, and for the first one to come */
    unsigned idle_s;
    unsigned body_s;
    unsigned send_rate; /* bytes a second, over windows of ten seconds */
    bool is_draining;   /* idle connections end at once */
};

static inline void deadline_begin(struct deadline *deadline, enum deadline_phase phase,
                                  int64_t now_ms)
{
    deadline->phase = phase;
    deadline->since_ms = now_ms;
    deadline->has_mark = false;
}

/* Looks at a connection; true when it is to be cut. To be called once a second
 * or so: a request that drips in on an idle connection is noticed by that. */
bool deadline_is_missed(struct deadline *deadline, const struct deadline_limits *limits,
                        int64_t now_ms);

#endif
