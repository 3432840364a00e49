uniform vec2 dispLevels;  // levels per octave, octaves below 1 at level 0
uniform usampler2D settled;  // of the fluid's box: with what confidence its bed speaks, 0..255
uniform ivec2 boxAt;
uniform float bedDepth;  // times the fluid's
uniform float leastConfidence;

layout(location = 0) in uvec4 place;  // pixel, counted from 1; level of disparity; bits

out vec3 at;  // px of the canvas times depth, and depth: what is linear along a triangle
flat out uvec3 cell;  // the first pixel, counted from 1; bits
out float weight;

const uint SWAYS = 256u, BED = 512u;

void main() {
  ivec2 corner = ivec2(place.w & 1u, place.w >> 1 & 1u), source = ivec2(place.w >> 2 & 1u, place.w >> 3 & 1u);
  vec2 px = vec2(place.xy) - 0.5, bent = px;
  if ((place.w & SWAYS) != 0u) bent += bendAt(ivec2(place.xy) - 1 - corner + source);
  bool lies = (place.w & BED) != 0u;
  float z = exp2(dispLevels.y - float(place.z) / dispLevels.x) * (lies ? bedDepth : 1.0), disp, confidence = 1.0;
  if (lies) {
    ivec2 inBox = clamp(ivec2(place.xy) - 1 - boxAt, ivec2(0), textureSize(settled, 0) - 1);
    confidence = max(float(texelFetch(settled, inBox, 0).r) / 255.0, leastConfidence * leastConfidence);
  }
  cell = uvec3(uvec2(ivec2(place.xy) - corner), place.w);
  at = vec3(px, 1.0) * z;
  gl_Position = project(bent, z, disp);
  weight = weightCode(confidence, disp);
}
