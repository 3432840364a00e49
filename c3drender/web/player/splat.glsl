// A point goes into the pixel that its centre lies in, in its own slot of the table of hits; gather.frag reads from there.
uniform vec4 view[3];   // rows of world_to_cam
uniform vec4 seen;      // fx, fy, cx, cy
uniform ivec4 table;    // photo's size, size of the table
uniform float nearest;  // a depth by which the depth buffer is spread
uniform ivec2 slot;

const int BORDER = 5;
const float REACH = 1.65;  // px: what a disc shows beyond that is less than 1/10000

flat out uvec4 texel;  // offset from the pixel's centre and radius; depth; colour; opacity and confidence

uint packDisc(vec2 offset, uint radius) {
  uvec2 level = uvec2(clamp(offset * 0.125 + 0.5, 0.0, 1.0) * 2047.0 + 0.5);
  return level.x | level.y << 11 | radius << 22;
}

// Returns the place in the table, and the radius in px.
vec3 splat(vec3 at, float radius, uint colour, uint speaks) {
  vec4 p = vec4(at, 1.0);
  vec3 cam = vec3(dot(view[0], p), dot(view[1], p), dot(view[2], p));
  vec2 uv = seen.xy * cam.xy / cam.z + seen.zw, px = floor(uv);
  float radiusPx = min(seen.x * radius / cam.z, 7.99);
  gl_PointSize = 1.0;
  gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
  if (!(cam.z > 0.0 && radius > 0.0) || any(lessThan(px, vec2(-2.0))) || any(greaterThan(px, vec2(table.xy + 1)))) return vec3(0.0);
  vec2 corner = vec2(slot * (table.xy + 2 * BORDER) + BORDER);
  texel = uvec4(packDisc(uv - px - 0.5, uint(radiusPx * 128.0 + 0.5)), floatBitsToUint(cam.z), colour, speaks);
  // The nearer half of the depth buffer: see spread.frag.
  gl_Position = vec4((px + corner + 0.5) / vec2(table.zw) * 2.0 - 1.0, cam.z / (cam.z + nearest) - 1.0, 1.0);
  return vec3(uv + corner, radiusPx);
}
