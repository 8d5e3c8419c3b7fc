// SPDX-License-Identifier: Apache-2.0
//
// The page at "/": the catalogue's packages in CesiumJS. Nothing is fetched from
// anywhere but this server.
//
// Ground: heights in 3D Tiles count from the ellipsoid, which lies tens of metres
// from the ground in most of the world. The ground that is drawn here lies at the
// city's own height, so that buildings stand on it.
"use strict";

/* ---- words ---- */

const WORDS = {
  en: {
    scene: "3D view of the city", fold: "fold this panel", close: "close", filter: "filter packages",
    none: "No package is served yet. Start storeyd with a folder that has a tileset.json, or a .3tz file.",
    sun: "Sun", hour: "Time of day", month: "Month", shadows: "Shadows", detail: "View",
    error: "Screen-space error", ground: "Ground height", boxes: "Tile boxes", stats: "Statistics",
    home: "Whole city", north: "North up", keys: "Keys", fly: "Fly to", copy: "Copy",
    buildings: "features", loading: "loading", failed: "could not be shown", opening: "opening",
    unnamed: "Feature", place: "Position", height: "height", aboveGround: "above ground",
    yes: "yes", no: "no", webgl: "This browser gives no WebGL 2, which the 3D view needs.",
    cesium: "CesiumJS is missing on this server. Install it with 'npm ci', or name its folder with --cesium.",
    catalogue: "The list of packages cannot be read",
    search: "Search names", nothing: "nothing found", members: "buildings", flood: "Flood", water: "Water above ground",
    floodSum: "{buildings} buildings in the water, {wet} storeys, up to {depth} m",
    statTiles: "tiles shown", statLoaded: "tiles loaded", statPending: "requests", statTriangles: "triangles",
    statFeatures: "features shown", statMemory: "memory", statFrames: "frames/s",
    months: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    keyList: [["↑ ↓ ← →", "move"], ["+ −", "nearer, farther"], ["Q E", "turn"], ["R V", "tilt"],
      ["H", "whole city"], ["N", "north up"], ["B", "tile boxes"], ["T", "statistics"], ["S", "shadows"],
      ["[ ]", "earlier, later"], ["Esc", "deselect"]],
  },
  zh: {
    scene: "城市三维视图", fold: "折叠面板", close: "关闭", filter: "筛选数据包",
    none: "尚无数据包。请用含 tileset.json 的文件夹或 .3tz 文件启动 storeyd。",
    sun: "日照", hour: "时刻", month: "月份", shadows: "阴影", detail: "视图",
    error: "屏幕空间误差", ground: "地面高程", boxes: "瓦片包围盒", stats: "统计信息",
    home: "全城", north: "正北", keys: "快捷键", fly: "飞至", copy: "复制",
    buildings: "个要素", loading: "加载中", failed: "无法显示", opening: "正在打开",
    unnamed: "要素", place: "位置", height: "高程", aboveGround: "距地面",
    yes: "是", no: "否", webgl: "浏览器不支持 WebGL 2，无法显示三维视图。",
    cesium: "服务器上缺少 CesiumJS。请运行 npm ci，或用 --cesium 指定其目录。",
    catalogue: "无法读取数据包列表",
    search: "搜索名称", nothing: "没有结果", members: "建筑", flood: "淹没", water: "水面高出地面",
    floodSum: "{buildings} 栋建筑受淹，{wet} 层，最深 {depth} 米",
    statTiles: "显示瓦片", statLoaded: "已加载瓦片", statPending: "请求数", statTriangles: "三角形",
    statFeatures: "显示要素", statMemory: "内存", statFrames: "帧率",
    months: ["1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月"],
    keyList: [["↑ ↓ ← →", "移动"], ["+ −", "拉近、拉远"], ["Q E", "旋转"], ["R V", "俯仰"],
      ["H", "全城"], ["N", "正北"], ["B", "瓦片包围盒"], ["T", "统计信息"], ["S", "阴影"],
      ["[ ]", "时间前后"], ["Esc", "取消选择"]],
  },
};

const query = new URLSearchParams(location.search);
const language = (query.get("lang") || navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
const words = WORDS[language];
const element = (id) => document.getElementById(id);

function label() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = words[node.dataset.text];
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", words[node.dataset.label]);
    if (node.tagName === "BUTTON") node.title = words[node.dataset.label];
  }
  for (const node of document.querySelectorAll("[data-placeholder]")) node.placeholder = words[node.dataset.placeholder];
  for (const [key, meaning] of words.keyList) {
    element("key-list").append(Object.assign(document.createElement("dt"), { textContent: key }),
      Object.assign(document.createElement("dd"), { textContent: meaning }));
  }
}
label();

