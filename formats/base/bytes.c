/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/base/bytes.h"

/* How many bytes the character at `at` has, or 0 when it is malformed:
 * overlong forms, surrogates and values above U+10FFFF are refused. */
static size_t character_bytes(const uint8_t *at, size_t left)
{
    const uint8_t first = at[0];
    if (first < 0x80) {
        return 1;
    }
    size_t count = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || left < count) {
        return 0;
    }
    for (size_t i = 1; i < count; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    const bool is_overlong = (first == 0xE0 && at[1] < 0xA0) || (first == 0xF0 && at[1] < 0x90);
    const bool is_outside = (first == 0xED && at[1] > 0x9F) || (first == 0xF4 && at[1] > 0x8F);
    return is_overlong || is_outside ? 0 : count;
}

bool text_is_utf8(struct text text)
{
    const uint8_t *at = (const uint8_t *)text.data;
    size_t left = text.size;
    while (left > 0) {
        /* Eight plain characters at a time: most text is plain. */
        uint64_t eight;
        if (left >= sizeof eight) {
            memcpy(&eight, at, sizeof eight);
            if ((eight & 0x8080808080808080u) == 0) {
                at += sizeof eight;
                left -= sizeof eight;
                continue;
            }
        }
        const size_t count = character_bytes(at, left);
        if (count == 0) {
            return false;
        }
        at += count;
        left -= count;
    }
    return true;
}
