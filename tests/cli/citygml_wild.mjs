// SPDX-License-Identifier: Apache-2.0
//
// citygml_wild.mjs - CityGML in the shapes that cities publish it in: tiled, asked and looked at.
//
//   node tests/cli/citygml_wild.mjs [NAME]
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { isMain, made, report, test } from "../outside/judge.mjs";
import { run } from "../outside/programs.mjs";
import { readReport } from "../outside/real.mjs";
import * as city from "./citygml_city.mjs";

const { appearance, building, colors, frames, list, lod2, member, model, nameOf, plain, polygon, quarters, roof, surfaces, target, texture, wall, wholeImage } = city;
const here = path.join(made, "wild");

const METRES_A_DEGREE = 111_205;

/** One wall that faces south and wears the four quarters. */
const dressed = (image, { id = "w", uvs = wholeImage, hash = "#", extra = "", theme = "rgbTexture" } = {}) =>
  appearance(texture(image, target(`${hash}${id}`, [[`${hash}${id}_r0`, uvs]]), extra), theme);
const house = (id = "b1", corner = [0, 0]) => member(building(id, lod2([polygon("w", [wall(corner)])])));
const quartersSeen = ["blue", "yellow", "red", "green"];

/** The faces of a box; the first one is the wall. */
const box = [
  wall(),
  [[10, 0, 0], [10, 10, 0], [10, 10, 10], [10, 0, 10]],
  [[10, 10, 0], [0, 10, 0], [0, 10, 10], [10, 10, 10]],
  [[0, 10, 0], [0, 0, 0], [0, 0, 10], [0, 10, 10]],
  roof([0, 0], 10),
  [[0, 0, 0], [0, 10, 0], [10, 10, 0], [10, 0, 0]],
];

/**
 * Each case: files, which of them are read, options, and what is expected: `status`, `ids` of the features,
 * `kinds` that the report has (and none but these and notices), `seen`: the colours of the wall's
 * quarters (above left, above right, below left, below right), `check(features)`: findings.
 */
