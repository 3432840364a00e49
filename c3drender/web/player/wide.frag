// The fluid's luma against its wide mean, in the even measure.
uniform sampler2D own;
uniform sampler2D clean;
uniform sampler2D free;
uniform sampler2D around;

layout(location = 0) out vec4 wide;  // coded, existence

void main() {
  ivec2 px = ivec2(gl_FragCoord.xy);
  vec4 edge = texelFetch(clean, px, 0);
  vec3 bare = edge.rgb + (1.0 - edge.a) * texelFetch(own, px, 0).rgb;
  float luma = dot(bare, vec3(1.0 / 3.0)) - texture(around, gl_FragCoord.xy * aroundScale).a;
  wide = vec4(coded(evenOf(luma, natureAt(gl_FragCoord.xy))), texelFetch(free, px, 0).r, 0.0, 0.0);
}
