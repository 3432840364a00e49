// The triangles of what does not drift: of each layer what rests and what sways, and the fluid's bed.

import { BELOW, HERE, OPAQUE, RIGHT, SOURCES, SQUARE, isLinear, meshOf } from "./mesh.js";
import { KINDS, planeOf } from "./scene.js";

/**
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {import("./scene.js").Header} Header
 */

const STILL = KINDS.rests | KINDS.sways | KINDS.below;
const SAME_RIGHT = 1; // bits of pack.py
const SAME_BELOW = 2;
const LARGEST_PX = 32;
const LARGEST_SWAYING_PX = 4; // of what sways, or is a bed whose confidence changes
const FLAT_PX = 0.25; // by which a pixel may be displaced, in the farthest view, for larger triangles
const FLAT_WEIGHT = 0.2; // by which what the bed says may be weighed otherwise, in powers of two, for larger triangles
const BED_PX = 2; // by which the bed goes on beyond what thins out
const FIRST_LEVEL = 2 ** 32;
const SWAYS = 256; // bits of a vertex, from those for the corners on
const BED = 512;

/**
 * Vertices of four numbers (pixel along x and y, counted from 1; level of disparity; bits), the triangles of what is whole,
 * and those of edges, far to near.
 *
 * @param {Scene} scene
 * @returns {[Uint16Array<ArrayBuffer>, Uint32Array, Uint32Array]}
 */
export function listTriangles(scene) {
  const { header } = scene;
  const tolerance = FLAT_PX / (Math.max(header.lens.fx, header.lens.fy) * farthest(header));
  /** @type {Uint16Array[]} */
  const vertices = [];
  /** @type {Uint32Array[]} */
  const solid = [];
  const disparity = new Float32Array(65536).map((_, k) => 2 ** (k / header.octave - header.dispOffset));
  /** @type {number[]} */
  const cuts = []; // level of disparity, then first vertex
  let count = 0;
  // The nearest first: what it covers is then not drawn.
  for (let layer = 0; layer < header.layers; ++layer) {
    const sheet = sheetOf(scene, layer);
    const flat = flatness(sheet, disparity, tolerance);
    const mesh = withoutRim(meshOf(sheet.flags, sheet.width, LARGEST_PX, flat), sheet);
    const own = verticesOf(sheet, mesh, layer, 0);
    vertices.push(own);
    solid.push(shifted(mesh.triangles, count));
    for (let k = 0, first = count + mesh.pixels.length; k < mesh.cuts.length; k += 2, first += 4) {
      cuts.push(own[4 * (first - count) + 2] * FIRST_LEVEL + first);
    }
    count += own.length / 4;
    const bed = bedOf(scene, sheet, layer);
    if (!bed) continue;
    const [lies, speaks] = [flatness(bed, disparity, tolerance), evenness(scene, sheet.width)];
    const below = meshOf(bed.flags, sheet.width, LARGEST_PX, (pixel, size) => lies(pixel, size) && speaks(pixel, size));
    const lying = verticesOf(bed, { ...below, cuts: new Int32Array() }, layer, BED);
    vertices.push(lying);
    solid.push(shifted(below.triangles, count));
    count += lying.length / 4;
  }
  const edges = new Uint32Array(6 * cuts.length);
  const order = Float64Array.from(cuts).sort();
  for (let k = 0; k < order.length; ++k) {
    for (let n = 0; n < 6; ++n) edges[6 * k + n] = (order[k] % FIRST_LEVEL) + SQUARE[n];
  }
  return [flattened(Uint16Array, vertices), flattened(Uint32Array, solid), edges];
}

/** @param {Uint32Array} triangles @param {number} first the number of their first vertex */
function shifted(triangles, first) {
  for (let k = 0; k < triangles.length; ++k) triangles[k] += first;
  return triangles;
}

/**
 * Without the cells around the whole sheet: what lies beyond the margin is never seen.
 *
 * @param {import("./mesh.js").Mesh} mesh
 * @param {Sheet} sheet
 */
function withoutRim({ pixels, triangles, cuts }, { flags, width }) {
  const [right, bottom] = [width - 2, flags.length / width - 2];
  const within = cuts.filter((_, k) => {
    const cell = cuts[k & ~1];
    const x = cell % width;
    const y = (cell - x) / width;
    return x > 0 && x < right && y > 0 && y < bottom;
  });
  return { pixels, triangles, cuts: within };
}

/**
 * @template {Uint16Array | Uint32Array} T
 * @param {new (length: number) => T} type
 * @param {T[]} parts
 * @returns {any}
 */
function flattened(type, parts) {
  const whole = new type(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(/** @type {any} */ (part), at);
    at += part.length;
  }
  return whole;
}

/**
 * How far from the photo's place the camera goes, scene units.
 *
 * @param {Header} header
 */
function farthest({ path, reach }) {
  const lengths = path.poses.map((pose) => Math.hypot(pose[3], pose[7], pose[11]));
  return Math.max(...lengths, Math.hypot(...reach), 1e-9);
}

/**
 * A layer's still pixels with a border of one.
 *
 * @param {Scene} scene
 * @param {number} layer
 */
