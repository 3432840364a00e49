// Typed working memory from a Scratch.
#pragma once

#include "c3d/api.h"

namespace c3d {

template <typename T>
T* allocate(const Scratch& scratch, int64_t count) {
  if (count < 0 || static_cast<uint64_t>(count) > (SIZE_MAX / 2) / sizeof(T)) return nullptr;
  return static_cast<T*>(scratch.allocate(scratch.user, static_cast<size_t>(count) * sizeof(T)));
}

// For many pieces: remembers whether any could not be had.
struct Memory {
  const Scratch& scratch;
  bool ok = true;

  template <typename T>
  T* get(int64_t count) {
    T* block = allocate<T>(scratch, count > 0 ? count : 1);
    ok = ok && block;
    return block;
  }
};

}  // namespace c3d
