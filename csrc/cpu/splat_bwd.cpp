// splat_points backward on the CPU: count each point's hits -> per pixel: composite again, backward, and file each hit's
// gradient under its point -> per point: add up its hits.
//
// A point's hits are filed in the order of their pixels and summed by one thread, so the result does not depend on how the
// work was shared out.
#include <algorithm>
#include <atomic>

#include "../checks.h"
#include "c3d/formulas.h"
#include "parallel.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

struct Hit {
  uint32_t pixel;
  float weight;  // final: the point's share in the pixel
  float grad_q;
};

struct View {
  const SplatPointsBwdArgs* args;
  const Camera* camera;
  const int32_t* idx;       // [H, W, K]
  const float* grad_feat;   // [H, W, C] or nullptr
  const float* grad_alpha;  // [H, W] or nullptr
  const float* grad_disp;   // [H, W] or nullptr
  Disc* discs;              // [N]
  float* grad_camera;       // [kCameraValues] or nullptr
};

// A run of consecutive pixels, read by one worker. Runs lie one after the other in each point's hits.
struct FileArgs {
  const View* view;
  int64_t begin, end;  // pixels
  int64_t* cursor;     // [N] this run's count, then its write position among each point's hits
  Hit* hits;           // point by point
  float* grad_opacity; // of each hit, or nullptr
};

C3D_INLINE int32_t count_hits(const int32_t* idx, int32_t max_points) {
  int32_t n = 0;
  while (n < max_points && idx[n] >= 0) ++n;
  return n;
}

}  // namespace
}  // namespace c3d::cpu

#define C3D_TARGET_FILE "splat_bwd_hits.h"
#include "each_target.h"

