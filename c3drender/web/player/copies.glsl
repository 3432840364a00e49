// What a fluid's points show of the waves that were whole loops away (render/phase.py, LoopCopies).
uniform sampler2D copiesBehind;  // luma that drifted there 3, 2, 1 loops; the least that may be shown
uniform sampler2D copiesAhead;   // 1, 2, 3 loops; the most
uniform vec3 behind, ahead;      // weights
uniform float still;

in vec4 near;
in vec3 kind;

// By how much the colour changes from `bare`; at: where the point starts, 0..1.
vec3 changeAt(vec3 bare, vec2 at) {
  vec4 before = decoded(texture(copiesBehind, at)), after = decoded(texture(copiesAhead, at));
  Nature here = natureOf(kind);
  float own = measurable(dot(bare, vec3(1.0 / 3.0)) - near.a, here);
  float mixed = dot(behind, before.rgb) + still * evenOf(own, here) + dot(ahead, after.rgb);
  return (aboveOf(clamp(mixed, before.a, after.a), here) - own) * here.deviation / here.steep * near.rgb;
}
