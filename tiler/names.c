/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/names.h"

enum { KEY_BYTES_MAX = 48 };

/* Folded: lower case without separators. */
static const struct {
    const char *key;
    enum names_role role;
} known_keys[] = {
    {"name", NAMES_NAME},          {"gmlname", NAMES_NAME},     {"names", NAMES_NAME},
    {"namezh", NAMES_NAME},        {"namecn", NAMES_NAME},      {"nameen", NAMES_NAME},
    {"nameja", NAMES_NAME},        {"namede", NAMES_NAME},      {"namefr", NAMES_NAME},
    {"namelocal", NAMES_NAME},     {"altname", NAMES_NAME},     {"shortname", NAMES_NAME},
    {"officialname", NAMES_NAME},  {"fullname", NAMES_NAME},    {"buildingname", NAMES_NAME},
    {"bldgname", NAMES_NAME},      {"projectname", NAMES_NAME}, {"title", NAMES_NAME},
    {"label", NAMES_NAME},         {"bezeichnung", NAMES_NAME}, {"gebaeudename", NAMES_NAME},
    {"naam", NAMES_NAME},          {"nom", NAMES_NAME},         {"nombre", NAMES_NAME},
    {"nome", NAMES_NAME},          {"名称", NAMES_NAME},        {"名稱", NAMES_NAME},
    {"名字", NAMES_NAME},          {"名", NAMES_NAME},          {"名前", NAMES_NAME},
    {"建筑名称", NAMES_NAME},      {"建築名稱", NAMES_NAME},    {"楼名", NAMES_NAME},
    {"项目名称", NAMES_NAME},      {"小区名称", NAMES_NAME},    {"建物名", NAMES_NAME},
    {"address", NAMES_ADDRESS},    {"addr", NAMES_ADDRESS},     {"addrfull", NAMES_ADDRESS},
    {"addrstreet", NAMES_ADDRESS}, {"street", NAMES_ADDRESS},   {"adresse", NAMES_ADDRESS},
    {"adres", NAMES_ADDRESS},      {"strasse", NAMES_ADDRESS},  {"direccion", NAMES_ADDRESS},
    {"indirizzo", NAMES_ADDRESS},  {"地址", NAMES_ADDRESS},     {"建筑地址", NAMES_ADDRESS},
    {"住所", NAMES_ADDRESS},       {"所在地", NAMES_ADDRESS},
};

enum names_role names_role_of(struct text key)
{
    char folded[KEY_BYTES_MAX];
    size_t size = 0;
    for (size_t i = 0; i < key.size; i++) {
        const char c = key.data[i];
        if (c == '_' || c == ':' || c == '-' || c == ' ' || c == '.') {
            continue;
        }
        if (size == sizeof folded) {
            return NAMES_NO_ROLE;
        }
        folded[size++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    for (size_t i = 0; i < sizeof known_keys / sizeof known_keys[0]; i++) {
        if (text_is((struct text){folded, size}, known_keys[i].key)) {
            return known_keys[i].role;
        }
    }
    return NAMES_NO_ROLE;
}
