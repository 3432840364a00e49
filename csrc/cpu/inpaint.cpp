// inpaint_layers on the CPU: exemplar-based filling, coarse to fine. Every hole pixel has a source, a known pixel of the same
// or a farther surface whose surroundings look like its own; the patches around it vote for its colour. At the finest level
// the winner of the vote is copied and blended in by its gradients.
//
// Every pass reads the sources and colours that the pass before left, and random numbers are hashes of (hole pixel, pass): the
// answer does not depend on how the work was shared out.
#include "inpaint_levels.h"

#include "checks.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

constexpr int kRadius = 3;  // px, of a patch
constexpr int kSide = 2 * kRadius + 1;
constexpr int kFirstRounds = 12;  // of search and vote at the coarsest level
constexpr int kRounds = 3;  // at every other
constexpr int32_t kJumps[] = {2, 1};  // px, from where a search takes over its neighbours' sources
constexpr int32_t kMaxSearchPx = 200;
constexpr int16_t kMissing = 200;  // difference of a pixel that the source's patch lacks, summed over colours
constexpr int16_t kMaxBend = 60;  // the most that a difference of shape adds to that of the colours
constexpr int kBendShift = 7;  // disparity steps per unit of that
constexpr int kMixedPx = 1;  // how far a nearer surface's colour reaches beyond its edge
constexpr int kDepthPasses = 200;  // of relaxation: a value reaches about the square root of this, px
constexpr int kColourPasses = 200;
constexpr float kDepthHold = 0.01f;  // pull towards the given values, against one for each neighbour
constexpr float kColourHold = 0.01f;
constexpr int64_t kMinPart = 256;  // hole pixels per task

typedef uint8_t u8x8 __attribute__((vector_size(8)));
typedef int16_t i16x8 __attribute__((vector_size(16)));
typedef int32_t i32x8 __attribute__((vector_size(32)));

constexpr Place kNeighbours[4] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};

// --- what is known -----------------------------------------------------------------------------------------------------

bool is_usable(const InpaintLayersArgs& args, int64_t i) {
  const float* rgb = args.rgb + 3 * i;
  return !args.hole[i] && args.disp[i] > 0.0f && std::isfinite(args.disp[i]) && std::isfinite(rgb[0] + rgb[1] + rgb[2]);
}

// Pixels just beyond the edge of something nearer have some of its colour. Beside a hole they are filled as well, so that the
// fill starts from clean colours, but not returned.
Kind kind_of(const InpaintLayersArgs& args, int32_t x, int32_t y) {
  const int64_t i = static_cast<int64_t>(y) * args.width + x;
  if (args.hole[i]) return Kind::kHole;
  if (!is_usable(args, i)) return Kind::kUnusable;
  Kind kind = Kind::kKnown;
  for (int32_t yy = std::max(y - kMixedPx, 0); yy <= std::min(y + kMixedPx, args.height - 1); ++yy) {
    for (int32_t xx = std::max(x - kMixedPx, 0); xx <= std::min(x + kMixedPx, args.width - 1); ++xx) {
      const int64_t j = static_cast<int64_t>(yy) * args.width + xx;
      if (!(args.disp[j] > args.disp[i] + 2.0f * args.tear_disp)) continue;
      if (args.hole[j]) return Kind::kHole;
      kind = Kind::kUnusable;
    }
  }
  return kind;
}

struct Known {
  float disp_min, disp_max;  // of known pixels and hidden surfaces
  float rgb_min, rgb_max;
  int64_t num_pixels;
};

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

// The hidden surface's disparity; where none is given, that of the farthest known pixel.
float hidden_disp(const InpaintLayersArgs& args, const Known& known, int64_t i) {
  const float disp = args.disp_hidden[i];
  return disp > 0.0f && std::isfinite(disp) ? std::min(disp, known.disp_max) : known.disp_min;
}

// --- membranes ---------------------------------------------------------------------------------------------------------

// Values on hole pixels, each the weighted mean of its linked neighbours' and of a constant part.
template <int kChannels>
struct Membrane {
  int32_t num;
  int32_t (*neighbour)[4];  // [num] slots, -1: none
  float* constant;  // [num, kChannels] sum of what does not change
  float* weight;  // [num] of the constant part and the neighbours together
  float* value[2];  // [num, kChannels]
};

