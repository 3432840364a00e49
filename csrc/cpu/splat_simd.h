// splat_points on the CPU, compiled for each instruction set by each_target.h: bins points into tiles, and draws a tile. A
// tile's points are sorted by depth and shared out to its blocks of 4x4 pixels; each block's points are walked near to far,
// all its pixels at once.

#include "lanes.h"

// What the hits so far leave behind in each pixel (lane) of a block.
struct BlockState {
  f32x16 through;  // what the hits (kSurface: the surfaces) in front let through
  f32x16 z_end, sum_w, sum_cover;  // kSurface: of the current surface
  f32x16 sum_opaque;  // kSurface, where a point is soft: of its weights times opacities
  i32x16 count;  // of what covers: from max_points on, nothing more is taken, and no comparison waits for the one before
  int32_t num_hits, num_closings;
};

// Sums of weights, and of features and 1/z by weight.
struct Sums {
  f32x16 weight, disp, feat[kNarrow];
};

static_assert(sizeof(f32x16) == kVectorBytes && sizeof(BlockState) <= kStateBytes && sizeof(Sums) == kSumsBytes);

// A block's part of HitsMemory.
struct BlockHits {
  f32x16* weight;
  i32x16* lanes;
  f32x16* closing_scale;
  int32_t* closing_at;
  uint32_t* place;
  uint32_t* row;
};

C3D_INLINE BlockHits hits_of(const SplatPointsArgs& splat, const TileScratch& scratch, int part) {
  const HitsMemory& all = scratch.hits;
  const int64_t num_hits = static_cast<int64_t>(kLanes) * splat.max_points, first = part * num_hits;
  return {reinterpret_cast<f32x16*>(all.weight) + first,
          reinterpret_cast<i32x16*>(all.lanes) + part * (num_hits / 32 + 1),
          reinterpret_cast<f32x16*>(all.closing_scale) + first,
          all.closing_at + first,
          all.place + first,
          all.row + first};
}

constexpr int32_t kLineBytes = 64;  // of the cache

// The vectors that features are copied by, and the channels of which the sums of four pixels and a row fit the registers. Of
// more, each pixel is summed by itself: to walk the hits again for every few channels takes longer.
#ifdef C3D_AVX512
typedef f32x16 RowVector;
constexpr int32_t kQuadChannels = 64;
#elif defined(C3D_AVX2)
typedef f32x8 RowVector;
constexpr int32_t kQuadChannels = 24;
#else
typedef f32x4 RowVector;
constexpr int32_t kQuadChannels = 8;
#endif

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

