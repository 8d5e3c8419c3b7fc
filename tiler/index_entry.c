/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/index_entry.h"

#include <assert.h>
#include <math.h>

#include "formats/base/earth.h"
#include "formats/json_write.h"
#include "tiler/ground_plan.h"
#include "tiler/names.h"
#include "tiler/storeys.h"

/* Wider than this, a feature's vertices go through the ellipsoid one by one. */
static const double NEAR_M = 1000;
/* What the shorter way may be wrong by. */
static const double NEAR_ERROR_M = 0.002;

enum { TEXT_COUNT = 6 };

struct head {
    uint32_t text_sizes[TEXT_COUNT]; /* id, class, parent, root, name, other names */
    uint32_t point_count, ring_count, floor_count, value_count, storeys;
    uint32_t above, below;
    uint32_t reserved;
    struct box3 box;
    struct vec2 point;
    double base_m, top_m, base_local_m, top_local_m, height_m, footprint_m2;
    struct digest digest;
};
static_assert(sizeof(struct head) % 8 == 0, "arrays begin at multiples of 8");

struct packed_value {
    uint32_t column;
    uint32_t kind;
    union {
        int64_t integer;
        double real;
        uint64_t text_size;
    } as;
};

/* ---- places ---- */

/* From a feature's own frame to longitude, latitude and height. */
struct placing {
    struct earth_point origin;
    struct mat4 frame;
    double sine, cosine; /* of the latitude */
    double axis_m;       /* distance from the Earth's axis */
    double meridian_m;   /* radius of the meridian there */
    bool is_wide;
};

static struct placing placing_at(const struct record *record, double extent_m)
{
    const double e2 = EARTH_FLATTENING * (2 - EARTH_FLATTENING);
    struct placing p = {.origin = earth_from_ecef(record->origin_ecef_m),
                        .frame = earth_enu_frame(record->origin_ecef_m),
                        .is_wide = extent_m > NEAR_M};
    p.sine = sin(p.origin.latitude_rad);
    p.cosine = cos(p.origin.latitude_rad);
    const double w2 = 1 - e2 * p.sine * p.sine;
    p.axis_m = (EARTH_SEMI_MAJOR_M / sqrt(w2) + p.origin.height_m) * p.cosine;
    p.meridian_m = EARTH_SEMI_MAJOR_M * (1 - e2) / (w2 * sqrt(w2)) + p.origin.height_m;
    p.is_wide = p.is_wide || p.cosine < 0.01;
    return p;
}

/* The longitude is exact; latitude and height go along the circle that touches
 * the meridian: a millimetre and a half wrong a kilometre away. */
static struct earth_point place(const struct placing *p, struct vec3 at)
{
    if (p->is_wide) {
        return earth_from_ecef(mat4_point(p->frame, at));
    }
    const double toward_axis = p->axis_m - at.y * p->sine + at.z * p->cosine;
    const double from_axis = hypot(toward_axis, at.x);
    const double dr = from_axis - p->axis_m;
    const double dz = at.y * p->cosine + at.z * p->sine;
    const double north = dz * p->cosine - dr * p->sine;
    const double up = dr * p->cosine + dz * p->sine;
    return (struct earth_point){
        .longitude_rad = p->origin.longitude_rad + atan2(at.x, toward_axis),
        .latitude_rad = p->origin.latitude_rad + atan2(north, p->meridian_m + up),
        .height_m = p->origin.height_m + hypot(p->meridian_m + up, north) - p->meridian_m,
    };
}

static struct vec3 to_frame(const struct feature_frame *frame, struct earth_point point)
{
    return feature_frame_from_deg(frame, point.longitude_rad / EARTH_RAD_PER_DEG,
                                  point.latitude_rad / EARTH_RAD_PER_DEG, point.height_m);
}

static double extent_of(const struct feature *feature)
{
    double most = 0;
    for (size_t i = 0; i < feature->vertex_count; i++) {
        most = fmax(most, fmax(fabs(feature->vertices[3 * i]), fabs(feature->vertices[3 * i + 1])));
    }
    return most;
}

