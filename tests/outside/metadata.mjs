// SPDX-License-Identifier: Apache-2.0
//
// metadata.mjs - reads EXT_structural_metadata property tables and says where they break its rules.
//
// Source   EXT_structural_metadata, "Property Tables"; 3D Metadata Specification, "Binary Table Format"

const components = {
  INT8: [1, (v, at) => v.getInt8(at)],
  UINT8: [1, (v, at) => v.getUint8(at)],
  INT16: [2, (v, at) => v.getInt16(at, true)],
  UINT16: [2, (v, at) => v.getUint16(at, true)],
  INT32: [4, (v, at) => v.getInt32(at, true)],
  UINT32: [4, (v, at) => v.getUint32(at, true)],
  INT64: [8, (v, at) => v.getBigInt64(at, true)],
  UINT64: [8, (v, at) => v.getBigUint64(at, true)],
  FLOAT32: [4, (v, at) => v.getFloat32(at, true)],
  FLOAT64: [8, (v, at) => v.getFloat64(at, true)],
};
const lanes = { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4, MAT2: 4, MAT3: 9, MAT4: 16 };
const types = [...Object.keys(lanes), "STRING", "BOOLEAN", "ENUM"];
const identifier = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** What is wrong with a metadata schema. */
export function judgeSchema(schema) {
  const found = [];
  if (!identifier.test(schema.id ?? "")) found.push(`schema id '${schema.id}' is not an identifier`);
  for (const [name, one] of Object.entries(schema.enums ?? {})) {
    const values = one.values ?? [];
    if (!values.length) found.push(`enum ${name} has no values`);
    if (new Set(values.map((v) => v.value)).size !== values.length) found.push(`enum ${name} repeats a value`);
    if (new Set(values.map((v) => v.name)).size !== values.length) found.push(`enum ${name} repeats a name`);
  }
  for (const [name, one] of Object.entries(schema.classes ?? {})) {
    const semantics = [];
    if (!identifier.test(name)) found.push(`class '${name}' is not an identifier`);
    for (const [key, p] of Object.entries(one.properties ?? {})) {
      const at = `${name}.${key}`;
      if (!identifier.test(key)) found.push(`property '${at}' is not an identifier`);
      if (!types.includes(p.type)) found.push(`${at} has the type '${p.type}'`);
      if (p.type in lanes && !(p.componentType in components)) found.push(`${at} has the component '${p.componentType}'`);
      if (p.type === "ENUM" && !schema.enums?.[p.enumType]) found.push(`${at} names no enum`);
      if (p.required && "noData" in p) found.push(`${at} is required and has noData`);
      if (p.type === "BOOLEAN" && "noData" in p) found.push(`${at} is a boolean with noData`);
      if (p.semantic === "ID" && p.type !== "STRING") found.push(`${at} is an ID but not a string`);
      if (p.semantic) semantics.push(p.semantic);
    }
    if (new Set(semantics).size !== semantics.length) found.push(`class ${name} repeats a semantic`);
  }
  return found;
}

/**
 * Decodes every column of a property table into JavaScript values (null for noData), adding what is
 * wrong to `found`. `json` and `bin` are the chunks of the binary glTF.
 */
export function readTable(table, schema, json, bin, found) {
  const columns = {};
  const properties = schema.classes?.[table.class]?.properties;
  if (!properties) {
    found.push(`table of the unknown class '${table.class}'`);
    return columns;
  }
  if (!(Number.isInteger(table.count) && table.count >= 1)) found.push(`table of ${table.count} rows`);
  for (const name of Object.keys(table.properties ?? {})) {
    if (!properties[name]) found.push(`column '${name}' is not in the schema`);
  }
  for (const [name, p] of Object.entries(properties)) {
    const column = table.properties?.[name];
    if (!column) {
      if (p.required) found.push(`required column '${name}' is missing`);
      continue;
    }
    try {
      columns[name] = readColumn(p, column, table.count, schema, json, bin);
    } catch (error) {
      found.push(`column '${name}': ${error.message}`);
    }
  }
  return columns;
}

