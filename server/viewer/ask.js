// SPDX-License-Identifier: Apache-2.0
//
// What the page asks the server beside tiles: everything known of a feature that
// was clicked, names, and which buildings stand in the water. Only packages with
// an index (rel "items" in the catalogue) answer; for others it stays hidden.
"use strict";

const SEARCH_WAIT_MS = 250;  // after the last key
const FLOOD_WAIT_MS = 150;   // after the last move of the slider
const SEARCH_HITS = 12;
const MEMBERS_SHOWN = 12;

function hasItems(item) {
  return item?.links?.some((link) => link.rel === "items") ?? false;
}

// Paths are relative to the page: behind a proxy links may name another host.
function itemsUrl(item, tail, parameters = {}) {
  const search = new URLSearchParams(parameters);
  return `collections/${encodeURIComponent(item.id)}/${tail}${search.size > 0 ? `?${search}` : ""}`;
}

async function ask(url, signal) {
  const response = await fetch(url, { signal });
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail ?? `${response.status} ${response.statusText}`), { status: response.status });
}

const packageOf = (tileset) => [...packages.values()].find((item) => item.tileset === tileset);

/* ---- everything about one feature ---- */

// Far tiles carry little more than a name; the server knows all of it.
async function showDetails() {
  const asked = selected;
  const item = packageOf(asked?.tileset);
  if (!asked || asked.id === undefined || !hasItems(item)) return;
  let feature;
  try {
    feature = await ask(itemsUrl(item, `items/${encodeURIComponent(asked.id)}`));
  } catch (error) {
    if (error.status !== 404) showError(error.message);
    return;
  }
  if (selected !== asked) return; // another one was clicked meanwhile
  const properties = feature.properties ?? {};
  const places = [...element("feature-rows").rows].filter((row) => row.classList.contains("place"));
  const rows = Object.entries({ id: feature.id ?? asked.id, ...properties });
  element("feature-rows").replaceChildren();
  for (const [name, value] of rows) {
    if (name === "members" && Array.isArray(value)) {
      addMembers(item, value);
    } else if (shown(value) !== null && name !== "tile") {
      addRow(name, shown(value));
    }
  }
  element("feature-rows").append(...places);
  const name = properties.name ?? properties["gml:name"];
  if (name) element("feature-name").textContent = String(name);
}

function addMembers(item, members) {
  const row = element("feature-rows").insertRow();
  row.insertCell().textContent = words.members;
  const cell = row.insertCell();
  for (const id of members.slice(0, MEMBERS_SHOWN)) {
    const button = Object.assign(document.createElement("button"), { className: "link", textContent: id });
    button.onclick = () => goTo(item, id);
    cell.append(button);
  }
  if (members.length > MEMBERS_SHOWN) cell.append(` … ${members.length.toLocaleString(language)}`);
}

/* ---- going to a feature that need not be on the screen ---- */

// [west, south, (low), east, north, (high)] in degrees and metres.
function sphereOf(box, heightless) {
  const is3D = box.length === 6;
  const [west, south, east, north] = is3D ? [box[0], box[1], box[3], box[4]] : box;
  const low = is3D ? box[2] : heightless, high = is3D ? box[5] : heightless;
  return Cesium.BoundingSphere.fromPoints([
    Cesium.Cartesian3.fromDegrees(west, south, low), Cesium.Cartesian3.fromDegrees(east, north, high),
    Cesium.Cartesian3.fromDegrees(west, north, high), Cesium.Cartesian3.fromDegrees(east, south, low)]);
}

function boxOf(feature) {
  if (feature.bbox) return feature.bbox;
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  const add = (at) => {
    if (typeof at[0] !== "number") return at.forEach(add);
    box[0] = Math.min(box[0], at[0]);
    box[1] = Math.min(box[1], at[1]);
    box[2] = Math.max(box[2], at[0]);
    box[3] = Math.max(box[3], at[1]);
  };
  add(feature.geometry?.coordinates ?? []);
  return box[0] <= box[2] ? box : null;
}

