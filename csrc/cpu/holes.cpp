// find_holes on the CPU: which pixels of a hidden surface some view, or some drift, reveals.
#include <algorithm>
#include <cmath>

#include "../checks.h"
#include "c3d/formulas.h"
#include "parallel.h"

namespace c3d::cpu {
namespace {

void mark_row_seen(const FindHolesArgs& args, float disp_max, int32_t y) {
  const int32_t width = args.cameras[0].width;
  for (int32_t x = 0; x < width; ++x) {
    const int64_t pixel = static_cast<int64_t>(y) * width + x;
    bool open = false;
    if (is_hidden(args.disp[pixel], args.disp_hidden[pixel], args.tear_disp))
      for (int32_t view = 0; view < args.num_cameras && !open; ++view)
        open = line_of_sight_is_open(args, args.cameras[view], disp_max, x, y);
    args.holes[pixel] = open;
  }
}

// Marks, in rows [y_begin, y_end), what the pixel (bx, by) uncovers of its own surface by drifting away.
void mark_drift(const FindHolesArgs& args, int32_t bx, int32_t by, int32_t y_begin, int32_t y_end) {
  const int32_t width = args.cameras[0].width;
  const int64_t b = static_cast<int64_t>(by) * width + bx;
  const int32_t r = drift_reach(args.travel_px[b]);
  for (int32_t y = std::max(by - r, y_begin); y < std::min(by + r + 1, y_end); ++y) {
    for (int32_t x = std::max(bx - r, 0); x < std::min(bx + r + 1, width); ++x) {
      const int64_t p = static_cast<int64_t>(y) * width + x;
      if (is_hidden(args.disp[p], args.disp_hidden[p], args.tear_disp) &&
          drift_uncovers(args.disp[b], args.travel_px[b], x - bx, y - by, args.disp_hidden[p], args.tear_disp))
        args.holes[p] = 1;
    }
  }
}

}  // namespace

Status find_holes(const FindHolesArgs& args, const Context& context) {
  const Status status = check(args);
  if (!status.ok()) return status;
  const int32_t width = args.cameras[0].width, height = args.cameras[0].height;
  const int64_t num_pixels = static_cast<int64_t>(width) * height;

  const float disp_max = *std::max_element(args.disp, args.disp + num_pixels);
  parallel_items(context.executor, height, [&](int, int64_t y) { mark_row_seen(args, disp_max, static_cast<int32_t>(y)); });

  int64_t* drifting = allocate<int64_t>(context.scratch, num_pixels);
  if (!drifting) return {StatusCode::kOutOfMemory, "find_holes: out of memory for working buffers"};
  int64_t num_drifting = 0;
  for (int64_t i = 0; i < num_pixels; ++i)
    if (args.travel_px[i] > 0.0f) drifting[num_drifting++] = i;
  parallel_ranges(context.executor, height, 16, [&](int64_t y_begin, int64_t y_end) {
    for (int64_t i = 0; i < num_drifting; ++i)
      mark_drift(args, static_cast<int32_t>(drifting[i] % width), static_cast<int32_t>(drifting[i] / width),
                 static_cast<int32_t>(y_begin), static_cast<int32_t>(y_end));
  });
  return {};
}

}  // namespace c3d::cpu
