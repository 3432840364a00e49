// Calls every op of the core with random arguments, right ones and spoiled ones: null pointers, sizes and enums that are
// none, NaN, infinities, denormals, stray indices, memory that runs out. Each call must be refused by a status that names the
// op, or give the same bits again, with another number of threads and from memory that held something else; and, where
// nothing is spoiled, finite numbers. Arrays are as long as they must be, so that the address sanitizer sees a step beyond.
//
//   fuzz_core [calls] [first seed]
#include <c3d/api.h>
#include <c3d/workspace.h>
#include <sys/time.h>

#include <climits>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <random>
#include <vector>

extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

using Array = std::vector<float>;
constexpr itimerval kMostSeconds = {{0, 0}, {60, 0}};  // of the processor, for a call
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::initializer_list<float> kOddFloats = {0.0f,     -0.0f,      -1.0f,      1e-45f, 1e-38f, 1e-6f,
                                                     1e6f,     8388608.0f, 1e18f,      1e38f,  -1e38f, 3.4e38f,
                                                     -3.4e38f, kInfinity,  -kInfinity, NAN};
constexpr std::initializer_list<int32_t> kNoSide = {INT_MIN, -1, 0, c3d::kMaxSide + 1, INT_MAX};
constexpr std::initializer_list<int64_t> kNoCount = {INT64_MIN, -1, int64_t{INT32_MAX} + 1, INT64_MAX};
constexpr std::initializer_list<int32_t> kNegative = {INT_MIN, -1};

uint64_t seed;
uint64_t num_refused, num_answered, num_plain, num_found;

void say_seed() { std::fprintf(stderr, "fuzz_core: in the call of seed %llu\n", static_cast<unsigned long long>(seed)); }

void found(const char* op, const char* what) {
  std::fprintf(stderr, "%s: %s\n", op, what);
  say_seed();
  ++num_found;
}

// Random choices. A call that is not `plain` has some of its arguments spoiled.
struct Dice {
  explicit Dice(uint64_t seed) : numbers(seed), plain(hits(0.4)) {}

  uint64_t below(uint64_t end) { return numbers() % end; }
  bool hits(double chance) { return static_cast<double>(numbers() >> 11) * 0x1p-53 < chance; }
  bool spoils() { return !plain && hits(0.08); }
  float uniform(float low, float high) { return low + (high - low) * static_cast<float>(numbers() >> 40) * 0x1p-24f; }

  template <typename T>
  T one_of(std::initializer_list<T> items) {
    return items.begin()[below(items.size())];
  }
  float number(float right) { return spoils() ? one_of(kOddFloats) : right; }
  template <typename T, typename N>
  T size(N right, std::initializer_list<T> wrong) {
    return spoils() ? one_of(wrong) : static_cast<T>(right);
  }
  template <typename T>
  T* pointer(T* right) {
    return spoils() ? nullptr : right;
  }
  template <typename T>
  T kind(T right) {
    return spoils() ? static_cast<T>(one_of({-1, 2, 3, 1 << 20})) : right;
  }
  Array array(size_t count, float low = 0, float high = 1) {
    Array values(count);
    for (float& value : values) value = uniform(low, high);
    if (count > 0 && spoils())
      for (size_t places = hits(0.3) ? count : one_of<size_t>({1, 3, 50}); places > 0; --places)
        values[below(count)] = one_of(kOddFloats);
    return values;
  }
  size_t side() { return hits(0.03) ? one_of<size_t>({33, 70}) : one_of<size_t>({1, 2, 3, 7, 9, 16}); }
  size_t count() { return hits(0.03) ? one_of<size_t>({300, 3000}) : one_of<size_t>({0, 1, 7, 40}); }

