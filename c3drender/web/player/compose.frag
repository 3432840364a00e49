// What rests, and the fluid's two sides, blended as by the renderer's frame_pixel.
uniform sampler2D still;
uniform sampler2D forward;
uniform sampler2D backward;
uniform float share;  // of the backward side
uniform bool flows;

layout(location = 0) out vec4 frame;  // a: 0 where nothing covers

float weightOf(float code) { return code > 0.0 ? exp2(21.0 * code - 12.0) : 0.0; }

// The mean of what lies around where nothing does; a: whether it is so near that the renderer's discs reach it.
vec4 around(ivec2 px) {
  ivec2 last = textureSize(still, 0) - 1;
  for (int wide = 1; wide <= 32; wide *= 2) {
    vec4 sum = vec4(0.0);
    for (int k = 0; k < 9; ++k) {
      ivec2 at = clamp(px + wide * (ivec2(k % 3, k / 3) - 1), ivec2(0), last);
      vec4 near = flows ? texelFetch(forward, at, 0) : vec4(0.0);
      if (near.a == 0.0) near = texelFetch(still, at, 0);
      if (near.a > 0.0) sum += vec4(near.rgb, 1.0);
    }
    if (sum.a > 0.0) return vec4(sum.rgb / sum.a, wide == 1 ? 1.0 : 0.0);
  }
  return vec4(0.0);
}

void main() {
  ivec2 px = ivec2(gl_FragCoord.xy);
  vec4 a = vec4(0.0), b = vec4(0.0);
  if (flows) {
    a = texelFetch(forward, px, 0);
    b = texelFetch(backward, px, 0);
  }
  vec4 rests = vec4(0.0), ahead = a, back = b;
  if (a.a * b.a == 0.0) {
    rests = texelFetch(still, px, 0);
    if (a.a == 0.0) ahead = rests;
    if (b.a == 0.0) back = rests;
    if (a.a + b.a == 0.0) {
      frame = rests.a > 0.0 ? vec4(rests.rgb, 1.0) : around(px);
      return;
    }
  }
  vec2 weight = vec2((1.0 - share) * weightOf(ahead.a), share * weightOf(back.a));
  frame = vec4((weight.x * ahead.rgb + weight.y * back.rgb) / max(weight.x + weight.y, 1e-20), 1.0);
}
