/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/id_table.h"

#include "formats/base/buf.h"
#include "formats/digest.h"

enum { FIRST_SLOTS = 1024 };

struct slot {
    uint64_t id;      /* 0: empty */
    uint64_t content; /* of the first one */
    uint32_t source;  /* and line: of the last one */
    uint32_t line : 30;
    uint32_t sharing : 2; /* enum id_table_sharing */
};

struct id_table {
    struct buf slots;
    size_t room; /* a power of two */
    size_t count;
};

static uint64_t hash_of(struct text id)
{
    const uint64_t hash = digest_short((struct span){(const uint8_t *)id.data, id.size});
    return hash == 0 ? 1 : hash;
}

static struct slot *slots_of(const struct id_table *table)
{
    return (struct slot *)(void *)table->slots.data;
}

static struct slot *find_slot(const struct id_table *table, uint64_t id)
{
    struct slot *slots = slots_of(table);
    size_t at = (size_t)id & (table->room - 1);
    while (slots[at].id != 0 && slots[at].id != id) {
        at = (at + 1) & (table->room - 1);
    }
    return &slots[at];
}

bool id_table_open(struct id_table **out, struct err *err)
{
    struct buf self;
    buf_init(&self, sizeof(struct id_table));
    struct id_table *table = (struct id_table *)(void *)buf_extend(&self, sizeof *table);
    if (table == NULL) {
        return buf_finish(&self, err);
    }
    buf_init(&table->slots, SIZE_MAX / 2);
    table->room = FIRST_SLOTS;
    buf_extend(&table->slots, FIRST_SLOTS * sizeof(struct slot));
    if (!buf_finish(&table->slots, err)) {
        buf_release(&self);
        return false;
    }
    *out = table;
    return true;
}

void id_table_close(struct id_table *table)
{
    if (table != NULL) {
        buf_release(&table->slots);
        struct buf self = {.data = (uint8_t *)table};
        buf_release(&self);
    }
}

static bool grow(struct id_table *table, struct err *err)
{
    struct id_table larger = {.room = 2 * table->room, .count = table->count};
    buf_init(&larger.slots, SIZE_MAX / 2);
    buf_extend(&larger.slots, larger.room * sizeof(struct slot));
    if (!buf_finish(&larger.slots, err)) {
        return false;
    }
    const struct slot *slots = slots_of(table);
    for (size_t i = 0; i < table->room; i++) {
        if (slots[i].id != 0) {
            *find_slot(&larger, slots[i].id) = slots[i];
        }
    }
    buf_release(&table->slots);
    *table = larger;
    return true;
}

bool id_table_add(struct id_table *table, struct text id, uint64_t content, uint32_t source,
                  uint32_t line, enum id_table_answer *out, struct err *err)
{
    const uint32_t short_line = line & ((UINT32_C(1) << 30) - 1);
    if (3 * table->count >= 2 * table->room && !grow(table, err)) {
        return false;
    }
    struct slot *slot = find_slot(table, hash_of(id));
    if (slot->id == 0) {
        *slot = (struct slot){hash_of(id), content, source, short_line & 0x3FFFFFFF, ID_SINGLE};
        table->count++;
        *out = ID_NEW;
        return true;
    }
    if (slot->content == content) {
        *out = ID_IDENTICAL;
        return true;
    }
    const enum id_table_sharing sharing = slot->source != source     ? ID_SHARED
                                          : slot->line == short_line ? ID_ON_LINE
                                                                     : ID_IN_SOURCE;
    slot->sharing = (slot->sharing > sharing ? slot->sharing : sharing) & 3;
    slot->source = source;
    slot->line = short_line & 0x3FFFFFFF;
    *out = ID_CONFLICT;
    return true;
}

enum id_table_sharing id_table_sharing(const struct id_table *table, struct text id)
{
    const struct slot *slot = find_slot(table, hash_of(id));
    return slot->id == 0 ? ID_SINGLE : (enum id_table_sharing)slot->sharing;
}