  std::vector<c3d::Camera> cameras(size_t views, size_t width, size_t height) {
    c3d::Camera camera;
    camera.fx = camera.fy = static_cast<float>(width), camera.cx = 0.5f * static_cast<float>(width);
    camera.cy = 0.5f * static_cast<float>(height);
    camera.width = static_cast<int32_t>(width), camera.height = static_cast<int32_t>(height);
    std::vector<c3d::Camera> made(views, camera);
    for (c3d::Camera& view : made) {
      for (size_t axis : {3, 7, 11}) view.world_to_cam[axis] = uniform(-0.1f, 0.1f);
      if (spoils()) view.world_to_cam[below(12)] = one_of(kOddFloats);
      view.width = size(view.width, kNoSide), view.height = size(view.height, kNoSide);
      view.fx = number(view.fx), view.cy = number(view.cy);
    }
    return made;
  }

  std::mt19937_64 numbers;
  bool plain;
};

// Memory for one call, in blocks of just the size asked for; none after so many.
struct Memory {
  static void* allocate(void* user, size_t num_bytes) {
    Memory& memory = *static_cast<Memory*>(user);
    if (num_bytes == 0 || memory.left == 0) return nullptr;
    --memory.left;
    void* block = std::aligned_alloc(64, (num_bytes + 63) / 64 * 64);
    if (block) std::memset(block, 0xA7, num_bytes), memory.blocks.emplace_back(block, std::free);
    return block;
  }
  size_t left;
  std::vector<std::unique_ptr<void, void (*)(void*)>> blocks{};
};

// What a call writes.
struct Output {
  template <typename T>
  Output(std::vector<T>& values)
      : data(values.data()), num_bytes(values.size() * sizeof(T)), is_float(std::is_same_v<T, float>) {}
  void* data;
  size_t num_bytes;
  bool is_float;
};

void attempt(Dice& dice, const char* op, const std::vector<Output>& outputs,
             const std::function<c3d::Status(c3d::Context)>& run) {
  static c3d::Workspace workspace(3);
  for (const Output& out : outputs)
    if (out.num_bytes) std::memset(out.data, 0xC5, out.num_bytes);
  Memory memory{dice.spoils() ? dice.below(60) : SIZE_MAX};
  c3d::Context context{{Memory::allocate, &memory}, c3d::make_thread_executor(1)};
  if (dice.spoils()) context.scratch.allocate = nullptr;
  if (dice.spoils()) context.executor.num_threads = dice.one_of(kNegative);
  const c3d::Status first = run(context);
  if (!first.ok()) {
    const bool named =
        std::strncmp(first.message, op, std::strlen(op)) == 0 || std::strncmp(first.message, "context: ", 9) == 0;
    if (!named || std::strchr(first.message, '\n')) found(op, first.message);
    if (dice.plain) found(op, "a right call is refused");
    ++num_refused;
    return;
  }
  std::vector<std::vector<unsigned char>> before;
  for (const Output& out : outputs) {
    const auto* bytes = static_cast<unsigned char*>(out.data);
    before.emplace_back(bytes, bytes + out.num_bytes);
    if (out.num_bytes) std::memset(out.data, 0x3A, out.num_bytes);
  }
  if (!run(dice.hits(0.3) ? workspace.context() : c3d::Context{{Memory::allocate, &memory}, c3d::make_thread_executor(1)})
           .ok())
    return memory.left < SIZE_MAX / 2 ? void(++num_refused) : found(op, "refused the second time");
  for (size_t n = 0; n < outputs.size(); ++n) {
    const Output& out = outputs[n];
    if (out.num_bytes && std::memcmp(before[n].data(), out.data, out.num_bytes) != 0) found(op, "other bits the second time");
    const float* numbers = static_cast<float*>(out.data);
    for (size_t k = 0; dice.plain && out.is_float && k < out.num_bytes / sizeof(float); ++k)
      if (!std::isfinite(numbers[k])) return found(op, "numbers that are not finite from numbers that are");
  }
  ++(dice.plain ? num_plain : num_answered);
}

