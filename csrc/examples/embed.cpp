// Renders one frame of a saved point cloud without torch or Python:  embed cloud.f32 frame.ppm [loop_t]
//
// Where cloud.f32 does not exist (files.h says what it holds), the points of a small scene are saved there first.
#include <c3d/api.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <vector>

#include "files.h"
#include "small_scene.h"

using Array = std::vector<float>;
constexpr int32_t kNumFrames = 24;  // of one loop
constexpr float kDepthTolerance = 0.02f;
constexpr float kLeastExistence = 0.75f;
constexpr float kSwing = 0.25f;      // how far the camera moves to either side, scene units

// The core's working memory during one call, freed with it, and its threads: one per processor.
struct Call {
  std::vector<std::unique_ptr<void, void (*)(void*)>> blocks;
  c3d::Context context{{allocate, this}, c3d::make_thread_executor(0)};

  static void* allocate(void* user, size_t num_bytes) {
    void* block = std::aligned_alloc(64, (num_bytes / 64 + 1) * 64);
    static_cast<Call*>(user)->blocks.emplace_back(block, std::free);
    return block;
  }
};

void require(const c3d::Status& status) { require(status.ok(), status.message); }

bool drifts(const Point& p) { return p.step_x != 0.0f || p.step_y != 0.0f; }

