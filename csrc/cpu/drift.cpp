// drift_points on the CPU: a fluid's points at one moment of the loop.
#include <algorithm>
#include <atomic>

#include "../checks.h"
#include "c3d/formulas.h"
#include "parallel.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

constexpr int kBatch = 128;  // points that go through each step at a time, which vectorises all but the reads of samples
constexpr int64_t kPart = 4096;  // points that a worker takes at a time
constexpr uintptr_t kLineBytes = 64;  // of the cache

struct Part {
  const DriftPointsArgs* args;
  int64_t begin, end;  // points
  std::atomic<bool>* has_strays;  // neighbours that are no points
};

// Corners as arrays, of indices half as wide: `check` sees to it that they fit.
struct BatchCorners {
  int32_t pixel[4][kBatch];
  float weight[4][kBatch];

  C3D_INLINE Corners of(int j) const {
    return {{pixel[0][j], pixel[1][j], pixel[2][j], pixel[3][j]}, {weight[0][j], weight[1][j], weight[2][j], weight[3][j]}};
  }
  C3D_INLINE void set(int j, const CornersOf<int32_t>& at) {
    for (int k = 0; k < 4; ++k) pixel[k][j] = at.pixel[k], weight[k][j] = at.weight[k];
  }
};

struct Places {
  float x[kBatch], y[kBatch];
  C3D_INLINE Vec2 of(int j) const { return {x[j], y[j]}; }
  C3D_INLINE void set(int j, Vec2 place) { x[j] = place.x, y[j] = place.y; }
};

// A batch, whose points' values are arrays, or rows where they are read as such.
struct Batch {
  Places at, offset;
  BatchCorners corners, window;  // in the surface and among the gains
  float surface[kBatch][8], right[kBatch][2], below[kBatch][2], gain[kBatch];
  float rgb[3][kBatch], broad[3][kBatch];  // OwnColour
  float stretch2[kBatch], freedom[kBatch], fine_x[kBatch], fine_y[kBatch], share_broad[kBatch];  // OwnShares
  float xyz[3][kBatch], feat[4][kBatch], radius[kBatch];  // what is written
};

// Asks for `num` values a point of the batch after this one: more arrays side by side than the processor foresees.
template <typename T>
C3D_INLINE void prefetch_values(const T* array, int64_t num, int64_t first, int64_t end) {
  const uintptr_t begin = reinterpret_cast<uintptr_t>(array + num * first),
                  last = reinterpret_cast<uintptr_t>(array + num * end);
  for (uintptr_t at = begin; at < last; at += kLineBytes) __builtin_prefetch(reinterpret_cast<const void*>(at), 0, 2);
}