void splat_points(Dice& dice) {
  const size_t N = dice.count(), C = dice.one_of<size_t>({1, 3, 4, 5, 37}), V = dice.one_of<size_t>({1, 1, 3});
  const size_t H = dice.side(), W = dice.side(), K = dice.one_of<size_t>({1, 8, 32, 64}), pixels = V * H * W;
  Array xyz = dice.array(3 * N, -1, 1);
  for (size_t n = 0; n < N; ++n) xyz[3 * n + 2] += 2.5f;
  const Array feat = dice.array(N * C), radius = dice.array(N, 0, 0.3f), opacity = dice.array(N);
  const std::vector<c3d::Camera> cameras = dice.cameras(V, W, H);
  std::vector<int64_t> hidden(2 * V, 0);
  for (size_t view = 0; view < V; ++view) hidden[2 * view + 1] = static_cast<int64_t>(dice.below(N + 1));
  if (dice.spoils()) hidden[dice.below(2 * V)] = dice.one_of(kNoCount);
  Array feat_out(pixels * C), alpha_out(pixels), disp_out(pixels);
  std::vector<int32_t> idx_out(pixels * K);

  c3d::SplatPointsArgs args;
  args.xyz = dice.pointer(xyz.data()), args.feat = dice.pointer(feat.data());
  args.radius = dice.hits(0.5) ? radius.data() : nullptr, args.radius_all = dice.number(0.05f);
  args.radius_unit = dice.kind(dice.one_of({c3d::RadiusUnit::kScene, c3d::RadiusUnit::kPixels}));
  args.opacity = dice.hits(0.3) ? opacity.data() : nullptr;
  args.num_points = dice.size(N, kNoCount), args.num_channels = dice.size(C, {INT_MIN, -1, 0, 257, INT_MAX});
  args.feat_type = dice.plain || dice.hits(0.7) ? c3d::FeatType::kFloat32 : dice.kind(c3d::FeatType::kFloat16);
  args.cameras = dice.pointer(cameras.data()), args.num_cameras = static_cast<int32_t>(V);
  args.hidden = dice.hits(0.3) ? hidden.data() : nullptr;
  args.compositor = dice.kind(dice.one_of({c3d::Compositor::kAlpha, c3d::Compositor::kSurface}));
  args.max_points = dice.size(K, {INT_MIN, -1, 0, 65, INT_MAX}), args.depth_tolerance = dice.number(0.02f);
  args.feat_out = dice.pointer(feat_out.data()), args.alpha_out = dice.pointer(alpha_out.data());
  args.disp_out = dice.pointer(disp_out.data());
  std::vector<Output> outputs{feat_out, alpha_out, disp_out};
  if (dice.hits(0.5)) args.idx_out = idx_out.data(), outputs.emplace_back(idx_out);
  attempt(dice, "splat_points", outputs, [&](c3d::Context context) { return c3d::cpu::splat_points(args, context); });
  if (!args.idx_out || args.feat_type != c3d::FeatType::kFloat32 || args.hidden || N == 0) return;

  const Array grad_feat_out = dice.array(pixels * C, -1, 1), grad_alpha_out = dice.array(pixels, -1, 1);
  Array grad_xyz(3 * N), grad_feat(N * C), grad_radius(N), grad_opacity(N), grad_cameras(16 * V);
  if (!dice.plain && dice.hits(0.3)) idx_out[dice.below(idx_out.size())] = dice.one_of({INT_MIN, -1, int32_t(N), INT_MAX});
  c3d::SplatPointsBwdArgs bwd;
  bwd.xyz = args.xyz, bwd.feat = feat.data(), bwd.radius = args.radius, bwd.radius_all = args.radius_all;
  bwd.radius_unit = args.radius_unit, bwd.opacity = args.opacity, bwd.num_points = args.num_points;
  bwd.num_channels = args.num_channels, bwd.cameras = args.cameras, bwd.num_cameras = args.num_cameras;
  bwd.compositor = args.compositor, bwd.max_points = args.max_points, bwd.depth_tolerance = args.depth_tolerance;
  bwd.idx = dice.pointer(idx_out.data()), bwd.grad_feat_out = grad_feat_out.data(), bwd.grad_alpha_out = grad_alpha_out.data();
  bwd.grad_xyz = grad_xyz.data(), bwd.grad_feat = grad_feat.data(), bwd.grad_radius = grad_radius.data();
  bwd.grad_cameras = grad_cameras.data();
  outputs = {grad_xyz, grad_feat, grad_radius, grad_cameras};
  if (bwd.opacity || dice.spoils()) bwd.grad_opacity = grad_opacity.data(), outputs.emplace_back(grad_opacity);
  attempt(dice, "splat_points_bwd", outputs, [&](c3d::Context context) { return c3d::cpu::splat_points_bwd(bwd, context); });
}

