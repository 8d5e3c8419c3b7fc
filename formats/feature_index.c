/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/feature_index.h"

#include <assert.h>
#include <math.h>

#include "formats/base/earth.h"
#include "formats/feature_index_internal.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "boxes are read as they lie in the file");

static const double STEP_FINEST_M = 0.001;
/* Outliers beyond the extent are few; they are clamped. */
static const double STEP_MARGIN_M = 10000;

/* ---- the frame ---- */

/* Metres in a degree of longitude and of latitude at a latitude. */
void feature_index_degree_m(double lat_deg, double *out_lon_m, double *out_lat_m)
{
    const double lat = lat_deg * EARTH_RAD_PER_DEG;
    const double e2 = EARTH_FLATTENING * (2 - EARTH_FLATTENING);
    const double w2 = 1 - e2 * sin(lat) * sin(lat);
    *out_lon_m = EARTH_RAD_PER_DEG * EARTH_SEMI_MAJOR_M / sqrt(w2) * cos(lat);
    *out_lat_m = EARTH_RAD_PER_DEG * EARTH_SEMI_MAJOR_M * (1 - e2) / (w2 * sqrt(w2));
}

static double wrap_deg(double deg)
{
    if (deg >= -180 && deg <= 180) {
        return deg;
    }
    deg = fmod(deg + 180, 360);
    return deg < 0 ? deg + 180 : deg - 180;
}

struct feature_frame feature_index_frame(double west_deg, double south_deg, double east_deg,
                                         double north_deg, double h0_m)
{
    const double width = east_deg < west_deg ? east_deg + 360 - west_deg : east_deg - west_deg;
    struct feature_frame frame = {
        .lon0_deg = wrap_deg(west_deg + width / 2),
        .lat0_deg = (south_deg + north_deg) / 2,
        .h0_m = h0_m,
        .step_m = STEP_FINEST_M,
    };
    feature_index_degree_m(frame.lat0_deg, &frame.x_m_per_deg, &frame.y_m_per_deg);
    /* At a pole, degrees of longitude have no width; a frame needs some. */
    frame.x_m_per_deg = fmax(frame.x_m_per_deg, frame.y_m_per_deg / 128);
    const double half_m =
        STEP_MARGIN_M +
        fmax(width * frame.x_m_per_deg, (north_deg - south_deg) * frame.y_m_per_deg) / 2;
    while (half_m / frame.step_m > 0x1p30) {
        frame.step_m *= 2;
    }
    return frame;
}

struct vec3 feature_frame_from_deg(const struct feature_frame *frame, double lon_deg,
                                   double lat_deg, double height_m)
{
    return (struct vec3){wrap_deg(lon_deg - frame->lon0_deg) * frame->x_m_per_deg,
                         (lat_deg - frame->lat0_deg) * frame->y_m_per_deg, height_m - frame->h0_m};
}

void feature_frame_to_deg(const struct feature_frame *frame, double x, double y,
                          double *out_lon_deg, double *out_lat_deg)
{
    *out_lon_deg = wrap_deg(frame->lon0_deg + x / frame->x_m_per_deg);
    *out_lat_deg = frame->lat0_deg + y / frame->y_m_per_deg;
}

/* ---- opening ---- */

double feature_index_load_f64(const uint8_t *at)
{
    double value;
    memcpy(&value, at, sizeof value);
    return value;
}

static float load_f32(const uint8_t *at)
{
    float value;
    memcpy(&value, at, sizeof value);
    return value;
}

uint64_t feature_index_levels(uint32_t count, uint64_t *blocks, uint32_t *out_level_count)
{
    uint64_t total = 0;
    uint32_t level_count = 0;
    for (uint64_t boxes = count; boxes > 0 && level_count < FEATURE_INDEX_LEVELS_MAX;) {
        const uint64_t level = (boxes + FEATURE_INDEX_NODE - 1) / FEATURE_INDEX_NODE;
        blocks[level_count++] = total;
        total += level;
        boxes = level > 1 ? level : 0;
    }
    *out_level_count = level_count;
    return total;
}

