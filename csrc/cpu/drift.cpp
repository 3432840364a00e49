// drift_points on the CPU: a fluid's points at one moment of the loop.
#include <algorithm>
#include <atomic>

#include "../checks.h"
#include "c3d/formulas.h"
#include "parallel.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

constexpr int kBatch = 256;  // points that go through each step at a time, which vectorises all but the samples

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

// A batch, whose points' values are arrays.
struct Batch {
  float rgb[3][kBatch], broad[3][kBatch], fine[6][kBatch];  // OwnColour
  float surface[6][kBatch], gain[kBatch], right[2][kBatch], below[2][kBatch];  // Arrival
  int32_t has_neighbours[kBatch];
  float xyz[3][kBatch], feat[4][kBatch], radius[kBatch];  // DriftedPoint
};

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
  for (int c = 0; c < 6; ++c) own.fine[c] = batch.fine[c][j];
  return own;
}

// Asks for what sample_batch reads of the surface: rows apart, of which the processor foresees little.
C3D_INLINE void prefetch_surface(const DriftPointsArgs& args, int64_t first, int num) {
  for (int j = 0; j < num; ++j) {
    const Corners at = corners_of(args.canvas.width, args.canvas.height, drifted_to(args, first + j));
    __builtin_prefetch(args.surface + 8 * at.pixel[0], 0, 3);
    __builtin_prefetch(args.surface + 8 * at.pixel[2], 0, 3);
  }
}

C3D_INLINE void sample_batch(const DriftPointsArgs& args, int64_t first, int num, Batch& batch) {
  for (int j = 0; j < num; ++j) {
    Arrival there;
    sample_arrival(args, first + j, there);
    for (int c = 0; c < 6; ++c) batch.surface[c][j] = there.surface[c];
    for (int axis = 0; axis < 2; ++axis) batch.right[axis][j] = there.right[axis], batch.below[axis][j] = there.below[axis];
    for (int c = 0; args.gain && c < 6; ++c) batch.fine[c][j] = args.fine[6 * (first + j) + c];
    batch.gain[j] = there.gain;
    batch.has_neighbours[j] = there.has_neighbours;
  }
}

C3D_INLINE Arrival arrival_at(const Batch& batch, int j) {
  const auto& [disp, existence, freedom, red, green, blue] = batch.surface;
  return {{disp[j], existence[j], freedom[j], red[j], green[j], blue[j], 0, 0},
          batch.gain[j],
          {batch.right[0][j], batch.right[1][j]},
          {batch.below[0][j], batch.below[1][j]},
          batch.has_neighbours[j] != 0};
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
    prefetch_surface(args, first, num);
    colour_batch(args, first, num, batch);
    sample_batch(args, first, num, batch);
    if (args.gain)
      drift_batch<true>(args, first, num, batch);
    else
      drift_batch<false>(args, first, num, batch);
  }
}

C3D_DISPATCH(find_strays, find_strays_body, const StrayPart&)
C3D_DISPATCH(drift_part, drift_body, const Part&)

}  // namespace

Status drift_points(const DriftPointsArgs& args, const Context& context) {
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
