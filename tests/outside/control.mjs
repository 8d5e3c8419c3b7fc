// SPDX-License-Identifier: Apache-2.0
//
// control.mjs - six buildings whose places and heights are known without PROJ.
//
// Their centres are chosen in longitude and latitude and turned into EPSG:4547 (CGCS2000, 3 degree
// zone, central meridian 114) by Krueger's series; heights are above the ellipsoid. What a viewer
// measures at the same longitude and latitude must be the roof.
//
// Source   Karney, "Transverse Mercator with an accuracy of a few nanometers" (2011), the series
//          of order 4 in n: below a micrometre this close to the meridian
import fs from "node:fs";

const a = 6378137;
const f = 1 / 298.257222101; // CGCS2000
const radians = Math.PI / 180;

/** Longitude and latitude in degrees to [east, north] in metres of EPSG:4547. */
export function toEpsg4547(lon, lat) {
  const n = f / (2 - f);
  const rectifying = (a / (1 + n)) * (1 + n ** 2 / 4 + n ** 4 / 64);
  const alpha = [
    n / 2 - (2 / 3) * n ** 2 + (5 / 16) * n ** 3 + (41 / 180) * n ** 4,
    (13 / 48) * n ** 2 - (3 / 5) * n ** 3 + (557 / 1440) * n ** 4,
    (61 / 240) * n ** 3 - (103 / 140) * n ** 4,
    (49561 / 161280) * n ** 4,
  ];
  const sine = Math.sin(lat * radians);
  const k = (2 * Math.sqrt(n)) / (1 + n);
  const t = Math.sinh(Math.atanh(sine) - k * Math.atanh(k * sine));
  const away = (lon - 114) * radians;
  const xi = Math.atan2(t, Math.cos(away));
  const eta = Math.atanh(Math.sin(away) / Math.sqrt(1 + t * t));
  let north = xi;
  let east = eta;
  alpha.forEach((v, i) => {
    const j = 2 * (i + 1);
    north += v * Math.sin(j * xi) * Math.cosh(j * eta);
    east += v * Math.cos(j * xi) * Math.sinh(j * eta);
  });
  return [500000 + rectifying * east, rectifying * north];
}

// Distances that a map of a district has; a character beyond 16 bits; what a shell would eat.
const buildings = [
  { id: "ctl-1", lon: 114.0541, lat: 22.5431, w: 40, d: 30, base: 5, roof: 85, name: "深圳市民中心", storeys: 20, area: 1200.5, isPublic: true, listed: true },
  { id: "ctl-2", lon: 114.0551, lat: 22.5432, w: 30, d: 30, base: 5, roof: 155, name: "平安金融中心 𠮷 B座", storeys: 38, area: 900.25, isPublic: true },
  { id: "ctl-3", lon: 114.0561, lat: 22.543, w: 35, d: 35, base: 6, roof: 66, name: "Block \"C\" & 'D' <e>", storeys: 15, area: 1225.125, isPublic: false, listed: false },
  { id: "ctl-4", lon: 114.0542, lat: 22.5441, w: 30, d: 40, base: 4, roof: 114, name: "楼 4", storeys: 28, area: 1200, isPublic: false },
  { id: "ctl-5", lon: 114.0552, lat: 22.5442, w: 25, d: 25, base: 4, roof: 224, name: "", storeys: 55, area: 625, isPublic: false },
  { id: "楼/ctl 6", lon: 114.0562, lat: 22.5441, w: 40, d: 30, base: 5, roof: 50, name: "大厦六", storeys: 11, area: 1200, isPublic: true },
];

/** Where heights are known: the roofs, and two places between the buildings (null). */
export const heights = [
  ...buildings.map(({ lon, lat, roof }) => ({ lon, lat, height: roof })),
  { lon: 114.0546, lat: 22.5436, height: null },
  { lon: 114.0556, lat: 22.5437, height: null },
];

const stepM = 0.001;

function attributes({ name, storeys, area, isPublic, listed }, i) {
  const out = { storeys, area, isPublic, 用途: i % 2 ? "办公" : "居住", serial: 4503599627370497 + i };
  if (name) out.name = name;
  if (listed !== undefined) out.listed = listed;
  return out;
}

/** The attributes of each building by id, as they were written. */
export const attributesById = new Map(buildings.map((b, i) => [b.id, attributes(b, i)]));

/** The city as a CityJSON 2.0 object. */
export function controlCity() {
  const vertices = [];
  const objects = {};
  const [east0, north0] = toEpsg4547(buildings[0].lon, buildings[0].lat).map(Math.floor);
  buildings.forEach((b, i) => {
    const [east, north] = toEpsg4547(b.lon, b.lat);
    const first = vertices.length;
    for (const z of [b.base, b.roof]) {
      for (const [x, y] of [[-1, -1], [1, -1], [1, 1], [-1, 1]]) {
        const at = [east - east0 + (x * b.w) / 2, north - north0 + (y * b.d) / 2, z];
        vertices.push(at.map((v) => Math.round(v / stepM)));
      }
    }
    const faces = [[3, 2, 1, 0], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]];
    objects[b.id] = {
      type: "Building",
      attributes: attributes(b, i),
      geometry: [
        {
          type: "Solid",
          lod: "2",
          boundaries: [faces.map((face) => [face.map((v) => v + first)])],
          semantics: {
            surfaces: [{ type: "GroundSurface" }, { type: "RoofSurface" }, { type: "WallSurface" }],
            values: [[0, 1, 2, 2, 2, 2]],
          },
        },
      ],
    };
  });
  return {
    type: "CityJSON",
    version: "2.0",
    metadata: { referenceSystem: "https://www.opengis.net/def/crs/EPSG/0/4547" },
    transform: { scale: [stepM, stepM, stepM], translate: [east0, north0, 0] },
    CityObjects: objects,
    vertices,
  };
}

export function writeControl(file) {
  fs.writeFileSync(file, JSON.stringify(controlCity()));
  return file;
}
