// Every formula of the ops, once, for host and device. Units and frames as in api.h.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "c3d/api.h"

#ifdef __CUDACC__
#define C3D_HD __host__ __device__
#else
#define C3D_HD
#endif

namespace c3d {

template <typename T>
C3D_HD inline T lesser(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
C3D_HD inline T greater(T a, T b) {
  return a < b ? b : a;
}

struct Vec3 {
  float x, y, z;
};

C3D_HD inline Vec3 world_to_camera(const float* m, float x, float y, float z) {  // m: [3, 4]
  return {m[0] * x + m[1] * y + m[2] * z + m[3], m[4] * x + m[5] * y + m[6] * z + m[7],
          m[8] * x + m[9] * y + m[10] * z + m[11]};
}

struct Disc {
  float u, v;       // px, centre
  float z;          // camera space
  float radius_px;  // 0: skip the point
};

// A point whose position, depth or radius is unusable becomes a disc of radius 0.
C3D_HD inline Disc project_disc(const Camera& camera, float x, float y, float z, float radius, RadiusUnit unit) {
  const Vec3 p = world_to_camera(camera.world_to_cam, x, y, z);
  const float inv_z = 1.0f / p.z;
  Disc disc{camera.fx * p.x * inv_z + camera.cx, camera.fy * p.y * inv_z + camera.cy, p.z,
            unit == RadiusUnit::kPixels ? radius : camera.fx * radius * inv_z};
  // One comparison per value also rejects NaN; an infinite u or v fails the subtraction test. No branches, as in pixel_box.
  const bool usable = (p.z > 0.0f) & (p.z <= 3.0e38f) & (disc.radius_px > 0.0f) & (disc.radius_px <= 3.0e38f) &
                      (disc.u - disc.u == 0.0f) & (disc.v - disc.v == 0.0f);
  disc.radius_px = usable ? disc.radius_px : 0.0f;
  return disc;
}

struct PixelBox {
  int32_t x0, x1, y0, y1;  // first and last, inclusive; x1 is -1 when empty
};

// The pixels of the rectangle x_first .. x_last, y_first .. y_last whose centres can lie inside the disc. Clamped as floats: a
// far centre must not overflow the conversion. No branches: a loop over it vectorises.
C3D_HD inline PixelBox pixel_box(const Disc& disc, float x_first, float x_last, float y_first, float y_last) {
  const float r = disc.radius_px;
  const float x0 = ceilf(disc.u - r - 0.5f), x1 = floorf(disc.u + r - 0.5f);
  const float y0 = ceilf(disc.v - r - 0.5f), y1 = floorf(disc.v + r - 0.5f);
  const bool empty = !(r > 0.0f) | !(x0 <= x_last) | !(x1 >= x_first) | !(y0 <= y_last) | !(y1 >= y_first);
  const int32_t last = static_cast<int32_t>(x1 < x_last ? (x1 > x_first ? x1 : x_first) : x_last);
  return {static_cast<int32_t>(x0 > x_first ? (x0 < x_last ? x0 : x_last) : x_first), empty ? -1 : last,
          static_cast<int32_t>(y0 > y_first ? (y0 < y_last ? y0 : y_last) : y_first),
          static_cast<int32_t>(y1 < y_last ? (y1 > y_first ? y1 : y_first) : y_last)};
}

// Whether the disc is nowhere near the rectangle of pixel centres [x0, x1] x [y0, y1]. Rounding errs on the near side.
C3D_HD inline bool misses_rectangle(float u, float v, float radius_px, float x0, float x1, float y0, float y1) {
  const float reach = radius_px * 1.00001f;
  return x0 - u > reach || u - x1 > reach || y0 - v > reach || v - y1 > reach;
}

C3D_HD inline bool less(float a, float b) { return a < b; }
C3D_HD inline float select(bool mask, float yes, float no) { return mask ? yes : no; }
C3D_HD inline float larger(float a, float b) { return a > b ? a : b; }

#define C3D_FORMULA C3D_HD inline
#include "c3d/composite_formulas.h"
#undef C3D_FORMULA

// What follows goes backward: grad_x is dL/dx, for a loss L that the caller knows.

// The share of each hit of one pixel in its picture, and dL/dq of each, and dL/d opacity (nullptr: not wanted). value[k] =
// dL/d weight[k]; all arrays are [num_hits], near to far. Walking back, `behind` is the value of what is seen through the hits
// so far: a hit matters by what it hides.
C3D_HD inline void alpha_composite_grad(int32_t num_hits, const float* q, const float* opacity, const float* value,
                                        float* weight, float* grad_q, float* grad_opacity) {
  float through = 1.0f;
  for (int32_t k = 0; k < num_hits; ++k) {
    grad_q[k] = opacity[k] * through;
    if (grad_opacity) grad_opacity[k] = alpha_weight(q[k]) * through;
    weight[k] = composite_alpha(true, q[k], opacity[k], through);
  }
  float behind = 0.0f;
  for (int32_t k = num_hits - 1; k >= 0; --k) {
    const float gain = value[k] - behind;
    grad_q[k] *= -gain;
    if (grad_opacity) grad_opacity[k] *= gain;
    behind += opacity[k] * alpha_weight(q[k]) * gain;
  }
}

C3D_HD inline float surface_weight_grad(float q) {  // d surface_weight / dq
  const float a = 1.0f - q, a2 = a * a;
  return -6.0f * a2 * a2 * a;
}

C3D_HD inline float surface_coverage_grad(float q) {  // d surface_coverage / dq
  return less(kTrace - kTrace * q, kCap - kCapSlope * q) ? -kCapSlope : -kTrace;
}

// As alpha_composite_grad, for surfaces. A surface that covers fully gains nothing from more coverage.
C3D_HD inline void surface_composite_grad(int32_t num_hits, const float* z, float depth_tolerance, const float* q,
                                          const float* opacity, const float* value, float* weight, float* grad_q,
                                          float* grad_opacity) {
  struct Surface {
    int32_t begin;  // its first hit
    float value;  // sum w opacity value
    SurfaceWalk<float> walk;  // up to its last hit
  };
  Surface surfaces[kMaxHits];
  int32_t num_surfaces = 0;
  for (int32_t k = 0; k < num_hits; ++k) {
    if (num_surfaces == 0 || surfaces[num_surfaces - 1].walk.ends_before(z[k])) {
      SurfaceWalk<float> walk;
      if (num_surfaces == 0) {
        walk.start();
      } else {
        walk = surfaces[num_surfaces - 1].walk;
        walk.close<true>(true, walk.share<true>());
      }
      walk.open(true, z[k], 1.0f + depth_tolerance);
      surfaces[num_surfaces++] = {k, 0.0f, walk};
    }
    Surface& surface = surfaces[num_surfaces - 1];
    surface.value += surface.walk.add<true>(true, q[k], opacity[k]) * value[k];
  }
  float behind = 0.0f;
  int32_t end = num_hits;
  for (int32_t s = num_surfaces - 1; s >= 0; --s) {
    const Surface& surface = surfaces[s];
    const SurfaceWalk<float>& walk = surface.walk;
    const float scale = walk.share<true>().scale;
    const float mean = walk.weight > 0.0f ? surface.value / walk.weight : 0.0f;
    const float gain = mean - walk.mean_opacity() * behind;
    const float grad_cover = walk.cover < 1.0f ? walk.through * gain : 0.0f;
    for (int32_t k = surface.begin; k < end; ++k) {
      weight[k] = surface_weight(q[k]) * opacity[k] * scale;
      if (grad_opacity) grad_opacity[k] = surface_weight(q[k]) * scale * (value[k] - behind);
      grad_q[k] = scale * (opacity[k] * (value[k] - behind) - gain) * surface_weight_grad(q[k]);
      grad_q[k] += grad_cover * surface_coverage_grad(q[k]);
    }
    behind += walk.covered() * gain;
    end = surface.begin;
  }
}

// q of disc at the centre of pixel (x, y).
C3D_HD inline float hit_q(const Disc& disc, int32_t x, int32_t y) {
  return disc_q(static_cast<float>(x) + 0.5f - disc.u, static_cast<float>(y) + 0.5f - disc.v, inverse_square(disc.radius_px));
}

struct DiscGrad {
  float u, v, z, radius_px;
};

// Adds what one hit tells its disc: by its q, and by the depth it contributes, weight / z, to a pixel's disparity.
C3D_HD inline void add_hit_grad(const Disc& disc, int32_t x, int32_t y, float grad_q, float weight, float grad_disp,
                                DiscGrad& sum) {
  const float dx = static_cast<float>(x) + 0.5f - disc.u, dy = static_cast<float>(y) + 0.5f - disc.v;
  const float per_px = -2.0f * grad_q / (disc.radius_px * disc.radius_px);
  sum.u += per_px * dx;
  sum.v += per_px * dy;
  sum.radius_px += per_px * (dx * dx + dy * dy) / disc.radius_px;
  sum.z -= weight * grad_disp / (disc.z * disc.z);
}

struct PointGrad {
  Vec3 xyz;  // world space
  float radius;
};

// Back through u = fx x/z + cx, v = fy y/z + cy and, of kScene, radius_px = fx radius/z; to camera space.
C3D_HD inline Vec3 perspective_grad(const Camera& camera, const Disc& disc, const DiscGrad& grad, RadiusUnit unit) {
  const float inv_z = 1.0f / disc.z;
  const float by_radius = unit == RadiusUnit::kPixels ? 0.0f : grad.radius_px * disc.radius_px;
  return {grad.u * camera.fx * inv_z, grad.v * camera.fy * inv_z,
          grad.z - inv_z * (grad.u * (disc.u - camera.cx) + grad.v * (disc.v - camera.cy) + by_radius)};
}

// And through the pose.
C3D_HD inline PointGrad project_disc_grad(const Camera& camera, const Disc& disc, const DiscGrad& grad, RadiusUnit unit) {
  const Vec3 cam = perspective_grad(camera, disc, grad, unit);
  const float* m = camera.world_to_cam;
  return {{m[0] * cam.x + m[4] * cam.y + m[8] * cam.z, m[1] * cam.x + m[5] * cam.y + m[9] * cam.z,
           m[2] * cam.x + m[6] * cam.y + m[10] * cam.z},
          unit == RadiusUnit::kPixels ? grad.radius_px : grad.radius_px * camera.fx * (1.0f / disc.z)};
}

// Of fx, fy, cx, cy, then world_to_cam [3, 4]: the order of SplatPointsBwdArgs::grad_cameras.
constexpr int kCameraValues = 16;

// Adds what one point's disc tells the camera that sees it at world position (x, y, z). In double: a camera hears a million
// points, most of which nearly cancel.
C3D_HD inline void add_camera_grad(const Camera& camera, float x, float y, float z, const Disc& disc, const DiscGrad& grad,
                                   RadiusUnit unit, double* sum) {
  const Vec3 p = world_to_camera(camera.world_to_cam, x, y, z), cam = perspective_grad(camera, disc, grad, unit);
  const float by_radius = unit == RadiusUnit::kPixels ? 0.0f : grad.radius_px * disc.radius_px / camera.fx;
  sum[0] += grad.u * p.x / p.z + by_radius;
  sum[1] += grad.v * p.y / p.z;
  sum[2] += grad.u;
  sum[3] += grad.v;
  const float along[3] = {cam.x, cam.y, cam.z}, from[4] = {x, y, z, 1.0f};
  for (int row = 0; row < 3; ++row)
    for (int column = 0; column < 4; ++column) sum[4 + 4 * row + column] += along[row] * from[column];
}

// e^x = scale (1 + part), scale a power of two, for x within kLeastExponent .. kMostExponent. Sums and products alone: loops
// over it vectorise, and it has the same bits everywhere.
struct Exponential {
  float scale, part;
};

constexpr float kLeastExponent = -87.0f, kMostExponent = 88.0f;

C3D_HD inline Exponential exponential(float x) {
  constexpr float kWhole = 12582912.0f;  // 1.5 * 2^23: the last bits of a sum with it are a whole number
  constexpr float kLog2 = 0.693359375f, kLog2Rest = -2.12194440e-4f;
  const float shifted = x * 1.44269504f + kWhole, power = shifted - kWhole;
  const float r = (x - power * kLog2) - power * kLog2Rest;  // within ln(2) / 2
  const float above = 1.0f / 2 + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720 + r * (1.0f / 5040)))));
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + (127u << 23);
  Exponential e{0.0f, r + r * r * above};
  std::memcpy(&e.scale, &bits, sizeof bits);
  return e;
}