// Half to float, where the processor has no instruction for it by integer arithmetic: exact for every value, and vectorised on
// any instruction set.
template <typename V>
C3D_INLINE V load_feat(const Half* from) {
#ifdef C3D_AVX512
  if constexpr (sizeof(V) == 64)
    return reinterpret_cast<V>(_mm512_maskz_cvtph_ps(0xFFFF, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
#endif
#if defined(C3D_AVX512) || defined(C3D_AVX2)
  if constexpr (sizeof(V) == 32)
    return reinterpret_cast<V>(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#endif
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

// Discs of consecutive points as arrays, and what they may touch.
struct Discs {
  float u[kBatch], v[kBatch], z[kBatch], radius_px[kBatch];
};

// First and last pixel whose centre can lie inside, inclusive, clamped to a rectangle; x1 is -1 where there is none.
struct Boxes {
  int32_t x0[kBatch], x1[kBatch], y0[kBatch], y1[kBatch];
};

C3D_INLINE void box_discs(const Discs& discs, float x_first, float x_last, float y_first, float y_last, Boxes& boxes) {
  // Clamped as floats: a far centre must not overflow the conversion.
  for (int i = 0; i < kBatch; ++i) {
    const float r = discs.radius_px[i];
    const float x0 = std::ceil(discs.u[i] - r - 0.5f), x1 = std::floor(discs.u[i] + r - 0.5f);
    const float y0 = std::ceil(discs.v[i] - r - 0.5f), y1 = std::floor(discs.v[i] + r - 0.5f);
    const bool empty = !(r > 0.0f) | !(x0 <= x_last) | !(x1 >= x_first) | !(y0 <= y_last) | !(y1 >= y_first);
    boxes.x0[i] = static_cast<int32_t>(x0 > x_first ? (x0 < x_last ? x0 : x_last) : x_first);
    boxes.y0[i] = static_cast<int32_t>(y0 > y_first ? (y0 < y_last ? y0 : y_last) : y_first);
    boxes.y1[i] = static_cast<int32_t>(y1 < y_last ? (y1 > y_first ? y1 : y_first) : y_last);
    const int32_t last = static_cast<int32_t>(x1 < x_last ? (x1 > x_first ? x1 : x_first) : x_last);
    boxes.x1[i] = empty ? -1 : last;
  }
}

// Points as arrays, with room for what is written sixteen at a time.
struct Batch {
  float x[kBatch + kLanes], y[kBatch + kLanes], z[kBatch + kLanes], radius[kBatch + kLanes];
};

C3D_INLINE void project_batch(const Camera& camera_in, const Batch& batch, Discs& discs) {
  const Camera camera = camera_in;  // a copy: nothing that is written here can be its memory
  for (int i = 0; i < kBatch; ++i) {
    const Disc disc = project_disc(camera, batch.x[i], batch.y[i], batch.z[i], batch.radius[i]);
    discs.u[i] = disc.u;
    discs.v[i] = disc.v;
    discs.z[i] = disc.z;
    discs.radius_px[i] = disc.radius_px;
  }
}

// The blocks of a tile from column bx0 to bx1 and row by0 to by1, inclusive: bit by * kBlocksX + bx.
C3D_INLINE uint32_t blocks_between(uint32_t bx0, uint32_t bx1, uint32_t by0, uint32_t by1) {
  const uint32_t columns = ((2u << bx1) - (1u << bx0)) * 0x01010101u;
  return columns & (~0u >> (24 - 8 * by1)) & (~0u << (8 * by0));
}

// From three interleaved components to arrays of them: x, y and z have room for sixteen. Reads no farther than `all_points`.
C3D_INLINE void split_points(const float* xyz, int64_t first, int64_t num, int64_t all_points, float* x, float* y, float* z) {
  xyz += 3 * first;
#ifdef C3D_AVX512
  if (first + kLanes > all_points)
#else
  static_cast<void>(all_points);
#endif
  {
    for (int64_t i = 0; i < num; ++i) x[i] = xyz[3 * i], y[i] = xyz[3 * i + 1], z[i] = xyz[3 * i + 2];
    return;
  }
#ifdef C3D_AVX512
  const f32x16 a = load<f32x16>(xyz), b = load<f32x16>(xyz + 16), c = load<f32x16>(xyz + 32);
  const f32x16 ab_x = __builtin_shufflevector(a, b, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0);
  const f32x16 ab_y = __builtin_shufflevector(a, b, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 0, 0, 0, 0, 0);
  const f32x16 ab_z = __builtin_shufflevector(a, b, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0, 0, 0, 0, 0, 0);
  store(x, __builtin_shufflevector(ab_x, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29));
  store(y, __builtin_shufflevector(ab_y, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 21, 24, 27, 30));
  store(z, __builtin_shufflevector(ab_z, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31));
#endif
}

// Copies values of a stretch, sixteen at a time: `to` has room for as many beyond it. Reads no farther than `all`.
C3D_INLINE void copy_stretch(const float* from, int64_t first, int64_t num, int64_t all, float* to) {
  int64_t i = 0;
  for (; i < num && first + i + kLanes <= all; i += kLanes) store(to + i, load<f32x16>(from + first + i));
  for (; i < num; ++i) to[i] = from[first + i];
}

// Whether a stretch goes on where a tile's last one ended. Not for ever: a worker asks for its next tile stretch by stretch.
C3D_INLINE bool joins(const BinArgs& args, uint32_t end, uint32_t first) {
  constexpr uint32_t kLongest = 2 * kBatch;
  return end == first && (first - static_cast<uint32_t>(args.begin)) % kLongest != 0;
}

// Finds the stretches of a run's points that touch the same tiles, and counts them in each of these.
static void place_points(const BinArgs& args) {
  const SplatPointsArgs& splat = *args.splat;
  const float x_last = static_cast<float>(args.grid.width - 1), y_last = static_cast<float>(args.grid.height - 1);
  const uint32_t num_x = static_cast<uint32_t>(args.grid.num_x);
  std::fill_n(args.count, static_cast<int64_t>(args.grid.num_x) * args.grid.num_y, TileCount{0, 0, TileCount::kNone});
  Batch batch = {};
  Discs discs;
  Boxes boxes;
  int64_t num_placed = 0;
  for (int i = 0; i < kBatch; ++i) batch.radius[i] = splat.radius_all;
  for (int64_t first = args.begin; first < args.end; first += kBatch) {
    const int num = static_cast<int>(std::min<int64_t>(kBatch, args.end - first));
    for (int i = 0; i < num; i += kLanes)
      split_points(splat.xyz, first + i, std::min(num - i, kLanes), splat.num_points, batch.x + i, batch.y + i, batch.z + i);
    if (splat.radius) std::memcpy(batch.radius, splat.radius + first, sizeof(float) * static_cast<size_t>(num));
    project_batch(*args.camera, batch, discs);
    box_discs(discs, 0.0f, x_last, 0.0f, y_last, boxes);
    // None across where nothing is touched. `changes` reads one more of each, and what it finds there is shifted out.
    uint32_t tile[kBatch + 1], num_across[kBatch + 1], num_down[kBatch + 1];
    for (int i = 0; i < kBatch; ++i) {  // unsigned: divisions are shifts
      const uint32_t x0 = static_cast<uint32_t>(boxes.x0[i]) / kTileWidth,
                     y0 = static_cast<uint32_t>(boxes.y0[i]) / kTileHeight;
      const bool empty = boxes.x1[i] < 0;
      tile[i] = empty ? 0 : y0 * num_x + x0;
      num_across[i] = empty ? 0 : static_cast<uint32_t>(boxes.x1[i]) / kTileWidth - x0 + 1;
      num_down[i] = empty ? 0 : static_cast<uint32_t>(boxes.y1[i]) / kTileHeight - y0 + 1;
    }
    tile[kBatch] = num_across[kBatch] = num_down[kBatch] = 0;
    uint64_t starts = 1;
    for (int i = 0; i < kBatch; i += kLanes)
      starts |= static_cast<uint64_t>(changes(tile + i) | changes(num_across + i) | changes(num_down + i)) << (i + 1);
    if (num < kBatch) starts &= (uint64_t{1} << num) - 1;
    while (starts) {
      const int i = __builtin_ctzll(starts);
      starts &= starts - 1;
      const int end = starts ? __builtin_ctzll(starts) : num;
      if (num_across[i] == 0) continue;
      const Stretch points{static_cast<uint32_t>(first + i), static_cast<uint32_t>(end - i)};
      args.placed[num_placed++] = {points, tile[i], num_across[i], num_down[i]};
      for (uint32_t y = 0; y < num_down[i]; ++y)
        for (uint32_t x = 0; x < num_across[i]; ++x) {
          TileCount& count = args.count[tile[i] + y * num_x + x];
          count.stretches += joins(args, count.end, points.first) ? 0 : 1;
          count.points += points.num;
          count.end = points.first + points.num;
        }
    }
  }
  *args.num_placed = num_placed;
}

static void fill_lists(const BinArgs& args) {
  const uint32_t num_x = static_cast<uint32_t>(args.grid.num_x);
  for (int64_t i = 0; i < *args.num_placed; ++i) {
    const PlacedStretch& placed = args.placed[i];
    for (uint32_t y = 0; y < placed.num_y; ++y)
      for (uint32_t x = 0; x < placed.num_x; ++x) {
        const uint32_t tile = placed.tile + y * num_x + x;
        uint32_t& end = args.count[tile].end;
        int64_t& cursor = args.cursor[tile];
        if (joins(args, end, placed.points.first))
          args.lists[cursor - 1].num += placed.points.num;
        else
          args.lists[cursor++] = placed.points;
        end = placed.points.first + placed.points.num;
      }
  }
}

// The tile's points in the picture, and which blocks they may touch.
C3D_INLINE void prepare_points(const TileArgs& args) {
  const SplatPointsArgs& splat = *args.splat;
  const TileScratch& scratch = args.scratch;
  const int32_t x0 = args.tile_x * kTileWidth, y0 = args.tile_y * kTileHeight;
  const float x_last = static_cast<float>(std::min(x0 + kTileWidth, args.grid.width) - 1);
  const float y_last = static_cast<float>(std::min(y0 + kTileHeight, args.grid.height) - 1);
  Batch batch = {};
  Discs discs;
  Boxes boxes;
  for (int i = 0; i < kBatch; ++i) batch.radius[i] = splat.radius_all;
  Stretch rest{0, 0};
  const Stretch* next = args.list;
  for (int64_t first = 0; first < args.num_points; first += kBatch) {
    const int num = static_cast<int>(std::min<int64_t>(kBatch, args.num_points - first));
    for (int i = 0; i < num;) {
      if (rest.num == 0) rest = *next++;
      const int taken = static_cast<int>(std::min<uint32_t>(rest.num, static_cast<uint32_t>(std::min(num - i, kLanes))));
      split_points(splat.xyz, rest.first, taken, splat.num_points, batch.x + i, batch.y + i, batch.z + i);
      if (splat.radius) copy_stretch(splat.radius, rest.first, taken, splat.num_points, batch.radius + i);
      for (uint32_t k = 0; k < kLanes; ++k) scratch.index[first + i + k] = rest.first + k;
      rest.first += static_cast<uint32_t>(taken);
      rest.num -= static_cast<uint32_t>(taken);
      i += taken;
    }
    project_batch(args.splat->cameras[args.first_view], batch, discs);
    box_discs(discs, static_cast<float>(x0), x_last, static_cast<float>(y0), y_last, boxes);
    uint32_t* blocks = scratch.blocks + first;
    for (int i = 0; i < kBatch; ++i) {
      const auto column = [=](int32_t x) { return static_cast<uint32_t>(x - x0) / kBlock % kBlocksX; };
      const auto row = [=](int32_t y) { return static_cast<uint32_t>(y - y0) / kBlock % kBlocksY; };
      blocks[i] = blocks_between(column(boxes.x0[i]), column(boxes.x1[i]), row(boxes.y0[i]), row(boxes.y1[i]));
    }
    for (int i = 0; i < kBatch; i += kLanes) {
      const f32x16 radius_px = load<f32x16>(discs.radius_px + i), z = load<f32x16>(discs.z + i);
      store_interleaved(load<f32x16>(discs.u + i), load<f32x16>(discs.v + i), 1.0f / (radius_px * radius_px), z,
                        &scratch.points[first + i].u);
      store(scratch.inv_z + first + i, 1.0f / z);
      store(scratch.depth + first + i, z);
    }
  }
}

// Whether features are summed from the caller's array: wide ones, unless they would have to be converted by arithmetic each
// time.
C3D_INLINE bool reads_in_place(const SplatPointsArgs& splat) {
#ifdef C3D_AVX512
  return !is_narrow(splat);
#else
  return !is_narrow(splat) && splat.feat_type == FeatType::kFloat32;
#endif
}

// Asks for the points of a part of the worker's next tile: while blocks are drawn, memory has nothing else to do. Rows of
// features that are read in place are asked for when a block hits them (prefetch_row), which is too late for long ones.
C3D_INLINE void prefetch_next(const TileArgs& args, int64_t part, int64_t num_parts) {
  constexpr int32_t kLongRow = 64;  // channels
  const SplatPointsArgs& splat = *args.splat;
  const int64_t feat_bytes = splat.num_channels * (splat.feat_type == FeatType::kFloat32 ? 4 : 2);
  const auto ask = [](const void* array, int64_t item_bytes, const Stretch& points) __attribute__((always_inline)) {
    const uintptr_t begin = reinterpret_cast<uintptr_t>(array) + points.first * static_cast<uintptr_t>(item_bytes);
    const uintptr_t end = begin + points.num * static_cast<uintptr_t>(item_bytes);
    for (uintptr_t at = begin / kLineBytes * kLineBytes; at < end; at += kLineBytes)
      __builtin_prefetch(reinterpret_cast<const void*>(at), 0, 3);
  };
  for (int64_t i = args.num_next * part / num_parts; i < args.num_next * (part + 1) / num_parts; ++i) {
    ask(splat.xyz, 3 * sizeof(float), args.next_list[i]);
    if (!reads_in_place(splat) || splat.num_channels > kLongRow) ask(splat.feat, feat_bytes, args.next_list[i]);
    if (splat.radius) ask(splat.radius, sizeof(float), args.next_list[i]);
  }
}

template <typename T>
C3D_INLINE void load_row(const T* feat, int32_t num_channels, float* row) {
  int32_t c = 0;
  constexpr int32_t kStep = static_cast<int32_t>(sizeof(RowVector) / sizeof(float));
  for (; c + kStep <= num_channels; c += kStep) store(row + c, load_feat<RowVector>(feat + c));
  for (; c + 4 <= num_channels; c += 4) store(row + c, load_feat<f32x4>(feat + c));
  for (; c < num_channels; ++c) {
    T four[4] = {feat[c]};
    row[c] = load_feat<f32x4>(four)[0];
  }
  for (; c < row_stride(num_channels); ++c) row[c] = 0.0f;  // summed too, and then dropped
}

// Copies the tile's features to rows of floats, each converted once.
template <typename T>
C3D_INLINE void copy_rows(const TileArgs& args) {
  const T* feat = static_cast<const T*>(args.splat->feat);
  const int64_t num_channels = args.splat->num_channels, stride = row_stride(args.splat->num_channels);
  float* row = args.scratch.rows;
  for (int64_t i = 0; i < args.num_stretches; ++i) {
    const Stretch points = args.list[i];
    if (std::is_same_v<T, float> && num_channels == kNarrow) {
      copy_stretch(reinterpret_cast<const float*>(feat), int64_t{kNarrow} * points.first, int64_t{kNarrow} * points.num,
                   args.splat->num_points * kNarrow, row);
    } else {
      for (int64_t k = 0; k < points.num; ++k)
        load_row(feat + (points.first + k) * num_channels, static_cast<int32_t>(num_channels), row + k * stride);
    }
    row += points.num * stride;
  }
}

// Rows are read in place unless reading a last one sixteen at a time would leave the array.
C3D_INLINE Rows load_rows(const TileArgs& args) {
  const SplatPointsArgs& splat = *args.splat;
  if (reads_in_place(splat) && args.num_points > 0) {
    const int64_t behind = splat.num_points - 1 - args.scratch.index[args.num_points - 1];
    if (behind * splat.num_channels >= kLanes) return {splat.feat, splat.feat_type, splat.num_channels, args.scratch.index};
  }
  switch (splat.feat_type) {
    case FeatType::kFloat32: copy_rows<float>(args); break;
    case FeatType::kFloat16: copy_rows<Half>(args); break;
    case FeatType::kBFloat16: copy_rows<BFloat16>(args); break;
  }
  return {args.scratch.rows, FeatType::kFloat32, row_stride(splat.num_channels), nullptr};
}

// Sorts by two digits of the keys, of kDigit bits from first_shift on, stably; writes their places, the bits of place_mask.
// Both digits are counted in one pass: the first sort does not change how often the second one's values occur.
template <int kDigit, typename Key>
C3D_INLINE void sort_two_digits(Key* keys, Key* swap, int64_t n, int first_shift, Key place_mask, uint32_t* order) {
  constexpr uint32_t kValues = 1u << kDigit;
  uint32_t low[kValues] = {}, high[kValues] = {};
  const auto digit = [=](Key key, int at) {
    return static_cast<uint32_t>(key >> (first_shift + kDigit * at)) & (kValues - 1);
  };
  for (int64_t i = 0; i < n; ++i) {
    ++low[digit(keys[i], 0)];
    ++high[digit(keys[i], 1)];
  }
  for (uint32_t v = 0, low_sum = 0, high_sum = 0; v < kValues; ++v) {
    const uint32_t in_low = low[v], in_high = high[v];
    low[v] = low_sum, high[v] = high_sum;
    low_sum += in_low, high_sum += in_high;
  }
  for (int64_t i = 0; i < n; ++i) swap[low[digit(keys[i], 0)]++] = keys[i];
  for (int64_t i = 0; i < n; ++i) order[high[digit(swap[i], 1)]++] = static_cast<uint32_t>(swap[i] & place_mask);
}

// Sorts by (z, place in the list), and places ascend like point indices. Positive floats order like their bits.
C3D_INLINE void sort_by_depth(const TileArgs& args) {
  const TileScratch& scratch = args.scratch;
  const uint32_t* depth = scratch.depth;
  uint32_t* order = scratch.order;
  const int64_t n = args.num_points;
  uint32_t least = ~0u, most = 0;
  for (int64_t i = 0; i < n; ++i) {
    least = depth[i] < least ? depth[i] : least;
    most = depth[i] > most ? depth[i] : most;
  }
  if (n == 0) return;
  // The leading bits of the depths' range, two digits of them, and the place make a key. Then what these bits left in the
  // list's order is repaired.
  const int range_bits = 32 - __builtin_clz((most - least) | 1);
  const auto sort = [&](auto* keys, auto* swap, auto kDigit, int place_bits) __attribute__((always_inline)) {
    using Key = std::remove_reference_t<decltype(*keys)>;
    const int drop = std::max(range_bits - 2 * kDigit, 0);
    for (int64_t i = 0; i < n; ++i) keys[i] = static_cast<Key>((depth[i] - least) >> drop) << place_bits | static_cast<Key>(i);
    sort_two_digits<kDigit>(keys, swap, n, place_bits, static_cast<Key>((Key{1} << place_bits) - 1), order);
    return drop;
  };
  const int drop = n <= 65536 ? sort(reinterpret_cast<uint32_t*>(scratch.keys), reinterpret_cast<uint32_t*>(scratch.keys_swap),
                                     std::integral_constant<int, 8>{}, 16)
                              : sort(scratch.keys, scratch.keys_swap, std::integral_constant<int, 11>{}, 32);
  if (drop == 0) return;
  const auto nearer = [=](uint32_t a, uint32_t b) { return depth[a] != depth[b] ? depth[a] < depth[b] : a < b; };
  const auto key = [=](int64_t i) { return (depth[order[i]] - least) >> drop; };
  uint32_t before = depth[order[0]];
  for (int64_t i = 1; i < n; ++i) {
    const uint32_t here = depth[order[i]];
    if (here < before) {
      int64_t begin = i - 1, end = i + 1;
      while (begin > 0 && key(begin - 1) == key(i)) --begin;
      while (end < n && key(end) == key(i)) ++end;
      std::sort(order + begin, order + end, nearer);
      i = end - 1;
    }
    before = depth[order[i]];
  }
}

// Consecutive places of a tile's list.
struct Places {
  uint32_t first, count;
};

C3D_INLINE Places hidden_places(const TileArgs& args, int32_t view) {
  if (!args.splat->hidden) return {0, 0};
  const int64_t* hidden = args.splat->hidden + 2 * view;
  const uint32_t *begin = args.scratch.index, *end = begin + args.num_points;
  const uint32_t* first = std::lower_bound(begin, end, hidden[0]);
  const uint32_t* last = std::lower_bound(first, end, hidden[1]);
  return {static_cast<uint32_t>(first - begin), static_cast<uint32_t>(last - first)};
}

#ifdef C3D_AVX512
constexpr int kTogether = 16;
typedef i32x16 Words;

// Writes the places where `words` have a bit, one after the other, and returns how many: `to` has room for all.
C3D_INLINE int append_with_bit(Words words, int bit, Words places, uint32_t* to) {
  const __mmask16 has =
      _mm512_test_epi32_mask(reinterpret_cast<__m512i>(words), _mm512_set1_epi32(static_cast<int>(1u << bit)));
  const __m512i chosen = _mm512_maskz_compress_epi32(has, reinterpret_cast<__m512i>(places));
  const int num = __builtin_popcount(has);
  std::memcpy(to, &chosen, sizeof chosen / 2);
  if (num > 8) _mm512_storeu_si512(to, chosen);  // rare; a whole vector mostly lies on two cache lines
  return num;
}
#elif defined(C3D_AVX2)
constexpr int kTogether = 8;
typedef i32x8 Words;

// Row m: the places of the bits of m, ascending.
struct BitPlaces {
  uint8_t of[256][8];
  constexpr BitPlaces() : of() {
    for (int mask = 0; mask < 256; ++mask)
      for (int bit = 0, num = 0; bit < 8; ++bit)
        if (mask >> bit & 1) of[mask][num++] = static_cast<uint8_t>(bit);
  }
};
constexpr BitPlaces kBitPlaces;

C3D_INLINE int append_with_bit(Words words, int bit, Words places, uint32_t* to) {
  const __m256i at_sign = _mm256_sll_epi32(reinterpret_cast<__m256i>(words), _mm_cvtsi32_si128(31 - bit));
  const int has = _mm256_movemask_ps(_mm256_castsi256_ps(at_sign));
  const __m256i from = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kBitPlaces.of[has])));
  store(to, _mm256_permutevar8x32_epi32(reinterpret_cast<__m256i>(places), from));
  return __builtin_popcount(static_cast<uint32_t>(has));
}
#endif

// Appends the points [begin, end) of the draw order, without those hidden, to the lists of the blocks that they may touch.
C3D_INLINE void share_out(const TileArgs& args, int64_t begin, int64_t end, Places hidden, int32_t* num_listed) {
  const TileScratch& scratch = args.scratch;
  const int32_t num = static_cast<int32_t>(end - begin);
  const uint32_t* order = scratch.order + begin;
  uint32_t blocks[kChunk + 16];
  uint32_t* ends[kBlocks];
  for (int block = 0; block < kBlocks; ++block) ends[block] = scratch.lists + block * kListStride;
  for (int32_t j = 0; j < num; ++j) blocks[j] = scratch.blocks[order[j]];
  if (hidden.count > 0)
    for (int32_t j = 0; j < num; ++j) blocks[j] = order[j] - hidden.first < hidden.count ? 0 : blocks[j];
#if defined(C3D_AVX512) || defined(C3D_AVX2)
  for (int32_t j = num; j < (num + kTogether - 1) / kTogether * kTogether; ++j) blocks[j] = 0;
  // Several points at a time. Near in depth is mostly near in the picture: they touch few of the blocks.
  for (int32_t j = 0; j < num; j += kTogether) {
    const Words touched = load<Words>(blocks + j), places = load<Words>(order + j);
    for (uint32_t left = bits_of_all(touched); left; left &= left - 1) {
      const int block = __builtin_ctz(left);
      ends[block] += append_with_bit(touched, block, places, ends[block]);
    }
  }
#else
  for (int32_t j = 0; j < num; ++j)
    for (uint32_t touch = blocks[j]; touch; touch &= touch - 1) *ends[__builtin_ctz(touch)]++ = order[j];
#endif
  for (int block = 0; block < kBlocks; ++block)
    num_listed[block] = static_cast<int32_t>(ends[block] - (scratch.lists + block * kListStride));
}

// Where a block lies in the picture.
struct BlockPlace {
  int32_t x0, y0, width, height;  // px; width and height 0..kBlock
  int64_t pixel;  // index of its first, over all views

  // A product: GCC would make one load of two comparisons, and wait until both numbers, just written, have left for the cache.
  C3D_INLINE bool is_full() const { return width * height == kLanes; }
};

C3D_INLINE BlockPlace place_of(const TileArgs& args, int32_t view, int block) {
  const int32_t x0 = args.tile_x * kTileWidth + block % kBlocksX * kBlock;
  const int32_t y0 = args.tile_y * kTileHeight + block / kBlocksX * kBlock;
  return {x0, y0, std::min(kBlock, std::max(args.grid.width - x0, 0)), std::min(kBlock, std::max(args.grid.height - y0, 0)),
          (static_cast<int64_t>(view) * args.grid.height + y0) * args.grid.width + x0};
}

// Sets one by one: a state that is made as a whole is cleared in memory.
C3D_INLINE void start_block(const TileArgs& args, const BlockPlace& place, BlockState& state) {
  state.through = all_lanes(1.0f);
  state.z_end = state.sum_w = state.sum_cover = state.sum_opaque = f32x16{};
  state.count = i32x16{};
  state.num_hits = state.num_closings = 0;
  if (place.is_full()) return;
  // Pixels beyond the picture take nothing and hold no walk open.
  int32_t count[kLanes];
  for (int l = 0; l < kLanes; ++l)
    count[l] = l % kBlock >= place.width || l / kBlock >= place.height ? args.splat->max_points : 0;
  state.count = load<i32x16>(count);
}

// q = d^2 / r^2 of a point at the centres of a block's pixels.
struct BlockCentres {
  f32x16 x, y;  // px
  C3D_INLINE f32x16 q_of(const TilePoint& point) const {
    const f32x16 dx = x - point.u, dy = y - point.v;
    return (dx * dx + dy * dy) * point.inv_r2;
  }
};

C3D_INLINE BlockCentres centres_of(const BlockPlace& place) {
  constexpr float kColumns[] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
  constexpr float kRows[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
  return {load<f32x16>(kColumns) + (static_cast<float>(place.x0) + 0.5f),
          load<f32x16>(kRows) + (static_cast<float>(place.y0) + 0.5f)};
}

// What the current surface hides, and what turns its weights into weights in the pixel.
struct SurfaceScale {
  f32x16 hides, scale;
};

template <bool kIsSoft>
C3D_INLINE SurfaceScale surface_scale(const BlockState& state) {
  const f32x16 cover = select(less(state.sum_cover, all_lanes(1.0f)), state.sum_cover, all_lanes(1.0f));
  const Lanes seen = less(f32x16{}, state.sum_w);
  const f32x16 scale = select(seen, state.through * cover / state.sum_w, f32x16{});
  if (!kIsSoft) return {cover, scale};
  return {select(seen, cover * (state.sum_opaque / state.sum_w), cover), scale};
}

// The sum of the hits' weights within the current surface.
template <bool kIsSoft>
C3D_INLINE f32x16 weight_of(const BlockState& state) {
  return kIsSoft ? state.sum_opaque : state.sum_w;
}

// A hit farther than the current surface's end closes it, if there is one, and opens the next. Calls on_close(lanes, scale)
// for lanes whose surface closes. Returns the hits' weights within their surface.
template <bool kIsSoft, typename OnClose>
C3D_INLINE f32x16 add_to_surfaces(BlockState& state, const TilePoint& point, float opacity, f32x16 q, Lanes& hit, float reach,
                                  int32_t max_points, bool keep_hidden, const OnClose& on_close) {
  const Lanes opens = hit & less(state.z_end, all_lanes(point.z));
  if (any(opens)) {
    const Lanes closes = but_not(opens, less(state.count, 1));
    if (any(closes)) {
      const SurfaceScale closing = surface_scale<kIsSoft>(state);
      on_close(closes, closing.scale);
      state.through = select(closes, state.through * (1.0f - closing.hides), state.through);
      state.sum_w = select(closes, f32x16{}, state.sum_w);
      if (kIsSoft) state.sum_opaque = select(closes, f32x16{}, state.sum_opaque);
      state.sum_cover = select(closes, f32x16{}, state.sum_cover);
      if (!keep_hidden) {
        const Lanes covered = but_not(closes, less(f32x16{}, state.through));
        state.count = select(covered, i32x16{} + max_points, state.count);
        hit = but_not(hit, covered);
      }
    }
    state.z_end = select(opens, all_lanes(point.z * reach), state.z_end);
  }
  const f32x16 weight = select(hit, surface_weight(q), f32x16{}), cover = surface_coverage(q);
  state.sum_w += weight;
  state.sum_cover += select(hit, cover, f32x16{});
  if (!kIsSoft) return weight;
  state.sum_opaque += weight * opacity;
  return weight * opacity;
}

C3D_INLINE f32x16 add_to_alpha(BlockState& state, float opacity, f32x16 q, Lanes hit) {
  const f32x16 weight = select(hit, alpha_weight(q) * opacity * state.through, f32x16{});
  state.through -= weight;
  return weight;
}

C3D_INLINE void store_block(const f32x16& values, const BlockPlace& place, int64_t width, float* plane) {
  float* first = plane + place.pixel;
  if (place.is_full()) {
    for (int y = 0; y < kBlock; ++y) store(first + y * width, quarter(values, y));
    return;
  }
  for (int32_t y = 0; y < place.height; ++y)
    for (int32_t x = 0; x < place.width; ++x) first[y * width + x] = values[y * kBlock + x];
}

// --- Up to kNarrow channels: everything is summed while the hits are found ---

C3D_INLINE void write_narrow(const TileArgs& args, const BlockPlace& place, const Sums& sums) {
  const int64_t width = args.grid.width, num_channels = args.splat->num_channels;
  store_block(sums.weight, place, width, args.splat->alpha_out);
  store_block(sums.disp, place, width, args.splat->disp_out);
  float* feat = args.splat->feat_out + place.pixel * num_channels;
  if (num_channels == 4 && place.is_full()) {
    float rows[kBlock][4 * kBlock];
    store_interleaved(sums.feat[0], sums.feat[1], sums.feat[2], sums.feat[3], rows[0]);
    for (int y = 0; y < kBlock; ++y) std::memcpy(feat + y * width * 4, rows[y], sizeof rows[y]);
    return;
  }
  for (int32_t y = 0; y < place.height; ++y)
    for (int32_t x = 0; x < place.width; ++x)
      for (int64_t c = 0; c < num_channels; ++c) feat[(y * width + x) * num_channels + c] = sums.feat[c][y * kBlock + x];
}

C3D_INLINE void clear(Sums& sums) {
  sums.weight = sums.disp = f32x16{};
  for (f32x16& feat : sums.feat) feat = f32x16{};
}

// kIsWhole: the list is the block's first and last, as in the common tile, and nothing is kept in memory for a next one.
template <bool kIsSurface, bool kIsSoft, bool kIsWhole>
C3D_INLINE void draw_narrow(const TileArgs& args, const BlockPlace& place, int block, const uint32_t* list, int32_t num_listed,
                            bool is_first, bool is_last) {
  const TileScratch& scratch = args.scratch;
  BlockState state;
  Sums sums, front;  // of the current surface, and of those in front
  if (kIsWhole || is_first) {
    start_block(args, place, state);
    clear(sums);
    if (kIsSurface) clear(front);
  } else {
    state = load<BlockState>(scratch.states + block * kStateBytes);
    sums = load<Sums>(scratch.sums + 2 * block * kSumsBytes);
    if (kIsSurface) front = load<Sums>(scratch.sums + (2 * block + 1) * kSumsBytes);
  }
  const int32_t max_points = args.splat->max_points;
  const float reach = 1.0f + args.splat->depth_tolerance;
  const BlockCentres centres = centres_of(place);
  const TilePoint* points = scratch.points;
  const float *inv_z = scratch.inv_z, *rows = scratch.rows;
  for (int32_t j = 0; j < num_listed; ++j) {
    if ((j & 7) == 7 && !any(less(state.count, max_points))) break;
    const int64_t at = list[j];
    const TilePoint& point = points[at];
    const float opacity = kIsSoft ? scratch.opacity[at] : 1.0f;
    const f32x16 q = centres.q_of(point);
    const Lanes covers = less(q, all_lanes(1.0f));
    Lanes hit = covers & less(state.count, max_points);
    f32x16 weight;
    if (kIsSurface) {
      weight = add_to_surfaces<kIsSoft>(
          state, point, opacity, q, hit, reach, max_points,
          false, [&](Lanes closes, f32x16 scale) __attribute__((always_inline)) {
            front.weight = multiply_add(closes, front.weight, scale, weight_of<kIsSoft>(state));
            front.disp = multiply_add(closes, front.disp, scale, sums.disp);
            sums.disp = select(closes, f32x16{}, sums.disp);
            for (int c = 0; c < kNarrow; ++c) {
              front.feat[c] = multiply_add(closes, front.feat[c], scale, sums.feat[c]);
              sums.feat[c] = select(closes, f32x16{}, sums.feat[c]);
            }
          });
    } else {
      weight = add_to_alpha(state, opacity, q, hit);
      sums.weight += weight;
    }
    state.count = count_in(covers, state.count);
    sums.disp = multiply_add(sums.disp, weight, all_lanes(inv_z[at]));
    for (int c = 0; c < kNarrow; ++c)
      sums.feat[c] = multiply_add(hit, sums.feat[c], weight, all_lanes(rows[kNarrow * at + c]));
  }
  if (!kIsWhole && !is_last) {
    store(scratch.states + block * kStateBytes, state);
    store(scratch.sums + 2 * block * kSumsBytes, sums);
    if (kIsSurface) store(scratch.sums + (2 * block + 1) * kSumsBytes, front);
    return;
  }
  if (kIsSurface) {
    const f32x16 scale = surface_scale<kIsSoft>(state).scale;
    const Lanes seen = less(f32x16{}, scale);
    sums.weight = front.weight + scale * weight_of<kIsSoft>(state);
    sums.disp = front.disp + scale * sums.disp;
    for (int c = 0; c < kNarrow; ++c) sums.feat[c] = multiply_add(seen, front.feat[c], scale, sums.feat[c]);
  }
  write_narrow(args, place, sums);
}

// --- Any number of channels: first each block's hits and their weights, then each pixel's features by its own hits ---

// Asks for the lines that a row of a block's sums will be written to.
C3D_INLINE void prefetch_sums(const TileArgs& args, const BlockPlace& place, int32_t y) {
  if (y >= place.height || place.width == 0) return;
  const int64_t pixel_bytes = args.splat->num_channels * static_cast<int64_t>(sizeof(float));
  const char* row = reinterpret_cast<const char*>(args.splat->feat_out) +
                    (place.pixel + static_cast<int64_t>(y) * args.grid.width) * pixel_bytes;
  for (int64_t at = 0; at < place.width * pixel_bytes; at += kLineBytes) __builtin_prefetch(row + at, 1, 3);
  __builtin_prefetch(row + place.width * pixel_bytes - 1, 1, 3);
}

// Asks for a row of features.
C3D_INLINE void prefetch_row(const char* row, int64_t num_bytes) {
  constexpr int64_t kShort = 3 * kLineBytes;  // most rows are no longer; unrolled
  for (int64_t at = 0; at < kShort; at += kLineBytes) __builtin_prefetch(row + at, 0, 3);
  for (int64_t at = kShort; at < num_bytes; at += kLineBytes) __builtin_prefetch(row + at, 0, 3);
  __builtin_prefetch(row + num_bytes - 1, 0, 3);  // rows seldom begin on a line: the end may lie on one more
}

template <bool kIsSurface, bool kIsSoft>
C3D_INLINE void collect_hits(const TileArgs& args, const Rows& rows, const BlockPlace& place, BlockState& state,
                             const uint32_t* list, int32_t num_listed, const BlockHits& hits) {
  const int32_t max_points = args.splat->max_points;
  const float reach = 1.0f + args.splat->depth_tolerance;
  const BlockCentres centres = centres_of(place);
  const int64_t row_bytes = rows.stride * (rows.type == FeatType::kFloat32 ? 4 : 2);
  int32_t n = state.num_hits;
  i32x16 lanes = n & 31 ? hits.lanes[n / 32] : i32x16{};
  for (int32_t j = 0; j < num_listed; ++j) {
    const TilePoint& point = args.scratch.points[list[j]];
    const f32x16 q = centres.q_of(point);
    const Lanes covers = less(q, all_lanes(1.0f));
    Lanes hit = covers & less(state.count, max_points);
    if (!any(hit)) {
      if (!any(less(state.count, max_points))) break;
      continue;
    }
    const float opacity = kIsSoft ? args.scratch.opacity[list[j]] : 1.0f;
    if (kIsSurface) {
      hits.weight[n] = add_to_surfaces<kIsSoft>(
          state, point, opacity, q, hit, reach, max_points,
          args.splat->idx_out != nullptr, [&](Lanes closes, f32x16 scale) __attribute__((always_inline)) {
            hits.closing_scale[state.num_closings] = select(closes, scale, all_lanes(-1.0f));
            hits.closing_at[state.num_closings++] = n;
          });
      if (!any(hit)) continue;
    } else {
      hits.weight[n] = add_to_alpha(state, opacity, q, hit);
    }
    state.count = count_in(covers, state.count);
    hits.place[n] = list[j];
    hits.row[n] = rows.number ? rows.number[list[j]] : list[j];
    if (rows.number) prefetch_row(static_cast<const char*>(rows.first) + hits.row[n] * row_bytes, row_bytes);
    lanes = select(hit, lanes | 1 << (n & 31), lanes);
    if ((n & 31) == 31) {
      hits.lanes[n / 32] = lanes;
      lanes = i32x16{};
    }
    ++n;
  }
  if (n & 31) hits.lanes[n / 32] = lanes;
  state.num_hits = n;
}

// Turns weights within surfaces into weights in the pixel, from the last hit on.
template <bool kIsSoft>
C3D_INLINE void scale_surfaces(const BlockHits& hits, const BlockState& state) {
  f32x16 scale = surface_scale<kIsSoft>(state).scale;
  int32_t k = state.num_hits;
  for (int32_t i = state.num_closings - 1; i >= 0; --i) {
    for (; k > hits.closing_at[i]; --k) hits.weight[k - 1] *= scale;
    const f32x16 closing = hits.closing_scale[i];
    scale = select(less(closing, f32x16{}), scale, closing);
  }
  for (; k > 0; --k) hits.weight[k - 1] *= scale;
}

// The first n of a vector's values.
template <typename V>
C3D_INLINE void store_first(float* to, const V& values, int32_t n) {
  constexpr int32_t kSize = static_cast<int32_t>(sizeof(V) / sizeof(float));
#ifdef C3D_AVX512
  if constexpr (kSize == 16)
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1u), reinterpret_cast<__m512>(values));
  else
    _mm256_mask_storeu_ps(to, static_cast<__mmask8>((1u << n) - 1u), reinterpret_cast<__m256>(values));
#else
  if (n >= kSize) {
    store(to, values);
  } else if constexpr (kSize == 4) {
    if (n & 2) store(to, __builtin_shufflevector(values, values, 0, 1));
    if (n & 1) to[n - 1] = n & 2 ? values[2] : values[0];
  } else {
    const auto [low, high] = halves(values);
    store_first(to, low, std::min(n, kSize / 2));
    if (n > kSize / 2) store_first(to + kSize / 2, high, n - kSize / 2);
  }
#endif
}

