// The working memory of inpaint_layers, alike for both twins.
#pragma once

#include "c3d/inpaint_formulas.h"
#include "scratch.h"

namespace c3d::inpaint {

// A level without lists of its holes.
inline Level allocate_planes(int32_t width, int32_t height, Memory& memory) {
  Level level{};
  level.width = width;
  level.height = height;
  level.stride = width + 2 * kPad;
  const int64_t n = level.num_padded = static_cast<int64_t>(level.stride) * (height + 2 * kPad);
  level.kind = memory.get<Kind>(n);
  for (uint8_t*& plane : level.colour) plane = memory.get<uint8_t>(n);
  level.disp = memory.get<int16_t>(n);
  level.disp_known = memory.get<int16_t>(n);
  level.confidence = memory.get<uint8_t>(n);
  level.slot = memory.get<int32_t>(n);
  return level;
}

inline void allocate_lists(Level& level, int64_t most_holes, Memory& memory) {
  level.place = memory.get<Place>(most_holes);
  level.limit = memory.get<int16_t>(most_holes);
  level.distance = memory.get<int32_t>(most_holes);
  for (Place*& source : level.source) source = memory.get<Place>(most_holes);
  level.error = memory.get<int32_t>(most_holes);
}

template <int kChannels>
Membrane<kChannels> allocate_membrane(int64_t most_holes, Memory& memory) {
  Membrane<kChannels> m{};
  m.neighbour = memory.get<int32_t[4]>(most_holes);
  m.constant = memory.get<float>(kChannels * most_holes);
  m.weight = memory.get<float>(most_holes);
  for (float*& value : m.value) value = memory.get<float>(kChannels * most_holes);
  return m;
}

}  // namespace c3d::inpaint
