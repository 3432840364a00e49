// convert_to_yuv on the CPU, by the caller's thread alone: half a millisecond for 1280x720, and an encoder calls it while the
// executor's threads draw the next frame.
#include "c3d/yuv_formulas.h"

#include <algorithm>
#include <cstring>

#include "../checks.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

constexpr int kBatch = 128;  // pixels of two rows that are converted at a time, in vectors, once their bytes lie by channel

// Of the first num of kBatch pixels; the others are anything.
C3D_INLINE void split_channels(const uint8_t* rgb, int num, uint8_t (&split)[3][kBatch]) {
  uint8_t batch[3 * kBatch] = {};
  if (num < kBatch) rgb = static_cast<const uint8_t*>(std::memcpy(batch, rgb, 3 * static_cast<size_t>(num)));
  for (int j = 0; j < kBatch; ++j)
    for (int c = 0; c < 3; ++c) split[c][j] = rgb[3 * j + c];
}

C3D_INLINE void convert_batch(const ConvertToYuvArgs& args, const yuv::Planes& out, int64_t row, int64_t first, int num) {
  uint8_t rgb[2][3][kBatch];
  for (int k = 0; k < 2; ++k) {
    const int64_t at = (row + k) * args.width + first;
    split_channels(args.rgb + 3 * at, num, rgb[k]);
    uint8_t y[kBatch];
    for (int j = 0; j < kBatch; ++j) y[j] = yuv::luma(rgb[k][0][j], rgb[k][1][j], rgb[k][2][j]);
    std::memcpy(out.y + at, y, static_cast<size_t>(num));
  }
  int16_t sum[3][kBatch / 2];
  for (int c = 0; c < 3; ++c)
    for (int j = 0; j < kBatch / 2; ++j)
      sum[c][j] = static_cast<int16_t>(rgb[0][c][2 * j] + rgb[0][c][2 * j + 1] + rgb[1][c][2 * j] + rgb[1][c][2 * j + 1]);
  uint8_t cb[kBatch / 2], cr[kBatch / 2];
  for (int j = 0; j < kBatch / 2; ++j) {
    cb[j] = yuv::cb(sum[0][j], sum[1][j], sum[2][j]);
    cr[j] = yuv::cr(sum[0][j], sum[1][j], sum[2][j]);
  }
  const int64_t at = row / 2 * (args.width / 2) + first / 2;
  std::memcpy(out.cb + at, cb, static_cast<size_t>(num / 2));
  std::memcpy(out.cr + at, cr, static_cast<size_t>(num / 2));
}

C3D_INLINE void convert_body(const ConvertToYuvArgs& args) {
  const yuv::Planes out = yuv::planes_of(args);
  for (int64_t row = 0; row < args.height; row += 2)
    for (int64_t first = 0; first < args.width; first += kBatch)
      convert_batch(args, out, row, first, static_cast<int>(std::min<int64_t>(kBatch, args.width - first)));
}

C3D_DISPATCH(convert_rows, convert_body, const ConvertToYuvArgs&)

}  // namespace

Status convert_to_yuv(const ConvertToYuvArgs& args, const Context& context) {
  const Status status = check_on_host(args, context);
  if (status.ok()) convert_rows(args);
  return status;
}

}  // namespace c3d::cpu
