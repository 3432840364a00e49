// Blocks of up to kNarrow channels: everything is summed while the hits are found.
// Included by splat_simd.h, once for each instruction set.

// What the hits so far leave behind in each pixel of a part.
struct PartState {
  SurfaceWalk<PartVector> walk;  // kAlpha: its `through` alone
  PartCounts count;  // as in BlockState
};

// Where it is kept between two lists: with the sums of the current surface, and of those in front.
struct KeptPart {
  PartState state;
  Sums sums, front;
};

static_assert(kParts * sizeof(KeptPart) <= kNarrowStateBytes);

C3D_INLINE char* kept_part(const TileArgs& args, int block, int part) {
  return args.scratch.states + block * kNarrowStateBytes + part * static_cast<int64_t>(sizeof(KeptPart));
}

C3D_INLINE void start_part(const TileArgs& args, const BlockPlace& place, PartState& state) {
  state.walk.start();
  state.count = is_full_part(place) ? PartCounts{} : start_counts<PartCounts>(args, place);
}

C3D_INLINE void clear(Sums& sums) {
  sums.weight = sums.disp = PartVector{};
  for (PartVector& feat : sums.feat) feat = PartVector{};
}

C3D_INLINE void write_narrow(const TileArgs& args, const BlockPlace& place, const Sums& sums) {
  const int64_t width = args.grid.width, num_channels = args.splat->num_channels;
  store_block(sums.weight, place, width, args.splat->alpha_out);
  store_block(sums.disp, place, width, args.splat->disp_out);
  float* feat = args.splat->feat_out + place.pixel * num_channels;
  if (num_channels == 4 && is_full_part(place)) {
    float rows[kPartRows][4 * kBlock];
    store_interleaved(sums.feat[0], sums.feat[1], sums.feat[2], sums.feat[3], rows[0]);
    for (int y = 0; y < kPartRows; ++y) std::memcpy(feat + y * width * 4, rows[y], sizeof rows[y]);
    return;
  }
  for (int32_t y = 0; y < place.height; ++y)
    for (int32_t x = 0; x < place.width; ++x)
      for (int64_t c = 0; c < num_channels; ++c) feat[(y * width + x) * num_channels + c] = sums.feat[c][y * kBlock + x];
}

// A part's points at hand.
struct NarrowPart {
  BlockPlace place;
  int32_t side;  // view, counted from the tile's first
  int block, part;
  const uint32_t* list;
  int32_t num_listed;
  bool is_first, is_last;
};

