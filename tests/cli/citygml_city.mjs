// SPDX-License-Identifier: Apache-2.0
//
// citygml_city.mjs - writes small CityGML files in the manners of those who publish it, and their images.
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";

/** Local metres to the text of a position: systems in metres, and in degrees of both orders. */
export const frames = {
  utm: ([x, y, z]) => `${500000 + x} ${5400000 + y} ${z}`,
  latitude: ([x, y, z]) => `${(48.75 + y / 111205).toFixed(10)} ${(9 + x / 73530).toFixed(10)} ${z}`,
  longitude: ([x, y, z]) => `${(9 + x / 73530).toFixed(10)} ${(48.75 + y / 111205).toFixed(10)} ${z}`,
};

const spaces = {
  2: {
    core: "http://www.opengis.net/citygml/2.0", gml: "http://www.opengis.net/gml", app: "http://www.opengis.net/citygml/appearance/2.0",
    bldg: "http://www.opengis.net/citygml/building/2.0", gen: "http://www.opengis.net/citygml/generics/2.0",
    frn: "http://www.opengis.net/citygml/cityfurniture/2.0", dem: "http://www.opengis.net/citygml/relief/2.0",
    grp: "http://www.opengis.net/citygml/cityobjectgroup/2.0", tran: "http://www.opengis.net/citygml/transportation/2.0",
    uro: "https://www.geospatial.jp/iur/uro/3.0",
  },
  3: {
    core: "http://www.opengis.net/citygml/3.0", gml: "http://www.opengis.net/gml/3.2", app: "http://www.opengis.net/citygml/appearance/3.0",
    bldg: "http://www.opengis.net/citygml/building/3.0", con: "http://www.opengis.net/citygml/construction/3.0",
    gen: "http://www.opengis.net/citygml/generics/3.0",
  },
};

/** A whole model; `crs` empty: it has no envelope. */
export function model(members, { version = 2, crs = "EPSG:25832", dimension = 3, head = "" } = {}) {
  const names = Object.entries(spaces[version]).map(([prefix, name]) => `xmlns:${prefix}="${name}"`).join(" ");
  const envelope = crs
    ? `<gml:boundedBy><gml:Envelope srsName="${crs}" srsDimension="${dimension}"><gml:lowerCorner>0 0 0</gml:lowerCorner><gml:upperCorner>1 1 1</gml:upperCorner></gml:Envelope></gml:boundedBy>`
    : "";
  return `<?xml version="1.0" encoding="UTF-8"?>\n<core:CityModel ${names} xmlns:xlink="http://www.w3.org/1999/xlink" ${head}>\n${envelope}\n${members}\n</core:CityModel>\n`;
}

export const member = (object) => `<core:cityObjectMember>${object}</core:cityObjectMember>`;

/** Corners anticlockwise from the south-west and below: a wall that faces south, ten metres wide and high. */
export const wall = ([x, y] = [0, 0], size = 10) => [[x, y, 0], [x + size, y, 0], [x + size, y, size], [x, y, size]];
/** A level square that faces up. */
export const roof = ([x, y] = [0, 0], z = 0, size = 10) => [[x, y, z], [x + size, y, z], [x + size, y + size, z], [x, y + size, z]];

export const closed = (ring) => [...ring, ring[0]];
export const list = (ring, frame = frames.utm) => ring.map(frame).join(" ");

const ringXml = (ring, id, frame, attributes = "") =>
  `<gml:LinearRing${id ? ` gml:id="${id}"` : ""}><gml:posList${attributes}>${list(ring, frame)}</gml:posList></gml:LinearRing>`;

/** A polygon; rings are closed unless `open`. Its rings are called ID_r0, ID_r1, ... */
export function polygon(id, rings, { frame = frames.utm, open = false, attributes = "", coordinates = "" } = {}) {
  const text = rings.map((ring, i) => {
    const kind = i === 0 ? "exterior" : "interior";
    return `<gml:${kind}>${ringXml(open ? ring : closed(ring), id && `${id}_r${i}`, frame, coordinates)}</gml:${kind}>`;
  });
  return `<gml:Polygon${id ? ` gml:id="${id}"` : ""}${attributes}>${text.join("")}</gml:Polygon>`;
}

export const surfaces = (polygons, attributes = "") =>
  `<gml:MultiSurface${attributes}>${polygons.map((p) => `<gml:surfaceMember>${p}</gml:surfaceMember>`).join("")}</gml:MultiSurface>`;

export const building = (id, content, kind = "bldg:Building") => `<${kind}${id ? ` gml:id="${id}"` : ""}>${content}</${kind}>`;
export const lod2 = (polygons) => `<bldg:lod2MultiSurface>${surfaces(polygons)}</bldg:lod2MultiSurface>`;

