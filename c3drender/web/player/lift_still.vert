// Points that do not drift: once, into a buffer.
uniform usampler2D settled;  // of the fluid's box: with what confidence its bed speaks, 0..255
uniform ivec2 boxAt;
uniform vec2 bed;  // its depth, times the fluid's; its radius in px
uniform float leastConfidence;

layout(location = 0) in uvec4 place;  // px of the canvas, layer, role

const uint BED = 1u, BELOW = 2u;

flat out vec4 pointAt;  // scene units, and the radius
flat out uvec2 pointShows;  // colour; opacity and confidence

void main() {
  ivec3 at = ivec3(place.xyz);
  uvec2 own = texelFetch(geometry, at, 0).rg;
  vec4 colour = sharpened(at, own.g);
  float z = depthOf(own.r), radius = radiusPx, confidence = 1.0;
  if (place.w == BED) {
    z *= bed.x;
    radius = bed.y;
    confidence = max(float(texelFetch(settled, at.xy - boxAt, 0).r) / 255.0, leastConfidence * leastConfidence);
  } else if (place.w == BELOW) {
    confidence = leastConfidence * leastConfidence;
  }
  pointAt = vec4(unproject(vec2(at.xy) + 0.5, z), radius * z / lens.x);
  pointShows = uvec2(packColour(colour.rgb), packHalf2x16(vec2(colour.a, confidence)));
}
