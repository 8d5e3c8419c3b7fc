// SPDX-License-Identifier: Apache-2.0
//
// attributes.mjs - features.gpkg before GDAL: it opens without a warning, its features are those of
// the tiles, its footprints are valid and as large as said, and `storey query` counts as SQL does.
import fs from "node:fs";
import path from "node:path";
import { spawnSync } from "node:child_process";
import { skip, test } from "./judge.mjs";
import { run } from "./programs.mjs";

function ogr(program, args) {
  const done = spawnSync(program, args, { encoding: "utf8", maxBuffer: 256 << 20 });
  if (done.error) throw skip(`no ${program} here (gdal-bin)`);
  return done;
}

/** The only number that a statement says. */
function count(file, sql, dialect = []) {
  const { stdout } = ogr("ogrinfo", ["-q", file, ...dialect, "-sql", sql]);
  return Number(/= (-?[\d.]+)/.exec(stdout)?.[1] ?? NaN);
}

function query(where, args) {
  const done = run("storey", ["query", where, ...args, "-f", "ids"]);
  if (done.status !== 0) throw new Error(done.stderr);
  return JSON.parse(done.stdout);
}

/** `where` is a package's folder; `rows` its features by id, as the tiles have them. */
export async function testAttributeFile(where, name, rows) {
  const file = path.join(where, "features.gpkg");
  await test(`GDAL opens the attributes: ${name}`, (expect) => {
    const { status, stdout, stderr } = ogr("ogrinfo", ["-so", file, "features"]);
    expect(status === 0, stderr);
    expect(!/warning|error/i.test(stderr), stderr.trim().split("\n")[0]);
    expect(/Geometry: Multi Polygon/.test(stdout), "no layer of multipolygons");
    expect(/PROJCRS|GEOGCRS/.test(stdout), "no coordinate system");
    const found = Number(/Feature Count: (\d+)/.exec(stdout)?.[1]);
    expect(found === rows.size, `${found} features, but the tiles have ${rows.size}`);
    return `${found} features, ${fs.statSync(file).size >> 10} KiB`;
  });
  await test(`footprints are valid and as large as said: ${name}`, (expect) => {
    const sqlite = ["-dialect", "SQLite"];
    const invalid = count(file, "SELECT count(*) FROM features WHERE footprint IS NOT NULL AND NOT ST_IsValid(footprint)", sqlite);
    expect(invalid === 0, `${invalid} invalid`);
    const off = count(file, "SELECT count(*) FROM features WHERE abs(ST_Area(footprint) - area) > 0.1 + 0.005 * area AND ST_MaxX(footprint) > 360", sqlite);
    expect(off === 0, `${off} areas differ`);
  });
  await test(`storey query counts as SQL does: ${name}`, (expect) => {
    for (const [filter, sql] of [
      ["height > 10", "height > 10"],
      ["class = 'Building' AND storeysAbove >= 3", "class = 'Building' AND storeysAbove >= 3"],
      ["NOT (name IS NULL OR base BETWEEN 0 AND 20)", "NOT (name IS NULL OR base BETWEEN 0 AND 20)"],
    ]) {
      const wanted = count(file, `SELECT count(*) FROM features WHERE ${sql}`);
      const { numberMatched } = query(where, ["--filter", filter, "--limit", "1"]);
      expect(numberMatched === wanted, `${filter}: ${numberMatched}, not ${wanted}`);
    }
    for (const id of [...rows.keys()].slice(0, 5)) {
      expect(query(where, ["--id", id]).ids[0] === id, `'${id}' is not found`);
    }
  });
}