void integrate_flow(Dice& dice) {
  const size_t H = dice.side(), W = dice.side(), T = dice.below(12);
  const bool given = dice.hits(0.5), nearest = !given && dice.hits(0.5);
  const size_t P = given ? dice.count() : H * W;
  const Array step_px = dice.array(2 * H * W, -3, 3), start_px = dice.array(2 * P, -5, 75);
  Array offset_px((T + 1) * P * 2);
  std::vector<uint8_t> inside((T + 1) * P);
  c3d::IntegrateFlowArgs args;
  args.step_px = dice.pointer(step_px.data()), args.start_px = given ? start_px.data() : nullptr;
  args.width = dice.size(W, kNoSide), args.height = dice.size(H, kNoSide);
  args.num_paths = dice.size(P, {INT64_MIN, int64_t{-1}}),
  args.num_steps = dice.size(T, {INT_MIN, -1, (1 << 20) + 1, INT_MAX});
  args.sampling = dice.kind(nearest ? c3d::Sampling::kNearest : c3d::Sampling::kBilinear);
  args.offset_px = dice.pointer(offset_px.data()), args.inside = dice.pointer(inside.data());
  attempt(dice, "integrate_flow", {offset_px, inside},
          [&](c3d::Context context) { return c3d::cpu::integrate_flow(args, context); });
}

void blend_bidirectional(Dice& dice) {
  const size_t M = dice.count(), C = dice.one_of<size_t>({1, 4, 9});
  const Array feat[] = {dice.array(M * C), dice.array(M * C)}, alpha[] = {dice.array(M), dice.array(M)};
  const float nearest = dice.one_of({1.0f, 30.0f});
  const Array disp[] = {dice.array(M, 0, nearest), dice.array(M, 0, nearest)}, loop_t = dice.array(M);
  Array feat_out(M * C), alpha_out(M), w_fwd(M), w_bwd(M);
  c3d::BlendBidirectionalArgs args;
  args.feat_fwd = dice.pointer(feat[0].data()), args.feat_bwd = feat[1].data();
  args.alpha_fwd = alpha[0].data(), args.alpha_bwd = dice.pointer(alpha[1].data());
  args.disp_fwd = dice.pointer(disp[0].data()), args.disp_bwd = disp[1].data();
  args.loop_t = dice.hits(0.3) ? loop_t.data() : nullptr, args.loop_t_all = dice.number(dice.one_of({0.0f, 1.0f, 0.3f}));
  args.sharpness = dice.number(dice.one_of({0.0f, 4.0f, 100.0f}));
  args.num_pixels = dice.size(M, {INT64_MIN, int64_t{-1}}), args.num_channels = dice.size(C, {INT_MIN, -1, 0});
  args.feat_out = dice.pointer(feat_out.data()), args.alpha_out = alpha_out.data();
  args.w_fwd = w_fwd.data(), args.w_bwd = dice.pointer(w_bwd.data());
  attempt(dice, "blend_bidirectional", {feat_out, alpha_out, w_fwd, w_bwd},
          [&](c3d::Context context) { return c3d::cpu::blend_bidirectional(args, context); });

  const Array grad_feat_out = dice.array(M * C, -1, 1), grad_w_fwd = dice.array(M, -1, 1);
  Array grad_feat[] = {Array(M * C), Array(M * C)}, grad_alpha[] = {Array(M), Array(M)}, grad_disp[] = {Array(M), Array(M)};
  Array grad_loop_t(M);
  c3d::BlendBidirectionalBwdArgs bwd;
  bwd.feat_fwd = args.feat_fwd, bwd.feat_bwd = args.feat_bwd, bwd.alpha_fwd = args.alpha_fwd, bwd.alpha_bwd = args.alpha_bwd;
  bwd.disp_fwd = args.disp_fwd, bwd.disp_bwd = args.disp_bwd, bwd.loop_t = args.loop_t, bwd.loop_t_all = args.loop_t_all;
  bwd.sharpness = args.sharpness, bwd.num_pixels = args.num_pixels, bwd.num_channels = args.num_channels;
  bwd.grad_feat_out = grad_feat_out.data(), bwd.grad_w_fwd = dice.hits(0.5) ? grad_w_fwd.data() : nullptr;
  bwd.grad_feat_fwd = grad_feat[0].data(), bwd.grad_feat_bwd = dice.pointer(grad_feat[1].data());
  bwd.grad_alpha_fwd = grad_alpha[0].data(), bwd.grad_alpha_bwd = grad_alpha[1].data();
  bwd.grad_disp_fwd = grad_disp[0].data(), bwd.grad_disp_bwd = grad_disp[1].data(), bwd.grad_loop_t = grad_loop_t.data();
  attempt(dice, "blend_bidirectional_bwd",
          {grad_feat[0], grad_feat[1], grad_alpha[0], grad_alpha[1], grad_disp[0], grad_disp[1], grad_loop_t},
          [&](c3d::Context context) { return c3d::cpu::blend_bidirectional_bwd(bwd, context); });
}

