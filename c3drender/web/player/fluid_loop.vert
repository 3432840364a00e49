// How far each pixel of the fluid drifts over a loop, forward and backward.
uniform ivec4 box;

layout(location = 0) in uvec4 place;  // pixel of the box, counted from 1; bits
layout(location = 1) in ivec4 offsets;

out vec4 drift;
out vec2 at;
flat out uvec3 cell;

void main() {
  ivec2 corner = ivec2(place.z & 1u, place.z >> 1 & 1u);
  cell = uvec3(uvec2(ivec2(place.xy) - corner), place.z >> 2);
  at = vec2(place.xy) - 0.5;
  drift = vec4(offsets);
  gl_Position = vec4(at / vec2(box.zw) * 2.0 - 1.0, 0.0, 1.0);
}
