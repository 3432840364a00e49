// Renders one frame of a saved point cloud, and how near everything is in it, without torch or Python:
//
//   embed cloud.f32 frame.ppm disparity.pgm [loop_t]
//
// Where cloud.f32 does not exist (files.h says what it holds), the points of a small scene are saved there first.
#include <c3d/api.h>
#include <c3d/workspace.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>
#include <vector>

#include "files.h"
#include "small_scene.h"

using Array = std::vector<float>;
constexpr int32_t kNumFrames = 24;  // of one loop
constexpr float kDepthTolerance = 0.02f;
constexpr float kLeastExistence = 0.75f;
constexpr float kMaxStretch = 3.0f;
constexpr float kSharpness = 4.0f;
constexpr float kSwing = 0.25f;  // how far the camera moves to either side, scene units

void require(const c3d::Status& status) { require(status.ok(), status.message); }

bool drifts(const Point& p) { return p.step_x != 0.0f || p.step_y != 0.0f; }

// The scene's points, and behind its rocks those that some view of the camera's path reveals: how far away they are is known,
// their colours are continued from beside the rocks.
std::vector<Point> make_cloud(c3d::Workspace& work) {
  const c3d::Camera canvas = camera_at(0, kMargin), views[] = {camera_at(-kSwing, kMargin), camera_at(kSwing, kMargin)};
  std::vector<Point> front, hidden;
  Array rgb, disp, disp_hidden, disp_fluid, step_px;
  for (int32_t y = 0; y < canvas.height; ++y)
    for (int32_t x = 0; x < canvas.width; ++x) {
      front.push_back(cast_ray(x, y, true));
      hidden.push_back(cast_ray(x, y, false));
      rgb.insert(rgb.end(), {front.back().r, front.back().g, front.back().b});
      disp.push_back(1.0f / front.back().z);
      disp_hidden.push_back(1.0f / hidden.back().z);
      disp_fluid.push_back(drifts(hidden.back()) ? disp_hidden.back() : 0.0f);
      step_px.insert(step_px.end(), {hidden.back().step_x, hidden.back().step_y});
    }
  std::vector<uint8_t> holes(disp.size());
  c3d::FindHolesArgs find;
  find.disp = disp.data(), find.num_layers = 1;
  find.disp_hidden = disp_hidden.data(), find.disp_fluid = disp_fluid.data();
  find.step_px = step_px.data(), find.num_steps = kNumFrames;
  find.cameras = views, find.num_cameras = 2;
  find.frame_px[0] = find.frame_px[1] = kMargin;
  find.frame_px[2] = kMargin + kWidth, find.frame_px[3] = kMargin + kHeight;
  find.radius_px = kRadiusPx, find.depth_tolerance = kDepthTolerance, find.least_existence = kLeastExistence;
  find.holes = holes.data();
  require(c3d::cpu::find_holes(find, work.context()));

  Array rgb_filled(rgb.size()), disp_filled(disp.size());
  c3d::InpaintLayersArgs fill;
  fill.rgb = rgb.data(), fill.disp = disp.data(), fill.hole = holes.data(), fill.disp_hidden = disp_hidden.data();
  fill.width = canvas.width, fill.height = canvas.height;
  fill.tear_disp = 0.002f;
  fill.rgb_out = rgb_filled.data(), fill.disp_out = disp_filled.data();
  require(c3d::cpu::inpaint_layers(fill, work.context()));
  for (size_t i = 0; i < holes.size(); ++i) {
    if (!holes[i]) continue;
    Point p = hidden[i];
    const float scale = 1.0f / (disp_filled[i] * p.z);
    p.x *= scale, p.y *= scale, p.z *= scale, p.radius *= scale;
    p.r = rgb_filled[3 * i], p.g = rgb_filled[3 * i + 1], p.b = rgb_filled[3 * i + 2];
    front.push_back(p);
  }
  return front;
}

struct Raster {
  Array feat, alpha, disp;
};

Raster splat(const Array& xyz, const Array& feat, const Array& radius, const c3d::Camera& camera, c3d::Workspace& work) {
  const size_t num_channels = feat.size() / std::max<size_t>(radius.size(), 1);
  const size_t num_pixels = static_cast<size_t>(camera.width) * static_cast<size_t>(camera.height);
  Raster out{Array(num_pixels * num_channels), Array(num_pixels), Array(num_pixels)};
  c3d::SplatPointsArgs args;
  args.xyz = xyz.data(), args.feat = feat.data(), args.radius = radius.data();
  args.num_points = static_cast<int64_t>(radius.size()), args.num_channels = static_cast<int32_t>(num_channels);
  args.cameras = &camera, args.num_cameras = 1;
  args.compositor = c3d::Compositor::kSurface, args.max_points = 32, args.depth_tolerance = kDepthTolerance;
  args.feat_out = out.feat.data(), args.alpha_out = out.alpha.data(), args.disp_out = out.disp.data();
  require(c3d::cpu::splat_points(args, work.context()));
  return out;
}

