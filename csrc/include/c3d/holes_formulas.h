// What find_holes asks of one pixel, for host and device: whether a view sees the surface behind it, and whether that surface
// drifts to where it is seen.
#pragma once

#include "c3d/formulas.h"

namespace c3d::holes {

constexpr float kLeastFree = 0.249f;  // of a view's pixel: a quarter, but for rounding
constexpr float kGridSlackPx = 1.0f / 1024.0f;  // a point so near to a pixel's border may be rounded to either side

C3D_HD inline int64_t num_pixels_of(const Camera& view) { return static_cast<int64_t>(view.width) * view.height; }

// The disparity of the last layer that has the pixel; 0 where none has.
C3D_HD inline float last_disp(const FindHolesArgs& args, int64_t num_pixels, int64_t pixel) {
  for (int32_t layer = args.num_layers - 1; layer > 0; --layer)
    if (const float disp = args.disp[layer * num_pixels + pixel]; disp > 0.0f) return disp;
  return args.disp[pixel];
}

// Whether a surface lies clear of the layers in front. Any nearer, a splat takes both for one.
C3D_HD inline bool is_behind(const FindHolesArgs& args, int64_t num_pixels, int64_t pixel, float disp) {
  return disp > 0.0f && disp * (1.0f + args.depth_tolerance) < last_disp(args, num_pixels, pixel);
}

C3D_HD inline bool is_hidden(const FindHolesArgs& args, int64_t num_pixels, int64_t pixel) {
  return is_behind(args, num_pixels, pixel, args.disp_hidden[pixel]);
}

// The discs of the layers that cover the centre of a view's pixel, near to far.
struct CoveringDiscs {
  int32_t num;
  float z[kMaxHits];  // in the view
  float q[kMaxHits];

  C3D_HD void add(float disc_z, float disc_q) {
    int32_t i = num++;
    for (; i > 0 && z[i - 1] > disc_z; --i) z[i] = z[i - 1], q[i] = q[i - 1];
    z[i] = disc_z, q[i] = disc_q;
  }

  // What they leave free of a surface at `z_behind`, composited as splat_points does.
  C3D_HD float free_at(float z_behind, float depth_tolerance) const {
    SurfaceWalk<float> walk;
    walk.start();
    for (int32_t i = 0; i < num; ++i) {
      if (walk.ends_before(z[i])) {
        walk.close<false>(true, walk.share<false>());
        walk.open(true, z[i], 1.0f + depth_tolerance);
        if (walk.z_end >= z_behind) return walk.through;  // this surface and the one behind are the same
      }
      walk.add<false>(true, q[i], 1.0f);
    }
    walk.close<false>(true, walk.share<false>());
    return walk.through;
  }
};

// A line of sight as it runs over the layers. In (u, v, disp) of their camera, whose centre is at c in its world, the
// line towards a view's centre is straight, with direction (fx (cx - xn cz), fy (cy - yn cz), 1 - cz disp).
struct SightLine {
  bool along_x;              // its longer axis
  float along, across;       // px, where it starts
  float disp;                // there
  float slope;               // px across per px along
  float rise;                // disparity per px towards the view
  int32_t direction;         // +-1, towards the view
};

// The line from where it is `z` deep in the view, through (u, v) px there. False: nothing on it comes nearer.
C3D_HD inline bool find_sight_line(const Camera& view, float u, float v, float z, SightLine& line) {
  const float* m = view.world_to_cam;
  const Vec3 seen = {(u - view.cx) / view.fx * z - m[3], (v - view.cy) / view.fy * z - m[7], z - m[11]};
  const Vec3 p = {m[0] * seen.x + m[4] * seen.y + m[8] * seen.z, m[1] * seen.x + m[5] * seen.y + m[9] * seen.z,
                  m[2] * seen.x + m[6] * seen.y + m[10] * seen.z};
  const Vec3 centre = {-(m[0] * m[3] + m[4] * m[7] + m[8] * m[11]), -(m[1] * m[3] + m[5] * m[7] + m[9] * m[11]),
                       -(m[2] * m[3] + m[6] * m[7] + m[10] * m[11])};  // -R^T t
  line.disp = 1.0f / p.z;
  const float xn = p.x * line.disp, yn = p.y * line.disp;
  const float du = view.fx * (centre.x - xn * centre.z), dv = view.fy * (centre.y - yn * centre.z);
  const float dw = 1.0f - centre.z * line.disp;
  const float start_u = view.fx * xn + view.cx, start_v = view.fy * yn + view.cy;
  line.along_x = fabsf(du) >= fabsf(dv);
  const float longer = line.along_x ? du : dv, shorter = line.along_x ? dv : du;
  if (!(dw > 0.0f && longer - longer == 0.0f)) return false;
  // From where the layers' own camera stands, or along a ray through it, the line is a point of the canvas.
  const bool is_point = fabsf(longer) < 1e-12f;
  line.along = line.along_x ? start_u : start_v;
  line.across = line.along_x ? start_v : start_u;
  line.slope = is_point ? 0.0f : shorter / longer;
  line.rise = is_point ? 1e30f : dw / fabsf(longer);
  line.direction = longer > 0.0f ? 1 : -1;
  // The walk counts in whole pixels from where it starts.
  return fabsf(line.along) < 1e9f && fabsf(line.across) < 1e9f;
}

// Pixels of the layers whose discs may cover the centre of a view's pixel, in the order in which a line of sight meets them.
// kMost: as many as are projected at once.
template <int kMost>
struct Candidates {
  int32_t num = 0;
  float x[kMost] = {}, y[kMost] = {}, disp[kMost] = {};
  float to_come[kMost];  // no disc that the line meets from here on has a lower disparity
  int32_t step[kMost];   // of the line
  float z[kMost], q[kMost];  // of the disc in the view; q is 1 where it does not cover the centre before z_behind

