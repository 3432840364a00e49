// The torch ops: check, allocate, fill the struct, dispatch. The only file that includes torch, through its stable ABI.
//
// A failure throws "ValueError: ...", with the type that c3drender/ops.py raises as its first word.
#define Py_LIMITED_API 0x030A0000
#include <Python.h>

#ifdef C3D_WITH_CUDA
#include <dlfcn.h>
#include <torch/csrc/stable/accelerator.h>
#endif
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cmath>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "c3d/api.h"

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

template <typename... Parts>
[[noreturn]] void fail(const char* type, const Parts&... parts) {
  std::ostringstream message;
  message << type << ": ";
  (message << ... << parts);
  throw std::runtime_error(message.str());
}

using Shape = std::vector<int64_t>;

Shape shape_of(const Tensor& tensor) {
  Shape shape;
  for (int64_t d = 0; d < tensor.dim(); ++d) shape.push_back(tensor.size(d));
  return shape;
}

std::string spell(const Shape& shape) {
  std::ostringstream text;
  text << '[';
  for (size_t d = 0; d < shape.size(); ++d) text << (d ? ", " : "") << shape[d];
  text << ']';
  return text.str();
}

const char* name_of(ScalarType type) {
  switch (type) {
    case ScalarType::Float: return "float32";
    case ScalarType::Half: return "float16";
    case ScalarType::BFloat16: return "bfloat16";
    case ScalarType::Double: return "float64";
    case ScalarType::Int: return "int32";
    case ScalarType::Long: return "int64";
    case ScalarType::Byte: return "uint8";
    case ScalarType::Bool: return "bool";
    default: return "another dtype";
  }
}

// The checks of one op's arguments. All tensors must share the device of the first one checked.
class Checker {
 public:
  explicit Checker(const char* op) : op_(op) {}

  // shape: -1 is free. spelled: how the message says it, e.g. "[N, 3]".
  void tensor(const char* name, const Tensor& t, const Shape& shape, const std::string& spelled,
              ScalarType type = ScalarType::Float) {
    if (t.scalar_type() != type)
      fail("TypeError", op_, ": ", name, " must be ", name_of(type), ", got ", name_of(t.scalar_type()));
    layout(name, t, shape, spelled);
  }

  void layout(const char* name, const Tensor& t, const Shape& shape, const std::string& spelled) {
    const Shape got = shape_of(t);
    bool matches = got.size() == shape.size();
    for (size_t d = 0; matches && d < shape.size(); ++d) matches = shape[d] < 0 || shape[d] == got[d];
    if (!matches) fail("ValueError", op_, ": ", name, " must be ", spelled, ", got ", spell(got));
    if (!t.is_contiguous()) fail("ValueError", op_, ": ", name, " must be contiguous, got a strided view of ", spell(got));
    if (!first_) first_ = t;
    if (t.is_cuda() != first_->is_cuda() || t.get_device_index() != first_->get_device_index())
      fail("ValueError", op_, ": ", name, " must be on the device of the other tensors, got a tensor elsewhere");
  }

  template <typename... Parts>
  void that(bool condition, const Parts&... parts) const {
    if (!condition) fail("ValueError", op_, ": ", parts...);
  }

 private:
  const char* op_;
  std::optional<Tensor> first_;
};

// Large results are fresh memory at every call, which the system hands out faster in pages of 2 MB than of 4 KB.
void prefer_huge_pages([[maybe_unused]] void* data, [[maybe_unused]] size_t num_bytes) {
#if defined(__linux__)
  constexpr uintptr_t kPage = uintptr_t{1} << 21;
  const auto begin = (reinterpret_cast<uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<uintptr_t>(data) + num_bytes) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // a wish: its failure changes nothing
#endif
}

Tensor empty(const Tensor& like, const Shape& shape, ScalarType type = ScalarType::Float) {
  Tensor made = torch::stable::new_empty(like, shape, type);
  if (!made.is_cuda()) prefer_huge_pages(made.mutable_data_ptr(), static_cast<size_t>(made.numel()) * made.element_size());
  return made;
}

constexpr int64_t kMaxSide = int64_t{1} << 30;  // px; sums of two pixel positions stay within int32

// [V, 16] float32 in host memory: fx, fy, cx, cy, then world_to_cam [3, 4].
std::vector<c3d::Camera> read_cameras(Checker& check, const Tensor& cameras, int64_t width, int64_t height) {
  check.that(!cameras.is_cuda() && cameras.scalar_type() == ScalarType::Float && cameras.is_contiguous() &&
                 cameras.dim() == 2 && cameras.size(1) == 16,
             "cameras must be a contiguous float32 CPU tensor [V, 16], got ", spell(shape_of(cameras)));
  check.that(width >= 1 && height >= 1 && width <= kMaxSide && height <= kMaxSide,
             "the camera's width and height must be 1..2^30, got ", width, " x ", height);
  std::vector<c3d::Camera> out(static_cast<size_t>(cameras.size(0)));
  const float* row = cameras.const_data_ptr<float>();
  for (c3d::Camera& camera : out) {
    camera = {row[0], row[1], row[2], row[3], static_cast<int32_t>(width), static_cast<int32_t>(height), {}};
    for (int i = 0; i < 12; ++i) camera.world_to_cam[i] = row[4 + i];
    row += 16;
  }
  return out;
}

// Working memory, threads and CUDA stream of one call, all torch's own. Memory goes back to torch when the call returns: torch
// gives it to nobody but this stream, so what is queued here has passed before it is written again.
class CallContext {
 public:
  CallContext(const Tensor& like, void* stream) : like_(like), stream_(stream) {}
  CallContext(const CallContext&) = delete;

