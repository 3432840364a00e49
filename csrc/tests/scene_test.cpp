// The workspace and the scene: memory and threads that are kept, files whole and damaged, frames of a small scene.
#include <c3d/scene.h>
#include <c3d/workspace.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace {

int num_failed = 0;

#define CHECK(condition)                                                           \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      ++num_failed;                                                                \
    }                                                                              \
  } while (false)

bool rejects(const c3d::Status& status, const char* part) {
  if (status.code == c3d::StatusCode::kInvalidArgument && std::strstr(status.message, part)) return true;
  std::fprintf(stderr, "got: %s\n", status.message);
  return false;
}

// Each task once, by threads that sleep and wake a thousand times.
void test_threads() {
  for (const int num_threads : {1, 2, 5}) {
    c3d::Workspace workspace(num_threads);
    const c3d::Executor executor = workspace.context().executor;
    CHECK(executor.num_threads == num_threads);
    for (int64_t num_tasks = 0; num_tasks < 1000; ++num_tasks) {
      std::vector<std::atomic<int>> times(static_cast<size_t>(num_tasks));
      executor.run(
          executor.user, num_tasks,
          [](void* user, int64_t i) { static_cast<std::atomic<int>*>(user)[i].fetch_add(1, std::memory_order_relaxed); },
          times.data());
      for (const auto& time : times) CHECK(time == 1);
    }
  }
  CHECK(c3d::Workspace().context().executor.num_threads >= 1);
}

// Pieces that are aligned and apart; the next call gets the memory of the last one, in one block.
void test_memory() {
  c3d::Workspace workspace(1);
  void* first = nullptr;
  for (int call = 0; call < 3; ++call) {
    const c3d::Scratch scratch = workspace.context().scratch;
    std::vector<char*> pieces;
    for (const size_t size : {size_t{1}, size_t{100}, size_t{3} << 20, size_t{0}, size_t{5} << 20}) {
      pieces.push_back(static_cast<char*>(scratch.allocate(scratch.user, size)));
      CHECK(pieces.back() && reinterpret_cast<uintptr_t>(pieces.back()) % 64 == 0);
      std::memset(pieces.back(), call, size);
    }
    for (size_t i = 1; call > 0 && i < pieces.size(); ++i) CHECK(pieces[i] >= pieces[i - 1]);
    if (call == 2) CHECK(pieces[0] == first);
    first = pieces[0];
    CHECK(!scratch.allocate(scratch.user, SIZE_MAX));
  }
}

// A file of tensors, as safetensors lays them out.
struct File {
  std::string header, data;

  template <typename T>
  void add(const std::string& name, const char* type, const std::string& shape, const std::vector<T>& values) {
    const size_t first = data.size();
    data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    header += ", \"" + name + "\": {\"dtype\": \"" + type + "\", \"shape\": [" + shape + "], \"data_offsets\": [" +
              std::to_string(first) + ", " + std::to_string(data.size()) + "]}";
  }

  std::string whole(const std::string& version = "1") const {
    const std::string json =
        "{\"__metadata__\": {\"format\": \"c3drender play\", \"version\": \"" + version + "\"}" + header + "} ";
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(static_cast<uint64_t>(json.size()) >> (8 * i) & 255);
    return bytes + json + data;
  }
};

// A picture [3, 4] of points at rest in depth 1, each red as its place; a path of two frames, the second of twice the lens.
// Without the tensor `missing`.
File small_file(const std::string& missing = "") {
  File file;
  const auto add = [&](const std::string& name, const char* type, const std::string& shape, const auto& values) {
    if (name != missing) file.add(name, type, shape, values);
  };
  std::vector<float> xyz, feat, pose;
  for (int i = 0; i < 12; ++i) {
    xyz.insert(xyz.end(), {(static_cast<float>(i % 4) - 1.5f) / 4, (static_cast<float>(i / 4) - 1) / 4, 1});
    feat.insert(feat.end(), {static_cast<float>(i) / 255, 0, 0, 1});
  }
  for (int n = 0; n < 2; ++n) pose.insert(pose.end(), {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0});
  add("lens", "F64", "4", std::vector<double>{4, 4, 2, 1.5});
  add("size", "I32", "2", std::vector<int32_t>{4, 3});
  add("margin_px", "I32", "1", std::vector<int32_t>{0});
  add("focus", "F32", "3", std::vector<float>{0, 0, 2});
  add("fps", "F32", "1", std::vector<float>{25});
  add("rules", "F32", "5", std::vector<float>{1.5f, 3, 0.75f, 0.02f, 4});
  add("still.xyz", "F32", "12, 3", xyz);
  add("still.feat", "F32", "12, 4", feat);
  add("still.radius", "F32", "12", std::vector<float>(12, 0.125f));
  add("still.opacity", "F32", "12", std::vector<float>(12, 1));
  add("frames.share", "F32", "3", std::vector<float>{0, 0.3f, 0.7f});
  add("frames.fade", "F32", "3, 2", std::vector<float>(6));
  add("path.0.name", "U8", "5", std::vector<uint8_t>{'s', 't', 'i', 'l', 'l'});
  add("path.0.pose", "F32", "2, 3, 4", pose);
  add("path.0.zoom", "F32", "2", std::vector<float>{1, 2});
  return file;
}

c3d::Status parse(const std::string& bytes, c3d::Scene* scene) { return c3d::Scene::parse(bytes.data(), bytes.size(), scene); }

