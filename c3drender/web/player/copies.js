// What a fluid's pixels show if they drift by whole loops (render/phase.py): made once, from the fluid's picture.

import { everywhere } from "./gl.js";
import { planeOf } from "./scene.js";

/**
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {import("./scene.js").CopiesHeader} CopiesHeader
 * @typedef {import("./gl.js").Device} Device
 * @typedef {import("./gl.js").Texture} Texture
 */

const WIDE = everywhere("even.glsl", "around.glsl", "wide.frag");
const RANGE = everywhere("range.frag");
const COPIES = everywhere("even.glsl", "around.glsl", "copies.frag");
export const COPIES_SHADERS = [WIDE, RANGE, COPIES];

export class Copies {
  /**
   * @param {Device} device
   * @param {Scene} scene
   * @param {CopiesHeader} told
   * @param {Texture} bare the fluid's picture
   * @param {Texture} free
   */
  constructor(device, scene, told, bare, free) {
    const { gl } = device;
    this.device = device;
    this.scene = scene;
    this.told = told;
    this.sources = { bare, free };
    const { units, even } = told;
    const wide = planeOf(scene, "wide");
    const size = wide.width * wide.height;
    const [colours, nature] = [new Float32Array(4 * size), new Float32Array(4 * size)];
    const [tint, deviation, skew, dense] = ["tint", "deviation", "skew", "dense"].map(
      (name) => planeOf(scene, name).values,
    );
    for (let i = 0; i < size; ++i) {
      for (let c = 0; c < 3; ++c) colours[4 * i + c] = tint[c * size + i] * units.tint;
      colours[4 * i + 3] = wide.values[i] * units.wide;
      nature[4 * i] = deviation[i] * units.deviation;
      nature[4 * i + 1] = skew[i] * units.skew;
      nature[4 * i + 2] = dense[i] * units.dense;
    }
    /** @param {Float32Array} values */
    const filled = (values) =>
      device.texture(gl.RGBA16F, wide.width, wide.height, { linear: true }).fill(gl.RGBA, gl.FLOAT, values);
    this.behind = device.texture(gl.RGBA8, bare.width, bare.height, { linear: true });
    this.ahead = device.texture(gl.RGBA8, bare.width, bare.height, { linear: true });
    this.uniforms = {
      copiesBehind: this.behind,
      copiesAhead: this.ahead,
      around: filled(colours),
      nature: filled(nature),
      aroundScale: [1 / (told.scale * wide.width), 1 / (told.scale * wide.height)],
      leastOf: [even.leastSkew, even.leastBelow],
    };
  }

  make() {
    const { device, told, sources, uniforms } = this;
    const { gl } = device;
    const { width, height } = sources.bare;
    const { range, leastContrast, room, loneSkew } = told.even;
    const wide = device.texture(gl.RG8, width, height);
    const ends = device.texture(gl.RG8, width, height);
    device.drawTo(device.target(wide));
    device.fullScreen(WIDE, { ...sources, ...uniforms });
    device.drawTo(device.target(ends));
    device.fullScreen(RANGE, { wide, range });
    device.drawTo(device.target(this.behind, undefined, this.ahead));
    device.fullScreen(COPIES, {
      ...uniforms,
      wide,
      ends,
      ways: this.waysOf(),
      waysSpacing: told.ways.scale,
      waysUnit: told.ways.unit,
      leastExistence: told.leastExistence,
      leastContrast,
      room: [room, loneSkew],
      range,
    });
  }

  /** From where the copies are taken, how far from each pixel, and how like it they are: those ahead, those behind. */
  waysOf() {
    const { device, scene, told } = this;
    const { gl } = device;
    const [ways, likeness] = [planeOf(scene, "ways").values, planeOf(scene, "likeness")];
    const count = 2 * told.reach;
    const [width, height] = [likeness.width, likeness.height / count];
    const texture = device.texture(gl.RGBA16I, width, height, { layers: count });
    const size = width * height;
    for (let k = 0; k < count; ++k) {
      const values = new Int16Array(4 * size);
      for (let i = 0; i < size; ++i) {
        values[4 * i] = ways[2 * k * size + i];
        values[4 * i + 1] = ways[(2 * k + 1) * size + i];
        values[4 * i + 2] = likeness.values[k * size + i];
      }
      texture.fill(gl.RGBA_INTEGER, gl.SHORT, values, k);
    }
    return texture;
  }
}
