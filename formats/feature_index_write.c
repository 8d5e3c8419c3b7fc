/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "formats/feature_index_write.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "formats/base/buf.h"
#include "formats/base/io.h"
#include "formats/feature_index_internal.h"
#include "formats/feature_index_write_internal.h"

enum { PART_BUFFER_BYTES = 1 << 16, SLOTS_FIRST = 64, CLASSES_MAX = 65535 };

/* ---- parts ---- */

static void part_init(struct feature_index_part *part)
{
    part->fd = -1;
    buf_init(&part->buffer, 2 * PART_BUFFER_BYTES + ((size_t)1 << 31));
}

static void part_release(struct feature_index_part *part)
{
    if (part->fd >= 0) {
        close(part->fd);
        part->fd = -1;
    }
    buf_release(&part->buffer);
}

static uint64_t part_size(const struct feature_index_part *part)
{
    return part->written + part->buffer.size;
}

static bool make_temporary(const char *folder, int *out, struct err *err)
{
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/storey-index-XXXXXX", folder);
    if (length < 0 || (size_t)length >= sizeof path) {
        return err_set(err, ERR_LIMIT, "path longer than %d bytes", PATH_MAX);
    }
    const int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return io_error(err, "create", path);
    }
    unlink(path);
    *out = fd;
    return true;
}

static bool part_settle(struct feature_index_part *part, const char *folder, struct err *err)
{
    if (!buf_finish(&part->buffer, err)) {
        return false;
    }
    if (part->buffer.size < PART_BUFFER_BYTES) {
        return true;
    }
    if (part->fd < 0 && !make_temporary(folder, &part->fd, err)) {
        return false;
    }
    if (!io_write_at(part->fd, part->written, part->buffer.data, part->buffer.size, err)) {
        return false;
    }
    part->written += part->buffer.size;
    buf_reset(&part->buffer);
    return true;
}

/* ---- numbers by hash ---- */

static uint64_t hash_text(struct text text)
{
    return digest_short((struct span){(const uint8_t *)text.data, text.size});
}

static struct feature_index_number_slot *number_slots(const struct feature_index_numbers *numbers)
{
    return (struct feature_index_number_slot *)(void *)numbers->slots.data;
}

static struct feature_index_number_slot *find_slot(const struct feature_index_numbers *numbers,
                                                   uint64_t hash)
{
    const size_t mask = numbers->slots.size / sizeof(struct feature_index_number_slot) - 1;
    size_t at = (size_t)hash & mask;
    struct feature_index_number_slot *slots = number_slots(numbers);
    while (slots[at].number != 0 && slots[at].hash != hash) {
        at = (at + 1) & mask;
    }
    return &slots[at];
}

static bool grow_numbers(struct feature_index_numbers *numbers, struct err *err)
{
    const size_t room = numbers->slots.size / sizeof(struct feature_index_number_slot);
    if (room > 0 && 3 * (numbers->count + 1) <= 2 * room) {
        return true;
    }
    struct feature_index_numbers larger = {.count = numbers->count};
    buf_init(&larger.slots, SIZE_MAX / 2);
    buf_extend(&larger.slots,
               (room == 0 ? SLOTS_FIRST : 2 * room) * sizeof(struct feature_index_number_slot));
    if (!buf_finish(&larger.slots, err)) {
        buf_release(&larger.slots);
        return false;
    }
    for (size_t i = 0; i < room; i++) {
        const struct feature_index_number_slot *slot = &number_slots(numbers)[i];
        if (slot->number != 0) {
            *find_slot(&larger, slot->hash) = *slot;
        }
    }
    buf_release(&numbers->slots);
    *numbers = larger;
    return true;
}

/* The number of a hash; a new one gets `next`, and *out_is_new. */
static bool number_of(struct feature_index_numbers *numbers, uint64_t hash, uint32_t next,
                      uint32_t *out, bool *out_is_new, struct err *err)
{
    if (!grow_numbers(numbers, err)) {
        return false;
    }
    struct feature_index_number_slot *slot = find_slot(numbers, hash);
    *out_is_new = slot->number == 0;
    if (slot->number == 0) {
        *slot = (struct feature_index_number_slot){hash, next + 1};
        numbers->count++;
    }
    *out = slot->number - 1;
    return true;
}

