// SPDX-License-Identifier: Apache-2.0
//
// curves.mjs - what a view costs and how far it is from full detail: our tree, and two that others would build.
//
//   node tests/bench/curves.mjs [--cameras NAMES] [--errors LIST] [--svg FILE] [COUNT|FILE]...
//
// Each input is tiled as it is and with --levels drop (only what is larger than the error is shown, in full detail);
// the third tree has nothing above its leaves. All are seen from the same cameras, 1920 x 1080, 4 x 4 samples, at
// screen-space errors around CesiumJS's 16 pixels. Because geometricError is the measured error times a factor K, a
// tree built with K and seen at E pixels is the tree built with 2 K at 2 E: the rows below are the factors that would
// show these tiles at 16 pixels.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { root, shared } from "../outside/judge.mjs";
import { bin, lastLines, run, tile } from "../outside/programs.mjs";

const real = ["citygml-denhaag/DenHaag_01.city.json", "cityjson/3dbag-delft/delft.city.json", "cityjson/cjio/zurich/zurich_subset_lod2.json"];
const goodSsim = 0.98;

const work = fs.mkdtempSync(path.join(os.tmpdir(), "storey-curves-"));
const asked = process.argv.slice(2);
const takeOption = (name, otherwise) => {
  const at = asked.indexOf(name);
  return at < 0 ? otherwise : asked.splice(at, 2)[1];
};
const cameras = takeOption("--cameras", "all");
const errors = takeOption("--errors", "1,2,4,8,16,32,64,128,256").split(",").map(Number);
const svg = takeOption("--svg", null);

function prepare(input) {
  if (!/^\d+$/.test(input)) return path.resolve(input);
  const file = path.join(work, `${input}.city.jsonl`);
  const done = run("storey_district", ["--count", input, "--seed", "1", "-o", file]);
  if (done.status !== 0) throw new Error(done.stderr);
  return file;
}

function look(where, against) {
  const done = run("storey", ["preview", where, "--against", against, "--camera", cameras, "--sse", errors.join(","), "--json"], { timeout: 7_200_000 });
  if (done.status !== 0) throw new Error(lastLines(done.stderr));
  return JSON.parse(done.stdout).cameras;
}

const factorOf = (where) => Number(JSON.parse(fs.readFileSync(path.join(where, "manifest.json"), "utf8")).options["error-factor"]);
const mb = (bytes) => (bytes / 1e6).toFixed(2);
const kindOf = (camera) => camera.name.replace(/-\d+$/, "");
const row = (cells) => console.log(`| ${cells.join(" | ")} |`);
const head = (cells) => {
  row(cells);
  console.log(`|${cells.map((_, i) => (i ? "---:" : "---")).join("|")}|`);
};

function printCurves(ours, drop, factor) {
  head(["camera", "factor", "MB", "requests", "tiles", "SSIM", "FLIP", "outline px", "feature px", "drop: MB", "SSIM", "FLIP", "leaves: MB", "requests"]);
  ours.forEach((camera, c) => {
    camera.views.forEach((view, i) => {
      const other = drop[c].views[i];
      const k = (16 * factor) / view.sse;
      row([
        camera.name,
        k >= 10 ? Math.round(k) : Number(k.toPrecision(2)),
        mb(view.bytes),
        view.requests,
        view.tiles,
        view.ssim.toFixed(4),
        view.flip.toFixed(4),
        Math.round(view.silhouette_px),
        Math.round(view.feature_px),
        mb(other.bytes),
        other.ssim.toFixed(4),
        other.flip.toFixed(4),
        i ? "" : mb(camera.leaves.bytes),
        i ? "" : camera.leaves.requests,
      ]);
    });
  });
}

// For each factor: is every camera good enough, and what do far and middle cameras cost of the leaves?
function printFactors(ours, drop, factor) {
  console.log(`\nBy factor: the least SSIM of any camera and where, and MB of far and middle cameras as a share of leaves only.\n`);
  head(["factor", "least SSIM", "at", "far", "middle", "drop: least SSIM", "far", "middle"]);
  errors.forEach((sse, i) => {
    const least = (of) => of.reduce((a, b) => (b.views[i].ssim < a.views[i].ssim ? b : a));
    const share = (of, kind) => {
      const those = of.filter((camera) => kindOf(camera) === kind);
      const worst = Math.max(...those.map((camera) => camera.views[i].bytes / ours.find((o) => o.name === camera.name).leaves.bytes));
      return those.length ? worst.toFixed(2) : "";
    };
    const worst = least(ours);
    row([Number(((16 * factor) / sse).toPrecision(3)), worst.views[i].ssim.toFixed(4), worst.name, share(ours, "far"), share(ours, "middle"), least(drop).views[i].ssim.toFixed(4), share(drop, "far"), share(drop, "middle")]);
  });
}