static void measure(const struct record *record, const struct placing *placing,
                    const struct feature_frame *frame, struct head *head)
{
    const struct feature *feature = &record->feature;
    struct box3 box = box3_empty();
    for (size_t i = 0; i < feature->vertex_count; i++) {
        const double *xyz = feature->vertices + 3 * i;
        box3_add(&box, to_frame(frame, place(placing, (struct vec3){xyz[0], xyz[1], xyz[2]})));
    }
    head->base_m = box.min.z + frame->h0_m;
    head->top_m = box.max.z + frame->h0_m;
    const struct vec3 margin = {NEAR_ERROR_M, NEAR_ERROR_M, NEAR_ERROR_M};
    head->box = (struct box3){vec3_sub(box.min, margin), vec3_add(box.max, margin)};
    head->base_local_m = record->base_local_m;
    head->top_local_m = record->top_local_m;
}

/* ---- the digest ---- */

static void add_text(struct buf *out, struct text text)
{
    buf_add_u32le(out, (uint32_t)text.size);
    buf_add(out, text.data, text.size);
}

static void add_value(struct buf *out, const struct feature_value *value)
{
    buf_add_u32le(out, (uint32_t)value->type);
    switch (value->type) {
    case FEATURE_NULL:
        break;
    case FEATURE_BOOL:
        buf_add_byte(out, value->boolean);
        break;
    case FEATURE_INT:
        buf_add(out, &value->integer, sizeof value->integer);
        break;
    case FEATURE_REAL:
        buf_add(out, &value->real, sizeof value->real);
        break;
    case FEATURE_TEXT:
    case FEATURE_JSON:
        add_text(out, value->text);
        break;
    }
}

/* Of what the feature is, wherever it stands in whichever file: nothing of the
 * run's own numbering goes into it. */
static bool digest_record(const struct record *record, const struct index_entry_means *means,
                          struct digest *out, struct err *err)
{
    const struct feature *feature = &record->feature;
    struct buf bytes;
    buf_init(&bytes, SIZE_MAX / 2);
    add_text(&bytes, feature->id);
    add_text(&bytes, feature->kind);
    add_text(&bytes, feature->name);
    add_text(&bytes, feature->parent_id);
    for (size_t i = 0; i < record->attribute_count; i++) {
        add_text(&bytes, means->names_of_keys[record->attributes[i].key]);
        add_value(&bytes, &record->attributes[i].value);
    }
    buf_add(&bytes, &record->origin_ecef_m, sizeof record->origin_ecef_m);
    buf_add(&bytes, feature->vertices, feature->vertex_count * 3 * sizeof(double));
    buf_add(&bytes, feature->corners, feature->corner_count * sizeof(uint32_t));
    if (feature->uvs != NULL) {
        buf_add(&bytes, feature->uvs, feature->corner_count * 2 * sizeof(float));
    }
    buf_add(&bytes, feature->rings, feature->ring_count * sizeof feature->rings[0]);
    buf_add(&bytes, feature->polygons, feature->polygon_count * sizeof feature->polygons[0]);
    for (size_t i = 0; i < feature->lod_count; i++) {
        buf_add(&bytes, &feature->lods[i].level, sizeof(double));
        buf_add_u32le(&bytes, feature->lods[i].polygon_count);
    }
    for (size_t i = 0; i < feature->texture_count; i++) {
        add_text(&bytes, feature->textures[i].image);
    }
    const bool ok = buf_finish(&bytes, err);
    if (ok) {
        *out = digest_of(buf_span(&bytes));
    }
    buf_release(&bytes);
    return ok;
}

/* ---- attributes ---- */