// e^x; beyond kLeastExponent .. kMostExponent 0 or infinity, of NaN NaN.
C3D_HD inline float exp_of(float x) {
  const Exponential e = exponential(x);
  const float inside = e.scale * e.part + e.scale;
  return x > kMostExponent ? INFINITY : x < kLeastExponent ? 0.0f : inside;
}

// e^x - 1, for x up to kMostExponent.
C3D_HD inline float expm1_of(float x) {
  const Exponential e = exponential(x > kLeastExponent ? x : kLeastExponent);
  return e.scale * e.part + (e.scale - 1.0f);
}

struct BlendWeights {
  float fwd, bwd;
};

struct BlendTerms {
  float exp_fwd, exp_bwd;  // exp(k d) over exp(k d) of one side
  float fwd, bwd;  // the weights over the same
  float sum;  // what they are divided by: theirs, or 1e-6 over the same
};

// The larger exponent of the sides that count is taken out first: weights keep their ratio, a very near point cannot overflow
// to inf/inf, and a nearer side of no weight cannot press the other one below what a float holds. From the difference of the
// disparities, which is finite where each exponent would not be.
C3D_HD inline BlendTerms blend_terms(float alpha_fwd, float disp_fwd, float alpha_bwd, float disp_bwd, float loop_t,
                                     float sharpness) {
  constexpr float kMostOfOther = 60.0f;  // exponent of a side of no weight: its gradient stays finite
  const float share_fwd = (1.0f - loop_t) * alpha_fwd, share_bwd = loop_t * alpha_bwd;
  const float nearer = sharpness * (disp_fwd - disp_bwd);  // by how much, in the exponent, the forward side is
  const bool from_fwd = (share_bwd == 0.0f) | ((share_fwd != 0.0f) & !(nearer < 0.0f));
  BlendTerms terms;
  const float exponent = from_fwd ? -nearer : nearer;
  const float exp_other = exp_of(exponent > kMostOfOther ? kMostOfOther : exponent);
  terms.exp_fwd = from_fwd ? 1.0f : exp_other;
  terms.exp_bwd = from_fwd ? exp_other : 1.0f;
  terms.fwd = share_fwd * terms.exp_fwd;
  terms.bwd = share_bwd * terms.exp_bwd;
  const float floor = 1e-6f * exp_of(-sharpness * (from_fwd ? disp_fwd : disp_bwd)), both = terms.fwd + terms.bwd;
  const float least = floor > 1e-37f ? floor : 1e-37f;
  terms.sum = both > least ? both : least;
  return terms;
}

