/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/images.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tiler/image_place.h"
#include "tiler/light.h"

#define TABLE_BYTES_MAX ((size_t)1 << 36)

struct entry {
    struct images_facts facts;
    const char *path;                /* where it was found first; of a member, for messages */
    const struct zip_member *member; /* NULL: a file */
    bool is_broken;
    bool has_frame;
    uint8_t frame[4]; /* its colour */
};

struct name_slot {
    uint64_t hash;
    const char *path; /* NULL: free */
    int32_t id;       /* or IMAGES_NONE, or NOT_LOOKED_FOR */
    uint32_t uses;
};

enum { NOT_LOOKED_FOR = -2 };

enum slot_state { SLOT_FREE, SLOT_DECODING, SLOT_READY };

struct slot {
    enum slot_state state;
    int32_t id;
    uint32_t shrink;
    uint32_t holders;
    uint64_t used_at; /* a count, not a time */
    size_t bytes;     /* reserved */
    struct arena arena;
    struct image image;
};

enum { SLOT_COUNT = 512 };

struct images {
    pthread_mutex_t lock; /* around everything below it */
    pthread_cond_t changed;
    struct arena arena;
    struct report *report;
    struct light_table light; /* not changed after images_open() */
    size_t cache_bytes;
    struct image_places places;
    struct buf entries; /* struct entry each */
    struct buf names;   /* struct name_slot each, a power of two */
    size_t name_count;
    struct buf digests; /* int32_t each, id + 1; a power of two */
    struct slot slots[SLOT_COUNT];
    size_t bytes; /* reserved by all slots */
    uint64_t clock;
};

bool images_open(size_t cache_bytes, struct report *report, struct images **out, struct err *err)
{
    struct arena arena;
    arena_init(&arena, TABLE_BYTES_MAX);
    struct images *images = arena_array(&arena, struct images, 1);
    if (images == NULL) {
        arena_release(&arena);
        return arena_full(&arena, err);
    }
    images->arena = arena;
    images->report = report;
    light_init(&images->light);
    images->cache_bytes = cache_bytes;
    image_places_init(&images->places);
    buf_init(&images->entries, TABLE_BYTES_MAX);
    buf_init(&images->names, TABLE_BYTES_MAX);
    buf_init(&images->digests, TABLE_BYTES_MAX);
    pthread_mutex_init(&images->lock, NULL);
    pthread_cond_init(&images->changed, NULL);
    *out = images;
    return true;
}

void images_close(struct images *images)
{
    if (images == NULL) {
        return;
    }
    image_places_release(&images->places);
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        arena_release(&images->slots[i].arena);
    }
    buf_release(&images->entries);
    buf_release(&images->names);
    buf_release(&images->digests);
    pthread_cond_destroy(&images->changed);
    pthread_mutex_destroy(&images->lock);
    struct arena arena = images->arena;
    arena_release(&arena);
}

/* ---- the table ---- */

static struct entry *entry_at(struct images *images, int32_t id)
{
    return (struct entry *)(void *)images->entries.data + id;
}

static struct name_slot *name_slots(struct images *images)
{
    return (struct name_slot *)(void *)images->names.data;
}

static size_t name_room(const struct images *images)
{
    return images->names.size / sizeof(struct name_slot);
}

/* A source's number keeps members of two archives apart. */
static uint64_t hash_name(uint32_t scope, const char *path)
{
    const struct span bytes = {(const uint8_t *)path, strlen(path)};
    return digest_short(bytes) ^ (uint64_t)scope * 0x9E3779B97F4A7C15u;
}

/* The slot of the name, or the free one where it belongs; NULL: no room yet. */
static struct name_slot *find_name(struct images *images, uint64_t hash, const char *path)
{
    const size_t room = name_room(images);
    struct name_slot *slots = name_slots(images);
    for (size_t i = 0; i < room; i++) {
        struct name_slot *slot = &slots[(hash + i) & (room - 1)];
        if (slot->path == NULL || (slot->hash == hash && strcmp(slot->path, path) == 0)) {
            return slot;
        }
    }
    return NULL;
}

