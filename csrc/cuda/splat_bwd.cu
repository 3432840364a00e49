// splat_points backward on CUDA: per pixel: each hit's value -> composite again, backward -> sort all hits by point -> per
// point: add up its hits.
//
// The number of places for hits is known beforehand, so nothing waits for the host. The sort is stable: a point's hits stay in
// the order of their pixels and are added in that order, without float atomics; the same inputs give the same bits.
#include "../checks.h"
#include "c3d/formulas.h"
#include "primitives.cuh"

namespace c3d::cuda {
namespace {

struct BwdArgs {
  SplatPointsBwdArgs splat;  // idx and the gradients of outputs: of this camera
  Camera camera;
  int64_t num_pixels;
  int64_t num_places;  // num_pixels * K
  Disc* discs;  // [N]
  float* weight;  // [pixels, K] each hit's share in its pixel
  float* grad_q;  // [pixels, K] first each hit's value
  float* hit_opacity;  // [pixels, K] dL/d opacity of each hit, or nullptr: not wanted
  DiscGrad* disc_grad;  // [N] of points that have hits, or nullptr: no camera's gradient is wanted
  double* camera_sums;  // [blocks, kCameraValues] of splat_bwd_camera_kernel
  float* grad_camera;  // [kCameraValues]
  SortPairs by_point;  // key: point, or N where there is no hit; value: place
  uint32_t* start;  // [N] each point's first hit among the sorted ...
  uint32_t* end;  // [N] ... and the place after its last; 0 and 0: no hit
};

// Thread = one point.
__global__ void __launch_bounds__(256) splat_bwd_project_kernel(BwdArgs args) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= args.splat.num_points) return;
  const float* p = args.splat.xyz + 3 * i;
  const float radius = args.splat.radius ? args.splat.radius[i] : args.splat.radius_all;
  args.discs[i] = project_disc(args.camera, p[0], p[1], p[2], radius, args.splat.radius_unit);
}

// An index that names no point ends the list.
__device__ inline int32_t count_hits(const BwdArgs& args, int64_t pixel) {
  const int32_t* idx = args.splat.idx + pixel * args.splat.max_points;
  int32_t n = 0;
  while (n < args.splat.max_points && idx[n] >= 0 && idx[n] < args.splat.num_points) ++n;
  return n;
}

constexpr int kHitsAtOnce = 4;  // whose loads are under way together

// kLanes lanes = one pixel: together they read the rows of its gradient and of its hits' features, consecutive bytes, kLoads
// each at a time, and add up their products. All lanes of a warp take part in the sums until its last pixel is done.
template <int kLanes, int kLoads>
__global__ void __launch_bounds__(256) splat_bwd_value_kernel(BwdArgs args) {
  const SplatPointsBwdArgs& splat = args.splat;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t pixel = thread / kLanes;
  const int member = static_cast<int>(thread % kLanes);
  const int32_t* idx = splat.idx + pixel * splat.max_points;
  const float* grad = splat.grad_feat_out ? splat.grad_feat_out + pixel * splat.num_channels : nullptr;
  bool goes_on = pixel < args.num_pixels;
  for (int32_t first = 0; __any_sync(kAllLanes, goes_on && first < splat.max_points); first += kHitsAtOnce) {
    int32_t point[kHitsAtOnce];
#pragma unroll
    for (int j = 0; j < kHitsAtOnce; ++j) point[j] = goes_on && first + j < splat.max_points ? idx[first + j] : -1;
#pragma unroll
    for (int j = 0; j < kHitsAtOnce; ++j) {
      goes_on = goes_on && point[j] >= 0 && point[j] < splat.num_points;
      if (!goes_on) point[j] = -1;
    }
    float value[kHitsAtOnce] = {};
    for (int32_t begin = member; grad && begin < splat.num_channels; begin += kLanes * kLoads) {
#pragma unroll
      for (int u = 0; u < kLoads; ++u) {
        const int32_t c = begin + u * kLanes;
        if (point[0] < 0 || c >= splat.num_channels) continue;
        const float g = __ldg(grad + c);
#pragma unroll
        for (int j = 0; j < kHitsAtOnce; ++j)
          if (point[j] >= 0)
            value[j] = fmaf(g, __ldg(splat.feat + static_cast<int64_t>(point[j]) * splat.num_channels + c), value[j]);
      }
    }
#pragma unroll
    for (int lanes = kLanes / 2; lanes > 0; lanes /= 2)
#pragma unroll
      for (int j = 0; j < kHitsAtOnce; ++j) value[j] += __shfl_xor_sync(kAllLanes, value[j], lanes);
#pragma unroll
    for (int j = 0; j < kHitsAtOnce; ++j) {
      if (member != 0 || point[j] < 0) continue;
      if (splat.grad_alpha_out) value[j] += splat.grad_alpha_out[pixel];
      if (splat.grad_disp_out) value[j] += splat.grad_disp_out[pixel] / args.discs[point[j]].z;
      args.grad_q[pixel * splat.max_points + first + j] = value[j];
    }
  }
}

