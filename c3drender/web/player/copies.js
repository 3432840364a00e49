// What a fluid's pixels show if they drift by whole loops (render/phase.py): made once, when the fluid's ways are known.

import { planeOf } from "./scene.js";

/**
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {import("./scene.js").CopiesHeader} CopiesHeader
 * @typedef {import("./gl.js").Device} Device
 * @typedef {import("./gl.js").Texture} Texture
 */

export class Copies {
  /**
   * @param {Device} device
   * @param {Scene} scene
   * @param {CopiesHeader} told
   * @param {Texture} own the fluid's picture
   * @param {Texture} clean
   * @param {Texture} free
   */
  constructor(device, scene, told, own, clean, free) {
    const { gl } = device;
    this.device = device;
    this.scene = scene;
    this.told = told;
    this.sources = { own, clean, free };
    const wide = planeOf(scene, "wide");
    const size = wide.width * wide.height;
    const tint = planeOf(scene, "tint").values;
    const [contrast, dense] = ["contrast", "dense"].map((name) => planeOf(scene, name).values);
    const [colours, nature] = [new Float32Array(4 * size), new Float32Array(4 * size)];
    for (let i = 0; i < size; ++i) {
      for (let c = 0; c < 3; ++c) colours[4 * i + c] = tint[c * size + i] * told.units.tint;
      colours[4 * i + 3] = wide.values[i] * told.units.wide;
      nature[4 * i] = contrast[i] * told.units.contrast;
      nature[4 * i + 1] = dense[i] * told.units.dense;
    }
    /** @param {Float32Array} values */
    const filled = (values) =>
      device.texture(gl.RGBA16F, wide.width, wide.height, { linear: true }).fill(gl.RGBA, gl.FLOAT, values);
    this.nature = filled(nature);
    this.behind = device.texture(gl.RGBA8, own.width, own.height, { linear: true });
    this.ahead = device.texture(gl.RGBA8, own.width, own.height, { linear: true });
    this.uniforms = {
      copiesBehind: this.behind,
      copiesAhead: this.ahead,
      around: filled(colours),
      aroundScale: [1 / (told.scale * wide.width), 1 / (told.scale * wide.height)],
    };
  }

  /** @param {(uniforms: Record<string, any>) => void} drawLoop draws how far the fluid drifts over a loop */
  make(drawLoop) {
    const { device, told, sources } = this;
    const { gl } = device;
    const { fluid } = this.scene.header;
    if (!fluid) return;
    const [x0, y0, x1, y1] = fluid.box;
    const [width, height] = [x1 - x0, y1 - y0];
    const wide = device.texture(gl.RG8, width, height);
    const ends = device.texture(gl.RG8, width, height);
    const loops = device.texture(gl.RGBA16I, width, height);
    device.drawTo(device.target(wide));
    device.fullScreen(["wide.frag"], { ...sources, ...this.uniforms });
    device.drawTo(device.target(ends));
    device.fullScreen(["range.frag"], { wide, range: told.range });
    device.drawTo(device.target(loops));
    gl.clearBufferiv(gl.COLOR, 0, [0, 0, 0, 0]);
    drawLoop({ box: [x0, y0, width, height] });
    device.drawTo(device.target(this.behind, undefined, this.ahead));
    device.fullScreen(["copies.frag"], {
      wide,
      ends,
      loops,
      nature: this.nature,
      aroundScale: this.uniforms.aroundScale,
      offsetUnit: fluid.offsetUnit,
      rules: [told.leastExistence, told.leastContrast, told.mostStretch, told.range],
    });
  }
}
