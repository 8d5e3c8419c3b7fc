/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SUPERVISOR_H
#define SERVER_SUPERVISOR_H

/*
 * supervisor.h - tells systemd, or whoever set NOTIFY_SOCKET, how the server is.
 *
 * Source   sd_notify(3); the protocol is one datagram, so no library is needed
 */

/* Sends "READY=1", "STOPPING=1", "STATUS=...". Without a supervisor, and when it
 * does not listen, nothing happens. */
void supervisor_tell(const char *state);

#endif