/* ---- errors: one panel for everything that a user would otherwise not see ---- */

const failures = new Map(); // text -> list item and count

function showError(text) {
  const known = failures.get(text);
  if (known) {
    known.count++;
    known.item.textContent = `${text} (${known.count})`;
  } else if (failures.size < 100) {
    const item = Object.assign(document.createElement("li"), { textContent: text });
    element("error-list").append(item);
    failures.set(text, { item, count: 1 });
  }
  let total = 0;
  for (const { count } of failures.values()) total += count;
  element("errors-title").textContent = `${total} ${words.failed}`;
  element("errors").hidden = false;
}

// CesiumJS reports what it cannot decode to the console alone: no event tells.
for (const level of ["log", "error", "warn"]) {
  const original = console[level].bind(console);
  console[level] = (...values) => {
    original(...values);
    const error = values.find((value) => value instanceof Error ||
      (value && typeof value === "object" && typeof value.message === "string" && "stack" in value));
    if (error) showError(error.message);
  };
}
addEventListener("unhandledrejection", (event) => showError(String(event.reason?.message ?? event.reason)));
addEventListener("error", (event) => event.message && showError(event.message));

element("errors-close").onclick = () => {
  element("errors").hidden = true;
  element("error-list").replaceChildren();
  failures.clear();
};

/* ---- the scene ---- */

const GROUND_GAP_M = 0.15;  // below the city's ground, so that floors do not flicker in it
const GROUND_KM = 90;       // how far the ground reaches
const EARTH_FROM_M = 40000; // from this height the earth is shown and the ground is not

let widget, scene, camera, ground;
let isSoftware = false; // no graphics card: shadows cost four fifths of a frame
let isMoving = false;
let groundHeight = 0;
let raised; // the ellipsoid at the ground's height

// Lines every 100 m and every km, gone where they would crowd; towards the
// horizon the colour of the air.
const GROUND_MATERIAL = `
  float lines(vec2 km, float period) {
    vec2 at = abs(fract(km / period - 0.5) - 0.5), width = fwidth(km) / period;
    vec2 on = 1.0 - smoothstep(width * 0.6, width * 1.6, at);
    vec2 fade = 1.0 - smoothstep(vec2(0.02), vec2(0.12), width);
    return max(on.x * fade.x, on.y * fade.y);
  }
  czm_material czm_getMaterial(czm_materialInput materialInput) {
    czm_material material = czm_getDefaultMaterial(materialInput);
    vec2 km = materialInput.st;
    vec3 colour = mix(ground.rgb, vec3(1.0), 0.07 * lines(km, 0.1) + 0.10 * lines(km, 1.0));
    float far = smoothstep(1.0, 30.0, length(materialInput.positionToEyeEC) / 1000.0);
    material.diffuse = mix(colour, air.rgb, far);
    material.alpha = 1.0;
    return material;
  }`;

// A disc of rings around the city that follows the earth's curvature: rings lie
// so close that chords stay within centimetres where buildings stand.
function groundGeometry(frame, height) {
  const radii = [0];
  while (radii.at(-1) < GROUND_KM * 1000) radii.push(radii.at(-1) + Math.max(500, radii.at(-1) * 0.12));
  const sectors = 128, positions = [], places = [], normals = [], indices = [];
  const toLocal = Cesium.Matrix4.inverseTransformation(frame, new Cesium.Matrix4());
  const ellipsoid = Cesium.Ellipsoid.WGS84, at = new Cesium.Cartesian3();
  radii.forEach((radius, ring) => {
    for (let i = 0; i <= sectors; i++) {
      const angle = (i / sectors) * 2 * Math.PI;
      const flat = new Cesium.Cartesian3(radius * Math.cos(angle), radius * Math.sin(angle), 0);
      const place = ellipsoid.cartesianToCartographic(Cesium.Matrix4.multiplyByPoint(frame, flat, at));
      place.height = height;
      const local = Cesium.Matrix4.multiplyByPoint(toLocal, ellipsoid.cartographicToCartesian(place), new Cesium.Cartesian3());
      positions.push(local.x, local.y, local.z);
      normals.push(0, 0, 1);
      places.push(local.x / 1000, local.y / 1000);
      if (ring > 0 && i > 0) {
        const here = ring * (sectors + 1) + i, below = here - sectors - 1;
        indices.push(below - 1, here - 1, here, below - 1, here, below);
      }
    }
  });
  const attribute = (values, components, type) => new Cesium.GeometryAttribute({
    componentDatatype: type, componentsPerAttribute: components,
    values: type === Cesium.ComponentDatatype.DOUBLE ? new Float64Array(values) : new Float32Array(values) });
  return new Cesium.Geometry({
    attributes: {
      position: attribute(positions, 3, Cesium.ComponentDatatype.DOUBLE),
      normal: attribute(normals, 3, Cesium.ComponentDatatype.FLOAT),
      st: attribute(places, 2, Cesium.ComponentDatatype.FLOAT),
    },
    indices: new Uint16Array(indices),
    primitiveType: Cesium.PrimitiveType.TRIANGLES,
    boundingSphere: new Cesium.BoundingSphere(Cesium.Cartesian3.ZERO, GROUND_KM * 1000 * 1.15),
  });
}

