// The example's files: point clouds in, pictures out.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

// A cloud's file is one Point after the other: nine little-endian float32 each, no header.
struct Point {
  float x, y, z, radius;  // scene units, camera space
  float r, g, b;          // 0..1
  float step_x, step_y;   // px per frame, 0 0 at rest
};

inline void require(bool ok, const char* message) {
  if (ok) return;
  std::fprintf(stderr, "embed: %s\n", message);
  std::exit(1);
}

inline void write_cloud(const char* path, const std::vector<Point>& cloud) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(cloud.data()), static_cast<std::streamsize>(cloud.size() * sizeof(Point)));
  require(file.flush().good(), "the cloud cannot be written");
}

inline std::vector<Point> read_cloud(const char* path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  require(file.good() && file.tellg() % sizeof(Point) == 0, "the cloud must be rows of nine float32");
  std::vector<Point> cloud(static_cast<size_t>(file.tellg()) / sizeof(Point));
  file.seekg(0).read(reinterpret_cast<char*>(cloud.data()), static_cast<std::streamsize>(cloud.size() * sizeof(Point)));
  require(file.good(), "the cloud cannot be read");
  return cloud;
}

inline void write_ppm(const char* path, int32_t width, int32_t height, const std::vector<float>& rgb) {
  std::ofstream file(path, std::ios::binary);
  file << "P6\n" << width << ' ' << height << "\n255\n";
  for (const float value : rgb) file.put(static_cast<char>(std::lround(255.0f * std::clamp(value, 0.0f, 1.0f))));
  require(file.flush().good(), "the frame cannot be written");
}