/* ---- opening ---- */

static void init_writer(struct feature_index_writer *writer)
{
    const size_t most = SIZE_MAX / 2;
    part_init(&writer->rows);
    part_init(&writer->strings);
    part_init(&writer->floors);
    part_init(&writer->footprints);
    for (size_t i = 0; i < FEATURE_INDEX_LEVELS_MAX; i++) {
        part_init(&writer->levels[i]);
    }
    struct buf *bufs[] = {&writer->kept,       &writer->groups,     &writer->group_numbers.slots,
                          &writer->classes,    &writer->tiles,      &writer->class_numbers.slots,
                          &writer->tile_names, &writer->memberships};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_init(bufs[i], most);
    }
    for (size_t i = 0; i < 3; i++) {
        writer->extent[i] = (double)INFINITY;
        writer->extent[3 + i] = -(double)INFINITY;
    }
}

static void clear_block(float block[6][FEATURE_INDEX_NODE])
{
    for (size_t i = 0; i < FEATURE_INDEX_NODE; i++) {
        for (size_t k = 0; k < 3; k++) {
            block[k][i] = INFINITY;
            block[3 + k][i] = -INFINITY;
        }
    }
}

bool feature_index_writer_open(const char *path, const char *folder,
                               const struct feature_index_head *head,
                               struct feature_index_writer **out, struct err *err)
{
    if (head->count > ROWS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %u features in one index", ROWS_MAX);
    }
    struct arena memory;
    arena_init(&memory, SIZE_MAX / 2);
    struct feature_index_writer *writer = arena_array(&memory, struct feature_index_writer, 1);
    char *kept_path = arena_print(&memory, "%s", path);
    char *kept_folder = arena_print(&memory, "%s", folder);
    if (writer == NULL || kept_path == NULL || kept_folder == NULL) {
        const bool ok = arena_full(&memory, err);
        arena_release(&memory);
        return ok;
    }
    writer->memory = memory;
    writer->path = kept_path;
    writer->folder = kept_folder;
    writer->head = *head;
    struct text datum = head->datum;
    datum.size = datum.size < sizeof writer->datum ? datum.size : sizeof writer->datum - 1;
    while (!text_is_utf8(datum)) {
        datum.size--; /* not cut within a character */
    }
    if (datum.size > 0) {
        memcpy(writer->datum, datum.data, datum.size);
    }
    init_writer(writer);
    feature_index_levels(head->count, writer->level_blocks, &writer->level_count);
    for (size_t i = 0; i < FEATURE_INDEX_LEVELS_MAX; i++) {
        clear_block(writer->block[i]);
    }
    *out = writer;
    return true;
}

void feature_index_writer_close(struct feature_index_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    part_release(&writer->rows);
    part_release(&writer->strings);
    part_release(&writer->floors);
    part_release(&writer->footprints);
    for (size_t i = 0; i < FEATURE_INDEX_LEVELS_MAX; i++) {
        part_release(&writer->levels[i]);
    }
    struct buf *bufs[] = {&writer->kept,       &writer->groups,     &writer->group_numbers.slots,
                          &writer->classes,    &writer->tiles,      &writer->class_numbers.slots,
                          &writer->tile_names, &writer->memberships};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_release(bufs[i]);
    }
    struct arena memory = writer->memory; /* the writer lies in it */
    arena_release(&memory);
}

/* ---- boxes ---- */

/* The nearest float that is not above: half of all need the one below, and nobody can
 * foresee which, so there is no branch. As numbers in order, from the most negative
 * up, floats are a step apart. */
static float outward_low(double value)
{
    float near = (float)value;
    uint32_t bits;
    memcpy(&bits, &near, sizeof bits);
    uint32_t order = bits ^ (0U - (bits >> 31)) >> 1;
    order -= (uint32_t)((double)near > value);
    bits = order ^ (0U - (order >> 31)) >> 1;
    memcpy(&near, &bits, sizeof near);
    return near;
}

