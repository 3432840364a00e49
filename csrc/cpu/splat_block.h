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

// What the hits so far leave behind in each pixel (lane) of a block.
struct BlockState {
  f32x16 through;  // what the hits (kSurface: the surfaces) in front let through
  f32x16 z_end, sum_w, sum_cover;  // kSurface: of the current surface
  f32x16 sum_opaque;  // kSurface, where a point is soft: of its weights times opacities
  i32x16 count;  // of what covers: from max_points on, nothing more is taken, and no comparison waits for the one before
  int32_t num_hits, num_closings;
};

static_assert(sizeof(f32x16) == kVectorBytes && sizeof(BlockState) <= kStateBytes);

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
