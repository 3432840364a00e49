// The fluid's sheet: which pixels of its box drift, as triangles, on what surface, in what colours.

import { BELOW, HERE, OPAQUE, RIGHT, SOURCES, SQUARE, isLinear, meshOf } from "./mesh.js";
import { KINDS, planeOf } from "./scene.js";

/**
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {import("./scene.js").FluidHeader} FluidHeader
 */

const LARGEST_PX = 8;
const FLAT_PX = 1; // by which half a loop may take a pixel elsewhere, for larger triangles
const FLAT_FREEDOM = 16; // of 255

/**
 * The fluid's sheet with a border of one pixel, and of each pixel of the box its layer, counted from 1.
 *
 * @param {Scene} scene
 * @param {FluidHeader} told
 */
export function sheetOf(scene, told) {
  const [x0, y0, x1, y1] = told.box;
  const [width, height] = [x1 - x0, y1 - y0];
  const layers = new Uint8Array(width * height);
  for (let layer = scene.header.layers - 1; layer >= 0; --layer) {
    const kinds = planeOf(scene, `kind.${layer}`);
    for (let y = 0; y < height; ++y) {
      for (let x = 0; x < width; ++x)
        if (kinds.values[(y + y0) * kinds.width + x + x0] & KINDS.moves) layers[y * width + x] = layer + 1;
    }
  }
  const flags = new Uint8Array((width + 2) * (height + 2));
  for (let y = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x) {
      const i = y * width + x;
      if (!layers[i]) continue;
      const right = x + 1 < width && layers[i + 1] ? RIGHT : 0;
      const below = y + 1 < height && layers[i + width] ? BELOW : 0;
      flags[(y + 1) * (width + 2) + x + 1] = HERE | OPAQUE | right | below;
    }
  }
  return { flags, layers };
}

/** @typedef {ReturnType<typeof sheetOf>} FluidSheet */

/**
 * @param {Scene} scene
 * @param {FluidHeader} told
 * @param {FluidSheet} sheet
 */
export function meshOfSheet(scene, told, { flags }) {
  return meshOf(flags, told.box[2] - told.box[0] + 2, LARGEST_PX, flatness(scene, told));
}

/**
 * Whether a square of the sheet drifts as two triangles do.
 *
 * @param {Scene} scene
 * @param {FluidHeader} told
 */
function flatness(scene, told) {
  const { values: step, width, height: rows } = planeOf(scene, "step");
  const free = planeOf(scene, "freedom").values;
  const plane = (width * rows) / 2;
  const tolerance = FLAT_PX / (told.stepUnit * 0.5 * scene.header.loop.frames);
  /** @param {number} at */
  const freedomAt = (at) => free[at];
  /** @param {number} at */
  const rightAt = (at) => step[at];
  /** @param {number} at */
  const downAt = (at) => step[plane + at];
  /** @param {number} pixel of the sheet with its border @param {number} size */
  return (pixel, size) => {
    const at = (Math.floor(pixel / (width + 2)) - 1) * width + (pixel % (width + 2)) - 1;
    return (
      isLinear(freedomAt, at, size, width, FLAT_FREEDOM) &&
      isLinear(rightAt, at, size, width, tolerance) &&
      isLinear(downAt, at, size, width, tolerance)
    );
  };
}

/**
 * Vertices of four numbers (pixel of the box along x and y, counted from 1; bits; 0), and from which of the starts each comes.
 *
 * @param {FluidSheet} sheet
 * @param {import("./mesh.js").Mesh} mesh
 * @param {number} width of the box
 */