function view(index, json, bin, what) {
  const v = json.bufferViews?.[index];
  if (!v) throw new Error(`${what} names no buffer view`);
  const at = v.byteOffset ?? 0;
  if (at % 8) throw new Error(`${what} begin at ${at}, not on a multiple of 8`);
  if (at + v.byteLength > bin.length) throw new Error(`${what} end past the buffer`);
  return new DataView(bin.buffer, bin.byteOffset + at, v.byteLength);
}

function readArray(index, count, component, json, bin, what) {
  const [bytes, load] = components[component];
  const data = view(index, json, bin, what);
  if (data.byteLength !== count * bytes) {
    throw new Error(`${what} are ${data.byteLength} bytes, not ${count * bytes}`);
  }
  return Array.from({ length: count }, (_, i) => load(data, i * bytes));
}

function readOffsets(index, type, count, json, bin, what) {
  const offsets = readArray(index, count + 1, type ?? "UINT32", json, bin, what).map(Number);
  for (let i = 0; i < count; i++) {
    if (offsets[i + 1] < offsets[i]) throw new Error(`${what} descend at ${i}`);
  }
  return offsets;
}

function readColumn(p, column, count, schema, json, bin) {
  let elements = count;
  let arrays;
  if (p.array) {
    arrays = p.count
      ? Array.from({ length: count + 1 }, (_, i) => i * p.count)
      : readOffsets(column.arrayOffsets, column.arrayOffsetType, count, json, bin, "array offsets");
    elements = arrays[count];
  }
  let values;
  if (p.type === "STRING") {
    const offsets = readOffsets(column.stringOffsets, column.stringOffsetType, elements, json, bin, "string offsets");
    const data = view(column.values, json, bin, "values");
    if (offsets[elements] !== data.byteLength) throw new Error(`strings end at ${offsets[elements]} of ${data.byteLength}`);
    const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const whole = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    values = Array.from({ length: elements }, (_, i) => utf8.decode(whole.subarray(offsets[i], offsets[i + 1])));
  } else if (p.type === "BOOLEAN") {
    const bits = readArray(column.values, Math.ceil(elements / 8), "UINT8", json, bin, "values");
    values = Array.from({ length: elements }, (_, i) => Boolean((bits[i >> 3] >> (i & 7)) & 1));
  } else {
    const known = p.type === "ENUM" ? schema.enums[p.enumType] : undefined;
    const component = known ? (known.valueType ?? "UINT16") : p.componentType;
    const lane = known ? 1 : lanes[p.type];
    const flat = readArray(column.values, elements * lane, component, json, bin, "values");
    values = lane === 1 ? flat : Array.from({ length: elements }, (_, i) => flat.slice(i * lane, (i + 1) * lane));
    if (known) values = values.map((v) => enumName(v, known));
    else if (lane === 1) checkRange(flat, p, column);
  }
  values = values.map((v) => (isNoData(v, p) ? null : v));
  return arrays ? Array.from({ length: count }, (_, i) => values.slice(arrays[i], arrays[i + 1])) : values;
}

function enumName(value, known) {
  const entry = known.values.find((one) => one.value === Number(value));
  if (!entry) throw new Error(`enum value ${value} has no name`);
  return entry.name;
}

// 32-bit floats are compared as such: JSON gives more digits than they hold.
function isNoData(value, p) {
  if (!("noData" in p)) return false;
  if (typeof value === "bigint") return value === BigInt(p.noData);
  if (p.componentType === "FLOAT32") return value === Math.fround(p.noData);
  return value === p.noData;
}

function checkRange(values, p, column) {
  for (const v of values) {
    if (typeof v === "number" && !Number.isFinite(v)) throw new Error(`value ${v}`);
    if (isNoData(v, p)) continue;
    if (column.min !== undefined && v < column.min) throw new Error(`value ${v} below its min`);
    if (column.max !== undefined && v > column.max) throw new Error(`value ${v} above its max`);
  }
}
