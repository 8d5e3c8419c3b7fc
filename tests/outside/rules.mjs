// SPDX-License-Identifier: Apache-2.0
//
// rules.mjs - the rules of 3D Tiles 1.0 and 1.1 for one tileset JSON, as a table.
//
// Source   3D Tiles 1.1 (OGC 22-025r4), "Tileset JSON", "Tile JSON"; 1.0 (OGC 18-053r2), same titles
//
// A member that the specification does not name is a finding: this program has no
// reason to write one.

const finite = (v) => typeof v === "number" && Number.isFinite(v);
const text = (v) => typeof v === "string" && v.length > 0;
const object = (v) => v !== null && typeof v === "object" && !Array.isArray(v);
const numbers = (count) => (v) => Array.isArray(v) && v.length === count && v.every(finite);
const texts = (v) => Array.isArray(v) && v.length > 0 && v.every(text) && new Set(v).size === v.length;
const whole = (v) => Number.isInteger(v) && v >= 0;

function box(b) {
  if (!numbers(12)(b)) return false;
  const length = (k) => Math.hypot(b[k], b[k + 1], b[k + 2]);
  return [3, 6, 9].filter((k) => length(k) > 0).length >= 2;
}

function region(r) {
  if (!numbers(6)(r)) return false;
  const [west, south, east, north, low, high] = r;
  return (
    [west, east].every((v) => Math.abs(v) <= Math.PI) &&
    [south, north].every((v) => Math.abs(v) <= Math.PI / 2) &&
    south <= north &&
    low <= high
  );
}

const volume = {
  box: [box, "12 numbers that span a box"],
  region: [region, "6 numbers in range"],
  sphere: [(s) => numbers(4)(s) && s[3] >= 0, "4 numbers, a radius of 0 or more"],
  extensions: [object, "an object"],
  extras: [() => true, ""],
};

// Column-major, affine, neither mirrored nor flat.
function transform(m) {
  if (!numbers(16)(m)) return false;
  const det =
    m[0] * (m[5] * m[10] - m[6] * m[9]) - m[4] * (m[1] * m[10] - m[2] * m[9]) + m[8] * (m[1] * m[6] - m[2] * m[5]);
  return m[3] === 0 && m[7] === 0 && m[11] === 0 && m[15] === 1 && det > 0;
}

const content = {
  uri: [text, "a string", "must"],
  boundingVolume: volume,
  metadata: [object, "an object", "1.1"],
  group: [whole, "an index", "1.1"],
  extensions: [object, "an object"],
  extras: [() => true, ""],
};

const tile = {
  boundingVolume: volume,
  viewerRequestVolume: volume,
  geometricError: [(v) => finite(v) && v >= 0, "a number of 0 or more", "must"],
  refine: [(v) => v === "ADD" || v === "REPLACE", "ADD or REPLACE"],
  transform: [transform, "16 numbers, column by column, affine and not mirrored"],
  content,
  contents: [(v) => Array.isArray(v) && v.length > 0, "one or more", "1.1"],
  children: [(v) => Array.isArray(v) && v.length > 0, "one or more"],
  implicitTiling: [object, "an object", "1.1"],
  metadata: [object, "an object", "1.1"],
  extensions: [object, "an object"],
  extras: [() => true, ""],
};

const tileset = {
  asset: {
    version: [(v) => v === "1.0" || v === "1.1", "1.0 or 1.1", "must"],
    tilesetVersion: [(v) => typeof v === "string", "a string"],
    extensions: [object, "an object"],
    extras: [() => true, ""],
  },
  geometricError: [(v) => finite(v) && v >= 0, "a number of 0 or more", "must"],
  root: [object, "an object", "must"],
  properties: [object, "an object"],
  schema: [object, "an object", "1.1"],
  schemaUri: [text, "a string", "1.1"],
  statistics: [object, "an object", "1.1"],
  groups: [(v) => Array.isArray(v) && v.length > 0, "one or more", "1.1"],
  metadata: [object, "an object", "1.1"],
  extensionsUsed: [texts, "different names"],
  extensionsRequired: [texts, "different names"],
  extensions: [object, "an object"],
  extras: [() => true, ""],
};

function apply(rules, value, at, version, found) {
  if (!object(value)) {
    found.push(`${at} is not an object`);
    return;
  }
  for (const name of Object.keys(value)) {
    const rule = rules[name];
    if (!rule) found.push(`${at}.${name} is not in the specification`);
    else if (!Array.isArray(rule)) apply(rule, value[name], `${at}.${name}`, version, found);
    else if (!rule[0](value[name])) found.push(`${at}.${name} is not ${rule[1]}`);
    else if (rule[2] === "1.1" && version === "1.0") found.push(`${at}.${name} is not known to 1.0`);
  }
  for (const [name, rule] of Object.entries(rules)) {
    if (Array.isArray(rule) && rule[2] === "must" && !(name in value)) found.push(`${at}.${name} is missing`);
  }
  if (rules === volume && !value.box && !value.region && !value.sphere) found.push(`${at} has no volume`);
}

function applyTile(value, at, isRoot, version, found) {
  apply(tile, value, at, version, found);
  if (!object(value)) return;
  if (!value.boundingVolume) found.push(`${at}.boundingVolume is missing`);
  if (isRoot && !value.refine) found.push(`${at}.refine is missing at the root`);
  if (value.content && value.contents) found.push(`${at} has content and contents`);
  if (value.content && value.children && /\.json$/.test(value.content.uri)) {
    found.push(`${at} has children and an external tileset`);
  }
  for (const [i, one] of (Array.isArray(value.contents) ? value.contents : []).entries()) {
    apply(content, one, `${at}.contents[${i}]`, version, found);
  }
  for (const [i, child] of (Array.isArray(value.children) ? value.children : []).entries()) {
    applyTile(child, `${at}.children[${i}]`, false, version, found);
  }
}

/** What is wrong with the bytes of one tileset JSON. Returns [findings, the parsed tileset]. */
export function judgeTilesetJson(bytes) {
  const found = [];
  let json;
  try {
    const decoded = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    json = JSON.parse(decoded);
  } catch (error) {
    return [[`not JSON: ${error.message}`], undefined];
  }
  if (!object(json)) return [["not an object"], undefined];
  const version = json.asset?.version;
  if (!json.asset) found.push("asset is missing");
  apply(tileset, json, "tileset", version, found);
  for (const name of json.extensionsRequired ?? []) {
    if (!json.extensionsUsed?.includes(name)) found.push(`extension ${name} is required but not used`);
  }
  if (json.schema && json.schemaUri) found.push("schema and schemaUri");
  if (object(json.root)) {
    applyTile(json.root, "root", true, version, found);
    if (json.root.geometricError > json.geometricError) found.push("the root's error is above the tileset's");
  }
  return [found, json];
}
