// SPDX-License-Identifier: Apache-2.0
//
// digest.mjs - one digest for a whole package, names and bytes.
import fs from "node:fs";
import path from "node:path";
import { createHash } from "node:crypto";

/** name -> digest of every file below a folder; a single file is one entry. */
export function fileDigests(where) {
  const digest = (file) => createHash("sha256").update(fs.readFileSync(file)).digest("hex");
  if (fs.statSync(where).isFile()) return new Map([[".", digest(where)]]);
  const names = fs.readdirSync(where, { recursive: true }).filter((name) => fs.statSync(path.join(where, name)).isFile());
  return new Map(names.sort().map((name) => [name, digest(path.join(where, name))]));
}

export function folderDigest(where) {
  return createHash("sha256").update(JSON.stringify([...fileDigests(where)])).digest("hex");
}