void compose_frame(Dice& dice) {
  const size_t M = dice.count();
  const Array feat[] = {dice.array(4 * M), dice.array(4 * M)}, alpha[] = {dice.array(M), dice.array(M)};
  const Array disp[] = {dice.array(M), dice.array(M)};
  std::vector<uint8_t> rgb_out(3 * M), uncovered_out(M);
  c3d::ComposeFrameArgs args;
  args.feat_fwd = dice.pointer(feat[0].data()), args.feat_bwd = feat[1].data(), args.alpha_fwd = alpha[0].data();
  args.alpha_bwd = alpha[1].data(), args.disp_fwd = disp[0].data(), args.disp_bwd = dice.pointer(disp[1].data());
  args.loop_t = dice.number(dice.one_of({0.0f, 1.0f, 0.3f})), args.sharpness = dice.number(4);
  args.least_alpha = dice.number(1e-4f), args.num_pixels = dice.size(M, {INT64_MIN, int64_t{-1}});
  args.rgb_out = dice.pointer(rgb_out.data()), args.uncovered_out = dice.pointer(uncovered_out.data());
  attempt(dice, "compose_frame", {rgb_out, uncovered_out},
          [&](c3d::Context context) { return c3d::cpu::compose_frame(args, context); });
}

void fill_uncovered(Dice& dice) {
  const size_t H = dice.side(), W = dice.side();
  std::vector<uint8_t> rgb(3 * H * W, 77), uncovered(H * W), rgb_out(3 * H * W);
  for (uint8_t& is : uncovered) is = dice.hits(0.3);
  c3d::FillUncoveredArgs args;
  args.rgb = dice.pointer(rgb.data()), args.uncovered = dice.pointer(uncovered.data());
  args.width = dice.size(static_cast<int32_t>(W), {INT32_MIN, -1, INT32_MAX}), args.height = static_cast<int32_t>(H);
  args.rgb_out = dice.pointer(rgb_out.data());
  attempt(dice, "fill_uncovered", {rgb_out}, [&](c3d::Context context) { return c3d::cpu::fill_uncovered(args, context); });
}

void convert_to_yuv(Dice& dice) {
  const size_t H = 2 * dice.side(), W = 2 * dice.side();
  std::vector<uint8_t> rgb(3 * H * W, 77), yuv_out(H * W + H * W / 2);
  c3d::ConvertToYuvArgs args;
  args.rgb = dice.pointer(rgb.data());
  args.width = dice.size(static_cast<int32_t>(W), {INT32_MIN, -2, 1, INT32_MAX}), args.height = static_cast<int32_t>(H);
  args.yuv_out = dice.pointer(yuv_out.data());
  attempt(dice, "convert_to_yuv", {yuv_out}, [&](c3d::Context context) { return c3d::cpu::convert_to_yuv(args, context); });
}

