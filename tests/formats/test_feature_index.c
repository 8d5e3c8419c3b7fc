/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/feature_index.h"

#include <unistd.h>

#include "formats/base/io.h"
#include "formats/feature_index_internal.h"
#include "formats/feature_index_write.h"
#include "tests/check.h"

/* A city of `count` boxes on a plane with some gaps, two tiles, ids "f0"... */
struct city {
    struct io_map map;
    struct feature_index index;
    struct box3 *boxes; /* in the order of rows */
};

static uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

static char path[64];

static struct feature_index_entry entry_of(uint32_t i, const struct box3 *box, char *id,
                                           size_t id_bytes)
{
    static char parent[32];
    static const uint32_t ends[1] = {4};
    static struct vec2 ring[4];
    snprintf(id, id_bytes, "f%u", i);
    snprintf(parent, sizeof parent, "p%u", i / 3);
    ring[0] = (struct vec2){box->min.x, box->min.y};
    ring[1] = (struct vec2){box->max.x, box->min.y};
    ring[2] = (struct vec2){box->max.x, box->max.y};
    ring[3] = (struct vec2){box->min.x, box->max.y};
    return (struct feature_index_entry){
        .id = text_of(id),
        .class_name = text_of(i % 2 == 0 ? "Building" : "Bridge"),
        .parent = text_of(i % 5 == 0 ? "" : parent),
        .box = *box,
        .point = {(box->min.x + box->max.x) / 2, (box->min.y + box->max.y) / 2},
        .tile = i % 2 + 1,
        .base_m = box->min.z,
        .top_m = box->max.z,
        .base_local_m = box->min.z - 40,
        .top_local_m = box->max.z - 40,
        .storeys = STOREYS_OF_SOURCE,
        .storeys_above = 3,
        .storeys_below = 1,
        .points = ring,
        .ring_ends = ends,
        .ring_count = 1,
        .footprint_m2 = (box->max.x - box->min.x) * (box->max.y - box->min.y),
    };
}

static void write_city(const struct box3 *boxes, uint32_t count,
                       struct feature_index_writer *writer)
{
    struct err err;
    CHECK_OK(feature_index_writer_tile(writer, text_of("tiles/w.glb"), FEATURE_INDEX_NONE, &err),
             &err);
    CHECK_OK(feature_index_writer_tile(writer, text_of("tiles/b.glb"), 0, &err), &err);
    CHECK_OK(feature_index_writer_tile(writer, text_of("tiles/a.glb"), 0, &err), &err);
    for (uint32_t i = 0; i < count; i++) {
        char id[32];
        const struct feature_index_entry entry = entry_of(i, &boxes[i], id, sizeof id);
        CHECK_OK(feature_index_writer_add(writer, &entry, &err), &err);
        if (i % 7 == 0) {
            CHECK_OK(feature_index_writer_member(writer, text_of("m1"), entry.id, false, &err),
                     &err);
        }
    }
    CHECK_OK(feature_index_writer_member(writer, text_of("m2"), text_of("m1"), true, &err), &err);
}

static void make_boxes(struct box3 *boxes, uint32_t count)
{
    struct feature_index_key *keys = calloc(count + 1, sizeof keys[0]);
    struct feature_index_key *scratch = calloc(count + 1, sizeof scratch[0]);
    struct box3 *made = calloc(count + 1, sizeof made[0]);
    uint32_t state = 7;
    for (uint32_t i = 0; i < count; i++) {
        const double x = random_next(&state) % 10000;
        const double y = random_next(&state) % 10000;
        const double z = random_next(&state) % 50;
        made[i] = (struct box3){{x - 5000, y - 5000, z},
                                {x - 4990 + random_next(&state) % 30, y - 4985, z + 11.3}};
        keys[i] = (struct feature_index_key){feature_index_curve((uint32_t)x, (uint32_t)y, 14), i};
    }
    feature_index_sort(keys, scratch, count);
    for (uint32_t i = 0; i < count; i++) {
        boxes[i] = made[keys[i].item];
    }
    free(keys);
    free(scratch);
    free(made);
}