static bool grow_names(struct images *images, struct err *err)
{
    const size_t room = name_room(images);
    if (2 * (images->name_count + 1) <= room) {
        return true;
    }
    struct buf old = images->names;
    buf_init(&images->names, TABLE_BYTES_MAX);
    buf_extend(&images->names, (room == 0 ? 256 : 2 * room) * sizeof(struct name_slot));
    if (!buf_finish(&images->names, err)) {
        images->names = old;
        return false;
    }
    for (size_t i = 0; i < room; i++) {
        const struct name_slot *slot = (const struct name_slot *)(const void *)old.data + i;
        if (slot->path != NULL) {
            *find_name(images, slot->hash, slot->path) = *slot;
        }
    }
    buf_release(&old);
    return true;
}

/* The slot of the name, made when there is none. */
static bool add_name(struct images *images, uint64_t hash, const char *path, struct name_slot **out,
                     struct err *err)
{
    if (!grow_names(images, err)) {
        return false;
    }
    struct name_slot *slot = find_name(images, hash, path);
    if (slot->path == NULL) {
        char *kept = arena_print(&images->arena, "%s", path);
        if (kept == NULL) {
            return arena_full(&images->arena, err);
        }
        *slot = (struct name_slot){hash, kept, NOT_LOOKED_FOR, 0};
        images->name_count++;
    }
    *out = slot;
    return true;
}

static int32_t *digest_slot(struct images *images, struct digest digest)
{
    const size_t room = images->digests.size / sizeof(int32_t);
    int32_t *slots = (int32_t *)(void *)images->digests.data;
    for (size_t i = 0; i < room; i++) {
        int32_t *slot = &slots[(bytes_load_u64le(digest.bytes) + i) & (room - 1)];
        if (*slot == 0 || digest_equals(entry_at(images, *slot - 1)->facts.digest, digest)) {
            return slot;
        }
    }
    return NULL;
}

