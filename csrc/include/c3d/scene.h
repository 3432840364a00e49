// A scene in motion, to frames: what `c3drender export scene.c3d -o scene.c3dplay` wrote (docs/scene-format.md).
//
//   c3d::Workspace workspace;
//   c3d::Scene scene;
//   c3d::Status status = c3d::Scene::load("scene.c3dplay", &scene);
//   std::vector<uint8_t> rgb(3 * scene.camera().width * scene.camera().height);
//   if (status.ok()) status = scene.render(scene.camera(), 0, workspace.context(), rgb.data());
//
// Frames have the bits of c3drender.render_frames on the CPU, for any number of threads.
#pragma once

#include <memory>

#include "c3d/api.h"

namespace c3d {

class C3D_API Scene {
 public:
  Scene();  // empty, as one that was moved from: no frames, no paths, a camera of no pixels
  ~Scene();
  Scene(Scene&&) noexcept;
  Scene& operator=(Scene&&) noexcept;

  // From a file, or from one that lies in memory and may go afterwards. Whatever the file holds, it becomes a scene that can
  // be rendered, or kInvalidArgument, whose message says what is wrong, and `scene` stays what it was. The memory taken is in
  // proportion to the file.
  static Status load(const char* path, Scene* scene);
  static Status parse(const void* bytes, size_t num_bytes, Scene* scene);

  Camera camera() const;  // the photo's, from where it was taken
  const float* focus() const;  // [3] the point that the paths keep in place, in scene units
  int32_t num_frames() const;  // one loop of the motion
  float fps() const;  // that it is meant for

  // The camera paths that the file offers, 0 .. num_paths - 1. Frame n of a path goes with frame n of the motion.
  int32_t num_paths() const;
  const char* path_name(int32_t path) const;  // lives as long as the scene
  int32_t path_length(int32_t path) const;  // frames; the one after the last would be the first
  Camera path_camera(int32_t path, int64_t frame) const;  // any integer frame

  // Frame `frame`, any integer, as `view` sees it: a camera of any pose, lens and size up to kMaxSceneSide.
  // rgb: [view.height, view.width, 3]; uncovered: [view.height, view.width] 1 where nothing is, and rgb is continued from
  // beside; or nullptr. One thread at a time.
  Status render(const Camera& view, int64_t frame, const Context& context, uint8_t* rgb, uint8_t* uncovered = nullptr);

  struct Data;  // opaque

 private:
  std::unique_ptr<Data> data_;
};

constexpr int32_t kMaxSceneSide = 1 << 15;  // px of a view's width and height

}  // namespace c3d
