// What a fluid's points show: once, into a buffer.
uniform sampler2D mean;  // colour around each pixel of the fluid's box
uniform vec4 meanAt;     // the box's corner, and what turns px of it into the texture's coordinates
uniform float cleanUnit;

layout(location = 0) in uvec4 place;   // px of the canvas, layer, class
layout(location = 1) in ivec4 cleaned;  // the colour without what rests beside it; w: whether there is such a colour

flat out uvec4 pointShows;   // colour, clean colour, detail along x (2 words) ...
flat out uvec4 pointDetail;  // ... along y, to the mean (with the opacity), neighbours' bits

// A pixel against the kernel 1 2 1 over those of its neighbours that drift too.
vec3 fineDetail(ivec3 at, uint bits, int first) {
  vec3 own = texelFetch(colours, at, 0).rgb, sum = 2.0 * own;
  float weight = 2.0;
  for (int k = first; k < first + 2; ++k) {
    if ((bits & BOTH_MOVE << k) == 0u) continue;
    sum += texelFetch(colours, at + ivec3(BESIDE[k], 0), 0).rgb;
    weight += 1.0;
  }
  return own - sum / weight;
}

void main() {
  ivec3 at = ivec3(place.xyz);
  uint bits = texelFetch(geometry, at, 0).g;
  vec4 colour = sharpened(at, bits);
  vec3 x = vec3(0.0), y = vec3(0.0), broad = vec3(0.0), clean = vec3(cleaned.rgb) * cleanUnit;
  if (cleaned.w == 0) {
    clean = colour.rgb;
    x = fineDetail(at, bits, 0);
    y = fineDetail(at, bits, 2);
    broad = texelFetch(colours, at, 0).rgb - texture(mean, (vec2(at.xy) + 0.5 - meanAt.xy) * meanAt.zw).rgb;
  }
  pointShows = uvec4(packColour(colour.rgb), packColour(clean), packSnorm2x16(x.rg), packSnorm2x16(vec2(x.b, y.r)));
  pointDetail = uvec4(packSnorm2x16(y.gb), packSnorm2x16(broad.rg), packSnorm2x16(vec2(broad.b, colour.a)), bits);
}