static bool grow_digests(struct images *images, struct err *err)
{
    const size_t count = images->entries.size / sizeof(struct entry);
    const size_t room = images->digests.size / sizeof(int32_t);
    if (2 * (count + 1) <= room) {
        return true;
    }
    buf_reset(&images->digests);
    buf_extend(&images->digests, (room == 0 ? 256 : 2 * room) * sizeof(int32_t));
    if (!buf_finish(&images->digests, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        *digest_slot(images, entry_at(images, (int32_t)i)->facts.digest) = (int32_t)i + 1;
    }
    return true;
}

/* The entry, unless there is one of that digest. */
static bool add_image(struct images *images, const struct entry *made, int32_t *out,
                      struct err *err)
{
    if (!grow_digests(images, err)) {
        return false;
    }
    int32_t *slot = digest_slot(images, made->facts.digest);
    if (*slot == 0) {
        struct entry entry = *made;
        entry.path = arena_print(&images->arena, "%s", made->path);
        if (entry.path == NULL) {
            return arena_full(&images->arena, err);
        }
        buf_add(&images->entries, &entry, sizeof entry);
        if (!buf_finish(&images->entries, err)) {
            return false;
        }
        *slot = (int32_t)(images->entries.size / sizeof entry);
    }
    *out = *slot - 1;
    return true;
}

/* Why an image cannot be used. */
struct complaint {
    const char *kind; /* NULL: it can */
    struct err what;
};

static void tell(struct images *images, struct complaint *complaint, const char *source_path)
{
    if (images->report != NULL && complaint->kind != NULL) {
        err_in_source(&complaint->what, source_path);
        report_add(images->report, REPORT_REPAIRED, complaint->kind, &complaint->what);
    }
}

static void miss(struct complaint *out, const char *name, const char *why)
{
    out->kind = "image-missing";
    err_set(&out->what, ERR_IO, "image '%.100s' %s", name, why);
}

/* Header and digest of a file that nobody has looked at. */
static void look_at_file(const char *path, const struct zip_member *member,
                         struct images_facts *out, struct complaint *complaint)
{
    struct image_content content;
    struct image_facts facts;
    struct err what;
    if (!image_content_open(path, member, &content, &complaint->what)) {
        complaint->kind = "image-missing";
        return;
    }
    if (image_probe(content.bytes, &facts, &what)) {
        *out = (struct images_facts){digest_of(content.bytes), facts.width, facts.height,
                                     facts.format, facts.may_have_alpha};
    } else {
        complaint->kind = "image-broken";
        err_set(&complaint->what, what.code, "image '%.80s': %.90s", path, what.message);
    }
    image_content_close(&content);
}

/* Of a name that nobody has asked for. */
static void look(struct image_place *place, const struct zip_member **out_member,
                 struct images_facts *out, struct complaint *complaint)
{
    const char *why = image_place_find(place, out_member);
    if (why != NULL) {
        miss(complaint, place->name, why);
    } else {
        look_at_file(place->path, *out_member, out, complaint);
    }
}

/* An image's name, once it is known where it would be. */
struct wanted {
    struct image_place place;
    uint64_t hash;
};

/* Under the lock. *out_is_known false: *out is not set. */
static bool find_known(struct images *images, const struct wanted *wanted, bool *out_is_known,
                       int32_t *out)
{
    const struct name_slot *slot = find_name(images, wanted->hash, wanted->place.path);
    *out_is_known = slot != NULL && slot->path != NULL && slot->id != NOT_LOOKED_FOR;
    if (*out_is_known) {
        *out = slot->id;
    }
    return *out_is_known;
}

/* Looks without the lock; whoever is first to put down the name also tells. */
static bool find_new(struct images *images, const struct wanted *wanted, const char *source_path,
                     int32_t *out, struct err *err)
{
    const struct zip_member *member;
    struct images_facts facts = {.width = 0};
    struct complaint complaint = {.kind = NULL};
    struct image_place found = wanted->place;
    look(&found, &member, &facts, &complaint);
    int32_t id = IMAGES_NONE;
    bool is_known;
    bool ok = true;
    pthread_mutex_lock(&images->lock);
    if (!find_known(images, wanted, &is_known, &id)) {
        struct name_slot *slot;
        const struct entry made = {.facts = facts, .path = found.path, .member = member};
        ok = (complaint.kind != NULL || add_image(images, &made, &id, err)) &&
             add_name(images, wanted->hash, wanted->place.path, &slot, err);
        if (ok) {
            slot->id = id;
        }
    }
    pthread_mutex_unlock(&images->lock);
    if (ok && !is_known) {
        tell(images, &complaint, source_path);
    }
    *out = id;
    return ok;
}

/* Under the lock. *out_is_path false: nothing that a file could be called. */
static bool make_wanted(struct images *images, uint32_t source, const char *source_path,
                        struct text name, struct wanted *out, bool *out_is_path, struct err *err)
{
    struct image_archive *archive;
    if (!image_places_archive(&images->places, source, source_path, &archive, err)) {
        return false;
    }
    *out_is_path = image_place_name(archive, source_path, name, &out->place);
    if (*out_is_path) {
        out->hash = hash_name(archive == NULL ? 0 : source + 1, out->place.path);
    }
    return true;
}

bool images_note(struct images *images, uint32_t source, const char *source_path, struct text name,
                 struct err *err)
{
    struct wanted wanted;
    struct name_slot *slot;
    bool is_path;
    pthread_mutex_lock(&images->lock);
    const bool is_made = make_wanted(images, source, source_path, name, &wanted, &is_path, err);
    const bool ok =
        is_made && (!is_path || add_name(images, wanted.hash, wanted.place.path, &slot, err));
    if (ok && is_path) {
        slot->uses++;
    }
    pthread_mutex_unlock(&images->lock);
    return ok;
}

uint32_t images_uses(struct images *images, uint32_t source, const char *source_path,
                     struct text name)
{
    struct wanted wanted;
    struct err err;
    bool is_path;
    uint32_t uses = 0;
    pthread_mutex_lock(&images->lock);
    if (make_wanted(images, source, source_path, name, &wanted, &is_path, &err) && is_path) {
        const struct name_slot *slot = find_name(images, wanted.hash, wanted.place.path);
        uses = slot != NULL && slot->path != NULL ? slot->uses : 0;
    }
    pthread_mutex_unlock(&images->lock);
    return uses > 1 ? uses : 1;
}

bool images_find(struct images *images, uint32_t source, const char *source_path, struct text name,
                 int32_t *out, struct err *err)
{
    struct wanted wanted;
    bool is_known = false;
    bool is_path;
    *out = IMAGES_NONE;
    pthread_mutex_lock(&images->lock);
    const bool is_made = make_wanted(images, source, source_path, name, &wanted, &is_path, err);
    if (is_made && is_path) {
        find_known(images, &wanted, &is_known, out);
    }
    pthread_mutex_unlock(&images->lock);
    if (!is_made || !is_path || is_known) {
        return is_made;
    }
    return find_new(images, &wanted, source_path, out, err);
}

/* Of what the digest of a framed image is made. */
static struct digest framed_digest(struct digest digest, const uint8_t color[4])
{
    uint8_t bytes[DIGEST_BYTES + 4];
    memcpy(bytes, digest.bytes, DIGEST_BYTES);
    memcpy(bytes + DIGEST_BYTES, color, 4);
    return digest_of((struct span){bytes, sizeof bytes});
}

bool images_frame(struct images *images, int32_t id, const uint8_t color[4], int32_t *out,
                  struct err *err)
{
    pthread_mutex_lock(&images->lock);
    struct entry entry = *entry_at(images, id);
    assert(!entry.has_frame);
    entry.has_frame = true;
    memcpy(entry.frame, color, sizeof entry.frame);
    entry.facts.digest = framed_digest(entry.facts.digest, color);
    entry.facts.width += 2;
    entry.facts.height += 2;
    entry.facts.may_have_alpha |= color[3] < 255;
    const bool ok = add_image(images, &entry, out, err);
    pthread_mutex_unlock(&images->lock);
    return ok;
}

struct images_facts images_facts(struct images *images, int32_t id)
{
    pthread_mutex_lock(&images->lock);
    const struct images_facts facts = entry_at(images, id)->facts;
    pthread_mutex_unlock(&images->lock);
    return facts;
}

const struct light_table *images_light(const struct images *images)
{
    return &images->light;
}

size_t images_count(struct images *images)
{
    pthread_mutex_lock(&images->lock);
    const size_t count = images->entries.size / sizeof(struct entry);
    pthread_mutex_unlock(&images->lock);
    return count;
}

size_t images_cached_bytes(struct images *images)
{
    pthread_mutex_lock(&images->lock);
    const size_t bytes = images->bytes;
    pthread_mutex_unlock(&images->lock);
    return bytes;
}

/* ---- decoded images ---- */

static struct slot *find_slot(struct images *images, int32_t id, uint32_t shrink)
{
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        struct slot *slot = &images->slots[i];
        if (slot->state != SLOT_FREE && slot->id == id && slot->shrink == shrink) {
            return slot;
        }
    }
    return NULL;
}

