// Writes the frames of a scene as pictures, without torch or Python:
//
//   c3drender export scene.c3d -o scene.c3dplay
//   play scene.c3dplay frames [camera]
//
// frames: a folder that is there, for frame_0000.ppm, frame_0001.ppm ... camera: the name of one of the file's paths (default:
// its first), or "photo": from where the photo was taken.
#include <c3d/scene.h>
#include <c3d/workspace.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "files.h"

int main(int argc, char** argv) {
  require(argc == 3 || argc == 4, "usage: play scene.c3dplay folder [camera]");
  c3d::Scene scene;
  const c3d::Status loaded = c3d::Scene::load(argv[1], &scene);
  require(loaded.ok(), loaded.message);

  const bool from_photo = scene.num_paths() == 0 || (argc == 4 && std::strcmp(argv[3], "photo") == 0);
  int32_t path = 0;
  while (argc == 4 && !from_photo && path < scene.num_paths() && std::strcmp(argv[3], scene.path_name(path)) != 0) ++path;
  require(from_photo || path < scene.num_paths(), "the scene has no camera of this name");

  c3d::Workspace workspace;
  const int32_t num_frames = from_photo ? scene.num_frames() : scene.path_length(path);
  for (int32_t n = 0; n < num_frames; ++n) {
    const c3d::Camera view = from_photo ? scene.camera() : scene.path_camera(path, n);
    std::vector<uint8_t> rgb(3 * static_cast<size_t>(view.width) * static_cast<size_t>(view.height));
    const c3d::Status status = scene.render(view, n, workspace.context(), rgb.data());
    require(status.ok(), status.message);
    char name[32];
    std::snprintf(name, sizeof(name), "/frame_%04d.ppm", n);
    write_picture((argv[2] + std::string(name)).c_str(), view.width, view.height, rgb);
  }
  std::printf("%d frames of %g per second: %s\n", num_frames, static_cast<double>(scene.fps()), argv[2]);
}