C3D_INLINE void prefetch_points(const DriftPointsArgs& args, int64_t first, int64_t end) {
  const WavesArgs& waves = args.waves;
  prefetch_values(args.start_px, 2, first, end);
  prefetch_values(args.offset_px, 2, first, end);
  prefetch_values(args.right, 1, first, end);
  prefetch_values(args.below, 1, first, end);
  prefetch_values(args.phase, 1, first, end);
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
  for (const float* array : {waves.least, waves.most, waves.spread}) prefetch_values(array, 1, first, end);
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

// Where the batch's points arrive. Returns how many of them are seen there.
C3D_INLINE int find_places(const DriftPointsArgs& args, int64_t first, int num, Batch& batch) {
  int num_seen = 0;
  for (int j = 0; j < num; ++j) {
    batch.offset.set(j, offset_of(args, first + j));
    batch.at.set(j, drifted_to(args, first + j));
    num_seen += is_seen(args, batch.at.of(j)) ? 1 : 0;
  }
  return num_seen;
}

// Asks for what sample_batch reads there: rows apart, of which the processor foresees little.
C3D_INLINE void find_corners(const DriftPointsArgs& args, int num, Batch& batch) {
  for (int j = 0; j < num; ++j)
    batch.corners.set(j, corners_in<int32_t>(args.canvas.width, args.canvas.height, batch.at.of(j)));
  for (int j = 0; j < num; ++j) {
    __builtin_prefetch(args.surface + int64_t{8} * batch.corners.pixel[0][j], 0, 3);
    __builtin_prefetch(args.surface + int64_t{8} * batch.corners.pixel[2][j], 0, 3);
  }
  for (int j = 0; args.gain && j < num; ++j)
    batch.window.set(j, corners_in<int32_t>(args.gain_width, args.gain_height, window_of(args, batch.at.of(j))));
}

C3D_INLINE bool are_points(const DriftPointsArgs& args, const int32_t* neighbours, int num) {
  int strays = 0;
  for (int j = 0; j < num; ++j) strays |= is_point(args, neighbours[j]) ? 0 : 1;
  return strays == 0;
}

C3D_INLINE void sample_batch(const DriftPointsArgs& args, int64_t first, int num, Batch& batch) {
  for (int j = 0; j < num; ++j) {
    sample_corners<8>(args.surface, batch.corners.of(j), batch.surface[j]);
    std::memcpy(batch.right[j], args.offset_px + int64_t{2} * args.right[first + j], sizeof batch.right[j]);
    std::memcpy(batch.below[j], args.offset_px + int64_t{2} * args.below[first + j], sizeof batch.below[j]);
  }
  for (int j = 0; j < num; ++j) batch.gain[j] = 1.0f;
  for (int j = 0; args.gain && j < num; ++j) sample_corners<1>(args.gain, batch.window.of(j), &batch.gain[j]);
}

C3D_INLINE OwnShares shares_at(const Batch& batch, int j) {
  return {batch.freedom[j], batch.fine_x[j], batch.fine_y[j], batch.share_broad[j]};
}

// Six values a point are split by two, and then by three: loops over six side by side do not become vectors.
C3D_INLINE void add_details(const DriftPointsArgs& args, int64_t first, int num, Batch& batch) {
  float even[3 * kBatch], odd[3 * kBatch];
  const float* fine = args.fine + 6 * first;
  for (int k = 0; k < 3 * num; ++k) even[k] = fine[2 * k], odd[k] = fine[2 * k + 1];
  for (int j = 0; j < num; ++j) {
    const OwnShares shares = shares_at(batch, j);
    batch.feat[0][j] += details_of(even[3 * j], odd[3 * j + 1], batch.broad[0][j], shares);
    batch.feat[1][j] += details_of(odd[3 * j], even[3 * j + 2], batch.broad[1][j], shares);
    batch.feat[2][j] += details_of(even[3 * j + 1], odd[3 * j + 2], batch.broad[2][j], shares);
  }
}

C3D_INLINE void drift_batch(const DriftPointsArgs& args, int64_t first, int num, Batch& batch) {
  for (int j = 0; j < num; ++j) {
    const Vec2 right{batch.right[j][0], batch.right[j][1]}, below{batch.below[j][0], batch.below[j][1]};
    batch.stretch2[j] = stretch2_of(batch.offset.of(j), right, below);
  }
  for (int j = 0; j < num; ++j) {
    const float *there = batch.surface[j], freedom = there[2];
    const DriftedDisc disc = drifted_disc(args, batch.at.of(j), there[0], there[1], freedom, batch.stretch2[j], true);
    batch.xyz[0][j] = disc.x, batch.xyz[1][j] = disc.y, batch.xyz[2][j] = disc.z, batch.radius[j] = disc.radius;
    const OwnShares shares = own_shares(batch.offset.of(j), freedom, batch.gain[j]);
    batch.freedom[j] = freedom, batch.fine_x[j] = shares.fine_x, batch.fine_y[j] = shares.fine_y;
    batch.share_broad[j] = shares.broad;
  }
  for (int c = 0; c < 3; ++c)
    for (int j = 0; j < num; ++j)
      batch.feat[c][j] = mixed_colour(batch.surface[j][3 + c], batch.rgb[c][j], shares_at(batch, j));
  if (args.gain) add_details(args, first, num, batch);
  for (int j = 0; j < num; ++j) batch.feat[3][j] = drifted_confidence(args, first + j, batch.stretch2[j]);
}

C3D_INLINE void clear_unseen(const DriftPointsArgs& args, int num, Batch& batch) {
  for (int j = 0; j < num; ++j) {
    const bool seen = is_seen(args, batch.at.of(j));
    for (int c = 0; c < 3; ++c) batch.xyz[c][j] = seen ? batch.xyz[c][j] : 0.0f;
    for (int c = 0; c < 4; ++c) batch.feat[c][j] = seen ? batch.feat[c][j] : 0.0f;
    batch.radius[j] = seen ? batch.radius[j] : 0.0f;
  }
}

C3D_INLINE void write_nothing(const DriftPointsArgs& args, int64_t first, int64_t num) {
  std::fill_n(args.xyz + 3 * first, 3 * num, 0.0f);
  std::fill_n(args.feat_out + 4 * first, 4 * num, 0.0f);
  std::fill_n(args.radius + first, num, 0.0f);
}

C3D_INLINE void write_batch(const DriftPointsArgs& args, int64_t first, int num, const Batch& batch) {
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
    if (!are_points(args, args.right + first, num) || !are_points(args, args.below + first, num)) {
      part.has_strays->store(true, std::memory_order_relaxed);
      return;
    }
    const int num_seen = find_places(args, first, num, batch);
    if (num_seen == 0) {
      write_nothing(args, first, num);
      continue;
    }
    find_corners(args, num, batch);
    prefetch_points(args, first + num, std::min(first + num + kBatch, part.end));
    colour_batch(args, first, num, batch);
    sample_batch(args, first, num, batch);
    drift_batch(args, first, num, batch);
    if (num_seen < num) clear_unseen(args, num, batch);
    write_batch(args, first, num, batch);
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

C3D_DISPATCH(drift_part, drift_body, const Part&)

}  // namespace

Status drift_points(const DriftPointsArgs& given, const Context& context) {
  const DriftPointsArgs args = at_moment(given);
  const Status status = check_on_host(args, context);
  if (!status.ok()) return status;
  std::atomic<bool> has_strays{false};
  // Many parts: what is not seen, and takes no time, mostly lies together.
  parallel_items(context.executor, (args.num_points + kPart - 1) / kPart, [&](int, int64_t i) {
    drift_part({&args, i * kPart, std::min((i + 1) * kPart, args.num_points), &has_strays});
  });
  if (has_strays)
    return {StatusCode::kInvalidArgument, "drift_points: right and below must be indices of points, 0..num_points - 1"};
  return {};
}

}  // namespace c3d::cpu
