// drift_points.
#include "call.h"

namespace c3d::bindings {
namespace {

using Named = std::vector<std::pair<const char*, const OptionalTensor&>>;

void check_waves(Checker& check, int64_t m, const std::string& from_start, const OptionalTensor& even,
                 const std::vector<double>& weight, const Named& values, const Named& colours) {
  for (const Named& all : {values, colours})
    for (const auto& [name, tensor] : all)
      check.that(tensor.has_value() == even.has_value(), "even, least, most, spread, colour and tint must be given together");
  const int64_t num_copies = static_cast<int64_t>(weight.size());
  check.that(!even || (num_copies >= 1 && num_copies <= kMaxCopies), "weight must have 1..16 numbers, got ", num_copies);
  check.tensor("even", even, {num_copies, 2, m},
               "[K, 2, M] with K = " + std::to_string(num_copies) + " (from weight)" + from_start);
  for (const auto& [name, tensor] : values) check.tensor(name, tensor, {m}, "[M]" + from_start);
  for (const auto& [name, tensor] : colours) check.tensor(name, tensor, {m, 3}, "[M, 3]" + from_start);
}

void drift_points(const Tensor& start_px, const Tensor& offset_px, const Tensor& right, const Tensor& below,
                  const Tensor& feat, const Tensor& surface, double fx, double fy, double cx, double cy, double radius_px,
                  double max_stretch, double least_existence, const OptionalTensor& fine, const OptionalTensor& broad,
                  const OptionalTensor& gain, double gain_spacing_px, const Tensor& phase, double fade, const Tensor& xyz_out,
                  const Tensor& feat_out, const Tensor& radius_out, const std::vector<double>& weight,
                  const OptionalTensor& even, const OptionalTensor& least, const OptionalTensor& most,
                  const OptionalTensor& spread, const OptionalTensor& colour, const OptionalTensor& tint,
                  const OptionalTensor& moment, const std::vector<double>& seen_px) {
  Checker check("drift_points");
  check.tensor("start_px", start_px, {-1, 2}, "[M, 2]");
  const int64_t m = start_px.size(0);
  const std::string from_start = " with M = " + std::to_string(m) + " (from start_px)";
  check.tensor("offset_px", offset_px, {m, 2}, "[M, 2]" + from_start);
  check.tensor("right", right, {m}, "[M]" + from_start, ScalarType::Int);
  check.tensor("below", below, {m}, "[M]" + from_start, ScalarType::Int);
  check.tensor("feat", feat, {m, 4}, "[M, 4]" + from_start);
  check.tensor("surface", surface, {-1, -1, 8}, "[H, W, 8]");
  const int64_t h = surface.size(0), w = surface.size(1);
  check.that(h >= 1 && w >= 1 && h <= kMaxSide && w <= kMaxSide, "surface must be [H, W, 8] with H and W in 1..2^23, got ",
             spell(shape_of(surface)));
  check.that(fx > 0.0 && fy > 0.0, "canvas must have fx and fy > 0, got ", fx, ", ", fy);
  check.that(fine.has_value() == gain.has_value() && broad.has_value() == gain.has_value(),
             "fine, broad and gain must be given together");
  check.tensor("fine", fine, {m, 2, 3}, "[M, 2, 3]" + from_start);
  check.tensor("broad", broad, {m, 3}, "[M, 3]" + from_start);
  check.tensor("gain", gain, {-1, -1}, "[h, w]");
  check.that(!gain || (gain->size(0) >= 1 && gain->size(1) >= 1 && gain->size(0) <= kMaxSide && gain->size(1) <= kMaxSide),
             "gain must be [h, w] with h and w in 1..2^23, got ", gain ? spell(shape_of(*gain)) : "None");
  check.that(!gain || gain_spacing_px > 0.0, "gain_spacing_px must be > 0, got ", gain_spacing_px);
  check_waves(check, m, from_start, even, weight, {{"least", least}, {"most", most}, {"spread", spread}},
              {{"colour", colour}, {"tint", tint}});
  const int64_t num_numbers = 1 + static_cast<int64_t>(weight.size());
  check.tensor("moment", moment, {num_numbers}, "[" + std::to_string(num_numbers) + "] (a fade, and a number a copy)");
  if (!seen_px.empty()) {
    check.that(seen_px.size() == 4, "seen_px must be (x0, y0, x1, y1), got ", seen_px.size(), " numbers");
    check.that(seen_px[0] < seen_px[2] && seen_px[1] < seen_px[3],
               "seen_px must be (x0, y0, x1, y1) with x0 < x1 and y0 < y1, got ", seen_px[0], ", ", seen_px[1], ", ",
               seen_px[2], ", ", seen_px[3]);
  }
  check.tensor("phase", phase, {m}, "[M]" + from_start);
  check.tensor("out.xyz", xyz_out, {m, 3}, "[M, 3]" + from_start);
  check.tensor("out.feat", feat_out, {m, 4}, "[M, 4]" + from_start);
  check.tensor("out.radius", radius_out, {m}, "[M]" + from_start);

  DriftPointsArgs args;
  args.start_px = read(start_px);
  args.offset_px = read(offset_px);
  args.right = read(right);
  args.below = read(below);
  args.feat = read(feat);
  args.surface = read(surface);
  args.canvas.fx = fx;
  args.canvas.fy = fy;
  args.canvas.cx = cx;
  args.canvas.cy = cy;
  args.canvas.width = w;
  args.canvas.height = h;
  args.radius_px = radius_px;
  args.max_stretch = max_stretch;
  args.least_existence = least_existence;
  for (size_t k = 0; k < seen_px.size(); ++k) args.seen_px[k] = static_cast<float>(seen_px[k]);
  args.fine = read(fine);
  args.broad = read(broad);
  args.gain = read(gain);
  args.gain_width = gain ? gain->size(1) : 0;
  args.gain_height = gain ? gain->size(0) : 0;
  args.gain_spacing_px = gain_spacing_px;
  args.waves.even = read(even);
  args.waves.num_copies = weight.size();
  for (size_t k = 0; even && k < weight.size(); ++k) args.waves.weight[k] = weight[k];
  args.waves.least = read(least);
  args.waves.most = read(most);
  args.waves.spread = read(spread);
  args.waves.colour = read(colour);
  args.waves.tint = read(tint);
  args.phase = read(phase);
  args.fade = fade;
  args.moment = read(moment);
  args.num_points = m;
  args.xyz = write(xyz_out);
  args.feat_out = write(feat_out);
  args.radius = write(radius_out);
  C3D_RUN(drift_points, start_px, args);
}

}  // namespace

C3D_DEFINE(m) {
  m.def(
      "drift_points(Tensor start_px, Tensor offset_px, Tensor right, Tensor below, Tensor feat, Tensor surface, float fx, "
      "float fy, float cx, float cy, float radius_px, float max_stretch, float least_existence, Tensor? fine, Tensor? broad, "
      "Tensor? gain, float gain_spacing_px, Tensor phase, float fade, Tensor(a!) xyz_out, Tensor(b!) feat_out, "
      "Tensor(c!) radius_out, float[] weight=[], Tensor? even=None, Tensor? least=None, Tensor? most=None, Tensor? "
      "spread=None, "
      "Tensor? colour=None, Tensor? tint=None, Tensor? moment=None, float[] seen_px=[]) -> ()");
}

C3D_IMPLEMENT(m) { m.impl("drift_points", TORCH_BOX(&drift_points)); }

}  // namespace c3d::bindings