static void open_city(struct city *city, uint32_t count)
{
    struct err err;
    struct feature_index_writer *writer;
    const struct feature_index_head head = {
        .frame = feature_index_frame(113.9, 22.5, 114.1, 22.6, 10),
        .count = count,
        .datum = text_of("1985 国家高程基准"),
        .ground_m = 3,
    };
    snprintf(path, sizeof path, "/tmp/storey-test-index-%ld", (long)getpid());
    city->boxes = calloc(count + 1, sizeof city->boxes[0]);
    make_boxes(city->boxes, count);
    CHECK_OK(feature_index_writer_open(path, "/tmp", &head, &writer, &err), &err);
    write_city(city->boxes, count, writer);
    CHECK_OK(feature_index_writer_finish(writer, &err), &err);
    feature_index_writer_close(writer);
    CHECK_OK(io_map(path, &city->map, &err), &err);
    unlink(path);
    CHECK_OK(feature_index_open(city->map.bytes, &city->index, &err), &err);
}

static void close_city(struct city *city)
{
    io_unmap(&city->map);
    free(city->boxes);
}

static void index__finds_what_was_written(void)
{
    struct city city;
    struct err err;
    open_city(&city, 1000);
    const struct feature_index *index = &city.index;
    CHECK_OK(feature_index_check(index, &err), &err);
    CHECK_EQ(index->count, 1000);
    CHECK_TEXT_IS(index->datum, "1985 国家高程基准");
    for (uint32_t i = 0; i < 1000; i++) {
        char id[32];
        snprintf(id, sizeof id, "f%u", i);
        CHECK_EQ(feature_index_find(index, text_of(id)), i);
        struct feature_index_row row;
        feature_index_row(index, i, &row);
        CHECK_TEXT_IS(row.id, id);
        CHECK_TEXT_IS(row.class_name, i % 2 == 0 ? "Building" : "Bridge");
        CHECK_NEAR(row.base_local_m, city.boxes[i].min.z - 40, 1e-5, "m");
        const struct box3 box = feature_index_box(index, i);
        CHECK(box.min.x <= city.boxes[i].min.x && box.max.z >= city.boxes[i].max.z);
        CHECK_NEAR(box.max.z, city.boxes[i].max.z, 1e-5, "m");
        const struct feature_footprint footprint = feature_index_footprint(index, row.footprint);
        CHECK_EQ(footprint.point_count, 4);
        CHECK_NEAR(feature_footprint_point(index, &footprint, 2).x, city.boxes[i].max.x, 6e-4, "m");
    }
    CHECK_EQ(feature_index_find(index, text_of("f1000")), FEATURE_INDEX_NONE);
    CHECK_EQ(feature_index_find(index, text_of("")), FEATURE_INDEX_NONE);
    close_city(&city);
}

static void index__knows_tiles_and_groups(void)
{
    struct city city;
    open_city(&city, 100);
    const struct feature_index *index = &city.index;
    struct feature_index_tile tile;
    const uint32_t root = feature_index_find_tile(index, text_of("tiles/w.glb"));
    feature_index_tile(index, root, &tile);
    CHECK_EQ(tile.count, 100);
    CHECK_EQ(tile.above, FEATURE_INDEX_NONE);
    const uint32_t odd = feature_index_find_tile(index, text_of("tiles/a.glb"));
    feature_index_tile(index, odd, &tile);
    CHECK_EQ(tile.count, 50);
    CHECK_EQ(tile.above, root);
    for (uint32_t i = 0; i < tile.count; i++) {
        CHECK_EQ(feature_index_tile_row(index, tile.first + i), 2 * i + 1);
    }
    struct feature_index_group group;
    bool is_group;
    const uint32_t parent = feature_index_find_group(index, text_of("p3"), FEATURE_GROUP_PARENT);
    feature_index_group(index, parent, &group);
    CHECK_EQ(group.count, 2); /* f9, f11; f10 has none */
    CHECK_EQ(feature_index_member(index, group.first + 1, &is_group), 11);
    CHECK(!is_group);
    CHECK_EQ(feature_index_find_group(index, text_of("p3"), FEATURE_GROUP_MERGED),
             FEATURE_INDEX_NONE);
    const uint32_t wide = feature_index_find_group(index, text_of("m2"), FEATURE_GROUP_MERGED);
    feature_index_group(index, wide, &group);
    CHECK_EQ(group.count, 1);
    const uint32_t member = feature_index_member(index, group.first, &is_group);
    CHECK(is_group);
    feature_index_group(index, member, &group);
    CHECK_TEXT_IS(group.id, "m1");
    CHECK_EQ(group.count, 15);
    close_city(&city);
}

