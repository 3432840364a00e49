// What a fluid's points carry from where they start.
out vec4 near;
out vec3 kind;

void carry(vec2 px) {
  near = aroundAt(px);
  kind = natureAt(px);
}