// w_f = (1-t) a_f exp(k d_f), w_b = t a_b exp(k d_b), divided by max(w_f + w_b, 1e-6).
C3D_HD inline BlendWeights blend_weights(float alpha_fwd, float disp_fwd, float alpha_bwd, float disp_bwd, float loop_t,
                                         float sharpness) {
  const BlendTerms terms = blend_terms(alpha_fwd, disp_fwd, alpha_bwd, disp_bwd, loop_t, sharpness);
  return {terms.fwd / terms.sum, terms.bwd / terms.sum};
}

struct BlendGrad {
  float alpha_fwd, disp_fwd, alpha_bwd, disp_bwd, loop_t;
};

// Back through blend_weights, from grad = dL/d its weights. Weights that sum to one gain at the other's cost; at the floor
// each is on its own.
C3D_HD inline BlendGrad blend_weights_grad(float alpha_fwd, float disp_fwd, float alpha_bwd, float disp_bwd, float loop_t,
                                           float sharpness, BlendWeights grad) {
  const BlendTerms terms = blend_terms(alpha_fwd, disp_fwd, alpha_bwd, disp_bwd, loop_t, sharpness);
  const float share_fwd = terms.fwd / terms.sum, share_bwd = terms.bwd / terms.sum;
  const bool shared = terms.fwd + terms.bwd == terms.sum;
  const float gain_fwd = shared ? share_bwd * (grad.fwd - grad.bwd) : grad.fwd;
  const float gain_bwd = shared ? share_fwd * (grad.bwd - grad.fwd) : grad.bwd;
  constexpr float kMostGain = 1e30f;
  const float per_fwd = fminf(terms.exp_fwd / terms.sum, kMostGain) * gain_fwd;
  const float per_bwd = fminf(terms.exp_bwd / terms.sum, kMostGain) * gain_bwd;
  return {(1.0f - loop_t) * per_fwd, sharpness * share_fwd * gain_fwd, loop_t * per_bwd, sharpness * share_bwd * gain_bwd,
          alpha_bwd * per_bwd - alpha_fwd * per_fwd};
}

