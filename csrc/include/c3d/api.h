// c3d: the rendering core of c3drender. Plain structs in, plain arrays out; no torch, no Python, no exceptions, no globals.
//
// Frames: camera space is +x right, +y down, +z forward. Pixel (x, y) covers [x, x+1) x [y, y+1), its centre is at +0.5.
// All arrays are contiguous, row-major, on the device of the function called (c3d::cpu:: host memory).
#pragma once

#include <cstddef>
#include <cstdint>

#include "c3d/version.h"

namespace c3d {

enum class StatusCode { kOk, kInvalidArgument, kOutOfMemory, kDeviceError };

struct Status {
  StatusCode code = StatusCode::kOk;
  // Names the op and the argument. Static storage, but for kDeviceError: the thread's own, overwritten by its next one.
  const char* message = "";
  bool ok() const { return code == StatusCode::kOk; }
};

// Hands out working memory for one call. The core never frees: the owner releases everything after the call returned.
struct Scratch {
  void* (*allocate)(void* user, size_t num_bytes) = nullptr;  // 64-byte aligned; nullptr when out of memory
  void* user = nullptr;
};

// Runs task(task_user, i) for i in [0, num_tasks), in any order, on any threads; returns when all are done.
struct Executor {
  void (*run)(void* user, int64_t num_tasks, void (*task)(void* task_user, int64_t i), void* task_user) = nullptr;
  void* user = nullptr;
  int num_threads = 1;
};

struct Context {
  Scratch scratch;         // c3d::cuda:: device memory
  Executor executor;       // c3d::cuda:: not used
  void* stream = nullptr;  // c3d::cuda:: the cudaStream_t that everything is queued on
};

// An Executor on std::thread that starts num_threads - 1 threads per run. num_threads < 1 means one per hardware thread.
// A Workspace (c3d/workspace.h) keeps its threads, and its memory.
C3D_API Executor make_thread_executor(int num_threads);

enum class FeatType : int32_t { kFloat32, kFloat16, kBFloat16 };
enum class Compositor : int32_t { kAlpha = 0, kSurface = 1 };
// What a point's radius counts: kScene shrinks with the distance, radius_px = fx * radius / z; kPixels does not.
enum class RadiusUnit : int32_t { kScene = 0, kPixels = 1 };
enum class Sampling : int32_t { kBilinear = 0, kNearest = 1 };

struct Camera {
  float fx = 0, fy = 0, cx = 0, cy = 0;                           // px
  int32_t width = 0, height = 0;                                  // px
  float world_to_cam[12] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};  // [3, 4] row-major
};

constexpr int kMaxChannels = 256;
constexpr int kMaxHits = 64;
constexpr int32_t kMaxSide = 1 << 23;        // px of a width or height: up to here a float tells all pixel centres apart
constexpr int32_t kMaxSteps = 1 << 20;       // of integrate_flow
constexpr int32_t kMaxCopies = 16;           // of waves, of drift_points
constexpr int32_t kMaxLayers = 256;          // of find_holes
constexpr int32_t kMaxDriftSteps = 1024;     // of find_holes, which looks from every view at each

// An op takes a struct of its own, whose fields are set by name:
//
//   c3d::SplatPointsArgs args;
//   args.xyz = xyz.data();
//
// What is left unset is nullptr or 0: an optional input that is not given. A pointer that is needed is refused as
// kInvalidArgument.

