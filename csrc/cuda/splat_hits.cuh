// Each pixel's nearest hits, in the order of their keys (z, point index).
//
// A pixel's list comes out the same in whatever order points are offered: a key that belongs before others is put there. Near
// to far is merely the fast order, in which every hit is appended and a full list ends the walk.
#pragma once

#include "splat_bins.cuh"

namespace c3d::cuda {

using Key = unsigned long long;  // z bits << 32 | point index: positive floats order like their bits
constexpr Key kFarthest = ~Key{0};
constexpr uint32_t kBatch = 1024;  // keys sorted at a time; a tile of 16x16 pixels meets about 500 in a common picture

__device__ inline Key key_of(float z, uint32_t point) { return static_cast<Key>(__float_as_uint(z)) << 32 | point; }

struct alignas(8) Hit {  // one access of shared memory reads both
  uint32_t point;  // index
  float q;         // d^2 / r^2, later the weight
};

// The block's shared memory. While points are handed out (splat_handing.cuh), `handed` takes the place of the last eight of
// `hits`, and `num_handed` that of `stage`.
struct TileMemory {
  float4* stage;    // [threads] u, v, radius_px, 1 / radius_px^2 of the points at hand
  Key* keys;        // [kBatch]
  Key* limit;       // [1]
  uint32_t* place;  // [1] keys taken so far
  Hit* hits;        // [K, threads] of each pixel
  uint32_t* num_handed;  // [threads] points handed to each pixel, row by row
  uint16_t* handed;      // [kMaxHanded, threads] their places among the keys
};

constexpr int kSorted = 8;  // hits that a pixel sorts in registers at a time
constexpr int kMaxHanded = kSorted * sizeof(Hit) / sizeof(uint16_t);  // as many as fit into the place of so many hits: 32

inline size_t tile_memory_bytes(int num_threads, int num_hits) {
  return num_threads * sizeof(float4) + (kBatch + 2) * sizeof(Key) + num_hits * num_threads * sizeof(Hit);
}

// num_hits: K, at least kSorted where points are handed out.
__device__ inline TileMemory tile_memory(int num_hits) {
  TileMemory memory;
  memory.stage = dynamic_shared<float4>();
  memory.keys = reinterpret_cast<Key*>(memory.stage + blockDim.x);
  memory.limit = memory.keys + kBatch;
  memory.place = reinterpret_cast<uint32_t*>(memory.limit + 1);
  memory.hits = reinterpret_cast<Hit*>(memory.place + 2);
  memory.num_handed = reinterpret_cast<uint32_t*>(memory.stage);
  memory.handed = reinterpret_cast<uint16_t*>(memory.hits + (num_hits - kSorted) * static_cast<int>(blockDim.x));
  return memory;
}

// A thread's pixel. A block holds 16 columns; a warp 8x4 pixels of them, a shape that few discs touch in vain.
struct Pixel {
  int32_t x, y;
  bool inside;  // the picture
  int count;    // hits so far
  Key last;     // key of the last of them
};

struct Rectangle {
  float x0, x1, y0, y1;  // first and last pixel centre
};

struct TilePlace {
  int64_t first_pixel;     // of the view among those of all views
  int32_t tile_x, tile_y;  // on level 0
  int32_t x0, y0;          // px, of the block's part
};

// `part`: of all parts of the view's tiles, which are as large as the block.
__device__ inline TilePlace tile_place(const Pyramid& pyramid, uint32_t view, uint32_t part) {
  const int32_t parts = kTilePixels / static_cast<int32_t>(blockDim.x);
  const int32_t tile = static_cast<int32_t>(part) / parts, in_tile = static_cast<int32_t>(part) % parts;
  const int32_t tile_x = tile % pyramid.num_x[0], tile_y = tile / pyramid.num_x[0];
  return {static_cast<int64_t>(view) * pyramid.width * pyramid.height, tile_x, tile_y, tile_x * kTileSide,
          tile_y * kTileSide + in_tile * (kTileSide / parts)};
}

// The pixel at `lane` of the calling thread's warp.
__device__ inline Pixel pixel_at(const TilePlace& place, int lane, const Pyramid& pyramid) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const int32_t x = place.x0 + 8 * (warp % 2) + lane % 8, y = place.y0 + 4 * (warp / 2) + lane / 8;
  return {x, y, x < pyramid.width && y < pyramid.height, 0, 0};
}

