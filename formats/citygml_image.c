/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/citygml_internal.h"
#include "formats/image.h"
#include "formats/number.h"

enum { IMAGE_FILE_BYTES_MAX = 1 << 28, PATH_BYTES = CITYGML_IMAGE_BYTES + 8 };

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The path as the file system has it: slashes forward, escapes undone. */
static void plain_path(const struct citygml_dress *dress, char out[PATH_BYTES])
{
    size_t size = 0;
    for (size_t i = 0; i < dress->image_bytes; i++) {
        const char c = dress->image[i];
        if (c == '%' && i + 2 < dress->image_bytes && digit(dress->image[i + 1]) >= 0 &&
            digit(dress->image[i + 2]) >= 0) {
            out[size++] = (char)(16 * digit(dress->image[i + 1]) + digit(dress->image[i + 2]));
            i += 2;
        } else {
            out[size++] = (char)(c == '\\' ? '/' : c);
        }
    }
    out[size] = '\0';
}

static bool read_size(struct citygml *reader, const char *path, double out[2])
{
    struct buf bytes;
    struct image_facts facts;
    struct err err;
    bool is_there = false;
    buf_init(&bytes, IMAGE_FILE_BYTES_MAX);
    const bool ok = source_load_beside(&reader->input, path, &bytes, &is_there, &err) && is_there &&
                    image_probe(buf_span(&bytes), &facts, &err) && facts.width > 0 &&
                    facts.height > 0;
    buf_release(&bytes);
    if (ok) {
        out[0] = facts.width;
        out[1] = facts.height;
    }
    return ok;
}

/* Six numbers, a line each: x and y of a step to the right, of a step down, of
 * the middle of the first pixel. */
static bool read_world_file(struct citygml *reader, const char *path, double place[6])
{
    struct buf bytes;
    struct err err;
    bool is_there = false;
    double numbers[6];
    int count = 0;
    buf_init(&bytes, 4096);
    if (source_load_beside(&reader->input, path, &bytes, &is_there, &err) && is_there) {
        struct text text = {(const char *)bytes.data, bytes.size};
        while (count < 6) {
            text = citygml_trim(text);
            const size_t size = number_read(text, &numbers[count]);
            if (size == 0) {
                break;
            }
            text = (struct text){text.data + size, text.size - size};
            count++;
        }
    }
    buf_release(&bytes);
    if (count == 6) {
        const double found[6] = {numbers[4], numbers[5], numbers[0],
                                 numbers[2], numbers[1], numbers[3]};
        memcpy(place, found, sizeof found);
    }
    return count == 6;
}

/* "a.jpg" has its world file in a.jgw, a.jpgw or a.wld. */
static bool find_world_file(struct citygml *reader, const char *path, double place[6])
{
    char name[PATH_BYTES + 8];
    const char *dot = strrchr(path, '.');
    if (dot == NULL || strlen(dot) < 4 || strchr(dot, '/') != NULL) {
        return false;
    }
    const int stem = (int)(dot - path);
    snprintf(name, sizeof name, "%.*s.%c%cw", stem, path, dot[1], dot[strlen(dot) - 1]);
    if (read_world_file(reader, name, place)) {
        return true;
    }
    snprintf(name, sizeof name, "%sw", path);
    if (read_world_file(reader, name, place)) {
        return true;
    }
    snprintf(name, sizeof name, "%.*s.wld", stem, path);
    return read_world_file(reader, name, place);
}

/* Columns and rows from x and y, then s from left to right, t from below. */
static bool make_matrix(const double place[6], const double size[2], double out[12])
{
    const double a = place[2], b = place[3], d = place[4], e = place[5];
    const double det = a * e - b * d;
    if (det == 0 || !isfinite(det)) {
        return false;
    }
    const double column[3] = {e / det, -b / det, (b * place[1] - e * place[0]) / det};
    const double row[3] = {-d / det, a / det, (d * place[0] - a * place[1]) / det};
    const double made[12] = {column[0] / size[0],
                             column[1] / size[0],
                             0,
                             (column[2] + 0.5) / size[0],
                             -row[0] / size[1],
                             -row[1] / size[1],
                             0,
                             1 - (row[2] + 0.5) / size[1],
                             0,
                             0,
                             0,
                             1};
    memcpy(out, made, sizeof made);
    return true;
}

bool citygml_georeference(struct citygml *reader, const struct citygml_dress *dress, double out[12])
{
    struct citygml_placed *last = &reader->placed;
    const struct text image = {dress->image, dress->image_bytes};
    if (last->is_set && text_equals(image, (struct text){last->image, last->image_bytes})) {
        memcpy(out, last->matrix, sizeof last->matrix);
        return last->is_good;
    }
    char path[PATH_BYTES];
    double size[2];
    double place[6];
    plain_path(dress, path);
    const bool has_size = read_size(reader, path, size);
    bool has_place = find_world_file(reader, path, place);
    if (!has_place && dress->has_place) {
        memcpy(place, dress->place, sizeof place);
        has_place = true;
    }
    *last = (struct citygml_placed){.is_set = true, .image_bytes = dress->image_bytes};
    memcpy(last->image, dress->image, dress->image_bytes);
    last->is_good = has_size && has_place && make_matrix(place, size, last->matrix);
    if (!last->is_good) {
        citygml_report(reader, (struct text){0}, 0, REPORT_REPAIRED, "texture",
                       "georeferenced image '%.80s' is left out: %s", path,
                       has_size ? "neither a world file nor a place is given"
                                : "it is not there, or its size cannot be read");
    }
    memcpy(out, last->matrix, sizeof last->matrix);
    return last->is_good;
}
