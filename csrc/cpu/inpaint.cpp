// inpaint_layers on the CPU: exemplar-based filling, coarse to fine. Every hole pixel has a source, a known pixel of the same
// or a farther surface whose surroundings look like its own; the patches around it vote for its colour. At the finest level
// the winner of the vote is copied and blended in by its gradients.
//
// Every pass reads the sources and colours that the pass before left, and random numbers are hashes of (hole pixel, pass): the
// answer does not depend on how the work was shared out. What a pass does to one pixel stands in inpaint_formulas.h.
#include <utility>

#include "checks.h"
#include "inpaint_photo.h"

namespace c3d::cpu {

using namespace inpaint;

// What a search reads of a pixel, side by side. confidence_red: the confidence in the upper byte. disp: of a hole pixel with
// the sign bit set.
struct PackedPixel {
  int16_t confidence_red, green, blue, disp;
};

C3D_INLINE PackedPixel pack_pixel(const Level& level, int64_t p) {
  const int32_t hole = level.slot[p] < 0 ? 0 : INT16_MIN;
  return {static_cast<int16_t>(level.confidence[p] << 8 | level.colour[0][p]), level.colour[1][p], level.colour[2][p],
          static_cast<int16_t>(level.disp[p] | hole)};
}

constexpr int kRowLanes = 32;  // of a patch's row: kSide pixels of four lanes each, and one that does not count

}  // namespace c3d::cpu

#define C3D_TARGET_FILE "inpaint_patches.h"
#include "each_target.h"

