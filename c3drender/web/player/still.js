// What does not drift, as meshes: of each layer what rests and what sways, and the fluid's bed.

import { planeOf } from "./scene.js";
import { listTriangles } from "./still_mesh.js";

/**
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {import("./scene.js").Header} Header
 * @typedef {import("./gl.js").Device} Device
 * @typedef {import("./gl.js").Texture} Texture
 */

/** @param {{harmonics?: unknown}} header */
export function stillShaders({ harmonics }) {
  const vertex = ["project.glsl", harmonics ? "bend.glsl" : "unbent.glsl", "still.vert"];
  return { solid: { vertex, fragment: ["sample.glsl", "still.frag"] }, cuts: { vertex, fragment: ["cut.frag"] } };
}

export class Still {
  /**
   * @param {Device} device
   * @param {Scene} scene
   */
  constructor(device, scene) {
    const { gl } = device;
    const [vertices, solid, cut] = listTriangles(scene);
    this.device = device;
    this.counts = [solid.length, cut.length];
    this.vertices = vertices.length / 4;
    this.array = device.vertexArray();
    const buffer = device.buffer(vertices);
    const indices = device.buffer(join(solid, cut), gl.ELEMENT_ARRAY_BUFFER);
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, indices);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribIPointer(0, 4, gl.UNSIGNED_SHORT, 0, 0);
    gl.bindVertexArray(null);
    this.uniforms = { ...makeHarmonics(device, scene), ...makeBed(device, scene) };
    this.shaders = stillShaders(scene.header);
  }

  /**
   * What is whole and opaque.
   *
   * @param {Record<string, any>} uniforms
   */
  drawSolid(uniforms) {
    this.draw(this.shaders.solid, 0, this.counts[0], uniforms);
  }

  /**
   * Edges, far to near, over what is drawn.
   *
   * @param {Record<string, any>} uniforms
   */
  drawCuts(uniforms) {
    const { gl } = this.device;
    gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.depthMask(false);
    this.draw(this.shaders.cuts, this.counts[0], this.counts[1], uniforms);
    gl.depthMask(true);
    gl.disable(gl.BLEND);
  }

  /**
   * @param {import("./gl.js").Shaders} shaders
   * @param {number} first
   * @param {number} count
   * @param {Record<string, any>} uniforms
   */
  draw(shaders, first, count, uniforms) {
    if (count === 0) return;
    const { gl } = this.device;
    this.device.use(shaders, { ...uniforms, ...this.uniforms });
    gl.bindVertexArray(this.array);
    gl.drawElements(gl.TRIANGLES, count, gl.UNSIGNED_INT, 4 * first);
    gl.bindVertexArray(null);
  }
}

/** @param {Uint32Array} a @param {Uint32Array} b */
function join(a, b) {
  const both = new Uint32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/**
 * What sways and ripples.
 *
 * @param {Device} device
 * @param {Scene} scene
 * @returns {Record<string, any>}
 */
function makeHarmonics(device, scene) {
  const { gl } = device;
  const told = scene.header.harmonics;
  if (!told) return {};
  const { values, width, height: rows } = planeOf(scene, "harmonics");
  const height = rows / (4 * told.count);
  const harmonics = device.texture(gl.RG16I, width, height, { layers: 2 * told.count });
  const size = width * height;
  for (let layer = 0; layer < 2 * told.count; ++layer) {
    const pairs = new Int16Array(2 * size);
    for (let i = 0; i < size; ++i) {
      pairs[2 * i] = values[2 * layer * size + i];
      pairs[2 * i + 1] = values[(2 * layer + 1) * size + i];
    }
    harmonics.fill(gl.RG_INTEGER, gl.SHORT, pairs, layer);
  }
  return { harmonics, harmonicUnit: told.unit };
}

/**
 * With what confidence the bed speaks.
 *
 * @param {Device} device
 * @param {Scene} scene
 */
function makeBed(device, scene) {
  const { gl } = device;
  const { fluid } = scene.header;
  if (!fluid) {
    const settled = device.texture(gl.R8UI, 1, 1).fill(gl.RED_INTEGER, gl.UNSIGNED_BYTE, new Uint8Array(1));
    return { settled, boxAt: [0, 0], bedDepth: 1, leastConfidence: 1 };
  }
  const { values, width, height } = planeOf(scene, "settled");
  const settled = device.texture(gl.R8UI, width, height).fill(gl.RED_INTEGER, gl.UNSIGNED_BYTE, values);
  return {
    settled,
    boxAt: fluid.box.slice(0, 2),
    bedDepth: fluid.bed.depth,
    leastConfidence: fluid.leastConfidence,
  };
}
