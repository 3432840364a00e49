// compose_frame on the CPU: two splats become a picture.
#include <algorithm>

#include "../checks.h"
#include "c3d/formulas.h"
#include "parallel.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

constexpr int kBatch = 64;  // pixels that are composed at a time, in vectors, before their bytes are interleaved

struct Part {
  const ComposeFrameArgs* args;
  int64_t begin, end;  // pixels
};

C3D_INLINE SidePixel fwd_of(const ComposeFrameArgs& args, int64_t i) {
  return side_of(args.feat_fwd, args.alpha_fwd, args.disp_fwd, i);
}
C3D_INLINE SidePixel bwd_of(const ComposeFrameArgs& args, int64_t i) {
  return side_of(args.feat_bwd, args.alpha_bwd, args.disp_bwd, i);
}

C3D_INLINE void compose_batch(const ComposeFrameArgs& args, int64_t first, int num) {
  const FrameRules rules = rules_of(args);
  FrameShares shares[kBatch];
  int32_t num_same = 0;
  for (int j = 0; j < num; ++j) num_same += same_splats(fwd_of(args, first + j), bwd_of(args, first + j)) ? 1 : 0;
  if (num_same == num)
    for (int j = 0; j < num; ++j) shares[j] = shares_of_same(fwd_of(args, first + j), rules.least_alpha);
  else
    for (int j = 0; j < num; ++j) shares[j] = shares_of_sides(fwd_of(args, first + j), bwd_of(args, first + j), rules);
  uint8_t rgb[3][kBatch], uncovered[kBatch];
  for (int c = 0; c < 3; ++c)
    for (int j = 0; j < num; ++j) rgb[c][j] = frame_byte(fwd_of(args, first + j), bwd_of(args, first + j), c, shares[j]);
  for (int j = 0; j < num; ++j)
    uncovered[j] = is_uncovered(fwd_of(args, first + j), bwd_of(args, first + j), rules.least_alpha);
  for (int j = 0; j < num; ++j)
    for (int c = 0; c < 3; ++c) args.rgb_out[3 * (first + j) + c] = rgb[c][j];
  std::memcpy(args.uncovered_out + first, uncovered, static_cast<size_t>(num));
}

C3D_INLINE void compose_body(const Part& part) {
  const ComposeFrameArgs args = *part.args;  // a copy: nothing that is written here can be its memory
  for (int64_t first = part.begin; first < part.end; first += kBatch)
    compose_batch(args, first, static_cast<int>(std::min<int64_t>(kBatch, part.end - first)));
}

C3D_DISPATCH(compose_part, compose_body, const Part&)

}  // namespace

Status compose_frame(const ComposeFrameArgs& args, const Context& context) {
  const Status status = check_on_host(args, context);
  if (!status.ok()) return status;
  parallel_ranges(context.executor, args.num_pixels, 4096,
                  [&](int64_t begin, int64_t end) { compose_part({&args, begin, end}); });
  return {};
}

}  // namespace c3d::cpu
