// integrate_flow on the CPU: Euler integration of an Eulerian flow field, every intermediate displacement in one pass.
#include <algorithm>

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
  if (args.num_steps < 0) return {StatusCode::kInvalidArgument, "integrate_flow: num_steps must be >= 0"};
  if (args.num_paths == 0) return {};
  if (args.width < 1 || args.height < 1)
    return {StatusCode::kInvalidArgument, "integrate_flow: width and height must be >= 1"};
  if (!args.step_px || !args.offset_px || !args.inside)
    return {StatusCode::kInvalidArgument, "integrate_flow: step_px, offset_px and inside must not be null"};
  if (args.sampling == Sampling::kNearest && args.start_px)
    return {StatusCode::kInvalidArgument, "integrate_flow: nearest sampling starts at every pixel: start_px must be null"};
  if (!args.start_px && args.num_paths != static_cast<int64_t>(args.width) * args.height)
    return {StatusCode::kInvalidArgument, "integrate_flow: without start_px num_paths must be width * height"};
  const int64_t num_blocks = (args.num_paths + kBlock - 1) / kBlock;
  parallel_ranges(context.executor, num_blocks, 4, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) trace_block(args, b * kBlock, std::min((b + 1) * kBlock, args.num_paths));
  });
  return {};
}

}  // namespace c3d::cpu
