/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CROWD_H
#define SERVER_CROWD_H

/*
 * crowd.h - how many connections each address has, over all workers, so that one
 * address cannot take every place.
 *
 * Limits   CROWD_ADDRESSES addresses at once; those that come beyond are not
 *          counted and not capped: the number of all connections has a limit of
 *          its own
 * Threads  any number at once
 */

#include <pthread.h>

#include "formats/base/arena.h"
#include "server/peer.h"

enum { CROWD_ADDRESSES = 1 << 15 };

struct crowd;

ERR_CHECKED bool crowd_open(unsigned most, struct crowd **out, struct err *err);
void crowd_close(struct crowd *crowd); /* NULL is fine */

/* Counts one more; false, and not counted, when there are `most` already. */
bool crowd_enter(struct crowd *crowd, const struct peer *peer);
void crowd_leave(struct crowd *crowd, const struct peer *peer);

#endif