// The bytes at which a camera is first good enough, between the two errors measured around it.
function bytesFor(views, ssim) {
  const rising = [...views].sort((a, b) => a.bytes - b.bytes);
  return rising.find((view) => view.ssim >= ssim)?.bytes;
}

function printNeeded(ours, drop) {
  console.log(`\nMB for an SSIM of ${goodSsim}, per camera.\n`);
  head(["camera", "ours", "drop", "leaves"]);
  ours.forEach((camera, c) => {
    const say = (bytes) => (bytes === undefined ? "not reached" : mb(bytes));
    row([camera.name, say(bytesFor(camera.views, goodSsim)), say(bytesFor(drop[c].views, goodSsim)), mb(camera.leaves.bytes)]);
  });
}

// One panel a kind of camera: MB along, logarithmic, 1 - SSIM up, logarithmic.
function drawSvg(ours, drop, title) {
  const kinds = [...new Set(ours.map(kindOf))];
  const [w, h, pad] = [260, 220, 42];
  const all = [...ours, ...drop].flatMap((camera) => camera.views.map((view) => view.bytes));
  const [low, high] = [Math.min(...all) * 0.8, Math.max(...all, ...ours.map((camera) => camera.leaves.bytes)) * 1.2];
  const x = (bytes) => pad + ((w - pad - 8) * Math.log(bytes / low)) / Math.log(high / low);
  const y = (ssim) => 28 + ((h - 60) * (Math.log10(1) - Math.log10(Math.max(1e-4, 1 - ssim)))) / 4;
  const line = (camera, color) => `<polyline fill="none" stroke="${color}" stroke-width="1.5" points="${camera.views.map((v) => `${x(v.bytes).toFixed(1)},${y(v.ssim).toFixed(1)}`).join(" ")}"/>`;
  const panels = kinds.map((kind, i) => {
    const mean = (of) => of.filter((camera) => kindOf(camera) === kind).map((camera, n) => line(camera, of === ours ? "#1f6fb2" : "#c0392b")).join("");
    const leaves = ours.filter((camera) => kindOf(camera) === kind).map((camera) => `<circle cx="${x(camera.leaves.bytes).toFixed(1)}" cy="${y(1).toFixed(1)}" r="3" fill="#555"/>`).join("");
    const grid = [0.9, 0.98, 0.999].map((s) => `<line x1="${pad}" x2="${w - 8}" y1="${y(s)}" y2="${y(s)}" stroke="#ddd"/><text x="${pad - 4}" y="${y(s) + 3}" text-anchor="end">${s}</text>`).join("");
    const ticks = [0.1, 0.3, 1, 3, 10, 30, 100].filter((t) => t * 1e6 > low && t * 1e6 < high).map((t) => `<text x="${x(t * 1e6)}" y="${h - 12}" text-anchor="middle">${t}</text>`).join("");
    return `<g transform="translate(${i * w} 0)">${grid}${ticks}<text x="${w / 2}" y="16" text-anchor="middle" font-weight="bold">${kind}</text>${mean(drop)}${mean(ours)}${leaves}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w * kinds.length} ${h + 16}" font-family="sans-serif" font-size="10" fill="#333"><rect width="100%" height="100%" fill="#fff"/>${panels.join("")}<text x="${(w * kinds.length) / 2}" y="${h + 8}" text-anchor="middle">${title}: SSIM against MB loaded; blue storey, red small objects dropped, dots leaves only</text></svg>\n`;
}

const inputs = asked.length ? asked : ["3000", ...real.map((name) => path.join(shared, name))];
for (const input of inputs) {
  if (!/^\d+$/.test(input) && !fs.existsSync(input)) continue;
  const file = prepare(input);
  const [own, other] = [path.join(work, "own"), path.join(work, "drop")];
  for (const where of [own, other]) fs.rmSync(where, { recursive: true, force: true });
  tile([file], own);
  tile([file], other, ["--levels", "drop"]);
  const ours = look(own, "full");
  const drop = look(other, own);
  const name = /^\d+$/.test(input) ? `${input} generated buildings` : path.basename(input);
  console.log(`\n## ${name}, ${path.relative(root, bin)}\n`);
  printCurves(ours, drop, factorOf(own));
  printFactors(ours, drop, factorOf(own));
  printNeeded(ours, drop);
  if (svg) fs.writeFileSync(svg.replace(/(\.svg)?$/, inputs.length > 1 ? `-${inputs.indexOf(input) + 1}.svg` : ".svg"), drawSvg(ours, drop, name));
}
fs.rmSync(work, { recursive: true });
