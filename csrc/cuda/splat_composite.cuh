// From a pixel's hits to its weights, and from weights to features.
#pragma once

#include <cuda_fp16.h>

#include "splat_handing.cuh"

namespace c3d::cuda {

// The pictures of views that share launches.
struct PictureArgs {
  Bins bins;
  View views[kMaxViews];
  uint2* left;  // [views x parts] parts of a tile and their views that are left to the walk; as many as *bins.num_left
  const void* feat;  // [N, C]
  const float* opacity;  // [N] or nullptr
  int32_t num_channels, max_points;
  Compositor compositor;
  float reach;  // 1 + depth_tolerance
  float* feat_out;
  float* alpha_out;
  float* disp_out;
  int32_t* idx_out;  // or nullptr
};

struct Totals {
  float alpha, disp;
};

__device__ inline float opacity_of(const float* opacity, uint32_t point) { return opacity ? __ldg(opacity + point) : 1.0f; }

// Replaces each hit's q by its weight.
__device__ inline Totals alpha_weights(const TileMemory& memory, const TileLists& lists, const float* opacity, int column,
                                       int count) {
  Totals totals{0.0f, 0.0f};
  float through = 1.0f;
  for (int k = 0; k < count; ++k) {
    Hit& hit = memory.hits[k * static_cast<int>(blockDim.x) + column];
    const float weight = composite_alpha(true, hit.q, opacity_of(opacity, hit.point), through);
    totals.alpha += weight;
    totals.disp += weight / lists.z(hit.point);
    hit.q = weight;
  }
  return totals;
}

// The same for surfaces. The totals are summed from the last hit on, as the CPU twin does, so that both round alike.
__device__ inline Totals surface_weights(const TileMemory& memory, const TileLists& lists, const float* opacity, int column,
                                         int count, float reach) {
  const auto hit_at = [&](int k) -> Hit& { return memory.hits[k * static_cast<int>(blockDim.x) + column]; };
  SurfaceWalk<float> walk;
  walk.start();
  for (int first = 0, k = 0; first < count; first = k) {
    walk.open(true, lists.z(hit_at(first).point), reach);
    do {
      Hit& hit = hit_at(k);
      hit.q = walk.add<true>(true, hit.q, opacity_of(opacity, hit.point));
      ++k;
    } while (k < count && !walk.ends_before(lists.z(hit_at(k).point)));
    const SurfaceShare<float> share = walk.share<true>();
    for (int j = first; j < k; ++j) hit_at(j).q *= share.scale;
    walk.close<true>(true, share);
  }
  Totals totals{0.0f, 0.0f};
  for (int k = count - 1; k >= 0; --k) {
    const Hit hit = hit_at(k);
    totals.alpha += hit.q;
    totals.disp += hit.q / lists.z(hit.point);
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

// Hits whose features are loaded before the first is used: as many as registers hold.
template <int kVec, int kLoads>
constexpr int kHitsAtOnce = kVec * kLoads > 4 ? 2 : 4;
constexpr int kMostLoads = 64;  // of a row that are summed at a time

// Adds weight x features of hits k, k + 1, ... of `count` to a lane's loads `load`, load + kLanes, ... of a row, of which only
// the last may lie beyond it. kIsFull: as many as are added at once are there.
template <bool kIsFull, typename T, int kVec, int kLanes, int kLoads>
__device__ inline void add_hits(const Hit* hits, int k, int count, const char* feat, uint32_t row_bytes, bool has_last,
                                Features<kVec> (&sum)[kLoads]) {
  constexpr int num = kHitsAtOnce<kVec, kLoads>;
  Features<kVec> f[num][kLoads];
  float weight[num];
#pragma unroll
  for (int j = 0; j < num; ++j) {
    if (!kIsFull && k + j >= count) continue;
    const Hit hit = hits[(k + j) * static_cast<int>(blockDim.x)];
    weight[j] = hit.q;
    const T* row = reinterpret_cast<const T*>(feat + static_cast<uint64_t>(hit.point) * row_bytes);
#pragma unroll
    for (int u = 0; u < kLoads; ++u)
      if (u < kLoads - 1 || has_last) f[j][u] = load_features(row + u * kLanes * kVec, static_cast<Features<kVec>*>(nullptr));
  }
#pragma unroll
  for (int j = 0; j < num; ++j) {
    if (!kIsFull && k + j >= count) continue;
#pragma unroll
    for (int u = 0; u < kLoads; ++u)
#pragma unroll
      for (int c = 0; c < kVec; ++c)
        if (u < kLoads - 1 || has_last) sum[u].value[c] = fmaf(f[j][u].value[c], weight[j], sum[u].value[c]);
  }
}

// A warp's 32 pixels, each a sum over its hits of weight x feature row. kLanes lanes share a pixel: lane m takes the loads m,
// m + kLanes, ... of the row's `num_loads` from `begin` on, so that they read consecutive bytes together. Both numbers are
// known to the compiler, and with them the offsets within a row.
template <typename T, int kVec, int kLanes, int kLoads>
__device__ inline void sum_features(const PictureArgs& args, const TileMemory& memory, const TilePlace& place, int own_count,
                                    int begin, int num_loads) {
  constexpr int num = kHitsAtOnce<kVec, kLoads>;
  const Pyramid& pyramid = args.bins.pyramid;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize, warp_column = static_cast<int>(threadIdx.x) - lane;
  const int load = begin + lane % kLanes;
  const bool has_last = lane % kLanes + (kLoads - 1) * kLanes < num_loads;
  const char* feat = static_cast<const char*>(args.feat) + load * kVec * sizeof(T);
  const uint32_t row_bytes = static_cast<uint32_t>(args.num_channels) * sizeof(T);
  for (int first = 0; first < kWarpSize; first += kWarpSize / kLanes) {
    const int other = first + lane / kLanes;
    const int count = __shfl_sync(kAllLanes, own_count, other);
    const Hit* hits = memory.hits + warp_column + other;
    Features<kVec> sum[kLoads] = {};
    for (int k = 0; __any_sync(kAllLanes, k < count); k += num) {
      if (__all_sync(kAllLanes, k + num <= count)) {
        add_hits<true, T, kVec, kLanes>(hits, k, count, feat, row_bytes, has_last, sum);
      } else {
        add_hits<false, T, kVec, kLanes>(hits, k, count, feat, row_bytes, has_last, sum);
      }
    }
    const Pixel at = pixel_at(place, other, pyramid);
    if (!at.inside) continue;
    float* out = args.feat_out + number_of(at, place, pyramid) * args.num_channels + load * kVec;
#pragma unroll
    for (int u = 0; u < kLoads; ++u)
      if (u < kLoads - 1 || has_last) store_features(out + u * kLanes * kVec, sum[u]);
  }
}

// The shapes: enough lanes that few loads of each cover a row, no more than a row keeps busy.
template <typename T, int kVec>
__device__ inline void sum_features(const PictureArgs& args, const TileMemory& memory, const TilePlace& place, int count) {
  for (int begin = 0; begin < args.num_channels / kVec; begin += kMostLoads) {
    const int num_loads = min(args.num_channels / kVec - begin, kMostLoads);
    if (num_loads == 1) {
      sum_features<T, kVec, 1, 1>(args, memory, place, count, begin, num_loads);
    } else if (num_loads <= 4) {
      sum_features<T, kVec, 4, 1>(args, memory, place, count, begin, num_loads);
    } else if (num_loads <= 16) {
      sum_features<T, kVec, 16, 1>(args, memory, place, count, begin, num_loads);
    } else if (num_loads <= 32) {
      sum_features<T, kVec, 16, 2>(args, memory, place, count, begin, num_loads);
    } else if (kVec == 1 && num_loads <= 48) {
      sum_features<T, kVec, 16, 3>(args, memory, place, count, begin, num_loads);
    } else {
      sum_features<T, kVec, 32, 2>(args, memory, place, count, begin, num_loads);
    }
  }
}

}  // namespace c3d::cuda
