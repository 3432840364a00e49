// splat_points on the CPU, compiled for each instruction set by each_target.h: bins points into tiles, and draws a tile. A
// tile's points are sorted by depth and shared out to its blocks of 4x4 pixels; each block's points are walked near to far,
// all its pixels at once.

#include "lanes.h"
#include "splat_bin.h"
#include "splat_block.h"
#include "splat_compose.h"
#include "splat_features.h"
#include "splat_hits.h"
#include "splat_narrow.h"
#include "splat_share.h"
#include "splat_sort.h"
#include "splat_wide.h"

// Draws a block's next points, of a list that is its first, its last, or both. A wide one then waits to be summed until the
// next one's hits are collected: meanwhile its rows, which its hits asked for, are on their way. Not inlined: registers are
// few.
template <bool kIsSurface, bool kIsSoft>
__attribute__((noinline)) static void draw_block(const TileArgs& args, const Rows& rows, int32_t view, int block,
                                                 const uint32_t* list, int32_t num_listed, bool is_first, bool is_last,
                                                 bool is_shared, HitBlock& waiting) {
  const TileScratch& scratch = args.scratch;
  const BlockPlace place = place_of(args, view, block);
  if (is_narrow(*args.splat)) {
    draw_parts<kIsSurface, kIsSoft>(args, {place, view - args.first_view, block, 0, list, num_listed, is_first, is_last},
                                    !(kIsSurface && args.frame && is_shared));
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

// Whether any pixel of a block whose state is kept takes more points.
C3D_INLINE bool takes_more(const TileArgs& args, int block) {
  const int32_t max_points = args.splat->max_points;
  const char* states = args.scratch.states;
  if (!is_narrow(*args.splat)) return any(less(load<BlockState>(states + block * kStateBytes).count, max_points));
  for (int part = 0; part < kParts; ++part)
    if (any(less(load<PartState>(kept_part(args, block, part) + offsetof(KeptPart, state)).count, max_points))) return true;
  return false;
}

// Draws the given blocks of one view; `differ`: those that not all views see alike; `soft`: those that a point may touch which
// is not opaque.
template <bool kIsSurface>
C3D_INLINE void draw_blocks(const TileArgs& args, const Rows& rows, int32_t view, Places hidden, uint32_t blocks,
                            uint32_t differ, uint32_t soft) {
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
      const auto draw = soft >> block & 1 ? draw_block<kIsSurface, true> : draw_block<kIsSurface, false>;
      draw(args, rows, view, block, list, num_listed[block], is_first, is_last, !(differ >> block & 1), waiting);
      is_open = is_open || (!is_last && takes_more(args, block));
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

// The views see the same in most blocks: those are drawn for the first view and copied to the others, or composed of it alone.
template <bool kIsSurface>
C3D_INLINE void draw_tile(const TileArgs& args, const Rows& rows, uint32_t soft) {
  const SplatPointsArgs& splat = *args.splat;
  uint32_t differ = 0;
  for (int32_t view = args.first_view; args.num_views > 1 && view < args.first_view + args.num_views; ++view) {
    const Places hidden = hidden_places(args, view);
    for (uint32_t i = hidden.first; i < hidden.first + hidden.count; ++i) differ |= args.scratch.blocks[i];
  }
  for (int32_t view = args.first_view; view < args.first_view + args.num_views; ++view) {
    const uint32_t drawn = view == args.first_view ? ~0u : differ;
    if (drawn) draw_blocks<kIsSurface>(args, rows, view, hidden_places(args, view), drawn, differ, soft);
    if (args.frame) continue;
    for (uint32_t left = ~drawn; left; left &= left - 1) {
      const int block = __builtin_ctz(left);
      const BlockPlace from = place_of(args, args.first_view, block), to = place_of(args, view, block);
      copy_block(args, from, to, splat.num_channels, splat.feat_out);
      copy_block(args, from, to, 1, splat.alpha_out);
      copy_block(args, from, to, 1, splat.disp_out);
      if (splat.idx_out) copy_block(args, from, to, splat.max_points, splat.idx_out);
    }
  }
  if (args.frame) compose_tile(args, differ);
}

static void render_tile(const TileArgs& args) {
  const uint32_t soft = prepare_points(args);
  const Rows rows = load_rows(args);
  sort_by_depth(args);
  if (args.splat->compositor == Compositor::kSurface)
    draw_tile<true>(args, rows, soft);
  else
    draw_tile<false>(args, rows, soft);
}