struct SplatPointsArgs {
  const float* xyz = nullptr;       // [N, 3] world space
  const void* feat = nullptr;       // [N, C] of feat_type
  const float* radius = nullptr;    // [N] of radius_unit; nullptr: radius_all for every point
  float radius_all = 0;
  RadiusUnit radius_unit = RadiusUnit::kScene;
  const float* opacity = nullptr;   // [N] 0..1; nullptr: 1 for every point
  int64_t num_points = 0;           // N
  int32_t num_channels = 0;         // C, 1..kMaxChannels
  FeatType feat_type = FeatType::kFloat32;
  const Camera* cameras = nullptr;  // [V] host memory; one width and height for all
  int32_t num_cameras = 0;          // V
  const int64_t* hidden = nullptr;  // [V, 2] host memory: points first .. end - 1 that a view does not see; or nullptr
  Compositor compositor = Compositor::kAlpha;
  int32_t max_points = 0;           // K nearest hits kept per pixel, 1..kMaxHits
  float depth_tolerance = 0;        // kSurface: relative depth within which hits form one surface
  float* feat_out = nullptr;        // [V, H, W, C]
  float* alpha_out = nullptr;       // [V, H, W]
  float* disp_out = nullptr;        // [V, H, W] 1/z, composited
  int32_t* idx_out = nullptr;       // [V, H, W, K] point index, -1 where empty; or nullptr
};

// Gradients of splat_points for given gradients of its outputs. The hits of a pixel and their order count as constant.
struct SplatPointsBwdArgs {
  const float* xyz = nullptr;             // the inputs of the forward call, but for feat, which is float32 here
  const float* feat = nullptr;            // [N, C]
  const float* radius = nullptr;
  float radius_all = 0;
  RadiusUnit radius_unit = RadiusUnit::kScene;
  const float* opacity = nullptr;
  int64_t num_points = 0;                 // N
  int32_t num_channels = 0;               // C
  const Camera* cameras = nullptr;        // [V] host memory
  int32_t num_cameras = 0;                // V
  Compositor compositor = Compositor::kAlpha;
  int32_t max_points = 0;                 // K
  float depth_tolerance = 0;
  const int32_t* idx = nullptr;           // [V, H, W, K] the hits that the forward call returned
  const float* grad_feat_out = nullptr;   // [V, H, W, C] or nullptr: zero
  const float* grad_alpha_out = nullptr;  // [V, H, W] or nullptr: zero
  const float* grad_disp_out = nullptr;   // [V, H, W] or nullptr: zero
  float* grad_xyz = nullptr;              // [N, 3] world space, or nullptr: not wanted
  float* grad_feat = nullptr;             // [N, C] or nullptr: not wanted
  float* grad_radius = nullptr;           // [N] or nullptr: not wanted
  float* grad_opacity = nullptr;          // [N] or nullptr: not wanted; needs opacity
  float* grad_cameras = nullptr;          // [V, 16] of fx, fy, cx, cy, then world_to_cam [3, 4]; or nullptr: not wanted
};

struct IntegrateFlowArgs {
  const float* step_px = nullptr;           // [H, W, 2] (x, y) px per step
  int32_t width = 0, height = 0;
  const float* start_px = nullptr;          // [P, 2] centres at +0.5; nullptr: every pixel's, row-major (P = H * W)
  int64_t num_paths = 0;                    // P
  int32_t num_steps = 0;                    // T
  Sampling sampling = Sampling::kBilinear;  // kNearest: the released code's rule; needs start_px == nullptr
  float* offset_px = nullptr;               // [T+1, P, 2] from the start after 0..T steps
  uint8_t* inside = nullptr;                // [T+1, P] 1 until the path left the frame
};

struct BlendBidirectionalArgs {
  const float *feat_fwd = nullptr, *feat_bwd = nullptr;    // [M, C]
  const float *alpha_fwd = nullptr, *alpha_bwd = nullptr;  // [M]
  const float *disp_fwd = nullptr, *disp_bwd = nullptr;    // [M]
  const float* loop_t = nullptr;                           // [M] 0..1; nullptr: loop_t_all for every pixel
  float loop_t_all = 0;
  float sharpness = 0;                                     // k in exp(k d)
  int64_t num_pixels = 0;                                  // M
  int32_t num_channels = 0;                                // C
  float* feat_out = nullptr;                               // [M, C]
  float* alpha_out = nullptr;                              // [M]
  float *w_fwd = nullptr, *w_bwd = nullptr;                // [M]
};

