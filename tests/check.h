/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

/*
 * check.h - what our tests add to cmocka: struct err, distances with a
 * tolerance and a unit, heap copies of the exact size.
 *
 * A test program lists its tests in CHECK_MAIN(CHECK_TEST(name), ...); a test
 * that is not listed is an unused function, which does not compile. A test
 * that needs a file which is not there calls CHECK_SKIP("why").
 */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/base/bytes.h"
#include "formats/base/err.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail_msg("not true: %s", #condition);                                                  \
        }                                                                                          \
    } while (0)

#define CHECK_EQ(a, b) assert_int_equal((long long)(a), (long long)(b))

#define CHECK_TEXT(a, b) assert_string_equal((a), (b))

/* struct text against a C string. */
#define CHECK_TEXT_IS(found, expected)                                                             \
    do {                                                                                           \
        const struct text check_text = (found);                                                    \
        if (!text_is(check_text, (expected))) {                                                    \
            fail_msg("'%.*s' is not '%s'", TEXT_ARGS(check_text), (expected));                     \
        }                                                                                          \
    } while (0)

#define CHECK_NEAR(a, b, tolerance, unit)                                                          \
    do {                                                                                           \
        const double check_a = (a);                                                                \
        const double check_b = (b);                                                                \
        if (!(fabs(check_a - check_b) <= (tolerance))) {                                           \
            fail_msg("%s = %.9g, expected %.9g within %g " unit, #a, check_a, check_b,             \
                     (double)(tolerance));                                                         \
        }                                                                                          \
    } while (0)

#define CHECK_OK(call, err)                                                                        \
    do {                                                                                           \
        if (!(call)) {                                                                             \
            char check_line[512];                                                                  \
            err_format((err), check_line, sizeof check_line);                                      \
            fail_msg("%s failed: %s", #call, check_line);                                          \
        }                                                                                          \
    } while (0)

#define CHECK_FAILS(call, err, expected_code)                                                      \
    do {                                                                                           \
        if (call) {                                                                                \
            fail_msg("%s succeeded", #call);                                                       \
        }                                                                                          \
        if ((err)->code != (expected_code)) {                                                      \
            char check_line[512];                                                                  \
            err_format((err), check_line, sizeof check_line);                                      \
            fail_msg("%s: expected '%s', got: %s", #call, err_code_name(expected_code),            \
                     check_line);                                                                  \
        }                                                                                          \
    } while (0)

#define CHECK_SKIP(why)                                                                            \
    do {                                                                                           \
        printf("skipped: %s\n", (why));                                                            \
        skip();                                                                                    \
    } while (0)

/* A copy of exactly `size` bytes, so that asan sees a read past the end. */
static inline struct span check_heap_copy(const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    if (copy == NULL) {
        abort();
    }
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    return (struct span){copy, size};
}

static inline void check_heap_free(struct span copy)
{
    free((void *)(uintptr_t)copy.data);
}

/* The folder of real city files, or NULL; set by the build. */
static inline const char *check_shared_data(void)
{
#ifdef CHECK_SHARED_DATA
    FILE *readme = fopen(CHECK_SHARED_DATA "/README.md", "re");
    if (readme != NULL) {
        fclose(readme);
        return CHECK_SHARED_DATA;
    }
#endif
    return NULL;
}

/* cmocka hands every test a state; ours take none, so each name is carried as
 * that state's value to one function that calls it. */
static inline void check_run(void **state)
{
    void (*test)(void);
    memcpy(&test, state, sizeof test);
    test();
}

/* clang-format off */
#define CHECK_TEST(name)                                                                           \
    {                                                                                              \
        #name, check_run, NULL, NULL, check_state(name)                                            \
    }
/* clang-format on */

static inline void *check_state(void (*test)(void))
{
    void *state;
    memcpy(&state, &test, sizeof state);
    return state;
}

#define CHECK_MAIN(...)                                                                            \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

#endif
