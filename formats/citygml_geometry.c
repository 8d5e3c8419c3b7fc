/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/citygml_internal.h"
#include "formats/number.h"

enum { POINTS_AT_ONCE = 32 };

/* ---- the model's coordinate systems ---- */

uint32_t citygml_srs(struct citygml_scan *scan, struct text name)
{
    struct buf *names = &scan->member->names;
    name = citygml_trim(name);
    if (name.size == 0 || text_equals(name, scan->reader->crs)) {
        return CITYGML_NONE;
    }
    const uint32_t count = citygml_count(names, sizeof name);
    for (uint32_t i = 0; i < count; i++) {
        if (text_equals(*CITYGML_AT(*names, struct text, i), name)) {
            return i;
        }
    }
    const struct text kept = citygml_scan_keep(scan, name);
    return citygml_scan_add(scan, names, &kept, sizeof kept) ? count : CITYGML_NONE;
}

/* ---- nodes ---- */

static struct citygml_node *node_at(struct citygml_scan *scan, uint32_t index)
{
    return CITYGML_AT(scan->member->nodes, struct citygml_node, index);
}

/* Adds a node below the frame's; the frame is the element's own. */
static uint32_t add_node(struct citygml_scan *scan, const struct citygml_frame *frame,
                         enum citygml_node_kind kind)
{
    struct buf *nodes = &scan->member->nodes;
    const uint32_t index = citygml_count(nodes, sizeof(struct citygml_node));
    const struct citygml_node node = {
        .kind = (uint8_t)kind,
        .surface = frame->surface,
        .end = index + 1,
        .srs = frame->srs,
        .line = xml_line(scan->xml),
    };
    return citygml_scan_add(scan, nodes, &node, sizeof node) ? index : CITYGML_NONE;
}

static void begin_node(struct citygml_scan *scan, struct citygml_frame *frame,
                       enum citygml_node_kind kind, const struct xml_attribute *attributes,
                       size_t count)
{
    const uint32_t index = add_node(scan, frame, kind);
    if (index == CITYGML_NONE) {
        return;
    }
    frame->node = index;
    frame->is_node = true;
    struct citygml_node *node = node_at(scan, index);
    const struct text id =
        count == 0 ? (struct text){0} : citygml_attribute(attributes, count, "id");
    if (id.size > 0) {
        node->id_hash = citygml_hash(id);
    }
    if (kind == NODE_POLYGON) {
        node->first_ring = citygml_count(&scan->member->rings, sizeof(struct citygml_ring));
        node->ring_count = 0;
    }
}

/* What an xlink names takes the place of an element. */
static void add_link(struct citygml_scan *scan, const struct citygml_frame *frame, struct text href)
{
    if (href.size < 2 || href.data[0] != '#') {
        /* Another file, or a web address: nothing is fetched. */
        const struct text id =
            frame->object == CITYGML_NONE
                ? (struct text){0}
                : CITYGML_AT(scan->member->objects, struct citygml_object, frame->object)->id;
        citygml_report(scan->reader, id, xml_line(scan->xml), REPORT_SKIPPED, "link-outside",
                       "geometry in another file: '%.*s'", href.size > 100 ? 100 : (int)href.size,
                       href.data);
        return;
    }
    const uint32_t index = add_node(scan, frame, NODE_LINK);
    if (index != CITYGML_NONE) {
        struct citygml_node *node = node_at(scan, index);
        node->id_hash = citygml_hash(href);
        node->target = CITYGML_NONE;
        scan->member->link_count++;
    }
}

/* ---- rings ---- */

static void begin_ring(struct citygml_scan *scan, struct citygml_frame *frame)
{
    struct citygml_member *member = scan->member;
    const struct citygml_ring ring = {
        .first_point = citygml_count(&member->points, 3 * sizeof(double)),
        .line = xml_line(scan->xml),
    };
    const uint32_t index = citygml_count(&member->rings, sizeof ring);
    if (scan->ring == CITYGML_NONE && citygml_scan_add(scan, &member->rings, &ring, sizeof ring)) {
        scan->ring = index;
        frame->is_ring = true;
        node_at(scan, frame->node)->ring_count++;
    }
}

static void end_ring(struct citygml_scan *scan)
{
    struct citygml_member *member = scan->member;
    struct citygml_ring *ring = CITYGML_AT(member->rings, struct citygml_ring, scan->ring);
    ring->point_count = citygml_count(&member->points, 3 * sizeof(double)) - ring->first_point;
    scan->ring = CITYGML_NONE;
}

/* ---- elements ---- */