template <int kChannels>
Membrane<kChannels> make_membrane(int32_t num, Memory& memory) {
  Membrane<kChannels> m{};
  m.num = num;
  m.neighbour = memory.get<int32_t[4]>(num);
  m.constant = memory.get<float>(int64_t{kChannels} * num);
  m.weight = memory.get<float>(num);
  for (float*& value : m.value) value = memory.get<float>(int64_t{kChannels} * num);
  return m;
}

// Returns the relaxed values.
template <int kChannels>
const float* relax(Membrane<kChannels>& m, int num_passes, const Executor& executor) {
  for (int pass = 0; pass < num_passes; ++pass) {
    const float* from = m.value[pass & 1];
    float* to = m.value[1 - (pass & 1)];
    parallel_ranges(executor, m.num, kMinPart, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        float sum[kChannels];
        for (int c = 0; c < kChannels; ++c) sum[c] = m.constant[kChannels * i + c];
        for (int32_t k : m.neighbour[i])
          for (int c = 0; k >= 0 && c < kChannels; ++c) sum[c] += from[int64_t{kChannels} * k + c];
        for (int c = 0; c < kChannels; ++c) to[kChannels * i + c] = sum[c] / m.weight[i];
      }
    });
  }
  return m.value[num_passes & 1];
}

// The hidden surface, fixed to the known surface where it is the same and smoothed inside the hole: what was continued from
// different sides meets without a step. Where nothing hides it, its edges stay: they are those of the picture. [num_holes]
const float* smooth_disp(const InpaintLayersArgs& args, const Level& level, const Known& known, Memory& memory,
                         const Executor& executor) {
  auto m = make_membrane<1>(level.num_holes, memory);
  if (!memory.ok) return nullptr;
  parallel_ranges(executor, m.num, kMinPart, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Place p = level.place[i];
      const int64_t pixel = static_cast<int64_t>(p.y) * args.width + p.x;
      const bool is_known = !args.hole[pixel];
      const bool keeps_edges = !(args.disp[pixel] > 0.0f);
      const float own = is_known ? args.disp[pixel] : hidden_disp(args, known, pixel);
      m.value[0][i] = own;
      m.constant[i] = is_known ? own : kDepthHold * own;
      m.weight[i] = is_known ? 1.0f : kDepthHold;
      for (int n = 0; n < 4; ++n) {
        const Place q{p.x + kNeighbours[n].x, p.y + kNeighbours[n].y};
        m.neighbour[i][n] = -1;
        if (is_known || !level.contains(q)) continue;
        const int64_t beside = static_cast<int64_t>(q.y) * args.width + q.x;
        if (args.hole[beside]) {
          if (keeps_edges && std::fabs(hidden_disp(args, known, beside) - own) > 2.0f * args.tear_disp) continue;
          m.neighbour[i][n] = level.slot[level.at(q)];
          m.weight[i] += 1.0f;
        } else if (std::fabs(args.disp[beside] - own) <= 2.0f * args.tear_disp) {
          m.constant[i] += args.disp[beside];
          m.weight[i] += 1.0f;
        }
      }
    }
  });
  return relax(m, kDepthPasses, executor);
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

C3D_INLINE i16x8 difference(i16x8 a, i16x8 b) {
  const i16x8 d = a - b;
  return d < 0 ? -d : d;
}

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
  const i16x8 most = i16x8{} + kMaxBend, missing = i16x8{} + kMissing;
  const int32_t q = source + (row - kRadius) * level.stride - kRadius;
  const i16x8 bend = difference(disp_from(level.disp_known + q, level.disp_known[source]), patch.disp[row]);
  i16x8 error = bend < most ? bend : most;
  for (int c = 0; c < 3; ++c) error += difference(widen(level.colour[c] + q), patch.colour[row][c]);
  error = load<i16x8>(level.disp_known + q) <= limit ? error : missing;
  return __builtin_convertvector(error * patch.weight[row], i32x8);
}

// cost plus the weighted difference between the patch and the one around `source`, or any number >= bound.
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
  int32_t jump;
};

