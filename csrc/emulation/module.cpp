// c3d_twins: both halves of the core bound to NumPy, for tests only; the CUDA half runs emulated.
//
// Outputs start as garbage, so that an element nobody writes is seen. Schedules: "forward", "reversed", "random".
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "c3d/api.h"
#include "grid.h"

namespace py = pybind11;
using namespace py::literals;

namespace {

using Floats = py::array_t<float, py::array::c_style>;
using OptionalFloats = std::optional<Floats>;

enum class Half { kCpu, kCuda };

Half half_of(const std::string& device) {
  if (device == "cpu") return Half::kCpu;
  if (device == "cuda") return Half::kCuda;
  throw std::invalid_argument("device must be 'cpu' or 'cuda', got " + device);
}

// Working memory of one call; each piece exactly as long as asked for, so that the address sanitizer watches its ends.
constexpr std::align_val_t kAlignment{64};

class CallContext {
 public:
  c3d::Context get() {
    const auto allocate = [](void* user, size_t num_bytes) -> void* {
      auto& pieces = static_cast<CallContext*>(user)->pieces_;
      pieces.emplace_back(static_cast<char*>(::operator new(num_bytes, kAlignment)));
      std::memset(pieces.back().get(), 0xC5, num_bytes);
      return pieces.back().get();
    };
    return {{allocate, this}, c3d::make_thread_executor(2)};
  }