struct Vec2 {
  float x, y;
};

// NaN becomes `least`. Two comparisons: fminf and fmaxf are calls on the CPU, for what they do about NaN.
C3D_HD inline float clamped(float value, float least, float most) {
  return value > least ? (value < most ? value : most) : least;
}

// The four pixels around a position in px, between their centres, clamped at the border; and their weights. Index: of a pixel,
// as wide as the picture needs.
template <typename Index>
struct CornersOf {
  Index pixel[4];  // (x0, y0), (x1, y0), (x0, y1), (x1, y1)
  float weight[4];
};
using Corners = CornersOf<int64_t>;

template <typename Index>
C3D_HD inline CornersOf<Index> corners_in(int32_t width, int32_t height, Vec2 position) {
  const float x = clamped(position.x - 0.5f, 0.0f, static_cast<float>(width - 1));
  const float y = clamped(position.y - 0.5f, 0.0f, static_cast<float>(height - 1));
  const int32_t x0 = static_cast<int32_t>(x), y0 = static_cast<int32_t>(y);
  const int32_t x1 = x0 + 1 < width ? x0 + 1 : x0, y1 = y0 + 1 < height ? y0 + 1 : y0;
  const float fx = x - static_cast<float>(x0), fy = y - static_cast<float>(y0);
  const Index top = static_cast<Index>(y0) * width, bottom = static_cast<Index>(y1) * width;
  return {{top + x0, top + x1, bottom + x0, bottom + x1},
          {(1.0f - fx) * (1.0f - fy), fx * (1.0f - fy), (1.0f - fx) * fy, fx * fy}};
}

