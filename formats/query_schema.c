/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/json_write.h"
#include "formats/query_print.h"

static const char *schema_type(enum geopackage_type type)
{
    switch (type) {
    case GEOPACKAGE_BOOL:
        return "boolean";
    case GEOPACKAGE_INT:
        return "integer";
    case GEOPACKAGE_REAL:
        return "number";
    case GEOPACKAGE_TEXT:
        break;
    }
    return "string";
}

void query_print_queryables(const struct query_target *target, struct text id, struct text title,
                            struct buf *out)
{
    size_t count = 0;
    const struct geopackage_column *columns =
        target->attributes == NULL ? NULL : geopackage_columns(target->attributes, &count);
    buf_add_text(out, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",");
    if (id.size > 0) {
        buf_add_text(out, "\"$id\":");
        json_write_text(out, id);
        buf_add_byte(out, ',');
    }
    buf_add_text(out, "\"type\":\"object\",\"title\":");
    json_write_text(out, title);
    buf_add_text(out, ",\"additionalProperties\":false,\"properties\":{\"geometry\":{"
                      "\"x-ogc-role\":\"primary-geometry\",\"format\":\"geometry-multipolygon\"}");
    for (size_t i = 0; i < count; i++) {
        buf_add_byte(out, ',');
        json_write_text(out, columns[i].name);
        buf_print(out, ":{\"type\":\"%s\"%s}", schema_type(columns[i].type),
                  i == 0 ? ",\"x-ogc-role\":\"id\"" : "");
    }
    buf_add_text(out, "}}\n");
}

void query_print_feature_schema(const struct query_target *target, struct text id, struct buf *out)
{
    size_t count = 0;
    const struct geopackage_column *columns =
        target->attributes == NULL ? NULL : geopackage_columns(target->attributes, &count);
    buf_add_text(out, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":");
    json_write_text(out, id);
    buf_add_text(out, ",\"type\":\"object\",\"required\":[\"type\",\"geometry\",\"properties\"],"
                      "\"properties\":{\"type\":{\"type\":\"string\",\"enum\":[\"Feature\"]},"
                      "\"id\":{\"type\":\"string\"},\"geometry\":{},"
                      "\"properties\":{\"type\":\"object\",\"properties\":{");
    for (size_t i = 1; i < count; i++) { /* the first is the id */
        buf_add_text(out, i == 1 ? "" : ",");
        json_write_text(out, columns[i].name);
        buf_print(out, ":{\"type\":\"%s\"}", schema_type(columns[i].type));
    }
    buf_add_text(out, "}}}}\n");
}
