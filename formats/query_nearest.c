/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/query_asking.h"

bool query_nearest_run(struct query_asking *a)
{
    struct feature_index_near *near =
        arena_array(a->request, struct feature_index_near, a->query->k);
    size_t count = 0;
    if (near == NULL) {
        return arena_full(a->request, a->err);
    }
    if (!query_sql_prepare_accept(a)) {
        return false;
    }
    a->from.accept = query_sql_accept;
    a->from.acceptor = a;
    if (!feature_index_find_nearest(a->index, &a->from, near, a->query->k, &count, a->request,
                                    a->err) ||
        a->is_stopped) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!query_run_take(
                a, (struct query_hit){.row = near[i].row, .distance_m = near[i].distance_m})) {
            return false;
        }
    }
    return true;
}