C3D_INLINE void search_body(SearchArgs args) {
  const Level& level = *args.level;
  const Place* source = level.source[args.pass & 1];
  for (int32_t i = args.begin; i < args.end; ++i) {
    const Place p = level.place[i];
    const int32_t pixel = level.at(p);
    const int16_t limit = level.limit[i];
    const Patch patch = read_patch(level, pixel, limit);
    Place best = source[i];
    int32_t best_cost = INT32_MAX;
    const auto offer = [&](Place candidate) {
      if (!level.contains(candidate)) return;
      const int32_t q = level.at(candidate);
      if (level.disp_known[q] > limit) return;
      const int32_t far = inpaint_far_cost(candidate.x - p.x, candidate.y - p.y, level.distance[i]);
      const int32_t cost = add_difference(level, patch, q, limit, patch.total_weight * far, best_cost);
      if (cost < best_cost) best_cost = cost, best = candidate;
    };
    offer(best);
    for (const Place& step : kNeighbours) {
      const Place there{p.x + args.jump * step.x, p.y + args.jump * step.y};
      if (!level.contains(there)) continue;
      if (const int32_t k = level.slot[level.at(there)]; k >= 0)
        offer({source[k].x - args.jump * step.x, source[k].y - args.jump * step.y});
    }
    uint32_t draw = args.pass * 32u;
    for (int32_t radius = std::min(std::max(level.width, level.height), kMaxSearchPx); radius >= 1; radius /= 2) {
      const uint32_t h = hash_pair(static_cast<uint32_t>(i), draw++);
      const uint32_t span = 2u * static_cast<uint32_t>(radius) + 1u;
      offer({best.x - radius + static_cast<int32_t>((h & 0xFFFF) * span >> 16),
             best.y - radius + static_cast<int32_t>((h >> 16) * span >> 16)});
    }
    level.source[1 - (args.pass & 1)][i] = best;
    level.error[i] = patch.total_weight > 0 ? best_cost / patch.total_weight : 0;
  }
}

C3D_DISPATCH(search_sources, search_body, SearchArgs)

// --- vote --------------------------------------------------------------------------------------------------------------

// body(source, weight) for every patch that covers the hole pixel i: it proposes the pixel that lies in its source's patch
// where i lies in it. The patch around i itself always proposes.
template <typename Body>
C3D_INLINE void for_each_vote(const Level& level, const Place* source, int32_t i, const Body& body) {
  const int32_t centre = level.at(level.place[i]);
  for (int32_t dy = -kRadius; dy <= kRadius; ++dy) {
    for (int32_t dx = -kRadius; dx <= kRadius; ++dx) {
      const int32_t pixel = centre + dy * level.stride + dx, k = level.slot[pixel];
      if (k < 0) continue;
      const Place proposed{source[k].x - dx, source[k].y - dy};
      if (level.disp_known[level.at(proposed)] > level.limit[i]) continue;
      body(proposed, inpaint_vote_weight(level.error[k]) * std::max<int32_t>(level.confidence[pixel], 1));
    }
  }
}

// The source with most votes.
Place elect(const Level& level, const Place* source, int32_t i) {
  Place candidates[kSide * kSide];
  int32_t weights[kSide * kSide];
  int32_t num = 0;
  for_each_vote(level, source, i, [&](Place proposed, int32_t weight) {
    int32_t j = 0;
    while (j < num && (candidates[j].x != proposed.x || candidates[j].y != proposed.y)) ++j;
    if (j == num) {
      candidates[num] = proposed;
      weights[num++] = 0;
    }
    weights[j] += weight;
  });
  return candidates[std::max_element(weights, weights + num) - weights];
}

void vote(Level& level, const Place* source, const Executor& executor) {
  parallel_ranges(executor, level.num_holes, kMinPart, [&](int64_t begin, int64_t end) {
    for (int32_t i = static_cast<int32_t>(begin); i < end; ++i) {
      int32_t sum[3] = {}, total = 0;
      for_each_vote(level, source, i, [&](Place proposed, int32_t weight) {
        const int32_t q = level.at(proposed);
        for (int c = 0; c < 3; ++c) sum[c] += weight * level.colour[c][q];
        total += weight;
      });
      for (int c = 0; c < 3; ++c) level.voted[3 * i + c] = static_cast<uint8_t>((sum[c] + total / 2) / total);
    }
  });
  parallel_ranges(executor, level.num_holes, kMinPart, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int c = 0; c < 3; ++c) level.colour[c][level.at(level.place[i])] = level.voted[3 * i + c];
  });
}