function layGround(center, height) {
  if (ground) scene.primitives.remove(ground);
  const origin = Cesium.Cartesian3.fromRadians(center.longitude, center.latitude, height);
  const frame = Cesium.Transforms.eastNorthUpToFixedFrame(origin);
  const material = new Cesium.Material({
    fabric: { uniforms: { ground: groundColour(), air: Cesium.Color.fromCssColorString("#bfd0de") }, source: GROUND_MATERIAL }, translucent: false });
  ground = scene.primitives.add(new Cesium.Primitive({
    geometryInstances: new Cesium.GeometryInstance({ geometry: groundGeometry(frame, height) }),
    appearance: new Cesium.MaterialAppearance({ material, flat: true, faceForward: false, translucent: false,
      closed: false, materialSupport: Cesium.MaterialAppearance.MaterialSupport.TEXTURED }),
    modelMatrix: frame, asynchronous: false, compressVertices: false, allowPicking: false, shadows: Cesium.ShadowMode.RECEIVE_ONLY,
  }), 0);
  raised = new Cesium.Ellipsoid(Cesium.Ellipsoid.WGS84.radii.x + height, Cesium.Ellipsoid.WGS84.radii.y + height,
    Cesium.Ellipsoid.WGS84.radii.z + height);
}

function lookAtRenderer() {
  const gl = document.createElement("canvas").getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  isSoftware = /swiftshader|llvmpipe|software/i.test(name);
  return !!gl;
}

function makeScene() {
  if (!lookAtRenderer()) throw new Error(words.webgl);
  Cesium.Ion.defaultAccessToken = "";
  widget = new Cesium.CesiumWidget("scene", {
    baseLayer: Cesium.ImageryLayer.fromProviderAsync(
      Cesium.TileMapServiceImageryProvider.fromUrl(Cesium.buildModuleUrl("Assets/Textures/NaturalEarthII"))),
    skyBox: false,
    scene3DOnly: true, // a ground whose sphere has its middle at 0 0 0 of its frame has no place on a map
    msaaSamples: isSoftware ? 1 : 4,
    requestRenderMode: true,
    maximumRenderTimeChange: Infinity,
    showRenderLoopErrors: false,
    shadows: true,
    shouldAnimate: false,
  });
  scene = widget.scene;
  camera = scene.camera;
  scene.renderError.addEventListener((_, error) => showError(String(error?.message ?? error)));

  scene.globe.show = false;
  scene.globe.baseColor = Cesium.Color.fromCssColorString("#5d7f96");
  scene.globe.shadows = Cesium.ShadowMode.DISABLED;
  scene.fog.enabled = false;
  scene.atmosphere.dynamicLighting = Cesium.DynamicAtmosphereLightingType.SUNLIGHT;
  scene.light = new Cesium.SunLight({ intensity: 2.4, color: Cesium.Color.fromCssColorString("#fff4e0") });
  scene.shadowMap.size = isSoftware ? 1024 : 2048;
  scene.shadowMap.softShadows = !isSoftware;
  scene.shadowMap.darkness = 0.42;
  scene.highDynamicRange = false;

  scene.screenSpaceCameraController.minimumZoomDistance = 5;
  camera.moveStart.addEventListener(() => { isMoving = true; });
  camera.moveEnd.addEventListener(() => { isMoving = false; scene.requestRender(); });
  scene.preRender.addEventListener(beforeFrame);
  scene.postRender.addEventListener(afterFrame);
}

