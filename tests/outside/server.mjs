// SPDX-License-Identifier: Apache-2.0
//
// server.mjs - storeyd as it is run: bad neighbours, signals, damage, systemd, curl, an OpenAPI judge.
//
//   node tests/outside/server.mjs
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { spawn, spawnSync } from "node:child_process";
import { isMain, made, report, root, skip, test } from "./judge.mjs";
import { freePort, program, serve } from "./programs.mjs";
import { packCity, writePackage } from "./proxy.mjs";
import { converse, sleep } from "./wire.mjs";

const here = path.join(made, "server");
const HOST = "Host: localhost\r\n";
const tileOf = (letter, i = 0) => `/collections/city/3dtiles/tiles/${i}-${letter.repeat(32)}.bin`;
const portOf = (server) => Number(new URL(server.url).port);
const hasProgram = (name) => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;

/** A folder of packages of its own, with city.3tz in it. */
function folderOf(name) {
  const folder = path.join(here, name);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.renameSync(packCity("a"), path.join(folder, "city.3tz"));
  return folder;
}

// One connection that asks for a tile again and again: the times of its answers, in ms.
function askAgain(port, count) {
  return new Promise((done, fail) => {
    const socket = net.connect(port, "127.0.0.1");
    const times = [];
    let text = "";
    let from = 0;
    const ask = () => {
      from = performance.now();
      socket.write(`GET ${tileOf("a")} HTTP/1.1\r\n${HOST}\r\n`);
    };
    socket.on("connect", ask);
    socket.on("error", fail);
    socket.on("close", () => (times.length < count ? fail(new Error(`closed after ${times.length} answers`)) : done(times)));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const head = text.indexOf("\r\n\r\n");
      if (head < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(text)[1]);
      if (text.length < head + 4 + length) return;
      if (!text.startsWith("HTTP/1.1 200")) return fail(new Error(text.slice(0, 60)));
      text = "";
      times.push(performance.now() - from);
      if (times.length === count) socket.end();
      else ask();
    });
  });
}

const percentile = (times, share) => times.sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * share))];

async function measureGood(port) {
  const times = (await Promise.all(Array.from({ length: 8 }, () => askAgain(port, 400)))).flat();
  return percentile(times, 0.99);
}

// Connections that are opened a few hundred at a time; those that are refused are counted.
async function openMany(port, count, begin) {
  const sockets = [];
  let refused = 0;
  for (let from = 0; from < count; from += 250) {
    await Promise.all(
      Array.from({ length: Math.min(250, count - from) }, () => {
        return new Promise((done) => {
          const socket = net.connect(port, "127.0.0.1");
          sockets.push(socket);
          socket.on("error", () => {
            refused++;
            done();
          });
          socket.on("connect", () => {
            begin(socket);
            done();
          });
        });
      }),
    );
  }
  return { sockets, refused: () => refused };
}

// The limit of open files bounds what a test can open: two descriptors a connection, one on each side.
const hardLimit = () => Number(spawnSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).stdout) || 1e6;

