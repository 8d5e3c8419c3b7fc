/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/cql2.h"

#include <assert.h>
#include <math.h>
#include <strings.h>

#include "formats/base/buf.h"
#include "formats/number.h"

enum { TEXT_MAX = 65536, DEPTH_MAX = 64, TERMS_MAX = 500, PARAMETERS_MAX = 4096, AREAS_MAX = 64 };

/* What is being read, and the SQL that grows from it. */
struct parser {
    struct text text;
    size_t at;
    const struct geopackage *columns;
    bool is_yx;
    struct arena *request;
    struct err *err;
    struct buf sql;
    struct geopackage_value *parameters;
    size_t parameter_count;
    size_t parameter_room;
    struct plan_area *areas;
    size_t area_count;
    int depth;
    int term_count;
};

static bool fail_at(struct parser *p, size_t at, enum err_code code, const char *what,
                    struct text word)
{
    err_set(p->err, code, "%s '%.*s'", what, TEXT_ARGS(word));
    err_at_line(p->err, 1, (uint32_t)at + 1);
    return false;
}

static bool fail(struct parser *p, enum err_code code, const char *what)
{
    err_set(p->err, code, "%s", what);
    err_at_line(p->err, 1, (uint32_t)p->at + 1);
    return false;
}

/* ---- words ---- */

static void skip_spaces(struct parser *p)
{
    while (p->at < p->text.size && (p->text.data[p->at] == ' ' || p->text.data[p->at] == '\t' ||
                                    p->text.data[p->at] == '\r' || p->text.data[p->at] == '\n')) {
        p->at++;
    }
}

static char peek(struct parser *p)
{
    skip_spaces(p);
    return p->at < p->text.size ? p->text.data[p->at] : '\0';
}

static bool take(struct parser *p, char wanted)
{
    if (wanted != '\0' && peek(p) == wanted && p->at < p->text.size) {
        p->at++;
        return true;
    }
    return false;
}

static bool begins_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == ':' ||
           (unsigned char)c >= 0x80;
}

static bool goes_on_name(char c)
{
    return begins_name(c) || (c >= '0' && c <= '9') || c == '.';
}

/* The bare word that stands here, without taking it. */
static struct text peek_word(struct parser *p)
{
    skip_spaces(p);
    size_t end = p->at;
    if (end < p->text.size && begins_name(p->text.data[end])) {
        while (end < p->text.size && goes_on_name(p->text.data[end])) {
            end++;
        }
    }
    return (struct text){p->text.data + p->at, end - p->at};
}

static bool is_word(struct text word, const char *wanted)
{
    return word.size == strlen(wanted) && strncasecmp(word.data, wanted, word.size) == 0;
}

static bool take_word(struct parser *p, const char *wanted)
{
    const struct text word = peek_word(p);
    if (!is_word(word, wanted)) {
        return false;
    }
    p->at += word.size;
    return true;
}

/* ---- values ---- */

static bool add_parameter(struct parser *p, struct geopackage_value value)
{
    if (p->parameter_count == p->parameter_room) {
        return fail(p, ERR_LIMIT, "more than 4096 values");
    }
    p->parameters[p->parameter_count++] = value;
    buf_add_byte(&p->sql, '?');
    return true;
}

/* What stands between two quotes; a doubled quote is one. */
static bool read_quoted(struct parser *p, char quote, struct text *out)
{
    const size_t first = ++p->at;
    size_t doubled = 0;
    for (;; p->at++) {
        if (p->at >= p->text.size) {
            p->at = first - 1;
            return fail(p, ERR_SYNTAX, "a quote that is not closed");
        }
        if (p->text.data[p->at] == quote) {
            if (p->at + 1 < p->text.size && p->text.data[p->at + 1] == quote) {
                doubled++;
                p->at++;
                continue;
            }
            break;
        }
    }
    const size_t size = p->at++ - first;
    char *copy = arena_array(p->request, char, size + 1);
    if (copy == NULL) {
        return arena_full(p->request, p->err);
    }
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        copy[length++] = p->text.data[first + i];
        if (p->text.data[first + i] == quote) {
            i++;
        }
    }
    assert(length == size - doubled);
    *out = (struct text){copy, length};
    return true;
}

static bool add_text(struct parser *p)
{
    struct geopackage_value value = {.kind = GEOPACKAGE_IS_TEXT};
    return read_quoted(p, '\'', &value.text) && add_parameter(p, value);
}