/* srsName and srsDimension may stand at any level. */
static void read_system(struct citygml_scan *scan, struct citygml_frame *frame,
                        const struct xml_attribute *attributes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct text value = {attributes[i].value,
                                   (size_t)(attributes[i].end - attributes[i].value)};
        if (strcmp(attributes[i].local, "srsName") == 0) {
            frame->srs = citygml_srs(scan, value);
        } else if ((strcmp(attributes[i].local, "srsDimension") == 0 ||
                    strcmp(attributes[i].local, "dimension") == 0) &&
                   value.size == 1 && (value.data[0] == '2' || value.data[0] == '3')) {
            frame->dimension = (uint8_t)(value.data[0] - '0');
        }
    }
}

static void start_coords(struct citygml_scan *scan, uint32_t number, bool has_separators,
                         const struct xml_attribute *attributes, size_t count)
{
    struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_COORDS, number);
    frame->wants_text = scan->ring != CITYGML_NONE || scan->placement != CITYGML_NONE;
    if (count > 0) {
        read_system(scan, frame, attributes, count);
    }
    if (has_separators) {
        static const char *const names[] = {"decimal", "cs", "ts"};
        memcpy(scan->separators, ".,", 2);
        scan->separators[2] = ' ';
        for (int i = 0; i < 3; i++) {
            const struct text value = citygml_attribute(attributes, count, names[i]);
            if (value.size == 1) {
                scan->separators[i] = value.data[0];
            }
        }
    } else {
        scan->separators[0] = '\0';
    }
}

static void start_node(struct citygml_scan *scan, uint32_t number, enum citygml_node_kind kind,
                       const struct xml_attribute *attributes, size_t count)
{
    struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_GEOMETRY, number);
    if (count > 0) {
        read_system(scan, frame, attributes, count);
    }
    begin_node(scan, frame, kind, attributes, count);
    if (count > 0 && frame->is_node &&
        text_is(citygml_attribute(attributes, count, "orientation"), "-")) {
        node_at(scan, frame->node)->is_turned = true;
    }
}

/* exterior, interior: a ring of a polygon, or a shell of a solid. */
static void start_boundary(struct citygml_scan *scan, uint32_t number, bool is_inner,
                           const struct xml_attribute *attributes, size_t count)
{
    struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_GEOMETRY, number);
    const enum citygml_node_kind kind = (enum citygml_node_kind)node_at(scan, frame->node)->kind;
    if (kind == NODE_POLYGON) {
        begin_ring(scan, frame);
    } else if (kind == NODE_SOLID) {
        begin_node(scan, frame, NODE_SHELL, NULL, 0);
        if (frame->is_node) {
            node_at(scan, frame->node)->is_turned = is_inner;
        }
        const struct text href = citygml_attribute(attributes, count, "href");
        if (href.size > 0) {
            add_link(scan, frame, href);
        }
    }
}

/* Properties that only hold elements, or name one by an xlink. */
static void start_holder(struct citygml_scan *scan, uint32_t number,
                         const struct xml_attribute *attributes, size_t count)
{
    struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_GEOMETRY, number);
    if (count == 0) {
        return;
    }
    const struct text href = citygml_attribute(attributes, count, "href");
    if (href.size > 0 && scan->ring == CITYGML_NONE) {
        add_link(scan, frame, href);
    }
}

static void start_ring(struct citygml_scan *scan, uint32_t number,
                       const struct xml_attribute *attributes, size_t count)
{
    struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_GEOMETRY, number);
    if (count > 0) {
        read_system(scan, frame, attributes, count);
        const struct text id = citygml_attribute(attributes, count, "id");
        if (id.size > 0 && scan->ring != CITYGML_NONE) {
            CITYGML_AT(scan->member->rings, struct citygml_ring, scan->ring)->id_hash =
                citygml_hash(id);
        }
    }
}

static void skip_undrawn(struct citygml_scan *scan, uint32_t number)
{
    const struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_SKIP, number);
    if (frame->object != CITYGML_NONE) {
        CITYGML_AT(scan->member->objects, struct citygml_object, frame->object)->not_drawn++;
    }
}

