uniform sampler2D own;   // colour
uniform sampler2D bare;  // colour without what rests beside it; fine detail of luma
uniform sampler2D free;  // existence, freedom
uniform float leastExistence;
uniform float fringe;    // px
uniform bool detailed;   // keep the contrast

in vec4 ways;
in vec4 speaks;
in vec3 broad;
flat in uvec3 cell;

layout(location = 0) out vec4 shown;

void main() {
  vec4 way = ways / speaks.w;
  vec2 size = vec2(textureSize(bare, 0)), there = texture(free, way.zw / size).rg;
  if (there.r <= leastExistence) discard;
  if (cell.z != 0u) {
    vec2 part = clamp(way.xy + 0.5 - vec2(cell.xy), 0.0, 1.0);
    vec4 share = vec4((1.0 - part.x) * (1.0 - part.y), part.x * (1.0 - part.y), (1.0 - part.x) * part.y, part.x * part.y);
    if (dot(share, vec4(uvec4(cell.z, cell.z >> 1, cell.z >> 2, cell.z >> 3) & 1u)) < 0.5) discard;
  }
  vec2 at = sampledAt(way.xy, size);
  vec4 found = texture(bare, at);
  vec3 change = changeAt(found.rgb, way.xy / size), colour = found.rgb;
  if (speaks.y < fringe) colour = mix(texture(own, at).rgb, colour, speaks.y / fringe);
  colour += change;
  if (there.g < 1.0) colour = mix(texture(own, way.zw / size).rgb, colour, there.g);
  if (detailed) {
    // What the samples between pixels lose of the finest detail, and all that the loop loses of the rest.
    vec2 part = fract(way.xy - 0.5), both = part * (1.0 - part), lost = 8.0 * both * both;
    colour += there.g * 0.5 * (lost.x + lost.y) * (found.a - 0.5);
    colour += (speaks.z - 1.0) * min(2.0 * there.g, 1.0) * (found.rgb + change - broad);
  }
  shown = vec4(colour, speaks.x);
}
