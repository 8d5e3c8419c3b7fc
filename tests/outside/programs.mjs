// SPDX-License-Identifier: Apache-2.0
//
// programs.mjs - runs the built programs as a user would.
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { spawn, spawnSync } from "node:child_process";
import { root } from "./judge.mjs";

// STOREY_BUILD chooses the preset; ./check runs the release.
const preset = process.env.STOREY_BUILD ?? ["release", "dev"].find((name) => fs.existsSync(path.join(root, "build", name, "storey")));
export const bin = path.join(root, "build", preset ?? "release");
export const program = (name) => path.join(bin, name);

/**
 * Runs a program to its end. `peakKb` is its peak resident memory in KiB, as
 * GNU time measures it.
 */
export function run(name, args, { cwd = root, env = {}, timeout = 600_000, input } = {}) {
  const from = performance.now();
  const command = ["-f", "\n@%M", program(name), ...args];
  const done = spawnSync("/usr/bin/time", command, {
    cwd,
    env: { ...process.env, ...env },
    timeout,
    input,
    maxBuffer: 256 << 20,
    encoding: "utf8",
  });
  const seconds = (performance.now() - from) / 1000;
  if (done.error) throw new Error(`${name} ${args.join(" ")}: ${done.error.message}`);
  const [, stderr, peak] = /^([^]*?)\n?(?:Command (?:exited|terminated)[^\n]*\n)?\n@(\d+)\n$/.exec(done.stderr) ?? [null, done.stderr, "0"];
  // time passes an exit status on, and 128 + n for a signal.
  return { status: done.status, stdout: done.stdout, stderr, seconds, peakKb: Number(peak) };
}

/** Runs `storey tile` and insists on a finished package: status 0, or 3 with features left out. */
export function tile(inputs, out, options = []) {
  const result = run("storey", ["tile", ...inputs, "-o", out, ...options]);
  if (result.status !== 0 && result.status !== 3) {
    throw new Error(`storey tile ${inputs.join(" ")}: status ${result.status}: ${lastLines(result.stderr)}`);
  }
  return result;
}

export const lastLines = (text) => text.trim().split("\n").slice(-3).join(" | ");

export async function freePort() {
  const server = net.createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Starts storeyd on a free port and waits until it is ready. */
export async function serve(paths, options = []) {
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(program("storeyd"), [...paths, "--listen", url.slice(7), ...options], { cwd: root });
  let said = "";
  let status;
  child.stdout.on("data", (text) => (said += text));
  child.stderr.on("data", (text) => (said += text));
  const ended = new Promise((done) => child.on("exit", (code, signal) => done((status = code ?? signal))));
  child.on("error", (error) => (said += error.message));
  for (let i = 0; ; i++) {
    const ok = await fetch(`${url}/readyz`).then((r) => r.ok, () => false);
    if (ok) break;
    if (status !== undefined || i > 200) {
      child.kill("SIGKILL");
      throw new Error(`storeyd did not become ready (${status ?? "running"}): ${lastLines(said)}`);
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  return {
    url,
    said: () => said,
    pid: child.pid,
    signal: (name) => child.kill(name),
    /** Asks it to shut down; gives its exit status. */
    stop: async () => {
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
      const result = await ended;
      clearTimeout(late);
      return result;
    },
  };
}

/** The address of each served package's tileset.json, by collection id. */
export async function tilesets(url) {
  const { collections } = await (await fetch(`${url}/collections?f=json`)).json();
  return Object.fromEntries(collections.map(({ id }) => [id, `${url}/collections/${encodeURIComponent(id)}/3dtiles/tileset.json`]));
}
