// SPDX-License-Identifier: Apache-2.0
//
// errors.mjs - does every tile keep the error it states?
//
//   node tests/outside/errors.mjs PACKAGE...
//
// What a tile shows of a feature is compared with the feature's full detail as its leaves show it,
// both ways, point by point against every triangle: no code of storey, no shortcut that could hide a
// mistake. gltf-transform and Google's Draco decode. The errors are those of manifest.json:
// what is proven is held to distances, what is stated to geometricError.
//
// * a feature that is shown lies within the error of its full detail, and that of what is shown;
// * a feature that is not shown, and in no group, is no larger than the error;
// * a group lies within the error of its members as solids: what is under the roof of one is in it;
// * a group says how many members it has, and all of them stand in the leaves below;
// * errors do not fall towards the root, and geometricError is the error times one factor;
// * a feature without an open edge in its leaf has none above, and a split one none where it is whole.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import draco3d from "draco3dgltf";
import { Logger, NodeIO } from "@gltf-transform/core";
import { EXTMeshoptCompression, EXTTextureWebP, KHRDracoMeshCompression, KHRMeshQuantization } from "@gltf-transform/extensions";
import { MeshoptDecoder } from "three/examples/jsm/libs/meshopt_decoder.module.js";
import { isMain, report, test } from "./judge.mjs";
import { readTable } from "./metadata.mjs";
import { glbChunks, openPackage } from "./package.mjs";
import { run } from "./programs.mjs";

// Between samples; a coarse tile needs no more than its error can tell.
const stepM = 0.25;
const stepPerError = 1 / 6;
const samplesMax = 3000;
const cornersMax = 6000;
// How far from its middle ground that is not shown may reach.
const stripShare = 0.75;
// Faces that stand upon one another, after both were quantized.
const contactM = 0.3;
// Rounding of frames and of printed errors.
const slackM = 0.002;

await MeshoptDecoder.ready;
const io = new NodeIO()
  .registerExtensions([KHRDracoMeshCompression, EXTMeshoptCompression, KHRMeshQuantization, EXTTextureWebP])
  .registerDependencies({ "draco3d.decoder": await draco3d.createDecoderModule(), "meshopt.decoder": MeshoptDecoder });
io.setLogger(new Logger(Logger.Verbosity.SILENT));

const identity = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

function multiply(a, b) {
  const r = new Array(16).fill(0);
  for (let c = 0; c < 4; c++) {
    for (let i = 0; i < 4; i++) {
      for (let k = 0; k < 4; k++) r[c * 4 + i] += a[k * 4 + i] * b[c * 4 + k];
    }
  }
  return r;
}

/* ---- reading ---- */

// Every tile with content: its matrix, error, content, children, parent.
async function readTiles(pack, name, above, parent, out) {
  const json = JSON.parse(await pack.read(name));
  const visit = async (tile, m, over) => {
    const matrix = tile.transform ? multiply(m, tile.transform) : m;
    const uri = tile.content?.uri && path.posix.join(path.posix.dirname(name), tile.content.uri);
    if (uri?.endsWith(".json")) return readTiles(pack, uri, matrix, over, out);
    let here = over;
    if (uri) {
      here = { uri, matrix, geometricError: tile.geometricError, parent: over, children: [] };
      over?.children.push(here);
      out.push(here);
    }
    for (const child of tile.children ?? []) await visit(child, matrix, here);
  };
  await visit(json.root, above, parent);
}

