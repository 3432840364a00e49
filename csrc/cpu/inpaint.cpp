// inpaint_layers on the CPU: exemplar-based filling, coarse to fine. Every hole pixel has a source, a known pixel of the same
// or a farther surface whose surroundings look like its own; the patches around it vote for its colour. At the finest level
// the winner of the vote is copied and blended in by its gradients.
//
// Every pass reads the sources and colours that the pass before left, and random numbers are hashes of (hole pixel, pass): the
// answer does not depend on how the work was shared out. What a pass does to one pixel stands in inpaint_formulas.h.
#include "checks.h"
#include "inpaint_levels.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

using namespace inpaint;

typedef uint8_t u8x8 __attribute__((vector_size(8)));
typedef int16_t i16x8 __attribute__((vector_size(16)));
typedef int32_t i32x8 __attribute__((vector_size(32)));

Known measure_known(const InpaintLayersArgs& args) {
  Known known{INFINITY, -INFINITY, INFINITY, -INFINITY, 0};
  for (int64_t i = 0; i < static_cast<int64_t>(args.width) * args.height; ++i) {
    if (!is_usable(args, i)) continue;
    ++known.num_pixels;
    known.disp_min = std::min(known.disp_min, args.disp[i]);
    known.disp_max = std::max(known.disp_max, args.disp[i]);
    for (int c = 0; c < 3; ++c) {
      known.rgb_min = std::min(known.rgb_min, args.rgb[3 * i + c]);
      known.rgb_max = std::max(known.rgb_max, args.rgb[3 * i + c]);
    }
  }
  return known;
}

// Returns the relaxed values.
template <int kChannels>
const float* relax(const Membrane<kChannels>& m, const Level& level, int num_passes, const Executor& executor) {
  for (int pass = 0; pass < num_passes; ++pass) for_each_hole(level, executor, [&](int32_t i) { relax_value(m, pass, i); });
  return m.value[num_passes & 1];
}

// --- search ------------------------------------------------------------------------------------------------------------

// The surroundings of a hole pixel, widened once for all candidates.
struct Patch {
  i16x8 colour[kSide][3];
  i16x8 disp[kSide];  // against the centre's, in units of kBendShift
  i16x8 weight[kSide];  // confidence; 0 where a nearer surface stands
  int32_t total_weight;
};

C3D_INLINE i16x8 widen(const uint8_t* from) { return __builtin_convertvector(load<u8x8>(from), i16x8); }

C3D_INLINE i16x8 disp_from(const int16_t* from, int16_t centre) {
  return (load<i16x8>(from) >> kBendShift) - static_cast<int16_t>(centre >> kBendShift);
}

C3D_INLINE Patch read_patch(const Level& level, int32_t pixel, int16_t limit) {
  const i16x8 in_patch = {-1, -1, -1, -1, -1, -1, -1, 0};
  Patch patch;
  i16x8 total = {};
  for (int row = 0; row < kSide; ++row) {
    const int32_t q = pixel + (row - kRadius) * level.stride - kRadius;
    for (int c = 0; c < 3; ++c) patch.colour[row][c] = widen(level.colour[c] + q);
    patch.disp[row] = disp_from(level.disp + q, level.disp[pixel]);
    patch.weight[row] = widen(level.confidence + q) & (load<i16x8>(level.disp + q) <= limit) & in_patch;
    total += patch.weight[row];
  }
  patch.total_weight = 0;
  for (int i = 0; i < kSide; ++i) patch.total_weight += total[i];
  return patch;
}

C3D_INLINE int32_t sum_of(i32x8 v) {
  v += __builtin_shuffle(v, i32x8{4, 5, 6, 7, 0, 1, 2, 3});
  v += __builtin_shuffle(v, i32x8{2, 3, 0, 1, 6, 7, 4, 5});
  return v[0] + v[1];
}

C3D_INLINE i32x8 row_difference(const Level& level, const Patch& patch, int32_t source, int16_t limit, int row) {
  const int32_t q = source + (row - kRadius) * level.stride - kRadius;
  const auto step = [&](int c) { return widen(level.colour[c] + q) - patch.colour[row][c]; };
  const i16x8 bend = disp_from(level.disp_known + q, level.disp_known[source]) - patch.disp[row];
  const i16x8 error = pixel_difference(bend, step(0), step(1), step(2));
  const i16x8 counted = load<i16x8>(level.disp_known + q) <= limit ? error : i16x8{} + kMissing;
  return __builtin_convertvector(counted * patch.weight[row], i32x8);
}

C3D_INLINE int32_t add_difference(const Level& level, const Patch& patch, int32_t source, int16_t limit, int32_t cost,
                                  int32_t bound) {
  if (cost >= bound) return cost;
  i32x8 sum = {};
  for (int row : {3, 1, 5}) sum += row_difference(level, patch, source, limit, row);
  if (cost + sum_of(sum) >= bound) return bound;
  for (int row : {0, 2, 4, 6}) sum += row_difference(level, patch, source, limit, row);
  return cost + sum_of(sum);
}

struct SearchArgs {
  const Level* level;
  int32_t begin, end;  // slots
  uint32_t pass;
};

C3D_INLINE void search_body(SearchArgs args) {
  const Level& level = *args.level;
  for (int32_t i = args.begin; i < args.end; ++i) {
    const int16_t limit = level.limit[i];
    const Patch patch = read_patch(level, level.at(level.place[i]), limit);
    search_source(level, args.pass, i, patch.total_weight, [&](int32_t source, int32_t cost, int32_t bound) {
      return add_difference(level, patch, source, limit, cost, bound);
    });
  }
}

