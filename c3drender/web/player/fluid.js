// What drifts: the nearest layer's moving pixels as one sheet over their box of the canvas, carried by the flow.

import { COPIES_SHADERS, Copies } from "./copies.js";
import { copyWeights, gainsAt } from "./loop.js";
import { cleanOf, existenceOf, listTriangles, meshOfSheet, sheetOf, surfaceOf } from "./fluid_sheet.js";
import { everywhere } from "./gl.js";
import { planeOf } from "./scene.js";
import { RECORD, follow, momentsOf } from "./ways.js";

/**
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {import("./scene.js").FluidHeader} FluidHeader
 * @typedef {import("./gl.js").Device} Device
 * @typedef {import("./gl.js").Texture} Texture
 */

const NEARER = 0.99; // the backward side's depths, so that the forward side, on the same surface, does not hide it
const RECORD_BYTES = 2 * RECORD;
const SHEET = everywhere("fluid_sheet.frag");
const BARE = everywhere("fluid_bare.frag");
const ALONE = sideShaders(["carries_nothing.glsl"], ["no_copies.glsl"]);
const MIXED = sideShaders(["around.glsl", "carries.glsl"], ["even.glsl", "copies.glsl"]);

/** @param {string[]} carries @param {string[]} shown */
function sideShaders(carries, shown) {
  return { vertex: ["project.glsl", ...carries, "fluid.vert"], fragment: ["sample.glsl", ...shown, "fluid.frag"] };
}

/** Those of the first frame, and those of the motion. @param {{copies?: unknown}} told */
export const fluidShaders = ({ copies }) => ({
  first: [SHEET, BARE, ALONE],
  later: copies ? [...COPIES_SHADERS, MIXED] : [],
});

export class Fluid {
  /**
   * @param {Device} device
   * @param {Scene} scene
   * @param {FluidHeader} told
   * @param {Texture} colours of the layers
   */
  constructor(device, scene, told, colours) {
    const { gl } = device;
    const { header } = scene;
    const [x0, y0, x1, y1] = told.box;
    this.device = device;
    this.scene = scene;
    this.told = told;
    const sheet = sheetOf(scene, told);
    const mesh = meshOfSheet(scene, told, sheet);
    const { vertices, triangles, starts, startOf, neighboured } = listTriangles(sheet, mesh, x1 - x0);
    this.startOf = startOf;
    this.count = triangles.length;
    this.momentBytes = RECORD_BYTES * startOf.length;
    this.times = momentsOf(header.loop.frames, this.momentBytes);
    /** What is left to follow. */
    this.steps = follow(scene, starts, neighboured, this.times, (moment, records) => this.record(moment, records));
    this.array = device.vertexArray();
    const places = device.buffer(vertices);
    const indices = device.buffer(triangles, gl.ELEMENT_ARRAY_BUFFER);
    this.records = device.buffer(this.momentBytes * this.times.moments);
    this.record(0, restOf(starts.length));
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, indices);
    gl.bindBuffer(gl.ARRAY_BUFFER, places);
    for (let location = 0; location < 5; ++location) gl.enableVertexAttribArray(location);
    gl.vertexAttribIPointer(0, 4, gl.UNSIGNED_SHORT, 0, 0);
    gl.bindVertexArray(null);

