/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_IMAGES_H
#define TILER_IMAGES_H

/*
 * images.h - every picture that the features of a run show: found once, told
 * apart by content, decoded when needed.
 *
 * Features name pictures relative to their source file, beside it on disk or in
 * the same zip. The same picture under two names is one image. One that is
 * missing or broken is said once (report), and faces that show it have a colour
 * instead. Nothing is fetched from a network.
 *
 * Which number an image gets depends on threads; what is written must be
 * ordered by its digest.
 *
 * Memory   decoded pixels stay until others need the room: at most cache_bytes,
 *          or one image if that is larger. Beside them a hundred bytes and the
 *          name of each image.
 * Threads  any; this file holds the table's lock
 */

#include "formats/base/report.h"
#include "formats/digest.h"
#include "formats/image.h"

struct images;
struct light_table;

#define IMAGES_NONE (-1)

struct images_facts {
    struct digest digest;
    uint32_t width, height;
    enum image_format format;
    bool may_have_alpha;
};

/*
 * Report   "image-missing", "image-broken": once per image; NULL: nowhere
 */
ERR_CHECKED bool images_open(size_t cache_bytes, struct report *report, struct images **out,
                             struct err *err);
void images_close(struct images *images); /* NULL is fine */

/*
 * Counts that a feature names an image, without looking for it: images_uses()
 * then says how many do.
 */
ERR_CHECKED bool images_note(struct images *images, uint32_t source, const char *source_path,
                             struct text name, struct err *err);

/* How many features have named it so; at least 1. */
uint32_t images_uses(struct images *images, uint32_t source, const char *source_path,
                     struct text name);

/*
 * The image that the file at `source_path` calls `name`; IMAGES_NONE when it
 * cannot be used. `source` is the file's number in the run, always the same for
 * one path. What names may look like: image_place.h.
 *
 * Errors   ERR_NOMEM, ERR_LIMIT  of the table itself
 */
ERR_CHECKED bool images_find(struct images *images, uint32_t source, const char *source_path,
                             struct text name, int32_t *out, struct err *err);

/*
 * The image with a border of one texel around it, in this colour (sRGB, alpha):
 * an image of its own, two texels wider and higher.
 *
 * Demands  `id` has no frame itself
 * Errors   ERR_NOMEM, ERR_LIMIT
 */
ERR_CHECKED bool images_frame(struct images *images, int32_t id, const uint8_t color[4],
                              int32_t *out, struct err *err);

struct images_facts images_facts(struct images *images, int32_t id);

/* For whoever reads the pixels. */
const struct light_table *images_light(const struct images *images);

/* Different pictures found so far, and the bytes of those that are decoded. */
size_t images_count(struct images *images);
size_t images_cached_bytes(struct images *images);

/* A decoded image that stays while it is held. */
struct images_hold {
    struct image image; /* pixels NULL: the image is broken */
    size_t slot;
};

/*
 * Decodes, or finds decoded. `shrink` as in image_read(); asking again for the
 * same gives the same pixels. Waits while others hold what fills the cache.
 *
 * Demands  the caller holds no other image; images_drop() after use
 * Errors   ERR_NOMEM
 */
ERR_CHECKED bool images_hold(struct images *images, int32_t id, uint32_t shrink,
                             struct images_hold *out, struct err *err);
void images_drop(struct images *images, const struct images_hold *hold);

#endif
