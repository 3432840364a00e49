// The container of a scene's file, safetensors: eight bytes that tell the length of a header in JSON, the header, the tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace c3d::scene {

// Thrown while a file is read, and caught where it began: the core's border knows no exceptions.
struct Damaged {
  std::string what;
};

struct Tensor {
  std::string_view name, type;  // type: "F32", "I16" ..., as safetensors spells it
  std::vector<int64_t> shape;
  const uint8_t* bytes = nullptr;
  size_t num_bytes = 0;
};

// Views of the file's bytes, which must outlive it.
struct Container {
  std::string_view format, version;  // of the metadata; what else it says is passed over
  std::vector<Tensor> tensors;
};

// Refuses whatever is not whole: each tensor lies inside the file and has the size that its type and shape say; together they
// are all of its bytes, so that no small file can claim a large scene.
Container read_container(const uint8_t* bytes, size_t num_bytes);

std::string spell(std::string_view type, const std::vector<int64_t>& shape);  // F32 [3, 4]

}  // namespace c3d::scene