// Among those of all views, row by row.
__device__ inline int64_t number_of(const Pixel& pixel, const TilePlace& place, const Pyramid& pyramid) {
  return place.first_pixel + static_cast<int64_t>(pixel.y) * pyramid.width + pixel.x;
}

__device__ inline float centre_of(int32_t pixel) { return static_cast<float>(pixel) + 0.5f; }

// `column`: the pixel's place in a row of TileMemory::hits.
__device__ inline void offer_hit(const TileMemory& memory, const TileLists& lists, int max_points, int column, Key key,
                                 float q, Pixel* pixel) {
  const int stride = static_cast<int>(blockDim.x);
  int slot;
  if (key >= pixel->last) {
    if (pixel->count == max_points) return;
    slot = pixel->count++;
    pixel->last = key;
  } else {
    // Everything farther moves back by one; the last falls off when the list is full.
    slot = pixel->count < max_points ? pixel->count++ : max_points - 1;
    for (; slot > 0; --slot) {
      const Hit before = memory.hits[(slot - 1) * stride + column];
      if (key_of(lists.z(before.point), before.point) < key) break;
      memory.hits[slot * stride + column] = before;
    }
  }
  memory.hits[slot * stride + column] = {static_cast<uint32_t>(key), q};
  if (key < pixel->last) {
    const uint32_t end = memory.hits[(pixel->count - 1) * stride + column].point;
    pixel->last = key_of(lists.z(end), end);
  }
}

// Bitonic, ascending. Steps that swap within the 64 keys of one warp need no more than the warp's own barrier.
__device__ inline void sort_keys(Key* keys, uint32_t num_keys) {
  uint32_t size = 2;
  while (size < num_keys) size *= 2;
  for (uint32_t i = num_keys + threadIdx.x; i < size; i += blockDim.x) keys[i] = kFarthest;
  __syncthreads();
  for (uint32_t run = 2; run <= size; run *= 2) {
    for (uint32_t distance = run / 2; distance > 0; distance /= 2) {
      for (uint32_t pair = threadIdx.x; pair < size / 2; pair += blockDim.x) {
        const uint32_t i = 2 * pair - (pair & (distance - 1));
        const Key a = keys[i], b = keys[i + distance];
        if ((a > b) == ((i & run) == 0)) {
          keys[i] = b;
          keys[i + distance] = a;
        }
      }
      const uint32_t next = distance > 1 ? distance / 2 : run;
      if (distance > kWarpSize || next > kWarpSize) {
        __syncthreads();
      } else {
        __syncwarp();
      }
    }
  }
  __syncthreads();
}

// Sorts the batch of keys and offers its points to the block's pixels.
__device__ inline void walk_batch(const TileMemory& memory, const TileLists& lists, uint32_t num_keys, int max_points,
                                  const Rectangle& warp_box, Pixel* pixel) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const float centre_x = centre_of(pixel->x), centre_y = centre_of(pixel->y);
  sort_keys(memory.keys, num_keys);
  for (uint32_t base = 0; base < num_keys; base += blockDim.x) {
    if (base + threadIdx.x < num_keys) {
      const float4 disc = lists.disc(static_cast<uint32_t>(memory.keys[base + threadIdx.x]));
      memory.stage[threadIdx.x] = make_float4(disc.x, disc.y, disc.w, inverse_square(disc.w));
    }
    __syncthreads();
    const uint32_t num_staged = min(num_keys - base, static_cast<uint32_t>(blockDim.x));
    bool full = false;
    for (uint32_t first = 0; first < num_staged; first += kWarpSize) {
      full = __all_sync(kAllLanes, !pixel->inside || (pixel->count == max_points && pixel->last < memory.keys[base + first]));
      if (full) break;
      // Each lane looks at one point first: three in four miss the warp's 8x4 pixels.
      bool touches = false;
      if (first + lane < num_staged) {
        const float4 disc = memory.stage[first + lane];
        touches = !misses_rectangle(disc.x, disc.y, disc.z, warp_box.x0, warp_box.x1, warp_box.y0, warp_box.y1);
      }
      for (unsigned near = __ballot_sync(kAllLanes, touches); near; near &= near - 1) {
        const uint32_t j = first + static_cast<uint32_t>(__ffs(static_cast<int>(near)) - 1);
        const float4 disc = memory.stage[j];
        const float q = disc_q(centre_x - disc.x, centre_y - disc.y, disc.w);
        if (q < 1.0f && pixel->inside)
          offer_hit(memory, lists, max_points, static_cast<int>(threadIdx.x), memory.keys[base + j], q, pixel);
      }
    }
    // Also keeps the stage and the keys until everyone has read them.
    if (__syncthreads_and(full)) break;
  }
}

