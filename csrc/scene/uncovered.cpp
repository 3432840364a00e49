#include <algorithm>
#include <vector>

#include "data.h"

namespace c3d::scene {
namespace {

struct Sums {
  float value[3] = {}, weight = 0;
};

// Of the 3x3 pixels around (x, y), as far as there are such, row by row, as torch's avg_pool2d adds them.
Sums sums_around(const std::vector<float>& value, const std::vector<float>& weight, int32_t width, int32_t height, int32_t x,
                 int32_t y) {
  Sums sums;
  for (int32_t row = std::max(y - 1, 0); row < std::min(y + 2, height); ++row)
    for (int32_t column = std::max(x - 1, 0); column < std::min(x + 2, width); ++column) {
      const auto i = static_cast<size_t>(row) * static_cast<size_t>(width) + static_cast<size_t>(column);
      for (size_t c = 0; c < 3; ++c) sums.value[c] += value[3 * i + c];
      sums.weight += weight[i];
    }
  return sums;
}

}  // namespace

void fill_uncovered(int32_t width, int32_t height, const uint8_t* uncovered, uint8_t* rgb) {
  const size_t num_pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  const auto num_covered = static_cast<size_t>(std::count(uncovered, uncovered + num_pixels, uint8_t{0}));
  if (num_covered == num_pixels || num_covered == 0) return;
  std::vector<float> value(3 * num_pixels), weight(num_pixels);
  for (size_t i = 0; i < num_pixels; ++i) {
    weight[i] = uncovered[i] ? 0.0f : 1.0f;
    for (size_t c = 0; c < 3; ++c) value[3 * i + c] = static_cast<float>(rgb[3 * i + c]) * weight[i];
  }
  std::vector<float> wide_value = value, wide_weight = weight;
  for (size_t num_known = num_covered; num_known < num_pixels;) {
    for (int32_t y = 0; y < height; ++y)
      for (int32_t x = 0; x < width; ++x) {
        const auto i = static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x);
        if (weight[i] > 0.0f) continue;
        const Sums sums = sums_around(value, weight, width, height, x, y);
        const float share = sums.weight / 9.0f;
        for (size_t c = 0; c < 3; ++c) wide_value[3 * i + c] = sums.value[c] / 9.0f / std::max(share, 1e-12f);
        wide_weight[i] = share > 0.0f ? 1.0f : 0.0f;
        num_known += share > 0.0f;
      }
    value = wide_value, weight = wide_weight;
  }
  for (size_t i = 0; i < 3 * num_pixels; ++i) rgb[i] = static_cast<uint8_t>(value[i] + 0.5f);
}

}  // namespace c3d::scene