const cases = {
  "an appearance member at the end": {
    files: { "city.gml": model(house() + dressed("city_appearance/a.png")), "city_appearance/a.png": quarters() },
    seen: quartersSeen,
  },
  "targets without a hash": { files: { "city.gml": model(house() + dressed("a.png", { hash: "" })), "a.png": quarters() }, seen: quartersSeen },
  "an appearance within the feature": {
    files: {
      "city.gml": model(
        member(building("b1", `${appearance(texture("a.png", target("#w", [["#w_r0", wholeImage]])), "t", "app:appearance")}${lod2([polygon("w", [wall()])])}`)),
      ),
      "a.png": quarters(),
    },
    seen: quartersSeen,
  },
  "a path with back-slashes": { files: { "city.gml": model(house() + dressed("pics\\a.png")), "pics/a.png": quarters() }, seen: quartersSeen },
  "a suffix in capitals": { files: { "city.gml": model(house() + dressed("PICS/A.PNG")), "pics/a.png": quarters() }, seen: quartersSeen },
  "a name in percents": { files: { "city.gml": model(house() + dressed("pics/%E5%BB%BA%E7%89%A9%201.png")), "pics/建物 1.png": quarters() }, seen: quartersSeen },
  "a name in Japanese": { files: { "外観.gml": model(house() + dressed("外観_appearance/建物.png")), "外観_appearance/建物.png": quarters() }, read: "外観.gml", seen: quartersSeen },
  "a name that has a percent": { files: { "city.gml": model(house() + dressed("pics/50%20off.png")), "pics/50%20off.png": quarters() }, seen: quartersSeen },
  "a path from the folder's name": { files: { "udx/bldg/city.gml": model(house() + dressed("./city_appearance/a.png")), "udx/bldg/city_appearance/a.png": quarters() }, read: "udx", seen: quartersSeen },
  "a suffix that lies": { files: { "city.gml": model(house() + dressed("a.jpg")), "a.jpg": quarters() }, seen: quartersSeen },
  "two themes, the first": {
    files: {
      "city.gml": model(house() + dressed("a.png", { theme: "summer" }) + dressed("b.png", { theme: "winter" })),
      "a.png": quarters(),
      "b.png": plain(colors.cyan),
    },
    seen: quartersSeen,
  },
  "two themes, the second": {
    files: {
      "city.gml": model(house() + dressed("a.png", { theme: "summer" }) + dressed("b.png", { theme: "winter" })),
      "a.png": quarters(),
      "b.png": plain(colors.cyan),
    },
    options: ["--theme", "winter"],
    seen: ["cyan", "cyan", "cyan", "cyan"],
  },
  "an image that is not there": { files: { "city.gml": model(house() + dressed("gone.png")) }, kinds: ["image-missing"] },
  "a texture with a window hole of its own list": {
    files: {
      "city.gml": model(
        member(building("b1", lod2([polygon("w", [wall(), [[4, 0, 4], [4, 0, 6], [6, 0, 6], [6, 0, 4]]])]))) +
          appearance(texture("a.png", target("#w", [["#w_r0", wholeImage], ["#w_r1", "0.4 0.4 0.4 0.6 0.6 0.6 0.6 0.4 0.4 0.4"]]))),
      ),
      "a.png": quarters(),
    },
    seen: quartersSeen,
  },
  "a ring that is not closed": {
    files: { "city.gml": model(member(building("b1", lod2([polygon("w", [wall()], { open: true })]))) + dressed("a.png", { uvs: "0 0 1 0 1 1 0 1" })), "a.png": quarters() },
    seen: quartersSeen,
  },
  "texture coordinates by a matrix": {
    files: {
      "city.gml": model(
        house() +
          appearance(
            `<app:surfaceDataMember><app:ParameterizedTexture><app:imageURI>a.png</app:imageURI><app:target uri="#w"><app:TexCoordGen><app:worldToTexture>0.1 0 0 -50000 0 0 0.1 0 0 0 0 1</app:worldToTexture></app:TexCoordGen></app:target></app:ParameterizedTexture></app:surfaceDataMember>`,
          ),
      ),
      "a.png": quarters(),
    },
    seen: quartersSeen,
  },
  "relief under a photograph with a world file": {
    files: {
      "city.gml": model(relief() + ground("photo.png", "")),
      "photo.png": quarters(),
      "photo.pgw": "0.15625\n0\n0\n-0.15625\n500000.078125\n5400009.921875\n",
    },
    above: quartersSeen,
  },
  "relief under a photograph with its place": {
    files: {
      "city.gml": model(
        relief() + ground("photo.png", `<app:preferWorldFile>false</app:preferWorldFile><app:referencePoint><gml:Point><gml:pos>500000.078125 5400009.921875</gml:pos></gml:Point></app:referencePoint><app:orientation>0.15625 0 0 -0.15625</app:orientation>`),
      ),
      "photo.png": quarters(),
    },
    above: quartersSeen,
  },
  "furniture as a prototype that is textured": {
    files: {
      "city.gml": model(
        member(furniture("f1", [0, 0], `<core:relativeGMLGeometry>${surfaces([polygon("w", [wall()], { frame: (p) => p.join(" ") })], ' gml:id="proto"')}</core:relativeGMLGeometry>`)) +
          member(furniture("f2", [30, 0], '<core:relativeGMLGeometry xlink:href="#proto"/>')) +
          dressed("a.png"),
      ),
      "a.png": quarters(),
    },
    ids: ["f1", "f2"],
    of: "f2",
    seen: quartersSeen,
  },
  "a group of buildings": {
    files: {
      "city.gml": model(
        house("b1") +
          member(building("b2", lod2([polygon("w2", [wall([20, 0])])]))) +
          member(`<grp:CityObjectGroup gml:id="g"><gml:name>block</gml:name><grp:groupMember xlink:href="#b1"/><grp:groupMember xlink:href="#b2"/></grp:CityObjectGroup>`),
      ),
    },
    ids: ["b1", "b2"],
  },
  "members within a group": {
    files: {
      "city.gml": model(member(`<grp:CityObjectGroup gml:id="g"><grp:groupMember>${building("b1", lod2([polygon("w", [wall()])]))}</grp:groupMember></grp:CityObjectGroup>`)),
    },
    ids: ["b1"],
  },
  "empty solids and polygons without an area": {
    files: {
      "city.gml": model(
        member(
          building(
            "b1",
            `<bldg:lod1Solid><gml:Solid/></bldg:lod1Solid><bldg:lod2Solid><gml:Solid><gml:exterior/></gml:Solid></bldg:lod2Solid>` +
              lod2([polygon("w", [wall()]), polygon("line", [[[0, 0, 0], [5, 0, 0], [10, 0, 0]]]), polygon("dot", [[[1, 1, 1], [1, 1, 1], [1, 1, 1]]]), "<gml:Polygon/>", "<gml:Polygon><gml:exterior/></gml:Polygon>"]),
          ),
        ) + member(building("b2", "<bldg:lod2Solid><gml:Solid><gml:exterior><gml:CompositeSurface/></gml:exterior></gml:Solid></bldg:lod2Solid>")),
      ),
    },
    status: "0 or 3",
    ids: ["b1"],
  },
  "ids that are missing": { files: { "city.gml": model(member(building("", lod2([polygon("", [wall()])]))) + member(building("", lod2([polygon("", [wall([20, 0])])])))) }, count: 2 },
  "ids that come twice": { files: { "city.gml": model(`${house("b1", [0, 0])}\n${house("b1", [20, 0])}`) }, kinds: ["id-not-unique"], count: 2 },
  "ids that come twice on one line": { files: { "city.gml": model(house("b1", [0, 0]) + house("b1", [20, 0])) }, kinds: ["id-not-unique"], count: 2 },
  "a surface in another file": {
    files: {
      "city.gml": model(
        member(building("b1", `<bldg:lod2Solid><gml:Solid><gml:exterior><gml:CompositeSurface><gml:surfaceMember xlink:href="other.gml#w"/></gml:CompositeSurface></gml:exterior></gml:Solid></bldg:lod2Solid>${lod2([polygon("w", [wall()])])}`)),
      ),
    },
    status: "0 or 3",
    kinds: ["link-outside"],
    ids: ["b1"],
  },
  "codes of two folders up": {
    files: {
      "udx/bldg/city.gml": model(
        member(building("b1", `<bldg:usage codeSpace="../../codelists/Building_usage.xml">411</bldg:usage><bldg:class codeSpace="../../codelists/gone.xml">3001</bldg:class>${lod2([polygon("w", [wall()])])}<uro:buildingDetailAttribute><uro:BuildingDetailAttribute><uro:surveyYear>2021</uro:surveyYear></uro:BuildingDetailAttribute></uro:buildingDetailAttribute><gen:stringAttribute name="R&amp;D"><gen:value>a &amp; b</gen:value></gen:stringAttribute>`)),
      ),
      "codelists/Building_usage.xml": `<?xml version="1.0" encoding="UTF-8"?><gml:Dictionary xmlns:gml="http://www.opengis.net/gml" gml:id="d"><gml:name>usage</gml:name><gml:dictionaryEntry><gml:Definition gml:id="x1"><gml:description>住宅</gml:description><gml:name>411</gml:name></gml:Definition></gml:dictionaryEntry></gml:Dictionary>`,
    },
    read: "udx/bldg/city.gml",
    check: ([b]) => b.properties["R&D"] === "a & b" && b.properties.usage === "411" && b.properties.usage_text === "住宅" && b.properties.class_code !== "" && Object.entries(b.properties).some(([k, v]) => /surveyYear/.test(k) && v === 2021),
  },
  "storeys and units of version 3": {
    files: {
      "city.gml": model(
        member(
          building(
            "b1",
            `<core:boundary><con:WallSurface gml:id="ws"><core:lod2MultiSurface>${surfaces([polygon("w", [wall()])])}</core:lod2MultiSurface></con:WallSurface></core:boundary>` +
              `<bldg:buildingSubdivision><bldg:Storey gml:id="s1"><core:boundary><con:FloorSurface><core:lod3MultiSurface>${surfaces([polygon("fl", [roof([0, 0], 3)])])}</core:lod3MultiSurface></con:FloorSurface></core:boundary><bldg:sortKey>1</bldg:sortKey></bldg:Storey></bldg:buildingSubdivision>` +
              `<bldg:buildingSubdivision><bldg:BuildingUnit gml:id="u1"><core:lod3Solid><gml:Solid><gml:exterior><gml:Shell>${[roof([0, 0], 3), wall()].map((r, i) => `<gml:surfaceMember>${polygon(`u${i}`, [r])}</gml:surfaceMember>`).join("")}</gml:Shell></gml:exterior></gml:Solid></core:lod3Solid></bldg:BuildingUnit></bldg:buildingSubdivision>`,
          ),
        ),
        { version: 3 },
      ),
    },
    ids: ["b1", "s1", "u1"],
  },
  "textures of version 3": {
    files: {
      "city.gml": model(
        house() +
          `<core:appearanceMember><app:Appearance><app:theme>t</app:theme><app:surfaceData><app:ParameterizedTexture><app:imageURI>a.png</app:imageURI><app:textureParameterization><app:TextureAssociation><app:target>#w</app:target><app:textureParameterization><app:TexCoordList><app:textureCoordinates>${wholeImage}</app:textureCoordinates><app:ring>#w_r0</app:ring></app:TexCoordList></app:textureParameterization></app:TextureAssociation></app:textureParameterization></app:ParameterizedTexture></app:surfaceData></app:Appearance></core:appearanceMember>`,
        { version: 3 },
      ).replaceAll("bldg:lod2MultiSurface", "core:lod2MultiSurface"),
      "a.png": quarters(),
    },
    seen: quartersSeen,
  },
  ...places(),
  "a system on the geometry alone": {
    files: { "city.gml": model(member(building("b1", `<bldg:lod2MultiSurface>${surfaces([polygon("w", [wall()])], ' srsName="urn:ogc:def:crs:EPSG::25832" srsDimension="3"')}</bldg:lod2MultiSurface>`)), { crs: "" }) },
    at: [9, 48.75],
  },
  "a system on the object's envelope alone": {
    files: {
      "city.gml": model(
        member(building("b1", `<gml:boundedBy><gml:Envelope srsName="EPSG:25832" srsDimension="3"><gml:lowerCorner>0 0 0</gml:lowerCorner></gml:Envelope></gml:boundedBy>${lod2([polygon("w", [wall()])])}`)),
        { crs: "" },
      ),
    },
    at: [9, 48.75],
  },
  "a footprint of two dimensions in a model of three": {
    files: {
      "city.gml": model(
        member(building("b1", `<bldg:lod0FootPrint>${surfaces([polygon("f", [roof()], { frame: ([x, y]) => `${500000 + x} ${5400000 + y}`, coordinates: ' srsDimension="2"' })])}</bldg:lod0FootPrint>`)),
      ),
    },
    at: [9, 48.75],
  },
  "a footprint whose MultiSurface says two": {
    files: {
      "city.gml": model(
        member(building("b1", `<bldg:lod0FootPrint>${surfaces([polygon("f", [roof()], { frame: ([x, y]) => `${500000 + x} ${5400000 + y}` })], ' srsDimension="2"')}</bldg:lod0FootPrint>${lod2([polygon("w", [wall()])])}`)),
      ),
    },
    at: [9, 48.75],
  },
  "what a surface wears on its back": {
    files: {
      "city.gml": model(
        member(building("b1", lod2([polygon("w", [wall().reverse()])]))) + // it faces north: its back is seen
          appearance(texture("a.png", target("#w", [["#w_r0", "0 1 1 1 1 0 0 0 0 1"]]), "<app:isFront>false</app:isFront>") + texture("b.png", target("#w", [["#w_r0", "0 1 1 1 1 0 0 0 0 1"]]))),
      ),
      "a.png": quarters(),
      "b.png": plain(colors.cyan),
    },
    seen: quartersSeen,
  },
  "a texture that ends, with none behind it": {
    files: { "city.gml": model(house() + appearance(`<app:surfaceDataMember><app:X3DMaterial><app:diffuseColor>0.1 0.8 0.8</app:diffuseColor><app:target>#w</app:target></app:X3DMaterial></app:surfaceDataMember>` + texture("a.png", target("#w", [["#w_r0", "0 0 2 0 2 2 0 2 0 0"]]), "<app:wrapMode>none</app:wrapMode>"))), "a.png": plain(colors.red) },
    seen: ["cyan", "cyan", "red", "cyan"],
  },
  "a texture that ends, with a border behind it": {
    files: { "city.gml": model(house() + dressed("a.png", { uvs: "0 0 2 0 2 2 0 2 0 0", extra: "<app:wrapMode>border</app:wrapMode><app:borderColor>0.9 0.85 0.1 1</app:borderColor>" })), "a.png": plain(colors.red) },
    seen: ["yellow", "yellow", "red", "yellow"],
  },
  "a texture that is repeated": {
    files: { "city.gml": model(house() + dressed("a.png", { uvs: "0 0 2 0 2 2 0 2 0 0", extra: "<app:wrapMode>wrap</app:wrapMode>" })), "a.png": plain(colors.red) },
    seen: ["red", "red", "red", "red"],
  },
  "gzip beside its images": { files: { "city.gml.gz": zlib.gzipSync(model(house() + dressed("pics/a.png"))), "pics/a.png": quarters() }, read: "city.gml.gz", seen: quartersSeen },
  "a zip of a folder with its images": {
    files: { "建物.zip": city.zip({ "udx/bldg/city.gml": model(house() + dressed("city_appearance/a.png")), "udx/bldg/city_appearance/a.png": quarters() }) },
    read: "建物.zip",
    seen: quartersSeen,
  },
  "a zip whose images are spelled in capitals": {
    files: { "city.zip": city.zip({ "bldg/city.gml": model(house() + dressed("..\\IMG\\A.PNG")), "img/a.png": quarters() }) },
    read: "city.zip",
    seen: quartersSeen,
  },
  "version 1.0 of the tiles": { files: { "city.gml": model(house() + dressed("a.png")), "a.png": quarters() }, options: ["--tiles-version", "1.0"], seen: quartersSeen },
  "a solid of links to textured surfaces": {
    files: {
      "city.gml": model(
        member(
          building(
            "b1",
            `<bldg:lod2Solid><gml:Solid gml:id="solid"><gml:exterior><gml:CompositeSurface>${box.map((_, i) => `<gml:surfaceMember xlink:href="#f${i}"/>`).join("")}</gml:CompositeSurface></gml:exterior></gml:Solid></bldg:lod2Solid>` +
              box.map((ring, i) => `<bldg:boundedBy><bldg:${["WallSurface", "WallSurface", "WallSurface", "WallSurface", "RoofSurface", "GroundSurface"][i]} gml:id="s${i}">${lod2([polygon(`f${i}`, [ring])])}</bldg:${["WallSurface", "WallSurface", "WallSurface", "WallSurface", "RoofSurface", "GroundSurface"][i]}></bldg:boundedBy>`).join(""),
          ),
        ) + dressed("a.png", { id: "f0" }),
      ),
      "a.png": quarters(),
    },
    seen: quartersSeen,
  },
  "a solid of turned links to textured surfaces": {
    files: {
      "city.gml": model(
        member(
          building(
            "b1",
            `<bldg:lod2Solid><gml:Solid><gml:exterior><gml:CompositeSurface>${box.map((_, i) => `<gml:surfaceMember><gml:OrientableSurface orientation="-"><gml:baseSurface xlink:href="#f${i}"/></gml:OrientableSurface></gml:surfaceMember>`).join("")}</gml:CompositeSurface></gml:exterior></gml:Solid></bldg:lod2Solid>` +
              lod2(box.map((ring, i) => polygon(`f${i}`, [[...ring].reverse()]))),
          ),
        ) + dressed("a.png", { id: "f0", uvs: "0 1 1 1 1 0 0 0 0 1" }),
      ),
      "a.png": quarters(),
    },
    seen: quartersSeen,
  },
  "names without prefixes": { files: { "city.gml": model(house() + dressed("a.png")).replaceAll("bldg:", "").replace("xmlns:bldg=", "xmlns="), "a.png": quarters() }, seen: quartersSeen },
  "a position an element": {
    files: { "city.gml": model(house() + dressed("a.png")).replace(/<gml:posList>([^<]*)<.gml:posList>/g, (_, text) => (text.match(/\S+ \S+ \S+/g) ?? []).map((each) => `<gml:pos srsDimension="3">${each}</gml:pos>`).join("\n")), "a.png": quarters() },
    seen: quartersSeen,
  },
  "coordinates with commas": {
    files: { "city.gml": model(house() + dressed("a.png")).replace(/<gml:posList>([^<]*)<.gml:posList>/g, (_, text) => `<gml:coordinates decimal="." cs="," ts=" ">${(text.match(/\S+ \S+ \S+/g) ?? []).map((each) => each.replaceAll(" ", ",")).join(" ")}</gml:coordinates>`), "a.png": quarters() },
    seen: quartersSeen,
  },
  "a material of a whole surface": {
    files: { "city.gml": model(member(building("b1", `<bldg:lod2MultiSurface>${surfaces([polygon("w", [wall()])], ' gml:id="all"')}</bldg:lod2MultiSurface>`)) + appearance(`<app:surfaceDataMember><app:X3DMaterial><app:diffuseColor>0.1 0.8 0.8</app:diffuseColor><app:target>#all</app:target></app:X3DMaterial></app:surfaceDataMember>`, "")) },
    seen: ["cyan", "cyan", "cyan", "cyan"],
  },
  "a window in a wall": {
    files: {
      "city.gml": model(
        member(
          building(
            "b1",
            `<bldg:boundedBy><bldg:WallSurface><bldg:lod3MultiSurface>${surfaces([polygon("w", [wall(), [[1, 0, 6], [1, 0, 9], [4, 0, 9], [4, 0, 6]]])])}</bldg:lod3MultiSurface><bldg:opening><bldg:Window gml:id="win"><bldg:lod3MultiSurface>${surfaces([polygon("v", [[[1, 0, 6], [4, 0, 6], [4, 0, 9], [1, 0, 9]]])])}</bldg:lod3MultiSurface></bldg:Window></bldg:opening></bldg:WallSurface></bldg:boundedBy>`,
          ),
        ) + appearance(texture("a.png", target("#w", [["#w_r0", wholeImage], ["#w_r1", "0.1 0.6 0.1 0.9 0.4 0.9 0.4 0.6 0.1 0.6"]])) + texture("b.png", target("#v", [["#v_r0", wholeImage]]))),
      ),
      "a.png": quarters(),
      "b.png": plain(colors.cyan),
    },
    seen: ["cyan", "yellow", "red", "green"],
  },
  "the coarser of two levels": {
    files: {
      "city.gml": model(
        member(building("b1", `${lod2([polygon("w", [wall()])])}<bldg:lod3MultiSurface>${surfaces([polygon("v", [wall()])])}</bldg:lod3MultiSurface>`)) +
          appearance(texture("a.png", target("#w", [["#w_r0", wholeImage]])) + texture("b.png", target("#v", [["#v_r0", wholeImage]]))),
      ),
      "a.png": quarters(),
      "b.png": plain(colors.cyan),
    },
    options: ["--lod", "2"],
    seen: quartersSeen,
  },
  "the finer of two levels": {
    files: {
      "city.gml": model(
        member(building("b1", `${lod2([polygon("w", [wall()])])}<bldg:lod3MultiSurface>${surfaces([polygon("v", [wall()])])}</bldg:lod3MultiSurface>`)) +
          appearance(texture("b.png", target("#w", [["#w_r0", wholeImage]])) + texture("a.png", target("#v", [["#v_r0", wholeImage]]))),
      ),
      "a.png": quarters(),
      "b.png": plain(colors.cyan),
    },
    seen: quartersSeen,
  },
  "an installation of a part": {
    files: {
      "city.gml": model(
        member(building("b1", `<bldg:consistsOfBuildingPart>${building("p1", `<bldg:outerBuildingInstallation><bldg:BuildingInstallation gml:id="i1"><bldg:boundedBy><bldg:RoofSurface>${`<bldg:lod3MultiSurface>${surfaces([polygon("w", [wall()])])}</bldg:lod3MultiSurface>`}</bldg:RoofSurface></bldg:boundedBy></bldg:BuildingInstallation></bldg:outerBuildingInstallation>`, "bldg:BuildingPart")}</bldg:consistsOfBuildingPart>`)) + dressed("a.png"),
      ),
      "a.png": quarters(),
    },
    ids: ["i1"],
    seen: quartersSeen,
  },
  "a prototype in another file": {
    files: {
      "city.gml": model(house() + member(furniture("f1", [30, 0], "<core:libraryObject>tree.wrl</core:libraryObject>")) + dressed("a.png")),
      "a.png": quarters(),
    },
    status: "0 or 3",
    kinds: ["library-object"],
    ids: ["b1"],
    seen: quartersSeen,
  },
  "attributes of surfaces": {
    files: {
      "city.gml": model(
        member(building("b1", `<bldg:boundedBy><bldg:WallSurface gml:id="ws"><gml:name>south</gml:name><gen:stringAttribute name="brick"><gen:value>red</gen:value></gen:stringAttribute>${lod2([polygon("w", [wall()])])}</bldg:WallSurface></bldg:boundedBy>`)),
      ),
    },
    ids: ["b1"],
    check: ([b]) => b.properties["WallSurface.brick"] === "red" && !("WallSurface.name" in b.properties),
  },
};

