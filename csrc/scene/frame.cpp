// One frame of a scene: bend, drift, splat both sides, blend, continue what stayed uncovered. What c3drender/render/frame.py
// does, product by product and sum by sum in its order; what depends on the time alone comes from the file.
#include <algorithm>
#include <cmath>

#include "c3d/formulas.h"
#include "cpu/parallel.h"
#include "data.h"

namespace c3d::scene {
namespace {

constexpr int32_t kMaxPoints = 64;
constexpr float kUncoveredAlpha = 1e-4f;
constexpr float kFringePx = 3;
constexpr int64_t kMinPart = 4096;  // points that are worth a thread

enum Side { kForward, kBackward };

float lerp(float start, float end, float share) { return start + (end - start) * share; }

// What sways or ripples, displaced by sum_k sine_k sin(2 pi k t) + cosine_k (cos(2 pi k t) - 1).
void bend(Scene::Data& data, size_t frame, const Executor& executor) {
  const Bent& bent = data.bent;
  const Camera canvas = data.canvas();
  const int64_t num_points = data.points.num_bent;
  const float* waves = data.frames.harmonics.data() + 2 * bent.num_harmonics * static_cast<int64_t>(frame);
  float* xyz = data.points.xyz.data() + 3 * data.points.num_still;
  cpu::parallel_ranges(executor, num_points, kMinPart, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float offset[2] = {0, 0};
      for (int64_t k = 0; k < bent.num_harmonics; ++k)
        for (int64_t axis = 0; axis < 2; ++axis) {
          const auto at = static_cast<size_t>(2 * (k * num_points + i) + axis);
          offset[axis] += bent.sine_px[at] * waves[2 * k] + bent.cosine_px[at] * waves[2 * k + 1];
        }
      const float x = bent.start_px[static_cast<size_t>(2 * i)] + offset[0];
      const float y = bent.start_px[static_cast<size_t>(2 * i + 1)] + offset[1];
      const float z = bent.z_cam[static_cast<size_t>(i)];
      xyz[3 * i] = (x - canvas.cx) / canvas.fx * z;
      xyz[3 * i + 1] = (y - canvas.cy) / canvas.fy * z;
      xyz[3 * i + 2] = z;
    }
  });
}

// Displacements after `steps` of `num_frames`, from the moments of the way that are kept; between two points go straight.
struct Moments {
  const int16_t *first, *second;
  float first_px, second_px, share;

  float offset(int64_t i) const {
    const float from = static_cast<float>(first[i]) * first_px;
    return second ? lerp(from, static_cast<float>(second[i]) * second_px, share) : from;
  }
};

Moments moments_of(const Way& way, int32_t stride, int32_t num_frames, int32_t steps, int64_t num_points) {
  const int32_t last = static_cast<int32_t>(way.unit_px.size()) - 1;
  const int32_t moment = steps == num_frames ? last : steps / stride;
  const int32_t beyond = steps == num_frames ? 0 : steps % stride;
  const auto units = [&](int32_t at) { return way.units.data() + 2 * num_points * at; };
  const auto px = [&](int32_t at) { return way.unit_px[static_cast<size_t>(at)]; };
  if (beyond == 0) return {units(moment), nullptr, px(moment), 0.0f, 0.0f};
  const int32_t between = std::min(stride, num_frames - moment * stride);
  return {units(moment), units(moment + 1), px(moment), px(moment + 1),
          static_cast<float>(static_cast<double>(beyond) / between)};
}

// Lets the points that drifted show less of the edge's colours that they left.
void leave_fringe(Scene::Data& data) {
  const Fringe& fringe = data.fringe;
  const bool turns = !data.waves.even.empty();
  float* colour = turns ? data.waves.colour.data() : data.fluid.feat.data();
  const size_t stride = turns ? 3 : 4;
  for (size_t k = 0; k < fringe.index.size(); ++k) {
    const auto i = static_cast<size_t>(fringe.index[k]);
    const float x = data.memory.offset_px[2 * i], y = data.memory.offset_px[2 * i + 1];
    const float away = std::min(std::sqrt(x * x + y * y) / kFringePx, 1.0f);
    for (size_t c = 0; c < 3; ++c) {
      const size_t at = 3 * k + c;
      colour[stride * i + c] = fringe.steady[at] + (fringe.clean[at] - fringe.resting[at]) * away;
    }
  }
}

WavesArgs waves_at(const Scene::Data& data, size_t frame, Side side) {
  const Waves& waves = data.waves;
  WavesArgs args;
  if (waves.even.empty()) return args;
  args.even = waves.even.data(), args.num_copies = kNumCopies;
  std::copy_n(data.frames.wave_weights.data() + kNumCopies * (2 * frame + side), kNumCopies, args.weight);
  args.least = waves.least.data(), args.most = waves.most.data(), args.spread = waves.spread.data();
  args.colour = waves.colour.data(), args.tint = waves.tint.data();
  return args;
}

