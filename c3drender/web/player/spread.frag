flat in uvec4 texel;
flat in vec2 centre;

layout(location = 0) out uvec4 stored;

void main() {
  vec2 offset = centre - gl_FragCoord.xy;
  uvec2 level = uvec2(clamp(offset * 0.125 + 0.5, 0.0, 1.0) * 2047.0 + 0.5);
  stored = uvec4(level.x | level.y << 11 | (texel.x & 0xffc00000u), texel.yzw);
  // What only reaches into a pixel yields to whatever lies in it.
  gl_FragDepth = gl_FragCoord.z + (max(abs(offset.x), abs(offset.y)) <= 0.5 ? 0.0 : 0.5);
}
