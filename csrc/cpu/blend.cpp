// blend_bidirectional on the CPU: the forward- and the backward-displaced picture become one.
#include "../checks.h"
#include "c3d/formulas.h"
#include "parallel.h"

namespace c3d::cpu {

Status blend_bidirectional(const BlendBidirectionalArgs& args, const Context& context) {
  const Status status = check_on_host(args, context);
  if (!status.ok() || args.num_pixels == 0) return status;
  const int32_t num_channels = args.num_channels;
  parallel_ranges(context.executor, args.num_pixels, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float loop_t = args.loop_t ? args.loop_t[i] : args.loop_t_all;
      const BlendWeights w =
          blend_weights(args.alpha_fwd[i], args.disp_fwd[i], args.alpha_bwd[i], args.disp_bwd[i], loop_t, args.sharpness);
      args.w_fwd[i] = w.fwd;
      args.w_bwd[i] = w.bwd;
      args.alpha_out[i] = w.fwd * args.alpha_fwd[i] + w.bwd * args.alpha_bwd[i];
      const float *fwd = args.feat_fwd + i * num_channels, *bwd = args.feat_bwd + i * num_channels;
      float* out = args.feat_out + i * num_channels;
      for (int32_t c = 0; c < num_channels; ++c) out[c] = w.fwd * fwd[c] + w.bwd * bwd[c];
    }
  });
  return {};
}

}  // namespace c3d::cpu
