// What a fluid's points show of the waves that were whole loops away (render/phase.py, LoopCopies).
uniform sampler2D copiesBehind;  // luma that drifted there 3, 2, 1 loops; the least that may be shown
uniform sampler2D copiesAhead;   // 1, 2, 3 loops; the most
uniform sampler2D around;        // colours' rise with luma; luma's wide mean
uniform vec3 behind, ahead;      // weights
uniform float still;

// By how much the colour changes from `bare`, that of px of the box.
vec3 changeAt(vec3 bare, vec2 px, vec2 size) {
  vec4 before = decoded(texture(copiesBehind, px / size)), after = decoded(texture(copiesAhead, px / size));
  vec4 near = texture(around, px * aroundScale);
  Nature here = natureAt(px);
  float own = evenOf(dot(bare, vec3(1.0 / 3.0)) - near.a, here);
  float mixed = dot(behind, before.rgb) + still * own + dot(ahead, after.rgb);
  return (lumaOf(clamp(mixed, before.a, after.a), here) - lumaOf(own, here)) * near.rgb;
}
