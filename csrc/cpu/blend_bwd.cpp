// blend_bidirectional backward on the CPU: each pixel on its own.
#include "../checks.h"
#include "c3d/formulas.h"
#include "parallel.h"

namespace c3d::cpu {
namespace {

void blend_pixel_bwd(const BlendBidirectionalBwdArgs& args, int64_t i) {
  const float loop_t = args.loop_t ? args.loop_t[i] : args.loop_t_all;
  const BlendWeights w =
      blend_weights(args.alpha_fwd[i], args.disp_fwd[i], args.alpha_bwd[i], args.disp_bwd[i], loop_t, args.sharpness);
  const float grad_alpha = args.grad_alpha_out ? args.grad_alpha_out[i] : 0.0f;
  BlendWeights grad_w{grad_alpha * args.alpha_fwd[i], grad_alpha * args.alpha_bwd[i]};
  if (args.grad_w_fwd) grad_w.fwd += args.grad_w_fwd[i];
  if (args.grad_w_bwd) grad_w.bwd += args.grad_w_bwd[i];

  const int64_t first = i * args.num_channels;
  for (int64_t c = first; c < first + args.num_channels; ++c) {
    const float grad = args.grad_feat_out ? args.grad_feat_out[c] : 0.0f;
    args.grad_feat_fwd[c] = w.fwd * grad;
    args.grad_feat_bwd[c] = w.bwd * grad;
    grad_w.fwd += grad * args.feat_fwd[c];
    grad_w.bwd += grad * args.feat_bwd[c];
  }
  const BlendGrad grad = blend_weights_grad(args.alpha_fwd[i], args.disp_fwd[i], args.alpha_bwd[i], args.disp_bwd[i], loop_t,
                                            args.sharpness, grad_w);
  args.grad_alpha_fwd[i] = w.fwd * grad_alpha + grad.alpha_fwd;
  args.grad_alpha_bwd[i] = w.bwd * grad_alpha + grad.alpha_bwd;
  args.grad_disp_fwd[i] = grad.disp_fwd;
  args.grad_disp_bwd[i] = grad.disp_bwd;
  if (args.grad_loop_t) args.grad_loop_t[i] = grad.loop_t;
}

}  // namespace

Status blend_bidirectional_bwd(const BlendBidirectionalBwdArgs& args, const Context& context) {
  const Status status = check_on_host(args, context);
  if (!status.ok() || args.num_pixels == 0) return status;
  parallel_ranges(context.executor, args.num_pixels, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) blend_pixel_bwd(args, i);
  });
  return {};
}

}  // namespace c3d::cpu
