// Sixteen lanes of floats or integers, in the widest registers of an instruction set. Included once inside the namespace of
// each, with C3D_AVX512 or C3D_AVX2 defined or neither: hence no guard.
//
// GCC takes vector types apart where no register holds them, comparisons and choices lane by lane. So sixteen lanes are what
// the registers hold, or pairs of it.

#include "vectors.h"

typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));

template <typename Half>
struct Pair {
  Half lo, hi;
  C3D_INLINE auto operator[](int lane) const {
    constexpr int kHalf = static_cast<int>(sizeof(Half) / 4);
    return lane < kHalf ? lo[lane] : hi[lane - kHalf];
  }
};

template <typename V>
constexpr bool kIsPair = false;
template <typename Half>
constexpr bool kIsPair<Pair<Half>> = true;

// Half by half: as a whole, GCC copies a pair in pieces of 16 bytes through the stack, from where loads of 32 bytes wait until
// both pieces have left for the cache.
template <typename V>
C3D_INLINE V load(const void* from) {
  if constexpr (kIsPair<V>)
    return {load<decltype(V::lo)>(from), load<decltype(V::hi)>(static_cast<const char*>(from) + sizeof(V::lo))};
  else
    return load_vector<V>(from);
}

template <typename V>
C3D_INLINE void store(void* to, const V& v) {
  if constexpr (kIsPair<V>) {
    store(to, v.lo);
    store(static_cast<char*>(to) + sizeof(v.lo), v.hi);
  } else {
    store_vector(to, v);
  }
}

#define C3D_PAIRWISE(op)                                                                               \
  template <typename Half>                                                                             \
  C3D_INLINE Pair<Half> operator op(const Pair<Half>& a, const Pair<Half>& b) {                        \
    return {a.lo op b.lo, a.hi op b.hi};                                                               \
  }                                                                                                    \
  template <typename Half, typename Scalar, typename = std::enable_if_t<std::is_arithmetic_v<Scalar>>> \
  C3D_INLINE Pair<Half> operator op(const Pair<Half>& a, Scalar b) {                                   \
    return {a.lo op b, a.hi op b};                                                                     \
  }                                                                                                    \
  template <typename Half, typename Scalar, typename = std::enable_if_t<std::is_arithmetic_v<Scalar>>> \
  C3D_INLINE Pair<Half> operator op(Scalar a, const Pair<Half>& b) {                                   \
    return {a op b.lo, a op b.hi};                                                                     \
  }                                                                                                    \
  template <typename Half, typename Other>                                                             \
  C3D_INLINE Pair<Half>& operator op##=(Pair<Half>& a, const Other & b) {                              \
    return a = a op b;                                                                                 \
  }
C3D_PAIRWISE(+)
C3D_PAIRWISE(-)
C3D_PAIRWISE(*)
C3D_PAIRWISE(/)
C3D_PAIRWISE(&)
C3D_PAIRWISE(|)
#undef C3D_PAIRWISE

#if defined(C3D_AVX512)
typedef float f32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef __mmask16 Lanes;  // a bit each