/** A relief of two triangles, ten metres a side, and the photograph that lies on it. */
function relief() {
  const [a, b, c, d] = roof();
  const triangle = (ring) => `<gml:Triangle><gml:exterior><gml:LinearRing><gml:posList>${list(city.closed(ring))}</gml:posList></gml:LinearRing></gml:exterior></gml:Triangle>`;
  return member(
    `<dem:ReliefFeature gml:id="rf"><dem:lod>1</dem:lod><dem:reliefComponent><dem:TINRelief gml:id="r1"><dem:lod>1</dem:lod><dem:tin><gml:TriangulatedSurface gml:id="w"><gml:trianglePatches>${triangle([a, b, c])}${triangle([a, c, d])}</gml:trianglePatches></gml:TriangulatedSurface></dem:tin></dem:TINRelief></dem:reliefComponent></dem:ReliefFeature>`,
  );
}
function ground(image, place) {
  return appearance(`<app:surfaceDataMember><app:GeoreferencedTexture><app:imageURI>${image}</app:imageURI>${place}<app:target>#w</app:target></app:GeoreferencedTexture></app:surfaceDataMember>`);
}

function furniture(id, [x, y], geometry) {
  return `<frn:CityFurniture gml:id="${id}"><frn:lod2ImplicitRepresentation><core:ImplicitGeometry><core:transformationMatrix>1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1</core:transformationMatrix>${geometry}<core:referencePoint><gml:Point><gml:pos>${frames.utm([x, y, 0])}</gml:pos></gml:Point></core:referencePoint></core:ImplicitGeometry></frn:lod2ImplicitRepresentation></frn:CityFurniture>`;
}

