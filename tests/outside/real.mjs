// SPDX-License-Identifier: Apache-2.0
//
// real.mjs - real city files: tiled, judged, and every object accounted for.
//
//   node tests/outside/real.mjs [FILE...]      without names, every CityJSON and CityGML under ../shared/data
import fs from "node:fs";
import path from "node:path";
import { isMain, made, report, shared, skip, test } from "./judge.mjs";
import { judgeGltf } from "./gltf.mjs";
import { lastLines, run } from "./programs.mjs";
import { judgeTree } from "./tree.mjs";

// Somewhere for files that do not say where they are.
const somewhere = "+proj=tmerc +lat_0=52 +lon_0=5 +datum=WGS84 +units=m +type=crs";

/** Every CityJSON document or sequence below a folder, those that were made to be broken left out. */
export function findCityJson(folder) {
  const out = [];
  for (const name of fs.readdirSync(folder, { recursive: true })) {
    if (!/\.(json|jsonl)$/.test(name) || name.includes("robustness")) continue;
    const file = path.join(folder, name);
    const head = Buffer.alloc(4096);
    const fd = fs.openSync(file);
    fs.readSync(fd, head, 0, head.length, 0);
    fs.closeSync(fd);
    const isCityJson = /"type"\s*:\s*"CityJSON"/.test(head.toString("latin1")) || /"CityObjects"|"transform"/.test(head.toString("latin1"));
    if (isCityJson) out.push(file);
  }
  return out.sort();
}

const isDrawn = (g) => /Surface|Solid|GeometryInstance/.test(g.type) && (g.boundaries ?? []).length > 0;
const level = (object) => Math.max(-1, ...(object.geometry ?? []).filter(isDrawn).map((g) => Number(g.lod) || 0));

/** All city objects of a file: id -> {object, drawn level or -1, children}. */
export function readObjects(file) {
  const text = fs.readFileSync(file, "utf8").replace(/^\ufeff/, "");
  const documents = /\.jsonl$/.test(file) ? text.split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line)) : [JSON.parse(text)];
  const objects = new Map();
  for (const document of documents) {
    for (const [id, object] of Object.entries(document.CityObjects ?? {})) {
      objects.set(id, { object, level: level(object), children: object.children ?? [] });
    }
  }
  return objects;
}

/** Every CityGML document below a folder, broken ones and dictionaries left out. */
export function findCityGml(folder) {
  const out = [];
  for (const name of fs.readdirSync(folder, { recursive: true })) {
    if (!/\.(gml|xml|citygml)$/.test(name) || /robustness|codelists/.test(name)) continue;
    const file = path.join(folder, name);
    if (fs.readFileSync(file, "latin1").slice(0, 8192).includes("opengis.net/citygml")) out.push(file);
  }
  return out.sort();
}

const gmlClasses = new Set(("Building BuildingPart BuildingInstallation IntBuildingInstallation BuildingFurniture BuildingRoom BuildingUnit Room Storey " +
  "Bridge BridgePart Tunnel TunnelPart Road Railway Square Track PlantCover SolitaryVegetationObject CityFurniture WaterBody LandUse " +
  "ReliefFeature TINRelief GenericCityObject").split(" "));
const gmlFaces = new Set(["Polygon", "PolygonPatch", "Triangle", "Rectangle"]);

/** As readObjects(), of CityGML, by its tags alone: an object is drawn where a face or a link to one stands in a lodN property of its own. */
export function readGmlObjects(file) {
  const objects = new Map();
  const stack = [];
  const text = fs.readFileSync(file, "utf8");
  // Prefixes of extensions: their objects are of a meaning that is theirs.
  const foreign = new Set([...text.matchAll(/xmlns:([\w.-]+)\s*=\s*["']([^"']*)["']/g)]
    .filter(([, , uri]) => !/citygml/i.test(uri) || /ade/i.test(uri)).map(([, prefix]) => prefix));
  for (const [, close, prefix, name, rest, empty] of text.matchAll(/<(\/?)(?:([\w.-]+):)?([\w.-]+)((?:\s[^<>]*?)?)(\/?)>/g)) {
    if (close) {
      stack.pop();
      continue;
    }
    const above = stack.at(-1) ?? { id: null, lod: -1 };
    const here = { id: above.id, lod: above.lod };
    const lod = /^lod([0-4])(?!TerrainIntersection|MultiCurve)[A-Z]/.exec(name);
    if (lod) here.lod = Number(lod[1]);
    else if (name === "tin") here.lod = 0;
    if (gmlClasses.has(name) && !foreign.has(prefix)) {
      const id = /\bid\s*=\s*["']([^"']*)["']/.exec(rest)?.[1] ?? `without an id ${objects.size}`;
      objects.set(id, { level: -1, children: [] });
      objects.get(above.id)?.children.push(id);
      here.id = id;
      here.lod = -1;
    }
    const isFace = gmlFaces.has(name) || (/surfaceMember|baseSurface/.test(name) && /href/.test(rest));
    const object = objects.get(here.id);
    if (isFace && object && here.lod > object.level) object.level = here.lod;
    if (!empty) stack.push(here);
  }
  for (const id of [...objects.keys()]) if (id.startsWith("without an id")) objects.delete(id);
  return objects;
}