  c3d::Context get() {
    return {{[](void* user, size_t num_bytes) { return static_cast<CallContext*>(user)->allocate(num_bytes); }, this},
            {[](void*, int64_t num_tasks, void (*task)(void*, int64_t), void* task_user) {
               torch::stable::parallel_for(0, num_tasks, 1, [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) task(task_user, i);
               });
             },
             nullptr, static_cast<int>(torch::stable::get_num_threads())},
            stream_};
  }

 private:
  void* allocate(size_t num_bytes) {
    try {
      blocks_.push_back(empty(like_, {static_cast<int64_t>(num_bytes ? num_bytes : 1)}, ScalarType::Byte));
    } catch (const std::exception&) {
      return nullptr;  // the core reports it as kOutOfMemory
    }
    return blocks_.back().mutable_data_ptr();
  }

  const Tensor& like_;
  void* stream_;
  std::vector<Tensor> blocks_;
};

void raise_if_failed(const c3d::Status& status) {
  switch (status.code) {
    case c3d::StatusCode::kOk: return;
    case c3d::StatusCode::kInvalidArgument: fail("ValueError", status.message);
    case c3d::StatusCode::kOutOfMemory: fail("MemoryError", status.message);
    case c3d::StatusCode::kDeviceError: fail("RuntimeError", status.message);
  }
}

template <typename Args>
using Twin = c3d::Status (*)(const Args& args, const c3d::Context& context);

template <typename Args>
void run_on_cpu(Twin<Args> op, const Tensor& like, const Args& args) {
  CallContext context(like, nullptr);
  raise_if_failed(op(args, context.get()));
}

#ifdef C3D_WITH_CUDA
// The cudaStream_t that torch queues on. Looked up at run time: a torch without CUDA, which loads this file too, lacks it.
void* current_stream(int32_t device) {
  using Getter = int32_t (*)(int32_t device, void** stream);
  static const Getter getter = [] {
    constexpr const char* kName = "aoti_torch_get_current_cuda_stream";
    void* symbol = dlsym(RTLD_DEFAULT, kName);
    void* library = symbol ? nullptr : dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
    if (library) symbol = dlsym(library, kName);
    return reinterpret_cast<Getter>(symbol);
  }();
  void* stream = nullptr;
  if (!getter || getter(device, &stream) != 0)
    fail("RuntimeError", "c3drender: this torch does not tell its current stream on cuda:", device);
  return stream;
}

template <typename Args>
void run_on_cuda(Twin<Args> op, const Tensor& like, const Args& args) {
  const int32_t device = like.get_device_index();
  const torch::stable::accelerator::DeviceGuard guard(device);
  CallContext context(like, current_stream(device));
  raise_if_failed(op(args, context.get()));
}

// The twin of `op` on the device of `like`, one of its tensors.
#define C3D_RUN(op, like, args) \
  (like.is_cuda() ? run_on_cuda(c3d::cuda::op, like, args) : run_on_cpu(c3d::cpu::op, like, args))
#else
#define C3D_RUN(op, like, args) run_on_cpu(c3d::cpu::op, like, args)
#endif

const float* data_or_null(const std::optional<Tensor>& tensor) { return tensor ? tensor->const_data_ptr<float>() : nullptr; }