// A client of one byte every two seconds, one that reads nothing, one that says nothing: those who
// behave must not notice.
async function testNeighbours() {
  const folder = folderOf("neighbours");
  const idleCount = Math.min(10_000, hardLimit() - 1500);
  const server = await serve([folder], ["--quiet", "--connections", "12000", "--head-seconds", "6"]);
  const port = portOf(server);
  let alone = 0;
  await test("good clients alone", async () => {
    await measureGood(port);
    for (let i = 0; i < 3; i++) alone = Math.max(alone, await measureGood(port));
    return `p99 ${alone.toFixed(1)} ms`;
  });
  const bound = () => Math.max(2 * alone, alone + 5);
  const judge = async (expect) => {
    let p99 = Infinity;
    // Other programs disturb, too: what holds holds in one of a few tries.
    for (let i = 0; i < 8 && p99 > bound(); i++) p99 = Math.min(p99, await measureGood(port));
    expect(p99 <= bound(), `p99 ${p99.toFixed(1)} ms, alone ${alone.toFixed(1)} ms`);
    return p99;
  };
  await test("500 clients of one byte every two seconds disturb nobody, and are dropped", async (expect) => {
    const text = `GET /livez HTTP/1.1\r\n${HOST}X-Slow: ${"a".repeat(1000)}`;
    const from = performance.now();
    const dropped = [];
    const { sockets, refused } = await openMany(port, 500, (socket) => {
      let at = 3;
      socket.write(text.slice(0, at));
      const drip = setInterval(() => socket.write(text[at++] ?? "b"), 2000);
      socket.on("close", () => {
        clearInterval(drip);
        dropped.push(performance.now() - from);
      });
      socket.resume();
    });
    expect(refused() === 0, `${refused()} were refused`);
    const p99 = await judge(expect);
    while (dropped.length < 500 && performance.now() - from < 20_000) await sleep(200);
    expect(dropped.length === 500, `${500 - dropped.length} are still connected after 20 s`);
    sockets.forEach((socket) => socket.destroy());
    return `p99 ${p99.toFixed(1)} ms; dropped after ${(Math.min(...dropped) / 1000).toFixed(1)} to ${(Math.max(...dropped) / 1000).toFixed(1)} s`;
  });
  await test("200 clients that take nothing of what they asked for disturb nobody", async (expect) => {
    const { sockets } = await openMany(port, 200, (socket) => {
      socket.pause();
      socket.write(`GET ${tileOf("a")} HTTP/1.1\r\n${HOST}\r\n`.repeat(60));
    });
    const p99 = await judge(expect);
    sockets.forEach((socket) => socket.destroy());
    return `p99 ${p99.toFixed(1)} ms`;
  });
  await test(`${idleCount} idle connections disturb nobody`, async (expect) => {
    if (idleCount < 1000) throw skip(`the limit of open files is ${hardLimit()}`);
    const before = residentKb(server.pid);
    let answered = 0;
    const { sockets, refused } = await openMany(port, idleCount, (socket) => {
      socket.write(`GET /livez HTTP/1.1\r\n${HOST}\r\n`);
      socket.once("data", () => answered++);
    });
    for (let i = 0; i < 100 && answered < idleCount; i++) await sleep(50);
    expect(refused() === 0, `${refused()} were refused`);
    expect(answered === idleCount, `${answered} of ${idleCount} were answered`);
    const each = (residentKb(server.pid) - before) / idleCount;
    const p99 = await judge(expect);
    expect(each < 32, `${each.toFixed(1)} KiB a connection`);
    sockets.forEach((socket) => socket.destroy());
    return `p99 ${p99.toFixed(1)} ms, alone ${alone.toFixed(1)}; ${each.toFixed(1)} KiB a connection`;
  });
  await test("afterwards all descriptors are given back", async (expect) => {
    let open = 0;
    for (let i = 0; i < 50; i++) {
      open = fs.readdirSync(`/proc/${server.pid}/fd`).length;
      if (open < 60) break;
      await sleep(100);
    }
    expect(open < 60, `${open} are open`);
    const status = await server.stop();
    expect(status === 0, `status ${status}`);
    return `${open} open`;
  });
}

function residentKb(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
}

// What is under way is finished, what is idle ends, nothing new begins.
async function testDrain() {
  await test("SIGTERM lets answers finish and takes no new ones", async (expect) => {
    const folder = path.join(here, "drain");
    fs.rmSync(folder, { recursive: true, force: true });
    const city = path.join(folder, "city");
    writePackage(city, "a");
    const bytes = 24 << 20; // beyond what sockets hold
    fs.writeFileSync(path.join(city, `tiles/0-${"a".repeat(32)}.bin`), Buffer.alloc(bytes, 1));
    const server = await serve([city], ["--quiet", "--drain-seconds", "8"]);
    const port = portOf(server);
    const socket = net.connect(port, "127.0.0.1");
    let got = 0;
    let closed = false;
    socket.once("data", () => socket.pause());
    socket.on("data", (chunk) => (got += chunk.length));
    socket.on("close", () => (closed = true));
    socket.write(`GET ${tileOf("a")} HTTP/1.1\r\n${HOST}\r\n`);
    const idle = net.connect(port, "127.0.0.1");
    let idleClosed = false;
    idle.on("close", () => (idleClosed = true));
    idle.on("error", () => {});
    idle.resume();
    idle.write(`GET /livez HTTP/1.1\r\n${HOST}\r\n`);
    await sleep(400);
    expect(got > 0 && got < bytes, `${got} bytes before SIGTERM`);
    const ended = server.stop();
    await sleep(1500);
    expect(idleClosed, "an idle connection stays open");
    const late = await converse(port, `GET /livez HTTP/1.1\r\n${HOST}\r\n`, { quiet: 200 });
    expect(late.text === "", `a new connection was answered: ${late.text.slice(0, 20)}`);
    socket.resume();
    const status = await ended;
    for (let i = 0; i < 100 && !closed; i++) await sleep(50); // what is still on its way
    expect(status === 0, `status ${status}`);
    expect(closed && got > bytes, `${got} bytes of ${bytes}`);
  });
}

