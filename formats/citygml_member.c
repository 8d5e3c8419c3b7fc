/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/citygml_internal.h"

/* One array of a member may take this much; its indices then fit in 32 bits. */
#define MEMBER_BYTES_MAX ((size_t)1 << 30)

enum { BUF_COUNT = 15 };

static void list_bufs(struct citygml_member *member, struct buf *out[BUF_COUNT])
{
    struct buf *bufs[BUF_COUNT] = {
        &member->objects,
        &member->values,
        &member->roots,
        &member->nodes,
        &member->rings,
        &member->placements,
        &member->failures,
        &member->points,
        &member->names,
        &member->wardrobe.dresses,
        &member->wardrobe.targets,
        &member->wardrobe.uvs,
        &member->ids,
        &member->starts,
        &member->order,
    };
    memcpy(out, bufs, sizeof bufs);
}

void citygml_member_init(struct citygml_member *member, size_t fail_after)
{
    struct buf *bufs[BUF_COUNT];
    *member = (struct citygml_member){0};
    list_bufs(member, bufs);
    for (int i = 0; i < BUF_COUNT; i++) {
        buf_init(bufs[i], MEMBER_BYTES_MAX);
        bufs[i]->fail_after = fail_after;
    }
    arena_init(&member->texts, MEMBER_BYTES_MAX);
    member->texts.fail_after = fail_after;
}

void citygml_member_release(struct citygml_member *member)
{
    struct buf *bufs[BUF_COUNT];
    list_bufs(member, bufs);
    for (int i = 0; i < BUF_COUNT; i++) {
        buf_release(bufs[i]);
    }
    arena_release(&member->texts);
}

struct citygml_mark citygml_member_mark(struct citygml_member *member)
{
    struct buf *bufs[BUF_COUNT];
    struct citygml_mark mark;
    list_bufs(member, bufs);
    for (int i = 0; i < BUF_COUNT; i++) {
        mark.sizes[i] = bufs[i]->size;
    }
    mark.texts = arena_mark(&member->texts);
    return mark;
}

void citygml_member_cut(struct citygml_member *member, const struct citygml_mark *mark)
{
    struct buf *bufs[BUF_COUNT];
    list_bufs(member, bufs);
    for (int i = 0; i < BUF_COUNT; i++) {
        bufs[i]->size = mark->sizes[i];
    }
    arena_reset(&member->texts, mark->texts);
    member->next_object = 0;
    member->wardrobe.is_sorted = false;
    member->is_named = false;
    member->starts.size = 0;
    member->order.size = 0;
    member->link_count = 0;
}

void citygml_member_fail(struct citygml_scan *scan, uint32_t object, const struct err *why)
{
    struct citygml_member *member = scan->member;
    if (object == CITYGML_NONE) {
        return;
    }
    struct citygml_object *failed = CITYGML_AT(member->objects, struct citygml_object, object);
    if (failed->failure == CITYGML_NONE) {
        const uint32_t index = citygml_count(&member->failures, sizeof *why);
        if (citygml_scan_add(scan, &member->failures, why, sizeof *why)) {
            failed->failure = index;
        }
    }
}
