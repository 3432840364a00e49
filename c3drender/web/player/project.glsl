// Points of the canvas, the plane of the photo and its margin, into a view.
uniform vec4 view[3];  // rows of world_to_cam
uniform vec4 seen;     // of the view: fx, fy, cx, cy
uniform vec2 photo;    // px
uniform vec4 lens;     // of the canvas: fx, fy, cx, cy
uniform float nearest; // the scene's smallest depth
uniform float sharpness;

// Returns the position in clip space; disp: 1/z in the view.
vec4 project(vec2 px, float z, out float disp) {
  vec4 p = vec4((px - lens.zw) / lens.xy * z, z, 1.0);
  vec3 cam = vec3(dot(view[0], p), dot(view[1], p), dot(view[2], p));
  disp = 1.0 / max(cam.z, 1e-6);
  vec2 uv = seen.xy * cam.xy + seen.zw * cam.z;
  return vec4(2.0 * uv / photo - cam.z, cam.z - nearest, cam.z);
}

// With what weight a point speaks for its pixel, as a logarithm in 0..1; 0 is left for nothing.
float weightCode(float confidence, float disp) {
  return clamp((log2(confidence) + 1.4426950408889634 * sharpness * disp + 12.0) / 21.0, 1.0 / 255.0, 1.0);
}
