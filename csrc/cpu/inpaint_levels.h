// The picture pyramid of inpaint_layers: 8-bit colours and 15-bit disparities, so that matching is integer arithmetic.
#pragma once

#include <algorithm>
#include <cmath>

#include "c3d/formulas.h"
#include "parallel.h"

namespace c3d::cpu {

constexpr int kPad = 4;               // px around a level, so that no patch needs a bounds check
constexpr int kMaxLevels = 10;
constexpr int32_t kMinSide = 8;      // px, of the coarsest level
constexpr int32_t kDeepestHole = 2;   // px, at the coarsest level
constexpr float kDispSteps = 32000.0f;
constexpr int16_t kNoPixel = 32767;   // nearer than any limit: neither source nor context
constexpr int32_t kUnreached = 1 << 20;

// What a pixel is to the filling. kUnusable: outside, not finite, or its colour may be mixed with a nearer surface's.
enum class Kind : uint8_t { kUnusable, kKnown, kHole };

struct Place {
  int32_t x, y;  // px
};

// Working memory of one call: remembers whether any allocation failed.
struct Memory {
  const Scratch& scratch;
  bool ok = true;

  template <typename T>
  T* get(int64_t count) {
    T* block = allocate<T>(scratch, std::max<int64_t>(count, 1));
    ok = ok && block;
    return block;
  }
};

// Planes are padded by kPad and indexed by at(); hole pixels are also listed, row by row, and indexed by their slot.
struct Level {
  int32_t width, height, stride;
  int64_t num_padded;
  Kind* kind;
  uint8_t* colour[3];
  int16_t* disp;        // of a hole pixel: of the surface that it continues
  int16_t* disp_known;  // the same, kNoPixel where not kKnown
  uint8_t* confidence;  // of the colour; 0 where it is unusable
  int32_t* slot;        // -1 where not kHole

  int32_t num_holes;
  Place* place;        // [num_holes]
  int16_t* limit;      // [num_holes] disparity that no source may exceed
  int32_t* distance;   // [num_holes] px from the known surface
  Place* source[2];    // [num_holes] before and after a pass
  int32_t* error;      // [num_holes] mean difference between a pixel's patch and its source's, summed over colours
  uint8_t* voted;      // [num_holes, 3] colours of the next pass

