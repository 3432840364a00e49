// splat_points, to fresh memory and to given memory, and its gradients.
#include "call.h"

namespace c3d::bindings {
namespace {

// What all three are given.
struct SplatInputs {
  const Tensor &xyz, &feat;
  const OptionalTensor& radius;
  double radius_all;
  const Tensor& cameras;
  int64_t width, height, compositor;
  double depth_tolerance;
  const OptionalTensor& opacity;
  int64_t radius_unit;
};

// Sets what SplatPointsArgs and SplatPointsBwdArgs have in common, checked. Feat's dtype is not, and the cameras go to
// `views`.
template <typename Args>
Args checked_args(Checker& check, const SplatInputs& in, std::vector<Camera>& views) {
  check.tensor("xyz", in.xyz, {-1, 3}, "[N, 3]");
  const int64_t n = in.xyz.size(0);
  const std::string from_xyz = " with N = " + std::to_string(n) + " (from xyz)";
  check.layout("feat", in.feat, {n, -1}, "[N, C]" + from_xyz);
  const int64_t c = in.feat.size(1);
  check.that(c >= 1 && c <= kMaxChannels, "feat must be [N, C] with C = 1..256, got ", spell(shape_of(in.feat)));
  check.tensor("radius", in.radius, {n}, "[N]" + from_xyz);
  check.tensor("opacity", in.opacity, {n}, "[N]" + from_xyz);
  check.that(in.compositor == 0 || in.compositor == 1, "compositor must be 0 (alpha) or 1 (surface), got ", in.compositor);
  check.that(in.radius_unit == 0 || in.radius_unit == 1, "radius_unit must be 0 (scene) or 1 (px), got ", in.radius_unit);
  check.that(in.depth_tolerance >= 0.0, "depth_tolerance must be >= 0, got ", in.depth_tolerance);
  views = read_cameras(check, in.cameras, in.width, in.height);

  Args args;
  args.xyz = read(in.xyz);
  args.feat = read(in.feat);
  args.radius = read(in.radius);
  args.radius_all = in.radius_all;
  args.radius_unit = static_cast<RadiusUnit>(in.radius_unit);
  args.opacity = read(in.opacity);
  args.num_points = n;
  args.num_channels = c;
  args.cameras = views.data();
  args.num_cameras = views.size();
  args.compositor = static_cast<Compositor>(in.compositor);
  args.depth_tolerance = in.depth_tolerance;
  return args;
}

FeatType feat_type_of(const Tensor& feat) {
  switch (feat.scalar_type()) {
    case ScalarType::Float: return FeatType::kFloat32;
    case ScalarType::Half: return FeatType::kFloat16;
    case ScalarType::BFloat16: return FeatType::kBFloat16;
    default: fail("TypeError", "splat_points: feat must be float32, float16 or bfloat16, got ", name_of(feat.scalar_type()));
  }
}

struct SplatOutputs {
  Tensor feat, alpha, disp, idx;
};

// outputs(pixels, with_channels): where the results go, for the shapes [V, H, W] and [V, H, W, C].
template <typename Outputs>
SplatOutputs splat_to(Checker& check, const SplatInputs& in, int64_t max_points, const OptionalTensor& hidden,
                      const Outputs& outputs) {
  std::vector<Camera> views;
  auto args = checked_args<SplatPointsArgs>(check, in, views);
  args.feat_type = feat_type_of(in.feat);
  check.that(max_points >= 1 && max_points <= kMaxHits, "max_points must be 1..64, got ", max_points);
  args.max_points = max_points;
  if (hidden) check_hidden(check, *hidden, args.num_cameras, args.num_points);
  args.hidden = read(hidden);

  const SplatOutputs out =
      outputs({args.num_cameras, in.height, in.width}, {args.num_cameras, in.height, in.width, args.num_channels});
  args.feat_out = write(out.feat);
  args.alpha_out = write(out.alpha);
  args.disp_out = write(out.disp);
  args.idx_out = write_if(out.idx.numel() > 0, out.idx);
  C3D_RUN(splat_points, in.xyz, args);
  return out;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> splat_points(const Tensor& xyz, const Tensor& feat, const OptionalTensor& radius,
                                                        double radius_all, const Tensor& cameras, int64_t width,
                                                        int64_t height, int64_t compositor, int64_t max_points,
                                                        double depth_tolerance, bool return_idx, const OptionalTensor& hidden,
                                                        const OptionalTensor& opacity, int64_t radius_unit) {
  Checker check("splat_points");
  const SplatInputs in{xyz,    feat,       radius,          radius_all, cameras,    width,
                       height, compositor, depth_tolerance, opacity,    radius_unit};
  const SplatOutputs out = splat_to(check, in, max_points, hidden, [&](const Shape& pixels, const Shape& with_channels) {
    const Shape idx_shape = return_idx ? Shape{pixels[0], height, width, max_points} : Shape{0};
    return SplatOutputs{check.result(xyz, with_channels), check.result(xyz, pixels), check.result(xyz, pixels),
                        check.result(xyz, idx_shape, ScalarType::Int)};
  });
  return {out.feat, out.alpha, out.disp, out.idx};
}

void splat_points_out(const Tensor& xyz, const Tensor& feat, const OptionalTensor& radius, double radius_all,
                      const Tensor& cameras, int64_t width, int64_t height, int64_t compositor, int64_t max_points,
                      double depth_tolerance, const OptionalTensor& hidden, const OptionalTensor& opacity,
                      const Tensor& feat_out, const Tensor& alpha_out, const Tensor& disp_out, int64_t radius_unit) {
  Checker check("splat_points");
  const SplatInputs in{xyz,    feat,       radius,          radius_all, cameras,    width,
                       height, compositor, depth_tolerance, opacity,    radius_unit};
  splat_to(check, in, max_points, hidden, [&](const Shape& pixels, const Shape& with_channels) {
    check.tensor("out.feat", feat_out, with_channels, spell(with_channels));
    check.tensor("out.alpha", alpha_out, pixels, spell(pixels));
    check.tensor("out.disp", disp_out, pixels, spell(pixels));
    return SplatOutputs{feat_out, alpha_out, disp_out, check.result(xyz, {0}, ScalarType::Int)};
  });
}

// Gradients that are not wanted come back empty.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> splat_points_bwd(
    const OptionalTensor& grad_feat_out, const OptionalTensor& grad_alpha_out, const OptionalTensor& grad_disp_out,
    const Tensor& xyz, const Tensor& feat, const OptionalTensor& radius, double radius_all, const Tensor& cameras,
    int64_t width, int64_t height, int64_t compositor, double depth_tolerance, const Tensor& idx, bool wants_xyz,
    bool wants_feat, bool wants_radius, const OptionalTensor& opacity, bool wants_opacity, bool wants_cameras,
    int64_t radius_unit) {
  Checker check("splat_points_bwd");
  check.dtype("feat", feat, ScalarType::Float);
  const SplatInputs in{xyz,    feat,       radius,          radius_all, cameras,    width,
                       height, compositor, depth_tolerance, opacity,    radius_unit};
  std::vector<Camera> views;
  auto args = checked_args<SplatPointsBwdArgs>(check, in, views);
  check.that(radius || !wants_radius, "radius must be a tensor where its gradient is wanted, got None");
  check.that(opacity || !wants_opacity, "opacity must be a tensor where its gradient is wanted, got None");
  const Shape pixels{args.num_cameras, height, width}, with_channels{args.num_cameras, height, width, args.num_channels};
  check.tensor("idx", idx, {args.num_cameras, height, width, -1}, "[V, H, W, K] = " + spell(pixels) + " + [K] (from cameras)",
               ScalarType::Int);
  check.tensor("grad_feat_out", grad_feat_out, with_channels, spell(with_channels));
  check.tensor("grad_alpha_out", grad_alpha_out, pixels, spell(pixels));
  check.tensor("grad_disp_out", grad_disp_out, pixels, spell(pixels));

  Tensor grad_xyz = check.result(xyz, wants_xyz ? Shape{args.num_points, 3} : Shape{0});
  Tensor grad_feat = check.result(xyz, wants_feat ? Shape{args.num_points, args.num_channels} : Shape{0});
  Tensor grad_radius = check.result(xyz, wants_radius ? Shape{args.num_points} : Shape{0});
  Tensor grad_opacity = check.result(xyz, wants_opacity ? Shape{args.num_points} : Shape{0});
  Tensor grad_cameras = check.result(xyz, wants_cameras ? Shape{args.num_cameras, 16} : Shape{0});
  args.max_points = idx.size(3);
  args.idx = read(idx);
  args.grad_feat_out = read(grad_feat_out);
  args.grad_alpha_out = read(grad_alpha_out);
  args.grad_disp_out = read(grad_disp_out);
  args.grad_xyz = write_if(wants_xyz, grad_xyz);
  args.grad_feat = write_if(wants_feat, grad_feat);
  args.grad_radius = write_if(wants_radius, grad_radius);
  args.grad_opacity = write_if(wants_opacity, grad_opacity);
  args.grad_cameras = write_if(wants_cameras, grad_cameras);
  C3D_RUN(splat_points_bwd, xyz, args);
  return {grad_xyz, grad_feat, grad_radius, grad_opacity, grad_cameras};
}

}  // namespace

C3D_DEFINE(m) {
  m.def(
      "splat_points(Tensor xyz, Tensor feat, Tensor? radius, float radius_all, Tensor cameras, int width, int height, "
      "int compositor, int max_points, float depth_tolerance, bool return_idx, Tensor? hidden=None, Tensor? opacity=None, "
      "int radius_unit=0) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "splat_points_out(Tensor xyz, Tensor feat, Tensor? radius, float radius_all, Tensor cameras, int width, int height, "
      "int compositor, int max_points, float depth_tolerance, Tensor? hidden, Tensor? opacity, Tensor(a!) feat_out, "
      "Tensor(b!) alpha_out, Tensor(c!) disp_out, int radius_unit=0) -> ()");
  m.def(
      "splat_points_bwd(Tensor? grad_feat_out, Tensor? grad_alpha_out, Tensor? grad_disp_out, Tensor xyz, Tensor feat, "
      "Tensor? radius, float radius_all, Tensor cameras, int width, int height, int compositor, float depth_tolerance, "
      "Tensor idx, bool wants_xyz, bool wants_feat, bool wants_radius, Tensor? opacity=None, bool wants_opacity=False, "
      "bool wants_cameras=False, int radius_unit=0) -> (Tensor, Tensor, Tensor, Tensor, Tensor)");
}

C3D_IMPLEMENT(m) {
  m.impl("splat_points", TORCH_BOX(&splat_points));
  m.impl("splat_points_out", TORCH_BOX(&splat_points_out));
  m.impl("splat_points_bwd", TORCH_BOX(&splat_points_bwd));
}

}  // namespace c3d::bindings
