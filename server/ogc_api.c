/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The description of the API, printed from the table of routes and the table of
 * parameters that decide what requests may say.
 */
#include "formats/json_write.h"
#include "server/ogc.h"
#include "server/routes.h"

/* "{collectionId}" and the like in a pattern, as path parameters. */
static void print_path_parameters(struct buf *json, const char *pattern)
{
    for (const char *at = strchr(pattern, '{'); at != NULL; at = strchr(at + 1, '{')) {
        const int size = (int)strcspn(at + 1, "}");
        json_write_comma(json);
        buf_print(json,
                  "{\"name\":\"%.*s\",\"in\":\"path\",\"required\":true,"
                  "\"schema\":{\"type\":\"string\"}}",
                  size, at + 1);
    }
}

static void print_parameters(struct buf *json, const struct route *route)
{
    buf_add_text(json, "\"parameters\":[");
    print_path_parameters(json, route->pattern);
    for (unsigned id = 0; id < PARAMETER_COUNT; id++) {
        if ((route->parameters >> id & 1) != 0) {
            json_write_comma(json);
            buf_print(json, "{\"$ref\":\"#/components/parameters/p%u\"}", id);
        }
    }
    buf_add_byte(json, ']');
}

static void print_responses(struct buf *json, const struct route *route)
{
    buf_print(json,
              ",\"responses\":{\"200\":{\"description\":\"the answer\",\"content\":{\"%s\":{}",
              route->type);
    if (route->kind != ROUTE_FILE) {
        buf_add_text(json, ",\"text/html\":{}");
    }
    buf_add_text(json, "}}");
    if (route->kind == ROUTE_FILE) {
        buf_add_text(json, ",\"206\":{\"description\":\"a part\"}");
    } else {
        buf_add_text(json, ",\"400\":{\"$ref\":\"#/components/responses/problem\"}");
    }
    buf_add_text(json, ",\"304\":{\"description\":\"known by its entity tag\"}");
    if (route->scope != ACCESS_OPEN) {
        buf_add_text(json, ",\"401\":{\"$ref\":\"#/components/responses/problem\"},"
                           "\"403\":{\"$ref\":\"#/components/responses/problem\"}");
    }
    if (strchr(route->pattern, '{') != NULL) {
        buf_add_text(json, ",\"404\":{\"$ref\":\"#/components/responses/problem\"}");
    }
    buf_add_text(json, ",\"default\":{\"$ref\":\"#/components/responses/problem\"}}");
}

static void print_operation(struct buf *json, const struct route *route, bool is_post)
{
    buf_print(json, "\"%s\":{\"operationId\":\"%s%s\",\"summary\":", is_post ? "post" : "get",
              is_post ? "post_" : "", route->name);
    json_write_text(json, text_of(route->text));
    buf_add_byte(json, ',');
    if (is_post) {
        buf_add_text(json, "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":"
                           "{\"schema\":{\"type\":\"object\"}}}},");
    }
    print_parameters(json, route);
    print_responses(json, route);
    if (route->scope != ACCESS_OPEN) {
        buf_add_text(json, ",\"security\":[{},{\"bearer\":[]},{\"header\":[]},{\"query\":[]}]");
    }
    buf_add_byte(json, '}');
}

static void print_paths(struct buf *json)
{
    buf_add_text(json, "\"paths\":{");
    for (size_t i = 0; i < routes_count; i++) {
        const struct route *route = &routes_table[i];
        if (route->kind == ROUTE_SERVICE) {
            continue;
        }
        json_write_comma(json);
        buf_print(json, "\n\"%s\":{", route->pattern);
        if ((route->methods & MESSAGE_GET) != 0) {
            print_operation(json, route, false);
        }
        if ((route->methods & MESSAGE_POST) != 0) {
            json_write_comma(json);
            print_operation(json, route, true);
        }
        buf_add_byte(json, '}');
    }
    buf_add_byte(json, '}');
}

static void print_components(struct buf *json)
{
    uint64_t used = 0;
    for (size_t i = 0; i < routes_count; i++) {
        used |= routes_table[i].kind == ROUTE_SERVICE ? 0 : routes_table[i].parameters;
    }
    buf_add_text(json, ",\"components\":{\"parameters\":{");
    for (unsigned id = 0; id < PARAMETER_COUNT; id++) {
        if ((used >> id & 1) != 0) {
            json_write_comma(json);
            buf_print(json, "\n\"p%u\":", id);
            parameter_describe(json, &parameter_table[id]);
        }
    }
    buf_add_text(
        json, "},\n\"responses\":{\"problem\":{\"description\":\"what is wrong, and what to do\","
              "\"content\":{\"application/"
              "problem+json\":{\"schema\":{\"type\":\"object\",\"properties\":{"
              "\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
              "\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"}}}}}}},"
              "\n\"securitySchemes\":{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"},"
              "\"header\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-API-Key\"},"
              "\"query\":{\"type\":\"apiKey\",\"in\":\"query\",\"name\":\"access_token\"}}}");
}

void ogc_api(struct visit *visit)
{
    struct buf json;
    buf_init(&json, ANSWER_BYTES_MAX);
    buf_add_text(
        &json, "{\"openapi\":\"3.0.3\",\"info\":{\"title\":\"storey\",\"version\":\"" STOREY_VERSION
               "\",\"description\":\"3D city models as 3D Tiles, and what is known about "
               "their buildings. HEAD and OPTIONS are answered wherever GET is.\","
               "\"license\":{\"name\":\"Apache-2.0\"}},\"servers\":[{\"url\":\"");
    const size_t before = json.size;
    answer_print_base(&json, visit);
    if (json.size == before) {
        buf_add_byte(&json, '/');
    }
    buf_add_text(&json, "\"}],");
    print_paths(&json);
    print_components(&json);
    buf_add_text(&json, "}\n");
    answer_document(visit, ANSWER_API, &json);
}