// kVectors * 16 + kTail features of a pixel, of which the last may lie beyond num_channels: a row is padded, a pixel is not.
template <int kVectors, int kTail>
C3D_INLINE void store_pixel(const f32x16* sums, const f32x8& tail, int32_t num_channels, float* out) {
  for (int v = 0; v < kVectors; ++v) {
    if (16 * (v + 1) <= num_channels)
      store(out + 16 * v, sums[v]);
    else
      store_first(out + 16 * v, sums[v], num_channels - 16 * v);
  }
  if (kTail) store_first(out + 16 * kVectors, tail, std::min(num_channels - 16 * kVectors, 8));
}

// A block whose hits are known, with their weights in the pixel; none where hits.weight is nullptr.
struct HitBlock {
  BlockPlace place;
  BlockHits hits;
  int32_t num_hits;
  int32_t part;  // of HitsMemory
  BlockPlace next_place;  // of the block that is summed after this one, empty where there is none
};

// Sums the features of the hits of one pixel.
template <int kVectors, int kTail, typename T>
C3D_INLINE void sum_pixel(const HitBlock& block, int lane, const T* rows, int64_t stride, int32_t num_channels, float* out) {
  const BlockHits& hits = block.hits;
  f32x16 sums[kVectors + 1];  // cleared one by one: as a whole they would be cleared in memory
  for (int v = 0; v < kVectors; ++v) sums[v] = f32x16{};
  f32x8 tail = {};
  const float* weights = reinterpret_cast<const float*>(hits.weight) + lane;
  for (int32_t word = 0; word * 32 < block.num_hits; ++word) {
    uint32_t bits = static_cast<uint32_t>(reinterpret_cast<const int32_t*>(hits.lanes + word)[lane]);
    for (; bits; bits &= bits - 1) {
      const int32_t k = word * 32 + __builtin_ctz(bits);
      const float weight = weights[k * kLanes];
      const T* row = rows + static_cast<int64_t>(hits.row[k]) * stride;
      for (int v = 0; v < kVectors; ++v) sums[v] = multiply_add(sums[v], all_lanes(weight), load_feat<f32x16>(row + 16 * v));
      if (kTail) tail = multiply_add(tail, weight, load_feat<f32x8>(row + 16 * kVectors));
    }
  }
  store_pixel<kVectors, kTail>(sums, tail, num_channels, out);
}

