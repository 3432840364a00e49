// splat_points on CUDA: project and count -> reserve -> list the points of each tile -> per tile: collect each pixel's nearest
// hits, composite. A launch serves all views through one camera, and several cameras where points are few.
//
// Everything is queued on one stream with sizes known beforehand: no kernel waits for the host, so that a call can be captured
// in a CUDA graph. Compiled with -fmad=false, so that depths and distances are those of a CPU twin whose products are not
// contracted either; where they are, the two may decide differently at a disc's very rim.
#include <algorithm>
#include <cstring>

#include "../checks.h"
#include "now.cuh"
#include "splat_composite.cuh"

namespace c3d::cuda {
namespace {

// What becomes of a pixel's hits. Thread = one pixel while they are weighed. Then the warp turns: it sums its 32 pixels'
// features with several lanes a pixel, because a thread that reads its own pixel's rows touches 32 cache lines a load, a group
// reads consecutive bytes. Hits stay in shared memory between the two; features are read once per hit, mostly from L1 and L2
// (a tile's pixels share about 7 times as many hits as it has points).
template <typename T, int kVec>
__device__ void draw_hits(const PictureArgs& args, const TileLists& lists, const TilePlace& place, const TileMemory& memory,
                          const Pixel& pixel) {
  const Pyramid& pyramid = args.bins.pyramid;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int column = static_cast<int>(threadIdx.x), warp_column = column - lane;
  const Totals totals = args.compositor == Compositor::kAlpha
                            ? alpha_weights(memory, lists, args.opacity, column, pixel.count)
                            : surface_weights(memory, lists, args.opacity, column, pixel.count, args.reach);
  if (pixel.inside) {
    const int64_t i = number_of(pixel, place, pyramid);
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
    int32_t* out = args.idx_out + number_of(at, place, pyramid) * args.max_points;
    out[k] = k < count ? static_cast<int32_t>(memory.hits[k * static_cast<int>(blockDim.x) + warp_column + other].point) : -1;
  }
}

// Up to eight hits a pixel. Block = one tile of 16x16 pixels; thread = one pixel. Four blocks a multiprocessor leave 64
// registers a thread, enough to keep four hits' loads in flight without spilling, and about 100 KB of L1 on an H100 for the
// features that neighbouring pixels share.
template <typename T, int kVec>
__global__ void __launch_bounds__(kTilePixels, 4) splat_raster_kernel(PictureArgs args) {
  const Pyramid& pyramid = args.bins.pyramid;
  const TilePlace place = tile_place(pyramid, blockIdx.y, blockIdx.x);
  const TileLists lists(args.bins, args.views[blockIdx.y]);
  const TileMemory memory = tile_memory(kSorted);
  Pixel pixel = pixel_at(place, static_cast<int>(threadIdx.x) % kWarpSize, pyramid);
  if (hand_out<kTilePixels>(pyramid, lists, place, memory)) {
    sort_nearest<kTilePixels>(lists, place, memory, args.max_points, &pixel);
  } else {
    walk_lists(pyramid, lists, place, memory, args.max_points, &pixel);
  }
  draw_hits<T, kVec>(args, lists, place, memory, pixel);
}

// Of so many blocks of 43 KB a multiprocessor has room in its shared memory, at least; registers are shared out for them.
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ == 900 || __CUDA_ARCH__ == 1000)
constexpr int kHalvesAtOnce = 5;
#else
constexpr int kHalvesAtOnce = 2;
#endif
constexpr int kHalfPixels = kTilePixels / 2;

// More hits a pixel. Block = a half of a tile, whose pixels take all that they are handed; or else it is left to the walk,
// whose memory is for max_points hits, where most pixels have few.
template <typename T, int kVec>
__global__ void __launch_bounds__(kHalfPixels, kHalvesAtOnce) splat_handed_kernel(PictureArgs args) {
  const Pyramid& pyramid = args.bins.pyramid;
  const TilePlace place = tile_place(pyramid, blockIdx.y, blockIdx.x);
  const TileLists lists(args.bins, args.views[blockIdx.y]);
  const TileMemory memory = tile_memory(kMaxHanded);
  if (!hand_out<kHalfPixels>(pyramid, lists, place, memory)) {
    if (threadIdx.x == 0) args.left[atomicAdd(args.bins.num_left, 1u)] = make_uint2(blockIdx.x, blockIdx.y);
    return;
  }
  Pixel pixel = pixel_at(place, static_cast<int>(threadIdx.x) % kWarpSize, pyramid);
  sort_handed<kHalfPixels>(lists, place, memory, args.max_points, &pixel);
  draw_hits<T, kVec>(args, lists, place, memory, pixel);
}

// Block = a half or a quarter of a tile out of those that were left, several in turn: how many there are is known on the
// device alone. Nothing that a warp reads while it draws is written before all have come to the walk's first barrier.
template <typename T, int kVec>
__global__ void __launch_bounds__(kHalfPixels, kHalvesAtOnce) splat_walk_kernel(PictureArgs args) {
  const Pyramid& pyramid = args.bins.pyramid;
  const uint32_t parts = kHalfPixels / blockDim.x;  // of a half
  const uint64_t num_parts = uint64_t{*args.bins.num_left} * parts;
  for (uint64_t i = blockIdx.x; i < num_parts; i += gridDim.x) {
    const uint2 half = args.left[i / parts];
    const TilePlace place = tile_place(pyramid, half.y, half.x * parts + static_cast<uint32_t>(i % parts));
    const TileLists lists(args.bins, args.views[half.y]);
    const TileMemory memory = tile_memory(args.max_points);
    Pixel pixel = pixel_at(place, static_cast<int>(threadIdx.x) % kWarpSize, pyramid);
    walk_lists(pyramid, lists, place, memory, args.max_points, &pixel);
    draw_hits<T, kVec>(args, lists, place, memory, pixel);
  }
}

constexpr int64_t kWalkBlocks = 1024;  // more than any device runs at once

template <typename T, int kVec>
Status rasterise(const PictureArgs& args, int num_views, const Context& context) {
  // At most 43 KB of shared memory: no device needs to be asked for more.
  const int64_t num_tiles = args.bins.pyramid.first_tile[1];
  if (args.max_points <= kSorted)
    return launch("splat_raster_kernel", splat_raster_kernel<T, kVec>,
                  {num_tiles, kTilePixels, tile_memory_bytes(kTilePixels, kSorted), num_views}, context, args);
  const Status status =
      launch("splat_handed_kernel", splat_handed_kernel<T, kVec>,
             {2 * num_tiles, kHalfPixels, tile_memory_bytes(kHalfPixels, kMaxHanded), num_views}, context, args);
  if (!status.ok()) return status;
  const int num_threads = args.max_points <= 32 ? kHalfPixels : kHalfPixels / 2;
  const int64_t num_parts = num_tiles * (kTilePixels / num_threads) * num_views;
  return launch("splat_walk_kernel", splat_walk_kernel<T, kVec>,
                {std::min(num_parts, kWalkBlocks), num_threads, tile_memory_bytes(num_threads, args.max_points)}, context,
                args);
}

bool is_aligned(const void* pointer, size_t num_bytes) { return reinterpret_cast<uintptr_t>(pointer) % num_bytes == 0; }

template <typename T>
Status rasterise(const PictureArgs& args, int num_views, const Context& context) {
  const bool by_four =
      args.num_channels % 4 == 0 && is_aligned(args.feat, 4 * sizeof(T)) && is_aligned(args.feat_out, sizeof(float4));
  return by_four ? rasterise<T, 4>(args, num_views, context) : rasterise<T, 1>(args, num_views, context);
}

Status rasterise(FeatType type, const PictureArgs& args, int num_views, const Context& context) {
  switch (type) {
    case FeatType::kFloat32: return rasterise<float>(args, num_views, context);
    case FeatType::kFloat16: return rasterise<Half>(args, num_views, context);
    case FeatType::kBFloat16: return rasterise<BFloat16>(args, num_views, context);
  }
  return {};
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

View view_of(const SplatPointsArgs& args, int32_t view, int camera) {
  const int64_t none[] = {0, 0}, *hidden = args.hidden ? args.hidden + 2 * view : none;
  return {static_cast<uint32_t>(camera), static_cast<uint32_t>(hidden[0]), static_cast<uint32_t>(hidden[1] - hidden[0])};
}

}  // namespace

Status splat_points_now(const SplatPointsArgs& args, const float* now, const Context& context) {
  Status status = check_on_device(args, context);
  if (!status.ok() || args.num_cameras == 0) return status;
  if (args.num_points == 0) return clear_outputs(args, context);

  const Camera& first = args.cameras[0];
  BinArgs bin{};
  bin.xyz = args.xyz, bin.radius = args.radius, bin.radius_all = args.radius_all, bin.radius_unit = args.radius_unit;
  bin.now = now;
  status = make_pyramid(first.width, first.height, &bin.bins.pyramid);
  if (!status.ok()) return status;
  const int at_once = cameras_at_once(args, bin.bins.pyramid);
  status = allocate_bins(context.scratch, static_cast<int32_t>(args.num_points), at_once, &bin.bins);
  PictureArgs picture{};
  if (args.max_points > kSorted && status.ok()) {
    const int64_t num_parts = int64_t{2} * std::min(args.num_cameras, kMaxViews) * bin.bins.pyramid.first_tile[1];
    picture.left = allocate<uint2>(context.scratch, num_parts);
    if (!picture.left) status = {StatusCode::kOutOfMemory, "splat_points: out of memory for working buffers"};
  }
  picture.bins = bin.bins, picture.feat = args.feat, picture.opacity = args.opacity, picture.num_channels = args.num_channels;
  picture.max_points = args.max_points, picture.compositor = args.compositor, picture.reach = 1.0f + args.depth_tolerance;

  const int64_t num_pixels = static_cast<int64_t>(first.width) * first.height;
  for (int32_t view = 0, num_views; view < args.num_cameras && status.ok(); view += num_views) {
    int num_cameras = 0;
    for (num_views = 0; num_views < std::min(args.num_cameras - view, kMaxViews); ++num_views) {
      const Camera& camera = args.cameras[view + num_views];
      const bool is_new = num_cameras == 0 || std::memcmp(&camera, &bin.cameras[num_cameras - 1], sizeof camera) != 0;
      if (is_new && num_cameras == at_once) break;
      if (is_new) bin.cameras[num_cameras++] = camera;
      picture.views[num_views] = view_of(args, view + num_views, num_cameras - 1);
    }
    const int64_t pixel = view * num_pixels;
    picture.feat_out = args.feat_out + pixel * args.num_channels;
    picture.alpha_out = args.alpha_out + pixel;
    picture.disp_out = args.disp_out + pixel;
    picture.idx_out = args.idx_out ? args.idx_out + pixel * args.max_points : nullptr;
    status = fill_bins(bin, num_cameras, context);
    if (status.ok()) status = rasterise(args.feat_type, picture, num_views, context);
  }
  return status;
}

Status splat_points(const SplatPointsArgs& args, const Context& context) { return splat_points_now(args, nullptr, context); }

}  // namespace c3d::cuda
