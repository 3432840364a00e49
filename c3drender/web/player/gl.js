// What WebGL2 needs around its calls.

/**
 * @param {WebGL2RenderingContext} gl
 * @param {string[]} vertex sources, put together
 * @param {string[]} fragment
 * @param {string[]} [captured] outputs of the vertex shader that go into a buffer, interleaved
 */
export function makeProgram(gl, vertex, fragment, captured) {
  const program = gl.createProgram();
  const shaders = [vertex, fragment].map((parts, k) => {
    const shader = gl.createShader(k === 0 ? gl.VERTEX_SHADER : gl.FRAGMENT_SHADER);
    if (!shader) throw new Error("WebGL: the context is lost");
    gl.shaderSource(shader, ["#version 300 es", ...parts].join("\n"));
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    return shader;
  });
  if (captured) gl.transformFeedbackVaryings(program, captured, gl.INTERLEAVED_ATTRIBS);
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    const logs = shaders.map((shader) => gl.getShaderInfoLog(shader));
    throw new Error(`WebGL: ${[gl.getProgramInfoLog(program), ...logs].filter(Boolean).join(" ")}`);
  }
  for (const shader of shaders) gl.deleteShader(shader);
  /** @type {Map<string, {at: WebGLUniformLocation | null, type: number}>} */
  const uniforms = new Map();
  const count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS) ?? 0;
  for (let k = 0; k < count; ++k) {
    const info = gl.getActiveUniform(program, k);
    if (info)
      uniforms.set(info.name.replace("[0]", ""), { at: gl.getUniformLocation(program, info.name), type: info.type });
  }
  return { program, uniforms };
}

/** @typedef {ReturnType<typeof makeProgram>} Program */

/**
 * Takes a program into use with these uniforms; textures get units in turn. What a shader does not use is passed over.
 *
 * @param {WebGL2RenderingContext} gl
 * @param {Program} program
 * @param {Record<string, number | boolean | ArrayLike<number> | Texture>} values
 */
export function use(gl, { program, uniforms }, values) {
  gl.useProgram(program);
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

  /**
   * Makes this texture, or a layer of it, what is drawn to.
   *
   * @param {WebGLFramebuffer} framebuffer
   * @param {number} [layer]
   */
  drawTo(framebuffer, layer = 0) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    if (this.target === gl.TEXTURE_2D) {
      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, this.target, this.id, 0);
    } else {
      gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, this.id, 0, layer);
    }
    gl.viewport(0, 0, this.width, this.height);
  }

  free() {
    this.gl.deleteTexture(this.id);
  }
}

/**
 * A buffer's attributes, described as pairs of components and type; the locations count up.
 *
 * @param {WebGL2RenderingContext} gl
 * @param {{buffer: WebGLBuffer, parts: [number, number][]}[]} buffers
 */
export function makeVertexArray(gl, buffers) {
  const array = gl.createVertexArray();
  gl.bindVertexArray(array);
  let location = 0;
  for (const { buffer, parts } of buffers) {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    const bytes = parts.map(([count, type]) => count * (type === gl.UNSIGNED_SHORT || type === gl.SHORT ? 2 : 4));
    const stride = bytes.reduce((sum, size) => sum + size, 0);
    let offset = 0;
    parts.forEach(([count, type], k) => {
      gl.enableVertexAttribArray(location);
      if (type === gl.FLOAT) gl.vertexAttribPointer(location, count, type, false, stride, offset);
      else gl.vertexAttribIPointer(location, count, type, stride, offset);
      offset += bytes[k];
      ++location;
    });
  }
  gl.bindVertexArray(null);
  return array;
}