// The same for 2x2 pixels from `lane` on, whose sums begin at the four `out`: a row that is loaded once serves all of them,
// with weight 0 where it hits one and not another. False, and nothing is written, where a sum is no finite number: such a
// feature, times 0, would have spoilt the pixels beside it.
template <int kVectors, int kTail, typename T>
C3D_INLINE bool sum_quad(const HitBlock& block, int lane, const T* rows, int64_t stride, int32_t num_channels,
                         float* const* out) {
  const BlockHits& hits = block.hits;
  constexpr int kLaneOf[] = {0, 1, kBlock, kBlock + 1};
  f32x16 sums[4][kVectors + 1], tails[2] = {};  // tails of two pixels in a vector
  for (int p = 0; p < 4; ++p)
    for (int v = 0; v < kVectors; ++v) sums[p][v] = f32x16{};
  const float* weights = reinterpret_cast<const float*>(hits.weight) + lane;
  for (int32_t word = 0; word * 32 < block.num_hits; ++word) {
    const uint32_t* of_pixel = reinterpret_cast<const uint32_t*>(hits.lanes + word) + lane;
    uint32_t bits = of_pixel[0] | of_pixel[1] | of_pixel[kBlock] | of_pixel[kBlock + 1];
    for (; bits; bits &= bits - 1) {
      const int32_t k = word * 32 + __builtin_ctz(bits);
      const float* weight = weights + k * kLanes;
      const T* row = rows + static_cast<int64_t>(hits.row[k]) * stride;
      for (int v = 0; v < kVectors; ++v) {
        const f32x16 feat = load_feat<f32x16>(row + 16 * v);
        for (int p = 0; p < 4; ++p) sums[p][v] = multiply_add(sums[p][v], all_lanes(weight[kLaneOf[p]]), feat);
      }
      if (kTail) {
        const f32x8 feat = load_feat<f32x8>(row + 16 * kVectors);
        for (int p = 0; p < 4; p += 2)
          tails[p / 2] =
              multiply_add(tails[p / 2], half_lanes(weight[kLaneOf[p]], weight[kLaneOf[p + 1]]), joined(feat, feat));
      }
    }
  }
  f32x16 total = tails[0] + tails[1];
  for (int v = 0; v < kVectors; ++v) total += (sums[0][v] + sums[1][v]) + (sums[2][v] + sums[3][v]);
  const Lanes every = less(f32x16{}, all_lanes(1.0f)), finite = less(total - total, all_lanes(1.0f));
  if (any(but_not(every, finite))) return false;
  for (int p = 0; p < 4; ++p)
    store_pixel<kVectors, kTail>(sums[p], p % 2 ? halves(tails[p / 2]).hi : halves(tails[p / 2]).lo, num_channels, out[p]);
  return true;
}

