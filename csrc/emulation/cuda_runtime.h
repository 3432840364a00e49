// The part of CUDA that csrc/cuda/ uses, on the processor. Found before the toolkit's header of this name.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "grid.h"
#include "vector_types.h"

#define C3D_EMULATION
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static  // blocks run one after the other

using std::max;
using std::min;

// --- host ---

using cudaStream_t = struct CUstream_st*;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidConfiguration = 9, cudaErrorLaunchFailure = 719 };

inline const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorLaunchFailure: return "threads of a block wait for each other for good";
  }
  return "unknown error";
}

// Runs at once: a stream is executed in order anyway.
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t num_bytes, cudaStream_t) {
  std::memset(to, value, num_bytes);
  return cudaSuccess;
}

// --- bits and arithmetic ---

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }

template <typename To, typename From>
inline To c3d_bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

inline unsigned __float_as_uint(float x) { return c3d_bits_as<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return c3d_bits_as<float>(x); }

// --- memory ---

template <typename T>
inline T __ldg(const T* from) {
  return *from;
}
template <typename T>
inline void __stcs(T* to, T value) {
  *to = value;
}

template <typename T, typename Change>
inline T c3d_atomic(T* at, const Change& change) {
  c3d::emulation::pause_at_random();
  const T before = *at;
  *at = change(before);
  return before;
}

template <typename T>
inline T atomicAdd(T* at, T value) {
  return c3d_atomic(at, [=](T before) { return before + value; });
}
template <typename T>
inline T atomicMax(T* at, T value) {
  return c3d_atomic(at, [=](T before) { return std::max(before, value); });
}

// --- threads together ---

inline void __syncthreads() {
  int all;
  c3d::emulation::block_barrier(0, &all);
}
inline int __syncthreads_count(int predicate) {
  int all;
  return c3d::emulation::block_barrier(predicate, &all);
}
inline int __syncthreads_and(int predicate) {
  int all;
  return c3d::emulation::block_barrier(predicate, &all) == all;
}
inline int __syncthreads_or(int predicate) { return __syncthreads_count(predicate) != 0; }

inline void __syncwarp(unsigned mask = ~0u) { c3d::emulation::warp_collective(c3d::emulation::WarpOp::kSync, mask, 0, 0); }
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return static_cast<unsigned>(c3d::emulation::warp_collective(c3d::emulation::WarpOp::kBallot, mask, predicate != 0, 0));
}
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }

template <typename T>
inline unsigned __match_any_sync(unsigned mask, T value) {
  return static_cast<unsigned>(
      c3d::emulation::warp_collective(c3d::emulation::WarpOp::kMatch, mask, static_cast<uint64_t>(value), 0));
}

template <typename T>
inline T __shfl_sync(unsigned mask, T value, int lane) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = c3d::emulation::warp_collective(c3d::emulation::WarpOp::kShuffle, mask, bits, lane);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
template <typename T>
inline T __shfl_xor_sync(unsigned mask, T value, int lanes) {
  return __shfl_sync(mask, value, static_cast<int>(threadIdx.x & 31) ^ lanes);
}
// The lowest lanes keep their own value.
template <typename T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned distance) {
  const int lane = static_cast<int>(threadIdx.x & 31), from = lane - static_cast<int>(distance);
  return __shfl_sync(mask, value, from < 0 ? lane : from);
}
