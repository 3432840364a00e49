// splat_points on CUDA: project and count -> reserve -> list the points of each tile -> per tile: collect each pixel's nearest
// hits, composite.
//
// Everything is queued on one stream with sizes known beforehand: no kernel waits for the host, so that a call can be captured
// in a CUDA graph. Compiled with -fmad=false, so that depths and distances are those of a CPU twin whose products are not
// contracted either; where they are, the two may decide differently at a disc's very rim.
#include "../checks.h"
#include "now.cuh"
#include "splat_composite.cuh"

namespace c3d::cuda {
namespace {

// Block = one tile of 16x16 pixels, or a half or a quarter of it where longer hit lists fill shared memory; thread = one
// pixel while hits are collected and weighed. Then the warp turns: it sums its 32 pixels' features with several lanes a pixel,
// because a thread that reads its own pixel's rows touches 32 cache lines a load, a group reads consecutive bytes. Hits stay
// in shared memory between the two; features are read once per hit, mostly from L1 and L2 (a tile's pixels share about 7 times
// as many hits as it has points). Four blocks of 256 threads a multiprocessor leave 64 registers a thread, enough to keep four
// hits' loads in flight without spilling, and about 100 KB of L1 on an H100 for the features that neighbouring pixels share.
template <typename T, int kVec>
__global__ void __launch_bounds__(256, 4) splat_raster_kernel(PictureArgs args) {
  const Pyramid& pyramid = args.bins.pyramid;
  const TileMemory memory = tile_memory();
  const TilePlace place = tile_place(pyramid);
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int column = static_cast<int>(threadIdx.x), warp_column = column - lane;
  Pixel pixel = pixel_at(place, lane, pyramid);
  collect_hits(args.bins, place, memory, args.max_points, &pixel);

  const Totals totals = args.compositor == Compositor::kAlpha
                            ? alpha_weights(memory, args.bins.discs, args.opacity, column, pixel.count)
                            : surface_weights(memory, args.bins.discs, args.opacity, column, pixel.count, args.reach);
  if (pixel.inside) {
    const int64_t i = static_cast<int64_t>(pixel.y) * pyramid.width + pixel.x;
    __stcs(args.alpha_out + i, totals.alpha);
    __stcs(args.disp_out + i, totals.disp);
  }
  __syncwarp();

  sum_features<T, kVec>(args, memory, place, pixel.count);

  if (!args.idx_out) return;
  for (int i = lane; i < kWarpSize * args.max_points; i += kWarpSize) {
    const int other = i / args.max_points, k = i % args.max_points;
    const int count = __shfl_sync(kAllLanes, pixel.count, other);
    const Pixel at = pixel_at(place, other, pyramid);
    if (!at.inside) continue;
    int32_t* out = args.idx_out + (static_cast<int64_t>(at.y) * pyramid.width + at.x) * args.max_points;
    const int32_t point = static_cast<int32_t>(memory.hits[k * static_cast<int>(blockDim.x) + warp_column + other].point);
    out[k] = k < count ? point : -1;
  }
}

bool is_aligned(const void* pointer, size_t num_bytes) { return reinterpret_cast<uintptr_t>(pointer) % num_bytes == 0; }

template <typename T>
Status rasterise(const PictureArgs& args, const Context& context) {
  const Pyramid& pyramid = args.bins.pyramid;
  // At most 42 KB of shared memory: no device needs to be asked for more.
  const int num_threads = args.max_points <= 8 ? 256 : args.max_points <= 32 ? 128 : 64;
  const LaunchShape shape{static_cast<int64_t>(pyramid.first_tile[1]) * (kTilePixels / num_threads), num_threads,
                          tile_memory_bytes(num_threads, args.max_points)};
  const bool by_four =
      args.num_channels % 4 == 0 && is_aligned(args.feat, 4 * sizeof(T)) && is_aligned(args.feat_out, sizeof(float4));
  return by_four ? launch("splat_raster_kernel", splat_raster_kernel<T, 4>, shape, context, args)
                 : launch("splat_raster_kernel", splat_raster_kernel<T, 1>, shape, context, args);
}

// Without points there is nothing to launch.
Status clear_outputs(const SplatPointsArgs& args, const Context& context) {
  const size_t num_pixels =
      static_cast<size_t>(args.cameras[0].width) * args.cameras[0].height * static_cast<size_t>(args.num_cameras);
  const auto fill = [&](void* to, int byte, size_t num_values) {
    return to ? status_of(cudaMemsetAsync(to, byte, 4 * num_values, stream_of(context)), "splat_points") : Status{};
  };
  for (const Status& status : {fill(args.feat_out, 0, num_pixels * args.num_channels), fill(args.alpha_out, 0, num_pixels),
                               fill(args.disp_out, 0, num_pixels), fill(args.idx_out, 0xFF, num_pixels * args.max_points)})
    if (!status.ok()) return status;
  return {};
}

}  // namespace

Status splat_points_now(const SplatPointsArgs& args, const float* now, const Context& context) {
  Status status = check_on_device(args, context);
  if (!status.ok() || args.num_cameras == 0) return status;
  if (args.num_points == 0) return clear_outputs(args, context);

  const Camera& first = args.cameras[0];
  Bins bins{};
  status = make_pyramid(first.width, first.height, &bins.pyramid);
  if (status.ok()) status = allocate_bins(context.scratch, args.num_points, &bins);
  const int64_t num_pixels = static_cast<int64_t>(first.width) * first.height;
  for (int32_t view = 0; view < args.num_cameras && status.ok(); ++view) {
    status = fill_bins({bins, args.cameras[view], args.xyz, args.radius, args.radius_all, args.radius_unit,
                        static_cast<int32_t>(args.num_points), args.hidden ? args.hidden[2 * view] : 0,
                        args.hidden ? args.hidden[2 * view + 1] : 0, now},
                       context);
    if (!status.ok()) break;
    const int64_t pixel = view * num_pixels;
    const PictureArgs raster{bins,
                             args.feat,
                             args.opacity,
                             args.num_channels,
                             args.max_points,
                             args.compositor,
                             1.0f + args.depth_tolerance,
                             args.feat_out + pixel * args.num_channels,
                             args.alpha_out + pixel,
                             args.disp_out + pixel,
                             args.idx_out ? args.idx_out + pixel * args.max_points : nullptr};
    switch (args.feat_type) {
      case FeatType::kFloat32: status = rasterise<float>(raster, context); break;
      case FeatType::kFloat16: status = rasterise<Half>(raster, context); break;
      case FeatType::kBFloat16: status = rasterise<BFloat16>(raster, context); break;
    }
  }
  return status;
}

Status splat_points(const SplatPointsArgs& args, const Context& context) { return splat_points_now(args, nullptr, context); }

}  // namespace c3d::cuda