C3D_HD inline Corners corners_of(int32_t width, int32_t height, Vec2 position) {
  return corners_in<int64_t>(width, height, position);
}

// Bilinear sample of `kValues` interleaved values [H, W, kValues].
template <int kValues>
C3D_HD inline void sample_corners(const float* field, const Corners& at, float* out) {
  for (int c = 0; c < kValues; ++c)
    out[c] = at.weight[0] * field[kValues * at.pixel[0] + c] + at.weight[1] * field[kValues * at.pixel[1] + c] +
             at.weight[2] * field[kValues * at.pixel[2] + c] + at.weight[3] * field[kValues * at.pixel[3] + c];
}

template <int kValues>
C3D_HD inline void sample_values(const float* field, int32_t width, int32_t height, Vec2 position, float* out) {
  sample_corners<kValues>(field, corners_of(width, height, position), out);
}

C3D_HD inline Vec2 sample_field(const float* field, int32_t width, int32_t height, Vec2 position) {
  float step[2];
  sample_values<2>(field, width, height, position, step);
  return {step[0], step[1]};
}

struct FlowPath {
  Vec2 start;  // px; kNearest counts from pixel centres at integers
  Vec2 position;
  Vec2 end;  // kNearest: the start plus the collected steps, which is not where the path is
  Vec2 offset;  // from the start
  bool inside;
};

C3D_HD inline bool is_within(Vec2 position, float x_last, float y_last) {  // NaN is not
  return (position.x >= 0.0f) & (position.x <= x_last) & (position.y >= 0.0f) & (position.y <= y_last);
}

// x_{k+1} = x_k + F(x_k). A path that leaves the frame stays where it left: sending it home would tear the loop's seam.
C3D_HD inline void step_by(Vec2 step, int32_t width, int32_t height, FlowPath& path) {
  path.position = {path.inside ? path.position.x + step.x : path.position.x,
                   path.inside ? path.position.y + step.y : path.position.y};
  path.offset = {path.position.x - path.start.x, path.position.y - path.start.y};
  path.inside = path.inside & is_within(path.position, static_cast<float>(width), static_cast<float>(height));
}

C3D_HD inline void step_bilinear(const float* field, int32_t width, int32_t height, FlowPath& path) {
  if (path.inside) step_by(sample_field(field, width, height, path.position), width, height, path);
}

// The released code's rule: positions step by the nearest sample; one that leaves returns to its start for good; the offset
// collects the field at the position after each step. It is summed up from the start, whose rounding is part of the rule.
C3D_HD inline void step_nearest(const float* field, int32_t width, int32_t height, FlowPath& path) {
  const auto nearest = [&](Vec2 at) {
    const int64_t x = static_cast<int64_t>(rintf(at.x)), y = static_cast<int64_t>(rintf(at.y));
    const float* step = field + 2 * (y * width + x);
    return Vec2{step[0], step[1]};
  };
  const Vec2 step = nearest(path.position);
  path.position = {path.position.x + step.x, path.position.y + step.y};
  path.inside = path.inside && is_within(path.position, static_cast<float>(width - 1), static_cast<float>(height - 1));
  if (!path.inside) path.position = path.start;
  const Vec2 after = nearest(path.position);
  path.end = {path.end.x + after.x, path.end.y + after.y};
  path.offset = {path.end.x - path.start.x, path.end.y - path.start.y};
}