static void index__counts_floors_from_the_ground(void)
{
    struct city city;
    open_city(&city, 1);
    struct feature_index_row row;
    double floor_m;
    feature_index_row(&city.index, 0, &row);
    CHECK(feature_index_floor(&city.index, &row, 1, &floor_m));
    CHECK_NEAR(floor_m, 0, 0, "m");
    CHECK(feature_index_floor(&city.index, &row, 3, &floor_m));
    CHECK_NEAR(floor_m, 11.3 * 2 / 3, 1e-4, "m");
    CHECK(feature_index_floor(&city.index, &row, -1, &floor_m));
    CHECK_NEAR(floor_m, -3, 0, "m");
    CHECK(!feature_index_floor(&city.index, &row, 0, &floor_m));
    CHECK(!feature_index_floor(&city.index, &row, 4, &floor_m));
    CHECK(!feature_index_floor(&city.index, &row, -2, &floor_m));
    close_city(&city);
}

static bool meets(const struct box3 *a, const struct box3 *b)
{
    return a->min.x <= b->max.x && a->max.x >= b->min.x && a->min.y <= b->max.y &&
           a->max.y >= b->min.y && a->min.z <= b->max.z && a->max.z >= b->min.z;
}

static void search__finds_what_looking_at_all_finds(void)
{
    static const uint32_t counts[] = {0, 1, 15, 16, 17, 255, 256, 257, 4096, 5000};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct city city;
        struct err err;
        open_city(&city, counts[c]);
        CHECK_OK(feature_index_check(&city.index, &err), &err);
        uint32_t state = 3;
        for (int q = 0; q < 50; q++) {
            const double x = random_next(&state) % 10000 - 5000.0;
            const double y = random_next(&state) % 10000 - 5000.0;
            const double size = random_next(&state) % 2000;
            const struct box3 box = {{x, y, 10}, {x + size, y + size, 20}};
            uint32_t rows[5000];
            const uint64_t found = feature_index_search_rows(&city.index, box, rows, 5000);
            uint64_t expected = 0;
            for (uint32_t i = 0; i < counts[c]; i++) {
                const struct box3 kept = feature_index_box(&city.index, i);
                if (meets(&kept, &box)) {
                    CHECK(expected < found && rows[expected] == i);
                    expected++;
                }
            }
            CHECK_EQ(found, expected);
        }
        close_city(&city);
    }
}

static void nearest__comes_in_order_of_distance(void)
{
    struct city city;
    struct err err;
    struct arena scratch;
    arena_init(&scratch, 1 << 20);
    open_city(&city, 3000);
    const struct feature_index_nearest from = {
        .lon_deg = 114.01, .lat_deg = 22.545, .within_m = (double)INFINITY};
    struct feature_index_near near[3000];
    size_t count;
    CHECK_OK(feature_index_find_nearest(&city.index, &from, near, 20, &count, &scratch, &err),
             &err);
    CHECK_EQ(count, 20);
    double least = (double)INFINITY;
    for (uint32_t i = 0; i < 3000; i++) {
        least = fmin(least, feature_index_distance(&city.index, i, &from));
    }
    CHECK_NEAR(near[0].distance_m, least, 0, "m");
    for (size_t i = 1; i < count; i++) {
        CHECK(near[i].distance_m >= near[i - 1].distance_m);
    }
    size_t closer = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        closer += feature_index_distance(&city.index, i, &from) < near[19].distance_m;
    }
    CHECK_EQ(closer, 19);
    close_city(&city);
    arena_release(&scratch);
}

static void frame__is_exact_for_boxes_of_degrees(void)
{
    const struct feature_frame frame = feature_index_frame(179.5, -17, -179.5, -16, 0);
    CHECK_NEAR(fabs(frame.lon0_deg), 180, 1e-9, "deg");
    const struct vec3 east = feature_frame_from_deg(&frame, -179.9, -16.5, 5);
    const struct vec3 west = feature_frame_from_deg(&frame, 179.9, -16.5, 5);
    CHECK_NEAR(east.x, -west.x, 1e-6, "m");
    CHECK(east.x > 0);
    double lon;
    double lat;
    feature_frame_to_deg(&frame, east.x, east.y, &lon, &lat);
    CHECK_NEAR(lon, -179.9, 1e-12, "deg");
    CHECK_NEAR(lat, -16.5, 1e-12, "deg");
}

