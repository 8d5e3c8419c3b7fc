/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to a small city. The first byte is the kind, then lines
 * "parameter=value": each is refused with a reason, or answered with JSON.
 * What a filter says never reaches SQLite but as a value.
 */
#include <assert.h>

#include "formats/json.h"
#include "formats/query_print.h"
#include "tests/formats/query_city.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const struct query *query, struct query_city *city)
{
    struct query_result result;
    struct err err;
    struct buf out;
    struct json json;
    const struct query_links links = {.self = {"http://h/", 9}, .item = {"http://h/", 9}};
    if (!query_run(query, &city->target, &city->request, &result, &err)) {
        assert(err.code != ERR_LIBRARY); /* SQL that SQLite does not take is our mistake */
        return;
    }
    assert(result.hit_count <= CITY_COUNT && result.matched_count <= CITY_COUNT);
    buf_init(&out, 1 << 22);
    assert(query_print(query, &city->target, &result, &links, &city->request, &out, &err));
    assert(buf_finish(&out, &err));
    if (query->format == QUERY_BITSET) {
        assert(out.size == (CITY_COUNT + 7) / 8);
        buf_release(&out);
        return;
    }
    json_init(&json, buf_span(&out), NULL);
    assert(json_skip(&json, &err) && json_end(&json, &err));
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct query_city city; /* made once: the fuzzer calls this in a loop */
    struct query query;
    struct err err;
    if (city.target.index == NULL) {
        query_city_open(&city);
    }
    if (size == 0) {
        return 0;
    }
    const struct arena_mark mark = arena_mark(&city.request);
    bool ok = true;
    query_init(&query, (enum query_kind)(data[0] % QUERY_KIND_COUNT));
    if (size > 1 && data[1] == '{') {
        ok = query_set_json(&query, &city.target, (struct span){data + 1, size - 1}, &city.request,
                            &err);
    }
    for (size_t at = 1; ok && at < size && data[1] != '{';) {
        const char *line = (const char *)data + at;
        const char *end = memchr(line, '\n', size - at);
        const size_t length = end == NULL ? size - at : (size_t)(end - line);
        const char *equals = memchr(line, '=', length);
        if (equals != NULL) {
            const size_t name = (size_t)(equals - line);
            ok = query_set(&query, &city.target, (struct text){line, name},
                           (struct text){equals + 1, length - name - 1}, &city.request, &err);
        }
        at += length + 1;
    }
    if (ok) {
        answer(&query, &city);
    } else {
        assert(err.code != ERR_NONE && err.message[0] != '\0');
    }
    arena_reset(&city.request, mark);
    return 0;
}