/** Level and feature of every line of a --report file. */
export function readReport(file) {
  const rows = [];
  if (!fs.existsSync(file)) return rows;
  const text = fs.readFileSync(file, "utf8");
  const cells = [...text.matchAll(/(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r?\n|$)/g)];
  let row = [];
  for (const [, quoted, plain, end] of cells) {
    row.push(quoted !== undefined ? quoted.replaceAll('""', '"') : plain);
    if (end !== ",") {
      if (row.length > 1) rows.push(row);
      row = [];
    }
  }
  const names = rows.shift() ?? [];
  return rows.map((cols) => Object.fromEntries(names.map((n, i) => [n, cols[i]])));
}

// A building's own coarse outline gives way to finer parts below it.
function partsStand(objects, id, shown, seen = new Set()) {
  if (seen.has(id)) return false;
  seen.add(id);
  return (objects.get(id)?.children ?? []).some((child) => shown.has(child) || partsStand(objects, child, shown, seen));
}

/** Tiles one file in a way, judges the package, and accounts for every object. */
export async function testReal(file, { options = [], tag = "" } = {}) {
  const name = path.relative(shared, file) + (tag && ` ${tag}`);
  const out = path.join(made, "real", name.replaceAll(/[^\w.-]+/g, "_"));
  await test(`real ${name}`, async (expect) => {
    fs.mkdirSync(path.dirname(out), { recursive: true });
    fs.rmSync(out, { recursive: true, force: true });
    const csv = `${out}.csv`;
    const arguments_ = [file, "-o", out, "--report", csv, "--max-loss", "1", "--log", "json", ...options];
    let done = run("storey", ["tile", ...arguments_]);
    if (done.status === 1 && /--crs/.test(done.stderr)) done = run("storey", ["tile", ...arguments_, "--crs", somewhere, "--vertical", "ellipsoid"]);
    const objects = /json/.test(path.extname(file)) ? readObjects(file) : readGmlObjects(file);
    const drawn = [...objects].filter(([, o]) => o.level >= 0);
    const reported = new Map(readReport(csv).map((row) => [row.feature, row]));
    if (done.status === 1 && !fs.existsSync(out)) {
      // Nothing to draw is a clear failure, and right when nothing can be drawn.
      const lost = drawn.filter(([id]) => !reported.has(id));
      expect(lost.length === 0 && /nothing to show/.test(done.stderr), `not tiled: ${lastLines(done.stderr)}`);
      return lastLines(done.stderr);
    }
    expect(done.status === 0 || done.status === 3, `status ${done.status}: ${lastLines(done.stderr)}`);
    if (!fs.existsSync(out)) return "";
    const walk = await judgeTree(out);
    walk.found.forEach((finding) => expect(false, finding));
    const gltf = await judgeGltf(out);
    gltf.found.forEach((finding) => expect(false, finding));
    const told = done.stderr.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line)).find((line) => line.event === "done");
    const sum = told && told.shown + told.lost + told.excluded + told.without_geometry + told.drawn_by_parts + told.identical;
    expect(told && told.read === sum, `${told?.read} objects read, ${sum} accounted for`);
    expect(told?.shown >= walk.leafIds.size, `${told?.shown} shown, ${walk.leafIds.size} in the leaves`);
    const missing = drawn.filter(([id]) => !walk.leafIds.has(id) && reported.get(id) === undefined && !partsStand(objects, id, walk.leafIds));
    expect(missing.length === 0, `${missing.length} of ${drawn.length} objects neither shown nor reported, such as '${missing[0]?.[0]}'`);
    expect(done.status === 3 || ![...reported.values()].some((row) => row.level === "lost"), "status 0, but features were lost");
    const own = run("storey", ["check", out]);
    expect(own.status === 0, `storey check: ${lastLines(own.stdout + own.stderr)}`);
    fs.rmSync(out, { recursive: true, force: true });
    return `${drawn.length} objects, ${walk.leafIds.size} shown, ${reported.size} reported, ${walk.contents} tiles, ${done.seconds.toFixed(2)} s, ${Math.round(done.peakKb / 1024)} MB`;
  });
}

export async function testAllReal() {
  if (!fs.existsSync(shared)) {
    await test("real city files", () => {
      throw skip(`no folder ${path.relative(process.cwd(), shared)}`);
    });
    return;
  }
  for (const file of findCityJson(shared)) {
    await testReal(file);
    // The other two ways of writing tiles, on a few files.
    if (/delft\.city\.json$|rotterdam_subset\.json$|DenHaag/.test(file)) {
      await testReal(file, { options: ["--tiles-version", "1.0"], tag: "as 1.0" });
      await testReal(file, { options: ["--compress", "none"], tag: "uncompressed" });
    }
  }
}

export async function testAllGml() {
  if (!fs.existsSync(shared)) return;
  for (const file of findCityGml(shared)) await testReal(file);
}

if (isMain(import.meta.url)) {
  if (process.argv.length > 2) for (const file of process.argv.slice(2)) await testReal(path.resolve(file));
  else {
    await testAllReal();
    await testAllGml();
  }
  report();
}
