// What WebGL2 needs around its calls.

/**
 * @typedef {{vertex: string[], fragment: string[]}} Shaders of a program: files that are put together
 * @typedef {Record<string, number | boolean | ArrayLike<number> | Texture>} Values of uniforms
 */

/** @param {string[]} fragment @returns {Shaders} that draw to every pixel of a target */
export const everywhere = (...fragment) => ({ vertex: ["screen.vert"], fragment });

/** A context's programs, each made once, for all scenes. */
export class Programs {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {Record<string, string>} sources shaders by the names of their files
   */
  constructor(gl, sources) {
    this.gl = gl;
    this.sources = sources;
    /** @type {Map<string, Program>} */
    this.made = new Map();
  }

  /** @param {Shaders[]} listed */
  start(listed) {
    for (const shaders of listed) this.compile(shaders);
  }

  /**
   * Waits until they are made.
   *
   * @param {Shaders[]} listed
   */
  finish(listed) {
    for (const shaders of listed) this.compile(shaders).finish();
  }

  /**
   * Has a program made, which the browser does beside: who asks nothing of it does not wait.
   *
   * @param {Shaders} shaders
   */
  compile({ vertex, fragment }) {
    const name = [...vertex, ...fragment].join(" ");
    let program = this.made.get(name);
    if (!program) {
      const [first, second] = [vertex, fragment].map((files) => files.map((file) => this.sources[file]));
      program = new Program(this.gl, [this.sources["common.glsl"], ...first], [this.sources["common.glsl"], ...second]);
      this.made.set(name, program);
    }
    return program;
  }
}

/** Textures and buffers of one scene, which are freed together. */
export class Device {
  /** @param {Programs} programs */
  constructor(programs) {
    this.gl = programs.gl;
    this.programs = programs;
    /** @type {(() => void)[]} */
    this.frees = [];
  }

  /**
   * Takes a program into use.
   *
   * @param {Shaders} shaders
   * @param {Values} uniforms
   */
  use(shaders, uniforms) {
    this.programs.compile(shaders).use(uniforms);
  }

  /**
   * @param {number} format sized, such as gl.R8UI
   * @param {number} width
   * @param {number} height
   * @param {{layers?: number, linear?: boolean, levels?: number}} [options]
   */
  texture(format, width, height, options) {
    const texture = new Texture(this.gl, format, width, height, options);
    this.frees.push(() => texture.free());
    return texture;
  }

  /**
   * @param {ArrayBufferView<ArrayBuffer> | number} values or how many bytes
   * @param {number} [target]
   */
  buffer(values, target = this.gl.ARRAY_BUFFER) {
    const { gl } = this;
    const buffer = gl.createBuffer();
    gl.bindVertexArray(null);
    gl.bindBuffer(target, buffer);
    if (typeof values === "number") gl.bufferData(target, values, gl.STATIC_DRAW);
    else gl.bufferData(target, values, gl.STATIC_DRAW);
    this.frees.push(() => gl.deleteBuffer(buffer));
    return buffer;
  }

  vertexArray() {
    const array = this.gl.createVertexArray();
    this.frees.push(() => this.gl.deleteVertexArray(array));
    return array;
  }

  /**
   * What is drawn to.
   *
   * @param {Texture} texture
   * @param {WebGLRenderbuffer} [depth]
   * @param {Texture} [second]
   */
  target(texture, depth, second) {
    const { gl } = this;
    const framebuffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, texture.target, texture.id, 0);
    if (second) {
      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT1, second.target, second.id, 0);
      gl.drawBuffers([gl.COLOR_ATTACHMENT0, gl.COLOR_ATTACHMENT1]);
    }
    if (depth) gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.RENDERBUFFER, depth);
    this.frees.push(() => gl.deleteFramebuffer(framebuffer));
    return { framebuffer, width: texture.width, height: texture.height };
  }

  /** @param {{framebuffer: WebGLFramebuffer | null, width: number, height: number}} target */
  drawTo({ framebuffer, width, height }) {
    this.gl.bindFramebuffer(this.gl.FRAMEBUFFER, framebuffer);
    this.gl.viewport(0, 0, width, height);
  }

  /**
   * Draws to every pixel.
   *
   * @param {Shaders} shaders
   * @param {Values} uniforms
   */
  fullScreen(shaders, uniforms) {
    this.use(shaders, uniforms);
    this.gl.bindVertexArray(null);
    this.gl.drawArrays(this.gl.TRIANGLES, 0, 3);
  }

  free() {
    for (const free of this.frees) free();
    this.frees = [];
  }
}

