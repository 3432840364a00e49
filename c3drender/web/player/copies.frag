// What each pixel of the fluid shows if it drifts by whole loops: copies_of of render/phase.py.
uniform sampler2D wide;         // luma against its wide mean, coded; existence
uniform sampler2D ends;         // least and most along a row
uniform isampler2DArray ways;   // 1, 2, 3 loops forward, and backward: how far a pixel drifts, how like itself it is then
uniform float waysSpacing;      // px
uniform float waysUnit;         // px
uniform float leastExistence;
uniform float leastContrast;
uniform vec2 room;  // beyond the range of what is near, where luma is even; the skew from which on there is none
uniform int range;  // px

layout(location = 0) out vec4 behind;
layout(location = 1) out vec4 ahead;

vec2 wideAt(vec2 at) {
  Corners near = cornersOf(at, textureSize(wide, 0));
  ivec2 texels[4] = ivec2[](near.texel.xy, near.texel.zy, near.texel.xw, near.texel.zw);
  vec2 sum = vec2(0.0);
  for (int k = 0; k < 4; ++k) {
    vec2 there = texelFetch(wide, texels[k], 0).rg;
    sum += near.weight[k] * there.g * vec2(decoded(there.rrrr).r, 1.0);
  }
  return sum;
}

vec3 wayAt(vec2 at, int loops) {
  Corners near = cornersOf(at / waysSpacing, textureSize(ways, 0).xy);
  ivec2 texels[4] = ivec2[](near.texel.xy, near.texel.zy, near.texel.xw, near.texel.zw);
  vec3 sum = vec3(0.0);
  for (int k = 0; k < 4; ++k) sum += near.weight[k] * vec3(texelFetch(ways, ivec3(texels[k], loops), 0).rgb);
  return sum * vec3(waysUnit, waysUnit, 1.0 / 255.0);
}

void main() {
  ivec2 px = ivec2(gl_FragCoord.xy);
  float own = decoded(texelFetch(wide, px, 0)).r;
  Nature here = natureOf(natureAt(gl_FragCoord.xy));
  vec3 copies[2];
  for (int side = 0; side < 2; ++side) {
    for (int k = 0; k < 3; ++k) {
      vec3 way = wayAt(gl_FragCoord.xy, 3 * side + k);
      vec2 at = gl_FragCoord.xy + way.xy, there = wideAt(at);
      // The even measure is in units of each place's deviation: it is luma that may be less there, and never more.
      float most = min(max(there.g * natureAt(at).r, leastContrast) / here.deviation, 1.0);
      float found = mix(k == 0 ? own : 0.0, there.r * most, there.g > leastExistence ? way.z : 0.0);
      copies[side][k] = mix(own, found, here.dense);
    }
  }
  vec2 near = vec2(1.0, 0.0);
  for (int y = -range; y <= range; ++y) {
    vec2 row = texelFetch(ends, ivec2(px.x, clamp(px.y + y, 0, textureSize(ends, 0).y - 1)), 0).rg;
    near = vec2(min(near.x, row.x), max(near.y, row.y));
  }
  float first = copies[0].x, last = copies[1].x, beyond = room.x * max(1.0 - abs(here.skew) / room.y, 0.0);
  near = decoded(near.xyxy).xy + vec2(-beyond, beyond);
  behind = vec4(copies[1].zyx, min(near.x, min(first, last))) / CODED + 0.5;
  ahead = vec4(copies[0], max(near.y, max(first, last))) / CODED + 0.5;
}
