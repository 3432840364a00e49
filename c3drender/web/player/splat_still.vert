layout(location = 0) in vec4 pointAt;
layout(location = 1) in uvec2 pointShows;

void main() { splat(pointAt.xyz, pointAt.w, pointShows.x, pointShows.y); }
