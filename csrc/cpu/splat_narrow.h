// Blocks of up to kNarrow channels: everything is summed while the hits are found.
// Included by splat_simd.h, once for each instruction set.

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

// A block's points at hand.
struct NarrowBlock {
  BlockPlace place;
  int32_t side;  // view, counted from the tile's first
  int block;
  const uint32_t* list;
  int32_t num_listed;
  bool is_first, is_last;
};

// kIsWhole: the list is the block's first and last, as in the common tile, and nothing is kept in memory for a next one.
// kIsFew: whole, and no more points than a pixel takes, so that nobody counts them. kIsWeighed: against another side, for
// which a frame needs 1/z and the last feature.
template <bool kIsSurface, bool kIsSoft, bool kIsWhole, bool kIsFew, bool kIsWeighed>
C3D_INLINE void draw_narrow(const TileArgs& args, const NarrowBlock& narrow) {
  constexpr int kSummed = kIsWeighed ? kNarrow : kNarrow - 1;
  const auto& [place, side, block, list, num_listed, is_first, is_last] = narrow;
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
  Lanes open = less(state.count, max_points);  // that take more
  for (int32_t j = 0; j < num_listed; ++j) {
    if ((j & 7) == 7 && !any(open)) break;
    const int64_t at = list[j];
    const TilePoint& point = points[at];
    const float opacity = kIsSoft ? scratch.opacity[at] : 1.0f;
    const f32x16 q = centres.q_of(point);
    const Lanes covers = less(q, all_lanes(1.0f));
    Lanes hit = covers & open;
    f32x16 weight;
    if (kIsSurface) {
      weight = add_to_surfaces<kIsSoft>(
          state.walk, point, opacity, q, hit, reach, false,
          [&](const Lanes& closes, const f32x16& scale) C3D_LAMBDA {
            front.weight = multiply_add(closes, front.weight, scale, state.walk.sum<kIsSoft>());
            if (kIsWeighed) {
              front.disp = multiply_add(closes, front.disp, scale, sums.disp);
              sums.disp = select(closes, f32x16{}, sums.disp);
            }
            for (int c = 0; c < kSummed; ++c) {
              front.feat[c] = multiply_add(closes, front.feat[c], scale, sums.feat[c]);
              sums.feat[c] = select(closes, f32x16{}, sums.feat[c]);
            }
          },
          [&](const Lanes& covered) C3D_LAMBDA {
            if (kIsFew)
              open = but_not(open, covered);
            else
              state.count = select(covered, i32x16{} + max_points, state.count);
          });
    } else {
      weight = composite_alpha(hit, q, opacity, state.walk.through);
      sums.weight += weight;
    }
    if (!kIsFew) {
      state.count = count_in(covers, state.count);
      open = less(state.count, max_points);
    }
    if (kIsWeighed) sums.disp = multiply_add(sums.disp, weight, all_lanes(inv_z[at]));
    for (int c = 0; c < kSummed; ++c)
      sums.feat[c] = multiply_add(hit, sums.feat[c], weight, all_lanes(rows[kNarrow * at + c]));
  }
  if (!kIsWhole && !is_last) {
    store(scratch.states + block * kStateBytes, state);
    store(scratch.sums + 2 * block * kSumsBytes, sums);
    if (kIsSurface) store(scratch.sums + (2 * block + 1) * kSumsBytes, front);
    return;
  }
  if (kIsSurface) {
    const f32x16 scale = state.walk.share<kIsSoft>().scale;
    const Lanes seen = less(f32x16{}, scale);
    sums.weight = front.weight + scale * state.walk.sum<kIsSoft>();
    if (kIsWeighed) sums.disp = front.disp + scale * sums.disp;
    for (int c = 0; c < kSummed; ++c) sums.feat[c] = multiply_add(seen, front.feat[c], scale, sums.feat[c]);
  }
  if (args.frame)
    keep_side(sums, block, side_planes(args, side));
  else
    write_narrow(args, place, sums);
}