// The results go to the tensors that `results` hands out for the sizes V and C.
template <typename Results>
auto splat_to(Checker& check, const Tensor& xyz, const Tensor& feat, const std::optional<Tensor>& radius, double radius_all,
              const Tensor& cameras, int64_t width, int64_t height, int64_t compositor, int64_t max_points,
              double depth_tolerance, const std::optional<Tensor>& hidden, const std::optional<Tensor>& opacity,
              const Results& results) {
  check.tensor("xyz", xyz, {-1, 3}, "[N, 3]");
  const int64_t n = xyz.size(0);
  const std::string from_xyz = " with N = " + std::to_string(n) + " (from xyz)";
  check.layout("feat", feat, {n, -1}, "[N, C]" + from_xyz);
  const int64_t c = feat.size(1);
  check.that(c >= 1 && c <= c3d::kMaxChannels, "feat must be [N, C] with C = 1..256, got ", spell(shape_of(feat)));
  c3d::FeatType feat_type{};
  switch (feat.scalar_type()) {
    case ScalarType::Float: feat_type = c3d::FeatType::kFloat32; break;
    case ScalarType::Half: feat_type = c3d::FeatType::kFloat16; break;
    case ScalarType::BFloat16: feat_type = c3d::FeatType::kBFloat16; break;
    default: fail("TypeError", "splat_points: feat must be float32, float16 or bfloat16, got ", name_of(feat.scalar_type()));
  }
  if (radius) check.tensor("radius", *radius, {n}, "[N]" + from_xyz);
  if (opacity) check.tensor("opacity", *opacity, {n}, "[N]" + from_xyz);
  check.that(compositor == 0 || compositor == 1, "compositor must be 0 (alpha) or 1 (surface), got ", compositor);
  check.that(max_points >= 1 && max_points <= c3d::kMaxHits, "max_points must be 1..64, got ", max_points);
  check.that(depth_tolerance >= 0.0, "depth_tolerance must be >= 0, got ", depth_tolerance);
  const std::vector<c3d::Camera> views = read_cameras(check, cameras, width, height);
  const int64_t v = static_cast<int64_t>(views.size());
  if (hidden) {
    check.that(!hidden->is_cuda() && hidden->scalar_type() == ScalarType::Long && hidden->is_contiguous() &&
                   shape_of(*hidden) == Shape{v, 2},
               "hidden must be a contiguous int64 CPU tensor [V, 2] with V = ", v, ", got ", spell(shape_of(*hidden)));
    for (int64_t view = 0; view < v; ++view) {
      const int64_t* range = hidden->const_data_ptr<int64_t>() + 2 * view;
      check.that(range[0] >= 0 && range[0] <= range[1] && range[1] <= n,
                 "hidden must be ranges of points with 0 <= first <= end <= ", n, ", got ", range[0], "..", range[1]);
    }
  }

  auto [feat_out, alpha_out, disp_out, idx_out] = results(v, c);
  const c3d::SplatPointsArgs args{xyz.const_data_ptr<float>(),
                                  feat.data_ptr(),
                                  data_or_null(radius),
                                  static_cast<float>(radius_all),
                                  data_or_null(opacity),
                                  n,
                                  static_cast<int32_t>(c),
                                  feat_type,
                                  views.data(),
                                  static_cast<int32_t>(v),
                                  hidden ? hidden->const_data_ptr<int64_t>() : nullptr,
                                  static_cast<c3d::Compositor>(compositor),
                                  static_cast<int32_t>(max_points),
                                  static_cast<float>(depth_tolerance),
                                  feat_out.template mutable_data_ptr<float>(),
                                  alpha_out.template mutable_data_ptr<float>(),
                                  disp_out.template mutable_data_ptr<float>(),
                                  idx_out.numel() > 0 ? idx_out.template mutable_data_ptr<int32_t>() : nullptr};
  C3D_RUN(splat_points, xyz, args);
  return std::make_tuple(feat_out, alpha_out, disp_out, idx_out);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> splat_points(const Tensor& xyz, const Tensor& feat,
                                                        const std::optional<Tensor>& radius, double radius_all,
                                                        const Tensor& cameras, int64_t width, int64_t height,
                                                        int64_t compositor, int64_t max_points, double depth_tolerance,
                                                        bool return_idx, const std::optional<Tensor>& hidden,
                                                        const std::optional<Tensor>& opacity) {
  Checker check("splat_points");
  return splat_to(check, xyz, feat, radius, radius_all, cameras, width, height, compositor, max_points, depth_tolerance,
                  hidden, opacity, [&](int64_t v, int64_t c) {
                    const Shape idx_shape = return_idx ? Shape{v, height, width, max_points} : Shape{0};
                    return std::make_tuple(empty(xyz, {v, height, width, c}), empty(xyz, {v, height, width}),
                                           empty(xyz, {v, height, width}), empty(xyz, idx_shape, ScalarType::Int));
                  });
}

void splat_points_out(const Tensor& xyz, const Tensor& feat, const std::optional<Tensor>& radius, double radius_all,
                      const Tensor& cameras, int64_t width, int64_t height, int64_t compositor, int64_t max_points,
                      double depth_tolerance, const std::optional<Tensor>& hidden, const std::optional<Tensor>& opacity,
                      const Tensor& feat_out, const Tensor& alpha_out, const Tensor& disp_out) {
  Checker check("splat_points");
  splat_to(check, xyz, feat, radius, radius_all, cameras, width, height, compositor, max_points, depth_tolerance, hidden,
           opacity, [&](int64_t v, int64_t c) {
             const Shape pixels{v, height, width}, with_channels{v, height, width, c};
             check.tensor("out.feat", feat_out, with_channels, spell(with_channels));
             check.tensor("out.alpha", alpha_out, pixels, spell(pixels));
             check.tensor("out.disp", disp_out, pixels, spell(pixels));
             return std::make_tuple(feat_out, alpha_out, disp_out, empty(xyz, {0}, ScalarType::Int));
           });
}

// Gradients that are not wanted come back empty.
std::tuple<Tensor, Tensor, Tensor> splat_points_bwd(const std::optional<Tensor>& grad_feat_out,
                                                    const std::optional<Tensor>& grad_alpha_out,
                                                    const std::optional<Tensor>& grad_disp_out, const Tensor& xyz,
                                                    const Tensor& feat, const std::optional<Tensor>& radius, double radius_all,
                                                    const Tensor& cameras, int64_t width, int64_t height, int64_t compositor,
                                                    double depth_tolerance, const Tensor& idx, bool wants_xyz, bool wants_feat,
                                                    bool wants_radius, const std::optional<Tensor>& opacity) {
  Checker check("splat_points_bwd");
  check.tensor("xyz", xyz, {-1, 3}, "[N, 3]");
  const int64_t n = xyz.size(0);
  const std::string from_xyz = " with N = " + std::to_string(n) + " (from xyz)";
  check.tensor("feat", feat, {n, -1}, "[N, C]" + from_xyz);
  if (radius) check.tensor("radius", *radius, {n}, "[N]" + from_xyz);
  if (opacity) check.tensor("opacity", *opacity, {n}, "[N]" + from_xyz);
  check.that(radius || !wants_radius, "radius must be a tensor where its gradient is wanted, got None");
  check.that(compositor == 0 || compositor == 1, "compositor must be 0 (alpha) or 1 (surface), got ", compositor);
  check.that(depth_tolerance >= 0.0, "depth_tolerance must be >= 0, got ", depth_tolerance);
  const std::vector<c3d::Camera> views = read_cameras(check, cameras, width, height);
  const Shape pixels{static_cast<int64_t>(views.size()), height, width};
  const Shape with_channels{pixels[0], height, width, feat.size(1)};
  check.tensor("idx", idx, {pixels[0], height, width, -1}, "[V, H, W, K] = " + spell(pixels) + " + [K] (from cameras)",
               ScalarType::Int);
  if (grad_feat_out) check.tensor("grad_feat_out", *grad_feat_out, with_channels, spell(with_channels));
  if (grad_alpha_out) check.tensor("grad_alpha_out", *grad_alpha_out, pixels, spell(pixels));
  if (grad_disp_out) check.tensor("grad_disp_out", *grad_disp_out, pixels, spell(pixels));

  Tensor grad_xyz = empty(xyz, wants_xyz ? Shape{n, 3} : Shape{0});
  Tensor grad_feat = empty(xyz, wants_feat ? Shape{n, feat.size(1)} : Shape{0});
  Tensor grad_radius = empty(xyz, wants_radius ? Shape{n} : Shape{0});
  const c3d::SplatPointsBwdArgs args{xyz.const_data_ptr<float>(),
                                     feat.const_data_ptr<float>(),
                                     data_or_null(radius),
                                     static_cast<float>(radius_all),
                                     data_or_null(opacity),
                                     n,
                                     static_cast<int32_t>(feat.size(1)),
                                     views.data(),
                                     static_cast<int32_t>(views.size()),
                                     static_cast<c3d::Compositor>(compositor),
                                     static_cast<int32_t>(idx.size(3)),
                                     static_cast<float>(depth_tolerance),
                                     idx.const_data_ptr<int32_t>(),
                                     data_or_null(grad_feat_out),
                                     data_or_null(grad_alpha_out),
                                     data_or_null(grad_disp_out),
                                     wants_xyz ? grad_xyz.mutable_data_ptr<float>() : nullptr,
                                     wants_feat ? grad_feat.mutable_data_ptr<float>() : nullptr,
                                     wants_radius ? grad_radius.mutable_data_ptr<float>() : nullptr};
  C3D_RUN(splat_points_bwd, xyz, args);
  return {grad_xyz, grad_feat, grad_radius};
}

std::tuple<Tensor, Tensor> integrate_flow(const Tensor& step_px, int64_t num_steps, const std::optional<Tensor>& start_px,
                                          int64_t sampling) {
  Checker check("integrate_flow");
  check.tensor("step_px", step_px, {-1, -1, 2}, "[H, W, 2]");
  const int64_t h = step_px.size(0), w = step_px.size(1);
  check.that(h >= 1 && w >= 1 && h <= kMaxSide && w <= kMaxSide, "step_px must be [H, W, 2] with H and W in 1..2^30, got ",
             spell(shape_of(step_px)));
  check.that(num_steps >= 0 && num_steps <= 1 << 20, "num_steps must be 0..2^20, got ", num_steps);
  check.that(sampling == 0 || sampling == 1, "sampling must be 0 (bilinear) or 1 (nearest), got ", sampling);
  check.that(!(sampling == 1 && start_px), "start_px must be None for sampling='nearest', which starts at every pixel");
  if (start_px) check.tensor("start_px", *start_px, {-1, 2}, "[P, 2]");
  const int64_t p = start_px ? start_px->size(0) : h * w;

  Tensor offset_px = empty(step_px, {num_steps + 1, p, 2});
  Tensor inside = empty(step_px, {num_steps + 1, p}, ScalarType::Bool);
  const c3d::IntegrateFlowArgs args{step_px.const_data_ptr<float>(),
                                    static_cast<int32_t>(w),
                                    static_cast<int32_t>(h),
                                    start_px ? start_px->const_data_ptr<float>() : nullptr,
                                    p,
                                    static_cast<int32_t>(num_steps),
                                    static_cast<c3d::Sampling>(sampling),
                                    offset_px.mutable_data_ptr<float>(),
                                    static_cast<uint8_t*>(inside.mutable_data_ptr())};
  C3D_RUN(integrate_flow, step_px, args);
  return {offset_px, inside};
}

// What both directions of the blend take; every array has the pixels of fwd.feat.
struct BlendInputs {
  const Tensor &feat_fwd, &alpha_fwd, &disp_fwd, &feat_bwd, &alpha_bwd, &disp_bwd;
  const std::optional<Tensor>& loop_t;
  double loop_t_all, sharpness;
  Shape feat_shape, shape;
};

void check_blend(Checker& check, const BlendInputs& in) {
  check.that(!in.feat_shape.empty() && in.feat_shape.back() >= 1, "fwd.feat must be [.., H, W, C] with C >= 1, got ",
             spell(in.feat_shape));
  const std::string feat_spelled = spell(in.feat_shape) + " (from fwd.feat)", spelled = spell(in.shape) + " (from fwd.feat)";
  check.tensor("fwd.feat", in.feat_fwd, in.feat_shape, feat_spelled);
  check.tensor("fwd.alpha", in.alpha_fwd, in.shape, spelled);
  check.tensor("fwd.disp", in.disp_fwd, in.shape, spelled);
  check.tensor("bwd.feat", in.feat_bwd, in.feat_shape, feat_spelled);
  check.tensor("bwd.alpha", in.alpha_bwd, in.shape, spelled);
  check.tensor("bwd.disp", in.disp_bwd, in.shape, spelled);
  if (in.loop_t) check.tensor("loop_t", *in.loop_t, in.shape, spelled);
  check.that(in.loop_t || (in.loop_t_all >= 0.0 && in.loop_t_all <= 1.0), "loop_t must be in 0..1, got ", in.loop_t_all);
  check.that(std::isfinite(in.sharpness), "sharpness must be finite, got ", in.sharpness);
}

Shape without_last(Shape shape) {
  if (!shape.empty()) shape.pop_back();
  return shape;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> blend_bidirectional(const Tensor& feat_fwd, const Tensor& alpha_fwd,
                                                               const Tensor& disp_fwd, const Tensor& feat_bwd,
                                                               const Tensor& alpha_bwd, const Tensor& disp_bwd,
                                                               const std::optional<Tensor>& loop_t, double loop_t_all,
                                                               double sharpness) {
  Checker check("blend_bidirectional");
  const Shape feat_shape = shape_of(feat_fwd), shape = without_last(feat_shape);
  check_blend(
      check, {feat_fwd, alpha_fwd, disp_fwd, feat_bwd, alpha_bwd, disp_bwd, loop_t, loop_t_all, sharpness, feat_shape, shape});

  Tensor feat = empty(feat_fwd, feat_shape);
  Tensor alpha = empty(feat_fwd, shape);
  Tensor w_fwd = empty(feat_fwd, shape);
  Tensor w_bwd = empty(feat_fwd, shape);
  const c3d::BlendBidirectionalArgs args{feat_fwd.const_data_ptr<float>(),
                                         feat_bwd.const_data_ptr<float>(),
                                         alpha_fwd.const_data_ptr<float>(),
                                         alpha_bwd.const_data_ptr<float>(),
                                         disp_fwd.const_data_ptr<float>(),
                                         disp_bwd.const_data_ptr<float>(),
                                         loop_t ? loop_t->const_data_ptr<float>() : nullptr,
                                         static_cast<float>(loop_t_all),
                                         static_cast<float>(sharpness),
                                         alpha_fwd.numel(),
                                         static_cast<int32_t>(feat_shape.back()),
                                         feat.mutable_data_ptr<float>(),
                                         alpha.mutable_data_ptr<float>(),
                                         w_fwd.mutable_data_ptr<float>(),
                                         w_bwd.mutable_data_ptr<float>()};
  C3D_RUN(blend_bidirectional, feat_fwd, args);
  return {feat, alpha, w_fwd, w_bwd};
}

// grad_loop_t is empty when loop_t is None.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> blend_bidirectional_bwd(
    const std::optional<Tensor>& grad_feat_out, const std::optional<Tensor>& grad_alpha_out,
    const std::optional<Tensor>& grad_w_fwd, const std::optional<Tensor>& grad_w_bwd, const Tensor& feat_fwd,
    const Tensor& alpha_fwd, const Tensor& disp_fwd, const Tensor& feat_bwd, const Tensor& alpha_bwd, const Tensor& disp_bwd,
    const std::optional<Tensor>& loop_t, double loop_t_all, double sharpness) {
  Checker check("blend_bidirectional_bwd");
  const Shape feat_shape = shape_of(feat_fwd), shape = without_last(feat_shape);
  check_blend(
      check, {feat_fwd, alpha_fwd, disp_fwd, feat_bwd, alpha_bwd, disp_bwd, loop_t, loop_t_all, sharpness, feat_shape, shape});
  if (grad_feat_out) check.tensor("grad_feat_out", *grad_feat_out, feat_shape, spell(feat_shape));
  if (grad_alpha_out) check.tensor("grad_alpha_out", *grad_alpha_out, shape, spell(shape));
  if (grad_w_fwd) check.tensor("grad_w_fwd", *grad_w_fwd, shape, spell(shape));
  if (grad_w_bwd) check.tensor("grad_w_bwd", *grad_w_bwd, shape, spell(shape));

  Tensor grad_feat_fwd = empty(feat_fwd, feat_shape), grad_feat_bwd = empty(feat_fwd, feat_shape);
  Tensor grad_alpha_fwd = empty(feat_fwd, shape), grad_alpha_bwd = empty(feat_fwd, shape);
  Tensor grad_disp_fwd = empty(feat_fwd, shape), grad_disp_bwd = empty(feat_fwd, shape);
  Tensor grad_loop_t = empty(feat_fwd, loop_t ? shape : Shape{0});
  const c3d::BlendBidirectionalBwdArgs args{feat_fwd.const_data_ptr<float>(),
                                            feat_bwd.const_data_ptr<float>(),
                                            alpha_fwd.const_data_ptr<float>(),
                                            alpha_bwd.const_data_ptr<float>(),
                                            disp_fwd.const_data_ptr<float>(),
                                            disp_bwd.const_data_ptr<float>(),
                                            data_or_null(loop_t),
                                            static_cast<float>(loop_t_all),
                                            static_cast<float>(sharpness),
                                            alpha_fwd.numel(),
                                            static_cast<int32_t>(feat_shape.back()),
                                            data_or_null(grad_feat_out),
                                            data_or_null(grad_alpha_out),
                                            data_or_null(grad_w_fwd),
                                            data_or_null(grad_w_bwd),
                                            grad_feat_fwd.mutable_data_ptr<float>(),
                                            grad_feat_bwd.mutable_data_ptr<float>(),
                                            grad_alpha_fwd.mutable_data_ptr<float>(),
                                            grad_alpha_bwd.mutable_data_ptr<float>(),
                                            grad_disp_fwd.mutable_data_ptr<float>(),
                                            grad_disp_bwd.mutable_data_ptr<float>(),
                                            loop_t ? grad_loop_t.mutable_data_ptr<float>() : nullptr};
  C3D_RUN(blend_bidirectional_bwd, feat_fwd, args);
  return {grad_feat_fwd, grad_alpha_fwd, grad_disp_fwd, grad_feat_bwd, grad_alpha_bwd, grad_disp_bwd, grad_loop_t};
}

Tensor find_holes(const Tensor& disp, const Tensor& disp_hidden, const Tensor& disp_fluid, const Tensor& step_px,
                  int64_t num_steps, int64_t loop_steps, const Tensor& cameras, int64_t x0, int64_t y0, int64_t x1, int64_t y1,
                  double radius_px, double depth_tolerance, double least_existence) {
  Checker check("find_holes");
  check.tensor("disp", disp, {-1, -1, -1}, "[L, H, W]");
  const int64_t num_layers = disp.size(0), h = disp.size(1), w = disp.size(2);
  check.that(num_layers >= 1 && num_layers <= kMaxSide, "disp must be [L, H, W] with 1 <= L <= 2^30, got L = ", num_layers);
  const std::string spelled = spell({h, w}) + " (from disp)";
  check.tensor("disp_hidden", disp_hidden, {h, w}, spelled);
  check.tensor("disp_fluid", disp_fluid, {h, w}, spelled);
  check.tensor("step_px", step_px, {h, w, 2}, spell({h, w, 2}) + " (from disp)");
  check.that(num_steps >= 0 && num_steps <= kMaxSide, "num_steps must be 0..2^30, got ", num_steps);
  check.that(loop_steps >= 0 && loop_steps <= kMaxSide, "loop_steps must be 0..2^30, got ", loop_steps);
  check.that(radius_px > 0.0 && radius_px <= 64.0, "radius_px must be > 0 and <= 64, got ", radius_px);
  check.that(depth_tolerance >= 0.0, "depth_tolerance must be >= 0, got ", depth_tolerance);
  check.that(least_existence >= 0.0 && least_existence < 1.0, "least_existence must be >= 0 and < 1, got ", least_existence);
  const std::vector<c3d::Camera> views = read_cameras(check, cameras, w, h);
  check.that(!views.empty(), "camera must be one with at least one pose, got 0 poses");
  for (int64_t side : {x0, y0, x1, y1})
    check.that(side >= -kMaxSide && side <= kMaxSide, "frame_px must be within -2^30..2^30, got ", side);

  Tensor holes = empty(disp, {h, w}, ScalarType::Bool);
  const c3d::FindHolesArgs args{
      disp.const_data_ptr<float>(),
      disp_hidden.const_data_ptr<float>(),
      disp_fluid.const_data_ptr<float>(),
      step_px.const_data_ptr<float>(),
      static_cast<int32_t>(num_layers),
      static_cast<int32_t>(num_steps),
      static_cast<int32_t>(loop_steps),
      views.data(),
      static_cast<int32_t>(views.size()),
      {static_cast<int32_t>(x0), static_cast<int32_t>(y0), static_cast<int32_t>(x1), static_cast<int32_t>(y1)},
      static_cast<float>(radius_px),
      static_cast<float>(depth_tolerance),
      static_cast<float>(least_existence),
      static_cast<uint8_t*>(holes.mutable_data_ptr())};
  C3D_RUN(find_holes, disp, args);
  return holes;
}

std::tuple<Tensor, Tensor> inpaint_layers(const Tensor& rgb, const Tensor& disp, const Tensor& hole, const Tensor& disp_hidden,
                                          double tear_disp) {
  Checker check("inpaint_layers");
  check.tensor("rgb", rgb, {-1, -1, 3}, "[H, W, 3]");
  const int64_t h = rgb.size(0), w = rgb.size(1);
  const std::string spelled = spell({h, w}) + " (from rgb)";
  check.tensor("disp", disp, {h, w}, spelled);
  check.tensor("hole", hole, {h, w}, spelled, ScalarType::Bool);
  check.tensor("disp_hidden", disp_hidden, {h, w}, spelled);
  check.that(tear_disp >= 0.0, "tear_disp must be >= 0, got ", tear_disp);
  check.that(h * w <= kMaxSide, "rgb must be [H, W, 3] with H * W <= 2^30, got ", spell(shape_of(rgb)));

  Tensor rgb_out = empty(rgb, {h, w, 3});
  Tensor disp_out = empty(rgb, {h, w});
  const c3d::InpaintLayersArgs args{
      rgb.const_data_ptr<float>(),         disp.const_data_ptr<float>(),      static_cast<const uint8_t*>(hole.data_ptr()),
      disp_hidden.const_data_ptr<float>(), static_cast<int32_t>(w),           static_cast<int32_t>(h),
      static_cast<float>(tear_disp),       rgb_out.mutable_data_ptr<float>(), disp_out.mutable_data_ptr<float>()};
  C3D_RUN(inpaint_layers, rgb, args);
  return {rgb_out, disp_out};
}

void drift_points(const Tensor& start_px, const Tensor& offset_px, const Tensor& right, const Tensor& below,
                  const Tensor& feat, const Tensor& surface, double fx, double fy, double cx, double cy, double radius_px,
                  double max_stretch, double least_existence, const std::optional<Tensor>& fine,
                  const std::optional<Tensor>& broad, const std::optional<Tensor>& gain, double gain_spacing_px,
                  const Tensor& phase, double fade, const Tensor& xyz_out, const Tensor& feat_out, const Tensor& radius_out) {
  Checker check("drift_points");
  check.tensor("start_px", start_px, {-1, 2}, "[M, 2]");
  const int64_t m = start_px.size(0);
  const std::string from_start = " with M = " + std::to_string(m) + " (from start_px)";
  check.tensor("offset_px", offset_px, {m, 2}, "[M, 2]" + from_start);
  check.tensor("right", right, {m}, "[M]" + from_start, ScalarType::Int);
  check.tensor("below", below, {m}, "[M]" + from_start, ScalarType::Int);
  check.tensor("feat", feat, {m, 4}, "[M, 4]" + from_start);
  check.tensor("surface", surface, {-1, -1, 8}, "[H, W, 8]");
  const int64_t h = surface.size(0), w = surface.size(1);
  check.that(h >= 1 && w >= 1 && h <= kMaxSide && w <= kMaxSide, "surface must be [H, W, 8] with H and W in 1..2^30, got ",
             spell(shape_of(surface)));
  check.that(fx > 0.0 && fy > 0.0, "canvas must have fx and fy > 0, got ", fx, ", ", fy);
  check.that(fine.has_value() == gain.has_value() && broad.has_value() == gain.has_value(),
             "fine, broad and gain must be given together");
  if (gain) {
    check.tensor("fine", *fine, {m, 2, 3}, "[M, 2, 3]" + from_start);
    check.tensor("broad", *broad, {m, 3}, "[M, 3]" + from_start);
    check.tensor("gain", *gain, {-1, -1}, "[h, w]");
    check.that(gain_spacing_px > 0.0, "gain_spacing_px must be > 0, got ", gain_spacing_px);
  }
  check.tensor("phase", phase, {m}, "[M]" + from_start);
  check.tensor("out.xyz", xyz_out, {m, 3}, "[M, 3]" + from_start);
  check.tensor("out.feat", feat_out, {m, 4}, "[M, 4]" + from_start);
  check.tensor("out.radius", radius_out, {m}, "[M]" + from_start);

  c3d::DriftPointsArgs args{};
  args.start_px = start_px.const_data_ptr<float>();
  args.offset_px = offset_px.const_data_ptr<float>();
  args.right = right.const_data_ptr<int32_t>();
  args.below = below.const_data_ptr<int32_t>();
  args.feat = feat.const_data_ptr<float>();
  args.surface = surface.const_data_ptr<float>();
  args.canvas.fx = static_cast<float>(fx);
  args.canvas.fy = static_cast<float>(fy);
  args.canvas.cx = static_cast<float>(cx);
  args.canvas.cy = static_cast<float>(cy);
  args.canvas.width = static_cast<int32_t>(w);
  args.canvas.height = static_cast<int32_t>(h);
  args.radius_px = static_cast<float>(radius_px);
  args.max_stretch = static_cast<float>(max_stretch);
  args.least_existence = static_cast<float>(least_existence);
  if (gain) {
    args.fine = fine->const_data_ptr<float>();
    args.broad = broad->const_data_ptr<float>();
    args.gain = gain->const_data_ptr<float>();
    args.gain_width = static_cast<int32_t>(gain->size(1));
    args.gain_height = static_cast<int32_t>(gain->size(0));
    args.gain_spacing_px = static_cast<float>(gain_spacing_px);
  }
  args.phase = phase.const_data_ptr<float>();
  args.fade = static_cast<float>(fade);
  args.num_points = m;
  args.xyz = xyz_out.mutable_data_ptr<float>();
  args.feat_out = feat_out.mutable_data_ptr<float>();
  args.radius = radius_out.mutable_data_ptr<float>();
  C3D_RUN(drift_points, start_px, args);
}

std::tuple<Tensor, Tensor> compose_frame(const Tensor& feat_fwd, const Tensor& alpha_fwd, const Tensor& disp_fwd,
                                         const Tensor& feat_bwd, const Tensor& alpha_bwd, const Tensor& disp_bwd,
                                         double loop_t, double sharpness, double least_alpha) {
  Checker check("compose_frame");
  check.tensor("fwd.feat", feat_fwd, {-1, -1, 4}, "[H, W, 4]");
  const Shape pixels = without_last(shape_of(feat_fwd)), with_channels = shape_of(feat_fwd);
  const std::string spelled = spell(pixels) + " (from fwd.feat)", feat_spelled = spell(with_channels) + " (from fwd.feat)";
  check.tensor("fwd.alpha", alpha_fwd, pixels, spelled);
  check.tensor("fwd.disp", disp_fwd, pixels, spelled);
  check.tensor("bwd.feat", feat_bwd, with_channels, feat_spelled);
  check.tensor("bwd.alpha", alpha_bwd, pixels, spelled);
  check.tensor("bwd.disp", disp_bwd, pixels, spelled);
  check.that(loop_t >= 0.0 && loop_t <= 1.0, "loop_t must be in 0..1, got ", loop_t);
  check.that(std::isfinite(sharpness), "sharpness must be finite, got ", sharpness);
  check.that(least_alpha > 0.0, "least_alpha must be > 0, got ", least_alpha);

  Tensor rgb = empty(feat_fwd, {pixels[0], pixels[1], 3}, ScalarType::Byte);
  Tensor uncovered = empty(feat_fwd, pixels, ScalarType::Bool);
  const c3d::ComposeFrameArgs args{feat_fwd.const_data_ptr<float>(),
                                   feat_bwd.const_data_ptr<float>(),
                                   alpha_fwd.const_data_ptr<float>(),
                                   alpha_bwd.const_data_ptr<float>(),
                                   disp_fwd.const_data_ptr<float>(),
                                   disp_bwd.const_data_ptr<float>(),
                                   static_cast<float>(loop_t),
                                   static_cast<float>(sharpness),
                                   static_cast<float>(least_alpha),
                                   alpha_fwd.numel(),
                                   static_cast<uint8_t*>(rgb.mutable_data_ptr()),
                                   static_cast<uint8_t*>(uncovered.mutable_data_ptr())};
  C3D_RUN(compose_frame, feat_fwd, args);
  return {rgb, uncovered};
}

template <typename Library>
void implement_ops(Library& m) {
  m.impl("splat_points", TORCH_BOX(&splat_points));
  m.impl("splat_points_out", TORCH_BOX(&splat_points_out));
  m.impl("splat_points_bwd", TORCH_BOX(&splat_points_bwd));
  m.impl("integrate_flow", TORCH_BOX(&integrate_flow));
  m.impl("blend_bidirectional", TORCH_BOX(&blend_bidirectional));
  m.impl("blend_bidirectional_bwd", TORCH_BOX(&blend_bidirectional_bwd));
  m.impl("find_holes", TORCH_BOX(&find_holes));
  m.impl("inpaint_layers", TORCH_BOX(&inpaint_layers));
  m.impl("drift_points", TORCH_BOX(&drift_points));
  m.impl("compose_frame", TORCH_BOX(&compose_frame));
}

}  // namespace

