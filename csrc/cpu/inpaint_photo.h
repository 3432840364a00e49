// From the photo to the finest level of inpaint_layers, row by row, in vectors. What is read is copied onto the stack first:
// nothing that is written then can be its memory.
#pragma once

#include <algorithm>
#include <mutex>

#include "inpaint_levels.h"
#include "simd.h"

namespace c3d::cpu::photo {

using namespace inpaint;

struct Row {
  const InpaintLayersArgs* args;
  const Level* level;
  int32_t y;
  const Known* known;  // once it is
};

template <typename Body>  // body(row)
void for_each_row(const InpaintLayersArgs& args, const Level& level, const Known* known, const Executor& executor,
                  const Body& body) {
  cpu::for_each_row(args.width, args.height, executor, [&](int32_t y) { body(Row{&args, &level, y, known}); });
}

// --- what is known -----------------------------------------------------------------------------------------------------

constexpr int kExtremeLanes = 16;

struct Extremes {
  float disp_min[kExtremeLanes], disp_max[kExtremeLanes], rgb_min[kExtremeLanes], rgb_max[kExtremeLanes];
  int32_t num_pixels[kExtremeLanes];
};

C3D_INLINE void include_pixel(const InpaintLayersArgs& args, int64_t i, int lane, Extremes& seen) {
  const bool counts = is_usable(args, i);
  const float disp = args.disp[i], r = args.rgb[3 * i], g = args.rgb[3 * i + 1], b = args.rgb[3 * i + 2];
  const float least = lesser(lesser(r, g), b), most = greater(greater(r, g), b);
  seen.disp_min[lane] = lesser(seen.disp_min[lane], counts ? disp : INFINITY);
  seen.disp_max[lane] = greater(seen.disp_max[lane], counts ? disp : -INFINITY);
  seen.rgb_min[lane] = lesser(seen.rgb_min[lane], counts ? least : INFINITY);
  seen.rgb_max[lane] = greater(seen.rgb_max[lane], counts ? most : -INFINITY);
  seen.num_pixels[lane] += counts;
}

struct Measured {
  const Row* row;
  Known* known;
};

C3D_INLINE void measure_body(const Measured& measured) {
  const InpaintLayersArgs args = *measured.row->args;
  const int64_t begin = static_cast<int64_t>(measured.row->y) * args.width, end = begin + args.width;
  Extremes seen;
  for (int lane = 0; lane < kExtremeLanes; ++lane) {
    seen.disp_min[lane] = seen.rgb_min[lane] = INFINITY;
    seen.disp_max[lane] = seen.rgb_max[lane] = -INFINITY;
    seen.num_pixels[lane] = 0;
  }
  int64_t i = begin;
  for (; i + kExtremeLanes <= end; i += kExtremeLanes) {
#ifndef __clang__  // which knows no such word
#pragma GCC ivdep
#endif
    for (int lane = 0; lane < kExtremeLanes; ++lane) include_pixel(args, i + lane, lane, seen);
  }
  for (; i < end; ++i) include_pixel(args, i, 0, seen);
  Known& known = *measured.known;
  for (int lane = 0; lane < kExtremeLanes; ++lane) {
    known.disp_min = std::min(known.disp_min, seen.disp_min[lane]);
    known.disp_max = std::max(known.disp_max, seen.disp_max[lane]);
    known.rgb_min = std::min(known.rgb_min, seen.rgb_min[lane]);
    known.rgb_max = std::max(known.rgb_max, seen.rgb_max[lane]);
    known.num_pixels += seen.num_pixels[lane];
  }
}
C3D_DISPATCH(measure_row, measure_body, const Measured&)

// --- kinds and values --------------------------------------------------------------------------------------------------

C3D_INLINE void find_kinds_body(const Row& row) {
  const InpaintLayersArgs args = *row.args;
  const int64_t first = static_cast<int64_t>(row.y) * args.width;
  const int32_t last = args.width - 1;
  Kind* kind = row.level->kind + row.level->at(0, row.y);
  const Steps ends = steps_around(args, 0, row.y);
  kind[0] = kind_of(args, first, ends);
  for (int32_t x = 1; x < last; ++x) kind[x] = kind_of(args, first + x, {ends.up, ends.down, -1, 1});
  kind[last] = kind_of(args, first + last, steps_around(args, last, row.y));
}
C3D_DISPATCH(find_kinds, find_kinds_body, const Row&)

// A plane after the other: of few arrays at a time the compiler sees that they lie apart.
C3D_INLINE void quantise_body(const Row& row) {
  const Known known = *row.known;
  const int32_t width = row.args->width, start = row.level->at(0, row.y);
  const float *disp = row.args->disp + static_cast<int64_t>(row.y) * width, *rgb = row.args->rgb + (disp - row.args->disp) * 3;
  const Kind* kind = row.level->kind + start;
  int16_t* disp_known = row.level->disp_known + start;
  for (int32_t x = 0; x < width; ++x) disp_known[x] = quantised_disp(known, kind[x], disp[x]);
  std::copy_n(disp_known, width, row.level->disp + start);
  for (int c = 0; c < 3; ++c) {
    uint8_t* colour = row.level->colour[c] + start;
    for (int32_t x = 0; x < width; ++x) colour[x] = quantised_colour(known, kind[x], rgb[3 * x + c]);
  }
}
C3D_DISPATCH(quantise, quantise_body, const Row&)

}  // namespace c3d::cpu::photo
