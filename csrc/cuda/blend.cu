// blend_bidirectional on CUDA: the forward- and the backward-displaced picture become one.
#include "../checks.h"
#include "c3d/formulas.h"
#include "launch.cuh"

namespace c3d::cuda {
namespace {

constexpr int kBlockPixels = 256;
constexpr int32_t kMaxBlendChannels = 1 << 23;  // a block's features are counted in 32 bits

struct BlendArgs {
  BlendBidirectionalArgs rasters;
  bool by_four;  // features are aligned for 16-byte accesses
};

// Block = 256 pixels; thread = first one pixel's weights, then every 256th group of four values of the block's stretch of
// [M, C]. The stretch is contiguous whatever C is, so all features move in full 16-byte accesses; the weights wait in shared
// memory. Each input byte is read once, each output byte written once.
__global__ void __launch_bounds__(kBlockPixels) blend_pixels_kernel(BlendArgs launched) {
  const BlendBidirectionalArgs& args = launched.rasters;
  __shared__ float weight_fwd[kBlockPixels], weight_bwd[kBlockPixels];
  const int64_t first_pixel = static_cast<int64_t>(blockIdx.x) * kBlockPixels;
  const int64_t rest = args.num_pixels - first_pixel;
  const uint32_t num_pixels = rest < kBlockPixels ? static_cast<uint32_t>(rest) : kBlockPixels;
  const uint32_t num_channels = static_cast<uint32_t>(args.num_channels);

  if (threadIdx.x < num_pixels) {
    const int64_t i = first_pixel + threadIdx.x;
    const float alpha_fwd = args.alpha_fwd[i], alpha_bwd = args.alpha_bwd[i];
    const float loop_t = args.loop_t ? args.loop_t[i] : args.loop_t_all;
    const BlendWeights w = blend_weights(alpha_fwd, args.disp_fwd[i], alpha_bwd, args.disp_bwd[i], loop_t, args.sharpness);
    args.w_fwd[i] = weight_fwd[threadIdx.x] = w.fwd;
    args.w_bwd[i] = weight_bwd[threadIdx.x] = w.bwd;
    args.alpha_out[i] = w.fwd * alpha_fwd + w.bwd * alpha_bwd;
  }
  __syncthreads();

  const float* fwd = args.feat_fwd + first_pixel * num_channels;
  const float* bwd = args.feat_bwd + first_pixel * num_channels;
  float* out = args.feat_out + first_pixel * num_channels;
  const uint32_t num_values = num_pixels * num_channels;
  const auto blend = [&](uint32_t pixel, float f, float b) { return weight_fwd[pixel] * f + weight_bwd[pixel] * b; };
  const uint32_t num_vectors = launched.by_four ? num_values / 4 : 0;
  for (uint32_t v = threadIdx.x; v < num_vectors; v += kBlockPixels) {
    const float4 f = __ldg(reinterpret_cast<const float4*>(fwd) + v);
    const float4 b = __ldg(reinterpret_cast<const float4*>(bwd) + v);
    uint32_t pixel = 4 * v / num_channels, channel = 4 * v - pixel * num_channels;
    const auto next = [&] {
      const uint32_t here = pixel;
      if (++channel == num_channels) ++pixel, channel = 0;
      return here;
    };
    float4 mixed;
    mixed.x = blend(next(), f.x, b.x);
    mixed.y = blend(next(), f.y, b.y);
    mixed.z = blend(next(), f.z, b.z);
    mixed.w = blend(next(), f.w, b.w);
    __stcs(reinterpret_cast<float4*>(out) + v, mixed);
  }
  for (uint32_t i = 4 * num_vectors + threadIdx.x; i < num_values; i += kBlockPixels)
    out[i] = blend(i / num_channels, fwd[i], bwd[i]);
}

}  // namespace

Status blend_bidirectional(const BlendBidirectionalArgs& args, const Context& context) {
  const Status status = check_on_device(args, context);
  if (!status.ok() || args.num_pixels == 0) return status;
  if (args.num_channels > kMaxBlendChannels)
    return {StatusCode::kInvalidArgument, "blend_bidirectional: num_channels must be <= 2^23"};
  const uintptr_t addresses = reinterpret_cast<uintptr_t>(args.feat_fwd) | reinterpret_cast<uintptr_t>(args.feat_bwd) |
                              reinterpret_cast<uintptr_t>(args.feat_out);
  return C3D_LAUNCH(blend_pixels_kernel, thread_per_item(args.num_pixels, kBlockPixels), context,
                    {args, addresses % sizeof(float4) == 0});
}

}  // namespace c3d::cuda
