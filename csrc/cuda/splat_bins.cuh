// Which points touch which tile. A pyramid of tiles: level 0 has 16x16 pixels, every level doubles the side, the last is one
// tile. A disc is listed on the first level where it touches at most 2x2 tiles, so there are never more than 4 entries a
// point: memory is known without asking the device, no list can overflow and no point is dropped, whatever the radii. A pixel
// meets its points in the lists of its own tile and of the tiles above it, which are empty unless discs are wider than 16 px.
//
// Lists are filled with integer atomics and have no order. That is harmless: keys (z, point index) are unique, and what reads
// the lists depends on keys alone.
//
// Several cameras share launches, each with lists of its own: blockIdx.y is the camera. Views through one camera share its
// lists and pass over the points that they do not see.
#pragma once

#include <algorithm>

#include "c3d/formulas.h"
#include "launch.cuh"

namespace c3d::cuda {

constexpr int kTileShift = 4;
constexpr int kTileSide = 1 << kTileShift;  // px
constexpr int kTilePixels = kTileSide * kTileSide;
constexpr int kMaxLevels = 20;         // 16 << 19 = kMaxSide
constexpr int kMaxTilesPerPoint = 4;
constexpr int kMaxViews = 16;          // of a launch: what is known of them travels with a kernel's arguments

struct Pyramid {
  int32_t width, height;               // px
  int32_t num_levels;
  int32_t num_x[kMaxLevels];           // tiles in a row of each level
  int32_t first_tile[kMaxLevels + 1];  // number of each level's first tile; past the last level: of all tiles
};

struct Bins {
  Pyramid pyramid;
  int32_t num_points;         // N
  int32_t num_cameras;        // that there is room for
  float4* discs;              // [cameras, N] u, v, z, radius_px; radius_px = 0: skipped
  uint32_t* entries;          // [cameras * N * kMaxTilesPerPoint] point indices, tile by tile
  unsigned long long* start;  // [cameras, tiles] of each tile's list in entries
  uint32_t* count;            // [cameras, tiles] entries of each list
  uint32_t* filled;           // [cameras, tiles] entries written so far
  unsigned long long* used;   // [1] entries given away so far
  uint32_t* num_left;         // [1] 0, for who draws the picture to count with
};

struct View {
  uint32_t camera;                    // its number in Bins
  uint32_t hidden_first, num_hidden;  // points that it does not see
};

struct BinArgs {
  Bins bins;
  Camera cameras[kMaxViews];
  const float* xyz;     // [N, 3]
  const float* radius;  // [N], or nullptr: radius_all
  float radius_all;
  RadiusUnit radius_unit;
  const float* now;  // whose lens and pose stand for the cameras'; nullptr: none
};

C3D_HD inline int32_t num_tiles_of(const Pyramid& pyramid) { return pyramid.first_tile[pyramid.num_levels]; }

// A view's lists, to be read. Numbers, not pointers: they take one register each where four pointers would take eight.
struct TileLists {
  const Bins& bins;
  const View& view;
  uint32_t first_disc, first_tile;  // cameras_at_once leaves both below 2^32

  __device__ TileLists(const Bins& of, const View& by)
      : bins(of),
        view(by),
        first_disc(by.camera * static_cast<uint32_t>(of.num_points)),
        first_tile(by.camera * static_cast<uint32_t>(num_tiles_of(of.pyramid))) {}

