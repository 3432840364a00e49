// What convert_to_yuv makes of 2x2 pixels, for host and device: ITU-R BT.709-6, items 3.2 to 3.5, in fixed point.
#pragma once

#include "c3d/formulas.h"

namespace c3d::yuv {

constexpr int kBits = 20;  // of a weight's fraction: values are within 0.001 of those in real numbers, before they are rounded
constexpr double kRed = 0.2126, kGreen = 0.7152, kBlue = 0.0722;  // of luma
constexpr double kLumaScale = 219.0 / 255, kChromaScale = 224.0 / 255;

struct Weights {  // of red, green and blue, 2^kBits is 1
  int32_t r, g, b;
};

constexpr int32_t fixed(double weight) { return static_cast<int32_t>(weight * (1 << kBits) + (weight < 0 ? -0.5 : 0.5)); }

// Green takes what the others leave of the sum: white keeps its luma, grey has no chroma.
constexpr Weights weights_of(double r, double b, double sum) { return {fixed(r), fixed(sum) - fixed(r) - fixed(b), fixed(b)}; }

constexpr Weights kLuma = weights_of(kRed * kLumaScale, kBlue* kLumaScale, kLumaScale);
constexpr Weights kCb = weights_of(-kRed / (2 * (1 - kBlue)) * kChromaScale, 0.5 * kChromaScale, 0);
constexpr Weights kCr = weights_of(0.5 * kChromaScale, -kBlue / (2 * (1 - kRed)) * kChromaScale, 0);

// 16..235.
C3D_HD inline uint8_t luma(int32_t r, int32_t g, int32_t b) {
  constexpr Weights of = kLuma;
  return static_cast<uint8_t>((of.r * r + of.g * g + of.b * b + (16 << kBits) + (1 << (kBits - 1))) >> kBits);
}

// 16..240, of the colours of four pixels added up.
C3D_HD inline uint8_t chroma(Weights of, int32_t r, int32_t g, int32_t b) {
  constexpr int kSumBits = kBits + 2;
  return static_cast<uint8_t>((of.r * r + of.g * g + of.b * b + (128 << kSumBits) + (1 << (kSumBits - 1))) >> kSumBits);
}
C3D_HD inline uint8_t cb(int32_t r, int32_t g, int32_t b) {
  constexpr Weights of = kCb;
  return chroma(of, r, g, b);
}
C3D_HD inline uint8_t cr(int32_t r, int32_t g, int32_t b) {
  constexpr Weights of = kCr;
  return chroma(of, r, g, b);
}

struct Planes {
  uint8_t *y, *cb, *cr;  // [H, W], [H/2, W/2] twice
};

C3D_HD inline Planes planes_of(const ConvertToYuvArgs& args) {
  const int64_t num_pixels = static_cast<int64_t>(args.width) * args.height;
  return {args.yuv_out, args.yuv_out + num_pixels, args.yuv_out + num_pixels + num_pixels / 4};
}

}  // namespace c3d::yuv
