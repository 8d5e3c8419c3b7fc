/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CITYJSON_H
#define FORMATS_CITYJSON_H

/*
 * cityjson.h - CityJSON documents and CityJSONSeq, for source.c.
 *
 * A document is read twice. The first pass checks every byte as JSON, whatever
 * the order of its members, spills vertices as packed integers, and notes where
 * each city object, template, material and texture stands. The second pass goes
 * through the city objects in file order and yields each as a feature.
 *
 *     {"type": "CityJSON", "version": "2.0",
 *      "CityObjects": {"id": {...}, ...},   place, id, parents, finest level
 *      "vertices": [[x, y, z], ...],        3 x int32, or 3 x double
 *      "transform": ..., "appearance": ..., "geometry-templates": ...}
 *
 * A sequence is a document per line; what a line does not have (transform,
 * templates, appearance) the first line has. A broken line loses its features
 * alone.
 *
 * Source   CityJSON Specifications 1.0.3, 1.1.3, 2.0.1: "CityJSON Object",
 *          "City Objects", "Geometry Objects", "Appearance Object",
 *          "Text sequences and streaming with CityJSONFeature"
 * Limits   JSON_DEPTH_MAX levels; 2^32 - 2 vertices and objects; ancestors to
 *          CITYJSON_ANCESTORS_MAX (beyond, and in circles, the parent is cut)
 *
 * What is reported, feature by feature (levels and kinds of struct report):
 *
 *     lost      the call fails: index past the end, coordinate that is no
 *               number, value of a wrong JSON type, no type, template missing
 *     skipped   ring-too-short        the polygon of an outer ring of fewer
 *                                     than 3 points
 *               geometry-unknown      a geometry type that is not in the
 *                                     specification
 *     repaired  hole-too-short        the hole is left out
 *               ring-collapsed        enough points, but fewer than 3 differ: no
 *                                     area, left out
 *               semantics, material, texture   an index past the end or values
 *                                     that do not fit the boundaries: the
 *                                     surfaces go without
 *               attribute-too-large   a number such as 1e999 becomes null
 *               attribute-twice       the last value stays
 *               lod-unreadable        the level is taken as not stated
 *               parent-missing, parent-in-circle   the object stands alone
 *     notice    not-drawn             MultiPoint, MultiLineString
 */

#include "formats/reader.h"

enum { CITYJSON_ANCESTORS_MAX = 64 };

extern const struct reader cityjson_reader;

#endif
