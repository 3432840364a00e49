// A tile's features: of float, half or bfloat16, read in place or copied to rows of floats, and asked for ahead of time.
// Included by splat_simd.h, once for each instruction set.

constexpr int32_t kLineBytes = 64;  // of the cache

#ifdef C3D_AVX512
typedef f32x16 RowVector;  // that features are copied by
#elif defined(C3D_AVX2)
typedef f32x8 RowVector;
#else
typedef f32x4 RowVector;
#endif

template <typename V>
C3D_INLINE V load_feat(const float* from) {
  return load<V>(from);
}

struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

template <int kSize>  // bytes of the float vector
struct Bits;
template <>
struct Bits<16> {
  typedef uint16_t U16 __attribute__((vector_size(8)));
  typedef uint32_t U32 __attribute__((vector_size(16)));
};
template <>
struct Bits<32> {
  typedef uint16_t U16 __attribute__((vector_size(16)));
  typedef uint32_t U32 __attribute__((vector_size(32)));
};
template <>
struct Bits<64> {
  typedef uint16_t U16 __attribute__((vector_size(32)));
  typedef uint32_t U32 __attribute__((vector_size(64)));
};

template <typename V>
C3D_INLINE V load_feat(const BFloat16* from) {
  using U16 = typename Bits<sizeof(V)>::U16;
  using U32 = typename Bits<sizeof(V)>::U32;
  const U32 bits = __builtin_convertvector(load<U16>(from), U32) << 16;
  return load<V>(&bits);
}

// Half to float, where the processor has no instruction for it by integer arithmetic: exact for every value, and vectorised on
// any instruction set.
template <typename V>
C3D_INLINE V load_feat(const Half* from) {
#ifdef C3D_AVX512
  if constexpr (sizeof(V) == 64)
    return reinterpret_cast<V>(_mm512_maskz_cvtph_ps(0xFFFF, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
#endif
#if defined(C3D_AVX512) || defined(C3D_AVX2)
  if constexpr (sizeof(V) == 32)
    return reinterpret_cast<V>(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#endif
  using U16 = typename Bits<sizeof(V)>::U16;
  using U32 = typename Bits<sizeof(V)>::U32;
  const U32 h = __builtin_convertvector(load<U16>(from), U32);
  const U32 sign = (h & 0x8000u) << 16;
  const U32 magnitude = (h & 0x7FFFu) << 13;
  // Moving the exponent by multiplication with 2^112 normalises subnormals as well.
  const U32 two_112 = U32{} + 0x77800000u;
  const V scaled = load<V>(&magnitude) * load<V>(&two_112);
  const U32 finite = load<U32>(&scaled);
  const U32 special = magnitude | 0x7F800000u;  // infinity and NaN keep their mantissa
  const U32 bits = (((h & 0x7C00u) == 0x7C00u) ? special : finite) | sign;
  return load<V>(&bits);
}

// Whether features are summed from the caller's array: wide ones, unless they would have to be converted by arithmetic each
// time.
C3D_INLINE bool reads_in_place(const SplatPointsArgs& splat) {
#ifdef C3D_AVX512
  return !is_narrow(splat);
#else
  return !is_narrow(splat) && splat.feat_type == FeatType::kFloat32;
#endif
}

// Asks for the points of a part of the worker's next tile: while blocks are drawn, memory has nothing else to do. Rows of
// features that are read in place are asked for when a block hits them (prefetch_row), which is too late for long ones.
C3D_INLINE void prefetch_next(const TileArgs& args, int64_t part, int64_t num_parts) {
  constexpr int32_t kLongRow = 64;  // channels
  const SplatPointsArgs& splat = *args.splat;
  const int64_t feat_bytes = splat.num_channels * (splat.feat_type == FeatType::kFloat32 ? 4 : 2);
  const auto ask = [](const void* array, int64_t item_bytes, const Stretch& points) C3D_LAMBDA {
    const uintptr_t begin = reinterpret_cast<uintptr_t>(array) + points.first * static_cast<uintptr_t>(item_bytes);
    const uintptr_t end = begin + points.num * static_cast<uintptr_t>(item_bytes);
    for (uintptr_t at = begin / kLineBytes * kLineBytes; at < end; at += kLineBytes)
      __builtin_prefetch(reinterpret_cast<const void*>(at), 0, 3);
  };
  for (int64_t i = args.num_next * part / num_parts; i < args.num_next * (part + 1) / num_parts; ++i) {
    ask(splat.xyz, 3 * sizeof(float), args.next_list[i]);
    if (!reads_in_place(splat) || splat.num_channels > kLongRow) ask(splat.feat, feat_bytes, args.next_list[i]);
    if (splat.radius) ask(splat.radius, sizeof(float), args.next_list[i]);
    if (splat.opacity) ask(splat.opacity, sizeof(float), args.next_list[i]);
  }
}

template <typename T>
C3D_INLINE void load_row(const T* feat, int32_t num_channels, float* row) {
  int32_t c = 0;
  constexpr int32_t kStep = static_cast<int32_t>(sizeof(RowVector) / sizeof(float));
  for (; c + kStep <= num_channels; c += kStep) store(row + c, load_feat<RowVector>(feat + c));
  for (; c + 4 <= num_channels; c += 4) store(row + c, load_feat<f32x4>(feat + c));
  for (; c < num_channels; ++c) {
    T four[4] = {feat[c]};
    row[c] = load_feat<f32x4>(four)[0];
  }
  for (; c < row_stride(num_channels); ++c) row[c] = 0.0f;  // summed too, and then dropped
}

// Copies the tile's features to rows of floats, each converted once.
template <typename T>
C3D_INLINE void copy_rows(const TileArgs& args) {
  const T* feat = static_cast<const T*>(args.splat->feat);
  const int64_t num_channels = args.splat->num_channels, stride = row_stride(args.splat->num_channels);
  float* row = args.scratch.rows;
  for (int64_t i = 0; i < args.num_stretches; ++i) {
    const Stretch points = args.list[i];
    if (std::is_same_v<T, float> && num_channels == kNarrow) {
      copy_stretch(reinterpret_cast<const float*>(feat), int64_t{kNarrow} * points.first, int64_t{kNarrow} * points.num,
                   args.splat->num_points * kNarrow, row);
    } else {
      for (int64_t k = 0; k < points.num; ++k)
        load_row(feat + (points.first + k) * num_channels, static_cast<int32_t>(num_channels), row + k * stride);
    }
    row += points.num * stride;
  }
}

// Rows are read in place unless reading a last one sixteen at a time would leave the array.
C3D_INLINE Rows load_rows(const TileArgs& args) {
  const SplatPointsArgs& splat = *args.splat;
  if (reads_in_place(splat) && args.num_points > 0) {
    const int64_t behind = splat.num_points - 1 - args.scratch.index[args.num_points - 1];
    if (behind * splat.num_channels >= kLanes) return {splat.feat, splat.feat_type, splat.num_channels, args.scratch.index};
  }
  switch (splat.feat_type) {
    case FeatType::kFloat32: copy_rows<float>(args); break;
    case FeatType::kFloat16: copy_rows<Half>(args); break;
    case FeatType::kBFloat16: copy_rows<BFloat16>(args); break;
  }
  return {args.scratch.rows, FeatType::kFloat32, row_stride(splat.num_channels), nullptr};
}
