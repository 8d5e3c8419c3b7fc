/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

/*
 * admin.h - what the admin listener answers: to whoever runs the server, on an
 * address of its own (--admin), never to clients.
 *
 *     GET  /metrics         for Prometheus
 *     GET  /usage           today's account, a line of JSON a package and key
 *     GET  /livez /readyz   as on the public address
 *     POST /admin/reload    as SIGHUP: packages, keys, certificate, log; 202
 */

#include "server/answer.h"
#include "server/metrics.h"
#include "server/usage.h"

struct admin {
    const struct catalogue *catalogue;
    const struct metrics *const *metrics; /* of the workers and of the run */
    size_t metrics_count;
    struct usage *usage;
    int64_t started_s;          /* since 1970 */
    int64_t certificate_ends_s; /* since 1970; 0 without TLS */
    bool is_draining;
};

void admin_answer(const struct admin *admin, const struct request *request, struct arena *memory,
                  struct response *out);

#endif
