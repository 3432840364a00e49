// In the place of bend.glsl where nothing sways.
vec2 bendAt(ivec2 px) { return vec2(0.0); }
