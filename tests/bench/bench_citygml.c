/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast CityGML is read: MB/s of CPU time beside a bare libxml2 SAX pass
 * over the same bytes in the same run, and what memory it takes.
 *
 *     bench_citygml [BUILDINGS|FILE [ROUNDS]]     default 10000, about 65 MB
 *
 * The city is made on the fly, in the manner of a survey administration: LoD 2
 * solids whose ten faces are xlinks to boundary surfaces, generic attributes.
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <libxml/parser.h>

#include "formats/base/buf.h"
#include "formats/base/io.h"
#include "formats/source.h"

enum { BUILDINGS = 10000, ROUNDS = 5, SIDES = 8, PIECE_BYTES = 64 * 1024 };

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- a city ---- */

static const double around[SIDES][2] = {{9, 0},  {6.364, 6.364},   {0, 9},  {-6.364, 6.364},
                                        {-9, 0}, {-6.364, -6.364}, {0, -9}, {6.364, -6.364}};

static void print_face(struct buf *out, const char *kind, int index, int face, const int *corners,
                       int count)
{
    const double x = 300000 + index * 37 % 20000;
    const double y = 5650000 + index * 91 % 20000;
    buf_print(out,
              "<bldg:boundedBy>\n<bldg:%s gml:id=\"UUID_%08x_%d\">\n<bldg:lod2MultiSurface>\n"
              "<gml:MultiSurface>\n<gml:surfaceMember>\n<gml:Polygon gml:id=\"UUID_%08x_%d_p\">\n"
              "<gml:exterior>\n<gml:LinearRing gml:id=\"UUID_%08x_%d_r\">\n<gml:posList>",
              kind, index, face, index, face, index, face);
    for (int i = 0; i <= count; i++) {
        const int corner = corners[i % count];
        buf_print(out, "%s%.3f %.3f %.3f", i == 0 ? "" : " ", x + around[corner % SIDES][0],
                  y + around[corner % SIDES][1], corner < SIDES ? 50.0 : 58.25 + index % 30);
    }
    buf_print(out,
              "</gml:posList>\n</gml:LinearRing>\n</gml:exterior>\n</gml:Polygon>\n"
              "</gml:surfaceMember>\n</gml:MultiSurface>\n</bldg:lod2MultiSurface>\n</bldg:%s>\n"
              "</bldg:boundedBy>\n",
              kind);
}

static void print_building(struct buf *out, int index)
{
    int corners[SIDES];
    buf_print(out,
              "<core:cityObjectMember>\n<bldg:Building gml:id=\"DENW%08x\">\n"
              "<core:creationDate>2021-03-%02d</core:creationDate>\n"
              "<gen:stringAttribute name=\"Gemeindeschluessel\">\n<gen:value>05170048</gen:value>\n"
              "</gen:stringAttribute>\n<gen:stringAttribute name=\"DatenquelleLage\">\n"
              "<gen:value>1000</gen:value>\n</gen:stringAttribute>\n"
              "<bldg:function>31001_%d</bldg:function>\n<bldg:roofType>1000</bldg:roofType>\n"
              "<bldg:measuredHeight uom=\"urn:adv:uom:m\">%d.%03d</bldg:measuredHeight>\n"
              "<bldg:lod2Solid>\n<gml:Solid>\n<gml:exterior>\n<gml:CompositeSurface>\n",
              index, 1 + index % 28, index % 3000, index % 90, index % 1000);
    for (int i = 0; i < SIDES + 2; i++) {
        buf_print(out, "<gml:surfaceMember xlink:href=\"#UUID_%08x_%d_p\"/>\n", index, i);
    }
    buf_add_text(out,
                 "</gml:CompositeSurface>\n</gml:exterior>\n</gml:Solid>\n</bldg:lod2Solid>\n");
    for (int i = 0; i < SIDES; i++) {
        const int next = (i + 1) % SIDES;
        const int wall[4] = {i, next, SIDES + next, SIDES + i};
        print_face(out, "WallSurface", index, i, wall, 4);
    }
    for (int i = 0; i < SIDES; i++) {
        corners[i] = SIDES + i;
    }
    print_face(out, "RoofSurface", index, SIDES, corners, SIDES);
    for (int i = 0; i < SIDES; i++) {
        corners[i] = SIDES - 1 - i;
    }
    print_face(out, "GroundSurface", index, SIDES + 1, corners, SIDES);
    buf_add_text(out, "</bldg:Building>\n</core:cityObjectMember>\n");
}

