// Where the fluid of each pixel of its box has drifted, forward and backward: from a stored moment some Euler steps on, as
// integrate_flow takes them. A path that leaves the canvas stays where it left.
uniform isampler2DArray moments;
uniform isampler2D flow;
uniform vec2 units;   // px: of the flow, of the offsets
uniform ivec4 box;    // of the canvas: corner and size
uniform vec2 canvas;  // px
uniform ivec2 moment;  // stored one, forward and backward
uniform vec2 steps;    // from there

layout(location = 0) out ivec4 offsets;  // forward, backward

vec2 flowAt(vec2 position) {
  Corners at = cornersOf(position - vec2(box.xy), box.zw);
  return units.x * (at.weight.x * vec2(texelFetch(flow, at.texel.xy, 0).rg) + at.weight.y * vec2(texelFetch(flow, at.texel.zy, 0).rg) +
                    at.weight.z * vec2(texelFetch(flow, at.texel.xw, 0).rg) + at.weight.w * vec2(texelFetch(flow, at.texel.zw, 0).rg));
}

vec2 walked(vec2 start, vec2 offset, float count, float direction) {
  for (float left = count; left > 0.0; left -= 1.0) {
    vec2 at = start + offset;
    if (any(lessThan(at, vec2(0.0))) || any(greaterThan(at, canvas))) break;
    offset += direction * min(left, 1.0) * flowAt(at);
  }
  return offset;
}

void main() {
  ivec2 px = ivec2(gl_FragCoord.xy);
  vec2 start = vec2(px + box.xy) + 0.5;
  vec2 forward = units.y * vec2(texelFetch(moments, ivec3(px, moment.x), 0).rg);
  vec2 backward = units.y * vec2(texelFetch(moments, ivec3(px, moment.y), 0).ba);
  vec4 reached = vec4(walked(start, forward, steps.x, 1.0), walked(start, backward, steps.y, -1.0));
  offsets = ivec4(round(clamp(reached / units.y, -32767.0, 32767.0)));
}
