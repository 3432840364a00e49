// The core's own checks, the same for both twins: null pointers and sizes. Values were checked where they entered.
#pragma once

#include "c3d/api.h"

namespace c3d {

// Whether all views are of one size: outputs are one array, of num_cameras pictures of cameras[0].
inline bool same_sizes(const Camera* cameras, int32_t num_cameras) {
  for (int32_t view = 1; view < num_cameras; ++view)
    if (cameras[view].width != cameras[0].width || cameras[view].height != cameras[0].height) return false;
  return true;
}

inline Status check(const SplatPointsArgs& args) {
  const auto invalid = [](const char* message) { return Status{StatusCode::kInvalidArgument, message}; };
  if (args.num_points < 0 || args.num_points > INT32_MAX) return invalid("splat_points: num_points must be 0..2^31-1");
  if (args.num_channels < 1 || args.num_channels > kMaxChannels) return invalid("splat_points: num_channels must be 1..256");
  if (args.max_points < 1 || args.max_points > kMaxHits) return invalid("splat_points: max_points must be 1..64");
  if (args.num_points > 0 && (!args.xyz || !args.feat)) return invalid("splat_points: xyz and feat must not be null");
  if (args.num_cameras > 0 && (!args.cameras || !args.feat_out || !args.alpha_out || !args.disp_out))
    return invalid("splat_points: cameras and outputs must not be null");
  if (args.num_cameras <= 0) return {};
  if (args.cameras[0].width < 1 || args.cameras[0].height < 1)
    return invalid("splat_points: camera width and height must be >= 1");
  if (!same_sizes(args.cameras, args.num_cameras))
    return invalid("splat_points: all cameras must have the size of cameras[0]");
  return {};
}

inline Status check(const SplatPointsBwdArgs& args) {
  const auto invalid = [](const char* message) { return Status{StatusCode::kInvalidArgument, message}; };
  if (args.num_points < 0 || args.num_points > INT32_MAX) return invalid("splat_points_bwd: num_points must be 0..2^31-1");
  if (args.num_channels < 1 || args.num_channels > kMaxChannels)
    return invalid("splat_points_bwd: num_channels must be 1..256");
  if (args.max_points < 1 || args.max_points > kMaxHits) return invalid("splat_points_bwd: max_points must be 1..64");
  if (args.num_points == 0) return {};
  if (!args.xyz || !args.feat) return invalid("splat_points_bwd: xyz and feat must not be null");
  if (args.num_cameras > 0 && (!args.cameras || !args.idx))
    return invalid("splat_points_bwd: cameras and idx must not be null");
  if (args.num_cameras <= 0) return {};
  const int64_t num_pixels = static_cast<int64_t>(args.cameras[0].width) * args.cameras[0].height;
  if (args.cameras[0].width < 1 || args.cameras[0].height < 1 || num_pixels > UINT32_MAX)
    return invalid("splat_points_bwd: camera width and height must be >= 1, their product < 2^32");
  if (!same_sizes(args.cameras, args.num_cameras))
    return invalid("splat_points_bwd: all cameras must have the size of cameras[0]");
  return {};
}

inline Status check(const IntegrateFlowArgs& args) {
  const auto invalid = [](const char* message) { return Status{StatusCode::kInvalidArgument, message}; };
  if (args.num_steps < 0) return invalid("integrate_flow: num_steps must be >= 0");
  if (args.num_paths < 0) return invalid("integrate_flow: num_paths must be >= 0");
  if (args.num_paths == 0) return {};
  if (args.width < 1 || args.height < 1) return invalid("integrate_flow: width and height must be >= 1");
  if (!args.step_px || !args.offset_px || !args.inside)
    return invalid("integrate_flow: step_px, offset_px and inside must not be null");
  if (args.sampling == Sampling::kNearest && args.start_px)
    return invalid("integrate_flow: nearest sampling starts at every pixel: start_px must be null");
  if (!args.start_px && args.num_paths != static_cast<int64_t>(args.width) * args.height)
    return invalid("integrate_flow: without start_px num_paths must be width * height");
  return {};
}

inline Status check(const BlendBidirectionalArgs& args) {
  const auto invalid = [](const char* message) { return Status{StatusCode::kInvalidArgument, message}; };
  if (args.num_pixels < 0 || args.num_channels < 1)
    return invalid("blend_bidirectional: num_pixels must be >= 0 and num_channels >= 1");
  if (args.num_pixels == 0) return {};
  if (!args.feat_fwd || !args.feat_bwd || !args.alpha_fwd || !args.alpha_bwd || !args.disp_fwd || !args.disp_bwd ||
      !args.feat_out || !args.alpha_out || !args.w_fwd || !args.w_bwd)
    return invalid("blend_bidirectional: rasters and outputs must not be null");
  return {};
}

inline Status check(const BlendBidirectionalBwdArgs& args) {
  const auto invalid = [](const char* message) { return Status{StatusCode::kInvalidArgument, message}; };
  if (args.num_pixels < 0 || args.num_channels < 1)
    return invalid("blend_bidirectional_bwd: num_pixels must be >= 0 and num_channels >= 1");
  if (args.num_pixels == 0) return {};
  if (!args.feat_fwd || !args.feat_bwd || !args.alpha_fwd || !args.alpha_bwd || !args.disp_fwd || !args.disp_bwd)
    return invalid("blend_bidirectional_bwd: rasters must not be null");
  if (!args.grad_feat_fwd || !args.grad_feat_bwd || !args.grad_alpha_fwd || !args.grad_alpha_bwd || !args.grad_disp_fwd ||
      !args.grad_disp_bwd)
    return invalid("blend_bidirectional_bwd: gradients of the rasters must not be null");
  return {};
}

inline Status check(const FindHolesArgs& args) {
  const auto invalid = [](const char* message) { return Status{StatusCode::kInvalidArgument, message}; };
  if (args.num_cameras < 1 || !args.cameras) return invalid("find_holes: at least one camera is needed, for the layers' size");
  if (!args.disp || !args.disp_hidden || !args.disp_fluid || !args.step_px || !args.holes)
    return invalid("find_holes: disp, disp_hidden, disp_fluid, step_px and holes must not be null");
  if (args.num_layers < 1) return invalid("find_holes: num_layers must be >= 1");
  if (args.cameras[0].width < 1 || args.cameras[0].height < 1) return invalid("find_holes: width and height must be >= 1");
  if (!same_sizes(args.cameras, args.num_cameras)) return invalid("find_holes: all cameras must have the size of cameras[0]");
  return {};
}

inline Status check(const InpaintLayersArgs& args) {
  const auto invalid = [](const char* message) { return Status{StatusCode::kInvalidArgument, message}; };
  if (args.width < 0 || args.height < 0) return invalid("inpaint_layers: width and height must be >= 0");
  if (args.width == 0 || args.height == 0) return {};
  if ((int64_t{args.width} + 16) * (int64_t{args.height} + 16) > INT32_MAX)  // its padded pixels are counted in 32 bits
    return invalid("inpaint_layers: (width + 16) * (height + 16) must be < 2^31");
  if (!args.rgb || !args.disp || !args.hole || !args.disp_hidden || !args.rgb_out || !args.disp_out)
    return invalid("inpaint_layers: rgb, disp, hole, disp_hidden and outputs must not be null");
  return {};
}

inline Status check(const DriftPointsArgs& args) {
  const auto invalid = [](const char* message) { return Status{StatusCode::kInvalidArgument, message}; };
  if (args.num_points < 0 || args.num_points > INT32_MAX) return invalid("drift_points: num_points must be 0..2^31-1");
  if (args.num_points == 0) return {};
  if (args.canvas.width < 1 || args.canvas.height < 1) return invalid("drift_points: canvas width and height must be >= 1");
  if (!args.start_px || !args.offset_px || !args.right || !args.below || !args.feat || !args.surface || !args.phase)
    return invalid("drift_points: inputs must not be null");
  if (args.gain && (!args.fine || !args.broad || args.gain_width < 1 || args.gain_height < 1))
    return invalid("drift_points: gain needs fine, broad and a size >= 1");
  if (!args.xyz || !args.feat_out || !args.radius) return invalid("drift_points: outputs must not be null");
  return {};
}

inline Status check(const ComposeFrameArgs& args) {
  const auto invalid = [](const char* message) { return Status{StatusCode::kInvalidArgument, message}; };
  if (args.num_pixels < 0) return invalid("compose_frame: num_pixels must be >= 0");
  if (args.num_pixels == 0) return {};
  if (!args.feat_fwd || !args.feat_bwd || !args.alpha_fwd || !args.alpha_bwd || !args.disp_fwd || !args.disp_bwd)
    return invalid("compose_frame: inputs must not be null");
  if (!args.rgb_out || !args.uncovered_out) return invalid("compose_frame: outputs must not be null");
  return {};
}

}  // namespace c3d
