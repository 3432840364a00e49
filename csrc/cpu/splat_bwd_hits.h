// The hits of a run of pixels, composited again and taken backward; compiled for each instruction set by each_target.h.

#include "vectors.h"

typedef float f32x4 __attribute__((vector_size(16)));
typedef float f32x16 __attribute__((vector_size(64)));

template <typename V>
C3D_INLINE float sum_lanes(const V& v) {
  float sum = 0.0f;
  for (size_t lane = 0; lane < sizeof(V) / sizeof(float); ++lane) sum += v[lane];
  return sum;
}

C3D_INLINE float dot(const float* a, const float* b, int32_t n) {
  int32_t c = 0;
  f32x16 sum16 = {};
  for (; c + 16 <= n; c += 16) sum16 += load_vector<f32x16>(a + c) * load_vector<f32x16>(b + c);
  float sum = c > 0 ? sum_lanes(sum16) : 0.0f;
  for (; c + 4 <= n; c += 4) sum += sum_lanes(load_vector<f32x4>(a + c) * load_vector<f32x4>(b + c));
  for (; c < n; ++c) sum += a[c] * b[c];
  return sum;
}

__attribute__((flatten)) static void file_hits(const FileArgs& run) {
  const View& view = *run.view;
  const SplatPointsBwdArgs& args = *view.args;
  const int32_t width = view.camera->width, num_channels = args.num_channels;
  float z[kMaxHits], q[kMaxHits], opacity[kMaxHits], value[kMaxHits], weight[kMaxHits], grad_q[kMaxHits];
  float grad_opacity[kMaxHits];
  float* const wants_opacity = run.grad_opacity ? grad_opacity : nullptr;
  for (int64_t pixel = run.begin; pixel < run.end; ++pixel) {
    const int32_t* idx = view.idx + pixel * args.max_points;
    const int32_t num_hits = count_hits(idx, args.max_points);
    const int32_t x = static_cast<int32_t>(pixel % width), y = static_cast<int32_t>(pixel / width);
    for (int32_t k = 0; k < num_hits; ++k) {
      const Disc& disc = view.discs[idx[k]];
      z[k] = disc.z;
      q[k] = hit_q(disc, x, y);
      opacity[k] = args.opacity ? args.opacity[idx[k]] : 1.0f;
      value[k] = view.grad_alpha ? view.grad_alpha[pixel] : 0.0f;
      if (view.grad_disp) value[k] += view.grad_disp[pixel] / disc.z;
      if (view.grad_feat)
        value[k] += dot(view.grad_feat + pixel * num_channels, args.feat + int64_t{idx[k]} * num_channels, num_channels);
    }
    if (args.compositor == Compositor::kAlpha)
      alpha_composite_grad(num_hits, q, opacity, value, weight, grad_q, wants_opacity);
    else
      surface_composite_grad(num_hits, z, args.depth_tolerance, q, opacity, value, weight, grad_q, wants_opacity);
    for (int32_t k = 0; k < num_hits; ++k) {
      const int64_t place = run.cursor[idx[k]]++;
      run.hits[place] = {static_cast<uint32_t>(pixel), weight[k], grad_q[k]};
      if (wants_opacity) run.grad_opacity[place] = grad_opacity[k];
    }
  }
}
