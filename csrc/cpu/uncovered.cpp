// fill_uncovered on the CPU: ring after ring, each a stretch of one list.
#include "c3d/uncovered_formulas.h"

#include <algorithm>
#include <cstring>

#include "../checks.h"
#include "../scratch.h"

namespace c3d::cpu {
namespace {

using uncovered::Around;
using uncovered::Rings;

// Lists the pixels of the next ring that are neighbours of `pixel`.
int32_t* list_around(const Rings& rings, int64_t pixel, uint32_t next, int32_t* end) {
  const Around near = uncovered::around(rings.frame, pixel);
  for (int32_t y = near.y0; y <= near.y1; ++y)
    for (int32_t x = near.x0; x <= near.x1; ++x) {
      const int32_t i = y * rings.frame.width + x;
      if (!rings.frame.uncovered[i] || rings.round[i] > 0) continue;
      rings.round[i] = next;
      *end++ = i;
    }
  return end;
}

}  // namespace

Status fill_uncovered(const FillUncoveredArgs& args, const Context& context) {
  const Status status = check_on_host(args, context);
  const int64_t num_pixels = static_cast<int64_t>(args.width) * args.height;
  if (!status.ok() || num_pixels == 0) return status;
  if (args.rgb_out != args.rgb) std::memcpy(args.rgb_out, args.rgb, static_cast<size_t>(3 * num_pixels));
  const uint8_t* last = args.uncovered + num_pixels;
  if (std::find_if(args.uncovered, last, [](uint8_t is) { return is != 0; }) == last) return {};

  Memory memory{context.scratch};
  const Rings rings{args, memory.get<uint32_t>(num_pixels), memory.get<float>(3 * num_pixels)};
  int32_t* ring = memory.get<int32_t>(num_pixels);
  if (!memory.ok) return {StatusCode::kOutOfMemory, "fill_uncovered: out of memory for working buffers"};
  int32_t* end = ring;
  for (int64_t i = 0; i < num_pixels; ++i) {
    rings.round[i] = uncovered::is_rim(args, i);
    if (rings.round[i]) *end++ = static_cast<int32_t>(i);
  }
  for (uint32_t round = 1; ring < end; ++round) {
    const int32_t* ring_end = end;
    for (; ring < ring_end; ++ring) {
      uncovered::colour_pixel(rings, *ring, round);
      end = list_around(rings, *ring, round + 1, end);
    }
  }
  return {};
}

}  // namespace c3d::cpu
