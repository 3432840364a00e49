// What every shader begins with. Units and frames are the renderer's: px with pixel centres at .5, camera space +x right, +y down.
precision highp float;
precision highp int;
precision highp usampler2D;
precision highp isampler2D;
precision highp isampler2DArray;
precision highp sampler2DArray;
precision highp sampler2D;

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