// The water alone as the canvas sees it.
struct Water {
  Array step_px;  // [H, W, 2] its drift
  Array surface;  // [H, W, 8] as drift_points takes it
};

Water splat_water(const std::vector<Point>& cloud, c3d::Workspace& work) {
  Array xyz, feat, radius;
  for (const Point& p : cloud) {
    if (!drifts(p)) continue;
    xyz.insert(xyz.end(), {p.x, p.y, p.z});
    feat.insert(feat.end(), {p.step_x, p.step_y, p.r, p.g, p.b});
    radius.push_back(p.radius);
  }
  const Raster seen = splat(xyz, feat, radius, camera_at(0, kMargin), work);
  Water water;
  for (size_t i = 0; i < seen.alpha.size(); ++i) {
    const float scale = 1.0f / std::max(seen.alpha[i], 1e-6f);  // splats are premultiplied by their coverage
    const float* f = seen.feat.data() + 5 * i;
    water.step_px.insert(water.step_px.end(), {f[0] * scale, f[1] * scale});
    const float free_to_move = 1.0f;
    water.surface.insert(water.surface.end(), {seen.disp[i] * scale, seen.alpha[i], free_to_move, f[2] * scale, f[3] * scale,
                                               f[4] * scale, 0.0f, 0.0f});
  }
  return water;
}

// The cloud's points with their colours and a confidence of 1. Its drops lie at the end, those that drift.
struct Cloud {
  Array xyz, feat, radius;
  size_t first_drop = 0, num_drops = 0;
};

Cloud drops_last(const std::vector<Point>& points) {
  Cloud cloud;
  for (const bool moving : {false, true})
    for (const Point& p : points) {
      if (drifts(p) != moving) continue;
      cloud.xyz.insert(cloud.xyz.end(), {p.x, p.y, p.z});
      cloud.feat.insert(cloud.feat.end(), {p.r, p.g, p.b, 1.0f});
      cloud.radius.push_back(p.radius);
      (moving ? cloud.num_drops : cloud.first_drop) += 1;
    }
  return cloud;
}

// For each drop the one that began a pixel to the right (x = 1) or below it (y = 1) on the canvas, or else itself.
std::vector<int32_t> neighbours(const Array& start_px, const c3d::Camera& canvas, int32_t x, int32_t y) {
  const int32_t width = canvas.width + 1;  // with a column that stays empty, so that no row continues in the next
  const auto pixel_of = [&](size_t drop) {
    return static_cast<size_t>(static_cast<int32_t>(start_px[2 * drop + 1]) * width +
                               static_cast<int32_t>(start_px[2 * drop]));
  };
  const size_t num_drops = start_px.size() / 2;
  std::vector<int32_t> drop_at(static_cast<size_t>(width * (canvas.height + 1) + 1), -1), found;
  for (size_t i = 0; i < num_drops; ++i) drop_at[pixel_of(i)] = static_cast<int32_t>(i);
  for (size_t i = 0; i < num_drops; ++i) {
    const int32_t beside = drop_at[pixel_of(i) + static_cast<size_t>(y * width + x)];
    found.push_back(beside >= 0 ? beside : static_cast<int32_t>(i));
  }
  return found;
}