 private:
  struct Release {
    void operator()(char* piece) const { ::operator delete(piece, kAlignment); }
  };
  std::vector<std::unique_ptr<char, Release>> pieces_;
};

template <typename Args>
void call(Half half, c3d::Status (*cpu)(const Args&, const c3d::Context&),
          c3d::Status (*cuda)(const Args&, const c3d::Context&), const Args& args) {
  CallContext context;
  const c3d::Status status = (half == Half::kCpu ? cpu : cuda)(args, context.get());
  if (!status.ok()) throw std::runtime_error(status.message);
}

template <typename T>
py::array_t<T> garbage(std::vector<py::ssize_t> shape) {
  py::array_t<T> array(std::move(shape));
  std::memset(array.mutable_data(), 0xC5, array.nbytes());
  return array;
}

const float* data_of(const OptionalFloats& array) { return array ? array->data() : nullptr; }

// rows: [V, 16] fx, fy, cx, cy, then world_to_cam [3, 4].
std::vector<c3d::Camera> read_cameras(const Floats& rows, int32_t width, int32_t height) {
  std::vector<c3d::Camera> cameras(rows.shape(0));
  for (size_t v = 0; v < cameras.size(); ++v) {
    const float* row = rows.data(v, 0);
    cameras[v] = {row[0], row[1], row[2], row[3], width, height, {}};
    std::copy_n(row + 4, 12, cameras[v].world_to_cam);
  }
  return cameras;
}

// feat: float32; or uint16, the bits of feat_type "float16" or "bfloat16".
py::tuple splat_points(const std::string& device, const Floats& xyz, const py::array& feat, const std::string& feat_type,
                       const OptionalFloats& radius, float radius_all, const Floats& camera_rows, int32_t width,
                       int32_t height, int compositor, int32_t max_points, float depth_tolerance,
                       const std::optional<py::array_t<int64_t, py::array::c_style>>& hidden, const OptionalFloats& opacity) {
  const auto cameras = read_cameras(camera_rows, width, height);
  const py::ssize_t v = static_cast<py::ssize_t>(cameras.size()), c = feat.shape(1);
  auto feat_out = garbage<float>({v, height, width, c});
  auto alpha = garbage<float>({v, height, width}), disp = garbage<float>({v, height, width});
  auto idx = garbage<int32_t>({v, height, width, max_points});
  const auto type = feat_type == "float32"   ? c3d::FeatType::kFloat32
                    : feat_type == "float16" ? c3d::FeatType::kFloat16
                                             : c3d::FeatType::kBFloat16;
  const c3d::SplatPointsArgs args{xyz.data(),
                                  feat.data(),
                                  data_of(radius),
                                  radius_all,
                                  data_of(opacity),
                                  xyz.shape(0),
                                  static_cast<int32_t>(c),
                                  type,
                                  cameras.data(),
                                  static_cast<int32_t>(v),
                                  hidden ? hidden->data() : nullptr,
                                  static_cast<c3d::Compositor>(compositor),
                                  max_points,
                                  depth_tolerance,
                                  feat_out.mutable_data(),
                                  alpha.mutable_data(),
                                  disp.mutable_data(),
                                  idx.mutable_data()};
  call(half_of(device), c3d::cpu::splat_points, c3d::cuda::splat_points, args);
  return py::make_tuple(feat_out, alpha, disp, idx);
}

// grad_*_out: as large as the forward outputs, or None: zero.
py::tuple splat_points_bwd(const std::string& device, const Floats& xyz, const Floats& feat, const OptionalFloats& radius,
                           float radius_all, const Floats& camera_rows, int32_t width, int32_t height, int compositor,
                           int32_t max_points, float depth_tolerance, const py::array_t<int32_t, py::array::c_style>& idx,
                           const OptionalFloats& grad_feat_out, const OptionalFloats& grad_alpha_out,
                           const OptionalFloats& grad_disp_out, const OptionalFloats& opacity) {
  const auto cameras = read_cameras(camera_rows, width, height);
  auto grad_xyz = garbage<float>({xyz.shape(0), 3}), grad_feat = garbage<float>({xyz.shape(0), feat.shape(1)});
  auto grad_radius = garbage<float>({xyz.shape(0)});
  const c3d::SplatPointsBwdArgs args{xyz.data(),
                                     feat.data(),
                                     data_of(radius),
                                     radius_all,
                                     data_of(opacity),
                                     xyz.shape(0),
                                     static_cast<int32_t>(feat.shape(1)),
                                     cameras.data(),
                                     static_cast<int32_t>(cameras.size()),
                                     static_cast<c3d::Compositor>(compositor),
                                     max_points,
                                     depth_tolerance,
                                     idx.data(),
                                     data_of(grad_feat_out),
                                     data_of(grad_alpha_out),
                                     data_of(grad_disp_out),
                                     grad_xyz.mutable_data(),
                                     grad_feat.mutable_data(),
                                     grad_radius.mutable_data()};
  call(half_of(device), c3d::cpu::splat_points_bwd, c3d::cuda::splat_points_bwd, args);
  return py::make_tuple(grad_xyz, grad_feat, grad_radius);
}

py::tuple integrate_flow(const std::string& device, const Floats& step_px, int32_t num_steps, const OptionalFloats& start_px,
                         int sampling) {
  const int32_t height = static_cast<int32_t>(step_px.shape(0)), width = static_cast<int32_t>(step_px.shape(1));
  const py::ssize_t p = start_px ? start_px->shape(0) : py::ssize_t{height} * width;
  auto offset_px = garbage<float>({num_steps + 1, p, 2});
  auto inside = garbage<uint8_t>({num_steps + 1, p});
  const c3d::IntegrateFlowArgs args{step_px.data(),
                                    width,
                                    height,
                                    data_of(start_px),
                                    p,
                                    num_steps,
                                    static_cast<c3d::Sampling>(sampling),
                                    offset_px.mutable_data(),
                                    inside.mutable_data()};
  call(half_of(device), c3d::cpu::integrate_flow, c3d::cuda::integrate_flow, args);
  return py::make_tuple(offset_px, inside);
}

py::tuple blend_bidirectional(const std::string& device, const Floats& feat_fwd, const Floats& alpha_fwd,
                              const Floats& disp_fwd, const Floats& feat_bwd, const Floats& alpha_bwd, const Floats& disp_bwd,
                              const OptionalFloats& loop_t, float loop_t_all, float sharpness) {
  const py::ssize_t m = feat_fwd.shape(0), c = feat_fwd.shape(1);
  auto feat = garbage<float>({m, c});
  auto alpha = garbage<float>({m}), w_fwd = garbage<float>({m}), w_bwd = garbage<float>({m});
  const c3d::BlendBidirectionalArgs args{feat_fwd.data(),
                                         feat_bwd.data(),
                                         alpha_fwd.data(),
                                         alpha_bwd.data(),
                                         disp_fwd.data(),
                                         disp_bwd.data(),
                                         data_of(loop_t),
                                         loop_t_all,
                                         sharpness,
                                         m,
                                         static_cast<int32_t>(c),
                                         feat.mutable_data(),
                                         alpha.mutable_data(),
                                         w_fwd.mutable_data(),
                                         w_bwd.mutable_data()};
  call(half_of(device), c3d::cpu::blend_bidirectional, c3d::cuda::blend_bidirectional, args);
  return py::make_tuple(feat, alpha, w_fwd, w_bwd);
}

// The forward arguments, then the gradients of feat, alpha, w_fwd and w_bwd; None: zero.
py::tuple blend_bidirectional_bwd(const std::string& device, const Floats& feat_fwd, const Floats& alpha_fwd,
                                  const Floats& disp_fwd, const Floats& feat_bwd, const Floats& alpha_bwd,
                                  const Floats& disp_bwd, const OptionalFloats& loop_t, float loop_t_all, float sharpness,
                                  const OptionalFloats& grad_feat_out, const OptionalFloats& grad_alpha_out,
                                  const OptionalFloats& grad_w_fwd, const OptionalFloats& grad_w_bwd) {
  const py::ssize_t m = feat_fwd.shape(0), c = feat_fwd.shape(1);
  auto grad_feat_fwd = garbage<float>({m, c}), grad_feat_bwd = garbage<float>({m, c});
  auto grad_alpha_fwd = garbage<float>({m}), grad_alpha_bwd = garbage<float>({m});
  auto grad_disp_fwd = garbage<float>({m}), grad_disp_bwd = garbage<float>({m}), grad_loop_t = garbage<float>({m});
  const c3d::BlendBidirectionalBwdArgs args{feat_fwd.data(),
                                            feat_bwd.data(),
                                            alpha_fwd.data(),
                                            alpha_bwd.data(),
                                            disp_fwd.data(),
                                            disp_bwd.data(),
                                            data_of(loop_t),
                                            loop_t_all,
                                            sharpness,
                                            m,
                                            static_cast<int32_t>(c),
                                            data_of(grad_feat_out),
                                            data_of(grad_alpha_out),
                                            data_of(grad_w_fwd),
                                            data_of(grad_w_bwd),
                                            grad_feat_fwd.mutable_data(),
                                            grad_feat_bwd.mutable_data(),
                                            grad_alpha_fwd.mutable_data(),
                                            grad_alpha_bwd.mutable_data(),
                                            grad_disp_fwd.mutable_data(),
                                            grad_disp_bwd.mutable_data(),
                                            grad_loop_t.mutable_data()};
  call(half_of(device), c3d::cpu::blend_bidirectional_bwd, c3d::cuda::blend_bidirectional_bwd, args);
  return py::make_tuple(grad_feat_fwd, grad_alpha_fwd, grad_disp_fwd, grad_feat_bwd, grad_alpha_bwd, grad_disp_bwd,
                        grad_loop_t);
}

py::array find_holes(const std::string& device, const Floats& disp, const Floats& disp_hidden, const Floats& disp_fluid,
                     const Floats& step_px, int32_t num_steps, int32_t loop_steps, const Floats& camera_rows,
                     std::array<int32_t, 4> frame_px, float radius_px, float depth_tolerance, float least_existence) {
  const int32_t height = static_cast<int32_t>(disp.shape(1)), width = static_cast<int32_t>(disp.shape(2));
  const auto cameras = read_cameras(camera_rows, width, height);
  auto holes = garbage<uint8_t>({height, width});
  const c3d::FindHolesArgs args{disp.data(),
                                disp_hidden.data(),
                                disp_fluid.data(),
                                step_px.data(),
                                static_cast<int32_t>(disp.shape(0)),
                                num_steps,
                                loop_steps,
                                cameras.data(),
                                static_cast<int32_t>(cameras.size()),
                                {frame_px[0], frame_px[1], frame_px[2], frame_px[3]},
                                radius_px,
                                depth_tolerance,
                                least_existence,
                                holes.mutable_data()};
  call(half_of(device), c3d::cpu::find_holes, c3d::cuda::find_holes, args);
  return std::move(holes);
}

py::tuple inpaint_layers(const std::string& device, const Floats& rgb, const Floats& disp,
                         const py::array_t<uint8_t, py::array::c_style>& hole, const Floats& disp_hidden, float tear_disp) {
  const int32_t height = static_cast<int32_t>(disp.shape(0)), width = static_cast<int32_t>(disp.shape(1));
  auto rgb_out = garbage<float>({height, width, 3}), disp_out = garbage<float>({height, width});
  const c3d::InpaintLayersArgs args{rgb.data(),
                                    disp.data(),
                                    hole.data(),
                                    disp_hidden.data(),
                                    width,
                                    height,
                                    tear_disp,
                                    rgb_out.mutable_data(),
                                    disp_out.mutable_data()};
  call(half_of(device), c3d::cpu::inpaint_layers, c3d::cuda::inpaint_layers, args);
  return py::make_tuple(rgb_out, disp_out);
}

// detail: (fine, broad, gain, gain_spacing_px) or None.
py::tuple drift_points(const std::string& device, const Floats& start_px, const Floats& offset_px,
                       const py::array_t<int32_t, py::array::c_style>& right,
                       const py::array_t<int32_t, py::array::c_style>& below, const Floats& feat, const Floats& surface,
                       const Floats& camera_row, float radius_px, float max_stretch, float least_existence,
                       const std::optional<std::tuple<Floats, Floats, Floats, float>>& detail, const Floats& phase,
                       float fade) {
  const py::ssize_t m = start_px.shape(0);
  auto xyz = garbage<float>({m, 3}), feat_out = garbage<float>({m, 4}), radius = garbage<float>({m});
  c3d::DriftPointsArgs args{};
  args.start_px = start_px.data();
  args.offset_px = offset_px.data();
  args.right = right.data();
  args.below = below.data();
  args.feat = feat.data();
  args.surface = surface.data();
  const auto width = static_cast<int32_t>(surface.shape(1)), height = static_cast<int32_t>(surface.shape(0));
  args.canvas = read_cameras(camera_row, width, height)[0];
  args.radius_px = radius_px;
  args.max_stretch = max_stretch;
  args.least_existence = least_existence;
  if (detail) {
    const auto& [fine, broad, gain, spacing_px] = *detail;
    args.fine = fine.data();
    args.broad = broad.data();
    args.gain = gain.data();
    args.gain_width = static_cast<int32_t>(gain.shape(1));
    args.gain_height = static_cast<int32_t>(gain.shape(0));
    args.gain_spacing_px = spacing_px;
  }
  args.phase = phase.data();
  args.fade = fade;
  args.num_points = m;
  args.xyz = xyz.mutable_data();
  args.feat_out = feat_out.mutable_data();
  args.radius = radius.mutable_data();
  call(half_of(device), c3d::cpu::drift_points, c3d::cuda::drift_points, args);
  return py::make_tuple(xyz, feat_out, radius);
}

py::tuple compose_frame(const std::string& device, const Floats& feat_fwd, const Floats& alpha_fwd, const Floats& disp_fwd,
                        const Floats& feat_bwd, const Floats& alpha_bwd, const Floats& disp_bwd, float loop_t, float sharpness,
                        float least_alpha) {
  auto rgb = garbage<uint8_t>({alpha_fwd.shape(0), 3}), uncovered = garbage<uint8_t>({alpha_fwd.shape(0)});
  const c3d::ComposeFrameArgs args{
      feat_fwd.data(), feat_bwd.data(), alpha_fwd.data(), alpha_bwd.data(),   disp_fwd.data(),    disp_bwd.data(),
      loop_t,          sharpness,       least_alpha,      alpha_fwd.shape(0), rgb.mutable_data(), uncovered.mutable_data()};
  call(half_of(device), c3d::cpu::compose_frame, c3d::cuda::compose_frame, args);
  return py::make_tuple(rgb, uncovered);
}

void set_schedule(const std::string& order, uint64_t seed) {
  using c3d::emulation::Order;
  if (order != "forward" && order != "reversed" && order != "random")
    throw std::invalid_argument("order must be 'forward', 'reversed' or 'random', got " + order);
  c3d::emulation::set_schedule(order == "forward"    ? Order::kForward
                               : order == "reversed" ? Order::kReversed
                                                     : Order::kRandom,
                               seed);
}

}  // namespace

PYBIND11_MODULE(c3d_twins, m) {
  m.def("set_schedule", set_schedule, "order"_a, "seed"_a = 0);
  m.def("num_kernels_run", c3d::emulation::num_kernels_run);
  m.def("splat_points", splat_points);
  m.def("splat_points_bwd", splat_points_bwd);
  m.def("integrate_flow", integrate_flow);
  m.def("blend_bidirectional", blend_bidirectional);
  m.def("blend_bidirectional_bwd", blend_bidirectional_bwd);
  m.def("find_holes", find_holes);
  m.def("inpaint_layers", inpaint_layers);
  m.def("drift_points", drift_points);
  m.def("compose_frame", compose_frame);
}
