// SPDX-License-Identifier: Apache-2.0
//
// tree.mjs - is a package a sound 3D Tiles tree?
//
//   node tests/outside/tree.mjs PACKAGE...
//
// 3d-tiles-tools walks the tree (external tilesets, archives), gltf-transform and Google's Draco
// decode the contents. Looked at are those things too that no published validator sees: geometry
// outside its box, children outside their parents, feature ids out of range, columns that are
// misaligned, files that nothing refers to.
import path from "node:path";
import draco3d from "draco3dgltf";
import { Logger, NodeIO } from "@gltf-transform/core";
import { EXTMeshoptCompression, EXTTextureWebP, KHRDracoMeshCompression, KHRMeshQuantization } from "@gltf-transform/extensions";
import { MeshoptDecoder } from "three/examples/jsm/libs/meshopt_decoder.module.js";
import { isMain, report, test } from "./judge.mjs";
import { judgeSchema, readTable } from "./metadata.mjs";
import { glbChunks, openPackage, tileGlb, tools } from "./package.mjs";
import { judgeTilesetJson } from "./rules.mjs";

// A box is written in doubles around float positions.
const boxToleranceM = 0.001;
const jsonBytesMax = 64 * 1024;

await MeshoptDecoder.ready;
const io = new NodeIO()
  .registerExtensions([KHRDracoMeshCompression, EXTMeshoptCompression, KHRMeshQuantization, EXTTextureWebP])
  .registerDependencies({ "draco3d.decoder": await draco3d.createDecoderModule(), "meshopt.decoder": MeshoptDecoder });
io.setLogger(new Logger(Logger.Verbosity.SILENT));

const batchComponents = {
  BYTE: [1, "readInt8"],
  UNSIGNED_BYTE: [1, "readUInt8"],
  SHORT: [2, "readInt16LE"],
  UNSIGNED_SHORT: [2, "readUInt16LE"],
  INT: [4, "readInt32LE"],
  UNSIGNED_INT: [4, "readUInt32LE"],
  FLOAT: [4, "readFloatLE"],
  DOUBLE: [8, "readDoubleLE"],
};

const identity = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const yUpToZUp = [1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1];

function multiply(a, b) {
  const r = new Array(16).fill(0);
  for (let c = 0; c < 4; c++) {
    for (let i = 0; i < 4; i++) {
      for (let k = 0; k < 4; k++) r[c * 4 + i] += a[k * 4 + i] * b[c * 4 + k];
    }
  }
  return r;
}

const apply = (m, [x, y, z]) => [0, 1, 2].map((i) => m[i] * x + m[4 + i] * y + m[8 + i] * z + m[12 + i]);

function corners(box) {
  const out = [];
  for (const i of [-1, 1]) {
    for (const j of [-1, 1]) {
      for (const k of [-1, 1]) out.push([0, 1, 2].map((x) => box[x] + i * box[3 + x] + j * box[6 + x] + k * box[9 + x]));
    }
  }
  return out;
}

/** A function that says how far, in metres, an earth-centred point lies outside a volume; or null. */
function outsideOf(volume, m) {
  if (volume?.box) {
    const c = apply(m, volume.box.slice(0, 3));
    const axes = [3, 6, 9].map((k) => {
      const a = [0, 1, 2].map((i) => m[i] * volume.box[k] + m[4 + i] * volume.box[k + 1] + m[8 + i] * volume.box[k + 2]);
      const half = Math.hypot(...a);
      return { unit: half ? a.map((v) => v / half) : [0, 0, 0], half };
    });
    return (p) => {
      let out = 0;
      for (const { unit, half } of axes) {
        const along = Math.abs((p[0] - c[0]) * unit[0] + (p[1] - c[1]) * unit[1] + (p[2] - c[2]) * unit[2]) - half;
        if (!(along <= out)) out = along;
      }
      return out;
    };
  }
  if (volume?.sphere) {
    const c = apply(m, volume.sphere.slice(0, 3));
    const radius = volume.sphere[3] * Math.max(...[0, 4, 8].map((k) => Math.hypot(m[k], m[k + 1], m[k + 2])));
    return (p) => Math.max(0, Math.hypot(p[0] - c[0], p[1] - c[1], p[2] - c[2]) - radius);
  }
  return null; // a region: this program writes boxes
}

