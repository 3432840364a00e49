// A block of 4x4 pixels, a lane a pixel: where it lies, and what a hit does to its pixels.
// Included by splat_simd.h, once for each instruction set.

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

C3D_INLINE BlockPlace part_of_block(const BlockPlace& place, int part, int64_t picture_width) {
  const int32_t down = part * kPartRows;
  return {place.x0, place.y0 + down, place.width, std::min(kPartRows, std::max(place.height - down, 0)),
          place.pixel + down * picture_width};
}

C3D_INLINE bool is_full_part(const BlockPlace& place) { return place.width * place.height == kPartLanes; }

// Sums of weights, and of features and 1/z by weight.
struct Sums {
  PartVector weight, disp, feat[kNarrow];
};

// What the hits so far leave behind in each pixel (lane) of a block.
struct BlockState {
  SurfaceWalk<f32x16> walk;  // kAlpha: its `through` alone
  i32x16 count;  // of what covers: from max_points on, nothing more is taken, and no comparison waits for the one before
  int32_t num_hits, num_closings;
};

static_assert(sizeof(f32x16) == kVectorBytes && sizeof(BlockState) <= kStateBytes);

// Pixels beyond the picture take nothing and hold no walk open.
template <typename V>
C3D_INLINE V start_counts(const TileArgs& args, const BlockPlace& place) {
  int32_t count[sizeof(V) / sizeof(int32_t)];
  for (int l = 0; l < static_cast<int>(sizeof(V) / sizeof(int32_t)); ++l)
    count[l] = l % kBlock >= place.width || l / kBlock >= place.height ? args.splat->max_points : 0;
  return load<V>(count);
}

// Sets one by one: a state that is made as a whole is cleared in memory.
C3D_INLINE void start_block(const TileArgs& args, const BlockPlace& place, BlockState& state) {
  state.walk.start();
  state.count = place.is_full() ? i32x16{} : start_counts<i32x16>(args, place);
  state.num_hits = state.num_closings = 0;
}

// q = d^2 / r^2 of a point at the centres of a block's pixels.
template <typename V>
struct Centres {
  V x, y;  // px
  C3D_INLINE V q_of(const TilePoint& point) const { return disc_q(x - point.u, y - point.v, point.inv_r2); }
};

template <typename V>
C3D_INLINE Centres<V> centres_of(const BlockPlace& place) {
  constexpr float kColumns[] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
  constexpr float kRows[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
  return {load<V>(kColumns) + (static_cast<float>(place.x0) + 0.5f), load<V>(kRows) + (static_cast<float>(place.y0) + 0.5f)};
}

// Adds a hit at `q` to the lanes of `hit`, and takes those out that are covered before it. Calls on_close(lanes, scale) where
// a surface closes, and then on_cover(lanes) where nothing behind it is seen, unless hidden hits are kept. Returns the hit's
// weights within their surfaces. One branch, seldom taken: near a block's front nearly every hit opens a surface somewhere;
// and what closes takes those of the lanes `early` along that the next points would close one by one.
template <bool kIsSoft, typename V, typename Mask, typename OnClose, typename OnCover>
C3D_INLINE V add_to_surfaces(SurfaceWalk<V>& walk, const TilePoint& point, float opacity, const V& q, Mask& hit,
                             const Mask& early, float reach, bool keep_hidden, const OnClose& on_close,
                             const OnCover& on_cover) {
  const V z = all_lanes<V>(point.z);
  const Mask ends = walk.ends_before(z), opens = hit & ends;
  if (any(opens & walk.has_surface())) {
    const Mask closes = ends & walk.has_surface() & (hit | early);
    const SurfaceShare<V> share = walk.template share<kIsSoft>();
    on_close(closes, share.scale);
    walk.template close<kIsSoft>(closes, share);
    if (!keep_hidden) {
      const Mask covered = but_not(closes, less(V{}, walk.through));
      on_cover(covered);
      hit = but_not(hit, covered);
    }
  }
  walk.open(opens, z, reach);
  return walk.template add<kIsSoft>(hit, q, opacity);
}

template <typename V>
C3D_INLINE void store_block(const V& values, const BlockPlace& place, int64_t width, float* plane) {
  constexpr int kNum = sizeof(V) / sizeof(float);
  float* first = plane + place.pixel;
  if (place.width * place.height == kNum) {
    for (int y = 0; y < kNum / kBlock; ++y) store(first + y * width, quad_of(values, y));
    return;
  }
  float of_pixel[kNum];
  store(of_pixel, values);
  for (int32_t y = 0; y < place.height; ++y)
    for (int32_t x = 0; x < place.width; ++x) first[y * width + x] = of_pixel[y * kBlock + x];
}
