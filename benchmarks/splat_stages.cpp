// Splats the points of a file again and again on one thread, for a profiler to watch; prints its median ms and the GHz.
// Built and run by splat_stages.py and compilers.py.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <vector>

#include "c3d/api.h"

namespace {

// The caller's memory comes from a pool that is warm after the first run, as torch's results do not: what is left of the
// system's part is what the op itself asks for.
struct Pool {
  std::vector<std::pair<void*, size_t>> blocks;
  size_t next = 0;
};

void* take(void* user, size_t num_bytes) {
  Pool& pool = *static_cast<Pool*>(user);
  if (pool.next == pool.blocks.size()) pool.blocks.emplace_back(nullptr, 0);
  auto& [block, size] = pool.blocks[pool.next++];
  if (size < num_bytes) {
    std::free(block);
    size = (num_bytes + 63) / 64 * 64;
    block = std::aligned_alloc(64, size);
  }
  return block;
}

std::vector<float> read(std::ifstream& file, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  return values;
}

// Of the processor: what else runs on the machine does not count.
double seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// GHz: additions that wait for each other take a cycle each.
double measure_clock() {
  double best = 1e9;
  for (int turn = 0; turn < 50; ++turn) {
    const double started = seconds();
    uint64_t sum = 1, step = 3;
    for (int i = 0; i < 250000; ++i) {
      for (int k = 0; k < 16; ++k) {
        sum += step;
        asm volatile("" : "+r"(sum), "+r"(step));
      }
    }
    best = std::min(best, seconds() - started);
  }
  return 16 * 250e3 / best * 1e-9;
}

}  // namespace

// FILE: xyz [N, 3], radius [N], feat [N, C], float32.
int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: splat_stages FILE N C WIDTH HEIGHT COMPOSITOR RUNS\n");
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  const int64_t num_points = std::atoll(argv[2]);
  const int num_channels = std::atoi(argv[3]), width = std::atoi(argv[4]), height = std::atoi(argv[5]),
            runs = std::atoi(argv[7]);
  const std::vector<float> xyz = read(file, 3 * num_points), radius = read(file, num_points);
  const std::vector<float> feat = read(file, num_points * num_channels);
  if (!file) {
    std::fprintf(stderr, "splat_stages: FILE is shorter than N and C say\n");
    return 2;
  }
  const float focal = static_cast<float>(std::max(width, height));
  const c3d::Camera camera{focal, focal, width / 2.0f, height / 2.0f, width, height, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
  const size_t num_pixels = static_cast<size_t>(width) * height;
  std::vector<float> feat_out(num_pixels * num_channels), alpha_out(num_pixels), disp_out(num_pixels);

  c3d::SplatPointsArgs args{};
  args.xyz = xyz.data();
  args.feat = feat.data();
  args.radius = radius.data();
  args.num_points = num_points;
  args.num_channels = num_channels;
  args.feat_type = c3d::FeatType::kFloat32;
  args.cameras = &camera;
  args.num_cameras = 1;
  args.compositor = static_cast<c3d::Compositor>(std::atoi(argv[6]));
  args.max_points = 8;
  args.depth_tolerance = 0.02f;
  args.feat_out = feat_out.data();
  args.alpha_out = alpha_out.data();
  args.disp_out = disp_out.data();

  Pool pool;
  const c3d::Executor executor = c3d::make_thread_executor(1);
  std::vector<double> taken;
  for (int run = 0; run <= runs; ++run) {
    pool.next = 0;
    const double started = seconds();
    const c3d::Status status = c3d::cpu::splat_points(args, {{take, &pool}, executor, nullptr});
    if (!status.ok()) {
      std::fprintf(stderr, "splat_stages: %s\n", status.message);
      return 1;
    }
    if (run > 0) taken.push_back(seconds() - started);
  }
  std::sort(taken.begin(), taken.end());
  std::printf("%.6f %.4f\n", 1e3 * taken[taken.size() / 2], measure_clock());
}
