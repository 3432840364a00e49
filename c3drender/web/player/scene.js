// Reads what c3drender/web/pack.py writes.

const MAGIC = "c3dweb2\n";
/** Bits of a layer's pixel, as in pack.py. */
export const KINDS = { rests: 1, sways: 2, moves: 4, thin: 8, below: 16, fringe: 32 };

/**
 * @typedef {{name: string, kind: "u8" | "u16" | "i16", shape: [number, number]}} MapHeader
 * @typedef {{values: Uint8Array | Uint16Array | Int16Array, height: number, width: number}} PlaneMap
 * @typedef {{moments: number[], shape: [number, number, number], unit: number, spacing: number}} GainHeader
 * @typedef {{leastContrast: number, leastSkew: number, leastBelow: number, range: number, room: number,
 *   loneSkew: number}} EvenHeader
 * @typedef {{scale: number, units: {tint: number, wide: number, deviation: number, skew: number, dense: number},
 *   ways: {scale: number, unit: number}, reach: number, late: number, second: number, leastExistence: number,
 *   even: EvenHeader}} CopiesHeader
 * @typedef {{box: [number, number, number, number], stepUnit: number, offsetUnit: number, meanScale: number,
 *   cleanUnit: number, waves: [number, number, number][], spread: number, leastConfidence: number,
 *   bed: {depth: number, radius: number}, fringe: number, gain?: GainHeader,
 *   copies?: CopiesHeader}} FluidHeader
 * @typedef {{photo: {width: number, height: number, margin: number},
 *   lens: {fx: number, fy: number, cx: number, cy: number}, layers: number, octave: number, dispOffset: number,
 *   rules: {radius_px: number, depth_tolerance: number, max_stretch_px: number, least_existence: number},
 *   sharpness: number, nearest: number, loop: {frames: number, fps: number, blend: string},
 *   path: {poses: number[][], zooms: number[]}, focus: [number, number, number], reach: [number, number],
 *   fluid?: FluidHeader, harmonics?: {count: number, unit: number}, maps: MapHeader[], full: string[],
 *   sections: Record<string, number>}} Header
 * @typedef {{header: Header, maps: Map<string, PlaneMap>, pictures: Map<string, ImageBitmap>}} Scene
 */

/**
 * @param {ArrayBuffer} file
 * @returns {{header: Header, contents: Promise<Scene>}} at once what it holds, and the whole when it is decoded
 */
export function readScene(file) {
  const start = MAGIC.length + 4;
  const magic = file.byteLength < start ? "" : new TextDecoder().decode(new Uint8Array(file, 0, MAGIC.length));
  if (magic !== MAGIC)
    throw new Error("src: expected a scene of c3drender's export, of this version, got another file");
  const length = new DataView(file).getUint32(MAGIC.length, true);
  /** @type {Header} */
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, start, length)));
  return { header, contents: readContents(header, file, start + length) };
}

/**
 * @param {Header} header
 * @param {ArrayBuffer} file
 * @param {number} at where its sections begin
 * @returns {Promise<Scene>}
 */
async function readContents(header, file, at) {
  /** @type {[string, Blob][]} */
  const blobs = [];
  for (const [name, size] of Object.entries(header.sections)) {
    blobs.push([name, new Blob([new Uint8Array(file, at, size)])]);
    at += size;
  }
  // The browser decodes pictures beside; maps are read here meanwhile.
  const decoding = blobs
    .filter(([name]) => name !== "maps")
    .map(([name, blob]) => decode(name, header.full.includes(name) ? Promise.resolve(blob) : inflated(blob)));
  const packed = blobs.find(([name]) => name === "maps")?.[1] ?? new Blob();
  const [maps, ...pictures] = await Promise.all([unpack(packed, header.maps), ...decoding]);
  return { header, maps, pictures: new Map(pictures) };
}

/** @param {Blob} blob @returns {Promise<Blob>} */
const inflated = (blob) => new Response(blob.stream().pipeThrough(new DecompressionStream("deflate"))).blob();

/**
 * @param {string} name
 * @param {Promise<Blob>} jpeg
 * @returns {Promise<[string, ImageBitmap]>}
 */
async function decode(name, jpeg) {
  return [name, await createImageBitmap(await jpeg, { colorSpaceConversion: "none", premultiplyAlpha: "none" })];
}

/**
 * @param {Blob} packed
 * @param {MapHeader[]} headers
 */
async function unpack(packed, headers) {
  const bytes = await inflated(await inflated(packed));
  return readMaps(headers, new Uint8Array(await bytes.arrayBuffer()));
}

/**
 * @param {MapHeader[]} headers
 * @param {Uint8Array} bytes
 * @returns {Map<string, PlaneMap>}
 */
function readMaps(headers, bytes) {
  const maps = new Map();
  let at = 0;
  for (const { name, kind, shape } of headers) {
    const [height, width] = shape;
    const count = height * width;
    /** @type {PlaneMap["values"]} */
    let values;
    if (kind === "u8") {
      values = new Uint8Array(count);
      unfold8(values, width, bytes.subarray(at, at + count));
    } else {
      values = new Uint16Array(count);
      unfold16(values, width, bytes.subarray(at, at + count), bytes.subarray(at + count, at + 2 * count));
      if (kind === "i16") values = new Int16Array(values.buffer);
    }
    at += count * values.BYTES_PER_ELEMENT;
    maps.set(name, { values, height, width });
  }
  return maps;
}

/**
 * A map from its differences: along a row they sum up to those from the row above. Of 8 and of 16 bits apart, which takes a
 * browser a fraction of the time of both in one.
 *
 * @param {Uint8Array} values
 * @param {number} width
 * @param {Uint8Array} low
 */
function unfold8(values, width, low) {
  for (let start = 0; start < values.length; start += width) {
    for (let i = start, sum = 0; i < start + width; ++i) {
      sum += (low[i] >> 1) ^ -(low[i] & 1);
      values[i] = start > 0 ? values[i - width] + sum : sum;
    }
  }
}

/**
 * @param {Uint16Array} values
 * @param {number} width
 * @param {Uint8Array} high
 * @param {Uint8Array} low
 */
function unfold16(values, width, high, low) {
  for (let start = 0; start < values.length; start += width) {
    for (let i = start, sum = 0; i < start + width; ++i) {
      const folded = (high[i] << 8) | low[i];
      sum += (folded >> 1) ^ -(folded & 1);
      values[i] = start > 0 ? values[i - width] + sum : sum;
    }
  }
}

/**
 * @param {Scene} scene
 * @param {string} name
 * @returns {PlaneMap}
 */
export function planeOf(scene, name) {
  const found = scene.maps.get(name);
  if (!found) throw new Error(`scene: expected the map ${name}, got none`);
  return found;
}