// Corners of all triangles of each feature, in metres from `center` (earth-centred axes).
async function readContent(pack, tile, center) {
  const bytes = await pack.read(tile.uri);
  const { json, bin } = glbChunks(bytes);
  const metadata = json.extensions?.EXT_structural_metadata;
  const rows = {};
  if (!metadata) return rows;
  const schema = JSON.parse(await pack.read(path.posix.join(path.posix.dirname(tile.uri), metadata.schemaUri)));
  const columns = readTable(metadata.propertyTables[0], schema, json, bin, []);
  const features = columns.id.map((id, i) => ({ id, memberCount: columns.member_count?.[i] ?? 0, corners: [], grid: [] }));
  const document = await io.readBinary(new Uint8Array(bytes));
  const m = tile.matrix;
  for (const mesh of document.getRoot().listMeshes()) {
    for (const primitive of mesh.listPrimitives()) {
      const p = primitive.getAttribute("POSITION").getArray();
      const ids = primitive.getAttribute("_FEATURE_ID_0").getArray();
      const index = primitive.getIndices().getArray();
      for (let i = 0; i < index.length; i++) {
        const k = 3 * index[i];
        const [x, y, z] = [p[k], -p[k + 2], p[k + 1]];
        const into = features[ids[index[i]]];
        for (let c = 0; c < 3; c++) into.corners.push(m[c] * x + m[4 + c] * y + m[8 + c] * z + (m[12 + c] - center[c]));
        into.grid.push(`${x},${y},${z}`);
      }
    }
  }
  for (const one of features) {
    one.corners = Float64Array.from(one.corners);
    if (one.corners.length) rows[one.id] = one;
  }
  return rows;
}

/* ---- distances ---- */

const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const cornerOf = (corners, i) => [corners[3 * i], corners[3 * i + 1], corners[3 * i + 2]];

/** Triangles with a sphere around each: those whose sphere is too far away need no look. */
function solidOf(corners) {
  const count = corners.length / 9;
  const spheres = new Float64Array(4 * count);
  for (let t = 0; t < count; t++) {
    const k = 9 * t;
    let radius = 0;
    for (let c = 0; c < 3; c++) spheres[4 * t + c] = (corners[k + c] + corners[k + 3 + c] + corners[k + 6 + c]) / 3;
    for (let v = 0; v < 3; v++) {
      radius = Math.max(radius, Math.hypot(...[0, 1, 2].map((c) => corners[k + 3 * v + c] - spheres[4 * t + c])));
    }
    spheres[4 * t + 3] = radius;
  }
  return { corners, spheres, count };
}

// Squared distance of a point to one triangle: the plane where the foot lies inside, else the edges.
function toTriangle(px, py, pz, q, k) {
  const ax = q[k], ay = q[k + 1], az = q[k + 2];
  const ux = q[k + 3] - ax, uy = q[k + 4] - ay, uz = q[k + 5] - az;
  const vx = q[k + 6] - ax, vy = q[k + 7] - ay, vz = q[k + 8] - az;
  const wx = px - ax, wy = py - ay, wz = pz - az;
  const uu = ux * ux + uy * uy + uz * uz, uv = ux * vx + uy * vy + uz * vz, vv = vx * vx + vy * vy + vz * vz;
  const wu = wx * ux + wy * uy + wz * uz, wv = wx * vx + wy * vy + wz * vz;
  const det = uu * vv - uv * uv;
  if (det > 1e-12 * uu * vv) {
    const s = (wu * vv - wv * uv) / det;
    const t = (wv * uu - wu * uv) / det;
    if (s >= 0 && t >= 0 && s + t <= 1) {
      const dx = wx - s * ux - t * vx, dy = wy - s * uy - t * vy, dz = wz - s * uz - t * vz;
      return dx * dx + dy * dy + dz * dz;
    }
  }
  const edge = (ox, oy, oz, ex, ey, ez, length) => {
    const along = length > 0 ? Math.min(1, Math.max(0, (ox * ex + oy * ey + oz * ez) / length)) : 0;
    const dx = ox - along * ex, dy = oy - along * ey, dz = oz - along * ez;
    return dx * dx + dy * dy + dz * dz;
  };
  const fx = vx - ux, fy = vy - uy, fz = vz - uz;
  return Math.min(
    edge(wx, wy, wz, ux, uy, uz, uu),
    edge(wx, wy, wz, vx, vy, vz, vv),
    edge(wx - ux, wy - uy, wz - uz, fx, fy, fz, fx * fx + fy * fy + fz * fz),
  );
}