static float outward_high(double value)
{
    return -outward_low(-value);
}

static void round_outward(const struct box3 *box, float side[6])
{
    side[0] = outward_low(box->min.x);
    side[1] = outward_low(box->min.y);
    side[2] = outward_low(box->min.z);
    side[3] = outward_high(box->max.x);
    side[4] = outward_high(box->max.y);
    side[5] = outward_high(box->max.z);
}

static void block_box(float block[6][FEATURE_INDEX_NODE], float side[6])
{
    for (size_t k = 0; k < 3; k++) {
        float low = block[k][0];
        float high = block[3 + k][0];
        for (size_t i = 1; i < FEATURE_INDEX_NODE; i++) {
            low = block[k][i] < low ? block[k][i] : low;
            high = block[3 + k][i] > high ? block[3 + k][i] : high;
        }
        side[k] = low;
        side[3 + k] = high;
    }
}

static bool finish_block(struct feature_index_writer *writer, uint32_t level, float side[6],
                         struct err *err)
{
    float(*block)[FEATURE_INDEX_NODE] = writer->block[level];
    buf_add(&writer->levels[level].buffer, block, BLOCK_BYTES);
    block_box(block, side);
    clear_block(block);
    writer->block_fill[level] = 0;
    return part_settle(&writer->levels[level], writer->folder, err);
}

/* A full block becomes a box of the level above it. */
static bool add_box(struct feature_index_writer *writer, const float first[6], struct err *err)
{
    float side[6];
    memcpy(side, first, sizeof side);
    for (uint32_t level = 0; level < writer->level_count; level++) {
        const uint32_t at = writer->block_fill[level]++;
        for (size_t k = 0; k < 6; k++) {
            writer->block[level][k][at] = side[k];
        }
        if (at + 1 < FEATURE_INDEX_NODE) {
            return true;
        }
        if (!finish_block(writer, level, side, err)) {
            return false;
        }
    }
    return true;
}

/* What is left in blocks that are not full. */
bool feature_index_writer_boxes(struct feature_index_writer *writer, struct err *err)
{
    for (uint32_t level = 0; level < writer->level_count; level++) {
        float side[6];
        if (writer->block_fill[level] == 0) {
            continue;
        }
        if (!finish_block(writer, level, side, err)) {
            return false;
        }
        if (level + 1 < writer->level_count) {
            const uint32_t at = writer->block_fill[level + 1]++;
            for (size_t k = 0; k < 6; k++) {
                writer->block[level + 1][k][at] = side[k];
            }
            /* Full now? Then it is finished on its own turn. */
        }
    }
    return true;
}

uint64_t feature_index_tree_bytes(uint32_t count)
{
    uint64_t blocks[FEATURE_INDEX_LEVELS_MAX];
    uint32_t level_count;
    return feature_index_levels(count, blocks, &level_count) * BLOCK_BYTES;
}

/* Leaves are gathered from all over memory: asked for some time ahead. */
static void put_leaves(const struct box3 *boxes, const struct feature_index_key *order,
                       uint32_t count, uint64_t block_number, float block[6][FEATURE_INDEX_NODE])
{
    enum { AHEAD = 32 };
    const uint64_t first = block_number * FEATURE_INDEX_NODE;
    for (uint64_t i = 0; i < FEATURE_INDEX_NODE && first + i < count; i++) {
        float side[6];
        const uint64_t row = first + i;
        if (order != NULL && row + AHEAD < count) {
            /* Half of all boxes lie on two lines of the cache. */
            __builtin_prefetch(&boxes[order[row + AHEAD].item].min);
            __builtin_prefetch(&boxes[order[row + AHEAD].item].max.z);
        }
        round_outward(&boxes[order == NULL ? row : order[row].item], side);
        for (size_t k = 0; k < 6; k++) {
            block[k][i] = side[k];
        }
    }
}