async function testLog() {
  await test("SIGHUP and SIGUSR1 reopen the log", async (expect) => {
    const folder = folderOf("log");
    const log = path.join(here, "access.log");
    for (const suffix of ["", ".1", ".2"]) fs.rmSync(log + suffix, { force: true });
    const server = await serve([folder], ["--access-log", log]);
    for (const [i, signal] of ["SIGHUP", "SIGUSR1"].entries()) {
      await fetch(`${server.url}/conformance?f=json`);
      await sleep(400);
      fs.renameSync(log, `${log}.${i + 1}`);
      server.signal(signal);
      for (let tries = 0; tries < 40 && !fs.existsSync(log); tries++) await sleep(100);
      expect(fs.existsSync(log), `${signal}: no new log`);
    }
    await fetch(`${server.url}/collections?f=json`);
    await server.stop();
    const has = (suffix, what) => fs.readFileSync(log + suffix, "utf8").includes(what);
    expect(has(".1", "/conformance") && has(".2", "/conformance"), "lines are missing");
    expect(has("", '"path":"/collections"') && !has(".2", '"path":"/collections"'), "the last line is in the wrong file");
    for (const suffix of ["", ".1", ".2"]) for (const line of fs.readFileSync(log + suffix, "utf8").trim().split("\n")) JSON.parse(line);
  });
}

// A copy that fails half way shortens the file under the map.
async function testDamage() {
  await test("a file cut short under the server is 500, and the server lives", async (expect) => {
    const folder = folderOf("damage");
    const city = path.join(folder, "city.3tz");
    const pad = path.join(here, "pad");
    writePackage(pad, "p");
    fs.writeFileSync(path.join(pad, `tiles/7-${"p".repeat(32)}.bin`), Buffer.from(Array.from({ length: 4 << 20 }, (_, i) => (i * 7919 * (i >> 7)) & 255)));
    fs.rmSync(city);
    const packed = spawnSync(program("storey"), ["pack", pad, "-o", city]);
    expect(packed.status === 0, String(packed.stderr));
    writePackage(path.join(folder, "other"), "o");
    const server = await serve([folder], ["--quiet"]);
    expect((await fetch(`${server.url}${tileOf("p", 0)}`)).status === 200, "a tile before");
    const descriptor = fs.openSync(city, "r+");
    fs.ftruncateSync(descriptor, 100);
    fs.closeSync(descriptor);
    const statuses = [];
    for (let i = 0; i < 8; i++) {
      const answer = await fetch(`${server.url}${tileOf("p", i)}`);
      const text = await answer.text();
      statuses.push(answer.status);
      expect(!text.includes(here), "a path of this machine in the answer");
    }
    expect(statuses.filter((status) => status === 500).length >= 7, statuses.join(" "));
    const other = await fetch(`${server.url}/collections/other/3dtiles/tiles/0-${"o".repeat(32)}.bin`);
    expect(other.status === 200 && (await other.text()).startsWith("o0"), `another package: ${other.status}`);
    const status = await server.stop();
    expect(status === 0, `status ${status}: ${server.said()}`);
    return statuses.join(" ");
  });
}

