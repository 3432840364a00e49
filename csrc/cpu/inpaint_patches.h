// Patches of inpaint_layers, compared a row of 8 pixels at a time in as many vectors as the instruction set needs; compiled
// for each by each_target.h. Sums fit 16 bits: a patch has kSide rows, and the difference of a channel, 255 at most,
// weighs 15. Vectors are no longer than a register: longer ones GCC takes apart lane by lane.

#include "vectors.h"

#if defined(C3D_AVX512)
constexpr int kLanes = 32;
#elif defined(C3D_AVX2)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif
constexpr int kVectors = kRowLanes / kLanes;
typedef int16_t i16 __attribute__((vector_size(2 * kLanes)));
typedef uint16_t u16 __attribute__((vector_size(2 * kLanes)));
typedef int32_t i32 __attribute__((vector_size(2 * kLanes)));

template <int... lane>
C3D_INLINE i16 in_each_pixel(std::integer_sequence<int, lane...>, int16_t red, int16_t green, int16_t blue, int16_t disp) {
  return i16{(lane % 4 == 0 ? red : lane % 4 == 1 ? green : lane % 4 == 2 ? blue : disp)...};
}
C3D_INLINE i16 in_each_pixel(int16_t red, int16_t green, int16_t blue, int16_t disp) {
  return in_each_pixel(std::make_integer_sequence<int, kLanes>(), red, green, blue, disp);
}

// Lane `from` of each pixel, in all four.
template <int from, int... lane>
C3D_INLINE i16 spread(i16 v, std::integer_sequence<int, lane...>) {
  return shuffle<(lane / 4 * 4 + from)...>(v, v);
}
C3D_INLINE i16 first_of_each(i16 v) { return spread<0>(v, std::make_integer_sequence<int, kLanes>()); }
C3D_INLINE i16 last_of_each(i16 v) { return spread<3>(v, std::make_integer_sequence<int, kLanes>()); }

// All ones in the lanes of a row's vector that belong to the patch.
template <int... lane>
C3D_INLINE i16 in_patch(std::integer_sequence<int, lane...>, int vector) {
  return i16{static_cast<int16_t>(vector * kLanes + lane < 4 * kSide ? -1 : 0)...};
}

// Colours, and disparities in units of kBendShift.
C3D_INLINE i16 values_of(i16 packed) {
  const i16 bits = packed & in_each_pixel(0xFF, 0xFF, 0xFF, 0x7FFF), is_disp = in_each_pixel(0, 0, 0, -1);
  return is_disp ? bits >> kBendShift : bits;
}

// Adds the lanes that lie `step` apart, then those that lie half as far apart.
template <int step, int... lane>
C3D_INLINE i32 folded(i32 v, std::integer_sequence<int, lane...> lanes) {
  v += shuffle<(lane ^ step)...>(v, v);
  if constexpr (step > 1) v = folded<step / 2>(v, lanes);
  return v;
}

C3D_INLINE int32_t sum_of(const i16 (&vectors)[kVectors]) {
  i32 sums = {};
  for (int k = 0; k < kVectors; ++k) {
    const i32 pairs = load_vector<i32>(&vectors[k]);
    sums += (pairs << 16 >> 16) + (pairs >> 16);
  }
  return folded<kLanes / 4>(sums, std::make_integer_sequence<int, kLanes / 2>())[0];
}

// The surroundings of a hole pixel. value: the colours, and the disparity against the centre's in units of kBendShift. weight:
// the confidence, the same in all four lanes of a pixel; 0 where a nearer surface stands.
struct Patch {
  i16 value[kSide][kVectors];
  i16 weight[kSide][kVectors];
};

// Returns the sum of the weights.
C3D_INLINE int32_t read_patch(const Level& level, const PackedPixel* packed, int32_t pixel, int16_t limit, Patch& patch) {
  const i16 centre = in_each_pixel(0, 0, 0, static_cast<int16_t>(level.disp[pixel] >> kBendShift));
  i16 total[kVectors] = {};
  for (int row = 0; row < kSide; ++row) {
    const PackedPixel* start = packed + pixel + (row - kRadius) * level.stride - kRadius;
    for (int k = 0; k < kVectors; ++k) {
      const i16 there = load_vector<i16>(start + k * kLanes / 4);
      const i16 is_context = (last_of_each(there) & int16_t{0x7FFF}) <= limit;
      patch.weight[row][k] = first_of_each(there) >> 8 & is_context & in_patch(std::make_integer_sequence<int, kLanes>(), k);
      patch.value[row][k] = values_of(there) - centre;
      total[k] += patch.weight[row][k];
    }
  }
  return sum_of(total) / 4;
}

// Adds to `sum` the difference of one row.
C3D_INLINE void add_row(const Level& level, const PackedPixel* packed, const Patch& patch, int32_t source, int16_t limit,
                        i16 centre, int row, i16 (&sum)[kVectors]) {
  const PackedPixel* start = packed + source + (row - kRadius) * level.stride - kRadius;
  const i16 most = in_each_pixel(kNoPixel, kNoPixel, kNoPixel, kMaxBend), missing = in_each_pixel(kMissing, 0, 0, 0);
  for (int k = 0; k < kVectors; ++k) {
    const i16 there = load_vector<i16>(start + k * kLanes / 4);
    // Hole pixels are past any limit: their disparities have the sign bit set.
    const i16 last = last_of_each(there);
    const i16 is_missing = load_vector<u16>(&last) > static_cast<uint16_t>(limit);
    const i16 step = values_of(there) - centre - patch.value[row][k];
    const i16 size = step < 0 ? -step : step;
    const i16 error = is_missing ? missing : (size < most ? size : most);
    sum[k] += error * patch.weight[row][k];
  }
}

// cost, which is < bound, plus the difference between the patch and the one around `source`; or any number >= bound. That of a
// hole pixel is no source's: its disparity, without sign, is past any limit.
C3D_INLINE int32_t add_difference(const Level& level, const PackedPixel* packed, const Patch& patch, int32_t source,
                                  int16_t limit, int32_t cost, int32_t bound) {
  const int16_t disp = packed[source].disp;
  if (static_cast<uint16_t>(disp) > limit) return bound;
  const i16 centre = in_each_pixel(0, 0, 0, static_cast<int16_t>(disp >> kBendShift));
  i16 sum[kVectors] = {};
  add_row(level, packed, patch, source, limit, centre, 3, sum);
  add_row(level, packed, patch, source, limit, centre, 1, sum);
  add_row(level, packed, patch, source, limit, centre, 5, sum);
  if (cost + sum_of(sum) >= bound) return bound;
  add_row(level, packed, patch, source, limit, centre, 0, sum);
  add_row(level, packed, patch, source, limit, centre, 2, sum);
  add_row(level, packed, patch, source, limit, centre, 4, sum);
  add_row(level, packed, patch, source, limit, centre, 6, sum);
  return cost + sum_of(sum);
}

// Searches for the hole pixels begin .. end - 1. flatten: the patch stays in registers while its candidates are compared.
__attribute__((flatten)) static void search_sources(const Level& level, const PackedPixel* packed, uint32_t pass,
                                                    int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int16_t limit = level.limit[i];
    Patch patch;
    const int32_t total_weight = read_patch(level, packed, level.at(level.place[i]), limit, patch);
    search_source(level, pass, static_cast<int32_t>(i), total_weight,
                  [&](int32_t source, int32_t cost, int32_t bound)
                      C3D_LAMBDA_TARGET { return add_difference(level, packed, patch, source, limit, cost, bound); });
  }
}