static bool check_numbers(const struct feature_index *index, struct err *err)
{
    const struct feature_frame *frame = &index->frame;
    const bool is_place =
        fabs(frame->lon0_deg) <= 180 && fabs(frame->lat0_deg) <= 90 && isfinite(frame->h0_m);
    const bool has_scale = frame->x_m_per_deg > 1 && frame->x_m_per_deg < 1e6 &&
                           frame->y_m_per_deg > 1 && frame->y_m_per_deg < 1e6 &&
                           frame->step_m > 0 && frame->step_m < 1e3;
    if (!is_place || !has_scale) {
        return err_set_at(err, ERR_SYNTAX, 48, "features.idx: its frame is no place on Earth");
    }
    const double extent[6] = {index->west_deg, index->south_deg, index->low_m,
                              index->east_deg, index->north_deg, index->high_m};
    for (size_t i = 0; i < 6; i++) {
        if (!isfinite(extent[i])) {
            return err_set_at(err, ERR_SYNTAX, 96 + 8 * i, "features.idx: its extent is no box");
        }
    }
    return true;
}

/* Every section lies in the file and is as large as the counts say. */
static bool check_sections(struct feature_index *index, struct err *err)
{
    const uint64_t n = index->count;
    const uint64_t blocks =
        feature_index_levels(index->count, index->level_blocks, &index->level_count);
    const uint64_t any = UINT64_MAX;
    const uint64_t sizes[FEATURE_INDEX_SECTIONS] = {
        [SECTION_BOXES] = blocks * BLOCK_BYTES,
        [SECTION_ROWS] = n * ROW_BYTES,
        [SECTION_IDS] = n * ID_BYTES,
        [SECTION_CLASSES] = any,
        [SECTION_TILES] = (uint64_t)index->tile_count * TILE_BYTES,
        [SECTION_TILE_ROWS] = n * 4,
        [SECTION_GROUPS] = (uint64_t)index->group_count * GROUP_BYTES,
        [SECTION_MEMBERS] = any,
        [SECTION_FLOORS] = any,
        [SECTION_FOOTPRINTS] = any,
        [SECTION_STRINGS] = any,
    };
    for (size_t i = 0; i < FEATURE_INDEX_SECTIONS; i++) {
        const uint64_t at = HEAD_SECTIONS_AT + 16 * i;
        const uint64_t offset = bytes_load_u64le(index->file.data + at);
        const uint64_t bytes = bytes_load_u64le(index->file.data + at + 8);
        if (offset < HEAD_BYTES || offset > index->file.size || offset % SECTION_ALIGN != 0 ||
            bytes > index->file.size - offset) {
            return err_set_at(err, ERR_SYNTAX, at,
                              "features.idx: section %zu lies outside the file", i);
        }
        if (sizes[i] != any && sizes[i] != bytes) {
            return err_set_at(err, ERR_SYNTAX, at + 8,
                              "features.idx: section %zu of %llu bytes, but %llu are due", i,
                              (unsigned long long)bytes, (unsigned long long)sizes[i]);
        }
        index->section[i] = (struct feature_index_section){index->file.data + offset, bytes};
    }
    index->class_count = (uint32_t)(index->section[SECTION_CLASSES].bytes / CLASS_BYTES);
    return true;
}

uint64_t feature_index_head_checksum(const uint8_t *head)
{
    uint8_t copy[HEAD_BYTES];
    memcpy(copy, head, sizeof copy);
    memset(copy + HEAD_CHECKSUM_AT, 0, 8);
    return digest_short((struct span){copy, sizeof copy});
}

