// What the bindings share before a call: how they check arguments, get memory for results, and say a failure.
//
// A failure throws "ValueError: ...", with the type that c3drender/ops raises as its first word.
#pragma once

#define TORCH_TARGET_VERSION 0x020a000000000000  // the stable ABI of torch 2.10: the extension loads under any torch since

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cstring>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "c3d/api.h"

namespace c3d::bindings {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using OptionalTensor = std::optional<Tensor>;
using Shape = std::vector<int64_t>;

template <typename... Parts>
[[noreturn]] void fail(const char* type, const Parts&... parts) {
  std::ostringstream message;
  message << type << ": ";
  (message << ... << parts);
  throw std::runtime_error(message.str());
}

inline Shape shape_of(const Tensor& tensor) {
  Shape shape;
  for (int64_t d = 0; d < tensor.dim(); ++d) shape.push_back(tensor.size(d));
  return shape;
}

inline Shape without_last(Shape shape) {
  if (!shape.empty()) shape.pop_back();
  return shape;
}

inline std::string spell(const Shape& shape) {
  std::ostringstream text;
  text << '[';
  for (size_t d = 0; d < shape.size(); ++d) text << (d ? ", " : "") << shape[d];
  text << ']';
  return text.str();
}

inline const char* name_of(ScalarType type) {
  switch (type) {
    case ScalarType::Float: return "float32";
    case ScalarType::Half: return "float16";
    case ScalarType::BFloat16: return "bfloat16";
    case ScalarType::Double: return "float64";
    case ScalarType::Int: return "int32";
    case ScalarType::Long: return "int64";
    case ScalarType::Byte: return "uint8";
    case ScalarType::Bool: return "bool";
    default: return "another dtype";
  }
}

// Large results are fresh memory at every call, which the system hands out faster in pages of 2 MB than of 4 KB.
inline void prefer_huge_pages([[maybe_unused]] void* data, [[maybe_unused]] size_t num_bytes) {
#if defined(__linux__)
  constexpr uintptr_t kPage = uintptr_t{1} << 21;
  const auto begin = (reinterpret_cast<uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<uintptr_t>(data) + num_bytes) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // a wish: its failure changes nothing
#endif
}

inline Tensor empty(const Tensor& like, const Shape& shape, ScalarType type) {
  Tensor made = torch::stable::new_empty(like, shape, type);
  const size_t num_bytes = static_cast<size_t>(made.numel()) * made.element_size();
  if (!made.is_cuda()) prefer_huge_pages(made.mutable_data_ptr(), num_bytes);
#ifdef C3D_GARBAGE  // for tests: a byte that all memory begins with, so that what nobody writes is seen
  std::memset(made.mutable_data_ptr(), C3D_GARBAGE, num_bytes);
#endif
  return made;
}

// The checks of one op's arguments. All tensors must share the device of the first one checked.
class Checker {
 public:
  explicit Checker(const char* op) : op_(op) {}

  // shape: -1 is free. spelled: how the message says it, e.g. "[N, 3]".
  void tensor(const char* name, const Tensor& t, const Shape& shape, const std::string& spelled,
              ScalarType type = ScalarType::Float) {
    dtype(name, t, type);
    layout(name, t, shape, spelled);
  }

  // None is right too.
  void tensor(const char* name, const OptionalTensor& t, const Shape& shape, const std::string& spelled) {
    if (t) tensor(name, *t, shape, spelled);
  }

  void dtype(const char* name, const Tensor& t, ScalarType type) const {
    if (t.scalar_type() != type)
      fail("TypeError", op_, ": ", name, " must be ", name_of(type), ", got ", name_of(t.scalar_type()));
  }

  void layout(const char* name, const Tensor& t, const Shape& shape, const std::string& spelled) {
    const Shape got = shape_of(t);
    bool matches = got.size() == shape.size();
    for (size_t d = 0; matches && d < shape.size(); ++d) matches = shape[d] < 0 || shape[d] == got[d];
    if (!matches) fail("ValueError", op_, ": ", name, " must be ", spelled, ", got ", spell(got));
    if (!t.is_contiguous()) fail("ValueError", op_, ": ", name, " must be contiguous, got a strided view of ", spell(got));
    if (!first_) first_ = t;
    if (t.is_cuda() != first_->is_cuda() || t.get_device_index() != first_->get_device_index())
      fail("ValueError", op_, ": ", name, " must be on the device of the other tensors, got a tensor elsewhere");
  }

  // Fresh memory for a result on the device of `like`.
  Tensor result(const Tensor& like, const Shape& shape, ScalarType type = ScalarType::Float) const {
    try {
      return empty(like, shape, type);
    } catch (const std::exception&) {  // torch's own sentence is long, and of another type
      fail("MemoryError", op_, ": out of memory for a result of ", spell(shape), " ", name_of(type));
    }
  }

  template <typename... Parts>
  void that(bool condition, const Parts&... parts) const {
    if (!condition) fail("ValueError", op_, ": ", parts...);
  }

 private:
  const char* op_;
  OptionalTensor first_;
};

// [V, 16] float32 in host memory: fx, fy, cx, cy, then world_to_cam [3, 4].
inline std::vector<Camera> read_cameras(const Checker& check, const Tensor& cameras, int64_t width, int64_t height) {
  check.that(!cameras.is_cuda() && cameras.scalar_type() == ScalarType::Float && cameras.is_contiguous() &&
                 cameras.dim() == 2 && cameras.size(1) == 16,
             "cameras must be a contiguous float32 CPU tensor [V, 16], got ", spell(shape_of(cameras)));
  check.that(width >= 1 && height >= 1 && width <= kMaxSide && height <= kMaxSide,
             "the camera's width and height must be 1..2^23, got ", width, " x ", height);
  std::vector<Camera> views(static_cast<size_t>(cameras.size(0)));
  const float* row = cameras.const_data_ptr<float>();
  for (Camera& view : views) {
    view.fx = row[0], view.fy = row[1], view.cx = row[2], view.cy = row[3];
    view.width = width, view.height = height;
    for (int i = 0; i < 12; ++i) view.world_to_cam[i] = row[4 + i];
    row += 16;
  }
  return views;
}

// ranges: [V, 2] int64 in host memory.
inline void check_hidden(const Checker& check, const Tensor& ranges, int64_t num_views, int64_t num_points) {
  check.that(!ranges.is_cuda() && ranges.scalar_type() == ScalarType::Long && ranges.is_contiguous() &&
                 shape_of(ranges) == Shape{num_views, 2},
             "hidden must be a contiguous int64 CPU tensor [V, 2] with V = ", num_views, ", got ", spell(shape_of(ranges)));
  const int64_t* range = ranges.const_data_ptr<int64_t>();
  for (int64_t view = 0; view < num_views; ++view, range += 2)
    check.that(range[0] >= 0 && range[0] <= range[1] && range[1] <= num_points,
               "hidden must be ranges of points with 0 <= first <= end <= ", num_points, ", got ", range[0], "..", range[1]);
}

}  // namespace c3d::bindings
