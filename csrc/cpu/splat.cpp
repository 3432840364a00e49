// splat_points on the CPU: project -> bin into tiles -> per tile: sort by depth, collect each pixel's nearest hits, composite.
//
// Order is by (z, point index) everywhere and every tile is written by one thread, so the result does not depend on how the
// work was shared out.
#include <algorithm>
#include <cmath>

#include "c3d/formulas.h"
#include "parallel.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

// 32x16 pixels: a tile's hit lists (8 hits x 8 bytes x 512) stay in the L1/L2 caches while its points are walked.
constexpr int kTileWidth = 32;
constexpr int kTileHeight = 16;
constexpr int kTilePixels = kTileWidth * kTileHeight;
constexpr int kLanes = 16;

struct TileGrid {
  int32_t num_x, num_y;
  int32_t width, height;  // px, of the picture
};

struct TileRange {
  int32_t x0, x1, y0, y1;  // tiles, half-open; empty when the disc touches no pixel centre
};

C3D_INLINE TileRange tiles_of(const Disc& disc, const TileGrid& grid) {
  if (disc.radius_px == 0.0f) return {0, 0, 0, 0};
  // First and last pixel whose centre can lie inside, clamped as floats: a far centre must not overflow the conversion.
  const float x_lo = std::max(std::ceil(disc.u - disc.radius_px - 0.5f), 0.0f);
  const float y_lo = std::max(std::ceil(disc.v - disc.radius_px - 0.5f), 0.0f);
  const float x_hi = std::min(std::floor(disc.u + disc.radius_px - 0.5f), static_cast<float>(grid.width - 1));
  const float y_hi = std::min(std::floor(disc.v + disc.radius_px - 0.5f), static_cast<float>(grid.height - 1));
  if (!(x_lo <= x_hi && y_lo <= y_hi)) return {0, 0, 0, 0};
  return {static_cast<int32_t>(x_lo) / kTileWidth, static_cast<int32_t>(x_hi) / kTileWidth + 1,
          static_cast<int32_t>(y_lo) / kTileHeight, static_cast<int32_t>(y_hi) / kTileHeight + 1};
}

// A run of consecutive points, binned by one worker. Runs are laid out one after the other inside each tile's list, so a list
// ascends in point index.
struct BinArgs {
  const SplatPointsArgs* splat;
  const Camera* camera;
  TileGrid grid;
  int64_t begin, end;  // points
  Disc* discs;  // [N]
  int64_t* cursor;  // [tiles] this run's count, then its write position in each tile's list
  uint32_t* lists;  // point indices, tile by tile
};

C3D_INLINE void count_body(BinArgs args) {
  const SplatPointsArgs& splat = *args.splat;
  std::fill_n(args.cursor, args.grid.num_x * args.grid.num_y, int64_t{0});
  for (int64_t i = args.begin; i < args.end; ++i) {
    const float radius = splat.radius ? splat.radius[i] : splat.radius_all;
    const float* p = splat.xyz + 3 * i;
    args.discs[i] = project_disc(*args.camera, p[0], p[1], p[2], radius);
  }
  for (int64_t i = args.begin; i < args.end; ++i) {
    const TileRange range = tiles_of(args.discs[i], args.grid);
    for (int32_t y = range.y0; y < range.y1; ++y)
      for (int32_t x = range.x0; x < range.x1; ++x) ++args.cursor[y * args.grid.num_x + x];
  }
}

C3D_INLINE void fill_body(BinArgs args) {
  for (int64_t i = args.begin; i < args.end; ++i) {
    const TileRange range = tiles_of(args.discs[i], args.grid);
    for (int32_t y = range.y0; y < range.y1; ++y)
      for (int32_t x = range.x0; x < range.x1; ++x)
        args.lists[args.cursor[y * args.grid.num_x + x]++] = static_cast<uint32_t>(i);
  }
}

C3D_DISPATCH(count_points, count_body, BinArgs)
C3D_DISPATCH(fill_lists, fill_body, BinArgs)

