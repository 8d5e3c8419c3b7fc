/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/feature.h"

/* CityGML 2.0, "Boundary surfaces"; 3.0 and CityJSON use the same words. */
static const char *const surface_names[SURFACE_KIND_COUNT] = {
    [SURFACE_UNKNOWN] = "",
    [SURFACE_ROOF] = "RoofSurface",
    [SURFACE_WALL] = "WallSurface",
    [SURFACE_GROUND] = "GroundSurface",
    [SURFACE_CLOSURE] = "ClosureSurface",
    [SURFACE_OUTER_CEILING] = "OuterCeilingSurface",
    [SURFACE_OUTER_FLOOR] = "OuterFloorSurface",
    [SURFACE_WINDOW] = "Window",
    [SURFACE_DOOR] = "Door",
    [SURFACE_INTERIOR_WALL] = "InteriorWallSurface",
    [SURFACE_CEILING] = "CeilingSurface",
    [SURFACE_FLOOR] = "FloorSurface",
    [SURFACE_WATER] = "WaterSurface",
    [SURFACE_WATER_GROUND] = "WaterGroundSurface",
    [SURFACE_TRAFFIC] = "TrafficArea",
    [SURFACE_AUXILIARY_TRAFFIC] = "AuxiliaryTrafficArea",
    [SURFACE_INSTALLATION] = "OuterBuildingInstallation",
};

/* New ones go to the end: tiles name a class by its number. */
const char *const feature_classes[] = {
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
    "BuildingStorey",
    "TunnelHollowSpace",
    "TransportSquare",
};
const size_t feature_class_count = sizeof feature_classes / sizeof feature_classes[0];

enum feature_surface feature_surface_of(struct text word)
{
    for (int kind = SURFACE_UNKNOWN + 1; kind < SURFACE_KIND_COUNT; kind++) {
        if (text_is(word, surface_names[kind])) {
            return (enum feature_surface)kind;
        }
    }
    return SURFACE_UNKNOWN;
}

const char *feature_surface_name(enum feature_surface kind)
{
    return surface_names[kind];
}