/* Every accessor, on bytes that may say anything. */
static void touch_everything(const struct feature_index *index)
{
    for (uint32_t i = 0; i < index->count && i < 2000; i++) {
        struct feature_index_row row;
        double floor_m;
        feature_index_row(index, i, &row);
        feature_index_find(index, row.id);
        feature_index_floor(index, &row, 1, &floor_m);
        const struct feature_footprint footprint = feature_index_footprint(index, row.footprint);
        for (uint32_t p = 0; p < footprint.point_count; p++) {
            feature_footprint_point(index, &footprint, p);
        }
        feature_index_tile_row(index, i);
        bool is_group;
        feature_index_member(index, i, &is_group);
    }
    for (uint32_t i = 0; i < index->tile_count; i++) {
        struct feature_index_tile tile;
        feature_index_tile(index, i, &tile);
        feature_index_find_tile(index, tile.name);
    }
    for (uint32_t i = 0; i < index->group_count; i++) {
        struct feature_index_group group;
        feature_index_group(index, i, &group);
        feature_index_find_group(index, group.id, group.kind);
    }
    uint32_t rows[16];
    const struct box3 box = {{-1e9, -1e9, -1e9}, {1e9, 1e9, 1e9}};
    feature_index_search_rows(index, box, rows, 16);
}

static void open__fails_on_every_truncation(void)
{
    struct city city;
    open_city(&city, 3);
    for (size_t keep = 0; keep < city.map.bytes.size; keep++) {
        struct span cut = check_heap_copy(city.map.bytes.data, keep);
        struct feature_index index;
        struct err err;
        CHECK_FAILS(feature_index_open(cut, &index, &err), &err, ERR_SYNTAX);
        check_heap_free(cut);
    }
    close_city(&city);
}

static void check__notices_every_changed_byte_and_nothing_crashes(void)
{
    struct city city;
    open_city(&city, 20);
    const size_t size = city.map.bytes.size;
    uint8_t *copy = malloc(size);
    for (size_t at = 0; at < size; at++) {
        memcpy(copy, city.map.bytes.data, size);
        copy[at] ^= 0xff;
        struct feature_index index;
        struct err err;
        const bool opened = feature_index_open((struct span){copy, size}, &index, &err);
        if (opened) {
            touch_everything(&index);
            CHECK_FAILS(feature_index_check(&index, &err), &err, ERR_SYNTAX);
        } else {
            CHECK(at < HEAD_BYTES);
        }
    }
    free(copy);
    close_city(&city);
}

static void open__points_at_what_is_wrong(void)
{
    struct city city;
    open_city(&city, 20);
    struct span copy = check_heap_copy(city.map.bytes.data, city.map.bytes.size);
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.data;
    struct feature_index index;
    struct err err;
    bytes[8] = 2;
    CHECK_FAILS(feature_index_open(copy, &index, &err), &err, ERR_UNSUPPORTED);
    bytes[8] = 1;
    bytes[40] ^= 1;
    CHECK_FAILS(feature_index_open(copy, &index, &err), &err, ERR_SYNTAX);
    CHECK_EQ(err.offset, HEAD_CHECKSUM_AT);
    bytes_store_u64le(bytes + HEAD_CHECKSUM_AT, feature_index_head_checksum(bytes));
    CHECK_FAILS(feature_index_open(copy, &index, &err), &err, ERR_SYNTAX);
    CHECK_EQ(err.offset, HEAD_SECTIONS_AT + 16 * SECTION_GROUPS + 8);
    check_heap_free(copy);
    close_city(&city);
}

static void writer__writes_the_same_bytes_again(void)
{
    struct city first;
    struct city second;
    open_city(&first, 500);
    open_city(&second, 500);
    CHECK_EQ(first.map.bytes.size, second.map.bytes.size);
    CHECK(memcmp(first.map.bytes.data, second.map.bytes.data, first.map.bytes.size) == 0);
    close_city(&first);
    close_city(&second);
}