void feature_index_tree(const struct box3 *boxes, const struct feature_index_key *order,
                        uint32_t count, uint8_t *out)
{
    uint64_t first[FEATURE_INDEX_LEVELS_MAX];
    uint32_t level_count;
    feature_index_levels(count, first, &level_count);
    uint64_t number = count;
    for (uint32_t level = 0; level < level_count; level++) {
        const uint64_t block_count = (number + FEATURE_INDEX_NODE - 1) / FEATURE_INDEX_NODE;
        for (uint64_t b = 0; b < block_count; b++) {
            float block[6][FEATURE_INDEX_NODE];
            clear_block(block);
            if (level == 0) {
                put_leaves(boxes, order, count, b, block);
            }
            for (uint64_t i = 0;
                 level > 0 && i < FEATURE_INDEX_NODE && b * FEATURE_INDEX_NODE + i < number; i++) {
                float side[6];
                float below[6][FEATURE_INDEX_NODE];
                memcpy(below, out + (first[level - 1] + b * FEATURE_INDEX_NODE + i) * BLOCK_BYTES,
                       sizeof below);
                block_box(below, side);
                for (size_t k = 0; k < 6; k++) {
                    block[k][i] = side[k];
                }
            }
            memcpy(out + (first[level] + b) * BLOCK_BYTES, block, sizeof block);
        }
        number = block_count;
    }
}

/* ---- features ---- */

static bool add_string(struct feature_index_writer *writer, struct text text, uint32_t *out,
                       struct err *err)
{
    const uint64_t at = part_size(&writer->strings);
    if (at + text.size >= UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "ids of more than 4 GiB in one index");
    }
    buf_add(&writer->strings.buffer, text.data, text.size);
    *out = (uint32_t)at;
    return part_settle(&writer->strings, writer->folder, err);
}

static struct feature_index_new_group *group_at(const struct feature_index_writer *writer,
                                                uint32_t number)
{
    return (struct feature_index_new_group *)(void *)writer->groups.data + number;
}

static size_t group_count(const struct feature_index_writer *writer)
{
    return writer->groups.size / sizeof(struct feature_index_new_group);
}

/* A parent and a merged group of one id are two groups. */
static bool add_group(struct feature_index_writer *writer, struct text id,
                      enum feature_group_kind kind, uint32_t *out, struct err *err)
{
    if (id.size == 0) {
        *out = FEATURE_INDEX_NONE;
        return true;
    }
    const uint64_t hash = hash_text(id);
    const uint64_t key = kind == FEATURE_GROUP_MERGED ? hash ^ 0x9e3779b97f4a7c15U : hash;
    bool is_new;
    if (!number_of(&writer->group_numbers, key, (uint32_t)group_count(writer), out, &is_new, err)) {
        return false;
    }
    if (!is_new) {
        return true;
    }
    if (*out >= ROWS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %u groups in one index", ROWS_MAX);
    }
    struct feature_index_new_group group = {.hash = hash,
                                            .bytes = (uint32_t)id.size,
                                            .kind = (uint32_t)kind,
                                            .above = FEATURE_INDEX_NONE,
                                            .row = FEATURE_INDEX_NONE};
    if (!add_string(writer, id, &group.text, err)) {
        return false;
    }
    buf_add(&writer->groups, &group, sizeof group);
    return buf_finish(&writer->groups, err);
}

static bool add_class(struct feature_index_writer *writer, struct text name, uint32_t *out,
                      struct err *err)
{
    bool is_new;
    const uint32_t next = (uint32_t)(writer->classes.size / CLASS_BYTES);
    if (!number_of(&writer->class_numbers, hash_text(name), next, out, &is_new, err)) {
        return false;
    }
    if (!is_new) {
        return true;
    }
    if (*out >= CLASSES_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d classes", CLASSES_MAX);
    }
    uint32_t text;
    if (!add_string(writer, name, &text, err)) {
        return false;
    }
    buf_add_u32le(&writer->classes, text);
    buf_add_u32le(&writer->classes, (uint32_t)name.size);
    return buf_finish(&writer->classes, err);
}

static int32_t steps(const struct feature_index_writer *writer, double metres)
{
    const double value = round(metres / writer->head.frame.step_m);
    return value >= INT32_MAX ? INT32_MAX : value <= INT32_MIN ? INT32_MIN : (int32_t)value;
}