// Sources of the coarser level, where they are sources here; else the nearest known pixel stays.
void refine_sources(const Level& coarse, const Place* coarse_source, Level& fine) {
  for (int32_t i = 0; i < fine.num_holes; ++i) {
    const Place p = fine.place[i];
    const int32_t parent = coarse.slot[coarse.at(p.x / 2, p.y / 2)];
    if (parent < 0) continue;
    const Place s = coarse_source[parent];
    for (int32_t flip = 0; flip < 4; ++flip) {
      const Place child{2 * s.x + ((p.x ^ flip) & 1), 2 * s.y + ((p.y ^ flip >> 1) & 1)};
      if (!fine.contains(child) || fine.disp_known[fine.at(child)] > fine.limit[i]) continue;
      fine.source[0][i] = child;
      break;
    }
  }
}

// From the border inwards: until round n, pixels deeper than n are compared with nothing, so that lines grow in from all
// sides.
void peel(Level& level, int round) {
  for (int32_t i = 0; i < level.num_holes; ++i)
    level.confidence[level.at(level.place[i])] = level.distance[i] > round ? 0 : inpaint_confidence(level.distance[i]);
}

// Improves the level's sources; returns the array that holds them.
const Place* fill_level(Level& level, int num_rounds, bool is_coarsest, const Executor& executor) {
  std::fill_n(level.error, level.num_holes, 0);
  vote(level, level.source[0], executor);
  uint32_t pass = 0;
  for (int round = 0; round < num_rounds; ++round) {
    if (is_coarsest) peel(level, round);
    for (int32_t jump : kJumps) {
      parallel_ranges(executor, level.num_holes, kMinPart, [&](int64_t begin, int64_t end) {
        search_sources({&level, static_cast<int32_t>(begin), static_cast<int32_t>(end), pass, jump});
      });
      ++pass;
    }
    vote(level, level.source[pass & 1], executor);
  }
  return level.source[pass & 1];
}

// --- blend -------------------------------------------------------------------------------------------------------------

