// SPDX-License-Identifier: Apache-2.0
//
// tls.mjs - TLS as an operator has it: openssl makes certificates, curl and openssl judge them.
//
//   node tests/outside/tls.mjs
import fs from "node:fs";
import path from "node:path";
import tls from "node:tls";
import { spawn, spawnSync } from "node:child_process";
import { isMain, made, report, skip, test } from "./judge.mjs";
import { freePort, program } from "./programs.mjs";
import { packCity } from "./proxy.mjs";
import { sleep } from "./wire.mjs";

const here = path.join(made, "tls");
const chain = path.join(here, "chain.pem");
const key = path.join(here, "key.pem");

// A certificate for localhost that signs itself.
function makePair(subject, { days = 30, into = [chain, key] } = {}) {
  const [chainFile, keyFile] = into;
  const done = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", keyFile, "-out", chainFile, "-days", String(days), "-subj", `/CN=${subject}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], { encoding: "utf8" });
  if (done.error) throw skip("openssl is not installed");
  if (done.status !== 0) throw new Error(done.stderr);
}

async function start() {
  const port = await freePort();
  const child = spawn(program("storeyd"), [path.join(here, "city.3tz"), "--listen", `127.0.0.1:${port}`, "--quiet", "--certificate", chain, "--private-key", key]);
  let said = "";
  child.stderr.on("data", (text) => (said += text));
  const ended = new Promise((done) => child.on("exit", (code, signal) => done(code ?? signal)));
  for (let i = 0; i < 100 && !said.includes("listening on") && child.exitCode === null; i++) await sleep(50);
  const told = async (words) => {
    for (let i = 0; i < 60 && !words.test(said); i++) await sleep(50);
    return words.test(said);
  };
  return { port, url: `https://localhost:${port}`, said: () => said, told, signal: (name) => child.kill(name), ended, stop: () => (child.kill("SIGTERM"), ended) };
}

