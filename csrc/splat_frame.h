// What splat_frame is to splat_points.
#pragma once

#include "c3d/api.h"

namespace c3d {

// Without outputs. `sides`: the camera, once for each side.
inline SplatPointsArgs splat_of(const SplatFrameArgs& args, const Camera* sides) {
  SplatPointsArgs splat;
  splat.xyz = args.xyz, splat.feat = args.feat, splat.radius = args.radius, splat.opacity = args.opacity;
  splat.num_points = args.num_points, splat.num_channels = 4;
  splat.cameras = sides, splat.num_cameras = args.num_sides, splat.hidden = args.hidden;
  splat.compositor = Compositor::kSurface, splat.max_points = args.max_points, splat.depth_tolerance = args.depth_tolerance;
  return splat;
}

}  // namespace c3d
