// integrate_flow on the CPU: Euler integration of an Eulerian flow field, every intermediate displacement in one pass.
#include <algorithm>

#include "../checks.h"
#include "c3d/formulas.h"
#include "parallel.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

// Paths advance together in blocks: the field's neighbourhood stays cached, and each step's results are written in one run.
constexpr int kBlock = 512;

struct Part {
  const IntegrateFlowArgs* args;
  int64_t begin, end;  // paths, kBlock at most
};

void trace_nearest(const Part& part) {
  const IntegrateFlowArgs& args = *part.args;
  FlowPath paths[kBlock];
  for (int64_t i = part.begin; i < part.end; ++i) paths[i - part.begin] = start_path(args, i);
  for (int32_t step = 0; step <= args.num_steps; ++step) {
    for (int64_t i = part.begin; i < part.end; ++i) {
      FlowPath& path = paths[i - part.begin];
      if (step > 0) step_nearest(args.step_px, args.width, args.height, path);
      const int64_t out = step * args.num_paths + i;
      args.offset_px[2 * out] = path.offset.x;
      args.offset_px[2 * out + 1] = path.offset.y;
      args.inside[out] = path.inside;
    }
  }
}

// Bilinear: what step_by reads and writes of FlowPath, and where the field is sampled, as arrays.
struct Paths {
  float start[2][kBlock], position[2][kBlock], offset[2][kBlock];
  uint8_t inside[kBlock];
  int64_t pixel[4][kBlock];
  float weight[4][kBlock], step[2][kBlock];
};

C3D_INLINE void start_block(const IntegrateFlowArgs& args, int64_t first, int num, Paths& paths) {
  for (int j = 0; j < num; ++j) {
    const FlowPath path = start_path(args, first + j);
    paths.start[0][j] = paths.position[0][j] = path.start.x;
    paths.start[1][j] = paths.position[1][j] = path.start.y;
    paths.offset[0][j] = paths.offset[1][j] = 0;
    paths.inside[j] = path.inside;
  }
}

// In vectors, but for the samples.
C3D_INLINE void step_block(const float* field, int32_t width, int32_t height, int num, Paths& paths) {
  for (int j = 0; j < num; ++j) {
    const Corners at = corners_of(width, height, {paths.position[0][j], paths.position[1][j]});
    for (int k = 0; k < 4; ++k) paths.pixel[k][j] = at.pixel[k], paths.weight[k][j] = at.weight[k];
  }
  for (int j = 0; j < num; ++j) {
    Corners at;
    for (int k = 0; k < 4; ++k) at.pixel[k] = paths.pixel[k][j], at.weight[k] = paths.weight[k][j];
    float step[2];
    sample_corners<2>(field, at, step);
    paths.step[0][j] = step[0], paths.step[1][j] = step[1];
  }
  for (int j = 0; j < num; ++j) {
    FlowPath path{};
    path.start = {paths.start[0][j], paths.start[1][j]};
    path.position = {paths.position[0][j], paths.position[1][j]};
    path.inside = paths.inside[j] != 0;
    step_by({paths.step[0][j], paths.step[1][j]}, width, height, path);
    paths.position[0][j] = path.position.x, paths.position[1][j] = path.position.y;
    paths.offset[0][j] = path.offset.x, paths.offset[1][j] = path.offset.y;
    paths.inside[j] = path.inside;
  }
}

C3D_INLINE void trace_bilinear_body(const Part& part) {
  const IntegrateFlowArgs args = *part.args;  // a copy: nothing that is written here can be its memory
  const int num = static_cast<int>(part.end - part.begin);
  Paths paths;
  start_block(args, part.begin, num, paths);
  for (int32_t step = 0; step <= args.num_steps; ++step) {
    if (step > 0) step_block(args.step_px, args.width, args.height, num, paths);
    const int64_t out = step * args.num_paths + part.begin;
    for (int j = 0; j < num; ++j)
      for (int axis = 0; axis < 2; ++axis) args.offset_px[2 * (out + j) + axis] = paths.offset[axis][j];
    std::memcpy(args.inside + out, paths.inside, static_cast<size_t>(num));
  }
}

C3D_DISPATCH(trace_bilinear, trace_bilinear_body, const Part&)

}  // namespace

Status integrate_flow(const IntegrateFlowArgs& args, const Context& context) {
  const Status status = check_on_host(args, context);
  if (!status.ok() || args.num_paths == 0) return status;
  const int64_t num_blocks = (args.num_paths + kBlock - 1) / kBlock;
  parallel_ranges(context.executor, num_blocks, 4, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const Part part{&args, b * kBlock, std::min((b + 1) * kBlock, args.num_paths)};
      args.sampling == Sampling::kNearest ? trace_nearest(part) : trace_bilinear(part);
    }
  });
  return {};
}

}  // namespace c3d::cpu