C3D_HD inline FlowPath start_path(const IntegrateFlowArgs& args, int64_t i) {
  const float centre = args.sampling == Sampling::kNearest ? 0.0f : 0.5f;
  const Vec2 start = args.start_px
                         ? Vec2{args.start_px[2 * i], args.start_px[2 * i + 1]}
                         : Vec2{static_cast<float>(i % args.width) + centre, static_cast<float>(i / args.width) + centre};
  const bool inside = is_within(start, static_cast<float>(args.width), static_cast<float>(args.height));
  return {start, start, start, {0.0f, 0.0f}, inside};
}

// How much of its fine detail along an axis a point gains that lies offset_px from its pixel. Between two pixels, at f, the
// surface splat takes from both: the variance of what it then takes, beyond its own on the grid, is 0.2 sin^2(pi f) px^2,
// nearly 3.2 (f (1-f))^2. Half of it times the second derivative is lost, of which the binomial detail is a quarter; and
// higher orders: 8 for 6.4.
C3D_HD inline float fine_share(float offset_px) {
  const float part = offset_px - floorf(offset_px), both = part * (1.0f - part);
  return 8.0f * both * both;
}

C3D_HD inline bool is_point(const DriftPointsArgs& args, int32_t i) { return (i >= 0) & (i < args.num_points); }

// What a point shows before it takes on anything of where it arrives.
struct OwnColour {
  float rgb[3], broad[3];  // and its detail against the surroundings
};

C3D_HD inline OwnColour resting_colour(const DriftPointsArgs& args, int64_t i) {
  OwnColour own{};
  for (int c = 0; c < 3; ++c) {
    own.rgb[c] = args.feat[4 * i + c];
    if (args.gain) own.broad[c] = args.broad[3 * i + c];
  }
  return own;
}

// Of the sums over the copies of its waves: what turns in the even measure, and what near its surroundings.
C3D_HD inline OwnColour turned_colour(const DriftPointsArgs& args, int64_t i, float even, float near) {
  const WavesArgs& waves = args.waves;
  const float luma = expm1_of(clamped(even, waves.least[i], waves.most[i])) * waves.spread[i];
  OwnColour own{};
  for (int c = 0; c < 3; ++c) {
    own.rgb[c] = waves.colour[3 * i + c] + luma * waves.tint[3 * i + c];
    own.broad[c] = near * waves.tint[3 * i + c];
  }
  return own;
}

C3D_HD inline float fade_of(const DriftPointsArgs& args) { return args.moment ? args.moment[0] : args.fade; }

C3D_HD inline float weight_of(const DriftPointsArgs& args, int32_t copy) {
  return args.moment ? args.moment[1 + copy] : args.waves.weight[copy];
}

// The sum over point i's copies of one of their two measures, first to last; what weighs nothing is left out.
C3D_HD inline float sum_copies(const DriftPointsArgs& args, int64_t i, int measure) {
  const WavesArgs& waves = args.waves;
  float sum = 0;
  for (int32_t k = 0; k < waves.num_copies; ++k)
    if (const float weight = weight_of(args, k); weight != 0.0f)
      sum += waves.even[(2 * k + measure) * args.num_points + i] * weight;
  return sum;
}

C3D_HD inline Vec2 offset_of(const DriftPointsArgs& args, int64_t i) {
  return {args.offset_px[2 * i], args.offset_px[2 * i + 1]};
}

C3D_HD inline Vec2 drifted_to(const DriftPointsArgs& args, int64_t i) {
  const Vec2 offset = offset_of(args, i);
  return {args.start_px[2 * i] + offset.x, args.start_px[2 * i + 1] + offset.y};
}

// A place of the canvas among the gains.
C3D_HD inline Vec2 window_of(const DriftPointsArgs& args, Vec2 at) {
  return {at.x / args.gain_spacing_px + 0.5f, at.y / args.gain_spacing_px + 0.5f};
}

// How far the flow has pulled a point's neighbours apart, which drifted by `right` and `below`: px^2, at least 1.
C3D_HD inline float stretch2_of(Vec2 offset, Vec2 right, Vec2 below) {
  const Vec2 along = {right.x - offset.x + 1.0f, right.y - offset.y}, down = {below.x - offset.x, below.y - offset.y + 1.0f};
  const float along2 = along.x * along.x + along.y * along.y, down2 = down.x * down.x + down.y * down.y;
  return clamped(along2 > down2 ? along2 : down2, 1.0f, 3.0e38f);
}

