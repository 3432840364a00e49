// A small scene for embed.cpp: three rocks in a stream before hills, cast ray by ray.
#pragma once

#include <c3d/api.h>

#include <cmath>

#include "files.h"

constexpr int32_t kWidth = 640, kHeight = 360, kMargin = 64;  // px; the canvas is kMargin wider than a frame on every side
constexpr float kFocalPx = 640.0f, kRadiusPx = 1.5f;

// A camera moved to the right by `x`, with `margin` px around its frame.
inline c3d::Camera camera_at(float x, int32_t margin) {
  c3d::Camera camera;
  camera.width = kWidth + 2 * margin, camera.height = kHeight + 2 * margin;
  camera.fx = camera.fy = kFocalPx;
  camera.cx = 0.5f * static_cast<float>(camera.width), camera.cy = 0.5f * static_cast<float>(camera.height);
  camera.world_to_cam[3] = -x;
  return camera;
}

// What the canvas pixel (x, y) of the camera at rest shows, with or without the rocks.
inline Point cast_ray(int32_t x, int32_t y, bool with_rocks) {
  constexpr float kFar = 14.0f, kWaterY = 1.0f, kDrift[2] = {0.006f, -0.006f};  // of the water, scene units per frame in x, z
  constexpr float kRocks[][4] = {{-1.1f, 0.9f, 4.6f, 0.55f}, {0.5f, 1.0f, 3.6f, 0.4f}, {1.9f, 0.8f, 6.5f, 0.9f}};
  const float xn = (static_cast<float>(x) + 0.5f - 0.5f * kWidth - kMargin) / kFocalPx;
  const float yn = (static_cast<float>(y) + 0.5f - 0.5f * kHeight - kMargin) / kFocalPx;
  const float water_z = yn > 0.0f ? kWaterY / yn : kFar;
  float z = std::fmin(water_z, kFar);

  const float wall_x = xn * kFar, wall_y = yn * kFar;
  const float hill = 0.5f + 0.5f * std::sin(0.8f * wall_x) * std::sin(0.31f * wall_x + 1.0f);
  const float grain = 0.05f * std::sin(19.0f * wall_x) * std::sin(23.0f * wall_y);
  Point p{0, 0, 0, 0, 0.9f + 1.2f * yn, 0.88f + 0.6f * yn, 0.92f, 0, 0};  // sky
  if (wall_y > -0.6f - 1.6f * hill) p.r = 0.22f + grain, p.g = 0.34f + 0.1f * hill + grain, p.b = 0.26f + grain;
  if (water_z < kFar) {
    const float wave = std::sin(7.0f * xn * z + 2.0f * std::sin(2.5f * z)) * std::sin(5.0f * z + std::sin(3.0f * xn * z));
    p.r = 0.25f + 0.12f * wave, p.g = 0.42f + 0.14f * wave, p.b = 0.52f + 0.16f * wave;
    p.step_x = kFocalPx * (kDrift[0] - xn * kDrift[1]) / z, p.step_y = -kFocalPx * yn * kDrift[1] / z;
  }
  for (const auto& [rock_x, rock_y, rock_z, rock_r] : kRocks) {
    const float a = xn * xn + yn * yn + 1.0f, b = xn * rock_x + yn * rock_y + rock_z;
    const float root = b * b - a * (rock_x * rock_x + rock_y * rock_y + rock_z * rock_z - rock_r * rock_r);
    const float hit_z = root > 0.0f ? (b - std::sqrt(root)) / a : kFar;
    if (!with_rocks || hit_z >= z) continue;
    z = hit_z;
    const float light =
        0.35f + 0.3f * (rock_y - yn * z) / rock_r + 0.04f * std::sin(30.0f * xn * z) * std::sin(34.0f * yn * z);
    p.r = 1.05f * light, p.g = light, p.b = 0.93f * light, p.step_x = p.step_y = 0.0f;
  }
  p.x = xn * z, p.y = yn * z, p.z = z, p.radius = kRadiusPx * z / kFocalPx;
  return p;
}