C3D_INLINE Lanes less(f32x16 a, f32x16 b) {
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), _CMP_LT_OQ);
}
C3D_INLINE Lanes less(i32x16 a, int32_t b) {
  return _mm512_cmplt_epi32_mask(reinterpret_cast<__m512i>(a), _mm512_set1_epi32(b));
}
C3D_INLINE f32x16 larger(const f32x16& a, const f32x16& b) { return a > b ? a : b; }
C3D_INLINE f32x16 select(Lanes mask, f32x16 yes, f32x16 no) {
  return reinterpret_cast<f32x16>(_mm512_mask_mov_ps(reinterpret_cast<__m512>(no), mask, reinterpret_cast<__m512>(yes)));
}
C3D_INLINE i32x16 select(Lanes mask, i32x16 yes, i32x16 no) {
  return reinterpret_cast<i32x16>(_mm512_mask_mov_epi32(reinterpret_cast<__m512i>(no), mask, reinterpret_cast<__m512i>(yes)));
}
C3D_INLINE Lanes but_not(Lanes some, Lanes others) { return static_cast<Lanes>(some & ~others); }
C3D_INLINE uint32_t bits_of_all(i32x16 v) {  // the bits that any lane has
  const i32x4 some = part_of<0, i32x4>(v) | part_of<1, i32x4>(v) | part_of<2, i32x4>(v) | part_of<3, i32x4>(v);
  return static_cast<uint32_t>(some[0] | some[1] | some[2] | some[3]);
}
C3D_INLINE uint32_t changes(const uint32_t* values) {  // bit i of 16: values[i + 1] differs from values[i]
  return _mm512_cmpneq_epi32_mask(_mm512_loadu_si512(values), _mm512_loadu_si512(values + 1));
}
C3D_INLINE bool any(Lanes mask) { return mask != 0; }
C3D_INLINE i32x16 count_in(Lanes mask, i32x16 counts) { return select(mask, counts + 1, counts); }
C3D_INLINE f32x16 half_lanes(float lo, float hi) { return select(static_cast<Lanes>(0xFF), lo - f32x16{}, hi - f32x16{}); }
C3D_INLINE f32x16 joined(f32x8 lo, f32x8 hi) {
  return reinterpret_cast<f32x16>(
      _mm512_insertf32x8(_mm512_castps256_ps512(reinterpret_cast<__m256>(lo)), reinterpret_cast<__m256>(hi), 1));
}
#else
#if defined(C3D_AVX2)
typedef float f32x8 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
C3D_INLINE uint32_t bits_of_all(i32x8 v) {  // the bits that any lane has
  const i32x4 some = part_of<0, i32x4>(v) | part_of<1, i32x4>(v);
  return static_cast<uint32_t>(some[0] | some[1] | some[2] | some[3]);
}
C3D_INLINE uint32_t changes(const uint32_t* values) {  // bit i of 16: values[i + 1] differs from values[i]
  uint32_t same = 0;
  for (int i = 0; i < 16; i += 8) {
    const __m256i equal = _mm256_cmpeq_epi32(reinterpret_cast<__m256i>(load<i32x8>(values + i)),
                                             reinterpret_cast<__m256i>(load<i32x8>(values + i + 1)));
    same |= static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(equal))) << i;
  }
  return ~same & 0xFFFFu;
}
C3D_INLINE bool any(i32x8 mask) {
  return !_mm256_testz_si256(reinterpret_cast<__m256i>(mask), reinterpret_cast<__m256i>(mask));
}
#else
typedef Pair<f32x4> f32x8;
typedef Pair<i32x4> i32x8;
C3D_INLINE uint32_t changes(const uint32_t* values) {  // bit i of 16: values[i + 1] differs from values[i]
  uint32_t bits = 0;
  for (int i = 0; i < 16; ++i) bits |= static_cast<uint32_t>(values[i] != values[i + 1]) << i;
  return bits;
}
C3D_INLINE bool any(i32x4 mask) { return (mask[0] | mask[1] | mask[2] | mask[3]) != 0; }
#endif
typedef Pair<f32x8> f32x16;
typedef Pair<i32x8> i32x16;
typedef i32x16 Lanes;  // all bits of a lane, or none
typedef i32x8 HalfLanes;

template <typename V, typename Mask>
C3D_INLINE auto choose(const Mask& mask, const V& yes, const V& no) -> std::enable_if_t<!std::is_class_v<V>, V> {
  return mask ? yes : no;
}
template <typename Half, typename Mask>
C3D_INLINE Pair<Half> choose(const Pair<Mask>& mask, const Pair<Half>& yes, const Pair<Half>& no) {
  return {choose(mask.lo, yes.lo, no.lo), choose(mask.hi, yes.hi, no.hi)};
}
template <typename Mask, typename V, typename Other>
C3D_INLINE auto compare(const V& a, const Other& b) -> std::enable_if_t<!std::is_class_v<V>, Mask> {
  return a < b;
}
template <typename Mask, typename Half>
C3D_INLINE Mask compare(const Pair<Half>& a, const Pair<Half>& b) {
  return {compare<decltype(Mask::lo)>(a.lo, b.lo), compare<decltype(Mask::hi)>(a.hi, b.hi)};
}
template <typename Half>
C3D_INLINE bool any(const Pair<Half>& mask) {
  return any(mask.lo | mask.hi);
}

template <typename V>
C3D_INLINE auto larger(const V& a, const V& b) -> std::enable_if_t<!std::is_class_v<V>, V> {
  return a > b ? a : b;
}
template <typename Half>
C3D_INLINE Pair<Half> larger(const Pair<Half>& a, const Pair<Half>& b) {
  return {larger(a.lo, b.lo), larger(a.hi, b.hi)};
}

C3D_INLINE Lanes less(const f32x16& a, const f32x16& b) { return compare<Lanes>(a, b); }
C3D_INLINE Lanes less(const i32x16& a, int32_t b) { return compare<Lanes>(a, i32x16{} + b); }
C3D_INLINE HalfLanes less(const f32x8& a, const f32x8& b) { return compare<HalfLanes>(a, b); }
C3D_INLINE HalfLanes less(const i32x8& a, int32_t b) { return compare<HalfLanes>(a, i32x8{} + b); }
template <typename Mask, typename V>
C3D_INLINE V select(const Mask& mask, const V& yes, const V& no) {
  return choose(mask, yes, no);
}
template <typename Mask>
C3D_INLINE Mask but_not(const Mask& some, const Mask& others) {
  return choose(others, Mask{}, some);
}
template <typename V>
C3D_INLINE V count_in(const V& mask, const V& counts) {
  return counts - mask;  // a lane's mask is -1
}
C3D_INLINE f32x16 half_lanes(float lo, float hi) { return {lo - f32x8{}, hi - f32x8{}}; }
C3D_INLINE f32x16 joined(const f32x8& lo, const f32x8& hi) { return {lo, hi}; }
#endif

