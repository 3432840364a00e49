// Binning: points in the picture, the tiles that a run of them may touch, and the blocks that those of one tile may touch.
// Included by splat_simd.h, once for each instruction set.

// A part of a block is what a register holds: all of it, or its upper or lower half. A disc of radius 1.5 px touches a third
// more of halves than of blocks, with two thirds of the lanes.
#ifdef C3D_AVX512
typedef f32x16 PartVector;
typedef i32x16 PartCounts;
typedef Lanes PartLanes;
#else
typedef f32x8 PartVector;
typedef i32x8 PartCounts;
typedef HalfLanes PartLanes;
#endif
constexpr int kPartLanes = sizeof(PartVector) / sizeof(float), kParts = kLanes / kPartLanes, kPartRows = kBlock / kParts;

// Discs of consecutive points as arrays, and what they may touch.
struct Discs {
  float u[kBatch], v[kBatch], z[kBatch], radius_px[kBatch];
};

struct Boxes {  // PixelBox as arrays
  int32_t x0[kBatch], x1[kBatch], y0[kBatch], y1[kBatch];
};

C3D_INLINE void box_discs(const Discs& discs, float x_first, float x_last, float y_first, float y_last, Boxes& boxes) {
  for (int i = 0; i < kBatch; ++i) {
    const PixelBox box = pixel_box({discs.u[i], discs.v[i], discs.z[i], discs.radius_px[i]}, x_first, x_last, y_first, y_last);
    boxes.x0[i] = box.x0;
    boxes.x1[i] = box.x1;
    boxes.y0[i] = box.y0;
    boxes.y1[i] = box.y1;
  }
}

// Points as arrays, with room for what is written sixteen at a time.
struct Batch {
  float x[kBatch + kLanes], y[kBatch + kLanes], z[kBatch + kLanes], radius[kBatch + kLanes];
};

C3D_INLINE void project_batch(const Camera& camera_in, RadiusUnit unit, const Batch& batch, Discs& discs) {
  const Camera camera = camera_in;  // a copy: nothing that is written here can be its memory
  for (int i = 0; i < kBatch; ++i) {
    const Disc disc = project_disc(camera, batch.x[i], batch.y[i], batch.z[i], batch.radius[i], unit);
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
  const f32x16 ab_x = shuffle<0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0>(a, b);
  const f32x16 ab_y = shuffle<1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 0, 0, 0, 0, 0>(a, b);
  const f32x16 ab_z = shuffle<2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0, 0, 0, 0, 0, 0>(a, b);
  store(x, shuffle<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29>(ab_x, c));
  store(y, shuffle<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 21, 24, 27, 30>(ab_y, c));
  store(z, shuffle<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31>(ab_z, c));
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
    project_batch(*args.camera, splat.radius_unit, batch, discs);
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

// The tile's points in the picture, and which blocks they may touch. Returns those that one may touch which is not opaque.
C3D_INLINE uint32_t prepare_points(const TileArgs& args) {
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
  uint32_t soft = 0;
  for (int64_t first = 0; first < args.num_points; first += kBatch) {
    const int num = static_cast<int>(std::min<int64_t>(kBatch, args.num_points - first));
    for (int i = 0; i < num;) {
      if (rest.num == 0) rest = *next++;
      const int taken = static_cast<int>(std::min<uint32_t>(rest.num, static_cast<uint32_t>(std::min(num - i, kLanes))));
      split_points(splat.xyz, rest.first, taken, splat.num_points, batch.x + i, batch.y + i, batch.z + i);
      if (splat.radius) copy_stretch(splat.radius, rest.first, taken, splat.num_points, batch.radius + i);
      if (splat.opacity) copy_stretch(splat.opacity, rest.first, taken, splat.num_points, scratch.opacity + first + i);
      for (uint32_t k = 0; k < kLanes; ++k) scratch.index[first + i + k] = rest.first + k;
      rest.first += static_cast<uint32_t>(taken);
      rest.num -= static_cast<uint32_t>(taken);
      i += taken;
    }
    project_batch(splat.cameras[args.first_view], splat.radius_unit, batch, discs);
    box_discs(discs, static_cast<float>(x0), x_last, static_cast<float>(y0), y_last, boxes);
    uint32_t* blocks = scratch.blocks + first;
    for (int i = 0; i < kBatch; ++i) {
      const auto column = [=](int32_t x) { return static_cast<uint32_t>(x - x0) / kBlock % kBlocksX; };
      const auto row = [=](int32_t y) { return static_cast<uint32_t>(y - y0) / kBlock % kBlocksY; };
      blocks[i] = blocks_between(column(boxes.x0[i]), column(boxes.x1[i]), row(boxes.y0[i]), row(boxes.y1[i]));
    }
    if constexpr (kParts > 1)
      for (int i = 0; i < kBatch; ++i) {
        const auto half = [=](int32_t y) { return static_cast<uint32_t>(y - y0) / kPartRows % (kTileHeight / kPartRows); };
        scratch.halves[first + i] = static_cast<uint8_t>((2u << half(boxes.y1[i])) - (1u << half(boxes.y0[i])));
      }
    if (splat.opacity)
      for (int i = 0; i < num; ++i) soft |= scratch.opacity[first + i] != 1.0f ? blocks[i] : 0;
    for (int i = 0; i < kBatch; i += kLanes) {
      const f32x16 radius_px = load<f32x16>(discs.radius_px + i), z = load<f32x16>(discs.z + i);
      store_interleaved(load<f32x16>(discs.u + i), load<f32x16>(discs.v + i), inverse_square(radius_px), z,
                        &scratch.points[first + i].u);
      store(scratch.inv_z + first + i, 1.0f / z);
      store(scratch.depth + first + i, z);
    }
  }
  return soft;
}