// Thread = one pixel: its hits are weighed near to far and back again, in local memory; every place gets its key.
__global__ void __launch_bounds__(128) splat_bwd_hits_kernel(BwdArgs args) {
  const SplatPointsBwdArgs& splat = args.splat;
  const int64_t pixel = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (pixel >= args.num_pixels) return;
  const int64_t first = pixel * splat.max_points;
  const int32_t num_hits = count_hits(args, pixel);
  const int32_t x = static_cast<int32_t>(pixel % args.camera.width), y = static_cast<int32_t>(pixel / args.camera.width);
  float z[kMaxHits], q[kMaxHits], opacity[kMaxHits], value[kMaxHits], weight[kMaxHits], grad_q[kMaxHits];
  for (int32_t k = 0; k < num_hits; ++k) {
    const Disc disc = args.discs[splat.idx[first + k]];
    z[k] = disc.z;
    q[k] = hit_q(disc, x, y);
    opacity[k] = splat.opacity ? splat.opacity[splat.idx[first + k]] : 1.0f;
    value[k] = args.grad_q[first + k];
  }
  float* grad_opacity = args.hit_opacity ? args.hit_opacity + first : nullptr;
  if (splat.compositor == Compositor::kAlpha) {
    alpha_composite_grad(num_hits, q, opacity, value, weight, grad_q, grad_opacity);
  } else {
    surface_composite_grad(num_hits, z, splat.depth_tolerance, q, opacity, value, weight, grad_q, grad_opacity);
  }
  for (int32_t k = 0; k < splat.max_points; ++k) {
    const bool hit = k < num_hits;
    args.by_point.keys[first + k] = static_cast<uint32_t>(hit ? splat.idx[first + k] : splat.num_points);
    args.by_point.values[first + k] = static_cast<uint32_t>(first + k);
    if (!hit) continue;
    args.weight[first + k] = weight[k];
    args.grad_q[first + k] = grad_q[k];
  }
}

// Thread = one sorted hit: where its point differs from its neighbour's, the point's stretch begins or ends.
__global__ void __launch_bounds__(256) splat_bwd_bounds_kernel(BwdArgs args) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= args.num_places) return;
  const uint32_t* points = args.by_point.sorted_keys;
  const uint32_t point = points[i];
  if (point == args.splat.num_points) return;
  if (i == 0 || points[i - 1] != point) args.start[point] = static_cast<uint32_t>(i);
  if (i + 1 == args.num_places || points[i + 1] != point) args.end[point] = static_cast<uint32_t>(i + 1);
}

