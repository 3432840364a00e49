// compose_frame on CUDA: two splats become a picture.
#include "../checks.h"
#include "c3d/formulas.h"
#include "launch.cuh"
#include "now.cuh"

namespace c3d::cuda {
namespace {

struct ComposeArgs {
  ComposeFrameArgs frame;
  const float* loop_t;  // nullptr: the frame's own
};

// Thread = one pixel: 48 bytes read, 4 written, all in consecutive addresses of a warp.
__global__ void __launch_bounds__(256) frame_compose_kernel(ComposeArgs launched) {
  const ComposeFrameArgs& args = launched.frame;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= args.num_pixels) return;
  FrameRules rules = rules_of(args);
  if (launched.loop_t) rules.loop_t = *launched.loop_t;
  const SidePixel fwd = side_of(args.feat_fwd, args.alpha_fwd, args.disp_fwd, i);
  const SidePixel bwd = side_of(args.feat_bwd, args.alpha_bwd, args.disp_bwd, i);
  const FrameShares shares = same_splats(fwd, bwd) ? shares_of_same(fwd, rules.least_alpha) : shares_of_sides(fwd, bwd, rules);
  for (int c = 0; c < 3; ++c) args.rgb_out[3 * i + c] = frame_byte(fwd, bwd, c, shares);
  args.uncovered_out[i] = is_uncovered(fwd, bwd, rules.least_alpha);
}

}  // namespace

Status compose_frame_now(const ComposeFrameArgs& args, const float* loop_t, const Context& context) {
  const Status status = check_on_device(args, context);
  if (!status.ok() || args.num_pixels == 0) return status;
  return C3D_LAUNCH(frame_compose_kernel, thread_per_item(args.num_pixels, 256), context, {args, loop_t});
}

Status compose_frame(const ComposeFrameArgs& args, const Context& context) {
  return compose_frame_now(args, nullptr, context);
}

}  // namespace c3d::cuda
