// CUDA's half, as far as csrc/cuda/ uses it.
#pragma once

#include <cstdint>

#include "cuda_runtime.h"

struct __half {
  uint16_t bits;
};

inline __half __ushort_as_half(uint16_t bits) { return {bits}; }

// Multiplying by 2^112 moves the exponent and normalises subnormals; infinity and NaN keep their mantissa.
inline float __half2float(__half half) {
  const uint32_t sign = (half.bits & 0x8000u) << 16, magnitude = (half.bits & 0x7FFFu) << 13;
  const bool special = (half.bits & 0x7C00u) == 0x7C00u;
  const uint32_t bits =
      special ? magnitude | 0x7F800000u : __float_as_uint(__uint_as_float(magnitude) * __uint_as_float(0x77800000u));
  return __uint_as_float(bits | sign);
}
