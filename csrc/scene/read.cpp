// A scene's file to its data. Every array is checked here, once: what is read can be rendered.
#include <algorithm>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstring>

#include "data.h"
#include "tensors.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are copied as they lie in the file");

namespace c3d::scene {
namespace {

constexpr std::string_view kFormat = "c3drender play", kVersion = "1";
constexpr int64_t kAny = -1;  // of a size
constexpr int32_t kMostMoments = 60;  // of a way, beside its start
constexpr int32_t kMaxFrames = 1 << 20;
constexpr size_t kMaxNameBytes = 64;

template <typename T>
constexpr std::string_view kType = "U8";
template <>
constexpr std::string_view kType<int16_t> = "I16";
template <>
constexpr std::string_view kType<int32_t> = "I32";
template <>
constexpr std::string_view kType<float> = "F32";
template <>
constexpr std::string_view kType<double> = "F64";

void need(bool holds, const std::string& name, const char* expected) {
  if (!holds) throw Damaged{"expected " + name + " to be " + expected};
}

bool all_finite(const Floats& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

bool all_within(const Indices& indices, int64_t end) {
  return std::all_of(indices.begin(), indices.end(), [end](int32_t index) { return index >= 0 && index < end; });
}

bool is_focal(double px) { return px >= static_cast<double>(FLT_MIN) && px <= static_cast<double>(FLT_MAX); }

class Reader {
 public:
  explicit Reader(Container container) : container_(std::move(container)) {}

  bool has(const std::string& name) const { return find(name) != nullptr; }

  // A size of a tensor; 0 where it has no such.
  int64_t size(const std::string& name, size_t dim) const {
    const Tensor* tensor = find(name);
    return tensor && dim < tensor->shape.size() ? tensor->shape[dim] : 0;
  }

  template <typename T>
  std::vector<T> take(const std::string& name, const std::vector<int64_t>& shape) {
    std::vector<T> values;
    const Tensor& tensor = checked<T>(name, shape);
    values.resize(tensor.num_bytes / sizeof(T));
    copy(tensor, values.data());
    return values;
  }

  template <typename T>
  void take_to(const std::string& name, const std::vector<int64_t>& shape, T* values) {
    copy(checked<T>(name, shape), values);
  }

  void end() const {
    if (num_taken_ != container_.tensors.size()) throw Damaged{"expected no tensors but those of docs/scene-format.md"};
  }

 private:
  const Tensor* find(const std::string& name) const {
    for (const Tensor& tensor : container_.tensors)
      if (tensor.name == name) return &tensor;
    return nullptr;
  }

  template <typename T>
  const Tensor& checked(const std::string& name, const std::vector<int64_t>& shape) {
    const Tensor* tensor = find(name);
    if (!tensor) throw Damaged{"expected a tensor " + name + ", got none"};
    bool same = tensor->type == kType<T> && tensor->shape.size() == shape.size();
    for (size_t i = 0; same && i < shape.size(); ++i) same = shape[i] == kAny || tensor->shape[i] == shape[i];
    if (!same)
      throw Damaged{"expected " + name + " to be " + spell(kType<T>, shape) + ", got " + spell(tensor->type, tensor->shape)};
    ++num_taken_;
    return *tensor;
  }

  static void copy(const Tensor& tensor, void* to) {
    if (tensor.num_bytes > 0) std::memcpy(to, tensor.bytes, tensor.num_bytes);
  }

  Container container_;
  size_t num_taken_ = 0;
};

void read_view(Reader& reader, Scene::Data& data) {
  int32_t size[2];
  reader.take_to("size", {2}, size);
  reader.take_to("lens", {4}, data.lens);
  reader.take_to("margin_px", {1}, &data.margin_px);
  reader.take_to("focus", {3}, data.focus);
  reader.take_to("fps", {1}, &data.fps);
  data.width = size[0], data.height = size[1];
  need(std::min(size[0], size[1]) >= 1 && std::max(size[0], size[1]) <= kMaxSceneSide, "size", "1..32768");
  need(data.margin_px >= 0 && data.margin_px <= kMaxSceneSide, "margin_px", "0..32768");
  const Camera canvas = data.canvas();
  need(is_focal(data.lens[0]) && is_focal(data.lens[1]), "lens", "of focal lengths > 0 that a float holds");
  need(std::isfinite(canvas.cx + canvas.cy), "lens", "of a finite centre");
  need(std::isfinite(data.focus[0] + data.focus[1] + data.focus[2]), "focus", "finite");
  need(data.fps > 0 && std::isfinite(data.fps), "fps", "finite and > 0");
  float rules[5];
  reader.take_to("rules", {5}, rules);
  data.rules = {rules[0], rules[1], rules[2], rules[3], rules[4]};
  need(std::all_of(rules, rules + 5, [](float rule) { return std::isfinite(rule); }), "rules", "finite");
  need(rules[0] > 0 && rules[1] >= 1 && rules[3] >= 0, "rules", "a radius > 0, a stretch >= 1 and a tolerance >= 0");
}

// All points' arrays, with those that a file keeps of each kind where they belong.
void read_points(Reader& reader, Scene::Data& data) {
  Points& points = data.points;
  points.num_still = reader.size("still.radius", 0);
  points.num_bent = reader.size("bent.radius", 0);
  points.num_fluid = reader.size("fluid.phase", 0);
  const int64_t canvas = int64_t{data.canvas().width} * data.canvas().height;
  // Layer 0 fills most of the canvas, and each of its pixels is a point: a small file cannot claim a large picture.
  need(2 * (points.num_still + points.num_bent + points.num_fluid) >= canvas, "the points", "at least half of the canvas");
  need(points.size() <= INT32_MAX, "the points", "at most 2^31 - 1");
  const auto count = static_cast<size_t>(points.size());
  points.xyz.resize(3 * count), points.feat.resize(4 * count), points.radius.resize(count), points.opacity.resize(count);

  reader.take_to("still.xyz", {points.num_still, 3}, points.xyz.data());
  const auto take_kind = [&](const std::string& kind, int64_t first, int64_t num_points, bool rests) {
    reader.take_to(kind + ".opacity", {num_points}, points.opacity.data() + first);
    if (!rests) return;
    reader.take_to(kind + ".feat", {num_points, 4}, points.feat.data() + 4 * first);
    reader.take_to(kind + ".radius", {num_points}, points.radius.data() + first);
  };
  take_kind("still", 0, points.num_still, true);
  if (reader.has("bent.radius")) take_kind("bent", points.num_still, points.num_bent, true);
  if (reader.has("fluid.phase")) {
    take_kind("fluid", points.first_forward(), points.num_fluid, false);
    const float* forward = points.opacity.data() + points.first_forward();
    std::copy(forward, forward + points.num_fluid, points.opacity.data() + points.first_backward());
  }
}

void read_bent(Reader& reader, Scene::Data& data) {
  const int64_t num_points = data.points.num_bent, num_harmonics = reader.size("bent.sine_px", 0);
  need(num_harmonics >= 1, "bent.sine_px", "of one harmonic or more");
  data.bent = {num_harmonics, reader.take<float>("bent.start_px", {num_points, 2}),
               reader.take<float>("bent.z_cam", {num_points}),
               reader.take<float>("bent.sine_px", {num_harmonics, num_points, 2}),
               reader.take<float>("bent.cosine_px", {num_harmonics, num_points, 2})};
  data.frames.harmonics = reader.take<float>("frames.harmonics", {data.frames.count, num_harmonics, 2});
}

Way read_way(Reader& reader, const std::string& name, int64_t num_moments, int64_t num_points) {
  Way way{reader.take<int16_t>(name + ".units", {num_moments, num_points, 2}),
          reader.take<float>(name + ".unit_px", {num_moments})};
  need(all_finite(way.unit_px), name + ".unit_px", "finite");
  return way;
}

void read_fluid(Reader& reader, Scene::Data& data) {
  const int64_t num_points = data.points.num_fluid;
  const int32_t num_frames = data.frames.count;
  Fluid& fluid = data.fluid;
  fluid.start_px = reader.take<float>("fluid.start_px", {num_points, 2});
  fluid.feat = reader.take<float>("fluid.feat", {num_points, 4});
  fluid.surface = reader.take<float>("fluid.surface", {data.canvas().height, data.canvas().width, 8});
  fluid.phase = reader.take<float>("fluid.phase", {num_points});
  fluid.right = reader.take<int32_t>("fluid.right", {num_points});
  fluid.below = reader.take<int32_t>("fluid.below", {num_points});
  need(all_within(fluid.right, num_points) && all_within(fluid.below, num_points), "fluid.right and below", "points' indices");
  reader.take_to("fluid.stride", {1}, &fluid.stride);
  need(fluid.stride == std::max((num_frames - 1) / kMostMoments + 1, 1), "fluid.stride", "that of at most 60 moments");
  const int64_t num_moments = (num_frames - 1) / fluid.stride + 2;  // the start, and the end, which is no frame
  fluid.forward = read_way(reader, "forward", num_moments, num_points);
  fluid.backward = read_way(reader, "backward", num_moments, num_points);

  const int64_t num_fringe = reader.size("fringe.index", 0);
  data.fringe = {reader.take<int32_t>("fringe.index", {kAny}),
                 reader.take<float>("fringe.resting", {num_fringe, 3}),
                 reader.take<float>("fringe.clean", {num_fringe, 3}),
                 {}};
  need(all_within(data.fringe.index, num_points), "fringe.index", "points' indices");
  data.fringe.steady = data.fringe.resting;
}

void read_gain(Reader& reader, Scene::Data& data) {
  const int64_t num_points = data.points.num_fluid;
  Gain& gain = data.gain;
  for (size_t dim = 0; dim < 3; ++dim)
    need(reader.size("gain.gain", dim) <= kMaxSceneSide, "gain.gain", "of sizes up to 32768");
  gain.rows = static_cast<int32_t>(reader.size("gain.gain", 0));
  gain.height = static_cast<int32_t>(reader.size("gain.gain", 1));
  gain.width = static_cast<int32_t>(reader.size("gain.gain", 2));
  gain.fine = reader.take<float>("detail.fine", {num_points, 2, 3});
  gain.broad = reader.take<float>("detail.broad", {num_points, 3});
  gain.gain = reader.take<float>("gain.gain", {kAny, kAny, kAny});
  need(gain.rows >= 2 && gain.height >= 1 && gain.width >= 1, "gain.gain", "of two moments or more");
  reader.take_to("gain.spacing_px", {1}, &gain.spacing_px);
  need(gain.spacing_px > 0 && std::isfinite(gain.spacing_px), "gain.spacing_px", "finite and > 0");
  data.frames.gain_row = reader.take<int32_t>("frames.gain_row", {data.frames.count});
  data.frames.gain_share = reader.take<float>("frames.gain_share", {data.frames.count});
  need(all_within(data.frames.gain_row, gain.rows - 1), "frames.gain_row", "moments with another after them");
}

void read_waves(Reader& reader, Scene::Data& data) {
  const int64_t num_points = data.points.num_fluid;
  data.waves = {reader.take<float>("waves.even", {kNumCopies, 2, num_points}),
                reader.take<float>("waves.least", {num_points}),
                reader.take<float>("waves.most", {num_points}),
                reader.take<float>("waves.spread", {num_points}),
                reader.take<float>("waves.colour", {num_points, 3}),
                reader.take<float>("waves.tint", {num_points, 3})};
  for (size_t k = 0; k < data.fringe.index.size(); ++k)
    std::copy_n(data.waves.colour.data() + 3 * data.fringe.index[k], 3, data.fringe.steady.data() + 3 * k);
  data.frames.wave_weights = reader.take<float>("frames.wave_weights", {data.frames.count, 2, kNumCopies});
}

void read_frames(Reader& reader, Scene::Data& data) {
  const int64_t count = reader.size("frames.share", 0);
  need(count >= 1 && count <= kMaxFrames, "frames.share", "of 1..2^20 frames");
  data.frames.count = static_cast<int32_t>(count);
  data.frames.share = reader.take<float>("frames.share", {count});
  data.frames.fade = reader.take<float>("frames.fade", {count, 2});
  need(all_finite(data.frames.fade), "frames.fade", "finite");
  for (const float share : data.frames.share) need(share >= 0 && share <= 1, "frames.share", "in 0..1");
}

void read_paths(Reader& reader, Scene::Data& data) {
  for (std::string stem = "path.0"; reader.has(stem + ".pose"); stem = "path." + std::to_string(data.paths.size())) {
    const std::vector<uint8_t> name = reader.take<uint8_t>(stem + ".name", {kAny});
    const bool printable = std::all_of(name.begin(), name.end(), [](uint8_t byte) { return byte >= ' ' && byte <= '~'; });
    need(!name.empty() && name.size() <= kMaxNameBytes && printable, stem + ".name", "1 to 64 letters of ASCII");
    const int64_t length = reader.size(stem + ".pose", 0);
    need(length >= 1 && length <= kMaxFrames, stem + ".pose", "of 1..2^20 frames");
    data.paths.push_back({std::string(name.begin(), name.end()), reader.take<float>(stem + ".pose", {length, 3, 4}),
                          reader.take<float>(stem + ".zoom", {length})});
    const Path& path = data.paths.back();
    need(all_finite(path.pose), stem + ".pose", "finite");
    for (const double zoom : path.zoom)
      for (const double focal : {data.lens[0] * zoom, data.lens[1] * zoom})
        need(is_focal(focal), stem + ".zoom", "> 0 and of focal lengths that a float holds");
  }
}

}  // namespace

void read(const uint8_t* bytes, size_t num_bytes, Scene::Data& data) {
  Container container = read_container(bytes, num_bytes);
  if (container.format != kFormat) throw Damaged{"expected a .c3dplay file, as `c3drender export` writes it"};
  if (container.version != kVersion)
    throw Damaged{"expected format version 1, got " + std::string(container.version.substr(0, 20)) + ": export it anew"};
  Reader reader(std::move(container));
  read_view(reader, data);
  read_frames(reader, data);
  read_points(reader, data);
  if (reader.has("bent.radius")) read_bent(reader, data);
  if (reader.has("fluid.phase")) read_fluid(reader, data);
  if (reader.has("gain.gain")) read_gain(reader, data);
  if (reader.has("waves.even")) read_waves(reader, data);
  read_paths(reader, data);
  reader.end();
}

}  // namespace c3d::scene
