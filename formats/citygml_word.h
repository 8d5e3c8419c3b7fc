/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CITYGML_WORD_H
#define FORMATS_CITYGML_WORD_H

/*
 * citygml_word.h - what the name of an element means, in any version.
 *
 * Namespaces are told apart by what they are about: GML 3.1 and 3.2 are one,
 * all modules of CityGML 1.0, 2.0 and 3.0 but appearance and generics are one.
 * For citygml*.c alone.
 */

#include "formats/feature.h"

enum citygml_space {
    SPACE_OTHER, /* extensions, and what is unknown */
    SPACE_GML,
    SPACE_CITY,
    SPACE_APPEARANCE,
    SPACE_GENERICS,
    SPACE_XAL
};

enum citygml_meaning {
    WORD_OTHER,
    /* the model and its objects */
    WORD_MODEL,
    WORD_MEMBER,
    WORD_APPEARANCE_MEMBER,
    WORD_OBJECT,
    WORD_SURFACE,
    WORD_BOUNDARY, /* the property that holds surfaces */
    WORD_BOUNDED_BY,
    WORD_ENVELOPE,
    WORD_NAME,
    WORD_DESCRIPTION,
    WORD_ADDRESS,      /* core:Address, xAL's AddressDetails and Address */
    WORD_RELIEF_LEVEL, /* dem:lod */
    WORD_TIN,          /* dem:tin: geometry without a level in its name */
    WORD_GROUP_MEMBER,
    WORD_KEEP_OUT, /* dynamic data, versions, point clouds: nothing to show */
    /* generic attributes */
    WORD_GENERIC_TEXT,
    WORD_GENERIC_INT,
    WORD_GENERIC_REAL,
    WORD_GENERIC_SET,
    WORD_GENERIC_VALUE,
    WORD_GENERIC_NAME,
    /* geometry */
    WORD_SURFACES,
    WORD_ORIENTABLE,
    WORD_POLYGON,
    WORD_SOLID,
    WORD_SOLIDS,
    WORD_EXTERIOR,
    WORD_INTERIOR,
    WORD_RING,
    WORD_CURVE,
    WORD_POINT,
    WORD_POS,
    WORD_COORDINATES,
    WORD_NO_GEOMETRY, /* control points and the like: within geometry, not of it */
    /* implicit geometry */
    WORD_IMPLICIT,
    WORD_MATRIX,
    WORD_LIBRARY_OBJECT,
    WORD_RELATIVE_GEOMETRY,
    WORD_REFERENCE_POINT,
    /* appearance */
    WORD_APPEARANCE_PROPERTY,
    WORD_APPEARANCE,
    WORD_THEME,
    WORD_MATERIAL,
    WORD_TEXTURE,
    WORD_GEOREFERENCED,
    WORD_IS_FRONT,
    WORD_DIFFUSE,
    WORD_EMISSIVE,
    WORD_SPECULAR,
    WORD_TRANSPARENCY,
    WORD_SHININESS,
    WORD_AMBIENT,
    WORD_IMAGE,
    WORD_WRAP,
    WORD_BORDER,
    WORD_TARGET,
    WORD_UV_LISTS, /* TexCoordList */
    WORD_UV_LIST,  /* textureCoordinates */
    WORD_UV_RING,
    WORD_UV_MATRIX,
    WORD_ORIENTATION,
    WORD_PREFER_WORLD_FILE
};

struct citygml_word {
    uint8_t meaning; /* enum citygml_meaning */
    uint8_t space;   /* enum citygml_space */
    uint8_t surface; /* of WORD_SURFACE: enum feature_surface */
    int8_t level;    /* of a name such as "lod2Solid"; else -1 */
    bool is_roof_edge;
    bool is_curve; /* "lod2TerrainIntersection" */
    struct text local;
};

/* `local` and `space` are kept. */
struct citygml_word citygml_word_of(const char *local, const char *space);

#endif