// Working memory of one worker for the tile at hand.
struct TileScratch {
  uint64_t* keys;  // [longest list] z bits << 32 | point index; sorted, then read as the draw order
  uint64_t* keys_swap;  // [longest list]
  Disc* discs;  // [longest list] in draw order
  int32_t* count;  // [kTilePixels] hits so far
  float* q;  // [K + 1, kTilePixels] d^2 / r^2 per hit, nearest first; slot K takes what comes after the last
  uint32_t* rank;  // [K + 1, kTilePixels] position in draw order
  float* weight;  // [K, kLanes] final weights of the pixels being composited
};

struct TileArgs {
  const SplatPointsArgs* splat;
  TileGrid grid;
  const Disc* discs;  // [N]
  const uint32_t* list;  // [num_points] of this tile, ascending
  int64_t num_points;
  int32_t tile_x, tile_y;
  TileScratch scratch;
  float* feat_out;  // of this camera
  float* alpha_out;
  float* disp_out;
  int32_t* idx_out;  // or nullptr
};

// Sorts by (z, point index): positive floats order like their bits, and the radix passes keep the list's ascending indices.
C3D_INLINE void sort_by_depth(const TileArgs& args) {
  uint64_t* keys = args.scratch.keys;
  const int64_t n = args.num_points;
  uint32_t all_and = ~0u, all_or = 0;
  for (int64_t i = 0; i < n; ++i) {
    uint32_t bits;
    std::memcpy(&bits, &args.discs[args.list[i]].z, sizeof bits);
    all_and &= bits;
    all_or |= bits;
    keys[i] = static_cast<uint64_t>(bits) << 32 | args.list[i];
  }
  if (n < 48) {
    std::sort(keys, keys + n);
  } else {
    const uint32_t varying = all_and ^ all_or;
    uint64_t* from = keys;
    uint64_t* to = args.scratch.keys_swap;
    for (int shift = 0; shift < 32; shift += 8) {
      if (!(varying >> shift & 0xFF)) continue;
      uint32_t start[256] = {};
      for (int64_t i = 0; i < n; ++i) ++start[from[i] >> (32 + shift) & 0xFF];
      uint32_t sum = 0;
      for (uint32_t& s : start) {
        const uint32_t here = s;
        s = sum;
        sum += here;
      }
      for (int64_t i = 0; i < n; ++i) to[start[from[i] >> (32 + shift) & 0xFF]++] = from[i];
      std::swap(from, to);
    }
    if (from != keys) std::copy_n(from, n, keys);
  }
  for (int64_t i = 0; i < n; ++i) args.scratch.discs[i] = args.discs[static_cast<uint32_t>(keys[i])];
}

C3D_INLINE bool all_full(const int32_t* count, int32_t max_points) {
  int32_t open = 0;
  for (int p = 0; p < kTilePixels; ++p) open |= count[p] < max_points;
  return !open;
}

// Walks the points near to far and appends each to the lists of the pixels it covers.
C3D_INLINE void collect_hits(const TileArgs& args) {
  const int32_t max_points = args.splat->max_points;
  const TileScratch& scratch = args.scratch;
  const int32_t x0 = args.tile_x * kTileWidth, y0 = args.tile_y * kTileHeight;
  const float x_last = static_cast<float>(std::min(x0 + kTileWidth, args.grid.width) - 1);
  const float y_last = static_cast<float>(std::min(y0 + kTileHeight, args.grid.height) - 1);
  std::fill_n(scratch.count, kTilePixels, 0);
  // Pixels beyond the picture count as full: they never hold the walk open.
  for (int y = 0; y < kTileHeight; ++y)
    for (int x = 0; x < kTileWidth; ++x)
      if (x0 + x > x_last || y0 + y > y_last) scratch.count[y * kTileWidth + x] = max_points;

  for (int64_t j = 0; j < args.num_points; ++j) {
    if ((j & 1023) == 1023 && all_full(scratch.count, max_points)) break;
    const Disc disc = scratch.discs[j];
    const float inv_r2 = 1.0f / (disc.radius_px * disc.radius_px);
    const int32_t x_lo = static_cast<int32_t>(std::max(std::ceil(disc.u - disc.radius_px - 0.5f), static_cast<float>(x0)));
    const int32_t y_lo = static_cast<int32_t>(std::max(std::ceil(disc.v - disc.radius_px - 0.5f), static_cast<float>(y0)));
    const int32_t x_hi = static_cast<int32_t>(std::min(std::floor(disc.u + disc.radius_px - 0.5f), x_last));
    const int32_t y_hi = static_cast<int32_t>(std::min(std::floor(disc.v + disc.radius_px - 0.5f), y_last));
    for (int32_t y = y_lo; y <= y_hi; ++y) {
      const float dy = static_cast<float>(y) + 0.5f - disc.v;
      const int32_t row = (y - y0) * kTileWidth - x0;
      for (int32_t x = x_lo; x <= x_hi; ++x) {
        const float dx = static_cast<float>(x) + 0.5f - disc.u;
        const float q = (dx * dx + dy * dy) * inv_r2;
        // Without a branch: about a third of the candidates miss, at random. A miss is overwritten by the next hit.
        const int32_t p = row + x;
        const int32_t slot = scratch.count[p];
        scratch.q[slot * kTilePixels + p] = q;
        scratch.rank[slot * kTilePixels + p] = static_cast<uint32_t>(j);
        scratch.count[p] = slot + static_cast<int32_t>((q < 1.0f) & (slot < max_points));
      }
    }
  }
}

