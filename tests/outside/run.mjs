// SPDX-License-Identifier: Apache-2.0
//
// run.mjs - makes packages with the built programs and lets every judge look at them.
//
//   node tests/outside/run.mjs [PART...]      parts: made errors real browser cli server; all without a name
//
// STOREY_BUILD names the preset whose programs run (release). Writes 'passed failed skipped' to
// build/outside/count for ./check, and leaves packages and screenshots in build/outside.
import fs from "node:fs";
import path from "node:path";
import { testBadInput } from "../cli/bad_input.mjs";
import { testCitygml } from "../cli/citygml_wild.mjs";
import { testLimits } from "../cli/limits.mjs";
import { testRepeatable } from "../cli/repeatable.mjs";
import { testAttributeFile } from "./attributes.mjs";
import { testCesium } from "./cesium.mjs";
import { attributesById, heights, writeControl } from "./control.mjs";
import { reported, testErrors } from "./errors.mjs";
import { testFeatures } from "./features.mjs";
import { testGltf } from "./gltf.mjs";
import { made, report, shared, test } from "./judge.mjs";
import { run, serve, tile, tilesets } from "./programs.mjs";
import { testProxy } from "./proxy.mjs";
import { testAllGml, testAllReal } from "./real.mjs";
import { serveWithToken, testServer } from "./server.mjs";
import { testTls } from "./tls.mjs";
import { testThree } from "./three.mjs";
import { testTree } from "./tree.mjs";
import { testViewer } from "./viewer.mjs";

const asked = process.argv.slice(2);
const wants = (part) => asked.length === 0 || asked.includes(part);

fs.mkdirSync(made, { recursive: true });
const control = writeControl(path.join(made, "control.city.json"));
const district = path.join(made, "district.city.jsonl");
const tower = path.join(made, "tower.city.json");

// The same two cities in every form that a package has.
const packages = [
  { name: "control", input: control, options: ["--vertical", "ellipsoid"] },
  { name: "control-plain", input: control, options: ["--vertical", "ellipsoid", "--compress", "none"] },
  { name: "control-meshopt", input: control, options: ["--vertical", "ellipsoid", "--compress", "meshopt"] },
  { name: "control-1.0", input: control, options: ["--vertical", "ellipsoid", "--tiles-version", "1.0"] },
  { name: "district", input: district, options: [] },
  { name: "archive.3tz", input: district, options: [] },
  { name: "district-1.0", input: district, options: ["--tiles-version", "1.0"] },
  { name: "district-deep", input: district, options: ["--tile-bytes", "16K"] },
  // One feature in several tiles, and joined again above them.
  { name: "tower", input: tower, options: ["--tile-bytes", "32K", "--no-textures"] },
];
for (const one of packages) one.where = path.join(made, one.name);

async function makePackages() {
  await test("a district is generated", (expect) => {
    const done = run("storey_district", ["--count", "150", "--seed", "7", "-o", district]);
    expect(done.status === 0, done.stderr);
  });
  await test("a scanned tower is generated", (expect) => {
    const done = run("storey_dense", ["--triangles", "20000", "-o", tower]);
    expect(done.status === 0, done.stderr);
  });
  for (const one of packages) {
    await test(`tile ${one.name}`, () => {
      fs.rmSync(one.where, { recursive: true, force: true });
      const done = tile([one.input], one.where, one.options);
      return `${done.seconds.toFixed(2)} s, ${Math.round(done.peakKb / 1024)} MB`;
    });
  }
}

// Small cities in small tiles, so that there are levels; real ones where they are.
const measured = [
  { name: "errors-5", seed: 5, count: 60, options: ["--tile-bytes", "32K"] },
  { name: "errors-9", seed: 9, count: 40, options: ["--tile-bytes", "16K", "--properties", "class,address"] },
  { name: "errors-tower", input: tower, options: ["--tile-bytes", "32K", "--no-textures"] },
  { name: "errors-delft", input: path.join(shared, "cityjson/3dbag-delft/delft.city.json"), options: ["--tile-bytes", "48K"] },
];

async function judgeErrorsOfAll() {
  for (const { name, seed, count, input, options } of measured) {
    const where = path.join(made, name);
    const csv = `${where}.csv`;
    const from = input ?? `${where}.city.json`;
    if (!input) run("storey_district", ["--count", String(count), "--seed", String(seed), "-o", from]);
    if (!fs.existsSync(from)) continue;
    fs.rmSync(where, { recursive: true, force: true });
    await test(`tile ${name}`, () => {
      tile([from], where, [...options, "--report", csv]);
    });
    await testErrors(where, name, reported(csv, "hidden-inside"));
  }
}