// kVectors * 16 + kTail channels of a block, from `rows` on; `out`: of its first pixel. Between the pixels it asks for the
// lines of the block that comes next: all at once, they would wait for each other.
template <int kVectors, int kTail, typename T>
C3D_INLINE void sum_channels(const TileArgs& args, const HitBlock& block, const T* rows, int64_t stride, int32_t num_channels,
                             float* out) {
  const BlockPlace& place = block.place;
  const int64_t right = args.splat->num_channels, down = right * args.grid.width;
  for (int32_t y = 0; y < place.height; y += 2)
    for (int32_t x = 0; x < place.width; x += 2) {
      if (num_channels == args.splat->num_channels) prefetch_sums(args, block.next_place, y + x / 2);  // once a block
      float* first = out + y * down + x * right;
      float* const of_pixel[] = {first, first + right, first + down, first + down + right};
      const int lane = y * kBlock + x;
      if (16 * kVectors + kTail <= kQuadChannels && y + 1 < place.height && x + 1 < place.width &&
          sum_quad<kVectors, kTail>(block, lane, rows, stride, num_channels, of_pixel))
        continue;
      for (int32_t p = 0; p < 4; ++p)
        if (y + p / 2 < place.height && x + p % 2 < place.width)
          sum_pixel<kVectors, kTail>(block, lane + p / 2 * kBlock + p % 2, rows, stride, num_channels, of_pixel[p]);
    }
}