static bool print_value(const struct feature_value *value, struct arena *tile, struct text *out,
                        struct err *err)
{
    if (value->type == FEATURE_TEXT || value->type == FEATURE_JSON) {
        *out = value->text;
        return true;
    }
    struct buf text;
    buf_init(&text, 512);
    if (value->type == FEATURE_BOOL) {
        buf_add_text(&text, value->boolean ? "true" : "false");
    } else if (value->type == FEATURE_INT) {
        buf_print(&text, "%lld", (long long)value->integer);
    } else {
        json_write_double(&text, value->real);
    }
    bool ok = buf_finish(&text, err);
    if (ok) {
        char *copy = arena_print(tile, "%.*s", (int)text.size, (const char *)text.data);
        ok = copy != NULL || arena_full(tile, err);
        *out = text_of(copy);
    }
    buf_release(&text);
    return ok;
}

static bool convert_value(const struct feature_value *value, enum geopackage_type type,
                          struct arena *tile, struct geopackage_value *out, struct err *err)
{
    *out = (struct geopackage_value){.kind = GEOPACKAGE_NULL};
    if (value->type == FEATURE_NULL) {
        return true;
    }
    switch (type) {
    case GEOPACKAGE_BOOL:
        out->kind = GEOPACKAGE_IS_INT;
        out->integer = value->boolean;
        return true;
    case GEOPACKAGE_INT:
        out->kind = GEOPACKAGE_IS_INT;
        out->integer = value->integer;
        return true;
    case GEOPACKAGE_REAL:
        out->kind = GEOPACKAGE_IS_REAL;
        out->real = value->type == FEATURE_INT ? (double)value->integer : value->real;
        return true;
    case GEOPACKAGE_TEXT:
        break;
    }
    out->kind = GEOPACKAGE_IS_TEXT;
    return print_value(value, tile, &out->text, err);
}

static void pack_value(uint32_t column, const struct geopackage_value *value, struct buf *out)
{
    struct packed_value packed = {.column = column, .kind = (uint32_t)value->kind};
    switch (value->kind) {
    case GEOPACKAGE_NULL:
        break;
    case GEOPACKAGE_IS_INT:
        packed.as.integer = value->integer;
        break;
    case GEOPACKAGE_IS_REAL:
        packed.as.real = value->real;
        break;
    case GEOPACKAGE_IS_TEXT:
        packed.as.text_size = value->text.size;
        break;
    }
    buf_add(out, &packed, sizeof packed);
    if (value->kind == GEOPACKAGE_IS_TEXT) {
        buf_add(out, value->text.data, value->text.size);
        buf_pad(out, 0, 8, 0);
    }
}

/* An attribute that says what a built-in property would: the source's own. */
static void note_builtins(const struct record *record, const struct index_entry_means *means,
                          struct text *name, double *height_m)
{
    for (size_t i = 0; i < record->attribute_count; i++) {
        const struct record_attribute *attribute = &record->attributes[i];
        const struct feature_value *value = &attribute->value;
        if (attribute->key == means->name_key && value->type == FEATURE_TEXT) {
            *name = value->text;
        } else if (attribute->key == means->height_key && value->type == FEATURE_REAL) {
            *height_m = value->real;
        } else if (attribute->key == means->height_key && value->type == FEATURE_INT) {
            *height_m = (double)value->integer;
        }
    }
}

/* Everything a feature may be searched by, with spaces between; and the first
 * name of what has none. */
static bool gather_names(const struct record *record, const struct index_entry_means *means,
                         struct arena *tile, struct text *name, struct text *out, struct err *err)
{
    size_t size = 0;
    for (size_t i = 0; i < record->attribute_count; i++) {
        const struct record_attribute *attribute = &record->attributes[i];
        if (attribute->value.type == FEATURE_TEXT &&
            means->names_roles[attribute->key] != NAMES_NO_ROLE) {
            size += attribute->value.text.size + 1;
        }
    }
    char *words = arena_array(tile, char, size + 1);
    if (words == NULL) {
        return arena_full(tile, err);
    }
    size = 0;
    for (size_t i = 0; i < record->attribute_count; i++) {
        const struct record_attribute *attribute = &record->attributes[i];
        const struct text text = attribute->value.text;
        const uint8_t role = means->names_roles[attribute->key];
        if (attribute->value.type != FEATURE_TEXT || role == NAMES_NO_ROLE || text.size == 0) {
            continue;
        }
        memcpy(words + size, text.data, text.size);
        size += text.size;
        words[size++] = ' ';
        if (name->size == 0 && role == NAMES_NAME) {
            *name = text;
        }
    }
    *out = (struct text){words, size};
    return true;
}

