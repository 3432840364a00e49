// A fluid's points where they have drifted, forward or backward: drift_point of the renderer's formulas.
uniform int side;  // 0 forward, 1 backward
uniform isampler2D offsets;
uniform usampler2D surface;
uniform sampler2D gains;
uniform ivec4 box;         // of the canvas: corner and size
uniform vec2 canvas;       // px
uniform vec4 lens;         // of the canvas: fx, fy, cx, cy
uniform float offsetUnit;  // px
uniform vec4 rules;        // radius, most stretch, least existence, width of a fringe
uniform float leastConfidence;
uniform bool detailed;     // keep the contrast
uniform float fade;        // of this side
uniform float gainSpacing; // px
uniform vec3 waves[2];     // of the phase: periods along x and y, start

layout(location = 0) in uvec4 place;
layout(location = 1) in uvec4 shows;
layout(location = 2) in uvec4 details;

const uint MOVES_RIGHT = 1u << 12, MOVES_BELOW = 1u << 14;

vec2 offsetAt(ivec2 px) {
  ivec4 both = texelFetch(offsets, px, 0);
  return offsetUnit * vec2(side == 0 ? both.rg : both.ba);
}

float gainAt(vec2 at) {
  Corners window = cornersOf(at / gainSpacing + 0.5, textureSize(gains, 0));
  return dot(window.weight, vec4(texelFetch(gains, window.texel.xy, 0).r, texelFetch(gains, window.texel.zy, 0).r,
                                 texelFetch(gains, window.texel.xw, 0).r, texelFetch(gains, window.texel.zw, 0).r));
}

vec2 fineShare(vec2 offset) {
  vec2 part = fract(offset), both = part * (1.0 - part);
  return 8.0 * both * both;
}

void main() {
  ivec2 px = ivec2(place.xy) - box.xy;
  vec2 offset = offsetAt(px), at = vec2(place.xy) + 0.5 + offset;

  Corners around = cornersOf(at - vec2(box.xy), box.zw);
  ivec2 texels[4] = ivec2[](around.texel.xy, around.texel.zy, around.texel.xw, around.texel.zw);
  float disp = 0.0;
  vec2 exists = vec2(0.0);  // and freedom
  vec3 resting = vec3(0.0);
  for (int k = 0; k < 4; ++k) {
    uvec4 texel = texelFetch(surface, texels[k], 0);
    disp += around.weight[k] * uintBitsToFloat(texel.x);
    exists += around.weight[k] * unpackHalf2x16(texel.y);
    resting += around.weight[k] * vec3(unpackHalf2x16(texel.z), unpackHalf2x16(texel.w).x);
  }
  float free = exists.y, z = 1.0 / max(disp, 1e-6);

  vec2 along = ((details.w & MOVES_RIGHT) != 0u ? offsetAt(px + ivec2(1, 0)) : offset) - offset + vec2(1.0, 0.0);
  vec2 down = ((details.w & MOVES_BELOW) != 0u ? offsetAt(px + ivec2(0, 1)) : offset) - offset + vec2(0.0, 1.0);
  float stretch2 = max(max(dot(along, along), dot(down, down)), 1.0);
  float widened = min(sqrt(stretch2), rules.y) - 1.0;
  bool drawn = all(greaterThanEqual(at, vec2(0.0))) && all(lessThanEqual(at, canvas)) && exists.x > rules.z;
  float radius = drawn ? rules.x * (1.0 + widened * free) * z / lens.x : 0.0;

  vec3 own = mix(unpackColour(shows.x), unpackColour(shows.y), min(length(offset) / rules.w, 1.0));
  vec3 colour = resting + free * (own - resting);
  vec2 broadBlue = unpackSnorm2x16(details.z);
  if (detailed) {
    vec2 xb = unpackSnorm2x16(shows.w), share = free * fineShare(offset);
    colour += share.x * vec3(unpackSnorm2x16(shows.z), xb.x) + share.y * vec3(xb.y, unpackSnorm2x16(details.x));
    colour += (gainAt(at) - 1.0) * clamp(2.0 * free, 0.0, 1.0) * vec3(unpackSnorm2x16(details.y), broadBlue.x);
  }
  vec2 span = (vec2(place.xy) + 0.5) / max(canvas.x, canvas.y);
  float phase = 0.0;
  for (int k = 0; k < 2; ++k) phase += 0.5 * sin(6.283185307179586 * dot(waves[k].xy, span) + waves[k].z);
  float ownFree = unpackHalf2x16(texelFetch(surface, px, 0).y).y;
  float confidence = max(ownFree, leastConfidence) / stretch2 * (1.0 + fade * phase);
  uint speaks = packHalf2x16(vec2(broadBlue.y, confidence));
  splatWide(vec3((at - lens.zw) / lens.xy * z, z), radius, packColour(colour), speaks);
}