C3D_DISPATCH(search_sources, search_body, SearchArgs)

// --- fill --------------------------------------------------------------------------------------------------------------

void vote(const Level& level, const Executor& executor) {
  for_each_hole(level, executor, [&](int32_t i) { vote_colour(level, level.source[0], i); });
}

// Improves the level's sources.
void fill_level(const Level& level, bool is_coarsest, const Executor& executor) {
  vote(level, executor);
  uint32_t pass = 0;
  for (int round = 0; round < (is_coarsest ? kFirstRounds : kRounds); ++round) {
    if (is_coarsest) for_each_hole(level, executor, [&](int32_t i) { peel_pixel(level, round, i); });
    for (int jump = 0; jump < kNumJumps; ++jump, ++pass)
      parallel_ranges(executor, *level.num_holes, kMinPart, [&](int64_t begin, int64_t end) {
        search_sources({&level, static_cast<int32_t>(begin), static_cast<int32_t>(end), pass});
      });
    vote(level, executor);
  }
}

}  // namespace

Status inpaint_layers(const InpaintLayersArgs& args, const Context& context) {
  if (const Status status = check(args); !status.ok()) return status;
  const Status out_of_memory{StatusCode::kOutOfMemory, "inpaint_layers: out of memory for working buffers"};
  const Executor& executor = context.executor;
  const int64_t num_pixels = static_cast<int64_t>(args.width) * args.height;
  std::copy_n(args.rgb, 3 * num_pixels, args.rgb_out);
  std::copy_n(args.disp, num_pixels, args.disp_out);
  if (std::find_if(args.hole, args.hole + num_pixels, [](uint8_t h) { return h != 0; }) == args.hole + num_pixels) return {};
  const Known known = measure_known(args);
  if (known.num_pixels == 0)
    return {StatusCode::kInvalidArgument,
            "inpaint_layers: hole must leave a pixel with finite rgb and finite disp > 0, got none"};

  Memory memory{context.scratch};
  Level levels[kMaxLevels];
  const Level& top = levels[0] = make_level(args.width, args.height, memory);
  if (!memory.ok) return out_of_memory;
  std::atomic<bool> any_clean{false};
  for_each_pixel(top, executor, [&](int32_t x, int32_t y) {
    const Kind kind = top.kind[top.at(x, y)] = kind_of(args, x, y);
    if (kind == Kind::kKnown) any_clean.store(true, std::memory_order_relaxed);
  });
  if (!any_clean)
    for_each_pixel(top, executor, [&](int32_t x, int32_t y) {
      if (is_usable(args, static_cast<int64_t>(y) * args.width + x)) top.kind[top.at(x, y)] = Kind::kKnown;
    });
  list_holes(levels[0], memory);
  const auto depth = allocate_membrane<1>(*top.num_holes, memory);
  if (!memory.ok) return out_of_memory;
  for_each_hole(top, executor, [&](int32_t i) { link_disp(args, top, known, depth, i); });
  const float* smooth = relax(depth, top, kDepthPasses, executor);
  for_each_pixel(top, executor, [&](int32_t x, int32_t y) { quantise_pixel(args, known, smooth, top, x, y); });
  find_nearest(top, executor);

  int num_levels = 1;
  for (int32_t deepest = deepest_of(top); num_levels < kMaxLevels && deepest > kDeepestHole; ++num_levels, deepest /= 2) {
    const Level& fine = levels[num_levels - 1];
    Level& coarse = levels[num_levels];
    if (std::min(fine.width, fine.height) < 2 * kMinSide) break;
    coarse = make_level((fine.width + 1) / 2, (fine.height + 1) / 2, memory);
    if (!memory.ok) return out_of_memory;
    const int32_t tear = tear_steps(args, known);
    for_each_pixel(coarse, executor, [&](int32_t x, int32_t y) { halve_pixel(fine, coarse, tear, x, y); });
    list_holes(coarse, memory);
    if (!memory.ok) return out_of_memory;
    for_each_hole(coarse, executor, [&](int32_t i) { halve_limit(fine, coarse, i); });
    if (*coarse.num_holes == 0 || !find_nearest(coarse, executor)) break;
  }

  fill_level(levels[num_levels - 1], true, executor);
  for (int n = num_levels - 2; n >= 0; --n) {
    for_each_hole(levels[n], executor, [&](int32_t i) { refine_source(levels[n + 1], levels[n], i); });
    fill_level(levels[n], false, executor);
  }

  const auto colour = allocate_membrane<3>(*top.num_holes, memory);
  Place* chosen = memory.get<Place>(*top.num_holes);
  if (!memory.ok) return out_of_memory;
  for_each_hole(top, executor, [&](int32_t i) { chosen[i] = elect(top, top.source[0], i); });
  for_each_hole(top, executor, [&](int32_t i) { link_colour(args, top, chosen, colour, i); });
  const float* blended = relax(colour, top, kColourPasses, executor);
  for_each_hole(top, executor, [&](int32_t i) {
    const int64_t pixel = static_cast<int64_t>(top.place[i].y) * args.width + top.place[i].x;
    if (args.hole[pixel]) write_filled(args, known, smooth, blended, pixel, i);
  });
  return {};
}

}  // namespace c3d::cpu