// Finds the shape of the channels that are summed at a time, kEighths times eight at most.
template <int kEighths, typename T>
C3D_INLINE void sum_shape(int32_t eighths, const TileArgs& args, const HitBlock& block, const T* rows, int64_t stride,
                          int32_t num_channels, float* out) {
  if constexpr (kEighths > 0) {
    if (eighths == kEighths)
      sum_channels<kEighths / 2, kEighths % 2 * 8>(args, block, rows, stride, num_channels, out);
    else
      sum_shape<kEighths - 1>(eighths, args, block, rows, stride, num_channels, out);
  }
}

template <typename T>
C3D_INLINE void sum_pixels(const TileArgs& args, const Rows& rows, const HitBlock& block) {
  const int32_t num_channels = args.splat->num_channels, eighths = (num_channels + 7) / 8;
  float* out = args.splat->feat_out + block.place.pixel * num_channels;
  constexpr int32_t kStep = 8;
  for (int32_t done = 0; done < eighths; done += kStep) {
    const int32_t c = 8 * done;
    sum_shape<kStep>(std::min(eighths - done, kStep), args, block, static_cast<const T*>(rows.first) + c, rows.stride,
                     num_channels - c, out + c);
  }
}

static void write_wide(const TileArgs& args, const Rows& rows, const HitBlock& block) {
  const SplatPointsArgs& splat = *args.splat;
  const BlockPlace& place = block.place;
  const BlockHits& hits = block.hits;
  // Two chains: an addition waits for the one before it in its own. So the last bit may depend on what hits the other pixels.
  f32x16 alpha = {}, disp = {}, odd_alpha = {}, odd_disp = {};
  const auto add = [&](int32_t k, f32x16 & weights, f32x16 & disps) __attribute__((always_inline)) {
    weights += hits.weight[k];
    disps = multiply_add(disps, hits.weight[k], all_lanes(args.scratch.inv_z[hits.place[k]]));
  };
  const int32_t num_pairs = block.num_hits / 2;
  for (int32_t pair = 0; pair < num_pairs; ++pair) {
    add(2 * pair, alpha, disp);
    add(2 * pair + 1, odd_alpha, odd_disp);
  }
  if (block.num_hits > 2 * num_pairs) add(block.num_hits - 1, alpha, disp);
  store_block(alpha + odd_alpha, place, args.grid.width, splat.alpha_out);
  store_block(disp + odd_disp, place, args.grid.width, splat.disp_out);
  for (int32_t y = 0; splat.idx_out && y < place.height; ++y)
    for (int32_t x = 0; x < place.width; ++x) {
      int32_t* idx = splat.idx_out + (place.pixel + static_cast<int64_t>(y) * args.grid.width + x) * splat.max_points;
      int32_t count = 0;
      for (int32_t k = 0; k < block.num_hits; ++k)
        if (reinterpret_cast<const uint32_t*>(hits.lanes + k / 32)[y * kBlock + x] >> (k & 31) & 1)
          idx[count++] = static_cast<int32_t>(args.scratch.index[hits.place[k]]);
      std::fill(idx + count, idx + splat.max_points, -1);
    }
  switch (rows.type) {
    case FeatType::kFloat32: sum_pixels<float>(args, rows, block); break;
#ifdef C3D_AVX512
    case FeatType::kFloat16: sum_pixels<Half>(args, rows, block); break;
    case FeatType::kBFloat16: sum_pixels<BFloat16>(args, rows, block); break;
#else
    default: break;  // load_rows made floats of them
#endif
  }
}

