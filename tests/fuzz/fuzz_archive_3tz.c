/* SPDX-License-Identifier: Apache-2.0 */
/* A member that is found has the name that was asked for and lies inside. */
#include <assert.h>

#include "formats/archive_3tz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena source;
    struct archive_3tz archive;
    struct err err;
    arena_init(&source, 1 << 20);
    if (archive_3tz_open((struct span){data, size}, &source, &archive, &err)) {
        static const char *const names[] = {"tileset.json", "a", ARCHIVE_3TZ_INDEX_NAME, ""};
        for (size_t i = 0; i < 4; i++) {
            struct zip_member member;
            bool is_found = false;
            if (archive_3tz_find(&archive, text_of(names[i]), &member, &is_found, &err) &&
                is_found) {
                assert(text_is(member.name, names[i]));
                assert(member.packed.data >= data);
                assert(member.packed.data + member.packed.size <= data + size);
            }
        }
    }
    arena_release(&source);
    return 0;
}
