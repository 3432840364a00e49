// The fluid's surface continued by two pixels, so that interpolation never reads a hole.
uniform usampler2D seeds;
uniform usampler2D freedom;

layout(location = 0) out uvec4 stored;

void main() {
  ivec2 px = ivec2(gl_FragCoord.xy), size = textureSize(seeds, 0);
  stored = texelFetch(seeds, px, 0);
  if (stored.y != 0u) return;
  vec4 sum = vec4(0.0);
  float weight = 0.0;
  for (int reach = 1; reach <= 2 && weight == 0.0; ++reach) {
    for (int k = 0; k < 25; ++k) {
      ivec2 step = ivec2(k % 5, k / 5) - 2, at = px + step;
      if (max(abs(step.x), abs(step.y)) > reach || any(lessThan(at, ivec2(0))) || any(greaterThanEqual(at, size))) continue;
      uvec4 near = texelFetch(seeds, at, 0);
      if (near.y == 0u) continue;
      sum += vec4(uintBitsToFloat(near.x), unpackHalf2x16(near.z), unpackHalf2x16(near.w).x);
      weight += 1.0;
    }
  }
  sum /= max(weight, 1.0);
  float free = float(texelFetch(freedom, px, 0).r) / 255.0;
  stored = uvec4(floatBitsToUint(sum.x), packHalf2x16(vec2(0.0, free)), packHalf2x16(sum.yz), packHalf2x16(vec2(sum.w, 0.0)));
}