// Draws a block's next points, of a list that is its first, its last, or both. A wide one then waits to be summed until the
// next one's hits are collected: meanwhile its rows, which its hits asked for, are on their way. Not inlined: registers are
// few.
template <bool kIsSurface, bool kIsSoft>
__attribute__((noinline)) static void draw_block(const TileArgs& args, const Rows& rows, int32_t view, int block,
                                                 const uint32_t* list, int32_t num_listed, bool is_first, bool is_last,
                                                 HitBlock& waiting) {
  const TileScratch& scratch = args.scratch;
  const BlockPlace place = place_of(args, view, block);
  if (is_narrow(*args.splat)) {
    if (is_first && is_last)
      draw_narrow<kIsSurface, kIsSoft, true>(args, place, block, list, num_listed, true, true);
    else
      draw_narrow<kIsSurface, kIsSoft, false>(args, place, block, list, num_listed, is_first, is_last);
    return;
  }
  const int32_t part = scratch.in_turns ? 1 - waiting.part : block;
  const BlockHits hits = hits_of(*args.splat, scratch, part);
  BlockState state;
  if (is_first)
    start_block(args, place, state);
  else
    state = load<BlockState>(scratch.states + block * kStateBytes);
  collect_hits<kIsSurface, kIsSoft>(args, rows, place, state, list, num_listed, hits);
  if (!is_last) {
    store(scratch.states + block * kStateBytes, state);
    return;
  }
  if (kIsSurface) scale_surfaces<kIsSoft>(hits, state);
  waiting.next_place = place;
  if (waiting.hits.weight) write_wide(args, rows, waiting);
  waiting = {place, hits, state.num_hits, part, {}};
}

