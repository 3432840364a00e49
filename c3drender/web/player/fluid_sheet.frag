// The fluid's own picture: of each pixel of its box the colour in its layer, continued by two pixels, and the fine detail of
// luma, against the kernel 1 2 1 along x and along y.
uniform sampler2DArray colours;
uniform usampler2D layers;  // counted from 1; 0: no fluid
uniform ivec2 boxAt;

layout(location = 0) out vec4 shown;

uint layerOf(ivec2 px) {
  return any(lessThan(px, ivec2(0))) || any(greaterThanEqual(px, textureSize(layers, 0))) ? 0u : texelFetch(layers, px, 0).r;
}

vec3 colourOf(ivec2 px) { return texelFetch(colours, ivec3(px + boxAt, layerOf(px) - 1u), 0).rgb; }

void main() {
  ivec2 px = ivec2(gl_FragCoord.xy);
  if (layerOf(px) == 0u) {
    vec4 sum = vec4(0.0);
    for (int reach = 1; reach <= 2 && sum.a == 0.0; ++reach)
      for (int y = -reach; y <= reach; ++y)
        for (int x = -reach; x <= reach; ++x)
          if (layerOf(px + ivec2(x, y)) != 0u) sum += vec4(colourOf(px + ivec2(x, y)), 1.0);
    shown = vec4(sum.rgb / max(sum.a, 1.0), 0.5);
    return;
  }
  vec3 own = colourOf(px), fine = vec3(0.0);
  for (int axis = 0; axis < 2; ++axis) {
    vec4 sum = vec4(2.0 * own, 2.0);
    for (int side = -1; side <= 1; side += 2) {
      ivec2 near = px + side * ivec2(1 - axis, axis);
      if (layerOf(near) != 0u) sum += vec4(colourOf(near), 1.0);
    }
    fine += own - sum.rgb / sum.a;
  }
  shown = vec4(own, clamp(dot(fine, vec3(1.0 / 3.0)) + 0.5, 0.0, 1.0));
}
