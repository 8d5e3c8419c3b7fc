// SPDX-License-Identifier: Apache-2.0
//
// judge.mjs - counts what is expected and what is found; the smallest test runner that will do.
//
// Each test is one line on standard output: 'ok', 'FAIL' or 'skip', its name, its time, and on
// failure what was found. A test is an async function; it fails by throwing, and skips by
// `throw skip("why")`. `expect` collects several findings without stopping at the first.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const made = path.join(root, "build/outside");
export const shared = path.resolve(root, "../shared/data");

const count = { passed: 0, failed: 0, skipped: 0 };

class Skip extends Error {}
export const skip = (why) => new Skip(why);

/** Runs one test and prints its line. `body` gets expect(condition, message). */
export async function test(name, body) {
  const from = performance.now();
  const findings = [];
  let note = "";
  const expect = (condition, message) => {
    if (!condition) findings.push(message);
    return Boolean(condition);
  };
  let word = "ok  ";
  try {
    note = (await body(expect)) || "";
    if (findings.length) throw new Error(summary(findings));
    count.passed++;
  } catch (error) {
    if (error instanceof Skip) {
      word = "skip";
      count.skipped++;
    } else {
      word = "FAIL";
      count.failed++;
    }
    note = findings.length && !(error instanceof Skip) ? summary(findings) : error.message;
    if (word === "FAIL" && !findings.length && process.env.STOREY_TEST_STACK) note += `\n${error.stack}`;
  }
  const seconds = ((performance.now() - from) / 1000).toFixed(1);
  console.log(`${word} ${name} (${seconds} s)${note ? `: ${note}` : ""}`);
  return word === "ok  ";
}

// The first few findings, and how many there are.
function summary(findings) {
  const distinct = [...new Set(findings)];
  const shown = distinct.slice(0, 5).join("; ");
  return distinct.length > 5 ? `${shown}; and ${distinct.length - 5} more` : shown;
}

/** Prints the totals, leaves them for ./check, and sets the exit status. */
export function report() {
  fs.mkdirSync(made, { recursive: true });
  fs.writeFileSync(path.join(made, "count"), `${count.passed} ${count.failed} ${count.skipped}\n`);
  console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  process.exitCode = count.failed ? 1 : 0;
}

/** True in the file that node was asked to run. */
export const isMain = (url) => fs.realpathSync(process.argv[1]) === fileURLToPath(url);

/** Far away neighbours are drawn as one: a group has an id of its own and a count of members, which the index tells. */
export const isGroup = (feature) => /^group-/.test(feature.id) && Number(feature.member_count) >= 2;