/** The same wall in systems in degrees and compound ones, by all their names. */
function places() {
  const degrees = { files: undefined, at: [9, 48.75], seen: quartersSeen };
  const named = {
    "urn:ogc:def:crs:EPSG::4326": "latitude", "urn:ogc:def:crs:EPSG::4979": "latitude", "http://www.opengis.net/def/crs/EPSG/0/4979": "latitude",
    "http://www.opengis.net/gml/srs/epsg.xml#4326": "longitude", "urn:ogc:def:crs:OGC:1.3:CRS84": "longitude", "EPSG:4979": "latitude",
    "urn:ogc:def:crs,crs:EPSG::25832,crs:EPSG::5783": "utm", "urn:ogc:def:crs:EPSG::25832": "utm", "http://www.opengis.net/def/crs-compound?1=http://www.opengis.net/def/crs/EPSG/0/25832&amp;2=http://www.opengis.net/def/crs/EPSG/0/5783": "utm",
    "EPSG:25832+5783": "utm", "urn:ogc:def:crs:EPSG:6.12:25832": "utm",
  };
  return Object.fromEntries(
    Object.entries(named).map(([crs, order]) => [
      `the system ${crs}`,
      { ...degrees, files: { "city.gml": model(member(building("b1", lod2([polygon("w", [wall()], { frame: frames[order] })]))) + dressed("a.png"), { crs }), "a.png": quarters() } },
    ]),
  );
}

