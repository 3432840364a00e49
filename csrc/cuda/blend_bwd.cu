// blend_bidirectional backward on CUDA: each pixel on its own.
#include "../checks.h"
#include "c3d/formulas.h"
#include "launch.cuh"

namespace c3d::cuda {
namespace {

struct BlendBwdArgs {
  BlendBidirectionalBwdArgs blend;
  int lanes;  // that share a pixel
};

// `lanes` lanes = one pixel: together they read and write its rows of features, consecutive bytes, and add up how features
// depend on the weights; its first lane does the rest. Every byte is moved once.
__global__ void __launch_bounds__(256) blend_bwd_pixels_kernel(BlendBwdArgs launched) {
  const BlendBidirectionalBwdArgs& args = launched.blend;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t i = thread / launched.lanes;
  const int member = static_cast<int>(thread % launched.lanes);
  const bool inside = i < args.num_pixels;
  BlendWeights w{}, sum{};
  float alpha_fwd = 0.0f, disp_fwd = 0.0f, alpha_bwd = 0.0f, disp_bwd = 0.0f, loop_t = 0.0f;
  if (inside) {
    alpha_fwd = args.alpha_fwd[i], disp_fwd = args.disp_fwd[i];
    alpha_bwd = args.alpha_bwd[i], disp_bwd = args.disp_bwd[i];
    loop_t = args.loop_t ? args.loop_t[i] : args.loop_t_all;
    w = blend_weights(alpha_fwd, disp_fwd, alpha_bwd, disp_bwd, loop_t, args.sharpness);
    for (int32_t channel = member; channel < args.num_channels; channel += launched.lanes) {
      const int64_t c = i * args.num_channels + channel;
      const float grad = args.grad_feat_out ? __ldg(args.grad_feat_out + c) : 0.0f;
      sum.fwd += grad * __ldg(args.feat_fwd + c);
      sum.bwd += grad * __ldg(args.feat_bwd + c);
      __stcs(args.grad_feat_fwd + c, w.fwd * grad);
      __stcs(args.grad_feat_bwd + c, w.bwd * grad);
    }
  }
  for (int lanes = launched.lanes / 2; lanes > 0; lanes /= 2) {
    sum.fwd += __shfl_xor_sync(kAllLanes, sum.fwd, lanes);
    sum.bwd += __shfl_xor_sync(kAllLanes, sum.bwd, lanes);
  }
  if (!inside || member != 0) return;

  const float grad_alpha = args.grad_alpha_out ? args.grad_alpha_out[i] : 0.0f;
  sum.fwd += grad_alpha * alpha_fwd + (args.grad_w_fwd ? args.grad_w_fwd[i] : 0.0f);
  sum.bwd += grad_alpha * alpha_bwd + (args.grad_w_bwd ? args.grad_w_bwd[i] : 0.0f);
  const BlendGrad grad = blend_weights_grad(alpha_fwd, disp_fwd, alpha_bwd, disp_bwd, loop_t, args.sharpness, sum);
  args.grad_alpha_fwd[i] = w.fwd * grad_alpha + grad.alpha_fwd;
  args.grad_alpha_bwd[i] = w.bwd * grad_alpha + grad.alpha_bwd;
  args.grad_disp_fwd[i] = grad.disp_fwd;
  args.grad_disp_bwd[i] = grad.disp_bwd;
  if (args.grad_loop_t) args.grad_loop_t[i] = grad.loop_t;
}

}  // namespace

Status blend_bidirectional_bwd(const BlendBidirectionalBwdArgs& args, const Context& context) {
  const Status status = check_on_device(args, context);
  if (!status.ok() || args.num_pixels == 0) return status;
  int lanes = 1;
  while (lanes < args.num_channels && lanes < 16) lanes *= 2;
  return C3D_LAUNCH(blend_bwd_pixels_kernel, thread_per_item(args.num_pixels * lanes, 256), context, {args, lanes});
}

}  // namespace c3d::cuda