// The distance of a point to the triangles; not looked for below `enough`.
function distance(p, to, enough) {
  let best = Infinity;
  let bestRoot = Infinity;
  for (let t = 0; t < to.count; t++) {
    const s = 4 * t;
    const dx = p[0] - to.spheres[s], dy = p[1] - to.spheres[s + 1], dz = p[2] - to.spheres[s + 2];
    const reach = bestRoot + to.spheres[s + 3];
    if (dx * dx + dy * dy + dz * dz >= reach * reach) continue;
    const d = toTriangle(p[0], p[1], p[2], to.corners, 9 * t);
    if (d < best) {
      best = d;
      bestRoot = Math.sqrt(d);
      if (bestRoot <= enough) break;
    }
  }
  return bestRoot;
}

// Corners, middles of edges, and points spread evenly over each triangle.
function samples(corners, step) {
  const count = corners.length / 9;
  let area = 0;
  const areas = new Float64Array(count);
  for (let t = 0; t < count; t++) {
    const [a, b, c] = [0, 1, 2].map((v) => cornerOf(corners, 3 * t + v));
    const n = cross(sub(b, a), sub(c, a));
    area += areas[t] = Math.hypot(...n) / 2;
  }
  const density = Math.min(1 / (step * step), samplesMax / Math.max(area, 1e-9));
  const every = Math.ceil((7 * count) / cornersMax);
  const out = [];
  for (let t = 0; t < count; t++) {
    const [a, b, c] = [0, 1, 2].map((v) => cornerOf(corners, 3 * t + v));
    const at = (u, v) => [0, 1, 2].map((k) => a[k] + u * (b[k] - a[k]) + v * (c[k] - a[k]));
    if (t % every === 0) out.push(a, b, c, at(0.5, 0), at(0, 0.5), at(0.5, 0.5), at(1 / 3, 1 / 3));
    // The share of a small triangle comes in every so many of them.
    const more = Math.floor(areas[t] * density + ((t * 0.6180339887498949) % 1));
    for (let i = 0; i < more; i++) {
      // Two irrational steps cover a square evenly; its other half is folded over.
      let u = (0.5 + (i + t) * 0.7548776662466927) % 1;
      let v = (0.5 + (i + t) * 0.5698402909980532) % 1;
      if (u + v > 1) [u, v] = [1 - u, 1 - v];
      out.push(at(u, v));
    }
  }
  return out;
}

/** Whether a triangle stands above a place (moved up by `lift`): a roof over it means that it is inside. */
function isUnderRoof(p, solid, { up, east, north }, lift = 0) {
  const level = dot(p, up) + lift;
  for (let t = 0; t < solid.count; t++) {
    const s = 4 * t;
    const d = [p[0] - solid.spheres[s], p[1] - solid.spheres[s + 1], p[2] - solid.spheres[s + 2]];
    const x = dot(d, east), y = dot(d, north);
    if (x * x + y * y > (solid.spheres[s + 3] + 1e-3) ** 2) continue;
    const flat = [0, 1, 2].map((v) => {
      const corner = cornerOf(solid.corners, 3 * t + v);
      const q = sub(corner, p);
      return [dot(q, east), dot(q, north), dot(corner, up)];
    });
    const side = (a, b) => a[0] * b[1] - a[1] * b[0];
    const sides = [side(flat[1], flat[2]), side(flat[2], flat[0]), side(flat[0], flat[1])];
    const all = sides[0] + sides[1] + sides[2];
    if (Math.abs(all) < 1e-9 || sides.some((one) => one * all < 0)) continue;
    if ((sides[0] * flat[0][2] + sides[1] * flat[1][2] + sides[2] * flat[2][2]) / all > level) return true;
  }
  return false;
}

/** The largest distance from samples of `from` to `to`, of those that `forgives` does not know better. */
function farthest(from, to, error, forgives) {
  let worst = 0;
  let place = null;
  for (const p of samples(from.corners, Math.max(stepM, error * stepPerError))) {
    const d = distance(p, to, Math.max(worst, error / 2));
    if (d > worst && !(d > error && forgives?.(p))) {
      worst = d;
      place = p;
    }
  }
  return { worst, place };
}

