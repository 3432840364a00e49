// Draws a scene as c3drender.render does: what rests, the fluid's two sides over it, blended, and the edges over both.

import { Fluid, fluidShaders } from "./fluid.js";
import { Device, Programs, everywhere } from "./gl.js";
import { momentAt } from "./loop.js";
import { planeOf } from "./scene.js";
import { SHADERS } from "./shaders.js";
import { Still, stillShaders } from "./still.js";

/**
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {import("./gl.js").Texture} Texture
 * @typedef {{pose: ArrayLike<number>, zoom: number}} View pose: world_to_cam, 3 rows of 4
 */

const COMPOSE = everywhere("compose.frag");
const [COPY, REDUCE, ENLARGE] = ["copy", "reduce", "enlarge"].map((name) => everywhere("fit.glsl", `${name}.frag`));

/**
 * A context's programs. The browser makes those of a scene beside; they are asked for when all else is there.
 *
 * @param {WebGL2RenderingContext} gl
 */
export const programsOf = (gl) => new Programs(gl, SHADERS);

/**
 * The shaders of the first frame, and those of the motion.
 *
 * @param {{fluid?: {copies?: unknown}, harmonics?: unknown}} header of a scene
 */
export function shadersOf(header) {
  const { solid, cuts } = stillShaders(header);
  const { first, later } = header.fluid ? fluidShaders(header.fluid) : { first: [], later: [] };
  return { first: [solid, ...first, COMPOSE, cuts, COPY, REDUCE, ENLARGE], later };
}

export class Renderer {
  /**
   * @param {Programs} programs
   * @param {Scene} scene
   */
  constructor(programs, scene) {
    const { gl } = programs;
    this.gl = gl;
    this.header = scene.header;
    this.device = new Device(programs);
    programs.finish(shadersOf(this.header).first); // now: later the browser would answer after all that it has to do
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
    const layers = makeLayers(this.device, scene);
    this.still = new Still(this.device, scene);
    this.fluid = this.header.fluid ? new Fluid(this.device, scene, this.header.fluid, layers.colours) : null;
    const { photo, lens } = this.header;
    this.uniforms = {
      ...layers,
      photo: [photo.width, photo.height],
      canvas: [photo.width + 2 * photo.margin, photo.height + 2 * photo.margin],
      lens: [lens.fx, lens.fy, lens.cx + photo.margin, lens.cy + photo.margin],
      nearest: this.header.nearest,
      sharpness: this.header.sharpness,
      dispLevels: [this.header.octave, this.header.dispOffset],
    };
    this.targets = this.makeTargets();
    this.follows = this.fluid?.follow();
  }

  /**
   * Follows the fluid over its loop. The frame at rest needs none of it.
   *
   * @param {number} [mostMs] after which it is left for the next call
   * @returns {boolean} whether all is done
   */
  trace(mostMs = Infinity) {
    const end = performance.now() + mostMs;
    while (this.follows && !this.follows.next().done) if (performance.now() > end) return false;
    return true;
  }