template <typename V = f32x16>
C3D_INLINE V all_lanes(float value) {
  return value - V{};
}

// sum + a * b, in one rounding where there are masks for lanes.
C3D_INLINE f32x16 multiply_add(const f32x16& sum, const f32x16& a, const f32x16& b) {
#ifdef C3D_AVX512
  return reinterpret_cast<f32x16>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(sum)));
#else
  return sum + a * b;
#endif
}

C3D_INLINE f32x8 multiply_add(const f32x8& sum, const f32x8& a, const f32x8& b) {
#ifdef C3D_AVX512
  return reinterpret_cast<f32x8>(
      _mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(sum)));
#else
  return sum + a * b;
#endif
}

// The same in the lanes of the mask only: a feature may be NaN.
C3D_INLINE f32x16 multiply_add(const Lanes& mask, const f32x16& sum, const f32x16& a, const f32x16& b) {
#ifdef C3D_AVX512
  return reinterpret_cast<f32x16>(
      _mm512_mask3_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(sum), mask));
#else
  return select(mask, sum + a * b, sum);
#endif
}

#ifndef C3D_AVX512
C3D_INLINE f32x8 multiply_add(const HalfLanes& mask, const f32x8& sum, const f32x8& a, const f32x8& b) {
  return select(mask, sum + a * b, sum);
}
#endif

#if defined(C3D_AVX512)
C3D_INLINE Pair<f32x8> halves(f32x16 v) { return {part_of<0, f32x8>(v), part_of<1, f32x8>(v)}; }
#else
template <typename Half>
C3D_INLINE Pair<Half> halves(const Pair<Half>& v) {
  return v;
}
#endif
#if defined(C3D_AVX2)
C3D_INLINE Pair<f32x4> halves(f32x8 v) { return {part_of<0, f32x4>(v), part_of<1, f32x4>(v)}; }
#endif

// Four lanes, from 4 * at on.
#ifdef C3D_AVX512
C3D_INLINE f32x4 quad_of(const f32x16& lanes, int at) {
  f32x4 quads[4];
  std::memcpy(quads, &lanes, sizeof quads);
  return quads[at];
}
#else
C3D_INLINE f32x4 quad_of(const f32x8& lanes, int at) {
  const auto half = halves(lanes);
  return at == 0 ? half.lo : half.hi;
}
C3D_INLINE f32x4 quad_of(const f32x16& lanes, int at) { return quad_of(at < 2 ? lanes.lo : lanes.hi, at % 2); }
#endif

// From a vector for each component to structures of four components, one after the other.
#ifdef C3D_AVX512
C3D_INLINE void store_interleaved(const f32x16& a, const f32x16& b, const f32x16& c, const f32x16& d, float* to) {
  const f32x16 ab_lo = shuffle<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(a, b);
  const f32x16 ab_hi = shuffle<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(a, b);
  const f32x16 cd_lo = shuffle<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(c, d);
  const f32x16 cd_hi = shuffle<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(c, d);
  store(to, shuffle<0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23>(ab_lo, cd_lo));
  store(to + 16, shuffle<8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31>(ab_lo, cd_lo));
  store(to + 32, shuffle<0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23>(ab_hi, cd_hi));
  store(to + 48, shuffle<8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31>(ab_hi, cd_hi));
}
#else
template <typename V>
C3D_INLINE void store_interleaved(const V& a, const V& b, const V& c, const V& d, float* to) {
  for (int q = 0; q < static_cast<int>(sizeof(V) / sizeof(f32x4)); ++q, to += 16) {
    const f32x4 aq = quad_of(a, q), bq = quad_of(b, q), cq = quad_of(c, q), dq = quad_of(d, q);
    const f32x4 ab_lo = shuffle<0, 4, 1, 5>(aq, bq), ab_hi = shuffle<2, 6, 3, 7>(aq, bq);
    const f32x4 cd_lo = shuffle<0, 4, 1, 5>(cq, dq), cd_hi = shuffle<2, 6, 3, 7>(cq, dq);
    store(to, shuffle<0, 1, 4, 5>(ab_lo, cd_lo));
    store(to + 4, shuffle<2, 3, 6, 7>(ab_lo, cd_lo));
    store(to + 8, shuffle<0, 1, 4, 5>(ab_hi, cd_hi));
    store(to + 12, shuffle<2, 3, 6, 7>(ab_hi, cd_hi));
  }
}
#endif

#define C3D_FORMULA C3D_INLINE
#include "c3d/composite_formulas.h"
#undef C3D_FORMULA
