/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/group.h"

#include <assert.h>
#include <stdlib.h>

#include "formats/digest.h"

struct group_head {
    uint64_t feature_count;
    uint32_t id_bytes;
    uint32_t class_bytes;
    uint32_t member_count;
    uint32_t reserved;
};
static_assert(sizeof(struct group_head) % 8 == 0, "texts begin at multiples of 8");

static const uint32_t IS_GROUP = 0x80000000u;

static int compare_ids(const void *a, const void *b)
{
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

/* 50 bits: of two million groups, two have one name in one of 500 runs. */
static void print_digest(uint64_t digest, char out[GROUP_ID_BYTES])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    static const char prefix[] = "group-";
    memcpy(out, prefix, sizeof prefix - 1);
    for (size_t i = sizeof prefix - 1; i < GROUP_ID_BYTES; i++) {
        out[i] = digits[digest & 31];
        digest >>= 5;
    }
}

bool group_name(const struct group_member *members, size_t member_count, struct arena *scratch,
                char out[GROUP_ID_BYTES], struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct text *ids = arena_array(scratch, struct text, member_count);
    if (ids == NULL) {
        return arena_full(scratch, err); /* nothing was allocated */
    }
    size_t size = 0;
    for (size_t i = 0; i < member_count; i++) {
        ids[i] = members[i].id;
        size += members[i].id.size + 1;
    }
    char *all = arena_array(scratch, char, size);
    if (all == NULL) {
        arena_reset(scratch, mark);
        return arena_full(scratch, err);
    }
    qsort(ids, member_count, sizeof ids[0], compare_ids);
    size_t at = 0;
    for (size_t i = 0; i < member_count; i++) {
        memcpy(all + at, ids[i].data, ids[i].size);
        at += ids[i].size;
        all[at++] = 0; /* so that "ab" "c" is not "a" "bc" */
    }
    print_digest(digest_short((struct span){(const uint8_t *)all, size}), out);
    arena_reset(scratch, mark);
    return true;
}

void group_write(const struct group *group, struct buf *out)
{
    assert(out->size % 8 == 0);
    const struct group_head head = {
        .feature_count = group->feature_count,
        .id_bytes = (uint32_t)group->id.size,
        .class_bytes = (uint32_t)group->class_name.size,
        .member_count = (uint32_t)group->member_count,
    };
    buf_add(out, &head, sizeof head);
    for (size_t i = 0; i < group->member_count; i++) {
        const struct group_member *member = &group->members[i];
        const uint32_t size = (uint32_t)member->id.size | (member->is_group ? IS_GROUP : 0);
        buf_add(out, &size, sizeof size);
    }
    buf_add(out, group->id.data, group->id.size);
    buf_add(out, group->class_name.data, group->class_name.size);
    for (size_t i = 0; i < group->member_count; i++) {
        buf_add(out, group->members[i].id.data, group->members[i].id.size);
    }
    buf_pad(out, 0, 8, 0);
}

/* The next bytes as text; false past the end. */
static bool take_text(struct span bytes, size_t *at, size_t size, struct text *out)
{
    if (*at > bytes.size || size > bytes.size - *at) {
        return false;
    }
    *out = (struct text){(const char *)bytes.data + *at, size};
    *at += size;
    return true;
}

bool group_read(struct span bytes, size_t *at, struct arena *arena, struct group *out,
                struct err *err)
{
    struct group_head head;
    size_t next = *at;
    struct text text;
    if (!take_text(bytes, &next, sizeof head, &text)) {
        return err_set(err, ERR_IO, "a temporary file is damaged");
    }
    memcpy(&head, text.data, sizeof head);
    struct text sizes;
    struct group group = {.feature_count = head.feature_count, .member_count = head.member_count};
    if (!take_text(bytes, &next, head.member_count * sizeof(uint32_t), &sizes) ||
        !take_text(bytes, &next, head.id_bytes, &group.id) ||
        !take_text(bytes, &next, head.class_bytes, &group.class_name)) {
        return err_set(err, ERR_IO, "a temporary file is damaged");
    }
    struct group_member *members = arena_array(arena, struct group_member, head.member_count);
    if (members == NULL) {
        return arena_full(arena, err);
    }
    for (size_t i = 0; i < head.member_count; i++) {
        uint32_t size;
        memcpy(&size, sizes.data + i * sizeof size, sizeof size);
        members[i].is_group = (size & IS_GROUP) != 0;
        if (!take_text(bytes, &next, size & ~IS_GROUP, &members[i].id)) {
            return err_set(err, ERR_IO, "a temporary file is damaged");
        }
    }
    group.members = members;
    *out = group;
    *at = (next + 7) / 8 * 8;
    return true;
}
