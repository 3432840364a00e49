// The fluid's picture without what rests beside it, and its fine detail, where nothing does.
uniform sampler2D own;    // colour, fine detail of luma
uniform sampler2D clean;  // colour without what rests beside it, times whether there is one

layout(location = 0) out vec4 bare;

void main() {
  vec4 found = texelFetch(own, ivec2(gl_FragCoord.xy), 0), edge = texelFetch(clean, ivec2(gl_FragCoord.xy), 0);
  bare = vec4(edge.rgb, 0.5 * edge.a) + (1.0 - edge.a) * found;
}