  __device__ bool shows(uint32_t point) const { return point - view.hidden_first >= view.num_hidden; }
  __device__ float4 disc(uint32_t point) const { return bins.discs[first_disc + point]; }
  __device__ float z(uint32_t point) const { return bins.discs[first_disc + point].z; }
  __device__ uint32_t count(int32_t tile) const { return bins.count[first_tile + tile]; }
  __device__ const uint32_t* entries(int32_t tile) const { return bins.entries + bins.start[first_tile + tile]; }
};

struct TouchedTiles {
  int32_t level, x0, y0;  // the first tile
  int32_t num_x, num_y;   // 0, 1 or 2
};

__device__ inline PixelBox picture_box(const Disc& disc, const Pyramid& pyramid) {
  return pixel_box(disc, 0.0f, static_cast<float>(pyramid.width - 1), 0.0f, static_cast<float>(pyramid.height - 1));
}

__device__ inline TouchedTiles touched_tiles(const Disc& disc, const Pyramid& pyramid) {
  const PixelBox box = picture_box(disc, pyramid);
  if (box.x1 < box.x0) return {0, 0, 0, 0, 0};
  int shift = kTileShift;
  while ((box.x1 >> shift) - (box.x0 >> shift) > 1 || (box.y1 >> shift) - (box.y0 >> shift) > 1) ++shift;
  return {shift - kTileShift, box.x0 >> shift, box.y0 >> shift, (box.x1 >> shift) - (box.x0 >> shift) + 1,
          (box.y1 >> shift) - (box.y0 >> shift) + 1};
}

// The k-th (0..3) touched tile, -1 when there are fewer.
__device__ inline int32_t touched_tile(const TouchedTiles& touched, int k, const Pyramid& pyramid) {
  const int32_t dx = k & 1, dy = k >> 1;
  if (dx >= touched.num_x || dy >= touched.num_y) return -1;
  return pyramid.first_tile[touched.level] + (touched.y0 + dy) * pyramid.num_x[touched.level] + touched.x0 + dx;
}

// Counts a lane's tile (-1: none) and returns how many were counted there before. Neighbours in the point array are neighbours
// in the picture: lanes with the same tile share one atomic. The whole warp must call.
__device__ inline uint32_t count_at(uint32_t* counters, int32_t tile) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const unsigned peers = __match_any_sync(kAllLanes, tile);
  const int leader = __ffs(static_cast<int>(peers)) - 1;
  uint32_t before = 0;
  if (lane == leader && tile >= 0) before = atomicAdd(&counters[tile], static_cast<uint32_t>(__popc(peers)));
  before = __shfl_sync(kAllLanes, before, leader);
  return before + static_cast<uint32_t>(__popc(peers & ((1u << lane) - 1u)));
}

// Thread = one point: consecutive threads read consecutive positions and write 16 bytes each, so every byte moved is used
// (12 in, 16 out). Threads beyond the last point stay for the votes.
static __global__ void __launch_bounds__(256) splat_project_kernel(BinArgs args) {
  const Bins& bins = args.bins;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  Disc disc{0.0f, 0.0f, 0.0f, 0.0f};
  if (i < bins.num_points) {
    const Camera& given = args.cameras[blockIdx.y];
    const Camera camera = args.now ? camera_of(args.now, given) : given;
    const float radius = args.radius ? args.radius[i] : args.radius_all;
    disc = project_disc(camera, args.xyz[3 * i], args.xyz[3 * i + 1], args.xyz[3 * i + 2], radius, args.radius_unit);
    bins.discs[static_cast<int64_t>(blockIdx.y) * bins.num_points + i] = make_float4(disc.u, disc.v, disc.z, disc.radius_px);
  }
  const TouchedTiles touched = touched_tiles(disc, bins.pyramid);
  uint32_t* count = bins.count + static_cast<int64_t>(blockIdx.y) * num_tiles_of(bins.pyramid);
  for (int k = 0; k < kMaxTilesPerPoint; ++k) {
    const int32_t tile = touched_tile(touched, k, bins.pyramid);
    if (__any_sync(kAllLanes, tile >= 0)) count_at(count, tile);
  }
}

// Thread = one tile of one camera, which takes a stretch of `entries` as long as its list; a warp asks once for all its lanes.
// Where a list lies depends on who asks first, what it holds does not.
static __global__ void __launch_bounds__(256) splat_reserve_kernel(Bins bins) {
  const int64_t in_view = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const bool exists = in_view < num_tiles_of(bins.pyramid);
  const int64_t tile = static_cast<int64_t>(blockIdx.y) * num_tiles_of(bins.pyramid) + in_view;
  const unsigned long long count = exists ? bins.count[tile] : 0;
  unsigned long long end = count;
  for (int distance = 1; distance < kWarpSize; distance *= 2) {
    const unsigned long long below = __shfl_up_sync(kAllLanes, end, distance);
    if (lane >= distance) end += below;
  }
  unsigned long long first = 0;
  if (lane == kWarpSize - 1) first = atomicAdd(bins.used, end);
  first = __shfl_sync(kAllLanes, first, kWarpSize - 1);
  if (exists) bins.start[tile] = first + end - count;
}