async function goTo(item, id, known) {
  try {
    const feature = known ?? await ask(itemsUrl(item, `items/${encodeURIComponent(id)}`));
    if (!item.tileset) {
      item.box.checked = true;
      await openPackage(item, false);
    }
    const box = boxOf(feature);
    if (!box) return;
    const sphere = sphereOf(box, groundHeight);
    deselect();
    selected = { tileset: item.tileset, feature: null, key: "id", id: feature.id ?? id, position: sphere.center };
    restyle(item);
    element("feature-rows").replaceChildren();
    element("feature-name").textContent = String(feature.properties?.name ?? id);
    element("feature").hidden = false;
    camera.flyToBoundingSphere(sphere, {
      duration: 1,
      offset: new Cesium.HeadingPitchRange(camera.heading, Cesium.Math.toRadians(-40), Math.max(150, sphere.radius * 5)),
    });
    await showDetails();
  } catch (error) {
    showError(error.message);
  }
}

/* ---- names ---- */

let searching = null; // { timer, control }

function search() {
  clearTimeout(searching?.timer);
  searching?.control.abort();
  const text = element("search").value.trim();
  const control = new AbortController();
  searching = { control, timer: setTimeout(() => findNames(text, control), text ? SEARCH_WAIT_MS : 0) };
}

async function findNames(text, control) {
  const list = element("hits");
  const item = current;
  if (!text || !hasItems(item)) {
    list.replaceChildren();
    return;
  }
  try {
    const found = await ask(itemsUrl(item, "items", { q: text, limit: SEARCH_HITS }), control.signal);
    list.replaceChildren(...found.features.map((feature) => {
      const row = document.createElement("li");
      const button = document.createElement("button");
      const properties = feature.properties ?? {};
      button.append(
        Object.assign(document.createElement("span"), { className: "title", textContent: properties.name ?? feature.id }),
        Object.assign(document.createElement("span"), { className: "note", textContent: `${properties.class ?? ""} ${feature.id}` }));
      button.onclick = () => goTo(item, feature.id, feature);
      row.append(button);
      return row;
    }));
    if (found.features.length === 0) {
      list.append(Object.assign(document.createElement("li"), { className: "note", textContent: words.nothing }));
    }
  } catch (error) {
    if (error.name !== "AbortError") showError(error.message);
  }
}

/* ---- water ---- */

let water = null;   // what is drawn
let flooding = null; // { timer, control }

const WATER_COLOUR = typeof Cesium === "undefined" ? null : Cesium.Color.fromCssColorString("#2f7fb8").withAlpha(0.55);
const WET_COLOUR = typeof Cesium === "undefined" ? null : Cesium.Color.fromCssColorString("#5aa9e6");

function extentOf(item) {
  const box = item.extent.spatial.bbox[0];
  const is3D = box.length === 6;
  return is3D ? [box[0], box[1], box[3], box[4]] : box;
}

function drawWater(item, height) {
  if (water) scene.primitives.remove(water);
  water = null;
  if (height === null) return;
  const [west, south, east, north] = extentOf(item);
  const wide = 0.15 * Math.max(east - west, north - south, 0.002);
  water = scene.primitives.add(new Cesium.Primitive({
    geometryInstances: new Cesium.GeometryInstance({
      geometry: new Cesium.RectangleGeometry({
        rectangle: Cesium.Rectangle.fromDegrees(west - wide, south - wide, east + wide, north + wide),
        height, vertexFormat: Cesium.PerInstanceColorAppearance.FLAT_VERTEX_FORMAT,
        granularity: Cesium.Math.toRadians(0.02),
      }),
      attributes: { color: Cesium.ColorGeometryInstanceAttribute.fromColor(WATER_COLOUR) },
    }),
    appearance: new Cesium.PerInstanceColorAppearance({ flat: true, translucent: true }),
    asynchronous: false, allowPicking: false, shadows: Cesium.ShadowMode.DISABLED,
  }));
}