  int32_t at(int32_t x, int32_t y) const { return (y + kPad) * stride + x + kPad; }
  int32_t at(Place p) const { return at(p.x, p.y); }
  bool contains(Place p) const { return p.x >= 0 && p.y >= 0 && p.x < width && p.y < height; }
};

inline Level make_level(int32_t width, int32_t height, Memory& memory) {
  Level level{};
  level.width = width;
  level.height = height;
  level.stride = width + 2 * kPad;
  const int64_t n = level.num_padded = static_cast<int64_t>(level.stride) * (height + 2 * kPad);
  level.kind = memory.get<Kind>(n);
  for (uint8_t*& plane : level.colour) plane = memory.get<uint8_t>(n);
  level.disp = memory.get<int16_t>(n);
  level.disp_known = memory.get<int16_t>(n);
  level.confidence = memory.get<uint8_t>(n);
  level.slot = memory.get<int32_t>(n);
  if (!memory.ok) return level;
  std::fill_n(level.kind, n, Kind::kUnusable);
  for (uint8_t* plane : level.colour) std::fill_n(plane, n, uint8_t{0});
  std::fill_n(level.disp, n, kNoPixel);
  std::fill_n(level.disp_known, n, kNoPixel);
  std::fill_n(level.confidence, n, uint8_t{0});
  std::fill_n(level.slot, n, -1);
  return level;
}

inline void list_holes(Level& level, Memory& memory) {
  level.num_holes = static_cast<int32_t>(std::count(level.kind, level.kind + level.num_padded, Kind::kHole));
  const int64_t n = level.num_holes;
  level.place = memory.get<Place>(n);
  level.limit = memory.get<int16_t>(n);
  level.distance = memory.get<int32_t>(n);
  for (Place*& source : level.source) source = memory.get<Place>(n);
  level.error = memory.get<int32_t>(n);
  level.voted = memory.get<uint8_t>(3 * n);
  if (!memory.ok) return;
  int32_t i = 0;
  for (int32_t y = 0; y < level.height; ++y) {
    for (int32_t x = 0; x < level.width; ++x) {
      if (level.kind[level.at(x, y)] != Kind::kHole) continue;
      level.place[i] = {x, y};
      level.slot[level.at(x, y)] = i++;
    }
  }
}

// The half-sized level. A pixel becomes a hole where half of what it covers is one, else it takes its farthest surface.
inline void halve_planes(const Level& fine, Level& coarse, int32_t tear, const Executor& executor) {
  parallel_items(executor, coarse.height, [&](int, int64_t row) {
    const int32_t y = static_cast<int32_t>(row);
    for (int32_t x = 0; x < coarse.width; ++x) {
      const int32_t corner = fine.at(2 * x, 2 * y);
      const int32_t children[4] = {corner, corner + 1, corner + fine.stride, corner + fine.stride + 1};
      int32_t num_known = 0, num_holes = 0, sum_disp = 0, sum[3] = {};
      int32_t farthest = kNoPixel;
      for (int32_t q : children) {
        farthest = std::min<int32_t>(farthest, fine.disp_known[q]);
        num_known += fine.kind[q] == Kind::kKnown;
        num_holes += fine.kind[q] == Kind::kHole;
      }
      if (num_known + num_holes == 0) continue;
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
      if (kind == Kind::kHole) continue;
      coarse.disp_known[p] = coarse.disp[p];
      for (int c = 0; c < 3; ++c) coarse.colour[c][p] = static_cast<uint8_t>((sum[c] + count / 2) / count);
    }
  });
}

inline void halve_limits(const Level& fine, Level& coarse) {
  for (int32_t i = 0; i < coarse.num_holes; ++i) {
    const int32_t corner = fine.at(2 * coarse.place[i].x, 2 * coarse.place[i].y);
    int32_t sum = 0, count = 0;
    for (int32_t q : {corner, corner + 1, corner + fine.stride, corner + fine.stride + 1}) {
      if (fine.slot[q] < 0) continue;
      sum += fine.limit[fine.slot[q]];
      ++count;
    }
    coarse.limit[i] = static_cast<int16_t>(sum / count);
  }
}

// Finds each hole pixel's nearest source, its distance, and the confidence that follows from it; raises limits that leave no
// source at all to the farthest pixel. False where the level has no known pixel.
inline bool find_nearest_known(Level& level) {
  Place farthest{};
  int16_t least = kNoPixel;
  for (int32_t y = 0; y < level.height; ++y) {
    for (int32_t x = 0; x < level.width; ++x) {
      const int32_t p = level.at(x, y);
      if (level.disp_known[p] < least) least = level.disp_known[p], farthest = {x, y};
      level.confidence[p] = level.kind[p] == Kind::kKnown ? inpaint_confidence(0) : 0;
    }
  }
  if (least == kNoPixel) return false;
  for (int32_t i = 0; i < level.num_holes; ++i) {
    level.limit[i] = std::max(level.limit[i], least);
    level.distance[i] = kUnreached;
    level.source[0][i] = farthest;
  }
  // A chamfer transform along surfaces: two rounds of a pass down and a pass up.
  constexpr Place kEarlier[] = {{-1, 0}, {-1, -1}, {0, -1}, {1, -1}};
  for (int round = 0; round < 4; ++round) {
    const bool up = round & 1;
    for (int32_t k = 0; k < level.num_holes; ++k) {
      const int32_t i = up ? level.num_holes - 1 - k : k;
      for (const Place& step : kEarlier) {
        Place origin{level.place[i].x + (up ? -step.x : step.x), level.place[i].y + (up ? -step.y : step.y)};
        int32_t distance = 1;
        if (const int32_t from = level.slot[level.at(origin)]; from >= 0) {
          distance += level.distance[from];
          origin = level.source[0][from];
        }
        if (distance >= level.distance[i] || level.disp_known[level.at(origin)] > level.limit[i]) continue;
        level.distance[i] = distance;
        level.source[0][i] = origin;
      }
    }
  }
  for (int32_t i = 0; i < level.num_holes; ++i)
    level.confidence[level.at(level.place[i])] = inpaint_confidence(level.distance[i]);
  return true;
}

}  // namespace c3d::cpu