  C3D_HD bool is_full() const { return num == kMost; }

  C3D_HD void add(int32_t at_x, int32_t at_y, float at_disp, float disp_to_come, int32_t at_step) {
    x[num] = static_cast<float>(at_x), y[num] = static_cast<float>(at_y);
    disp[num] = at_disp, to_come[num] = disp_to_come, step[num++] = at_step;
  }

  C3D_HD void project(const FindHolesArgs& args, const Camera& view, float u, float v, float z_behind) {
    for (int k = 0; k < kMost; ++k) {
      const float xn = (x[k] + 0.5f - view.cx) / view.fx, yn = (y[k] + 0.5f - view.cy) / view.fy;
      const float depth = 1.0f / disp[k];
      const Disc disc =
          project_disc(view, xn * depth, yn * depth, depth, args.radius_px * depth / view.fx, RadiusUnit::kScene);
      const float at = disc_q(u - disc.u, v - disc.v, inverse_square(disc.radius_px));
      const bool covers = (disc.radius_px > 0.0f) & (disc.z < z_behind) & (at < 1.0f);
      z[k] = disc.z;
      q[k] = covers ? at : 1.0f;
    }
  }
};

// How the layers cover the centre of a view's pixel.
struct Cover {
  CoveringDiscs discs;
  float total, nearest;
  int32_t last_step;
  bool is_closed;  // nothing is left free, whatever comes

  C3D_HD void start() {
    discs.num = 0;
    total = nearest = 0.0f;
    last_step = -1;
    is_closed = false;
  }

  C3D_HD bool is_free(float z_behind, float depth_tolerance) const {
    return 1.0f - total > kLeastFree || discs.free_at(z_behind, depth_tolerance) > kLeastFree;
  }

  // What comes is so much nearer that it belongs to other surfaces and can only hide more.
  C3D_HD bool closes_before(float disp_to_come, float z_behind, float depth_tolerance) const {
    return total > 1.0f - kLeastFree && disp_to_come > (1.0f + 2.0f * depth_tolerance) * nearest &&
           discs.free_at(z_behind, depth_tolerance) <= kLeastFree;
  }

