/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/citygml_word.h"

struct row {
    const char *local;
    enum citygml_meaning meaning;
};

/* ---- classes ---- */

/* Everything that is a feature of its own, of all modules and versions. */
static const char *const objects[] = {
    "Building",
    "BuildingPart",
    "BuildingInstallation",
    "IntBuildingInstallation",
    "BuildingConstructiveElement",
    "BuildingFurniture",
    "BuildingRoom",
    "BuildingUnit",
    "Room",
    "Storey",
    "Bridge",
    "BridgePart",
    "BridgeInstallation",
    "IntBridgeInstallation",
    "BridgeConstructionElement",
    "BridgeConstructiveElement",
    "BridgeFurniture",
    "BridgeRoom",
    "Tunnel",
    "TunnelPart",
    "TunnelInstallation",
    "IntTunnelInstallation",
    "TunnelConstructiveElement",
    "TunnelFurniture",
    "HollowSpace",
    "OtherConstruction",
    "TransportationComplex",
    "Road",
    "Railway",
    "Track",
    "Square",
    "Waterway",
    "Section",
    "Intersection",
    "TrafficSpace",
    "AuxiliaryTrafficSpace",
    "ClearanceSpace",
    "PlantCover",
    "SolitaryVegetationObject",
    "CityFurniture",
    "WaterBody",
    "LandUse",
    "ReliefFeature",
    "TINRelief",
    "MassPointRelief",
    "BreaklineRelief",
    "RasterRelief",
    "GenericCityObject",
    "GenericLogicalSpace",
    "GenericOccupiedSpace",
    "GenericUnoccupiedSpace",
    "CityObjectGroup",
};

/* Surfaces whose word is not CityGML 2.0's. */
static const struct {
    const char *local;
    enum feature_surface kind;
} surfaces[] = {
    {"WindowSurface", SURFACE_WINDOW},
    {"DoorSurface", SURFACE_DOOR},
    {"WaterClosureSurface", SURFACE_CLOSURE},
    {"OuterBuildingInstallation", SURFACE_UNKNOWN}, /* a word of CityJSON's, not a class here */
    {"Marking", SURFACE_AUXILIARY_TRAFFIC},
    {"Hole", SURFACE_UNKNOWN},
    {"HoleSurface", SURFACE_UNKNOWN},
    {"GenericThematicSurface", SURFACE_UNKNOWN},
};

/* ---- other words ---- */

static const struct row gml_rows[] = {
    {"boundedBy", WORD_BOUNDED_BY},
    {"Envelope", WORD_ENVELOPE},
    {"EnvelopeWithTimePeriod", WORD_ENVELOPE},
    {"Box", WORD_ENVELOPE},
    {"Null", WORD_ENVELOPE},
    {"name", WORD_NAME},
    {"description", WORD_DESCRIPTION},
    {"featureMember", WORD_MEMBER},
    {"featureMembers", WORD_MEMBER},
    {"member", WORD_MEMBER},
    {"MultiSurface", WORD_SURFACES},
    {"CompositeSurface", WORD_SURFACES},
    {"Surface", WORD_SURFACES},
    {"PolyhedralSurface", WORD_SURFACES},
    {"TriangulatedSurface", WORD_SURFACES},
    {"Tin", WORD_SURFACES},
    {"Shell", WORD_SURFACES},
    {"MultiPolygon", WORD_SURFACES},
    {"MultiGeometry", WORD_SURFACES},
    {"GeometricComplex", WORD_SURFACES},
    {"OrientableSurface", WORD_ORIENTABLE},
    {"Polygon", WORD_POLYGON},
    {"PolygonPatch", WORD_POLYGON},
    {"Triangle", WORD_POLYGON},
    {"Rectangle", WORD_POLYGON},
    {"Solid", WORD_SOLID},
    {"CompositeSolid", WORD_SOLIDS},
    {"MultiSolid", WORD_SOLIDS},
    {"exterior", WORD_EXTERIOR},
    {"outerBoundaryIs", WORD_EXTERIOR},
    {"interior", WORD_INTERIOR},
    {"innerBoundaryIs", WORD_INTERIOR},
    {"LinearRing", WORD_RING},
    {"Ring", WORD_RING},
    {"LineString", WORD_CURVE},
    {"LineStringSegment", WORD_CURVE},
    {"Curve", WORD_CURVE},
    {"CompositeCurve", WORD_CURVE},
    {"OrientableCurve", WORD_CURVE},
    {"MultiCurve", WORD_CURVE},
    {"MultiLineString", WORD_CURVE},
    {"Point", WORD_POINT},
    {"MultiPoint", WORD_POINT},
    {"pos", WORD_POS},
    {"posList", WORD_POS},
    {"coordinates", WORD_COORDINATES},
    {"controlPoint", WORD_NO_GEOMETRY},
    {"stopLines", WORD_NO_GEOMETRY},
    {"breakLines", WORD_NO_GEOMETRY},
    {"metaDataProperty", WORD_NO_GEOMETRY},
};

