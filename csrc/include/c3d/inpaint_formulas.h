// What inpaint_layers computes for one pixel, for host and device. Matching is integer arithmetic on 8-bit colours and 15-bit
// disparities; the few floats are added and divided in one order: both twins take the same decisions.
#pragma once

#include "c3d/formulas.h"

namespace c3d::inpaint {

constexpr int kRadius = 3;  // px, of a patch
constexpr int kSide = 2 * kRadius + 1;
constexpr int kPad = 4;  // px around a level, so that no patch needs a bounds check
constexpr int kMaxLevels = 10;
constexpr int32_t kMinSide = 8;      // px, of the coarsest level
constexpr int32_t kDeepestHole = 2;  // px, at the coarsest level
constexpr int kFirstRounds = 12;     // of search and vote at the coarsest level
constexpr int kRounds = 6;           // at those between
constexpr int kLastRounds = 2;       // at the finest, which costs most
constexpr int kNumJumps = 2;         // searches of a round
constexpr int32_t kMaxSearchPx = 200;
constexpr int16_t kMissing = 200;  // difference of a pixel that the source's patch lacks, summed over colours
constexpr int16_t kMaxBend = 60;   // the most that a difference of shape adds to that of the colours
constexpr int kBendShift = 7;      // disparity steps per unit of that
constexpr int kDepthPasses = 60;  // of relaxation: a value reaches about half as far, px
constexpr int kColourPasses = 60;
constexpr float kMomentum = 1.868f;  // 2 / (1 + sqrt(1 - r^2)), r = 4 / (4 + hold): the fastest for that hold
constexpr float kDepthHold = 0.01f;  // pull towards the given values, against one for each neighbour
constexpr float kColourHold = 0.01f;
constexpr float kDispSteps = 32000.0f;
constexpr int16_t kNoPixel = 32767;  // nearer than any limit: neither source nor context
constexpr int32_t kUnreached = 1 << 20;

// What a pixel is to the filling. kUnusable: outside, not finite, or its colour may be mixed with a nearer surface's.
enum class Kind : uint8_t { kUnusable, kKnown, kHole };

struct Place {
  int32_t x, y;  // px
};

C3D_HD inline Place neighbour(Place p, int n, int32_t distance = 1) {  // n = 0..3
  const int32_t step = n % 2 ? distance : -distance;
  return n < 2 ? Place{p.x + step, p.y} : Place{p.x, p.y + step};
}

template <typename I>  // an integer or a vector of them
C3D_HD inline I magnitude(I d) {
  return d < 0 ? -d : d;
}

// One picture of the pyramid. Planes are padded by kPad and indexed by at(); hole pixels are also listed, row by row, and
// indexed by their slot.
struct Level {
  int32_t width, height, stride;
  int64_t num_padded;
  Kind* kind;
  uint8_t* colour[3];
  int16_t* disp;        // of a hole pixel: of the surface that it continues
  int16_t* disp_known;  // the same, kNoPixel where not kKnown
  uint8_t* confidence;  // of the colour; 0 where it is unusable
  int32_t* slot;        // -1 where not kHole

  int32_t* num_holes;  // [1]
  Place* place;        // [num_holes]
  int16_t* limit;      // [num_holes] disparity that no source may exceed
  int32_t* distance;   // [num_holes] px from its nearest source
  Place* source[2];    // [num_holes] before and after a pass
  int32_t* error;      // [num_holes] mean difference between a pixel's patch and its source's, summed over colours

