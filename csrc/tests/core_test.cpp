// The core below torch and Python: edge cases, properties, bad arguments, and the same bits for every thread count.
#include <c3d/api.h>
#include <c3d/formulas.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <type_traits>
#include <vector>

#include "cpu/parallel.h"

// Less fitting than the library's own, which is there only where the CUDA half is.
namespace c3d::cuda {
struct Absent {};
Absent splat_points(...);
}  // namespace c3d::cuda

namespace {

#ifdef C3D_WITHOUT_CUDA
constexpr bool kHasCuda = false;
#else
constexpr bool kHasCuda = true;
#endif
using Declared = decltype(c3d::cuda::splat_points(c3d::SplatPointsArgs{}, c3d::Context{}));
static_assert(std::is_same_v<Declared, c3d::cuda::Absent> != kHasCuda, "c3d::cuda:: is declared where it is built");

using Array = std::vector<float>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

int num_failed = 0;

#define CHECK(condition)                                                           \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      ++num_failed;                                                                \
    }                                                                              \
  } while (false)

// One call's working memory; hands out nothing beyond `budget` bytes, and nothing where nothing is asked for.
struct Call {
  explicit Call(int num_threads = 2, size_t budget = SIZE_MAX)
      : left(budget), context{{allocate, this}, c3d::make_thread_executor(num_threads)} {}

  static void* allocate(void* user, size_t num_bytes) {
    Call& call = *static_cast<Call*>(user);
    if (num_bytes == 0 || num_bytes > call.left) return nullptr;
    call.left -= num_bytes;
    call.blocks.emplace_back(std::aligned_alloc(64, (num_bytes / 64 + 1) * 64), std::free);
    return call.blocks.back().get();
  }

  size_t left;
  std::vector<std::unique_ptr<void, void (*)(void*)>> blocks;
  c3d::Context context;
};

bool rejects(const c3d::Status& status, const char* part) {
  return status.code == c3d::StatusCode::kInvalidArgument && std::strstr(status.message, part);
}