// The subject of the certificate that a new connection is shown, by openssl.
const shown = (port) => /CN ?= ?(\S+)/.exec(spawnSync("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "localhost"], { input: "", encoding: "utf8", timeout: 10_000 }).stdout)?.[1];
const curl = (url, ...args) => spawnSync("curl", ["-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code} %{http_version} %{ssl_verify_result}", ...args, url], { encoding: "utf8" });

export async function testTls() {
  fs.rmSync(here, { recursive: true, force: true });
  fs.mkdirSync(here, { recursive: true });
  fs.renameSync(packCity("a"), path.join(here, "city.3tz"));
  await test("curl believes the certificate; old protocols and plain HTTP are refused", async (expect) => {
    makePair("first");
    const server = await start();
    const good = curl(`${server.url}/livez`, "--cacert", chain);
    expect(good.stdout === "200 1.1 0", good.stdout + good.stderr);
    expect(curl(`${server.url}/livez`).status === 60, "without --cacert curl must refuse");
    expect(curl(`${server.url}/livez`, "--cacert", chain, "--tls-max", "1.1").status === 35, "TLS 1.1");
    expect(curl(`${server.url}/livez`, "--cacert", chain, "--tls-max", "1.2").stdout.startsWith("200"), "TLS 1.2");
    expect(curl(`http://localhost:${server.port}/livez`).status !== 0, "plain HTTP");
    expect((await server.stop()) === 0, server.said());
  });
  await test("SIGHUP: a renewed certificate is for new connections, a broken one is told and refused", async (expect) => {
    makePair("first");
    const server = await start();
    expect(shown(server.port) === "first", `first: ${shown(server.port)}`);
    const old = tls.connect({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
    let answer = "";
    old.on("data", (text) => (answer += text));
    await new Promise((done) => old.on("secureConnect", done));

    makePair("second", { days: 60 });
    server.signal("SIGHUP");
    expect(await server.told(/a new certificate, good until \d{4}-\d\d-\d\d/), server.said());
    expect(shown(server.port) === "second", `second: ${shown(server.port)}`);
    old.write("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (let i = 0; i < 40 && !answer; i++) await sleep(25);
    expect(answer.startsWith("HTTP/1.1 200"), `the old connection: ${answer.slice(0, 40)}`);
    old.destroy();

    const keyBefore = fs.readFileSync(key);
    makePair("third", { into: [chain, path.join(here, "other.pem")] });
    server.signal("SIGHUP");
    expect(await server.told(/key\.pem: schema: the key is not that of the certificate/), server.said());
    expect(await server.told(/the certificate stays as it was/), server.said());
    expect(shown(server.port) === "second", `after a key of another: ${shown(server.port)}`);
    fs.writeFileSync(chain, "no certificate\n");
    server.signal("SIGHUP");
    expect(await server.told(/chain\.pem: syntax: no certificate in PEM/), server.said());
    fs.rmSync(key);
    makePair("fourth", { into: [chain, path.join(here, "other.pem")] });
    server.signal("SIGHUP");
    expect(await server.told(/io: cannot open '.*key\.pem'/), server.said());
    expect(shown(server.port) === "second", `after a missing key: ${shown(server.port)}`);
    fs.writeFileSync(key, keyBefore);
    makePair("fifth");
    server.signal("SIGHUP");
    for (let i = 0; i < 40 && shown(server.port) !== "fifth"; i++) await sleep(50);
    expect(shown(server.port) === "fifth", `mended: ${shown(server.port)}`);
    expect((await server.stop()) === 0, server.said());
  });
  await test("ten renewals under load: no request is lost", async (expect) => {
    makePair("load");
    const server = await start();
    const ca = () => curl(`${server.url}/livez`, "-k");
    let done = false;
    let asked = 0;
    const lost = [];
    const work = (async () => {
      while (!done) {
        await new Promise((next) => {
          const socket = tls.connect({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
          let text = "";
          socket.on("secureConnect", () => socket.write("GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
          socket.on("data", (chunk) => (text += chunk));
          socket.on("error", (error) => lost.push(error.message));
          socket.on("close", () => {
            asked++;
            if (!text.startsWith("HTTP/1.1 200")) lost.push(text.slice(0, 30));
            next();
          });
        });
      }
    })();
    for (let i = 0; i < 10; i++) {
      makePair(`load-${i}`);
      server.signal("SIGHUP");
      await sleep(100);
    }
    done = true;
    await work;
    expect(lost.length === 0, `${lost.length} of ${asked}: ${lost[0]}`);
    expect(ca().stdout.startsWith("200"), "afterwards");
    expect((await server.stop()) === 0, server.said());
    return `${asked} connections`;
  });
  await test("a start with a wrong pair says which file and why, and exits 1", async (expect) => {
    makePair("first");
    makePair("other", { into: [path.join(here, "o.pem"), path.join(here, "o-key.pem")] });
    const tries = [
      ["of another", path.join(here, "o-key.pem"), /o-key\.pem: schema: the key is not that of the certificate/],
      ["missing", path.join(here, "none.pem"), /io: cannot open '.*none\.pem'.*No such file/],
      ["a certificate", chain, /chain\.pem: syntax: no key in PEM/],
    ];
    const locked = path.join(here, "locked.pem");
    spawnSync("openssl", ["pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked]);
    tries.push(["locked", locked, /locked\.pem: syntax: the key has a password/]);
    for (const [name, file, words] of tries) {
      const done = spawnSync(program("storeyd"), [path.join(here, "city.3tz"), "--listen", "127.0.0.1:0", "--certificate", chain, "--private-key", file], { encoding: "utf8", timeout: 10_000 });
      expect(done.status === 1 && words.test(done.stderr), `${name}: ${done.status} ${done.stderr}`);
    }
  });
}

if (isMain(import.meta.url)) {
  await testTls();
  report();
}