  C3D_HD int32_t at(int32_t x, int32_t y) const { return (y + kPad) * stride + x + kPad; }
  C3D_HD int32_t at(Place p) const { return at(p.x, p.y); }
  C3D_HD bool contains(Place p) const { return p.x >= 0 && p.y >= 0 && p.x < width && p.y < height; }
  C3D_HD Place place_of(int32_t at) const { return {at % stride - kPad, at / stride - kPad}; }
};

// body(plane, what its pixels hold where there is nothing)
template <typename Body>
C3D_HD inline void for_each_plane(const Level& level, const Body& body) {
  body(level.kind, Kind::kUnusable);
  for (uint8_t* plane : level.colour) body(plane, uint8_t{0});
  body(level.disp, kNoPixel);
  body(level.disp_known, kNoPixel);
  body(level.confidence, uint8_t{0});
  body(level.slot, int32_t{-1});
}

// --- what is known -----------------------------------------------------------------------------------------------------

C3D_HD inline bool is_usable(const InpaintLayersArgs& args, int64_t i) {
  const float sum = args.rgb[3 * i] + args.rgb[3 * i + 1] + args.rgb[3 * i + 2], disp = args.disp[i];
  return (args.hole[i] == 0) & (disp > 0.0f) & (disp - disp == 0.0f) & (sum - sum == 0.0f);
}

// Which pixels stand around one: steps to the next in a padless picture, 0 beyond whose border.
struct Steps {
  int64_t up, down, left, right;
};

C3D_HD inline Steps steps_around(const InpaintLayersArgs& args, int32_t x, int32_t y) {
  return {y > 0 ? -int64_t{args.width} : 0, y + 1 < args.height ? int64_t{args.width} : 0, x > 0 ? -1 : 0,
          x + 1 < args.width ? 1 : 0};
}

// Pixels just beyond the edge of something nearer have some of its colour. Beside a hole they are filled as well, so that the
// fill starts from clean colours, but not returned. No branches: a loop over it vectorises.
C3D_HD inline Kind kind_of(const InpaintLayersArgs& args, int64_t i, const Steps& steps) {
  const float farthest_mixed = args.disp[i] + args.tear_disp;
  const bool is_hole = args.hole[i] != 0, can_be_known = is_usable(args, i);
  bool is_mixed = false, with_hole = false;
  const auto look_at = [&](int64_t j) {
    const bool is_nearer = args.disp[j] > farthest_mixed, stands_in_hole = args.hole[j] != 0;
    is_mixed |= is_nearer;
    with_hole |= is_nearer & stands_in_hole;
  };
  const auto look_along = [&](int64_t j) { look_at(j + steps.left), look_at(j), look_at(j + steps.right); };
  look_along(i + steps.up), look_along(i), look_along(i + steps.down);
  Kind kind = is_mixed ? Kind::kUnusable : Kind::kKnown;
  kind = with_hole ? Kind::kHole : kind;
  kind = can_be_known ? kind : Kind::kUnusable;
  return is_hole ? Kind::kHole : kind;
}

struct Known {
  float disp_min, disp_max;  // of usable pixels
  float rgb_min, rgb_max;
  int64_t num_pixels;
};

// The hidden surface's disparity; where none is given, that of the farthest known pixel.
C3D_HD inline float hidden_disp(const InpaintLayersArgs& args, const Known& known, int64_t i) {
  const float disp = args.disp_hidden[i];
  return disp > 0.0f && disp - disp == 0.0f ? fminf(disp, known.disp_max) : known.disp_min;
}

C3D_HD inline float disp_scale(const Known& known) {
  return known.disp_max > known.disp_min ? kDispSteps / (known.disp_max - known.disp_min) : 0.0f;
}

C3D_HD inline int32_t tear_steps(const InpaintLayersArgs& args, const Known& known) {
  return static_cast<int32_t>(fminf(args.tear_disp * disp_scale(known), kDispSteps));
}

C3D_HD inline int16_t disp_steps(const Known& known, float disp) {
  return static_cast<int16_t>(clamped((disp - known.disp_min) * disp_scale(known), 0.0f, kDispSteps));
}

// How much nearer than the hidden surface, at `smooth`, a source of pixel i may be: at most half of the way to what hides it.
C3D_HD inline float allowance(const InpaintLayersArgs& args, float smooth, int64_t i) {
  const bool is_hidden = args.hole[i] && args.disp[i] > 0.0f;
  return is_hidden ? fminf(args.tear_disp, fmaxf(0.5f * (args.disp[i] - smooth), 0.0f)) : args.tear_disp;
}

C3D_HD inline uint8_t colour_step(const Known& known, float value) {
  const float scale = known.rgb_max > known.rgb_min ? 255.0f / (known.rgb_max - known.rgb_min) : 0.0f;
  // A range beyond float's: the difference is infinite, the scale 0.
  return static_cast<uint8_t>(clamped((value - known.rgb_min) * scale + 0.5f, 0.0f, 255.0f));
}

// Of the finest level's pixels, as the photo has them, those that are known; else what an empty plane holds.
C3D_HD inline int16_t quantised_disp(const Known& known, Kind kind, float disp) {
  const int16_t steps = disp_steps(known, disp);
  return kind == Kind::kKnown ? steps : kNoPixel;
}
C3D_HD inline uint8_t quantised_colour(const Known& known, Kind kind, float value) {
  const uint8_t step = colour_step(known, value);
  return kind == Kind::kKnown ? step : uint8_t{0};
}

// Hole pixel k of the finest level. smooth: [num_holes] disparities of the surface to continue.
C3D_HD inline void quantise_hole(const InpaintLayersArgs& args, const Known& known, const float* smooth, const Level& level,
                                 int64_t k) {
  const Place place = level.place[k];
  const int64_t i = static_cast<int64_t>(place.y) * args.width + place.x;
  level.disp[level.at(place)] = disp_steps(known, smooth[k]);
  level.limit[k] = disp_steps(known, smooth[k] + allowance(args, smooth[k], i));
}

// --- membranes ---------------------------------------------------------------------------------------------------------

// Values on hole pixels, each the weighted mean of its linked neighbours' and of a constant part.
template <int kChannels>
struct Membrane {
  int32_t (*neighbour)[4];  // [num_holes] slots, -1: none
  float* constant;  // [num_holes, kChannels] sum of what does not change
  float* weight;  // [num_holes] of the constant part and the neighbours together
  float* value[2];  // [num_holes, kChannels] before and after a pass
};

// Jacobi's step, carried on by the step before (second-order Richardson; Golub and Varga 1961): three times fewer passes.
template <int kChannels>
C3D_HD inline void relax_value(const Membrane<kChannels>& m, int pass, int64_t i) {
  const float* from = m.value[pass & 1];
  float* to = m.value[1 - (pass & 1)];
  float sum[kChannels];
  for (int c = 0; c < kChannels; ++c) sum[c] = m.constant[kChannels * i + c];
  for (int n = 0; n < 4; ++n) {
    const int64_t k = m.neighbour[i][n];
    if (k < 0) continue;
    for (int c = 0; c < kChannels; ++c) sum[c] += from[kChannels * k + c];
  }
  for (int c = 0; c < kChannels; ++c) {
    float& value = to[kChannels * i + c];
    const float mean = sum[c] / m.weight[i];
    value = pass == 0 ? mean : value + kMomentum * (mean - value);
  }
}

// Hole pixel i of the hidden surface, which is fixed to the known surface where it is the same and smoothed inside the hole.
// Its edges stay: beyond them stands another surface, whose colours are not its own.
C3D_HD inline void link_disp(const InpaintLayersArgs& args, const Level& level, const Known& known, const Membrane<1>& m,
                             int64_t i) {
  const Place p = level.place[i];
  const int64_t pixel = static_cast<int64_t>(p.y) * args.width + p.x;
  const bool is_known = !args.hole[pixel];
  const float own = is_known ? args.disp[pixel] : hidden_disp(args, known, pixel);
  float constant = is_known ? own : kDepthHold * own, weight = is_known ? 1.0f : kDepthHold;
  for (int n = 0; n < 4; ++n) {
    const Place q = neighbour(p, n);
    m.neighbour[i][n] = -1;
    if (is_known || !level.contains(q)) continue;
    const int64_t beside = static_cast<int64_t>(q.y) * args.width + q.x;
    if (args.hole[beside]) {
      if (fabsf(hidden_disp(args, known, beside) - own) > 2.0f * args.tear_disp) continue;
      m.neighbour[i][n] = level.slot[level.at(q)];
      weight += 1.0f;
    } else if (fabsf(args.disp[beside] - own) <= 2.0f * args.tear_disp) {
      constant += args.disp[beside];
      weight += 1.0f;
    }
  }
  m.value[0][i] = own;
  m.constant[i] = constant;
  m.weight[i] = weight;
}

// --- levels ------------------------------------------------------------------------------------------------------------

// Pixel (x, y) of the half-sized level: a hole where half of what it covers is one, else its farthest surface. tear: steps.
C3D_HD inline void halve_pixel(const Level& fine, const Level& coarse, int32_t tear, int32_t x, int32_t y) {
  const int32_t corner = fine.at(2 * x, 2 * y);
  const int32_t children[4] = {corner, corner + 1, corner + fine.stride, corner + fine.stride + 1};
  int32_t num_known = 0, num_holes = 0, sum_disp = 0, sum[3] = {};
  int32_t farthest = kNoPixel;
  for (int32_t q : children) {
    farthest = lesser<int32_t>(farthest, fine.disp_known[q]);
    num_known += fine.kind[q] == Kind::kKnown;
    num_holes += fine.kind[q] == Kind::kHole;
  }
  if (num_known + num_holes == 0) return;
  const int32_t p = coarse.at(x, y);
  const Kind kind = coarse.kind[p] = num_holes >= num_known ? Kind::kHole : Kind::kKnown;
  int32_t count = 0;
  for (int32_t q : children) {
    if (fine.kind[q] != kind || (kind == Kind::kKnown && fine.disp[q] > farthest + tear)) continue;
    ++count;
    sum_disp += fine.disp[q];
    for (int c = 0; c < 3; ++c) sum[c] += fine.colour[c][q];
  }
  coarse.disp[p] = static_cast<int16_t>(sum_disp / count);
  if (kind == Kind::kHole) return;
  coarse.disp_known[p] = coarse.disp[p];
  for (int c = 0; c < 3; ++c) coarse.colour[c][p] = static_cast<uint8_t>((sum[c] + count / 2) / count);
}

C3D_HD inline void halve_limit(const Level& fine, const Level& coarse, int64_t i) {
  const int32_t corner = fine.at(2 * coarse.place[i].x, 2 * coarse.place[i].y);
  int32_t sum = 0, count = 0;
  const int32_t children[4] = {corner, corner + 1, corner + fine.stride, corner + fine.stride + 1};
  for (int32_t q : children) {
    if (fine.slot[q] < 0) continue;
    sum += fine.limit[fine.slot[q]];
    ++count;
  }
  coarse.limit[i] = static_cast<int16_t>(sum / count);
}

// --- the nearest source ------------------------------------------------------------------------------------------------

C3D_HD inline int32_t first_flood_jump(const Level& level) {
  int32_t jump = 1;
  while (2 * jump < greater(level.width, level.height)) jump *= 2;
  return jump;
}

// How far a patch pixel is trusted, 15 = known: 15, 10, 5, 3, 2, then 1. So steep a fall lets lines grow in from the border.
C3D_HD inline uint8_t confidence_at(int32_t distance_px) {
  return distance_px < 5 ? static_cast<uint8_t>(0x235AFu >> 4 * distance_px & 0xF) : uint8_t{1};
}

C3D_HD inline void trust_known(const Level& level, int64_t p) {
  const uint8_t before = level.confidence[p];
  level.confidence[p] = level.kind[p] == Kind::kKnown ? confidence_at(0) : before;
}

// Raises a limit that would leave no source at all to the level's farthest pixel.
C3D_HD inline void start_flood(const Level& level, int16_t least_disp, int64_t i) {
  level.limit[i] = greater(level.limit[i], least_disp);
  level.source[0][i] = {-1, -1};  // none yet
}

C3D_HD inline int64_t square_distance(Place a, Place b) {
  const int64_t dx = a.x - b.x, dy = a.y - b.y;
  return dx * dx + dy * dy;
}

// One round of a jump flood (Rong and Tan 2006): a hole pixel looks at what lies `jump` px away in eight directions and takes
// over the nearest source that is one for it too. Rounds with half the jump each leave almost every pixel its nearest.
C3D_HD inline void flood_source(const Level& level, int round, int32_t jump, int64_t i) {
  const Place* from = level.source[round & 1];
  const Place p = level.place[i];
  Place best = from[i];
  int64_t best_square = best.x < 0 ? INT64_MAX : square_distance(p, best);
  for (int32_t dy = -jump; dy <= jump; dy += jump) {
    for (int32_t dx = -jump; dx <= jump; dx += jump) {
      Place candidate{p.x + dx, p.y + dy};
      if (!level.contains(candidate)) continue;
      if (const int32_t k = level.slot[level.at(candidate)]; k >= 0) candidate = from[k];
      if (candidate.x < 0) continue;
      const int64_t square = square_distance(p, candidate);
      if (square >= best_square || level.disp_known[level.at(candidate)] > level.limit[i]) continue;
      best_square = square;
      best = candidate;
    }
  }
  level.source[1 - (round & 1)][i] = best;
}

// A pixel that no source reached takes the level's farthest.
C3D_HD inline void finish_flood(const Level& level, int num_rounds, Place farthest, int64_t i) {
  const Place p = level.place[i], nearest = level.source[num_rounds & 1][i];
  const bool is_reached = nearest.x >= 0;
  level.source[0][i] = is_reached ? nearest : farthest;
  level.distance[i] = is_reached ? greater(magnitude(p.x - nearest.x), magnitude(p.y - nearest.y)) : kUnreached;
  level.confidence[level.at(p)] = confidence_at(level.distance[i]);
  level.error[i] = 0;
}

// Takes over the source of the coarser level where it is one here; else the nearest stays.
C3D_HD inline void refine_source(const Level& coarse, const Level& fine, int64_t i) {
  const Place p = fine.place[i];
  const int32_t parent = coarse.slot[coarse.at(p.x / 2, p.y / 2)];
  if (parent < 0) return;
  const Place s = coarse.source[0][parent];
  for (int32_t flip = 0; flip < 4; ++flip) {
    const Place child{2 * s.x + ((p.x ^ flip) & 1), 2 * s.y + ((p.y ^ flip >> 1) & 1)};
    if (!fine.contains(child) || fine.disp_known[fine.at(child)] > fine.limit[i]) continue;
    fine.source[0][i] = child;
    return;
  }
}

// From the border inwards: until round n, pixels deeper than n are compared with nothing, so that lines grow in from all
// sides.
C3D_HD inline void peel_pixel(const Level& level, int round, int64_t i) {
  level.confidence[level.at(level.place[i])] = level.distance[i] > round ? uint8_t{0} : confidence_at(level.distance[i]);
}

// --- search ------------------------------------------------------------------------------------------------------------

C3D_HD inline uint32_t hash_pair(uint32_t a, uint32_t b) {
  uint32_t h = a * 0x9E3779B1u ^ (b + 0x7F4A7C15u) * 0x85EBCA77u;
  h = (h ^ h >> 15) * 0x2C1B3C6Du;
  h = (h ^ h >> 12) * 0x297A2D39u;
  return h ^ h >> 15;
}

// What copying from (dx, dy) px away costs, in units of the difference of one patch pixel summed over three colours: two for
// each of the first 40 px beyond the hole pixel's own distance from its nearest source. Near copies continue what stands
// there.
C3D_HD inline int32_t far_cost(Place p, Place source, int32_t distance_px) {
  const float beyond = sqrtf(static_cast<float>(square_distance(p, source))) - static_cast<float>(distance_px);
  return 2 * static_cast<int32_t>(lesser(greater(beyond, 0.0f), 40.0f));
}

// How much two patch pixels differ. bend: difference of their depths below their patches' centres, in units of kBendShift.
template <typename I>
C3D_HD inline I pixel_difference(I bend, I red, I green, I blue) {
  const I shape = magnitude(bend), most = I{} + kMaxBend;
  return (shape < most ? shape : most) + magnitude(red) + magnitude(green) + magnitude(blue);
}

// The square distance from which on far_cost alone, times total_weight, is at least best_cost. A root is rounded across a
// whole number only beyond kExactRoot: from there on no distance is.
C3D_HD inline int64_t hopeless_square(int32_t best_cost, int32_t total_weight, int32_t distance_px) {
  constexpr int32_t kExactRoot = 4096;
  if (best_cost <= 0) return 0;
  const int32_t beyond = total_weight > 0 ? (best_cost - 1) / (2 * total_weight) + 1 : kExactRoot;
  const int64_t reach = int64_t{distance_px} + beyond;
  return beyond > 40 || reach > kExactRoot ? INT64_MAX : reach * reach;
}

// A search of hole pixel i (PatchMatch): its own source, those of its neighbours `jump` px away, and random ones ever closer
// to the best so far. total_weight: of the patch around i. add_difference(source, cost, bound): cost plus the difference
// between that patch and the one around `source`, times its weights; or any number >= bound, as where that is no source for i.
template <typename AddDifference>
C3D_HD inline void search_source(const Level& level, uint32_t pass, int32_t i, int32_t total_weight,
                                 const AddDifference& add_difference) {
  const Place* from = level.source[pass & 1];
  const int32_t jump = kNumJumps - static_cast<int32_t>(pass % kNumJumps);  // px: 2, then 1
  const Place p = level.place[i];
  const int32_t distance = level.distance[i];
  Place best = from[i];
  int32_t best_cost = INT32_MAX;
  int64_t hopeless = INT64_MAX;
  const auto offer = [&](Place candidate) {
    if (candidate.x == best.x && candidate.y == best.y && best_cost != INT32_MAX) return;
    if (!level.contains(candidate)) return;
    if (square_distance(p, candidate) >= hopeless) return;  // most of the far ones: nothing of them is read
    const int32_t apart = total_weight * far_cost(p, candidate, distance);
    if (apart >= best_cost) return;
    const int32_t cost = add_difference(level.at(candidate), apart, best_cost);
    if (cost >= best_cost) return;
    best = candidate;
    best_cost = cost;
    hopeless = hopeless_square(cost, total_weight, distance);
  };
  offer(best);
  for (int n = 0; n < 4; ++n) {
    const Place there = neighbour(p, n, jump);
    if (!level.contains(there)) continue;
    if (const int32_t k = level.slot[level.at(there)]; k >= 0) offer({from[k].x + p.x - there.x, from[k].y + p.y - there.y});
  }
  uint32_t draw = pass * 32u;
  for (int32_t radius = lesser(greater(level.width, level.height), kMaxSearchPx); radius >= 1; radius /= 2) {
    const uint32_t h = hash_pair(static_cast<uint32_t>(i), draw++);
    const uint32_t span = 2u * static_cast<uint32_t>(radius) + 1u;
    offer({best.x - radius + static_cast<int32_t>((h & 0xFFFF) * span >> 16),
           best.y - radius + static_cast<int32_t>((h >> 16) * span >> 16)});
  }
  level.source[1 - (pass & 1)][i] = best;
  level.error[i] = total_weight > 0 ? best_cost / total_weight : 0;
}

static_assert(kNumJumps % 2 == 0, "the last search must write source[0]");

// Rounds of search and vote at level n, 0 the finest.
C3D_HD inline int num_rounds(int n, bool is_coarsest) { return is_coarsest ? kFirstRounds : n > 0 ? kRounds : kLastRounds; }

// --- vote --------------------------------------------------------------------------------------------------------------

// The weight of a vote whose patch differs by `error`: halves every 8 units.
C3D_HD inline int32_t vote_weight(int32_t error) { return error < 128 ? 1 + (256 * (16 - (error & 7)) >> (error >> 3)) : 1; }

// What the patch around a hole pixel proposes: at its centre the padded pixel `source`, at every other place the one that lies
// there in the source's patch; each with this weight.
struct Ballot {
  int32_t source, weight;
};

C3D_HD inline Ballot ballot_of(const Level& level, int32_t k, int32_t pixel) {  // pixel: the padded one of slot k
  return {level.at(level.source[0][k]), vote_weight(level.error[k]) * greater<int32_t>(level.confidence[pixel], 1)};
}

// body(source, weight) for every patch that covers the hole pixel i, as its ballot(k, pixel) says, where it proposes what may
// be a source of it: is_source(source). The patch around i itself always does.
template <typename BallotOf, typename IsSource, typename Body>
C3D_HD inline void for_each_vote(const Level& level, int64_t i, const BallotOf& ballot, const IsSource& is_source,
                                 const Body& body) {
  const int32_t centre = level.at(level.place[i]);
  for (int32_t dy = -kRadius; dy <= kRadius; ++dy) {
    for (int32_t dx = -kRadius; dx <= kRadius; ++dx) {
      const int32_t step = dy * level.stride + dx, k = level.slot[centre + step];
      if (k < 0) continue;
      const Ballot cast = ballot(k, centre + step);
      if (is_source(cast.source - step)) body(cast.source - step, cast.weight);
    }
  }
}

struct Colour {
  int32_t channel[3];
};

// The hole pixel's colour: the mean of what is proposed, which colour_at(source) tells. Only known pixels are, so that none is
// read that is being voted.
template <typename BallotOf, typename IsSource, typename ColourAt>
C3D_HD inline void vote_colour(const Level& level, int64_t i, const BallotOf& ballot, const IsSource& is_source,
                               const ColourAt& colour_at) {
  int32_t sum[3] = {}, total = 0;
  for_each_vote(level, i, ballot, is_source, [&](int32_t proposed, int32_t weight) {
    const Colour colour = colour_at(proposed);
    for (int c = 0; c < 3; ++c) sum[c] += weight * colour.channel[c];
    total += weight;
  });
  const int32_t pixel = level.at(level.place[i]);
  for (int c = 0; c < 3; ++c) level.colour[c][pixel] = static_cast<uint8_t>((sum[c] + total / 2) / total);
}

// The source with most votes.
template <typename BallotOf, typename IsSource>
C3D_HD inline Place elect(const Level& level, int64_t i, const BallotOf& ballot, const IsSource& is_source) {
  int32_t candidates[kSide * kSide] = {}, weights[kSide * kSide];
  int32_t num = 0, most = 0, last = 0;
  for_each_vote(level, i, ballot, is_source, [&](int32_t proposed, int32_t weight) {
    if (num == 0 || candidates[last] != proposed) {  // mostly it is what the patch beside it proposed
      last = 0;
      while (last < num && candidates[last] != proposed) ++last;
    }
    if (last == num) {
      candidates[num] = proposed;
      weights[num++] = 0;
    }
    weights[last] += weight;
  });
  for (int32_t j = 1; j < num; ++j)
    if (weights[j] > weights[most]) most = j;
  return level.place_of(candidates[most]);
}

// --- blend -------------------------------------------------------------------------------------------------------------

C3D_HD inline const float* rgb_at(const InpaintLayersArgs& args, Place p) {
  return args.rgb + 3 * (static_cast<int64_t>(p.y) * args.width + p.x);
}

// Adds the step from `from` to `to`, its neighbour in the photo, where that may be a source; returns how many were added.
C3D_HD inline int add_gradient(const InpaintLayersArgs& args, const Level& level, int16_t limit, Place from, Place to,
                               float sign, float* gradient) {
  if (level.disp_known[level.at(to)] > limit) return 0;
  for (int c = 0; c < 3; ++c) gradient[c] += sign * (rgb_at(args, to)[c] - rgb_at(args, from)[c]);
  return 1;
}

// The share of its gradients that a copy keeps, by how its patch differs: what is only alike errs less where it is a little
// softer, what continues a pattern exactly stays as it is.
C3D_HD inline float detail_of(int32_t error) {
  return 1.0f - 0.2f / 12.0f * static_cast<float>(lesser(greater(error - 12, 0), 12));
}

// Hole pixel i of the copies, which are fitted to each other and to the known surface by their gradients (Perez et al. 2003,
// screened). chosen: [num_holes] what is copied.
C3D_HD inline void link_colour(const InpaintLayersArgs& args, const Level& level, const Place* chosen, const Membrane<3>& m,
                               int64_t i) {
  const Place p = level.place[i], own = chosen[i];
  const float* copied = rgb_at(args, own);
  const float detail = detail_of(level.error[i]);
  float constant[3] = {kColourHold * copied[0], kColourHold * copied[1], kColourHold * copied[2]}, weight = kColourHold;
  for (int n = 0; n < 4; ++n) {
    const Place q = neighbour(p, n);
    const int32_t k = level.slot[level.at(q)];
    m.neighbour[i][n] = -1;
    // Links go both ways, or the relaxation's matrix is not symmetric and its carried steps may grow without bound.
    if (level.disp[level.at(q)] > level.limit[i] || (k >= 0 && level.disp[level.at(p)] > level.limit[k])) continue;
    float gradient[3] = {};
    int count = add_gradient(args, level, level.limit[i], own, neighbour(own, n), 1.0f, gradient);
    if (k >= 0) count += add_gradient(args, level, level.limit[k], chosen[k], neighbour(chosen[k], n, -1), -1.0f, gradient);
    if (count == 0) continue;
    m.neighbour[i][n] = k;
    weight += 1.0f;
    for (int c = 0; c < 3; ++c)
      constant[c] += (k < 0 ? rgb_at(args, q)[c] : 0.0f) - detail * gradient[c] / static_cast<float>(count);
  }
  m.weight[i] = weight;
  for (int c = 0; c < 3; ++c) {
    m.value[0][3 * i + c] = copied[c];
    m.constant[3 * i + c] = constant[c];
  }
}

// Writes a hole's pixel. blended: [num_holes, 3].
C3D_HD inline void write_filled(const InpaintLayersArgs& args, const Known& known, const float* smooth, const float* blended,
                                int64_t pixel, int64_t k) {
  for (int c = 0; c < 3; ++c) args.rgb_out[3 * pixel + c] = fminf(fmaxf(blended[3 * k + c], known.rgb_min), known.rgb_max);
  args.disp_out[pixel] = args.disp[pixel] > 0.0f ? fminf(smooth[k], args.disp[pixel] - args.tear_disp) : smooth[k];
}

}  // namespace c3d::inpaint