/* ---- footprints ---- */

/* A point that stands for the feature: the middle of its outline, pulled to it
 * where the outline is hollow there. */
static struct vec2 middle_of(const struct ground_plan *plan, struct box3 box)
{
    struct vec2 sum = {0, 0};
    double area = 0;
    const uint32_t count = plan->rings.ring_count == 0 ? 0 : plan->rings.ends[0];
    for (uint32_t i = 0; i < count; i++) {
        const struct vec2 a = plan->rings.points[i];
        const struct vec2 b = plan->rings.points[i + 1 == count ? 0 : i + 1];
        const double cross = a.x * b.y - a.y * b.x;
        area += cross;
        sum.x += (a.x + b.x) * cross;
        sum.y += (a.y + b.y) * cross;
    }
    if (!(area > 0)) {
        return (struct vec2){(box.min.x + box.max.x) / 2, (box.min.y + box.max.y) / 2};
    }
    return (struct vec2){sum.x / (3 * area), sum.y / (3 * area)};
}

/* The plan's points at the feature's base, in the index's frame. */
static struct vec2 *place_plan(const struct ground_plan *plan, const struct placing *placing,
                               const struct feature_frame *frame, double base_z, struct arena *tile)
{
    const uint32_t count = ring_point_count(&plan->rings);
    struct vec2 *points = arena_array(tile, struct vec2, count);
    for (uint32_t i = 0; points != NULL && i < count; i++) {
        const struct vec2 at = plan->rings.points[i];
        const struct vec3 placed =
            to_frame(frame, place(placing, (struct vec3){at.x, at.y, base_z}));
        points[i] = (struct vec2){placed.x, placed.y};
    }
    return points;
}