/** The whole image on a square. */
export const wholeImage = "0 0 1 0 1 1 0 1 0 0";

/** app:target of a parameterized texture: lists of [ring, coordinates]. */
export const target = (uri, lists) =>
  `<app:target uri="${uri}"><app:TexCoordList>${lists.map(([ring, uvs]) => `<app:textureCoordinates ring="${ring}">${uvs}</app:textureCoordinates>`).join("")}</app:TexCoordList></app:target>`;

export const texture = (image, targets, extra = "") =>
  `<app:surfaceDataMember><app:ParameterizedTexture><app:imageURI>${image}</app:imageURI>${extra}${targets}</app:ParameterizedTexture></app:surfaceDataMember>`;

export const appearance = (data, theme = "rgbTexture", holder = "app:appearanceMember") =>
  `<${holder}><app:Appearance>${theme ? `<app:theme>${theme}</app:theme>` : ""}${data}</app:Appearance></${holder}>`;

// ---- images ----

function crc(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let i = 0; i < 8; i++) sum = (sum >>> 1) ^ (0xedb88320 & -(sum & 1));
  }
  return ~sum >>> 0;
}

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc(body), body.length + 4);
  return framed;
}

/** A PNG of `size` pixels a side, colours by color(x, y) with y downward. */
export function png(size, color) {
  const rows = Buffer.alloc(size * (1 + 3 * size));
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) rows.set(color(x, y), y * (1 + 3 * size) + 1 + 3 * x);
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head), chunk("IDAT", zlib.deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

export const colors = { red: [220, 30, 30], green: [30, 180, 30], blue: [30, 30, 220], yellow: [230, 220, 30], white: [250, 250, 250], black: [5, 5, 5], cyan: [30, 210, 210] };

/** Red and green below, blue and yellow above. */
export const quarters = () => png(64, (x, y) => (y >= 32 ? (x < 32 ? colors.red : colors.green) : x < 32 ? colors.blue : colors.yellow));
export const plain = (color) => png(16, () => color);

/** The pixels of a PNG that storey has written: { width, height, at(x, y) }. */
export function readPng(file) {
  const bytes = fs.readFileSync(file);
  const width = bytes.readUInt32BE(16);
  const height = bytes.readUInt32BE(20);
  const channels = { 2: 3, 6: 4 }[bytes[25]];
  const parts = [];
  for (let at = 8; at < bytes.length; ) {
    const size = bytes.readUInt32BE(at);
    if (bytes.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + size));
    at += size + 12;
  }
  const raw = zlib.inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const pixels = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)];
    for (let i = 0; i < stride; i++) {
      const left = i >= channels ? pixels[y * stride + i - channels] : 0;
      const up = y > 0 ? pixels[(y - 1) * stride + i] : 0;
      const corner = i >= channels && y > 0 ? pixels[(y - 1) * stride + i - channels] : 0;
      const guess = left + up - corner;
      const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
      const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
      pixels[y * stride + i] = raw[y * (stride + 1) + 1 + i] + [0, left, up, (left + up) >> 1, paeth][filter];
    }
  }
  return { width, height, at: (x, y) => [...pixels.subarray((y * width + x) * channels, (y * width + x) * channels + 3)] };
}

/** The name of the nearest colour. */
export function nameOf(pixel) {
  const far = (a, b) => a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);
  // Shaded faces are darker: what counts is which channels are high.
  const top = Math.max(...pixel, 1);
  const bright = pixel.map((value) => (value / top) * 240);
  const named = Object.entries(colors).filter(([name]) => name !== "black" && name !== "white");
  if (Math.max(...pixel) < 40) return "black";
  if (Math.max(...pixel) - Math.min(...pixel) < 40) return "grey";
  return named.sort((a, b) => far(a[1], bright) - far(b[1], bright))[0][0];
}

/** A zip of { path: content }, stored. */
export function zip(files) {
  const locals = [];
  const entries = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const [path_, data] = [Buffer.from(name), Buffer.from(content)];
    const fields = Buffer.alloc(26); // from the version to the length of what is extra
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(0x800, 2); // the name is UTF-8
    fields.writeUInt32LE(crc(data), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(data.length, 18);
    fields.writeUInt16LE(path_.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    locals.push(Buffer.from("PK\x03\x04"), fields, path_, data);
    entries.push(Buffer.from("PK\x01\x02\x14\0"), fields, tail, path_);
    offset += 30 + path_.length + data.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(Object.keys(files).length, 8);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

/** Writes { path: content } below a folder. */
export function write(folder, files) {
  fs.rmSync(folder, { recursive: true, force: true });
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
  }
}
