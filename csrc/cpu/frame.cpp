// compose_frame on the CPU: two splats become a picture.
#include "../checks.h"
#include "c3d/formulas.h"
#include "parallel.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

struct Part {
  ComposeFrameArgs args;
  int64_t begin, end;  // pixels
};

C3D_INLINE void compose_body(const Part& part) {
  for (int64_t i = part.begin; i < part.end; ++i) {
    const FramePixel pixel = frame_pixel(part.args, i);
    for (int c = 0; c < 3; ++c) part.args.rgb_out[3 * i + c] = pixel.rgb[c];
    part.args.uncovered_out[i] = pixel.uncovered;
  }
}

C3D_DISPATCH(compose_part, compose_body, const Part&)

}  // namespace

Status compose_frame(const ComposeFrameArgs& args, const Context& context) {
  const Status status = check_on_host(args, context);
  if (!status.ok()) return status;
  parallel_ranges(context.executor, args.num_pixels, 4096,
                  [&](int64_t begin, int64_t end) { compose_part({args, begin, end}); });
  return {};
}

}  // namespace c3d::cpu
