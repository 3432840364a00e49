// Draws a scene as c3drender.render does: points into a table of hits, and each pixel composites those around it.
//
// A table of hits has a texel for every pixel of the photo, in five slots: layer 0, soft edges, what is hidden, and the
// fluid's two sides. In a slot the nearest point of a pixel stays.

import { gainsAt, momentAt } from "./loop.js";
import { SHADERS } from "./shaders.js";
import { Texture, makeProgram, makeVertexArray, use } from "./gl.js";

/**
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {import("./scene.js").FluidHeader} FluidHeader
 * @typedef {import("./gl.js").Program} Program
 * @typedef {{pose: ArrayLike<number>, zoom: number}} View pose: world_to_cam, 3 rows of 4
 * @typedef {{slot: [number, number], shader: string, first: number, count: number}} Range
 */

const KINDS = { rests: 1, sways: 2, moves: 4, thin: 8, below: 16, fringe: 32 };
const ROLES = { still: 0, bed: 1, below: 2 };
/** @type {[number, number][]} */
const SLOTS = [
  [0, 0],
  [1, 0],
  [0, 1],
  [1, 1],
  [0, 2],
];
const SLOT = { front: 0, soft: 1, hidden: 2, forward: 3, backward: 4 };
const BORDER = 5; // px of a slot around the photo, as in splat.glsl
const BLOCK = 8; // px, as in gather.frag
const STORED_BYTES = 48 << 20; // most that the ways of a fluid may take

export class Renderer {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {Scene} scene
   */
  constructor(gl, scene) {
    this.gl = gl;
    this.header = scene.header;
    const { photo, lens, layers } = this.header;
    this.canvasSize = [photo.width + 2 * photo.margin, photo.height + 2 * photo.margin];
    this.canvasLens = [lens.fx, lens.fy, lens.cx + photo.margin, lens.cy + photo.margin];
    this.framebuffer = gl.createFramebuffer();
    /** @type {Record<string, Program>} */
    this.programs = {};
    const [width, height] = this.canvasSize;
    const colours = new Texture(gl, gl.RGBA8, width, height, { layers });
    const geometry = new Texture(gl, gl.RG16UI, width, height, { layers });
    const both = new Uint16Array(2 * width * height);
    for (let layer = 0; layer < layers; ++layer) {
      colours.fill(gl.RGBA, gl.UNSIGNED_BYTE, this.picture(scene, `colour.${layer}`), layer);
      const [disp, alpha, beside] = ["disp", "alpha", "beside"].map((name) => plane(scene, `${name}.${layer}`).values);
      for (let i = 0; i < disp.length; ++i) {
        both[2 * i] = disp[i];
        both[2 * i + 1] = alpha[i] | (beside[i] << 8);
      }
      geometry.fill(gl.RG_INTEGER, gl.UNSIGNED_SHORT, both, layer);
    }
    this.layers = {
      colours,
      geometry,
      dispLevels: [this.header.octave, this.header.dispOffset],
      lens: this.canvasLens,
      radiusPx: this.header.rules.radius_px,
    };
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
    this.still = this.makeStill(scene);
    this.fluid = this.header.fluid ? this.makeFluid(scene, this.header.fluid) : null;
    colours.free();
    geometry.free();
    this.targets = this.makeTargets();
  }

  /**
   * @param {Scene} scene
   * @param {string} name
   */
  picture(scene, name) {
    const found = scene.pictures.get(name);
    if (!found) throw new Error(`scene: expected the picture ${name}, got none`);
    return found;
  }

  /**
   * @param {string} vertex
   * @param {string} fragment
   * @param {string[]} [captured]
   */
  program(vertex, fragment, captured) {
    const name = `${vertex} ${fragment}`;
    const lifts = vertex.startsWith("lift_") ? [SHADERS["lift.glsl"]] : [];
    const splats = vertex.startsWith("splat_") ? [SHADERS["splat.glsl"]] : [];
    if (fragment === "spread.frag") splats.push(SHADERS["spread.glsl"]);
    this.programs[name] ??= makeProgram(
      this.gl,
      [SHADERS["common.glsl"], ...lifts, ...splats, SHADERS[vertex]],
      [SHADERS["common.glsl"], SHADERS[fragment]],
      captured,
    );
    return this.programs[name];
  }

