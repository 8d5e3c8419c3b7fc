// SPDX-License-Identifier: Apache-2.0
//
// limits.mjs - peak memory of whole runs, asserted; their time, told.
//
//   node tests/cli/limits.mjs
import fs from "node:fs";
import path from "node:path";
import { isMain, made, report, shared, skip, test } from "../outside/judge.mjs";
import { run, tile } from "../outside/programs.mjs";

const here = path.join(made, "limits");
const mb = (kb) => kb / 1024;

async function testRealFile() {
  await test("800 LoD2 buildings of The Hague in under 100 MB", (expect) => {
    const file = path.join(shared, "citygml-denhaag/DenHaag_01.city.json");
    if (!fs.existsSync(file)) throw skip("no ../shared/data");
    const done = tile([file], path.join(here, "denhaag"));
    expect(mb(done.peakKb) < 100, `${mb(done.peakKb).toFixed(0)} MB`);
    return `${done.seconds.toFixed(2)} s, ${mb(done.peakKb).toFixed(0)} MB`;
  });
}

async function testScale() {
  const peaks = {};
  for (const count of [10_000, 100_000]) {
    await test(`${count} generated buildings in under 300 MB`, (expect) => {
      const input = path.join(here, `${count}.city.jsonl`);
      const made = run("storey_district", ["--count", String(count), "--seed", "3", "-o", input]);
      expect(made.status === 0, made.stderr);
      const done = tile([input], path.join(here, String(count)));
      peaks[count] = mb(done.peakKb);
      expect(peaks[count] < 300, `${peaks[count].toFixed(0)} MB`);
      fs.rmSync(input);
      fs.rmSync(path.join(here, String(count)), { recursive: true });
      return `${done.seconds.toFixed(1)} s, ${peaks[count].toFixed(0)} MB`;
    });
  }
  await test("ten times the city takes at most twice the memory", (expect) => {
    expect(peaks[100_000] <= 2 * peaks[10_000], `${peaks[100_000]?.toFixed(0)} MB after ${peaks[10_000]?.toFixed(0)} MB`);
  });
}

export async function testLimits() {
  fs.rmSync(here, { recursive: true, force: true });
  fs.mkdirSync(here, { recursive: true });
  await testRealFile();
  await testScale();
}

if (isMain(import.meta.url)) {
  await testLimits();
  report();
}