/* Written piece by piece: the benchmark's own memory must not hide the reader's. */
static bool make_city(const char *path, int buildings, struct err *err)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return io_error(err, "create", path);
    }
    buf_add_text(&out,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<core:CityModel "
                 "xmlns:core=\"http://www.opengis.net/citygml/2.0\" "
                 "xmlns:bldg=\"http://www.opengis.net/citygml/building/2.0\" "
                 "xmlns:gen=\"http://www.opengis.net/citygml/generics/2.0\" "
                 "xmlns:gml=\"http://www.opengis.net/gml\" "
                 "xmlns:xlink=\"http://www.w3.org/1999/xlink\">\n<gml:boundedBy>\n<gml:Envelope "
                 "srsName=\"urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH\" srsDimension=\"3\">\n"
                 "</gml:Envelope>\n</gml:boundedBy>\n");
    bool ok = true;
    for (int i = 0; ok && i < buildings; i++) {
        print_building(&out, i);
        if (out.size > (1 << 20)) {
            ok = buf_finish(&out, err) && io_write(fd, out.data, out.size, err);
            buf_reset(&out);
        }
    }
    buf_add_text(&out, "</core:CityModel>\n");
    ok = ok && buf_finish(&out, err) && io_write(fd, out.data, out.size, err);
    close(fd);
    buf_release(&out);
    return ok;
}

/* ---- passes ---- */

static volatile uint64_t sink;

static void count_start(void *context, const xmlChar *local, const xmlChar *prefix,
                        const xmlChar *space, int space_count, const xmlChar **spaces,
                        int attribute_count, int default_count, const xmlChar **attributes)
{
    (void)context, (void)local, (void)prefix, (void)space, (void)space_count, (void)spaces;
    (void)default_count, (void)attributes;
    sink += 1 + (uint64_t)attribute_count;
}

static void count_end(void *context, const xmlChar *local, const xmlChar *prefix,
                      const xmlChar *space)
{
    (void)context, (void)local, (void)prefix, (void)space;
    sink++;
}

static void count_text(void *context, const xmlChar *text, int size)
{
    (void)context, (void)text;
    sink += (uint64_t)size;
}

static xmlSAXHandler counting = {.initialized = XML_SAX2_MAGIC,
                                 .startElementNs = count_start,
                                 .endElementNs = count_end,
                                 .characters = count_text};

/* The whole file at once, from memory. */
static bool pass_whole(const char *path, struct err *err)
{
    struct io_map map;
    if (!io_map(path, &map, err)) {
        return false;
    }
    const bool ok = xmlSAXUserParseMemory(&counting, NULL, (const char *)map.bytes.data,
                                          (int)map.bytes.size) == 0;
    io_unmap(&map);
    return ok || err_set(err, ERR_SYNTAX, "libxml2 refuses it");
}

