/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/lattice.h"

#include "formats/base/earth.h"
#include "tests/check.h"

static struct vec3 at_deg(double longitude, double latitude)
{
    return earth_to_ecef(earth_point_deg(longitude, latitude, 0));
}

static void lattice_key__lies_in_every_cell_around_it(void)
{
    const double places[][2] = {{114.056, 22.543}, {-180, 0},      {180, 0},     {179.9999, -16.5},
                                {0, 90},           {77, -90},      {45, 35.264}, {-135, -35.264},
                                {4.36, 52.01},     {-0.001, 51.48}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const uint64_t key = lattice_key(at_deg(places[i][0], places[i][1]));
        struct lattice_cell cell = {0, -1};
        while (cell.level < LATTICE_LEVEL_MAX) {
            int found = 0;
            const int quarters = cell.level < 0 ? 6 : 4;
            struct lattice_cell next = cell;
            for (int quarter = 0; quarter < quarters; quarter++) {
                const struct lattice_cell child = lattice_child(cell, quarter);
                if (child.key <= key && key < lattice_end(child)) {
                    next = child;
                    found++;
                }
            }
            CHECK_EQ(found, 1);
            cell = next;
        }
        CHECK_EQ(cell.key, key);
    }
}

/* A cell's middle lies in the cell, also beside the antimeridian and the poles. */
static void lattice_center__lies_in_its_cell(void)
{
    for (double longitude = -180; longitude <= 180; longitude += 7.5) {
        for (double latitude = -90; latitude <= 90; latitude += 7.5) {
            const uint64_t key = lattice_key(at_deg(longitude, latitude));
            for (int level = 1; level <= 20; level++) {
                struct lattice_cell cell = lattice_common(key, key);
                const int shift = 2 * (LATTICE_LEVEL_MAX - level);
                cell = (struct lattice_cell){key >> shift << shift, level};
                const uint64_t middle = lattice_key(lattice_center_ecef(cell));
                CHECK(middle >= cell.key && middle < lattice_end(cell));
            }
        }
    }
}

/* Neighbours across the antimeridian are as near on the lattice as elsewhere:
 * there is a cell, not much wider than they are apart, next to which both lie. */
static void lattice_center__is_as_near_as_the_level_says(void)
{
    for (double longitude = -180; longitude <= 180; longitude += 11.25) {
        for (double latitude = -89; latitude <= 89; latitude += 8.9) {
            const struct vec3 point = at_deg(longitude, latitude);
            const uint64_t key = lattice_key(point);
            const int level = lattice_level_for(1000);
            const int shift = 2 * (LATTICE_LEVEL_MAX - level);
            const struct lattice_cell cell = {key >> shift << shift, level};
            const double distance = vec3_distance(lattice_center_ecef(cell), point);
            CHECK(distance < 3000);
        }
    }
}

static void lattice_level_for__gives_cells_that_are_wide_enough(void)
{
    CHECK_EQ(lattice_level_for(1e9), 0);
    CHECK_EQ(lattice_level_for(0), LATTICE_LEVEL_MAX);
    int last = LATTICE_LEVEL_MAX;
    for (double extent = 0.1; extent < 1e7; extent *= 1.9) {
        const int level = lattice_level_for(extent);
        CHECK(level <= last);
        last = level;
    }
}

static void lattice_common__is_the_deepest_shared_cell(void)
{
    const uint64_t here = lattice_key(at_deg(114.056, 22.543));
    const uint64_t near = lattice_key(at_deg(114.057, 22.543));
    const uint64_t far = lattice_key(at_deg(-66, -22.5));
    const struct lattice_cell shared =
        lattice_common(here < near ? here : near, here < near ? near : here);
    CHECK(shared.level > 5);
    CHECK(here >= shared.key && here < lattice_end(shared));
    CHECK(near >= shared.key && near < lattice_end(shared));
    CHECK_EQ(lattice_common(here, far).level, -1);
    CHECK_EQ(lattice_common(here, here).level, LATTICE_LEVEL_MAX);
}

static void lattice_name__tells_face_and_path(void)
{
    char name[LATTICE_NAME_BYTES];
    struct lattice_cell cell = {0, -1};
    lattice_name(cell, name);
    CHECK_TEXT(name, "w");
    cell = lattice_child(cell, 4);
    lattice_name(cell, name);
    CHECK_TEXT(name, "4");
    cell = lattice_child(lattice_child(cell, 3), 1);
    lattice_name(cell, name);
    CHECK_TEXT(name, "4-31");
    lattice_name(lattice_common(lattice_key(at_deg(1, 1)), lattice_key(at_deg(1, 1))), name);
    CHECK_EQ(strlen(name), 2 + LATTICE_LEVEL_MAX);
}

CHECK_MAIN(CHECK_TEST(lattice_key__lies_in_every_cell_around_it),
           CHECK_TEST(lattice_center__lies_in_its_cell),
           CHECK_TEST(lattice_center__is_as_near_as_the_level_says),
           CHECK_TEST(lattice_level_for__gives_cells_that_are_wide_enough),
           CHECK_TEST(lattice_common__is_the_deepest_shared_cell),
           CHECK_TEST(lattice_name__tells_face_and_path))