namespace c3d::cpu {
namespace {

// Copies the photo, and measures what is known of it as it passes by.
Known copy_known(const InpaintLayersArgs& args, const Executor& executor) {
  Known known{INFINITY, -INFINITY, INFINITY, -INFINITY, 0};
  std::mutex adding;
  photo::for_each_row(args, {}, nullptr, executor, [&](const photo::Row& row) {
    Known here{INFINITY, -INFINITY, INFINITY, -INFINITY, 0};
    photo::measure_row({&row, &here});
    const int64_t begin = static_cast<int64_t>(row.y) * args.width;
    std::copy_n(args.rgb + 3 * begin, 3 * args.width, args.rgb_out + 3 * begin);
    std::copy_n(args.disp + begin, args.width, args.disp_out + begin);
    const std::lock_guard<std::mutex> lock(adding);
    known = {std::min(known.disp_min, here.disp_min), std::max(known.disp_max, here.disp_max),
             std::min(known.rgb_min, here.rgb_min), std::max(known.rgb_max, here.rgb_max), known.num_pixels + here.num_pixels};
  });
  return known;
}

// Returns the relaxed values.
template <int kChannels>
const float* relax(const Membrane<kChannels>& m, const Level& level, int num_passes, const Executor& executor) {
  for (int pass = 0; pass < num_passes; ++pass)
    for_each_hole(level, executor, [&](int32_t i) { relax_value(m, pass, i); }, kMinLightPart);
  return m.value[num_passes & 1];
}

// --- fill --------------------------------------------------------------------------------------------------------------

// What a level is filled with, as large as the finest needs them.
struct FillMemory {
  PackedPixel* packed;  // [num_padded]
  Ballot* ballots;  // [num_holes]
};

void pack_holes(const Level& level, PackedPixel* packed, const Executor& executor) {
  for_each_hole(level, executor, [&](int32_t i) {
    const int32_t p = level.at(level.place[i]);
    packed[p] = pack_pixel(level, p);
  });
}

// Written down: each is read by all the pixels of a patch.
void write_ballots(const Level& level, Ballot* ballots, const Executor& executor) {
  for_each_hole(level, executor, [&](int32_t i) { ballots[i] = ballot_of(level, i, level.at(level.place[i])); });
}

// Whether a pixel may be a source where none exceeds the disparity `limit`. Read without its sign, a hole pixel's always does.
C3D_INLINE bool is_source(const PackedPixel* packed, int32_t pixel, int16_t limit) {
  return static_cast<uint16_t>(packed[pixel].disp) <= limit;
}

void vote(const Level& level, const FillMemory& memory, const Executor& executor) {
  PackedPixel* packed = memory.packed;
  write_ballots(level, memory.ballots, executor);
  for_each_hole(level, executor, [&](int32_t i) {
    vote_colour(
        level, i, [&](int32_t k, int32_t) { return memory.ballots[k]; },
        [&, limit = level.limit[i]](int32_t source) { return is_source(packed, source, limit); },
        [&](int32_t source) {
          const PackedPixel known = packed[source];
          return Colour{{known.confidence_red & 0xFF, known.green, known.blue}};
        });
  });
  pack_holes(level, packed, executor);
}

void search(const Level& level, const PackedPixel* packed, uint32_t pass, const Executor& executor) {
  static const auto best = C3D_BEST(search_sources);
  parallel_ranges(executor, *level.num_holes, kMinPart,
                  [&](int64_t begin, int64_t end) { best(level, packed, pass, begin, end); });
}

// Improves the sources of level n.
void fill_level(const Level& level, const FillMemory& memory, int n, bool is_coarsest, const Executor& executor) {
  PackedPixel* packed = memory.packed;
  parallel_ranges(executor, level.num_padded, kMinLightPart, [&, packed](int64_t begin, int64_t end) {
    const Level here = level;
    PackedPixel* to = packed;
    for (int64_t p = begin; p < end; ++p) to[p] = pack_pixel(here, p);
  });
  vote(level, memory, executor);
  uint32_t pass = 0;
  for (int round = 0; round < num_rounds(n, is_coarsest); ++round) {
    if (is_coarsest) {
      for_each_hole(level, executor, [&](int32_t i) { peel_pixel(level, round, i); });
      pack_holes(level, packed, executor);
    }
    for (int jump = 0; jump < kNumJumps; ++jump, ++pass) search(level, packed, pass, executor);
    vote(level, memory, executor);
  }
}

}  // namespace

Status inpaint_layers(const InpaintLayersArgs& args, const Context& context) {
  if (const Status status = check_on_host(args, context); !status.ok()) return status;
  const Status out_of_memory{StatusCode::kOutOfMemory, "inpaint_layers: out of memory for working buffers"};
  const Executor& executor = context.executor;
  const int64_t num_pixels = static_cast<int64_t>(args.width) * args.height;
  const Known known = copy_known(args, executor);
  if (std::find_if(args.hole, args.hole + num_pixels, [](uint8_t h) { return h != 0; }) == args.hole + num_pixels) return {};
  if (known.num_pixels == 0)
    return {StatusCode::kInvalidArgument,
            "inpaint_layers: hole must leave a pixel with finite rgb and finite disp > 0, got none"};

  Memory memory{context.scratch};
  Level levels[kMaxLevels];
  const Level& top = levels[0] = make_level(args.width, args.height, memory);
  if (!memory.ok) return out_of_memory;
  photo::for_each_row(args, top, nullptr, executor, photo::find_kinds);
  const bool any_clean = std::find(top.kind, top.kind + top.num_padded, Kind::kKnown) != top.kind + top.num_padded;
  if (!any_clean)
    for_each_pixel(top, executor, [&](int32_t x, int32_t y) {
      if (is_usable(args, static_cast<int64_t>(y) * args.width + x)) top.kind[top.at(x, y)] = Kind::kKnown;
    });
  list_holes(levels[0], memory);
  if (!memory.ok) return out_of_memory;
  const auto depth = allocate_membrane<1>(*top.num_holes, memory);
  if (!memory.ok) return out_of_memory;
  for_each_hole(top, executor, [&](int32_t i) { link_disp(args, top, known, depth, i); });
  const float* smooth = relax(depth, top, kDepthPasses, executor);
  const auto write_holes = [&](const float* rgb) {  // [num_holes, 3]
    for_each_hole(top, executor, [&](int32_t i) {
      const int64_t pixel = static_cast<int64_t>(top.place[i].y) * args.width + top.place[i].x;
      if (args.hole[pixel]) write_filled(args, known, smooth, rgb, pixel, i);
    });
  };
  // Where all is of one colour, as for who asks for disparities alone, there is nothing to look for.
  if (known.rgb_min == known.rgb_max) {
    float* same = memory.get<float>(3 * int64_t{*top.num_holes});
    if (!memory.ok) return out_of_memory;
    std::fill_n(same, 3 * int64_t{*top.num_holes}, known.rgb_min);
    write_holes(same);
    return {};
  }
  photo::for_each_row(args, top, &known, executor, photo::quantise);
  for_each_hole(top, executor, [&](int32_t i) { quantise_hole(args, known, smooth, top, i); });
  find_nearest(top, executor);

  int num_levels = 1;
  for (int32_t deepest = deepest_of(top); num_levels < kMaxLevels && deepest > kDeepestHole; ++num_levels, deepest /= 2) {
    const Level& fine = levels[num_levels - 1];
    Level& coarse = levels[num_levels];
    if (std::min(fine.width, fine.height) < 2 * kMinSide) break;
    coarse = make_level((fine.width + 1) / 2, (fine.height + 1) / 2, memory);
    if (!memory.ok) return out_of_memory;
    const int32_t tear = tear_steps(args, known);
    for_each_row(coarse.width, coarse.height, executor, [&](int32_t y) {
      const Level from = fine, to = coarse;  // on the stack, where nothing is written
      for (int32_t x = 0; x < to.width; ++x) halve_pixel(from, to, tear, x, y);
    });
    list_holes(coarse, memory);
    if (!memory.ok) return out_of_memory;
    for_each_hole(coarse, executor, [&](int32_t i) { halve_limit(fine, coarse, i); });
    if (*coarse.num_holes == 0 || !find_nearest(coarse, executor)) break;
  }

  const FillMemory fill{memory.get<PackedPixel>(top.num_padded), memory.get<Ballot>(*top.num_holes)};
  if (!memory.ok) return out_of_memory;
  fill_level(levels[num_levels - 1], fill, num_levels - 1, true, executor);
  for (int n = num_levels - 2; n >= 0; --n) {
    for_each_hole(levels[n], executor, [&](int32_t i) { refine_source(levels[n + 1], levels[n], i); });
    fill_level(levels[n], fill, n, false, executor);
  }

  const auto colour = allocate_membrane<3>(*top.num_holes, memory);
  Place* chosen = memory.get<Place>(*top.num_holes);
  if (!memory.ok) return out_of_memory;
  write_ballots(top, fill.ballots, executor);
  for_each_hole(top, executor, [&](int32_t i) {
    chosen[i] = elect(
        top, i, [&](int32_t k, int32_t) { return fill.ballots[k]; },
        [&, limit = top.limit[i]](int32_t source) { return is_source(fill.packed, source, limit); });
  });
  for_each_hole(top, executor, [&](int32_t i) { link_colour(args, top, chosen, colour, i); });
  write_holes(relax(colour, top, kColourPasses, executor));
  return {};
}

}  // namespace c3d::cpu
