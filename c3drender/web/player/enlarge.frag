// Onto a larger canvas, by Catmull and Rom's spline: of its four weights along an axis the two in the middle have one sign, so
// that a linear filter finds their sum at a place between the two texels.
void main() {
  vec2 at = placeOf(), size = vec2(textureSize(frame, 0)), first = floor(at - 0.5) + 0.5, t = at - first;
  vec2 before = t * (t * (1.0 - 0.5 * t) - 0.5), after = t * t * (0.5 * t - 0.5);
  vec2 second = t * (0.5 + t * (2.0 - 1.5 * t)), middle = 1.0 - before - after;
  vec3 weightX = vec3(before.x, middle.x, after.x), weightY = vec3(before.y, middle.y, after.y);
  vec2 between = first + second / middle;
  vec3 placeX = vec3(first.x - 1.0, between.x, first.x + 2.0) / size.x;
  vec3 placeY = vec3(first.y - 1.0, between.y, first.y + 2.0) / size.y;
  vec3 sum = vec3(0.0);
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 3; ++x) sum += weightX[x] * weightY[y] * textureLod(frame, vec2(placeX[x], placeY[y]), 0.0).rgb;
  colour = shownAt(at, sum);
}