void citygml_geometry_start(struct citygml_scan *scan, uint32_t number,
                            const struct xml_attribute *attributes, size_t count)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    const bool is_place = scan->ring != CITYGML_NONE || scan->placement != CITYGML_NONE;
    switch (word->meaning) {
    case WORD_POS:
        start_coords(scan, number, false, attributes, count);
        break;
    case WORD_COORDINATES:
        start_coords(scan, number, true, attributes, count);
        break;
    case WORD_RING:
        start_ring(scan, number, attributes, count);
        break;
    case WORD_EXTERIOR:
        start_boundary(scan, number, false, attributes, count);
        break;
    case WORD_INTERIOR:
        start_boundary(scan, number, true, attributes, count);
        break;
    case WORD_POLYGON:
        start_node(scan, number, NODE_POLYGON, attributes, count);
        break;
    case WORD_SURFACES:
    case WORD_ORIENTABLE:
    case WORD_SOLIDS:
        start_node(scan, number, NODE_SURFACES, attributes, count);
        break;
    case WORD_SOLID:
        start_node(scan, number, NODE_SOLID, attributes, count);
        break;
    case WORD_CURVE:
    case WORD_POINT:
        if (is_place) {
            start_holder(scan, number, attributes, count);
        } else {
            skip_undrawn(scan, number);
        }
        break;
    case WORD_NO_GEOMETRY:
    case WORD_NAME:
    case WORD_DESCRIPTION:
        (void)citygml_scan_enter(scan, FRAME_SKIP, number);
        break;
    default:
        start_holder(scan, number, attributes, count);
        break;
    }
}

void citygml_geometry_root(struct citygml_scan *scan, uint32_t number,
                           const struct xml_attribute *attributes, size_t count)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    const struct citygml_frame *above = &scan->frames[scan->depth];
    const struct citygml_word *property = citygml_scan_word(scan, above->word);
    struct citygml_member *member = scan->member;
    const struct citygml_root root = {
        .object = above->object,
        .node = citygml_count(&member->nodes, sizeof(struct citygml_node)),
        .level = above->level,
        .is_roof_edge = property->is_roof_edge,
        .is_solid = word->meaning == WORD_SOLID || word->meaning == WORD_SOLIDS,
        .is_relief = property->meaning == WORD_TIN,
    };
    if (word->meaning == WORD_IMPLICIT) {
        const struct citygml_placement placement = {
            .matrix = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}};
        const uint32_t index = citygml_count(&member->placements, sizeof placement);
        struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_IMPLICIT, number);
        begin_node(scan, frame, NODE_IMPLICIT, attributes, count);
        if (frame->is_node &&
            citygml_scan_add(scan, &member->placements, &placement, sizeof placement)) {
            node_at(scan, frame->node)->placement = index;
        }
    } else {
        citygml_geometry_start(scan, number, attributes, count);
    }
    if (scan->mode == MODE_FRAGMENT && above->object == CITYGML_NONE) {
        return; /* what an xlink names is nobody's own */
    }
    const uint32_t index = citygml_count(&member->roots, sizeof root);
    if (citygml_scan_add(scan, &member->roots, &root, sizeof root)) {
        struct citygml_object *object =
            CITYGML_AT(member->objects, struct citygml_object, root.object);
        object->first_root = object->end_root == 0 ? index : object->first_root;
        object->end_root = index + 1;
    }
}

void citygml_geometry_end(struct citygml_scan *scan, struct citygml_frame *frame)
{
    if (frame->is_ring) {
        end_ring(scan);
    }
    if (frame->is_place) {
        scan->placement = CITYGML_NONE;
    }
    if (frame->is_node) {
        node_at(scan, frame->node)->end =
            citygml_count(&scan->member->nodes, sizeof(struct citygml_node));
    }
}

/* ---- coordinates ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* GML 2's "12,5;48,1": brought to points and blanks. Text is the scan's own. */
static void respell(struct citygml_scan *scan, struct text text)
{
    char *at = (char *)scan->text.data + (text.data - (const char *)scan->text.data);
    for (size_t i = 0; i < text.size; i++) {
        at[i] = at[i] == scan->separators[0]   ? '.'
                : at[i] == scan->separators[1] ? ' '
                : at[i] == scan->separators[2] ? ' '
                                               : at[i];
    }
}

/* `what` is about the number `count`, such as "coordinates". */
static void fail_coords(struct citygml_scan *scan, const struct citygml_frame *frame,
                        const char *what, size_t count, struct text text)
{
    struct err err;
    err_set(&err, ERR_SCHEMA, "%s (%zu): '%.*s'", what, count, text.size > 40 ? 40 : (int)text.size,
            text.data);
    err_at_line(&err, xml_line(scan->xml), 0);
    citygml_member_fail(scan, frame->object, &err);
}

/* Adds the numbers of a text to `points`, as points of 3: some at a time, for
 * each addition has its price. */