class Walk {
  constructor(pack) {
    this.pack = pack;
    this.found = [];
    this.tiles = this.contents = this.vertices = this.triangles = this.jsonFiles = this.levels = 0;
    this.used = new Set();
    this.matrices = new Map();
    this.schemas = new Map();
    this.leafIds = new Set();
    this.allIds = new Set();
    this.rows = []; // of leaves
  }

  add(at, what) {
    this.found.push(`${at}: ${what}`);
  }

  async json(name) {
    const bytes = await this.pack.read(name);
    if (!bytes) {
      this.add(name, "is not in the package");
      return undefined;
    }
    this.jsonFiles++;
    this.used.add(name);
    if (bytes.length > jsonBytesMax) this.add(name, `is ${bytes.length} bytes of JSON in one file`);
    const [found, json] = judgeTilesetJson(bytes);
    found.forEach((finding) => this.add(name, finding));
    if (json?.schemaUri) await this.schema(path.posix.join(path.posix.dirname(name), json.schemaUri));
    return json;
  }

  async schema(name) {
    if (this.schemas.has(name)) return this.schemas.get(name);
    const bytes = await this.pack.read(name);
    const schema = bytes && JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (!schema) this.add(name, "no such schema file");
    else judgeSchema(schema).forEach((finding) => this.add(name, finding));
    this.used.add(name);
    this.schemas.set(name, schema);
    return schema;
  }

  async tile(traversed) {
    const tile = traversed.asFinalTile();
    const parent = traversed.getParent();
    const at = traversed.path;
    const above = parent ? (this.matrices.get(parent.path) ?? identity) : identity;
    const m = tile.transform ? multiply(above, tile.transform) : above;
    this.tiles++;
    this.levels = Math.max(this.levels, traversed.level + 1);
    this.matrices.set(at, m);
    if (parent) {
      const over = parent.asFinalTile();
      if (tile.geometricError > over.geometricError) {
        this.add(at, `error ${tile.geometricError} above its parent's ${over.geometricError}`);
      }
      // A tile that shows little less than its children is a request for nothing;
      // the root must be there, and the root of another file is the same tile again.
      const isLink = parent.getFinalContents().some((c) => /\.json$/.test(c.uri));
      if (parent.level > 0 && !isLink && tile.geometricError * 1.39 > over.geometricError) {
        this.add(at, `error ${tile.geometricError} close to its parent's ${over.geometricError}`);
      }
      const outside = outsideOf(over.boundingVolume, above);
      if (outside && tile.boundingVolume.box) {
        const far = Math.max(...corners(tile.boundingVolume.box).map((c) => outside(apply(m, c))));
        if (!(far <= boxToleranceM)) this.add(at, `box ${far.toFixed(3)} m outside its parent's`);
      }
    }
    if (traversed.isImplicitTilesetRoot()) return;
    // A tile whose content is an external tileset is no leaf.
    const contents = traversed.getFinalContents();
    const isLeaf = !tile.children?.length && !contents.some((c) => /\.json$/.test(c.uri));
    for (const content of contents) {
      const resolver = traversed.getResourceResolver();
      const name = path.posix.normalize(resolver.resolveUri ? resolver.resolveUri(content.uri) : content.uri);
      if (/\.json$/.test(content.uri)) {
        await this.json(name);
        continue;
      }
      const bytes = await this.pack.read(name);
      if (!bytes) {
        this.add(at, `content '${name}' is not in the package`);
        continue;
      }
      this.contents++;
      this.used.add(name);
      const volumes = [[tile.boundingVolume, m]];
      if (content.boundingVolume) volumes.push([content.boundingVolume, m]);
      try {
        await this.content(name, bytes, volumes, m, isLeaf);
      } catch (error) {
        this.add(name, error.message);
      }
    }
  }