// What was written comes back with its type, read by none of our code.
async function testAttributes(name) {
  const rows = rowsOf[name];
  await test(`attributes keep their types and their text: ${name}`, (expect) => {
    for (const [id, wanted] of attributesById) {
      const row = rows.get(id);
      if (!expect(row, `'${id}' is missing`)) continue;
      for (const [key, value] of Object.entries(wanted)) {
        const property = key === "用途" ? "u7528_u9014" : key;
        // A schema has ids, a batch table names.
        let found = row[property] ?? row[key] ?? row[Object.keys(row).find((k) => k.replaceAll("_", "") === property.replaceAll("_", ""))];
        if (typeof found === "bigint") found = Number(found);
        if (typeof value === "boolean" && typeof found === "string") found = { yes: true, no: false }[found];
        expect(found === value, `'${id}' ${key}: ${JSON.stringify(found)}, not ${JSON.stringify(value)}`);
      }
      expect("listed" in wanted || ![true, false, "yes", "no"].includes(row.listed), `'${id}' is listed: ${row.listed}`);
      expect(row.class === "Building", `'${id}' is a ${row.class}`);
    }
    return `${attributesById.size} features`;
  });
}

const rowsOf = {};

async function judgePackages() {
  for (const { name, where } of packages) {
    if (!fs.existsSync(where)) continue;
    await testGltf(where, name);
    const walk = await testTree(where, name);
    rowsOf[name] = new Map((walk?.rows ?? []).map((row) => [row.id, row]));
    await test(`storey check ${name}`, (expect) => {
      const done = run("storey", ["check", where]);
      expect(done.status === 0, done.stdout + done.stderr);
    });
  }
  for (const name of ["control", "control-plain", "control-meshopt", "control-1.0"]) await testAttributes(name);
  for (const { name, where } of packages.filter((one) => ["control", "district"].includes(one.name))) {
    await testAttributeFile(where, name, rowsOf[name]);
  }
  await test("every form holds the same features", (expect) => {
    const ids = [...rowsOf.district.keys()].sort().join("\n");
    for (const name of ["archive.3tz", "district-1.0", "district-deep"]) {
      expect([...(rowsOf[name]?.keys() ?? [])].sort().join("\n") === ids, `${name} holds others`);
    }
    return `${rowsOf.district.size} features`;
  });
}

async function judgeInBrowser() {
  const standing = packages.filter(({ where }) => fs.existsSync(where)).map(({ where }) => where);
  const server = await serve(standing, ["--quiet"]);
  const urls = await tilesets(server.url);
  const served = [
    // The first tileset pays for shaders; a small one.
    { name: "control", rows: rowsOf.control, heights, all: true },
    { name: "control-plain", rows: rowsOf["control-plain"], heights, all: true },
    { name: "control-meshopt", rows: rowsOf["control-meshopt"], heights, all: true },
    { name: "control-1.0", rows: rowsOf["control-1.0"], heights, all: true },
    { name: "district", rows: rowsOf.district },
    { name: "archive", rows: rowsOf["archive.3tz"] },
    { name: "district-deep", rows: rowsOf["district-deep"] },
    { name: "district-1.0", rows: rowsOf["district-1.0"] },
  ]
    .map((one) => ({ ...one, url: urls[one.name] }))
    .filter(({ url }) => url);
  // CesiumJS hands the token of a root on to all that hangs below it.
  const locked = await serveWithToken([packages.find(({ name }) => name === "control").where], "control");
  await test("a tileset without its token is 401", async (expect) => {
    const { status } = await fetch(locked.url);
    expect(status === 401, `status ${status}`);
  });
  served.push({ name: "control-token", url: `${locked.url}?${locked.query}`, rows: rowsOf.control, heights, all: true });
  await test("the server lists every package", (expect) => {
    expect(Object.keys(urls).length === standing.length, `${Object.keys(urls).join(" ")} of ${standing.length}`);
  });
  await testCesium(served);
  await locked.server.stop();
  await testThree(served.filter(({ name }) => name !== "control-token"));
  await testViewer(server.url);
  await test("the server stops when asked", async (expect) => {
    const status = await server.stop();
    expect(status === 0, `status ${status}: ${server.said()}`);
  });
}

if (wants("made") || wants("browser")) {
  await makePackages();
  await judgePackages();
}
if (wants("made") || wants("errors")) await judgeErrorsOfAll();
if (wants("browser")) await judgeInBrowser();
if (wants("real")) {
  await testAllReal();
  await testAllGml();
}
if (wants("cli")) {
  await testBadInput();
  await testCitygml();
  await testRepeatable();
  await testLimits();
}
if (wants("server")) {
  await testProxy();
  await testServer();
  await testTls();
  await testFeatures();
}
report();
