/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_NAMES_H
#define TILER_NAMES_H

/*
 * names.h - which attributes say what people call a thing, or where it stands:
 * the name search looks in them.
 *
 *     name, gml:name, 名称, 建筑名称, 名前, Bezeichnung, nom, title, ...
 *     address, 地址, 住所, Adresse, adres, ...
 *
 * Spelling does not matter: case, "_", ":", "-", " " and "." are looked past.
 *
 * Threads  no state
 */

#include "formats/base/bytes.h"

enum names_role {
    NAMES_NO_ROLE,
    NAMES_NAME,   /* stands for the name of what has none */
    NAMES_ADDRESS /* is searched, but is no name */
};

enum names_role names_role_of(struct text key);

#endif