static bool add_number(struct parser *p)
{
    struct geopackage_value value = {.kind = GEOPACKAGE_IS_REAL};
    const struct text rest = {p->text.data + p->at, p->text.size - p->at};
    const size_t size = number_read(rest, &value.real);
    if (size == 0 || !isfinite(value.real)) {
        return fail(p, ERR_SYNTAX, "a property, a number or a text should stand here");
    }
    p->at += size;
    if (p->at < p->text.size && goes_on_name(p->text.data[p->at])) {
        return fail(p, ERR_SYNTAX, "letters right after a number");
    }
    /* Whole numbers are compared as such: ids of 18 digits keep the last one. */
    int64_t whole = 0;
    size_t i = rest.data[0] == '-' || rest.data[0] == '+';
    const size_t first = i;
    for (; i < size && i - first < 18 && rest.data[i] >= '0' && rest.data[i] <= '9'; i++) {
        whole = 10 * whole + (rest.data[i] - '0');
    }
    if (i == size && i > first) {
        value.kind = GEOPACKAGE_IS_INT;
        value.integer = rest.data[0] == '-' ? -whole : whole;
    }
    return add_parameter(p, value);
}

static bool add_property(struct parser *p, size_t at, struct text name)
{
    const struct geopackage_column *column = geopackage_column(p->columns, name);
    if (column == NULL) {
        return fail_at(p, at, ERR_SCHEMA, "no such property (see queryables):", name);
    }
    buf_add(&p->sql, column->quoted.data, column->quoted.size);
    return true;
}

/* DATE('2020-01-01'), TIMESTAMP('...'): texts that sort as they should. */
static bool add_instant(struct parser *p)
{
    if (!take(p, '(') || peek(p) != '\'' || !add_text(p) || !take(p, ')')) {
        return fail(p, ERR_SYNTAX, "an instant is written DATE('2020-01-01')");
    }
    return true;
}

static bool read_scalar(struct parser *p);

static bool add_folded(struct parser *p)
{
    buf_add_text(&p->sql, "lower(");
    if (!take(p, '(')) {
        return fail(p, ERR_SYNTAX, "'(' should stand here");
    }
    if (!read_scalar(p)) {
        return false;
    }
    buf_add_byte(&p->sql, ')');
    return take(p, ')') || fail(p, ERR_SYNTAX, "')' should stand here");
}

/* A property or a literal. */
static bool read_scalar(struct parser *p)
{
    const char next = peek(p);
    const size_t at = p->at;
    if (next == '\'') {
        return add_text(p);
    }
    if (next == '"') {
        struct text name;
        return read_quoted(p, '"', &name) && add_property(p, at, name);
    }
    if (!begins_name(next)) {
        return add_number(p);
    }
    const struct text word = peek_word(p);
    p->at += word.size;
    if (is_word(word, "TRUE") || is_word(word, "FALSE")) {
        const struct geopackage_value value = {.kind = GEOPACKAGE_IS_INT,
                                               .integer = is_word(word, "TRUE")};
        return add_parameter(p, value);
    }
    if (peek(p) != '(') {
        return add_property(p, at, word);
    }
    if (is_word(word, "DATE") || is_word(word, "TIMESTAMP")) {
        return add_instant(p);
    }
    if (is_word(word, "CASEI")) {
        if (++p->depth > DEPTH_MAX) {
            return fail(p, ERR_LIMIT, "more than 64 levels");
        }
        const bool ok = add_folded(p);
        p->depth--;
        return ok;
    }
    return fail_at(p, at, ERR_UNSUPPORTED, "no such function:", word);
}

/* ---- predicates ---- */

static bool is_geometry(struct text word)
{
    return is_word(word, "geometry") || is_word(word, "geom") || is_word(word, "footprint");
}

static bool read_area(struct parser *p)
{
    if (p->area_count == AREAS_MAX) {
        return fail(p, ERR_LIMIT, "more than 64 geometries");
    }
    skip_spaces(p);
    const struct text rest = {p->text.data + p->at, p->text.size - p->at};
    size_t size;
    struct err inner = {.code = ERR_NONE};
    if (!plan_area_read(rest, p->is_yx, p->request, &p->areas[p->area_count], &size, &inner)) {
        inner.column += (uint32_t)p->at;
        *p->err = inner;
        return false;
    }
    p->area_count++;
    p->at += size;
    return true;
}