void find_holes(Dice& dice) {
  const size_t H = dice.side(), W = dice.side(), L = dice.one_of<size_t>({1, 2, 4}), V = dice.one_of<size_t>({1, 3, 16});
  const Array disp = dice.array(L * H * W, 0.2f, 1), hidden = dice.array(H * W, -0.1f, 0.5f),
              fluid = dice.array(H * W, 0, 0.5f);
  const Array step_px = dice.array(2 * H * W, -2, 2);
  const std::vector<c3d::Camera> cameras = dice.cameras(V, W, H);
  std::vector<uint8_t> holes(H * W);
  c3d::FindHolesArgs args;
  args.disp = dice.pointer(disp.data()), args.disp_hidden = dice.pointer(hidden.data());
  args.disp_fluid = dice.hits(0.7) ? hidden.data() : dice.pointer(fluid.data()), args.step_px = dice.pointer(step_px.data());
  args.num_layers = dice.size(L, {INT_MIN, -1, 0, c3d::kMaxLayers + 1, INT_MAX}),
  args.num_steps = dice.size(dice.below(9), {INT_MIN, -1, 1025, INT_MAX});
  args.loop_steps = dice.size(dice.one_of({0, 8}), {INT_MIN, -1, INT_MAX});
  args.cameras = dice.pointer(cameras.data()), args.num_cameras = dice.size(V, {INT_MIN, -1, 0});
  args.frame_px[2] = static_cast<int32_t>(W), args.frame_px[3] = static_cast<int32_t>(H);
  if (dice.spoils()) args.frame_px[dice.below(4)] = dice.one_of({INT_MIN, -1, 1, 1 << 24, INT_MAX});
  args.radius_px = dice.number(0.9f), args.depth_tolerance = dice.number(0.02f), args.least_existence = dice.number(0.5f);
  args.holes = dice.pointer(holes.data());
  attempt(dice, "find_holes", {holes}, [&](c3d::Context context) { return c3d::cpu::find_holes(args, context); });
}

void inpaint_layers(Dice& dice) {
  const size_t H = dice.side(), W = dice.side();
  const Array rgb = dice.array(3 * H * W), disp = dice.array(H * W, 0.5f, 1), hidden = dice.array(H * W, 0.2f, 0.5f);
  std::vector<uint8_t> hole(H * W);
  const double share = dice.one_of({0.0, 0.3, 0.9});
  for (size_t pixel = 1; pixel < H * W; ++pixel) hole[pixel] = dice.hits(share);
  if (dice.spoils()) hole[dice.below(H * W)] = 255, hole[0] = 1;
  Array rgb_out(3 * H * W), disp_out(H * W);
  c3d::InpaintLayersArgs args;
  args.rgb = dice.pointer(rgb.data()), args.disp = dice.pointer(disp.data()), args.hole = dice.pointer(hole.data());
  args.disp_hidden = dice.pointer(hidden.data()), args.width = dice.size(W, kNegative), args.height = dice.size(H, kNegative);
  args.tear_disp = dice.number(0.02f), args.rgb_out = dice.pointer(rgb_out.data());
  args.disp_out = dice.pointer(disp_out.data());
  attempt(dice, "inpaint_layers", {rgb_out, disp_out},
          [&](c3d::Context context) { return c3d::cpu::inpaint_layers(args, context); });
}

