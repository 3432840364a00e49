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
__device__ inline void sort_eight(Key (&k)[kSorted]) {
  static_assert(kSorted == 8, "");
  order(k[0], k[1]), order(k[2], k[3]), order(k[4], k[5]), order(k[6], k[7]);
  order(k[0], k[2]), order(k[1], k[3]), order(k[4], k[6]), order(k[5], k[7]);
  order(k[1], k[2]), order(k[5], k[6]);
  order(k[0], k[4]), order(k[1], k[5]), order(k[2], k[6]), order(k[3], k[7]);
  order(k[2], k[4]), order(k[3], k[5]);
  order(k[1], k[2]), order(k[3], k[4]), order(k[5], k[6]);
}

// A bitonic list (one that rises and then falls, turned round or not) becomes ascending.
__device__ inline void settle(Key (&k)[kSorted]) {
#pragma unroll
  for (int distance = kSorted / 2; distance > 0; distance /= 2)
#pragma unroll
    for (int i = 0; i < kSorted; ++i)
      if ((i & distance) == 0) order(k[i], k[i + distance]);
}

// The same for a list of which each holds one half.
__device__ inline void settle(Key (&low)[kSorted], Key (&high)[kSorted]) {
#pragma unroll
  for (int i = 0; i < kSorted; ++i) order(low[i], high[i]);
  settle(low);
  settle(high);
}

// The eight least of two ascending lists, ascending: the smaller of a rising and a falling one are bitonic.
__device__ inline void merge_eight(Key (&k)[kSorted], const Key (&other)[kSorted]) {
#pragma unroll
  for (int i = 0; i < kSorted; ++i) k[i] = k[i] < other[kSorted - 1 - i] ? k[i] : other[kSorted - 1 - i];
  settle(k);
}

// Two ascending lists become one: the least eight in `low`, the others in `high`.
__device__ inline void join(Key (&low)[kSorted], Key (&high)[kSorted]) {
#pragma unroll
  for (int i = 0; i < kSorted; ++i) order(low[i], high[kSorted - 1 - i]);
  settle(low);
  settle(high);
}

// A point and the pixels of the block that its disc may cover.
struct Handout {
  float4 disc;
  int32_t x0, x1, y0, y1;
  bool is_small;

  __device__ bool touches() const { return x0 <= x1 && y0 <= y1; }
};

template <int kThreads>
__device__ inline Handout handout_of(const float4& disc, const TilePlace& place, const Pyramid& pyramid) {
  const PixelBox box = picture_box({disc.x, disc.y, disc.z, disc.w}, pyramid);
  return {disc,
          max(box.x0, place.x0),
          min(box.x1, min(place.x0 + kTileSide, pyramid.width) - 1),
          max(box.y0, place.y0),
          min(box.y1, min(place.y0 + kThreads / kTileSide, pyramid.height) - 1),
          (box.x1 - box.x0 + 1) * (box.y1 - box.y0 + 1) <= kMaxHandedBox};
}

// `at`: the point's place among the keys. Which slot it takes at a pixel depends on who comes first, what the pixel makes of
// them does not.
template <int kThreads>
__device__ inline void hand(const Handout& out, uint32_t at, uint32_t point, const TilePlace& place,
                            const TileMemory& memory) {
  memory.keys[at] = key_of(out.disc.z, point);
  const float inv_r2 = inverse_square(out.disc.w);
  int32_t x = out.x0, y = out.y0;
  while (y <= out.y1) {
    if (disc_q(centre_of(x) - out.disc.x, centre_of(y) - out.disc.y, inv_r2) < 1.0f) {
      const int32_t pixel = (y - place.y0) * kTileSide + x - place.x0;
      const uint32_t slot = atomicAdd(&memory.num_handed[pixel], 1u);
      if (slot < kMaxHanded) memory.handed[slot * kThreads + pixel] = static_cast<uint16_t>(at);
    }
    const bool wraps = x == out.x1;
    x = wraps ? out.x0 : x + 1;
    y += wraps;
  }
}

// Thread = one entry of the tile's lists: its point goes to the pixels of the block that it covers. False, in all threads,
// where there is no room. A whole tile's points stay in their places; to a part of one, of whose tile's points many lie
// elsewhere, those come that touch it.
template <int kThreads>
__device__ inline bool hand_out(const Pyramid& pyramid, const TileLists& lists, const TilePlace& place,
                                const TileMemory& memory) {
  memory.num_handed[threadIdx.x] = 0;
  if (threadIdx.x == 0) *memory.place = 0;
  __syncthreads();
  bool has_room = true;
  uint32_t first = 0;  // place of the list's first entry among the keys
  for (int32_t level = 0; level < pyramid.num_levels; ++level) {
    const int32_t tile = pyramid.first_tile[level] + (place.tile_y >> level) * pyramid.num_x[level] + (place.tile_x >> level);
    const uint32_t num_entries = lists.count(tile);
    const uint32_t* entries = lists.entries(tile);
    if (kThreads == kTilePixels) {
      if (first + num_entries > kBatch) return false;
      for (uint32_t i = threadIdx.x; i < num_entries && has_room; i += kThreads) {
        const Handout out = handout_of<kThreads>(lists.disc(entries[i]), place, pyramid);
        if (!out.touches() || !lists.shows(entries[i])) continue;
        has_room = out.is_small;
        if (has_room) hand<kThreads>(out, first + i, entries[i], place, memory);
      }
      first += num_entries;
    } else {
      for (uint32_t base = 0; base < num_entries && has_room; base += kThreads) {
        const uint32_t i = base + threadIdx.x, point = i < num_entries ? entries[i] : 0;
        const Handout out = handout_of<kThreads>(lists.disc(point), place, pyramid);
        const bool takes = i < num_entries && out.touches() && lists.shows(point);
        const uint32_t at = take_place(memory, takes);
        has_room = __all_sync(kAllLanes, !takes || (out.is_small && at < kBatch));
        if (takes && has_room) hand<kThreads>(out, at, point, place, memory);
      }
    }
  }
  __syncthreads();
  return !__syncthreads_or(!has_room || memory.num_handed[threadIdx.x] > kMaxHanded);
}