class Program {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {string[]} vertex sources, put together
   * @param {string[]} fragment
   */
  constructor(gl, vertex, fragment) {
    this.gl = gl;
    this.id = gl.createProgram();
    this.shaders = [vertex, fragment].map((parts, k) => {
      const shader = gl.createShader(k === 0 ? gl.VERTEX_SHADER : gl.FRAGMENT_SHADER);
      if (!shader) throw new Error("WebGL: the context is lost");
      gl.shaderSource(shader, ["#version 300 es", ...parts].join("\n"));
      gl.compileShader(shader);
      gl.attachShader(this.id, shader);
      return shader;
    });
    gl.linkProgram(this.id);
    /** @type {Map<string, {at: WebGLUniformLocation | null, type: number}> | null} once it is known to be made */
    this.uniforms = null;
  }

  /** Waits until it is made, and lists its uniforms. */
  finish() {
    if (this.uniforms) return this.uniforms;
    const { gl, id, shaders } = this;
    if (!gl.getProgramParameter(id, gl.LINK_STATUS) && !gl.isContextLost()) {
      const logs = shaders.map((shader) => gl.getShaderInfoLog(shader));
      throw new Error(`WebGL: ${[gl.getProgramInfoLog(id), ...logs].filter(Boolean).join(" ")}`);
    }
    for (const shader of shaders) gl.deleteShader(shader);
    const uniforms = (this.uniforms = new Map());
    const count = gl.getProgramParameter(id, gl.ACTIVE_UNIFORMS) ?? 0;
    for (let k = 0; k < count; ++k) {
      const info = gl.getActiveUniform(id, k);
      if (info)
        uniforms.set(info.name.replace("[0]", ""), { at: gl.getUniformLocation(id, info.name), type: info.type });
    }
    return uniforms;
  }

  /**
   * Takes it into use with these uniforms; textures get units in turn. What it does not use is passed over.
   *
   * @param {Values} values
   */
  use(values) {
    const { gl, id } = this;
    const uniforms = this.finish();
    gl.useProgram(id);
    let unit = 0;
    for (const [name, { at, type }] of uniforms) {
      const value = values[name];
      if (value === undefined) throw new Error(`uniform ${name}: expected a value, got none`);
      if (value instanceof Texture) {
        gl.activeTexture(gl.TEXTURE0 + unit);
        gl.bindTexture(value.target, value.id);
        gl.uniform1i(at, unit++);
        continue;
      }
      const list = typeof value === "number" || typeof value === "boolean" ? [Number(value)] : Array.from(value);
      if (type === gl.FLOAT) gl.uniform1fv(at, list);
      else if (type === gl.FLOAT_VEC2) gl.uniform2fv(at, list);
      else if (type === gl.FLOAT_VEC3) gl.uniform3fv(at, list);
      else if (type === gl.FLOAT_VEC4) gl.uniform4fv(at, list);
      else if (type === gl.INT_VEC2) gl.uniform2iv(at, list);
      else if (type === gl.INT_VEC4) gl.uniform4iv(at, list);
      else gl.uniform1iv(at, list);
    }
  }
}

export class Texture {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {number} format sized, such as gl.R8UI
   * @param {number} width
   * @param {number} height
   * @param {{layers?: number, linear?: boolean, levels?: number}} [options]
   */
  constructor(gl, format, width, height, { layers = 0, linear = false, levels = 1 } = {}) {
    this.gl = gl;
    this.width = width;
    this.height = height;
    this.target = layers ? gl.TEXTURE_2D_ARRAY : gl.TEXTURE_2D;
    this.id = gl.createTexture();
    gl.bindTexture(this.target, this.id);
    if (layers) gl.texStorage3D(this.target, levels, format, width, height, layers);
    else gl.texStorage2D(this.target, levels, format, width, height);
    const filter = linear ? gl.LINEAR : gl.NEAREST;
    gl.texParameteri(this.target, gl.TEXTURE_MIN_FILTER, levels > 1 ? gl.LINEAR_MIPMAP_LINEAR : filter);
    gl.texParameteri(this.target, gl.TEXTURE_MAG_FILTER, filter);
    gl.texParameteri(this.target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(this.target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  }

  /**
   * @param {number} format
   * @param {number} type
   * @param {ArrayBufferView | ImageBitmap} values
   * @param {number} [layer]
   */
  fill(format, type, values, layer = 0) {
    const { gl, target, width, height } = this;
    gl.bindTexture(target, this.id);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    const source = /** @type {any} */ (values);
    if (target === gl.TEXTURE_2D) gl.texSubImage2D(target, 0, 0, 0, width, height, format, type, source);
    else gl.texSubImage3D(target, 0, 0, 0, layer, width, height, 1, format, type, source);
    return this;
  }

  free() {
    this.gl.deleteTexture(this.id);
  }
}