C3D_HD inline bool is_seen(const DriftPointsArgs& args, Vec2 at) {
  const float* seen = args.seen_px;
  const bool is_all = (seen[0] == 0.0f) & (seen[1] == 0.0f) & (seen[2] == 0.0f) & (seen[3] == 0.0f);
  return is_all | ((at.x >= seen[0]) & (at.x <= seen[2]) & (at.y >= seen[1]) & (at.y <= seen[3]));
}

struct DriftedDisc {
  float x, y, z, radius;  // in the canvas' camera space; a radius of 0 is not drawn
};

// Of a point that arrives `at` where the surface has this disparity, existence and freedom.
C3D_HD inline DriftedDisc drifted_disc(const DriftPointsArgs& args, Vec2 at, float disp, float existence, float freedom,
                                       float stretch2, bool has_neighbours) {
  const Camera& canvas = args.canvas;
  const float z = 1.0f / (disp > 1e-6f ? disp : 1e-6f);
  const float widened = clamped(sqrtf(stretch2), 1.0f, args.max_stretch) - 1.0f;
  const float radius = args.radius_px * (1.0f + widened * freedom) * z / canvas.fx;
  const bool drawn = has_neighbours & is_within(at, static_cast<float>(canvas.width), static_cast<float>(canvas.height)) &
                     (existence > args.least_existence);
  return {(at.x - canvas.cx) / canvas.fx * z, (at.y - canvas.cy) / canvas.fy * z, z, drawn ? radius : 0.0f};
}

// How much a point shows of its own colour and of its details.
struct OwnShares {
  float freedom, fine_x, fine_y, broad;
};

// The resting colour that a border shows has no surplus to give: a gain would draw a rim there.
C3D_HD inline OwnShares own_shares(Vec2 offset, float freedom, float gain) {
  return {freedom, freedom * fine_share(offset.x), freedom * fine_share(offset.y),
          (gain - 1.0f) * clamped(2.0f * freedom, 0.0f, 1.0f)};
}

// A colour of the surface and a point's own.
C3D_HD inline float mixed_colour(float there, float own, const OwnShares& shares) {
  return there + shares.freedom * (own - there);
}

C3D_HD inline float details_of(float fine_x, float fine_y, float broad, const OwnShares& shares) {
  return shares.fine_x * fine_x + shares.fine_y * fine_y + shares.broad * broad;
}

C3D_HD inline float drifted_confidence(const DriftPointsArgs& args, int64_t i, float stretch2) {
  return args.feat[4 * i + 3] / stretch2 * (1.0f + fade_of(args) * args.phase[i]);
}

C3D_HD inline void write_nothing(const DriftPointsArgs& args, int64_t i) {
  for (int c = 0; c < 3; ++c) args.xyz[3 * i + c] = 0.0f;
  for (int c = 0; c < 4; ++c) args.feat_out[4 * i + c] = 0.0f;
  args.radius[i] = 0.0f;
}

C3D_HD inline void drift_point(const DriftPointsArgs& args, int64_t i) {
  const Vec2 at = drifted_to(args, i), offset = offset_of(args, i);
  if (!is_seen(args, at)) {
    write_nothing(args, i);
    return;
  }
  float surface[8], gain = 1.0f;  // disparity, existence, freedom, resting colour
  sample_values<8>(args.surface, args.canvas.width, args.canvas.height, at, surface);
  if (args.gain) sample_values<1>(args.gain, args.gain_width, args.gain_height, window_of(args, at), &gain);
  const bool has_neighbours = (int{is_point(args, args.right[i])} & int{is_point(args, args.below[i])}) != 0;
  const float stretch2 = stretch2_of(offset, offset_of(args, has_neighbours ? args.right[i] : i),
                                     offset_of(args, has_neighbours ? args.below[i] : i));
  const DriftedDisc disc = drifted_disc(args, at, surface[0], surface[1], surface[2], stretch2, has_neighbours);
  const OwnColour own =
      args.waves.even ? turned_colour(args, i, sum_copies(args, i, 0), sum_copies(args, i, 1)) : resting_colour(args, i);
  const OwnShares shares = own_shares(offset, surface[2], gain);
  float colour[3];
  for (int c = 0; c < 3; ++c) {
    colour[c] = mixed_colour(surface[3 + c], own.rgb[c], shares);
    if (args.gain) colour[c] += details_of(args.fine[6 * i + c], args.fine[6 * i + 3 + c], own.broad[c], shares);
  }
  const float confidence = drifted_confidence(args, i, stretch2);
  args.xyz[3 * i] = disc.x, args.xyz[3 * i + 1] = disc.y, args.xyz[3 * i + 2] = disc.z;
  for (int c = 0; c < 3; ++c) args.feat_out[4 * i + c] = colour[c];
  args.feat_out[4 * i + 3] = confidence;
  args.radius[i] = disc.radius;
}