/* S_INTERSECTS(geometry, BBOX(...)), either way round. */
static bool read_spatial(struct parser *p)
{
    if (!take(p, '(')) {
        return fail(p, ERR_SYNTAX, "'(' should stand here");
    }
    const bool is_first = is_geometry(peek_word(p));
    if (is_first) {
        p->at += peek_word(p).size;
    } else if (!read_area(p)) {
        return false;
    }
    if (!take(p, ',')) {
        return fail(p, ERR_SYNTAX, "',' should stand here");
    }
    if (is_first) {
        if (!read_area(p)) {
            return false;
        }
    } else if (is_geometry(peek_word(p))) {
        p->at += peek_word(p).size;
    } else {
        return fail(p, ERR_UNSUPPORTED, "one of the two has to be the property 'geometry'");
    }
    buf_print(&p->sql, "storey_meets(fid,%zu)", p->area_count - 1);
    return take(p, ')') || fail(p, ERR_SYNTAX, "')' should stand here");
}

static bool read_like(struct parser *p)
{
    buf_add_text(&p->sql, " LIKE ");
    if (take_word(p, "CASEI")) {
        if (!take(p, '(')) {
            return fail(p, ERR_SYNTAX, "'(' should stand here");
        }
        buf_add_text(&p->sql, "lower(");
        if (peek(p) != '\'') {
            return fail(p, ERR_SYNTAX, "a pattern between single quotes should stand here");
        }
        if (!add_text(p)) {
            return false;
        }
        buf_add_byte(&p->sql, ')');
        if (!take(p, ')')) {
            return fail(p, ERR_SYNTAX, "')' should stand here");
        }
    } else if (peek(p) != '\'') {
        return fail(p, ERR_SYNTAX, "a pattern between single quotes should stand here");
    } else if (!add_text(p)) {
        return false;
    }
    buf_add_text(&p->sql, " ESCAPE '\\'");
    return true;
}

static bool read_in(struct parser *p)
{
    buf_add_text(&p->sql, " IN (");
    if (!take(p, '(')) {
        return fail(p, ERR_SYNTAX, "'(' should stand here");
    }
    do {
        if (p->sql.size > 0 && p->sql.data[p->sql.size - 1] != '(') {
            buf_add_byte(&p->sql, ',');
        }
        if (!read_scalar(p)) {
            return false;
        }
    } while (take(p, ','));
    buf_add_byte(&p->sql, ')');
    return take(p, ')') || fail(p, ERR_SYNTAX, "',' or ')' should stand here");
}

static bool read_between(struct parser *p)
{
    buf_add_text(&p->sql, " BETWEEN ");
    if (!read_scalar(p)) {
        return false;
    }
    if (!take_word(p, "AND")) {
        return fail(p, ERR_SYNTAX, "AND should stand here, and the upper bound");
    }
    buf_add_text(&p->sql, " AND ");
    return read_scalar(p);
}

static bool read_comparison(struct parser *p)
{
    static const char *const operators[] = {"<>", "<=", ">=", "=", "<", ">"};
    skip_spaces(p);
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        const size_t size = strlen(operators[i]);
        if (p->text.size - p->at >= size && memcmp(p->text.data + p->at, operators[i], size) == 0) {
            p->at += size;
            buf_add_text(&p->sql, operators[i]);
            return read_scalar(p);
        }
    }
    return fail(p, ERR_SYNTAX,
                "a comparison (=, <>, <, >, <=, >=, LIKE, IN, BETWEEN, IS NULL) should "
                "stand here");
}

static bool read_predicate(struct parser *p)
{
    if (!read_scalar(p)) {
        return false;
    }
    if (take_word(p, "IS")) {
        const bool is_not = take_word(p, "NOT");
        buf_add_text(&p->sql, is_not ? " IS NOT NULL" : " IS NULL");
        return take_word(p, "NULL") || fail(p, ERR_SYNTAX, "NULL should stand here");
    }
    if (take_word(p, "NOT")) {
        buf_add_text(&p->sql, " NOT");
        if (take_word(p, "LIKE")) {
            return read_like(p);
        }
        if (take_word(p, "IN")) {
            return read_in(p);
        }
        return take_word(p, "BETWEEN")
                   ? read_between(p)
                   : fail(p, ERR_SYNTAX, "LIKE, IN or BETWEEN should stand here");
    }
    if (take_word(p, "LIKE")) {
        return read_like(p);
    }
    if (take_word(p, "IN")) {
        return read_in(p);
    }
    return take_word(p, "BETWEEN") ? read_between(p) : read_comparison(p);
}

