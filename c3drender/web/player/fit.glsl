// The frame onto the canvas, whose size and proportions are the page's.
uniform sampler2D frame;
uniform vec4 fit;  // canvas px to px of the frame: scale x, y, offset x, y

layout(location = 0) out vec4 colour;

vec2 placeOf() { return gl_FragCoord.xy * fit.xy + fit.zw; }

// What is shown of the frame at a place; beside the frame nothing is.
vec4 shownAt(vec2 at, vec3 rgb) {
  vec2 size = vec2(textureSize(frame, 0));
  return all(greaterThanEqual(at, vec2(0.0))) && all(lessThanEqual(at, size)) ? vec4(rgb, 1.0) : vec4(0.0);
}