struct Lanes {
  int32_t first;  // pixel of lane 0 in the tile
  int32_t most;  // longest list among the lanes
  i32x16 count;  // hits per lane
};

C3D_INLINE f32x16 select(i32x16 mask, f32x16 yes, f32x16 no) { return mask ? yes : no; }

C3D_INLINE f32x16 depths_of(const TileArgs& args, const Lanes& lanes, int32_t slot) {
  alignas(64) float z[kLanes];
  const uint32_t* rank = args.scratch.rank + slot * kTilePixels + lanes.first;
  for (int l = 0; l < kLanes; ++l) z[l] = slot < lanes.count[l] ? args.scratch.discs[rank[l]].z : 1.0f;
  return load<f32x16>(z);
}

struct Totals {
  f32x16 alpha, disp;
};

// out = sum f_k a_k prod_{j<k} (1 - a_j)
C3D_INLINE Totals alpha_weights(const TileArgs& args, const Lanes& lanes) {
  Totals totals = {};
  f32x16 through = {};
  through += 1.0f;
  for (int32_t k = 0; k < lanes.most; ++k) {
    const f32x16 q = load<f32x16>(args.scratch.q + k * kTilePixels + lanes.first);
    const f32x16 a = select(k < lanes.count, alpha_weight(q), f32x16{});
    const f32x16 w = a * through;
    through -= w;
    totals.alpha += w;
    totals.disp += w / depths_of(args, lanes, k);
    store(args.scratch.weight + k * kLanes, w);
  }
  return totals;
}

// Hits within depth_tolerance of their surface's first hit are averaged; surfaces are composited front to back. Walking
// forward finds each surface's sums and notes its scale at its last hit; walking back hands that scale to all its hits.
C3D_INLINE Totals surface_weights(const TileArgs& args, const Lanes& lanes) {
  const float reach = 1.0f + args.splat->depth_tolerance;
  f32x16 scale_at[kMaxHits];  // scale of the surface that ends at this slot, else -1
  f32x16 through = {}, z_end = {}, sum_w = {}, sum_cover = {};
  through += 1.0f;
  for (int32_t k = 0; k < lanes.most; ++k) {
    const i32x16 valid = k < lanes.count;
    const f32x16 z = depths_of(args, lanes, k);
    const i32x16 opens = valid & (z > z_end);
    if (k > 0) {
      const f32x16 cover = select(sum_cover < 1.0f, sum_cover, f32x16{} + 1.0f);
      const f32x16 scale = select(sum_w > 0.0f, through * cover / sum_w, f32x16{});
      scale_at[k - 1] = select(opens, scale, f32x16{} - 1.0f);
      through = select(opens, through * (1.0f - cover), through);
    }
    const float* q_of_slot = args.scratch.q + k * kTilePixels + lanes.first;
    const f32x16 q = load<f32x16>(q_of_slot);
    alignas(64) float root_q[kLanes];
    for (int l = 0; l < kLanes; ++l) root_q[l] = std::sqrt(q_of_slot[l]);
    const f32x16 cone = surface_coverage(load<f32x16>(root_q));
    const f32x16 cover_k = select(valid & (cone > 0.0f), cone, f32x16{});
    const f32x16 w = select(valid, surface_weight(q), f32x16{});
    store(args.scratch.weight + k * kLanes, w);
    z_end = select(opens, z * reach, z_end);
    sum_w = select(opens, w, sum_w + w);
    sum_cover = select(opens, cover_k, sum_cover + cover_k);
  }
  const f32x16 cover = select(sum_cover < 1.0f, sum_cover, f32x16{} + 1.0f);
  f32x16 scale = select(sum_w > 0.0f, through * cover / sum_w, f32x16{});
  Totals totals = {};
  for (int32_t k = lanes.most - 1; k >= 0; --k) {
    const f32x16 w = load<f32x16>(args.scratch.weight + k * kLanes) * scale;
    store(args.scratch.weight + k * kLanes, w);
    totals.alpha += w;
    totals.disp += w / depths_of(args, lanes, k);
    if (k > 0) scale = select(scale_at[k - 1] >= 0.0f, scale_at[k - 1], scale);
  }
  return totals;
}

