// convert_to_yuv on CUDA.
#include "c3d/yuv_formulas.h"

#include "../checks.h"
#include "launch.cuh"

namespace c3d::cuda {
namespace {

// Thread = 2x2 pixels: 6 bytes read of each row, 2 written, and a byte of each colour, all beside those of its neighbours.
__global__ void __launch_bounds__(256) yuv_convert_kernel(ConvertToYuvArgs args) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int32_t half_width = args.width / 2;
  if (i >= static_cast<int64_t>(half_width) * (args.height / 2)) return;
  const int64_t corner = 2 * (i / half_width) * args.width + 2 * (i % half_width);
  const yuv::Planes out = yuv::planes_of(args);
  int32_t sum[3] = {0, 0, 0};
  for (int k = 0; k < 4; ++k) {
    const int64_t pixel = corner + k / 2 * args.width + k % 2;
    const uint8_t* rgb = args.rgb + 3 * pixel;
    for (int c = 0; c < 3; ++c) sum[c] += rgb[c];
    out.y[pixel] = yuv::luma(rgb[0], rgb[1], rgb[2]);
  }
  out.cb[i] = yuv::cb(sum[0], sum[1], sum[2]);
  out.cr[i] = yuv::cr(sum[0], sum[1], sum[2]);
}

}  // namespace

Status convert_to_yuv(const ConvertToYuvArgs& args, const Context& context) {
  const Status status = check_on_device(args, context);
  if (!status.ok()) return status;
  const int64_t num_blocks = static_cast<int64_t>(args.width / 2) * (args.height / 2);
  return C3D_LAUNCH(yuv_convert_kernel, thread_per_item(num_blocks, 256), context, args);
}

}  // namespace c3d::cuda
