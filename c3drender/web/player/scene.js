// Reads what c3drender/web/pack.py writes.

const MAGIC = "c3dweb1\n";
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
 *   fluid?: FluidHeader, harmonics?: {count: number, unit: number}, maps: MapHeader[],
 *   sections: Record<string, number>}} Header
 * @typedef {{header: Header, maps: Map<string, PlaneMap>, pictures: Map<string, ImageBitmap>}} Scene
 */

/**
 * @param {ArrayBuffer} file
 * @returns {Promise<Scene>}
 */
export async function readScene(file) {
  const start = MAGIC.length + 4;
  const magic = file.byteLength < start ? "" : new TextDecoder().decode(new Uint8Array(file, 0, MAGIC.length));
  if (magic !== MAGIC)
    throw new Error("src: expected a scene of c3drender's export, of this version, got another file");
  const length = new DataView(file).getUint32(MAGIC.length, true);
  /** @type {Header} */
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, start, length)));
  let at = start + length;
  /** @type {Map<string, ImageBitmap>} */
  const pictures = new Map();
  let maps = new Map();
  for (const [name, size] of Object.entries(header.sections)) {
    const blob = new Blob([new Uint8Array(file, at, size)]);
    if (name === "maps") {
      const stream = blob.stream().pipeThrough(new DecompressionStream("deflate"));
      maps = readMaps(header.maps, new Uint8Array(await new Response(stream).arrayBuffer()));
    } else {
      pictures.set(name, await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" }));
    }
    at += size;
  }
  return { header, maps, pictures };
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
    const values = new { u8: Uint8Array, u16: Uint16Array, i16: Int16Array }[kind](count);
    const high = kind === "u8" ? null : bytes.subarray(at, at + count);
    const low = bytes.subarray(high ? at + count : at);
    for (let y = 0, i = 0; y < height; ++y) {
      for (let x = 0; x < width; ++x, ++i) {
        const folded = high ? (high[i] << 8) | low[i] : low[i];
        const rest = (folded >> 1) ^ -(folded & 1);
        const left = x > 0 ? values[i - 1] : 0;
        const above = y > 0 ? values[i - width] : 0;
        values[i] = rest + left + above - (x > 0 && y > 0 ? values[i - width - 1] : 0);
      }
    }
    at += high ? 2 * count : count;
    maps.set(name, { values, height, width });
  }
  return maps;
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
