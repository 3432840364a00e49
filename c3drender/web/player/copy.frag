// Onto a canvas as large as the frame.
void main() {
  vec2 at = placeOf();
  colour = shownAt(at, texelFetch(frame, ivec2(at), 0).rgb);
}