bool feature_index_open(struct span file, struct feature_index *out, struct err *err)
{
    if (file.size < HEAD_BYTES || memcmp(file.data, HEAD_MAGIC, 8) != 0) {
        return err_set_at(err, ERR_SYNTAX, 0, "no features.idx in %zu bytes", file.size);
    }
    const uint8_t *head = file.data;
    const uint32_t version = bytes_load_u32le(head + 8);
    if (version != FEATURE_INDEX_VERSION) {
        return err_set_at(err, ERR_UNSUPPORTED, 8,
                          "features.idx of version %u; this program reads version %d: tile again",
                          version, FEATURE_INDEX_VERSION);
    }
    if (bytes_load_u64le(head + HEAD_CHECKSUM_AT) != feature_index_head_checksum(head)) {
        return err_set_at(err, ERR_SYNTAX, HEAD_CHECKSUM_AT, "features.idx: its head is damaged");
    }
    const uint64_t bytes = bytes_load_u64le(head + 16);
    if (bytes != file.size) {
        return err_set_at(err, ERR_SYNTAX, 16, "features.idx of %llu bytes, but %zu are here",
                          (unsigned long long)bytes, file.size);
    }
    struct feature_index index = {
        .file = file,
        .count = bytes_load_u32le(head + 12),
        .group_count = bytes_load_u32le(head + 40),
        .tile_count = bytes_load_u32le(head + 44),
        .frame = {feature_index_load_f64(head + 48), feature_index_load_f64(head + 56),
                  feature_index_load_f64(head + 64), feature_index_load_f64(head + 72),
                  feature_index_load_f64(head + 80), feature_index_load_f64(head + 88)},
        .west_deg = feature_index_load_f64(head + 96),
        .south_deg = feature_index_load_f64(head + 104),
        .low_m = feature_index_load_f64(head + 112),
        .east_deg = feature_index_load_f64(head + 120),
        .north_deg = feature_index_load_f64(head + 128),
        .high_m = feature_index_load_f64(head + 136),
        .ground_m = feature_index_load_f64(head + 152),
    };
    const char *datum = (const char *)head + HEAD_DATUM_AT;
    index.datum = (struct text){datum, strnlen(datum, FEATURE_INDEX_DATUM_BYTES)};
    if (index.count > ROWS_MAX || !text_is_utf8(index.datum)) {
        return err_set_at(err, ERR_SYNTAX, 12, "features.idx: %u rows", index.count);
    }
    if (!check_numbers(&index, err) || !check_sections(&index, err)) {
        return false;
    }
    *out = index;
    return true;
}

/* ---- a feature ---- */

/* A string that may lie anywhere: empty when it lies outside. */
struct text feature_index_text(const struct feature_index *index, uint32_t offset, uint32_t bytes)
{
    const struct feature_index_section *strings = &index->section[SECTION_STRINGS];
    if (offset > strings->bytes || bytes > strings->bytes - offset) {
        return (struct text){"", 0};
    }
    return (struct text){(const char *)strings->data + offset, bytes};
}

static const uint8_t *row_at(const struct feature_index *index, uint32_t row)
{
    assert(row < index->count);
    return index->section[SECTION_ROWS].data + (size_t)row * ROW_BYTES;
}

struct text feature_index_id(const struct feature_index *index, uint32_t row)
{
    const uint8_t *at = row_at(index, row);
    return feature_index_text(index, bytes_load_u32le(at + ROW_ID),
                              bytes_load_u16le(at + ROW_ID_BYTES));
}

static int32_t load_i32(const uint8_t *at)
{
    return (int32_t)bytes_load_u32le(at);
}

/* A number of a file that may be damaged: anything finite. */
static double sane(float value)
{
    return isfinite(value) ? (double)value : 0;
}