// What one pixel was handed.
template <int kThreads>
struct Handed {
  const TileMemory& memory;
  int pixel;  // row by row
  int count;

  __device__ Handed(const TileMemory& in, const TilePlace& place, const Pixel& at)
      : memory(in), pixel((at.y - place.y0) * kTileSide + at.x - place.x0), count(static_cast<int>(in.num_handed[pixel])) {}

  // Eight of them from `first` on, ascending; past the last one there is kFarthest.
  __device__ void read(int first, Key (&keys)[kSorted]) const {
#pragma unroll
    for (int i = 0; i < kSorted; ++i)
      keys[i] = first + i < count ? memory.keys[memory.handed[(first + i) * kThreads + pixel]] : kFarthest;
    sort_eight(keys);
  }
};

// The keys become the pixel's hits from `first` on.
template <int kThreads>
__device__ inline void put_hits(const TileLists& lists, const TileMemory& memory, const Pixel& pixel, int first,
                                const Key (&keys)[kSorted]) {
  const float centre_x = centre_of(pixel.x), centre_y = centre_of(pixel.y);
#pragma unroll
  for (int k = 0; k < kSorted; ++k) {
    if (first + k >= pixel.count) continue;
    const uint32_t point = static_cast<uint32_t>(keys[k]);
    const float4 disc = lists.disc(point);
    const float q = disc_q(centre_x - disc.x, centre_y - disc.y, inverse_square(disc.w));
    memory.hits[(first + k) * kThreads + threadIdx.x] = {point, q};
  }
}

// Thread = one pixel: the nearest of the points that it was handed become its hits, at most kSorted.
template <int kThreads>
__device__ inline void sort_nearest(const TileLists& lists, const TilePlace& place, const TileMemory& memory, int max_points,
                                    Pixel* pixel) {
  const Handed<kThreads> handed(memory, place, *pixel);
  Key nearest[kSorted];
  handed.read(0, nearest);
  for (int first = kSorted; __any_sync(kAllLanes, first < handed.count); first += kSorted) {
    Key others[kSorted];
    handed.read(first, others);
    merge_eight(nearest, others);
  }
  __syncthreads();  // hits take the place of what was handed out
  pixel->count = min(handed.count, max_points);
  put_hits<kThreads>(lists, memory, *pixel, 0, nearest);
}

// The same for any number of hits, kMaxHanded at most. Registers hold sixteen keys: where a pixel of the warp has more, its
// first sixteen, in order, wait where the hits go, which what was handed out leaves free, until the others are in order.
template <int kThreads>
__device__ inline void sort_handed(const TileLists& lists, const TilePlace& place, const TileMemory& memory, int max_points,
                                   Pixel* pixel) {
  static_assert(kMaxHanded == 4 * kSorted, "");
  const Handed<kThreads> handed(memory, place, *pixel);
  pixel->count = min(handed.count, max_points);
  Key* waiting = reinterpret_cast<Key*>(memory.hits) + threadIdx.x;  // [16, threads]
  Key low[kSorted], high[kSorted];
  handed.read(0, low);
  if (__any_sync(kAllLanes, handed.count > kSorted)) {
    handed.read(kSorted, high);
    join(low, high);
  }
  const bool has_more = __any_sync(kAllLanes, handed.count > 2 * kSorted);
  if (has_more) {
#pragma unroll
    for (int i = 0; i < kSorted; ++i) {
      waiting[i * kThreads] = low[i];
      waiting[(kSorted + i) * kThreads] = high[i];
    }
    handed.read(2 * kSorted, low);
    handed.read(3 * kSorted, high);
    join(low, high);
  } else {
    put_hits<kThreads>(lists, memory, *pixel, 0, low);
    put_hits<kThreads>(lists, memory, *pixel, kSorted, high);
  }
  __syncthreads();  // the last hits take the place of what was handed out
  if (!has_more) return;
    // The one that rises meets the other, which falls: the smaller ones and the larger ones are bitonic, both.
#pragma unroll
  for (int i = 0; i < kSorted; ++i) {
    order(waiting[i * kThreads], high[kSorted - 1 - i]);
    order(waiting[(kSorted + i) * kThreads], low[kSorted - 1 - i]);
  }
  settle(low, high);
  put_hits<kThreads>(lists, memory, *pixel, 2 * kSorted, low);
  put_hits<kThreads>(lists, memory, *pixel, 3 * kSorted, high);
#pragma unroll
  for (int i = 0; i < kSorted; ++i) {
    low[i] = waiting[i * kThreads];
    high[i] = waiting[(kSorted + i) * kThreads];
  }
  settle(low, high);
  put_hits<kThreads>(lists, memory, *pixel, 0, low);
  put_hits<kThreads>(lists, memory, *pixel, kSorted, high);
}

}  // namespace c3d::cuda
