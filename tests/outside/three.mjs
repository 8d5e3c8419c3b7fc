// SPDX-License-Identifier: Apache-2.0
//
// three.mjs - three.js with 3d-tiles-renderer loads what storeyd serves.
//
//   node tests/outside/three.mjs URL-OF-TILESET...
import path from "node:path";
import { complaints, openBrowser, servePages } from "./browser.mjs";
import { isGroup, isMain, made, report, test } from "./judge.mjs";

/** Loads each tileset ({name, url, rows?}) in one page; `rows` are the features by id that must be read back. */
export async function testThree(tilesets) {
  const pages = await servePages();
  const browser = await openBrowser();
  await browser.page.goto(`${pages.url}/three.html`);
  await browser.page.waitForFunction(() => window.ready?.(), null, { timeout: 60_000 });
  for (const { name, url, rows } of tilesets) {
    await test(`three.js ${name}`, async (expect) => {
      const from = browser.log.console.length;
      const r = await browser.page.evaluate((u) => window.load(u), url);
      await browser.page.screenshot({ path: path.join(made, `three_${name}.png`) });
      expect(!r.error, r.error);
      expect(r.settled, "did not settle");
      expect(r.failed.length === 0, r.failed.slice(0, 3).join("; "));
      expect(r.visible > 0 && r.triangles > 0, `${r.visible} tiles, ${r.triangles} triangles`);
      const said = complaints({ ...browser.log, console: browser.log.console.slice(from) });
      expect(said.length === 0, said.slice(0, 3).join("; "));
      let known = 0;
      for (const feature of rows ? r.features : []) {
        if (isGroup(feature)) continue;
        const row = rows.get(feature.id);
        if (!row) expect(false, `unknown feature '${feature.id}'`);
        else if (++known) compareNames(expect, feature, row);
      }
      if (rows) expect(known > 0, "no feature read");
      return `${r.loaded} tiles loaded, ${r.visible} shown, ${r.triangles} triangles in ${r.calls} calls, ${r.features.length} features`;
    });
  }
  await browser.close();
  pages.close();
}

// Strings must come through whole; numbers are compared by tree.mjs and cesium.mjs.
function compareNames(expect, feature, row) {
  for (const [key, value] of Object.entries(feature)) {
    if (typeof value === "string" && typeof row[key] === "string") {
      expect(value === row[key], `${feature.id}.${key} is '${value}', not '${row[key]}'`);
    }
  }
}

if (isMain(import.meta.url)) {
  await testThree(process.argv.slice(2).map((url, i) => ({ name: `tileset${i}`, url })));
  report();
}