static bool add_footprint(struct feature_index_writer *writer,
                          const struct feature_index_entry *entry, uint32_t *out, struct err *err)
{
    const uint64_t word = part_size(&writer->footprints) / 4;
    *out = FEATURE_INDEX_NONE;
    if (entry->ring_count == 0) {
        return true;
    }
    if (word + 2 + entry->ring_count + 2 * (uint64_t)entry->ring_ends[entry->ring_count - 1] >=
        UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "footprints of more than 16 GiB in one index");
    }
    *out = (uint32_t)word;
    struct buf *buffer = &writer->footprints.buffer;
    buf_add_u32le(buffer, entry->ring_count);
    for (uint32_t r = 0, first = 0; r < entry->ring_count; first = entry->ring_ends[r++]) {
        const bool is_hole = entry->is_hole != NULL && entry->is_hole[r];
        buf_add_u32le(buffer, (entry->ring_ends[r] - first) | (is_hole ? RING_IS_HOLE : 0));
    }
    for (uint32_t i = 0; i < entry->ring_ends[entry->ring_count - 1]; i++) {
        buf_add_u32le(buffer, (uint32_t)steps(writer, entry->points[i].x));
        buf_add_u32le(buffer, (uint32_t)steps(writer, entry->points[i].y));
    }
    return part_settle(&writer->footprints, writer->folder, err);
}

static bool add_floors(struct feature_index_writer *writer, const struct feature_index_entry *entry,
                       uint32_t *out, struct err *err)
{
    const uint64_t first = part_size(&writer->floors) / 4;
    const uint32_t count = entry->storeys_above + entry->storeys_below;
    *out = FEATURE_INDEX_NONE;
    if (entry->floors == NULL || count == 0 || first + count >= UINT32_MAX) {
        return true;
    }
    *out = (uint32_t)first;
    for (uint32_t i = 0; i < count; i++) {
        const float floor_m = (float)entry->floors[i];
        buf_add(&writer->floors.buffer, &floor_m, sizeof floor_m);
    }
    return part_settle(&writer->floors, writer->folder, err);
}

static void store_float(uint8_t *at, double value)
{
    const float narrow = (float)value;
    memcpy(at, &narrow, sizeof narrow);
}

static bool add_row(struct feature_index_writer *writer, const struct feature_index_entry *entry,
                    const struct feature_index_kept_row *kept, struct err *err)
{
    uint8_t row[ROW_BYTES] = {0};
    uint32_t id;
    uint32_t footprint;
    uint32_t floors;
    uint32_t class_number;
    if (!add_string(writer, entry->id, &id, err) ||
        !add_footprint(writer, entry, &footprint, err) ||
        !add_floors(writer, entry, &floors, err) ||
        !add_class(writer, entry->class_name, &class_number, err)) {
        return false;
    }
    bytes_store_u32le(row + ROW_X, (uint32_t)steps(writer, entry->point.x));
    bytes_store_u32le(row + ROW_Y, (uint32_t)steps(writer, entry->point.y));
    bytes_store_u32le(row + ROW_ID, id);
    bytes_store_u16le(row + ROW_ID_BYTES, (uint16_t)entry->id.size);
    row[ROW_STOREYS] = (uint8_t)entry->storeys;
    bytes_store_u32le(row + ROW_TILE, kept->tile);
    bytes_store_u32le(row + ROW_PARENT, kept->parent);
    bytes_store_u32le(row + ROW_MERGED, kept->merged);
    bytes_store_u32le(row + ROW_FOOTPRINT, footprint);
    store_float(row + ROW_BASE, entry->base_m);
    store_float(row + ROW_TOP, entry->top_m);
    store_float(row + ROW_BASE_LOCAL, entry->base_local_m);
    store_float(row + ROW_TOP_LOCAL, entry->top_local_m);
    bytes_store_u16le(row + ROW_ABOVE, (uint16_t)entry->storeys_above);
    bytes_store_u16le(row + ROW_BELOW, (uint16_t)entry->storeys_below);
    bytes_store_u32le(row + ROW_FLOORS, floors);
    memcpy(row + ROW_DIGEST, entry->digest.bytes, DIGEST_BYTES);
    store_float(row + ROW_AREA, entry->footprint_m2);
    bytes_store_u16le(row + ROW_CLASS, (uint16_t)class_number);
    buf_add(&writer->rows.buffer, row, sizeof row);
    return part_settle(&writer->rows, writer->folder, err);
}

