// The ways of a fluid's points over a loop: integrate_flow's Euler steps, kept for some moments.

import { planeOf } from "./scene.js";

const MOST_MOMENTS = 60; // beside the start, as in render/drift.py
const MOST_BYTES = 64 << 20; // of all moments; with fewer of them, ways go straight for longer
export const RECORD = 6; // 16-bit numbers of a point at a moment: offset forward, backward; 1 / stretch of both

/**
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {{stride: number, moments: number}} Moments
 */

/**
 * @param {number} frames of the loop
 * @param {number} bytes of a moment
 * @returns {Moments} frames from one kept moment to the next, and how many are kept, 0 and the loop's end among them
 */
export function momentsOf(frames, bytes) {
  const most = Math.min(Math.max(Math.floor(MOST_BYTES / bytes) - 1, 1), MOST_MOMENTS);
  const stride = Math.ceil(frames / most);
  return { stride, moments: Math.ceil(frames / stride) + 1 };
}

/**
 * Follows the flow from pixels' centres, and tells of each moment as it is reached; the page may have its turn in between.
 *
 * @param {Scene} scene
 * @param {Int32Array} starts pixels of the fluid's box
 * @param {Uint8Array} neighboured bits for each: the pixel to the right drifts, too; the one below does
 * @param {Moments} kept
 * @param {(moment: number, records: Int16Array) => void} reached
 */
export function* follow(scene, starts, neighboured, { stride, moments }, reached) {
  const { header } = scene;
  const { fluid } = header;
  if (!fluid) return;
  const flow = new Flow(scene, fluid);
  const count = starts.length;
  // Of each point and direction: itself, the one to its right, the one below.
  const places = new Float32Array(12 * count);
  for (let k = 0; k < count; ++k) {
    const x = (starts[k] % flow.width) + 0.5;
    const y = Math.floor(starts[k] / flow.width) + 0.5;
    for (let n = 0; n < 6; ++n) {
      places[12 * k + 2 * n] = x + (n % 3 === 1 ? 1 : 0);
      places[12 * k + 2 * n + 1] = y + (n % 3 === 2 ? 1 : 0);
    }
  }
  const rest = places.slice();
  let done = 0;
  for (let moment = 1; moment < moments; ++moment) {
    const until = Math.min(moment * stride, header.loop.frames);
    for (; done < until; ++done) {
      for (let k = 0; k < count; ++k) {
        const both = neighboured[k] === 3 ? 3 : 1;
        for (let n = 0; n < both; ++n) {
          flow.step(places, 12 * k + 2 * n, 1);
          flow.step(places, 12 * k + 6 + 2 * n, -1);
        }
        if ((k & 4095) === 4095) yield;
      }
    }
    reached(moment, recordsOf(places, rest, neighboured, fluid.offsetUnit));
    yield;
  }
}

/**
 * @param {Float32Array} places
 * @param {Float32Array} rest where they started
 * @param {Uint8Array} neighboured
 * @param {number} unit px
 */
function recordsOf(places, rest, neighboured, unit) {
  const records = new Int16Array(RECORD * neighboured.length);
  for (let k = 0; k < neighboured.length; ++k) {
    for (let side = 0; side < 2; ++side) {
      const at = 12 * k + 6 * side;
      for (let axis = 0; axis < 2; ++axis) {
        const units = Math.round((places[at + axis] - rest[at + axis]) / unit);
        records[RECORD * k + 2 * side + axis] = Math.min(Math.max(units, -32767), 32767);
      }
      let stretch2 = 1;
      for (let n = 1; n < 3 && neighboured[k] === 3; ++n) {
        const [dx, dy] = [places[at + 2 * n] - places[at], places[at + 2 * n + 1] - places[at + 1]];
        stretch2 = Math.max(stretch2, dx * dx + dy * dy);
      }
      records[RECORD * k + 4 + side] = Math.round(32767 / stretch2);
    }
  }
  return records;
}

class Flow {
  /** @param {Scene} scene @param {import("./scene.js").FluidHeader} told */
  constructor(scene, told) {
    const { photo } = scene.header;
    const { values, width, height } = planeOf(scene, "step");
    this.width = width;
    this.height = height / 2;
    this.values = new Float32Array(values);
    for (let i = 0; i < values.length; ++i) this.values[i] *= told.stepUnit;
    // Of the canvas, in px of the box.
    this.left = -told.box[0];
    this.top = -told.box[1];
    this.right = photo.width + 2 * photo.margin - told.box[0];
    this.bottom = photo.height + 2 * photo.margin - told.box[1];
  }

  /**
   * An Euler step of the place at `k`. A path that leaves the canvas stays where it left.
   *
   * @param {Float32Array} places
   * @param {number} k
   * @param {number} direction
   */
  step(places, k, direction) {
    const px = places[k];
    const py = places[k + 1];
    if (px < this.left || px > this.right || py < this.top || py > this.bottom) return;
    const { width, height, values } = this;
    const x = Math.min(Math.max(px - 0.5, 0), width - 1);
    const y = Math.min(Math.max(py - 0.5, 0), height - 1);
    const x0 = Math.floor(x);
    const y0 = Math.floor(y);
    const u = x - x0;
    const v = y - y0;
    const a = y0 * width + x0;
    const b = a + (x0 < width - 1 ? 1 : 0);
    const down = y0 < height - 1 ? width : 0;
    const wa = (1 - u) * (1 - v);
    const wb = u * (1 - v);
    const wc = (1 - u) * v;
    const wd = u * v;
    for (let axis = 0, at = 0; axis < 2; ++axis, at += width * height) {
      const step = wa * values[at + a] + wb * values[at + b] + wc * values[at + a + down] + wd * values[at + b + down];
      places[k + axis] += direction * step;
    }
  }
}