  async content(name, bytes, volumes, m, isLeaf) {
    const part = tileGlb(bytes);
    if (part.magic === "b3dm") this.b3dm(name, bytes, part);
    else if (this.version === "1.0") this.add(name, "a glTF content in 3D Tiles 1.0");
    const { json, bin } = glbChunks(part.glb);
    this.declared(name, json);
    const tables = await this.tables(name, json, bin);
    const document = await io.readBinary(new Uint8Array(part.glb));
    const outsides = volumes.map(([volume, frame]) => outsideOf(volume, frame)).filter(Boolean);
    let far = 0;
    for (const node of document.getRoot().listNodes()) {
      const mesh = node.getMesh();
      if (!mesh) continue;
      const world = multiply(m, multiply(yUpToZUp, node.getWorldMatrix()));
      const raw = json.meshes[document.getRoot().listMeshes().indexOf(mesh)];
      for (const [i, primitive] of mesh.listPrimitives().entries()) {
        const position = primitive.getAttribute("POSITION").getArray();
        const bounds = json.accessors[raw.primitives[i].attributes.POSITION];
        this.vertices += position.length / 3;
        this.triangles += (primitive.getIndices()?.getCount() ?? position.length / 3) / 3;
        for (let k = 0; k < position.length; k += 3) {
          const p = apply(world, [position[k], position[k + 1], position[k + 2]]);
          for (const outside of outsides) {
            const q = outside(p);
            if (!(q <= far)) far = Number.isNaN(q) ? Infinity : q;
          }
        }
        this.bounds(name, position, bounds);
        this.indices(name, primitive, position.length / 3);
        this.features(name, primitive, raw.primitives[i], tables, part, isLeaf);
      }
    }
    if (!(far <= boxToleranceM)) this.add(name, `geometry ${far.toFixed(3)} m outside its box`);
  }

  // The validator does not decode Draco, so min and max are compared here.
  bounds(name, position, { min, max }) {
    for (let k = 0; k < 3; k++) {
      let low = Infinity;
      let high = -Infinity;
      for (let i = k; i < position.length; i += 3) {
        low = Math.min(low, position[i]);
        high = Math.max(high, position[i]);
      }
      if (!(Math.abs(low - min[k]) <= 1e-3 && Math.abs(high - max[k]) <= 1e-3)) {
        this.add(name, `positions ${low}..${high}, but min and max say ${min[k]}..${max[k]}`);
      }
    }
  }

  indices(name, primitive, count) {
    for (const index of primitive.getIndices()?.getArray() ?? []) {
      if (index >= count) {
        this.add(name, `index ${index} of ${count} vertices`);
        return;
      }
    }
  }

  declared(name, json) {
    const used = JSON.stringify(json, (key, value) => (key === "extensionsUsed" || key === "extras" ? undefined : value));
    for (const [, extension] of used.matchAll(/"((?:KHR|EXT)_\w+)":/g)) {
      if (!json.extensionsUsed?.includes(extension)) this.add(name, `${extension} is not in extensionsUsed`);
    }
  }

  async tables(name, json, bin) {
    const metadata = json.extensions?.EXT_structural_metadata;
    if (!metadata) return [];
    const local = [];
    let schema = metadata.schema;
    if (schema) judgeSchema(schema).forEach((finding) => local.push(finding));
    else schema = await this.schema(path.posix.join(path.posix.dirname(name), metadata.schemaUri ?? "no-schema"));
    const tables = (metadata.propertyTables ?? []).map((table) => ({
      count: table.count,
      columns: schema ? readTable(table, schema, json, bin, local) : {},
      id: Object.entries(schema?.classes?.[table.class]?.properties ?? {}).find(([, p]) => p.semantic === "ID")?.[0],
    }));
    local.forEach((finding) => this.add(name, finding));
    return tables;
  }