void drift_points(Dice& dice) {
  const size_t H = dice.side(), W = dice.side(), M = dice.count(), K = dice.one_of<size_t>({1, 7, 16});
  const size_t gain_h = dice.side(), gain_w = dice.side();
  const Array start_px = dice.array(2 * M, 0, static_cast<float>(W)), offset_px = dice.array(2 * M, -4, 4);
  const Array feat = dice.array(4 * M), surface = dice.array(8 * H * W), phase = dice.array(M), fine = dice.array(6 * M);
  const Array broad = dice.array(3 * M), gain = dice.array(gain_h * gain_w), even = dice.array(2 * K * M, -1, 1);
  const Array of_points[] = {dice.array(M), dice.array(M), dice.array(M)}, colours[] = {dice.array(3 * M), dice.array(3 * M)};
  std::vector<int32_t> neighbours[] = {std::vector<int32_t>(M), std::vector<int32_t>(M)};
  for (std::vector<int32_t>& side : neighbours) {
    for (int32_t& index : side) index = static_cast<int32_t>(dice.below(M));
    if (M > 0 && dice.spoils()) side[dice.below(M)] = dice.one_of({INT_MIN, -1, static_cast<int32_t>(M), 1000000000, INT_MAX});
  }
  Array xyz(3 * M), feat_out(4 * M), radius(M);
  c3d::DriftPointsArgs args;
  args.start_px = dice.pointer(start_px.data()), args.offset_px = dice.pointer(offset_px.data());
  args.right = dice.pointer(neighbours[0].data()), args.below = dice.pointer(neighbours[1].data());
  args.feat = dice.pointer(feat.data()), args.surface = dice.pointer(surface.data()), args.canvas = dice.cameras(1, W, H)[0];
  args.radius_px = dice.number(0.9f), args.max_stretch = dice.number(3), args.least_existence = dice.number(0.5f);
  if (dice.hits(0.5)) {
    args.fine = dice.pointer(fine.data()), args.broad = dice.pointer(broad.data()), args.gain = gain.data();
    args.gain_width = dice.size(gain_w, kNoSide), args.gain_height = dice.size(gain_h, kNoSide);
    args.gain_spacing_px = dice.number(4);
  }
  if (dice.hits(0.5)) {
    args.waves.even = even.data(), args.waves.num_copies = dice.size(K, {INT_MIN, -1, 0, 17, INT_MAX});
    for (size_t copy = 0; copy < K; ++copy) args.waves.weight[copy] = dice.number(dice.uniform(-1, 1));
    args.waves.least = of_points[0].data(), args.waves.most = dice.pointer(of_points[1].data());
    args.waves.spread = of_points[2].data(), args.waves.colour = colours[0].data(), args.waves.tint = colours[1].data();
  }
  args.phase = dice.pointer(phase.data()), args.fade = dice.number(0.3f), args.num_points = dice.size(M, kNoCount);
  args.xyz = dice.pointer(xyz.data()), args.feat_out = feat_out.data(), args.radius = dice.pointer(radius.data());
  attempt(dice, "drift_points", {xyz, feat_out, radius},
          [&](c3d::Context context) { return c3d::cpu::drift_points(args, context); });
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t calls = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 2000;
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(say_seed);
  for (int signal : {SIGPROF, SIGFPE, SIGILL})
    std::signal(signal, [](int) {
      say_seed();
      std::_Exit(1);
    });
  constexpr void (*kOps[])(Dice&) = {splat_points,   integrate_flow, blend_bidirectional, compose_frame, find_holes,
                                     inpaint_layers, drift_points,   fill_uncovered,      convert_to_yuv};
  auto made = [] { return num_refused + num_answered + num_plain + num_found; };
  for (seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0; made() < calls; ++seed) {
    setitimer(ITIMER_PROF, &kMostSeconds, nullptr);
    Dice dice(seed);
    kOps[dice.below(std::size(kOps))](dice);
  }
  std::printf("%llu calls: %llu refused, %llu answered, %llu plain, %llu found; the next seed is %llu\n",
              static_cast<unsigned long long>(made()), static_cast<unsigned long long>(num_refused),
              static_cast<unsigned long long>(num_answered), static_cast<unsigned long long>(num_plain),
              static_cast<unsigned long long>(num_found), static_cast<unsigned long long>(seed));
  return num_found > 0;
}
