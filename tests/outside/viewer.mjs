// SPDX-License-Identifier: Apache-2.0
//
// viewer.mjs - the page at /, used as a visitor uses it: open, look, click, read.
//
//   node tests/outside/viewer.mjs URL-OF-SERVER
import path from "node:path";
import { complaints, openBrowser } from "./browser.mjs";
import { isMain, made, report, test } from "./judge.mjs";

export async function testViewer(url, { id = "district" } = {}) {
  const browser = await openBrowser({ width: 1280, height: 800 });
  const { page, log } = browser;
  await test("viewer page opens a city", async (expect) => {
    await page.goto(`${url}/?package=${id}`, { timeout: 120_000 });
    await page.waitForFunction(() => window.storey?.current?.tileset, null, { timeout: 120_000 });
    await page.waitForFunction(
      () => {
        const { tileset } = window.storey.current;
        window.storey.scene.requestRender();
        return tileset.tilesLoaded && tileset._statistics.selected > 0;
      },
      null,
      { timeout: 180_000, polling: 500 },
    );
    await page.screenshot({ path: path.join(made, "viewer.png"), timeout: 120_000 });
    const shown = await page.evaluate(() => window.storey.current.tileset._statistics);
    expect(shown.numberOfTrianglesSelected > 0, "no triangle is drawn");
    expect(await page.locator("#errors").isHidden(), "the error panel is open");
    return `${shown.selected} tiles, ${shown.numberOfTrianglesSelected} triangles`;
  });
  await test("viewer page shows what was clicked", async (expect) => {
    // The first place of a grid, from the middle outwards, where a feature is drawn.
    const place = await page.evaluate(() => {
      const { scene } = window.storey;
      const [w, h] = [scene.canvas.clientWidth, scene.canvas.clientHeight];
      for (let ring = 0; ring < 6; ring++) {
        for (let i = -ring; i <= ring; i++) {
          for (const [x, y] of [[i, -ring], [i, ring], [-ring, i], [ring, i]]) {
            const at = { x: w / 2 + x * 24, y: h / 2 + y * 24 };
            if (scene.pick(at)?.getProperty?.("id")) return at;
          }
        }
      }
      return null;
    });
    if (!expect(place, "nothing to click")) return "";
    await page.mouse.click(place.x, place.y);
    await page.locator("#feature").waitFor({ state: "visible", timeout: 60_000 });
    const rows = await page.locator("#feature-rows tr").allInnerTexts();
    const name = await page.locator("#feature-name").innerText();
    expect(rows.length >= 3, `${rows.length} attributes`);
    expect(name.length > 0, "no name");
    await page.screenshot({ path: path.join(made, "viewer_picked.png"), timeout: 120_000 });
    return `'${name}' with ${rows.length} rows`;
  });
  await test("viewer page tells all of what is found by name, and who stands in the water", async (expect) => {
    if (!expect(await page.locator("#questions").isVisible(), "nothing can be asked")) return "";
    const item = await page.evaluate(async () => {
      const name = storey.current.id;
      const all = await (await fetch(`collections/${name}/items?limit=200&filter=${encodeURIComponent("name IS NOT NULL")}`)).json();
      return all.features[0] && { id: all.features[0].id, name: all.features[0].properties.name };
    });
    if (!expect(item, "no feature has a name")) return "";
    await page.fill("#search", item.name);
    await page.locator("#hits button").first().waitFor({ timeout: 60_000 });
    await page.locator("#hits button").first().click();
    await page.waitForFunction(() => document.querySelectorAll("#feature-rows tr").length > 5, null, { timeout: 60_000 });
    await page.check("#flood");
    await page.waitForFunction(() => document.querySelector("#flood-sum").textContent.length > 0, null, { timeout: 60_000 });
    const said = await page.locator("#flood-sum").innerText();
    expect(/\d/.test(said), `it says '${said}'`);
    await page.uncheck("#flood");
    return `'${item.name}'; ${said}`;
  });
  await test("viewer page asks nobody else and complains of nothing", async (expect) => {
    const outside = log.requests.filter((one) => !one.startsWith(url) && !/^(data|blob):/.test(one));
    expect(outside.length === 0, outside.slice(0, 3).join("; "));
    const said = complaints(log);
    expect(said.length === 0, said.slice(0, 3).join("; "));
    return `${log.requests.length} requests`;
  });
  await browser.close();
}

if (isMain(import.meta.url)) {
  await testViewer(process.argv[2], { id: process.argv[3] });
  report();
}
