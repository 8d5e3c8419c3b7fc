// SPDX-License-Identifier: Apache-2.0
//
// chosen.mjs - what CesiumJS requests and shows from a camera, beside what `storey preview` says it does.
//
//   node tests/outside/chosen.mjs PACKAGE [SSE...]     serves it, compares at every camera of its grid
//
// Both get the same position, direction and frame. CesiumJS has its default options, but dynamicScreenSpaceError
// and foveatedScreenSpaceError off (skipLevelOfDetail is off by default). Each camera is a page of its own, so that
// nothing is there before. The sets of URLs must be equal but for tiles that lie on the edge: within `edge`
// of the screen-space error, or of a side of the frame, where double arithmetic in another order may decide otherwise.
import { openBrowser, servePages } from "./browser.mjs";
import { isMain, report, test } from "./judge.mjs";
import { run, serve, tilesets } from "./programs.mjs";

const width = 1920;
const height = 1080;

/** What storey says: [{name, look, sse, requests: Set, shown: Set, bytes}]. */
export function chosenByStorey(where, errors, cameras = "all") {
  const done = run("storey", ["preview", where, "--json", "--camera", cameras, "--sse", errors.join(","), "--size", `${width}x${height}`]);
  if (done.status !== 0) throw new Error(done.stderr);
  return JSON.parse(done.stdout).cameras.flatMap(({ name, look, views }) =>
    views.map(({ sse, list, bytes }) => ({
      name,
      look: look.split(",").map(Number),
      sse,
      bytes,
      requests: new Set(list.map((one) => one.name)),
      shown: new Set(list.filter((one) => one.shown).map((one) => one.name)),
    })),
  );
}

/** Compares at each camera; `url` is that of tileset.json. */
export async function testChosen(name, where, url, errors = [16], cameras = "all") {
  const pages = await servePages();
  const base = url.slice(0, url.lastIndexOf("/") + 1);
  for (const view of chosenByStorey(where, errors, cameras)) {
    await test(`CesiumJS loads what storey says: ${name} ${view.name} at ${view.sse} px`, async (expect) => {
      const browser = await openBrowser({ width, height });
      await browser.page.goto(`${pages.url}/cesium.html`);
      await browser.page.waitForFunction(() => window.ready?.(), null, { timeout: 120_000 });
      const found = await browser.page.evaluate(([u, look, sse]) => window.stand(u, look, { sse }), [url, view.look, view.sse]);
      const requests = new Set(browser.log.requests.filter((one) => one.startsWith(base)).map((one) => decodeURIComponent(one.slice(base.length).split("?")[0])));
      await browser.close();
      expect(!found.error, found.error);
      expect(found.settled, "did not settle");
      const shown = new Set(found.shown.map((one) => decodeURIComponent(one.slice(one.indexOf(base) + base.length).split("?")[0])));
      compareSets(expect, "requests", requests, view.requests);
      compareSets(expect, "shows", shown, view.shown);
      return `${requests.size} requests, ${view.bytes} bytes, ${shown.size} tiles shown`;
    });
  }
  pages.close();
}

function compareSets(expect, verb, cesium, storey) {
  const more = [...cesium].filter((one) => !storey.has(one));
  const less = [...storey].filter((one) => !cesium.has(one));
  expect(more.length === 0, `CesiumJS ${verb} ${more.length} more of ${cesium.size}, such as ${more[0]}`);
  expect(less.length === 0, `CesiumJS ${verb} ${less.length} less than ${storey.size}, such as ${less[0]}`);
}

if (isMain(import.meta.url)) {
  const [where, ...errors] = process.argv.slice(2);
  const server = await serve([where], ["--quiet"]);
  const [url] = Object.values(await tilesets(server.url));
  await testChosen("package", where, url, errors.length ? errors.map(Number) : [16]);
  await server.stop();
  report();
}
