// The picture pyramid of inpaint_layers in device memory. How many pixels are holes, and how many levels that makes, is known
// on the device only: lists are as long as their picture, and a level that is not in use has an empty list.
#pragma once

#include "../inpaint_memory.h"
#include "extremes.cuh"
#include "primitives.cuh"

namespace c3d::cuda {

using namespace inpaint;

constexpr int kBlockThreads = 256;
constexpr int64_t kMaxListBlocks = 2048;  // enough to fill any device; fewer holes leave most of them without work

// What the kernels tell each other about the whole picture. Largest values, as ordered bits: least ones with their sign
// turned.
struct Measured {
  uint32_t disp_max, minus_disp_min, rgb_max, minus_rgb_min;  // of usable pixels; 0: none
  uint32_t any_clean;  // a pixel is kKnown
  uint32_t deepest;    // px, of the finest level's holes that a source reached
};

struct LevelState {
  unsigned long long farthest;  // the level's known pixel of least disparity, see far_key; 0: none
  int32_t num_holes;
  uint32_t is_used;
};

struct InpaintArgs {
  InpaintLayersArgs images;
  Measured* measured;  // [1]
  LevelState* states;  // [num_levels]
  int32_t num_levels;  // at most
  int32_t n;           // the level that the kernel works on
  Level level;         // that one
  Level other;         // the next finer or coarser one, where the kernel needs it
  int32_t* listed;     // [largest num_padded] where its holes are
  Membrane<1> depth;
  Membrane<3> colour;
  Place* chosen;       // [holes]
  int32_t round_idx;   // of floods, of searches and votes, or of relaxation
  int32_t jump;        // px, of a flood
  uint32_t pass;       // of a level's searches
};

// Larger for less disparity, then for a lesser place in the padded picture.
__device__ inline unsigned long long far_key(int16_t disp, int32_t at) {
  return static_cast<unsigned long long>(kNoPixel - disp) << 32 | (UINT32_MAX - static_cast<uint32_t>(at));
}

__device__ inline Known known_of(const Measured& measured) {
  return {-from_ordered_bits(measured.minus_disp_min), from_ordered_bits(measured.disp_max),
          -from_ordered_bits(measured.minus_rgb_min), from_ordered_bits(measured.rgb_max), measured.disp_max != 0};
}

__device__ inline bool is_coarsest(const InpaintArgs& args) {
  return args.n + 1 == args.num_levels || !args.states[args.n + 1].is_used;
}

template <typename Body>  // body(slot), for each hole pixel of the level
__device__ inline void for_each_hole(const Level& level, const Body& body) {
  const int32_t num_holes = *level.num_holes, stride = static_cast<int32_t>(gridDim.x) * kBlockThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kBlockThreads + threadIdx.x; i < num_holes; i += stride)
    body(static_cast<int32_t>(i));
}

__device__ inline int64_t global_thread() { return static_cast<int64_t>(blockIdx.x) * kBlockThreads + threadIdx.x; }

// --- kernels -----------------------------------------------------------------------------------------------------------

// Thread = one padded pixel.
static __global__ void __launch_bounds__(kBlockThreads) inpaint_clear_kernel(InpaintArgs args) {
  const int64_t p = global_thread();
  if (p < args.level.num_padded) for_each_plane(args.level, [&](auto* plane, auto empty) { plane[p] = empty; });
}

// Thread = one listed hole pixel, which learns where it is and the picture its slot.
static __global__ void __launch_bounds__(kBlockThreads) inpaint_slots_kernel(InpaintArgs args) {
  for_each_hole(args.level, [&](int32_t i) {
    args.level.place[i] = args.level.place_of(args.listed[i]);
    args.level.slot[args.listed[i]] = i;
  });
}

// Thread = one pixel of the coarser level, which reads its four children: two rows of consecutive pairs.
static __global__ void __launch_bounds__(kBlockThreads) inpaint_halve_kernel(InpaintArgs args) {
  const int64_t i = global_thread();
  if (i >= static_cast<int64_t>(args.level.width) * args.level.height) return;
  halve_pixel(args.other, args.level, tear_steps(args.images, known_of(*args.measured)),
              static_cast<int32_t>(i % args.level.width), static_cast<int32_t>(i / args.level.width));
}

