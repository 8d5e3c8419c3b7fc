/* SPDX-License-Identifier: Apache-2.0 */
#include "server/crowd.h"

struct place {
    struct peer peer;
    uint32_t count; /* 0: free */
};

enum { SLOTS = 2 * CROWD_ADDRESSES };

struct crowd {
    struct arena memory;
    pthread_mutex_t lock;
    unsigned most;
    size_t used;
    struct place places[SLOTS]; /* open addressing by peer_hash() */
};

bool crowd_open(unsigned most, struct crowd **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, sizeof(struct crowd) + (1 << 16));
    struct crowd *crowd = arena_array(&memory, struct crowd, 1);
    if (crowd == NULL) {
        return arena_full(&memory, err);
    }
    crowd->memory = memory;
    crowd->most = most;
    pthread_mutex_init(&crowd->lock, NULL);
    *out = crowd;
    return true;
}

void crowd_close(struct crowd *crowd)
{
    if (crowd != NULL) {
        pthread_mutex_destroy(&crowd->lock);
        struct arena memory = crowd->memory; /* it lies in there */
        arena_release(&memory);
    }
}

static size_t home_of(const struct peer *peer)
{
    return (size_t)(peer_hash(peer) >> 8) % SLOTS;
}

/* Where the address is, or the free place where it would be. */
static size_t find(const struct crowd *crowd, const struct peer *peer)
{
    size_t at = home_of(peer);
    while (crowd->places[at].count > 0 &&
           memcmp(crowd->places[at].peer.bytes, peer->bytes, sizeof peer->bytes) != 0) {
        at = (at + 1) % SLOTS;
    }
    return at;
}

bool crowd_enter(struct crowd *crowd, const struct peer *peer)
{
    bool is_in = true;
    pthread_mutex_lock(&crowd->lock);
    struct place *place = &crowd->places[find(crowd, peer)];
    if (place->count >= crowd->most) {
        is_in = false;
    } else if (place->count > 0) {
        place->count++;
    } else if (crowd->used < CROWD_ADDRESSES) {
        *place = (struct place){*peer, 1};
        crowd->used++;
    }
    pthread_mutex_unlock(&crowd->lock);
    return is_in;
}

/* Frees a place; those behind it that were pushed on move up. */
static void free_place(struct crowd *crowd, size_t hole)
{
    crowd->places[hole].count = 0;
    crowd->used--;
    for (size_t at = (hole + 1) % SLOTS; crowd->places[at].count > 0; at = (at + 1) % SLOTS) {
        const size_t home = home_of(&crowd->places[at].peer);
        if ((at + SLOTS - home) % SLOTS >= (at + SLOTS - hole) % SLOTS) {
            crowd->places[hole] = crowd->places[at];
            crowd->places[at].count = 0;
            hole = at;
        }
    }
}

void crowd_leave(struct crowd *crowd, const struct peer *peer)
{
    pthread_mutex_lock(&crowd->lock);
    const size_t at = find(crowd, peer);
    if (crowd->places[at].count > 0 && --crowd->places[at].count == 0) {
        free_place(crowd, at);
    }
    pthread_mutex_unlock(&crowd->lock);
}
