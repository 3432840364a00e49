// compose_frame.
#include <cmath>

#include "call.h"

namespace c3d::bindings {
namespace {

std::tuple<Tensor, Tensor> compose_frame(const Tensor& feat_fwd, const Tensor& alpha_fwd, const Tensor& disp_fwd,
                                         const Tensor& feat_bwd, const Tensor& alpha_bwd, const Tensor& disp_bwd,
                                         double loop_t, double sharpness, double least_alpha) {
  Checker check("compose_frame");
  check.tensor("fwd.feat", feat_fwd, {-1, -1, 4}, "[H, W, 4]");
  const Shape with_channels = shape_of(feat_fwd), pixels = without_last(with_channels);
  const std::string spelled = spell(pixels) + " (from fwd.feat)", feat_spelled = spell(with_channels) + " (from fwd.feat)";
  check.tensor("fwd.alpha", alpha_fwd, pixels, spelled);
  check.tensor("fwd.disp", disp_fwd, pixels, spelled);
  check.tensor("bwd.feat", feat_bwd, with_channels, feat_spelled);
  check.tensor("bwd.alpha", alpha_bwd, pixels, spelled);
  check.tensor("bwd.disp", disp_bwd, pixels, spelled);
  check.that(loop_t >= 0.0 && loop_t <= 1.0, "loop_t must be in 0..1, got ", loop_t);
  check.that(std::isfinite(sharpness), "sharpness must be finite, got ", sharpness);
  check.that(least_alpha > 0.0, "least_alpha must be > 0, got ", least_alpha);

  Tensor rgb = check.result(feat_fwd, {pixels[0], pixels[1], 3}, ScalarType::Byte);
  Tensor uncovered = check.result(feat_fwd, pixels, ScalarType::Bool);
  ComposeFrameArgs args;
  args.feat_fwd = read(feat_fwd);
  args.alpha_fwd = read(alpha_fwd);
  args.disp_fwd = read(disp_fwd);
  args.feat_bwd = read(feat_bwd);
  args.alpha_bwd = read(alpha_bwd);
  args.disp_bwd = read(disp_bwd);
  args.loop_t = loop_t;
  args.sharpness = sharpness;
  args.least_alpha = least_alpha;
  args.num_pixels = alpha_fwd.numel();
  args.rgb_out = write(rgb);
  args.uncovered_out = write(uncovered);
  C3D_RUN(compose_frame, feat_fwd, args);
  return {rgb, uncovered};
}

}  // namespace

C3D_DEFINE(m) {
  m.def(
      "compose_frame(Tensor feat_fwd, Tensor alpha_fwd, Tensor disp_fwd, Tensor feat_bwd, Tensor alpha_bwd, Tensor disp_bwd, "
      "float loop_t, float sharpness, float least_alpha) -> (Tensor, Tensor)");
}

C3D_IMPLEMENT(m) { m.impl("compose_frame", TORCH_BOX(&compose_frame)); }

}  // namespace c3d::bindings