void feature_index_row(const struct feature_index *index, uint32_t row,
                       struct feature_index_row *out)
{
    const uint8_t *at = row_at(index, row);
    const uint32_t tile = bytes_load_u32le(at + ROW_TILE);
    const uint32_t parent = bytes_load_u32le(at + ROW_PARENT);
    const uint32_t merged = bytes_load_u32le(at + ROW_MERGED);
    const uint8_t storeys = at[ROW_STOREYS];
    *out = (struct feature_index_row){
        .id = feature_index_id(index, row),
        .class_name = feature_index_class(index, bytes_load_u16le(at + ROW_CLASS)),
        .tile = tile < index->tile_count ? tile : FEATURE_INDEX_NONE,
        .parent = parent < index->group_count ? parent : FEATURE_INDEX_NONE,
        .merged = merged < index->group_count ? merged : FEATURE_INDEX_NONE,
        .footprint = bytes_load_u32le(at + ROW_FOOTPRINT),
        .base_m = sane(load_f32(at + ROW_BASE)),
        .top_m = sane(load_f32(at + ROW_TOP)),
        .base_local_m = sane(load_f32(at + ROW_BASE_LOCAL)),
        .top_local_m = sane(load_f32(at + ROW_TOP_LOCAL)),
        .footprint_m2 = sane(load_f32(at + ROW_AREA)),
        .storeys = storeys <= STOREYS_DERIVED ? (enum feature_storeys)storeys : STOREYS_UNKNOWN,
        .storeys_above = bytes_load_u16le(at + ROW_ABOVE),
        .storeys_below = bytes_load_u16le(at + ROW_BELOW),
        .floors = bytes_load_u32le(at + ROW_FLOORS),
    };
    memcpy(out->digest.bytes, at + ROW_DIGEST, DIGEST_BYTES);
    feature_frame_to_deg(&index->frame, load_i32(at + ROW_X) * index->frame.step_m,
                         load_i32(at + ROW_Y) * index->frame.step_m, &out->lon_deg, &out->lat_deg);
}

struct box3 feature_index_box(const struct feature_index *index, uint32_t row)
{
    assert(row < index->count);
    const uint8_t *at = index->section[SECTION_BOXES].data +
                        (size_t)(row / FEATURE_INDEX_NODE) * BLOCK_BYTES +
                        (row % FEATURE_INDEX_NODE) * sizeof(float);
    double value[6];
    for (size_t i = 0; i < 6; i++) {
        value[i] = (double)load_f32(at + i * FEATURE_INDEX_NODE * sizeof(float));
    }
    return (struct box3){{value[0], value[1], value[2]}, {value[3], value[4], value[5]}};
}

/* Where the hash would stand if hashes were spread evenly: within some hundred
 * rows in a million. */
static uint32_t guess_id(uint32_t count, uint32_t hash)
{
    return (uint32_t)((uint64_t)count * hash >> 32);
}

static uint32_t hash_at(const struct feature_index *index, uint32_t at)
{
    return bytes_load_u32le(index->section[SECTION_IDS].data + (size_t)at * ID_BYTES);
}

/* The first entry whose hash is not below `hash`: steps that double away from
 * the guess, then halves. */
