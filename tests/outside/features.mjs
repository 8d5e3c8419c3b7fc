// SPDX-License-Identifier: Apache-2.0
//
// features.mjs - GDAL's OGC API driver, on which QGIS and most scripts of a GIS office stand, against
// storeyd; and the same features as GDAL reads them from the package's own features.gpkg.
//
//   node tests/outside/features.mjs
import fs from "node:fs";
import path from "node:path";
import { spawnSync } from "node:child_process";
import { isMain, made, report, skip, test } from "./judge.mjs";
import { run, serve, tile } from "./programs.mjs";

const here = path.join(made, "features");

function gdal(name, ...args) {
  const done = spawnSync(name, args, { encoding: "utf8", maxBuffer: 256 << 20, timeout: 120_000 });
  if (done.error?.code === "ENOENT") throw skip("gdal-bin is not installed");
  if (done.status !== 0 || /ERROR/.test(done.stderr)) throw new Error(`${name} ${args.join(" ")}: ${done.stderr.slice(0, 300)}`);
  return done.stdout;
}

const toJson = (...args) => JSON.parse(gdal("ogr2ogr", "-f", "GeoJSON", "/vsistdout/", ...args)).features;

function boxOf({ geometry }) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  const look = (part) => {
    if (typeof part[0] !== "number") return part.forEach(look);
    box[0] = Math.min(box[0], part[0]);
    box[1] = Math.min(box[1], part[1]);
    box[2] = Math.max(box[2], part[0]);
    box[3] = Math.max(box[3], part[1]);
  };
  if (geometry) look(geometry.coordinates);
  return box;
}

const sorted = (features) => features.map((each) => each.properties.id).sort();
const same = (a, b) => a.length === b.length && a.every((id, i) => id === b[i]);

export async function testFeatures() {
  fs.rmSync(here, { recursive: true, force: true });
  fs.mkdirSync(here, { recursive: true });
  const input = path.join(here, "city.city.jsonl");
  const city = path.join(here, "city");
  run("storey_district", ["--count", "40", "--seed", "11", "-o", input]);
  tile([input], city);
  const server = await serve([city], ["--quiet"]);
  const source = `OAPIF:${server.url}`;
  let all = [];
  await test("GDAL lists the collections and what they hold", (expect) => {
    const list = gdal("ogrinfo", "-q", source);
    expect(/^1: city /m.test(list), list);
    const about = gdal("ogrinfo", "-so", source, "city");
    expect(/^Extent: \(11\d\.\d+, 2\d\.\d+\)/m.test(about), "no extent in degrees");
    for (const field of ["id: String", "class: String", "height: Real", "storeysAbove: Integer", "名称: String"]) expect(about.includes(field), `no field ${field}`);
    return /Feature Count: \d+/.exec(about)?.[0];
  });
  await test("GDAL reads every feature, page by page: those of features.gpkg", (expect) => {
    all = toJson(source, "city");
    const own = toJson("-t_srs", "EPSG:4326", path.join(city, "features.gpkg"), "features");
    expect(all.length > 100 && same(sorted(all), sorted(own)), `${all.length} features, ${own.length} in features.gpkg`);
    const ownOf = new Map(own.map((each) => [each.properties.id, each]));
    let values = 0;
    for (const { properties } of all) {
      const other = ownOf.get(properties.id)?.properties ?? {};
      for (const [key, value] of Object.entries(properties)) {
        if (value === null || other[key] === undefined || other[key] === null) continue;
        const equal = typeof value === "number" ? Math.abs(value - Number(other[key])) <= 1e-3 * Math.max(1, Math.abs(value)) : typeof value === "boolean" ? value === Boolean(Number(other[key]) || other[key] === true) : String(value) === String(other[key]);
        expect(equal, `'${properties.id}' ${key}: ${value}, but ${other[key]} in features.gpkg`);
        values++;
      }
    }
    expect(values > 5 * all.length, `only ${values} values were compared`);
    return `${all.length} features, ${values} values`;
  });
  await test("GDAL filters by box", (expect) => {
    const boxes = all.map(boxOf).filter(([west]) => west < Infinity);
    const west = Math.min(...boxes.map((box) => box[0]));
    const south = Math.min(...boxes.map((box) => box[1]));
    const east = Math.max(...boxes.map((box) => box[2]));
    const north = Math.max(...boxes.map((box) => box[3]));
    const counts = [];
    for (const [x0, y0, x1, y1] of [[0, 0, 0.5, 0.5], [0.4, 0.3, 0.6, 0.9], [0.9, 0.9, 1, 1], [2, 2, 3, 3]]) {
      const asked = [west + x0 * (east - west), south + y0 * (north - south), west + x1 * (east - west), south + y1 * (north - south)];
      const wanted = all.filter((each) => {
        const box = boxOf(each);
        return box[0] <= asked[2] && box[2] >= asked[0] && box[1] <= asked[3] && box[3] >= asked[1];
      });
      // GDAL also looks at the shapes themselves: what it finds lies in the box, and what lies wholly in it is found.
      const found = sorted(toJson("-spat", ...asked.map(String), source, "city"));
      const may = new Set(sorted(wanted));
      const must = wanted.filter((each) => {
        const box = boxOf(each);
        return box[0] >= asked[0] && box[2] <= asked[2] && box[1] >= asked[1] && box[3] <= asked[3];
      });
      expect(found.every((id) => may.has(id)), `features outside ${asked}`);
      expect(must.every((each) => found.includes(each.properties.id)), `features in ${asked} are missing: ${found.length} of at least ${must.length}`);
      counts.push(found.length);
    }
    expect(counts[0] > 0 && counts[0] < all.length && counts[3] === 0, counts.join(" "));
    return counts.join(", ");
  });
  await test("GDAL filters by attributes", (expect) => {
    const tall = all.filter(({ properties }) => properties.class === "Building" && properties.height > 20);
    const found = toJson("-where", "class = 'Building' AND height > 20", source, "city");
    expect(tall.length > 0 && same(sorted(found), sorted(tall)), `${found.length}, not ${tall.length}`);
    const none = toJson("-where", "class = 'Spaceship'", source, "city");
    expect(none.length === 0, `${none.length} spaceships`);
    return `${found.length} of ${all.length}`;
  });
  await server.stop();
}

if (isMain(import.meta.url)) {
  await testFeatures();
  report();
}