/**
 * Ground that is not shown counts with its width: seen from any place on it, what is not such
 * ground is near. It is left out piece by piece, so two that lie beside one another may both be
 * gone. `full` are its triangles, `shown` what is left of it.
 */
function isStrip(p, full, shown, error, frame) {
  const isOver = (q, solid) => solid && (isUnderRoof(q, solid, frame, -1e4) !== isUnderRoof(q, solid, frame, 1e4));
  for (let i = 0; i < 32; i++) {
    const [c, s] = [Math.cos((i * Math.PI) / 16), Math.sin((i * Math.PI) / 16)];
    const q = p.map((v, k) => v + stripShare * error * (c * frame.east[k] + s * frame.north[k]));
    if (!isOver(q, full) || isOver(q, shown)) return true;
  }
  return false;
}

/** Whether a feature is ground: nothing of it is a wall. */
function isGround(solid, frame) {
  for (let t = 0; t < solid.count; t++) {
    const [a, b, c] = [0, 1, 2].map((v) => cornerOf(solid.corners, 3 * t + v));
    const n = cross(sub(b, a), sub(c, a));
    if (Math.abs(dot(n, frame.up)) < 0.5 * Math.hypot(...n)) return false;
  }
  return true;
}

function diameter(corners) {
  const points = [...new Map(Array.from({ length: corners.length / 3 }, (_, i) => [cornerOf(corners, i).map((v) => v.toFixed(3)).join(), cornerOf(corners, i)])).values()];
  let most = 0;
  for (let i = 0; i < points.length; i++) {
    for (let j = 0; j < i; j++) most = Math.max(most, (points[i][0] - points[j][0]) ** 2 + (points[i][1] - points[j][1]) ** 2 + (points[i][2] - points[j][2]) ** 2);
  }
  return Math.sqrt(most);
}

/** Edges that an odd number of triangles have, as indices of two corners. Places on the tile's grid are compared. */
function openEdges(grid) {
  const edges = new Map();
  const flip = (i, j) => {
    const [a, b] = [grid[i], grid[j]];
    const key = a < b ? `${a} ${b}` : `${b} ${a}`;
    if (!edges.delete(key)) edges.set(key, [i, j]);
  };
  for (let i = 0; i < grid.length; i += 3) {
    if (grid[i] === grid[i + 1] || grid[i + 1] === grid[i + 2] || grid[i + 2] === grid[i]) continue;
    flip(i, i + 1);
    flip(i + 1, i + 2);
    flip(i + 2, i);
  }
  return [...edges.values()];
}

function concat(arrays) {
  const out = new Float64Array(arrays.reduce((sum, a) => sum + a.length, 0));
  let at = 0;
  for (const a of arrays) {
    out.set(a, at);
    at += a.length;
  }
  return out;
}

/* ---- judging ---- */

export class Judge {
  constructor(where) {
    this.where = where;
    this.found = [];
    this.full = new Map(); // id -> what the leaves show
    this.members = new Map();
    this.worst = 0;
    this.compared = 0;
    this.floorless = 0;
  }

  add(what) {
    this.found.push(what);
  }

  async open() {
    this.pack = await openPackage(this.where);
    this.tiles = [];
    await readTiles(this.pack, "tileset.json", identity, null, this.tiles);
    const manifest = JSON.parse(await this.pack.read("manifest.json"));
    const told = new Map(manifest.tiles.map((one) => [one.name, one]));
    for (const tile of this.tiles) {
      tile.error = told.get(tile.uri)?.error_m;
      tile.stated = told.get(tile.uri)?.stated_m;
    }
    this.factor = Number(manifest.options["error-factor"] ?? manifest.options.find?.((one) => one.name === "error-factor")?.value);
    this.center = this.tiles[0].matrix.slice(12, 15);
    const up = this.center.map((v) => v / Math.hypot(...this.center));
    const east = [-up[1], up[0], 0].map((v) => v / Math.hypot(up[0], up[1]));
    this.frame = { up, east, north: cross(up, east) };
  }