function flood() {
  clearTimeout(flooding?.timer);
  flooding?.control.abort();
  const item = current;
  const isOn = element("flood").checked && hasItems(item);
  element("flood-row").hidden = !isOn;
  element("flood-sum").hidden = !isOn;
  const depth = +element("level").value;
  element("level-value").textContent = `${depth.toFixed(1)} m`;
  drawWater(item, isOn ? groundHeight + depth : null);
  if (!isOn) {
    if (item) {
      item.flood = null;
      restyle(item);
    }
    return;
  }
  const control = new AbortController();
  flooding = { control, timer: setTimeout(() => askFlood(item, groundHeight + depth, control), FLOOD_WAIT_MS) };
  scene.requestRender();
}

async function askFlood(item, level, control) {
  const [west, south, east, north] = extentOf(item);
  const parameters = {
    level, datum: "ellipsoid",
    coords: `POLYGON((${west} ${south}, ${east} ${south}, ${east} ${north}, ${west} ${north}, ${west} ${south}))`,
  };
  try {
    const [wet, answer] = await Promise.all([
      ask(itemsUrl(item, "flood", { ...parameters, f: "ids", limit: 0 }), control.signal),
      ask(itemsUrl(item, "flood", { ...parameters, limit: 1, skipGeometry: true }), control.signal),
    ]);
    item.flood = new Set(wet.ids);
    restyle(item);
    const sum = answer.summary ?? {};
    const number = (value) => (value ?? 0).toLocaleString(language, { maximumFractionDigits: 1 });
    element("flood-sum").textContent = words.floodSum
      .replace("{buildings}", number(sum.buildings ?? answer.numberMatched))
      .replace("{wet}", number(sum.wetStoreys))
      .replace("{depth}", number(sum.depthMax ?? sum.maxDepth));
  } catch (error) {
    if (error.name !== "AbortError") showError(error.message);
  }
}

/* ---- colours: what is selected before what is wet ---- */

// Not by a style: an expression with ten thousand ids would be evaluated for
// every feature of every tile. A tile is painted when it is first seen after a
// change, by a look into a set.
function restyle(item) {
  if (!item?.tileset) return;
  const id = selected?.tileset === item.tileset && selected.key !== undefined ? String(selected.id) : null;
  const wet = item.flood ?? null;
  item.painting = { id, wet, isPlain: id === null && wet === null };
  scene.requestRender();
}

function paintContent(item, content) {
  for (const inner of content.innerContents ?? []) paintContent(item, inner);
  const painting = item.painting;
  if (!painting || content.storeyPainting === painting) return;
  const isFresh = content.storeyPainting === undefined;
  content.storeyPainting = painting;
  if (isFresh && painting.isPlain) return;
  for (let i = 0; i < content.featuresLength; i++) {
    const feature = content.getFeature(i);
    const id = painting.isPlain ? undefined : String(idOf(feature).id);
    feature.color = id === undefined ? Cesium.Color.WHITE
      : id === painting.id ? HIGHLIGHT
      : painting.wet?.has(id) ? WET_COLOUR : Cesium.Color.WHITE;
  }
}

function connectQuestions() {
  element("search").oninput = search;
  element("flood").onchange = flood;
  element("level").oninput = flood;
  element("hits").onkeydown = (event) => { if (event.key === "Escape") element("search").focus(); };
}

// Called whenever another package becomes the one that is asked.
function offerQuestions() {
  const can = hasItems(current);
  element("questions").hidden = !can;
  element("hits").replaceChildren();
  element("search").value = "";
  if (element("flood").checked) {
    for (const item of packages.values()) {
      if (item !== current && item.flood) {
        item.flood = null;
        restyle(item);
      }
    }
    flood();
  }
}
