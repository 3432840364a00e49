// The picture pyramid of inpaint_layers in host memory, and loops over its pixels.
#pragma once

#include <algorithm>
#include <cmath>

#include "inpaint_memory.h"
#include "parallel.h"

namespace c3d::cpu {

// Pixels per task, many times as long as a thread takes to wake: of what is searched or voted, and of what only passes by.
constexpr int64_t kMinPart = 512, kMinLightPart = 16384;

template <typename Body>  // body(slot)
void for_each_hole(const inpaint::Level& level, const Executor& executor, const Body& body, int64_t min_part = kMinPart) {
  parallel_ranges(executor, *level.num_holes, min_part, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(static_cast<int32_t>(i));
  });
}

template <typename Body>  // body(y)
void for_each_row(int32_t width, int32_t height, const Executor& executor, const Body& body) {
  parallel_items(
      executor, height, [&](int, int64_t y) { body(static_cast<int32_t>(y)); }, kMinLightPart / std::max(width, 1) + 1);
}

template <typename Body>  // body(x, y)
void for_each_pixel(const inpaint::Level& level, const Executor& executor, const Body& body) {
  for_each_row(level.width, level.height, executor, [&](int32_t y) {
    for (int32_t x = 0; x < level.width; ++x) body(x, y);
  });
}

inline inpaint::Level make_level(int32_t width, int32_t height, Memory& memory) {
  const inpaint::Level level = inpaint::allocate_planes(width, height, memory);
  if (memory.ok) inpaint::for_each_plane(level, [&](auto* plane, auto empty) { std::fill_n(plane, level.num_padded, empty); });
  return level;
}

inline void list_holes(inpaint::Level& level, Memory& memory) {
  const auto hole = inpaint::Kind::kHole;
  const int64_t n = std::count(level.kind, level.kind + level.num_padded, hole);
  level.num_holes = memory.get<int32_t>(1);
  inpaint::allocate_lists(level, n, memory);
  if (!memory.ok) return;
  *level.num_holes = static_cast<int32_t>(n);
  int32_t i = 0;
  for (int64_t p = 0; p < level.num_padded; ++p) {
    if (level.kind[p] != hole) continue;
    level.place[i] = level.place_of(static_cast<int32_t>(p));
    level.slot[p] = i++;
  }
}

// Finds each hole pixel's nearest source, its distance, and the confidence that follows from it. False where the level has no
// known pixel.
inline bool find_nearest(const inpaint::Level& level, const Executor& executor) {
  const int16_t* farthest = std::min_element(level.disp_known, level.disp_known + level.num_padded);
  if (*farthest == inpaint::kNoPixel) return false;
  parallel_ranges(executor, level.num_padded, kMinLightPart, [&](int64_t begin, int64_t end) {
    const inpaint::Level here = level;
    for (int64_t p = begin; p < end; ++p) inpaint::trust_known(here, p);
  });
  for_each_hole(level, executor, [&](int32_t i) { inpaint::start_flood(level, *farthest, i); });
  int num_rounds = 0;
  for (int32_t jump = inpaint::first_flood_jump(level); jump > 0; jump /= 2, ++num_rounds)
    for_each_hole(level, executor, [&](int32_t i) { inpaint::flood_source(level, num_rounds, jump, i); });
  const inpaint::Place place = level.place_of(static_cast<int32_t>(farthest - level.disp_known));
  for_each_hole(level, executor, [&](int32_t i) { inpaint::finish_flood(level, num_rounds, place, i); });
  return true;
}

// px; pixels that no source reached do not count.
inline int32_t deepest_of(const inpaint::Level& level) {
  int32_t deepest = 0;
  for (int32_t i = 0; i < *level.num_holes; ++i)
    if (level.distance[i] < inpaint::kUnreached) deepest = std::max(deepest, level.distance[i]);
  return deepest;
}

}  // namespace c3d::cpu
