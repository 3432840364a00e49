// What the fluid is like around each of its places, which is smooth.
uniform sampler2D around;  // colours' rise with luma; luma's wide mean
uniform sampler2D nature;  // luma's deviation, its skew, how dense its texture is
uniform vec2 aroundScale;

vec4 aroundAt(vec2 px) { return texture(around, px * aroundScale); }

vec3 natureAt(vec2 px) { return texture(nature, px * aroundScale).rgb; }
