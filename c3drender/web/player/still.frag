uniform sampler2DArray colours;

in vec3 at;
flat in uvec3 cell;
in float weight;

layout(location = 0) out vec4 shown;

void main() {
  vec2 size = vec2(textureSize(colours, 0).xy);
  shown = vec4(texture(colours, vec3(sampledAt(at.xy / at.z, size), cell.z >> 10)).rgb, weight);
}
