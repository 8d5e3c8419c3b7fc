// SPDX-License-Identifier: Apache-2.0
//
// proxy.mjs - storeyd behind a real nginx with server/nginx.conf: both must see the same requests.
//
//   node tests/outside/proxy.mjs
//
// Every shape that has been used to smuggle a request past a proxy is sent as raw bytes. What nginx
// says it passed on and what storeyd says it answered are compared from their logs, request by
// request. The same bytes go to storeyd alone, too.
import fs from "node:fs";
import path from "node:path";
import { spawn, spawnSync } from "node:child_process";
import { isMain, made, report, root, skip, test } from "./judge.mjs";
import { freePort, run, serve } from "./programs.mjs";
import { converse, sleep } from "./wire.mjs";

const here = path.join(made, "proxy");
const hasProgram = (name) => spawnSync("sh", ["-c", `command -v ${name}`], { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } }).status === 0;

const region = [1.99, 0.39, 1.991, 0.391, 0, 100];

function writeTileset(folder, children) {
  const tileset = { asset: { version: "1.1" }, geometricError: 10, root: { boundingVolume: { region }, geometricError: 5, refine: "ADD", children } };
  fs.writeFileSync(path.join(folder, "tileset.json"), JSON.stringify(tileset));
}

/** A package of any program: a root, tiles of known bytes, named by what is in them. */
export function writePackage(folder, letter, tileCount = 8) {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(path.join(folder, "tiles"), { recursive: true });
  const children = [];
  for (let i = 0; i < tileCount; i++) {
    const uri = `tiles/${i}-${letter.repeat(32)}.bin`;
    fs.writeFileSync(path.join(folder, uri), `${letter}${i} `.repeat(700));
    children.push({ boundingVolume: { region }, geometricError: 0, content: { uri } });
  }
  writeTileset(folder, children);
}

/** The same as an archive; its path. */
export function packCity(letter) {
  fs.mkdirSync(here, { recursive: true });
  const folder = path.join(here, `city-${letter}`);
  writePackage(folder, letter);
  const done = run("storey", ["pack", folder, "-o", `${folder}.3tz`]);
  if (done.status !== 0) throw new Error(done.stderr);
  return `${folder}.3tz`;
}

/** Starts nginx with the configuration of the project, its addresses and folders changed. */
export async function startNginx(behind) {
  const folder = path.join(here, "nginx");
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(path.join(folder, "cache"), { recursive: true });
  const [port, tlsPort, redirectPort] = [await freePort(), await freePort(), await freePort()];
  const made = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=city.example", "-days", "2", "-keyout", path.join(folder, "key.pem"), "-out", path.join(folder, "chain.pem")]);
  if (made.status !== 0) throw skip("openssl is not installed");
  const own = fs
    .readFileSync(path.join(root, "server/nginx.conf"), "utf8")
    .replace("server 127.0.0.1:8080;", `server 127.0.0.1:${behind};`)
    .replace(/^ *listen \[::\].*\n/gm, "")
    .replace("listen 80;", `listen 127.0.0.1:${redirectPort};`)
    .replace("listen 443 ssl http2;", `listen 127.0.0.1:${tlsPort} ssl http2; listen 127.0.0.1:${port};`)
    .replaceAll("/etc/ssl/storeyd/", `${folder}/`)
    .replaceAll("/var/log/nginx/", `${folder}/`)
    .replaceAll("/var/cache/nginx/storeyd", `${folder}/cache`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ");
  const user = process.getuid() === 0 ? "user root;" : "";
  fs.writeFileSync(path.join(folder, "nginx.conf"), `${user} worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/error.log;\nevents { worker_connections 4096; }\nhttp { access_log off; ${temporary}\n${own}\n}\n`);
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
  const child = spawn("nginx", ["-p", folder, "-c", path.join(folder, "nginx.conf")], { env });
  let said = "";
  child.stderr.on("data", (text) => (said += text));
  const ended = new Promise((done) => child.on("exit", done));
  for (let i = 0; ; i++) {
    if (await fetch(`http://127.0.0.1:${port}/livez`).then((r) => r.ok, () => false)) break;
    if (i > 100 || child.exitCode !== null) throw new Error(`nginx did not start: ${said}`);
    await sleep(50);
  }
  return {
    port,
    tlsPort,
    url: `http://127.0.0.1:${port}`,
    chain: path.join(folder, "chain.pem"),
    log: path.join(folder, "storeyd.log"),
    stop: async () => {
      child.kill("SIGQUIT");
      const late = setTimeout(() => child.kill("SIGKILL"), 5000);
      await ended;
      clearTimeout(late);
    },
  };
}

const readLog = (file) => fs.readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));