bool same_bits(const Array& a, const Array& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

c3d::Camera make_camera(int32_t width, int32_t height, float x = 0.0f) {
  const float focal = static_cast<float>(width);
  return {focal, focal,  0.5f * static_cast<float>(width),     0.5f * static_cast<float>(height),
          width, height, {1, 0, 0, -x, 0, 1, 0, 0, 0, 0, 1, 0}};
}

// splat_points over arrays that it owns.
struct Splat {
  Splat(Array xyz_in, Array feat_in, Array radius_in, const c3d::Camera& camera_in)
      : xyz(std::move(xyz_in)), feat(std::move(feat_in)), radius(std::move(radius_in)), camera(camera_in) {
    const size_t num_points = radius.size(), num_channels = num_points ? feat.size() / num_points : 2;
    const size_t num_pixels = static_cast<size_t>(camera.width) * static_cast<size_t>(camera.height);
    const float unwritten = std::numeric_limits<float>::quiet_NaN();
    feat_out.assign(num_pixels * num_channels, unwritten);
    alpha_out.assign(num_pixels, unwritten);
    disp_out.assign(num_pixels, unwritten);
    idx_out.assign(num_pixels * 4, -2);
    args.xyz = xyz.data();
    args.feat = feat.data();
    args.radius = radius.data();
    args.num_points = static_cast<int64_t>(num_points);
    args.num_channels = static_cast<int32_t>(num_channels);
    args.cameras = &camera;
    args.num_cameras = 1;
    args.max_points = 4;
    args.depth_tolerance = 0.02f;
    args.feat_out = feat_out.data();
    args.alpha_out = alpha_out.data();
    args.disp_out = disp_out.data();
    args.idx_out = idx_out.data();
  }
  Splat(const Splat&) = delete;

  c3d::Status run(int num_threads = 2, size_t budget = SIZE_MAX) const {
    return c3d::cpu::splat_points(args, Call(num_threads, budget).context);
  }

  Array xyz, feat, radius;
  c3d::Camera camera;
  Array feat_out, alpha_out, disp_out;
  std::vector<int32_t> idx_out;
  c3d::SplatPointsArgs args{};
};

bool is_blank(const Splat& splat) {
  bool blank = true;
  for (const Array* out : {&splat.feat_out, &splat.alpha_out, &splat.disp_out})
    for (const float value : *out) blank = blank && value == 0.0f;
  for (const int32_t idx : splat.idx_out) blank = blank && idx == -1;
  return blank;
}

// Each item once, to one worker, who was told of it beforehand; one worker's items take longer, and the others help.
void test_items_ahead() {
  for (const int num_threads : {1, 2, 5, 100})
    for (const int64_t num_items : {0, 1, 63, 1000}) {
      std::vector<std::atomic<int>> times(static_cast<size_t>(num_items));
      std::vector<int64_t> promised(static_cast<size_t>(num_threads), -1);
      std::atomic<bool> kept{true};
      c3d::cpu::parallel_items_ahead(c3d::make_thread_executor(num_threads), num_items,
                                     [&](int worker, int64_t item, int64_t next) {
                                       int64_t& promise = promised[static_cast<size_t>(worker)];
                                       if (promise >= 0 && promise != item) kept = false;
                                       promise = next;
                                       ++times[static_cast<size_t>(item)];
                                       if (item < num_items / 5) std::this_thread::sleep_for(std::chrono::microseconds(20));
                                     });
      CHECK(kept);
      for (const auto& count : times) CHECK(count == 1);
      for (const int64_t promise : promised) CHECK(promise == -1 || promise == num_items);
    }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsSanitized = true;  // which takes memory of its own at every turn
#else
constexpr bool kIsSanitized = false;
#endif

// Where the system has no memory for another thread's stack, those that there are do everything.
void test_executor_without_threads() {
  const int64_t num_tasks = 1000;
  std::vector<std::atomic<int>> times(num_tasks);
  rlimit before;
  CHECK(getrlimit(RLIMIT_AS, &before) == 0);
  const rlimit none{std::min<rlim_t>(1, before.rlim_max), before.rlim_max};
  CHECK(setrlimit(RLIMIT_AS, &none) == 0);
  c3d::cpu::parallel_tasks(c3d::make_thread_executor(64), num_tasks, [&](int64_t i) { ++times[static_cast<size_t>(i)]; });
  CHECK(setrlimit(RLIMIT_AS, &before) == 0);
  for (const auto& count : times) CHECK(count == 1);
}

void test_splat_without_visible_points() {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  Splat empty({}, {}, {}, make_camera(7, 5));
  CHECK(empty.run().ok() && is_blank(empty));
  Splat unusable({0, 0, -2, 0, 0, 0, 100, 0, 1, nan, 0, 1, 0, 0, infinity, 0, 0, 1}, Array(6, 1.0f),
                 {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, nan}, make_camera(7, 5));
  CHECK(unusable.run().ok() && is_blank(unusable));
}

// At the centre of the middle pixel: q = 0 there, and the radius of 0.6 px reaches no other pixel centre.
void test_splat_of_one_point() {
  for (const auto compositor : {c3d::Compositor::kAlpha, c3d::Compositor::kSurface}) {
    Splat one({0, 0, 2}, {0.25f, -3}, {0.6f * 2 / 5}, make_camera(5, 3));
    one.args.compositor = compositor;
    CHECK(one.run().ok());
    for (size_t i = 0; i < one.alpha_out.size(); ++i) {
      const float covered = i == 7 ? 1.0f : 0.0f;
      CHECK(one.alpha_out[i] == covered && one.disp_out[i] == 0.5f * covered);
      CHECK(one.feat_out[2 * i] == 0.25f * covered && one.feat_out[2 * i + 1] == -3.0f * covered);
      CHECK(one.idx_out[4 * i] == (i == 7 ? 0 : -1) && one.idx_out[4 * i + 1] == -1);
    }
  }
}

void test_splat_threads() {
  const int num_points = 20000;
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  Array xyz, feat, radius;
  for (int i = 0; i < num_points; ++i) {
    const float z = i % 3 ? 2.0f + uniform(random) : 2.0f;  // a third at one depth: ties
    xyz.insert(xyz.end(), {0.6f * z * uniform(random), 0.4f * z * uniform(random), z});
    for (int c = 0; c < 5; ++c) feat.push_back(uniform(random));
    radius.push_back(z * 0.012f * (1.5f + uniform(random)));
  }
  for (const auto compositor : {c3d::Compositor::kAlpha, c3d::Compositor::kSurface}) {
    const auto render = [&](int num_threads) {
      auto splat = std::make_unique<Splat>(xyz, feat, radius, make_camera(161, 93));
      splat->args.compositor = compositor;
      CHECK(splat->run(num_threads).ok());
      return splat;
    };
    const auto expected = render(1);
    for (const int num_threads : {2, 5}) {
      const auto got = render(num_threads);
      CHECK(same_bits(got->feat_out, expected->feat_out) && same_bits(got->alpha_out, expected->alpha_out));
      CHECK(same_bits(got->disp_out, expected->disp_out) && got->idx_out == expected->idx_out);
    }
  }
}

void test_splat_bad_arguments() {
  const auto status_of = [](void (*spoil)(Splat&)) {
    Splat splat({0, 0, 2}, {1, 1}, {0.1f}, make_camera(4, 4));
    spoil(splat);
    return splat.run();
  };
  CHECK(rejects(status_of([](Splat& s) { s.args.num_points = -1; }), "splat_points: num_points"));
  CHECK(rejects(status_of([](Splat& s) { s.args.num_channels = 257; }), "splat_points: num_channels"));
  CHECK(rejects(status_of([](Splat& s) { s.args.max_points = 65; }), "splat_points: max_points"));
  CHECK(rejects(status_of([](Splat& s) { s.args.xyz = nullptr; }), "splat_points: xyz"));
  CHECK(rejects(status_of([](Splat& s) { s.args.feat_out = nullptr; }), "outputs"));
  CHECK(rejects(status_of([](Splat& s) { s.camera.width = 0; }), "width"));
  CHECK(rejects(status_of([](Splat& s) { s.camera.height = c3d::kMaxSide + 1; }), "splat_points: camera width and height"));
  for (const float lens : {0.0f, -1.0f, kNan, kInfinity})
    CHECK(rejects(Splat({0, 0, 2}, {1, 1}, {0.1f}, {lens, 4, 2, 2, 4, 4}).run(), "splat_points: camera fx"));
  CHECK(rejects(status_of([](Splat& s) { s.camera.cy = kNan; }), "cx and cy"));
  CHECK(rejects(status_of([](Splat& s) { s.args.radius = nullptr, s.args.radius_all = kNan; }), "splat_points: radius_all"));
  CHECK(rejects(status_of([](Splat& s) { s.args.depth_tolerance = kNan; }), "splat_points: depth_tolerance"));
  CHECK(rejects(status_of([](Splat& s) { s.args.compositor = c3d::Compositor{7}; }), "splat_points: compositor"));
  CHECK(rejects(status_of([](Splat& s) { s.args.feat_type = c3d::FeatType{-1}; }), "splat_points: feat_type"));
  const int64_t hidden[] = {0, 2};
  Splat other({0, 0, 2}, {1, 1}, {0.1f}, make_camera(4, 4));
  other.args.hidden = hidden;
  CHECK(rejects(other.run(), "splat_points: hidden"));
  other.args.hidden = nullptr;
  const c3d::Camera cameras[] = {make_camera(4, 4), make_camera(64, 64)};
  other.args.cameras = cameras;
  other.args.num_cameras = 2;
  CHECK(rejects(other.run(), "splat_points: all cameras"));
  Splat poor({0, 0, 2}, {1, 1}, {0.1f}, make_camera(64, 64));
  for (const size_t budget : {size_t{0}, size_t{100}, size_t{4000}})
    CHECK(poor.run(2, budget).code == c3d::StatusCode::kOutOfMemory);
}

// One disc that covers two pixels: a point gains from the loss what its weights in both say.
void test_splat_bwd() {
  for (const auto compositor : {c3d::Compositor::kAlpha, c3d::Compositor::kSurface}) {
    const Splat splat({-0.25f, 0, 1}, {1, 2}, {0.2f}, make_camera(4, 1));  // at u = 1 px, on the border of two pixels
    c3d::SplatPointsArgs forward = splat.args;
    forward.compositor = compositor;
    CHECK(c3d::cpu::splat_points(forward, Call().context).ok());
    CHECK(splat.idx_out[0] == 0 && splat.idx_out[4] == 0 && splat.idx_out[8] == -1);
    const Array grad_feat_out = {1, 0, 10, 0, 100, 0, 1000, 0};
    Array grad_xyz(3), grad_feat(2), grad_radius(1);
    c3d::SplatPointsBwdArgs args{};
    args.xyz = splat.xyz.data();
    args.feat = splat.feat.data();
    args.radius = splat.radius.data();
    args.num_points = 1;
    args.num_channels = 2;
    args.cameras = &splat.camera;
    args.num_cameras = 1;
    args.compositor = compositor;
    args.max_points = forward.max_points;
    args.depth_tolerance = forward.depth_tolerance;
    args.idx = splat.idx_out.data();
    args.grad_feat_out = grad_feat_out.data();
    args.grad_xyz = grad_xyz.data();
    args.grad_feat = grad_feat.data();
    args.grad_radius = grad_radius.data();
    CHECK(c3d::cpu::splat_points_bwd(args, Call().context).ok());
    const float alpha = splat.alpha_out[0];
    CHECK(alpha > 0.0f && splat.alpha_out[1] == alpha);
    CHECK(std::fabs(grad_feat[0] - 11.0f * alpha) <= 1e-5f && grad_feat[1] == 0.0f);
    CHECK(grad_xyz[0] > 0.0f && grad_radius[0] > 0.0f);  // to the right, where more is gained; and wider

    const c3d::Camera cameras[] = {make_camera(4, 1), make_camera(64, 64)};
    args.cameras = cameras;
    args.num_cameras = 2;
    CHECK(rejects(c3d::cpu::splat_points_bwd(args, Call().context), "splat_points_bwd: all cameras"));
    args.max_points = 65;
    CHECK(rejects(c3d::cpu::splat_points_bwd(args, Call().context), "splat_points_bwd: max_points"));
  }
}

// integrate_flow over a field [height, width] of one step, from every pixel's centre.
struct Trace {
  Trace(int32_t width, int32_t height, float x, float y, int32_t num_steps, int num_threads) {
    const size_t num_paths = static_cast<size_t>(width * height);
    Array step_px;
    for (size_t i = 0; i < num_paths; ++i) step_px.insert(step_px.end(), {x, y});
    offset_px.resize(static_cast<size_t>(num_steps + 1) * num_paths * 2);
    inside.resize(offset_px.size() / 2);
    status = c3d::cpu::integrate_flow({step_px.data(), width, height, nullptr, width * height, num_steps,
                                       c3d::Sampling::kBilinear, offset_px.data(), inside.data()},
                                      Call(num_threads).context);
  }
  Array offset_px;
  std::vector<uint8_t> inside;
  c3d::Status status;
};

void test_trace() {
  const int32_t width = 9, height = 7, num_steps = 12;
  const Trace still(width, height, 0, 0, num_steps, 2);
  CHECK(still.status.ok());
  for (const float offset : still.offset_px) CHECK(offset == 0.0f);
  for (const uint8_t inside : still.inside) CHECK(inside == 1);

  const Trace drift(width, height, 1, -0.5f, num_steps, 2);
  CHECK(drift.status.ok());
  for (int32_t i = 0; i < width * height; ++i) {
    const float x = static_cast<float>(i % width) + 0.5f, y = static_cast<float>(i / width) + 0.5f;
    float steps = 0.0f;  // taken so far: the last one is the one that leaves the frame
    for (int32_t t = 0; t <= num_steps; ++t) {
      const size_t at = static_cast<size_t>(t * width * height + i);
      CHECK(drift.offset_px[2 * at] == steps && drift.offset_px[2 * at + 1] == -0.5f * steps);
      const bool inside = x + steps <= width && y - 0.5f * steps >= 0.0f;
      CHECK(drift.inside[at] == inside);
      if (inside) ++steps;
    }
  }
  for (const int num_threads : {1, 5}) {
    const Trace again(width, height, 1, -0.5f, num_steps, num_threads);
    CHECK(same_bits(again.offset_px, drift.offset_px) && again.inside == drift.inside);
  }

  CHECK(rejects(Trace(width, height, 0, 0, -1, 1).status, "integrate_flow: num_steps"));
  c3d::IntegrateFlowArgs args{};
  args.num_steps = c3d::kMaxSteps + 1;
  CHECK(rejects(c3d::cpu::integrate_flow(args, Call().context), "integrate_flow: num_steps"));
  args.num_steps = 0;
  args.sampling = c3d::Sampling{2};
  CHECK(rejects(c3d::cpu::integrate_flow(args, Call().context), "integrate_flow: sampling"));
  args.sampling = c3d::Sampling::kBilinear;
  args.width = c3d::kMaxSide + 1, args.height = 1;
  args.num_paths = 1;
  CHECK(rejects(c3d::cpu::integrate_flow(args, Call().context), "integrate_flow: width and height"));
  args.width = args.height = 2;
  args.num_paths = 4;
  CHECK(rejects(c3d::cpu::integrate_flow(args, Call().context), "step_px"));
  args.num_paths = 0;
  CHECK(c3d::cpu::integrate_flow(args, Call().context).ok());
}

void test_blend() {
  const size_t num_pixels = 5000;
  std::mt19937 random(2);
  std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
  Array feat_fwd(2 * num_pixels), feat_bwd(2 * num_pixels), alpha_fwd(num_pixels), alpha_bwd(num_pixels);
  Array disp_fwd(num_pixels), disp_bwd(num_pixels), loop_t(num_pixels);
  for (Array* array : {&feat_fwd, &feat_bwd, &alpha_fwd, &alpha_bwd, &disp_fwd, &disp_bwd, &loop_t})
    for (float& value : *array) value = uniform(random);
  alpha_fwd[0] = alpha_bwd[0] = 0.0f;
  disp_fwd[1] = 1000.0f;  // exp(4000) would overflow
  Array feat(2 * num_pixels), alpha(num_pixels), w_fwd(num_pixels), w_bwd(num_pixels);
  c3d::BlendBidirectionalArgs args{feat_fwd.data(),
                                   feat_bwd.data(),
                                   alpha_fwd.data(),
                                   alpha_bwd.data(),
                                   disp_fwd.data(),
                                   disp_bwd.data(),
                                   loop_t.data(),
                                   0.0f,
                                   4.0f,
                                   static_cast<int64_t>(num_pixels),
                                   2,
                                   feat.data(),
                                   alpha.data(),
                                   w_fwd.data(),
                                   w_bwd.data()};
  CHECK(c3d::cpu::blend_bidirectional(args, Call(1).context).ok());
  CHECK(w_fwd[0] == 0.0f && w_bwd[0] == 0.0f && alpha[0] == 0.0f);
  CHECK(w_fwd[1] == 1.0f && w_bwd[1] == 0.0f);
  for (size_t i = 1; i < num_pixels; ++i) {
    CHECK(std::fabs(w_fwd[i] + w_bwd[i] - 1.0f) <= 2e-7f);
    CHECK(std::fabs(feat[2 * i] - (w_fwd[i] * feat_fwd[2 * i] + w_bwd[i] * feat_bwd[2 * i])) <= 1e-6f);
  }
  const Array expected = feat;
  for (const int num_threads : {2, 5}) {
    CHECK(c3d::cpu::blend_bidirectional(args, Call(num_threads).context).ok() && same_bits(feat, expected));
  }

  args.loop_t = nullptr;  // loop_t_all = 0: the forward side alone
  CHECK(c3d::cpu::blend_bidirectional(args, Call().context).ok());
  for (size_t i = 1; i < num_pixels; ++i) CHECK(std::fabs(w_fwd[i] - 1.0f) <= 1e-6f && w_bwd[i] == 0.0f);
  // However much nearer a side of no weight is, the other one shows.
  std::fill(disp_bwd.begin(), disp_bwd.end(), 1000.0f);
  CHECK(c3d::cpu::blend_bidirectional(args, Call().context).ok());
  for (size_t i = 1; i < num_pixels; ++i) CHECK(std::fabs(w_fwd[i] - 1.0f) <= 1e-6f && w_bwd[i] == 0.0f);
  args.loop_t_all = 1.0f;
  CHECK(c3d::cpu::blend_bidirectional(args, Call().context).ok());
  for (size_t i = 1; i < num_pixels; ++i) CHECK(w_fwd[i] == 0.0f && std::fabs(w_bwd[i] - 1.0f) <= 1e-6f);
  args.loop_t_all = 0.5f, args.sharpness = 1e38f;  // exponents that no float holds
  CHECK(c3d::cpu::blend_bidirectional(args, Call().context).ok());
  for (size_t i = 2; i < num_pixels; ++i) CHECK(w_fwd[i] == 0.0f && w_bwd[i] == 1.0f);
  args.sharpness = kInfinity;
  CHECK(rejects(c3d::cpu::blend_bidirectional(args, Call().context), "blend_bidirectional: sharpness"));
  args.loop_t_all = kNan;
  CHECK(rejects(c3d::cpu::blend_bidirectional(args, Call().context), "blend_bidirectional: loop_t_all"));
  args.loop_t_all = 0.0f, args.sharpness = 4.0f;
  args.disp_bwd = nullptr;
  CHECK(rejects(c3d::cpu::blend_bidirectional(args, Call().context), "blend_bidirectional: rasters"));
  args.num_channels = 0;
  CHECK(rejects(c3d::cpu::blend_bidirectional(args, Call().context), "num_channels"));
}

// A near plane (disparity 1) covers the left half of a far one (0.5) that goes on behind it. A camera that moves by `x` sees
// the edge shift by focal * x * (1 - 0.5) px against the far plane: to the left, and uncover as much, or to the right. The
// frame begins where the near plane's own end may come to lie.
int32_t count_holes(float camera_x, float step, int num_threads) {
  const int32_t width = 64, height = 9, edge = 32;
  Array disp, disp_hidden, disp_fluid(static_cast<size_t>(width * height), 0.5f), step_px;
  for (int32_t i = 0; i < width * height; ++i) {
    disp.push_back(i % width < edge ? 1.0f : 0.5f);
    disp_hidden.push_back(i % width < edge ? 0.5f : 0.0f);
    step_px.insert(step_px.end(), {step, 0.0f});
  }
  const c3d::Camera camera = make_camera(width, height, camera_x);
  std::vector<uint8_t> holes(disp.size(), 2);
  const c3d::FindHolesArgs args{disp.data(),
                                disp_hidden.data(),
                                disp_fluid.data(),
                                step_px.data(),
                                1,
                                3,
                                0,
                                &camera,
                                1,
                                {16, 0, width, height},
                                1.5f,
                                0.02f,
                                0.75f,
                                holes.data()};
  CHECK(c3d::cpu::find_holes(args, Call(num_threads).context).ok());
  int32_t count = 0;
  for (int32_t i = 0; i < width * height; ++i) {
    CHECK(holes[static_cast<size_t>(i)] <= (i % width < edge ? 1 : 0));
    count += holes[static_cast<size_t>(i)];
  }
  CHECK(count % height == 0);
  return count / height;  // columns
}

void test_holes() {
  CHECK(count_holes(0.0f, 0.0f, 2) == 0);
  CHECK(count_holes(-0.25f, 0.0f, 2) == 0);
  for (const int num_threads : {1, 2, 5}) CHECK(std::abs(count_holes(0.25f, 0.0f, num_threads) - 8) <= 1);
  CHECK(count_holes(0.0f, 1.0f, 2) == 3);

  c3d::FindHolesArgs args{};
  CHECK(rejects(c3d::cpu::find_holes(args, Call().context), "find_holes: at least one camera"));
  const c3d::Camera camera = make_camera(4, 4);
  args.cameras = &camera;
  args.num_cameras = 1;
  CHECK(rejects(c3d::cpu::find_holes(args, Call().context), "find_holes: disp"));
  const Array disp(16, 0.5f), step_px(32);
  std::vector<uint8_t> holes(16);
  const c3d::Camera cameras[] = {camera, make_camera(64, 64)};
  args.cameras = cameras;
  args.num_cameras = 2;
  args.num_layers = 1;
  args.disp = args.disp_hidden = args.disp_fluid = disp.data();
  args.step_px = step_px.data();
  args.holes = holes.data();
  CHECK(rejects(c3d::cpu::find_holes(args, Call().context), "find_holes: all cameras"));
  args.num_cameras = 1;
  args.num_steps = c3d::kMaxDriftSteps + 1;
  CHECK(rejects(c3d::cpu::find_holes(args, Call().context), "find_holes: num_steps"));
  args.num_steps = 0;
  args.num_layers = c3d::kMaxLayers + 1;
  CHECK(rejects(c3d::cpu::find_holes(args, Call().context), "find_holes: num_layers must be 1..256"));
  args.num_layers = 1;
  args.radius_px = kNan;
  CHECK(rejects(c3d::cpu::find_holes(args, Call().context), "find_holes: radius_px"));
}

// Vertical stripes 4 px wide with a hole in their middle.
void test_inpaint() {
  const int32_t width = 48, height = 33;
  Array rgb, disp(static_cast<size_t>(width * height), 0.5f), disp_hidden = disp;
  std::vector<uint8_t> hole;
  for (int32_t i = 0; i < width * height; ++i) {
    const int32_t x = i % width, y = i / width;
    hole.push_back(x >= 18 && x < 31 && y >= 10 && y < 22);
    rgb.insert(rgb.end(), 3, hole.back() ? -7.0f : static_cast<float>(x / 4 % 2));
    if (hole.back()) disp[static_cast<size_t>(i)] = 1.0f;
  }
  Array rgb_out(rgb.size()), disp_out(disp.size());
  c3d::InpaintLayersArgs args{rgb.data(), disp.data(), hole.data(),    disp_hidden.data(), width,
                              height,     0.1f,        rgb_out.data(), disp_out.data()};
  CHECK(c3d::cpu::inpaint_layers(args, Call(1).context).ok());
  for (size_t i = 0; i < disp.size(); ++i) {
    CHECK(std::fabs(rgb_out[3 * i] - static_cast<float>(i % width / 4 % 2)) <= 0.05f);
    CHECK(std::fabs(disp_out[i] - 0.5f) <= 1e-6f);
  }
  const Array expected = rgb_out;
  for (const int num_threads : {2, 5})
    CHECK(c3d::cpu::inpaint_layers(args, Call(num_threads).context).ok() && same_bits(rgb_out, expected));
  size_t budget = 0;  // whichever piece there is no memory for
  for (c3d::Status status; status = c3d::cpu::inpaint_layers(args, Call(1, budget).context), !status.ok(); budget += 512)
    CHECK(status.code == c3d::StatusCode::kOutOfMemory);
  CHECK(budget > (1 << 16) && same_bits(rgb_out, expected));

  for (const float tear_disp : {kNan, kInfinity, -0.1f}) {
    args.tear_disp = tear_disp;
    CHECK(rejects(c3d::cpu::inpaint_layers(args, Call().context), "inpaint_layers: tear_disp"));
  }
  args.width = 1 << 30, args.height = 1;  // with its padding more than 2^31 pixels
  CHECK(rejects(c3d::cpu::inpaint_layers(args, Call().context), "must be < 2^31"));
  args.width = 1, args.height = 0;
  CHECK(c3d::cpu::inpaint_layers(args, Call().context).ok());
  args.height = 1, args.rgb = nullptr;
  CHECK(rejects(c3d::cpu::inpaint_layers(args, Call().context), "inpaint_layers: rgb"));
}

// Two points on a canvas [2, 2] that drift nowhere.
void test_drift() {
  const Array start_px = {0.5f, 0.5f, 1.5f, 0.5f}, offset_px(4), feat(8, 1.0f), surface(4 * 8, 1.0f), phase(2);
  std::vector<int32_t> right = {1, 1}, below = {0, 1};
  Array xyz(6), feat_out(8), radius(2, kNan);
  c3d::DriftPointsArgs args;
  args.start_px = start_px.data(), args.offset_px = offset_px.data();
  args.right = right.data(), args.below = below.data();
  args.feat = feat.data(), args.surface = surface.data(), args.phase = phase.data();
  args.canvas = make_camera(2, 2);
  args.radius_px = 1.5f, args.max_stretch = 3.0f, args.least_existence = 0.75f;
  args.num_points = 2;
  args.xyz = xyz.data(), args.feat_out = feat_out.data(), args.radius = radius.data();
  CHECK(c3d::cpu::drift_points(args, Call().context).ok());
  CHECK(radius[0] == 0.75f && radius[1] == 0.75f);
  for (const int32_t stray : {-1, 2, 1000000000, std::numeric_limits<int32_t>::min()})
    for (std::vector<int32_t>* neighbours : {&right, &below}) {
      (*neighbours)[1] = stray;
      CHECK(rejects(c3d::cpu::drift_points(args, Call().context), "drift_points: right and below"));
      (*neighbours)[1] = 1;
    }
  below[1] = 1000000000;  // where nobody refuses it, as on a device, the point is not drawn, and nothing else is read
  c3d::drift_point(args, 1);
  CHECK(radius[1] == 0.0f);
  below[1] = 1;
  args.canvas.height = c3d::kMaxSide + 1;
  CHECK(rejects(c3d::cpu::drift_points(args, Call().context), "drift_points: canvas width and height"));
  args.canvas.width = 1 << 16, args.canvas.height = 1 << 15;
  CHECK(rejects(c3d::cpu::drift_points(args, Call().context), "drift_points: canvas must have < 2^31 pixels"));
  args.canvas.width = args.canvas.height = 2, args.canvas.fx = 0;
  CHECK(rejects(c3d::cpu::drift_points(args, Call().context), "drift_points: canvas fx"));
  args.canvas.fx = 2, args.waves.even = feat.data(), args.waves.num_copies = c3d::kMaxCopies + 1;
  CHECK(rejects(c3d::cpu::drift_points(args, Call().context), "drift_points: waves need 1..16 copies"));
  args.waves.num_copies = 1;
  CHECK(rejects(c3d::cpu::drift_points(args, Call().context), "drift_points: waves need"));
  args.waves.even = nullptr, args.radius_px = kNan;
  CHECK(rejects(c3d::cpu::drift_points(args, Call().context), "drift_points: radius_px"));
}

// An embedder's first call: what it has not set is said, not called.
void test_unset_context() {
  const Splat splat({0, 0, 2}, {1, 1}, {0.1f}, make_camera(4, 4));
  CHECK(rejects(c3d::cpu::splat_points(splat.args, {}), "context: scratch.allocate"));
  Call call;
  c3d::Context context = call.context;
  context.executor.run = nullptr;
  CHECK(rejects(c3d::cpu::splat_points(splat.args, context), "context: executor.run"));
  context = call.context;
  context.executor.num_threads = 0;
  CHECK(rejects(c3d::cpu::splat_points(splat.args, context), "num_threads >= 1"));
  CHECK(rejects(c3d::cpu::compose_frame({}, {}), "context:"));
  CHECK(rejects(c3d::cpu::splat_frame({}, {}), "context:"));
  CHECK(rejects(c3d::cpu::splat_frame({}, call.context), "splat_frame: num_sides must be 1 or 2"));
}

}  // namespace

int main() {
  test_items_ahead();
  if (!kIsSanitized) test_executor_without_threads();
  test_splat_without_visible_points();
  test_splat_of_one_point();
  test_splat_threads();
  test_splat_bad_arguments();
  test_splat_bwd();
  test_trace();
  test_blend();
  test_holes();
  test_inpaint();
  test_drift();
  test_unset_context();
  std::printf(num_failed ? "%d checks failed\n" : "all checks passed\n", num_failed);
  return num_failed != 0;
}
