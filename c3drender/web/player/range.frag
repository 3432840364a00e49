// The least and the most of some pixels along a row.
uniform sampler2D wide;  // coded, existence
uniform int range;       // px

layout(location = 0) out vec4 ends;

void main() {
  ivec2 px = ivec2(gl_FragCoord.xy);
  ends = vec4(1.0, 0.0, 0.0, 0.0);
  for (int x = -range; x <= range; ++x) {
    int at = px.x + x;
    if (at < 0 || at >= textureSize(wide, 0).x) continue;
    vec2 near = texelFetch(wide, ivec2(at, px.y), 0).rg;
    if (near.g > 0.5) ends.rg = vec2(min(ends.r, near.r), max(ends.g, near.r));
  }
}