static void empty_slot(struct images *images, struct slot *slot)
{
    arena_release(&slot->arena);
    images->bytes -= slot->bytes;
    slot->bytes = 0;
    slot->state = SLOT_FREE;
}

/* The slot that nobody holds and that was used the longest ago. */
static struct slot *oldest_slot(struct images *images)
{
    struct slot *found = NULL;
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        struct slot *slot = &images->slots[i];
        if (slot->state == SLOT_READY && slot->holders == 0 &&
            (found == NULL || slot->used_at < found->used_at)) {
            found = slot;
        }
    }
    return found;
}

static struct slot *free_slot(struct images *images)
{
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        if (images->slots[i].state == SLOT_FREE) {
            return &images->slots[i];
        }
    }
    return NULL;
}

static bool is_held(const struct images *images)
{
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        if (images->slots[i].state != SLOT_FREE &&
            (images->slots[i].holders > 0 || images->slots[i].state == SLOT_DECODING)) {
            return true;
        }
    }
    return false;
}

/* Reserves a slot of `bytes`; waits for one when others hold too much. NULL:
 * while it waited, someone may have decoded what is wanted. */
static struct slot *reserve(struct images *images, size_t bytes)
{
    while (images->bytes + bytes > images->cache_bytes || free_slot(images) == NULL) {
        struct slot *oldest = oldest_slot(images);
        if (oldest == NULL) {
            if (is_held(images)) {
                pthread_cond_wait(&images->changed, &images->lock);
                return NULL;
            }
            break; /* alone, and larger than the cache */
        }
        empty_slot(images, oldest);
    }
    return free_slot(images);
}

