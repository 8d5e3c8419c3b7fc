// SPDX-License-Identifier: Apache-2.0
//
// bad_input.mjs - what goes wrong in practice: one clear line, the right status, nothing left behind.
//
//   node tests/cli/bad_input.mjs
import fs from "node:fs";
import path from "node:path";
import { spawnSync } from "node:child_process";
import { controlCity } from "../outside/control.mjs";
import { isMain, made, report, skip, test } from "../outside/judge.mjs";
import { program, run } from "../outside/programs.mjs";
import { readReport } from "../outside/real.mjs";
import { judgeTree } from "../outside/tree.mjs";
import { folderDigest } from "./digest.mjs";

const here = path.join(made, "bad");

const city = (change = () => {}) => {
  const json = controlCity();
  change(json);
  return JSON.stringify(json);
};
const first = (json) => json.CityObjects["ctl-1"];
const roof = (json) => first(json).geometry[0].boundaries[0][1][0];

/**
 * Each case: a name, the file's name and text, options, the expected status, what the message or the
 * report must say, and how many features are still shown (absent: no package).
 */
const cases = [
  ["a truncated file", "cut.city.json", city().slice(0, 1500), [], 1, /cut\.city\.json:\d+:\d+: syntax: /],
  ["a picture that calls itself CityJSON", "photo.city.json", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", [], 1, /photo\.city\.json/],
  ["CityJSON that calls itself XML", "town.gml", city(), [], "0 or 1", /town\.gml|^/],
  ["an index past the end", "past.city.json", city((j) => (roof(j)[1] = 4711)), [], 3, /4711.*ctl-1|ctl-1.*4711/, 5],
  ["a ring of two points", "two.city.json", city((j) => roof(j).splice(1, 2)), [], "0 or 3", /ring.*ctl-1|ctl-1.*ring/, 6],
  ["NaN in a coordinate", "nan.city.json", city((j) => (j.vertices[0] = ["@", 0, 0])).replace('"@"', "NaN"), [], 1, /nan\.city\.json:\d+:\d+: syntax: /],
  ["1e999 in a coordinate", "huge.city.json", city((j) => (j.vertices[0] = ["@", 0, 0])).replace('"@"', "1e999"), [], 3, /1e999.*ctl-1|ctl-1.*1e999|ctl-1/, 5],
  ["a CRS that does not exist", "crs.city.json", city(), ["--crs", "EPSG:999999"], 1, /EPSG:999999/],
  ["a CRS in the file that does not exist", "crs2.city.json", city((j) => (j.metadata.referenceSystem = "https://www.opengis.net/def/crs/EPSG/0/999999")), [], 1, /999999/],
  ["no CRS at all", "nocrs.city.json", city((j) => delete j.metadata), [], 1, /nocrs\.city\.json.*--crs|--crs.*nocrs\.city\.json/],
  ["an empty city", "empty.city.json", city((j) => { j.CityObjects = {}; j.vertices = []; }), [], 1, /empty\.city\.json|nothing|no feature/],
  ["an empty file", "void.city.json", "", [], 1, /void\.city\.json/],
  ["JSON a million levels deep", "deep.city.json", '{"type":"CityJSON","version":"2.0","x":' + "[".repeat(1e6) + "]".repeat(1e6) + "}", [], 1, /deep\.city\.json:\d+:\d+: /],
  ["an attribute of a million characters", "long.city.json", city((j) => (first(j).attributes.long = "长".repeat(1e6))), [], "0 or 3", /^/, 6],
  ["a name that is a number", "text.city.json", city((j) => (first(j).attributes.name = 7)), [], 0, /^/, 6],
  ["an unknown option", "fine.city.json", city(), ["--no-such-option"], 2, /no-such-option/],
  ["a value that is no number", "fine.city.json", city(), ["--threads", "many"], 2, /many/],
];

const entries = (folder) => fs.readdirSync(folder).sort().join(" ");

function lines(text) {
  return text.split(/\r?\n/).filter((line) => line.trim());
}

// One line begins with the program's name and says what is wrong; no other line is an error.
function expectOneLine(expect, stderr, wanted) {
  const errors = lines(stderr).filter((line) => /^storey: /.test(line));
  expect(errors.length >= 1, `no line that begins with 'storey: ' in: ${stderr.slice(-300)}`);
  expect(errors.some((line) => wanted.test(line)), `'${errors.join(" | ").slice(0, 400)}' does not say ${wanted}`);
  expect(!/assert|AddressSanitizer|runtime error|core dumped/i.test(stderr), stderr.slice(-400));
}

async function testCase([name, fileName, text, options, status, wanted, shown], index) {
  await test(`bad input: ${name}`, async (expect) => {
    const folder = path.join(here, `case${index}`);
    fs.mkdirSync(path.join(folder, "out"), { recursive: true });
    const file = path.join(folder, fileName);
    fs.writeFileSync(file, text, fileName === "photo.city.json" ? "latin1" : "utf8");
    const out = path.join(folder, "out", "package");
    const csv = path.join(folder, "report.csv");
    const done = run("storey", ["tile", file, "-o", out, "--vertical", "ellipsoid", "--report", csv, ...options], { timeout: 120_000 });
    const allowed = String(status).split(" or ").map(Number);
    expect(allowed.includes(done.status), `status ${done.status}, not ${status}: ${done.stderr.slice(-300)}`);
    if (shown === undefined) {
      if (done.status !== 0) {
        expectOneLine(expect, done.stderr, wanted);
        expect(entries(path.join(folder, "out")) === "", `left behind: ${entries(path.join(folder, "out"))}`);
      }
      return lines(done.stderr).pop();
    }
    expect(entries(path.join(folder, "out")) === "package", `beside the package: ${entries(path.join(folder, "out"))}`);
    const said = readReport(csv).map((row) => `${row.level} ${row.kind} ${row.feature} ${row.reason}`);
    if (done.status === 3 || String(wanted) !== "/^/") expect(said.some((line) => wanted.test(line)), `the report does not say ${wanted}: ${said.join(" | ").slice(0, 300)}`);
    const info = run("storey", ["check", out]);
    expect(info.status === 0, `storey check: ${info.stdout}${info.stderr}`);
    const walk = await judgeTree(out);
    walk.found.forEach((finding) => expect(false, finding));
    expect(walk.leafIds.size === shown, `${walk.leafIds.size} features are shown, not ${shown}`);
    const long = walk.rows.find((row) => row.id === "ctl-1")?.long;
    expect(long === undefined || long === "长".repeat(1e6), "the long attribute was changed");
    return `status ${done.status}, ${said.length} lines of report, ${shown} features`;
  });
}

async function testPlaces() {
  const folder = path.join(here, "places");
  fs.mkdirSync(folder, { recursive: true });
  const good = path.join(folder, "good.city.json");
  fs.writeFileSync(good, city());
  const fails = (name, out, options, wanted, after = () => {}) =>
    test(`bad output: ${name}`, (expect) => {
      const done = run("storey", ["tile", good, "-o", out, "--vertical", "ellipsoid", ...options]);
      expect(done.status === 1, `status ${done.status}: ${done.stderr.slice(-300)}`);
      expectOneLine(expect, done.stderr, wanted);
      after(expect);
      return lines(done.stderr).pop();
    });

  const taken = path.join(folder, "taken");
  fs.mkdirSync(taken);
  fs.writeFileSync(path.join(taken, "thesis.txt"), "years of work");
  await fails("a folder that is not a package", taken, [], /taken/, (expect) => {
    expect(fs.readFileSync(path.join(taken, "thesis.txt"), "utf8") === "years of work", "the folder was changed");
    expect(entries(taken) === "thesis.txt", `left in it: ${entries(taken)}`);
  });
  const file = path.join(folder, "thesis.3tz");
  fs.writeFileSync(file, "years of work");
  await fails("a file that is not a package", file, [], /thesis\.3tz/, (expect) => {
    expect(fs.readFileSync(file, "utf8") === "years of work", "the file was changed");
  });
  await fails("a folder that cannot be written", "/proc/storey-package", [], /\/proc/);
  await fails("a folder that is not there", path.join(folder, "no", "such", "package"), [], /no\/such/);

  await test("bad input: a file that is not there", (expect) => {
    const done = run("storey", ["tile", path.join(folder, "absent.city.json"), "-o", path.join(folder, "p1")]);
    expect(done.status === 1, `status ${done.status}`);
    expectOneLine(expect, done.stderr, /absent\.city\.json/);
  });
  await test("bad input: a folder without a readable file", (expect) => {
    const empty = path.join(folder, "empty");
    fs.mkdirSync(empty);
    fs.writeFileSync(path.join(empty, "notes.txt"), "nothing to tile");
    const done = run("storey", ["tile", empty, "-o", path.join(folder, "p2")]);
    expect(done.status === 1, `status ${done.status}`);
    expectOneLine(expect, done.stderr, /empty/);
    expect(!fs.existsSync(path.join(folder, "p2")), "a package stands");
  });
  await test("bad input: no output, no input, no command", (expect) => {
    for (const args of [["tile", good], ["tile", "-o", path.join(folder, "p3")], [], ["paint"]]) {
      const done = run("storey", args);
      expect(done.status === 2, `storey ${args.join(" ")}: status ${done.status}`);
      expect(done.stderr.length > 0, `storey ${args.join(" ")} says nothing`);
    }
  });
}

async function testMaxLoss() {
  await test("a package is not replaced when too much of the city failed", (expect) => {
    const folder = path.join(here, "loss");
    fs.mkdirSync(folder, { recursive: true });
    const good = path.join(folder, "good.city.json");
    const bad = path.join(folder, "bad.city.json");
    fs.writeFileSync(good, city());
    fs.writeFileSync(bad, city((j) => (roof(j)[1] = 4711)));
    const out = path.join(folder, "package");
    const run1 = run("storey", ["tile", good, "-o", out, "--vertical", "ellipsoid"]);
    expect(run1.status === 0, run1.stderr);
    const before = folderDigest(out);
    const run2 = run("storey", ["tile", bad, "-o", out, "--vertical", "ellipsoid"]);
    expect(run2.status === 1, `status ${run2.status}: ${run2.stderr}`);
    expectOneLine(expect, run2.stderr, /max-loss/);
    expect(folderDigest(out) === before, "the old package was changed");
    expect(entries(folder) === "bad.city.json good.city.json package", `left behind: ${entries(folder)}`);
    const run3 = run("storey", ["tile", bad, "-o", out, "--vertical", "ellipsoid", "--max-loss", "0.5"]);
    expect(run3.status === 3, `with --max-loss 0.5: status ${run3.status}: ${run3.stderr}`);
    expect(folderDigest(out) !== before, "with --max-loss 0.5 the package was not replaced");
  });
}

// A tmpfs of a few pages, in a mount namespace of its own.
async function testFullDisk() {
  await test("a full disk", (expect) => {
    const folder = path.join(here, "full");
    fs.mkdirSync(path.join(folder, "disk"), { recursive: true });
    const input = path.join(folder, "good.city.json");
    fs.writeFileSync(input, city((j) => (first(j).attributes.long = "x".repeat(300_000))));
    const script = 'mount -t tmpfs -o size=64k none "$1" || exit 77; shift; "$@"; status=$?; ls -A "$DISK"; exit $status';
    const disk = path.join(folder, "disk");
    const done = spawnSync("unshare", ["-m", "sh", "-c", script, "sh", disk, program("storey"), "tile", input, "-o", path.join(disk, "package"), "--vertical", "ellipsoid"], {
      env: { ...process.env, DISK: disk },
      encoding: "utf8",
      timeout: 60_000,
    });
    if (done.error || done.status === 77 || /unshare|mount:/.test(done.stderr)) throw skip("no small file system can be mounted here");
    expect(done.status === 1, `status ${done.status}: ${done.stderr}`);
    expectOneLine(expect, done.stderr, /space|disk/i);
    expect(done.stdout.trim() === "", `left behind: ${done.stdout.trim()}`);
  });
}

// One bad building of six is skipped, counted, listed; the others stand.
export async function testBadInput() {
  fs.rmSync(here, { recursive: true, force: true });
  for (const [i, one] of cases.entries()) await testCase(one, i);
  await testPlaces();
  await testMaxLoss();
  await testFullDisk();
}

if (isMain(import.meta.url)) {
  await testBadInput();
  report();
}