// The key from which on no pixel of the block takes a hit.
__device__ inline Key limit_of(const TileMemory& memory, int max_points, const Pixel& pixel) {
  if (threadIdx.x == 0) {
    *memory.limit = 0;
    *memory.place = 0;
  }
  __syncthreads();
  Key limit = !pixel.inside ? 0 : pixel.count == max_points ? pixel.last : kFarthest;
  for (int lanes = kWarpSize / 2; lanes > 0; lanes /= 2) limit = max(limit, __shfl_xor_sync(kAllLanes, limit, lanes));
  if (threadIdx.x % kWarpSize == 0) atomicMax(memory.limit, limit);
  __syncthreads();
  return *memory.limit;
}

// A place among the keys for each lane that wants one, from *memory.place on. The whole warp must call.
__device__ inline uint32_t take_place(const TileMemory& memory, bool wants) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const unsigned takers = __ballot_sync(kAllLanes, wants);
  uint32_t first = 0;
  if (lane == 0 && takers) first = atomicAdd(memory.place, static_cast<uint32_t>(__popc(takers)));
  first = __shfl_sync(kAllLanes, first, 0);
  return first + static_cast<uint32_t>(__popc(takers & ((1u << lane) - 1u)));
}

// All threads of the block read the lists of their tile and of the tiles above it, keep what touches the block's pixels and
// can still be among the nearest, and walk it near to far whenever the batch is full.
__device__ inline void walk_lists(const Pyramid& pyramid, const TileLists& lists, const TilePlace& place,
                                  const TileMemory& memory, int max_points, Pixel* pixel) {
  const int32_t rows = static_cast<int32_t>(blockDim.x) / kTileSide;
  const Rectangle block_box{centre_of(place.x0), centre_of(place.x0 + kTileSide - 1), centre_of(place.y0),
                            centre_of(place.y0 + rows - 1)};
  const Pixel corner = pixel_at(place, 0, pyramid);
  const Rectangle warp_box{centre_of(corner.x), centre_of(corner.x + 7), centre_of(corner.y), centre_of(corner.y + 3)};

  uint32_t num_kept = 0;  // the same in all threads
  Key limit = kFarthest;
  if (threadIdx.x == 0) *memory.place = 0;
  __syncthreads();
  for (int32_t level = 0; level < pyramid.num_levels; ++level) {
    const int32_t tile = pyramid.first_tile[level] + (place.tile_y >> level) * pyramid.num_x[level] + (place.tile_x >> level);
    const uint32_t num_entries = lists.count(tile);
    const uint32_t* entries = lists.entries(tile);
    for (uint32_t base = 0; base < num_entries; base += blockDim.x) {
      Key key = kFarthest;
      if (base + threadIdx.x < num_entries) {
        const uint32_t point = entries[base + threadIdx.x];
        const float4 disc = lists.disc(point);
        if (lists.shows(point) &&
            !misses_rectangle(disc.x, disc.y, disc.w, block_box.x0, block_box.x1, block_box.y0, block_box.y1))
          key = key_of(disc.z, point);
      }
      const bool keep = key < limit;
      const uint32_t at = take_place(memory, keep);
      if (keep) memory.keys[at] = key;
      num_kept += static_cast<uint32_t>(__syncthreads_count(keep));
      if (num_kept + blockDim.x > kBatch) {
        walk_batch(memory, lists, num_kept, max_points, warp_box, pixel);
        limit = limit_of(memory, max_points, *pixel);
        num_kept = 0;
      }
    }
  }
  if (num_kept > 0) walk_batch(memory, lists, num_kept, max_points, warp_box, pixel);
}

}  // namespace c3d::cuda