// kLanes lanes = one point: each adds up kLoads channels at a time over the point's hits; a row of gradients is read by
// consecutive lanes. Points side by side have hits side by side, so rows come from L1 and L2 for most of them.
template <int kLanes, int kLoads>
__global__ void __launch_bounds__(256) splat_bwd_feat_kernel(BwdArgs args) {
  const SplatPointsBwdArgs& splat = args.splat;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t point = thread / kLanes;
  if (point >= splat.num_points) return;
  const uint32_t start = args.start[point], end = args.end[point];
  if (start == end) return;
  for (int32_t begin = static_cast<int32_t>(thread % kLanes); begin < splat.num_channels; begin += kLanes * kLoads) {
    float* out = splat.grad_feat + point * splat.num_channels + begin;
    float sum[kLoads] = {};
#pragma unroll
    for (int u = 0; u < kLoads; ++u)
      if (begin + u * kLanes < splat.num_channels) sum[u] = out[u * kLanes];
    for (uint32_t first = start; first < end; first += kHitsAtOnce) {
      float weight[kHitsAtOnce], grad[kHitsAtOnce][kLoads];
#pragma unroll
      for (int j = 0; j < kHitsAtOnce; ++j) {
        if (first + j >= end) continue;
        const uint32_t place = args.by_point.sorted_values[first + j];
        const uint32_t pixel = place / static_cast<uint32_t>(splat.max_points);
        const float* row = splat.grad_feat_out + static_cast<int64_t>(pixel) * splat.num_channels + begin;
        weight[j] = args.weight[place];
#pragma unroll
        for (int u = 0; u < kLoads; ++u)
          if (begin + u * kLanes < splat.num_channels) grad[j][u] = __ldg(row + u * kLanes);
      }
#pragma unroll
      for (int j = 0; j < kHitsAtOnce; ++j)
#pragma unroll
        for (int u = 0; u < kLoads; ++u)
          if (first + j < end && begin + u * kLanes < splat.num_channels) sum[u] = fmaf(weight[j], grad[j][u], sum[u]);
    }
#pragma unroll
    for (int u = 0; u < kLoads; ++u)
      if (begin + u * kLanes < splat.num_channels) out[u * kLanes] = sum[u];
  }
}

// Thread = one point: adds up what its hits tell its disc and takes that back through the projection.
__global__ void __launch_bounds__(256) splat_bwd_geometry_kernel(BwdArgs args) {
  const SplatPointsBwdArgs& splat = args.splat;
  const int64_t point = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (point >= splat.num_points) return;
  const uint32_t start = args.start[point], end = args.end[point];
  if (start == end) return;
  const uint32_t width = static_cast<uint32_t>(args.camera.width);
  const Disc disc = args.discs[point];
  DiscGrad sum = {};
  float grad_opacity = 0.0f;
  for (uint32_t h = start; h < end; ++h) {
    const uint32_t place = args.by_point.sorted_values[h], pixel = place / static_cast<uint32_t>(splat.max_points);
    const float grad_disp = splat.grad_disp_out ? splat.grad_disp_out[pixel] : 0.0f;
    add_hit_grad(disc, static_cast<int32_t>(pixel % width), static_cast<int32_t>(pixel / width), args.grad_q[place],
                 args.weight[place], grad_disp, sum);
    if (args.hit_opacity) grad_opacity += args.hit_opacity[place];
  }
  if (splat.grad_opacity) splat.grad_opacity[point] += grad_opacity;
  if (args.disc_grad) args.disc_grad[point] = sum;
  const PointGrad grad = project_disc_grad(args.camera, disc, sum, splat.radius_unit);
  if (splat.grad_xyz) {
    splat.grad_xyz[3 * point] += grad.xyz.x;
    splat.grad_xyz[3 * point + 1] += grad.xyz.y;
    splat.grad_xyz[3 * point + 2] += grad.xyz.z;
  }
  if (splat.grad_radius) splat.grad_radius[point] += grad.radius;
}

constexpr int kCameraThreads = 64;
constexpr int64_t kMostCameraBlocks = 256;

C3D_HD inline int64_t camera_blocks(int64_t num_points) {
  const int64_t wanted = (num_points + kCameraThreads - 1) / kCameraThreads;
  return wanted < kMostCameraBlocks ? wanted : kMostCameraBlocks;
}

