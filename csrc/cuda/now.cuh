// Ops whose view or moment lies on the device (SplatFrameArgs::now), so that a CUDA graph of them draws another one when other
// numbers are written there. What is given on the host beside it gives sizes, and is checked.
#pragma once

#include "c3d/api.h"

namespace c3d::cuda {

// splat_points through cameras that all have the lens and the pose of `now`; nullptr: their own.
Status splat_points_now(const SplatPointsArgs& args, const float* now, const Context& context);

// compose_frame at the moment *loop_t; nullptr: its own.
Status compose_frame_now(const ComposeFrameArgs& args, const float* loop_t, const Context& context);

}  // namespace c3d::cuda
