// The even measure of luma (render/even.py), g of each place: normal, of deviation 1.
uniform vec2 leastOf;  // skew, what has a measure

const float CODED = 12.0;  // values of g that eight bits tell apart: -6..6

float coded(float g) { return g / CODED + 0.5; }

vec4 decoded(vec4 told) { return (told - 0.5) * CODED; }

struct Nature {
  float deviation, skew, steep, dense;
};

// Of luma's deviation, its skew, how dense its texture is.
Nature natureOf(vec3 told) {
  float skew = (told.g < 0.0 ? -1.0 : 1.0) * max(abs(told.g), leastOf.x);
  return Nature(told.r, skew, sign(skew) * sqrt(exp(skew * skew) - 1.0), told.b);
}

// What of luma's detail has a measure.
float measurable(float detail, Nature here) { return max(here.steep * detail / here.deviation, leastOf.y - 1.0); }

float evenOf(float above, Nature here) { return log(1.0 + above) / here.skew + 0.5 * here.skew; }

float aboveOf(float g, Nature here) { return exp(here.skew * (g - 0.5 * here.skew)) - 1.0; }
