// find_holes on the CPU: which pixels of a hidden surface some view, or some drift, reveals.
#include "c3d/holes_formulas.h"

#include <algorithm>

#include "../checks.h"
#include "parallel.h"
#include "simd.h"

namespace c3d::cpu {
namespace {

// A vector of them, or two.
struct Found : holes::Candidates<16> {
  void project(const FindHolesArgs& args, const Camera& view, float u, float v, float z_behind);
};

struct Projection {
  Found& found;
  const FindHolesArgs& args;
  const Camera& view;
  float u, v, z_behind;
};

C3D_INLINE void project_body(const Projection& p) { p.found.Candidates::project(p.args, p.view, p.u, p.v, p.z_behind); }
C3D_DISPATCH(project, project_body, const Projection&)

void Found::project(const FindHolesArgs& args, const Camera& view, float u, float v, float z_behind) {
  cpu::project({*this, args, view, u, v, z_behind});
}

bool some_view_sees(const FindHolesArgs& args, float disp_max, int32_t x, int32_t y) {
  return std::any_of(args.cameras, args.cameras + args.num_cameras,
                     [&](const Camera& view) { return holes::view_sees_pixel<Found>(args, view, disp_max, x, y); });
}

}  // namespace

Status find_holes(const FindHolesArgs& args, const Context& context) {
  const Status status = check_on_host(args, context);
  if (!status.ok()) return status;
  const int32_t width = args.cameras[0].width, height = args.cameras[0].height;
  const int64_t num_pixels = holes::num_pixels_of(args.cameras[0]);
  uint8_t* seen = allocate<uint8_t>(context.scratch, num_pixels);
  if (!seen) return {StatusCode::kOutOfMemory, "find_holes: out of memory for working buffers"};

  const auto for_each_pixel = [&](const auto& body) {  // body(pixel, x, y)
    parallel_items(context.executor, height, [&](int, int64_t y) {
      for (int32_t x = 0; x < width; ++x) body(y * width + x, x, static_cast<int32_t>(y));
    });
  };
  const float disp_max = *std::max_element(args.disp, args.disp + args.num_layers * num_pixels);
  for_each_pixel([&](int64_t pixel, int32_t x, int32_t y) {
    seen[pixel] = holes::is_hidden(args, num_pixels, pixel) && some_view_sees(args, disp_max, x, y);
  });
  for_each_pixel([&](int64_t pixel, int32_t x, int32_t y) {
    args.holes[pixel] =
        seen[pixel] || (holes::is_hidden(args, num_pixels, pixel) &&
                        holes::drifts_into_view<Found>(args, args.cameras, 0, args.num_cameras, disp_max, seen, x, y));
  });
  return {};
}

}  // namespace c3d::cpu