function sheetOf(scene, layer) {
  const kinds = planeOf(scene, `kind.${layer}`);
  const alphas = planeOf(scene, `alpha.${layer}`).values;
  const beside = planeOf(scene, `beside.${layer}`).values;
  const levels = planeOf(scene, `disp.${layer}`).values;
  const width = kinds.width + 2;
  const flags = new Uint8Array(width * (kinds.height + 2));
  const sways = new Uint8Array(flags.length);
  const level = new Uint16Array(flags.length);
  for (let y = 0, i = 0; y < kinds.height; ++y) {
    for (let x = 0; x < kinds.width; ++x, ++i) {
      const at = (y + 1) * width + x + 1;
      level[at] = levels[i];
      if (!(kinds.values[i] & STILL)) continue;
      sways[at] = kinds.values[i] & KINDS.sways ? 1 : 0;
      flags[at] =
        HERE |
        (beside[i] & SAME_RIGHT && kinds.values[i + 1] & STILL ? RIGHT : 0) |
        (beside[i] & SAME_BELOW && kinds.values[i + kinds.width] & STILL ? BELOW : 0) |
        (alphas[i] === 255 ? OPAQUE : 0);
    }
  }
  return { flags, width, level, sways };
}

/** @typedef {ReturnType<typeof sheetOf>} Sheet */

/**
 * The fluid where it thins out, and what is beside it on its surface.
 *
 * @param {Scene} scene
 * @param {Sheet} sheet of its layer
 * @param {number} layer
 * @returns {Sheet | null}
 */
function bedOf(scene, { width, level, sways }, layer) {
  const kinds = planeOf(scene, `kind.${layer}`);
  const alphas = planeOf(scene, `alpha.${layer}`).values;
  const beside = planeOf(scene, `beside.${layer}`).values;
  const lies = kinds.values.map((kind) => (kind & KINDS.moves ? 1 : 0));
  if (!lies.includes(1)) return null;
  /** @param {number} from @param {number} to @param {number} turn */
  const spread = (from, to, turn) => {
    if (lies[from] === turn && !lies[to] && kinds.values[to] && alphas[to] === 255) lies[to] = turn + 1;
  };
  for (let turn = 1; turn <= BED_PX; ++turn) {
    for (let i = 0; i < lies.length; ++i) {
      if (beside[i] & SAME_RIGHT) {
        spread(i, i + 1, turn);
        spread(i + 1, i, turn);
      }
      if (beside[i] & SAME_BELOW) {
        spread(i, i + kinds.width, turn);
        spread(i + kinds.width, i, turn);
      }
    }
  }
  const flags = new Uint8Array(level.length);
  for (let y = 0, i = 0; y < kinds.height; ++y) {
    for (let x = 0; x < kinds.width; ++x, ++i) {
      if (!lies[i]) continue;
      const joins =
        (beside[i] & SAME_RIGHT && lies[i + 1] ? RIGHT : 0) |
        (beside[i] & SAME_BELOW && lies[i + kinds.width] ? BELOW : 0);
      flags[(y + 1) * width + x + 1] = HERE | OPAQUE | joins;
    }
  }
  return { flags, width, level, sways };
}

/**
 * Whether a square of a sheet is flat: between its corners disparity is what it would be on two triangles.
 *
 * @param {Sheet} sheet
 * @param {Float32Array} disparity by level
 * @param {number} tolerance of disparity
 */
function flatness({ level, width, sways }, disparity, tolerance) {
  /** @param {number} pixel */
  const disparityAt = (pixel) => disparity[level[pixel]];
  /** @param {number} pixel */
  const swaysAt = (pixel) => sways[pixel];
  /** @param {number} pixel @param {number} size */
  return (pixel, size) =>
    (size <= LARGEST_SWAYING_PX || (!sways[pixel] && isLinear(swaysAt, pixel, size, width, 0))) &&
    isLinear(disparityAt, pixel, size, width, tolerance);
}

/**
 * Whether the bed speaks evenly in a square, as one of two triangles does.
 *
 * @param {Scene} scene
 * @param {number} width of the sheet
 */
function evenness(scene, width) {
  const told = /** @type {import("./scene.js").FluidHeader} */ (scene.header.fluid);
  const settled = planeOf(scene, "settled");
  const [x0, y0] = told.box;
  const weight = new Float32Array(256).map((_, k) => Math.log2(Math.max(k / 255, told.leastConfidence ** 2)));
  /** @param {number} place */
  const weightAt = (place) => {
    const x = Math.min(Math.max((place % width) - 1 - x0, 0), settled.width - 1);
    const y = Math.min(Math.max(Math.floor(place / width) - 1 - y0, 0), settled.height - 1);
    return weight[settled.values[y * settled.width + x]];
  };
  /** @param {number} pixel @param {number} size */
  return (pixel, size) => size <= LARGEST_SWAYING_PX || isLinear(weightAt, pixel, size, width, FLAT_WEIGHT);
}

/**
 * @param {Sheet} sheet
 * @param {import("./mesh.js").Mesh} mesh
 * @param {number} layer
 * @param {number} role
 */
function verticesOf({ width, level, sways }, { pixels, cuts }, layer, role) {
  const vertices = new Uint16Array(4 * (pixels.length + 2 * cuts.length));
  let at = 0;
  /** @param {number} pixel @param {number} value @param {number} bits */
  const put = (pixel, value, bits) => {
    const x = pixel % width;
    vertices[at] = x;
    vertices[at + 1] = (pixel - x) / width;
    vertices[at + 2] = value;
    vertices[at + 3] = bits | role | (layer << 10);
    at += 4;
  };
  for (const pixel of pixels) put(pixel, level[pixel], sways[pixel] ? SWAYS : 0);
  for (let k = 0; k < cuts.length; k += 2) {
    const cell = cuts[k];
    const corners = cuts[k + 1];
    for (let corner = 0; corner < 4; ++corner) {
      const source = SOURCES[corners][corner];
      const from = cell + (source & 1) + (source >> 1) * width;
      put(
        cell + (corner & 1) + (corner >> 1) * width,
        level[from],
        corner | (source << 2) | (corners << 4) | (sways[from] ? SWAYS : 0),
      );
    }
  }
  return vertices;
}
