// The hits of a block of any number of channels and their weights in its pixels, near to far.
// Included by splat_simd.h, once for each instruction set.

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
  const Lanes every = less(f32x16{}, all_lanes(1.0f));
  const Centres<f32x16> centres = centres_of<f32x16>(place);
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
          state.walk, point, opacity, q, hit, every, reach, args.splat->idx_out != nullptr,
          [&](const Lanes& closes, const f32x16& scale) C3D_LAMBDA {
            hits.closing_scale[state.num_closings] = select(closes, scale, all_lanes(-1.0f));
            hits.closing_at[state.num_closings++] = n;
          },
          [&](const Lanes& covered) C3D_LAMBDA { state.count = select(covered, i32x16{} + max_points, state.count); });
      if (!any(hit)) continue;
    } else {
      hits.weight[n] = composite_alpha(hit, q, opacity, state.walk.through);
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
  f32x16 scale = state.walk.share<kIsSoft>().scale;
  int32_t k = state.num_hits;
  for (int32_t i = state.num_closings - 1; i >= 0; --i) {
    for (; k > hits.closing_at[i]; --k) hits.weight[k - 1] *= scale;
    const f32x16 closing = hits.closing_scale[i];
    scale = select(less(closing, f32x16{}), scale, closing);
  }
  for (; k > 0; --k) hits.weight[k - 1] *= scale;
}
