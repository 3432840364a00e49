in vec4 drift;
in vec2 at;
flat in uvec3 cell;

layout(location = 0) out ivec4 offsets;

void main() {
  vec2 part = clamp(at + 0.5 - vec2(cell.xy), 0.0, 1.0);
  int nearest = int(part.x > 0.5) + 2 * int(part.y > 0.5);
  if (cell.z != 0u && (cell.z & 1u << nearest) == 0u) discard;
  offsets = ivec4(round(drift));
}