/* ---- AND, OR, NOT ---- */

static bool read_expression(struct parser *p);

static bool read_brackets(struct parser *p)
{
    buf_add_byte(&p->sql, '(');
    if (!read_expression(p)) {
        return false;
    }
    buf_add_byte(&p->sql, ')');
    return take(p, ')') || fail(p, ERR_SYNTAX, "')' should stand here");
}

/* TRUE and FALSE alone; with a comparison after them they are values. */
static bool is_constant(struct parser *p)
{
    const struct text word = peek_word(p);
    if (!is_word(word, "TRUE") && !is_word(word, "FALSE")) {
        return false;
    }
    size_t after = p->at + word.size;
    while (after < p->text.size && p->text.data[after] == ' ') {
        after++;
    }
    const char next = after < p->text.size ? p->text.data[after] : ')';
    return next != '=' && next != '<' && next != '>';
}

static bool read_factor(struct parser *p)
{
    if (++p->term_count > TERMS_MAX) {
        return fail(p, ERR_LIMIT, "more than 500 terms");
    }
    if (take_word(p, "NOT")) {
        buf_add_text(&p->sql, "NOT ");
        return read_factor(p);
    }
    if (take(p, '(')) {
        return read_brackets(p);
    }
    if (take_word(p, "S_INTERSECTS")) {
        return read_spatial(p);
    }
    if (is_constant(p)) {
        const bool is_true = take_word(p, "TRUE");
        p->at += is_true ? 0 : peek_word(p).size;
        buf_add_text(&p->sql, is_true ? "1" : "0");
        return true;
    }
    buf_add_byte(&p->sql, '(');
    if (!read_predicate(p)) {
        return false;
    }
    buf_add_byte(&p->sql, ')');
    return true;
}

static bool read_expression(struct parser *p)
{
    if (++p->depth > DEPTH_MAX) {
        return fail(p, ERR_LIMIT, "more than 64 levels");
    }
    /* AND binds closer than OR, in SQL as in CQL2: they are passed on. */
    for (;;) {
        if (!read_factor(p)) {
            return false;
        }
        if (take_word(p, "AND")) {
            buf_add_text(&p->sql, " AND ");
        } else if (take_word(p, "OR")) {
            buf_add_text(&p->sql, " OR ");
        } else {
            break;
        }
    }
    p->depth--;
    return true;
}

static bool finish(struct parser *p, struct cql2 *out)
{
    skip_spaces(p);
    if (p->at != p->text.size) {
        return fail(p, ERR_SYNTAX, "AND, OR or the end should stand here");
    }
    buf_add_byte(&p->sql, 0);
    if (!buf_finish(&p->sql, p->err)) {
        return false;
    }
    char *sql = arena_array(p->request, char, p->sql.size);
    if (sql == NULL) {
        return arena_full(p->request, p->err);
    }
    memcpy(sql, p->sql.data, p->sql.size);
    *out = (struct cql2){
        .condition = {sql, p->parameters, p->parameter_count, NULL, NULL},
        .areas = p->areas,
        .area_count = p->area_count,
    };
    return true;
}

bool cql2_read_text(struct text filter, const struct geopackage *columns, bool is_yx,
                    struct arena *request, struct cql2 *out, struct err *err)
{
    if (filter.size > TEXT_MAX) {
        return err_set(err, ERR_LIMIT, "a filter of %zu bytes; %d is the most", filter.size,
                       TEXT_MAX);
    }
    if (!text_is_utf8(filter) || (filter.size > 0 && memchr(filter.data, 0, filter.size) != NULL)) {
        return err_set(err, ERR_SYNTAX, "the filter is no text");
    }
    /* No more values than there are bytes between them. */
    const size_t most = filter.size / 2 + 2 < PARAMETERS_MAX ? filter.size / 2 + 2 : PARAMETERS_MAX;
    struct parser p = {
        .text = filter,
        .columns = columns,
        .is_yx = is_yx,
        .request = request,
        .err = err,
        .parameters = arena_array(request, struct geopackage_value, most),
        .parameter_room = most,
        .areas = arena_array(request, struct plan_area, AREAS_MAX),
    };
    if (p.parameters == NULL || p.areas == NULL) {
        return arena_full(request, err);
    }
    buf_init(&p.sql, (size_t)32 * TEXT_MAX);
    const bool ok = read_expression(&p) && finish(&p, out);
    buf_release(&p.sql);
    return ok;
}