// Thread = every (blocks x threads)-th point: what they tell the camera, then halves of the block add up. The number of blocks
// depends on the number of points alone, and so does the order of every sum.
__global__ void __launch_bounds__(kCameraThreads) splat_bwd_camera_kernel(BwdArgs args) {
  const SplatPointsBwdArgs& splat = args.splat;
  double sum[kCameraValues] = {};
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < splat.num_points; i += stride) {
    if (args.start[i] == args.end[i]) continue;
    const float* p = splat.xyz + 3 * i;
    add_camera_grad(args.camera, p[0], p[1], p[2], args.discs[i], args.disc_grad[i], splat.radius_unit, sum);
  }
  double* shared = dynamic_shared<double>();  // [kCameraValues, threads]
  for (int v = 0; v < kCameraValues; ++v) shared[v * kCameraThreads + threadIdx.x] = sum[v];
  __syncthreads();
  for (unsigned half = kCameraThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half)
      for (int v = 0; v < kCameraValues; ++v)
        shared[v * kCameraThreads + threadIdx.x] += shared[v * kCameraThreads + threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x < kCameraValues)
    args.camera_sums[blockIdx.x * kCameraValues + threadIdx.x] = shared[threadIdx.x * kCameraThreads];
}

// Thread = one value of the camera: adds up the blocks.
__global__ void __launch_bounds__(kWarpSize) splat_bwd_camera_sum_kernel(BwdArgs args) {
  if (threadIdx.x >= kCameraValues) return;
  const int64_t num_blocks = camera_blocks(args.splat.num_points);
  double sum = 0.0;
  for (int64_t block = 0; block < num_blocks; ++block) sum += args.camera_sums[block * kCameraValues + threadIdx.x];
  args.grad_camera[threadIdx.x] = static_cast<float>(sum);
}

Status allocate_bwd(const Scratch& scratch, BwdArgs* args) {
  const int64_t n = args->splat.num_points, places = args->num_places;
  args->discs = allocate<Disc>(scratch, n);
  args->weight = allocate<float>(scratch, places);
  args->grad_q = allocate<float>(scratch, places);
  args->start = allocate<uint32_t>(scratch, 2 * n);
  uint32_t* pairs = allocate<uint32_t>(scratch, 4 * places);
  const bool wants_opacity = args->splat.grad_opacity, wants_cameras = args->splat.grad_cameras;
  args->hit_opacity = wants_opacity ? allocate<float>(scratch, places) : nullptr;
  args->disc_grad = wants_cameras ? allocate<DiscGrad>(scratch, n) : nullptr;
  args->camera_sums = wants_cameras ? allocate<double>(scratch, camera_blocks(n) * kCameraValues) : nullptr;
  if ((wants_opacity && !args->hit_opacity) || (wants_cameras && (!args->disc_grad || !args->camera_sums)) || !args->discs ||
      !args->weight || !args->grad_q || !args->start || !pairs)
    return {StatusCode::kOutOfMemory, "splat_points_bwd: out of memory for working buffers"};
  args->end = args->start + n;
  int num_bits = 1;
  while (num_bits < 32 && n >> num_bits) ++num_bits;
  args->by_point = {pairs, pairs + places, pairs + 2 * places, pairs + 3 * places, places, num_bits};
  return {};
}

// The kernels that go through rows of features, in the shape for their length.
struct RowKernels {
  int lanes;  // a pixel or point
  void (*value)(BwdArgs);
  void (*feat)(BwdArgs);
};

template <int kLanes, int kLoads>
RowKernels row_kernels() {
  return {kLanes, splat_bwd_value_kernel<kLanes, kLoads>, splat_bwd_feat_kernel<kLanes, kLoads>};
}

RowKernels row_kernels_for(int32_t num_channels) {
  if (num_channels == 1) return row_kernels<1, 1>();
  if (num_channels <= 4) return row_kernels<4, 1>();
  if (num_channels <= 16) return row_kernels<16, 1>();
  if (num_channels <= 32) return row_kernels<16, 2>();
  if (num_channels <= 48) return row_kernels<16, 3>();
  return row_kernels<16, 4>();
}

