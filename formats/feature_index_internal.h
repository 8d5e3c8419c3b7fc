/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_FEATURE_INDEX_INTERNAL_H
#define FORMATS_FEATURE_INDEX_INTERNAL_H

/*
 * feature_index_internal.h - the numbers of the layout that feature_index.h
 * draws, for feature_index*.c and their test.
 */

#include "formats/feature_index.h"

#define HEAD_MAGIC "storeyIX"
#define RING_IS_HOLE 0x80000000U
#define MEMBER_IS_GROUP 0x80000000U
#define ROWS_MAX 0x7ffffffeU

enum {
    HEAD_BYTES = 512,
    HEAD_CHECKSUM_AT = 24,
    HEAD_BODY_CHECKSUM_AT = 32,
    HEAD_DATUM_AT = 160,
    HEAD_SECTIONS_AT = 288,
    SECTION_ALIGN = 64,
    BLOCK_BYTES = 6 * FEATURE_INDEX_NODE * 4,
    ROW_BYTES = 80,
    ID_BYTES = 8,
    CLASS_BYTES = 8,
    TILE_BYTES = 24,
    GROUP_BYTES = 24
};

enum feature_index_section_number {
    SECTION_BOXES,
    SECTION_ROWS,
    SECTION_IDS,
    SECTION_CLASSES,
    SECTION_TILES,
    SECTION_TILE_ROWS,
    SECTION_GROUPS,
    SECTION_MEMBERS,
    SECTION_FLOORS,
    SECTION_FOOTPRINTS,
    SECTION_STRINGS
};

enum feature_index_row_field {
    ROW_X = 0,
    ROW_Y = 4,
    ROW_ID = 8,
    ROW_ID_BYTES = 12,
    ROW_STOREYS = 14,
    ROW_TILE = 16,
    ROW_PARENT = 20,
    ROW_MERGED = 24,
    ROW_FOOTPRINT = 28,
    ROW_BASE = 32,
    ROW_TOP = 36,
    ROW_BASE_LOCAL = 40,
    ROW_TOP_LOCAL = 44,
    ROW_ABOVE = 48,
    ROW_BELOW = 50,
    ROW_FLOORS = 52,
    ROW_DIGEST = 56,
    ROW_AREA = 72,
    ROW_CLASS = 76
};

/* Storeys below ground of which the source says only how many. */
#define STOREY_BELOW_M 3.0

/* Metres in a degree of longitude and of latitude at a latitude. */
void feature_index_degree_m(double lat_deg, double *out_lon_m, double *out_lat_m);

double feature_index_load_f64(const uint8_t *at);

/* The first block of each level of a tree over `count` boxes; returns how many
 * blocks there are. */
uint64_t feature_index_levels(uint32_t count, uint64_t *blocks, uint32_t *out_level_count);

uint64_t feature_index_head_checksum(const uint8_t *head);

struct text feature_index_text(const struct feature_index *index, uint32_t offset, uint32_t bytes);

/* As groups are sorted. */
int feature_index_compare_groups(struct text a, enum feature_group_kind a_kind, struct text b,
                                 enum feature_group_kind b_kind);

#endif