static bool pass_sax(const char *path, struct err *err)
{
    struct io_map map;
    if (!io_map(path, &map, err)) {
        return false;
    }
    xmlParserCtxtPtr parser = xmlCreatePushParserCtxt(&counting, NULL, NULL, 0, NULL);
    xmlCtxtUseOptions(parser, XML_PARSE_HUGE | XML_PARSE_NONET);
    int failed = 0;
    for (size_t at = 0; at < map.bytes.size && !failed; at += PIECE_BYTES) {
        const size_t left = map.bytes.size - at;
        failed = xmlParseChunk(parser, (const char *)map.bytes.data + at,
                               left < PIECE_BYTES ? (int)left : (int)PIECE_BYTES, 0);
    }
    failed = failed || xmlParseChunk(parser, NULL, 0, 1);
    xmlFreeParserCtxt(parser);
    io_unmap(&map);
    return !failed || err_set(err, ERR_SYNTAX, "libxml2 refuses it");
}

static uint64_t features_read;

static bool pass_reader(const char *path, struct err *err)
{
    const struct source_options options = {.temporary_folder = "/tmp"};
    struct report report;
    struct source *source = NULL;
    struct arena arena;
    if (!report_open(&report, NULL, err) || !source_open(path, &options, &report, &source, err)) {
        return false;
    }
    arena_init(&arena, (size_t)1 << 30);
    features_read = 0;
    bool is_end = false;
    bool ok = true;
    while (ok && !is_end) {
        struct feature feature;
        arena_reset(&arena, (struct arena_mark){0});
        ok = source_next(source, &arena, &feature, &is_end, err) || source_can_continue(source);
        features_read += ok && !is_end;
    }
    arena_release(&arena);
    source_close(source);
    return report_close(&report, err) && ok;
}

/* CPU seconds of one pass; the program ends where it fails. */
static double seconds_of(bool (*pass)(const char *path, struct err *err), const char *path)
{
    struct err err;
    const double before = cpu_seconds();
    if (!pass(path, &err)) {
        char line[512];
        err_format(&err, line, sizeof line);
        fprintf(stderr, "bench_citygml: %s\n", line);
        exit(1);
    }
    return cpu_seconds() - before;
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

int main(int argc, char **argv)
{
    char *end = NULL;
    const char *path = argc > 1 ? argv[1] : "";
    const long buildings = argc > 1 ? strtol(argv[1], &end, 10) : BUILDINGS;
    const int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS;
    const bool is_made = argc < 2 || *end == '\0';
    struct err err;
    if (is_made) {
        static char made[] = "/tmp/bench_citygml_XXXXXX";
        const int fd = mkstemp(made);
        path = made;
        if (fd < 0 || close(fd) != 0 || !make_city(made, (int)buildings, &err)) {
            fprintf(stderr, "bench_citygml: cannot write to /tmp\n");
            return 1;
        }
    }
    struct io_map map;
    if (!io_map(path, &map, &err)) {
        fprintf(stderr, "bench_citygml: %s\n", err.message);
        return 1;
    }
    const double megabytes = (double)map.bytes.size / 1e6;
    io_unmap(&map);
    const long before = peak_kib();
    double reader = seconds_of(pass_reader, path);
    const long after = peak_kib();
    double sax = INFINITY;
    double whole = INFINITY;
    /* Turn by turn, so that a busy machine is unfair to all of them. */
    for (int i = 0; i < rounds; i++) {
        sax = fmin(sax, seconds_of(pass_sax, path));
        whole = fmin(whole, seconds_of(pass_whole, path));
        reader = fmin(reader, seconds_of(pass_reader, path));
    }
    printf("%.1f MB, %llu features\n", megabytes, (unsigned long long)features_read);
    printf("bare SAX, one piece %8.3f s CPU %8.0f MB/s\n", whole, megabytes / whole);
    printf("bare SAX, pieces    %8.3f s CPU %8.0f MB/s\n", sax, megabytes / sax);
    printf("CityGML reader      %8.3f s CPU %8.0f MB/s   %.2f and %.2f of these\n", reader,
           megabytes / reader, whole / reader, sax / reader);
    printf("peak memory         %8.1f MiB, %.1f before\n", (double)after / 1024,
           (double)before / 1024);
    if (is_made) {
        unlink(path);
    }
    return 0;
}
