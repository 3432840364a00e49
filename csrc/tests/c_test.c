/* The C header, from C99: an op, a refusal in words, a scene that is none. */
#include <c3d/c3d.h>
#include <stdio.h>
#include <string.h>

static int num_failed = 0;

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      ++num_failed;                                                           \
    }                                                                         \
  } while (0)

static void test_splat(c3d_context* context) {
  const float xyz[] = {0, 0, 2}, red[] = {1, 0, 0};
  float feat[3 * 9 * 9], alpha[9 * 9], disp[9 * 9];
  c3d_camera camera = C3D_CAMERA_AT_REST;
  c3d_splat_points_args args = {0};
  camera.fx = camera.fy = 9, camera.cx = camera.cy = 4.5f, camera.width = camera.height = 9;
  args.xyz = xyz, args.feat = red, args.radius_all = 0.4f, args.num_points = 1, args.num_channels = 3;
  args.cameras = &camera, args.num_cameras = 1;
  args.compositor = C3D_COMPOSITOR_SURFACE, args.max_points = 8, args.depth_tolerance = 0.02f;
  args.feat_out = feat, args.alpha_out = alpha, args.disp_out = disp;
  CHECK(c3d_splat_points(context, &args) == C3D_OK);
  CHECK(feat[3 * 40] == 1 && feat[3 * 40 + 1] == 0 && alpha[40] == 1 && disp[40] == 0.5f && alpha[0] == 0);
  camera.fx = 0;
  CHECK(c3d_splat_points(context, &args) == C3D_INVALID_ARGUMENT);
  CHECK(strstr(c3d_message(context), "splat_points: camera fx") != NULL);
  args.compositor = 7;
  CHECK(c3d_splat_points(context, &args) == C3D_INVALID_ARGUMENT);
  CHECK(strstr(c3d_message(context), "compositor") != NULL);
  CHECK(c3d_splat_points(context, NULL) == C3D_INVALID_ARGUMENT);
  CHECK(c3d_splat_points(NULL, &args) == C3D_INVALID_ARGUMENT);
}

static void test_scene(c3d_context* context) {
  const uint8_t rgb[3] = {0};
  c3d_scene* scene = NULL;
  CHECK(c3d_scene_parse(context, rgb, sizeof(rgb), &scene) == C3D_INVALID_ARGUMENT && scene == NULL);
  CHECK(strstr(c3d_message(context), "scene: expected a .c3dplay file") != NULL);
  CHECK(c3d_scene_load(context, "/nowhere/scene.c3dplay", &scene) == C3D_INVALID_ARGUMENT && scene == NULL);
  CHECK(c3d_scene_load(context, NULL, &scene) == C3D_INVALID_ARGUMENT);
  CHECK(c3d_scene_load(context, "", NULL) == C3D_INVALID_ARGUMENT);
  c3d_scene_free(NULL);
}

int main(void) {
  c3d_context* context = NULL;
  CHECK(c3d_context_create(2, &context) == C3D_OK && context != NULL);
  CHECK(c3d_context_create(2, NULL) == C3D_INVALID_ARGUMENT);
  CHECK(strcmp(c3d_message(context), "") == 0);
  CHECK(strcmp(c3d_version(), C3D_VERSION) == 0);
  test_splat(context);
  test_scene(context);
  c3d_context_free(context);
  c3d_context_free(NULL);
  printf(num_failed ? "%d checks failed\n" : "all checks passed\n", num_failed);
  return num_failed != 0;
}
