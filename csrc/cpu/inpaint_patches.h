// Patches of inpaint_layers, compared 8 pixels at a time; compiled for each instruction set by each_target.h. Sums fit 16
// bits: a patch has kSide rows, and the difference of a channel, 255 at most, weighs 15.

typedef int16_t i16x32 __attribute__((vector_size(64)));
typedef uint16_t u16x32 __attribute__((vector_size(64)));

C3D_INLINE i16x32 select(i16x32 mask, i16x32 yes, i16x32 no) { return mask ? yes : no; }

C3D_INLINE i16x32 in_each_pixel(int16_t red, int16_t green, int16_t blue, int16_t disp) {
  return i16x32{red, green, blue, disp, red, green, blue, disp, red, green, blue, disp, red, green, blue, disp,
                red, green, blue, disp, red, green, blue, disp, red, green, blue, disp, red, green, blue, disp};
}

// The first or the last lane of each pixel, in all four.
C3D_INLINE i16x32 first_of_each(i16x32 v) {
  return __builtin_shuffle(v, i16x32{0,  0,  0,  0,  4,  4,  4,  4,  8,  8,  8,  8,  12, 12, 12, 12,
                                     16, 16, 16, 16, 20, 20, 20, 20, 24, 24, 24, 24, 28, 28, 28, 28});
}
C3D_INLINE i16x32 last_of_each(i16x32 v) {
  return __builtin_shuffle(v, i16x32{3,  3,  3,  3,  7,  7,  7,  7,  11, 11, 11, 11, 15, 15, 15, 15,
                                     19, 19, 19, 19, 23, 23, 23, 23, 27, 27, 27, 27, 31, 31, 31, 31});
}

// Colours, and disparities in units of kBendShift.
C3D_INLINE i16x32 values_of(i16x32 packed) {
  const i16x32 bits = packed & in_each_pixel(0xFF, 0xFF, 0xFF, 0x7FFF);
  return select(in_each_pixel(0, 0, 0, -1), bits >> kBendShift, bits);
}

C3D_INLINE int32_t sum_of(i16x32 v) {
  const i32x16 pairs = load<i32x16>(&v);
  i32x16 sum = (pairs << 16 >> 16) + (pairs >> 16);
  sum += __builtin_shuffle(sum, i32x16{8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7});
  sum += __builtin_shuffle(sum, i32x16{4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11});
  return sum[0] + sum[1] + sum[2] + sum[3];
}

inline void read_patch(const Level& level, const PackedPixel* packed, int32_t pixel, int16_t limit, Patch& patch) {
  const i16x32 centre = in_each_pixel(0, 0, 0, static_cast<int16_t>(level.disp[pixel] >> kBendShift));
  i16x32 in_patch = in_each_pixel(-1, -1, -1, -1);
  for (int lane = 4 * kSide; lane < 32; ++lane) in_patch[lane] = 0;
  i16x32 total = {};
  for (int row = 0; row < kSide; ++row) {
    const i16x32 there = load<i16x32>(packed + pixel + (row - kRadius) * level.stride - kRadius);
    const i16x32 is_context = (last_of_each(there) & int16_t{0x7FFF}) <= limit;
    const i16x32 weight = first_of_each(there) >> 8 & is_context & in_patch;
    total += weight;
    store(patch.value[row], values_of(there) - centre);
    store(patch.weight[row], weight);
  }
  patch.total_weight = sum_of(total) / 4;
}

C3D_INLINE i16x32 row_difference(const Level& level, const PackedPixel* packed, const Patch& patch, int32_t source,
                                 int16_t limit, i16x32 centre, int row) {
  const i16x32 there = load<i16x32>(packed + source + (row - kRadius) * level.stride - kRadius);
  // Hole pixels are past any limit: their disparities have the sign bit set.
  const i16x32 is_missing = load<u16x32>(&there) > static_cast<uint16_t>(limit);
  const i16x32 step = values_of(there) - centre - load<i16x32>(patch.value[row]);
  const i16x32 size = step < 0 ? -step : step, most = in_each_pixel(kNoPixel, kNoPixel, kNoPixel, kMaxBend);
  const i16x32 error = select(last_of_each(is_missing), in_each_pixel(kMissing, 0, 0, 0), size < most ? size : most);
  return error * load<i16x32>(patch.weight[row]);
}

// cost, which is < bound, plus the difference between the patch and the one around `source`; or any number >= bound.
inline int32_t add_difference(const Level& level, const PackedPixel* packed, const Patch& patch, int32_t source, int16_t limit,
                              int32_t cost, int32_t bound) {
  const i16x32 centre = in_each_pixel(0, 0, 0, static_cast<int16_t>(level.disp_known[source] >> kBendShift));
  i16x32 sum = {};
  for (int row : {3, 1, 5}) sum += row_difference(level, packed, patch, source, limit, centre, row);
  if (cost + sum_of(sum) >= bound) return bound;
  for (int row : {0, 2, 4, 6}) sum += row_difference(level, packed, patch, source, limit, centre, row);
  return cost + sum_of(sum);
}