// Gradients of blend_bidirectional for given gradients of its outputs.
struct BlendBidirectionalBwdArgs {
  const float *feat_fwd = nullptr, *feat_bwd = nullptr;        // the inputs of the forward call
  const float *alpha_fwd = nullptr, *alpha_bwd = nullptr;
  const float *disp_fwd = nullptr, *disp_bwd = nullptr;
  const float* loop_t = nullptr;
  float loop_t_all = 0;
  float sharpness = 0;
  int64_t num_pixels = 0;                                      // M
  int32_t num_channels = 0;                                    // C
  const float* grad_feat_out = nullptr;                        // [M, C] or nullptr: zero
  const float* grad_alpha_out = nullptr;                       // [M] or nullptr: zero
  const float *grad_w_fwd = nullptr, *grad_w_bwd = nullptr;    // [M] or nullptr: zero
  float *grad_feat_fwd = nullptr, *grad_feat_bwd = nullptr;    // [M, C]
  float *grad_alpha_fwd = nullptr, *grad_alpha_bwd = nullptr;  // [M]
  float *grad_disp_fwd = nullptr, *grad_disp_bwd = nullptr;    // [M]
  float* grad_loop_t = nullptr;                                // [M] or nullptr: not wanted
};

struct FindHolesArgs {
  const float* disp = nullptr;         // [L, H, W] 1/z of the layers in front, near to far, 0 where one has no pixel
  const float* disp_hidden = nullptr;  // [H, W] 1/z of the surface behind them, <= 0 where there is none
  const float* disp_fluid = nullptr;   // [H, W] 1/z of the fluid's surface, one of these; <= 0 where nothing flows
  const float* step_px = nullptr;      // [H, W, 2] (x, y) px per step by which it drifts
  int32_t num_layers = 0;              // L
  int32_t num_steps = 0;               // for which it drifts, forward and backward
  // View v looks when the fluid has drifted v mod loop_steps steps forward, or so many less than loop_steps backward;
  // and at rest. 0: at any moment.
  int32_t loop_steps = 0;
  const Camera* cameras = nullptr;     // [V] host memory; the layers' intrinsics and size in all, the views' poses
  int32_t num_cameras = 0;             // V
  int32_t frame_px[4] = {0, 0, 0, 0};  // x0, y0, x1, y1: the part of the canvas that the views show
  float radius_px = 0;                 // of the discs as which the layers are splatted
  float depth_tolerance = 0;           // relative depth within which two surfaces are one
  float least_existence = 0;           // a point that drifts to where less of a fluid pixel is than this is not drawn
  uint8_t* holes = nullptr;            // [H, W] 1 where some view or drift reveals the hidden surface
};

struct InpaintLayersArgs {
  const float* rgb = nullptr;          // [H, W, 3]
  const float* disp = nullptr;         // [H, W] 1/z; in the hole: of what hides it, <= 0 where nothing does
  const uint8_t* hole = nullptr;       // [H, W] 1 where colour and disparity are to be filled
  const float* disp_hidden = nullptr;  // [H, W] 1/z of the surface to continue; read in the hole
  int32_t width = 0, height = 0;
  // A pixel up to this much nearer than disp_hidden may still be copied, but for one past half of the way to what
  // hides it.
  float tear_disp = 0;
  float* rgb_out = nullptr;            // [H, W, 3]
  float* disp_out = nullptr;           // [H, W]
};

// The waves that each of M points shows, taken from where it would be after some loops more or less: the point's luma is
// spread expm1(sum) with sum_k weight[k] even[k, 0] between least and most, its colour `colour` + luma tint, and its detail
// against the surroundings tint sum_k weight[k] even[k, 1].
struct WavesArgs {
  const float* even = nullptr;         // [num_copies, 2, M]; nullptr: the points show `feat`
  float weight[kMaxCopies] = {};       // [num_copies]
  int32_t num_copies = 0;              // 1..kMaxCopies
  const float* least = nullptr;        // [M]
  const float* most = nullptr;         // [M]
  const float* spread = nullptr;       // [M]
  const float* colour = nullptr;       // [M, 3] what does not turn
  const float* tint = nullptr;         // [M, 3] how much each colour rises where luma does
};

