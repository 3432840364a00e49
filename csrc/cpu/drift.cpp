// drift_points on the CPU: a fluid's points at one moment of the loop.
#include <algorithm>
#include <atomic>

#include "../checks.h"
#include "c3d/formulas.h"
#include "parallel.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

constexpr int kBatch = 256;  // points that go through each step at a time, which vectorises all but the reads of samples
constexpr uintptr_t kLineBytes = 64;  // of the cache

struct Part {
  const DriftPointsArgs* args;
  int64_t begin, end;  // points
};

struct StrayPart {  // in which neighbours are looked for that are no points
  const DriftPointsArgs* args;
  int64_t begin, end;  // points
  std::atomic<bool>* found;
};

C3D_INLINE void find_strays_body(const StrayPart& part) {
  bool found = false;
  for (int64_t i = part.begin; i < part.end; ++i) {
    found |= !is_point(*part.args, part.args->right[i]);
    found |= !is_point(*part.args, part.args->below[i]);
  }
  if (found) part.found->store(true, std::memory_order_relaxed);
}

// Corners as arrays, of indices half as wide: `check` sees to it that they fit.
struct BatchCorners {
  int32_t pixel[4][kBatch];
  float weight[4][kBatch];

  C3D_INLINE Corners of(int j) const {
    return {{pixel[0][j], pixel[1][j], pixel[2][j], pixel[3][j]}, {weight[0][j], weight[1][j], weight[2][j], weight[3][j]}};
  }
  C3D_INLINE void set(int j, const Corners& at) {
    for (int k = 0; k < 4; ++k) pixel[k][j] = static_cast<int32_t>(at.pixel[k]), weight[k][j] = at.weight[k];
  }
};

// A batch, whose points' values are arrays, or rows of a vector where they are sampled as such.
struct Batch {
  BatchCorners corners, window;  // in the surface and among the gains
  float surface[kBatch][8], fine[kBatch][8], gain[kBatch], right[kBatch][2], below[kBatch][2];
  float rgb[3][kBatch], broad[3][kBatch];  // OwnColour
  float xyz[3][kBatch], feat[4][kBatch], radius[kBatch];  // DriftedPoint
};

// Asks for `num` values a point of the batch after this one: more arrays side by side than the processor foresees.
C3D_INLINE void prefetch_values(const float* array, int64_t num, int64_t first, int64_t end) {
  const uintptr_t begin = reinterpret_cast<uintptr_t>(array + num * first),
                  last = reinterpret_cast<uintptr_t>(array + num * end);
  for (uintptr_t at = begin; at < last; at += kLineBytes) __builtin_prefetch(reinterpret_cast<const void*>(at), 0, 2);
}

C3D_INLINE void prefetch_points(const DriftPointsArgs& args, int64_t first, int64_t end) {
  const WavesArgs& waves = args.waves;
  prefetch_values(args.start_px, 2, first, end);
  prefetch_values(args.offset_px, 2, first, end);
  prefetch_values(args.feat, 4, first, end);
  prefetch_values(args.xyz, 3, first, end);
  prefetch_values(args.feat_out, 4, first, end);
  prefetch_values(args.radius, 1, first, end);
  if (args.gain) prefetch_values(args.fine, 6, first, end);
  if (!waves.even) return;
  for (int32_t k = 0; k < waves.num_copies; ++k)
    for (int measure = 0; waves.weight[k] != 0.0f && measure < 2; ++measure)
      prefetch_values(waves.even + (2 * k + measure) * args.num_points, 1, first, end);
  for (const float* array : {waves.colour, waves.tint}) prefetch_values(array, 3, first, end);
}

// Of the points first .. first + num; copy by copy, as each is one array.
C3D_INLINE void sum_copies_of(const DriftPointsArgs& args, int64_t first, int num, int measure, float* sums) {
  for (int j = 0; j < num; ++j) sums[j] = 0;
  for (int32_t k = 0; k < args.waves.num_copies; ++k) {
    const float weight = args.waves.weight[k];
    const float* values = args.waves.even + (2 * k + measure) * args.num_points + first;
    if (weight != 0.0f)
      for (int j = 0; j < num; ++j) sums[j] += values[j] * weight;
  }
}

C3D_INLINE void set_colour(const OwnColour& own, int j, Batch& batch) {
  for (int c = 0; c < 3; ++c) batch.rgb[c][j] = own.rgb[c], batch.broad[c][j] = own.broad[c];
}

C3D_INLINE void colour_batch(const DriftPointsArgs& args, int64_t first, int num, Batch& batch) {
  if (!args.waves.even) {
    for (int j = 0; j < num; ++j) set_colour(resting_colour(args, first + j), j, batch);
    return;
  }
  float even[kBatch], near[kBatch];
  sum_copies_of(args, first, num, 0, even);
  sum_copies_of(args, first, num, 1, near);
  for (int j = 0; j < num; ++j) set_colour(turned_colour(args, first + j, even[j], near[j]), j, batch);
}

C3D_INLINE OwnColour colour_at(const Batch& batch, int j) {
  OwnColour own;
  for (int c = 0; c < 3; ++c) own.rgb[c] = batch.rgb[c][j], own.broad[c] = batch.broad[c][j];
  for (int c = 0; c < 6; ++c) own.fine[c] = batch.fine[j][c];
  return own;
}