const HOST = "Host: city.example\r\n";

// Each shape: its name; its bytes, in which @ stands for a path of the row's own, so that the logs
// tell rows apart; what storeyd says when asked alone. Where that is a success and the shape is not
// a proper pair of requests, storeyd cannot see it (server/README.md) and nginx must see to it. A
// length that the library itself cannot read gets two answers, the library's and storeyd's, and a
// closed connection.
const shapes = [
  ["one request after another", `GET @/a HTTP/1.1\r\n${HOST}\r\nGET @/b HTTP/1.1\r\n${HOST}\r\n`, "200 200"],
  ["two lengths", `POST @/a HTTP/1.1\r\n${HOST}Content-Length: 6\r\nContent-Length: 5\r\n\r\nhelloGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["the same length twice", `POST @/a HTTP/1.1\r\n${HOST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`, "400"],
  ["a length and chunks", `POST @/a HTTP/1.1\r\n${HOST}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["chunks and a length", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["an unknown coding", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "501"],
  ["a coding with a length behind a tab", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["two codings", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["a list of codings", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "501"],
  ["a coding in quotes", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "501"],
  ["a coding after a vertical tab", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding: \x0bchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["a coding on HTTP/1.0", `POST @/a HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["a length with a space before its colon", `POST @/a HTTP/1.1\r\n${HOST}Content-Length : 5\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["a folded length", `POST @/a HTTP/1.1\r\n${HOST}Content-Length:\r\n 38\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["a folded coding", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["a header after a folded one", `GET @/a HTTP/1.1\r\n${HOST}X-A: 1\r\n Content-Length: 9\r\n\r\nGET @/b HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["a folded line after a length", `POST @/a HTTP/1.1\r\n${HOST}Content-Length: 5\r\n 0\r\n\r\nhelloGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["a folded line of no importance", `GET @/a HTTP/1.1\r\n${HOST}X-A: 1\r\n 2\r\n\r\n`, "200"],
  ["bare line feeds", `GET @/a HTTP/1.1\nHost: city.example\n\nGET @/b HTTP/1.1\nHost: city.example\n\n`, "200 200"],
  ["a bare line feed in a header", `GET @/a HTTP/1.1\r\n${HOST}X-A: 1\nContent-Length: 30\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "413"],
  ["a bare carriage return in a header", `GET @/a HTTP/1.1\r\n${HOST}X-A: 1\rContent-Length: 30\r\n\r\nGET @/b HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["NUL in a header", `GET @/a HTTP/1.1\r\n${HOST}X-A: 1\0Content-Length: 30\r\n\r\nGET @/b HTTP/1.1\r\n${HOST}\r\n`, "200 200"],
  ["NUL in a length", `POST @/a HTTP/1.1\r\n${HOST}Content-Length: 5\x000\r\n\r\nhelloGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "405 200"],
  ["a length with a sign", `POST @/a HTTP/1.1\r\n${HOST}Content-Length: +5\r\n\r\nhelloGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400 400"],
  ["a hexadecimal length", `POST @/a HTTP/1.1\r\n${HOST}Content-Length: 0x5\r\n\r\nhelloGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400 400"],
  ["a list of lengths", `POST @/a HTTP/1.1\r\n${HOST}Content-Length: 5, 5\r\n\r\nhelloGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400 400"],
  ["a length beyond 64 bits", `POST @/a HTTP/1.1\r\n${HOST}Content-Length: 18446744073709551621\r\n\r\nhelloGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "413 413"],
  ["a negative length", `POST @/a HTTP/1.1\r\n${HOST}Content-Length: -5\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400 400"],
  ["a body on GET", `GET @/a HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhelloGET @/b HTTP/1.1\r\n${HOST}\r\n`, "413"],
  ["a request as the body of GET", `GET @/a HTTP/1.1\r\n${HOST}Content-Length: 60\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}X-Long-Enough-To-Fill-It: 1\r\n\r\n`, "413"],
  ["chunks on GET", `GET @/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET @/b HTTP/1.1\r\n${HOST}\r\n`, "413"],
  ["a chunk size that overflows", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "413"],
  ["a chunk size with a sign", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["a chunk with an extension", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\nGET @/b HTTP/1.1\r\n${HOST}\r\n`, "405 200"],
  ["a line feed in a chunk's extension", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5;\n\r\nhello\r\n0\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["a length in the trailer", `POST @/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 30\r\n\r\nGET @/b HTTP/1.1\r\n${HOST}\r\n`, "405 200"],
  ["two hosts", `GET @/a HTTP/1.1\r\n${HOST}Host: other.example\r\n\r\n`, "400"],
  ["no host", `GET @/a HTTP/1.1\r\n\r\n`, "400 400"],
  ["a host with a path", `GET @/a HTTP/1.1\r\nHost: city.example/../b\r\n\r\n`, "400"],
  ["a host and another in the URI", `GET http://other.example@/a HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["a length that Connection names", `POST @/a HTTP/1.1\r\n${HOST}Connection: keep-alive, Content-Length\r\nContent-Length: 5\r\n\r\nhelloGET @/b HTTP/1.1\r\n${HOST}\r\n`, "405 200"],
  ["an upgrade to HTTP/2", `GET @/a HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`, "200"],
  ["an upgrade with a body that is a request", `POST @/a HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\nGET @/b HTTP/1.1\r\n${HOST}\r\n`, "405 200"],
  ["Expect and a body", `POST @/a HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhelloGET @/b HTTP/1.1\r\n${HOST}\r\n`, "100 405 200"],
  ["a space in the path", `GET @/a GET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "none"],
  ["NUL in the path", `GET @/a%00/../smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["an encoded slash", `GET @/a%2f..%2fsmuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["an encoded line end", `GET @/a%0d%0aGET%20@/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["a fragment", `GET @/a#/smuggled HTTP/1.1\r\n${HOST}\r\n`, "404"],
  ["an underscore in a name", `POST @/a HTTP/1.1\r\n${HOST}Content_Length: 5\r\n\r\nGET @/b HTTP/1.1\r\n${HOST}\r\n`, "405 200"],
  ["a header without a colon", `GET @/a HTTP/1.1\r\n${HOST}Content-Length\r\n\r\nGET @/b HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["an empty name", `GET @/a HTTP/1.1\r\n${HOST}: 5\r\n\r\nGET @/b HTTP/1.1\r\n${HOST}\r\n`, "200 200"],
  ["an unknown version", `GET @/a HTTP/1.2\r\n${HOST}\r\n`, "200"],
  ["HTTP/0.9", `GET @/a\r\n\r\nGET @/smuggled HTTP/1.1\r\n${HOST}\r\n`, "400"],
  ["empty lines before it", `\r\n\r\nGET @/a HTTP/1.1\r\n${HOST}\r\n`, "200"],
  ["half a request, then another", [`POST @/a HTTP/1.1\r\n${HOST}Content-Length: 50\r\n\r\nhello`, `GET @/smuggled HTTP/1.1\r\n${HOST}\r\n`], "405"],
];

const tilesOf = "/collections/rows/3dtiles/row";
const bytesOf = (bytes, row) => [bytes].flat().map((part) => part.replaceAll("@", `${tilesOf}${row}`));
const rowOf = (path) => Number(/\/3dtiles\/row(\d+)/.exec(path)?.[1] ?? -1);

/** A package in which @/a, @/b and @/smuggled of every row are there to be had. */
function writeRows(folder) {
  const children = shapes.flatMap((_, row) => ["a", "b", "smuggled"].map((name) => ({ boundingVolume: { region }, geometricError: 0, content: { uri: `row${row}/${name}` } })));
  for (const { content } of children) {
    fs.mkdirSync(path.join(folder, path.dirname(content.uri)), { recursive: true });
    fs.writeFileSync(path.join(folder, content.uri), "here");
  }
  writeTileset(folder, children);
}

// storeyd alone: refused, or known not to be seen.
async function testAlone(port) {
  await test(`storeyd alone: ${shapes.length} shapes of smuggling`, async (expect) => {
    const answers = await Promise.all(shapes.map(([, bytes], row) => converse(port, bytesOf(bytes, row))));
    for (const [row, [name, , wanted]] of shapes.entries()) {
      const statuses = answers[row].statuses.join(" ") || "none";
      expect(statuses === wanted, `${name}: ${statuses}, not ${wanted}`);
    }
  });
}

async function testTogether(nginx, server, logOfServer) {
  const answers = await Promise.all(shapes.map(([, bytes], row) => converse(nginx.port, bytesOf(bytes, row), { quiet: 800 })));
  await sleep(500); // logs are written in batches
  const passedOn = readLog(nginx.log).filter((line) => line.upstream !== "");
  const answered = readLog(logOfServer);
  await test(`nginx and storeyd see the same requests: ${shapes.length} shapes`, (expect) => {
    let count = 0;
    for (const [row, [name, bytes]] of shapes.entries()) {
      const sent = passedOn.filter(({ path }) => rowOf(path) === row).length;
      const seen = answered.filter(({ path }) => rowOf(path) === row);
      count += seen.length;
      expect(sent === seen.length, `${name}: nginx passed on ${sent}, storeyd answered ${seen.map(({ path }) => path).join(" ") || "none"}`);
      const statuses = answers[row].statuses.filter((status) => status !== 100);
      // HTTP/0.9 has no status line.
      expect(statuses.length >= seen.length || name === "HTTP/0.9", `${name}: ${seen.length} answered, ${statuses.length} came back`);
      // A body that was read as a body is not a request to either of them.
      if (/as the body|half a request/.test(name)) expect(!seen.some(({ path }) => /smuggled/.test(path)), `${name}: the body was answered`);
    }
    const first = answered.filter(({ path }) => rowOf(path) === 0).map(({ path }) => path).sort().join(" ");
    expect(first === `${tilesOf}0/a ${tilesOf}0/b`, `the control: ${first}`);
    const strangers = answered.filter(({ path }) => rowOf(path) < 0 && path !== "/livez" && path !== "/readyz");
    expect(strangers.length === 0, `requests that nobody made: ${JSON.stringify(strangers.slice(0, 3))}`);
    return `${count} passed on`;
  });
}

// What clients say of themselves in the headers of proxies ends at nginx.
async function testSpoofs(nginx, logOfServer) {
  await test("forged headers of proxies end at nginx", async (expect) => {
    const forged = { Forwarded: "for=9.9.9.9;host=evil.example;proto=ftp", "X-Forwarded-For": "9.9.9.9", "X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil", "X-Forwarded-Proto": "https" };
    const text = await (await fetch(`${nginx.url}/collections?f=json`, { headers: forged })).text();
    expect(!/evil|9\.9\.9\.9/.test(text), text.slice(0, 300));
    await sleep(400);
    expect(!/9\.9\.9\.9/.test(fs.readFileSync(logOfServer, "utf8")), "the log believes a client");
  });
  await test("access tokens do not reach nginx's log", async (expect) => {
    await fetch(`${nginx.url}/livez?access_token=tell-nobody`);
    await sleep(200);
    expect(!/tell-nobody/.test(fs.readFileSync(nginx.log, "utf8")), "a token is in it");
  });
}

async function testCache(nginx) {
  const base = `${nginx.url}/collections/city/3dtiles`;
  const tile = `${base}/tiles/3-${"a".repeat(32)}.bin`;
  await test("through nginx: bytes, ranges, conditions, HEAD", async (expect) => {
    const whole = await (await fetch(tile)).text();
    expect(whole === "a3 ".repeat(700), `${whole.length} bytes`);
    const part = await fetch(tile, { headers: { Range: "bytes=3-8" } });
    expect(part.status === 206 && (await part.text()) === "a3 a3 ", `range: ${part.status}`);
    const first = await fetch(tile);
    const again = await fetch(tile, { headers: { "If-None-Match": first.headers.get("etag") } });
    expect(again.status === 304, `If-None-Match: ${again.status}`);
    const head = await fetch(tile, { method: "HEAD", headers: { "Accept-Encoding": "identity" } });
    expect(head.status === 200 && head.headers.get("content-length") === "2100", `HEAD: ${head.status} ${head.headers.get("content-length")}`);
    const missing = await fetch(`${base}/tiles/none.bin`);
    expect(missing.status === 404 && /problem/.test(missing.headers.get("content-type")), `missing: ${missing.status}`);
    const root = await fetch(`${base}/tileset.json`);
    await root.text();
    const rootAgain = await fetch(`${base}/tileset.json`);
    expect(rootAgain.headers.get("x-cache") !== "HIT", "tileset.json came out of the cache");
  });
  await test("large heads and bodies end at nginx", async (expect) => {
    const long = await converse(nginx.port, `GET /livez?${"a".repeat(7000)} HTTP/1.1\r\n${HOST}\r\n`);
    expect(long.statuses[0] === 414, `URI of 7 KB: ${long.statuses}`);
    const headers = await converse(nginx.port, `GET /livez HTTP/1.1\r\n${HOST}X-A: ${"a".repeat(2500)}\r\nX-B: ${"b".repeat(2500)}\r\nX-C: ${"c".repeat(2500)}\r\n\r\n`);
    expect(headers.statuses[0] === 400, `headers of 7.5 KB: ${headers.statuses}`);
    const fits = await converse(nginx.port, `GET /livez?${"a".repeat(2500)} HTTP/1.1\r\n${HOST}X-A: ${"a".repeat(2500)}\r\n\r\n`);
    expect(fits.statuses[0] === 200, `a head of 5 KB: ${fits.statuses}`);
    const body = await converse(nginx.port, `POST /livez HTTP/1.1\r\n${HOST}Content-Length: 2000000\r\n\r\n`);
    expect(body.statuses[0] === 413, `a body of 2 MB: ${body.statuses}`);
  });
  await test("TLS and HTTP/2 through nginx", (expect) => {
    const done = spawnSync("curl", ["-s", "--cacert", nginx.chain, "--resolve", `city.example:${nginx.tlsPort}:127.0.0.1`, "-w", "%{http_version} %{http_code} %{size_download}", "-o", "/dev/null", `https://city.example:${nginx.tlsPort}/collections/city/3dtiles/tiles/3-${"a".repeat(32)}.bin`], { encoding: "utf8" });
    expect(done.stdout === "2 200 2100", done.stdout + done.stderr);
  });
}

// A package is replaced again and again while clients read through the cache: whoever got a root
// gets each of its tiles, of that same city.
async function testSwaps(nginx, server, city) {
  await test("300 clients read through nginx's cache while the package is replaced ten times", async (expect) => {
    const letters = "bcdefghijk";
    const fresh = [...letters].map((letter) => packCity(letter));
    let isOver = false;
    let reads = 0;
    const seen = new Set();
    const agentOf = (await import("node:http")).Agent;
    const { request } = await import("node:http");
    const agent = new agentOf({ keepAlive: true, maxSockets: 300 });
    const get = (where) =>
      new Promise((done, fail) => {
        const asked = request(where, { agent }, (answer) => {
          let text = "";
          answer.on("data", (chunk) => (text += chunk));
          answer.on("end", () => done({ status: answer.statusCode, text }));
          answer.on("error", fail);
        });
        asked.on("error", fail);
        asked.end();
      });
    const base = `${nginx.url}/collections/city/3dtiles/`;
    const client = async () => {
      while (!isOver) {
        const root = await get(`${base}tileset.json`);
        if (!expect(root.status === 200, `tileset.json: ${root.status}`)) return;
        const { children } = JSON.parse(root.text).root;
        const letter = children[0].content.uri.at(-5);
        seen.add(letter);
        for (const [i, child] of children.entries()) {
          const tile = await get(base + child.content.uri).catch((error) => ({ status: error.message, text: "" }));
          expect(tile.status === 200, `tile of '${letter}': ${tile.status}`);
          expect(tile.status !== 200 || tile.text === `${letter}${i} `.repeat(700), `tile ${i} of '${letter}' is of another city`);
          reads++;
          await sleep(20);
        }
      }
    };
    const clients = Array.from({ length: 300 }, client);
    for (const archive of fresh) {
      fs.renameSync(archive, city);
      server.signal("SIGHUP");
      await sleep(600);
    }
    isOver = true;
    await Promise.all(clients);
    agent.destroy();
    expect(seen.size >= 8, `only ${seen.size} of 11 cities were seen: ${[...seen].join("")}`);
    return `${reads} tiles, ${seen.size} cities`;
  });
}

async function testSubPath(nginx) {
  await test("a sub-path leaves paths as they came", async (expect) => {
    const tile = await fetch(`${nginx.url}/3d/collections/city/3dtiles/tiles/0-${"k".repeat(32)}.bin`);
    expect(tile.status === 200, `a tile: ${tile.status}`);
    const dots = await converse(nginx.port, `GET /3d/collections/city/3dtiles/%2e%2e%2ftileset.json HTTP/1.1\r\n${HOST}\r\n`);
    expect(dots.statuses[0] === 400, `encoded dots: ${dots.statuses}`);
    const outside = await converse(nginx.port, `GET /3d/../livez HTTP/1.1\r\n${HOST}\r\n`);
    expect(outside.statuses[0] === 400, `dots: ${outside.statuses}`);
    const nowhere = await converse(nginx.port, `GET /3d%2flivez HTTP/1.1\r\n${HOST}\r\n`);
    expect(nowhere.statuses[0] >= 400, `an encoded slash at the border: ${nowhere.statuses}`);
  });
}

export async function testProxy() {
  if (!hasProgram("nginx")) {
    await test("storeyd behind nginx", () => {
      throw skip("nginx is not installed");
    });
    return;
  }
  fs.mkdirSync(here, { recursive: true });
  const packages = path.join(here, "packages");
  fs.mkdirSync(packages, { recursive: true });
  const city = path.join(packages, "city.3tz");
  fs.renameSync(packCity("a"), city);
  writeRows(path.join(packages, "rows"));
  const logs = ["alone.log", "behind.log"].map((name) => path.join(here, name));
  logs.forEach((log) => fs.rmSync(log, { force: true }));
  const alone = await serve([packages], ["--access-log", logs[0]]);
  await testAlone(Number(new URL(alone.url).port));
  await alone.stop();
  const server = await serve([packages], ["--access-log", logs[1], ...trust]);
  const behind = Number(new URL(server.url).port);
  const nginx = await startNginx(behind);
  await testTogether(nginx, server, logs[1]);
  await testSpoofs(nginx, logs[1]);
  await testCache(nginx);
  await testSwaps(nginx, server, city);
  await testSubPath(nginx);
  await nginx.stop();
  const status = await server.stop();
  await test("storeyd behind nginx stops when asked", (expect) => expect(status === 0, `status ${status}`));
}

const trust = ["--trust-proxy", "127.0.0.1"];

if (isMain(import.meta.url)) {
  await testProxy();
  report();
}