// The points of a fluid after drifting: a point takes its depth from the fluid surface where it arrives, and its resting
// colour too as far as the fluid is not free to move there. All positions in px of `canvas`, whose pose is not read.
struct DriftPointsArgs {
  const float* start_px = nullptr;   // [M, 2]
  const float* offset_px = nullptr;  // [M, 2]
  // [M] 0 .. M-1, the point one pixel to the right at rest; itself where there is none. c3d::cpu:: refuses others,
  // c3d::cuda:: does not draw their points.
  const int32_t* right = nullptr;
  const int32_t* below = nullptr;    // [M]
  const float* feat = nullptr;       // [M, 4] colour and confidence
  const float* surface = nullptr;    // [H, W, 8] disparity, existence, freedom to move (each 0..1), resting colour, 0, 0
  Camera canvas;
  float radius_px = 0;               // where nothing is stretched
  float max_stretch = 0;             // px between neighbours up to which discs widen
  float least_existence = 0;         // a point that arrives at less gets radius 0
  // x0, y0, x1, y1: the part of the canvas that is seen (zeros: all). Of a point that arrives elsewhere all is 0.
  float seen_px[4] = {0, 0, 0, 0};
  const float* fine = nullptr;  // [M, 2, 3] detail of the colours along x and along y; read where gain is given
  const float* broad = nullptr;  // [M, 3] detail against the surroundings; read where gain is given
  const float* gain = nullptr;  // [gain_height, gain_width] factor of the broad detail; nullptr: no detail is added
  int32_t gain_width = 0, gain_height = 0;
  float gain_spacing_px = 0;  // gain (i, j) stands at ((j, i) * gain_spacing_px)
  WavesArgs waves;  // whose colours and detail, where they are given, are read for those of feat and broad
  const float* phase = nullptr;  // [M] the confidence is multiplied by 1 + fade * phase
  float fade = 0;
  const float* moment = nullptr;  // [1 + num_copies] where arrays are: a fade and weights in the place of those above
  int64_t num_points = 0;  // M
  float* xyz = nullptr;  // [M, 3] in the canvas' camera space
  float* feat_out = nullptr;  // [M, 4] colour and confidence
  float* radius = nullptr;  // [M] scene units
};

// Two splats of colour and confidence (C = 4) to a frame: colours over coverage, blended as by blend_bidirectional with the
// confidences for coverage, in 8 bits.
struct ComposeFrameArgs {
  const float *feat_fwd = nullptr, *feat_bwd = nullptr;  // [M, 4]
  const float *alpha_fwd = nullptr, *alpha_bwd = nullptr;  // [M]
  const float *disp_fwd = nullptr, *disp_bwd = nullptr;  // [M]
  float loop_t = 0;
  float sharpness = 0;
  float least_alpha = 0;  // less coverage than this on both sides is none
  int64_t num_pixels = 0;  // M
  uint8_t* rgb_out = nullptr;  // [M, 3]
  uint8_t* uncovered_out = nullptr;  // [M] 0 or 1
};

// Points of colour and confidence to a frame: what compose_frame makes of splat_points' surface compositor for one camera,
// whose two sides differ in the points that are hidden from them. Neither side's picture is kept.
struct SplatFrameArgs {
  const float* xyz = nullptr;  // [N, 3] world space
  const float* feat = nullptr;  // [N, 4]
  const float* radius = nullptr;  // [N] scene units
  const float* opacity = nullptr;  // [N] 0..1; nullptr: 1 for every point
  int64_t num_points = 0;  // N
  Camera camera;
  const int64_t* hidden = nullptr;  // [S, 2] host memory: points first .. end - 1 that a side does not see
  int32_t num_sides = 0;  // S, 1 or 2: forward, backward; one alone is both
  int32_t max_points = 0;  // as in splat_points
  float depth_tolerance = 0;
  float loop_t = 0;  // as in compose_frame
  float sharpness = 0;
  float least_alpha = 0;
  const float* now = nullptr;  // [17] where arrays are: lens (4), world_to_cam and loop_t in the place of those above
  uint8_t* rgb_out = nullptr;  // [H, W, 3]
  uint8_t* uncovered_out = nullptr;  // [H, W] 0 or 1
};