    const [width, height] = [x1 - x0, y1 - y0];
    const layerMap = device.texture(gl.R8UI, width, height).fill(gl.RED_INTEGER, gl.UNSIGNED_BYTE, sheet.layers);
    const own = device.texture(gl.RGBA8, width, height, { linear: true });
    device.drawTo(device.target(own));
    device.fullScreen(SHEET, { colours, layers: layerMap, boxAt: [x0, y0] });
    const surface = device.texture(gl.R32F, width, height).fill(gl.RED, gl.FLOAT, surfaceOf(scene, sheet, width));
    const free = device.texture(gl.RG8, width, height, { linear: true });
    free.fill(gl.RG, gl.UNSIGNED_BYTE, existenceOf(scene, sheet));
    const clean = device.texture(gl.RGBA8, width, height);
    clean.fill(gl.RGBA, gl.UNSIGNED_BYTE, cleanOf(scene, told, width, height));
    const bare = device.texture(gl.RGBA8, width, height, { linear: true });
    device.drawTo(device.target(bare));
    device.fullScreen(BARE, { own, clean });
    const picture = scene.pictures.get("mean");
    if (!picture) throw new Error("scene: expected the picture mean, got none");
    const mean = device.texture(gl.RGBA8, picture.width, picture.height, { linear: true });
    mean.fill(gl.RGBA, gl.UNSIGNED_BYTE, picture);
    const { gain } = told;
    this.levels = gain ? planeOf(scene, "gain").values : null;
    this.gains = device.texture(gl.R16F, gain ? gain.shape[2] : 1, gain ? gain.shape[1] : 1, { linear: true });
    this.gains.fill(gl.RED, gl.FLOAT, new Float32Array(this.gains.width * this.gains.height).fill(1));
    const { rules } = header;
    this.uniforms = {
      own,
      surface,
      free,
      bare,
      mean,
      meanScale: [1 / (told.meanScale * picture.width), 1 / (told.meanScale * picture.height)],
      gains: this.gains,
      gainSpacing: gain ? gain.spacing : 1,
      box: [x0, y0, width, height],
      offsetUnit: told.offsetUnit,
      leastExistence: rules.least_existence - 0.5, // a disc covers half a pixel more than its centre may be out
      leastConfidence: told.leastConfidence,
      fringe: told.fringe,
      waves: told.waves.flat(),
    };
    this.copies = told.copies ? new Copies(device, scene, told.copies, bare, free) : null;
  }

  /** Follows the fluid over its loop; yields where the page may have its turn. */
  *follow() {
    yield* this.steps;
    this.copies?.make();
  }

  /** @param {number} moment @param {Int16Array} records of the starts */
  record(moment, records) {
    const { gl } = this.device;
    const own = new Int16Array(RECORD * this.startOf.length);
    for (let k = 0; k < this.startOf.length; ++k) {
      const from = RECORD * this.startOf[k];
      for (let n = 0; n < RECORD; ++n) own[RECORD * k + n] = records[from + n];
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.records);
    gl.bufferSubData(gl.ARRAY_BUFFER, moment * this.momentBytes, own);
  }

  /**
   * Draws one side of the loop.
   *
   * @param {0 | 1} side forward, or backward
   * @param {import("./loop.js").Moment} moment
   * @param {Record<string, any>} uniforms
   */
  draw(side, moment, uniforms) {
    const { gl } = this.device;
    const { stride, moments } = this.times;
    const frames = side === 0 ? moment.forward : moment.backward;
    const first = Math.min(Math.floor(frames / stride), moments - 2);
    const last = Math.min((first + 1) * stride, this.scene.header.loop.frames);
    const mixes = this.copies !== null && moment.twoSided;
    const weights = this.told.copies && mixes ? copyWeights(this.told.copies, moment.share, side) : [];
    this.device.use(mixes ? MIXED : ALONE, {
      ...this.uniforms,
      ...this.copies?.uniforms,
      ...uniforms,
      side,
      part: (frames - first * stride) / (last - first * stride),
      fade: moment.fades[side],
      detailed: moment.detailed,
      nearer: side === 0 ? 1 : NEARER,
      behind: weights.slice(0, 3),
      still: weights[3] ?? 1,
      ahead: weights.slice(4),
    });
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.records);
    [first, first + 1].forEach((moment, end) => {
      gl.vertexAttribIPointer(1 + 2 * end, 4, gl.SHORT, RECORD_BYTES, moment * this.momentBytes);
      gl.vertexAttribPointer(2 + 2 * end, 2, gl.SHORT, true, RECORD_BYTES, moment * this.momentBytes + 8);
    });
    gl.drawElements(gl.TRIANGLES, this.count, gl.UNSIGNED_INT, 0);
    gl.bindVertexArray(null);
  }

  /** @param {import("./loop.js").Moment} moment */
  prepare(moment) {
    const { gl } = this.device;
    if (this.told.gain && this.levels)
      this.gains.fill(gl.RED, gl.FLOAT, gainsAt(this.told.gain, this.levels, moment.loopT));
  }
}

/** @param {number} count */
function restOf(count) {
  const records = new Int16Array(RECORD * count);
  for (let k = 0; k < count; ++k) records.fill(32767, RECORD * k + 4, RECORD * k + 6);
  return records;
}