// The scene's points, and behind its rocks those that some view of the camera's path reveals: how far away they are is known,
// their colours are continued from beside the rocks.
std::vector<Point> make_cloud() {
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
  const float tear_disp = 0.002f;
  require(c3d::cpu::find_holes({disp.data(),
                                disp_hidden.data(),
                                disp_fluid.data(),
                                step_px.data(),
                                1,
                                kNumFrames,
                                0,
                                views,
                                2,
                                {kMargin, kMargin, kMargin + kWidth, kMargin + kHeight},
                                kRadiusPx,
                                kDepthTolerance,
                                kLeastExistence,
                                holes.data()},
                               Call().context));
  Array rgb_filled(rgb.size()), disp_filled(disp.size());
  require(c3d::cpu::inpaint_layers({rgb.data(), disp.data(), holes.data(), disp_hidden.data(), canvas.width, canvas.height,
                                    tear_disp, rgb_filled.data(), disp_filled.data()},
                                   Call().context));
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

Raster splat(const Array& xyz, const Array& feat, const Array& radius, const c3d::Camera& camera) {
  const size_t num_channels = feat.size() / std::max<size_t>(radius.size(), 1);
  const size_t num_pixels = static_cast<size_t>(camera.width) * static_cast<size_t>(camera.height);
  Raster out{Array(num_pixels * num_channels), Array(num_pixels), Array(num_pixels)};
  c3d::SplatPointsArgs args{};
  args.xyz = xyz.data(), args.feat = feat.data(), args.radius = radius.data();
  args.num_points = static_cast<int64_t>(radius.size()), args.num_channels = static_cast<int32_t>(num_channels);
  args.cameras = &camera, args.num_cameras = 1;
  args.compositor = c3d::Compositor::kSurface, args.max_points = 32, args.depth_tolerance = kDepthTolerance;
  args.feat_out = out.feat.data(), args.alpha_out = out.alpha.data(), args.disp_out = out.disp.data();
  require(c3d::cpu::splat_points(args, Call().context));
  return out;
}

// The water alone as the canvas sees it: its drift as feat [H, W, 2] and its disparity. A radius of 0 leaves a point out.
Raster splat_water(const std::vector<Point>& cloud) {
  Array xyz, step_px, radius;
  for (const Point& p : cloud) {
    xyz.insert(xyz.end(), {p.x, p.y, p.z});
    step_px.insert(step_px.end(), {p.step_x, p.step_y});
    radius.push_back(drifts(p) ? p.radius : 0.0f);
  }
  return splat(xyz, step_px, radius, camera_at(0, kMargin));
}

// The cloud seen by `view`, its water moved `num_steps` frames along its drift (direction 1) or against it (-1). A drop takes
// its depth from the water where it arrives.
Raster splat_moved(const std::vector<Point>& cloud, const Raster& water, float direction, int32_t num_steps,
                   const c3d::Camera& view) {
  const c3d::Camera canvas = camera_at(0, kMargin);
  const int64_t num_points = static_cast<int64_t>(cloud.size());
  Array step_px = water.feat, start_px, offset_px(static_cast<size_t>(2 * num_points * (num_steps + 1)));
  for (float& step : step_px) step *= direction;
  for (const Point& p : cloud)
    start_px.insert(start_px.end(), {canvas.fx * p.x / p.z + canvas.cx, canvas.fy * p.y / p.z + canvas.cy});
  std::vector<uint8_t> inside(offset_px.size() / 2);
  require(c3d::cpu::integrate_flow({step_px.data(), canvas.width, canvas.height, start_px.data(), num_points, num_steps,
                                    c3d::Sampling::kBilinear, offset_px.data(), inside.data()},
                                   Call().context));

  Array xyz, rgb, radius;
  const float* arrival = offset_px.data() + 2 * num_points * num_steps;
  for (size_t i = 0; i < cloud.size(); ++i) {
    Point p = cloud[i];
    if (drifts(p)) {
      const float x = start_px[2 * i] + arrival[2 * i], y = start_px[2 * i + 1] + arrival[2 * i + 1];
      const int32_t column = std::clamp(static_cast<int32_t>(x), 0, canvas.width - 1);
      const int32_t row = std::clamp(static_cast<int32_t>(y), 0, canvas.height - 1);
      const size_t pixel = static_cast<size_t>(row * canvas.width + column);
      const float z = water.alpha[pixel] > 0.5f ? water.alpha[pixel] / water.disp[pixel] : p.z;
      p = {(x - canvas.cx) * z / canvas.fx, (y - canvas.cy) * z / canvas.fy, z, p.radius * z / p.z, p.r, p.g, p.b, 0, 0};
    }
    xyz.insert(xyz.end(), {p.x, p.y, p.z});
    rgb.insert(rgb.end(), {p.r, p.g, p.b});
    radius.push_back(p.radius);
  }
  return splat(xyz, rgb, radius, view);
}

Array blend(const Raster& fwd, const Raster& bwd, float loop_t) {
  const size_t num_pixels = fwd.alpha.size();
  Array rgb(3 * num_pixels), alpha(num_pixels), w_fwd(num_pixels), w_bwd(num_pixels);
  require(c3d::cpu::blend_bidirectional(
      {fwd.feat.data(), bwd.feat.data(), fwd.alpha.data(), bwd.alpha.data(), fwd.disp.data(), bwd.disp.data(), nullptr, loop_t,
       4.0f, static_cast<int64_t>(num_pixels), 3, rgb.data(), alpha.data(), w_fwd.data(), w_bwd.data()},
      Call().context));
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] /= std::max(alpha[i / 3], 1e-6f);
  return rgb;
}

int main(int argc, char** argv) {
  require(argc == 3 || argc == 4, "usage: embed cloud.f32 frame.ppm [loop_t]");
  const float loop_t = argc == 4 ? std::strtof(argv[3], nullptr) : 0.25f;
  require(loop_t >= 0.0f && loop_t <= 1.0f, "loop_t must be in 0..1");
  if (!std::ifstream(argv[1])) write_cloud(argv[1], make_cloud());
  const std::vector<Point> cloud = read_cloud(argv[1]);

  const Raster water = splat_water(cloud);
  const int32_t n = static_cast<int32_t>(std::lround(loop_t * kNumFrames));
  const c3d::Camera view = camera_at(kSwing * std::sin(6.2831853f * loop_t), 0);
  const Raster fwd = splat_moved(cloud, water, 1.0f, n, view), bwd = splat_moved(cloud, water, -1.0f, kNumFrames - n, view);
  const Array rgb = blend(fwd, bwd, loop_t);

  write_ppm(argv[2], view.width, view.height, rgb);
  std::printf("%zu points, frame %d of %d: %s\n", cloud.size(), n, kNumFrames, argv[2]);
}
