// SPDX-License-Identifier: Apache-2.0
//
// run.mjs - makes packages with the built programs and lets every judge look at them.
//
//   node tests/outside/run.mjs [JUDGE...]      all of them without a name
//
// Writes 'passed failed skipped' to build/outside/count for ./check.
import { report } from "./judge.mjs";

report();