C3D_HD inline uint8_t to_byte(float value) {  // NaN becomes 0
  return static_cast<uint8_t>(static_cast<int32_t>(clamped(value, 0.0f, 1.0f) * 255.0f + 0.5f));
}

// One side's splat in a pixel: colours and confidence are sums over its coverage.
struct SidePixel {
  float rgb[3], confidence, alpha, disp;
};

C3D_HD inline SidePixel side_of(const float* feat, const float* alpha, const float* disp, int64_t i) {
  return {{feat[4 * i], feat[4 * i + 1], feat[4 * i + 2]}, feat[4 * i + 3], alpha[i], disp[i]};
}

// `camera` with the lens and the pose of SplatFrameArgs::now.
C3D_HD inline Camera camera_of(const float* now, Camera camera) {
  camera.fx = now[0], camera.fy = now[1], camera.cx = now[2], camera.cy = now[3];
  for (int i = 0; i < 12; ++i) camera.world_to_cam[i] = now[4 + i];
  return camera;
}

C3D_HD inline const float* loop_t_of(const float* now) { return now ? now + 16 : nullptr; }

struct FrameRules {  // of ComposeFrameArgs and SplatFrameArgs
  float loop_t, sharpness, least_alpha;
};

template <typename Args>
C3D_HD inline FrameRules rules_of(const Args& args) {
  return {args.loop_t, args.sharpness, args.least_alpha};
}

// What the two sides' colours are multiplied by in a pixel of a finished frame.
struct FrameShares {
  float fwd, bwd;
};

C3D_HD inline int same_or_nan(float a, float b) { return int{a == b} | (int{a != a} & int{b != b}); }

// Whether both sides' splats are the same in a pixel, as where nothing moves.
C3D_HD inline bool same_splats(const SidePixel& fwd, const SidePixel& bwd) {
  const int same_rgb =
      same_or_nan(fwd.rgb[0], bwd.rgb[0]) & same_or_nan(fwd.rgb[1], bwd.rgb[1]) & same_or_nan(fwd.rgb[2], bwd.rgb[2]);
  return (same_rgb & same_or_nan(fwd.confidence, bwd.confidence) & same_or_nan(fwd.alpha, bwd.alpha)) != 0;
}

C3D_HD inline float over_coverage(float alpha, float least_alpha) {
  return 1.0f / (alpha > least_alpha ? alpha : least_alpha);
}

// Of two that are the same: no weights, which cost two exponentials.
C3D_HD inline FrameShares shares_of_same(const SidePixel& side, float least_alpha) {
  return {over_coverage(side.alpha, least_alpha), 0.0f};
}

C3D_HD inline FrameShares shares_of_sides(const SidePixel& fwd, const SidePixel& bwd, const FrameRules& rules) {
  const BlendWeights w = blend_weights(fwd.confidence, fwd.disp, bwd.confidence, bwd.disp, rules.loop_t, rules.sharpness);
  const FrameShares same = shares_of_same(fwd, rules.least_alpha);
  const bool is_same = same_splats(fwd, bwd);
  const float of_fwd = w.fwd * same.fwd, of_bwd = w.bwd * over_coverage(bwd.alpha, rules.least_alpha);
  return {is_same ? same.fwd : of_fwd, is_same ? 0.0f : of_bwd};
}

C3D_HD inline uint8_t frame_byte(const SidePixel& fwd, const SidePixel& bwd, int channel, const FrameShares& shares) {
  return to_byte(shares.fwd * fwd.rgb[channel] + shares.bwd * bwd.rgb[channel]);
}

C3D_HD inline bool is_uncovered(const SidePixel& fwd, const SidePixel& bwd, float least_alpha) {
  return !((fwd.alpha >= least_alpha) | (bwd.alpha >= least_alpha));
}

}  // namespace c3d
