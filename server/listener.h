/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

/*
 * listener.h - listening sockets: one for each worker, all on one port.
 *
 * SO_REUSEPORT lets the kernel share connections out, so that no worker wakes for
 * another's. A socket that a supervisor passes (LISTEN_FDS) is one only: workers
 * wait on it together.
 *
 * Source   socket(7) SO_REUSEPORT; sd_listen_fds(3)
 */

#include "formats/base/err.h"

struct listener_name {
    char text[80]; /* "127.0.0.1:8080", "[::1]:8080" */
};

/*
 * Binds and listens.
 *
 * listen   "127.0.0.1:8080", "[::1]:0", ":8080" (every address)
 * Memory   fds[0 .. count-1] are the caller's to close, on failure too; those
 *          that were not opened keep their value
 * Errors   ERR_IO      the address is taken, or not of this machine
 *          ERR_SCHEMA  not an address
 */
ERR_CHECKED bool listener_open(const char *listen, int *fds, unsigned count,
                               struct listener_name *out, struct err *err);

/* True when a supervisor passed a socket to this process. */
bool listener_is_inherited(void);

/* As listener_open(), over the socket that was passed. */
ERR_CHECKED bool listener_inherit(int *fds, unsigned count, struct listener_name *out,
                                  struct err *err);

#endif
