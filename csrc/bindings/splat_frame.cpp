// splat_frame.
#include <cmath>

#include "call.h"

namespace c3d::bindings {
namespace {

std::tuple<Tensor, Tensor> splat_frame(const Tensor& xyz, const Tensor& feat, const Tensor& radius, const Tensor& cameras,
                                       int64_t width, int64_t height, const Tensor& hidden, const OptionalTensor& opacity,
                                       int64_t max_points, double depth_tolerance, double loop_t, double sharpness,
                                       double least_alpha, const OptionalTensor& now) {
  Checker check("splat_frame");
  check.tensor("xyz", xyz, {-1, 3}, "[N, 3]");
  const int64_t n = xyz.size(0);
  const std::string from_xyz = " with N = " + std::to_string(n) + " (from xyz)";
  check.tensor("feat", feat, {n, 4}, "[N, 4]" + from_xyz);
  check.tensor("radius", radius, {n}, "[N]" + from_xyz);
  check.tensor("opacity", opacity, {n}, "[N]" + from_xyz);
  const std::vector<Camera> views = read_cameras(check, cameras, width, height);
  check.that(views.size() == 1, "camera must be one, got ", views.size());
  const int64_t num_sides = hidden.dim() == 2 ? hidden.size(0) : 0;
  check.that(num_sides == 1 || num_sides == 2, "hidden must have a range for 1 or 2 sides, got ", spell(shape_of(hidden)));
  check_hidden(check, hidden, num_sides, n);
  check.that(max_points >= 1 && max_points <= kMaxHits, "max_points must be 1..64, got ", max_points);
  check.that(depth_tolerance >= 0.0, "depth_tolerance must be >= 0, got ", depth_tolerance);
  check.that(loop_t >= 0.0 && loop_t <= 1.0, "loop_t must be in 0..1, got ", loop_t);
  check.that(std::isfinite(sharpness), "sharpness must be finite, got ", sharpness);
  check.that(least_alpha > 0.0, "least_alpha must be > 0, got ", least_alpha);
  check.tensor("now", now, {17}, "[17]");

  Tensor rgb = check.result(xyz, {height, width, 3}, ScalarType::Byte);
  Tensor uncovered = check.result(xyz, {height, width}, ScalarType::Bool);
  SplatFrameArgs args;
  args.xyz = read(xyz);
  args.feat = read(feat);
  args.radius = read(radius);
  args.opacity = read(opacity);
  args.num_points = n;
  args.camera = views[0];
  args.hidden = read(hidden);
  args.num_sides = num_sides;
  args.max_points = max_points;
  args.depth_tolerance = depth_tolerance;
  args.loop_t = loop_t;
  args.sharpness = sharpness;
  args.least_alpha = least_alpha;
  args.now = read(now);
  args.rgb_out = write(rgb);
  args.uncovered_out = write(uncovered);
  C3D_RUN(splat_frame, xyz, args);
  return {rgb, uncovered};
}

}  // namespace

C3D_DEFINE(m) {
  m.def(
      "splat_frame(Tensor xyz, Tensor feat, Tensor radius, Tensor cameras, int width, int height, Tensor hidden, "
      "Tensor? opacity, int max_points, float depth_tolerance, float loop_t, float sharpness, float least_alpha, "
      "Tensor? now=None) "
      "-> (Tensor, Tensor)");
}

C3D_IMPLEMENT(m) { m.impl("splat_frame", TORCH_BOX(&splat_frame)); }

}  // namespace c3d::bindings
