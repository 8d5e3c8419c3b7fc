/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scene_groups.c - which features a group stands for that far tiles draw as one: as
 * the package's index has it.
 */
#include "tiler/scene_internal.h"

#include <stdlib.h>

#include "formats/feature_index.h"

/* A feature, or a group, and the group it is in. */
struct pair {
    uint32_t member, group;
};

struct scene_groups {
    struct pair *pairs; /* sorted by member */
    size_t count;
};

static int compare_pairs(const void *a, const void *b)
{
    const uint32_t left = ((const struct pair *)a)->member;
    const uint32_t right = ((const struct pair *)b)->member;
    return (left > right) - (left < right);
}

static void add_members(const struct feature_index *index, const struct feature_index_group *group,
                        struct buf *pairs)
{
    for (uint32_t i = 0; i < group->count; i++) {
        bool is_group;
        const uint32_t at = feature_index_member(index, group->first + i, &is_group);
        struct feature_index_group inner;
        if (is_group) {
            feature_index_group(index, at, &inner);
        }
        const struct text id = is_group ? inner.id : feature_index_id(index, at);
        const struct pair pair = {scene_number(id), scene_number(group->id)};
        buf_add(pairs, &pair, sizeof pair);
    }
}

static bool read_groups(struct span file, struct arena *run, struct scene_groups *out,
                        struct err *err)
{
    struct feature_index index;
    struct buf pairs;
    if (!feature_index_open(file, &index, err)) {
        return false;
    }
    buf_init(&pairs, (size_t)1 << 32);
    for (uint32_t i = 0; i < index.group_count; i++) {
        struct feature_index_group group;
        feature_index_group(&index, i, &group);
        if (group.kind == FEATURE_GROUP_MERGED) {
            add_members(&index, &group, &pairs);
        }
    }
    bool ok = buf_finish(&pairs, err);
    const size_t count = pairs.size / sizeof(struct pair);
    struct pair *copy = ok ? arena_array(run, struct pair, count) : NULL;
    if (ok && copy == NULL) {
        ok = arena_full(run, err);
    }
    if (ok && count > 0) {
        memcpy(copy, pairs.data, pairs.size);
        qsort(copy, count, sizeof copy[0], compare_pairs);
    }
    if (ok) {
        *out = (struct scene_groups){copy, count};
    }
    buf_release(&pairs);
    return ok;
}

bool scene_open_groups(struct scene *scene, const struct scene_groups **out, struct err *err)
{
    struct package_member member;
    if (!package_find(scene->package, text_of(FEATURE_INDEX_NAME), &member, err)) {
        return false;
    }
    const bool is_found = member.is_found;
    package_member_release(&member);
    *out = NULL;
    if (!is_found) {
        return true;
    }
    struct scene_groups *groups = arena_array(scene->run, struct scene_groups, 1);
    if (groups == NULL) {
        return arena_full(scene->run, err);
    }
    struct buf bytes;
    buf_init(&bytes, (size_t)1 << 34);
    bool ok = package_load(scene->package, text_of(FEATURE_INDEX_NAME), &bytes, err) &&
              read_groups(buf_span(&bytes), scene->run, groups, err);
    if (!ok) {
        err_in_source(err, FEATURE_INDEX_NAME);
    }
    buf_release(&bytes);
    if (ok) {
        *out = groups;
    }
    return ok;
}

static uint32_t group_of(const struct scene_groups *groups, uint32_t member)
{
    const struct pair key = {member, 0};
    const struct pair *found =
        bsearch(&key, groups->pairs, groups->count, sizeof key, compare_pairs);
    return found == NULL ? 0 : found->group;
}

bool scene_is_in_group(const struct scene_groups *groups, uint32_t feature, uint32_t group)
{
    enum { NESTING_MAX = 64 };
    uint32_t at = feature & ~SCENE_BUILDING;
    for (int i = 0; groups != NULL && groups->count > 0 && at != 0 && i < NESTING_MAX; i++) {
        at = group_of(groups, at);
        if (at == (group & ~SCENE_BUILDING)) {
            return at != 0;
        }
    }
    return false;
}