void test_scene() {
  c3d::Workspace workspace(2);
  c3d::Scene scene;
  uint8_t rgb[3 * 12], uncovered[12];
  CHECK(scene.num_frames() == 0 && scene.num_paths() == 0 && scene.camera().width == 0 && !scene.path_name(0));
  CHECK(rejects(scene.render(scene.camera(), 0, workspace.context(), rgb), "scene: expected a scene"));
  CHECK(parse(small_file().whole(), &scene).ok());
  CHECK(scene.num_frames() == 3 && scene.fps() == 25 && scene.focus()[2] == 2 && scene.num_paths() == 1);
  CHECK(std::strcmp(scene.path_name(0), "still") == 0 && scene.path_length(0) == 2 && scene.path_length(1) == 0);
  CHECK(scene.camera().width == 4 && scene.path_camera(0, 0).fx == 4 && scene.path_camera(0, -1).fx == 8);
  for (const int64_t frame : {int64_t{0}, int64_t{1}, int64_t{-5}, INT64_MAX, INT64_MIN}) {
    CHECK(scene.render(scene.camera(), frame, workspace.context(), rgb, uncovered).ok());
    for (int i = 0; i < 12; ++i) CHECK(rgb[3 * i] == i && rgb[3 * i + 1] == 0 && uncovered[i] == 0);
  }
  c3d::Camera larger = scene.camera();  // a view that sees beyond the picture: its colours are continued
  larger.width = 6, larger.cx += 1;
  std::vector<uint8_t> wide(3 * 18), beyond(18);
  CHECK(scene.render(larger, 0, workspace.context(), wide.data(), beyond.data()).ok());
  CHECK(beyond[0] == 1 && beyond[1] == 0 && wide[3] == 0 && wide[6] == 1 && wide[3 * 5] == 5);

  larger.width = c3d::kMaxSceneSide + 1;
  CHECK(rejects(scene.render(larger, 0, workspace.context(), rgb), "width and height"));
  larger.width = 4, larger.fx = 0;
  CHECK(rejects(scene.render(larger, 0, workspace.context(), rgb), "camera fx"));
  CHECK(rejects(scene.render(scene.camera(), 0, {}, rgb), "context:"));
  CHECK(rejects(scene.render(scene.camera(), 0, workspace.context(), nullptr), "rgb"));
  c3d::Scene moved = std::move(scene);
  CHECK(scene.num_frames() == 0 && moved.num_frames() == 3);
}

// A file that is cut anywhere, lacks something, has something else, or claims more than it holds.
void test_damaged_scenes() {
  c3d::Scene scene;
  const std::string whole = small_file().whole();
  for (size_t size = 0; size < whole.size(); ++size) CHECK(!parse(whole.substr(0, size), &scene).ok());
  CHECK(rejects(parse(whole + "x", &scene), "scene: expected tensors that are all of the file"));
  CHECK(rejects(parse(small_file().whole("2"), &scene), "scene: expected format version 1, got 2"));
  for (const char* name : {"lens", "size", "margin_px", "focus", "fps", "rules", "still.xyz", "still.feat", "still.opacity",
                           "frames.fade", "path.0.name", "path.0.zoom"})
    CHECK(rejects(parse(small_file(name).whole(), &scene), name));

  const auto with = [&](const std::string& name, const char* type, const std::string& shape, const auto& values) {
    File file = small_file(name);
    file.add(name, type, shape, values);
    return parse(file.whole(), &scene);
  };
  CHECK(rejects(with("more", "F32", "1", std::vector<float>{0}), "expected no tensors but"));
  CHECK(rejects(with("size", "I32", "2", std::vector<int32_t>{32768, 32768}), "half of the canvas"));
  CHECK(rejects(with("size", "I32", "2", std::vector<int32_t>{4, 0}), "expected size"));
  CHECK(rejects(with("size", "F32", "2", std::vector<float>{4, 3}), "expected size to be I32 [2], got F32 [2]"));
  CHECK(rejects(with("lens", "F64", "4", std::vector<double>{0, 4, 2, 1.5}), "expected lens"));
  CHECK(rejects(with("rules", "F32", "5", std::vector<float>{0, 3, 0.75f, 0.02f, 4}), "expected rules"));
  CHECK(rejects(with("frames.share", "F32", "3", std::vector<float>{0, 2, 0}), "expected frames.share"));
  CHECK(rejects(with("path.0.zoom", "F32", "2", std::vector<float>{1, 0}), "expected path.0.zoom"));
  CHECK(rejects(with("path.0.zoom", "F32", "2", std::vector<float>{1, 3e38f}), "expected path.0.zoom"));
  CHECK(rejects(with("path.0.name", "U8", "1", std::vector<uint8_t>{7}), "expected path.0.name"));
  CHECK(rejects(with("fps", "F32", "281474976710656, 281474976710656", std::vector<float>{1}), "sizes that memory holds"));
  CHECK(scene.num_frames() == 0);  // what is refused leaves a scene as it was
  CHECK(rejects(c3d::Scene::load("/", &scene), "scene: cannot read /"));
  CHECK(rejects(c3d::Scene::load(nullptr, &scene), "path"));
  CHECK(rejects(c3d::Scene::parse(nullptr, 0, &scene), "bytes"));
}

}  // namespace

int main() {
  test_threads();
  test_memory();
  test_scene();
  test_damaged_scenes();
  std::printf(num_failed ? "%d checks failed\n" : "all checks passed\n", num_failed);
  return num_failed != 0;
}
