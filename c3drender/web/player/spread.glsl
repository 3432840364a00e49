// Points whose discs may reach farther than a pixel's neighbours also fill the pixels around that nothing else lies in.
flat out vec2 centre;  // px of the table

void splatWide(vec3 at, float radius, uint colour, uint speaks) {
  vec3 disc = splat(at, radius, colour, speaks);
  centre = disc.xy;
  gl_PointSize = 1.0 + 2.0 * clamp(ceil(disc.z - REACH), 0.0, 3.0);
}