static const struct row city_rows[] = {
    {"CityModel", WORD_MODEL},
    {"cityObjectMember", WORD_MEMBER},
    {"featureMember", WORD_MEMBER},
    {"appearance", WORD_APPEARANCE_PROPERTY},
    {"appearanceMember", WORD_APPEARANCE_MEMBER},
    {"boundedBy", WORD_BOUNDARY},
    {"boundary", WORD_BOUNDARY},
    {"Address", WORD_ADDRESS},
    {"lod", WORD_RELIEF_LEVEL},
    {"tin", WORD_TIN},
    {"groupMember", WORD_GROUP_MEMBER},
    {"parent", WORD_GROUP_MEMBER},
    {"ImplicitGeometry", WORD_IMPLICIT},
    {"transformationMatrix", WORD_MATRIX},
    {"libraryObject", WORD_LIBRARY_OBJECT},
    {"relativeGMLGeometry", WORD_RELATIVE_GEOMETRY},
    {"relativeGeometry", WORD_RELATIVE_GEOMETRY},
    {"referencePoint", WORD_REFERENCE_POINT},
    {"TexturedSurface", WORD_ORIENTABLE}, /* of 0.4 */
    {"dynamizer", WORD_KEEP_OUT},
    {"versionMember", WORD_KEEP_OUT},
    {"versionTransitionMember", WORD_KEEP_OUT},
    {"pointCloud", WORD_KEEP_OUT},
    {"genericApplicationPropertyOfCityModel", WORD_KEEP_OUT},
};

static const struct row generic_rows[] = {
    {"stringAttribute", WORD_GENERIC_TEXT},
    {"StringAttribute", WORD_GENERIC_TEXT},
    {"dateAttribute", WORD_GENERIC_TEXT},
    {"DateAttribute", WORD_GENERIC_TEXT},
    {"uriAttribute", WORD_GENERIC_TEXT},
    {"UriAttribute", WORD_GENERIC_TEXT},
    {"CodeAttribute", WORD_GENERIC_TEXT},
    {"codeAttribute", WORD_GENERIC_TEXT},
    {"intAttribute", WORD_GENERIC_INT},
    {"IntAttribute", WORD_GENERIC_INT},
    {"doubleAttribute", WORD_GENERIC_REAL},
    {"DoubleAttribute", WORD_GENERIC_REAL},
    {"measureAttribute", WORD_GENERIC_REAL},
    {"MeasureAttribute", WORD_GENERIC_REAL},
    {"genericAttributeSet", WORD_GENERIC_SET},
    {"GenericAttributeSet", WORD_GENERIC_SET},
    {"value", WORD_GENERIC_VALUE},
    {"name", WORD_GENERIC_NAME},
};

static const struct row appearance_rows[] = {
    {"appearance", WORD_APPEARANCE_PROPERTY},
    {"appearanceMember", WORD_APPEARANCE_MEMBER},
    {"Appearance", WORD_APPEARANCE},
    {"theme", WORD_THEME},
    {"X3DMaterial", WORD_MATERIAL},
    {"ParameterizedTexture", WORD_TEXTURE},
    {"GeoreferencedTexture", WORD_GEOREFERENCED},
    {"isFront", WORD_IS_FRONT},
    {"diffuseColor", WORD_DIFFUSE},
    {"emissiveColor", WORD_EMISSIVE},
    {"specularColor", WORD_SPECULAR},
    {"transparency", WORD_TRANSPARENCY},
    {"shininess", WORD_SHININESS},
    {"ambientIntensity", WORD_AMBIENT},
    {"imageURI", WORD_IMAGE},
    {"wrapMode", WORD_WRAP},
    {"borderColor", WORD_BORDER},
    {"target", WORD_TARGET},
    {"TexCoordList", WORD_UV_LISTS},
    {"textureCoordinates", WORD_UV_LIST},
    {"ring", WORD_UV_RING},
    {"worldToTexture", WORD_UV_MATRIX},
    {"orientation", WORD_ORIENTATION},
    {"referencePoint", WORD_REFERENCE_POINT},
    {"preferWorldFile", WORD_PREFER_WORLD_FILE},
};

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t size = strlen(text);
    const size_t end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static enum citygml_meaning find(const struct row *rows, size_t count, const char *local)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].local, local) == 0) {
            return rows[i].meaning;
        }
    }
    return WORD_OTHER;
}