function cameraHeight() {
  return camera.positionCartographic.height - groundHeight;
}

// Keeps the camera above the ground, and shows the earth from afar only: it
// loads slowly, and near by it is a blur.
function beforeFrame() {
  const height = cameraHeight();
  scene.globe.show = height > EARTH_FROM_M;
  if (ground) ground.show = !scene.globe.show;
  if (height < 1.7 && current) {
    const { longitude, latitude } = camera.positionCartographic;
    camera.position = Cesium.Cartesian3.fromRadians(longitude, latitude, groundHeight + 1.7);
  }
  const isStill = !isMoving && (current?.tileset?.tilesLoaded ?? true);
  scene.shadowMap.enabled = element("shadows").checked && (isStill || !isSoftware);
  // One map must cover what is looked at; far shadows cost sharpness near by.
  scene.shadowMap.maximumDistance = Cesium.Math.clamp(height * 6, 800, 12000);
}

/* ---- light ---- */

let sunHeight = 0.7; // radians above the horizon

// Warm grey-green: darker than white walls in the sun, lighter than their shade.
function groundColour() {
  const light = 0.45 + 0.55 * Cesium.Math.clamp(Math.sin(sunHeight) * 1.6, 0, 1);
  return new Cesium.Color(0.63 * light, 0.65 * light, 0.56 * light, 1);
}

// Noon is when the sun stands highest over the city, wherever the browser is.
function setSun() {
  const hour = +element("hour").value, month = +element("month").value;
  const here = current?.center ?? camera.positionCartographic;
  const offset = Cesium.Math.toDegrees(here.longitude) / 15;
  const midnight = Date.UTC(2024, month - 1, 15);
  widget.clock.currentTime = Cesium.JulianDate.fromDate(new Date(midnight + (hour - offset) * 3600e3));
  const minutes = Math.round((hour % 1) * 60);
  element("hour-value").textContent = `${Math.floor(hour)}:${String(minutes).padStart(2, "0")}`;
  element("month-value").textContent = words.months[month - 1];
  const up = Cesium.Cartesian3.fromRadians(here.longitude, here.latitude, 0);
  const sun = Cesium.Simon1994PlanetaryPositions.computeSunPositionInEarthInertialFrame(widget.clock.currentTime);
  const turn = Cesium.Transforms.computeTemeToPseudoFixedMatrix(widget.clock.currentTime);
  const fixed = Cesium.Matrix3.multiplyByVector(turn, sun, new Cesium.Cartesian3());
  sunHeight = Math.PI / 2 - Cesium.Cartesian3.angleBetween(fixed, up);
  if (ground) ground.appearance.material.uniforms.ground = groundColour();
  scene.requestRender();
}

// What the sky gives to walls that the sun does not see: light from above, a
// little from the ground. Nine numbers a colour, as spherical harmonics.
function skyLight() {
  const grey = (r, g, b) => new Cesium.Cartesian3(r, g, b);
  const none = grey(0, 0, 0);
  return [grey(0.52, 0.56, 0.62), none, grey(0.16, 0.19, 0.24), none, none, none, none, none, none];
}

/* ---- packages ---- */

const packages = new Map(); // id -> package
let current = null;

async function readCatalogue() {
  let url = "collections?limit=1000";
  while (url) {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(`${words.catalogue}: ${response.status} ${response.statusText}`);
    const page = await response.json();
    for (const collection of page.collections) {
      packages.set(collection.id, { ...collection, tileset: null, row: null });
    }
    // Behind a proxy the link may name a host that this page cannot reach.
    const next = page.links.find((link) => link.rel === "next");
    url = next ? "collections" + new URL(next.href, location.href).search : null;
  }
}

function noteOf(item) {
  const parts = [];
  const count = item.storey?.feature_count;
  if (count !== undefined) parts.push(`${count.toLocaleString(language)} ${words.buildings}`);
  if (item.storey?.tiles_version) parts.push(`3D Tiles ${item.storey.tiles_version}`);
  return parts.join(" · ");
}

