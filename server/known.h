/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_KNOWN_H
#define SERVER_KNOWN_H

/*
 * known.h - addresses that were answered before: the way from a plain request
 * straight to the file that answered it.
 *
 *   request --> known --> view, as last time
 *                  \-new--> routes_answer(), then noted
 *
 * Plain is a GET or HEAD without a query, a key, a range or the like: what routes
 * answers to that follows from the address, the codings that the client takes, and
 * the catalogue in force. If-None-Match is looked at each time. Everything else
 * goes the long way.
 *
 * A view that the cache has let go of, or whose file was cut, is not answered
 * with: it is looked for anew. Where requests of everybody are limited in number,
 * nothing is known, for each has to be counted.
 *
 * Limits   KNOWN_PATH_BYTES and KNOWN_CODINGS_BYTES; longer ones go the long way
 * Threads  belongs to one worker
 */

#include "server/message.h"
#include "server/store.h"

enum { KNOWN_PATH_BYTES = 200, KNOWN_CODINGS_BYTES = 48 };

struct known;

/* slot_count: a power of two. */
ERR_CHECKED bool known_open(size_t slot_count, struct known **out, struct err *err);
void known_close(struct known *known); /* NULL is fine */

/* Another catalogue is in force. */
void known_forget(struct known *known);

/*
 * Answers as routes_answer() would, but for the headers, which *out does not get:
 * out->is_whole_view is set, and they follow from the view alone. False: go the
 * long way; *out is as before.
 */
bool known_answer(struct known *known, const struct request *request, struct response *out);

/* Remembers what routes_answer() answered, if that can be. */
void known_note(struct known *known, const struct request *request,
                const struct response *response);

#endif
