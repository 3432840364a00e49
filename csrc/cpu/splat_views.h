// Consecutive views of splat_points through the same camera, to their pictures or to one frame.
#pragma once

#include "c3d/formulas.h"

namespace c3d::cpu {

// A frame that two views, or one alone, become in place of their pictures.
struct FrameOut {
  FrameRules rules;
  uint8_t* rgb;        // [H, W, 3]
  uint8_t* uncovered;  // [H, W] 0 or 1
};

// `frame`: nullptr where the pictures are wanted; else the points have 4 channels of float32 and the surface compositor.
Status splat_views(const SplatPointsArgs& args, int32_t first_view, int32_t num_views, const FrameOut* frame,
                   const Context& context);

}  // namespace c3d::cpu
