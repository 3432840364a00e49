// In the place of copies.glsl where points show what they carry.
vec3 changeAt(vec3 bare, vec2 at) { return vec3(0.0); }
