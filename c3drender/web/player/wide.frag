// The fluid's luma against its wide mean, in the even measure.
uniform sampler2D bare;
uniform sampler2D free;

layout(location = 0) out vec4 wide;  // coded, existence

void main() {
  ivec2 px = ivec2(gl_FragCoord.xy);
  Nature here = natureOf(natureAt(gl_FragCoord.xy));
  float luma = dot(texelFetch(bare, px, 0).rgb, vec3(1.0 / 3.0)) - aroundAt(gl_FragCoord.xy).a;
  wide = vec4(coded(evenOf(measurable(luma, here), here)), texelFetch(free, px, 0).r, 0.0, 0.0);
}
