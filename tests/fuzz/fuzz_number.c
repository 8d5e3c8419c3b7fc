/* SPDX-License-Identifier: Apache-2.0 */
/* What is read has the bits that strtod gives it, and takes the same bytes. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double value = 0;
    const size_t used = number_read((struct text){(const char *)data, size}, &value);
    assert(used <= size);
    char text[2048];
    if (size >= sizeof text || memchr(data, 0, size) != NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    if (used == 0) {
        /* strtod knows more forms, and skips spaces. */
        text[strspn(text, "+-.0123456789eE")] = '\0';
        char *end = NULL;
        const double expected = strtod(text, &end);
        assert(end == text || isinf(expected));
        return 0;
    }
    text[used] = '\0';
    char *end = NULL;
    const double expected = strtod(text, &end);
    assert(end == text + used);
    assert(memcmp(&expected, &value, sizeof value) == 0);
    return 0;
}
