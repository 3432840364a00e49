// The C header's functions: each hands its struct, which is that of C++, to its op.
#include "c3d/c3d.h"

#include <cstring>
#include <new>
#include <string>
#include <type_traits>

#include "c3d/scene.h"
#include "c3d/workspace.h"

struct c3d_context {
  explicit c3d_context(int num_threads) : workspace(num_threads) {}

  c3d::Workspace workspace;
  char message[256] = "";

  // Kept, as a Status' own may be the next one's.
  c3d_status answer(const c3d::Status& status) {
    if (!status.ok()) {
      std::strncpy(message, status.message, sizeof(message) - 1);
    }
    return static_cast<c3d_status>(status.code);
  }
};

struct c3d_scene {
  c3d::Scene scene;
};

namespace {

#define C3D_SAME_SIZE(Cpp, c) static_assert(sizeof(c3d::Cpp) == sizeof(c) && std::is_trivially_copyable_v<c3d::Cpp>);
#define C3D_SAME_PLACE(Cpp, c, field) static_assert(offsetof(c3d::Cpp, field) == offsetof(c, field));
#define C3D_CALL(op, Cpp, c)
#include "ops.inc"
#undef C3D_SAME_SIZE
#undef C3D_SAME_PLACE
#undef C3D_CALL

constexpr c3d_status kInvalid = C3D_INVALID_ARGUMENT;

template <typename To, typename From>
To same_bytes(const From& from) {
  To to;
  std::memcpy(static_cast<void*>(&to), &from, sizeof(to));
  return to;
}

template <typename Read>  // read(scene) -> Status
c3d_status make_scene(c3d_context* context, c3d_scene** scene, const Read& read) {
  if (!context || !scene) return kInvalid;
  *scene = new (std::nothrow) c3d_scene;
  if (!*scene) return context->answer({c3d::StatusCode::kOutOfMemory, "scene: out of memory"});
  const c3d::Status status = read(&(*scene)->scene);
  if (!status.ok()) {
    delete *scene;
    *scene = nullptr;
  }
  return context->answer(status);
}

}  // namespace

const char* c3d_version() { return C3D_VERSION; }

c3d_status c3d_context_create(int32_t num_threads, c3d_context** context) {
  if (!context) return kInvalid;
  *context = new (std::nothrow) c3d_context(num_threads);
  return *context ? C3D_OK : C3D_OUT_OF_MEMORY;
}

void c3d_context_free(c3d_context* context) { delete context; }
const char* c3d_message(const c3d_context* context) { return context ? context->message : "context: out of memory"; }

#define C3D_SAME_SIZE(Cpp, c)
#define C3D_SAME_PLACE(Cpp, c, field)
#define C3D_CALL(op, Cpp, c)                                                                               \
  c3d_status c3d_##op(c3d_context* context, const c* args) {                                               \
    if (!context) return kInvalid;                                                                         \
    if (!args) return context->answer({c3d::StatusCode::kInvalidArgument, #op ": args must not be null"}); \
    return context->answer(c3d::cpu::op(same_bytes<c3d::Cpp>(*args), context->workspace.context()));       \
  }
#include "ops.inc"

c3d_status c3d_scene_load(c3d_context* context, const char* path, c3d_scene** scene) {
  return make_scene(context, scene, [&](c3d::Scene* to) { return c3d::Scene::load(path, to); });
}

c3d_status c3d_scene_parse(c3d_context* context, const void* bytes, size_t num_bytes, c3d_scene** scene) {
  return make_scene(context, scene, [&](c3d::Scene* to) { return c3d::Scene::parse(bytes, num_bytes, to); });
}

void c3d_scene_free(c3d_scene* scene) { delete scene; }
c3d_camera c3d_scene_camera(const c3d_scene* scene) { return same_bytes<c3d_camera>(scene->scene.camera()); }
const float* c3d_scene_focus(const c3d_scene* scene) { return scene->scene.focus(); }
int32_t c3d_scene_num_frames(const c3d_scene* scene) { return scene->scene.num_frames(); }
float c3d_scene_fps(const c3d_scene* scene) { return scene->scene.fps(); }
int32_t c3d_scene_num_paths(const c3d_scene* scene) { return scene->scene.num_paths(); }
const char* c3d_scene_path_name(const c3d_scene* scene, int32_t path) { return scene->scene.path_name(path); }
int32_t c3d_scene_path_length(const c3d_scene* scene, int32_t path) { return scene->scene.path_length(path); }

c3d_camera c3d_scene_path_camera(const c3d_scene* scene, int32_t path, int64_t frame) {
  return same_bytes<c3d_camera>(scene->scene.path_camera(path, frame));
}

c3d_status c3d_scene_render(c3d_context* context, c3d_scene* scene, const c3d_camera* view, int64_t frame, uint8_t* rgb,
                            uint8_t* uncovered) {
  if (!context) return kInvalid;
  if (!scene || !view) return context->answer({c3d::StatusCode::kInvalidArgument, "scene: scene and view must not be null"});
  const auto camera = same_bytes<c3d::Camera>(*view);
  return context->answer(scene->scene.render(camera, frame, context->workspace.context(), rgb, uncovered));
}
