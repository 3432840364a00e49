// In the place of carries.glsl where points show their colours alone.
void carry(vec2 px) {}