// Where the batch's points arrive, and asks for what sample_batch reads there: rows apart, of which the processor foresees
// little.
C3D_INLINE void find_places(const DriftPointsArgs& args, int64_t first, int num, Batch& batch) {
  for (int j = 0; j < num; ++j)
    batch.corners.set(j, corners_of(args.canvas.width, args.canvas.height, drifted_to(args, first + j)));
  for (int j = 0; j < num; ++j) {
    __builtin_prefetch(args.surface + int64_t{8} * batch.corners.pixel[0][j], 0, 3);
    __builtin_prefetch(args.surface + int64_t{8} * batch.corners.pixel[2][j], 0, 3);
  }
  for (int j = 0; args.gain && j < num; ++j)
    batch.window.set(j, corners_of(args.gain_width, args.gain_height, window_of(args, drifted_to(args, first + j))));
}

C3D_INLINE void sample_batch(const DriftPointsArgs& args, int64_t first, int num, Batch& batch) {
  for (int j = 0; j < num; ++j) {
    sample_corners<8>(args.surface, batch.corners.of(j), batch.surface[j]);
    std::memcpy(batch.right[j], args.offset_px + int64_t{2} * args.right[first + j], sizeof batch.right[j]);
    std::memcpy(batch.below[j], args.offset_px + int64_t{2} * args.below[first + j], sizeof batch.below[j]);
  }
  if (!args.gain) {
    for (int j = 0; j < num; ++j) batch.gain[j] = 1.0f;
    return;
  }
  for (int j = 0; j < num; ++j) {
    sample_corners<1>(args.gain, batch.window.of(j), &batch.gain[j]);
    std::memcpy(batch.fine[j], args.fine + 6 * (first + j), 6 * sizeof(float));
  }
}

C3D_INLINE Arrival arrival_at(const Batch& batch, int j) {
  const auto& [disp, existence, freedom, red, green, blue, none, nothing] = batch.surface[j];
  return {{disp, existence, freedom, red, green, blue, 0, 0},
          batch.gain[j],
          {batch.right[j][0], batch.right[j][1]},
          {batch.below[j][0], batch.below[j][1]},
          true};  // others were refused
}

template <bool kRaised>
C3D_INLINE void drift_batch(const DriftPointsArgs& args, int64_t first, int num, Batch& batch) {
  for (int j = 0; j < num; ++j) {
    const DriftedPoint point = drifted_point<kRaised>(args, first + j, arrival_at(batch, j), colour_at(batch, j));
    for (int c = 0; c < 3; ++c) batch.xyz[c][j] = point.xyz[c];
    for (int c = 0; c < 4; ++c) batch.feat[c][j] = point.feat[c];
    batch.radius[j] = point.radius;
  }
  for (int j = 0; j < num; ++j)
    for (int c = 0; c < 3; ++c) args.xyz[3 * (first + j) + c] = batch.xyz[c][j];
  for (int j = 0; j < num; ++j)
    for (int c = 0; c < 4; ++c) args.feat_out[4 * (first + j) + c] = batch.feat[c][j];
  std::memcpy(args.radius + first, batch.radius, sizeof(float) * static_cast<size_t>(num));
}

C3D_INLINE void drift_body(const Part& part) {
  const DriftPointsArgs args = *part.args;  // a copy: nothing that is written here can be its memory
  Batch batch;
  for (int64_t first = part.begin; first < part.end; first += kBatch) {
    const int num = static_cast<int>(std::min<int64_t>(kBatch, part.end - first));
    find_places(args, first, num, batch);
    prefetch_points(args, first + num, std::min(first + num + kBatch, part.end));
    colour_batch(args, first, num, batch);
    sample_batch(args, first, num, batch);
    if (args.gain)
      drift_batch<true>(args, first, num, batch);
    else
      drift_batch<false>(args, first, num, batch);
  }
}

// With the numbers of its moment, where it has one.
DriftPointsArgs at_moment(DriftPointsArgs args) {
  if (!args.moment) return args;
  args.fade = args.moment[0];
  for (int32_t k = 0; args.waves.even && k < std::min(args.waves.num_copies, kMaxCopies); ++k)
    args.waves.weight[k] = args.moment[1 + k];
  args.moment = nullptr;
  return args;
}

C3D_DISPATCH(find_strays, find_strays_body, const StrayPart&)
C3D_DISPATCH(drift_part, drift_body, const Part&)

}  // namespace

Status drift_points(const DriftPointsArgs& given, const Context& context) {
  const DriftPointsArgs args = at_moment(given);
  const Status status = check_on_host(args, context);
  if (!status.ok()) return status;
  std::atomic<bool> strays{false};
  parallel_ranges(context.executor, args.num_points, 1 << 16,
                  [&](int64_t begin, int64_t end) { find_strays({&args, begin, end, &strays}); });
  if (strays)
    return {StatusCode::kInvalidArgument, "drift_points: right and below must be indices of points, 0..num_points - 1"};
  parallel_ranges(context.executor, args.num_points, 4096,
                  [&](int64_t begin, int64_t end) { drift_part({&args, begin, end}); });
  return {};
}

}  // namespace c3d::cpu