template <typename V>
C3D_INLINE V load_feat(const float* from) {
  return load<V>(from);
}

struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

template <int kSize>  // bytes of the float vector
struct Bits;
template <>
struct Bits<16> {
  typedef uint16_t U16 __attribute__((vector_size(8)));
  typedef uint32_t U32 __attribute__((vector_size(16)));
};
template <>
struct Bits<32> {
  typedef uint16_t U16 __attribute__((vector_size(16)));
  typedef uint32_t U32 __attribute__((vector_size(32)));
};
template <>
struct Bits<64> {
  typedef uint16_t U16 __attribute__((vector_size(32)));
  typedef uint32_t U32 __attribute__((vector_size(64)));
};

template <typename V>
C3D_INLINE V load_feat(const BFloat16* from) {
  using U16 = typename Bits<sizeof(V)>::U16;
  using U32 = typename Bits<sizeof(V)>::U32;
  const U32 bits = __builtin_convertvector(load<U16>(from), U32) << 16;
  return load<V>(&bits);
}

// Half to float by integer arithmetic: exact for every value, and vectorised on any instruction set.
template <typename V>
C3D_INLINE V load_feat(const Half* from) {
  using U16 = typename Bits<sizeof(V)>::U16;
  using U32 = typename Bits<sizeof(V)>::U32;
  const U32 h = __builtin_convertvector(load<U16>(from), U32);
  const U32 sign = (h & 0x8000u) << 16;
  const U32 magnitude = (h & 0x7FFFu) << 13;
  // Moving the exponent by multiplication with 2^112 normalises subnormals as well.
  const U32 two_112 = U32{} + 0x77800000u;
  const V scaled = load<V>(&magnitude) * load<V>(&two_112);
  const U32 finite = load<U32>(&scaled);
  const U32 special = magnitude | 0x7F800000u;  // infinity and NaN keep their mantissa
  const U32 bits = (((h & 0x7C00u) == 0x7C00u) ? special : finite) | sign;
  return load<V>(&bits);
}

template <typename V, typename T>
C3D_INLINE V weighted_sum(const T* const* rows, const float* weights, int32_t num_hits, int32_t channel) {
  V sum = {};
  for (int32_t k = 0; k < num_hits; ++k) sum += load_feat<V>(rows[k] + channel) * weights[k * kLanes];
  return sum;
}

// The last one to three channels, without reading past a row.
template <typename T>
C3D_INLINE void weighted_sum_tail(const T* const* rows, const float* weights, int32_t num_hits, int32_t channel,
                                  int32_t num_channels, float* out) {
  for (int32_t c = channel; c < num_channels; ++c) {
    float sum = 0.0f;
    for (int32_t k = 0; k < num_hits; ++k) {
      T four[4] = {rows[k][c]};
      sum += load_feat<f32x4>(four)[0] * weights[k * kLanes];
    }
    out[c] = sum;
  }
}

