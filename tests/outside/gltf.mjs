// SPDX-License-Identifier: Apache-2.0
//
// gltf.mjs - the Khronos glTF validator over every tile of packages: no error, no warning.
//
//   node tests/outside/gltf.mjs PACKAGE...
import { createRequire } from "node:module";
import { isMain, report, test } from "./judge.mjs";
import { openPackage, tileGlb } from "./package.mjs";

const validator = createRequire(import.meta.url)("gltf-validator");

// The validator says of extensions that it does not know that it skips them; tree.mjs looks at those.
const severities = ["error", "warning"];

/** Findings of the validator in every tile of the package, and how many tiles there were. */
export async function judgeGltf(where) {
  const found = [];
  const pack = await openPackage(where);
  const names = pack.names.filter((name) => /\.(glb|b3dm)$/.test(name));
  for (const name of names) {
    let result;
    try {
      const { glb } = tileGlb(await pack.read(name));
      result = await validator.validateBytes(new Uint8Array(glb), { uri: name, maxIssues: 100 });
    } catch (error) {
      found.push(`${name}: ${error.message ?? error}`);
      continue;
    }
    for (const issue of result.issues.messages) {
      if (issue.severity < severities.length) {
        found.push(`${name}: ${severities[issue.severity]} ${issue.code} ${issue.message} at ${issue.pointer}`);
      }
    }
  }
  await pack.close();
  return { found, count: names.length };
}

export async function testGltf(where, name = where) {
  await test(`gltf-validator ${name}`, async (expect) => {
    const { found, count } = await judgeGltf(where);
    found.forEach((finding) => expect(false, finding));
    expect(count > 0, "no tile");
    return `${count} tiles`;
  });
}

if (isMain(import.meta.url)) {
  for (const where of process.argv.slice(2)) await testGltf(where);
  report();
}
