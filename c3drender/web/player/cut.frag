// A cell at an edge: the corners of one surface, which fades towards the others, and whose own pixels may be soft.
uniform sampler2DArray colours;
uniform sampler2DArray covers;

in vec3 at;
flat in uvec3 cell;
in float weight;

layout(location = 0) out vec4 shown;

void main() {
  vec2 part = clamp(at.xy / at.z + 0.5 - vec2(cell.xy), 0.0, 1.0);
  part *= 0.15 + 0.85 * part * (3.0 - 2.0 * part);
  float total = 0.0;
  vec4 sum = vec4(0.0);
  for (int k = 0; k < 4; ++k) {
    if ((cell.z >> 4 & 1u << k) == 0u) continue;
    ivec2 corner = ivec2(k & 1, k >> 1);
    vec2 near = mix(1.0 - part, part, vec2(corner));
    ivec3 texel = ivec3(ivec2(cell.xy) - 1 + corner, cell.z >> 10);
    float share = near.x * near.y, cover = share * texelFetch(covers, texel, 0).r;
    total += share;
    sum += cover * vec4(texelFetch(colours, texel, 0).rgb, 1.0);
  }
  // The renderer's coverage at a distance from the last pixel of a surface.
  float beyond = 1.0 - total, cover = clamp(1.4 - 1.4 * beyond * beyond, 0.0, 1.0) * sum.a / max(total, 1e-6);
  if (total <= 0.01) discard;
  shown = vec4(sum.rgb / max(sum.a, 1e-6), cover);
}