static uint32_t first_of_hash(const struct feature_index *index, uint32_t hash)
{
    const uint32_t count = index->count;
    uint32_t low = guess_id(count, hash);
    uint32_t high = low;
    for (uint32_t step = 16; low > 0 && hash_at(index, low) >= hash; step *= 2) {
        low = low > step ? low - step : 0;
    }
    for (uint32_t step = 16; high < count && hash_at(index, high) < hash; step *= 2) {
        high = count - high > step ? high + step : count;
    }
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (hash_at(index, middle) < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t feature_index_find(const struct feature_index *index, struct text id)
{
    const uint32_t hash =
        (uint32_t)(digest_short((struct span){(const uint8_t *)id.data, id.size}) >> 32);
    for (uint32_t i = first_of_hash(index, hash); i < index->count && hash_at(index, i) == hash;
         i++) {
        const uint32_t row =
            bytes_load_u32le(index->section[SECTION_IDS].data + (size_t)i * ID_BYTES + 4);
        if (row < index->count && text_equals(feature_index_id(index, row), id)) {
            return row;
        }
    }
    return FEATURE_INDEX_NONE;
}

bool feature_index_floor(const struct feature_index *index, const struct feature_index_row *row,
                         int storey, double *out_m)
{
    const bool is_above = storey > 0 && (uint32_t)storey <= row->storeys_above;
    const bool is_below = storey < 0 && storey >= -(int)row->storeys_below;
    if (!is_above && !is_below) {
        return false;
    }
    const uint64_t count = (uint64_t)row->storeys_above + row->storeys_below;
    const struct feature_index_section *floors = &index->section[SECTION_FLOORS];
    const uint64_t first = row->floors;
    if (row->floors != FEATURE_INDEX_NONE && (first + count) * 4 <= floors->bytes) {
        /* "-below .. -1, 1 .. above" in the file. */
        const uint64_t at = is_above ? row->storeys_below + (uint64_t)storey - 1
                                     : row->storeys_below - (uint64_t)-storey;
        *out_m = sane(load_f32(floors->data + (first + at) * 4));
        return true;
    }
    const double height_m = row->top_m - row->base_m;
    if (is_above) {
        *out_m = height_m * (storey - 1) / row->storeys_above;
    } else {
        *out_m = storey * STOREY_BELOW_M;
    }
    return true;
}

/* ---- footprints ---- */

struct feature_footprint feature_index_footprint(const struct feature_index *index,
                                                 uint32_t footprint)
{
    const struct feature_footprint none = {0};
    const struct feature_index_section *section = &index->section[SECTION_FOOTPRINTS];
    const uint64_t words = section->bytes / 4;
    if (footprint >= words) {
        return none;
    }
    const uint8_t *at = section->data + 4 * (size_t)footprint;
    const uint64_t left = words - footprint - 1;
    const uint32_t ring_count = bytes_load_u32le(at);
    if (ring_count > left) {
        return none;
    }
    uint64_t point_count = 0;
    for (uint32_t i = 0; i < ring_count; i++) {
        point_count += bytes_load_u32le(at + 4 + 4 * (size_t)i) & ~RING_IS_HOLE;
        if (point_count > left) {
            return none; /* also keeps the sum from passing 32 bits below */
        }
    }
    if (2 * point_count > left - ring_count) {
        return none;
    }
    return (struct feature_footprint){ring_count, (uint32_t)point_count, at + 4,
                                      at + 4 + 4 * (size_t)ring_count};
}

void feature_footprint_next(const struct feature_footprint *footprint, uint32_t ring_index,
                            struct feature_footprint_ring *ring)
{
    assert(ring_index < footprint->ring_count);
    const uint32_t word = bytes_load_u32le(footprint->rings + 4 * (size_t)ring_index);
    ring->first_point += ring->point_count;
    ring->point_count = word & ~RING_IS_HOLE;
    ring->is_hole = (word & RING_IS_HOLE) != 0;
}

struct vec2 feature_footprint_point(const struct feature_index *index,
                                    const struct feature_footprint *footprint, uint32_t point)
{
    assert(point < footprint->point_count);
    const uint8_t *at = footprint->points + 8 * (size_t)point;
    return (struct vec2){load_i32(at) * index->frame.step_m,
                         load_i32(at + 4) * index->frame.step_m};
}

/* ---- tiles, groups, classes ---- */

void feature_index_tile(const struct feature_index *index, uint32_t tile,
                        struct feature_index_tile *out)
{
    assert(tile < index->tile_count);
    const uint8_t *at = index->section[SECTION_TILES].data + (size_t)tile * TILE_BYTES;
    const uint32_t first = bytes_load_u32le(at + 8);
    const uint32_t count = bytes_load_u32le(at + 12);
    const uint32_t above = bytes_load_u32le(at + 16);
    const bool fits = first <= index->count && count <= index->count - first;
    *out = (struct feature_index_tile){
        .name = feature_index_text(index, bytes_load_u32le(at), bytes_load_u32le(at + 4)),
        .first = fits ? first : 0,
        .count = fits ? count : 0,
        .above = above < index->tile_count ? above : FEATURE_INDEX_NONE,
    };
}

uint32_t feature_index_find_tile(const struct feature_index *index, struct text name)
{
    uint32_t low = 0;
    uint32_t high = index->tile_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        struct feature_index_tile tile;
        feature_index_tile(index, middle, &tile);
        const int order = text_compare(tile.name, name);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return FEATURE_INDEX_NONE;
}

uint32_t feature_index_tile_row(const struct feature_index *index, uint32_t at)
{
    if (at >= index->count) {
        return FEATURE_INDEX_NONE;
    }
    const uint32_t row = bytes_load_u32le(index->section[SECTION_TILE_ROWS].data + (size_t)at * 4);
    return row < index->count ? row : FEATURE_INDEX_NONE;
}

void feature_index_group(const struct feature_index *index, uint32_t group,
                         struct feature_index_group *out)
{
    assert(group < index->group_count);
    const uint8_t *at = index->section[SECTION_GROUPS].data + (size_t)group * GROUP_BYTES;
    const uint64_t members = index->section[SECTION_MEMBERS].bytes / 4;
    const uint32_t kind = bytes_load_u32le(at + 8);
    const uint32_t first = bytes_load_u32le(at + 12);
    const uint32_t count = bytes_load_u32le(at + 16);
    const uint32_t row = bytes_load_u32le(at + 20);
    const bool fits = first <= members && count <= members - first;
    *out = (struct feature_index_group){
        .id = feature_index_text(index, bytes_load_u32le(at), bytes_load_u32le(at + 4)),
        .kind = kind == FEATURE_GROUP_MERGED ? FEATURE_GROUP_MERGED : FEATURE_GROUP_PARENT,
        .first = fits ? first : 0,
        .count = fits ? count : 0,
        .row = row < index->count ? row : FEATURE_INDEX_NONE,
    };
}

/* As groups are sorted: by hash, then id, then kind. */
int feature_index_compare_groups(struct text a, enum feature_group_kind a_kind, struct text b,
                                 enum feature_group_kind b_kind)
{
    const uint64_t a_hash = digest_short((struct span){(const uint8_t *)a.data, a.size});
    const uint64_t b_hash = digest_short((struct span){(const uint8_t *)b.data, b.size});
    if (a_hash != b_hash) {
        return a_hash < b_hash ? -1 : 1;
    }
    const int order = text_compare(a, b);
    return order != 0 ? order : (int)a_kind - (int)b_kind;
}

uint32_t feature_index_find_group(const struct feature_index *index, struct text id,
                                  enum feature_group_kind kind)
{
    uint32_t low = 0;
    uint32_t high = index->group_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        struct feature_index_group group;
        feature_index_group(index, middle, &group);
        const int order = feature_index_compare_groups(group.id, group.kind, id, kind);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return FEATURE_INDEX_NONE;
}

uint32_t feature_index_member(const struct feature_index *index, uint32_t at, bool *out_is_group)
{
    const struct feature_index_section *members = &index->section[SECTION_MEMBERS];
    *out_is_group = false;
    if (at >= members->bytes / 4) {
        return FEATURE_INDEX_NONE;
    }
    const uint32_t word = bytes_load_u32le(members->data + (size_t)at * 4);
    *out_is_group = (word & MEMBER_IS_GROUP) != 0;
    const uint32_t number = word & ~MEMBER_IS_GROUP;
    return number < (*out_is_group ? index->group_count : index->count) ? number
                                                                        : FEATURE_INDEX_NONE;
}

struct text feature_index_class(const struct feature_index *index, uint32_t class_index)
{
    if (class_index >= index->class_count) {
        return (struct text){"", 0};
    }
    const uint8_t *at = index->section[SECTION_CLASSES].data + (size_t)class_index * CLASS_BYTES;
    return feature_index_text(index, bytes_load_u32le(at), bytes_load_u32le(at + 4));
}
