// The frame onto the canvas, whose size and proportions are the page's.
uniform sampler2D frame;
uniform vec4 fit;      // canvas px to px of the frame: scale x, y, offset x, y
uniform bool enlarges, copies;  // copies: as large as the frame

layout(location = 0) out vec4 colour;

vec4 catmullRom(float t) {
  return vec4(((2.0 - t) * t - 1.0) * t, (3.0 * t - 5.0) * t * t + 2.0, ((4.0 - 3.0 * t) * t + 1.0) * t, (t - 1.0) * t * t) * 0.5;
}

void main() {
  vec2 size = vec2(textureSize(frame, 0)), at = gl_FragCoord.xy * fit.xy + fit.zw;
  if (any(lessThan(at, vec2(0.0))) || any(greaterThan(at, size))) {
    colour = vec4(0.0);
    return;
  }
  if (copies) {
    colour = vec4(texelFetch(frame, ivec2(at), 0).rgb, 1.0);
    return;
  }
  if (!enlarges) {
    colour = vec4(texture(frame, at / size).rgb, 1.0);
    return;
  }
  ivec2 first = ivec2(floor(at - 0.5)), last = textureSize(frame, 0) - 1;
  vec2 part = at - 0.5 - vec2(first);
  vec4 wx = catmullRom(part.x), wy = catmullRom(part.y), sum = vec4(0.0);
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x) sum += wx[x] * wy[y] * texelFetch(frame, clamp(first + ivec2(x, y) - 1, ivec2(0), last), 0);
  colour = vec4(sum.rgb, 1.0);
}
