// The common case of collecting hits, when discs are small and lists short: every point is handed to the pixels that it
// covers, where the walk of splat_hits.cuh lets every pixel look at every point. For discs of radius 1.5 px that is 9 tests a
// point in place of 77 a warp, and no list is sorted for the tile: a pixel sorts what it was handed, in registers.
#pragma once

#include "splat_hits.cuh"

namespace c3d::cuda {

constexpr int32_t kMaxHandedBox = 100;  // pixels of a disc's box; one of radius 5 px may still hand itself out

__device__ inline void order(Key& a, Key& b) {
  const Key least = a < b ? a : b, most = a < b ? b : a;
  a = least;
  b = most;
}

// Batcher's odd-even merge sort, ascending.
__device__ inline void sort_eight(Key (&k)[kMaxSorted]) {
  static_assert(kMaxSorted == 8, "");
  order(k[0], k[1]), order(k[2], k[3]), order(k[4], k[5]), order(k[6], k[7]);
  order(k[0], k[2]), order(k[1], k[3]), order(k[4], k[6]), order(k[5], k[7]);
  order(k[1], k[2]), order(k[5], k[6]);
  order(k[0], k[4]), order(k[1], k[5]), order(k[2], k[6]), order(k[3], k[7]);
  order(k[2], k[4]), order(k[3], k[5]);
  order(k[1], k[2]), order(k[3], k[4]), order(k[5], k[6]);
}

// The eight least of two ascending lists, ascending: the smaller of a rising and a falling one are bitonic.
__device__ inline void merge_eight(Key (&k)[kMaxSorted], const Key (&other)[kMaxSorted]) {
#pragma unroll
  for (int i = 0; i < kMaxSorted; ++i) k[i] = k[i] < other[kMaxSorted - 1 - i] ? k[i] : other[kMaxSorted - 1 - i];
#pragma unroll
  for (int distance = kMaxSorted / 2; distance > 0; distance /= 2)
#pragma unroll
    for (int i = 0; i < kMaxSorted; ++i)
      if ((i & distance) == 0) order(k[i], k[i + distance]);
}

// Thread = one entry of the tile's lists: its point goes to the pixels of the tile that it covers. Which place it takes there
// depends on who comes first, what a pixel makes of them does not. False, in all threads, where there is no room.
__device__ inline bool hand_out(const Bins& bins, const TilePlace& place, const TileMemory& memory) {
  const Pyramid& pyramid = bins.pyramid;
  memory.num_handed[threadIdx.x] = 0;
  __syncthreads();
  const int32_t x_end = min(place.x0 + kTileSide, pyramid.width) - 1, y_end = min(place.y0 + kTileSide, pyramid.height) - 1;
  bool has_room = true;
  uint32_t first = 0;  // place of the list's first entry among the keys
  for (int32_t level = 0; level < pyramid.num_levels; ++level) {
    const int32_t tile = pyramid.first_tile[level] + (place.tile_y >> level) * pyramid.num_x[level] + (place.tile_x >> level);
    const uint32_t num_entries = bins.count[tile];
    const uint32_t* entries = bins.entries + bins.start[tile];
    if (first + num_entries > kBatch) return false;
    for (uint32_t i = threadIdx.x; i < num_entries && has_room; i += blockDim.x) {
      const uint32_t point = entries[i], at = first + i;
      const float4 d = bins.discs[point];
      const PixelBox box = picture_box({d.x, d.y, d.z, d.w}, pyramid);
      const int32_t x0 = max(box.x0, place.x0), x1 = min(box.x1, x_end), y1 = min(box.y1, y_end);
      int32_t x = x0, y = max(box.y0, place.y0);
      if (x > x1 || y > y1) continue;
      has_room = (box.x1 - box.x0 + 1) * (box.y1 - box.y0 + 1) <= kMaxHandedBox;
      if (!has_room) break;
      memory.keys[at] = key_of(d.z, point);
      const float inv_r2 = inverse_square(d.w);
      while (y <= y1) {
        if (disc_q(centre_of(x) - d.x, centre_of(y) - d.y, inv_r2) < 1.0f) {
          const int32_t pixel = (y - place.y0) * kTileSide + x - place.x0;
          const uint32_t slot = atomicAdd(&memory.num_handed[pixel], 1u);
          if (slot < kHanded) memory.handed[slot * kTilePixels + pixel] = static_cast<uint16_t>(at);
        }
        const bool wraps = x == x1;
        x = wraps ? x0 : x + 1;
        y += wraps;
      }
    }
    first += num_entries;
  }
  __syncthreads();
  return !__syncthreads_or(!has_room || memory.num_handed[threadIdx.x] > kHanded);
}

// Thread = one pixel: the nearest of the points that it was handed become its hits.
__device__ inline void sort_handed(const Bins& bins, const TilePlace& place, const TileMemory& memory, int max_points,
                                   Pixel* pixel) {
  const int own = (pixel->y - place.y0) * kTileSide + pixel->x - place.x0;
  const int num = static_cast<int>(memory.num_handed[own]);
  const auto handed_keys = [&](int first, Key(&keys)[kMaxSorted]) {
#pragma unroll
    for (int i = 0; i < kMaxSorted; ++i)
      keys[i] = first + i < num ? memory.keys[memory.handed[(first + i) * kTilePixels + own]] : kFarthest;
    sort_eight(keys);
  };
  Key nearest[kMaxSorted];
  handed_keys(0, nearest);
  for (int first = kMaxSorted; __any_sync(kAllLanes, first < num); first += kMaxSorted) {
    Key others[kMaxSorted];
    handed_keys(first, others);
    merge_eight(nearest, others);
  }
  __syncthreads();  // hits take the place of what was handed out
  pixel->count = min(num, max_points);
  const float centre_x = centre_of(pixel->x), centre_y = centre_of(pixel->y);
#pragma unroll
  for (int k = 0; k < kMaxSorted; ++k) {
    if (k >= pixel->count) continue;
    const uint32_t point = static_cast<uint32_t>(nearest[k]);
    const float4 disc = bins.discs[point];
    const float q = disc_q(centre_x - disc.x, centre_y - disc.y, inverse_square(disc.w));
    memory.hits[k * kTilePixels + threadIdx.x] = {point, q};
  }
}

// Fills each pixel's hits, near to far.
__device__ inline void collect_hits(const Bins& bins, const TilePlace& place, const TileMemory& memory, int max_points,
                                    Pixel* pixel) {
  if (max_points <= kMaxSorted && hand_out(bins, place, memory)) {
    sort_handed(bins, place, memory, max_points, pixel);
  } else {
    walk_lists(bins, place, memory, max_points, pixel);
  }
}

}  // namespace c3d::cuda
