/* SPDX-License-Identifier: Apache-2.0 */
/* Every bit of an accepted subtree lies inside the file. */
#include <assert.h>

#include "formats/subtree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bits(const struct subtree_availability *availability, const uint8_t *data,
                       size_t size)
{
    if (!availability->is_constant) {
        assert(availability->bits >= data);
        assert(availability->bits + (availability->count + 7) / 8 <= data + size);
        assert(subtree_count_available(availability) <= availability->count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena scratch;
    struct subtree subtree;
    struct err err;
    arena_init(&scratch, 1 << 22);
    const uint32_t levels = size == 0 ? 1 : 1 + data[size - 1] % 5;
    if (subtree_read((struct span){data, size}, size % 2 == 0, levels, &scratch, &subtree, &err)) {
        check_bits(&subtree.tiles, data, size);
        check_bits(&subtree.children, data, size);
        for (size_t i = 0; i < subtree.content_count; i++) {
            check_bits(&subtree.contents[i], data, size);
        }
    }
    arena_release(&scratch);
    return 0;
}
