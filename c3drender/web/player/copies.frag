// What each pixel of the fluid shows if it drifts by whole loops: copies_of of render/phase.py.
uniform sampler2D wide;     // luma against its wide mean, coded; existence
uniform sampler2D ends;     // least and most along a row
uniform isampler2D loops;   // how far a pixel drifts over a loop
uniform sampler2D nature; // luma's contrast around, how dense its texture is
uniform vec2 aroundScale;
uniform float offsetUnit;   // px
uniform vec4 rules;         // least existence, least contrast, most stretch, range in px

layout(location = 0) out vec4 behind;
layout(location = 1) out vec4 ahead;

vec2 wideAt(vec2 at) {
  Corners near = cornersOf(at, textureSize(wide, 0));
  ivec2 texels[4] = ivec2[](near.texel.xy, near.texel.zy, near.texel.xw, near.texel.zw);
  vec2 sum = vec2(0.0);
  for (int k = 0; k < 4; ++k) {
    vec2 there = texelFetch(wide, texels[k], 0).rg;
    sum += near.weight[k] * there.g * vec2(there.r - 0.5, 1.0);
  }
  return sum;
}

vec2 loopAt(vec2 at, int side) {
  Corners near = cornersOf(at, textureSize(loops, 0));
  ivec2 texels[4] = ivec2[](near.texel.xy, near.texel.zy, near.texel.xw, near.texel.zw);
  vec2 sum = vec2(0.0);
  for (int k = 0; k < 4; ++k) {
    ivec4 both = texelFetch(loops, texels[k], 0);
    sum += near.weight[k] * vec2(side == 0 ? both.xy : both.zw);
  }
  return offsetUnit * sum;
}

// 1 up to a stretch or a shrinkage by the most, less beyond: by the Jacobian's singular values.
float likeness(vec2 along, vec2 down) {
  float total = dot(along, along) + dot(down, down), area = max(along.x * down.y - along.y * down.x, 0.0);
  float largest = max(sqrt(0.5 * (total + sqrt(max(total * total - 4.0 * area * area, 0.0)))), 1e-6);
  return min(rules.z * min(area / largest, 1.0 / largest), 1.0);
}

void main() {
  ivec2 px = ivec2(gl_FragCoord.xy), size = textureSize(wide, 0);
  vec2 start = gl_FragCoord.xy;
  float own = texelFetch(wide, px, 0).r - 0.5;
  vec2 near = texture(nature, start * aroundScale).rg;
  bool hasRight = px.x + 1 < size.x && texelFetch(wide, px + ivec2(1, 0), 0).g > 0.5;
  bool hasBelow = px.y + 1 < size.y && texelFetch(wide, px + ivec2(0, 1), 0).g > 0.5;
  vec3 copies[2];
  for (int side = 0; side < 2; ++side) {
    vec2 at = start, right = start + vec2(1.0, 0.0), below = start + vec2(0.0, 1.0);
    bool inside = true;
    for (int k = 0; k < 3; ++k) {
      at += loopAt(at, side);
      right += loopAt(right, side);
      below += loopAt(below, side);
      vec2 there = wideAt(at);
      inside = inside && there.g > rules.x && all(greaterThan(at, vec2(0.0))) && all(lessThan(at, vec2(size)));
      float like = min(near.r / max(texture(nature, at * aroundScale).r, rules.y), 1.0) *
                   likeness(hasRight ? right - at : vec2(1.0, 0.0), hasBelow ? below - at : vec2(0.0, 1.0));
      float found = inside ? there.r * like : k == 0 ? own : 0.0;
      copies[side][k] = mix(own, found, near.g);
    }
  }
  vec2 range = vec2(1.0, 0.0);
  for (int y = -int(rules.w); y <= int(rules.w); ++y) {
    vec2 row = texelFetch(ends, ivec2(px.x, clamp(px.y + y, 0, size.y - 1)), 0).rg;
    range = vec2(min(range.x, row.x), max(range.y, row.y));
  }
  float first = copies[0].x, last = copies[1].x;
  behind = vec4(copies[1].zyx + 0.5, min(range.x, min(first, last) + 0.5));
  ahead = vec4(copies[0] + 0.5, max(range.y, max(first, last) + 0.5));
}