async function testUnits() {
  const folder = path.join(here, "units");
  fs.mkdirSync(folder, { recursive: true });
  await test("the systemd units are sound", (expect) => {
    if (!hasProgram("systemd-analyze")) throw skip("systemd-analyze is not installed");
    const unit = path.join(folder, "storeyd.service");
    fs.writeFileSync(unit, fs.readFileSync(path.join(root, "server/storeyd.service"), "utf8").replace("/usr/local/bin/storeyd", program("storeyd")));
    fs.copyFileSync(path.join(root, "server/storeyd.socket"), path.join(folder, "storeyd.socket"));
    const verified = spawnSync("systemd-analyze", ["verify", "--man=no", unit, path.join(folder, "storeyd.socket")], { encoding: "utf8" });
    expect(verified.status === 0 && !/storeyd/.test(verified.stderr), verified.stderr);
    const judged = spawnSync("systemd-analyze", ["security", "--offline=true", "--threshold=15", "--no-pager", unit], { encoding: "utf8" });
    expect(judged.status === 0, judged.stdout.split("\n").slice(-2).join(" ") + judged.stderr);
    return /exposure level.*?: ([\d.]+)/.exec(judged.stdout)?.[0];
  });
  await test("every option in the unit is one that storeyd has", (expect) => {
    const [, line] = /^ExecStart=\S+ (.*)$/m.exec(fs.readFileSync(path.join(root, "server/storeyd.service"), "utf8"));
    const help = spawnSync(program("storeyd"), ["--help"], { encoding: "utf8" }).stdout;
    const asked = line.match(/--[a-z-]+/g);
    for (const option of asked) expect(help.includes(`${option} `), `${option} is not in --help`);
    return asked.join(" ");
  });
  await test("a socket that a supervisor passes is served", async (expect) => {
    const packages = folderOf("activated");
    const listener = net.createServer();
    await new Promise((done) => listener.listen(0, "127.0.0.1", done));
    const { port } = listener.address();
    // Says who the descriptors are for, then becomes storeyd.
    const script = `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`;
    const child = spawn("sh", ["-c", script, "sh", program("storeyd"), packages, "--quiet", "--threads", "2"], { stdio: ["ignore", "pipe", "pipe", listener._handle.fd] });
    let said = "";
    child.stderr.on("data", (text) => (said += text));
    const ended = new Promise((done) => child.on("exit", (code, signal) => done(code ?? signal)));
    for (let i = 0; i < 100 && !said.includes("listening on"); i++) await sleep(50);
    listener.close(); // storeyd has the socket now
    expect(said.includes(`:${port}/`), said);
    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`http://127.0.0.1:${port}${tileOf("a", 1)}`)));
    expect(answers.every(({ status }) => status === 200), answers.map(({ status }) => status).join(" "));
    child.kill("SIGTERM");
    const status = await ended;
    expect(status === 0, `status ${status}: ${said}`);
  });
  await test("a descriptor that is no listening socket is a clear error", (expect) => {
    const file = path.join(folder, "file");
    fs.writeFileSync(file, "");
    const done = spawnSync("sh", ["-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<"${file}"`, "sh", program("storeyd"), here, "--quiet"], { encoding: "utf8", timeout: 10_000 });
    expect(done.status === 1 && /descriptor 3 of LISTEN_FDS is no listening socket/.test(done.stderr), `${done.status}: ${done.stderr}`);
  });
}

const makeKey = (name) => {
  const { stdout } = spawnSync(program("storeyd"), ["--make-key", name], { encoding: "utf8" });
  const [, key, line, secret] = /nowhere:\s+(\S+)\n.*\n\s+(\{.*\})\n.*\n\s+(".*")/.exec(stdout);
  return { key, line: JSON.parse(line), secret: JSON.parse(`{${secret}}`).token_secret };
};

/** Serves packages to whoever has a token; gives the query that holds one. */
export async function serveWithToken(paths, id) {
  fs.mkdirSync(here, { recursive: true });
  const file = path.join(here, "token-keys.json");
  const { key, line, secret } = makeKey("viewer");
  fs.writeFileSync(file, JSON.stringify({ token_secret: secret, keys: [line] }));
  const server = await serve(paths, ["--quiet", "--keys", file]);
  const answer = await fetch(`${server.url}/v1/assets/${id}/endpoint`, { headers: { "X-API-Key": key } });
  const { url, accessToken } = await answer.json();
  return { server, url, query: `access_token=${accessToken}` };
}

// What an office does with its keys: hands them out, narrows them, takes them back, makes mistakes.
async function testKeys() {
  const folder = folderOf("keys");
  writePackage(path.join(folder, "other"), "o");
  const file = path.join(here, "keys.json");
  const [office, works] = [makeKey("flood office"), makeKey("public works")];
  const write = (keys) => {
    fs.writeFileSync(`${file}.next`, typeof keys === "string" ? keys : JSON.stringify({ token_secret: office.secret, keys }));
    fs.renameSync(`${file}.next`, file);
  };
  const narrow = { ...office.line, scopes: ["tiles"], packages: ["city"] };
  write([narrow, works.line]);
  const server = await serve([folder], ["--quiet", "--keys", file]);
  const city = `${server.url}${tileOf("a")}`;
  const other = `${server.url}/collections/other/3dtiles/tiles/0-${"o".repeat(32)}.bin`;
  const bearer = (key) => ({ headers: { Authorization: `Bearer ${key}` } });
  const status = async (...args) => (await fetch(...args)).status;
  const until = async (wanted, ...args) => {
    let found;
    for (let i = 0; i < 60 && (found = await status(...args)) !== wanted; i++) await sleep(100);
    return found;
  };
  let token;
  await test("keys: 401 without one, 200 in scope, 403 beyond it", async (expect) => {
    const none = await fetch(city);
    expect(none.status === 401 && /^Bearer/.test(none.headers.get("www-authenticate")), `no key: ${none.status} ${none.headers.get("www-authenticate")}`);
    expect((await status(city, bearer("guess"))) === 401, "a guess");
    const answer = await fetch(city, bearer(office.key));
    expect(answer.status === 200 && /private/.test(answer.headers.get("cache-control")), `a key: ${answer.status} ${answer.headers.get("cache-control")}`);
    expect((await status(city, { headers: { "X-API-Key": office.key } })) === 200, "X-API-Key");
    expect((await status(`${city}?access_token=${office.key}`)) === 200, "access_token");
    expect((await status(other, bearer(office.key))) === 403, "another package");
    expect((await status(`${server.url}/collections/city/package.3tz`, bearer(office.key))) === 403, "another scope");
    expect((await status(other, bearer(works.key))) === 200, "the other key");
  });
  await test("a token of the endpoint is good for its package", async (expect) => {
    const answer = await (await fetch(`${server.url}/v1/assets/city/endpoint`, bearer(works.key))).json();
    token = answer.accessToken;
    expect(answer.type === "3DTILES" && /\/collections\/city\/3dtiles\//.test(answer.url), JSON.stringify(answer).slice(0, 200));
    expect((await status(answer.url, bearer(token))) === 200 && (await status(`${city}?access_token=${token}`)) === 200, "the city");
    expect((await status(other, bearer(token))) === 403, "another package");
    expect((await status(city, bearer(`${token.slice(0, -2)}AA`))) === 401 || token.endsWith("AA"), "altered");
  });
  await test("a broken keys file is told with its line and changes nothing", async (expect) => {
    write('{\n  "keys": [\n    {"name": "x", "scopes": ["everything"]}\n  ]\n}');
    for (let i = 0; i < 60 && !/stay as they were/.test(server.said()); i++) await sleep(100);
    expect(/keys\.json:3:\d+: /.test(server.said()) && /stay as they were/.test(server.said()), server.said().slice(-300));
    expect((await status(city, bearer(office.key))) === 200, "the old key");
    expect(!server.said().includes(office.secret), "the secret is printed");
  });
  await test("a key that is taken out is none, and its tokens with it: without a signal", async (expect) => {
    write([narrow]);
    expect((await until(401, other, bearer(works.key))) === 401, "the key still opens");
    expect((await status(city, bearer(token))) === 401, "its token still opens");
    expect((await status(city, bearer(office.key))) === 200, "the key that stayed");
  });
  await test("a key has its rate: 429, then again", async (expect) => {
    write([{ ...narrow, requests_per_second: 5 }]);
    server.signal("SIGHUP");
    expect((await until(429, city, bearer(office.key))) === 429, "never 429");
    const late = await fetch(city, bearer(office.key));
    const wait = Number(late.headers.get("retry-after"));
    expect(late.status === 429 && wait >= 1 && late.headers.get("ratelimit-limit") === "5", `${late.status} ${wait} ${late.headers.get("ratelimit-limit")}`);
    await sleep(wait * 1000);
    expect((await status(city, bearer(office.key))) === 200, "not recovered");
  });
  await server.stop();
}

// What is counted survives the server, a killed one loses ten seconds at most, and servers add up.
async function testAccount() {
  const folder = folderOf("account");
  const [first, second] = ["usage-1", "usage-2"].map((name) => path.join(here, name));
  for (const usage of [first, second]) fs.rmSync(usage, { recursive: true, force: true });
  const fetchMany = async (server, count) => {
    for (let i = 0; i < count; i++) await (await fetch(`${server.url}${tileOf("a", i % 8)}`, { headers: { "Accept-Encoding": "identity" } })).arrayBuffer();
  };
  const sum = (...usage) => {
    const done = spawnSync(program("storeyd"), ["--sum-usage", ...usage], { encoding: "utf8" });
    const rows = done.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line)).filter(({ package: id }) => id === "city");
    return rows.reduce((all, { calls, bytes }) => ({ calls: all.calls + calls, bytes: all.bytes + bytes }), { calls: 0, bytes: 0 });
  };
  await test("the account outlives servers, and adds up", async (expect) => {
    for (const [usage, count] of [[first, 20], [first, 12], [second, 5]]) {
      const server = await serve([folder], ["--quiet", "--usage", usage]);
      await fetchMany(server, count);
      expect((await server.stop()) === 0, server.said());
    }
    const all = sum(first, second);
    expect(all.calls === 37 && all.bytes === 37 * 2100, JSON.stringify(all));
    return `${all.calls} calls, ${all.bytes} bytes`;
  });
  await test("a server that is killed keeps what is older than ten seconds", async (expect) => {
    const server = await serve([folder], ["--quiet", "--usage", second]);
    await fetchMany(server, 8);
    const from = performance.now();
    while (sum(second).calls < 13 && performance.now() - from < 16_000) await sleep(300);
    const after = (performance.now() - from) / 1000;
    await fetchMany(server, 3);
    server.signal("SIGKILL");
    await sleep(200);
    const { calls } = sum(second);
    expect(calls >= 13 && calls <= 16, `${calls} calls, not 13`);
    expect(after <= 14, `written after ${after.toFixed(1)} s`);
    return `written after ${after.toFixed(1)} s`;
  });
  await test("metrics stand on the admin listener alone", async (expect) => {
    const admin = `127.0.0.1:${await freePort()}`;
    const server = await serve([folder], ["--quiet", "--admin", admin]);
    await fetchMany(server, 6);
    await fetch(`${server.url}/nowhere`);
    await sleep(1300); // counters of packages are handed over every second
    const text = await (await fetch(`http://${admin}/metrics`)).text();
    const value = (name) => Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.split(" ").pop());
    expect(value('storeyd_requests_total{route="none",status="4xx"}') === 1, "4xx");
    expect(value('storeyd_package_requests_today{package="city",key="",status="2xx"}') === 6, "calls of the package");
    expect(value('storeyd_package_bytes_today{package="city",key=""}') === 6 * 2100, "bytes of the package");
    expect(value('storeyd_request_duration_seconds_bucket{route="tiles",le="+Inf"}') === value('storeyd_request_duration_seconds_count{route="tiles"}'), "the histogram");
    for (const line of text.trim().split("\n")) expect(/^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[\d.e+-]+)$/.test(line), `'${line}' is no line of Prometheus`);
    expect((await fetch(`${server.url}/metrics`)).status === 404, "public");
    expect((await fetch(`http://${admin}/admin/reload`, { method: "POST" })).status === 202, "reload");
    expect((await fetch(`http://${admin}/readyz`)).status === 200, "readyz");
    await server.stop();
    return `${text.split("\n").filter((line) => line.startsWith("# TYPE")).length} metrics`;
  });
}

