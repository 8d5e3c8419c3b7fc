// SPDX-License-Identifier: Apache-2.0
//
// run.mjs - whole-run rates as one table. See ./run.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { root, shared } from "../outside/judge.mjs";
import { bin, lastLines, run } from "../outside/programs.mjs";

const work = fs.mkdtempSync(path.join(os.tmpdir(), "storey-bench-"));
const largest = ["cityjson/osm-lod1/mamre3D.city.json", "citygml-denhaag/DenHaag_01.city.json", "cityjson/cjseq/vienna.city.jsonl", "cityjson/3dbag-delft/delft.city.json"];
// For the one that does not say where it is.
const options = { "vienna.city.jsonl": ["--crs", "EPSG:31256"] };
const repeats = 3;

function inputs() {
  const asked = process.argv.slice(2);
  const all = asked.length ? asked : ["1000", "10000", "100000", ...largest.map((name) => path.join(shared, name))];
  return all.filter((one) => /^\d+$/.test(one) || fs.existsSync(one));
}

function prepare(input) {
  if (!/^\d+$/.test(input)) return path.resolve(input);
  const file = path.join(work, `${input}.city.jsonl`);
  const done = run("storey_district", ["--count", input, "--seed", "1", "-o", file]);
  if (done.status !== 0) throw new Error(done.stderr);
  return file;
}

// Reading the same bytes and doing nothing with them: what ingest is measured against.
function scanSeconds(file) {
  const from = performance.now();
  const fd = fs.openSync(file);
  const chunk = Buffer.alloc(1 << 20);
  let lines = 0;
  for (let got; (got = fs.readSync(fd, chunk)) > 0; ) {
    for (let at = -1; (at = chunk.subarray(0, got).indexOf(10, at + 1)) >= 0; ) lines++;
  }
  fs.closeSync(fd);
  return (performance.now() - from) / 1000;
}

function measure(file) {
  const out = path.join(work, "package");
  const extra = options[path.basename(file)] ?? [];
  let best;
  for (let i = 0; i < repeats; i++) {
    fs.rmSync(out, { recursive: true, force: true });
    const done = run("storey", ["tile", file, "-o", out, "--log", "json", ...extra]);
    if (done.status !== 0 && done.status !== 3) throw new Error(`${file}: ${lastLines(done.stderr)}`);
    if (!best || done.seconds < best.seconds) best = done;
    if (best.seconds > 20) break;
  }
  const line = best.stderr.trim().split("\n").map((one) => { try { return JSON.parse(one); } catch { return {}; } }).find((one) => one.event === "done");
  const bytes = fs.readdirSync(out, { recursive: true }).reduce((sum, name) => sum + (fs.statSync(path.join(out, name)).isFile() ? fs.statSync(path.join(out, name)).size : 0), 0);
  return { ...best, line, packageBytes: bytes };
}

const columns = ["input", "MB", "features", "s", "features/s", "MB/s", "peak MB", "package MB", "tiles"];
const stages = ["ingest", "place", "partition", "build", "publish"];
const rows = [];
for (const input of inputs()) {
  const file = prepare(input);
  const size = fs.statSync(file).size / 1e6;
  const scan = scanSeconds(file);
  const m = measure(file);
  const seconds = Object.fromEntries(m.line.stages.map((stage) => [stage.name, stage.seconds]));
  rows.push([
    /^\d+$/.test(input) ? `${input} generated` : path.basename(input),
    size.toFixed(1),
    m.line.shown,
    m.seconds.toFixed(2),
    Math.round(m.line.shown / m.seconds),
    (size / m.seconds).toFixed(1),
    Math.round(m.peakKb / 1024),
    (m.packageBytes / 1e6).toFixed(1),
    m.line.tiles,
    ...Object.entries(seconds).map(([, s]) => s.toFixed(2)),
    (seconds.ingest / scan).toFixed(1),
  ]);
  stages.splice(0, stages.length, ...Object.keys(seconds));
  fs.rmSync(/^\d+$/.test(input) ? file : path.join(work, "none"), { force: true });
}
fs.rmSync(work, { recursive: true });

const head = [...columns, ...stages.map((name) => `${name} s`), "ingest / scan"];
console.log(`storey, ${path.relative(root, bin)}, ${os.cpus().length} x ${os.cpus()[0].model}; best of ${repeats} runs, wall time\n`);
console.log(`| ${head.join(" | ")} |\n|${head.map((_, i) => (i ? "---:" : "---")).join("|")}|`);
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
console.log("\n'ingest / scan' is the time of the ingest stage over that of reading the same bytes and looking for line ends.");