function listPackages() {
  const list = element("packages");
  for (const item of packages.values()) {
    const row = document.createElement("li");
    const box = Object.assign(document.createElement("input"), { type: "checkbox" });
    box.setAttribute("aria-label", item.title);
    box.onchange = () => (box.checked ? openPackage(item, false) : closePackage(item));
    const button = document.createElement("button");
    button.append(Object.assign(document.createElement("span"), { className: "title", textContent: item.title }),
      Object.assign(document.createElement("span"), { className: "note", textContent: noteOf(item) }));
    button.title = item.id;
    button.onclick = () => openPackage(item, true);
    row.append(box, button);
    list.append(row);
    item.row = row;
    item.box = box;
  }
  element("none").hidden = packages.size > 0;
  element("filter").hidden = packages.size < 8;
}

element("filter").oninput = (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const item of packages.values()) {
    item.row.hidden = !(item.title + " " + item.id).toLowerCase().includes(wanted);
  }
};

// The catalogue's ground height, else the bottom of the root's volume.
function groundOf(item, tileset) {
  const known = item.storey?.ground_height_m ?? tileset.asset?.extras?.storey?.ground_height_m;
  if (Number.isFinite(known)) return known;
  const low = item.extent?.spatial?.bbox?.[0]?.[2];
  return Number.isFinite(low) ? low : 0;
}

async function openPackage(item, flies) {
  try {
    item.box.checked = true;
    if (!item.tileset) await loadPackage(item);
    item.tileset.show = true;
    setCurrent(item);
    if (flies) flyHome();
  } catch (error) {
    item.box.checked = false;
    showError(`${item.title}: ${error.message ?? error}`);
  }
  scene.requestRender();
}

async function loadPackage(item) {
  const url = `collections/${encodeURIComponent(item.id)}/3dtiles/tileset.json`;
  showLoading(`${words.opening} ${item.title} …`);
  try {
    const tileset = await Cesium.Cesium3DTileset.fromUrl(url, {
      maximumScreenSpaceError: +element("sse").value,
      shadows: Cesium.ShadowMode.ENABLED,
      environmentMapOptions: { enabled: false },
      backFaceCulling: false,
    });
    if (tileset.environmentMapManager) tileset.environmentMapManager.enabled = false;
    tileset.imageBasedLighting.sphericalHarmonicCoefficients = skyLight();
    tileset.colorBlendMode = Cesium.Cesium3DTileColorBlendMode.HIGHLIGHT;
    tileset.tileFailed.addEventListener((event) =>
      showError(`${decodeURIComponent(new URL(event.url, location.href).pathname.split("/3dtiles/").pop())}: ${event.message}`));
    tileset.loadProgress.addEventListener((pending, processing) => {
      const left = pending + processing;
      if (left > 0) showLoading(`${words.loading} ${left}`);
      else element("loading").hidden = true;
    });
    tileset.allTilesLoaded.addEventListener(() => scene.requestRender());
    const sphere = tileset.boundingSphere;
    item.center = Cesium.Cartographic.fromCartesian(sphere.center);
    item.radius = sphere.radius;
    item.ground = groundOf(item, tileset);
    item.tileset = tileset;
    scene.primitives.add(tileset);
    tileset.debugShowBoundingVolume = element("boxes").checked;
    tileset.tileVisible.addEventListener((tile) => paintContent(item, tile.content));
  } finally {
    element("loading").hidden = true;
  }
}

function closePackage(item) {
  if (item.tileset) {
    if (selected?.tileset === item.tileset) deselect();
    scene.primitives.remove(item.tileset);
    item.tileset = null;
  }
  item.row.classList.remove("is-current");
  if (current === item) current = [...packages.values()].find((other) => other.tileset) ?? null;
  scene.requestRender();
}

function setCurrent(item) {
  for (const other of packages.values()) other.row.classList.toggle("is-current", other === item);
  item.row.scrollIntoView({ block: "nearest" });
  if (current !== item) {
    current = item;
    element("ground").min = Math.floor(item.ground) - 60;
    element("ground").max = Math.ceil(item.ground) + 60;
    element("ground").value = item.ground;
    setGround(item.ground);
    // In the tropics the summer sun stands overhead and walls show no relief.
    const isSouth = item.center.latitude < 0;
    const isTropical = Math.abs(Cesium.Math.toDegrees(item.center.latitude)) < 35;
    if (!query.has("month")) element("month").value = isTropical ? (isSouth ? 5 : 10) : isSouth ? 12 : 6;
    setSun();
    offerQuestions();
  }
}

function setGround(height) {
  groundHeight = height;
  element("ground-value").textContent = `${height.toFixed(1)} m`;
  layGround(current.center, height - GROUND_GAP_M);
  if (element("flood").checked) flood();
  scene.requestRender();
}