// Thread = one point, as in splat_project_kernel; it writes its index once per touched tile. Lanes of one tile write next to
// each other.
static __global__ void __launch_bounds__(256) splat_fill_kernel(BinArgs args) {
  const Bins& bins = args.bins;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  Disc disc{0.0f, 0.0f, 0.0f, 0.0f};
  if (i < bins.num_points) {
    const float4 d = bins.discs[static_cast<int64_t>(blockIdx.y) * bins.num_points + i];
    disc = {d.x, d.y, d.z, d.w};
  }
  const TouchedTiles touched = touched_tiles(disc, bins.pyramid);
  const int64_t first_tile = static_cast<int64_t>(blockIdx.y) * num_tiles_of(bins.pyramid);
  for (int k = 0; k < kMaxTilesPerPoint; ++k) {
    const int32_t tile = touched_tile(touched, k, bins.pyramid);
    if (!__any_sync(kAllLanes, tile >= 0)) continue;
    const uint32_t place = count_at(bins.filled + first_tile, tile);
    if (tile >= 0) bins.entries[bins.start[first_tile + tile] + place] = static_cast<uint32_t>(i);
  }
}

inline Status make_pyramid(int32_t width, int32_t height, Pyramid* pyramid) {
  *pyramid = {};
  pyramid->width = width;
  pyramid->height = height;
  int64_t num_tiles = 0, num_x = 0, num_y = 0;
  do {
    const int64_t side = int64_t{kTileSide} << pyramid->num_levels;
    num_x = (width + side - 1) / side;
    num_y = (height + side - 1) / side;
    if (num_tiles + num_x * num_y > INT32_MAX)
      return {StatusCode::kInvalidArgument, "splat_points: camera width x height must be < 2^38"};
    pyramid->num_x[pyramid->num_levels] = static_cast<int32_t>(num_x);
    num_tiles += num_x * num_y;
    pyramid->first_tile[++pyramid->num_levels] = static_cast<int32_t>(num_tiles);
  } while (num_x * num_y > 1);
  return {};
}

// How many cameras share launches: as many as leave what is binned in a cache of the second level (50 MB on an H100). One with
// more points than that keeps a device busy alone, and the next uses the same memory again while it is in there.
inline int cameras_at_once(const SplatPointsArgs& args, const Pyramid& pyramid) {
  constexpr int64_t kBytesAtOnce = int64_t{32} << 20;
  constexpr int64_t kPointBytes = sizeof(float4) + kMaxTilesPerPoint * sizeof(uint32_t);
  constexpr int64_t kTileBytes = sizeof(unsigned long long) + 2 * sizeof(uint32_t);
  const int64_t fit = kBytesAtOnce / (kPointBytes * args.num_points + kTileBytes * num_tiles_of(pyramid));
  return static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(fit, std::min(args.num_cameras, kMaxViews))));
}

// Working memory for num_cameras cameras; the next ones follow on the same stream and may use it again.
inline Status allocate_bins(const Scratch& scratch, int32_t num_points, int num_cameras, Bins* bins) {
  const int64_t num_lists = int64_t{num_cameras} * num_tiles_of(bins->pyramid), num_discs = int64_t{num_cameras} * num_points;
  bins->num_points = num_points;
  bins->num_cameras = num_cameras;
  bins->discs = allocate<float4>(scratch, num_discs);
  bins->entries = allocate<uint32_t>(scratch, kMaxTilesPerPoint * num_discs);
  bins->start = allocate<unsigned long long>(scratch, num_lists);
  bins->used = allocate<unsigned long long>(scratch, 2 + num_lists);
  if (!bins->discs || !bins->entries || !bins->start || !bins->used)
    return {StatusCode::kOutOfMemory, "splat_points: out of memory for working buffers"};
  bins->num_left = reinterpret_cast<uint32_t*>(bins->used + 1);  // one after the other: all are cleared at once
  bins->count = bins->num_left + 2;
  bins->filled = bins->count + num_lists;
  return {};
}

inline Status fill_bins(const BinArgs& args, int num_cameras, const Context& context) {
  const Bins& bins = args.bins;
  const int64_t num_tiles = num_tiles_of(bins.pyramid);
  const LaunchShape points = thread_per_item(bins.num_points, 256, num_cameras);
  Status status =
      status_of(cudaMemsetAsync(bins.used, 0, (2 + bins.num_cameras * num_tiles) * sizeof *bins.used, stream_of(context)),
                "splat_points");
  if (status.ok()) status = C3D_LAUNCH(splat_project_kernel, points, context, args);
  if (status.ok()) status = C3D_LAUNCH(splat_reserve_kernel, thread_per_item(num_tiles, 256, num_cameras), context, bins);
  if (status.ok()) status = C3D_LAUNCH(splat_fill_kernel, points, context, args);
  return status;
}

}  // namespace c3d::cuda
