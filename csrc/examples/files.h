// The example's files: point clouds in, pictures out.
#pragma once

#include <cstdint>
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
  std::fprintf(stderr, "%s\n", message);
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

// Three bytes a pixel make a .ppm, one a .pgm.
inline void write_picture(const char* path, int32_t width, int32_t height, const std::vector<uint8_t>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << (bytes.size() == static_cast<size_t>(width * height) ? "P5\n" : "P6\n") << width << ' ' << height << "\n255\n";
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  require(file.flush().good(), "a picture cannot be written");
}