const float* gain_at(Scene::Data& data, size_t frame) {
  const Gain& gain = data.gain;
  const size_t size = static_cast<size_t>(gain.height) * static_cast<size_t>(gain.width);
  const float* first = gain.gain.data() + size * static_cast<size_t>(data.frames.gain_row[frame]);
  for (size_t i = 0; i < size; ++i) data.memory.gain[i] = lerp(first[i], first[size + i], data.frames.gain_share[frame]);
  return data.memory.gain.data();
}

Status drift(Scene::Data& data, int32_t frame, Side side, const Context& context) {
  const Points& points = data.points;
  const int64_t num_points = points.num_fluid;
  const int32_t num_frames = data.frames.count, steps = side == kForward ? frame : num_frames - frame;
  const auto row = static_cast<size_t>(frame);
  const Moments way = moments_of(side == kForward ? data.fluid.forward : data.fluid.backward, data.fluid.stride, num_frames,
                                 steps, num_points);
  float* offset_px = data.memory.offset_px.data();
  cpu::parallel_ranges(context.executor, 2 * num_points, kMinPart, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) offset_px[i] = way.offset(i);
  });
  leave_fringe(data);

  const int64_t first = side == kForward ? points.first_forward() : points.first_backward();
  DriftPointsArgs args;
  args.start_px = data.fluid.start_px.data(), args.offset_px = offset_px;
  args.right = data.fluid.right.data(), args.below = data.fluid.below.data();
  args.feat = data.fluid.feat.data(), args.surface = data.fluid.surface.data(), args.canvas = data.canvas();
  args.radius_px = data.rules.radius_px, args.max_stretch = data.rules.max_stretch_px;
  args.least_existence = data.rules.least_existence;
  if (frame > 0 && !data.gain.gain.empty()) {
    args.fine = data.gain.fine.data();
    args.broad = data.gain.broad.data();
    args.gain = gain_at(data, row), args.gain_width = data.gain.width, args.gain_height = data.gain.height;
    args.gain_spacing_px = data.gain.spacing_px;
  }
  args.waves = waves_at(data, row, side);
  args.phase = data.fluid.phase.data(), args.fade = data.frames.fade[2 * row + side];
  args.num_points = num_points;
  args.xyz = data.points.xyz.data() + 3 * first, args.feat_out = data.points.feat.data() + 4 * first;
  args.radius = data.points.radius.data() + first;
  return cpu::drift_points(args, context);
}

void make_room(Scene::Data& data, size_t num_pixels) {
  Memory& memory = data.memory;
  memory.offset_px.resize(2 * static_cast<size_t>(data.points.num_fluid));
  memory.gain.resize(static_cast<size_t>(data.gain.height) * static_cast<size_t>(data.gain.width));
  memory.uncovered.resize(num_pixels);
}

Status draw(const Scene::Data& data, const Camera& view, int32_t num_sides, float loop_t, const Context& context, uint8_t* rgb,
            uint8_t* uncovered) {
  const Points& points = data.points;
  // Each side does not see the fluid on the other one's way.
  const int64_t hidden[] = {points.first_backward(), points.size(), points.first_forward(), points.first_backward()};
  SplatFrameArgs args;
  args.xyz = points.xyz.data(), args.feat = points.feat.data(), args.radius = points.radius.data();
  args.opacity = points.opacity.data(), args.num_points = points.size();
  args.camera = view, args.hidden = hidden, args.num_sides = num_sides;
  args.max_points = kMaxPoints, args.depth_tolerance = data.rules.depth_tolerance;
  args.loop_t = loop_t, args.sharpness = data.rules.sharpness, args.least_alpha = kUncoveredAlpha;
  args.rgb_out = rgb, args.uncovered_out = uncovered;
  return cpu::splat_frame(args, context);
}

}  // namespace

Status render(Scene::Data& data, const Camera& view, int32_t frame, const Context& context, uint8_t* rgb, uint8_t* uncovered) {
  // At rest, and where nothing drifts, both sides are the same.
  const int32_t num_sides = frame > 0 && data.points.num_fluid > 0 ? 2 : 1;
  const int64_t num_pixels = int64_t{view.width} * view.height;
  make_room(data, static_cast<size_t>(num_pixels));
  if (!uncovered) uncovered = data.memory.uncovered.data();
  if (data.points.num_bent > 0) bend(data, static_cast<size_t>(frame), context.executor);
  for (const Side side : {kForward, kBackward}) {
    if (side >= num_sides || data.points.num_fluid == 0) break;
    if (const Status status = drift(data, frame, side, context); !status.ok()) return status;
  }
  const float loop_t = num_sides == 2 ? data.frames.share[static_cast<size_t>(frame)] : 0.0f;
  if (const Status status = draw(data, view, num_sides, loop_t, context, rgb, uncovered); !status.ok()) return status;
  FillUncoveredArgs filled;
  filled.rgb = rgb, filled.uncovered = uncovered, filled.width = view.width, filled.height = view.height;
  filled.rgb_out = rgb;
  return cpu::fill_uncovered(filled, context);
}

}  // namespace c3d::scene
