// c3d::Scene: files to scenes, and what scenes say of themselves. What leaves here is a Status, never an exception.
#include <climits>
#include <cstdio>
#include <exception>
#include <string>

#include "data.h"
#include "tensors.h"

namespace c3d {
namespace {

Status refused(const std::string& what) {
  static thread_local std::string message;
  message = "scene: " + what;
  return {StatusCode::kInvalidArgument, message.c_str()};
}

constexpr Status kNoMemory{StatusCode::kOutOfMemory, "scene: out of memory"};

std::vector<uint8_t> read_whole(const char* path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path, "rb"), std::fclose);
  const auto fail = [path] { throw scene::Damaged{"cannot read " + std::string(path)}; };
  if (!file || std::fseek(file.get(), 0, SEEK_END) != 0) fail();
  const long size = std::ftell(file.get());
  if (size < 0 || size == LONG_MAX || std::fseek(file.get(), 0, SEEK_SET) != 0) fail();  // a folder's is LONG_MAX
  std::vector<uint8_t> bytes(static_cast<size_t>(size));
  if (std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size()) fail();
  return bytes;
}

template <typename Work>  // work() may throw
Status guarded(const Work& work) {
  try {
    return work();
  } catch (const scene::Damaged& damaged) {
    return refused(damaged.what);
  } catch (const std::exception&) {  // bad_alloc, length_error: what memory cannot hold
    return kNoMemory;
  }
}

}  // namespace

Scene::Scene() = default;
Scene::~Scene() = default;
Scene::Scene(Scene&&) noexcept = default;
Scene& Scene::operator=(Scene&&) noexcept = default;

Status Scene::load(const char* path, Scene* scene) {
  if (!path || !scene) return {StatusCode::kInvalidArgument, "scene: path and scene must not be null"};
  return guarded([&] {
    const std::vector<uint8_t> bytes = read_whole(path);
    return parse(bytes.data(), bytes.size(), scene);
  });
}

Status Scene::parse(const void* bytes, size_t num_bytes, Scene* scene) {
  if (!bytes || !scene) return {StatusCode::kInvalidArgument, "scene: bytes and scene must not be null"};
  return guarded([&]() -> Status {
    auto data = std::make_unique<Data>();
    scene::read(static_cast<const uint8_t*>(bytes), num_bytes, *data);
    scene->data_ = std::move(data);
    return {};
  });
}

Camera Scene::camera() const {
  Camera camera;
  if (!data_) return camera;
  camera.fx = static_cast<float>(data_->lens[0]), camera.fy = static_cast<float>(data_->lens[1]);
  camera.cx = static_cast<float>(data_->lens[2]), camera.cy = static_cast<float>(data_->lens[3]);
  camera.width = data_->width, camera.height = data_->height;
  return camera;
}

const float* Scene::focus() const { return data_ ? data_->focus : nullptr; }
int32_t Scene::num_frames() const { return data_ ? data_->frames.count : 0; }
float Scene::fps() const { return data_ ? data_->fps : 0.0f; }
int32_t Scene::num_paths() const { return data_ ? static_cast<int32_t>(data_->paths.size()) : 0; }

const char* Scene::path_name(int32_t path) const {
  return path >= 0 && path < num_paths() ? data_->paths[static_cast<size_t>(path)].name.c_str() : nullptr;
}

int32_t Scene::path_length(int32_t path) const {
  return path >= 0 && path < num_paths() ? static_cast<int32_t>(data_->paths[static_cast<size_t>(path)].zoom.size()) : 0;
}

Camera Scene::path_camera(int32_t path, int64_t frame) const {
  Camera camera = this->camera();
  const int32_t length = path_length(path);
  if (length == 0) return camera;
  const scene::Path& of = data_->paths[static_cast<size_t>(path)];
  const auto n = static_cast<size_t>((frame % length + length) % length);
  camera.fx = static_cast<float>(data_->lens[0] * static_cast<double>(of.zoom[n]));
  camera.fy = static_cast<float>(data_->lens[1] * static_cast<double>(of.zoom[n]));
  for (size_t i = 0; i < 12; ++i) camera.world_to_cam[i] = of.pose[12 * n + i];
  return camera;
}

Status Scene::render(const Camera& view, int64_t frame, const Context& context, uint8_t* rgb, uint8_t* uncovered) {
  if (!data_) return {StatusCode::kInvalidArgument, "scene: expected a scene that was loaded, got an empty one"};
  if (!rgb) return {StatusCode::kInvalidArgument, "scene: rgb must not be null"};
  if (view.width < 1 || view.height < 1 || view.width > kMaxSceneSide || view.height > kMaxSceneSide)
    return {StatusCode::kInvalidArgument, "scene: the view's width and height must be 1..32768"};
  if (!context.executor.run || context.executor.num_threads < 1)
    return {StatusCode::kInvalidArgument, "context: executor.run must not be null, num_threads >= 1"};
  const int64_t num_frames = data_->frames.count;
  const auto n = static_cast<int32_t>((frame % num_frames + num_frames) % num_frames);
  return guarded([&] { return scene::render(*data_, view, n, context, rgb, uncovered); });
}

}  // namespace c3d