function showLoading(text) {
  element("loading").textContent = text;
  element("loading").hidden = false;
}

/* ---- camera ---- */

// Looks at the city over its nearer edge. Of a large city the middle is shown:
// from far enough to see all of it nothing can be recognised.
function flyHome(duration = 1.2) {
  if (!current?.tileset) return;
  const heading = Cesium.Math.toRadians(25);
  const range = Cesium.Math.clamp(current.radius * 1.5, 120, 5500);
  const middle = Cesium.Cartesian3.fromRadians(current.center.longitude, current.center.latitude, groundHeight);
  const frame = Cesium.Transforms.eastNorthUpToFixedFrame(middle);
  // The panel covers the left: aim so far to the left that the city stands in
  // the middle of what is free.
  const covered = element("side").getBoundingClientRect().right / scene.canvas.clientWidth;
  const aside = covered < 0.5 ? -range * Math.tan(camera.frustum.fov / 2) * covered : 0;
  const target = Cesium.Matrix4.multiplyByPoint(frame,
    new Cesium.Cartesian3(aside * Math.cos(heading), -aside * Math.sin(heading), 0), new Cesium.Cartesian3());
  camera.flyToBoundingSphere(new Cesium.BoundingSphere(target, 1), {
    duration, offset: new Cesium.HeadingPitchRange(heading, Cesium.Math.toRadians(-27), range),
  });
}

function northUp() {
  camera.flyTo({ destination: camera.positionWC.clone(), duration: 0.4,
    orientation: { heading: 0, pitch: camera.pitch, roll: 0 } });
}

// Turns around what is in the middle of the picture.
function orbit(heading, pitch) {
  const middle = new Cesium.Cartesian2(scene.canvas.clientWidth / 2, scene.canvas.clientHeight / 2);
  const ray = camera.getPickRay(middle), hit = Cesium.IntersectionTests.rayEllipsoid(ray, raised);
  if (!hit) return;
  const target = Cesium.Ray.getPoint(ray, hit.start);
  const range = Cesium.Cartesian3.distance(target, camera.positionWC);
  const tilt = Cesium.Math.clamp(camera.pitch + pitch, Cesium.Math.toRadians(-89), Cesium.Math.toRadians(-5));
  camera.lookAt(target, new Cesium.HeadingPitchRange(camera.heading + heading, tilt, range));
  camera.lookAtTransform(Cesium.Matrix4.IDENTITY);
}

// Along the ground, as far as the height above it suggests.
function move(right, forward) {
  const step = Math.max(cameraHeight(), 20) * 0.08;
  const up = scene.globe.ellipsoid.geodeticSurfaceNormal(camera.positionWC, new Cesium.Cartesian3());
  const sideways = Cesium.Cartesian3.normalize(Cesium.Cartesian3.cross(camera.directionWC, up, new Cesium.Cartesian3()), new Cesium.Cartesian3());
  const ahead = Cesium.Cartesian3.cross(up, sideways, new Cesium.Cartesian3());
  camera.move(sideways, right * step);
  camera.move(ahead, forward * step);
}

/* ---- picking ---- */

const HIGHLIGHT = typeof Cesium === "undefined" ? null : Cesium.Color.fromCssColorString("#ffb020");
let selected = null; // { tileset, key, id, feature, colour }

const ID_NAMES = ["id", "gml_id", "gml:id", "gmlid", "feature_id", "objectid"];

function idOf(feature) {
  const names = feature.getPropertyIds();
  const key = ID_NAMES.map((wanted) => names.find((name) => name.toLowerCase() === wanted)).find(Boolean);
  return key ? { key, id: feature.getProperty(key) } : {};
}

function deselect() {
  if (selected) {
    const last = selected;
    selected = null;
    if (last.key) restyle(packageOf(last.tileset));
    else if (!last.tileset.isDestroyed()) last.feature.color = last.colour;
  }
  element("feature").hidden = true;
  scene.requestRender();
}

// By id: the same building stays marked when another level of
// detail takes its tile's place. Without an id only this one picture of it.
function highlight(feature) {
  const { key, id } = idOf(feature);
  const tileset = feature.tileset;
  selected = { tileset, feature, key, id, colour: Cesium.Color.clone(feature.color) };
  if (key) {
    restyle(packageOf(tileset));
  } else {
    feature.color = HIGHLIGHT;
  }
}

