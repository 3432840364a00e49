// Pixels that sway or ripple.
uniform isampler2DArray harmonics;  // sine and cosine of each
uniform float harmonicUnit;         // px
uniform float loopT;

vec2 bendAt(ivec2 px) {
  vec2 bend = vec2(0.0);
  int count = textureSize(harmonics, 0).z / 2;
  for (int k = 0; k < count; ++k) {
    float turn = 6.283185307179586 * loopT * float(k + 1);
    bend += sin(turn) * vec2(texelFetch(harmonics, ivec3(px, 2 * k), 0).rg);
    bend += (cos(turn) - 1.0) * vec2(texelFetch(harmonics, ivec3(px, 2 * k + 1), 0).rg);
  }
  return bend * harmonicUnit;
}
