// SPDX-License-Identifier: Apache-2.0
//
// browser.mjs - a headless Chromium that cannot leave this machine, and a small server of test pages.
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";
import { root } from "./judge.mjs";

// Debian's /usr/bin/chromium is a wrapper that adds flags of its own.
const candidates = [process.env.CHROMIUM, "/usr/lib/chromium/chromium", "/usr/bin/chromium", "/usr/bin/google-chrome"];
export const chromiumPath = candidates.find((name) => name && fs.existsSync(name));

const flags = [
  "--no-sandbox",
  "--use-gl=angle",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-default-apps",
  "--no-default-browser-check",
  "--metrics-recording-only",
  "--mute-audio",
  // Nothing gets a name or an address but this machine itself.
  "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
];

/** Opens a browser with one page; `log` holds what went wrong in it and every request it made. */
export async function openBrowser({ width = 1024, height = 768 } = {}) {
  if (!chromiumPath) throw new Error("no chromium: apt-get install --no-install-recommends chromium");
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "storey-chromium-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: chromiumPath,
    headless: true,
    chromiumSandbox: false,
    viewport: { width, height },
    args: flags,
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const log = { console: [], errors: [], failed: [], requests: [] };
  page.on("console", (message) => {
    const at = log.console.push(`${message.type()}: ${message.text()}`) - 1;
    // CesiumJS logs error objects, whose text is only the name of a minified class.
    const texts = message.args().map((a) => a.evaluate((x) => (x && typeof x === "object" && x.message) || null).catch(() => null));
    Promise.all(texts).then((found) => {
      const text = found.filter(Boolean).join(" | ");
      if (text) log.console[at] = `${message.type()}: ${text}`;
    });
  });
  page.on("pageerror", (error) => log.errors.push(String(error)));
  page.on("requestfailed", (request) => log.failed.push(`${request.url()} ${request.failure()?.errorText}`));
  page.on("response", (response) => {
    if (response.status() >= 400) log.failed.push(`${response.url()} ${response.status()}`);
  });
  page.on("request", (request) => log.requests.push(request.url()));
  return {
    page,
    log,
    close: async () => {
      await context.close();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a page may not have said: errors, failed requests, errors and warnings on its console. */
export function complaints(log) {
  const said = log.console.filter((line) => /^(error|warning|assert)/.test(line) && !harmless.test(line));
  // CesiumJS prints caught faults with console.log.
  const faults = log.console.filter((line) => /^log: .*(error|fail|invalid|exception)/i.test(line));
  const failed = log.failed.filter((line) => !/ERR_ABORTED/.test(line));
  return [...log.errors, ...failed, ...said, ...faults];
}

// Software rendering makes Chromium warn of itself; 3d-tiles-renderer warns of every 1.1.
const harmless = /versions at 1.1 or higher have limited support|GL Driver Message|GPU stall|SwiftShader|swiftshader|Automatic fallback to software WebGL/;

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".png": "image/png",
  ".jpg": "image/jpeg",
};

/** Serves the test pages and node_modules on loopback; the tiles come from storeyd. */
export async function servePages() {
  const server = http.createServer((request, response) => {
    const name = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    const inside = name.startsWith("/node_modules/") ? name : `/tests/outside/page${name}`;
    const file = path.join(root, path.posix.normalize(inside));
    if (name === "/favicon.ico" || !fs.existsSync(file) || !fs.statSync(file).isFile()) {
      response.writeHead(name === "/favicon.ico" ? 204 : 404).end();
      return;
    }
    response.writeHead(200, { "content-type": types[path.extname(file)] ?? "application/octet-stream" });
    fs.createReadStream(file).pipe(response);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
