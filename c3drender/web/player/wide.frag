// Luma against its wide mean where the fluid exists.
uniform sampler2D own;
uniform sampler2D clean;
uniform sampler2D free;
uniform sampler2D around;
uniform vec2 aroundScale;

layout(location = 0) out vec4 wide;  // coded, existence

void main() {
  ivec2 px = ivec2(gl_FragCoord.xy);
  vec4 edge = texelFetch(clean, px, 0);
  vec3 bare = edge.rgb + (1.0 - edge.a) * texelFetch(own, px, 0).rgb;
  float luma = dot(bare, vec3(1.0 / 3.0)) - texture(around, gl_FragCoord.xy * aroundScale).a;
  wide = vec4(luma + 0.5, texelFetch(free, px, 0).r, 0.0, 0.0);
}