  /**
   * Runs a vertex shader over points, once, into a buffer.
   *
   * @param {string} shader
   * @param {string[]} captured
   * @param {WebGLVertexArrayObject} points
   * @param {number} count
   * @param {number} bytes of a point
   * @param {Record<string, any>} uniforms
   */
  lift(shader, captured, points, count, bytes, uniforms) {
    const { gl } = this;
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, Math.max(bytes * count, bytes), gl.STATIC_DRAW);
    gl.bindBuffer(gl.ARRAY_BUFFER, null);
    if (count === 0) return buffer;
    use(gl, this.program(shader, "nothing.frag", captured), { ...this.layers, ...uniforms });
    gl.bindVertexArray(points);
    gl.bindBufferBase(gl.TRANSFORM_FEEDBACK_BUFFER, 0, buffer);
    gl.enable(gl.RASTERIZER_DISCARD);
    gl.beginTransformFeedback(gl.POINTS);
    gl.drawArrays(gl.POINTS, 0, count);
    gl.endTransformFeedback();
    gl.disable(gl.RASTERIZER_DISCARD);
    gl.bindBufferBase(gl.TRANSFORM_FEEDBACK_BUFFER, 0, null);
    gl.bindVertexArray(null);
    return buffer;
  }

  /** @param {Scene} scene */
  makeStill(scene) {
    const { gl, header } = this;
    const { places, ranges } = listStill(scene, this.canvasSize[0]);
    const placeBuffer = makeBuffer(gl, places);
    const points = makeVertexArray(gl, [{ buffer: placeBuffer, parts: [[4, gl.UNSIGNED_SHORT]] }]);
    const fluid = header.fluid;
    const settled = fluid ? boxTexture(gl, fluid, plane(scene, "settled").values) : emptyTexture(gl);
    const lifted = this.lift("lift_still.vert", ["pointAt", "pointShows"], points, places.length / 4, 24, {
      settled,
      boxAt: fluid ? fluid.box.slice(0, 2) : [0, 0],
      bed: fluid ? [fluid.bed.depth, fluid.bed.radius] : [1, 1],
      leastConfidence: fluid ? fluid.leastConfidence : 1,
    });
    settled.free();
    gl.deleteVertexArray(points);
    /** @type {[number, number][]} */
    const parts = [
      [4, gl.FLOAT],
      [2, gl.UNSIGNED_INT],
    ];
    /** @type {[number, number][]} */
    const placed = [[4, gl.UNSIGNED_SHORT]];
    const array = makeVertexArray(gl, [
      { buffer: lifted, parts },
      { buffer: placeBuffer, parts: placed },
    ]);
    return { ranges, points: array, bend: this.makeHarmonics(scene) };
  }

  /**
   * What sways and ripples, as uniforms.
   *
   * @param {Scene} scene
   * @returns {Record<string, number | number[] | Texture>}
   */
  makeHarmonics(scene) {
    const { gl, header } = this;
    const told = header.harmonics;
    if (!told) return {};
    const [width, height] = this.canvasSize;
    const { values } = plane(scene, "harmonics");
    const layers = 2 * told.count;
    const harmonics = new Texture(gl, gl.RG16I, width, height, { layers });
    for (let layer = 0; layer < layers; ++layer) {
      harmonics.fill(gl.RG_INTEGER, gl.SHORT, interleaved(values, 2 * layer * width * height, width * height), layer);
    }
    return { harmonics, harmonicUnit: told.unit, focal: [header.lens.fx, header.lens.fy] };
  }

  /**
   * @param {Scene} scene
   * @param {FluidHeader} told
   */
  makeFluid(scene, told) {
    const { gl, header } = this;
    const [x0, y0, x1, y1] = told.box;
    const box = [x0, y0, x1 - x0, y1 - y0];
    const [width, height] = [box[2], box[3]];
    const { places, cleaned } = listFluid(scene, this.canvasSize[0]);
    const count = places.length / 4;
    const placeBuffer = makeBuffer(gl, places);
    /** @type {{buffer: WebGLBuffer, parts: [number, number][]}} */
    const placePart = { buffer: placeBuffer, parts: [[4, gl.UNSIGNED_SHORT]] };
    const bare = makeVertexArray(gl, [placePart, { buffer: makeBuffer(gl, cleaned), parts: [[4, gl.SHORT]] }]);
    const picture = this.picture(scene, "mean");
    const mean = new Texture(gl, gl.RGBA8, picture.width, picture.height, { linear: true });
    mean.fill(gl.RGBA, gl.UNSIGNED_BYTE, picture);
    const lifted = this.lift("lift_fluid.vert", ["pointShows", "pointDetail"], bare, count, 32, {
      mean,
      meanAt: [x0, y0, 1 / (told.meanScale * picture.width), 1 / (told.meanScale * picture.height)],
      cleanUnit: told.cleanUnit,
    });
    mean.free();
    gl.deleteVertexArray(bare);
    /** @type {[number, number][]} */
    const shown = [
      [4, gl.UNSIGNED_INT],
      [4, gl.UNSIGNED_INT],
    ];
    const points = makeVertexArray(gl, [placePart, { buffer: lifted, parts: shown }]);

    const freedom = boxTexture(gl, told, plane(scene, "freedom").values);
    const seeds = new Texture(gl, gl.RGBA32UI, width, height);
    seeds.drawTo(this.framebuffer);
    gl.clearBufferuiv(gl.COLOR, 0, [0, 0, 0, 0]);
    use(gl, this.program("surface_seed.vert", "texel.frag"), { ...this.layers, freedom, box });
    gl.bindVertexArray(points);
    gl.drawArrays(gl.POINTS, 0, count);
    gl.bindVertexArray(null);
    const surface = new Texture(gl, gl.RGBA32UI, width, height);
    surface.drawTo(this.framebuffer);
    this.fullScreen("surface_spread.frag", { seeds, freedom });
    seeds.free();
    freedom.free();

    const step = interleaved(plane(scene, "step").values, 0, width * height);
    const flow = new Texture(gl, gl.RG16I, width, height).fill(gl.RG_INTEGER, gl.SHORT, step);
    const { frames } = header.loop;
    const most = Math.max(Math.floor(STORED_BYTES / (8 * width * height)), 2);
    const stride = Math.max(Math.ceil(frames / (most - 1)), 6);
    const stored = Math.floor(frames / stride) + 1;
    const moments = new Texture(gl, gl.RGBA16I, width, height, { layers: stored });
    moments.drawTo(this.framebuffer, 0);
    gl.clearBufferiv(gl.COLOR, 0, [0, 0, 0, 0]);
    const units = [told.stepUnit, told.offsetUnit];
    const trace = { moments, flow, units, box, canvas: this.canvasSize };
    const gain = told.gain;
    const gains = gain ? new Texture(gl, gl.R32F, gain.shape[2], gain.shape[1]) : new Texture(gl, gl.R32F, 1, 1);
    if (!gain) gains.fill(gl.RED, gl.FLOAT, new Float32Array([1]));
    const levels = gain ? plane(scene, "gain").values : null;
    const offsets = new Texture(gl, gl.RGBA16I, width, height);
    return { told, box, count, points, surface, trace, stride, stored, traced: 0, gains, levels, offsets };
  }

  /** Stores the ways of the fluid. The frame at rest needs none. */
  trace() {
    const { gl, fluid } = this;
    if (!fluid) return;
    const { moments } = fluid.trace;
    // A layer of the texture that is read from cannot be drawn to: each moment goes by the offsets.
    for (; fluid.traced < fluid.stored - 1; ++fluid.traced) {
      const layer = fluid.traced;
      fluid.offsets.drawTo(this.framebuffer);
      this.fullScreen("trace.frag", { ...fluid.trace, moment: [layer, layer], steps: [fluid.stride, fluid.stride] });
      gl.bindTexture(moments.target, moments.id);
      gl.copyTexSubImage3D(moments.target, 0, 0, 0, layer + 1, 0, 0, moments.width, moments.height);
    }
  }

  makeTargets() {
    const { gl, header } = this;
    const { width, height } = header.photo;
    const size = [2 * (width + 2 * BORDER), 3 * (height + 2 * BORDER)];
    const most = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    if (Math.max(...size) > most) throw new Error(`WebGL: textures of ${size.join(" x ")} px needed, ${most} allowed`);
    const hits = new Texture(gl, gl.RGBA32UI, size[0], size[1]);
    const levels = Math.floor(Math.log2(Math.max(width, height))) + 1;
    const frame = new Texture(gl, gl.RGBA8, width, height, { linear: true, levels });
    const occupied = new Texture(gl, gl.R8UI, Math.ceil(width / BLOCK), Math.ceil(height / BLOCK));
    const hitsBuffer = gl.createFramebuffer();
    hits.drawTo(hitsBuffer);
    const depth = gl.createRenderbuffer();
    gl.bindRenderbuffer(gl.RENDERBUFFER, depth);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.DEPTH_COMPONENT24, size[0], size[1]);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.RENDERBUFFER, depth);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    return { hits, hitsBuffer, occupied, frame };
  }

  /**
   * @param {string} shader
   * @param {Record<string, any>} uniforms
   */
  fullScreen(shader, uniforms) {
    use(this.gl, this.program("screen.vert", shader), uniforms);
    this.gl.drawArrays(this.gl.TRIANGLES, 0, 3);
  }

  /**
   * Renders a frame, of the photo's size.
   *
   * @param {View} view
   * @param {number} frame of the motion's loop, any number
   */
  draw(view, frame) {
    const { gl, header, still, fluid } = this;
    const { hits, hitsBuffer, occupied } = this.targets;
    const { lens, photo, rules } = header;
    const moment = momentAt(header, frame);
    if (fluid) this.drift(moment);
    gl.bindFramebuffer(gl.FRAMEBUFFER, hitsBuffer);
    gl.viewport(0, 0, hits.width, hits.height);
    gl.clearBufferuiv(gl.COLOR, 0, [0, 0, 0, 0]);
    gl.clearBufferfv(gl.DEPTH, 0, [1]);
    gl.enable(gl.DEPTH_TEST);
    const camera = {
      view: view.pose,
      seen: [lens.fx * view.zoom, lens.fy * view.zoom, lens.cx, lens.cy],
      table: [photo.width, photo.height, hits.width, hits.height],
      nearest: header.nearest,
    };
    gl.bindVertexArray(still.points);
    for (const { slot, shader, first, count } of still.ranges) {
      const wide = shader === "splat_bed.vert";
      const program = this.program(shader, wide ? "spread.frag" : "texel.frag");
      use(gl, program, { ...camera, ...still.bend, loopT: moment.loopT, slot });
      gl.drawArrays(gl.POINTS, first, count);
    }
    if (fluid) {
      gl.bindVertexArray(fluid.points);
      const { told } = fluid;
      const drifted = {
        ...camera,
        offsets: fluid.offsets,
        surface: fluid.surface,
        gains: fluid.gains,
        box: fluid.box,
        canvas: this.canvasSize,
        lens: this.canvasLens,
        offsetUnit: told.offsetUnit,
        rules: [rules.radius_px, rules.max_stretch_px, rules.least_existence, told.fringe],
        leastConfidence: told.leastConfidence,
        detailed: moment.detailed,
        gainSpacing: told.gain ? told.gain.spacing : 1,
        waves: told.waves.flat(),
      };
      for (let side = 0; side < (moment.twoSided ? 2 : 1); ++side) {
        const own = { side, slot: SLOTS[SLOT.forward + side], fade: moment.fades[side] };
        use(gl, this.program("splat_fluid.vert", "spread.frag"), { ...drifted, ...own });
        gl.drawArrays(gl.POINTS, 0, fluid.count);
      }
    }
    gl.bindVertexArray(null);
    gl.disable(gl.DEPTH_TEST);
    const table = { hits, size: [photo.width, photo.height] };
    occupied.drawTo(this.framebuffer);
    this.fullScreen("occupied.frag", table);
    this.targets.frame.drawTo(this.framebuffer);
    this.fullScreen("gather.frag", {
      ...table,
      occupied,
      reach: 1 + rules.depth_tolerance,
      share: moment.share,
      twoSided: fluid !== null && moment.twoSided,
      sharpness: header.sharpness,
      leastAlpha: header.leastAlpha,
    });
  }

  /** @param {import("./loop.js").Moment} moment */
  drift(moment) {
    const { gl, fluid } = this;
    if (!fluid) return;
    const times = [moment.forward, moment.backward];
    const nearest = times.map((time) => Math.min(Math.floor(time / fluid.stride), fluid.stored - 1));
    fluid.offsets.drawTo(this.framebuffer);
    if (moment.twoSided) {
      const steps = times.map((time, k) => time - nearest[k] * fluid.stride);
      this.fullScreen("trace.frag", { ...fluid.trace, moment: nearest, steps });
    } else {
      gl.clearBufferiv(gl.COLOR, 0, [0, 0, 0, 0]);
    }
    if (fluid.told.gain && fluid.levels) {
      fluid.gains.fill(gl.RED, gl.FLOAT, gainsAt(fluid.told.gain, fluid.levels, moment.loopT));
    }
  }

  /**
   * Shows the last frame on the context's canvas.
   *
   * @param {"contain" | "cover" | "fill"} fit
   */
  show(fit) {
    const { gl, header } = this;
    const { width, height } = header.photo;
    const [shown, tall] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
    const scales = [width / shown, height / tall];
    const scale = fit === "cover" ? Math.min(...scales) : Math.max(...scales);
    const [sx, sy] = fit === "fill" ? scales : [scale, scale];
    if (Math.max(sx, sy) > 1) {
      gl.bindTexture(gl.TEXTURE_2D, this.targets.frame.id);
      gl.generateMipmap(gl.TEXTURE_2D);
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, shown, tall);
    this.fullScreen("show.frag", {
      frame: this.targets.frame,
      fit: [sx, -sy, (width - sx * shown) / 2, (height + sy * tall) / 2],
      enlarges: Math.max(sx, sy) < 1,
    });
  }

  /** @returns {Uint8Array} the last frame, RGBA from the top row on; A is 0 where nothing could be drawn */
  read() {
    const { gl } = this;
    const { width, height } = this.header.photo;
    const pixels = new Uint8Array(4 * width * height);
    this.targets.frame.drawTo(this.framebuffer);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    return pixels;
  }
}

