// Where between texels a linear filter finds what the renderer's kernel shows there: it is narrower than a tent.
vec2 sampledAt(vec2 px, vec2 size) {
  vec2 first = floor(px - 0.5), part = px - 0.5 - first;
  part *= 0.15 + 0.85 * part * (3.0 - 2.0 * part);
  return (first + 0.5 + part) / size;
}
