// splat_frame on the CPU: a tile's two sides become its part of the frame before the next tile is drawn.
#include "../splat_frame.h"

#include "../checks.h"
#include "splat_views.h"

namespace c3d::cpu {

Status splat_frame(const SplatFrameArgs& given, const Context& context) {
  SplatFrameArgs args = given;
  if (args.now) args.camera = camera_of(args.now, args.camera), args.loop_t = *loop_t_of(args.now);
  const Status status = check_on_host(args, context);
  if (!status.ok()) return status;
  const Camera sides[] = {args.camera, args.camera};
  const FrameOut frame{rules_of(args), args.rgb_out, args.uncovered_out};
  return splat_views(splat_of(args, sides), 0, args.num_sides, &frame, context);
}

}  // namespace c3d::cpu