static bool add_frame(const uint8_t color[4], struct arena *arena, struct image *image,
                      struct err *err)
{
    struct image framed;
    if (!image_make(image->width + 2, image->height + 2, arena, &framed, err)) {
        return false;
    }
    for (size_t i = 0; i < (size_t)framed.width * framed.height; i++) {
        memcpy(framed.pixels + 4 * i, color, 4);
    }
    for (size_t y = 0; y < image->height; y++) {
        memcpy(framed.pixels + 4 * ((y + 1) * framed.width + 1),
               image->pixels + 4 * y * image->width, 4 * (size_t)image->width);
    }
    *image = framed;
    return true;
}

static bool decode(const struct entry *entry, uint32_t shrink, struct arena *arena,
                   struct image *out, struct err *err)
{
    struct image_content content;
    if (!image_content_open(entry->path, entry->member, &content, err)) {
        return false;
    }
    const bool ok = image_read(content.bytes, shrink, arena, out, err);
    image_content_close(&content);
    return ok && (!entry->has_frame || add_frame(entry->frame, arena, out, err));
}

/* Without the lock: the slot is this caller's while it is SLOT_DECODING. */
static bool fill_slot(struct images *images, struct slot *slot, struct entry entry, struct err *err)
{
    struct err what;
    bool ok = true;
    pthread_mutex_unlock(&images->lock);
    arena_init(&slot->arena, SIZE_MAX / 2);
    const bool is_read =
        !entry.is_broken && decode(&entry, slot->shrink, &slot->arena, &slot->image, &what);
    if (!is_read) {
        slot->image = (struct image){0};
        arena_release(&slot->arena);
        ok = entry.is_broken || what.code != ERR_NOMEM;
    }
    pthread_mutex_lock(&images->lock);
    struct entry *kept = entry_at(images, slot->id);
    if (!ok) {
        *err = what;
    } else if (!is_read && !kept->is_broken) {
        struct complaint complaint = {.kind = "image-broken", .what = what};
        kept->is_broken = true;
        tell(images, &complaint, entry.path);
    }
    return ok;
}

bool images_hold(struct images *images, int32_t id, uint32_t shrink, struct images_hold *out,
                 struct err *err)
{
    assert(id >= 0);
    pthread_mutex_lock(&images->lock);
    const struct entry *asked = entry_at(images, id);
    if (asked->facts.format != IMAGE_JPEG || asked->has_frame) {
        shrink = 1; /* they come whole */
    }
    struct slot *slot = NULL;
    for (;;) {
        slot = find_slot(images, id, shrink);
        if (slot != NULL && slot->state == SLOT_READY) {
            break;
        }
        if (slot != NULL) {
            pthread_cond_wait(&images->changed, &images->lock);
            continue;
        }
        const struct entry entry = *entry_at(images, id);
        const size_t bytes = 4 * ((size_t)entry.facts.width / shrink + 1) *
                             ((size_t)entry.facts.height / shrink + 1);
        slot = reserve(images, bytes);
        if (slot == NULL) {
            continue;
        }
        slot->state = SLOT_DECODING;
        slot->id = id;
        slot->shrink = shrink;
        slot->holders = 0;
        slot->bytes = bytes;
        images->bytes += bytes;
        if (!fill_slot(images, slot, entry, err)) {
            empty_slot(images, slot);
            pthread_cond_broadcast(&images->changed);
            pthread_mutex_unlock(&images->lock);
            return false;
        }
        slot->state = SLOT_READY;
        pthread_cond_broadcast(&images->changed);
        break;
    }
    slot->holders++;
    slot->used_at = ++images->clock;
    *out = (struct images_hold){slot->image, (size_t)(slot - images->slots)};
    pthread_mutex_unlock(&images->lock);
    return true;
}

void images_drop(struct images *images, const struct images_hold *hold)
{
    pthread_mutex_lock(&images->lock);
    struct slot *slot = &images->slots[hold->slot];
    assert(slot->holders > 0);
    slot->holders--;
    pthread_cond_broadcast(&images->changed);
    pthread_mutex_unlock(&images->lock);
}
