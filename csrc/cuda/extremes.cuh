// The largest of many values, by integer atomics: the same whatever the order.
#pragma once

#include "launch.cuh"

namespace c3d::cuda {

// Unsigned integers that order like the floats; 0 is below all of them.
__device__ inline uint32_t ordered_bits(float value) {
  const uint32_t bits = __float_as_uint(value);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
__device__ inline float from_ordered_bits(uint32_t bits) {
  return __uint_as_float(bits & 0x80000000u ? bits & 0x7FFFFFFFu : ~bits);
}

// A warp agrees on its largest value before it asks memory. The whole warp must call.
template <typename T>
__device__ inline void raise_to(T* largest, T value) {
  for (int lanes = kWarpSize / 2; lanes > 0; lanes /= 2) value = max(value, __shfl_xor_sync(kAllLanes, value, lanes));
  if (threadIdx.x % kWarpSize == 0) atomicMax(largest, value);
}

}  // namespace c3d::cuda
