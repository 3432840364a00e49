// inpaint_layers on CUDA: exemplar-based filling, coarse to fine, as the CPU twin does it; what a pass does to one pixel
// stands in inpaint_formulas.h.
//
// Everything is queued on one stream: passes that turn out to have no work launch and return, so that nothing waits for the
// host. A call is some 900 launches, which a CUDA graph makes cheap.
#include "inpaint_levels.cuh"

#include "../checks.h"

namespace c3d::cuda {
namespace {

// Thread = one pixel. Threads beyond the last stay for the votes.
__global__ void __launch_bounds__(kBlockThreads) inpaint_measure_kernel(InpaintArgs args) {
  const InpaintLayersArgs& images = args.images;
  const int64_t i = global_thread();
  const bool counts = i < static_cast<int64_t>(images.width) * images.height && is_usable(images, i);
  const float disp = counts ? images.disp[i] : 0.0f;
  raise_to(&args.measured->disp_max, counts ? ordered_bits(disp) : 0u);
  raise_to(&args.measured->minus_disp_min, counts ? ordered_bits(-disp) : 0u);
  uint32_t largest = 0, minus_least = 0;
  for (int c = 0; counts && c < 3; ++c) {
    largest = max(largest, ordered_bits(images.rgb[3 * i + c]));
    minus_least = max(minus_least, ordered_bits(-images.rgb[3 * i + c]));
  }
  raise_to(&args.measured->rgb_max, largest);
  raise_to(&args.measured->minus_rgb_min, minus_least);
}

// Thread = one pixel; neighbours share the rows that they look at.
__global__ void __launch_bounds__(kBlockThreads) inpaint_kinds_kernel(InpaintArgs args) {
  const Level& level = args.level;
  const int64_t i = global_thread();
  Kind kind = Kind::kUnusable;
  if (i < static_cast<int64_t>(level.width) * level.height) {
    const int32_t x = static_cast<int32_t>(i % level.width), y = static_cast<int32_t>(i / level.width);
    kind = level.kind[level.at(x, y)] = kind_of(args.images, i, steps_around(args.images, x, y));
  }
  raise_to(&args.measured->any_clean, kind == Kind::kKnown ? 1u : 0u);
}

// Thread = one pixel. Where all known colours may be mixed, they have to do.
__global__ void __launch_bounds__(kBlockThreads) inpaint_mixed_kernel(InpaintArgs args) {
  const Level& level = args.level;
  const int64_t i = global_thread();
  if (args.measured->any_clean || i >= static_cast<int64_t>(level.width) * level.height || !is_usable(args.images, i)) return;
  level.kind[level.at(static_cast<int32_t>(i % level.width), static_cast<int32_t>(i / level.width))] = Kind::kKnown;
}

// Thread = one hole pixel, in this kernel and all that follow but two. Holes are listed row by row: a warp's pixels lie side
// by side, read the same rows of their planes and, once neighbours copy from neighbours, the same rows of their sources'.
__global__ void __launch_bounds__(kBlockThreads) inpaint_depth_kernel(InpaintArgs args) {
  for_each_hole(args.level, [&](int32_t i) { link_disp(args.images, args.level, known_of(*args.measured), args.depth, i); });
}

// A pass reads what the pass before wrote: 200 launches of 28 bytes a hole pixel, or 44 for colours, mostly in L2.
template <int kChannels>
__global__ void __launch_bounds__(kBlockThreads) inpaint_relax_kernel(InpaintArgs args) {
  for_each_hole(args.level, [&](int32_t i) {
    if constexpr (kChannels == 1) {
      relax_value(args.depth, args.round_idx, i);
    } else {
      relax_value(args.colour, args.round_idx, i);
    }
  });
}

// Thread = one pixel; those of the hole are quantised in a kernel that follows.
__global__ void __launch_bounds__(kBlockThreads) inpaint_quantise_kernel(InpaintArgs args) {
  const int64_t i = global_thread();
  if (i >= static_cast<int64_t>(args.level.width) * args.level.height) return;
  const int32_t x = static_cast<int32_t>(i % args.level.width), y = static_cast<int32_t>(i / args.level.width);
  const int32_t p = args.level.at(x, y);
  const Known known = known_of(*args.measured);
  const Kind kind = args.level.kind[p];
  args.level.disp[p] = args.level.disp_known[p] = quantised_disp(known, kind, args.images.disp[i]);
  for (int c = 0; c < 3; ++c) args.level.colour[c][p] = quantised_colour(known, kind, args.images.rgb[3 * i + c]);
}

__global__ void __launch_bounds__(kBlockThreads) inpaint_limit_kernel(InpaintArgs args) {
  const float* smooth = args.depth.value[kDepthPasses & 1];
  for_each_hole(args.level, [&](int32_t i) { quantise_hole(args.images, known_of(*args.measured), smooth, args.level, i); });
}

__global__ void __launch_bounds__(kBlockThreads) inpaint_refine_kernel(InpaintArgs args) {
  if (!is_coarsest(args)) for_each_hole(args.level, [&](int32_t i) { refine_source(args.other, args.level, i); });
}

__global__ void __launch_bounds__(kBlockThreads) inpaint_peel_kernel(InpaintArgs args) {
  if (is_coarsest(args)) for_each_hole(args.level, [&](int32_t i) { peel_pixel(args.level, args.round_idx, i); });
}

// How many rounds the level takes is known here only: those past its last leave everything as it is.
__device__ inline bool is_over(const InpaintArgs& args) { return args.round_idx >= num_rounds(args.n, is_coarsest(args)); }

__device__ inline int32_t weight_at(const Level& level, int32_t p, int16_t limit) {
  return level.disp[p] <= limit ? level.confidence[p] : 0;
}

// The whole search of a pixel is one thread's: what it offers next hangs on what was best so far. Both patches are read again
// for every candidate: the pixel's own comes from L1, and kept it would fill the registers of four threads.
__global__ void __launch_bounds__(kBlockThreads) inpaint_search_kernel(InpaintArgs args) {
  if (is_over(args)) return;
  const Level& level = args.level;
  for_each_hole(level, [&](int32_t i) {
    const int32_t pixel = level.at(level.place[i]), corner = -kRadius * level.stride - kRadius;
    const int16_t limit = level.limit[i];
    const int32_t disp = level.disp[pixel] >> kBendShift;
    int32_t total_weight = 0;
    for (int row = 0; row < kSide; ++row)
      for (int x = 0; x < kSide; ++x) total_weight += weight_at(level, pixel + corner + row * level.stride + x, limit);
    search_source(level, args.pass, i, total_weight, [&](int32_t source, int32_t cost, int32_t bound) {
      if (level.disp_known[source] > limit) return bound;
      const int32_t source_disp = level.disp_known[source] >> kBendShift;
      for (int row = 0; row < kSide && cost < bound; ++row) {
        for (int x = 0; x < kSide; ++x) {
          const int32_t step = corner + row * level.stride + x, p = pixel + step, q = source + step;
          int32_t error = kMissing;
          if (level.disp_known[q] <= limit)
            error = pixel_difference((level.disp_known[q] >> kBendShift) - source_disp - (level.disp[p] >> kBendShift) + disp,
                                     level.colour[0][q] - level.colour[0][p], level.colour[1][q] - level.colour[1][p],
                                     level.colour[2][q] - level.colour[2][p]);
          cost += error * weight_at(level, p, limit);
        }
      }
      return cost;
    });
  });
}

__global__ void __launch_bounds__(kBlockThreads) inpaint_vote_kernel(InpaintArgs args) {
  if (is_over(args)) return;
  const Level& level = args.level;
  const auto ballot = [&](int32_t k, int32_t pixel) { return ballot_of(level, k, pixel); };
  const auto colour_at = [&](int32_t p) { return Colour{{level.colour[0][p], level.colour[1][p], level.colour[2][p]}}; };
  for_each_hole(level, [&](int32_t i) {
    const int16_t limit = level.limit[i];
    vote_colour(level, i, ballot, [&](int32_t source) { return level.disp_known[source] <= limit; }, colour_at);
  });
}

__global__ void __launch_bounds__(kBlockThreads) inpaint_elect_kernel(InpaintArgs args) {
  const Level& level = args.level;
  const auto ballot = [&](int32_t k, int32_t pixel) { return ballot_of(level, k, pixel); };
  for_each_hole(level, [&](int32_t i) {
    const int16_t limit = level.limit[i];
    args.chosen[i] = elect(level, i, ballot, [&](int32_t source) { return level.disp_known[source] <= limit; });
  });
}

__global__ void __launch_bounds__(kBlockThreads) inpaint_colour_kernel(InpaintArgs args) {
  for_each_hole(args.level, [&](int32_t i) { link_colour(args.images, args.level, args.chosen, args.colour, i); });
}

// Thread = one pixel, which is copied, or filled, or NaN where nothing is known to fill it with.
__global__ void __launch_bounds__(kBlockThreads) inpaint_output_kernel(InpaintArgs args) {
  const InpaintLayersArgs& images = args.images;
  const Level& level = args.level;
  const int64_t i = global_thread();
  if (i >= static_cast<int64_t>(level.width) * level.height) return;
  const Known known = known_of(*args.measured);
  if (images.hole[i] && known.num_pixels > 0) {
    const int32_t k = level.slot[level.at(static_cast<int32_t>(i % level.width), static_cast<int32_t>(i / level.width))];
    write_filled(images, known, args.depth.value[kDepthPasses & 1], args.colour.value[kColourPasses & 1], i, k);
    return;
  }
  for (int c = 0; c < 3; ++c) images.rgb_out[3 * i + c] = images.hole[i] ? NAN : images.rgb[3 * i + c];
  images.disp_out[i] = images.hole[i] ? NAN : images.disp[i];
}

// --- host --------------------------------------------------------------------------------------------------------------

template <int kChannels>
Status relax(InpaintArgs args, int num_passes, const Context& context) {
  Status status;
  for (args.round_idx = 0; args.round_idx < num_passes && status.ok(); ++args.round_idx)
    status = launch("inpaint_relax_kernel", inpaint_relax_kernel<kChannels>, thread_per_hole(args.level), context, args);
  return status;
}

// From the photo to the finest level.
Status read_photo(InpaintArgs args, const Context& context) {
  const LaunchShape pixels = thread_per_item(num_pixels(args.level), kBlockThreads);
  Status status = clear_level(args, context);
  if (status.ok()) status = C3D_LAUNCH(inpaint_measure_kernel, pixels, context, args);
  if (status.ok()) status = C3D_LAUNCH(inpaint_kinds_kernel, pixels, context, args);
  if (status.ok()) status = C3D_LAUNCH(inpaint_mixed_kernel, pixels, context, args);
  if (status.ok()) status = list_holes(args, context);
  if (status.ok()) status = C3D_LAUNCH(inpaint_depth_kernel, thread_per_hole(args.level), context, args);
  if (status.ok()) status = relax<1>(args, kDepthPasses, context);
  if (status.ok()) status = C3D_LAUNCH(inpaint_quantise_kernel, pixels, context, args);
  if (status.ok()) status = C3D_LAUNCH(inpaint_limit_kernel, thread_per_hole(args.level), context, args);
  return status.ok() ? find_nearest(args, context) : status;
}

// args.other: the next finer level.
Status halve(const InpaintArgs& args, const Context& context) {
  Status status = clear_level(args, context);
  if (status.ok())
    status = C3D_LAUNCH(inpaint_halve_kernel, thread_per_item(num_pixels(args.level), kBlockThreads), context, args);
  if (status.ok()) status = list_holes(args, context);
  return status.ok() ? find_nearest(args, context) : status;
}

// args.other: the next coarser level. Improves the level's sources.
Status fill_level(InpaintArgs args, const Context& context) {
  const LaunchShape holes = thread_per_hole(args.level);
  Status status = C3D_LAUNCH(inpaint_refine_kernel, holes, context, args);
  if (status.ok()) status = C3D_LAUNCH(inpaint_vote_kernel, holes, context, args);
  for (; args.round_idx < kFirstRounds && status.ok(); ++args.round_idx) {
    status = C3D_LAUNCH(inpaint_peel_kernel, holes, context, args);
    for (int jump = 0; jump < kNumJumps && status.ok(); ++jump, ++args.pass)
      status = C3D_LAUNCH(inpaint_search_kernel, holes, context, args);
    if (status.ok()) status = C3D_LAUNCH(inpaint_vote_kernel, holes, context, args);
  }
  return status;
}

Status write_photo(const InpaintArgs& args, const Context& context) {
  const LaunchShape holes = thread_per_hole(args.level);
  Status status = C3D_LAUNCH(inpaint_elect_kernel, holes, context, args);
  if (status.ok()) status = C3D_LAUNCH(inpaint_colour_kernel, holes, context, args);
  if (status.ok()) status = relax<3>(args, kColourPasses, context);
  if (status.ok())
    status = C3D_LAUNCH(inpaint_output_kernel, thread_per_item(num_pixels(args.level), kBlockThreads), context, args);
  return status;
}

}  // namespace

Status inpaint_layers(const InpaintLayersArgs& images, const Context& context) {
  Status status = check_on_device(images, context);
  if (!status.ok() || images.width == 0 || images.height == 0) return status;
  Memory memory{context.scratch};
  InpaintArgs args{};
  args.images = images;
  args.measured = memory.get<Measured>(1);
  args.states = memory.get<LevelState>(kMaxLevels);
  if (!memory.ok) return {StatusCode::kOutOfMemory, "inpaint_layers: out of memory for working buffers"};
  Level levels[kMaxLevels];
  int32_t width = images.width, height = images.height;
  do {
    Level& level = levels[args.num_levels] = allocate_planes(width, height, memory);
    allocate_lists(level, num_pixels(level), memory);
    level.num_holes = &args.states[args.num_levels++].num_holes;
    if (lesser(width, height) < 2 * kMinSide) break;
    width = (width + 1) / 2;
    height = (height + 1) / 2;
  } while (args.num_levels < kMaxLevels);
  args.listed = memory.get<int32_t>(levels[0].num_padded);
  args.depth = allocate_membrane<1>(num_pixels(levels[0]), memory);
  args.colour = allocate_membrane<3>(num_pixels(levels[0]), memory);
  args.chosen = memory.get<Place>(num_pixels(levels[0]));
  if (!memory.ok) return {StatusCode::kOutOfMemory, "inpaint_layers: out of memory for working buffers"};

  const auto at_level = [&](int32_t n, int32_t other) {
    InpaintArgs here = args;
    here.n = n;
    here.level = levels[n];
    if (other >= 0 && other < args.num_levels) here.other = levels[other];
    return here;
  };
  status = status_of(cudaMemsetAsync(args.measured, 0, sizeof(Measured), stream_of(context)), "inpaint_layers");
  if (status.ok())
    status = status_of(cudaMemsetAsync(args.states, 0, kMaxLevels * sizeof(LevelState), stream_of(context)), "inpaint_layers");
  if (status.ok()) status = read_photo(at_level(0, -1), context);
  for (int32_t n = 1; n < args.num_levels && status.ok(); ++n) status = halve(at_level(n, n - 1), context);
  for (int32_t n = args.num_levels - 1; n >= 0 && status.ok(); --n) status = fill_level(at_level(n, n + 1), context);
  return status.ok() ? write_photo(at_level(0, -1), context) : status;
}

}  // namespace c3d::cuda
