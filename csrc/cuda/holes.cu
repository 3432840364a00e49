// find_holes on CUDA: which pixels of a hidden surface some view, or some drift, reveals.
#include "../checks.h"
#include "c3d/formulas.h"
#include "extremes.cuh"

namespace c3d::cuda {
namespace {

constexpr int kBlockPixels = 256;
constexpr int kViewsPerLaunch = 32;  // poses travel as kernel arguments, which hold 4 KB

struct HolesArgs {
  FindHolesArgs holes;  // its cameras are in `views`
  Camera views[kViewsPerLaunch];
  int32_t num_views;
  bool is_first;       // of the launches, which marks drifts and writes every pixel; the others add
  uint32_t* farthest;  // [2] the largest disparity and travel, as ordered bits; 0: none
};

// Thread = one pixel. NaN counts as nothing.
__global__ void __launch_bounds__(kBlockPixels) holes_farthest_kernel(HolesArgs args) {
  const int64_t num_pixels = static_cast<int64_t>(args.views[0].width) * args.views[0].height;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kBlockPixels + threadIdx.x;
  const float disp = i < num_pixels ? args.holes.disp[i] : NAN, travel = i < num_pixels ? args.holes.travel_px[i] : NAN;
  raise_to(&args.farthest[0], disp == disp ? ordered_bits(disp) : 0u);
  raise_to(&args.farthest[1], travel > 0.0f ? ordered_bits(travel) : 0u);
}

// Whether some pixel of the hidden surface's own depth can drift as far as (x, y). The CPU twin marks from the drifting pixel
// outwards; here a hidden pixel looks around, so that it alone writes its answer and may stop at the first that reaches it.
__device__ inline bool is_uncovered_by_drift(const FindHolesArgs& args, float travel_max, int32_t width, int32_t height,
                                             int32_t x, int32_t y) {
  if (!(travel_max > 0.0f)) return false;
  const int32_t reach = drift_reach(travel_max);
  const float disp_hidden = args.disp_hidden[static_cast<int64_t>(y) * width + x];
  for (int32_t by = max(y - reach, 0); by < min(y + reach + 1, height); ++by) {
    for (int32_t bx = max(x - reach, 0); bx < min(x + reach + 1, width); ++bx) {
      const int64_t b = static_cast<int64_t>(by) * width + bx;
      if (drift_uncovers(args.disp[b], args.travel_px[b], x - bx, y - by, disp_hidden, args.tear_disp)) return true;
    }
  }
  return false;
}

// Thread = one pixel: few are hidden, and those of a warp walk lines of sight of similar length over neighbouring pixels.
__global__ void __launch_bounds__(kBlockPixels) holes_mark_kernel(HolesArgs args) {
  const int32_t width = args.views[0].width, height = args.views[0].height;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kBlockPixels + threadIdx.x;
  if (i >= static_cast<int64_t>(width) * height) return;
  const int32_t x = static_cast<int32_t>(i % width), y = static_cast<int32_t>(i / width);
  bool open = !args.is_first && args.holes.holes[i];
  if (!open && is_hidden(args.holes.disp[i], args.holes.disp_hidden[i], args.holes.tear_disp)) {
    const float disp_max = from_ordered_bits(args.farthest[0]);
    for (int32_t view = 0; view < args.num_views && !open; ++view)
      open = line_of_sight_is_open(args.holes, args.views[view], disp_max, x, y);
    if (args.is_first && !open)
      open = is_uncovered_by_drift(args.holes, from_ordered_bits(args.farthest[1]), width, height, x, y);
  }
  args.holes.holes[i] = open;
}

}  // namespace

Status find_holes(const FindHolesArgs& args, const Context& context) {
  Status status = check(args);
  if (!status.ok()) return status;
  HolesArgs holes{};
  holes.holes = args;
  holes.farthest = allocate<uint32_t>(context.scratch, 2);
  if (!holes.farthest) return {StatusCode::kOutOfMemory, "find_holes: out of memory for working buffers"};
  status = status_of(cudaMemsetAsync(holes.farthest, 0, 2 * sizeof(uint32_t), stream_of(context)), "find_holes");

  const LaunchShape shape =
      thread_per_item(static_cast<int64_t>(args.cameras[0].width) * args.cameras[0].height, kBlockPixels);
  for (int32_t first = 0; first < args.num_cameras && status.ok(); first += kViewsPerLaunch) {
    holes.is_first = first == 0;
    holes.num_views = min(kViewsPerLaunch, args.num_cameras - first);
    for (int32_t view = 0; view < holes.num_views; ++view) holes.views[view] = args.cameras[first + view];
    if (holes.is_first) status = C3D_LAUNCH(holes_farthest_kernel, shape, context, holes);
    if (status.ok()) status = C3D_LAUNCH(holes_mark_kernel, shape, context, holes);
  }
  return status;
}

}  // namespace c3d::cuda
