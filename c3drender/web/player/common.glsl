// What every shader begins with. Units and frames are the renderer's: px with pixel centres at .5, camera space +x right, +y down.
precision highp float;
precision highp int;
precision highp usampler2D;
precision highp isampler2D;
precision highp usampler2DArray;
precision highp isampler2DArray;
precision highp sampler2DArray;
precision highp sampler2D;

// A colour that was sharpened leaves 0..1: ten bits each for -0.5..1.5.
uint packColour(vec3 colour) {
  uvec3 level = uvec3(clamp((colour + 0.5) * 0.5, 0.0, 1.0) * 1023.0 + 0.5);
  return level.r | level.g << 10 | level.b << 20;
}

vec3 unpackColour(uint bits) {
  return vec3(uvec3(bits, bits >> 10, bits >> 20) & 1023u) * (2.0 / 1023.0) - 0.5;
}

// The four texels around a position in px, clamped at the border, and their weights, as the renderer's corners_of.
struct Corners {
  ivec4 texel;  // x0, y0, x1, y1
  vec4 weight;  // (x0, y0), (x1, y0), (x0, y1), (x1, y1)
};

Corners cornersOf(vec2 position, ivec2 size) {
  vec2 at = clamp(position - 0.5, vec2(0.0), vec2(size - 1));
  ivec2 first = ivec2(at), last = min(first + 1, size - 1);
  vec2 f = at - vec2(first), g = 1.0 - f;
  return Corners(ivec4(first, last), vec4(g.x * g.y, f.x * g.y, g.x * f.y, f.x * f.y));
}
