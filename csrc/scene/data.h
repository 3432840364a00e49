// What a scene's file holds, read and checked. Names, shapes and units are those of docs/scene-format.md.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "c3d/scene.h"

namespace c3d {
namespace scene {

using Floats = std::vector<float>;
using Indices = std::vector<int32_t>;

// Those at rest, the bent ones, the fluid on its way forward and on its way backward; a frame writes all but the first anew.
struct Points {
  Floats xyz, feat, radius, opacity;  // [N, 3], [N, 4], [N], [N]
  int64_t num_still = 0, num_bent = 0, num_fluid = 0;

  int64_t first_forward() const { return num_still + num_bent; }
  int64_t first_backward() const { return first_forward() + num_fluid; }
  int64_t size() const { return first_backward() + num_fluid; }
};

struct Bent {
  int64_t num_harmonics = 0;
  Floats start_px, z_cam, sine_px, cosine_px;
};

struct Way {  // forward or backward
  std::vector<int16_t> units;
  Floats unit_px;
};

struct Fluid {
  Floats start_px, feat, surface, phase;
  Indices right, below;
  int32_t stride = 1;
  Way forward, backward;
};

struct Fringe {
  Indices index;
  Floats resting, clean;
  Floats steady;  // what does not turn of the resting colours; without waves all of them
};

struct Gain {
  Floats fine, broad, gain;  // gain is empty where none is given
  int32_t rows = 0, height = 0, width = 0;
  float spacing_px = 0;
};

constexpr int32_t kNumCopies = 7;  // of each wave, from three loops back to three ahead

struct Waves {
  Floats even, least, most, spread, colour, tint;  // empty where none are given
};

struct Frames {  // a row each
  int32_t count = 0;
  Floats share, fade, harmonics, wave_weights, gain_share;
  Indices gain_row;
};

struct Path {
  std::string name;
  Floats pose, zoom;
};

struct Rules {
  float radius_px = 0, max_stretch_px = 0, least_existence = 0, depth_tolerance = 0, sharpness = 0;
};

struct Memory {  // of a frame, kept for the next
  Floats offset_px, gain;
  std::vector<uint8_t> uncovered;
};

}  // namespace scene

struct Scene::Data {
  double lens[4] = {};  // fx, fy, cx, cy
  int32_t width = 0, height = 0, margin_px = 0;
  float focus[3] = {}, fps = 0;
  scene::Rules rules;
  scene::Points points;
  scene::Bent bent;
  scene::Fluid fluid;
  scene::Fringe fringe;
  scene::Gain gain;
  scene::Waves waves;
  scene::Frames frames;
  std::vector<scene::Path> paths;
  scene::Memory memory;

  Camera canvas() const {
    Camera camera;
    camera.fx = static_cast<float>(lens[0]), camera.fy = static_cast<float>(lens[1]);
    camera.cx = static_cast<float>(lens[2] + margin_px), camera.cy = static_cast<float>(lens[3] + margin_px);
    camera.width = width + 2 * margin_px, camera.height = height + 2 * margin_px;
    return camera;
  }
};

namespace scene {

void read(const uint8_t* bytes, size_t num_bytes, Scene::Data& data);  // throws Damaged, std::bad_alloc

// A checked view of frame 0 .. num_frames - 1. Throws std::bad_alloc.
Status render(Scene::Data& data, const Camera& view, int32_t frame, const Context& context, uint8_t* rgb, uint8_t* uncovered);

}  // namespace scene
}  // namespace c3d
