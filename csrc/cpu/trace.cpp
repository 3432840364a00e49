// integrate_flow on the CPU: Euler integration of an Eulerian flow field, every intermediate displacement in one pass.
#include <algorithm>

#include "../checks.h"
#include "c3d/formulas.h"
#include "parallel.h"

namespace c3d::cpu {
namespace {

// Paths advance together in blocks: the field's neighbourhood stays cached, and each step's results are written in one run.
constexpr int64_t kBlock = 512;

void trace_block(const IntegrateFlowArgs& args, int64_t begin, int64_t end) {
  FlowPath paths[kBlock];
  for (int64_t i = begin; i < end; ++i) paths[i - begin] = start_path(args, i);
  for (int32_t step = 0; step <= args.num_steps; ++step) {
    for (int64_t i = begin; i < end; ++i) {
      FlowPath& path = paths[i - begin];
      if (step > 0 && args.sampling == Sampling::kBilinear) step_bilinear(args.step_px, args.width, args.height, path);
      if (step > 0 && args.sampling == Sampling::kNearest) step_nearest(args.step_px, args.width, args.height, path);
      const int64_t out = step * args.num_paths + i;
      args.offset_px[2 * out] = path.offset.x;
      args.offset_px[2 * out + 1] = path.offset.y;
      args.inside[out] = path.inside;
    }
  }
}

}  // namespace

Status integrate_flow(const IntegrateFlowArgs& args, const Context& context) {
  const Status status = check_on_host(args, context);
  if (!status.ok() || args.num_paths == 0) return status;
  const int64_t num_blocks = (args.num_paths + kBlock - 1) / kBlock;
  parallel_ranges(context.executor, num_blocks, 4, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) trace_block(args, b * kBlock, std::min((b + 1) * kBlock, args.num_paths));
  });
  return {};
}

}  // namespace c3d::cpu
