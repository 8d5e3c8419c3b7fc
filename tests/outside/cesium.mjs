// SPDX-License-Identifier: Apache-2.0
//
// cesium.mjs - CesiumJS in a real browser loads what storeyd serves.
//
//   node tests/outside/cesium.mjs URL-OF-TILESET...
import path from "node:path";
import { complaints, openBrowser, servePages } from "./browser.mjs";
import { isGroup, isMain, made, report, test } from "./judge.mjs";

const heightToleranceM = 0.05;

/**
 * Loads each tileset in one page. A tileset is {name, url} and, where they are known:
 *
 *   rows     the features by id; each that Cesium reads must have these attributes and types
 *   heights  [{lon, lat, height}] in degrees and metres; null where there is no building
 *   all      true: every row must be on the screen
 */
export async function testCesium(tilesets) {
  const pages = await servePages();
  const browser = await openBrowser();
  await browser.page.goto(`${pages.url}/cesium.html`);
  await browser.page.waitForFunction(() => window.ready?.(), null, { timeout: 120_000 });
  for (const tileset of tilesets) {
    await test(`CesiumJS ${tileset.name}`, (expect) => judge(browser, tileset, expect));
  }
  await browser.close();
  pages.close();
}

async function judge(browser, { name, url, rows, heights, all, sse = 16 }, expect) {
  const { page, log } = browser;
  const from = log.console.length;
  await page.evaluate(() => (window.faults.length = 0));
  const r = await page.evaluate(([u, s]) => window.load(u, { sse: s }), [url, sse]);
  await page.screenshot({ path: path.join(made, `cesium_${name}.png`) });
  expect(!r.error, r.error);
  expect(r.settled, "did not settle");
  expect(r.failed.length === 0, r.failed.slice(0, 3).join("; "));
  // With nothing selected everything is settled, too.
  if (!expect(r.selected > 0 && r.triangles > 0, `${r.selected} tiles selected`)) return "";
  const features = await page.evaluate(() => window.allFeatures());
  const picked = (await page.evaluate(() => window.pickGrid(8))).filter(Boolean);
  expect(picked.length > 0, "picked nothing");
  if (rows) {
    for (const feature of [...features, ...picked]) compare(expect, feature, rows);
    if (all) {
      const seen = new Set(features.map((f) => f.id));
      for (const id of rows.keys()) expect(seen.has(id), `'${id}' is not shown`);
    }
  }
  let worst = 0;
  for (const { lon, lat, height } of heights ?? []) {
    const found = await page.evaluate(([a, b]) => window.heightAt(a, b), [lon, lat]);
    if (height === null || found === null) {
      expect(found === height, `height at ${lon} ${lat} is ${found}, not ${height}`);
    } else {
      worst = Math.max(worst, Math.abs(found - height));
      expect(Math.abs(found - height) <= heightToleranceM, `height at ${lon} ${lat} is ${found}, not ${height} m`);
    }
  }
  const faults = await page.evaluate(() => window.faults);
  expect(faults.length === 0, faults.slice(0, 3).join("; "));
  const said = complaints({ ...log, console: log.console.slice(from) });
  expect(said.length === 0, said.slice(0, 3).join("; "));
  const roofs = heights ? `, ${heights.length} heights within ${worst.toFixed(3)} m` : "";
  return `${r.loaded} tiles loaded, ${r.selected} shown, ${r.triangles} triangles, ${features.length} features, ${new Set(picked.map((f) => f.id)).size} picked${roofs}`;
}

// Above the leaves a tile may keep only some attributes; those it has must be right.
function compare(expect, feature, rows) {
  if (isGroup(feature)) return;
  const row = rows.get(feature.id);
  if (!expect(row, `unknown feature '${feature.id}'`)) return;
  for (const [key, value] of Object.entries(feature)) {
    if (!(key in row)) continue;
    const wanted = typeof row[key] === "bigint" ? String(row[key]) : (row[key] ?? null);
    const same = typeof wanted === "number" && typeof value === "number" ? Math.fround(value) === Math.fround(wanted) : JSON.stringify(value) === JSON.stringify(wanted);
    expect(same, `${feature.id}.${key} is ${JSON.stringify(value)}, not ${JSON.stringify(wanted)}`);
  }
}

if (isMain(import.meta.url)) {
  await testCesium(process.argv.slice(2).map((url, i) => ({ name: `tileset${i}`, url })));
  report();
}