Status add_gradients_of(const BwdArgs& args, const Context& context) {
  const SplatPointsBwdArgs& splat = args.splat;
  const int64_t n = splat.num_points;
  const RowKernels rows = row_kernels_for(splat.num_channels);
  Status status = status_of(cudaMemsetAsync(args.start, 0, 2 * n * sizeof(uint32_t), stream_of(context)), "splat_points_bwd");
  if (status.ok()) status = C3D_LAUNCH(splat_bwd_project_kernel, thread_per_item(n, 256), context, args);
  if (status.ok())
    status = launch("splat_bwd_value_kernel", rows.value, thread_per_item(args.num_pixels * rows.lanes, 256), context, args);
  if (status.ok()) status = C3D_LAUNCH(splat_bwd_hits_kernel, thread_per_item(args.num_pixels, 128), context, args);
  if (status.ok()) status = sort_pairs(args.by_point, context);
  if (status.ok()) status = C3D_LAUNCH(splat_bwd_bounds_kernel, thread_per_item(args.num_places, 256), context, args);
  if (status.ok() && splat.grad_feat && splat.grad_feat_out)
    status = launch("splat_bwd_feat_kernel", rows.feat, thread_per_item(n * rows.lanes, 256), context, args);
  if (status.ok() && (splat.grad_xyz || splat.grad_radius || splat.grad_opacity || args.disc_grad))
    status = C3D_LAUNCH(splat_bwd_geometry_kernel, thread_per_item(n, 256), context, args);
  if (!status.ok() || !args.disc_grad) return status;
  const LaunchShape shape{camera_blocks(n), kCameraThreads, sizeof(double) * kCameraValues * kCameraThreads};
  status = C3D_LAUNCH(splat_bwd_camera_kernel, shape, context, args);
  if (status.ok()) status = C3D_LAUNCH(splat_bwd_camera_sum_kernel, (LaunchShape{1, kWarpSize}), context, args);
  return status;
}

}  // namespace

Status splat_points_bwd(const SplatPointsBwdArgs& args, const Context& context) {
  Status status = check_on_device(args, context);
  const int64_t n = args.num_points;
  if (!status.ok()) return status;
  const auto clear = [&](float* grad, int64_t count) {
    if (grad && status.ok())
      status = status_of(cudaMemsetAsync(grad, 0, count * sizeof(float), stream_of(context)), "splat_points_bwd");
  };
  clear(args.grad_cameras, int64_t{args.num_cameras} * kCameraValues);
  if (n == 0) return status;
  clear(args.grad_xyz, 3 * n);
  clear(args.grad_feat, n * args.num_channels);
  clear(args.grad_radius, n);
  clear(args.grad_opacity, n);
  if (!status.ok() || args.num_cameras == 0) return status;

  BwdArgs bwd{};
  bwd.splat = args;
  bwd.num_pixels = static_cast<int64_t>(args.cameras[0].width) * args.cameras[0].height;
  bwd.num_places = bwd.num_pixels * args.max_points;
  if (bwd.num_places > UINT32_MAX)
    return {StatusCode::kInvalidArgument, "splat_points_bwd: width x height x max_points must be < 2^32"};
  status = allocate_bwd(context.scratch, &bwd);
  for (int32_t view = 0; view < args.num_cameras && status.ok(); ++view) {
    const int64_t pixel = view * bwd.num_pixels;
    bwd.camera = args.cameras[view];
    bwd.splat.idx = args.idx + pixel * args.max_points;
    bwd.splat.grad_feat_out = args.grad_feat_out ? args.grad_feat_out + pixel * args.num_channels : nullptr;
    bwd.splat.grad_alpha_out = args.grad_alpha_out ? args.grad_alpha_out + pixel : nullptr;
    bwd.splat.grad_disp_out = args.grad_disp_out ? args.grad_disp_out + pixel : nullptr;
    bwd.grad_camera = args.grad_cameras ? args.grad_cameras + view * kCameraValues : nullptr;
    status = add_gradients_of(bwd, context);
  }
  return status;
}

}  // namespace c3d::cuda
