#include "tensors.h"

#include <cstring>

namespace c3d::scene {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr size_t kMaxHeaderBytes = size_t{1} << 20;
constexpr size_t kMaxTensors = 1024;
constexpr size_t kMaxDims = 4;
constexpr int64_t kMaxCount = int64_t{1} << 48;

// The JSON of a safetensors header, which is objects, arrays of whole numbers, and strings; ours have no escapes.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool next_is(char wanted) {  // and passes it
    skip_space();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  void expect(char wanted) {
    if (!next_is(wanted)) fail(std::string(1, wanted));
  }

  std::string_view string() {
    expect('"');
    const size_t first = at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' || static_cast<unsigned char>(text_[at_]) < ' ') fail("a string without escapes");
      ++at_;
    }
    expect('"');
    return text_.substr(first, at_ - 1 - first);
  }

  int64_t count() {
    skip_space();
    const size_t first = at_;
    int64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      value = 10 * value + (text_[at_] - '0');
      if (value > kMaxCount) fail("a number below 2^48");
    }
    if (at_ == first) fail("a whole number");
    return value;
  }

  template <typename Item>  // item() reads one
  void list(char open, char close, const Item& item) {
    expect(open);
    if (next_is(close)) return;
    do {
      item();
    } while (next_is(','));
    expect(close);
  }

  void end() {
    skip_space();
    if (at_ != text_.size()) fail("its end");
  }

  [[noreturn]] void fail(const std::string& expected) const {
    throw Damaged{"expected " + expected + " at byte " + std::to_string(at_) + " of the header"};
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_]) && text_[at_] != '\0') ++at_;
  }

  std::string_view text_;
  size_t at_ = 0;
};

size_t bytes_of(const Tensor& tensor) {
  size_t size = 0;
  for (const auto& [type, bytes] : {std::pair{"U8", 1}, {"I16", 2}, {"I32", 4}, {"F32", 4}, {"F64", 8}})
    if (tensor.type == type) size = static_cast<size_t>(bytes);
  if (size == 0) throw Damaged{"expected U8, I16, I32, F32 or F64, got " + std::string(tensor.type)};
  for (const int64_t side : tensor.shape)
    if (__builtin_mul_overflow(size, static_cast<size_t>(side), &size))
      throw Damaged{"expected sizes that memory holds, got " + spell(tensor.type, tensor.shape)};
  return size;
}

Tensor read_tensor(Cursor& cursor, std::string_view name, std::string_view data) {
  Tensor tensor;
  tensor.name = name;
  std::vector<int64_t> offsets;
  cursor.list('{', '}', [&] {
    const std::string_view key = cursor.string();
    cursor.expect(':');
    if (key == "dtype") {
      tensor.type = cursor.string();
    } else if (key == "shape" || key == "data_offsets") {
      std::vector<int64_t>& counts = key == "shape" ? tensor.shape : offsets;
      cursor.list('[', ']', [&] {
        if (counts.size() == kMaxDims) cursor.fail("at most 4 sizes");
        counts.push_back(cursor.count());
      });
    } else {
      cursor.fail("dtype, shape and data_offsets");
    }
  });
  if (offsets.size() != 2) cursor.fail("two data_offsets");
  const auto first = static_cast<size_t>(offsets[0]), end = static_cast<size_t>(offsets[1]);
  if (first > end || end > data.size()) throw Damaged{"expected " + std::string(name) + " inside the file"};
  tensor.bytes = reinterpret_cast<const uint8_t*>(data.data()) + first;
  tensor.num_bytes = end - first;
  if (tensor.num_bytes != bytes_of(tensor))
    throw Damaged{"expected " + std::string(name) + " to have the bytes of " + spell(tensor.type, tensor.shape)};
  return tensor;
}

}  // namespace

Container read_container(const uint8_t* bytes, size_t num_bytes) {
  const std::string_view file(reinterpret_cast<const char*>(bytes), num_bytes);
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes && i < num_bytes; ++i) length |= uint64_t{bytes[i]} << (8 * i);
  if (num_bytes < kLengthBytes || length > kMaxHeaderBytes || length > num_bytes - kLengthBytes)
    throw Damaged{"expected a .c3dplay file, whole"};
  const std::string_view data = file.substr(kLengthBytes + length);

  Cursor cursor(file.substr(kLengthBytes, length));
  Container container;
  size_t num_told = 0;
  cursor.list('{', '}', [&] {
    const std::string_view name = cursor.string();
    cursor.expect(':');
    if (name == "__metadata__") {
      cursor.list('{', '}', [&] {
        const std::string_view key = cursor.string();
        cursor.expect(':');
        const std::string_view value = cursor.string();
        if (key == "format") container.format = value;
        if (key == "version") container.version = value;
      });
      return;
    }
    if (container.tensors.size() == kMaxTensors) cursor.fail("at most 1024 tensors");
    container.tensors.push_back(read_tensor(cursor, name, data));
    num_told += container.tensors.back().num_bytes;
  });
  cursor.end();
  if (num_told != data.size()) throw Damaged{"expected tensors that are all of the file"};
  return container;
}

std::string spell(std::string_view type, const std::vector<int64_t>& shape) {
  std::string text = std::string(type) + " [";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace c3d::scene
