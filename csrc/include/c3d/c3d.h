// c3d in C: the ops and the scenes of api.h and scene.h, which say more. Made from api.h by csrc/c/make_header.py.
//
//   c3d_context* context = NULL;
//   c3d_scene* scene = NULL;
//   if (c3d_context_create(0, &context) || c3d_scene_load(context, "scene.c3dplay", &scene))
//     return puts(c3d_message(context));
//
// Every call that returns a c3d_status returns 0, C3D_OK, or says in c3d_message(context) what is wrong. Structs are set by
// name, from zeros: `c3d_splat_points_args args = {0};`; what stays 0 or NULL is an input that is not given.
// clang-format off
#ifndef C3D_C3D_H
#define C3D_C3D_H

#include <stddef.h>
#include <stdint.h>

#include "c3d/version.h"

#ifdef __cplusplus
extern "C" {
#endif

// A call's answer, and its choices.
enum { C3D_OK = 0, C3D_INVALID_ARGUMENT = 1, C3D_OUT_OF_MEMORY = 2, C3D_DEVICE_ERROR = 3 };
enum { C3D_FEAT_TYPE_FLOAT32 = 0, C3D_FEAT_TYPE_FLOAT16 = 1, C3D_FEAT_TYPE_BFLOAT16 = 2 };
enum { C3D_COMPOSITOR_ALPHA = 0, C3D_COMPOSITOR_SURFACE = 1 };
enum { C3D_RADIUS_UNIT_SCENE = 0, C3D_RADIUS_UNIT_PIXELS = 1 };
enum { C3D_SAMPLING_BILINEAR = 0, C3D_SAMPLING_NEAREST = 1 };
#define C3D_MAX_CHANNELS (256)
#define C3D_MAX_HITS (64)
#define C3D_MAX_SIDE (1 << 23)  // px of a width or height: up to here a float tells all pixel centres apart
#define C3D_MAX_STEPS (1 << 20)  // of integrate_flow
#define C3D_MAX_COPIES (16)  // of waves, of drift_points
#define C3D_MAX_LAYERS (256)  // of find_holes
#define C3D_MAX_DRIFT_STEPS (1024)  // of find_holes, which looks from every view at each

typedef int32_t c3d_status;

// Threads and working memory, kept from call to call. One call at a time.
typedef struct c3d_context c3d_context;

C3D_API const char* c3d_version(void);  // of the library; C3D_VERSION is that of this header
C3D_API c3d_status c3d_context_create(int32_t num_threads, c3d_context** context);  // < 1: one per hardware thread
C3D_API void c3d_context_free(c3d_context* context);  // or NULL
C3D_API const char* c3d_message(const c3d_context* context);  // of its last call that failed; "" before; NULL: out of memory

typedef struct c3d_camera {
  float fx, fy, cx, cy;  // px
  int32_t width, height;  // px
  float world_to_cam[12];  // [3, 4] row-major
} c3d_camera;

typedef struct c3d_splat_points_args {
  const float* xyz;  // [N, 3] world space
  const void* feat;  // [N, C] of feat_type
  const float* radius;  // [N] of radius_unit; NULL: radius_all for every point
  float radius_all;
  int32_t radius_unit;  // C3D_RADIUS_UNIT_SCENE, C3D_RADIUS_UNIT_PIXELS
  const float* opacity;  // [N] 0..1; NULL: 1 for every point
  int64_t num_points;  // N
  int32_t num_channels;  // C, 1..C3D_MAX_CHANNELS
  int32_t feat_type;  // C3D_FEAT_TYPE_FLOAT32, C3D_FEAT_TYPE_FLOAT16, C3D_FEAT_TYPE_BFLOAT16
  const c3d_camera* cameras;  // [V] host memory; one width and height for all
  int32_t num_cameras;  // V
  const int64_t* hidden;  // [V, 2] host memory: points first .. end - 1 that a view does not see; or NULL
  int32_t compositor;  // C3D_COMPOSITOR_ALPHA, C3D_COMPOSITOR_SURFACE
  int32_t max_points;  // K nearest hits kept per pixel, 1..C3D_MAX_HITS
  float depth_tolerance;  // C3D_COMPOSITOR_SURFACE: relative depth within which hits form one surface
  float* feat_out;  // [V, H, W, C]
  float* alpha_out;  // [V, H, W]
  float* disp_out;  // [V, H, W] 1/z, composited
  int32_t* idx_out;  // [V, H, W, K] point index, -1 where empty; or NULL
} c3d_splat_points_args;

// Gradients of splat_points for given gradients of its outputs. The hits of a pixel and their order count as constant.
typedef struct c3d_splat_points_bwd_args {
  const float* xyz;  // the inputs of the forward call, but for feat, which is float32 here
  const float* feat;  // [N, C]
  const float* radius;
  float radius_all;
  int32_t radius_unit;  // C3D_RADIUS_UNIT_SCENE, C3D_RADIUS_UNIT_PIXELS
  const float* opacity;
  int64_t num_points;  // N
  int32_t num_channels;  // C
  const c3d_camera* cameras;  // [V] host memory
  int32_t num_cameras;  // V
  int32_t compositor;  // C3D_COMPOSITOR_ALPHA, C3D_COMPOSITOR_SURFACE
  int32_t max_points;  // K
  float depth_tolerance;
  const int32_t* idx;  // [V, H, W, K] the hits that the forward call returned
  const float* grad_feat_out;  // [V, H, W, C] or NULL: zero
  const float* grad_alpha_out;  // [V, H, W] or NULL: zero
  const float* grad_disp_out;  // [V, H, W] or NULL: zero
  float* grad_xyz;  // [N, 3] world space, or NULL: not wanted
  float* grad_feat;  // [N, C] or NULL: not wanted
  float* grad_radius;  // [N] or NULL: not wanted
  float* grad_opacity;  // [N] or NULL: not wanted; needs opacity
  float* grad_cameras;  // [V, 16] of fx, fy, cx, cy, then world_to_cam [3, 4]; or NULL: not wanted
} c3d_splat_points_bwd_args;

typedef struct c3d_integrate_flow_args {
  const float* step_px;  // [H, W, 2] (x, y) px per step
  int32_t width, height;
  const float* start_px;  // [P, 2] centres at +0.5; NULL: every pixel's, row-major (P = H * W)
  int64_t num_paths;  // P
  int32_t num_steps;  // T
  int32_t sampling;  // C3D_SAMPLING_BILINEAR, C3D_SAMPLING_NEAREST; C3D_SAMPLING_NEAREST: the released code's rule; needs start_px == NULL
  float* offset_px;  // [T+1, P, 2] from the start after 0..T steps
  uint8_t* inside;  // [T+1, P] 1 until the path left the frame
} c3d_integrate_flow_args;

typedef struct c3d_blend_bidirectional_args {
  const float *feat_fwd, *feat_bwd;  // [M, C]
  const float *alpha_fwd, *alpha_bwd;  // [M]
  const float *disp_fwd, *disp_bwd;  // [M]
  const float* loop_t;  // [M] 0..1; NULL: loop_t_all for every pixel
  float loop_t_all;
  float sharpness;  // k in exp(k d)
  int64_t num_pixels;  // M
  int32_t num_channels;  // C
  float* feat_out;  // [M, C]
  float* alpha_out;  // [M]
  float *w_fwd, *w_bwd;  // [M]
} c3d_blend_bidirectional_args;

// Gradients of blend_bidirectional for given gradients of its outputs.
typedef struct c3d_blend_bidirectional_bwd_args {
  const float *feat_fwd, *feat_bwd;  // the inputs of the forward call
  const float *alpha_fwd, *alpha_bwd;
  const float *disp_fwd, *disp_bwd;
  const float* loop_t;
  float loop_t_all;
  float sharpness;
  int64_t num_pixels;  // M
  int32_t num_channels;  // C
  const float* grad_feat_out;  // [M, C] or NULL: zero
  const float* grad_alpha_out;  // [M] or NULL: zero
  const float *grad_w_fwd, *grad_w_bwd;  // [M] or NULL: zero
  float *grad_feat_fwd, *grad_feat_bwd;  // [M, C]
  float *grad_alpha_fwd, *grad_alpha_bwd;  // [M]
  float *grad_disp_fwd, *grad_disp_bwd;  // [M]
  float* grad_loop_t;  // [M] or NULL: not wanted
} c3d_blend_bidirectional_bwd_args;

typedef struct c3d_find_holes_args {
  const float* disp;  // [L, H, W] 1/z of the layers in front, near to far, 0 where one has no pixel
  const float* disp_hidden;  // [H, W] 1/z of the surface behind them, <= 0 where there is none
  const float* disp_fluid;  // [H, W] 1/z of the fluid's surface, one of these; <= 0 where nothing flows
  const float* step_px;  // [H, W, 2] (x, y) px per step by which it drifts
  int32_t num_layers;  // L
  int32_t num_steps;  // for which it drifts, forward and backward
  // View v looks when the fluid has drifted v mod loop_steps steps forward, or so many less than loop_steps backward;
  // and at rest. 0: at any moment.
  int32_t loop_steps;
  const c3d_camera* cameras;  // [V] host memory; the layers' intrinsics and size in all, the views' poses
  int32_t num_cameras;  // V
  int32_t frame_px[4];  // x0, y0, x1, y1: the part of the canvas that the views show
  float radius_px;  // of the discs as which the layers are splatted
  float depth_tolerance;  // relative depth within which two surfaces are one
  float least_existence;  // a point that drifts to where less of a fluid pixel is than this is not drawn
  uint8_t* holes;  // [H, W] 1 where some view or drift reveals the hidden surface
} c3d_find_holes_args;

typedef struct c3d_inpaint_layers_args {
  const float* rgb;  // [H, W, 3]
  const float* disp;  // [H, W] 1/z; in the hole: of what hides it, <= 0 where nothing does
  const uint8_t* hole;  // [H, W] 1 where colour and disparity are to be filled
  const float* disp_hidden;  // [H, W] 1/z of the surface to continue; read in the hole
  int32_t width, height;
  // A pixel up to this much nearer than disp_hidden may still be copied, but for one past half of the way to what
  // hides it.
  float tear_disp;
  float* rgb_out;  // [H, W, 3]
  float* disp_out;  // [H, W]
} c3d_inpaint_layers_args;

// The waves that each of M points shows, taken from where it would be after some loops more or less: the point's luma is
// spread expm1(sum) with sum_k weight[k] even[k, 0] between least and most, its colour `colour` + luma tint, and its detail
// against the surroundings tint sum_k weight[k] even[k, 1].
typedef struct c3d_waves_args {
  const float* even;  // [num_copies, 2, M]; NULL: the points show `feat`
  float weight[C3D_MAX_COPIES];  // [num_copies]
  int32_t num_copies;  // 1..C3D_MAX_COPIES
  const float* least;  // [M]
  const float* most;  // [M]
  const float* spread;  // [M]
  const float* colour;  // [M, 3] what does not turn
  const float* tint;  // [M, 3] how much each colour rises where luma does
} c3d_waves_args;

// The points of a fluid after drifting: a point takes its depth from the fluid surface where it arrives, and its resting
// colour too as far as the fluid is not free to move there. All positions in px of `canvas`, whose pose is not read.
typedef struct c3d_drift_points_args {
  const float* start_px;  // [M, 2]
  const float* offset_px;  // [M, 2]
  // [M] 0 .. M-1, the point one pixel to the right at rest; itself where there is none. c3d_ refuses others,
  // c3d::cuda:: does not draw their points.
  const int32_t* right;
  const int32_t* below;  // [M]
  const float* feat;  // [M, 4] colour and confidence
  const float* surface;  // [H, W, 8] disparity, existence, freedom to move (each 0..1), resting colour, 0, 0
  c3d_camera canvas;
  float radius_px;  // where nothing is stretched
  float max_stretch;  // px between neighbours up to which discs widen
  float least_existence;  // a point that arrives at less gets radius 0
  // x0, y0, x1, y1: the part of the canvas that is seen (zeros: all). Of a point that arrives elsewhere all is 0.
  float seen_px[4];
  const float* fine;  // [M, 2, 3] detail of the colours along x and along y; read where gain is given
  const float* broad;  // [M, 3] detail against the surroundings; read where gain is given
  const float* gain;  // [gain_height, gain_width] factor of the broad detail; NULL: no detail is added
  int32_t gain_width, gain_height;
  float gain_spacing_px;  // gain (i, j) stands at ((j, i) * gain_spacing_px)
  c3d_waves_args waves;  // whose colours and detail, where they are given, are read for those of feat and broad
  const float* phase;  // [M] the confidence is multiplied by 1 + fade * phase
  float fade;
  const float* moment;  // [1 + num_copies] where arrays are: a fade and weights in the place of those above
  int64_t num_points;  // M
  float* xyz;  // [M, 3] in the canvas' camera space
  float* feat_out;  // [M, 4] colour and confidence
  float* radius;  // [M] scene units
} c3d_drift_points_args;

// Two splats of colour and confidence (C = 4) to a frame: colours over coverage, blended as by blend_bidirectional with the
// confidences for coverage, in 8 bits.
typedef struct c3d_compose_frame_args {
  const float *feat_fwd, *feat_bwd;  // [M, 4]
  const float *alpha_fwd, *alpha_bwd;  // [M]
  const float *disp_fwd, *disp_bwd;  // [M]
  float loop_t;
  float sharpness;
  float least_alpha;  // less coverage than this on both sides is none
  int64_t num_pixels;  // M
  uint8_t* rgb_out;  // [M, 3]
  uint8_t* uncovered_out;  // [M] 0 or 1
} c3d_compose_frame_args;

// Points of colour and confidence to a frame: what compose_frame makes of splat_points' surface compositor for one camera,
// whose two sides differ in the points that are hidden from them. Neither side's picture is kept.
typedef struct c3d_splat_frame_args {
  const float* xyz;  // [N, 3] world space
  const float* feat;  // [N, 4]
  const float* radius;  // [N] scene units
  const float* opacity;  // [N] 0..1; NULL: 1 for every point
  int64_t num_points;  // N
  c3d_camera camera;
  const int64_t* hidden;  // [S, 2] host memory: points first .. end - 1 that a side does not see
  int32_t num_sides;  // S, 1 or 2: forward, backward; one alone is both
  int32_t max_points;  // as in splat_points
  float depth_tolerance;
  float loop_t;  // as in compose_frame
  float sharpness;
  float least_alpha;
  const float* now;  // [17] where arrays are: lens (4), world_to_cam and loop_t in the place of those above
  uint8_t* rgb_out;  // [H, W, 3]
  uint8_t* uncovered_out;  // [H, W] 0 or 1
} c3d_splat_frame_args;

// A frame whose uncovered pixels are continued, ring by ring, from what is covered: each is the mean of those of its eight
// neighbours that have a colour. Where nothing is covered nothing changes.
typedef struct c3d_fill_uncovered_args {
  const uint8_t* rgb;  // [H, W, 3]
  const uint8_t* uncovered;  // [H, W] 0 or 1
  int32_t width, height;
  uint8_t* rgb_out;  // [H, W, 3]; may be rgb
} c3d_fill_uncovered_args;

// A frame in the colours of video: Y'CbCr by ITU-R BT.709, limited range, 4:2:0, chroma in the middle of 2x2 pixels. On the
// CPU the caller's thread works alone.
typedef struct c3d_convert_to_yuv_args {
  const uint8_t* rgb;  // [H, W, 3]
  int32_t width, height;  // even
  uint8_t* yuv_out;  // [H * 3 / 2, W]: Y' [H, W], Cb [H / 2, W / 2], Cr [H / 2, W / 2]
} c3d_convert_to_yuv_args;

#define C3D_CAMERA_AT_REST {0, 0, 0, 0, 0, 0, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}}

C3D_API c3d_status c3d_splat_points(c3d_context* context, const c3d_splat_points_args* args);
C3D_API c3d_status c3d_splat_points_bwd(c3d_context* context, const c3d_splat_points_bwd_args* args);
C3D_API c3d_status c3d_integrate_flow(c3d_context* context, const c3d_integrate_flow_args* args);
C3D_API c3d_status c3d_blend_bidirectional(c3d_context* context, const c3d_blend_bidirectional_args* args);
C3D_API c3d_status c3d_blend_bidirectional_bwd(c3d_context* context, const c3d_blend_bidirectional_bwd_args* args);
C3D_API c3d_status c3d_find_holes(c3d_context* context, const c3d_find_holes_args* args);
C3D_API c3d_status c3d_inpaint_layers(c3d_context* context, const c3d_inpaint_layers_args* args);
C3D_API c3d_status c3d_drift_points(c3d_context* context, const c3d_drift_points_args* args);
C3D_API c3d_status c3d_compose_frame(c3d_context* context, const c3d_compose_frame_args* args);
C3D_API c3d_status c3d_splat_frame(c3d_context* context, const c3d_splat_frame_args* args);
C3D_API c3d_status c3d_fill_uncovered(c3d_context* context, const c3d_fill_uncovered_args* args);
C3D_API c3d_status c3d_convert_to_yuv(c3d_context* context, const c3d_convert_to_yuv_args* args);

// A scene in motion: see scene.h.
typedef struct c3d_scene c3d_scene;

C3D_API c3d_status c3d_scene_load(c3d_context* context, const char* path, c3d_scene** scene);
C3D_API c3d_status c3d_scene_parse(c3d_context* context, const void* bytes, size_t num_bytes, c3d_scene** scene);
C3D_API void c3d_scene_free(c3d_scene* scene);  // or NULL
C3D_API c3d_camera c3d_scene_camera(const c3d_scene* scene);
C3D_API const float* c3d_scene_focus(const c3d_scene* scene);  // [3]
C3D_API int32_t c3d_scene_num_frames(const c3d_scene* scene);
C3D_API float c3d_scene_fps(const c3d_scene* scene);
C3D_API int32_t c3d_scene_num_paths(const c3d_scene* scene);
C3D_API const char* c3d_scene_path_name(const c3d_scene* scene, int32_t path);
C3D_API int32_t c3d_scene_path_length(const c3d_scene* scene, int32_t path);
C3D_API c3d_camera c3d_scene_path_camera(const c3d_scene* scene, int32_t path, int64_t frame);
C3D_API c3d_status c3d_scene_render(c3d_context* context, c3d_scene* scene, const c3d_camera* view, int64_t frame,
                                    uint8_t* rgb, uint8_t* uncovered);

#ifdef __cplusplus
}
#endif

#endif
