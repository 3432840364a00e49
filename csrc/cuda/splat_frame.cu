// splat_frame on CUDA: both sides' pictures in working memory, then the frame.
#include "../checks.h"
#include "../scratch.h"
#include "../splat_frame.h"
#include "c3d/formulas.h"
#include "now.cuh"

namespace c3d::cuda {

Status splat_frame(const SplatFrameArgs& args, const Context& context) {
  const Status status = check_on_device(args, context);
  if (!status.ok()) return status;
  const Camera sides[] = {args.camera, args.camera};
  SplatPointsArgs splat = splat_of(args, sides);
  const int64_t num_pixels = static_cast<int64_t>(args.camera.width) * args.camera.height;
  Memory memory{context.scratch};
  splat.feat_out = memory.get<float>(4 * num_pixels * args.num_sides);
  splat.alpha_out = memory.get<float>(num_pixels * args.num_sides);
  splat.disp_out = memory.get<float>(num_pixels * args.num_sides);
  if (!memory.ok) return {StatusCode::kOutOfMemory, "splat_frame: out of memory for both sides' pictures"};
  if (const Status splatted = splat_points_now(splat, args.now, context); !splatted.ok()) return splatted;

  const int64_t other = (args.num_sides - 1) * num_pixels;
  ComposeFrameArgs frame;
  frame.feat_fwd = splat.feat_out, frame.feat_bwd = splat.feat_out + 4 * other;
  frame.alpha_fwd = splat.alpha_out, frame.alpha_bwd = splat.alpha_out + other;
  frame.disp_fwd = splat.disp_out, frame.disp_bwd = splat.disp_out + other;
  frame.loop_t = args.loop_t, frame.sharpness = args.sharpness, frame.least_alpha = args.least_alpha;
  frame.num_pixels = num_pixels;
  frame.rgb_out = args.rgb_out, frame.uncovered_out = args.uncovered_out;
  return compose_frame_now(frame, loop_t_of(args.now), context);
}

}  // namespace c3d::cuda