// Names as the source spells them, from the schema of the tile's metadata.
function schemaOf(feature) {
  const names = {};
  const classes = feature.content?._model?.structuralMetadata?.schema?.classes ?? {};
  for (const each of Object.values(classes)) {
    for (const [id, property] of Object.entries(each.properties ?? {})) names[id] = property;
  }
  return names;
}

function shown(value, property) {
  if (value === undefined || value === null || value === "") return null;
  const noData = property?.noData;
  if (noData !== undefined && (value === noData || String(value) === String(noData))) return null;
  if (typeof value === "boolean") return value ? words.yes : words.no;
  if (typeof value === "bigint") return value.toLocaleString(language, { useGrouping: false });
  if (typeof value === "number") {
    if (!Number.isFinite(value)) return null;
    return value.toLocaleString(language, { maximumFractionDigits: 3, useGrouping: false });
  }
  if (Array.isArray(value)) return value.map((each) => shown(each)).join(", ");
  if (typeof value === "object") return Object.values(value).filter((each) => typeof each !== "function").join(", ");
  return String(value);
}

function addRow(name, value, className) {
  const row = element("feature-rows").insertRow();
  row.className = className ?? "";
  row.insertCell().textContent = name;
  row.insertCell().textContent = value;
}

function showFeature(feature, position) {
  const schema = schemaOf(feature);
  element("feature-rows").replaceChildren();
  let title = null;
  for (const id of feature.getPropertyIds()) {
    const property = schema[id];
    const text = shown(feature.getProperty(id), property);
    if (text === null) continue;
    if (property?.semantic === "NAME" || /^(name|名称|building_?name)$/i.test(property?.name ?? id)) title ??= text;
    addRow(property?.name || id, text);
  }
  if (position) {
    const at = Cesium.Cartographic.fromCartesian(position);
    addRow(words.place, `${Cesium.Math.toDegrees(at.longitude).toFixed(6)}°, ${Cesium.Math.toDegrees(at.latitude).toFixed(6)}°`, "place");
    addRow(words.height, `${at.height.toFixed(1)} m (${words.aboveGround} ${(at.height - groundHeight).toFixed(1)} m)`, "place");
  }
  element("feature-name").textContent = title ?? (selected.id !== undefined ? String(selected.id) : words.unnamed);
  element("feature").hidden = false;
  selected.position = position;
}

function pick(point) {
  const feature = scene.pick(point);
  deselect();
  if (!(feature instanceof Cesium.Cesium3DTileFeature)) return;
  const position = scene.pickPositionSupported ? scene.pickPosition(point) : undefined;
  highlight(feature);
  showFeature(feature, Cesium.defined(position) ? position : null);
  showDetails();
  scene.requestRender();
}

function flyToFeature() {
  if (!selected?.position) return;
  camera.flyToBoundingSphere(new Cesium.BoundingSphere(selected.position, 1), {
    duration: 1,
    offset: new Cesium.HeadingPitchRange(camera.heading, Cesium.Math.toRadians(-25), 260),
  });
}

async function copyFeature() {
  const lines = [...element("feature-rows").rows].map((row) => `${row.cells[0].textContent}\t${row.cells[1].textContent}`);
  await navigator.clipboard?.writeText(lines.join("\n"));
}

/* ---- statistics ---- */

let frames = 0, framesPerSecond = 0, countedAt = performance.now();

function afterFrame() {
  frames++;
  const now = performance.now();
  if (now - countedAt < 500) return;
  framesPerSecond = (frames * 1000) / (now - countedAt);
  frames = 0;
  countedAt = now;
  showStatistics();
}

function showStatistics() {
  if (element("statistics").hidden) return;
  const sum = {};
  let memory = 0;
  for (const { tileset } of packages.values()) {
    if (!tileset?.show) continue;
    memory += tileset.totalMemoryUsageInBytes;
    for (const [name, value] of Object.entries(tileset._statistics ?? {})) { // private, and only read
      if (typeof value === "number") sum[name] = (sum[name] ?? 0) + value;
    }
  }
  const number = (value) => (value ?? 0).toLocaleString(language);
  const rows = [
    [words.statTiles, number(sum.selected)],
    [words.statLoaded, number(sum.numberOfTilesWithContentReady)],
    [words.statPending, number(sum.numberOfPendingRequests)],
    [words.statTriangles, number(sum.numberOfTrianglesSelected)],
    [words.statFeatures, number(sum.numberOfFeaturesSelected)],
    [words.statMemory, `${(memory / 1e6).toFixed(1)} MB`],
    [words.statFrames, framesPerSecond.toFixed(1)],
  ];
  element("statistics").replaceChildren(...rows.flatMap(([name, value]) => [
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: value }),
  ]));
}

