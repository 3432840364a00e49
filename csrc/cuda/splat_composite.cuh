// From a pixel's hits to its weights, and from weights to features.
#pragma once

#include <cuda_fp16.h>

#include "splat_hits.cuh"

namespace c3d::cuda {

struct Totals {
  float alpha, disp;
};

// The opacity of the hit at a place of TileMemory::point.
__device__ inline float opacity_of(const TileMemory& memory, const float* opacity, int at) {
  return opacity ? __ldg(opacity + memory.point[at]) : 1.0f;
}

// out = sum f_k a_k prod_{j<k} (1 - a_j). Replaces each hit's q by its weight.
__device__ inline Totals alpha_weights(const TileMemory& memory, const float4* discs, const float* opacity, int column,
                                       int count) {
  Totals totals{0.0f, 0.0f};
  float through = 1.0f;
  for (int k = 0; k < count; ++k) {
    const int at = k * static_cast<int>(blockDim.x) + column;
    const float weight = alpha_weight(memory.q[at]) * opacity_of(memory, opacity, at) * through;
    through -= weight;
    totals.alpha += weight;
    totals.disp += weight / discs[memory.point[at]].z;
    memory.q[at] = weight;
  }
  return totals;
}

// Hits within depth_tolerance of their surface's first hit are averaged; surfaces are composited front to back. The totals are
// summed from the last hit on, as the CPU twin does, so that both round alike.
__device__ inline Totals surface_weights(const TileMemory& memory, const float4* discs, const float* opacity, int column,
                                         int count, float reach) {
  const int stride = static_cast<int>(blockDim.x);
  float through = 1.0f;
  for (int first = 0, k = 0; first < count; first = k) {
    const float z_end = discs[memory.point[first * stride + column]].z * reach;
    float sum_w = 0.0f, sum_opaque = 0.0f, sum_cover = 0.0f;
    do {
      const float q = memory.q[k * stride + column];
      const float cover = surface_coverage(q), weight = surface_weight(q);
      const float opaque = weight * opacity_of(memory, opacity, k * stride + column);
      sum_cover += cover;
      sum_w += weight;
      sum_opaque += opaque;
      memory.q[k * stride + column] = opaque;
      ++k;
    } while (k < count && discs[memory.point[k * stride + column]].z <= z_end);
    const float cover = sum_cover < 1.0f ? sum_cover : 1.0f;
    const float scale = sum_w > 0.0f ? through * cover / sum_w : 0.0f;
    for (int j = first; j < k; ++j) memory.q[j * stride + column] *= scale;
    through *= 1.0f - (sum_w > 0.0f ? cover * (sum_opaque / sum_w) : cover);
  }
  Totals totals{0.0f, 0.0f};
  for (int k = count - 1; k >= 0; --k) {
    const float weight = memory.q[k * stride + column];
    totals.alpha += weight;
    totals.disp += weight / discs[memory.point[k * stride + column]].z;
  }
  return totals;
}

struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(Half value) { return __half2float(__ushort_as_half(value.bits)); }
__device__ inline float to_float(BFloat16 value) { return __uint_as_float(static_cast<uint32_t>(value.bits) << 16); }

// kVec consecutive features of a row by one load: 4, where rows are aligned for it, or 1.
template <int kVec>
struct Features {
  float value[kVec];
};

__device__ inline Features<1> load_features(const float* from, Features<1>*) { return {{__ldg(from)}}; }
__device__ inline Features<4> load_features(const float* from, Features<4>*) {
  const float4 v = __ldg(reinterpret_cast<const float4*>(from));
  return {{v.x, v.y, v.z, v.w}};
}
template <typename T>
__device__ inline Features<1> load_features(const T* from, Features<1>*) {
  return {{to_float(T{__ldg(&from->bits)})}};
}
template <typename T>
__device__ inline Features<4> load_features(const T* from, Features<4>*) {
  const uint2 v = __ldg(reinterpret_cast<const uint2*>(from));
  return {{to_float(T{static_cast<uint16_t>(v.x)}), to_float(T{static_cast<uint16_t>(v.x >> 16)}),
           to_float(T{static_cast<uint16_t>(v.y)}), to_float(T{static_cast<uint16_t>(v.y >> 16)})}};
}

// Written once and not read here again: past the caches, which hold features.
__device__ inline void store_features(float* to, const Features<1>& f) { __stcs(to, f.value[0]); }
__device__ inline void store_features(float* to, const Features<4>& f) {
  __stcs(reinterpret_cast<float4*>(to), make_float4(f.value[0], f.value[1], f.value[2], f.value[3]));
}

constexpr int kUnroll = 4;  // loads in flight a hit and thread

// Lanes that share a pixel: enough that kUnroll loads of each cover a row, more for a short row that one load covers.
inline int lanes_per_pixel(int num_channels, int vec) {
  const int num_loads = num_channels / vec;
  int lanes = 1;
  while ((lanes < num_loads && lanes < 16) || (lanes * kUnroll < num_loads && lanes < kWarpSize)) lanes *= 2;
  return lanes;
}

// The sum over one pixel's hits of weight x feature row, by the `lanes` lanes of its group: lane m takes the loads m, m +
// lanes,
// ... of every row, so that a group reads a row's consecutive bytes together.
template <typename T, int kVec>
__device__ inline void composite_row(const TileMemory& memory, const T* feat, int num_channels, int lanes, int member,
                                     int column, int count, float* out) {
  const int stride = static_cast<int>(blockDim.x), num_loads = num_channels / kVec;
  for (int first = member; first < num_loads; first += kUnroll * lanes) {
    Features<kVec> sum[kUnroll] = {};
#pragma unroll 4
    for (int k = 0; k < count; ++k) {
      const T* row = feat + static_cast<int64_t>(memory.point[k * stride + column]) * num_channels;
      const float weight = memory.q[k * stride + column];
#pragma unroll
      for (int u = 0; u < kUnroll; ++u) {
        const int load = first + u * lanes;
        if (load >= num_loads) break;
        const Features<kVec> f = load_features(row + load * kVec, static_cast<Features<kVec>*>(nullptr));
#pragma unroll
        for (int c = 0; c < kVec; ++c) sum[u].value[c] += f.value[c] * weight;
      }
    }
#pragma unroll
    for (int u = 0; u < kUnroll; ++u)
      if (first + u * lanes < num_loads) store_features(out + (first + u * lanes) * kVec, sum[u]);
  }
}

}  // namespace c3d::cuda
