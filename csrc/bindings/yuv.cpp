// convert_to_yuv.
#include "call.h"

namespace c3d::bindings {
namespace {

Tensor convert_to_yuv(const Tensor& rgb) {
  Checker check("convert_to_yuv");
  check.tensor("rgb", rgb, {-1, -1, 3}, "[H, W, 3]", ScalarType::Byte);
  const Shape shape = shape_of(rgb);
  const int64_t height = shape[0], width = shape[1];
  check.that(height % 2 == 0 && width % 2 == 0, "rgb must be [H, W, 3] with even H and W, got ", spell(shape));
  check.that(height <= kMaxSide && width <= kMaxSide, "rgb must be [H, W, 3] with H and W at most 2^23, got ", spell(shape));

  Tensor yuv = check.result(rgb, {height + height / 2, width}, ScalarType::Byte);
  ConvertToYuvArgs args;
  args.rgb = read(rgb);
  args.width = width;
  args.height = height;
  args.yuv_out = write(yuv);
  C3D_RUN(convert_to_yuv, rgb, args);
  return yuv;
}

}  // namespace

C3D_DEFINE(m) { m.def("convert_to_yuv(Tensor rgb) -> Tensor"); }

C3D_IMPLEMENT(m) { m.impl("convert_to_yuv", TORCH_BOX(&convert_to_yuv)); }

}  // namespace c3d::bindings
