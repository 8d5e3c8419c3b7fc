// SPDX-License-Identifier: Apache-2.0
//
// wire.mjs - bytes to a server and back, with nothing in between that mends them.
import net from "node:net";

/**
 * Connects, says `bytes` (each string of an array after a pause), and listens until the server
 * closes or says nothing for `quiet` ms. Gives the text, the statuses in it, and whether it closed.
 */
export function converse(port, bytes, { quiet = 400, most = 10_000, host = "127.0.0.1", pause = 50 } = {}) {
  const parts = Array.isArray(bytes) ? bytes : [bytes];
  return new Promise((done) => {
    const socket = net.connect({ port, host });
    const from = performance.now();
    let text = "";
    let isClosed = false;
    let silence;
    const finish = () => {
      clearTimeout(silence);
      clearTimeout(late);
      socket.destroy();
      const statuses = [...text.matchAll(/HTTP\/1\.[01] (\d{3}) [A-Z]/g)].map(([, status]) => Number(status));
      done({ text, statuses, isClosed, ms: performance.now() - from });
    };
    const late = setTimeout(finish, most);
    const wait = () => {
      clearTimeout(silence);
      silence = setTimeout(finish, quiet);
    };
    socket.setNoDelay(true);
    socket.on("connect", async () => {
      for (const [i, part] of parts.entries()) {
        if (i) await new Promise((next) => setTimeout(next, pause));
        if (!socket.destroyed) socket.write(part, "latin1");
      }
      wait();
    });
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      wait();
    });
    socket.on("error", () => (isClosed = true));
    socket.on("close", () => {
      isClosed = true;
      finish();
    });
  });
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
