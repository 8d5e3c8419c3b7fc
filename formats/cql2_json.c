/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters as JSON, said again as text: one place knows what a filter means.
 */
#include <assert.h>

#include "formats/base/buf.h"
#include "formats/cql2.h"
#include "formats/json_tree.h"

enum { TEXT_BYTES_MAX = 256 << 10 };

struct wording {
    struct buf out;
    struct err *err;
};

static bool fail(struct wording *w, const struct json_tree *at, enum err_code code,
                 const char *what)
{
    err_set(w->err, code, "%s", what);
    err_at_line(w->err, 1, (uint32_t)at->offset + 1);
    return false;
}

static void add_quoted(struct wording *w, char quote, struct text text)
{
    buf_add_byte(&w->out, (uint8_t)quote);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == quote) {
            buf_add_byte(&w->out, (uint8_t)quote);
        }
        buf_add_byte(&w->out, (uint8_t)text.data[i]);
    }
    buf_add_byte(&w->out, (uint8_t)quote);
}

static bool say(struct wording *w, const struct json_tree *value);

/* Elements from `first` on with `between` them. */
static bool say_all(struct wording *w, const struct json_tree *array, size_t first,
                    const char *between)
{
    for (size_t i = first; i < array->child_count; i++) {
        buf_add_text(&w->out, i > first ? between : "");
        if (!say(w, &array->children[i])) {
            return false;
        }
    }
    return true;
}

/* Positions are "x y", what holds them stands between brackets. */
static bool say_coordinates(struct wording *w, const struct json_tree *array)
{
    if (!json_tree_is(array, JSON_ARRAY) || array->child_count == 0) {
        return fail(w, array, ERR_SYNTAX, "coordinates should stand here");
    }
    const bool is_position = array->children[0].kind == JSON_NUMBER;
    buf_add_text(&w->out, is_position ? "" : "(");
    for (size_t i = 0; i < array->child_count; i++) {
        const struct json_tree *child = &array->children[i];
        buf_add_text(&w->out, i == 0 ? "" : is_position ? " " : ",");
        if (is_position && child->kind != JSON_NUMBER) {
            return fail(w, child, ERR_SYNTAX, "a number should stand here");
        }
        if (is_position) {
            buf_add(&w->out, child->text.data, child->text.size);
        } else if (!say_coordinates(w, child)) {
            return false;
        }
    }
    buf_add_text(&w->out, is_position ? "" : ")");
    return true;
}

static bool say_geometry(struct wording *w, const struct json_tree *object,
                         const struct json_tree *type)
{
    static const struct {
        const char *type, *word;
    } known[] = {{"Point", "POINT"}, {"Polygon", "POLYGON"}, {"MultiPolygon", "MULTIPOLYGON"}};
    const struct json_tree *coordinates = json_tree_find(object, "coordinates");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (json_tree_is_text(type, known[i].type) && coordinates != NULL) {
            buf_add_text(&w->out, known[i].word);
            buf_add_text(&w->out, i == 0 ? "(" : "");
            const bool ok = say_coordinates(w, coordinates);
            buf_add_text(&w->out, i == 0 ? ")" : "");
            return ok;
        }
    }
    return fail(w, object, ERR_UNSUPPORTED,
                "Point, Polygon, MultiPolygon or bbox should stand here");
}

/* "geometry" is a word of its own, other properties are names. */
static bool say_place(struct wording *w, const struct json_tree *value)
{
    const struct json_tree *property = json_tree_find(value, "property");
    if (json_tree_is_text(property, "geometry") || json_tree_is_text(property, "geom") ||
        json_tree_is_text(property, "footprint")) {
        buf_add_text(&w->out, "geometry");
        return true;
    }
    return say(w, value);
}

