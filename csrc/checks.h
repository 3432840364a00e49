// The core's own checks, the same for both twins: null pointers, sizes, and numbers that hold for a whole call. What arrays
// hold was checked where it entered.
#pragma once

#include "c3d/api.h"

namespace c3d {

constexpr Status invalid(const char* message) { return {StatusCode::kInvalidArgument, message}; }

inline bool is_finite(float value) { return value - value == 0.0f; }
inline bool is_positive(float value) { return value > 0.0f && is_finite(value); }

inline bool is_side(int32_t pixels) { return pixels >= 1 && pixels <= kMaxSide; }
inline bool has_indices(int32_t width, int32_t height) { return int64_t{width} * height <= INT32_MAX; }  // in 32 bits

inline bool has_lens(const Camera& camera) {
  return is_positive(camera.fx) && is_positive(camera.fy) && is_finite(camera.cx) && is_finite(camera.cy);
}

// What an op says about its cameras, [0] of which gives the size of its pictures.
struct CameraMessages {
  const char *size, *sizes, *lens;
};

inline Status check_cameras(const Camera* cameras, int32_t num_cameras, const CameraMessages& messages) {
  if (!is_side(cameras[0].width) || !is_side(cameras[0].height)) return invalid(messages.size);
  for (int32_t view = 0; view < num_cameras; ++view) {
    if (cameras[view].width != cameras[0].width || cameras[view].height != cameras[0].height) return invalid(messages.sizes);
    if (!has_lens(cameras[view])) return invalid(messages.lens);
  }
  return {};
}

inline Status check(const SplatPointsArgs& args) {
  if (args.num_points < 0 || args.num_points > INT32_MAX) return invalid("splat_points: num_points must be 0..2^31-1");
  if (args.num_channels < 1 || args.num_channels > kMaxChannels) return invalid("splat_points: num_channels must be 1..256");
  if (args.max_points < 1 || args.max_points > kMaxHits) return invalid("splat_points: max_points must be 1..64");
  if (args.num_points > 0 && (!args.xyz || !args.feat)) return invalid("splat_points: xyz and feat must not be null");
  if (args.num_cameras > 0 && (!args.cameras || !args.feat_out || !args.alpha_out || !args.disp_out))
    return invalid("splat_points: cameras and outputs must not be null");
  if (args.feat_type != FeatType::kFloat32 && args.feat_type != FeatType::kFloat16 && args.feat_type != FeatType::kBFloat16)
    return invalid("splat_points: feat_type must be kFloat32, kFloat16 or kBFloat16");
  if (args.compositor != Compositor::kAlpha && args.compositor != Compositor::kSurface)
    return invalid("splat_points: compositor must be kAlpha or kSurface");
  if (args.radius_unit != RadiusUnit::kScene && args.radius_unit != RadiusUnit::kPixels)
    return invalid("splat_points: radius_unit must be kScene or kPixels");
  if (!(args.depth_tolerance >= 0.0f)) return invalid("splat_points: depth_tolerance must be >= 0");
  if (!args.radius && !is_finite(args.radius_all)) return invalid("splat_points: radius_all must be finite");
  if (args.num_cameras <= 0) return {};
  for (int32_t view = 0; args.hidden && view < args.num_cameras; ++view)
    if (args.hidden[2 * view] < 0 || args.hidden[2 * view] > args.hidden[2 * view + 1] ||
        args.hidden[2 * view + 1] > args.num_points)
      return invalid("splat_points: hidden must be ranges of points with 0 <= first <= end <= num_points");
  return check_cameras(
      args.cameras, args.num_cameras,
      {"splat_points: camera width and height must be 1..2^23", "splat_points: all cameras must have the size of cameras[0]",
       "splat_points: camera fx and fy must be finite and > 0, cx and cy finite"});
}

inline Status check(const SplatPointsBwdArgs& args) {
  if (args.num_points < 0 || args.num_points > INT32_MAX) return invalid("splat_points_bwd: num_points must be 0..2^31-1");
  if (args.num_channels < 1 || args.num_channels > kMaxChannels)
    return invalid("splat_points_bwd: num_channels must be 1..256");
  if (args.max_points < 1 || args.max_points > kMaxHits) return invalid("splat_points_bwd: max_points must be 1..64");
  if (args.num_points == 0) return {};
  if (!args.xyz || !args.feat) return invalid("splat_points_bwd: xyz and feat must not be null");
  if (args.num_cameras > 0 && (!args.cameras || !args.idx))
    return invalid("splat_points_bwd: cameras and idx must not be null");
  if (args.compositor != Compositor::kAlpha && args.compositor != Compositor::kSurface)
    return invalid("splat_points_bwd: compositor must be kAlpha or kSurface");
  if (args.radius_unit != RadiusUnit::kScene && args.radius_unit != RadiusUnit::kPixels)
    return invalid("splat_points_bwd: radius_unit must be kScene or kPixels");
  if (args.grad_opacity && !args.opacity) return invalid("splat_points_bwd: grad_opacity needs opacity");
  if (!(args.depth_tolerance >= 0.0f)) return invalid("splat_points_bwd: depth_tolerance must be >= 0");
  if (!args.radius && !is_finite(args.radius_all)) return invalid("splat_points_bwd: radius_all must be finite");
  if (args.num_cameras <= 0) return {};
  constexpr const char* kSize = "splat_points_bwd: camera width and height must be 1..2^23, their product < 2^32";
  if (static_cast<int64_t>(args.cameras[0].width) * args.cameras[0].height > UINT32_MAX) return invalid(kSize);
  return check_cameras(args.cameras, args.num_cameras,
                       {kSize, "splat_points_bwd: all cameras must have the size of cameras[0]",
                        "splat_points_bwd: camera fx and fy must be finite and > 0, cx and cy finite"});
}

inline Status check(const IntegrateFlowArgs& args) {
  if (args.num_steps < 0 || args.num_steps > kMaxSteps) return invalid("integrate_flow: num_steps must be 0..2^20");
  if (args.sampling != Sampling::kBilinear && args.sampling != Sampling::kNearest)
    return invalid("integrate_flow: sampling must be kBilinear or kNearest");
  if (args.num_paths < 0) return invalid("integrate_flow: num_paths must be >= 0");
  if (args.num_paths == 0) return {};
  if (!is_side(args.width) || !is_side(args.height)) return invalid("integrate_flow: width and height must be 1..2^23");
  if (!args.step_px || !args.offset_px || !args.inside)
    return invalid("integrate_flow: step_px, offset_px and inside must not be null");
  if (args.sampling == Sampling::kNearest && args.start_px)
    return invalid("integrate_flow: nearest sampling starts at every pixel: start_px must be null");
  if (!args.start_px && args.num_paths != static_cast<int64_t>(args.width) * args.height)
    return invalid("integrate_flow: without start_px num_paths must be width * height");
  return {};
}

inline Status check(const BlendBidirectionalArgs& args) {
  if (args.num_pixels < 0 || args.num_channels < 1)
    return invalid("blend_bidirectional: num_pixels must be >= 0 and num_channels >= 1");
  if (!args.loop_t && !(args.loop_t_all >= 0.0f && args.loop_t_all <= 1.0f))
    return invalid("blend_bidirectional: loop_t_all must be in 0..1");
  if (!is_finite(args.sharpness)) return invalid("blend_bidirectional: sharpness must be finite");
  if (args.num_pixels == 0) return {};
  if (!args.feat_fwd || !args.feat_bwd || !args.alpha_fwd || !args.alpha_bwd || !args.disp_fwd || !args.disp_bwd ||
      !args.feat_out || !args.alpha_out || !args.w_fwd || !args.w_bwd)
    return invalid("blend_bidirectional: rasters and outputs must not be null");
  return {};
}

inline Status check(const BlendBidirectionalBwdArgs& args) {
  if (args.num_pixels < 0 || args.num_channels < 1)
    return invalid("blend_bidirectional_bwd: num_pixels must be >= 0 and num_channels >= 1");
  if (!args.loop_t && !(args.loop_t_all >= 0.0f && args.loop_t_all <= 1.0f))
    return invalid("blend_bidirectional_bwd: loop_t_all must be in 0..1");
  if (!is_finite(args.sharpness)) return invalid("blend_bidirectional_bwd: sharpness must be finite");
  if (args.num_pixels == 0) return {};
  if (!args.feat_fwd || !args.feat_bwd || !args.alpha_fwd || !args.alpha_bwd || !args.disp_fwd || !args.disp_bwd)
    return invalid("blend_bidirectional_bwd: rasters must not be null");
  if (!args.grad_feat_fwd || !args.grad_feat_bwd || !args.grad_alpha_fwd || !args.grad_alpha_bwd || !args.grad_disp_fwd ||
      !args.grad_disp_bwd)
    return invalid("blend_bidirectional_bwd: gradients of the rasters must not be null");
  return {};
}

constexpr float kMaxHoleRadiusPx = 64;

inline Status check(const FindHolesArgs& args) {
  if (args.num_cameras < 1 || !args.cameras) return invalid("find_holes: at least one camera is needed, for the layers' size");
  if (!args.disp || !args.disp_hidden || !args.disp_fluid || !args.step_px || !args.holes)
    return invalid("find_holes: disp, disp_hidden, disp_fluid, step_px and holes must not be null");
  if (args.num_layers < 1 || args.num_layers > kMaxLayers) return invalid("find_holes: num_layers must be 1..256");
  const Status cameras = check_cameras(
      args.cameras, args.num_cameras,
      {"find_holes: camera width and height must be 1..2^23", "find_holes: all cameras must have the size of cameras[0]",
       "find_holes: camera fx and fy must be finite and > 0, cx and cy finite"});
  if (!cameras.ok()) return cameras;
  if (args.num_steps < 0 || args.num_steps > kMaxDriftSteps) return invalid("find_holes: num_steps must be 0..1024");
  if (args.loop_steps < 0) return invalid("find_holes: loop_steps must be >= 0");
  if (!(args.radius_px > 0.0f && args.radius_px <= kMaxHoleRadiusPx))
    return invalid("find_holes: radius_px must be > 0 and <= 64");
  if (!(args.depth_tolerance >= 0.0f)) return invalid("find_holes: depth_tolerance must be >= 0");
  if (!(args.least_existence >= 0.0f && args.least_existence < 1.0f))
    return invalid("find_holes: least_existence must be >= 0 and < 1");
  return {};
}

inline Status check(const InpaintLayersArgs& args) {
  if (args.width < 0 || args.height < 0) return invalid("inpaint_layers: width and height must be >= 0");
  if (args.width == 0 || args.height == 0) return {};
  if ((int64_t{args.width} + 16) * (int64_t{args.height} + 16) > INT32_MAX)  // its padded pixels are counted in 32 bits
    return invalid("inpaint_layers: (width + 16) * (height + 16) must be < 2^31");
  if (!args.rgb || !args.disp || !args.hole || !args.disp_hidden || !args.rgb_out || !args.disp_out)
    return invalid("inpaint_layers: rgb, disp, hole, disp_hidden and outputs must not be null");
  if (args.width > kMaxSide || args.height > kMaxSide) return invalid("inpaint_layers: width and height must be at most 2^23");
  if (!(args.tear_disp >= 0.0f && is_finite(args.tear_disp)))
    return invalid("inpaint_layers: tear_disp must be finite and >= 0");
  return {};
}

inline Status check(const DriftPointsArgs& args) {
  if (args.num_points < 0 || args.num_points > INT32_MAX) return invalid("drift_points: num_points must be 0..2^31-1");
  if (args.num_points == 0) return {};
  if (!is_side(args.canvas.width) || !is_side(args.canvas.height))
    return invalid("drift_points: canvas width and height must be 1..2^23");
  if (!has_indices(args.canvas.width, args.canvas.height)) return invalid("drift_points: canvas must have < 2^31 pixels");
  if (!has_lens(args.canvas)) return invalid("drift_points: canvas fx and fy must be finite and > 0, cx and cy finite");
  if (!is_finite(args.radius_px) || !(args.max_stretch >= 1.0f) || !is_finite(args.least_existence) || !is_finite(args.fade))
    return invalid("drift_points: radius_px, least_existence and fade must be finite, max_stretch >= 1");
  for (const float edge : args.seen_px)
    if (!is_finite(edge)) return invalid("drift_points: seen_px must be finite");
  if (!args.start_px || !args.offset_px || !args.right || !args.below || !args.feat || !args.surface || !args.phase)
    return invalid("drift_points: inputs must not be null");
  if (args.gain && (!args.fine || !args.broad || !is_side(args.gain_width) || !is_side(args.gain_height) ||
                    !has_indices(args.gain_width, args.gain_height) || !is_positive(args.gain_spacing_px)))
    return invalid("drift_points: gain needs fine, broad, a size of 1..2^23, < 2^31 values and a finite spacing > 0");
  const WavesArgs& waves = args.waves;
  if (waves.even && (waves.num_copies < 1 || waves.num_copies > kMaxCopies || !waves.least || !waves.most || !waves.spread ||
                     !waves.colour || !waves.tint))
    return invalid("drift_points: waves need 1..16 copies, least, most, spread, colour and tint");
  if (!args.xyz || !args.feat_out || !args.radius) return invalid("drift_points: outputs must not be null");
  return {};
}

inline Status check(const ComposeFrameArgs& args) {
  if (args.num_pixels < 0) return invalid("compose_frame: num_pixels must be >= 0");
  if (args.num_pixels == 0) return {};
  if (!args.feat_fwd || !args.feat_bwd || !args.alpha_fwd || !args.alpha_bwd || !args.disp_fwd || !args.disp_bwd)
    return invalid("compose_frame: inputs must not be null");
  if (!args.rgb_out || !args.uncovered_out) return invalid("compose_frame: outputs must not be null");
  if (!(args.loop_t >= 0.0f && args.loop_t <= 1.0f)) return invalid("compose_frame: loop_t must be in 0..1");
  if (!is_finite(args.sharpness)) return invalid("compose_frame: sharpness must be finite");
  if (!is_positive(args.least_alpha)) return invalid("compose_frame: least_alpha must be finite and > 0");
  return {};
}

inline Status check(const SplatFrameArgs& args) {
  if (args.num_points < 0 || args.num_points > INT32_MAX) return invalid("splat_frame: num_points must be 0..2^31-1");
  if (args.num_points > 0 && (!args.xyz || !args.feat || !args.radius))
    return invalid("splat_frame: xyz, feat and radius must not be null");
  if (args.num_sides < 1 || args.num_sides > 2) return invalid("splat_frame: num_sides must be 1 or 2");
  if (!args.hidden || !args.rgb_out || !args.uncovered_out) return invalid("splat_frame: hidden and outputs must not be null");
  for (int32_t side = 0; side < args.num_sides; ++side)
    if (args.hidden[2 * side] < 0 || args.hidden[2 * side] > args.hidden[2 * side + 1] ||
        args.hidden[2 * side + 1] > args.num_points)
      return invalid("splat_frame: hidden must be ranges of points with 0 <= first <= end <= num_points");
  if (args.max_points < 1 || args.max_points > kMaxHits) return invalid("splat_frame: max_points must be 1..64");
  if (!(args.depth_tolerance >= 0.0f)) return invalid("splat_frame: depth_tolerance must be >= 0");
  if (!(args.loop_t >= 0.0f && args.loop_t <= 1.0f)) return invalid("splat_frame: loop_t must be in 0..1");
  if (!is_finite(args.sharpness)) return invalid("splat_frame: sharpness must be finite");
  if (!is_positive(args.least_alpha)) return invalid("splat_frame: least_alpha must be finite and > 0");
  return check_cameras(&args.camera, 1,
                       {"splat_frame: camera width and height must be 1..2^23", "",
                        "splat_frame: camera fx and fy must be finite and > 0, cx and cy finite"});
}

inline Status check(const FillUncoveredArgs& args) {
  if (args.width < 0 || args.height < 0) return invalid("fill_uncovered: width and height must be >= 0");
  if (args.width == 0 || args.height == 0) return {};
  if (!is_side(args.width) || !is_side(args.height)) return invalid("fill_uncovered: width and height must be at most 2^23");
  if (!has_indices(args.width, args.height)) return invalid("fill_uncovered: the frame must have < 2^31 pixels");
  if (!args.rgb || !args.uncovered || !args.rgb_out)
    return invalid("fill_uncovered: rgb, uncovered and rgb_out must not be null");
  return {};
}

inline Status check(const ConvertToYuvArgs& args) {
  if (args.width < 0 || args.height < 0 || args.width % 2 != 0 || args.height % 2 != 0)
    return invalid("convert_to_yuv: width and height must be even and >= 0");
  if (args.width == 0 || args.height == 0) return {};
  if (!is_side(args.width) || !is_side(args.height)) return invalid("convert_to_yuv: width and height must be at most 2^23");
  if (!has_indices(args.width, args.height)) return invalid("convert_to_yuv: the frame must have < 2^31 pixels");
  if (!args.rgb || !args.yuv_out) return invalid("convert_to_yuv: rgb and yuv_out must not be null");
  return {};
}

// The whole call, on the host: it needs threads and memory.
template <typename Args>
Status check_on_host(const Args& args, const Context& context) {
  if (!context.scratch.allocate) return invalid("context: scratch.allocate must not be null");
  if (!context.executor.run || context.executor.num_threads < 1)
    return invalid("context: executor.run must not be null, num_threads >= 1");
  return check(args);
}

template <typename Args>
Status check_on_device(const Args& args, const Context& context) {
  if (!context.scratch.allocate) return invalid("context: scratch.allocate must not be null");
  return check(args);
}

}  // namespace c3d