// Copies each hole pixel's most voted source and fits the copies to each other and to the known surface by their gradients
// (Perez et al. 2003, screened). [num_holes, 3]
const float* blend(const InpaintLayersArgs& args, const Level& level, const Place* source, Memory& memory,
                   const Executor& executor) {
  auto m = make_membrane<3>(level.num_holes, memory);
  Place* chosen = memory.get<Place>(level.num_holes);
  if (!memory.ok) return nullptr;
  const auto rgb_at = [&](Place p) { return args.rgb + 3 * (static_cast<int64_t>(p.y) * args.width + p.x); };
  parallel_ranges(executor, m.num, kMinPart, [&](int64_t begin, int64_t end) {
    for (int32_t i = static_cast<int32_t>(begin); i < end; ++i) {
      chosen[i] = elect(level, source, i);
      for (int c = 0; c < 3; ++c) m.value[0][3 * i + c] = rgb_at(chosen[i])[c];
    }
  });
  // Adds the step from `from` to its neighbour in the photo, where that may be a source.
  const auto add_gradient = [&](int32_t limit, Place from, Place step, float sign, float* gradient) {
    const Place to{from.x + step.x, from.y + step.y};
    if (level.disp_known[level.at(to)] > limit) return 0;
    for (int c = 0; c < 3; ++c) gradient[c] += sign * (rgb_at(to)[c] - rgb_at(from)[c]);
    return 1;
  };
  parallel_ranges(executor, m.num, kMinPart, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Place p = level.place[i];
      m.weight[i] = kColourHold;
      for (int c = 0; c < 3; ++c) m.constant[3 * i + c] = kColourHold * m.value[0][3 * i + c];
      for (int n = 0; n < 4; ++n) {
        const Place step = kNeighbours[n], q{p.x + step.x, p.y + step.y};
        const int32_t k = level.slot[level.at(q)];
        m.neighbour[i][n] = -1;
        if (level.disp[level.at(q)] > level.limit[i]) continue;
        float gradient[3] = {};
        int count = add_gradient(level.limit[i], chosen[i], step, 1.0f, gradient);
        if (k >= 0) count += add_gradient(level.limit[k], chosen[k], {-step.x, -step.y}, -1.0f, gradient);
        if (count == 0) continue;
        m.neighbour[i][n] = k;
        m.weight[i] += 1.0f;
        for (int c = 0; c < 3; ++c)
          m.constant[3 * i + c] += (k < 0 ? rgb_at(q)[c] : 0.0f) - gradient[c] / static_cast<float>(count);
      }
    }
  });
  return relax(m, kColourPasses, executor);
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
  levels[0] = make_level(args.width, args.height, memory);
  Level& top = levels[0];
  if (!memory.ok) return out_of_memory;
  std::atomic<int64_t> num_clean{0};
  parallel_items(executor, args.height, [&](int, int64_t row) {
    int64_t num_here = 0;
    for (int32_t x = 0, y = static_cast<int32_t>(row); x < args.width; ++x) {
      const Kind kind = top.kind[top.at(x, y)] = kind_of(args, x, y);
      num_here += kind == Kind::kKnown;
    }
    num_clean.fetch_add(num_here, std::memory_order_relaxed);
  });
  if (num_clean == 0)
    for (int32_t y = 0; y < args.height; ++y)
      for (int32_t x = 0; x < args.width; ++x)
        if (is_usable(args, static_cast<int64_t>(y) * args.width + x)) top.kind[top.at(x, y)] = Kind::kKnown;
  list_holes(top, memory);
  if (!memory.ok) return out_of_memory;
  const float* smooth = smooth_disp(args, top, known, memory, executor);
  if (!memory.ok) return out_of_memory;

  const float scale = known.disp_max > known.disp_min ? kDispSteps / (known.disp_max - known.disp_min) : 0.0f;
  const auto quantise = [&](float disp) {
    return static_cast<int16_t>(std::min(std::max((disp - known.disp_min) * scale, 0.0f), kDispSteps));
  };
  const int32_t tear = static_cast<int32_t>(std::min(args.tear_disp * scale, kDispSteps));
  const float colour_scale = known.rgb_max > known.rgb_min ? 255.0f / (known.rgb_max - known.rgb_min) : 0.0f;
  parallel_items(executor, args.height, [&](int, int64_t row) {
    for (int32_t x = 0, y = static_cast<int32_t>(row); x < args.width; ++x) {
      const int64_t i = row * args.width + x;
      const int32_t p = top.at(x, y), k = top.slot[p];
      if (k >= 0) {
        top.disp[p] = quantise(smooth[k]);
        top.limit[k] = quantise(smooth[k] + args.tear_disp);
      } else if (top.kind[p] == Kind::kKnown) {
        top.disp[p] = top.disp_known[p] = quantise(args.disp[i]);
        for (int c = 0; c < 3; ++c)
          top.colour[c][p] = static_cast<uint8_t>((args.rgb[3 * i + c] - known.rgb_min) * colour_scale + 0.5f);
      }
    }
  });
  find_nearest_known(top);
  int32_t deepest = 0;
  for (int32_t i = 0; i < top.num_holes; ++i)
    if (top.distance[i] < kUnreached) deepest = std::max(deepest, top.distance[i]);

  int num_levels = 1;
  for (; num_levels < kMaxLevels && deepest > kDeepestHole; ++num_levels, deepest /= 2) {
    const Level& fine = levels[num_levels - 1];
    Level& coarse = levels[num_levels];
    if (std::min(fine.width, fine.height) < 2 * kMinSide) break;
    coarse = make_level((fine.width + 1) / 2, (fine.height + 1) / 2, memory);
    if (!memory.ok) return out_of_memory;
    halve_planes(fine, coarse, tear, executor);
    list_holes(coarse, memory);
    if (!memory.ok) return out_of_memory;
    halve_limits(fine, coarse);
    if (coarse.num_holes == 0 || !find_nearest_known(coarse)) break;
  }

  const Place* source = fill_level(levels[num_levels - 1], kFirstRounds, true, executor);
  for (int n = num_levels - 2; n >= 0; --n) {
    refine_sources(levels[n + 1], source, levels[n]);
    source = fill_level(levels[n], kRounds, false, executor);
  }
  const float* blended = blend(args, top, source, memory, executor);
  if (!memory.ok) return out_of_memory;
  for (int32_t k = 0; k < top.num_holes; ++k) {
    const int64_t i = static_cast<int64_t>(top.place[k].y) * args.width + top.place[k].x;
    if (!args.hole[i]) continue;
    for (int c = 0; c < 3; ++c)
      args.rgb_out[3 * i + c] = std::min(std::max(blended[3 * int64_t{k} + c], known.rgb_min), known.rgb_max);
    args.disp_out[i] = args.disp[i] > 0.0f ? std::min(smooth[k], args.disp[i] - args.tear_disp) : smooth[k];
  }
  return {};
}

}  // namespace c3d::cpu