export function listTriangles({ flags }, { pixels, triangles, cuts }, width) {
  const padded = width + 2;
  const count = pixels.length + 2 * cuts.length;
  const vertices = new Uint16Array(4 * count);
  const startOf = new Uint32Array(count);
  const known = new Int32Array(flags.length).fill(-1);
  const starts = new Int32Array(count);
  const neighboured = new Uint8Array(count);
  let [at, total] = [0, 0];
  /** @param {number} pixel @param {number} source @param {number} bits */
  const put = (pixel, source, bits) => {
    if (known[source] < 0) {
      known[source] = total;
      starts[total] = (Math.floor(source / padded) - 1) * width + (source % padded) - 1;
      neighboured[total] = (flags[source] & RIGHT ? 1 : 0) | (flags[source] & BELOW ? 2 : 0);
      ++total;
    }
    startOf[at] = known[source];
    const x = pixel % padded;
    vertices[4 * at] = x;
    vertices[4 * at + 1] = (pixel - x) / padded;
    vertices[4 * at + 2] = bits;
    ++at;
  };
  for (const pixel of pixels) put(pixel, pixel, 0);
  const edges = new Uint32Array(3 * cuts.length);
  for (let k = 0; k < cuts.length; k += 2) {
    const cell = cuts[k];
    const corners = cuts[k + 1];
    for (let n = 0; n < 6; ++n) edges[3 * k + n] = at + SQUARE[n];
    for (let corner = 0; corner < 4; ++corner) {
      const source = SOURCES[corners][corner];
      put(
        cell + (corner & 1) + (corner >> 1) * padded,
        cell + (source & 1) + (source >> 1) * padded,
        corner | (corners << 2),
      );
    }
  }
  const all = new Uint32Array(triangles.length + edges.length);
  all.set(triangles);
  all.set(edges, triangles.length);
  return {
    vertices,
    triangles: all,
    starts: starts.slice(0, total),
    startOf,
    neighboured: neighboured.slice(0, total),
  };
}

/**
 * Disparity of the fluid's surface, continued over its box.
 *
 * @param {Scene} scene
 * @param {FluidSheet} sheet
 * @param {number} width of the box
 */
export function surfaceOf(scene, { layers }, width) {
  const { header } = scene;
  const [x0, y0] = /** @type {FluidHeader} */ (header.fluid).box;
  const values = new Float32Array(layers.length);
  const levels = Array.from({ length: header.layers }, (_, layer) => planeOf(scene, `disp.${layer}`));
  for (let i = 0; i < layers.length; ++i) {
    if (!layers[i]) continue;
    const plane = levels[layers[i] - 1];
    const x = i % width;
    const level = plane.values[((i - x) / width + y0) * plane.width + x + x0];
    values[i] = 2 ** (level / header.octave - header.dispOffset);
  }
  const last = values.length - 1;
  /** @param {number} i @param {number} step back to what was seen before */
  const carry = (i, step) => {
    if (values[i] === 0) values[i] = values[i + step] || values[i + step * width] || 0;
  };
  for (let i = 0; i <= last; ++i) carry(i, -1);
  for (let i = last; i >= 0; --i) carry(i, 1);
  return values;
}

/**
 * Where the fluid exists, and how freely it moves: pairs of bytes.
 *
 * @param {Scene} scene
 * @param {FluidSheet} sheet
 */
export function existenceOf(scene, { layers }) {
  const freedom = planeOf(scene, "freedom").values;
  const pairs = new Uint8Array(2 * layers.length);
  for (let i = 0; i < layers.length; ++i) {
    pairs[2 * i] = layers[i] ? 255 : 0;
    pairs[2 * i + 1] = freedom[i];
  }
  return pairs;
}

/**
 * The colours of the fluid's fringe without what rests beside it, times whether there is one: bytes of RGBA.
 *
 * @param {Scene} scene
 * @param {FluidHeader} told
 * @param {number} width
 * @param {number} height
 */
export function cleanOf(scene, told, width, height) {
  const colours = new Uint8Array(4 * width * height);
  const [x0, y0] = told.box;
  const clean = planeOf(scene, "clean");
  let fringe = 0;
  for (let layer = 0; layer < scene.header.layers; ++layer) {
    const kinds = planeOf(scene, `kind.${layer}`);
    for (let i = 0; i < kinds.values.length; ++i) {
      if (!(kinds.values[i] & KINDS.moves && kinds.values[i] & KINDS.fringe)) continue;
      const x = (i % kinds.width) - x0;
      const y = Math.floor(i / kinds.width) - y0;
      for (let c = 0; c < 3; ++c) {
        const value = clean.values[c * clean.width + fringe] * told.cleanUnit;
        colours[4 * (y * width + x) + c] = Math.round(255 * Math.min(Math.max(value, 0), 1));
      }
      colours[4 * (y * width + x) + 3] = 255;
      ++fringe;
    }
  }
  return colours;
}