  // From the leaves up: full detail first.
  async read() {
    for (const tile of this.tiles) tile.rows = await readContent(this.pack, tile, this.center);
    for (const tile of this.tiles.filter((one) => !one.children.length)) {
      for (const [id, row] of Object.entries(tile.rows)) {
        const full = this.full.get(id) ?? { parts: [], error: 0 };
        full.parts.push(row);
        full.error = Math.max(full.error, tile.error);
        this.full.set(id, full);
      }
    }
    for (const full of this.full.values()) {
      full.solid = solidOf(concat(full.parts.map((row) => row.corners)));
      full.isClosed = full.parts.length === 1 && openEdges(full.parts[0].grid).length === 0;
      full.isGround = isGround(full.solid, this.frame);
    }
  }

  leafIds(tile) {
    if (!tile.children.length) return Object.keys(tile.rows);
    return (tile.below ??= [...new Set(tile.children.flatMap((child) => this.leafIds(child)))]);
  }

  membersOf(group) {
    if (!this.members.has(group)) {
      const done = run("storey", ["query", this.where, "--group", group, "-f", "ids", "--limit", "1000000"]);
      this.members.set(group, done.status === 0 ? JSON.parse(done.stdout).ids : []);
    }
    return this.members.get(group);
  }

  diameter(full) {
    return (full.diameter ??= diameter(full.solid.corners));
  }

  errors(tile) {
    if (!(tile.error >= 0)) return this.add(`${tile.uri}: the manifest does not say its error`);
    if (tile.parent && tile.parent.error < tile.error) this.add(`${tile.uri}: error ${tile.error} above its parent's ${tile.parent.error}`);
    if (tile.children.length && Math.abs(tile.geometricError - this.factor * tile.stated) > 1e-3 * tile.geometricError) {
      this.add(`${tile.uri}: geometricError ${tile.geometricError} is not ${this.factor} x ${tile.stated}`);
    }
  }

  compare(tile, what, shown, fulls, error, { isSolid, isGround }) {
    const full = fulls.length === 1 ? fulls[0].solid : solidOf(concat(fulls.map((one) => one.solid.corners)));
    const inFull = (p) => isUnderRoof(p, full, this.frame);
    const inShown = (p) => isUnderRoof(p, shown, this.frame);
    const inStrip = (p) => isStrip(p, full, shown, error, this.frame);
    const far = [["shown beyond full detail", farthest(shown, full, error, isSolid ? inFull : null)]];
    // A small member of a group may be left out like any other feature.
    for (const one of fulls) {
      if (fulls.length > 1 && this.diameter(one) <= error) continue;
      far.push(["full detail beyond what is shown", farthest(one.solid, shown, error, isGround ? inStrip : isSolid ? inShown : null)]);
    }
    for (const [how, { worst, place }] of far) {
      this.worst = Math.max(this.worst, worst / error);
      if (worst > error + slackM) {
        const at = place && ["east", "north", "up"].map((axis) => dot(place, this.frame[axis]).toFixed(1)).join(" ");
        this.add(`${tile.uri}: ${what}: ${how} by ${worst.toFixed(3)} m, error ${error.toFixed(3)} m (${shown.count} triangles for ${full.count}, at ${at})`);
      }
    }
    this.compared++;
  }

  /**
   * Blocks have no floor, and stand upon one another: an open edge is well when it is level and no
   * wall goes on below it, or when it lies on another face of the feature.
   */
  isFloorless(row, edges, solid) {
    const onFace = ([i, j], p) => {
      for (let t = 0; t < solid.count; t++) {
        const has = (k) => row.grid.slice(3 * t, 3 * t + 3).includes(row.grid[k]);
        if (has(i) && has(j)) continue;
        if (toTriangle(...p, solid.corners, 9 * t) < contactM * contactM) return true;
      }
      return false;
    };
    return edges.every((edge) => {
      const [a, b] = edge.map((i) => cornerOf(row.corners, i));
      const e = sub(b, a);
      const at = (u) => a.map((v, k) => v + u * e[k]);
      const under = at(0.5).map((v, k) => v - 0.1 * this.frame.up[k]);
      const isLevel = Math.abs(dot(e, this.frame.up)) < 0.05 * Math.hypot(...e) + 0.3;
      return (isLevel && distance(under, solid, 0) > 0.05) || [0.1, 0.5, 0.9].every((u) => onFace(edge, at(u)));
    });
  }

