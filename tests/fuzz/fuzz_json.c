/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Skipping a value and walking through it agree: both accept, or both fail at
 * the same place with the same code. Every string and number lies inside the
 * input; texts are UTF-8; the compact copy is JSON again and compact already.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "formats/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct text text, struct span whole)
{
    const uint8_t *at = (const uint8_t *)text.data;
    assert(at >= whole.data && at + text.size <= whole.data + whole.size);
}

static bool walk(struct json *json, struct span whole, struct arena *arena, struct err *err)
{
    struct json_string string;
    struct json_number number;
    struct text text;
    bool is_end = false;
    bool boolean = false;
    double real = 0;
    int64_t integer = 0;
    switch (json_peek(json)) {
    case JSON_OBJECT:
        if (!json_enter(json, JSON_OBJECT, err)) {
            return false;
        }
        while (json_next_member(json, &string, &is_end, err)) {
            if (is_end) {
                return true;
            }
            check_inside(string.raw, whole);
            if (!walk(json, whole, arena, err)) {
                return false;
            }
        }
        return false;
    case JSON_ARRAY:
        if (!json_enter(json, JSON_ARRAY, err)) {
            return false;
        }
        while (json_next_element(json, &is_end, err)) {
            if (is_end) {
                return true;
            }
            if (!walk(json, whole, arena, err)) {
                return false;
            }
        }
        return false;
    case JSON_STRING:
        if (!json_string(json, &string, err)) {
            return false;
        }
        check_inside(string.raw, whole);
        assert(json_string_text(string, arena, &text, err));
        assert(text_is_utf8(text) && text.size <= string.raw.size);
        return true;
    case JSON_NUMBER:
        if (!json_number(json, &number, err)) {
            return false;
        }
        check_inside(number.raw, whole);
        if (json_number_integer(number, &integer)) {
            assert(json_number_real(number, &real) && real == (double)integer);
        } else if (json_number_real(number, &real)) {
            assert(isfinite(real));
        }
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        return json_bool(json, &boolean, err);
    default:
        return json_skip(json, err);
    }
}

static void check_indices(struct span whole)
{
    struct json json;
    struct err err;
    struct buf indices;
    json_init(&json, whole, NULL);
    buf_init(&indices, 1 << 20);
    if (json_indices(&json, true, &indices, &err)) {
        struct json skipped;
        json_init(&skipped, whole, NULL);
        assert(json_skip(&skipped, &err));
        assert(skipped.at == json.at && skipped.line == json.line);
    }
    buf_release(&indices);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span whole = {data, size};
    struct json skipped;
    struct json walked;
    struct err skip_err = {0};
    struct err walk_err = {0};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    json_init(&skipped, whole, NULL);
    json_init(&walked, whole, NULL);
    const bool ok = json_skip(&skipped, &skip_err);
    const bool walks = walk(&walked, (struct span){walked.begin, size}, &arena, &walk_err);
    assert(ok == walks);
    if (ok) {
        assert(skipped.at == walked.at && skipped.line == walked.line);
        assert(skipped.line_start == walked.line_start && walked.depth == 0);
        struct text once;
        struct text twice;
        struct err err;
        json_init(&walked, whole, NULL);
        assert(json_compact(&walked, &arena, &once, &err));
        json_init(&walked, (struct span){(const uint8_t *)once.data, once.size}, NULL);
        assert(json_compact(&walked, &arena, &twice, &err) && text_equals(once, twice));
    } else {
        assert(skip_err.code == walk_err.code && skip_err.offset == walk_err.offset);
        assert(skip_err.line == walk_err.line && skip_err.column == walk_err.column);
        assert(skip_err.offset <= size);
    }
    check_indices(whole);
    arena_release(&arena);
    return 0;
}
