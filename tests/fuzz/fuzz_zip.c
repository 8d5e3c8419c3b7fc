/* SPDX-License-Identifier: Apache-2.0 */
/* Members of an accepted archive lie inside it, do not overlap, have names that
 * stay below, and expand to what they claim or fail. */
#include <assert.h>

#include "formats/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena source;
    struct zip zip;
    struct err err;
    arena_init(&source, 1 << 20);
    if (!zip_open((struct span){data, size}, &source, &zip, &err)) {
        assert(err.code != ERR_NONE);
        arena_release(&source);
        return 0;
    }
    struct buf out;
    buf_init(&out, 1 << 20);
    size_t total = 0;
    for (size_t i = 0; i < zip.member_count; i++) {
        const struct zip_member *member = &zip.members[i];
        assert(member->packed.data >= data);
        assert(member->packed.data + member->packed.size <= data + size);
        assert(zip_find(&zip, member->name) == member);
        total += member->packed.size;
        buf_reset(&out);
        if (zip_load(member, &out, &err)) {
            assert(out.size == member->bytes);
        }
    }
    assert(total <= size);
    buf_release(&out);
    arena_release(&source);
    return 0;
}
