// find_holes.
#include "call.h"

namespace c3d::bindings {
namespace {

constexpr int64_t kMost = int64_t{1} << 30;  // of steps and px: sums of two stay within int32

Tensor find_holes(const Tensor& disp, const Tensor& disp_hidden, const Tensor& disp_fluid, const Tensor& step_px,
                  int64_t num_steps, int64_t loop_steps, const Tensor& cameras, int64_t x0, int64_t y0, int64_t x1, int64_t y1,
                  double radius_px, double depth_tolerance, double least_existence) {
  Checker check("find_holes");
  check.tensor("disp", disp, {-1, -1, -1}, "[L, H, W]");
  const int64_t num_layers = disp.size(0), h = disp.size(1), w = disp.size(2);
  check.that(num_layers >= 1 && num_layers <= kMaxLayers, "disp must be [L, H, W] with 1 <= L <= 256, got L = ", num_layers);
  const std::string spelled = spell({h, w}) + " (from disp)";
  check.tensor("disp_hidden", disp_hidden, {h, w}, spelled);
  check.tensor("disp_fluid", disp_fluid, {h, w}, spelled);
  check.tensor("step_px", step_px, {h, w, 2}, spell({h, w, 2}) + " (from disp)");
  check.that(num_steps >= 0 && num_steps <= kMaxDriftSteps, "num_steps must be 0..1024, got ", num_steps);
  check.that(loop_steps >= 0 && loop_steps <= kMost, "loop_steps must be 0..2^30, got ", loop_steps);
  check.that(radius_px > 0.0 && radius_px <= 64.0, "radius_px must be > 0 and <= 64, got ", radius_px);
  check.that(depth_tolerance >= 0.0, "depth_tolerance must be >= 0, got ", depth_tolerance);
  check.that(least_existence >= 0.0 && least_existence < 1.0, "least_existence must be >= 0 and < 1, got ", least_existence);
  const std::vector<Camera> views = read_cameras(check, cameras, w, h);
  check.that(!views.empty(), "camera must be one with at least one pose, got 0 poses");
  for (int64_t side : {x0, y0, x1, y1})
    check.that(side >= -kMost && side <= kMost, "frame_px must be within -2^30..2^30, got ", side);

  Tensor holes = check.result(disp, {h, w}, ScalarType::Bool);
  FindHolesArgs args;
  args.disp = read(disp);
  args.disp_hidden = read(disp_hidden);
  args.disp_fluid = read(disp_fluid);
  args.step_px = read(step_px);
  args.num_layers = num_layers;
  args.num_steps = num_steps;
  args.loop_steps = loop_steps;
  args.cameras = views.data();
  args.num_cameras = views.size();
  args.frame_px[0] = x0;
  args.frame_px[1] = y0;
  args.frame_px[2] = x1;
  args.frame_px[3] = y1;
  args.radius_px = radius_px;
  args.depth_tolerance = depth_tolerance;
  args.least_existence = least_existence;
  args.holes = write(holes);
  C3D_RUN(find_holes, disp, args);
  return holes;
}

}  // namespace

C3D_DEFINE(m) {
  m.def(
      "find_holes(Tensor disp, Tensor disp_hidden, Tensor disp_fluid, Tensor step_px, int num_steps, int loop_steps, "
      "Tensor cameras, int x0, int y0, int x1, int y1, float radius_px, float depth_tolerance, float least_existence) -> "
      "Tensor");
}

C3D_IMPLEMENT(m) { m.impl("find_holes", TORCH_BOX(&find_holes)); }

}  // namespace c3d::bindings