// The wall from the south, or the ground from above: the colours in the middle of its quarters.
function look(out, box, isAbove, picture) {
  const [west, south, bottom, east, north, top] = box;
  const [lon, lat, height] = [(west + east) / 2, (south + north) / 2, (bottom + top) / 2];
  const camera = isAbove ? [lon, lat, bottom + 18, 0, -90] : [lon, lat - 18 / METRES_A_DEGREE, height, 0, 0];
  const done = run("storey", ["preview", out, "-o", picture, "--look", camera.join(","), "--sse", "0", "--size", "400x400"]);
  if (done.status !== 0) return [`preview: ${done.stderr}`];
  const image = city.readPng(picture);
  const step = 48; // 2.5 m at 18 m
  return [[-step, -step], [step, -step], [-step, step], [step, step]].map(([x, y]) => nameOf(image.at(200 + x, 200 + y)));
}

async function testCase(name, wanted, index) {
  await test(`CityGML: ${name}`, (expect) => {
    const folder = path.join(here, String(index).padStart(2, "0"));
    city.write(folder, wanted.files);
    const out = path.join(folder, "out");
    const csv = path.join(folder, "report.csv");
    const input = path.join(folder, wanted.read ?? "city.gml");
    const done = run("storey", ["tile", input, "-o", out, "--vertical", "ellipsoid", "--report", csv, ...(wanted.options ?? [])]);
    const allowed = String(wanted.status ?? 0).split(" or ").map(Number);
    expect(allowed.includes(done.status), `status ${done.status}: ${done.stderr.slice(-300)}`);
    if (!fs.existsSync(out)) throw new Error(`no package: ${done.stderr.slice(-300)}`);
    const rows = readReport(csv);
    const kinds = new Set(rows.filter((row) => row.level !== "notice").map((row) => row.kind));
    (wanted.kinds ?? []).forEach((kind) => expect(kinds.has(kind), `the report has no ${kind}: ${[...kinds]}`));
    if (!/0/.test(String(wanted.status ?? 0)) || !wanted.status) kinds.forEach((kind) => expect((wanted.kinds ?? []).includes(kind), `the report has ${kind}: ${rows.find((row) => row.kind === kind)?.reason}`));
    const checked = run("storey", ["check", out]);
    expect(checked.status === 0, `storey check: ${checked.stdout}${checked.stderr}`);
    const { features } = JSON.parse(run("storey", ["query", out, "-f", "json"]).stdout);
    const ids = features.map((feature) => feature.id).sort();
    if (wanted.ids) expect(ids.join() === wanted.ids.join(), `features ${ids}, not ${wanted.ids}`);
    if (wanted.count) expect(ids.length === wanted.count && new Set(ids).size === wanted.count, `features ${ids}, not ${wanted.count}`);
    if (wanted.check) expect(wanted.check(features), `attributes: ${JSON.stringify(features[0].properties)}`);
    const feature = features.find((each) => each.id === wanted.of) ?? features[0];
    if (wanted.at) {
      const off = Math.max(Math.abs(feature.bbox[0] - wanted.at[0]), Math.abs(feature.bbox[1] - wanted.at[1]));
      expect(off < 0.01, `it lies at ${feature.bbox}, not ${wanted.at}`);
    }
    for (const side of ["seen", "above"]) {
      if (!wanted[side]) continue;
      const seen = look(out, feature.bbox, side === "above", path.join(folder, "picture.png"));
      expect(seen.join() === wanted[side].join(), `seen is ${seen}, not ${wanted[side]}`);
    }
    return `${ids.length} features${rows.length ? `, report: ${[...new Set(rows.map((row) => `${row.level} ${row.kind}`))].join(", ")}` : ""}`;
  });
}

export async function testCitygml(only = "") {
  let index = 0;
  for (const [name, wanted] of Object.entries(cases)) {
    if (name.includes(only)) await testCase(name, wanted, index);
    index++;
  }
}

if (isMain(import.meta.url)) {
  await testCitygml(process.argv[2]);
  report();
}