/**
 * @param {Scene} scene
 * @param {string} name
 */
function plane(scene, name) {
  const found = scene.maps.get(name);
  if (!found) throw new Error(`scene: expected the map ${name}, got none`);
  return found;
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {ArrayBufferView<ArrayBuffer>} values
 */
function makeBuffer(gl, values) {
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
  return buffer;
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {FluidHeader} told
 * @param {ArrayBufferView} values 8 bits for each pixel of the fluid's box
 */
function boxTexture(gl, told, values) {
  const [x0, y0, x1, y1] = told.box;
  return new Texture(gl, gl.R8UI, x1 - x0, y1 - y0).fill(gl.RED_INTEGER, gl.UNSIGNED_BYTE, values);
}

/**
 * Planes of x and of y, one after the other, as pairs.
 *
 * @param {ArrayLike<number>} planes
 * @param {number} first
 * @param {number} count of each
 */
function interleaved(planes, first, count) {
  const pairs = new Int16Array(2 * count);
  for (let i = 0; i < count; ++i) {
    pairs[2 * i] = planes[first + i];
    pairs[2 * i + 1] = planes[first + count + i];
  }
  return pairs;
}

/** @param {WebGL2RenderingContext} gl */
function emptyTexture(gl) {
  return new Texture(gl, gl.R8UI, 1, 1).fill(gl.RED_INTEGER, gl.UNSIGNED_BYTE, new Uint8Array(1));
}

/**
 * The points that do not drift: for each slot those that rest and those that bend, and last the bed.
 *
 * @param {Scene} scene
 * @param {number} width of the canvas
 */
function listStill(scene, width) {
  const bed = 2 * SLOTS.length;
  const counts = new Uint32Array(bed + 1);
  /** @type {(list: number, i: number, layer: number, role: number) => void} */
  let put = (list) => {
    ++counts[list];
  };
  const walk = () => {
    for (let layer = 0; layer < scene.header.layers; ++layer) {
      const kinds = plane(scene, `kind.${layer}`).values;
      const alphas = plane(scene, `alpha.${layer}`).values;
      const opaque = layer === 0 ? SLOT.front : SLOT.hidden;
      for (let i = 0; i < kinds.length; ++i) {
        const kind = kinds[i];
        if (kind === 0) continue;
        const slot = alphas[i] < 255 ? SLOT.soft : opaque;
        if (kind & KINDS.rests) put(slot, i, layer, ROLES.still);
        if (kind & KINDS.sways) put(SLOTS.length + slot, i, layer, ROLES.still);
        if (kind & KINDS.below) put(SLOT.hidden, i, layer, ROLES.below);
        if (kind & KINDS.thin) put(bed, i, layer, ROLES.bed);
      }
    }
  };
  walk();
  const next = counts.map((_, list) => counts.subarray(0, list).reduce((sum, count) => sum + count, 0));
  /** @type {Range[]} */
  const ranges = Array.from(counts, (count, list) => ({
    slot: list === bed ? SLOTS[SLOT.hidden] : SLOTS[list % SLOTS.length],
    shader: list === bed ? "splat_bed.vert" : list < SLOTS.length ? "splat_still.vert" : "splat_bent.vert",
    first: next[list],
    count,
  })).filter(({ count }) => count > 0);
  const places = new Uint16Array(4 * counts.reduce((sum, count) => sum + count, 0));
  put = (list, i, layer, role) => {
    const at = 4 * next[list]++;
    const x = i % width;
    places[at] = x;
    places[at + 1] = (i - x) / width;
    places[at + 2] = layer;
    places[at + 3] = role;
  };
  walk();
  return { places, ranges };
}

/**
 * @param {Scene} scene
 * @param {number} width of the canvas
 */
function listFluid(scene, width) {
  let count = 0;
  for (let layer = 0; layer < scene.header.layers; ++layer) {
    for (const kind of plane(scene, `kind.${layer}`).values) if (kind & KINDS.moves) ++count;
  }
  const places = new Uint16Array(4 * count);
  const cleaned = new Int16Array(4 * count);
  const clean = plane(scene, "clean");
  let at = 0;
  let fringe = 0;
  for (let layer = 0; layer < scene.header.layers; ++layer) {
    const kinds = plane(scene, `kind.${layer}`).values;
    for (let i = 0; i < kinds.length; ++i) {
      if (!(kinds[i] & KINDS.moves)) continue;
      const x = i % width;
      places.set([x, (i - x) / width, layer, kinds[i]], at);
      if (kinds[i] & KINDS.fringe) {
        for (let c = 0; c < 3; ++c) cleaned[at + c] = clean.values[c * clean.width + fringe];
        cleaned[at + 3] = 1;
        ++fringe;
      }
      at += 4;
    }
  }
  return { places, cleaned };
}
