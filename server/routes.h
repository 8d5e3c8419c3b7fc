/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

/*
 * routes.h - URL to function. No sockets: a request goes in, a response comes
 * out, so that tests call every route directly.
 *
 *     /                                  the viewer for browsers, else the landing page
 *     /conformance                       OGC conformance classes
 *     /collections                       the packages: bbox, limit, offset
 *     /collections/{c}                   one package
 *     /collections/{c}/3dtiles           its tileset.json
 *     /collections/{c}/3dtiles/{path}    everything the tileset refers to
 *     /livez  /readyz                    for whoever watches the process
 *     /viewer/{path}                     the viewer's own files and CesiumJS
 *
 * Every route answers GET and HEAD alike (the sender leaves the body out) and
 * OPTIONS for other origins. Failures are problem documents (RFC 9457) without
 * any path of this machine.
 *
 * Source   OGC API Common 1 and 2, Features 1; 3D GeoVolumes (22-029, draft)
 * Threads  A context belongs to one worker
 */

#include "server/catalogue.h"
#include "server/message.h"
#include "server/store.h"

struct routes_context {
    const struct catalogue *catalogue;
    struct store_cache *cache;
    const char *public_url; /* without a slash at the end; NULL: from Host */
    bool is_draining;
};

/*
 * Answers a request. There is always an answer; when memory runs out it is 503.
 *
 * Memory   what *out refers to lies in `request`, in the catalogue, or in a view
 *          that out->view holds
 */
void routes_answer(const struct routes_context *context, const struct request *request,
                   struct arena *memory, struct response *out);

/*
 * A problem document, also for those who refuse a request before it has a route.
 * `detail` says what is wrong and what to do; must be a string constant or lie
 * in `memory`.
 */
void routes_problem(unsigned status, const char *detail, struct arena *memory,
                    struct response *out);

#endif
