// integrate_flow.
#include "call.h"

namespace c3d::bindings {
namespace {

std::tuple<Tensor, Tensor> integrate_flow(const Tensor& step_px, int64_t num_steps, const OptionalTensor& start_px,
                                          int64_t sampling) {
  Checker check("integrate_flow");
  check.tensor("step_px", step_px, {-1, -1, 2}, "[H, W, 2]");
  const int64_t h = step_px.size(0), w = step_px.size(1);
  check.that(h >= 1 && w >= 1 && h <= kMaxSide && w <= kMaxSide, "step_px must be [H, W, 2] with H and W in 1..2^23, got ",
             spell(shape_of(step_px)));
  check.that(num_steps >= 0 && num_steps <= kMaxSteps, "num_steps must be 0..2^20, got ", num_steps);
  check.that(sampling == 0 || sampling == 1, "sampling must be 0 (bilinear) or 1 (nearest), got ", sampling);
  check.that(!(sampling == 1 && start_px), "start_px must be None for sampling='nearest', which starts at every pixel");
  check.tensor("start_px", start_px, {-1, 2}, "[P, 2]");
  const int64_t p = start_px ? start_px->size(0) : h * w;

  Tensor offset_px = check.result(step_px, {num_steps + 1, p, 2});
  Tensor inside = check.result(step_px, {num_steps + 1, p}, ScalarType::Bool);
  IntegrateFlowArgs args;
  args.step_px = read(step_px);
  args.width = w;
  args.height = h;
  args.start_px = read(start_px);
  args.num_paths = p;
  args.num_steps = num_steps;
  args.sampling = static_cast<Sampling>(sampling);
  args.offset_px = write(offset_px);
  args.inside = write(inside);
  C3D_RUN(integrate_flow, step_px, args);
  return {offset_px, inside};
}

}  // namespace

C3D_DEFINE(m) { m.def("integrate_flow(Tensor step_px, int num_steps, Tensor? start_px, int sampling) -> (Tensor, Tensor)"); }

C3D_IMPLEMENT(m) { m.impl("integrate_flow", TORCH_BOX(&integrate_flow)); }

}  // namespace c3d::bindings
