// blend_bidirectional and its gradients.
#include <cmath>

#include "call.h"

namespace c3d::bindings {
namespace {

// What both are given.
struct BlendInputs {
  const Tensor &feat_fwd, &alpha_fwd, &disp_fwd, &feat_bwd, &alpha_bwd, &disp_bwd;
  const OptionalTensor& loop_t;
  double loop_t_all, sharpness;
};

// Sets what BlendBidirectionalArgs and BlendBidirectionalBwdArgs have in common, checked.
template <typename Args>
Args checked_args(Checker& check, const BlendInputs& in) {
  const Shape feat_shape = shape_of(in.feat_fwd), shape = without_last(feat_shape);
  check.that(!feat_shape.empty() && feat_shape.back() >= 1, "fwd.feat must be [.., H, W, C] with C >= 1, got ",
             spell(feat_shape));
  const std::string feat_spelled = spell(feat_shape) + " (from fwd.feat)", spelled = spell(shape) + " (from fwd.feat)";
  check.tensor("fwd.feat", in.feat_fwd, feat_shape, feat_spelled);
  check.tensor("fwd.alpha", in.alpha_fwd, shape, spelled);
  check.tensor("fwd.disp", in.disp_fwd, shape, spelled);
  check.tensor("bwd.feat", in.feat_bwd, feat_shape, feat_spelled);
  check.tensor("bwd.alpha", in.alpha_bwd, shape, spelled);
  check.tensor("bwd.disp", in.disp_bwd, shape, spelled);
  check.tensor("loop_t", in.loop_t, shape, spelled);
  check.that(in.loop_t || (in.loop_t_all >= 0.0 && in.loop_t_all <= 1.0), "loop_t must be in 0..1, got ", in.loop_t_all);
  check.that(std::isfinite(in.sharpness), "sharpness must be finite, got ", in.sharpness);

  Args args;
  args.feat_fwd = read(in.feat_fwd);
  args.alpha_fwd = read(in.alpha_fwd);
  args.disp_fwd = read(in.disp_fwd);
  args.feat_bwd = read(in.feat_bwd);
  args.alpha_bwd = read(in.alpha_bwd);
  args.disp_bwd = read(in.disp_bwd);
  args.loop_t = read(in.loop_t);
  args.loop_t_all = in.loop_t_all;
  args.sharpness = in.sharpness;
  args.num_pixels = in.alpha_fwd.numel();
  args.num_channels = feat_shape.back();
  return args;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> blend_bidirectional(const Tensor& feat_fwd, const Tensor& alpha_fwd,
                                                               const Tensor& disp_fwd, const Tensor& feat_bwd,
                                                               const Tensor& alpha_bwd, const Tensor& disp_bwd,
                                                               const OptionalTensor& loop_t, double loop_t_all,
                                                               double sharpness) {
  Checker check("blend_bidirectional");
  auto args = checked_args<BlendBidirectionalArgs>(
      check, {feat_fwd, alpha_fwd, disp_fwd, feat_bwd, alpha_bwd, disp_bwd, loop_t, loop_t_all, sharpness});
  const Shape shape = shape_of(alpha_fwd);

  Tensor feat = check.result(feat_fwd, shape_of(feat_fwd)), alpha = check.result(feat_fwd, shape);
  Tensor w_fwd = check.result(feat_fwd, shape), w_bwd = check.result(feat_fwd, shape);
  args.feat_out = write(feat);
  args.alpha_out = write(alpha);
  args.w_fwd = write(w_fwd);
  args.w_bwd = write(w_bwd);
  C3D_RUN(blend_bidirectional, feat_fwd, args);
  return {feat, alpha, w_fwd, w_bwd};
}

// grad_loop_t is empty when loop_t is None.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> blend_bidirectional_bwd(
    const OptionalTensor& grad_feat_out, const OptionalTensor& grad_alpha_out, const OptionalTensor& grad_w_fwd,
    const OptionalTensor& grad_w_bwd, const Tensor& feat_fwd, const Tensor& alpha_fwd, const Tensor& disp_fwd,
    const Tensor& feat_bwd, const Tensor& alpha_bwd, const Tensor& disp_bwd, const OptionalTensor& loop_t, double loop_t_all,
    double sharpness) {
  Checker check("blend_bidirectional_bwd");
  auto args = checked_args<BlendBidirectionalBwdArgs>(
      check, {feat_fwd, alpha_fwd, disp_fwd, feat_bwd, alpha_bwd, disp_bwd, loop_t, loop_t_all, sharpness});
  const Shape feat_shape = shape_of(feat_fwd), shape = shape_of(alpha_fwd);
  check.tensor("grad_feat_out", grad_feat_out, feat_shape, spell(feat_shape));
  check.tensor("grad_alpha_out", grad_alpha_out, shape, spell(shape));
  check.tensor("grad_w_fwd", grad_w_fwd, shape, spell(shape));
  check.tensor("grad_w_bwd", grad_w_bwd, shape, spell(shape));

  Tensor grad_feat_fwd = check.result(feat_fwd, feat_shape), grad_feat_bwd = check.result(feat_fwd, feat_shape);
  Tensor grad_alpha_fwd = check.result(feat_fwd, shape), grad_alpha_bwd = check.result(feat_fwd, shape);
  Tensor grad_disp_fwd = check.result(feat_fwd, shape), grad_disp_bwd = check.result(feat_fwd, shape);
  Tensor grad_loop_t = check.result(feat_fwd, loop_t ? shape : Shape{0});
  args.grad_feat_out = read(grad_feat_out);
  args.grad_alpha_out = read(grad_alpha_out);
  args.grad_w_fwd = read(grad_w_fwd);
  args.grad_w_bwd = read(grad_w_bwd);
  args.grad_feat_fwd = write(grad_feat_fwd);
  args.grad_alpha_fwd = write(grad_alpha_fwd);
  args.grad_disp_fwd = write(grad_disp_fwd);
  args.grad_feat_bwd = write(grad_feat_bwd);
  args.grad_alpha_bwd = write(grad_alpha_bwd);
  args.grad_disp_bwd = write(grad_disp_bwd);
  args.grad_loop_t = write_if(loop_t.has_value(), grad_loop_t);
  C3D_RUN(blend_bidirectional_bwd, feat_fwd, args);
  return {grad_feat_fwd, grad_alpha_fwd, grad_disp_fwd, grad_feat_bwd, grad_alpha_bwd, grad_disp_bwd, grad_loop_t};
}

}  // namespace

C3D_DEFINE(m) {
  m.def(
      "blend_bidirectional(Tensor feat_fwd, Tensor alpha_fwd, Tensor disp_fwd, Tensor feat_bwd, Tensor alpha_bwd, "
      "Tensor disp_bwd, Tensor? loop_t, float loop_t_all, float sharpness) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "blend_bidirectional_bwd(Tensor? grad_feat_out, Tensor? grad_alpha_out, Tensor? grad_w_fwd, Tensor? grad_w_bwd, "
      "Tensor feat_fwd, Tensor alpha_fwd, Tensor disp_fwd, Tensor feat_bwd, Tensor alpha_bwd, Tensor disp_bwd, "
      "Tensor? loop_t, float loop_t_all, float sharpness) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
}

C3D_IMPLEMENT(m) {
  m.impl("blend_bidirectional", TORCH_BOX(&blend_bidirectional));
  m.impl("blend_bidirectional_bwd", TORCH_BOX(&blend_bidirectional_bwd));
}

}  // namespace c3d::bindings
