// Layers' pixels, for the shaders that lift them to points.
uniform sampler2DArray colours;
uniform usampler2DArray geometry;  // disparity in levels; share of the pixel, and from bit 8 on the neighbours' bits
uniform vec2 dispLevels;           // levels per octave, octaves below 1 at level 0
uniform vec4 lens;                 // of the canvas: fx, fy, cx, cy
uniform float radiusPx;

const ivec2 BESIDE[4] = ivec2[](ivec2(1, 0), ivec2(-1, 0), ivec2(0, 1), ivec2(0, -1));
const uint SAME_SURFACE = 256u, BOTH_MOVE = 4096u;  // bits of the neighbour to the right; the others' follow

float depthOf(uint level) { return exp2(dispLevels.y - float(level) / dispLevels.x); }

vec4 coverOf(ivec3 at) {
  float alpha = float(texelFetch(geometry, at, 0).g & 255u) / 255.0;
  return vec4(texelFetch(colours, at, 0).rgb * alpha, alpha);
}

// Colour and opacity plus what the splat will take away from them (render/lift.py).
vec4 sharpened(ivec3 at, uint bits) {
  float side = pow(1.0 - 1.0 / (radiusPx * radiusPx), 6.0), weight = 1.0;
  vec4 own = coverOf(at), total = own;
  for (int k = 0; k < 4; ++k) {
    if ((bits & SAME_SURFACE << k) == 0u) continue;
    total += side * coverOf(at + ivec3(BESIDE[k], 0));
    weight += side;
  }
  vec4 sharp = 2.0 * own - total / weight;
  vec3 colour = sharp.a > 1e-3 ? sharp.rgb / sharp.a : texelFetch(colours, at, 0).rgb;
  return vec4(colour, clamp(sharp.a, 0.0, 1.0));
}

vec3 unproject(vec2 px, float z) { return vec3((px - lens.zw) / lens.xy * z, z); }
