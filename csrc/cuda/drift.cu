// drift_points on CUDA: a fluid's points at one moment of the loop.
#include "../checks.h"
#include "c3d/formulas.h"
#include "launch.cuh"

namespace c3d::cuda {
namespace {

// Thread = one point. Neighbours in the list are neighbours on the canvas and drift together, so the four samples of the
// surface and the neighbours' offsets come from L1; some 110 bytes a point are read once and 32 written.
__global__ void __launch_bounds__(256) drift_points_kernel(DriftPointsArgs args) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < args.num_points) drift_point(args, i);
}

}  // namespace

Status drift_points(const DriftPointsArgs& args, const Context& context) {
  const Status status = check_on_device(args, context);
  if (!status.ok() || args.num_points == 0) return status;
  return C3D_LAUNCH(drift_points_kernel, thread_per_item(args.num_points, 256), context, args);
}

}  // namespace c3d::cuda