const curl = (...args) => {
  const done = spawnSync("curl", ["-s", "--max-time", "10", ...args], { encoding: "latin1", maxBuffer: 64 << 20 });
  if (done.error) throw skip("curl is not installed");
  return done;
};

async function testCurl() {
  const folder = folderOf("curl");
  const server = await serve([folder], ["--quiet", "--allow-download"]);
  const url = `${server.url}/collections/city`;
  const tile = `${server.url}${tileOf("a", 2)}`;
  const whole = "a2 ".repeat(700);
  const code = (...args) => curl("-o", "/dev/null", "-w", "%{http_code}", ...args).stdout;
  await test("curl: ranges, resuming, conditions, codings", (expect) => {
    expect(curl(tile).stdout === whole, "the whole");
    expect(curl("-r", "0-4", tile).stdout === whole.slice(0, 5), "the first five bytes");
    expect(curl("-r", "-5", tile).stdout === whole.slice(-5), "the last five bytes");
    expect(curl("-r", "2090-", tile).stdout === whole.slice(2090), "from a place on");
    expect(curl("-C", "1000", tile).stdout === whole.slice(1000), "resuming");
    expect(code("-r", "5000-", tile) === "416", "a range beyond the end");
    expect(code("-r", "0-1,5-6", tile) === "200", "two ranges are the whole");
    const head = curl("-I", tile).stdout;
    const tag = /^etag: (.*)\r$/im.exec(head)[1];
    expect(/^content-length: 2100\r$/im.test(head) && /^accept-ranges: bytes\r$/im.test(head), head);
    expect(code("-H", `If-None-Match: ${tag}`, tile) === "304", "304");
    expect(code("-H", `If-None-Match: "other", ${tag}`, tile) === "304", "304 of a list");
    expect(code("-H", 'If-None-Match: "other"', tile) === "200", "another tag");
    expect(code("-H", 'If-Match: "other"', tile) === "412", "412");
    expect(code("-H", 'If-Range: "other"', "-r", "0-4", tile) === "200", "If-Range of another tag is the whole");
    expect(code("-H", `If-Range: ${tag}`, "-r", "0-4", tile) === "206", "If-Range of this tag");
    expect(curl("--compressed", tile).stdout === whole, "gzip is undone");
    expect(code("-H", "Accept-Encoding: identity;q=0, br", tile) === "406" || curl("-H", "Accept-Encoding: identity;q=0", tile).stdout !== whole, "no coding is acceptable");
    expect(code("-X", "DELETE", tile) === "405", "DELETE");
    expect(code("-X", "OPTIONS", "-H", "Origin: https://a.example", "-H", "Access-Control-Request-Method: GET", tile) === "204", "preflight");
  });
  await test("curl: a package comes whole, in two halves, and resumed", (expect) => {
    const out = path.join(here, "half.3tz");
    const original = fs.readFileSync(path.join(folder, "city.3tz"));
    const from = `${url}/package.3tz`;
    expect(Buffer.from(curl(from).stdout, "latin1").equals(original), "the whole");
    fs.writeFileSync(out, original.subarray(0, 1000));
    expect(curl("-C", "-", "-o", out, from).status === 0 && fs.readFileSync(out).equals(original), "resumed");
    return `${original.length} bytes`;
  });
  await test("the API description is valid OpenAPI", async (expect) => {
    const { Validator } = await import("@seriousme/openapi-schema-validator").catch(() => {
      throw skip("npm ci has not been run");
    });
    const answer = await fetch(`${server.url}/api`);
    expect(/application\/vnd\.oai\.openapi\+json/.test(answer.headers.get("content-type")), answer.headers.get("content-type"));
    const api = await answer.json();
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(api));
    expect(valid, JSON.stringify(errors)?.slice(0, 500));
    const operations = Object.values(api.paths).flatMap((one) => Object.keys(one)).length;
    expect(operations >= 8, `${operations} operations`);
    // What the description promises without parameters must answer.
    for (const [where, methods] of Object.entries(api.paths)) {
      if (!methods.get) continue;
      const asked = where.replace("{collectionId}", "city");
      if (asked.includes("{")) continue;
      const required = (methods.get.parameters ?? []).some(({ required, in: place }) => required && place === "query");
      const { status } = await fetch(`${server.url}${asked}`);
      expect(status === 200 || required || status === 404 || status === 403, `${asked}: ${status}`);
    }
    return `${validator.version}, ${operations} operations`;
  });
  await server.stop();
}

export async function testServer() {
  fs.mkdirSync(here, { recursive: true });
  await testUnits();
  await testCurl();
  await testKeys();
  await testAccount();
  await testLog();
  await testDamage();
  await testDrain();
  await testNeighbours();
}

if (isMain(import.meta.url)) {
  await testServer();
  report();
}
