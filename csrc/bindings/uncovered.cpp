// fill_uncovered.
#include "call.h"

namespace c3d::bindings {
namespace {

Tensor fill_uncovered(const Tensor& rgb, const Tensor& uncovered) {
  Checker check("fill_uncovered");
  check.tensor("rgb", rgb, {-1, -1, 3}, "[H, W, 3]", ScalarType::Byte);
  const Shape shape = shape_of(rgb), pixels = without_last(shape);
  check.tensor("uncovered", uncovered, pixels, spell(pixels) + " (from rgb)", ScalarType::Bool);
  check.that(pixels[0] <= kMaxSide && pixels[1] <= kMaxSide, "rgb must be [H, W, 3] with H and W at most 2^23, got ",
             spell(shape));

  Tensor filled = check.result(rgb, shape, ScalarType::Byte);
  FillUncoveredArgs args;
  args.rgb = read(rgb);
  args.uncovered = read(uncovered);
  args.width = pixels[1];
  args.height = pixels[0];
  args.rgb_out = write(filled);
  C3D_RUN(fill_uncovered, rgb, args);
  return filled;
}

}  // namespace

C3D_DEFINE(m) { m.def("fill_uncovered(Tensor rgb, Tensor uncovered) -> Tensor"); }

C3D_IMPLEMENT(m) { m.impl("fill_uncovered", TORCH_BOX(&fill_uncovered)); }

}  // namespace c3d::bindings
