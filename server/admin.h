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
 *     POST /admin/reload    as SIGHUP: packages, keys, log; 202
 */

#include "server/answer.h"
#include "server/metrics.h"
#include "server/usage.h"

struct admin {
    const struct catalogue *catalogue;
    const struct metrics *const *workers;
    size_t worker_count;
    struct usage *usage;
    bool is_draining;
};

void admin_answer(const struct admin *admin, const struct request *request, struct arena *memory,
                  struct response *out);

#endif