// Thread = one padded pixel: known ones are trusted, and the farthest is found. Threads beyond the last stay for the votes.
static __global__ void __launch_bounds__(kBlockThreads) inpaint_farthest_kernel(InpaintArgs args) {
  const Level& level = args.level;
  const int64_t p = global_thread();
  unsigned long long key = 0;
  if (p < level.num_padded && level.kind[p] == Kind::kKnown) {
    trust_known(level, static_cast<int32_t>(p));
    key = far_key(level.disp_known[p], static_cast<int32_t>(p));
  }
  raise_to(&args.states[args.n].farthest, key);
}

// One thread decides whether the level is used: where it has holes and something to fill them with, and the next finer level's
// are deeper than the coarsest level's need be.
static __global__ void __launch_bounds__(kWarpSize) inpaint_plan_kernel(InpaintArgs args) {
  if (threadIdx.x != 0) return;
  LevelState& state = args.states[args.n];
  const bool is_wanted = args.n == 0 || (args.states[args.n - 1].is_used &&
                                         args.measured->deepest >> (args.n - 1) > static_cast<uint32_t>(kDeepestHole));
  state.is_used = is_wanted && state.num_holes > 0 && state.farthest != 0;
  if (!state.is_used) state.num_holes = 0;
}

// Thread = one hole pixel, in this kernel and the two that follow.
static __global__ void __launch_bounds__(kBlockThreads) inpaint_start_kernel(InpaintArgs args) {
  const int16_t least = static_cast<int16_t>(kNoPixel - static_cast<int16_t>(args.states[args.n].farthest >> 32));
  for_each_hole(args.level, [&](int32_t i) {
    if (args.n > 0) halve_limit(args.other, args.level, i);
    start_flood(args.level, least, i);
  });
}

static __global__ void __launch_bounds__(kBlockThreads) inpaint_flood_kernel(InpaintArgs args) {
  for_each_hole(args.level, [&](int32_t i) { flood_source(args.level, args.round_idx, args.jump, i); });
}

static __global__ void __launch_bounds__(kBlockThreads) inpaint_reached_kernel(InpaintArgs args) {
  const int32_t at = static_cast<int32_t>(UINT32_MAX - static_cast<uint32_t>(args.states[args.n].farthest));
  uint32_t deepest = 0;
  for_each_hole(args.level, [&](int32_t i) {
    finish_flood(args.level, args.round_idx, args.level.place_of(at), i);
    const int32_t distance = args.level.distance[i];
    if (args.n == 0 && distance < kUnreached) deepest = max(deepest, static_cast<uint32_t>(distance));
  });
  raise_to(&args.measured->deepest, deepest);
}

// --- host --------------------------------------------------------------------------------------------------------------

inline int64_t num_pixels(const Level& level) { return static_cast<int64_t>(level.width) * level.height; }

// Threads for the level's hole pixels, however many those are.
inline LaunchShape thread_per_hole(const Level& level) {
  const LaunchShape all = thread_per_item(num_pixels(level), kBlockThreads);
  return {lesser(all.num_blocks, kMaxListBlocks), kBlockThreads};
}

inline Status clear_level(const InpaintArgs& args, const Context& context) {
  return C3D_LAUNCH(inpaint_clear_kernel, thread_per_item(args.level.num_padded, kBlockThreads), context, args);
}

// Once the level's kinds are known.
inline Status list_holes(const InpaintArgs& args, const Context& context) {
  const Level& level = args.level;
  const Status status = list_places(level.kind, level.num_padded, Kind::kHole, args.listed, level.num_holes, context);
  return status.ok() ? C3D_LAUNCH(inpaint_slots_kernel, thread_per_hole(level), context, args) : status;
}

// Once disparities are known: whether the level is used; each hole pixel's nearest source, its distance and its confidence.
inline Status find_nearest(InpaintArgs args, const Context& context) {
  const LaunchShape padded = thread_per_item(args.level.num_padded, kBlockThreads), holes = thread_per_hole(args.level);
  Status status = C3D_LAUNCH(inpaint_farthest_kernel, padded, context, args);
  if (status.ok()) status = C3D_LAUNCH(inpaint_plan_kernel, {1, kWarpSize}, context, args);
  if (status.ok()) status = C3D_LAUNCH(inpaint_start_kernel, holes, context, args);
  for (args.jump = first_flood_jump(args.level); args.jump > 0 && status.ok(); args.jump /= 2, ++args.round_idx)
    status = C3D_LAUNCH(inpaint_flood_kernel, holes, context, args);
  return status.ok() ? C3D_LAUNCH(inpaint_reached_kernel, holes, context, args) : status;
}

}  // namespace c3d::cuda
