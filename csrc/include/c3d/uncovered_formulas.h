// What fill_uncovered does to one pixel, for host and device.
#pragma once

#include "c3d/formulas.h"

namespace c3d::uncovered {

// A frame while it is continued. Of an uncovered pixel `round` is the one in which it gets its colour, 1 beside what is
// covered; 0 until that is known. `value` is its colour, 0..255, from then on.
struct Rings {
  FillUncoveredArgs frame;
  uint32_t* round;  // [H, W]
  float* value;     // [H, W, 3]
};

struct Around {  // of a pixel, as far as there are such: first .. last
  int32_t x0, y0, x1, y1;
};

C3D_HD inline Around around(const FillUncoveredArgs& frame, int64_t pixel) {
  const int32_t x = static_cast<int32_t>(pixel % frame.width), y = static_cast<int32_t>(pixel / frame.width);
  return {x > 0 ? x - 1 : 0, y > 0 ? y - 1 : 0, x + 1 < frame.width ? x + 1 : x, y + 1 < frame.height ? y + 1 : y};
}

C3D_HD inline bool is_rim(const FillUncoveredArgs& frame, int64_t pixel) {
  if (!frame.uncovered[pixel]) return false;
  const Around near = around(frame, pixel);
  for (int32_t y = near.y0; y <= near.y1; ++y)
    for (int32_t x = near.x0; x <= near.x1; ++x)
      if (!frame.uncovered[static_cast<int64_t>(y) * frame.width + x]) return true;
  return false;
}

C3D_HD inline bool has_colour(const Rings& rings, int64_t pixel, uint32_t round) {
  return !rings.frame.uncovered[pixel] || (rings.round[pixel] > 0 && rings.round[pixel] < round);
}

// The quotient of two means over 3x3 pixels, added up row by row: colours, and what has one.
C3D_HD inline void colour_pixel(const Rings& rings, int64_t pixel, uint32_t round) {
  const FillUncoveredArgs& frame = rings.frame;
  const Around near = around(frame, pixel);
  float sum[3] = {0, 0, 0}, count = 0;
  for (int32_t y = near.y0; y <= near.y1; ++y)
    for (int32_t x = near.x0; x <= near.x1; ++x) {
      const int64_t i = static_cast<int64_t>(y) * frame.width + x;
      if (!has_colour(rings, i, round)) continue;
      for (int c = 0; c < 3; ++c)
        sum[c] += frame.uncovered[i] ? rings.value[3 * i + c] : static_cast<float>(frame.rgb[3 * i + c]);
      count += 1.0f;
    }
  for (int c = 0; c < 3; ++c) {
    const float value = sum[c] / 9.0f / (count / 9.0f);
    rings.value[3 * pixel + c] = value;
    frame.rgb_out[3 * pixel + c] = static_cast<uint8_t>(value + 0.5f);
  }
}

}  // namespace c3d::uncovered
