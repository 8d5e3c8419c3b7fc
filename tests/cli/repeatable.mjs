// SPDX-License-Identifier: Apache-2.0
//
// repeatable.mjs - same input, same bytes; a killed run leaves all or nothing; a small change stays small.
//
//   node tests/cli/repeatable.mjs
import fs from "node:fs";
import path from "node:path";
import { spawn } from "node:child_process";
import { isMain, made, report, test } from "../outside/judge.mjs";
import { program, run, tile } from "../outside/programs.mjs";
import { judgeTree } from "../outside/tree.mjs";
import { fileDigests, folderDigest } from "./digest.mjs";

const here = path.join(made, "repeat");
// A city large enough for several levels; the whole claim is 10,000.
const cityCount = process.env.STOREY_TEST_LARGE ? 10_000 : 1_000;

function differences(a, b) {
  const [one, two] = [fileDigests(a), fileDigests(b)];
  const names = new Set([...one.keys(), ...two.keys()]);
  return [...names].filter((name) => one.get(name) !== two.get(name));
}

function generate(count, file) {
  const done = run("storey_district", ["--count", String(count), "--seed", "11", "-o", file]);
  if (done.status !== 0) throw new Error(done.stderr);
  return file;
}

async function testThreads() {
  const input = generate(150, path.join(here, "threads.city.jsonl"));
  for (const [form, options] of [["package", []], ["package.3tz", []], ["package-1.0", ["--tiles-version", "1.0"]]]) {
    await test(`the same bytes with 1 and with 8 threads, elsewhere, in another language: ${form}`, (expect) => {
      const one = path.join(here, "one", form);
      const eight = path.join(here, "eight", form);
      for (const folder of [one, eight]) fs.mkdirSync(path.dirname(folder), { recursive: true });
      tile([input], one, ["--threads", "1", ...options]);
      // The other run stands elsewhere, has another zone, another language, another temporary folder.
      const done = run("storey", ["tile", path.relative(path.dirname(eight), input), "-o", form, "--threads", "8", ...options], {
        cwd: path.dirname(eight),
        env: { TZ: "Asia/Shanghai", LANG: "C", LC_ALL: "C", TMPDIR: here },
      });
      expect(done.status === 0 || done.status === 3, done.stderr);
      const differ = differences(one, eight);
      expect(differ.length === 0, `${differ.length} files differ, such as ${differ[0]}`);
      return `${fileDigests(one).size} files`;
    });
  }
}

/** Starts a run and kills it after a while; true when it was still running. */
function killed(args, afterMs, signal) {
  return new Promise((done) => {
    const child = spawn(program("storey"), args, { stdio: "ignore" });
    const timer = setTimeout(() => child.kill(signal), afterMs);
    child.on("exit", (code, by) => {
      clearTimeout(timer);
      done(by === signal || code === null || code === 128 + 2 || code === 1);
    });
  });
}

