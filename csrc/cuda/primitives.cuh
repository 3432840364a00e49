// The library's algorithms that the kernels use: CUB's on a device, a plain twin where the kernels are emulated.
#pragma once

#include "c3d/formulas.h"
#include "launch.cuh"

#ifdef C3D_EMULATION
#include <numeric>
#include <vector>
#else
#include <thrust/iterator/counting_iterator.h>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_select.cuh>
#endif

namespace c3d::cuda {

#ifndef C3D_EMULATION
// Asks algorithm(scratch, &num_bytes) how much working memory it needs, then runs it there.
template <typename Algorithm>
Status with_scratch(const char* name, const Context& context, const Algorithm& algorithm) {
  size_t num_bytes = 0;
  const Status asked = status_of(algorithm(nullptr, &num_bytes), name);
  if (!asked.ok()) return asked;
  char* scratch = allocate<char>(context.scratch, static_cast<int64_t>(num_bytes > 0 ? num_bytes : 1));
  if (!scratch) return {StatusCode::kOutOfMemory, "c3d: out of memory for a library algorithm's working buffers"};
  return status_of(algorithm(scratch, &num_bytes), name);
}
#endif

struct SortPairs {
  uint32_t *keys, *values;                // [num_pairs] in; garbage afterwards
  uint32_t *sorted_keys, *sorted_values;  // [num_pairs] out: ascending keys, equal ones in their former order
  int64_t num_pairs;
  int num_bits;  // of a key, the lowest; the others are 0
};

inline Status sort_pairs(const SortPairs& args, const Context& context) {
#ifdef C3D_EMULATION
  (void)context;
  std::vector<int64_t> order(args.num_pairs);
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return args.keys[a] < args.keys[b]; });
  for (int64_t i = 0; i < args.num_pairs; ++i) {
    args.sorted_keys[i] = args.keys[order[i]];
    args.sorted_values[i] = args.values[order[i]];
  }
  return {};
#else
  return with_scratch("sort_pairs", context, [&](void* scratch, size_t* num_bytes) {
    return cub::DeviceRadixSort::SortPairs(scratch, *num_bytes, args.keys, args.sorted_keys, args.values, args.sorted_values,
                                           args.num_pairs, 0, args.num_bits, stream_of(context));
  });
#endif
}

template <typename T>
struct IsAt {
  const T* values;
  T wanted;
  C3D_HD bool operator()(int32_t i) const { return values[i] == wanted; }
};

// Lists where `values` [num_values] hold `wanted`, in ascending order. listed: [num_values]; num_listed: [1], on the device.
template <typename T>
Status list_places(const T* values, int64_t num_values, T wanted, int32_t* listed, int32_t* num_listed,
                   const Context& context) {
  const IsAt<T> is_wanted{values, wanted};
#ifdef C3D_EMULATION
  (void)context;
  *num_listed = 0;
  for (int32_t i = 0; i < num_values; ++i)
    if (is_wanted(i)) listed[(*num_listed)++] = i;
  return {};
#else
  return with_scratch("list_places", context, [&](void* scratch, size_t* num_bytes) {
    return cub::DeviceSelect::If(scratch, *num_bytes, thrust::counting_iterator<int32_t>(0), listed, num_listed, num_values,
                                 is_wanted, stream_of(context));
  });
#endif
}

}  // namespace c3d::cuda
