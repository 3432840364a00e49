// Onto a smaller canvas, from the frame's mip levels.
void main() {
  vec2 at = placeOf();
  colour = shownAt(at, texture(frame, at / vec2(textureSize(frame, 0))).rgb);
}
