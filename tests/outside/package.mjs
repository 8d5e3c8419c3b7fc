// SPDX-License-Identifier: Apache-2.0
//
// package.mjs - opens a tileset package with 3d-tiles-tools: a directory, a tileset.json or a .3tz.
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { createRequire } from "node:module";
import { ZSTDDecoder } from "three/examples/jsm/libs/zstddec.module.js";

export const tools = createRequire(import.meta.url)("3d-tiles-tools");

const zstd = new ZSTDDecoder();
await zstd.init();

// A member of a .3tz may be stored in zstd, which 3d-tiles-tools hands over as it is.
function expand(bytes) {
  if (bytes.length > 4 && bytes.readUInt32LE(0) === 0xfd2fb528) return Buffer.from(zstd.decode(bytes));
  if (bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b) return zlib.gunzipSync(bytes);
  return bytes;
}

/**
 * Opens `where`. `read(name)` gives a file's bytes or undefined, `names` lists all files, `root` is
 * the tileset's name, `resolver` is what the traverser of 3d-tiles-tools wants.
 */
export async function openPackage(where) {
  const isArchive = where.endsWith(".3tz");
  const folder = !isArchive && fs.statSync(where).isFile() ? path.dirname(where) : where;
  const root = folder === where ? "tileset.json" : path.basename(where);
  const source = isArchive ? new tools.TilesetSource3tz() : new tools.TilesetSourceFs();
  await source.open(folder);
  const inner = source.getValue.bind(source);
  source.getValue = async (name) => {
    const bytes = await inner(name);
    return bytes && expand(Buffer.from(bytes));
  };
  const names = [];
  for await (const name of await source.getKeys()) names.push(name);
  return {
    where,
    root,
    names,
    resolver: new tools.TilesetSourceResourceResolver(".", source),
    read: (name) => source.getValue(path.posix.normalize(name)),
    close: () => source.close(),
  };
}

/** The binary glTF inside a tile's bytes, and what stood around it. */
export function tileGlb(bytes) {
  const magic = bytes.toString("latin1", 0, 4);
  if (magic === "glTF") return { magic, glb: bytes };
  if (magic !== "b3dm") throw new Error(`content begins with '${magic}'`);
  const [version, total, featureJson, featureBinary, batchJson, batchBinary] = [4, 8, 12, 16, 20, 24].map((at) =>
    bytes.readUInt32LE(at),
  );
  const text = (at, size) => (size ? JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(at, at + size))) : {});
  const batchAt = 28 + featureJson + featureBinary;
  const glbAt = batchAt + batchJson + batchBinary;
  return {
    magic,
    version,
    total,
    glbAt,
    features: text(28, featureJson),
    batch: text(batchAt, batchJson),
    batchBinary: bytes.subarray(batchAt + batchJson, glbAt),
    glb: bytes.subarray(glbAt, glbAt + bytes.readUInt32LE(glbAt + 8)),
  };
}

/** JSON and binary chunk of a binary glTF. */
export function glbChunks(glb) {
  const jsonBytes = glb.readUInt32LE(12);
  const json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(glb.subarray(20, 20 + jsonBytes)));
  const binAt = 20 + jsonBytes;
  const bin = binAt + 8 <= glb.length ? glb.subarray(binAt + 8, binAt + 8 + glb.readUInt32LE(binAt)) : Buffer.alloc(0);
  return { json, bin };
}
