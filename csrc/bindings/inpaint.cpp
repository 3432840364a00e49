// inpaint_layers.
#include "call.h"

namespace c3d::bindings {
namespace {

std::tuple<Tensor, Tensor> inpaint_layers(const Tensor& rgb, const Tensor& disp, const Tensor& hole, const Tensor& disp_hidden,
                                          double tear_disp) {
  Checker check("inpaint_layers");
  check.tensor("rgb", rgb, {-1, -1, 3}, "[H, W, 3]");
  const int64_t h = rgb.size(0), w = rgb.size(1);
  const std::string spelled = spell({h, w}) + " (from rgb)";
  check.tensor("disp", disp, {h, w}, spelled);
  check.tensor("hole", hole, {h, w}, spelled, ScalarType::Bool);
  check.tensor("disp_hidden", disp_hidden, {h, w}, spelled);
  check.that(tear_disp >= 0.0, "tear_disp must be >= 0, got ", tear_disp);
  check.that(h * w <= int64_t{1} << 30, "rgb must be [H, W, 3] with H * W <= 2^30, got ", spell(shape_of(rgb)));

  Tensor rgb_out = check.result(rgb, {h, w, 3}), disp_out = check.result(rgb, {h, w});
  InpaintLayersArgs args;
  args.rgb = read(rgb);
  args.disp = read(disp);
  args.hole = read(hole);
  args.disp_hidden = read(disp_hidden);
  args.width = w;
  args.height = h;
  args.tear_disp = tear_disp;
  args.rgb_out = write(rgb_out);
  args.disp_out = write(disp_out);
  C3D_RUN(inpaint_layers, rgb, args);
  return {rgb_out, disp_out};
}

}  // namespace

C3D_DEFINE(m) {
  m.def("inpaint_layers(Tensor rgb, Tensor disp, Tensor hole, Tensor disp_hidden, float tear_disp) -> (Tensor, Tensor)");
}

C3D_IMPLEMENT(m) { m.impl("inpaint_layers", TORCH_BOX(&inpaint_layers)); }

}  // namespace c3d::bindings