// Draws the given blocks of one view; `soft`: those that a point may touch which is not opaque.
template <bool kIsSurface>
C3D_INLINE void draw_blocks(const TileArgs& args, const Rows& rows, int32_t view, Places hidden, uint32_t blocks,
                            uint32_t soft) {
  const TileScratch& scratch = args.scratch;
  for (int64_t begin = 0;;) {
    const int64_t end = std::min<int64_t>(begin + kChunk, args.num_points);
    const bool is_first = begin == 0, is_last = end == args.num_points;
    int32_t num_listed[kBlocks];
    share_out(args, begin, end, hidden, num_listed);
    bool is_open = false;
    HitBlock waiting = {};
    for (uint32_t left = blocks; left; left &= left - 1) {
      const int block = __builtin_ctz(left);
      if (is_first && view == args.first_view) prefetch_next(args, block, kBlocks);
      const uint32_t* list = scratch.lists + block * kListStride;
      if (soft >> block & 1)
        draw_block<kIsSurface, true>(args, rows, view, block, list, num_listed[block], is_first, is_last, waiting);
      else
        draw_block<kIsSurface, false>(args, rows, view, block, list, num_listed[block], is_first, is_last, waiting);
      is_open = is_open ||
                (!is_last && any(less(load<BlockState>(scratch.states + block * kStateBytes).count, args.splat->max_points)));
    }
    if (waiting.hits.weight) write_wide(args, rows, waiting);
    if (is_last) return;
    begin = is_open ? end : args.num_points;  // closed blocks are only written
  }
}

template <typename T>
C3D_INLINE void copy_block(const TileArgs& args, const BlockPlace& from, const BlockPlace& to, int64_t per_pixel, T* data) {
  for (int32_t y = 0; y < from.height; ++y) {
    const int64_t row = static_cast<int64_t>(y) * args.grid.width;
    std::memcpy(data + (to.pixel + row) * per_pixel, data + (from.pixel + row) * per_pixel,
                sizeof(T) * static_cast<size_t>(from.width * per_pixel));
  }
}

// The views see the same in most blocks: those are drawn for the first view and copied to the others.
template <bool kIsSurface>
C3D_INLINE void draw_tile(const TileArgs& args, const Rows& rows, uint32_t soft) {
  const SplatPointsArgs& splat = *args.splat;
  uint32_t differ = 0;
  for (int32_t view = args.first_view; view < args.first_view + args.num_views; ++view) {
    const Places hidden = hidden_places(args, view);
    for (uint32_t i = hidden.first; i < hidden.first + hidden.count; ++i) differ |= args.scratch.blocks[i];
  }
  for (int32_t view = args.first_view; view < args.first_view + args.num_views; ++view) {
    const uint32_t drawn = view == args.first_view ? ~0u : differ;
    if (drawn) draw_blocks<kIsSurface>(args, rows, view, hidden_places(args, view), drawn, soft);
    for (uint32_t left = ~drawn; left; left &= left - 1) {
      const int block = __builtin_ctz(left);
      const BlockPlace from = place_of(args, args.first_view, block), to = place_of(args, view, block);
      copy_block(args, from, to, splat.num_channels, splat.feat_out);
      copy_block(args, from, to, 1, splat.alpha_out);
      copy_block(args, from, to, 1, splat.disp_out);
      if (splat.idx_out) copy_block(args, from, to, splat.max_points, splat.idx_out);
    }
  }
}

// Returns the blocks that a point may touch which is not opaque.
C3D_INLINE uint32_t load_opacities(const TileArgs& args) {
  uint32_t soft = 0;
  for (int64_t i = 0; args.splat->opacity && i < args.num_points; ++i) {
    const float opacity = args.scratch.opacity[i] = args.splat->opacity[args.scratch.index[i]];
    soft |= opacity != 1.0f ? args.scratch.blocks[i] : 0;
  }
  return soft;
}

static void render_tile(const TileArgs& args) {
  prepare_points(args);
  const Rows rows = load_rows(args);
  sort_by_depth(args);
  const uint32_t soft = load_opacities(args);
  if (args.splat->compositor == Compositor::kSurface)
    draw_tile<true>(args, rows, soft);
  else
    draw_tile<false>(args, rows, soft);
}