// The cloud with its water moved `num_steps` frames along its drift (direction 1) or against it (-1).
Cloud moved(Cloud cloud, const Water& water, float direction, int32_t num_steps, c3d::Workspace& work) {
  const c3d::Camera canvas = camera_at(0, kMargin);
  Array step_px = water.step_px, start_px;
  for (float& step : step_px) step *= direction;
  for (size_t i = cloud.first_drop; i < cloud.radius.size(); ++i) {
    const float x = cloud.xyz[3 * i], y = cloud.xyz[3 * i + 1], z = cloud.xyz[3 * i + 2];
    start_px.insert(start_px.end(), {canvas.fx * x / z + canvas.cx, canvas.fy * y / z + canvas.cy});
  }
  const size_t num_positions = cloud.num_drops * static_cast<size_t>(num_steps + 1);
  Array offset_px(2 * num_positions);
  std::vector<uint8_t> inside(num_positions);
  c3d::IntegrateFlowArgs flow;
  flow.step_px = step_px.data(), flow.width = canvas.width, flow.height = canvas.height;
  flow.start_px = start_px.data(), flow.num_paths = static_cast<int64_t>(cloud.num_drops), flow.num_steps = num_steps;
  flow.offset_px = offset_px.data(), flow.inside = inside.data();
  require(c3d::cpu::integrate_flow(flow, work.context()));

  const std::vector<int32_t> right = neighbours(start_px, canvas, 1, 0), below = neighbours(start_px, canvas, 0, 1);
  const Array feat(cloud.feat.begin() + static_cast<std::ptrdiff_t>(4 * cloud.first_drop), cloud.feat.end());
  const Array phase(cloud.num_drops, 0.0f);
  c3d::DriftPointsArgs drift;
  drift.start_px = start_px.data(), drift.offset_px = offset_px.data() + 2 * (num_positions - cloud.num_drops);
  drift.right = right.data(), drift.below = below.data();
  drift.feat = feat.data(), drift.surface = water.surface.data(), drift.canvas = canvas;
  drift.radius_px = kRadiusPx, drift.max_stretch = kMaxStretch, drift.least_existence = kLeastExistence;
  drift.phase = phase.data(), drift.num_points = static_cast<int64_t>(cloud.num_drops);
  drift.xyz = cloud.xyz.data() + 3 * cloud.first_drop, drift.feat_out = cloud.feat.data() + 4 * cloud.first_drop;
  drift.radius = cloud.radius.data() + cloud.first_drop;
  require(c3d::cpu::drift_points(drift, work.context()));
  return cloud;
}

// A picture whose uncovered pixels are continued from what lies beside them.
std::vector<uint8_t> filled(std::vector<uint8_t> rgb, const std::vector<uint8_t>& uncovered, const c3d::Camera& view,
                            c3d::Workspace& work) {
  c3d::FillUncoveredArgs args;
  args.rgb = rgb.data(), args.uncovered = uncovered.data(), args.width = view.width, args.height = view.height;
  args.rgb_out = rgb.data();
  require(c3d::cpu::fill_uncovered(args, work.context()));
  return rgb;
}

// The two sides of the loop as a finished picture.
std::vector<uint8_t> compose(const Raster& fwd, const Raster& bwd, const c3d::Camera& view, float loop_t,
                             c3d::Workspace& work) {
  std::vector<uint8_t> rgb(3 * fwd.alpha.size()), uncovered(fwd.alpha.size());
  c3d::ComposeFrameArgs args;
  args.feat_fwd = fwd.feat.data(), args.alpha_fwd = fwd.alpha.data(), args.disp_fwd = fwd.disp.data();
  args.feat_bwd = bwd.feat.data(), args.alpha_bwd = bwd.alpha.data(), args.disp_bwd = bwd.disp.data();
  args.loop_t = loop_t, args.sharpness = kSharpness, args.least_alpha = 1e-3f;
  args.num_pixels = static_cast<int64_t>(fwd.alpha.size());
  args.rgb_out = rgb.data(), args.uncovered_out = uncovered.data();
  require(c3d::cpu::compose_frame(args, work.context()));
  return filled(std::move(rgb), uncovered, view, work);
}

// The same in one call, which keeps neither side's picture: the backward side's water comes behind all that is forward's, and
// each side is told which water it does not see.
std::vector<uint8_t> frame_at_once(Cloud both, const Cloud& bwd, const c3d::Camera& view, float loop_t, c3d::Workspace& work) {
  const auto first = static_cast<std::ptrdiff_t>(both.first_drop);
  both.xyz.insert(both.xyz.end(), bwd.xyz.begin() + 3 * first, bwd.xyz.end());
  both.feat.insert(both.feat.end(), bwd.feat.begin() + 4 * first, bwd.feat.end());
  both.radius.insert(both.radius.end(), bwd.radius.begin() + first, bwd.radius.end());
  const int64_t begin = first, middle = begin + static_cast<int64_t>(both.num_drops),
                end = static_cast<int64_t>(both.radius.size());
  const std::array<int64_t, 4> hidden{middle, end, begin, middle};
  const size_t num_pixels = static_cast<size_t>(view.width) * static_cast<size_t>(view.height);
  std::vector<uint8_t> rgb(3 * num_pixels), uncovered(num_pixels);
  c3d::SplatFrameArgs args;
  args.xyz = both.xyz.data(), args.feat = both.feat.data(), args.radius = both.radius.data(), args.num_points = end;
  args.camera = view, args.hidden = hidden.data(), args.num_sides = 2;
  args.max_points = 32, args.depth_tolerance = kDepthTolerance;
  args.loop_t = loop_t, args.sharpness = kSharpness, args.least_alpha = 1e-3f;
  args.rgb_out = rgb.data(), args.uncovered_out = uncovered.data();
  require(c3d::cpu::splat_frame(args, work.context()));
  return filled(std::move(rgb), uncovered, view, work);
}