STABLE_TORCH_LIBRARY(c3drender, m) {
  m.def(
      "splat_points(Tensor xyz, Tensor feat, Tensor? radius, float radius_all, Tensor cameras, int width, int height, "
      "int compositor, int max_points, float depth_tolerance, bool return_idx, Tensor? hidden=None, Tensor? opacity=None) "
      "-> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "splat_points_out(Tensor xyz, Tensor feat, Tensor? radius, float radius_all, Tensor cameras, int width, int height, "
      "int compositor, int max_points, float depth_tolerance, Tensor? hidden, Tensor? opacity, Tensor(a!) feat_out, "
      "Tensor(b!) alpha_out, "
      "Tensor(c!) disp_out) -> ()");
  m.def(
      "splat_points_bwd(Tensor? grad_feat_out, Tensor? grad_alpha_out, Tensor? grad_disp_out, Tensor xyz, Tensor feat, "
      "Tensor? radius, float radius_all, Tensor cameras, int width, int height, int compositor, float depth_tolerance, "
      "Tensor idx, bool wants_xyz, bool wants_feat, bool wants_radius, Tensor? opacity=None) -> (Tensor, Tensor, Tensor)");
  m.def("integrate_flow(Tensor step_px, int num_steps, Tensor? start_px, int sampling) -> (Tensor, Tensor)");
  m.def(
      "blend_bidirectional(Tensor feat_fwd, Tensor alpha_fwd, Tensor disp_fwd, Tensor feat_bwd, Tensor alpha_bwd, "
      "Tensor disp_bwd, Tensor? loop_t, float loop_t_all, float sharpness) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "blend_bidirectional_bwd(Tensor? grad_feat_out, Tensor? grad_alpha_out, Tensor? grad_w_fwd, Tensor? grad_w_bwd, "
      "Tensor feat_fwd, Tensor alpha_fwd, Tensor disp_fwd, Tensor feat_bwd, Tensor alpha_bwd, Tensor disp_bwd, "
      "Tensor? loop_t, float loop_t_all, float sharpness) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "find_holes(Tensor disp, Tensor disp_hidden, Tensor disp_fluid, Tensor step_px, int num_steps, int loop_steps, "
      "Tensor cameras, int x0, int y0, int x1, int y1, float radius_px, float depth_tolerance, float least_existence) -> "
      "Tensor");
  m.def("inpaint_layers(Tensor rgb, Tensor disp, Tensor hole, Tensor disp_hidden, float tear_disp) -> (Tensor, Tensor)");
  m.def(
      "drift_points(Tensor start_px, Tensor offset_px, Tensor right, Tensor below, Tensor feat, Tensor surface, float fx, "
      "float fy, float cx, float cy, float radius_px, float max_stretch, float least_existence, Tensor? fine, Tensor? broad, "
      "Tensor? gain, float gain_spacing_px, Tensor phase, float fade, Tensor(a!) xyz_out, Tensor(b!) feat_out, "
      "Tensor(c!) radius_out) -> ()");
  m.def(
      "compose_frame(Tensor feat_fwd, Tensor alpha_fwd, Tensor disp_fwd, Tensor feat_bwd, Tensor alpha_bwd, Tensor disp_bwd, "
      "float loop_t, float sharpness, float least_alpha) -> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(c3drender, CPU, m) { implement_ops(m); }

#ifdef C3D_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(c3drender, CUDA, m) { implement_ops(m); }
#endif

static PyObject* has_cuda(PyObject*, PyObject*) {
#ifdef C3D_WITH_CUDA
  Py_RETURN_TRUE;
#else
  Py_RETURN_FALSE;
#endif
}

// Importing the module loads this library, whose static initialisers register the ops.
PyMODINIT_FUNC PyInit__C(void) {
  static PyMethodDef methods[] = {{"has_cuda", has_cuda, METH_NOARGS, "Whether the CUDA half was built in."},
                                  {nullptr, nullptr, 0, nullptr}};
  static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_C", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};
  return PyModule_Create(&definition);
}
