// A fluid's vertices where they have drifted, forward or backward: drift_point of the renderer's formulas.
uniform int side;    // 0 forward, 1 backward
uniform float part;  // from the first kept moment to the second
uniform sampler2D surface;  // disparity
uniform sampler2D free;     // existence, freedom
uniform sampler2D gains;
uniform sampler2D mean;     // colour around each pixel
uniform vec2 meanScale;
uniform ivec4 box;         // of the canvas: corner and size
uniform vec2 canvas;       // px
uniform float offsetUnit;  // px
uniform float leastConfidence;
uniform float fade;        // of this side
uniform float gainSpacing; // px
uniform vec3 waves[2];     // of the phase: periods along x and y, start
uniform float nearer;      // of the depth buffer's depths

layout(location = 0) in uvec4 place;  // pixel of the box, counted from 1; bits
layout(location = 1) in ivec4 offsetBefore;  // forward, backward
layout(location = 2) in vec2 shrinkBefore;
layout(location = 3) in ivec4 offsetAfter;
layout(location = 4) in vec2 shrinkAfter;

out vec4 ways;    // px of the box, from where and to where, times depth: what is linear along a triangle
out vec4 speaks;  // weight, length of the way, gain; depth
out vec3 broad;   // colour around where it starts, which is smooth
flat out uvec3 cell;

void main() {
  ivec2 corner = ivec2(place.z & 1u, place.z >> 1 & 1u);
  cell = uvec3(uvec2(ivec2(place.xy) - corner), place.z >> 2);
  vec2 start = vec2(place.xy) - 0.5;
  vec4 offsets = offsetUnit * mix(vec4(offsetBefore), vec4(offsetAfter), part);
  vec2 offset = side == 0 ? offsets.xy : offsets.zw, shrink = mix(shrinkBefore, shrinkAfter, part);
  vec2 at = start + offset;
  Corners around = cornersOf(at, box.zw);
  float disp = dot(around.weight, vec4(texelFetch(surface, around.texel.xy, 0).r, texelFetch(surface, around.texel.zy, 0).r,
                                       texelFetch(surface, around.texel.xw, 0).r, texelFetch(surface, around.texel.zw, 0).r));
  float gain = texture(gains, ((at + vec2(box.xy)) / gainSpacing + 0.5) / vec2(textureSize(gains, 0))).r;
  vec2 span = (start + vec2(box.xy)) / max(canvas.x, canvas.y);
  float phase = 0.0;
  for (int k = 0; k < 2; ++k) phase += 0.5 * sin(6.283185307179586 * dot(waves[k].xy, span) + waves[k].z);
  float ownFree = texelFetch(free, clamp(ivec2(place.xy) - 1, ivec2(0), box.zw - 1), 0).g;
  float confidence = max(ownFree, leastConfidence) * shrink[side] * (1.0 + fade * phase), seenDisp;
  float z = 1.0 / max(disp, 1e-6);
  gl_Position = project(at + vec2(box.xy), z, seenDisp);
  gl_Position.z = gl_Position.w - nearest / nearer;
  ways = vec4(start, at) * z;
  broad = texture(mean, start * meanScale).rgb;
  carry(start);
  speaks = vec4(weightCode(max(confidence, 1e-5), seenDisp), length(offset), gain, z);
}