async function testKill() {
  const folder = path.join(here, "kill");
  fs.mkdirSync(folder, { recursive: true });
  const small = generate(10, path.join(here, "small.city.jsonl"));
  const large = generate(100, path.join(here, "large.city.jsonl"));
  const out = path.join(folder, "package");
  const from = performance.now();
  tile([large], out);
  const wholeMs = performance.now() - from;
  const newDigest = folderDigest(out);
  fs.rmSync(out, { recursive: true });
  await test("a killed run leaves no package", async (expect) => {
    let hits = 0;
    for (let i = 0; i < 8; i++) {
      if (await killed(["tile", large, "-o", out], wholeMs * (0.05 + 0.12 * i), "SIGKILL")) hits++;
      if (fs.existsSync(out)) {
        expect(folderDigest(out) === newDigest, `half a package after ${i}`);
        fs.rmSync(out, { recursive: true });
      }
    }
    expect(hits > 0, "no run was killed in time");
    return `${hits} of 8 killed`;
  });
  tile([small], out);
  const oldDigest = folderDigest(out);
  await test("a killed run leaves the old package or the new one", async (expect) => {
    let hits = 0;
    for (let i = 0; i < 8; i++) {
      if (await killed(["tile", large, "-o", out], wholeMs * (0.1 + 0.12 * i), "SIGKILL")) hits++;
      const digest = fs.existsSync(out) ? folderDigest(out) : "none";
      expect(digest === oldDigest || digest === newDigest, `neither the old nor the new package after ${i}`);
      if (digest !== oldDigest) tile([small], out);
    }
    return `${hits} of 8 killed`;
  });
  await test("an interrupted run cleans up", async (expect) => {
    for (const signal of ["SIGINT", "SIGTERM"]) {
      const clean = path.join(here, `interrupt-${signal}`);
      fs.mkdirSync(clean, { recursive: true });
      await killed(["tile", large, "-o", path.join(clean, "package")], wholeMs * 0.5, signal);
      const left = fs.readdirSync(clean).filter((name) => name !== "package");
      expect(left.length === 0, `${signal} leaves ${left.join(" ")}`);
    }
  });
  await test("the run after a killed one is whole", (expect) => {
    tile([large], out);
    expect(folderDigest(out) === newDigest, "other bytes than without the kill");
    const left = fs.readdirSync(folder).filter((name) => name !== "package");
    expect(left.length === 0, `left behind: ${left.join(" ")}`);
  });
}

// A copy of the last building of a sequence, moved by a few metres.
function withOneMore(input, output) {
  const lines = fs.readFileSync(input, "utf8").trimEnd().split("\n");
  const feature = JSON.parse(lines[lines.length >> 1]);
  const json = JSON.stringify(feature);
  const ids = Object.keys(feature.CityObjects);
  let copy = json;
  for (const id of ids) copy = copy.replaceAll(JSON.stringify(id), JSON.stringify(`${id}-more`));
  const added = JSON.parse(copy);
  added.vertices = added.vertices.map(([x, y, z]) => [x + 3000, y + 2000, z]);
  fs.writeFileSync(output, `${lines.join("\n")}\n${JSON.stringify(added)}\n`);
  return Object.keys(added.CityObjects);
}

async function testOneMore() {
  await test(`one building more among ${cityCount} renames its leaf and the tiles above it`, async (expect) => {
    const before = generate(cityCount, path.join(here, "ten.city.jsonl"));
    const after = path.join(here, "ten-and-one.city.jsonl");
    const added = withOneMore(before, after);
    const [old, next] = [path.join(here, "old"), path.join(here, "new")];
    tile([before], old);
    tile([after], next);
    const names = (where) => new Set(fs.readdirSync(path.join(where, "tiles"), { recursive: true }));
    const [had, has] = [names(old), names(next)];
    const renamed = [...has].filter((name) => !had.has(name));
    const gone = [...had].filter((name) => !has.has(name));
    const walk = await judgeTree(next);
    walk.found.forEach((finding) => expect(false, finding));
    expect(added.some((id) => walk.leafIds.has(id)), "the new building is not shown");
    // A path from the root: one tile a level, and the external tilesets that it passes.
    const tiles = renamed.filter((name) => name.endsWith(".glb"));
    const trees = renamed.filter((name) => name.endsWith(".json"));
    expect(tiles.length > 0 && tiles.length <= walk.levels, `${tiles.length} new tiles on ${walk.levels} levels`);
    expect(trees.length <= walk.levels, `${trees.length} new external tilesets`);
    expect(gone.length <= renamed.length + 1, `${gone.length} tiles gone`);
    return `${renamed.length} of ${has.size} names are new on ${walk.levels} levels`;
  });
}

export async function testRepeatable() {
  fs.rmSync(here, { recursive: true, force: true });
  fs.mkdirSync(here, { recursive: true });
  await testThreads();
  await testKill();
  await testOneMore();
}

if (isMain(import.meta.url)) {
  await testRepeatable();
  report();
}