static void writer__makes_the_tree_that_feature_index_tree_makes(void)
{
    struct city city;
    open_city(&city, 1234);
    const size_t size = (size_t)feature_index_tree_bytes(1234);
    uint8_t *tree = malloc(size);
    feature_index_tree(city.boxes, NULL, 1234, tree);
    CHECK_EQ(city.index.section[SECTION_BOXES].bytes, size);
    CHECK(memcmp(city.index.section[SECTION_BOXES].data, tree, size) == 0);
    free(tree);
    close_city(&city);
}

static void tree__rounds_outward_to_the_next_float(void)
{
    static const double values[] = {
        0,     -0.0,   1e-50, -1e-50,    1e-40,      -1e-40,         0.1,  -0.1, 1, -1,
        1e300, -1e300, 16.5,  16777217., -16777217., 123456.7890123, 1e-3, -1e-3};
    uint8_t tree[4096];
    CHECK(feature_index_tree_bytes(1) <= sizeof tree);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        const double v = values[i];
        const struct box3 box = {{v, v, v}, {v, v, v}};
        feature_index_tree(&box, NULL, 1, tree);
        for (size_t k = 0; k < 6; k++) {
            float side;
            memcpy(&side, tree + k * FEATURE_INDEX_NODE * sizeof side, sizeof side);
            const float inward = nextafterf(side, k < 3 ? INFINITY : -INFINITY);
            CHECK(k < 3 ? (double)side <= v : (double)side >= v);
            CHECK(k < 3 ? (double)inward > v : (double)inward < v);
        }
    }
}

static void sort__orders_keys_of_any_digits(void)
{
    enum { COUNT = 3000 };
    static const uint64_t masks[] = {
        0, 0x7FF, 0xFFFFFFFFU, UINT64_MAX, (uint64_t)0xFF << 56, 0xF0F000F0F000F0F0U};
    static struct feature_index_key keys[COUNT];
    static struct feature_index_key scratch[COUNT];
    uint64_t state = 7;
    for (size_t m = 0; m < sizeof masks / sizeof masks[0]; m++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            state = state * 6364136223846793005U + 1442695040888963407U;
            keys[i] = (struct feature_index_key){(state ^ state >> 29) & masks[m], i};
        }
        feature_index_sort(keys, scratch, COUNT);
        for (size_t i = 1; i < COUNT; i++) {
            CHECK(keys[i - 1].key < keys[i].key ||
                  (keys[i - 1].key == keys[i].key && keys[i - 1].item < keys[i].item));
        }
    }
    feature_index_sort(keys, scratch, 0);
    feature_index_sort(keys, scratch, 1);
}

static void curve__visits_neighbours_one_after_another(void)
{
    uint32_t at[256][2];
    for (uint32_t x = 0; x < 16; x++) {
        for (uint32_t y = 0; y < 16; y++) {
            const uint64_t key = feature_index_curve(x, y, 4);
            CHECK(key < 256);
            at[key][0] = x;
            at[key][1] = y;
        }
    }
    for (size_t i = 1; i < 256; i++) {
        const int dx = abs((int)at[i][0] - (int)at[i - 1][0]);
        const int dy = abs((int)at[i][1] - (int)at[i - 1][1]);
        CHECK_EQ(dx + dy, 1);
    }
}

CHECK_MAIN(CHECK_TEST(index__finds_what_was_written), CHECK_TEST(index__knows_tiles_and_groups),
           CHECK_TEST(index__counts_floors_from_the_ground),
           CHECK_TEST(search__finds_what_looking_at_all_finds),
           CHECK_TEST(nearest__comes_in_order_of_distance),
           CHECK_TEST(frame__is_exact_for_boxes_of_degrees),
           CHECK_TEST(open__fails_on_every_truncation),
           CHECK_TEST(check__notices_every_changed_byte_and_nothing_crashes),
           CHECK_TEST(open__points_at_what_is_wrong),
           CHECK_TEST(writer__writes_the_same_bytes_again),
           CHECK_TEST(writer__makes_the_tree_that_feature_index_tree_makes),
           CHECK_TEST(tree__rounds_outward_to_the_next_float),
           CHECK_TEST(sort__orders_keys_of_any_digits),
           CHECK_TEST(curve__visits_neighbours_one_after_another))
