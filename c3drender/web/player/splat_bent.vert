// Points that sway or ripple.
uniform isampler2DArray harmonics;  // sine and cosine of each
uniform float harmonicUnit;         // px
uniform vec2 focal;                 // of the canvas
uniform float loopT;

layout(location = 0) in vec4 pointAt;
layout(location = 1) in uvec2 pointShows;
layout(location = 2) in uvec4 place;

void main() {
  vec2 bend = vec2(0.0);
  int count = textureSize(harmonics, 0).z / 2;
  for (int k = 0; k < count; ++k) {
    float turn = 6.283185307179586 * loopT * float(k + 1);
    bend += sin(turn) * vec2(texelFetch(harmonics, ivec3(place.xy, 2 * k), 0).rg);
    bend += (cos(turn) - 1.0) * vec2(texelFetch(harmonics, ivec3(place.xy, 2 * k + 1), 0).rg);
  }
  vec3 at = pointAt.xyz + vec3(bend * harmonicUnit / focal * pointAt.z, 0.0);
  splat(at, pointAt.w, pointShows.x, pointShows.y);
}