  template <typename Found>
  C3D_HD void take(const Found& found, float z_behind, float depth_tolerance) {
    for (int32_t k = 0; k < found.num; ++k) {
      if (!(found.q[k] < 1.0f)) continue;
      is_closed = discs.num == kMaxHits ||  // so many leave nothing free
                  (found.step[k] != last_step && closes_before(found.to_come[k], z_behind, depth_tolerance));
      if (is_closed) return;
      last_step = found.step[k];
      discs.add(found.z[k], found.q[k]);
      total += surface_coverage(found.q[k]);
      nearest = greater(nearest, found.disp[k]);
    }
  }
};

// Whether the layers leave free, for a surface `z` deep in the view, more than kLeastFree of the view's pixel with its centre
// at (u, v) px. Discs that cover the centre lie beside the line of sight, as far along it as they are near. Found: Candidates.
template <typename Found>
C3D_HD inline bool is_pixel_free(const FindHolesArgs& args, const Camera& view, float disp_max, float u, float v, float z) {
  SightLine line;
  if (!find_sight_line(view, u, v, z, line)) return false;
  const float reach = 1.25f * args.radius_px;  // a turned view compresses a little
  const float reach_across = reach * sqrtf(1.0f + line.slope * line.slope);
  const int32_t length = line.along_x ? view.width : view.height, breadth = line.along_x ? view.height : view.width;
  const float last = (disp_max - line.disp) / line.rise + reach, last_across = static_cast<float>(breadth - 1);

  const int64_t num_pixels = num_pixels_of(view);
  Found found;
  Cover cover;
  cover.start();
  const auto take = [&] {
    found.project(args, view, u, v, z);
    cover.take(found, z, args.depth_tolerance);
    found.num = 0;
  };
  const int32_t before = static_cast<int32_t>(floorf(line.along)) - line.direction * static_cast<int32_t>(ceilf(reach));
  const int32_t first = line.direction > 0 ? (before > 0 ? before : 0) : (before < length - 1 ? before : length - 1);
  for (int32_t i = first; i >= 0 && i < length; i += line.direction) {
    const float centre = static_cast<float>(i) + 0.5f, far_along = (centre - line.along) * static_cast<float>(line.direction);
    if (far_along > last) break;
    const float to_come = line.disp + line.rise * (far_along - reach);
    const int32_t num_before = found.num;
    const float across = line.across + line.slope * (centre - line.along);
    const int32_t j_first = static_cast<int32_t>(greater(ceilf(across - reach_across - 0.5f), 0.0f));
    const int32_t j_last = static_cast<int32_t>(lesser(floorf(across + reach_across - 0.5f), last_across));
    for (int32_t j = j_first; j <= j_last; ++j) {
      const int32_t x = line.along_x ? i : j, y = line.along_x ? j : i;
      const float* at = args.disp + static_cast<int64_t>(y) * view.width + x;
      for (int32_t layer = 0; layer < args.num_layers; ++layer, at += num_pixels) {
        if (!(fabsf((*at - line.disp) / line.rise - far_along) <= reach)) continue;
        if (found.is_full()) take();
        found.add(x, y, *at, to_come, i);
      }
    }
    // The line has passed a surface: it may be the last that counts.
    if (found.num > 0 && found.num == num_before) take();
    if (cover.is_closed || (found.num == 0 && cover.closes_before(to_come, z, args.depth_tolerance))) return false;
  }
  take();
  return !cover.is_closed && cover.is_free(z, args.depth_tolerance);
}

// Whether `view` sees the point of a hidden surface at `at` px of the canvas: the layers, splatted as discs, leave free some
// of the pixel of the view in which the point lies. Rounding errs on the side of seeing it.
template <typename Found>
C3D_HD inline bool view_sees(const FindHolesArgs& args, const Camera& view, float disp_max, Vec2 at, float disp) {
  const float depth = 1.0f / disp, xn = (at.x - view.cx) / view.fx, yn = (at.y - view.cy) / view.fy;
  const Vec3 seen = world_to_camera(view.world_to_cam, xn * depth, yn * depth, depth);
  if (!(seen.z > 0.0f)) return false;
  const float u = view.fx * seen.x / seen.z + view.cx, v = view.fy * seen.y / seen.z + view.cy;
  const int32_t* frame = args.frame_px;
  for (int corner = 0; corner < 4; ++corner) {
    const float slack_u = corner % 2 ? kGridSlackPx : -kGridSlackPx, slack_v = corner < 2 ? -kGridSlackPx : kGridSlackPx;
    const float px = floorf(u + slack_u), py = floorf(v + slack_v);
    const bool is_new = (corner % 2 == 0 || px != floorf(u - kGridSlackPx)) && (corner < 2 || py != floorf(v - kGridSlackPx));
    const bool in_frame = px >= static_cast<float>(frame[0]) && px < static_cast<float>(frame[2]) &&
                          py >= static_cast<float>(frame[1]) && py < static_cast<float>(frame[3]);
    if (is_new && in_frame && is_pixel_free<Found>(args, view, disp_max, px + 0.5f, py + 0.5f, seen.z)) return true;
  }
  return false;
}

C3D_HD inline Vec2 centre_of(int32_t x, int32_t y) { return {static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f}; }

template <typename Found>
C3D_HD inline bool view_sees_pixel(const FindHolesArgs& args, const Camera& view, float disp_max, int32_t x, int32_t y) {
  return view_sees<Found>(args, view, disp_max, centre_of(x, y), args.disp_hidden[static_cast<int64_t>(y) * view.width + x]);
}

// The disparity of the fluid's surface between pixel centres, as drift_points samples it; 0 where a point is not drawn.
// Rounding errs on the side of drawing it.
C3D_HD inline float sample_fluid(const FindHolesArgs& args, int32_t width, int32_t height, Vec2 at) {
  const Corners corners = corners_of(width, height, at);
  float existence = 0.0f, total = 0.0f;
  for (int corner = 0; corner < 4; ++corner) {
    const float disp = args.disp_fluid[corners.pixel[corner]], weight = corners.weight[corner];
    if (!(disp > 0.0f)) continue;
    existence += weight;
    total += weight * disp;
  }
  return existence > args.least_existence - kGridSlackPx && existence > 0.0f ? total / existence : 0.0f;
}

// Whether the fluid at pixel (x, y) or beside it may be seen: none of the layers hides it, or it is of the last of them, whose
// pixels are seen by some view; or it is of the hidden surface and seen at rest. seen: [H, W].
// Elsewhere no view sees it, but for cracks of a pixel, which are not worth a look at every moment from every view.
C3D_HD inline bool may_be_seen(const FindHolesArgs& args, int32_t width, int32_t height, const uint8_t* seen, int32_t x,
                               int32_t y) {
  constexpr int32_t kReachPx = 1;
  const int64_t num_pixels = static_cast<int64_t>(width) * height;
  for (int32_t j = y - kReachPx; j <= y + kReachPx; ++j)
    for (int32_t i = x - kReachPx; i <= x + kReachPx; ++i) {
      if (i < 0 || i >= width || j < 0 || j >= height) continue;
      const int64_t pixel = static_cast<int64_t>(j) * width + i;
      const float disp = args.disp_fluid[pixel];
      if (disp > 0.0f && (seen[pixel] || !is_behind(args, num_pixels, pixel, disp))) return true;
    }
  return false;
}

// Whether the fluid of the hidden surface at pixel (x, y) drifts, forward or backward, to where one of `views` sees it, the
// first of which is view `first_view`. seen: [H, W], at rest; where any view may look at any moment, only what may_be_seen by
// that is looked at.
template <typename Found>
C3D_HD inline bool drifts_into_view(const FindHolesArgs& args, const Camera* views, int32_t first_view, int32_t num_views,
                                    float disp_max, const uint8_t* seen, int32_t x, int32_t y) {
  const int32_t width = views[0].width, height = views[0].height;
  const int64_t pixel = static_cast<int64_t>(y) * width + x;
  if (args.disp_fluid[pixel] != args.disp_hidden[pixel]) return false;
  // What comes out at all is mostly still out some steps later: a few moments first, then all; each forward, then backward.
  for (int pass = 0; pass < 4; ++pass) {
    const int32_t every = pass < 2 ? 8 : 1, sign = pass % 2 ? -1 : 1;
    Vec2 at = centre_of(x, y);
    for (int32_t n = 1; n <= args.num_steps; ++n) {
      const Vec2 step = sample_field(args.step_px, width, height, at);
      at = {at.x + static_cast<float>(sign) * step.x, at.y + static_cast<float>(sign) * step.y};
      if ((step.x == 0.0f && step.y == 0.0f) || !is_within(at, static_cast<float>(width), static_cast<float>(height))) break;
      const int32_t px = static_cast<int32_t>(fminf(at.x, static_cast<float>(width - 1)));
      const int32_t py = static_cast<int32_t>(fminf(at.y, static_cast<float>(height - 1)));
      if (n % every != 0 || (args.loop_steps == 0 && !may_be_seen(args, width, height, seen, px, py))) continue;
      const float disp = sample_fluid(args, width, height, at);
      if (!(disp > 0.0f)) continue;
      for (int32_t view = 0; view < num_views; ++view) {
        const bool looks = args.loop_steps == 0 || (first_view + view - sign * n) % args.loop_steps == 0;
        if (looks && view_sees<Found>(args, views[view], disp_max, at, disp)) return true;
      }
    }
  }
  return false;
}

}  // namespace c3d::holes