template <typename T>
C3D_INLINE void composite_features(const TileArgs& args, const Lanes& lanes, int32_t lane, float* out) {
  const T* feat = static_cast<const T*>(args.splat->feat);
  const int32_t num_channels = args.splat->num_channels;
  const int32_t num_hits = lanes.count[lane];
  const uint32_t* rank = args.scratch.rank + lanes.first + lane;
  const float* weights = args.scratch.weight + lane;
  const T* rows[kMaxHits];
  for (int32_t k = 0; k < num_hits; ++k)
    rows[k] = feat + static_cast<int64_t>(static_cast<uint32_t>(args.scratch.keys[rank[k * kTilePixels]])) * num_channels;
  int32_t c = 0;
  for (; c + 16 <= num_channels; c += 16) store(out + c, weighted_sum<f32x16>(rows, weights, num_hits, c));
  if (c + 8 <= num_channels) store(out + c, weighted_sum<f32x8>(rows, weights, num_hits, c)), c += 8;
  if (c + 4 <= num_channels) store(out + c, weighted_sum<f32x4>(rows, weights, num_hits, c)), c += 4;
  weighted_sum_tail(rows, weights, num_hits, c, num_channels, out);
}

template <typename T>
C3D_INLINE void composite_tile(const TileArgs& args) {
  const SplatPointsArgs& splat = *args.splat;
  const int32_t x0 = args.tile_x * kTileWidth, y0 = args.tile_y * kTileHeight;
  const int32_t tile_h = std::min(kTileHeight, args.grid.height - y0);
  const int32_t tile_w = std::min(kTileWidth, args.grid.width - x0);
  for (int32_t y = 0; y < tile_h; ++y) {
    for (int32_t x = 0; x < tile_w; x += kLanes) {
      Lanes lanes;
      lanes.first = y * kTileWidth + x;
      lanes.count = load<i32x16>(args.scratch.count + lanes.first);
      const int32_t num_lanes = std::min(kLanes, tile_w - x);
      for (int l = num_lanes; l < kLanes; ++l) lanes.count[l] = 0;
      lanes.most = 0;
      for (int l = 0; l < kLanes; ++l) lanes.most = std::max(lanes.most, lanes.count[l]);

      const Totals totals = splat.compositor == Compositor::kAlpha ? alpha_weights(args, lanes) : surface_weights(args, lanes);
      const int64_t pixel = static_cast<int64_t>(y0 + y) * args.grid.width + x0 + x;
      for (int l = 0; l < num_lanes; ++l) {
        args.alpha_out[pixel + l] = totals.alpha[l];
        args.disp_out[pixel + l] = totals.disp[l];
        composite_features<T>(args, lanes, l, args.feat_out + (pixel + l) * splat.num_channels);
      }
      if (!args.idx_out) continue;
      for (int l = 0; l < num_lanes; ++l) {
        int32_t* idx = args.idx_out + (pixel + l) * splat.max_points;
        for (int32_t k = 0; k < splat.max_points; ++k) {
          const uint32_t rank = args.scratch.rank[k * kTilePixels + lanes.first + l];
          idx[k] = k < lanes.count[l] ? static_cast<int32_t>(args.scratch.keys[rank]) : -1;
        }
      }
    }
  }
}

C3D_INLINE void tile_body(const TileArgs& args) {
  sort_by_depth(args);
  collect_hits(args);
  switch (args.splat->feat_type) {
    case FeatType::kFloat32: return composite_tile<float>(args);
    case FeatType::kFloat16: return composite_tile<Half>(args);
    case FeatType::kBFloat16: return composite_tile<BFloat16>(args);
  }
}

C3D_DISPATCH(render_tile, tile_body, const TileArgs&)

bool allocate_tile_scratch(TileScratch& scratch, const Scratch& from, int64_t longest_list, int32_t max_points) {
  const int64_t slots = static_cast<int64_t>(max_points + 1) * kTilePixels;
  scratch = {allocate<uint64_t>(from, longest_list),
             allocate<uint64_t>(from, longest_list),
             allocate<Disc>(from, longest_list),
             allocate<int32_t>(from, kTilePixels),
             allocate<float>(from, slots),
             allocate<uint32_t>(from, slots),
             allocate<float>(from, static_cast<int64_t>(max_points) * kLanes)};
  return scratch.keys && scratch.keys_swap && scratch.discs && scratch.count && scratch.q && scratch.rank && scratch.weight;
}

constexpr Status kNoMemory{StatusCode::kOutOfMemory, "splat_points: out of memory for working buffers"};

