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
// The whole claim is 10,000 and 100,000; it takes its time.
const counts = process.env.STOREY_TEST_LARGE ? [10_000, 100_000] : [500, 5_000];
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

// Issue of the levels: those above the leaves cost no more than the leaves, proofs named separately.
async function testShares() {
  await test("what the levels cost is told, and is less than what is below them", (expect) => {
    const input = path.join(here, "shares.city.jsonl");
    run("storey_district", ["--count", "300", "--seed", "3", "-o", input]);
    const done = tile([input], path.join(here, "shares"), ["--stats", "--log", "json"]);
    const { build_cpu_seconds: spent } = JSON.parse(done.stderr.trim().split("\n").at(-1));
    if (!expect(spent, "no build_cpu_seconds")) return "";
    expect(spent.leaves >= spent.versions && spent.versions >= spent.version_proofs && spent.version_proofs > 0, JSON.stringify(spent));
    expect(spent.above >= spent.above_proofs && spent.above_proofs > 0, JSON.stringify(spent));
    expect(spent.above - spent.above_proofs <= spent.leaves, JSON.stringify(spent));
    const plain = run("storey", ["tile", input, "-o", path.join(here, "shares"), "--log", "json"]);
    expect(!plain.stderr.includes("build_cpu_seconds"), "told without --stats");
    return `leaves ${spent.leaves.toFixed(2)} s (${spent.version_proofs.toFixed(2)} s proofs), above ${spent.above.toFixed(2)} s (${spent.above_proofs.toFixed(2)} s proofs)`;
  });
}

async function testScale() {
  const peaks = {};
  for (const count of counts) {
    await test(`${count} generated buildings in under 450 MB`, (expect) => {
      const input = path.join(here, `${count}.city.jsonl`);
      const made = run("storey_district", ["--count", String(count), "--seed", "3", "-o", input]);
      expect(made.status === 0, made.stderr);
      const done = tile([input], path.join(here, String(count)));
      peaks[count] = mb(done.peakKb);
      expect(peaks[count] < 450, `${peaks[count].toFixed(0)} MB`);
      fs.rmSync(input);
      fs.rmSync(path.join(here, String(count)), { recursive: true });
      return `${done.seconds.toFixed(1)} s, ${peaks[count].toFixed(0)} MB`;
    });
  }
  await test("ten times the city takes at most twice the memory", (expect) => {
    const [small, large] = counts.map((count) => peaks[count]);
    expect(large <= 2 * small, `${large?.toFixed(0)} MB after ${small?.toFixed(0)} MB`);
  });
}

export async function testLimits() {
  fs.rmSync(here, { recursive: true, force: true });
  fs.mkdirSync(here, { recursive: true });
  await testRealFile();
  await testShares();
  await testScale();
}

if (isMain(import.meta.url)) {
  await testLimits();
  report();
}
