/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TILER_PICTURE_CASE_H
#define TESTS_TILER_PICTURE_CASE_H

/*
 * picture_case.h - pairs of hand-made pictures, and what programs that are not
 * ours say of them: tests/cases/pictures.txt.
 */

#include <stdio.h>
#include <string.h>

#include "formats/image.h"
#include "tests/check.h"

enum { PICTURE_SIZE = 64 };

struct picture_case {
    char name[32];
    double flip_mean, flip_middle, ssim_mean, ssim_middle;
    uint8_t pixels[2][4 * PICTURE_SIZE * PICTURE_SIZE];
    struct image images[2];
};

enum picture_kind { PICTURE_CHECKER, PICTURE_COLOR, PICTURE_PLAIN };

static inline uint8_t picture_clamp(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static inline void picture_make(enum picture_kind kind, const int plain[3], int shift, int brighter,
                                uint8_t *pixels)
{
    for (int y = 0; y < PICTURE_SIZE; y++) {
        for (int column = 0; column < PICTURE_SIZE; column++) {
            const int x = column < shift ? 0 : column - shift;
            uint8_t *pixel = pixels + 4 * (PICTURE_SIZE * y + column);
            const int checker = (x / 8 + y / 8) % 2 ? 200 : 60;
            const int color[3] = {x * 4 % 256, y * 4 % 256, x * y % 256};
            for (int i = 0; i < 3; i++) {
                const int value = kind == PICTURE_CHECKER ? checker
                                  : kind == PICTURE_COLOR ? color[i]
                                                          : plain[i];
                pixel[i] = picture_clamp(value + brighter);
            }
            pixel[3] = 255;
        }
    }
}

static inline void picture_make_pair(struct picture_case *c)
{
    static const int greys[3][3] = {{0, 0, 0}, {100, 100, 100}, {128, 128, 128}};
    static const int green[3] = {0, 255, 0};
    static const int blue[3] = {0, 0, 255};
    enum picture_kind kind = strncmp(c->name, "checker", 7) == 0 ? PICTURE_CHECKER : PICTURE_COLOR;
    int shift = 0;
    int brighter = 0;
    const int *left = greys[0];
    const int *right = greys[0];
    enum picture_kind other = kind;
    if (strcmp(c->name, "black-white") == 0) {
        kind = other = PICTURE_PLAIN;
        brighter = 255;
    } else if (strcmp(c->name, "grey-brighter-10") == 0) {
        kind = other = PICTURE_PLAIN;
        left = right = greys[1];
        brighter = 10;
    } else if (strcmp(c->name, "green-blue") == 0) {
        kind = other = PICTURE_PLAIN;
        left = green;
        right = blue;
    } else if (strcmp(c->name, "color-grey") == 0) {
        other = PICTURE_PLAIN;
        right = greys[2];
    } else {
        const char *number = strrchr(c->name, '-');
        const int value = number == NULL ? 0 : atoi(number + 1);
        shift = strstr(c->name, "shift") != NULL ? value : 0;
        brighter = strstr(c->name, "brighter") != NULL ? value : 0;
    }
    picture_make(kind, left, 0, 0, c->pixels[0]);
    picture_make(other, right, shift, brighter, c->pixels[1]);
    for (int i = 0; i < 2; i++) {
        c->images[i] = (struct image){PICTURE_SIZE, PICTURE_SIZE, c->pixels[i]};
    }
}

/* Calls `check` with every pair of the table. */
static inline void picture_each(void (*check)(const struct picture_case *c))
{
    FILE *file = fopen(CHECK_CASES "/pictures.txt", "r");
    char line[256];
    int count = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        static struct picture_case c;
        if (line[0] == '#') {
            continue;
        }
        CHECK_EQ(sscanf(line, "%31s %lf %lf %lf %lf", c.name, &c.flip_mean, &c.flip_middle,
                        &c.ssim_mean, &c.ssim_middle),
                 5);
        picture_make_pair(&c);
        check(&c);
        count++;
    }
    fclose(file);
    CHECK(count >= 10);
}

#endif