#define FIND(rows, local) find(rows, sizeof(rows) / sizeof((rows)[0]), local)

static enum citygml_space space_of(const char *space)
{
    static const char city[] = "http://www.opengis.net/citygml/";
    /* The first drafts. */
    static const char old_city[] = "http://www.citygml.org/citygml/";
    if (starts_with(space, "http://www.opengis.net/gml")) {
        return SPACE_GML;
    }
    if (starts_with(space, "urn:oasis:names:tc:ciq:")) {
        return SPACE_XAL;
    }
    const char *module = starts_with(space, city)       ? space + strlen(city)
                         : starts_with(space, old_city) ? space + strlen(old_city)
                                                        : NULL;
    return module == NULL                       ? SPACE_OTHER
           : starts_with(module, "appearance/") ? SPACE_APPEARANCE
           : starts_with(module, "generics/")   ? SPACE_GENERICS
                                                : SPACE_CITY;
}

/* "lod2Solid", "lod0RoofEdge", "lod3TerrainIntersectionCurve". */
static void read_level(struct citygml_word *word)
{
    const char *local = word->local.data;
    word->level = -1;
    if (starts_with(local, "lod") && local[3] >= '0' && local[3] <= '4' &&
        (local[4] == '\0' || (local[4] >= 'A' && local[4] <= 'Z'))) {
        word->level = (int8_t)(local[3] - '0');
        word->is_roof_edge = strcmp(local + 4, "RoofEdge") == 0;
        word->is_curve = starts_with(local + 4, "TerrainIntersection") ||
                         strcmp(local + 4, "MultiCurve") == 0 ||
                         strcmp(local + 4, "Network") == 0 ||
                         strcmp(local + 4, "MultiPoint") == 0 || strcmp(local + 4, "Point") == 0;
    }
}

/* Of an extension's properties those that are called as CityGML calls its own
 * mean the same: "urf:lod1MultiSurface". */
static void read_known_level(struct citygml_word *word)
{
    static const char *const names[] = {"MultiSurface", "Solid",     "Geometry", "MultiCurve",
                                        "MultiPoint",   "FootPrint", "RoofEdge"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (word->local.size > 4 && strcmp(word->local.data + 4, names[i]) == 0) {
            read_level(word);
            return;
        }
    }
}

static void read_class(struct citygml_word *word)
{
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        if (text_is(word->local, objects[i])) {
            word->meaning = WORD_OBJECT;
            return;
        }
    }
    for (size_t i = 0; i < sizeof surfaces / sizeof surfaces[0]; i++) {
        if (text_is(word->local, surfaces[i].local)) {
            word->meaning = WORD_SURFACE;
            word->surface = (uint8_t)surfaces[i].kind;
            return;
        }
    }
    const enum feature_surface kind = feature_surface_of(word->local);
    if (kind != SURFACE_UNKNOWN) {
        word->meaning = WORD_SURFACE;
        word->surface = (uint8_t)kind;
    }
}

/* An extension's "SolarRoofSurface" is a roof. */
static void guess_surface(struct citygml_word *word)
{
    for (int kind = SURFACE_UNKNOWN + 1; kind < SURFACE_KIND_COUNT; kind++) {
        const char *name = feature_surface_name((enum feature_surface)kind);
        if (ends_with(name, "Surface") && ends_with(word->local.data, name)) {
            word->surface = (uint8_t)kind;
        }
    }
}

struct citygml_word citygml_word_of(const char *local, const char *space)
{
    struct citygml_word word = {
        .space = (uint8_t)space_of(space), .level = -1, .local = text_of(local)};
    switch ((enum citygml_space)word.space) {
    case SPACE_GML:
        word.meaning = (uint8_t)FIND(gml_rows, local);
        break;
    case SPACE_CITY:
        word.meaning = (uint8_t)FIND(city_rows, local);
        read_level(&word);
        if (word.meaning == WORD_OTHER) {
            read_class(&word);
        }
        break;
    case SPACE_GENERICS:
        word.meaning = (uint8_t)FIND(generic_rows, local);
        read_level(&word);
        if (word.meaning == WORD_OTHER) {
            read_class(&word);
        }
        break;
    case SPACE_APPEARANCE:
        word.meaning = (uint8_t)FIND(appearance_rows, local);
        break;
    case SPACE_XAL:
        word.meaning = strcmp(local, "AddressDetails") == 0 || strcmp(local, "Address") == 0
                           ? WORD_ADDRESS
                           : WORD_OTHER;
        break;
    case SPACE_OTHER:
        guess_surface(&word);
        read_known_level(&word);
        break;
    }
    return word;
}