// kIsWhole: the list is the part's first and last, as in the common tile, and nothing is kept in memory for a next one.
// kIsFew: whole, and no more points than a pixel takes, so that nobody counts them. kIsWeighed: against another side, for
// which a frame needs 1/z and the last feature.
template <bool kIsSurface, bool kIsSoft, bool kIsWhole, bool kIsFew, bool kIsWeighed>
C3D_INLINE void draw_narrow(const TileArgs& args, const NarrowPart& narrow) {
  constexpr int kSummed = kIsWeighed ? kNarrow : kNarrow - 1;
  const auto& [place, side, block, part, list, num_listed, is_first, is_last] = narrow;
  const TileScratch& scratch = args.scratch;
  char* const kept = kept_part(args, block, part);
  PartState state;
  Sums sums, front;  // of the current surface, and of those in front
  if (kIsWhole || is_first) {
    start_part(args, place, state);
    clear(sums);
    if (kIsSurface) clear(front);
  } else {
    state = load<PartState>(kept + offsetof(KeptPart, state));
    sums = load<Sums>(kept + offsetof(KeptPart, sums));
    if (kIsSurface) front = load<Sums>(kept + offsetof(KeptPart, front));
  }
  SurfaceWalk<PartVector>& walk = state.walk;
  PartCounts& count = state.count;
  const int32_t max_points = args.splat->max_points;
  const float reach = 1.0f + args.splat->depth_tolerance;
  const Centres<PartVector> centres = centres_of<PartVector>(place);
  const TilePoint* points = scratch.points;
  const float *inv_z = scratch.inv_z, *rows = scratch.rows;
  PartLanes open = less(count, max_points);  // that take more
  // In which no surface has closed yet. There it has the same bits whether it closes now or in the end, where it is not added
  // to others by multiply_add.
  PartLanes unclosed = kIsWhole ? open : PartLanes{};
  const auto sum = [&](int64_t at, const PartLanes& hit, const PartVector& weight) C3D_LAMBDA {
    if (kIsWeighed) sums.disp = multiply_add(sums.disp, weight, all_lanes<PartVector>(inv_z[at]));
    for (int c = 0; c < kSummed; ++c)
      sums.feat[c] = multiply_add(hit, sums.feat[c], weight, all_lanes<PartVector>(rows[kNarrow * at + c]));
  };
  int32_t j = 0;
  if (kIsSurface && kIsWhole && num_listed > 0) {
    // Up to where the surface of the nearest point ends none closes, and if that is everywhere, where surfaces end is not
    // asked.
    const float end = points[list[0]].z * reach;
    const int32_t most = kIsFew ? num_listed : std::min(num_listed, max_points);
    const auto add_front = [&](bool is_all) C3D_LAMBDA {
      for (; j < most && (is_all || points[narrow.list[j]].z <= end); ++j) {
        const int64_t at = narrow.list[j];
        const PartVector q = centres.q_of(points[at]);
        const PartLanes covers = less(q, all_lanes<PartVector>(1.0f)), hit = covers & open;
        if (!is_all) {
          const PartVector z = all_lanes<PartVector>(points[at].z);
          walk.open(hit & walk.ends_before(z), z, reach);
        }
        if (!kIsFew) count = count_in(covers, count);
        sum(at, hit, walk.template add<kIsSoft>(hit, q, kIsSoft ? scratch.opacity[at] : 1.0f));
      }
    };
    if (most == num_listed && points[list[most - 1]].z <= end)
      add_front(true);
    else
      add_front(false);
    if (!kIsFew) open = less(count, max_points);
  }
  bool is_open = any(open);
  for (; j < num_listed && is_open; ++j) {
    if (!kIsFew && (j & 7) == 7 && !any(open)) break;
    const int64_t at = list[j];
    const TilePoint& point = points[at];
    const float opacity = kIsSoft ? scratch.opacity[at] : 1.0f;
    const PartVector q = centres.q_of(point);
    const PartLanes covers = less(q, all_lanes<PartVector>(1.0f));
    PartLanes hit = covers & open;
    PartVector weight;
    if (kIsSurface) {
      weight = add_to_surfaces<kIsSoft>(
          walk, point, opacity, q, hit, unclosed, reach, false,
          [&](const PartLanes& closes, const PartVector& scale) C3D_LAMBDA {
            unclosed = but_not(unclosed, closes);
            front.weight = multiply_add(closes, front.weight, scale, walk.template sum<kIsSoft>());
            if (kIsWeighed) {
              front.disp = multiply_add(closes, front.disp, scale, sums.disp);
              sums.disp = select(closes, PartVector{}, sums.disp);
            }
            for (int c = 0; c < kSummed; ++c) {
              front.feat[c] = multiply_add(closes, front.feat[c], scale, sums.feat[c]);
              sums.feat[c] = select(closes, PartVector{}, sums.feat[c]);
            }
          },
          [&](const PartLanes& covered) C3D_LAMBDA {
            open = but_not(open, covered);
            is_open = any(open);
            if (!kIsFew) count = select(covered, PartCounts{} + max_points, count);
          });
    } else {
      weight = composite_alpha(hit, q, opacity, walk.through);
      sums.weight += weight;
    }
    if (!kIsFew) {
      count = count_in(covers, count);
      open = less(count, max_points);
    }
    sum(at, hit, weight);
  }
  if (!kIsWhole && !is_last) {
    store(kept + offsetof(KeptPart, state), state);
    store(kept + offsetof(KeptPart, sums), sums);
    if (kIsSurface) store(kept + offsetof(KeptPart, front), front);
    return;
  }
  if (kIsSurface) {
    const PartVector scale = walk.template share<kIsSoft>().scale;
    const PartLanes seen = less(PartVector{}, scale);
    sums.weight = front.weight + scale * walk.template sum<kIsSoft>();
    if (kIsWeighed) sums.disp = front.disp + scale * sums.disp;
    for (int c = 0; c < kSummed; ++c) sums.feat[c] = multiply_add(seen, front.feat[c], scale, sums.feat[c]);
  }
  if (args.frame)
    keep_side(sums, block, part, side_planes(args, side));
  else
    write_narrow(args, place, sums);
}

// The places of a block's points, by the part that they may touch.
struct PartLists {
  uint32_t places[2][kChunk];
  int32_t num[2];
};

// Writes each place to both lists, where it stays if the next one does not take its room: no branch to guess.
C3D_INLINE void split_list(const TileArgs& args, int block, const uint32_t* list, int32_t num_listed, PartLists& lists) {
  const uint8_t* halves = args.scratch.halves;
  const int upper = block / kBlocksX * 2;
  int32_t num[2] = {};
  for (int32_t j = 0; j < num_listed; ++j) {
    const uint32_t at = list[j], touched = static_cast<uint32_t>(halves[at]) >> upper;
    lists.places[0][num[0]] = lists.places[1][num[1]] = at;
    num[0] += touched & 1, num[1] += touched >> 1 & 1;
  }
  lists.num[0] = num[0], lists.num[1] = num[1];
}

template <bool kIsSurface, bool kIsSoft>
C3D_INLINE void draw_part(const TileArgs& args, const NarrowPart& part, bool is_weighed) {
  const bool is_few = part.num_listed <= args.splat->max_points;
  if (!part.is_first || !part.is_last)
    draw_narrow<kIsSurface, kIsSoft, false, false, true>(args, part);
  else if (is_few && !is_weighed)
    draw_narrow<kIsSurface, kIsSoft, true, true, false>(args, part);
  else if (is_few)
    draw_narrow<kIsSurface, kIsSoft, true, true, true>(args, part);
  else if (!is_weighed)
    draw_narrow<kIsSurface, kIsSoft, true, false, false>(args, part);
  else
    draw_narrow<kIsSurface, kIsSoft, true, false, true>(args, part);
}

// Draws a block, which `whole` describes as if it were its one part.
template <bool kIsSurface, bool kIsSoft>
C3D_INLINE void draw_parts(const TileArgs& args, const NarrowPart& whole, bool is_weighed) {
  if constexpr (kParts == 1) {
    draw_part<kIsSurface, kIsSoft>(args, whole, is_weighed);
  } else {
    PartLists lists;
    split_list(args, whole.block, whole.list, whole.num_listed, lists);
    for (int p = 0; p < kParts; ++p) {
      NarrowPart part = whole;
      part.place = part_of_block(whole.place, p, args.grid.width);
      part.part = p, part.list = lists.places[p], part.num_listed = lists.num[p];
      draw_part<kIsSurface, kIsSoft>(args, part, is_weighed);
    }
  }
}