// A frame whose uncovered pixels are continued, ring by ring, from what is covered: each is the mean of those of its eight
// neighbours that have a colour. Where nothing is covered nothing changes.
struct FillUncoveredArgs {
  const uint8_t* rgb = nullptr;  // [H, W, 3]
  const uint8_t* uncovered = nullptr;  // [H, W] 0 or 1
  int32_t width = 0, height = 0;
  uint8_t* rgb_out = nullptr;  // [H, W, 3]; may be rgb
};

// A frame in the colours of video: Y'CbCr by ITU-R BT.709, limited range, 4:2:0, chroma in the middle of 2x2 pixels. On the
// CPU the caller's thread works alone.
struct ConvertToYuvArgs {
  const uint8_t* rgb = nullptr;   // [H, W, 3]
  int32_t width = 0, height = 0;  // even
  uint8_t* yuv_out = nullptr;     // [H * 3 / 2, W]: Y' [H, W], Cb [H / 2, W / 2], Cr [H / 2, W / 2]
};

namespace cpu {
C3D_API Status splat_points(const SplatPointsArgs& args, const Context& context);
C3D_API Status splat_points_bwd(const SplatPointsBwdArgs& args, const Context& context);
C3D_API Status integrate_flow(const IntegrateFlowArgs& args, const Context& context);
C3D_API Status blend_bidirectional(const BlendBidirectionalArgs& args, const Context& context);
C3D_API Status blend_bidirectional_bwd(const BlendBidirectionalBwdArgs& args, const Context& context);
C3D_API Status find_holes(const FindHolesArgs& args, const Context& context);
C3D_API Status inpaint_layers(const InpaintLayersArgs& args, const Context& context);
C3D_API Status drift_points(const DriftPointsArgs& args, const Context& context);
C3D_API Status compose_frame(const ComposeFrameArgs& args, const Context& context);
C3D_API Status splat_frame(const SplatFrameArgs& args, const Context& context);
C3D_API Status fill_uncovered(const FillUncoveredArgs& args, const Context& context);
C3D_API Status convert_to_yuv(const ConvertToYuvArgs& args, const Context& context);
}  // namespace cpu

#ifndef C3D_WITHOUT_CUDA  // what c3d::c3d says of itself where it was built without
// The same on the current CUDA device, queued on context.stream: nothing waits for the device. Arrays are device memory, but
// for cameras, which are read before the call returns; what the scratch allocator handed out must live until the stream has
// passed. One stream at a time may use a Context's scratch.
namespace cuda {
C3D_API Status splat_points(const SplatPointsArgs& args, const Context& context);
C3D_API Status splat_points_bwd(const SplatPointsBwdArgs& args, const Context& context);
C3D_API Status integrate_flow(const IntegrateFlowArgs& args, const Context& context);
C3D_API Status blend_bidirectional(const BlendBidirectionalArgs& args, const Context& context);
C3D_API Status blend_bidirectional_bwd(const BlendBidirectionalBwdArgs& args, const Context& context);
C3D_API Status find_holes(const FindHolesArgs& args, const Context& context);
// Where nothing is known that could fill it, which the host cannot see, the hole becomes NaN.
C3D_API Status inpaint_layers(const InpaintLayersArgs& args, const Context& context);
C3D_API Status drift_points(const DriftPointsArgs& args, const Context& context);
C3D_API Status compose_frame(const ComposeFrameArgs& args, const Context& context);
C3D_API Status splat_frame(const SplatFrameArgs& args, const Context& context);
C3D_API Status fill_uncovered(const FillUncoveredArgs& args, const Context& context);
C3D_API Status convert_to_yuv(const ConvertToYuvArgs& args, const Context& context);
}  // namespace cuda
#endif

}  // namespace c3d
