/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CITYGML_H
#define FORMATS_CITYGML_H

/*
 * citygml.h - CityGML 1.0, 2.0 and 3.0, for source.c.
 *
 * The file is pushed through the XML parser member by member
 * (cityObjectMember); each is read whole, yields its objects one by one, and is
 * forgotten. What the model says about appearance at its end is read first, by
 * itself, into a sorted table in the temporary folder. Members whose xlinks
 * lead out of them wait until the end and are read again, with what they name.
 *
 * What is a feature: every city object, nested ones too (BuildingPart, Room,
 * BuildingInstallation, Storey, TINRelief, ...), with the object around it as
 * its parent. Boundary surfaces, openings and traffic areas are surfaces of the
 * object around them, in the level of detail that their property names; where a
 * solid of that level names or repeats them, they are there once, in the solid.
 *
 * Prototypes of implicit geometry are metres east, north and up of their
 * reference point, also where the city is in degrees.
 *
 * What a surface wears on its back (isFront false) is a surface of its own, 5 mm
 * behind it and the other way round; not in solids, whose inside nobody sees.
 * wrapMode "none": beyond the image's edges there is the material's colour, or a
 * light grey, as a border. One that is not said counts as repeating, which is
 * what files without it are drawn with.
 *
 * An extension's properties that are called as CityGML's own, such as
 * urf:lod1MultiSurface, are drawn; its class has a plus before it.
 *
 * Attributes
 *
 *     bldg:measuredHeight uom="m"   measuredHeight = 12.5, measuredHeight_unit = "m"
 *     bldg:usage codeSpace="x.xml"  usage = "411", usage_text = "..." from the dictionary x.xml
 *     a value in nested elements    property.leaf, as in externalReference.informationSystem;
 *                                   of the second such property: property_2.leaf
 *     uro:KeyValuePair              property.<what the key means> = its value
 *     the same element again        "a; b"
 *     generic attribute, in a set   its name; set.name
 *     xAL address                   address = {"CountryName":...} as JSON; several: an array
 *     gml:name                      name
 *     of a boundary surface, opening or traffic area: class, function, usage,
 *     surfaceMaterial and generic attributes, as text, each different value once; not
 *     handed down to parts
 *                                   WallSurface.function = "1000; 1010"
 *
 * "12" and "1.5" become numbers, "012" and what has a codeSpace stays text.
 *
 * Source   OGC 08-007r1 (CityGML 1.0), 12-019 (2.0), 20-010 and 21-006r2 (3.0);
 *          03-105r1 (GML 3.1.1), 07-036 (GML 3.2.1); xAL 2.0 and 3.0;
 *          Technical Specification for 3D City Models, MLIT (i-UR)
 * Limits   those of xml.h; 1 GiB for one array of a member; CITYGML_LINKS_MAX
 *          xlinks from one to the next; CITYGML_WANTED_MAX different ids that
 *          xlinks want from other members
 *
 * What is reported, feature by feature (levels and kinds of struct report):
 *
 *     lost      the call fails: a coordinate that is no number, coordinates
 *               that do not come in threes; a member that is not well-formed
 *     skipped   ring-too-short, link-missing, link-outside, library-object,
 *               geometry-unknown (an extension's)
 *     repaired  hole-too-short, ring-collapsed, texture, link-in-circle
 *     notice    not-drawn (points and curves), id-missing, id-invalid, encoding, theme,
 *               back-not-drawn (within solids), roof-edge (level 0 has a footprint, too),
 *               dictionary, prefix-undeclared
 */

#include "formats/reader.h"

/* Different values of one property of a feature's surfaces that are listed. */
enum { CITYGML_SURFACE_VALUES_MAX = 16 };

enum { CITYGML_LINKS_MAX = 32, CITYGML_WANTED_MAX = 4 * 1024 * 1024 };

extern const struct reader citygml_reader;

#endif