  makeTargets() {
    const { gl, device } = this;
    const { width, height } = this.header.photo;
    const depth = gl.createRenderbuffer();
    gl.bindRenderbuffer(gl.RENDERBUFFER, depth);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.DEPTH_COMPONENT24, width, height);
    device.frees.push(() => gl.deleteRenderbuffer(depth));
    const levels = Math.floor(Math.log2(Math.max(width, height))) + 1;
    const textures = {
      still: device.texture(gl.RGBA8, width, height),
      forward: device.texture(gl.RGBA8, this.fluid ? width : 1, this.fluid ? height : 1),
      backward: device.texture(gl.RGBA8, this.fluid ? width : 1, this.fluid ? height : 1),
      frame: device.texture(gl.RGBA8, width, height, { linear: true, levels }),
    };
    return {
      textures,
      still: device.target(textures.still, depth),
      sides: [textures.forward, textures.backward].map((side) => device.target(side, this.fluid ? depth : undefined)),
      frame: device.target(textures.frame, depth),
    };
  }

  /**
   * Renders a frame, of the photo's size.
   *
   * @param {View} view
   * @param {number} frame of the motion's loop, any number
   */
  draw(view, frame) {
    const { gl, device, still, fluid, targets } = this;
    const { lens } = this.header;
    const moment = momentAt(this.header, frame);
    const uniforms = {
      ...this.uniforms,
      view: view.pose,
      seen: [lens.fx * view.zoom, lens.fy * view.zoom, lens.cx, lens.cy],
      loopT: moment.loopT,
    };
    gl.enable(gl.DEPTH_TEST);
    device.drawTo(targets.still);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    still.drawSolid(uniforms);
    const sides = fluid ? (moment.twoSided ? 2 : 1) : 0;
    fluid?.prepare(moment);
    targets.sides.forEach((target, side) => {
      if (!fluid) return;
      device.drawTo(target);
      gl.clear(gl.COLOR_BUFFER_BIT);
      if (side < sides) fluid.draw(side === 0 ? 0 : 1, moment, uniforms);
    });
    gl.disable(gl.DEPTH_TEST);
    device.drawTo(targets.frame);
    const { still: rests, forward, backward } = targets.textures;
    device.fullScreen(COMPOSE, {
      still: rests,
      forward,
      backward,
      share: sides === 2 ? moment.share : 0,
      flows: sides > 0,
    });
    gl.enable(gl.DEPTH_TEST);
    still.drawCuts(uniforms);
    gl.disable(gl.DEPTH_TEST);
  }

  /**
   * Shows the last frame on the context's canvas.
   *
   * @param {"contain" | "cover" | "fill"} fit
   */
  show(fit) {
    const { gl, device, header } = this;
    const { frame } = this.targets.textures;
    const { width, height } = header.photo;
    const [shown, tall] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
    const scales = [width / shown, height / tall];
    const scale = fit === "cover" ? Math.min(...scales) : Math.max(...scales);
    const [sx, sy] = fit === "fill" ? scales : [scale, scale];
    const most = Math.max(sx, sy);
    const copies = sx === 1 && sy === 1;
    if (most > 1) {
      gl.bindTexture(gl.TEXTURE_2D, frame.id);
      gl.generateMipmap(gl.TEXTURE_2D);
    }
    device.drawTo({ framebuffer: null, width: shown, height: tall });
    device.fullScreen(copies ? COPY : most < 1 ? ENLARGE : REDUCE, {
      frame,
      fit: [sx, -sy, (width - sx * shown) / 2, (height + sy * tall) / 2],
    });
  }

  /** What a frame costs the GPU: vertices and triangles, both sides of the fluid counted, and cells at edges, of a pixel each. */
  get work() {
    const { still, fluid } = this;
    return {
      vertices: still.vertices + 2 * (fluid?.startOf.length ?? 0),
      triangles: (still.counts[0] + still.counts[1] + 2 * (fluid?.count ?? 0)) / 3,
      cuts: still.counts[1] / 6,
    };
  }

  /** @returns {Uint8Array} the last frame, RGBA from the top row on; A is 0 where nothing could be drawn */
  read() {
    const { gl } = this;
    const { width, height } = this.header.photo;
    const pixels = new Uint8Array(4 * width * height);
    this.device.drawTo(this.targets.frame);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    return pixels;
  }

  free() {
    this.device.free();
  }
}

/**
 * The layers' colours, and their shares of their pixels.
 *
 * @param {Device} device
 * @param {Scene} scene
 */
function makeLayers(device, scene) {
  const { gl } = device;
  const { photo, layers } = scene.header;
  const [width, height] = [photo.width + 2 * photo.margin, photo.height + 2 * photo.margin];
  const most = gl.getParameter(gl.MAX_TEXTURE_SIZE);
  if (Math.max(width, height) > most)
    throw new Error(`WebGL: textures of ${width} x ${height} px needed, ${most} allowed`);
  const colours = device.texture(gl.RGBA8, width, height, { layers, linear: true });
  const covers = device.texture(gl.R8, width, height, { layers });
  for (let layer = 0; layer < layers; ++layer) {
    const picture = scene.pictures.get(`colour.${layer}`);
    if (!picture) throw new Error(`scene: expected the picture colour.${layer}, got none`);
    colours.fill(gl.RGBA, gl.UNSIGNED_BYTE, picture, layer);
    covers.fill(gl.RED, gl.UNSIGNED_BYTE, planeOf(scene, `alpha.${layer}`).values, layer);
  }
  return { colours, covers };
}