/* The same in the layer's coordinate system, east first. */
static bool map_plan(const struct ground_plan *plan, const struct placing *placing,
                     struct crs *layer_crs, double base_z, struct arena *tile, struct vec2 **out,
                     struct err *err)
{
    const uint32_t count = ring_point_count(&plan->rings);
    struct vec2 *points = arena_array(tile, struct vec2, count);
    double *xyz = arena_array(tile, double, 3 * (size_t)count);
    if (points == NULL || xyz == NULL) {
        return arena_full(tile, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct vec2 at = plan->rings.points[i];
        const struct vec3 local = {at.x, at.y, base_z};
        if (layer_crs == NULL) {
            const struct earth_point placed = place(placing, local);
            points[i] = (struct vec2){placed.longitude_rad / EARTH_RAD_PER_DEG,
                                      placed.latitude_rad / EARTH_RAD_PER_DEG};
        } else {
            const struct vec3 ecef = mat4_point(placing->frame, local);
            xyz[3 * i] = ecef.x;
            xyz[3 * i + 1] = ecef.y;
            xyz[3 * i + 2] = ecef.z;
        }
    }
    *out = points;
    if (layer_crs == NULL || count == 0) {
        return true;
    }
    if (!crs_from_ecef(layer_crs, xyz, count, err)) {
        return false;
    }
    const int x = layer_crs->plan->is_yx ? 1 : 0;
    for (uint32_t i = 0; i < count; i++) {
        points[i] = (struct vec2){xyz[3 * i + (size_t)x], xyz[3 * i + (size_t)(1 - x)]};
    }
    return true;
}

static double lowest_z(const struct feature *feature)
{
    double low = feature->vertex_count == 0 ? 0 : feature->vertices[2];
    for (size_t i = 1; i < feature->vertex_count; i++) {
        low = fmin(low, feature->vertices[3 * i + 2]);
    }
    return low;
}

/* ---- the entry ---- */

static void put_array(struct buf *out, const void *items, size_t count, size_t size)
{
    buf_add(out, items, count * size);
    buf_pad(out, 0, 8, 0);
}

static bool put_values(const struct record *record, const struct index_entry_means *means,
                       struct arena *tile, struct buf *out, uint32_t *out_count, struct err *err)
{
    *out_count = 0;
    for (size_t i = 0; i < record->attribute_count; i++) {
        const uint32_t column = means->column_of_key[record->attributes[i].key];
        struct geopackage_value value;
        if (column == UINT32_MAX) {
            continue;
        }
        if (!convert_value(&record->attributes[i].value, means->columns[column].type, tile, &value,
                           err)) {
            return false;
        }
        if (value.kind != GEOPACKAGE_NULL) {
            pack_value(column, &value, out);
            ++*out_count;
        }
    }
    return true;
}

bool index_entry_write(const struct record *record, const struct index_entry_means *means,
                       struct crs *layer_crs, struct arena *tile, struct arena *scratch,
                       struct buf *out, struct err *err)
{
    const struct feature *feature = &record->feature;
    const struct placing placing = placing_at(record, extent_of(feature));
    struct text name = feature->name;
    struct ground_plan plan;
    struct storeys storeys;
    struct vec2 *mapped;
    struct head head = {.point_count = 0};
    measure(record, &placing, &means->frame, &head);
    head.height_m = head.top_m - head.base_m;
    note_builtins(record, means, &name, &head.height_m);
    storeys_measure(record, means->storeys_roles, head.top_m - head.base_m, &storeys);
    struct text other_names;
    if (!gather_names(record, means, tile, &name, &other_names, err) ||
        !digest_record(record, means, &head.digest, err) ||
        !ground_plan_make(record, tile, scratch, &plan, err)) {
        return false;
    }
    const double base_z = lowest_z(feature);
    struct vec2 *placed = place_plan(&plan, &placing, &means->frame, base_z, tile);
    if (placed == NULL) {
        return arena_full(tile, err);
    }
    if (!map_plan(&plan, &placing, layer_crs, base_z, tile, &mapped, err)) {
        return false;
    }
    /* All at the height of its base: of a wide feature on a slope, that moves
     * points by millimetres. */
    for (uint32_t i = 0; i < ring_point_count(&plan.rings); i++) {
        box3_add(&head.box, (struct vec3){placed[i].x, placed[i].y, head.box.min.z});
    }
    const struct ground_plan local = {{placed, plan.rings.ends, plan.rings.ring_count}, NULL, 0};
    head.point = middle_of(&local, head.box);
    head.footprint_m2 = plan.area_m2;
    head.storeys = (uint32_t)storeys.kind;
    head.above = storeys.above;
    head.below = storeys.below;
    head.floor_count = storeys.has_floors ? storeys.above + storeys.below : 0;
    head.ring_count = plan.rings.ring_count;
    head.point_count = ring_point_count(&plan.rings);
    const struct text root =
        text_equals(feature->root_id, feature->id) ? (struct text){"", 0} : feature->root_id;
    const struct text texts[TEXT_COUNT] = {feature->id, feature->kind, feature->parent_id,
                                           root,        name,          other_names};
    for (int i = 0; i < TEXT_COUNT; i++) {
        head.text_sizes[i] = (uint32_t)texts[i].size;
    }
    const size_t at = out->size;
    assert(at % 8 == 0);
    buf_add(out, &head, sizeof head);
    for (int i = 0; i < TEXT_COUNT; i++) {
        put_array(out, texts[i].data, texts[i].size, 1);
    }
    put_array(out, placed, head.point_count, sizeof placed[0]);
    put_array(out, mapped, head.point_count, sizeof mapped[0]);
    put_array(out, plan.rings.ends, head.ring_count, sizeof plan.rings.ends[0]);
    put_array(out, plan.is_hole, head.ring_count, sizeof plan.is_hole[0]);
    put_array(out, storeys.floors, head.floor_count, sizeof storeys.floors[0]);
    if (!put_values(record, means, tile, out, &head.value_count, err) || !buf_finish(out, err)) {
        return false;
    }
    memcpy(out->data + at, &head, sizeof head);
    return true;
}

static const void *take(const uint8_t **at, size_t count, size_t size)
{
    const void *found = *at;
    *at += (count * size + 7) / 8 * 8;
    return found;
}

static void read_values(const uint8_t *at, uint32_t count, struct geopackage_value *values)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct packed_value *packed = take(&at, 1, sizeof *packed);
        struct geopackage_value *value = &values[packed->column];
        value->kind = (enum geopackage_kind)packed->kind;
        switch (value->kind) {
        case GEOPACKAGE_NULL:
            break;
        case GEOPACKAGE_IS_INT:
            value->integer = packed->as.integer;
            break;
        case GEOPACKAGE_IS_REAL:
            value->real = packed->as.real;
            break;
        case GEOPACKAGE_IS_TEXT:
            value->text.size = packed->as.text_size;
            value->text.data = take(&at, packed->as.text_size, 1);
            break;
        }
    }
}