  tile(tile) {
    const there = new Set();
    const below = new Set(this.leafIds(tile));
    if (!Object.keys(tile.rows).length) this.add(`${tile.uri}: shows nothing of ${below.size} features`);
    for (const [id, row] of Object.entries(tile.rows)) {
      const isGroup = row.memberCount > 0;
      const members = isGroup ? this.membersOf(id) : [id];
      if (isGroup && row.memberCount !== members.length) this.add(`${tile.uri}: ${id} says ${row.memberCount} members, the index ${members.length}`);
      for (const member of members) {
        if (there.has(member)) this.add(`${tile.uri}: '${member}' is shown twice`);
        there.add(member);
        if (!below.has(member)) this.add(`${tile.uri}: '${member}' of ${id} is in no leaf below`);
      }
      const fulls = members.map((member) => this.full.get(member)).filter(Boolean);
      if (!fulls.length) continue;
      const shown = solidOf(row.corners);
      const open = isGroup ? [] : openEdges(row.grid);
      const isFloorless = open.length > 0 && this.isFloorless(row, open, shown);
      if (open.length && !isFloorless && fulls[0].isClosed) this.add(`${tile.uri}: '${id}' has ${open.length} open edges, and none in its leaf`);
      this.floorless += isFloorless;
      const error = tile.error + Math.max(...fulls.map((one) => one.error));
      const what = isGroup ? `${id} of ${members.length}` : `'${id}'`;
      this.compare(tile, what, shown, fulls, error, { isSolid: isGroup || isFloorless, isGround: fulls.every((one) => one.isGround) });
    }
    for (const id of below) {
      const full = this.full.get(id);
      if (there.has(id) || this.hidden.has(id)) continue;
      const error = tile.error + full.error + slackM;
      if (this.diameter(full) <= error) continue;
      if (full.isGround && samples(full.solid.corners, Math.max(stepM, error * stepPerError)).every((p) => isStrip(p, full.solid, null, error, this.frame))) continue;
      this.add(`${tile.uri}: '${id}' of ${full.diameter.toFixed(2)} m is not there, error ${tile.error.toFixed(3)} m`);
    }
  }
}

/** Judges one package; `hidden` are the ids that its run said nobody sees. */
export async function judgeErrors(where, hidden = new Set()) {
  const judge = new Judge(where);
  judge.hidden = hidden;
  await judge.open();
  await judge.read();
  for (const tile of judge.tiles) {
    judge.errors(tile);
    if (tile.children.length && tile.error >= 0) judge.tile(tile);
  }
  await judge.pack.close();
  return judge;
}

/** The ids that a report (--report FILE.csv) names with a kind of notice. */
export function reported(file, kind) {
  const lines = fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("\n") : [];
  return new Set(lines.filter((line) => line.includes(kind)).flatMap((line) => line.split(",").map((word) => word.replaceAll('"', ""))));
}

export async function testErrors(where, name = where, hidden = new Set()) {
  await test(`stated errors hold: ${name}`, async (expect) => {
    const judge = await judgeErrors(where, hidden);
    judge.found.forEach((finding) => expect(false, finding));
    expect(judge.tiles.length === 1 || judge.compared > 0, "nothing was compared");
    return `${judge.tiles.length} tiles, ${judge.compared} features and groups above the leaves, at most ${judge.worst.toFixed(2)} of the stated error`;
  });
}

if (isMain(import.meta.url)) {
  for (const where of process.argv.slice(2)) {
    const judge = await judgeErrors(where, reported(path.join(os.tmpdir(), `${path.basename(where)}.csv`), "hidden-inside"));
    console.log(judge.found.join("\n"));
    console.log(`${where}: ${judge.found.length} findings; ${judge.tiles.length} tiles, ${judge.compared} compared, at most ${judge.worst.toFixed(2)} of the error`);
  }
  report();
}
