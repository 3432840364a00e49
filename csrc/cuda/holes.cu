// find_holes on CUDA: which pixels of a hidden surface some view, or some drift, reveals.
#include "c3d/holes_formulas.h"

#include "../checks.h"
#include "extremes.cuh"

namespace c3d::cuda {
namespace {

constexpr int kBlockPixels = 256;
constexpr int kViewsPerLaunch = 32;  // poses travel as kernel arguments, which hold 4 KB

struct HolesArgs {
  FindHolesArgs holes;
  Camera views[kViewsPerLaunch];
  int32_t first_view, num_views;  // of those of the call
  uint8_t* seen;  // [H, W]
  uint32_t* disp_max;  // as ordered bits; 0: none
};

__device__ inline int64_t num_pixels_of(const HolesArgs& args) { return holes::num_pixels_of(args.views[0]); }

__device__ inline int64_t own_pixel() { return static_cast<int64_t>(blockIdx.x) * kBlockPixels + threadIdx.x; }

// Thread = one pixel of one layer. NaN counts as nothing.
__global__ void __launch_bounds__(kBlockPixels) holes_nearest_kernel(HolesArgs args) {
  const int64_t i = own_pixel();
  const float disp = i < args.holes.num_layers * num_pixels_of(args) ? args.holes.disp[i] : NAN;
  raise_to(args.disp_max, disp == disp ? ordered_bits(disp) : 0u);
}

// Thread = one pixel: few are hidden, and those of a warp walk lines of sight of similar length over neighbouring pixels.
__global__ void __launch_bounds__(kBlockPixels) holes_look_kernel(HolesArgs args) {
  const int64_t i = own_pixel();
  if (i >= num_pixels_of(args)) return;
  const int32_t width = args.views[0].width;
  bool sees = args.first_view > 0 && args.seen[i];
  if (!sees && holes::is_hidden(args.holes, num_pixels_of(args), i)) {
    const float disp_max = from_ordered_bits(*args.disp_max);
    for (int32_t view = 0; view < args.num_views && !sees; ++view)
      sees = holes::view_sees_pixel<holes::Candidates<1>>(args.holes, args.views[view], disp_max,
                                                          static_cast<int32_t>(i % width), static_cast<int32_t>(i / width));
  }
  args.seen[i] = sees;
}

// Thread = one pixel, after all views have looked at the surface at rest.
__global__ void __launch_bounds__(kBlockPixels) holes_drift_kernel(HolesArgs args) {
  const int64_t i = own_pixel();
  if (i >= num_pixels_of(args)) return;
  const int32_t width = args.views[0].width;
  const bool found = args.first_view > 0 ? args.holes.holes[i] : args.seen[i];
  args.holes.holes[i] =
      found || (holes::is_hidden(args.holes, num_pixels_of(args), i) &&
                holes::drifts_into_view<holes::Candidates<1>>(
                    args.holes, args.views, args.first_view, args.num_views, from_ordered_bits(*args.disp_max), args.seen,
                    static_cast<int32_t>(i % width), static_cast<int32_t>(i / width)));
}

}  // namespace

Status find_holes(const FindHolesArgs& args, const Context& context) {
  Status status = check_on_device(args, context);
  if (!status.ok()) return status;
  const int64_t num_pixels = holes::num_pixels_of(args.cameras[0]);
  HolesArgs holes{};
  holes.holes = args;
  holes.seen = allocate<uint8_t>(context.scratch, num_pixels);
  holes.disp_max = allocate<uint32_t>(context.scratch, 1);
  if (!holes.seen || !holes.disp_max) return {StatusCode::kOutOfMemory, "find_holes: out of memory for working buffers"};
  status = status_of(cudaMemsetAsync(holes.disp_max, 0, sizeof(uint32_t), stream_of(context)), "find_holes");

  const LaunchShape shape = thread_per_item(num_pixels, kBlockPixels);
  const auto for_all_views = [&](const auto& launch) {
    for (int32_t first = 0; first < args.num_cameras && status.ok(); first += kViewsPerLaunch) {
      holes.first_view = first;
      holes.num_views = min(kViewsPerLaunch, args.num_cameras - first);
      for (int32_t view = 0; view < holes.num_views; ++view) holes.views[view] = args.cameras[first + view];
      status = launch();
    }
  };
  holes.views[0] = args.cameras[0];
  const LaunchShape all_layers = thread_per_item(args.num_layers * num_pixels, kBlockPixels);
  if (status.ok()) status = C3D_LAUNCH(holes_nearest_kernel, all_layers, context, holes);
  for_all_views([&] { return C3D_LAUNCH(holes_look_kernel, shape, context, holes); });
  for_all_views([&] { return C3D_LAUNCH(holes_drift_kernel, shape, context, holes); });
  return status;
}

}  // namespace c3d::cuda
