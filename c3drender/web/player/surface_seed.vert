// The fluid's points onto its surface, at rest: disparity, existence and freedom, resting colour.
uniform usampler2DArray geometry;
uniform usampler2D freedom;
uniform vec2 dispLevels;
uniform ivec4 box;  // of the canvas: corner and size

layout(location = 0) in uvec4 place;
layout(location = 1) in uvec4 shows;

flat out uvec4 texel;

void main() {
  ivec3 at = ivec3(place.xyz);
  ivec2 px = at.xy - box.xy;
  float disp = exp2(float(texelFetch(geometry, at, 0).r) / dispLevels.x - dispLevels.y);
  vec3 colour = unpackColour(shows.x);
  float free = float(texelFetch(freedom, px, 0).r) / 255.0;
  texel = uvec4(floatBitsToUint(disp), packHalf2x16(vec2(1.0, free)), packHalf2x16(colour.rg), packHalf2x16(vec2(colour.b, 0.0)));
  gl_PointSize = 1.0;
  gl_Position = vec4((vec2(px) + 0.5) / vec2(box.zw) * 2.0 - 1.0, 0.0, 1.0);
}
