// integrate_flow on CUDA: Euler integration of an Eulerian flow field, every intermediate displacement in one pass.
#include "../checks.h"
#include "c3d/formulas.h"
#include "launch.cuh"

namespace c3d::cuda {
namespace {

// Thread = one path, all its steps: the position never leaves registers, and each step writes consecutive 8 bytes from
// consecutive threads. Paths that start side by side stay side by side, so the field's samples come from L1 and L2; the 9
// bytes a step and path written are all that memory sees.
__global__ void __launch_bounds__(256) trace_steps_kernel(IntegrateFlowArgs args) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= args.num_paths) return;
  FlowPath path = start_path(args, i);
  for (int32_t step = 0;; ++step) {
    const int64_t out = step * args.num_paths + i;
    __stcs(reinterpret_cast<float2*>(args.offset_px) + out, make_float2(path.offset.x, path.offset.y));
    args.inside[out] = path.inside;
    if (step == args.num_steps) return;
    if (args.sampling == Sampling::kBilinear) {
      step_bilinear(args.step_px, args.width, args.height, path);
    } else {
      step_nearest(args.step_px, args.width, args.height, path);
    }
  }
}

}  // namespace

Status integrate_flow(const IntegrateFlowArgs& args, const Context& context) {
  const Status status = check_on_device(args, context);
  if (!status.ok() || args.num_paths == 0) return status;
  if (reinterpret_cast<uintptr_t>(args.offset_px) % sizeof(float2) != 0)
    return {StatusCode::kInvalidArgument, "integrate_flow: offset_px must be aligned to 8 bytes"};
  return C3D_LAUNCH(trace_steps_kernel, thread_per_item(args.num_paths, 256), context, args);
}

}  // namespace c3d::cuda