Status splat_one_camera(const SplatPointsArgs& args, int32_t view, const Context& context) {
  const Executor& executor = context.executor;
  const Camera& camera = args.cameras[view];
  const TileGrid grid{(camera.width + kTileWidth - 1) / kTileWidth, (camera.height + kTileHeight - 1) / kTileHeight,
                      camera.width, camera.height};
  const int64_t num_tiles = static_cast<int64_t>(grid.num_x) * grid.num_y;
  const int64_t num_pixels = static_cast<int64_t>(camera.width) * camera.height;

  const int64_t num_runs = std::min<int64_t>(executor.num_threads, (args.num_points + 4095) / 4096);
  Disc* discs = allocate<Disc>(context.scratch, args.num_points);
  int64_t* cursors = allocate<int64_t>(context.scratch, num_runs * num_tiles);  // [runs, tiles]
  int64_t* tile_start = allocate<int64_t>(context.scratch, num_tiles + 1);
  if (!discs || !cursors || !tile_start) return kNoMemory;

  const auto run_args = [&](int64_t run, uint32_t* lists) {
    return BinArgs{&args,
                   &camera,
                   grid,
                   args.num_points * run / num_runs,
                   args.num_points * (run + 1) / num_runs,
                   discs,
                   cursors + run * num_tiles,
                   lists};
  };
  parallel_tasks(executor, num_runs, [&](int64_t run) { count_points(run_args(run, nullptr)); });
  int64_t total = 0, longest_list = 0;
  for (int64_t tile = 0; tile < num_tiles; ++tile) {
    tile_start[tile] = total;
    for (int64_t run = 0; run < num_runs; ++run) {
      int64_t& cursor = cursors[run * num_tiles + tile];
      const int64_t here = cursor;
      cursor = total;
      total += here;
    }
    longest_list = std::max(longest_list, total - tile_start[tile]);
  }
  tile_start[num_tiles] = total;
  uint32_t* lists = allocate<uint32_t>(context.scratch, total);
  if (!lists) return kNoMemory;
  parallel_tasks(executor, num_runs, [&](int64_t run) { fill_lists(run_args(run, lists)); });

  const int64_t num_workers = std::min<int64_t>(executor.num_threads, num_tiles);
  TileScratch* scratch = allocate<TileScratch>(context.scratch, num_workers);
  if (!scratch) return kNoMemory;
  for (int64_t i = 0; i < num_workers; ++i)
    if (!allocate_tile_scratch(scratch[i], context.scratch, longest_list, args.max_points)) return kNoMemory;
  parallel_items(executor, num_tiles, [&](int worker, int64_t tile) {
    render_tile({&args, grid, discs, lists + tile_start[tile], tile_start[tile + 1] - tile_start[tile],
                 static_cast<int32_t>(tile % grid.num_x), static_cast<int32_t>(tile / grid.num_x), scratch[worker],
                 args.feat_out + view * num_pixels * args.num_channels, args.alpha_out + view * num_pixels,
                 args.disp_out + view * num_pixels,
                 args.idx_out ? args.idx_out + view * num_pixels * args.max_points : nullptr});
  });
  return {};
}

}  // namespace

Status splat_points(const SplatPointsArgs& args, const Context& context) {
  if (args.num_points < 0 || args.num_points > INT32_MAX)
    return {StatusCode::kInvalidArgument, "splat_points: num_points must be 0..2^31-1"};
  if (args.num_channels < 1 || args.num_channels > kMaxChannels)
    return {StatusCode::kInvalidArgument, "splat_points: num_channels must be 1..256"};
  if (args.max_points < 1 || args.max_points > kMaxHits)
    return {StatusCode::kInvalidArgument, "splat_points: max_points must be 1..64"};
  if (args.num_points > 0 && (!args.xyz || !args.feat))
    return {StatusCode::kInvalidArgument, "splat_points: xyz and feat must not be null"};
  if (args.num_cameras > 0 && (!args.cameras || !args.feat_out || !args.alpha_out || !args.disp_out))
    return {StatusCode::kInvalidArgument, "splat_points: cameras and outputs must not be null"};
  for (int32_t view = 0; view < args.num_cameras; ++view) {
    if (args.cameras[view].width < 1 || args.cameras[view].height < 1)
      return {StatusCode::kInvalidArgument, "splat_points: camera width and height must be >= 1"};
    const Status status = splat_one_camera(args, view, context);
    if (!status.ok()) return status;
  }
  return {};
}

}  // namespace c3d::cpu