bool index_entry_read(struct span bytes, const struct index_entry_means *means, struct arena *arena,
                      struct index_entry *out, struct err *err)
{
    const uint8_t *at = bytes.data;
    const struct head *head = take(&at, 1, sizeof *head);
    struct text texts[TEXT_COUNT];
    struct geopackage_value *values =
        arena_array(arena, struct geopackage_value, means->column_count);
    if (values == NULL) {
        return arena_full(arena, err);
    }
    for (int i = 0; i < TEXT_COUNT; i++) {
        texts[i] = (struct text){take(&at, head->text_sizes[i], 1), head->text_sizes[i]};
    }
    const struct vec2 *placed = take(&at, head->point_count, sizeof *placed);
    const struct vec2 *mapped = take(&at, head->point_count, sizeof *mapped);
    const uint32_t *ends = take(&at, head->ring_count, sizeof *ends);
    const bool *is_hole = take(&at, head->ring_count, sizeof *is_hole);
    const double *floors = take(&at, head->floor_count, sizeof *floors);
    read_values(at, head->value_count, values);
    out->index = (struct feature_index_entry){
        .id = texts[0],
        .class_name = texts[1],
        .parent = texts[2],
        .root = texts[3],
        .box = head->box,
        .point = head->point,
        .tile = FEATURE_INDEX_NONE,
        .base_m = head->base_m,
        .top_m = head->top_m,
        .base_local_m = head->base_local_m,
        .top_local_m = head->top_local_m,
        .storeys = (enum feature_storeys)head->storeys,
        .storeys_above = head->above,
        .storeys_below = head->below,
        .floors = head->floor_count > 0 ? floors : NULL,
        .digest = head->digest,
        .points = placed,
        .ring_ends = ends,
        .is_hole = is_hole,
        .ring_count = head->ring_count,
        .footprint_m2 = head->footprint_m2,
    };
    out->attributes = (struct geopackage_feature){
        .id = texts[0],
        .class_name = texts[1],
        .name = texts[4],
        .other_names = texts[5],
        .parent = texts[2],
        .base_m = head->base_m,
        .top_m = head->top_m,
        .base_local_m = head->base_local_m,
        .top_local_m = head->top_local_m,
        .height_m = head->height_m,
        .storeys = (enum feature_storeys)head->storeys,
        .storeys_above = head->above,
        .storeys_below = head->below,
        .footprint_m2 = head->footprint_m2,
        .points = mapped,
        .ring_ends = ends,
        .is_hole = is_hole,
        .ring_count = head->ring_count,
        .values = values,
    };
    return true;
}