// A picture as video encoders take it: luma, then blue's and red's differences at half the size.
std::vector<uint8_t> in_video_colours(const std::vector<uint8_t>& rgb, const c3d::Camera& view, c3d::Workspace& work) {
  std::vector<uint8_t> yuv(rgb.size() / 2);
  c3d::ConvertToYuvArgs args;
  args.rgb = rgb.data(), args.width = view.width, args.height = view.height, args.yuv_out = yuv.data();
  require(c3d::cpu::convert_to_yuv(args, work.context()));
  return yuv;
}

// The two sides' disparity, blended as their colours are; white is the nearest.
std::vector<uint8_t> blend_disparity(const Raster& fwd, const Raster& bwd, float loop_t, c3d::Workspace& work) {
  const size_t num_pixels = fwd.alpha.size();
  Array disp(num_pixels), alpha(num_pixels), w_fwd(num_pixels), w_bwd(num_pixels);
  c3d::BlendBidirectionalArgs args;
  args.feat_fwd = fwd.disp.data(), args.alpha_fwd = fwd.alpha.data(), args.disp_fwd = fwd.disp.data();
  args.feat_bwd = bwd.disp.data(), args.alpha_bwd = bwd.alpha.data(), args.disp_bwd = bwd.disp.data();
  args.loop_t_all = loop_t, args.sharpness = kSharpness;
  args.num_pixels = static_cast<int64_t>(num_pixels), args.num_channels = 1;
  args.feat_out = disp.data(), args.alpha_out = alpha.data(), args.w_fwd = w_fwd.data(), args.w_bwd = w_bwd.data();
  require(c3d::cpu::blend_bidirectional(args, work.context()));
  for (size_t i = 0; i < num_pixels; ++i) disp[i] /= std::max(alpha[i], 1e-6f);
  const float nearest = *std::max_element(disp.begin(), disp.end());
  std::vector<uint8_t> grey;
  for (const float d : disp) grey.push_back(static_cast<uint8_t>(255.0f * d / nearest + 0.5f));
  return grey;
}

int main(int argc, char** argv) {
  require(argc == 4 || argc == 5, "usage: embed cloud.f32 frame.ppm disparity.pgm [loop_t]");
  const float loop_t = argc == 5 ? std::strtof(argv[4], nullptr) : 0.25f;
  require(loop_t >= 0.0f && loop_t <= 1.0f, "loop_t must be in 0..1");
  c3d::Workspace work;  // memory and threads, kept from call to call
  if (!std::ifstream(argv[1])) write_cloud(argv[1], make_cloud(work));
  const std::vector<Point> points = read_cloud(argv[1]);

  const Water water = splat_water(points, work);
  const Cloud cloud = drops_last(points);
  const int32_t n = static_cast<int32_t>(std::lround(loop_t * kNumFrames));
  const c3d::Camera view = camera_at(kSwing * std::sin(6.2831853f * loop_t), 0);
  const Cloud ahead = moved(cloud, water, 1.0f, n, work), behind = moved(cloud, water, -1.0f, kNumFrames - n, work);
  const Raster fwd = splat(ahead.xyz, ahead.feat, ahead.radius, view, work),
               bwd = splat(behind.xyz, behind.feat, behind.radius, view, work);

  const std::vector<uint8_t> frame = frame_at_once(ahead, behind, view, loop_t, work);
  require(frame == compose(fwd, bwd, view, loop_t, work), "one call made another frame than three");
  const std::vector<uint8_t> yuv = in_video_colours(frame, view, work);
  require(*std::min_element(yuv.begin(), yuv.end()) >= 16 && *std::max_element(yuv.begin(), yuv.end()) <= 240,
          "a picture in video's colours left their limits");
  write_picture(argv[2], view.width, view.height, frame);
  write_picture(argv[3], view.width, view.height, blend_disparity(fwd, bwd, loop_t, work));
  std::printf("%zu points, frame %d of %d: %s, %s\n", points.size(), n, kNumFrames, argv[2], argv[3]);
}
