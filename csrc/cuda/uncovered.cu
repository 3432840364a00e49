// fill_uncovered on CUDA: the rim of what is covered is found everywhere at once, then one block goes from ring to ring, so
// that neither the host nor a launch waits to see how many there are. The order within a ring is any; no pixel depends on it.
#include "c3d/uncovered_formulas.h"

#include "../checks.h"
#include "launch.cuh"

namespace c3d::cuda {
namespace {

constexpr int kRimThreads = 256, kRingThreads = 1024;

struct UncoveredArgs {
  uncovered::Rings rings;
  uint32_t* list;        // [H * W] pixels, ring after ring
  uint32_t* num_listed;  // [1]
};

// Thread = one pixel. Where all is covered, as in nearly every frame, a byte is read and three are copied.
__global__ void __launch_bounds__(kRimThreads) uncovered_rim_kernel(UncoveredArgs args) {
  const FillUncoveredArgs& frame = args.rings.frame;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kRimThreads + threadIdx.x;
  if (i >= static_cast<int64_t>(frame.width) * frame.height) return;
  if (frame.rgb_out != frame.rgb)
    for (int c = 0; c < 3; ++c) frame.rgb_out[3 * i + c] = frame.rgb[3 * i + c];
  if (!frame.uncovered[i]) return;
  const bool is_rim = uncovered::is_rim(frame, i);
  args.rings.round[i] = is_rim;
  if (is_rim) args.list[atomicAdd(args.num_listed, 1u)] = static_cast<uint32_t>(i);
}

// One block; thread = one pixel of the current ring, then every 1024th. Whoever raises a neighbour's round from 0 lists it: a
// round to come is none to whoever reads it meanwhile.
__global__ void __launch_bounds__(kRingThreads, 1) uncovered_rings_kernel(UncoveredArgs args) {
  __shared__ uint32_t end;
  if (threadIdx.x == 0) end = *args.num_listed;
  __syncthreads();
  uint32_t first = 0, last = end;
  for (uint32_t round = 1; first < last; ++round) {
    __syncthreads();
    for (uint32_t k = first + threadIdx.x; k < last; k += kRingThreads) {
      const int64_t pixel = args.list[k];
      uncovered::colour_pixel(args.rings, pixel, round);
      const uncovered::Around near = uncovered::around(args.rings.frame, pixel);
      for (int32_t y = near.y0; y <= near.y1; ++y)
        for (int32_t x = near.x0; x <= near.x1; ++x) {
          const int64_t i = static_cast<int64_t>(y) * args.rings.frame.width + x;
          if (!args.rings.frame.uncovered[i] || args.rings.round[i] > 0) continue;
          if (atomicMax(&args.rings.round[i], round + 1) == 0) args.list[atomicAdd(&end, 1u)] = static_cast<uint32_t>(i);
        }
    }
    __syncthreads();
    first = last;
    last = end;
  }
}

}  // namespace

Status fill_uncovered(const FillUncoveredArgs& args, const Context& context) {
  Status status = check_on_device(args, context);
  const int64_t num_pixels = static_cast<int64_t>(args.width) * args.height;
  if (!status.ok() || num_pixels == 0) return status;
  Memory memory{context.scratch};
  UncoveredArgs rings;
  rings.rings = {args, memory.get<uint32_t>(num_pixels), memory.get<float>(3 * num_pixels)};
  rings.list = memory.get<uint32_t>(num_pixels);
  rings.num_listed = memory.get<uint32_t>(1);
  if (!memory.ok) return {StatusCode::kOutOfMemory, "fill_uncovered: out of memory for working buffers"};
  status = status_of(cudaMemsetAsync(rings.num_listed, 0, sizeof(uint32_t), stream_of(context)), "fill_uncovered");
  if (status.ok()) status = C3D_LAUNCH(uncovered_rim_kernel, thread_per_item(num_pixels, kRimThreads), context, rings);
  if (status.ok()) status = C3D_LAUNCH(uncovered_rings_kernel, (LaunchShape{1, kRingThreads}), context, rings);
  return status;
}

}  // namespace c3d::cuda
