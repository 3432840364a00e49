// Typed working memory from a Scratch.
#pragma once

#include "c3d/api.h"

namespace c3d {

template <typename T>
T* allocate(const Scratch& scratch, int64_t count) {
  if (count < 0 || static_cast<uint64_t>(count) > (SIZE_MAX / 2) / sizeof(T)) return nullptr;
  // An allocator may answer nullptr to 0 bytes, and empty input is no lack of memory.
  return static_cast<T*>(scratch.allocate(scratch.user, static_cast<size_t>(count > 0 ? count : 1) * sizeof(T)));
}

// For many pieces: remembers whether any could not be had.
struct Memory {
  const Scratch& scratch;
  bool ok = true;

  template <typename T>
  T* get(int64_t count) {
    T* block = allocate<T>(scratch, count);
    ok = ok && block;
    return block;
  }
};

}  // namespace c3d
