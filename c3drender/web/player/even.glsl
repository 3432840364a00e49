// The even measure of luma (render/even.py), g of each place: normal, of deviation 1.
uniform sampler2D nature;  // luma's deviation, its skew, how dense its texture is
uniform vec2 aroundScale;
uniform vec2 leastOf;  // skew, what has a measure

const float CODED = 12.0;  // values of g that eight bits tell apart: -6..6

float coded(float g) { return g / CODED + 0.5; }

vec4 decoded(vec4 told) { return (told - 0.5) * CODED; }

struct Nature {
  float deviation, skew, steep, dense;
};

Nature natureAt(vec2 px) {
  vec3 told = texture(nature, px * aroundScale).rgb;
  float skew = (told.g < 0.0 ? -1.0 : 1.0) * max(abs(told.g), leastOf.x);
  return Nature(told.r, skew, sign(skew) * sqrt(exp(skew * skew) - 1.0), told.b);
}

float evenOf(float detail, Nature here) {
  float above = max(here.steep * detail / here.deviation, leastOf.y - 1.0);
  return (log(1.0 + above) + 0.5 * here.skew * here.skew) / here.skew;
}

float lumaOf(float g, Nature here) {
  return here.deviation / here.steep * (exp(here.skew * (g - 0.5 * here.skew)) - 1.0);
}
