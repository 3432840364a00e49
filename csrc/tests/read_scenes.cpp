// Reads scenes, damaged or not, and renders what it takes for one, for python_tests/fuzz_scene.py, which damages them:
// from its input a size in text, a line feed and as many bytes, again and again; for each a line: "ok" or what is wrong.
#include <c3d/scene.h>
#include <c3d/workspace.h>

#include <cstdio>
#include <vector>

int main() {
  c3d::Workspace workspace(2);
  std::vector<unsigned char> bytes;
  for (size_t size = 0; std::scanf("%zu", &size) == 1 && std::getchar() == '\n';) {
    bytes.resize(size);
    if (std::fread(bytes.data(), 1, size, stdin) != size) return 1;
    c3d::Scene scene;
    c3d::Status status = c3d::Scene::parse(bytes.data(), size, &scene);
    for (int32_t path = 0; status.ok() && path < scene.num_paths(); ++path) {
      const c3d::Camera view = scene.path_camera(path, 1);
      std::vector<uint8_t> rgb(3 * static_cast<size_t>(view.width) * static_cast<size_t>(view.height));
      for (int64_t frame = -1; status.ok() && frame < 2; ++frame)
        status = scene.render(view, frame, workspace.context(), rgb.data());
    }
    std::puts(status.ok() ? "ok" : status.message);
    std::fflush(stdout);
  }
}
