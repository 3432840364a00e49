// The library's algorithms that the kernels use: CUB's on a device, a plain twin where the kernels are emulated.
#pragma once

#include "launch.cuh"

#ifdef C3D_EMULATION
#include <numeric>
#include <vector>
#else
#include <cub/device/device_radix_sort.cuh>
#endif

namespace c3d::cuda {

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
  const auto sort = [&](void* scratch, size_t* num_bytes) {
    return cub::DeviceRadixSort::SortPairs(scratch, *num_bytes, args.keys, args.sorted_keys, args.values, args.sorted_values,
                                           args.num_pairs, 0, args.num_bits, stream_of(context));
  };
  size_t num_bytes = 0;
  const Status asked = status_of(sort(nullptr, &num_bytes), "sort_pairs");
  if (!asked.ok()) return asked;
  char* scratch = allocate<char>(context.scratch, static_cast<int64_t>(num_bytes > 0 ? num_bytes : 1));
  if (!scratch) return {StatusCode::kOutOfMemory, "sort_pairs: out of memory for working buffers"};
  return status_of(sort(scratch, &num_bytes), "sort_pairs");
#endif
}

}  // namespace c3d::cuda
