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

C3D_INLINE int32_t sum_of(const i16 (&vectors)[kVectors]) {
  i32 sums = {};
  for (int k = 0; k < kVectors; ++k) {
    const i32 pairs = load_vector<i32>(&vectors[k]);
    sums += (pairs << 16 >> 16) + (pairs >> 16);
  }
  int32_t sum = 0;
  for (int i = 0; i < kLanes / 2; ++i) sum += sums[i];
  return sum;
}

inline void read_patch(const Level& level, const PackedPixel* packed, int32_t pixel, int16_t limit, Patch& patch) {
  const i16 centre = in_each_pixel(0, 0, 0, static_cast<int16_t>(level.disp[pixel] >> kBendShift));
  i16 total[kVectors] = {};
  for (int row = 0; row < kSide; ++row) {
    const PackedPixel* start = packed + pixel + (row - kRadius) * level.stride - kRadius;
    for (int k = 0; k < kVectors; ++k) {
      const i16 there = load_vector<i16>(start + k * kLanes / 4);
      const i16 is_context = (last_of_each(there) & int16_t{0x7FFF}) <= limit;
      const i16 weight = first_of_each(there) >> 8 & is_context & in_patch(std::make_integer_sequence<int, kLanes>(), k);
      total[k] += weight;
      store_vector(patch.value[row] + k * kLanes, values_of(there) - centre);
      store_vector(patch.weight[row] + k * kLanes, weight);
    }
  }
  patch.total_weight = sum_of(total) / 4;
}

// Adds to `sum` the difference of one row.
C3D_INLINE void add_row(const Level& level, const PackedPixel* packed, const Patch& patch, int32_t source, int16_t limit,
                        i16 centre, int row, i16 (&sum)[kVectors]) {
  const PackedPixel* start = packed + source + (row - kRadius) * level.stride - kRadius;
  const i16 most = in_each_pixel(kNoPixel, kNoPixel, kNoPixel, kMaxBend), missing = in_each_pixel(kMissing, 0, 0, 0);
  for (int k = 0; k < kVectors; ++k) {
    const i16 there = load_vector<i16>(start + k * kLanes / 4);
    // Hole pixels are past any limit: their disparities have the sign bit set.
    const i16 is_missing = last_of_each(load_vector<u16>(&there) > static_cast<uint16_t>(limit));
    const i16 step = values_of(there) - centre - load_vector<i16>(patch.value[row] + k * kLanes);
    const i16 size = step < 0 ? -step : step;
    const i16 error = is_missing ? missing : (size < most ? size : most);
    sum[k] += error * load_vector<i16>(patch.weight[row] + k * kLanes);
  }
}

// cost, which is < bound, plus the difference between the patch and the one around `source`; or any number >= bound.
inline int32_t add_difference(const Level& level, const PackedPixel* packed, const Patch& patch, int32_t source, int16_t limit,
                              int32_t cost, int32_t bound) {
  const i16 centre = in_each_pixel(0, 0, 0, static_cast<int16_t>(level.disp_known[source] >> kBendShift));
  i16 sum[kVectors] = {};
  for (int row : {3, 1, 5}) add_row(level, packed, patch, source, limit, centre, row, sum);
  if (cost + sum_of(sum) >= bound) return bound;
  for (int row : {0, 2, 4, 6}) add_row(level, packed, patch, source, limit, centre, row, sum);
  return cost + sum_of(sum);
}