static bool say_operation(struct wording *w, const struct json_tree *object, struct text op)
{
    static const struct {
        const char *op;
        const char *before, *between, *after;
        size_t least, most; /* arguments */
    } known[] = {
        {"and", "(", " AND ", ")", 1, 500},   {"or", "(", " OR ", ")", 1, 500},
        {"not", "NOT (", "", ")", 1, 1},      {"=", "", " = ", "", 2, 2},
        {"<>", "", " <> ", "", 2, 2},         {"<", "", " < ", "", 2, 2},
        {">", "", " > ", "", 2, 2},           {"<=", "", " <= ", "", 2, 2},
        {">=", "", " >= ", "", 2, 2},         {"like", "", " LIKE ", "", 2, 2},
        {"isNull", "", "", " IS NULL", 1, 1}, {"casei", "CASEI(", "", ")", 1, 1},
    };
    const struct json_tree *args = json_tree_find(object, "args");
    if (!json_tree_is(args, JSON_ARRAY)) {
        return fail(w, object, ERR_SYNTAX, "\"args\" should be an array here");
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (text_is(op, known[i].op)) {
            if (args->child_count < known[i].least || args->child_count > known[i].most) {
                return fail(w, args, ERR_SYNTAX, "not the number of arguments that it takes");
            }
            buf_add_text(&w->out, known[i].before);
            const bool ok = say_all(w, args, 0, known[i].between);
            buf_add_text(&w->out, known[i].after);
            return ok;
        }
    }
    const struct json_tree *first = json_tree_element(args, 0);
    const struct json_tree *second = json_tree_element(args, 1);
    if (text_is(op, "between") && args->child_count == 3) {
        const bool ok = say(w, first);
        buf_add_text(&w->out, " BETWEEN ");
        return ok && say_all(w, args, 1, " AND ");
    }
    if (text_is(op, "in") && args->child_count == 2 && second->kind == JSON_ARRAY) {
        bool ok = say(w, first);
        buf_add_text(&w->out, " IN (");
        ok = ok && say_all(w, second, 0, ",");
        buf_add_text(&w->out, ")");
        return ok;
    }
    if (text_is(op, "s_intersects") && args->child_count == 2) {
        buf_add_text(&w->out, "S_INTERSECTS(");
        bool ok = say_place(w, first);
        buf_add_text(&w->out, ",");
        ok = ok && say_place(w, second);
        buf_add_text(&w->out, ")");
        return ok;
    }
    return fail(w, object, ERR_UNSUPPORTED, "no such operator, or not with these arguments");
}

static bool say_object(struct wording *w, const struct json_tree *object)
{
    static const char *const instants[][2] = {{"date", "DATE("}, {"timestamp", "TIMESTAMP("}};
    const struct json_tree *op = json_tree_find(object, "op");
    const struct json_tree *property = json_tree_find(object, "property");
    const struct json_tree *box = json_tree_find(object, "bbox");
    const struct json_tree *type = json_tree_find(object, "type");
    if (json_tree_is(op, JSON_STRING)) {
        return say_operation(w, object, op->text);
    }
    if (json_tree_is(property, JSON_STRING)) {
        add_quoted(w, '"', property->text);
        return true;
    }
    for (size_t i = 0; i < 2; i++) {
        const struct json_tree *instant = json_tree_find(object, instants[i][0]);
        if (json_tree_is(instant, JSON_STRING)) {
            buf_add_text(&w->out, instants[i][1]);
            add_quoted(w, '\'', instant->text);
            buf_add_byte(&w->out, ')');
            return true;
        }
    }
    if (json_tree_is(type, JSON_STRING)) {
        return say_geometry(w, object, type);
    }
    if (json_tree_is(box, JSON_ARRAY)) {
        buf_add_text(&w->out, "BBOX(");
        const bool ok = say_all(w, box, 0, ",");
        buf_add_byte(&w->out, ')');
        return ok;
    }
    return fail(w, object, ERR_SYNTAX,
                "op, property, date, timestamp, bbox or a geometry should stand here");
}

/* Depth is bounded by the reader of JSON. */
static bool say(struct wording *w, const struct json_tree *value)
{
    switch (value->kind) {
    case JSON_OBJECT:
        return say_object(w, value);
    case JSON_STRING:
        add_quoted(w, '\'', value->text);
        return true;
    case JSON_NUMBER:
        buf_add(&w->out, value->text.data, value->text.size);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        buf_add_text(&w->out, value->kind == JSON_TRUE ? "TRUE" : "FALSE");
        return true;
    default:
        return fail(w, value, ERR_SYNTAX,
                    "an object, a text, a number, true or false should stand here");
    }
}

bool cql2_read_json(struct text filter, const struct geopackage *columns, bool is_yx,
                    struct arena *request, struct cql2 *out, struct err *err)
{
    const struct json_tree *root;
    const struct span bytes = {(const uint8_t *)filter.data, filter.size};
    if (!json_tree_read(bytes, request, &root, err)) {
        return false;
    }
    struct wording w = {.err = err};
    buf_init(&w.out, TEXT_BYTES_MAX);
    bool ok = say(&w, root) && buf_finish(&w.out, err);
    if (ok) {
        char *text = arena_array(request, char, w.out.size + 1);
        if (text == NULL) {
            ok = arena_full(request, err);
        } else {
            struct err inner = {.code = ERR_NONE};
            memcpy(text, w.out.data, w.out.size);
            ok = cql2_read_text((struct text){text, w.out.size}, columns, is_yx, request, out,
                                &inner);
            if (!ok) {
                inner.column = inner.line > 0 ? 1 : 0; /* the text is ours: no place in it helps */
                *err = inner;
            }
        }
    }
    buf_release(&w.out);
    return ok;
}