  features(name, primitive, raw, tables, part, isLeaf) {
    const declared = raw.extensions?.EXT_mesh_features?.featureIds ?? [];
    for (const { attribute, featureCount, propertyTable, nullFeatureId } of declared) {
      if (attribute === undefined) continue;
      const ids = primitive.getAttribute(`_FEATURE_ID_${attribute}`)?.getArray();
      if (!ids) {
        this.add(name, `no attribute _FEATURE_ID_${attribute}`);
        continue;
      }
      const distinct = new Set(ids);
      distinct.delete(nullFeatureId);
      const table = tables[propertyTable];
      if (propertyTable !== undefined && !table) this.add(name, `no property table ${propertyTable}`);
      const limit = table ? table.count : featureCount;
      for (const id of distinct) {
        if (!(Number.isInteger(id) && id >= 0 && id < limit)) this.add(name, `feature id ${id} of ${limit}`);
      }
      if (distinct.size > featureCount) this.add(name, `${distinct.size} feature ids, but featureCount is ${featureCount}`);
      if (table) this.identify(table.columns, table.id ?? "id", distinct, isLeaf);
    }
    const batch = primitive.getAttribute("_BATCHID")?.getArray();
    if (part.magic === "b3dm") {
      const count = part.features.BATCH_LENGTH;
      if (!batch && count) this.add(name, "no attribute _BATCHID");
      const distinct = new Set(batch ?? []);
      for (const id of distinct) {
        if (!(Number.isInteger(id) && id >= 0 && id < count)) this.add(name, `batch id ${id} of ${count}`);
      }
      this.identify(part.batch, "id", distinct, isLeaf);
    }
  }

  identify(columns, key, rows, isLeaf) {
    if (!Array.isArray(columns[key])) return;
    for (const row of rows) {
      const id = columns[key][row];
      this.allIds.add(id);
      if (!isLeaf || this.leafIds.has(id)) continue;
      this.leafIds.add(id);
      this.rows.push(Object.fromEntries(Object.entries(columns).map(([k, v]) => [k, v[row]])));
    }
  }

  b3dm(name, bytes, part) {
    if (part.version !== 1) this.add(name, `b3dm version ${part.version}`);
    if (part.total !== bytes.length) this.add(name, `b3dm says ${part.total} bytes, ${bytes.length} are here`);
    if (bytes.length % 8) this.add(name, "b3dm does not end on a multiple of 8");
    if (part.glbAt % 8) this.add(name, `glb begins at ${part.glbAt}`);
    for (const [key, values] of Object.entries(part.batch)) {
      if (typeof values?.byteOffset === "number") {
        const [size, load] = batchComponents[values.componentType] ?? [];
        const count = part.features.BATCH_LENGTH;
        if (values.type !== "SCALAR" || !size) this.add(name, `batch table '${key}' of ${values.type} ${values.componentType}`);
        else if (values.byteOffset % size) this.add(name, `batch table '${key}' begins at ${values.byteOffset}`);
        else if (values.byteOffset + count * size > part.batchBinary.length) this.add(name, `batch table '${key}' ends past its binary part`);
        else part.batch[key] = Array.from({ length: count }, (_, i) => part.batchBinary[load](values.byteOffset + i * size));
        continue;
      }
      if (Array.isArray(values) && values.length !== part.features.BATCH_LENGTH) {
        this.add(name, `batch table '${key}' has ${values.length} of ${part.features.BATCH_LENGTH} values`);
      }
    }
  }
}

/** Walks a package; returns the Walk, with what was found and what was counted. */
export async function judgeTree(where) {
  const pack = await openPackage(where);
  const walk = new Walk(pack);
  const json = await walk.json(pack.root);
  walk.version = json?.asset?.version;
  if (json?.root) {
    const traverser = new tools.TilesetTraverser(".", pack.resolver, { depthFirst: true, traverseExternalTilesets: true });
    try {
      await traverser.traverse(json, async (tile) => {
        await walk.tile(tile);
        return true;
      });
    } catch (error) {
      walk.add(pack.root, `cannot be walked: ${error.message}`);
    }
  }
  for (const name of pack.names) {
    if (name.startsWith("tiles/") && !walk.used.has(name)) walk.add(name, "nothing refers to it");
  }
  await pack.close();
  return walk;
}

export async function testTree(where, name = where) {
  let walk;
  await test(`tree ${name}`, async (expect) => {
    walk = await judgeTree(where);
    walk.found.forEach((finding) => expect(false, finding));
    expect(walk.contents > 0 && walk.triangles > 0, "nothing to see");
    return `${walk.tiles} tiles on ${walk.levels} levels in ${walk.jsonFiles} JSON files, ${walk.triangles} triangles, ${walk.leafIds.size} features`;
  });
  return walk;
}

if (isMain(import.meta.url)) {
  for (const where of process.argv.slice(2)) await testTree(where);
  report();
}