static bool add_points(struct citygml_scan *scan, const struct citygml_frame *frame,
                       struct text text, struct buf *points)
{
    const size_t dimension = frame->dimension;
    const size_t before = points->size;
    double some[POINTS_AT_ONCE][3];
    size_t some_count = 0;
    double point[3] = {0, 0, 0};
    size_t have = 0; /* numbers of the point */
    size_t count = 0;
    const char *at = text.data;
    const char *end = text.data + text.size;
    for (;;) {
        while (at < end && is_blank(*at)) {
            at++;
        }
        if (at == end) {
            break;
        }
        const size_t size = number_read((struct text){at, (size_t)(end - at)}, &point[have]);
        if (size == 0 || (at + size < end && !is_blank(at[size]))) {
            points->size = before;
            fail_coords(scan, frame, "a coordinate that is no number", count + 1,
                        (struct text){at, (size_t)(end - at)});
            return false;
        }
        at += size;
        count++;
        if (++have < dimension) {
            continue;
        }
        have = 0;
        memcpy(some[some_count++], point, sizeof point);
        if (some_count == POINTS_AT_ONCE) {
            some_count = 0;
            if (!citygml_scan_add(scan, points, some, sizeof some)) {
                return false;
            }
        }
    }
    if (have != 0) {
        points->size = before;
        fail_coords(scan, frame,
                    dimension == 3 ? "the number of coordinates is not a multiple of 3"
                                   : "the number of coordinates is not a multiple of 2",
                    count, text);
        return false;
    }
    return some_count == 0 || citygml_scan_add(scan, points, some, some_count * sizeof some[0]);
}

void citygml_coords_end(struct citygml_scan *scan, struct citygml_frame *frame)
{
    struct citygml_member *member = scan->member;
    if (!frame->wants_text) {
        return;
    }
    const struct text text = citygml_scan_text(scan);
    if (scan->separators[0] != '\0') {
        respell(scan, text);
    }
    if (scan->ring != CITYGML_NONE) {
        (void)add_points(scan, frame, text, &member->points);
        return;
    }
    struct citygml_placement *placement =
        CITYGML_AT(member->placements, struct citygml_placement, scan->placement);
    const size_t before = member->points.size;
    if (!placement->has_origin && add_points(scan, frame, text, &member->points) &&
        member->points.size > before) {
        memcpy(placement->origin, member->points.data + before, sizeof placement->origin);
        placement->has_origin = true;
        node_at(scan, frame->node)->srs = frame->srs;
    }
    member->points.size = before;
}

/* ---- implicit geometry ---- */

void citygml_implicit_start(struct citygml_scan *scan, uint32_t number,
                            const struct xml_attribute *attributes, size_t count)
{
    const struct citygml_word *word = citygml_scan_word(scan, number);
    switch (word->meaning) {
    case WORD_MATRIX:
    case WORD_LIBRARY_OBJECT:
        citygml_scan_enter(scan, FRAME_IMPLICIT_PART, number)->wants_text = true;
        break;
    case WORD_RELATIVE_GEOMETRY:
        /* It is metres around the origin, whatever it says. */
        start_holder(scan, number, attributes, count);
        break;
    case WORD_REFERENCE_POINT: {
        struct citygml_frame *frame = citygml_scan_enter(scan, FRAME_IMPLICIT_PART, number);
        frame->kind = FRAME_GEOMETRY;
        frame->is_place = true;
        scan->placement = node_at(scan, frame->node)->placement;
        break;
    }
    default:
        (void)citygml_scan_enter(scan, FRAME_SKIP, number);
        break;
    }
}

static void read_matrix(struct citygml_scan *scan, const struct citygml_frame *frame)
{
    struct buf *points = &scan->member->points;
    const struct citygml_node *node = node_at(scan, frame->node);
    struct citygml_placement *placement =
        CITYGML_AT(scan->member->placements, struct citygml_placement, node->placement);
    struct citygml_frame plain = *frame;
    const size_t before = points->size;
    const struct text text = citygml_scan_text(scan);
    plain.dimension = 1; /* numbers one by one, each with two zeros */
    if (add_points(scan, &plain, text, points)) {
        const size_t count = (points->size - before) / (3 * sizeof(double));
        const double *numbers = (const double *)(const void *)(points->data + before);
        if (count == CITYGML_MATRIX_NUMBERS) {
            for (size_t i = 0; i < count; i++) {
                placement->matrix[i] = numbers[3 * i];
            }
        } else {
            fail_coords(scan, frame, "a matrix of other than 16 numbers", count, text);
        }
    }
    points->size = before;
}

void citygml_implicit_part_end(struct citygml_scan *scan, struct citygml_frame *frame)
{
    const struct text text = citygml_scan_text(scan);
    if (citygml_scan_word(scan, frame->word)->meaning == WORD_MATRIX) {
        read_matrix(scan, frame);
    } else if (text.size > 0) {
        const struct text id =
            frame->object == CITYGML_NONE
                ? (struct text){0}
                : CITYGML_AT(scan->member->objects, struct citygml_object, frame->object)->id;
        citygml_report(scan->reader, id, xml_line(scan->xml), REPORT_SKIPPED, "library-object",
                       "a shape that is kept in another file: '%.*s'",
                       text.size > 100 ? 100 : (int)text.size, text.data);
    }
}