/* ---- controls ---- */

function toggle(id) {
  const box = element(id);
  box.checked = !box.checked;
  box.dispatchEvent(new Event("change"));
}

function step(id, by) {
  const slider = element(id);
  slider.value = +slider.value + by;
  slider.dispatchEvent(new Event("input"));
}

function connectControls() {
  element("hour").value = query.get("hour") ?? 15;
  element("month").value = query.get("month") ?? 10;
  element("sse").value = query.get("sse") ?? 16;
  element("shadows").checked = query.get("shadows") !== "0";
  element("hour").oninput = setSun;
  element("month").oninput = setSun;
  element("shadows").onchange = () => scene.requestRender();
  element("sse").oninput = () => {
    element("sse-value").textContent = `${element("sse").value} px`;
    for (const { tileset } of packages.values()) {
      if (tileset) tileset.maximumScreenSpaceError = +element("sse").value;
    }
    scene.requestRender();
  };
  element("ground").oninput = () => setGround(+element("ground").value);
  element("boxes").onchange = () => {
    for (const { tileset } of packages.values()) {
      if (tileset) tileset.debugShowBoundingVolume = element("boxes").checked;
    }
    scene.requestRender();
  };
  element("stats").onchange = () => {
    element("statistics").hidden = !element("stats").checked;
    showStatistics();
  };
  element("home").onclick = () => flyHome();
  element("north").onclick = northUp;
  element("keys").onclick = () => {
    element("key-list").hidden = !element("key-list").hidden;
    element("keys").setAttribute("aria-expanded", String(!element("key-list").hidden));
  };
  element("fold").onclick = () => {
    const isFolded = element("side").classList.toggle("is-folded");
    element("fold").textContent = isFolded ? "+" : "–";
    element("fold").setAttribute("aria-expanded", String(!isFolded));
  };
  connectQuestions();
  element("feature-close").onclick = deselect;
  element("feature-fly").onclick = flyToFeature;
  element("feature-copy").onclick = copyFeature;
  setSun();
  element("sse").oninput();
  element("shadows").onchange();
}

const TURN = Math.PI / 60;
const KEYS = {
  ArrowUp: () => move(0, 1), ArrowDown: () => move(0, -1), ArrowLeft: () => move(-1, 0), ArrowRight: () => move(1, 0),
  "+": () => camera.zoomIn(Math.max(cameraHeight(), 20) * 0.12), "=": () => camera.zoomIn(Math.max(cameraHeight(), 20) * 0.12),
  "-": () => camera.zoomOut(Math.max(cameraHeight(), 20) * 0.12),
  q: () => orbit(TURN, 0), e: () => orbit(-TURN, 0), r: () => orbit(0, TURN), v: () => orbit(0, -TURN),
  h: () => flyHome(), n: northUp, b: () => toggle("boxes"), t: () => toggle("stats"), s: () => toggle("shadows"),
  "[": () => step("hour", -0.5), "]": () => step("hour", 0.5), Escape: deselect,
};

function connectKeys() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
      if (event.key === "Escape") deselect();
      return;
    }
    const action = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
    scene.requestRender();
  });
  const mouse = new Cesium.ScreenSpaceEventHandler(scene.canvas);
  mouse.setInputAction((event) => pick(event.position), Cesium.ScreenSpaceEventType.LEFT_CLICK);
  mouse.setInputAction(() => flyToFeature(), Cesium.ScreenSpaceEventType.LEFT_DOUBLE_CLICK);
  scene.canvas.addEventListener("pointerdown", () => element("scene").focus());
}

/* ---- the run ---- */

async function run() {
  if (typeof Cesium === "undefined") throw new Error(words.cesium);
  makeScene();
  connectControls();
  connectKeys();
  await readCatalogue();
  listPackages();
  const first = packages.get(query.get("package")) ?? packages.values().next().value;
  if (!first) return;
  await openPackage(first, false);
  flyHome(0);
}

// For tests and the curious: everything a script needs to look at the scene.
window.storey = { get scene() { return scene; }, get widget() { return widget; }, packages, get current() { return current; }, pick, failures };
storey.ready = run().catch((error) => showError(error.message ?? String(error)));