namespace c3d::cpu {
namespace {

struct ProjectArgs {
  const View* view;
  int64_t begin, end;  // points
};

C3D_INLINE void project_body(ProjectArgs run) {
  const SplatPointsBwdArgs& args = *run.view->args;
  for (int64_t i = run.begin; i < run.end; ++i) {
    const float* p = args.xyz + 3 * i;
    run.view->discs[i] =
        project_disc(*run.view->camera, p[0], p[1], p[2], args.radius ? args.radius[i] : args.radius_all, args.radius_unit);
  }
}

// False when the hit list names a point that does not exist.
bool count_run(const FileArgs& run) {
  const SplatPointsBwdArgs& args = *run.view->args;
  std::fill_n(run.cursor, args.num_points, int64_t{0});
  for (int64_t pixel = run.begin; pixel < run.end; ++pixel) {
    const int32_t* idx = run.view->idx + pixel * args.max_points;
    const int32_t num_hits = count_hits(idx, args.max_points);
    for (int32_t k = 0; k < num_hits; ++k) {
      if (idx[k] >= args.num_points) return false;
      ++run.cursor[idx[k]];
    }
  }
  return true;
}

struct SumArgs {
  const View* view;
  int64_t begin, end;    // points
  const int64_t* start;  // [N + 1] each point's first hit
  const Hit* hits;
  const float* grad_opacity;  // of each hit, or nullptr
  double* camera_sum;         // [kCameraValues] of these points, or nullptr
};

C3D_INLINE void sum_features(const SumArgs& run, int64_t point) {
  const int32_t num_channels = run.view->args->num_channels;
  float* __restrict sum = run.view->args->grad_feat + point * num_channels;
  for (int64_t h = run.start[point]; h < run.start[point + 1]; ++h) {
    const float* __restrict grad = run.view->grad_feat + run.hits[h].pixel * int64_t{num_channels};
    for (int32_t c = 0; c < num_channels; ++c) sum[c] += run.hits[h].weight * grad[c];
  }
}

C3D_INLINE PointGrad sum_geometry(const SumArgs& run, int64_t point) {
  const View& view = *run.view;
  const uint32_t width = static_cast<uint32_t>(view.camera->width);
  const Disc& disc = view.discs[point];
  DiscGrad sum = {};
  for (int64_t h = run.start[point]; h < run.start[point + 1]; ++h) {
    const Hit& hit = run.hits[h];
    const float grad_disp = view.grad_disp ? view.grad_disp[hit.pixel] : 0.0f;
    add_hit_grad(disc, static_cast<int32_t>(hit.pixel % width), static_cast<int32_t>(hit.pixel / width), hit.grad_q,
                 hit.weight, grad_disp, sum);
  }
  if (run.camera_sum) {
    const float* p = view.args->xyz + 3 * point;
    add_camera_grad(*view.camera, p[0], p[1], p[2], disc, sum, view.args->radius_unit, run.camera_sum);
  }
  return project_disc_grad(*view.camera, disc, sum, view.args->radius_unit);
}

C3D_INLINE void sum_body(SumArgs run) {
  const SplatPointsBwdArgs& args = *run.view->args;
  if (run.camera_sum) std::fill_n(run.camera_sum, kCameraValues, 0.0);
  for (int64_t point = run.begin; point < run.end; ++point) {
    if (run.start[point] == run.start[point + 1]) continue;
    if (args.grad_feat && run.view->grad_feat) sum_features(run, point);
    if (run.grad_opacity)
      for (int64_t h = run.start[point]; h < run.start[point + 1]; ++h) args.grad_opacity[point] += run.grad_opacity[h];
    if (!args.grad_xyz && !args.grad_radius && !run.camera_sum) continue;
    const PointGrad grad = sum_geometry(run, point);
    if (args.grad_xyz) {
      args.grad_xyz[3 * point] += grad.xyz.x;
      args.grad_xyz[3 * point + 1] += grad.xyz.y;
      args.grad_xyz[3 * point + 2] += grad.xyz.z;
    }
    if (args.grad_radius) args.grad_radius[point] += grad.radius;
  }
}

C3D_DISPATCH(project_points, project_body, ProjectArgs)
C3D_DISPATCH(sum_points, sum_body, SumArgs)

constexpr Status kNoMemory{StatusCode::kOutOfMemory, "splat_points_bwd: out of memory for working buffers"};
constexpr int64_t kPointsPerTask = 4096;

Status add_gradients_of(const View& view, const Context& context) {
  const SplatPointsBwdArgs& args = *view.args;
  const Executor& executor = context.executor;
  const int64_t n = args.num_points;
  const int64_t num_pixels = static_cast<int64_t>(view.camera->width) * view.camera->height;
  parallel_ranges(executor, n, kPointsPerTask, [&](int64_t begin, int64_t end) { project_points({&view, begin, end}); });

  // No more runs than keep the cursors as few as the places in the hit list.
  const int64_t most_runs = std::max<int64_t>(1, std::min((num_pixels + 1023) / 1024, num_pixels * args.max_points / n));
  const int64_t num_runs = std::min<int64_t>(executor.num_threads, most_runs);
  int64_t* cursors = allocate<int64_t>(context.scratch, num_runs * n);  // [runs, N]
  int64_t* start = allocate<int64_t>(context.scratch, n + 1);
  if (!cursors || !start) return kNoMemory;
  float* grad_opacity = nullptr;
  const auto run_args = [&](int64_t run, Hit* hits) {
    return FileArgs{&view,       num_pixels * run / num_runs, num_pixels * (run + 1) / num_runs, cursors + run * n, hits,
                    grad_opacity};
  };
  std::atomic<bool> valid{true};
  parallel_tasks(executor, num_runs, [&](int64_t run) {
    if (!count_run(run_args(run, nullptr))) valid = false;
  });
  if (!valid) return {StatusCode::kInvalidArgument, "splat_points_bwd: idx must be below num_points"};

  int64_t total = 0;
  for (int64_t point = 0; point < n; ++point) {
    start[point] = total;
    for (int64_t run = 0; run < num_runs; ++run) {
      int64_t& cursor = cursors[run * n + point];
      const int64_t here = cursor;
      cursor = total;
      total += here;
    }
  }
  start[n] = total;
  const int64_t num_tasks = (n + kPointsPerTask - 1) / kPointsPerTask;
  Hit* hits = allocate<Hit>(context.scratch, total);
  grad_opacity = args.grad_opacity ? allocate<float>(context.scratch, total) : nullptr;
  double* camera_sums = view.grad_camera ? allocate<double>(context.scratch, num_tasks * kCameraValues) : nullptr;
  if (!hits || (args.grad_opacity && !grad_opacity) || (view.grad_camera && !camera_sums)) return kNoMemory;
  static const auto file_hits = C3D_BEST(file_hits);
  parallel_tasks(executor, num_runs, [&](int64_t run) { file_hits(run_args(run, hits)); });
  parallel_items(executor, num_tasks, [&](int, int64_t task) {
    sum_points({&view, task * kPointsPerTask, std::min((task + 1) * kPointsPerTask, n), start, hits, grad_opacity,
                camera_sums ? camera_sums + task * kCameraValues : nullptr});
  });
  for (int i = 0; camera_sums && i < kCameraValues; ++i) {
    double sum = 0.0;
    for (int64_t task = 0; task < num_tasks; ++task) sum += camera_sums[task * kCameraValues + i];
    view.grad_camera[i] = static_cast<float>(sum);
  }
  return {};
}

}  // namespace

Status splat_points_bwd(const SplatPointsBwdArgs& args, const Context& context) {
  const int64_t n = args.num_points;
  if (const Status status = check_on_host(args, context); !status.ok()) return status;
  if (args.grad_cameras) std::fill_n(args.grad_cameras, int64_t{args.num_cameras} * kCameraValues, 0.0f);
  if (n == 0) return {};
  if (args.grad_xyz) std::fill_n(args.grad_xyz, 3 * n, 0.0f);
  if (args.grad_feat) std::fill_n(args.grad_feat, n * args.num_channels, 0.0f);
  if (args.grad_radius) std::fill_n(args.grad_radius, n, 0.0f);
  if (args.grad_opacity) std::fill_n(args.grad_opacity, n, 0.0f);

  Disc* discs = allocate<Disc>(context.scratch, n);
  if (!discs) return kNoMemory;
  for (int32_t v = 0; v < args.num_cameras; ++v) {
    const Camera& camera = args.cameras[v];
    const int64_t num_pixels = static_cast<int64_t>(camera.width) * camera.height;
    const int64_t first = v * num_pixels;
    const View view{&args,
                    &camera,
                    args.idx + first * args.max_points,
                    args.grad_feat_out ? args.grad_feat_out + first * args.num_channels : nullptr,
                    args.grad_alpha_out ? args.grad_alpha_out + first : nullptr,
                    args.grad_disp_out ? args.grad_disp_out + first : nullptr,
                    discs,
                    args.grad_cameras ? args.grad_cameras + v * kCameraValues : nullptr};
    const Status status = add_gradients_of(view, context);
    if (!status.ok()) return status;
  }
  return {};
}

}  // namespace c3d::cpu