static struct feature_index_new_tile *tile_at(const struct feature_index_writer *writer,
                                              uint32_t number)
{
    return (struct feature_index_new_tile *)(void *)writer->tiles.data + number;
}

static size_t tile_count(const struct feature_index_writer *writer)
{
    return writer->tiles.size / sizeof(struct feature_index_new_tile);
}

bool feature_index_writer_tile(struct feature_index_writer *writer, struct text name,
                               uint32_t above, struct err *err)
{
    struct feature_index_new_tile tile = {.bytes = (uint32_t)name.size,
                                          .above = above,
                                          .first_child = FEATURE_INDEX_NONE,
                                          .next_sibling = FEATURE_INDEX_NONE,
                                          .name = (uint32_t)writer->tile_names.size};
    buf_add(&writer->tile_names, name.data, name.size);
    if (!add_string(writer, name, &tile.text, err)) {
        return false;
    }
    buf_add(&writer->tiles, &tile, sizeof tile);
    return buf_finish(&writer->tile_names, err) && buf_finish(&writer->tiles, err);
}

bool feature_index_writer_add(struct feature_index_writer *writer,
                              const struct feature_index_entry *entry, struct err *err)
{
    assert(entry->storeys_above <= UINT16_MAX && entry->storeys_below <= UINT16_MAX);
    assert(entry->tile == FEATURE_INDEX_NONE || entry->tile < tile_count(writer));
    if (writer->count == writer->head.count) {
        return err_set(err, ERR_LIMIT, "more features than the %u announced", writer->count);
    }
    if (entry->id.size > UINT16_MAX) {
        return err_set(err, ERR_LIMIT, "an id of %zu bytes", entry->id.size);
    }
    struct feature_index_kept_row kept = {
        .hash = hash_text(entry->id), .tile = entry->tile, .merged = FEATURE_INDEX_NONE};
    if (!add_group(writer, entry->parent, FEATURE_GROUP_PARENT, &kept.parent, err)) {
        return false;
    }
    if (kept.parent != FEATURE_INDEX_NONE && entry->root.size > 0 &&
        !text_equals(entry->root, entry->parent)) {
        uint32_t root;
        if (!add_group(writer, entry->root, FEATURE_GROUP_PARENT, &root, err)) {
            return false;
        }
        group_at(writer, kept.parent)->above = root;
    }
    buf_add(&writer->kept, &kept, sizeof kept);
    float side[6];
    round_outward(&entry->box, side);
    for (size_t i = 0; i < 3; i++) {
        writer->extent[i] = fmin(writer->extent[i], (double)side[i]);
        writer->extent[3 + i] = fmax(writer->extent[3 + i], (double)side[3 + i]);
    }
    if (!add_box(writer, side, err) || !add_row(writer, entry, &kept, err)) {
        return false;
    }
    if (kept.tile != FEATURE_INDEX_NONE) {
        tile_at(writer, kept.tile)->own_count++;
    }
    writer->count++;
    return buf_finish(&writer->kept, err);
}

bool feature_index_writer_member(struct feature_index_writer *writer, struct text group,
                                 struct text member, bool is_group, struct err *err)
{
    uint32_t above;
    uint32_t below;
    if (!add_group(writer, group, FEATURE_GROUP_MERGED, &above, err)) {
        return false;
    }
    if (!is_group) {
        const struct feature_index_key key = {hash_text(member), above};
        buf_add(&writer->memberships, &key, sizeof key);
        return buf_finish(&writer->memberships, err);
    }
    if (!add_group(writer, member, FEATURE_GROUP_MERGED, &below, err)) {
        return false;
    }
    if (above != below && below != FEATURE_INDEX_NONE) {
        group_at(writer, below)->above = above;
    }
    return true;
}
